"""What modules say when something is wrong: the path of the layer that failed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..tensor import Tensor

if TYPE_CHECKING:
    from .module import Module


def typename(value: object) -> str:
    """The name of a value's type as error messages give it (``torch.typename``)."""
    if isinstance(value, Tensor):
        return value.type()
    cls = value if isinstance(value, type) else type(value)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


# ---- which layer -----------------------------------------------------------------------------------------------------


def add_path(error: Exception, module: Module) -> None:
    """Say in the error which layer it comes from. Every layer that it leaves on its way up makes the path longer."""
    if isinstance(error, StopIteration):
        return
    layers = error.__dict__.setdefault("_layers", [])
    if not layers:
        error.__dict__["_said"] = _rewritable(error)
    layers.insert(0, module)
    names = [_name_in_caller(module, sys._getframe(2)), *map(_name_inside, layers, layers[1:])]
    line = f"in layer {'.'.join(filter(None, names))} ({type(layers[-1]).__name__})"
    if error.__dict__["_said"] is not None:
        error.args = (f"{error.__dict__['_said']}\n  {line}",)
    else:
        error.__notes__ = [n for n in getattr(error, "__notes__", ()) if not n.startswith("in layer ")] + [line]


def _rewritable(error: Exception) -> str | None:
    """The message of a plain error, which may be added to; None for errors that carry something else."""
    plain = type(error).__module__ in ("builtins", "torch") or type(error).__module__.startswith("kuai")
    text = error.args[0] if len(error.args) == 1 else None
    return text if plain and type(text) is str and str(error) == text else None


def _name_in_caller(module: Module, frame: object) -> str:
    """What the code that called a module calls it: a variable, or an attribute of self; else its class."""
    local = frame.f_locals  # type: ignore[attr-defined]
    for scope in (local, getattr(local.get("self"), "__dict__", {}), frame.f_globals):  # type: ignore[attr-defined]
        for name, value in list(scope.items()):
            if value is module and name != "self" and not name.startswith("_"):
                return name
    return type(module).__name__


def _name_inside(outer: Module, inner: Module) -> str:
    for name, module in outer.named_modules(remove_duplicate=False):
        if module is inner:
            return name
    return type(inner).__name__
