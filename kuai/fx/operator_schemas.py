"""Arguments of calls, matched to what they call (``torch.fx.operator_schemas``)."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple


class ArgsKwargsPair(NamedTuple):
    """Arguments by place and by name."""

    args: tuple
    kwargs: dict[str, Any]


def normalize_function(target: Callable, args: tuple, kwargs: dict[str, Any] | None = None, arg_types: tuple | None = None,
                       kwarg_types: dict | None = None, normalize_to_only_use_kwargs: bool = False) -> ArgsKwargsPair | None:  # fmt: skip
    """A call's arguments with the defaults of the function's signature (``torch.fx.operator_schemas.normalize_function``).

    None if they do not fit it, or it takes any number.

    >>> import kuai as torch
    >>> from kuai.fx.operator_schemas import normalize_function
    >>> normalize_function(torch.nn.functional.dropout, (1,), normalize_to_only_use_kwargs=True)
    ArgsKwargsPair(args=(), kwargs={'input': 1, 'p': 0.5, 'training': True, 'inplace': False})
    """
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):  # of C
        return None
    return _bound(signature, args, kwargs or {}, normalize_to_only_use_kwargs)


def normalize_module(root: Any, target: str, args: tuple, kwargs: dict[str, Any] | None = None,
                     normalize_to_only_use_kwargs: bool = False) -> ArgsKwargsPair | None:  # fmt: skip
    """A module's arguments with the defaults of its ``forward`` (``torch.fx.operator_schemas.normalize_module``)."""
    module = root.get_submodule(target)
    return _bound(inspect.signature(module.forward), args, kwargs or {}, normalize_to_only_use_kwargs)


def _bound(signature: inspect.Signature, args: tuple, kwargs: dict, only_names: bool) -> ArgsKwargsPair | None:
    kinds = {p.kind for p in signature.parameters.values()}
    if kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}:
        return None
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError:
        return None
    bound.apply_defaults()
    if only_names:
        return ArgsKwargsPair((), dict(bound.arguments))
    names = list(bound.arguments)
    return ArgsKwargsPair(tuple(bound.arguments[n] for n in names[: len(args)]), {n: bound.arguments[n] for n in names[len(args) :]})
