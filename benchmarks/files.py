"""Times saving and loading a checkpoint with kuai and PyTorch, in alternating processes of one run, and prints ratios.

    python -m benchmarks.files                  a checkpoint of 1 GB
    python -m benchmarks.files --size 200       of 200 MB
    python -m benchmarks.files --folder /data   on another disk

A ratio is kuai's figure over PyTorch's: below 1, kuai is better. Times are the least of the rounds, peaks the largest resident memory
of a process over what it had before. kuai's saves are on the disk when they return (fsync); PyTorch's are not, so PyTorch's time is
given with an fsync after it, and without.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

PARTS = 64  # tensors in the checkpoint, two of them tied
KINDS = ("save", "load", "load mmap", "save .safetensors", "load .safetensors")


def _peak() -> float:
    unit = 1 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _content(lib, megabytes: int) -> dict:
    rows = megabytes * 1_000_000 // PARTS // 4 // 1000
    parts = {f"layer.{i}.weight": lib.full((rows, 1000), float(i)) for i in range(PARTS)}
    for tensor in parts.values():
        tensor[0, 0].item()  # memory that is really there
    return parts | {"head.weight": parts["layer.0.weight"]}


def _sync(path: str) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _saver(framework: str, lib, kind: str) -> Callable[[dict, str], None]:
    if framework == "kuai":
        return lib.save
    if kind.endswith(".safetensors"):
        from safetensors.torch import save_file

        return lambda content, path: save_file({k: v for k, v in content.items() if k != "head.weight"}, path)
    return lib.save


def _loader(framework: str, lib, kind: str) -> Callable[[str], dict]:
    if framework == "torch" and kind.endswith(".safetensors"):
        from safetensors.torch import load_file

        return load_file
    load = lib.load  # imports of kuai's that wait for the first use count as imports
    return lambda path: load(path, mmap=True if kind.endswith("mmap") else None)


def _timed(action: Callable[[], None], finish: Callable[[], None], calls: int) -> dict[str, float]:
    """The least times of a few calls, and the peak over all."""
    before, found = _peak(), []
    for _ in range(calls):
        began = time.perf_counter()
        action()
        took = time.perf_counter() - began
        finish()
        found.append((took, time.perf_counter() - began))
    return {"time": min(t for t, _ in found), "synced": min(t for _, t in found), "peak": _peak() - before}


def _measure(framework: str, kind: str, path: str, megabytes: int) -> dict[str, float]:
    """The figures of one process."""
    lib = importlib.import_module(framework)
    if kind.startswith("load"):
        load = _loader(framework, lib, kind)
        lib.ones(2, 2)[:, 0].sum().item()

        def read() -> None:
            assert sum(float(t[:, 0].sum()) for t in load(path).values()) > 0  # a value of every page

        return _timed(read, lambda: None, 1)  # a second one would find memory that the allocator has kept
    content, save = _content(lib, megabytes), _saver(framework, lib, kind)

    def write() -> None:
        if os.path.exists(path):
            os.unlink(path)
        save(content, path)

    return _timed(write, lambda: _sync(path), 3)


def _process(framework: str, kind: str, path: str, megabytes: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.files", "--one", framework, kind, path, "--size", str(megabytes)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{framework} {kind} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(kind: str, folder: str, megabytes: int, rounds: int) -> str:
    """A row of the table."""
    found: dict[str, list[dict]] = {"kuai": [], "torch": []}
    for turn in range(rounds):
        for framework, runs in sorted(found.items(), reverse=turn % 2 == 1):  # who comes second finds memory that is warm
            suffix = ".safetensors" if kind.endswith(".safetensors") else ".pt"
            path = os.path.join(folder, f"{framework}{suffix}")
            if kind.startswith("load") and not os.path.exists(path):
                _process(framework, "save" + suffix.removesuffix(".pt").replace(".", " ."), path, megabytes)
            os.sync()
            runs.append(_process(framework, kind, path, megabytes))
    ours, theirs = ({key: min(run[key] for run in runs) for key in runs[0]} for runs in found.values())
    plain = f"{ours['time'] / theirs['time']:.2f}" if kind.startswith("save") else ""
    return (
        f"| {kind} | {ours['synced']:.2f} s | {theirs['synced']:.2f} s | {ours['synced'] / theirs['synced']:.2f} | {plain} "
        f"| {ours['peak']:,.0f} MB | {theirs['peak']:,.0f} MB |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.files", description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1000, help="megabytes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--folder", help="where to write; a temporary folder otherwise")
    parser.add_argument("--one", nargs=3, metavar=("FRAMEWORK", "KIND", "PATH"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(_measure(*given.one, given.size)))
        return
    print("| | kuai | PyTorch | ratio | ratio, PyTorch without fsync | kuai's peak | PyTorch's |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        for kind in given.kinds:
            print(compare(kind, folder, given.size, given.rounds), flush=True)


if __name__ == "__main__":
    main()
