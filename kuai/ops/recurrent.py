"""Recurrent layers: one op for a layer in one direction over a whole sequence, and one for its derivatives.

The products with the input are made for all steps at once before the loop; the derivatives of the weights after it. What
is left in the loop is one product a step. A derivative that is to be differentiated itself goes by composed ops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from .. import dtypes
from ..autograd.anew import differentiate, widened
from ..engine.program import Aval, Op, State
from ..engine.trace import current
from ..tensor import Tensor
from . import rules
from .comparison import where
from .creation import zeros
from .define import op
from .joining import stack

# ---- cells: one step forward, and what one step back is multiplied by ------------------------------------------------


class Functions(NamedTuple):
    """What a step is written with: arrays' functions, or tensors'."""

    sigmoid: Callable
    tanh: Callable
    relu: Callable
    where: Callable


class Weights(NamedTuple):
    """What a step needs of a layer's weights; the matrices as they multiply a state: turned for a step forward."""

    hidden: object  # w_hh
    hidden_bias: object  # b_hh, where it is not added before the loop
    projection: object  # w_hr, or None


def _parts(x, n: int) -> list:
    size = x.shape[-1] // n
    return [x[..., i * size : (i + 1) * size] for i in range(n)]


class _Plain:
    """h' = act(xw + h·W)"""

    gates, states, kept = 1, 1, 0

    def __init__(self, act: str):
        self.act = act

    def step(self, f: Functions, state: tuple, xw, w: Weights) -> tuple:
        return (getattr(f, self.act)(xw + state[0] @ w.hidden),), ()

    def factors(self, f: Functions, before: tuple, after: tuple, kept: tuple) -> tuple:
        (y,) = after
        return ((1 - y * y if self.act == "tanh" else (y > 0).astype(y.dtype)),)

    def back(self, xp, grads: tuple, factors: tuple, w: Weights) -> tuple:
        made = grads[0] * factors[0]
        return (made @ w.hidden,), (made,)

    def products(self, xp, made: tuple, factors: tuple) -> tuple:
        return made[0], made[0]


class _LSTM:
    """c' = f·c + i·g, h' = o·tanh(c')"""

    gates, states, kept = 4, 2, 1

    def step(self, f: Functions, state: tuple, xw, w: Weights) -> tuple:
        h, c = state
        gates = xw + h @ w.hidden
        i, forget, g, o = _parts(gates, 4)
        c = f.sigmoid(forget) * c + f.sigmoid(i) * f.tanh(g)
        h = f.sigmoid(o) * f.tanh(c)
        if w.projection is not None:
            h = h @ w.projection
        return (h, c), (gates,)

    def factors(self, f: Functions, before: tuple, after: tuple, kept: tuple) -> tuple:
        i, forget, g, o = _parts(kept[0], 4)
        i, forget, g, o, c = f.sigmoid(i), f.sigmoid(forget), f.tanh(g), f.sigmoid(o), f.tanh(after[1])
        return (g * i * (1 - i), before[1] * forget * (1 - forget), i * (1 - g * g), c * o * (1 - o), o * (1 - c * c), forget,
                o * c)  # fmt: skip

    def back(self, xp, grads: tuple, factors: tuple, w: Weights) -> tuple:
        gh, gc = grads
        for_i, for_f, for_g, for_o, for_c, forget, _ = factors
        inner = gh if w.projection is None else gh @ w.projection
        gc = gc + inner * for_c
        made = xp.concatenate([gc * for_i, gc * for_f, gc * for_g, inner * for_o], -1)
        return (made @ w.hidden, gc * forget), (made, gh)

    def products(self, xp, made: tuple, factors: tuple) -> tuple:
        return made[0], made[0]


class _GRU:
    """r, z, n = …; h' = (1 - z)·n + z·h"""

    gates, states, kept = 3, 1, 2

    def step(self, f: Functions, state: tuple, xw, w: Weights) -> tuple:
        (h,) = state
        hw = h @ w.hidden
        hw = hw if w.hidden_bias is None else hw + w.hidden_bias
        (xr, xz, xn), (hr, hz, hn) = _parts(xw, 3), _parts(hw, 3)
        z = f.sigmoid(xz + hz)
        n = f.tanh(xn + f.sigmoid(xr + hr) * hn)
        return (n + z * (h - n),), (xw, hw)

    def factors(self, f: Functions, before: tuple, after: tuple, kept: tuple) -> tuple:
        (xr, xz, xn), (hr, hz, hn) = _parts(kept[0], 3), _parts(kept[1], 3)
        r, z = f.sigmoid(xr + hr), f.sigmoid(xz + hz)
        n = f.tanh(xn + r * hn)
        for_n = (1 - z) * (1 - n * n)
        return for_n * hn * r * (1 - r), (before[0] - n) * z * (1 - z), for_n, r, z

    def back(self, xp, grads: tuple, factors: tuple, w: Weights) -> tuple:
        (gh,) = grads
        for_r, for_z, for_n, r, z = factors
        made = xp.concatenate([gh * for_r, gh * for_z, gh * for_n * r], -1)
        return (gh * z + made @ w.hidden,), (gh,)

    def products(self, xp, made: tuple, factors: tuple) -> tuple:
        (gh,), (for_r, for_z, for_n, r, _) = made, factors
        first = [gh * for_r, gh * for_z]
        return xp.concatenate([*first, gh * for_n], -1), xp.concatenate([*first, gh * for_n * r], -1)


CELLS = {"tanh": _Plain("tanh"), "relu": _Plain("relu"), "lstm": _LSTM(), "gru": _GRU()}

# ---- the loop --------------------------------------------------------------------------------------------------------


def _functions(xp) -> Functions:
    sigmoid = (lambda x: 1 / (1 + np.exp(-x))) if xp is np else xp.lax.logistic
    return Functions(sigmoid, xp.tanh, lambda x: xp.maximum(x, 0), xp.where)


def _scan(xp, step: Callable, state: tuple, xs: tuple, reverse: bool) -> tuple:
    """Take a step at each entry of xs, the last one first if reversed; gives the last state and the steps' results."""
    if xp is not np:
        return xp.lax.scan(step, state, xs, reverse=reverse)
    length, found = len(xs[0]), []
    for t in range(length)[::-1] if reverse else range(length):
        state, made = step(state, tuple(x[t] for x in xs))
        found.append(made)
    return state, tuple(np.stack(parts[::-1] if reverse else parts) for parts in zip(*found))


def _stepper(cell, f: Functions, w: Weights, masked: bool) -> Callable:
    """A step as `_scan` takes it; sequences that have ended, or not begun, keep their state."""

    def step(state: tuple, xs: tuple) -> tuple:
        new, kept = cell.step(f, state, xs[0], w)
        if masked:
            new = tuple(f.where(xs[1], n, s) for n, s in zip(new, state))
        return new, (*new, *kept)

    return step


def _input_products(x, w_ih, b_ih, b_hh, kind: str):
    """The input's part of the gates for all steps; the hidden part's bias with it, unless it is gated."""
    made = (x.reshape(-1, x.shape[-1]) @ w_ih.swapaxes(0, 1)).reshape(*x.shape[:-1], w_ih.shape[0])
    if b_ih is None:
        return made
    return made + (b_ih if kind == "gru" else b_ih + b_hh)


def _turned(w_hh, b_hh, w_hr, kind: str, steps: int) -> Weights:
    """The weights for steps forward. For many of them by NumPy it pays to turn the matrix in memory."""
    hidden = w_hh.swapaxes(0, 1)
    if type(hidden) is np.ndarray and steps > 4:
        hidden = np.ascontiguousarray(hidden)
    return Weights(hidden, b_hh if kind == "gru" else None, w_hr if w_hr is None else w_hr.swapaxes(0, 1))


def _zeros(xp, x, given: Sequence, widths: Sequence[int]) -> tuple:
    """The states that the sequence begins with: zeros, if they are not given."""
    return tuple(xp.zeros((x.shape[1], n), x.dtype) if s is None else s for s, n in zip(given, widths))


def _widths(w_hh, w_hr, kind: str) -> tuple[int, ...]:
    """The lengths of the states: what goes out, and the inner one of an LSTM."""
    hidden = w_hh.shape[0] // CELLS[kind].gates
    return (hidden if w_hr is None else w_hr.shape[0], hidden)[: CELLS[kind].states]


def _earlier(xp, first, sequence, reverse: bool):
    """A sequence's states before each step."""
    parts = [sequence[1:], first[None]] if reverse else [first[None], sequence[:-1]]
    return xp.concatenate(parts)


# ---- rules -----------------------------------------------------------------------------------------------------------


def _check(x: Aval, h: Aval | None, w_ih: Aval, w_hh: Aval, kind: str) -> None:
    if x.dtype is not w_ih.dtype:
        raise RuntimeError(
            f"{kind}: input dtype ({x.dtype}) does not match weight dtype ({w_ih.dtype}). Convert input: input.to({w_ih.dtype}), or "
            f"convert model: model.to({x.dtype})"
        )
    if x.dtype.category != 2:
        raise RuntimeError(f"{kind}: not implemented for {x.dtype}")
    if h is not None and h.dtype is not x.dtype:
        raise RuntimeError(f"{kind}: input and hidden tensors must have the same dtype, got {x.dtype} and {h.dtype}")
    if x.shape[-1] != w_ih.shape[-1]:
        raise RuntimeError(f"input.size(-1) must be equal to input_size. Expected {w_ih.shape[-1]}, got {x.shape[-1]}")
    if not x.shape[0]:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")


def _forward_rule(op: Op, avals: Sequence, *, kind: str, reverse: bool, keeps: bool) -> tuple:
    x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr, alive = avals
    _check(x, h, w_ih, w_hh, kind)
    cell, (steps, batch, _) = CELLS[kind], x.shape
    made = Aval((steps, batch), x.dtype, rules.common_device(op, avals))
    widths = _widths(w_hh, w_hr, kind)
    outs = [made.with_((steps, batch, widths[0])), *(made.with_((batch, n)) for n in widths)]
    if keeps:
        outs += [made.with_((steps, batch, n)) for n in widths[1:]]
        outs += [made.with_((steps, batch, w_hh.shape[0]))] * cell.kept
    return tuple(outs), (x.dtype,) * 8 + (dtypes.bool_,)


def _backward_rule(op: Op, avals: Sequence, *, kind: str, reverse: bool, wanted: tuple, given: int) -> tuple:
    operands = avals[given : given + 9]
    x, _, _, _, w_hh, _, _, w_hr, _ = operands
    widths = _widths(w_hh, w_hr, kind)
    states = [x.with_((x.shape[1], n)) for n in (*widths, 0)[:2]]
    forms = [x, *states, *operands[3:8]]
    outs = tuple(a for a, w in zip(forms, wanted) if w)
    casts = [None if a is None else a.dtype for a in avals]
    return outs, tuple(casts)


def _cost(state: State) -> float:
    w = max(a.size for a in state.avals if a is not None and len(a.shape) == 2)
    x = next(a for a in state.avals if a is not None and len(a.shape) == 3)
    return x.shape[0] * (40_000.0 + x.shape[1] * w * 0.15)


# ---- ops -------------------------------------------------------------------------------------------------------------


def _recurrent_vjp(g, out, x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr, alive, kind, reverse, needs):
    operands = (x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr, alive)
    given = 1 + CELLS[kind].states
    cotangents = [None if a is None else a for a in g[:given]]
    if current.grad:
        def again(*xs):
            return _composed(*widened(*xs), kind=kind, reverse=reverse)[:given]

        return differentiate(again, operands, widened(*cotangents), needs)
    kept = out[:1] + out[given:]
    found = iter(_recurrent_backward(*cotangents, *operands, *kept, kind=kind, reverse=reverse, wanted=needs[:8], given=given))
    return tuple(next(found) if n else None for n in needs[:8]) + (None,)


@op(shape=_backward_rule, name="recurrent_backward", many=True, vjp=None, cost=_cost)
def _recurrent_backward(xp, *arrays, kind, reverse, wanted, given):
    cell, f = CELLS[kind], _functions(xp)
    cotangents, operands, (y, *kept) = arrays[:given], arrays[given : given + 9], arrays[given + 9 :]
    x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr, alive = operands
    first = _zeros(xp, x, (h, c), _widths(w_hh, w_hr, kind))
    inner, kept = kept[: cell.states - 1], kept[cell.states - 1 :]
    after = (y, *inner)
    before = tuple(_earlier(xp, s, a, reverse) for s, a in zip(first, after))
    factors = cell.factors(f, before, after, tuple(kept))
    w = Weights(w_hh, None, w_hr)
    gy = xp.zeros_like(y) if cotangents[0] is None else cotangents[0]
    last = tuple(xp.zeros_like(s) if g is None else g for s, g in zip(first, cotangents[1:]))
    step = _back_stepper(xp, cell, w, alive is not None)
    grads, made = _scan(xp, step, last, (gy, *factors) if alive is None else (gy, *factors, alive), not reverse)
    to_input, to_hidden = (_rows(p) for p in cell.products(xp, made, factors))
    results = {
        0: lambda: (to_input @ w_ih).reshape(x.shape), 1: lambda: grads[0], 2: lambda: grads[1],
        3: lambda: to_input.swapaxes(0, 1) @ _rows(x), 4: lambda: to_hidden.swapaxes(0, 1) @ _rows(before[0]),
        5: lambda: to_input.sum(0), 6: lambda: to_hidden.sum(0),
        7: lambda: _rows(made[1]).swapaxes(0, 1) @ _rows(factors[6]),
    }  # fmt: skip
    return [results[i]() for i, w in enumerate(wanted) if w]


def _rows(x):
    return x.reshape(-1, x.shape[-1])


def _back_stepper(xp, cell, w: Weights, masked: bool) -> Callable:
    """A step back as `_scan` takes it: what is kept is handed on as it is where a sequence has ended or not begun."""

    def step(grads: tuple, xs: tuple) -> tuple:
        gy, *factors = xs
        grads = (grads[0] + gy, *grads[1:])
        if not masked:
            return cell.back(xp, grads, tuple(factors), w)
        *factors, alive = factors
        new, made = cell.back(xp, tuple(xp.where(alive, g, 0) for g in grads), tuple(factors), w)
        return tuple(xp.where(alive, n, g) for n, g in zip(new, grads)), made

    return step


@op(shape=_forward_rule, name="recurrent", many=True, vjp=_recurrent_vjp, cost=_cost)
def _recurrent(xp, x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr, alive, *, kind, reverse, keeps):
    """A layer in one direction: the states that go out, the last states, and what the way back needs."""
    cell, w = CELLS[kind], _turned(w_hh, b_hh, w_hr, kind, x.shape[0])
    xw = _input_products(x, w_ih, b_ih, b_hh, kind)
    first = _zeros(xp, x, (h, c), _widths(w_hh, w_hr, kind))
    step = _stepper(cell, _functions(xp), w, alive is not None)
    state, made = _scan(xp, step, first, (xw,) if alive is None else (xw, alive), reverse)
    return (made[0], *state, *made[1:]) if keeps else (made[0], *state)


def _composed(x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr, alive, *, kind, reverse):
    """The same by single ops on tensors."""
    f = Functions(Tensor.sigmoid, Tensor.tanh, Tensor.relu, where)
    cell, w = CELLS[kind], _turned(w_hh, b_hh, w_hr, kind, x.shape[0])
    xw = _input_products(x, w_ih, b_ih, b_hh, kind)
    widths = _widths(w_hh, w_hr, kind)
    state = tuple(zeros(x.shape[1], n, dtype=x.dtype, device=x.device) if s is None else s for s, n in zip((h, c), widths))
    step, outs = _stepper(cell, f, w, alive is not None), []
    for t in range(x.shape[0])[::-1] if reverse else range(x.shape[0]):
        state, _ = step(state, (xw[t],) if alive is None else (xw[t], alive[t]))
        outs.append(state[0])
    return (stack(outs[::-1] if reverse else outs), *state)


def layer(x, h, c, weights: Sequence, alive, kind: str, reverse: bool) -> tuple:
    """One layer in one direction over (steps, batch, features): the states that go out, and the last ones.

    weights: w_ih, w_hh, b_ih, b_hh, w_hr; None for what is absent. alive: (steps, batch, 1) for sequences of different lengths.
    """
    w_ih, w_hh, b_ih, b_hh, w_hr = weights
    keeps = current.grad and any(t is not None and t.requires_grad for t in (x, h, c, *weights))
    found = _recurrent(x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr, alive, kind=kind, reverse=reverse, keeps=keeps)
    return found[: 1 + CELLS[kind].states]


METHODS = ()
INPLACE = ()
