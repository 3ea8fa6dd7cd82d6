"""Products of matrices at some places alone, and products whose sum is another reduction."""

from __future__ import annotations

from math import prod

from ..layouts import sparse_csr, strided
from ..ops.embedding import _greatest_row
from ..ops.taking import add_at, take_at
from ..tensor import Tensor
from .checks import layout_name
from .compressed import COMPRESSED, Compressed
from .products import sampled
from .storage import build, on_graph, pattern_of, values_of

REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


def sampled_addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1.0, alpha: float = 1.0,
                  out: Tensor | None = None) -> Tensor:  # fmt: skip
    """``beta * input + alpha * (mat1 @ mat2)`` where the CSR tensor ``input`` has values (``torch.sparse.sampled_addmm``): of
    the product no more is computed.

    >>> import kuai as torch
    >>> torch.sparse.sampled_addmm(torch.eye(2).to_sparse_csr(), torch.ones(2, 3), torch.ones(3, 2)).to_dense()
    tensor([[4., 0.],
            [0., 4.]])
    """
    _need_samples(input, mat1, mat2)
    p: Compressed = pattern_of(input)
    rows, columns = p.grid.rows[-2:]
    if p.batch:
        matrix = p.grid.flat // prod(p.shape[-2:])
        rows, columns = matrix * p.shape[-2] + rows, matrix * p.shape[-1] + columns
    (m, k), n = mat1.shape[-2:], mat2.shape[-1]
    left = mat1.reshape((prod(p.batch) * m, k))
    right = mat2.transpose(-1, -2).reshape((prod(p.batch) * n, k))
    product = build(p, p.batched(sampled(left, right, rows, columns)) * alpha)
    made = _plus_scaled(product, input, beta)
    return made if out is None else out._set_out(made)


def _plus_scaled(product: Tensor, input: Tensor, beta: float) -> Tensor:
    """A product in input's places plus beta times input, to which the cotangent comes back in the layout that it has."""
    if beta == 0:
        return product
    made = build(pattern_of(input), values_of(input.detach()) * beta + values_of(product.detach()))
    return on_graph(made, "SparseSampledAddmmBackward0", lambda g: (g * beta.conjugate(), g), input, product)


def _need_samples(input: Tensor, mat1: Tensor, mat2: Tensor) -> None:
    if input.layout is not sparse_csr:  # type: ignore[comparison-overlap]
        kind = RuntimeError if input.layout in COMPRESSED else NotImplementedError
        raise kind(f"sampled_addmm: expected a CSR tensor, got {layout_name(input)}; make one with to_sparse_csr()")
    for x, name in ((mat1, "mat1"), (mat2, "mat2")):
        if x.layout is not strided:  # type: ignore[comparison-overlap]
            raise RuntimeError(f"sampled_addmm: Expected {name} to have strided layout, but got {layout_name(x)}")
        if x.dtype is not input.dtype:
            raise RuntimeError(f"sampled_addmm: Expected {name} to have dtype {input.dtype}, but got {x.dtype}")
        if x.ndim != input.ndim or x.shape[:-2] != input.shape[:-2]:
            raise RuntimeError(f"sampled_addmm: Expected {name} of shape {list(x.shape)} to have input's batch {list(input.shape[:-2])}")
    if mat1.shape[-1] != mat2.shape[-2]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({mat1.shape[-2]}x{mat1.shape[-1]} and {mat2.shape[-2]}x{mat2.shape[-1]})"
        )
    if (mat1.shape[-2], mat2.shape[-1]) != tuple(input.shape[-2:]):
        raise RuntimeError(
            f"sampled_addmm: input of shape {list(input.shape)} is none of a product of {list(mat1.shape)} and {list(mat2.shape)}"
        )


def reduced_product(mat1: Tensor, mat2: Tensor, reduce: str) -> Tensor:
    """A CSR matrix times a dense one, with the terms of each element reduced otherwise than by a sum; 0 where there is none."""
    if reduce not in REDUCTIONS:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    if mat1.layout is not sparse_csr:  # type: ignore[comparison-overlap]
        raise NotImplementedError(f"sparse.mm with reduce={reduce!r}: expected a CSR tensor, got {layout_name(mat1)}")
    if reduce == "prod":
        raise RuntimeError("sparse.mm: reduce type of prod has not been enabled, as in PyTorch")
    _need_dense(mat1, mat2)
    p: Compressed = pattern_of(mat1)
    rows, columns = p.grid.rows
    terms = values_of(mat1).unsqueeze(1) * take_at(mat2, columns, dim=0, count=1, wrap=False)
    if reduce == "mean":
        counts = (p.begins[1:] - p.begins[:-1]).clamp_min(1).unsqueeze(1).to(terms.dtype)
        return add_at(None, terms, rows, dim=0, count=1, shape=(p.shape[0], mat2.shape[1])) / counts
    return _extreme(terms, rows, p.shape[0]) if reduce == "amax" else -_extreme(-terms, rows, p.shape[0])


def _need_dense(mat1: Tensor, mat2: Tensor) -> None:
    if mat2.layout is not strided:  # type: ignore[comparison-overlap]
        raise RuntimeError(f"sparse.mm: Expected tensor to have Strided Layout, but got tensor with {layout_name(mat2)} Layout")
    if mat2.dtype is not mat1.dtype:
        raise RuntimeError(f"sparse.mm: Expected other to have dtype {mat1.dtype}, but got {mat2.dtype}")
    if mat2.ndim != 2 or mat2.shape[0] != mat1.shape[1]:
        raise RuntimeError(
            f"sparse.mm: Expected a tensor of dimension 2 and tensor.size[0] == {mat1.shape[1]} but got shape {list(mat2.shape)}"
        )


def _extreme(terms: Tensor, rows: Tensor, count: int) -> Tensor:
    """The greatest term of each row, column by column, the first of equal ones; 0 for a row of none."""
    nowhere = terms.shape[0]
    if not nowhere:
        return terms.new_zeros((count, terms.shape[1]))
    first = _greatest_row(terms.detach(), rows, bags=count)
    return terms.gather(0, first.clamp_max(nowhere - 1)).where(first < nowhere, 0.0)
