"""What of ``torch.fx`` programs name without tracing. Symbolic tracing itself is not there, and says so.

>>> import kuai as torch
>>> @torch.fx.wrap
... def leaf(x): return x
>>> leaf(3)
3
"""

from __future__ import annotations

from collections.abc import Callable

from . import graph_module as graph_module
from . import node as node
from . import proxy as proxy
from .graph import Graph as Graph
from .graph import Interpreter as Interpreter
from .graph import Transformer as Transformer
from .graph_module import GraphModule as GraphModule
from .node import Node as Node
from .proxy import Proxy as Proxy
from .proxy import Tracer as Tracer
from .proxy import symbolic_trace as symbolic_trace

__all__ = ["Graph", "GraphModule", "Interpreter", "Node", "Proxy", "Tracer", "Transformer", "symbolic_trace", "wrap"]


def wrap(fn_or_name: Callable | str) -> Callable | str:
    """Mark a function that tracing would not look into; gives it back (``torch.fx.wrap``).

    RuntimeError for what is neither a function nor a name.
    """
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError("Unsupported type for global function! Must be either a callable or string name")
    return fn_or_name
