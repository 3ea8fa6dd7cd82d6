"""Pools over sliding windows: greatest elements, averages, p-norms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import ceil, prod
from typing import NamedTuple

import numpy as np

from ..dispatch import recorder
from ..dtypes import int64
from ..engine.program import Op, State
from ..tensor import Tensor
from . import rules
from .define import op, write_out
from .windows import Pads, crop, frozen, offsets, pad, repeated, shifted, shifted_along


class Windows(NamedTuple):
    """Where the windows of a pool lie; ``counts`` says how many there are, and pads reach to the end of the last one."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pads: Pads
    dilation: tuple[int, ...]
    counts: tuple[int, ...]

    def key(self, offset: Sequence[int]) -> tuple:
        """The key of what all windows of a padded array have at one place."""
        return shifted(offset, self.stride, self.dilation, self.counts)


# ---- both executions -------------------------------------------------------------------------------------------------


def _lowest(dtype) -> float:
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _padded(xp, x, pads: Pads, value: float):
    if xp is np:
        return pad(x, pads, value)
    lead = [(0, 0, 0)] * (x.ndim - len(pads))
    return xp.lax.pad(x, xp.asarray(value, x.dtype), [*lead, *[(lo, hi, 0) for lo, hi in pads]])


def _fold(x: np.ndarray, at: Windows, combine: Callable) -> np.ndarray:
    """Combine the elements of each window, one dimension after the other; x is padded already."""
    rank = len(at.kernel)
    if at.kernel == x.shape[-rank:]:  # one window for all
        return combine.reduce(x, tuple(range(x.ndim - rank, x.ndim)), keepdims=True)  # type: ignore[attr-defined]
    for d, (k, s, t, n) in enumerate(zip(at.kernel, at.stride, at.dilation, at.counts)):
        parts = [x[shifted_along(d, rank, o, s, t, n)] for o in range(k)]
        made = combine(parts[0], parts[1]) if k > 1 else parts[0]
        for part in parts[2:]:
            combine(made, part, out=made)
        x = made
    return x


def _unfold_sum(g: np.ndarray, at: Windows, sizes: Sequence[int]) -> np.ndarray:
    """Add each element to all places of its window: the transpose of summing windows."""
    rank = len(at.kernel)
    padded = tuple(n + lo + hi for n, (lo, hi) in zip(sizes, at.pads))
    if at.kernel == padded:  # one window for all
        return crop(np.broadcast_to(g, (*g.shape[:-rank], *padded)).copy(), at.pads)
    for d, (k, s, t, n) in enumerate(zip(at.kernel, at.stride, at.dilation, at.counts)):
        axis = g.ndim - rank + d
        out = np.zeros((*g.shape[:axis], padded[d], *g.shape[axis + 1 :]), g.dtype)
        for o in range(k):
            out[shifted_along(d, rank, o, s, t, n)] += g
        g = out
    return crop(g, at.pads)


def _reduce_window(xp, x, start, combine, at: Windows):
    lead = (1,) * (x.ndim - len(at.kernel))
    return xp.lax.reduce_window(x, np.asarray(start, x.dtype), combine, lead + at.kernel, lead + at.stride,
                                ((0, 0),) * len(lead) + at.pads, window_dilation=lead + at.dilation)  # fmt: skip


# ---- rules and checks ------------------------------------------------------------------------------------------------


def _refuse(name: str, what: object) -> None:
    raise NotImplementedError(f'"{name}" not implemented for \'{rules._cname(what)}\'')


def _pool_rule(op: Op, avals: Sequence, *, at: Windows, **static: object) -> tuple:
    x, rank = avals[0], len(at.kernel)
    if x.dtype.category not in (1, 2) or (op.name == "avg_pool" and x.dtype.category == 1 and x.dtype is not int64):
        _refuse(f"{op.name}{rank}d", x.dtype)
    return x.with_((*x.shape[:-rank], *at.counts)), x.dtype


def _indexed_rule(op: Op, avals: Sequence, *, at: Windows) -> tuple:
    out, computed = _pool_rule(op, avals, at=at)
    return (out, out.with_(dtype=int64)), computed


def _as_second(op: Op, avals: Sequence, **static: object) -> tuple:
    return avals[1], avals[1].dtype


def _as_third(op: Op, avals: Sequence, **static: object) -> tuple:
    return avals[2], avals[2].dtype


def _backward_rule(op: Op, avals: Sequence, *, size: tuple, at: Windows, divisor: object) -> tuple:
    g = avals[0]
    return g.with_((*g.shape[: -len(size)], *size)), g.dtype


def _windows_of(state: State) -> Windows:
    return next(s for s in state.static if isinstance(s, Windows))


def _max_name(state: State) -> str:
    return f"MaxPool{len(_windows_of(state).kernel)}DWithIndicesBackward0"


def _window_cost(state: State) -> float:
    at = _windows_of(state)
    return sum(at.kernel) * max(a.size for a in (*state.avals, *state.outs))


# ---- max -------------------------------------------------------------------------------------------------------------


def _winners(xp, x, y, at: Windows):
    """Which place of each window holds its greatest element, the first of equal ones; x is padded already."""
    places = list(offsets(at.kernel))
    kind = np.int8 if len(places) < 128 else np.int32
    if xp is not np:
        return _winners_xla(xp, x, [at.key(o) for o in places], kind)
    found = np.full(y.shape, len(places) - 1, kind)
    for i in range(len(places) - 2, -1, -1):
        found = _overwritten(found, i, x[at.key(places[i])] == y)
    return found


def _winners_xla(xp, x, keys: list, kind: type):
    """Without y: XLA may compute x anew here, and round it otherwise than where y was made from it."""
    best, found = x[keys[0]], xp.zeros(x[keys[0]].shape, kind)
    for i, key in enumerate(keys[1:], 1):
        found = xp.where((x[key] > best) | (x[key] != x[key]), xp.asarray(i, kind), found)
        best = xp.maximum(best, x[key])
    return found


# NumPy's where takes several times as long as arithmetic on bits.
def _overwritten(found: np.ndarray, i: int, hit: np.ndarray) -> np.ndarray:
    """i where hit, what was found elsewhere."""
    mask = -hit.astype(found.dtype)
    found &= ~mask
    found |= mask & found.dtype.type(i)
    return found


def _only(g: np.ndarray, hit: np.ndarray) -> np.ndarray:
    """g where hit, 0 elsewhere."""
    bits = g.view(f"i{g.itemsize}")
    return (-hit.astype(bits.dtype) & bits).view(g.dtype)


def _max_backward_numpy(g: np.ndarray, x: np.ndarray, y: np.ndarray, at: Windows) -> np.ndarray:
    winners = _winners(np, pad(x, at.pads, _lowest(x.dtype)), y, at)
    padded = [n + lo + hi for n, (lo, hi) in zip(x.shape[-len(at.pads) :], at.pads)]
    out = np.zeros((*x.shape[: -len(at.pads)], *padded), g.dtype)
    for i, o in enumerate(offsets(at.kernel)):
        out[at.key(o)] += _only(g, winners == i)
    return crop(out, at.pads)


def _max_backward_xla(xp, g, x, y, *, at):
    winners = _winners(xp, _padded(xp, x, at.pads, _lowest(x.dtype)), y, at)
    lead, zero, total = [(0, 0, 0)] * (x.ndim - len(at.pads)), xp.zeros((), g.dtype), 0
    for i, o in enumerate(offsets(at.kernel)):
        spacing = [
            (p * d - lo, n + lo - p * d - (m - 1) * s - 1, s - 1)
            for p, d, (lo, _), n, m, s in zip(o, at.dilation, at.pads, x.shape[-len(o) :], at.counts, at.stride)
        ]
        total = total + xp.lax.pad(xp.where(winners == i, g, zero), zero, [*lead, *spacing])
    return total


@op(shape=_as_third, name="max_pool_pick", cost=_window_cost,
    vjp=(lambda g, x, y, at: _max_backward(g, x, y, at=at), None, None))  # fmt: skip
def _max_pick(xp, h, x, y, *, at):
    """h where x has the greatest element of each window."""
    winners = _winners(xp, _padded(xp, x, at.pads, _lowest(x.dtype)), y, at)
    h, out = _padded(xp, h, at.pads, 0), 0
    for i, o in enumerate(offsets(at.kernel)):
        out = out + xp.where(winners == i, h[at.key(o)], 0)
    return out


@op(shape=_as_second, xla=_max_backward_xla, name="max_pool_backward", cost=_window_cost,
    vjp=(lambda g, x, y, at: _max_pick(g, x, y, at=at), None, None))  # fmt: skip
def _max_backward(xp, g, x, y, *, at):
    return _max_backward_numpy(g, x, y, at)


def _max_xla(xp, x, *, at):
    return _reduce_window(xp, x, _lowest(x.dtype), xp.lax.max, at)


def _max_vjp(g, x, out, at):
    return (_max_backward(g, x, out, at=at),)


@op(shape=_pool_rule, xla=_max_xla, name="max_pool", cost=_window_cost, vjp=_max_vjp,
    grad_name=_max_name)  # fmt: skip
def _max_pool(xp, x, *, at):
    return _fold(pad(x, at.pads, _lowest(x.dtype)), at, np.maximum)


def _flat_index(xp, winners, at: Windows, sizes: Sequence[int]):
    """Where in its unpadded plane each window's winner is, the elements counted in order."""
    rank, flat = len(sizes), 0
    within = np.array(list(offsets(at.kernel))).reshape(-1, rank)
    for d in range(rank):
        start = (np.arange(at.counts[d]) * at.stride[d] - at.pads[d][0]).reshape(-1, *[1] * (rank - 1 - d))
        flat = flat * sizes[d] + start + xp.asarray(within[:, d] * at.dilation[d])[winners]
    return flat


def _indexed(xp, x, y, at: Windows):
    winners = _winners(xp, _padded(xp, x, at.pads, _lowest(x.dtype)), y, at)
    return y, _flat_index(xp, winners, at, x.shape[-len(at.kernel) :])


def _indexed_vjp(g, x, out, at):
    return (_max_backward(g[0], x, out[0], at=at),)


@op(shape=_indexed_rule, name="max_pool_with_indices", cost=_window_cost, many=True, grad_name=_max_name, vjp=_indexed_vjp,
    xla=lambda xp, x, *, at: _indexed(xp, x, _max_xla(xp, x, at=at), at))  # fmt: skip
def _max_pool_with_indices(xp, x, *, at):
    return _indexed(xp, x, _fold(pad(x, at.pads, _lowest(x.dtype)), at, np.maximum), at)


# ---- averages --------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _divisors(at: Windows, sizes: tuple[int, ...], divisor: object) -> object:
    """What each window's sum is divided by: a number if it is the same for all, else an array of their shape."""
    if type(divisor) is int:
        return divisor
    whole, rank = 1, len(sizes)
    for d, (k, s, (lo, _), n, m) in enumerate(zip(at.kernel, at.stride, at.pads, sizes, at.counts)):
        start = np.arange(m) * s - lo
        end = np.minimum(start + k, n + lo)  # what ceil_mode adds is no padding
        counted = end - start if divisor == "padded" else np.minimum(end, n) - np.maximum(start, 0)
        whole = whole * counted.reshape(-1, *[1] * (rank - 1 - d))
    return int(whole.flat[0]) if (whole == whole.flat[:1]).all() and whole.size else whole


def _divided(xp, total, divisors):
    if total.dtype.kind != "f":
        return xp.trunc(total / divisors).astype(total.dtype)
    return total / (divisors if type(divisors) is int else xp.asarray(divisors, total.dtype))


def _avg_xla(xp, x, *, at, divisor):
    total = _reduce_window(xp, x, 0, xp.lax.add, at)
    return _divided(xp, total, _divisors(at, x.shape[-len(at.kernel) :], divisor))


def _avg_backward_xla(xp, g, *, size, at, divisor):
    g = _divided(xp, g, _divisors(at, size, divisor))
    lead, spacing = [(0, 0, 0)] * (g.ndim - len(size)), []
    for n, m, k, s, (lo, _) in zip(size, at.counts, at.kernel, at.stride, at.pads):
        before = k - 1 - lo
        spacing.append((before, n + k - 1 - before - (m - 1) * s - 1, s - 1))
    ones = (1,) * len(size)
    spread = Windows(at.kernel, ones, ((0, 0),) * len(size), ones, size)
    return _reduce_window(xp, xp.lax.pad(g, xp.zeros((), g.dtype), [*lead, *spacing]), 0, xp.lax.add, spread)


@op(shape=_pool_rule, xla=_avg_xla, name="avg_pool", cost=_window_cost,
    grad_name=lambda state: f"AvgPool{len(_windows_of(state).kernel)}DBackward0",
    vjp=(lambda g, avals, at, divisor:
         _avg_backward(g, size=avals[0].shape[-len(at.kernel):], at=at, divisor=divisor),))  # fmt: skip
def _avg_pool(xp, x, *, at, divisor):
    return _divided(np, _fold(pad(x, at.pads), at, np.add), _divisors(at, x.shape[-len(at.kernel) :], divisor))


@op(shape=_backward_rule, xla=_avg_backward_xla, name="avg_pool_backward", cost=_window_cost,
    vjp=(lambda g, at, divisor: _avg_pool(g, at=at, divisor=divisor),))  # fmt: skip
def _avg_backward(xp, g, *, size, at, divisor):
    return _unfold_sum(_divided(np, g, _divisors(at, size, divisor)), at, size)


# ---- what is called --------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _windows(name: str, sizes: tuple, kernel: object, stride: object, padding: object, dilation: object,
             ceil_mode: bool) -> Windows:  # fmt: skip
    """The windows of a pool over a plane of some size; RuntimeErrors as PyTorch has them."""
    rank = len(sizes)
    kernel = repeated(kernel, rank, "kernel_size", name)
    stride = kernel if stride is None or stride == () else repeated(stride, rank, "stride", name)
    padding, dilation = repeated(padding, rank, "padding", name), repeated(dilation, rank, "dilation", name)
    _check_windows(name, kernel, stride, padding, dilation)
    counts = tuple(map(_count, sizes, kernel, stride, padding, dilation, [ceil_mode] * rank))
    if any(n < 1 for n in counts):
        shown = "x".join(map(str, sizes))
        wrong = "Invalid computed output size" if name == "max_pool1d" else f"Given input size: ({shown}). Calculated output size"
        found = str(counts[0]) if name == "max_pool1d" else f"({'x'.join(map(str, counts))}). Output size is too small"
        raise RuntimeError(f"{name}() {wrong}: {found}")
    ends = [(m - 1) * s + d * (k - 1) + 1 for m, k, s, d in zip(counts, kernel, stride, dilation)]
    pads = tuple((p, max(p, end - n - p)) for p, end, n in zip(padding, ends, sizes))
    return Windows(kernel, stride, pads, dilation, counts)


def _check_windows(name: str, kernel: tuple, stride: tuple, padding: tuple, dilation: tuple) -> None:
    for given, what in ((kernel, "kernel_size"), (stride, "stride"), (dilation, "dilation")):
        if any(n <= 0 for n in given):
            raise RuntimeError(f"{name}() {what} must be greater than zero, but got {given[0] if len(given) == 1 else given}")
    for p, k, d in zip(padding, kernel, dilation):
        if p < 0:
            raise RuntimeError(f"{name}: pad must be non-negative, but got pad: {p}")
        if p > ((k - 1) * d + 1) // 2:
            raise RuntimeError(
                f"{name}: pad should be at most half of effective kernel size, but got pad={p}, kernel_size={k} and dilation={d}"
            )


def _count(n: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    reach = n + 2 * p - d * (k - 1) - 1
    found = (ceil(reach / s) if ceil_mode else reach // s) + 1
    return found - 1 if ceil_mode and (found - 1) * s >= n + p else found  # the last window has to begin in the input


def check_plane(name: str, x: object, rank: int) -> tuple[int, ...]:
    """The spatial shape of a pool's input, with or without a batch."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(x).__name__}")
    shape = x._value.aval.shape
    if len(shape) not in (rank + 1, rank + 2) or not all(shape[-rank - 1 :] if len(shape) > rank + 1 else shape):
        raise RuntimeError(
            f"{name}: non-empty {rank + 1}D or {rank + 2}D: Expected {rank + 1}D or {rank + 2}D (batch mode) tensor with "
            f"optional 0 dim batch size for input; Expected input's non-batch dimensions to have positive length, "
            f"but got:{list(shape)}"
        )
    return tuple(shape[-rank:])


_record_max, _record_avg = recorder(_max_pool.op), recorder(_avg_pool.op)


def _pooled_max(rank: int, input: Tensor, kernel: object, stride: object, padding: object, dilation: object, ceil_mode: bool,
                return_indices: bool) -> object:  # fmt: skip
    name = f"max_pool{rank}d"
    sizes = check_plane(name, input, rank)
    at = _windows(name, sizes, frozen(kernel), frozen(stride), frozen(padding), frozen(dilation), bool(ceil_mode))
    return _max_pool_with_indices(input, at=at) if return_indices else _record_max((at,), input)


def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The greatest element of each window along the last dimension (``torch.nn.functional.max_pool1d``).

    >>> import kuai as torch
    >>> torch.nn.functional.max_pool1d(torch.tensor([[1., 3., 2., 0.]]), 2)
    tensor([[3., 2.]])
    """
    if not return_indices and input.dtype.category == 1:
        raise NotImplementedError(f"\"max_pool1d_impl\" not implemented for '{rules._cname(input.dtype)}'")
    return _pooled_max(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The greatest element of each window of images (N, C, H, W) or (C, H, W) (``torch.nn.functional.max_pool2d``).

    >>> import kuai as torch
    >>> torch.nn.functional.max_pool2d(torch.arange(16.).view(1, 4, 4), 2)
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """
    return _pooled_max(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The greatest element of each window of volumes (``torch.nn.functional.max_pool3d``).

    >>> import kuai as torch
    >>> torch.nn.functional.max_pool3d(torch.arange(8.).view(1, 2, 2, 2), 2)
    tensor([[[[7.]]]])
    """
    return _pooled_max(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool1d_with_indices(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=True):
    """`max_pool1d`, and where each greatest element is (``torch.nn.functional.max_pool1d_with_indices``).

    >>> import kuai as torch
    >>> torch.nn.functional.max_pool1d_with_indices(torch.tensor([[1., 3., 2., 0.]]), 2)
    (tensor([[3., 2.]]), tensor([[1, 2]]))
    """
    return _pooled_max(1, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool2d_with_indices(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=True):
    """`max_pool2d`, and where in its plane each greatest element is (``torch.nn.functional.max_pool2d_with_indices``).

    >>> import kuai as torch
    >>> torch.nn.functional.max_pool2d_with_indices(torch.arange(4.).view(1, 2, 2), 2)
    (tensor([[[3.]]]), tensor([[[3]]]))
    """
    return _pooled_max(2, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool3d_with_indices(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=True):
    """`max_pool3d`, and where in its volume each greatest element is (``torch.nn.functional.max_pool3d_with_indices``).

    >>> import kuai as torch
    >>> torch.nn.functional.max_pool3d_with_indices(torch.arange(8.).view(1, 2, 2, 2), 2)[1]
    tensor([[[[7]]]])
    """
    return _pooled_max(3, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def _pooled_avg(rank: int, input: Tensor, kernel: object, stride: object, padding: object, ceil_mode: bool,
                count_include_pad: bool, divisor_override: int | None = None) -> Tensor:  # fmt: skip
    name = f"avg_pool{rank}d"
    if rank == 2 and len(input.shape) < 3:
        raise IndexError(f"{name}: Dimension out of range: needs an input of 3 or 4 dimensions, got {len(input.shape)}")
    sizes = check_plane(name, input, rank)
    if rank == 3:
        rules.need_wide("avg_pool3d_out_frame", input._aval)
    at = _windows(name, sizes, frozen(kernel), frozen(stride), frozen(padding), 1, bool(ceil_mode))
    if divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    return _record_avg((at, divisor_override or ("padded" if count_include_pad else "inside")), input)


def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True) -> Tensor:
    """The average of each window along the last dimension (``torch.nn.functional.avg_pool1d``).

    >>> import kuai as torch
    >>> torch.nn.functional.avg_pool1d(torch.tensor([[1., 3., 2., 0.]]), 2)
    tensor([[2., 1.]])
    """
    return _pooled_avg(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
               divisor_override=None, *, out=None) -> Tensor:  # fmt: skip
    """The average of each window of images (N, C, H, W) or (C, H, W) (``torch.nn.functional.avg_pool2d``).

    >>> import kuai as torch
    >>> torch.nn.functional.avg_pool2d(torch.arange(16.).view(1, 4, 4), 2)
    tensor([[[ 2.5000,  4.5000],
             [10.5000, 12.5000]]])
    """
    made = _pooled_avg(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return made if out is None else write_out(out, made)


def avg_pool3d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
               divisor_override=None, *, out=None) -> Tensor:  # fmt: skip
    """The average of each window of volumes (``torch.nn.functional.avg_pool3d``).

    >>> import kuai as torch
    >>> torch.nn.functional.avg_pool3d(torch.arange(8.).view(1, 2, 2, 2), 2)
    tensor([[[[3.5000]]]])
    """
    made = _pooled_avg(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return made if out is None else write_out(out, made)


def _lp_pool(rank: int, input: Tensor, p: float, kernel: object, stride: object, ceil_mode: bool) -> Tensor:
    average = _pooled_avg(rank, input.pow(p), kernel, stride, 0, ceil_mode, True)
    places = prod(repeated(frozen(kernel), rank, "kernel_size", f"lp_pool{rank}d"))
    return (average.sign() * average.abs().relu() * places).pow(1.0 / p)


def lp_pool1d(input, norm_type, kernel_size, stride=None, ceil_mode=False) -> Tensor:
    """The p-norm of each window along the last dimension (``torch.nn.functional.lp_pool1d``).

    >>> import kuai as torch
    >>> torch.nn.functional.lp_pool1d(torch.tensor([[3., 4., 5., 12.]]), 2, 2)
    tensor([[ 5., 13.]])
    """
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode=False) -> Tensor:
    """The p-norm of each window of images (``torch.nn.functional.lp_pool2d``).

    >>> import kuai as torch
    >>> torch.nn.functional.lp_pool2d(torch.ones(1, 2, 2), 2, 2)
    tensor([[[2.]]])
    """
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input, norm_type, kernel_size, stride=None, ceil_mode=False) -> Tensor:
    """The p-norm of each window of volumes (``torch.nn.functional.lp_pool3d``).

    >>> import kuai as torch
    >>> torch.nn.functional.lp_pool3d(torch.ones(1, 2, 2, 2), 3, 2)
    tensor([[[[2.]]]])
    """
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


METHODS = ()
INPLACE = ()
