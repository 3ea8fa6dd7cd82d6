"""How files are written and mapped, where the user may choose (``torch.serialization.set_…``, ``torch.utils.serialization.config``)."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from typing import Any

import numpy as np

_PRIVATE = getattr(mmap, "MAP_PRIVATE", None)  # Windows has none


class LoadEndianness(Enum):
    """The order of bytes in files that do not say theirs (``torch.serialization.LoadEndianness``)."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


class LoadOptions:
    """What `load` does where its arguments do not say it."""

    mmap: bool = False
    endianness: LoadEndianness | None = None
    mmap_flags: int | None = _PRIVATE
    calculate_storage_offsets: bool = False  # a way of PyTorch's to read less of a directory, which is read whole here


class SaveOptions:
    """What `save` does where its arguments do not say it."""

    compute_crc32: bool = True
    use_pinned_memory_for_d2h: bool = False  # for copies from a GPU; XLA has its own way
    storage_alignment: int = 64


class Options:
    """The options by name, as ``torch.utils.serialization.config`` has them.

    >>> from kuai.files.options import config
    >>> with config.patch({'save.compute_crc32': False}):
    ...     config.save.compute_crc32
    False
    """

    def __init__(self) -> None:
        self.load, self.save = LoadOptions(), SaveOptions()
        self.skip = False  # inside of `skip_data`

    def _place(self, name: str) -> tuple[object, str]:
        group, _, option = name.partition(".")
        holder = {"load": self.load, "save": self.save}.get(group)
        if holder is None or not hasattr(holder, option):
            raise AttributeError(f"torch.utils.serialization.config has no option {name!r}")
        return holder, option

    @contextmanager
    def patch(self, changes: Mapping[str, Any] | str | None = None, value: Any = None, **named: Any) -> Iterator[None]:
        """Other options inside of a ``with`` block: a dict of dotted names, or one name and its value."""
        wanted = {changes: value} if isinstance(changes, str) else {**(changes or {}), **named}
        before = [(*self._place(name), getattr(*self._place(name))) for name in wanted]
        try:
            for name, new in wanted.items():
                setattr(*self._place(name), new)
            yield
        finally:
            for holder, option, old in before:
                setattr(holder, option, old)


config = Options()


def mapped(path: str | os.PathLike) -> np.ndarray:
    """A file's bytes, read when they are used. With ``MAP_SHARED`` what is written to them is written to the file."""
    shared = config.load.mmap_flags == getattr(mmap, "MAP_SHARED", None)
    if shared:
        return np.memmap(path, np.uint8, "r+")
    return np.asarray(np.memmap(path, np.uint8, "c"))  # a plain array: parts of it are cheaper


# ---- PyTorch's functions ---------------------------------------------------------------------------------------------


def get_default_load_endianness() -> LoadEndianness | None:
    """The order of bytes taken for files that do not say theirs (``torch.serialization.get_default_load_endianness``).

    >>> import kuai as torch
    >>> torch.serialization.get_default_load_endianness()
    """
    return config.load.endianness


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """Choose it; None is little (``torch.serialization.set_default_load_endianness``)."""
    if endianness is not None and not isinstance(endianness, LoadEndianness):
        raise TypeError(f"Invalid argument type in function set_default_load_endianness: {type(endianness).__name__}")
    config.load.endianness = endianness


def get_crc32_options() -> bool:
    """Whether `save` writes checksums (``torch.serialization.get_crc32_options``).

    >>> import kuai as torch
    >>> torch.serialization.get_crc32_options()
    True
    """
    return config.save.compute_crc32


def set_crc32_options(compute_crc32: bool) -> None:
    """Write checksums or not; without them, damage is not noticed (``torch.serialization.set_crc32_options``)."""
    config.save.compute_crc32 = compute_crc32


def get_default_mmap_options() -> int | None:
    """How ``load(mmap=True)`` maps (``torch.serialization.get_default_mmap_options``).

    >>> import kuai as torch
    >>> isinstance(torch.serialization.get_default_mmap_options(), int)
    True
    """
    return config.load.mmap_flags


class set_default_mmap_options:
    """Map with these flags, from now on or inside a ``with`` block (``torch.serialization.set_default_mmap_options``).

    ``mmap.MAP_PRIVATE`` leaves the file as it is, ``mmap.MAP_SHARED`` writes edits of the tensors to it.
    """

    def __init__(self, flags: int):
        if not hasattr(mmap, "MAP_PRIVATE"):
            raise RuntimeError("Changing the default mmap options is currently not supported for Windows")
        if flags not in (mmap.MAP_PRIVATE, mmap.MAP_SHARED):
            raise ValueError(
                "Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE or mmap.MAP_SHARED, "
                f"but got {flags}"
            )
        self.before = config.load.mmap_flags
        config.load.mmap_flags = flags

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        config.load.mmap_flags = self.before


class skip_data:
    """Save and load without the tensors' bytes inside a ``with`` block (``torch.serialization.skip_data``).

    What is saved has zeros in their place, and what is loaded has zeros.

    >>> import io
    >>> import kuai as torch
    >>> file = io.BytesIO()
    >>> with torch.serialization.skip_data():
    ...     torch.save(torch.ones(2), file)
    >>> _ = file.seek(0)
    >>> torch.load(file)
    tensor([0., 0.])
    """

    def __init__(self, materialize_fake_tensors: bool = False):
        self.materialize_fake_tensors = materialize_fake_tensors

    def __enter__(self) -> None:
        self.before, config.skip = config.skip, True

    def __exit__(self, *error: object) -> None:
        config.skip = self.before
