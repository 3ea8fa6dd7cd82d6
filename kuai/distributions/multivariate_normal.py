"""The normal distribution of vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import kuai

from .. import linalg
from ..tensor import Tensor
from . import constraints
from .continuous import _standard_normal
from .distribution import Centered
from .distribution import Distribution as Distribution  # programs import it from here too


def _precision_to_scale_tril(P: Tensor) -> Tensor:
    """The lower root of the inverse of a precision matrix."""
    turned = linalg.cholesky(P.flip((-2, -1))).flip((-2, -1)).mT
    eye = kuai.eye(P.shape[-1], dtype=P.dtype, device=P.device)
    return linalg.solve_triangular(turned, eye, upper=False)


class MultivariateNormal(Centered):
    """The normal distribution of vectors (``torch.distributions.MultivariateNormal``), from one of three matrices.

    >>> import kuai as torch
    >>> d = torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2))
    >>> d.log_prob(torch.zeros(2))
    tensor(-1.8379)
    """

    arg_constraints = {
        "loc": constraints.real_vector, "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite, "scale_tril": constraints.lower_cholesky,
    }  # fmt: skip
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc: Tensor, covariance_matrix: Tensor | None = None, precision_matrix: Tensor | None = None,
                 scale_tril: Tensor | None = None, validate_args: bool | None = None):  # fmt: skip
        given = {"covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix, "scale_tril": scale_tril}
        found = [(name, matrix) for name, matrix in given.items() if matrix is not None]
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        if len(found) != 1:
            raise ValueError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
        ((name, matrix),) = found
        if matrix.ndim < 2:
            raise ValueError(f"{name} must be at least two-dimensional, with optional leading batch dimensions")
        batch, n = kuai.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1]), loc.shape[-1]
        self.loc = loc.expand(batch + (n,))
        self.__dict__[name] = matrix.expand(batch + (n, n))
        super().__init__(batch, (n,), validate_args)
        self._unbroadcasted_scale_tril = self._root(name, matrix)

    @staticmethod
    def _root(name: str, matrix: Tensor) -> Tensor:
        if name == "scale_tril":
            return matrix
        if name == "covariance_matrix":
            return linalg.cholesky(matrix)
        return _precision_to_scale_tril(matrix)

    def __getattr__(self, name: str) -> Tensor:
        root = self.__dict__.get("_unbroadcasted_scale_tril")
        if root is None or name not in self.arg_constraints:
            raise AttributeError(f"'MultivariateNormal' object has no attribute {name!r}")
        size = (*self._batch_shape, *self._event_shape, *self._event_shape)
        if name == "scale_tril":
            return root.expand(size)
        made = root @ root.mT if name == "covariance_matrix" else kuai.cholesky_inverse(root)
        return made.expand(size)

    @property
    def variance(self) -> Tensor:
        """The variance of each entry."""
        return (self._unbroadcasted_scale_tril**2).sum(-1).expand(self._batch_shape + self._event_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients reach the parameters."""
        eps = _standard_normal(self.loc, self._extended_shape(sample_shape))
        return self.loc + (self._unbroadcasted_scale_tril @ eps.unsqueeze(-1)).squeeze(-1)

    def _half_log_det(self) -> Tensor:
        return self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._check_sample(value)
        from_loc = (value - self.loc).unsqueeze(-1)
        distance = linalg.solve_triangular(self._unbroadcasted_scale_tril, from_loc, upper=False).squeeze(-1)
        squared = (distance**2).sum(-1)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + squared) - self._half_log_det()

    def entropy(self) -> Tensor:
        """The entropy."""
        found = 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + self._half_log_det()
        return found.expand(self._batch_shape)
