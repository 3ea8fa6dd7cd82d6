"""The memory of a sparse tensor: a pattern and the values there, both of dense tensors.

So an op on sparse tensors is ops on their values, and what those have comes with them: recording, both executions, all
dtypes. On the graph a sparse tensor is a node of its own: reading its values leads a dense cotangent to it as a sparse
one of its pattern, and building one from values leads a cotangent of any layout back to them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd.function import ClosureNode
from ..autograd.graph import fit
from ..devices import device
from ..engine.program import Aval, Op
from ..engine.trace import current, hollow
from ..layouts import layout, sparse_coo
from ..ops.conversion import to_device
from ..ops.taking import add_at, fill_where, take_at
from ..tensor import Storage, Tensor, from_array, wrap
from .pattern import Pattern


class SparseStorage(Storage):
    """Memory of a sparse layout, which is its pattern's."""

    __slots__ = ("pattern", "values")

    def __init__(self, pattern: Any, values: Tensor):
        self.pattern, self.values = pattern, values
        super().__init__(hollow(Aval(pattern.shape, values.dtype, values.device)), (pattern, values))

    @property
    def layout(self) -> layout:  # type: ignore[override]
        """The layout."""
        return self.pattern.layout

    def release(self) -> None:
        """Nothing of it is lent to NumPy but the values, which know that themselves."""

    def read(self, path: tuple):  # type: ignore[no-untyped-def]
        """The hollow value; who needs more asks for the pattern and the values."""
        return self.value

    def parts(self) -> dict[str, Tensor]:
        """The tensors that it is made of, by name."""
        return self.pattern.parts() | {"values": self.values}

    def copy(self) -> SparseStorage:
        """Memory of its own with the same content."""
        return type(self)(self.pattern, wrap(self.values._read()))

    def __reduce__(self) -> tuple:
        return type(self), (self.pattern, self.values)

    def shared(self) -> SparseStorage:
        """What an alias has: the same values, which both can edit; what rewrites one, places and all, leaves the other."""
        return type(self)(self.pattern, self.values._alias())

    def moved(self, x: Tensor, where: device) -> Tensor:
        """The tensor x, which has this memory, on another device."""
        return build(self.pattern.moved(where), to_device(values_of(x), where), "ToCopyBackward0")

    def emptied(self, wanted: object = None) -> Tensor:
        """A tensor of no values in the same form, or in a wanted layout."""
        pattern = self.pattern.emptied()
        batch = len(getattr(pattern, "batch", ()))
        made = build(pattern, self.values.detach()[(slice(None),) * batch + (slice(0),)])
        if wanted is None or wanted is self.layout:
            return made
        return made.to_sparse(layout=wanted, blocksize=getattr(pattern, "block", None) or None)

    def rebind(self, held: Tensor, new: Tensor, tracked: bool) -> Tensor:
        """Make a new content that of the tensor ``held`` and of all who share its memory."""
        self.adopt(new)
        held._value = new._value
        if tracked:
            held._node = new._node
        return held

    def adopt(self, new: Tensor) -> None:
        """Take another tensor's pattern and values."""
        other = new._storage
        if type(other) is not type(self) or other.layout is not self.layout:
            raise RuntimeError("a sparse tensor cannot be rewritten with one of another layout; use to_sparse()")
        self.pattern, self.values = other.pattern, wrap(other.values._read())
        self.value, self.host = hollow(new._aval), (self.pattern, self.values)
        self.version += 1

    def record(self, op: Op, static: tuple | None, operands: tuple) -> object:
        """Record an op that has a sparse operand, by its form for those."""
        from .forms import record

        return record(op, static, operands)


class BuildNode(ClosureNode):
    """The node of a sparse tensor that was built from values: it needs of a cotangent what stands in the pattern."""

    __slots__ = ()


def any_sparse(x: object) -> bool:
    """Whether something is a tensor of a sparse layout."""
    return isinstance(x, Tensor) and isinstance(x._storage, SparseStorage)


def is_sparse(x: object) -> bool:
    """Whether something is a tensor of the layout sparse_coo."""
    return any_sparse(x) and x._storage.layout is sparse_coo  # type: ignore[attr-defined]


def pattern_of(x: Tensor) -> Any:
    """A sparse tensor's pattern now."""
    return x._storage.pattern  # type: ignore[union-attr]


def on_graph(out: Tensor, name: str, rule: Callable, *sources: Tensor, kind: type = ClosureNode) -> Tensor:
    """Put a fresh result on the graph, where one of its sources is."""
    edges = tuple(s._node for s in sources)
    if current.grad and any(e is not None for e in edges):
        out._node = kind(name, rule, edges)
    return out


def values_of(x: Tensor) -> Tensor:
    """A sparse tensor's values as a dense tensor, on the graph; what comes back to them is sparse."""
    return _read_values(x, wrap(x._storage.values._read()))  # type: ignore[union-attr]


def shared_values(x: Tensor) -> Tensor:
    """The same, on the sparse tensor's own memory."""
    return _read_values(x, x._storage.values._alias())  # type: ignore[union-attr]


def _read_values(x: Tensor, values: Tensor) -> Tensor:
    pattern = pattern_of(x)
    return on_graph(values, "ValuesBackward0", lambda g: _cotangent(pattern, g), x)


def _cotangent(pattern: Any, g: Tensor) -> Tensor:
    """A cotangent of the values as one of the tensor. Of several values at one place all have the same."""
    if not pattern.coalesced:
        g = take_at(g, from_array(pattern.order.first, g.device), dim=0, count=1, wrap=False)
    return build(pattern.unique, g)


def build(pattern: Any, values: Tensor, name: str = "SparseCooTensorWithDimsAndTensorsBackward0") -> Tensor:
    """The sparse tensor that has these values at a pattern's places; on the graph, if they are."""
    storage = SparseStorage(pattern, wrap(values._read()))
    out = wrap(storage.value)  # type: ignore[arg-type]
    out._storage = storage
    aval = values._value.aval
    return on_graph(out, name, lambda g: fit(at_pattern(g, pattern), aval), values, kind=BuildNode)


def at_pattern(x: Tensor, pattern: Any) -> Tensor:
    """What a tensor of any layout has at a pattern's places."""
    if not any_sparse(x):
        return pattern.take(x)
    own = pattern_of(x)
    if own.same(pattern) and own.coalesced:
        return values_of(x)
    if type(own) is not Pattern:
        return at_pattern(in_coordinates(x), pattern)
    if type(pattern) is not Pattern:
        return _at_compressed(x, pattern)
    place, there = own.unique.find(pattern.keys)
    return picked(values_of(coalesced(x)), place, there)


def in_coordinates(x: Tensor) -> Tensor:
    """A sparse tensor of any layout in coordinates."""
    from .compressing import to_coo

    return x if is_sparse(x) else to_coo(x)


def _at_compressed(x: Tensor, pattern: Any) -> Tensor:
    """What a tensor in coordinates has at a compressed pattern's places."""
    elements, order = pattern.elements
    back = from_array(np.argsort(order, kind="stable"), x.device)
    found = take_at(at_pattern(x, elements), back, dim=0, count=1, wrap=False)
    return found.reshape((*pattern.batch, pattern.count, *pattern.block, *pattern.rest))


def picked(values: Tensor, place: np.ndarray, there: np.ndarray) -> Tensor:
    """The values at places; zeros where there is none."""
    shape = (place.size, *values.shape[1:])
    if not values.shape[0]:
        return values.new_zeros(shape)
    found = take_at(values, from_array(place, values.device), dim=0, count=1, wrap=False)
    if there.all():
        return found
    absent = np.broadcast_to(~there.reshape(-1, *(1,) * (len(shape) - 1)), shape)
    return fill_where(found, from_array(absent, values.device), 0)


def coalesced(x: Tensor) -> Tensor:
    """The sparse tensor with its places sorted and each there once, values of one place summed; itself, if it is so."""
    pattern = pattern_of(x)
    if pattern.coalesced:
        return x
    return build(pattern.unique, gathered(values_of(x), pattern), "CoalesceBackward0")


def gathered(values: Tensor, pattern: Pattern) -> Tensor:
    """The values of each place summed, in the order of the places."""
    order = pattern.order
    if order.keys.size == order.place.size:
        return take_at(values, from_array(order.first, values.device), dim=0, count=1, wrap=False)
    place = from_array(order.place, values.device)
    return add_at(None, values, place, dim=0, count=1, shape=(order.keys.size, *values.shape[1:]))


def to_dense(x: Tensor) -> Tensor:
    """All the elements; what comes back to the sparse tensor is sparse."""
    return pattern_of(x).put(values_of(x))
