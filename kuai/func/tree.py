"""Nested containers of tensors, as `utils._pytree` knows them: taken apart and put together again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from ..utils._pytree import tree_flatten, tree_unflatten
from ..utils._pytree import tree_leaves as leaves
from ..utils._pytree import tree_map as tree_map
from ..utils._pytree import tree_structure as structure

__all__ = ("leaves", "rebuild", "structure", "tree_map")


def rebuild(tree: object, given: Iterator) -> object:
    """A tree of the same form with other leaves, as many of those given as it needs."""
    found, form = tree_flatten(tree)
    return tree_unflatten(list(islice(given, len(found))), form)
