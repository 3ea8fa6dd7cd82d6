"""Modules made of symbolic graphs (``torch.fx.GraphModule``): their ``forward`` is the graph's function."""

from __future__ import annotations

import copy
import linecache
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import accumulate, count
from typing import Any

from ..nn import Module, Parameter
from ..tensor import Tensor
from .code import PythonCode, PyTreeCodeGen
from .graph import Graph
from .names import custom_builtins

_USER_PRESERVED_ATTRIBUTES_KEY = "_user_preserved_attributes"
_KEPT_HOOKS = ("_state_dict_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks", "_replace_hooks", "_create_node_hooks",
               "_erase_node_hooks", "_deepcopy_hooks")  # fmt: skip
_numbers = count()


def _method_from_src(method_name: str, src: str, names: dict[str, Any]) -> Callable:
    """The function of a text; Python shows its lines in errors."""
    key = f"<eval_with_key>.{next(_numbers)}"
    linecache.cache[key] = len(src), None, src.splitlines(keepends=True), key
    names = dict(names)
    exec(compile(src, key, "exec", dont_inherit=True), names)  # noqa: S102
    return names[method_name]


def _forward_from_src(src: str, names: dict[str, Any]) -> Callable:
    return _method_from_src("forward", src, names)


def _import_block(names: dict[str, Any]) -> str:
    builtins = custom_builtins()
    lines = {builtins[n].import_str if n in builtins else _import(n, o) for n, o in names.items()}
    return "\n".join(sorted(lines))


def _import(name: str, obj: Any) -> str:
    """The statement that imports a function or a type; types of `typing` have no name there but their own."""
    if getattr(obj, "__module__", None) == "typing":
        return f"import typing\n{name} = {obj!r}"
    return f"from {obj.__module__} import {obj.__qualname__.split('.')[0]} as {name}"


def reduce_graph_module(body: dict[str, Any], import_block: str) -> Module:
    """A module from its attributes and its function's text, which is traced again (``torch.fx.graph_module.reduce_graph_module``)."""
    forward = _forward_from_src(f"{import_block}\n{body['_code']}", {})
    return _deserialize_graph_module(forward, body)


class _CodeOnlyModule(Module):
    """A module with attributes and a function, before it has its graph again."""

    def __init__(self, body: dict):
        super().__init__()
        self.__dict__ = body


def _deserialize_graph_module(forward: Callable, body: dict[str, Any], graph_module_cls: type | None = None) -> Module:
    from .tracer import Tracer

    class KeepModules(body.get("_tracer_cls") or Tracer):  # type: ignore[misc]
        def is_leaf_module(self, m: Module, module_qualified_name: str) -> bool:
            return True

    root = type("_CodeOnlyModule", (_CodeOnlyModule,), {"forward": forward})(body)
    graph = KeepModules().trace(root, **body.get("_tracer_extras", {}))
    graph._tracer_cls = body.get("_tracer_cls") or Tracer
    made = (graph_module_cls or GraphModule)(root, graph, body.get("_graphmodule_cls_name", "GraphModule"))
    for name, value in body.items():
        if not hasattr(made, name):
            setattr(made, name, value)
    return made


def _holder(to_module: Module, path: list[str]) -> Module:
    """The module at a path; those on the way are made."""
    for part in path:
        if getattr(to_module, part, None) is None:
            setattr(to_module, part, Module())
        to_module = getattr(to_module, part)
    return to_module


def _assign_attr(value: Any, to_module: Module, target: str) -> None:
    *path, name = target.split(".")
    holder = _holder(to_module, path)
    if isinstance(value, Tensor) and not isinstance(value, Parameter):
        holder.register_buffer(name, value)
    else:
        setattr(holder, name, value)


def _copy_attr(from_module: Module, to_module: Module, target: str) -> None:
    """Copy an attribute by its dotted path; modules on the way are made."""
    *path, name = target.split(".")
    for i, part in enumerate(path):
        source = getattr(from_module, part)
        if source is getattr(_holder(to_module, path[:i]), part, None):  # the rest is shared already
            return
        from_module = source
    _assign_attr(getattr(from_module, name), to_module, target)


class GraphModule(Module):
    """A module whose ``forward`` is a symbolic graph (``torch.fx.GraphModule``).

    ``root`` is a module, or a dictionary by path, from which it takes the attributes that the graph names. After an edit of the
    graph, ``recompile()``.

    >>> import kuai as torch
    >>> traced = torch.fx.symbolic_trace(torch.nn.Sequential(torch.nn.ReLU()))
    >>> for node in traced.graph.nodes:
    ...     if node.op == "call_module":
    ...         node.op, node.target = "call_function", torch.abs
    >>> _ = traced.recompile()
    >>> traced(torch.tensor([-2., 1.]))
    tensor([2., 1.])
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> GraphModule:
        base = next(c for c in cls.__mro__ if c.__qualname__.split(".")[-1] != "GraphModuleImpl")

        class GraphModuleImpl(base):  # type: ignore[valid-type, misc]
            """A class for each module, because a function is an attribute of a class."""

        return super().__new__(GraphModuleImpl)

    def __init__(self, root: Module | dict[str, Any], graph: Graph, class_name: str = "GraphModule"):
        super().__init__()
        self.__class__.__name__ = class_name
        targets = [str(n.target) for n in graph.nodes if n.op in ("get_attr", "call_module")]
        if isinstance(root, Module):
            self._take(root, targets)
        elif isinstance(root, dict):
            self._take_from_dict(root, targets, graph)
        else:
            raise RuntimeError(f"Unsupported type {root} passed for root!")
        self.graph = graph
        tracer: Any = graph._tracer_cls
        self._tracer_cls = None if tracer is None or "<locals>" in tracer.__qualname__ else tracer
        self._tracer_extras = graph._tracer_extras or {}
        self.meta: dict[str, Any] = {}
        self._replace_hooks: list[Callable] = []
        self._create_node_hooks: list[Callable] = []
        self._erase_node_hooks: list[Callable] = []
        self._deepcopy_hooks: list[Callable] = []

    def _take(self, root: Module, targets: Iterable[str]) -> None:
        self.training = getattr(root, "training", self.training)
        if isinstance(root, _CodeOnlyModule):
            members = root.named_children, root.named_buffers, root.named_parameters
            for target in [n for named in members for n, _ in named()]:  # type: ignore[operator]
                _copy_attr(root, self, target)
        for target in targets:
            _copy_attr(root, self, target)

    def _take_from_dict(self, root: dict[str, Any], targets: list[str], graph: Graph) -> None:
        missing = [t for t in targets if t not in root]
        if missing:
            raise RuntimeError(f"A node referenced target {missing[0]} but that target was not provided in ``root``!\n{graph}")
        for target in sorted(targets, key=lambda t: t.count(".")):
            _assign_attr(root[target], self, target)

    @property
    def graph(self) -> Graph:
        """The graph; assigning one makes the function anew."""
        return self._graph

    @graph.setter
    def graph(self, g: Graph) -> None:
        if not isinstance(g, Graph):
            raise AssertionError(f"Expected a Graph instance, but got {type(g)}")
        self._graph = g
        g.owning_module = self
        self.recompile()

    @property
    def code(self) -> str:
        """The function's text."""
        return self._code

    def recompile(self) -> PythonCode:
        """Make the function anew from the graph; gives its text."""
        codegen = self._graph._codegen
        if isinstance(codegen, PyTreeCodeGen):
            self._in_spec, self._out_spec = codegen.pytree_info.in_spec, codegen.pytree_info.out_spec
        made = self._graph.python_code("self")
        self._code = made.src
        type(self).forward = _forward_from_src(made.src, made.globals)  # type: ignore[method-assign]
        for child in self.children():
            if isinstance(child, GraphModule):
                child.recompile()
        return made

    def add_submodule(self, target: str, m: Module) -> bool:
        """Put a module at a path; modules on the way are made. False if something else is in the way."""
        here: Any = self
        *path, name = target.split(".")
        for part in path:
            if getattr(here, part, None) is None:
                setattr(here, part, Module())
            here = getattr(here, part)
            if not isinstance(here, Module):
                return False
        here.add_module(name, m)
        return True

    def delete_submodule(self, target: str) -> bool:
        """Take a module away by its path; False if there is none."""
        *path, name = target.split(".")
        here: Any = self
        for part in path:
            here = getattr(here, part, None)
            if not isinstance(here, Module):
                return False
        if not isinstance(getattr(here, name, None), Module):
            return False
        delattr(here, name)
        return True

    def delete_all_unused_submodules(self) -> None:
        """Take away the modules that no node names, nor anything inside them."""
        used: set[str] = set()
        for node in self.graph.nodes:
            if node.op in ("call_module", "get_attr"):
                used.update(accumulate(str(node.target).split("."), "{}.{}".format))
            if node.op == "call_module":
                called = self.get_submodule(str(node.target))
                used.update(f"{node.target}.{n}" for n, _ in called.named_modules() if n)
        for name in [n for n, _ in self.named_modules() if n not in used]:
            self.delete_submodule(name)

    def print_readable(self, print_output: bool = True, **options: object) -> str:
        """The functions of this module and of its modules that are graphs, as classes; printed unless told not to."""
        inner = [c.print_readable(False) for c in self.children() if isinstance(c, GraphModule)]
        lines = "\n".join([f"class {self._get_name()}(torch.nn.Module):", *self._code.strip("\n").split("\n"), *inner]).split("\n")
        text = "\n".join([lines[0], *(f"    {line}" for line in lines[1:])])
        if print_output:
            print(text)
        return text

    def __reduce__(self) -> tuple:
        body = dict(self.__dict__)
        block = _import_block(self.recompile().globals)
        del body["_graph"]
        return reduce_graph_module, (body, block)

    def _deepcopy_init(self) -> Callable:
        return GraphModule.__init__

    def __deepcopy__(self, memo: dict) -> GraphModule:
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        body = _CodeOnlyModule(copy.deepcopy(self.__dict__, memo))
        self._deepcopy_init()(made, body, body.__dict__["_graph"])
        made.__class__.__name__ = type(self).__name__
        for name in _KEPT_HOOKS:
            if name in self.__dict__:
                setattr(made, name, copy.deepcopy(self.__dict__[name], memo))
        made.meta = copy.deepcopy(self.meta, memo)
        for name, value in made.meta.get(_USER_PRESERVED_ATTRIBUTES_KEY, {}).items():
            setattr(made, name, value)
        for hook in self._deepcopy_hooks:
            hook(made)
        return made

    def __copy__(self) -> GraphModule:
        made = GraphModule(self, self.graph)
        made.meta = self.meta
        return made

    def __str__(self) -> str:
        hint = "# To see more debug info, please use `graph_module.print_readable()`"
        return "\n".join([super().__str__(), self._code, hint])

    @contextmanager
    def _set_replace_hook(self, f: Callable) -> Iterator[None]:
        self._replace_hooks.append(f)
        try:
            yield
        finally:
            self._replace_hooks.remove(f)
