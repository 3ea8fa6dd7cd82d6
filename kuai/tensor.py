"""Tensor: a value, its storage, its views. No arithmetic: `methods` hangs that on.

Values never change (invariant I6). A tensor that shares memory with others has a `Storage`, whose value an in-place edit
rebinds. A view is its storage plus a path of view steps: it is read through the path and written through it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import dtypes
from .devices import device
from .engine import trace
from .engine.interpret import own
from .engine.program import Aval, Op, Size
from .engine.trace import Value, concrete, current, materialize, of_inference, record
from .layouts import layout, strided


class Step(NamedTuple):
    """One step of a view's path: a view op, its static arguments and its numbers; and who made it, if with other views at once."""

    op: Op
    record: Callable
    static: tuple | None
    numbers: tuple
    among: str | None = None


class Storage:
    """Memory that several tensors share: the value it holds now, and how often it has been written.

    ``host`` is a NumPy array when Python code outside holds the same memory (`from_numpy`, `Tensor.numpy`). Of memory in
    another layout it is the parts, and ``record(op, static, operands)`` records an op that has such an operand.
    ``anchor`` is a value on the memory whose address somebody has asked for; ``arena`` is what other processes see of it.
    """

    __slots__ = ("value", "version", "host", "foreign", "anchor", "arena")
    layout: layout = strided
    record: Callable | None = None
    if TYPE_CHECKING:  # of memory in another layout

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, value: Value | None, host: Any = None):
        self.value = value
        self.version = 0
        self.host = host
        self.anchor: Value | None = None
        self.arena: Any = None
        self.foreign = host is not None  # memory that was NumPy's from the start stays shared

    def release(self) -> None:
        """Take the value back from memory that was lent to NumPy and that nobody holds any more."""
        if self.host is not None and not self.foreign and sys.getrefcount(self.host) == 2:
            array, self.host = self.host, None
            aval = self.value.aval
            self.value = concrete(array.view(aval.dtype.numpy).reshape(aval.shape), aval)
            self.version += 1

    def address(self) -> int:
        """Where in memory the content lies: the same place each time, with what the storage holds now."""
        self.release()
        if self.host is not None:
            return self.host.__array_interface__["data"][0]
        if self.anchor is None or self.anchor is not self.value:
            data, aval = np.asarray(materialize(self.value)), self.value.aval
            block = np.empty(aval.shape, aval.dtype.numpy) if self.anchor is None else _vacate(self.anchor)
            np.copyto(block, data)
            self.value = self.anchor = concrete(block, aval)
        return self.anchor.data.__array_interface__["data"][0]

    def read(self, path: tuple[Step, ...]) -> Value:
        """What a view of this storage holds now."""
        self.release()
        if self.host is None:
            value = self.value
            for step in path:
                value = record(step.op, step.static, (value, *step.numbers))
            return value
        return self._snapshot(path)

    def _snapshot(self, path: tuple[Step, ...]) -> Value:
        array = walk_array(self.host, path)
        aval = Aval(array.shape, dtypes.from_numpy(array.dtype), self.value.aval.device)
        return concrete(array.copy(), aval)

    def copy(self) -> Storage:
        """Memory of its own with the same content."""
        return Storage(self.read(()))

    def write(self, value: Value) -> None:
        """Rebind to a new value."""
        self.value = value
        self.version += 1

    def lent(self) -> bool:
        """Whether others hold the memory, who see at once what is written."""
        self.release()
        return self.host is not None

    def write_part(self, path: tuple[Step, ...], value: Value) -> None:
        """Write to memory that others hold: only where a view looks, for they may write beside it."""
        np.copyto(host_view(self.host, path), np.asarray(materialize(value)))
        self.version += 1


def _vacate(anchor: Value) -> np.ndarray:
    """The array of a value that is past, to be written anew; who still holds the value gets a copy."""
    if _holders(anchor) > _ALONE:  # somebody reads it as an array
        return np.empty_like(anchor.data)
    block = anchor.data
    anchor.data = block.copy()
    return block


def _holders(value: Value) -> int:
    block = value.data
    return sys.getrefcount(block)


_ALONE = _holders(concrete(np.empty(0), Aval((0,), dtypes.ALL["float64"], device("cpu"))))


def host_view(memory: np.ndarray, path: tuple[Step, ...]) -> np.ndarray:
    """What a path leads to in memory; to be written to as the memory may, though NumPy locks views that show an element twice."""
    array = walk_array(memory, path)
    if array.flags.writeable or not memory.flags.writeable:
        return array
    offset = array.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
    return np.ndarray(array.shape, array.dtype, memory, offset, array.strides)


def walk_array(array: np.ndarray, path: tuple[Step, ...]) -> np.ndarray:
    """A path's steps as NumPy views of an array."""
    for step in path:
        static = dict(zip(step.op.statics, step.static)) if step.static else {}
        array = step.op.body(np, array, *step.numbers, **static)
    return array


class _Attributes(dict):
    """What a program hung on a tensor, without what the tensor keeps for itself; edits reach the tensor."""

    __slots__ = ("_all",)

    def __init__(self, everything: dict[str, Any]):
        super().__init__((name, value) for name, value in everything.items() if name not in KEPT)
        self._all = everything

    def __setitem__(self, name: str, value: object) -> None:
        super().__setitem__(name, value)
        self._all[name] = value

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        del self._all[name]

    def update(self, *others: Any, **named: Any) -> None:
        for name, value in dict(*others, **named).items():
            self[name] = value

    def pop(self, name: str, *default: Any) -> Any:
        self._all.pop(name, None)
        return super().pop(name, *default)


KEPT = frozenset(("_seen", "_path", "_base", "_rebound", "_grad", "_retains", "_edits"))


class TensorBase:
    """What a tensor keeps: `Tensor` shows of it what is a program's."""

    # Slots are what an op fills in. The rest has its default in Tensor and, where it differs, a place in the object's dict.
    __slots__ = (
        "_value",  # what it holds, or held when its storage had version _seen
        "_node",  # where gradients go: a graph node, a leaf's accumulator, or None
        "_storage",  # shared memory, if others have a part in it
        "__dict__",
        "__weakref__",
    )


everything = TensorBase.__dict__["__dict__"].__get__


def _attributes(self: Tensor) -> _Attributes:
    return _Attributes(everything(self))


def _set_attributes(self: Tensor, names: dict[str, Any]) -> None:
    there = _attributes(self)
    for name in list(there):
        del there[name]
    there.update(names)


class Tensor(TensorBase):
    """A multi-dimensional array of one dtype on one device, with the meaning of ``torch.Tensor``.

    >>> import kuai as torch
    >>> x = torch.tensor([[1., 2.], [3., 4.]])
    >>> x.sum(dim=0)
    tensor([4., 6.])
    """

    __slots__ = ()
    __dict__ = property(_attributes, _set_attributes)
    _seen = 0  # the storage's version that _value was read at
    _path: tuple[Step, ...] = ()  # from the storage's value to this tensor
    _base: Tensor | None = None  # the tensor that this one is a differentiable view of
    _rebound = 0  # how often an in-place edit has given the base a new node; a view remembers its base's
    _grad: Tensor | None = None
    _retains = False
    _maker: str | None = None  # the Function whose result this view of its input is: an edit would pass its derivative by
    _edits = 0

    def __new__(cls, *args: object, **kwargs: object) -> Tensor:
        return _legacy(cls, *args, **kwargs)

    # ---- reading -----------------------------------------------------------------------------------------------------

    def _read(self) -> Value:
        """The tensor's value now."""
        storage = self._storage
        if storage is None or (self._seen == storage.version and storage.host is None):
            return self._value
        return self._refresh()

    def _refresh(self) -> Value:
        """Read through the storage, after it was written (or while NumPy may write to it)."""
        storage, base = self._storage, self._root()
        if base is not None and base._rebound != self._rebound:
            fresh = self._view_anew(base)
            self._move_to(fresh._node)
            self._rebound = base._rebound
            self._value = fresh._read()
        else:
            self._value = storage.read(self._path)
        self._seen = storage.version
        if trace.marks:
            self._value.inference = self._is_inference()
        return self._value

    def _move_to(self, node: Any) -> None:
        """Take another place in the graph, after an edit; there the gradient is kept from now on, if it is to be kept."""
        if self._retains and node is not self._node:
            self._node._hooks().release(self)  # type: ignore[attr-defined]
            node.retain(self)
        self._node = node

    def _view_anew(self, base: Tensor) -> Tensor:
        """This view of a base that has another place in the graph; recorded there even if nothing else is, as in no_grad()."""
        before, current.grad = current.grad, True
        try:
            return walk(base, self._path[len(base._path) :])
        finally:
            current.grad = before

    def _root(self) -> Tensor | None:
        """The base; if an edit of its own shape has made that a view too, then its base."""
        base = self._base
        if base is not None and base._base is not None:
            base = self._base = base._root()
        return base

    def _array(self) -> np.ndarray:
        """The tensor's elements for reading, as NumPy's; not to be written to."""
        return np.asarray(materialize(self._read()))

    @property
    def _aval(self) -> Aval:
        return self._value.aval

    # ---- sharing -----------------------------------------------------------------------------------------------------

    def _is_inference(self) -> bool:
        """Whether it was made in inference mode, or is a view of what was. The mark lies on the content of its memory."""
        return of_inference(self._content_now())

    def _share(self) -> Storage:
        """The storage, made when the first alias asks for it."""
        storage = self._storage
        if storage is None:
            self._storage = storage = Storage(self._value)
            storage.version = self._seen = self._edits
        return storage if storage.record is None else storage.shared()

    def _alias(self) -> Tensor:
        """A tensor on the same memory, outside the graph: what detach() and .data give."""
        value = self._read()
        out = wrap(value)
        out._storage, out._path, out._seen = self._share(), self._path, self._seen
        return out

    def _content(self) -> Tensor:
        """What it holds now, in a tensor of its own, outside the graph."""
        out = wrap(self._read())
        if self._storage is not None and self._storage.record is not None:
            out._storage = self._storage.copy()
        return out

    def _become_view(self, source: Tensor, step: Step) -> Tensor:
        """Make this fresh result of a view op share its source's memory."""
        self._storage = storage = source._share()
        base = source._base
        if base is None:
            base = source
        if storage.version:
            self._seen = storage.version
        if base._rebound:
            self._rebound = base._rebound
        self._path = (*source._path, step)
        self._base = base
        return self

    def _adopt(self, other: Tensor) -> None:
        """Take another tensor's memory for one's own: what ``x.data = other`` does."""
        self._value = other._read()
        self._storage, self._path, self._seen = other._share(), other._path, other._seen
        self._base = None

    # ---- writing -----------------------------------------------------------------------------------------------------

    def _write(self, new: Tensor, tracked: bool) -> Tensor:
        """Rebind to a new content of the same aval; through the path, for a view, to all who share the memory."""
        if self._storage is not None and self._storage.record is not None:
            return self._storage.rebind(self, new, tracked)
        if new._storage is not None and new._storage.record is not None:
            raise RuntimeError(f"a dense tensor cannot be rewritten with one of layout {new._storage.layout}; use to_dense()")
        if current.trace.borrowed is not None:
            current.trace.need_own(self._value, new._read())
        mark = self._is_inference() if trace.marks else None
        root = self if self._base is None else self._root()
        lent = root._storage is not None and root._storage.lent()
        if lent and not tracked:
            root._storage.write_part(self._path, new._read())
            return self
        content = write_through(root, self._path[len(root._path) :], new)
        if lent:
            root._storage.write_part(self._path, new._read())
        elif root._storage is None:
            root._value = content._read()
            root._edits += 1
        else:
            root._write_storage(content)
        if tracked:
            root._move_to(content._node)
            root._rebound += 1
        if mark is not None:  # an edit does not change it
            root._content_now().inference = mark
        return self

    def _content_now(self) -> Value:
        """The content of its memory, or its own if that is not shared."""
        storage = self._storage
        return self._value if storage is None or storage.value is None else storage.value

    def _write_storage(self, content: Tensor) -> None:
        storage = self._storage
        whole = wrap(storage.read(())) if self._path else content
        storage.write(write_through(whole, self._path, content)._read())
        self._value, self._seen = content._read(), storage.version
        if not self._path and storage.host is None and storage.anchor is None and sys.getrefcount(storage) == 3:
            self._storage, self._edits = None, storage.version  # nobody shares it any more: the short way is free again

    # ---- Python --------------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        """The lengths of the dimensions (``torch.Tensor.shape``)."""
        return self._value.aval.shape

    @property
    def dtype(self) -> dtypes.dtype:
        """The elements' dtype."""
        return self._value.aval.dtype

    @property
    def device(self) -> device:
        """The device that holds the tensor."""
        return self._value.aval.device

    def __hash__(self) -> int:
        return id(self)

    if TYPE_CHECKING:  # what `methods` hangs on

        def __getattr__(self, name: str) -> Any: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __iadd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __isub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __imul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __itruediv__(self, other: Any) -> Tensor: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __rfloordiv__(self, other: Any) -> Tensor: ...
        def __mod__(self, other: Any) -> Tensor: ...
        def __rmod__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __xor__(self, other: Any) -> Tensor: ...
        def __lshift__(self, other: Any) -> Tensor: ...
        def __rshift__(self, other: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __eq__(self, other: Any) -> Tensor: ...
        def __ne__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __bool__(self) -> bool: ...
        def __len__(self) -> int: ...
        def __int__(self) -> int: ...
        def __float__(self) -> float: ...
        def __index__(self) -> int: ...
        def __iter__(self) -> Iterator[Tensor]: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...


_new = object.__new__


def wrap(value: Value, node: object | None = None) -> Tensor:
    """A tensor around a value."""
    out = _new(Tensor)
    out._value = value
    out._node = node
    out._storage = None
    return out


def walk(source: Tensor, path: tuple[Step, ...]) -> Tensor:
    """Take a path's view steps, recorded on the graph."""
    for step in path:
        source = view_step(step, source)
    return source


def write_through(base: Tensor, path: tuple[Step, ...], new: Tensor) -> Tensor:
    """``base`` with the part that ``path`` leads to replaced by ``new``; recorded on the graph."""
    stages = [base]
    for step in path[:-1]:
        stages.append(view_step(step, stages[-1]))
    for stage, step in zip(reversed(stages), reversed(path)):
        static = dict(zip(step.op.statics, step.static)) if step.static else {}
        new = step.op.scatter(stage, new, *step.numbers, **static)
    return new


def from_array(array: np.ndarray, where: device) -> Tensor:
    """A tensor on an array that nobody else writes to; dtypes as they are."""
    return wrap(concrete(own(array), Aval(array.shape, dtypes.from_numpy(array.dtype), where)))


# Filled in from above: recording a view step is dispatch's, and the legacy constructor is made of creation ops.
view_step: Callable[[Step, Tensor], Tensor]
_legacy: Callable[..., Tensor]


def install(view_step_: Callable, legacy: Callable) -> None:
    """Give this floor the two things that are made on floors above it."""
    global view_step, _legacy
    view_step, _legacy = view_step_, legacy
