"""View ops that step through memory in other ways: diagonals, windows, strides of one's own, other dtypes.

Each comes with the op that puts elements back where it reads them: its derivative, and writing through the view.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import as_strided as numpy_strided

from .. import dtypes
from ..dispatch import recorder
from ..dtypes import int64
from ..engine.program import Aval, Op
from ..tensor import Tensor
from . import rules
from .define import op
from .geometry import Geometry, strides_of
from .likes import zeros_like
from .rules import normalize_dim


def _put_rule(op: Op, avals: Sequence, *, shape: tuple, **static: object) -> tuple:
    """For what puts a value into x, or into zeros of a shape where x is absent; an offset may follow."""
    x, value, *offset = avals
    into = (value if x is None else x).dtype
    return Aval(shape, into, rules.common_device(op, avals)), (x and into, into, *[int64 for _ in offset])


# ---- diagonals -------------------------------------------------------------------------------------------------------


def _diagonal_dims(rank: int, dim1: int, dim2: int) -> tuple[int, int]:
    a, b = normalize_dim(dim1, rank), normalize_dim(dim2, rank)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return a, b


def _diagonal_length(rows: int, columns: int, offset: int) -> int:
    return max(0, min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns))


def diagonal_shape(shape: Sequence[int], offset: int, dim1: int, dim2: int) -> tuple[int, ...]:
    """The shape of a diagonal, whose own dimension comes last."""
    a, b = _diagonal_dims(len(shape), dim1, dim2)
    return (*[n for d, n in enumerate(shape) if d not in (a, b)], _diagonal_length(shape[a], shape[b], offset))


def _diagonal_rule(op: Op, avals: Sequence, *, offset: int, dim1: int, dim2: int) -> tuple:
    return avals[0].with_(diagonal_shape(avals[0].shape, offset, dim1, dim2)), None


def _diagonal_vjp(g: Tensor, avals: tuple, offset: int, dim1: int, dim2: int) -> Tensor:
    return diagonal_put(None, g, offset=offset, dim1=dim1, dim2=dim2, shape=avals[0].shape)


def _write_diagonal(base: Tensor, new: Tensor, **static: int) -> Tensor:
    return diagonal_put(base, new, shape=base.shape, **static)


@op(shape=_diagonal_rule, vjp=(_diagonal_vjp,), view=_write_diagonal, name="diagonal", cost=0.0, exact=True)
def diagonal_view(xp, x, *, offset, dim1, dim2):
    return _diagonal_of(x, offset, dim1, dim2) if xp is np else xp.diagonal(x, offset, dim1, dim2)


def _diagonal_of(x: np.ndarray, offset: int, dim1: int, dim2: int) -> np.ndarray:
    """NumPy's diagonal, which it makes read-only for reasons of its history."""
    found = x.diagonal(offset, dim1, dim2)
    if x.flags.writeable:
        found.flags.writeable = True
    return found


@strides_of(diagonal_view)
def _diagonal_geometry(at: Geometry, *, offset: int, dim1: int, dim2: int) -> tuple:
    a, b = _diagonal_dims(len(at.shape), dim1, dim2)
    length = _diagonal_length(at.shape[a], at.shape[b], offset)
    moved = (offset * at.strides[b] if offset >= 0 else -offset * at.strides[a]) if length else 0
    rest = [s for d, s in enumerate(at.strides) if d not in (a, b)]
    return (*rest, at.strides[a] + at.strides[b]), at.offset + moved


_record_diagonal = recorder(diagonal_view.op)


def diagonal_of(x: Tensor, *, offset: int, dim1: int, dim2: int) -> Tensor:
    """A diagonal that shares no memory: for derivatives."""
    return _record_diagonal((offset, dim1, dim2), x)


def _diagonal_put_vjp_x(g: Tensor, offset: int, dim1: int, dim2: int, shape: tuple) -> Tensor:
    zeros = zeros_like(diagonal_of(g, offset=offset, dim1=dim1, dim2=dim2))
    return diagonal_put(g, zeros, offset=offset, dim1=dim1, dim2=dim2, shape=shape)


def _diagonal_put_xla(xp, x, value, *, offset, dim1, dim2, shape):
    x = xp.zeros(shape, value.dtype) if x is None else x
    i = xp.arange(value.shape[-1]) + max(-offset, 0)
    j = xp.arange(value.shape[-1]) + max(offset, 0)
    moved = xp.moveaxis(x, (dim1, dim2), (-2, -1)).at[..., i, j].set(value)
    return xp.moveaxis(moved, (-2, -1), (dim1, dim2))


@op(shape=_put_rule, xla=_diagonal_put_xla, name="diagonal_scatter", overwrites=True, exact=True,
    vjp=(_diagonal_put_vjp_x, lambda g, offset, dim1, dim2: diagonal_of(g, offset=offset, dim1=dim1, dim2=dim2)))  # fmt: skip
def diagonal_put(xp, x, value, *, offset, dim1, dim2, shape):
    """x (zeros of a shape, if absent) with other elements in a diagonal."""
    out = np.zeros(shape, value.dtype) if x is None else x
    _diagonal_of(out, offset, dim1, dim2)[...] = value
    return out


# ---- windows ---------------------------------------------------------------------------------------------------------


def _window_rule(op: Op, avals: Sequence, *, dim: int, size: int, step: int) -> tuple:
    x = avals[0]
    shape = x.shape or (1,)
    dim = normalize_dim(dim, len(x.shape))
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > shape[dim]:
        raise RuntimeError(f"maximum size for tensor at dimension {dim} is {shape[dim]} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    count = (shape[dim] - size) // step + 1
    return x.with_((*x.shape[:dim], count, *x.shape[dim + 1 :], size) if x.shape else (size,)), None


def _window_vjp(g: Tensor, avals: tuple, dim: int, size: int, step: int) -> Tensor:
    return window_put(None, g, dim=dim, size=size, step=step, shape=avals[0].shape, add=True)


def _write_windows(base: Tensor, new: Tensor, *, dim: int, size: int, step: int) -> Tensor:
    return window_put(base, new, dim=dim, size=size, step=step, shape=base.shape, add=False)


def _window_xla(xp, x, *, dim, size, step):
    if not x.ndim:
        return x.reshape(1)[:size]
    starts = xp.arange((x.shape[dim] - size) // step + 1) * step
    return xp.moveaxis(xp.take(x, starts[:, None] + xp.arange(size), dim), dim % x.ndim + 1, -1)


@op(shape=_window_rule, vjp=(_window_vjp,), view=_write_windows, xla=_window_xla, name="unfold", cost=0.0, exact=True)
def window_view(xp, x, *, dim, size, step):
    if not x.ndim:
        return x.reshape(1)[:size]
    strides, shape = list(x.strides), list(x.shape)
    shape[dim] = (shape[dim] - size) // step + 1
    strides[dim] *= step
    return numpy_strided(x, (*shape, size), (*strides, x.strides[dim]))


@strides_of(window_view)
def _window_geometry(at: Geometry, *, dim: int, size: int, step: int) -> tuple:
    if not at.shape:
        return (1,), at.offset
    strides = list(at.strides)
    strides[dim] *= step
    return (*strides, at.strides[dim]), at.offset


_record_window = recorder(window_view.op)


def _window_put_vjp_x(g: Tensor, dim: int, size: int, step: int, shape: tuple, add: bool) -> Tensor:
    if add:
        return g
    zeros = zeros_like(_record_window((dim, size, step), g))
    return window_put(g, zeros, dim=dim, size=size, step=step, shape=shape, add=False)


def _window_put_vjp(g: Tensor, dim: int, size: int, step: int) -> Tensor:
    return _record_window((dim, size, step), g)


def _places(xp, x, shape, dim, size, step, value):
    """What is put into, where the first, second … element of each window lies, and the windows' elements in front."""
    x = xp.zeros(shape, value.dtype) if x is None else xp.array(x)
    if not x.ndim:
        return x.reshape(1), [slice(0, size)] if size else [], value[None, :]
    before, count = (slice(None),) * (dim % x.ndim), value.shape[dim % x.ndim]
    return x, [(*before, slice(k, k + count * step, step)) for k in range(size)], xp.moveaxis(value, -1, 0)


def _window_put_xla(xp, x, value, *, dim, size, step, shape, add):
    x, places, parts = _places(xp, x, shape, dim, size, step, value)
    for place, part in zip(places, parts):
        x = x.at[place].add(part) if add else x.at[place].set(part)
    return x.reshape(shape)


@op(shape=_put_rule, vjp=(_window_put_vjp_x, _window_put_vjp), xla=_window_put_xla, name="unfold_put", exact=True)
def window_put(xp, x, value, *, dim, size, step, shape, add):
    """x (zeros, if absent) with windows' elements put at, or added to, where they were taken from."""
    x, places, parts = _places(xp, x, shape, dim, size, step, value)
    for place, part in zip(places, parts):
        if add:
            x[place] += part
        else:
            x[place] = part
    return x.reshape(shape)


# ---- strides of one's own --------------------------------------------------------------------------------------------


def _strided_rule(op: Op, avals: Sequence, *, size: tuple, stride: tuple) -> tuple:
    return avals[0].with_(size), (avals[0].dtype, int64)


def _index(xp, offset, size, stride):
    """Where in memory each element lies."""
    index = xp.asarray(offset)
    for n, s in zip(size, stride):
        index = index[..., None] + xp.arange(n) * s
    return index


def _strided_xla(xp, x, offset, *, size, stride):
    return x.reshape(-1)[_index(xp, offset, size, stride)]


def _strided_vjp(g: Tensor, offset: int, avals: tuple, size: tuple, stride: tuple) -> Tensor:
    return strided_put(None, g, offset, size=size, stride=stride, shape=avals[0].shape, add=True)


def _write_strided(base: Tensor, new: Tensor, offset: int, *, size: tuple, stride: tuple) -> Tensor:
    return strided_put(base, new, offset, size=size, stride=stride, shape=base.shape, add=False)


@op(shape=_strided_rule, xla=_strided_xla, name="as_strided", cost=0.0, exact=True,
    vjp=(_strided_vjp, None), view=_write_strided)  # fmt: skip
def strided_view(xp, x, offset, *, size, stride):
    """Elements of x, taken in order as memory, from an offset on and with strides."""
    return numpy_strided(x.reshape(-1)[int(offset) :], size, [s * x.itemsize for s in stride])


@strides_of(strided_view)
def _strided_geometry(at: Geometry, offset: int, *, size: tuple, stride: tuple) -> tuple:
    return stride, at.offset + offset


_record_strided = recorder(strided_view.op)


def strided_of(x: Tensor, offset: int, *, size: tuple, stride: tuple) -> Tensor:
    """`strided_view` that shares no memory."""
    return _record_strided((size, stride), x, offset)


def _strided_put_vjp_x(g: Tensor, offset: int, size: tuple, stride: tuple, shape: tuple, add: bool) -> Tensor:
    if add:
        return g
    zeros = zeros_like(strided_of(g, offset, size=size, stride=stride))
    return strided_put(g, zeros, offset, size=size, stride=stride, shape=shape, add=False)


def _strided_put_xla(xp, x, value, offset, *, size, stride, shape, add):
    x = xp.zeros(shape, value.dtype) if x is None else x
    place = x.reshape(-1).at[_index(xp, offset, size, stride)]
    return (place.add(value) if add else place.set(value)).reshape(shape)


def _strided_put_vjp(g: Tensor, offset: int, size: tuple, stride: tuple) -> Tensor:
    return strided_of(g, offset, size=size, stride=stride)


@op(shape=_put_rule, xla=_strided_put_xla, vjp=(_strided_put_vjp_x, _strided_put_vjp, None), name="as_strided_put", overwrites=True,
    exact=True)  # fmt: skip
def strided_put(xp, x, value, offset, *, size, stride, shape, add):
    """x (zeros, if absent) with elements put at, or added to, where `strided_view` takes them from."""
    out = np.zeros(shape, value.dtype) if x is None else x
    flat, index = out.reshape(-1), _index(np, int(offset), size, stride)
    if add:
        np.add.at(flat, index, value)
    else:
        flat[index] = value
    return out


# ---- other dtypes ----------------------------------------------------------------------------------------------------


def _bytes_rule(op: Op, avals: Sequence, *, dtype: dtypes.dtype) -> tuple:
    x = avals[0]
    have, want = x.dtype.itemsize, dtype.itemsize
    if have == want:
        return x.with_(dtype=dtype), None
    names = f"view {rules._cname(x.dtype)} as {rules._cname(dtype)} (different element sizes)"
    if not x.shape:
        raise RuntimeError(f"self.dim() cannot be 0 to {names}")
    if x.shape[-1] * have % want:
        raise RuntimeError(f"self.size(-1) must be divisible by {want // have} to {names}, but got {x.shape[-1]}")
    return Aval((*x.shape[:-1], x.shape[-1] * have // want), dtype, x.device), None


def _bytes_xla(xp, x, *, dtype):
    """XLA has it for real numbers, with the parts of a larger number in a dimension of their own."""
    parts = _numbers(xp, x)
    want = dtype.to_real().numpy if dtype.is_complex else np.dtype("u1") if dtype.category == 0 else dtype.numpy
    have = parts.dtype.itemsize
    if have < want.itemsize:
        parts = parts.reshape(*parts.shape[:-1], -1, want.itemsize // have)
    made = xp.lax.bitcast_convert_type(parts, want)
    if have > want.itemsize:
        made = made.reshape(*parts.shape[:-1], -1)
    if dtype.is_complex:
        made = xp.lax.complex(made[..., 0::2], made[..., 1::2])
    made = made if dtype.category else made != 0
    return made.reshape(x.shape if x.dtype.itemsize == dtype.itemsize else (*x.shape[:-1], -1))


def _numbers(xp, x):
    """The real numbers that the elements consist of."""
    if x.dtype.kind == "c":
        return xp.stack([x.real, x.imag], -1).reshape(*x.shape[:-1], -1)
    return x.astype("u1") if x.dtype.kind == "b" else x


def _write_bytes(base: Tensor, new: Tensor, *, dtype: dtypes.dtype) -> Tensor:
    return _record_bytes((base.dtype,), new)


@op(shape=_bytes_rule, vjp=None, view=_write_bytes, xla=_bytes_xla, name="view_dtype", cost=0.0, exact=True)
def bytes_view(xp, x, *, dtype):
    """The same bytes as another dtype."""
    if x.itemsize != dtype.itemsize and x.strides[-1] != x.itemsize:
        x = x.copy()
    return x.view(dtype.numpy)


_record_bytes = recorder(bytes_view.op)


@strides_of(bytes_view)
def _bytes_geometry(at: Geometry, *, dtype: dtypes.dtype) -> tuple:
    have, want = at.dtype.itemsize, dtype.itemsize
    if have == want:
        return at.strides, at.offset
    return (*[s * have // want for s in at.strides[:-1]], 1), at.offset * have // want
