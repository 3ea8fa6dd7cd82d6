"""Convolutions and transposed convolutions of one, two and three dimensions.

There are three ops, each linear in both operands, and each is the derivative of the other two: the convolution of x with
w, its transpose that takes a cotangent back to x, and the product of x and a cotangent that is w's. How NumPy and XLA
compute them is said in `convolution_numpy` and `convolution_xla`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from ..dispatch import recorder
from ..engine.program import Aval, Op, State
from ..tensor import Tensor
from . import convolution_numpy as by_numpy
from . import convolution_xla as by_xla
from . import rules
from .define import op
from .pointwise import conj
from .windows import Geometry, Pads, frozen, repeated

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


def _check_filled(name: str, x: Aval, w: Aval) -> None:
    """Only the batch may be empty; and the channels of a convolution that is not transposed (see `_of_no_channels`)."""
    if not x.shape[0] or not x.shape[1]:
        return
    if not x.size:
        raise RuntimeError(f"{name}: Only zero batch or zero channel inputs are supported, but got input shape: {list(x.shape)}")
    if not w.size:
        raise RuntimeError(f"{name}: non-empty weight tensor expected, but got weight of size {list(w.shape)}")


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
    _check_filled(f"conv{len(at.stride)}d", x, w)
    _check_fits(x, w, at)
    shape = (x.shape[0], w.shape[0], *at.counts(x.shape[2:], w.shape[2:]))
    return Aval(shape, x.dtype, rules.common_device(op, avals)), x.dtype


def _transpose_rule(op: Op, avals: Sequence, *, size: tuple, at: Geometry) -> tuple:
    g, w, b = avals
    _check_operands(op, avals, at, f"conv_transpose{len(at.stride)}d")
    _check_channels(g, w, b, at, True)
    _check_filled(f"conv_transpose{len(at.stride)}d", g, w)
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


def _with_bias(y, b):  # type: ignore[no-untyped-def]
    if b is not None:
        y += b.reshape(-1, *[1] * (y.ndim - 2))
    return y


def _bias_gradient(g: Tensor) -> Tensor:
    return g.sum((0, *range(2, g.ndim)))


@op(shape=_convolve_rule, name="convolution", cost=_cost,
    xla=lambda xp, x, w, b, *, at: _with_bias(by_xla.convolve(xp, x, w, at), b),
    vjp=(lambda g, w, avals, at: _transpose(g, conj(w), None, size=avals[0].shape[2:], at=at),
         lambda g, x, avals, at: _weight(conj(x), g, kernel=avals[1].shape[2:], at=at), _bias_gradient))  # fmt: skip
def _convolve(xp, x, w, b, *, at):
    return _with_bias(by_numpy.convolve(x, w, at), b)


@op(shape=_transpose_rule, name="conv_transpose", grad_name="ConvolutionBackward0", cost=_cost,
    xla=lambda xp, x, w, b, *, size, at: _with_bias(by_xla.transpose(xp, x, w, size, at), b),
    vjp=(lambda g, w, at: _convolve(g, conj(w), None, at=at),
         lambda g, x, avals, at: _weight(g, conj(x), kernel=avals[1].shape[2:], at=at), _bias_gradient))  # fmt: skip
def _transpose(xp, x, w, b, *, size, at):
    return _with_bias(by_numpy.transpose(x, w, size, at), b)


@op(shape=_weight_rule, name="convolution_weight", cost=_cost,
    xla=lambda xp, x, y, *, kernel, at: by_xla.weight(xp, x, y, kernel, at),
    vjp=(lambda g, y, avals, at: _transpose(conj(y), g, None, size=avals[0].shape[2:], at=at),
         lambda g, x, at: _convolve(conj(x), g, None, at=at)))  # fmt: skip
def _weight(xp, x, y, *, kernel, at):
    """What w gets back: the products of x's windows and of y, summed over positions and samples."""
    return by_numpy.weight(x, y, kernel, at)


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
    shape = input._value.aval.shape
    if len(shape) == rank + 1:
        return _batched(record, rank, static, input.unsqueeze(0), weight, bias).squeeze(0)
    y = record(static, input, weight, bias)
    return y if len(shape) < 2 or shape[1] else _of_no_channels(y, input, weight, bias)


def _of_no_channels(y: Tensor, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Where no channels go in, PyTorch has none come out; its gradients are there, and are zeros."""
    shape = y.shape
    empty = (input.reshape(-1) * weight.reshape(-1)).reshape(shape[0], 0, *shape[2:])
    return empty if bias is None else empty + bias[:0].reshape(1, 0, *[1] * (len(shape) - 2))


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
