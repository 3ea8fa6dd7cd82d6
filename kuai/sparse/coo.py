"""Sparse tensors in coordinates (``torch.sparse_coo``): how they are made, what they are made of, and back to dense ones."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from .. import dtypes
from ..devices import placement
from ..layouts import layout, sparse_coo
from ..ops.conversion import to_device, to_dtype
from ..ops.creation import require_grad, tensor, zeros
from ..ops.views import sizes
from ..tensor import Tensor, from_array
from . import checks, storage
from .pattern import Pattern, nothing
from .storage import (
    any_sparse,
    at_pattern,
    build,
    coalesced,
    is_sparse,
    on_graph,
    pattern_of,
    shared_values,
)

# ---- making ----------------------------------------------------------------------------------------------------------


def sparse_coo_tensor(*args, indices=None, values=None, size=None, dtype=None, layout=None, device=None, pin_memory=False,
                      requires_grad=False, check_invariants=None, is_coalesced=None) -> Tensor:  # fmt: skip
    """A sparse tensor of values at indices (``torch.sparse_coo_tensor``): ``(indices, values, size=None)``, or ``(size)`` for
    one of no values. Indices have the shape (sparse dimensions, values); values at one place are summed.

    Raises RuntimeError if indices, values and size do not go together, and if ``check_invariants``, or the switch
    `torch.sparse.check_sparse_tensor_invariants`, wants indices to be looked at, for those that are out of bounds.

    >>> import kuai as torch
    >>> torch.sparse_coo_tensor([[0, 1], [2, 0]], [3.0, 4.0], (2, 3))
    tensor(indices=tensor([[0, 1],
                           [2, 0]]),
           values=tensor([3., 4.]),
           size=(2, 3), nnz=2, layout=torch.sparse_coo)
    """
    indices, values, size = _arguments(args, indices, values, size)
    if layout not in (None, sparse_coo):
        raise RuntimeError(f"sparse_coo_tensor: expected the layout torch.sparse_coo, got {layout}")
    if indices is None:
        made = empty(sizes((size,)), dtype, device)
    else:
        indices, values = _parts(indices, values, dtype, device)
        made = _checked(indices, values, size, bool(is_coalesced), checks.wanted(check_invariants))
    return require_grad(made.detach() if requires_grad else made, requires_grad)


def _arguments(args: tuple, indices: object, values: object, size: object) -> tuple:
    """Indices, values and size, from arguments by position and by name."""
    names = ("size",) if len(args) == 1 and indices is None and values is None else ("indices", "values", "size")
    given = {"indices": indices, "values": values, "size": size} | dict(zip(names, args))
    one = given["indices"] if given["values"] is None and given["indices"] is not None else None
    bad = given["size"] if isinstance(given["size"], Tensor) and given["indices"] is None else one
    if len(args) > 3 or bad is not None:
        raise TypeError(f"sparse_coo_tensor(): argument 'size' (position 1) must be tuple of ints, not {type(bad).__name__}")
    if given["indices"] is None and given["size"] is None:
        raise TypeError("sparse_coo_tensor(): needs indices and values, or a size")
    return given["indices"], given["values"], given["size"]


def _parts(indices: object, values: object, dtype: object, device: object) -> tuple[Tensor, Tensor]:
    """Indices and values as tensors, of the dtypes and on the device that they are to have."""
    if not isinstance(values, Tensor):
        values = tensor(values)
    where = values.device if device is None else placement(device)
    values = to_device(values if dtype is None else to_dtype(values, dtypes.as_dtype(dtype)), where)
    indices = indices if isinstance(indices, Tensor) else tensor(indices, dtype=dtypes.int64)
    if is_sparse(indices):
        checks.need_parts(indices, values)
    return to_device(to_dtype(indices, dtypes.int64), where), values if values.ndim else values.expand(indices.shape[1:])


def _checked(indices: Tensor, values: Tensor, size: object, coalesced: bool, look: bool) -> Tensor:
    checks.need_parts(indices, values)
    shape = (*_extent(indices), *values.shape[1:]) if size is None else sizes((size,))
    checks.need_shape(indices, values, shape)
    pattern = Pattern(indices, shape, coalesced)
    if look:
        checks.need_within(pattern)
    return build(pattern, values)


def _extent(indices: Tensor) -> list[int]:
    """The least lengths of the dimensions that the indices fit in."""
    rows = indices._array()
    if not rows.size:
        return [0] * len(rows)
    if rows.min() < 0:
        raise RuntimeError(f"found negative index {rows.min()} for dim {rows.min(1).argmin()}")
    return [int(n) + 1 for n in rows.max(1)]


def empty(shape: Sequence[int], dtype: object = None, device: object = None, sparse_dim: int | None = None,
          layout: layout = sparse_coo) -> Tensor:  # fmt: skip
    """A sparse tensor of no values."""
    if layout is not sparse_coo:
        from .compressing import empty as empty_compressed

        return empty_compressed(shape, dtype, device, layout)  # type: ignore[arg-type]
    sparse_dim = len(shape) if sparse_dim is None else sparse_dim
    d = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    values = zeros((0, *shape[sparse_dim:]), dtype=d, device=device)
    return build(nothing(sparse_dim, shape, values), values)


# ---- what they are made of ---------------------------------------------------------------------------------------------


def need_sparse(x: Tensor, name: str) -> None:
    """RuntimeError for a tensor that is not sparse, as methods with a check of their own raise it."""
    if not is_sparse(x):
        raise RuntimeError(f"{name} expected sparse coordinate tensor layout but got {checks.layout_name(x)}")


def need_backend(x: Tensor, name: str) -> None:
    """NotImplementedError for a tensor that is not sparse, as the other methods raise it."""
    if not is_sparse(x):
        raise NotImplementedError(
            f"Could not run 'aten::{name}' with arguments from the 'CPU' backend: {name} is of sparse tensors alone; make one "
            "with to_sparse()"
        )


def indices(self: Tensor) -> Tensor:
    """The indices of a coalesced sparse tensor (``torch.Tensor.indices``)."""
    need_sparse(self, "indices")
    _need_coalesced(self, "indices")
    return pattern_of(self).indices._alias()


def values(self: Tensor) -> Tensor:
    """The values of a coalesced or compressed sparse tensor, on its memory and on the graph (``torch.Tensor.values``)."""
    if not any_sparse(self):
        raise RuntimeError("values expected sparse tensor layout but got Strided")
    _need_coalesced(self, "values")
    return shared_values(self)


def _need_coalesced(x: Tensor, name: str) -> None:
    if not pattern_of(x).coalesced:
        raise RuntimeError(f"Cannot get {name} on an uncoalesced tensor, please call .coalesce() first")


def _indices(self: Tensor) -> Tensor:
    """The indices of a sparse tensor, coalesced or not (``torch.Tensor._indices``)."""
    need_backend(self, "_indices")
    return pattern_of(self).indices._alias()


def _values(self: Tensor) -> Tensor:
    """The values of a sparse tensor, coalesced or not, outside the graph (``torch.Tensor._values``)."""
    if not any_sparse(self):
        need_backend(self, "_values")
    return self._storage.values._alias()  # type: ignore[union-attr]


def sparse_dim(self: Tensor) -> int:
    """How many dimensions have indices (``torch.Tensor.sparse_dim``)."""
    return pattern_of(self).sparse_dim if is_sparse(self) else 2 if any_sparse(self) else 0


def dense_dim(self: Tensor) -> int:
    """How many dimensions the values have beside the first (``torch.Tensor.dense_dim``)."""
    return len(pattern_of(self).rest) if any_sparse(self) else self.ndim


def nnz(self: Tensor) -> int:
    """How many values there are (``torch.Tensor._nnz``)."""
    if not any_sparse(self):
        need_backend(self, "_nnz")
    return pattern_of(self).count


def coalesce(self: Tensor) -> Tensor:
    """The tensor with its indices sorted and each there once (``torch.Tensor.coalesce``); itself, if it is so.

    >>> import kuai as torch
    >>> torch.sparse_coo_tensor([[1, 0, 1]], [1.0, 2.0, 3.0], (2,)).coalesce().values()
    tensor([2., 4.])
    """
    need_sparse(self, "coalesce")
    return coalesced(self)


def is_coalesced(self: Tensor) -> bool:
    """Whether the indices are known to be sorted and each there once (``torch.Tensor.is_coalesced``)."""
    need_sparse(self, "is_coalesced")
    return pattern_of(self).coalesced


def set_coalesced(self: Tensor, coalesced: bool) -> Tensor:
    """Say whether the indices are sorted and each there once (``torch.Tensor._coalesced_``)."""
    need_backend(self, "_coalesced_")
    p = pattern_of(self)
    self._storage.pattern = Pattern(p.indices, p.shape, coalesced)  # type: ignore[union-attr, attr-defined]
    return self


# ---- from and to dense ones ----------------------------------------------------------------------------------------------


def to_dense(self: Tensor, dtype: object = None, *, masked_grad: bool = True) -> Tensor:
    """All the elements as a strided tensor (``torch.Tensor.to_dense``). What comes back to a sparse tensor is sparse: of its
    own pattern, or with ``masked_grad=False`` of all that is not zero. RuntimeError for a sparse one if a dtype is given.

    >>> import kuai as torch
    >>> torch.sparse_coo_tensor([[1]], [2.0], (3,)).to_dense()
    tensor([0., 2., 0.])
    """
    if not any_sparse(self):
        return self if dtype is None else to_dtype(self, dtypes.as_dtype(dtype))
    if dtype is not None:
        raise RuntimeError("dtype argument is not supported by sparse_to_dense; use to_dense().to(dtype)")
    if masked_grad:
        return storage.to_dense(self)
    if not is_sparse(self):
        return to_dense(storage.in_coordinates(self), masked_grad=False)
    sparse_dim = pattern_of(self).sparse_dim
    return on_graph(storage.to_dense(self.detach()), "ToDenseBackward0", lambda g: to_sparse(g, sparse_dim), self)


def to_sparse(self: Tensor, sparse_dim: int | None = None, *, layout: layout | None = None, blocksize: Sequence[int] | None = None,
              dense_dim: int | None = None) -> Tensor:  # fmt: skip
    """The elements that are not zero as a sparse tensor (``torch.Tensor.to_sparse``), the first ``sparse_dim`` dimensions by
    index; runs at once.

    >>> import kuai as torch
    >>> torch.tensor([[0., 2.], [0., 0.]]).to_sparse()._indices()
    tensor([[0],
            [1]])
    """
    if sparse_dim is not None and layout is not None:
        raise TypeError("to_sparse(): takes sparse_dim or layout, not both")
    if layout in (None, sparse_coo):
        return _to_coo(self, sparse_dim)
    from .compressing import convert

    return convert(self, layout, blocksize, dense_dim)  # type: ignore[arg-type]


def _to_coo(x: Tensor, sparse_dim: int | None) -> Tensor:
    if any_sparse(x):
        if sparse_dim not in (None, x.sparse_dim()):
            raise RuntimeError(
                f"to_sparse: conversion from {checks.layout_name(x)} to Sparse with sparse_dim argument !=self.sparse_dim() is "
                "not supported"
            )
        return storage.in_coordinates(x)
    sparse_dim = x.ndim if sparse_dim is None else sparse_dim
    if sparse_dim == 0 and x.ndim:
        raise RuntimeError("dense_to_sparse: sparse_dim argument must be in >0 when self.dim()>0")
    if not 0 <= sparse_dim <= x.ndim:
        raise RuntimeError(
            f"dense_to_sparse: sparse_dim argument must be in [0,{x.ndim}] range, but {sparse_dim} is given"
        )
    return taken(x, _occupied(x, sparse_dim), "ToSparseBackward0")


def _occupied(x: Tensor, sparse_dim: int) -> Pattern:
    """The places where a dense tensor has something that is not zero."""
    array = x._array()
    filled = (array != 0).reshape(*array.shape[:sparse_dim], prod(array.shape[sparse_dim:])).any(-1)
    places = np.array(np.nonzero(filled), np.int64) if sparse_dim else np.zeros((0, int(filled.any())), np.int64)
    return Pattern(from_array(places, x.device), x.shape, True)


def taken(x: Tensor, pattern: Pattern, name: str) -> Tensor:
    """What a tensor of any layout has at a pattern's places, as a sparse tensor; its cotangent is in x's own layout."""
    if is_sparse(x):
        return build(pattern, at_pattern(x, pattern), name)
    made = build(pattern, at_pattern(x.detach(), pattern))
    return on_graph(made, name, lambda g: storage.to_dense(g) if any_sparse(g) else g, x)


def sparse_mask(self: Tensor, mask: Tensor) -> Tensor:
    """What the tensor has at the places of a sparse tensor (``torch.Tensor.sparse_mask``).

    >>> import kuai as torch
    >>> torch.tensor([1., 2., 3.]).sparse_mask(torch.sparse_coo_tensor([[2]], [1.0], (3,))).to_dense()
    tensor([0., 0., 3.])
    """
    if not any_sparse(mask):
        need_backend(mask, "sparse_mask")
    if self.shape != mask.shape:
        raise RuntimeError(
            f"sparse_mask(): operands have incompatible sizes; self has size {list(self.shape)} but mask has size "
            f"{list(mask.shape)}"
        )
    if self is mask:
        return self
    pattern = pattern_of(mask)
    made = build(pattern, at_pattern(self.detach(), pattern))
    return on_graph(made, "SparseMaskBackward0", lambda g: sparse_mask(g, made), self)


# ---- in place ------------------------------------------------------------------------------------------------------------


def sparse_resize_(self: Tensor, size: Sequence[int], sparse_dim: int, dense_dim: int) -> Tensor:
    """Give a sparse tensor another shape (``torch.Tensor.sparse_resize_``); one that has values can only grow."""
    need_backend(self, "sparse_resize_")
    _need_resizable(self, size, sparse_dim, dense_dim)
    p = pattern_of(self)
    if (p.sparse_dim, len(p.rest)) != (sparse_dim, dense_dim) or not p.count:
        return sparse_resize_and_clear_(self, size, sparse_dim, dense_dim)
    values = self._storage.values  # type: ignore[union-attr]
    grown = values.new_zeros((p.count, *size[sparse_dim:]))
    grown[tuple(map(slice, values.shape))] = values
    return self._write(build(p.reshaped(size), grown), tracked=False)


def _need_resizable(x: Tensor, size: Sequence[int], sparse_dim: int, dense_dim: int) -> None:
    if sparse_dim + dense_dim != len(size):
        raise RuntimeError(
            f"'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = {len(size)}, sparse_dim = {sparse_dim}, "
            f"dense_dim = {dense_dim}"
        )
    p = pattern_of(x)
    if not p.count:
        return
    way_out = "on a non-empty sparse tensor is not supported; make an empty one with torch.sparse_coo_tensor(size)"
    for kind, old, new in (("sparse", p.sparse_dim, sparse_dim), ("dense", len(p.rest), dense_dim)):
        if old != new:
            raise RuntimeError(f"changing the number of {kind} dimensions (from {old} to {new}) {way_out}")
    for kind, before, after in (("sparse", p.lengths, size[:sparse_dim]), ("dense", p.rest, size[sparse_dim:])):
        if any(a < b for a, b in zip(after, before)):
            raise RuntimeError(
                f"shrinking the size of {kind} dimensions (from {list(before)} to {list(after)}) {way_out}"
            )


def sparse_resize_and_clear_(self: Tensor, size: Sequence[int], sparse_dim: int, dense_dim: int) -> Tensor:
    """Make a sparse tensor one of no values in another shape (``torch.Tensor.sparse_resize_and_clear_``)."""
    need_backend(self, "sparse_resize_and_clear_")
    if sparse_dim + dense_dim != len(size):
        raise RuntimeError(
            f"number of dimensions must be sparse_dim ({sparse_dim}) + dense_dim ({dense_dim}), but got {len(size)}"
        )
    return self._write(empty(tuple(size), self.dtype, self.device, sparse_dim), tracked=False)


def resize_as_sparse_(self: Tensor, the_template: Tensor) -> Tensor:
    """Give a sparse tensor another one's shape (``torch.Tensor.resize_as_sparse_``)."""
    p = pattern_of(the_template)
    return sparse_resize_(self, the_template.shape, p.sparse_dim, len(p.rest))
