"""What of ``torch.jit`` has a meaning where Python always runs: marks that change nothing.

>>> import kuai as torch
>>> torch.jit.is_scripting()
False
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Final as Final


def is_scripting() -> bool:
    """False: nothing is ever turned into a script (``torch.jit.is_scripting``)."""
    return False


def is_tracing() -> bool:
    """False: nothing is ever traced for a script (``torch.jit.is_tracing``)."""
    return False


def script(obj: Callable, *args: object, **kwargs: object) -> Callable:
    """The function, class or module itself, which is compiled when it is hot (``torch.jit.script``).

    >>> import kuai as torch
    >>> @torch.jit.script
    ... def double(x):
    ...     return x * 2
    >>> double(torch.tensor(3))
    tensor(6)
    """
    return obj


def script_if_tracing(fn: Callable) -> Callable:
    """The function itself (``torch.jit.script_if_tracing``).

    >>> import kuai as torch
    >>> torch.jit.script_if_tracing(abs)(-1)
    1
    """
    return fn


_script_if_tracing = script_if_tracing


def ignore(fn: object = None, *, drop: bool = False, drop_on_export: bool = False) -> object:
    """The function itself (``torch.jit.ignore``).

    >>> import kuai as torch
    >>> torch.jit.ignore(lambda x: -x)(1)
    -1
    """
    return fn if callable(fn) else lambda f: f


def unused(fn: Callable) -> Callable:
    """The function itself (``torch.jit.unused``).

    >>> import kuai as torch
    >>> torch.jit.unused(lambda x: -x)(1)
    -1
    """
    return fn


def export(fn: Callable) -> Callable:
    """The function itself (``torch.jit.export``).

    >>> import kuai as torch
    >>> torch.jit.export(lambda x: -x)(1)
    -1
    """
    return fn


def interface(cls: type) -> type:
    """The class itself (``torch.jit.interface``)."""
    return cls


def _overload(fn: Callable) -> Callable:
    """The function itself: it says what types a script would take."""
    return fn


_overload_method = _overload


def annotate(the_type: object, value: object) -> object:
    """The value itself (``torch.jit.annotate``).

    >>> import kuai as torch
    >>> torch.jit.annotate(int, 3)
    3
    """
    return value


def trace(func: Callable, *args: object, **kwargs: object) -> Callable:
    """Not there: it would freeze the control flow of one call, which recording does without being asked."""
    raise NotImplementedError("torch.jit.trace: kuai has no script format; call the function itself, it is compiled when hot")


def trace_module(mod: object, inputs: dict, *args: object, **kwargs: object) -> object:
    """Not there, as `trace`."""
    raise NotImplementedError("torch.jit.trace_module: kuai has no script format; call the module itself, it is compiled when hot")


def save(m: object, f: object, _extra_files: dict | None = None) -> None:
    """Not there: no object here is a script. ``torch.save`` of the state_dict keeps a model's weights."""
    raise NotImplementedError("torch.jit.save: kuai has no script format; save the state_dict with torch.save")


class TracerWarning(Warning):
    """PyTorch's warnings while it traces (``torch.jit.TracerWarning``): nothing is traced, so none are given."""


def load(f: object, map_location: object = None, **options: object) -> object:
    """Not there: a TorchScript archive holds code. Its tensors are read by ``torch.load``."""
    raise NotImplementedError("torch.jit.load: kuai runs no code from files; torch.load(f) gives the archive's tensors")


class ScriptModule:
    """PyTorch's class of scripted modules: no object here is one."""


class ScriptFunction:
    """PyTorch's class of scripted functions: no object here is one."""


class optimized_execution:
    """Accepted: there are no scripts to optimise (``torch.jit.optimized_execution``)."""

    def __init__(self, should_optimize: bool):
        self.should_optimize = should_optimize

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass
