"""Linear equations with general matrices: inverses and solutions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import dtypes, return_types
from ..engine.program import Aval, Op
from ..tensor import Tensor
from .define import op, write_exact, write_outs
from .extent import elements
from .lu import factor, lu_factor_ex, lu_solve
from .matrices import (
    LinAlgError,
    adjoint,
    conjugated,
    cubic_cost,
    each_matrix,
    need_floating,
    need_same_dtype,
    need_square,
    raising,
    square,
    system,
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
    return made if out is None else write_exact(out, made)


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


def _first_zero_pivot(a: np.ndarray) -> int:
    """The number, from 1, of the first zero on the diagonal of U in A = P L U; 0 if there is none."""
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
    return return_types.linalg_inv_ex(write_outs(out, made))


def raise_info(name: str, info: Tensor, why: str) -> None:
    """Raise for the first matrix of a batch whose info is not zero; reads it."""
    array = elements(info)
    wrong = np.flatnonzero(array)
    if array is not None and wrong.size:
        batch = f"(Batch element {wrong[0]}): " if array.ndim else ""
        raise LinAlgError(f"{name}: {batch}The diagonal element {array.flat[wrong[0]]} is zero, {why}")


# ---- general systems -----------------------------------------------------------------------------------------------


def _solved_a(g: Tensor, a: Tensor, out: Tensor, adjoint: bool) -> Tensor:
    back = _solve(a, g, adjoint=not adjoint)
    return -(out @ _h(back)) if adjoint else -(back @ _h(out))


_h = adjoint


@op(shape=system, vjp=(_solved_a, lambda g, a, adjoint: _solve(a, g, adjoint=not adjoint)), name="linalg.solve",
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
    return made if out is None else write_exact(out, made)


def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False, out: tuple | None = None) -> tuple:
    """The solution, and for each matrix 0 or where it proved singular (``torch.linalg.solve_ex``).

    >>> import kuai as torch
    >>> torch.linalg.solve_ex(torch.eye(2), torch.ones(2)).result
    tensor([1., 1.])
    """
    vector = _check_system(A, B, left, "linalg.solve_ex")
    LU, pivots, info = lu_factor_ex(A)
    if check_errors:
        raise_info("linalg.solve_ex", info, "the solver failed because the input matrix is singular.")
    made = lu_solve(LU, pivots, B.unsqueeze(-1), left=True).squeeze(-1) if vector else lu_solve(LU, pivots, B, left=left)
    return return_types.linalg_solve_ex(write_outs(out, (made, info)))
