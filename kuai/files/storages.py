"""Storages as a file names them: typed memory, read when the first tensor needs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..devices import device
from ..devices import device as as_device
from ..dtypes import dtype
from ..ops.storages import CLASS_OF as CLASS_OF
from ..ops.storages import TypedStorage
from ..tensor import Tensor
from . import tensors
from .errors import FileError

DTYPE_OF = {name: dtypes.by_name(d) for d, name in CLASS_OF.items()}


class StorageType:
    """A storage class of PyTorch: only its dtype matters."""

    __slots__ = ("dtype", "untyped")

    def __init__(self, dtype: dtype, untyped: bool = False):
        self.dtype, self.untyped = dtype, untyped


class Storage(TypedStorage):
    """A storage of a file: what a ``map_location`` function is given, and what a checkpoint that holds one itself gives.

    The bytes are read once, when the first tensor is built on them; ``array`` gives them as elements of a dtype.
    """

    dtype: Any = None
    device: Any = None

    def __init__(self, dtype: dtype, size: int, read: Callable[[], np.ndarray], where: device | str = "cpu"):
        self.dtype, self.count, self.device = dtype, size, device(where)
        self._read: Callable[[], np.ndarray] | None = read
        self._bytes: np.ndarray | None = None
        self.root: Tensor | None = None  # the first tensor that was built on it

    @property
    def tensor(self) -> Tensor:  # type: ignore[override]
        """The whole of the memory, shared with the tensors on it."""
        whole = self.root
        if whole is None or whole.ndim != 1 or whole.dtype is not self.dtype:
            flat = None if self.device.type == "meta" else self.array(self.dtype)
            whole = tensors.build(flat, self.dtype, 0, (self.count,), (1,), False, self.device, self)
        return whole

    @classmethod
    def _of(cls, whole: Tensor) -> TypedStorage:
        return TypedStorage._of(whole)

    def nbytes(self) -> int:
        """The length in bytes."""
        return self.count * self.dtype.itemsize

    def size(self) -> int:
        """The number of elements."""
        return self.count

    def keep(self) -> None:
        """Read the bytes if nothing did yet: the file will be closed."""
        if self.root is None:
            self.root = self.tensor

    def array(self, of: dtype) -> np.ndarray:
        """The elements as a flat array of the dtype."""
        if self._bytes is None and self._read is not None:
            self._bytes, self._read = self._read(), None  # lets go of the file, which knows this storage
        if self.nbytes() % of.itemsize:
            raise FileError(f"a storage of {self.nbytes()} bytes has no whole number of {of} elements")
        return self._bytes[: self.nbytes()].view(of.numpy)  # type: ignore[index]

    def to(self, device: Any = None, non_blocking: bool = False) -> Storage:
        """The same memory on another device, or the storage itself if it is there."""
        target = as_device(device)
        return self if target is self.device else Storage(self.dtype, self.count, lambda: self.array(dtypes.uint8), target)

    def cuda(self, device: Any = None, non_blocking: bool = False) -> Storage:
        """The same memory on a GPU."""
        return self.to(as_device("cuda", device or 0) if device is None or isinstance(device, int) else device)
