"""Distributions of single numbers with tails of several kinds, and of angles."""

from __future__ import annotations

import math
from collections.abc import Sequence

import kuai

from .. import special
from ..engine import Size
from ..nn import functional as F
from ..tensor import Tensor
from . import constraints
from .continuous import _standard_normal
from .distribution import Centered, Distribution, ExponentialFamily, Odds, clamped, together
from .gamma import Chi2, Gamma


class StudentT(Distribution):
    """Student's t-distribution (``torch.distributions.StudentT``).

    >>> import kuai as torch
    >>> torch.distributions.StudentT(4.0).variance
    tensor(2.)
    """

    arg_constraints = {"df": constraints.positive, "loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, df: object, loc: object = 0.0, scale: object = 1.0, validate_args: bool | None = None):
        self.df, self.loc, self.scale = together(df, loc, scale)
        super().__init__(self.df.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The mean; nan up to one degree of freedom."""
        return self.loc.masked_fill(self.df <= 1, math.nan)

    @property
    def mode(self) -> Tensor:
        """The likeliest value."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """The variance; infinite up to two degrees of freedom, nan up to one."""
        found = self.scale**2 * self.df / (self.df - 2)
        return found.masked_fill(self.df <= 2, math.inf).masked_fill(self.df <= 1, math.nan)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients reach the parameters."""
        normal = _standard_normal(self.df, self._extended_shape(sample_shape))
        squares = Chi2(self.df, validate_args=False).rsample(sample_shape)
        return self.loc + self.scale * (normal * (squares / self.df).rsqrt())

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._check_sample(value)
        y, half = (value - self.loc) / self.scale, 0.5 * self.df
        size = self.scale.log() + 0.5 * (self.df.log() + math.log(math.pi)) + kuai.lgamma(half) - kuai.lgamma(half + 0.5)
        return -(half + 0.5) * (y**2 / self.df).log1p() - size

    def entropy(self) -> Tensor:
        """The entropy."""
        half = 0.5 * self.df
        size = kuai.lgamma(half) + math.lgamma(0.5) - kuai.lgamma(half + 0.5)
        return self.scale.log() + (half + 0.5) * (kuai.digamma(half + 0.5) - kuai.digamma(half)) + 0.5 * self.df.log() + size


class FisherSnedecor(Distribution):
    """The quotient of two mean squares of normal numbers (``torch.distributions.FisherSnedecor``).

    >>> import kuai as torch
    >>> torch.distributions.FisherSnedecor(1.0, 4.0).mean
    tensor(2.)
    """

    arg_constraints = {"df1": constraints.positive, "df2": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, df1: object, df2: object, validate_args: bool | None = None):
        self.df1, self.df2 = together(df1, df2)
        super().__init__(self.df1.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The mean; nan up to two degrees of freedom below."""
        return (self.df2 / (self.df2 - 2)).masked_fill(self.df2 <= 2, math.nan)

    @property
    def mode(self) -> Tensor:
        """The likeliest value; nan up to two degrees of freedom above."""
        found = (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2)
        return found.masked_fill(self.df1 <= 2, math.nan)

    @property
    def variance(self) -> Tensor:
        """The variance; nan up to four degrees of freedom below."""
        a, b = self.df1, self.df2
        return (2 * b**2 * (a + b - 2) / (a * (b - 2) ** 2 * (b - 4))).masked_fill(b <= 4, math.nan)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients reach the parameters."""
        above, below = (Gamma(df * 0.5, df, validate_args=False).rsample(sample_shape) for df in (self.df1, self.df2))
        tiny = kuai.finfo(below.dtype).tiny
        return (above / below.clamp(min=tiny)).clamp(min=tiny)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._check_sample(value)
        a, b, ratio = self.df1 * 0.5, self.df2 * 0.5, self.df1 / self.df2
        size = kuai.lgamma(a + b) - kuai.lgamma(a) - kuai.lgamma(b)
        return size + a * ratio.log() + (a - 1) * value.log() - (a + b) * (ratio * value).log1p()


class GeneralizedPareto(Distribution):
    """What exceeds a high threshold (``torch.distributions.GeneralizedPareto``).

    >>> import kuai as torch
    >>> torch.distributions.GeneralizedPareto(0.0, 1.0, 0.5).mean
    tensor(2.)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive, "concentration": constraints.real}
    has_rsample = True

    def __init__(self, loc: object, scale: object, concentration: object, validate_args: bool | None = None):
        self.loc, self.scale, self.concentration = together(loc, scale, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> constraints.Constraint:  # type: ignore[override]
        """From loc to where a negative concentration ends it."""
        end = kuai.where(self.concentration < 0, self.loc - self.scale / self.concentration, math.inf)
        return constraints.interval(self.loc, end)

    @property
    def mean(self) -> Tensor:
        """The mean; nan from the concentration 1 on."""
        c = self.concentration
        return (self.loc + self.scale / (1 - c)).masked_fill(~(c < 1), math.nan)

    @property
    def mode(self) -> Tensor:
        """The threshold."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """The variance; nan from the concentration 1/2 on."""
        c = self.concentration
        return (self.scale**2 / ((1 - c) ** 2 * (1 - 2 * c))).masked_fill(~(c < 0.5), math.nan)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients reach the parameters."""
        return self.icdf(kuai.rand(self._extended_shape(sample_shape), dtype=self.loc.dtype, device=self.loc.device))

    def _shaped(self) -> tuple[Tensor, Tensor]:
        """Where the concentration is as good as 0, and the concentration with 1 there."""
        zero = kuai.isclose(self.concentration, kuai.zeros_like(self.concentration))
        return zero, self.concentration.masked_fill(zero, 1.0)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._check_sample(value)
        z, (zero, c) = (value - self.loc) / self.scale, self._shaped()
        power = 1 / c + 1
        return -self.scale.log() - kuai.where(zero, z, kuai.where(power == 0, power, power * (c * z).log1p()))

    def log_survival_function(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of more than a value."""
        self._check_sample(value)
        z, (zero, c) = (value - self.loc) / self.scale, self._shaped()
        return kuai.where(zero, -z, -(c * z).log1p() / c)

    def log_cdf(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of at most a value."""
        return (-self.log_survival_function(value).exp()).log1p()

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most a value."""
        return self.log_cdf(value).exp()

    def icdf(self, value: Tensor) -> Tensor:
        """The value that is not exceeded with a probability."""
        rest, (zero, c) = (-value).log1p(), self._shaped()
        return kuai.where(zero, self.loc - self.scale * rest, self.loc + self.scale / c * (-c * rest).expm1())

    def entropy(self) -> Tensor:
        """The entropy."""
        return self.scale.log() + self.concentration + 1


class VonMises(Centered):
    """Angles around a direction (``torch.distributions.VonMises``); mean and variance are those of a circle.

    Draws follow D. J. Best and N. I. Fisher, "Efficient simulation of the von Mises distribution" (1979), in float64.

    >>> import kuai as torch
    >>> torch.distributions.VonMises(torch.tensor(1.0), torch.tensor(2.0)).mean
    tensor(1.)
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real

    def __init__(self, loc: Tensor, concentration: Tensor, validate_args: bool | None = None):
        self.loc, self.concentration = together(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._check_sample(value)
        k = self.concentration
        return k * ((value - self.loc).cos() - 1) - math.log(2 * math.pi) - special.i0e(k).log()

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws, from -pi to pi."""
        with kuai.no_grad():
            loc, k = self.loc.double(), self.concentration.double()
            found, angle = self._extended_shape(sample_shape), self._proposal(k)
            return self._accepted(found, loc, k, angle).to(self.loc.dtype)

    @staticmethod
    def _proposal(k: Tensor) -> Tensor:
        """The parameter of the wrapped Cauchy distribution that is drawn from."""
        tau = 1 + (1 + 4 * k**2).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * k)
        return kuai.where(k < 1e-5, 1 / k + k, (1 + rho**2) / (2 * rho))

    @staticmethod
    def _accepted(shape: Size, loc: Tensor, k: Tensor, r: Tensor) -> Tensor:
        x, done = loc.new_zeros(shape), kuai.zeros(shape, dtype=kuai.bool, device=loc.device)
        while not done.all():
            u1, u2, u3 = kuai.rand((3, *shape), dtype=loc.dtype, device=loc.device).unbind()
            z = (math.pi * u1).cos()
            f = (1 + r * z) / (r + z)
            c = k * (r - f)
            accept = (c * (2 - c) - u2 > 0) | ((c / u2).log() + 1 - c >= 0)
            x = kuai.where(accept, (u3 - 0.5).sign() * f.acos(), x)
            done = done | accept
        return (x + math.pi + loc) % (2 * math.pi) - math.pi

    @property
    def variance(self) -> Tensor:
        """One less the mean length in the direction."""
        return 1 - special.i1e(self.concentration) / special.i0e(self.concentration)


class ContinuousBernoulli(Odds, ExponentialFamily):
    """Numbers from 0 to 1 with the density of a Bernoulli draw's probability, scaled (``torch.distributions.ContinuousBernoulli``).

    Near a half, between ``lims``, its formulas divide by nearly nothing, and the first terms of their series are taken.

    >>> import kuai as torch
    >>> torch.distributions.ContinuousBernoulli(torch.tensor(0.5)).mean
    tensor(0.5000)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, probs: object = None, logits: object = None, lims: tuple[float, float] = (0.499, 0.501),
                 validate_args: bool | None = None):  # fmt: skip
        (found,) = self._take(probs, logits)
        if probs is not None:
            if validate_args is not None and not constraints.unit_interval._hold(found):
                raise ValueError("The parameter probs has invalid values")
            self.__dict__["probs"] = clamped(found)
        self._lims = lims
        super().__init__(found.shape, validate_args=validate_args)

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter."""
        return self._param.shape

    def _apart(self) -> tuple[Tensor, Tensor]:
        """Where the probabilities are far enough from a half, and the probabilities with the lower limit elsewhere."""
        far = (self.probs <= self._lims[0]) | (self.probs > self._lims[1])
        return far, kuai.where(far, self.probs, self._lims[0])

    def _log_norm(self) -> Tensor:
        far, p = self._apart()
        exact = ((-p).log1p() - p.log()).abs().log() - (1 - 2 * p).abs().log()
        x = (self.probs - 0.5) ** 2
        return kuai.where(far, exact, math.log(2.0) + (4 / 3 + 104 / 45 * x) * x)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        far, p = self._apart()
        x = self.probs - 0.5
        return kuai.where(far, p / (2 * p - 1) + 1 / ((-p).log1p() - p.log()), 0.5 + (1 / 3 + 16 / 45 * x**2) * x)

    @property
    def variance(self) -> Tensor:
        """The variance."""
        far, p = self._apart()
        x = (self.probs - 0.5) ** 2
        exact = p * (p - 1) / (1 - 2 * p) ** 2 + 1 / ((-p).log1p() - p.log()) ** 2
        return kuai.where(far, exact, 1 / 12 - (1 / 15 - 128 / 945 * x) * x)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients reach the parameters."""
        return self.icdf(kuai.rand(self._extended_shape(sample_shape), dtype=self.probs.dtype, device=self.probs.device))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._check_sample(value)
        logits, value = kuai.broadcast_tensors(self.logits, value)
        return self._log_norm() - F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most a value."""
        self._check_sample(value)
        far, p = self._apart()
        exact = (p**value * (1 - p) ** (1 - value) + p - 1) / (2 * p - 1)
        return kuai.where(far, exact, value).masked_fill(value <= 0, 0.0).masked_fill(value >= 1, 1.0)

    def icdf(self, value: Tensor) -> Tensor:
        """The value that is not exceeded with a probability."""
        far, p = self._apart()
        low = (-p).log1p()
        return kuai.where(far, ((-p + value * (2 * p - 1)).log1p() - low) / (p.log() - low), value)

    def entropy(self) -> Tensor:
        """The entropy."""
        low, high = (-self.probs).log1p(), self.probs.log()
        return self.mean * (low - high) - self._log_norm() - low
