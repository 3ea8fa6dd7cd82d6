"""What is in a file, told without building a tensor; and one format made from another."""

from __future__ import annotations

import io
import os
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any, BinaryIO

from .. import dtypes
from ..layouts import layout
from . import legacy, registry, safe, script
from .allowed import Function, full_name, lookup, storage_type, text
from .checkpoint import load, save
from .errors import FileError, shown
from .script import ScriptHost
from .unpickler import Unpickler
from .zipread import MAGIC, ZipReader

Path = str | os.PathLike
SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".params", ".safetensors")
_TENSORS = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_meta_tensor_no_storage")


@dataclass
class TensorRecord:
    """A tensor in a file: its name there, and what is known of it. Those with one storage share memory."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    device: str
    offset: int
    strides: tuple[int, ...] | None
    storage: str
    parameter: bool = False
    room: int | None = None  # the bytes of its storage
    layout: str = "strided"

    @property
    def nbytes(self) -> int:
        """The bytes of its elements."""
        known = dtypes.ALL.get(self.dtype)
        return prod(self.shape) * known.itemsize if known else 0

    def __repr__(self) -> str:
        return f"tensor({self.dtype}, {self.shape})"


@dataclass
class Report:
    """What a file holds. ``executes`` is what another loader would have run; ``problem`` is why `load` would refuse it."""

    path: str
    format: str
    size: int
    tensors: list[TensorRecord] = field(default_factory=list)
    values: list[tuple[str, str]] = field(default_factory=list)
    executes: list[str] = field(default_factory=list)
    problem: str | None = None

    def ties(self) -> list[list[str]]:
        """The groups of names whose tensors share memory."""
        groups: dict[str, list[str]] = {}
        for record in self.tensors:
            if record.storage:
                groups.setdefault(record.storage, []).append(record.name)
        return [names for names in groups.values() if len(names) > 1]

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        total = sum({r.storage or r.name: r.nbytes if r.room is None else r.room for r in self.tensors}.values())
        yield f"{self.path}: {self.format}, {self.size:,} bytes, {len(self.tensors)} tensors, {total:,} bytes of tensors"
        width = max((len(r.name) for r in self.tensors), default=0)
        for r in self.tensors:
            place = ("" if r.layout == "strided" else f" {r.layout}") + ("" if r.device == "cpu" else f" on {r.device}")
            yield f"  {r.name:{width}}  {r.dtype:<10} {list(r.shape)}{place}"
        yield from (f"  {name} = {value}" for name, value in self.values)
        yield from (f"  shared memory: {', '.join(names)}" for names in self.ties())
        yield from (f"  would have been executed: {call}" for call in self.executes)
        if self.problem:
            yield f"  refused: {self.problem}"


# ---- a host that records ---------------------------------------------------------------------------------------------


class _Unknown:
    """A name outside of the table, or what calling it would have given."""

    def __init__(self, name: str):
        self.name, self.state = name, None

    def __repr__(self) -> str:
        return f"<{self.name}>"


@dataclass
class _Part:
    """A storage."""

    key: str
    dtype: dtypes.dtype
    device: str
    nbytes: int


class Recorder(ScriptHost):
    """Notes tensors and calls; makes neither."""

    def __init__(self) -> None:
        super().__init__(_part)
        self.executes: list[str] = []
        self.unknown: dict[str, None] = {}

    def find_global(self, module: str, name: str) -> object:
        if module.split(".")[0] == "__torch__" or module == "torch.jit._pickle":
            return super().find_global(module, name)
        module, name = full_name(module, name)
        try:
            found = lookup(module, name)
        except ImportError:
            found = None
        if found is not None:
            return found
        full = f"{module}.{name}"
        self.unknown[full] = None
        return _Unknown(full)

    def call(self, function: object, args: tuple) -> object:
        if isinstance(function, _Unknown):
            self.executes.append(f"{function.name}({', '.join(map(reprlib.repr, args))})")
            return _Unknown(f"result of {function.name}")
        if isinstance(function, Function):
            return self._made(function, args)
        return super().call(function, args)

    def _made(self, function: Function, args: tuple) -> object:
        short = function.name.rpartition(".")[2]
        if short in _TENSORS:
            return _record(short, args)
        if short == "_rebuild_sparse_tensor":
            return _sparse_record(*args)
        if short.startswith("_rebuild_parameter"):
            args[0].parameter = True
            return args[0]
        if short == "_rebuild_from_type_v2":
            return self.call(args[0], args[2])
        if short.startswith("_rebuild"):
            return _Unknown(function.name)
        return super().call(function, args)

    def container(self, target: object, kinds: tuple[type, ...], opcode: str) -> Any:
        return kinds[0]() if isinstance(target, _Unknown) else super().container(target, kinds, opcode)

    def new(self, cls: object, args: tuple) -> object:
        return self.call(cls, args) if isinstance(cls, _Unknown) else super().new(cls, args)

    def build(self, instance: object, state: object) -> None:
        if isinstance(instance, _Unknown):
            instance.state = state  # type: ignore[assignment]
            if not isinstance(state, dict):
                self.executes.append(f"{instance.name}.__setstate__({reprlib.repr(state)})")
        else:
            super().build(instance, state)


def _part(pid: Any) -> Any:
    of, size = storage_type(pid[1]).dtype, pid[4]
    if type(size) is not int:
        raise FileError(f"damaged checkpoint: a storage of {shown(size)} elements")
    return _Part(text(pid[2], "a storage's key"), of, text(pid[3], "a storage's location"), size * of.itemsize)


def _record(function: str, args: tuple) -> TensorRecord:
    if function == "_rebuild_meta_tensor_no_storage":
        return TensorRecord("", tuple(args[1]), args[0].name, "meta", 0, tuple(args[2]), "")
    part = args[0]
    of = args[6] if function == "_rebuild_tensor_v3" else part.dtype
    return TensorRecord("", tuple(args[2]), of.name, part.device, args[1], tuple(args[3]), part.key, room=part.nbytes)


def _sparse_record(of: layout, parts: tuple) -> TensorRecord:
    dense = [part for part in parts if isinstance(part, TensorRecord)]
    values, size = dense[-1], parts[len(dense)]
    room = sum(part.nbytes for part in dense)
    return TensorRecord("", tuple(size), values.dtype, values.device, 0, None, "", room=room, layout=of.name)


# ---- inspect ---------------------------------------------------------------------------------------------------------


def inspect_file(path: Path) -> Report:
    """What a checkpoint holds: names, shapes, dtypes, shared memory, sizes, and what would have been executed.

    Reads ``.pt``, ``.pth``, ``.bin`` (PyTorch's formats), ``.safetensors`` and ``.index.json``; builds no tensor.
    ``print`` of the result is the text of ``kuai inspect``.

    >>> import os, tempfile
    >>> import kuai as torch
    >>> from kuai.files import inspect_file
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.save({'w': torch.zeros(2, 3), 'epoch': 3}, os.path.join(folder, 'x.pt'))
    ...     print(inspect_file(os.path.join(folder, 'x.pt')).tensors[0])
    tensor(float32, (2, 3))
    """
    name = os.fsdecode(path)
    report = Report(name, "", os.path.getsize(path))
    if name.endswith(".index.json"):
        return _inspect_shards(report, path)
    if name.endswith(".safetensors"):
        return _inspect_safetensors(report, path)
    recorder = Recorder()
    try:
        with open(path, "rb") as file:
            report.format, value = _read(file, recorder)
        _describe(report, value)
    except FileError as error:
        report.problem = str(error)
    report.executes = recorder.executes
    if recorder.unknown and not report.problem:
        report.problem = f"it names {', '.join(recorder.unknown)}"
    return report


def _read(file: BinaryIO, recorder: Recorder) -> tuple[str, object]:
    is_zip = file.read(4) == MAGIC
    file.seek(0)
    if not is_zip:
        return "PyTorch's format before 1.6", legacy.read_with(file, recorder)
    archive = ZipReader(file)
    kind = "TorchScript archive" if "constants.pkl" in archive.entries else "PyTorch's zip format"
    data = archive.read("data.pkl")
    return kind, Unpickler(io.BytesIO(data), recorder, len(data)).load()


def _describe(report: Report, value: object) -> None:
    """Names every tensor and every plain value; each container once."""
    pending: list[tuple[str, object]] = [("", value)]
    seen: set[int] = set()
    while pending:
        name, value = pending.pop()
        if isinstance(value, TensorRecord):
            report.tensors.append(TensorRecord(**{**vars(value), "name": name}))
            continue
        parts = _children(value)
        if parts is None:
            report.values.append((name, reprlib.repr(value)))
        elif id(value) not in seen:
            seen.add(id(value))
            pending.extend((f"{name}.{k}" if name else str(k), v) for k, v in reversed(parts))


def _children(value: object) -> list[tuple[object, object]] | None:
    if isinstance(value, (_Unknown, script.ScriptObject)):
        value = {} if value.state is None else value.state
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, (list, tuple, set)) and any(isinstance(v, (TensorRecord, dict, list, tuple, _Unknown)) for v in value):
        return list(enumerate(value))
    return None


def _inspect_safetensors(report: Report, path: Path) -> Report:
    report.format = "safetensors"
    try:
        header, metadata, _ = safe.read_header(path)
    except FileError as error:
        report.problem = str(error)
        return report
    for name, record in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        dtype = safe.dtype_name(record["dtype"])
        report.tensors.append(TensorRecord(name, tuple(record["shape"]), dtype, "cpu", 0, None, name))
    known = {r.name: r for r in report.tensors}
    for alias, name in metadata.items():
        if safe.is_alias(alias, name, header):
            report.tensors.append(TensorRecord(**{**vars(known[name]), "name": alias}))
        else:
            report.values.append((alias, reprlib.repr(name)))
    return report


def _inspect_shards(report: Report, path: Path) -> Report:
    shards = sorted(set(safe.read_index(path).values()))
    folder = os.path.dirname(os.path.abspath(path))
    report.format = f"sharded checkpoint of {len(shards)} files"
    for shard in shards:
        part = inspect_file(os.path.join(folder, shard))
        for record in part.tensors:
            record.storage = record.storage and f"{shard}:{record.storage}"
        report.tensors += part.tensors
        report.values += part.values
        report.executes += part.executes
        report.size += part.size
        report.problem = report.problem or (part.problem and f"{shard}: {part.problem}")
    return report


def get_unsafe_globals_in_checkpoint(f: Path | BinaryIO) -> list[str]:
    """The names in a checkpoint that `load` would refuse (``torch.serialization.get_unsafe_globals_in_checkpoint``)."""
    recorder = Recorder()
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            _read(file, recorder)
    else:
        _read(f, recorder)
    return [name for name in recorder.unknown if name not in registry.names()]


# ---- convert ---------------------------------------------------------------------------------------------------------


def convert(source: Path, target: Path) -> None:
    """Write a checkpoint in another format, chosen by the target's suffix; shared memory stays shared.

    ValueError for a suffix that names no format; TypeError if the target's format cannot hold what the source has.

    >>> import os, tempfile
    >>> import kuai as torch
    >>> from kuai.files import convert
    >>> w = torch.ones(3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     source, target = os.path.join(folder, 'x.pt'), os.path.join(folder, 'x.safetensors')
    ...     torch.save({'a.weight': w, 'b.weight': w}, source)
    ...     convert(source, target)
    ...     sorted(torch.load(target))
    ['a.weight', 'b.weight']
    """
    if not os.fsdecode(target).endswith(SUFFIXES):
        raise ValueError(f"convert: {os.fsdecode(target)} has no known suffix; needs one of {', '.join(SUFFIXES)}")
    save(load(source, map_location="cpu"), target)

