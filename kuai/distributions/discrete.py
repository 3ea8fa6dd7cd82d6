"""Distributions of whole numbers and of classes."""

from __future__ import annotations

from collections.abc import Sequence

import kuai

from ..engine import Size
from ..nn import functional as F
from ..ops.gammas import binomial
from ..tensor import Tensor
from . import constraints
from .distribution import Distribution, ExponentialFamily, Odds, together
from .gamma import Gamma


class Bernoulli(Odds, ExponentialFamily):
    """One with a probability, else zero (``torch.distributions.Bernoulli``).

    >>> import kuai as torch
    >>> torch.distributions.Bernoulli(torch.tensor([0.5])).entropy()
    tensor([0.6931])
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.boolean
    has_enumerate_support = True

    def __init__(self, probs: object = None, logits: object = None, validate_args: bool | None = None):
        (found,) = self._take(probs, logits)
        super().__init__(found.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.probs

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.probs * (1 - self.probs)

    @property
    def mode(self) -> Tensor:
        """The likelier value; nan if both are alike."""
        likely = (self.probs >= 0.5).to(self.probs.dtype)
        return likely.masked_fill(self.probs == 0.5, float("nan"))

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter."""
        return self._param.shape

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws."""
        with kuai.no_grad():
            return kuai.bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability."""
        self._check_sample(value)
        logits, value = kuai.broadcast_tensors(self.logits, value)
        return -F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> Tensor:
        """The entropy."""
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """Zero and one."""
        values = kuai.arange(2, dtype=self._param.dtype, device=self._param.device)
        values = values.view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1, *self._batch_shape)) if expand else values


class Geometric(Odds):
    """Failures before the first success (``torch.distributions.Geometric``).

    >>> import kuai as torch
    >>> torch.distributions.Geometric(torch.tensor(0.25)).mean
    tensor(3.)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.nonnegative_integer

    def __init__(self, probs: object = None, logits: object = None, validate_args: bool | None = None):
        (found,) = self._take(probs, logits)
        super().__init__(found.shape, validate_args=validate_args)
        if self._validate_args and probs is not None and not (self.probs > 0).all():
            raise ValueError(f"Geometric: probs must be above 0, got {self.probs}")

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return 1 / self.probs - 1

    @property
    def mode(self) -> Tensor:
        """Zero."""
        return kuai.zeros_like(self.probs)

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return (1 / self.probs - 1) / self.probs

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws."""
        probs = self.probs.detach()
        tiny = kuai.finfo(probs.dtype).tiny
        u = probs.new_empty(self._extended_shape(sample_shape)).uniform_(tiny, 1)
        return (u.log() / (-probs).log1p()).floor()

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability."""
        self._check_sample(value)
        value, probs = kuai.broadcast_tensors(value, self.probs)
        certain = (probs == 1) & (value == 0)
        return value * (-probs.masked_fill(certain, 0)).log1p() + self.probs.log()

    def entropy(self) -> Tensor:
        """The entropy."""
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs


class Categorical(Odds):
    """A class with the probabilities in the last dimension (``torch.distributions.Categorical``).

    >>> import kuai as torch
    >>> d = torch.distributions.Categorical(torch.tensor([1.0, 3.0]))
    >>> d.log_prob(torch.tensor([0, 1])).exp()
    tensor([0.2500, 0.7500])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True
    several = True

    def __init__(self, probs: Tensor | None = None, logits: Tensor | None = None, validate_args: bool | None = None):
        self._take(probs, logits)
        self._num_events = self._param.shape[-1]
        super().__init__(self._param.shape[:-1], validate_args=validate_args)

    @property
    def support(self) -> constraints.Constraint:  # type: ignore[override]
        """The classes."""
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter."""
        return self._param.shape

    @property
    def mean(self) -> Tensor:
        """nan: classes have none."""
        return kuai.full(self._batch_shape, float("nan"), dtype=self.probs.dtype, device=self.probs.device)

    @property
    def variance(self) -> Tensor:
        """nan: classes have none."""
        return self.mean

    @property
    def mode(self) -> Tensor:
        """The likeliest class."""
        return self.probs.argmax(-1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws."""
        size = Size(sample_shape)
        with kuai.no_grad():
            drawn = kuai.multinomial(self.probs.reshape(-1, self._num_events), size.numel(), True).T
        return drawn.reshape(self._extended_shape(size))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability."""
        self._check_sample(value)
        chosen, table = kuai.broadcast_tensors(value.long().unsqueeze(-1), self.logits)
        return table.gather(-1, chosen[..., :1]).squeeze(-1)

    def entropy(self) -> Tensor:
        """The entropy."""
        logits = self.logits.clamp(min=kuai.finfo(self.logits.dtype).min)
        return -(logits * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All classes."""
        values = kuai.arange(self._num_events, device=self._param.device).view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1, *self._batch_shape)) if expand else values


class OneHotCategorical(Distribution):
    """A class, as a row of zeros with a one (``torch.distributions.OneHotCategorical``).

    >>> import kuai as torch
    >>> torch.distributions.OneHotCategorical(torch.tensor([0.0, 1.0])).sample()
    tensor([0., 1.])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.one_hot
    has_enumerate_support = True

    def __init__(self, probs: Tensor | None = None, logits: Tensor | None = None, validate_args: bool | None = None):
        self._categorical = Categorical(probs, logits, validate_args)
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: object = None) -> OneHotCategorical:
        """The same distribution for a larger batch."""
        grown = super().expand(batch_shape)
        assert isinstance(grown, OneHotCategorical)
        grown._categorical = self._categorical.expand(batch_shape)  # type: ignore[assignment]
        return grown

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        """The logarithms of the probabilities."""
        return self._categorical.logits

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter."""
        return self._categorical.param_shape

    @property
    def mean(self) -> Tensor:
        """The probabilities."""
        return self.probs

    @property
    def variance(self) -> Tensor:
        """The variance of each place."""
        return self.probs * (1 - self.probs)

    def _rows(self, classes: Tensor) -> Tensor:
        return F.one_hot(classes, self._event_shape[0]).to(self._categorical._param.dtype)

    @property
    def mode(self) -> Tensor:
        """The likeliest class."""
        return self._rows(self._categorical.mode)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws."""
        return self._rows(self._categorical.sample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability."""
        self._check_sample(value)
        return self._categorical.log_prob(value.max(-1)[1])

    def entropy(self) -> Tensor:
        """The entropy."""
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All rows."""
        return self._rows(self._categorical.enumerate_support(expand))


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """A row of zeros with a one whose gradient is that of the probabilities
    (``torch.distributions.OneHotCategoricalStraightThrough``).

    >>> import kuai as torch
    >>> probs = torch.tensor([0.0, 1.0], requires_grad=True)
    >>> torch.distributions.OneHotCategoricalStraightThrough(probs).rsample().detach()
    tensor([0., 1.])
    """

    has_rsample = True

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws with the gradient of the probabilities."""
        return self.sample(sample_shape) + (self.probs - self.probs.detach())


class Multinomial(Odds):
    """How often each class came up (``torch.distributions.Multinomial``).

    >>> import kuai as torch
    >>> torch.distributions.Multinomial(10, torch.tensor([0.0, 1.0])).sample()
    tensor([ 0., 10.])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    several = True

    def __init__(self, total_count: int = 1, probs: Tensor | None = None, logits: Tensor | None = None,
                 validate_args: bool | None = None):  # fmt: skip
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._take(probs, logits)
        super().__init__(self._param.shape[:-1], self._param.shape[-1:], validate_args)

    @property
    def support(self) -> constraints.Constraint:  # type: ignore[override]
        """Counts that sum to the total."""
        return constraints.multinomial(self.total_count)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.probs * self.total_count

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws."""
        size, kinds = Size(sample_shape), self._event_shape[0]
        chosen = Categorical(self.probs.detach(), validate_args=False).sample(Size((self.total_count,)) + size)
        return F.one_hot(chosen, kinds).sum(0).to(self._param.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability."""
        self._check_sample(value)
        logits, value = kuai.broadcast_tensors(self.logits, value)
        logits = logits.masked_fill((value == 0) & (logits == -float("inf")), 0)
        ways = kuai.lgamma(value.sum(-1) + 1) - kuai.lgamma(value + 1).sum(-1)
        return ways + (logits * value).sum(-1)

    def entropy(self) -> Tensor:
        """The entropy."""
        n = kuai.tensor(self.total_count)
        counts = Binomial(self.total_count, self.probs, validate_args=False)
        some = counts.enumerate_support(expand=False)[1:]
        spread = (counts.log_prob(some).exp() * kuai.lgamma(some + 1)).sum((0, -1))
        return n * Categorical(self.probs, validate_args=False).entropy() - kuai.lgamma(n + 1) + spread


class Binomial(Odds):
    """Successes among a number of trials (``torch.distributions.Binomial``).

    >>> import kuai as torch
    >>> torch.distributions.Binomial(10, torch.tensor([0.1, 0.5])).mean
    tensor([1., 5.])
    """

    arg_constraints = {
        "total_count": constraints.nonnegative_integer, "probs": constraints.unit_interval, "logits": constraints.real,
    }  # fmt: skip
    has_enumerate_support = True

    def __init__(self, total_count: object = 1, probs: object = None, logits: object = None,
                 validate_args: bool | None = None):  # fmt: skip
        found, count = self._take(probs, logits, total_count)
        self.total_count = count.to(found.dtype)
        super().__init__(found.shape, validate_args=validate_args)

    @property
    def support(self) -> constraints.Constraint:  # type: ignore[override]
        """From none to all."""
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.total_count * self.probs

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.total_count * self.probs * (1 - self.probs)

    @property
    def mode(self) -> Tensor:
        """The likeliest count."""
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws."""
        shape = self._extended_shape(sample_shape)
        with kuai.no_grad():
            return binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability."""
        self._check_sample(value)
        n, logits = self.total_count, self.logits
        ways = kuai.lgamma(n + 1) - kuai.lgamma(value + 1) - kuai.lgamma(n - value + 1)
        return ways + value * logits - n * (logits.clamp(min=0) + (-logits.abs()).exp().log1p())

    def entropy(self) -> Tensor:
        """The entropy, if all totals are alike."""
        self._one_total("entropy")
        scores = self.log_prob(self.enumerate_support(False))
        return -(scores.exp() * scores).sum(0)

    def _one_total(self, what: str) -> int:
        total = int(self.total_count.max())
        if not self.total_count.min() == total:
            raise NotImplementedError(f"Inhomogeneous total count not supported by `{what}`.")
        return total

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All counts, if all totals are alike."""
        total = self._one_total("enumerate_support")
        values = kuai.arange(1 + total, dtype=self._param.dtype).view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1, *self._batch_shape)) if expand else values


class Poisson(ExponentialFamily):
    """How often something of a rate happens (``torch.distributions.Poisson``).

    >>> import kuai as torch
    >>> torch.distributions.Poisson(torch.tensor(4.)).log_prob(torch.tensor(0.))
    tensor(-4.)
    """

    arg_constraints = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer

    def __init__(self, rate: object, validate_args: bool | None = None):
        (self.rate,) = together(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.rate

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.rate

    @property
    def mode(self) -> Tensor:
        """The likeliest count."""
        return self.rate.floor()

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws."""
        with kuai.no_grad():
            return kuai.poisson(self.rate.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability."""
        self._check_sample(value)
        rate, value = kuai.broadcast_tensors(self.rate, value)
        return kuai.xlogy(value, rate) - rate - kuai.lgamma(value + 1)


class NegativeBinomial(Odds):
    """Successes before a number of failures (``torch.distributions.NegativeBinomial``); the number may be any positive one.

    >>> import kuai as torch
    >>> torch.distributions.NegativeBinomial(2.0, torch.tensor(0.5)).mean
    tensor(2.)
    """

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0), "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }  # fmt: skip
    support = constraints.nonnegative_integer

    def __init__(self, total_count: object, probs: object = None, logits: object = None,
                 validate_args: bool | None = None):  # fmt: skip
        found, count = self._take(probs, logits, total_count)
        self.total_count = count.to(found.dtype)
        super().__init__(found.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.total_count * self.logits.exp()

    @property
    def mode(self) -> Tensor:
        """The likeliest count."""
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.mean / (-self.logits).sigmoid()

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter."""
        return self._param.shape

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws."""
        with kuai.no_grad():
            rates = Gamma(self.total_count, (-self.logits).exp(), validate_args=False)
            return kuai.poisson(rates.sample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability."""
        self._check_sample(value)
        n, logits = self.total_count, self.logits
        ways = kuai.lgamma(n + value) - kuai.lgamma(1.0 + value) - kuai.lgamma(n)
        ways = ways.masked_fill(n + value == 0.0, 0.0)  # without failures to wait for, nothing is the only outcome
        return n * F.logsigmoid(-logits) + value * F.logsigmoid(logits) + ways
