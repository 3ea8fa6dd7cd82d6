"""What the pointwise families share: rules that refuse what PyTorch refuses, and small words for derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .. import dtypes
from ..engine.program import Aval, Op
from ..tensor import Tensor
from . import rules
from .define import op
from .likes import zeros_like

Rule = Callable[..., tuple]
BOOL, INTEGER, FLOAT, COMPLEX = range(4)


def _operands(rule: Rule, check: Callable[[Op, Sequence], None]) -> Rule:
    """A rule with a check of its operands' kinds before it."""

    def checked(op: Op, avals: Sequence, **static: object) -> tuple:
        check(op, avals)
        return rule(op, avals, **static)

    return checked


def need_tensor(name: str, given: object, argument: str, position: int) -> None:
    """TypeError, as PyTorch words it, for an operand (or the type of a number) that has to be a tensor."""
    if not isinstance(given, (Tensor, Aval)):
        kind = given if isinstance(given, type) else type(given)
        raise TypeError(f"{name}(): argument '{argument}' (position {position}) must be Tensor, not {kind.__name__}")


def _need(op: Op, avals: Sequence, tensors: int) -> None:
    """Tensors for so many of the first operands; for the others numbers will do."""
    for i, a in enumerate(avals):
        if a is None or (i < tensors and type(a) is not Aval):
            need_tensor(op.name, a, ("input", "other")[i], i + 1)


def operands(rule: Rule) -> Rule:
    """The rule for operands of which each is a tensor or a number."""
    return _operands(rule, lambda op, avals: _need(op, avals, 0))


def first_tensor(rule: Rule) -> Rule:
    """The rule for operands of which the first must be a tensor and the others may be numbers."""
    return _operands(rule, lambda op, avals: _need(op, avals, 1))


def input_tensor(rule: Rule) -> Rule:
    """The rule for an input that must be a tensor and whatever numbers go with it."""
    return _operands(rule, lambda op, avals: need_tensor(op.name, avals[0], "input", 1))


def tensors_only(rule: Rule) -> Rule:
    """The rule for operands of which none may be a Python number."""
    return _operands(rule, lambda op, avals: _need(op, avals, 2))


def _need_one(op: Op, avals: Sequence) -> None:
    _need(op, avals, 0)
    if not any(type(a) is Aval for a in avals):
        got = ", ".join(a.__name__ for a in avals)
        raise TypeError(f"{op.name}() received an invalid combination of arguments - got ({got}), needs a Tensor")


def some_tensor(rule: Rule) -> Rule:
    """The rule for operands of which at least one must be a tensor."""
    return _operands(rule, _need_one)


def supports(*categories: int, otherwise: str | None = None) -> Callable[[Rule], Rule]:
    """Make a rule refuse to compute in other categories of dtypes than these, with PyTorch's class of error."""

    def restrict(rule: Rule) -> Rule:
        def restricted(op: Op, avals: Sequence, **static: object) -> tuple:
            out, computed = rule(op, avals, **static)
            first = computed[0] if isinstance(computed, tuple) else computed
            if first.category not in categories:
                raise NotImplementedError(otherwise or f"\"{op.name}\" not implemented for '{rules._cname(first)}'")
            return out, computed

        return restricted

    return restrict


def truth(op: Op, avals: Sequence, **static: object) -> tuple:
    """Answer with bools about elements as they are: nothing is promoted."""
    shape = rules.broadcast_shapes(op.name, *(a.shape for a in rules.tensors(avals)))
    out = Aval(shape, dtypes.bool_, rules.common_device(op, avals))
    return out, tuple(a.dtype if type(a) is Aval else dtypes.default_for(a) for a in avals)


def real_part_dtype(op: Op, avals: Sequence, **static: object) -> tuple:
    """As the operand, but real if that is complex."""
    a = avals[0]
    return a.with_(dtype=a.dtype.to_real()), a.dtype


def single_or_double(rule: Rule) -> Rule:
    """Make a rule refuse to compute in half types."""

    def restricted(op: Op, avals: Sequence, **static: object) -> tuple:
        out, found = rule(op, avals, **static)
        if out.dtype.itemsize < 4:
            raise NotImplementedError(f"\"{op.name}\" not implemented for '{rules._cname(out.dtype)}'")
        return out, found

    return restricted


any_float = tensors_only(rules.float_broadcast)  # floating point or complex; integers become floats
real_float = tensors_only(supports(FLOAT)(rules.float_broadcast))
wide_float = tensors_only(single_or_double(supports(FLOAT)(rules.float_broadcast)))


@op(shape=rules.same, vjp=(lambda g: conj(g),), name="conj", exact=True)
def _conj(xp, x):
    return xp.conj(x)


def conj(x: object) -> object:
    """The complex conjugate of a tensor or number; what is real is itself."""
    if isinstance(x, Tensor):
        return _conj(x) if x._value.aval.dtype.is_complex else x
    return x.conjugate() if type(x) is complex else x


def signs(xp, x):
    """-1, 0 or 1, and 0 for nan, of real numbers."""
    return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)


def zero(g: Tensor) -> Tensor:
    """The derivative of steps: zero, also where the cotangent is infinite."""
    return zeros_like(g)


def no_derivative(name: str) -> Callable[[], object]:
    """The derivative rule of an op that PyTorch gives none: an error in the backward pass, not in the forward one."""

    def rule() -> object:
        raise NotImplementedError(f"derivative for aten::{name} is not implemented")

    return rule
