"""The forms that ops have for sparse operands: a table by op, filled by the families, and what looks it up.

A form is called as the op is, ``form(*operands, **static)``, with what is computed done by ops on values.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module

from ..engine.program import Op
from ..tensor import Tensor
from .checks import layout_name
from .storage import any_sparse, build, coalesced, is_sparse, pattern_of, values_of

FAMILIES = ("elementwise", "shape", "products", "reductions")
FORMS: dict[str, Callable] = {}


def form(*names: str) -> Callable:
    """Make a function the form of ops."""

    def register(function: Callable) -> Callable:
        FORMS.update(dict.fromkeys(names, function))
        return function

    return register


@cache
def _forms() -> dict[str, Callable]:
    """The table, with all families read."""
    for family in FAMILIES:
        import_module(f"{__package__}.{family}")
    return FORMS


def record(op: Op, static: tuple | None, operands: tuple) -> object:
    """Record an op that has a sparse operand; NotImplementedError if it has no form for those."""
    found = _forms().get(op.name)
    named = dict(zip(op.statics, static)) if static else {}
    if any(any_sparse(x) and not is_sparse(x) for x in operands):
        from . import compressed_forms

        return compressed_forms.record(op, static, operands, named)
    if found is None and op.name in BY_VALUE:
        return on_values(op, static, operands)
    if found is None:
        raise unsupported(op.name, *operands)
    return found(*operands, **named)


def unsupported(name: str, *operands: object) -> NotImplementedError:
    """The error for an op that takes no sparse operands."""
    layouts = [f"{layout_name(x)}CPU" for x in operands if isinstance(x, Tensor) and x.layout.name != "strided"]
    return NotImplementedError(
        f"Could not run 'aten::{name}' with arguments from the '{layouts[0]}' backend: {name} takes dense tensors; make one "
        "with to_dense()"
    )


# Functions of one tensor that give 0 for 0: they are computed on the values of the coalesced tensor.
BY_VALUE = frozenset(
    "abs asin asinh atan atanh ceil conj deg2rad erf erfinv expm1 floor frac isinf isnan isneginf isposinf log1p "
    "rad2deg relu round sgn sign signbit sin sinh sqrt tan tanh trunc nan_to_num angle real imag".split()
)


def on_values(op: Op, static: tuple | None, operands: tuple) -> Tensor:
    """The same op on the values of the first operand, coalesced."""
    x = coalesced(operands[0])
    call, _, public = op.entry
    new = (values_of(x), *operands[1:])
    return build(pattern_of(x), call(*new) if public else call(static, *new), op.grad_name)
