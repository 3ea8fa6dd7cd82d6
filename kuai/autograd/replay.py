"""A backward that was there before is not walked again: all that its walk recorded is recorded at once.

A step of training takes back the graph that the step before took back. Where the trie's state, the numbers recorded so far
and the graph are the same, so is what the walk records, for it looks at nothing else. To see whether they are costs a fifth
of the walk. Whatever is special (hooks, gradients that are there already, nodes that are not an op's) is walked each time.
"""

from __future__ import annotations

from typing import Any

from ..engine.program import State
from ..engine.trace import Trace, Unread, Value, current, flush, make_value
from ..tensor import Tensor, wrap
from . import graph
from .graph import FREED, AccumulateGrad, Node, OpNode, OutputNode

MET, NEVER = "met once", "not to be repeated"  # what a state may know, instead of a Walk, of the backward that begins there


class Walk:
    """What a walk recorded, and the graph that it went through, as a description that other graphs can be held against."""

    __slots__ = ("keep", "seed", "rows", "joins", "before", "zeros", "end", "added", "made", "freed", "grads")

    # For each node: its class; its state, or its place among an op's results; how much older than the root it is; by which
    # edge of which node it was found.
    rows: list[tuple[Any, object, int, int, int]]
    joins: list[tuple[int, int, int]]  # the other edges, and the node to which each leads
    before: list  # the numbers recorded before the walk
    zeros: list[int]  # which of them are zeros, which have a sign
    keep: bool  # whether the graph is kept
    seed: int  # the slot of the cotangent that the walk begins with
    end: State
    added: list  # the numbers that it recorded
    made: list  # what it recorded and can be asked for: the place after its beginning, and the aval
    freed: list[int]  # nodes whose saved values it used up
    grads: list[int | None]  # the slots of the leaves' gradients

    def find(self, root: Node, trace: Trace) -> tuple[list, list] | None:
        """The nodes and leaves of a root's graph, if it is the one that was walked."""
        numbers = trace.numbers
        if self.before != numbers or any(str(self.before[i]) != str(numbers[i]) for i in self.zeros):
            return None
        nodes: list[Any] = [None]
        leaves: list[Tensor] = []
        newest = root.number
        for kind, mark, age, parent, place in self.rows:
            node: Any = nodes[parent].edges[place] if parent else root
            if type(node) is not kind or node.hooks is not None:
                return None
            if kind is OpNode:
                if node.state is not mark or newest - node.number != age or type(node.saved) is not tuple:
                    return None
            elif kind is AccumulateGrad:
                leaf = node.target()
                if leaf is None or leaf._grad is not None:
                    return None
                leaves.append(leaf)
            elif node.index != mark:
                return None
            nodes.append(node)
        for parent, place, known in self.joins:
            if nodes[parent].edges[place] is not nodes[known]:
                return None
        return nodes, leaves

    def repeat(self, trace: Trace, nodes: list, leaves: list[Tensor]) -> None:
        """Record what the walk recorded, and do to nodes and leaves what it did."""
        first = trace.state.slots
        values: list[Value] = [Unread() for _ in range(self.end.slots - first)]
        for place, aval in self.made:
            values[place] = make_value(aval, None, trace, first + place)
        trace.state = self.end  # before the values: another thread reads the longest prefix that both agree on
        trace.numbers += self.added
        trace.values += values
        for index in self.freed:
            nodes[index].saved = FREED
        for leaf, slot in zip(leaves, self.grads):
            if slot is not None:
                leaf._grad = wrap(trace.values[slot])
        if self.end.full:
            flush()


def run(tensor: Tensor, g: Tensor, keep: bool) -> None:
    """Send a cotangent from one tensor back to all leaves."""
    root, trace = tensor._node, current.trace
    if not _is_of(tensor, g, trace):
        return graph.run([(root, g)], keep=keep, create_graph=False)
    start = trace.state
    if type(start.walk) is Walk:
        walk = start.walk
        found = walk.find(root, trace) if walk.keep is keep and walk.seed == g._value.slot else None
        if found is not None:
            return walk.repeat(trace, *found)
    elif start.walk is MET:
        return _learn(start, root, g, keep, trace)
    elif start.walk is None:
        start.walk = MET
    return graph.run([(root, g)], keep=keep, create_graph=False)


def _is_of(tensor: Tensor, g: Tensor, trace: Trace) -> bool:
    """Whether a trace has all that a walk is made of, and nobody looks on."""
    return (
        tensor._value.trace is trace
        and trace.borrowed is None
        and tensor._node.number > trace.began
        and g._value.trace is trace
        and g._storage is None
        and graph.anomaly is None
        and current.autocast is None
    )


def _learn(start: State, root: Node, g: Tensor, keep: bool, trace: Trace) -> None:
    """Walk, and keep what is needed to repeat it, if it can be."""
    start.walk = NEVER
    walk, before, read = Walk(), list(trace.numbers), current.read
    found = _describe(walk, root)
    graph.run([(root, g)], keep=keep, create_graph=False)
    if found is None or current.trace is not trace or current.read != read or _admits(start, trace.state):
        return
    walk.keep, walk.seed, walk.end = keep, g._value.slot, trace.state
    walk.before, walk.added = before, trace.numbers[len(before) :]
    walk.zeros = [i for i, n in enumerate(before) if n == 0]
    if _note_results(walk, trace, start.slots, *found):
        start.walk = walk


def _describe(walk: Walk, root: Node) -> tuple[list, list] | None:
    """Note how a graph looks; its nodes and leaves, or None if something in it is special."""
    walk.rows, walk.joins = [], []
    places: dict = {None: 0}
    leaves: list = []
    queue: list = [(root, 0, 0)]
    for node, parent, place in queue:
        if node in places:
            walk.joins.append((parent, place, places[node]))
            continue
        if not _is_plain(node):
            return None
        age = root.number - node.number if type(node) is OpNode else 0
        walk.rows.append((type(node), getattr(node, "state", getattr(node, "index", None)), age, parent, place))
        if type(node) is AccumulateGrad:
            leaves.append(node.variable)
        places[node] = number = len(places)
        queue += [(edge, number, i) for i, edge in enumerate(node.edges)]
    return list(places), leaves


def _is_plain(node: Node) -> bool:
    if node.hooks is not None:
        return False
    if type(node) is OpNode:
        return type(node.saved) is tuple
    if type(node) is AccumulateGrad:
        leaf = node.target()
        return leaf is not None and leaf._grad is None
    return type(node) is OutputNode


def _admits(start: State, end: State) -> bool:
    """Whether something from outside came in between."""
    return any(state.op is None for state in end.path()[start.depth :])


def _note_results(walk: Walk, trace: Trace, first: int, nodes: list, leaves: list[Tensor]) -> bool:
    """Note what a walk did to nodes and leaves; False if it gave a leaf something that is not of the trace."""
    grads = [leaf._grad for leaf in leaves]
    if any(g is not None and (g._storage is not None or g._value.trace is not trace) for g in grads):
        return False
    walk.grads = [None if g is None else g._value.slot for g in grads]
    walk.made = [(slot - first, trace.values[slot].aval) for slot in sorted({s for s in walk.grads if s is not None and s >= first})]
    walk.freed = [i for i, node in enumerate(nodes) if type(node) is OpNode and node.saved is FREED]
    return True
