"""What happens at every call of an op: find the operands' slots, take the step in the trie, hang the result on the graph.

This is the hot path: an op costs what its recorder costs. Promotion and checks are the shape rule's, and run once a state.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import CodeType
from typing import Any

import numpy as np

from . import tensor as _tensor
from .autograd.graph import OpNode, OutputNode, Untracked, next_number, op_node  # noqa: F401 (the recorders' text uses all)
from .engine import trace as tracing
from .engine.program import Op, parameters
from .engine.trace import NotStrided, Value, admit, current, extend, flush, record  # noqa: F401 (the same)
from .errors import warn
from .tensor import Step, Tensor, wrap

NUMBERS = frozenset((bool, int, float, complex))


def plain_operand(op: Op, x: object) -> object:
    """An operand that is not of the plain kinds: NumPy's scalars become Python numbers."""
    if x is None or isinstance(x, Tensor) or type(x) in NUMBERS:
        return x
    if isinstance(x, (np.generic, bool, int, float, complex)):
        return x.item() if isinstance(x, np.generic) else next(k(x) for k in (int, float, complex) if isinstance(x, k))
    raise TypeError(f"{op.name}(): got {type(x).__name__} for an operand, needs a Tensor or a number")


def put_out(out: Any, made: Tensor) -> Tensor:
    """Put a result into what was given as ``out=``."""
    if not isinstance(out, Tensor):
        raise TypeError(f"argument 'out' must be Tensor, not {type(out).__name__}")
    if out._aval.size and out.shape != made.shape:
        warn(
            f"An output with one or more elements was resized since it had shape {list(out.shape)}, which does not match the "
            f"required output shape {list(made.shape)}. This behavior is deprecated, and in a future PyTorch release outputs "
            "will not be resized unless they have zero elements. You can explicitly reuse an out tensor t by resizing it, inplace, "
            "to zero elements with t.resize_(0)."
        )
    return out._set_out(made)  # type: ignore[attr-defined]


# One operand of a recorder: read the tensor, give its value a slot; or note the number that it is.
_OPERAND = """
    if isinstance({x}, Tensor):
        storage = {x}._storage
        if storage is None or ({x}._seen == storage.version and storage.host is None):
            v{i} = {x}._value
        elif storage.record is not None:  # not strided
            return storage.record(op, {static}, ({args}))
        else:
            v{i} = {x}._refresh()
            if current.trace is not trace:  # reading it took the trace past its length
                return op.entry[0]({call})
        if v{i}.trace is not trace:
            admit(trace, v{i})
        k{i} = v{i}.slot
        e{i} = {x}._node
    elif {x} is None:
        v{i} = k{i} = e{i} = None
    else:
        v{i} = {x}
        k{i} = type({x})
        e{i} = None
        if k{i} not in NUMBERS:
            {x} = plain_operand(op, {x})
            return op.entry[0]({call})
        numbers += (v{i},)
"""

_RECORDER = """
def bind(op):
  def record({head}):
    {prologue}
    {cast}
    trace = current.trace
    numbers = ()
{operands}
    key = (op, {static}, {slots})
    state = trace.state.next.get(key)
    if state is None:
        state = extend(trace.state, key, trace)
    value = Value()
    value.aval = state.aval
    value.data = None
    value.trace = trace
    value.slot = state.slot
    trace.state = state  # from here on a signal comes in only when the step is complete: Python looks for one after calls
    if numbers:
        trace.numbers += numbers
    trace.values.append(value)
    out = new(Tensor)
    out._value = value
    out._storage = None
    if ({tracked}) and state.tracks and current.grad:
        node = state.tracks()
        node.state = state
        node.saved = ({saved})
        node.edges = ({edges})
        node.number = next_number()
        node.hooks = None
        out._node = node
    else:
        out._node = None
    if state.full:
        flush()
    return out
  return record
"""


@cache
def _unrolled(names: tuple[str, ...], saves: tuple, public: bool, casts: bool) -> CodeType:
    """The code of recorders for ops of one form: the loop over operands unrolled, which halves an op's cost.

    A public one is called as PyTorch's elementwise functions are, ``f(input, other, *, out=None)``; another one as
    ``record(static, *operands)``.
    """
    args = ", ".join(names)
    numbered = range(len(names))
    text = _RECORDER.format(
        static=None if public else "static",
        head=f"{args}, *, out=None" if public else f"static, {args}",
        cast=f"if current.autocast is not None: {args}, = current.autocast.cast(op, ({args},))" if casts else "",
        prologue=f"if out is not None: return put_out(out, op.entry[0]({args}))" if public else "",
        operands="".join(
            _OPERAND.format(x=n, i=i, call=args if public else f"static, {args}", args=f"{args}, ",
                            static=None if public else "static")
            for i, n in enumerate(names)
        ).replace("\n", "\n  ").replace("\n      ", "\n    "),
        slots="".join(f"k{i}, " for i in numbered),
        tracked=" or ".join(f"e{i} is not None" for i in numbered),
        saved="".join("value, " if i == -1 else f"v{i}, " for i in saves),
        edges="".join(f"e{i}, " for i in numbered),
    )
    code = compile(text, f"<recorder of {len(names)} operands>", "exec")
    for _ in ("bind", "record"):
        code = next(c for c in code.co_consts if isinstance(c, CodeType))
    return code


new = object.__new__


def recorder(op: Op, public: tuple[str, ...] | None = None) -> Callable:
    """The function that records ``op``: ``record(static, *operands)``, or with public names ``f(input, …, *, out=None)``."""
    if op.variadic:
        return lambda static, *operands: _record_any(op, static, operands)
    if op.entry and op.entry[2] is (public is not None):
        return op.entry[0]

    def record(*args: object, **kwargs: object) -> Tensor:
        return _begin(op)(*args, **kwargs)

    op.entry = record, public or tuple(f"x{i}" for i in range(len(op.inputs))), public is not None
    return record


def _begin(op: Op) -> Callable:
    """Give an op's recorder its code, at its first call: importing the library compiles none."""
    record, names, public = op.entry
    record.__kwdefaults__ = {"out": None} if public else None
    record.__code__ = _unrolled(names, op.saves, public, bool(op.autocast))
    return record


def _record_any(op: Op, static: tuple | None, operands: tuple) -> Tensor:
    """Record an op of any number of operands, with one result."""
    if op.autocast and current.autocast is not None:
        operands = current.autocast.cast(op, operands)
    values: list = [x._read() if isinstance(x, Tensor) else plain_operand(op, x) for x in operands]
    trace = current.trace
    try:
        result = record(op, static, values)
    except NotStrided:
        return _record_elsewhere(op, static, operands)
    edges = tuple([x._node if isinstance(x, Tensor) else None for x in operands])
    if not (current.grad and any(e is not None for e in edges) and trace.state.tracks):
        return wrap(result)
    values.append(result)
    return wrap(result, op_node(trace.state, tuple([values[i] for i in op.saves]), edges))


def _record_elsewhere(op: Op, static: tuple | None, operands: tuple) -> Any:
    """Record an op with an operand that is not strided, as that operand's storage does it."""
    storages = [x._storage for x in operands if isinstance(x, Tensor) and x._storage is not None]
    return next(s for s in storages if s.record is not None).record(op, static, operands)


def record_many(op: Op, static: tuple | None, *operands: object) -> tuple[Tensor, ...]:
    """Record an op that has several results."""
    if op.autocast and current.autocast is not None:
        operands = current.autocast.cast(op, operands)
    values: list = [x._read() if isinstance(x, Tensor) else plain_operand(op, x) for x in operands]
    trace = current.trace
    try:
        results = record(op, static, values)
    except NotStrided:
        return _record_elsewhere(op, static, operands)
    outs = tuple(map(wrap, results))
    edges = tuple(x._node if isinstance(x, Tensor) else None for x in operands)
    if trace.state.tracks and current.grad and any(e is not None for e in edges):
        values.append(results)
        node = op_node(trace.state, tuple(values[i] for i in op.saves), edges)
        for i, out in enumerate(outs):
            if out.dtype.category > 1:
                out._node = OutputNode(node, i)
    return outs


def view_recorder(op: Op) -> Callable:
    """The function that records a view op: its result shares the source's memory."""
    record = recorder(op)

    def view(static: tuple | None, source: Tensor, *numbers: object) -> Tensor:
        made = record(static, source, *numbers)
        if source._storage is not None and source._storage.record is not None:
            return made
        made._become_view(source, Step(op, record, static, numbers))
        if made._node is None and source._node is not None:
            _end_at(made)
        if tracing.marks:
            made._value.inference = made._is_inference()
        return made

    return view


def _end_at(view: Tensor) -> None:
    """A view made in `no_grad` requires grad if its base does; it is a leaf."""
    if not current.grad and view._base._node is not None and view._value.aval.dtype.category > 1:  # type: ignore[union-attr]
        view._node = Untracked("inference" if current.inference else "no_grad")


def view_step(step: Step, source: Tensor) -> Tensor:
    return step.record(step.static, source, *step.numbers)


def finish(op: Op, vjp: object, scatter: Callable | None = None) -> Op:
    """Check an op's derivative rules against its inputs, and note what they want saved.

    A rule names what it needs: ``g``, ``out``, an input, a static argument, ``avals`` or ``needs``; only that is saved.
    """
    op.scatter = scatter
    if vjp is None:
        return op
    rules = (vjp,) if callable(vjp) else tuple(vjp)
    if not callable(vjp) and (len(rules) != len(op.inputs) or op.variadic):
        raise TypeError(f"op {op.name}: {len(rules)} derivatives for {len(op.inputs)} inputs {op.inputs}; None means none")
    saves: list = []
    picks = [tuple(_source(op, n, saves) for n in parameters(r)[0]) if r else () for r in rules]
    op.saves, op.node = tuple(saves), OpNode
    op.vjps = vjp if callable(vjp) else tuple(rules)
    op.picks = picks[0] if callable(vjp) else tuple(picks)
    return op


def _source(op: Op, name: str, saves: list) -> object:
    """Where a rule's argument comes from: 0 for g, n for the n-th saved value, else a name for `OpNode._pick`."""
    if name == "g":
        return 0
    if name in op.statics or name in ("avals", "needs"):
        return name
    if name != "out" and name not in op.inputs:
        raise TypeError(f"op {op.name}: its derivative asks for {name!r}, which is none of {op.inputs + op.statics}")
    index = -1 if name == "out" else slice(None, -1) if op.variadic else op.inputs.index(name)
    if index not in saves:
        saves.append(index)
    return saves.index(index) + 1


_tensor.view_step = view_step
