"""Ranges for NVIDIA's profilers (``torch.cuda.nvtx``): none are made, and RuntimeError says so, as PyTorch does without CUDA."""

from __future__ import annotations

from contextlib import contextmanager
from typing import NoReturn

_MESSAGE = "NVTX functions not installed: use torch.profiler.record_function, or JAX's profiler"


def mark(msg: str) -> NoReturn:
    """RuntimeError (``torch.cuda.nvtx.mark``).

    >>> import kuai as torch
    >>> torch.cuda.nvtx.mark("here")
    Traceback (most recent call last):
    ...
    RuntimeError: NVTX functions not installed: use torch.profiler.record_function, or JAX's profiler
    """
    raise RuntimeError(_MESSAGE)


range_push = range_start = mark


def range_pop() -> NoReturn:
    """RuntimeError (``torch.cuda.nvtx.range_pop``).

    >>> import kuai as torch
    >>> torch.cuda.nvtx.range_pop()
    Traceback (most recent call last):
    ...
    RuntimeError: NVTX functions not installed: use torch.profiler.record_function, or JAX's profiler
    """
    raise RuntimeError(_MESSAGE)


range_end = mark


@contextmanager
def range(msg: str, *args: object, **kwargs: object):
    """RuntimeError when it is entered (``torch.cuda.nvtx.range``).

    >>> import kuai as torch
    >>> with torch.cuda.nvtx.range("part"): pass
    Traceback (most recent call last):
    ...
    RuntimeError: NVTX functions not installed: use torch.profiler.record_function, or JAX's profiler
    """
    raise RuntimeError(_MESSAGE)
    yield
