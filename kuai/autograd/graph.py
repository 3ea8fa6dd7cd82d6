"""The graph of derivatives: nodes, and the walk that sends cotangents back along their edges.

A node keeps values, not tensors, and only those its rules name. Nodes are numbered as they are made, and a node's edges
lead to nodes made before it: so sorting by number is a topological order, and no walk recurses.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from heapq import heapify, heappop, heappush
from operator import attrgetter
from typing import Any, NamedTuple

from ..engine.program import Aval, State
from ..engine.trace import Value, current, next_number
from ..tensor import Tensor, wrap
from ..wont import Absent
from .attributes import attributes
from .hooks import HookTable, RemovableHandle
from .pullback import make_pullback

_by_number = attrgetter("number")

TWICE = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already been "
    "freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify "
    "retain_graph=True if you need to backward through the graph a second time or if you need to access saved tensors "
    "after calling backward."
)


class Freed:
    """In the place of saved values that were used up."""

    def recover(self) -> tuple:
        """The saved values: there are none any more."""
        raise RuntimeError(TWICE)


FREED = Freed()


class Node:
    """What a recorded op leaves in the graph (``torch.autograd.graph.Node``)."""

    __slots__ = ("edges", "number", "hooks", "__weakref__")

    def __init__(self, edges: tuple):
        self.edges = edges
        self.number = next_number()
        self.hooks: HookTable | None = None

    def name(self) -> str:
        """The node's name, as printed: ``AddBackward0``."""
        raise NotImplementedError

    @property
    def next_functions(self) -> tuple:
        """The nodes that this one sends cotangents to, each with the number of the output it is for."""
        return tuple(_place(e) for e in self.edges)

    @property
    def metadata(self) -> dict:
        """A dictionary for the user's notes."""
        return self._hooks().metadata

    def _hooks(self) -> HookTable:
        if self.hooks is None:
            self.hooks = HookTable()
        return self.hooks

    def register_hook(self, fn: Callable) -> RemovableHandle:
        """Call ``fn(grad_inputs, grad_outputs)`` when the node has run; what it returns replaces grad_inputs."""
        return self._hooks().add("post", fn)

    def register_prehook(self, fn: Callable) -> RemovableHandle:
        """Call ``fn(grad_outputs)`` before the node runs; what it returns replaces them."""
        return self._hooks().add("pre", fn)

    def retain(self, tensor: Tensor) -> None:
        """Keep what arrives as a tensor's ``.grad``."""
        self._hooks().retained.append(weakref.ref(tensor))

    def outputs(self) -> int:
        """How many results the op had."""
        return 1

    def backward(self, g: object, create_graph: bool, keep: bool) -> Iterable:
        """The cotangents for the edges."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{_last(self.name())} object at {hex(id(self))}>"


def _place(node: Node | None) -> tuple[Node | None, int]:
    if node is None or type(node) is Untracked:
        return None, 0
    return (shown(node.edges[0]), node.index) if isinstance(node, OutputNode) else (shown(node), 0)


def shown(node: Node) -> Node:
    """The node, in a class of its own name from now on: who looks at the graph may ask for the type's name, as for PyTorch's."""
    kind, name = type(node), _last(node.name())
    if kind.__name__ != name:
        node.__class__ = _class_of(kind.__base__ if kind.__dict__.get("_shown") else kind, name)
    return node


def _last(name: str) -> str:
    """The name of the class that has this name in C++."""
    return name.rpartition("::")[2]


@cache
def _class_of(kind: type, name: str) -> type:
    return type(name, (kind,), {"__slots__": (), "__module__": kind.__module__, "_shown": True})


class OpNode(Node):
    """The node of an op: the state of the trie it was recorded as, and the values that its rules name."""

    __slots__ = ("state", "saved")
    state: Any  # a State whose op is there
    saved: Any  # a tuple, or what has `recover()`

    def __init__(self) -> None:
        pass  # filled in by who makes it: a call would cost a tenth of an op

    def name(self) -> str:
        op = self.state.op
        return op.grad_name if op.naming is None else op.naming(self.state)

    @property
    def next_functions(self) -> tuple:
        """The nodes of the operands that may have a derivative, each with the number of the output it is for."""
        rules = self.state.op.vjps
        return tuple(_place(e) for e, rule in zip(self.edges, rules) if rule) if type(rules) is tuple else super().next_functions

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_saved_"):
            found = attributes(self).get(name)
            if found is not None:
                return found()
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *attributes(self)]

    def outputs(self) -> int:
        return len(self.state.outs)

    def backward(self, g: object, create_graph: bool, keep: bool) -> Iterable:
        op = self.state.op
        if op.pullback is None:
            op.pullback = make_pullback(op, fit=fit, FREED=FREED)
        return op.pullback(self, g, create_graph, keep)

    def restore(self, place: int, x: object, create_graph: bool) -> object:
        """A saved value as a tensor; on the graph, if the derivative is to be differentiated."""
        if type(x) is list:  # all operands, of an op that takes any number
            return tuple(wrap(v, e if create_graph else None) for v, e in zip(x, self.edges))
        if type(x) is tuple:  # all results
            return tuple(wrap(v, OutputNode(self, i) if create_graph else None) for i, v in enumerate(x))
        if type(x) is not Value:
            return x
        if not create_graph:
            return wrap(x)
        return wrap(x, self if place < 0 else self.edges[place])


class _Guarded(OpNode):
    """The node of an op with an operand that was made in inference mode, until it is known that no derivative needs that."""

    __slots__ = ()

    @property
    def edges(self) -> tuple:  # type: ignore[override]
        raise AttributeError("edges")

    @edges.setter
    def edges(self, edges: tuple) -> None:
        self.__class__ = OpNode  # type: ignore[assignment]
        self.edges = edges
        op = self.state.op
        picks = op.picks if callable(op.vjps) else [p for e, ps in zip(edges, op.picks) if e is not None for p in ps]
        refuse_inference([self.saved[p - 1] for p in picks if type(p) is int and p > 0] if type(self.saved) is tuple else ())


OpNode.guarded = _Guarded  # type: ignore[attr-defined]


def refuse_inference(saved: Iterable) -> None:
    """Refuse to keep the content of tensors that were made in inference mode: they have no versions to check."""
    for value in saved:
        if type(value) is list:
            refuse_inference(value)
        elif type(value) is Value and getattr(value, "inference", False):
            raise RuntimeError(
                "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in computation "
                "tracked by autograd. To work around this, you can make a clone to get a normal tensor and use it in autograd, or use "
                "`torch.no_grad()` instead of `torch.inference_mode()`."
            )


def op_node(state: State, saved: tuple, edges: tuple) -> OpNode:
    """The node of a recorded op."""
    node = state.tracks()  # type: ignore[misc]
    node.state, node.saved, node.edges = state, saved, edges
    node.number, node.hooks = next_number(), None
    return node


class OutputNode(Node):
    """One result of an op that has several: it hands its cotangent to the op's node with its place."""

    __slots__ = ("index",)

    def __init__(self, node: Node, index: int):
        super().__init__((node,))
        self.index = index

    def name(self) -> str:
        return self.edges[0].name()


class AccumulateGrad(Node):
    """The end of the graph at a leaf: adds what arrives to the tensor's ``.grad``."""

    __slots__ = ("target",)

    def __init__(self, tensor: Tensor):
        super().__init__(())
        self.target = weakref.ref(tensor)

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    @property
    def variable(self) -> Tensor | None:
        """The leaf."""
        return self.target()

    def backward(self, g: Tensor, create_graph: bool, keep: bool) -> Iterable:  # type: ignore[override]
        tensor = self.target()
        if tensor is not None:
            accumulate(tensor, g, create_graph)
            if self.hooks is not None:
                self.hooks.after_accumulate(tensor)
        return ()


class Untracked(Node):
    """Where the graph ends at a view that was made in `no_grad` of what requires grad: so does the view, but nothing arrives there."""

    __slots__ = ("mode",)

    def __init__(self, mode: str):
        super().__init__(())
        self.mode = mode

    def name(self) -> str:
        return "Untracked"

    def backward(self, g: object, create_graph: bool, keep: bool) -> Iterable:
        return ()


class Source(Node):
    """The end of the graph at an input of a function that is differentiated: nothing is added up there."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(())

    def name(self) -> str:
        return "Source"

    def backward(self, g: object, create_graph: bool, keep: bool) -> Iterable:
        return ()


LEAVES = (AccumulateGrad, Untracked)  # what a leaf that requires grad has in the place of a node that made it


def accumulate(tensor: Tensor, g: Tensor, create_graph: bool) -> None:
    """``tensor.grad += g``, in the grad that is there already, so that who holds it sees it."""
    held = tensor._grad
    if held is None:
        tensor._grad = g if create_graph else wrap(g._read()) if g._storage is None else g._content()
    elif create_graph:
        tensor._grad = joined(held, g)
    else:
        total = joined(held.detach(), g)
        if total.layout is held.layout:
            held._write(total, tracked=False)
        else:
            tensor._grad = total


def joined(there: Tensor, c: Tensor) -> Tensor:
    """The sum of two cotangents. PyTorch adds a sparse tensor to a dense one, and not the other way round."""
    storage, other = there._storage, c._storage
    if storage is not None and storage.record is not None and (other is None or other.record is None):
        return c + there
    return there + c


def fit(g: Tensor | None, aval: Aval | None) -> Tensor | None:
    """A cotangent in the form of its operand: summed over what was broadcast, in its dtype, real if it is real."""
    if g is None or aval is None or g._value.aval is aval:
        return g
    if g.shape != aval.shape:
        g = g.sum_to_size(aval.shape)
    if g.dtype is not aval.dtype:
        if g.dtype.is_complex and not aval.dtype.is_complex:
            g = g.real
        g = g.to(aval.dtype)
    return g if g.device is aval.device else g.to(aval.device)


class GradientEdge(NamedTuple):
    """A place in the graph that a gradient arrives at (``torch.autograd.graph.GradientEdge``): a node, and which of its outputs.

    The token is the node that this output has of its own.
    """

    node: Node
    output_nr: int
    ownership_token: Any = None


def reachable(roots: Iterable[Node]) -> list[Node]:
    """All nodes that can be reached, the newest first."""
    seen, stack = set(roots), list(set(roots))
    while stack:
        for edge in stack.pop().edges:
            if edge is not None and edge not in seen:
                seen.add(edge)
                stack.append(edge)
    return sorted(seen, key=_by_number, reverse=True)


def leading_to(order: list[Node], targets: set[Node]) -> set[Node]:
    """Those nodes of an order from which some target can be reached."""
    found = set(targets)
    for node in reversed(order):
        if not found.isdisjoint(node.edges):
            found.add(node)
    return found


def run(roots: Sequence[tuple[Node, Tensor]], *, keep: bool, create_graph: bool,
        targets: dict[Node, Tensor | None] | None = None) -> None:  # fmt: skip
    """Send cotangents from the roots back. With ``targets``, only to those nodes, whose cotangents are left there."""
    pending: dict = {}
    for node, g in roots:
        _deposit(pending, node, g)
    before, current.grad = current.grad, create_graph
    outer, current.backward = current.backward, (roots, targets)
    try:
        if targets is None and anomaly is None:
            _to_leaves(pending, keep, create_graph)
        elif targets is None:
            _to_all(pending, keep, create_graph)
        else:
            _to_targets(pending, targets, keep, create_graph)
    finally:
        current.grad, current.backward = before, outer


anomaly: Any = None  # what looks at each node's derivative, if something does


def _to_all(pending: dict, keep: bool, create_graph: bool) -> None:
    """As `_to_leaves`, node by node for who looks on."""
    order = reachable(pending)
    wanted = set(order)
    for node in order:
        if node in pending:
            _visit(node, pending, wanted, {}, keep, create_graph)


def _to_leaves(pending: dict, keep: bool, create_graph: bool) -> None:
    """Visit the newest node that has a cotangent: all that could add to it are newer, so it has them all."""
    waiting = [(-n.number, n) for n in pending]
    heapify(waiting)
    while waiting:
        node = heappop(waiting)[1]
        g = pending.pop(node)
        hooks = node.hooks
        if type(g) is dict:
            g = tuple(map(g.get, range(node.outputs())))
        if hooks is not None:
            g = hooks.before(hooks.tell(g))
        if type(node) is OpNode and node.state.op.pullback is not None:
            cotangents = node.state.op.pullback(node, g, create_graph, keep)
        elif type(node) is OutputNode:
            source = node.edges[0]
            if source not in pending:
                heappush(waiting, (-source.number, source))
            pending.setdefault(source, {})[node.index] = g
            continue
        else:
            cotangents = node.backward(g, create_graph, keep)
        if hooks is not None:
            cotangents = hooks.after(tuple(cotangents), g)
        for edge, c in zip(node.edges, cotangents):
            if edge is not None and c is not None:
                there = pending.get(edge)
                if there is None:
                    heappush(waiting, (-edge.number, edge))
                    pending[edge] = c
                else:
                    pending[edge] = there + c if there._storage is None else joined(there, c)


def _to_targets(pending: dict, targets: dict, keep: bool, create_graph: bool) -> None:
    """The same, on the paths to the targets alone; leaves are not added to."""
    order = reachable(pending)
    wanted = leading_to(order, set(targets))
    for node in order:
        if node in pending and node in wanted:
            _visit(node, pending, wanted, targets, keep, create_graph)


def _visit(node: Node, pending: dict, wanted: set, targets: dict, keep: bool, create_graph: bool) -> None:
    g = pending.pop(node)
    if type(g) is dict:
        g = tuple(map(g.get, range(node.outputs())))
    hooks = node.hooks
    if hooks is not None:
        g = hooks.tell(g)
    if node in targets:
        targets[node] = g
        if not any(e in wanted for e in node.edges):
            return
    if hooks is not None:
        g = hooks.before(g)
    if type(node) is OutputNode:
        _deposit(pending.setdefault(node.edges[0], {}), node.index, g)  # a saved output that is restored has a node of its own
        return
    pull = node.backward if anomaly is None else partial(anomaly.pull, node)
    cotangents = pull(g, create_graph, keep)
    if hooks is not None:
        cotangents = hooks.after(tuple(cotangents), g)
    for edge, c in zip(node.edges, cotangents):
        if edge is not None and c is not None:
            there = pending.get(edge)
            pending[edge] = c if there is None else joined(there, c)


def _deposit(pending: dict, node: object, g: Tensor) -> None:
    there = pending.get(node)
    pending[node] = g if there is None else joined(there, g)


def __getattr__(name: str) -> object:
    """What says how values are kept, imported when it is asked for."""
    if name in ("save_on_cpu", "saved_tensors_hooks", "disable_saved_tensors_hooks"):
        from . import saving

        return getattr(saving, name)
    if name in ("get_gradient_edge", "register_multi_grad_hook", "increment_version", "allow_mutation_on_saved_tensors"):
        from . import edges

        return getattr(edges, name)
    raise Absent(__name__, name)
