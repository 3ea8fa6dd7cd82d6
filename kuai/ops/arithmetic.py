"""Sums, products and signs, element by element."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .. import dtypes
from ..engine.program import Op
from ..tensor import Tensor
from . import rules
from .complex_numbers import sgn
from .define import binary, op, unary, write_out
from .older import factors_first, only_operand
from .pointwise import COMPLEX, FLOAT, INTEGER, conj, need_tensor, operands, real_part_dtype, supports, tensors_only

# ---- sums and products -----------------------------------------------------------------------------------------------

_numbers_too = operands(rules.broadcast)


def _scale(g: Tensor, alpha: object) -> Tensor:
    return g if alpha == 1 and alpha is not True else mul(g, conj(alpha))


def _check_alpha(d: dtypes.dtype, kind: type) -> None:
    """RuntimeError for a factor that a result of this dtype cannot hold."""
    if kind is bool and d.category > 0:
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    if kind is float and d.category < 2:
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    if kind is complex and d.category < 3:
        raise RuntimeError("For non-complex input tensors, argument alpha must not be a complex number.")


def _scaled_rule(rule: Callable) -> Callable:
    def scaled(op: Op, avals: Sequence) -> tuple:
        out, found = rule(op, avals[:2])
        _check_alpha(found, avals[2])
        return out, found

    return scaled


def _subtractable(op: Op, avals: Sequence) -> tuple:
    kinds = [a is bool or getattr(a, "dtype", None) is dtypes.bool_ for a in avals]
    if all(kinds):
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` "
            "operator instead."
        )
    if any(kinds):
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use "
            "the `~` or `logical_not()` operator instead."
        )
    return rules.broadcast(op, avals)


@binary(name="add", shape=_numbers_too, vjp=(lambda g: g, lambda g: g))
def _add(xp, x, y):
    return xp.add(x, y)


@op(shape=_scaled_rule(rules.broadcast), name="add_scaled", grad_name="AddBackward0", cost=2.0,
    vjp=(lambda g: g, lambda g, alpha: _scale(g, alpha), None))  # fmt: skip
def _add_scaled(xp, x, y, alpha):
    return xp.add(x, xp.multiply(alpha, y))


def add(input: object, other: object, *older: object, alpha: object = 1, out: Tensor | None = None) -> Tensor:
    """The sum, with ``other`` multiplied by ``alpha`` (``torch.add``).

    >>> import kuai as torch
    >>> torch.add(torch.tensor([1, 2]), 3, alpha=2)
    tensor([7, 8])
    """
    if older:
        return add(input, only_operand("add", other, older), alpha=other, out=out)
    made = _add(input, other) if alpha == 1 and alpha is not True else _add_scaled(input, other, alpha)
    return made if out is None else write_out(out, made)


@binary(name="sub", shape=operands(_subtractable), vjp=(lambda g: g, lambda g: neg(g)))
def _sub(xp, x, y):
    return xp.subtract(x, y)


@op(shape=_scaled_rule(_subtractable), name="sub_scaled", grad_name="SubBackward0", cost=2.0,
    vjp=(lambda g: g, lambda g, alpha: neg(_scale(g, alpha)), None))  # fmt: skip
def _sub_scaled(xp, x, y, alpha):
    return xp.subtract(x, xp.multiply(alpha, y))


def sub(input: object, other: object, *older: object, alpha: object = 1, out: Tensor | None = None) -> Tensor:
    """The difference, with ``other`` multiplied by ``alpha`` (``torch.sub``).

    >>> import kuai as torch
    >>> torch.sub(torch.tensor([1., 2.]), torch.tensor([1., 1.]), alpha=2)
    tensor([-1.,  0.])
    """
    if older:
        return sub(input, only_operand("sub", other, older), alpha=other, out=out)
    made = _sub(input, other) if alpha == 1 and alpha is not True else _sub_scaled(input, other, alpha)
    return made if out is None else write_out(out, made)


def rsub(input: Tensor, other: object, *, alpha: object = 1) -> Tensor:
    """``other - alpha * input`` (``torch.rsub``).

    >>> import kuai as torch
    >>> torch.rsub(torch.tensor([1, 2]), 10)
    tensor([9, 8])
    """
    need_tensor("rsub", input, "input", 1)
    return sub(other, input, alpha=alpha)


@binary(shape=_numbers_too, vjp=(lambda g, y: mul(g, conj(y)), lambda g, x: mul(g, conj(x))))
def mul(xp, x, y):
    """The product (``torch.mul``).

    >>> import kuai as torch
    >>> torch.mul(torch.tensor([1, 2]), 2.5)
    tensor([2.5000, 5.0000])
    """
    return xp.multiply(x, y)


@binary(shape=operands(rules.float_broadcast), name="div",
        vjp=(lambda g, y: true_divide(g, conj(y)), lambda g, out, y: neg(true_divide(mul(g, conj(out)), conj(y)))))  # fmt: skip
def true_divide(xp, x, y):
    """The quotient in floating point (``torch.true_divide``).

    >>> import kuai as torch
    >>> torch.true_divide(torch.tensor([1, 2]), 2)
    tensor([0.5000, 1.0000])
    """
    return xp.true_divide(x, y)


def _three_rule(op: Op, avals: Sequence) -> tuple:
    for i in range(3):
        need_tensor(op.name, avals[i], ("input", "tensor1", "tensor2")[i], i + 1)
    out, found = rules.broadcast(op, avals[:3])
    if avals[3] is None or getattr(avals[3], "shape", ()):
        raise TypeError(f"{op.name}(): argument 'value' must be Number, not {'NoneType' if avals[3] is None else 'Tensor'}")
    if avals[3] is complex and found.category < 3:
        raise RuntimeError(f"value cannot be converted to type {found} without overflow: {op.name} has no complex operand")
    return out, found


@op(shape=supports(INTEGER, FLOAT, COMPLEX)(_three_rule), name="addcmul", cost=3.0, vjp=(
    lambda g: g, lambda g, t2, value: _scale(mul(g, conj(t2)), value), lambda g, t1, value: _scale(mul(g, conj(t1)), value),
    None))  # fmt: skip
def _addcmul(xp, x, t1, t2, value):
    return x + value * t1 * t2


@factors_first("value")
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: object = 1, out: Tensor | None = None) -> Tensor:
    """``input + value * tensor1 * tensor2`` (``torch.addcmul``).

    >>> import kuai as torch
    >>> torch.addcmul(torch.ones(2), torch.tensor([1., 2.]), torch.tensor([3., 4.]), value=10)
    tensor([31., 81.])
    """
    made = _addcmul(input, tensor1, tensor2, value)
    return made if out is None else write_out(out, made)


def _quotient_rule(op: Op, avals: Sequence) -> tuple:
    out, found = _three_rule(op, avals)
    if found.category < 2:
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported; use (input + value * torch.trunc(tensor1 / tensor2))"
            ".to(input.dtype), or floating-point tensors"
        )
    return out, found


def _addcdiv_t2(g: Tensor, t1: Tensor, t2: Tensor, value: object) -> Tensor:
    t2 = conj(t2)
    return neg(_scale(true_divide(mul(g, conj(t1)), mul(t2, t2)), value))


@op(shape=_quotient_rule, name="addcdiv", cost=3.0, vjp=(
    lambda g: g, lambda g, t2, value: _scale(true_divide(g, conj(t2)), value), _addcdiv_t2, None))  # fmt: skip
def _addcdiv(xp, x, t1, t2, value):
    return x + value * (t1 / t2)


@factors_first("value")
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: object = 1, out: Tensor | None = None) -> Tensor:
    """``input + value * tensor1 / tensor2`` (``torch.addcdiv``).

    >>> import kuai as torch
    >>> torch.addcdiv(torch.ones(2), torch.tensor([1., 2.]), torch.tensor([2., 4.]), value=2)
    tensor([2., 2.])
    """
    if isinstance(tensor1, Tensor) and isinstance(tensor2, Tensor) and max(tensor1.dtype.category, tensor2.dtype.category) < 2:
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported; use input + value * torch.trunc(tensor1 / tensor2).to(input.dtype), or "
            "input + value * tensor1 / tensor2"
        )
    made = _addcdiv(input, tensor1, tensor2, value)
    return made if out is None else write_out(out, made)


def _lerp_rule(op: Op, avals: Sequence) -> tuple:
    x, y, weight = avals
    for a, name in ((y, "end"), (weight, "weight")):
        if not isinstance(a, type) and a.dtype is not x.dtype:
            a_name, x_name = rules._cname(a.dtype).lower(), rules._cname(x.dtype).lower()
            raise RuntimeError(f"expected dtype {x_name} for `{name}` but got dtype {a_name}")
    return rules.broadcast(op, avals[:2] if isinstance(weight, type) else avals)


def _lerp_everywhere(xp, x, y, weight):
    return xp.where(xp.abs(weight) < 0.5, x + weight * (y - x), y - (y - x) * (1 - weight))


@op(shape=supports(FLOAT, COMPLEX)(_lerp_rule), name="lerp", xla=_lerp_everywhere, cost=3.0, vjp=(
    lambda g, weight: mul(g, 1 - conj(weight)), lambda g, weight: mul(g, conj(weight)),
    lambda g, input, end: mul(g, conj(sub(end, input)))))  # fmt: skip
def _lerp(xp, input, end, weight):
    if np.ndim(weight):
        return _lerp_everywhere(xp, input, end, weight)
    return input + weight * (end - input) if np.abs(weight) < 0.5 else end - (end - input) * (1 - weight)


def lerp(input: Tensor, end: Tensor, weight: object, *, out: Tensor | None = None) -> Tensor:
    """``input + weight * (end - input)``: from one to the other on a straight line (``torch.lerp``).

    >>> import kuai as torch
    >>> torch.lerp(torch.tensor([0., 10.]), torch.tensor([4., 20.]), 0.25)
    tensor([ 1.0000, 12.5000])
    """
    if isinstance(weight, Tensor) and not weight.shape:
        weight = weight.to(input.dtype)  # one number for all: its own dtype does not matter
    if not isinstance(weight, (Tensor, int, float, complex)):
        raise TypeError(f"lerp(): argument 'weight' (position 3) must be Tensor or Number, not {type(weight).__name__}")
    if isinstance(weight, complex) and not input.dtype.is_complex:
        raise RuntimeError(f"lerp: value cannot be converted to type {input.dtype} without overflow: the weight is complex")
    made = _lerp(input, end, weight)
    return made if out is None else write_out(out, made)


# ---- signs -----------------------------------------------------------------------------------------------------------


def _negatable(op: Op, avals: Sequence) -> tuple:
    if avals[0].dtype is dtypes.bool_:
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the `~` "
            "or `logical_not()` operator instead."
        )
    return rules.broadcast(op, avals)


@unary(shape=tensors_only(_negatable), vjp=(lambda g: neg(g),))
def neg(xp, x):
    """Each element with the other sign (``torch.neg``).

    >>> import kuai as torch
    >>> torch.neg(torch.tensor([1, -2]))
    tensor([-1,  2])
    """
    return xp.negative(x)


def positive(input: Tensor) -> Tensor:
    """The tensor itself; RuntimeError for bools (``torch.positive``).

    >>> import kuai as torch
    >>> torch.positive(torch.tensor([1, -2]))
    tensor([ 1, -2])
    """
    if input.dtype is dtypes.bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


@unary(name="abs", shape=tensors_only(supports(INTEGER, FLOAT, COMPLEX)(real_part_dtype)), vjp=(lambda g, x: mul(g, sgn(x)),))
def abs(xp, x):  # noqa: A001 (PyTorch's name)
    """The magnitude of each element (``torch.abs``).

    >>> import kuai as torch
    >>> torch.abs(torch.tensor([-1.5, 2.]))
    tensor([1.5000, 2.0000])
    """
    return xp.abs(x)


absolute, negative, subtract, multiply = abs, neg, sub, mul
