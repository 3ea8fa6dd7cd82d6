"""TorchScript archives: the tensors that a program carries, by the names of the attributes that lead to them.

The program itself (``code/``) is never looked at.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from . import tensors
from .allowed import Host, full_name, refusal
from .errors import FileError, RefusedError
from .unpickler import Unpickler
from .zipread import ZipReader

_LISTS = ("build_intlist", "build_doublelist", "build_boollist", "build_tensorlist")


class ScriptObject:
    """An object of a class that the archive's program defines: its attributes only."""

    def __init__(self) -> None:
        self.state: Any = None


class ScriptHost(Host):
    """Knows the classes of TorchScript programs as plain holders of attributes."""

    def find_global(self, module: str, name: str) -> object:
        if module.split(".")[0] == "__torch__":
            return ScriptObject
        if module == "torch.jit._pickle":
            return _jit_function(name)
        return super().find_global(module, name)

    def call(self, function: object, args: tuple) -> object:
        if function is ScriptObject:
            return ScriptObject()
        return function(*args) if function in (_same, _first) else super().call(function, args)

    def new(self, cls: object, args: tuple) -> object:
        return ScriptObject() if cls is ScriptObject else super().new(cls, args)

    def build(self, instance: object, state: object) -> None:
        if type(instance) is ScriptObject:
            instance.state = state
        else:
            super().build(instance, state)


def _same(items: list) -> list:
    return items


def _first(value: object, *rest: object) -> object:
    return value


def _jit_function(name: str) -> Callable:
    if name in _LISTS:
        return _same
    if name == "restore_type_tag":
        return _first
    raise RefusedError(refusal("{}.{}".format(*full_name("torch.jit._pickle", name))))


def prefix(archive: ZipReader) -> str:
    """Where the storages of data.pkl lie: in data/ now, in tensors/ once."""
    return "data/" if any(name.startswith("data/") for name in archive.entries) else "tensors/"


def load(archive: ZipReader, storages: Callable, map_location: object) -> OrderedDict:
    """The tensors of the archive's root object, by dotted names, as a state_dict has them."""
    if "data.pkl" not in archive.entries:
        raise FileError("load: a TorchScript archive without data.pkl")
    data = archive.read("data.pkl")
    root = Unpickler(io.BytesIO(data), ScriptHost(storages, map_location), len(data)).load()
    return _flatten(root)


def _flatten(root: object) -> OrderedDict:
    found: OrderedDict = OrderedDict()
    pending: list[tuple[str, object]] = [("", root)]
    seen: set[int] = set()
    while pending:
        name, value = pending.pop()
        if tensors.is_tensor(value):
            found[name] = value
        elif id(value) not in seen:
            seen.add(id(value))
            parts = [(f"{name}.{k}" if name else str(k), v) for k, v in _children(value)]
            pending.extend(reversed(parts))
    return found


def _children(value: object) -> list[tuple[object, object]]:
    if type(value) is ScriptObject:
        value = value.state
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    return []
