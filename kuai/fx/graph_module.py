"""Modules made of symbolic graphs (``torch.fx.GraphModule``): a class to derive from, of which no object can be made."""

from __future__ import annotations

from ..nn import Module
from .missing import missing

_USER_PRESERVED_ATTRIBUTES_KEY = "_user_preserved_attributes"


class GraphModule(Module):
    """A module made of a symbolic graph: not there (``torch.fx.GraphModule``)."""

    def __init__(self, root: object, graph: object, class_name: str = "GraphModule"):
        raise missing("GraphModule")


class _CodeOnlyModule(Module):
    def __init__(self, body: dict):
        super().__init__()
        self.__dict__ = body


def _copy_attr(from_module: Module, to_module: Module, target: str) -> None:
    """Copy an attribute by its dotted path; modules on the way are made."""
    *path, name = target.split(".")
    for part in path:
        source = getattr(from_module, part)
        there = getattr(to_module, part, None)
        if source is there:  # the rest is shared already
            return
        if there is None:
            there = Module()
            setattr(to_module, part, there)
        from_module, to_module = source, there
    value = getattr(from_module, name)
    if name in from_module._buffers:
        to_module.register_buffer(name, value)
    else:
        setattr(to_module, name, value)
