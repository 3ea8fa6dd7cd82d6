"""Running results of an associative function (``torch._higher_order_ops.associative_scan``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kuai

from ..tensor import Tensor
from ..utils._pytree import tree_flatten, tree_unflatten


def associative_scan(combine_fn: Callable, xs: Any, dim: int, reverse: bool = False, combine_mode: str = "pointwise") -> Any:
    """What an associative function makes of the first entries along a dimension, for each number of them; in log(n) rounds.

    ``combine_fn(a, b)`` takes two trees of the form of ``xs`` and gives one; ``combine_mode="pointwise"`` says that it treats each
    element alike. ValueError for tensors of different lengths along the dimension, or a tree without tensors.

    >>> from kuai._higher_order_ops import associative_scan
    >>> associative_scan(lambda a, b: a + b, kuai.arange(1, 5), 0)
    tensor([ 1,  3,  6, 10])
    """
    leaves, form = tree_flatten(xs)
    if not leaves or not all(isinstance(x, Tensor) for x in leaves):
        raise ValueError("associative_scan: Expected at least 1 xs leaf, and all of them tensors")
    if combine_mode not in ("pointwise", "generic"):
        raise ValueError(f"Combine_mode must either 'pointwise' or 'generic', but got {combine_mode}")
    moved = [x.movedim(dim, 0) for x in leaves]
    if len({len(x) for x in moved}) > 1:
        raise ValueError("associative_scan: xs leaves need one length along the scanned dimension")

    def combine(a: list[Tensor], b: list[Tensor]) -> list[Tensor]:
        return tree_flatten(combine_fn(tree_unflatten(a, form), tree_unflatten(b, form)))[0]

    flipped = [x.flip(0) for x in moved] if reverse else moved
    found = _scan(lambda a, b: _checked(combine(_moved(a, dim), _moved(b, dim)), a, dim), flipped)
    return tree_unflatten(_moved([x.flip(0) for x in found] if reverse else found, dim), form)


def _moved(leaves: list[Tensor], dim: int) -> list[Tensor]:
    """Leaves with the scanned dimension in its own place, as the function expects it."""
    return [x.movedim(0, dim) for x in leaves]


def _checked(found: list[Tensor], like: list[Tensor], dim: int) -> list[Tensor]:
    moved = [x.movedim(dim, 0) for x in found]
    if [x.shape for x in moved] != [x.shape for x in like]:
        raise RuntimeError(f"associative_scan: combine_fn gives shapes {[tuple(x.shape) for x in found]}, needs those of its arguments")
    return moved


def _scan(combine: Callable, xs: list[Tensor]) -> list[Tensor]:
    """Pairs are combined and scanned, which gives every second result; the others lack one step."""
    n = len(xs[0])
    if n < 2:
        return xs
    odd = _scan(combine, combine([x[: n - 1 : 2] for x in xs], [x[1::2] for x in xs]))
    first = [x[:1] for x in xs]
    if n == 2:
        return [kuai.cat(pair) for pair in zip(first, odd)]
    even = combine([x[: (n - 1) // 2] for x in odd], [x[2::2] for x in xs])
    return [_alternating(kuai.cat(pair), x) for pair, x in zip(zip(first, even), odd)]


def _alternating(even: Tensor, odd: Tensor) -> Tensor:
    """Entries of two tensors in turn, the first one's first; it may have one more."""
    n = len(odd)
    turns = kuai.stack([even[:n], odd], 1).flatten(0, 1)
    return turns if len(even) == n else kuai.cat([turns, even[n:]])
