"""The Kullback-Leibler divergence of pairs of distributions."""

from __future__ import annotations

import math
from collections.abc import Callable

import kuai

from .. import linalg
from ..tensor import Tensor
from .continuous import Cauchy, Exponential, Laplace, Normal, Uniform
from .discrete import Bernoulli, Binomial, Categorical, Geometric, OneHotCategorical, Poisson
from .distribution import Distribution, ExponentialFamily, Independent, sum_last
from .gamma import Beta, Dirichlet, Gamma
from .lowrank import LowRankMultivariateNormal
from .multivariate_normal import MultivariateNormal
from .tails import ContinuousBernoulli
from .transformed import EULER, Gumbel, HalfNormal, Pareto, TransformedDistribution

_RULES: dict[tuple[type, type], Callable] = {}


def register_kl(type_p: type, type_q: type) -> Callable:
    """Register a function of two distributions as their divergence (``torch.distributions.register_kl``).

    >>> import kuai as torch
    >>> from kuai import distributions as d
    >>> class Fixed(d.Normal): ...
    >>> @d.register_kl(Fixed, Fixed)
    ... def _(p, q):
    ...     return torch.tensor(7.0)
    >>> d.kl_divergence(Fixed(0.0, 1.0), Fixed(0.0, 1.0))
    tensor(7.)
    """

    for given, name in ((type_p, "type_p"), (type_q, "type_q")):
        if not isinstance(given, type):  # a class of another tree may be a mixin of distributions
            raise TypeError(f"Expected {name} to be a Distribution subclass but got {given}")

    def keep(fn: Callable) -> Callable:
        _RULES[type_p, type_q] = fn
        return fn

    return keep


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """How much is lost when q is taken for p (``torch.distributions.kl_divergence``).

    >>> import kuai as torch
    >>> torch.distributions.kl_divergence(torch.distributions.Normal(0., 1.), torch.distributions.Normal(1., 1.))
    tensor(0.5000)
    """
    for a in type(p).__mro__:
        for b in type(q).__mro__:
            if (a, b) in _RULES:
                return _RULES[a, b](p, q)
    raise NotImplementedError(f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}")


@register_kl(Normal, Normal)
def _normal(p: Normal, q: Normal) -> Tensor:
    ratio = (p.scale / q.scale) ** 2
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale) ** 2 - 1 - ratio.log())


@register_kl(Laplace, Laplace)
def _laplace(p: Laplace, q: Laplace) -> Tensor:
    ratio, far = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + far / q.scale + ratio * (-far / p.scale).exp() - 1


@register_kl(Uniform, Uniform)
def _uniform(p: Uniform, q: Uniform) -> Tensor:
    found = ((q.high - q.low) / (p.high - p.low)).log()
    return found.masked_fill((q.low > p.low) | (q.high < p.high), float("inf"))


@register_kl(Exponential, Exponential)
def _exponential(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    def term(of: Tensor, over: Tensor) -> Tensor:
        found = of * (of / over).log()
        return found.masked_fill(over == 0, float("inf")).masked_fill(of == 0, 0)

    return term(p.probs, q.probs) + term(1 - p.probs, 1 - q.probs)


@register_kl(Categorical, Categorical)
def _categorical(p: Categorical, q: Categorical) -> Tensor:
    found = p.probs * (p.logits - q.logits)
    found = found.masked_fill((q.probs == 0).expand_as(found), float("inf"))
    return found.masked_fill((p.probs == 0).expand_as(found), 0).sum(-1)


@register_kl(Poisson, Poisson)
def _poisson(p: Poisson, q: Poisson) -> Tensor:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Gamma, Gamma)
def _gamma(p: Gamma, q: Gamma) -> Tensor:
    a, b = p.concentration, q.concentration
    sizes = b * (p.rate / q.rate).log() + kuai.lgamma(b) - kuai.lgamma(a)
    return sizes + (a - b) * kuai.digamma(a) + (q.rate - p.rate) * (a / p.rate)


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Dirichlet, q: Dirichlet) -> Tensor:
    a, b = p.concentration, q.concentration
    total = a.sum(-1, keepdim=True)
    sizes = kuai.lgamma(total.squeeze(-1)) - kuai.lgamma(b.sum(-1)) - (kuai.lgamma(a) - kuai.lgamma(b)).sum(-1)
    return sizes + ((a - b) * (kuai.digamma(a) - kuai.digamma(total))).sum(-1)


@register_kl(Beta, Beta)
def _beta(p: Beta, q: Beta) -> Tensor:
    return _dirichlet(p._pair, q._pair)


Vectors = MultivariateNormal | LowRankMultivariateNormal


def _whiten(q: Vectors, columns: Tensor) -> Tensor:
    """Columns of vectors in the standard deviations of q."""
    root = q._unbroadcasted_scale_tril if isinstance(q, MultivariateNormal) else q.scale_tril
    return linalg.solve_triangular(root, columns, upper=False)


def _spread(q: Vectors, p: Vectors) -> Tensor:
    """The trace of the inverse of q's covariance times p's."""
    if isinstance(p, MultivariateNormal):
        return (_whiten(q, p._unbroadcasted_scale_tril) ** 2).sum((-2, -1))
    own = p._diag.sqrt().diag_embed()
    return (_whiten(q, p._factor) ** 2).sum((-2, -1)) + (_whiten(q, own) ** 2).sum((-2, -1))


def _log_det(d: Vectors) -> Tensor:
    return 2 * d._half_log_det() if isinstance(d, MultivariateNormal) else d._log_det()


@register_kl(MultivariateNormal, MultivariateNormal)
@register_kl(MultivariateNormal, LowRankMultivariateNormal)
@register_kl(LowRankMultivariateNormal, MultivariateNormal)
@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _normal_vectors(p: Vectors, q: Vectors) -> Tensor:
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two (Low Rank) Multivariate Normals with different event shapes cannot be computed"
        )
    far = (_whiten(q, (q.loc - p.loc).unsqueeze(-1)) ** 2).sum((-2, -1))
    return 0.5 * (_log_det(q) - _log_det(p) + _spread(q, p) + far - p.event_shape[0])


@register_kl(Independent, Independent)
def _independent(p: Independent, q: Independent) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("KL of Independents needs one number of reinterpreted dimensions")
    return sum_last(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot(p: OneHotCategorical, q: OneHotCategorical) -> Tensor:
    return _categorical(p._categorical, q._categorical)


@register_kl(Geometric, Geometric)
def _geometric(p: Geometric, q: Geometric) -> Tensor:
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(Binomial, Binomial)
def _binomial(p: Binomial, q: Binomial) -> Tensor:
    if (p.total_count < q.total_count).any():
        raise NotImplementedError("KL between Binomials where q.total_count > p.total_count is not implemented")
    found = p.total_count * (p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p())
    return found.masked_fill(p.total_count > q.total_count, math.inf)


@register_kl(Cauchy, Cauchy)
def _cauchy(p: Cauchy, q: Cauchy) -> Tensor:
    return ((p.scale + q.scale) ** 2 + (p.loc - q.loc) ** 2).log() - (4 * p.scale * q.scale).log()


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoulli(p: ContinuousBernoulli, q: ContinuousBernoulli) -> Tensor:
    sizes = p._log_norm() + (-p.probs).log1p() - q._log_norm() - (-q.probs).log1p()
    return p.mean * (p.logits - q.logits) + sizes


@register_kl(Gumbel, Gumbel)
def _gumbel(p: Gumbel, q: Gumbel) -> Tensor:
    ratio, far = p.scale / q.scale, (p.loc - q.loc) / q.scale
    return far - ratio.log() + EULER * ratio + (kuai.lgamma(1 + ratio) - far).exp() - (1 + EULER)


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: HalfNormal, q: HalfNormal) -> Tensor:
    return _normal(p.base_dist, q.base_dist)


@register_kl(Pareto, Pareto)
def _pareto(p: Pareto, q: Pareto) -> Tensor:
    ratio = q.alpha / p.alpha
    found = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return found.masked_fill(p.scale < q.scale, math.inf)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: TransformedDistribution, q: TransformedDistribution) -> Tensor:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError("KL of two transformed distributions needs equal transforms and event shapes")
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(ExponentialFamily, ExponentialFamily)
def _exponential_family(p: ExponentialFamily, q: ExponentialFamily) -> Tensor:
    """The Bregman divergence of F."""
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot be computed using Bregman divergences"
        )
    parameters, normalizer, slopes = p._normalizer()
    found = q._log_normalizer(*q._natural_params) - normalizer
    for mine, other, slope in zip(parameters, q._natural_params, slopes):
        found = found - ((other - mine) * slope).reshape(*q.batch_shape, -1).sum(-1)
    return found
