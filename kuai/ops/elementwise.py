"""Powers, exponentials, logarithms and circular functions, element by element; and, in one family with them, `arithmetic`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import dtypes
from ..dispatch import recorder
from ..engine.program import Op, State
from ..tensor import Tensor
from . import rules
from .arithmetic import (  # noqa: F401 (the family's table has them all)
    abs,
    absolute,
    add,
    addcdiv,
    addcmul,
    lerp,
    mul,
    multiply,
    neg,
    negative,
    positive,
    rsub,
    sub,
    subtract,
    true_divide,
)
from .comparison import where
from .conversion import assign, to_dtype
from .creation import scalar_tensor
from .define import binary, op, unary, write_out
from .pointwise import FLOAT, any_float, conj, need_tensor, real_float, some_tensor, supports, tensors_only

# ---- powers ----------------------------------------------------------------------------------------------------------

# Exponents that get programs of their own: for them a power is a product or a root.
_PLAIN = {0, 1, 2, 3, 4, -1, -2, 0.5, -0.5}


def _plain_rule(op: Op, avals: Sequence, *, n: float, kind: type) -> tuple:
    out, found = rules.broadcast(op, (avals[0], kind))
    if kind is int and n < 0 and found.category < 2:
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    return out, found


def _plain_vjp(g: Tensor, x: Tensor, n: float, kind: type) -> Tensor:
    if n == 0:
        return mul(g, 0)
    if n == 1:
        return g
    return mul(g, conj(mul(x if n == 2 else pow(x, n - 1), n)))


@op(shape=_plain_rule, name="pow_plain", grad_name="PowBackward0", vjp=(_plain_vjp,))
def _pow_plain(xp, x, *, n, kind):
    if n < 0:
        return xp.reciprocal(_pow_plain_positive(xp, x, -n))
    return _pow_plain_positive(xp, x, n)


def _pow_plain_positive(xp, x, n):
    if n == 0.5:
        return xp.sqrt(x)
    if n < 2:
        return xp.ones_like(x) if n == 0 else x
    square = x * x
    return square if n == 2 else square * x if n == 3 else square * square


_record_plain = recorder(_pow_plain.op)


def _pow_rule(op: Op, avals: Sequence) -> tuple:
    out, found = rules.broadcast(op, avals)
    if found is dtypes.bool_:
        raise NotImplementedError("\"pow\" not implemented for 'Bool'")
    return out, found


def _pow_base(g: Tensor, x: object, y: object) -> Tensor:
    slope = mul(pow(x, sub(y, 1) if isinstance(y, Tensor) else y - 1), y)
    if isinstance(y, Tensor):
        slope = where(y == 0, 0, slope)
    return mul(g, conj(slope))


def _pow_exponent(g: Tensor, out: Tensor, x: object, y: Tensor) -> Tensor:
    """Where 0 is raised to what is not negative, the exponent does not matter."""
    x = to_dtype(x, out.dtype) if isinstance(x, Tensor) else scalar_tensor(x, dtype=out.dtype, device=out.device)
    still = (x == 0) & ((y.real if y.dtype.is_complex else y) >= 0)
    return mul(g, conj(where(still, 0, mul(out, log(x)))))


def _integer_power(xp, x, y):
    """With a negative exponent only 1 and -1 have a power that is a whole number."""
    grown = xp.power(x, xp.maximum(y, 0))
    unit = xp.where(xp.abs(x) == 1, xp.where(y % 2 == 0, x * x, x), 0)
    return xp.where(y < 0, unit, grown)


def _pow_name(state: State) -> str:
    base, exponent = (type(a) is int for a in state.args)
    return f"PowBackward{0 if not exponent else 1 if base else 2}"


@op(shape=some_tensor(_pow_rule), name="pow", cost=10.0, grad_name=_pow_name, vjp=(_pow_base, _pow_exponent))
def _pow(xp, x, y):
    return _integer_power(xp, x, y) if x.dtype.kind in "iub" else xp.power(x, y)


def pow(input: Tensor | complex, exponent: object, *, out: Tensor | None = None) -> Tensor:  # noqa: A001 (PyTorch's name)
    """``input`` to the power ``exponent``; either may be a number (``torch.pow``).

    >>> import kuai as torch
    >>> torch.pow(torch.tensor([1., 2., 3.]), 2), torch.pow(2, torch.tensor([1, 2, 3]))
    (tensor([1., 4., 9.]), tensor([2, 4, 8]))
    """
    kind = type(exponent)
    if (kind is int or kind is float) and exponent in _PLAIN and isinstance(input, Tensor):
        made = _record_plain((exponent, kind), input)
    else:
        if kind is int and exponent < 0 and isinstance(input, Tensor) and input.dtype.category < 2:
            raise RuntimeError("Integers to negative integer powers are not allowed.")
        made = _pow(input, exponent)
    return made if out is None else write_out(out, made)


def float_power(input: Tensor | complex, exponent: object, *, out: Tensor | None = None) -> Tensor:
    """The power in double precision (``torch.float_power``).

    >>> import kuai as torch
    >>> torch.float_power(torch.tensor([1, 2]), -1)
    tensor([1.0000, 0.5000], dtype=torch.float64)
    """
    kinds = [x.dtype.is_complex if isinstance(x, Tensor) else isinstance(x, complex) for x in (input, exponent)]
    wide = dtypes.complex128 if any(kinds) else dtypes.float64
    base, power = (x.to(wide) if isinstance(x, Tensor) else x for x in (input, exponent))
    if out is not None and out.dtype is not wide:
        raise RuntimeError(f"the output given to float_power has dtype {out.dtype} but the operation's result requires {wide}")
    return pow(base, power, out=out)


@unary(vjp=(lambda g, out: true_divide(g, mul(conj(out), 2)),), shape=any_float)
def sqrt(xp, x):
    """The square root (``torch.sqrt``).

    >>> import kuai as torch
    >>> torch.sqrt(torch.tensor([4., 2.]))
    tensor([2.0000, 1.4142])
    """
    return xp.sqrt(x)


@unary(vjp=(lambda g, out: mul(g, mul(conj(pow(out, 3)), -0.5)),), shape=any_float, xla=lambda xp, x: xp.lax.rsqrt(x))
def rsqrt(xp, x):
    """One over the square root (``torch.rsqrt``).

    >>> import kuai as torch
    >>> torch.rsqrt(torch.tensor([4., 0.25]))
    tensor([0.5000, 2.0000])
    """
    return xp.reciprocal(xp.sqrt(x))


@unary(vjp=(lambda g, out: neg(mul(g, conj(mul(out, out)))),), shape=any_float)
def reciprocal(xp, x):
    """One over each element (``torch.reciprocal``).

    >>> import kuai as torch
    >>> torch.reciprocal(torch.tensor([4, 5]))
    tensor([0.2500, 0.2000])
    """
    return xp.reciprocal(x)


def square(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Each element times itself (``torch.square``).

    >>> import kuai as torch
    >>> torch.square(torch.tensor([-3., 2.]))
    tensor([9., 4.])
    """
    need_tensor("square", input, "input", 1)
    return pow(input, 2, out=out)


# ---- exponentials and logarithms -------------------------------------------------------------------------------------


@unary(vjp=(lambda g, out: mul(g, conj(out)),), shape=any_float, cost=4.0)
def exp(xp, x):
    """e to the power of each element (``torch.exp``).

    >>> import kuai as torch
    >>> torch.exp(torch.tensor([0., 1.]))
    tensor([1.0000, 2.7183])
    """
    return xp.exp(x)


@unary(vjp=(lambda g, out: mul(g, mul(conj(out), math.log(2))),), shape=any_float, cost=4.0)
def exp2(xp, x):
    """2 to the power of each element (``torch.exp2``).

    >>> import kuai as torch
    >>> torch.exp2(torch.tensor([3, -1]))
    tensor([8.0000, 0.5000])
    """
    return xp.exp(x * math.log(2)) if x.dtype.kind == "c" else xp.exp2(x)


@unary(vjp=(lambda g, out: mul(g, add(conj(out), 1)),), shape=any_float, cost=8.0)
def expm1(xp, x):
    """``exp(x) - 1``, exact near 0 (``torch.expm1``).

    >>> import kuai as torch
    >>> torch.expm1(torch.tensor([1e-8]))
    tensor([1.0000e-08])
    """
    return xp.expm1(x)


@unary(vjp=(lambda g, x: true_divide(g, conj(x)),), shape=any_float, cost=4.0)
def log(xp, x):
    """The natural logarithm (``torch.log``).

    >>> import kuai as torch
    >>> torch.log(torch.tensor([1., 2.]))
    tensor([0.0000, 0.6931])
    """
    return xp.log(x)


@unary(vjp=(lambda g, x: true_divide(g, mul(conj(x), math.log(2))),), shape=any_float, cost=4.0)
def log2(xp, x):
    """The logarithm to the base 2 (``torch.log2``).

    >>> import kuai as torch
    >>> torch.log2(torch.tensor([8., 0.5]))
    tensor([ 3., -1.])
    """
    return xp.log2(x)


@unary(vjp=(lambda g, x: true_divide(g, mul(conj(x), math.log(10))),), shape=any_float, cost=10.0,
       xla=lambda xp, x: xp.log10(x))  # fmt: skip
def log10(xp, x):
    """The logarithm to the base 10 (``torch.log10``).

    >>> import kuai as torch
    >>> torch.log10(torch.tensor([10., 1000.]))
    tensor([1., 3.])
    """
    return xp.log10(x, dtype=x.dtype if x.dtype.kind == "c" else "f8")  # float32's has 2.0000002 at 100


@unary(vjp=(lambda g, x: true_divide(g, add(conj(x), 1)),), shape=any_float, cost=8.0)
def log1p(xp, x):
    """``log(1 + x)``, exact near 0 (``torch.log1p``).

    >>> import kuai as torch
    >>> torch.log1p(torch.tensor([0., 1e-8]))
    tensor([0.0000e+00, 1.0000e-08])
    """
    return xp.log1p(x)


# ---- circular functions ----------------------------------------------------------------------------------------------


@unary(vjp=(lambda g, x: mul(g, cos(conj(x))),), shape=any_float, cost=6.0)
def sin(xp, x):
    """The sine (``torch.sin``).

    >>> import kuai as torch
    >>> torch.sin(torch.tensor([0., 1.]))
    tensor([0.0000, 0.8415])
    """
    return xp.sin(x)


@unary(vjp=(lambda g, x: neg(mul(g, sin(conj(x)))),), shape=any_float, cost=6.0)
def cos(xp, x):
    """The cosine (``torch.cos``).

    >>> import kuai as torch
    >>> torch.cos(torch.tensor([0., 1.]))
    tensor([1.0000, 0.5403])
    """
    return xp.cos(x)


@unary(vjp=(lambda g, out: mul(g, add(pow(conj(out), 2), 1)),), shape=any_float, cost=10.0)
def tan(xp, x):
    """The tangent (``torch.tan``).

    >>> import kuai as torch
    >>> torch.tan(torch.tensor([0., 1.]))
    tensor([0.0000, 1.5574])
    """
    return xp.tan(x)


@unary(vjp=(lambda g, x: mul(g, rsqrt(sub(1, pow(conj(x), 2)))),), shape=any_float, cost=10.0)
def asin(xp, x):
    """The inverse of the sine (``torch.asin``).

    >>> import kuai as torch
    >>> torch.asin(torch.tensor([0., 1.]))
    tensor([0.0000, 1.5708])
    """
    return xp.arcsin(x)


@unary(vjp=(lambda g, x: neg(mul(g, rsqrt(sub(1, pow(conj(x), 2))))),), shape=any_float, cost=10.0)
def acos(xp, x):
    """The inverse of the cosine (``torch.acos``).

    >>> import kuai as torch
    >>> torch.acos(torch.tensor([1., 0.]))
    tensor([0.0000, 1.5708])
    """
    return xp.arccos(x)


@unary(vjp=(lambda g, x: true_divide(g, add(pow(conj(x), 2), 1)),), shape=any_float, cost=10.0)
def atan(xp, x):
    """The inverse of the tangent (``torch.atan``).

    >>> import kuai as torch
    >>> torch.atan(torch.tensor([0., 1.]))
    tensor([0.0000, 0.7854])
    """
    return xp.arctan(x)


@unary(vjp=(lambda g, x: mul(g, cosh(conj(x))),), shape=any_float, cost=10.0)
def sinh(xp, x):
    """The hyperbolic sine (``torch.sinh``).

    >>> import kuai as torch
    >>> torch.sinh(torch.tensor([0., 1.]))
    tensor([0.0000, 1.1752])
    """
    return xp.sinh(x)


@unary(vjp=(lambda g, x: mul(g, sinh(conj(x))),), shape=any_float, cost=10.0)
def cosh(xp, x):
    """The hyperbolic cosine (``torch.cosh``).

    >>> import kuai as torch
    >>> torch.cosh(torch.tensor([0., 1.]))
    tensor([1.0000, 1.5431])
    """
    return xp.cosh(x)


@unary(vjp=(lambda g, x: mul(g, rsqrt(add(pow(conj(x), 2), 1))),), shape=any_float, cost=10.0)
def asinh(xp, x):
    """The inverse of the hyperbolic sine (``torch.asinh``).

    >>> import kuai as torch
    >>> torch.asinh(torch.tensor([0., 1.]))
    tensor([0.0000, 0.8814])
    """
    return xp.arcsinh(x)


def _acosh_vjp(g: Tensor, x: Tensor) -> Tensor:
    x = conj(x)
    return mul(g, mul(rsqrt(sub(x, 1)), rsqrt(add(x, 1))))


@unary(vjp=(_acosh_vjp,), shape=any_float, cost=10.0)
def acosh(xp, x):
    """The inverse of the hyperbolic cosine (``torch.acosh``).

    >>> import kuai as torch
    >>> torch.acosh(torch.tensor([1., 2.]))
    tensor([0.0000, 1.3170])
    """
    return xp.arccosh(x)


@unary(vjp=(lambda g, x: true_divide(g, sub(1, pow(conj(x), 2))),), shape=any_float, cost=10.0)
def atanh(xp, x):
    """The inverse of the hyperbolic tangent (``torch.atanh``).

    >>> import kuai as torch
    >>> torch.atanh(torch.tensor([0., 0.5]))
    tensor([0.0000, 0.5493])
    """
    return xp.arctanh(x)


def _over_square(g: Tensor, x: object, y: object) -> Tensor:
    """The cotangent over the squared distance from the origin; none where that is no number or 0."""
    inverse = reciprocal(add(mul(x, x), mul(y, y)))
    return mul(g, where(inverse.isinf(), 0, inverse))


@binary(shape=real_float, cost=12.0, vjp=(
    lambda g, input, other: mul(other, _over_square(g, input, other)),
    lambda g, input, other: mul(neg(input), _over_square(g, input, other))))  # fmt: skip
def atan2(xp, input, other):
    """The angle of the points (other, input), in all four quadrants (``torch.atan2``).

    >>> import kuai as torch
    >>> torch.atan2(torch.tensor([1., -1.]), torch.tensor([-1., -1.]))
    tensor([ 2.3562, -2.3562])
    """
    return xp.arctan2(input, other)


@binary(shape=tensors_only(supports(FLOAT)(rules.broadcast)), cost=4.0, vjp=(
    lambda g, input, out: mul(g, true_divide(input, out)), lambda g, other, out: mul(g, true_divide(other, out))))  # fmt: skip
def hypot(xp, input, other):
    """The length of the hypotenuse over two legs (``torch.hypot``).

    >>> import kuai as torch
    >>> torch.hypot(torch.tensor([3.]), torch.tensor([4.]))
    tensor([5.])
    """
    return xp.hypot(input, other)


@unary(vjp=(lambda g: mul(g, math.pi / 180),), shape=real_float)
def deg2rad(xp, x):
    """Degrees as radians (``torch.deg2rad``).

    >>> import kuai as torch
    >>> torch.deg2rad(torch.tensor([180.]))
    tensor([3.1416])
    """
    return x * (math.pi / 180)


@unary(vjp=(lambda g: mul(g, 180 / math.pi),), shape=real_float)
def rad2deg(xp, x):
    """Radians as degrees (``torch.rad2deg``).

    >>> import kuai as torch
    >>> torch.rad2deg(torch.tensor([1.]))
    tensor([57.2958])
    """
    return x * (180 / math.pi)


arcsin, arccos, arctan, arcsinh, arccosh, arctanh, arctan2 = asin, acos, atan, asinh, acosh, atanh, atan2

_UNARY = ("neg", "negative", "abs", "absolute", "sqrt", "rsqrt", "reciprocal", "square", "exp", "exp2", "expm1", "log", "log2",
          "log10", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "arcsin",
          "arccos", "arctan", "arcsinh", "arccosh", "arctanh", "deg2rad", "rad2deg")  # fmt: skip
INPLACE = (*_UNARY, "add", "sub", "subtract", "mul", "multiply", "true_divide", "addcmul", "addcdiv", "lerp", "pow",
           "atan2", "arctan2", "hypot")  # fmt: skip
METHODS = (*INPLACE, "float_power", "positive")


def _float_power_(self: Tensor, exponent: object) -> Tensor:
    """In-place form of `float_power`, for tensors of double precision (``torch.Tensor.float_power_``)."""
    made = float_power(self, exponent)
    if made.dtype is not self.dtype:
        raise RuntimeError(f"the base given to float_power_ has dtype {self.dtype} but the result requires {made.dtype}")
    return assign(self, made, "float_power_")


def _abs_(self: Tensor) -> Tensor:
    """In-place form of `abs`, for real tensors (``torch.Tensor.abs_``)."""
    if self.dtype.is_complex:
        raise RuntimeError("In-place abs is not supported for complex tensors.")
    return assign(self, abs(self), "abs_")


def _divided_by(self: Tensor, other: object) -> Tensor:
    """``other / self``, under Python 2's name."""
    return true_divide(other, self)


METHODS_EXTRA = {"float_power_": _float_power_, "__rdiv__": _divided_by, "abs_": _abs_, "absolute_": _abs_}
