"""Symbolic graphs of modules and functions, to be read, edited and run again (``torch.fx``).

>>> import kuai as torch
>>> traced = torch.fx.symbolic_trace(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()))
>>> print(traced.graph)
graph():
    %input_1 : [num_users=1] = placeholder[target=input]
    %_0 : [num_users=1] = call_module[target=0](args = (%input_1,), kwargs = {})
    %_1 : [num_users=1] = call_module[target=1](args = (%_0,), kwargs = {})
    return _1
"""

from __future__ import annotations

from . import _symbolic_trace as _symbolic_trace
from . import graph_module as graph_module
from . import immutable_collections as immutable_collections
from . import node as node
from . import operator_schemas as operator_schemas
from . import proxy as proxy
from . import subgraph_rewriter as subgraph_rewriter
from .code import CodeGen as CodeGen
from .graph import Graph as Graph
from .graph_module import GraphModule as GraphModule
from .interpreter import Interpreter as Interpreter
from .interpreter import Transformer as Transformer
from .node import Node as Node
from .node import has_side_effect as has_side_effect
from .node import map_arg as map_arg
from .patching import wrap as wrap
from .proxy import Proxy as Proxy
from .subgraph_rewriter import replace_pattern as replace_pattern
from .tracer import PH as PH
from .tracer import ProxyableClassMeta as ProxyableClassMeta
from .tracer import Tracer as Tracer
from .tracer import symbolic_trace as symbolic_trace

__all__ = ["CodeGen", "Graph", "GraphModule", "Interpreter", "Node", "Proxy", "ProxyableClassMeta", "Tracer", "Transformer", "map_arg",
           "replace_pattern", "symbolic_trace", "wrap"]  # fmt: skip
