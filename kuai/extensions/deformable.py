"""Convolutions whose windows are bent: each place of a window is moved by an offset of its own."""

from __future__ import annotations

from typing import Any

from ..ops.ranges import arange
from ..tensor import Tensor


def deform_conv2d(input: Tensor, weight: Tensor, offset: Tensor, mask: Tensor, bias: Tensor, stride_h: int, stride_w: int,
                  pad_h: int, pad_w: int, dilation_h: int, dilation_w: int, groups: int, offset_groups: int,
                  use_mask: bool) -> Tensor:  # fmt: skip
    """Deformable convolution, version 1 without and 2 with a mask: (N, C, H, W) -> (N, C', OH, OW).

    ``offset`` is (N, 2·offset_groups·KH·KW, OH, OW), rows before columns; ``mask`` has half as many channels.
    """
    n, (kh, kw) = len(input), weight.shape[2:]
    _checked(input, weight, offset, mask, groups, offset_groups, use_mask)
    oh, ow = offset.shape[2:]
    moves = offset.view(n, offset_groups, kh * kw, 2, oh, ow)
    y = moves[:, :, :, 0] + _grid(oh, stride_h, pad_h, kh, dilation_h, offset).view(kh, 1, oh, 1).expand(kh, kw, oh, ow).reshape(-1, oh, ow)
    x = moves[:, :, :, 1] + _grid(ow, stride_w, pad_w, kw, dilation_w, offset).view(1, kw, 1, ow).expand(kh, kw, oh, ow).reshape(-1, oh, ow)
    factor = mask.view(n, offset_groups, 1, -1) if use_mask else None
    columns = _sampled(input, offset_groups, y.flatten(2), x.flatten(2), factor)
    filters = weight.reshape(groups, weight.shape[0] // groups, -1)
    out = filters @ columns.reshape(n, groups, filters.shape[2], oh * ow)
    return out.reshape(n, weight.shape[0], oh, ow) + bias.view(1, -1, 1, 1)


def _checked(input: Tensor, weight: Tensor, offset: Tensor, mask: Tensor, groups: int, offset_groups: int, use_mask: bool) -> None:
    places = weight.shape[2] * weight.shape[3]
    if input.ndim != 4 or weight.ndim != 4 or offset.ndim != 4:
        raise RuntimeError("deform_conv2d: input, weight and offset should be 4-dimensional, "
                           f"got {list(input.shape)}, {list(weight.shape)}, {list(offset.shape)}")  # fmt: skip
    if weight.shape[1] * groups != input.shape[1] or weight.shape[0] % groups or input.shape[1] % offset_groups:
        raise RuntimeError(f"deform_conv2d: weight {list(weight.shape)} with {groups} groups and {offset_groups} offset groups "
                           f"does not fit an input of {input.shape[1]} channels")  # fmt: skip
    if offset.shape[1] != 2 * offset_groups * places:
        raise RuntimeError(f"offset.shape[1] is not valid: got: {offset.shape[1]} expected: {2 * offset_groups * places}")
    if use_mask and mask.shape[1] != offset_groups * places:
        raise RuntimeError(f"mask.shape[1] is not valid: got: {mask.shape[1]} expected: {offset_groups * places}")


def _grid(count: int, stride: int, padding: int, kernel: int, dilation: int, like: Tensor) -> Tensor:
    """Where a window's places lie along one axis before they are moved: (kernel, count)."""
    at: dict[str, Any] = {"dtype": like.dtype, "device": like.device}
    return arange(count, **at) * stride - padding + (arange(kernel, **at) * dilation)[:, None]


def _sampled(input: Tensor, groups: int, y: Tensor, x: Tensor, factor: Tensor | None) -> Tensor:
    """Bilinear samples, zeros outside: the channels of each offset group at its points (N, G, points)."""
    n, channels, height, width = input.shape
    planes = input.reshape(n, groups, channels // groups, height * width)
    (top, left) = y.detach().floor(), x.detach().floor()
    total = None
    for row, wy in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, wx in ((left, 1 - (x - left)), (left + 1, x - left)):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            at = (row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).long()
            values = planes.gather(3, at[:, :, None].expand(-1, -1, planes.shape[2], -1))
            part = values * (wy * wx * inside)[:, :, None]
            total = part if total is None else total + part
    return total if factor is None else total * factor  # type: ignore[return-value]
