"""Convolutions as products of matrices, for layers that have far more weights than results.

A row for each window, with all that it sees, times the weights as they lie in memory. Eigen's convolution has the weights
turned around first, each time, which then takes longer than the arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from .windows import Geometry, offsets, shifted

MANY = 8  # weights for each result, from which on products are faster
PLACES = 64  # of a kernel, up to which they are: each is a copy of its own


def has_many_weights(w: Sequence[int], results: int) -> bool:
    """Whether a layer of this shape of weights has so many for a number of results."""
    return prod(w) >= MANY * max(results, 1) and prod(w[2:]) <= PLACES


def _rows(xp, x, kernel: Sequence[int], at: Geometry, sizes: Sequence[int]):  # type: ignore[no-untyped-def]
    """What each window of x, which is padded, sees: (batch · windows, channels · places)."""
    parts = [xp.moveaxis(x[shifted(o, at.stride, at.dilation, sizes)], 1, -1) for o in offsets(kernel)]
    return xp.stack(parts, -1).reshape(x.shape[0] * prod(sizes), x.shape[1] * prod(kernel))


def _pixels(xp, g):  # type: ignore[no-untyped-def]
    """(batch · places, channels)."""
    return xp.moveaxis(g, 1, -1).reshape(-1, g.shape[1])


def convolve(xp, x, w, at: Geometry, sizes: Sequence[int]):  # type: ignore[no-untyped-def]
    """The convolution of x, which is padded, with w."""
    made = xp.matmul(_rows(xp, x, w.shape[2:], at, sizes), w.reshape(w.shape[0], -1).T)
    return xp.moveaxis(made.reshape(x.shape[0], *sizes, w.shape[0]), -1, 1)


def weight(xp, x, g, kernel: Sequence[int], at: Geometry):  # type: ignore[no-untyped-def]
    """What w gets back from the cotangent g; x is padded."""
    made = xp.matmul(_pixels(xp, g).T, _rows(xp, x, kernel, at, g.shape[2:]))
    return made.reshape(g.shape[1], x.shape[1], *kernel)


def transpose(xp, g, w, size: Sequence[int], at: Geometry):  # type: ignore[no-untyped-def]
    """What x gets back from the cotangent g: each window's part, added where it lay."""
    kernel = w.shape[2:]
    parts = xp.matmul(_pixels(xp, g), w.reshape(w.shape[0], -1))
    parts = parts.reshape(g.shape[0], *g.shape[2:], w.shape[1], prod(kernel))
    placed = [_placed(xp, parts[..., k], o, size, at) for k, o in enumerate(offsets(kernel))]
    return xp.moveaxis(sum(placed[1:], placed[0]), -1, 1)


def _placed(xp, part, offset: Sequence[int], size: Sequence[int], at: Geometry):  # type: ignore[no-untyped-def]
    """What all windows have at one place, (batch, *windows, channels), where it lies in x."""
    where = []
    for m, n, o, s, d, (lo, _) in zip(part.shape[1:], size, offset, at.stride, at.dilation, at.pads):
        start = o * d - lo
        where.append((start, n - start - ((m - 1) * s + 1), s - 1))
    return xp.lax.pad(part, xp.zeros((), part.dtype), [(0, 0, 0), *where, (0, 0, 0)])
