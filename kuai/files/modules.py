"""Whole modules in files: their classes by name, and what they hold as data. No constructor runs, and no file imports anything."""

from __future__ import annotations

import sys
from importlib import import_module
from types import FunctionType
from typing import Any

from ..subclasses import plain


def named(value: object) -> tuple[str, str] | None:
    """The name under which a function that layers keep goes into a file; None for anything else."""
    if isinstance(value, FunctionType):
        name = value.__name__
        there = getattr(_functional(), name, None)
        return ("torch.nn.functional", name) if there is not None and plain(there) is plain(value) else None
    return None


def find(module: str, name: str) -> object | None:
    """What a file names of PyTorch's: a class of kuai's modules, or a function of layers."""
    if (module, name) in _FUNCTIONS or module == "torch.nn.functional":
        found = getattr(_functional(), name, None)
        return found if isinstance(found, FunctionType) else None
    if module.partition(".")[0] != "torch":
        return None
    import_module("kuai.nn.modules")
    found = getattr(sys.modules.get(f"kuai{module[5:]}"), name, None)
    return found if isinstance(found, type) and is_class(found) else None


def is_class(value: type) -> bool:
    """Whether a class is one of modules."""
    from ..nn.module import Module

    return issubclass(value, Module)


def whole(value: Any, state: Any) -> Any:
    """What goes into a file as an object's state: of a module, all that PyTorch's has."""
    return value._whole_state(state) if is_class(type(value)) and isinstance(state, dict) else state


# What PyTorch calls functions that it has written in C++ and its layers keep.
_FUNCTIONS = frozenset([("torch._C._nn", "gelu"), ("torch", "relu"), ("torch", "tanh"), ("torch", "sigmoid")])


def _functional() -> Any:
    from ..nn import functional

    return functional
