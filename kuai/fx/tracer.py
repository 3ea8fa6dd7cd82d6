"""From a module or function to its graph (``torch.fx.Tracer``, ``torch.fx.symbolic_trace``): it runs once, on stand-ins."""

from __future__ import annotations

import copy
import inspect
import math
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from functools import wraps
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ..nn import Module, Parameter, Sequential
from ..tensor import Tensor
from ..utils import _pytree
from .code import PyTreeCodeGen, PyTreeInfo
from .graph import Graph
from .graph_module import GraphModule
from .node import Argument, base_types
from .patching import Patcher, find_proxy, wrap
from .proxy import ParameterProxy, Proxy, Scope, ScopeContextManager, TracerBase

_STARRED = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
_proxyable: set[type] = set()
_tracing = [0]


def is_fx_tracing() -> bool:
    """Whether a function is being traced.

    >>> from kuai.fx.tracer import is_fx_tracing
    >>> is_fx_tracing()
    False
    """
    return bool(_tracing[0])


class ProxyableClassMeta(type):
    """The class of classes whose construction from stand-ins is recorded (``torch.fx.ProxyableClassMeta``)."""

    def __init__(cls, name: str, bases: tuple[type, ...], attrs: dict[str, Any]):
        _proxyable.add(cls)
        super().__init__(name, bases, attrs)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        proxy = find_proxy(args, kwargs) if is_fx_tracing() else None
        if proxy is None:
            return super().__call__(*args, **kwargs)
        return proxy.tracer.create_proxy("call_function", cls, args, kwargs)


class PHBase:
    """An open place among concrete arguments."""

    def __repr__(self) -> str:
        return "PH"


PH = PHBase()


class PHWithMeta(PHBase):
    """An open place whose attributes go to its node."""

    def __init__(self, ph_key: str | None = None):
        self.ph_key = ph_key


@wrap
def _assert_is_none(value: object, msg: str) -> None:
    if value is not None:
        raise AssertionError(msg)


class Tracer(TracerBase):
    """Traces modules and functions (``torch.fx.Tracer``): its methods say what is looked into, and are to be overridden.

    ``autowrap_modules`` and ``autowrap_functions`` are not looked into. With ``param_shapes_constant`` a parameter's shape is known.

    >>> import kuai as torch
    >>> tracer = torch.fx.Tracer()
    >>> [node.op for node in tracer.trace(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())).nodes]
    ['placeholder', 'call_module', 'call_module', 'output']
    """

    _qualname_counter: dict[str, int] = defaultdict(int)

    def __init__(self, autowrap_modules: tuple[ModuleType, ...] = (math,), autowrap_functions: tuple[Callable, ...] = (),
                 param_shapes_constant: bool = False):  # fmt: skip
        self._autowrap_function_ids = {id(f) for m in autowrap_modules for n, f in vars(m).items() if n[0] != "_" and callable(f)}
        self._autowrap_function_ids.update(map(id, autowrap_functions))
        self._autowrap_search = list(autowrap_modules)
        self.param_shapes_constant = param_shapes_constant
        self.submodule_paths: dict[Module, str] | None = None
        self.root_module_name = ""
        self.scope, self.module_stack, self.node_name_to_scope = Scope("", None), OrderedDict(), {}
        self.num_calls: dict[str, int] = {}
        self.root: Any = None
        self.tensor_attrs: dict[Any, str] = {}

    def get_fresh_qualname(self, prefix: str) -> str:
        """A name with a number that the root has not yet."""
        number = 0
        while hasattr(self.root, f"{prefix}{number}"):
            number += 1
        return f"{prefix}{number}"

    def create_arg(self, a: Any) -> Argument:
        """What a graph holds for an argument; a tensor is read from the root, which keeps it if it was not there."""
        if isinstance(a, (Tensor, Module)):
            return self._attribute(a)
        if isinstance(a, tuple) and hasattr(a, "_fields"):
            return self.create_node("call_function", type(a), tuple(self.create_arg(x) for x in a), {})
        if isinstance(a, _pytree.TreeSpec):
            return self._kept(a, "_tree_spec_constant")
        if type(a) in _proxyable:
            return self._kept(a, f"_{type(a).__name__}_constant_")
        return super().create_arg(a)

    def _attribute(self, a: Any) -> Argument:
        members = self.root.named_modules() if isinstance(a, Module) else [*self.root.named_parameters(), *self.root.named_buffers()]
        name = next((n for n, m in members if m is a), None)
        if name is not None:
            return self.create_node("get_attr", name, (), {})
        if isinstance(a, Module):
            raise NotImplementedError(f"argument of type: {type(a)}")
        if isinstance(a, Parameter):
            raise NameError("parameter is not a member of this module")
        return self._kept(a, "_tensor_constant")

    def _kept(self, a: Any, prefix: str) -> Argument:
        name = self.tensor_attrs.get(a)
        if name is None:
            name = self.tensor_attrs[a] = self.get_fresh_qualname(prefix)
            setattr(self.root, name, a)
        return self.create_node("get_attr", name, (), {})

    def is_leaf_module(self, m: Module, module_qualified_name: str) -> bool:
        """Whether tracing does not look into a module: those of ``torch.nn``, Sequential apart."""
        return m.__module__.startswith(("torch.nn", "torch.ao.nn", "kuai.nn")) and not isinstance(m, Sequential)

    def path_of_module(self, mod: Module) -> str:
        """A module's path from the root; NameError if it is not inside."""
        paths = {m: n for n, m in self.root.named_modules()} if self.submodule_paths is None else self.submodule_paths
        if mod not in paths:
            raise NameError("module is not installed as a submodule")
        return paths[mod]

    def call_module(self, m: Module, forward: Callable, args: tuple, kwargs: dict) -> Any:
        """A call of a module: a node if it is a leaf, else what its ``forward`` does."""
        path = self.path_of_module(m)
        with ScopeContextManager(self.scope, Scope(path, type(m))) as scope:
            calls = self.num_calls.get(path, 0)
            key = f"{scope.module_path}@{calls}" if calls else scope.module_path
            self.module_stack[key] = path, scope.module_type
            self.num_calls[path] = calls + 1
            leaf = self.is_leaf_module(m, path)
            found = self.create_proxy("call_module", path, args, kwargs) if leaf else forward(*args, **kwargs)
            self.module_stack.popitem()
        return found

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Proxy]) -> Any:
        """What a module's attribute is while tracing: a stand-in for a parameter, else itself."""
        if isinstance(attr_val, Parameter):
            return self._member(attr_val, self.root.named_parameters(), parameter_proxy_cache)
        if self.proxy_buffer_attributes and isinstance(attr_val, Tensor):
            return self._member(attr_val, self.root.named_buffers(), parameter_proxy_cache)
        return attr_val

    def _member(self, value: Any, members: Iterable[tuple[str, Any]], cache: dict[str, Proxy]) -> Any:
        name = next((n for n, m in members if m is value), None)
        if name is None:
            return value
        if name not in cache:
            made = self.create_proxy("get_attr", name, (), {})
            cache[name] = ParameterProxy(self, made.node, name, value) if self.param_shapes_constant else made
        return cache[name]

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> tuple[Any, list]:
        """The stand-ins for a function's arguments, and the function that takes them."""
        analysed = inspect.unwrap(root_fn)
        code = analysed.__code__
        names = list(code.co_varnames)
        total = code.co_argcount + code.co_kwonlyargcount
        if is_module and total == 0:
            raise RuntimeError("``self`` argument cannot be part of *args expansion!")
        given: list[Any] = [self.root] if is_module else []
        own = names[len(given) : total]
        if isinstance(concrete_args, tuple):
            if len(own) != len(concrete_args):
                raise RuntimeError(f"Tracing expected {len(own)} arguments but got {len(concrete_args)} concrete arguments")
            concrete_args = dict(zip(own, concrete_args))
        given += [self._placeholder(n, concrete_args, analysed) for n in own]
        if code.co_kwonlyargcount or code.co_flags & _STARRED:
            rest = iter(names[total:])
            given += [self._placeholder(f"*{next(rest)}", None, analysed)] if code.co_flags & inspect.CO_VARARGS else []
            given += [self._placeholder(f"**{next(rest)}", None, analysed)] if code.co_flags & inspect.CO_VARKEYWORDS else []
            root_fn = _all_by_place(root_fn, len(given))
        flat, spec = _pytree.tree_flatten(tuple(given))
        if all(child.is_leaf() for child in spec.children_specs):
            return root_fn, given
        return self._flattened(root_fn, names[:total], spec), flat

    def _flattened(self, root_fn: Callable, names: list[str], spec: _pytree.TreeSpec) -> Callable:
        """The function of the leaves of its arguments, to the leaves of its result."""
        codegen = self.graph._codegen = PyTreeCodeGen(PyTreeInfo(names, spec, None))

        def flat(*leaves: Any) -> list:
            found, out_spec = _pytree.tree_flatten(root_fn(*_pytree.tree_unflatten(list(leaves), spec)))
            codegen.pytree_info = codegen.pytree_info._replace(out_spec=out_spec)
            return found

        return flat

    def _placeholder(self, name: str, concrete: dict | None, analysed: Any) -> Any:
        parameter = inspect.signature(analysed).parameters.get(name)
        default = () if parameter is None or parameter.default is inspect.Parameter.empty else (parameter.default,)
        if concrete is None or name not in concrete:
            return self.create_proxy("placeholder", name, default, {}, type_expr=_annotations(analysed).get(name))
        count = iter(range(1, 1 << 30))
        return _pytree.tree_map(lambda x: self._concrete(name, x, next(count), default), concrete[name])

    def _concrete(self, name: str, x: Any, number: int, default: tuple) -> Any:
        """An argument that was said: the graph checks that it stays so; an open place becomes a stand-in."""
        import kuai as package

        out = self.create_proxy("placeholder", f"{name}_{number}", default, {})
        if isinstance(x, PHBase):
            if x is not PH:
                _transfer(x, out.node)
            return out
        if type(x) is bool or type(x) in base_types and not isinstance(x, Tensor):
            message = f"{name} has been specialized to have value {x} but got another value"
            check: Any = package._assert
            self.create_proxy("call_function", check, (out == x, message), {})
        elif x is None:
            message = f"{name} has been specialized to have value None but got another value"
            self.create_proxy("call_function", _assert_is_none, (out, message), {})
        else:
            warnings.warn(
                f"Was not able to add assertion to guarantee correct input {name} to specialized function. It is up to the user to "
                "make sure that your inputs match the inputs you specialized the function with.",
                stacklevel=2,
            )
        return x

    def trace(self, root: Module | Callable, concrete_args: dict | None = None) -> Graph:
        """The graph of a module or function. ``concrete_args`` are arguments, by name, that are known."""
        _tracing[0] += 1
        try:
            return self._traced(root, concrete_args)
        finally:
            _tracing[0] -= 1

    def _traced(self, root: Any, concrete_args: dict | None) -> Graph:
        is_module = isinstance(root, Module)
        self.root = root if is_module else Module()
        function: Any = getattr(type(root), self.traced_func_name) if is_module else root
        if is_module:
            self.root_module_name, self.submodule_paths = root._get_name(), {m: n for n, m in root.named_modules()}
        self.graph = Graph(tracer_cls=type(self))
        self.tensor_attrs = dict(_tensor_attributes(self.root))
        names, annotations = function.__globals__, _annotations(inspect.unwrap(function))
        function, args = self.create_args_for_root(function, is_module, concrete_args)
        with Patcher() as patcher:
            self._patch_modules(patcher)
            patcher.record_wrapped()
            for place in (names, *(vars(m) for m in self._autowrap_search)):
                patcher.record_listed(place, self._autowrap_function_ids)
            self.create_node("output", "output", (self.create_arg(function(*args)),), {}, type_expr=annotations.get("return"))
        self.submodule_paths = None
        return self.graph

    def _patch_modules(self, patcher: Patcher) -> None:
        """Have this tracer say what modules' attributes and calls are."""
        plain_getattr, plain_call = Module.__getattr__, Module.__call__
        cache: dict[str, Proxy] = {}

        @wraps(plain_getattr)
        def get(module: Module, attr: str) -> Any:
            return self.getattr(attr, plain_getattr(module, attr), cache)

        @wraps(plain_call)
        def call(module: Module, *args: Any, **kwargs: Any) -> Any:
            place = getattr(getattr(module, "forward", module), "__globals__", {})
            patcher.record_listed(place, self._autowrap_function_ids)
            return self.call_module(module, lambda *a, **k: plain_call(module, *a, **k), args, kwargs)

        patcher.patch_method(Module, "__getattr__", get)
        patcher.patch_method(Module, "__call__", call)

    def __deepcopy__(self, memo: dict) -> Tracer:
        made = object.__new__(type(self))
        for name, value in self.__dict__.items():
            made.__dict__[name] = copy.copy(value) if name == "_autowrap_search" else copy.deepcopy(value, memo)
        return made


def _tensor_attributes(module: Module, prefix: str = "") -> Iterable[tuple[Tensor, str]]:
    """The tensors that modules have as plain attributes, with their paths."""
    for name, value in module.__dict__.items():
        if isinstance(value, Tensor):
            yield value, prefix + name
    for name, child in module.named_children():
        yield from _tensor_attributes(child, f"{prefix}{name}.")


def _annotations(function: Any) -> dict[str, Any]:
    """A function's annotations; this package's own are text, and say nothing to programs."""
    return {} if (function.__module__ or "").split(".")[0] == "kuai" else inspect.get_annotations(function)


def _transfer(source: PHBase, node: Any) -> None:
    for name, value in vars(source).items():
        if not hasattr(node, name):
            setattr(node, name, value)


def _all_by_place(function: FunctionType, count: int) -> FunctionType:
    """A function that takes by place what it takes by name or any number of: stand-ins for ``*args`` are one each."""
    code: CodeType = function.__code__
    changed = code.replace(co_argcount=count, co_posonlyargcount=0, co_kwonlyargcount=0, co_flags=code.co_flags & ~_STARRED)
    return FunctionType(changed, function.__globals__, function.__name__, function.__defaults__, function.__closure__)


def symbolic_trace(root: Module | Callable, concrete_args: dict | None = None) -> GraphModule:
    """A module with the graph of what a module or function does (``torch.fx.symbolic_trace``).

    It runs once on stand-ins; what depends on values raises `TraceError`.

    >>> import kuai as torch
    >>> traced = torch.fx.symbolic_trace(lambda x: torch.relu(x) * 2)
    >>> print(traced.code.strip())
    def forward(self, x):
        relu = torch.relu(x);  x = None
        mul = relu * 2;  relu = None
        return mul
    >>> traced(torch.tensor([-1., 3.]))
    tensor([0., 6.])
    """
    tracer = Tracer()
    graph = tracer.trace(root, concrete_args)
    name = type(root).__name__ if isinstance(root, Module) else getattr(root, "__name__", "GraphModule")
    return GraphModule(tracer.root, graph, name)
