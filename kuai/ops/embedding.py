"""Look-ups of rows: embeddings, their gradients, and one-hot vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import dtypes
from ..engine.program import Aval, Op
from ..tensor import Tensor
from . import rules
from .define import by_result, op
from .extent import elements, within
from .taking import add_rows


def check_indices(indices: np.ndarray, rows: int, error: type[Exception] = IndexError) -> None:
    """An error for an index that is no row. One pass finds both negative and too large ones."""
    unsigned = indices.view(f"u{indices.dtype.itemsize}")
    if indices.size and unsigned.max() >= rows:
        wrong = indices[(indices < 0) | (indices >= rows)].flat[0]
        raise error(f"index out of range in self: {wrong} is none of the {rows} rows")


# ---- rows by index, and what comes back to them ----------------------------------------------------------------------


def _embedding_rule(op: Op, avals: Sequence, **static: object) -> tuple:
    w, indices = avals
    if indices.dtype.name not in ("int64", "int32"):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
            f"torch.{rules._cname(indices.dtype)}Tensor instead (while checking arguments for embedding)"
        )
    if len(w.shape) != 2:
        raise RuntimeError(f"'weight' must be 2-D, got shape {list(w.shape)}")
    return w.with_((*indices.shape, w.shape[1])), None


def _rows_rule(op: Op, avals: Sequence, *, rows: int, **static: object) -> tuple:
    g, indices = avals
    return g.with_((rows, *g.shape[len(indices.shape) :])), (g.dtype, None)


def _embedding_xla(xp, w, indices, *, padding, by_frequency):
    return xp.take(w, xp.where(indices < 0, w.shape[0], indices), axis=0, mode="fill")


def _embedding_vjp(g: Tensor, indices: Tensor, avals: tuple, padding: int | None, by_frequency: bool) -> Tensor:
    return _sum_rows(g, indices, rows=avals[0].shape[0], padding=padding, by_frequency=by_frequency)


@op(shape=_embedding_rule, vjp=(_embedding_vjp, None), xla=_embedding_xla, name="embedding", exact=True,
    cost=by_result(1.0))  # fmt: skip
def _embedding(xp, w, indices, *, padding, by_frequency):
    check_indices(indices, w.shape[0])
    return w[indices]


def _counts(xp, flat, rows):
    """How often each row is asked for."""
    return xp.bincount(flat, minlength=rows) if xp is np else xp.bincount(flat, length=rows)


def _shares(xp, flat, rows, padding, by_frequency, dtype):
    """What each row is to be multiplied by, as a column; None for 1."""
    if padding is None and not by_frequency:
        return None
    counts = xp.maximum(_counts(xp, flat, rows), 1) if by_frequency else xp.ones(rows)
    shares = xp.ones(rows) / counts if padding is None else (xp.arange(rows) != padding) / counts
    return shares.astype(dtype)[:, None]


def _sum_rows_xla(xp, g, indices, *, rows, padding, by_frequency):
    flat = indices.reshape(-1)
    found = xp.zeros((rows, *g.shape[indices.ndim :]), g.dtype).at[flat].add(g.reshape(flat.size, *g.shape[indices.ndim :]))
    shares = _shares(xp, flat, rows, padding, by_frequency, g.dtype)
    return found if shares is None else found * shares


def _sum_rows_vjp(g: Tensor, indices: Tensor, rows: int, padding: int | None, by_frequency: bool) -> Tensor:
    if padding is not None or by_frequency:
        g = g * _row_shares(indices, g.detach(), rows=rows, padding=padding, by_frequency=by_frequency)
    return _embedding(g, indices, padding=None, by_frequency=False)


@op(shape=_rows_rule, vjp=(_sum_rows_vjp, None), xla=_sum_rows_xla, name="embedding_backward", cost=4.0)
def _sum_rows(xp, g, indices, *, rows, padding, by_frequency):
    """Add each row of g to the row of the result that its index names."""
    flat, rest = indices.reshape(-1), g.shape[indices.ndim :]
    found = np.zeros((rows, *rest), g.dtype)
    add_rows(found, flat, g.reshape(flat.size, *rest))
    shares = _shares(np, flat, rows, padding, by_frequency, g.dtype)
    return found if shares is None else found * shares


def _shares_rule(op: Op, avals: Sequence, *, rows: int, **static: object) -> tuple:
    return avals[1].with_((rows, 1)), None


@op(shape=_shares_rule, vjp=None, name="embedding_shares")
def _row_shares(xp, indices, like, *, rows, padding, by_frequency):
    return _shares(xp, indices.reshape(-1), rows, padding, by_frequency, like.dtype)


# ---- rows that are too long ------------------------------------------------------------------------------------------


def _renorm_rule(op: Op, avals: Sequence, *, p: float) -> tuple:
    w, indices, _ = avals
    return w, (w.dtype, None, w.dtype)


@op(shape=_renorm_rule, vjp=None, name="embedding_renorm", cost=4.0)
def _renormed(xp, w, indices, max_norm, *, p):
    """The rows, those that are asked for cut to a length of max_norm."""
    lengths = xp.linalg.norm(w, p, axis=1, keepdims=True)
    asked = _counts(xp, indices.reshape(-1), w.shape[0])[:, None] > 0
    return w * xp.where(asked & (lengths > max_norm), max_norm / (lengths + 1e-7), 1)


# ---- bags ------------------------------------------------------------------------------------------------------------


def _bag_rule(op: Op, avals: Sequence, *, count: int) -> tuple:
    return avals[0].with_((count,), dtypes.int64), None


@op(shape=_bag_rule, vjp=None, name="bag_of")
def _bag_of(xp, offsets, *, count):
    """The bag of each of ``count`` indices, from where the bags begin."""
    return xp.searchsorted(offsets, xp.arange(count), side="right") - 1


def _greatest_rule(op: Op, avals: Sequence, *, bags: int) -> tuple:
    x = avals[0]
    return x.with_((bags, *x.shape[1:]), dtypes.int64), None


@op(shape=_greatest_rule, vjp=None, name="bag_argmax", cost=4.0)
def _greatest_row(xp, x, bag, *, bags):
    """The row of x that is greatest in each bag, column by column; the number of rows for an empty bag."""
    rows = x.shape[0]
    if xp is np:
        top = np.full((bags, *x.shape[1:]), -np.inf, x.dtype)
        np.maximum.at(top, bag, x)
        first = np.full(top.shape, rows)
        np.minimum.at(first, bag, np.where(x == top[bag], np.arange(rows)[:, None], rows))
        return first
    top = xp.full((bags, *x.shape[1:]), -xp.inf, x.dtype).at[bag].max(x)
    candidates = xp.where(x == top[bag], xp.arange(rows)[:, None], rows)
    return xp.full(top.shape, rows).at[bag].min(candidates)


# ---- one-hot ---------------------------------------------------------------------------------------------------------


def _one_hot_rule(op: Op, avals: Sequence, *, classes: int) -> tuple:
    x = avals[0]
    return Aval((*x.shape, classes), dtypes.int64, x.device), None


@op(shape=_one_hot_rule, vjp=None, name="one_hot")
def _one_hot(xp, x, *, classes):
    return x[..., None] == xp.arange(classes)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """A row of zeros with a one at each index (``torch.nn.functional.one_hot``).

    >>> import kuai as torch
    >>> torch.nn.functional.one_hot(torch.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if tensor.dtype is not dtypes.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if num_classes == -1 and not tensor._aval.size:
        raise RuntimeError("Can not infer total number of classes from empty tensor.")
    return _one_hot(tensor, classes=_class_count(tensor, num_classes))


def _class_count(tensor: Tensor, num_classes: int) -> int:
    """The number of classes, from the greatest index if it is not given; the values are checked."""
    if num_classes != -1 and within(tensor, 0, num_classes - 1):
        return num_classes
    data = tensor._array() if num_classes == -1 else elements(tensor)
    if data is None or not data.size:
        return num_classes
    if data.min() < 0:
        raise RuntimeError("Class values must be non-negative.")
    top = int(data.max())
    if num_classes == -1:
        return top + 1
    if top >= num_classes:
        raise RuntimeError(f"Class values must be smaller than num_classes: {top} is not below {num_classes}.")
    return num_classes
