"""Views: the same elements in other dimensions, in the same memory.

Each view op has a twin that gives the same elements outside that memory (`_twin`): it is what derivatives and writing
through views are made of, and the public ``…_copy``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from operator import index as as_int

from .. import dtypes
from ..dispatch import recorder
from ..dtypes import dtype
from ..engine.program import Op
from ..engine.trace import current
from ..tensor import Tensor, wrap
from . import rules, slicing
from .define import op, write_out
from .geometry import OWN, Geometry, geometry, is_contiguous, strides_of, view_strides
from .rules import normalize_dim
from .slicing import ONE, Spec, whole
from .strided import bytes_view, diagonal_view, strided_view, window_view


def _twin(view: Callable) -> Callable:
    """A view op without the sharing."""
    record, statics = recorder(view.op), view.op.statics  # type: ignore[attr-defined]
    return lambda x, *numbers, **given: record(tuple([given[s] for s in statics]), x, *numbers)


def sizes(given: Sequence) -> tuple[int, ...]:
    """Sizes or dimensions, given one by one or as one sequence."""
    if len(given) == 1 and isinstance(given[0], (tuple, list)):
        given = given[0]
    return tuple(map(as_int, given))


# ---- reshape -------------------------------------------------------------------------------------------------------------------


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


def _view_rule(op: Op, avals: Sequence, *, shape: tuple) -> tuple:
    x = avals[0]
    return x.with_(inferred(x.shape, shape)), None


def _back(g: Tensor, avals: tuple) -> Tensor:
    return reshaped(g, avals[0].shape)


def _reshape_into(base: Tensor, new: Tensor, **static: object) -> Tensor:
    return reshaped(new, base.shape)


@op(shape=_view_rule, vjp=(_back,), view=_reshape_into, name="view", cost=0.0, exact=True)
def _view(xp, x, *, shape):
    return x.reshape(shape)


@op(shape=_view_rule, vjp=(_back,), name="reshape", grad_name="UnsafeViewBackward0", cost=0.0, exact=True)
def _reshape(xp, x, *, shape):
    return x.reshape(shape)


def reshaped(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A reshape that shares no memory: for derivatives."""
    return x if x._value.aval.shape == shape else _reshape(x, shape=shape)


@strides_of(_view)
def _view_geometry(at: Geometry, *, shape: tuple) -> tuple:
    return view_strides(at.shape, at.strides, inferred(at.shape, shape)), at.offset


def _viewable(x: Tensor, shape: tuple[int, ...]) -> bool:
    """Whether strides can say the shape."""
    storage = x._storage
    if storage is None or (not x._path and storage.host is None):
        return True
    at = geometry(x)
    return view_strides(at.shape, at.strides, inferred(at.shape, shape)) is not None


def _as_shape(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return _view(x, shape=shape) if _viewable(x, shape) else _reshape(x, shape=shape)


def reshape(input: Tensor, shape: Sequence[int]) -> Tensor:
    """The elements in another shape: a view if strides can say it, else a copy (``torch.reshape``).

    >>> import kuai as torch
    >>> torch.arange(6).reshape(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    return _as_shape(input, sizes((shape,)))


def _reshape_method(self: Tensor, *shape: object) -> Tensor:
    """The elements in another shape (``torch.Tensor.reshape``)."""
    return _as_shape(self, sizes(shape))


def view(self: Tensor, *shape: object, dtype: dtype | None = None, size: Sequence[int] | None = None) -> Tensor:
    """A view in another shape, or of the same bytes as another dtype (``torch.Tensor.view``).

    >>> import kuai as torch
    >>> torch.zeros(2, 3).view(-1).shape
    torch.Size([6])
    """
    if dtype is not None or (len(shape) == 1 and isinstance(shape[0], dtypes.dtype)):
        return view_dtype(self, shape[0] if dtype is None else dtype)  # type: ignore[arg-type]
    target = sizes(shape if size is None else size)
    if not _viewable(self, target):
        raise RuntimeError(
            f"view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            f"contiguous subspaces). Use .reshape(...) instead. The size is {list(self.shape)}, the stride "
            f"{list(geometry(self).strides)}, the size asked for {list(target)}."
        )
    return _view(self, shape=target)


def view_as(self: Tensor, other: Tensor) -> Tensor:
    """A view in another tensor's shape (``torch.Tensor.view_as``)."""
    return view(self, *other.shape)


def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """The elements in another tensor's shape (``torch.Tensor.reshape_as``)."""
    return _as_shape(self, other.shape)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Several dimensions as one (``torch.flatten``).

    >>> import kuai as torch
    >>> torch.flatten(torch.zeros(2, 3, 4), start_dim=1).shape
    torch.Size([2, 12])
    """
    shape = _flat_shape(input.shape, start_dim, end_dim)
    return input if shape == input.shape else _as_shape(input, shape)


@lru_cache(maxsize=4096)
def _flat_shape(shape: tuple[int, ...], start_dim: int, end_dim: int) -> tuple[int, ...]:
    start, end = normalize_dim(start_dim, len(shape)), normalize_dim(end_dim, len(shape))
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    return (*shape[:start], prod(shape[start : end + 1]), *shape[end + 1 :])


def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension (``torch.ravel``).

    >>> import kuai as torch
    >>> torch.ravel(torch.zeros(2, 3)).shape
    torch.Size([6])
    """
    return flatten(input)


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One dimension as several (``torch.unflatten``).

    >>> import kuai as torch
    >>> torch.zeros(2, 12).unflatten(1, (3, -1)).shape
    torch.Size([2, 3, 4])
    """
    at, target = normalize_dim(dim, len(input.shape)), tuple(map(as_int, sizes))
    if not target:
        raise RuntimeError("unflatten: sizes must be non-empty")
    n = input.shape[at]
    try:
        filled = inferred((n,), target)
    except RuntimeError as error:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(target)} don't multiply up to the size of dim {dim} ({n}) in the input tensor"
        ) from error
    return _as_shape(input, (*input.shape[:at], *filled, *input.shape[at + 1 :]))


# ---- order of dimensions -----------------------------------------------------------------------------------------------------------


def _normal_dims(dims: Sequence[int], rank: int) -> tuple[int, ...]:
    return tuple([normalize_dim(d, rank) for d in dims])


def _inverse(order: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(range(len(order)), key=order.__getitem__))


def _permute_rule(op: Op, avals: Sequence, *, dims: tuple) -> tuple:
    x = avals[0]
    if len(dims) != len(x.shape):
        raise RuntimeError(
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering "
            f"of dimensions i.e. input.dim() = {len(x.shape)} is not equal to len(dims) = {len(dims)}"
        )
    order = _normal_dims(dims, len(x.shape))
    if len(set(order)) < len(order):
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return x.with_([x.shape[d] for d in order]), None


def _unpermute(g: Tensor, dims: tuple) -> Tensor:
    return permute_copy(g, _inverse(_normal_dims(dims, len(dims))))


@op(shape=_permute_rule, vjp=(_unpermute,), view=lambda base, new, *, dims: _unpermute(new, dims), name="permute", cost=0.0,
    exact=True)  # fmt: skip
def _permute(xp, x, *, dims):
    return x.transpose(dims)


_permuted = _twin(_permute)


@strides_of(_permute)
def _permute_geometry(at: Geometry, *, dims: tuple) -> tuple:
    return tuple([at.strides[d] for d in dims]), at.offset


def permute(input: Tensor, dims: Sequence[int]) -> Tensor:
    """A view with the dimensions in another order (``torch.permute``).

    >>> import kuai as torch
    >>> torch.permute(torch.zeros(2, 3, 4), (2, 0, 1)).shape
    torch.Size([4, 2, 3])
    """
    return _permute(input, dims=sizes((dims,)))


def permute_copy(input: Tensor, dims: Sequence[int], *, out: Tensor | None = None) -> Tensor:
    """`permute` in memory of its own (``torch.permute_copy``)."""
    made = _permuted(input, dims=sizes((dims,)))
    return made if out is None else write_out(out, made)


def _permute_method(self: Tensor, *dims: object) -> Tensor:
    """A view with the dimensions in another order (``torch.Tensor.permute``)."""
    return _permute(self, dims=sizes(dims))


def _swap_rule(op: Op, avals: Sequence, *, dim0: int, dim1: int) -> tuple:
    x = avals[0]
    shape = list(x.shape)
    a, b = _normal_dims((dim0, dim1), len(shape))
    if shape:
        shape[a], shape[b] = shape[b], shape[a]
    return x.with_(shape), None


@op(shape=_swap_rule, vjp=(lambda g, dim0, dim1: _swapped(g, dim0=dim0, dim1=dim1),), name="transpose", cost=0.0, exact=True,
    view=lambda base, new, *, dim0, dim1: _swapped(new, dim0=dim0, dim1=dim1))  # fmt: skip
def _transpose(xp, x, *, dim0, dim1):
    return x.swapaxes(dim0, dim1) if x.ndim else x


_swapped = _twin(_transpose)


@strides_of(_transpose)
def _swap_geometry(at: Geometry, *, dim0: int, dim1: int) -> tuple:
    strides = list(at.strides)
    if strides:
        strides[dim0], strides[dim1] = strides[dim1], strides[dim0]
    return tuple(strides), at.offset


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """A view with two dimensions exchanged (``torch.transpose``).

    >>> import kuai as torch
    >>> torch.transpose(torch.zeros(2, 3), 0, 1).shape
    torch.Size([3, 2])
    """
    return _transpose(input, dim0=as_int(dim0), dim1=as_int(dim1))


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """`transpose` under NumPy's name (``torch.swapaxes``)."""
    return transpose(input, axis0, axis1)


def swapdims(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """`transpose` (``torch.swapdims``)."""
    return transpose(input, dim0, dim1)


def _t_rule(op: Op, avals: Sequence) -> tuple:
    x = avals[0]
    if len(x.shape) > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {len(x.shape)}D")
    return x.with_(x.shape[::-1]), None


@op(shape=_t_rule, vjp=(lambda g: _t_copy(g),), view=lambda base, new: _t_copy(new), name="t", cost=0.0, exact=True)
def _t(xp, x):
    return x.T


_t_copy = _twin(_t)


@strides_of(_t)
def _t_geometry(at: Geometry) -> tuple:
    return at.strides[::-1], at.offset


def t(input: Tensor) -> Tensor:
    """A view of a matrix with its dimensions exchanged (``torch.t``).

    >>> import kuai as torch
    >>> torch.t(torch.zeros(2, 3)).shape
    torch.Size([3, 2])
    """
    return _t(input)


def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """A view with dimensions moved to other places (``torch.movedim``).

    >>> import kuai as torch
    >>> torch.movedim(torch.zeros(2, 3, 4), 0, -1).shape
    torch.Size([3, 4, 2])
    """
    froms, tos = ((d,) if isinstance(d, int) else tuple(d) for d in (source, destination))
    return _permute(input, dims=_moved(len(input.shape), froms, tos)) if input.shape else _permute(input, dims=())


@lru_cache(maxsize=4096)
def _moved(rank: int, source: tuple[int, ...], destination: tuple[int, ...]) -> tuple[int, ...]:
    if len(source) != len(destination):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(source)} dims) should contain the same number of dims "
            f"as destination ({list(destination)} dims)"
        )
    froms, tos = _normal_dims(source, rank), _normal_dims(destination, rank)
    for dims, what in ((froms, "source"), (tos, "destination")):
        if len(set(dims)) < len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{what}` ({list(dims)})")
    order: list = [None] * rank
    for a, b in zip(froms, tos):
        order[b] = a
    rest = iter([d for d in range(rank) if d not in froms])
    return tuple([next(rest) if d is None else d for d in order])


def moveaxis(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """`movedim` under NumPy's name (``torch.moveaxis``)."""
    return movedim(input, source, destination)


# ---- dimensions of length 1 ------------------------------------------------------------------------------------------------------


def _unsqueeze_rule(op: Op, avals: Sequence, *, dim: int) -> tuple:
    x = avals[0]
    at = normalize_dim(dim, len(x.shape) + 1)
    return x.with_((*x.shape[:at], 1, *x.shape[at:])), None


@op(shape=_unsqueeze_rule, vjp=(_back,), view=_reshape_into, name="unsqueeze", cost=0.0, exact=True)
def _unsqueeze(xp, x, *, dim):
    at = dim % (x.ndim + 1)
    return x.reshape((*x.shape[:at], 1, *x.shape[at:]))


@strides_of(_unsqueeze)
def _unsqueeze_geometry(at: Geometry, *, dim: int) -> tuple:
    dim %= len(at.shape) + 1
    new = at.shape[dim] * at.strides[dim] if dim < len(at.shape) else 1
    return (*at.strides[:dim], new, *at.strides[dim:]), at.offset


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A view with a dimension of length 1 put in (``torch.unsqueeze``).

    >>> import kuai as torch
    >>> torch.unsqueeze(torch.zeros(3), 0).shape
    torch.Size([1, 3])
    """
    return _unsqueeze(input, dim=as_int(dim))


@lru_cache(maxsize=4096)
def _squeezed(shape: tuple[int, ...], dim: object) -> tuple[int, ...]:
    """The dimensions that squeeze takes away."""
    rank = len(shape)
    if dim is None:
        return tuple([d for d in range(rank) if shape[d] == 1])
    dims = _normal_dims((dim,) if isinstance(dim, int) else dim, rank)  # type: ignore[arg-type]
    for d in dims:
        if dims.count(d) > 1:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
    return tuple([d for d in dims if d < rank and shape[d] == 1])


def _squeeze_rule(op: Op, avals: Sequence, *, dim: object) -> tuple:
    x = avals[0]
    gone = _squeezed(x.shape, dim)
    return x.with_([n for d, n in enumerate(x.shape) if d not in gone]), None


@op(shape=_squeeze_rule, vjp=(_back,), view=_reshape_into, name="squeeze", cost=0.0, exact=True)
def _squeeze(xp, x, *, dim):
    gone = _squeezed(x.shape, dim)
    return x.reshape([n for d, n in enumerate(x.shape) if d not in gone])


@strides_of(_squeeze)
def _squeeze_geometry(at: Geometry, *, dim: object) -> tuple:
    gone = _squeezed(at.shape, dim)
    return tuple([s for d, s in enumerate(at.strides) if d not in gone]), at.offset


def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """A view without dimensions of length 1 (``torch.squeeze``).

    >>> import kuai as torch
    >>> torch.squeeze(torch.zeros(1, 3, 1)).shape
    torch.Size([3])
    """
    if isinstance(dim, (tuple, list)):
        dim = tuple(map(as_int, dim))
    elif dim is not None:
        dim = as_int(dim)  # type: ignore[arg-type]
    return _squeeze(input, dim=dim)


# ---- expand ------------------------------------------------------------------------------------------------------------------------


def _expand_rule(op: Op, avals: Sequence, *, shape: tuple) -> tuple:
    x = avals[0]
    return x.with_(_expanded(x.shape, shape, x.dtype)), None


@lru_cache(maxsize=4096)
def _expanded(shape: tuple[int, ...], target: tuple[int, ...], d: dtype) -> tuple[int, ...]:
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
    if new._aval.size > base._aval.size:
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
            "Please clone() the tensor before performing the operation."
        )
    return reshaped(new, base.shape)


@op(shape=_expand_rule, vjp=(lambda g: g,), view=_write_expanded, name="expand", cost=0.0, exact=True)
def _expand(xp, x, *, shape):
    return xp.broadcast_to(x, _expanded(x.shape, shape, None))


_expand_copy = _twin(_expand)


@strides_of(_expand)
def _expand_geometry(at: Geometry, *, shape: tuple) -> tuple:
    target, new = _expanded(at.shape, shape, at.dtype), len(shape) - len(at.shape)
    strides = [s if n == have else 0 for n, have, s in zip(target[new:], at.shape, at.strides)]
    for n in reversed(target[:new]):
        following = target[-len(strides)] * strides[0] if strides else 1
        strides.insert(0, following if n == 1 else 0)
    return tuple(strides), at.offset


def expand(self: Tensor, *size: object, implicit: bool = False) -> Tensor:
    """A view in which dimensions of length 1 are repeated, without copying (``torch.Tensor.expand``).

    >>> import kuai as torch
    >>> torch.tensor([[1], [2]]).expand(-1, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    return _expand(self, shape=sizes(size))


def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """`expand` to another tensor's shape (``torch.Tensor.expand_as``)."""
    return _expand(self, shape=tuple(other.shape))


def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """`expand` under NumPy's name (``torch.broadcast_to``).

    >>> import kuai as torch
    >>> torch.broadcast_to(torch.tensor([1, 2]), (2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    return _expand(input, shape=sizes((size,)))


# ---- pieces ------------------------------------------------------------------------------------------------------------------------


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


def piece(x: Tensor, dim: int, start: int, length: int, step: int = 1, *, shared: bool = True) -> Tensor:
    """``length`` elements of a dimension (not negative, in bounds) from ``start`` on; as a view if ``shared``."""
    spec = piece_spec(x.shape, dim, length, step)
    take = slicing.view if shared else slicing.read
    return take(x, start if spec[-1][2] else None, spec=spec)


def _row(x: Tensor, dim: int, index: int, shared: bool) -> Tensor:
    if not x.shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim, index, n = normalize_dim(dim, len(x.shape)), as_int(index), x.shape[dim]
    if not -n <= index < n:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(x.shape)} at dimension {dim}")
    take = slicing.view if shared else slicing.read
    return take(x, index % n, spec=row_spec(x.shape, dim))


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """A view of one place of a dimension, which is gone then (``torch.select``).

    >>> import kuai as torch
    >>> torch.select(torch.tensor([[1, 2], [3, 4]]), 1, 0)
    tensor([1, 3])
    """
    return _row(input, dim, index, True)


def narrow(input: Tensor, dim: int, start: int | Tensor, length: int) -> Tensor:
    """A view of some neighbouring places of a dimension (``torch.narrow``).

    >>> import kuai as torch
    >>> torch.narrow(torch.tensor([1, 2, 3, 4]), 0, 1, 2)
    tensor([2, 3])
    """
    return piece(input, *_narrowed(input, dim, start, length))


def _narrowed(input: Tensor, dim: int, start: int | Tensor, length: int) -> tuple[int, int, int]:
    """Where narrow's piece is."""
    if not input.shape:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if isinstance(start, Tensor) and (start.ndim or start.dtype.category != 1):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    at, start = normalize_dim(dim, len(input.shape)), as_int(start)  # type: ignore[arg-type]
    n = input.shape[at]
    if not -n <= start <= n:
        raise IndexError(f"start out of range (expected to be in range of [{-n}, {n}], but got {start})")
    start += n if start < 0 else 0
    if start + length > n:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({n}).")
    return at, start, length


# ---- other strides, other dtypes ---------------------------------------------------------------------------------------------------


def view_dtype(x: Tensor, d: dtype) -> Tensor:
    """A view of the same bytes as another dtype."""
    strides = geometry(x).strides
    if x.dtype.itemsize != d.itemsize and strides and strides[-1] != 1 and x.shape[-1] != 1:
        raise RuntimeError(
            f"self.stride(-1) must be 1 to view {rules._cname(x.dtype)} as {rules._cname(d)} (different element sizes), but got "
            f"{strides[-1]}"
        )
    return bytes_view(x, dtype=d)


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A view of the elements where two indices are equal, or apart by an offset (``torch.diagonal``).

    >>> import kuai as torch
    >>> torch.diagonal(torch.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    return diagonal_view(input, offset=as_int(offset), dim1=as_int(dim1), dim2=as_int(dim2))


def _unfold_method(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """A view of all windows of a size along a dimension, in a dimension of their own (``torch.Tensor.unfold``).

    >>> import kuai as torch
    >>> torch.arange(4).unfold(0, 2, 1)
    tensor([[0, 1],
            [1, 2],
            [2, 3]])
    """
    return window_view(self, dim=as_int(dimension), size=as_int(size), step=as_int(step))


def as_strided(input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Tensor:
    """A view of the storage with strides of one's own (``torch.as_strided``).

    >>> import kuai as torch
    >>> torch.as_strided(torch.arange(4), (2, 2), (1, 2))
    tensor([[0, 2],
            [1, 3]])
    """
    base, offset, size, stride = strided_place(input, size, stride, storage_offset)
    return strided_view(base, offset, size=size, stride=stride)


def strided_place(x: Tensor, size: Sequence[int], stride: Sequence[int], offset: int | None) -> tuple:
    """For a view with strides of one's own: the tensor whose elements in order are the memory, the offset in it, the rest."""
    size, stride = tuple(map(as_int, size)), tuple(map(as_int, stride))
    if len(size) != len(stride):
        raise RuntimeError(f"mismatch in length of strides and shape: {list(stride)} and {list(size)}")
    if any(s < 0 for s in stride):
        raise RuntimeError(f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}")
    at = geometry(x)
    offset = at.offset if offset is None else as_int(offset)
    end = offset + sum((n - 1) * s for n, s in zip(size, stride)) + 1 if 0 not in size else offset
    if is_contiguous(x) and at.offset <= offset and end <= at.offset + x._aval.size:
        return x, offset - at.offset, size, stride
    base = storage_root(x)
    if end > base._aval.size:
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize {x.dtype.itemsize} "
            f"requiring a storage size of {end * x.dtype.itemsize} are out of bounds for storage of size {base._aval.nbytes}"
        )
    return base, offset, size, stride


def storage_root(x: Tensor) -> Tensor:
    """A tensor that is the whole of a tensor's storage."""
    base = x if x._base is None else x._base
    if not base._path:
        return base
    if x._node is not None and current.grad:
        raise NotImplementedError("as_strided beyond the elements of a tensor that requires grad and is itself part of a storage")
    whole = wrap(x._storage.read(()))  # type: ignore[union-attr]
    whole._storage, whole._seen = x._storage, x._storage.version  # type: ignore[union-attr]
    return whole


# ---- the matrix's properties -------------------------------------------------------------------------------------------------------


def adjoint(input: Tensor) -> Tensor:
    """The conjugate transpose of matrices (``torch.adjoint``).

    >>> import kuai as torch
    >>> torch.adjoint(torch.tensor([[1j, 2.]]))
    tensor([[0.-1.j],
            [2.-0.j]])
    """
    return _conjugate(_matrix_transposed(input, "tensor.adjoint()"))


def _conjugate(x: Tensor) -> Tensor:
    return x.conj() if x.dtype.is_complex else x  # type: ignore[attr-defined]


def _matrix_transposed(x: Tensor, name: str) -> Tensor:
    rank = len(x.shape)
    if rank == 1:
        raise RuntimeError(f"{name} is only supported on matrices or batches of matrices. Got 1-D tensor.")
    if not rank:
        _deprecated(f"{name} is deprecated on 0-D tensors. Consider using x.conj().")
        return x
    return transpose(x, -2, -1)


def _deprecated(message: str) -> None:
    import warnings

    warnings.warn(message, UserWarning, stacklevel=4)


def _T(self: Tensor) -> Tensor:  # noqa: N802 (PyTorch's name)
    """A view with the dimensions in reverse (``torch.Tensor.T``)."""
    rank = len(self.shape)
    if rank != 2:
        _deprecated(
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will throw an error "
            "in a future release. Consider `x.mT` to transpose batches of matrices or `x.permute(*range(x.ndim)[::-1])`."
        )
    return _permute(self, dims=tuple(range(rank))[::-1])


def _H(self: Tensor) -> Tensor:  # noqa: N802
    """The conjugate transpose of a matrix (``torch.Tensor.H``)."""
    if len(self.shape) not in (0, 2):
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {len(self.shape)}-D tensor. For batches of matrices, "
            "consider using tensor.mH"
        )
    return _conjugate(_matrix_transposed(self, "Tensor.H"))


PROPERTIES = {
    "T": _T,
    "mT": lambda self: _matrix_transposed(self, "tensor.mT"),
    "H": _H,
    "mH": lambda self: _conjugate(_matrix_transposed(self, "tensor.mH")),
}
METHODS = ("view", "view_as", "reshape_as", "flatten", "ravel", "unflatten", "transpose", "swapaxes", "swapdims", "t", "movedim",
           "moveaxis", "unsqueeze", "squeeze", "expand", "expand_as", "broadcast_to", "select", "narrow", "diagonal", "as_strided",
           "adjoint")  # fmt: skip
INPLACE = ()
METHODS_EXTRA = {"reshape": _reshape_method, "permute": _permute_method, "unfold": _unfold_method, **OWN}
