"""A plan: what of a recorded program has to run, given which of its values are still alive."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock

from .. import config
from ..devices import device
from . import bundle
from .program import Aval, State


class Plan:
    """The live part of a program on one device: steps in order, the slots it reads, writes and may destroy."""

    __slots__ = ("end", "steps", "inputs", "outputs", "donated", "device", "cost", "threshold", "sooner", "size", "interpret",
                 "executable", "hot", "seen", "refuses", "__weakref__")  # fmt: skip

    def __init__(self, end: State, steps: list[State], outputs: list[int], dead: Callable[[int], bool], where: device):
        made = {s.slot + i for s in steps for i in range(len(s.outs))}
        used = {a for s in steps for a in s.args if type(a) is int}
        self.end, self.steps, self.outputs, self.device = end, steps, outputs, where
        self.inputs = sorted(used - made)
        self.donated = [slot for slot in self.inputs if dead(slot)]
        self.cost = sum(map(estimate, steps))  # ns by NumPy
        self.refuses = any(s.op.refuses for s in steps)
        self.size = len(steps)  # instructions to compile: those of a loop count once, when its loops are known
        self.threshold = self.sooner = 0  # how often it is seen before it is compiled, and when its loops are known; see the policy
        self.interpret: Callable | None = None
        self.executable: Callable | None = None
        self.hot: set = set()  # the threads that have met it often enough, and …
        self.seen: dict = {}  # … how often others have

    def avals(self) -> dict[int, Aval]:
        """What is known of each value of the program, by slot."""
        return {s.slot + i: a for s in self.end.path() for i, a in enumerate(s.outs)}


def estimate(state: State) -> float:
    """About how long NumPy takes for an instruction, in ns; a fixed formula, so that it is the same in every run."""
    sizes = [a.size for a in state.outs] + [a.size for a in state.avals if hasattr(a, "size")]
    cost = state.op.cost
    return 1500.0 + (cost(state) if callable(cost) else cost * max(sizes, default=0))


def make_plans(end: State, alive: Sequence[bool]) -> list[Plan]:
    """Split a program by device, the CPU first (its scalars may be read elsewhere), and drop what nobody needs."""
    path = [s for s in end.path() if s.op is not None and s.outs and s.outs[0].device.type != "meta"]
    live = needed_steps(path, alive)
    by_device: dict[device, list[State]] = {}
    for state in live:
        by_device.setdefault(state.outs[0].device, []).append(state)
    return [_plan(end, where, by_device, alive) for where in sorted(by_device, key=lambda d: (d.type != "cpu", str(d)))]


def needed_steps(path: list[State], alive: Sequence[bool]) -> list[State]:
    """Those instructions that what is alive depends on."""
    needed = {i for i, living in enumerate(alive) if living}
    live: list[State] = []
    for state in reversed(path):
        if any(state.slot + i in needed for i in range(len(state.outs))):
            needed.update(a for a in state.args if type(a) is int)
            live.append(state)
    live.reverse()
    return live


def _plan(end: State, where: device, by_device: dict[device, list[State]], alive: Sequence[bool]) -> Plan:
    elsewhere = {a for d, steps in by_device.items() if d is not where for s in steps for a in s.args}
    steps = by_device[where]
    made = [s.slot + i for s in steps for i in range(len(s.outs))]
    outputs = [slot for slot in made if alive[slot] or slot in elsewhere]
    return Plan(end, steps, outputs, lambda slot: not alive[slot] and slot not in elsewhere, where)


class Layout:
    """The order in which an executable takes a plan's inputs and gives its outputs.

    JAX gives the memory of a donated input to the first result of its form. So the inputs that an output replaces come first,
    in the order of those outputs: a parameter's memory becomes that of its next value. Any other choice costs XLA a copy.
    What is small and many goes in bundles, before all else: ``taken`` are those of inputs, ``given`` those of outputs, of which
    the first replace the taken ones. Each has its form and its slots.
    """

    __slots__ = ("donated", "inputs", "outputs", "avals", "taken", "given")

    def __init__(self, plan: Plan):
        self.avals = plan.avals()
        pairs = _replaced(plan, self.avals)
        replacing = set(pairs.values())
        rest = [slot for slot in plan.outputs if slot not in replacing]
        groups = self._groups(list(pairs), plan)
        self.taken = [(self._form(slots), slots) for slots in groups]
        self.given = [(self._form(slots), slots) for slots in [[pairs[a] for a in g] for g in groups] + self._groups(rest, plan)]
        bundled = {slot for _, slots in self.taken + self.given for slot in slots}
        alone = {a: b for a, b in pairs.items() if a not in bundled}
        self.donated = len(groups) + len(alone)  # how many of the arrays that are taken
        self.inputs = [*alone, *(slot for slot in plan.inputs if slot not in pairs)]
        self.outputs = [*alone.values(), *(slot for slot in rest if slot not in bundled)]

    def _groups(self, slots: list[int], plan: Plan) -> list[list[int]]:
        """Those of some slots that go in bundles, by dtype; in each by shape, and as the instruction that takes them last names them."""
        groups: dict[object, list[int]] = {}
        for slot in slots if plan.device.type == "cpu" else ():
            if 0 < self.avals[slot].nbytes <= bundle.SMALL:
                groups.setdefault(self.avals[slot].dtype, []).append(slot)
        places = {a: i for step in plan.steps for i, a in enumerate(step.args)}
        many = [sorted(group, key=lambda slot: places.get(slot, 0)) for group in groups.values() if len(group) >= bundle.MANY]
        return [[group[i] for i in bundle.Form.order([self.avals[slot].shape for slot in group])] for group in many]

    def _form(self, slots: list[int]) -> bundle.Form:
        return bundle.form(tuple(self.avals[slot] for slot in slots))


def _replaced(plan: Plan, avals: dict[int, Aval]) -> dict[int, int]:
    """Inputs that die in a plan, each with the output that takes its memory: of the last step that reads it, or else any."""
    dying, free, pairs = dict.fromkeys(plan.donated), dict.fromkeys(plan.outputs), {}
    for step in reversed(plan.steps):
        results = [slot for slot in range(step.slot, step.slots) if slot in free]
        for slot in (a for a in step.args if type(a) is int and a in dying):
            dying.pop(slot, None)
            _pair(slot, results, avals, free, pairs)
    for slot in (s for s in plan.donated if s not in pairs):
        _pair(slot, list(free), avals, free, pairs)
    return pairs


def _pair(slot: int, results: list[int], avals: dict[int, Aval], free: dict, pairs: dict[int, int]) -> None:
    """Give an input's memory to the first result of its form that has none yet."""
    match = next((r for r in results if r in free and avals[r] is avals[slot]), None)
    if match is not None:
        del free[match]
        pairs[slot] = match


class Registry:
    """All plans, the least recently used forgotten first, and with them the states of the trie that only they used."""

    def __init__(self) -> None:
        self.plans: OrderedDict[tuple[State, tuple], list[Plan]] = OrderedDict()
        self.states = 0
        self.lock = Lock()

    def add(self, end: State, alive: tuple, plans: list[Plan]) -> None:
        with self.lock:
            end.plans[alive] = self.plans[end, alive] = plans
            self.states += end.depth
            while len(self.plans) > config.max_plans or (self.states > config.max_states and len(self.plans) > 1):
                self._forget()

    def touch(self, end: State, alive: tuple) -> None:
        try:
            self.plans.move_to_end((end, alive))
        except KeyError:  # forgotten by another thread meanwhile
            pass

    def _forget(self) -> None:
        (end, alive), _ = self.plans.popitem(last=False)
        self.states -= end.depth
        del end.plans[alive]
        state: State = end
        while state.parent is not None and not state.next and not state.plans:
            state.parent.next.pop(state.key, None)
            state = state.parent
        while state is not None:  # walks that may lead to what is forgotten
            state.walk = None
            state = state.parent


registry = Registry()
