"""Functions that tracing does not look into: while a function is traced, calls of them on stand-ins are recorded (``torch.fx.wrap``)."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any

from ..utils._pytree import tree_leaves
from .proxy import Proxy

_wrapped: dict[tuple[int, str], dict[str, Any]] = {}


def wrap(fn_or_name: Callable | str) -> Callable | str:
    """Mark a function of the module that tracing does not look into; gives it back (``torch.fx.wrap``).

    RuntimeError for what is neither a function nor a name; NotImplementedError elsewhere than at a module's top level.
    """
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError("Unsupported type for global function! Must be either a callable or string name")
    frame = sys._getframe(1)
    if frame.f_code.co_name != "<module>":
        raise NotImplementedError("wrap must be called at the top level of a module")
    name = fn_or_name if isinstance(fn_or_name, str) else fn_or_name.__name__
    _wrapped[id(frame.f_globals), name] = frame.f_globals
    return fn_or_name


def find_proxy(*where: object) -> Proxy | None:
    """A stand-in among arguments."""
    return next((x for x in tree_leaves(where) if isinstance(x, Proxy)), None)


def recording(function: Callable) -> Callable:
    """The function, whose calls with stand-ins become nodes."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        proxy = find_proxy(args, kwargs)
        if proxy is None:
            return function(*args, **kwargs)
        made = proxy.tracer.create_proxy("call_function", function, args, kwargs)
        made.node.meta["is_wrapped"] = True
        return made

    call.__fx_patched__ = True  # type: ignore[attr-defined]
    return call


class Patcher:
    """Within it, names in modules and attributes of classes mean something else."""

    def __init__(self) -> None:
        self.undo: list[Callable[[], object]] = []
        self.visited: set[int] = set()

    def __enter__(self) -> Patcher:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for undo in reversed(self.undo):
            undo()

    def patch_method(self, cls: type, name: str, function: Callable) -> None:
        """Let a class's method be another function."""
        before = vars(cls)[name]
        self.undo.append(lambda: setattr(cls, name, before))
        setattr(cls, name, function)

    def record(self, names: dict[str, Any], name: str) -> None:
        """Record the calls of a function by its name in a module."""
        if name in names:
            before = names[name]
            if getattr(before, "__fx_patched__", False):
                return
            self.undo.append(lambda: names.__setitem__(name, before))
        else:
            before = getattr(builtins, name)
            self.undo.append(lambda: names.pop(name))
        names[name] = recording(before)

    def record_wrapped(self) -> None:
        """Record the calls of all functions that were given to `wrap`."""
        for (_, name), names in list(_wrapped.items()):
            self.record(names, name)

    def record_listed(self, names: dict[str, Any], functions: set[int]) -> None:
        """Record the calls of functions, by their ids, that a module knows by a name."""
        if id(names) in self.visited:
            return
        self.visited.add(id(names))
        for name, value in list(names.items()):
            if not name.startswith("_") and callable(value) and id(value) in functions:
                self.record(names, name)
