"""Special functions that ``torch`` itself has: error functions, gamma functions, and logarithms that do not overflow."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .. import dtypes
from ..engine.program import Op
from ..tensor import Tensor
from . import rules
from .activation import sigmoid
from .bessel import i1
from .comparison import where
from .conversion import assign
from .define import binary, op, unary, write_out
from .elementwise import add, conj, cos, exp, log, mul, neg, sin, sub, true_divide
from .numerics import bessel, gamma, normal
from .pointwise import COMPLEX, FLOAT, need_tensor, no_derivative, real_float, some_tensor, supports, tensors_only

# ---- error functions -------------------------------------------------------------------------------------------------


def _bell(x: Tensor, scale: float) -> Tensor:
    return mul(exp(neg(mul(x, x))), scale)


@unary(shape=real_float, cost=25.0, xla=lambda xp, x: xp.lax.erf(x),
       vjp=(lambda g, x: mul(g, _bell(x, 2 / math.sqrt(math.pi))),))  # fmt: skip
def erf(xp, x):
    """The error function (``torch.erf``).

    >>> import kuai as torch
    >>> torch.erf(torch.tensor([0., 1.]))
    tensor([0.0000, 0.8427])
    """
    return normal.erf(xp, x)


@unary(shape=real_float, cost=40.0, xla=lambda xp, x: xp.lax.erfc(x),
       vjp=(lambda g, x: mul(g, _bell(x, -2 / math.sqrt(math.pi))),))  # fmt: skip
def erfc(xp, x):
    """1 - erf(x), exact where that is small (``torch.erfc``).

    >>> import kuai as torch
    >>> torch.erfc(torch.tensor([0., 1.]))
    tensor([1.0000, 0.1573])
    """
    return normal.erfc(xp, x)


@unary(shape=real_float, cost=60.0, vjp=(lambda g, out: mul(g, mul(exp(mul(out, out)), math.sqrt(math.pi) / 2)),))
def erfinv(xp, x):
    """The inverse of `erf` (``torch.erfinv``).

    >>> import kuai as torch
    >>> torch.erfinv(torch.tensor([0., 0.5]))
    tensor([0.0000, 0.4769])
    """
    return normal.erfinv(xp, x)


# ---- gamma functions -------------------------------------------------------------------------------------------------


@unary(shape=real_float, cost=60.0, xla=lambda xp, x: xp.lax.lgamma(x), vjp=(lambda g, x: mul(g, digamma(x)),))
def lgamma(xp, x):
    """The logarithm of the gamma function's magnitude (``torch.lgamma``).

    >>> import kuai as torch
    >>> torch.lgamma(torch.tensor([0.5, 4.]))
    tensor([0.5724, 1.7918])
    """
    return gamma.lgamma(xp, x)


def _digamma_xla(xp, x):
    """XLA's, which has nan at 0 where PyTorch has an infinity."""
    return xp.where(x == 0, xp.copysign(xp.inf, -x), xp.lax.digamma(x))


@unary(shape=real_float, cost=60.0, xla=_digamma_xla, vjp=(lambda g, x: mul(g, polygamma(1, x)),))
def digamma(xp, x):
    """The derivative of `lgamma` (``torch.digamma``).

    >>> import kuai as torch
    >>> torch.digamma(torch.tensor([1., 0.5]))
    tensor([-0.5772, -1.9635])
    """
    return gamma.digamma(xp, x)


def _derivative_rule(op: Op, avals: Sequence, *, n: int) -> tuple:
    return real_float(op, avals)


@op(shape=_derivative_rule, name="polygamma", cost=150.0, vjp=(lambda g, x, n: mul(g, polygamma(n + 1, x)),))
def _polygamma(xp, x, *, n):
    return gamma.polygamma(xp, x, n=n)


def polygamma(n: int, input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The n-th derivative of `digamma` (``torch.polygamma``).

    >>> import kuai as torch
    >>> torch.polygamma(1, torch.tensor([1., 2.]))
    tensor([1.6449, 0.6449])
    """
    if isinstance(n, Tensor):
        raise TypeError("polygamma(): argument 'n' (position 1) must be int, not Tensor")
    if n < 0:
        raise RuntimeError(f"polygamma(n, x) does not support negative n, got {n}.")
    made = digamma(input) if n == 0 else _polygamma(input, n=n)
    return made if out is None else write_out(out, made)


def mvlgamma(input: Tensor, p: int, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of the gamma function of p dimensions (``torch.mvlgamma``).

    >>> import kuai as torch
    >>> torch.mvlgamma(torch.tensor([2., 3.]), 2)
    tensor([0.4516, 1.5502])
    """
    if input.dtype is dtypes.bool_:
        raise RuntimeError("The input tensor may not be a boolean tensor.")
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    made = add(lgamma(input), p * (p - 1) / 4 * math.log(math.pi))
    for j in range(1, p):
        made = add(made, lgamma(sub(input, j / 2)))
    return made if out is None else write_out(out, made)


def _density(a: Tensor, x: Tensor) -> Tensor:
    """The gamma distribution's, the slope of `igamma`."""
    return exp(sub(sub(mul(log(x), sub(a, 1)), x), lgamma(a)))


_two_floats = tensors_only(supports(FLOAT)(rules.broadcast))


@binary(shape=_two_floats, cost=500.0, xla=lambda xp, a, x: xp.scipy.special.gammainc(a, x),
        vjp=(no_derivative("igamma"), lambda g, a, x: mul(g, _density(a, x))))  # fmt: skip
def igamma(xp, a, x):
    """The regularized lower incomplete gamma function (``torch.igamma``).

    >>> import kuai as torch
    >>> torch.igamma(torch.tensor([1.]), torch.tensor([1.]))
    tensor([0.6321])
    """
    return gamma.igamma(xp, a, x)


@binary(shape=_two_floats, cost=500.0, xla=lambda xp, a, x: xp.scipy.special.gammaincc(a, x),
        vjp=(no_derivative("igammac"), lambda g, a, x: neg(mul(g, _density(a, x)))))  # fmt: skip
def igammac(xp, a, x):
    """The regularized upper incomplete gamma function (``torch.igammac``).

    >>> import kuai as torch
    >>> torch.igammac(torch.tensor([1.]), torch.tensor([1.]))
    tensor([0.3679])
    """
    return gamma.igammac(xp, a, x)


# ---- waves -----------------------------------------------------------------------------------------------------------


@unary(shape=real_float, cost=60.0, vjp=(lambda g, x: mul(g, i1(x)),))
def i0(xp, x):
    """The modified Bessel function of the first kind, of order 0 (``torch.i0``).

    >>> import kuai as torch
    >>> torch.i0(torch.tensor([0., 1.]))
    tensor([1.0000, 1.2661])
    """
    return bessel.i0(xp, x)


def _sinc_vjp(g: Tensor, x: Tensor) -> Tensor:
    x = conj(x)
    angle = mul(x, math.pi)
    slope = true_divide(sub(mul(cos(angle), angle), sin(angle)), mul(mul(x, x), math.pi))
    return mul(g, where(mul(x, x) == 0, 0, slope))  # a square may vanish before its root does


@unary(shape=tensors_only(rules.float_broadcast), cost=10.0, vjp=(_sinc_vjp,))
def sinc(xp, x):
    """``sin(pi * x) / (pi * x)``, and 1 at 0 (``torch.sinc``).

    >>> import kuai as torch
    >>> torch.sinc(torch.tensor([0., 0.5]))
    tensor([1.0000, 0.6366])
    """
    angle = xp.where(x == 0, 1, x) * math.pi
    return xp.where(x == 0, 1, xp.sin(angle) / angle)


# ---- logarithms ------------------------------------------------------------------------------------------------------


def _logit_rule(op: Op, avals: Sequence) -> tuple:
    out, found = real_float(op, avals[:1])
    return out, (found, found)


def _logit_vjp(g: Tensor, x: Tensor, eps: float | None) -> Tensor:
    slope = true_divide(g, mul(x, sub(1, x)))
    if eps is None:
        return where((x >= 0) & (x <= 1), slope, math.nan)
    return where((x >= eps) & (x <= 1 - eps), slope, 0)


@op(shape=_logit_rule, name="logit", cost=10.0, vjp=(_logit_vjp, None))
def _logit(xp, x, eps):
    x = x if eps is None else xp.clip(x, eps, 1 - eps)
    return xp.log(x / (1 - x))


def logit(input: Tensor, eps: float | None = None, *, out: Tensor | None = None) -> Tensor:
    """The inverse of `sigmoid`, at ``eps`` from 0 and 1 at least (``torch.logit``).

    >>> import kuai as torch
    >>> torch.logit(torch.tensor([0.5, 0.9]))
    tensor([0.0000, 2.1972])
    """
    need_tensor("logit", input, "input", 1)
    made = _logit(input, eps)
    return made if out is None else write_out(out, made)


def _log_sum(xp, x, y, log1p, exp):
    """The larger, and what the smaller adds to it; two equal infinities are themselves."""
    if x.dtype.kind != "c":
        high, low = xp.maximum(x, y), xp.minimum(x, y)
        return xp.where((x == y) & xp.isinf(x), x, high + log1p(exp(low - high)))
    first = x.real >= y.real
    high, low = xp.where(first, x, y), xp.where(first, y, x)
    return xp.where((x == y) & xp.isinf(x.real), x, high + log1p(exp(low - high)))


@binary(shape=tensors_only(supports(FLOAT, COMPLEX)(rules.broadcast)), cost=15.0, vjp=(
    lambda g, x, y: mul(g, conj(sigmoid(sub(x, y)))), lambda g, x, y: mul(g, conj(sigmoid(sub(y, x))))))  # fmt: skip
def logaddexp(xp, x, y):
    """``log(exp(x) + exp(y))``, without overflow (``torch.logaddexp``).

    >>> import kuai as torch
    >>> torch.logaddexp(torch.tensor([0., 1000.]), torch.tensor([0., 1000.]))
    tensor([6.9315e-01, 1.0007e+03])
    """
    return _log_sum(xp, x, y, xp.log1p, xp.exp)


def _share2(x: Tensor, y: Tensor) -> Tensor:
    return sigmoid(mul(sub(x, y), math.log(2)))


@binary(shape=_two_floats, cost=15.0, vjp=(
    lambda g, x, y: mul(g, _share2(x, y)), lambda g, x, y: mul(g, _share2(y, x))))  # fmt: skip
def logaddexp2(xp, x, y):
    """``log2(2**x + 2**y)``, without overflow (``torch.logaddexp2``).

    >>> import kuai as torch
    >>> torch.logaddexp2(torch.tensor([1.]), torch.tensor([1.]))
    tensor([2.])
    """
    return _log_sum(xp, x, y, lambda z: xp.log1p(z) * (1 / math.log(2)), xp.exp2)


def _xlogy_x(g: Tensor, x: object, y: object) -> Tensor:
    """Where x is 0, what log(y) has no value for does not count."""
    logarithm = log(y) if isinstance(y, Tensor) else _number_log(y)
    return where((x == 0) & (y <= 0), 0, mul(g, logarithm))


def _number_log(y: float) -> float:
    with np.errstate(all="ignore"):
        return float(np.log(y))


@binary(shape=some_tensor(supports(FLOAT)(rules.float_broadcast)), cost=8.0, vjp=(
    _xlogy_x, lambda g, x, y: mul(g, true_divide(x, y))))  # fmt: skip
def xlogy(xp, x, y):
    """``x * log(y)``, and 0 where x is 0 (``torch.xlogy``).

    >>> import kuai as torch
    >>> torch.xlogy(torch.tensor([0., 2.]), torch.tensor([0., 1.]))
    tensor([0., 0.])
    """
    return xp.where(xp.isnan(y), xp.nan, xp.where(x == 0, 0, x * xp.log(y)))


INPLACE = ("erf", "erfc", "erfinv", "lgamma", "digamma", "mvlgamma", "igamma", "igammac", "i0", "sinc", "logit", "xlogy")
METHODS = (*INPLACE, "logaddexp", "logaddexp2")


def _polygamma_method(self: Tensor, n: int) -> Tensor:
    """The n-th derivative of `digamma` (``torch.Tensor.polygamma``).

    >>> import kuai as torch
    >>> torch.tensor([1.]).polygamma(1)
    tensor([1.6449])
    """
    return polygamma(n, self)


def _polygamma_(self: Tensor, n: int) -> Tensor:
    """In-place form of `polygamma` (``torch.Tensor.polygamma_``)."""
    return assign(self, polygamma(n, self), "polygamma_")


METHODS_EXTRA = {"polygamma": _polygamma_method, "polygamma_": _polygamma_}
