"""Storages as a file names them: typed memory, read when the first tensor needs it, on the device it is mapped to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .. import dtypes
from ..devices import device
from ..dtypes import dtype
from ..ops.storages import CLASS_OF as CLASS_OF
from . import tensors
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


Restore = Callable[[Storage, str], Storage]


def parse_device(kind: str, index: int | None = None) -> device:
    """A device that a file names."""
    try:
        return device(kind, index)
    except RuntimeError as error:
        raise FileError(f"a device that is not known: {error}") from None


def _check_device(location: str) -> device:
    where = parse_device(location)
    if not tensors.is_available(where):
        raise RuntimeError(
            f"Attempting to deserialize object on device {location!r}, which this machine does not have. "
            "Please use torch.load with map_location=torch.device('cpu') to map your storages to the CPU."
        )
    return where


def by_tag(storage: Storage, location: str) -> Storage:
    """The storage on the device that a location tag names."""
    return storage if location == "cpu" else storage.to(_check_device(location))


def restore_location(map_location: object) -> Restore:
    """How to place a storage, from any of PyTorch's forms: None, a string, a device, a dict of tags, or a function."""
    if map_location is None:
        return by_tag
    if isinstance(map_location, dict):
        return lambda storage, tag: by_tag(storage, str(map_location.get(tag, tag)))  # type: ignore[attr-defined]
    if isinstance(map_location, bytes):
        map_location = map_location.decode("ascii")
    if isinstance(map_location, (str, device)):
        target = str(map_location)
        return lambda storage, tag: by_tag(storage, target)
    if callable(map_location):
        return _by_function(map_location)
    raise TypeError(
        f"load: map_location is {type(map_location).__name__}, needs None, a device, a string, a dict or a function"
    )


def _by_function(function: Callable) -> Restore:
    def restore(storage: Storage, tag: str) -> Storage:
        result = function(storage, tag)
        if result is None:
            return by_tag(storage, tag)
        if not isinstance(result, Storage):
            raise TypeError(f"load: map_location gave {type(result).__name__}, needs None or a storage")
        return result

    return restore


def placed(map_location: object, location: str) -> device:
    """Where a tensor without a storage of its own goes."""
    dummy = Storage(dtypes.uint8, 0, lambda: np.empty(0, np.uint8))
    return restore_location(map_location)(dummy, location).device
