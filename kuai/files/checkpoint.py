"""``save`` and ``load``: PyTorch's checkpoints, both ways."""

from __future__ import annotations

import io
import os
import pickle
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from . import legacy, safe, script, tensors
from .allowed import Host, storage_type, text
from .atomic import write_file
from .errors import FileError
from .locations import location_tag, restore_location
from .options import LoadEndianness, config, mapped
from .pickler import Pickler
from .progress import progress
from .storages import CLASS_OF, Storage
from .unpickler import Unpickler
from .zipread import MAGIC, ZipReader
from .zipwrite import ZipWriter

Path = str | os.PathLike


# ---- saving ----------------------------------------------------------------------------------------------------------


class Saved:
    """The storages of a save, in the order met: one for each piece of memory, however many tensors share it."""

    def __init__(self) -> None:
        self.tensors: list[Any] = []
        self.known: dict[int, int] = {}
        self.keys: list[object] = []  # keeps the ids valid

    def number(self, tensor: Any) -> int:
        key = tensors.storage_key(tensor)
        number = self.known.setdefault(id(key), len(self.tensors))
        if number == len(self.tensors):
            self.tensors.append(tensor)
            self.keys.append(key)
        first = self.tensors[number]
        if first.dtype is not tensor.dtype and {first.dtype.name, tensor.dtype.name} & CLASS_OF.keys():
            raise RuntimeError(
                f"Cannot save multiple tensors or storages that view the same data as different types: {first.dtype} and "
                f"{tensor.dtype}; save a clone() of one"
            )
        return number

    def storage_id(self, tensor: Any, untyped: bool = False) -> tuple:
        """PyTorch's persistent id of a tensor's storage, by elements or as bytes."""
        from .pickler import _Name

        number, name = self.number(tensor), tensor.dtype.name
        size = tensors.storage_size(tensor)
        if name in CLASS_OF and not untyped:
            kind = _Name("torch", CLASS_OF[name])
        else:
            kind, size = _Name("torch.storage", "UntypedStorage"), size * tensor.dtype.itemsize
        return ("storage", kind, str(number), location_tag(tensor), size)

    def nbytes(self) -> int:
        """The length of all the storages."""
        return sum(tensors.storage_size(t) * t.dtype.itemsize for t in self.tensors)

    def bytes(self) -> Iterator[memoryview]:
        """The storages' content, one after another; zeros inside of `skip_data`."""
        for tensor in self.tensors:
            size = tensors.storage_size(tensor) * tensor.dtype.itemsize
            content = np.zeros(size, np.uint8) if config.skip else tensors.storage_array(tensor).view(np.uint8)
            yield memoryview(content)  # type: ignore[arg-type]


def _write_zip(obj: object, file: BinaryIO, folder: str) -> None:
    saved = Saved()
    data = Pickler(saved.storage_id).dump(obj)
    options = config.save
    alignment = str(options.storage_alignment).encode()
    records = (("data.pkl", data), (".format_version", b"1"), (".storage_alignment", alignment), ("byteorder", sys.byteorder.encode()))
    with progress("save", saved.nbytes()) as advance:
        writer = ZipWriter(file, folder, advance, options.storage_alignment, options.compute_crc32)
        for name, content in records:
            writer.add(name, content)
        for number, array in enumerate(saved.bytes()):
            writer.add(f"data/{number}", array, checked=not config.skip)
        writer.add("version", b"3\n")
        writer.add(".data/serialization_id", _serialization_id(data, writer.checksums))
        writer.close()


def _serialization_id(data: bytes, checksums: list[int]) -> bytes:
    """Forty digits that differ where the content does."""
    content = b"".join(c.to_bytes(4, "little") for c in checksums)
    return f"{len(data):010d}{zlib.crc32(data):010d}{zlib.crc32(content):020d}".encode()


def _check_protocol(pickle_module: ModuleType, protocol: int) -> None:
    if pickle_module is not pickle:
        raise NotImplementedError(
            f"save: pickle_module is {pickle_module.__name__}; kuai writes checkpoints by itself. Leave pickle_module out"
        )
    if type(protocol) is not int or protocol > pickle.HIGHEST_PROTOCOL:
        raise ValueError(f"pickle protocol must be <= {pickle.HIGHEST_PROTOCOL}, got {protocol!r}")


def save(
    obj: object,
    f: Path | BinaryIO,
    pickle_module: ModuleType = pickle,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Write an object with its tensors to a file that PyTorch reads too (``torch.save``).

    Holds tensors, Parameters, storages, numbers, strings, bytes, lists, tuples, dicts, sets, Size, dtype, device, NumPy's numbers and
    arrays, and with ``weights_only=False`` whatever pickle writes: modules, and objects of classes that have a name in a module.
    Tensors that share memory share it again after `load`. The file is replaced at once, so that a crash leaves the old one or
    the new one. A path that ends in ``.safetensors`` is written in that format. The pickle inside is always of protocol 2, the
    one that PyTorch reads with ``weights_only=True``; NumPy's values it reads once ``add_safe_globals`` knows NumPy's classes.

    What no name leads to (lambdas, local classes) or nothing can be saved of (files, locks) is an error that names it and its place,
    of the classes that PyTorch raises: TypeError, AttributeError and pickle.PicklingError. Nothing is written then.

    >>> import io
    >>> import kuai as torch
    >>> file = io.BytesIO()
    >>> torch.save({'w': torch.ones(2)}, file)
    >>> _ = file.seek(0)
    >>> torch.load(file)
    {'w': tensor([1., 1.])}
    """
    _check_protocol(pickle_module, pickle_protocol)
    if not isinstance(f, (str, os.PathLike)) and not hasattr(f, "write"):
        raise AttributeError(
            f"save: 'f' is {type(f).__name__}, needs a string, a path or a file-like object with a 'write' attribute"
        )
    if isinstance(f, (str, os.PathLike)) and os.fsdecode(f).endswith(".safetensors"):
        safe.save_file(obj, f)
        return
    if not _use_new_zipfile_serialization:
        write: Callable[[BinaryIO], None] = lambda file: legacy.write(obj, file, Saved())  # noqa: E731
    else:
        write = lambda file: _write_zip(obj, file, _folder(f))  # noqa: E731
    if isinstance(f, (str, os.PathLike)):
        write_file(f, write)
    else:
        write(f)


def _folder(f: Path | BinaryIO) -> str:
    """The folder inside the archive: the file's name without its suffix, as PyTorch names it."""
    if not isinstance(f, (str, os.PathLike)):
        return "archive"
    stem = os.path.splitext(os.path.basename(os.fsdecode(f)))[0]
    return stem if stem.isascii() and stem.strip(".") and not set(stem) & set("/\\:\0") else "archive"


# ---- loading ---------------------------------------------------------------------------------------------------------


class ZipStorages:
    """Opens the storages of an archive, each once."""

    def __init__(self, archive: ZipReader, map_location: object, mapped: np.ndarray | None, prefix: str = "data/"):
        self.archive, self.mapped, self.prefix = archive, mapped, prefix
        self.restore = restore_location(map_location)
        self.swap = _is_swapped(archive)
        self.known: dict[str, Storage] = {}

    def __call__(self, pid: tuple) -> Storage:
        if len(pid) != 5:
            raise FileError(f"damaged checkpoint: a storage's id has {len(pid)} parts, needs 5")
        kind, key, size = storage_type(pid[1]), text(pid[2], "a storage's key"), pid[4]
        if key not in self.known:
            self.known[key] = self._open(kind.dtype, key, size, text(pid[3], "a storage's location"))
        return self.known[key]

    def _open(self, of: Any, key: str, size: object, location: str) -> Storage:
        entry = self.archive.entry(self.prefix + key)
        if type(size) is not int or size < 0 or size * of.itemsize != entry.size:
            raise FileError(
                f"damaged checkpoint: record {entry.name!r} has {entry.size} bytes, the pickle needs {size} × {of.itemsize}"
            )
        return self.restore(Storage(of, size, lambda: self._read(entry, of)), location)

    def _read(self, entry: Any, of: Any) -> np.ndarray:
        if config.skip:
            return np.zeros(entry.size, np.uint8)
        if self.mapped is not None and not entry.deflated and not self.swap:
            return self.mapped[entry.offset : entry.offset + entry.size]
        array = self.archive.read_array(entry.name[len(self.archive.folder) :])
        if self.swap:
            part = of.itemsize // 2 if of.is_complex else of.itemsize
            array.view(f"u{part}").byteswap(inplace=True)
        return array


def _is_swapped(archive: ZipReader) -> bool:
    order = archive.read("byteorder") if "byteorder" in archive.entries else _default_order()
    if order not in (b"little", b"big"):
        raise ValueError(f"Unknown endianness type: {order[:20]!r}")
    return order.decode() != sys.byteorder


def _default_order() -> bytes:
    if config.load.endianness is LoadEndianness.NATIVE:
        return sys.byteorder.encode()
    return b"big" if config.load.endianness is LoadEndianness.BIG else b"little"


def _load_zip(file: BinaryIO, map_location: object, path: Path | None, encoding: str, whole: bool) -> Any:
    archive = ZipReader(file)
    on_disk = mapped(path) if path is not None else None
    if "constants.pkl" in archive.entries:
        warnings.warn(
            "load: a TorchScript archive; its tensors are read, by name, and its program is not", UserWarning, stacklevel=3
        )
        storages = ZipStorages(archive, map_location, on_disk, script.prefix(archive))
        return script.load(archive, storages, map_location)
    storages = ZipStorages(archive, map_location, on_disk)
    host = Host(storages, map_location, whole)
    data = archive.read("data.pkl")
    with progress("load", 0 if on_disk is not None else archive.size) as archive.advance:
        value = Unpickler(io.BytesIO(data), host, len(data), encoding).load()
        for storage in storages.known.values():
            storage.keep()
    return value


def _check_arguments(pickle_module: object, weights_only: bool | None, options: dict) -> str:
    if pickle_module is not None and weights_only in (None, True):
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    if pickle_module not in (None, pickle):
        raise NotImplementedError(
            f"load: pickle_module is {pickle_module!r}; kuai reads checkpoints by itself and executes nothing"
        )
    encoding = options.pop("encoding", "utf-8")
    for name in options:
        if name not in ("fix_imports", "errors", "buffers"):
            raise TypeError(f"load: unknown argument {name!r}")
    return encoding


def load(
    f: Path | BinaryIO,
    map_location: object = None,
    pickle_module: ModuleType | None = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Read what ``torch.save`` or `save` wrote (``torch.load``). Nothing in the file is ever executed.

    Reads PyTorch's zip format, its older one, the tensors of TorchScript archives, ``.safetensors`` by suffix, and sharded
    checkpoints by their ``.index.json``. ``map_location`` is None, a device, a string, a dict of location tags or a function of a
    storage and its tag. With ``mmap`` storages are mapped from the file, and read when they are used (those of ``.safetensors``
    are, unless ``mmap`` is False). With ``weights_only=False`` the file may hold whole modules, objects of classes that the program has
    imported (made without their constructors) and values of the standard library, such as dates and paths; what else it names beside
    `serialization.add_safe_globals` is refused, and named.

    RuntimeError (also a pickle.UnpicklingError) for damaged and refused files.

    >>> import os, tempfile
    >>> import kuai as torch
    >>> x = torch.arange(4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.save([x, x.view(2, 2)], os.path.join(folder, 'x.pt'))
    ...     torch.load(os.path.join(folder, 'x.pt'))
    [tensor([0, 1, 2, 3]), tensor([[0, 1],
            [2, 3]])]
    """
    encoding = _check_arguments(pickle_module, weights_only, pickle_load_args)
    if not isinstance(f, (str, os.PathLike)):
        _check_readable(f)
        if mmap:
            raise ValueError("f must be a file path in order to use the mmap argument")
        return _load_file(f, map_location, None, encoding, weights_only is False)
    name = os.fsdecode(f)
    if name.endswith(".index.json"):
        return safe.load_shards(f, lambda shard: load(shard, map_location, weights_only=True, mmap=mmap))
    if name.endswith(".safetensors"):
        return safe.load_file(f, map_location, mmap)
    with open(f, "rb") as file:
        return _load_file(file, map_location, f if _maps(mmap) else None, encoding, weights_only is False)


def _maps(mmap: bool | None) -> bool:
    return config.load.mmap if mmap is None else mmap


def _check_readable(f: object) -> None:
    for method in ("read", "readline", "seek", "tell"):
        if not hasattr(f, method):
            raise AttributeError(
                f"load: 'f' is {type(f).__name__}, needs a path or a file with read, readline, seek and "
                f"tell; it has no {method!r}. "
                "Read it into an io.BytesIO first"
            )


def _load_file(file: BinaryIO, map_location: object, mapped: Path | None, encoding: str, whole: bool) -> Any:
    start = file.tell()
    head = file.read(4)
    file.seek(start)
    if head == MAGIC:
        return _load_zip(file, map_location, mapped, encoding, whole)
    if mapped is not None:
        raise RuntimeError(
            "mmap can only be used with files saved with `torch.save(_use_new_zipfile_serialization=True)`; "
            "load this one without mmap"
        )
    return legacy.read(file, map_location, encoding, whole)
