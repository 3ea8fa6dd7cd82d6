"""The leading singular values and eigenvalues: of matrices with many rows, by random projections."""

from __future__ import annotations

from ..tensor import Tensor
from . import factorizations, random
from .matrices import adjoint, need_matrices, need_square
from .triangular import triangular


def _basis(A: Tensor, q: int, niter: int, M: Tensor | None) -> Tensor:
    """Orthonormal columns that nearly span what A (less M) maps to, by subspace iteration from random vectors."""

    def times(x: Tensor, transposed: bool) -> Tensor:
        made = (adjoint(A) if transposed else A) @ x
        return made if M is None else made - (adjoint(M) if transposed else M) @ x

    span = random.randn(A.shape[-1], q, dtype=A.dtype, device=A.device)
    Q = factorizations.qr(times(span, False))[0]
    for _ in range(niter):
        Q = factorizations.qr(times(Q, True))[0]
        Q = factorizations.qr(times(Q, False))[0]
    return Q


def svd_lowrank(A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """The q leading singular values and vectors, nearly: (U, S, V) with A ≈ U diag(S) V^H (``torch.svd_lowrank``).

    >>> import kuai as torch
    >>> torch.svd_lowrank(torch.ones(3, 2), q=1)[1]
    tensor([2.4495])
    """
    need_matrices("svd_lowrank", A)
    q, niter = 6 if q is None else q, 2 if niter is None else niter
    M = None if M is None else M.expand(A.shape)
    wide = A.shape[-2] < A.shape[-1]
    if wide:
        A, M = adjoint(A), None if M is None else adjoint(M)
    Q = _basis(A, q, niter, M)
    inner = adjoint(Q) @ A if M is None else adjoint(Q) @ (A - M)
    U, S, Vh = factorizations.svd(inner, full_matrices=False)
    U, V = Q @ U, adjoint(Vh)
    return (V, S, U) if wide else (U, S, V)


def pca_lowrank(A: Tensor, q: int | None = None, center: object = True, niter: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """The leading principal components of the rows, nearly (``torch.pca_lowrank``).

    >>> import kuai as torch
    >>> torch.pca_lowrank(torch.tensor([[1., 1.], [2., 2.], [3., 3.]]), q=1)[1]
    tensor([2.])
    """
    need_matrices("pca_lowrank", A)
    m, n = A.shape[-2:]
    q = min(6, m, n) if q is None else q
    if not 0 <= q <= min(m, n):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - A.mean(-2, keepdim=True) if center else A, q, niter)


def lobpcg(A: Tensor, k: int | None = None, B: Tensor | None = None, X: Tensor | None = None, n: int | None = None,
           iK: Tensor | None = None, niter: int | None = None, tol: float | None = None, largest: bool | None = None,
           method: str | None = None, tracker: object = None, ortho_iparams: dict | None = None,
           ortho_fparams: dict | None = None, ortho_bparams: dict | None = None) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The k largest (or smallest) eigenvalues, with A x = λ B x, and their vectors (``torch.lobpcg``).

    They are computed all and exactly: what concerns iterations (X, niter, tol, method …) has no influence.

    >>> import kuai as torch
    >>> torch.lobpcg(torch.diag(torch.tensor([1., 3., 2.])), k=2)[0]
    tensor([3., 2.])
    """
    need_square("lobpcg", A)
    if tracker is not None:
        raise NotImplementedError("lobpcg: there are no iterations for a tracker to follow")
    k = k if k is not None else 1 if X is None else X.shape[-1]
    factor = None if B is None else factorizations.cholesky(B)
    values, vectors = factorizations.eigh(A if factor is None else _reduced(A, factor))
    values, vectors = (values, vectors) if largest is False else (values.flip(-1), vectors.flip(-1))
    values, vectors = values[..., :k], vectors[..., :k]
    return values, vectors if factor is None else triangular(factor, vectors, upper=False, adjoint=True)


def _reduced(A: Tensor, factor: Tensor) -> Tensor:
    """The matrix whose eigenvalues are those of A x = λ L L^H x."""
    half = triangular(factor, A, upper=False)
    return adjoint(triangular(factor, adjoint(half), upper=False))
