"""The functions of ``torch.sparse``: those whose results or gradients are sparse."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import dtypes
from ..ops.added_products import addmm as dense_addmm
from ..ops.along import axes, dims_of
from ..ops.matrix import _same_dtype
from ..ops.matrix import mm as dense_mm
from ..ops.reduction import accumulated
from ..ops.reduction import sum as dense_sum
from ..tensor import Tensor, from_array
from .coo import empty, need_backend, taken
from .pattern import Pattern, from_keys
from .products import multiplied, spmm
from .reductions import softmax_along, summed, summed_dense
from .sampling import reduced_product
from .storage import any_sparse, build, in_coordinates, is_sparse, pattern_of


def mm(mat1: Tensor, mat2: Tensor, reduce: str = "sum") -> Tensor:
    """The product of a sparse matrix and a dense or sparse one (``torch.sparse.mm``); a gradient of ``mat1`` is sparse, of
    its own pattern. With a CSR matrix ``reduce`` may be "mean", "amax" or "amin" of the terms instead of their sum.

    >>> import kuai as torch
    >>> torch.sparse.mm(torch.sparse_coo_tensor([[0], [1]], [2.0], (1, 2)), torch.tensor([[1.], [3.]]))
    tensor([[6.]])
    """
    if reduce != "sum":
        return reduced_product(mat1, mat2, reduce)
    if any_sparse(mat1) and not any_sparse(mat2) and mat1.ndim == mat2.ndim == 2 and mat1.shape[1] == mat2.shape[0]:
        _same_dtype(spmm.op, mat1._aval, mat2._aval)
        return multiplied(in_coordinates(mat1), mat2, masked=True)
    return dense_mm(mat1, mat2)


def addmm(mat: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1.0, alpha: float = 1.0) -> Tensor:
    """``beta * mat + alpha * (mat1 @ mat2)`` with a sparse ``mat1`` (``torch.sparse.addmm``), whose gradient is sparse.

    >>> import kuai as torch
    >>> torch.sparse.addmm(torch.ones(1, 1), torch.sparse_coo_tensor([[0], [0]], [2.0], (1, 1)), torch.ones(1, 1))
    tensor([[3.]])
    """
    if any_sparse(mat1) and any_sparse(mat) == any_sparse(mat2):
        product = mm(mat1, mat2) * alpha
        return product if beta == 0 else mat * beta + product
    return dense_addmm(mat, mat1, mat2, beta=beta, alpha=alpha)


def _need_product(name: str, mat1: Tensor, mat2: Tensor) -> None:
    if not is_sparse(mat1) or is_sparse(mat2):
        raise RuntimeError(f"{name}: expected a sparse matrix and a dense one, got {mat1.layout} and {mat2.layout}")


def smm(input: Tensor, mat: Tensor) -> Tensor:
    """The product of a sparse matrix and a dense one, as a sparse tensor (``torch.smm``)."""
    return sspaddmm(empty((input.shape[0], mat.shape[1]), input.dtype, input.device), input, mat)


def sspaddmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * input + alpha * (mat1 @ mat2)`` of sparse ``input`` and ``mat1`` and a dense ``mat2`` (``torch.sspaddmm``): a
    sparse tensor that has values wherever a row of ``mat1`` has some.

    >>> import kuai as torch
    >>> a = torch.sparse_coo_tensor([[0], [1]], [2.0], (2, 2))
    >>> torch.sspaddmm(a, a, torch.eye(2)).to_dense()
    tensor([[0., 4.],
            [0., 0.]])
    """
    _need_product("sspaddmm", mat1, mat2)
    if not is_sparse(input):
        raise RuntimeError(f"sspaddmm: expected a sparse tensor to add to, got one of layout {input.layout}")
    rows = np.unique(pattern_of(mat1).indices._array()[0])
    width = mat2.shape[1]
    keys = (rows[:, None] * width + np.arange(width)).reshape(-1)
    shape = (mat1.shape[0], width)
    product = taken(multiplied(mat1, mat2, masked=True), from_keys(keys, shape, shape, mat2.long()), "SspaddmmBackward0")
    return input * beta + product * alpha


def hspmm(mat1: Tensor, mat2: Tensor) -> Tensor:
    """The product of a sparse matrix and a dense one, with the rows that are not zero by index (``torch.hspmm``)."""
    _need_product("hspmm", mat1, mat2)
    rows = np.unique(pattern_of(mat1).indices._array()[0])
    shape = (mat1.shape[0], mat2.shape[1])
    return taken(multiplied(mat1, mat2, masked=True), from_keys(rows, shape[:1], shape, mat2.long()), "HspmmBackward0")


hsmm = hspmm


def spdiags(diagonals: Tensor, offsets: Tensor, shape: Sequence[int], layout: object = None) -> Tensor:
    """A sparse matrix with rows of a tensor along its diagonals (``torch.sparse.spdiags``); an element stands in the column
    of its own number.

    >>> import kuai as torch
    >>> torch.sparse.spdiags(torch.tensor([[1., 2., 3.]]), torch.tensor([1]), (2, 3)).to_dense()
    tensor([[0., 2., 0.],
            [0., 0., 3.]])
    """
    diagonals, offsets = (x.reshape((1, -1)) if x.ndim < 2 else x for x in (diagonals, offsets.reshape(-1)))
    offset = offsets._array().reshape(-1)
    _need_diagonals(diagonals, offset, shape)
    rows, columns = np.arange(diagonals.shape[1]) - offset[:, None], np.tile(np.arange(diagonals.shape[1]), (offset.size, 1))
    inside = (rows >= 0) & (rows < shape[0]) & (columns < shape[1])
    places = from_array(np.stack([rows[inside], columns[inside]]), diagonals.device)
    made = build(Pattern(places, shape, False), diagonals[from_array(inside, diagonals.device)])
    return made if layout is None else made.to_sparse(layout=layout)


def _need_diagonals(diagonals: Tensor, offset: np.ndarray, shape: Sequence[int]) -> None:
    if len(shape) != 2:
        raise RuntimeError(f"Output shape must be 2d, got {list(shape)}")
    if diagonals.ndim != 2:
        raise RuntimeError(f"Diagonals must be vector or matrix, got shape {list(diagonals.shape)}")
    if diagonals.shape[0] != offset.size:
        raise RuntimeError(
            f"Number of diagonals ({diagonals.shape[0]}) does not match the number of offsets ({offset.size})"
        )
    if np.unique(offset).size != offset.size:
        raise RuntimeError("Offset tensor contains duplicate values")


def sum(input: Tensor, dim: object = None, dtype: object = None) -> Tensor:  # noqa: A001 (PyTorch's name)
    """The sum of all, or over some dimensions (``torch.sparse.sum``): sparse, if a sparse dimension is left, and else dense.
    The gradient is sparse.

    >>> import kuai as torch
    >>> torch.sparse.sum(torch.sparse_coo_tensor([[0, 1], [1, 0]], [2.0, 3.0], (2, 2)))
    tensor(5.)
    """
    if not is_sparse(input):
        return dense_sum(input, dim, dtype=dtype)
    target = accumulated(input.dtype) if dtype is None else dtypes.as_dtype(dtype)
    dims = axes(dims_of(dim, "sum"), input.ndim)
    p = pattern_of(input)
    if any(d not in dims for d in range(p.sparse_dim)):
        return summed(input, dims, False, target, "SparseSumBackward0")
    return summed_dense(input, dims, target)


def softmax(input: Tensor, dim: int, *, dtype: object = None) -> Tensor:
    """Softmax over the values that there are along a dimension (``torch.sparse.softmax``).

    >>> import kuai as torch
    >>> torch.sparse.softmax(torch.sparse_coo_tensor([[0, 0], [0, 2]], [1.0, 1.0], (1, 3)), 1).to_dense()
    tensor([[0.5000, 0.0000, 0.5000]])
    """
    need_backend(input, "_sparse_softmax")
    return softmax_along(input, dim, None if dtype is None else dtypes.as_dtype(dtype), log=False)


def log_softmax(input: Tensor, dim: int, *, dtype: object = None) -> Tensor:
    """The logarithm of `softmax` where there are values (``torch.sparse.log_softmax``).

    >>> import kuai as torch
    >>> torch.sparse.log_softmax(torch.sparse_coo_tensor([[0, 0], [0, 2]], [1.0, 1.0], (1, 3)), 1).values()
    tensor([-0.6931, -0.6931])
    """
    need_backend(input, "_sparse_log_softmax")
    return softmax_along(input, dim, None if dtype is None else dtypes.as_dtype(dtype), log=True)
