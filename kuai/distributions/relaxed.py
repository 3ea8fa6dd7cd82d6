"""Distributions near those of classes, whose draws have a derivative (the concrete distribution)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import kuai

from ..engine import Size
from ..tensor import Tensor
from . import constraints
from .distribution import Odds, clamped
from .transform_elements import ExpTransform, SigmoidTransform
from .transformed import TransformedDistribution


class LogitRelaxedBernoulli(Odds):
    """The log-odds of a relaxed Bernoulli draw (``torch.distributions.relaxed_bernoulli.LogitRelaxedBernoulli``).

    >>> import kuai as torch
    >>> from kuai.distributions.relaxed import LogitRelaxedBernoulli
    >>> LogitRelaxedBernoulli(torch.tensor(1.), logits=torch.tensor(0.)).log_prob(torch.tensor(0.))
    tensor(-1.3863)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.real
    has_rsample = True

    def __init__(self, temperature: Tensor, probs: object = None, logits: object = None, validate_args: bool | None = None):
        self.temperature = temperature
        (found,) = self._take(probs, logits)
        super().__init__(found.shape, validate_args=validate_args)

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter."""
        return self._param.shape

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients reach the parameters."""
        shape = self._extended_shape(sample_shape)
        probs = clamped(self.probs.expand(shape))
        u = clamped(kuai.rand(shape, dtype=probs.dtype, device=probs.device))
        return (u.log() - (-u).log1p() + probs.log() - (-probs).log1p()) / self.temperature

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._check_sample(value)
        far = self.logits - value * self.temperature
        return self.temperature.log() + far - 2 * far.exp().log1p()


class _Relaxed(TransformedDistribution):
    """A relaxed distribution on its own scale."""

    has_rsample = True
    base_dist: Any

    @property
    def temperature(self) -> Tensor:
        """How far the draws are from whole ones."""
        return self.base_dist.temperature

    @property
    def logits(self) -> Tensor:
        """The log-odds, or the logarithms of the probabilities."""
        return self.base_dist.logits

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self.base_dist.probs


class RelaxedBernoulli(_Relaxed):
    """Numbers from 0 to 1 near those of `Bernoulli` (``torch.distributions.RelaxedBernoulli``).

    >>> import kuai as torch
    >>> d = torch.distributions.RelaxedBernoulli(torch.tensor(0.5), torch.tensor([0.1, 0.9]))
    >>> d.rsample().shape
    torch.Size([2])
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval

    def __init__(self, temperature: Tensor, probs: object = None, logits: object = None, validate_args: bool | None = None):
        super().__init__(LogitRelaxedBernoulli(temperature, probs, logits), SigmoidTransform(), validate_args)


class ExpRelaxedCategorical(Odds):
    """The logarithm of a relaxed one-hot draw (``torch.distributions.relaxed_categorical.ExpRelaxedCategorical``).

    >>> import kuai as torch
    >>> from kuai.distributions.relaxed import ExpRelaxedCategorical
    >>> ExpRelaxedCategorical(torch.tensor(1.), torch.ones(3)).rsample().shape
    torch.Size([3])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.real_vector  # the exponentials of a draw sum to 1
    has_rsample = True
    several = True

    def __init__(self, temperature: Tensor, probs: Tensor | None = None, logits: Tensor | None = None,
                 validate_args: bool | None = None):  # fmt: skip
        self.temperature = temperature
        self._take(probs, logits)
        super().__init__(self._param.shape[:-1], self._param.shape[-1:], validate_args)

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter."""
        return self._param.shape

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients reach the parameters."""
        logits = self.logits
        u = clamped(kuai.rand(self._extended_shape(sample_shape), dtype=logits.dtype, device=logits.device))
        scores = (logits - (-u.log()).log()) / self.temperature
        return scores - scores.logsumexp(-1, keepdim=True)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._check_sample(value)
        n = self._event_shape[0]
        scale = kuai.full_like(self.temperature, float(n)).lgamma() + (n - 1) * self.temperature.log()
        score = self.logits - value * self.temperature
        return (score - score.logsumexp(-1, keepdim=True)).sum(-1) + scale


class RelaxedOneHotCategorical(_Relaxed):
    """Probabilities near the rows of `OneHotCategorical` (``torch.distributions.RelaxedOneHotCategorical``).

    >>> import kuai as torch
    >>> torch.distributions.RelaxedOneHotCategorical(torch.tensor(0.5), torch.ones(3)).rsample().shape
    torch.Size([3])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.simplex

    def __init__(self, temperature: Tensor, probs: Tensor | None = None, logits: Tensor | None = None,
                 validate_args: bool | None = None):  # fmt: skip
        super().__init__(ExpRelaxedCategorical(temperature, probs, logits, validate_args), ExpTransform(), validate_args)
