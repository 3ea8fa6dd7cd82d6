"""Losses of elements: how far each input is from its target, summed or averaged in the same op.

A loss is defined by its value for one element and by its derivative with respect to each input. Both are written with
names that NumPy, jax.numpy and kuai share, so one text is the forward op, the backward op and, when the derivative is to
be differentiated again, what is recorded on the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from math import nan, prod
from types import SimpleNamespace

from ..engine.program import Aval, Op
from ..engine.trace import current
from ..tensor import Tensor
from . import rules
from .define import op

Reduction = str | int  # "none", "sum", "mean", or what to divide the sum by
MOST = 4  # operands of a loss; what it has fewer of is absent


def check_reduction(reduction: object) -> None:
    if reduction not in ("none", "mean", "sum") and not isinstance(reduction, int):
        raise ValueError(f"{reduction} is not a valid value for reduction")


def need_reduction(reduction: object) -> None:
    """Refuse what is no reduction's name; `check_reduction` takes divisors too."""
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")


def reduce(values, reduction: Reduction):
    """The elements' losses as the result."""
    if reduction == "none":
        return values
    total = values.sum()
    return total if reduction == "sum" else total / (values.size if reduction == "mean" else reduction)


# ---- how a loss of elements is made ----------------------------------------------------------------------------------


def _joint(op: Op, avals: Sequence) -> tuple:
    for x, name in zip(avals, ("input", "target")):
        if type(x) is not Aval:
            raise TypeError(f"{op.name}(): argument '{name}' must be Tensor, not {getattr(x, '__name__', 'NoneType')}")
    given = rules.tensors(avals)
    found = rules.result_dtype(given)
    if found.category != 2:
        raise NotImplementedError(f'"{op.name}" not implemented for \'{rules._cname(found)}\'')
    return rules.broadcast_shapes(op.name, *(a.shape for a in given)), found, rules.common_device(op, avals)


def _loss_rule(op: Op, avals: Sequence, *, reduction: Reduction) -> tuple:
    check_reduction(reduction)
    shape, found, where = _joint(op, avals)
    return Aval(shape if reduction == "none" else (), found, where), found


def _slope_rule(op: Op, avals: Sequence, *, shape: tuple, count: int) -> tuple:
    _, found, where = _joint(op, avals)
    return Aval(shape, found, where), found


def elementwise_loss(*slopes: Callable | None, cost: float = 4.0, grad_name: str | None = None) -> Callable:
    """Define ``loss(*inputs, reduction=…)`` from the loss of an element, ``f(xp, *inputs)``.

    slopes: its derivative with respect to each input, of the same form; None where there is none on purpose.
    """
    arity = len(slopes)
    absent = (None,) * (MOST - arity)

    def define(body: Callable) -> Callable:
        name = body.__name__
        vjp = [s and _derivative(s, arity, f"{name}_backward_{i}", cost) for i, s in enumerate(slopes)]

        @op(shape=_loss_rule, vjp=(*vjp, *absent), name=name, cost=cost, grad_name=grad_name)
        def loss(xp, x, y, u, v, *, reduction):
            return reduce(body(xp, *(x, y, u, v)[:arity]), reduction)

        def call(*inputs: object, reduction: Reduction) -> Tensor:
            return loss(*inputs, *absent, reduction=reduction)

        call.op, call.__name__, call.__doc__ = loss.op, name, body.__doc__
        return call

    return define


def _derivative(slope: Callable, arity: int, name: str, cost: float) -> Callable:
    """The rule for one input: one op; written out on the graph, if it is to be differentiated itself."""

    @op(shape=_slope_rule, vjp=None, name=name, cost=cost)
    def backward(xp, g, x, y, u, v, *, shape, count):
        found = slope(xp, *(x, y, u, v)[:arity]) * (g if count == 1 else g / count)
        return found if found.shape == shape else xp.broadcast_to(found, shape)

    def rule(g: Tensor, x: Tensor, y: Tensor, u: object, v: object, avals: tuple, reduction: Reduction) -> Tensor:
        shape, count = _extent(name, reduction, avals)
        if not current.grad:
            return backward(g, x, y, u, v, shape=shape, count=count)
        return (slope(shared_names(), *(x, y, u, v)[:arity]) * (g / count)).expand(shape)

    return rule


@lru_cache(maxsize=4096)
def _extent(name: str, reduction: Reduction, avals: tuple) -> tuple[tuple[int, ...], int]:
    """The shape of all inputs together, and what the sum over it was divided by."""
    shape = rules.broadcast_shapes(name, *(a.shape for a in rules.tensors(avals)))
    counts = {"none": 1, "sum": 1, "mean": prod(shape)}
    return shape, counts.get(reduction, reduction)


@cache
def shared_names() -> SimpleNamespace:
    """kuai's own functions under the names that slopes use, for derivatives that go on the graph."""
    from .activation import tanh
    from .comparison import clip, where
    from .elementwise import abs, exp, log, log1p
    from .rounding import sign

    return SimpleNamespace(abs=abs, clip=clip, exp=exp, log=log, log1p=log1p, sign=sign, tanh=tanh, where=where)


# ---- distances -------------------------------------------------------------------------------------------------------


@elementwise_loss(lambda xp, x, y: 2 * (x - y), lambda xp, x, y: 2 * (y - x))
def mse_loss(xp, x, y):
    d = x - y
    return d * d


@elementwise_loss(lambda xp, x, y: xp.sign(x - y), lambda xp, x, y: xp.sign(y - x), grad_name="MeanBackward0")
def l1_loss(xp, x, y):
    return xp.abs(x - y)


def _smooth_slope(xp, x, y, beta):
    d = x - y
    return xp.where(xp.abs(d) < beta, d / beta, xp.sign(d))


@elementwise_loss(_smooth_slope, lambda xp, x, y, beta: -_smooth_slope(xp, x, y, beta), None)
def smooth_l1_loss(xp, x, y, beta):
    """A parabola within beta of the target, lines of slope one outside."""
    d = xp.abs(x - y)
    return xp.where(d < beta, 0.5 * d * d / beta, d - 0.5 * beta)


def _huber_slope(xp, x, y, delta):
    d = x - y
    return xp.where(xp.abs(d) <= delta, d, delta * xp.sign(d))


@elementwise_loss(_huber_slope, lambda xp, x, y, delta: -_huber_slope(xp, x, y, delta), None)
def huber_loss(xp, x, y, delta):
    """A parabola within delta of the target, lines of slope delta outside."""
    d = xp.abs(x - y)
    return xp.where(d <= delta, 0.5 * d * d, delta * (d - 0.5 * delta))


# ---- probabilities ---------------------------------------------------------------------------------------------------


def _weighted(values, weight):
    return values if weight is None else values * weight


def _log(xp, x):
    """A logarithm that stops at -100, so that a sure mistake costs much and not all."""
    return xp.clip(xp.log(x), -100.0, None)


def _log_complement(xp, x):
    return xp.clip(xp.log1p(-x), -100.0, None)


@elementwise_loss(lambda xp, x, y, w: _weighted((x - y) / xp.clip(x * (1 - x), 1e-12, None), w),
                  lambda xp, x, y, w: _weighted(_log_complement(xp, x) - _log(xp, x), w),
                  None, cost=15.0)  # fmt: skip
def binary_cross_entropy(xp, x, y, w):
    return _weighted((y - 1) * _log_complement(xp, x) - y * _log(xp, x), w)


def _sigmoid(xp, x):
    return 0.5 * xp.tanh(0.5 * x) + 0.5  # no overflow, and smooth to any order


def _log_sigmoid(xp, x):
    return xp.clip(x, None, 0) - xp.log1p(xp.exp(-xp.abs(x)))


def _gain(y, pos_weight):
    """The weight of log sigmoid(x): 1, or for positives what they are said to weigh."""
    return 1 if pos_weight is None else (pos_weight - 1) * y + 1


def _logit_slope(xp, x, y, w, p):
    return _weighted((1 - y) - _gain(y, p) * _sigmoid(xp, -x), w)


def _logit_target_slope(xp, x, y, w, p):
    return _weighted(-x if p is None else (1 - p) * _log_sigmoid(xp, x) - x, w)


@elementwise_loss(_logit_slope, _logit_target_slope, None, None, cost=15.0)
def binary_cross_entropy_with_logits(xp, x, y, w, p):
    return _weighted((1 - y) * x - _gain(y, p) * _log_sigmoid(xp, x), w)


@elementwise_loss(lambda xp, x, y: -y, lambda xp, x, y: xp.log(y) + 1 - x, cost=10.0)
def kl_div(xp, x, y):
    """target · (log target - input): an element of Kullback and Leibler's divergence."""
    return y * xp.log(xp.where(y == 0, 1, y)) - y * x


@elementwise_loss(lambda xp, x, y: -xp.exp(y), lambda xp, x, y: xp.exp(y) * (y - x + 1), cost=10.0,
                  grad_name="KlDivBackward0")  # fmt: skip
def kl_div_of_logs(xp, x, y):
    """`kl_div` of a target that is given as its logarithm."""
    return xp.exp(y) * (y - x)


# ---- margins ---------------------------------------------------------------------------------------------------------


@elementwise_loss(lambda xp, x, y: -y * _sigmoid(xp, -y * x), None, cost=15.0)
def soft_margin_loss(xp, x, y):
    """log(1 + exp(-target · input))"""
    return -_log_sigmoid(xp, y * x)


def _hinge_slope(xp, x, y, margin):
    return xp.where(y != -1, 1.0, 0.0) - xp.where(y != 1, xp.where(x <= margin, 1.0, 0.0), 0.0)


@elementwise_loss(_hinge_slope, None, None)
def hinge_embedding_loss(xp, x, y, margin):
    """The distance itself for targets of 1; what it lacks to the margin for -1."""
    return xp.where(y != -1, x, 0) + xp.where(y != 1, xp.clip(margin - x, 0, None), 0)


def _ranking_slope(xp, a, b, y, margin):
    return xp.where(y * (a - b) <= margin, -y, 0)


@elementwise_loss(_ranking_slope, lambda xp, a, b, y, margin: -_ranking_slope(xp, a, b, y, margin),
                  lambda xp, a, b, y, margin: xp.where(y * (a - b) <= margin, b - a, 0), None)  # fmt: skip
def margin_ranking_loss(xp, a, b, y, margin):
    """How far the first input is from being above the second by the margin (below, for targets of -1)."""
    return xp.clip(margin - y * (a - b), 0, None)


# ---- likelihoods -----------------------------------------------------------------------------------------------------


@elementwise_loss(lambda xp, x, y: xp.exp(x) - y, lambda xp, x, y: -x, cost=8.0)
def poisson_nll_loss(xp, x, y):
    """-log of the probability of a count, from the logarithm of the rate, but for what does not depend on it."""
    return xp.exp(x) - y * x


@elementwise_loss(lambda xp, x, y, eps: 1 - y / (x + eps), lambda xp, x, y, eps: -xp.log(x + eps), None, cost=8.0,
                  grad_name="PoissonNllLossBackward0")  # fmt: skip
def poisson_nll_loss_of_rate(xp, x, y, eps):
    return x - y * xp.log(x + eps)


def _variance(xp, v, eps):
    """At least eps, with nan for what is none."""
    return xp.where(v < 0, nan, xp.clip(v, eps, None))


def _gaussian_slope(xp, x, y, v, eps):
    return (x - y) / _variance(xp, v, eps)


def _gaussian_variance_slope(xp, x, y, v, eps):
    v, d = _variance(xp, v, eps), x - y
    return 0.5 * (1 - d * d / v) / v


@elementwise_loss(_gaussian_slope, lambda xp, x, y, v, eps: -_gaussian_slope(xp, x, y, v, eps),
                  _gaussian_variance_slope, None, cost=10.0)  # fmt: skip
def gaussian_nll_loss(xp, x, y, v, eps):
    """-log of a normal density with variance v, but for its constant part."""
    v, d = _variance(xp, v, eps), x - y
    return 0.5 * (xp.log(v) + d * d / v)
