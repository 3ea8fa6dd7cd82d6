"""What PyTorch does with CUDA itself. JAX drives the GPUs here, so that these names are there to be asked for, and say so."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

_INSTEAD = {
    "graph": "hot programs are one executable anyway, which is what CUDA graphs are for",
    "driver": "JAX drives the GPUs; its own profiler and environment variables are the way to them",
    "nvtx": "use torch.profiler.record_function, or JAX's profiler",
}


def _absent(name: str, instead: str, error: type = RuntimeError) -> Callable:
    def refuse(*args: object, **kwargs: object) -> NoReturn:
        raise error(f"torch.cuda.{name} needs CUDA by itself: {_INSTEAD[instead]}")

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__doc__ = (
        f"RuntimeError (``torch.cuda.{name}``): {_INSTEAD[instead]}.\n\n"
        f"    >>> import kuai as torch\n    >>> torch.cuda.{name}()\n    Traceback (most recent call last):\n    ...\n"
        f"    RuntimeError: torch.cuda.{name} needs CUDA by itself: {_INSTEAD[instead]}"
    )
    return refuse


class CUDAGraph:
    """RuntimeError: there are no CUDA graphs (``torch.cuda.CUDAGraph``).

    >>> import kuai as torch
    >>> torch.cuda.CUDAGraph()
    Traceback (most recent call last):
    ...
    RuntimeError: torch.cuda.CUDAGraph needs CUDA by itself: hot programs are one executable anyway, which is what CUDA graphs are for
    """

    def __new__(cls, *args: object, **kwargs: object) -> CUDAGraph:
        return _absent("CUDAGraph", "graph")()


GRAPHS = ("graph", "graph_pool_handle", "is_current_stream_capturing", "make_graphed_callables", "MemPool", "use_mem_pool")
DRIVER = (
    "caching_allocator_alloc", "caching_allocator_delete", "caching_allocator_enable", "can_device_access_peer",
    "change_current_allocator", "check_error", "cudart", "current_blas_handle", "current_solver_handle", "CUDAPluggableAllocator",
    "ExternalStream", "get_allocator_backend", "get_per_process_memory_fraction", "get_stream_from_external",
    "get_sync_debug_mode", "set_sync_debug_mode", "set_per_process_memory_fraction", "GreenContext", "memory_snapshot",
    "utilization", "temperature", "power_draw", "clock_rate", "memory_usage", "device_memory_used",
)  # fmt: skip
globals().update({name: _absent(name, "graph") for name in GRAPHS} | {name: _absent(name, "driver") for name in DRIVER})
