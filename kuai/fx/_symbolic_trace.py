"""PyTorch's file of tracing (``torch.fx._symbolic_trace``), for packages that write a `Tracer.trace` of their own from its parts."""

from __future__ import annotations

import functools as functools
from collections.abc import Callable
from types import FunctionType as FunctionType
from typing import Any

from ..nn import Module
from ._compatibility import compatibility as compatibility
from .graph import Graph as Graph
from .graph_module import GraphModule as GraphModule
from .patching import Patcher, find_proxy, recording
from .patching import wrap as wrap
from .proxy import ParameterProxy as ParameterProxy
from .proxy import Proxy as Proxy
from .proxy import Scope as Scope
from .proxy import ScopeContextManager as ScopeContextManager
from .proxy import TracerBase as TracerBase
from .tracer import PH as PH
from .tracer import PHBase as PHBase
from .tracer import PHWithMeta as PHWithMeta
from .tracer import ProxyableClassMeta as ProxyableClassMeta
from .tracer import Tracer as Tracer
from .tracer import is_fx_tracing as is_fx_tracing
from .tracer import symbolic_trace as symbolic_trace

_orig_module_call, _orig_module_getattr = Module.__call__, Module.__getattr__
_find_proxy, _create_wrapped_func = find_proxy, recording


class ScriptObject:
    """PyTorch's objects in C++: no object here is one."""


class _Patcher(Patcher):
    """`Patcher` with the arguments that PyTorch's takes."""

    def patch_method(self, cls: type, name: str, new_fn: Callable, deduplicate: bool = True) -> None:
        """Let a class's method be another function; once for each if ``deduplicate``."""
        if name in vars(cls):
            super().patch_method(cls, name, new_fn)
        else:
            self.undo.append(lambda: delattr(cls, name))
            setattr(cls, name, new_fn)


def _autowrap_check(patcher: Patcher, frame_dict: dict[str, Any], function_ids: set[int]) -> None:
    """Record the calls of functions, by their ids, that a module knows by a name."""
    patcher.record_listed(frame_dict, function_ids)


def _patch_wrapped_functions(patcher: Patcher) -> None:
    """Record the calls of the functions that were given to `wrap`."""
    patcher.record_wrapped()
