"""Normalization: elements less their mean, divided by their spread, over layers, batches, instances or groups of channels.

They are all one computation over different axes, so there is one text of it. The backward op computes the statistics
anew from the input: that is cheaper than keeping them, and compiled programs share the two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from math import prod
from typing import NamedTuple

import numpy as np

from .. import dtypes
from ..autograd.anew import widened
from ..dispatch import recorder
from ..dtypes import dtype
from ..engine.program import Aval, Op
from ..engine.trace import current
from ..tensor import Tensor
from . import rules
from .conversion import assign
from .define import op
from .pooling import Windows, _avg_pool


class Norm(NamedTuple):
    """What is normalized over: axes of the input seen in some shape; and the shape in which weight and bias meet it."""

    view: tuple[int, ...]
    axes: tuple[int, ...]
    affine: tuple[int, ...]
    eps: float
    centered: bool = True

    @property
    def shared(self) -> tuple[int, ...]:
        """The axes along which weight and bias are the same."""
        return tuple(i for i, n in enumerate(self.affine) if n == 1)


# ---- the text: arrays of NumPy and of jax.numpy, and tensors where a derivative is to be differentiated --------------


def _total(xp, x, axes: tuple[int, ...]):  # type: ignore[no-untyped-def]
    """The sum over axes, which stay as ones. ``xp`` is None for tensors."""
    if xp is None:
        return x.sum(axis=axes, keepdims=True) if axes else x  # a tensor's sum over no axes is that of all
    if xp is np:
        return _total_by_product(np, x, axes)
    return xp.lax.platform_dependent(
        x, cpu=lambda x: _total_by_product(xp, x, axes), default=lambda x: x.sum(axis=axes, keepdims=True)
    )


def _total_by_product(xp, x, axes: tuple[int, ...]):  # type: ignore[no-untyped-def]
    """On a CPU a product with ones is several times faster than a sum over the last axes."""
    first = x.ndim
    while first - 1 in axes:
        first -= 1
    lead, last = x.shape[:first], prod(x.shape[first:])
    if last != 1:
        x = _by_blocks(x.reshape(*lead, last), first, partial(_last_total, xp)).reshape(*lead, *[1] * (x.ndim - first))
    for axis in axes:
        if axis < first:
            x = _by_blocks(x, axis, _axis_total).reshape(*x.shape[:axis], 1, *x.shape[axis + 1 :])
    return x


def _last_total(xp, x, axis: int):  # type: ignore[no-untyped-def]
    return x @ xp.ones(x.shape[axis], x.dtype)


def _axis_total(x, axis: int):  # type: ignore[no-untyped-def]
    return x.sum(axis)


_LONG, _BLOCK = 1 << 15, 1 << 12


def _by_blocks(x, axis: int, total: Callable):  # type: ignore[no-untyped-def]
    """The sum over an axis; a long one in blocks, because the error of a sum grows with how many numbers one accumulator takes."""
    n = x.shape[axis]
    if n <= _LONG:
        return total(x, axis)
    size = _block(n)
    head, tail = (x[(*[slice(None)] * axis, part)] for part in (slice(n - n % size), slice(n - n % size, None)))
    blocks = head.reshape(*x.shape[:axis], n // size, size, *x.shape[axis + 1 :])
    whole = _by_blocks(total(blocks, axis + 1), axis, total)
    return whole + total(tail, axis) if n % size else whole


@lru_cache(maxsize=1024)
def _block(n: int) -> int:
    """A size that divides a number, where there is one: then the blocks of an array are a view of it."""
    return next((size for size in range(_BLOCK, _BLOCK // 16, -1) if n % size == 0), _BLOCK)


def _mean(xp, x, axes: tuple[int, ...]):  # type: ignore[no-untyped-def]
    return _total(xp, x, axes) / max(1, prod([x.shape[a] for a in axes]))


def _standard(xp, x, how: Norm):  # type: ignore[no-untyped-def]
    """The input in the shape of its view, centered and scaled, and the scale."""
    v = x if x.shape == how.view else x.reshape(how.view)
    d = v - _mean(xp, v, how.axes) if how.centered else v
    r = (_mean(xp, d * d, how.axes) + how.eps) ** -0.5
    return d * r, r


def _with_affine(y, w, b, affine: tuple[int, ...]):
    y = y if w is None else y * w.reshape(affine)
    return y if b is None else y + b.reshape(affine)


def _normalized(xp, x, w, b, how: Norm):  # type: ignore[no-untyped-def]
    return _with_affine(_standard(xp, x, how)[0].reshape(x.shape), w, b, how.affine)


def _cotangents(xp, g, x, w, b, how: Norm):  # type: ignore[no-untyped-def]
    """What x, weight and bias get back."""
    h, r = _standard(xp, x, how)
    shared = how.shared
    if how.axes == shared and len(shared) < x.ndim:  # batch norm: the sums that weight and bias get are those that x needs
        to_b, to_w = _total(xp, g, shared), _total(xp, g * h, shared)
        n = max(1, prod([x.shape[a] for a in shared]))
        r = r if w is None else r * w.reshape(how.affine)
        gx = r * (g - to_b / n - h * (to_w / n))
    else:
        v = (g if w is None else g * w.reshape(how.affine)).reshape(how.view)
        inner = h * _mean(xp, v * h, how.axes)
        gx = (r * (v - _mean(xp, v, how.axes) - inner if how.centered else v - inner)).reshape(x.shape)
        to_w = w if w is None else _total(xp, g * h.reshape(x.shape), shared)
        to_b = b if b is None else _total(xp, g, shared)
    return gx, w if w is None else to_w.reshape(w.shape), b if b is None else to_b.reshape(b.shape)


# ---- ops -------------------------------------------------------------------------------------------------------------


def _norm_rule(op: Op, avals: Sequence, *, how: Norm) -> tuple:
    x, w, b = avals
    computed = _computed(op, x, w, b)
    return Aval(x.shape, x.dtype, rules.common_device(op, avals)), computed


def _computed(op: Op, x: Aval, *parameters: Aval | None) -> tuple:
    """The dtypes to compute in: those that are given. Parameters may be float32 beside a half type."""
    if x.dtype.category != 2 and not (x.dtype.is_complex and op.name.startswith("rms_norm")):
        raise NotImplementedError(f'"{op.name}" not implemented for \'{rules._cname(x.dtype)}\'')
    for p in parameters:
        if p is not None and p.dtype is not x.dtype and not (x.dtype.itemsize == 2 and p.dtype is dtypes.float32):
            raise RuntimeError(
                f"{op.name}: mixed dtype (CPU): all inputs must share same datatype, or parameters be float32 beside a half "
                f"type; got {x.dtype} and {p.dtype}"
            )
    return (x.dtype, *(p and p.dtype for p in parameters))


def _backward_rule(op: Op, avals: Sequence, **static: object) -> tuple:
    g, x, *parameters = avals
    present = tuple(a for a in (x, *parameters[:2]) if a is not None)
    return present, (x.dtype, *(a and a.dtype for a in (x, *parameters)))


def _backward_body(xp, g, x, w, b, *, how):
    g, x = (g, x) if x.dtype.kind != "c" else (g.conj(), x)
    found = [a for a in _cotangents(xp, g, x, w, b, how) if a is not None]
    return found if x.dtype.kind != "c" else [a.conj() for a in found]


_backward = op(shape=_backward_rule, name="norm_backward", many=True, vjp=None, cost=8.0)(_backward_body)


def _spread_out(found: Sequence, *operands: object) -> tuple:
    """Results in the places of the operands that are there."""
    given = iter(found)
    return tuple(next(given) if a is not None else None for a in operands)


def _norm_vjp(g, x, w, b, how):
    if not current.grad:
        return _spread_out(_backward(g, x, w, b, how=how), x, w, b)
    g, x, w, b = widened(g, x, w, b)
    if not x.dtype.is_complex:
        return _cotangents(None, g, x, w, b, how)
    return tuple(a if a is None else a.conj() for a in _cotangents(None, g.conj(), x, w, b, how))


def _define(name: str, grad_name: str) -> Callable:
    """One of the norms, which differ in their names: autocast and graphs tell them apart."""

    def body(xp, x, w, b, *, how):
        return _normalized(xp, x, w, b, how)

    return op(shape=_norm_rule, name=name, grad_name=grad_name, vjp=_norm_vjp, cost=6.0)(body)


_record_layer, _record_group, _record_rms, _record_batch, _record_instance = (
    recorder(_define(name, grad_name).op)
    for name, grad_name in (
        ("layer_norm", "NativeLayerNormBackward0"), ("group_norm", "NativeGroupNormBackward0"),
        ("rms_norm", "FusedRmsNormBackward0"), ("batch_norm", "NativeBatchNormBackward0"),
        ("instance_norm", "NativeBatchNormBackward0"),
    )  # fmt: skip
)

# ---- batch norm with running statistics: while training, they are results as well ------------------------------------


def _tracked_rule(op: Op, avals: Sequence, *, how: Norm) -> tuple:
    x, w, b, mean, var, momentum = avals
    computed = _computed(op, x, w, b, mean, var)
    out = Aval(x.shape, x.dtype, rules.common_device(op, avals))
    return (out, mean, var), (*computed, dtypes.float64 if mean.dtype is dtypes.float64 else dtypes.float32)


def _tracked_vjp(g, x, w, b, how):
    if g[0] is None:
        return (None,) * 6
    return (*_norm_vjp(g[0], x, w, b, how), None, None, None)


@op(shape=_tracked_rule, name="batch_norm_tracked", grad_name="NativeBatchNormBackward0", many=True, vjp=_tracked_vjp, cost=6.0)
def _batch_norm_tracked(xp, x, w, b, mean, var, momentum, *, how):
    m = _mean(xp, x, how.axes)
    d = x - m
    spread = _mean(xp, d * d, how.axes)
    count = x.size // max(1, m.size)
    y = _with_affine(d * (spread + how.eps) ** -0.5, w, b, how.affine)
    keep, unbiased = 1 - momentum, count / max(1, count - 1)
    return y, _mix(mean, m, keep, momentum), _mix(var, spread, keep, momentum * unbiased)


def _mix(old, new, keep, share):
    """A running statistic; where each sample has its own (instance norm), their mean goes in."""
    return old * keep + new.reshape(-1, old.size).mean(0) * share


def _fixed_rule(op: Op, avals: Sequence, *, eps: float, affine: tuple) -> tuple:
    x = avals[0]
    return Aval(x.shape, x.dtype, rules.common_device(op, avals)), _computed(op, *avals)


def _scaled(x, w, b, mean, var, eps: float, affine: tuple):
    scale = (var + eps) ** -0.5
    scale = scale if w is None else scale * w
    shift = -mean * scale if b is None else b - mean * scale
    return x * scale.reshape(affine) + shift.reshape(affine)


def _fixed_cotangents(xp, g, x, w, b, mean, var, eps: float, affine: tuple):
    r, shared = (var + eps) ** -0.5, tuple(i for i, n in enumerate(affine) if n == 1)
    gx = g * (r if w is None else r * w).reshape(affine)
    gw = None if w is None else _total(xp, g * (x - mean.reshape(affine)), shared).reshape(w.shape) * r
    return gx, gw, None if b is None else _total(xp, g, shared).reshape(b.shape)


@op(shape=_backward_rule, name="batch_norm_fixed_backward", many=True, vjp=None, cost=4.0)
def _fixed_backward(xp, g, x, w, b, mean, var, *, eps, affine):
    return [a for a in _fixed_cotangents(xp, g, x, w, b, mean, var, eps, affine) if a is not None]


def _fixed_vjp(g, x, w, b, mean, var, eps, affine):
    if current.grad:
        g, x, w, b = widened(g, x, w, b)
        return (*_fixed_cotangents(None, g, x, w, b, mean, var, eps, affine), None, None)
    return (*_spread_out(_fixed_backward(g, x, w, b, mean, var, eps=eps, affine=affine), x, w, b), None, None)


@op(shape=_fixed_rule, name="batch_norm_fixed", grad_name="NativeBatchNormBackward0", vjp=_fixed_vjp, cost=2.0)
def _batch_norm_fixed(xp, x, w, b, mean, var, *, eps, affine):
    return _scaled(x, w, b, mean, var, eps, affine)


_record_fixed = recorder(_batch_norm_fixed.op)

# ---- over the last dimensions ----------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _over_last(shape: tuple, normalized: tuple, eps: float, centered: bool, name: str) -> tuple[Norm]:
    rank, over = len(shape), len(normalized)
    if not over:
        raise RuntimeError(
            f"{name}: Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
            "normalized_shape = []"
        )
    if shape[rank - over :] != normalized or rank < over:
        wanted = ", ".join(map(str, normalized))
        raise RuntimeError(
            f"{name}: Given normalized_shape={list(normalized)}, expected input with shape [*, {wanted}], but got input of "
            f"size{list(shape)}"
        )
    return (Norm(shape, tuple(range(rank - over, rank)), (1,) * (rank - over) + normalized, eps, centered),)


def _check_shapes(normalized: tuple, **parameters: Tensor | None) -> None:
    for name, p in parameters.items():
        if p is not None and tuple(p.shape) != normalized:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape {list(p.shape)} and "
                f"normalized_shape = {list(normalized)}"
            )


def _dims(given: object, name: str) -> tuple[int, ...]:
    if isinstance(given, int):
        raise TypeError(f"{name}(): argument 'normalized_shape' (position 2) must be tuple of ints, not int")
    return given if type(given) is tuple else tuple(given)


def layer_norm(input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, bias: Tensor | None = None,
               eps: float = 1e-05) -> Tensor:  # fmt: skip
    """Mean 0 and variance 1 over the last dimensions, whose shape is given (``torch.nn.functional.layer_norm``).

    >>> import kuai as torch
    >>> torch.nn.functional.layer_norm(torch.tensor([[1., 2., 3.]]), (3,))
    tensor([[-1.2247,  0.0000,  1.2247]])
    """
    normalized = _dims(normalized_shape, "layer_norm")
    _check_shapes(normalized, weight=weight, bias=bias)
    how = _over_last(input._value.aval.shape, normalized, eps, True, "layer_norm")
    return _record_layer(how, input, weight, bias)


def rms_norm(input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """The last dimensions divided by the root of their mean square (``torch.nn.functional.rms_norm``).

    >>> import kuai as torch
    >>> torch.nn.functional.rms_norm(torch.tensor([[1., 7.]]), (2,))
    tensor([[0.2000, 1.4000]])
    """
    normalized = _dims(normalized_shape, "rms_norm")
    _check_shapes(normalized, weight=weight)
    aval = input._value.aval
    if len(aval.shape) < len(normalized):
        raise ValueError(f"rms_norm: Input tensor must have at least {len(normalized)} dimensions, but got {len(aval.shape)}")
    eps = _smallest_step(aval.dtype) if eps is None else eps
    return _record_rms(_over_last(aval.shape, normalized, eps, False, "rms_norm"), input, weight, None)


@lru_cache(maxsize=16)
def _smallest_step(d: dtype) -> float:
    """The eps of rms_norm, if none is given: that of the dtype it computes in."""
    if d.category < 2:
        return 0.0  # refused by the rule
    return dtypes.finfo(dtypes.float32 if d.itemsize == 2 else d).eps


# ---- over groups of channels -----------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _over_groups(shape: tuple, groups: int, eps: float) -> tuple[Norm]:
    if len(shape) < 2:
        raise RuntimeError(f"group_norm: Expected at least 2 dimensions for input tensor but received {len(shape)}")
    n, channels, *space = shape
    if groups <= 0:
        raise RuntimeError(f"group_norm: Expected num groups to be greater than 0, got {groups}")
    if channels % groups:
        raise RuntimeError(
            f"group_norm: Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(shape)} and num_groups={groups}"
        )
    members = channels // groups * prod(space)
    return (Norm((n, groups, members), (2,), (1, channels, *[1] * len(space)), eps),)


def _check_channels(shape: Sequence[int], **parameters: Tensor | None) -> None:
    for name, p in parameters.items():
        if p is not None and tuple(p.shape) != (shape[1],):
            raise RuntimeError(
                f"group_norm: Expected {name} to be a vector of size equal to the number of channels in input, but got {name} "
                f"of shape {list(p.shape)} and input of shape {list(shape)}"
            )


def group_norm(input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None,
               eps: float = 1e-05) -> Tensor:  # fmt: skip
    """Mean 0 and variance 1 over groups of channels of each sample (``torch.nn.functional.group_norm``).

    >>> import kuai as torch
    >>> torch.nn.functional.group_norm(torch.tensor([[1., 2., 3., 5.]]), 2)
    tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """
    shape = input._value.aval.shape
    how = _over_groups(shape, num_groups, eps)
    _check_channels(shape, weight=weight, bias=bias)
    if shape[0] * prod(shape[2:]) * shape[1] // num_groups == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {list(shape)}")
    return _record_group(how, input, weight, bias)


# ---- over batches, and over each sample ------------------------------------------------------------------------------


def _by_channels(shape: Sequence[int]) -> tuple[int, ...]:
    return (1, shape[1], *[1] * (len(shape) - 2)) if len(shape) > 1 else (1,)


@lru_cache(maxsize=1024)
def _over_batch(shape: tuple, eps: float, instances: bool) -> tuple[Norm]:
    space = tuple(range(2, len(shape)))
    return (Norm(shape, space if instances else (0, *space), _by_channels(shape), eps),)


def _check_statistics(shape: Sequence[int], **given: Tensor | None) -> None:
    channels = shape[1] if len(shape) > 1 else 0
    for name, p in given.items():
        if p is not None and p._value.aval.size != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {p._value.aval.size}")
        if p is not None and name.startswith("running") and len(p._value.aval.shape) != 1 < len(shape):
            raise RuntimeError(f"{name} should be a vector of {channels} elements, got one of shape {list(p.shape)}")


def _check_pair(mean: Tensor | None, var: Tensor | None) -> None:
    if (mean is None) != (var is None):
        raise ValueError("running_mean and running_var must either both be None or neither be None")


def _track(input, weight, bias, mean, var, momentum, how):
    """Normalize with the input's own statistics, which are mixed into the running ones in place."""
    if not input._value.aval.size:
        return _with_running(input, weight, bias, mean, var, how[0].eps)
    y, new_mean, new_var = _batch_norm_tracked(input, weight, bias, mean, var, momentum, how=how[0])
    assign(mean, new_mean.detach(), "running_mean")
    assign(var, new_var.detach(), "running_var")
    return y


def _with_running(input, weight, bias, mean, var, eps):
    return _record_fixed((eps, _by_channels(input._value.aval.shape)), input, weight, bias, mean, var)


def batch_norm(input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None,
               bias: Tensor | None = None, training: bool = False, momentum: object = 0.1,
               eps: float = 1e-05) -> Tensor:  # fmt: skip
    """Mean 0 and variance 1 for each channel: of this batch, or with the running statistics (``torch.nn.functional.batch_norm``).

    >>> import kuai as torch
    >>> mean, var = torch.zeros(1), torch.ones(1)
    >>> torch.nn.functional.batch_norm(torch.tensor([[1.], [3.]]), mean, var, training=True)
    tensor([[-1.0000],
            [ 1.0000]])
    >>> mean
    tensor([0.2000])
    """
    shape = input._value.aval.shape
    if not shape:
        raise IndexError("batch_norm: got an input of no dimensions, needs one of channels: tuple index out of range")
    if eps <= 0:
        raise ValueError(f"batch_norm eps must be positive, but got {eps}")
    if training and len(shape) > 1 and shape[0] * prod(shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size torch.Size({list(shape)})")
    if not training and (running_mean is None or running_var is None):
        raise RuntimeError("batch_norm: running_mean and running_var must be defined in evaluation mode")
    _check_pair(running_mean, running_var)
    _check_statistics(shape, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    if len(shape) < 2:  # of no channels
        return input.clone()
    if not training:
        return _with_running(input, weight, bias, running_mean, running_var, eps)
    how = _over_batch(shape, eps, False)
    if running_mean is None:
        return _record_batch(how, input, weight, bias)
    return _track(input, weight, bias, running_mean, running_var, momentum, how)


def instance_norm(input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None,
                  weight: Tensor | None = None, bias: Tensor | None = None, use_input_stats: bool = True,
                  momentum: object = 0.1, eps: float = 1e-05) -> Tensor:  # fmt: skip
    """Mean 0 and variance 1 for each channel of each sample (``torch.nn.functional.instance_norm``).

    >>> import kuai as torch
    >>> torch.nn.functional.instance_norm(torch.tensor([[[1., 3.], [0., 8.]]]))
    tensor([[[-1.0000,  1.0000],
             [-1.0000,  1.0000]]])
    """
    shape = input._value.aval.shape
    if use_input_stats and prod(shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size torch.Size({list(shape)})")
    _check_pair(running_mean, running_var)
    _check_statistics(shape, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    if not use_input_stats:
        if running_mean is None:
            raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")
        return _with_running(input, weight, bias, running_mean, running_var, eps)
    for p, name in ((weight, "weight"), (bias, "bias")):
        if p is not None and len(p.shape) > 1:
            raise RuntimeError(f"instance_norm: {name} must be a vector with a number for each channel, got shape {list(p.shape)}")
    how = _over_batch(shape, eps, True)
    if running_mean is None:
        return _record_instance(how, input, weight, bias)
    return _track(input, weight, bias, running_mean, running_var, momentum, how)


# ---- across channels -------------------------------------------------------------------------------------------------


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Each element divided by what its neighbours in other channels have (``torch.nn.functional.local_response_norm``).

    >>> import kuai as torch
    >>> torch.nn.functional.local_response_norm(torch.ones(1, 2, 1), 2, alpha=2.0, beta=1.0)
    tensor([[[0.5000],
             [0.3333]]])
    """
    if input.ndim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions)")
    if size <= 0:
        raise RuntimeError(f"local_response_norm: kernel size should be greater than zero, but got {size}")
    if not input._value.aval.size:
        return input
    return input / (across_channels(input * input, size, size // 2, (size - 1) // 2) * alpha + k).pow(beta)


def across_channels(x: Tensor, size: int, before: int, after: int) -> Tensor:
    """The average over neighbouring channels, those outside counted as zeros."""
    n, channels, *space = x.shape
    at = Windows((size, 1), (1, 1), ((before, after), (0, 0)), (1, 1), (channels, prod(space)))
    return _avg_pool(x.reshape(n, 1, channels, prod(space)), at=at, divisor=size).reshape(x.shape)


METHODS = ()
INPLACE = ()
