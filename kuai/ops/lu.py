"""The LU factorization with partial pivoting, and what is made of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import dtypes, return_types
from ..engine.program import Aval, Op
from ..tensor import Tensor
from .define import op, write_exact, write_outs
from .extent import elements
from .joining import cat
from .matrices import adjoint, cubic_cost, identity, need_floating, need_matrices, need_same_dtype, need_square
from .triangular import substitute, triangular

PANEL = 32  # columns eliminated one by one; the rest of the matrix follows by products

# ---- the factorization ---------------------------------------------------------------------------------------------


def factor(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """L and U in one matrix, and LAPACK's pivots from 0: row i was exchanged with row pivots[i]."""
    lu = a.copy()
    m, n = a.shape[-2:]
    k = min(m, n)
    pivots = np.zeros((*a.shape[:-2], k), np.int64)
    for start in range(0, k, PANEL):
        stop = min(start + PANEL, k)
        for j in range(start, stop):
            _eliminate(lu, pivots, j, stop)
        if stop < n:
            right = lu[..., start:stop, stop:]
            right[...] = substitute(lu[..., start:stop, start:stop], right, upper=False, unit=True)
            lu[..., stop:, stop:] -= lu[..., stop:, start:stop] @ right
    return lu, pivots


def _eliminate(lu: np.ndarray, pivots: np.ndarray, j: int, stop: int) -> None:
    """Exchange for the largest element of column j, and clear what is below it, in the columns before ``stop``."""
    column = lu[..., j:, j]
    size = np.abs(column.real) + np.abs(column.imag) if column.dtype.kind == "c" else np.abs(column)  # LAPACK's measure
    best = size.argmax(-1) + j
    pivots[..., j] = best
    batch = np.indices(best.shape, sparse=True)
    row = lu[(*batch, best)].copy() if best.ndim else lu[best].copy()
    lu[(*batch, best)] = lu[..., j, :]
    lu[..., j, :] = row
    pivot = lu[..., j, j, None]
    below = lu[..., j + 1 :, j]
    below /= np.where(pivot == 0, 1, pivot)
    lu[..., j + 1 :, j + 1 : stop] -= below[..., None] * lu[..., j, None, j + 1 : stop]


def permutation(pivots: np.ndarray, m: int) -> np.ndarray:
    """The order of rows that exchanges make: A[order] = L U."""
    order = np.broadcast_to(np.arange(m), (*pivots.shape[:-1], m)).copy()
    batch = np.indices(pivots.shape[:-1], sparse=True)
    for i in range(pivots.shape[-1]):
        j = pivots[..., i]
        order[(*batch, j)], order[..., i] = order[..., i].copy(), order[(*batch, j)]
    return order


def _factor_rule(op: Op, avals: Sequence) -> tuple:
    a = avals[0]
    need_matrices(op.name, a)
    need_floating(op.name, a.dtype)
    pivots = Aval((*a.shape[:-2], min(a.shape[-2:])), dtypes.int32, a.device)
    return (a, pivots, Aval(a.shape[:-2], dtypes.int32, a.device)), a.dtype


def _info(xp, lu):
    """For each matrix the number, from 1, of the first zero on U's diagonal, or 0."""
    if not min(lu.shape[-2:]):
        return xp.zeros(lu.shape[:-2], int)
    zero = xp.diagonal(lu, axis1=-2, axis2=-1) == 0
    return xp.where(zero.any(-1), xp.argmax(zero, axis=-1) + 1, 0)


def _factor_xla(xp, a):
    lu, pivots, _ = xp.lax.linalg.lu(a)
    return lu, pivots + 1, _info(xp, lu)


def _factor_vjp(g: tuple, out: tuple) -> tuple:
    """The derivative at A = P L U; the part beyond the square one follows from it by L or U alone."""
    if g[0] is None:
        return (None,)
    lu, pivots, _ = out
    m, n = lu.shape[-2:]
    k = min(m, n)
    square, g_square, rest = lu[..., :k, :k], g[0][..., :k, :k], None
    upper, lower = square.triu(), square.tril(-1) + identity(lu, k)
    g_lower, g_upper = g_square.tril(-1), g_square.triu()
    if m > n:
        rest = adjoint(triangular(square, adjoint(g[0][..., k:, :]), upper=True))
        g_upper = g_upper - (adjoint(lu[..., k:, :]) @ rest).triu()
    elif n > m:
        rest = triangular(square, g[0][..., k:], upper=False, unit=True, adjoint=True)
        g_lower = g_lower - (rest @ adjoint(lu[..., k:])).tril(-1)
    inner = (adjoint(lower) @ g_lower).tril(-1) + (g_upper @ adjoint(upper)).triu()
    back = triangular(square, inner, upper=False, unit=True, adjoint=True)
    back = adjoint(triangular(square, adjoint(back), upper=True))
    if rest is not None:
        back = cat([back, rest], -2 if m > n else -1)
    return (_permutation(pivots, rows=m, dtype=lu.dtype) @ back,)


@op(shape=_factor_rule, vjp=_factor_vjp, xla=_factor_xla, many=True, name="linalg.lu_factor", cost=cubic_cost(2.0))
def _factor(xp, a):
    lu, pivots = factor(a)
    return lu, pivots + 1, _info(np, lu)


def _permutation_rule(op: Op, avals: Sequence, *, rows: int, dtype: object) -> tuple:
    p = avals[0]
    return Aval((*p.shape[:-1], rows, rows), dtype, p.device), None


def _permutation_xla(xp, pivots, *, rows, dtype):
    order = xp.lax.linalg.lu_pivots_to_permutation(pivots - 1, rows)
    return (order[..., None, :] == xp.arange(rows)[:, None]).astype(dtype.numpy)


@op(shape=_permutation_rule, vjp=None, xla=_permutation_xla, name="lu_permutation", exact=True)
def _permutation(xp, pivots, *, rows, dtype):
    """P with A = P L U, from the pivots."""
    order = permutation(pivots.astype(np.int64) - 1, rows)
    return (order[..., None, :] == np.arange(rows)[:, None]).astype(dtype.numpy)


# ---- functions -----------------------------------------------------------------------------------------------------


def _need_pivot(pivot: bool) -> None:
    if not pivot:
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")


def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False, out: tuple | None = None) -> tuple:
    """L and U in one matrix, the pivots, and for each matrix 0 or where U has a zero (``torch.linalg.lu_factor_ex``).

    >>> import kuai as torch
    >>> torch.linalg.lu_factor_ex(torch.zeros(1, 1)).info
    tensor(1, dtype=torch.int32)
    """
    _need_pivot(pivot)
    made = _factor(A)
    if check_errors:
        _raise_zero_pivot(made[2], "torch.linalg.lu_factor_ex")
    return return_types.linalg_lu_factor_ex(write_outs(out, made))


def _raise_zero_pivot(info: Tensor, name: str) -> None:
    array = elements(info)
    wrong = np.flatnonzero(array)
    if array is not None and wrong.size:
        i = array.flat[wrong[0]]
        batch = f"(Batch element {wrong[0]}): " if array.ndim else ""
        raise RuntimeError(
            f"{name}: {batch}U[{i},{i}] is zero and using it on lu_solve would result in a division by zero. If you still want "
            "to perform the factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)"
        )


def lu_factor(A: Tensor, *, pivot: bool = True, out: tuple | None = None) -> tuple[Tensor, Tensor]:
    """L and U in one matrix, and the pivots, for `lu_solve` (``torch.linalg.lu_factor``).

    >>> import kuai as torch
    >>> torch.linalg.lu_factor(torch.tensor([[0., 2.], [1., 0.]])).pivots
    tensor([2, 2], dtype=torch.int32)
    """
    made = lu_factor_ex(A, pivot=pivot)
    _raise_zero_pivot(made[2], "torch.linalg.lu_factor")
    return return_types.linalg_lu_factor(write_outs(out, made[:2]))


def _parts(LU: Tensor) -> tuple[Tensor, Tensor]:
    """L, with ones on its diagonal, and U."""
    m, n = LU.shape[-2:]
    k = min(m, n)
    ones = identity(LU, k)
    if m > k:
        ones = cat([ones, LU.new_zeros((m - k, k))], 0)
    return LU[..., :k].tril(-1) + ones, LU[..., :k, :].triu()


def lu(A: Tensor, *, pivot: bool = True, out: tuple | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """P, L and U with A = P L U (``torch.linalg.lu``).

    >>> import kuai as torch
    >>> P, L, U = torch.linalg.lu(torch.tensor([[0., 2.], [1., 0.]]))
    >>> P
    tensor([[0., 1.],
            [1., 0.]])
    """
    _need_pivot(pivot)
    LU, pivots, _ = _factor(A)
    made = (_permutation(pivots, rows=A.shape[-2], dtype=A.dtype), *_parts(LU))
    return return_types.linalg_lu(write_outs(out, made))


def lu_unpack(LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True, *,
              out: tuple | None = None) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """P, L and U from what `torch.linalg.lu_factor` gives (``torch.lu_unpack``).

    >>> import kuai as torch
    >>> P, L, U = torch.lu_unpack(*torch.linalg.lu_factor(torch.tensor([[4., 2.], [2., 2.]])))
    >>> U
    tensor([[4., 2.],
            [0., 1.]])
    """
    if unpack_pivots and LU_pivots.dtype is not dtypes.int32:
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.\nNote: this function is "
            "intended to be used with the output produced by torch.linalg.lu_factor"
        )
    nothing = LU_data.new_zeros((0,))
    L, U = _parts(LU_data) if unpack_data else (nothing, nothing)
    P = _permutation(LU_pivots, rows=LU_data.shape[-2], dtype=LU_data.dtype) if unpack_pivots else nothing
    return return_types.lu_unpack(write_outs(out, (P, L, U)))


def lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False,
             out: Tensor | None = None) -> Tensor:  # fmt: skip
    """X with A X = B, from the LU factorization of A; X A = B if not ``left`` (``torch.linalg.lu_solve``).

    >>> import kuai as torch
    >>> LU, pivots = torch.linalg.lu_factor(torch.tensor([[4., 2.], [2., 2.]]))
    >>> torch.linalg.lu_solve(LU, pivots, torch.tensor([[6.], [4.]]))
    tensor([[1.],
            [1.]])
    """
    name = "torch.linalg.lu_solve"
    if pivots.dtype is not dtypes.int32:
        raise RuntimeError("linalg.lu_solve: pivots should be a Tensor of scalar type torch.int32")
    need_square("linalg.lu_solve", LU, "LU")
    need_matrices(name, B, "B")
    need_same_dtype("linalg.lu_solve", LU, B, ("LU", "B"))
    if not pivots.ndim:
        raise IndexError("linalg.lu_solve: Dimension specified as -1 but pivots has no dimensions")
    if LU.shape[:-1] != pivots.shape:
        raise RuntimeError(f"linalg.lu_solve: Number of pivots per batch should be same as the dimension of the matrix, got pivots of "
                           f"shape {list(pivots.shape)} for LU of shape {list(LU.shape)}")  # fmt: skip
    if LU.shape[-1] != B.shape[-2 if left else -1]:
        raise RuntimeError(f"{name}: Incompatible shapes of A and B: {list(LU.shape)} and {list(B.shape)}")
    made = _lu_solve(LU, pivots, B, adjoint) if left else _h(_lu_solve(LU, pivots, _h(B), not adjoint))
    return made if out is None else write_exact(out, made)


_h = adjoint


def _lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, adjoint: bool) -> Tensor:
    P = _permutation(pivots, rows=LU.shape[-2], dtype=LU.dtype)
    if adjoint:
        half = triangular(LU, B, upper=True, adjoint=True)
        return P @ triangular(LU, half, upper=False, unit=True, adjoint=True)
    half = triangular(LU, P.transpose(-2, -1) @ B, upper=False, unit=True)
    return triangular(LU, half, upper=True)
