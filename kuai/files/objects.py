"""The program's own objects in files: their classes by name, and what they hold as data.

A file names only what the program has imported already, and no constructor is called. An object is made by the ``__new__`` of
Python's own types and filled with its attributes. Code of a class runs for it (``__new__``, ``__setstate__``, ``__hash__`` of a
key, ``__del__`` in the end) only where the program itself defines it: the same methods of the standard library and of installed
packages open and remove files, and would do so with what a file gives them.
"""

from __future__ import annotations

import sys
from collections import OrderedDict, deque
from collections.abc import Callable
from enum import Enum, Flag
from functools import partial
from types import FunctionType, MemberDescriptorType, ModuleType
from typing import Any

from ..return_types import Fields
from ..subclasses import plain
from . import modules, registry, standard
from .errors import FileError, RefusedError, shown

_HOLDERS = frozenset([tuple, list, dict, set, frozenset, bytearray, OrderedDict])
_VALUES = frozenset([int, float, complex, str, bytes, tuple, frozenset])
_PACKAGES = ("site-packages", "dist-packages")
# What runs when an object is made and filled, when isinstance looks at it (proxies have a __class__ that calls), and in its end.
_RUN = ("__new__", "__setstate__", "__class__", "__getattribute__", "__del__")


# ---- names -----------------------------------------------------------------------------------------------------------


def named(value: Any, name: str) -> tuple[str, str] | None:
    """The module and name under which a file finds a class, a function or a constant again; None if nothing leads to it."""
    place = getattr(value, "__module__", None) or _search(value, name)
    found: Any = sys.modules.get(place)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not value and plain(found) is not plain(value):
        return None
    if place.partition(".")[0] != "kuai":
        return place, name
    return modules.torch_name(value) if isinstance(value, type) else (f"torch{place[4:]}", name)


def _search(value: object, name: str) -> str:
    """The module that has a value which doesn't say where it is from, as Ellipsis and NumPy's ufuncs do not."""
    loaded = list(sys.modules.items())
    return next((place for place, module in loaded if isinstance(module, ModuleType) and vars(module).get(name) is value), "")


def holder(value: Any, name: str) -> Any:
    """The class around a class or function whose name has dots."""
    found: Any = sys.modules[value.__module__]
    for part in name.split(".")[:-1]:
        found = getattr(found, part)
    return found


def find(module: str, name: str) -> object | None:
    """What the program has under a name that a file gives, if a file may name it. Nothing is imported, not even by a lazy package."""
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = vars(found).get(part) if isinstance(found, (ModuleType, type)) else None
    if isinstance(found, type):
        known = standard.is_plain(found) or issubclass(found, Enum) or _owner(found) in ("program", "package")
        return found if known else None
    return found if isinstance(found, FunctionType) and _owner(found) == "program" else None


def member(holder: object, name: object) -> object:
    """What ``getattr`` of a class is in a file: a member of an Enum, or a class inside of the class."""
    if isinstance(holder, type) and type(name) is str:
        if issubclass(holder, Enum) and name in holder.__members__:
            return holder.__members__[name]
        found = vars(holder).get(name)
        if isinstance(found, type) and find(found.__module__, found.__qualname__) is found:
            return found
    raise RefusedError(f"the file asks for attribute {shown(name)} of {shown(holder, 80)}; members of an Enum and nested classes are given")


def enum_member(cls: type[Enum], value: object) -> Enum:
    """The member of an Enum with this value; the class's own way to find one for other values is not asked."""
    for found in cls.__members__.values():
        if type(found._value_) is type(value) and found._value_ == value:
            return found
    if issubclass(cls, Flag) and type(value) is int:
        return Flag._missing_.__func__(cls, value)  # type: ignore[attr-defined]
    raise FileError(f"damaged checkpoint: {shown(value)} is no value of {cls.__qualname__}")


def _owner(value: Any) -> str:
    """Who defines a class or function: the program, an installed package, kuai or the standard library; "" if nobody is known."""
    place = value.__module__
    top = place.partition(".")[0] if isinstance(place, str) else ""
    if top in sys.stdlib_module_names:
        return "standard"
    if top in ("kuai", "torch"):
        return "kuai"
    if place == "__main__":
        return "program"
    file = getattr(sys.modules.get(place), "__file__", None)
    if not isinstance(file, str):
        return ""
    return "package" if any(folder in file for folder in _PACKAGES) else "program"


# ---- making ----------------------------------------------------------------------------------------------------------


def is_made(cls: object) -> bool:
    """Whether objects of a class are made from a file without code of a stranger."""
    if not isinstance(cls, type) or issubclass(cls, (Enum, type)):
        return False
    if cls in standard.HOLDERS:
        return True
    if _owner(cls) == "kuai":
        return issubclass(cls, modules.kinds())
    return _owner(cls) in ("program", "package") and all(_is_known(cls, name) for name in _RUN)


def _is_known(cls: type, name: str) -> bool:
    """Whether a method is absent, Python's own or a dataclass's, kuai's, or the program's."""
    definer = _definer(cls, name)
    if definer is None or definer is object or definer in _VALUES | _HOLDERS or definer in standard.BASES:
        return True
    if _owner(definer) in ("program", "kuai"):
        return _owner(definer) == "program" or issubclass(definer, modules.kinds())
    method = vars(definer)[name]
    return _is_named_tuple(definer) if name == "__new__" else getattr(method, "__module__", None) == "dataclasses"


def is_key(cls: type) -> bool:
    """Whether hashing and comparing objects of a class, as a dictionary does with its keys, runs no code of a package's."""
    return all(_is_trusted_key(_definer(cls, name), name) for name in ("__hash__", "__eq__"))


def _is_trusted_key(definer: Any, name: str) -> bool:
    if _owner(definer) in ("program", "kuai", "standard") or definer.__module__ == "numpy":
        return True
    code = getattr(vars(definer)[name], "__code__", None)
    return "__dataclass_params__" in vars(definer) and getattr(code, "co_filename", "") == "<string>"  # which dataclasses has written


def _definer(cls: type, name: str) -> type | None:
    return next((base for base in cls.__mro__ if name in vars(base)), None)


def _is_named_tuple(cls: type) -> bool:
    return issubclass(cls, tuple) and isinstance(vars(cls).get("_fields"), tuple)


def maker(cls: type) -> Callable | None:
    """What makes a value of the standard library's, or of the program's class that derives from a container of it."""
    exact = standard.MAKERS.get(cls)
    if exact is not None or not is_made(cls):
        return exact
    if issubclass(cls, Fields):
        return _fields
    return next((standard.BASES[base] for base in cls.__mro__ if base in standard.BASES), None)


def _fields(host: object, cls: type[Fields], values: Any, names: object = None) -> Fields:
    """What a function of several results returned."""
    if type(values) is not tuple or len(values) != cls.n_fields:
        raise FileError(f"damaged checkpoint: the fields of a {cls.__qualname__}")
    return tuple.__new__(cls, values)


def make(cls: Any, args: tuple) -> object:
    """An object of a class for which `is_made`, without its constructor."""
    definer: Any = _definer(cls, "__new__")
    if _is_named_tuple(definer):
        if len(args) != len(definer._fields):
            raise FileError(f"damaged checkpoint: {len(args)} values for the {len(definer._fields)} of a {cls.__qualname__}")
        return tuple.__new__(cls, args)
    if definer in _VALUES and args:
        if len(args) != 1 or type(args[0]) is not definer:
            raise FileError(f"damaged checkpoint: a {cls.__qualname__} is made of one {definer.__name__}")
    elif args and _owner(definer) not in ("program", "kuai"):
        raise RefusedError(f"the file makes a {cls.__qualname__} with arguments, and its class has no __new__ of the program's")
    return definer.__new__(cls, *args)


def fill(instance: Any, state: Any) -> None:
    """Gives an object its state: by its class's ``__setstate__``, or its attributes and slots."""
    cls = type(instance)
    setter = getattr(cls, "__setstate__", None)
    if setter is not None:
        setter(instance, state)
        return
    attributes, slots = state if type(state) is tuple and len(state) == 2 else (state, None)
    for name, value in _attributes(cls, attributes):
        vars(instance)[name] = value
    for name, value in _attributes(cls, slots):
        slot = getattr(cls, name, None)
        if not isinstance(slot, MemberDescriptorType):
            raise RefusedError(f"the file sets {shown(name)} of a {cls.__qualname__}, which is no slot of it")
        slot.__set__(instance, value)


def _attributes(cls: type, state: Any) -> list[tuple[str, Any]]:
    pairs = [] if state is None else list(dict.items(state))
    if any(type(name) is not str for name, _ in pairs):
        raise FileError(f"damaged checkpoint: the attributes of a {cls.__qualname__}")
    return pairs


def is_container(target: Any, kinds: tuple[type, ...]) -> bool:
    """Whether a file may fill a list or a dictionary of another class, by Python's own methods."""
    kind = (deque, list) if list in kinds else dict if dict in kinds else ()
    return isinstance(target, kind) and (type(target) in standard.BASES or is_made(type(target)))


def is_function(value: object) -> bool:
    """Whether a file may hand a value on to be called later, with arguments of the file's: a function or class of the program's, a
    module, a plain class, or partial of one. Constructors of packages start processes.
    """
    if isinstance(value, type):
        return _owner(value) != "package" or modules.is_class(value) or registry.is_trusted(value)
    return isinstance(value, (FunctionType, partial)) or modules.is_class(type(value))


def refusal(module: str, name: str) -> str:
    """What is said of a name that is not found, with ``weights_only=False``."""
    full, top = f"{module}.{name}", module.partition(".")[0]
    if module not in sys.modules and top not in sys.stdlib_module_names and top != "torch":
        return f"the file names {full}, and nothing is imported because a file says so: import {module} first, then load again"
    return (
        f"the file names {full}, which is no class of the program's and no plain value, and nothing in a file is executed. "
        f"If you trust {full}, call torch.serialization.add_safe_globals([...]) with it"
    )
