"""Running sums and their like, and what is made of neighbours: differences and integrals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import dtypes
from ..dtypes import dtype
from ..engine.program import Op
from ..tensor import Tensor
from . import rules
from .along import along, dim_of, need_tensor, numpy_names, same_along
from .define import op, write_out


def _flipped(xp, x, dim: int, reverse: bool):
    return xp.flip(x, dim) if reverse else x


def _running_rule(op: Op, avals: Sequence, *, dim: int, dtype: dtype | None, reverse: bool) -> tuple:
    x = need_tensor(op, avals[0])
    rules.normalize_dim(dim, len(x.shape))
    target = dtype or (x.dtype if x.dtype.category > 1 else dtypes.int64)
    return x.with_(dtype=target), target


@op(shape=_running_rule, name="cumsum", cost=2.0,
    vjp=(lambda g, dim, reverse: _cumsum(g, dim=dim, dtype=None, reverse=not reverse),))  # fmt: skip
@along
def _cumsum(xp, x, *, dim, dtype, reverse):
    return _flipped(xp, _flipped(xp, x, dim, reverse).cumsum(axis=dim), dim, reverse)


@numpy_names
def cumsum(input: Tensor, dim: int, *, dtype: object = None, out: Tensor | None = None) -> Tensor:
    """Sums of all elements up to each one (``torch.cumsum``).

    >>> import kuai as torch
    >>> torch.cumsum(torch.tensor([1, 2, 3]), dim=0)
    tensor([1, 3, 6])
    """
    made = _cumsum(input, dim=dim_of(dim, "cumsum"), dtype=dtype and dtypes.as_dtype(dtype), reverse=False)
    return made if out is None else write_out(out, made)


# ---- products: the derivative is a linear recurrence, which has no division and so no trouble with zeros -------------------------


@op(shape=same_along, vjp=(lambda g, dim, by, fill: shift(g, dim, -by, 0.0),), name="shift", exact=True)
@along
def _shift(xp, x, *, dim, by, fill):
    """The elements moved along a dimension by one place, and a number in the place left."""
    n = x.shape[dim]
    edge = xp.full((*x.shape[:dim], min(n, 1), *x.shape[dim + 1 :]), fill, dtype=x.dtype)
    here = (slice(None),) * dim
    return xp.concatenate([edge, x[(*here, slice(0, max(n - 1, 0)))]] if by > 0 else [x[(*here, slice(1, n))], edge], axis=dim)


def shift(x: Tensor, dim: int, by: int, fill: float) -> Tensor:
    """``x`` moved by one place forward (1) or back (-1) along ``dim``, with ``fill`` at the free end."""
    return _shift(x, dim=dim, by=by, fill=fill)


def _recur_xla(xp, a, b, *, dim, reverse):
    def then(first, second):
        return first[0] * second[0], first[1] * second[0] + second[1]

    return xp.lax.associative_scan(then, (a, b), reverse=reverse, axis=dim)[1]


def _recur_vjp(g: Tensor, a: Tensor, out: Tensor, dim: int, reverse: bool, needs: tuple) -> tuple:
    """The cotangent runs through the same recurrence the other way."""
    toward = 1 if reverse else -1
    weights = a.conj() if a.dtype.is_complex else a
    back = _recur(shift(weights, dim, toward, 0.0), g, dim=dim, reverse=not reverse)
    before = shift(out, dim, -toward, 0.0)
    return back * (before.conj() if before.dtype.is_complex else before), back


@op(shape=same_along, vjp=_recur_vjp, xla=along(_recur_xla), name="recurrence", cost=10.0)
@along
def _recur(xp, a, b, *, dim, reverse):
    """s[k] = a[k] * s[k-1] + b[k] along a dimension, from zero."""
    made = np.empty(b.shape, b.dtype)
    source, a, b = np.moveaxis(made, dim, 0), np.moveaxis(a, dim, 0), np.moveaxis(b, dim, 0)
    s = np.zeros(b.shape[1:], b.dtype)
    for k in range(len(b))[:: -1 if reverse else 1]:
        source[k] = s = a[k] * s + b[k]
    return made


def _cumprod_vjp(g: Tensor, input: Tensor, out: Tensor, dim: int, reverse: bool) -> tuple:
    toward = 1 if reverse else -1
    x = input.to(g.dtype)
    x, before = (x.conj(), out.conj()) if x.dtype.is_complex else (x, out)
    back = _recur(shift(x, dim, toward, 0.0), g, dim=dim, reverse=not reverse)
    return (back * shift(before, dim, -toward, 1.0),)


@op(shape=_running_rule, vjp=_cumprod_vjp, name="cumprod", cost=2.0)
@along
def _cumprod(xp, input, *, dim, dtype, reverse):
    return _flipped(xp, _flipped(xp, input, dim, reverse).cumprod(axis=dim), dim, reverse)


@numpy_names
def cumprod(input: Tensor, dim: int, *, dtype: object = None, out: Tensor | None = None) -> Tensor:
    """Products of all elements up to each one (``torch.cumprod``).

    >>> import kuai as torch
    >>> torch.cumprod(torch.tensor([1, 2, 3, 4]), dim=0)
    tensor([ 1,  2,  6, 24])
    """
    made = _cumprod(input, dim=dim_of(dim, "cumprod"), dtype=dtype and dtypes.as_dtype(dtype), reverse=False)
    return made if out is None else write_out(out, made)


def cumprod_reversed(x: Tensor, dim: int) -> Tensor:
    """Products of all elements from each one on."""
    return _cumprod(x, dim=dim, dtype=None, reverse=True)


METHODS = ("cumsum", "cumprod")
INPLACE = ("cumsum", "cumprod")
