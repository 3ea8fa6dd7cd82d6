"""The gamma distribution and those made of it."""

from __future__ import annotations

from collections.abc import Sequence

import kuai

from .. import special
from ..nn import functional as F
from ..ops.gammas import sample_dirichlet, standard_gamma
from ..tensor import Tensor
from . import constraints
from .distribution import ExponentialFamily, together


class Gamma(ExponentialFamily):
    """The gamma distribution of a shape and a rate (``torch.distributions.Gamma``).

    >>> import kuai as torch
    >>> torch.distributions.Gamma(2.0, 4.0).mean
    tensor(0.5000)
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, concentration: object, rate: object, validate_args: bool | None = None):
        self.concentration, self.rate = together(concentration, rate)
        super().__init__(self.concentration.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.concentration / self.rate

    @property
    def mode(self) -> Tensor:
        """The likeliest value."""
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.concentration / self.rate**2

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients reach the parameters."""
        shape = self._extended_shape(sample_shape)
        drawn = standard_gamma(self.concentration.expand(shape)) / self.rate.expand(shape)
        drawn.detach().clamp_(min=kuai.finfo(drawn.dtype).tiny)  # the derivative is that of what was drawn
        return drawn

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        a, rate = self.concentration, self.rate
        value = kuai.as_tensor(value, dtype=rate.dtype, device=rate.device)
        self._check_sample(value)
        return kuai.xlogy(a, rate) + kuai.xlogy(a - 1, value) - rate * value - kuai.lgamma(a)

    def entropy(self) -> Tensor:
        """The entropy."""
        a = self.concentration
        return a - self.rate.log() + kuai.lgamma(a) + (1.0 - a) * kuai.digamma(a)

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most a value."""
        return special.gammainc(self.concentration, self.rate * value)


class Chi2(Gamma):
    """The sum of squares of so many standard normal numbers (``torch.distributions.Chi2``).

    >>> import kuai as torch
    >>> torch.distributions.Chi2(3.0).mean
    tensor(3.)
    """

    def __init__(self, df: object, validate_args: bool | None = None):
        (self.df,) = together(df)
        super().__init__(0.5 * self.df, kuai.full_like(self.df, 0.5), validate_args)


class Dirichlet(ExponentialFamily):
    """Random probabilities (``torch.distributions.Dirichlet``).

    >>> import kuai as torch
    >>> torch.distributions.Dirichlet(torch.tensor([1., 3.])).mean
    tensor([0.2500, 0.7500])
    """

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, concentration: Tensor, validate_args: bool | None = None):
        if concentration.ndim < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def variance(self) -> Tensor:
        """The variance."""
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total**2 * (total + 1))

    @property
    def mode(self) -> Tensor:
        """The likeliest value; where no concentration is above 1, the corner of the largest."""
        above = (self.concentration - 1).clamp(min=0.0)
        corner = F.one_hot(above.argmax(-1), above.shape[-1]).to(above.dtype)
        flat = (self.concentration < 1).all(-1, keepdim=True)
        return kuai.where(flat, corner, above / above.sum(-1, True))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients reach the concentration."""
        return sample_dirichlet(self.concentration.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._check_sample(value)
        a = self.concentration
        return kuai.xlogy(a - 1, value).sum(-1) + kuai.lgamma(a.sum(-1)) - kuai.lgamma(a).sum(-1)

    def entropy(self) -> Tensor:
        """The entropy."""
        a, k = self.concentration, self._event_shape[0]
        total = a.sum(-1)
        spread = (k - total) * kuai.digamma(total) + ((a - 1.0) * kuai.digamma(a)).sum(-1)
        return kuai.lgamma(a).sum(-1) - kuai.lgamma(total) - spread


class Beta(ExponentialFamily):
    """A random probability (``torch.distributions.Beta``).

    >>> import kuai as torch
    >>> torch.distributions.Beta(1.0, 3.0).mean
    tensor(0.2500)
    """

    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1: object, concentration0: object, validate_args: bool | None = None):
        self.concentration1, self.concentration0 = together(concentration1, concentration0)
        super().__init__(self.concentration1.shape, validate_args=validate_args)

    @property
    def _pair(self) -> Dirichlet:
        return Dirichlet(kuai.stack([self.concentration1, self.concentration0], -1), validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def variance(self) -> Tensor:
        """The variance."""
        total = self.concentration1 + self.concentration0
        return self.concentration1 * self.concentration0 / (total**2 * (total + 1))

    @property
    def mode(self) -> Tensor:
        """The likeliest value."""
        return self._pair.mode[..., 0]

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients reach the parameters."""
        return self._pair.rsample(sample_shape).select(-1, 0)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._check_sample(value)
        return self._pair.log_prob(kuai.stack([value, 1.0 - value], -1))

    def entropy(self) -> Tensor:
        """The entropy."""
        return self._pair.entropy()
