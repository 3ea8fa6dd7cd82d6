"""Order: sort, the k greatest, the k-th, the median and the mode; and what is unique.

Equal elements stay in the order they were in, and nan is greater than all numbers, under both executors.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod as product

import numpy as np

from .. import dtypes, return_types
from ..engine.program import Aval, Op
from ..tensor import Tensor, from_array
from . import rules
from .along import along, dim_of, need_tensor, put, ranks, reduced, refuse
from .cumulative import running
from .define import op, write_out, write_outs
from .searching import need_elements, share_ties

# ---- sort ------------------------------------------------------------------------------------------------------------


def ordered(xp, x, dim: int, descending: bool = False) -> tuple:
    """An array sorted along a dimension, and where its elements stood."""
    n = x.shape[dim]
    if xp is not np and x.dtype.itemsize <= 4 and n < 2**31:
        return _ordered_packed(xp, x, dim, descending)
    if descending:
        values, places = ordered(xp, xp.flip(x, dim), dim)
        return xp.flip(values, dim), xp.flip(n - 1 - places, dim)
    if xp is np:
        places = np.argsort(x, axis=dim, kind="stable")
        return np.take_along_axis(x, places, dim), places
    places = xp.broadcast_to(ranks(xp, x.shape, dim), x.shape)
    return xp.lax.sort((x, places), dimension=dim, is_stable=True, num_keys=1)


def _ordered_packed(xp, x, dim: int, descending: bool) -> tuple:
    """Values and places as one 64-bit integer each, which XLA sorts five to twenty times as fast as pairs.

    The upper half goes up with the value, the lower one has the place, and in its last bit whether a zero is negative.
    """
    number = x.dtype.kind == "f"
    upper = _rising_bits(xp, x) if number else x.astype(xp.int64)
    upper = ~upper if descending else upper
    lower = ranks(xp, x.shape, dim).astype(xp.int64) * 2
    lower = lower + ((x == 0) & xp.signbit(x)) if number else lower
    packed = xp.lax.sort((upper << 32) | lower, dimension=dim, is_stable=False)
    upper, lower = packed >> 32, packed & 0xFFFFFFFF
    upper = ~upper if descending else upper
    values = xp.where(lower & 1, -xp.zeros((), x.dtype), _from_rising_bits(xp, upper)) if number else upper.astype(x.dtype)
    return values, lower >> 1


def _rising_bits(xp, x):
    """A float32 as an integer that goes up with it: all zeros are one, all nan the greatest."""
    x = xp.where(x == 0, xp.zeros((), x.dtype), xp.where(x == x, x, xp.asarray(xp.nan, x.dtype)))
    bits = xp.lax.bitcast_convert_type(x, xp.int32).astype(xp.int64)
    return xp.where(bits < 0, bits ^ 0x7FFFFFFF, bits)


def _from_rising_bits(xp, bits):
    bits = xp.where(bits < 0, bits ^ 0x7FFFFFFF, bits).astype(xp.int32)
    return xp.lax.bitcast_convert_type(bits, xp.float32)


def _sort_rule(op: Op, avals: Sequence, *, dim: int, descending: bool) -> tuple:
    x = need_tensor(op, avals[0])
    rules.normalize_dim(dim, len(x.shape))
    if x.dtype.is_complex:
        raise RuntimeError("Sort does not support complex dtypes on CPU")
    return (x, x.with_(dtype=dtypes.int64)), x.dtype


def _put_sorted(g: tuple, out: tuple, avals: tuple, dim: int) -> tuple:
    return (put(g[0], out[1], avals[0].shape, dim),)


@op(shape=_sort_rule, vjp=_put_sorted, many=True, name="sort", cost=60.0)
@along
def _sort(xp, x, *, dim, descending):
    return ordered(xp, x, dim, descending)


def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool | None = None, *, out: tuple | None = None):
    """The elements in order along ``dim``, and where they stood (``torch.sort``); it is always stable.

    >>> import kuai as torch
    >>> values, indices = torch.sort(torch.tensor([3., 1., 2.]))
    >>> values, indices
    (tensor([1., 2., 3.]), tensor([1, 2, 0]))
    """
    made = _sort(input, dim=dim_of(dim, "sort"), descending=bool(descending))
    return write_outs(out, return_types.sort(made))


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False, *, out: Tensor | None = None):
    """Where the elements stand that would be in order (``torch.argsort``).

    >>> import kuai as torch
    >>> torch.argsort(torch.tensor([3., 1., 2.]))
    tensor([1, 2, 0])
    """
    made = sort(input, dim, descending)[1]
    return made if out is None else write_out(out, made)


def msort(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements in order along the first dimension (``torch.msort``).

    >>> import kuai as torch
    >>> torch.msort(torch.tensor([[3, 1], [2, 4]]))
    tensor([[2, 1],
            [3, 4]])
    """
    made = sort(input, 0)[0]
    return made if out is None else write_out(out, made)


# ---- topk ------------------------------------------------------------------------------------------------------------


def _topk_rule(op: Op, avals: Sequence, *, k: int, dim: int, largest: bool) -> tuple:
    x = need_tensor(op, avals[0])
    along_dim = rules.normalize_dim(dim, len(x.shape))
    if x.dtype.category in (0, 3):
        raise RuntimeError(f"topk does not support {'complex' if x.dtype.category else 'bool'} dtypes on CPU")
    if not 0 <= k <= (x.shape[along_dim] if x.shape else 1):
        raise RuntimeError(f"selected index k out of range: k = {k}, dimension {dim} of {list(x.shape)}")
    shape = tuple(k if i == along_dim else n for i, n in enumerate(x.shape))
    return (x.with_(shape), x.with_(shape, dtypes.int64)), x.dtype


def _first(x, k: int, dim: int):
    return x[(slice(None),) * dim + (slice(0, k),)]


def _topk_xla(xp, x, *, k, dim, largest):
    if not x.ndim or not largest:
        return _topk.op.body(xp, x, k=k, dim=dim, largest=largest)
    x = xp.moveaxis(x, dim, -1)
    key = x
    if x.dtype.kind == "f":  # top_k goes by the bits, where a negative nan is the least and a negative zero below zero
        key = xp.where(x == 0, xp.zeros((), x.dtype), xp.where(x == x, x, xp.asarray(xp.nan, x.dtype)))
    places = xp.lax.top_k(key, k)[1]
    return xp.moveaxis(xp.take_along_axis(x, places, -1), -1, dim), xp.moveaxis(places, -1, dim)


@op(shape=_topk_rule, vjp=_put_sorted, many=True, xla=_topk_xla, name="topk", cost=20.0)
def _topk(xp, x, *, k, dim, largest):
    if not x.ndim:
        return x, xp.zeros((), "int64")
    dim %= x.ndim
    if xp is np and 0 < 4 * k < x.shape[dim] > 256 and not (x != x).any():
        return _select(np.moveaxis(x, dim, -1), k, dim, largest)
    return tuple(_first(m, k, dim) for m in ordered(xp, x, dim, descending=largest))


def _select(x: np.ndarray, k: int, dim: int, largest: bool) -> tuple:
    """The k greatest by partition: all that are beyond the k-th, and of its equals the first ones."""
    n = x.shape[-1]
    edge = np.partition(x, n - k if largest else k - 1, axis=-1)[..., [n - k if largest else k - 1]]
    beyond, equal = x > edge if largest else x < edge, x == edge
    wanted = k - beyond.sum(axis=-1, keepdims=True)
    chosen = beyond | (equal & (equal.cumsum(axis=-1) <= wanted))
    places = np.nonzero(chosen)[-1].reshape(*x.shape[:-1], k)
    values, order = ordered(np, np.take_along_axis(x, places, -1), x.ndim - 1, descending=largest)
    return np.moveaxis(values, -1, dim), np.moveaxis(np.take_along_axis(places, order, -1), -1, dim)


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True, *, out: tuple | None = None):
    """The k greatest (or least) elements along ``dim``, and where they are (``torch.topk``).

    >>> import kuai as torch
    >>> torch.topk(torch.tensor([1., 4., 2., 3.]), 2)
    torch.return_types.topk(
    values=tensor([4., 3.]),
    indices=tensor([1, 3]))
    """
    made = _topk(input, k=int(k), dim=dim_of(-1 if dim is None else dim, "topk"), largest=bool(largest))
    return write_outs(out, return_types.topk(made))


# ---- one element by its rank -----------------------------------------------------------------------------------------


def _ranked_rule(op: Op, avals: Sequence, *, dim: int, keepdim: bool, **static: object) -> tuple:
    x = need_tensor(op, avals[0])
    rules.normalize_dim(dim, len(x.shape))
    refuse(op, x, *((3,) if op.name == "mode" else (0, 3)))
    need_elements(op, x, dim)
    shape = reduced(x, dim, keepdim)
    return (x.with_(shape), x.with_(shape, dtypes.int64)), x.dtype


def _put_ranked(g: tuple, out: tuple, avals: tuple, dim: int, keepdim: bool) -> tuple:
    return (put(g[0], out[1], avals[0].shape, dim, squeeze=not keepdim),)


def _pick(xp, pair: tuple, place, dim: int, keepdim: bool) -> tuple:
    """From sorted values and their places, those at one rank for each line."""
    found = tuple(xp.take_along_axis(a, place, dim) for a in pair)
    return found if keepdim else tuple(a.squeeze(dim) for a in found)


def _kth_rule(op: Op, avals: Sequence, *, k: int, dim: int, keepdim: bool) -> tuple:
    made = _ranked_rule(op, avals, dim=dim, keepdim=keepdim)
    shape = avals[0].shape or (1,)
    if not 1 <= k <= shape[dim]:
        raise RuntimeError(f"{op.name}(): selected number k out of range for dimension {dim}: k = {k} of {shape[dim]}")
    return made


@op(shape=_kth_rule, vjp=_put_ranked, many=True, name="kthvalue", cost=60.0)
@along
def _kthvalue(xp, x, *, k, dim, keepdim):
    place = xp.full([1 if i == dim else n for i, n in enumerate(x.shape)], k - 1, dtype="int64")
    return _pick(xp, ordered(xp, x, dim), place, dim, keepdim)


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False, *, out: tuple | None = None):
    """The k-th least element along ``dim``, and where it is (``torch.kthvalue``).

    >>> import kuai as torch
    >>> torch.kthvalue(torch.tensor([5., 1., 3.]), 2)
    torch.return_types.kthvalue(
    values=tensor(3.),
    indices=tensor(2))
    """
    made = _kthvalue(input, k=int(k), dim=dim_of(dim, "kthvalue"), keepdim=keepdim)
    return write_outs(out, return_types.kthvalue(made))


def _middle(xp, x, dim: int, skip: bool):
    """The rank of the lower median of each line: of its numbers if ``skip``, else of the first nan if there is one."""
    n = x.shape[dim]
    numbers = (x == x).sum(axis=dim, keepdims=True)
    return xp.maximum((numbers - 1) // 2, 0) if skip else xp.where(numbers == n, (n - 1) // 2, numbers)


@op(shape=_ranked_rule, vjp=_put_ranked, many=True, name="median", cost=60.0)
@along
def _median(xp, x, *, dim, keepdim):
    return _pick(xp, ordered(xp, x, dim), _middle(xp, x, dim, skip=False), dim, keepdim)


@op(shape=_ranked_rule, vjp=_put_ranked, many=True, name="nanmedian", cost=60.0)
@along
def _nanmedian(xp, x, *, dim, keepdim):
    return _pick(xp, ordered(xp, x, dim), _middle(xp, x, dim, skip=True), dim, keepdim)


def _median_all_rule(op: Op, avals: Sequence, *, skip: bool) -> tuple:
    x = need_tensor(op, avals[0])
    refuse(op, x, 0, 3)
    return Aval((), x.dtype, x.device), x.dtype


@op(shape=_median_all_rule, name="median_all", grad_name="MedianBackward0", cost=60.0,
    vjp=(lambda g, x, out: share_ties(g, x, out, None, False),))  # fmt: skip
def _median_all(xp, x, *, skip):
    if not x.size:
        return xp.full((), xp.nan).astype(x.dtype)
    x = x.reshape(-1)
    return _pick(xp, ordered(xp, x, 0), _middle(xp, x, 0, skip), 0, keepdim=False)[0]


def median(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: object = None):
    """The lower median of all elements; or along ``dim``, with where it is (``torch.median``).

    >>> import kuai as torch
    >>> torch.median(torch.tensor([5., 1., 3., 4.]))
    tensor(3.)
    """
    if dim is None:
        made = _median_all(input, skip=False)
        return made if out is None else write_out(out, made)
    return write_outs(out, return_types.median(_median(input, dim=dim_of(dim, "median"), keepdim=keepdim)))


def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: object = None):
    """`median` of the elements that are not nan (``torch.nanmedian``).

    >>> import kuai as torch
    >>> torch.nanmedian(torch.tensor([5., torch.nan, 3.]))
    tensor(3.)
    """
    if dim is None:
        made = _median_all(input, skip=True)
        return made if out is None else write_out(out, made)
    return write_outs(out, return_types.nanmedian(_nanmedian(input, dim=dim_of(dim, "nanmedian"), keepdim=keepdim)))


@op(shape=_ranked_rule, vjp=_put_ranked, many=True, name="mode", cost=70.0)
@along
def _mode(xp, x, *, dim, keepdim):
    """In sorted order equal elements are runs: the first of the longest ones has the mode, and its end the last place."""
    values, places = ordered(xp, x, dim)
    n, here = x.shape[dim], (slice(None),) * dim
    changes = values[(*here, slice(1, n))] != values[(*here, slice(0, n - 1))]
    starts = xp.concatenate([xp.ones_like(changes, shape=_first(x, 1, dim).shape), changes], axis=dim)
    rank = ranks(xp, x.shape, dim)
    length = rank - running(xp, xp.where(starts, rank, 0), dim)
    return _pick(xp, (values, places), length.argmax(axis=dim, keepdims=True), dim, keepdim)


def mode(input: Tensor, dim: int = -1, keepdim: bool = False, *, out: tuple | None = None):
    """The commonest element along ``dim``, the least of equally common ones, and its last place (``torch.mode``).

    >>> import kuai as torch
    >>> torch.mode(torch.tensor([2, 1, 2, 1, 3]))
    torch.return_types.mode(
    values=tensor(1),
    indices=tensor(3))
    """
    return write_outs(out, return_types.mode(_mode(input, dim=dim_of(dim, "mode"), keepdim=keepdim)))


# ---- unique: its length depends on the values, so it runs at once ----------------------------------------------------


def _groups(rows: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows in an order in which equal ones are neighbours: the first of each, each one's group, and the groups' sizes."""
    differs = (rows[1:] != rows[:-1]).any(axis=tuple(range(1, rows.ndim)))
    starts = np.flatnonzero(np.concatenate([np.ones(min(len(rows), 1), bool), differs]))
    group = np.empty(len(rows), np.int64)
    sizes = np.diff(np.append(starts, len(rows)))
    group[places] = np.repeat(np.arange(len(starts)), sizes)
    return rows[starts], group, sizes


def _distinct(input: Tensor, dim: int | None, wants: Sequence[bool], in_order: bool) -> object:
    """The distinct elements, or slices along ``dim``; with the inverse and the counts, if they are wanted."""
    x = input._array()
    rows = x.reshape(-1) if dim is None else np.moveaxis(x, dim, 0)
    places = _order(rows) if in_order else np.arange(len(rows))
    found, group, sizes = _groups(rows[places], places)
    if dim is None:
        group = group.reshape(x.shape)
    else:
        found = np.moveaxis(found, 0, dim)
    made = [from_array(a, input.device) for a in (found, group, sizes.astype(np.int64))]
    return made[0] if not any(wants) else tuple(m for m, wanted in zip(made, (True, *wants)) if wanted)


def _order(rows: np.ndarray) -> np.ndarray:
    if rows.ndim == 1:
        return np.argsort(rows, kind="stable")
    columns = rows.reshape(len(rows), product(rows.shape[1:])).T
    return np.lexsort(columns[::-1])


def _unique_dim(input: Tensor, dim: int | None) -> int | None:
    if input.dtype.is_complex:
        raise NotImplementedError(f"\"unique\" not implemented for '{rules._cname(input.dtype)}'")
    if dim is None:
        return None
    if not input.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    dim = rules.normalize_dim(dim, input.ndim)
    if 0 in input.shape and not (input.shape[dim] == 0 and input.shape.count(0) == 1):
        raise RuntimeError("There are 0 sized dimensions, and they aren't selected, so unique cannot be applied")
    return dim


def unique(input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False,
           dim: int | None = None):  # fmt: skip
    """The distinct elements in order, or slices along ``dim`` (``torch.unique``).

    >>> import kuai as torch
    >>> torch.unique(torch.tensor([3, 1, 3, 2]), return_counts=True)
    (tensor([1, 2, 3]), tensor([1, 1, 2]))
    """
    return _distinct(input, _unique_dim(input, dim), (return_inverse, return_counts), in_order=True)


def unique_consecutive(input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None):
    """The elements (or slices) without those that equal the one before (``torch.unique_consecutive``).

    >>> import kuai as torch
    >>> torch.unique_consecutive(torch.tensor([1, 1, 2, 1]))
    tensor([1, 2, 1])
    """
    return _distinct(input, _unique_dim(input, dim), (return_inverse, return_counts), in_order=False)


METHODS = ("sort", "argsort", "msort", "topk", "kthvalue", "median", "nanmedian", "mode", "unique", "unique_consecutive")
INPLACE = ()
