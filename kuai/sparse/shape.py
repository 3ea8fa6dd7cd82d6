"""Dimensions of sparse tensors: their order, new ones, single places of them, and tensors put together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..engine.program import Size
from ..ops import dimensions, views
from ..ops.dimensions import normal_dims
from ..ops.joining import cat, stack
from ..ops.rules import normalize_dim
from ..ops.slicing import NEW, ONE, _starts, whole
from ..ops.taking import take_at
from ..tensor import Tensor, from_array
from .forms import form, unsupported
from .pattern import Pattern, subset
from .storage import build, is_sparse, pattern_of, values_of

# ---- order -----------------------------------------------------------------------------------------------------------


@form("permute")
def _permute(x: Tensor, *, dims: tuple) -> Tensor:
    if len(dims) != x.ndim:
        dimensions._permute_rule(None, (x._aval,), dims=dims)  # type: ignore[arg-type]
    order = normal_dims(dims, x.ndim)
    if len(set(order)) < len(order):
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    sparse, dense = order[: (s := pattern_of(x).sparse_dim)], order[s:]
    if sorted(sparse) != list(range(s)):
        raise RuntimeError(
            "permute(sparse_coo): transpositions between sparse and dense dimensions are not allowed.Only transpositions "
            "within sparse and dense dimensions are supported."
        )
    return _reordered(x, sparse, [0, *(d - s + 1 for d in dense)], "PermuteBackward0")


def _reordered(x: Tensor, rows: Sequence[int], dims: Sequence[int], name: str) -> Tensor:
    """The sparse dimensions, rows of the indices, and those of the values in another order."""
    p, values = pattern_of(x), values_of(x)
    moved = values if list(dims) == list(range(len(dims))) else views.permute(values, dims)
    if list(rows) == list(range(len(rows))):
        indices, same = p.indices, True
    else:
        indices, same = take_at(p.indices, from_array(np.array(rows), x.device), dim=0, count=1, wrap=False), p.count < 2
    shape = [p.shape[d] for d in rows] + list(moved.shape[1:])
    return build(Pattern(indices, shape, p.coalesced and same), moved, name)


@form("transpose")
def _transpose(x: Tensor, *, dim0: int, dim1: int) -> Tensor:
    a, b = normal_dims((dim0, dim1), x.ndim)
    order = list(range(x.ndim))
    order[a], order[b] = b, a
    s = pattern_of(x).sparse_dim
    if (a < s) != (b < s):
        raise RuntimeError(
            f"transpose(): dimensions {dim0} and {dim1} are a sparse and a dense one, which are not exchanged"
        )
    return _reordered(x, order[:s], [0, *(d - s + 1 for d in order[s:])], "TransposeBackward0")


@form("t")
def _t(x: Tensor) -> Tensor:
    p = pattern_of(x)
    if x.ndim > 2 or p.rest:
        raise RuntimeError(
            f"t() expects a tensor with <= 2 sparse and 0 dense dimensions, but got {p.sparse_dim} sparse and {len(p.rest)} "
            "dense dimensions"
        )
    return _reordered(x, range(x.ndim)[::-1], [0], "TBackward0")


@form("unsqueeze")
def _unsqueeze(x: Tensor, *, dim: int) -> Tensor:
    at, p = normalize_dim(dim, x.ndim + 1), pattern_of(x)
    shape = (*p.shape[:at], 1, *p.shape[at:])
    if at > p.sparse_dim:
        return build(p.reshaped(shape), views.unsqueeze(values_of(x), at - p.sparse_dim + 1), "UnsqueezeBackward0")
    rows = list(p.indices.unbind(0))
    rows.insert(at, p.flat.new_zeros(p.count))
    return build(Pattern(stack(rows), shape, p.coalesced), values_of(x), "UnsqueezeBackward0")


# ---- places ----------------------------------------------------------------------------------------------------------


@form("index")
def _index(x: Tensor, offset: object, *, spec: tuple) -> Tensor:
    """Single places, pieces and new dimensions: copies all, as a sparse tensor has no memory to be a view of."""
    starts = iter(_starts(x.shape, offset, spec))
    at = 0
    for entry in spec:
        if entry is NEW:
            x, at = _unsqueeze(x, dim=at), at + 1
        elif entry is ONE:
            x = _select(x, at, int(next(starts)))
        else:
            start = int(next(starts))
            x = x if entry == whole(x.shape[at]) else _piece(x, at, np.arange(start, start + entry[0] * entry[1], entry[1]))
            at += 1
    return x


def _piece(x: Tensor, dim: int, places: np.ndarray) -> Tensor:
    """Some places of a dimension, in order; where the dimension is sparse, the values stay in theirs."""
    p = pattern_of(x)
    if dim >= p.sparse_dim:
        return _take(x, from_array(places, x.device), dim=dim, count=1, wrap=False)
    row = p.indices._array()[dim]
    chosen = np.flatnonzero(np.isin(row, places))
    kept = p.indices._array()[:, chosen].copy()
    kept[dim] = np.searchsorted(places, row[chosen])
    values = take_at(values_of(x), from_array(chosen, x.device), dim=0, count=1, wrap=False)
    shape = (*p.shape[:dim], places.size, *p.shape[dim + 1 :])
    return build(Pattern(from_array(kept, x.device), shape, p.coalesced), values, "SliceBackward0")


def _select(x: Tensor, dim: int, i: int) -> Tensor:
    """One place of a dimension. What is left of a tensor without sparse dimensions is dense."""
    if not is_sparse(x):
        return views.select(x, dim, i)
    p = pattern_of(x)
    shape = (*p.shape[:dim], *p.shape[dim + 1 :])
    if dim >= p.sparse_dim:
        return build(p.reshaped(shape), views.select(values_of(x), dim - p.sparse_dim + 1, i), "SelectBackward0")
    chosen = np.flatnonzero(p.indices._array()[dim] == i)
    values = take_at(values_of(x), from_array(chosen, x.device), dim=0, count=1, wrap=False)
    if p.sparse_dim == 1:
        return values.sum(0, dtype=x.dtype)
    rows = np.delete(p.indices._array()[:, chosen], dim, 0)
    return build(Pattern(from_array(rows, x.device), shape, p.coalesced), values, "SelectBackward0")


@form("unbind")
def _unbind(x: Tensor, *, dim: int) -> tuple[Tensor, ...]:
    return tuple(_select(x, dim, i) for i in range(x.shape[dim]))


@form("index_take")
def _take(x: Tensor, index: Tensor, *, dim: int, count: int, wrap: bool) -> Tensor:
    """The slices at places of a dimension: what `index_select` is made of. Index tensors in brackets have no form."""
    if not is_sparse(x) or wrap or count != 1:
        raise unsupported("index.Tensor", x, index)
    p, places = pattern_of(x), index._array()
    shape = (*p.shape[:dim], places.size, *p.shape[dim + 1 :])
    if dim >= p.sparse_dim:
        values = take_at(values_of(x), index, dim=dim - p.sparse_dim + 1, count=1, wrap=False)
        return build(p.reshaped(shape), values, "IndexSelectBackward0")
    chosen, into = _matches(p.indices._array()[dim], places)
    kept = subset(p, chosen).indices._array().copy()
    kept[dim] = into
    values = take_at(values_of(x), from_array(chosen, x.device), dim=0, count=1, wrap=False)
    sorted_too = p.coalesced and dim == 0
    return build(Pattern(from_array(kept, x.device), shape, sorted_too), values, "IndexSelectBackward0")


def _matches(row: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of a value, by its number, and a place that is asked for and is its; by place, then by value."""
    order = np.argsort(row, kind="stable")
    first = np.searchsorted(row[order], places, "left")
    counts = np.searchsorted(row[order], places, "right") - first
    into = np.repeat(np.arange(places.size), counts)
    within = np.arange(into.size) - np.repeat(np.cumsum(counts) - counts, counts)
    return order[np.repeat(first, counts) + within], into


# ---- more of the same ------------------------------------------------------------------------------------------------


def expanded(x: Tensor, shape: Sequence[int]) -> Tensor:
    """A sparse tensor repeated along new dimensions and those of length 1, as `mul` has its operand."""
    for _ in range(len(shape) - x.ndim):
        x = _unsqueeze(x, dim=0)
    for dim, n in enumerate(shape):
        if x.shape[dim] != n:
            x = _take(x, from_array(np.zeros(n, np.int64), x.device), dim=dim, count=1, wrap=False)
    return x


@form("expand", "repeat")
def _refuse(x: Tensor, **repeats: object) -> Tensor:
    raise RuntimeError("expand is unsupported for Sparse tensors")


# ---- together --------------------------------------------------------------------------------------------------------


@form("cat")
def _cat(*xs: Tensor, dim: int) -> Tensor:
    for i, x in enumerate(xs):
        if not is_sparse(x):
            raise RuntimeError(f"Concatenating sparse tensors, but a dense tensor was found at position {i}.")
    dim = normalize_dim(dim, xs[0].ndim)
    patterns = [pattern_of(x) for x in xs]
    _need_alike(patterns, dim)
    s, shape = patterns[0].sparse_dim, list(patterns[0].shape)
    shape[dim] = sum(p.shape[dim] for p in patterns)
    before = np.cumsum([0, *(p.shape[dim] for p in patterns)])
    if dim < s:
        rows = [_moved(p, dim, int(b)) for p, b in zip(patterns, before)]
        return build(Pattern(cat(rows, 1), shape, False), cat([values_of(x) for x in xs]), "CatBackward0")
    indices = cat([p.indices for p in patterns], 1)
    padded = [_padded(values_of(x), dim - s + 1, int(b), shape[dim]) for x, b in zip(xs, before)]
    return build(Pattern(indices, shape, False), cat(padded), "CatBackward0")


def _need_alike(patterns: Sequence[Pattern], dim: int) -> None:
    first = patterns[0]
    for i, p in enumerate(patterns):
        if p.sparse_dim != first.sparse_dim:
            raise RuntimeError(
                f"All tensors must have the same number of dense and sparse dimensions: {first.sparse_dim}, "
                f"{len(first.rest)}, but tensor at position {i} has {p.sparse_dim}, {len(p.rest)}."
            )
        if _without(p.shape, dim) != _without(first.shape, dim):
            raise RuntimeError(
                f"All tensors must have the same shape: {list(first.shape)} (except in the concatenating dimension), but "
                f"found shape: {list(p.shape)} at position {i}."
            )


def _without(shape: Size, dim: int) -> tuple[int, ...]:
    return (*shape[:dim], *shape[dim + 1 :])


def _moved(p: Pattern, dim: int, by: int) -> Tensor:
    """The indices with those of one dimension moved on."""
    if not by:
        return p.indices
    step = np.zeros((p.sparse_dim, 1), np.int64)
    step[dim] = by
    return p.indices + from_array(step, p.indices.device)


def _padded(values: Tensor, dim: int, before: int, length: int) -> Tensor:
    """Values with zeros before and after them along a dimension, up to a length."""

    def zeros(n: int) -> Tensor:
        return values.new_zeros((*values.shape[:dim], n, *values.shape[dim + 1 :]))

    return cat([zeros(before), values, zeros(length - before - values.shape[dim])], dim)


@form("stack")
def _stack(*xs: Tensor, dim: int) -> Tensor:
    at = normalize_dim(dim, xs[0].ndim + 1)
    return _cat(*[_unsqueeze(x, dim=at) if is_sparse(x) else x for x in xs], dim=at)
