"""Assertions of PyTorch's that programs call by name (``torch._assert``, ``torch._check``)."""

from __future__ import annotations

from collections.abc import Callable


def _assert(condition: object, message: str) -> None:
    """Python's assert as a function (``torch._assert``).

    >>> import kuai as torch
    >>> torch._assert(True, "never said")
    """
    if not condition:
        raise AssertionError(message)


def _assert_async(input: object, assert_msg: str = "Expected Tensor with single nonzero value, but got zero") -> None:
    """RuntimeError unless a tensor of one element is nonzero (``torch._assert_async``); at once, as on PyTorch's CPU."""
    if not input:
        raise RuntimeError(assert_msg)


def _check_with(error: type[Exception], cond: object, message: Callable[[], object] | None) -> None:
    """Raise an error of a class unless the condition holds (``torch._check_with``)."""
    if not cond:
        said = "Expected cond to be True, but got False" if message is None else str(message())
        raise error(said)


def _check(cond: object, message: Callable[[], object] | None = None) -> None:
    """RuntimeError unless the condition holds (``torch._check``)."""
    _check_with(RuntimeError, cond, message)


def _check_value(cond: object, message: Callable[[], object] | None = None) -> None:
    """ValueError unless the condition holds (``torch._check_value``)."""
    _check_with(ValueError, cond, message)


def _check_index(cond: object, message: Callable[[], object] | None = None) -> None:
    """IndexError unless the condition holds (``torch._check_index``)."""
    _check_with(IndexError, cond, message)


def _check_type(cond: object, message: Callable[[], object] | None = None) -> None:
    """TypeError unless the condition holds (``torch._check_type``)."""
    _check_with(TypeError, cond, message)


def _check_not_implemented(cond: object, message: Callable[[], object] | None = None) -> None:
    """NotImplementedError unless the condition holds (``torch._check_not_implemented``)."""
    _check_with(NotImplementedError, cond, message)
