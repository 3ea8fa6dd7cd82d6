"""Compiled programs on the disk, so that the second run of a script compiles nothing.

The folder is the user's own (mode 0700): JAX's serialized executables are pickles, and are read from there alone.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import platform
import tempfile
from functools import cache
from pathlib import Path

from .. import config
from .plan import Layout, Plan

LIMIT = 1 << 30  # bytes; the oldest files go first


def key(plan: Plan, layout: Layout, platform_name: str) -> str:
    """A name for an executable: the program's text and all that its meaning or its machine code hangs on."""
    first = plan.end.path()
    names = {slot: i for i, slot in enumerate(plan.inputs)}
    avals = {s.slot + i: a for s in first for i, a in enumerate(s.outs)}
    lines = [platform_name, _machine(), _sources(), repr(plan.device)]
    lines += [f"{n}: {avals[slot]}" for slot, n in names.items()]
    for state in plan.steps:
        args = [names[a] if type(a) is int else getattr(a, "__name__", None) for a in state.args]
        names.update((slot, len(names) + slot - state.slot) for slot in range(state.slot, state.slots))
        lines.append(f"{state.op.name} {state.static} {args} {state.number} {state.casts} {state.outs}")
    lines.append(repr([a.__name__ for s in first for a in s.args if isinstance(a, type)]))
    groups = [layout.inputs, layout.outputs, *(slots for _, slots in layout.taken), *(slots for _, slots in layout.given)]
    lines.append(repr((layout.donated, len(layout.taken), [[names[slot] for slot in slots] for slots in groups])))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@cache
def _sources() -> str:
    """This library's files, by size and time of change: an edited op is another op."""
    root = Path(__file__).parent.parent
    found = [(p.relative_to(root).as_posix(), p.stat().st_size, p.stat().st_mtime_ns) for p in root.rglob("*.py")]
    return repr(sorted(found))


@cache
def _machine() -> str:
    """The processor, as machine code for one may not run on another."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line for line in lines if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        return f"{platform.machine()} {platform.processor()}"


def load(name: str) -> tuple | None:
    """What was stored under this name, or None; a damaged file is as good as none."""
    path = config.cache_folder() / name
    try:
        if path.stat().st_uid != os.getuid():
            return None
        found = pickle.loads(path.read_bytes())
        os.utime(path)
        return found
    except FileNotFoundError:
        return None
    except Exception:  # noqa: BLE001 (whatever a damaged file causes: compile anew)
        return None


def store(name: str, payload: tuple) -> None:
    """Keep a serialized executable; a disk that cannot be written is no reason to stop."""
    folder = config.cache_folder()
    try:
        data = pickle.dumps(payload)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as f:
            f.write(data)
        os.replace(f.name, folder / name)
        _trim(folder)
    except OSError:
        return


def size(folder: Path) -> int:
    """Bytes in the cache folder."""
    return sum(p.stat().st_size for p in folder.glob("*")) if folder.is_dir() else 0


def _trim(folder: Path) -> None:
    files = sorted(folder.glob("*"), key=lambda p: p.stat().st_mtime)
    total = sum(p.stat().st_size for p in files)
    for path in files:
        if total <= LIMIT:
            return
        total -= path.stat().st_size
        path.unlink(missing_ok=True)
