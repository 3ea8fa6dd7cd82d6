"""Products with sparse matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..engine.program import Aval, Op, State
from ..ops import rules
from ..ops.define import op
from ..ops.matrix import _same_dtype
from ..ops.matrix import product as dense_product
from ..ops.taking import CHUNK, add_at, take_at
from ..tensor import Tensor, from_array
from .forms import form, unsupported
from .pattern import from_keys
from .storage import BuildNode, build, coalesced, is_sparse, on_graph, pattern_of, values_of

# ---- a sparse matrix times a dense one, as an op -----------------------------------------------------------------------


def _spmm_rule(op: Op, avals: Sequence, *, count: int) -> tuple:
    values, _, _, y = avals
    return Aval((count, y.shape[1]), values.dtype, rules.common_device(op, avals)), (values.dtype, None, None, values.dtype)


def _spmm_xla(xp, values, rows, columns, y, *, count):
    return xp.zeros((count, y.shape[1]), values.dtype).at[rows].add(values[:, None] * y[columns])


def _spmm_cost(state: State) -> float:
    return 3.0 * state.avals[0].size * state.avals[3].shape[1]


def _conj(x: Tensor) -> Tensor:
    return x.conj() if x.dtype.is_complex else x


def _spmm_values(g: Tensor, rows: Tensor, columns: Tensor, y: Tensor) -> Tensor:
    return sampled(g, _conj(y), rows, columns)


def _spmm_dense(g: Tensor, values: Tensor, rows: Tensor, columns: Tensor, avals: tuple) -> Tensor:
    return spmm(_conj(values), columns, rows, g, count=avals[3].shape[0])


@op(shape=_spmm_rule, xla=_spmm_xla, cost=_spmm_cost, name="spmm", grad_name="MmBackward0",
    vjp=(_spmm_values, None, None, _spmm_dense))  # fmt: skip
def spmm(xp, values, rows, columns, y, *, count):
    """The product of the matrix that has ``values`` at rows and columns with a dense one."""
    out = np.zeros((count, y.shape[1]), values.dtype)
    if (rows[1:] < rows[:-1]).any():
        order = np.argsort(rows, kind="stable")
        values, rows, columns = values[order], rows[order], columns[order]
    if y.shape[1] > 2 and _multiplied_by_length(out, values, np.bincount(rows, minlength=count), columns, y):
        return out
    step = max(1, (CHUNK >> 4) // max(1, y.shape[1]))  # terms that stay in the cache
    for i in range(0, rows.size, step):
        part = slice(i, i + step)
        _add_runs(out, rows[part], values[part, None] * y[columns[part]])
    return out


def _multiplied_by_length(out: np.ndarray, values: np.ndarray, lengths: np.ndarray, columns: np.ndarray,
                          y: np.ndarray) -> bool:  # fmt: skip
    """Rows of equal length are a batch of small dense products, which NumPy is fast at; False if the lengths are too many."""
    order = np.argsort(lengths, kind="stable")
    cuts = np.flatnonzero(np.diff(lengths[order], prepend=0))
    if cuts.size > 8 + (values.size * y.shape[1] >> 14):
        return False
    starts = np.cumsum(lengths) - lengths
    for group in np.split(order, cuts)[1:]:
        n = int(lengths[group[0]])
        step = max(1, (CHUNK >> 4) // (n * y.shape[1]))
        for i in range(0, group.size, step):
            part = group[i : i + step]
            at = starts[part, None] + np.arange(n)
            factors = np.take(y, columns[at], axis=0, mode="clip")  # all are within: checking costs as much as the product
            out[part] = np.matmul(values[at][:, None], factors)[:, 0]
    return True


def _add_runs(out: np.ndarray, rows: np.ndarray, terms: np.ndarray) -> None:
    """``out[row] += term`` for rows in order: each run of a row is summed in one piece."""
    starts = np.flatnonzero(np.concatenate(([True], rows[1:] != rows[:-1])))
    out[rows[starts]] += np.add.reduceat(terms, starts, axis=0)


def sampled(x: Tensor, y: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The products of rows of x with rows of y, pair by pair: what ``x @ y.T`` has at some places."""
    return (_rows_of(x, rows) * _rows_of(y, columns)).sum(1)


def _rows_of(x: Tensor, rows: Tensor) -> Tensor:
    return take_at(x, rows, dim=0, count=1, wrap=False)


# ---- sparse times dense ------------------------------------------------------------------------------------------------


@form("matmul")
def _matmul(x: Tensor, y: Tensor, *, tx: bool, ty: bool) -> Tensor:
    """The product of matrices, or of batches of them, of which one or both are sparse."""
    x, y = x.transpose(-1, -2) if tx else x, y.transpose(-1, -2) if ty else y
    _need_factors(x, y)
    if x.ndim == 3:
        return _batched(x, y)
    if is_sparse(x) and is_sparse(y):
        return sparse_product(x, y)
    return multiplied(x, y) if is_sparse(x) else _multiplied_by(x, y)


@form("linear")
def _linear(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    if is_sparse(w) and x.ndim == 2 and not is_sparse(x):
        made = _matmul(w, x, tx=False, ty=True).t()
    else:
        made = _matmul(x, w, tx=False, ty=True)
    return made if b is None else made + b


def _need_factors(x: Tensor, y: Tensor) -> None:
    if x.ndim != y.ndim or x.ndim not in (2, 3):
        raise RuntimeError(f"matmul: a sparse product is one of matrices, or of batches of them, got {list(x.shape)} and {list(y.shape)}")
    (m, k), (k2, n) = x.shape[-2:], y.shape[-2:]
    if k != k2 or x.shape[:-2] != y.shape[:-2]:
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({m}x{k} and {k2}x{n})")
    _same_dtype(spmm.op, x._aval, y._aval)
    for matrix in (x, y):
        if is_sparse(matrix) and pattern_of(matrix).rest:
            raise RuntimeError(f"matmul: expected sparse matrices without dense dimensions, got {list(matrix.shape)}")


def multiplied(x: Tensor, y: Tensor, masked: bool = False) -> Tensor:
    """A sparse matrix times a dense one. To x comes back a dense cotangent, as in PyTorch; what stands in x's pattern alone
    if ``masked``, or if x was built from values.
    """
    if masked or x._node is None or type(x._node) is BuildNode:
        return _product(x, values_of(x), y)
    made = _product(x, values_of(x.detach()), y.detach())

    def cotangents(g: Tensor) -> tuple:
        return dense_product(g, _conj(y), False, True), _product(x.t(), _conj(values_of(x)), g)

    return on_graph(made, "MmBackward0", cotangents, x, y)


def _multiplied_by(x: Tensor, y: Tensor) -> Tensor:
    """A dense matrix times a sparse one, with cotangents as `multiplied` has them."""
    if y._node is None or type(y._node) is BuildNode:
        return multiplied(y.t(), x.t()).t()
    made = multiplied(y.detach().t(), x.detach().t()).t()

    def cotangents(g: Tensor) -> tuple:
        return multiplied(_conj(y), g.t()).t(), dense_product(_conj(x), g, True, False)

    return on_graph(made, "MmBackward0", cotangents, x, y)


def _product(x: Tensor, values: Tensor, y: Tensor) -> Tensor:
    rows, columns = pattern_of(x).rows
    return spmm(values, rows, columns, y, count=x.shape[0])


def _batched(x: Tensor, y: Tensor) -> Tensor:
    """A batch of sparse matrices times one of dense ones: one product with all rows."""
    if not is_sparse(x) or is_sparse(y):
        raise unsupported("bmm", x, y)
    (batch, m, k), n = x.shape, y.shape[2]
    b, rows, columns = pattern_of(x).rows
    made = spmm(values_of(x), b * m + rows, b * k + columns, y.reshape((batch * k, n)), count=batch * m)
    return made.reshape((batch, m, n))


# ---- sparse times sparse -----------------------------------------------------------------------------------------------


def sparse_product(x: Tensor, y: Tensor) -> Tensor:
    """The product of two sparse matrices: which values meet is found at once, what they give is recorded."""
    x, y = coalesced(x), coalesced(y)
    a, b = pattern_of(x), pattern_of(y)
    left, right = _meetings(a.indices._array(), b.indices._array())
    keys = a.indices._array()[0][left] * y.shape[1] + b.indices._array()[1][right]
    distinct, place = np.unique(keys, return_inverse=True)
    terms = _rows_of(values_of(x), from_array(left, x.device)) * _rows_of(values_of(y), from_array(right, x.device))
    values = add_at(None, terms, from_array(place.reshape(-1), x.device), dim=0, count=1, shape=(distinct.size,))
    shape = (x.shape[0], y.shape[1])
    return build(from_keys(distinct, shape, shape, a.indices), values, "SparseSparseMatmulBackward0")


def _meetings(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of a value of the left matrix and one of the right whose row is the former's column; b's rows in order."""
    first = np.searchsorted(b[0], a[1], "left")
    counts = np.searchsorted(b[0], a[1], "right") - first
    left = np.repeat(np.arange(a.shape[1]), counts)
    within = np.arange(left.size) - np.repeat(np.cumsum(counts) - counts, counts)
    return left, np.repeat(first, counts) + within
