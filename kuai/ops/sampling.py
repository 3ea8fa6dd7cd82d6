"""Elements at places that tensors give: grid_sample, and the grids of affine maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import prod

import numpy as np

from ..dtypes import int64
from ..errors import warn
from ..tensor import Tensor, from_array
from . import rules
from .comparison import where

PADDINGS = ("zeros", "border", "reflection")


# ---- places: from [-1, 1] to elements --------------------------------------------------------------------------------


def _unnormalized(x: Tensor, n: int, aligned: bool) -> Tensor:
    return (x + 1) * ((n - 1) / 2) if aligned else ((x + 1) * n - 1) / 2


def _clipped(x: Tensor, n: int) -> Tensor:
    """Places outside moved to the border, where they get no gradient; what is no number to the first element."""
    inside = (x > 0) & (x < n - 1)
    return where(inside, x, x.detach().clamp(0, n - 1).nan_to_num(0.0))


def _reflected(x: Tensor, n: int, aligned: bool) -> Tensor:
    """Places outside mirrored at the border: at the outermost elements, or at their edges."""
    low, span = (0.0, n - 1.0) if aligned else (-0.5, float(n))
    if span <= 0:
        return x * 0
    x = (x - low).abs()
    flips = (x.detach() / span).floor()
    rest = x.fmod(span)  # which is exact, in half types too
    return where(flips % 2 == 0, rest + low, span - rest + low)


def _place(x: Tensor, n: int, padding: str, aligned: bool) -> Tensor:
    if padding == "border":
        return _clipped(x, n)
    return _clipped(_reflected(x, n, aligned), n) if padding == "reflection" else x


# ---- reading ---------------------------------------------------------------------------------------------------------


def _read(planes: Tensor, corner: Sequence[Tensor], sizes: Sequence[int]) -> Tensor:
    """The planes' elements (N, C, P) at whole places, one tensor (N, P) for each dimension; zeros outside."""
    flat: Tensor | None = None
    inside: Tensor | None = None
    for p, n in zip(corner, sizes):
        here = (p >= 0) & (p < n)  # not where p is no number
        p = where(here, p, 0).to(int64)
        flat = p if flat is None else flat * n + p
        inside = here if inside is None else inside & here
    flat = flat.unsqueeze(1).expand(-1, planes.shape[1], -1)
    return planes.gather(2, flat).masked_fill(~inside.unsqueeze(1), 0)


def _weighted(planes: Tensor, sizes: Sequence[int], taps: Sequence[list[tuple[Tensor, Tensor]]]) -> Tensor:
    """The sum over all combinations of taps, each a whole place and its weight."""
    total: Tensor | None = None
    for corner in product(*taps):
        weight = corner[0][1]
        for _, w in corner[1:]:
            weight = weight * w
        part = _read(planes, [p for p, _ in corner], sizes) * weight.unsqueeze(1)
        total = part if total is None else total + part
    return total


def _bilinear(planes: Tensor, places: list[Tensor], sizes: Sequence[int]) -> Tensor:
    taps = []
    for x in places:
        low = x.detach().floor()
        taps.append([(low, low + 1 - x), (low + 1, x - low)])
    return _weighted(planes, sizes, taps)


def _nearest(planes: Tensor, places: list[Tensor], sizes: Sequence[int]) -> Tensor:
    made = _read(planes, [x.detach().round() for x in places], sizes)
    if not any(x.requires_grad for x in places):
        return made
    ones = [x.round().nan_to_num(1.0).clamp(1, 1) for x in places]  # the grid has a gradient, of zeros
    return made * prod(ones[1:], start=ones[0]).unsqueeze(1)


def _cubic_taps(x: Tensor, n: int, padding: str, aligned: bool) -> list[tuple[Tensor, Tensor]]:
    low = x.detach().floor()
    t = x - low
    return [(_place(low + i, n, padding, aligned), _cubic(t - i, i)) for i in range(-1, 3)]


def _cubic(x: Tensor, tap: int) -> Tensor:
    """The weight of an element at distance x, within which of the two pieces a tap always is."""
    a = -0.75
    x = x if tap < 1 else -x
    if tap in (0, 1):
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return ((x - 5) * x + 8) * x * a - 4 * a


def grid_sample(input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros",
                align_corners: bool | None = None) -> Tensor:  # fmt: skip
    """The input's elements at places that a grid gives in [-1, 1], between neighbours (``torch.nn.functional.grid_sample``).

    >>> import kuai as torch
    >>> x = torch.arange(4.).view(1, 1, 2, 2)
    >>> torch.nn.functional.grid_sample(x, torch.zeros(1, 1, 1, 2), align_corners=True)
    tensor([[[[1.5000]]]])
    """
    _check(input, grid, mode, padding_mode)
    if align_corners is None:
        warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please specify "
            "align_corners=True if the old behavior is desired."
        )
    return _sample(input, grid, mode, padding_mode, bool(align_corners))


def _sample(input: Tensor, grid: Tensor, mode: str, padding: str, aligned: bool) -> Tensor:
    if input.dtype.itemsize == 2:  # a half type is too coarse for places
        return _sample(input.float(), grid.float(), mode, padding, aligned).to(input.dtype)
    sizes, rank = input.shape[2:], input.ndim - 2
    points = grid.reshape(grid.shape[0], prod(grid.shape[1:-1]), rank)
    planes = input.flatten(2)
    places = [_unnormalized(points[..., rank - 1 - d], n, aligned) for d, n in enumerate(sizes)]
    if mode == "bicubic":
        made = _weighted(planes, sizes, [_cubic_taps(x, n, padding, aligned) for x, n in zip(places, sizes)])
    else:
        read: Callable = _bilinear if mode == "bilinear" else _nearest
        made = read(planes, [_place(x, n, padding, aligned) for x, n in zip(places, sizes)], sizes)
    return made.reshape(*input.shape[:2], *grid.shape[1:-1])


def _check(input: Tensor, grid: Tensor, mode: str, padding: str) -> None:
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding not in PADDINGS:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: "
            f"'{padding}'"
        )
    shown = f"got input with sizes {list(input.shape)} and grid with sizes {list(grid.shape)}"
    if input.shape[0] != grid.shape[0]:
        raise RuntimeError(f"grid_sampler(): expected grid and input to have same batch size, but {shown}")
    if input.ndim not in (4, 5) or grid.ndim != input.ndim:
        raise RuntimeError(f"grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but {shown}")
    if grid.shape[-1] != input.ndim - 2:
        raise RuntimeError(f"grid_sampler(): expected grid to have size {input.ndim - 2} in last dimension, but {shown}")
    if not all(input.shape[2:]):
        raise RuntimeError(f"grid_sampler(): expected input to have non-empty spatial dimensions, but {shown}")
    if mode == "bicubic" and input.ndim == 5:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    if grid.dtype is not input.dtype:
        raise RuntimeError(f"expected scalar type {rules._cname(input.dtype)} but found {rules._cname(grid.dtype)}")


# ---- affine grids ----------------------------------------------------------------------------------------------------


def _line(n: int, aligned: bool) -> np.ndarray:
    """Places in [-1, 1] of n elements: of the outermost ones' centers, or of their edges."""
    if n == 1:
        return np.zeros(1)
    return np.linspace(-1, 1, n) * (1.0 if aligned else (n - 1) / n)


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The grids for `grid_sample` that affine maps (N, 2, 3) or (N, 3, 4) give (``torch.nn.functional.affine_grid``).

    >>> import kuai as torch
    >>> theta = torch.tensor([[[1., 0., 0.], [0., 1., 0.]]])
    >>> torch.nn.functional.affine_grid(theta, (1, 1, 1, 2), align_corners=True)
    tensor([[[[-1.,  0.],
              [ 1.,  0.]]]])
    """
    size = tuple(int(n) for n in size)
    if not theta.dtype.is_floating_point:
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    if len(size) not in (4, 5):
        raise NotImplementedError(
            f"affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size {size}."
        )
    rank = len(size) - 2
    if theta.ndim != 3 or theta.shape[-2] != rank or theta.shape[-1] != rank + 1:
        raise ValueError(f"Expected a batch of {rank}D affine matrices of shape Nx{rank}x{rank + 1} for size {size}. Got "
                         f"{theta.shape}.")  # fmt: skip
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    if align_corners is None:
        warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please specify "
            "align_corners=True if the old behavior is desired."
        )
    lines = [_line(n, bool(align_corners)) for n in size[2:]]
    points = np.stack([*np.meshgrid(*lines, indexing="ij")[::-1], np.ones(size[2:])], -1).reshape(-1, rank + 1)
    base = from_array(points.astype(theta.dtype.numpy), theta.device)
    return (base @ theta.transpose(1, 2)).reshape(size[0], *size[2:], rank)


def grid_sampler(input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool) -> Tensor:
    """`grid_sample` with its modes as numbers (``torch.grid_sampler``).

    >>> import kuai as torch
    >>> torch.grid_sampler(torch.arange(4.).view(1, 1, 2, 2), torch.zeros(1, 1, 1, 2), 0, 0, True)
    tensor([[[[1.5000]]]])
    """
    mode, padding = ("bilinear", "nearest", "bicubic")[interpolation_mode], PADDINGS[padding_mode]
    _check(input, grid, mode, padding)
    return _sample(input, grid, mode, padding, align_corners)


grid_sampler_2d = grid_sampler_3d = grid_sampler

METHODS = ()
INPLACE = ()
