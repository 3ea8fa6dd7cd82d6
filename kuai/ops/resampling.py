"""Images and volumes in other sizes: nearest elements, linear and cubic interpolation, averages, filters without aliases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import floor

import numpy as np

from ..dtypes import int32, uint8
from ..engine.program import Op
from ..errors import warn
from ..tensor import Tensor
from .adaptive_pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from .define import op
from .taps import Axis, Table, is_identity, kind, resample, table, window_table

# ---- tables ----------------------------------------------------------------------------------------------------------


def _step(axis: Axis) -> float:
    """How far apart in the input two neighbouring elements of the result are."""
    if axis.aligned:
        return (axis.before - 1) / (axis.after - 1) if axis.after > 1 else 0.0
    return 1 / axis.scale if axis.scale > 0 else axis.before / axis.after


def _places(axis: Axis) -> np.ndarray:
    """Where in the input the elements of the result are."""
    i = np.arange(axis.after)
    return _step(axis) * i if axis.aligned else _step(axis) * (i + 0.5) - 0.5


def _nearest_table(axis: Axis, shift: float) -> Table:
    """The element at or before each place, reckoned in float32 as PyTorch does."""
    step = np.float32(1 / axis.scale) if axis.scale > 0 else np.float32(axis.before) / np.float32(axis.after)
    places = np.floor((np.arange(axis.after, dtype=np.float32) + np.float32(shift)) * step).astype(np.int64)
    return np.minimum(places, axis.before - 1)[None], np.ones((1, axis.after))


@kind("nearest")
def _nearest(axis: Axis) -> Table:
    if axis.after in (axis.before, 2 * axis.before):  # whatever factor was given
        axis = axis._replace(scale=0.0)
    return _nearest_table(axis, 0.0)


@kind("nearest-exact")
def _nearest_exact(axis: Axis) -> Table:
    return _nearest_table(axis, 0.5)


@kind("linear")
def _linear(axis: Axis) -> Table:
    place = np.maximum(_places(axis), 0)
    low = np.minimum(place.astype(np.int64), axis.before - 1)
    share = np.clip(place - low, 0, 1)
    return np.stack([low, np.minimum(low + 1, axis.before - 1)]), np.stack([1 - share, share])


def _cubic_weight(x: np.ndarray, a: float) -> np.ndarray:
    """The weight of an element at distance x, by Keys' convolution of cubics."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


@kind("cubic")
def _cubic(axis: Axis) -> Table:
    place = _places(axis)
    low = np.floor(place).astype(np.int64)
    taps = low + np.arange(-1, 3)[:, None]
    return np.clip(taps, 0, axis.before - 1), _cubic_weight(place - taps, -0.75)


def _filtered(weight: Callable[[np.ndarray], np.ndarray], radius: float) -> Callable[[Axis], Table]:
    """A table maker for a filter that is widened as much as the image is made smaller, so that nothing is skipped."""

    def make(axis: Axis) -> Table:
        if axis.before == axis.after:  # whatever factor was given
            return np.arange(axis.after)[None], np.ones((1, axis.after))
        step = _step(axis)
        wide = max(step, 1.0)
        center = step * (np.arange(axis.after) + 0.5)
        starts = np.maximum((center - radius * wide + 0.5).astype(np.int64), 0)
        ends = np.minimum((center + radius * wide + 0.5).astype(np.int64), axis.before)
        return window_table(starts, ends, lambda i: weight((i - center + 0.5) / wide))

    return make


def _lanczos_weight(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


kind("antialiased linear")(_filtered(lambda x: np.maximum(1 - np.abs(x), 0), 1))
kind("antialiased cubic")(_filtered(lambda x: _cubic_weight(x, -0.5), 2))
kind("antialiased lanczos")(_filtered(_lanczos_weight, 3))

# ---- interpolate -----------------------------------------------------------------------------------------------------

MODES = "nearest | linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact"
RANKS = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3, "lanczos": 2}
KIND = {"linear": "linear", "bilinear": "linear", "trilinear": "linear", "bicubic": "cubic", "lanczos": "lanczos"}
AVERAGES = (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)


def interpolate(input: Tensor, size: object = None, scale_factor: object = None, mode: str = "nearest",
                align_corners: bool | None = None, recompute_scale_factor: bool | None = None,
                antialias: bool = False) -> Tensor:  # fmt: skip
    """The input (N, C, …) in another size, or made larger by a factor (``torch.nn.functional.interpolate``).

    >>> import kuai as torch
    >>> x = torch.tensor([[[1., 3.]]])
    >>> torch.nn.functional.interpolate(x, scale_factor=2, mode="linear")
    tensor([[[1.0000, 1.5000, 2.5000, 3.0000]]])
    """
    sizes = tuple(input.shape[2:])
    if size is not None and isinstance(size, (tuple, list)) and scale_factor is None and mode in MODES:
        _each(sizes, size, "output size")
    _check_mode(input, mode, align_corners, antialias)
    after, scales = _wanted(sizes, size, scale_factor, recompute_scale_factor)
    if min(after) <= 0 or not all(sizes):
        raise RuntimeError(f"Input and output sizes should be greater than 0, but got input {sizes} output {after}")
    if mode == "area":
        return AVERAGES[len(sizes) - 1](input, after)
    name = ("antialiased " if antialias else "") + KIND.get(mode, mode)
    return resized(input, name, after, scales, bool(align_corners))


def resized(input: Tensor, name: str, after: Sequence[int], scales: Sequence[float], align: bool) -> Tensor:
    """The input in other sizes by a kind of resampling; a factor of 0 stands for the quotient of the sizes."""
    axes = tuple(Axis(name, n, m, s, align) for n, m, s in zip(input.shape[2:], after, scales))
    if input.dtype is uint8 and "nearest" not in name:
        return _resample_bytes(input, axes=axes)
    return resample(input, axes)


def _bytes_rule(op: Op, avals: Sequence, *, axes: tuple[Axis, ...]) -> tuple:
    x = avals[0]
    return x.with_((*x.shape[: -len(axes)], *[a.after for a in axes])), int32


def _merged(indices: np.ndarray, weights: np.ndarray) -> Table:
    """The table with the weights of taps at the same place added up, as they are rounded after."""
    weights = weights.copy()
    for a in range(len(indices)):
        for b in range(a + 1, len(indices)):
            same = indices[a] == indices[b]
            weights[a] += weights[b] * same
            weights[b] *= ~same
    return indices, weights


@op(shape=_bytes_rule, vjp=None, name="resample_bytes", cost=20.0)
def _resample_bytes(xp, x, *, axes):
    """Bytes, by weights in fixed point; rounded after each dimension, the last one first."""
    for d, axis in reversed(list(enumerate(axes, x.ndim - len(axes)))):
        if not is_identity(axis):
            indices, weights = _merged(*table(axis, False))
            bits = next(b for b in range(23) if b == 22 or int(0.5 + weights.max() * 2 ** (b + 1)) >= 1 << 15)
            fixed = np.trunc(weights * 2**bits + np.copysign(0.5, weights)).astype(np.int32)
            total = np.int32(1 << (bits - 1))
            for i, w in zip(indices, fixed):
                total = total + xp.take(x, i, d) * w.reshape(-1, *[1] * (x.ndim - 1 - d))
            x = xp.clip(total >> bits, 0, 255)
    return x


def _check_mode(input: Tensor, mode: str, align_corners: bool | None, antialias: bool) -> None:
    rank = input.ndim - 2
    if align_corners is not None and mode in ("nearest", "area", "nearest-exact"):
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear"
        )
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and rank == 2):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input"
        )
    if mode == "lanczos" and not antialias:
        raise ValueError("interpolate: mode 'lanczos' requires antialias=True")
    if rank in (1, 2, 3) and mode in ("linear", "bilinear", "trilinear") and RANKS[mode] != rank:
        raise NotImplementedError(f"Got {rank + 2}D input, but {mode} mode needs {RANKS[mode] + 2}D input")
    if rank not in (1, 2, 3) or mode not in MODES.split(" | ") or RANKS.get(mode, rank) != rank:
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {rank + 2}D) for the modes: {MODES} (got {mode})"
        )


def _wanted(sizes: tuple, size: object, scale: object, recompute: bool | None) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The sizes after, and the factors that were given."""
    none = (0.0,) * len(sizes)
    if recompute is True and size is not None:
        raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    if (size is None) == (scale is None):
        said = f"{'either' if size is None else 'only one of'} size or scale_factor should be defined"
        raise ValueError(said)
    if scale is None:
        return _sizes(sizes, size), none
    factors = _each(sizes, scale, "scale_factor")
    after = tuple(floor(n * f) for n, f in zip(sizes, factors))
    return after, none if recompute else tuple(map(float, factors))


def _sizes(sizes: tuple, size: object) -> tuple[int, ...]:
    after = _each(sizes, size, "output size")
    if not all(hasattr(n, "__index__") for n in after):
        raise TypeError(
            "expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, int, int], but got size with types "
            f"{[type(n) for n in after]}"
        )
    return tuple(int(n) for n in after)


def _each(sizes: tuple, given: object, what: str) -> tuple:
    """One entry for each spatial dimension."""
    if isinstance(given, Tensor):
        given = given.tolist()
    if not isinstance(given, (list, tuple)):
        return (given,) * len(sizes)
    if len(given) != len(sizes):
        raise ValueError(
            f"Input and {what} must have the same number of spatial dimensions, but got input with spatial dimensions of "
            f"{list(sizes)} and {what} of {tuple(given)}. Please provide input tensor in (N, C, d1, d2, ...,dK) format."
        )
    return tuple(given)


def upsample(input: Tensor, size: object = None, scale_factor: object = None, mode: str = "nearest",
             align_corners: bool | None = None) -> Tensor:  # fmt: skip
    """`interpolate`, under the name it had before (``torch.nn.functional.upsample``).

    >>> import kuai as torch
    >>> import warnings; warnings.simplefilter("ignore")
    >>> torch.nn.functional.upsample(torch.tensor([[[1., 3.]]]), scale_factor=2)
    tensor([[[1., 1., 3., 3.]]])
    """
    warn("`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: object = None, scale_factor: object = None) -> Tensor:
    """`interpolate` with the nearest elements (``torch.nn.functional.upsample_nearest``).

    >>> import kuai as torch
    >>> import warnings; warnings.simplefilter("ignore")
    >>> torch.nn.functional.upsample_nearest(torch.tensor([[[1., 3.]]]), scale_factor=2)
    tensor([[[1., 1., 3., 3.]]])
    """
    warn("`nn.functional.upsample_nearest` is deprecated. Use `nn.functional.interpolate` instead.")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Tensor, size: object = None, scale_factor: object = None) -> Tensor:
    """`interpolate` between four neighbours, corners on corners (``torch.nn.functional.upsample_bilinear``).

    >>> import kuai as torch
    >>> import warnings; warnings.simplefilter("ignore")
    >>> torch.nn.functional.upsample_bilinear(torch.tensor([[[[1., 3.]]]]), size=(1, 3))
    tensor([[[[1., 2., 3.]]]])
    """
    warn("`nn.functional.upsample_bilinear` is deprecated. Use `nn.functional.interpolate` instead.")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


METHODS = ()
INPLACE = ()
