"""Distributions that are functions of others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import kuai

from ..engine import Size
from ..tensor import Tensor
from . import constraints
from .continuous import Cauchy, Exponential, Normal, Uniform
from .distribution import Distribution, Independent, sum_last, together
from .gamma import Gamma
from .transform import ComposeTransform, Transform
from .transform_elements import AbsTransform, AffineTransform, ExpTransform, PowerTransform
from .transform_vectors import StickBreakingTransform

EULER = 0.57721566490153286060  # Euler's constant


class TransformedDistribution(Distribution):
    """What a function, or several one after the other, make of a distribution's draws
    (``torch.distributions.TransformedDistribution``).

    >>> import kuai as torch
    >>> from kuai import distributions as d
    >>> lognormal = d.TransformedDistribution(d.Normal(0., 1.), [d.ExpTransform()])
    >>> lognormal.log_prob(torch.tensor(1.))
    tensor(-0.9189)
    """

    def __init__(self, base_distribution: Distribution, transforms: Transform | list[Transform],
                 validate_args: bool | None = None):  # fmt: skip
        if not isinstance(transforms, (Transform, list)):
            raise ValueError(f"transforms must be a Transform or list, but was {transforms}")
        self.transforms = [transforms] if isinstance(transforms, Transform) else transforms
        if not all(isinstance(t, Transform) for t in self.transforms):
            raise ValueError("transforms must be a Transform or a list of Transforms")
        whole = ComposeTransform(self.transforms)
        shape = base_distribution.batch_shape + base_distribution.event_shape
        before, after = whole.domain.event_dim, whole.codomain.event_dim
        if len(shape) < before:
            raise ValueError(f"base_distribution needs to have shape with size at least {before}, but got {shape}.")
        event_dim = len(base_distribution.event_shape)
        image = Size(whole.forward_shape(shape))
        self.base_dist: Any = _reshaped(base_distribution, Size(whole.inverse_shape(image)), before)
        cut = len(image) - max(after, event_dim + after - before)
        super().__init__(image[:cut], image[cut:], validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: object = None) -> TransformedDistribution:
        """The same distribution for a larger batch."""
        size = Size(batch_shape)
        grown: Any = super().expand(size)
        shape = ComposeTransform(self.transforms).inverse_shape(size + self.event_shape)
        grown.base_dist = self.base_dist.expand(shape[: len(shape) - len(self.base_dist.event_shape)])
        return grown

    @property
    def support(self) -> constraints.Constraint:  # type: ignore[override]
        """What the last function gives."""
        if not self.transforms:
            return self.base_dist.support
        found = self.transforms[-1].codomain
        more = len(self.event_shape) - found.event_dim
        return constraints.independent(found, more) if more > 0 else found

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """As the first distribution."""
        return self.base_dist.has_rsample

    def _applied(self, x: Tensor) -> Tensor:
        for transform in self.transforms:
            x = transform(x)
        return x

    def _undone(self, y: Tensor) -> Tensor:
        for transform in reversed(self.transforms):
            y = transform.inv(y)
        return y

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws, without a gradient."""
        with kuai.no_grad():
            return self._applied(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients reach the parameters."""
        return self._applied(self.base_dist.rsample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """The density of what the value was made of, less the logarithm of how much the functions stretch there."""
        self._check_sample(value)
        event_dim, stretched = len(self.event_shape), 0.0
        for transform in reversed(self.transforms):
            x = transform.inv(value)
            event_dim += transform.domain.event_dim - transform.codomain.event_dim
            step = transform.log_abs_det_jacobian(x, value)
            stretched = stretched + sum_last(step, event_dim - transform.domain.event_dim)  # type: ignore[assignment]
            value = x
        density = sum_last(self.base_dist.log_prob(value), event_dim - len(self.base_dist.event_shape))
        return density - stretched

    def _rising(self, chance: Tensor) -> Tensor:
        """The probability of less for that of more, if the functions fall."""
        sign = ComposeTransform(self.transforms).sign
        return chance if isinstance(sign, int) and sign == 1 else sign * (chance - 0.5) + 0.5

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most a value."""
        inner = self._undone(value)
        if self._validate_args:
            self.base_dist._validate_sample(inner)
        return self._rising(self.base_dist.cdf(inner))

    def icdf(self, value: Tensor) -> Tensor:
        """The value that is not exceeded with a probability."""
        return self._applied(self.base_dist.icdf(self._rising(value)))


def _reshaped(base: Distribution, shape: Size, event_dim: int) -> Distribution:
    """The distribution for the shape, its last dimensions as one event."""
    inner = len(base.event_shape)
    if base.batch_shape + base.event_shape != shape:
        base = base.expand(shape[: len(shape) - inner])
    return Independent(base, event_dim - inner) if event_dim > inner else base


class LogNormal(TransformedDistribution):
    """Numbers whose logarithm is normal (``torch.distributions.LogNormal``).

    >>> import kuai as torch
    >>> torch.distributions.LogNormal(0.0, 1.0).mean
    tensor(1.6487)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, loc: object, scale: object, validate_args: bool | None = None):
        super().__init__(Normal(loc, scale, validate_args), ExpTransform(), validate_args)

    @property
    def loc(self) -> Tensor:
        """The mean of the logarithm."""
        return self.base_dist.loc

    @property
    def scale(self) -> Tensor:
        """The standard deviation of the logarithm."""
        return self.base_dist.scale

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return (self.loc + self.scale**2 / 2).exp()

    @property
    def mode(self) -> Tensor:
        """The likeliest value."""
        return (self.loc - self.scale**2).exp()

    @property
    def variance(self) -> Tensor:
        """The variance."""
        square = self.scale**2
        return square.expm1() * (2 * self.loc + square).exp()

    def entropy(self) -> Tensor:
        """The entropy."""
        return self.base_dist.entropy() + self.loc


class Gumbel(TransformedDistribution):
    """The largest of many (``torch.distributions.Gumbel``).

    >>> import kuai as torch
    >>> torch.distributions.Gumbel(0.0, 1.0).mean
    tensor(0.5772)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real

    def __init__(self, loc: object, scale: object, validate_args: bool | None = None):
        self.loc, self.scale = together(loc, scale)
        finfo = kuai.finfo(self.loc.dtype)
        low, high = kuai.full_like(self.loc, finfo.tiny), kuai.full_like(self.loc, 1 - finfo.eps)
        super().__init__(
            Uniform(low, high, validate_args),
            [
                ExpTransform().inv,
                AffineTransform(0, -kuai.ones_like(self.scale)),
                ExpTransform().inv,
                AffineTransform(self.loc, -self.scale),
            ],
            validate_args,
        )

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density, directly: the way back loses digits."""
        self._check_sample(value)
        y = (self.loc - value) / self.scale
        return (y - y.exp()) - self.scale.log()

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.loc + self.scale * EULER

    @property
    def mode(self) -> Tensor:
        """The likeliest value."""
        return self.loc

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return (math.pi / math.sqrt(6)) * self.scale

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.stddev**2

    def entropy(self) -> Tensor:
        """The entropy."""
        return self.scale.log() + (1 + EULER)


class _Half(TransformedDistribution):
    """The absolute value of numbers around zero."""

    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, base: Distribution, validate_args: bool | None):
        super().__init__(base, AbsTransform(), validate_args)

    @property
    def scale(self) -> Tensor:
        """That of the whole distribution."""
        return self.base_dist.scale

    @property
    def mode(self) -> Tensor:
        """Zero."""
        return kuai.zeros_like(self.scale)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._check_sample(value)
        return kuai.where(value >= 0, self.base_dist.log_prob(value) + math.log(2), -math.inf)

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most a value."""
        self._check_sample(value)
        return 2 * self.base_dist.cdf(value) - 1

    def icdf(self, prob: Tensor) -> Tensor:
        """The value that is not exceeded with a probability."""
        return self.base_dist.icdf((prob + 1) / 2)

    def entropy(self) -> Tensor:
        """The entropy."""
        return self.base_dist.entropy() - math.log(2)


class HalfNormal(_Half):
    """The absolute value of a normal number (``torch.distributions.HalfNormal``).

    >>> import kuai as torch
    >>> torch.distributions.HalfNormal(1.0).mean
    tensor(0.7979)
    """

    def __init__(self, scale: object, validate_args: bool | None = None):
        super().__init__(Normal(0, scale, validate_args=False), validate_args)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.scale**2 * (1 - 2 / math.pi)


class HalfCauchy(_Half):
    """The absolute value of a Cauchy number (``torch.distributions.HalfCauchy``).

    >>> import kuai as torch
    >>> torch.distributions.HalfCauchy(1.0).cdf(torch.tensor(1.0))
    tensor(0.5000)
    """

    def __init__(self, scale: object, validate_args: bool | None = None):
        super().__init__(Cauchy(0, scale, validate_args=False), validate_args)

    @property
    def mean(self) -> Tensor:
        """Infinite."""
        return kuai.full_like(self.scale, math.inf)

    @property
    def variance(self) -> Tensor:
        """Infinite."""
        return self.base_dist.variance


class Pareto(TransformedDistribution):
    """Numbers above a scale whose logarithm is exponential (``torch.distributions.Pareto``).

    >>> import kuai as torch
    >>> torch.distributions.Pareto(1.0, 2.0).mean
    tensor(2.)
    """

    arg_constraints = {"alpha": constraints.positive, "scale": constraints.positive}

    def __init__(self, scale: object, alpha: object, validate_args: bool | None = None):
        self.scale, self.alpha = together(scale, alpha)
        parts: list[Transform] = [ExpTransform(), AffineTransform(0, self.scale)]
        super().__init__(Exponential(self.alpha, validate_args), parts, validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> constraints.Constraint:  # type: ignore[override]
        """From the scale on."""
        return constraints.greater_than_eq(self.scale)

    @property
    def mean(self) -> Tensor:
        """The mean; infinite up to alpha = 1."""
        a = self.alpha.clamp(min=1)
        return a * self.scale / (a - 1)

    @property
    def mode(self) -> Tensor:
        """The scale."""
        return self.scale

    @property
    def variance(self) -> Tensor:
        """The variance; infinite up to alpha = 2."""
        a = self.alpha.clamp(min=2)
        return self.scale**2 * a / ((a - 1) ** 2 * (a - 2))

    def entropy(self) -> Tensor:
        """The entropy."""
        return (self.scale / self.alpha).log() + (1 + self.alpha.reciprocal())


class Weibull(TransformedDistribution):
    """Powers of a waiting time (``torch.distributions.Weibull``).

    >>> import kuai as torch
    >>> torch.distributions.Weibull(1.0, 1.0).mean
    tensor(1.)
    """

    arg_constraints = {"scale": constraints.positive, "concentration": constraints.positive}
    support = constraints.positive

    def __init__(self, scale: object, concentration: object, validate_args: bool | None = None):
        self.scale, self.concentration = together(scale, concentration)
        parts: list[Transform] = [PowerTransform(self.concentration_reciprocal), AffineTransform(0, self.scale)]
        super().__init__(Exponential(kuai.ones_like(self.scale), validate_args), parts, validate_args)

    @property
    def concentration_reciprocal(self) -> Tensor:
        """One over the concentration."""
        return self.concentration.reciprocal()

    def _moment(self, n: int) -> Tensor:
        return kuai.lgamma(1 + n * self.concentration_reciprocal)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.scale * self._moment(1).exp()

    @property
    def mode(self) -> Tensor:
        """The likeliest value."""
        k = self.concentration
        return self.scale * ((k - 1) / k) ** k.reciprocal()

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.scale**2 * (self._moment(2).exp() - (2 * self._moment(1)).exp())

    def entropy(self) -> Tensor:
        """The entropy."""
        part = self.concentration_reciprocal
        return EULER * (1 - part) + (self.scale * part).log() + 1


class Kumaraswamy(TransformedDistribution):
    """Numbers from 0 to 1, much like `Beta` (``torch.distributions.Kumaraswamy``).

    >>> import kuai as torch
    >>> torch.distributions.Kumaraswamy(1.0, 1.0).mean
    tensor(0.5000)
    """

    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1: object, concentration0: object, validate_args: bool | None = None):
        self.concentration1, self.concentration0 = together(concentration1, concentration0)
        zero = kuai.zeros_like(self.concentration0)
        parts: list[Transform] = [
            PowerTransform(self.concentration0.reciprocal()),
            AffineTransform(1.0, -1.0),
            PowerTransform(self.concentration1.reciprocal()),
        ]
        super().__init__(Uniform(zero, zero + 1, validate_args), parts, validate_args)

    def _moment(self, n: int) -> Tensor:
        part = 1 + n / self.concentration1
        logarithm = kuai.lgamma(part) + kuai.lgamma(self.concentration0) - kuai.lgamma(part + self.concentration0)
        return self.concentration0 * logarithm.exp()

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self._moment(1)

    @property
    def mode(self) -> Tensor:
        """The likeliest value; nan if a concentration is below 1."""
        a, b = self.concentration1, self.concentration0
        logarithm = b.reciprocal() * (-b).log1p() - (-b * a).log1p()
        return logarithm.masked_fill((b < 1) | (a < 1), math.nan).exp()

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self._moment(2) - self.mean**2

    def entropy(self) -> Tensor:
        """The entropy."""
        a, b = self.concentration1, self.concentration0
        return (1 - b.reciprocal()) + (1 - a.reciprocal()) * (kuai.digamma(b + 1) + EULER) - a.log() - b.log()


class InverseGamma(TransformedDistribution):
    """One over a gamma number (``torch.distributions.InverseGamma``).

    >>> import kuai as torch
    >>> torch.distributions.InverseGamma(3.0, 4.0).mean
    tensor(2.)
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, concentration: object, rate: object, validate_args: bool | None = None):
        base = Gamma(concentration, rate, validate_args)
        super().__init__(base, PowerTransform(-base.rate.new_ones(())), validate_args)

    @property
    def concentration(self) -> Tensor:
        """The gamma distribution's shape."""
        return self.base_dist.concentration

    @property
    def rate(self) -> Tensor:
        """The gamma distribution's rate."""
        return self.base_dist.rate

    @property
    def mean(self) -> Tensor:
        """The mean; infinite up to the concentration 1."""
        a = self.concentration
        return kuai.where(a > 1, self.rate / (a - 1), math.inf)

    @property
    def mode(self) -> Tensor:
        """The likeliest value."""
        return self.rate / (self.concentration + 1)

    @property
    def variance(self) -> Tensor:
        """The variance; infinite up to the concentration 2."""
        a = self.concentration
        return kuai.where(a > 2, self.rate**2 / ((a - 1) ** 2 * (a - 2)), math.inf)

    def entropy(self) -> Tensor:
        """The entropy."""
        a = self.concentration
        return a + self.rate.log() + kuai.lgamma(a) - (1 + a) * kuai.digamma(a)


class LogisticNormal(TransformedDistribution):
    """Probabilities made of normal numbers by breaking a stick (``torch.distributions.LogisticNormal``).

    >>> import kuai as torch
    >>> torch.distributions.LogisticNormal(torch.zeros(3), torch.ones(3)).sample().shape
    torch.Size([4])
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, loc: object, scale: object, validate_args: bool | None = None):
        base: Distribution = Normal(loc, scale, validate_args)
        super().__init__(base if base.batch_shape else base.expand([1]), StickBreakingTransform(), validate_args)

    @property
    def loc(self) -> Tensor:
        """The mean of the normal numbers."""
        return self.base_dist.base_dist.loc

    @property
    def scale(self) -> Tensor:
        """The standard deviation of the normal numbers."""
        return self.base_dist.base_dist.scale
