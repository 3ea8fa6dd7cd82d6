"""A = L D L^H for matrices that are symmetric and not positive-definite, by Bunch and Kaufman's pivots.

D has blocks of one and of two rows. LD holds L below D; a pivot tells, from 1, which row was exchanged with the block's
last one, and is negative for both rows of a block of two. All of it runs at once, on the host.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from .. import dtypes, return_types
from ..tensor import Tensor
from .along import also_named
from .define import write_out, write_outs
from .host import on_host
from .matrices import LinAlgError, need_floating, need_same_dtype, need_square

BOUND = (1 + sqrt(17)) / 8  # how much smaller than the rest of its column a pivot may be


def _size(x: np.ndarray) -> np.ndarray:
    return np.abs(x.real) + np.abs(x.imag) if x.dtype.kind == "c" else np.abs(x)


def _pivot(a: np.ndarray, k: int) -> tuple[int, int]:
    """Which row becomes the pivot of step k, and how many rows the block has."""
    mine = _size(a[k, k])
    if k == len(a) - 1 or not a[k + 1 :, k].any():
        return k, 1
    column = _size(a[k + 1 :, k])
    r = k + 1 + int(column.argmax())
    greatest = column.max()
    if mine >= BOUND * greatest:
        return k, 1
    row = max(_size(a[r, k:r]).max(), _size(a[r + 1 :, r]).max(initial=0))
    if mine >= BOUND * greatest * (greatest / row):
        return k, 1
    return r, 1 if _size(a[r, r]) >= BOUND * row else 2


def _exchange(a: np.ndarray, i: int, j: int, block_start: int, hermitian: bool) -> None:
    """Exchange rows and columns i < j in the lower triangle of what is left of the matrix."""
    turn = np.conj if hermitian else np.asarray
    a[j + 1 :, [i, j]] = a[j + 1 :, [j, i]]
    between = a[i + 1 : j, i].copy()
    a[i + 1 : j, i] = turn(a[j, i + 1 : j])
    a[j, i + 1 : j] = turn(between)
    a[j, i] = turn(a[j, i])
    a[i, i], a[j, j] = a[j, j], a[i, i]
    if block_start < i:
        a[[i, j], block_start] = a[[j, i], block_start]


def _block(a: np.ndarray, k: int, rows: int, hermitian: bool) -> np.ndarray:
    """The block of D that begins at k, both triangles."""
    d = np.tril(a[k : k + rows, k : k + rows])
    return d + np.tril(d, -1).conj().T if hermitian else d + np.tril(d, -1).T


def _factor(matrix: np.ndarray, hermitian: bool) -> tuple[np.ndarray, np.ndarray, int]:
    """LD, the pivots, and the number, from 1, of the first zero block, or 0."""
    a, n, info, k = np.tril(matrix), len(matrix), 0, 0
    pivots = np.zeros(n, np.int32)
    if hermitian and a.dtype.kind == "c":
        np.fill_diagonal(a, a.diagonal().real)
    while k < n:
        row, rows = _pivot(a, k)
        last, rest = k + rows - 1, slice(k + rows, n)
        if row != last:
            _exchange(a, last, row, k, hermitian)
        d = _block(a, k, rows, hermitian)
        if d.any():
            below = a[rest, k : k + rows].copy()
            a[rest, k : k + rows] = np.linalg.solve(d.T, below.T).T
            a[rest, rest] -= np.tril(a[rest, k : k + rows] @ (below.conj().T if hermitian else below.T))
        else:
            info = info or k + 1
        pivots[k : k + rows] = row + 1 if rows == 1 else -(row + 1)
        k += rows
    return a, pivots, info


def _blocks(pivots: np.ndarray) -> list[tuple[int, int, int]]:
    """Where each block begins, how many rows it has, and the row it was exchanged with."""
    found, k = [], 0
    while k < len(pivots):
        rows = 1 if pivots[k] > 0 else 2
        found.append((k, rows, abs(int(pivots[k])) - 1))
        k += rows
    return found


def _solve(ld: np.ndarray, pivots: np.ndarray, b: np.ndarray, hermitian: bool) -> np.ndarray:
    x, blocks, n = b.copy(), _blocks(pivots), len(ld)
    for k, rows, row in blocks:
        last, rest, block = k + rows - 1, slice(k + rows, n), slice(k, k + rows)
        x[[last, row]] = x[[row, last]]
        x[rest] -= ld[rest, block] @ x[block]
        x[block] = np.linalg.solve(_block(ld, k, rows, hermitian), x[block])
    for k, rows, row in reversed(blocks):
        last, rest, block = k + rows - 1, slice(k + rows, n), slice(k, k + rows)
        below = ld[rest, block]
        x[block] -= (below.conj().T if hermitian else below.T) @ x[rest]
        x[[last, row]] = x[[row, last]]
    return x


def _factors(array: np.ndarray, hermitian: bool, check_errors: bool) -> tuple:
    ld, pivots = np.empty_like(array), np.empty(array.shape[:-1], np.int32)
    info = np.empty(array.shape[:-2], np.int32)
    for i in np.ndindex(info.shape):
        ld[i], pivots[i], info[i] = _factor(array[i], hermitian)
    if check_errors and info.any():
        raise LinAlgError(f"torch.linalg.ldl_factor_ex: D has a zero block at {info[info != 0].flat[0]}")
    return ld, pivots, info


@also_named(input="A")
def ldl_factor_ex(A: Tensor, *, hermitian: bool = False, check_errors: bool = False, out: tuple | None = None) -> tuple:
    """LD and the pivots, and for each matrix 0 or where D has a zero block (``torch.linalg.ldl_factor_ex``).

    >>> import kuai as torch
    >>> torch.linalg.ldl_factor_ex(torch.tensor([[2., 1.], [1., 3.]])).LD
    tensor([[2.0000, 0.0000],
            [0.5000, 2.5000]])
    """
    need_square("torch.linalg.ldl_factor_ex", A)
    need_floating("torch.linalg.ldl_factor_ex", A.dtype)
    made = on_host(lambda array: _factors(array, hermitian, check_errors), A)
    return return_types.linalg_ldl_factor_ex(write_outs(out, made))


@also_named(input="A")
def ldl_factor(A: Tensor, *, hermitian: bool = False, out: tuple | None = None) -> tuple[Tensor, Tensor]:
    """LD and the pivots, for `ldl_solve` (``torch.linalg.ldl_factor``).

    >>> import kuai as torch
    >>> torch.linalg.ldl_factor(torch.tensor([[0., 1.], [1., 0.]])).pivots
    tensor([-2, -2], dtype=torch.int32)
    """
    made = ldl_factor_ex(A, hermitian=hermitian, check_errors=True)[:2]
    return return_types.linalg_ldl_factor(write_outs(out, made))


def _solutions(LD: np.ndarray, pivots: np.ndarray, B: np.ndarray, hermitian: bool) -> np.ndarray:
    batch = np.broadcast_shapes(LD.shape[:-2], B.shape[:-2])
    ld, rows, b = (np.broadcast_to(x, (*batch, *x.shape[-k:])) for x, k in ((LD, 2), (pivots, 1), (B, 2)))
    made = np.empty(b.shape, b.dtype)
    for i in np.ndindex(batch):
        made[i] = _solve(ld[i], rows[i], b[i], hermitian)
    return made


def ldl_solve(LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False, out: Tensor | None = None) -> Tensor:
    """X with A X = B, from what `ldl_factor` gives (``torch.linalg.ldl_solve``).

    >>> import kuai as torch
    >>> LD, pivots = torch.linalg.ldl_factor(torch.tensor([[0., 1.], [1., 0.]]))
    >>> torch.linalg.ldl_solve(LD, pivots, torch.tensor([[1.], [2.]]))
    tensor([[2.],
            [1.]])
    """
    name = "torch.linalg.ldl_solve"
    need_square(name, LD, "LD")
    if B.ndim < 2:
        raise IndexError(f"{name}: Dimension out of range: B has {B.ndim} dimensions, needs 2 or more")
    need_same_dtype(name, LD, B, ("LD", "B"))
    if LD.shape[-1] != B.shape[-2]:
        raise RuntimeError(f"{name}: Incompatible shapes of LD and B: {list(LD.shape)} and {list(B.shape)}")
    if pivots.dtype not in (dtypes.int32, dtypes.int64) or pivots.shape != LD.shape[:-1]:
        raise RuntimeError(f"{name}: Expected pivots to be integers of shape {list(LD.shape[:-1])}, got {list(pivots.shape)}")
    adjoint = hermitian and LD.dtype.is_complex
    (found,) = on_host(lambda *arrays: (_solutions(*arrays, hermitian=adjoint),), LD, pivots, B)
    return found if out is None else write_out(out, found)
