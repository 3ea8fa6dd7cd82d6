"""Nodes of symbolic graphs (``torch.fx.Node``): one call each, with the nodes whose results it takes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import total_ordering
from typing import TYPE_CHECKING, Any

from ..checks import _assert, _assert_async
from ..devices import device
from ..dtypes import dtype
from ..layouts import layout
from ..tensor import Tensor
from .immutable_collections import immutable_dict, immutable_list
from .names import public_name, qualified_name, type_repr

if TYPE_CHECKING:
    from .graph import Graph

Target = Callable[..., Any] | str
Argument = Any
base_types = (str, int, float, bool, complex, dtype, Tensor, device, layout)
OPS = ("placeholder", "call_method", "call_module", "call_function", "get_attr", "output", "root")
_side_effectful_functions: set[Callable] = {_assert, _assert_async, operator.setitem}


def has_side_effect(fn: Callable) -> Callable:
    """Say that calls of a function stay although nobody takes their result (``torch.fx.node.has_side_effect``)."""
    _side_effectful_functions.add(fn)
    return fn


def map_aggregate(a: Any, fn: Callable[[Any], Any]) -> Any:
    """Apply a function to what tuples, lists, dictionaries and slices hold (``torch.fx.node.map_aggregate``).

    >>> map_aggregate((1, [2, {"a": 3}]), lambda x: x * 10)
    (10, [20, {'a': 30}])
    """
    if isinstance(a, tuple):
        parts = [map_aggregate(x, fn) for x in a]
        return type(a)(*parts) if hasattr(a, "_fields") else tuple(parts)
    if isinstance(a, list):
        return immutable_list([map_aggregate(x, fn) for x in a])
    if isinstance(a, dict):
        return immutable_dict({k: map_aggregate(v, fn) for k, v in a.items()})
    if isinstance(a, slice):
        return slice(*(map_aggregate(x, fn) for x in (a.start, a.stop, a.step)))
    return fn(a)


def map_arg(a: Any, fn: Callable[[Node], Any]) -> Any:
    """Apply a function to the nodes among arguments (``torch.fx.node.map_arg``)."""
    return map_aggregate(a, lambda x: fn(x) if isinstance(x, Node) else x)


def _format(arg: Any) -> str:
    if isinstance(arg, (list, tuple)):
        inner = ", ".join(map(_format, arg))
        return f"[{inner}]" if isinstance(arg, list) else f"({inner},)" if len(arg) == 1 else f"({inner})"
    if isinstance(arg, dict):
        return "{" + ", ".join(f"{k}: {_format(v)}" for k, v in arg.items()) + "}"
    return f"%{arg}" if isinstance(arg, Node) else str(arg)


@total_ordering
class Node:
    """One call of a graph (``torch.fx.Node``).

    ``op`` says of what kind: "placeholder" (an input), "get_attr", "call_function", "call_module", "call_method" or "output".
    ``target`` is the function, or the name of the method, module, attribute or input. ``args`` and ``kwargs`` hold values and
    nodes; ``users`` are the nodes that take this one's result. ``meta`` is free to use.

    >>> import kuai as torch
    >>> graph = torch.fx.Graph()
    >>> x = graph.placeholder("x")
    >>> y = graph.call_function(torch.relu, (x,))
    >>> y, y.op, y.args, list(x.users), y.format_node()
    (relu, 'call_function', (x,), [relu], '%relu : [num_users=0] = call_function[target=torch.relu](args = (%x,), kwargs = {})')
    """

    def __init__(self, graph: Graph, name: str, op: str, target: Target, args: tuple, kwargs: dict, return_type: Any = None):
        if op not in OPS:
            raise AssertionError(f"op '{op}' is none of {OPS}")
        needs = "Callable" if op == "call_function" else "str"
        if not (callable(target) if op == "call_function" else isinstance(target, str)):
            raise ValueError(f"Node [graph = {graph}, name = '{name}'] target {target!r} has type {type(target).__name__} but a "
                             f"{needs} is expected")  # fmt: skip
        self.graph, self.name, self.op, self.target, self.type = graph, name, op, target, return_type
        self.users: dict[Node, None] = {}
        self._input_nodes: dict[Node, None] = {}
        self._repr_fn: Callable[[Node], str] | None = None
        self._prev = self._next = self
        self._erased = False
        self.meta: dict[str, Any] = {}
        self._args: tuple = ()
        self._kwargs: dict = immutable_dict()
        self._update(args, kwargs)

    def _update(self, args: tuple, kwargs: dict) -> None:
        for node in self._input_nodes:
            node.users.pop(self, None)
        found: dict[Node, None] = {}
        self._args = map_arg(tuple(args), lambda n: found.setdefault(n) or n)
        self._kwargs = map_arg(dict(kwargs), lambda n: found.setdefault(n) or n)
        self._input_nodes = found
        for node in found:
            node.users.setdefault(self)

    def __lt__(self, other: Node) -> bool:
        return self.graph._position(self) < self.graph._position(other)

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    @property
    def args(self) -> tuple:
        """The positional arguments; assigning them tells the nodes in them."""
        return self._args

    @args.setter
    def args(self, a: tuple) -> None:
        self._update(a, self._kwargs)

    @property
    def kwargs(self) -> dict:
        """The arguments by name; assigning them tells the nodes in them."""
        return self._kwargs

    @kwargs.setter
    def kwargs(self, k: dict) -> None:
        self._update(self._args, k)

    @property
    def all_input_nodes(self) -> list[Node]:
        """The nodes among the arguments, in order."""
        return list(self._input_nodes)

    @property
    def next(self) -> Node:
        """The node after this one."""
        return self._next

    @property
    def prev(self) -> Node:
        """The node before this one."""
        return self._prev

    @property
    def stack_trace(self) -> str | None:
        """Where the call was traced, if the tracer recorded that."""
        return self.meta.get("stack_trace")

    @stack_trace.setter
    def stack_trace(self, trace: str | None) -> None:
        self.meta["stack_trace"] = trace

    def prepend(self, x: Node) -> None:
        """Move a node of the same graph before this one; AssertionError for one of another graph."""
        if x.graph is not self.graph:
            raise AssertionError("Attempting to move a Node into a different Graph")
        if x is self:
            return
        x._unlink()
        before = self._prev
        before._next, x._prev, x._next, self._prev = x, before, self, x
        self.graph._places = None

    def append(self, x: Node) -> None:
        """Move a node of the same graph after this one."""
        self._next.prepend(x)

    def _unlink(self) -> None:
        self._prev._next, self._next._prev = self._next, self._prev
        self.graph._places = None

    def update_arg(self, idx: int, arg: Argument) -> None:
        """Set one positional argument."""
        args = list(self.args)
        args[idx] = arg
        self.args = tuple(args)

    def insert_arg(self, idx: int, arg: Argument) -> None:
        """Put a positional argument in before another one."""
        if not 0 <= idx <= len(self.args):
            raise AssertionError("insert_args index must be between 0 and len(self.args)")
        self.args = (*self.args[:idx], arg, *self.args[idx:])

    def update_kwarg(self, key: str, arg: Argument) -> None:
        """Set one argument by its name."""
        self.kwargs = {**self.kwargs, key: arg}

    def replace_input_with(self, old_input: Node, new_input: Node) -> None:
        """Take another node's result wherever this one took ``old_input``'s."""

        def other(n: Node) -> Node:
            return new_input if n is old_input else n

        self._tell("_replace_hooks", old=old_input, new=new_input.name, user=self)
        self._update(map_arg(self.args, other), map_arg(self.kwargs, other))

    def _tell(self, hooks: str, **what: object) -> None:
        for hook in getattr(self.graph.owning_module, hooks, ()):
            hook(**what)

    def replace_all_uses_with(self, replace_with: Node, delete_user_cb: Callable[[Node], bool] | None = None, *,
                              propagate_meta: bool = False) -> list[Node]:  # fmt: skip
        """Let all users, or those for which the callback says True, take another node's result; gives them."""
        if propagate_meta:
            if replace_with.meta:
                raise AssertionError("Called node.replace_all_uses_with(replace_with, propagate_meta=True), but replace_with "
                                     "already has .meta keys")  # fmt: skip
            replace_with.meta.update(self.meta)
        changed = [u for u in list(self.users) if delete_user_cb is None or delete_user_cb(u)]
        for user in changed:
            user.replace_input_with(self, replace_with)
        return changed

    def is_impure(self, impure_random: bool = True) -> bool:
        """Whether the node stays although nobody takes its result."""
        if self.op in ("placeholder", "output"):
            return True
        if self.op == "call_module":
            owner = self.graph.owning_module
            if owner is None:
                raise AssertionError("self.graph.owning_module not set for purity check")
            return getattr(owner.get_submodule(str(self.target)), "_is_impure", False)
        if self.op != "call_function":
            return False
        from .. import subclasses

        return subclasses.plain(self.target) in _side_effectful_functions or self.target in _side_effectful_functions  # type: ignore[arg-type]

    def normalized_arguments(self, root: Any, arg_types: tuple | None = None, kwarg_types: dict | None = None,
                             normalize_to_only_use_kwargs: bool = False) -> Any:  # fmt: skip
        """The arguments matched to the target's signature, with its defaults; None if that cannot be told."""
        from .operator_schemas import normalize_function, normalize_module

        if self.op == "call_function":
            return normalize_function(self.target, self.args, self.kwargs, arg_types, kwarg_types, normalize_to_only_use_kwargs)  # type: ignore[arg-type]
        if self.op == "call_module":
            return normalize_module(root, str(self.target), self.args, self.kwargs, normalize_to_only_use_kwargs)
        return None

    def __repr__(self) -> str:
        return self._repr_fn(self) if self._repr_fn else self.name

    @staticmethod
    def _pretty_print_target(target: Any) -> str:
        if isinstance(target, str):
            return target
        name, module = getattr(target, "__name__", None), getattr(target, "__module__", None)
        if name and public_name(target) is None and module in ("builtins", "_operator"):
            return f"{module.strip('_')}.{name}"
        return qualified_name(target)

    def format_node(self, placeholder_names: list[str] | None = None, maybe_return_typename: list[str] | None = None, *,
                    include_tensor_metadata: bool = False) -> str | None:  # fmt: skip
        """The node in words; the lists take what belongs to the graph's signature."""
        kind = f"{type_repr(self.type)} " if self.type else ""
        head = f"%{self.name} : {kind}[num_users={len(self.users)}] = {self.op}[target={self._pretty_print_target(self.target)}]"
        if self.op == "placeholder":
            return head + (f"(default={self.args[0]})" if self.args else "")
        if self.op == "get_attr":
            return head
        if self.op == "output":
            if self.type and maybe_return_typename:
                maybe_return_typename[0] = f" -> {type_repr(self.type)}"
            return f"return {self.args[0]}"
        return f"{head}(args = {_format(self.args)}, kwargs = {_format(self.kwargs)})"
