"""What goes wrong with a file. The classes derive from those that PyTorch raises, so its ``except`` clauses work."""

from __future__ import annotations

from pickle import PicklingError, UnpicklingError
from types import FunctionType


class FileError(RuntimeError, UnpicklingError):
    """A file that is damaged, or of a format that is not read."""


class RefusedError(FileError):
    """A file that asks for something to be executed, or that is built to harm its reader."""


class TruncatedError(FileError, EOFError):
    """A file that ends too early."""


class SaveError(PicklingError, AttributeError, TypeError):
    """An object that no file can hold. PyTorch raises one class or another of these by the object and the version of Python."""


_SHOWN = (int, float, str, bytes, bool, type(None), FunctionType)


def shown(value: object, width: int = 60) -> str:
    """What a message shows of a value that a file holds. A ``__repr__`` is code too, so only Python's own runs."""
    if type(value) is tuple:
        text = f"({', '.join(shown(part) for part in value[:8])})"
    elif isinstance(value, type):
        text = type.__repr__(value)
    else:
        text = repr(value) if type(value) in _SHOWN else f"<{type.__repr__(type(value))[8:-2]} object>"
    return text[:width]
