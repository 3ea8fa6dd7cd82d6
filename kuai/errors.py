"""Errors of the engine, by PyTorch's names. What is wrong with a call raises Python's own classes, as PyTorch does."""

from __future__ import annotations

import sys
import warnings


class OutOfMemoryError(RuntimeError):
    """An accelerator has not the memory for a program (``torch.OutOfMemoryError``, ``torch.cuda.OutOfMemoryError``).

    >>> import kuai as torch
    >>> issubclass(torch.OutOfMemoryError, RuntimeError)
    True
    """


class AcceleratorError(RuntimeError):
    """An accelerator has failed (``torch.AcceleratorError``).

    >>> import kuai as torch
    >>> issubclass(torch.AcceleratorError, RuntimeError)
    True
    """


class HostMemoryError(RuntimeError, MemoryError):
    """The host has not the memory for a program: a RuntimeError, as in PyTorch, and Python's own class."""


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the program's line: that of the first caller that is not of this library."""
    frame, level = sys._getframe(), 0
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "kuai":
        frame, level = frame.f_back, level + 1  # type: ignore[assignment]
    warnings.warn(message, category, stacklevel=level + 1)
