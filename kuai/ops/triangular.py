"""Linear equations with triangular matrices, and with the factors of Cholesky's."""

from __future__ import annotations

import numpy as np

from .. import return_types
from ..tensor import Tensor
from . import rules
from .along import also_named
from .define import op, write_exact, write_outs
from .matrices import (
    adjoint,
    conjugated,
    cubic_cost,
    identity,
    need_floating,
    need_matrices,
    need_same_dtype,
    need_square,
    system,
)

_h = adjoint  # where `adjoint` is an argument

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


@op(shape=system, xla=_triangular_xla, name="linalg.solve_triangular", cost=cubic_cost(0.7),
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
    return made if out is None else write_exact(out, made)


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
    return return_types.triangular_solve(write_outs(out, pair))


# ---- with a Cholesky factor ----------------------------------------------------------------------------------------


def _cholesky_factor_cotangent(g: Tensor, factor: Tensor, out: Tensor, upper: bool) -> Tensor:
    common = _cholesky_solve(g, factor, upper=upper) @ _h(out)
    common = common + _h(common)
    return -(factor @ common if upper else common @ factor)


def _cholesky_xla(xp, b, factor, *, upper):
    half = _triangular_xla(xp, factor, b, upper=upper, unit=False, adjoint=upper)
    return _triangular_xla(xp, factor, half, upper=upper, unit=False, adjoint=not upper)


@op(shape=lambda op, avals, *, upper: system(op, avals[::-1]), xla=_cholesky_xla, name="cholesky_solve",
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
    return made if out is None else write_exact(out, made)


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
    rules.need_wide("cholesky_inverse_out_cpu", L._aval)
    made = cholesky_solve(identity(L, L.shape[-1]).expand(L.shape), L, upper)
    return made if out is None else write_exact(out, made)
