"""Who runs a plan, and when it is compiled: a function of the program and of how often this thread has met it.

No clock and no race enters here, so two runs of a script make the same choices (invariant I3).
"""

from __future__ import annotations

import sys
from functools import partial
from math import ceil

import numpy as np

from .. import config
from ..devices import device
from ..errors import HostMemoryError, OutOfMemoryError
from . import bundle, interpret, loops, watch
from .plan import Plan, make_plans, registry
from .program import State
from .report import report, stats
from .trace import Trace, Value, array_of, install, make_value

CPU = device("cpu")
COMPILE_START = 4e8  # ns: importing JAX and the fixed part of a compilation
COMPILE_STEP = 1.2e7  # ns for each instruction
DISPATCH = 2.2e4  # ns to call an executable, and …
DISPATCH_ARRAY = 0.5e3  # … for each array that it takes or gives, most of which lie in bundles
AGAIN = 3  # meetings after which loops are looked for in a program …
LONG = 64  # … of so many instructions: a loop is compiled once, so that compiling it pays sooner
NEVER = sys.maxsize  # the threshold of programs that are no work
EARLY = 4  # programs of a thread that are compiled before it has worked as long as that takes


def execute(trace: Trace, alive: tuple, thread) -> None:
    """Run what a trace recorded and is still alive, and let go of the trace."""
    plans = trace.state.plans.get(alive)
    if plans is None:
        plans = _prepare(trace.state, alive)
    else:
        registry.touch(trace.state, alive)
    counts = stats.counts
    counts["flushes"] += 1
    counts["instructions"] += trace.state.depth
    for plan in plans:
        thread.worked += plan.cost
        try:
            _run(plan, trace, plan.threshold < NEVER and (thread.token in plan.hot or _becomes_hot(plan, thread)))
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in str(error):
                raise
            raise _exhausted(plan) from error
    trace.values = []


def _exhausted(plan: Plan) -> RuntimeError:
    kind = HostMemoryError if plan.device is CPU else OutOfMemoryError
    return kind(
        f"device '{plan.device}' has not the memory for a program of {len(plan.steps)} instructions, the largest of which gives "
        f"{max(a.nbytes for s in plan.steps for a in s.outs):,} bytes: take smaller batches, or delete tensors that are not needed"
    )


def _becomes_hot(plan: Plan, thread) -> bool:
    """Count one more meeting of a thread with a plan; whether it is the one that makes the plan hot."""
    times = plan.seen.get(thread.token, 0)
    if times == AGAIN and len(plan.steps) >= LONG and plan.device is CPU:
        plan.size = loops.compiled(plan)
        plan.sooner = threshold(plan, plan.size)
    # What another thread found out must not change what this one does.
    limit, size = (plan.threshold, len(plan.steps)) if times <= AGAIN else (plan.sooner, plan.size)
    if times < limit or not (times >= _pays(plan, size) or _has_credit(thread, compile_cost(size))):
        plan.seen[thread.token] = times + 1
        return False
    plan.hot.add(thread.token)
    plan.seen.pop(thread.token, None)
    return True


def _has_credit(thread, cost: float) -> bool:
    """Whether a thread may compile a program that has not cost as much yet: a few may come early, and what all it has run covers.

    So a loop whose shapes change from step to step is not kept waiting by a compiler for each.
    """
    if thread.early < EARLY:
        thread.early += 1
        return True
    if thread.compiled + cost > thread.worked:
        return False
    thread.compiled += cost
    return True


def _run(plan: Plan, trace: Trace, hot: bool) -> None:
    compiled = hot and config.engine != "numpy" or config.engine == "xla"
    if compiled and not (plan.refuses and plan.device is CPU):  # XLA does not raise
        if plan.executable is None:
            _compile(plan)
        if watch.spans is None:
            plan.executable(trace.values, trace.numbers)
        else:
            watch.whole(plan, partial(plan.executable, trace.values, trace.numbers), trace.values)
        stats.counts["executed"] += 1
    elif plan.device is CPU:
        interpret.run(plan, trace.values, trace.numbers)
        stats.counts["interpreted"] += 1
    else:
        from .compile import run_stepwise

        if watch.spans is None:
            run_stepwise(plan, trace.values, trace.numbers)
        else:
            watch.whole(plan, partial(run_stepwise, plan, trace.values, trace.numbers), trace.values)
        stats.counts["interpreted"] += 1


def _prepare(end: State, alive: tuple) -> list[Plan]:
    plans = make_plans(end, alive)
    for plan in plans:
        plan.threshold = plan.sooner = threshold(plan, len(plan.steps))
        stats.counts["programs"] += 1
        report.new_program(plan)
    registry.add(end, alive, plans)
    return plans


def threshold(plan: Plan, size: int) -> int:
    """How often a plan runs before it is compiled, at the least, which is the work of so many instructions.

    Soon enough that the time spent by NumPy is about that of the compilation, but never more than a number that grows with
    the program: what has come so often will come again. Programs that are no work are left to NumPy for good.
    """
    if plan.device is CPU and (plan.cost < 1.5 * _dispatch(plan) or not has_compiler()):
        return NEVER
    return min(_pays(plan, size), 40 + 2 * size // 5)


def _dispatch(plan: Plan) -> float:
    """What calling an executable costs, in ns; many small arrays go in bundles, at a tenth of the price."""
    avals = plan.avals()
    arrays = [*plan.inputs, *plan.outputs]
    small = sum(avals[slot].nbytes <= bundle.SMALL for slot in arrays)
    return DISPATCH + DISPATCH_ARRAY * (len(arrays) - 0.9 * max(small - bundle.MANY, 0))


def _pays(plan: Plan, size: int) -> int:
    """After how many runs by NumPy these have cost what compiling so many instructions costs."""
    return ceil(compile_cost(size) / plan.cost) - 1


def compile_cost(size: int) -> float:
    return COMPILE_START + COMPILE_STEP * size


def has_compiler() -> bool:
    """Whether JAX is installed (it is not imported for that)."""
    global _has_compiler
    if _has_compiler is None:
        from importlib.util import find_spec

        _has_compiler = find_spec("jax") is not None
    return _has_compiler


_has_compiler: bool | None = None


def _compile(plan: Plan) -> None:
    from .compile import compile_plan

    with registry.lock:
        if plan.executable is None:
            plan.executable = compile_plan(plan)


def execute_foreign(trace: Trace, value: Value) -> None:
    """Compute one value of another thread's trace, from the part of it that is complete, and change nothing else there."""
    values, numbers, state = trace.values, trace.numbers, trace.state
    if value.data is not None:  # its own thread was quicker
        return
    while state.slots > len(values):
        state = state.parent
    alive = tuple(i == value.slot for i in range(state.slots))
    copies = [make_value(v.aval, array_of(v), None, i) for i, v in enumerate(values[: state.slots])]
    for plan in make_plans(state, alive):
        plan.donated = []
        shadow = Trace()
        shadow.values, shadow.numbers = copies, numbers
        _run(plan, shadow, hot=False)
    value.data = copies[value.slot].data


def glance(trace: Trace, value: Value, thread) -> bool:
    """Read views of what is known, if they are all that is recorded: as pieces of an array, which take no program."""
    state = trace.state
    if not 1 < state.depth < 5 or state.slots != state.depth or value.aval.device is not CPU:
        return False
    piece, (_, *steps) = trace.values[0].data, state.path()
    if type(piece) is not np.ndarray or config.engine == "xla" or watch.spans is not None or not all(map(_goes_on, steps)):
        return False
    thread.trace = Trace()
    for step in steps:
        piece = interpret.callable_for(step)(piece, *trace.numbers[step.number : step.numbers])
        made = trace.values[step.slot]
        made.data = interpret.own(piece)
        if thread.inference:
            made.inference = True
    return True


def _goes_on(state: State) -> bool:
    """Whether an instruction is a view of what was made just before it, all other operands of which are numbers."""
    if state.op is None or state.op.scatter is None or state.args[0] != state.slot - 1:
        return False
    return state.numbers - state.number == len(state.args) - 1


install(execute, execute_foreign, glance)
