"""NVIDIA GPUs through JAX (``torch.cuda``). JAX is imported only where the machine has a GPU and JAX's plugin for it."""

from __future__ import annotations

import os
from functools import cache
from types import SimpleNamespace

from ..devices import device as _device
from ..engine import synchronize as _synchronize
from ..errors import AcceleratorError as AcceleratorError
from ..errors import OutOfMemoryError as OutOfMemoryError
from ..random.seeding import accelerator_stream
from ..wont import Absent

_current = 0


@cache
def _possible() -> bool:
    """Whether there can be a GPU, from what is cheap to look at."""
    from importlib.util import find_spec

    plugins = ("jax_cuda12_plugin", "jax_cuda13_plugin")
    return any(find_spec(p) is not None for p in plugins) and os.path.exists("/dev/nvidiactl")


def _devices() -> tuple:
    if not _possible():
        return ()
    from ..engine.compile import accelerators

    return accelerators("cuda")


def is_available() -> bool:
    """Whether a GPU can be used (``torch.cuda.is_available``).

    >>> import kuai as torch
    >>> torch.cuda.is_available() == (torch.cuda.device_count() > 0)
    True
    """
    return bool(_devices())


def device_count() -> int:
    """How many GPUs there are (``torch.cuda.device_count``).

    >>> import kuai as torch
    >>> torch.cuda.device_count() >= 0
    True
    """
    return len(_devices())


def _index(given: object) -> int:
    if given is None:
        return _current
    found = given if isinstance(given, int) else _device(given).index
    return _current if found is None else found


def _jax_device(given: object) -> object:
    devices, index = _devices(), _index(given)
    if not devices:
        raise RuntimeError("No CUDA GPUs are available")
    if not 0 <= index < len(devices):
        raise RuntimeError(f"CUDA error: invalid device ordinal {index}; there are {len(devices)}")
    return devices[index]


def current_device() -> int:
    """The index of the GPU in use (``torch.cuda.current_device``).

    >>> import kuai as torch
    >>> torch.cuda.current_device() if torch.cuda.is_available() else 0
    0
    """
    _jax_device(None)
    return _current


def set_device(device: object) -> None:
    """Choose the GPU in use (``torch.cuda.set_device``).

    >>> import kuai as torch
    >>> torch.cuda.set_device(0) if torch.cuda.is_available() else None
    """
    global _current
    _jax_device(device)
    _current = _index(device)


def get_device_name(device: object = None) -> str:
    """A GPU's name (``torch.cuda.get_device_name``).

    >>> import kuai as torch
    >>> isinstance(torch.cuda.get_device_name(), str) if torch.cuda.is_available() else True
    True
    """
    return _jax_device(device).device_kind  # type: ignore[attr-defined]


def get_device_capability(device: object = None) -> tuple[int, int]:
    """A GPU's compute capability (``torch.cuda.get_device_capability``).

    >>> import kuai as torch
    >>> len(torch.cuda.get_device_capability()) if torch.cuda.is_available() else 2
    2
    """
    major, _, minor = str(_jax_device(device).compute_capability).partition(".")  # type: ignore[attr-defined]
    return int(major), int(minor or 0)


def get_device_properties(device: object = None) -> SimpleNamespace:
    """A GPU's name, memory in bytes and capability (``torch.cuda.get_device_properties``).

    >>> import kuai as torch
    >>> torch.cuda.get_device_properties().name if torch.cuda.is_available() else None
    """
    major, minor = get_device_capability(device)
    total = _statistics(device).get("bytes_limit", 0)
    return SimpleNamespace(name=get_device_name(device), total_memory=total, major=major, minor=minor)


def _statistics(device: object) -> dict:
    return _jax_device(device).memory_stats() or {}  # type: ignore[attr-defined]


def memory_allocated(device: object = None) -> int:
    """Bytes in use by tensors (``torch.cuda.memory_allocated``).

    >>> import kuai as torch
    >>> torch.cuda.memory_allocated() >= 0
    True
    """
    return _statistics(device).get("bytes_in_use", 0) if is_available() else 0


def max_memory_allocated(device: object = None) -> int:
    """The most bytes that have been in use (``torch.cuda.max_memory_allocated``).

    >>> import kuai as torch
    >>> torch.cuda.max_memory_allocated() >= 0
    True
    """
    return _statistics(device).get("peak_bytes_in_use", 0) if is_available() else 0


def memory_reserved(device: object = None) -> int:
    """Bytes held by the allocator (``torch.cuda.memory_reserved``).

    >>> import kuai as torch
    >>> torch.cuda.memory_reserved() >= 0
    True
    """
    return _statistics(device).get("bytes_reserved", memory_allocated(device)) if is_available() else 0


max_memory_reserved = memory_reserved


def empty_cache() -> None:
    """Accepted: XLA's allocator gives memory back by itself (``torch.cuda.empty_cache``).

    >>> import kuai as torch
    >>> torch.cuda.empty_cache()
    """


def synchronize(device: object = None) -> None:
    """Run what is recorded and wait for the GPU (``torch.cuda.synchronize``).

    >>> import kuai as torch
    >>> torch.cuda.synchronize() if torch.cuda.is_available() else None
    """
    _synchronize()


def manual_seed(seed: int) -> None:
    """Seed the GPU's draws (``torch.cuda.manual_seed``).

    >>> import kuai as torch
    >>> torch.cuda.manual_seed(0)
    """
    accelerator_stream.manual_seed(int(seed))


manual_seed_all = manual_seed


def is_initialized() -> bool:
    """Whether a GPU has been looked for and found (``torch.cuda.is_initialized``).

    >>> import kuai as torch
    >>> isinstance(torch.cuda.is_initialized(), bool)
    True
    """
    return is_available()


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether bfloat16 can be computed in (``torch.cuda.is_bf16_supported``).

    >>> import kuai as torch
    >>> isinstance(torch.cuda.is_bf16_supported(), bool)
    True
    """
    return is_available()


def init() -> None:
    """Accepted: nothing has to be started (``torch.cuda.init``).

    >>> import kuai as torch
    >>> torch.cuda.init() if torch.cuda.is_available() else None
    """
    _jax_device(None)


class device:
    """Make a GPU the current one within a block (``torch.cuda.device``)."""

    def __init__(self, device: object):
        self.index = _index(device)

    def __enter__(self) -> device:
        global _current
        self._before, _current = _current, self.index
        return self

    def __exit__(self, *error: object) -> None:
        global _current
        _current = self._before


def mem_get_info(device: object = None) -> tuple[int, int]:
    """Free and total bytes that XLA may use on a GPU (``torch.cuda.mem_get_info``).

    >>> import kuai as torch
    >>> len(torch.cuda.mem_get_info()) if torch.cuda.is_available() else 2
    2
    """
    found = _statistics(device)
    total = found.get("bytes_limit", 0)
    return total - found.get("bytes_in_use", 0), total


def ipc_collect() -> None:
    """Accepted: no memory is shared between processes (``torch.cuda.ipc_collect``).

    >>> import kuai as torch
    >>> torch.cuda.ipc_collect() if torch.cuda.is_available() else None
    """


class device_of(device):
    """Make the GPU of a tensor the current one within a block; nothing for a tensor on the CPU (``torch.cuda.device_of``).

    >>> import kuai as torch
    >>> with torch.cuda.device_of(torch.ones(1)): pass
    """

    def __init__(self, obj: object):
        where = obj.device  # type: ignore[attr-defined]
        super().__init__(where if where.type == "cuda" else _current)


def is_tf32_supported() -> bool:
    """Whether products may be computed in TF32: from the capability 8 on (``torch.cuda.is_tf32_supported``).

    >>> import kuai as torch
    >>> torch.cuda.is_tf32_supported() if torch.cuda.is_available() else False
    False
    """
    return is_available() and get_device_capability()[0] >= 8


def get_arch_list() -> list[str]:
    """Empty: XLA compiles for the GPU that is there (``torch.cuda.get_arch_list``).

    >>> import kuai as torch
    >>> torch.cuda.get_arch_list()
    []
    """
    return []


def get_gencode_flags() -> str:
    """Empty: XLA compiles for the GPU that is there (``torch.cuda.get_gencode_flags``).

    >>> import kuai as torch
    >>> torch.cuda.get_gencode_flags()
    ''
    """
    return ""


def list_gpu_processes(device: object = None) -> str:
    """That it is not known which processes use a GPU (``torch.cuda.list_gpu_processes``).

    >>> import kuai as torch
    >>> torch.cuda.list_gpu_processes()
    'pynvml module not found, please install nvidia-ml-py'
    """
    return "pynvml module not found, please install nvidia-ml-py"


has_half, has_magma, default_generators = True, False, ()


class DeferredCudaCallError(Exception):
    """A call that was put off until CUDA began, and failed (``torch.cuda.DeferredCudaCallError``); never raised here.

    >>> import kuai as torch
    >>> issubclass(torch.cuda.DeferredCudaCallError, Exception)
    True
    """


class CudaError(RuntimeError):
    """An error of CUDA's with its number (``torch.cuda.CudaError``); never raised here.

    >>> import kuai as torch
    >>> str(torch.cuda.CudaError(3))
    'CUDA error (3)'
    """

    def __init__(self, code: int):
        super().__init__(f"CUDA error ({code})")


# What is imported when it is asked for, by the file that has it.
_LATE = {
    **dict.fromkeys("Stream Event StreamContext stream set_stream current_stream default_stream".split(), "streams"),
    **dict.fromkeys(
        "memory_stats memory_stats_as_nested_dict memory_summary host_memory_stats host_memory_stats_as_nested_dict memory_cached "
        "max_memory_cached reset_peak_memory_stats reset_max_memory_allocated reset_max_memory_cached "
        "reset_accumulated_memory_stats".split(),
        "memory",
    ),
    **dict.fromkeys(
        "get_rng_state get_rng_state_all set_rng_state set_rng_state_all initial_seed seed seed_all".split(), "random"
    ),
    **dict.fromkeys(
        "CUDAGraph graph graph_pool_handle is_current_stream_capturing make_graphed_callables MemPool use_mem_pool "
        "caching_allocator_alloc caching_allocator_delete caching_allocator_enable can_device_access_peer change_current_allocator "
        "check_error cudart current_blas_handle current_solver_handle CUDAPluggableAllocator ExternalStream get_allocator_backend "
        "get_per_process_memory_fraction get_stream_from_external get_sync_debug_mode set_sync_debug_mode "
        "set_per_process_memory_fraction GreenContext memory_snapshot utilization temperature power_draw clock_rate memory_usage "
        "device_memory_used".split(),
        "graphs",
    ),
}
_FILES = frozenset(("amp", "jiterator", "streams", "memory", "random", "graphs", "nvtx"))


def __getattr__(name: str) -> object:
    """What few programs need is imported when it is asked for."""
    from importlib import import_module

    if name in _LATE:
        return getattr(import_module(f"kuai.cuda.{_LATE[name]}"), name)
    if name in _FILES:
        return import_module(f"kuai.cuda.{name}")
    if name == "_initialized":
        return is_initialized()
    raise Absent(__name__, name)
