"""A strict reader of the zip archives that checkpoints are.

The standard library parses the central directory. What it lets pass and a checkpoint never needs is refused here:
entries that overlap, names that leave the archive, names that differ between the two headers, encryption, and entries that
unpack to far more than the file holds.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from .checksum import Checksum, chunks
from .errors import FileError, RefusedError, TruncatedError
from .progress import Advance, unseen

MAGIC = b"PK\x03\x04"
_LOCAL = struct.Struct("<4s5H3I2H")
_MAX_RATIO = 4


class _Part(io.RawIOBase):
    """The rest of a file from where it stands: archives may begin in the middle of a file object."""

    def __init__(self, file: BinaryIO, start: int, size: int):
        self.file, self.start, self.size, self.position = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = 0) -> int:
        position = offset + (0, self.position, self.size)[whence]
        if position < 0:
            raise ValueError("negative seek position")
        self.position = position
        return position

    def read(self, n: int = -1) -> bytes:
        left = max(self.size - self.position, 0)
        self.file.seek(self.start + self.position)
        data = self.file.read(left if n is None or n < 0 else min(n, left))
        self.position += len(data)
        return data


class Entry:
    """One record: where its bytes are, and how many."""

    __slots__ = ("name", "offset", "stored", "size", "crc", "deflated")

    def __init__(self, info: zipfile.ZipInfo, offset: int):
        self.name, self.offset, self.crc = info.filename, offset, info.CRC
        self.stored, self.size = info.compress_size, info.file_size
        self.deflated = info.compress_type == zipfile.ZIP_DEFLATED


class ZipReader:
    """The records of an archive by name, without the folder that holds them all."""

    def __init__(self, file: BinaryIO):
        start = file.tell()
        self.file, self.start = file, start
        self.advance: Advance = unseen
        self.size = file.seek(0, 2) - start
        infos = self._directory()
        _check_names(infos)
        entries = [Entry(info, self._data_offset(info)) for info in infos]
        _check_overlaps(infos, entries, self.size)
        self.folder = _folder(infos)
        self.checked = any(entry.crc for entry in entries if entry.size)  # PyTorch can be told to write no checksums
        self.entries = {e.name[len(self.folder) :]: e for e in entries if e.name.startswith(self.folder)}

    def _directory(self) -> list[zipfile.ZipInfo]:
        try:
            with zipfile.ZipFile(_Part(self.file, self.start, self.size)) as archive:
                return [info for info in archive.infolist() if not info.is_dir()]
        except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError, EOFError, IndexError, OverflowError) as error:
            raise FileError(f"damaged zip archive: {error}") from None

    def _data_offset(self, info: zipfile.ZipInfo) -> int:
        """Past the local header, after comparing it with the central one."""
        head = self._bytes(info.header_offset, _LOCAL.size)
        magic, _, flags, method, _, _, _, _, _, name_size, extra_size = _LOCAL.unpack(head)
        name = self._bytes(info.header_offset + _LOCAL.size, name_size)
        if magic != MAGIC or name.decode("utf-8", "replace") != info.orig_filename:
            raise RefusedError(f"zip entry {info.filename!r}: its two headers differ")
        if flags & 1 or info.flag_bits & 1:
            raise RefusedError(f"zip entry {info.filename!r} is encrypted")
        if method != info.compress_type or method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileError(f"zip entry {info.filename!r}: compression method {info.compress_type} is not read")
        return info.header_offset + _LOCAL.size + name_size + extra_size

    def _bytes(self, offset: int, n: int) -> bytes:
        if offset < 0 or offset + n > self.size:
            raise TruncatedError(f"damaged zip archive: it needs bytes {offset} to {offset + n} of a file of {self.size}")
        self.file.seek(self.start + offset)
        data = self.file.read(n)
        if len(data) != n:
            raise TruncatedError("damaged zip archive: the file ends too early")
        return data

    def entry(self, name: str) -> Entry:
        found = self.entries.get(name)
        if found is None:
            raise FileError(f"the archive has no record {name!r}; it holds {', '.join(sorted(self.entries)[:8])}")
        return found

    def read(self, name: str) -> bytes:
        """A whole record, unpacked and checked."""
        entry = self.entry(name)
        data = self._bytes(entry.offset, entry.stored)
        if entry.deflated:
            data = _inflate(data, entry)
        self._check(entry, zlib.crc32(data))
        return data

    def read_array(self, name: str) -> np.ndarray:
        """A whole record as an array of bytes, read into place and checked. Without a checksum are those that ``skip_data`` left."""
        entry = self.entry(name)
        if entry.deflated:
            return np.frombuffer(bytearray(self.read(name)), np.uint8)
        array = np.empty(entry.size, np.uint8)
        self.file.seek(self.start + entry.offset)
        crc = read_into(self.file, array, bool(entry.crc), self.advance)
        if entry.crc:
            self._check(entry, crc)
        return array

    def _check(self, entry: Entry, crc: int) -> None:
        if self.checked and crc != entry.crc:
            raise FileError(f"damaged file: record {entry.name!r} has checksum {crc:08x}, needs {entry.crc:08x} (wrong CRC)")


def read_into(file: BinaryIO, array: np.ndarray, crc: bool, advance: Advance = unseen) -> int:
    """Fills an array of bytes from a file; gives the CRC, or 0 where none is asked for."""
    view = memoryview(array)  # type: ignore[arg-type]
    with Checksum(len(view) if crc else 0) as checksum:
        for chunk in chunks(view):
            _fill(file, chunk)
            advance(len(chunk))
            if crc:
                checksum.add(chunk)
    return checksum.value


def _fill(file: BinaryIO, view: memoryview) -> None:
    if not hasattr(file, "readinto"):
        data = file.read(len(view))
        view[: len(data)] = data
        view = view[len(data) :]
    while len(view):
        n = file.readinto(view)  # type: ignore[attr-defined]
        if not n:
            raise TruncatedError(f"the file ends {len(view)} bytes too early")
        view = view[n:]


def _inflate(data: bytes, entry: Entry) -> bytes:
    machine = zlib.decompressobj(-15)
    try:
        result = machine.decompress(data, entry.size + 1)
    except zlib.error as error:
        raise FileError(f"damaged zip entry {entry.name!r}: {error}") from None
    if len(result) != entry.size:
        raise RefusedError(f"zip entry {entry.name!r} does not unpack to the {entry.size} bytes that it claims")
    return result


def _check_names(infos: list[zipfile.ZipInfo]) -> None:
    seen: set[str] = set()
    for info in infos:
        name = info.orig_filename
        if name in seen:
            raise RefusedError(f"zip entry {name!r} appears twice")
        if name.startswith("/") or "\\" in name or "\0" in name or ":" in name or ".." in name.split("/"):
            raise RefusedError(f"zip entry {name!r}: a path that leaves the archive")
        seen.add(name)


def _check_overlaps(infos: list[zipfile.ZipInfo], entries: list[Entry], size: int) -> None:
    for entry in entries:
        if not entry.deflated and entry.stored != entry.size:
            raise RefusedError(f"zip entry {entry.name!r} is stored as {entry.stored} bytes and claims {entry.size}")
        if entry.offset + entry.stored > size:
            raise TruncatedError(f"zip entry {entry.name!r} reaches past the end of the file")
    for (_, end, before), (start, _, name) in _pairs(infos, entries):
        if start < end:
            raise RefusedError(f"zip entries {before!r} and {name!r} overlap")
    total = sum(e.size for e in entries)
    if total > _MAX_RATIO * size:
        raise RefusedError(f"zip bomb: a file of {size} bytes unpacks to {total}")


def _pairs(infos: list[zipfile.ZipInfo], entries: list[Entry]) -> Iterator[tuple]:
    spans = sorted((i.header_offset, e.offset + e.stored, e.name) for i, e in zip(infos, entries))
    return zip(spans, spans[1:])


def _folder(infos: list[zipfile.ZipInfo]) -> str:
    """The folder of the first record, as PyTorch takes it."""
    if not infos or "/" not in infos[0].filename:
        raise FileError("not a checkpoint: a zip archive whose records are in no folder")
    return infos[0].filename.split("/")[0] + "/"
