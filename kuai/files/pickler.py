"""Writes values as pickles that PyTorch reads: protocol 2, PyTorch's names for kuai's classes.

Tensors and Python's values are written as ``weights_only=True`` reads them, other objects as pickle writes them.
"""

from __future__ import annotations

import struct
from collections import Counter, OrderedDict
from collections.abc import Callable
from copyreg import dispatch_table
from enum import Enum
from functools import partial
from pickle import PicklingError, encode_long
from types import FunctionType
from typing import Any

import numpy as np

from ..devices import device
from ..dtypes import dtype
from ..layouts import layout
from ..ops.storages import StorageBase, UntypedStorage
from . import modules, objects, registry, tensors
from .errors import SaveError
from .storages import CLASS_OF

_BATCH = 1000
_NAMELESS = {type(value): value for value in (None, Ellipsis, NotImplemented)}


class Pickler:
    """One pickle. ``persistent_id`` is given a tensor's storage and dtype, and gives the storage's id in the file."""

    def __init__(self, storage_id: Callable[..., tuple]):
        self.out: list[bytes] = []
        self.storage_id = storage_id
        self.memo: dict[int, int] = {}
        self.names: dict[object, int] = {}
        self.keep: list[object] = []  # memo is by id: what it knows must stay alive
        self.path: list[object] = []
        self.size = 0

    def dump(self, value: object) -> bytes:
        """The pickle of a value. SaveError, with the place and the way out, for what no program would find again."""
        self.out.append(b"\x80\x02")
        self.write(value)
        self.out.append(b".")
        return b"".join(self.out)

    def write(self, value: object) -> None:
        known = self.memo.get(id(value))
        if known is not None:
            self._get(known)
            return
        kind = type(value)
        writer = _WRITERS.get(kind)
        if writer is not None:
            writer(self, value)
        elif tensors.is_tensor(value):
            self._write_tensor(value)
        elif isinstance(value, StorageBase):
            self._write_storage(value)
        elif isinstance(value, np.generic):
            self._write_numpy_scalar(value)
        elif isinstance(value, np.dtype):
            self._write_numpy_dtype(value)
        elif registry.is_trusted(value):
            self.name(*registry.name_of(value))  # type: ignore[misc]
        elif kind is type and value in _NAMELESS:
            self.call("builtins", "type", _NAMELESS[value])
        elif isinstance(value, (type, FunctionType)):
            self._write_global(value, value.__qualname__)
        else:
            self._write_object(value)

    # ---- memo ------------------------------------------------------------------------------------------------------------

    def _number(self) -> int:
        number, self.size = self.size, self.size + 1
        self.out.append(b"q" + bytes([number]) if number < 256 else struct.pack("<cI", b"r", number))
        return number

    def _remember(self, value: object) -> None:
        self.memo[id(value)] = self._number()
        self.keep.append(value)

    def _get(self, number: int) -> None:
        self.out.append(b"h" + bytes([number]) if number < 256 else struct.pack("<cI", b"j", number))

    def name(self, module: str, name: str) -> None:
        """A global, written once."""
        self._once((module, name), lambda: f"c{module}\n{name}\n".encode())

    def _once(self, key: object, code: Callable[[], bytes]) -> None:
        known = self.names.get(key)
        if known is not None:
            self._get(known)
            return
        self.out.append(code())
        self.names[key] = self._number()

    # ---- Python's values ---------------------------------------------------------------------------------------------------

    def _write_int(self, value: int) -> None:
        if 0 <= value < 256:
            self.out.append(b"K" + bytes([value]))
        elif 0 <= value < 65536:
            self.out.append(struct.pack("<cH", b"M", value))
        elif -(1 << 31) <= value < 1 << 31:
            self.out.append(struct.pack("<ci", b"J", value))
        else:
            data = encode_long(value)
            head = b"\x8a" + bytes([len(data)]) if len(data) < 256 else struct.pack("<ci", b"\x8b", len(data))
            self.out.append(head + data)

    def _write_str(self, value: str) -> None:
        def code() -> bytes:
            data = value.encode("utf-8", "surrogatepass")
            return struct.pack("<cI", b"X", len(data)) + data

        self._once(value, code)

    def _write_bytes(self, value: bytes) -> None:
        self.call("_codecs", "encode", value.decode("latin1"), "latin1")
        self._remember(value)

    def _write_bytearray(self, value: bytearray) -> None:
        self.call("__builtin__", "bytearray", *((value.decode("latin1"), "latin1") if value else ()))
        self._remember(value)

    def _write_complex(self, value: complex) -> None:
        self.call("__builtin__", "complex", value.real, value.imag)

    def _write_tuple(self, value: tuple) -> None:
        if not value:
            self.out.append(b")")
            return
        if len(value) > 3:
            self.out.append(b"(")
        for i, item in enumerate(value):
            self._write_at(i, item)
        known = self.memo.get(id(value))
        if known is not None:  # an item holds this very tuple, and has written it
            self.out.append(b"1" if len(value) > 3 else b"0" * len(value))
            self._get(known)
            return
        self.out.append((b"\x85", b"\x86", b"\x87")[len(value) - 1] if len(value) <= 3 else b"t")
        self._remember(value)

    def _write_at(self, where: object, item: object) -> None:
        self.path.append(where)
        self.write(item)
        self.path.pop()

    def _write_list(self, value: list) -> None:
        self.out.append(b"]")
        self._remember(value)
        self._write_elements(value)

    def _write_elements(self, value: list) -> None:
        for start in range(0, len(value), _BATCH):
            self.out.append(b"(")
            for i, item in enumerate(value[start : start + _BATCH], start):
                self._write_at(i, item)
            self.out.append(b"e")

    def _write_dict(self, value: dict) -> None:
        self.out.append(b"}")
        self._remember(value)
        self._write_items(list(value.items()))

    def _write_items(self, items: list[tuple]) -> None:
        for start in range(0, len(items), _BATCH):
            self.out.append(b"(")
            for key, item in items[start : start + _BATCH]:
                self.write(key)
                self._write_at(key, item)
            self.out.append(b"u")

    def _write_ordered_dict(self, value: OrderedDict) -> None:
        self.call("collections", "OrderedDict")
        self._remember(value)
        self._write_items(list(value.items()))
        if value.__dict__:  # a state_dict's _metadata
            self.write(dict(value.__dict__))
            self.out.append(b"b")

    def _write_counter(self, value: Counter) -> None:
        self.call("collections", "Counter", dict(value))
        self._remember(value)

    def _write_set(self, value: set) -> None:
        self.call("__builtin__", "set", list(value))
        self._remember(value)

    # ---- PyTorch's values --------------------------------------------------------------------------------------------------

    def call(self, module: str, name: str, *args: object) -> None:
        """A call: the global, its arguments, REDUCE."""
        self.name(module, name)
        self._write_fresh(args)
        self.out.append(b"R")

    def _write_fresh(self, args: tuple) -> None:
        """A tuple that nobody else holds: not remembered."""
        self.out.append(b"(" if args else b")")
        for arg in args:
            self.write(arg)
        if args:
            self.out.append(b"t")

    def _write_tensor(self, value: Any) -> None:
        state = tensors.attributes(value)
        if tensors.is_lazy(value):
            self.call("torch.nn.parameter", type(value).__name__, bool(value.requires_grad), value.device, value.dtype)
        elif state:
            self._write_with_attributes(value, state)
        elif tensors.is_parameter(value):
            self.call("torch._utils", "_rebuild_parameter", _Plain(value), value.requires_grad, OrderedDict())
        else:
            self._write_plain(value, bool(value.requires_grad))
        self._remember(value)

    def _write_with_attributes(self, value: Any, state: dict) -> None:
        if tensors.is_parameter(value):
            args = (_Plain(value), value.requires_grad, OrderedDict(), state)  # type: ignore[var-annotated]
            self.call("torch._utils", "_rebuild_parameter_with_state", *args)
            return
        function = _Name("torch._utils", tensors_rebuild(value))
        self.call("torch._tensor", "_rebuild_from_type_v2", function, _Name("torch", "Tensor"), _Arguments(value), state)

    def _write_plain(self, value: Any, requires_grad: bool) -> None:
        self.name("torch._utils", tensors_rebuild(value))
        self._write_arguments(value, requires_grad)
        self.out.append(b"R")

    def _write_arguments(self, value: Any, requires_grad: bool) -> None:
        """The arguments of the function that rebuilds a tensor."""
        if tensors.is_sparse(value):
            self._write_fresh((value.layout, tensors.sparse_parts(value)))
            return
        if value.device.type == "meta":
            self._write_fresh((value.dtype, *tensors.geometry_of(value)[1:], requires_grad))
            return
        offset, shape, strides = tensors.geometry_of(value)
        args = (_Stored(value), offset, shape, strides, requires_grad, OrderedDict())  # type: ignore[var-annotated]
        self._write_fresh(args if value.dtype.name in CLASS_OF else (*args, value.dtype))

    def _write_stored(self, stored: _Stored) -> None:
        self._write_fresh(self.storage_id(stored.tensor))
        self.out.append(b"Q")

    def _write_storage(self, value: StorageBase) -> None:
        self._write_fresh(self.storage_id(value.tensor, isinstance(value, UntypedStorage)))
        self.out.append(b"Q")
        self._remember(value)

    def _write_layout(self, value: layout) -> None:
        self.call("torch.serialization", "_get_layout", repr(value))

    def _write_dtype(self, value: dtype) -> None:
        self.name("torch", value.name)

    def _write_device(self, value: device) -> None:
        self.call("torch", "device", value.type, *(() if value.index is None else (value.index,)))

    def _write_size(self, value: tuple) -> None:
        self.call("torch", "Size", tuple(value))
        self._remember(value)

    # ---- NumPy's values ----------------------------------------------------------------------------------------------------

    def _write_numpy_dtype(self, value: np.dtype) -> None:
        if value.isbuiltin == 2:
            raise SaveError(f"save: {self._place()} has NumPy dtype {value}; convert it to a tensor, or to a list with .tolist()")
        if value.kind not in "biufcSU":  # objects, dates, fields
            _, args, state = value.__reduce__()  # type: ignore[misc, str-unpack]
            self.call("numpy", "dtype", *args)
            self.write(state)
            self.out.append(b"b")
            return
        self.call("numpy", "dtype", value.str[1:], False, True)
        size = (-1, -1) if value.kind not in "SU" else (value.itemsize, value.alignment)
        self._write_fresh((3, value.str[0], None, None, None, *size, 0))
        self.out.append(b"b")

    def _write_numpy_scalar(self, value: np.generic) -> None:
        self.call("numpy._core.multiarray", "scalar", value.dtype, value.tobytes())
        self._remember(value)

    def _write_numpy_array(self, value: np.ndarray) -> None:
        self.call("numpy._core.multiarray", "_reconstruct", _Name("numpy", "ndarray"), (0,), b"b")
        self._remember(value)
        data = value.__reduce__()[2][-1] if value.dtype.hasobject else value.tobytes()  # type: ignore[index]
        self._write_fresh((1, value.shape, value.dtype, False, data))
        self.out.append(b"b")

    # ---- the program's values ----------------------------------------------------------------------------------------------

    def _write_global(self, value: Any, name: str) -> None:
        """A class, function or constant by its name. What is inside of a class is an attribute of it, as pickle writes it."""
        found = modules.named(value) or objects.named(value, name)
        if found is None:
            raise SaveError(self._refusal(value, f"the name {getattr(value, '__module__', None)}.{name} does not lead to it"))
        module, name = found
        holder, _, last = name.rpartition(".")
        if not holder:
            self.name(module, name)
            return
        self.call("builtins", "getattr", objects.holder(value, name), last)
        self._remember(value)

    def _write_object(self, value: Any) -> None:
        """As pickle does: how the object is made, then its elements, items and state."""
        reduced = self._reduced(value)
        if isinstance(reduced, str):
            self._write_global(value, reduced)
            return
        function, args, state, elements, items = (*reduced, None, None, None)[:5]
        self._write_made(function, args)
        known = self.memo.get(id(value))
        if known is not None:  # an argument holds this very object, and has written it
            self.out.append(b"0")
            self._get(known)
            return
        self._remember(value)
        self._write_elements(list(elements or ()))
        self._write_items(list(items or ()))
        if state is not None:
            self.write(modules.whole(value, state))
            self.out.append(b"b")

    def _write_made(self, function: Any, args: tuple) -> None:
        kind = getattr(function, "__name__", "")
        if kind == "__newobj_ex__":
            cls, given, keywords = args
            function, args = partial(cls.__new__, cls, *given, **keywords), ()
        made = kind == "__newobj__"
        self.write(args[0] if made else function)
        self._write_fresh(tuple(args[1:] if made else args))
        self.out.append(b"\x81" if made else b"R")

    def _reduced(self, value: Any) -> Any:
        """How an object pickles. Members of an Enum go by their value, which every version of Python reads."""
        reducer = dispatch_table.get(type(value))
        try:
            reduced = reducer(value) if reducer is not None else value.__reduce_ex__(2)
        except (TypeError, AttributeError, PicklingError) as error:
            raise SaveError(self._refusal(value, str(error))) from error
        if isinstance(value, Enum) and reduced[0] is getattr:
            return type(value), (value._value_,)
        if not isinstance(reduced, str) and (len(reduced) > 5 and reduced[5] is not None):
            raise SaveError(self._refusal(value, "it pickles with a function that sets its state"))
        return reduced

    def _place(self) -> str:
        return "obj" + "".join(f"[{where!r:.60}]" for where in self.path)

    def _refusal(self, value: Any, why: str) -> str:
        named = value if isinstance(value, (type, FunctionType)) else type(value)
        way = "save what it holds as tensors, numbers, strings, lists and dicts"
        if named is value:
            way = f"define it at the top level of a module, or trust it: torch.serialization.add_safe_globals([{value.__qualname__}])"
        kind = "" if named is not value else "class " if isinstance(value, type) else "function "
        return f"save: {self._place()} is a {kind}{named.__module__}.{named.__qualname__}, which can't be saved ({why}); {way}"


class _Plain:
    """A Parameter, written as the plain tensor inside."""

    __slots__ = ("tensor",)

    def __init__(self, tensor: object):
        self.tensor = tensor


class _Arguments(_Plain):
    """A tensor, written as the arguments of the function that rebuilds it."""


class _Stored(_Plain):
    """A tensor, written as the id of its storage."""


class _Name:
    """A global."""

    __slots__ = ("module", "name")

    def __init__(self, module: str, name: str):
        self.module, self.name = module, name


def tensors_rebuild(value: Any) -> str:
    """PyTorch's function that rebuilds this tensor."""
    if tensors.is_sparse(value):
        return "_rebuild_sparse_tensor"
    if value.device.type == "meta":
        return "_rebuild_meta_tensor_no_storage"
    return "_rebuild_tensor_v2" if value.dtype.name in CLASS_OF else "_rebuild_tensor_v3"


def _code(code: bytes) -> Callable[[Pickler, object], None]:
    return lambda pickler, value: pickler.out.append(code)


_WRITERS: dict[type, Callable[[Pickler, Any], None]] = {
    type(None): _code(b"N"),
    type(Ellipsis): lambda p, v: p.name("builtins", "Ellipsis"),
    type(NotImplemented): lambda p, v: p.name("builtins", "NotImplemented"),
    bool: lambda p, v: p.out.append(b"\x88" if v else b"\x89"),
    int: Pickler._write_int,
    float: lambda p, v: p.out.append(struct.pack(">cd", b"G", v)),
    str: Pickler._write_str,
    bytes: Pickler._write_bytes,
    bytearray: Pickler._write_bytearray,
    complex: Pickler._write_complex,
    tuple: Pickler._write_tuple,
    list: Pickler._write_list,
    dict: Pickler._write_dict,
    set: Pickler._write_set,
    OrderedDict: Pickler._write_ordered_dict,
    Counter: Pickler._write_counter,
    dtype: Pickler._write_dtype,
    device: Pickler._write_device,
    layout: Pickler._write_layout,
    np.ndarray: Pickler._write_numpy_array,
    tensors.Size: Pickler._write_size,
    _Plain: lambda p, v: p._write_plain(v.tensor, False),
    _Arguments: lambda p, v: p._write_arguments(v.tensor, bool(v.tensor.requires_grad)),
    _Stored: Pickler._write_stored,
    _Name: lambda p, v: p.name(v.module, v.name),
}
