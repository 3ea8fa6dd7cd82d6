"""CRC-32 of long data, by a thread beside the reading or writing of what follows."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

CHUNK = 4 << 20


def chunks(view: memoryview) -> Iterator[memoryview]:
    """The parts of long data that are read, summed or written at once."""
    return (view[i : i + CHUNK] for i in range(0, len(view), CHUNK))


class Checksum:
    """The CRC-32 of the chunks that `add` was given, once the ``with`` block has ended."""

    def __init__(self, size: int):
        self.value = 0
        self.size = size

    def __enter__(self) -> Checksum:
        if self.size > CHUNK:
            from queue import SimpleQueue
            from threading import Thread

            self.waiting: SimpleQueue[memoryview | None] = SimpleQueue()
            self.thread = Thread(target=self._work, name="kuai-crc", daemon=True)
            self.thread.start()
        return self

    def _work(self) -> None:
        while (chunk := self.waiting.get()) is not None:
            self.value = zlib.crc32(chunk, self.value)

    def add(self, chunk: memoryview) -> None:
        """The next chunk, whose bytes stay as they are until the end."""
        if self.size > CHUNK:
            self.waiting.put(chunk)
        else:
            self.value = zlib.crc32(chunk, self.value)

    def __exit__(self, *error: object) -> None:
        if self.size > CHUNK:
            self.waiting.put(None)
            self.thread.join()
