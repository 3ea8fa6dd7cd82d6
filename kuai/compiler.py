"""PyTorch's names for compiling (``torch.compiler``). Here programs are compiled without being asked, so these mark nothing.

>>> import kuai as torch
>>> torch.compiler.is_compiling()
False
"""

from __future__ import annotations

from collections.abc import Callable


def compile(model: Callable | None = None, **options: object) -> Callable:
    """The model itself: what is hot is compiled anyway (``torch.compile``).

    >>> import kuai as torch
    >>> @torch.compile
    ... def double(x): return 2 * x
    >>> double(torch.tensor(2.))
    tensor(4.)
    """
    if model is None:
        return lambda fn: fn
    if not callable(model):
        raise AssertionError(f"compile: a callable function is expected, but {type(model).__name__} is provided.")
    return model


def is_compiling() -> bool:
    """False: Python always runs (``torch.compiler.is_compiling``).

    >>> import kuai as torch
    >>> torch.compiler.is_compiling()
    False
    """
    return False


is_dynamo_compiling = is_exporting = is_compiling


def disable(fn: Callable | None = None, recursive: bool = True, *, reason: str | None = None) -> Callable:
    """The function itself (``torch.compiler.disable``).

    >>> import kuai as torch
    >>> torch.compiler.disable(lambda x: x + 1)(1)
    2
    """
    return (lambda f: f) if fn is None else fn


def allow_in_graph(fn: Callable) -> Callable:
    """The function itself (``torch.compiler.allow_in_graph``).

    >>> import kuai as torch
    >>> torch.compiler.allow_in_graph(abs)(-1)
    1
    """
    return fn


def reset() -> None:
    """Forget compiled programs: they are bounded and forgotten by themselves, so there is nothing to do.

    >>> import kuai as torch
    >>> torch.compiler.reset()
    """


def cudagraph_mark_step_begin() -> None:
    """Accepted: steps need no mark here.

    >>> import kuai as torch
    >>> torch.compiler.cudagraph_mark_step_begin()
    """
