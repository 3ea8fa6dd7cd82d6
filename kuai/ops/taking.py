"""Taking elements at indices along a dimension, and putting them back: what advanced indexing is made of.

Neighbouring dimensions may be taken as one (``count`` of them from ``dim`` on), with an index into their elements in
order. NumPy raises for an index out of bounds; XLA clamps when it reads and drops when it writes. So `check` makes sure
when the call is made, except on an accelerator.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from ..dtypes import bool_, int64
from ..engine.program import Aval, Op
from ..tensor import Tensor
from . import rules
from .define import by_result, named_by_operand, op
from .extent import elements, within


class OutOfBounds(IndexError, RuntimeError):
    """An index that is none of the places: PyTorch raises one class or the other, from function to function."""


# ---- bounds --------------------------------------------------------------------------------------------------------


def check(index: Tensor, n: int, dim: int, wrap: bool = True) -> None:
    """Raise for an index that is out of bounds; ``wrap`` lets it count from the end."""
    if not within(index, -n if wrap else 0, n - 1):
        array = elements(index)
        if array is not None and array.size:
            _need_within(*_extent(array), n, dim, wrap)


def _extent(array: np.ndarray) -> tuple[int, int]:
    return int(array.min()), int(array.max())


def _need_within(low: int, high: int, n: int, dim: int, wrap: bool) -> None:
    if n == 0:
        raise OutOfBounds("index is out of bounds for dimension with size 0")
    if low < (-n if wrap else 0) or high >= n:
        raise OutOfBounds(f"index {low if high < n else high} is out of bounds for dimension {dim} with size {n}")


def checked(index: np.ndarray, n: int, dim: int, wrap: bool) -> np.ndarray:
    """The index itself, if it is within bounds."""
    if index.size:
        _need_within(*_extent(index), n, dim, wrap)
    return index


# ---- several indices as one ----------------------------------------------------------------------------------------


def _ravel_rule(op: Op, avals: Sequence, *, lengths: tuple) -> tuple:
    try:
        shape = rules.broadcast_shapes(op.name, *[a.shape for a in avals])
    except RuntimeError:
        shapes = ", ".join(str(list(a.shape)) for a in avals)
        raise IndexError(f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}") from None
    return Aval(shape, int64, rules.common_device(op, avals)), (int64,) * len(avals)


@op(shape=_ravel_rule, vjp=None, name="ravel_index")
def _ravel(xp, *indices, lengths):
    flat = 0
    for d, (i, n) in enumerate(zip(indices, lengths)):
        i = checked(i, n, d, True) if xp is np else xp.clip(i, -n, n - 1)
        flat = flat * n + xp.where(i < 0, i + n, i)
    return flat


def ravel(indices: Sequence[Tensor], lengths: Sequence[int]) -> Tensor:
    """Indices into several dimensions as one index into their elements in order."""
    return _ravel(*indices, lengths=tuple(lengths))


# ---- take ----------------------------------------------------------------------------------------------------------


def _taken_shape(x: Sequence[int], index: Sequence[int], dim: int, count: int) -> tuple[int, ...]:
    return (*x[:dim], *index, *x[dim + count :])


def _merged(x, dim: int, count: int):
    """The array with dimensions dim … dim + count - 1 as one; of none of them, one of length 1."""
    return x if count == 1 else x.reshape(_merged_shape(x.shape, dim, count))


def _merged_shape(shape: Sequence[int], dim: int, count: int) -> tuple[int, ...]:
    return (*shape[:dim], prod(shape[dim : dim + count]), *shape[dim + count :])


def _take_rule(op: Op, avals: Sequence, *, dim: int, count: int, wrap: bool) -> tuple:
    x, index = avals
    shape = _taken_shape(x.shape, index.shape, dim, count)
    return Aval(shape, x.dtype, rules.common_device(op, avals)), (x.dtype, int64)


def _take_xla(xp, x, index, *, dim, count, wrap):
    return _merged(x, dim, count).at[(slice(None),) * dim + (index,)].get(mode="clip")


@op(shape=_take_rule, xla=_take_xla, name="index_take", grad_name="IndexBackward0", exact=True,
    cost=by_result(2.0),
    vjp=(lambda g, index, avals, dim, count: add_at(None, g, index, dim=dim, count=count, shape=avals[0].shape),
         None))  # fmt: skip
def take_at(xp, x, index, *, dim, count, wrap):
    """The elements at an index into dimensions dim … dim + count - 1; ``wrap`` lets it count from the end."""
    x = _merged(x, dim, count)
    n = x.shape[dim]
    if not wrap or not n:
        checked(index, n, dim, wrap)
    if not x.size:
        return np.empty(_taken_shape(x.shape, index.shape, dim, 1), x.dtype)
    try:
        return x.take(index, dim)
    except IndexError:
        checked(index, n, dim, wrap)
        raise


# ---- put -----------------------------------------------------------------------------------------------------------


def _slot(op: Op, x: Sequence[int], value: object, index: Aval, dim: int, count: int) -> tuple[int, ...]:
    """The shape that a value is broadcast to before it is put."""
    shape = _taken_shape(x, index.shape, dim, count)
    given = value.shape if type(value) is Aval else ()
    if len(given) > len(shape) or any(a not in (1, b) for a, b in zip(given[::-1], shape[::-1])):
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(given)} cannot be broadcast to indexing result of shape {list(shape)}"
        )
    return shape


def _put_rule(op: Op, avals: Sequence, *, dim: int, count: int) -> tuple:
    x, value, index = avals
    _slot(op, x.shape, value, index, dim, count)
    return x, (x.dtype, x.dtype, int64)


def _put_xla(xp, x, value, index, *, dim, count):
    return _merged(x, dim, count).at[(slice(None),) * dim + (index,)].set(value).reshape(x.shape)


@op(shape=_put_rule, xla=_put_xla, name="index_put", overwrites=True, exact=True,
    vjp=(lambda g, index, dim, count: put_at(g, 0, index, dim=dim, count=count),
         lambda g, index, dim, count: take_at(g, index, dim=dim, count=count, wrap=True), None))  # fmt: skip
def put_at(xp, x, value, index, *, dim, count):
    """x with a value at an index into dimensions dim … dim + count - 1."""
    out = _merged(x, dim, count)
    try:
        out[(slice(None),) * dim + (index,)] = value
    except IndexError:
        checked(index, out.shape[dim], dim, True)
        raise
    return x


def _add_rule(op: Op, avals: Sequence, *, dim: int, count: int, shape: tuple) -> tuple:
    x, value, index = avals
    _slot(op, shape, value, index, dim, count)
    d = value.dtype if x is None else x.dtype
    return Aval(shape, d, rules.common_device(op, avals)), (x and d, d, int64)


def _add_xla(xp, x, value, index, *, dim, count, shape):
    x = xp.zeros(shape, value.dtype) if x is None else x
    return added(_merged(x, dim, count), (slice(None),) * dim + (index,), value).reshape(shape)


def added(x, places, value):
    """Under XLA: x with a value added at places, those outside left out. The sum of bools is whether any is true."""
    return x.at[places].max(value, mode="drop") if x.dtype == bool else x.at[places].add(value, mode="drop")


@op(shape=_add_rule, xla=_add_xla, name="index_put_add", overwrites=True, cost=4.0,
    vjp=(lambda g: g, lambda g, index, dim, count: take_at(g, index, dim=dim, count=count, wrap=True), None))  # fmt: skip
def add_at(xp, x, value, index, *, dim, count, shape):
    """x (zeros of a shape, if absent) with a value added at an index, as often as a place occurs in it."""
    merged = _merged_shape(shape, dim, count)
    out = np.zeros(merged, value.dtype) if x is None else x.reshape(merged)
    value = np.broadcast_to(value, _taken_shape(merged, index.shape, dim, 1))
    if value.size:
        n = merged[dim]
        index = np.where(checked(index, n, dim, True) < 0, index + n, index)
        add_rows(out.reshape(-1, *merged[dim + 1 :]), _rows(index, prod(merged[:dim]), n), value)
    return out.reshape(shape) if x is None else x


def _rows(index: np.ndarray, repeats: int, n: int) -> np.ndarray:
    """Row numbers in a stack of blocks of n rows, the same rows in each block."""
    index = index.ravel()
    return index if repeats == 1 else (np.arange(repeats)[:, None] * n + index).ravel()


CHUNK = 1 << 20  # elements added at a time, as each needs an index of its own


def add_rows(out: np.ndarray, rows: np.ndarray, value: np.ndarray) -> None:
    """``out[row] += value`` for each row, in place. NumPy is fast at that where both are vectors, so rows become elements."""
    if out.dtype.kind == "c":  # the loop for vectors has only real numbers
        real = out.real.dtype
        out, value = out.view(real).reshape(len(out), -1), np.ascontiguousarray(value).view(real)
    if not value.size:
        return
    out, value = out.reshape(len(out), -1), value.reshape(len(rows), -1)
    width = out.shape[1]
    if value.size < 256 and width > 1:
        np.add.at(out, rows, value)
        return
    flat, columns, step = out.reshape(-1), np.arange(width), max(1, CHUNK // width)
    for i in range(0, len(rows), step):
        places = rows[i : i + step, None] * width + columns
        np.add.at(flat, places.ravel(), value[i : i + step].ravel())


# ---- where a mask says ---------------------------------------------------------------------------------------------


def _fill_rule(op: Op, avals: Sequence) -> tuple:
    x, mask, value = avals
    shape = rules.broadcast_shapes(op.name, x.shape, mask.shape)
    return Aval(shape, x.dtype, rules.common_device(op, avals)), (x.dtype, bool_, x.dtype)


@op(shape=_fill_rule, name="masked_fill", exact=True, grad_name=named_by_operand("MaskedFill", 2),
    vjp=(lambda g, mask: fill_where(g, mask, 0), None, lambda g, mask: fill_where(g, ~mask, 0).sum()))  # fmt: skip
def fill_where(xp, x, mask, value):
    """x with one value where a mask is true."""
    return xp.where(mask, value, x)


def check_slices(input: Tensor, dim: int, source: Tensor, name: str) -> None:
    """A source has the shape of the tensor that it goes into, but for the length of one dimension."""
    rest, wanted = ([n for d, n in enumerate(x.shape) if d != dim] for x in (source, input))
    if rest != wanted or (not source.ndim) != (not input.ndim):
        raise RuntimeError(
            f"{name}(): source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = "
            f"{list(input.shape)} source.shape = {list(source.shape)}"
        )
