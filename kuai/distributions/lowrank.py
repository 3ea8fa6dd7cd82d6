"""The normal distribution of vectors whose covariance is a diagonal and a matrix of low rank."""

from __future__ import annotations

import math
from collections.abc import Sequence

import kuai

from .. import linalg
from ..tensor import Tensor
from . import constraints
from .continuous import _standard_normal
from .distribution import Centered


class LowRankMultivariateNormal(Centered):
    """Normal vectors with the covariance ``cov_factor @ cov_factor.T + diag(cov_diag)``
    (``torch.distributions.LowRankMultivariateNormal``).

    Only the small matrix ``I + cov_factor.T @ diag(1 / cov_diag) @ cov_factor`` is factored (Woodbury).

    >>> import kuai as torch
    >>> d = torch.distributions.LowRankMultivariateNormal(torch.zeros(2), torch.ones(2, 1), torch.ones(2))
    >>> d.covariance_matrix
    tensor([[2., 1.],
            [1., 2.]])
    """

    arg_constraints = {
        "loc": constraints.real_vector, "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }  # fmt: skip
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc: Tensor, cov_factor: Tensor, cov_diag: Tensor, validate_args: bool | None = None):
        _check(loc, cov_factor, cov_diag)
        try:
            batch = kuai.broadcast_shapes(loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1])
        except RuntimeError as error:
            raise ValueError(
                f"Incompatible batch shapes: loc {loc.shape}, cov_factor {cov_factor.shape}, cov_diag {cov_diag.shape}"
            ) from error
        event = loc.shape[-1:]
        self.loc, self.cov_diag = loc.expand(batch + event), cov_diag.expand(batch + event)
        self.cov_factor = cov_factor.expand(batch + cov_factor.shape[-2:])
        super().__init__(batch, event, validate_args)
        self._factor, self._diag = cov_factor, cov_diag
        scaled = cov_factor.mT / cov_diag.unsqueeze(-2)
        eye = kuai.eye(cov_factor.shape[-1], dtype=cov_factor.dtype, device=cov_factor.device)
        self._small = linalg.cholesky(eye + scaled @ cov_factor)

    @property
    def variance(self) -> Tensor:
        """The variance of each entry."""
        return ((self._factor**2).sum(-1) + self._diag).expand(self._batch_shape + self._event_shape)

    def _square(self, matrix: Tensor) -> Tensor:
        return matrix.expand(self._batch_shape + self._event_shape + self._event_shape)

    @property
    def covariance_matrix(self) -> Tensor:
        """The covariance."""
        return self._square(self._factor @ self._factor.mT + self._diag.diag_embed())

    @property
    def scale_tril(self) -> Tensor:
        """The Cholesky factor of the covariance; of the scaled one, which is well-conditioned."""
        scale = self._diag.sqrt().unsqueeze(-1)
        scaled = self._factor / scale
        eye = kuai.eye(scaled.shape[-2], dtype=scaled.dtype, device=scaled.device)
        return self._square(scale * linalg.cholesky(eye + scaled @ scaled.mT))

    def _whitened(self) -> Tensor:
        """A with ``inverse(covariance) = diag(1 / cov_diag) - A.T @ A``."""
        return linalg.solve_triangular(self._small, self._factor.mT / self._diag.unsqueeze(-2), upper=False)

    @property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance."""
        a = self._whitened()
        return self._square(self._diag.reciprocal().diag_embed() - a.mT @ a)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients reach the parameters."""
        shape = self._extended_shape(sample_shape)
        common = _standard_normal(self.loc, shape[:-1] + self.cov_factor.shape[-1:])
        own = _standard_normal(self.loc, shape)
        return self.loc + (self._factor @ common.unsqueeze(-1)).squeeze(-1) + self._diag.sqrt() * own

    def _log_det(self) -> Tensor:
        return 2 * self._small.diagonal(dim1=-2, dim2=-1).log().sum(-1) + self._diag.log().sum(-1)

    def _distance(self, far: Tensor) -> Tensor:
        """The squared distance in standard deviations."""
        common = (self._whitened() @ far.unsqueeze(-1)).squeeze(-1)
        return (far**2 / self._diag).sum(-1) - (common**2).sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._check_sample(value)
        size = self._event_shape[0] * math.log(2 * math.pi) + self._log_det()
        return -0.5 * (size + self._distance(value - self.loc))

    def entropy(self) -> Tensor:
        """The entropy."""
        found = 0.5 * (self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + self._log_det())
        return found.expand(self._batch_shape)


def _check(loc: Tensor, cov_factor: Tensor, cov_diag: Tensor) -> None:
    if loc.ndim < 1:
        raise ValueError("loc must be at least one-dimensional.")
    n = loc.shape[-1]
    if cov_factor.ndim < 2:
        raise ValueError("cov_factor must be at least two-dimensional, with optional leading batch dimensions")
    if cov_factor.shape[-2] != n:
        raise ValueError(f"cov_factor must be a batch of matrices with shape {n} x m")
    if cov_diag.shape[-1:] != (n,):
        raise ValueError(f"cov_diag must be a batch of vectors with shape {(n,)}")
