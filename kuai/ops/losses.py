"""Losses of elements: how far each input is from its target, summed or averaged in the same op.

A loss is defined by its value for one element and by its derivative with respect to each input. Both are written with
names that NumPy, jax.numpy and kuai share, so one text is the forward op, the backward op and, when the derivative is to
be differentiated again, what is recorded on the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from inspect import Parameter, Signature, signature
from math import log, nan, pi, prod
from types import SimpleNamespace

from ..engine.program import Aval, Op
from ..engine.trace import current
from ..tensor import Tensor
from . import rules
from .define import op

Reduction = str | int  # "none", "sum", "mean", or what to divide the sum by


def check_reduction(reduction: object) -> None:
    if reduction not in ("none", "mean", "sum") and not isinstance(reduction, int):
        raise ValueError(f"{reduction} is not a valid value for reduction")


def reduce(values, reduction: Reduction):
    """The elements' losses as the result."""
    if reduction == "none":
        return values
    total = values.sum()
    return total if reduction == "sum" else total / (values.size if reduction == "mean" else reduction)


# ---- how a loss of elements is made ----------------------------------------------------------------------------------------


def _joint(op: Op, avals: Sequence) -> tuple:
    given = rules.tensors(avals)
    found = rules.result_dtype(given)
    if found.category != 2:
        raise NotImplementedError(f'"{op.name}" not implemented for \'{rules._cname(found)}\'')
    return rules.broadcast_shapes(op.name, *(a.shape for a in given)), found, rules.common_device(op, avals)


def _loss_rule(op: Op, avals: Sequence, *, reduction: Reduction, **static: object) -> tuple:
    check_reduction(reduction)
    shape, found, where = _joint(op, avals)
    return Aval(shape if reduction == "none" else (), found, where), found


def _slope_rule(op: Op, avals: Sequence, *, shape: tuple, **static: object) -> tuple:
    _, found, where = _joint(op, avals)
    return Aval(shape, found, where), found


def elementwise_loss(*slopes: Callable | None, cost: float = 4.0, grad_name: str | None = None) -> Callable:
    """Define ``loss(*inputs, reduction=…)`` from the loss of an element, ``f(xp, *inputs, *, static…)``.

    slopes: its derivative with respect to each input, of the same form; None where there is none on purpose.
    """

    def define(body: Callable) -> Callable:
        xp, *others = signature(body).parameters.values()

        def loss(xp, *inputs, reduction, **static):
            return reduce(body(xp, *inputs, **static), reduction)

        loss.__doc__, loss.__module__ = body.__doc__, body.__module__
        vjp = tuple(s and _derivative(s, body.__name__, others, cost) for s in slopes)
        form = [xp, *others, _static("reduction")]
        return op(shape=_loss_rule, vjp=vjp, cost=cost, grad_name=grad_name)(_named(loss, body.__name__, form))

    return define


def _static(name: str) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY)


def _named(fn: Callable, name: str, form: Sequence[Parameter]) -> Callable:
    """Say by name what a function of ``*args`` takes: ops and their rules are made from that."""
    fn.__name__, fn.__signature__ = name, Signature(form)  # type: ignore[attr-defined]
    return fn


def _derivative(slope: Callable, name: str, others: list[Parameter], cost: float) -> Callable:
    """The rule for one input: one op; written out on the graph, if it is to be differentiated itself."""
    xp, g = (Parameter(n, Parameter.POSITIONAL_OR_KEYWORD) for n in ("xp", "g"))
    statics = [p.name for p in others if p.kind is Parameter.KEYWORD_ONLY]
    inputs = len(others) - len(statics)

    def backward(xp, g, *inputs, shape, count, **static):
        found = slope(xp, *inputs, **static) * (g if count == 1 else g / count)
        return found if found.shape == shape else xp.broadcast_to(found, shape)

    form = [xp, g, *others, _static("shape"), _static("count")]
    fused = op(shape=_slope_rule, vjp=None, cost=cost)(_named(backward, f"{name}_backward", form))

    def rule(g: Tensor, *rest: object) -> Tensor:
        *given, reduction, avals = rest
        static = dict(zip(statics, given[inputs:]))
        shape, count = _extent(name, reduction, avals)
        if not current.grad:
            return fused(g, *given[:inputs], shape=shape, count=count, **static)
        return (slope(shared_names(), *given[:inputs], **static) * (g / count)).expand(shape)

    return _named(rule, f"{name}_rule", [g, *others, _static("reduction"), _static("avals")])


@lru_cache(maxsize=4096)
def _extent(name: str, reduction: Reduction, avals: tuple) -> tuple[tuple[int, ...], int]:
    """The shape of all inputs together, and what the sum over it was divided by."""
    shape = rules.broadcast_shapes(name, *(a.shape for a in rules.tensors(avals)))
    counts = {"none": 1, "sum": 1, "mean": prod(shape)}
    return shape, counts.get(reduction, reduction)  # type: ignore[call-overload, return-value]


@lru_cache(maxsize=None)
def shared_names() -> SimpleNamespace:
    """kuai's own functions under the names that slopes use, for derivatives that go on the graph."""
    import kuai

    names = ("abs", "clip", "exp", "log", "log1p", "sign", "tanh", "where")
    return SimpleNamespace(**{n: getattr(kuai, n) for n in names})


# ---- distances ---------------------------------------------------------------------------------------------------------------


@elementwise_loss(lambda xp, x, y: 2 * (x - y), lambda xp, x, y: 2 * (y - x), grad_name="MseLossBackward0")
def squared_error(xp, x, y):
    d = x - y
    return d * d


@elementwise_loss(lambda xp, x, y: xp.sign(x - y), lambda xp, x, y: xp.sign(y - x), grad_name="MeanBackward0")
def absolute_error(xp, x, y):
    return xp.abs(x - y)


def _smooth_slope(xp, x, y, beta):
    d = x - y
    return xp.where(xp.abs(d) < beta, d / beta, xp.sign(d))


@elementwise_loss(_smooth_slope, lambda xp, x, y, beta: -_smooth_slope(xp, x, y, beta), None,
                  grad_name="SmoothL1LossBackward0")  # fmt: skip
def smooth_absolute_error(xp, x, y, beta):
    """A parabola within beta of the target, lines of slope one outside."""
    d = xp.abs(x - y)
    return xp.where(d < beta, 0.5 * d * d / beta, d - 0.5 * beta)


def _huber_slope(xp, x, y, delta):
    d = x - y
    return xp.where(xp.abs(d) <= delta, d, delta * xp.sign(d))


@elementwise_loss(_huber_slope, lambda xp, x, y, delta: -_huber_slope(xp, x, y, delta), None,
                  grad_name="HuberLossBackward0")  # fmt: skip
def huber(xp, x, y, delta):
    """A parabola within delta of the target, lines of slope delta outside."""
    d = xp.abs(x - y)
    return xp.where(d <= delta, 0.5 * d * d, delta * (d - 0.5 * delta))


# ---- probabilities -----------------------------------------------------------------------------------------------------------


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


def _logit_loss(xp, x, y, pos_weight):
    return (1 - y) * x - _gain(y, pos_weight) * _log_sigmoid(xp, x)


def _logit_slope(xp, x, y, w, p):
    return _weighted((1 - y) - _gain(y, p) * _sigmoid(xp, -x), w)


def _logit_target_slope(xp, x, y, w, p):
    return _weighted(-x if p is None else (1 - p) * _log_sigmoid(xp, x) - x, w)


@elementwise_loss(_logit_slope, _logit_target_slope,
                  lambda xp, x, y, w, p: _logit_loss(xp, x, y, p),
                  lambda xp, x, y, w, p: _weighted(-y * _log_sigmoid(xp, x), w),
                  cost=15.0)  # fmt: skip
def binary_cross_entropy_with_logits(xp, x, y, w, p):
    return _weighted(_logit_loss(xp, x, y, p), w)


def _divergence_slope(xp, x, y, *, log_target):
    return -xp.exp(y) if log_target else -y


def _divergence_target_slope(xp, x, y, *, log_target):
    return xp.exp(y) * (y - x + 1) if log_target else xp.log(y) + 1 - x


@elementwise_loss(_divergence_slope, _divergence_target_slope, cost=10.0)
def divergence(xp, x, y, *, log_target):
    """target · (log target - input): an element of Kullback and Leibler's divergence."""
    if log_target:
        return xp.exp(y) * (y - x)
    return y * xp.log(xp.where(y == 0, 1, y)) - y * x


# ---- margins -----------------------------------------------------------------------------------------------------------------


@elementwise_loss(lambda xp, x, y: -y * _sigmoid(xp, -y * x), None, cost=15.0)
def soft_margin(xp, x, y):
    """log(1 + exp(-target · input))"""
    return -_log_sigmoid(xp, y * x)


def _hinge_slope(xp, x, y, margin):
    return xp.where(y != -1, 1.0, 0.0) - xp.where(y != 1, xp.where(x <= margin, 1.0, 0.0), 0.0)


@elementwise_loss(_hinge_slope, None, None)
def hinge_embedding(xp, x, y, margin):
    """The distance itself for targets of 1; what it lacks to the margin for -1."""
    return xp.where(y != -1, x, 0) + xp.where(y != 1, xp.clip(margin - x, 0, None), 0)


def _ranking_slope(xp, a, b, y, margin):
    return xp.where(y * (a - b) <= margin, -y, 0 * y)


@elementwise_loss(_ranking_slope, lambda xp, a, b, y, margin: -_ranking_slope(xp, a, b, y, margin),
                  lambda xp, a, b, y, margin: xp.where(y * (a - b) <= margin, b - a, 0), None)  # fmt: skip
def margin_ranking(xp, a, b, y, margin):
    """How far the first input is from being above the second by the margin (below, for targets of -1)."""
    return xp.clip(margin - y * (a - b), 0, None)


# ---- likelihoods -------------------------------------------------------------------------------------------------------------


def _poisson_slope(xp, x, y, eps, *, log_input, full):
    return xp.exp(x) - y if log_input else 1 - y / (x + eps)


def _poisson_target_slope(xp, x, y, eps, *, log_input, full):
    slope = -x if log_input else -xp.log(x + eps)
    return slope + xp.where(y > 1, xp.log(y) + 0.5 / y, 0) if full else slope


@elementwise_loss(_poisson_slope, _poisson_target_slope, None, cost=10.0)
def poisson(xp, x, y, eps, *, log_input, full):
    """-log of the probability of a count; full adds Stirling's approximation of the part without the input."""
    loss = xp.exp(x) - y * x if log_input else x - y * xp.log(x + eps)
    return loss + xp.where(y > 1, y * xp.log(y) - y + 0.5 * xp.log(2 * pi * y), 0) if full else loss


def _variance(xp, v, eps):
    """At least eps, with nan for what is none."""
    return xp.where(v < 0, nan, xp.clip(v, eps, None))


def _gaussian_slope(xp, x, y, v, eps, *, full):
    return (x - y) / _variance(xp, v, eps)


def _gaussian_variance_slope(xp, x, y, v, eps, *, full):
    v, d = _variance(xp, v, eps), x - y
    return 0.5 * (1 - d * d / v) / v


@elementwise_loss(_gaussian_slope, lambda xp, x, y, v, eps, *, full: -_gaussian_slope(xp, x, y, v, eps, full=full),
                  _gaussian_variance_slope, None, cost=10.0)  # fmt: skip
def gaussian(xp, x, y, v, eps, *, full):
    """-log of a normal density with variance v; full adds the constant part."""
    v, d = _variance(xp, v, eps), x - y
    loss = 0.5 * (xp.log(v) + d * d / v)
    return loss + 0.5 * log(2 * pi) if full else loss
