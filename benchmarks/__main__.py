"""Run workloads on kuai and its peers in alternating processes of one run, and print ratios.

    python -m benchmarks                      all workloads
    python -m benchmarks sgd_20_256_10 …      some of them
    python -m benchmarks --rounds 5 --jax     more rounds; hand-written jax.jit beside them where there is one

A ratio is the peer's time over kuai's: above 1, kuai is faster. Medians over the rounds. Compiled programs of earlier
rounds are not used: each process has a cache folder of its own (give --warm-cache to share one).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

from .recording import recording_cost
from .workloads import WORKLOADS


def _process(worker: str, framework: str, name: str, cache: str) -> dict[str, float]:
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "KUAI_CACHE": cache}
    command = [sys.executable, "-m", worker, framework, name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{framework} {name} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(
    name: str, frameworks: list[str], rounds: int, warm_cache: bool = False, worker: str = "benchmarks.worker"
) -> dict[str, dict[str, float]]:
    """Medians of each framework's figures, the processes alternating."""
    found: dict[str, list[dict]] = {f: [] for f in frameworks}
    with tempfile.TemporaryDirectory() as shared:
        for _ in range(rounds):
            for f in frameworks:
                with tempfile.TemporaryDirectory() as own:
                    found[f].append(_process(worker, f, name, shared if warm_cache else own))
    return {f: {k: statistics.median(r[k] for r in runs) for k in runs[0]} for f, runs in found.items()}


def _row(name: str, figures: dict[str, dict[str, float]]) -> str:
    kuai = figures["kuai"]
    cells = [f"{kuai['first'] * 1e3:8.1f} ms", f"{kuai['first_32'] * 1e3:8.1f} ms", f"{kuai['steady'] * 1e3:9.3f} ms"]
    for peer, theirs in figures.items():
        if peer != "kuai":
            late = kuai["first_32"] - theirs["first_32"]
            cells.append(f"{theirs['steady'] / kuai['steady']:6.2f}x {peer} (first 32: {late:+.2f} s)")
    return f"| {WORKLOADS[name].__doc__} | " + " | ".join(cells) + " |"


def import_times(rounds: int) -> str:
    """The time of `import kuai` over that of `import numpy`, each in fresh processes."""
    code = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
    found: dict[str, list[float]] = {"numpy": [], "kuai": []}
    for _ in range(5 * rounds):
        for name, times in found.items():
            done = subprocess.run([sys.executable, "-c", code.format(name)], capture_output=True, text=True, check=True)
            times.append(float(done.stdout))
    numpy, kuai = (statistics.median(found[n]) for n in ("numpy", "kuai"))
    return f"import kuai: {kuai * 1e3:.0f} ms, {kuai / numpy:.2f} times import numpy ({numpy * 1e3:.0f} ms)"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("workloads", nargs="*", choices=[[], *WORKLOADS], default=[])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jax", action="store_true", help="hand-written jax.jit too, where there is one")
    parser.add_argument("--warm-cache", action="store_true", help="let later rounds load what earlier ones compiled")
    args = parser.parse_args()
    if not args.workloads:
        print(recording_cost())
        print(import_times(args.rounds))
    print("| workload | kuai: first call | first 32 | steady | peer / kuai |\n|---|---|---|---|---|")
    for name in args.workloads or WORKLOADS:
        frameworks = ["kuai", "torch", *(["jax"] if args.jax and _by_hand(name) else [])]
        print(_row(name, compare(name, frameworks, args.rounds, args.warm_cache)), flush=True)


def _by_hand(name: str) -> bool:
    from .by_hand import WORKLOADS as by_hand

    return name in by_hand


if __name__ == "__main__":
    main()
