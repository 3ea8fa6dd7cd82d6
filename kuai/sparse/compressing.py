"""Compressed sparse tensors (``torch.sparse_csr`` and its kin): how they are made, and to and from other layouts."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from .. import dtypes
from ..devices import placement
from ..layouts import layout, sparse_bsc, sparse_bsr, sparse_csc, sparse_csr
from ..ops.conversion import to_device, to_dtype
from ..ops.creation import require_grad, tensor, zeros
from ..ops.taking import add_at, take_at
from ..ops.views import sizes
from ..tensor import Tensor, from_array
from . import checks
from .compressed import BY_ROWS, COMPRESSED, OF_BLOCKS, Compressed, compressed, own_order
from .storage import (
    BuildNode,
    any_sparse,
    at_pattern,
    build,
    coalesced,
    is_sparse,
    on_graph,
    pattern_of,
    to_dense,
    values_of,
)

# ---- making ----------------------------------------------------------------------------------------------------------


def sparse_compressed_tensor(compressed_indices: object, plain_indices: object, values: object, size: object = None, *,
                             dtype: object = None, layout: layout | None = None, device: object = None, pin_memory: bool = False,
                             requires_grad: bool = False, check_invariants: bool | None = None) -> Tensor:  # fmt: skip
    """A sparse tensor in a compressed layout from its parts (``torch.sparse_compressed_tensor``): where each row (or column)
    begins, the other index of each value, and the values.

    >>> import kuai as torch
    >>> torch.sparse_compressed_tensor([0, 1, 2], [1, 0], [3.0, 4.0], (2, 2), layout=torch.sparse_csr).to_dense()
    tensor([[0., 3.],
            [4., 0.]])
    """
    if layout not in COMPRESSED:
        raise RuntimeError(f"sparse_compressed_tensor expected sparse compressed tensor layout but got {layout or 'none'}")
    values = values if isinstance(values, Tensor) else tensor(values)
    where = values.device if device is None else placement(device)
    values = to_device(values if dtype is None else to_dtype(values, dtypes.as_dtype(dtype)), where)
    begins, others = (to_device(_indices(x), where) for x in (compressed_indices, plain_indices))
    checks.need_compressed(begins, others, values, layout)
    n = others.ndim - 1
    block = tuple(values.shape[n + 1 : n + 3]) if layout in OF_BLOCKS else ()
    shape = _extent(begins, others, values, layout, block) if size is None else sizes((size,))
    pattern = Compressed(layout, begins, others, shape, block)
    if checks.wanted(check_invariants):
        checks.need_consistent(pattern, values)
    made = build(pattern, values)
    return require_grad(made.detach() if requires_grad else made, requires_grad)


def _indices(x: object) -> Tensor:
    """Indices as a tensor; those of a tensor keep their width."""
    return x if isinstance(x, Tensor) else tensor(x, dtype=dtypes.int64)


def _extent(begins: Tensor, others: Tensor, values: Tensor, layout: layout, block: Sequence[int]) -> tuple[int, ...]:
    """The least shape that the parts fit in."""
    data = others._array()
    ends = (begins.shape[-1] - 1, int(data.max()) + 1 if data.size else 0)
    lengths = [n * b for n, b in zip(ends if layout in BY_ROWS else ends[::-1], block or (1, 1))]
    rest = values.shape[others.ndim + (2 if block else 0) :]
    return (*others.shape[:-1], *lengths, *rest)


def _maker(layout: layout, first: str, second: str):  # type: ignore[no-untyped-def]
    def make(*parts: object, **options: object) -> Tensor:
        named = {k: options.pop(k) for k in (first, second, "values", "size") if k in options}
        options.pop("layout", None)
        parts = (*parts, *[named[k] for k in (first, second, "values", "size")[len(parts) :] if k in named])
        return sparse_compressed_tensor(*parts, layout=layout, **options)  # type: ignore[arg-type]

    make.__name__ = make.__qualname__ = f"{layout.name}_tensor"
    make.__doc__ = f"""A sparse tensor of the layout {layout.name} from ``({first}, {second}, values, size=None)``
    (``torch.{layout.name}_tensor``); see `sparse_compressed_tensor`."""
    return make


sparse_csr_tensor = _maker(sparse_csr, "crow_indices", "col_indices")
sparse_csc_tensor = _maker(sparse_csc, "ccol_indices", "row_indices")
sparse_bsr_tensor = _maker(sparse_bsr, "crow_indices", "col_indices")
sparse_bsc_tensor = _maker(sparse_bsc, "ccol_indices", "row_indices")


def empty(shape: Sequence[int], dtype: dtypes.dtype, device: object, layout: layout) -> Tensor:
    """A compressed sparse tensor of no values."""
    if layout in OF_BLOCKS or len(shape) < 2:
        raise RuntimeError(f"zeros: a tensor of layout {layout} has two dimensions or more, and no blocks, got {list(shape)}")
    values = zeros((*shape[:-2], 0), dtype=dtype, device=device)
    length = shape[-2] if layout in BY_ROWS else shape[-1]
    begins = zeros((*shape[:-2], length + 1), dtype=dtypes.int64, device=device)
    return build(Compressed(layout, begins, values.to(dtypes.int64), shape), values)


# ---- what they are made of ---------------------------------------------------------------------------------------------


def _part(kind: str, place: int, layouts: tuple):  # type: ignore[no-untyped-def]
    name = (("crow_indices", "col_indices") if kind == "row" else ("ccol_indices", "row_indices"))[place]

    def part(self: Tensor) -> Tensor:
        if self.layout not in layouts:
            raise RuntimeError(
                f"{name} expected sparse {kind} compressed tensor layout but got {checks.layout_name(self)}"
            )
        p = pattern_of(self)
        return (p.begins if place == 0 else p.others)._alias()  # type: ignore[attr-defined]

    part.__name__, part.__doc__ = name, f"One of the index tensors of a compressed sparse tensor (``torch.Tensor.{name}``)."
    return part


crow_indices, col_indices = (_part("row", i, (sparse_csr, sparse_bsr)) for i in (0, 1))
ccol_indices, row_indices = (_part("column", i, (sparse_csc, sparse_bsc)) for i in (0, 1))


# ---- to and from coordinates -------------------------------------------------------------------------------------------


def to_coo(x: Tensor) -> Tensor:
    """A compressed sparse tensor in coordinates, each element of a block by its own. What comes back is in x's layout, or
    dense.
    """
    if x._node is None or type(x._node) is BuildNode:
        return _spelled_out(x)
    p, made = pattern_of(x), _spelled_out(x.detach())
    return on_graph(made, "ToSparseBackward0", lambda g: build(p, at_pattern(g, p)) if any_sparse(g) else g, x)


def _spelled_out(x: Tensor) -> Tensor:
    p = pattern_of(x)
    values = p.flat(values_of(x))  # type: ignore[attr-defined]
    if not p.block:  # type: ignore[attr-defined]
        return build(p.grid, values)  # type: ignore[attr-defined]
    pattern, order = p.elements  # type: ignore[attr-defined]
    flat = values.reshape((-1, *values.shape[3:]))
    return build(pattern, take_at(flat, from_array(order, x.device), dim=0, count=1, wrap=False))


def from_coo(x: Tensor, layout: layout, block: Sequence[int] = ()) -> Tensor:
    """A sparse tensor in coordinates in a compressed layout."""
    x = coalesced(x)
    places, values = pattern_of(x).indices._array(), values_of(x)
    if pattern_of(x).sparse_dim < 2:
        raise RuntimeError(f"to_sparse: {layout} needs two sparse dimensions or more, got {pattern_of(x).sparse_dim}")
    if layout in OF_BLOCKS:
        return _into_blocks(x, layout, block)
    order = own_order(places, layout)
    pattern = compressed(places[:, order], x.shape, layout, (), x.device)
    return build(pattern, pattern.batched(take_at(values, from_array(order, x.device), dim=0, count=1, wrap=False)))


def _into_blocks(x: Tensor, layout: layout, block: Sequence[int]) -> Tensor:
    """Values put into those blocks that have some."""
    p, (b, c) = pattern_of(x), block
    _need_blocks(p.shape[-2 - len(p.rest) :], block)
    places = p.indices._array().copy()
    rows, columns = places[-2] % b, places[-1] % c
    places[-2], places[-1] = places[-2] // b, places[-1] // c
    distinct, number = np.unique(places, axis=1, return_inverse=True)
    order = own_order(distinct, layout)
    at = np.argsort(order, kind="stable")[number.reshape(-1)]
    pattern = compressed(distinct[:, order], p.shape, layout, block, x.device)
    flat = from_array((at * b + rows) * c + columns, x.device)
    shape = (distinct.shape[1], b, c, *p.rest)
    return build(pattern, pattern.batched(add_at(None, values_of(x), flat, dim=0, count=3, shape=shape)))


def _need_blocks(shape: Sequence[int], block: Sequence[int]) -> None:
    if len(block) != 2 or min(block) < 1 or shape[0] % block[0] or shape[1] % block[1]:
        raise RuntimeError(
            f"to_sparse: tensor sparse size ({shape[0]},{shape[1]}) must be divisible by given blocksize "
            f"({','.join(map(str, block))})"
        )


# ---- from any layout ---------------------------------------------------------------------------------------------------


def convert(x: Tensor, layout: layout, block: Sequence[int] | None = None, dense_dim: int | None = None) -> Tensor:
    """A tensor of any layout in a compressed one."""
    if layout in OF_BLOCKS and block is None:
        if x.layout is layout:
            return x
        raise RuntimeError(
            f"to_sparse: conversion from {checks.layout_name(x)} to {layout} without blocksize argument given is not supported"
        )
    block = tuple(block) if layout in OF_BLOCKS and block is not None else ()
    if x.layout is layout and pattern_of(x).block == block:  # type: ignore[attr-defined]
        return x
    if any_sparse(x):
        return from_coo(x if is_sparse(x) else to_coo(x), layout, block)
    return _from_dense(x, layout, block, dense_dim or 0)


def _from_dense(x: Tensor, layout: layout, block: Sequence[int], dense_dim: int) -> Tensor:
    n = x.ndim - dense_dim - 2
    if n < 0:
        raise RuntimeError(f"to_sparse: {layout} needs two dimensions or more that are not dense, got shape {list(x.shape)}")
    if block:
        _need_blocks(x.shape[n:], block)
    b, c = block or (1, 1)
    rows, columns = x.shape[n : n + 2]
    filled = (x._array() != 0).reshape(*x.shape[:n], rows // b, b, columns // c, c, prod(x.shape[n + 2 :])).any((n + 1, n + 3, n + 4))
    places = np.array(np.nonzero(filled), np.int64)
    pattern = compressed(places[:, own_order(places, layout)], x.shape, layout, block, x.device)
    made = build(pattern, pattern.take(x.detach()))
    return on_graph(made, "ToSparseBackward0", lambda g: to_dense(g) if any_sparse(g) else g, x)


def to_sparse_coo(self: Tensor) -> Tensor:
    """The tensor in coordinates (``torch.Tensor.to_sparse_coo``)."""
    return self.to_sparse()


def to_sparse_csr(self: Tensor, dense_dim: int | None = None) -> Tensor:
    """The tensor in the layout sparse_csr (``torch.Tensor.to_sparse_csr``).

    >>> import kuai as torch
    >>> torch.eye(2).to_sparse_csr()
    tensor(crow_indices=tensor([0, 1, 2]),
           col_indices=tensor([0, 1]),
           values=tensor([1., 1.]), size=(2, 2), nnz=2, layout=torch.sparse_csr)
    """
    return convert(self, sparse_csr, None, dense_dim)


def to_sparse_csc(self: Tensor, dense_dim: int | None = None) -> Tensor:
    """The tensor in the layout sparse_csc (``torch.Tensor.to_sparse_csc``)."""
    return convert(self, sparse_csc, None, dense_dim)


def to_sparse_bsr(self: Tensor, blocksize: Sequence[int], dense_dim: int | None = None) -> Tensor:
    """The tensor in blocks, by rows (``torch.Tensor.to_sparse_bsr``)."""
    return convert(self, sparse_bsr, blocksize, dense_dim)


def to_sparse_bsc(self: Tensor, blocksize: Sequence[int], dense_dim: int | None = None) -> Tensor:
    """The tensor in blocks, by columns (``torch.Tensor.to_sparse_bsc``)."""
    return convert(self, sparse_bsc, blocksize, dense_dim)

