"""Schemas of operators from the annotations of Python functions (``torch.library.infer_schema``)."""

from __future__ import annotations

import collections.abc
import inspect
import types
import typing
from collections.abc import Callable, Iterable

from .devices import device
from .dtypes import dtype
from .tensor import Tensor

_PLAIN = {Tensor: "Tensor", int: "SymInt", float: "float", bool: "bool", str: "str", dtype: "ScalarType", device: "Device"}
_SEQUENCES = (list, tuple, collections.abc.Sequence)


def infer_schema(prototype_function: Callable, /, *, mutates_args: str | Iterable[str], op_name: str | None = None) -> str:
    """The schema "(Tensor x, float by=2.) -> Tensor" of an annotated function; ValueError says what cannot be said in one.

    >>> import kuai as torch
    >>> def scale(x: torch.Tensor, by: float = 2.0) -> torch.Tensor: ...
    >>> torch.library.infer_schema(scale, mutates_args=())
    '(Tensor x, float by=2.0) -> Tensor'
    """
    signature = inspect.signature(prototype_function)
    hints = typing.get_type_hints(prototype_function)
    mutated = set() if mutates_args == "unknown" else set(mutates_args)
    if unknown := mutated - set(signature.parameters):
        raise ValueError(f"infer_schema(func): mutates_args names {sorted(unknown)}, which are no parameters of the function")
    parts, keyword = [], False
    for i, p in enumerate(signature.parameters.values()):
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) or p.name not in hints:
            raise ValueError(f"infer_schema(func): Parameter {p.name} must have a type annotation, and not be *args or **kwargs. "
                             f"Got func with signature {signature})")  # fmt: skip
        if p.kind is p.KEYWORD_ONLY and not keyword:
            parts.append("*")
            keyword = True
        touched = f"(a{i}!)" if p.name in mutated or mutates_args == "unknown" else ""
        parts.append(_argument(p, hints[p.name], touched))
    return f"{op_name or ''}({', '.join(parts)}) -> {_returned(hints.get('return', signature.return_annotation))}"


def _argument(p: inspect.Parameter, hint: object, touched: str) -> str:
    kind = _name(hint)
    if kind is None:
        raise ValueError(f"infer_schema(func): Parameter {p.name} has unsupported type {hint}. The valid types are Tensor, int, "
                         "float, bool, str, torch.dtype, torch.device, and their Optional and Sequence")  # fmt: skip
    if touched and kind.startswith("Tensor"):
        kind = kind.replace("Tensor", f"Tensor{touched}", 1)
    if p.default is p.empty:
        return f"{kind} {p.name}"
    value = f'"{p.default}"' if isinstance(p.default, (str, dtype, device)) else p.default
    return f"{kind} {p.name}={value}"


def _name(hint: object) -> str | None:
    """The schema's word for an annotation; None if it has none."""
    if hint in _PLAIN:
        return _PLAIN[hint]  # type: ignore[index]
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        rest = [a for a in inner if a is not type(None)]
        name = _name(rest[0]) if len(rest) == 1 else "Scalar" if set(rest) == {int, float, bool} else None
        return name and (f"{name}?" if len(rest) < len(inner) else name)
    if origin in _SEQUENCES:
        kinds = {_name(a) for a in inner if a is not Ellipsis}
        name = kinds.pop() if len(kinds) == 1 else None
        return name and f"{name}[]"
    return None


def _returned(hint: object) -> str:
    if hint is None or hint is type(None):
        return "()"
    if typing.get_origin(hint) is tuple:
        return f"({', '.join(_returned(a) for a in typing.get_args(hint))})"
    kind = _name(hint)
    if kind is None:
        raise ValueError(f"infer_schema(func): Return has unsupported type {hint}. Annotate it with Tensor, int, float, bool, "
                         "a List[Tensor], a tuple of these, or None")  # fmt: skip
    return kind
