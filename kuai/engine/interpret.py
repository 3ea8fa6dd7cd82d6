"""NumPy runs a plan instruction by instruction, and frees each value after its last use."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, partial

import numpy as np

from ..dtypes import float32
from . import watch
from .plan import Plan
from .program import Op, State
from .trace import Value, array_of


def compute_dtypes(state: State) -> tuple:
    """The dtype that each operand is converted to before the body, or None; half types are computed in float32."""
    wanted = state.casts or tuple(getattr(a, "dtype", None) for a in state.avals)
    return tuple(float32 if d is not None and _is_half(d) and not state.op.exact else d for d in wanted)


def _is_half(d: object) -> bool:
    return d.is_floating_point and d.itemsize < 4


def callable_for(state: State) -> Callable:
    """The instruction as a function of NumPy arrays, made once for each state."""
    if state.callable is None:
        call = _bind(state)
        converted = _convert_operands(call, state)
        state.callable = converted if isinstance(call, np.ufunc) and _gives(call, state) else _convert_result(converted, state)
    return state.callable


def _bind(state: State) -> Callable:
    body, static = state.op.body, state.static_dict()
    if static:
        return partial(body, np, **static)
    return _function_of(state.op) or partial(body, np)


class _Names:
    """In NumPy's place it tells which function a body calls."""

    def __getattr__(self, name: str) -> Callable:
        return lambda *operands: (name, operands)


@cache
def _function_of(op: Op) -> np.ufunc | None:
    """NumPy's function, where an op's body is no more than a call of it on the operands as they come."""
    operands = tuple(object() for _ in op.inputs)
    try:
        name, given = op.body(_Names(), *operands)
        found = getattr(np, name)
    except Exception:  # noqa: BLE001 (whatever a body does with what is no array)
        return None
    return found if isinstance(found, np.ufunc) and found.signature is None and given == operands else None


def _gives(function: np.ufunc, state: State) -> bool:
    """Whether the function's results are of the result's dtype by themselves."""
    targets = compute_dtypes(state)
    if None in targets or state.aval is None:
        return False
    return function(*[np.empty(0, d.numpy) for d in targets]).dtype == state.aval.dtype.numpy


def _convert_operands(call: Callable, state: State) -> Callable:
    converters = [
        _converter(a, d) if a is not None and getattr(a, "dtype", None) is not d else None
        for a, d in zip(state.avals, compute_dtypes(state))
    ]
    if not any(converters):
        return call
    if len(converters) == 1:
        only = converters[0]
        return lambda x: call(only(x))
    if len(converters) == 2:
        first, second = converters
        if first is None:
            return lambda x, y: call(x, second(y))
        return (lambda x, y: call(first(x), second(y))) if second else (lambda x, y: call(first(x), y))
    return lambda *xs: call(*[c(x) if c else x for c, x in zip(converters, xs)])


def _converter(aval: object, target: object) -> Callable | None:
    if target is None:
        return None
    numpy = target.numpy
    if not isinstance(aval, type):
        return lambda x: x.astype(numpy)
    if target.category == 1:
        return lambda x: np.array(x).astype(numpy)  # wraps, as PyTorch does
    return numpy.type


def _convert_result(call: Callable, state: State) -> Callable:
    if state.aval is None:
        wanted = [a.dtype.numpy for a in state.outs]
        return lambda *xs: [r if r.dtype == d else r.astype(d) for r, d in zip(call(*xs), wanted)]
    numpy = state.aval.dtype.numpy

    def convert(*xs: object) -> np.ndarray:
        result = call(*xs)
        return result if result.dtype is numpy or result.dtype == numpy else result.astype(numpy)

    return convert


def prepare(plan: Plan) -> list[tuple]:
    """The plan as rows: function, form, the first two operands' slots, all of them, result slot, how many results, slots to free.

    The form is the number of operands, if there are one or two and one result: such a call needs no list.
    """
    last: dict[int, int] = {}
    for i, state in enumerate(plan.steps):
        for a in state.args:
            if type(a) is int:
                last[a] = i
        for slot in range(state.slot, state.slots):
            last.setdefault(slot, i)
    keep = set(plan.outputs)
    free: dict[int, list[int]] = {}
    for slot, i in last.items():
        if slot not in keep:
            free.setdefault(i, []).append(slot)
    return [_row(plan, state, tuple(free.get(i, ()))) for i, state in enumerate(plan.steps)]


def _row(plan: Plan, state: State, frees: tuple) -> tuple:
    absent = plan.end.slots + plan.end.numbers
    number = plan.end.slots + state.number
    places = []
    for a in state.args:
        if type(a) is int:
            places.append(a)
        elif a is None:
            places.append(absent)
        else:
            places.append(number)
            number += 1
    many = 0 if state.aval is not None else len(state.outs)
    call = callable_for(state)
    if state.op.overwrites and compute_dtypes(state)[0] is state.outs[0].dtype:  # else it is converted, and so its own
        held = _SOLE + (state.args[0] in plan.donated)  # a value that dies after the run has its input too
        return _on_its_own(call, state.args[0] in frees, held), 0, 0, 0, tuple(places), state.slot, many, frees
    form = 0 if many or len(places) > 2 else len(places)
    return call, form, places[0] if form else 0, places[-1] if form else 0, tuple(places), state.slot, many, frees


def _on_its_own(call: Callable, dies: bool, held: int) -> Callable:
    """An instruction whose first array is written to: a copy, unless it dies here and nobody else holds its memory."""

    def run(x: object, *rest: object) -> object:
        if x is not None and not (dies and type(x) is np.ndarray and sys.getrefcount(x) == held and _is_whole(x)):
            x = np.array(x, order="C")
        return call(x, *rest)

    return run


def _salvage(plan: Plan, values: list[Value], env: list) -> None:
    """After a run that failed: keep what it has computed, and let go of what it has written to."""
    for slot in plan.outputs:
        if env[slot] is not None:
            values[slot].data = own(env[slot])
    written = {s.args[0] for s in plan.steps if s.op.overwrites}
    for slot in plan.donated:
        if slot in written and env[slot] is None:
            values[slot].data = None


def _is_whole(array: np.ndarray) -> bool:
    return array.base is None and array.flags.c_contiguous and array.flags.writeable


def run(plan: Plan, values: list[Value], numbers: list) -> None:
    """Compute a plan's outputs and write them into their Values."""
    if plan.interpret is None:
        plan.interpret = prepare(plan)
    end = plan.end
    env: list = [None] * end.slots + numbers[: end.numbers] + [None]
    for slot in plan.inputs:
        data = values[slot].data
        env[slot] = data if type(data) is np.ndarray else _on_host(values[slot])
    data = None
    try:
        with np.errstate(all="ignore"):
            if watch.spans is None:
                _loop(plan.interpret, env)
            else:
                watch.loop(plan, plan.interpret, env)
    except BaseException:
        _salvage(plan, values, env)
        raise
    for slot in plan.outputs:
        data = env[slot]
        values[slot].data = data if type(data) is np.ndarray and data.base is None else own(data)


def _on_host(value: Value) -> np.ndarray:
    data = array_of(value)
    if data is None:
        raise RuntimeError("a value whose memory a program that failed has written to")
    return np.asarray(data)


def _loop(rows: list[tuple], env: list) -> None:
    for call, form, a, b, places, slot, many, frees in rows:
        if form == 2:
            env[slot] = call(env[a], env[b])
        elif form:
            env[slot] = call(env[a])
        elif many:
            env[slot : slot + many] = call(*[env[p] for p in places])
        else:
            env[slot] = call(*[env[p] for p in places])
        for f in frees:
            env[f] = None


def _sole() -> int:
    """What `sys.getrefcount` says in `_on_its_own` of an array that only the loop's own list holds."""
    counts: list[int] = []

    def probe(x: object, *rest: object) -> object:
        counts.append(sys.getrefcount(x))
        return x

    _loop([(probe, 0, 0, 0, (0,), 0, 0, ())], [np.empty(1)])
    return counts[0]


_SOLE = _sole()


def own(array: object) -> np.ndarray:
    """An array to keep: a NumPy scalar becomes one, and a small view does not hold a large base in memory."""
    array = np.asarray(array)
    if array.base is not None and getattr(array.base, "nbytes", 0) > 2 * array.nbytes + 1024:
        return array.copy()
    return array
