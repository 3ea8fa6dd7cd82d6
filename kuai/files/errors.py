"""What goes wrong with a file. The classes derive from those that PyTorch raises, so its ``except`` clauses work."""

from __future__ import annotations

from pickle import PicklingError, UnpicklingError


class FileError(RuntimeError, UnpicklingError):
    """A file that is damaged, or of a format that is not read."""


class RefusedError(FileError):
    """A file that asks for something to be executed, or that is built to harm its reader."""


class TruncatedError(FileError, EOFError):
    """A file that ends too early."""


class SaveError(PicklingError, AttributeError, TypeError):
    """An object that no file can hold. PyTorch raises one class or another of these by the object and the version of Python."""
