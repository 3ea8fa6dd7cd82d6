"""Rounding, signs, and the arithmetic of whole numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from .. import dtypes, return_types
from ..engine.program import Op
from ..tensor import Tensor
from . import rules
from .comparison import isfinite, where
from .define import binary, named_by_operand, op, unary, write_out, write_outs
from .elementwise import mul, neg, pow, true_divide
from .extent import elements, within
from .likes import ones_like
from .numerics.parts import join
from .pointwise import (
    BOOL,
    FLOAT,
    INTEGER,
    first_tensor,
    need_tensor,
    no_derivative,
    operands,
    signs,
    some_tensor,
    supports,
    tensors_only,
    truth,
    zero,
)

# ---- to whole numbers ------------------------------------------------------------------------------------------------


def _rounded(name: str) -> object:
    return tensors_only(supports(INTEGER, FLOAT, otherwise=f"{name} is not supported for this dtype")(rules.broadcast))


def _whole(x) -> bool:
    return x.dtype.kind in "iub"


@unary(shape=_rounded("floor"), vjp=(zero,))
def floor(xp, x):
    """The next whole number below (``torch.floor``).

    >>> import kuai as torch
    >>> torch.floor(torch.tensor([-1.5, 1.5]))
    tensor([-2.,  1.])
    """
    return x if _whole(x) else xp.floor(x)


@unary(shape=_rounded("ceil"), vjp=(zero,))
def ceil(xp, x):
    """The next whole number above (``torch.ceil``).

    >>> import kuai as torch
    >>> torch.ceil(torch.tensor([-1.5, 1.5]))
    tensor([-1.,  2.])
    """
    return x if _whole(x) else xp.ceil(x)


@unary(shape=_rounded("trunc"), vjp=(zero,))
def trunc(xp, x):
    """The next whole number towards zero (``torch.trunc``).

    >>> import kuai as torch
    >>> torch.trunc(torch.tensor([-1.5, 1.5]))
    tensor([-1.,  1.])
    """
    return x if _whole(x) else xp.trunc(x)


@unary(shape=tensors_only(supports(FLOAT)(rules.broadcast)), vjp=(lambda g: g,))
def frac(xp, x):
    """What is behind the point (``torch.frac``).

    >>> import kuai as torch
    >>> torch.frac(torch.tensor([-1.5, 2.25]))
    tensor([-0.5000,  0.2500])
    """
    return x - xp.trunc(x)


def _decimals_rule(op: Op, avals: Sequence, *, decimals: int) -> tuple:
    return supports(FLOAT)(rules.broadcast)(op, avals) if decimals else _rounded("round")(op, avals)


@op(shape=_decimals_rule, vjp=(zero,), name="round",
    grad_name=lambda state: f"RoundBackward{int(state.static[0] != 0)}")  # fmt: skip
def _round(xp, x, *, decimals):
    if decimals == 0:
        return x if _whole(x) else xp.round(x)
    scale = x.dtype.type(10.0 ** abs(decimals))
    return xp.round(x * scale) / scale if decimals > 0 else xp.round(x / scale) * scale


def round(input: Tensor, *, decimals: int = 0, out: Tensor | None = None) -> Tensor:  # noqa: A001 (PyTorch's name)
    """The nearest whole number, the even one of two; or so many decimals (``torch.round``).

    >>> import kuai as torch
    >>> torch.round(torch.tensor([0.5, 1.5, 2.7])), torch.round(torch.tensor([1.234]), decimals=1)
    (tensor([0., 2., 3.]), tensor([1.2000]))
    """
    need_tensor("round", input, "input", 1)
    made = _round(input, decimals=decimals)
    return made if out is None else write_out(out, made)


# ---- signs -----------------------------------------------------------------------------------------------------------


@unary(shape=tensors_only(supports(BOOL, INTEGER, FLOAT, otherwise=(
    "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead."))(rules.broadcast)),
    vjp=(zero,))  # fmt: skip
def sign(xp, x):
    """-1, 0 or 1 (``torch.sign``).

    >>> import kuai as torch
    >>> torch.sign(torch.tensor([-3., 0., 2.]))
    tensor([-1.,  0.,  1.])
    """
    return x if x.dtype.kind == "b" else signs(xp, x)


@unary(shape=tensors_only(supports(BOOL, INTEGER, FLOAT)(truth)), vjp=None)
def signbit(xp, x):
    """Where the sign is negative, that of -0. too (``torch.signbit``).

    >>> import kuai as torch
    >>> torch.signbit(torch.tensor([-1., -0., 0.]))
    tensor([ True,  True, False])
    """
    return x < 0 if _whole(x) else xp.signbit(x)


def _copysign_vjp(g: Tensor, x: Tensor, out: Tensor) -> Tensor:
    return where(x == 0, 0, g * (out / x))


@binary(shape=first_tensor(supports(FLOAT)(rules.float_broadcast)), vjp=(_copysign_vjp, zero))
def copysign(xp, x, y):
    """The first's magnitude with the second's sign (``torch.copysign``).

    >>> import kuai as torch
    >>> torch.copysign(torch.tensor([1., 2.]), torch.tensor([-3., 0.]))
    tensor([-1.,  2.])
    """
    return xp.copysign(x, y)


def _heaviside_rule(op: Op, avals: Sequence) -> tuple:
    x, values = avals
    if x.dtype.is_complex or values.dtype.is_complex:
        raise RuntimeError("heaviside is not yet implemented for complex tensors.")
    if x.dtype is not values.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    return rules.broadcast(op, avals)


@op(shape=tensors_only(_heaviside_rule), vjp=(no_derivative("heaviside"), no_derivative("heaviside")), name="heaviside")
def _heaviside(xp, input, values):
    return xp.where(input == 0, values, (input > 0).astype(values.dtype))


def heaviside(input: Tensor, values: Tensor, *, out: Tensor | None = None) -> Tensor:
    """0 left of zero, 1 right of it, and ``values`` at it (``torch.heaviside``).

    >>> import kuai as torch
    >>> torch.heaviside(torch.tensor([-2., 0., 3.]), torch.tensor(0.5))
    tensor([0.0000, 0.5000, 1.0000])
    """
    made = _heaviside(input, values)
    return made if out is None else write_out(out, made)


# ---- whole quotients -------------------------------------------------------------------------------------------------


_divisible = operands(supports(INTEGER, FLOAT)(rules.broadcast))


def _floored(xp, x, y):
    """Of whole numbers, 0 where the divisor is 0: NumPy's way, which XLA has to be told."""
    if xp is np or not _whole(x):
        return xp.floor_divide(x, y)
    return xp.where(y == 0, 0, xp.floor_divide(x, xp.where(y == 0, 1, y)))


@binary(shape=_divisible, name="div_floor", grad_name="DivBackward2", vjp=(zero, zero), cost=8.0)
def _div_floor(xp, x, y):
    return _floored(xp, x, y)


@binary(shape=_divisible, name="floor_divide", vjp=(no_derivative("floor_divide"),) * 2, cost=8.0)
def _floor_divide(xp, x, y):
    return _floored(xp, x, y)


@binary(shape=_divisible, name="div_trunc", grad_name="DivBackward2", vjp=(zero, zero), cost=8.0)
def _div_trunc(xp, x, y):
    if not _whole(x):
        return xp.trunc(x / y)
    quotient = _floored(xp, x, y)
    return quotient + ((quotient < 0) & (quotient * y != x)).astype(x.dtype)


def _stepwise(xp, x, y):
    """The quotient rounded down as PyTorch takes it of half types: each step is rounded, and not the end alone."""
    left, one = xp.fmod(x, y), xp.ones_like(x)
    steps = (x - left) / y
    steps = xp.where((left != 0) & ((y < 0) != (left < 0)), steps - one, steps)
    down = xp.floor(steps)
    down = xp.where(steps - down > 0.5, down + one, down)
    down = xp.where(steps == 0, xp.copysign(xp.zeros_like(down), x / y), down)
    return xp.where(y == 0, x / y, down)


@binary(shape=_divisible, name="div_floor_halves", grad_name="DivBackward2", vjp=(zero, zero), cost=16.0, exact=True)
def _div_floor_halves(xp, x, y):
    return _stepwise(xp, x, y)


@binary(shape=_divisible, name="floor_divide_halves", vjp=(no_derivative("floor_divide"),) * 2, cost=16.0, exact=True)
def _floor_divide_halves(xp, x, y):
    return _stepwise(xp, x, y)


@binary(shape=_divisible, name="div_trunc_halves", grad_name="DivBackward2", vjp=(zero, zero), cost=8.0, exact=True)
def _div_trunc_halves(xp, x, y):
    return xp.trunc(x / y)


HALVES = {_div_floor: _div_floor_halves, _floor_divide: _floor_divide_halves, _div_trunc: _div_trunc_halves}


def _whole_quotient(call: Callable, x: object, y: object) -> Tensor:
    """What the call gives; of two tensors whose quotient is of a half type, step by step. Beside a number PyTorch rounds once."""
    two = isinstance(x, Tensor) and isinstance(y, Tensor) and x.ndim and y.ndim
    halves = two and dtypes.promote_types(x.dtype, y.dtype) in (dtypes.float16, dtypes.bfloat16)
    return HALVES[call](x, y) if halves else call(x, y)


def _check_divisor(name: str, x: object, y: object) -> None:
    """Refuse to divide whole numbers by 0."""
    if isinstance(x, Tensor) and not x._aval.size:
        return
    if max(_category(x), _category(y)) == 1 and (_holds_zero(y) if isinstance(y, Tensor) else y == 0):
        raise RuntimeError(f"{name}: ZeroDivisionError: a whole number is divided by 0")


def _category(x: object) -> int:
    """The kind of a tensor's dtype or of a number: 1 is that of integers, and of what is no operand at all, 3."""
    if isinstance(x, Tensor):
        return x.dtype.category
    return dtypes.default_for(type(x)).category if type(x) in (bool, int, float) else 3


def _holds_zero(x: Tensor) -> bool:
    if within(x, 1, math.inf) or within(x, -math.inf, -1):
        return False
    found = elements(x)
    return found is not None and not found.all()


def floor_divide(input: object, other: object, *, out: Tensor | None = None) -> Tensor:
    """The quotient rounded down (``torch.floor_divide``). RuntimeError for whole numbers over 0.

    >>> import kuai as torch
    >>> torch.floor_divide(torch.tensor([7, -7]), 2)
    tensor([ 3, -4])
    """
    _check_divisor("floor_divide", input, other)
    made = _whole_quotient(_floor_divide, input, other)
    return made if out is None else write_out(out, made)


def div(input: object, other: object, *, rounding_mode: str | None = None, out: Tensor | None = None) -> Tensor:
    """The quotient; rounded towards zero ("trunc") or down ("floor"), if so said (``torch.div``).

    >>> import kuai as torch
    >>> torch.div(torch.tensor([7., -7.]), 2), torch.div(torch.tensor([7, -7]), 2, rounding_mode="trunc")
    (tensor([ 3.5000, -3.5000]), tensor([ 3, -3]))
    """
    if rounding_mode is None:
        made = true_divide(input, other)
    elif rounding_mode in ("floor", "trunc"):
        _check_divisor("div", input, other)
        made = _whole_quotient(_div_floor if rounding_mode == "floor" else _div_trunc, input, other)
    else:
        raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'")
    return made if out is None else write_out(out, made)


@binary(shape=some_tensor(_divisible), name="remainder", cost=8.0, grad_name=named_by_operand("Remainder"),
        vjp=(lambda g: g, lambda g, x, y: neg(mul(g, div(x, y, rounding_mode="floor")))))  # fmt: skip
def _remainder(xp, x, y):
    if _whole(x):
        return xp.remainder(x, y)
    left = xp.fmod(x, y)
    return xp.where((left != 0) & ((left < 0) != (y < 0)), left + y, left)  # a zero has the sign of x, in NumPy that of y


def remainder(input: Tensor | complex, other: object, *, out: Tensor | None = None) -> Tensor:
    """What division leaves over, with the divisor's sign, as Python's % (``torch.remainder``).

    >>> import kuai as torch
    >>> torch.remainder(torch.tensor([-3., 3.]), 2)
    tensor([1., 1.])
    """
    _check_divisor("remainder", input, other)
    made = _remainder(input, other)
    return made if out is None else write_out(out, made)


@binary(shape=_divisible, name="fmod", cost=8.0, grad_name=named_by_operand("Fmod"),
        vjp=(lambda g: g, lambda g, x, y: neg(mul(g, div(x, y, rounding_mode="trunc")))))  # fmt: skip
def _fmod(xp, x, y):
    return xp.fmod(x, y)


def fmod(input: Tensor, other: object, *, out: Tensor | None = None) -> Tensor:
    """What division leaves over, with the dividend's sign, as C's (``torch.fmod``).

    >>> import kuai as torch
    >>> torch.fmod(torch.tensor([-3., 3.]), 2)
    tensor([-1.,  1.])
    """
    need_tensor("fmod", input, "input", 1)
    _check_divisor("fmod", input, other)
    made = _fmod(input, other)
    return made if out is None else write_out(out, made)


# ---- divisors and digits ---------------------------------------------------------------------------------------------


def _gcd_xla(xp, x, y):
    """Euclid's way on magnitudes without a sign: jax.numpy's does not end at the least integer."""
    a, b = (xp.abs(v).astype(f"u{v.dtype.itemsize}") for v in xp.broadcast_arrays(x, y))

    def step(pair):
        a, b = pair
        return xp.where(b == 0, a, b), xp.where(b == 0, 0, a % xp.where(b == 0, 1, b))

    return xp.lax.while_loop(lambda pair: xp.any(pair[1] != 0), step, (a, b))[0].astype(x.dtype)


def _lcm_xla(xp, x, y):
    divisor = _gcd_xla(xp, x, y)
    return xp.abs(x // xp.where(divisor == 0, 1, divisor) * y)


@binary(shape=tensors_only(supports(INTEGER)(rules.broadcast)), vjp=None, cost=30.0, xla=_gcd_xla)
def gcd(xp, x, y):
    """The greatest common divisor (``torch.gcd``).

    >>> import kuai as torch
    >>> torch.gcd(torch.tensor([6, 10]), torch.tensor([4, 15]))
    tensor([2, 5])
    """
    return xp.gcd(x, y)


@binary(shape=tensors_only(supports(INTEGER)(rules.broadcast)), vjp=None, cost=30.0, xla=_lcm_xla)
def lcm(xp, x, y):
    """The least common multiple (``torch.lcm``).

    >>> import kuai as torch
    >>> torch.lcm(torch.tensor([6, 10]), torch.tensor([4, 15]))
    tensor([12, 30])
    """
    return xp.lcm(x, y)


@binary(shape=tensors_only(supports(FLOAT)(rules.broadcast)), vjp=(lambda g, x, y: where(x == y, 0, g), zero), exact=True)
def nextafter(xp, x, y):
    """The next number that the dtype has, towards the other (``torch.nextafter``).

    >>> import kuai as torch
    >>> torch.nextafter(torch.tensor([1.]), torch.tensor([2.])) > 1
    tensor([True])
    """
    return xp.nextafter(x, y)


def _frexp_rule(op: Op, avals: Sequence) -> tuple:
    (a,) = avals
    if not a.dtype.is_floating_point:
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    return (a, a.with_(dtype=dtypes.int32)), a.dtype


@op(shape=_frexp_rule, vjp=lambda g, out: (g[0] * ldexp(ones_like(g[0]), -out[1]),), many=True, name="frexp", cost=5.0)
def _frexp(xp, x):
    return xp.frexp(x)


def frexp(input: Tensor, *, out: tuple | None = None) -> tuple:
    """Each number as a mantissa below 1 times a power of 2 (``torch.frexp``).

    >>> import kuai as torch
    >>> torch.frexp(torch.tensor([6.])).exponent
    tensor([3], dtype=torch.int32)
    """
    need_tensor("frexp", input, "input", 1)
    return return_types.frexp(write_outs(out, _frexp(input)))


def ldexp(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``input * 2 ** other`` (``torch.ldexp``).

    >>> import kuai as torch
    >>> torch.ldexp(torch.tensor([1., 3.]), torch.tensor([2, -1]))
    tensor([4.0000, 1.5000])
    """
    need_tensor("ldexp", input, "input", 1)
    need_tensor("ldexp", other, "other", 2)
    if other.dtype is dtypes.bool_ and input.dtype.is_floating_point:
        raise NotImplementedError("\"ldexp_cpu_exp\" not implemented for 'Bool'")
    made = mul(input, pow(2.0, other))
    return made if out is None else write_out(out, made)


def _nan_to_num_rule(op: Op, avals: Sequence) -> tuple:
    x = avals[0]
    return rules.broadcast(op, (x,))[0], (x.dtype, *[None if a is None else x.dtype.to_real() for a in avals[1:]])


def _replaced(xp, x, nan, posinf, neginf):
    from ml_dtypes import finfo

    limits = finfo(x.dtype)
    high = limits.max if posinf is None else posinf
    low = limits.min if neginf is None else neginf
    return xp.where(xp.isnan(x), nan, xp.where(xp.isposinf(x), high, xp.where(xp.isneginf(x), low, x))).astype(x.dtype)


@op(shape=_nan_to_num_rule, name="nan_to_num", exact=True, cost=5.0,
    vjp=(lambda g, x: where(isfinite(x), g, 0), None, None, None))  # fmt: skip
def _nan_to_num(xp, x, nan, posinf, neginf):
    if _whole(x):
        return x
    if x.dtype.kind == "c":
        return join(xp, *(_replaced(xp, part, nan, posinf, neginf) for part in (x.real, x.imag)))
    return _replaced(xp, x, nan, posinf, neginf)


def nan_to_num(input: Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None, *,
               out: Tensor | None = None) -> Tensor:  # fmt: skip
    """Numbers in place of nan and of both infinities: 0 and the largest ones, if not said (``torch.nan_to_num``).

    >>> import kuai as torch
    >>> torch.nan_to_num(torch.tensor([torch.nan, 1., torch.inf]), posinf=9.0)
    tensor([0., 1., 9.])
    """
    need_tensor("nan_to_num", input, "input", 1)
    made = _nan_to_num(input, 0.0 if nan is None else nan, posinf, neginf)
    return made if out is None else write_out(out, made)


divide, fix = div, trunc

INPLACE = ("floor", "ceil", "trunc", "fix", "frac", "round", "sign", "floor_divide", "div", "divide", "remainder", "fmod",
           "copysign", "heaviside", "gcd", "lcm", "nextafter", "ldexp", "nan_to_num")  # fmt: skip
METHODS = (*INPLACE, "signbit", "frexp")
