"""What the reductions share: how dimensions are said, and moving elements along one dimension.

The indices of `take` and `put` come from ops of ours (argmax, sort …), so that nobody has to check them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from operator import index as as_index

import numpy as np

from .. import dtypes
from ..dispatch import recorder
from ..engine.program import Aval, Op
from ..tensor import Tensor
from . import rules
from .define import op

# ---- arguments -------------------------------------------------------------------------------------------------------

# NumPy's names for the arguments of functions along a dimension, which PyTorch takes too.
NUMPYS = {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input", "x1": "input", "x2": "other"}


def also_named(**others: str) -> Callable:
    """Let a public function take some arguments by other names too, those of PyTorch's other overloads: its shell does it."""

    def mark(fn: Callable) -> Callable:
        fn.also = getattr(fn, "also", {}) | others  # type: ignore[attr-defined]
        return fn

    return mark


def dims_of(dim: object, name: str) -> int | tuple[int, ...] | None:
    """One or several dimensions, or None, as a static argument; TypeError for what is none."""
    if dim is None or type(dim) is int:
        return dim
    if isinstance(dim, (tuple, list)):
        return tuple(dim_of(d, name) for d in dim)
    return dim_of(dim, name)


def dim_of(dim: object, name: str) -> int:
    """One dimension as a static argument; TypeError for what is none."""
    if type(dim) is int:
        return dim
    try:
        return as_index(dim.item() if isinstance(dim, Tensor) else dim)
    except TypeError:
        raise TypeError(f"{name}(): argument 'dim' must be int, not {type(dim).__name__}") from None


@lru_cache(maxsize=4096)
def axes(dim: int | tuple[int, ...] | None, rank: int) -> tuple[int, ...]:
    """The dimensions counted from the front; all of them for None and for (). A number has one, of no length."""
    if dim is None or dim == ():
        return tuple(range(rank))
    found = tuple(rules.normalize_dim(d, rank) for d in ((dim,) if isinstance(dim, int) else dim))
    for d in found:
        if found.count(d) > 1:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
    return found if rank else ()


def need_tensor(op: Op, x: object) -> Aval:
    """The operand's aval; TypeError if it is a number or absent."""
    if type(x) is not Aval:
        kind = getattr(x, "__name__", "NoneType")
        raise TypeError(f"{op.name}(): argument 'input' (position 1) must be Tensor, not {kind}")
    return x


def refuse(op: Op, x: Aval, *categories: int) -> None:
    """NotImplementedError for dtypes of these categories: 0 bool, 1 integers, 2 floats, 3 complex."""
    if x.dtype.category in categories:
        raise NotImplementedError(f"\"{op.name}\" not implemented for '{rules._cname(x.dtype)}'")


def reduced(x: Aval, dim: int | tuple[int, ...] | None, keepdim: bool) -> tuple[int, ...]:
    """A shape after a reduction."""
    return rules.reduced_shape(x.shape, axes(dim, len(x.shape)), keepdim)


def ranks(xp, shape: Sequence[int], dim: int):
    """0, 1, 2 … along a dimension, to be broadcast; in 32 bits, which are quicker, where they suffice."""
    kind = xp.int32 if shape[dim] < 2**31 else xp.int64
    return xp.arange(shape[dim], dtype=kind).reshape([-1 if i == dim else 1 for i in range(len(shape))])


def along(body: Callable) -> Callable:
    """Make a body along ``dim`` work for numbers too, as vectors of one element; and count dim from the front."""

    @wraps(body)
    def run(xp, *xs, dim, **static):
        rank = xs[0].ndim
        if rank:
            return body(xp, *xs, dim=dim % rank, **static)
        made = body(xp, *[x.reshape(1) for x in xs], dim=0, **static)
        return tuple(m.reshape(()) for m in made) if isinstance(made, tuple) else made.reshape(())

    return run


def same_along(op: Op, avals: Sequence, *, dim: int, **static: object) -> tuple:
    """The rule of an op that keeps its operand's shape and works along ``dim``."""
    x = need_tensor(op, avals[0])
    rules.normalize_dim(dim, len(x.shape))
    return x, x.dtype


def wanted_dtype(dtype: object, out: Tensor | None) -> dtypes.dtype | None:
    """The dtype asked for, by name or by ``out=``: sums and products are computed in it."""
    if dtype is not None:
        wanted = dtypes.as_dtype(dtype)
        if out is not None and out.dtype is not wanted:
            raise RuntimeError(f"Expected out tensor to have dtype {wanted}, but got {out.dtype} instead")
        return wanted
    return None if out is None else out.dtype


# ---- spreading: the reverse of a reduction ---------------------------------------------------------------------------


def _spread_rule(op: Op, avals: Sequence, *, shape: tuple, dim: object, keepdim: bool, divisor: int) -> tuple:
    return Aval(shape, avals[0].dtype, avals[0].device), None


def _unspread(g: Tensor, dim: object, keepdim: bool, divisor: int, avals: tuple) -> Tensor:
    made = g.sum(dim, keepdim) if dim is not None else g.sum_to_size(avals[0].shape)
    return made if divisor == 1 else made / divisor


@op(shape=_spread_rule, vjp=(_unspread,), name="spread", cost=0.5, exact=True, grad_name="ExpandBackward0")
def _spread(xp, g, *, shape, dim, keepdim, divisor):
    if divisor != 1:
        g = g / divisor
    if not keepdim and dim is not None and shape:
        g = xp.expand_dims(g, axes(dim, len(shape)))
    if xp is not np or len(shape) == 0:
        return xp.broadcast_to(g, shape)
    made = np.empty(shape, g.dtype)  # a third of broadcast_to's time for what is small
    made[...] = g
    return made


_record_spread = recorder(_spread.op)


def spread(g: Tensor, shape: tuple[int, ...], dim: object, keepdim: bool, divisor: int = 1) -> Tensor:
    """A reduction's cotangent, over ``divisor``, in the shape that was reduced."""
    return _record_spread((shape, dim, keepdim, divisor), g)


# ---- taking and putting along a dimension ----------------------------------------------------------------------------


def _take_rule(op: Op, avals: Sequence, *, dim: int, squeeze: bool, repeats: bool) -> tuple:
    x, index = avals
    return Aval(index.shape, x.dtype, x.device), None


def _open(xp, x, dim: int, squeeze: bool):
    return xp.expand_dims(x, dim) if squeeze else x


@op(shape=_take_rule, vjp=(lambda g, index, avals, dim, squeeze, repeats:
    put(g, index, avals[0].shape, dim, squeeze, repeats), None), name="take_along", exact=True, cost=5.0,
    grad_name="GatherBackward0")  # fmt: skip
def _take(xp, x, index, *, dim, squeeze, repeats):
    if not x.ndim:
        return x.reshape(index.shape)
    made = xp.take_along_axis(x, _open(xp, index, dim, squeeze), dim)
    return made.squeeze(dim) if squeeze else made


def take(x: Tensor, index: Tensor, dim: int, squeeze: bool = False, repeats: bool = False) -> Tensor:
    """The elements that the indices name along ``dim``, of which they lack if ``squeeze``.

    ``repeats``: whether an element may be named twice.
    """
    return _take(x, index, dim=dim, squeeze=squeeze, repeats=repeats)


def _put_rule(op: Op, avals: Sequence, *, shape: tuple, dim: int, squeeze: bool, repeats: bool) -> tuple:
    return Aval(shape, avals[0].dtype, avals[0].device), None


def _grid(index, dim: int) -> tuple:
    """Indices for all dimensions, given those along one."""
    places = np.ogrid[tuple(slice(n) for n in index.shape)]
    return (*places[:dim], index, *places[dim + 1 :])


def _put_xla(xp, g, index, *, shape, dim, squeeze, repeats):
    if not shape:
        return g.reshape(())
    g, index = _open(xp, g, dim, squeeze), _open(xp, index, dim, squeeze)
    if index.shape[dim] == 1:
        return xp.where(ranks(xp, shape, dim % len(shape)) == index, g, xp.zeros((), g.dtype))
    return xp.zeros(shape, g.dtype).at[_grid(index, dim % len(shape))].add(g, unique_indices=not repeats)


@op(shape=_put_rule, vjp=(lambda g, index, dim, squeeze, repeats: take(g, index, dim, squeeze, repeats), None),
    xla=_put_xla, name="put_along", exact=True, cost=5.0, grad_name="ScatterAddBackward0")  # fmt: skip
def _put(xp, g, index, *, shape, dim, squeeze, repeats):
    if not shape:
        return g.reshape(())
    g, index = _open(xp, g, dim, squeeze), _open(xp, index, dim, squeeze)
    made = np.zeros(shape, g.dtype)
    if repeats and index.shape[dim] > 1:
        np.add.at(made, _grid(index, dim % len(shape)), g)
    else:
        np.put_along_axis(made, index, g, dim)
    return made


def put(g: Tensor, index: Tensor, shape: tuple[int, ...], dim: int, squeeze: bool = False, repeats: bool = False) -> Tensor:
    """Zeros of a shape with elements added where the indices say: the reverse of `take`."""
    return _put(g, index, shape=shape, dim=dim, squeeze=squeeze, repeats=repeats)
