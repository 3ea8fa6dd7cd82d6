"""Where a tensor's elements lie in its storage: strides, offset, contiguity, memory formats.

Values are immutable arrays without strides of their own, so a tensor's strides follow from its path of view steps. They
are worked out when somebody asks, as PyTorch would have them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..dtypes import dtype
from ..engine.program import Op
from ..engine.trace import NotStrided
from ..tensor import Step, Tensor, walk_array


class Geometry(NamedTuple):
    """A tensor's place in its storage, counted in elements."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    dtype: dtype


# ---- strides of a path -----------------------------------------------------------------------------------------------

RULES: dict[Op, Callable] = {}


def strides_of(call: Callable) -> Callable:
    """Say what strides a view op's result has: ``rule(geometry, *numbers, **static) -> (strides, offset)``."""

    def keep(rule: Callable) -> Callable:
        RULES[call.op] = rule
        return rule

    return keep


def geometry(x: Tensor) -> Geometry:
    """Where the elements of a tensor lie."""
    storage = x._storage
    if storage is not None and storage.record is not None:
        raise NotStrided(f"a tensor of layout {storage.layout} has no strides; make one with to_dense()")
    if storage is None or (not x._path and storage.host is None):
        return Geometry(x.shape, contiguous_strides(x.shape), 0, x.dtype)
    aval = storage.value.aval
    strides = contiguous_strides(aval.shape) if storage.host is None else _element_strides(storage.host)
    return _walk(Geometry(aval.shape, strides, 0, aval.dtype), x._path)


def repeats(x: Tensor) -> bool:
    """Whether a tensor shows one element of its memory several times along a dimension, as `expand` makes it do."""
    if x._storage.record is not None or not any(step.op.name == "expand" for step in x._path):  # type: ignore[union-attr]
        return False
    at = geometry(x)
    return any(s == 0 and n > 1 for s, n in zip(at.strides, at.shape))


def overlap(a: Tensor, b: Tensor) -> bool:
    """Whether the stretches of memory that two tensors lie in have a part in common."""
    if a is b:
        return True
    if a._storage is None or a._storage is not b._storage:
        return False
    (start, end), (first, last) = _stretch(a), _stretch(b)
    return start < last and first < end


def may_overlap(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether two elements may lie in one place: no, if each dimension steps over all that those of smaller steps reach."""
    reach = 0
    for s, n in sorted((s, n) for s, n in zip(strides, shape) if n != 1):
        if s <= reach:
            return True
        reach += (n - 1) * s
    return False


def _stretch(x: Tensor) -> tuple[int, int]:
    """The first byte of a tensor in its storage, and the one after its last."""
    at = geometry(x)
    length = 0 if 0 in at.shape else 1 + sum((n - 1) * s for n, s in zip(at.shape, at.strides))
    return at.offset * at.dtype.itemsize, (at.offset + length) * at.dtype.itemsize


def _element_strides(array: np.ndarray) -> tuple[int, ...]:
    return tuple(s // array.itemsize for s in array.strides)


@lru_cache(maxsize=4096)
def _walk(at: Geometry, path: tuple[Step, ...]) -> Geometry:
    for step in path:
        at = _take(at, step)
    return at


def _take(at: Geometry, step: Step) -> Geometry:
    rule = RULES.get(step.op)
    if rule is None:
        return _take_by_numpy(at, step)
    aval, _ = step.op.rule(step.op, (_aval(at), *map(_kind, step.numbers)), **_static(step))
    strides, offset = rule(at, *step.numbers, **_static(step))
    return Geometry(aval.shape, strides, offset, aval.dtype)


def _static(step: Step) -> dict:
    return dict(zip(step.op.statics, step.static)) if step.static else {}


def _kind(number: object) -> type | None:
    return None if number is None else type(number)


def _aval(at: Geometry):
    from ..devices import cpu
    from ..engine.program import Aval

    return Aval(at.shape, at.dtype, cpu)


def _take_by_numpy(at: Geometry, step: Step) -> Geometry:
    """For views without a rule: let NumPy take the step on an array that has the strides, and no memory."""
    size = at.dtype.itemsize
    array = as_strided(np.empty(1, at.dtype.numpy), at.shape, [s * size for s in at.strides])
    after = walk_array(array, (step,))
    moved = _address(after) - _address(array) + at.offset * size
    from ..dtypes import from_numpy

    return Geometry(after.shape, _element_strides(after), moved // after.itemsize, from_numpy(after.dtype))


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


@lru_cache(maxsize=4096)
def contiguous_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of elements in row-major order."""
    strides, run = [], 1
    for n in reversed(shape):
        strides.append(run)
        run *= max(n, 1)
    return tuple(reversed(strides))


def is_row_major(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether elements lie in order without gaps; dimensions of length 1 may have any stride."""
    if 0 in shape:
        return True
    return all(n == 1 or s == c for n, s, c in zip(shape, strides, contiguous_strides(tuple(shape))))


@lru_cache(maxsize=4096)
def view_strides(shape: tuple[int, ...], strides: tuple[int, ...], target: tuple[int, ...]) -> tuple[int, ...] | None:
    """The strides that the elements have in another shape; None if no strides can say it."""
    if 0 in shape:
        return strides if target == shape else contiguous_strides(target)
    if not shape:
        return (1,) * len(target)
    found: list[int] = []
    left = list(target)
    for length, stride in _blocks(shape, strides):
        run = 1
        while left and (run < length or left[-1] == 1):
            found.append(stride * run)
            run *= left.pop()
        if run != length:
            return None
    return tuple(reversed(found))


def _blocks(shape: Sequence[int], strides: Sequence[int]) -> list[tuple[int, int]]:
    """Runs of dimensions that lie in memory as one, as (length, stride), the last one first."""
    blocks, length = [], 1
    stride = strides[-1]
    for d in range(len(shape) - 1, -1, -1):
        length *= shape[d]
        if d == 0 or (shape[d - 1] != 1 and strides[d - 1] != length * stride):
            blocks.append((length, stride))
            length, stride = 1, strides[d - 1]
    return blocks


# ---- memory formats --------------------------------------------------------------------------------------------------


class memory_format:
    """The order of a tensor's dimensions in memory (``torch.memory_format``).

    It shows in strides, and in what can be viewed as what. How values really lie in memory is the executor's to choose.

    >>> import kuai as torch
    >>> torch.channels_last
    torch.channels_last
    """

    __slots__ = ("name", "order")

    def __init__(self, name: str, order: tuple[int, ...] = ()):
        self.name = name
        self.order = order  # from the slowest dimension to the fastest

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> tuple:
        return (_format, (self.name,))


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last", (0, 2, 3, 1))
channels_last_3d = memory_format("channels_last_3d", (0, 2, 3, 4, 1))
FORMATS = {f.name: f for f in (contiguous_format, preserve_format, channels_last, channels_last_3d)}


def _format(name: str) -> memory_format:
    return FORMATS[name]


def check_format(shape: Sequence[int], wanted: memory_format | None) -> None:
    """Raise what PyTorch raises for a format that a tensor of this rank cannot have."""
    if wanted is not None and wanted.order and len(wanted.order) != len(shape):
        raise RuntimeError(f"required rank {len(wanted.order)} tensor to use {wanted.name} format")


# ---- what tensors say of themselves ----------------------------------------------------------------------------------


def stride(self: Tensor, dim: int | None = None) -> object:
    """How far apart neighbouring elements of each dimension lie, in elements (``torch.Tensor.stride``).

    >>> import kuai as torch
    >>> torch.zeros(2, 3).t().stride()
    (1, 3)
    """
    strides = geometry(self).strides
    if dim is None:
        return strides
    if not -len(strides) <= dim < len(strides):
        if not strides:
            raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
        bound = len(strides)
        raise IndexError(f"Dimension out of range (expected to be in range of [{-bound}, {bound - 1}], but got {dim})")
    return strides[dim]


def storage_offset(self: Tensor) -> int:
    """Where in its storage the first element lies (``torch.Tensor.storage_offset``).

    >>> import kuai as torch
    >>> torch.zeros(4)[2:].storage_offset()
    2
    """
    return geometry(self).offset


def is_contiguous(self: Tensor, memory_format: memory_format = contiguous_format) -> bool:
    """Whether the elements lie in row-major order, or in a format's (``torch.Tensor.is_contiguous``).

    >>> import kuai as torch
    >>> torch.zeros(2, 3).t().is_contiguous()
    False
    """
    storage = self._storage
    order = memory_format.order
    if not order and (storage is None or (not self._path and storage.host is None)):
        return True
    if storage is not None and storage.record is not None:
        return False
    at = geometry(self)
    if not order:
        return is_row_major(at.shape, at.strides)
    return len(order) == len(at.shape) and is_row_major([at.shape[i] for i in order], [at.strides[i] for i in order])


def suggested_format(x: Tensor) -> memory_format:
    """The format that a tensor is in, the usual one where several fit."""
    return next((f for f in (contiguous_format, channels_last, channels_last_3d) if is_contiguous(x, f)), contiguous_format)


OWN = {"stride": stride, "storage_offset": storage_offset, "is_contiguous": is_contiguous}
