"""What programs ask of PyTorch's inner `vmap` (``torch._C._functorch``, ``torch._functorch.vmap``). Levels have no numbers here."""

from __future__ import annotations

import functools
from typing import Any, NoReturn

from ..ops.host import differs
from ..tensor import Tensor as Tensor
from ..utils._pytree import TreeSpec, tree_flatten, tree_map_, tree_unflatten

__all__ = ["Tensor", "get_unwrapped", "is_batchedtensor", "tree_flatten", "tree_map_", "tree_unflatten"]


def is_batchedtensor(tensor: object) -> bool:
    """Whether a tensor is, under `vmap`, another one for each sample.

    >>> import kuai as torch
    >>> from kuai.func.levels import is_batchedtensor
    >>> y = torch.vmap(lambda x: x * is_batchedtensor(x))(torch.ones(2)); y, is_batchedtensor(y)
    (tensor([1., 1.]), False)
    """
    return isinstance(tensor, Tensor) and differs(tensor)


def get_unwrapped(tensor: Any) -> Any:
    """The tensor itself where it is not mapped over; NotImplementedError for one that is."""
    if is_batchedtensor(tensor):
        raise NotImplementedError("get_unwrapped: kuai's vmap has no tensor of a whole batch behind that of a sample")
    return tensor


def _get_name(func: Any) -> str:
    """How errors name a function."""
    if isinstance(func, functools.partial):
        return f"functools.partial({_get_name(func.func)}, ...)"
    return getattr(func, "__name__", None) or repr(func)


def _broadcast_to_and_flatten(tree: Any, treespec: TreeSpec, is_leaf: Any = None) -> list | None:
    """The leaves of a tree that stands for one of another shape: a leaf counts for all below it; None if they do not fit."""
    if treespec.is_leaf():
        return [tree]
    if not isinstance(tree, (list, tuple, dict)):
        return [tree] * treespec.num_leaves
    parts = list(tree.values()) if isinstance(tree, dict) else list(tree)
    if type(tree) is not treespec.type or len(parts) != len(treespec.children_specs):
        return None
    found: list = []
    for part, spec in zip(parts, treespec.children_specs):
        below = _broadcast_to_and_flatten(part, spec)
        if below is None:
            return None
        found += below
    return found


def _inner(name: str) -> Any:
    def refuse(*args: object, **kwargs: object) -> NoReturn:
        """Not there: samples are recorded, and have no dimension to add or take away."""
        raise NotImplementedError(f"{name}: kuai's vmap records one sample and has no batched tensors inside; use torch.vmap")

    refuse.__name__ = name
    return refuse


_add_batch_dim, _remove_batch_dim, _maybe_remove_batch_dim = map(
    _inner, ("_add_batch_dim", "_remove_batch_dim", "_maybe_remove_batch_dim")
)
_process_batched_inputs, _create_batched_inputs, _unwrap_batched, _validate_and_get_batch_size = map(
    _inner, ("_process_batched_inputs", "_create_batched_inputs", "_unwrap_batched", "_validate_and_get_batch_size")
)
