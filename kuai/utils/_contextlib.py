"""Context managers that are decorators too (``torch.utils._contextlib``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd.modes import Decorating as _DecoratorContextManager


class _NoParamDecoratorContextManager(_DecoratorContextManager):
    """One that needs no arguments, and stands as a decorator without parentheses."""

    def __new__(cls, orig_func: Callable | None = None) -> Any:
        made = super().__new__(cls)
        return made if orig_func is None else made(orig_func)


class _Around(_DecoratorContextManager):
    def __init__(self, make: Callable):
        self.make = make

    def clone(self) -> Any:
        return self.make()


def context_decorator(ctx: Any, func: Callable) -> Callable:
    """A function within a context manager, or within what a function makes at each call.

    AssertionError if ``ctx`` is both, RuntimeError for a class.

    >>> from contextlib import nullcontext
    >>> from kuai.utils._contextlib import context_decorator
    >>> context_decorator(lambda: nullcontext(), abs)(-1)
    1
    """
    if callable(ctx) and hasattr(ctx, "__enter__"):
        raise AssertionError(f"Passed in {ctx} is both callable and also a valid context manager (has __enter__), making it ambiguous "
                             "which interface to use; pass lambda: ctx() or lambda: ctx")  # fmt: skip
    if isinstance(func, type):
        raise RuntimeError("Cannot decorate classes; it is ambiguous whether or not only the constructor or all methods should have the "
                           "context manager applied; decorate the methods")  # fmt: skip
    return _Around(ctx if callable(ctx) else lambda: ctx)(func)
