"""A norm that no longer learns, folded into the layer before it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from ..parameter import Parameter


def _scale_and_shift(bias: Any, mean: Any, var: Any, eps: float, gain: Any, offset: Any) -> tuple[Any, Any]:
    """What a norm in evaluation multiplies a layer's output by, and the bias that the layer has then."""
    scale = (var + eps).rsqrt()
    scale = scale if gain is None else scale * gain
    shift = (-mean if bias is None else bias - mean) * scale
    return scale, shift if offset is None else shift + offset


def _parameters(weight: Any, bias: Any, new_weight: Any, new_bias: Any) -> tuple[Parameter, Parameter]:
    """The new ones, trained as the old ones were."""
    trained = bias is not None and bias.requires_grad
    return Parameter(new_weight.detach(), weight.requires_grad), Parameter(new_bias.detach(), trained)


def fuse_conv_bn_weights(conv_w: Any, conv_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any, bn_b: Any,
                         transpose: bool = False) -> tuple[Parameter, Parameter]:  # fmt: skip
    """The weight and bias of a convolution with the norm after it folded in (``torch.nn.utils.fuse_conv_bn_weights``).

    >>> import kuai as torch
    >>> one = torch.ones(1)
    >>> w, b = torch.nn.utils.fuse_conv_bn_weights(torch.ones(1, 1, 1), None, one, one, 0.0, one, one)
    >>> w.shape, b.shape
    (torch.Size([1, 1, 1]), torch.Size([1]))
    """
    scale, bias = _scale_and_shift(conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)
    shape = [1] * conv_w.ndim
    shape[1 if transpose else 0] = -1
    return _parameters(conv_w, conv_b, conv_w * scale.reshape(shape).to(conv_w.dtype), bias.to(conv_w.dtype))


def fuse_linear_bn_weights(linear_w: Any, linear_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any,
                           bn_b: Any) -> tuple[Parameter, Parameter]:  # fmt: skip
    """The weight and bias of a linear layer with the norm after it folded in.

    >>> import kuai as torch
    >>> one = torch.ones(1)
    >>> w, b = torch.nn.utils.fuse_linear_bn_weights(torch.ones(1, 1), one, one, one, 0.0, one, one)
    >>> w.shape, b.shape
    (torch.Size([1, 1]), torch.Size([1]))
    """
    scale, bias = _scale_and_shift(linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)
    return _parameters(linear_w, linear_b, linear_w * scale.unsqueeze(-1), bias)


def _check_evaluation(layer: Any, norm: Any) -> None:
    if layer.training or norm.training:
        raise AssertionError("Fusion only for eval!")
    if norm.running_mean is None or norm.running_var is None:
        raise AssertionError("fusion: the norm has no running statistics")


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A convolution and the batch norm after it, in evaluation mode, as one convolution (``torch.nn.utils.fuse_conv_bn_eval``).

    >>> import kuai as torch
    >>> conv, norm, x = torch.nn.Conv1d(2, 3, 1).eval(), torch.nn.BatchNorm1d(3).eval(), torch.rand(1, 2, 4)
    >>> torch.allclose(torch.nn.utils.fuse_conv_bn_eval(conv, norm)(x), norm(conv(x)), atol=1e-6)
    True
    """
    _check_evaluation(conv, bn)
    fused = deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, transpose
    )
    return fused


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """A linear layer and the batch norm after it, in evaluation mode, as one linear layer.

    >>> import kuai as torch
    >>> linear, norm, x = torch.nn.Linear(2, 3).eval(), torch.nn.BatchNorm1d(3).eval(), torch.rand(4, 2)
    >>> torch.allclose(torch.nn.utils.fuse_linear_bn_eval(linear, norm)(x), norm(linear(x)), atol=1e-6)
    True
    """
    _check_evaluation(linear, bn)
    if linear.out_features != bn.num_features and bn.num_features != 1:
        raise AssertionError("To fuse, linear.out_features == bn.num_features or bn.num_features == 1")
    fused = deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        linear.weight, linear.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    return fused
