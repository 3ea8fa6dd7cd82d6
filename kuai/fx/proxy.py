"""Stand-ins for values while a function is traced (``torch.fx.Proxy``): what is done to them becomes nodes."""

from __future__ import annotations

import copy
import dis
import enum
import inspect
import operator
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import partialmethod
from typing import Any

from ..utils._pytree import tree_leaves
from .code import MAGIC, REFLECTABLE
from .graph import Graph
from .names import public_name
from .node import Argument, Node, Target, base_types, map_arg


class TraceError(ValueError):
    """What a program does with a stand-in cannot be known without its value."""


class Scope:
    """The path and the class of the module that is being traced."""

    def __init__(self, module_path: str, module_type: Any):
        self.module_path, self.module_type = module_path, module_type


class ScopeContextManager:
    """Within it a scope is another one."""

    def __init__(self, scope: Scope, current_scope: Scope):
        self._scope, self._before = scope, copy.copy(scope)
        scope.module_path, scope.module_type = current_scope.module_path, current_scope.module_type

    def __enter__(self) -> Scope:
        return self._scope

    def __exit__(self, *error: object) -> None:
        self._scope.module_path, self._scope.module_type = self._before.module_path, self._before.module_type


class TracerBase:
    """What tracers have in common: they make nodes and stand-ins (``torch.fx.proxy.TracerBase``)."""

    graph: Graph
    record_stack_traces = False
    check_mutable_operations = False
    trace_asserts = False
    proxy_buffer_attributes = False
    traced_func_name = "forward"
    scope: Scope
    module_stack: OrderedDict
    node_name_to_scope: dict[str, tuple[str, Any]]

    def create_node(self, kind: str, target: Target, args: tuple, kwargs: dict, name: str | None = None, type_expr: Any = None) -> Node:
        """Put a node into the graph; to be overridden to look at each."""
        node = self.graph.create_node(kind, target, args, kwargs, name, type_expr)
        self.node_name_to_scope[node.name] = self.scope.module_path, self.scope.module_type
        if self.module_stack:
            node.meta["nn_module_stack"] = copy.copy(self.module_stack)
        return node

    def proxy(self, node: Node) -> Proxy:
        """A node's stand-in."""
        return Proxy(node, self)

    def create_proxy(self, kind: str, target: Target, args: tuple, kwargs: dict, name: str | None = None, type_expr: Any = None,
                     proxy_factory_fn: Callable[[Node], Proxy] | None = None) -> Proxy:  # fmt: skip
        """Put a node into the graph, and give its stand-in."""
        node = self.create_node(kind, target, self.create_arg(args), self.create_arg(kwargs), name, type_expr)
        return (proxy_factory_fn or self.proxy)(node)

    def create_arg(self, a: Any) -> Argument:
        """What a graph holds for an argument; NotImplementedError for what it cannot."""
        if isinstance(a, Proxy):
            return a.node
        if hasattr(a, "__fx_create_arg__"):
            return a.__fx_create_arg__(self)
        if isinstance(a, tuple):
            parts = [self.create_arg(x) for x in a]
            return type(a)(*parts) if hasattr(a, "_fields") else type(a)(parts)
        if isinstance(a, list):
            return [self.create_arg(x) for x in a]
        if isinstance(a, dict):
            return {self._key(k): self.create_arg(v) for k, v in a.items()}
        if isinstance(a, (slice, range)):
            return type(a)(*(self.create_arg(x) for x in (a.start, a.stop, a.step)))
        if is_dataclass(a) and not isinstance(a, type):
            return self.create_node("call_function", type(a), (), {f.name: self.create_arg(getattr(a, f.name)) for f in fields(a)})
        if isinstance(a, (*base_types, enum.Enum, *_operator_types())) or a is None or a is ...:
            return a
        raise NotImplementedError(f"argument of type: {type(a)}")

    def _key(self, key: Any) -> Any:
        found = self.create_arg(key)
        map_arg(found, _refuse_key)
        return found

    def to_bool(self, obj: Proxy) -> bool:
        """Called where a stand-in decides what runs; TraceError unless it is overridden."""
        raise TraceError("symbolically traced variables cannot be used as inputs to control flow")

    def iter(self, obj: Proxy) -> Iterator:
        """Called where a stand-in is iterated over; TraceError unless it is overridden."""
        raise TraceError(
            "Proxy object cannot be iterated. This can be attempted when the Proxy is used in a loop or as a *args or **kwargs "
            "function argument. See the torch.fx docs on pytorch.org for a more detailed explanation of what types of control flow "
            "can be traced, and check out the Proxy docstring for help troubleshooting Proxy iteration errors"
        )

    def keys(self, obj: Proxy) -> Proxy:
        """Called for ``**`` of a stand-in."""
        return Attribute(obj, "keys")()


def _operator_types() -> tuple[type, ...]:
    from ..aten import Overload, Packet
    from ..ops.operators import Operator

    return Overload, Packet, Operator


def _refuse_key(node: Node) -> None:
    raise RuntimeError(f"Keys for dictionaries used as an argument cannot contain a Node. Got key: {node}")


class GraphAppendingTracer(TracerBase):
    """Appends to a graph what is done to stand-ins of its nodes (``torch.fx.proxy.GraphAppendingTracer``)."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.scope, self.module_stack, self.node_name_to_scope = Scope("", None), OrderedDict(), {}


class Proxy:
    """Stands for a node's result while a function runs (``torch.fx.Proxy``).

    Functions, methods and operators on it become nodes. One for a node of one's own appends to that node's graph.

    >>> import kuai as torch
    >>> graph = torch.fx.Graph()
    >>> x = torch.fx.Proxy(graph.placeholder("x"))
    >>> (torch.relu(x) + 1).node, [n.name for n in graph.nodes]
    (add, ['x', 'relu', 'add'])
    """

    def __init__(self, node: Node, tracer: TracerBase | None = None):
        _ask_stand_ins()
        self.tracer = GraphAppendingTracer(node.graph) if tracer is None else tracer
        self.node = node

    def __repr__(self) -> str:
        return f"Proxy({self.node.name})"

    def __getattr__(self, name: str) -> Attribute:
        return Attribute(self, name)

    def __getstate__(self) -> dict:
        return self.__dict__

    def __setstate__(self, state: dict) -> None:
        self.__dict__ = state

    def __deepcopy__(self, memo: dict) -> Proxy:
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        return made

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", "__call__", (self, *args), kwargs)

    def __iter__(self) -> Iterator:
        """Its parts where a statement says how many there are, ``a, b = x``; else as the tracer says."""
        frame = sys._getframe(1)
        now = next(i for i in dis.get_instructions(frame.f_code) if i.offset == frame.f_lasti)
        if now.opname == "UNPACK_SEQUENCE":
            return (self[i] for i in range(now.argval))  # type: ignore[index]
        return self.tracer.iter(self)

    def __abs__(self) -> Proxy:
        return self.tracer.create_proxy("call_function", operator.abs, (self,), {})

    def __bool__(self) -> bool:
        if self.tracer.trace_asserts and _in_assert(sys._getframe(1)):
            self.tracer.create_proxy("call_function", assert_fn, (self,), {})
            return True
        return self.tracer.to_bool(self)

    def __len__(self) -> int:
        raise RuntimeError("'len' is not supported in symbolic tracing by default. If you want this call to be recorded, please call "
                           "torch.fx.wrap('len') at module scope")  # fmt: skip

    def keys(self) -> Proxy:
        """Its keys, as the tracer says."""
        return self.tracer.keys(self)

    @classmethod
    def __torch_function__(cls, orig_method: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Proxy:
        tracers = {p.tracer: None for p in tree_leaves((args, kwargs or {})) if isinstance(p, Proxy)}
        if len(tracers) > 1:
            raise RuntimeError(f"Found multiple different tracers {list(tracers)} while trying to trace operations {orig_method}")
        tracer = next(iter(tracers))
        if _is_method(orig_method):
            return tracer.create_proxy("call_method", orig_method.__name__, args, kwargs or {})
        name = tracer.graph._target_to_str(orig_method.__name__)
        return tracer.create_proxy("call_function", orig_method, *_passed(orig_method, args, kwargs or {}), name=name)

    def _function(self, name: str, *others: Any) -> Proxy:
        return self.tracer.create_proxy("call_function", getattr(operator, name), (self, *others), {})

    def _reflected(self, name: str, left: Any) -> Proxy:
        return self.tracer.create_proxy("call_function", getattr(operator, name), (left, self), {})


def _is_method(func: Callable) -> bool:
    from .. import subclasses
    from ..overrides import is_tensor_method_or_property

    return func in subclasses.asked_methods or is_tensor_method_or_property(func) and func not in subclasses.active.values()


def _passed(func: Callable, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """A call's arguments as PyTorch's functions in Python hand them on: all those with a default by name."""
    if func.__name__ == "einsum" and len(args) == 2 and isinstance(args[1], (tuple, list)):
        return (args[0], *args[1]), kwargs
    if not (public_name(func) or "").startswith("torch.nn.functional."):
        return args, kwargs
    bound = inspect.signature(func).bind(*args, **kwargs)
    bound.apply_defaults()
    needed = [n for n, p in bound.signature.parameters.items() if p.default is p.empty]
    return tuple(bound.arguments[n] for n in needed), {n: v for n, v in bound.arguments.items() if n not in needed}


def _ask_stand_ins() -> None:
    """Let public functions ask their arguments, from the first stand-in on."""
    from .. import overrides  # noqa: F401


def assert_fn(x: object) -> None:
    """AssertionError unless something holds: what an assert statement is traced as."""
    if not x:
        raise AssertionError("Assertion failed")


def _in_assert(frame: Any) -> bool:
    """Whether a frame asks for a truth value in an assert statement."""
    steps = list(dis.get_instructions(frame.f_code))
    at = next(i for i, s in enumerate(steps) if s.offset == frame.f_lasti)
    return "JUMP" in steps[at].opname and "TRUE" in steps[at].opname and steps[at + 1].opname == "LOAD_ASSERTION_ERROR"


for _name in MAGIC:
    if hasattr(operator, _name):
        setattr(Proxy, f"__{_name.strip('_')}__", partialmethod(Proxy._function, _name))
for _name in REFLECTABLE:
    if hasattr(operator, _name):
        setattr(Proxy, f"__r{_name.strip('_')}__", partialmethod(Proxy._reflected, _name))
Proxy.__hash__ = object.__hash__  # type: ignore[method-assign]  # although == makes a node


class Attribute(Proxy):
    """An attribute of a stand-in: a node only if it is used otherwise than as a method (``torch.fx.proxy.Attribute``)."""

    def __init__(self, root: Proxy, attr: str):
        self.root, self.attr, self.tracer = root, attr, root.tracer
        self._node: Node | None = None

    @property
    def node(self) -> Node:  # type: ignore[override]
        """The node that reads the attribute."""
        if self._node is None:
            self._node = self.tracer.create_proxy("call_function", getattr, (self.root, self.attr), {}).node
        return self._node

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", self.attr, (self.root, *args), kwargs)


class ParameterProxy(Proxy):
    """A parameter's stand-in, which knows its shape (``torch.fx.proxy.ParameterProxy``)."""

    def __init__(self, tracer: TracerBase, node: Node, name: str, param: Any):
        super().__init__(node, tracer)
        self.param, self.name = param, name

    def __repr__(self) -> str:
        return f"ParameterProxy({self.name})"

    @property
    def shape(self) -> Any:
        """The parameter's."""
        return self.param.shape

    @property
    def ndim(self) -> int:
        """The parameter's."""
        return self.param.ndim

    def size(self) -> Any:
        """The parameter's."""
        return self.param.size()

    def dim(self) -> int:
        """The parameter's."""
        return self.param.dim()

    def numel(self) -> int:
        """The parameter's."""
        return self.param.numel()

    nelement = numel
