"""Who looks on while plans run: a profiler notes each instruction that NumPy runs, and each executable as a whole."""

from __future__ import annotations

from collections.abc import Callable
from threading import get_ident
from time import perf_counter_ns
from typing import Any

from .plan import Plan


class Span:
    """Something that took time, from start to end in ns of `perf_counter_ns`."""

    __slots__ = ("name", "start", "end", "thread", "shapes", "kind")

    def __init__(self, name: str, start: int, end: int, shapes: tuple = (), kind: str = "op"):
        self.name, self.start, self.end, self.thread = name, start, end, get_ident()
        self.shapes, self.kind = shapes, kind


spans: list[Span] | None = None  # where spans are noted, if somebody looks on


def watch(into: list[Span] | None) -> list[Span] | None:
    """Note spans in a list from now on (None: nowhere); gives the list before."""
    global spans
    before, spans = spans, into
    return before


def loop(plan: Plan, rows: list[tuple], env: list) -> None:
    """Run a plan's rows by NumPy and note each."""
    noted = spans if spans is not None else []
    for state, (call, _, _, _, places, slot, many, frees) in zip(plan.steps, rows):
        start = perf_counter_ns()
        result = call(*[env[p] for p in places])
        noted.append(Span(state.op.name, start, perf_counter_ns(), _shapes(state)))
        if many:
            env[slot : slot + many] = result
        else:
            env[slot] = result
        for f in frees:
            env[f] = None


def _shapes(state: Any) -> tuple:
    return tuple(tuple(a.shape) if hasattr(a, "shape") else () for a in state.avals)


def whole(plan: Plan, run: Callable[[], None], values: list) -> None:
    """Run an executable, wait for its results, and note it as one span."""
    noted = spans if spans is not None else []
    start = perf_counter_ns()
    run()
    for slot in plan.outputs:
        wait = getattr(values[slot].data, "block_until_ready", None)
        if wait is not None:
            wait()
    noted.append(Span(f"XLA program of {len(plan.steps)} instructions", start, perf_counter_ns(), kind="program"))
