"""Where storages of a file go: location tags, ``map_location`` and the packages that know other devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..devices import device
from . import tensors
from .errors import FileError
from .storages import Storage

Tagger = Callable[[Any], str | None]
Restorer = Callable[[Any, str], Any]
Restore = Callable[[Any, str], Any]


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


# ---- packages: who knows which device, by priority -------------------------------------------------------------------


def _tag(storage: Any) -> str:
    return str(storage.device)


def _restore(storage: Any, location: str) -> Any:
    return storage if location == "cpu" else storage.to(_check_device(location))


_packages: list[tuple[int, Tagger, Restorer]] = [(10, _tag, _restore)]


def register_package(priority: int, tagger: Tagger, deserializer: Restorer) -> None:
    """Functions that name a storage's device and put a storage on a named device (``torch.serialization.register_package``).

    Those with the lower priority number are asked first, until one does not give None. kuai's own have 10.
    """
    _packages.append((priority, tagger, deserializer))
    _packages.sort(key=lambda package: package[0])


def location_tag(storage: Any) -> str:
    """The name of a storage's device in files (``torch.serialization.location_tag``).

    >>> import kuai as torch
    >>> torch.serialization.location_tag(torch.ones(2).untyped_storage())
    'cpu'
    """
    for _, tagger, _ in _packages:
        location = tagger(storage)
        if location:
            return location
    raise RuntimeError(f"don't know how to determine data location of {type(storage).__name__}")


def default_restore_location(storage: Any, location: str) -> Any:
    """A storage on the device that a tag names (``torch.serialization.default_restore_location``).

    RuntimeError if this machine does not have it.
    """
    for _, _, restore in _packages:
        result = restore(storage, location)
        if result is not None:
            return result
    raise RuntimeError(f"don't know how to restore data location of {type(storage).__name__} (tagged with {location})")


def validate_cuda_device(location: str) -> int:
    """The index of a GPU's tag (``torch.serialization.validate_cuda_device``); RuntimeError if there is no such GPU."""
    return _check_device(location).index or 0


def validate_hpu_device(location: str) -> int:
    """Always RuntimeError: there are no such devices here (``torch.serialization.validate_hpu_device``)."""
    raise RuntimeError("Attempting to deserialize object on a HPU device, which this machine does not have. "
                       "Please use torch.load with map_location=torch.device('cpu')")  # fmt: skip


# ---- map_location ----------------------------------------------------------------------------------------------------


def restore_location(map_location: object) -> Restore:
    """How to place a storage, from any of PyTorch's forms: None, a string, a device, a dict of tags, or a function."""
    if map_location is None:
        return default_restore_location
    if isinstance(map_location, dict):
        return lambda storage, tag: default_restore_location(storage, str(map_location.get(tag, tag)))  # type: ignore[attr-defined]
    if isinstance(map_location, bytes):
        map_location = map_location.decode("ascii")
    if isinstance(map_location, (str, device)):
        target = str(map_location)
        return lambda storage, tag: default_restore_location(storage, target)
    if callable(map_location):
        return _by_function(map_location)
    raise TypeError(
        f"load: map_location is {type(map_location).__name__}, needs None, a device, a string, a dict or a function"
    )


def _by_function(function: Callable) -> Restore:
    def restore(storage: Storage, tag: str) -> Storage:
        result = function(storage, tag)
        if result is None:
            return default_restore_location(storage, tag)
        if not isinstance(result, Storage):
            raise TypeError(f"load: map_location gave {type(result).__name__}, needs None or a storage")
        return result

    return restore


def placed(map_location: object, location: str) -> device:
    """Where a tensor without a storage of its own goes."""
    dummy = Storage(dtypes.uint8, 0, lambda: np.empty(0, np.uint8))
    return restore_location(map_location)(dummy, location).device
