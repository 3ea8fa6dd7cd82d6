"""Storages as a file names them: typed memory, read when the first tensor needs it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .. import dtypes
from ..devices import device
from ..dtypes import dtype
from ..ops.storages import CLASS_OF as CLASS_OF
from .errors import FileError

DTYPE_OF = {name: dtypes.by_name(d) for d, name in CLASS_OF.items()}


class StorageType:
    """A storage class of PyTorch: only its dtype matters."""

    __slots__ = ("dtype", "untyped")

    def __init__(self, dtype: dtype, untyped: bool = False):
        self.dtype, self.untyped = dtype, untyped


class Storage:
    """A storage of a file that is being loaded: what a ``map_location`` function is given, and gives back.

    The bytes are read once, when the first tensor is built on them; ``read`` gives them as an array of uint8.
    """

    __slots__ = ("dtype", "size", "device", "root", "_read", "_bytes")

    def __init__(self, dtype: dtype, size: int, read: Callable[[], np.ndarray], where: device | str = "cpu"):
        self.dtype, self.size, self.device = dtype, size, device(where)
        self._read: Callable[[], np.ndarray] | None = read
        self._bytes: np.ndarray | None = None
        self.root: object = None  # the first tensor that was built on it

    def __repr__(self) -> str:
        return f"Storage(nbytes={self.nbytes()}, dtype={self.dtype}, device='{self.device}')"

    def nbytes(self) -> int:
        """The length in bytes."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.size

    def array(self, of: dtype) -> np.ndarray:
        """The elements as a flat array of the dtype."""
        if self._bytes is None and self._read is not None:
            self._bytes, self._read = self._read(), None  # lets go of the file, which knows this storage
        if self.nbytes() % of.itemsize:
            raise FileError(f"a storage of {self.nbytes()} bytes has no whole number of {of} elements")
        return self._bytes[: self.nbytes()].view(of.numpy)  # type: ignore[index]

    def to(self, where: device | str) -> Storage:
        """The same memory on another device."""
        return Storage(self.dtype, self.size, lambda: self.array(dtypes.uint8), where)

    def cpu(self) -> Storage:
        """The same memory on the CPU."""
        return self.to("cpu")

    def cuda(self, index: int | None = None) -> Storage:
        """The same memory on a GPU."""
        return self.to(device("cuda", index or 0))
