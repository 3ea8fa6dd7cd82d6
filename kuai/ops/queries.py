"""Questions about tensors and dtypes as functions: PyTorch has them beside the methods."""

from __future__ import annotations

import builtins

import numpy as np

from .. import dtypes
from ..devices import cpu
from ..dtypes import dtype
from ..errors import warn
from ..tensor import Tensor, from_array
from . import rules
from .along import also_named
from .creation import empty
from .ranges import arange


def is_tensor(obj: object) -> bool:
    """Whether something is a tensor (``torch.is_tensor``).

    >>> import kuai as torch
    >>> torch.is_tensor(torch.ones(1)), torch.is_tensor([1])
    (True, False)
    """
    return isinstance(obj, Tensor)


def is_storage(obj: object) -> bool:
    """Whether something is a storage (``torch.is_storage``).

    >>> import kuai as torch
    >>> torch.is_storage(torch.ones(1).untyped_storage()), torch.is_storage(1)
    (True, False)
    """
    from .storages import StorageBase

    return isinstance(obj, StorageBase)


def numel(input: Tensor) -> int:
    """The number of elements (``torch.numel``).

    >>> import kuai as torch
    >>> torch.numel(torch.ones(2, 3))
    6
    """
    return input.numel()


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is a floating-point one (``torch.is_floating_point``).

    >>> import kuai as torch
    >>> torch.is_floating_point(torch.ones(1))
    True
    """
    return input.dtype.is_floating_point


def is_complex(input: Tensor) -> bool:
    """Whether the dtype is complex (``torch.is_complex``).

    >>> import kuai as torch
    >>> torch.is_complex(torch.ones(1))
    False
    """
    return input.dtype.is_complex


def is_signed(input: Tensor) -> bool:
    """Whether the dtype has a sign (``torch.is_signed``).

    >>> import kuai as torch
    >>> torch.is_signed(torch.ones(1, dtype=torch.uint8))
    False
    """
    return input.dtype.is_signed


def _shape_as_tensor(self: Tensor) -> Tensor:
    """The shape as a tensor of int64 (``torch._shape_as_tensor``).

    >>> import kuai as torch
    >>> torch._shape_as_tensor(torch.ones(2, 3))
    tensor([2, 3])
    """
    return from_array(np.array(self.shape, np.int64), cpu)


def is_nonzero(input: Tensor) -> bool:
    """Whether a tensor of one element is not zero (``torch.is_nonzero``).

    >>> import kuai as torch
    >>> torch.is_nonzero(torch.tensor([2.]))
    True
    """
    n = input.numel()
    if n != 1:
        raise RuntimeError(f"Boolean value of Tensor with {'no values' if n == 0 else 'more than one value'} is ambiguous")
    return bool(input)


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one shape (``torch.is_same_size``).

    >>> import kuai as torch
    >>> torch.is_same_size(torch.ones(2), torch.zeros(2))
    True
    """
    return input.shape == other.shape


def is_inference(input: Tensor) -> bool:
    """Whether the tensor was made in inference mode (``torch.is_inference``).

    >>> import kuai as torch
    >>> torch.is_inference(torch.ones(1))
    False
    """
    return input.is_inference()  # type: ignore[attr-defined]


def get_device(input: Tensor) -> int:
    """The accelerator's index, -1 on the CPU (``torch.get_device``).

    >>> import kuai as torch
    >>> torch.get_device(torch.ones(1))
    -1
    """
    return input.get_device()


def typename(obj: object) -> str:
    """The name of an object's type, of a tensor its type (``torch.typename``).

    >>> import kuai as torch
    >>> torch.typename(torch.ones(1))
    'torch.FloatTensor'
    """
    if isinstance(obj, Tensor):
        return obj.type()
    cls = obj if hasattr(obj, "__qualname__") else type(obj)
    module = getattr(cls, "__module__", "") or ""
    name = cls.__qualname__
    return name if module in ("", "builtins") else f"{module}.{name}"


def is_distributed(input: Tensor) -> bool:
    """Whether a tensor is one of PyTorch's distributed ones: none is (``torch.is_distributed``).

    >>> import kuai as torch
    >>> torch.is_distributed(torch.ones(1))
    False
    """
    return False


def is_vulkan_available() -> bool:
    """Whether there is a Vulkan device: kuai drives none (``torch.is_vulkan_available``).

    >>> import kuai as torch
    >>> torch.is_vulkan_available()
    False
    """
    return False


@also_named(tensor1="tensor", tensor2="other", scalar="other", scalar1="tensor", scalar2="other")
def result_type(tensor: object, other: object) -> dtype:
    """The dtype of an operation on two tensors or numbers (``torch.result_type``).

    >>> import kuai as torch
    >>> torch.result_type(torch.tensor([1, 2]), 1.0)
    torch.float32
    """
    for x in (tensor, other):
        if not isinstance(x, (Tensor, bool, int, float, complex)):
            raise TypeError(f"result_type(): got {type(x).__name__}, needs a Tensor or a number")
    return rules.result_dtype([x._value.aval if isinstance(x, Tensor) else type(x) for x in (tensor, other)])


def range(start: float = 0, end: float | None = None, step: float = 1, *, out: Tensor | None = None, dtype: object = None,
          layout: object = None, device: object = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """Numbers from start to end, with the end (``torch.range``, deprecated there: use arange).

    >>> import kuai as torch
    >>> import warnings; warnings.simplefilter("ignore")
    >>> torch.range(1, 3)
    tensor([1., 2., 3.])
    """

    warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is inconsistent with "
        "Python's range builtin. Instead, use torch.arange, which produces values in [start, end).",
        UserWarning
    )
    if end is None:
        start, end = 0, start
    if step == 0 or (end - start) * step < 0:
        raise RuntimeError("range: step must be nonzero and lead from start to end")
    count = int((end - start) / step) + 1
    d = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    made = (arange(count, dtype=d, device=device) * step + start).to(d)
    if out is not None:
        return out._set_out(made)
    return made.requires_grad_() if requires_grad else made


def empty_strided(size: tuple, stride: tuple, *, dtype: object = None, layout: object = None, device: object = None,
                  requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """A tensor of a shape with given strides over memory of its own (``torch.empty_strided``).

    >>> import kuai as torch
    >>> torch.empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """
    needed = 0 if 0 in size else 1 + sum((n - 1) * s for n, s in zip(size, stride))
    made = empty(needed, dtype=dtype, device=device).as_strided(size, stride)
    return made.requires_grad_() if requires_grad else made


def empty_permuted(size: tuple, physical_layout: tuple, *, dtype: object = None, layout: object = None, device: object = None,
                   requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """A tensor whose dimensions lie in memory in another order (``torch.empty_permuted``).

    >>> import kuai as torch
    >>> torch.empty_permuted((2, 3), (1, 0)).stride()
    (1, 2)
    """
    if sorted(physical_layout) != list(builtins.range(len(size))):
        raise RuntimeError(f"Number of dimensions in size and physical_layout do not match: {size} and {physical_layout}")
    laid = empty([size[d] for d in physical_layout], dtype=dtype, device=device)
    made = laid.permute([physical_layout.index(d) for d in builtins.range(len(size))])
    return made.requires_grad_() if requires_grad else made

