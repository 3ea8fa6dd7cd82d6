"""Divergences between different families: what q's density is on average under p, less what p's is.

The logarithm of each q's density is a sum of few statistics (x, x**2, log x, exp(-x / scale)), whose means each p knows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import kuai

from ..tensor import Tensor
from .continuous import Exponential, Laplace, Normal, Uniform
from .discrete import Bernoulli, Binomial, Poisson
from .distribution import Distribution
from .gamma import Beta, Gamma
from .kl import register_kl
from .tails import ContinuousBernoulli
from .transformed import EULER, Gumbel, Pareto

Unit = (Beta, ContinuousBernoulli)


def _x_log_x(p: Any) -> Tensor:
    """The mean of ``log x + 1`` between the ends of a uniform distribution."""
    return (kuai.xlogy(p.high, p.high) - kuai.xlogy(p.low, p.low)) / (p.high - p.low)


# The mean of log x.
_LOG: dict[type, Callable[[Any], Tensor]] = {
    Beta: lambda p: kuai.digamma(p.concentration1) - kuai.digamma(p.concentration1 + p.concentration0),
    Exponential: lambda p: -EULER - p.rate.log(),
    Gamma: lambda p: kuai.digamma(p.concentration) - p.rate.log(),
    Pareto: lambda p: p.scale.log() + p.alpha.reciprocal(),
    Uniform: lambda p: _x_log_x(p) - 1,
}

# The mean of exp(-t x).
_EXP: dict[type, Callable[[Any, Tensor], Tensor]] = {
    Exponential: lambda p, t: p.rate / (p.rate + t),
    Gamma: lambda p, t: (1 + t / p.rate) ** -p.concentration,
    Normal: lambda p, t: ((p.scale * t) ** 2 / 2 - p.loc * t).exp(),
    Uniform: lambda p, t: ((-p.low * t).exp() - (-p.high * t).exp()) / (t * (p.high - p.low)),
}


def _mean_of(table: dict[type, Callable], p: Distribution, *given: Tensor) -> Tensor:
    return next(rule for kind, rule in table.items() if isinstance(p, kind))(p, *given)


def _average(kinds: Sequence[type], of: type) -> Callable[[Callable], Callable]:
    """Register the mean of a density's logarithm under each of the kinds."""

    def keep(rule: Callable[[Any, Any], Tensor]) -> Callable:
        for kind in kinds:
            register_kl(kind, of)(lambda a, b: -a.entropy() - rule(a, b))
        return rule

    return keep


@_average((Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Pareto, Uniform), Normal)
def _under_normal(p: Any, q: Normal) -> Tensor:
    far = p.variance + (p.mean - q.loc) ** 2
    return -(far / (2 * q.scale**2)) - q.scale.log() - 0.5 * math.log(2 * math.pi)


@_average((Beta, ContinuousBernoulli, Gamma, Pareto, Uniform), Exponential)
def _under_exponential(p: Any, q: Exponential) -> Tensor:
    return _unless_below(q.rate.log() - q.rate * p.mean, p)


@_average((Beta, Exponential, Pareto, Uniform), Gamma)
def _under_gamma(p: Any, q: Gamma) -> Tensor:
    size = q.concentration * q.rate.log() - kuai.lgamma(q.concentration)
    return _unless_below(size + (q.concentration - 1) * _mean_of(_LOG, p) - q.rate * p.mean, p)


def _unless_below(found: Tensor, p: Any) -> Tensor:
    """-inf if p, uniform, begins below 0."""
    return found.masked_fill(p.low < 0, -math.inf) if isinstance(p, Uniform) else found


@_average((Exponential, Gamma, Normal, Uniform), Gumbel)
def _under_gumbel(p: Any, q: Gumbel) -> Tensor:
    shift, t = q.loc / q.scale, q.scale.reciprocal()
    return shift - p.mean * t - q.scale.log() - shift.exp() * _mean_of(_EXP, p, t)


@_average((Uniform,), Beta)
def _under_beta(p: Any, q: Beta) -> Tensor:
    a, b = q.concentration1, q.concentration0
    flipped = Uniform(1 - p.high, 1 - p.low, validate_args=False)
    found = (a - 1) * _mean_of(_LOG, p) + (b - 1) * _mean_of(_LOG, flipped)
    found = found + kuai.lgamma(a + b) - kuai.lgamma(a) - kuai.lgamma(b)
    return found.masked_fill((p.high > 1) | (p.low < 0), -math.inf)


@_average((Beta, Uniform), ContinuousBernoulli)
def _under_continuous_bernoulli(p: Any, q: ContinuousBernoulli) -> Tensor:
    found = p.mean * q.logits + (-q.probs).log1p() + q._log_norm()
    return found.masked_fill((p.high >= 1) | (p.low <= 0), -math.inf) if isinstance(p, Uniform) else found


@_average((Beta,), Uniform)
def _under_uniform(p: Any, q: Uniform) -> Tensor:
    return (-(q.high - q.low).log()).masked_fill((q.low > 0) | (q.high < 1), -math.inf)


@_average((ContinuousBernoulli,), Uniform)
def _under_uniform_open(p: Any, q: Uniform) -> Tensor:
    """As PyTorch has it: the uniform distribution must reach beyond 0 and 1."""
    return (-(q.high - q.low).log()).masked_fill((q.low >= 0) | (q.high <= 1), -math.inf)


@_average((Uniform,), Pareto)
def _under_pareto(p: Any, q: Pareto) -> Tensor:
    found = q.alpha.log() + q.alpha * q.scale.log() - (q.alpha + 1) * _mean_of(_LOG, p)
    return found.masked_fill(p.low < q.scale, -math.inf)


@_average((Normal,), Laplace)
def _under_laplace(p: Any, q: Laplace) -> Tensor:
    far = (p.loc - q.loc) / p.scale
    distance = p.scale * (math.sqrt(2 / math.pi) * (-0.5 * far**2).exp() + far * kuai.erf(far / math.sqrt(2)))
    return -(2 * q.scale).log() - distance / q.scale


@_average((Bernoulli,), Poisson)
def _under_poisson(p: Any, q: Poisson) -> Tensor:
    return p.probs * q.rate.log() - q.rate


def _nowhere(p: Any, q: Any) -> Tensor:
    """p draws what q never does."""
    return kuai.full_like(p.mean, math.inf)


for _p, _others in (
    (Pareto, Unit + (Uniform,)),
    (Beta, (Pareto,)),
    (ContinuousBernoulli, (Pareto,)),
    (Exponential, Unit + (Pareto, Uniform)),
    (Gamma, Unit + (Pareto, Uniform)),
    (Gumbel, Unit + (Exponential, Gamma, Pareto, Uniform)),
    (Laplace, Unit + (Exponential, Gamma, Pareto, Uniform)),
    (Normal, Unit + (Exponential, Gamma, Pareto, Uniform)),
    (Poisson, (Bernoulli, Binomial)),
):
    for _q in _others:
        register_kl(_p, _q)(_nowhere)
