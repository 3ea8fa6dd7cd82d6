"""Scripted and traced modules (``torch.jit.ScriptModule``): Python's own, which share parameters with the modules they are made of."""

from __future__ import annotations

import warnings
from typing import Any, NoReturn

from ..files import checkpoint
from ..nn import Module


def _no_script(what: str) -> NoReturn:
    raise NotImplementedError(f"torch.jit: a module has no {what} here: Python runs it; torch.fx.symbolic_trace gives a graph")


class ScriptModule(Module):
    """The class of scripted modules, to be derived from too (``torch.jit.ScriptModule``).

    >>> import kuai as torch
    >>> class Double(torch.jit.ScriptModule):
    ...     @torch.jit.script_method
    ...     def forward(self, x):
    ...         return x * 2
    >>> Double()(torch.ones(1))
    tensor([2.])
    """

    @property
    def original_name(self) -> str:
        """The name of the class that was scripted."""
        return _plain(type(self)).__name__

    @property
    def code(self) -> str:
        """NotImplementedError: a script's text."""
        _no_script("code")

    @property
    def graph(self) -> Any:
        """NotImplementedError: a script's graph."""
        _no_script("graph")

    def save(self, f: Any, _extra_files: dict | None = None) -> None:
        """Write the module to a file: `torch.jit.save`."""
        save(self, f, _extra_files)

    def extra_repr(self) -> str:
        return f"original_name={self.original_name}"


class RecursiveScriptModule(ScriptModule):
    """What `torch.jit.script` makes of a module."""

    def _get_name(self) -> str:
        return "RecursiveScriptModule"


class TopLevelTracedModule(ScriptModule):
    """What `torch.jit.trace` makes of a module."""

    def _get_name(self) -> str:
        return self.original_name


class ScriptFunction:
    """PyTorch's class of scripted functions: no object here is one, functions stay themselves."""


_classes: dict[tuple[type, type], type] = {}


def _derived(kind: type, cls: type) -> type:
    if (kind, cls) not in _classes:
        _classes[kind, cls] = type(kind.__name__, (kind, cls), {"__module__": kind.__module__, "_scripted_class": cls})
    return _classes[kind, cls]


def _plain(cls: type) -> type:
    """The class that was scripted."""
    return getattr(cls, "_scripted_class", cls)


def _converted(module: Module, memo: dict[Module, Module], cls: Any) -> Module:
    """A module of another class, and so the modules in it; parameters and buffers are shared."""
    if module not in memo:
        made: Any = object.__new__(cls(module))
        memo[module] = made
        made.__dict__.update(module.__dict__)
        for table in ("_parameters", "_buffers"):
            made.__dict__[table] = dict(module.__dict__[table])
        made.__dict__["_modules"] = {n: m and _converted(m, memo, cls) for n, m in module._modules.items()}
    return memo[module]


def scripted(module: Module, kind: type[ScriptModule]) -> Module:
    """The module as one of ``kind``, which shares its parameters; itself if it is a `ScriptModule` already."""
    if isinstance(module, ScriptModule):
        return module
    return _converted(module, {}, lambda m: type(m) if isinstance(m, ScriptModule) else _derived(kind, type(m)))


def original(module: Module) -> Module:
    """The module as one of the class that was scripted."""
    return _converted(module, {}, lambda m: _plain(type(m)))


def save(m: Any, f: Any, _extra_files: dict | None = None) -> None:
    """Write a `ScriptModule` to a file that `load` reads where its class is imported (``torch.jit.save``).

    The file has the module and no code: PyTorch reads the weights in it by ``torch.load``, and does not run it.
    """
    if _extra_files:
        raise NotImplementedError("torch.jit.save: kuai's files have no place for _extra_files; write them beside the module")
    if not isinstance(m, ScriptModule):
        raise AttributeError(f"torch.jit.save: needs what torch.jit.script or trace gave, got {type(m).__name__}")
    checkpoint.save(original(m), f)


def load(f: Any, map_location: object = None, _extra_files: dict | None = None, _restore_shapes: bool = False) -> Any:
    """Read a module that `save` wrote; its class must be imported (``torch.jit.load``).

    NotImplementedError for PyTorch's own archives, which hold code: ``torch.load`` gives the tensors in them.
    """
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # of archives, which are refused
        found = checkpoint.load(f, map_location=map_location, weights_only=False)
    if not isinstance(found, Module):
        raise NotImplementedError("torch.jit.load: kuai runs no code from files; torch.load(f) gives the archive's tensors")
    return scripted(found, RecursiveScriptModule)
