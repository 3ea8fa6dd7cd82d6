"""Distributions of single real numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import kuai

from ..tensor import Tensor
from . import constraints
from .distribution import Centered, Distribution, ExponentialFamily, together


def _standard_normal(like: Tensor, shape: Sequence[int]) -> Tensor:
    kind: dict = {"dtype": like.dtype, "device": like.device}
    return kuai.normal(kuai.zeros(shape, **kind), kuai.ones(shape, **kind))


class _LocScale(Centered):
    """A location and a scale."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: object, scale: object, validate_args: bool | None = None):
        self.loc, self.scale = together(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def _checked(self, value: Tensor) -> Tensor:
        """A value's distance from the location in scales."""
        self._check_sample(value)
        return (value - self.loc) / self.scale


class Normal(_LocScale, ExponentialFamily):
    """The normal distribution of a mean and a standard deviation (``torch.distributions.Normal``).

    >>> import kuai as torch
    >>> torch.distributions.Normal(0.0, 1.0).log_prob(torch.tensor(0.0))
    tensor(-0.9189)
    """

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return self.scale

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.scale**2

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws, without a gradient."""
        shape = self._extended_shape(sample_shape)
        with kuai.no_grad():
            return kuai.normal(self.loc.expand(shape), self.scale.expand(shape))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients reach the parameters."""
        return self.loc + _standard_normal(self.loc, self._extended_shape(sample_shape)) * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        return -(self._checked(value) ** 2) / 2 - self.scale.log() - math.log(math.sqrt(2 * math.pi))

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most a value."""
        return 0.5 * (1 + kuai.erf(self._checked(value) / math.sqrt(2)))

    def icdf(self, value: Tensor) -> Tensor:
        """The value that is not exceeded with a probability."""
        return self.loc + self.scale * kuai.erfinv(2 * value - 1) * math.sqrt(2)

    def entropy(self) -> Tensor:
        """The entropy."""
        return 0.5 + 0.5 * math.log(2 * math.pi) + self.scale.log()


class Laplace(_LocScale):
    """The Laplace distribution (``torch.distributions.Laplace``).

    >>> import kuai as torch
    >>> torch.distributions.Laplace(0.0, 1.0).variance
    tensor(2.)
    """

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return 2 * self.scale**2

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients reach the parameters."""
        eps = kuai.finfo(self.loc.dtype).eps
        u = self.loc.new_empty(self._extended_shape(sample_shape)).uniform_(eps - 1, 1)
        return self.loc - self.scale * u.sign() * (-u.abs()).log1p()

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        return -self._checked(value).abs() - (2 * self.scale).log()

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most a value."""
        z = self._checked(value)
        return 0.5 - 0.5 * z.sign() * (-z.abs()).expm1()

    def icdf(self, value: Tensor) -> Tensor:
        """The value that is not exceeded with a probability."""
        term = value - 0.5
        return self.loc - self.scale * term.sign() * (-2 * term.abs()).log1p()

    def entropy(self) -> Tensor:
        """The entropy."""
        return 1 + (2 * self.scale).log()


class Cauchy(_LocScale):
    """The Cauchy distribution, which has no mean (``torch.distributions.Cauchy``).

    >>> import kuai as torch
    >>> torch.distributions.Cauchy(0.0, 1.0).cdf(torch.tensor(1.))
    tensor(0.7500)
    """

    @property
    def mean(self) -> Tensor:
        """nan: there is none."""
        return kuai.full_like(self.loc, math.nan)

    @property
    def variance(self) -> Tensor:
        """Infinite."""
        return kuai.full_like(self.loc, math.inf)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients reach the parameters."""
        return self.loc + self.loc.new_empty(self._extended_shape(sample_shape)).cauchy_() * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        return -math.log(math.pi) - self.scale.log() - (self._checked(value) ** 2).log1p()

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most a value."""
        return self._checked(value).atan() / math.pi + 0.5

    def icdf(self, value: Tensor) -> Tensor:
        """The value that is not exceeded with a probability."""
        return (math.pi * (value - 0.5)).tan() * self.scale + self.loc

    def entropy(self) -> Tensor:
        """The entropy."""
        return math.log(4 * math.pi) + self.scale.log()


class Uniform(Distribution):
    """Every number from low to high alike (``torch.distributions.Uniform``).

    >>> import kuai as torch
    >>> torch.distributions.Uniform(0.0, 4.0).mean
    tensor(2.)
    """

    has_rsample = True
    arg_constraints = {"low": constraints.real, "high": constraints.real}

    def __init__(self, low: object, high: object, validate_args: bool | None = None):
        self.low, self.high = together(low, high)
        super().__init__(self.low.shape, validate_args=validate_args)
        if self._validate_args and not (self.low < self.high).all():
            raise ValueError("Uniform is not defined when low>= high")

    @property
    def support(self) -> constraints.Constraint:  # type: ignore[override]
        """From low to high."""
        return constraints.interval(self.low, self.high)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return (self.high + self.low) / 2

    @property
    def mode(self) -> Tensor:
        """nan: no value is likelier than another."""
        return kuai.full_like(self.high, math.nan)

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return (self.high - self.low) ** 2 / 12

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients reach the parameters."""
        drawn = kuai.rand(self._extended_shape(sample_shape), dtype=self.low.dtype, device=self.low.device)
        return self.low + drawn * (self.high - self.low)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._check_sample(value)
        within = (self.low.le(value) & self.high.gt(value)).to(self.low.dtype)
        return within.log() - (self.high - self.low).log()

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most a value."""
        return ((value - self.low) / (self.high - self.low)).clamp(0, 1)

    def icdf(self, value: Tensor) -> Tensor:
        """The value that is not exceeded with a probability."""
        return value * (self.high - self.low) + self.low

    def entropy(self) -> Tensor:
        """The entropy."""
        return (self.high - self.low).log()


class Exponential(ExponentialFamily):
    """The waiting time of a rate (``torch.distributions.Exponential``).

    >>> import kuai as torch
    >>> torch.distributions.Exponential(2.0).mean
    tensor(0.5000)
    """

    arg_constraints = {"rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, rate: object, validate_args: bool | None = None):
        (self.rate,) = together(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.rate.reciprocal()

    @property
    def mode(self) -> Tensor:
        """Zero."""
        return kuai.zeros_like(self.rate)

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.rate**-2

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients reach the rate."""
        return self.rate.new_empty(self._extended_shape(sample_shape)).exponential_() / self.rate

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._check_sample(value)
        return self.rate.log() - self.rate * value

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most a value."""
        return 1 - (-self.rate * value).exp()

    def icdf(self, value: Tensor) -> Tensor:
        """The value that is not exceeded with a probability."""
        return -(-value).log1p() / self.rate

    def entropy(self) -> Tensor:
        """The entropy."""
        return 1 - self.rate.log()
