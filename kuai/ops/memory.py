"""A tensor's memory: what holds it, and changes of how the tensor itself looks at it (``resize_``, ``set_``, ``t_`` …)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from ..engine.program import Size
from ..engine.trace import current
from ..tensor import Tensor, wrap
from . import storages, views
from .along import also_named
from .conversion import _check_leaf
from .creation import zeros
from .dimensions import inverse
from .geometry import check_format, contiguous_strides, geometry, is_contiguous, memory_format, preserve_format, suggested_format
from .joining import cat
from .strided import strided_of, strided_view
from .strided_views import as_strided, storage_root
from .views import sizes

# ---- the tensor itself seen in another way ---------------------------------------------------------------------------


def _become(self: Tensor, look: Callable) -> Tensor:
    """Take the place of a view of oneself. Older views of this tensor stay what they are."""
    before = _before(self) if self._storage is not None and self._base is None else self._base
    other = look(self)
    self._value, self._path, self._seen = other._value, other._path, other._seen
    self._node = other._node if current.grad else self._node
    if before is not None:
        self._base, self._rebound = before, before._rebound
    _count_edit(self)
    return self


def _count_edit(self: Tensor) -> None:
    """Count the change as an edit of the memory, as PyTorch's versions do, though the elements are what they were."""
    if self._storage is None:
        self._edits += 1
    else:
        self._storage.version += 1
        self._seen = self._storage.version


def _before(self: Tensor) -> Tensor:
    """What a tensor was so far: the base of its views, and from now on its own."""
    base = wrap(self._read(), self._node)
    base._storage, base._path, base._seen, base._rebound = self._storage, self._path, self._seen, self._rebound
    return base


def _in_place(view: Callable, name: str) -> Callable:
    """The in-place form of a view: only this tensor changes its shape, not the memory."""

    def method(self: Tensor, *args: object, **kwargs: object) -> Tensor:
        if current.grad:
            _check_leaf(self)
        return _become(self, lambda x: view(x, *args, **kwargs))

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"`{name[:-1]}` of this tensor itself (``torch.Tensor.{name}``)."
    return also_named(**getattr(view, "also", {}))(method)


def resize_(self: Tensor, *size: object, memory_format: memory_format | None = None) -> Tensor:
    """Another shape for this tensor, with more or less elements (``torch.Tensor.resize_``). New ones are zeros.

    >>> import kuai as torch
    >>> torch.tensor([1, 2, 3]).resize_(2, 2)
    tensor([[1, 2],
            [3, 0]])
    """
    shape = sizes(size)
    if self._node is not None:
        raise RuntimeError("cannot resize variables that require grad")
    if memory_format is preserve_format:
        raise RuntimeError("resize_: Unsupported memory format: preserve_format says no order of its own")
    if any(n < 0 for n in shape):
        raise RuntimeError(f"resize_: got a negative size in {list(shape)}")
    check_format(shape, memory_format)
    if memory_format is not None and memory_format.order and not (shape == self.shape and is_contiguous(self, memory_format)):
        stored = _resized(self, Size(shape[d] for d in memory_format.order))
        return _become(stored, lambda x: views.permute(x, inverse(memory_format.order)))
    return self if shape == self.shape and memory_format is None else _resized(self, shape)


def _resized(self: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Another shape, row-major, in this tensor's memory if it is large enough."""
    if shape == self.shape and is_contiguous(self):
        return self
    if self._storage is None or not _holds(self, prod(shape)):
        return _own_memory(self, _refilled(self, shape))
    strides, offset = contiguous_strides(shape), geometry(self).offset
    return _become(self, lambda x: strided_view(storage_root(x), offset, size=shape, stride=strides))


def _holds(self: Tensor, n: int) -> bool:
    """Whether the storage has n elements from this tensor's first on."""
    return geometry(self).offset + n <= self._storage.value.aval.size


def _refilled(self: Tensor, shape: tuple[int, ...]) -> Tensor:
    flat, n = wrap(self._read()).reshape(-1), self._aval.with_(shape).size  # an overflow is refused here
    missing = n - self._aval.size
    if missing > 0:
        flat = cat([flat, zeros(missing, dtype=self.dtype, device=self.device)])
    return strided_of(flat, 0, size=shape, stride=contiguous_strides(shape))


def _own_memory(self: Tensor, content: Tensor) -> Tensor:
    """Leave whatever memory was shared for a new content."""
    self._value, self._storage, self._path, self._base, self._seen = content._value, None, (), None, 0
    return self


def resize_as_(self: Tensor, the_template: Tensor, *, memory_format: memory_format | None = None) -> Tensor:
    """`resize_` to another tensor's shape (``torch.Tensor.resize_as_``).

    >>> import kuai as torch
    >>> torch.arange(4).resize_as_(torch.ones(2, 2))
    tensor([[0, 1],
            [2, 3]])
    """
    if memory_format is preserve_format:
        memory_format = suggested_format(the_template)
    return resize_(self, the_template.shape, memory_format=memory_format)


def set_(self: Tensor, source: object = None, storage_offset: int = 0, size: Sequence[int] | None = None,
         stride: Sequence[int] | None = None) -> Tensor:  # fmt: skip
    """Use another tensor's or storage's memory (``torch.Tensor.set_``).

    >>> import kuai as torch
    >>> x, y = torch.zeros(2), torch.ones(3)
    >>> x.set_(y)[0] = 5
    >>> y
    tensor([5., 1., 1.])
    """
    if current.grad:
        _check_leaf(self)
    if source is None:
        return _own_memory(self, zeros(0, dtype=self.dtype, device=self.device))
    whole = source._elements(self.dtype) if isinstance(source, storages.UntypedStorage) else getattr(source, "tensor", source)
    if whole.dtype is not self.dtype:
        raise RuntimeError(f"Could not set tensor of type {whole.dtype} to a tensor of type {self.dtype}")
    if size is not None:
        stride = contiguous_strides(tuple(size)) if stride is None else stride
        whole = as_strided(whole, size, stride, storage_offset)
    elif whole is not source:
        whole = whole.reshape(-1)[storage_offset:]
    self._adopt(whole)
    return self


# ---- questions ------------------------------------------------------------------------------------------------------


def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether two tensors are the same elements of the same memory (``torch.Tensor.is_set_to``).

    >>> import kuai as torch
    >>> x = torch.zeros(2, 2)
    >>> x[0].is_set_to(x[0]), x[0].is_set_to(x[1])
    (True, False)
    """
    if self is tensor:
        return True
    return self._storage is not None and self._storage is tensor._storage and geometry(self) == geometry(tensor)


def _is_view(self: Tensor) -> bool:
    """Whether this tensor is a differentiable view of another (``torch.Tensor._is_view``)."""
    return self._base is not None


OWN = {
    **{f"{function.__name__}_": _in_place(function, f"{function.__name__}_")
       for function in (views.squeeze, views.unsqueeze, views.transpose, views.t, views.swapaxes, views.swapdims, as_strided)},
    "resize_": resize_, "resize_as_": resize_as_, "set_": set_, "is_set_to": is_set_to, "_is_view": _is_view, **storages.OWN,
}  # fmt: skip
