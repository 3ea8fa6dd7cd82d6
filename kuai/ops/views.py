"""Views: the same elements in other dimensions, in the same memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from operator import index as as_int

from .. import dtypes
from ..dispatch import view_recorder
from ..dtypes import dtype
from ..errors import warn
from ..tensor import Tensor
from . import slicing
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
from .strided_views import view_dtype

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
    return tuple([n if type(n) is int else _length(n) for n in given])


def _length(n: object) -> int:
    try:
        return as_int(n)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"sizes and dimensions must be ints, got {type(n).__name__}") from None


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
    if not input.shape and dim in (0, -1):
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
    if isinstance(source, int) is not isinstance(destination, int):
        raise TypeError(f"movedim(): source and destination must both be an int or both tuples of ints, got {source} and {destination}")
    froms, tos = ((d,) if isinstance(d, int) else tuple(d) for d in (source, destination))
    return _permute((_moved(len(input.shape), froms, tos) if input.shape or {*froms, *tos} - {0, -1} else (),), input)


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


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A view with a dimension of length 1 put in (``torch.unsqueeze``).

    >>> import kuai as torch
    >>> torch.unsqueeze(torch.zeros(3), 0).shape
    torch.Size([1, 3])
    """
    return _unsqueeze((as_int(dim),), input)


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
    if size is None and not sizes_ and self.shape:
        raise TypeError('expand() missing 1 required positional argument: "size"')
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
    if size is None and not sizes_:
        raise TypeError('broadcast_to() missing 1 required positional argument: "size"')
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
        warn(f"{name} is deprecated on 0-D tensors. Consider using x.conj().")
        return x
    return transpose(x, -2, -1)


def _T(self: Tensor) -> Tensor:  # noqa: N802 (PyTorch's name)
    """A view with the dimensions in reverse (``torch.Tensor.T``).

    >>> import kuai as torch
    >>> torch.tensor([[1, 2], [3, 4]]).T
    tensor([[1, 3],
            [2, 4]])
    """
    rank = len(self.shape)
    if rank != 2:
        warn(
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will throw an "
            "error in a future release. Consider `x.mT` to transpose batches of matrices or `x.permute(*range(x.ndim)[::-1])`."
        )
    return _permute((tuple(range(rank))[::-1],), self)


def _H(self: Tensor) -> Tensor:  # noqa: N802
    """The conjugate transpose of a matrix (``torch.Tensor.H``).

    >>> import kuai as torch
    >>> torch.tensor([[1j, 2.]]).H
    tensor([[0.-1.j],
            [2.-0.j]])
    """
    if len(self.shape) not in (0, 2):
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {len(self.shape)}-D tensor. For batches of matrices, "
            "consider using tensor.mH"
        )
    return _conjugate(_matrix_transposed(self, "Tensor.H"))


def _mT(self: Tensor) -> Tensor:  # noqa: N802
    """A view with the last two dimensions exchanged (``torch.Tensor.mT``).

    >>> import kuai as torch
    >>> torch.ones(2, 3, 4).mT.shape
    torch.Size([2, 4, 3])
    """
    return _matrix_transposed(self, "tensor.mT")


def _mH(self: Tensor) -> Tensor:  # noqa: N802
    """The conjugate of matrices with the last two dimensions exchanged (``torch.Tensor.mH``).

    >>> import kuai as torch
    >>> torch.ones(2, 3, 4).mH.shape
    torch.Size([2, 4, 3])
    """
    return _conjugate(_matrix_transposed(self, "tensor.mH"))


PROPERTIES = {
    "T": _T,
    "mT": _mT,
    "H": _H,
    "mH": _mH,
}
METHODS = (
    "view", "view_as", "reshape_as", "flatten", "ravel", "unflatten", "transpose", "swapaxes", "swapdims", "t", "movedim",
    "moveaxis", "unsqueeze", "squeeze", "expand", "expand_as", "broadcast_to", "select", "narrow",
    "adjoint", "contiguous",
)  # fmt: skip
INPLACE = ()
METHODS_EXTRA = {"reshape": spread(reshape, "shape"), "permute": spread(permute, "dims"), **OWN}
