"""Transforms of vectors and matrices, and those that act on pieces."""

from __future__ import annotations

import math
from collections.abc import Sequence

import kuai

from .. import linalg
from ..nn import functional as F
from ..tensor import Tensor
from . import constraints
from .constraints import Constraint
from .distribution import sum_last
from .transform import Transform
from .transform_elements import clipped_sigmoid


class SoftmaxTransform(Transform):
    """``softmax(x)``, which has no inverse but log (``torch.distributions.transforms.SoftmaxTransform``).

    >>> import kuai as torch
    >>> torch.distributions.SoftmaxTransform()(torch.zeros(2))
    tensor([0.5000, 0.5000])
    """

    domain, codomain = constraints.real_vector, constraints.simplex
    _key = ()

    def _call(self, x: Tensor) -> Tensor:
        return x.softmax(-1)

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()

    def forward_shape(self, shape: Sequence[int]) -> Sequence[int]:
        """The same shape, which needs a dimension."""
        _needs(shape, 1)
        return shape

    inverse_shape = forward_shape


def _needs(shape: Sequence[int], dimensions: int) -> None:
    if len(shape) < dimensions:
        raise ValueError("Too few dimensions on input")


class StickBreakingTransform(Transform):
    """Fractions broken off a stick one by one: n numbers become n + 1 (``torch.distributions.transforms.StickBreakingTransform``).

    >>> import kuai as torch
    >>> torch.distributions.StickBreakingTransform()(torch.zeros(2))
    tensor([0.3333, 0.3333, 0.3333])
    """

    domain, codomain, bijective = constraints.real_vector, constraints.simplex, True
    _key = ()

    def _call(self, x: Tensor) -> Tensor:
        broken = clipped_sigmoid(x - _pieces_left(x).log())
        rest = (1 - broken).cumprod(-1)
        return F.pad(broken, [0, 1], value=1) * F.pad(rest, [1, 0], value=1)

    def _inverse(self, y: Tensor) -> Tensor:
        pieces = y[..., :-1]
        rest = (1 - pieces.cumsum(-1)).clamp(min=kuai.finfo(y.dtype).tiny)  # rounding may bring it to 0 and below
        return pieces.log() - rest.log() + _pieces_left(pieces).log()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The sum over the pieces."""
        x = x - _pieces_left(x).log()
        return (-x + F.logsigmoid(x) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape: Sequence[int]) -> Sequence[int]:
        """One more at the end."""
        _needs(shape, 1)
        return kuai.Size((*shape[:-1], shape[-1] + 1))

    def inverse_shape(self, shape: Sequence[int]) -> Sequence[int]:
        """One less at the end."""
        _needs(shape, 1)
        return kuai.Size((*shape[:-1], shape[-1] - 1))


def _pieces_left(x: Tensor) -> Tensor:
    """n, n - 1, ... 1 for n pieces."""
    return x.shape[-1] + 1 - x.new_ones(x.shape[-1]).cumsum(-1)


class LowerCholeskyTransform(Transform):
    """The lower triangle with the exponential of the diagonal (``torch.distributions.transforms.LowerCholeskyTransform``).

    >>> import kuai as torch
    >>> torch.distributions.LowerCholeskyTransform()(torch.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """

    domain, codomain = constraints.independent(constraints.real, 2), constraints.lower_cholesky
    _key = ()

    def _call(self, x: Tensor) -> Tensor:
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(Transform):
    """A positive-definite matrix by its Cholesky factor (``torch.distributions.transforms.PositiveDefiniteTransform``).

    >>> import kuai as torch
    >>> torch.distributions.PositiveDefiniteTransform()(torch.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """

    domain, codomain = constraints.independent(constraints.real, 2), constraints.positive_definite
    _key = ()

    def _call(self, x: Tensor) -> Tensor:
        root = LowerCholeskyTransform()(x)
        return root @ root.mT

    def _inverse(self, y: Tensor) -> Tensor:
        return LowerCholeskyTransform().inv(linalg.cholesky(y))


class CorrCholeskyTransform(Transform):
    """The Cholesky factor of a correlation matrix from D (D - 1) / 2 numbers (``torch.distributions.transforms.CorrCholeskyTransform``).

    Each row is a vector of length 1, broken off piece by piece as a stick is, in squares.

    >>> import kuai as torch
    >>> torch.distributions.CorrCholeskyTransform()(torch.zeros(1))
    tensor([[1., 0.],
            [0., 1.]])
    """

    domain, codomain, bijective = constraints.real_vector, constraints.corr_cholesky, True
    _key = ()

    def _call(self, x: Tensor) -> Tensor:
        eps = kuai.finfo(x.dtype).eps
        part = _lower(x.tanh().clamp(-1 + eps, 1 - eps))
        rest = (1 - part**2).sqrt().cumprod(-1)
        ones = kuai.eye(part.shape[-1], dtype=part.dtype, device=part.device)
        return (part + ones) * F.pad(rest[..., :-1], [1, 0], value=1)

    def _inverse(self, y: Tensor) -> Tensor:
        rest = F.pad((1 - (y * y).cumsum(-1))[..., :-1], [1, 0], value=1)
        part = _flat(y, -1) / _flat(rest, -1).sqrt()
        return (part.log1p() - part.neg().log1p()) / 2

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor, intermediates: object = None) -> Tensor:
        """Of the numbers below the diagonal, as the matrix has more than there are numbers."""
        rest = _flat(1 - (y * y).cumsum(-1), -2)
        return 0.5 * rest.log().sum(-1) - 2 * (x + F.softplus(-2 * x) - math.log(2.0)).sum(-1)

    def forward_shape(self, shape: Sequence[int]) -> Sequence[int]:
        """From (..., N) to (..., D, D)."""
        _needs(shape, 1)
        side = _side(shape[-1])
        if side * (side - 1) // 2 != shape[-1]:
            raise ValueError("Input is not a flattened lower-diagonal number")
        return kuai.Size((*shape[:-1], side, side))

    def inverse_shape(self, shape: Sequence[int]) -> Sequence[int]:
        """From (..., D, D) to (..., N)."""
        _needs(shape, 2)
        if shape[-2] != shape[-1]:
            raise ValueError("Input is not square")
        return kuai.Size((*shape[:-2], shape[-1] * (shape[-1] - 1) // 2))


def _side(below: int) -> int:
    """The side of the square that has so many numbers below its diagonal."""
    return round((0.25 + 2 * below) ** 0.5 + 0.5)


def _flat(matrix: Tensor, diagonal: int) -> Tensor:
    """The numbers up to a diagonal, row by row."""
    rows, columns = kuai.tril_indices(matrix.shape[-2], matrix.shape[-1], diagonal)
    return matrix[..., rows, columns]


def _lower(numbers: Tensor) -> Tensor:
    """The numbers below the diagonal of a square of zeros, row by row."""
    n = numbers.shape[-1]
    side = _side(n)
    if side * (side - 1) // 2 != n:
        raise ValueError(
            f"The size of last dimension is {n} which cannot be expressed as the lower triangular part of a square D x D matrix."
        )
    rows, columns = kuai.tril_indices(side, side, -1)
    found = numbers.new_zeros((*numbers.shape[:-1], side, side))
    found[..., rows, columns] = numbers
    return found


class _Pieces(Transform):
    """Transforms of the pieces along a dimension."""

    def __init__(self, tseq: Sequence[Transform], dim: int = 0, cache_size: int = 0):
        if not all(isinstance(t, Transform) for t in tseq):
            raise AssertionError("All elements of tseq must be Transform instances")
        super().__init__(cache_size)
        self.transforms = [t.with_cache(cache_size) for t in tseq] if cache_size else list(tseq)
        self.dim = dim

    @property
    def bijective(self) -> bool:  # type: ignore[override]
        """Whether all pieces are."""
        return all(t.bijective for t in self.transforms)

    def _checked(self, x: Tensor, length: int) -> None:
        if not -x.dim() <= self.dim < x.dim():
            raise AssertionError(f"dim {self.dim} out of range for tensor with {x.dim()} dimensions")
        if x.size(self.dim) != length:
            raise AssertionError(f"x.size({self.dim}) = {x.size(self.dim)} must equal length {length}")

    def _cut(self, x: Tensor) -> Sequence[Tensor]:
        raise NotImplementedError

    def _join(self, pieces: list[Tensor]) -> Tensor:
        raise NotImplementedError

    def _call(self, x: Tensor) -> Tensor:
        return self._join([t(piece) for t, piece in zip(self.transforms, self._cut(x))])

    def _inverse(self, y: Tensor) -> Tensor:
        return self._join([t.inv(piece) for t, piece in zip(self.transforms, self._cut(y))])

    def _log_dets(self, x: Tensor, y: Tensor) -> list[tuple[Transform, Tensor]]:
        return [(t, t.log_abs_det_jacobian(a, b)) for t, a, b in zip(self.transforms, self._cut(x), self._cut(y))]


class CatTransform(_Pieces):
    """Transforms of pieces of the lengths along a dimension (``torch.distributions.transforms.CatTransform``).

    >>> import kuai as torch
    >>> from kuai.distributions import transforms
    >>> t = transforms.CatTransform([transforms.ExpTransform(), transforms.identity_transform], lengths=[1, 2])
    >>> t(torch.zeros(3))
    tensor([1., 0., 0.])
    """

    def __init__(self, tseq: Sequence[Transform], dim: int = 0, lengths: Sequence[int] | None = None, cache_size: int = 0):
        super().__init__(tseq, dim, cache_size)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.transforms):
            raise AssertionError(f"lengths ({len(self.lengths)}) must match transforms ({len(self.transforms)})")

    @property
    def event_dim(self) -> int:
        """The most that any piece has."""
        return max(t.event_dim for t in self.transforms)

    @property
    def length(self) -> int:
        """The sum of the lengths."""
        return sum(self.lengths)

    @property
    def domain(self) -> Constraint:  # type: ignore[override]
        """Those of the pieces."""
        return constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths)

    @property
    def codomain(self) -> Constraint:  # type: ignore[override]
        """Those of the pieces."""
        return constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths)

    def _again(self, cache_size: int) -> Transform:
        return CatTransform(self.transforms, self.dim, self.lengths, cache_size)

    def _cut(self, x: Tensor) -> Sequence[Tensor]:
        self._checked(x, self.length)
        return x.split(self.lengths, self.dim)

    def _join(self, pieces: list[Tensor]) -> Tensor:
        return kuai.cat(pieces, self.dim)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Of the pieces, concatenated; summed if the dimension belongs to the event."""
        terms = [sum_last(found, self.event_dim - t.event_dim) for t, found in self._log_dets(x, y)]
        dim = (self.dim - x.dim() if self.dim >= 0 else self.dim) + self.event_dim
        return kuai.cat(terms, dim) if dim < 0 else sum(terms[1:], terms[0])


class StackTransform(_Pieces):
    """Transforms of the slices along a dimension (``torch.distributions.transforms.StackTransform``).

    >>> import kuai as torch
    >>> from kuai.distributions import transforms
    >>> transforms.StackTransform([transforms.ExpTransform(), transforms.identity_transform])(torch.zeros(2, 2))
    tensor([[1., 1.],
            [0., 0.]])
    """

    @property
    def domain(self) -> Constraint:  # type: ignore[override]
        """Those of the slices."""
        return constraints.stack([t.domain for t in self.transforms], self.dim)

    @property
    def codomain(self) -> Constraint:  # type: ignore[override]
        """Those of the slices."""
        return constraints.stack([t.codomain for t in self.transforms], self.dim)

    def _again(self, cache_size: int) -> Transform:
        return StackTransform(self.transforms, self.dim, cache_size)

    def _cut(self, x: Tensor) -> Sequence[Tensor]:
        self._checked(x, len(self.transforms))
        return x.unbind(self.dim)

    def _join(self, pieces: list[Tensor]) -> Tensor:
        return kuai.stack(pieces, self.dim)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Of the slices, stacked."""
        return kuai.stack([found for _, found in self._log_dets(x, y)], self.dim)
