"""PyTorch's format before 1.6: five pickles, then the storages one after another."""

from __future__ import annotations

import sys
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from .. import dtypes
from .allowed import Host, storage_type, text
from .errors import FileError, TruncatedError, shown
from .locations import restore_location
from .options import config
from .pickler import Pickler
from .progress import Advance, progress
from .storages import CLASS_OF, Storage
from .unpickler import Keys, Unpickler
from .zipread import read_into

if TYPE_CHECKING:
    from .checkpoint import Saved

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
_SYSTEM = {
    "protocol_version": VERSION,
    "little_endian": sys.byteorder == "little",
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}


def _plain(pid: tuple) -> Any:
    raise FileError("damaged checkpoint: a storage where only plain values belong")


def write(obj: object, file: BinaryIO, saved: Saved) -> None:
    """``torch.save(..., _use_new_zipfile_serialization=False)``."""
    data = Pickler(lambda *stored: (*saved.storage_id(*stored), None)).dump(obj)
    for header in (MAGIC, VERSION, _SYSTEM):
        file.write(Pickler(_plain).dump(header))
    file.write(data)
    keys = [str(number) for number in range(len(saved.tensors))]
    file.write(Pickler(_plain).dump(keys))
    with progress("save", saved.nbytes()) as advance:
        for tensor, content in zip(saved.tensors, saved.bytes()):
            unit = tensor.dtype.itemsize if tensor.dtype.name in CLASS_OF else 1
            file.write((len(content) // unit).to_bytes(8, "little"))
            file.write(content)
            advance(len(content))


class _Survey(Keys):
    """A host that only notes which storages a pickle names: they come after it, and tensors are built when they are there."""

    def __init__(self, whole: bool) -> None:
        self.pids: dict[str, tuple[dtypes.dtype, int]] = {}
        self.host = Host(_plain, whole=whole)

    def find_global(self, module: str, name: str) -> object:
        return self.host.find_global(module, name)

    def call(self, function: object, args: tuple) -> object:
        known = function is OrderedDict or function is Counter or function is set
        return self.host.call(function, args) if known else _Anything()

    new = call

    def build(self, instance: object, state: object) -> None:
        return None

    def container(self, target: object, kinds: tuple[type, ...], opcode: str) -> Any:
        return kinds[0]() if type(target) is _Anything else super().container(target, kinds, opcode)

    def persistent(self, pid: object) -> object:
        if self.host.is_class_with_source(pid):
            return _Anything()
        key, of, size = _parts(pid)
        if self.pids.setdefault(key, (of, size)) != (of, size):
            raise FileError(f"damaged checkpoint: storage {key!r} has two sizes")
        return _Anything()


class _Anything:
    """Stands for a value in a survey."""


def _parts(pid: Any) -> tuple[str, dtypes.dtype, int]:
    if type(pid) is not tuple or len(pid) != 6 or pid[0] not in ("storage", b"storage"):
        raise FileError(f"persistent id {shown(pid, 80)}: only storages are read; save a state_dict(), not a whole model")
    of, size = storage_type(pid[1]).dtype, pid[4]
    if type(size) is not int or size < 0:
        raise FileError(f"damaged checkpoint: a storage of {shown(size)} elements")
    return text(pid[2], "a storage's key"), of, size


class _Storages:
    """Opens the storages of an old file: all are read in order, into the memory that the tensors then share."""

    def __init__(self, arrays: dict[str, np.ndarray], map_location: object):
        self.arrays, self.restore = arrays, restore_location(map_location)
        self.known: dict[str, Storage] = {}

    def __call__(self, pid: tuple) -> Storage:
        key, of, size = _parts(pid)
        view = pid[5]
        if key not in self.known:
            self.known[key] = self.restore(Storage(of, size, lambda: self.arrays[key]), text(pid[3], "a storage's location"))
        return self.known[key] if view is None else self._part(self.known[key], view)

    def _part(self, root: Storage, view: Any) -> Storage:
        if type(view) is not tuple or len(view) != 3 or any(type(n) is not int or n < 0 for n in view[1:]):
            raise FileError("damaged checkpoint: a view of a storage")
        name, offset, size = f"view {view[0]}", *view[1:]
        if offset + size > root.count:
            raise FileError("damaged checkpoint: a view reaches past its storage")
        if name not in self.known:
            item = root.dtype.itemsize
            span = slice(offset * item, (offset + size) * item)
            self.known[name] = Storage(root.dtype, size, lambda: root.array(dtypes.uint8)[span], root.device)
        return self.known[name]


def _check_header(file: BinaryIO, size: int, encoding: str) -> None:
    host = Host(_plain)
    head = file.read(1)
    if not head:
        raise TruncatedError("the file is empty (Ran out of input)")
    file.seek(-1, 1)
    if head not in (b"\x80", b"L", b"I"):
        raise FileError(f"not a checkpoint: the file begins with {head!r}; PyTorch's begin with 'PK' or a pickle")
    magic = Unpickler(file, host, size, encoding).load()
    if magic != MAGIC:
        raise FileError("Invalid magic number; corrupt file? A plain pickle is not read")
    version, _ = (Unpickler(file, host, size, encoding).load() for _ in range(2))
    if version != VERSION:
        raise FileError(f"Invalid protocol version: {version!r:.40}")


def read_with(file: BinaryIO, host: Host) -> Any:
    """The value as a host that records sees it; storages are not read."""
    size = file.seek(0, 2)
    file.seek(0)
    _check_header(file, size, "utf-8")
    return Unpickler(file, host, size).load()


def read(file: BinaryIO, map_location: object, encoding: str, whole: bool = False) -> Any:
    """The value, with its storages. The file stands behind them afterwards, so that several saves in one file can be read."""
    start = file.tell()
    size = file.seek(0, 2) - start
    file.seek(start)
    _check_header(file, size, encoding)
    begin = file.tell()
    survey = _Survey(whole)
    Unpickler(file, survey, size, encoding).load()
    keys = Unpickler(file, Host(_plain), size, encoding).load()
    arrays = _read_storages(file, keys, survey.pids, start + size)
    end = file.tell()
    file.seek(begin)
    storages = _Storages(arrays, map_location)
    value = Unpickler(file, Host(storages, map_location, whole), size, encoding).load()
    for storage in storages.known.values():
        storage.keep()
    file.seek(end)
    return value


def _read_storages(file: BinaryIO, keys: Any, pids: dict[str, tuple[dtypes.dtype, int]], end: int) -> dict[str, np.ndarray]:
    if type(keys) is not list or {text(k, "a storage's key") for k in keys} != set(pids) or len(keys) != len(pids):
        raise FileError("damaged checkpoint: its list of storages and the pickle differ")
    arrays = {}
    with progress("load", end - file.tell()) as advance:
        for key in (text(k, "a storage's key") for k in keys):
            arrays[key] = _read_storage(file, key, pids[key], end, advance)
    return arrays


def _read_storage(file: BinaryIO, key: str, kind: tuple[dtypes.dtype, int], end: int, advance: Advance) -> np.ndarray:
    of, size = kind
    head = file.read(8)
    if len(head) != 8 or int.from_bytes(head, "little") != size:
        raise FileError(f"damaged checkpoint: storage {key!r} does not have the {size} elements that the pickle needs")
    if size * of.itemsize > end - file.tell():
        raise TruncatedError(f"the file ends inside storage {key!r}")
    if config.skip:
        file.seek(size * of.itemsize, 1)
        return np.zeros(size * of.itemsize, np.uint8)
    array = np.empty(size * of.itemsize, np.uint8)
    read_into(file, array, False, advance)
    return array
