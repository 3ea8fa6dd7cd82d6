"""Errors of the engine, by PyTorch's names. What is wrong with a call raises Python's own classes, as PyTorch does."""

from __future__ import annotations


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
