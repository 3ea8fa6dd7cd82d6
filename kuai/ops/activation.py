"""Activation functions, with the arguments they have in ``torch.nn.functional``: one op each, and one for its derivative."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ..engine.program import Op
from ..random import streams
from ..tensor import Tensor, from_array
from . import rules
from .comparison import where
from .complex_numbers import sgn
from .conversion import assign
from .define import op, unary, write_out
from .elementwise import abs, add, exp, mul, neg, pow, sub, true_divide
from .numerics import normal
from .numerics.blocks import blockwise, choose, kept
from .pointwise import FLOAT, INTEGER, any_float, conj, input_tensor, supports

_floats = input_tensor(supports(FLOAT)(rules.same))
_numbers = input_tensor(supports(INTEGER, FLOAT)(rules.same))


def _smooth(name: str, value: Callable, slope: Callable, curve: Callable) -> Callable:
    """The op of a real function of one operand, from its body, the body of its slope, and the derivative of that in ops."""

    slope = blockwise(slope)

    @op(shape=_floats, name=f"{name}_backward", cost=10.0, vjp=(
        lambda g, x: backward(g, x), lambda g, grad, x: mul(mul(g, grad), curve(x))))  # fmt: skip
    def backward(xp, grad, x):
        return grad * slope(xp, x)

    return op(shape=_floats, name=name, vjp=(lambda g, x: backward(g, x),), cost=8.0)(blockwise(value))


def _done(made: Tensor, input: Tensor, inplace: bool, name: str) -> Tensor:
    return assign(input, made, name) if inplace else made


def _erf(xp, x):
    return normal.erf(xp, x) if xp is np else xp.lax.erf(x)


# ---- saturating ------------------------------------------------------------------------------------------------------


def _logistic(xp, x):
    return 1 / (1 + xp.exp(-x))


@op(shape=rules.broadcast, name="sigmoid_backward", cost=3.0, vjp=(
    lambda g, y: _sigmoid_vjp(g, conj(y)), lambda g, grad, y: mul(mul(g, conj(grad)), sub(1, mul(conj(y), 2)))))  # fmt: skip
def _sigmoid_backward(xp, grad, y):
    return grad * (y * (1 - y))


def _sigmoid_vjp(g: Tensor, out: Tensor) -> Tensor:
    return _sigmoid_backward(g, conj(out))


@unary(shape=any_float, vjp=(_sigmoid_vjp,), cost=6.0, xla=lambda xp, x: xp.nn.sigmoid(x))
def sigmoid(xp, x):
    """``1 / (1 + exp(-x))`` (``torch.sigmoid``).

    >>> import kuai as torch
    >>> torch.sigmoid(torch.tensor([0., 2.]))
    tensor([0.5000, 0.8808])
    """
    return _logistic(xp, x)


@op(shape=rules.broadcast, name="tanh_backward", cost=3.0, vjp=(
    lambda g, y: _tanh_vjp(g, conj(y)), lambda g, grad, y: mul(mul(g, conj(grad)), mul(conj(y), -2))))  # fmt: skip
def _tanh_backward(xp, grad, y):
    return grad * (1 - y * y)


def _tanh_vjp(g: Tensor, out: Tensor) -> Tensor:
    return _tanh_backward(g, conj(out))


@unary(shape=any_float, vjp=(_tanh_vjp,), cost=8.0)
def tanh(xp, x):
    """The hyperbolic tangent (``torch.tanh``).

    >>> import kuai as torch
    >>> torch.tanh(torch.tensor([0., 1.]))
    tensor([0.0000, 0.7616])
    """
    return xp.tanh(x)


# ---- rectifiers ------------------------------------------------------------------------------------------------------


@op(shape=rules.same, name="relu_backward", grad_name="ThresholdBackwardBackward0", vjp=(
    lambda g, y: _relu_backward(g, y), None))  # fmt: skip
def _relu_backward(xp, grad, y):
    return kept(xp, ~(y <= 0), grad)  # nan goes through


@op(shape=_numbers, name="relu", vjp=(lambda g, out: _relu_backward(g, out),))
def _relu(xp, x):
    return xp.maximum(x, 0)


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
    return _done(_threshold(input, threshold, value), input, inplace, "threshold_")


@op(shape=rules.same, name="keep_inside", vjp=(lambda g, x, low, high: _keep_inside(g, x, low, high), None, None, None))
def _keep_inside(xp, grad, x, low, high):
    return kept(xp, ~((x <= low) | (x >= high)), grad)


@op(shape=_numbers, name="hardtanh", vjp=(lambda g, x, low, high: _keep_inside(g, x, low, high), None, None))
def _hardtanh(xp, x, low, high):
    return xp.minimum(xp.maximum(x, low), high)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """Each element within two bounds (``torch.nn.functional.hardtanh``).

    >>> import kuai as torch
    >>> torch.nn.functional.hardtanh(torch.tensor([-2., 0.5, 2.]))
    tensor([-1.0000,  0.5000,  1.0000])
    """
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val cannot be greater than max_val, got {min_val} and {max_val}")
    return _done(_hardtanh(input, min_val, max_val), input, inplace, "hardtanh_")


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """What is positive, but not above 6 (``torch.nn.functional.relu6``).

    >>> import kuai as torch
    >>> torch.nn.functional.relu6(torch.tensor([-1., 3., 8.]))
    tensor([0., 3., 6.])
    """
    return _done(_hardtanh(input, 0, 6), input, inplace, "relu6_")


@op(shape=rules.same, name="leaky_relu_backward", vjp=(lambda g, x, slope: _leaky_backward(g, x, slope), None, None))
def _leaky_backward(xp, grad, x, slope):
    return choose(xp, x > 0, grad, grad * slope)


@op(shape=_floats, name="leaky_relu", vjp=(lambda g, x, slope: _leaky_backward(g, x, slope), None))
def _leaky_relu(xp, x, slope):
    return xp.maximum(x, 0) + xp.minimum(x, 0) * slope


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """What is positive, and a small part of what is negative (``torch.nn.functional.leaky_relu``).

    >>> import kuai as torch
    >>> torch.nn.functional.leaky_relu(torch.tensor([-1., 2.]), 0.1)
    tensor([-0.1000,  2.0000])
    """
    return _done(_leaky_relu(input, negative_slope), input, inplace, "leaky_relu_")


def _prelu_rule(op: Op, avals: Sequence) -> tuple:
    x, weight = avals
    if weight.dtype is not x.dtype:
        raise RuntimeError(f"prelu: Type promoting not supported. Got {x.dtype} and {weight.dtype}")
    return _floats(op, avals)


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
    if training:
        slopes = _drawn_slopes(input, lower, upper)
        made = _prelu(input.to(slopes.dtype), slopes).to(input.dtype)
    else:
        made = _leaky_relu(input, (lower + upper) / 2)
    return _done(made, input, inplace, "rrelu_")


def _drawn_slopes(input: Tensor, lower: float, upper: float) -> Tensor:
    """Slopes as PyTorch draws them: one draw for each element that is not positive, in order."""
    negative = (input <= 0)._array()
    work = np.float64 if input.dtype.itemsize == 8 else np.float32
    start, end = float(work(lower)), float(work(upper))
    slopes = np.ones(negative.shape, work)
    slopes[negative] = streams.uniform(None, int(negative.sum()), dtype=np.float64) * (end - start) + start
    return from_array(slopes, input.device)


def _elu_curve(x: Tensor, alpha: float, scale: float, k: float) -> Tensor:
    return where(x >= 0, 0, mul(exp(mul(x, k)), alpha * scale * k * k))


@op(shape=_floats, name="elu_backward", cost=6.0, vjp=(
    lambda g, x, alpha, scale, k: _elu_backward(g, x, alpha, scale, k),
    lambda g, grad, x, alpha, scale, k: mul(mul(g, grad), _elu_curve(x, alpha, scale, k)), None, None, None))  # fmt: skip
def _elu_backward(xp, grad, x, alpha, scale, k):
    return grad * choose(xp, x > 0, scale, xp.exp(xp.minimum(x, 0) * k) * (alpha * scale * k))


@op(shape=_floats, name="elu", cost=6.0, vjp=(
    lambda g, x, alpha, scale, k: _elu_backward(g, x, alpha, scale, k), None, None, None))  # fmt: skip
def _elu(xp, x, alpha, scale, k):
    return xp.maximum(x, 0) * scale + xp.expm1(xp.minimum(x, 0) * k) * (alpha * scale)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """What is positive, and ``alpha * (exp(x) - 1)`` of what is negative (``torch.nn.functional.elu``).

    >>> import kuai as torch
    >>> torch.nn.functional.elu(torch.tensor([-1., 2.]))
    tensor([-0.6321,  2.0000])
    """
    return _done(_elu(input, alpha, 1.0, 1.0), input, inplace, "elu_")


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """`elu` scaled so that layers keep mean 0 and variance 1 (``torch.nn.functional.selu``).

    >>> import kuai as torch
    >>> torch.selu(torch.tensor([-1., 2.]))
    tensor([-1.1113,  2.1014])
    """
    return _done(_elu(input, _SELU_ALPHA, _SELU_SCALE, 1.0), input, inplace, "selu_")


_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """`elu` made smooth: ``alpha * (exp(x / alpha) - 1)`` of what is negative (``torch.nn.functional.celu``).

    >>> import kuai as torch
    >>> torch.celu(torch.tensor([-1., 2.]), 2.0)
    tensor([-0.7869,  2.0000])
    """
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _done(_elu(input, alpha, 1.0, 1.0 / alpha), input, inplace, "celu_")


# ---- gates -----------------------------------------------------------------------------------------------------------


def _silu_value(xp, x):
    return x * _logistic(xp, x)


def _silu_slope(xp, x):
    s = _logistic(xp, x)
    return s * (1 + x * (1 - s))


def _silu_curve(x: Tensor) -> Tensor:
    s = sigmoid(x)
    return mul(mul(s, sub(1, s)), add(mul(x, sub(1, mul(s, 2))), 2))


_silu = _smooth("silu", _silu_value, _silu_slope, _silu_curve)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * sigmoid(x)``, known as swish too (``torch.nn.functional.silu``).

    >>> import kuai as torch
    >>> torch.nn.functional.silu(torch.tensor([-1., 2.]))
    tensor([-0.2689,  1.7616])
    """
    made = mul(input, sigmoid(input)) if isinstance(input, Tensor) and input.dtype.is_complex else _silu(input)
    return _done(made, input, inplace, "silu_")


def _mish_value(xp, x):
    return x * xp.tanh(_log1p_exp(xp, x))


def _mish_slope(xp, x):
    t, s = xp.tanh(_log1p_exp(xp, x)), _logistic(xp, x)
    return t + x * s * (1 - t * t)


def _mish_curve(x: Tensor) -> Tensor:
    s, t = sigmoid(x), tanh(softplus(x))
    return mul(mul(s, sub(1, mul(t, t))), add(2, mul(x, sub(sub(1, s), mul(mul(s, t), 2)))))


_mish = _smooth("mish", _mish_value, _mish_slope, _mish_curve)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * tanh(softplus(x))`` (``torch.nn.functional.mish``).

    >>> import kuai as torch
    >>> torch.nn.functional.mish(torch.tensor([-1., 2.]))
    tensor([-0.3034,  1.9440])
    """
    return _done(_mish(input), input, inplace, "mish_")


def _density(xp, x):
    return xp.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))


def _gelu_value(xp, x):
    return x * (0.5 + 0.5 * _erf(xp, x * math.sqrt(0.5)))


def _gelu_slope(xp, x):
    return 0.5 + 0.5 * _erf(xp, x * math.sqrt(0.5)) + x * _density(xp, x)


def _gelu_curve(x: Tensor) -> Tensor:
    square = mul(x, x)
    return mul(mul(exp(mul(square, -0.5)), sub(2, square)), 1 / math.sqrt(2 * math.pi))


_gelu = _smooth("gelu", _gelu_value, _gelu_slope, _gelu_curve)

_TANH_SCALE, _TANH_CUBE = math.sqrt(2 / math.pi), 0.044715


def _gelu_tanh_value(xp, x):
    return 0.5 * x * (1 + xp.tanh(_TANH_SCALE * (x + _TANH_CUBE * x * x * x)))


def _gelu_tanh_slope(xp, x):
    square = x * x
    t = xp.tanh(_TANH_SCALE * x * (1 + _TANH_CUBE * square))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * _TANH_SCALE * (1 + 3 * _TANH_CUBE * square)


def _gelu_tanh_curve(x: Tensor) -> Tensor:
    square = mul(x, x)
    t = tanh(mul(mul(x, _TANH_SCALE), add(mul(square, _TANH_CUBE), 1)))
    inner = mul(add(mul(square, 3 * _TANH_CUBE), 1), _TANH_SCALE)
    bend = sub(mul(square, 3 * _TANH_CUBE * _TANH_SCALE), mul(mul(mul(x, t), inner), inner))
    return mul(sub(1, mul(t, t)), add(inner, bend))


_gelu_tanh = _smooth("gelu_tanh", _gelu_tanh_value, _gelu_tanh_slope, _gelu_tanh_curve)


def gelu(input: Tensor, approximate: str = "none", *, out: Tensor | None = None) -> Tensor:
    """x times the normal distribution's probability of being below x (``torch.nn.functional.gelu``).

    >>> import kuai as torch
    >>> torch.nn.functional.gelu(torch.tensor([-1., 2.]))
    tensor([-0.1587,  1.9545])
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError(f"approximate argument must be either none or tanh, got {approximate!r}")
    made = _gelu(input) if approximate == "none" else _gelu_tanh(input)
    return made if out is None else write_out(out, made)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """One half of a dimension times the `sigmoid` of the other (``torch.nn.functional.glu``).

    >>> import kuai as torch
    >>> torch.nn.functional.glu(torch.tensor([1., 2., 0., 0.]))
    tensor([0.5000, 1.0000])
    """
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f"\"glu\" not implemented for '{rules._cname(input.dtype)}'")
    if not input.shape:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    dim = rules.normalize_dim(dim, len(input.shape))
    if input.shape[dim] % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim} is size {input.shape[dim]}")
    half = input.shape[dim] // 2
    return mul(input.narrow(dim, 0, half), sigmoid(input.narrow(dim, half, half)))


# ---- smooth ----------------------------------------------------------------------------------------------------------


def _log1p_exp(xp, x):
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x)))


def _softplus_curve(x: Tensor, beta: float, threshold: float) -> Tensor:
    s = sigmoid(mul(x, beta))
    return where(mul(x, beta) >= threshold, 0, mul(mul(s, sub(1, s)), beta))


@op(shape=_floats, name="softplus_backward", cost=8.0, vjp=(
    lambda g, x, beta, threshold: _softplus_backward(g, x, beta, threshold),
    lambda g, grad, x, beta, threshold: mul(mul(g, grad), _softplus_curve(x, beta, threshold)), None, None))  # fmt: skip
def _softplus_backward(xp, grad, x, beta, threshold):
    return grad * xp.where(x * beta > threshold, 1, _logistic(xp, x * beta))


@op(shape=_floats, name="softplus", cost=12.0, vjp=(
    lambda g, x, beta, threshold: _softplus_backward(g, x, beta, threshold), None, None))  # fmt: skip
def _softplus(xp, x, beta, threshold):
    return choose(xp, x * beta > threshold, x, _log1p_exp(xp, x * beta) / beta)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0, *, out: Tensor | None = None) -> Tensor:
    """``log(1 + exp(beta * x)) / beta``, and x itself far above 0 (``torch.nn.functional.softplus``).

    >>> import kuai as torch
    >>> torch.nn.functional.softplus(torch.tensor([-1., 2.]))
    tensor([0.3133, 2.1269])
    """
    made = _softplus(input, beta, threshold)
    return made if out is None else write_out(out, made)


def _logsigmoid_value(xp, x):
    return -_log1p_exp(xp, -x)


def _logsigmoid_slope(xp, x):
    return _logistic(xp, -x)


def _logsigmoid_curve(x: Tensor) -> Tensor:
    s = sigmoid(x)
    return neg(mul(s, sub(1, s)))


_logsigmoid = _smooth("log_sigmoid", _logsigmoid_value, _logsigmoid_slope, _logsigmoid_curve)


def logsigmoid(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of `sigmoid` (``torch.nn.functional.logsigmoid``).

    >>> import kuai as torch
    >>> torch.nn.functional.logsigmoid(torch.tensor([-1., 2.]))
    tensor([-1.3133, -0.1269])
    """
    made = _logsigmoid(input)
    return made if out is None else write_out(out, made)


def _softsign_value(xp, x):
    return x / (1 + xp.abs(x))


def _softsign_slope(xp, x):
    return 1 / xp.square(1 + xp.abs(x))


def _softsign_curve(x: Tensor) -> Tensor:
    return mul(true_divide(sgn(x), pow(add(abs(x), 1), 3)), -2)


_softsign = _smooth("softsign", _softsign_value, _softsign_slope, _softsign_curve)


def softsign(input: Tensor) -> Tensor:
    """``x / (1 + abs(x))`` (``torch.nn.functional.softsign``).

    >>> import kuai as torch
    >>> torch.nn.functional.softsign(torch.tensor([-1., 3.]))
    tensor([-0.5000,  0.7500])
    """
    return _softsign(input) if input.dtype.is_floating_point else true_divide(input, add(abs(input), 1))


def _tanhshrink_value(xp, x):
    return x - xp.tanh(x)


def _tanhshrink_slope(xp, x):
    return xp.square(xp.tanh(x))


def _tanhshrink_curve(x: Tensor) -> Tensor:
    t = tanh(x)
    return mul(mul(t, sub(1, mul(t, t))), 2)


_tanhshrink = _smooth("tanhshrink", _tanhshrink_value, _tanhshrink_slope, _tanhshrink_curve)


def tanhshrink(input: Tensor) -> Tensor:
    """``x - tanh(x)`` (``torch.nn.functional.tanhshrink``).

    >>> import kuai as torch
    >>> torch.nn.functional.tanhshrink(torch.tensor([-1., 2.]))
    tensor([-0.2384,  1.0360])
    """
    return _tanhshrink(input) if input.dtype.is_floating_point else sub(input, tanh(input))


# ---- in straight pieces ----------------------------------------------------------------------------------------------


@op(shape=rules.same, name="keep_outside", vjp=(lambda g, x, lambd: _keep_outside(g, x, lambd), None, None))
def _keep_outside(xp, grad, x, lambd):
    return kept(xp, ~((x >= -lambd) & (x <= lambd)), grad)


@op(shape=_floats, name="hardshrink", vjp=(lambda g, x, lambd: _keep_outside(g, x, lambd), None))
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


@op(shape=_floats, name="softshrink", vjp=(lambda g, x, lambd: _keep_outside(g, x, lambd), None))
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


@op(shape=_floats, name="hardsigmoid", vjp=(lambda g, x: _keep_inside(true_divide(g, 6), x, -3, 3),))
def _hardsigmoid(xp, x):
    return _hardsigmoid_value(xp, x)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """`sigmoid` in three straight pieces (``torch.nn.functional.hardsigmoid``).

    >>> import kuai as torch
    >>> torch.nn.functional.hardsigmoid(torch.tensor([-4., 0., 1.5]))
    tensor([0.0000, 0.5000, 0.7500])
    """
    return _done(_hardsigmoid(input), input, inplace, "hardsigmoid_")


def _hardswish_value(xp, x):
    return x * _hardsigmoid_value(xp, x)


def _hardswish_slope(xp, x):
    return xp.where(x <= -3, 0, xp.where(x < 3, x / 3 + 0.5, 1))


def _hardswish_curve(x: Tensor) -> Tensor:
    return where((x > -3) & (x < 3), 1 / 3, 0.0)


_hardswish = _smooth("hardswish", _hardswish_value, _hardswish_slope, _hardswish_curve)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * hardsigmoid(x)`` (``torch.nn.functional.hardswish``).

    >>> import kuai as torch
    >>> torch.nn.functional.hardswish(torch.tensor([1., 4.]))
    tensor([0.6667, 4.0000])
    """
    return _done(_hardswish(input), input, inplace, "hardswish_")


METHODS = ("sigmoid", "tanh", "relu", "prelu", "hardshrink")
INPLACE = ("sigmoid", "tanh", "relu")
