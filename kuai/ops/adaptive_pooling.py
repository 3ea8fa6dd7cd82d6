"""Pools with a given number of windows (adaptive), windows in places that are drawn (fractional), and the way back (unpool)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from operator import index as as_index

import numpy as np

from ..dtypes import int64
from ..engine.program import Op
from ..tensor import Tensor
from . import rules
from .define import op
from .pooling import Windows, _avg_pool
from .random import rand
from .taps import Axis, adaptive_windows, resample, window_table
from .windows import frozen, repeated

# ---- what is given and wanted ----------------------------------------------------------------------------------------


def _wanted(name: str, input: Tensor, output_size: object, rank: int) -> tuple[int, ...]:
    """The number of windows along each dimension; None keeps the length."""
    shape = input._value.aval.shape
    if isinstance(output_size, int):
        output_size = (output_size,) * rank
    elif rank > 1 and len(shape) <= len(output_size):
        raise ValueError(f"{name}: Input dimension should be at least {len(output_size) + 1}, got {len(shape)}")
    if len(output_size) != rank:
        one = "'output_size' should contain one int" if rank == 1 else f"output_size must be {rank}"
        raise RuntimeError(f"{name}: {one}, got {output_size}: internal error")
    if len(shape) not in (rank + 1, rank + 2):
        raise RuntimeError(f"{name}(): Expected {rank + 1}D or {rank + 2}D tensor, but got {list(shape)}")
    found = tuple(n if m is None else as_index(m) for n, m in zip(shape[-rank:], output_size))
    if any(m < 0 for m in found):
        raise RuntimeError(
            f"{name}: elements of output_size must be greater than or equal to 0 but received {found}: Trying to create tensor "
            "with negative dimension"
        )
    if not all(shape[-rank if name in ("adaptive_avg_pool1d", "adaptive_avg_pool2d") else 1 :]):  # whose channels may be none
        raise RuntimeError(f"{name}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes "
                           f"{list(shape)}")  # fmt: skip
    return found


# ---- averages --------------------------------------------------------------------------------------------------------


def _without_gradient(name: str, y: Tensor) -> Tensor:
    """A result without windows or channels takes no gradient back, as PyTorch has it."""

    def refuse(g: Tensor) -> None:
        raise RuntimeError(f"{name}_backward(): Expected grad_output to have non-zero size for non-batch dimensions, but grad_output "
                           f"has sizes {list(g.shape)}")  # fmt: skip

    if y.requires_grad:
        y.register_hook(refuse)
    return y


def _adaptive_avg(rank: int, input: Tensor, output_size: object) -> Tensor:
    name = f"adaptive_avg_pool{rank}d"
    wanted = _wanted(name, input, output_size, rank)
    shape = input._value.aval.shape
    windows, axes = _equal_windows(shape[-rank:], wanted)
    if not all((*shape[1:-rank], *wanted)):
        return _without_gradient(name, resample(input, axes))
    if windows is not None and input.dtype.category == 2:
        return _avg_pool(input, at=windows, divisor="inside")
    return resample(input, axes)


@lru_cache(maxsize=512)
def _equal_windows(sizes: tuple, wanted: tuple) -> tuple[Windows | None, tuple[Axis, ...]]:
    """Plain windows, where the lengths divide; and the maps of all dimensions."""
    axes = tuple(Axis("adaptive", n, m) for n, m in zip(sizes, wanted))
    if not all(wanted) or any(n % m for n, m in zip(sizes, wanted)):
        return None, axes
    kernel, ones = tuple(n // m for n, m in zip(sizes, wanted)), (1,) * len(sizes)
    return Windows(kernel, kernel, ((0, 0),) * len(sizes), ones, wanted), axes


def adaptive_avg_pool1d(input: Tensor, output_size: int | Sequence[int]) -> Tensor:
    """The averages of as many equal windows as are wanted (``torch.nn.functional.adaptive_avg_pool1d``).

    >>> import kuai as torch
    >>> torch.nn.functional.adaptive_avg_pool1d(torch.tensor([[1., 3., 2., 0.]]), 2)
    tensor([[2., 1.]])
    """
    return _adaptive_avg(1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: int | Sequence[int | None]) -> Tensor:
    """The averages of as many equal windows of images as are wanted (``torch.nn.functional.adaptive_avg_pool2d``).

    >>> import kuai as torch
    >>> torch.nn.functional.adaptive_avg_pool2d(torch.ones(1, 3, 9, 8), (5, None)).shape
    torch.Size([1, 3, 5, 8])
    """
    return _adaptive_avg(2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: int | Sequence[int | None]) -> Tensor:
    """The averages of as many equal windows of volumes as are wanted (``torch.nn.functional.adaptive_avg_pool3d``).

    >>> import kuai as torch
    >>> torch.nn.functional.adaptive_avg_pool3d(torch.ones(1, 3, 9, 8, 4), 2).shape
    torch.Size([1, 3, 2, 2, 2])
    """
    return _adaptive_avg(3, input, output_size)


# ---- greatest elements -----------------------------------------------------------------------------------------------


def _max_rule(op: Op, avals: Sequence, *, wanted: tuple) -> tuple:
    x = avals[0]
    if x.dtype.category != 2:
        raise NotImplementedError(f"\"{op.name}{len(wanted)}d\" not implemented for '{rules._cname(x.dtype)}'")
    out = x.with_((*x.shape[: -len(wanted)], *wanted))
    return (out, out.with_(dtype=int64)), (x.dtype,) * len(avals)


def _positions(places: Sequence, sizes: Sequence[int], xp):
    """Flat positions of all elements of all windows, (…, *windows, elements of one), from those along each dimension, each
    (…, windows, elements)."""
    rank, flat = len(places), 0
    for d, p in enumerate(places):
        *lead, windows, elements = p.shape
        spread = [1] * (2 * rank)
        spread[d], spread[rank + d] = windows, elements
        flat = flat * sizes[d] + p.reshape(*lead, *spread)
    return flat.reshape(*flat.shape[:-rank], prod(flat.shape[-rank:]))


def _greatest(xp, x, positions, rank: int):
    """The greatest element of each window, and its position in its plane; x's planes are (…, elements)."""
    planes = x.reshape(*x.shape[:-rank], prod(x.shape[-rank:]))
    if positions.ndim == rank + 1:  # the same ones in all planes
        taken = planes[..., positions]
    else:
        taken = xp.take_along_axis(
            planes, positions.reshape(*planes.shape[:-1], prod(positions.shape[-rank - 1 :])), -1).reshape(positions.shape
        )
    winner = taken.argmax(-1)[..., None]
    where = xp.take_along_axis(xp.broadcast_to(positions, taken.shape), winner, -1)
    return xp.take_along_axis(taken, winner, -1)[..., 0], where[..., 0]


def _max_vjp(g, out, avals, wanted):
    return (_put_back(g[0], out[1], avals[0].shape[-len(wanted) :]),)


@op(shape=_max_rule, name="adaptive_max_pool", many=True, vjp=_max_vjp, cost=10.0)
def _adaptive_max(xp, x, *, wanted):
    sizes = x.shape[-len(wanted) :]
    if not all(wanted):
        empty = xp.zeros((*x.shape[: -len(wanted)], *wanted), x.dtype)
        return empty, empty
    places = [window_table(*adaptive_windows(n, m))[0].T for n, m in zip(sizes, wanted)]
    return _greatest(xp, x, _positions(places, sizes, xp), len(wanted))


def _planes(x: Tensor, rank: int) -> Tensor:
    return x.reshape(*x.shape[:-rank], prod(x.shape[-rank:]))


def _put_back(values: Tensor, positions: Tensor, sizes: Sequence[int]) -> Tensor:
    """Planes of zeros, with values added at positions."""
    rank = len(sizes)
    zeros = values.new_zeros((*values.shape[:-rank], prod(sizes)))
    return zeros.scatter_add(-1, _planes(positions, rank), _planes(values, rank)).reshape(*zeros.shape[:-1], *sizes)


def _adaptive_max_pool(rank: int, input: Tensor, output_size: object, return_indices: bool):
    name = f"adaptive_max_pool{rank}d"
    wanted = _wanted(name, input, output_size, rank)
    values, places = _adaptive_max(input, wanted=wanted)
    values = values if all(wanted) else _without_gradient(name, values)
    return (values, places) if return_indices else values


def adaptive_max_pool1d(input: Tensor, output_size: int | Sequence[int], return_indices: bool = False):
    """The greatest elements of as many equal windows as are wanted (``torch.nn.functional.adaptive_max_pool1d``).

    >>> import kuai as torch
    >>> torch.nn.functional.adaptive_max_pool1d(torch.tensor([[1., 3., 2., 0.]]), 2)
    tensor([[3., 2.]])
    """
    return _adaptive_max_pool(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: int | Sequence[int | None], return_indices: bool = False):
    """The greatest elements of as many equal windows of images as are wanted (``torch.nn.functional.adaptive_max_pool2d``).

    >>> import kuai as torch
    >>> torch.nn.functional.adaptive_max_pool2d(torch.ones(1, 3, 9, 8), 2).shape
    torch.Size([1, 3, 2, 2])
    """
    return _adaptive_max_pool(2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: int | Sequence[int | None], return_indices: bool = False):
    """The greatest elements of as many equal windows of volumes as are wanted (``torch.nn.functional.adaptive_max_pool3d``).

    >>> import kuai as torch
    >>> torch.nn.functional.adaptive_max_pool3d(torch.ones(1, 3, 9, 8, 4), 2).shape
    torch.Size([1, 3, 2, 2, 2])
    """
    return _adaptive_max_pool(3, input, output_size, return_indices)


def _with_indices(pool: Callable, *more: str) -> Callable:
    """The form of a pool that always gives the positions too."""

    def apply(input: Tensor, *args: object, **kwargs: object) -> tuple[Tensor, Tensor]:
        kwargs.pop("return_indices", None)
        return pool(input, *args, **kwargs, return_indices=True)

    apply.__name__ = apply.__qualname__ = f"{pool.__name__}_with_indices"
    apply.__doc__ = f"`{pool.__name__}`, and where in its plane each greatest element is (``torch.nn.functional.{apply.__name__}``)."
    return apply


adaptive_max_pool1d_with_indices = _with_indices(adaptive_max_pool1d)
adaptive_max_pool2d_with_indices = _with_indices(adaptive_max_pool2d)
adaptive_max_pool3d_with_indices = _with_indices(adaptive_max_pool3d)

# ---- fractional: windows in drawn places -----------------------------------------------------------------------------


def _fractional_vjp(g, out, avals, kernel, wanted):
    return _put_back(g[0], out[1], avals[0].shape[-len(wanted) :]), None


def _fractional_rule(op: Op, avals: Sequence, *, kernel: tuple, wanted: tuple) -> tuple:
    return _max_rule(op, avals, wanted=wanted)


@op(shape=_fractional_rule, name="fractional_max_pool", many=True, vjp=_fractional_vjp, cost=10.0)
def _fractional_max(xp, x, samples, *, kernel, wanted):
    rank = len(kernel)
    sizes = x.shape[-rank:]
    places = [
        _starts(xp, samples[..., d if rank == 3 else 1 - d], n, k, m)[..., None] + np.arange(k)
        for d, (n, k, m) in enumerate(zip(sizes, kernel, wanted))
    ]
    return _greatest(xp, x, _positions(places, sizes, xp), rank)


def _starts(xp, u, n: int, k: int, m: int):
    """Where m windows of length k begin in a line of length n: steps of a real number from a drawn point, truncated."""
    u = u[..., None]
    step = np.asarray((n - k) / (m - 1) if m > 1 else 0, u.dtype)
    found = ((np.arange(m, dtype=u.dtype) + u) * step).astype(np.int64) - (u * step).astype(np.int64)
    return xp.where(np.arange(m) == m - 1, n - k, found)


def _fractional(rank: int, input: Tensor, kernel_size: object, output_size: object, output_ratio: object,
                return_indices: bool, samples: Tensor | None): # fmt: skip
    name = f"fractional_max_pool{rank}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    if not input.ndim:
        raise IndexError(f"{name}(): Dimension specified as 0 but the input has no dimensions")
    if input.ndim not in (rank + 1, rank + 2) or not all(input.shape[-rank - 1 :]):
        raise RuntimeError(f"{name}(): Expected {rank + 1}D or {rank + 2}D (batch mode) tensor for input with non-zero dimensions, "
                           f"but got: {list(input.shape)}")  # fmt: skip
    sizes, kernel = input.shape[-rank:], repeated(frozen(kernel_size), rank, "kernel_size", name)
    if output_size is None:
        ratios = (output_ratio,) * rank if isinstance(output_ratio, (int, float)) else tuple(output_ratio)
        output_size = tuple(int(n * r) for n, r in zip(sizes, ratios))
    wanted = repeated(frozen(output_size), rank, "output_size", name)
    for given, what in ((kernel_size, "kernel_size"), (output_size, "output_size")):
        if isinstance(given, (tuple, list)) and len(given) != rank:
            raise RuntimeError(f"{name}: {what} must either be a single Int or tuple of {rank} Ints, got {given}")
    if min(wanted) < 0:
        raise RuntimeError(f"{name}(): Trying to create tensor with negative dimension {min(wanted)}: {list(wanted)}")
    for n, k, m, axis in zip(sizes, kernel, wanted, ("time", "height", "width")[-rank:]):
        if m + k - 1 > n:
            raise RuntimeError(f"{name}(): pool {axis} {k} too large relative to input {axis} {n}")
    batch = (1,) * (rank + 2 - input.ndim) + tuple(input.shape[: -rank])
    if samples is None:
        samples = rand(*batch, rank, dtype=input.dtype, device=input.device)
    if samples.dtype is not input.dtype:
        raise RuntimeError(f"{name}(): Expect _random_samples to have the same dtype as input, got {samples.dtype} and {input.dtype}")
    if samples.ndim != 3 or samples.shape[0] < batch[0] or tuple(samples.shape[1:]) != (batch[1], rank):
        raise RuntimeError(f"{name}(): Expect _random_samples to be of shape {[*batch, rank]} or more, got {list(samples.shape)}")
    samples = samples[: batch[0]] if input.ndim == rank + 2 else samples[0]
    made = _fractional_max(input, samples, kernel=kernel, wanted=wanted)
    return made if return_indices else made[0]


def fractional_max_pool2d(input: Tensor, kernel_size: object, output_size: object = None, output_ratio: object = None,
                          return_indices: bool = False, _random_samples: Tensor | None = None): # fmt: skip
    """The greatest elements of windows in drawn places, as many as are wanted (``torch.nn.functional.fractional_max_pool2d``).

    >>> import kuai as torch
    >>> torch.nn.functional.fractional_max_pool2d(torch.ones(1, 3, 9, 8), 3, output_size=(5, 4)).shape
    torch.Size([1, 3, 5, 4])
    """
    return _fractional(2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


def fractional_max_pool3d(input: Tensor, kernel_size: object, output_size: object = None, output_ratio: object = None,
                          return_indices: bool = False, _random_samples: Tensor | None = None): # fmt: skip
    """`fractional_max_pool2d` of volumes (``torch.nn.functional.fractional_max_pool3d``).

    >>> import kuai as torch
    >>> torch.nn.functional.fractional_max_pool3d(torch.ones(1, 3, 9, 8, 7), 2, output_ratio=0.5).shape
    torch.Size([1, 3, 4, 4, 3])
    """
    return _fractional(3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


fractional_max_pool2d_with_indices = _with_indices(fractional_max_pool2d)
fractional_max_pool3d_with_indices = _with_indices(fractional_max_pool3d)

# ---- unpool ----------------------------------------------------------------------------------------------------------


def _unpool(rank: int, input: Tensor, indices: Tensor, kernel_size: object, stride: object, padding: object,
            output_size: object) -> Tensor:  # fmt: skip
    name = f"max_unpool{rank}d"
    if input.ndim < rank:
        raise IndexError(f"{name}(): tuple index out of range: the input has {input.ndim} dimensions, needs {rank} or more")
    for given, what in ((kernel_size, "kernel_size"), (stride, "stride"), (padding, "padding")):
        if isinstance(given, (tuple, list)) and len(given) < rank:
            raise IndexError(f"{name}(): tuple index out of range: {what} has {len(given)} numbers, needs {rank}")
    kernel = repeated(frozen(kernel_size), rank, "kernel_size", name)
    step = kernel if stride is None else repeated(frozen(stride), rank, "stride", name)
    sizes = _unpooled(input.shape[-rank:], kernel, step, repeated(frozen(padding), rank, "padding", name), output_size)
    rules.need_category(name, input.dtype, 2)
    if indices.dtype is not int64:
        raise RuntimeError(f"elements in indices should be type int64 but got: {rules._cname(indices.dtype)}")
    if indices.shape != input.shape:
        raise RuntimeError(f"Expected shape of indices to be same as that of the input tensor ({list(input.shape)}) but got "
                           f"indices tensor with shape: {list(indices.shape)}")  # fmt: skip
    if not all(input.shape[1:]):
        raise RuntimeError(f"{name}(): Expected input to have non-zero size for non-batch dimensions, but got {list(input.shape)}")
    zeros = input.new_zeros((*input.shape[:-rank], prod(sizes)))
    try:
        made = zeros.scatter(-1, _planes(indices, rank), _planes(input, rank))
    except (IndexError, RuntimeError) as error:
        raise RuntimeError(
            f"Found an invalid max index (output volumes are of size {'x'.join(map(str, sizes))}): {error}"
        ) from None
    return made.reshape(*zeros.shape[:-1], *sizes)


def _unpooled(sizes: Sequence[int], kernel: tuple, stride: tuple, padding: tuple, wanted: object) -> tuple[int, ...]:
    usual = tuple((n - 1) * s + k - 2 * p for n, k, s, p in zip(sizes, kernel, stride, padding))
    if wanted is None:
        return usual
    rank, given = len(sizes), tuple(wanted)
    if len(given) == rank + 2:
        given = given[2:]
    if len(given) != rank:
        raise ValueError(f"output_size should be a sequence containing {rank} or {rank + 2} elements, but it has a length of "
                         f"'{len(given)}'")  # fmt: skip
    for d, (n, m, s) in enumerate(zip(usual, given, stride)):
        if not n - s < m < n + s:
            raise ValueError(f'invalid output_size "{given}" (dim {d} must be between {n - s} and {n + s})')
    return given


def max_unpool1d(input: Tensor, indices: Tensor, kernel_size, stride=None, padding=0, output_size=None) -> Tensor:
    """Put elements back where `max_pool1d` found them, among zeros (``torch.nn.functional.max_unpool1d``).

    >>> import kuai as torch
    >>> torch.nn.functional.max_unpool1d(torch.tensor([[3., 2.]]), torch.tensor([[1, 2]]), 2)
    tensor([[0., 3., 2., 0.]])
    """
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(input: Tensor, indices: Tensor, kernel_size, stride=None, padding=0, output_size=None) -> Tensor:
    """Put elements back where `max_pool2d` found them, among zeros (``torch.nn.functional.max_unpool2d``).

    >>> import kuai as torch
    >>> torch.nn.functional.max_unpool2d(torch.tensor([[[3.]]]), torch.tensor([[[1]]]), 2)
    tensor([[[0., 3.],
             [0., 0.]]])
    """
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(input: Tensor, indices: Tensor, kernel_size, stride=None, padding=0, output_size=None) -> Tensor:
    """Put elements back where `max_pool3d` found them, among zeros (``torch.nn.functional.max_unpool3d``).

    >>> import kuai as torch
    >>> torch.nn.functional.max_unpool3d(torch.tensor([[[[3.]]]]), torch.tensor([[[[1]]]]), 2).sum()
    tensor(3.)
    """
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)


METHODS = ()
INPLACE = ()
