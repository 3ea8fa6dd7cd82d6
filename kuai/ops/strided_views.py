"""Views that step through memory in other ways, as functions: diagonals, windows, strides of one's own, other dtypes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import index as as_int

from ..autograd.function import ClosureNode
from ..dtypes import dtype
from ..engine.trace import current
from ..tensor import Tensor, wrap
from . import rules
from .geometry import geometry, is_contiguous, may_overlap
from .strided import bytes_view, diagonal_view, strided_of, strided_put, strided_view, window_view


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
    """The derivative for a tensor whose memory, not its elements, was read: where the two meet.

    Elements that lie in one place of it have equal parts in what is read there.
    """
    at, shape = geometry(x), base.shape
    shared = may_overlap(at.shape, at.strides)

    def put(g: Tensor, offset: int, size: tuple, stride: tuple) -> Tensor:
        return strided_put(None, g, offset, size=size, stride=stride, shape=shape, add=True)

    def back(g: Tensor) -> Tensor:
        found = strided_of(put(g, offset, size, stride), at.offset, size=at.shape, stride=at.strides)
        if not shared:
            return found
        sharers = put(g.new_ones(at.shape), at.offset, at.shape, at.strides)
        return found / strided_of(sharers, at.offset, size=at.shape, stride=at.strides)

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


METHODS = ("diagonal", "as_strided", "unfold")
INPLACE = ()
