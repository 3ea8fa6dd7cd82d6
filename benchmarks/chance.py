"""Times random draws of kuai and PyTorch on the CPU, turn by turn in one process, and prints ratios.

    python -m benchmarks.chance               all draws
    python -m benchmarks.chance --rounds 20   more turns

A ratio is kuai's time over PyTorch's: below 1, kuai is faster. Each time is the least of the rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from types import ModuleType

Draw = Callable[[ModuleType], object]

DRAWS: dict[str, Draw] = {
    "rand(10,000,000)": lambda lib: lib.rand(10_000_000),
    "randn(10,000,000)": lambda lib: lib.randn(10_000_000),
    "randn(1,000,000, float64)": lambda lib: lib.randn(1_000_000, dtype=lib.float64),
    "randn(1,000,000, bfloat16)": lambda lib: lib.randn(1_000_000, dtype=lib.bfloat16),
    "randint(10, 1,000,000)": lambda lib: lib.randint(10, (1_000_000,)),
    "randperm(60,000)": lambda lib: lib.randperm(60_000),
    "bernoulli_(0.5) of 1,000,000": lambda lib: lib.empty(1_000_000).bernoulli_(0.5),
    "exponential_ of 1,000,000": lambda lib: lib.empty(1_000_000).exponential_(),
    "dropout of 1,000,000": lambda lib: lib.nn.functional.dropout(lib.ones(1_000_000), 0.5).sum().item(),
    "multinomial of 1,000 categories": lambda lib: lib.multinomial(lib.ones(1000), 1000, replacement=True),
    "poisson of 10,000": lambda lib: lib.poisson(lib.full((10_000,), 5.0)),
    "uniform_ of 5,000": lambda lib: lib.empty(5000).uniform_(-0.1, 0.1),
    "normal_ of 100": lambda lib: lib.empty(100).normal_(),
    "rand(5)": lambda lib: lib.rand(5),
    "nn.Linear(20, 256)": lambda lib: lib.nn.Linear(20, 256),
    "nn.LSTM(64, 128, 2)": lambda lib: lib.nn.LSTM(64, 128, 2),
    "nn.Conv2d(64, 128, 3)": lambda lib: lib.nn.Conv2d(64, 128, 3),
}


def _once(draw: Draw, lib: ModuleType, calls: int) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        draw(lib)
    return (time.perf_counter() - began) / calls


def compare(draw: Draw, libraries: list[ModuleType], rounds: int) -> list[float]:
    """Each library's least time for a call, in seconds; calls that are short are timed together."""
    calls = [max(1, int(0.01 / _once(draw, lib, 1))) for lib in libraries]
    found = [[_once(draw, lib, n) for lib, n in zip(libraries, calls)] for _ in range(rounds)]
    return [min(times) for times in zip(*found)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chance", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    import torch

    import kuai

    print("| draw | kuai | PyTorch | kuai / PyTorch |\n|---|---|---|---|")
    for name, draw in DRAWS.items():
        ours, theirs = compare(draw, [kuai, torch], rounds)
        print(f"| {name} | {ours * 1e6:,.0f} µs | {theirs * 1e6:,.0f} µs | {ours / theirs:.2f} |", flush=True)


if __name__ == "__main__":
    main()
