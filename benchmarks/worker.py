"""One process: times one workload on one framework and prints its figures as JSON (seconds)."""

from __future__ import annotations

import importlib
import json
import statistics
import sys
import time

FIRST = 32  # steps whose sum is a figure of its own, compilation included
WARM = 2.0  # seconds of steps before the steady state is timed, and at least …
WARM_STEPS = 120
TIMED = 2.0  # seconds of steady state


def _once(step, finish) -> float:
    started = time.perf_counter()
    kept = step()
    finish(kept)
    return time.perf_counter() - started


def measure(step, finish, first: int = FIRST, warm: float = WARM, timed: float = TIMED) -> dict[str, float]:
    """First call, the first 32 (or another number) together, and the median of the steady state."""
    early = [_once(step, finish) for _ in range(first)]
    began, steps = time.perf_counter(), first
    while time.perf_counter() - began < warm or (steps < WARM_STEPS and time.perf_counter() - began < 20 * warm):
        _once(step, finish)
        steps += 1
    steady, began = [], time.perf_counter()
    while time.perf_counter() - began < timed or len(steady) < 5:
        steady.append(_once(step, finish))
    return {"first": early[0], f"first_{first}": sum(early), "steady": statistics.median(steady)}


def main() -> None:
    from .workloads import WORKLOADS

    framework, name = sys.argv[1:]
    if framework == "jax":
        from .by_hand import WORKLOADS as by_hand

        print(json.dumps(measure(by_hand[name](), lambda kept: kept.block_until_ready())))
        return
    torch = importlib.import_module(framework)
    finish = (lambda kept: torch.synchronize()) if framework == "kuai" else (lambda kept: None)
    print(json.dumps(measure(WORKLOADS[name](torch), finish)))


if __name__ == "__main__":
    main()
