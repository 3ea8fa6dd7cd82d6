"""Run everyday loops on kuai and on PyTorch in alternating processes, and print ratios.

    python -m benchmarks.loops                  all loops
    python -m benchmarks.loops dqn ppo …        some of them
    python -m benchmarks.loops --rounds 5       more rounds

A ratio is PyTorch's time over kuai's: above 1, kuai is faster. Medians over the rounds.
"""

from __future__ import annotations

import argparse

from ..__main__ import compare
from . import LOOPS


def _row(name: str, figures: dict[str, dict[str, float]]) -> str:
    kuai, theirs = figures["kuai"], figures["torch"]
    late = kuai["first_100"] - theirs["first_100"]
    return (f"| {LOOPS[name].__doc__} | {late:+.2f} s | {kuai['steady'] * 1e3:.3f} ms | {theirs['steady'] * 1e3:.3f} ms "
            f"| {theirs['steady'] / kuai['steady']:.2f} |")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loops", description=__doc__.splitlines()[0])
    parser.add_argument("loops", nargs="*", choices=[[], *LOOPS], default=[])
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    print("| loop | first 100 steps, behind PyTorch | kuai | PyTorch | PyTorch / kuai |\n|---|---|---|---|---|")
    for name in args.loops or LOOPS:
        print(_row(name, compare(name, ["kuai", "torch"], args.rounds, worker="benchmarks.loops.worker")), flush=True)


if __name__ == "__main__":
    main()
