"""Parametrizations: orthogonal matrices, weight norm, spectral norm."""

from __future__ import annotations

from typing import Any

from ...autograd.modes import no_grad
from ...dtypes import finfo
from ...ops.joining import cat
from ...ops.likes import zeros_like
from ...ops.random import randn
from ...ops.ranges import eye
from ...tensor import Tensor
from ..module import Module
from .parametrize import register_parametrization
from .spectral_norm import as_matrix, dim_of, iterate, largest, need_positive, unit
from .weight_norm import norm_except_dim, scaled_direction


def _own_tensor(module: Any, name: str) -> Any:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


# ---- orthogonal ------------------------------------------------------------------------------------------------------

_MAPS = ("matrix_exp", "cayley", "householder")


def _linalg() -> Any:
    from ... import linalg

    return linalg


def _orthogonalized(a: Any) -> Any:
    """The orthogonal factor of a matrix, with the signs that make it unique."""
    q, r = _linalg().qr(a)
    return q * r.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


def _is_orthogonal(q: Any) -> bool:
    n, k = q.shape[-2:]
    one = eye(k, dtype=q.dtype, device=q.device)
    tolerance = 10.0 * n * finfo(q.dtype).eps  # type: ignore[attr-defined]
    return bool(((q.mH @ q) - one).abs().max() <= tolerance)


class _Orthogonal(Module):
    """A matrix with orthonormal columns or rows, as a function of a free one, on top of a fixed base."""

    def __init__(self, weight: Any, orthogonal_map: str, *, use_trivialization: bool = True) -> None:
        super().__init__()
        if weight.dtype.is_complex and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape, self.orthogonal_map = weight.shape, orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Any) -> Any:  # noqa: N803 (PyTorch's name)
        """The orthogonal matrix of a free one."""
        wide = X.shape[-2] < X.shape[-1]
        x = X.mT if wide else X
        q = self._householder(x) if self.orthogonal_map == "householder" else self._of_skew(x)
        if getattr(self, "base", None) is not None:
            q = self.base @ q
        return q.mT if wide else q

    def _of_skew(self, x: Any) -> Any:
        """By the exponential, or the Cayley transform, of a skew matrix."""
        n, k = x.shape[-2:]
        x = x.tril()
        if n != k:
            x = cat([x, x.new_zeros((*x.shape[:-1], n - k))], dim=-1)
        a = x - x.mH
        if self.orthogonal_map == "matrix_exp":
            q = _linalg().matrix_exp(a)
        else:
            one = eye(n, dtype=a.dtype, device=a.device)
            q = _linalg().solve(one - a / 2, one + a / 2)
        return q[..., :k]

    def _householder(self, x: Any) -> Any:
        """By reflections."""
        a = x.tril(diagonal=-1)
        tau = 2.0 / (1.0 + (a * a).sum(dim=-2))
        q = _linalg().householder_product(a, tau)
        return q * x.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)

    def right_inverse(self, Q: Any) -> Any:  # noqa: N803 (PyTorch's name)
        """The free matrix of an orthogonal one; with a base, the base is set and the free matrix is neutral."""
        with no_grad():
            if Q.shape != self.shape:
                raise ValueError(
                    f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape {Q.shape}."
                )
            q = Q.mT if Q.shape[-2] < Q.shape[-1] else Q
            if not hasattr(self, "base"):
                return self._reflections(q, Q.shape[-2] < Q.shape[-1])
            self.base = self._completed(q)
            neutral = zeros_like(Q)
            neutral.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
            return neutral

    def _completed(self, q: Any) -> Any:
        """A square orthogonal matrix that begins with these columns."""
        n, k = q.shape[-2:]
        if n == k:
            return q.clone() if _is_orthogonal(q) else _orthogonalized(q)
        return _orthogonalized(cat([q, randn(*q.shape[:-1], n - k, dtype=q.dtype, device=q.device)], dim=-1))

    def _reflections(self, q: Any, wide: bool) -> Any:
        if self.orthogonal_map != "householder":
            raise NotImplementedError(
                "It is not possible to assign to the matrix exponential or the Cayley parametrizations when "
                "use_trivialization=False."
            )
        from ...ops.householder import geqrf

        a, tau = geqrf(q)
        diagonal = a.diagonal(dim1=-2, dim2=-1)
        diagonal.sign_()
        diagonal[tau == 0.0] *= -1
        return a.mT if wide else a


def orthogonal(module: Any, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True) -> Any:
    """Keep a weight's rows or columns orthonormal (``torch.nn.utils.parametrizations.orthogonal``).

    >>> import kuai as torch
    >>> m = torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(4, 2))
    >>> torch.allclose(m.weight @ m.weight.T, torch.eye(2), atol=1e-5)
    True
    """
    weight = _own_tensor(module, name)
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square or weight.dtype.is_complex else "householder"
    if orthogonal_map not in _MAPS:
        names = ", ".join(f'"{m}"' for m in _MAPS)
        raise ValueError(f"orthogonal_map has to be one of {names}. Got: {orthogonal_map}")
    made = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return register_parametrization(module, name, made, unsafe=True)


# ---- weight norm -----------------------------------------------------------------------------------------------------


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Any, weight_v: Any) -> Any:
        """The weight of these lengths and this direction."""
        return scaled_direction(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Any) -> tuple:
        """The lengths and the direction of a weight."""
        return norm_except_dim(weight, self.dim), weight


class _FromHooks:
    """Lets a state_dict of the older form, ``weight_g`` and ``weight_v``, be loaded."""

    def __init__(self, name: str):
        self.name = name

    def __call__(self, state_dict: dict, prefix: str, *rest: object) -> None:
        old = [f"{prefix}{self.name}_{part}" for part in "gv"]
        if all(key in state_dict for key in old):
            for i, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{self.name}.original{i}"] = state_dict.pop(key)


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Learn a weight as a length and a direction (``torch.nn.utils.parametrizations.weight_norm``).

    >>> import kuai as torch
    >>> m = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 3))
    >>> m.parametrizations.weight.original0.shape
    torch.Size([3, 1])
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)
    module._register_load_state_dict_pre_hook(_FromHooks(name))
    return module


# ---- spectral norm ---------------------------------------------------------------------------------------------------


class _SpectralNorm(Module):
    """A weight divided by its largest singular value."""

    def __init__(self, weight: Any, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        n = weight.ndim
        if not -n <= dim < n:
            raise IndexError(f"Dimension out of range (expected to be in range of [-{n}, {n - 1}] but got {dim})")
        need_positive(n_power_iterations)
        self.dim, self.eps = dim % n, eps
        if n > 1:
            self.n_power_iterations = n_power_iterations
            with no_grad():
                matrix = as_matrix(weight, self.dim)
                u, v = (unit(weight.new_empty(size).normal_(0, 1), eps) for size in matrix.shape)
                self.register_buffer("_u", u)
                self.register_buffer("_v", v)
                iterate(matrix.mH, self._v, self._u, 15, eps)

    def forward(self, weight: Any) -> Any:
        """The weight, divided."""
        if weight.ndim == 1:
            return unit(weight, self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            iterate(matrix.mH, self._v, self._u, self.n_power_iterations, self.eps)
        return weight / largest(matrix, self._u.clone(), self._v.clone())

    def right_inverse(self, value: Any) -> Any:
        """The value itself: what it is divided by is found out."""
        return value


def spectral_norm(module: Any, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12,
                  dim: int | None = None) -> Any:  # fmt: skip
    """Divide a weight by its largest singular value (``torch.nn.utils.parametrizations.spectral_norm``).

    >>> import kuai as torch
    >>> m = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(2, 3))
    >>> sorted(m.state_dict())
    ['bias', 'parametrizations.weight.0._u', 'parametrizations.weight.0._v', 'parametrizations.weight.original']
    """
    made = _SpectralNorm(_own_tensor(module, name), n_power_iterations, dim_of(module, dim), eps)
    return register_parametrization(module, name, made)
