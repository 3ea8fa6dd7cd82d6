"""Convolutions and transposed convolutions of one, two and three dimensions.

There are three ops, each linear in both operands, and each is the derivative of the other two: the convolution of x with
w, its transpose that takes a cotangent back to x, and the product of x and a cotangent that is w's. NumPy computes them as
products of matrices of windows; convolutions of one channel each (depthwise) as sums of shifted multiples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from math import prod
from typing import NamedTuple

import numpy as np

from ..dispatch import recorder
from ..engine.program import Aval, Op, State
from ..tensor import Tensor
from . import rules
from .define import op
from .pointwise import conj
from .windows import Pads, crop, frozen, offsets, pad, repeated, shifted, view, window_counts

CHUNK = 1 << 21  # elements of the matrix of windows that are made at a time


class Geometry(NamedTuple):
    """How windows lie: one entry for each spatial dimension, and the number of groups of channels."""

    stride: tuple[int, ...]
    pads: Pads
    dilation: tuple[int, ...]
    groups: int

    def counts(self, sizes: Sequence[int], kernel: Sequence[int]) -> tuple[int, ...]:
        """The spatial shape of a convolution's result."""
        return window_counts(sizes, kernel, self.stride, self.pads, self.dilation)

    def folded(self) -> Geometry:
        """The same, with the batch as a first spatial dimension."""
        return Geometry((1, *self.stride), ((0, 0), *self.pads), (1, *self.dilation), self.groups)


# ---- by NumPy --------------------------------------------------------------------------------------------------------


def _is_depthwise(w: Sequence[int], groups: int) -> bool:
    return groups > 1 and w[1] == 1


def _chunks(samples: int, elements: int) -> Iterator[slice]:
    """Parts of the batch whose matrix of windows is small enough for the cache."""
    step = max(1, CHUNK // max(elements, 1))
    return (slice(i, i + step) for i in range(0, samples, step))


def _pays_folding(samples: int, positions: int) -> bool:
    """Whether one product for the whole batch is faster than one for each sample."""
    return samples > 1 and positions < 128


def _batch_inside(x: np.ndarray) -> np.ndarray:
    """(N, C, *sizes) as (1, C, N, *sizes)."""
    return x.swapaxes(0, 1)[None]


def _columns(x: np.ndarray, kernel: Sequence[int], at: Geometry, sizes: Sequence[int]) -> np.ndarray:
    """The windows of a padded array as (N, groups, channels of a group × places, positions)."""
    shape = (x.shape[0], at.groups, x.shape[1] // at.groups * prod(kernel), prod(sizes))
    return view(x, kernel, at.stride, at.dilation, sizes).reshape(shape)


def _grouped(x: np.ndarray, groups: int) -> np.ndarray:
    """(N, C, *sizes) as (N, groups, C / groups, positions)."""
    return x.reshape(x.shape[0], groups, x.shape[1] // groups, prod(x.shape[2:]))


def _filters(w: np.ndarray, groups: int) -> np.ndarray:
    """Weights as (groups, results of a group, channels of a group × places)."""
    return w.reshape(groups, w.shape[0] // groups, prod(w.shape[1:]))


def _convolve_numpy(x: np.ndarray, w: np.ndarray, at: Geometry) -> np.ndarray:
    kernel, sizes = w.shape[2:], at.counts(x.shape[2:], w.shape[2:])
    if _is_depthwise(w.shape, at.groups):
        return _depthwise(pad(x, at.pads), w, at, sizes)
    if _pays_folding(len(x), prod(sizes)):
        made = _convolve_numpy(_batch_inside(x), w[:, :, None], at.folded())
        return np.ascontiguousarray(made[0].swapaxes(0, 1))
    out = np.empty((len(x), len(w), *sizes), x.dtype)
    parts, filters = _grouped(out, at.groups), _filters(w, at.groups)
    for part in _chunks(len(x), prod(w.shape[1:]) * at.groups * prod(sizes)):
        np.matmul(filters, _columns(pad(x[part], at.pads), kernel, at, sizes), out=parts[part])
    return out


def _transpose_numpy(g: np.ndarray, w: np.ndarray, size: Sequence[int], at: Geometry) -> np.ndarray:
    kernel, sizes = w.shape[2:], g.shape[2:]
    channels = w.shape[1] * at.groups
    if _pays_folding(len(g), prod(sizes)) and not _is_depthwise(w.shape, at.groups):
        made = _transpose_numpy(_batch_inside(g), w[:, :, None], (len(g), *size), at.folded())
        return np.ascontiguousarray(made[0].swapaxes(0, 1))
    out = np.zeros((len(g), channels, *[n + lo + hi for n, (lo, hi) in zip(size, at.pads)]), g.dtype)
    if _is_depthwise(w.shape, at.groups):
        _scatter_depthwise(out, g, w, at)
    else:
        filters = _filters(w, at.groups).swapaxes(-1, -2)
        for part in _chunks(len(g), channels * prod(kernel) * prod(sizes)):
            columns = np.matmul(filters, _grouped(g[part], at.groups))
            _add_windows(out[part], columns.reshape(-1, channels, *kernel, *sizes), at)
    return np.ascontiguousarray(crop(out, at.pads))


def _add_windows(out: np.ndarray, windows: np.ndarray, at: Geometry) -> None:
    """Add (N, C, *kernel, *sizes) to where the windows were taken from."""
    rank = len(at.stride)
    kernel, sizes = windows.shape[2 : 2 + rank], windows.shape[2 + rank :]
    for o in offsets(kernel):
        out[shifted(o, at.stride, at.dilation, sizes)] += windows[(slice(None), slice(None), *o)]


def _weight_numpy(x: np.ndarray, g: np.ndarray, kernel: Sequence[int], at: Geometry) -> np.ndarray:
    sizes, inner = g.shape[2:], x.shape[1] // at.groups
    if inner == 1 and at.groups > 1:
        return _depthwise_weight(np, pad(x, at.pads), g, kernel, at)
    out = np.zeros((at.groups, g.shape[1] // at.groups, inner * prod(kernel)), x.dtype)
    inside = at.folded()
    for part in _chunks(len(x), x.shape[1] * prod(kernel) * prod(sizes)):
        given, taken = _batch_inside(g[part]), pad(_batch_inside(x[part]), inside.pads)
        columns = _columns(taken, (1, *kernel), inside, given.shape[2:])
        out += np.matmul(_grouped(given, at.groups)[0], columns[0].swapaxes(-1, -2))
    return out.reshape(g.shape[1], inner, *kernel)


# ---- depthwise: each channel by itself -------------------------------------------------------------------------------


def _by_channel(x, channels: int):
    """(N, C·m, *sizes) as (N, C, m, *sizes)."""
    return x.reshape(x.shape[0], channels, x.shape[1] // channels, *x.shape[2:])


def _multipliers(w, offset: tuple[int, ...], groups: int, rank: int):
    """The weights at one place of the window as (C, m, 1, …)."""
    return w[(slice(None), 0, *offset)].reshape(groups, -1, *[1] * rank)


def _depthwise(x, w, at: Geometry, sizes: Sequence[int]):
    """The sum of shifted multiples; x is padded already."""
    total = None
    for o in offsets(w.shape[2:]):
        part = x[shifted(o, at.stride, at.dilation, sizes)][:, :, None] * _multipliers(w, o, at.groups, len(sizes))
        total = part if total is None else total + part
    return total.reshape(x.shape[0], w.shape[0], *sizes)


def _scatter_depthwise(out: np.ndarray, g: np.ndarray, w: np.ndarray, at: Geometry) -> None:
    given = _by_channel(g, at.groups)
    for o in offsets(w.shape[2:]):
        part = given * _multipliers(w, o, at.groups, len(at.stride))
        out[shifted(o, at.stride, at.dilation, g.shape[2:])] += part[:, :, 0] if part.shape[2] == 1 else part.sum(2)


def _depthwise_weight(xp, x, g, kernel: Sequence[int], at: Geometry):
    given, sizes = _by_channel(g, at.groups), g.shape[2:]
    space = "xyz"[: len(sizes)]
    terms = f"nc{space},ncm{space}->cm"
    rows = [xp.einsum(terms, x[shifted(o, at.stride, at.dilation, sizes)], given) for o in offsets(kernel)]
    return xp.stack(rows, -1).reshape(g.shape[1], 1, *kernel)


# ---- by XLA ----------------------------------------------------------------------------------------------------------


def _lax_convolve(xp, x, w, at: Geometry, **given):
    return xp.lax.conv_general_dilated(
        x, w, given.pop("stride", at.stride), given.pop("pads", at.pads), rhs_dilation=at.dilation, **given
    )


def _lax_pad(xp, x, pads: Pads, stride: Sequence[int] | None = None):
    """x with a border, or cut where pads are negative, and its elements a stride apart."""
    spacing = [(lo, hi, s - 1) for (lo, hi), s in zip(pads, stride or [1] * len(pads))]
    return xp.lax.pad(x, xp.zeros((), x.dtype), [(0, 0, 0), (0, 0, 0), *spacing])


def _convolve_xla(xp, x, w, b, *, at):
    if _is_depthwise(w.shape, at.groups):
        made = _depthwise(_lax_pad(xp, x, at.pads), w, at, at.counts(x.shape[2:], w.shape[2:]))
    else:
        made = _lax_convolve(xp, x, w, at, feature_group_count=at.groups)
    return made if b is None else made + _as_channels(b, made)


def _flipped(xp, w, groups: int):
    """Weights of the transposed convolution: reversed in space, and the two kinds of channels exchanged in each group."""
    w = xp.flip(w, tuple(range(2, w.ndim))).reshape(groups, w.shape[0] // groups, *w.shape[1:])
    return w.swapaxes(1, 2).reshape(-1, w.shape[1], *w.shape[3:])


def _transpose_xla(xp, g, w, b, *, size, at):
    reach = [d * (k - 1) for d, k in zip(at.dilation, w.shape[2:])]
    spread = [(n - 1) * s + 1 for n, s in zip(g.shape[2:], at.stride)]
    before = [r - lo for r, (lo, _) in zip(reach, at.pads)]
    pads = tuple((lo, n - wide - lo + r) for n, wide, lo, r in zip(size, spread, before, reach))
    flipped, ones = _flipped(xp, w, at.groups), (1,) * len(size)
    if _is_depthwise(w.shape, at.groups) and w.shape[0] == at.groups:
        made = _depthwise(_lax_pad(xp, g, pads, at.stride), flipped, at._replace(stride=ones), size)
    else:
        made = _lax_convolve(xp, g, flipped, at, stride=ones, pads=pads, lhs_dilation=at.stride, feature_group_count=at.groups)
    return made if b is None else made + _as_channels(b, made)


def _weight_xla(xp, x, g, *, kernel, at):
    if x.shape[1] == at.groups > 1:
        return _depthwise_weight(xp, _lax_pad(xp, x, at.pads), g, kernel, at)
    inner, outer = x.shape[1] // at.groups, g.shape[1] // at.groups
    # XLA's own gradient of a grouped convolution is a hundred times slower than a convolution for each group.
    parts = [
        _weight_of_group(xp, x[:, i * inner : (i + 1) * inner], g[:, i * outer : (i + 1) * outer], kernel, at)
        for i in range(at.groups)
    ]
    return parts[0] if at.groups == 1 else xp.concatenate(parts)


def _weight_of_group(xp, x, g, kernel, at: Geometry):
    """A convolution of x with g, whose batch are the channels and whose channels are the batch."""
    pads = tuple(
        (lo, d * (k - 1) + s * (m - 1) + 1 - n - lo)
        for n, m, k, s, d, (lo, _) in zip(x.shape[2:], g.shape[2:], kernel, at.stride, at.dilation, at.pads)
    )
    made = xp.lax.conv_general_dilated(
        x.swapaxes(0, 1), g.swapaxes(0, 1), at.dilation, pads, rhs_dilation=at.stride
    )
    return made.swapaxes(0, 1)


# ---- rules -----------------------------------------------------------------------------------------------------------


def _check_operands(op: Op, avals: Sequence, at: Geometry, name: str) -> None:
    x, w, b = avals
    rank = len(at.stride)
    for a, what in ((x, "input"), (w, "weight"), (b, "bias")):
        if isinstance(a, type) or (a is None and what != "bias"):
            raise TypeError(f"{name}(): argument '{what}' must be Tensor, not {getattr(a, '__name__', 'NoneType')}")
    if len(x.shape) != rank + 2:
        raise RuntimeError(
            f"Expected {rank + 1}D (unbatched) or {rank + 2}D (batched) input to {name}, but got input of size: {list(x.shape)}"
        )
    if len(w.shape) != rank + 2:
        raise RuntimeError(
            f"Expected {rank + 2}-dimensional weight for {rank + 2}-dimensional input {list(x.shape)}, but got "
            f"{len(w.shape)}-dimensional weight of size {list(w.shape)} instead"
        )
    if w.dtype is not x.dtype:
        raise RuntimeError(
            f"{name}: Input type ({x.dtype}) and weight type ({w.dtype}) should be the same: expected scalar type "
            f"{rules._cname(x.dtype)} but found {rules._cname(w.dtype)}"
        )
    if b is not None and b.dtype is not x.dtype:
        raise RuntimeError(f"{name}: Input type ({x.dtype}) and bias type ({b.dtype}) should be the same")
    if x.dtype.category == 0:
        raise NotImplementedError(f'"{name}" not implemented for \'Bool\'')


def _check_channels(x: Aval, w: Aval, b: Aval | None, at: Geometry, transposed: bool) -> None:
    groups = at.groups
    shown = f"Given {'transposed=1' if transposed else f'groups={groups}'}, weight of size {list(w.shape)}"
    if w.shape[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of size "
            f"{list(w.shape)} instead"
        )
    if w.shape[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of size "
            f"[{list(w.shape)}] instead"
        )
    wanted, results = (w.shape[0], w.shape[1] * groups) if transposed else (w.shape[1] * groups, w.shape[0])
    if x.shape[1] != wanted:
        raise RuntimeError(
            f"{shown}, expected input{list(x.shape)} to have {wanted} channels, but got {x.shape[1]} channels instead"
        )
    if b is not None and b.shape != (results,):
        shown = shown if transposed else f"Given weight of size {list(w.shape)}"
        raise RuntimeError(
            f"{shown}, expected bias to be 1-dimensional with {results} elements, but got bias of size {list(b.shape)} instead"
        )


def _check_fits(x: Aval, w: Aval, at: Geometry) -> None:
    padded = [n + lo + hi for n, (lo, hi) in zip(x.shape[2:], at.pads)]
    reach = [d * (k - 1) + 1 for d, k in zip(at.dilation, w.shape[2:])]
    if any(n < r for n, r in zip(padded, reach)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({_product(padded)}). Kernel size: ({_product(reach)}). Kernel size "
            "can't be greater than actual input size"
        )


def _product(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes))


def _convolve_rule(op: Op, avals: Sequence, *, at: Geometry) -> tuple:
    x, w, b = avals
    _check_operands(op, avals, at, f"conv{len(at.stride)}d")
    _check_channels(x, w, b, at, False)
    _check_fits(x, w, at)
    shape = (x.shape[0], w.shape[0], *at.counts(x.shape[2:], w.shape[2:]))
    return Aval(shape, x.dtype, rules.common_device(op, avals)), x.dtype


def _transpose_rule(op: Op, avals: Sequence, *, size: tuple, at: Geometry) -> tuple:
    g, w, b = avals
    _check_operands(op, avals, at, f"conv_transpose{len(at.stride)}d")
    _check_channels(g, w, b, at, True)
    return Aval((g.shape[0], w.shape[1] * at.groups, *size), g.dtype, rules.common_device(op, avals)), g.dtype


def _weight_rule(op: Op, avals: Sequence, *, kernel: tuple, at: Geometry) -> tuple:
    x, g = avals
    shape = (g.shape[1], x.shape[1] // at.groups, *kernel)
    return Aval(shape, x.dtype, rules.common_device(op, avals)), x.dtype


def _cost(state: State) -> float:
    """Multiply-adds at about 10 a nanosecond, and the matrix of windows."""
    sizes = sorted(a.size for a in (*state.avals[:2], *state.outs) if a)
    x, y, z = state.avals[0], state.avals[1], state.outs[0]
    return 0.1 * (x.size * y.size * z.size / max(x.shape[0], 1)) ** 0.5 + 2.0 * sizes[-1]


# ---- the ops ---------------------------------------------------------------------------------------------------------


def _as_channels(b, y):
    return b.reshape(-1, *[1] * (y.ndim - 2))


def _bias_gradient(g: Tensor) -> Tensor:
    return g.sum((0, *range(2, g.ndim)))


@op(shape=_convolve_rule, xla=_convolve_xla, name="convolution", cost=_cost,
    vjp=(lambda g, w, avals, at: _transpose(g, conj(w), None, size=avals[0].shape[2:], at=at),
         lambda g, x, avals, at: _weight(conj(x), g, kernel=avals[1].shape[2:], at=at), _bias_gradient))  # fmt: skip
def _convolve(xp, x, w, b, *, at):
    made = _convolve_numpy(x, w, at)
    if b is not None:
        made += _as_channels(b, made)
    return made


@op(shape=_transpose_rule, xla=_transpose_xla, name="conv_transpose", grad_name="ConvolutionBackward0", cost=_cost,
    vjp=(lambda g, w, at: _convolve(g, conj(w), None, at=at),
         lambda g, x, avals, at: _weight(g, conj(x), kernel=avals[1].shape[2:], at=at), _bias_gradient))  # fmt: skip
def _transpose(xp, x, w, b, *, size, at):
    made = _transpose_numpy(x, w, size, at)
    if b is not None:
        made += _as_channels(b, made)
    return made


@op(shape=_weight_rule, xla=_weight_xla, name="convolution_weight", cost=_cost,
    vjp=(lambda g, y, avals, at: _transpose(conj(y), g, None, size=avals[0].shape[2:], at=at),
         lambda g, x, at: _convolve(conj(x), g, None, at=at)))  # fmt: skip
def _weight(xp, x, y, *, kernel, at):
    """What w gets back: the products of x's windows and of y, summed over positions and samples."""
    return _weight_numpy(x, y, kernel, at)


# ---- what is called --------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _geometry(rank: int, stride: object, padding: object, dilation: object, groups: int, kernel: tuple | None,
              name: str) -> Geometry:  # fmt: skip
    stride, dilation = repeated(stride, rank, "stride", name), repeated(dilation, rank, "dilation", name)
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    if any(s <= 0 for s in stride):
        raise RuntimeError("non-positive stride is not supported")
    if any(d <= 0 for d in dilation):
        raise RuntimeError(f"dilation should be greater than zero, but got {list(dilation)}")
    if isinstance(padding, str):
        return Geometry(stride, _named_pads(padding, stride, dilation, kernel), dilation, groups)
    pads = repeated(padding, rank, "padding", name)
    if any(p < 0 for p in pads):
        raise RuntimeError("negative padding is not supported")
    return Geometry(stride, tuple((p, p) for p in pads), dilation, groups)


def _named_pads(padding: str, stride: tuple, dilation: tuple, kernel: tuple) -> Pads:
    if padding == "valid":
        return ((0, 0),) * len(stride)
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    return tuple((d * (k - 1) // 2, d * (k - 1) - d * (k - 1) // 2) for d, k in zip(dilation, kernel))


_record_convolve, _record_transpose = recorder(_convolve.op), recorder(_transpose.op)


def _batched(record: Callable, rank: int, static: tuple, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Record a convolution; an input without a batch is a batch of one."""
    if len(input._value.aval.shape) == rank + 1:
        return record(static, input.unsqueeze(0), weight, bias).squeeze(0)
    return record(static, input, weight, bias)


def _need(name: str, input: object, weight: object) -> None:
    for x, what in ((input, "input"), (weight, "weight")):
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}(): argument '{what}' must be Tensor, not {type(x).__name__}")


def _conv(rank: int, input, weight, bias, stride, padding, dilation, groups) -> Tensor:
    name = f"conv{rank}d"
    _need(name, input, weight)
    kernel = tuple(weight.shape[2:]) if type(padding) is str else None
    at = _geometry(rank, frozen(stride), frozen(padding), frozen(dilation), groups, kernel, name)
    return _batched(_record_convolve, rank, (at,), input, weight, bias)


def _conv_transpose(rank: int, input, weight, bias, stride, padding, output_padding, groups, dilation) -> Tensor:
    name = f"conv_transpose{rank}d"
    _need(name, input, weight)
    if isinstance(padding, str):
        raise TypeError(f"{name}(): argument 'padding' must be tuple of ints, not str")
    at = _geometry(rank, frozen(stride), frozen(padding), frozen(dilation), groups, None, name)
    at = _extended(at, frozen(output_padding), name)
    size = _transposed_size(input.shape[-rank:], weight.shape[2:], at)
    return _batched(_record_transpose, rank, (size, at), input, weight, bias)


@lru_cache(maxsize=1024)
def _transposed_size(sizes: tuple, kernel: tuple, at: Geometry) -> tuple[int, ...]:
    """The spatial shape whose windows, the last one up to the end, are as many as ``sizes`` says."""
    found = tuple(
        (n - 1) * s - lo - hi + d * (k - 1) + 1 for n, k, s, d, (lo, hi) in zip(sizes, kernel, at.stride, at.dilation, at.pads)
    )
    if any(n <= 0 for n in found):
        raise RuntimeError(
            f"Given input size per channel: ({_product(sizes)}). Calculated output size per channel: ({_product(found)}). "
            "Output size is too small"
        )
    return found


@lru_cache(maxsize=1024)
def _extended(at: Geometry, output_padding: object, name: str) -> Geometry:
    """With the padding after the last window less what the result is to be longer."""
    extra = repeated(output_padding, len(at.stride), "output_padding", name)
    if any(e < 0 for e in extra):
        raise RuntimeError("negative output_padding is not supported")
    if any(e >= max(s, d) for e, s, d in zip(extra, at.stride, at.dilation)):
        raise RuntimeError(
            f"output padding must be smaller than either stride or dilation, but got output_padding {list(extra)}, stride "
            f"{list(at.stride)}, dilation {list(at.dilation)}"
        )
    return at._replace(pads=tuple((lo, hi - e) for (lo, hi), e in zip(at.pads, extra)))


def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1) -> Tensor:
    """Slide filters along the last dimension of (N, C, L) or (C, L) (``torch.nn.functional.conv1d``).

    >>> import kuai as torch
    >>> torch.nn.functional.conv1d(torch.arange(5.).view(1, 1, 5), torch.ones(1, 1, 3))
    tensor([[[3., 6., 9.]]])
    """
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1) -> Tensor:
    """Slide filters over images (N, C, H, W) or (C, H, W) (``torch.nn.functional.conv2d``).

    >>> import kuai as torch
    >>> x, filters = torch.ones(1, 3, 8, 8), torch.ones(16, 3, 5, 5)
    >>> torch.nn.functional.conv2d(x, filters, padding="same").shape
    torch.Size([1, 16, 8, 8])
    """
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1) -> Tensor:
    """Slide filters over volumes (N, C, D, H, W) or (C, D, H, W) (``torch.nn.functional.conv3d``).

    >>> import kuai as torch
    >>> torch.nn.functional.conv3d(torch.ones(1, 3, 8, 8, 8), torch.ones(16, 3, 5, 5, 5)).shape
    torch.Size([1, 16, 4, 4, 4])
    """
    return _conv(3, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1) -> Tensor:
    """The transpose of `conv1d`: each input element adds a multiple of the filter (``torch.nn.functional.conv_transpose1d``).

    >>> import kuai as torch
    >>> torch.nn.functional.conv_transpose1d(torch.ones(1, 1, 2), torch.ones(1, 1, 3))
    tensor([[[1., 2., 2., 1.]]])
    """
    return _conv_transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1) -> Tensor:
    """The transpose of `conv2d`, which makes images larger (``torch.nn.functional.conv_transpose2d``).

    >>> import kuai as torch
    >>> torch.nn.functional.conv_transpose2d(torch.ones(1, 4, 8, 8), torch.ones(4, 2, 2, 2), stride=2).shape
    torch.Size([1, 2, 16, 16])
    """
    return _conv_transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1) -> Tensor:
    """The transpose of `conv3d` (``torch.nn.functional.conv_transpose3d``).

    >>> import kuai as torch
    >>> torch.nn.functional.conv_transpose3d(torch.ones(1, 4, 2, 2, 2), torch.ones(4, 2, 2, 2, 2), stride=2).shape
    torch.Size([1, 2, 4, 4, 4])
    """
    return _conv_transpose(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


METHODS = ()
INPLACE = ()
