"""Functions of probability that ``torch.special`` has and ``torch`` has not."""

from __future__ import annotations

import math

from ..tensor import Tensor
from . import rules
from .comparison import where
from .define import binary, unary
from .elementwise import add, exp, log, log1p, mul, neg, sub, true_divide
from .numerics import gamma, normal
from .pointwise import FLOAT, no_derivative, real_float, single_or_double, some_tensor, supports, wide_float

_two_floats = some_tensor(supports(FLOAT)(rules.float_broadcast))
_two_wide = single_or_double(_two_floats)

# ---- the normal distribution -----------------------------------------------------------------------------------------


def _erfcx_vjp(g: Tensor, x: Tensor, out: Tensor) -> Tensor:
    return mul(g, sub(mul(mul(x, out), 2), 2 / math.sqrt(math.pi)))


@unary(grad_name="SpecialErfcxBackward0", shape=wide_float, cost=40.0, vjp=(_erfcx_vjp,))
def erfcx(xp, x):
    """``exp(x**2) * erfc(x)`` (``torch.special.erfcx``).

    >>> import kuai as torch
    >>> torch.special.erfcx(torch.tensor([0., 10.]))
    tensor([1.0000, 0.0561])
    """
    return normal.erfcx(xp, x)


def _bell(x: Tensor, scale: float, power: float) -> Tensor:
    return mul(exp(mul(mul(x, x), power)), scale)


@unary(shape=real_float, cost=40.0, vjp=(lambda g, x: mul(g, _bell(x, 1 / math.sqrt(2 * math.pi), -0.5)),))
def ndtr(xp, x):
    """The normal distribution's probability of being below x (``torch.special.ndtr``).

    >>> import kuai as torch
    >>> torch.special.ndtr(torch.tensor([0., 1.]))
    tensor([0.5000, 0.8413])
    """
    return normal.ndtr(xp, x)


@unary(grad_name="SpecialNdtriBackward0", shape=wide_float, cost=60.0,
       vjp=(lambda g, out: mul(g, _bell(out, math.sqrt(2 * math.pi), 0.5)),))  # fmt: skip
def ndtri(xp, x):
    """The inverse of `ndtr` (``torch.special.ndtri``).

    >>> import kuai as torch
    >>> torch.special.ndtri(torch.tensor([0.5, 0.8413]))
    tensor([0.0000, 0.9998])
    """
    return normal.ndtri(xp, x)


def _log_ndtr_vjp(g: Tensor, x: Tensor) -> Tensor:
    return true_divide(mul(g, math.sqrt(2 / math.pi)), erfcx(mul(x, -math.sqrt(0.5))))


@unary(grad_name="SpecialLogNdtrBackward0", shape=wide_float, cost=60.0, vjp=(_log_ndtr_vjp,))
def log_ndtr(xp, x):
    """The logarithm of `ndtr` (``torch.special.log_ndtr``).

    >>> import kuai as torch
    >>> torch.special.log_ndtr(torch.tensor([-20., 0.]))
    tensor([-203.9172,   -0.6931])
    """
    return normal.log_ndtr(xp, x)


# ---- entropy and series ----------------------------------------------------------------------------------------------


@unary(grad_name="SpecialEntrBackward0", shape=real_float, cost=8.0, vjp=(lambda g, x: neg(mul(g, add(log(x), 1))),))
def entr(xp, x):
    """``-x * log(x)``: 0 at 0 and -inf left of it (``torch.special.entr``).

    >>> import kuai as torch
    >>> torch.special.entr(torch.tensor([0., 0.5]))
    tensor([0.0000, 0.3466])
    """
    positive = -x * xp.log(xp.where(x > 0, x, 1))
    return xp.where(xp.isnan(x), x, xp.where(x > 0, positive, xp.where(x == 0, 0, -xp.inf)))


def _xlog1py_x(g: Tensor, x: object, y: object) -> Tensor:
    """Where x is 0, what log1p(y) has no value for does not count."""
    logarithm = log1p(y) if isinstance(y, Tensor) else math.log1p(y) if y > -1 else -math.inf if y == -1 else math.nan
    return where((x == 0) & (y <= -1), 0, mul(g, logarithm))


@binary(grad_name="SpecialXlog1PyBackward0", shape=_two_floats, cost=10.0,
        vjp=(_xlog1py_x, lambda g, x, y: mul(g, true_divide(x, add(y, 1)))))  # fmt: skip
def xlog1py(xp, x, y):
    """``x * log1p(y)``, and 0 where x is 0 (``torch.special.xlog1py``).

    >>> import kuai as torch
    >>> torch.special.xlog1py(torch.tensor([0., 2.]), torch.tensor([-1., 0.]))
    tensor([0., 0.])
    """
    return xp.where(xp.isnan(y), xp.nan, xp.where(x == 0, 0, x * xp.log1p(y)))


def _zeta_y(g: Tensor, x: object, y: Tensor) -> Tensor:
    return neg(mul(g, mul(zeta(add(x, 1) if isinstance(x, Tensor) else x + 1, y), x)))


@binary(shape=_two_wide, cost=150.0, vjp=(no_derivative("special_zeta"), _zeta_y))
def zeta(xp, x, y):
    """Hurwitz's zeta function: the sum of (y + k)**-x (``torch.special.zeta``).

    >>> import kuai as torch
    >>> torch.special.zeta(torch.tensor([2.]), torch.tensor([1.]))
    tensor([1.6449])
    """
    return gamma.zeta(xp, x, y)
