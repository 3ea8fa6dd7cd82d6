"""A save that leaves the old file or the new one, whatever happens in between."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows: the process id in the name says enough
    fcntl = None  # type: ignore[assignment]

_MAX_NAME = 255


def _temporary_name(target: str) -> str:
    """Beside the target, hidden, with the process that writes it: rename is atomic only inside a file system."""
    folder, name = os.path.split(target)
    ending = f".{os.getpid()}-{os.urandom(4).hex()}.saving"
    return os.path.join(folder, "." + name[: _MAX_NAME - len(ending) - 1] + ending)


def _is_alive(pid: int) -> bool:
    if os.name == "nt":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _is_locked(path: str) -> bool:
    """Whether a writer, perhaps on another machine or in another container, still holds the file."""
    if fcntl is None:
        return False
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def clear_litter(target: str) -> None:
    """Removes what saves of the same target left behind when they were killed."""
    folder, name = os.path.split(target)
    pattern = re.compile(re.escape("." + name[:200]) + r".*\.(\d+)-[0-9a-f]{8}\.saving")
    for entry in os.listdir(folder or "."):
        found = pattern.fullmatch(entry)
        if found and not _is_alive(int(found[1])):
            path = os.path.join(folder, entry)
            try:
                if os.path.isdir(path) or not _is_locked(path):
                    _remove(path)
            except OSError:
                continue  # another save was faster, or it is not ours: litter is never worth an error


def _sync_folder(target: str) -> None:
    if os.name == "nt":
        return
    folder = os.open(os.path.dirname(target) or ".", os.O_RDONLY)
    try:
        os.fsync(folder)
    except OSError:
        pass  # some file systems have no fsync for folders; the rename itself is done
    finally:
        os.close(folder)


def _keep_owner(target: str, descriptor: int) -> None:
    """The new file gets the old one's owner, where that is allowed."""
    if not hasattr(os, "fchown") or not os.path.exists(target):
        return
    old = os.stat(target)
    if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
        try:
            os.fchown(descriptor, old.st_uid, old.st_gid)
        except OSError:
            pass  # only root may give files away


def _resolve(path: str | os.PathLike) -> str:
    target = os.path.realpath(os.fspath(path))
    if os.path.isdir(target):
        raise IsADirectoryError(f"save: {target} is a folder; name a file in it")
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise RuntimeError(f"Parent directory {folder} does not exist.")
    return os.fsdecode(target)


def _is_special(target: str) -> bool:
    return os.path.exists(target) and not (os.path.isfile(target) or os.path.isdir(target))


def _new_mode(target: str, temporary: str) -> int:
    """The old file's permissions, or what the process gives to new files."""
    known = target if os.path.exists(target) else temporary
    return stat.S_IMODE(os.stat(known).st_mode)


def _finish(written: str, target: str, mode: int) -> None:
    descriptor = os.open(written, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        _keep_owner(target, descriptor)
        if hasattr(os, "fchmod"):
            os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(written, target)
    _sync_folder(target)


def _remove(path: str) -> None:
    if os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
    elif os.path.exists(path):
        os.unlink(path)


@contextmanager
def replacing(path: str | os.PathLike, in_folder: bool = False) -> Iterator[str]:
    """A path to write to; once the block ends without error, the file there is on the disk and takes ``path``'s place.

    ``in_folder`` gives a path in a folder of its own, for writers that make temporary files themselves.
    """
    target = _resolve(path)
    clear_litter(target)
    temporary = _temporary_name(target)
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        mode = _new_mode(target, temporary)
        if in_folder:
            os.unlink(temporary)
            os.mkdir(temporary, 0o700)
        written = os.path.join(temporary, "file") if in_folder else temporary
        yield written
        _finish(written, target, mode)
    finally:
        os.close(descriptor)
        _remove(temporary)


def write_file(path: str | os.PathLike, write: Callable[[BinaryIO], None]) -> None:
    """Calls ``write`` with a file whose content then replaces ``path`` at once. Pipes and devices are written to directly."""
    if _is_special(os.path.realpath(os.fspath(path))):
        with open(path, "wb") as file:
            write(file)
        return
    with replacing(path) as temporary, open(temporary, "wb") as file:
        write(file)
        file.flush()
