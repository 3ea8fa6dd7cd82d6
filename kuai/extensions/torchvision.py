"""torchvision's operators (``torch.ops.torchvision``), which its package brings compiled for PyTorch.

The derivative of a pooling of regions is an operator of its own, because the package registers formulas that call it.
"""

from __future__ import annotations

from collections.abc import Callable

from ..autograd.api import grad as gradients
from ..autograd.modes import enable_grad
from ..library import Library
from ..ops.comparison import where
from ..ops.creation import zeros
from ..ops.ranges import arange
from ..tensor import Tensor
from .boxes import nms
from .deformable import deform_conv2d
from .regions import ps_means, ps_roi_align, ps_roi_pool, roi_align, roi_pool

_library = Library("torchvision", "DEF")
_ROIS = "float spatial_scale, SymInt pooled_height, SymInt pooled_width"
_SHAPE = "SymInt batch_size, SymInt channels, SymInt height, SymInt width"
_DEFORMABLE = ("Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, SymInt stride_h, SymInt stride_w, SymInt pad_h, "
               "SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups, SymInt offset_groups, bool use_mask")  # fmt: skip


def _define(schema: str, kernel: Callable, key: str = "CompositeImplicitAutograd") -> None:
    _library.define(schema)
    _library.impl(schema.partition("(")[0], kernel, key)


def _pulled(pool: Callable, grad: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The cotangent of a pooling's input: the pooling is linear in it, so any input will do."""
    x = zeros(shape, dtype=grad.dtype, device=grad.device)
    if grad.numel() == 0:
        return x
    with enable_grad():
        return gradients(pool(x.requires_grad_()), x, grad)[0]


def _roi_align_backward(grad, rois, spatial_scale, pooled_height, pooled_width, batch_size, channels, height, width,
                        sampling_ratio, aligned):  # fmt: skip
    def pool(x: Tensor) -> Tensor:
        return roi_align(x, rois, spatial_scale, pooled_height, pooled_width, sampling_ratio, aligned)

    return _pulled(pool, grad, (batch_size, channels, height, width))


def _roi_pool_backward(grad, rois, argmax, spatial_scale, pooled_height, pooled_width, batch_size, channels, height, width):
    planes = rois[:, :1].long() * channels + arange(channels, device=grad.device)
    at = planes[:, :, None, None] * (height * width) + argmax.clamp(min=0)
    flat = zeros(batch_size * channels * height * width, dtype=grad.dtype, device=grad.device)
    flat = flat.index_add(0, at.flatten(), where(argmax < 0, 0.0, grad).flatten())
    return flat.view(batch_size, channels, height, width)


def _ps_roi_align_backward(grad, rois, channel_mapping, spatial_scale, pooled_height, pooled_width, sampling_ratio,
                           batch_size, channels, height, width):  # fmt: skip
    def pool(x: Tensor) -> Tensor:
        return ps_roi_align(x, rois, spatial_scale, pooled_height, pooled_width, sampling_ratio)[0]

    return _pulled(pool, grad, (batch_size, channels, height, width))


def _ps_roi_pool_backward(grad, rois, channel_mapping, spatial_scale, pooled_height, pooled_width,
                          batch_size, channels, height, width):  # fmt: skip
    def pool(x: Tensor) -> Tensor:
        return ps_means(x, rois, spatial_scale, pooled_height, pooled_width, 0)  # its derivative has the last row and column

    return _pulled(pool, grad, (batch_size, channels, height, width))


def _deform_conv2d_backward(grad, input, weight, offset, mask, bias, *geometry):
    with enable_grad():
        inputs = [t.detach().requires_grad_() for t in (input, weight, offset, mask, bias)]
        return gradients(deform_conv2d(*inputs, *geometry), inputs, grad, allow_unused=True, materialize_grads=True)


def _missing(name: str, why: str) -> Callable:
    def kernel(*args: object, **kwargs: object) -> object:
        raise NotImplementedError(f"torch.ops.torchvision.{name}: {why}")

    return kernel


_define("_cuda_version() -> int", lambda: -1)
_define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor", nms)
_define(f"roi_align(Tensor input, Tensor rois, {_ROIS}, int sampling_ratio, bool aligned) -> Tensor", roi_align)
_define(f"_roi_align_backward(Tensor grad, Tensor rois, {_ROIS}, {_SHAPE}, int sampling_ratio, bool aligned) -> Tensor",
        _roi_align_backward)  # fmt: skip
_define(f"roi_pool(Tensor input, Tensor rois, {_ROIS}) -> (Tensor, Tensor)", roi_pool)
_define(f"_roi_pool_backward(Tensor grad, Tensor rois, Tensor argmax, {_ROIS}, {_SHAPE}) -> Tensor", _roi_pool_backward)
_define(f"ps_roi_align(Tensor input, Tensor rois, {_ROIS}, int sampling_ratio) -> (Tensor, Tensor)", ps_roi_align)
_define(f"_ps_roi_align_backward(Tensor grad, Tensor rois, Tensor channel_mapping, {_ROIS}, int sampling_ratio, {_SHAPE}) -> Tensor",
        _ps_roi_align_backward)  # fmt: skip
_define(f"ps_roi_pool(Tensor input, Tensor rois, {_ROIS}) -> (Tensor, Tensor)", ps_roi_pool)
_define(f"_ps_roi_pool_backward(Tensor grad, Tensor rois, Tensor channel_mapping, {_ROIS}, {_SHAPE}) -> Tensor", _ps_roi_pool_backward)
_define(f"deform_conv2d({_DEFORMABLE}) -> Tensor", deform_conv2d)
_define(f"_deform_conv2d_backward(Tensor grad, {_DEFORMABLE}) -> (Tensor, Tensor, Tensor, Tensor, Tensor)", _deform_conv2d_backward)
_define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor", _missing("qnms", "kuai has no quantized tensors"))
_define(f"qroi_align(Tensor input, Tensor rois, float input_scale, int input_zero_point, float rois_scale, int rois_zero_point, {_ROIS}, "
        "int sampling_ratio, bool aligned) -> Tensor", _missing("qroi_align", "kuai has no quantized tensors"))  # fmt: skip
_define("box_iou_rotated(Tensor boxes1, Tensor boxes2) -> Tensor", _missing("box_iou_rotated", "boxes that are turned are not there"))
