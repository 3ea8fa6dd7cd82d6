"""Reductions and normalizations that leave out the elements where a mask is False (``torch.masked``).

A mask is broadcast to the input's shape. Where a whole row is masked out, a reduction gives its identity: 0 for a sum, -inf for
a maximum, nan for a mean.

>>> import kuai as torch
>>> torch.masked.mean(torch.tensor([1., 3., 100.]), mask=torch.tensor([True, True, False]))
tensor(2.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, cast

from .. import dtypes
from ..ops import cumulative as running
from ..ops import softmax as softmaxes
from ..ops import special
from ..ops.comparison import where
from ..ops.creation import full
from ..ops.norms import vector_norm
from ..ops.rules import normalize_dim
from ..ops.sorting import nanmedian
from ..tensor import Tensor

Dims = int | Sequence[int] | None

# ---- what masked-out elements become ---------------------------------------------------------------------------------


def _canonical(mask: Tensor, shape: Sequence[int]) -> Tensor:
    """The mask as booleans in the input's shape."""
    if mask.ndim > len(shape):
        raise IndexError(
            f"masked: expected a mask that broadcasts to the input's shape {list(shape)}, but got one of more dimensions: "
            f"{list(mask.shape)}"
        )
    return mask.bool().broadcast_to(tuple(shape))


def _filled(input: Tensor, mask: Tensor | None, value: complex | None, name: str) -> Tensor:
    """The input with masked-out elements replaced; None stands for a value that the dtype does not have."""
    if mask is None:
        return input
    if value is None:
        kind = TypeError if input.dtype.is_complex else NotImplementedError
        raise kind(f"identity of {name} on {input.dtype} input: its dtype has no greatest or least number")
    fill = full((), value, dtype=input.dtype, device=input.device)
    return cast(Tensor, where(_canonical(mask, input.shape), input, fill))


def _lowest(d: dtypes.dtype) -> float | None:
    if d.is_floating_point:
        return -math.inf
    return None if d.is_complex else dtypes.iinfo(d).min if d.is_signed or d is dtypes.uint8 else None


def _highest(d: dtypes.dtype) -> float | None:
    if d.is_floating_point:
        return math.inf
    return None if d.is_complex else dtypes.iinfo(d).max if d.is_signed or d is dtypes.uint8 else None


def _dims(dim: Dims, rank: int) -> tuple[int, ...]:
    """The dimensions to reduce, in order; all of them for None and ()."""
    if dim is None or dim == ():
        return tuple(range(rank))
    given = (dim,) if isinstance(dim, int) else tuple(dim)
    found = [normalize_dim(d, rank) for d in given]
    for i, d in enumerate(given):
        if d in given[:i]:
            raise RuntimeError(f"dim={d} appears multiple times in the list of dims")
    return tuple(sorted(found))


def _summed_in(d: dtypes.dtype) -> dtypes.dtype:
    """What sums and products of a dtype are: small integers become int64."""
    return dtypes.int64 if d.category < 2 and d.itemsize < 8 and d not in (dtypes.uint16, dtypes.uint32) else d


def _with_its_own_mask(fn: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Let a function take a `MaskedTensor`: its own mask and the one that is given must both be True."""

    @wraps(fn)
    def call(input: Tensor, *args: object, mask: Tensor | None = None, **kwargs: object) -> Tensor:
        own = getattr(input, "_masked_mask", None)
        if own is not None:
            input, mask = input.get_data(), own if mask is None else own & mask  # type: ignore[attr-defined]
        return fn(input, *args, mask=mask, **kwargs)

    return call


# ---- reductions ------------------------------------------------------------------------------------------------------


@_with_its_own_mask
def sum(input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: object = None,
        mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The sum of the elements that are not masked out (``torch.masked.sum``).

    >>> import kuai as torch
    >>> torch.masked.sum(torch.tensor([[1, 2], [3, 4]]), 1, mask=torch.tensor([True, False]))
    tensor([1, 3])
    """
    d = dtype or _summed_in(input.dtype)
    return _filled(input, mask, 0, "sum").sum(_dims(dim, input.ndim), bool(keepdim), dtype=d)


@_with_its_own_mask
def prod(input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: object = None,
         mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The product of the elements that are not masked out (``torch.masked.prod``).

    >>> import kuai as torch
    >>> torch.masked.prod(torch.tensor([[1, 2], [3, 4]]), 0, mask=torch.tensor([True, False]))
    tensor([3, 1])
    """
    result = _filled(input, mask, 1, "prod").to(dtype=dtype or _summed_in(input.dtype))
    for d in reversed(_dims(dim, input.ndim)):
        result = result.prod(d, bool(keepdim))
    return result


def _extreme(name: str, input: Tensor, identity: complex | None, dim: Any, keepdim: bool | None, dtype: object,
             mask: Tensor | None) -> Tensor:  # fmt: skip
    """A reduction to the largest or smallest element, or to where it is, in the input's dtype."""
    kept: Any = _filled(input, mask, identity, name)
    return getattr(kept, name)(dim, bool(keepdim)).to(dtype=dtype or input.dtype)


@_with_its_own_mask
def amax(input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: object = None,
         mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The largest element that is not masked out (``torch.masked.amax``).

    >>> import kuai as torch
    >>> torch.masked.amax(torch.tensor([1., 5., 3.]), mask=torch.tensor([True, False, True]))
    tensor(3.)
    """
    return _extreme("amax", input, _lowest(input.dtype), _dims(dim, input.ndim), keepdim, dtype, mask)


@_with_its_own_mask
def amin(input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: object = None,
         mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The smallest element that is not masked out (``torch.masked.amin``).

    >>> import kuai as torch
    >>> torch.masked.amin(torch.tensor([1., 5., 3.]), mask=torch.tensor([False, True, True]))
    tensor(3.)
    """
    return _extreme("amin", input, _highest(input.dtype), _dims(dim, input.ndim), keepdim, dtype, mask)


@_with_its_own_mask
def argmax(input: Tensor, dim: int | None = None, *, keepdim: bool | None = False, dtype: object = None,
           mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """Where the largest element is that is not masked out, in the input's dtype (``torch.masked.argmax``).

    >>> import kuai as torch
    >>> torch.masked.argmax(torch.tensor([1, 5, 3]), mask=torch.tensor([True, False, True]))
    tensor(2)
    """
    return _extreme("argmax", input, _lowest(input.dtype), dim, keepdim, dtype, mask)


@_with_its_own_mask
def argmin(input: Tensor, dim: int | None = None, *, keepdim: bool | None = False, dtype: object = None,
           mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """Where the smallest element is that is not masked out, in the input's dtype (``torch.masked.argmin``).

    >>> import kuai as torch
    >>> torch.masked.argmin(torch.tensor([1, 5, 3]), mask=torch.tensor([False, True, True]))
    tensor(2)
    """
    return _extreme("argmin", input, _highest(input.dtype), dim, keepdim, dtype, mask)


@_with_its_own_mask
def mean(input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: object = None,
         mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The mean of the elements that are not masked out; nan where all are (``torch.masked.mean``).

    >>> import kuai as torch
    >>> torch.masked.mean(torch.tensor([[1., 2.], [3., 6.]]), 1, mask=torch.tensor([[True, True], [False, False]]))
    tensor([1.5000,    nan])
    """
    d = dtypes.as_dtype(dtype or input.dtype)
    if d.category < 2:
        which = "Input" if dtype is None else "Optional"
        raise ValueError(f"mean(): Could not infer output dtype. {which} dtype must be either a floating point or complex dtype. Got: {d}")
    return sum(input, dim, keepdim=keepdim, dtype=d, mask=mask) / _count(input, dim, keepdim, mask)


def _count(input: Tensor, dim: Dims, keepdim: bool | None, mask: Tensor | None) -> Tensor:
    """How many elements take part in a reduction."""
    ones = full(input.shape, True, dtype=dtypes.bool_, device=input.device)
    return sum(ones if mask is None else _canonical(mask, input.shape), dim, keepdim=keepdim)


@_with_its_own_mask
def median(input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: object = None, mask: Tensor | None = None) -> Tensor:
    """The lower median of the elements that are not masked out; nan where all are (``torch.masked.median``).

    >>> import kuai as torch
    >>> torch.masked.median(torch.tensor([1., 9., 5.]), 0, mask=torch.tensor([True, False, True]))
    tensor(1.)
    """
    at, floating = _dims(dim, input.ndim)[0] if input.ndim else 0, input.dtype.is_floating_point
    kept = _filled(input if floating else input.float(), mask, math.nan, "median")
    found = nanmedian(kept, at, keepdim).values
    if floating:
        return found
    if found.isnan().any():
        raise ValueError("masked median expects no fully masked out rows if dtype is not floating point")
    return found.to(dtype=dtype or input.dtype)


@_with_its_own_mask
def logsumexp(input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: object = None,
              mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """log(sum(exp(x))) of the elements that are not masked out (``torch.masked.logsumexp``).

    >>> import kuai as torch
    >>> torch.masked.logsumexp(torch.tensor([0., 0., 9.]), 0, mask=torch.tensor([True, True, False]))
    tensor(0.6931)
    """
    identity = complex(-math.inf, 0) if input.dtype.is_complex else _lowest(input.dtype)
    kept = _filled(input, mask, identity, "logsumexp")
    return softmaxes.logsumexp(kept, _dims(dim, input.ndim), keepdim).to(dtype=dtype or input.dtype)


@_with_its_own_mask
def norm(input: Tensor, ord: float | None = 2.0, dim: Dims = None, *, keepdim: bool | None = False, dtype: object = None,
         mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The vector norm of the elements that are not masked out (``torch.masked.norm``).

    >>> import kuai as torch
    >>> torch.masked.norm(torch.tensor([3., 4., 9.]), 2, 0, mask=torch.tensor([True, True, False]))
    tensor(5.)
    """
    kept = _filled(input, mask, math.inf if ord == -math.inf else 0, "norm")
    return vector_norm(kept, ord, _dims(dim, input.ndim), bool(keepdim), dtype=dtype or input.dtype)


@_with_its_own_mask
def var(input: Tensor, dim: Dims = None, unbiased: bool | None = None, *, correction: float | None = None,
        keepdim: bool | None = False, dtype: object = None, mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The variance of the elements that are not masked out; nan where none is left (``torch.masked.var``).

    >>> import kuai as torch
    >>> torch.masked.var(torch.tensor([1., 3., 9.]), 0, mask=torch.tensor([True, True, False]))
    tensor(2.)
    """
    if unbiased is not None and correction is not None:
        raise AssertionError("Only one of unbiased and correction may be given")
    if correction is None:
        correction = 1.0 if unbiased is None else float(unbiased)
    d = dtypes.as_dtype(dtype or (input.dtype if input.dtype.category > 1 else dtypes.float32))
    computed = d if d.category > 1 else dtypes.float32
    away = input - sum(input, dim, keepdim=True, dtype=d, mask=mask) / _count(input, dim, True, mask)
    total = sum(away * away.conj(), dim, keepdim=keepdim, dtype=computed, mask=mask)
    count = _count(input, dim, keepdim, mask)
    if correction:
        count = (count.to(computed.to_real()) - correction).clamp(min=0)
    return (total / count).to(dtype=d)


@_with_its_own_mask
def std(input: Tensor, dim: Dims = None, unbiased: bool | None = None, *, correction: int | None = None,
        keepdim: bool | None = False, dtype: object = None, mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The standard deviation of the elements that are not masked out; nan where none is left (``torch.masked.std``).

    >>> import kuai as torch
    >>> torch.masked.std(torch.tensor([1., 3., 9.]), 0, False, mask=torch.tensor([True, True, False]))
    tensor(1.)
    """
    return var(input, dim, unbiased, correction=correction, keepdim=keepdim, dtype=dtype, mask=mask).sqrt()


# ---- normalizations, and what keeps the shape ------------------------------------------------------------------------


@_with_its_own_mask
def cumsum(input: Tensor, dim: int, *, dtype: object = None, mask: Tensor | None = None) -> Tensor:
    """Running sums in which masked-out elements count as 0 (``torch.masked.cumsum``).

    >>> import kuai as torch
    >>> torch.masked.cumsum(torch.tensor([1, 2, 3]), 0, mask=torch.tensor([True, False, True]))
    tensor([1, 1, 4])
    """
    return _along(running.cumsum, _filled(input, mask, 0, "cumsum"), dim, dtype)


@_with_its_own_mask
def cumprod(input: Tensor, dim: int, *, dtype: object = None, mask: Tensor | None = None) -> Tensor:
    """Running products in which masked-out elements count as 1 (``torch.masked.cumprod``).

    >>> import kuai as torch
    >>> torch.masked.cumprod(torch.tensor([2, 2, 3]), 0, mask=torch.tensor([True, False, True]))
    tensor([2, 2, 6])
    """
    return _along(running.cumprod, _filled(input, mask, 1, "cumprod"), dim, dtype)


@_with_its_own_mask
def softmax(input: Tensor, dim: int, *, dtype: object = None, mask: Tensor | None = None) -> Tensor:
    """exp(x) / sum(exp(x)) over the elements that are not masked out; 0 for those that are (``torch.masked.softmax``).

    >>> import kuai as torch
    >>> torch.masked.softmax(torch.tensor([1., 1., 9.]), 0, mask=torch.tensor([True, True, False]))
    tensor([0.5000, 0.5000, 0.0000])
    """
    return _along(softmaxes.softmax, _filled(input, mask, _lowest(input.dtype), "amax"), dim, dtype)


@_with_its_own_mask
def log_softmax(input: Tensor, dim: int, *, dtype: object = None, mask: Tensor | None = None) -> Tensor:
    """The logarithm of `softmax`; -inf for what is masked out (``torch.masked.log_softmax``).

    >>> import kuai as torch
    >>> torch.masked.log_softmax(torch.tensor([1., 1., 9.]), 0, mask=torch.tensor([True, True, False]))
    tensor([-0.6931, -0.6931,    -inf])
    """
    return _along(softmaxes.log_softmax, _filled(input, mask, _lowest(input.dtype), "amax"), dim, dtype)


@_with_its_own_mask
def softmin(input: Tensor, dim: int, *, dtype: object = None, mask: Tensor | None = None) -> Tensor:
    """`softmax` of the negatives (``torch.masked.softmin``).

    >>> import kuai as torch
    >>> torch.masked.softmin(torch.tensor([1., 1., 0.]), 0, mask=torch.tensor([True, True, False]))
    tensor([0.5000, 0.5000, 0.0000])
    """
    return _along(softmaxes.softmax, -_filled(input, mask, _highest(input.dtype), "amin"), dim, dtype)


def _along(fn: Callable, kept: Tensor, dim: int, dtype: object) -> Tensor:
    """A function along one dimension, in the input's dtype if none is asked for."""
    return fn(kept, (_dims(dim, kept.ndim) or (0,))[0], dtype=dtypes.as_dtype(dtype or kept.dtype))


@_with_its_own_mask
def normalize(input: Tensor, ord: float, dim: int, *, eps: float = 1e-12, dtype: object = None,
              mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The elements divided by the norm of those that are not masked out; 0 for those that are (``torch.masked.normalize``).

    >>> import kuai as torch
    >>> torch.masked.normalize(torch.tensor([3., 4., 9.]), 2, 0, mask=torch.tensor([True, True, False]))
    tensor([0.6000, 0.8000, 0.0000])
    """
    length = norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    return _filled(input, mask, 0, "normalize") / length.clamp(min=eps)


def logaddexp(input: Tensor, other: Tensor, *, dtype: object = None, input_mask: Tensor | None = None,
              other_mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """log(exp(x) + exp(y)), in which masked-out elements count as -inf (``torch.masked.logaddexp``).

    >>> import kuai as torch
    >>> torch.masked.logaddexp(torch.zeros(2), torch.zeros(2), other_mask=torch.tensor([True, False]))
    tensor([0.6931, 0.0000])
    """
    x = _filled(input, input_mask, _lowest(input.dtype), "logaddexp")
    y = _filled(other, other_mask, _lowest(other.dtype), "logaddexp")
    return special.logaddexp(x, y).to(dtype=dtype or input.dtype)
