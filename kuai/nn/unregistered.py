"""Modules and parameters that lie in a plain list or dictionary, where nothing finds them: said before it matters.

A list is looked at when its module is first called, walked (parameters(), state_dict(), to()) or walked as a part of another:
what it holds may have been registered until then, under a name of its own or in another module of the network.
"""

from __future__ import annotations

import sys
import warnings
import weakref
from collections.abc import Container, Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from .parameter import Parameter

if TYPE_CHECKING:
    from .module import Module

_LOOKED_AT = 1000  # entries of a long list
_registry: dict = {}  # of warnings that were shown


class _Waiting(NamedTuple):
    """A module with plain lists: their names, and where they were set."""

    owner: weakref.ref[Any]
    places: dict[str, tuple[str, int]]


_waiting: dict[int, _Waiting] = {}  # by the modules' ids: not every module can be hashed


def note(owner: Module, name: str, values: list | tuple | dict) -> None:
    """Remember to look at a list later, if it holds modules or parameters, or may yet: one that is empty is filled by append."""
    if values == () or values and _first_own(values) is None:
        return
    entry = _waiting.get(id(owner))
    if entry is None:
        entry = _waiting[id(owner)] = _Waiting(weakref.ref(owner, lambda _, key=id(owner): _waiting.pop(key, None)), {})
        owner.__dict__["_hooked"] = True  # so that its next call comes by
    frame = sys._getframe(2)
    entry.places[name] = frame.f_code.co_filename, frame.f_lineno


def check(root: Module) -> None:
    """Warn of what the lists in a module and in the modules inside it hold, and none of these has registered."""
    if not _waiting:
        return
    modules = list(root.modules())
    noted = [_waiting.pop(id(m)) for m in modules if id(m) in _waiting]
    if not noted:
        return
    known = {*map(id, modules), *(id(p) for m in modules for p in m._parameters.values())}
    for owner, places in noted:
        _check_one(owner(), places, known)


def _check_one(owner: Any, places: dict[str, tuple[str, int]], known: set[int]) -> None:
    for name, place in places.items():
        values = owner.__dict__.get(name)
        if isinstance(values, (list, tuple, dict)):
            lost = _first_own(values, known)
            if lost is not None:
                _warn(owner, name, type(values).__name__, lost, place)


def _first_own(values: list | tuple | dict, known: Container[int] = ()) -> tuple | None:
    """The first module or parameter of a container that is not known by its id, with its place."""
    items: Iterable[tuple] = values.items() if isinstance(values, dict) else enumerate(values)
    return next(((key, v) for key, v in islice(items, _LOOKED_AT) if id(v) not in known and _is_missed(v)), None)


def _is_missed(value: object) -> bool:
    """Whether it matters that a value is not found: a parameter, or a module with a state or that acts otherwise in training."""
    from .module import Module

    if isinstance(value, Module):
        return any(m._parameters or m._buffers or _asks_for_training(m) for m in value.modules())
    return isinstance(value, Parameter)


def _asks_for_training(module: Module) -> bool:
    return "training" in getattr(getattr(type(module).forward, "__code__", None), "co_names", ())


def _warn(owner: Module, name: str, kind: str, lost: tuple, place: tuple[str, int]) -> None:
    key, value = lost
    what = "Parameter" if isinstance(value, Parameter) else "Module"
    container = f"nn.{what}Dict" if kind == "dict" else f"nn.{what}List"
    warnings.warn_explicit(
        f"{type(owner).__name__}.{name} is a {kind} that holds {type(value).__name__} at [{key!r}], which is not registered by "
        f"that: parameters(), to() and state_dict() do not see it. Make it {container}({name}), or register it under a name of "
        "its own.",
        UserWarning,
        *place,
        registry=_registry,
    )
