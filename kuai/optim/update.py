"""One instruction for a step of a whole group of parameters.

A rule says how one parameter is updated: ``rule(xp, p, g, state, numbers, **flags) -> (p, *state)``. Everything that
may change from step to step (learning rates, bias corrections, momenta) is in ``numbers``, so no schedule ever makes
a new program; flags shape the program. The rule runs in NumPy, under XLA, and on tensors where a step is to be
differentiated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from types import SimpleNamespace

import numpy as np

from .. import dtypes
from ..devices import cpu
from ..engine import bundle
from ..engine.program import Aval, Op, State
from ..engine.trace import Value, admit, commit, concrete, current
from ..ops.conversion import assign
from ..ops.define import op
from ..tensor import Tensor, from_array, wrap


class Update:
    """A rule for one parameter, and the op that applies it to a whole group."""

    __slots__ = ("rule", "op")

    def __init__(self, rule: Callable):
        self.rule = rule
        name = f"{rule.__name__.strip('_')}_step"
        self.op = op(shape=_updated, vjp=None, name=name, cost=_cost, many=True)(_over_group(rule)).op

    def apply(self, rows: list[tuple], numbers: tuple, flags: tuple) -> None:
        """Record a step of parameters, given as rows ``(p, g, *state)``, and write its results into them."""
        columns = list(zip(*rows))
        shared = [p._storage for p in columns[0] if p._storage is not None]
        if len(shared) > len(set(shared)):  # what one row writes the next one reads
            for row in rows:
                self.apply([row], numbers, flags)
            return
        values = [t._value if t._storage is None else t._read() for column in columns for t in column]
        trace = current.trace
        for value in values:
            if value.trace is not trace:
                admit(trace, value)
        static = (len(rows), len(columns), flags)
        key = (self.op, static, *[value.slot for value in values], *map(type, numbers))
        results = iter(commit(trace, key, numbers))  # type: ignore[arg-type]
        for column in (columns[0], *columns[2:]):
            for t, value in zip(column, results):
                if t._storage is None:  # nobody shares its memory
                    t._value = value
                    t._edits += 1
                else:
                    put(t, value)

    def apply_on_graph(self, rows: list[tuple], numbers: tuple, flags: tuple) -> None:
        """The same step in ops that have derivatives, with the results assigned on the graph."""
        for p, g, *state in rows:
            new = self.rule(_on_tensors(), p, g, state, numbers, **dict(flags))
            for t, result in zip((p, *state), new):
                assign(t, result)


def put(t: Tensor, value: Value) -> None:
    """Make a value a tensor's content; where nobody shares its memory, by the short way."""
    if t._storage is None:
        t._value = value
        t._edits += 1
    else:
        t._write(wrap(value), tracked=False)


@lru_cache(maxsize=1)
def _on_tensors() -> SimpleNamespace:
    """The functions that rules use, on tensors."""
    import kuai

    names = ("sqrt", "sign", "abs", "maximum", "where", "zeros_like", "clip")
    return SimpleNamespace(**{n: getattr(kuai, n) for n in names})


# ---- the op ----------------------------------------------------------------------------------------------------------


def _over_group(rule: Callable) -> Callable:
    def body(xp, *arrays, count, columns, flags):
        rows = list(zip(*[arrays[i * count : (i + 1) * count] for i in range(columns)]))
        numbers, named = arrays[columns * count :], dict(flags)
        small = [] if xp is np else [i for i, row in enumerate(rows) if _is_small(row)]
        together = _together(xp, rule, [rows[i] for i in small], numbers, named) if len(small) >= bundle.MANY else []
        new = dict(zip(small, together))
        made = [new[i] if i in new else _one(xp, rule, row, numbers, named) for i, row in enumerate(rows)]
        return tuple(result for column in zip(*made) for result in column)

    return body


def _is_small(row: tuple) -> bool:
    p = row[0]
    return p.size * p.dtype.itemsize <= bundle.SMALL and p.dtype.kind != "c" and all(x.shape == p.shape for x in row)


def _together(xp, rule: Callable, rows: list[tuple], numbers: tuple, flags: dict) -> list[tuple]:
    """Update small parameters as one array, which for XLA is one computation and not one for each."""
    order = bundle.Form.order([row[0].shape for row in rows])
    form = bundle.Form(tuple(rows[i][0] for i in order))
    p, g, *state = [form.join(xp, [column[i] for i in order]) for column in zip(*rows)]
    made = dict(zip(order, zip(*map(form.split, rule(xp, p, g, state, numbers, **flags)))))
    return [made[i] for i in range(len(rows))]


def _one(xp, rule: Callable, row: tuple, numbers: tuple, flags: dict) -> tuple:
    """Update one parameter; a complex one as PyTorch does, as its real and imaginary parts."""
    if row[0].dtype.kind != "c":
        p, g, *state = row
        return rule(xp, p, g, state, numbers, **flags)
    p, g, *state = [xp.stack((x.real, x.imag), -1) for x in row]
    return tuple(x[..., 0] + 1j * x[..., 1] for x in rule(xp, p, g, state, numbers, **flags))


def _updated(op: Op, avals: tuple, *, count: int, columns: int, flags: tuple) -> tuple:
    """Parameters and states keep their forms; numbers are of the parameters' precision."""
    precision = dtypes.float64 if avals[0].dtype in (dtypes.float64, dtypes.complex128) else dtypes.float32
    casts = tuple(a.dtype if type(a) is Aval else precision for a in avals)
    return avals[:count] + avals[2 * count : columns * count], casts


def _cost(state: State) -> float:
    return 4.0 * sum(a.size for a in state.avals if type(a) is Aval)


# ---- states ----------------------------------------------------------------------------------------------------------


def zeros(p: Tensor, shape: Iterable[int] | None = None) -> Tensor:
    """A state of a parameter's dtype, computed already, so that the first step is the same program as the next ones."""
    return filled(p, 0.0, shape)


def filled(p: Tensor, number: complex, shape: Iterable[int] | None = None) -> Tensor:
    """A state of one number, of a parameter's dtype and shape."""
    aval = p._value.aval if shape is None else p._value.aval.with_(shape=shape)
    if aval.device is cpu:
        make = np.full if number else lambda shape, _, dtype: np.zeros(shape, dtype)  # zeros take memory when written to
        return wrap(concrete(make(aval.shape, number, aval.dtype.numpy), aval))
    from ..ops.creation import full

    return full(aval.shape, number, dtype=aval.dtype, device=aval.device)


_SCALAR = Aval((), dtypes.float32, cpu)


def scalar(number: float) -> Value:
    """A count of steps and the like, as PyTorch keeps it: a 0-dimensional float32. Many tensors may hold this value."""
    return concrete(np.array(number, np.float32), _SCALAR)


def scalar_tensor(number: float) -> Tensor:
    """A tensor of its own around a `scalar`."""
    return from_array(np.array(number, np.float32), cpu)


def number(x: object) -> float:
    """A hyperparameter as a Python number: schedulers and checkpoints may have made it an int or a tensor."""
    if type(x) is float:
        return x
    return x.item() if isinstance(x, Tensor) else float(x)  # type: ignore[arg-type]


def set_number(t: Tensor, value: float) -> None:
    """Write a number into a hyperparameter that is a tensor; computed already, as the next step reads it."""
    aval = t._value.aval
    if aval.device is cpu:
        put(t, concrete(np.full(aval.shape, value, aval.dtype.numpy), aval))
    else:
        t.fill_(value)
