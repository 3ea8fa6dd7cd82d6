"""Questions about sizes (``torch.fx.experimental.symbolic_shapes``): here each is known.

>>> import kuai as torch
>>> guard_or_false(torch.ones(2).shape[0] == 2)
True
"""

from __future__ import annotations


def guard_or_false(a: bool) -> bool:
    """The truth value itself: it is always known."""
    return bool(a)


guard_or_true = statically_known_true = guard_or_false


def is_concrete_int(a: object) -> bool:
    """Whether something is a whole number."""
    return isinstance(a, int)


def free_symbols(val: object) -> set:
    """The open sizes in something: none."""
    return set()


free_unbacked_symbols = free_symbols
