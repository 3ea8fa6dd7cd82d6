"""Derivatives of an op that are to be differentiated: its computation done again by ops that can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..tensor import Tensor


def differentiate(compute: Callable[..., Sequence[Tensor]], operands: Sequence, cotangents: Sequence,
                  needs: Sequence[bool]) -> tuple:  # fmt: skip
    """What those operands that need it get back, as tensors on the graph of the operands and of the cotangents."""
    from .api import grad

    # New nodes for the operands, so that the walk ends there even where one operand was computed from another.
    fresh = [x.view_as(x) if n else x for x, n in zip(operands, needs)]
    pairs = [(y, g) for y, g in zip(compute(*fresh), cotangents) if g is not None]
    wanted = [x for x, n in zip(fresh, needs) if n]
    outs, gs = zip(*pairs)
    found = iter(grad(outs, wanted, gs, create_graph=True, allow_unused=True))
    return tuple(next(found) if n else None for n in needs)


def widened(*operands: Tensor | None) -> tuple:
    """Half types as float32, in which single ops compute them: a composed computation would round at each of its steps."""
    return tuple(x.float() if x is not None and x.dtype.is_floating_point and x.dtype.itemsize < 4 else x for x in operands)
