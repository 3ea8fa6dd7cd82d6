"""Storages under PyTorch's name (``torch.storage``), and what pickles of tensors call."""

from __future__ import annotations

import io
from typing import Any

from .files import checkpoint
from .ops import storages
from .ops.storages import StorageBase as StorageBase
from .ops.storages import TypedStorage as TypedStorage
from .ops.storages import UntypedStorage as UntypedStorage


def _load_from_bytes(b: bytes) -> Any:
    """What pickles of PyTorch's tensors call to have their storage back (``torch.storage._load_from_bytes``).

    >>> import io
    >>> import kuai as torch
    >>> file = io.BytesIO()
    >>> torch.save(torch.ones(2), file)
    >>> torch.storage._load_from_bytes(file.getvalue())
    tensor([1., 1.])
    """
    return checkpoint.load(io.BytesIO(b), weights_only=False)


def __getattr__(name: str) -> object:
    """What else is said of storages."""
    return getattr(storages, name)
