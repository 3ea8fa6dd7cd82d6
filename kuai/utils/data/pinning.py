"""Batches for an accelerator's copies (``torch.utils.data._utils.pin_memory``)."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any


def pin_memory(data: Any, device: object = None) -> Any:
    """The batch with `pin_memory` called on what has it, in lists, tuples and dictionaries too.

    >>> import kuai as torch
    >>> from kuai.utils.data.pinning import pin_memory
    >>> pin_memory({"a": [torch.ones(1), "text"]})
    {'a': [tensor([1.]), 'text']}
    """
    if hasattr(data, "pin_memory"):
        return data.pin_memory()
    if isinstance(data, (str, bytes)):
        return data
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(pin_memory(d, device) for d in data))
    if isinstance(data, Mapping):
        made = copy.copy(dict(data))
        made.update({k: pin_memory(v, device) for k, v in data.items()})
        return made if type(data) is dict else type(data)(made)  # type: ignore[call-arg]
    if isinstance(data, Sequence):
        parts = [pin_memory(d, device) for d in data]
        return parts if type(data) is list else type(data)(parts)  # type: ignore[call-arg]
    return data
