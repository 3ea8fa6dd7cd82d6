"""Sums, norms and softmax of sparse tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import dtypes
from ..ops import reduction, softmax
from ..ops.along import axes
from ..ops.norms import vector_norm
from ..ops.reduction import accumulated
from ..ops.rules import normalize_dim
from ..ops.scatter import index_reduce
from ..ops.taking import add_at, take_at
from ..tensor import Tensor, from_array
from .forms import form
from .pattern import Pattern
from .storage import BuildNode, build, coalesced, gathered, on_graph, pattern_of, values_of

# ---- sums ------------------------------------------------------------------------------------------------------------


@form("sum")
def _sum(x: Tensor, *, dim: object, keepdim: bool, dtype: dtypes.dtype | None) -> Tensor:
    target = dtype or accumulated(x.dtype)
    dims = axes(dim, x.ndim)  # type: ignore[arg-type]
    if len(dims) == x.ndim:
        made = _total(x, target)
        return made.reshape((1,) * x.ndim) if keepdim else made
    if not keepdim and all(d in dims for d in range(pattern_of(x).sparse_dim)):
        return summed_dense(x, dims, target)
    return summed(x, dims, keepdim, target, "SumBackward1")


def _total(x: Tensor, target: dtypes.dtype) -> Tensor:
    """The sum of all; what comes back is dense, as in PyTorch, unless the tensor was built from values."""
    if x._node is None or type(x._node) is BuildNode:
        return values_of(x).sum(dtype=target)
    made = values_of(x.detach()).sum(dtype=target)
    return on_graph(made, "SumBackward0", lambda g: g.to(x.dtype).expand(x.shape), x)


def summed(x: Tensor, dims: Sequence[int], keepdim: bool, target: dtypes.dtype, name: str) -> Tensor:
    """The sum over some dimensions, as a sparse tensor."""
    p = pattern_of(x)
    values, gone = values_of(x), [d for d in dims if d < p.sparse_dim]
    within = [d - p.sparse_dim + 1 for d in dims if d >= p.sparse_dim]
    values = values.sum(within, keepdim, dtype=target) if within else values.to(target)
    shape = tuple(1 if d in dims else n for d, n in enumerate(p.shape) if keepdim or d not in dims)
    if not gone:
        return build(p.reshaped(shape), values, name)
    rows = p.indices._array()
    if keepdim:
        left = np.where(np.isin(np.arange(p.sparse_dim), gone)[:, None], 0, rows)
    else:
        left = np.delete(rows, gone, 0)
    pattern = Pattern(from_array(left, x.device), shape, False)
    return build(pattern.unique, gathered(values, pattern), name)


def summed_dense(x: Tensor, dims: Sequence[int], target: dtypes.dtype) -> Tensor:
    """The sum over all sparse dimensions and some of the others."""
    s = pattern_of(x).sparse_dim
    return values_of(x).sum([0, *(d - s + 1 for d in dims if d >= s)], dtype=target)


@form("any")
def _any(x: Tensor, *, dim: object, keepdim: bool) -> Tensor:
    if dim is not None:
        raise NotImplementedError("any of a sparse tensor is that of all its elements; use to_dense() for dimensions")
    return reduction.any(values_of(coalesced(x)))


@form("linalg.vector_norm")
def _norm(x: Tensor, *, ord: float, dim: object, keepdim: bool, dtype: dtypes.dtype | None) -> Tensor:
    if dim not in (None, ()) and len(axes(dim, x.ndim)) < x.ndim:  # type: ignore[arg-type]
        raise RuntimeError(
            "norm_sparse currently only supports full reductions, so 'dim' must either be empty or contain all dimensions of "
            "the input"
        )
    if keepdim:
        raise RuntimeError("norm_sparse currently does not support keepdim=True")
    return vector_norm(values_of(coalesced(x)), ord, dtype=dtype)


# ---- softmax ---------------------------------------------------------------------------------------------------------


def softmax_along(x: Tensor, dim: int, dtype: dtypes.dtype | None, log: bool) -> Tensor:
    """Softmax over the values that there are along a dimension: the others count as minus infinity."""
    x = coalesced(x)
    p, values = pattern_of(x), values_of(x)
    values = values if dtype is None else values.to(dtype)
    name = f"Sparse{'Log' if log else ''}SoftmaxBackward0"
    dim = normalize_dim(dim, x.ndim)
    if dim >= p.sparse_dim:
        compute = softmax.log_softmax if log else softmax.softmax
        return build(p, compute(values, dim - p.sparse_dim + 1), name)
    return build(p, _over_pools(values, _pools(p, dim), log), name)


def _pools(p: Pattern, dim: int) -> np.ndarray:
    """For each value the number of the pool that it is in: those with the same other indices."""
    others = tuple(np.delete(p.indices._array(), dim, 0))
    lengths = tuple(n for d, n in enumerate(p.lengths) if d != dim)
    keys = np.ravel_multi_index(others, lengths) if others else np.zeros(p.count, np.int64)
    return np.unique(keys, return_inverse=True)[1].reshape(-1)


def _over_pools(values: Tensor, pools: np.ndarray, log: bool) -> Tensor:
    if not pools.size:
        return values
    at, shape = from_array(pools, values.device), (int(pools.max()) + 1, *values.shape[1:])
    start = values.new_full(shape, -np.inf)
    top = index_reduce(start, 0, at, values.detach(), "amax")
    moved = values - _spread(top, at)
    total = add_at(None, moved.exp(), at, dim=0, count=1, shape=shape)
    return moved - _spread(total.log(), at) if log else moved.exp() / _spread(total, at)


def _spread(pools: Tensor, at: Tensor) -> Tensor:
    return take_at(pools, at, dim=0, count=1, wrap=False)
