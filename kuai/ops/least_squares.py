"""Pseudo-inverses, ranks and least squares: what singular values above a tolerance give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import dtypes, return_types
from ..engine.program import Aval, Op
from ..tensor import Tensor
from . import rules
from .along import also_named
from .define import op, write_exact, write_outs
from .factorizations import svdvals
from .matrices import adjoint, conjugated, cubic_cost, need_floating, need_matrices, need_square, raising


def _pinv_rule(op: Op, avals: Sequence, *, hermitian: bool) -> tuple:
    a = avals[0]
    real = a.dtype.to_real()
    return a.with_((*a.shape[:-2], a.shape[-1], a.shape[-2])), (a.dtype, *[x and real for x in avals[1:]])


def _pinv_vjp(g: Tensor, a: Tensor, out: Tensor) -> Tensor:
    """Golub and Pereyra's derivative, for a rank that stays as it is."""
    p, gh = adjoint(out), adjoint(g)
    direct = -(p @ g @ p)
    tall, wide = gh @ (out @ p), (p @ out) @ gh
    return direct + (tall - a @ (out @ tall)) + (wide - (wide @ out) @ a)


def kept(xp, values, atol, rtol, shape):
    """Which singular values count, by the tolerances that `torch.linalg.pinv` and `matrix_rank` take."""
    if rtol is None:
        rtol = max(shape[-2:]) * np.finfo(values.dtype).eps if atol is None else 0.0
    limit = values.max(-1, keepdims=True, initial=0) * _column(xp, rtol)
    return values > (limit if atol is None else xp.maximum(limit, _column(xp, atol)))


def _column(xp, x):
    return xp.asarray(x)[..., None] if xp.ndim(x) else x


@op(shape=_pinv_rule, vjp=(_pinv_vjp, None, None), name="linalg.pinv", cost=cubic_cost(20.0), refuses=True)
@raising("linalg.svd: The algorithm failed to converge because the input matrix contained non-finite values.")
def _pinv(xp, a, atol, rtol, *, hermitian):
    if not a.size:
        return xp.zeros((*a.shape[:-2], a.shape[-1], a.shape[-2]), a.dtype)
    u, s, vh = singular(xp, a, hermitian)
    size = xp.abs(s)
    large = kept(xp, size, atol, rtol, a.shape)
    s = xp.where(large, 1 / xp.where(large, s, 1), 0).astype(s.dtype)
    return (conjugated(xp, vh) * s[..., None, :]) @ conjugated(xp, u)


def singular(xp, a, hermitian: bool):
    """U, S, V^H; of a Hermitian matrix from its eigenvalues, which may be negative."""
    if hermitian:
        values, vectors = xp.linalg.eigh(a) if xp is np else xp.linalg.eigh(a, symmetrize_input=False)
        return vectors, values, conjugated(xp, vectors)
    return xp.linalg.svd(a, full_matrices=False)


@also_named(input="A")
def pinv(A: Tensor, *, atol: object = None, rtol: object = None, hermitian: bool = False, rcond: object = None,
         out: Tensor | None = None) -> Tensor:  # fmt: skip
    """The Moore-Penrose pseudo-inverse (``torch.linalg.pinv``).

    >>> import kuai as torch
    >>> torch.linalg.pinv(torch.tensor([[1.], [1.]]))
    tensor([[0.5000, 0.5000]])
    """
    if A.ndim < 2 or A.dtype.category < 2 or A.dtype.itemsize < 4:
        raise RuntimeError(
            f"linalg.pinv({rules._cname(A.dtype)}{{{list(A.shape)}}}): expected a tensor with 2 or more dimensions of float, "
            "double, cfloat or cdouble types"
        )
    if hermitian:
        need_square("linalg.pinv", A)
    made = _pinv(A, tolerance(atol, A), tolerance(rcond if rtol is None else rtol, A), hermitian=hermitian)
    return made if out is None else write_exact(out, made)


def tolerance(x: object, A: Tensor) -> object:
    """A tolerance as an operand: a number, or a tensor with one for each matrix."""
    if x is None or not isinstance(x, Tensor):
        return None if x is None else float(x)
    if x.dtype.is_complex:
        raise RuntimeError("tolerances of complex type are not supported")
    return x


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """The Moore-Penrose pseudo-inverse (``torch.pinverse``); see `torch.linalg.pinv`.

    >>> import kuai as torch
    >>> torch.pinverse(torch.tensor([[2.]]))
    tensor([[0.5000]])
    """
    return pinv(input, rtol=rcond)


def _rank_rule(op: Op, avals: Sequence, *, hermitian: bool) -> tuple:
    a = avals[0]
    real = a.dtype.to_real()
    extra = [x.shape for x in avals[1:] if type(x) is Aval]
    batch = rules.broadcast_shapes(op.name, a.shape[:-2], *extra)
    return Aval(batch, dtypes.int64, a.device), (a.dtype, *[x and real for x in avals[1:]])


@op(shape=_rank_rule, vjp=None, name="linalg.matrix_rank", cost=cubic_cost(5.0))
def _matrix_rank(xp, a, atol, rtol, *, hermitian):
    if not a.size:
        return xp.zeros(a.shape[:-2], int)
    values = xp.abs(singular(xp, a, True)[1]) if hermitian else xp.linalg.svd(a, compute_uv=False)
    return kept(xp, values, atol, rtol, a.shape).sum(-1)


@also_named(input="A")
def matrix_rank(A: Tensor, tol: object = None, hermitian: bool = False, *, atol: object = None, rtol: object = None,
                out: Tensor | None = None) -> Tensor:  # fmt: skip
    """The number of singular values above a tolerance (``torch.linalg.matrix_rank``).

    >>> import kuai as torch
    >>> torch.linalg.matrix_rank(torch.ones(3, 2))
    tensor(1)
    """
    need_matrices("linalg.matrix_rank", A)
    if A.dtype.category < 2 or A.dtype.itemsize < 4:
        raise RuntimeError("linalg.matrix_rank: This function doesn't handle types other than float and double")
    if hermitian:
        need_square("linalg.matrix_rank", A)
    if isinstance(tol, bool):  # matrix_rank(A, hermitian) of old
        tol, hermitian = None, tol
    made = _matrix_rank(A, tolerance(tol if atol is None else atol, A), tolerance(0.0 if tol is not None else rtol, A),
                        hermitian=hermitian)  # fmt: skip
    return made if out is None else write_exact(out, made)


DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


@also_named(input="A", b="B")
def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None, out: tuple | None = None) -> tuple:
    """The X that minimizes ‖A X - B‖, the shortest one if there are many (``torch.linalg.lstsq``).

    >>> import kuai as torch
    >>> A = torch.tensor([[1., 0.], [1., 1.], [1., 2.]])
    >>> torch.linalg.lstsq(A, torch.tensor([[1.], [3.], [5.]])).solution
    tensor([[1.0000],
            [2.0000]])
    """
    driver = "gelsy" if driver is None else driver
    B, vector = _least_squares_operands(A, B, driver)
    m, n = A.shape[-2:]
    if rcond is None:
        rcond = max(m, n) * float(np.finfo(A.dtype.numpy).eps)
    solution = pinv(A, rtol=rcond) @ B
    empty = A.new_zeros((0,), dtype=A.dtype.to_real())
    rank = matrix_rank(A, rtol=rcond) if driver != "gels" else empty.to(dtypes.int64)
    values = svdvals(A.detach()) if driver in ("gelsd", "gelss") else empty
    full = m > n and (driver == "gels" or (driver != "gelsy" and bool((rank == n).all().item())))
    residuals = (A @ solution - B).abs().square().sum(-2) if full else solution.abs().reshape(-1)[:0]
    made = (solution.squeeze(-1) if vector else solution, residuals, rank, values)
    return return_types.linalg_lstsq(write_outs(out, made))


def _least_squares_operands(A: Tensor, B: Tensor, driver: str) -> tuple[Tensor, bool]:
    name = "torch.linalg.lstsq"
    if driver not in DRIVERS:
        raise RuntimeError(f"{name}: parameter `driver` should be one of ({', '.join(DRIVERS)})")
    if A.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if B.ndim < 1:
        raise RuntimeError(f"{name}: other must have at least 1 dimension.")
    need_floating(name, A.dtype)
    if A.dtype is not B.dtype:
        raise RuntimeError(
            f"{name}: Expected input and other to have the same dtype, but got input's dtype {rules._cname(A.dtype)} and "
            f"other's dtype {rules._cname(B.dtype)}"
        )
    vector = A.ndim - 1 == B.ndim and B.shape == A.shape[:-1]
    B = B.unsqueeze(-1) if vector else B
    if A.ndim - B.ndim not in (0, 1) or B.ndim < 2:
        raise RuntimeError(f"{name}: input.dim() must be greater or equal to other.dim() and (input.dim() - other.dim()) <= 1")
    if A.shape[-2] != B.shape[-2]:
        raise RuntimeError(f"{name}: input.size(-2) should match other.size({'-1' if vector else '-2'})")
    return B, vector
