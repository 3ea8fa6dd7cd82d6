"""Instructions that repeat a block are a loop.

The layers of a deep network and the steps of a recurrent one are recorded one after the other. XLA would compile fifty equal
layers fifty times, and start hundreds of small kernels at a call, which it hands to threads at a price above their own. As a
loop they are compiled once, and run in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .plan import Plan
from .program import Aval, State
from .rooms import Piece, Room, Values

TIMES = 8  # repetitions from which on a block is a loop
LONGEST = 64  # instructions of a block
TRIALS = 4  # places from which on a long repetition is tried
COPIED = 1 << 16  # bytes that may be copied for each repetition, to lie one after the other


class Made(NamedTuple):
    """A value that a loop makes: in which block, by which instruction of it, as which result."""

    block: int
    step: int
    result: int


class Wire(NamedTuple):
    """Where a block takes an operand from: a value of its own, a carried or a stacked one by number, or one outside by slot."""

    kind: str  # own, carried, stacked, outside
    at: Any


class Loop:
    """Blocks of instructions of the same form, each of which may take what the block before made.

    ``wires`` says of each instruction where it takes its operands from. ``carried`` are values that a block takes from the
    block before, each with the slot that the first block takes instead; ``stacked`` are operands that are another one from
    outside in each block, as the columns of their slots. ``kept`` are values that are needed after the loop and not carried to
    its end.
    """

    __slots__ = ("blocks", "wires", "carried", "stacked", "kept")

    def __init__(self, blocks: list[list[State]]):
        self.blocks = blocks
        self.wires: list[list[Wire]] = []
        self.carried: dict[Made, int] = {}
        self.stacked: list[tuple[int, ...]] = []
        self.kept: list[Made] = []

    def slot(self, made: Made, block: int) -> int:
        return self.blocks[block][made.step].slot + made.result


def operands(state: State) -> Iterator[int | None]:
    """What an instruction takes: slots, None, and for a Python number the complement of its place among the numbers."""
    number = state.number
    for a in state.args:
        if isinstance(a, type):
            yield ~number
            number += 1
        else:
            yield a


def roll(plan: Plan) -> list[State | Loop]:
    """The instructions of a plan in their order, those that repeat a block in loops."""
    finder, parts, at = _Finder(plan), [], 0
    while at < len(plan.steps):
        loop = finder.find(at)
        parts.append(loop or plan.steps[at])
        at += len(loop.blocks) * len(loop.blocks[0]) if loop else 1
    return parts


def compiled(plan: Plan) -> int:
    """How many instructions XLA has to compile: those of a loop once."""
    return sum(len(p.blocks[0]) if type(p) is Loop else 1 for p in roll(plan))


class _Finder:
    """Looks for loops in a plan."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.repeats = _repeats(plan.steps)
        self.avals = plan.avals()
        self.tried: dict[tuple[int, int], int] = {}  # how often blocks of a length, up to a place, turned out to be no loop

    def find(self, at: int) -> Loop | None:
        """The loop of the shortest block that begins at a place, if there is one that pays."""
        for length, alike in enumerate(self.repeats, 1):
            times = int(alike[at]) // length + 1 if at < len(alike) else 1
            end = at + length * times
            if times < TIMES or not _pays(self.plan.steps[at : at + length]) or self.tried.get((length, end), 0) > TRIALS:
                continue
            if self._connected(at, at + length * TIMES, length):  # few of them first, which is quick
                loop = self._connected(at, end, length)
                if loop:
                    _find_needed(loop, self.plan)
                    return loop
                self.tried[length, end] = self.tried.get((length, end), 0) + 1
        return None

    def _connected(self, at: int, end: int, length: int) -> Loop | None:
        """Some instructions as a loop, if blocks of a length are one."""
        loop = Loop([self.plan.steps[i : i + length] for i in range(at, end, length)])
        return loop if _connect(loop, self.avals) and _copied(loop, self.avals) <= COPIED else None


def _repeats(steps: Sequence[State]) -> list[np.ndarray]:
    """For each length of a block, how many instructions from each place on are like those one block later."""
    known: dict[tuple, int] = {}
    forms = np.array([known.setdefault((s.op, s.static, s.avals, s.outs, s.casts), len(known)) for s in steps])
    found = []
    for length in range(1, min(LONGEST, len(steps) // TIMES) + 1):
        unlike = np.flatnonzero(forms[length:] != forms[:-length])
        places = np.arange(len(steps) - length)
        found.append(np.append(unlike, len(places))[np.searchsorted(unlike, places)] - places)
    return found


def _pays(block: list[State]) -> bool:
    """Whether a block has a product: what is elementwise alone XLA fuses, over all repetitions. Images are kept as they lie."""
    return any(callable(s.op.cost) for s in block) and not any(s.op.name.startswith("conv") for s in block)


def _connect(loop: Loop, avals: dict[int, Aval]) -> bool:
    """Find out where the operands come from; False if blocks differ in that."""
    made = {
        s.slot + i: Made(b, n, i) for b, block in enumerate(loop.blocks) for n, s in enumerate(block) for i in range(len(s.outs))
    }
    for instructions in zip(*loop.blocks):
        wires = [_wire(loop, column, [made.get(a) for a in column], avals) for column in zip(*map(operands, instructions))]
        if None in wires:
            return False
        loop.wires.append(wires)  # type: ignore[arg-type]
    return True


def _wire(loop: Loop, column: tuple, sources: list[Made | None], avals: dict[int, Aval]) -> Wire | None:
    """Where the blocks take one operand from; None if there is no rule in it."""
    if not any(sources):
        if len(set(column)) == 1:
            return Wire("outside", column[0])
        if column not in loop.stacked:
            loop.stacked.append(column)
        return Wire("stacked", loop.stacked.index(column))
    second = sources[1]
    if second is None or any(s != second._replace(block=second.block + i) for i, s in enumerate(sources[1:])):
        return None
    first = second._replace(block=0)
    if second.block == 1:
        return Wire("own", first) if sources[0] == first else None
    if sources[0] is not None or column[0] < 0 or avals[column[0]] is not avals[column[1]]:
        return None
    return Wire("carried", first) if loop.carried.setdefault(first, column[0]) == column[0] else None


def _copied(loop: Loop, avals: dict[int, Aval]) -> int:
    return sum(avals[column[0]].nbytes for column in loop.stacked if column[0] >= 0)


def _find_needed(loop: Loop, plan: Plan) -> None:
    """Note what is kept of a loop's values: what other instructions or the plan's outputs name."""
    inside = {id(s) for block in loop.blocks for s in block}
    used = set(plan.outputs)
    for step in plan.steps:
        if id(step) not in inside:
            used.update(a for a in step.args if type(a) is int)
    end = len(loop.blocks) - 1
    for n, step in enumerate(loop.blocks[0]):
        for i in range(len(step.outs)):
            made = Made(0, n, i)
            carried = made in loop.carried  # the last block's comes out anyway
            if any(loop.slot(made, b) in used for b in range(end if carried else end + 1)):
                loop.kept.append(made)


# ---- running ---------------------------------------------------------------------------------------------------------


def run(loop: Loop, values: Values, apply: Callable) -> None:
    """Tell XLA's compiler of a loop: ``apply(state, operands)`` gives an instruction's results."""
    xp, count, block = values.xp, len(loop.blocks), loop.blocks[0]
    taken = [_taker(values, column) for column in loop.stacked]
    lies = [values.stride(column) for column in loop.stacked]
    back = sum(s < 0 for s in lies) > sum(s > 0 for s in lies)  # what is kept is likely to be taken together with that
    kept = {made: _home(loop, made, values, back) for made in loop.kept}
    rooms = list(dict.fromkeys(room for room, _, _ in kept.values()))

    def body(i: Any, state: tuple) -> tuple:
        carried, arrays = state
        own: dict[Made, Any] = {}
        known = {"own": own.get, "carried": dict(zip(loop.carried, carried)).get, "stacked": lambda n: taken[n](i), "outside": values.array}
        for n, (step, wires) in enumerate(zip(block, loop.wires)):
            results = apply(step, [known[wire.kind](wire.at) for wire in wires])
            own.update((Made(0, n, r), x) for r, x in enumerate(results))
        new = dict(zip(rooms, arrays))
        for made, (room, start, stride) in kept.items():
            new[room] = xp.lax.dynamic_update_slice(new[room], own[made].reshape(-1), (start + stride * i,))
        return tuple(own[made] for made in loop.carried), tuple(new.values())

    begin = tuple(values.array(slot) for slot in loop.carried.values()), tuple(room.array for room in rooms)
    last, arrays = xp.lax.fori_loop(0, count, body, begin)
    for room, array in zip(rooms, arrays):
        room.array = array
    for made, x in zip(loop.carried, last):
        if made not in kept:
            values.set((loop.slot(made, count - 1),), (x,))
    for made, (room, start, stride) in kept.items():
        aval = block[made.step].outs[made.result]
        for b in range(count):
            values.place(loop.slot(made, b), Piece(room, start + stride * b, aval))


def _taker(values: Values, column: tuple[int, ...]) -> Callable:
    """A function that gives the i-th of some values: where they lie in a room, at regular distances, from there."""
    stride, lax = values.stride(column), values.xp.lax
    if not stride:
        stacked = values.xp.stack([values.array(slot) for slot in column])
        return lambda i: lax.dynamic_index_in_dim(stacked, i, keepdims=False)
    room, start, aval = values[column[0]]
    array = room.array
    return lambda i: lax.dynamic_slice_in_dim(array, start + stride * i, aval.size).reshape(aval.shape)


def _home(loop: Loop, made: Made, values: Values, back: bool) -> tuple[Room, int, int]:
    """Where a loop puts a value that is kept: the room, the first block's place in it, and how far off the next one's is."""
    count, aval = len(loop.blocks), loop.blocks[0][made.step].outs[made.result]
    found = values.regular_home([loop.slot(made, b) for b in range(count)])
    if found is not None:
        return found
    room = Room(values.xp.zeros(count * aval.size, aval.dtype.numpy))
    return (room, (count - 1) * aval.size, -aval.size) if back else (room, 0, aval.size)


def columns(parts: Sequence[State | Loop]) -> list[list[int]]:
    """The slots of all values that loops keep."""
    return [[p.slot(made, b) for b in range(len(p.blocks))] for p in parts if type(p) is Loop for made in p.kept]
