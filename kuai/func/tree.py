"""Nested tuples, lists and dictionaries of tensors: taken apart and put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterator


def leaves(tree: object) -> list:
    """What is not a container, in order."""
    return list(_walk(tree))


def _walk(tree: object) -> Iterator:
    if isinstance(tree, dict):
        for value in tree.values():
            yield from _walk(value)
    elif isinstance(tree, (tuple, list)):
        for value in tree:
            yield from _walk(value)
    else:
        yield tree


def rebuild(tree: object, given: Iterator) -> object:
    """A tree of the same form with other leaves."""
    if isinstance(tree, dict):
        return type(tree)((k, rebuild(v, given)) for k, v in tree.items())
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*[rebuild(v, given) for v in tree])  # type: ignore[arg-type]
    if isinstance(tree, (tuple, list)):
        return type(tree)([rebuild(v, given) for v in tree])  # type: ignore[arg-type]
    return next(given)


def tree_map(fn: Callable, tree: object, *others: object) -> object:
    """A tree of the results of a function of the leaves."""
    return rebuild(tree, map(fn, _walk(tree), *map(_walk, others)))


