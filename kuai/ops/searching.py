"""The greatest and the least, and where they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod as product

import numpy as np

from .. import dtypes, return_types
from ..dispatch import recorder
from ..dtypes import dtype
from ..engine.program import Aval, Op
from ..tensor import Tensor
from . import rules
from .along import axes, dim_of, dims_of, need_tensor, put, ranks, reduced, refuse, take
from .define import op, write_exact, write_out, write_outs
from .extent import elements

# ---- values ----------------------------------------------------------------------------------------------------------


def need_elements(op: Op, x: Aval, dim: int | tuple[int, ...] | None, error: type = RuntimeError) -> None:
    """The greatest of nothing is an error."""
    if product(x.shape):
        axes(dim, len(x.shape))
    elif dim is None or dim == ():
        hint = " Specify the reduction dim with the 'dim' argument." if error is RuntimeError else ""
        raise error(f"{op.name}(): Expected reduction dim to be specified for input.numel() == 0.{hint}")
    for a in axes(dim, len(x.shape)):
        if not x.shape[a]:
            raise IndexError(f"{op.name}(): Expected reduction dim {a} to have non-zero size.")


def _extreme_rule(op: Op, avals: Sequence, *, dim: object, keepdim: bool) -> tuple:
    x = need_tensor(op, avals[0])
    refuse(op, x, 3)
    need_elements(op, x, dim)
    return Aval(reduced(x, dim, keepdim), x.dtype, x.device), x.dtype


def _ties(xp, x, best, dim: object, keepdim: bool):
    """Where the extreme stands, as shares that sum to one."""
    if not keepdim and x.ndim:
        best = xp.expand_dims(best, axes(dim, x.ndim))
    at = (x == best) | ((x != x) & (best != best))
    return at / at.sum(axis=axes(dim, x.ndim), keepdims=True).astype(x.dtype)


def _as_operand(op: Op, avals: Sequence, **static: object) -> tuple:
    return avals[1].with_(dtype=avals[0].dtype), avals[0].dtype


def _as_result(op: Op, avals: Sequence, **static: object) -> tuple:
    return avals[2].with_(dtype=avals[0].dtype), avals[0].dtype


@op(shape=_as_operand, vjp=(lambda g, x, best, dim, keepdim: _gather_ties(g, x, best, dim=dim, keepdim=keepdim), None, None),
    name="share_ties", cost=4.0)  # fmt: skip
def _share_ties(xp, g, x, best, *, dim, keepdim):
    """A cotangent, distributed evenly among equal extremes."""
    if not keepdim and x.ndim:
        g = xp.expand_dims(g, axes(dim, x.ndim))
    return g * _ties(xp, x, best, dim, keepdim)


@op(shape=_as_result, vjp=(lambda g, x, best, dim, keepdim: share_ties(g, x, best, dim, keepdim), None, None),
    name="gather_ties", cost=4.0)  # fmt: skip
def _gather_ties(xp, g, x, best, *, dim, keepdim):
    return (g * _ties(xp, x, best, dim, keepdim)).sum(axis=axes(dim, x.ndim), keepdims=keepdim)


def share_ties(g: Tensor, x: Tensor, out: Tensor, dim: object, keepdim: bool) -> Tensor:
    """The cotangent of an extreme, distributed evenly among the elements that are equal to it."""
    return _share_ties(g, x, out, dim=dim, keepdim=keepdim)


def _extreme(name: str, method: str, grad_name: str) -> Callable:
    """The op of an extreme over dimensions; ``method`` is the array's."""

    @op(shape=_extreme_rule, name=name, grad_name=grad_name, cost=0.5, vjp=(share_ties,))
    def extreme(xp, x, *, dim, keepdim):
        return getattr(x, method)(axis=axes(dim, x.ndim), keepdims=keepdim)

    return extreme


_record_amax = recorder(_extreme("amax", "max", "AmaxBackward0").op)
_record_amin = recorder(_extreme("amin", "min", "AminBackward0").op)
_max_all, _min_all = _extreme("max", "max", "MaxBackward1"), _extreme("min", "min", "MinBackward1")


def amax(input: Tensor, dim: object = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The greatest elements over some dimensions (``torch.amax``); equal ones share the gradient.

    >>> import kuai as torch
    >>> torch.amax(torch.tensor([[1., 4.], [3., 2.]]), dim=0)
    tensor([3., 4.])
    """
    made = _record_amax((dims_of(dim, "amax"), keepdim), input)
    return made if out is None else write_exact(out, made)


def amin(input: Tensor, dim: object = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The least elements over some dimensions (``torch.amin``); equal ones share the gradient.

    >>> import kuai as torch
    >>> torch.amin(torch.tensor([[1., 4.], [3., 2.]]), dim=0)
    tensor([1., 2.])
    """
    made = _record_amin((dims_of(dim, "amin"), keepdim), input)
    return made if out is None else write_exact(out, made)


def _both_rule(op: Op, avals: Sequence, *, dim: int | None, keepdim: bool) -> tuple:
    made, found = _extreme_rule(op, avals, dim=dim, keepdim=keepdim)
    return (made, made), found


def _both_vjp(g: tuple, x: Tensor, out: tuple, dim: int | None, keepdim: bool) -> tuple:
    shares = [share_ties(c, x, o, dim, keepdim) for c, o in zip(g, out) if c is not None]
    return (shares[0] if len(shares) == 1 else shares[0] + shares[1],)


@op(shape=_both_rule, vjp=_both_vjp, many=True, name="aminmax")
def _aminmax(xp, x, *, dim, keepdim):
    over = axes(dim, x.ndim)
    return x.min(axis=over, keepdims=keepdim), x.max(axis=over, keepdims=keepdim)


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False, out: tuple | None = None) -> tuple:
    """The least and the greatest at once (``torch.aminmax``).

    >>> import kuai as torch
    >>> torch.aminmax(torch.tensor([3., 1., 2.]))
    torch.return_types.aminmax(
    min=tensor(1.),
    max=tensor(3.))
    """
    one = None if dim is None else dim_of(dim, "aminmax")
    return write_outs(out, return_types.aminmax(_aminmax(input, dim=one, keepdim=keepdim)))


# ---- places ----------------------------------------------------------------------------------------------------------


def _place_rule(op: Op, avals: Sequence, *, dim: int | None, keepdim: bool) -> tuple:
    x = need_tensor(op, avals[0])
    if x.dtype.category in (0, 3):
        raise RuntimeError(f"{op.name}(): does not support {'complex' if x.dtype.category else 'bool'} input")
    need_elements(op, x, dim, IndexError)
    return Aval(reduced(x, dim, keepdim), dtypes.int64, x.device), x.dtype


def _place(xp, x, greatest: bool, dim: int | None, keepdim: bool):
    """argmax or argmin of an array along a dimension, or of all its elements."""
    if dim is None or not x.ndim:
        found = _first_extreme(xp, x.reshape(-1), greatest, 0, keepdim=False)
        return found.reshape((1,) * x.ndim) if keepdim else found
    return _first_extreme(xp, x, greatest, dim, keepdim)


def _first_extreme(xp, x, greatest: bool, dim: int, keepdim: bool):
    if xp is np:
        return (np.argmax if greatest else np.argmin)(x, axis=dim, keepdims=keepdim)
    best = (x.max if greatest else x.min)(axis=dim, keepdims=True)  # two reductions: XLA's one of pairs takes 25 times as long
    rank = ranks(xp, x.shape, dim % x.ndim)
    return xp.where((x == best) | (x != x), rank, x.shape[dim]).min(axis=dim, keepdims=keepdim)


@op(shape=_place_rule, vjp=None, name="argmax")
def _argmax(xp, x, *, dim, keepdim):
    return _place(xp, x, True, dim, keepdim)


@op(shape=_place_rule, vjp=None, name="argmin")
def _argmin(xp, x, *, dim, keepdim):
    return _place(xp, x, False, dim, keepdim)


_record_argmax, _record_argmin = recorder(_argmax.op), recorder(_argmin.op)


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """Where the greatest element is, the first of equal ones (``torch.argmax``).

    >>> import kuai as torch
    >>> torch.argmax(torch.tensor([[1, 4], [3, 2]]), dim=1)
    tensor([1, 0])
    """
    made = _record_argmax((dim if dim is None else dim_of(dim, "argmax"), keepdim), input)
    return made if out is None else write_exact(out, made)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """Where the least element is, the first of equal ones (``torch.argmin``).

    >>> import kuai as torch
    >>> torch.argmin(torch.tensor([[1, 4], [3, 2]]), dim=1)
    tensor([0, 1])
    """
    made = _record_argmin((dim if dim is None else dim_of(dim, "argmin"), keepdim), input)
    return made if out is None else write_exact(out, made)


# ---- values and places: max and min ----------------------------------------------------------------------------------


def _pair_rule(op: Op, avals: Sequence, *, dim: int, keepdim: bool) -> tuple:
    made, found = _extreme_rule(op, avals, dim=dim, keepdim=keepdim)
    return (made, made.with_(dtype=dtypes.int64)), found


def put_values(g: tuple, out: tuple, avals: tuple, dim: int, keepdim: bool) -> tuple:
    """The cotangent of an op that chose one element along a dimension, and said where."""
    return (put(g[0], out[1], avals[0].shape, dim, squeeze=not keepdim),)


@op(shape=_pair_rule, vjp=put_values, many=True, name="max", grad_name="MaxBackward0", cost=1.5)
def _max(xp, x, *, dim, keepdim):
    return x.max(axis=axes(dim, x.ndim), keepdims=keepdim), _place(xp, x, True, dim, keepdim)


@op(shape=_pair_rule, vjp=put_values, many=True, name="min", grad_name="MinBackward0", cost=1.5)
def _min(xp, x, *, dim, keepdim):
    return x.min(axis=axes(dim, x.ndim), keepdims=keepdim), _place(xp, x, False, dim, keepdim)


def _select(name: str, ops: tuple, input: Tensor, dim: object, keepdim: bool, other: Tensor | None, out: object) -> object:
    """max and min: of all elements, along a dimension, or of two tensors element by element."""
    over_all, over_one, of_two = ops
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    if other is not None or isinstance(dim, Tensor):
        if keepdim:
            raise TypeError(f"{name}(): the {name} of two tensors takes no keepdim")
        return getattr(input, of_two)(dim if other is None else other, out=out)
    if dim is not None:
        made = over_one(input, dim=dim_of(dim, name), keepdim=keepdim)
        return write_outs(out, getattr(return_types, name)(made))
    if keepdim:
        raise TypeError(f"{name}(): keepdim is for the {name} along a dim; give dim too, or use a{name}")
    made = over_all(input, dim=None, keepdim=False)
    return made if out is None else write_out(out, made)


_MAX, _MIN = (_max_all, _max, "maximum"), (_min_all, _min, "minimum")


def max(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False, *, other: Tensor | None = None, out: object = None):
    """The greatest of all elements; or along ``dim``, with where it is; or of two tensors (``torch.max``).

    >>> import kuai as torch
    >>> x = torch.tensor([[1., 4.], [3., 2.]])
    >>> x.max(), torch.max(x, torch.tensor(2.))
    (tensor(4.), tensor([[2., 4.],
            [3., 2.]]))
    >>> values, indices = x.max(dim=1)
    >>> indices
    tensor([1, 0])
    """
    return _select("max", _MAX, input, dim, keepdim, other, out)


def min(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False, *, other: Tensor | None = None, out: object = None):
    """The least of all elements; or along ``dim``, with where it is; or of two tensors (``torch.min``).

    >>> import kuai as torch
    >>> torch.tensor([[1., 4.], [3., 2.]]).min(dim=1).values
    tensor([1., 2.])
    """
    return _select("min", _MIN, input, dim, keepdim, other, out)


# ---- places in a sorted sequence -------------------------------------------------------------------------------------


def _search_rule(op: Op, avals: Sequence, *, right: bool, dtype: dtype) -> tuple:
    sequence, values = avals
    shape = values.shape if type(values) is Aval else ()
    found = rules.result_dtype(avals)
    if found.is_complex:
        raise NotImplementedError(f"\"{op.name}\" not implemented for '{rules._cname(found)}'")
    return Aval(shape, dtype, rules.common_device(op, avals)), (found, found)


@op(shape=_search_rule, vjp=None, name="searchsorted", cost=20.0)
def _searchsorted(xp, sequence, values, *, right, dtype):
    """Halve the range of places of each value as often as its length allows; nan is beyond all."""
    n = sequence.shape[-1]
    if xp is np and sequence.ndim == 1 and n and sequence[-1] == sequence[-1]:
        return np.asarray(np.searchsorted(sequence, values, "right" if right else "left"))
    values = xp.asarray(values)
    if sequence.ndim == 1:
        flat, sequence = values.reshape(1, -1), sequence.reshape(1, n)
    else:
        lines = product(sequence.shape[:-1])
        flat, sequence = values.reshape(lines, values.shape[-1]), sequence.reshape(lines, n)
    low, high = xp.zeros(flat.shape, "int64"), xp.full(flat.shape, n, dtype="int64")
    for _ in range(n.bit_length()):
        middle = (low + high) // 2
        there = xp.take_along_axis(sequence, xp.minimum(middle, n - 1), axis=1)
        left = ((there > flat) if right else (there >= flat)) & (low < high)
        low, high = xp.where(left | (low >= high), low, middle + 1), xp.where(left, middle, high)
    return low.reshape(values.shape)


def searchsorted(sorted_sequence: Tensor, input: Tensor | complex, *, out_int32: bool = False, right: bool = False,
                 side: str | None = None, sorter: Tensor | None = None, out: Tensor | None = None) -> Tensor:  # fmt: skip
    """Where values would be inserted into a sorted sequence, the last dimension of it (``torch.searchsorted``).

    >>> import kuai as torch
    >>> torch.searchsorted(torch.tensor([1, 3, 5]), torch.tensor([3, 6]))
    tensor([1, 3])
    """
    if side not in (None, "left", "right"):
        raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError("torch.searchsorted(): side and right can't be set to opposites, got side of left while right was "
                           "True")  # fmt: skip
    _check_search(sorted_sequence, input)
    if sorter is not None:
        sorted_sequence = take(sorted_sequence, _checked_sorter(sorted_sequence, sorter), -1)
    wanted = dtypes.int32 if out_int32 else dtypes.int64
    made = _searchsorted(sorted_sequence, input, right=right or side == "right", dtype=wanted)
    return made if out is None else write_exact(out, made)


def _check_search(sequence: Tensor, values: object) -> None:
    shape = tuple(values.shape) if isinstance(values, Tensor) else ()
    if not shape and sequence.ndim != 1:
        raise RuntimeError(f"torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but "
                           f"we got boundaries tensor dim({sequence.ndim}) and input value's dim(0) numel(1)")  # fmt: skip
    if not sequence.ndim or (sequence.ndim > 1 and sequence.shape[:-1] != shape[:-1]):
        raise RuntimeError(f"torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of "
                           f"boundaries tensor and input value tensor must match, but we got boundaries tensor "
                           f"{list(sequence.shape)} and input value tensor {list(shape)}")  # fmt: skip


def _checked_sorter(sequence: Tensor, sorter: Tensor) -> Tensor:
    if sorter.shape != sequence.shape:
        raise RuntimeError(f"torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor "
                           f"{list(sequence.shape)} and got sorter tensor {list(sorter.shape)}")  # fmt: skip
    if sorter.dtype is not dtypes.int64:
        name = rules._cname(sorter.dtype)
        raise RuntimeError(f"torch.searchsorted(): sorter must be a tensor of long dtype but got dtype {name}")
    places = elements(sorter)
    if places is not None and places.size and not (places.min() >= 0 and places.max() < sequence.shape[-1]):
        raise RuntimeError("torch.searchsorted(): sorter index out of range")
    return sorter


def bucketize(input: Tensor | complex, boundaries: Tensor, *, out_int32: bool = False, right: bool = False,
              out: Tensor | None = None) -> Tensor:  # fmt: skip
    """Which of the intervals between boundaries each value is in (``torch.bucketize``).

    >>> import kuai as torch
    >>> torch.bucketize(torch.tensor([0, 3, 9]), torch.tensor([1, 3, 5]))
    tensor([0, 1, 3])
    """
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right, out=out)


METHODS = ("amax", "amin", "aminmax", "argmax", "argmin", "max", "min")
INPLACE = ()
