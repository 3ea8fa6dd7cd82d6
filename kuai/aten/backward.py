"""The derivatives that PyTorch has as operators of their own (``torch.ops.aten.gelu_backward``): each from its function's derivative."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import kuai
from kuai.nn import functional as F

from ..ops.native import convolution
from ..tensor import Tensor
from .kernels import binary_cross_entropy, huber_loss, mse_loss, nll_loss, smooth_l1_loss, soft_margin_loss


def pulled(function: Callable, inputs: Sequence[Any], cotangent: Tensor, wanted: Sequence[bool] | None = None) -> tuple:
    """The cotangents of a function's inputs; None for those that are not wanted."""
    asked = [wanted is None or wanted[i] for i in range(len(inputs))]
    with kuai.enable_grad():
        leaves = [x.detach().requires_grad_() if a else x for x, a in zip(inputs, asked)]
        found = iter(kuai.autograd.grad(function(*leaves), [x for x, a in zip(leaves, asked) if a], cotangent))
    return tuple(next(found) if a else None for a in asked)


def _of_input(function: Callable) -> Callable:
    """``backward(grad_output, self, *what the function takes)``."""

    def backward(grad_output: Tensor, self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return pulled(lambda x: function(x, *args, **kwargs), [self], grad_output)[0]

    backward.__doc__ = f"The derivative of {function.__name__} (``torch.ops.aten.{function.__name__}_backward``)."
    return backward


_activations: list[Any] = [F.gelu, F.silu, F.mish, F.softplus, F.glu]
gelu_backward, silu_backward, mish_backward, softplus_backward, glu_backward = map(_of_input, _activations)
_pieces: list[Any] = [F.hardtanh, F.hardswish, F.hardsigmoid, F.softshrink, F.hardshrink]
hardtanh_backward, hardswish_backward, hardsigmoid_backward, softshrink_backward, hardshrink_backward = map(_of_input, _pieces)
_others: list[Any] = [kuai.logit, F.avg_pool2d, F.avg_pool3d]
logit_backward, avg_pool2d_backward, avg_pool3d_backward = map(_of_input, _others)
_losses: list[Any] = [mse_loss, smooth_l1_loss, huber_loss, soft_margin_loss, binary_cross_entropy]
mse_loss_backward, smooth_l1_loss_backward, huber_loss_backward, soft_margin_loss_backward, binary_cross_entropy_backward = map(
    _of_input, _losses
)


def threshold_backward(grad_output: Any, self: Any, threshold: float) -> Tensor:
    """The cotangent where the input is above a number (``torch.ops.aten.threshold_backward``): of relu with 0."""
    return grad_output.where(self > threshold, 0)


def leaky_relu_backward(grad_output: Any, self: Any, negative_slope: float, self_is_result: bool) -> Tensor:
    """The derivative of leaky_relu, by its input or its result (``torch.ops.aten.leaky_relu_backward``)."""
    return grad_output.where(self > 0, grad_output * negative_slope)


def sigmoid_backward(grad_output: Any, output: Any) -> Tensor:
    """The derivative of sigmoid, by its result (``torch.ops.aten.sigmoid_backward``)."""
    return grad_output * (output * (1 - output)).conj()


def tanh_backward(grad_output: Any, output: Any) -> Tensor:
    """The derivative of tanh, by its result (``torch.ops.aten.tanh_backward``)."""
    return grad_output * (1 - output * output).conj()


def log_sigmoid_backward(grad_output: Tensor, self: Tensor, buffer: Any) -> Tensor:
    """The derivative of logsigmoid (``torch.ops.aten.log_sigmoid_backward``)."""
    return pulled(F.logsigmoid, [self], grad_output)[0]


def _adaptive_avg_pool2d_backward(grad_output: Any, self: Tensor) -> Tensor:
    """The derivative of adaptive_avg_pool2d (``torch.ops.aten._adaptive_avg_pool2d_backward``)."""
    return pulled(lambda x: F.adaptive_avg_pool2d(x, grad_output.shape[-2:]), [self], grad_output)[0]


def select_backward(grad_output: Any, input_sizes: Sequence[int], dim: int, index: int) -> Tensor:
    """A cotangent in its place among zeros (``torch.ops.aten.select_backward``)."""
    return kuai.select_scatter(grad_output.new_zeros(input_sizes), grad_output, dim, index)


def slice_backward(grad_output: Any, input_sizes: Sequence[int], dim: int, start: int, end: int, step: int) -> Tensor:
    """A cotangent in its places among zeros (``torch.ops.aten.slice_backward``)."""
    return kuai.slice_scatter(grad_output.new_zeros(input_sizes), grad_output, dim, start, end, step)


def embedding_dense_backward(grad_output: Any, indices: Any, num_weights: int, padding_idx: int, scale_grad_by_freq: bool) -> Tensor:
    """The derivative of embedding (``torch.ops.aten.embedding_dense_backward``)."""
    table = grad_output.new_zeros(num_weights, grad_output.shape[-1])
    pad = None if padding_idx < 0 else padding_idx
    return pulled(lambda t: F.embedding(indices, t, pad, scale_grad_by_freq=scale_grad_by_freq), [table], grad_output)[0]


def convolution_backward(grad_output: Any, input: Tensor, weight: Tensor, bias_sizes: Any, stride: Sequence[int], padding: Sequence[int],
                         dilation: Sequence[int], transposed: bool, output_padding: Sequence[int], groups: int,
                         output_mask: Sequence[bool]) -> tuple:  # fmt: skip
    """The derivatives of a convolution (``torch.ops.aten.convolution_backward``): of input, weight and bias, as ``output_mask`` says."""

    def forward(x: Tensor, w: Tensor) -> Tensor:
        return convolution(x, w, None, stride, padding, dilation, transposed, output_padding, groups)

    found = pulled(forward, [input, weight], grad_output, output_mask[:2]) if any(output_mask[:2]) else (None, None)
    others = [d for d in range(grad_output.dim()) if d != 1]
    return *found, grad_output.sum(others) if output_mask[2] else None


def native_layer_norm_backward(grad_out: Tensor, input: Any, normalized_shape: Sequence[int], mean: Any, rstd: Any, weight: Any, bias: Any,
                               output_mask: Sequence[bool]) -> tuple:  # fmt: skip
    """The derivatives of layer_norm (``torch.ops.aten.native_layer_norm_backward``): of input, weight and bias."""
    ones, zeros = (make(normalized_shape) for make in (input.new_ones, input.new_zeros))
    given = [input, ones if weight is None else weight, zeros if bias is None else bias]
    return pulled(lambda x, w, b: F.layer_norm(x, list(normalized_shape), w, b), given, grad_out, output_mask)


def nll_loss_backward(grad_output: Any, self: Any, target: Any, weight: Any, reduction: int, ignore_index: int,
                      total_weight: Any) -> Tensor:  # fmt: skip
    """The derivative of nll_loss (``torch.ops.aten.nll_loss_backward``)."""
    return pulled(lambda x: nll_loss(x, target, weight, reduction, ignore_index), [self], grad_output)[0]


nll_loss2d_backward = nll_loss_backward
