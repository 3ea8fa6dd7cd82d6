"""Dimensions taken apart, reordered and put together, by a pattern (``torch.func.rearrange``)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from math import prod

from ..ops.joining import stack
from ..tensor import Tensor

Group = tuple  # the names that one dimension is put together from; none for a dimension of length 1
REST = "..."
BARE: Group = (REST, "")  # an ellipsis without brackets


class DimensionBindError(Exception):
    """Lengths that a pattern cannot be bound to (PyTorch's name)."""


def rearrange(tensor: Tensor | Sequence[Tensor], pattern: str, **axes_lengths: int) -> Tensor:
    """The tensor with its dimensions as the right side of a pattern has them (``torch.func.rearrange``).

    Each side names dimensions; brackets put several together, ``1`` is a dimension of length one, ``...`` stands for all that
    have no name. Several tensors of one shape are stacked first. ValueError for a pattern that says too little or too much,
    DimensionBindError for lengths that do not fit.

    >>> import kuai as torch
    >>> images = torch.zeros(32, 30, 40, 3)
    >>> torch.func.rearrange(images, "b (h two) w c -> b c (w h) two", two=2).shape
    torch.Size([32, 3, 600, 2])
    """
    x = tensor if isinstance(tensor, Tensor) else stack(list(tensor))
    left, right = _sides(pattern, tuple(axes_lengths))
    left, right = _with_rest(left, right, x.ndim)
    if len(left) != x.ndim:
        raise ValueError(
            f"Number of dimensions in pattern ({len(left)}) must be equal to the number of dimensions in the tensor ({x.ndim})"
        )
    sizes = _bind(left, x.shape, axes_lengths)
    names = [name for group in left for name in group]
    apart = x.reshape([sizes[name] for name in names])
    ordered = apart.permute([names.index(name) for group in right for name in group])
    return ordered.reshape([prod(sizes[name] for name in group) for group in right])


@lru_cache(maxsize=256)
def _sides(pattern: str, given: tuple[str, ...]) -> tuple[list[Group], list[Group]]:
    """Both sides as groups of names, checked against each other."""
    if pattern.count("->") != 1:
        raise ValueError("Pattern must contain a single '->' separator")
    left, right = (_groups(side) for side in pattern.split("->"))
    one, other = ({name for group in side for name in group if name} for side in (left, right))
    if REST in other - one:
        raise ValueError(f"Ellipsis found in right side, but not left side of a pattern {pattern}")
    if one ^ other:
        raise ValueError(f"Identifiers only on one side of rearrange expression (should be on both): {one ^ other}")
    if set(given) - one:
        raise ValueError(f"Identifiers not found in rearrange expression: {set(given) - one}")
    return left, right


def _groups(side: str) -> list[Group]:
    found: list[Group] = []
    inside: list[str] | None = None
    for token in re.findall(r"\.\.\.|[()]|[^\s()]+", side):
        if token == "(" and inside is not None:
            raise ValueError("Axis composition is one-level (brackets inside brackets not allowed)")
        if token == ")" and inside is None or token == "(" and ")" not in side:
            raise ValueError("Brackets are not balanced")
        if token == "(":
            inside = []
        elif token == ")":
            found.append(tuple(inside or ()))
            inside = None
        elif inside is not None:
            inside += [_name(token)] if token != "1" else []
        else:
            found.append(BARE if token == REST else (_name(token),) if token != "1" else ())
    if inside is not None:
        raise ValueError("Brackets are not balanced")
    names = [name for group in found for name in group]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"Indexing expression contains duplicate dimension '{name}'")
    return found


def _name(token: str) -> str:
    if token == REST:
        return token
    if "." in token:
        raise ValueError("Expression may contain dots only inside ellipsis (...); only one ellipsis for tensor ")
    if token.isdecimal():
        raise ValueError("rearrange only supports unnamed axes of size 1")
    if not token.isidentifier() or token.startswith("_") or token.endswith("_"):
        raise ValueError(f"Invalid axis identifier: {token}")
    return token


def _with_rest(left: list[Group], right: list[Group], rank: int) -> tuple[list[Group], list[Group]]:
    """Names for the dimensions that an ellipsis stands for."""
    if BARE not in left:
        if any(REST in group for group in left):
            raise ValueError("Ellipsis inside parenthesis in the left side is not allowed")
        return left, right
    place = left.index(BARE)
    rest = tuple(f"{REST}{i}" for i in range(max(rank - len(left) + 1, 0)))
    left = [*left[:place], *((name,) for name in rest), *left[place + 1 :]]
    opened: list[Group] = []
    for group in right:
        opened += [(name,) for name in rest] if group == BARE else [_opened(group, rest)]
    return left, opened


def _opened(group: Group, rest: Group) -> Group:
    return tuple(n for name in group for n in (rest if name == REST else (name,)))


def _bind(left: list[Group], shape: Sequence[int], given: dict[str, int]) -> dict[str, int]:
    """The length of each name; one in a group may follow from the others."""
    sizes = dict(given)
    for d, (group, n) in enumerate(zip(left, shape)):
        open_ = [name for name in group if name not in sizes]
        known = prod(sizes[name] for name in group if name in sizes)
        if len(open_) > 1:
            raise DimensionBindError(f"cannot infer the sizes of two dimensions at once {' and '.join(open_)}")
        if open_ and known and n % known == 0:
            sizes[open_[0]] = n // known
        elif open_ or known != n:
            raise DimensionBindError(f"Dimension sizes do not match ({n} != {known}) when matching dimension {d}, {group}")
    return sizes
