"""Linear equations: inverses, solutions with general, triangular and factored matrices, pseudo-inverses, least squares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import dtypes, return_types
from ..engine.program import Aval, Op
from ..tensor import Tensor
from . import rules
from .along import also_named
from .define import op, write_out
from .extent import elements
from .matrices import (
    LinAlgError,
    adjoint,
    conjugated,
    cubic_cost,
    identity,
    need_floating,
    need_matrices,
    need_same_dtype,
    need_square,
    raising,
    square,
)

SINGULAR = "{}: The diagonal element of a factor is zero, as the input matrix is singular"

# ---- inverse -------------------------------------------------------------------------------------------------------


@op(shape=square, vjp=(lambda g, out: -(adjoint(out) @ g @ adjoint(out)),), name="linalg.inv", cost=cubic_cost(1.0),
    grad_name="LinalgInvExBackward0", refuses=True)  # fmt: skip
@raising(SINGULAR.format("linalg.inv"))
def _inv(xp, a):
    return xp.linalg.inv(a)


def inv(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The inverse of square matrices (``torch.linalg.inv``).

    >>> import kuai as torch
    >>> torch.linalg.inv(torch.tensor([[2., 0.], [0., 4.]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    made = _inv(A)
    return made if out is None else write_out(out, made)


def inverse(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The inverse of square matrices (``torch.inverse``); see `torch.linalg.inv`.

    >>> import kuai as torch
    >>> torch.inverse(torch.tensor([[2.]]))
    tensor([[0.5000]])
    """
    return inv(input, out=out)


def _with_info(op: Op, avals: Sequence, **static: object) -> tuple:
    x, d = square(op, avals)
    return (x, Aval(x.shape[:-2], dtypes.int32, x.device)), d


def each_matrix(fn, a, *others):
    """A function of single matrices over a batch: what to do when one of them makes NumPy refuse them all."""
    results = [fn(*(x[i] for x in (a, *others))) for i in np.ndindex(a.shape[:-2])]
    return [np.array(r).reshape((*a.shape[:-2], *np.shape(r[0]))) for r in zip(*results)]


def _first_zero_pivot(a: np.ndarray) -> int:
    """The number, from 1, of the first zero on the diagonal of U in A = P L U; 0 if there is none."""
    from .lu import factor

    zeros = np.flatnonzero(np.diagonal(factor(a)[0]) == 0)
    return int(zeros[0]) + 1 if zeros.size else 0


def _inv_or_info(a: np.ndarray) -> tuple:
    try:
        return np.linalg.inv(a), np.int32(0)
    except np.linalg.LinAlgError:
        return np.full_like(a, np.inf), np.int32(_first_zero_pivot(a) or len(a))


def _pivot_info(xp, a):
    """`_first_zero_pivot` under XLA."""
    zero = xp.diagonal(xp.lax.linalg.lu(a)[0], axis1=-2, axis2=-1) == 0
    return xp.where(zero.any(-1), xp.argmax(zero, axis=-1) + 1, 0) if a.shape[-1] else xp.zeros(a.shape[:-2], int)


@op(shape=_with_info, many=True, name="linalg.inv_ex", cost=cubic_cost(1.0),
    vjp=lambda g, out: (None if g[0] is None else -(adjoint(out[0]) @ g[0] @ adjoint(out[0])),),
    xla=lambda xp, a: (xp.linalg.inv(a), _pivot_info(xp, a)))  # fmt: skip
def _inv_ex(xp, a):
    try:
        return xp.linalg.inv(a), np.zeros(a.shape[:-2], np.int32)
    except np.linalg.LinAlgError:
        return each_matrix(_inv_or_info, a)


def inv_ex(A: Tensor, *, check_errors: bool = False, out: tuple | None = None) -> tuple[Tensor, Tensor]:
    """The inverse, and for each matrix 0 or where it proved singular (``torch.linalg.inv_ex``).

    >>> import kuai as torch
    >>> torch.linalg.inv_ex(torch.zeros(1, 1)).info
    tensor(1, dtype=torch.int32)
    """
    made = _inv_ex(A)
    if check_errors:
        raise_info("linalg.inv_ex", made[1], "the inversion could not be completed because the input matrix is singular.")
    return return_types.linalg_inv_ex(made if out is None else tuple(map(write_out, out, made)))


def raise_info(name: str, info: Tensor, why: str) -> None:
    """Raise for the first matrix of a batch whose info is not zero; reads it."""
    array = elements(info)
    wrong = np.flatnonzero(array)
    if array is not None and wrong.size:
        batch = f"(Batch element {wrong[0]}): " if array.ndim else ""
        raise LinAlgError(f"{name}: {batch}The diagonal element {array.flat[wrong[0]]} is zero, {why}")


# ---- general systems -----------------------------------------------------------------------------------------------


def _solve_rule(op: Op, avals: Sequence, *, adjoint: bool) -> tuple:
    a, b = avals
    batch = rules.broadcast_shapes(op.name, a.shape[:-2], b.shape[:-2])
    return Aval((*batch, *b.shape[-2:]), b.dtype, rules.common_device(op, avals)), a.dtype


def _solved_a(g: Tensor, a: Tensor, out: Tensor, adjoint: bool) -> Tensor:
    back = _solve(a, g, adjoint=not adjoint)
    return -(out @ _h(back)) if adjoint else -(back @ _h(out))


_h = adjoint


@op(shape=_solve_rule, vjp=(_solved_a, lambda g, a, adjoint: _solve(a, g, adjoint=not adjoint)), name="linalg.solve",
    cost=cubic_cost(0.7), grad_name="LinalgSolveExBackward0", refuses=True)  # fmt: skip
@raising("torch.linalg.solve: The solver failed because the input matrix is singular.")
def _solve(xp, a, b, *, adjoint):
    """X with A X = B, or with the adjoint of A."""
    a = conjugated(xp, a) if adjoint else a
    return xp.linalg.solve(a, b) if b.ndim > 1 else b


def is_vector_of(A: Tensor, B: Tensor) -> bool:
    """Whether B has a vector for each matrix of A."""
    return B.ndim == 1 or (A.ndim - 1 == B.ndim and B.shape == A.shape[:-1])


def _check_system(A: Tensor, B: Tensor, left: bool, name: str) -> bool:
    """Check a system; whether its right side is a vector."""
    need_square(name, A)
    need_floating(name, A.dtype)
    need_same_dtype(name, A, B)
    vector = is_vector_of(A, B)
    shape = (*B.shape, 1) if vector else tuple(B.shape)
    if shape[-2 if left else -1] != A.shape[-1]:
        n, (m, k) = A.shape[-1], shape[-2:]
        form = "AX = B" if left else "XA = B"
        raise RuntimeError(f"{name}: Incompatible shapes of A and B for the equation {form} ({n}x{n} and {m}x{k})")
    return vector


def solve(A: Tensor, B: Tensor, *, left: bool = True, out: Tensor | None = None) -> Tensor:
    """X with A X = B, or X A = B if not ``left`` (``torch.linalg.solve``).

    >>> import kuai as torch
    >>> torch.linalg.solve(torch.tensor([[2., 0.], [0., 4.]]), torch.tensor([1., 1.]))
    tensor([0.5000, 0.2500])
    """
    vector = _check_system(A, B, left, "linalg.solve")
    if vector:
        made = _solve(A, B.unsqueeze(-1), adjoint=False).squeeze(-1)
    elif left:
        made = _solve(A, B, adjoint=False)
    else:
        made = _h(_solve(A, _h(B), adjoint=True))
    return made if out is None else write_out(out, made)


def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False, out: tuple | None = None) -> tuple:
    """The solution, and for each matrix 0 or where it proved singular (``torch.linalg.solve_ex``).

    >>> import kuai as torch
    >>> torch.linalg.solve_ex(torch.eye(2), torch.ones(2)).result
    tensor([1., 1.])
    """
    from .lu import lu_factor_ex, lu_solve

    vector = _check_system(A, B, left, "linalg.solve_ex")
    LU, pivots, info = lu_factor_ex(A)
    if check_errors:
        raise_info("linalg.solve_ex", info, "the solver failed because the input matrix is singular.")
    made = lu_solve(LU, pivots, B.unsqueeze(-1), left=True).squeeze(-1) if vector else lu_solve(LU, pivots, B, left=left)
    return return_types.linalg_solve_ex((made, info) if out is None else tuple(map(write_out, out, (made, info))))


# ---- triangular systems --------------------------------------------------------------------------------------------

BLOCK = 32  # rows substituted one by one; larger systems are halved, so that most of the work is matrix products


def substitute(a: np.ndarray, b: np.ndarray, upper: bool, unit: bool) -> np.ndarray:
    """X with A X = B for triangular A, by substitution; what is on the other side of the diagonal is not read."""
    n = a.shape[-1]
    if n <= BLOCK:
        return _substitute_rows(a, b, upper, unit)
    k = n // 2
    first, last = (slice(k, n), slice(0, k)) if upper else (slice(0, k), slice(k, n))
    x = np.empty((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), *b.shape[-2:]), b.dtype)
    x[..., first, :] = substitute(a[..., first, first], b[..., first, :], upper, unit)
    rest = b[..., last, :] - a[..., last, first] @ x[..., first, :]
    x[..., last, :] = substitute(a[..., last, last], rest, upper, unit)
    return x


def _substitute_rows(a: np.ndarray, b: np.ndarray, upper: bool, unit: bool) -> np.ndarray:
    n = a.shape[-1]
    x = np.broadcast_to(b, (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), *b.shape[-2:])).copy()
    for i in reversed(range(n)) if upper else range(n):
        known = slice(i + 1, n) if upper else slice(0, i)
        x[..., i, :] -= (a[..., None, i, known] @ x[..., known, :])[..., 0, :]
        if not unit:
            x[..., i, :] /= a[..., i, i, None]
    return x


def _triangular_rule(op: Op, avals: Sequence, *, upper: bool, unit: bool, adjoint: bool) -> tuple:
    return _solve_rule(op, avals, adjoint=adjoint)


def _triangular_xla(xp, a, b, *, upper, unit, adjoint):
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = (xp.broadcast_to(x, (*batch, *x.shape[-2:])) for x in (a, b))
    return xp.lax.linalg.triangular_solve(
        a, b, left_side=True, lower=not upper, transpose_a=adjoint, conjugate_a=adjoint and a.dtype.kind == "c",
        unit_diagonal=unit
    )  # fmt: skip


def _triangular_a(g: Tensor, a: Tensor, out: Tensor, upper: bool, unit: bool, adjoint: bool) -> Tensor:
    back = _triangular(a, g, upper=upper, unit=unit, adjoint=not adjoint)
    full = out @ _h(back) if adjoint else back @ _h(out)
    return -(full.triu(int(unit)) if upper else full.tril(-int(unit)))


@op(shape=_triangular_rule, xla=_triangular_xla, name="linalg.solve_triangular", cost=cubic_cost(0.7),
    vjp=(_triangular_a,
         lambda g, a, upper, unit, adjoint: _triangular(a, g, upper=upper, unit=unit, adjoint=not adjoint)))  # fmt: skip
def _triangular(xp, a, b, *, upper, unit, adjoint):
    """X with A X = B for triangular A, or with its adjoint."""
    return substitute(conjugated(np, a) if adjoint else a, b, upper is not adjoint, unit)


def triangular(a: Tensor, b: Tensor, *, upper: bool, unit: bool = False, adjoint: bool = False) -> Tensor:
    """`solve_triangular` without its checks, on the left, or with the adjoint of A."""
    return _triangular(a, b, upper=upper, unit=unit, adjoint=adjoint)


@also_named(input="A")
def solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False,
                     out: Tensor | None = None) -> Tensor:  # fmt: skip
    """X with A X = B for triangular A, or X A = B if not ``left`` (``torch.linalg.solve_triangular``).

    >>> import kuai as torch
    >>> A = torch.tensor([[2., 1.], [0., 4.]])
    >>> torch.linalg.solve_triangular(A, torch.tensor([[4.], [8.]]), upper=True)
    tensor([[1.],
            [2.]])
    """
    name = "linalg.solve_triangular"
    need_square(name, A)
    need_floating(name, A.dtype)
    need_matrices(name, B, "B")
    if A.shape[-1] != B.shape[-2 if left else -1]:
        form = "AX = B" if left else "XA = B"
        n, (m, k) = A.shape[-1], B.shape[-2:]
        raise RuntimeError(f"{name}: Incompatible shapes of A and B for the equation {form} ({n}x{n} and {m}x{k})")
    if left:
        made = triangular(A, B, upper=upper, unit=unitriangular)
    else:
        made = _h(triangular(A, _h(B), upper=upper, unit=unitriangular, adjoint=True))
    return made if out is None else write_out(out, made)


@also_named(input="b")
def triangular_solve(b: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False, *,
                     out: tuple | None = None) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The old form of `torch.linalg.solve_triangular`, with a copy of A (``torch.triangular_solve``).

    >>> import kuai as torch
    >>> torch.triangular_solve(torch.ones(2, 1), torch.eye(2)).solution
    tensor([[1.],
            [1.]])
    """
    need_same_dtype("triangular_solve", b, A, ("b", "A"))
    if transpose:
        made = solve_triangular(A.transpose(-2, -1), b, upper=not upper, unitriangular=unitriangular)
    else:
        made = solve_triangular(A, b, upper=upper, unitriangular=unitriangular)
    pair = (made, A.clone())
    return return_types.triangular_solve(pair if out is None else tuple(map(write_out, out, pair)))


# ---- with a Cholesky factor ----------------------------------------------------------------------------------------


def _cholesky_factor_cotangent(g: Tensor, factor: Tensor, out: Tensor, upper: bool) -> Tensor:
    common = _cholesky_solve(g, factor, upper=upper) @ _h(out)
    common = common + _h(common)
    return -(factor @ common if upper else common @ factor)


def _cholesky_xla(xp, b, factor, *, upper):
    half = _triangular_xla(xp, factor, b, upper=upper, unit=False, adjoint=upper)
    return _triangular_xla(xp, factor, half, upper=upper, unit=False, adjoint=not upper)


@op(shape=lambda op, avals, *, upper: _solve_rule(op, avals[::-1], adjoint=False), xla=_cholesky_xla, name="cholesky_solve",
    vjp=(lambda g, factor, upper: _cholesky_solve(g, factor, upper=upper), _cholesky_factor_cotangent),
    cost=cubic_cost(1.0))  # fmt: skip
def _cholesky_solve(xp, b, factor, *, upper):
    lower = conjugated(np, factor) if upper else factor
    return substitute(conjugated(np, lower), substitute(lower, b, False, False), True, False)


@also_named(input="B", input2="L")
def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """X with A X = B, from the Cholesky factor of A (``torch.cholesky_solve``).

    >>> import kuai as torch
    >>> torch.cholesky_solve(torch.ones(2, 1), 2 * torch.eye(2))
    tensor([[0.2500],
            [0.2500]])
    """
    if min(B.ndim, L.ndim) < 2:
        which, x = ("b", B) if B.ndim < 2 else ("u", L)
        raise RuntimeError(f"{which} should have at least 2 dimensions, but has {x.ndim} dimensions instead")
    need_square("cholesky_solve", L)
    if L.shape[-1] != B.shape[-2]:
        raise RuntimeError(
            f"Incompatible matrix sizes for cholesky_solve: each A matrix is {L.shape[-1]} by {L.shape[-1]} but each b matrix "
            f"is {B.shape[-2]} by {B.shape[-1]}"
        )
    need_same_dtype("cholesky_solve", L, B)
    made = _cholesky_solve(B, L, upper=upper)
    return made if out is None else write_out(out, made)


@also_named(input="L")
def cholesky_inverse(L: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The inverse of A from its Cholesky factor (``torch.cholesky_inverse``).

    >>> import kuai as torch
    >>> torch.cholesky_inverse(2 * torch.eye(2))
    tensor([[0.2500, 0.0000],
            [0.0000, 0.2500]])
    """
    need_square("cholesky_inverse", L)
    rules.need_category("cholesky_inverse", L.dtype, 2, 3)
    made = cholesky_solve(identity(L, L.shape[-1]).expand(L.shape), L, upper)
    return made if out is None else write_out(out, made)


# ---- pseudo-inverse and least squares ------------------------------------------------------------------------------


def _pinv_rule(op: Op, avals: Sequence, *, hermitian: bool) -> tuple:
    a = avals[0]
    real = a.dtype.to_real()
    return a.with_((*a.shape[:-2], a.shape[-1], a.shape[-2])), (a.dtype, *[x and real for x in avals[1:]])


def _pinv_vjp(g: Tensor, a: Tensor, out: Tensor) -> Tensor:
    """Golub and Pereyra's derivative, for a rank that stays as it is."""
    p, gh = _h(out), _h(g)
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
    return made if out is None else write_out(out, made)


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
    return made if out is None else write_out(out, made)


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
    values = _singular_values(A) if driver in ("gelsd", "gelss") else empty
    full = m > n and (driver == "gels" or (driver != "gelsy" and bool((rank == n).all().item())))
    residuals = (A @ solution - B).abs().square().sum(-2) if full else solution.abs().reshape(-1)[:0]
    made = (solution.squeeze(-1) if vector else solution, residuals, rank, values)
    return return_types.linalg_lstsq(made if out is None else tuple(map(write_out, out, made)))


def _singular_values(A: Tensor) -> Tensor:
    from .factorizations import svdvals

    return svdvals(A.detach())


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
