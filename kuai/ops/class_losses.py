"""Losses of classes: negative log-likelihood and cross-entropy, one op forward and one backward.

Both are -sum(mass · log p): the mass of a class in a row is what its log-probability counts there. For class indices it
lies on the target (and, smoothed, a little on all classes); for class probabilities it is the target itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from ..engine.program import Aval, Op
from ..engine.trace import current
from ..tensor import Tensor
from . import rules
from .define import op
from .losses import check_reduction
from .softmax import _shifted

# ---- checks ----------------------------------------------------------------------------------------------------------


def check_targets(targets: np.ndarray, classes: int, ignore: int) -> None:
    """IndexError for a target that is no class. One pass finds both negative and too large ones."""
    unsigned = targets.view(np.uint64) if targets.dtype == np.int64 else targets
    if targets.size and unsigned.max() >= classes:
        wrong = targets[(targets != ignore) & ((targets < 0) | (targets >= classes))]
        if wrong.size:
            raise IndexError(f"Target {wrong[0]} is out of bounds.")


def check_target_shape(x: Aval, t: Aval) -> None:
    if x.shape[:1] != t.shape[:1] and len(x.shape) > 1:
        given = t.shape[0] if t.shape else 1
        raise ValueError(f"Expected input batch_size ({x.shape[0]}) to match target batch_size ({given}).")
    wanted = [*x.shape[:1], *x.shape[2:]] if len(x.shape) > 1 else []
    if list(t.shape) != wanted:
        raise RuntimeError(f"Expected target size {wanted}, got {list(t.shape)} (input has shape {list(x.shape)})")


def _check_index_operands(op: Op, x: Aval, t: Aval, w: Aval | None) -> None:
    if x.dtype.category != 2:
        raise NotImplementedError(f'"{op.name}" not implemented for \'{rules._cname(x.dtype)}\'')
    check_target_shape(x, t)
    if t.dtype.name not in ("int64", "uint8"):
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {rules._cname(t.dtype)}")
    _check_weight(x, w)
    if w is not None and w.dtype is not x.dtype:
        raise RuntimeError(f"expected scalar type {rules._cname(x.dtype)} but found {rules._cname(w.dtype)}")


def _check_weight(x: Aval, w: Aval | None) -> None:
    classes = x.shape[_axis(x)]
    if w is not None and w.shape != (classes,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but got weight tensor of "
            f"shape: {list(w.shape)}"
        )


# ---- what both executions compute ------------------------------------------------------------------------------------


def _axis(x) -> int:
    """The dimension of classes."""
    return 0 if len(x.shape) == 1 else 1


def _row_count(x) -> int:
    return prod(x.shape[: _axis(x)]) * prod(x.shape[_axis(x) + 1 :])


def _log_softmax(xp, x, axis):
    shifted = _shifted(xp, x, axis)
    return shifted - xp.log(xp.exp(shifted).sum(axis, keepdims=True))


def _picked(xp, x, t, safe, ignore):
    """Each row's value at its target. Out of bounds is an error; under XLA, which has none, nan."""
    axis, classes = _axis(x), x.shape[_axis(x)]
    if xp is np:
        check_targets(t, classes, ignore)
        return np.take_along_axis(x, np.expand_dims(safe, axis), axis).squeeze(axis)
    found = xp.take_along_axis(x, xp.expand_dims(safe, axis), axis, mode="fill").squeeze(axis)
    return xp.where(safe < 0, xp.nan, found)


def _rows(xp, x, t, w, ignore):
    """Which rows count, their targets (0 where they don't), and what they weigh."""
    valid = t != ignore
    safe = xp.where(valid, t, 0)
    return valid, safe, valid.astype(x.dtype) if w is None else xp.where(valid, w[safe], 0)


def row_weights(xp, x, t, w, ignore):
    """What each row weighs in the mean."""
    return _rows(xp, x, t, w, ignore)[2]


def _column(w, x):
    """A weight for each class, along x's dimension of classes."""
    return w.reshape(-1, *[1] * (len(x.shape) - 1 - _axis(x)))


def _reduced(rows, weights, reduction):
    if reduction == "none":
        return rows
    return rows.sum() / weights.sum() if reduction == "mean" else rows.sum()


def _mass(xp, x, t, w, smoothing, ignore):
    """The mass of all classes, its sum in each row, and what a row weighs."""
    axis, classes = _axis(x), x.shape[_axis(x)]
    valid, safe, weights = _rows(xp, x, t, w, ignore)
    at_target = xp.expand_dims(safe, axis) == _column(xp.arange(classes), x)
    total = xp.expand_dims(weights, axis)
    mass = at_target * total
    if smoothing is None:
        return mass, total, weights
    share = xp.expand_dims(valid, axis) * (smoothing / classes)
    shares, whole = (share, classes) if w is None else (share * _column(w, x), w.sum())
    return mass * (1 - smoothing) + shares, total * (1 - smoothing) + share * whole, weights


def _cotangents(xp, g, x, t, weights, ignore, reduction):
    """Each row's cotangent, from the result's; 0 for rows that don't count, even if none does."""
    if reduction == "mean":
        g = xp.where(t != ignore, g / weights.sum(), 0)
    return g if reduction == "sum" else xp.expand_dims(g, _axis(x))


def _soft_mass(t, w, smoothing, axis, x):
    """As `_mass`, for class probabilities."""
    mass = t if smoothing is None else t * (1 - smoothing) + smoothing / x.shape[axis]
    return mass if w is None else mass * _column(w, x)


# ---- negative log-likelihood -----------------------------------------------------------------------------------------


def _index_rule(op: Op, avals: Sequence, *, ignore: int, reduction: str) -> tuple:
    x, t, w, *smoothing = avals
    check_reduction(reduction)
    _check_index_operands(op, x, t, w)
    shape = t.shape if reduction == "none" else ()
    return Aval(shape, x.dtype, rules.common_device(op, avals)), (x.dtype, t.dtype, x.dtype, x.dtype)[: len(avals)]


def _index_backward_rule(op: Op, avals: Sequence, *, ignore: int, reduction: str) -> tuple:
    g, x, t, *others = avals
    return x, (x.dtype, x.dtype, t.dtype, x.dtype, x.dtype)[: len(avals)]


def _nll_gradient(g, x, t, w, ignore, reduction):
    return _nll_backward(g, x, t, w, ignore=ignore, reduction=reduction)


def _nll_curvature(g, t, w, ignore, reduction):
    """The loss is linear in the input, so what comes back to its backward op's g is the loss again."""
    return _nll(g, t, w, ignore=ignore, reduction=reduction)


@op(shape=_index_backward_rule, name="nll_loss_backward", vjp=(_nll_curvature, None, None, None), cost=3.0)
def _nll_backward(xp, g, x, t, w, *, ignore, reduction):
    mass, _, weights = _mass(xp, x, t, w, None, ignore)
    return -mass * _cotangents(xp, g, x, t, weights, ignore, reduction)


@op(shape=_index_rule, name="nll_loss", vjp=(_nll_gradient, None, None), cost=0.5)
def _nll(xp, x, t, w, *, ignore, reduction):
    valid, safe, weights = _rows(xp, x, t, w, ignore)
    rows = xp.where(valid, -_picked(xp, x, t, safe, ignore) * weights, 0)
    return _reduced(rows, weights, reduction)


# ---- cross-entropy of class indices ----------------------------------------------------------------------------------


def _index_gradient(g, x, t, w, smoothing, ignore, reduction):
    if not current.grad:
        return _cross_entropy_backward(g, x, t, w, smoothing, ignore=ignore, reduction=reduction)
    axis = _axis(x)
    mass = _mass_of(x.detach(), t, w, smoothing, ignore=ignore, reduction=reduction)
    rows = g.unsqueeze(axis) if reduction == "none" else g
    return (x.softmax(axis) * mass.sum(axis, keepdim=True) - mass) * rows


@op(shape=_index_rule, name="cross_entropy", grad_name="NllLossBackward0", cost=12.0,
    vjp=(_index_gradient, None, None, None))  # fmt: skip
def _cross_entropy(xp, x, t, w, smoothing, *, ignore, reduction):
    axis, classes = _axis(x), x.shape[_axis(x)]
    logs = _log_softmax(xp, x, axis)
    valid, safe, weights = _rows(xp, x, t, w, ignore)
    rows = -_picked(xp, logs, t, safe, ignore) * weights
    if smoothing is not None:
        everywhere = (logs if w is None else logs * _column(w, x)).sum(axis)
        rows = rows * (1 - smoothing) - everywhere * (smoothing / classes)
    return _reduced(xp.where(valid, rows, 0), weights, reduction)


@op(shape=_index_backward_rule, name="cross_entropy_backward", vjp=None, cost=12.0)
def _cross_entropy_backward(xp, g, x, t, w, smoothing, *, ignore, reduction):
    mass, total, weights = _mass(xp, x, t, w, smoothing, ignore)
    slope = xp.exp(_log_softmax(xp, x, _axis(x))) * total - mass
    return slope * _cotangents(xp, g, x, t, weights, ignore, reduction)


def _mass_rule(op: Op, avals: Sequence, **static: object) -> tuple:
    x, t, *others = avals
    return x, (x.dtype, t.dtype, x.dtype, x.dtype)


@op(shape=_mass_rule, name="class_mass", vjp=None)
def _mass_of(xp, x, t, w, smoothing, *, ignore, reduction):
    """What each log-probability counts in the loss."""
    mass, _, weights = _mass(xp, x, t, w, smoothing, ignore)
    return mass * _cotangents(xp, xp.ones((), x.dtype), x, t, weights, ignore, "mean") if reduction == "mean" else mass


# ---- cross-entropy of class probabilities ----------------------------------------------------------------------------


def _soft_operands(op: Op, x: Aval, t: Aval, w: Aval | None) -> tuple:
    if x.dtype.category != 2:
        raise NotImplementedError(f'"{op.name}" not implemented for \'{rules._cname(x.dtype)}\'')
    if t.dtype.category != 2:
        raise RuntimeError(
            f"Expected floating point type for target with class probabilities, got {rules._cname(t.dtype)}"
        )
    _check_weight(x, w)
    return rules.result_dtype([x, t, w]), rules.common_device(op, [x, t, w])


def _soft_rule(op: Op, avals: Sequence, *, reduction: str) -> tuple:
    x, t, w, _ = avals
    check_reduction(reduction)
    found, where = _soft_operands(op, x, t, w)
    shape = rules.reduced_shape(x.shape, (_axis(x),), False) if reduction == "none" else ()
    return Aval(shape, found, where), found


def _soft_gradient(g, x, t, w, smoothing, reduction):
    if not current.grad:
        return _soft_backward(g, x, t, w, smoothing, reduction=reduction)
    axis = _axis(x)
    mass = _soft_mass(t, w, smoothing, axis, x)
    return (x.softmax(axis) * mass.sum(axis, keepdim=True) - mass) * _soft_rows(g, x, reduction)


def _soft_rows(g: Tensor, x: Tensor, reduction: str) -> Tensor:
    axis = _axis(x)
    if reduction == "none":
        return g.unsqueeze(axis)
    return g / _row_count(x) if reduction == "mean" else g


def _soft_target_gradient(g, x, w, smoothing, reduction):
    slope = -x.log_softmax(_axis(x)) * _soft_rows(g, x, reduction)
    slope = slope if w is None else slope * _column(w, x)
    return slope if smoothing is None else slope * (1 - smoothing)


def _soft_weight_gradient(g, x, t, smoothing, reduction):
    axis = _axis(x)
    slope = -x.log_softmax(axis) * _soft_mass(t, None, smoothing, axis, x) * _soft_rows(g, x, reduction)
    return slope.movedim(axis, -1)


@op(shape=_soft_rule, name="cross_entropy_of_probabilities", grad_name="DivBackward1", cost=14.0,
    vjp=(_soft_gradient, _soft_target_gradient, _soft_weight_gradient, None))  # fmt: skip
def _soft_cross_entropy(xp, x, t, w, smoothing, *, reduction):
    axis = _axis(x)
    rows = -(_log_softmax(xp, x, axis) * _soft_mass(t, w, smoothing, axis, x)).sum(axis)
    if reduction == "none":
        return rows
    return rows.sum() / rows.size if reduction == "mean" else rows.sum()


def _soft_backward_rule(op: Op, avals: Sequence, *, reduction: str) -> tuple:
    g, x, *others = avals
    return x.with_(dtype=g.dtype), g.dtype


@op(shape=_soft_backward_rule, name="cross_entropy_of_probabilities_backward", vjp=None, cost=14.0)
def _soft_backward(xp, g, x, t, w, smoothing, *, reduction):
    axis = _axis(x)
    mass = _soft_mass(t, w, smoothing, axis, x)
    rows = xp.expand_dims(g, axis) if reduction == "none" else g
    rows = rows / _row_count(x) if reduction == "mean" else rows
    return (xp.exp(_log_softmax(xp, x, axis)) * mass.sum(axis, keepdims=True) - mass) * rows
