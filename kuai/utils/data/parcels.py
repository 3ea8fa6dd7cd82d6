"""How answers go from a worker to the reader: large arrays in memory that is handed over, the rest through a queue.

A pipe copies an array in pieces of 64 KiB, and pickling copies it once more on each side. So a worker writes a large array into a
file that is only in memory, and sends the file's descriptor through a socket of its own, before the answer that needs it.
"""

from __future__ import annotations

import mmap
import os
import pickle
import socket
from typing import NamedTuple

LARGE = 1 << 17  # bytes from which memory of its own costs less than a pipe
MOST = 64  # arrays of one answer that get memory of their own; a message of a socket holds at most 253 descriptors
HANDS_OVER = hasattr(os, "memfd_create") and hasattr(socket, "send_fds")


class Parcel(NamedTuple):
    """An answer on its way: who sends it, its pickle, and the sizes of the arrays that went ahead."""

    worker: int
    data: bytes
    sizes: list[int]


def pack(answer: object, worker: int, link: socket.socket) -> Parcel:
    """Pickle an answer; its large arrays go ahead through a link that does not block. Raises what pickling raises."""
    ahead: list[memoryview] = []

    def stays(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < LARGE or len(ahead) == MOST:
            return True
        ahead.append(raw)
        return False

    data = pickle.dumps(answer, 5, buffer_callback=stays if HANDS_OVER else None)
    if ahead and not _send(ahead, link):
        return Parcel(worker, pickle.dumps(answer, 5), [])
    return Parcel(worker, data, [raw.nbytes for raw in ahead])


def unpack(parcel: Parcel, link: socket.socket) -> object:
    """The answer again. Parcels of a worker are unpacked in the order in which it packed them."""
    files = socket.recv_fds(link, 1, len(parcel.sizes))[1] if parcel.sizes else []
    return pickle.loads(parcel.data, buffers=[_mapped(file, size) for file, size in zip(files, parcel.sizes)])


def _send(arrays: list[memoryview], link: socket.socket) -> bool:
    """Whether arrays could be sent: there may be no memory, or too many that nobody has taken yet."""
    files: list[int] = []
    try:
        for raw in arrays:
            files.append(os.memfd_create("kuai-batch"))
            _write(files[-1], raw)
        socket.send_fds(link, [b"."], files)
    except OSError:
        return False
    finally:
        for file in files:
            os.close(file)
    return True


def _write(file: int, raw: memoryview) -> None:
    done = 0
    while done < raw.nbytes:  # a write takes at most 2 GiB
        done += os.write(file, raw[done:])


def _mapped(file: int, size: int) -> mmap.mmap:
    """The file as memory of this process alone: what a fork of it writes there stays in the fork."""
    try:
        return mmap.mmap(file, size, flags=mmap.MAP_PRIVATE)
    finally:
        os.close(file)
