"""Tensors in the form of another: its shape, dtype and device, or the last two (*_like, new_*)."""

from __future__ import annotations

from .. import dtypes
from ..devices import placement
from ..dispatch import recorder
from ..layouts import strided
from ..tensor import Tensor
from . import rules
from .creation import asked, available, fill, full_op, layout_of, needed_number, require_grad, shape_of, tensor


def _like(input: Tensor, value: object, dtype: object, device: object, requires_grad: bool, layout: object) -> Tensor:
    if not isinstance(input, Tensor):
        raise TypeError(f"*_like(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    d = input.dtype if dtype is None else dtypes.as_dtype(dtype)
    where = input.device if device is None else available(placement(device))
    if layout is not strided and value == 0 and input._storage is not None and input._storage.record is not None:
        return require_grad(input._storage.emptied(layout).to(where, d), requires_grad)
    return fill(input.shape, value, d, where, requires_grad, None, layout or layout_of(input))


def zeros_like(input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None, pin_memory=False) -> Tensor:
    """Zeros in another tensor's shape, dtype and device (``torch.zeros_like``).

    >>> import kuai as torch
    >>> torch.zeros_like(torch.tensor([1, 2]))
    tensor([0, 0])
    """
    return _like(input, 0, dtype, device, requires_grad, layout)


def ones_like(input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None, pin_memory=False) -> Tensor:
    """Ones in another tensor's shape, dtype and device (``torch.ones_like``).

    >>> import kuai as torch
    >>> torch.ones_like(torch.tensor([0.5, 2]))
    tensor([1., 1.])
    """
    return _like(input, 1, dtype, device, requires_grad, layout)


def empty_like(input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None, pin_memory=False) -> Tensor:
    """A tensor in another's shape, dtype and device, its content not specified (``torch.empty_like``).

    >>> import kuai as torch
    >>> torch.empty_like(torch.ones(3)).shape
    torch.Size([3])
    """
    return _like(input, 0, dtype, device, requires_grad, layout)


def full_like(input, fill_value, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None,
              pin_memory=False) -> Tensor:  # fmt: skip
    """One number in another tensor's shape, dtype and device (``torch.full_like``).

    >>> import kuai as torch
    >>> torch.full_like(torch.ones(2), 3)
    tensor([3., 3.])
    """
    value = needed_number("full_like", fill_value)
    if isinstance(input, Tensor):
        rules.need_fit(value, input.dtype if dtype is None else dtypes.as_dtype(dtype), "full_like")
    return _like(input, value, dtype, device, requires_grad, layout)


def _new(self: Tensor, size: tuple, value: object, dtype: object, device: object, requires_grad: bool, layout: object,
         name: str) -> Tensor:  # fmt: skip
    d = self.dtype if dtype is None else dtypes.as_dtype(dtype)
    where = self.device if device is None else available(placement(device))
    return fill(shape_of(size, name), value, d, where, requires_grad, None, layout or layout_of(self))


def new_zeros(self, *args, size=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False) -> Tensor:
    """Zeros with this tensor's dtype and device (``torch.Tensor.new_zeros``).

    >>> import kuai as torch
    >>> torch.tensor([1, 2]).new_zeros(2, 2)
    tensor([[0, 0],
            [0, 0]])
    """
    return _new(self, asked(args, size, "new_zeros"), 0, dtype, device, requires_grad, layout, "new_zeros")


def new_ones(self, *args, size=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False) -> Tensor:
    """Ones with this tensor's dtype and device (``torch.Tensor.new_ones``).

    >>> import kuai as torch
    >>> torch.tensor([1, 2]).new_ones(3)
    tensor([1, 1, 1])
    """
    return _new(self, asked(args, size, "new_ones"), 1, dtype, device, requires_grad, layout, "new_ones")


def new_empty(self, *args, size=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False) -> Tensor:
    """A tensor with this one's dtype and device (``torch.Tensor.new_empty``).

    >>> import kuai as torch
    >>> torch.tensor([1., 2.]).new_empty(2, 3).shape
    torch.Size([2, 3])
    """
    return _new(self, asked(args, size, "new_empty"), 0, dtype, device, requires_grad, layout, "new_empty")


def new_full(self, size, fill_value, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False) -> Tensor:
    """One number, with this tensor's dtype and device (``torch.Tensor.new_full``).

    >>> import kuai as torch
    >>> torch.tensor([1., 2.]).new_full((2,), 7)
    tensor([7., 7.])
    """
    value = needed_number("new_full", fill_value)
    rules.need_fit(value, self.dtype if dtype is None else dtypes.as_dtype(dtype), "new_full")
    return _new(self, (size,), value, dtype, device, requires_grad, layout, "new_full")


def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False) -> Tensor:
    """A copy of the data with this tensor's dtype and device (``torch.Tensor.new_tensor``).

    >>> import kuai as torch
    >>> torch.tensor([1., 2.]).new_tensor([3, 4])
    tensor([3., 4.])
    """
    return tensor(data, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad)


_record_full = recorder(full_op.op)


def _unit(self: Tensor) -> Tensor:
    """Ones in the form of a tensor: what a backward begins with."""
    aval = self._value.aval
    return _record_full((aval.shape, aval.dtype, aval.device), 1)


METHODS = ("new_zeros", "new_ones", "new_empty", "new_full", "new_tensor")
INPLACE = ()
METHODS_EXTRA = {"_unit": _unit}
