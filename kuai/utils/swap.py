"""Exchanging two tensors under all their names (``torch.utils.swap_tensors``)."""

from __future__ import annotations

import weakref
from typing import Any

from ..autograd.graph import AccumulateGrad
from ..tensor import Tensor, everything


def swap_tensors(t1: Tensor, t2: Tensor) -> None:
    """Exchange all that two tensors are, so that who holds one sees the other (``torch.utils.swap_tensors``).

    >>> import kuai as torch
    >>> a, b = torch.zeros(1), torch.nn.Parameter(torch.ones(2))
    >>> torch.utils.swap_tensors(a, b)
    >>> a, b
    (Parameter containing:
    tensor([1., 1.], requires_grad=True), tensor([0.]))
    """
    if not (isinstance(t1, Tensor) and isinstance(t2, Tensor)):
        raise TypeError(f"swap_tensors: needs two tensors, got {type(t1).__name__} and {type(t2).__name__}")
    if t1 is t2:
        return
    first: Any = t1
    second: Any = t2
    mine, other = everything(first), everything(second)
    kept, gained = dict(mine), dict(other)
    for attributes, now in ((mine, gained), (other, kept)):
        attributes.clear()
        attributes.update(now)
    for name in ("_value", "_node", "_storage", "__class__"):
        mine, other = getattr(first, name), getattr(second, name)
        setattr(first, name, other)
        setattr(second, name, mine)
    for tensor in (first, second):
        if type(tensor._node) is AccumulateGrad:
            tensor._node.target = weakref.ref(tensor)
