"""NNPACK's convolutions (``torch.backends.nnpack``): they are not used."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext


def is_available() -> bool:
    """False: it is not used.

    >>> from kuai.backends import nnpack
    >>> nnpack.is_available()
    False
    """
    return False


def set_flags(_enabled: bool) -> tuple[bool]:
    """Accepted: there is nothing to switch; gives what was set before."""
    return (False,)


def flags(enabled: bool = False) -> AbstractContextManager:
    """A block in which it is used, or not: noted by nothing."""
    return nullcontext()
