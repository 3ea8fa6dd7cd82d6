"""Random matrices: of covariances (Wishart) and of correlations (LKJ)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import kuai

from .. import linalg
from ..engine import Size
from ..errors import warn
from ..tensor import Tensor
from . import constraints
from .distribution import Distribution, ExponentialFamily, together
from .gamma import Beta, Chi2
from .multivariate_normal import MultivariateNormal


class Wishart(ExponentialFamily):
    """Sums of squares of normal vectors (``torch.distributions.Wishart``), from one of three matrices.

    Draws are Bartlett's products. As PyTorch 2.13 does, it warns, and draws whole matrices once more: so that the streams stay equal.

    >>> import kuai as torch
    >>> torch.distributions.Wishart(3.0, torch.eye(2)).mean
    tensor([[3., 0.],
            [0., 3.]])
    """

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0.0

    def __init__(self, df: Any, covariance_matrix: Tensor | None = None, precision_matrix: Tensor | None = None,
                 scale_tril: Tensor | None = None, validate_args: bool | None = None):  # fmt: skip
        given = {"covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix, "scale_tril": scale_tril}
        found = [(name, matrix) for name, matrix in given.items() if matrix is not None]
        if len(found) != 1:
            raise AssertionError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
        ((name, matrix),) = found
        if matrix.ndim < 2:
            raise ValueError("scale_tril must be at least two-dimensional, with optional leading batch dimensions")
        self.df = df if isinstance(df, Tensor) else kuai.tensor(df, dtype=matrix.dtype, device=matrix.device)
        batch, n = kuai.broadcast_shapes(matrix.shape[:-2], self.df.shape), matrix.shape[-1]
        self.df = self.df.expand(batch)
        if (self.df <= n - 1).any():
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {n - 1}.")
        if (self.df < n).any():
            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for ndim - 1 < df < ndim.", stacklevel=2
            )
        self.__dict__[name] = matrix.expand(*batch, n, n)
        super().__init__(batch, (n, n), validate_args)
        self._root = MultivariateNormal._root(name, matrix)

    @property
    def arg_constraints(self) -> dict:  # type: ignore[override]
        """What the parameters must be."""
        return {
            "covariance_matrix": constraints.positive_definite, "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky, "df": constraints.greater_than(self._event_shape[-1] - 1),
        }  # fmt: skip

    def __getattr__(self, name: str) -> Tensor:
        root = self.__dict__.get("_root")
        if root is None or name not in ("scale_tril", "covariance_matrix", "precision_matrix"):
            raise AttributeError(f"'Wishart' object has no attribute {name!r}")
        made = root if name == "scale_tril" else root @ root.mT if name == "covariance_matrix" else kuai.cholesky_inverse(root)
        return made.expand(self._batch_shape + self._event_shape)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.df[..., None, None] * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        """The likeliest value; nan if there are too few degrees of freedom."""
        factor = self.df - self._event_shape[-1] - 1
        return factor.masked_fill(factor <= 0, math.nan)[..., None, None] * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        """The variance of each entry."""
        v = self.covariance_matrix
        sizes = v.diagonal(dim1=-2, dim2=-1)
        return self.df[..., None, None] * (v**2 + sizes[..., :, None] * sizes[..., None, :])

    def _bartlett(self, shape: Size) -> Tensor:
        n = self._event_shape[-1]
        freedom = self.df.unsqueeze(-1) - kuai.arange(n, dtype=self._root.dtype, device=self._root.device)
        lengths = Chi2(freedom, validate_args=False).rsample(shape).sqrt()
        noise = lengths.clamp(min=kuai.finfo(lengths.dtype).eps).diag_embed()
        rows, columns = kuai.tril_indices(n, n, -1)
        below = (*shape, *self._batch_shape, n * (n - 1) // 2)
        noise[..., rows, columns] = kuai.randn(below, dtype=noise.dtype, device=noise.device)
        root = self._root @ noise
        return root @ root.mT

    def rsample(self, sample_shape: Sequence[int] = (), max_try_correction: int | None = None) -> Tensor:
        """Draws through which gradients reach the parameters."""
        drawn = self._bartlett(Size(sample_shape))
        again = self._of_any(self.support.check(drawn))  # PyTorch takes whole matrices for singular ones, and its stream stands behind that
        if not again.any():
            return drawn
        warn("Singular sample detected.")
        for _ in range(10 if max_try_correction is None else max_try_correction):
            fresh = self._bartlett(again[again].shape)
            drawn[again] = fresh
            again[again.clone()] = self._of_any(~self.support.check(fresh))
            if not again.any():
                break
        return drawn

    def _of_any(self, checked: Tensor) -> Tensor:
        """For each sample, whether it is so for any of the batch."""
        return checked.amax([-i - 1 for i in range(len(self._batch_shape))]) if self._batch_shape else checked

    def _half_log_det(self) -> Tensor:
        n = self._event_shape[-1]
        return n * math.log(2) / 2 + self._root.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._check_sample(value)
        nu, n = self.df, self._event_shape[-1]
        trace = kuai.cholesky_solve(value, self._root).diagonal(dim1=-2, dim2=-1).sum(-1)
        size = -nu * self._half_log_det() - kuai.mvlgamma(nu / 2, n)
        return size + (nu - n - 1) / 2 * linalg.slogdet(value)[1] - trace / 2

    def entropy(self) -> Tensor:
        """The entropy."""
        nu, n = self.df, self._event_shape[-1]
        halves = kuai.arange(n, dtype=nu.dtype, device=nu.device) / 2
        slope = kuai.digamma((nu / 2).unsqueeze(-1) - halves).sum(-1)
        return (n + 1) * self._half_log_det() + kuai.mvlgamma(nu / 2, n) - (nu - n - 1) / 2 * slope + nu * n / 2

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return -self.precision_matrix / 2, (self.df - self._event_shape[-1] - 1) / 2

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        x, y = natural_params
        n = self._event_shape[-1]
        half = y + (n + 1) / 2
        return half * (n * math.log(2) - linalg.slogdet(-2 * x)[1]) + kuai.mvlgamma(half, n)


class LKJCholesky(Distribution):
    """Cholesky factors of random correlation matrices (``torch.distributions.LKJCholesky``).

    D. Lewandowski, D. Kurowicka and H. Joe, "Generating random correlation matrices based on vines and extended onion method"
    (2009), section 3.2.

    >>> import kuai as torch
    >>> torch.distributions.LKJCholesky(3, 1.0).sample().norm(dim=-1).allclose(torch.ones(3))
    True
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(self, dim: int, concentration: object = 1.0, validate_args: bool | None = None):
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (self.concentration,) = together(concentration)
        super().__init__(self.concentration.shape, (dim, dim), validate_args)

    @property
    def _squares(self) -> Beta:
        """What a row has below the diagonal, of its length 1, in squares."""
        c = self.concentration
        row = kuai.arange(self.dim - 1, dtype=c.dtype, device=c.device)
        row = kuai.cat([row.new_zeros(1), row])
        return Beta(row + 0.5, (c + 0.5 * (self.dim - 2)).unsqueeze(-1) - 0.5 * row, validate_args=False)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws."""
        with kuai.no_grad():
            squares = self._squares.sample(sample_shape).unsqueeze(-1)
            shape = self._extended_shape(sample_shape)
            below = kuai.randn(shape, dtype=squares.dtype, device=squares.device).tril(-1)
            below = squares.sqrt() * (below / below.norm(dim=-1, keepdim=True))
            below[..., 0, :] = 0.0  # nothing is below the diagonal in the first row
            rest = (1 - (below**2).sum(-1)).clamp(min=kuai.finfo(below.dtype).tiny)
            return below + rest.sqrt().diag_embed()

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._check_sample(value)
        c, n = self.concentration, self.dim - 1
        order = 2 * (c - 1).unsqueeze(-1) + self.dim - kuai.arange(2, self.dim + 1, device=c.device)
        found = (order * value.diagonal(dim1=-1, dim2=-2)[..., 1:].log()).sum(-1)
        alpha = c + 0.5 * n
        return found - (0.5 * n * math.log(math.pi) + kuai.mvlgamma(alpha - 0.5, n) - n * kuai.lgamma(alpha))
