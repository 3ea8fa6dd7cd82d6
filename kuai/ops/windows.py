"""Sliding windows over the spatial dimensions, the last ones: what convolutions, pools and unfold are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

Pads = tuple[tuple[int, int], ...]


def frozen(given: object) -> object:
    """A list as a tuple, so that it can be looked up."""
    return tuple(given) if type(given) is list else given


def repeated(given: object, rank: int, what: str, name: str) -> tuple[int, ...]:
    """One number for all spatial dimensions, or one for each (``kernel_size=3`` or ``(3, 5)``)."""
    if isinstance(given, int):
        return (int(given),) * rank
    if not isinstance(given, (tuple, list)) or not all(hasattr(n, "__index__") for n in given):
        kind = type(given).__name__
        raise TypeError(f"{name}(): argument '{what}' must be an int or a tuple of {rank} ints, not {kind} ({given!r})")
    if len(given) not in (1, rank):
        raise RuntimeError(
            f"{name}: expected {what} to be a single integer value or a list of {rank} values to match the spatial "
            f"dimensions, but got {what}={list(given)}"
        )
    return tuple(int(n) for n in given) * (rank if len(given) == 1 else 1)


def pad(x: np.ndarray, pads: Pads, value: float = 0) -> np.ndarray:
    """A NumPy array with a border; negative pads cut."""
    if not any(map(any, pads)):
        return x
    if any(p < 0 for pair in pads for p in pair):
        x = x[(..., *[slice(max(-lo, 0), n - max(-hi, 0)) for (lo, hi), n in zip(pads, x.shape[-len(pads) :])])]
        pads = tuple((max(lo, 0), max(hi, 0)) for lo, hi in pads)
    sizes = x.shape[-len(pads) :]
    out = np.full((*x.shape[: -len(pads)], *[n + lo + hi for n, (lo, hi) in zip(sizes, pads)]), value, x.dtype)
    out[(..., *[slice(lo, lo + n) for n, (lo, _) in zip(sizes, pads)])] = x
    return out


def crop(x: np.ndarray, pads: Pads) -> np.ndarray:
    """A NumPy array without its border."""
    return pad(x, tuple((-lo, -hi) for lo, hi in pads))


def view(x: np.ndarray, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int],
         sizes: Sequence[int]) -> np.ndarray:  # fmt: skip
    """All windows as a NumPy view (N, C, *kernel, *sizes): nothing is copied."""
    x, rank = np.ascontiguousarray(x), len(kernel)
    steps = x.strides[-rank:]
    inner = [s * d for s, d in zip(steps, dilation)]
    outer = [s * t for s, t in zip(steps, stride)]
    if not x.size:
        return np.zeros((*x.shape[:-rank], *kernel, *sizes), x.dtype)
    return np.ndarray((*x.shape[:-rank], *kernel, *sizes), x.dtype, x, 0, (*x.strides[:-rank], *inner, *outer))


def offsets(kernel: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """The places within a window, in order."""
    return product(*map(range, kernel))


def shifted(offset: Sequence[int], stride: Sequence[int], dilation: Sequence[int], sizes: Sequence[int]) -> tuple:
    """The key of what all windows have at one place: ``x[key]`` has the spatial shape ``sizes``."""
    return (..., *[slice(o * d, o * d + (n - 1) * s + 1, s) if n else slice(0, 0)
                   for o, s, d, n in zip(offset, stride, dilation, sizes)])  # fmt: skip


def shifted_along(axis: int, rank: int, offset: int, stride: int, dilation: int, count: int) -> tuple:
    """As `shifted`, along one of the spatial dimensions."""
    start = offset * dilation
    piece = slice(start, start + (count - 1) * stride + 1, stride) if count else slice(0, 0)
    return (..., piece, *[slice(None)] * (rank - 1 - axis))


def window_counts(sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int], pads: Pads,
                  dilation: Sequence[int]) -> tuple[int, ...]:  # fmt: skip
    """How many windows fit along each dimension."""
    return tuple(
        (n + lo + hi - d * (k - 1) - 1) // s + 1 for n, k, s, (lo, hi), d in zip(sizes, kernel, stride, pads, dilation)
    )


class Geometry(NamedTuple):
    """How the windows of a convolution lie: one entry for each spatial dimension, and the number of groups of channels."""

    stride: tuple[int, ...]
    pads: Pads
    dilation: tuple[int, ...]
    groups: int

    def counts(self, sizes: Sequence[int], kernel: Sequence[int]) -> tuple[int, ...]:
        """The spatial shape of a convolution's result."""
        return window_counts(sizes, kernel, self.stride, self.pads, self.dilation)

    def folded(self) -> Geometry:
        """The same, with the batch as a first spatial dimension."""
        return Geometry((1, *self.stride), ((0, 0), *self.pads), (1, *self.dilation), self.groups)

    @property
    def is_pointwise(self) -> bool:
        """Whether a window of one place meets each element once, so that a convolution is a product of matrices."""
        return not any(map(any, self.pads)) and all(s == 1 for s in self.stride)

    @property
    def unit(self) -> tuple[int, ...]:
        """Ones for all spatial dimensions."""
        return (1,) * len(self.stride)


def is_depthwise(w: Sequence[int], groups: int) -> bool:
    """Whether each channel is convolved by itself."""
    return groups > 1 and w[1] == 1
