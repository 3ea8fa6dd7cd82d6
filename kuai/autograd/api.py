"""Asking for derivatives: `backward` and `grad`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from operator import index as as_index
from typing import Any

from ..engine.trace import current
from ..tensor import Tensor
from . import replay
from .graph import LEAVES, AccumulateGrad, GradientEdge, Node, OutputNode, Untracked, accumulate, run, shown

Tensors = Tensor | GradientEdge | Sequence[Tensor | GradientEdge]


def _tuple(x: object) -> tuple:
    return () if x is None else (x,) if isinstance(x, (Tensor, GradientEdge)) else tuple(x)  # type: ignore[arg-type]


def _need_all(given: object, what: str, kind: type[Exception]) -> tuple:
    """Tensors or edges as a tuple, with nothing else in it."""
    found = (given,) if isinstance(given, (Tensor, GradientEdge)) else tuple(given)  # type: ignore[arg-type]
    odd = next((x for x in found if not isinstance(x, (Tensor, GradientEdge))), found)
    if odd is not found:
        raise kind(f"all {what} have to be Tensors or GradientEdges, but got {type(odd).__name__}")
    return found


def _need_flags(*flags: object) -> None:
    for flag in flags:
        if flag is not None and not isinstance(flag, bool):
            as_index(flag)  # type: ignore[arg-type]


def _roots(tensors: tuple, grads: tuple) -> list[tuple[Node, Tensor]]:
    grads = grads + (None,) * (len(tensors) - len(grads)) if grads == () else grads
    if len(grads) != len(tensors):
        raise RuntimeError(f"got {len(tensors)} tensors and {len(grads)} gradients")
    found = []
    for i, (t, g) in enumerate(zip(tensors, grads)):
        node = t.ownership_token if isinstance(t, GradientEdge) else _placed(t)
        if node is None:
            raise RuntimeError(f"element {i} of tensors does not require grad and does not have a grad_fn")
        found.append((node, _seed(t, g)))
    return found


def _placed(t: Tensor) -> Node | None:
    """A tensor's node."""
    t._read()
    return t._node


def _seed(t: Any, g: Tensor | None) -> Tensor:
    if isinstance(t, GradientEdge):
        if g is None:
            raise RuntimeError("grad can be implicitly created only for tensors: give a gradient for a GradientEdge")
        return g
    if not (g is None or isinstance(g, Tensor)):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
    if g is None:
        if t._aval.size != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        if t.dtype.is_complex:
            raise RuntimeError(f"grad can be implicitly created only for real scalar outputs but got {t.dtype}")
        return t._unit()
    if g.shape != t.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[0] has a shape of {g.shape} and output[0] has a shape of {t.shape}."
        )
    if g.dtype.is_complex != t.dtype.is_complex:
        raise RuntimeError(
            "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: "
            f"grad_output[0] has a dtype of {g.dtype} and output[0] has a dtype of {t.dtype}."
        )
    return g


def backward(tensors: Tensors, grad_tensors: object = None, retain_graph: bool | None = None, create_graph: bool = False,
             grad_variables: object = None, inputs: Tensors | None = None) -> None:  # fmt: skip
    """Add the derivatives of the tensors to ``.grad`` of the leaves (``torch.autograd.backward``).

    >>> import kuai as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> torch.autograd.backward((x * 3).sum()); x.grad
    tensor([3., 3.])
    """
    if current.transforms:
        raise RuntimeError(
            "backward() called inside a functorch transform. This is not supported, please use func.grad or func.vjp instead or "
            "call backward() outside of the function that is transformed."
        )
    if grad_variables is not None:
        grad_tensors = _former(grad_tensors, grad_variables)
    _need_flags(retain_graph, create_graph)
    keep = create_graph if retain_graph is None else retain_graph
    chosen = _need_all(tensors, "outputs", AssertionError)
    if not chosen:
        return
    roots = _roots(chosen, _tuple(grad_tensors))
    if inputs is None:
        if len(roots) == 1 and not create_graph and isinstance(source := chosen[0], Tensor):
            replay.run(source, roots[0][1], bool(keep))
        else:
            run(roots, keep=keep, create_graph=create_graph)
        return
    chosen = _need_all(inputs, "inputs", RuntimeError)
    if not chosen:
        raise RuntimeError("'inputs' argument to backward() cannot be empty.")
    _into(chosen, roots, keep, create_graph)


def _former(grad_tensors: object, grad_variables: object) -> object:
    """The cotangents under the name that they once had."""
    warnings.warn("`grad_variables` is deprecated. Use `grad_tensors` instead.", FutureWarning, stacklevel=3)
    if grad_tensors is not None:
        raise RuntimeError(
            "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`. Please only use `grad_tensors`."
        )
    return grad_variables


def _into(chosen: tuple, roots: list, keep: bool, create_graph: bool) -> None:
    targets: dict = {_node_of(t): None for t in chosen}
    run(roots, keep=keep, create_graph=create_graph, targets=targets)
    for t in chosen:
        g = targets[_node_of(t)]
        if g is not None:
            accumulate(_leaf(t), g, create_graph)


def _leaf(t: Any) -> Tensor:
    """The tensor that a gradient is added to."""
    if not isinstance(t, GradientEdge):
        return t
    if not isinstance(t.node, AccumulateGrad) or t.node.variable is None:
        raise RuntimeError("backward: a GradientEdge in inputs must be a leaf's; use autograd.grad for others")
    return t.node.variable


def _node_of(t: Any) -> Node:
    node = t.ownership_token if isinstance(t, GradientEdge) else _placed(t)
    if node is None:
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    return node


def grad(outputs: Tensors, inputs: Tensors, grad_outputs: object = None, retain_graph: bool | None = None,
         create_graph: bool = False, only_inputs: bool = True, allow_unused: bool | None = None,
         is_grads_batched: bool = False, materialize_grads: bool = False) -> tuple:  # fmt: skip
    """The derivatives of the outputs with respect to the inputs, as a tuple (``torch.autograd.grad``).

    >>> import kuai as torch
    >>> x = torch.tensor(3., requires_grad=True)
    >>> torch.autograd.grad(x ** 2, x)
    (tensor(6.),)
    """
    if is_grads_batched:
        return _batched(outputs, inputs, _tuple(grad_outputs), create_graph, allow_unused, materialize_grads)
    if materialize_grads and allow_unused is False:
        raise ValueError("Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False.")
    keep = create_graph if retain_graph is None else retain_graph
    _need_flags(retain_graph, create_graph, allow_unused, materialize_grads)
    chosen = _need_all(inputs, "inputs", RuntimeError)
    if not chosen:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    targets: dict = {_node_of(t): None for t in chosen}
    roots = _roots(_need_all(outputs, "outputs", AssertionError), _tuple(grad_outputs))
    run(roots, keep=keep, create_graph=create_graph, targets=targets)
    found = tuple(None if type(n) is Untracked else _result(targets[n], create_graph) for n in map(_node_of, chosen))
    if materialize_grads:
        return tuple(t.new_zeros(t.shape) if g is None else g for g, t in zip(found, chosen))
    if not allow_unused and any(g is None for g in found):
        raise RuntimeError(
            "One of the differentiated Tensors appears to not have been used in the graph. Set allow_unused=True if this "
            "is the desired behavior."
        )
    return found


def _batched(outputs: Tensors, inputs: Tensors, grads: tuple, create_graph: bool, unused: bool | None, fill: bool) -> tuple:
    """Derivatives for each cotangent of a batch: those of one, mapped over it."""
    from ..func.vmap import vmap  # stands floors above

    missing: list[bool] = []

    def of_one(*cotangents: Tensor) -> list[Tensor]:
        given = iter(cotangents)
        found = grad(outputs, inputs, [None if g is None else next(given) for g in grads], True, create_graph,
                     allow_unused=unused, materialize_grads=fill)  # fmt: skip
        missing[:] = [g is None for g in found]
        return [g for g in found if g is not None]

    rows = iter(vmap(of_one)(*[g for g in grads if g is not None]))
    return tuple(None if m else next(rows) for m in missing)


def _result(g: Tensor | None, create_graph: bool) -> Tensor | None:
    return g if g is None or create_graph else g._content()


def grad_fn(self: Tensor) -> Node | None:
    """The node that made this tensor; None for a leaf (``torch.Tensor.grad_fn``)."""
    self._read()
    node = self._node
    if type(node) in LEAVES:
        return None
    return node if node is None else shown(node.edges[0] if type(node) is OutputNode else node)


