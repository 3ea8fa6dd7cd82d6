"""Writes the zip archives of ``torch.save``, byte for byte in its layout: stored records, data on multiples of 64 or another number.

Nothing is sought, so that any object with ``write`` will do.
"""

from __future__ import annotations

import struct
from typing import Protocol

from .checksum import Checksum, chunks
from .progress import Advance, unseen

_MAX_32 = 0xFFFFFFFF
_FLAGS = 0x0808  # sizes and checksum follow the data; names are UTF-8


class Writable(Protocol):
    def write(self, data: memoryview | bytes, /) -> object: ...


class ZipWriter:
    """Adds records one after another; ``close`` writes the directory."""

    def __init__(self, file: Writable, folder: str, advance: Advance = unseen, alignment: int = 64, checked: bool = True):
        self.file, self.folder, self.advance, self.alignment, self.checked = file, folder, advance, alignment, checked
        self.position = 0
        self.directory: list[bytes] = []
        self.checksums: list[int] = []

    def _write(self, data: bytes | memoryview) -> None:
        self.file.write(data)
        self.position += len(data)

    def add(self, name: str, data: bytes | memoryview, checked: bool = True) -> None:
        """One record, with its checksum or without."""
        path, start = f"{self.folder}/{name}".encode(), self.position
        self._write(_local_header(path, start, self.alignment))
        crc = self._write_data(memoryview(data).cast("B"), checked and self.checked)
        self.checksums.append(crc)
        self._write(_descriptor(crc, len(data), start))
        self.directory.append(_central_header(path, crc, len(data), start))

    def _write_data(self, view: memoryview, checked: bool) -> int:
        with Checksum(len(view) if checked else 0) as checksum:
            for chunk in chunks(view):
                if checked:
                    checksum.add(chunk)
                self._write(chunk)
                self.advance(len(chunk))
        return checksum.value

    def close(self) -> None:
        start = self.position
        self._write(b"".join(self.directory))
        count, size = len(self.directory), self.position - start
        self._write(struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 798, 45, 0, 0, count, count, size, start))
        self._write(struct.pack("<4sIQI", b"PK\6\7", 0, start + size, 1))
        short = (min(count, 0xFFFF), min(count, 0xFFFF), min(size, _MAX_32), min(start, _MAX_32))
        self._write(struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, *short, 0))


def _local_header(path: bytes, start: int, alignment: int) -> bytes:
    """With an extra field ("FB") that moves the data to a multiple of the alignment."""
    padding = -(start + 30 + len(path) + 4) % alignment
    extra = struct.pack("<2sH", b"FB", padding) + b"Z" * padding
    return struct.pack("<4s5H3I2H", b"PK\3\4", 0, _FLAGS, 0, 0, 0, 0, 0, 0, len(path), len(extra)) + path + extra


def _descriptor(crc: int, size: int, start: int) -> bytes:
    if not size:
        return b""
    form = "<4sIQQ" if size >= _MAX_32 or start >= _MAX_32 else "<4sIII"
    return struct.pack(form, b"PK\7\x08", crc, size, size)


def _central_header(path: bytes, crc: int, size: int, start: int) -> bytes:
    large = [size, size] if size >= _MAX_32 else []
    large += [start] if start >= _MAX_32 else []
    extra = struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    short, offset = min(size, _MAX_32), min(start, _MAX_32)
    fixed = (b"PK\1\2", 0, 0, _FLAGS, 0, 0, 0, crc, short, short, len(path), len(extra), 0, 0, 0, 0, offset)
    return struct.pack("<4s6H3I5H2I", *fixed) + path + extra
