"""Turns an op's derivative rules into the code that its nodes run in backward.

The loop over inputs is unrolled, as it is for recorders (`dispatch`): a node costs half of what a general walk through the
rules would. The code is made at the first backward through an op.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, FunctionType

from ..engine.program import Op
from ..engine.trace import Value
from ..tensor import wrap

_HEAD = """
def pullback(node, g, create_graph, keep):
    state = node.state
    avals, static = state.avals, state.static
    saved = node.saved
    if type(saved) is not tuple:
        saved = saved.recover()
    if saved and not keep:
        node.saved = FREED
    edges = node.edges
"""

_SAVED = """
    s{n} = saved[{n}]
    x{n} = wrap(s{n}) if type(s{n}) is Value and not create_graph else node.restore({place}, s{n}, create_graph)
"""

_RULE = """
    c{i} = None
    if edges[{i}] is not None:
        c{i} = rules[{i}]({arguments})
        if c{i} is not None and c{i}._value.aval is not avals[{i}]:
            c{i} = fit(c{i}, avals[{i}])
"""

_JOINT = """
    return tuple(map(fit, rules({arguments}), avals))
"""


def make_pullback(op: Op, **names: object) -> Callable:
    """The function ``(node, g, create_graph, keep) -> cotangents`` of an op's nodes."""
    text = _HEAD
    for n, place in enumerate(op.saves):
        text += _SAVED.format(n=n, place=-2 if isinstance(place, slice) else place)
    if callable(op.vjps):
        text += _JOINT.format(arguments=_arguments(op, op.picks))
    else:
        for i, picks in enumerate(op.picks):
            text += _RULE.format(i=i, arguments=_arguments(op, picks)) if op.vjps[i] else f"\n    c{i} = None"
        text += f"\n    return {''.join(f'c{i}, ' for i in range(len(op.vjps)))}"
    code = compile(text, f"<derivative of {op.name}>", "exec")
    body = next(c for c in code.co_consts if isinstance(c, CodeType))
    return FunctionType(body, {"wrap": wrap, "Value": Value, "rules": op.vjps, **names})


def _arguments(op: Op, picks: tuple) -> str:
    return ", ".join(_argument(op, p) for p in picks)


def _argument(op: Op, pick: object) -> str:
    """Where a rule's argument is, in the code's words; `dispatch.finish` notes picks."""
    if pick == 0:
        return "g"
    if isinstance(pick, int):
        return f"x{pick - 1}"
    if pick == "needs":
        return "tuple([e is not None for e in edges])"
    return "avals" if pick == "avals" else f"static[{op.statics.index(pick)}]"
