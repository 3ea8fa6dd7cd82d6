"""PyTorch's names for compiling (``torch.compiler``). Here programs are compiled without being asked, so these mark nothing.

>>> import kuai as torch
>>> torch.compiler.is_compiling()
False
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ContextDecorator


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


def assume_constant_result(fn: Callable) -> Callable:
    """The function itself: it is called each time (``torch.compiler.assume_constant_result``).

    >>> import kuai as torch
    >>> torch.compiler.assume_constant_result(abs)(-1)
    1
    """
    return fn


def substitute_in_graph(original_fn: Callable, **options: object) -> Callable:
    """A decorator that gives its function back: the original is called, for Python runs (``torch.compiler.substitute_in_graph``).

    >>> import kuai as torch
    >>> torch.compiler.substitute_in_graph(abs)(lambda x: x)(-1)
    -1
    """
    return lambda fn: fn


def nested_compile_region(fn: Callable | None = None, **options: object) -> Callable:
    """The function itself (``torch.compiler.nested_compile_region``).

    >>> import kuai as torch
    >>> torch.compiler.nested_compile_region(abs)(-1)
    1
    """
    return (lambda f: f) if fn is None else fn


class set_stance(ContextDecorator):
    """Accepted: what is compiled gives what is not (``torch.compiler.set_stance``). At once, in a with statement, or on a function.

    RuntimeError for a stance that PyTorch does not know.

    >>> import kuai as torch
    >>> with torch.compiler.set_stance("force_eager"):
    ...     torch.compile(abs)(-1)
    1
    """

    def __init__(self, stance: str = "default", *, skip_guard_eval_unsafe: bool = False, force_backend: object = None):
        known = "default force_eager eager_on_recompile fail_on_recompile eager_then_compile aot_eager_then_compile"
        if stance not in known.split():
            raise RuntimeError(f"invalid torch.compile stance '{stance}'")

    def __enter__(self) -> None:
        """Nothing changes."""

    def __exit__(self, *error: object) -> None:
        """Nothing changes."""


def list_backends(exclude_tags: object = ("debug", "experimental")) -> list[str]:
    """The compilers that `torch.compile` may be asked for: each name is accepted, XLA compiles (``torch.compiler.list_backends``).

    >>> import kuai as torch
    >>> "inductor" in torch.compiler.list_backends()
    True
    """
    return ["cudagraphs", "inductor", "openxla", "tvm"]


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
