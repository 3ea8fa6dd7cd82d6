"""One call in both libraries: results, gradients and second derivatives compared; and errors."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import kuai
from tests import oracle

torch = oracle.torch


def compare(call: Callable, *args: object, twice: bool = False, loose: float = 1.0) -> None:
    """``call(torch, *args)`` and ``call(kuai, *args)`` give the same, and the same derivatives; tensors that require grad
    are differentiated. ``twice``: the derivatives' derivatives too.
    """
    convert = oracle.Converter()
    ours = convert(args)
    theirs, mine = call(torch, *args), call(kuai, *ours)  # type: ignore[misc]
    oracle.assert_same(mine, theirs, loose=loose)
    leaves = tuple(zip(*convert.leaves)) or ((), ())
    first = [oracle.gradients(t, y, x, oracle.wants_gradient(theirs), twice)
             for t, y, x in ((kuai, mine, leaves[1]), (torch, theirs, leaves[0]))]  # fmt: skip
    oracle.assert_same(*first, "gradients", loose=10 * loose)
    if twice:
        wanted = oracle.wants_gradient(first[1])
        second = [oracle.gradients(t, y, x, wanted) for t, y, x in ((kuai, first[0], leaves[1]), (torch, first[1], leaves[0]))]
        oracle.assert_same(*second, "second derivatives", loose=100 * loose)


def compare_errors(call: Callable, *args: object) -> None:
    """Both libraries raise an error of the same class."""
    ours = oracle.Converter()(args)
    with warnings.catch_warnings(action="ignore"):
        oracle.assert_same_error(lambda: call(kuai, *ours), lambda: call(torch, *args))  # type: ignore[misc]


def randn(*shape: int, dtype: object = None, grad: bool = True) -> torch.Tensor:
    """PyTorch's random tensor, double precision unless said otherwise, that requires grad."""
    return torch.randn(*shape, dtype=dtype or torch.float64).requires_grad_(grad)
