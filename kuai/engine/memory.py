"""Memory of executables on the CPU: what a step frees is kept for the next one.

XLA asks malloc for one block that holds all of a program's temporaries, at every call. From 32 MB on, glibc takes such
a block from the kernel and gives it back each time, and the kernel clears it page by page: 29,000 page faults and a
fifth of the time of a training step of a small transformer. So glibc is told to keep as much as the largest program needs.
"""

from __future__ import annotations

import ctypes
from functools import cache

LARGE = 16 << 20  # bytes of temporaries and results from which a program is worth it
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # names of malloc.h
_kept = 0


def keep(size: int) -> None:
    """Let malloc keep what a program of this size frees, twice over, instead of giving it back to the system."""
    global _kept
    if size < LARGE or 2 * size <= _kept or _mallopt() is None:
        return
    _kept = 2 * size
    _mallopt()(_MMAP_MAX, 0)  # blocks of any size come from the heap, …
    _mallopt()(_TRIM_THRESHOLD, min(_kept, 2**31 - 1))  # … whose free end is kept


@cache
def _mallopt():
    """glibc's mallopt; None where the C library has none."""
    try:
        function = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return None
    function.argtypes, function.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    return function
