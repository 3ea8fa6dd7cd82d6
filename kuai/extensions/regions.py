"""Pooling of regions of interest: rows (image, left, top, right, bottom) of a tensor ``rois`` (K, 5)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..autograd.modes import no_grad
from ..ops.comparison import where
from ..ops.creation import tensor
from ..ops.matrix import einsum
from ..ops.ranges import arange
from ..tensor import Tensor


def _checked(input: Tensor, rois: Tensor, name: str) -> None:
    if rois.ndim != 2 or rois.shape[1] != 5:
        raise RuntimeError(f"{name}: rois must have shape as Tensor[K, 5], got {list(rois.shape)}")
    if input.dtype is not rois.dtype:
        raise RuntimeError(f"{name}: Expected tensor for input to have the same type as tensor for rois; but type {input.dtype} "
                           f"does not equal {rois.dtype}")  # fmt: skip


class Samples(NamedTuple):
    """Sampling points along one axis, each (K, bins, points): the cells on both sides, and their weights."""

    cells: tuple[Tensor, Tensor]
    weights: tuple[Tensor, Tensor]
    grid: Tensor  # how many points of each region count, (K,)


def _samples(start: Tensor, extent: Tensor, bins: int, ratio: int, length: int) -> Samples:
    size = extent / bins
    grid = size.ceil() if ratio <= 0 else size * 0 + ratio
    points = ratio if ratio > 0 else max(1, int(grid.max().item()))
    i = arange(points, dtype=start.dtype, device=start.device)
    b = arange(bins, dtype=start.dtype, device=start.device)
    inner = (i + 0.5) * (size / grid)[:, None]
    at = start[:, None, None] + b[:, None] * size[:, None, None] + inner[:, None, :]
    counts = ((i < grid[:, None])[:, None, :] & (at >= -1) & (at <= length)).to(at.dtype)
    at = at.clamp(min=0)
    low = at.floor().clamp(max=length - 1)
    right = where(low < length - 1, at - low, 0.0) * counts
    return Samples((low.long(), (low + 1).clamp(max=length - 1).long()), (counts - right, right), grid)


def _average(rows: Tensor, planes: Tensor, y: Samples, x: Samples, shape: tuple[int, int]) -> Tensor:
    """The mean over the sampling points of each bin: rows (cells, C), planes' first rows (K, PH, PW) -> (K, PH, PW, C)."""
    height, width = shape
    total = None
    for (cy, wy), (cx, wx) in ((a, b) for a in zip(y.cells, y.weights) for b in zip(x.cells, x.weights)):
        for i in range(wy.shape[2]):
            for j in range(wx.shape[2]):
                at = (planes * height + cy[:, :, None, i]) * width + cx[:, None, :, j]
                part = rows.index_select(0, at.flatten()) * (wy[:, :, None, i] * wx[:, None, :, j]).reshape(-1, 1)
                total = part if total is None else total + part
    count = (y.grid * x.grid).clamp(min=1)
    return total.view(*planes.shape, rows.shape[1]) / count[:, None, None, None]  # type: ignore[union-attr]


def _edges(rois: Tensor, scale: float, offset: float, least: float | None) -> list[Tensor]:
    """Where regions begin and how far they reach: top, height, left, width."""
    left, top, right, bottom = ((rois[:, i] * scale) - offset for i in range(1, 5))
    height, width = bottom - top, right - left
    if least is not None:
        height, width = height.clamp(min=least), width.clamp(min=least)
    return [top, height, left, width]


def roi_align(input: Tensor, rois: Tensor, spatial_scale: float, pooled_height: int, pooled_width: int, sampling_ratio: int,
              aligned: bool) -> Tensor:  # fmt: skip
    """Means of bilinear samples in the bins of regions: (N, C, H, W) -> (K, C, PH, PW)."""
    _checked(input, rois, "roi_align")
    channels, height, width = input.shape[1:]
    if len(rois) == 0:
        return input.new_zeros((0, channels, pooled_height, pooled_width))
    with no_grad():
        top, tall, left, wide = _edges(rois, spatial_scale, 0.5 if aligned else 0.0, None if aligned else 1.0)
        y = _samples(top, tall, pooled_height, sampling_ratio, height)
        x = _samples(left, wide, pooled_width, sampling_ratio, width)
        planes = rois[:, 0].long()[:, None, None].expand(-1, pooled_height, pooled_width)
    rows = input.permute(0, 2, 3, 1).reshape(-1, channels)
    return _average(rows, planes, y, x, (height, width)).permute(0, 3, 1, 2).contiguous()


def _sensitive(input: Tensor, ph: int, pw: int, name: str) -> Tensor:
    """The channels as (N, C', PH, PW, H, W): each bin has its own."""
    n, channels, height, width = input.shape
    if channels % (ph * pw):
        raise RuntimeError(f"{name}: input channels must be a multiple of pooling height * pooling width, got {channels} and {ph * pw}")
    return input.reshape(n, channels // (ph * pw), ph, pw, height, width)


def _mapping(out: Tensor) -> Tensor:
    """The input channel of each result, int32."""
    k, c, ph, pw = out.shape
    channel = np.arange(c * ph * pw, dtype=np.int32).reshape(c, ph, pw)
    return tensor(np.broadcast_to(channel, (k, c, ph, pw)).copy(), device=out.device)


def ps_roi_align(input: Tensor, rois: Tensor, spatial_scale: float, pooled_height: int, pooled_width: int,
                 sampling_ratio: int) -> tuple[Tensor, Tensor]:  # fmt: skip
    """`roi_align` where each bin has channels of its own: (N, C'·PH·PW, H, W) -> (K, C', PH, PW), and the channels."""
    _checked(input, rois, "ps_roi_align")
    parts = _sensitive(input, pooled_height, pooled_width, "ps_roi_align")
    channels, (height, width) = parts.shape[1], input.shape[2:]
    if len(rois) == 0:
        empty = input.new_zeros((0, channels, pooled_height, pooled_width))
        return empty, _mapping(empty)
    with no_grad():
        top, tall, left, wide = _edges(rois, spatial_scale, 0.5, None)
        y = _samples(top, tall, pooled_height, sampling_ratio, height)
        x = _samples(left, wide, pooled_width, sampling_ratio, width)
        bins = arange(pooled_height * pooled_width, device=input.device).view(pooled_height, pooled_width)
        planes = rois[:, 0].long()[:, None, None] * (pooled_height * pooled_width) + bins
    rows = parts.permute(0, 2, 3, 4, 5, 1).reshape(-1, channels)
    out = _average(rows, planes, y, x, (height, width)).permute(0, 3, 1, 2).contiguous()
    return out, _mapping(out)


def _rounded(x: np.ndarray) -> np.ndarray:
    """Round half away from zero, as C does."""
    return (np.sign(x) * np.floor(np.abs(x) + 0.5)).astype(np.int64)


def _bins(start: np.ndarray, extent: np.ndarray, bins: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last cell of bins on whole cells: (K, bins) each."""
    step = extent.astype(np.float32) / np.float32(bins)
    edges = np.arange(bins + 1, dtype=np.float32) * step[:, None]
    first = np.floor(edges[:, :-1]).astype(np.int64) + start[:, None]
    last = np.ceil(edges[:, 1:]).astype(np.int64) + start[:, None]
    return np.clip(first, 0, length), np.clip(last, 0, length)


def roi_pool(input: Tensor, rois: Tensor, spatial_scale: float, pooled_height: int, pooled_width: int) -> tuple[Tensor, Tensor]:
    """Greatest values in the bins of regions, (K, C, PH, PW), and where they are, int32 (-1 in empty bins)."""
    _checked(input, rois, "roi_pool")
    n, channels, height, width = input.shape
    boxes = rois._array()
    left, top, right, bottom = (_rounded(boxes[:, i] * np.float32(spatial_scale)) for i in range(1, 5))
    rows = _bins(top, np.maximum(bottom - top + 1, 1), pooled_height, height)
    columns = _bins(left, np.maximum(right - left + 1, 1), pooled_width, width)
    at = _winners(input._array(), boxes[:, 0].astype(np.int64), rows, columns)
    argmax = tensor(at, device=input.device)
    flat = input.reshape(n, channels, height * width).index_select(0, rois[:, 0].long())
    found = flat.gather(2, argmax.clamp(min=0).long().reshape(len(rois), channels, pooled_height * pooled_width))
    return found.view(argmax.shape) * (argmax >= 0), argmax


def _winners(x: np.ndarray, images: np.ndarray, rows: tuple, columns: tuple) -> np.ndarray:
    width = x.shape[3]
    out = np.full((len(images), x.shape[1], rows[0].shape[1], columns[0].shape[1]), -1, np.int32)
    for k, i, j in np.ndindex(len(images), *out.shape[2:]):
        (a, b), (c, d) = (rows[0][k, i], rows[1][k, i]), (columns[0][k, j], columns[1][k, j])
        if a < b and c < d:
            best = x[images[k], :, a:b, c:d].reshape(x.shape[1], -1).argmax(1)
            out[k, :, i, j] = (a + best // (d - c)) * width + c + best % (d - c)
    return out


def ps_roi_pool(input: Tensor, rois: Tensor, spatial_scale: float, pooled_height: int, pooled_width: int) -> tuple[Tensor, Tensor]:
    """Means in the bins of regions, each bin with channels of its own: (K, C', PH, PW), and the channels, int32.

    As in torchvision, no bin reaches the last row or column.
    """
    out = ps_means(input, rois, spatial_scale, pooled_height, pooled_width, 1)
    return out, _mapping(out)


def ps_means(input: Tensor, rois: Tensor, spatial_scale: float, pooled_height: int, pooled_width: int, margin: int) -> Tensor:
    """The means of `ps_roi_pool`, without the last rows and columns as many as the margin."""
    _checked(input, rois, "ps_roi_pool")
    parts = _sensitive(input, pooled_height, pooled_width, "ps_roi_pool")
    boxes, (height, width) = rois._array(), input.shape[2:]
    left, top, right, bottom = (_rounded(boxes[:, i] * np.float32(spatial_scale)) for i in range(1, 5))
    y = _cover(*_bins(top, np.maximum(bottom - top, 1), pooled_height, height - margin), height, input)
    x = _cover(*_bins(left, np.maximum(right - left, 1), pooled_width, width - margin), width, input)
    total = einsum("kchwyx,khy,kwx->kchw", parts.index_select(0, rois[:, 0].long()), y, x)
    area = (y.sum(2)[:, :, None] * x.sum(2)[:, None, :]).clamp(min=1)
    return total / area[:, None]


def _cover(first: np.ndarray, last: np.ndarray, length: int, like: Tensor) -> Tensor:
    """Ones on the cells of each bin: (K, bins, length)."""
    cells = np.arange(length)
    inside = (cells >= first[..., None]) & (cells < last[..., None])
    return tensor(inside, dtype=like.dtype, device=like.device)



