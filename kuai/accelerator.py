"""The accelerator of this machine, whatever it is (``torch.accelerator``).

>>> import kuai as torch
>>> torch.accelerator.is_available() == torch.cuda.is_available()
True
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import ModuleType, TracebackType
from typing import Any

from . import cuda
from .devices import device
from .engine import synchronize as _synchronize


def is_available() -> bool:
    """Whether there is an accelerator that JAX can use (``torch.accelerator.is_available``).

    >>> import kuai as torch
    >>> torch.accelerator.is_available() == (torch.accelerator.current_accelerator(check_available=True) is not None)
    True
    """
    return cuda.is_available()


def device_count() -> int:
    """How many accelerators there are (``torch.accelerator.device_count``)."""
    return cuda.device_count()


def current_accelerator(check_available: bool = False) -> device | None:
    """The accelerator's device without an index, or None (``torch.accelerator.current_accelerator``).

    >>> import kuai as torch
    >>> torch.accelerator.current_accelerator() is None or torch.cuda.is_available()
    True
    """
    return device("cuda") if is_available() else None


def current_device_index() -> int:
    """The index of the accelerator in use (``torch.accelerator.current_device_index``)."""
    return cuda.current_device()


def set_device_index(device: object) -> None:
    """Choose the accelerator in use (``torch.accelerator.set_device_index``)."""
    cuda.set_device(device)


def synchronize(device: object = None) -> None:
    """Run what is recorded and wait for it (``torch.accelerator.synchronize``)."""
    _synchronize()


def _of_cuda(name: str) -> Callable:
    function = getattr(cuda, name)

    @wraps(function)
    def call(*args: object, **kwargs: object) -> Any:
        if not is_available():
            raise RuntimeError("Cannot access accelerator device when none is available.")
        return function(*args, **kwargs)

    call.__doc__ = f"`kuai.cuda.{name}` of the accelerator; RuntimeError if there is none."
    return call


memory_allocated, max_memory_allocated = _of_cuda("memory_allocated"), _of_cuda("max_memory_allocated")
memory_reserved, max_memory_reserved = _of_cuda("memory_reserved"), _of_cuda("max_memory_reserved")
memory_stats, get_memory_info, empty_cache = _of_cuda("memory_stats"), _of_cuda("mem_get_info"), _of_cuda("empty_cache")
reset_peak_memory_stats = _of_cuda("reset_peak_memory_stats")
reset_accumulated_memory_stats = _of_cuda("reset_accumulated_memory_stats")
current_stream, set_stream = _of_cuda("current_stream"), _of_cuda("set_stream")
current_device_idx, set_device_idx = current_device_index, set_device_index  # their old names


class device_index:
    """Make an accelerator the current one within a block (``torch.accelerator.device_index``)."""

    def __init__(self, device: int | None):
        self.within = None if device is None else cuda.device(device)

    def __enter__(self) -> None:
        if self.within is not None:
            self.within.__enter__()

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.within is not None:
            self.within.__exit__(kind, error, trace)


def get_device_module(device: object = None) -> ModuleType:
    """The module of a device's type, of the accelerator's or the CPU's for None (``torch.get_device_module``).

    RuntimeError for a type without a module.

    >>> import kuai as torch
    >>> torch.get_device_module("cuda") is torch.cuda
    True
    """
    import kuai

    kind = kuai.device(device or current_accelerator() or "cpu").type
    found = getattr(kuai, kind, None)
    if not isinstance(found, ModuleType):
        raise RuntimeError(f"Device '{kind}' does not have a corresponding module registered as 'torch.{kind}'.")
    return found
