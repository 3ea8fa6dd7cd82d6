"""The memory of GPUs (``torch.cuda.memory``): what XLA's allocator says of itself."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NoReturn

from . import (
    _statistics,
    empty_cache,
    is_available,
    max_memory_allocated,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_reserved,
)

__all__ = ["empty_cache", "max_memory_allocated", "max_memory_reserved", "mem_get_info", "memory_allocated", "memory_reserved"]


def memory_stats(device: object = None) -> OrderedDict:
    """What XLA's allocator counts, by its own names; empty without a GPU (``torch.cuda.memory_stats``).

    >>> import kuai as torch
    >>> isinstance(torch.cuda.memory_stats(), dict)
    True
    """
    return OrderedDict(sorted(_statistics(device).items())) if is_available() else OrderedDict()


def memory_stats_as_nested_dict(device: object = None) -> dict[str, Any]:
    """`memory_stats`, which is flat here (``torch.cuda.memory_stats_as_nested_dict``).

    >>> import kuai as torch
    >>> isinstance(torch.cuda.memory_stats_as_nested_dict(), dict)
    True
    """
    return dict(memory_stats(device))


def memory_summary(device: object = None, abbreviated: bool = False) -> str:
    """`memory_stats` as lines (``torch.cuda.memory_summary``).

    >>> import kuai as torch
    >>> isinstance(torch.cuda.memory_summary(), str)
    True
    """
    return "\n".join(f"{name}: {value}" for name, value in memory_stats(device).items())


def host_memory_stats() -> OrderedDict:
    """Empty: no memory of the host is kept for GPUs (``torch.cuda.host_memory_stats``).

    >>> import kuai as torch
    >>> torch.cuda.host_memory_stats()
    OrderedDict()
    """
    return OrderedDict()


host_memory_stats_as_nested_dict = host_memory_stats
memory_cached, max_memory_cached = memory_reserved, max_memory_reserved


def reset_peak_memory_stats(device: object = None) -> NoReturn:
    """NotImplementedError: XLA's allocator keeps its peak (``torch.cuda.reset_peak_memory_stats``).

    >>> import kuai as torch
    >>> torch.cuda.reset_peak_memory_stats()
    Traceback (most recent call last):
    ...
    NotImplementedError: XLA's allocator keeps its peak: take the difference of two readings instead
    """
    raise NotImplementedError("XLA's allocator keeps its peak: take the difference of two readings instead")


reset_max_memory_allocated = reset_max_memory_cached = reset_accumulated_memory_stats = reset_peak_memory_stats
