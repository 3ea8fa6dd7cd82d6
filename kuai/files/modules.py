"""Whole modules, optimizers and the like in files: their classes by name, and what they hold as data. No constructor runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from types import FunctionType
from typing import Any

from ..subclasses import plain
from ..torch_names import module_of


def named(value: object) -> tuple[str, str] | None:
    """The name under which a function that layers keep goes into a file; None for anything else."""
    if isinstance(value, FunctionType):
        name = value.__name__
        for place in _PLACES:
            there = getattr(import_module(f"kuai.{place}"), name, None)
            if there is not None and plain(there) is plain(value):
                return f"torch.{place}", name
    return None


def find(module: str, name: str) -> object | None:
    """What a file names of PyTorch's: a class of kuai's modules, or a function of layers."""
    if module.partition(".")[0] != "torch":
        return None
    place = "nn.functional" if (module, name) in _FUNCTIONS else module[6:]
    if place in _PLACES:
        found = getattr(import_module(f"kuai.{place}"), name, None)
        return found if isinstance(found, FunctionType) else None
    import_module("kuai.nn.modules")
    there = sys.modules.get(f"kuai{module[5:]}")
    found = None if there is None else vars(there).get(name)  # a lazy module may import for getattr
    if isinstance(found, type) and is_class(found):
        return found
    return next((cls for cls in _ours() if torch_name(cls) == (module, name)), None)


def torch_name(cls: type) -> tuple[str, str]:
    """The module and name of PyTorch's that stand for one of kuai's classes in a file."""
    name = cls.__qualname__
    place = "torch" if getattr(sys.modules["kuai"], name, None) is cls else f"torch{cls.__module__[4:]}"
    return module_of(cls) or place, name


def kinds() -> tuple[type, ...]:
    """The classes of kuai's whose objects, and those of the classes that derive from them, are read whole."""
    from ..distributions import Distribution
    from ..nn.module import Module
    from ..nn.utils.rnn import PackedSequence
    from ..optim import Optimizer
    from ..optim.lr_scheduler import LRScheduler
    from ..return_types import Fields
    from ..utils.data import Dataset

    return Module, Optimizer, LRScheduler, Dataset, Distribution, PackedSequence, Fields


def _ours() -> Iterator[type]:
    """kuai's classes of these kinds."""
    pending = list(kinds())
    while pending:
        cls = pending.pop()
        pending.extend(type.__subclasses__(cls))
        if cls.__module__.partition(".")[0] == "kuai":
            yield cls


def is_class(value: type) -> bool:
    """Whether a class is one of modules."""
    from ..nn.module import Module

    return issubclass(value, Module)


def whole(value: Any, state: Any) -> Any:
    """What goes into a file as an object's state: of a module, all that PyTorch's has."""
    return value._whole_state(state) if is_class(type(value)) and isinstance(state, dict) else state


# What PyTorch calls functions that it has written in C++ and its layers keep.
_FUNCTIONS = frozenset([("torch._C._nn", "gelu"), ("torch", "relu"), ("torch", "tanh"), ("torch", "sigmoid")])
_PLACES = ("nn.functional", "nn.init")  # whose functions layers keep, and programs hand over
