"""What programs take from PyTorch's own helpers (``torch._utils``): parts of saved tensors, and tensors in one vector."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

import kuai

from .cuda import current_device
from .devices import device as _device
from .dtypes import dtype as _dtype
from .nn.parameter import Parameter
from .tensor import Tensor


def _rebuild_tensor_v2(storage: Any, storage_offset: int, size: Sequence[int], stride: Sequence[int], requires_grad: bool,
                       backward_hooks: OrderedDict, metadata: object = None) -> Tensor:  # fmt: skip
    """A tensor over a storage, as pickles make it."""
    made = kuai.empty(0, dtype=storage.dtype, device=storage.device).set_(storage, storage_offset, size, stride)
    return made.requires_grad_(requires_grad)


def _rebuild_parameter(data: Tensor, requires_grad: bool, backward_hooks: OrderedDict) -> Parameter:
    """A parameter of its values, as pickles make it."""
    return Parameter(data, requires_grad)


def _element_size(dtype: _dtype) -> int:
    """Bytes of an element; RuntimeError for what is no dtype.

    >>> from kuai._utils import _element_size
    >>> _element_size(kuai.float16)
    2
    """
    if not isinstance(dtype, _dtype):
        raise RuntimeError(f"expected torch.dtype, but got {type(dtype)}")
    return dtype.itemsize


def _get_device_index(device: object, optional: bool = False, allow_cpu: bool = False) -> int:
    """The index of a device, or with ``optional`` of the one in use; ValueError for a device without one.

    >>> from kuai._utils import _get_device_index
    >>> _get_device_index("cuda:1")
    1
    """
    if isinstance(device, int):
        return device
    found = _device(device) if isinstance(device, str) else device
    if isinstance(found, _device) and found.type == "cpu" and not allow_cpu:
        raise ValueError(f"Expected a non cpu device, but got: {found}")
    index = getattr(found, "index", None)
    if index is not None:
        return index
    if isinstance(found, _device) and found.type == "cpu":
        return -1
    if not optional:
        raise ValueError(f"Expected a torch.device with a specified index or an integer, but got:{device}")
    return current_device()


def _flatten_dense_tensors(tensors: Iterable[Tensor]) -> Tensor:
    """Tensors behind each other in one vector.

    >>> from kuai._utils import _flatten_dense_tensors
    >>> _flatten_dense_tensors([kuai.ones(2), kuai.zeros(1, 1)])
    tensor([1., 1., 0.])
    """
    return kuai.cat([t.contiguous().view(-1) for t in tensors])


def _unflatten_dense_tensors(flat: Tensor, tensors: Iterable[Tensor]) -> tuple[Tensor, ...]:
    """A vector's parts in the shapes of tensors.

    >>> from kuai._utils import _unflatten_dense_tensors
    >>> _unflatten_dense_tensors(kuai.arange(3), [kuai.ones(2), kuai.zeros(1, 1)])
    (tensor([0, 1]), tensor([[2]]))
    """
    there = list(tensors)
    parts = flat.split([t.numel() for t in there])
    return tuple(part.view(t.shape) for part, t in zip(parts, there))


def _get_available_device_type() -> str | None:
    """The accelerator's kind, or None.

    >>> from kuai._utils import _get_available_device_type
    >>> _get_available_device_type() in (None, "cuda")
    True
    """
    from .cuda import is_available

    return "cuda" if is_available() else None


def _get_device_module(device_type: str) -> Any:
    """The module of a kind of device, ``torch.cuda``; RuntimeError if there is none."""
    module = getattr(kuai, device_type, None)
    if module is None:
        raise RuntimeError(f"Device '{device_type}' does not have a corresponding module registered as 'torch.{device_type}'.")
    return module
