"""NVIDIA GPUs through JAX (``torch.cuda``). JAX is imported only where the machine has a GPU and JAX's plugin for it."""

from __future__ import annotations

import os
from functools import cache
from types import SimpleNamespace

from ..devices import device as _device
from ..engine import synchronize as _synchronize
from ..random.seeding import accelerator_stream

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
    """How many GPUs there are (``torch.cuda.device_count``)."""
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
    """The index of the GPU in use (``torch.cuda.current_device``)."""
    _jax_device(None)
    return _current


def set_device(device: object) -> None:
    """Choose the GPU in use (``torch.cuda.set_device``)."""
    global _current
    _jax_device(device)
    _current = _index(device)


def get_device_name(device: object = None) -> str:
    """A GPU's name (``torch.cuda.get_device_name``)."""
    return _jax_device(device).device_kind  # type: ignore[attr-defined]


def get_device_capability(device: object = None) -> tuple[int, int]:
    """A GPU's compute capability (``torch.cuda.get_device_capability``)."""
    major, _, minor = str(_jax_device(device).compute_capability).partition(".")  # type: ignore[attr-defined]
    return int(major), int(minor or 0)


def get_device_properties(device: object = None) -> SimpleNamespace:
    """A GPU's name, memory in bytes and capability (``torch.cuda.get_device_properties``)."""
    major, minor = get_device_capability(device)
    total = _statistics(device).get("bytes_limit", 0)
    return SimpleNamespace(name=get_device_name(device), total_memory=total, major=major, minor=minor)


def _statistics(device: object) -> dict:
    return _jax_device(device).memory_stats() or {}  # type: ignore[attr-defined]


def memory_allocated(device: object = None) -> int:
    """Bytes in use by tensors (``torch.cuda.memory_allocated``)."""
    return _statistics(device).get("bytes_in_use", 0) if is_available() else 0


def max_memory_allocated(device: object = None) -> int:
    """The most bytes that have been in use (``torch.cuda.max_memory_allocated``)."""
    return _statistics(device).get("peak_bytes_in_use", 0) if is_available() else 0


def memory_reserved(device: object = None) -> int:
    """Bytes held by the allocator (``torch.cuda.memory_reserved``)."""
    return _statistics(device).get("bytes_reserved", memory_allocated(device)) if is_available() else 0


max_memory_reserved = memory_reserved


def empty_cache() -> None:
    """Accepted: XLA's allocator gives memory back by itself (``torch.cuda.empty_cache``)."""


def synchronize(device: object = None) -> None:
    """Run what is recorded and wait for the GPU (``torch.cuda.synchronize``)."""
    _synchronize()


def manual_seed(seed: int) -> None:
    """Seed the GPU's draws (``torch.cuda.manual_seed``)."""
    accelerator_stream.manual_seed(int(seed))


manual_seed_all = manual_seed


def is_initialized() -> bool:
    """Whether a GPU has been looked for and found (``torch.cuda.is_initialized``)."""
    return is_available()


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether bfloat16 can be computed in (``torch.cuda.is_bf16_supported``)."""
    return is_available()


def init() -> None:
    """Accepted: nothing has to be started (``torch.cuda.init``)."""
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
    """Free and total bytes that XLA may use on a GPU (``torch.cuda.mem_get_info``)."""
    found = _statistics(device)
    total = found.get("bytes_limit", 0)
    return total - found.get("bytes_in_use", 0), total


def ipc_collect() -> None:
    """Accepted: no memory is shared between processes (``torch.cuda.ipc_collect``)."""


_STREAMS = frozenset("Stream Event StreamContext stream set_stream current_stream default_stream".split())


def __getattr__(name: str) -> object:
    """Streams and ``torch.cuda.amp`` are imported when they are asked for."""
    from importlib import import_module

    if name in _STREAMS:
        return getattr(import_module("kuai.cuda.streams"), name)
    if name in ("amp", "jiterator", "streams"):
        return import_module(f"kuai.cuda.{name}")
    raise AttributeError(f"module 'torch.cuda' has no attribute {name!r}")
