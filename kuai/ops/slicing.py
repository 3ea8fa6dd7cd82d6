"""Basic indexing as one view op: integers, slices, new dimensions, and what writes through them.

A static *spec* says what becomes of each dimension; where the pieces start is a number operand, so that an index that
moves from step to step keeps its program. An entry of a spec is NEW (a dimension of length 1), ONE (a single place, whose
dimension is gone) or ``(length, step, moving)``; dimensions after the last entry are whole. All starts are one number:
digits to the base of their dimensions' lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from ..dispatch import recorder
from ..dtypes import int64
from ..engine.program import Aval, Op, State
from ..tensor import Tensor
from . import rules
from .define import op

NEW = None
ONE = "one"
Spec = tuple


def whole(n: int) -> tuple[int, int, bool]:
    """The entry of a dimension that stays as it is."""
    return (n, 1, False)


def pack(starts: Sequence[int], lengths: Sequence[int]) -> int | None:
    """The starts of the moving dimensions as one number; None if nothing moves."""
    if not starts:
        return None
    packed = 0
    for start, n in zip(starts, lengths):
        packed = packed * n + start
    return packed


def _starts(shape: Sequence[int], offset: object, spec: Spec) -> list:
    """Where the piece of each dimension that the spec names begins."""
    entries = [e for e in spec if e is not NEW]
    moving = [d for d, e in enumerate(entries) if e is ONE or e[2]]
    starts: list = [0] * len(entries)
    for d in moving[:0:-1]:
        starts[d], offset = offset % shape[d], offset // shape[d]
    if moving:
        starts[moving[0]] = offset
    return starts


@lru_cache(4096)
def _key_maker(shape: tuple[int, ...], spec: Spec) -> Callable[[object], tuple]:
    """What makes NumPy's index of an offset; it ends in an ellipsis, so that even a single element is a view."""
    if all(e is NEW or e is not ONE and not e[2] for e in spec):
        fixed = _key(shape, None, spec)
        return lambda offset: fixed
    if spec == (ONE,):
        return lambda offset: (offset, Ellipsis)
    if spec == (ONE, ONE):
        n = shape[1]
        return lambda offset: (offset // n, offset % n, Ellipsis)  # type: ignore[operator]
    return lambda offset: _key(shape, offset, spec)


def _key(shape: Sequence[int], offset: object, spec: Spec) -> tuple:
    starts = iter(_starts(shape, offset, spec))
    key: list = []
    for e in spec:
        if e is NEW:
            key.append(None)
        elif e is ONE:
            key.append(next(starts))
        else:
            start = next(starts)
            key.append(slice(start, start + e[0] * e[1], e[1]))
    return (*key, Ellipsis)


def _place(offset: object) -> object:
    """The dtype that an offset is computed in: a number is taken as it is."""
    return int64 if type(offset) is Aval else None


def _piece_shape(shape: Sequence[int], spec: Spec) -> tuple[int, ...]:
    named = sum(e is not NEW for e in spec)
    return (*[1 if e is NEW else e[0] for e in spec if e is not ONE], *shape[named:])


def _window(shape: Sequence[int], offset: object, spec: Spec) -> tuple[list, list[int], tuple, tuple[int, ...]]:
    """For XLA: the starts and sizes of a window without gaps, the steps in it, and the window's shape after those."""
    entries = [(1, 1, True) if e is ONE else e for e in spec if e is not NEW]
    entries += [whole(n) for n in shape[len(entries) :]]
    starts = _starts(shape, offset, spec)
    starts += [0] * (len(shape) - len(starts))
    sizes = [max(0, (n - 1) * step + 1) for n, step, _ in entries]
    return starts, sizes, tuple(slice(None, None, step) for _, step, _ in entries), tuple(n for n, _, _ in entries)


def _read_rule(op: Op, avals: Sequence, *, spec: Spec) -> tuple:
    x, offset = avals
    return x.with_(_piece_shape(x.shape, spec)), (x.dtype, _place(offset))


def _read_xla(xp, x, offset, *, spec):
    starts, sizes, steps, _ = _window(x.shape, offset, spec)
    return _dynamic_slice(xp, x, starts, sizes)[steps].reshape(_piece_shape(x.shape, spec))


def _dynamic_slice(xp, x, starts, sizes):
    if all(type(s) is int for s in starts):
        return x[tuple(slice(s, s + n) for s, n in zip(starts, sizes))]
    return xp.lax.dynamic_slice(x, [xp.asarray(s, "int64") for s in starts], sizes)


def _write_through(base: Tensor, new: Tensor, offset: object, *, spec: Spec) -> Tensor:
    return write(base, new, offset, spec=spec)


def _name(state: State) -> str:
    """PyTorch goes through an index item by item: the last one that changes something names the node."""
    sizes, last = iter(state.avals[0].shape), "Alias"
    for e in state.static[0]:
        if e is NEW:
            last = "Unsqueeze"
        elif e != whole(next(sizes)):
            last = "Select" if e is ONE else "Slice"
    return f"{last}Backward0"


@op(shape=_read_rule, vjp=(lambda g, offset, avals, spec: spread(g, offset, spec=spec, shape=avals[0].shape), None),
    xla=_read_xla, view=_write_through, name="index", grad_name=_name, cost=0.0, exact=True)  # fmt: skip
def view(xp, x, offset, *, spec):
    return x[_key_maker(x.shape, spec)(offset)]


_record_read = recorder(view.op)


def read(x: Tensor, offset: object, *, spec: Spec) -> Tensor:
    """The piece that `view` gives, but no alias: for derivatives."""
    return _record_read((spec,), x, offset)


def _write_rule(op: Op, avals: Sequence, *, spec: Spec) -> tuple:
    x, value, offset = avals
    piece = _piece_shape(x.shape, spec)
    if type(value) is Aval:
        _check_expands(value.shape, piece)
    rules.common_device(op, avals)
    return x, (x.dtype, x.dtype, _place(offset))


def _check_expands(shape: Sequence[int], target: Sequence[int]) -> None:
    for i in range(1, len(shape) + 1):
        if i > len(target) or shape[-i] not in (1, target[-i]):
            raise RuntimeError(
                f"The expanded size of the tensor ({target[-i] if i <= len(target) else 1}) must match the existing size "
                f"({shape[-i]}) at non-singleton dimension {max(len(target) - i, 0)}.  Target sizes: {list(target)}.  "
                f"Tensor sizes: {list(shape)}"
            )


def _write_xla(xp, x, value, offset, *, spec):
    if offset is None:
        return _at_front(xp, value, spec, x.shape, x)
    return _update(xp, x, _apart(xp, value, offset), offset, spec)


def _update(xp, x, value, offset, spec):
    starts, sizes, steps, inner = _window(x.shape, offset, spec)
    value = xp.broadcast_to(value, _piece_shape(x.shape, spec)).reshape(inner)
    if sizes != list(inner):
        value = _dynamic_slice(xp, x, starts, sizes).at[steps].set(value)
    return xp.lax.dynamic_update_slice(x, value, [xp.asarray(s, "int64") for s in starts])


def _apart(xp, value, offset):
    """A value in memory of its own, which what comes out of a branch is.

    On CPUs XLA may fuse what makes the value into the update, and write in place what is still to be read for it, as in
    ``x[1:] = x[:-1]`` (openxla/xla#49176).
    """
    lax = xp.lax
    branch = lambda v, o: lax.cond(o >= 0, lambda v: v, xp.zeros_like, v)  # noqa: E731
    return lax.platform_dependent(value, offset, cpu=branch, default=lambda v, o: v)


def _at_front(xp, value, spec, shape, x=None):
    """x, or zeros, with a value from the first place of each dimension on: chosen by a mask, for the same reason."""
    _, _, steps, inner = _window(shape, None, spec)
    value = xp.broadcast_to(value, _piece_shape(shape, spec)).reshape(inner)
    if inner == tuple(shape):
        return value
    gaps = [(0, n - (k - 1) * (s.step or 1) - 1 if k else n, (s.step or 1) - 1) for n, k, s in zip(shape, inner, steps)]
    placed = xp.lax.pad(value, xp.zeros((), value.dtype), gaps)
    return placed if x is None else xp.where(xp.lax.pad(xp.ones(inner, bool), False, gaps), placed, x)


@op(shape=_write_rule, xla=_write_xla, name="index_write", overwrites=True, grad_name="CopySlices", exact=True,
    vjp=(lambda g, offset, spec: write(g, 0, offset, spec=spec),
         lambda g, offset, spec: read(g, offset, spec=spec), None))  # fmt: skip
def write(xp, x, value, offset, *, spec):
    x[_key_maker(x.shape, spec)(offset)] = value
    return x


def _spread_rule(op: Op, avals: Sequence, *, spec: Spec, shape: tuple) -> tuple:
    g, offset = avals
    return g.with_(shape), (g.dtype, _place(offset))


def _spread_xla(xp, g, offset, *, spec, shape):
    if offset is None:
        return _at_front(xp, g, spec, shape)
    return _update(xp, xp.zeros(shape, g.dtype), g, offset, spec)


@op(shape=_spread_rule, vjp=(lambda g, offset, spec: read(g, offset, spec=spec), None), xla=_spread_xla, name="index_spread",
    exact=True)  # fmt: skip
def spread(xp, g, offset, *, spec, shape):
    """Zeros with g in the piece: the derivative of reading it."""
    out = xp.zeros(shape, g.dtype)
    out[_key_maker(shape, spec)(offset)] = g
    return out
