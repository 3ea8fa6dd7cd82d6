"""View ops on dimensions: their lengths, their order, pieces of them.

Each has a twin that gives the same elements and shares no memory (``…_of``): derivatives and writing through views are made
of those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod

from ..dispatch import recorder
from ..dtypes import dtype
from ..engine.program import Op, State
from ..tensor import Tensor
from . import rules, slicing
from .define import op
from .geometry import Geometry, strides_of, view_strides
from .rules import normalize_dim
from .slicing import ONE, Spec, whole


def twin(view: Callable) -> Callable:
    """A view op without the sharing."""
    record, statics = recorder(view.op), view.op.statics
    return lambda x, *numbers, **given: record(tuple([given[s] for s in statics]), x, *numbers)


# ---- reshape ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def inferred(shape: tuple[int, ...], target: tuple[int, ...]) -> tuple[int, ...]:
    """A target shape with its -1 filled in."""
    size, unknown, known = prod(shape), -1, 1
    for i, n in enumerate(target):
        if n == -1:
            if unknown >= 0:
                raise RuntimeError(f"only one dimension can be inferred, and {list(target)} leaves more open")
            unknown = i
        elif n < 0:
            raise RuntimeError(f"invalid shape dimension {n} at index {i} of shape {list(target)}")
        else:
            known *= n
    if unknown >= 0 and known == 0 == size:
        raise RuntimeError(
            f"cannot reshape tensor of 0 elements into shape {list(target)} because the unspecified dimension size -1 can "
            "be any value and is ambiguous"
        )
    if size % known if unknown >= 0 and known else size != known:
        raise RuntimeError(f"shape '{list(target)}' is invalid for input of size {size}")
    return target if unknown < 0 else (*target[:unknown], size // known, *target[unknown + 1 :])


def _reshape_rule(op: Op, avals: Sequence, *, shape: tuple) -> tuple:
    x = avals[0]
    return x.with_(inferred(x.shape, shape)), None


def _back(g: Tensor, avals: tuple) -> Tensor:
    return reshaped(g, avals[0].shape)


def _reshape_back(base: Tensor, new: Tensor, **static: object) -> Tensor:
    return reshaped(new, base.shape)


@op(shape=_reshape_rule, vjp=(_back,), view=_reshape_back, name="view", cost=0.0, exact=True)
def reshape_view(xp, x, *, shape):
    return x.reshape(shape)


@op(shape=_reshape_rule, vjp=(_back,), name="reshape", grad_name="UnsafeViewBackward0", cost=0.0, exact=True)
def reshape_copy(xp, x, *, shape):
    return x.reshape(shape)


def reshaped(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A reshape that shares no memory: for derivatives."""
    return x if x._value.aval.shape == shape else reshape_copy(x, shape=shape)


@strides_of(reshape_view)
def _reshape_geometry(at: Geometry, *, shape: tuple) -> tuple:
    return view_strides(at.shape, at.strides, inferred(at.shape, shape)), at.offset


# ---- order of dimensions ---------------------------------------------------------------------------------------------


def normal_dims(dims: Sequence[int], rank: int) -> tuple[int, ...]:
    return tuple([normalize_dim(d, rank) for d in dims])


def inverse(order: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(range(len(order)), key=order.__getitem__))


def _permute_rule(op: Op, avals: Sequence, *, dims: tuple) -> tuple:
    x = avals[0]
    if len(dims) != len(x.shape):
        raise RuntimeError(
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering "
            f"of dimensions i.e. input.dim() = {len(x.shape)} is not equal to len(dims) = {len(dims)}"
        )
    order = normal_dims(dims, len(x.shape))
    if len(set(order)) < len(order):
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return x.with_([x.shape[d] for d in order]), None


def _unpermute(g: Tensor, dims: tuple) -> Tensor:
    return permute_of(g, dims=inverse(normal_dims(dims, len(dims))))


@op(shape=_permute_rule, name="permute", cost=0.0, exact=True,
    vjp=(_unpermute,), view=lambda base, new, *, dims: _unpermute(new, dims))  # fmt: skip
def permute_view(xp, x, *, dims):
    return x.transpose(dims)


permute_of = twin(permute_view)


@strides_of(permute_view)
def _permute_geometry(at: Geometry, *, dims: tuple) -> tuple:
    return tuple([at.strides[d] for d in dims]), at.offset


def _swap_rule(op: Op, avals: Sequence, *, dim0: int, dim1: int) -> tuple:
    x = avals[0]
    shape = list(x.shape)
    a, b = normal_dims((dim0, dim1), len(shape))
    if shape:
        shape[a], shape[b] = shape[b], shape[a]
    return x.with_(shape), None


@op(shape=_swap_rule, name="transpose", cost=0.0, exact=True,
    vjp=(lambda g, dim0, dim1: transpose_of(g, dim0=dim0, dim1=dim1),),
    view=lambda base, new, **dims: transpose_of(new, **dims))  # fmt: skip
def transpose_view(xp, x, *, dim0, dim1):
    return x.swapaxes(dim0, dim1) if x.ndim else x


transpose_of = twin(transpose_view)


@strides_of(transpose_view)
def _swap_geometry(at: Geometry, *, dim0: int, dim1: int) -> tuple:
    strides = list(at.strides)
    if strides:
        strides[dim0], strides[dim1] = strides[dim1], strides[dim0]
    return tuple(strides), at.offset


def _t_rule(op: Op, avals: Sequence) -> tuple:
    x = avals[0]
    if len(x.shape) > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {len(x.shape)}D")
    return x.with_(x.shape[::-1]), None


@op(shape=_t_rule, vjp=(lambda g: t_of(g),), view=lambda base, new: t_of(new), name="t", cost=0.0, exact=True)
def t_view(xp, x):
    return x.T


t_of = twin(t_view)


@strides_of(t_view)
def _t_geometry(at: Geometry) -> tuple:
    return at.strides[::-1], at.offset


# ---- dimensions of length 1 ------------------------------------------------------------------------------------------


def _unsqueeze_rule(op: Op, avals: Sequence, *, dim: int) -> tuple:
    x = avals[0]
    at = normalize_dim(dim, len(x.shape) + 1)
    return x.with_((*x.shape[:at], 1, *x.shape[at:])), None


@op(shape=_unsqueeze_rule, vjp=(_back,), view=_reshape_back, name="unsqueeze", cost=0.0, exact=True)
def unsqueeze_view(xp, x, *, dim):
    at = dim % (x.ndim + 1)
    return x.reshape((*x.shape[:at], 1, *x.shape[at:]))


@strides_of(unsqueeze_view)
def _unsqueeze_geometry(at: Geometry, *, dim: int) -> tuple:
    dim %= len(at.shape) + 1
    new = at.shape[dim] * at.strides[dim] if dim < len(at.shape) else 1
    return (*at.strides[:dim], new, *at.strides[dim:]), at.offset


@lru_cache(maxsize=4096)
def _length_ones(shape: tuple[int, ...], dim: object) -> tuple[int, ...]:
    """The dimensions that squeeze takes away."""
    rank = len(shape)
    if dim is None:
        return tuple([d for d in range(rank) if shape[d] == 1])
    dims = normal_dims((dim,) if isinstance(dim, int) else dim, rank)
    for d in dims:
        if dims.count(d) > 1:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
    return tuple([d for d in dims if d < rank and shape[d] == 1])


def _squeeze_rule(op: Op, avals: Sequence, *, dim: object) -> tuple:
    x = avals[0]
    gone = _length_ones(x.shape, dim)
    return x.with_([n for d, n in enumerate(x.shape) if d not in gone]), None


def _squeeze_name(state: State) -> str:
    (dim,) = state.static
    return f"SqueezeBackward{0 if dim is None else 1 if isinstance(dim, int) else 2}"


@op(shape=_squeeze_rule, vjp=(_back,), view=_reshape_back, name="squeeze", cost=0.0, exact=True, grad_name=_squeeze_name)
def squeeze_view(xp, x, *, dim):
    gone = _length_ones(x.shape, dim)
    return x.reshape([n for d, n in enumerate(x.shape) if d not in gone])


@strides_of(squeeze_view)
def _squeeze_geometry(at: Geometry, *, dim: object) -> tuple:
    gone = _length_ones(at.shape, dim)
    return tuple([s for d, s in enumerate(at.strides) if d not in gone]), at.offset


# ---- expand ----------------------------------------------------------------------------------------------------------


def _expand_rule(op: Op, avals: Sequence, *, shape: tuple) -> tuple:
    x = avals[0]
    return x.with_(expanded(x.shape, shape, x.dtype)), None


@lru_cache(maxsize=4096)
def expanded(shape: tuple[int, ...], target: tuple[int, ...], d: dtype) -> tuple[int, ...]:
    """The target shape of expand with each -1 filled in."""
    new = len(target) - len(shape)
    if new < 0:
        raise RuntimeError(
            f"expand(torch.{rules._cname(d)}Tensor{{{list(shape)}}}, size={list(target)}): the number of sizes provided "
            f"({len(target)}) must be greater or equal to the number of dimensions in the tensor ({len(shape)})"
        )
    for i, n in enumerate(target[:new]):
        if n < 0:
            raise RuntimeError(f"The expanded size of the tensor ({n}) isn't allowed in a leading, non-existing dimension {i}")
    for i, (n, have) in enumerate(zip(target[new:], shape), new):
        if n != have and n != -1 and (have != 1 or n < 0):
            raise RuntimeError(
                f"The expanded size of the tensor ({n}) must match the existing size ({have}) at non-singleton dimension {i}. "
                f" Target sizes: {list(target)}.  Tensor sizes: {list(shape)}"
            )
    return (*target[:new], *[have if n == -1 else n for n, have in zip(target[new:], shape)])


def _write_expanded(base: Tensor, new: Tensor, *, shape: tuple) -> Tensor:
    """Of elements that are one in memory, the last one that was changed is what stays."""
    if new._aval.size > base._aval.size:
        new = _last_changed(new, expand_of(base, shape=shape), len(shape) - base.ndim, base.shape)
    return reshaped(new, base.shape)


def _last_changed(new: Tensor, old: Tensor, leading: int, shape: tuple) -> Tensor:
    from .comparison import ne
    from .ranges import arange
    from .scatter import take_along_dim

    changed = ne(new, old)
    for dim, n in enumerate(new.shape):
        if n > 1 and (dim < leading or shape[dim - leading] == 1):
            places = arange(1, n + 1, device=new.device).reshape([-1 if d == dim else 1 for d in range(new.ndim)])
            last = (changed * places).amax(dim, keepdim=True)
            new = take_along_dim(new, (last - 1).clamp(min=0), dim)
            changed = last > 0
    return new


@op(shape=_expand_rule, vjp=(lambda g: g,), view=_write_expanded, name="expand", cost=0.0, exact=True)
def expand_view(xp, x, *, shape):
    return xp.broadcast_to(x, expanded(x.shape, shape, None))


expand_of = twin(expand_view)


@strides_of(expand_view)
def _expand_geometry(at: Geometry, *, shape: tuple) -> tuple:
    target, new = expanded(at.shape, shape, at.dtype), len(shape) - len(at.shape)
    if not at.shape:
        return (0,) * len(shape), at.offset
    strides = [s if n == have else 0 for n, have, s in zip(target[new:], at.shape, at.strides)]
    for n in reversed(target[:new]):
        strides.insert(0, target[-len(strides)] * strides[0] if n == 1 else 0)
    return tuple(strides), at.offset


# ---- pieces ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def row_spec(shape: tuple[int, ...], dim: int) -> Spec:
    return (*map(whole, shape[:dim]), ONE)


@lru_cache(maxsize=4096)
def piece_spec(shape: tuple[int, ...], dim: int, length: int, step: int) -> Spec:
    moving = length > 0 and (length, step) != (shape[dim], 1)
    return (*map(whole, shape[:dim]), (length, step, moving))


@strides_of(slicing.view)
def _index_geometry(at: Geometry, offset: int | None, *, spec: Spec) -> tuple:
    starts = iter(slicing._starts(at.shape, offset, spec))
    strides, place, dim = [], at.offset, 0
    for entry in spec:
        if entry is slicing.NEW:
            strides.append(at.shape[dim] * at.strides[dim] if dim < len(at.shape) else 1)
            continue
        place += next(starts) * at.strides[dim]
        if entry is not ONE:
            strides.append(at.strides[dim] * entry[1])
        dim += 1
    return (*strides, *at.strides[dim:]), place
