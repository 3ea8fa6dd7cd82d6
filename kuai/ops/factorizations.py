"""Factorizations of matrices: Cholesky, QR, singular values, eigenvalues. The derivatives are those of the literature
(Giles 2008; Walter and Lehmann 2010; Seeger and others 2017), written with ops, so that they can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import dtypes, return_types
from ..engine.program import Aval, Op
from ..tensor import Tensor
from .along import also_named
from .define import op, write_exact, write_outs
from .extent import elements
from .joining import cat
from .matrices import (
    LinAlgError,
    adjoint,
    conjugated,
    cubic_cost,
    diagonal,
    each_matrix,
    identity,
    need_floating,
    need_matrices,
    need_square,
    raising,
    square,
)
from .solvers import solve
from .triangular import triangular


def _given(out: tuple | None, made: tuple) -> tuple:
    return write_outs(out, made)


# ---- Cholesky ------------------------------------------------------------------------------------------------------

NOT_POSITIVE = "The factorization could not be completed because the input is not positive-definite"


def _cholesky_cotangent(g: Tensor, L: Tensor) -> Tensor:
    turn = adjoint(L) @ g
    inner = (turn.tril() + adjoint(turn.tril(-1))) / 2
    half = triangular(L, inner, upper=False, adjoint=True)
    return adjoint(triangular(L, adjoint(half), upper=False, adjoint=True))


def _cholesky_xla(xp, a, *, upper):
    return xp.tril(xp.lax.linalg.cholesky(conjugated(xp, a) if upper else a, symmetrize_input=False))


@op(shape=square, vjp=(lambda g, out: _cholesky_cotangent(g, out),), xla=_cholesky_xla, name="linalg.cholesky",
    cost=cubic_cost(0.4), grad_name="LinalgCholeskyExBackward0", refuses=True)  # fmt: skip
@raising(f"linalg.cholesky: {NOT_POSITIVE}")
def _cholesky(xp, a, *, upper):
    """L, from the lower or the upper triangle of A."""
    return np.linalg.cholesky(conjugated(np, a) if upper else a)


def _with_info(op: Op, avals: Sequence, *, upper: bool) -> tuple:
    a, d = square(op, avals)
    return (a, Aval(a.shape[:-2], dtypes.int32, a.device)), d


def _cholesky_or_info(a: np.ndarray) -> tuple:
    """The factor of one matrix, as far as it goes, and the order of the first leading minor that is not positive."""
    for n in range(len(a), -1, -1):
        try:
            factor = np.linalg.cholesky(a[:n, :n])
        except np.linalg.LinAlgError:
            continue
        out = np.tril(a)
        out[:n, :n] = factor
        return out, np.int32(0 if n == len(a) else n + 1)
    raise AssertionError("a matrix of no rows has a factor")


def _cholesky_ex_xla(xp, a, *, upper):
    factor = _cholesky_xla(xp, a, upper=upper)
    failed = xp.isnan(factor.real if factor.dtype.kind == "c" else factor).any((-2, -1))
    return factor, failed.astype("int32") * a.shape[-1]


@op(shape=_with_info, many=True, name="linalg.cholesky_ex", cost=cubic_cost(0.4), xla=_cholesky_ex_xla,
    vjp=lambda g, out: (None if g[0] is None else _cholesky_cotangent(g[0], out[0]),))  # fmt: skip
def _cholesky_ex(xp, a, *, upper):
    a = conjugated(np, a) if upper else a
    try:
        return np.linalg.cholesky(a), np.zeros(a.shape[:-2], np.int32)
    except np.linalg.LinAlgError:
        return each_matrix(_cholesky_or_info, a)


@also_named(input="A")
def cholesky(A: Tensor, *, upper: bool = False, out: Tensor | None = None) -> Tensor:
    """L, lower triangular, with A = L L^H for positive-definite A (``torch.linalg.cholesky``).

    >>> import kuai as torch
    >>> torch.linalg.cholesky(torch.tensor([[4., 2.], [2., 2.]]))
    tensor([[2., 0.],
            [1., 1.]])
    """
    need_square("linalg.cholesky", A)
    made = _cholesky(A, upper=upper)
    made = adjoint(made) if upper else made
    return made if out is None else write_exact(out, made)


@also_named(input="A")
def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False, out: tuple | None = None) -> tuple:
    """The Cholesky factor, and for each matrix 0 or the order of the minor that is not positive-definite, which XLA does
    not find out and gives as the matrix's own (``torch.linalg.cholesky_ex``).

    >>> import kuai as torch
    >>> torch.linalg.cholesky_ex(torch.tensor([[1., 2.], [2., 1.]])).info
    tensor(2, dtype=torch.int32)
    """
    need_square("linalg.cholesky_ex", A)
    L, info = _cholesky_ex(A, upper=upper)
    if check_errors:
        _raise_not_positive(info)
    return return_types.linalg_cholesky_ex(_given(out, (adjoint(L) if upper else L, info)))


def _raise_not_positive(info: Tensor) -> None:
    array = elements(info)
    wrong = np.flatnonzero(array)
    if array is not None and wrong.size:
        batch = f"(Batch element {wrong[0]}): " if array.ndim else ""
        minor = array.flat[wrong[0]]
        raise LinAlgError(
            f"linalg.cholesky_ex: {batch}{NOT_POSITIVE} (the leading minor of order {minor} is not positive-definite)."
        )


# ---- QR ------------------------------------------------------------------------------------------------------------


def _qr_rule(op: Op, avals: Sequence, *, mode: str) -> tuple:
    a = avals[0]
    need_matrices(op.name, a)
    need_floating(op.name, a.dtype)
    *batch, m, n = a.shape
    k = m if mode == "complete" else min(m, n)
    q = a.with_((0,) if mode == "r" else (*batch, m, k))
    return (q, a.with_((*batch, k, n))), a.dtype


def _add(x: Tensor | None, y: Tensor | None) -> Tensor | None:
    return y if x is None else x if y is None else x + y


def _qr_vjp(g: tuple, out: tuple, mode: str) -> tuple:
    gq, gr = g
    q, r = out
    m, n = q.shape[-2] if mode != "r" else r.shape[-2], r.shape[-1]
    if mode == "r":
        raise RuntimeError("linalg_qr_backward: The derivative of linalg.qr depends on Q, which is not computed when mode='r'")
    if mode == "complete" and m > n:
        raise RuntimeError("The QR decomposition is not differentiable when mode='complete' and nrows > ncols")
    return (_qr_tall(gq, gr, q, r) if m >= n else _qr_wide(gq, gr, q, r),)


def _qr_tall(gq: Tensor | None, gr: Tensor | None, q: Tensor, r: Tensor) -> Tensor:
    inner = _add(None if gr is None else gr @ adjoint(r), None if gq is None else -(adjoint(q) @ gq))
    back = q @ _hermitian_from_upper(inner)
    back = back if gq is None else gq + back
    return adjoint(triangular(r, adjoint(back), upper=True))


def _hermitian_from_upper(x: Tensor) -> Tensor:
    """The upper triangle mirrored below; the real part of the diagonal."""
    return x.triu() + adjoint(x.triu()) - diagonal(x).real.to(x.dtype).diag_embed()


def _qr_wide(gq: Tensor | None, gr: Tensor | None, q: Tensor, r: Tensor) -> Tensor:
    """A = (X | Y) with X square: X has the factorization Q U, and Y is Q V, where R = (U | V)."""
    m = q.shape[-1]
    left, right = r[..., :m], r[..., m:]
    if gr is None:
        gr = r.new_zeros(r.shape)
    gq = _add(gq, q @ right @ adjoint(gr[..., m:]))
    return cat([_qr_tall(gq, gr[..., :m], q, left), q @ gr[..., m:]], -1)


@op(shape=_qr_rule, vjp=_qr_vjp, many=True, name="linalg.qr", cost=cubic_cost(3.0))
def _qr(xp, a, *, mode):
    if mode == "r":
        return xp.zeros((0,), a.dtype), xp.linalg.qr(a, mode="r")
    return tuple(xp.linalg.qr(a, mode=mode))


def qr(A: Tensor, mode: str = "reduced", *, out: tuple | None = None) -> tuple[Tensor, Tensor]:
    """Q with orthonormal columns and R upper triangular, with A = Q R (``torch.linalg.qr``).

    >>> import kuai as torch
    >>> Q, R = torch.linalg.qr(torch.tensor([[3., 1.], [4., 2.]]))
    >>> torch.allclose(Q @ R, torch.tensor([[3., 1.], [4., 2.]]))
    True
    """
    if not isinstance(mode, str):
        raise TypeError(f"linalg_qr(): argument 'mode' (position 2) must be str, not {type(mode).__name__}")
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )
    return return_types.linalg_qr(_given(out, _qr(A, mode=mode)))


# ---- singular values -----------------------------------------------------------------------------------------------


def _svd_rule(op: Op, avals: Sequence, *, full: bool) -> tuple:
    a = avals[0]
    need_matrices(op.name, a)
    need_floating(op.name, a.dtype)
    *batch, m, n = a.shape
    k = min(m, n)
    u, v = (m, n) if full else (k, k)
    shapes = (*batch, m, u), (*batch, k), (*batch, v, n)
    return tuple(a.with_(s, d) for s, d in zip(shapes, (a.dtype, a.dtype.to_real(), a.dtype))), a.dtype


def _skew(x: Tensor) -> Tensor:
    return x - adjoint(x)


def _differences(x: Tensor) -> Tensor:
    """x[j] - x[i] for all pairs, and ones on the diagonal."""
    return x.unsqueeze(-2) - x.unsqueeze(-1) + identity(x, x.shape[-1])


def _svd_vjp(g: tuple, out: tuple) -> tuple:
    gu, gs, gvh = g
    u, s, vh = out
    k = s.shape[-1]
    u, vh = u[..., :k], vh[..., :k, :]
    if gu is None and gvh is None:
        return (None if gs is None else u @ (gs.unsqueeze(-1) * vh),)
    gu = None if gu is None else gu[..., :k]
    gv = None if gvh is None else adjoint(gvh[..., :k, :])
    v = adjoint(vh)
    inner = _svd_inner(u, s, v, gu, gs, gv)
    back = inner @ vh if gv is None else inner @ vh + _outside(v, gv, s, adjoint=True)
    back = u @ back if gv is None else u @ back
    return (back if gu is None else back + _outside(u, gu, s) @ vh,)


def _svd_inner(u: Tensor, s: Tensor, v: Tensor, gu: Tensor | None, gs: Tensor | None, gv: Tensor | None) -> Tensor:
    """The cotangent in the coordinates of U and V: turning within their spans, and the singular values."""
    across = _differences(s * s)
    to_u = None if gu is None else adjoint(u) @ gu
    to_v = None if gv is None else adjoint(v) @ gv
    inner = None if to_u is None else _skew(to_u) / across * s.unsqueeze(-2)
    inner = _add(inner, None if to_v is None else s.unsqueeze(-1) * (_skew(to_v) / across))
    if u.dtype.is_complex and to_u is not None:  # the skew part's diagonal is a common phase of u and v
        phase = diagonal(to_u) - diagonal(to_u).conj()
        inner = inner - (diagonal(inner) - phase / (2 * s)).diag_embed()
    return inner if gs is None else inner + gs.diag_embed().to(u.dtype)


def _outside(q: Tensor, g: Tensor, s: Tensor, adjoint: bool = False) -> Tensor:
    """What moves the singular vectors out of their span, (I - Q Q^H) g / s."""
    from .matrices import adjoint as h

    scaled = g / s.unsqueeze(-2)
    scaled = scaled - q @ (h(q) @ scaled)
    return h(scaled) if adjoint else scaled


@op(shape=_svd_rule, vjp=_svd_vjp, many=True, name="linalg.svd", cost=cubic_cost(15.0), refuses=True)
@raising("linalg.svd: The algorithm failed to converge because the input matrix contained non-finite values.")
def _svd(xp, a, *, full):
    return tuple(xp.linalg.svd(a, full_matrices=full))


def _values_rule(op: Op, avals: Sequence) -> tuple:
    a = avals[0]
    need_matrices(op.name, a)
    need_floating(op.name, a.dtype)
    return a.with_((*a.shape[:-2], min(a.shape[-2:])), a.dtype.to_real()), a.dtype


def _svdvals_vjp(g: Tensor, a: Tensor) -> Tensor:
    u, _, vh = _svd(a, full=False)
    return u @ (g.unsqueeze(-1) * vh)


@op(shape=_values_rule, vjp=(_svdvals_vjp,), name="linalg.svdvals", cost=cubic_cost(5.0), refuses=True)
@raising("linalg.svd: The algorithm failed to converge because the input matrix contained non-finite values.")
def _svdvals(xp, a):
    return xp.linalg.svd(a, compute_uv=False)


def _need_default_driver(name: str, driver: str | None) -> None:
    if driver is not None:
        raise RuntimeError(f"torch.{name}: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend.")


def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None, out: tuple | None = None) -> tuple:
    """U, S and Vh with A = U diag(S) Vh, the singular values from the largest on (``torch.linalg.svd``).

    >>> import kuai as torch
    >>> torch.linalg.svd(torch.tensor([[0., 3.], [2., 0.]])).S
    tensor([3., 2.])
    """
    _need_default_driver("linalg.svd", driver)
    return return_types.linalg_svd(_given(out, _svd(A, full=full_matrices)))


def svdvals(A: Tensor, *, driver: str | None = None, out: Tensor | None = None) -> Tensor:
    """The singular values, from the largest on (``torch.linalg.svdvals``).

    >>> import kuai as torch
    >>> torch.linalg.svdvals(torch.tensor([[0., 3.], [2., 0.]]))
    tensor([3., 2.])
    """
    _need_default_driver("linalg.svdvals", driver)
    made = _svdvals(A)
    return made if out is None else write_exact(out, made)


# ---- eigenvalues of Hermitian matrices -----------------------------------------------------------------------------


def _eigh_rule(op: Op, avals: Sequence, *, lower: bool) -> tuple:
    a, d = square(op, avals)
    return (a.with_(a.shape[:-1], d.to_real()), a), d


def _eigh_vjp(g: tuple, out: tuple) -> tuple:
    gl, gv = g
    values, vectors = out
    if gv is None:
        return (None if gl is None else (vectors * gl.unsqueeze(-2)) @ adjoint(vectors),)
    turn = adjoint(vectors) @ gv / _differences(values)
    turn = turn - diagonal(turn).diag_embed()
    inner = (turn + adjoint(turn)) / 2
    inner = inner if gl is None else inner + gl.diag_embed().to(vectors.dtype)
    return (vectors @ inner @ adjoint(vectors),)


@op(shape=_eigh_rule, vjp=_eigh_vjp, many=True, name="linalg.eigh", cost=cubic_cost(10.0),
    xla=lambda xp, a, *, lower: tuple(xp.linalg.eigh(a, UPLO="L" if lower else "U", symmetrize_input=False)), refuses=True)  # fmt: skip
@raising("linalg.eigh: The algorithm failed to converge because the input matrix is ill-conditioned or not finite")
def _eigh(xp, a, *, lower):
    return tuple(np.linalg.eigh(a, UPLO="L" if lower else "U"))


def _eigvalsh_rule(op: Op, avals: Sequence, *, lower: bool) -> tuple:
    a, d = square(op, avals)
    return a.with_(a.shape[:-1], d.to_real()), d


def _eigvalsh_vjp(g: Tensor, a: Tensor, lower: bool) -> Tensor:
    vectors = _eigh(a, lower=lower)[1]
    return (vectors * g.unsqueeze(-2)) @ adjoint(vectors)


@op(shape=_eigvalsh_rule, vjp=(_eigvalsh_vjp,), name="linalg.eigvalsh", cost=cubic_cost(4.0),
    xla=lambda xp, a, *, lower: xp.linalg.eigh(a, UPLO="L" if lower else "U", symmetrize_input=False)[0], refuses=True)  # fmt: skip
@raising("linalg.eigvalsh: The algorithm failed to converge because the input matrix is ill-conditioned or not finite")
def _eigvalsh(xp, a, *, lower):
    return np.linalg.eigvalsh(a, UPLO="L" if lower else "U")


def _is_lower(UPLO: str) -> bool:
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return UPLO.upper() == "L"


@also_named(input="A")
def eigh(A: Tensor, UPLO: str = "L", *, out: tuple | None = None) -> tuple[Tensor, Tensor]:
    """Eigenvalues, from the least on, and eigenvectors of Hermitian matrices (``torch.linalg.eigh``).

    >>> import kuai as torch
    >>> torch.linalg.eigh(torch.tensor([[2., 0.], [0., 1.]])).eigenvalues
    tensor([1., 2.])
    """
    return return_types.linalg_eigh(_given(out, _eigh(A, lower=_is_lower(UPLO))))


@also_named(input="A")
def eigvalsh(A: Tensor, UPLO: str = "L", *, out: Tensor | None = None) -> Tensor:
    """Eigenvalues of Hermitian matrices, from the least on (``torch.linalg.eigvalsh``).

    >>> import kuai as torch
    >>> torch.linalg.eigvalsh(torch.tensor([[2., 0.], [0., 1.]]))
    tensor([1., 2.])
    """
    made = _eigvalsh(A, lower=_is_lower(UPLO))
    return made if out is None else write_exact(out, made)


# ---- eigenvalues ---------------------------------------------------------------------------------------------------


def _eig_rule(op: Op, avals: Sequence) -> tuple:
    a, d = square(op, avals)
    c = d.to_complex()
    return (a.with_(a.shape[:-1], c), a.with_(dtype=c)), d


def _eig_vjp(g: tuple, out: tuple) -> tuple:
    gl, gv = g
    values, vectors = out
    vh = adjoint(vectors)
    if gv is None:
        return (None if gl is None else solve(vh, gl.unsqueeze(-1) * vh),)
    turn = vh @ gv
    turn = turn - (vh @ vectors) * diagonal(turn).real.unsqueeze(-2)  # eigenvectors keep their length
    inner = turn / _differences(values).conj()
    inner = inner - diagonal(inner).diag_embed()
    inner = inner if gl is None else inner + gl.diag_embed()
    return (solve(vh, inner @ vh),)


def _need_finite(a: np.ndarray) -> None:
    if not np.isfinite(a).all():
        raise RuntimeError("torch.linalg.eig: input tensor should not contain infs or NaNs.")


@op(shape=_eig_rule, vjp=_eig_vjp, many=True, name="linalg.eig", cost=cubic_cost(25.0), refuses=True)
@raising("linalg.eig: The algorithm failed to converge")
def _eig(xp, a):
    if xp is np:
        _need_finite(a)
    return tuple(xp.linalg.eig(a))


@also_named(input="A")
def eig(A: Tensor, *, out: tuple | None = None) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors, always complex (``torch.linalg.eig``).

    >>> import kuai as torch
    >>> torch.linalg.eig(torch.tensor([[0., -1.], [1., 0.]])).eigenvalues
    tensor([0.+1.j, 0.-1.j])
    """
    return return_types.linalg_eig(_given(out, _eig(A)))


@also_named(input="A")
def eigvals(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Eigenvalues, always complex (``torch.linalg.eigvals``).

    >>> import kuai as torch
    >>> torch.linalg.eigvals(torch.tensor([[0., -1.], [1., 0.]]))
    tensor([0.+1.j, 0.-1.j])
    """
    made = _eig(A)[0]
    return made if out is None else write_exact(out, made)
