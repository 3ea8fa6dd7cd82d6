"""What a program is made of: abstract values, ops, and the states of the trie that recorded ops walk along."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from math import prod
from operator import index
from weakref import WeakValueDictionary

from ..devices import device
from ..dtypes import dtype


def _is_length(n: object) -> bool:
    try:
        index(n)  # type: ignore[arg-type]
    except TypeError:
        return False
    return True


class Size(tuple):
    """The shape of a tensor (``torch.Size``): a tuple that prints its name and counts its elements.

    >>> import kuai as torch
    >>> torch.zeros(2, 3).size().numel()
    6
    """

    __slots__ = ()

    def __new__(cls, sizes: Iterable = ()) -> Size:
        made = tuple.__new__(cls, sizes)
        for i, n in enumerate(made):
            if type(n) is not int and not _is_length(n):
                raise TypeError(f"torch.Size() takes an iterable of 'int' (item {i} is '{type(n).__name__}')")
        return made if all(isinstance(n, int) for n in made) else tuple.__new__(cls, map(index, made))

    def numel(self) -> int:
        """The number of elements of a tensor of this shape."""
        return prod(self)

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    def __add__(self, other: tuple) -> Size:
        if not isinstance(other, tuple):
            raise TypeError(f"can only concatenate tuple (not {type(other).__name__}) to torch.Size")
        return _size(tuple.__add__(self, other))

    def __radd__(self, other: tuple) -> Size:
        return _size(other + tuple(self))

    def __mul__(self, times: int) -> Size:
        return _size(tuple(self) * times)

    __rmul__ = __mul__

    def __getitem__(self, key):
        found = tuple.__getitem__(self, key)
        return _size(found) if isinstance(key, slice) else found

    def __reduce__(self) -> tuple:
        return (Size, (tuple(self),))


def _size(sizes: Iterable[int]) -> Size:
    """A Size of what is known to be lengths."""
    return tuple.__new__(Size, sizes)


_LARGEST = 2**63 - 1  # bytes: what an address can count
MOST_DIMENSIONS = 64  # of NumPy's arrays


class Aval:
    """An abstract value: what is known before anything is computed. There is one object for each, so ``is`` compares."""

    __slots__ = ("shape", "dtype", "device", "size", "__weakref__")
    shape: Size
    dtype: dtype
    device: device
    size: int
    _made: WeakValueDictionary = WeakValueDictionary()

    def __new__(cls, shape: Iterable[int], dtype: dtype, device: device) -> Aval:
        shape = _size(shape)
        key = (shape, dtype, device)
        found = cls._made.get(key)
        if found is None:
            fresh = super().__new__(cls)
            fresh.shape, fresh.dtype, fresh.device, fresh.size = shape, dtype, device, prod(shape)
            if len(shape) > MOST_DIMENSIONS:
                raise RuntimeError(f"got {len(shape)} dimensions for a tensor, needs {MOST_DIMENSIONS} or fewer, as NumPy's arrays have")
            if fresh.nbytes > _LARGEST:
                raise RuntimeError(f"Storage size calculation overflowed: {list(shape)} of {dtype} have too many bytes to count")
            found = cls._made.setdefault(key, fresh)
        return found

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def with_(self, shape: Iterable[int] | None = None, dtype: dtype | None = None) -> Aval:
        return Aval(self.shape if shape is None else shape, dtype or self.dtype, self.device)

    def __repr__(self) -> str:
        place = "" if self.device.type == "cpu" else f"@{self.device}"
        return f"{self.dtype.name}[{','.join(map(str, self.shape))}]{place}"


class Op:
    """One operation: its name, bodies, shape rule and derivatives.

    ``body(xp, *arrays, **static)`` computes with NumPy and with jax.numpy; ``xla`` replaces it under XLA where the two
    have no common body. ``rule(op, avals, **static)`` gives the results' avals and the dtype to compute in.
    ``vjps`` has one rule for each input; see `autograd.graph`.
    """

    __slots__ = ("name", "body", "xla", "rule", "vjps", "statics", "inputs", "variadic", "outputs", "cost",
                 "saves", "picks", "scatter", "grad_name", "naming", "exact", "refuses", "overwrites", "elementwise", "levels", "autocast",
                 "entry", "pullback", "node")  # fmt: skip

    def __init__(self, body: Callable, rule: Callable, *, xla: Callable | None = None, name: str | None = None,
                 cost: float = 1.0, grad_name: str | Callable | None = None, exact: bool = False):  # fmt: skip
        self.name = name or body.__name__.rstrip("_")
        self.body, self.xla, self.rule = body, xla or body, rule
        self.cost = cost  # NumPy's time for an element, relative to an addition
        self.exact = exact  # computes half types as they are (no float32 in between)
        self.refuses = False  # its body raises for some values: on the CPU it runs when it is called, by NumPy
        self.overwrites = False  # NumPy's body writes to its first array, and is given one of its own
        self.elementwise = False  # NumPy's body broadcasts, as it stands
        self.levels: tuple = ()  # of an op made by `vmap`: which operands each level maps, the outermost first
        self.vjps: tuple = ()
        self.node: Callable | None = None  # makes its nodes on the graph, if it has derivatives
        self.saves: tuple[int, ...] = ()
        self.picks: tuple = ()
        self.scatter: Callable | None = None
        self.pullback: Callable | None = None  # what its nodes run in backward; see autograd.pullback
        self.entry: tuple = ()  # the function that records it, and its form; see dispatch.recorder
        self.autocast: dict[str, str] | None = None  # for a type of device, what autocast does to the operands; see ops.casting
        names, self.statics, self.variadic = parameters(body)
        self.inputs = names[1:]  # the first is xp
        default = self.name.replace(".", "_").title().replace("_", "") + "Backward0"
        self.grad_name = grad_name if isinstance(grad_name, str) else default  # as PyTorch names the node
        self.naming = grad_name if callable(grad_name) else None  # where that hangs on the state

    def __repr__(self) -> str:
        return f"<op {self.name}>"


def parameters(fn: Callable) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """Names of a function's positional parameters, of its keyword-only ones, and whether it takes any number.

    inspect.signature says the same, but its import would cost as much as that of this package.
    """
    while hasattr(fn, "__wrapped__"):
        fn = fn.__wrapped__
    code = fn.__code__
    named = code.co_argcount + code.co_kwonlyargcount
    variadic = bool(code.co_flags & VARIADIC)
    rest = code.co_varnames[named : named + 1] if variadic else ()
    return code.co_varnames[: code.co_argcount] + rest, code.co_varnames[code.co_argcount : named], variadic


VARIADIC = 0x04  # inspect.CO_VARARGS
_serial = count()


class State:
    """A place in the trie: what has been recorded so far, as the last instruction and the state before it.

    Its instruction is either the admission of an input (``op`` is None) or ``op`` applied to ``args``: a slot (int >= 0),
    the type of a Python number that is an input of its own, or None for an absent operand.
    """

    __slots__ = ("parent", "key", "op", "static", "args", "avals", "casts", "outs", "aval", "slot", "slots", "numbers",
                 "number", "depth", "nbytes", "full", "tracks", "next", "plans", "walk", "serial", "callable",
                 "__weakref__")  # fmt: skip

    def __init__(self, parent: State | None, key: object, outs: tuple[Aval, ...]):
        self.parent, self.key = parent, key
        self.op: Op | None = None
        self.static: tuple = ()
        self.args: tuple = ()  # slots, and number types
        self.avals: tuple = ()  # of args
        self.casts: tuple | None = None
        self.outs = outs
        self.aval: Aval | None = None  # of the result, if the op gives one and not a tuple
        self.slot = parent.slots if parent else 0  # where the first result goes
        self.slots = self.slot + len(outs)
        self.number = self.numbers = parent.numbers if parent else 0  # Python numbers before and after
        self.depth = parent.depth + 1 if parent else 0
        self.nbytes = (parent.nbytes if parent else 0) + sum(a.nbytes for a in outs)
        self.full = False
        self.tracks: Callable | None = None  # makes the node, if results can have a derivative
        self.next: dict = {}
        self.plans: dict = {}
        self.walk: object = None  # what is known of a backward that begins here; see autograd.replay
        self.serial = next(_serial)
        self.callable: Callable | None = None

    def path(self) -> list[State]:
        """The states from the first instruction to this one."""
        found, state = [], self
        while state.parent is not None:
            found.append(state)
            state = state.parent
        return found[::-1]

    def static_dict(self) -> dict:
        return dict(zip(self.op.statics, self.static)) if self.static else {}
