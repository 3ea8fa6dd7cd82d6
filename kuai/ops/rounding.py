"""Rounding, and division that gives whole numbers or what is left over."""

from __future__ import annotations

from collections.abc import Sequence

from ..engine.program import Op
from ..tensor import Tensor
from . import rules
from .define import binary, op, unary, write_out
from .elementwise import mul, neg, true_divide
from .pointwise import BOOL, FLOAT, INTEGER, need_tensor, supports, tensors_only, zero

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


@op(shape=_decimals_rule, vjp=(zero,), name="round")
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


@unary(shape=tensors_only(supports(BOOL, INTEGER, FLOAT, otherwise=(
    "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead."))(rules.broadcast)),
    vjp=(zero,))  # fmt: skip
def sign(xp, x):
    """-1, 0 or 1 (``torch.sign``).

    >>> import kuai as torch
    >>> torch.sign(torch.tensor([-3., 0., 2.]))
    tensor([-1.,  0.,  1.])
    """
    return x if x.dtype.kind == "b" else xp.sign(x)


# ---- whole quotients -------------------------------------------------------------------------------------------------


def _divisible(op: Op, avals: Sequence) -> tuple:
    return supports(INTEGER, FLOAT)(rules.broadcast)(op, avals)


@binary(shape=_divisible, name="div_floor", grad_name="DivBackward1", vjp=(zero, zero), cost=8.0)
def _div_floor(xp, x, y):
    return xp.floor_divide(x, y)


@binary(shape=_divisible, name="div_trunc", grad_name="DivBackward1", vjp=(zero, zero), cost=8.0)
def _div_trunc(xp, x, y):
    if not _whole(x):
        return xp.trunc(x / y)
    quotient = xp.floor_divide(x, y)
    return quotient + ((quotient < 0) & (quotient * y != x)).astype(x.dtype)


def _check_divisor(x: object, y: object) -> None:
    """A whole number divided by the number 0 is known to fail before anything is computed."""
    if y == 0 and type(y) is not float and not (isinstance(x, Tensor) and x.dtype.category > 1) and type(x) is not float:
        raise RuntimeError("ZeroDivisionError")


def floor_divide(input: object, other: object, *, out: Tensor | None = None) -> Tensor:
    """The quotient rounded down (``torch.floor_divide``).

    >>> import kuai as torch
    >>> torch.floor_divide(torch.tensor([7, -7]), 2)
    tensor([ 3, -4])
    """
    return div(input, other, rounding_mode="floor", out=out)


def div(input: object, other: object, *, rounding_mode: str | None = None, out: Tensor | None = None) -> Tensor:
    """The quotient; rounded towards zero ("trunc") or down ("floor"), if so said (``torch.div``).

    >>> import kuai as torch
    >>> torch.div(torch.tensor([7., -7.]), 2), torch.div(torch.tensor([7, -7]), 2, rounding_mode="trunc")
    (tensor([ 3.5000, -3.5000]), tensor([ 3, -3]))
    """
    if rounding_mode is None:
        made = true_divide(input, other)
    elif rounding_mode in ("floor", "trunc"):
        if not isinstance(other, Tensor):
            _check_divisor(input, other)
        made = (_div_floor if rounding_mode == "floor" else _div_trunc)(input, other)
    else:
        raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'")
    return made if out is None else write_out(out, made)


@binary(shape=_divisible, name="remainder", cost=8.0,
        vjp=(lambda g: g, lambda g, x, y: neg(mul(g, div(x, y, rounding_mode="floor")))))  # fmt: skip
def _remainder(xp, x, y):
    return xp.remainder(x, y)


def remainder(input: object, other: object, *, out: Tensor | None = None) -> Tensor:
    """What division leaves over, with the divisor's sign, as Python's % (``torch.remainder``).

    >>> import kuai as torch
    >>> torch.remainder(torch.tensor([-3., 3.]), 2)
    tensor([1., 1.])
    """
    if not isinstance(other, Tensor):
        _check_divisor(input, other)
    made = _remainder(input, other)
    return made if out is None else write_out(out, made)


@binary(shape=_divisible, name="fmod", cost=8.0,
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
    if not isinstance(other, Tensor):
        _check_divisor(input, other)
    made = _fmod(input, other)
    return made if out is None else write_out(out, made)


divide, fix = div, trunc

INPLACE = ("floor", "ceil", "trunc", "fix", "frac", "round", "sign", "floor_divide", "div", "divide", "remainder", "fmod")
METHODS = INPLACE
