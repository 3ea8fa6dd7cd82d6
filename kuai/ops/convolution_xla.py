"""Convolutions by XLA. On a CPU some forms are many times faster in other words than as the convolution they are:

- windows of one place, as products of matrices;
- few weights for each result, as sums of shifted multiples;
- each channel by itself (depthwise), as such sums too;
- far more weights than results, as products of matrices (`convolution_products`);
- groups, as a convolution for each;
- three dimensions, as two, with the places along the first one among the channels.

The rest is Eigen's, which takes and gives images with their channels last; so they are kept, and what lies between two
convolutions is computed there, each time as it is needed if nothing stops XLA: it takes elementwise work into the copy
that turns an image around, where it costs several times as much.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import NamedTuple

from . import convolution_products as by_products
from .convolution_numpy import depthwise, depthwise_weight
from .convolution_products import has_many_weights
from .windows import Geometry, Pads, is_depthwise, offsets, shifted

FEW_WEIGHTS = 32  # up to which shifted multiples are faster
MANY_GROUPS = 32  # from which on a convolution for each would take too long to compile


class Form(NamedTuple):
    """A convolution of elements that are first set apart: what both a convolution and its transpose are."""

    stride: tuple[int, ...]
    pads: Pads
    dilation: tuple[int, ...]
    apart: tuple[int, ...]  # how far elements are set apart
    groups: int

    def counts(self, sizes: Sequence[int], kernel: Sequence[int]) -> tuple[int, ...]:
        """The spatial shape of the result."""
        spread = [(n - 1) * a + 1 + lo + hi for n, a, (lo, hi) in zip(sizes, self.apart, self.pads)]
        return tuple((n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(spread, kernel, self.stride, self.dilation))

    @property
    def is_plain(self) -> bool:
        """Whether nothing is padded, set apart or left out."""
        return not any(map(any, self.pads)) and {*self.stride, *self.apart} == {1}

    def rest(self) -> Form:
        """The form of all spatial dimensions but the first."""
        return Form(self.stride[1:], self.pads[1:], self.dilation[1:], self.apart[1:], self.groups)


def _by_platform(xp, cpu: Callable, other: Callable, *arrays):  # type: ignore[no-untyped-def]
    return xp.lax.platform_dependent(*arrays, cpu=cpu, default=other)


def _padded(xp, x, pads: Pads, apart: Sequence[int]):  # type: ignore[no-untyped-def]
    """x with a border, or cut where pads are negative, and its elements set apart."""
    spacing = [(lo, hi, a - 1) for (lo, hi), a in zip(pads, apart)]
    return xp.lax.pad(x, xp.zeros((), x.dtype), [(0, 0, 0), (0, 0, 0), *spacing])


# ---- the three maps --------------------------------------------------------------------------------------------------


def convolve(xp, x, w, at: Geometry):  # type: ignore[no-untyped-def]
    """The convolution of x with w."""
    return _convolve(xp, x, w, Form(at.stride, at.pads, at.dilation, at.unit, at.groups))


def transpose(xp, g, w, size: Sequence[int], at: Geometry):  # type: ignore[no-untyped-def]
    """What x gets back from the cotangent g."""
    if at.groups == 1 and g.ndim < 5 and has_many_weights(w.shape, g.shape[0] * w.shape[1] * prod(size)):
        return _by_platform(xp, lambda g, w: xp.channels_last(by_products.transpose(xp, _settled(xp, g), w, size, at)),
                            lambda g, w: _turned(xp, g, w, size, at), g, w)  # fmt: skip
    return _turned(xp, g, w, size, at)


def _turned(xp, g, w, size: Sequence[int], at: Geometry):  # type: ignore[no-untyped-def]
    """A convolution of g, its elements a stride apart, with w reversed."""
    reach = [d * (k - 1) for d, k in zip(at.dilation, w.shape[2:])]
    before = [r - lo for r, (lo, _) in zip(reach, at.pads)]
    wide = [(n - 1) * s + 1 for n, s in zip(g.shape[2:], at.stride)]
    pads = tuple((lo, n - m - lo + r) for n, m, lo, r in zip(size, wide, before, reach))
    return _convolve(xp, g, _reversed(xp, w, at.groups), Form(at.unit, pads, at.dilation, at.stride, at.groups))


def _reversed(xp, w, groups: int):  # type: ignore[no-untyped-def]
    """Weights reversed in space, and the two kinds of channels exchanged in each group."""
    w = xp.flip(w, tuple(range(2, w.ndim))).reshape(groups, w.shape[0] // groups, *w.shape[1:])
    return w.swapaxes(1, 2).reshape(-1, w.shape[1], *w.shape[3:])


def weight(xp, x, g, kernel: Sequence[int], at: Geometry):  # type: ignore[no-untyped-def]
    """What w gets back from the cotangent g."""
    return _by_platform(
        xp, lambda x, g: _weight_on_cpu(xp, x, g, kernel, at), lambda x, g: _weight_natively(xp, x, g, kernel, at), x, g
    )


# ---- natively --------------------------------------------------------------------------------------------------------


def _natively(xp, x, w, form: Form):  # type: ignore[no-untyped-def]
    return xp.lax.conv_general_dilated(x, w, form.stride, form.pads, lhs_dilation=form.apart, rhs_dilation=form.dilation,
                                       feature_group_count=form.groups)  # fmt: skip


def _weight_natively(xp, x, g, kernel: Sequence[int], at: Geometry):  # type: ignore[no-untyped-def]
    """A convolution of x with g, whose batch are the channels and whose channels are the batch."""
    pads = tuple(
        (lo, d * (k - 1) + s * (m - 1) + 1 - n - lo)
        for n, m, k, s, d, (lo, _) in zip(x.shape[2:], g.shape[2:], kernel, at.stride, at.dilation, at.pads)
    )
    made = xp.lax.conv_general_dilated(x.swapaxes(0, 1), g.swapaxes(0, 1), at.dilation, pads, rhs_dilation=at.stride,
                                       batch_group_count=at.groups)  # fmt: skip
    return made.swapaxes(0, 1)


# ---- on a CPU --------------------------------------------------------------------------------------------------------


def _convolve(xp, x, w, form: Form):  # type: ignore[no-untyped-def]
    return _by_platform(xp, lambda x, w: _on_cpu(xp, x, w, form), lambda x, w: _natively(xp, x, w, form), x, w)


def _on_cpu(xp, x, w, form: Form):  # type: ignore[no-untyped-def]
    rank, groups, sizes = x.ndim - 2, form.groups, form.counts(x.shape[2:], w.shape[2:])
    if form.is_plain and prod(w.shape[2:]) == 1:
        return xp.matmul(_filters(w, groups), _grouped(x, groups)).reshape(x.shape[0], w.shape[0], *sizes)
    if is_depthwise(w.shape, groups):
        at = Geometry(form.stride, ((0, 0),) * rank, form.dilation, groups)
        return _once(xp, lambda x, w: depthwise(_padded(xp, x, form.pads, form.apart), w, at, sizes), x, w, sizes)
    if rank == 3:
        return _as_planes(xp, x, w, form, sizes)
    if prod(w.shape[1:]) <= FEW_WEIGHTS and groups == 1:
        return _once(xp, lambda x, w: _by_shifts(xp, x, w, form, sizes), x, w, sizes)
    if groups == 1 and has_many_weights(w.shape, x.shape[0] * w.shape[0] * prod(sizes)):
        at = Geometry(form.stride, form.pads, form.dilation, groups)
        padded = _padded(xp, _settled(xp, x), form.pads, form.apart)
        return xp.channels_last(by_products.convolve(xp, padded, w, at, sizes))
    if 1 < groups <= MANY_GROUPS:
        return _by_group(xp, lambda x, w: _natively(xp, x, w, form._replace(groups=1)), groups, (x, 1), (w, 0), 1)
    return xp.channels_last(_natively(xp, _settled(xp, x), w, form))


def _settled(xp, x):  # type: ignore[no-untyped-def]
    """x computed once, with its channels last."""
    return xp.channels_last(xp.lax.optimization_barrier(x))


def _filters(w, groups: int):  # type: ignore[no-untyped-def]
    return w.reshape(groups, w.shape[0] // groups, prod(w.shape[1:]))


def _grouped(x, groups: int):  # type: ignore[no-untyped-def]
    return x.reshape(x.shape[0], groups, x.shape[1] // groups, prod(x.shape[2:]))


def _by_shifts(xp, x, w, form: Form, sizes: Sequence[int]):
    """The sum over all weights of a result, each times the elements that it meets."""
    x, total = _padded(xp, x, form.pads, form.apart), 0
    for c in range(x.shape[1]):
        for o in offsets(w.shape[2:]):
            factor = w[(slice(None), c, *o)].reshape(1, -1, *[1] * len(sizes))
            total = total + x[:, c : c + 1][shifted(o, form.stride, form.dilation, sizes)] * factor
    return total


def _once(xp, compute: Callable, x, w, sizes: Sequence[int]):
    """``compute(x, w)``, but once: XLA takes a sum into each computation that uses it and does it again there, if it does not
    stand behind a condition. This one holds for every number, which XLA does not see.
    """
    first = w.ravel()[0]
    holds = (first < 0) | (first >= 0) | (first != first)
    return xp.lax.cond(holds, compute, lambda x, w: xp.zeros((x.shape[0], w.shape[0], *sizes), x.dtype), x, w)


def _by_group(xp, compute: Callable, groups: int, first: tuple, second: tuple, joined: int):  # type: ignore[no-untyped-def]
    """A map of each group's parts of two arrays, along an axis of each, joined along an axis."""
    parts = zip(*(xp.split(x, groups, axis) for x, axis in (first, second)))
    return xp.concatenate([compute(a, b) for a, b in parts], joined)


def _unrolled(xp, x, form: Form, kernel: int, count: int):  # type: ignore[no-untyped-def]
    """(N, C, D, H, W) as (N·windows, C·kernel, H, W): the places of windows along D among the channels."""
    x = _padded(xp, x, (form.pads[0], (0, 0), (0, 0)), (form.apart[0], 1, 1))
    ends = [i * form.dilation[0] + (count - 1) * form.stride[0] + 1 for i in range(kernel)]
    starts = [i * form.dilation[0] for i in range(kernel)]
    parts = xp.stack([x[:, :, a : b : form.stride[0]] for a, b in zip(starts, ends)], 2)  # N, C, kernel, windows, H, W
    return parts.transpose(0, 3, 1, 2, 4, 5).reshape(-1, x.shape[1] * kernel, *x.shape[3:])


def _as_planes(xp, x, w, form: Form, sizes: Sequence[int]):  # type: ignore[no-untyped-def]
    planes = _unrolled(xp, x, form, w.shape[2], sizes[0])
    made = _on_cpu(xp, planes, w.reshape(w.shape[0], -1, *w.shape[3:]), form.rest())
    return made.reshape(x.shape[0], sizes[0], w.shape[0], *sizes[1:]).swapaxes(1, 2)


def _weight_on_cpu(xp, x, g, kernel: Sequence[int], at: Geometry):  # type: ignore[no-untyped-def]
    groups, inner = at.groups, x.shape[1] // at.groups
    if at.is_pointwise and prod(kernel) == 1:
        made = xp.matmul(_grouped(g, groups), _grouped(x, groups).swapaxes(-1, -2)).sum(0)
        return made.reshape(g.shape[1], inner, *kernel)
    if inner == 1 < groups:
        return depthwise_weight(xp.stack, _padded(xp, x, at.pads, at.unit), g, kernel, at)
    if len(kernel) == 3:
        return _weight_of_planes(xp, x, g, kernel, at)
    if groups == 1:
        x, g = _settled(xp, x), _settled(xp, g)
        if has_many_weights((g.shape[1], inner, *kernel), prod(g.shape)):
            return by_products.weight(xp, _padded(xp, x, at.pads, at.unit), g, kernel, at)
        return _weight_natively(xp, x, g, kernel, at)
    # XLA's own gradient of a grouped convolution is a hundred times slower than one for each group.
    return _by_group(xp, lambda x, g: _weight_natively(xp, x, g, kernel, at._replace(groups=1)), groups, (x, 1), (g, 1), 0)


def _weight_of_planes(xp, x, g, kernel: Sequence[int], at: Geometry):  # type: ignore[no-untyped-def]
    form = Form(at.stride, at.pads, at.dilation, at.unit, at.groups)
    planes = _unrolled(xp, x, form, kernel[0], g.shape[2])
    given = g.swapaxes(1, 2).reshape(-1, g.shape[1], *g.shape[3:])
    rest = Geometry(at.stride[1:], at.pads[1:], at.dilation[1:], at.groups)
    made = _weight_on_cpu(xp, planes, given, kernel[1:], rest)
    return made.reshape(g.shape[1], x.shape[1] // at.groups, *kernel)
