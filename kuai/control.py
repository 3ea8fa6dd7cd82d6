"""Branches and loops as functions, which PyTorch's compiler needs (``torch.cond``, ``torch.while_loop``); here Python runs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .tensor import Tensor


def cond(pred: Any, true_fn: Callable, false_fn: Callable, operands: Sequence = ()) -> Any:
    """One function or the other, by a bool or a tensor of one element (``torch.cond``).

    >>> import kuai as torch
    >>> torch.cond(torch.tensor(False), lambda x: x + 1, lambda x: x - 1, (torch.zeros(2),))
    tensor([-1., -1.])
    """
    if not isinstance(pred, (bool, int, float, Tensor)) or isinstance(pred, Tensor) and pred._aval.size != 1:
        raise RuntimeError(f"Expected pred to be bool or single-element tensor, but got {pred}.")
    return (true_fn if bool(pred) else false_fn)(*operands)


def while_loop(cond_fn: Callable, body_fn: Callable, carried_inputs: Sequence) -> tuple:
    """``body_fn`` of its own results, as long as ``cond_fn`` of them is true (``torch.while_loop``).

    >>> import kuai as torch
    >>> torch.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 2), (torch.tensor(0), torch.ones(1)))
    (tensor(3), tensor([8.]))
    """
    carried = tuple(carried_inputs)
    while bool(cond_fn(*carried)):
        result = body_fn(*carried)
        if not isinstance(result, (list, tuple)) or len(result) != len(carried):
            raise RuntimeError(f"while_loop: body_fn must give as many values as it takes, {len(carried)}, got {result!r:.80}")
        carried = tuple(result)
    return carried
