"""What the engine has done: counters, and why programs differ."""

from __future__ import annotations

import sys
from collections import deque

from .. import config
from .plan import Plan
from .program import State


class Stats:
    """Counters since the start of the process."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(
            ("flushes", "instructions", "programs", "interpreted", "executed", "compiled", "cached"), 0
        )


class Report:
    """The newest programs, each with the step at which it left the closest earlier one."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=64)

    def new_program(self, plan: Plan) -> None:
        self.lines.append(plan)

    def compiled(self, plan: Plan, seconds: float, cached: bool) -> None:
        verb = "loaded from the cache" if cached else "compiled"
        if "compile" in config.log or (seconds > 5 and not cached):
            print(f"kuai: {verb} {describe(plan)} in {seconds:.1f} s", file=sys.stderr)


def describe(plan: Plan) -> str:
    """A program in a line: its length and how it differs from the closest one met before it."""
    return f"a program of {len(plan.steps)} instructions on {plan.device}{_difference(plan.end)}"


def _difference(end: State) -> str:
    for state in reversed(end.path()):
        others = [s for k, s in state.parent.next.items() if s is not state and s.serial < state.serial]
        if others:
            return f"; step {state.depth} is {_instruction(state)}, before it was {_instruction(others[-1])}"
    return ""


def _instruction(state: State) -> str:
    if state.op is None:
        return f"input {state.outs[0]}"
    operands = ", ".join("None" if a is None else a.__name__ if isinstance(a, type) else repr(a) for a in state.avals)
    static = "".join(f", {k}={v}" for k, v in state.static_dict().items())
    return f"{state.op.name}({operands}{static})"


stats = Stats()
report = Report()


def explain() -> str:
    """What the engine has done so far, and the newest programs with what made each a new one.

    >>> import kuai as torch
    >>> print(torch.explain().splitlines()[0].split(":")[0])
    engine
    """
    head = f"engine: {config.engine}; " + ", ".join(f"{k} {v}" for k, v in stats.counts.items())
    return "\n".join([head, *(f"  {describe(p)}; {_fate(p)}" for p in report.lines)])


def _fate(plan: Plan) -> str:
    if plan.executable is not None:
        return "compiled"
    if plan.threshold == sys.maxsize:
        return "too small to compile"
    return f"compiled after {plan.threshold} runs, if what has run by then covers it"
