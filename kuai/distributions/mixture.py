"""Mixtures of distributions of one family."""

from __future__ import annotations

from collections.abc import Sequence

import kuai

from ..engine import Size
from ..tensor import Tensor
from . import constraints
from .discrete import Categorical
from .distribution import Distribution


class MixtureSameFamily(Distribution):
    """One of several distributions, chosen by chance (``torch.distributions.MixtureSameFamily``).

    The last batch dimension of ``component_distribution`` runs over the components.

    >>> import kuai as torch
    >>> from kuai import distributions as d
    >>> two = d.MixtureSameFamily(d.Categorical(torch.ones(2)), d.Normal(torch.tensor([-1., 1.]), 1.))
    >>> two.mean, two.variance
    (tensor(0.), tensor(2.))
    """

    def __init__(self, mixture_distribution: Categorical, component_distribution: Distribution,
                 validate_args: bool | None = None):  # fmt: skip
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError("The Mixture distribution needs to be an instance of torch.distributions.Categorical")
        if not isinstance(component_distribution, Distribution):
            raise ValueError("The Component distribution needs to be an instance of torch.distributions.Distribution")
        self._mixture_distribution, self._component_distribution = mixture_distribution, component_distribution
        *batch, n = component_distribution.batch_shape
        self._check(mixture_distribution, Size(batch), n)
        self._event_ndims = len(component_distribution.event_shape)
        super().__init__(batch, component_distribution.event_shape, validate_args)

    @staticmethod
    def _check(mixture: Categorical, batch: Size, n: int) -> None:
        for a, b in zip(reversed(mixture.batch_shape), reversed(batch)):
            if a != b and 1 not in (a, b):
                raise ValueError(
                    f"`mixture_distribution.batch_shape` ({mixture.batch_shape}) is not compatible with "
                    f"`component_distribution.batch_shape`({batch})"
                )
        if mixture._num_events != n:
            raise ValueError(
                f"`mixture_distribution component` ({mixture._num_events}) does not equal "
                f"`component_distribution.batch_shape[-1]` ({n})"
            )

    def expand(self, batch_shape: Sequence[int], _instance: object = None) -> MixtureSameFamily:
        """The same distribution for a larger batch."""
        size = Size(batch_shape)
        grown = super().expand(size)
        assert isinstance(grown, MixtureSameFamily)
        grown._mixture_distribution = self._mixture_distribution.expand(size)  # type: ignore[assignment]
        grown._component_distribution = self._component_distribution.expand((*size, self._mixture_distribution._num_events))
        return grown

    @constraints.dependent_property
    def support(self) -> constraints.Constraint:  # type: ignore[override]
        """That of the components."""
        return constraints.MixtureSameFamilyConstraint(self._component_distribution.support)

    @property
    def mixture_distribution(self) -> Categorical:
        """What chooses a component."""
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Distribution:
        """The components."""
        return self._component_distribution

    def _weighted(self, values: Tensor) -> Tensor:
        """The mean over the components."""
        probs = self._mixture_distribution.probs
        shape = (*probs.shape, *(1,) * self._event_ndims)
        return (probs.reshape(shape) * values).sum(-1 - self._event_ndims)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self._weighted(self._component_distribution.mean)

    @property
    def variance(self) -> Tensor:
        """The mean of the components' variances and the variance of their means."""
        far = self._component_distribution.mean - self._padded(self.mean)
        return self._weighted(self._component_distribution.variance) + self._weighted(far**2)

    def _padded(self, value: Tensor) -> Tensor:
        return value.unsqueeze(-1 - self._event_ndims)

    def cdf(self, x: Tensor) -> Tensor:
        """The probability of at most a value."""
        return (self._component_distribution.cdf(self._padded(x)) * self._mixture_distribution.probs).sum(-1)

    def log_prob(self, x: Tensor) -> Tensor:
        """The logarithm of the density, or of the probability."""
        self._check_sample(x)
        each = self._component_distribution.log_prob(self._padded(x))
        return (each + self._mixture_distribution.logits.log_softmax(-1)).logsumexp(-1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws: of the choice, and of all components."""
        with kuai.no_grad():
            chosen = self._mixture_distribution.sample(sample_shape)
            drawn = self._component_distribution.sample(sample_shape)
            dim = len(Size(sample_shape)) + len(self._batch_shape)
            chosen = chosen.reshape(*chosen.shape, *(1,) * (1 + self._event_ndims))
            return drawn.gather(dim, chosen.expand(*chosen.shape[: dim + 1], *self._event_shape)).squeeze(dim)

    def __repr__(self) -> str:
        return f"MixtureSameFamily(\n  {self._mixture_distribution},\n  {self._component_distribution})"
