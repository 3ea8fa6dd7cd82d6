"""The graph from outside: its edges, hooks on several tensors at once (``torch.autograd.graph``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..engine.trace import current
from ..tensor import Tensor
from .graph import GradientEdge, Node, OutputNode, leading_to, reachable, shown
from .hooks import RemovableHandle
from .modes import no_grad


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """Where in the graph a tensor's gradient arrives: stands for it in `autograd.grad` (``torch.autograd.graph.get_gradient_edge``).

    >>> import kuai as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> edge = torch.autograd.graph.get_gradient_edge(x * 2)
    >>> edge.node.name(), edge.output_nr
    ('MulBackward0', 0)
    """
    tensor._read()
    node = tensor._node
    if node is None:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    if isinstance(node, OutputNode):
        return GradientEdge(shown(node.edges[0]), node.index, node)
    return GradientEdge(shown(node), 0, node)


def _scheduled() -> tuple[object, frozenset[Node]]:
    """The walk that is under way, and the nodes that it visits."""
    roots, targets = walk = current.backward
    order = reachable([node for node, _ in roots])
    return walk, frozenset(order) if targets is None else frozenset(leading_to(order, set(targets)))


class _MultiHook:
    """A function of the gradients of several tensors."""

    def __init__(self, nodes: list[Node | None], fn: Callable, every: bool):
        self.nodes, self.fn, self.every = nodes, fn, every
        self.walk: object = None
        self.found: list = []
        self.left = 0

    def arrived(self, place: int, g: Tensor) -> None:
        """A tensor's gradient is there."""
        if current.backward is not self.walk:
            self.walk, visited = _scheduled()
            self.found = [None] * len(self.nodes)
            self.left = sum(node in visited for node in self.nodes)
            if not self.every:
                self.fn(g)
        self.found[place], self.left = g, self.left - 1
        if self.every and not self.left:
            self.fn(self.found)


class _Handles:
    """Removes the hooks of `register_multi_grad_hook`."""

    def __init__(self, handles: Sequence[RemovableHandle]):
        self.handles = tuple(handles)

    def remove(self) -> None:
        """Remove the hooks."""
        for handle in self.handles:
            handle.remove()


def register_multi_grad_hook(tensors: Sequence[Tensor], fn: Callable, *, mode: str = "all") -> Any:
    """Call ``fn(gradients)`` once those of all tensors are known, None for one without; or, with mode "any", ``fn(gradient)`` of
    the first one (``torch.autograd.graph.register_multi_grad_hook``).

    >>> import kuai as torch
    >>> x, y = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    >>> handle = torch.autograd.graph.register_multi_grad_hook((x, y), lambda found: print(found))
    >>> (x * 2 + y * 3).backward()
    [tensor([2.]), tensor([3.])]
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    shared = _MultiHook([get_gradient_edge(t).ownership_token for t in tensors], fn, mode == "all")

    def hook_of(place: int) -> Callable:
        return lambda g: shared.arrived(place, g)

    return _Handles([t.register_hook(hook_of(place)) for place, t in enumerate(tensors)])  # type: ignore[attr-defined]


def increment_version(tensor: Tensor | Sequence[Tensor]) -> None:
    """Count a tensor as changed in place (``torch.autograd.graph.increment_version``).

    >>> import kuai as torch
    >>> x = torch.zeros(1)
    >>> torch.autograd.graph.increment_version(x); x._version
    1
    """
    for t in (tensor,) if isinstance(tensor, Tensor) else tensor:
        with no_grad():
            t.copy_(t.detach())  # type: ignore[attr-defined]


class _SavedContent:
    """What `allow_mutation_on_saved_tensors` gives: nothing is copied, so nothing has to be forgotten."""

    def clear(self) -> None:
        """Forget copies: there are none."""


@contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[_SavedContent]:
    """A block in which tensors that backward needs may be changed in place: they always may, as backward keeps values
    (``torch.autograd.graph.allow_mutation_on_saved_tensors``).

    >>> import kuai as torch
    >>> x = torch.ones(1, requires_grad=True)
    >>> with torch.autograd.graph.allow_mutation_on_saved_tensors():
    ...     y = x.clone(); z = y.square(); _ = y.zero_()
    >>> z.backward(); x.grad
    tensor([2.])
    """
    yield _SavedContent()
