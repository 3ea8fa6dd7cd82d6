"""What recording one op costs, autograd included."""

from __future__ import annotations

import statistics
import time


def recording_cost(ops: int = 2000, rounds: int = 21) -> str:
    """The median over rounds of the time for an op that is recorded with a gradient, and without; nothing is run."""
    import kuai as torch

    figures = []
    for tracked in (True, False):
        x = torch.ones(4, requires_grad=tracked)
        times = []
        for _ in range(rounds):
            y = x
            started = time.perf_counter()
            for _ in range(ops):
                y = y * x
            times.append((time.perf_counter() - started) / ops)
            del y
            torch.synchronize()
        figures.append(statistics.median(times[1:]) * 1e6)
    return f"recording an op: {figures[0]:.2f} us with autograd, {figures[1]:.2f} us without"
