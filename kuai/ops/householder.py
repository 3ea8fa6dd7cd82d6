"""Householder reflections: the QR factorization that keeps them, and the products of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import return_types
from ..engine.program import Op
from ..tensor import Tensor
from . import matrices
from .along import also_named
from .define import op, write_exact, write_outs
from .matrices import conj, cubic_cost, identity, need_floating, need_matrices
from .triangular import triangular


def _geqrf_rule(op: Op, avals: Sequence) -> tuple:
    a = avals[0]
    need_matrices(op.name, a, "input")
    need_floating(op.name, a.dtype)
    return (a, a.with_((*a.shape[:-2], min(a.shape[-2:])))), a.dtype


def _geqrf_xla(xp, a):
    """The reflections one after the other, as LAPACK chooses them; whole matrices by masks, so that it compiles as one step."""
    *batch, m, n = a.shape
    taus = xp.zeros((*batch, min(m, n)), a.dtype)
    return xp.lax.fori_loop(0, min(m, n), lambda i, made: _reflect_column(xp, *made, i), (a, taus)) if a.size else (a, taus)


def _reflect_column(xp, a, taus, i):
    """Clear what is below the diagonal in column i, and keep the reflection there."""
    rows, columns = xp.arange(a.shape[-2]), xp.arange(a.shape[-1])
    column = xp.take(a, i, axis=-1)
    first, below = xp.take(column, i, axis=-1)[..., None], xp.where(rows > i, column, 0)
    tail = xp.sqrt((xp.abs(below) ** 2).sum(-1, keepdims=True))
    beta = -xp.copysign(xp.sqrt(xp.abs(first) ** 2 + tail**2), first.real).astype(a.dtype)
    idle = (tail == 0) & (first.imag == 0)
    tau = xp.where(idle, 0, (beta - first) / xp.where(idle, 1, beta))
    vector = below / xp.where(idle, 1, first - beta)
    full = xp.where(rows == i, 1, vector)
    turned = a - xp.conj(tau)[..., None] * full[..., None] * (xp.conj(full)[..., None, :] @ a)
    kept = xp.where(rows == i, xp.where(idle, first, beta), xp.where(rows > i, vector, column))
    a = xp.where(columns == i, kept[..., None], xp.where(columns > i, turned, a))
    return a, xp.where(xp.arange(taus.shape[-1]) == i, tau, taus)


@op(shape=_geqrf_rule, vjp=None, many=True, xla=_geqrf_xla, name="geqrf", cost=cubic_cost(2.0))
def _geqrf(xp, a):
    if not a.size:
        return a, np.zeros((*a.shape[:-2], min(a.shape[-2:])), a.dtype)
    h, tau = np.linalg.qr(a, mode="raw")
    return np.swapaxes(h, -1, -2), tau


def geqrf(input: Tensor, *, out: tuple | None = None) -> tuple[Tensor, Tensor]:
    """R, and below it the reflections that make Q, with their factors (``torch.geqrf``).

    >>> import kuai as torch
    >>> a, tau = torch.geqrf(torch.tensor([[3., 1.], [4., 2.]]))
    >>> a.triu()
    tensor([[-5.0000, -2.2000],
            [ 0.0000,  0.4000]])
    """
    made = _geqrf(input)
    return return_types.geqrf(write_outs(out, made))


def _reflected(x: Tensor, A: Tensor, tau: Tensor, adjoint: bool = False) -> Tensor:
    """The product of the reflections, or its adjoint, applied to the columns of x.

    The product is I - V T V^H with T = (I + D S)^-1 D, where the vectors are V's columns, D is diag(tau) and S the strictly
    upper part of V^H V (the compact WY form; Schreiber and Van Loan 1989). So it takes as many steps for many reflections as
    for one, in the derivatives too, and no division by tau, which may be zero.
    """
    m, k = A.shape[-2], tau.shape[-1]
    vectors = A[..., :k].tril(-1) + identity(A, m)[:, :k]
    rows, factors = matrices.adjoint(vectors), tau.unsqueeze(-1)
    system, inner = factors * (rows @ vectors), rows @ x
    if adjoint:
        inner = conj(factors) * triangular(system, inner, upper=True, unit=True, adjoint=True)
    else:
        inner = triangular(system, factors * inner, upper=True, unit=True)
    return x - vectors @ inner


def _check_reflections(name: str, A: Tensor, tau: Tensor) -> None:
    need_matrices(name, A, "input")
    m, n = A.shape[-2:]
    if m < n:
        raise RuntimeError(f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]")
    if n < tau.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    if A.ndim - tau.ndim != 1:
        raise RuntimeError(
            f"{name}: Expected tau to have one dimension less than input, but got tau.ndim equal to {tau.ndim} and input.ndim "
            f"is equal to {A.ndim}"
        )
    if A.shape[:-2] != tau.shape[:-1]:
        raise RuntimeError(
            f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got {list(tau.shape[:-1])}"
        )
    if A.dtype is not tau.dtype:
        raise RuntimeError(f"{name}: tau dtype {tau.dtype} does not match input dtype {A.dtype}")
    if A.dtype.category < 2 or A.dtype.itemsize < 4:
        raise NotImplementedError(f"{name}: got matrices of {A.dtype}, needs float32, float64, complex64 or complex128")


@also_named(input="A")
def householder_product(A: Tensor, tau: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The first columns of a product of Householder reflections (``torch.linalg.householder_product``).

    >>> import kuai as torch
    >>> a, tau = torch.geqrf(torch.tensor([[3., 1.], [4., 2.]]))
    >>> torch.linalg.householder_product(a, tau)
    tensor([[-0.6000, -0.8000],
            [-0.8000,  0.6000]])
    """
    _check_reflections("torch.linalg.householder_product", A, tau)
    m, n = A.shape[-2:]
    made = _reflected(identity(A, m)[:, :n], A, tau)
    return made if out is None else write_exact(out, made)


@also_named(input2="tau")
def orgqr(input: Tensor, tau: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The same as `torch.linalg.householder_product` (``torch.orgqr``).

    >>> import kuai as torch
    >>> torch.orgqr(torch.zeros(2, 1), torch.zeros(1))
    tensor([[1.],
            [0.]])
    """
    return householder_product(input, tau, out=out)


@also_named(input2="tau", input3="other")
def ormqr(input: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False, *,
          out: Tensor | None = None) -> Tensor:  # fmt: skip
    """A matrix times a product of Householder reflections, or its adjoint (``torch.ormqr``).

    >>> import kuai as torch
    >>> torch.ormqr(torch.zeros(2, 1), torch.zeros(1), torch.ones(2, 1))
    tensor([[1.],
            [1.]])
    """
    for x, what in ((input, "input"), (other, "other")):
        need_matrices("torch.ormqr", x, what)
    if not tau.ndim:
        raise IndexError("torch.ormqr: Dimension specified as -1 but tau has no dimensions")
    if tau.dtype is not input.dtype or other.dtype is not input.dtype:
        raise RuntimeError(f"torch.ormqr: input, tau and other must have one dtype, got {input.dtype}, {tau.dtype} and {other.dtype}")
    if tau.ndim != input.ndim - 1 or other.ndim != input.ndim:
        raise RuntimeError(
            f"torch.ormqr: Expected tau to have one dimension less than input and other as many, got {tau.ndim}, {input.ndim} "
            f"and {other.ndim}"
        )
    if not input.shape[:-2] == tau.shape[:-1] == other.shape[:-2]:
        raise RuntimeError("torch.ormqr: Expected batch dimensions of tau and other to be equal to input.shape[:-2], got shapes "
                           f"{list(input.shape)}, {list(tau.shape)} and {list(other.shape)}")  # fmt: skip
    side = -2 if left else -1
    if other.shape[side] != input.shape[-2]:
        raise RuntimeError(f"torch.ormqr: other.shape[{side}] must be equal to input.shape[-2]")
    if tau.shape[-1] > min(other.shape[side], input.shape[-1]):
        raise RuntimeError(f"torch.ormqr: other.shape[{side}] must be greater than or equal to tau.shape[-1]")
    made = other if left else matrices.adjoint(other)
    made = _reflected(made, input, tau, adjoint=left is transpose)
    made = made if left else matrices.adjoint(made)
    return made if out is None else write_exact(out, made)
