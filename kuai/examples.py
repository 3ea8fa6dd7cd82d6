"""The examples of methods, from those of the functions that they are made of; `tests/test_examples.py` runs them."""

from __future__ import annotations

import re
from collections.abc import Callable

_TENSOR = r"torch\.tensor\([^()]*\)|torch\.\w+\([^()]*\)|\w+"
_CALL = re.compile(rf">>> torch\.(?:special\.)?(\w+)\(({_TENSOR})(?:, (.*))?\)\n((?: +[^ >].*\n?)+)")
# Comparisons keep the tensor's dtype in place: 1 where they hold.
_HOLDS = {
    "eq": "0., 1., 0.", "ne": "1., 0., 1.", "lt": "1., 0., 0.", "le": "1., 1., 0.", "gt": "0., 0., 1.", "ge": "0., 1., 1.",
    "logical_not": "0., 0., 0.", "logical_and": "1., 1., 1.", "logical_or": "1., 1., 1.", "logical_xor": "0., 0., 0.",
}  # fmt: skip
_ALIASES = {"not_equal": "ne", "less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge"}


def as_method(fn: Callable, name: str) -> str:
    """The example of a function as one of its in-place method; nothing if there is none that can be rewritten."""
    plain = _ALIASES.get(name[:-1], name[:-1])
    if plain in _HOLDS:
        other = "2" if "_" not in plain else "torch.tensor([1., 1., 1.])" if plain != "logical_not" else ""
        return _example(f"torch.tensor([1., 2., 3.]).{name}({other})", f"    tensor([{_HOLDS[plain]}])\n")
    found = _CALL.search(fn.__doc__ or "")
    if found is None or found[1] not in (fn.__name__, plain) or plain in ("matmul", "addmm"):
        return ""
    _, tensor, rest, result = found.groups()
    if "." in result and re.fullmatch(r"torch\.tensor\([\d, \[\]-]*\)", tensor):
        tensor = re.sub(r"\b\d+\b", r"\g<0>.", tensor)  # in place the dtype stays, so that it must be that of the result
    return _example(f"{tensor}.{name}({rest or ''})", result)


def _example(call: str, result: str) -> str:
    return f"\n\n    >>> import kuai as torch\n    >>> {call}\n{result.rstrip()}"
