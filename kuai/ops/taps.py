"""Separable maps of the spatial dimensions: each result element is a weighted sum of a few elements of its line (its taps).

Interpolation and adaptive averages are of this kind. The transpose of such a map is one again, so one op is its own
derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..dtypes import uint8
from ..engine.program import Aval, Op, State
from ..tensor import Tensor
from . import rules
from .define import op


class Axis(NamedTuple):
    """The map along one dimension: its kind, the lengths before and after, and what else the kind needs to know."""

    kind: str
    before: int
    after: int
    scale: float = 0.0
    aligned: bool = False


Table = tuple[np.ndarray, np.ndarray]  # indices and weights, both (taps, results)
KINDS: dict[str, Callable[[Axis], Table]] = {}


def kind(name: str) -> Callable:
    """Add a kind of map: a function from an `Axis` to its table."""

    def add(make: Callable[[Axis], Table]) -> Callable[[Axis], Table]:
        KINDS[name] = make
        return make

    return add


@lru_cache(maxsize=256)
def table(axis: Axis, back: bool) -> Table:
    """The taps of a map or of its transpose."""
    found = KINDS[axis.kind](axis)
    return _transposed(*found, axis.before) if back else found


def _transposed(indices: np.ndarray, weights: np.ndarray, length: int) -> Table:
    """For each element, the results that it goes into, and with what weight."""
    source, target, w = indices.ravel(), np.tile(np.arange(indices.shape[1]), len(indices)), weights.ravel()
    source, target, w = source[w != 0], target[w != 0], w[w != 0]
    order = np.argsort(source, kind="stable")
    source, target, w = source[order], target[order], w[order]
    counts = np.bincount(source, minlength=length)
    place = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (max(1, counts.max(initial=0)), length)
    new_indices, new_weights = np.zeros(shape, np.int64), np.zeros(shape)
    new_indices[place, source], new_weights[place, source] = target, w
    if len(target):  # taps of no weight repeat the first one, so that what is not finite stays where it is
        new_indices = np.where(new_weights != 0, new_indices, new_indices[:1])
    return new_indices, new_weights


def window_table(starts: np.ndarray, ends: np.ndarray, weights: Callable[[np.ndarray], np.ndarray] | None = None) -> Table:
    """The taps of windows of different lengths, the weights of each made to sum to one."""
    place = np.arange(max(1, int((ends - starts).max(initial=1))))[:, None]
    indices = starts + place
    inside = indices < ends
    w = inside * (1.0 if weights is None else weights(indices))
    return np.where(inside, indices, starts), w / w.sum(0)


@kind("adaptive")
def _adaptive(axis: Axis) -> Table:
    return window_table(*adaptive_windows(axis.before, axis.after))


def adaptive_windows(before: int, after: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the windows begin and end that divide a line into equal parts."""
    i = np.arange(after)
    return i * before // max(after, 1), -(-(i + 1) * before // max(after, 1))


@lru_cache(maxsize=256)
def is_identity(axis: Axis) -> bool:
    """Whether a map leaves its dimension as it is."""
    indices, weights = table(axis, False)
    same = axis.before == axis.after and len(indices) == 1
    return same and bool((indices[0] == np.arange(axis.after)).all() and (weights == 1).all())


# ---- the op ----------------------------------------------------------------------------------------------------------


def _map_axis(xp, x, dim: int, axis: Axis, back: bool):
    indices, weights = table(axis, back)
    column = (-1, *[1] * (x.ndim - 1 - dim))
    total = None
    for i, w in zip(indices, weights):
        part = x.take(i, dim) if xp is np else xp.take(x, i, dim, mode="clip")
        if not (w == 1).all():
            part = part * w.astype(x.dtype).reshape(column)
        total = part if total is None else total + part
    return total


def _map_rule(op: Op, avals: Sequence, *, axes: tuple[Axis, ...], back: bool) -> tuple:
    x = avals[0]
    if x.dtype.category != 2 and not (x.dtype is uint8 and all(a.kind.startswith("nearest") for a in axes)):
        raise NotImplementedError(f"\"{axes[0].kind}\" not implemented for '{rules._cname(x.dtype)}'")
    sizes = [a.before if back else a.after for a in axes]
    return Aval((*x.shape[: -len(axes)], *sizes), x.dtype, x.device), x.dtype


def _cost(state: State) -> float:
    axes, back = state.static
    return sum(2.0 * len(table(a, back)[0]) for a in axes) * max(state.avals[0].size, state.outs[0].size)


@op(shape=_map_rule, name="resample", cost=_cost, vjp=(lambda g, axes, back: _resample(g, axes=axes, back=not back),))
def _resample(xp, x, *, axes, back):
    for i, axis in enumerate(axes):
        if not is_identity(axis):
            x = _map_axis(xp, x, x.ndim - len(axes) + i, axis, back)
    return x


def resample(x: Tensor, axes: tuple[Axis, ...]) -> Tensor:
    """Map the last dimensions, each as its `Axis` says."""
    return _resample(x, axes=axes, back=False)
