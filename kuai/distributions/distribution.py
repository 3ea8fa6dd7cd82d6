"""What all distributions share."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Number
from typing import Any, ClassVar

import kuai

from ..engine import Size
from ..tensor import Tensor
from .constraints import Constraint, is_dependent
from .constraints import independent as independent_constraint


class Distribution:
    """A distribution over ``batch_shape`` independent events of ``event_shape`` (``torch.distributions.Distribution``).

    >>> import kuai as torch
    >>> d = torch.distributions.Normal(torch.zeros(3), 1.0)
    >>> d.batch_shape, d.sample((2,)).shape
    (torch.Size([3]), torch.Size([2, 3]))
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}
    support: Any = None
    has_rsample = False
    has_enumerate_support = False
    _validate_args = __debug__

    def __init__(self, batch_shape: Sequence[int] = (), event_shape: Sequence[int] = (), validate_args: bool | None = None):
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether parameters and values are checked if nothing else is said."""
        if value not in (True, False):
            raise ValueError(f"set_default_validate_args: needs True or False, got {value!r}")
        Distribution._validate_args = value

    def _check_parameters(self) -> None:
        for name, constraint in self.arg_constraints.items():
            if name not in self.__dict__ or is_dependent(constraint):
                continue
            value = self.__dict__[name]
            if not constraint._hold(value):
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of distribution "
                    f"{self!r} to satisfy the constraint {constraint!r}, but found invalid values:\n{value}"
                )

    def _check_sample(self, value: Tensor) -> None:
        """`_validate_sample`, if values are to be checked."""
        if self._validate_args:
            self._validate_sample(value)

    def _validate_sample(self, value: Tensor) -> None:
        """ValueError for values that no draw could be."""
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        place = value.ndim - len(self._event_shape)
        if value.shape[place:] != self._event_shape:
            raise ValueError(
                f"The right-most size of value must match event_shape: {value.shape[place:]} vs {self._event_shape}."
            )
        expected = self._batch_shape + self._event_shape
        for have, need in zip(reversed(value.shape), reversed(expected)):
            if have != need and 1 not in (have, need):
                raise ValueError(f"Value is not broadcastable with batch_shape+event_shape: {value.shape} vs {expected}.")
        support = self.support
        if support is not None and not support._hold(value):
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)}) to be within the support "
                f"({support!r}) of the distribution {self!r}, but found invalid values:\n{value}"
            )

    @property
    def batch_shape(self) -> Size:
        """The shape of the independent distributions."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one draw."""
        return self._event_shape

    @property
    def mean(self) -> Tensor:
        """The mean."""
        raise NotImplementedError(f"{type(self).__name__} has no mean")

    @property
    def variance(self) -> Tensor:
        """The variance."""
        raise NotImplementedError(f"{type(self).__name__} has no variance")

    @property
    def mode(self) -> Tensor:
        """The most likely value."""
        raise NotImplementedError(f"{type(self).__name__} does not implement mode")

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws, without a gradient."""
        with kuai.no_grad():
            return self.rsample(sample_shape)

    def sample_n(self, n: int) -> Tensor:
        """n draws: `sample` has taken this name's place."""
        warnings.warn("sample_n(n) will be deprecated. Use .sample((n,)) instead.", UserWarning, stacklevel=2)
        return self.sample((n,))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients reach the parameters."""
        raise NotImplementedError(f"{type(self).__name__}.rsample: its draws have no derivative; use sample() and log_prob()")

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density, or of the probability."""
        raise NotImplementedError(f"{type(self).__name__} has no log_prob")

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most a value."""
        raise NotImplementedError(f"{type(self).__name__} has no cdf")

    def icdf(self, value: Tensor) -> Tensor:
        """The value that is not exceeded with a probability."""
        raise NotImplementedError(f"{type(self).__name__} has no icdf")

    def entropy(self) -> Tensor:
        """The entropy, in nats."""
        raise NotImplementedError(f"{type(self).__name__} has no entropy")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values, along a new first dimension."""
        raise NotImplementedError(f"{type(self).__name__} has no finite support")

    def perplexity(self) -> Tensor:
        """The exponential of the entropy."""
        return self.entropy().exp()

    def _get_checked_instance(self, cls: type, _instance: Any = None) -> Any:
        """What `expand` fills: an object of the class without its constructor, or the one given.

        NotImplementedError for a class with a constructor of its own that does not expand by itself.
        """
        if _instance is None and type(self).__init__ is not cls.__init__:  # type: ignore[misc]
            raise NotImplementedError(f"Subclass {type(self).__name__} of {cls.__name__} that defines a custom __init__ method must also "
                                      "define a custom .expand() method.")  # fmt: skip
        return self.__new__(type(self)) if _instance is None else _instance

    def expand(self, batch_shape: Sequence[int], _instance: object = None) -> Distribution:
        """The same distribution for a larger batch."""
        size = Size(batch_shape)
        grown = type(self).__new__(type(self))
        grown.__dict__.update(self.__dict__)
        for name, constraint in self.arg_constraints.items():
            if name in self.__dict__:
                value = self.__dict__[name]
                grown.__dict__[name] = value.expand(size + value.shape[value.ndim - constraint.event_dim :])
        grown._batch_shape = size
        return grown

    def _extended_shape(self, sample_shape: Sequence[int] = ()) -> Size:
        return Size(sample_shape) + self._batch_shape + self._event_shape

    def __repr__(self) -> str:
        given = [(n, self.__dict__[n]) for n in self.arg_constraints if n in self.__dict__]
        shown = ", ".join(f"{n}: {v if v.numel() == 1 else v.size()}" for n, v in given)
        return f"{type(self).__name__}({shown})"


class Centered(Distribution):
    """What distributions have in common whose mean is where they lie, and the likeliest value too."""

    loc: Tensor

    @property
    def mean(self) -> Tensor:
        """The location."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """The location."""
        return self.loc


class ExponentialFamily(Distribution):
    """Densities ``exp(t(x) @ theta - F(theta) + k(x))`` (``torch.distributions.ExponentialFamily``).

    A subclass gives the natural parameters theta (``_natural_params``), F (``_log_normalizer``) and the mean of k
    (``_mean_carrier_measure``); entropy and divergence follow from the derivative of F.

    >>> import kuai as torch
    >>> class Waiting(torch.distributions.ExponentialFamily):
    ...     def __init__(self, rate):
    ...         self.rate = rate
    ...         super().__init__(rate.shape)
    ...     _natural_params = property(lambda self: (-self.rate,))
    ...     _mean_carrier_measure = 0
    ...     def _log_normalizer(self, x):
    ...         return -torch.log(-x)
    >>> Waiting(torch.tensor(2.)).entropy().item() == torch.distributions.Exponential(torch.tensor(2.)).entropy().item()
    True
    """

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        raise NotImplementedError(f"{type(self).__name__} has no _natural_params")

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no _log_normalizer")

    @property
    def _mean_carrier_measure(self) -> float:
        raise NotImplementedError(f"{type(self).__name__} has no _mean_carrier_measure")

    def _normalizer(self) -> tuple[list[Tensor], Tensor, tuple[Tensor, ...]]:
        """The natural parameters, F of them and its derivatives."""
        parameters = [p.detach().requires_grad_() for p in self._natural_params]
        found = self._log_normalizer(*parameters)
        return parameters, found, kuai.autograd.grad(found.sum(), parameters, create_graph=True)

    def entropy(self) -> Tensor:
        """The entropy, in nats."""
        parameters, found, slopes = self._normalizer()
        found = found - self._mean_carrier_measure
        for p, slope in zip(parameters, slopes):
            found = found - (p * slope).reshape(*self._batch_shape, -1).sum(-1)
        return found


class Independent(Distribution):
    """A distribution whose last batch dimensions are one event (``torch.distributions.Independent``).

    >>> import kuai as torch
    >>> normal = torch.distributions.Normal(torch.zeros(3), 1.0)
    >>> torch.distributions.Independent(normal, 1).log_prob(torch.zeros(3))
    tensor(-2.7568)
    """

    def __init__(self, base_distribution: Distribution, reinterpreted_batch_ndims: int, validate_args: bool | None = None):
        n, batch = reinterpreted_batch_ndims, base_distribution.batch_shape
        if n > len(batch):
            raise ValueError(
                f"Expected reinterpreted_batch_ndims <= len(base_distribution.batch_shape), actual {n} vs {len(batch)}"
            )
        self.base_dist, self.reinterpreted_batch_ndims = base_distribution, n
        cut = len(batch) - n
        super().__init__(batch[:cut], batch[cut:] + base_distribution.event_shape, validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """As the inner one."""
        return self.base_dist.has_rsample

    @property
    def support(self) -> Constraint:  # type: ignore[override]
        """As the inner one, event by event."""
        return independent_constraint(self.base_dist.support, self.reinterpreted_batch_ndims)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.base_dist.mean

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.base_dist.variance

    @property
    def mode(self) -> Tensor:
        """The most likely value."""
        return self.base_dist.mode

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws, without a gradient."""
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients reach the parameters."""
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """The sum over each event."""
        return sum_last(self.base_dist.log_prob(value), self.reinterpreted_batch_ndims)

    def entropy(self) -> Tensor:
        """The sum over each event."""
        return sum_last(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    def expand(self, batch_shape: Sequence[int], _instance: object = None) -> Independent:
        """The same distribution for a larger batch."""
        inner = Size(batch_shape) + self.event_shape[: self.reinterpreted_batch_ndims]
        return Independent(self.base_dist.expand(inner), self.reinterpreted_batch_ndims, validate_args=False)

    def __repr__(self) -> str:
        return f"Independent({self.base_dist}, {self.reinterpreted_batch_ndims})"


def sum_last(x: Tensor, n: int) -> Tensor:
    """The sum over the last dimensions, as many as asked."""
    return x if n == 0 else x.flatten(x.ndim - n).sum(-1)


def together(*parameters: object) -> tuple[Tensor, ...]:
    """Parameters as tensors of one shape; numbers take the dtype of the tensors, and ValueError for what is neither."""
    if not all(isinstance(p, Number) or hasattr(p, "__torch_function__") for p in parameters):
        raise ValueError("Input arguments must all be instances of Number, torch.Tensor or objects implementing __torch_function__.")
    found = next((p for p in parameters if isinstance(p, Tensor)), None)
    kind: dict = {} if found is None else {"dtype": found.dtype, "device": found.device}
    if found is None:
        kind["dtype"] = kuai.get_default_dtype()
    return kuai.broadcast_tensors(*(p if isinstance(p, Tensor) else kuai.tensor(p, **kind) for p in parameters))


def clamped(probs: Tensor) -> Tensor:
    """Probabilities away from 0 and 1, where their logarithms are finite."""
    eps = kuai.finfo(probs.dtype).eps
    return probs.clamp(eps, 1 - eps)


class Odds(Distribution):
    """A distribution that has probabilities or logits, and makes one from the other."""

    several = False  # whether the last dimension sums to one

    def _take(self, probs: object, logits: object, *others: object) -> tuple[Tensor, ...]:
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        name, given = ("logits", logits) if probs is None else ("probs", probs)
        found, *rest = (given, *others) if self.several else together(given, *others)
        if self.several:
            if found.ndim < 1:  # type: ignore[attr-defined]
                raise ValueError(f"`{name}` parameter must be at least one-dimensional.")
            norm = found.logsumexp(-1, keepdim=True) if probs is None else found.sum(-1, keepdim=True)  # type: ignore[attr-defined]
            found = found - norm if probs is None else found / norm  # type: ignore[operator]
        self.__dict__[name] = found
        return (found, *rest)  # type: ignore[arg-type]

    @property
    def _param(self) -> Tensor:
        return self.__dict__.get("probs", self.__dict__.get("logits"))  # type: ignore[return-value]

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        if name == "probs" and "logits" in own:
            return own["logits"].softmax(-1) if self.several else own["logits"].sigmoid()
        if name == "logits" and "probs" in own:
            probs = clamped(own["probs"])
            return probs.log() if self.several else probs.log() - (-probs).log1p()
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
