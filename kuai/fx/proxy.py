"""Tracing's entrances (``torch.fx.Tracer``, ``torch.fx.symbolic_trace``): classes to derive from, which say that they cannot trace."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from ..nn import Module
from .missing import missing


class Proxy:
    """PyTorch's stand-in for a value while tracing: no object here is one (``torch.fx.Proxy``)."""

    def __init__(self, node: object, tracer: object = None):
        raise missing("Proxy")


class TracerBase:
    """What tracers have in common (``torch.fx.proxy.TracerBase``)."""


class Tracer(TracerBase):
    """The class that tracers derive from (``torch.fx.Tracer``); `trace` is not there."""

    def __init__(self, autowrap_modules: tuple[ModuleType, ...] = (), autowrap_functions: tuple[Callable, ...] = (),
                 param_shapes_constant: bool = False):  # fmt: skip
        self._autowrap_search, self._autowrap_functions = list(autowrap_modules), set(autowrap_functions)
        self.param_shapes_constant = param_shapes_constant

    def is_leaf_module(self, m: Module, module_qualified_name: str) -> bool:
        """Whether tracing would not look into a module: those of ``torch.nn``, containers apart."""
        from ..nn import Sequential

        return m.__module__.startswith(("torch.nn", "kuai.nn")) and not isinstance(m, Sequential)

    def path_of_module(self, mod: Module) -> str:
        """A module's path from ``self.root``; NameError if it is not inside."""
        for name, module in self.root.named_modules():  # type: ignore[attr-defined]
            if module is mod:
                return name
        raise NameError("module is not installed as a submodule")

    def trace(self, root: Module | Callable, concrete_args: dict | None = None) -> object:
        """Not there: see the class."""
        raise missing("Tracer.trace")


def symbolic_trace(root: Module | Callable, concrete_args: dict | None = None) -> object:
    """Not there: kuai has no symbolic tracing (``torch.fx.symbolic_trace``)."""
    raise missing("symbolic_trace")

