"""Comparisons, logic, bits, and choosing between elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..engine.program import Aval, Op
from ..errors import warn
from ..tensor import Tensor
from . import rules
from .along import also_named
from .define import binary, op, unary, write_exact, write_out
from .numerics.blocks import choose, kept
from .pointwise import BOOL, FLOAT, INTEGER, first_tensor, need_tensor, some_tensor, supports, tensors_only, truth

# ---- comparisons -----------------------------------------------------------------------------------------------------

_equality = first_tensor(rules.compare)
_order = first_tensor(supports(BOOL, INTEGER, FLOAT)(rules.compare))


@binary(shape=_equality, vjp=None, exact=True)
def eq(xp, x, y):
    """Where the elements are equal (``torch.eq``).

    >>> import kuai as torch
    >>> torch.eq(torch.tensor([1, 2]), torch.tensor([1, 3]))
    tensor([ True, False])
    """
    return xp.equal(x, y)


@binary(shape=_equality, vjp=None, exact=True)
def ne(xp, x, y):
    """Where the elements differ (``torch.ne``).

    >>> import kuai as torch
    >>> torch.ne(torch.tensor([1, 2]), 2)
    tensor([ True, False])
    """
    return xp.not_equal(x, y)


@binary(shape=_order, vjp=None, exact=True)
def lt(xp, x, y):
    """Where the first is less (``torch.lt``).

    >>> import kuai as torch
    >>> torch.lt(torch.tensor([1, 2]), 2)
    tensor([ True, False])
    """
    return xp.less(x, y)


@binary(shape=_order, vjp=None, exact=True)
def le(xp, x, y):
    """Where the first is less or equal (``torch.le``).

    >>> import kuai as torch
    >>> torch.le(torch.tensor([1, 3]), 2)
    tensor([ True, False])
    """
    return xp.less_equal(x, y)


@binary(shape=_order, vjp=None, exact=True)
def gt(xp, x, y):
    """Where the first is greater (``torch.gt``).

    >>> import kuai as torch
    >>> torch.gt(torch.tensor([1, 3]), 2)
    tensor([False,  True])
    """
    return xp.greater(x, y)


@binary(shape=_order, vjp=None, exact=True)
def ge(xp, x, y):
    """Where the first is greater or equal (``torch.ge``).

    >>> import kuai as torch
    >>> torch.ge(torch.tensor([1, 2]), 2)
    tensor([False,  True])
    """
    return xp.greater_equal(x, y)


# ---- kinds of numbers ------------------------------------------------------------------------------------------------

_question = tensors_only(truth)
_real_question = tensors_only(supports(BOOL, INTEGER, FLOAT)(truth))


@unary(shape=_question, vjp=None)
def isnan(xp, x):
    """Where an element is not a number (``torch.isnan``).

    >>> import kuai as torch
    >>> torch.isnan(torch.tensor([1., torch.nan]))
    tensor([False,  True])
    """
    return xp.isnan(x)


@unary(shape=_question, vjp=None)
def isinf(xp, x):
    """Where an element is infinite (``torch.isinf``).

    >>> import kuai as torch
    >>> torch.isinf(torch.tensor([1., float("-inf")]))
    tensor([False,  True])
    """
    return xp.isinf(x)


@unary(shape=_question, vjp=None)
def isfinite(xp, x):
    """Where an element is neither infinite nor nan (``torch.isfinite``).

    >>> import kuai as torch
    >>> torch.isfinite(torch.tensor([1., torch.inf]))
    tensor([ True, False])
    """
    return xp.isfinite(x)


@unary(shape=_real_question, vjp=None)
def isposinf(xp, x):
    """Where an element is positive infinity (``torch.isposinf``).

    >>> import kuai as torch
    >>> torch.isposinf(torch.tensor([torch.inf, float("-inf")]))
    tensor([ True, False])
    """
    return x == np.inf


@unary(shape=_real_question, vjp=None)
def isneginf(xp, x):
    """Where an element is negative infinity (``torch.isneginf``).

    >>> import kuai as torch
    >>> torch.isneginf(torch.tensor([torch.inf, float("-inf")]))
    tensor([False,  True])
    """
    return x == -np.inf


# ---- logic -----------------------------------------------------------------------------------------------------------


@binary(shape=_question, vjp=None)
def logical_and(xp, x, y):
    """Where both are true, that is not zero (``torch.logical_and``).

    >>> import kuai as torch
    >>> torch.logical_and(torch.tensor([1, 2]), torch.tensor([0., 3.]))
    tensor([False,  True])
    """
    return xp.logical_and(x, y)


@binary(shape=_question, vjp=None)
def logical_or(xp, x, y):
    """Where at least one is true (``torch.logical_or``).

    >>> import kuai as torch
    >>> torch.logical_or(torch.tensor([0, 2]), torch.tensor([0., 3.]))
    tensor([False,  True])
    """
    return xp.logical_or(x, y)


@binary(shape=_question, vjp=None)
def logical_xor(xp, x, y):
    """Where just one is true (``torch.logical_xor``).

    >>> import kuai as torch
    >>> torch.logical_xor(torch.tensor([1, 2]), torch.tensor([0., 3.]))
    tensor([ True, False])
    """
    return xp.logical_xor(x, y)


@unary(shape=_question, vjp=None)
def logical_not(xp, x):
    """Where an element is zero (``torch.logical_not``).

    >>> import kuai as torch
    >>> torch.logical_not(torch.tensor([0, 2]))
    tensor([ True, False])
    """
    return xp.logical_not(x)


# ---- bits ------------------------------------------------------------------------------------------------------------

_bits = some_tensor(supports(BOOL, INTEGER)(rules.broadcast))
_shifted = some_tensor(supports(INTEGER)(rules.broadcast))


@binary(shape=_bits, vjp=None)
def bitwise_and(xp, x, y):
    """The bits that both have; logical and, for bools (``torch.bitwise_and``).

    >>> import kuai as torch
    >>> torch.bitwise_and(torch.tensor([6, 3]), 5)
    tensor([4, 1])
    """
    return xp.bitwise_and(x, y)


@binary(shape=_bits, vjp=None)
def bitwise_or(xp, x, y):
    """The bits that either has (``torch.bitwise_or``).

    >>> import kuai as torch
    >>> torch.bitwise_or(torch.tensor([6, 3]), 5)
    tensor([7, 7])
    """
    return xp.bitwise_or(x, y)


@binary(shape=_bits, vjp=None)
def bitwise_xor(xp, x, y):
    """The bits that just one has (``torch.bitwise_xor``).

    >>> import kuai as torch
    >>> torch.bitwise_xor(torch.tensor([6, 3]), 5)
    tensor([3, 6])
    """
    return xp.bitwise_xor(x, y)


@unary(shape=tensors_only(_bits), vjp=None)
def bitwise_not(xp, x):
    """Every bit turned; logical not, for bools (``torch.bitwise_not``).

    >>> import kuai as torch
    >>> torch.bitwise_not(torch.tensor([0, 5]))
    tensor([-1, -6])
    """
    return xp.invert(x)


def _width(x: np.ndarray) -> int:
    return 8 * x.dtype.itemsize


@binary(shape=_shifted, vjp=None)
def bitwise_left_shift(xp, x, y):
    """The bits moved to the left; all are lost beyond the width (``torch.bitwise_left_shift``).

    >>> import kuai as torch
    >>> torch.bitwise_left_shift(torch.tensor([1, 3]), 2)
    tensor([ 4, 12])
    """
    outside = (y < 0) | (y >= _width(x))
    return xp.where(outside, 0, xp.left_shift(x, xp.where(outside, 0, y)))


@binary(shape=_shifted, vjp=None)
def bitwise_right_shift(xp, x, y):
    """The bits moved to the right, the sign kept (``torch.bitwise_right_shift``).

    >>> import kuai as torch
    >>> torch.bitwise_right_shift(torch.tensor([8, -8]), 2)
    tensor([ 2, -2])
    """
    outside = (y < 0) | (y >= _width(x))
    kept = xp.right_shift(x, xp.where(outside, _width(x) - 1, y))
    return xp.where(outside, 0, kept) if x.dtype.kind == "u" else kept


# ---- choosing --------------------------------------------------------------------------------------------------------


def _where_rule(op: Op, avals: Sequence) -> tuple:
    condition = avals[0]
    if condition.dtype is dtypes.uint8:
        warn("where received a uint8 condition tensor; use a boolean condition instead", UserWarning)
    elif condition.dtype is not dtypes.bool_:
        raise RuntimeError(
            "where expected condition to be a boolean tensor, but got a tensor with dtype " + rules._cname(condition.dtype)
        )
    shape, device = rules._joint(op, avals)
    found = rules.result_dtype(avals[1:])
    return Aval(shape, found, device), (dtypes.bool_, found, found)


@op(shape=_where_rule, name="where", vjp=(
    None, lambda g, condition: _where(condition, g, 0), lambda g, condition: _where(condition, 0, g)))  # fmt: skip
def _where(xp, condition, x, y):
    return choose(xp, condition, x, y)


def where(condition: Tensor, input: Tensor | complex | None = None, other: Tensor | complex | None = None, *,
          out: Tensor | None = None) -> Any:  # fmt: skip
    """``input`` where the condition holds, ``other`` elsewhere; the indices where it holds, if alone (``torch.where``).

    >>> import kuai as torch
    >>> torch.where(torch.tensor([True, False]), torch.tensor([1., 2.]), 0.0)
    tensor([1., 0.])
    """
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    if input is None or other is None:
        raise TypeError("where(): needs input and other, or neither")
    made = _where(condition, input, other)
    return made if out is None else write_exact(out, made)


def _cotangent_rule(op: Op, avals: Sequence) -> tuple:
    """As the cotangent, which comes first; what is compared is so in its own common dtype."""
    g, *compared = avals
    return g, (g.dtype, *[rules.result_dtype(compared)] * len(compared))


@op(shape=_cotangent_rule, name="share", cost=4.0,
    vjp=(lambda g, large, small: _share(g, large, small), None, None))  # fmt: skip
def _share(xp, g, large, small):
    """The cotangent where the first is larger or one is nan, half of it where they are equal."""
    return xp.where(large < small, 0, xp.where(large == small, g / 2, g))


def _ordered(name: str) -> Callable:
    refused = f"{name} not implemented for complex tensors."
    return tensors_only(supports(BOOL, INTEGER, FLOAT, otherwise=refused)(rules.broadcast))


@binary(shape=_ordered("maximum"), vjp=(lambda g, x, y: _share(g, x, y), lambda g, x, y: _share(g, y, x)))
def maximum(xp, x, y):
    """The larger element; nan if one is nan (``torch.maximum``).

    >>> import kuai as torch
    >>> torch.maximum(torch.tensor([1, 5]), torch.tensor([3, 4]))
    tensor([3, 5])
    """
    return xp.maximum(x, y)


@binary(shape=_ordered("minimum"), vjp=(lambda g, x, y: _share(g, y, x), lambda g, x, y: _share(g, x, y)))
def minimum(xp, x, y):
    """The smaller element; nan if one is nan (``torch.minimum``).

    >>> import kuai as torch
    >>> torch.minimum(torch.tensor([1, 5]), torch.tensor([3, 4]))
    tensor([1, 4])
    """
    return xp.minimum(x, y)


@op(shape=_cotangent_rule, name="take_share", cost=4.0,
    vjp=(lambda g, chosen, other: _take(g, chosen, other), None, None))  # fmt: skip
def _take(xp, g, chosen, other):
    """The cotangent where the first is not less, or the second is nan: `fmax`, and with signs turned `fmin`."""
    return kept(xp, (chosen >= other) | xp.isnan(other), g)


@op(shape=_cotangent_rule, name="leave_share", cost=4.0,
    vjp=(lambda g, chosen, other: _leave(g, chosen, other), None, None))  # fmt: skip
def _leave(xp, g, chosen, other):
    """The cotangent where `take_share` does not have it."""
    return kept(xp, ~((chosen >= other) | xp.isnan(other)), g)


@binary(shape=_ordered("fmax"), vjp=(lambda g, x, y: _take(g, x, y), lambda g, x, y: _leave(g, x, y)))
def fmax(xp, x, y):
    """The larger element; the other one if one is nan (``torch.fmax``).

    >>> import kuai as torch
    >>> torch.fmax(torch.tensor([1., torch.nan]), torch.tensor([3., 4.]))
    tensor([3., 4.])
    """
    return xp.fmax(x, y)


@binary(shape=_ordered("fmin"), vjp=(lambda g, x, y: _take(g, -x, -y), lambda g, x, y: _leave(g, -x, -y)))
def fmin(xp, x, y):
    """The smaller element; the other one if one is nan (``torch.fmin``).

    >>> import kuai as torch
    >>> torch.fmin(torch.tensor([1., torch.nan]), torch.tensor([3., 4.]))
    tensor([1., 4.])
    """
    return xp.fmin(x, y)


# ---- bounds ----------------------------------------------------------------------------------------------------------

_bounded_numbers = supports(INTEGER, FLOAT)(rules.broadcast)


def _bounded(op: Op, avals: Sequence) -> tuple:
    """Bools have a lower or an upper bound, if that is a tensor; never both."""
    given = [a for a in avals if a is not None]
    if len(given) == 2 and all(type(a) is Aval for a in given):
        return _ordered("clamp")(op, given)[0], (rules.result_dtype(given),) * 3
    return _bounded_numbers(op, avals)



@op(shape=_cotangent_rule, name="inside", cost=3.0, vjp=(lambda g, x, low, high: _inside(g, x, low, high), None, None, None))
def _inside(xp, g, x, low, high):
    """The cotangent where x is within the bounds."""
    inside = x <= high if low is None else x >= low if high is None else (x >= low) & (x <= high)
    return kept(xp, inside, g)


@op(shape=_cotangent_rule, name="at_low", cost=3.0, vjp=(lambda g, x, low, high: _at_low(g, x, low, high), None, None, None))
def _at_low(xp, g, x, low, high):
    """The cotangent where the lower bound is the result."""
    return kept(xp, x < low if high is None else (x < low) & (low < high), g)


@op(shape=_cotangent_rule, name="at_high", cost=3.0, vjp=(lambda g, x, low, high: _at_high(g, x, low, high), None, None, None))
def _at_high(xp, g, x, low, high):
    """The cotangent where the upper bound is the result."""
    return kept(xp, x > high if low is None else (x > high) | (high < low), g)


@op(shape=_bounded, name="clamp", cost=2.0, vjp=(
    lambda g, x, low, high: _inside(g, x, low, high), lambda g, x, low, high: _at_low(g, x, low, high),
    lambda g, x, low, high: _at_high(g, x, low, high)))  # fmt: skip
def _clamp(xp, x, low, high):
    x = x if low is None else xp.maximum(x, low)
    return x if high is None else xp.minimum(x, high)


def clamp(input: Tensor, min: object = None, max: object = None, *, out: Tensor | None = None) -> Tensor:  # noqa: A002
    """Each element, but not below ``min`` and not above ``max`` (``torch.clamp``).

    >>> import kuai as torch
    >>> torch.clamp(torch.tensor([-2., 0.5, 3.]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    need_tensor("clamp", input, "input", 1)
    if isinstance(min, Tensor) is not isinstance(max, Tensor) and min is not None and max is not None:
        if any(isinstance(b, Tensor) and b.ndim for b in (min, max)):
            raise TypeError("clamp(): min and max must both be tensors or both be numbers")
        min, max = (b.item() if isinstance(b, Tensor) else b for b in (min, max))  # noqa: A001
    for bound in (min, max):
        if isinstance(bound, (int, float, complex)):
            rules.need_fit(bound, dtypes.promote_scalar(input.dtype, type(bound)), "clamp")
    made = _clamp(input, min, max)
    return made if out is None else write_out(out, made)


def clamp_min(input: Tensor, min: object, *, out: Tensor | None = None) -> Tensor:  # noqa: A002
    """Each element, but not below ``min`` (``torch.clamp_min``).

    >>> import kuai as torch
    >>> torch.clamp_min(torch.tensor([-2., 3.]), 0)
    tensor([0., 3.])
    """
    if min is None:
        raise TypeError("clamp_min(): argument 'min' (position 2) must be Tensor or Number, not NoneType")
    return clamp(input, min, out=out)


def clamp_max(input: Tensor, max: object, *, out: Tensor | None = None) -> Tensor:  # noqa: A002
    """Each element, but not above ``max`` (``torch.clamp_max``).

    >>> import kuai as torch
    >>> torch.clamp_max(torch.tensor([-2., 3.]), 0)
    tensor([-2.,  0.])
    """
    if max is None:
        raise TypeError("clamp_max(): argument 'max' (position 2) must be Tensor or Number, not NoneType")
    return clamp(input, None, max, out=out)


# ---- nearly equal, equal, among --------------------------------------------------------------------------------------


def _close_rule(op: Op, avals: Sequence, *, equal_nan: bool) -> tuple:
    x, y = avals[:2]
    if x.dtype is not y.dtype:
        raise RuntimeError(f"{rules._cname(x.dtype)} did not match {rules._cname(y.dtype)}")
    out, found = rules.compare(op, avals[:2])
    if found.category < 2:
        found = dtypes.float64
    return out, (found, found, found.to_real(), found.to_real())


@op(shape=_close_rule, vjp=None, name="isclose", cost=5.0)
def _isclose(xp, x, y, rtol, atol, *, equal_nan):
    same = (x == y) | (xp.isnan(x) & xp.isnan(y)) if equal_nan else x == y
    return same | (xp.isfinite(x) & xp.isfinite(y) & (xp.abs(x - y) <= atol + xp.abs(rtol * y)))


def isclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Where the elements differ by no more than ``atol + rtol * abs(other)`` (``torch.isclose``).

    >>> import kuai as torch
    >>> torch.isclose(torch.tensor([1., 1.]), torch.tensor([1.000001, 1.1]))
    tensor([ True, False])
    """
    for i, (x, name) in enumerate(((input, "input"), (other, "other")), 1):
        need_tensor("isclose", x, name, i)
    for value, name in ((rtol, "rtol"), (atol, "atol")):
        if value < 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {value}")
    return _isclose(input, other, rtol, atol, equal_nan=equal_nan)


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether `isclose` holds everywhere (``torch.allclose``).

    >>> import kuai as torch
    >>> torch.allclose(torch.tensor([1., 2.]), torch.tensor([1., 2.000001]))
    True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan)._array().all())


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and elements (``torch.equal``).

    >>> import kuai as torch
    >>> torch.equal(torch.tensor([1, 2]), torch.tensor([1, 2]))
    True
    """
    for i, (x, name) in enumerate(((input, "input"), (other, "other")), 1):
        need_tensor("equal", x, name, i)
    return input.shape == other.shape and bool(eq(input, other)._array().all())


def _among_rule(op: Op, avals: Sequence, *, invert: bool) -> tuple:
    elements, tests = avals
    found = rules.result_dtype(avals)
    if found.category not in (INTEGER, FLOAT):
        raise RuntimeError(f"Unsupported input type encountered for isin(): {found}")
    shape = elements.shape if type(elements) is Aval else ()
    return Aval(shape, dtypes.bool_, rules.common_device(op, avals)), found


@op(shape=some_tensor(_among_rule), vjp=None, name="isin", cost=20.0)
def _isin(xp, elements, tests, *, invert):
    return xp.isin(elements, tests, invert=invert)


@also_named(element="elements", test_element="test_elements")
def isin(elements: object, test_elements: object, *, assume_unique: bool = False, invert: bool = False,
         out: Tensor | None = None) -> Tensor:  # fmt: skip
    """Where an element is among the test elements, or is not (``torch.isin``).

    >>> import kuai as torch
    >>> torch.isin(torch.tensor([1, 2, 3]), torch.tensor([2, 4]))
    tensor([False,  True, False])
    """
    if any(isinstance(x, Tensor) and x.dtype is dtypes.bool_ for x in (elements, test_elements)):
        raise RuntimeError("Unsupported input type encountered for isin(): Bool; make the elements numbers, x.int()")
    made = _isin(elements, test_elements, invert=invert)
    return made if out is None else write_exact(out, made)


clip, greater, greater_equal, less, less_equal, not_equal = clamp, gt, ge, lt, le, ne

INPLACE = ("eq", "ne", "lt", "le", "gt", "ge", "greater", "greater_equal", "less", "less_equal", "not_equal", "logical_and",
           "logical_or", "logical_xor", "logical_not", "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not",
           "bitwise_left_shift", "bitwise_right_shift", "clamp", "clip", "clamp_min", "clamp_max")  # fmt: skip
METHODS = (*INPLACE, "isnan", "isinf", "isfinite", "isposinf", "isneginf", "maximum", "minimum", "fmax", "fmin", "isclose",
           "allclose", "equal")  # fmt: skip


def _where_method(self: Tensor, condition: Tensor, other: object) -> Tensor:
    """This tensor's elements where a condition holds, another's elsewhere (``torch.Tensor.where``).

    >>> import kuai as torch
    >>> torch.tensor([1, 2]).where(torch.tensor([True, False]), 0)
    tensor([1, 0])
    """
    return where(condition, self, other)


METHODS_EXTRA = {"where": _where_method}
