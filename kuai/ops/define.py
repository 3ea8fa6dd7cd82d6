"""How an op is defined: one decorated body, from which the function, both executions and the derivative come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from inspect import Parameter, Signature

from ..devices import cpu
from ..dispatch import finish, put_out, record_many, recorder, view_recorder
from ..engine.program import Op, State
from ..engine.trace import flush
from ..tensor import Tensor
from . import rules
from .casting import policies

REGISTRY: dict[str, Op] = {}
REQUIRED = object()


def op(*, shape: Callable, vjp: object = REQUIRED, xla: Callable | None = None, name: str | None = None, cost: object = 1.0,
       grad_name: str | Callable | None = None, exact: bool = False, many: bool = False, refuses: bool = False, overwrites: bool = False,
       view: Callable | None = None) -> Callable:  # fmt: skip
    """Define an op from its body ``f(xp, *inputs, *, static…)``, where xp is numpy or jax.numpy.

    grad_name: PyTorch's name of its node, or a function of the state that gives it.
    shape: the rule ``(op, avals, **static) -> (aval or tuple of avals, dtype to compute in)``.
    vjp: one rule for each input, or one function for all; None where there is no derivative on purpose.
    xla: another body for XLA. many: there are several results. view: ``(base, new, …) -> base`` written through,
    which makes the op a view. refuses: the body raises for some values, so it runs at the call, on the CPU.
    overwrites: NumPy's body may write to its first array, which is its own.
    The function made takes the inputs by position and the static arguments by name.
    """

    def define(body: Callable) -> Callable:
        made = Op(body, shape, xla=xla, name=name, cost=cost, grad_name=grad_name, exact=exact)
        if vjp is REQUIRED:
            raise TypeError(f"op {made.name}: no derivative given; say vjp=None if it has none")
        finish(made, vjp, view)
        made.autocast, made.refuses, made.overwrites = policies(made.name), refuses, overwrites
        REGISTRY[made.name] = made
        record = _recorder(made, bool(view), many)
        call = _caller(made, _at_once(record) if refuses else record)
        call.op = made
        call.__name__ = call.__qualname__ = made.name
        call.__doc__, call.__module__ = body.__doc__, body.__module__
        return call

    return define


def _recorder(made: Op, is_view: bool, many: bool) -> Callable:
    if many:
        return lambda static, *operands: record_many(made, static, *operands)
    return view_recorder(made) if is_view else recorder(made)


def _at_once(record: Callable) -> Callable:
    """Run an op as a program of its own when it is called, so that what it refuses is said there and spoils nothing else."""

    def call(static: tuple | None, source: Tensor, *operands: object) -> object:
        if source.device is not cpu:
            return record(static, source, *operands)
        flush()
        out = record(static, source, *operands)
        flush()
        return out

    return call


def _caller(made: Op, record: Callable) -> Callable:
    statics = made.statics
    if not statics:
        return lambda *xs: record(None, *xs)
    if len(statics) == 1:
        only = statics[0]
        return lambda *xs, **given: record((given[only],), *xs)
    return lambda *xs, **given: record(tuple([given[s] for s in statics]), *xs)


def unary(*, shape: Callable = rules.float_broadcast, **options: object) -> Callable:
    """Define an elementwise function ``f(input, *, out=None)``."""
    return lambda body: _elementwise(body, ("input",), shape, options)


def binary(*, shape: Callable = rules.broadcast, **options: object) -> Callable:
    """Define an elementwise function ``f(input, other, *, out=None)`` of tensors, or of a tensor and a number."""
    return lambda body: _elementwise(body, ("input", "other"), shape, options)


def _elementwise(body: Callable, names: tuple[str, ...], shape: Callable, options: dict) -> Callable:
    made = op(shape=shape, **options)(body).op
    made.elementwise = True
    call = recorder(made, names)
    call.op, call.__signature__ = made, signature(*names)
    call.__name__ = call.__qualname__ = made.name
    call.__doc__, call.__module__ = body.__doc__, body.__module__
    return call


@cache
def signature(*names: str, out: bool = True) -> Signature:
    """What help() shows of functions whose text is written at their first call."""
    kinds = ["Tensor", *["Tensor | complex"] * (len(names) - 1)]
    operands = [Parameter(n, Parameter.POSITIONAL_OR_KEYWORD, annotation=kind) for n, kind in zip(names, kinds)]
    options = [Parameter("out", Parameter.KEYWORD_ONLY, default=None, annotation="Tensor | None")] if out else []
    return Signature(operands + options, return_annotation="Tensor")


def named_by(name: str, static: str) -> Callable:
    """The names that PyTorch's nodes have by overloads: 0 where a static argument is None, and else 1."""

    def naming(state: State) -> str:
        return f"{name}Backward{int(state.static[state.op.statics.index(static)] is not None)}"

    return naming


def named_by_operand(name: str, place: int = 1) -> Callable:
    """The same by an operand: 0 where it is a number, and 1 where it is a tensor."""
    return lambda state: f"{name}Backward{int(type(state.args[place]) is int)}"


def by_result(factor: float) -> Callable:
    """A cost by the elements of the result: for ops that read only as much of an operand as they give."""
    return lambda state: factor * state.outs[0].size


def write_out(out: Tensor, result: Tensor) -> Tensor:
    """Put a result into the tensor given as ``out=``, and give that."""
    return put_out(out, result)


def write_exact(out: Tensor, made: Tensor) -> Tensor:
    """Put a result into the tensor given as ``out=``, which must have its dtype: what reductions that choose ask for."""
    need_dtype(out, made)
    return write_out(out, made)


def need_dtype(out: object, made: Tensor) -> None:
    """Refuse a tensor given as ``out=`` that is of another dtype than the result."""
    if not isinstance(out, Tensor):
        raise TypeError(f"argument 'out' must be Tensor, not {type(out).__name__}")
    if out.dtype is not made.dtype:
        raise RuntimeError(f"Expected out tensor to have dtype {made.dtype}, but got {out.dtype} instead")


def write_outs(outs: Sequence | None, made: tuple) -> tuple:
    """Put several results into the tensors given as ``out=``, if they are."""
    if isinstance(outs, Tensor):
        raise TypeError(f"argument 'out' must be tuple of Tensors, not Tensor: there are {len(made)} results")
    if outs is None:
        return made
    if len(outs) != len(made):
        raise TypeError(f"argument 'out' must be tuple of {len(made)} Tensors, got {len(outs)}")
    for out, result in zip(outs, made):  # all are looked at before one is written
        need_dtype(out, result)
        out._check_out(result)
    return type(made)([write_out(o, m) for o, m in zip(outs, made)])
