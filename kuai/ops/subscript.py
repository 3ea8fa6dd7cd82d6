"""Indexing both ways, with all of PyTorch's kinds of index.

Basic indices (int, slice, None, Ellipsis) make one view; what is left, index tensors and masks, takes a copy from that view
or puts into it. An index tensor of one element and masks are read at once, as the shape of the result depends on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index as as_int
from typing import NamedTuple

import numpy as np

from .. import dtypes
from ..dispatch import view_recorder
from ..dtypes import int64
from ..engine.program import MOST_DIMENSIONS
from ..engine.trace import current
from ..errors import warn
from ..tensor import Tensor, from_array
from . import rules, taking
from .conversion import _check_leaf, assign, copy_, to_device
from .creation import tensor
from .geometry import overlap, repeats
from .host import differs
from .slicing import NEW, ONE, Spec, pack, view, whole, write
from .taking import add_at, fill_where, put_at, take_at

KINDS = "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices"
_ROW = ((ONE,),)  # the static arguments of a view of a single place
_record_view = view_recorder(view.op)


class Parsed(NamedTuple):
    """An index taken apart: the basic part as `slicing.view` wants it, and tensors for dimensions of that view."""

    spec: Spec
    offset: int | None
    advanced: list[tuple[int, Tensor]]


# ---- taking an index apart -----------------------------------------------------------------------------------------


class _Parser:
    """Walks over the items of an index, and over the dimensions they speak of."""

    def __init__(self, x: Tensor, items: tuple):
        self.x, self.shape, self.dim, self.items = x, x.shape, 0, items
        self.spec: list = []
        self.starts: list[int] = []
        self.lengths: list[int] = []
        self.advanced: list[tuple[int, Tensor]] = []
        self.places: list[tuple[Tensor, int, int]] = []  # index tensors, and of how many places in which dimension
        self.rank = 0  # dimensions of the view so far
        self.elided = False

    def parse(self) -> Parsed:
        try:
            for item in self.items:
                _STEPS.get(type(item), _Parser._other)(self, item)
        except (IndexError, TypeError):
            if sum(map(_consumes, self.items)) > len(self.shape):
                raise IndexError(f"too many indices for tensor of dimension {len(self.shape)}") from None
            raise
        if self.rank > MOST_DIMENSIONS:
            raise IndexError(f"the index gives {self.rank} dimensions, needs {MOST_DIMENSIONS} or fewer, as NumPy's arrays have")
        self._check_places()
        return Parsed(tuple(self.spec), pack(self.starts, self.lengths), self.advanced)

    def _other(self, item: object) -> None:
        if isinstance(item, Tensor):
            self._tensor(item)
        elif isinstance(item, np.bool_):
            self._truth(bool(item))
        elif isinstance(item, (np.ndarray, Sequence)):
            self._tensor(_index_tensor(item))
        else:
            self._select(_as_int(item))

    def _keep(self, item: object = None) -> None:
        self.spec.append(whole(self.shape[self.dim]))
        self.dim += 1
        self.rank += 1

    def _rest(self, item: object) -> None:
        """An ellipsis: as many dimensions as no other item speaks of; a second one, none."""
        taken = sum(map(_consumes, self.items))
        if not self.elided:
            for _ in range(len(self.shape) - taken):
                self._keep()
        self.elided = True

    def _new(self, item: object = None) -> None:
        self.spec.append(NEW)
        self.rank += 1

    def _select(self, i: int) -> None:
        n = self.shape[self.dim]
        if not -n <= i < n:
            raise IndexError(f"index {i} is out of bounds for dimension {self.dim} with size {n}")
        self._moving(ONE, i if i >= 0 else i + n, n)

    def _moving(self, entry: object, start: int, n: int) -> None:
        self.spec.append(entry)
        self.starts.append(start)
        self.lengths.append(n)
        self.dim += 1

    def _slice(self, s: slice) -> None:
        n = self.shape[self.dim]
        start, entry = _piece(s, n)
        self.rank += 1
        if entry[2]:
            self._moving(entry, start, n)
        else:
            self.spec.append(entry)
            self.dim += 1

    def _truth(self, value: bool) -> None:
        self._new()
        chosen = from_array(np.zeros(int(value), np.int64), self.x.device)
        self.advanced.append((self.rank - 1, chosen))

    def _tensor(self, index: Tensor) -> None:
        if _is_mask(index):
            self._mask(index)
        elif index.dtype not in (dtypes.int64, dtypes.int32):
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
        elif not index.ndim and index.device.type != "meta" and not differs(index):
            self._select(int(index.item()))
        else:
            self._advance(index)

    def _advance(self, index: Tensor) -> None:
        self.places.append((index, self.shape[self.dim], self.dim))
        self.advanced.append((self.rank, index if index.device is self.x.device else to_device(index, self.x.device)))
        self._keep()

    def _check_places(self) -> None:
        """Refuse index tensors out of bounds; but of nothing, PyTorch lets anything be taken."""
        if not self.places:
            return
        nothing = not self.x._aval.size or any(e is not NEW and e is not ONE and not e[0] for e in self.spec)
        for index, n, dim in self.places:
            if not nothing or not n:
                taking.check(index, n, dim)

    def _mask(self, mask: Tensor) -> None:
        if not mask.ndim:
            self._truth(bool(mask.item()))
            return
        if mask.dtype is dtypes.uint8:
            warn("indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.")
        for i, n in enumerate(mask.shape):
            if n != self.shape[self.dim + i]:
                raise IndexError(
                    f"The shape of the mask {list(mask.shape)} at index {i} does not match the shape of the indexed tensor "
                    f"{list(self.shape)} at index {self.dim + i}"
                )
        self.advanced.append((self.rank, mask))
        for _ in mask.shape:
            self._keep()


_STEPS = {int: _Parser._select, slice: _Parser._slice, type(None): _Parser._new, type(Ellipsis): _Parser._rest,
          bool: _Parser._truth, Tensor: _Parser._tensor}  # fmt: skip


def _piece(s: slice, n: int) -> tuple[int, tuple[int, int, bool]]:
    """Where a slice of a dimension begins, and its entry of the spec."""
    start, stop, step = s.indices(n)
    if step < 0:
        raise ValueError("step must be greater than zero")
    length = (stop - start + step - 1) // step if stop > start else 0
    return start, (length, step, not (s.start is None or not length or (length, step) == (n, 1)))


def _plain(shape: tuple[int, ...], items: tuple) -> Parsed | None:
    """An index of ints and slices, as most are, taken apart at once; None if it has other items or is out of bounds."""
    sizes, spec, offset, moves = iter(shape), [], 0, False
    for item in items:
        kind, n = type(item), next(sizes, None)
        if n is None or kind is not int and kind is not slice:
            return None
        if kind is slice:
            start, entry = _piece(item, n)
            spec.append(entry)
            if not entry[2]:
                continue
        else:
            start = item if item >= 0 else item + n
            if not 0 <= start < n:
                return None
            spec.append(ONE)
        offset, moves = offset * n + start, True
    return Parsed(tuple(spec), offset if moves else None, [])


def _consumes(item: object) -> int:
    """How many dimensions an item speaks of."""
    if item is None or item is Ellipsis or isinstance(item, (bool, np.bool_)):
        return 0
    if isinstance(item, Tensor) and _is_mask(item):
        return item.ndim
    if isinstance(item, (np.ndarray, list)) and (mask := _array(item)) is not None and mask.dtype == bool:
        return mask.ndim
    return 1


def _array(item: np.ndarray | list) -> np.ndarray | None:
    """An item as an array; None if it has no shape."""
    try:
        return np.asarray(item)
    except ValueError:
        return None


def _is_mask(index: Tensor) -> bool:
    return index.dtype.category == 0 or index.dtype is dtypes.uint8


def _items(index: object) -> tuple:
    """The items of an index: a tuple's, or those of a list that stands for one."""
    if isinstance(index, list) and _stands_for_tuple(index):
        warn(
            "Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed; use x[tuple(seq)] "
            "instead of x[seq], or x[torch.tensor(seq)]"
        )
        return tuple(index)
    return index if isinstance(index, tuple) else (index,)


def _stands_for_tuple(index: list) -> bool:
    return len(index) < 32 and any(
        i is None or i is Ellipsis or isinstance(i, (Tensor, Sequence, slice, np.ndarray)) for i in index
    )


def _as_int(item: object) -> int:
    try:
        return as_int(item)
    except TypeError:
        raise IndexError(f"{KINDS} (got {type(item).__name__})") from None


def _index_tensor(items: Sequence | np.ndarray) -> Tensor:
    if isinstance(items, str):
        raise TypeError("new(): invalid data type 'str'")
    try:
        found = tensor(items if isinstance(items, np.ndarray) else list(items))
    except ValueError as error:
        raise TypeError("only integer tensors of a single element can be converted to an index") from error
    return found if found.dtype.category < 2 or isinstance(items, np.ndarray) else found.to(int64)


# ---- reading -------------------------------------------------------------------------------------------------------


def getitem(self: Tensor, index: object) -> Tensor:
    """``self[index]``: a view for basic indices, a copy for index tensors and masks."""
    if type(index) is int:
        shape = self._value.aval.shape
        n = shape[0] if shape else 0
        if -n <= index < n:
            return _record_view(_ROW, self, index if index >= 0 else index + n)
    parsed = _parse(self, index)
    piece = _viewed(self, parsed)
    return _take(piece, parsed.advanced) if parsed.advanced else piece


def _parse(x: Tensor, index: object) -> Parsed:
    plain = _plain(x._value.aval.shape, index if type(index) is tuple else (index,))
    if plain is not None:
        return plain
    if not x.shape and (type(index) is int or isinstance(index, np.integer)):
        raise IndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a 0-dim "
            "tensor to a number"
        )
    if not x.shape and isinstance(index, slice):
        if index.indices(1)[2] < 0:
            raise ValueError("step must be greater than zero")
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    return _Parser(x, _items(index)).parse()


def _viewed(x: Tensor, parsed: Parsed) -> Tensor:
    """The basic part; no view is made of a tensor that is taken whole and copied from anyway."""
    if parsed.advanced and len(parsed.spec) <= x.ndim and all(e == whole(n) for e, n in zip(parsed.spec, x.shape)):
        return x
    return _record_view((parsed.spec,), x, parsed.offset)


class _Places(NamedTuple):
    """Where advanced indices lead: the tensor with the indexed dimensions side by side, and one index into them."""

    source: Tensor
    index: Tensor
    dim: int
    count: int


def _places(x: Tensor, advanced: list[tuple[int, Tensor]]) -> _Places:
    if len(advanced) == 1:
        dim, index = advanced[0]
        if _is_mask(index):
            flat = np.flatnonzero(np.ascontiguousarray(index._array()))
            return _Places(x, from_array(flat, x.device), dim, index.ndim)
        return _Places(x, index, dim, 1)
    dims, indices = _columns(advanced)
    first, count = dims[0], len(dims)
    if dims != list(range(first, first + count)):
        x = x.permute(dims + [d for d in range(x.ndim) if d not in dims])
        first = 0
    return _Places(x, taking.ravel(indices, x.shape[first : first + count]), first, count)


def _columns(advanced: list[tuple[int, Tensor]]) -> tuple[list[int], list[Tensor]]:
    """One index tensor for each indexed dimension; a mask becomes the coordinates of its true elements."""
    dims, indices = [], []
    for dim, index in advanced:
        if _is_mask(index):
            found = [from_array(np.ascontiguousarray(c), index.device) for c in np.nonzero(index._array())]
        else:
            found = [index]
        dims += range(dim, dim + len(found))
        indices += found
    return dims, indices


def _take(x: Tensor, advanced: list[tuple[int, Tensor]]) -> Tensor:
    source, index, dim, count = _places(x, advanced)
    return take_at(source, index, dim=dim, count=count, wrap=True)


# ---- writing -------------------------------------------------------------------------------------------------------


def setitem(self: Tensor, index: object, value: object) -> None:
    """``self[index] = value``: broadcast, converted to this tensor's dtype."""
    value = _value(self, value)
    if type(index) is bool:
        if not index:
            return  # nothing is meant
        index = None
    parsed = _parse(self, index)
    if current.grad:
        _check_leaf(self)
    if not parsed.advanced:
        if isinstance(value, Tensor):
            if _is_piece(value, self, parsed):
                return
            value = _without_leading_ones(value, _piece_rank(self, parsed.spec))
        if self._path and repeats(self):  # what counts is whether the piece repeats elements
            copy_(_viewed(self, parsed), value)
            return
        assign(self, write(self, value, parsed.offset, spec=parsed.spec), "__setitem__")
        return
    _put(_viewed(self, parsed), parsed.advanced, value)


def delitem(self: Tensor, index: object) -> None:
    """``del self[index]``: a TypeError, as a tensor's shape is fixed."""
    raise TypeError("Tensor does not support deleting items")


def _is_piece(value: Tensor, x: Tensor, parsed: Parsed) -> bool:
    """Whether a value is the very piece it is assigned to, as Python has it for ``x[i] += y``."""
    if value._storage is None or value._storage is not x._storage or not value._path or value._path[:-1] != x._path:
        return False
    last = value._path[-1]
    return last.op is view.op and last.static == (parsed.spec,) and last.numbers == (parsed.offset,)  # type: ignore[attr-defined]


def _piece_rank(x: Tensor, spec: Spec) -> int:
    return x.ndim + sum((e is NEW) - (e is ONE) for e in spec)


def _value(x: Tensor, value: object) -> object:
    """What may be assigned: a number that the dtype can hold, or a tensor on the same device."""
    if isinstance(value, np.ndarray):
        value = tensor(value, dtype=x.dtype)
    elif isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Tensor):
        return to_device(value, x.device) if value.device is not x.device else value
    if not isinstance(value, (int, float, complex)):
        raise TypeError(f"can't assign a {type(value).__name__} to a torch.{rules._cname(x.dtype)}Tensor")
    if x.dtype.category == 1 and type(value) is int and not -(1 << 63) <= value < 1 << 64:
        raise ValueError(f"__setitem__: Overflow when unpacking long long: {value} has more than 64 bits")
    if x.dtype.category < 2 or type(value) is complex:
        rules.need_fit(value, x.dtype, "__setitem__")
    return value


def _without_leading_ones(value: Tensor, rank: int) -> Tensor:
    extra = value.ndim - rank
    if extra > 0 and all(n == 1 for n in value.shape[:extra]):
        return value.reshape(value.shape[extra:])
    return value


def put_tensors(x: Tensor, items: tuple[Tensor | None, ...], value: Tensor, accumulate: bool) -> None:
    """Put a value at index tensors and masks of x, in place; None stands for a whole dimension."""
    if all(i is None for i in items):
        raise RuntimeError("index_put_(): at least one index must be provided")
    if current.grad:
        _check_leaf(x)
    parsed = _Parser(x, tuple(slice(None) if i is None else i if i.ndim else i.reshape(1) for i in items)).parse()
    _put(x, parsed.advanced, value, accumulate, strips=False)


def _put(x: Tensor, advanced: list[tuple[int, Tensor]], value: object, accumulate: bool = False, strips: bool = True) -> None:
    """``strips``: leading dimensions of length 1 do not count, as in an assignment."""
    if not accumulate and _fills(advanced, value):
        dim, mask = advanced[0]
        assign(x, _filled(x, mask, value, dim), "index_put_")
        return
    for other in [value, *[i for _, i in advanced if not _is_mask(i)]]:
        if isinstance(other, Tensor) and overlap(x, other):
            raise RuntimeError(
                "index_put_(): unsupported operation: some elements of the value or the index and the written-to tensor refer to a single "
                "memory location. Please clone() it before performing the operation."
            )
    source, index, dim, count = _places(x, advanced)
    if isinstance(value, Tensor):
        _need_same_dtype(x, value)
        value = _without_leading_ones(value, source.ndim - count + index.ndim) if strips else value
    if accumulate:
        made = add_at(source, value, index, dim=dim, count=count, shape=source.shape)
    else:
        made = put_at(source, value, index, dim=dim, count=count)
    assign(source, made, "index_put_")


def _need_same_dtype(x: Tensor, value: Tensor) -> None:
    if value.dtype is not x.dtype:
        raise RuntimeError(
            f"Index put requires the source and destination dtypes match, got {rules._cname(x.dtype)} for the destination and "
            f"{rules._cname(value.dtype)} for the source."
        )


def _fills(advanced: list[tuple[int, Tensor]], value: object) -> bool:
    """Whether one number goes where one mask says: then the mask's values need not be known."""
    one_mask = len(advanced) == 1 and _is_mask(advanced[0][1])
    return one_mask and (not isinstance(value, Tensor) or value._aval.size == 1)


def _filled(x: Tensor, mask: Tensor, value: object, dim: int) -> Tensor:
    behind = x.ndim - dim - mask.ndim
    if behind:
        mask = view(mask, None, spec=(*map(whole, mask.shape), *(NEW,) * behind))
    return fill_where(x, mask, value.reshape(()) if isinstance(value, Tensor) and value.ndim else value)
