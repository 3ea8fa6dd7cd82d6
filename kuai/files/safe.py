"""``.safetensors``, and checkpoints in several files.

The safetensors library writes files and checks their headers. Tied tensors are stored once; an alias map in the metadata (the
other name: the stored name), which ``safetensors.torch.save_model`` writes too, restores the tie.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from .. import dtypes
from . import tensors
from .atomic import replacing
from .errors import FileError, RefusedError
from .locations import restore_location
from .options import config, mapped
from .storages import Storage
from .zipread import read_into

Path = str | os.PathLike
_CODES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
    "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz", "I64": "int64", "I32": "int32", "I16": "int16",
    "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool", "C64": "complex64",
}  # fmt: skip


def _library(what: str) -> ModuleType:
    try:
        import safetensors
    except ImportError:
        raise RuntimeError(f"{what}: a .safetensors file needs the safetensors library: pip install safetensors") from None
    return safetensors


# ---- saving ----------------------------------------------------------------------------------------------------------


def save_file(obj: Any, path: Path) -> None:
    """A dict of tensors, by names."""
    library = _library("save")
    _check_content(obj)
    stored, aliases = _find_ties(obj)
    arrays = {name: np.ascontiguousarray(tensors.to_numpy(obj[name])) for name in stored}
    specs = {name: _spec(library, name, obj[name], array) for name, array in arrays.items()}
    with replacing(path, in_folder=True) as temporary:
        try:
            library.serialize_file(specs, temporary, {"format": "pt", **aliases})
        except library.SafetensorError as error:
            raise OSError(f"save: {os.fspath(path)}: {error}") from None


def _spec(library: ModuleType, name: str, tensor: Any, array: np.ndarray) -> Any:
    if tensor.dtype.name not in _CODES.values():
        raise TypeError(f"save: {name!r} is {tensor.dtype}, which safetensors has not; save it as .pt, or convert it")
    shape = tuple(tensor.shape)
    return library.TensorSpec(dtype=tensor.dtype.name, shape=shape, data_ptr=array.ctypes.data, data_len=array.nbytes)


def _check_content(obj: Any) -> None:
    if not isinstance(obj, dict):
        raise TypeError(f"save: a .safetensors file holds a dict of tensors, got {type(obj).__name__}; save it as .pt")
    wrong = [f"{k!r}: {type(v).__name__}" for k, v in obj.items() if type(k) is not str or not tensors.is_tensor(v)]
    if wrong:
        raise TypeError(f"save: a .safetensors file holds tensors only, got {', '.join(wrong[:8])}; save it as .pt")
    sparse = [k for k, v in obj.items() if tensors.is_sparse(v)]
    if sparse:
        raise TypeError(f"save: {', '.join(sparse[:8])} are sparse, which a .safetensors file cannot hold; save it as .pt, or to_dense()")
    meta = [k for k, v in obj.items() if v.device.type == "meta"]
    if meta:
        raise NotImplementedError(f"save: {', '.join(meta[:8])} on the meta device have no values to write")


def _find_ties(obj: dict) -> tuple[list[str], dict[str, str]]:
    """The names to store, and for each other name the stored one that is the same tensor."""
    groups: dict[int, list[str]] = {}
    for name, tensor in obj.items():
        groups.setdefault(id(tensors.storage_key(tensor)), []).append(name)
    aliases: dict[str, str] = {}
    for names in groups.values():
        names.sort(key=lambda name: name != "format")  # an alias must not be called as the metadata's own entry
        first: dict[tuple, str] = {}
        for name in names:
            same = first.setdefault((obj[name].dtype.name, tensors.geometry_of(obj[name])), name)
            if same != name:
                aliases[name] = same
        _check_apart(obj, list(first.values()))
    return [name for name in obj if name not in aliases], aliases


def _check_apart(obj: dict, names: list[str]) -> None:
    """Parts of one memory may be stored side by side, if none is part of another."""
    spans = sorted((*_span(obj[name]), name) for name in names)
    for (_, end, before), (start, stop, name) in zip(spans, spans[1:]):
        if start < end and start < stop:
            raise RuntimeError(
                f"save: {before!r} and {name!r} share memory without being equal, which a .safetensors file cannot keep; "
                "save it as .pt, or clone() one of them"
            )


def _span(tensor: Any) -> tuple[int, int]:
    offset, shape, strides = tensors.geometry_of(tensor)
    item = tensor.dtype.itemsize
    if 0 in shape:
        return offset * item, offset * item
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides))
    return offset * item, (last + 1) * item


# ---- loading ---------------------------------------------------------------------------------------------------------


def read_header(path: Path) -> tuple[dict[str, dict], dict[str, str], int]:
    """The tensors' records, the metadata, and where the data begins. The library checks it first."""
    library = _library("load")
    try:
        library.safe_open(os.fspath(path), "np").__enter__().__exit__(None, None, None)
    except library.SafetensorError as error:
        raise FileError(f"load: {os.fspath(path)} is damaged: {error}") from None
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    return header, header.pop("__metadata__", None) or {}, 8 + size


def dtype_name(code: str) -> str:
    """kuai's name of the library's dtype."""
    return _CODES.get(code, code)


def is_alias(alias: str, name: str, header: dict) -> bool:
    """Whether an entry of the metadata says that two names are one tensor. "format" is the library's own."""
    return name in header and alias not in header and alias != "format"


def dtype_of(name: str, record: dict) -> dtypes.dtype:
    code = record["dtype"]
    if code not in _CODES:
        raise NotImplementedError(f"load: {name!r} has dtype {code}, which kuai has not")
    return dtypes.by_name(_CODES[code])


def _storage(path: Path, of: dtypes.dtype, start: int, end: int, on_disk: np.ndarray | None) -> Storage:
    def read() -> np.ndarray:
        if config.skip:
            return np.zeros(end - start, np.uint8)
        if on_disk is not None:
            return on_disk[start:end]
        array = np.empty(end - start, np.uint8)
        with open(path, "rb") as file:
            file.seek(start)
            read_into(file, array, crc=False)
        return array

    return Storage(of, (end - start) // of.itemsize, read)


def load_file(path: Path, map_location: object = None, mmap: bool | None = None) -> dict[str, Any]:
    """The tensors by name, ties restored. The file is mapped, as the library itself does, unless ``mmap`` is False.

    Windows does not let a file be replaced while it is mapped: there it is read, unless ``mmap`` is True.
    """
    header, metadata, base = read_header(path)
    on_disk = mapped(path) if (os.name != "nt" if mmap is None else mmap) else None
    restore = restore_location(map_location)
    made: dict[str, tuple] = {}
    result = {}
    for name, record in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        of, (start, end) = dtype_of(name, record), record["data_offsets"]
        storage = restore(_storage(path, of, base + start, base + end, on_disk), "cpu")
        made[name] = (storage, of, tuple(record["shape"]))
        result[name] = _build(*made[name])
    for alias, name in metadata.items():
        if is_alias(alias, name, header):
            result[alias] = _build(*made[name])
    return result


def _build(storage: Storage, of: dtypes.dtype, shape: tuple[int, ...]) -> Any:
    flat = None if storage.device.type == "meta" else storage.array(of)
    return tensors.build(flat, of, 0, shape, tensors.contiguous_strides(shape), False, storage.device, storage)


# ---- several files ---------------------------------------------------------------------------------------------------


def read_index(path: Path) -> dict[str, str]:
    """Each tensor's file, from a ``.index.json``. Only files of the same folder are named."""
    with open(path, encoding="utf-8") as file:
        try:
            index = json.load(file)
        except (ValueError, RecursionError) as error:
            raise FileError(f"load: {os.fspath(path)} is no index of a checkpoint: {error}") from None
    table = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(table, dict) or not all(isinstance(v, str) for v in table.values()):
        raise FileError(f"load: {os.fspath(path)} is no index of a checkpoint: it has no 'weight_map' of names and files")
    for shard in set(table.values()):
        if os.path.basename(shard) != shard or "\\" in shard or shard in ("", ".", "..") or shard.endswith(".index.json"):
            raise RefusedError(f"load: {os.fspath(path)} names the file {shard!r}: a path that leaves the folder")
    return table


def load_shards(path: Path, load: Callable[[str], Any]) -> dict[str, Any]:
    """All the shards' tensors as one dict, shard by shard, checked against the index."""
    table, folder = read_index(path), os.path.dirname(os.path.abspath(path))
    result: dict[str, Any] = {}
    problems = []
    for shard in sorted(set(table.values())):
        content = load(os.path.join(folder, shard))
        named = [name for name, where in table.items() if where == shard]
        problems += [f"{name!r} is not in {shard}" for name in named if name not in content]
        problems += [f"{name!r} in {shard} is not in the index" for name in content if table.get(name, shard) != shard]
        result.update(content)
    if problems:
        raise FileError(f"load: {os.fspath(path)} and its files differ: {'; '.join(problems[:20])}")
    return {name: result[name] for name in [*table, *(n for n in result if n not in table)]}
