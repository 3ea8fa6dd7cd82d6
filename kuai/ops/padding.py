"""Padding: more elements at the ends of dimensions, or fewer."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index as as_int

import numpy as np

from ..engine.program import Aval, Op
from ..tensor import Tensor
from .define import op
from .rules import need_category

# A pad is a tuple as PyTorch's functions take it: before and after the last dimension, then the one before, and so on.


def _pairs(pad: Sequence[int], rank: int) -> list[tuple[int, int]]:
    """How much is put before and after each dimension."""
    given = list(zip(pad[::2], pad[1::2]))[::-1]
    return [(0, 0)] * (rank - len(given)) + given


def _padded_shape(x: Aval, pad: Sequence[int]) -> tuple[int, ...]:
    if len(pad) % 2:
        raise RuntimeError(f"Padding length must be divisible by 2, but it is {len(pad)}")
    if len(pad) > 2 * len(x.shape):
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(pad)} and input of dimension {len(x.shape)}"
        )
    found = []
    for d, (n, (before, after)) in enumerate(zip(x.shape, _pairs(pad, len(x.shape)))):
        if n + before + after < 0:
            raise RuntimeError(
                f"The input size {n}, plus negative padding {before} and {after}, resulted in a negative output size, which is "
                f"invalid. Check dimension {d} of your input."
            )
        found.append(n + before + after)
    return tuple(found)


# ---- constant --------------------------------------------------------------------------------------------------------


def _constant_rule(op: Op, avals: Sequence, *, pad: tuple) -> tuple:
    x = avals[0]
    return x.with_(_padded_shape(x, pad)), (x.dtype, x.dtype)


def _constant_xla(xp, x, value, *, pad):
    return xp.lax.pad(x, xp.asarray(value, x.dtype), [(*pair, 0) for pair in _pairs(pad, x.ndim)])


def _constant_vjp(g: Tensor, pad: tuple) -> Tensor:
    return _constant(g, 0, pad=tuple([-p for p in pad]))


@op(shape=_constant_rule, vjp=(_constant_vjp, None), xla=_constant_xla, name="constant_pad_nd", exact=True)
def _constant(xp, x, value, *, pad):
    pairs = _pairs(pad, x.ndim)
    out = np.full([n + a + b for n, (a, b) in zip(x.shape, pairs)], value, x.dtype)
    inner = tuple([slice(max(a, 0), n - max(b, 0)) for n, (a, b) in zip(out.shape, pairs)])
    out[inner] = x[tuple([slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape, pairs)])]
    return out


# ---- from the tensor itself ------------------------------------------------------------------------------------------


def _part(x, axis: int, a: int, b: int, step: int = 1):
    """Places a … b - 1 of a dimension; in reverse for a step of -1."""
    before = (slice(None),) * axis
    return x[(*before, slice(a, b))][(*before, slice(None, None, step))]


def _source(n: int, mode: str, count: int, after: bool) -> tuple[int, int, int]:
    """Which places an end is made of: the edge alone, a mirror image, or the other end. The last says in what order."""
    if mode == "replicate":
        return (n - 1, n, 1) if after else (0, 1, 1)
    if mode == "reflect":
        return (n - 1 - count, n - 1, -1) if after else (1, count + 1, -1)
    return (0, count, 1) if after else (n - count, n, 1)


def _grown(xp, x, axis: int, mode: str, before: int, after: int):
    n = x.shape[axis]
    parts = [_part(x, axis, max(-before, 0), n - max(-after, 0))]
    for count, is_after in ((before, False), (after, True)):
        if count > 0:
            end = _part(x, axis, *_source(n, mode, count, is_after))
            end = xp.broadcast_to(end, (*x.shape[:axis], count, *x.shape[axis + 1 :]))
            parts = [*parts, end] if is_after else [end, *parts]
    return xp.concatenate(parts, axis) if len(parts) > 1 else parts[0]


def _folded(xp, g, axis: int, mode: str, n: int, before: int, after: int):
    """The transposed map: what the ends got is added to the places that they were made of."""
    a, b = max(before, 0), g.shape[axis] - max(after, 0)
    found = _spread(xp, _part(g, axis, a, b), axis, n, max(-before, 0))
    for count, is_after, piece in ((before, False, (0, a)), (after, True, (b, g.shape[axis]))):
        if count > 0:
            first, _, step = _source(n, mode, count, is_after)
            end = _part(g, axis, *piece, step)
            end = end.sum(axis, keepdims=True) if mode == "replicate" else end
            found = found + _spread(xp, end, axis, n, first)
    return found


def _spread(xp, x, axis: int, n: int, start: int):
    """x in zeros of another length."""
    if x.shape[axis] == n:
        return x
    return xp.pad(x, [(start, n - start - m) if d == axis else (0, 0) for d, m in enumerate(x.shape)])


def _ends_rule(op: Op, avals: Sequence, *, pad: tuple, mode: str) -> tuple:
    x = avals[0]
    shape = _padded_shape(x, pad)
    for d, (n, (before, after)) in enumerate(zip(x.shape, _pairs(pad, len(x.shape)))):
        if mode == "reflect" and max(before, after) >= n and max(before, after) > 0:
            raise RuntimeError(
                f"Argument #4: Padding size should be less than the corresponding input dimension, but got: padding ({before}, "
                f"{after}) at dimension {d} of input {list(x.shape)}"
            )
        if mode == "circular" and max(before, after) > n:
            raise RuntimeError(f"Padding value causes wrapping around more than once: ({before}, {after}) for a length of {n}")
        if mode == "replicate" and n == 0 and (before > 0 or after > 0):
            raise RuntimeError(f"Expected a non-empty tensor to replicate, got shape {list(x.shape)}")
    return x.with_(shape), None


def _ends_vjp(g: Tensor, avals: tuple, pad: tuple, mode: str) -> Tensor:
    return _fold(g, pad=pad, mode=mode, shape=avals[0].shape)


@op(shape=_ends_rule, vjp=(_ends_vjp,), name="pad_ends", grad_name="PadBackward0", exact=True)
def _ends(xp, x, *, pad, mode):
    for axis, (before, after) in enumerate(_pairs(pad, x.ndim)):
        if before or after:
            x = _grown(xp, x, axis, mode, before, after)
    return x


def _fold_rule(op: Op, avals: Sequence, *, pad: tuple, mode: str, shape: tuple) -> tuple:
    return avals[0].with_(shape), avals[0].dtype


@op(shape=_fold_rule, vjp=(lambda g, pad, mode: _ends(g, pad=pad, mode=mode),), name="pad_fold")
def _fold(xp, g, *, pad, mode, shape):
    for axis, (before, after) in reversed(list(enumerate(_pairs(pad, g.ndim)))):
        if before or after:
            g = _folded(xp, g, axis, mode, shape[axis], before, after)
    return g


# ---- what is called --------------------------------------------------------------------------------------------------


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Put elements before and after dimensions, the last one first (``torch.nn.functional.pad``).

    The mode says which: a "constant", a mirror image ("reflect"), the edge ("replicate") or the other end ("circular").
    Negative numbers take elements away.

    >>> import kuai as torch
    >>> torch.nn.functional.pad(torch.tensor([[1., 2., 3.]]), (1, 1), mode="reflect")
    tensor([[2., 1., 2., 3., 2.]])
    """
    by = tuple(map(as_int, pad))
    if not isinstance(mode, str):
        raise TypeError(f"pad(): argument 'mode' (position 3) must be str, not {type(mode).__name__}")
    if mode == "constant":
        return _constant(input, 0 if value is None else value, pad=by)
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode != "circular":
        need_category(f"{mode}_pad", input.dtype, 1, 2, 3)
    rank = len(input.shape)
    if len(by) not in (2, 4, 6) or rank - len(by) // 2 not in (1, 2):
        raise NotImplementedError(
            f"Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: a pad of {len(by)} numbers needs "
            f"{len(by) // 2 + 1} or {len(by) // 2 + 2} dimensions, got {rank}"
        )
    if mode != "circular" and not all(input.shape[-1 - len(by) // 2 :]):
        raise RuntimeError(f"{mode}_pad: Expected no dimension of length 0 but a batch, got {list(input.shape)}")
    if mode == "circular" and min(by) < 0:  # what is taken away is gone before the rest is wrapped around
        input, by = _constant(input, 0, pad=tuple([min(p, 0) for p in by])), tuple([max(p, 0) for p in by])
    return _ends(input, pad=by, mode=mode)


def constant_pad_nd(input: Tensor, pad: Sequence[int], value: float = 0) -> Tensor:
    """`pad` with a constant (``torch.constant_pad_nd``).

    >>> import kuai as torch
    >>> torch.nn.functional.pad(torch.tensor([1, 2]), (1, -1), value=5)
    tensor([5, 1])
    """
    return _constant(input, value, pad=tuple(map(as_int, pad)))
