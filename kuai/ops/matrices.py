"""What linear algebra shares: checks of batches of matrices, adjoints, and the error for matrices that have no answer.

A singular matrix is noticed when the program runs: NumPy raises, XLA gives infinities and NaN. The functions that end in
``_ex`` tell by their ``info`` under both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps

import numpy as np

from ..dtypes import dtype
from ..engine.program import Aval, Op, State
from ..tensor import Tensor
from . import rules


class LinAlgError(RuntimeError):
    """A matrix for which there is no answer, as a singular one has no inverse (``torch.linalg.LinAlgError``)."""


# ---- checks --------------------------------------------------------------------------------------------------------


def need_matrices(name: str, x: Aval | Tensor, what: str = "A") -> None:
    if len(x.shape) < 2:
        raise RuntimeError(f"{name}: The input tensor {what} must have at least 2 dimensions.")


def need_square(name: str, x: Aval | Tensor, what: str = "A") -> None:
    need_matrices(name, x, what)
    m, n = x.shape[-2:]
    if m != n:
        raise RuntimeError(f"{name}: {what} must be batches of square matrices, but they are {m} by {n} matrices")


def need_floating(name: str, d: dtype) -> None:
    if d.category < 2:
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {rules._cname(d)}")
    if d.itemsize < 4:
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {rules._cname(d)}")


def need_same_dtype(name: str, a: Aval | Tensor, b: Aval | Tensor, names: tuple[str, str] = ("A", "B")) -> None:
    if a.dtype is not b.dtype:
        x, y = names
        raise RuntimeError(
            f"{name}: Expected {x} and {y} to have the same dtype, but found {x} of type {rules._cname(a.dtype)} and {y} of "
            f"type {rules._cname(b.dtype)} instead"
        )


def square(op: Op, avals: Sequence, **static: object) -> tuple:
    """The rule of functions from square matrices to square matrices."""
    x = avals[0]
    need_square(op.name, x)
    need_floating(op.name, x.dtype)
    return x, x.dtype


def system(op: Op, avals: Sequence, **static: object) -> tuple:
    """The rule of functions that solve equations: from matrices and right sides to solutions."""
    a, b = avals
    batch = rules.broadcast_shapes(op.name, a.shape[:-2], b.shape[:-2])
    return Aval((*batch, *b.shape[-2:]), b.dtype, rules.common_device(op, avals)), a.dtype


def raising(message: str) -> Callable:
    """Make NumPy's complaint about a matrix PyTorch's."""

    def decorate(body: Callable) -> Callable:
        @wraps(body)
        def call(*args: object, **static: object) -> object:
            try:
                return body(*args, **static)
            except np.linalg.LinAlgError as error:
                raise LinAlgError(f"{message} ({error})") from None

        return call

    return decorate


def cubic_cost(factor: float) -> Callable[[State], float]:
    """Nanoseconds of an algorithm that takes ``factor`` n³ multiply-adds for each matrix, at about one a nanosecond."""

    def cost(state: State) -> float:
        shape = state.avals[0].shape
        batch = float(np.prod(shape[:-2], dtype=np.float64))
        return 2000 + factor * batch * max(shape[-2:]) * min(shape[-2:]) ** 2

    return cost


# ---- arrays and tensors --------------------------------------------------------------------------------------------


def transposed(xp, x):
    """Arrays, each matrix transposed."""
    return xp.swapaxes(x, -1, -2)


def conjugated(xp, x):
    """Arrays, each matrix transposed and conjugated."""
    x = transposed(xp, x)
    return xp.conj(x) if x.dtype.kind == "c" else x


def adjoint(x: Tensor) -> Tensor:
    """Tensors, each matrix transposed and conjugated."""
    x = x.transpose(-2, -1)
    return x.conj() if x.dtype.is_complex else x


def conj(x: Tensor) -> Tensor:
    """The conjugate, which a real tensor is itself."""
    return x.conj() if x.dtype.is_complex else x


def diagonal(x: Tensor) -> Tensor:
    """The diagonals of matrices."""
    return x.diagonal(0, -2, -1)


def identity(like: Tensor, n: int) -> Tensor:
    """An identity matrix of a tensor's dtype, on its device."""
    from .ranges import eye

    return eye(n, dtype=like.dtype, device=like.device)


def each_matrix(fn, a, *others):
    """A function of single matrices over a batch: what to do when one of them makes NumPy refuse them all."""
    results = [fn(*(x[i] for x in (a, *others))) for i in np.ndindex(a.shape[:-2])]
    return [np.array(r).reshape((*a.shape[:-2], *np.shape(r[0]))) for r in zip(*results)]
