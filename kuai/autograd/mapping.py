"""Derivatives through `vmap`: what a function of samples recorded on the graph, behind one node of the graph outside.

Inside a level the graph is that of one sample. Its edges end at doors: to the mapped tensors, and to whatever outside the
function uses besides. The node outside sends the batch of cotangents through the graph of one sample, as samples of the
same level, and gives each door's batch outside; what all samples share gets the sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Any, NamedTuple

from ..engine.batch import Level, inside, lift, lower, outside
from ..engine.trace import Value, current
from ..tensor import Tensor, wrap
from .graph import Node, OutputNode, Source, next_number, run
from .modes import enable_grad


class Door(Node):
    """Where the graph of a sample ends: its edge leads to a node outside of the level."""

    __slots__ = ("mark", "mapped")

    def __init__(self, level: Level, outside: Node, mapped: bool):
        self.edges, self.number, self.hooks = (outside,), outside.number, None
        self.mark, self.mapped = level.mark, mapped

    def name(self) -> str:
        return self.edges[0].name()

    def backward(self, g: object, create_graph: bool, keep: bool) -> Iterable:
        raise RuntimeError(
            "backward() called inside a functorch transform: a gradient of one sample of vmap cannot be added to a tensor outside. "
            "Use func.grad or func.vjp inside, or call backward() on what vmap gives."
        )


class MapNode(Node):
    """The node outside of all that a mapped function recorded: from the cotangents of its results to those of its doors."""

    __slots__ = ("level", "roots", "doors")

    def __init__(self, level: Level, roots: Sequence[Node | None], doors: list[Door]):
        super().__init__(tuple(d.edges[0] for d in doors))
        self.level, self.roots, self.doors = level, roots, doors

    def name(self) -> str:
        return "VmapBackward"

    def outputs(self) -> int:
        return len(self.roots)

    def backward(self, g: object, create_graph: bool, keep: bool) -> Iterable:
        batches = g if isinstance(g, tuple) else (g,)
        pairs = [(root, b) for root, b in zip(self.roots, batches) if root is not None and b is not None]

        def walk(*cotangents: Tensor) -> list:
            targets: dict = dict.fromkeys(self.doors)
            run([(root, c) for (root, _), c in zip(pairs, cotangents)], keep=keep, create_graph=create_graph, targets=targets)
            return [targets[d] for d in self.doors]

        found = map_samples(self.level, walk, [b for _, b in pairs])
        return tuple(c if c is None or d.mapped else c.sum(0) for c, d in zip(found, self.doors))


def map_samples(level: Level, function: Callable, batches: Sequence[Tensor]) -> list:
    """Run a function on one sample of each batch; its results, tensors or None, as batches on the graph."""
    start = next_number()
    level.spans.append((start, inf))
    try:
        with inside(level):
            results = function(*[enter(t, level) for t in batches])
            parts = [None if r is None else (r._read(), r._node) for r in results]
    finally:
        level.spans[-1] = start, next_number()
    roots, doors = seal(level, [node for _, node in filter(None, parts)])
    return _on_graph([None if p is None else _batch(p[0], level) for p in parts], iter(roots), doors, level)


def _on_graph(batches: list, roots: Iterable, doors: list[Door], level: Level) -> list:
    given = [None if b is None else next(roots) for b in batches]  # type: ignore[call-overload]
    if doors:
        node = MapNode(level, given, doors)
        for i, (batch, root) in enumerate(zip(batches, given)):
            if root is not None:
                batch._node = OutputNode(node, i)
    return batches


def enter(batch: Tensor, level: Level) -> Tensor:
    """One sample of a tensor that has the batch in front."""
    value = batch._read()
    return wrap(lift(value, level), None if batch._node is None else Door(level, batch._node, True))


def _batch(value: Value, level: Level) -> Tensor:
    """The tensor outside that a sample's value is of; what all samples share is repeated."""
    return _whole(*lower(value, level), level)


def seal(level: Level, roots: Sequence[Node | None]) -> tuple[list[Node | None], list[Door]]:
    """End the graph of a sample at doors, wherever it leads outside; the roots, and the doors that can be reached."""
    found: dict[Door, None] = {}
    seen: set[Node] = set()

    def ended(node: Node | None) -> Node | None:
        if node is None or _belongs(node, level):
            return node
        if node not in level.doors:
            level.doors[node] = Door(level, node, False)
        return level.doors[node]

    sealed = [ended(root) for root in roots]
    stack = [root for root in sealed if root is not None]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if isinstance(node, Door):
            found[node] = None
            continue
        node.edges = tuple(map(ended, node.edges))
        stack += [e for e in node.edges if e is not None]
    return sealed, list(found)


def _belongs(node: Node, level: Level) -> bool:
    if isinstance(node, Door):
        return node.mark is level.mark
    return any(start <= node.number < end for start, end in level.spans)


# ---- rules of one's own ----------------------------------------------------------------------------------------------


class VmapInfo(NamedTuple):
    """What a `Function.vmap` is told: the length of the batch, and what draws do."""

    batch_size: int
    randomness: str


class RuleNode(Node):
    """The node, on the graph of a sample, of what was computed outside for the whole batch."""

    __slots__ = ("level", "label", "outs", "starts")

    def __init__(self, level: Level, label: str, edges: tuple, outs: list[Tensor], starts: list[Tensor | None]):
        super().__init__(edges)
        self.level, self.label, self.outs, self.starts = level, label, outs, starts

    def name(self) -> str:
        return self.label

    def outputs(self) -> int:
        return len(self.outs)

    def backward(self, g: object, create_graph: bool, keep: bool) -> Iterable:
        if create_graph and current.grad and any(c is not None and c._node is not None for c in g):  # type: ignore[attr-defined]
            raise NotImplementedError(f"{self.label}: a second derivative through a vmap rule of one's own; set generate_vmap_rule")
        trace: Any = current.trace
        trace.hand_over()
        given = [None if c is None else lower(c._read(), self.level) for c in g]  # type: ignore[attr-defined]
        with outside(trace):
            pairs = [(o._node, _whole(*c, self.level)) for o, c in zip(self.outs, given) if c is not None and o._node is not None]
            targets: dict = {s._node: None for s in self.starts if s is not None}
            run(pairs, keep=True, create_graph=False, targets=targets)
        found = [None if s is None else targets[s._node] for s in self.starts]
        return tuple(None if c is None else wrap(lift(c._read(), self.level)) for c in found)


def _whole(value: Value, mapped: bool, level: Level) -> Tensor:
    """The batch outside of a value; what all samples share is repeated."""
    out = wrap(value)
    return out if mapped else wrap(out.expand(level.size, *out.shape)._read())


def by_rule(rule: Callable, label: str, args: tuple) -> object:
    """Call a `Function`'s own rule for batches, with the tensors outside of the level; its results as samples."""
    trace: Any = current.trace
    level: Level = trace.level
    values = [a._read() if isinstance(a, Tensor) else None for a in args]
    trace.hand_over()
    with outside(trace):
        given, starts, dims = zip(*[_outer(a, v, level) for a, v in zip(args, values)])
        with enable_grad():
            found, out_dims = rule(VmapInfo(level.size, level.randomness), dims, *given)
        many = isinstance(found, (tuple, list))
        results = list(found) if many else [found]
        places = list(out_dims) if isinstance(out_dims, (tuple, list)) else [out_dims] * len(results)
        outs = [r if d is None or not isinstance(r, Tensor) else r.movedim(d, 0) for r, d in zip(results, places)]
    samples = [o if d is None or not isinstance(o, Tensor) else wrap(lift(o._read(), level)) for o, d in zip(outs, places)]
    edges = tuple(a._node if isinstance(a, Tensor) else None for a in args)
    if current.grad and any(e is not None for e in edges):
        node = RuleNode(level, label, edges, outs, list(starts))
        for i, (sample, out) in enumerate(zip(samples, outs)):
            if isinstance(out, Tensor) and out._node is not None:
                sample._node = OutputNode(node, i)
    return tuple(samples) if many else samples[0]


def _outer(x: object, value: Value | None, level: Level) -> tuple:
    """An argument outside of the level, where its derivative is found, and the dimension of the batch."""
    if value is None:
        return x, None, None
    found, mapped = lower(value, level)
    if x._node is None or not (found.aval.dtype.category > 1):  # type: ignore[attr-defined]
        return wrap(found), None, 0 if mapped else None
    start = wrap(_whole(found, mapped, level)._read(), Source())
    return start, start, 0
