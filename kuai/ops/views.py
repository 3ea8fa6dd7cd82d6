"""Views: the same elements in other dimensions, in the same memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from operator import index as as_int

from .. import dtypes
from ..autograd.function import ClosureNode
from ..dispatch import view_recorder
from ..dtypes import dtype
from ..engine.trace import current
from ..errors import warn
from ..tensor import Tensor, wrap
from . import rules, slicing
from .along import numpy_names
from .dimensions import (
    expand_view,
    inferred,
    inverse,
    normal_dims,
    permute_of,
    permute_view,
    piece_spec,
    reshape_copy,
    reshape_view,
    row_spec,
    squeeze_view,
    t_view,
    transpose_view,
    unsqueeze_view,
)  # fmt: skip
from .geometry import OWN, check_format, contiguous_format, geometry, is_contiguous, memory_format, view_strides
from .rules import normalize_dim
from .slicing import Spec
from .strided import bytes_view, diagonal_view, strided_of, strided_put, strided_view, window_view

# Views are taken at every line, so they are recorded without a detour over keyword arguments.
_view, _permute, _transpose, _unsqueeze, _squeeze, _expand, _index = (
    view_recorder(v.op)
    for v in (reshape_view, permute_view, transpose_view, unsqueeze_view, squeeze_view, expand_view, slicing.view)
)


def spread(fn: Callable, name: str) -> Callable:
    """The method of a function of sizes or dimensions: they come one by one, as one sequence, or by their name."""

    def method(self: Tensor, *given: object, **named: object) -> Tensor:
        if named and not given and named.keys() == {name}:
            given = (named[name],)
        elif named or not given:
            raise TypeError(f"{fn.__name__}() takes '{name}' and nothing else, got {given} and {named}")
        return fn(self, given[0] if len(given) == 1 else given)

    method.__name__ = method.__qualname__ = fn.__name__
    method.__doc__ = fn.__doc__
    return method


def sizes(given: Sequence) -> tuple[int, ...]:
    """Sizes or dimensions, given one by one or as one sequence."""
    if len(given) == 1 and isinstance(given[0], (tuple, list)):
        given = given[0]
    return tuple(map(as_int, given))


# ---- reshape ---------------------------------------------------------------------------------------------------------


def _viewable(x: Tensor, shape: tuple[int, ...]) -> bool:
    """Whether strides can say the shape."""
    storage = x._storage
    if storage is None or (not x._path and storage.host is None):
        return True
    at = geometry(x)
    return view_strides(at.shape, at.strides, inferred(at.shape, shape)) is not None


def _as_shape(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return _view((shape,), x) if _viewable(x, shape) else reshape_copy(x, shape=shape)


def reshape(input: Tensor, shape: Sequence[int]) -> Tensor:
    """The elements in another shape: a view if strides can say it, else a copy (``torch.reshape``).

    >>> import kuai as torch
    >>> torch.arange(6).reshape(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    return _as_shape(input, sizes((shape,)))


def view(self: Tensor, *shape: object, dtype: dtype | None = None, size: Sequence[int] | None = None) -> Tensor:
    """A view in another shape, or of the same bytes as another dtype (``torch.Tensor.view``).

    >>> import kuai as torch
    >>> torch.zeros(2, 3).view(-1).shape
    torch.Size([6])
    """
    if dtype is not None or (len(shape) == 1 and isinstance(shape[0], dtypes.dtype)):
        return view_dtype(self, shape[0] if dtype is None else dtype)
    if size is None and not shape:
        raise TypeError("view() needs a size or a dtype")
    target = sizes(shape if size is None else size)
    if not _viewable(self, target):
        raise RuntimeError(
            f"view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            f"contiguous subspaces). Use .reshape(...) instead. The size is {list(self.shape)}, the stride "
            f"{list(geometry(self).strides)}, the size asked for {list(target)}."
        )
    return _view((target,), self)


def view_as(self: Tensor, other: Tensor) -> Tensor:
    """A view in another tensor's shape (``torch.Tensor.view_as``).

    >>> import kuai as torch
    >>> torch.arange(4).view_as(torch.ones(2, 2))
    tensor([[0, 1],
            [2, 3]])
    """
    return view(self, tuple(other.shape))


def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """The elements in another tensor's shape (``torch.Tensor.reshape_as``).

    >>> import kuai as torch
    >>> torch.ones(2, 3).t().reshape_as(torch.ones(6))
    tensor([1., 1., 1., 1., 1., 1.])
    """
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
    if not input.shape:
        raise RuntimeError("unflatten: got a tensor of no dimensions, needs one to take apart")
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


# ---- order of dimensions ---------------------------------------------------------------------------------------------


def permute(input: Tensor, dims: Sequence[int]) -> Tensor:
    """A view with the dimensions in another order (``torch.permute``).

    >>> import kuai as torch
    >>> torch.permute(torch.zeros(2, 3, 4), (2, 0, 1)).shape
    torch.Size([4, 2, 3])
    """
    return _permute((sizes((dims,)),), input)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """A view with two dimensions exchanged (``torch.transpose``).

    >>> import kuai as torch
    >>> torch.transpose(torch.zeros(2, 3), 0, 1).shape
    torch.Size([3, 2])
    """
    return _transpose((as_int(dim0), as_int(dim1)), input)


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """`transpose` under NumPy's name (``torch.swapaxes``).

    >>> import kuai as torch
    >>> torch.swapaxes(torch.ones(2, 3), 0, 1).shape
    torch.Size([3, 2])
    """
    return transpose(input, axis0, axis1)


def swapdims(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """`transpose` (``torch.swapdims``).

    >>> import kuai as torch
    >>> torch.swapdims(torch.ones(2, 3), 0, 1).shape
    torch.Size([3, 2])
    """
    return transpose(input, dim0, dim1)


def t(input: Tensor) -> Tensor:
    """A view of a matrix with its dimensions exchanged (``torch.t``).

    >>> import kuai as torch
    >>> torch.t(torch.zeros(2, 3)).shape
    torch.Size([3, 2])
    """
    return t_view(input)


def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """A view with dimensions moved to other places (``torch.movedim``).

    >>> import kuai as torch
    >>> torch.movedim(torch.zeros(2, 3, 4), 0, -1).shape
    torch.Size([3, 4, 2])
    """
    froms, tos = ((d,) if isinstance(d, int) else tuple(d) for d in (source, destination))
    return _permute((_moved(len(input.shape), froms, tos) if input.shape else (),), input)


@lru_cache(maxsize=4096)
def _moved(rank: int, source: tuple[int, ...], destination: tuple[int, ...]) -> tuple[int, ...]:
    if len(source) != len(destination):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(source)} dims) should contain the same number of dims "
            f"as destination ({list(destination)} dims)"
        )
    froms, tos = normal_dims(source, rank), normal_dims(destination, rank)
    for dims, what in ((froms, "source"), (tos, "destination")):
        if len(set(dims)) < len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{what}` ({list(dims)})")
    order: list = [None] * rank
    for a, b in zip(froms, tos):
        order[b] = a
    rest = iter([d for d in range(rank) if d not in froms])
    return tuple([next(rest) if d is None else d for d in order])


def moveaxis(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """`movedim` under NumPy's name (``torch.moveaxis``).

    >>> import kuai as torch
    >>> torch.moveaxis(torch.ones(2, 3, 4), 0, -1).shape
    torch.Size([3, 4, 2])
    """
    return movedim(input, source, destination)


def in_format(input: Tensor, wanted: memory_format) -> Tensor:
    """A copy whose dimensions lie in memory in a format's order."""
    check_format(input.shape, wanted)
    if not wanted.order:
        return input.clone()
    stored = permute_of(input, dims=wanted.order).clone()
    out = _permute((inverse(wanted.order),), stored)
    out._base = None  # a tensor of its own, not a view of what nobody else has
    return out


def contiguous(input: Tensor, memory_format: memory_format = contiguous_format) -> Tensor:
    """The tensor itself if its elements lie in order, else a copy in which they do (``torch.Tensor.contiguous``).

    >>> import kuai as torch
    >>> torch.zeros(2, 3).t().contiguous().stride()
    (2, 1)
    """
    return input if is_contiguous(input, memory_format) else in_format(input, memory_format)


# ---- dimensions of length 1 ------------------------------------------------------------------------------------------


@numpy_names
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A view with a dimension of length 1 put in (``torch.unsqueeze``).

    >>> import kuai as torch
    >>> torch.unsqueeze(torch.zeros(3), 0).shape
    torch.Size([1, 3])
    """
    return _unsqueeze((as_int(dim),), input)


@numpy_names
def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """A view without dimensions of length 1 (``torch.squeeze``).

    >>> import kuai as torch
    >>> torch.squeeze(torch.zeros(1, 3, 1)).shape
    torch.Size([3])
    """
    if isinstance(dim, (tuple, list)):
        dim = tuple(map(as_int, dim))
    elif dim is not None:
        dim = as_int(dim)
    return _squeeze((dim,), input)


# ---- expand ----------------------------------------------------------------------------------------------------------


def expand(self: Tensor, *sizes_: object, size: Sequence[int] | None = None, implicit: bool = False) -> Tensor:
    """A view in which dimensions of length 1 are repeated, without copying (``torch.Tensor.expand``).

    >>> import kuai as torch
    >>> torch.tensor([[1], [2]]).expand(-1, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    return _expand((sizes(sizes_ if size is None else (size,)),), self)


def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """`expand` to another tensor's shape (``torch.Tensor.expand_as``).

    >>> import kuai as torch
    >>> torch.tensor([[1], [2]]).expand_as(torch.ones(2, 2))
    tensor([[1, 1],
            [2, 2]])
    """
    return _expand((tuple(other.shape),), self)


def broadcast_to(input: Tensor, *sizes_: object, size: Sequence[int] | None = None) -> Tensor:
    """`expand` under NumPy's name (``torch.broadcast_to``).

    >>> import kuai as torch
    >>> torch.broadcast_to(torch.tensor([1, 2]), (2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    return _expand((sizes(sizes_ if size is None else (size,)),), input)


# ---- pieces ----------------------------------------------------------------------------------------------------------


def piece_place(x: Tensor, dim: int, start: int, length: int, step: int = 1) -> tuple[int | None, Spec]:
    """For `slicing`: where ``length`` elements of a dimension (from the front, in bounds) are."""
    spec = piece_spec(x.shape, dim, length, step)
    return start if spec[-1][2] else None, spec


def row_place(x: Tensor, dim: int, index: int) -> tuple[int, Spec]:
    """For `slicing`: where one place of a dimension is."""
    if not x.shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim, index = normalize_dim(dim, len(x.shape)), as_int(index)
    n = x.shape[dim]
    if not -n <= index < n:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(x.shape)} at dimension {dim}")
    return index % n, row_spec(x.shape, dim)


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """A view of one place of a dimension, which is gone then (``torch.select``).

    >>> import kuai as torch
    >>> torch.select(torch.tensor([[1, 2], [3, 4]]), 1, 0)
    tensor([1, 3])
    """
    start, spec = row_place(input, dim, index)
    return _index((spec,), input, start)


def narrow(input: Tensor, dim: int, start: int | Tensor, length: int) -> Tensor:
    """A view of some neighbouring places of a dimension (``torch.narrow``).

    >>> import kuai as torch
    >>> torch.narrow(torch.tensor([1, 2, 3, 4]), 0, 1, 2)
    tensor([2, 3])
    """
    place, spec = piece_place(input, *narrowed(input, dim, start, length))
    return _index((spec,), input, place)


def narrowed(input: Tensor, dim: int, start: int | Tensor, length: int) -> tuple[int, int, int]:
    """Where narrow's piece is."""
    if not input.shape:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if isinstance(start, Tensor) and (start.ndim or start.dtype.category != 1):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    at, start = normalize_dim(dim, len(input.shape)), as_int(start)
    n = input.shape[at]
    if not -n <= start <= n:
        raise IndexError(f"start out of range (expected to be in range of [{-n}, {n}], but got {start})")
    start += n if start < 0 else 0
    if start + length > n:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({n}).")
    return at, start, length


# ---- other strides, other dtypes -------------------------------------------------------------------------------------


def view_dtype(x: Tensor, d: dtype) -> Tensor:
    """A view of the same bytes as another dtype."""
    if x.dtype.itemsize != d.itemsize and x.shape:
        _check_units(x, d)
    out = bytes_view(x, dtype=d)
    out._base = None  # no gradient passes: an edit of it is none that the graph has to know of
    return out


def _check_units(x: Tensor, d: dtype) -> None:
    """Refuse to view elements as ones of another size where those would not lie side by side, or not begin with one of these."""
    at, names = geometry(x), f"to view {rules._cname(x.dtype)} as {rules._cname(d)} (different element sizes)"
    if at.strides[-1] != 1:
        raise RuntimeError(f"self.stride(-1) must be 1 {names}, but got {at.strides[-1]}")
    ratio = d.itemsize // x.dtype.itemsize
    if ratio < 2:
        return
    places = {f"self.stride({i})": s for i, s in enumerate(at.strides[:-1])}
    for what, n in {"self.size(-1)": at.shape[-1], "self.storage_offset()": at.offset, **places}.items():
        if n % ratio:
            raise RuntimeError(f"{what} must be divisible by {ratio} {names}, but got {n}")


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A view of the elements where two indices are equal, or apart by an offset (``torch.diagonal``).

    >>> import kuai as torch
    >>> torch.diagonal(torch.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    return diagonal_view(input, offset=as_int(offset), dim1=as_int(dim1), dim2=as_int(dim2))


def unfold(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
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
    out = strided_view(base, offset, size=size, stride=stride)
    if base is not input and input._node is not None and current.grad:
        out._node = ClosureNode("AsStridedBackward0", _into_memory(input, base, offset, size, stride), (input._node,))
    return out


def _into_memory(x: Tensor, base: Tensor, offset: int, size: tuple, stride: tuple) -> Callable:
    """The derivative for a tensor whose memory, not its elements, was read: where the two meet."""
    at, shape = geometry(x), base.shape

    def back(g: Tensor) -> Tensor:
        memory = strided_put(None, g, offset, size=size, stride=stride, shape=shape, add=True)
        return strided_of(memory, at.offset, size=at.shape, stride=at.strides)

    return back


def strided_place(x: Tensor, size: Sequence[int], stride: Sequence[int], offset: int | None) -> tuple:
    """For a view with strides of one's own: the tensor whose elements in order are the memory, the offset in it, the rest."""
    size, stride = tuple(map(as_int, size)), tuple(map(as_int, stride))
    if len(size) != len(stride):
        raise RuntimeError(f"mismatch in length of strides and shape: {list(stride)} and {list(size)}")
    if any(s < 0 for s in stride):
        raise RuntimeError(f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}")
    if any(n < 0 for n in size):
        raise RuntimeError(f"as_strided: Storage size calculation overflowed with sizes={list(size)} and strides={list(stride)}")
    at = geometry(x)
    offset = at.offset if offset is None else as_int(offset)
    if offset < 0:
        raise RuntimeError(f"as_strided: invalid storage offset {offset}")
    end = offset + sum((n - 1) * s for n, s in zip(size, stride)) + 1 if 0 not in size else offset
    if is_contiguous(x) and at.offset <= offset and end <= at.offset + x._aval.size:
        return x, offset - at.offset, size, stride
    base = storage_root(x)
    if 0 not in size and end > base._aval.size:
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize {x.dtype.itemsize} "
            f"requiring a storage size of {end * x.dtype.itemsize} are out of bounds for storage of size {base._aval.nbytes}"
        )
    return base, offset, size, stride


def storage_root(x: Tensor) -> Tensor:
    """A tensor that is the whole of a tensor's storage."""
    if x._storage is not None and x._storage.record is not None:
        raise NotImplementedError(f"Cannot access storage of a tensor of layout {x.layout}; that of its values() is one of elements")
    base = x if x._base is None else x._root()
    if not base._path:
        return base
    whole = wrap(x._storage.read(()))
    whole._storage, whole._seen = x._storage, x._storage.version
    return whole


# ---- the matrix's properties -----------------------------------------------------------------------------------------


def adjoint(input: Tensor) -> Tensor:
    """The conjugate transpose of matrices (``torch.adjoint``).

    >>> import kuai as torch
    >>> torch.adjoint(torch.tensor([[1j, 2.]]))
    tensor([[0.-1.j],
            [2.-0.j]])
    """
    return _conjugate(_matrix_transposed(input, "tensor.adjoint()"))


def _conjugate(x: Tensor) -> Tensor:
    return x.conj() if x.dtype.is_complex else x


def _matrix_transposed(x: Tensor, name: str) -> Tensor:
    rank = len(x.shape)
    if rank == 1:
        raise RuntimeError(f"{name} is only supported on matrices or batches of matrices. Got 1-D tensor.")
    if not rank:
        _deprecated(f"{name} is deprecated on 0-D tensors. Consider using x.conj().")
        return x
    return transpose(x, -2, -1)


def _deprecated(message: str) -> None:

    warn(message, UserWarning)


def _T(self: Tensor) -> Tensor:  # noqa: N802 (PyTorch's name)
    """A view with the dimensions in reverse (``torch.Tensor.T``)."""
    rank = len(self.shape)
    if rank != 2:
        _deprecated(
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will throw an "
            "error in a future release. Consider `x.mT` to transpose batches of matrices or `x.permute(*range(x.ndim)[::-1])`."
        )
    return _permute((tuple(range(rank))[::-1],), self)


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
METHODS = (
    "view", "view_as", "reshape_as", "flatten", "ravel", "unflatten", "transpose", "swapaxes", "swapdims", "t", "movedim",
    "moveaxis", "unsqueeze", "squeeze", "expand", "expand_as", "broadcast_to", "select", "narrow", "diagonal", "as_strided",
    "unfold", "adjoint", "contiguous",
)  # fmt: skip
INPLACE = ()
METHODS_EXTRA = {"reshape": spread(reshape, "shape"), "permute": spread(permute, "dims"), **OWN}
