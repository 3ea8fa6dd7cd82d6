"""What modules say when something is wrong: the path of the layer that failed, and what was not registered."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

from ..tensor import Tensor
from .parameter import Parameter

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


# ---- what was not registered -----------------------------------------------------------------------------------------


def warn_unregistered(owner: Module, name: str, values: list | tuple | dict) -> None:
    """Warn of modules or parameters in a plain list, tuple or dictionary: they would be neither trained nor saved."""
    items: Iterable = values.items() if isinstance(values, dict) else enumerate(values)
    for key, value in islice(items, 1000):
        if _is_own(value) and not _is_known(owner, value):
            _warn(owner, name, type(values).__name__, key, value)
            return


def _is_own(value: object) -> bool:
    from .module import Module

    return isinstance(value, (Module, Parameter))


def _is_known(owner: Module, value: object) -> bool:
    known = owner.parameters() if isinstance(value, Parameter) else owner.modules()
    return any(value is k for k in known)


def _warn(owner: Module, name: str, kind: str, key: object, value: object) -> None:
    what = "Parameter" if isinstance(value, Parameter) else "Module"
    container = f"nn.{what}Dict" if kind == "dict" else f"nn.{what}List"
    warnings.warn(
        f"{type(owner).__name__}.{name} is a {kind} that holds {type(value).__name__} at [{key!r}], which is not registered by "
        f"that: parameters(), to() and state_dict() do not see it. Make it {container}({name}), or register it under a name of "
        "its own before.",
        stacklevel=4,
    )
