"""Smooth activation functions, with the arguments they have in ``torch.nn.functional``: one op each, and one for its derivative."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..tensor import Tensor
from . import rules
from .comparison import where
from .complex_numbers import sgn
from .conversion import assign
from .define import op, unary, write_out
from .elementwise import abs, add, exp, mul, neg, pow, sub, true_divide
from .numerics import normal
from .numerics.blocks import blockwise, choose
from .pointwise import FLOAT, any_float, conj, input_tensor, supports

floats = input_tensor(supports(FLOAT)(rules.same))


def smooth(name: str, value: Callable, slope: Callable, curve: Callable) -> Callable:
    """The op of a real function of one operand, from its body, the body of its slope, and the derivative of that in ops."""

    slope = blockwise(slope)

    @op(shape=floats, name=f"{name}_backward", cost=10.0, vjp=(
        lambda g, x: backward(g, x), lambda g, grad, x: mul(mul(g, grad), curve(x))))  # fmt: skip
    def backward(xp, grad, x):
        return grad * slope(xp, x)

    return op(shape=floats, name=name, vjp=(lambda g, x: backward(g, x),), cost=8.0)(blockwise(value))


def done(made: Tensor, input: Tensor, inplace: bool, name: str) -> Tensor:
    """What was made, or the input with that as its content."""
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


# ---- gates -----------------------------------------------------------------------------------------------------------


def _silu_value(xp, x):
    return x * _logistic(xp, x)


def _silu_slope(xp, x):
    s = _logistic(xp, x)
    return s * (1 + x * (1 - s))


def _silu_curve(x: Tensor) -> Tensor:
    s = sigmoid(x)
    return mul(mul(s, sub(1, s)), add(mul(x, sub(1, mul(s, 2))), 2))


_silu = smooth("silu", _silu_value, _silu_slope, _silu_curve)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * sigmoid(x)``, known as swish too (``torch.nn.functional.silu``).

    >>> import kuai as torch
    >>> torch.nn.functional.silu(torch.tensor([-1., 2.]))
    tensor([-0.2689,  1.7616])
    """
    made = mul(input, sigmoid(input)) if isinstance(input, Tensor) and input.dtype.is_complex else _silu(input)
    return done(made, input, inplace, "silu_")


def _mish_value(xp, x):
    return x * xp.tanh(_log1p_exp(xp, x))


def _mish_slope(xp, x):
    t, s = xp.tanh(_log1p_exp(xp, x)), _logistic(xp, x)
    return t + x * s * (1 - t * t)


def _mish_curve(x: Tensor) -> Tensor:
    s, t = sigmoid(x), tanh(softplus(x))
    return mul(mul(s, sub(1, mul(t, t))), add(2, mul(x, sub(sub(1, s), mul(mul(s, t), 2)))))


_mish = smooth("mish", _mish_value, _mish_slope, _mish_curve)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * tanh(softplus(x))`` (``torch.nn.functional.mish``).

    >>> import kuai as torch
    >>> torch.nn.functional.mish(torch.tensor([-1., 2.]))
    tensor([-0.3034,  1.9440])
    """
    return done(_mish(input), input, inplace, "mish_")


def _density(xp, x):
    return xp.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))


def _gelu_value(xp, x):
    return x * (0.5 + 0.5 * _erf(xp, x * math.sqrt(0.5)))


def _gelu_slope(xp, x):
    return 0.5 + 0.5 * _erf(xp, x * math.sqrt(0.5)) + x * _density(xp, x)


def _gelu_curve(x: Tensor) -> Tensor:
    square = mul(x, x)
    return mul(mul(exp(mul(square, -0.5)), sub(2, square)), 1 / math.sqrt(2 * math.pi))


_gelu = smooth("gelu", _gelu_value, _gelu_slope, _gelu_curve)

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


_gelu_tanh = smooth("gelu_tanh", _gelu_tanh_value, _gelu_tanh_slope, _gelu_tanh_curve)


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


@op(shape=floats, name="softplus_backward", cost=8.0, vjp=(
    lambda g, x, beta, threshold: _softplus_backward(g, x, beta, threshold),
    lambda g, grad, x, beta, threshold: mul(mul(g, grad), _softplus_curve(x, beta, threshold)), None, None))  # fmt: skip
def _softplus_backward(xp, grad, x, beta, threshold):
    return grad * xp.where(x * beta > threshold, 1, _logistic(xp, x * beta))


@op(shape=floats, name="softplus", cost=12.0, vjp=(
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


_logsigmoid = smooth("log_sigmoid", _logsigmoid_value, _logsigmoid_slope, _logsigmoid_curve)


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


_softsign = smooth("softsign", _softsign_value, _softsign_slope, _softsign_curve)


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


_tanhshrink = smooth("tanhshrink", _tanhshrink_value, _tanhshrink_slope, _tanhshrink_curve)


def tanhshrink(input: Tensor) -> Tensor:
    """``x - tanh(x)`` (``torch.nn.functional.tanhshrink``).

    >>> import kuai as torch
    >>> torch.nn.functional.tanhshrink(torch.tensor([-1., 2.]))
    tensor([-0.2384,  1.0360])
    """
    return _tanhshrink(input) if input.dtype.is_floating_point else sub(input, tanh(input))


METHODS = ("sigmoid", "tanh")
INPLACE = ("sigmoid", "tanh")
