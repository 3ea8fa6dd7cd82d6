"""A function of one sample, recorded once and run for a batch: what stands under ``vmap``.

While the function runs, the thread records into a `BatchTrace`, whose values are those of one sample. When that trace is
handed over, each instruction is recorded in the trace around it: as it is, if it does not depend on the sample, or else as
an op with the batch in front of its mapped operands. XLA maps the op's body by itself; NumPy broadcasts elementwise bodies,
has rules for the commonest others, and runs the rest sample by sample.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, wraps
from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from .plan import needed_steps, registry
from .program import Aval, Op, State
from .trace import LONELY, ROOT, Lifted, Trace, Value, concrete, current, flush, make_value, mark_inference, materialize, record


class Level:
    """One dimension that is mapped over: the length of the batch, and what `vmap` says about draws.

    ``spans`` has the numbers of the graph's nodes that belong to it, ``doors`` where that graph ends, and ``mark`` tells
    those doors from others', which must not hold the level itself; see `autograd.mapping`.
    """

    __slots__ = ("size", "randomness", "spans", "doors", "mark")

    def __init__(self, size: int, randomness: str = "error"):
        self.size, self.randomness = size, randomness
        self.spans: list[tuple[int, float]] = []
        self.doors: dict = {}
        self.mark = object()


class BatchTrace(Trace):
    """What is recorded of one sample of a level, inside the trace ``outer``.

    ``borrowed`` has the inputs that are not computed: where each belongs, and its slot there.
    """

    __slots__ = ("level", "outer", "flags")

    def __init__(self, level: Level, outer: Trace):
        super().__init__()
        self.level, self.outer = level, outer
        self.borrowed: dict[int, tuple] = {}
        self.flags: list[bool] = []  # which of the values differ between samples, as far as somebody had to know

    def source(self, slot: int) -> tuple[Value, bool]:
        """What an input of this trace is outside, and whether it has the batch in front."""
        home = self.borrowed.get(slot, (None,))[0]
        if type(home) is Lifted and home.level is self.level:
            return home.value, home.mapped
        return self.values[slot], False

    def is_mapped(self, value: Value) -> bool:
        """Whether a value differs from sample to sample."""
        home = value.trace
        if home is not self:
            return type(home) is Lifted and home.level is self.level and home.mapped
        fresh, state = [], self.state
        while state.slots > len(self.flags):
            fresh.append(state)
            state = state.parent
        for state in reversed(fresh):
            found = self.source(state.slot)[1] if state.op is None else _any_mapped(state, self.flags)
            self.flags += [found] * len(state.outs)
        return self.flags[value.slot]

    def is_own(self, value: Value) -> bool:
        """Whether a value was made inside this level."""
        home = value.trace
        if home is self and value.data is None and value.slot not in self.borrowed:
            return True
        if home is self:
            home = self.borrowed.get(value.slot, (None,))[0]
        return type(home) is Lifted and home.level is self.level

    def need_own(self, old: Value, new: Value) -> None:
        """Refuse to write what differs from sample to sample to what is outside, and the same for all."""
        if self.is_mapped(new) and not self.is_own(old):
            raise RuntimeError(
                "vmap: inplace arithmetic is not possible because the tensor that is written to was made outside and is the same for "
                "all samples, and what is written differs from sample to sample. Use an operation that gives a new tensor, such "
                "as x + y for x.add_(y), or make the tensor from a mapped one, as x.new_zeros(...)"
            )

    def hand_over(self) -> None:
        """Record all that is needed in the trace around, with the batch; what is alive is known by its place there."""
        if current.inference:
            mark_inference(self)
        state, values, numbers = self.state, self.values, self.numbers
        sources = {s.slot: self.source(s.slot) for s in state.path() if s.op is None}
        for slot, (home, place) in self.borrowed.items():
            values[slot].trace, values[slot].slot = home, place
        self.state, self.values, self.numbers, self.borrowed, self.flags = ROOT, [], [], {}, []
        alive = tuple([n > LONELY for n in map(sys.getrefcount, values)])
        mapped = tuple([m for _, m in sources.values()])
        with outside(self):
            env = _replay(_rows(state, alive, mapped), sources, numbers)
        for slot, value in enumerate(values):
            if slot not in sources:
                value.trace = Lifted(self.level, *env[slot]) if slot in env else None


def _any_mapped(state: State, flags: Sequence[bool]) -> bool:
    return any(type(a) is int and flags[a] for a in state.args)


@contextmanager
def outside(trace: BatchTrace) -> Iterator[None]:
    """Record in the trace around a level."""
    before, current.trace = current.trace, trace.outer
    try:
        yield
    finally:
        trace.outer, current.trace = current.trace, before


@contextmanager
def inside(level: Level) -> Iterator[None]:
    """Record samples of a level."""
    trace = current.trace = BatchTrace(level, current.trace)
    try:
        yield
    finally:
        try:
            trace.hand_over()
        finally:
            current.trace = trace.outer


def lift(value: Value, level: Level) -> Value:
    """One sample of a value that has the batch in front."""
    aval = value.aval
    return make_value(aval.with_(aval.shape[1:]), None, Lifted(level, value, True), 0)  # type: ignore[arg-type]


def lower(value: Value, level: Level) -> tuple[Value, bool]:
    """What a value of a level that has been handed over is outside, and whether it has the batch in front."""
    home = value.trace
    if type(home) is Lifted and home.level is level:
        return home.value, home.mapped
    return value, False


# ---- a program of samples as one of batches --------------------------------------------------------------------------


class _Row(NamedTuple):
    """An instruction for the trace around: numbers stand in ``args`` as their types."""

    op: Op
    static: tuple | None
    args: tuple
    number: int
    slot: int
    many: int  # how many results; 0 for one
    mapped: bool


def _rows(end: State, alive: tuple, mapped: tuple) -> list[_Row]:
    key = (alive, mapped)
    rows = end.plans.get(key)
    if rows is None:
        rows = _translate(end, alive, mapped)
        registry.add(end, key, rows)
    else:
        registry.touch(end, key)
    return rows


def _translate(end: State, alive: tuple, mapped: tuple) -> list[_Row]:
    path, given = end.path(), iter(mapped)
    flags: list[bool] = []
    for state in path:
        flags += [next(given) if state.op is None else _any_mapped(state, flags)] * len(state.outs)
    return [_row(state, flags) for state in needed_steps([s for s in path if s.op is not None], alive)]


def _row(state: State, flags: list[bool]) -> _Row:
    batched = tuple([type(a) is int and flags[a] for a in state.args])
    op = mapped_op(state.op, batched) if any(batched) else state.op
    many = 0 if state.aval is not None else len(state.outs)
    return _Row(op, state.static or None, state.args, state.number, state.slot, many, any(batched))


def _replay(rows: list[_Row], sources: dict, numbers: list) -> dict[int, tuple[Value, bool]]:
    env = dict(sources)
    for row in rows:
        given = iter(numbers[row.number :])
        operands = [env[a][0] if type(a) is int else a if a is None else next(given) for a in row.args]
        out: Any = record(row.op, row.static, operands)
        if row.op.refuses:  # what it refuses is said at the call
            flush()
        for i, value in enumerate(out if row.many else (out,)):
            env[row.slot + i] = value, row.mapped
    return env


# ---- ops with the batch in front -------------------------------------------------------------------------------------

rules: dict[str, Callable] = {}  # how NumPy runs some ops on whole batches, by their names; see ops.batches


@lru_cache(maxsize=4096)
def mapped_op(op: Op, mapped: tuple[bool, ...]) -> Op:
    """The op of which some operands, and all results, have one more dimension in front."""
    levels = (mapped, *op.levels)
    body = broadcasting(op.body, levels) if op.elementwise else _sample_by_sample(op, mapped)
    if op.name in rules and not op.elementwise:
        body = rules[op.name](op.body, body, mapped)
    marks = "".join("x" if m else "." for m in mapped)
    made = Op(body, _rule(op, mapped), xla=_by_xla(op, mapped), name=f"{op.name}[vmap {marks}]",
              cost=_cost(op, mapped), exact=op.exact)  # fmt: skip
    made.elementwise, made.levels, made.refuses = op.elementwise, levels, op.refuses
    return made


def _rule(op: Op, mapped: tuple[bool, ...]) -> Callable:
    def rule(_: Op, avals: Sequence, **static: object) -> tuple:
        size = next(a.shape[0] for a, m in zip(avals, mapped) if m)
        outs, casts = op.rule(op, tuple(map(_sample_aval, avals, mapped)), **static)
        if isinstance(outs, tuple):
            return tuple(a.with_((size, *a.shape)) for a in outs), casts
        return outs.with_((size, *outs.shape)), casts

    return rule


def _sample_aval(aval: object, mapped: bool) -> object:
    return aval.with_(aval.shape[1:]) if mapped and isinstance(aval, Aval) else aval


class _Sample:
    """An instruction's state as that of one sample, for formulas of costs."""

    def __init__(self, op: Op, state: State, mapped: tuple[bool, ...]):
        self.op, self.static, self.args = op, state.static, state.args
        self.avals = tuple(map(_sample_aval, state.avals, mapped))
        self.outs = tuple(_sample_aval(a, True) for a in state.outs)


def _cost(op: Op, mapped: tuple[bool, ...]) -> object:
    if not callable(op.cost):
        return op.cost
    return lambda state: state.outs[0].shape[0] * op.cost(_Sample(op, state, mapped))  # type: ignore[operator]


def _by_xla(op: Op, mapped: tuple[bool, ...]) -> Callable:
    axes = tuple(0 if m else None for m in mapped)

    def body(xp: Any, *arrays: Any, **static: object) -> object:
        return xp.vmap(lambda *given: op.xla(xp, *given, **static), axes)(*arrays)

    return body


def broadcasting(body: Callable, levels: tuple) -> Callable:
    """NumPy's body of an elementwise op on whole batches: every operand gets all levels' dimensions, and one rank behind them."""
    body = getattr(body, "__wrapped__", body) if len(levels) > 1 else body
    depths = [sum(column) for column in zip(*levels)]

    @wraps(body)
    def run(xp: Any, *arrays: Any, **static: object) -> object:
        rank = max(getattr(a, "ndim", 0) - depth for a, depth in zip(arrays, depths))
        aligned = [_aligned(a, marks, rank) if any(marks) else a for a, marks in zip(arrays, zip(*levels))]
        return body(xp, *aligned, **static)

    return run


def _aligned(x: Any, marks: Sequence[bool], rank: int) -> Any:
    sizes, depth = iter(x.shape), sum(marks)
    front = [next(sizes) if m else 1 for m in marks]
    return x.reshape(*front, *[1] * (rank - x.ndim + depth), *sizes)


def _sample_by_sample(op: Op, mapped: tuple[bool, ...]) -> Callable:
    body, copies = op.body, op.overwrites

    @wraps(body)
    def run(xp: Any, *arrays: Any, **static: object) -> object:
        size = next(len(a) for a, m in zip(arrays, mapped) if m)
        if not size:  # what the body makes of zeros says what there is none of
            arrays = tuple(np.zeros((1, *a.shape[1:]), a.dtype) if m else a for a, m in zip(arrays, mapped))
        for i in range(max(size, 1)):
            given = [a[i, ...] if m else a for a, m in zip(arrays, mapped)]
            if copies and given[0] is not None:
                given[0] = np.array(given[0], order="C")
            made = body(xp, *given, **static)
            parts = made if isinstance(made, (tuple, list)) else (made,)
            if i == 0:
                outs = tuple([np.empty((size, *np.shape(p)), p.dtype) for p in parts])
            if size:
                for out, p in zip(outs, parts):
                    out[i] = p
        return outs if isinstance(made, (tuple, list)) else outs[0]

    return run


# ---- what NumPy computes at once -------------------------------------------------------------------------------------


def on_host(function: Callable[..., tuple], *values: Value, each: bool = False) -> list[Value]:
    """Arrays that a NumPy function makes of arrays, now; under `vmap` for each sample, whose results need one shape.

    With ``each``, it is called for every sample even if its arguments are what all share: it draws.
    """
    trace: Any = current.trace
    if trace.borrowed is None:
        arrays = function(*[np.asarray(materialize(v)) for v in values])
        where = values[0].aval.device
        return [concrete(a, Aval(a.shape, dtypes.from_numpy(a.dtype), where)) for a in arrays]
    trace.hand_over()
    level: Level = trace.level
    found = [lower(v, level) for v in values]
    flags = [mapped for _, mapped in found]
    batched = any(flags) or each and level.randomness == "different"
    with outside(trace):
        outs = on_host(_over_samples(function, flags, level.size) if batched else function, *[v for v, _ in found], each=each)
    return [lift(v, level) for v in outs] if batched else outs


def _over_samples(function: Callable, flags: list[bool], size: int) -> Callable:
    def run(*arrays: Any) -> tuple:
        rows = [function(*[a[i, ...] if m else a for a, m in zip(arrays, flags)]) for i in range(size)]
        return tuple(map(_stacked, zip(*rows)))

    return run


def _stacked(column: tuple) -> np.ndarray:
    shapes = {np.shape(a) for a in column}
    if len(shapes) > 1:
        raise RuntimeError(f"vmap: stack expects each tensor to be equal size, but the results of samples have shapes {sorted(shapes)}")
    return np.stack(column)
