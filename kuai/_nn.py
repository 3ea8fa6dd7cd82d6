"""What programs take of PyTorch's functions for layers in C++ (``torch._C._nn``)."""

from __future__ import annotations

from typing import Any

from .devices import device
from .dtypes import as_dtype as _as_dtype
from .dtypes import dtype
from .ops.conversion import _target


def _parse_to(*args: object, non_blocking: bool = False, copy: bool = False, memory_format: object = None,
              **named: Any) -> tuple[device | None, dtype | None, bool, object]:  # fmt: skip
    """The device, dtype, ``non_blocking`` and memory format that the arguments of ``to`` ask for; None for what they leave.

    >>> from kuai._nn import _parse_to
    >>> _parse_to("cuda:1", non_blocking=True)
    (device(type='cuda', index=1), None, True, None)
    """
    where, kind, _ = _target(args, named.get("device"), named.get("dtype"), copy, named.get("tensor") or named.get("other"))
    flags = [a for a in args if isinstance(a, bool)]
    place = None if where is None else device(where) if isinstance(where, (str, int)) else where
    return place, None if kind is None else _as_dtype(kind), non_blocking or bool(flags and flags[0]), memory_format


def __getattr__(name: str) -> object:
    """Functions that ``torch.nn.functional`` has under the same name."""
    from .nn import functional

    return getattr(functional, name)
