"""Recording: a thread's trace, the values in it, and the flush that computes them.

A `Value` is immutable. While it is pending it has a slot in a trace; once computed it has data. Recording an op is one
look-up in the trie (`State.next`); only a step never taken before runs the op's shape rule.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import numpy as np

from .. import config
from .bundle import Bundle
from .program import Aval, Op, State


class Value:
    """An immutable array, computed or pending. It has no constructor, as a call would cost a tenth of an op."""

    __slots__ = ("aval", "data", "place", "trace", "slot", "uses", "inference", "bounds")
    aval: Aval
    data: object  # None while pending; an array, or the Bundle in which the value has its place
    place: int
    trace: Trace | None
    slot: int  # its place in that trace
    inference: bool  # there once the process has been in inference mode: whether the tensor that it is the content of is of that mode
    bounds: tuple  # its least and greatest element, there if somebody had to know; see ops.extent
    uses: int  # how often an executable took it, while its data is NumPy's; not there before the first time


def make_value(aval: Aval, data: object, trace: Trace | None, slot: int) -> Value:
    value = Value()
    value.aval, value.data, value.trace, value.slot = aval, data, trace, slot
    return value


class Unread(Value):
    """The place in a trace of a value that nobody can ask for."""

    __slots__ = ()
    aval = data = trace = None  # type: ignore[assignment]


next_number = count().__next__  # of nodes of the graph, and traces: who began later has the greater one


class Trace:
    """What a thread has recorded since its last flush.

    ``borrowed`` is there in a trace of samples alone (`engine.batch`), which takes inputs that are not computed.
    """

    __slots__ = ("state", "values", "numbers", "began", "borrowed")

    def __init__(self) -> None:
        self.state = ROOT
        self.began = next_number()
        self.values: list[Value] = []
        self.numbers: list = []
        self.borrowed: dict[int, tuple] | None = None

    def hand_over(self) -> None:
        """Record what a trace of samples holds in the trace around it."""
        raise NotImplementedError

    def need_own(self, old: Value, new: Value) -> None:
        """Refuse to write what differs from sample to sample to what is outside; see `engine.batch`."""


class Lifted:
    """In the place of a value's trace: one sample of a value that has the batch in front, or what all samples share."""

    __slots__ = ("level", "value", "mapped")
    borrowed = None

    def __init__(self, level: object, value: Value, mapped: bool):
        self.level, self.value, self.mapped = level, value, mapped


ROOT = State(None, None, ())


marks = False  # whether any thread has been in inference mode: before that nothing is looked at


class _Current(threading.local):
    """What belongs to a thread. All in one object, because looking a thread's object up has its price at every op.

    ``token`` stands for the thread in the plans, which count each thread's meetings, so that threads cannot change each
    other's policy; ``early`` and ``compiled`` say how many programs it has compiled early, and what others have cost, and ``worked``
    what all that it has run has cost by NumPy;
    ``grad`` and ``inference`` are the modes of autograd, ``autocast`` is what `amp` casts now, or None; ``transforms``
    counts the functions of `func` that are at work, and ``draws`` says whether they may draw; ``backward`` is the walk that sends
    cotangents now: its roots and targets; ``read`` counts how often the data of a value was looked at. In forward mode ``duals`` says
    that `no_grad` is to leave the graph, off which tangents are read, and ``pulls`` that a walk gives cotangents for their graph alone.
    """

    def __init__(self) -> None:
        self.trace = Trace()
        self.token = object()
        self.early = 0
        self.compiled = self.worked = 0.0
        self.grad = True
        self.inference = False
        self.autocast: Any = None
        self.transforms = 0
        self.draws = True
        self.backward: Any = ((), None)
        self.read = 0
        self.duals = self.pulls = False


current = _Current()


def admit(trace: Trace, value: Value) -> None:
    """Give a value that was made outside this trace a slot in it, as an input."""
    aval = value.aval
    borrows = value.data is None and trace.borrowed is not None and value.trace is not HOLLOW
    if value.data is None and not borrows and aval.device.type != "meta":
        _fetch(value)
    key = (aval, "inference") if marks and not current.inference and getattr(value, "inference", False) else aval
    state = trace.state.next.get(key)
    if state is None:
        state = trace.state.next.setdefault(key, State(trace.state, key, (aval,)))
    if borrows:
        trace.borrowed[state.slot] = value.trace, value.slot  # type: ignore[index]
    value.trace, value.slot = trace, state.slot
    trace.state = state
    trace.values.append(value)


def extend(state: State, key: tuple, trace: Trace) -> State:
    """The state after an instruction met for the first time; raises what the op's rule raises."""
    op, static, args = key[0], key[1], key[2:]
    avals = tuple(trace.values[a].aval if type(a) is int else a for a in args)
    outs, casts = op.rule(op, avals, **(dict(zip(op.statics, static)) if static else {}))
    new = State(state, key, outs if isinstance(outs, tuple) else (outs,))
    new.aval = None if isinstance(outs, tuple) else outs
    new.op, new.static, new.args, new.avals = op, static or (), args, avals
    new.casts = casts if isinstance(casts, tuple) or casts is None else (casts,) * len(args)
    new.numbers = new.number + sum(isinstance(a, type) for a in args)
    new.tracks = op.node if op.vjps and any(a.dtype.category > 1 for a in new.outs) else None
    if marks and new.tracks and _saves_inference(op, args, trace):
        new.tracks = new.tracks.guarded  # type: ignore[attr-defined]
    new.full = new.depth >= config.max_instructions or new.nbytes >= config.max_bytes
    return state.next.setdefault(key, new)


def _saves_inference(op: Op, args: tuple, trace: Trace) -> bool:
    """Whether a node of the op may keep an operand that was made in inference mode; such come in from outside, as of another kind."""
    if current.inference:
        return False
    kept = args if op.variadic else [args[i] for i in op.saves if i >= 0]
    return any(type(a) is int and getattr(trace.values[a], "inference", False) for a in kept)


def record(op: Op, static: tuple | None, operands: Sequence) -> Value | tuple[Value, ...]:
    """Record ``op`` on Values, Python numbers and None; the general form of what `dispatch.apply` does inline."""
    trace = current.trace
    key: list = [op, static]
    numbers = []
    for x in operands:
        if type(x) is Value:
            if x.trace is not trace:
                admit(trace, x)
            key.append(x.slot)
        elif x is None:
            key.append(None)
        else:
            key.append(type(x))
            numbers.append(x)
    return commit(trace, tuple(key), numbers)


def commit(trace: Trace, key: tuple, numbers: list) -> Value | tuple[Value, ...]:
    """Take the step ``key`` in the trie and give its result or results as pending Values."""
    state = trace.state.next.get(key)
    if state is None:
        state = extend(trace.state, key, trace)
    one = state.aval is not None
    made = (make_value(state.aval, None, trace, state.slot),) if one else tuple(_pending(state.outs, trace, state.slot))
    trace.state = state  # before the values: another thread reads the longest prefix that both agree on
    if numbers:  # no call from the state to the values, after which a signal could come in
        trace.numbers += numbers
    trace.values += made
    out: Value | tuple[Value, ...] = made[0] if one else made
    if state.full:
        flush()
    return out


def _pending(avals: Sequence[Aval], trace: Trace, slot: int) -> list[Value]:
    """Values of an instruction with many results, made in line: a step of an optimizer has hundreds."""
    values = [Value() for _ in avals]
    for value, aval in zip(values, avals):
        value.aval = aval
        value.data = None
        value.trace = trace
        value.slot = slot
        slot += 1
    return values


def _lonely() -> int:
    """What `sys.getrefcount` says, in the very expression that flush uses, of a value that only its trace holds."""
    values = [make_value(None, None, None, 0)]
    return list(map(sys.getrefcount, values))[0]


LONELY = _lonely()


def flush() -> None:
    """Compute all that is recorded in this thread and still alive."""
    trace = current.trace
    if trace.state.depth == 0:
        return
    if trace.borrowed is not None:
        trace.hand_over()
        return
    if current.inference:
        mark_inference(trace)
    current.trace = Trace()
    alive = tuple([n > LONELY for n in map(sys.getrefcount, trace.values)])
    try:
        _execute(trace, alive, current)
    except Exception:  # an op refused its operands: what does not need its result is computed when it is asked for
        raise
    except BaseException:
        _rescue(trace)
        raise


def install(execute: Callable, execute_foreign: Callable, glance: Callable) -> None:
    """Say what runs a trace or a part of another thread's, and what reads a view without that: functions of `policy`, a floor above."""
    global _execute, _execute_foreign, _glance
    _execute, _execute_foreign, _glance = execute, execute_foreign, glance


_execute: Callable
_execute_foreign: Callable
_glance: Callable


def mark_inference(trace: Trace) -> None:
    """Note on what is pending that it was recorded in inference mode, which begins and ends with nothing pending."""
    for value in trace.values:
        if value.data is None and not hasattr(value, "inference"):
            value.inference = True


def of_inference(value: Value) -> bool:
    """Whether the tensor that a value is the content of was made in inference mode."""
    if hasattr(value, "inference"):
        return value.inference
    return current.inference and value.data is None and value.trace is current.trace


def _rescue(trace: Trace) -> None:
    """After an interrupted flush: put the trace back, so that nothing recorded is lost, if nothing new was recorded."""
    if current.trace.state.depth == 0:
        current.trace = trace


def materialize(value: Value) -> object:
    """The data of a value, computed now if it is pending."""
    if value.data is None:
        if value.aval.device.type == "meta":
            raise NotImplementedError("Cannot copy out of meta tensor; no data!")
        if value.trace is current.trace:
            _flush_for(value)
        if value.data is None:
            _fetch(value)
    current.read += 1
    return array_of(value)


def array_of(value: Value) -> object:
    """The data of a value as an array of its own; None while it is pending."""
    data = value.data
    return data.view(value.place) if type(data) is Bundle else data


def sample(value: Value) -> Lifted | None:
    """Where a value stands under `vmap`, if it differs from sample to sample; None if it does not."""
    settle(value)
    while type(value.trace) is Lifted and value.data is None:
        if value.trace.mapped:
            return value.trace
        value = value.trace.value
        settle(value)
    return None


def depth(level: object) -> int:
    """At which place from outside, counted from 1, the thread is in a level of `vmap`; 0 if it is not."""
    found: list = []
    trace: Any = current.trace
    while trace.borrowed is not None:
        found.insert(0, trace.level)
        trace = trace.outer
    return found.index(level) + 1 if level in found else 0


def whole(value: Value) -> Value:
    """The value outside all levels of `vmap` that a value inside is one sample of; itself if it is none."""
    settle(value)
    while type(value.trace) is Lifted and value.data is None:
        value = value.trace.value
        settle(value)
    return value


def settle(value: Value) -> None:
    """Hand over what is recorded of samples, from the innermost level outwards, until the value's place outside is known."""
    trace: Any = current.trace
    while trace.borrowed is not None and value.data is None and getattr(value.trace, "borrowed", None) is not None:
        trace.hand_over()
        trace = trace.outer


DEPENDENT = (
    "vmap: the value of a tensor is asked for (.item(), bool(), numpy(), data-dependent control flow), and each sample of the "
    "batch has another one. Write it with operations on tensors, such as torch.where, or take it out of vmap."
)


class NotStrided(RuntimeError):
    """A tensor that is not strided where an op needs one: `dispatch` then looks for another form of the op."""


HOLLOW = Trace()


def hollow(aval: Aval) -> Value:
    """The value of a tensor that is not strided: it has an aval and no data, for that lies in the tensor's parts."""
    return make_value(aval, None, HOLLOW, 0)


def _flush_for(value: Value) -> None:
    """Flush, because one value is asked for: it is given though another instruction fails, whose error its own readers see."""
    if _glance(current.trace, value, current):
        return
    try:
        flush()
    except Exception:  # noqa: BLE001 (whatever an instruction raised)
        _fetch(value)  # raises the same, if the value depends on what failed


def _fetch(value: Value) -> None:
    """Compute a value that another thread has recorded and not yet flushed, by NumPy and from what it needs alone.

    The other thread may go on recording meanwhile, so its trace is only read: the part of it that is complete.
    So is what this thread has recorded outside the levels of `vmap` that it is in.
    """
    settle(value)
    trace = value.trace
    if type(trace) is Lifted:
        if trace.mapped:
            raise RuntimeError(DEPENDENT)
        value.data = materialize(trace.value)
        return
    if trace is HOLLOW:
        raise NotStrided("a sparse tensor has no array of all its elements; make one with to_dense()")
    if trace is None:
        raise RuntimeError("a value that is neither computed nor recorded: its program was interrupted")
    _execute_foreign(trace, value)


def concrete(data: np.ndarray, aval: Aval) -> Value:
    """A Value that is computed already."""
    value = make_value(aval, data, None, 0)
    if current.inference:
        value.inference = True
    return value
