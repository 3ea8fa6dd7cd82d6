"""Rectifiers, with a bend at zero, and the functions in straight pieces: relu and its kin, hardtanh, hardshrink and others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import random as chance
from ..engine.program import Op
from ..tensor import Tensor
from . import rules
from .activation import done, floats, smooth
from .comparison import where
from .conversion import assign
from .define import op, write_out
from .elementwise import exp, mul, true_divide
from .host import drawn
from .numerics.blocks import choose, kept, rectified
from .pointwise import FLOAT, INTEGER, input_tensor, supports

_numbers = input_tensor(supports(INTEGER, FLOAT)(rules.same))


# ---- rectifiers ------------------------------------------------------------------------------------------------------


@op(shape=rules.same, name="relu_backward", grad_name="ThresholdBackwardBackward0", vjp=(
    lambda g, y: _relu_backward(g, y), None))  # fmt: skip
def _relu_backward(xp, grad, y):
    return kept(xp, ~(y <= 0), grad)  # nan goes through


@op(shape=_numbers, name="relu", vjp=(lambda g, out: _relu_backward(g, out),))
def _relu(xp, x):
    return rectified(xp, x)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """What is positive, and 0 elsewhere (``torch.nn.functional.relu``).

    >>> import kuai as torch
    >>> torch.relu(torch.tensor([-1., 2.]))
    tensor([0., 2.])
    """
    made = _relu(input)
    return assign(input, made, "relu_") if inplace else made


@op(shape=rules.same, name="keep_above", vjp=(lambda g, x, threshold: _keep_above(g, x, threshold), None, None))
def _keep_above(xp, grad, x, threshold):
    return kept(xp, ~(x <= threshold), grad)


@op(shape=_numbers, name="threshold", vjp=(lambda g, x, threshold: _keep_above(g, x, threshold), None, None))
def _threshold(xp, x, threshold, value):
    return xp.where(x <= threshold, value, x)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """``value`` in place of what is not above the threshold (``torch.nn.functional.threshold``).

    >>> import kuai as torch
    >>> torch.threshold(torch.tensor([0., 2.]), 1, 20)
    tensor([20.,  2.])
    """
    return done(_threshold(input, threshold, value), input, inplace, "threshold_")


@op(shape=rules.same, name="keep_inside", vjp=(lambda g, x, low, high: _keep_inside(g, x, low, high), None, None, None))
def _keep_inside(xp, grad, x, low, high):
    return kept(xp, ~((x <= low) | (x >= high)), grad)


@op(shape=_numbers, name="hardtanh", vjp=(lambda g, x, low, high: _keep_inside(g, x, low, high), None, None))
def _hardtanh(xp, x, low, high):
    return np.minimum(high, np.maximum(low, x)) if xp is np else xp.where(x < low, low, xp.where(x > high, high, x))


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """Each element within two bounds (``torch.nn.functional.hardtanh``).

    >>> import kuai as torch
    >>> torch.nn.functional.hardtanh(torch.tensor([-2., 0.5, 2.]))
    tensor([-1.0000,  0.5000,  1.0000])
    """
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val cannot be greater than max_val, got {min_val} and {max_val}")
    return done(_hardtanh(input, min_val, max_val), input, inplace, "hardtanh_")


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """What is positive, but not above 6 (``torch.nn.functional.relu6``).

    >>> import kuai as torch
    >>> torch.nn.functional.relu6(torch.tensor([-1., 3., 8.]))
    tensor([0., 3., 6.])
    """
    return done(_hardtanh(input, 0, 6), input, inplace, "relu6_")


@op(shape=rules.same, name="leaky_relu_backward", vjp=(lambda g, x, slope: _leaky_backward(g, x, slope), None, None))
def _leaky_backward(xp, grad, x, slope):
    return choose(xp, x > 0, grad, grad * slope)


@op(shape=floats, name="leaky_relu", vjp=(lambda g, x, slope: _leaky_backward(g, x, slope), None))
def _leaky_relu(xp, x, slope):
    return rectified(xp, x) + xp.minimum(0, x) * slope


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """What is positive, and a small part of what is negative (``torch.nn.functional.leaky_relu``).

    >>> import kuai as torch
    >>> torch.nn.functional.leaky_relu(torch.tensor([-1., 2.]), 0.1)
    tensor([-0.1000,  2.0000])
    """
    return done(_leaky_relu(input, negative_slope), input, inplace, "leaky_relu_")


def _prelu_rule(op: Op, avals: Sequence) -> tuple:
    x, weight = avals
    if weight.dtype is not x.dtype:
        raise RuntimeError(f"prelu: Type promoting not supported. Got {x.dtype} and {weight.dtype}")
    return floats(op, avals)


@op(shape=_prelu_rule, name="prelu_kernel", vjp=(
    lambda g, x, weight: _prelu_slope(g, x, weight), lambda g, x: _prelu_weight(g, x)))  # fmt: skip
def _prelu(xp, x, weight):
    return xp.where(x > 0, x, x * weight)


@op(shape=rules.same, name="prelu_slope", vjp=(
    lambda g, x, weight: _prelu_slope(g, x, weight), None, lambda g, grad, x: where(x >= 0, 0, mul(g, grad))))  # fmt: skip
def _prelu_slope(xp, grad, x, weight):
    return xp.where(x > 0, grad, grad * weight)


@op(shape=rules.same, name="prelu_weight", vjp=(
    lambda g, x: _prelu_weight(g, x), lambda g, grad, x: where(x >= 0, 0, mul(g, grad))))  # fmt: skip
def _prelu_weight(xp, grad, x):
    return xp.where(x > 0, 0, grad * x)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """What is positive, and a learned part of what is negative, one for all or one a channel (``torch.nn.functional.prelu``).

    >>> import kuai as torch
    >>> torch.prelu(torch.tensor([-1., 2.]), torch.tensor(0.5))
    tensor([-0.5000,  2.0000])
    """
    rank, size = len(input.shape), weight._value.aval.size
    if len(weight.shape) > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {len(weight.shape)}")
    if size != 1:
        channels = input.shape[1] if rank > 1 else 1
        if rank == 0:
            raise RuntimeError("prelu: Not allow zero-dim input tensor.")
        if channels != size:
            raise RuntimeError(
                f"prelu: Mismatch of parameter numbers and input channel size. Found parameter numbers = {size} and channel "
                f"size = {channels}."
            )
    shaped = weight.reshape([size if i == 1 else 1 for i in range(rank)]) if rank else weight.reshape(())
    return _prelu(input, shaped)


def rrelu(input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False) -> Tensor:
    """`leaky_relu` whose slope is drawn for each element in training, and the mean one else (``torch.nn.functional.rrelu``).

    >>> import kuai as torch
    >>> torch.nn.functional.rrelu(torch.tensor([-1., 2.]), 0.1, 0.3)
    tensor([-0.2000,  2.0000])
    """
    if lower > upper:
        raise RuntimeError(f"Lower bound should be less than or equal to the upper bound, got {lower} and {upper}")
    rules.need_category("rrelu", input.dtype, 2)
    if training:
        rules.need_wide("rrelu_with_noise_out_cpu", input._aval, "float16")
        slopes = _drawn_slopes(input, lower, upper)
        made = _prelu(input.to(slopes.dtype), slopes).to(input.dtype)
    else:
        made = _leaky_relu(input, (lower + upper) / 2)
    return done(made, input, inplace, "rrelu_")


def _drawn_slopes(input: Tensor, lower: float, upper: float) -> Tensor:
    """Slopes as PyTorch draws them: one draw for each element that is not positive, in order."""
    work = np.float64 if input.dtype.itemsize == 8 else np.float32
    start, end = float(work(lower)), float(work(upper))

    def made(negative: np.ndarray) -> np.ndarray:
        slopes = np.ones(negative.shape, work)
        slopes[negative] = chance.streams.uniform(None, int(negative.sum()), dtype=np.float64) * (end - start) + start
        return slopes

    return drawn(made, input <= 0)


def _elu_curve(x: Tensor, alpha: float, scale: float, k: float) -> Tensor:
    return where(x >= 0, 0, mul(exp(mul(x, k)), alpha * scale * k * k))


@op(shape=floats, name="elu_backward", cost=6.0, vjp=(
    lambda g, x, alpha, scale, k: _elu_backward(g, x, alpha, scale, k),
    lambda g, grad, x, alpha, scale, k: mul(mul(g, grad), _elu_curve(x, alpha, scale, k)), None, None, None))  # fmt: skip
def _elu_backward(xp, grad, x, alpha, scale, k):
    return grad * choose(xp, x > 0, scale, xp.exp(xp.minimum(x, 0) * k) * (alpha * scale * k))


@op(shape=floats, name="elu", cost=6.0, vjp=(
    lambda g, x, alpha, scale, k: _elu_backward(g, x, alpha, scale, k), None, None, None))  # fmt: skip
def _elu(xp, x, alpha, scale, k):
    return rectified(xp, x) * scale + xp.expm1(xp.minimum(0, x) * k) * (alpha * scale)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """What is positive, and ``alpha * (exp(x) - 1)`` of what is negative (``torch.nn.functional.elu``).

    >>> import kuai as torch
    >>> torch.nn.functional.elu(torch.tensor([-1., 2.]))
    tensor([-0.6321,  2.0000])
    """
    return done(_elu(input, alpha, 1.0, 1.0), input, inplace, "elu_")


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """`elu` scaled so that layers keep mean 0 and variance 1 (``torch.nn.functional.selu``).

    >>> import kuai as torch
    >>> torch.selu(torch.tensor([-1., 2.]))
    tensor([-1.1113,  2.1014])
    """
    return done(_elu(input, _SELU_ALPHA, _SELU_SCALE, 1.0), input, inplace, "selu_")


_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """`elu` made smooth: ``alpha * (exp(x / alpha) - 1)`` of what is negative (``torch.nn.functional.celu``).

    >>> import kuai as torch
    >>> torch.celu(torch.tensor([-1., 2.]), 2.0)
    tensor([-0.7869,  2.0000])
    """
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return done(_elu(input, alpha, 1.0, 1.0 / alpha), input, inplace, "celu_")


# ---- in straight pieces ----------------------------------------------------------------------------------------------


@op(shape=rules.same, name="keep_outside", vjp=(lambda g, x, lambd: _keep_outside(g, x, lambd), None, None))
def _keep_outside(xp, grad, x, lambd):
    return kept(xp, ~((x >= -lambd) & (x <= lambd)), grad)


@op(shape=floats, name="hardshrink", vjp=(lambda g, x, lambd: _keep_outside(g, x, lambd), None))
def _hardshrink(xp, x, lambd):
    return xp.where((x >= -lambd) & (x <= lambd), 0, x)


def hardshrink(input: Tensor, lambd: float = 0.5, *, out: Tensor | None = None) -> Tensor:
    """0 in place of what is within ``lambd`` of 0 (``torch.nn.functional.hardshrink``).

    >>> import kuai as torch
    >>> torch.hardshrink(torch.tensor([-1., 0.2, 2.]))
    tensor([-1.,  0.,  2.])
    """
    made = _hardshrink(input, lambd)
    return made if out is None else write_out(out, made)


@op(shape=floats, name="softshrink", vjp=(lambda g, x, lambd: _keep_outside(g, x, lambd), None))
def _softshrink(xp, x, lambd):
    return xp.where(x > lambd, x - lambd, xp.where(x < -lambd, x + lambd, x * 0))


def softshrink(input: Tensor, lambd: float = 0.5, *, out: Tensor | None = None) -> Tensor:
    """Each element moved by ``lambd`` towards 0, and no further (``torch.nn.functional.softshrink``).

    >>> import kuai as torch
    >>> torch.nn.functional.softshrink(torch.tensor([-1., 0.2, 2.]))
    tensor([-0.5000,  0.0000,  1.5000])
    """
    if not lambd >= 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    made = _softshrink(input, lambd)
    return made if out is None else write_out(out, made)


def _hardsigmoid_value(xp, x):
    return xp.minimum(xp.maximum(x + 3, 0), 6) / 6


@op(shape=floats, name="hardsigmoid", vjp=(lambda g, x: _keep_inside(true_divide(g, 6), x, -3, 3),))
def _hardsigmoid(xp, x):
    return _hardsigmoid_value(xp, x)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """`sigmoid` in three straight pieces (``torch.nn.functional.hardsigmoid``).

    >>> import kuai as torch
    >>> torch.nn.functional.hardsigmoid(torch.tensor([-4., 0., 1.5]))
    tensor([0.0000, 0.5000, 0.7500])
    """
    return done(_hardsigmoid(input), input, inplace, "hardsigmoid_")


def _hardswish_value(xp, x):
    return x * _hardsigmoid_value(xp, x)


def _hardswish_slope(xp, x):
    return xp.where(x <= -3, 0, xp.where(x < 3, x / 3 + 0.5, 1))


def _hardswish_curve(x: Tensor) -> Tensor:
    return where((x > -3) & (x < 3), 1 / 3, 0.0)


_hardswish = smooth("hardswish", _hardswish_value, _hardswish_slope, _hardswish_curve)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * hardsigmoid(x)`` (``torch.nn.functional.hardswish``).

    >>> import kuai as torch
    >>> torch.nn.functional.hardswish(torch.tensor([1., 4.]))
    tensor([0.6667, 4.0000])
    """
    return done(_hardswish(input), input, inplace, "hardswish_")


METHODS = ("relu", "prelu", "hardshrink")
INPLACE = ("relu",)
