"""Devices that JAX cannot use here, under PyTorch's names: whether they are there can be asked, and the answer is no."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import NoReturn


def _never() -> bool:
    """False: there is no such device.

    >>> import kuai as torch
    >>> torch.xpu.is_available(), torch.mps.is_available()
    (False, False)
    """
    return False


def _none() -> int:
    """0: there is no such device.

    >>> import kuai as torch
    >>> torch.xpu.device_count()
    0
    """
    return 0


def _nothing(*args: object, **kwargs: object) -> None:
    """Nothing is done: there is no such device.

    >>> import kuai as torch
    >>> torch.xpu.manual_seed(0)
    """


def _no_bytes(device: object = None) -> int:
    """0 bytes: there is no such device.

    >>> import kuai as torch
    >>> torch.xpu.memory_allocated()
    0
    """
    return 0


def _refusing(error: type, message: str) -> Callable:
    def refuse(*args: object, **kwargs: object) -> NoReturn:
        """There is no such device: an error says so."""
        raise error(message)

    return refuse


def device(name: str) -> ModuleType:
    """The module of a device that is not there: ``xpu`` or ``mps``."""
    made = ModuleType(f"kuai.{name}", f"A device that is not there (``torch.{name}``).")
    error, message, table = _TABLES[name]
    answers: dict[Callable, str] = {_never: table[0], _none: table[1], _nothing: table[2], _no_bytes: table[3]}
    for answer, names in answers.items():
        for function in names.split():
            setattr(made, function, answer)
    for function in table[4].split():
        setattr(made, function, _refusing(error, message))
    return made


_TABLES: dict[str, tuple[type, str, tuple[str, ...]]] = {
    "xpu": (
        AssertionError, "Torch not compiled with XPU enabled: JAX has no Intel GPUs here; use the CPU or CUDA",
        ("is_available is_bf16_supported is_tf32_supported is_initialized", "device_count",
         "manual_seed manual_seed_all seed seed_all empty_cache",
         "memory_allocated memory_reserved max_memory_allocated max_memory_reserved",
         "init current_device set_device device get_device_name get_device_capability get_device_properties synchronize "
         "current_stream set_stream stream Stream Event StreamContext get_rng_state set_rng_state initial_seed mem_get_info "
         "reset_peak_memory_stats memory_stats"),
    ),
    "mps": (
        RuntimeError, "Cannot execute this without MPS backend: JAX has no Apple GPUs here; use the CPU",
        ("is_available", "device_count", "manual_seed seed", "",
         "synchronize empty_cache get_rng_state set_rng_state current_allocated_memory driver_allocated_memory "
         "recommended_max_memory set_per_process_memory_fraction compile_shader"),
    ),
}  # fmt: skip
