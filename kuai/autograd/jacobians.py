"""Jacobians as tables of numbers, rows for inputs and columns for results: by finite differences, by backward, by forward mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from ..tensor import Tensor, from_array
from .api import grad


class Slopes(NamedTuple):
    """d result / d real part of an input and, of a complex input, d result / d imaginary part."""

    real: np.ndarray
    imag: np.ndarray | None

    def of_part(self, part: complex) -> np.ndarray:
        """The cotangent of the input for one part of the result, 1 or 1j: d/dre + i d/dim of Re(conj(part) result)."""
        along = np.real(np.conj(part) * self.real)
        return along if self.imag is None else along + 1j * np.real(np.conj(part) * self.imag)

    def along(self, u: np.ndarray) -> Slopes:
        """One row: the slopes along a direction, u[0] of the real and u[1] of the imaginary part."""
        return Slopes(u[0] @ self.real, None if self.imag is None else u[1] @ self.imag)


def as_tuple(x: object) -> tuple:
    """Results or inputs as a tuple."""
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


def is_inexact(x: object) -> bool:
    """Whether something is a tensor of floating point or complex numbers."""
    return isinstance(x, Tensor) and (x.dtype.is_floating_point or x.dtype.is_complex)


def wide(x: Tensor) -> np.ndarray:
    """The elements in a row, in double precision."""
    return x.detach()._array().reshape(-1).astype(np.complex128 if x.dtype.is_complex else np.float64)


# ---- by finite differences -------------------------------------------------------------------------------------------


def numeric(func: Callable, given: tuple, i: int, eps: float) -> list[Slopes]:
    """The slopes of every inexact result by input i, one element at a time."""
    units = np.eye(given[i].numel())
    return _slopes(func, given, i, eps, [units, units])


def numeric_along(func: Callable, given: tuple, i: int, u: np.ndarray, eps: float) -> list[Slopes]:
    """The slopes of every inexact result by input i along a direction."""
    return [Slopes(s.real[0], s.imag if s.imag is None else s.imag[0]) for s in _slopes(func, given, i, eps, list(u[:, None]))]


def _slopes(func: Callable, given: tuple, i: int, eps: float, directions: Sequence) -> list[Slopes]:
    before = values(func, given)
    parts = (1, 1j) if given[i].dtype.is_complex else (1,)
    tables = [
        [_difference(func, given, i, eps, part * row) for row in rows] for part, rows in zip(parts, directions)
    ]
    made = []
    for o, result in enumerate(before):
        by_part = [np.stack([row[o] for row in table]) if table else np.zeros((0, result.size)) for table in tables]
        made.append(Slopes(by_part[0], by_part[1] if len(parts) == 2 else None))
    return made


def values(func: Callable, given: tuple) -> list[np.ndarray]:
    """The inexact results of a function, each in a row."""
    return [wide(r) for r in as_tuple(func(*given)) if is_inexact(r)]


def _difference(func: Callable, given: tuple, i: int, eps: float, direction: np.ndarray) -> list[np.ndarray]:
    """What results change by, for a step along a direction. The input is moved in its place: a function may hold it itself."""
    with _moved(given[i], -eps * direction):
        low = as_tuple(func(*given))
        lows = [wide(r) for r in low if is_inexact(r)]
    with _moved(given[i], eps * direction):
        high = as_tuple(func(*given))
        highs = [wide(r) for r in high if is_inexact(r)]
    _check_alike(low, high, eps)
    return [(b - a) / (2 * eps) for a, b in zip(lows, highs)]


@contextmanager
def _moved(x: Tensor, step: np.ndarray) -> Iterator[None]:
    place, start = x.data, x.detach()._array().copy()
    place.copy_(from_array((start + step.reshape(start.shape)).astype(start.dtype), x.device))
    try:
        yield
    finally:
        place.copy_(from_array(start, x.device))


def _check_alike(low: tuple, high: tuple, eps: float) -> None:
    for a, b in zip(low, high):
        if not isinstance(a, Tensor):
            continue
        for what, x, y in (("shape", a.shape, b.shape), ("dtype", a.dtype, b.dtype)):
            if x != y:
                raise AssertionError(
                    f"Expected `func` to return outputs with the same {what} when inputs are perturbed by {eps}, but got: "
                    f"{what}s {x} and {y}."
                )


# ---- by backward -----------------------------------------------------------------------------------------------------


def backward(output: Tensor, leaves: Sequence[Tensor], seeds: np.ndarray) -> list[list[Tensor | None]]:
    """The cotangents of the leaves for each cotangent of the result."""
    rows = []
    for seed in seeds:
        g = from_array(np.asarray(seed, output.dtype.numpy).reshape(output.shape), output.device)
        rows.append(grad(output, leaves, g, retain_graph=True, allow_unused=True))
    return [[row[i] for row in rows] for i in range(len(leaves))]


def table(rows: list[Tensor | None], x: Tensor) -> np.ndarray:
    """The cotangents of one input as columns; a missing one is zeros."""
    made = np.zeros((x.numel(), len(rows)), np.complex128 if x.dtype.is_complex else np.float64)
    for k, g in enumerate(rows):
        if g is not None:
            made[:, k] = wide(g)
    return made


# ---- by forward mode -------------------------------------------------------------------------------------------------


def forward(func: Callable, given: tuple, i: int, directions: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    """The tangents of the inexact results for each direction of input i, the results in the outer list."""
    return [list(column) for column in zip(*(_tangents(func, given, i, d) for d in directions))]


def _tangents(func: Callable, given: tuple, i: int, direction: np.ndarray) -> list[np.ndarray]:
    from .forward_ad import dual_level, make_dual, unpack_dual

    x = given[i].detach()
    tangent = from_array(np.asarray(direction, x.dtype.numpy).reshape(x.shape), x.device)
    plain = [t.detach() if isinstance(t, Tensor) else t for t in given]
    with dual_level():
        results = as_tuple(func(*plain[:i], make_dual(x, tangent), *plain[i + 1 :]))
        found = [unpack_dual(r) for r in results if is_inexact(r)]
    return [np.zeros(p.numel()) if t is None else wide(t) for p, t in found]
