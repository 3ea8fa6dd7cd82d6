"""Between which bounds a tensor's elements lie: what the checks of values at the call need to know.

PyTorch refuses an index out of range, or a probability above 1, at the call. What is computed already is looked at. Of what
is only recorded, bounds often follow from the record: an argmax is a place, a slice of indices holds no others. Only where
they do not, the elements are computed at once. So a training step is recorded whole, and a wrong index never gets far.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan

import numpy as np

from ..devices import cpu
from ..engine.program import State
from ..engine.trace import Trace, Value, array_of, current, materialize, whole
from ..tensor import Tensor

Bounds = tuple[float, float]
NOTHING: Bounds = (inf, -inf)

# Ops whose results hold no others than the elements of their operands (the first one's, or all of them).
MOVES = frozenset(("clone", "reshape", "index_take", "gather", "flip", "roll", "repeat"))
JOINS = frozenset(("cat", "stack"))


def _places(state: State) -> Bounds:
    """Of indices along a dimension, or into all elements."""
    of, dim = state.avals[0], state.static[state.op.statics.index("dim")]
    return 0, max(of.shape[dim] if isinstance(dim, int) and of.shape else of.size, 1) - 1


# Ops whose results have bounds of their own: by name, those of each result.
BOUNDED: dict[str, tuple[Callable | None, ...]] = {
    "argmax": (_places,), "argmin": (_places,), "sort": (None, _places), "topk": (None, _places), "max": (None, _places),
    "min": (None, _places), "sigmoid": (lambda state: (0, 1),), "softmax": (lambda state: (0, 1),),
}  # fmt: skip


def known(value: Value) -> Bounds | None:
    """The least and the greatest element, if they are there already, in the host's memory."""
    if value.data is None or value.aval.device is not cpu:
        return None
    current.read += 1
    try:
        return value.bounds
    except AttributeError:
        value.bounds = _extremes(array_of(value))
        return value.bounds


def _extremes(data: object) -> Bounds:
    array = np.asarray(data)
    if not array.size:
        return NOTHING
    if array.size <= 16:  # NumPy takes longer to begin
        numbers = array.ravel().tolist()
        total = sum(numbers)
        return (min(numbers), max(numbers)) if total == total else (nan, nan)  # min does not see every nan
    return np.minimum.reduce(array, axis=None).item(), np.maximum.reduce(array, axis=None).item()


def within(x: Tensor, low: float, high: float) -> bool:
    """Whether all elements are sure to lie between two bounds, without computing anything."""
    value = x._read()
    found = known(value) if value.data is not None else _recorded(value)
    return found is not None and low <= found[0] and found[1] <= high or found == NOTHING


def bounds(x: Tensor) -> Bounds | None:
    """The least and the greatest element, nan if there is one; or of whole numbers bounds that follow from the record.

    What neither is known of is computed now. None where nothing is looked at: under `vmap`, off the CPU, of complex numbers.
    """
    value = x._read()
    if current.trace.borrowed is not None or value.aval.device is not cpu or value.aval.dtype.is_complex:
        return None
    found = _recorded(value) if value.data is None and value.aval.dtype.category < 2 else None
    if found is None:
        materialize(value)
        found = known(value)
    return found


def elements(x: Tensor) -> np.ndarray | None:
    """The elements, for a check, computed now; None if they are on an accelerator or nowhere, where nothing is checked.

    Under `vmap`, those of all samples.
    """
    value = x._read()
    return np.asarray(materialize(whole(value))) if value.aval.device is cpu else None


def _recorded(value: Value) -> Bounds | None:
    trace = current.trace
    return _of_slot(trace, trace.state, value.slot) if value.trace is trace else None


def _of_slot(trace: Trace, state: State, slot: int) -> Bounds | None:
    """Bounds that follow from what is recorded, however wide; None if none do."""
    while True:
        while state.slot > slot:
            state = state.parent
        if state.op is None:
            return known(trace.values[slot])
        if state.op.name in JOINS:
            return _joined([_of_slot(trace, state.parent, a) for a in state.args])
        if state.op.name in BOUNDED or state.op.name == "full" or not _moves(state):
            return _of_op(trace, state, slot - state.slot)
        slot = state.args[0]


def _moves(state: State) -> bool:
    """Whether an instruction only moves its first operand's elements: a view, a copy, a conversion that changes none."""
    op, source = state.op, state.avals[0] if state.avals else None
    if type(state.args[0] if state.args else None) is not int:
        return False
    if state.outs[0].dtype is source.dtype:
        return op.scatter is not None or op.name in MOVES
    out = state.outs[0].dtype
    return op.name == "to" and source.dtype.category < 2 and (source.dtype.itemsize < out.itemsize or out.category > 1)


def _of_op(trace: Trace, state: State, place: int) -> Bounds | None:
    if state.op.name == "full" and state.numbers > state.number:
        number = trace.numbers[state.number]
        return (number, number) if type(number) is not complex else None
    rule = BOUNDED.get(state.op.name, ())[place : place + 1]
    return rule[0](state) if rule and rule[0] else None


def _joined(parts: list[Bounds | None]) -> Bounds | None:
    if None in parts:
        return None
    return min(low for low, _ in parts), max(high for _, high in parts)
