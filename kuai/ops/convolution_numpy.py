"""Convolutions by NumPy: products of matrices of windows; for channels by themselves, sums of shifted multiples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np

from .windows import Geometry, crop, is_depthwise, offsets, pad, shifted, view

CHUNK = 1 << 21  # elements of the matrix of windows that are made at a time


def _chunks(samples: int, elements: int) -> Iterator[slice]:
    """Parts of the batch whose matrix of windows is small enough for the cache."""
    step = max(1, CHUNK // max(elements, 1))
    return (slice(i, i + step) for i in range(0, samples, step))


def _pays_folding(samples: int, positions: int) -> bool:
    """Whether one product for the whole batch is faster than one for each sample."""
    return samples > 1 and positions < 128


def _batch_inside(x: np.ndarray) -> np.ndarray:
    """(N, C, *sizes) as (1, C, N, *sizes)."""
    return x.swapaxes(0, 1)[None]


def _columns(x: np.ndarray, kernel: Sequence[int], at: Geometry, sizes: Sequence[int]) -> np.ndarray:
    """The windows of a padded array as (N, groups, channels of a group × places, positions)."""
    shape = (x.shape[0], at.groups, x.shape[1] // at.groups * prod(kernel), prod(sizes))
    return view(x, kernel, at.stride, at.dilation, sizes).reshape(shape)


def _grouped(x: np.ndarray, groups: int) -> np.ndarray:
    """(N, C, *sizes) as (N, groups, C / groups, positions)."""
    return x.reshape(x.shape[0], groups, x.shape[1] // groups, prod(x.shape[2:]))


def _filters(w: np.ndarray, groups: int) -> np.ndarray:
    """Weights as (groups, results of a group, channels of a group × places)."""
    return w.reshape(groups, w.shape[0] // groups, prod(w.shape[1:]))


def convolve(x: np.ndarray, w: np.ndarray, at: Geometry) -> np.ndarray:
    """The convolution of x with w."""
    kernel, sizes = w.shape[2:], at.counts(x.shape[2:], w.shape[2:])
    if is_depthwise(w.shape, at.groups):
        return depthwise(pad(x, at.pads), w, at, sizes)
    if _pays_folding(len(x), prod(sizes)):
        made = convolve(_batch_inside(x), w[:, :, None], at.folded())
        return np.ascontiguousarray(made[0].swapaxes(0, 1))
    out = np.empty((len(x), len(w), *sizes), x.dtype)
    parts, filters = _grouped(out, at.groups), _filters(w, at.groups)
    for part in _chunks(len(x), prod(w.shape[1:]) * at.groups * prod(sizes)):
        np.matmul(filters, _columns(pad(x[part], at.pads), kernel, at, sizes), out=parts[part])
    return out


def transpose(g: np.ndarray, w: np.ndarray, size: Sequence[int], at: Geometry) -> np.ndarray:
    """What x gets back from the cotangent g, where x has the spatial shape ``size``."""
    kernel, sizes = w.shape[2:], g.shape[2:]
    channels = w.shape[1] * at.groups
    if _pays_folding(len(g), prod(sizes)) and not is_depthwise(w.shape, at.groups):
        made = transpose(_batch_inside(g), w[:, :, None], (len(g), *size), at.folded())
        return np.ascontiguousarray(made[0].swapaxes(0, 1))
    if at.is_pointwise and prod(kernel) == 1:
        return np.matmul(_filters(w, at.groups).swapaxes(-1, -2), _grouped(g, at.groups)).reshape(len(g), channels, *size)
    out = np.zeros((len(g), channels, *[n + lo + hi for n, (lo, hi) in zip(size, at.pads)]), g.dtype)
    if is_depthwise(w.shape, at.groups):
        _scatter_depthwise(out, g, w, at)
    else:
        filters = _filters(w, at.groups).swapaxes(-1, -2)
        for part in _chunks(len(g), channels * prod(kernel) * prod(sizes)):
            columns = np.matmul(filters, _grouped(g[part], at.groups))
            _add_windows(out[part], columns.reshape(-1, channels, *kernel, *sizes), at)
    return np.ascontiguousarray(crop(out, at.pads))


def _add_windows(out: np.ndarray, windows: np.ndarray, at: Geometry) -> None:
    """Add (N, C, *kernel, *sizes) to where the windows were taken from."""
    rank = len(at.stride)
    kernel, sizes = windows.shape[2 : 2 + rank], windows.shape[2 + rank :]
    for o in offsets(kernel):
        out[shifted(o, at.stride, at.dilation, sizes)] += windows[(slice(None), slice(None), *o)]


def weight(x: np.ndarray, g: np.ndarray, kernel: Sequence[int], at: Geometry) -> np.ndarray:
    """What w gets back from the cotangent g."""
    sizes, inner = g.shape[2:], x.shape[1] // at.groups
    if inner == 1 and at.groups > 1:
        return depthwise_weight(np.stack, pad(x, at.pads), g, kernel, at)
    out = np.zeros((at.groups, g.shape[1] // at.groups, inner * prod(kernel)), x.dtype)
    inside = at.folded()
    for part in _chunks(len(x), x.shape[1] * prod(kernel) * prod(sizes)):
        given, taken = _batch_inside(g[part]), pad(_batch_inside(x[part]), inside.pads)
        columns = _columns(taken, (1, *kernel), inside, given.shape[2:])
        out += np.matmul(_grouped(given, at.groups)[0], columns[0].swapaxes(-1, -2))
    return out.reshape(g.shape[1], inner, *kernel)


# ---- depthwise: each channel by itself, for XLA too --------------------------------------------------------------------


def _by_channel(x, channels: int):
    """(N, C·m, *sizes) as (N, C, m, *sizes)."""
    return x.reshape(x.shape[0], channels, x.shape[1] // channels, *x.shape[2:])


def _multipliers(w, offset: tuple[int, ...], groups: int, rank: int):
    """The weights at one place of the window as (C, m, 1, …)."""
    return w[(slice(None), 0, *offset)].reshape(groups, -1, *[1] * rank)


def depthwise(x, w, at: Geometry, sizes: Sequence[int]):
    """The sum of shifted multiples; x is padded already."""
    total = None
    for o in offsets(w.shape[2:]):
        part = x[shifted(o, at.stride, at.dilation, sizes)][:, :, None] * _multipliers(w, o, at.groups, len(sizes))
        total = part if total is None else total + part
    return total.reshape(x.shape[0], w.shape[0], *sizes)


def _scatter_depthwise(out: np.ndarray, g: np.ndarray, w: np.ndarray, at: Geometry) -> None:
    given = _by_channel(g, at.groups)
    for o in offsets(w.shape[2:]):
        part = given * _multipliers(w, o, at.groups, len(at.stride))
        out[shifted(o, at.stride, at.dilation, g.shape[2:])] += part[:, :, 0] if part.shape[2] == 1 else part.sum(2)


def depthwise_weight(stack, x, g, kernel: Sequence[int], at: Geometry):
    """What the weights get back; x is padded already."""
    given, sizes = _by_channel(g, at.groups), g.shape[2:]
    rows = []
    for o in offsets(kernel):
        part = x[shifted(o, at.stride, at.dilation, sizes)][:, :, None] * given
        rows.append(part.reshape(g.shape[0], g.shape[1], prod(sizes)).sum(-1).sum(0))
    return stack(rows, -1).reshape(g.shape[1], 1, *kernel)
