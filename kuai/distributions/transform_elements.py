"""Transforms that act on each element."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import kuai

from ..nn import functional as F
from ..tensor import Tensor
from . import constraints
from .constraints import Constraint
from .distribution import Distribution
from .transform import Transform


class _Increasing(Transform):
    """An increasing function of each element, without parameters."""

    bijective, sign = True, 1
    _key = ()


class ExpTransform(_Increasing):
    """``exp(x)`` (``torch.distributions.transforms.ExpTransform``).

    >>> import kuai as torch
    >>> torch.distributions.ExpTransform()(torch.tensor(0.))
    tensor(1.)
    """

    domain, codomain = constraints.real, constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return x.exp()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """x itself."""
        return x


class PowerTransform(Transform):
    """``x ** exponent`` of positive numbers (``torch.distributions.transforms.PowerTransform``).

    >>> import kuai as torch
    >>> torch.distributions.PowerTransform(torch.tensor(2.)).inv(torch.tensor(9.))
    tensor(3.)
    """

    domain = codomain = constraints.positive
    bijective = True

    def __init__(self, exponent: Any, cache_size: int = 0):
        super().__init__(cache_size)
        self.exponent = exponent if isinstance(exponent, Tensor) else kuai.tensor(float(exponent))

    @property
    def _key(self) -> tuple:
        return (self.exponent,)

    @property
    def sign(self) -> Any:
        """That of the exponent."""
        return self.exponent.sign()

    def _again(self, cache_size: int) -> Transform:
        return PowerTransform(self.exponent, cache_size)

    def _call(self, x: Tensor) -> Tensor:
        return x.pow(self.exponent)

    def _inverse(self, y: Tensor) -> Tensor:
        return y.pow(1 / self.exponent)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """``log|exponent * y / x|``."""
        return (self.exponent * y / x).abs().log()

    def forward_shape(self, shape: Sequence[int]) -> Sequence[int]:
        """The shape together with the exponent's."""
        return kuai.broadcast_shapes(shape, self.exponent.shape)

    inverse_shape = forward_shape


class SigmoidTransform(_Increasing):
    """``sigmoid(x)``, away from 0 and 1 (``torch.distributions.transforms.SigmoidTransform``).

    >>> import kuai as torch
    >>> torch.distributions.SigmoidTransform().inv(torch.tensor(0.5))
    tensor(0.)
    """

    domain, codomain = constraints.real, constraints.unit_interval

    def _call(self, x: Tensor) -> Tensor:
        return clipped_sigmoid(x)

    def _inverse(self, y: Tensor) -> Tensor:
        y = y.clamp(kuai.finfo(y.dtype).tiny, 1.0 - kuai.finfo(y.dtype).eps)
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """``log(y * (1 - y))``."""
        return -F.softplus(-x) - F.softplus(x)


def clipped_sigmoid(x: Tensor) -> Tensor:
    finfo = kuai.finfo(x.dtype)
    return x.sigmoid().clamp(finfo.tiny, 1.0 - finfo.eps)


class SoftplusTransform(_Increasing):
    """``log(1 + exp(x))`` (``torch.distributions.transforms.SoftplusTransform``).

    >>> import kuai as torch
    >>> torch.distributions.SoftplusTransform()(torch.tensor(0.))
    tensor(0.6931)
    """

    domain, codomain = constraints.real, constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return F.softplus(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return (-y).expm1().neg().log() + y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """``log(sigmoid(x))``."""
        return -F.softplus(-x)


class TanhTransform(_Increasing):
    """``tanh(x)`` (``torch.distributions.transforms.TanhTransform``).

    >>> import kuai as torch
    >>> torch.distributions.TanhTransform().inv(torch.tensor(0.))
    tensor(0.)
    """

    domain, codomain = constraints.real, constraints.interval(-1.0, 1.0)

    def _call(self, x: Tensor) -> Tensor:
        return x.tanh()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.atanh()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """``log(1 - tanh(x)**2)``, from x so that nothing cancels."""
        return 2.0 * (math.log(2.0) - x - F.softplus(-2.0 * x))


class AbsTransform(Transform):
    """``|x|``, whose inverse is the positive one (``torch.distributions.transforms.AbsTransform``).

    >>> import kuai as torch
    >>> torch.distributions.AbsTransform()(torch.tensor(-2.))
    tensor(2.)
    """

    domain, codomain = constraints.real, constraints.positive
    _key = ()

    def _call(self, x: Tensor) -> Tensor:
        return x.abs()

    def _inverse(self, y: Tensor) -> Tensor:
        return y


class AffineTransform(Transform):
    """``loc + scale * x`` (``torch.distributions.transforms.AffineTransform``).

    >>> import kuai as torch
    >>> t = torch.distributions.AffineTransform(1., -2.)
    >>> t(torch.tensor(3.)), t.sign
    (tensor(-5.), -1)
    """

    bijective = True

    def __init__(self, loc: Any, scale: Any, event_dim: int = 0, cache_size: int = 0):
        super().__init__(cache_size)
        self.loc, self.scale, self._event_dim = loc, scale, event_dim

    @property
    def event_dim(self) -> int:
        """How many dimensions an event has."""
        return self._event_dim

    @property
    def domain(self) -> Constraint:  # type: ignore[override]
        """Real numbers, or events of them."""
        return constraints.independent(constraints.real, self._event_dim) if self._event_dim else constraints.real

    codomain = domain

    @property
    def _key(self) -> tuple:
        return (self.loc, self.scale)

    @property
    def sign(self) -> Any:
        """That of the scale."""
        if isinstance(self.scale, Tensor):
            return self.scale.sign()
        return int(self.scale > 0) - int(self.scale < 0)

    def _again(self, cache_size: int) -> Transform:
        return AffineTransform(self.loc, self.scale, self._event_dim, cache_size)

    def _call(self, x: Tensor) -> Tensor:
        return self.loc + self.scale * x

    def _inverse(self, y: Tensor) -> Tensor:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """``log|scale|``, summed over each event."""
        if isinstance(self.scale, Tensor):
            found = self.scale.abs().log()
        else:
            found = kuai.full_like(x, math.log(abs(self.scale)))
        if not self._event_dim:
            return found.expand(x.shape)
        return found.reshape(*found.shape[: -self._event_dim], -1).sum(-1).expand(x.shape[: -self._event_dim])

    def forward_shape(self, shape: Sequence[int]) -> Sequence[int]:
        """The shape together with those of loc and scale."""
        return kuai.broadcast_shapes(shape, getattr(self.loc, "shape", ()), getattr(self.scale, "shape", ()))

    inverse_shape = forward_shape


class CumulativeDistributionTransform(Transform):
    """A distribution's probability of less than x (``torch.distributions.transforms.CumulativeDistributionTransform``).

    >>> import kuai as torch
    >>> torch.distributions.CumulativeDistributionTransform(torch.distributions.Normal(0., 1.))(torch.tensor(0.))
    tensor(0.5000)
    """

    bijective, sign = True, 1
    codomain = constraints.unit_interval

    def __init__(self, distribution: Distribution, cache_size: int = 0):
        super().__init__(cache_size)
        self.distribution = distribution

    @property
    def domain(self) -> Constraint:  # type: ignore[override]
        """The distribution's support."""
        return self.distribution.support

    def _again(self, cache_size: int) -> Transform:
        return CumulativeDistributionTransform(self.distribution, cache_size)

    def _call(self, x: Tensor) -> Tensor:
        return self.distribution.cdf(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The logarithm of the density."""
        return self.distribution.log_prob(x)
