"""Symbolic graphs (``torch.fx.Graph``): calls in the order in which they run, to be read, edited and written as Python."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from .code import CodeGen as CodeGen
from .code import PythonCode as PythonCode
from .code import PyTreeCodeGen as _PyTreeCodeGen  # noqa: F401 (PyTorch's names)
from .code import PyTreeInfo as _PyTreeInfo  # noqa: F401
from .names import Namespace as _Namespace
from .names import snake_case
from .node import OPS, Argument, Node, Target, map_arg


class _InsertPoint:
    """Where nodes are put until the end of a with statement, or for good without one."""

    def __init__(self, graph: Graph, insert: Callable[[Node], None]):
        self.graph, self.before = graph, graph._insert
        graph._insert = insert  # type: ignore[method-assign]

    def __enter__(self) -> None:
        """The point is set already."""

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.graph._insert = self.before  # type: ignore[method-assign]


class _Nodes:
    """The nodes of a graph in order; a walk bears edits."""

    def __init__(self, graph: Graph):
        self.graph = graph

    def __len__(self) -> int:
        return self.graph._len

    def __iter__(self) -> Iterator[Any]:
        return self._walk("_next")

    def __reversed__(self) -> Iterator[Any]:
        return self._walk("_prev")

    def _walk(self, way: str) -> Iterator[Any]:
        node = getattr(self.graph._root, way)
        while node is not self.graph._root:
            if not node._erased:
                yield node
            node = getattr(node, way)


class Graph:
    """Calls in order, with inputs, and an output (``torch.fx.Graph``).

    >>> import kuai as torch
    >>> graph = torch.fx.Graph()
    >>> x = graph.placeholder("x")
    >>> _ = graph.output(graph.call_function(torch.relu, (x,)))
    >>> print(graph)
    graph():
        %x : [num_users=1] = placeholder[target=x]
        %relu : [num_users=1] = call_function[target=torch.relu](args = (%x,), kwargs = {})
        return relu
    >>> torch.fx.GraphModule({}, graph)(torch.tensor([-1., 2.]))
    tensor([0., 2.])
    """

    def __init__(self, owning_module: Any = None, tracer_cls: type | None = None, tracer_extras: dict | None = None):
        self._root = Node(self, "", "root", "", (), {})
        self._insert: Callable[[Node], None] = self._root.prepend
        self._len = 0
        self._places: dict[Node, int] | None = None
        self._graph_namespace = _Namespace()
        self._owning_module = owning_module
        self._tracer_cls, self._tracer_extras = tracer_cls, tracer_extras
        self._codegen = CodeGen()

    @property
    def owning_module(self) -> Any:
        """The GraphModule that the graph is of, or None."""
        return self._owning_module

    @owning_module.setter
    def owning_module(self, mod: Any) -> None:
        self._owning_module = mod

    @property
    def nodes(self) -> _Nodes:
        """The nodes in order; ``reversed`` of it walks back."""
        return _Nodes(self)

    def _position(self, node: Node) -> int:
        if self._places is None:
            self._places = {n: i for i, n in enumerate(self.nodes)}
        return self._places[node]

    def output_node(self) -> Node:
        """The node that says what the graph gives; AssertionError if the last one is another."""
        last = self._root._prev
        if last.op != "output":
            raise AssertionError(f"Expected output node, got op={last.op}")
        return last

    def find_nodes(self, *, op: str, target: Target | None = None, sort: bool = True) -> list[Node]:
        """The nodes of a kind, or of those the ones with a target."""
        if op == "call_function" and target is None:
            raise AssertionError("target must not be None for call_function")
        return [n for n in self.nodes if n.op == op and (target is None or n.target == target)]

    def create_node(self, op: str, target: Target, args: tuple | None = None, kwargs: dict | None = None, name: str | None = None,
                    type_expr: Any = None) -> Node:  # fmt: skip
        """Make a node and put it where nodes are put; its name follows from ``name`` or the target."""
        if not isinstance(args or (), tuple) or not isinstance(kwargs or {}, dict):
            raise AssertionError("create_node: args must be a tuple and kwargs a dict")
        name = self._graph_namespace.create_name(self._target_to_str(target) if name is None else name, None)
        made = Node(self, name, op, target, args or (), kwargs or {}, type_expr)
        self._tell("_create_node_hooks", made)
        self._graph_namespace.associate(name, made)
        self._insert(made)
        self._len += 1
        return made

    def _tell(self, hooks: str, node: Node) -> None:
        for hook in getattr(self._owning_module, hooks, ()):
            hook(node)

    @staticmethod
    def _target_to_str(target: Any) -> str:
        name = target if isinstance(target, str) else target.__name__
        return snake_case(name[2:-2] if isinstance(target, str) and name[:2] == "__" == name[-2:] else name)

    def placeholder(self, name: str, type_expr: Any = None, default_value: Any = None) -> Node:
        """An input of the graph; ``default_value`` only if one is given."""
        return self.create_node("placeholder", name, () if default_value is None else (default_value,), type_expr=type_expr)

    def get_attr(self, qualified_name: str, type_expr: Any = None) -> Node:
        """An attribute of the module, by its path."""
        return self.create_node("get_attr", qualified_name, type_expr=type_expr)

    def call_module(self, module_name: str, args: tuple | None = None, kwargs: dict | None = None, type_expr: Any = None) -> Node:
        """A call of a module, by its path."""
        return self.create_node("call_module", module_name, args, kwargs, type_expr=type_expr)

    def call_method(self, method_name: str, args: tuple | None = None, kwargs: dict | None = None, type_expr: Any = None) -> Node:
        """A call of a method of the first argument."""
        return self.create_node("call_method", method_name, args, kwargs, type_expr=type_expr)

    def call_function(self, the_function: Callable, args: tuple | None = None, kwargs: dict | None = None, type_expr: Any = None,
                      name: str | None = None) -> Node:  # fmt: skip
        """A call of a function."""
        return self.create_node("call_function", the_function, args, kwargs, name, type_expr)

    def output(self, result: Argument, type_expr: Any = None) -> Node:
        """What the graph gives: a node, or tuples, lists and dictionaries of them."""
        return self.create_node("output", "output", (result,), type_expr=type_expr)

    def node_copy(self, node: Node, arg_transform: Callable[[Node], Argument] = lambda x: x) -> Node:
        """Copy a node of another graph; ``arg_transform`` gives this graph's nodes for that one's."""
        args, kwargs = map_arg(node.args, arg_transform), map_arg(node.kwargs, arg_transform)
        made = self.create_node(node.op, node.target, args, kwargs, node.name, node.type)
        made.meta = copy.copy(node.meta)
        return made

    def graph_copy(self, g: Graph, val_map: dict[Node, Node], return_output_node: bool = False) -> Any:
        """Copy another graph's nodes, all but its output; gives this graph's node for that one's result.

        ``val_map`` takes what became of each; nodes that it has already are not copied.
        """
        for node in g.nodes:
            if node in val_map:
                continue
            if node.op == "output":
                result = map_arg(node.args[0], lambda n: val_map[n])
                return (result, node) if return_output_node else result
            val_map[node] = self.node_copy(node, lambda n: val_map[n])
        return None

    def __deepcopy__(self, memo: dict | None = None) -> Graph:
        made = Graph(tracer_cls=self._tracer_cls)
        nodes: dict[Node, Node] = {}
        found = made.graph_copy(self, nodes, return_output_node=True)
        made._codegen = copy.deepcopy(self._codegen)
        if found is not None:
            made.output(found[0], found[1].type).meta = copy.copy(found[1].meta)
        return made

    def erase_node(self, to_erase: Node) -> None:
        """Take a node away; RuntimeError while another one takes its result, or if it is another graph's."""
        if to_erase.users:
            raise RuntimeError(f"Tried to erase Node {to_erase} but it still had {len(to_erase.users)} users in the graph: "
                               f"{to_erase.users}!")  # fmt: skip
        if to_erase.graph is not self:
            raise RuntimeError(f"Attempting to remove {to_erase} from wrong graph!")
        if to_erase._erased:
            return
        self._tell("_erase_node_hooks", to_erase)
        to_erase._unlink()
        to_erase._erased = True
        self._len -= 1
        to_erase._update(map_arg(to_erase.args, lambda n: None), map_arg(to_erase.kwargs, lambda n: None))

    def inserting_before(self, n: Node | None = None) -> _InsertPoint:
        """Put nodes before one, or at the beginning; until the with statement's end if it is used in one."""
        if n is None:
            return self.inserting_after(self._root)
        return _InsertPoint(self, n.prepend)

    def inserting_after(self, n: Node | None = None) -> _InsertPoint:
        """Put each node right after one, or at the end; until the with statement's end if it is used in one."""
        if n is None:
            return self.inserting_before(self._root)
        if n.graph is not self:
            raise AssertionError("Node to insert after is not in graph.")
        return _InsertPoint(self, n.append)

    def process_inputs(self, *args: Any) -> Any:
        """The graph's inputs from its function's arguments."""
        return self._codegen.process_inputs(*args)

    def process_outputs(self, out: Any) -> Any:
        """The function's result from the graph's outputs."""
        return self._codegen.process_outputs(out)

    def set_codegen(self, codegen: CodeGen) -> None:
        """Say what writes the function."""
        self._codegen = codegen

    def python_code(self, root_module: str, **options: object) -> PythonCode:
        """The graph as a Python function; ``root_module`` is the module's name in it, "self"."""
        namespace = _Namespace()
        before = {n: n._repr_fn for n in self.nodes}
        try:
            for node in before:
                node._repr_fn = lambda n: namespace.create_name(n.name, n)
            return self._codegen._gen_python_code(self.nodes, root_module, namespace)
        finally:
            for node, fn in before.items():
                node._repr_fn = fn

    def on_generate_code(self, make_transformer: Callable) -> Any:
        """Have the function's lines changed as they are written; within a with statement, or for good.

        ``make_transformer`` is given what changed them so far, or None, and gives what changes them now.
        """
        before = self._codegen._body_transformer
        self._codegen._body_transformer = make_transformer(before)

        @contextmanager
        def back() -> Iterator[None]:
            try:
                yield
            finally:
                self._codegen._body_transformer = before

        return back()

    def __str__(self) -> str:
        return "".join(["graph():", *(f"\n    {n.format_node()}" for n in self.nodes)])

    def print_tabular(self) -> None:
        """Print a table of the nodes; it needs the package tabulate."""
        from tabulate import tabulate  # type: ignore[import-untyped]

        rows = [[n.op, n.name, n.target, n.args, n.kwargs] for n in self.nodes]
        print(tabulate(rows, headers=["opcode", "name", "target", "args", "kwargs"]))

    def lint(self) -> None:
        """RuntimeError for a graph that is not well formed: order, names, whose nodes they are, and targets that exist."""
        names: set[str] = set()
        seen: set[Node] = set()
        for node in self.nodes:
            if node.op not in OPS[:-1]:
                raise RuntimeError(f"Node {node} had unknown opcode {node.op}!")
            for given in node.all_input_nodes:
                self._lint_input(given, node, seen)
            seen.add(node)
            if node.name in names:
                raise RuntimeError(f"Node redefined name {node.name}!")
            names.add(node.name)
            if self._owning_module is not None and node.op in ("get_attr", "call_module"):
                self._lint_target(node)

    def _lint_input(self, given: Node, node: Node, seen: set[Node]) -> None:
        if given.graph is not self:
            raise RuntimeError(f"Argument '{given}' of Node '{node}' does not belong to this Graph, but was used as an argument! "
                               f"If you are copying nodes from another graph, make sure to use ``arg_transform`` on node_copy() to "
                               f"remap values\n{self}")  # fmt: skip
        if given not in seen:
            raise RuntimeError(f"Argument '{given}' of Node '{node}' was used before it has been defined! Please check that Nodes in "
                               f"the graph are topologically ordered\n{self}")  # fmt: skip

    def _lint_target(self, node: Node) -> None:
        from ..nn import Module

        here = self._owning_module
        parts = str(node.target).split(".")
        for i, part in enumerate(parts):
            here = getattr(here, part, None)
            if here is None:
                raise RuntimeError(f"Node {node} target {node.target} references nonexistent attribute {part} of {'.'.join(parts[:i])}")
        if node.op == "call_module" and not isinstance(here, Module):
            raise RuntimeError(f"Node {node} target {node.target} {parts[-1]} of {'.'.join(parts[:-1])} does not reference an nn.Module")

    def eliminate_dead_code(self, is_impure_node: Callable[[Node], bool] | None = None) -> bool:
        """Take away nodes whose results nobody takes, and that do nothing else; True if there were any."""
        self.lint()
        impure = is_impure_node or Node.is_impure
        before = self._len
        for node in reversed(self.nodes):
            if not node.users and not impure(node):
                self.erase_node(node)
        return self._len < before
