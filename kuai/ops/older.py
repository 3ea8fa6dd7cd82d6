"""The order of arguments that PyTorch had before factors got names: ``x.add_(-lr, g)``, ``x.addcmul_(value, a, b)``.

>>> import kuai as torch
>>> import warnings; warnings.simplefilter("ignore")
>>> torch.ones(2).add_(-0.5, torch.ones(2)), torch.addmm(2, torch.ones(1, 1), torch.ones(1, 3), torch.ones(3, 1))
(tensor([0.5000, 0.5000]), tensor([[5.]]))
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from ..errors import warn
from ..tensor import Tensor


def warn_older(name: str, factors: tuple[str, ...]) -> None:
    """Say which arguments have names by now."""

    named = ", ".join(f"{factor}=…" for factor in factors)
    warn(f"This overload of {name} is deprecated: give {named} by name, after the tensors", UserWarning)


def only_operand(name: str, alpha: object, rest: tuple) -> Tensor:
    """What a factor given before its operand scales."""
    if isinstance(alpha, Tensor) or len(rest) != 1 or not isinstance(rest[0], Tensor):
        kinds = ", ".join(type(x).__name__ for x in (alpha, *rest))
        raise TypeError(f"{name}() received an invalid combination of arguments: {kinds}; needs (input, other, *, alpha)")
    warn_older(name, ("alpha",))
    return rest[0]


def factors_first(*factors: str) -> Callable:
    """Let a function of three tensors also take its factors by position, before the tensors that they scale."""

    def define(fn: Callable) -> Callable:
        @wraps(fn)
        def call(*args: object, **given: object) -> Tensor:
            if len(args) < 4:
                return fn(*args, **given)
            tensors = [x for x in args if isinstance(x, Tensor)]
            numbers = dict(zip(factors, (x for x in args if not isinstance(x, Tensor))))
            if len(tensors) != 3 or len(tensors) + len(numbers) != len(args):
                return fn(*args, **given)
            warn_older(fn.__name__, factors)
            return fn(*tensors, **numbers, **given)

        return call

    return define
