"""Switches of PyTorch's that belong to no module of their own."""

from __future__ import annotations

import os

_deterministic = {"on": False, "warn_only": False}
_warn_always = False
_threads: int | None = None


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for algorithms that repeat; here all do, so this is only remembered (``torch.use_deterministic_algorithms``).

    >>> import kuai as torch
    >>> torch.use_deterministic_algorithms(False)
    """
    if not isinstance(mode, bool):
        raise TypeError(f"use_deterministic_algorithms(): argument 'mode' (position 1) must be bool, not {type(mode).__name__}")
    _deterministic.update(on=mode, warn_only=warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """What `use_deterministic_algorithms` was told (``torch.are_deterministic_algorithms_enabled``).

    >>> import kuai as torch
    >>> torch.are_deterministic_algorithms_enabled()
    False
    """
    return _deterministic["on"]


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether it was told only to warn (``torch.is_deterministic_algorithms_warn_only_enabled``).

    >>> import kuai as torch
    >>> torch.is_deterministic_algorithms_warn_only_enabled()
    False
    """
    return _deterministic["warn_only"]


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """0 "default", 1 "warn" or 2 "error" (``torch.set_deterministic_debug_mode``).

    >>> import kuai as torch
    >>> torch.set_deterministic_debug_mode("default")
    """
    names: dict = {"default": 0, "warn": 1, "error": 2}
    level = names.get(debug_mode, debug_mode)
    if level not in (0, 1, 2):
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1 or 2, or their names {list(names)}, but got {debug_mode}")
    use_deterministic_algorithms(level > 0, warn_only=level == 1)


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2 (``torch.get_deterministic_debug_mode``).

    >>> import kuai as torch
    >>> torch.get_deterministic_debug_mode()
    0
    """
    return (1 if _deterministic["warn_only"] else 2) if _deterministic["on"] else 0


def set_warn_always(b: bool, /) -> None:
    """Remembered; warnings here go by Python's filters (``torch.set_warn_always``).

    >>> import kuai as torch
    >>> torch.set_warn_always(False)
    """
    global _warn_always
    _warn_always = b


def is_warn_always_enabled() -> bool:
    """What `set_warn_always` was told (``torch.is_warn_always_enabled``).

    >>> import kuai as torch
    >>> torch.is_warn_always_enabled()
    False
    """
    return _warn_always


def get_num_threads() -> int:
    """How many threads XLA uses on the CPU (``torch.get_num_threads``).

    >>> import kuai as torch
    >>> torch.get_num_threads() > 0
    True
    """
    if _threads is not None:
        return _threads
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


get_num_interop_threads = get_num_threads


def set_num_threads(n: int) -> None:
    """How many threads XLA is to use on the CPU; RuntimeError once it has started (``torch.set_num_threads``).

    >>> import kuai as torch
    >>> torch.set_num_threads(torch.get_num_threads())
    """
    global _threads
    import sys

    if not isinstance(n, int):
        raise RuntimeError(f"set_num_threads expects an int, but got {type(n).__name__}")
    if n <= 0:
        raise RuntimeError("set_num_threads expects a positive integer")
    if "kuai.engine.compile" in sys.modules and n != get_num_threads():
        import warnings

        warnings.warn("set_num_threads: XLA has started with its threads already; call this before the first "
                      "program is compiled", stacklevel=2)  # fmt: skip
        return
    os.environ["PJRT_NPROC"] = str(n)
    _threads = n


def set_num_interop_threads(n: int) -> None:
    """Accepted: programs run one after the other (``torch.set_num_interop_threads``).

    >>> import kuai as torch
    >>> torch.get_num_interop_threads() > 0
    True
    """
    if n <= 0:
        raise RuntimeError("set_num_interop_threads expects a positive integer")


def set_flush_denormal(mode: bool) -> bool:
    """False: denormal numbers are computed with as they are (``torch.set_flush_denormal``).

    >>> import kuai as torch
    >>> isinstance(torch.set_flush_denormal(False), bool)
    True
    """
    return False


def set_default_tensor_type(t: object) -> None:
    """Choose the default dtype by a tensor type such as ``torch.DoubleTensor`` or its name.

    >>> import kuai as torch
    >>> import warnings; warnings.simplefilter("ignore")
    >>> torch.set_default_tensor_type(torch.FloatTensor)
    """
    from .dtypes import set_default_dtype

    if isinstance(t, str):
        import kuai

        t = getattr(kuai, t.rpartition(".")[2])
    set_default_dtype(t.dtype)  # type: ignore[attr-defined]
