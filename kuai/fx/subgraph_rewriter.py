"""Putting one piece of graph in the place of another, wherever it is found (``torch.fx.subgraph_rewriter``)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..nn import Module
from .graph import Graph
from .graph_module import GraphModule, _assign_attr
from .node import Node


class Match(NamedTuple):
    """Where a pattern was found: the pattern's last node, and the graph's node for each of the pattern's."""

    anchor: Node
    nodes_map: dict[Node, Node]


@dataclass
class ReplacedPatterns:
    """A match, and the nodes that took its place."""

    anchor: Node
    nodes_map: dict[Node, Node]
    replacements: list[Node]


def replace_pattern(gm: GraphModule, pattern: Callable | GraphModule, replacement: Callable | GraphModule) -> list[Match]:
    """Replace what does as ``pattern`` does by ``replacement``, wherever it is (``torch.fx.replace_pattern``).

    Both are traced; places that overlap are replaced once. Gives the matches.

    >>> import kuai as torch
    >>> traced = torch.fx.symbolic_trace(lambda x, y: torch.relu(x + y) * 2)
    >>> matches = torch.fx.replace_pattern(traced, lambda a, b: torch.relu(a + b), lambda a, b: a - b)
    >>> len(matches), traced(torch.tensor(1.), torch.tensor(3.))
    (1, tensor(-4.))
    """
    return [Match(r.anchor, r.nodes_map) for r in replace_pattern_with_filters(gm, pattern, replacement)]


def replace_pattern_with_filters(gm: GraphModule, pattern: Callable | Graph | GraphModule,
                                 replacement: Callable | Graph | GraphModule, match_filters: list[Callable] | None = None,
                                 ignore_literals: bool = False) -> list[ReplacedPatterns]:  # fmt: skip
    """`replace_pattern` for the matches that all filters let pass (``torch.fx.subgraph_rewriter.replace_pattern_with_filters``).

    A filter is given the match, the graph and the pattern's graph.
    """
    old, new = _graph(pattern), _graph(replacement)
    found = _matches(gm.graph, old, ignore_literals)
    kept = [m for m in found if all(f(Match(*m), gm.graph, old) for f in match_filters or ())]
    changed: dict[Node, Node] = {}
    made = [_replace(gm.graph, old, new, anchor, nodes, changed) for anchor, nodes in kept]
    gm.recompile()
    if isinstance(replacement, Module):
        _take_attributes(gm, replacement)
    return made


def _graph(given: Any) -> Graph:
    from .tracer import symbolic_trace

    return given if isinstance(given, Graph) else given.graph if isinstance(given, GraphModule) else symbolic_trace(given).graph


def _returned(graph: Graph) -> list[Node]:
    return graph.output_node().all_input_nodes


def _matches(graph: Graph, pattern: Graph, ignore_literals: bool) -> list[tuple[Node, dict[Node, Node]]]:
    """Where a pattern is found, without overlaps."""
    anchors = _returned(pattern)
    taken: set[Node] = set()
    found = []
    for node in reversed(graph.nodes):
        nodes: dict[Node, Node] = {}
        if len(anchors) == 1 and _fits(anchors[0], node, nodes, ignore_literals) and _contained(pattern, nodes):
            inner = {g for p, g in nodes.items() if p.op != "placeholder"}
            if not inner & taken:
                taken |= inner
                found.append((anchors[0], nodes))
    return found[::-1]


def _fits(pattern: Node, node: Any, nodes: dict[Node, Node], loose: bool) -> bool:
    """Whether a node does as the pattern's does, and so what leads to it; notes which is which."""
    if pattern in nodes:
        return nodes[pattern] is node
    if pattern.op == "placeholder":
        nodes[pattern] = node
        return True
    if not isinstance(node, Node) or node.op != pattern.op or not _same_target(pattern, node):
        return False
    nodes[pattern] = node
    return _fit((pattern.args, dict(pattern.kwargs)), (node.args, dict(node.kwargs)), nodes, loose)


def _same_target(pattern: Node, node: Node) -> bool:
    if pattern.op in ("call_module", "get_attr"):
        mine, other = (n.graph.owning_module for n in (pattern, node))
        if pattern.op == "call_module" and mine is not None and other is not None:
            return type(mine.get_submodule(str(pattern.target))) is type(other.get_submodule(str(node.target)))
    return pattern.target == node.target


def _fit(pattern: Any, given: Any, nodes: dict[Node, Node], loose: bool) -> bool:
    """`_fits` for arguments, which hold nodes in lists and dictionaries."""
    if isinstance(pattern, Node):
        return _fits(pattern, given, nodes, loose)
    if isinstance(pattern, (list, tuple)):
        if not isinstance(given, (list, tuple)) or len(pattern) != len(given):
            return False
        return all(_fit(p, g, nodes, loose) for p, g in zip(pattern, given))
    if isinstance(pattern, dict):
        return isinstance(given, dict) and pattern.keys() == given.keys() and all(_fit(pattern[k], given[k], nodes, loose) for k in pattern)
    return not isinstance(given, Node) and (loose or type(pattern) is type(given) and pattern == given)


def _contained(pattern: Graph, nodes: dict[Node, Node]) -> bool:
    """Whether nobody outside takes what the pattern does not give."""
    given, inner = _returned(pattern), set(nodes.values())
    return all(set(g.users) <= inner for p, g in nodes.items() if p.op != "placeholder" and p not in given)


def _replace(graph: Graph, old: Graph, new: Graph, anchor: Node, nodes: dict[Node, Node], changed: dict[Node, Node]) -> ReplacedPatterns:
    inputs = [nodes[p] for p in old.nodes if p.op == "placeholder" and p in nodes]
    places = [n for n in new.nodes if n.op == "placeholder"]
    if len(inputs) != len(places):
        raise AssertionError(f"Placeholder count mismatch: {len(inputs)} vs {len(places)}")
    inputs = [changed.get(n, n) if isinstance(n, Node) else n for n in inputs]
    copies: dict[Node, Any] = dict(zip(places, inputs))
    last = nodes[anchor]
    with graph.inserting_before(min(last.users) if last.users else last.next):
        result = graph.graph_copy(new, copies)
    result = result if isinstance(result, Node) else result[0]
    last.replace_all_uses_with(result)
    changed[last] = result
    for node in reversed(old.nodes):
        if node.op not in ("placeholder", "output"):
            graph.erase_node(nodes[node])
    return ReplacedPatterns(anchor, nodes, [n for n in copies.values() if n not in inputs])


def _take_attributes(gm: GraphModule, replacement: Module) -> None:
    """Copy the modules and attributes that the new nodes name, if they are not there."""
    gm.delete_all_unused_submodules()
    for node in gm.graph.nodes:
        if node.op in ("call_module", "get_attr"):
            here, there = _found(gm, str(node.target)), _found(replacement, str(node.target))
            if here is None and there is None:
                raise RuntimeError(f'Attempted to create a "{node.op}" node during subgraph rewriting with target {node.target}, but '
                                   "the referenced attribute does not exist in the replacement GraphModule")  # fmt: skip
            if here is None:
                _assign_attr(copy.deepcopy(there), gm, str(node.target))
    gm.graph.lint()


def _found(module: Any, path: str) -> Any:
    for part in path.split("."):
        module = getattr(module, part, None)
    return module
