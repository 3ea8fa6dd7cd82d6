"""Connectionist temporal classification: the probability of a sequence of labels, over all ways to align it.

The labels are laid out with blanks between and around them; a path through that layout stays, goes on by one place, or
skips a blank between two different labels. Going forward over time gives the log-probability of all paths that end at
a place, going backward of all that begin there. All samples and places are one array; only time is a loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..engine.program import Aval, Op
from ..tensor import Tensor
from . import rules
from .define import op


def _rule(op: Op, avals: Sequence, *, blank: int) -> tuple:
    x, targets, *_ = avals
    if x.dtype.name not in ("float32", "float64"):
        raise NotImplementedError(f"\"ctc_loss_cpu\" not implemented for '{rules._cname(x.dtype)}'")
    time, batch, _ = x.shape
    where = rules.common_device(op, avals)
    alphas = Aval((time, batch, 2 * targets.shape[1] + 1), x.dtype, where)
    return (Aval((batch,), x.dtype, where), alphas), None


def _layout(xp, targets, blank):
    """Each sample's labels with blanks between and around them, and where a path may skip the place before."""
    batch, length = targets.shape
    blanks = xp.full((batch, length + 1), blank, targets.dtype)
    places = xp.stack([blanks[:, :length], targets], 2).reshape(batch, 2 * length)
    places = xp.concatenate([places, blanks[:, :1]], 1)
    before = xp.concatenate([places[:, :2], places[:, :-2]], 1)[:, : 2 * length + 1]
    return places, (places != blank) & (places != before)


def _later(xp, alpha, by):
    """The array moved on by some places, -inf where nothing comes from."""
    count = alpha.shape[1]
    gone = xp.full((alpha.shape[0], min(by, count)), -xp.inf, alpha.dtype)
    return xp.concatenate([gone, alpha[:, : max(count - by, 0)]], 1)


def _either(xp, alpha, skips):
    """The log-probability of coming to each place: from itself, the one before, or the one before that."""
    jump = xp.where(skips, _later(xp, alpha, 2), -xp.inf)
    return xp.logaddexp(xp.logaddexp(alpha, _later(xp, alpha, 1)), jump)


def _scan(xp, step: Callable, carry, over):
    """Run ``carry = step(carry, item)`` along the first axis, and give all carries."""
    if xp is not np:
        return xp.lax.scan(lambda c, item: (step(c, item),) * 2, carry, over)[1]
    found = []
    for item in zip(*over):
        carry = step(carry, item)
        found.append(carry)
    return np.stack(found) if found else np.zeros((0, *carry.shape), carry.dtype)


def _emitted(xp, x, places):
    """The log-probability of each place's label at each time."""
    return xp.take_along_axis(x, xp.broadcast_to(places[None], (x.shape[0], *places.shape)), 2)


def _forward(xp, x, places, skips, lengths):
    """Log-probabilities of all paths up to each time and place; unchanged after a sample's end."""
    def step(alpha, item):
        t, emitted = item
        return xp.where((t < lengths)[:, None], _either(xp, alpha, skips) + emitted, alpha)

    # Before time begins all paths are at a place before the first, from where they reach the first two.
    time, count = x.shape[0], places.shape[1]
    emitted = _emitted(xp, x, places)
    first = xp.where(xp.arange(count) < 2, 0.0, -xp.inf).astype(x.dtype) + xp.zeros((x.shape[1], 1), x.dtype)
    start = emitted[:1] + first if time else emitted
    rest = _scan(xp, step, start[0], (xp.arange(1, time), emitted[1:])) if time else emitted
    return xp.concatenate([start, rest]) if time else emitted


def _ends(xp, ends, count):
    """Which places a path may end at: the last label and the blank behind it."""
    place = xp.arange(count)
    return (place == 2 * ends[:, None]) | (place == 2 * ends[:, None] - 1)


def _nothing(lengths, ends):
    """Samples without time: sure if they have no labels either, impossible if they have."""
    return (lengths == 0) & (ends == 0), (lengths == 0) & (ends > 0)


def _total(xp, last, ends, lengths):
    found = xp.where(_ends(xp, ends, last.shape[1]), last, -xp.inf)
    top = xp.maximum(found.max(1), xp.finfo(last.dtype).min)
    total = -(xp.log(xp.exp(found - top[:, None]).sum(1)) + top)
    sure, impossible = _nothing(lengths, ends)
    return xp.where(sure, 0, xp.where(impossible, xp.inf, total))


def _ctc_vjp(g: tuple, x: Tensor, targets: Tensor, lengths: Tensor, ends: Tensor, out: tuple, blank: int) -> tuple:
    found = None if g[0] is None else _ctc_backward(g[0], x, targets, lengths, ends, *out, blank=blank)
    return found, None, None, None


@op(shape=_rule, vjp=_ctc_vjp, many=True, name="ctc_loss", grad_name="CtcLossBackward0", cost=50.0)
def _ctc(xp, x, targets, lengths, ends, *, blank):
    """-log of the probability of each sample's labels, and the forward log-probabilities."""
    places, skips = _layout(xp, targets, blank)
    alphas = _forward(xp, x, places, skips, lengths)
    last = alphas[-1] if x.shape[0] else xp.full(places.shape, -xp.inf, x.dtype)
    return _total(xp, last, ends, lengths), alphas


def _backward(xp, x, places, skips, lengths, ends):
    """Log-probabilities of all paths from each time and place to the end, the emission there included."""
    ahead = xp.concatenate([skips[:, 2:], xp.zeros((skips.shape[0], 2), bool)], 1)[:, : skips.shape[1]]
    finish = xp.where(_ends(xp, ends, places.shape[1]), 0.0, -xp.inf).astype(x.dtype)

    def step(beta, item):
        t, emitted = item
        come = _either(xp, beta[:, ::-1], ahead[:, ::-1])[:, ::-1]
        inside = xp.where((t == lengths - 1)[:, None], finish, come) + emitted
        return xp.where((t < lengths)[:, None], inside, beta)

    times = xp.arange(x.shape[0])[::-1]
    return _scan(xp, step, xp.full_like(finish, -xp.inf), (times, _emitted(xp, x, places)[::-1]))[::-1]


def _backward_rule(op: Op, avals: Sequence, *, blank: int) -> tuple:
    return avals[1], None


def _no_second_derivative(g: Tensor) -> tuple:
    raise NotImplementedError("the second derivative of ctc_loss is missing")


@op(shape=_backward_rule, vjp=_no_second_derivative, name="ctc_loss_backward", cost=80.0)
def _ctc_backward(xp, g, x, targets, lengths, ends, losses, alphas, *, blank):
    """What each log-probability is above the share of all paths that use it: the derivative where they sum to one."""
    places, skips = _layout(xp, targets, blank)
    betas = _backward(xp, x, places, skips, lengths, ends)
    shares = xp.exp(alphas + betas - _emitted(xp, x, places) + losses[:, None])
    used = xp.einsum("tnl,nlc->tnc", shares, (places[..., None] == xp.arange(x.shape[2])).astype(x.dtype))
    counts = (xp.arange(x.shape[0])[:, None] < lengths) & (g != 0)  # an infinite loss that was made 0 has no gradient
    return xp.where(counts[..., None], (xp.exp(x) - used) * g[:, None], 0)
