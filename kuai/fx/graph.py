"""Symbolic graphs (``torch.fx.Graph``): names to refer to, which say that there are none."""

from __future__ import annotations

from .missing import missing


class Graph:
    """A symbolic graph: not there (``torch.fx.Graph``)."""

    def __init__(self, owning_module: object = None, tracer_cls: type | None = None, tracer_extras: dict | None = None):
        raise missing("Graph")


class Interpreter:
    """Runs a symbolic graph: not there (``torch.fx.Interpreter``)."""

    def __init__(self, module: object, garbage_collect_values: bool = True, graph: object = None):
        raise missing("Interpreter")


class Transformer(Interpreter):
    """Rewrites a symbolic graph: not there (``torch.fx.Transformer``)."""
