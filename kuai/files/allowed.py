"""The fixed table of what a checkpoint may name, and what each name means to kuai.

A name that is not in the table (nor added with ``add_safe_globals``) is refused. Whatever is in it is made by a function here,
which checks its arguments: no class of the file's choice is ever looked up, imported or called.
"""

from __future__ import annotations

import re
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any

import numpy as np

from .. import dtypes
from ..devices import device
from ..dtypes import dtype
from ..layouts import layout, sparse_coo, strided
from ..random.generator import Generator
from . import modules, objects, registry, standard, tensors
from .errors import FileError, RefusedError, shown
from .locations import parse_device, placed
from .storages import DTYPE_OF, Storage, StorageType
from .unpickler import Keys

_NUMPY_CODE = re.compile(r"[<>|=]?([mM]8|b|[iu][1248]|f[248]|c(8|16)|[SU]\d+|\?|b1)")
_NUMPY_UNITS = frozenset(unit.encode() for unit in "Y M W D h m s ms us ns ps fs as generic".split())
_UNREAD = ("_rebuild_qtensor", "_rebuild_nested_tensor", "_rebuild_wrapper_subclass")


class Function:
    """A function that a file may call, under its name in the file."""

    __slots__ = ("name", "make")

    def __init__(self, name: str, make: Callable):
        self.name, self.make = name, make

    def __repr__(self) -> str:
        return f"<{self.name} of a checkpoint>"


def _need(good: bool, what: str) -> None:
    if not good:
        raise FileError(f"damaged checkpoint: {what}")


def _ints(values: object, what: str) -> tuple[int, ...]:
    _need(isinstance(values, (tuple, list)) and all(type(v) is int for v in values), f"{what} is {shown(values, 80)}")
    return tuple(values)  # type: ignore[arg-type]


# ---- containers and Python values ------------------------------------------------------------------------------------


def _pairs(host: Host, items: object) -> list:
    _need(isinstance(items, (list, tuple)), "pairs of a dictionary")
    pairs = [tuple(p) for p in items]  # type: ignore[attr-defined]
    _need(all(len(p) == 2 for p in pairs), "pairs of a dictionary")
    for key, _ in pairs:
        host.check_key(key)
    return pairs


def _ordered_dict(host: Host, items: object = ()) -> OrderedDict:
    return OrderedDict(_pairs(host, items))


def _counter(host: Host, items: object = None) -> Counter:
    _need(items is None or type(items) is dict, "a Counter is made from a dict")
    return Counter(items)  # type: ignore[call-overload]


def _set(host: Host, items: object = ()) -> set:
    _need(isinstance(items, (list, tuple, set)), "a set is made from a list")
    for item in items:  # type: ignore[attr-defined]
        host.check_key(item)
    return set(items)  # type: ignore[call-overload]


def _encode(host: Host, text: object, coding: object = "latin1") -> bytes:
    _need(type(text) is type(coding) is str and coding in ("latin1", "latin-1"), "bytes are written as latin1 text")
    return text.encode("latin1")  # type: ignore[attr-defined]


def _bytes(host: Host) -> bytes:
    return b""  # protocol 2 writes empty bytes as a call without arguments, and others as text


def _bytearray(host: Host, data: object = b"", coding: object = "latin1") -> bytearray:
    return bytearray(data if type(data) is bytes else _encode(host, data, coding))


def _complex(host: Host, real: object, imag: object) -> complex:
    _need(isinstance(real, (int, float)) and isinstance(imag, (int, float)), "a complex number of two numbers")
    return complex(real, imag)  # type: ignore[call-overload]


def _size(host: Host, values: object = ()) -> tuple:
    return tensors.Size(_ints(values, "a Size"))


def _device(host: Host, kind: object, index: object = None) -> device:
    _need(type(kind) is str and (index is None or type(index) is int), "a device")
    return parse_device(kind, index)  # type: ignore[arg-type]


# ---- NumPy -----------------------------------------------------------------------------------------------------------


def _numpy_dtype(host: Host, code: object, align: object = False, copy: object = True) -> np.dtype:
    if host.whole and type(code) is str and code in ("O", "O8"):
        return np.dtype(object)
    if type(code) is not str or not _NUMPY_CODE.fullmatch(code):
        raise RefusedError(f"NumPy dtype {shown(code)}: only numbers, booleans and strings are read")
    return np.dtype(code, copy=True)


def _numpy_scalar(host: Host, kind: object, data: object) -> np.generic:
    _need(isinstance(kind, np.dtype) and type(data) is bytes and len(data) == kind.itemsize, "a NumPy scalar")
    return np.frombuffer(data, kind)[0] if kind.itemsize else np.zeros((), kind)[()]  # type: ignore[attr-defined, call-overload]


def _numpy_array(host: Host, cls: object, shape: object, kind: object) -> np.ndarray:
    _need(cls is np.ndarray, "a NumPy array of an unknown class")
    return np.empty(0, np.int8)


def _numpy_buffer(host: Host, data: object, kind: object, shape: object, order: object) -> np.ndarray:
    """An array as protocol 5 writes it."""
    _need(isinstance(kind, np.dtype) and type(data) in (bytes, bytearray) and type(order) is str, "a NumPy array")
    _need(order in ("C", "F"), "a NumPy array")
    sizes = _ints(shape, "a NumPy array's shape")
    return np.frombuffer(data, kind).reshape(sizes, order=order)  # type: ignore[call-overload, arg-type]


def _build_numpy_dtype(instance: np.dtype, state: Any) -> None:
    if instance.kind == "O":
        return  # the one that NumPy has: nothing is set
    if instance.kind in "mM":
        _build_numpy_time(instance, state)
        return
    _need(type(state) is tuple and len(state) == 8 and all(type(s) in (int, str, type(None)) for s in state), "the state of a NumPy dtype")
    _need(state[0] == 3, "the state of a NumPy dtype")
    size = (-1, -1) if instance.kind not in "SU" else (instance.itemsize, instance.alignment)
    if state[1] not in ("<", ">", "|", "=") or any(s is not None for s in state[2:5]) or state[5:7] != size:
        raise RefusedError("a structured NumPy dtype: only numbers, booleans and strings are read")
    instance.__setstate__(state[:7] + (0,))  # type: ignore[attr-defined]


def _build_numpy_time(instance: np.dtype, state: Any) -> None:
    """The dtype of dates or of spans of time: its order of bytes and its unit."""
    good = type(state) is tuple and len(state) == 9 and type(state[1]) is str and type(state[8]) is tuple and len(state[8]) == 2
    _need(good and state[1] in ("<", ">"), "the state of a NumPy dtype")
    _, unit = state[8]
    known = type(unit) is tuple and len(unit) == 4 and type(unit[0]) is bytes and unit[0] in _NUMPY_UNITS
    _need(known and all(type(n) is int and 0 < n < 1 << 31 for n in unit[1:]), "the unit of a NumPy dtype")
    instance.__setstate__((4, state[1], None, None, None, -1, -1, 0, ({}, unit)))  # type: ignore[attr-defined]


def _build_numpy_array(instance: np.ndarray, state: Any) -> None:
    _need(type(state) is tuple and len(state) == 5 and type(state[3]) is bool, "the state of a NumPy array")
    shape, kind, data = _ints(state[1], "a NumPy shape"), state[2], state[4]
    _need(isinstance(kind, np.dtype) and type(data) is (list if kind.hasobject else bytes), "the state of a NumPy array")
    count = 1
    for n in shape:
        count *= n
    size = count if kind.hasobject else count * kind.itemsize
    _need(min(shape, default=0) >= 0 and size == len(data), "a NumPy array's shape and bytes differ")
    instance.__setstate__((1, shape, kind, state[3], data))


# ---- tensors ---------------------------------------------------------------------------------------------------------


def _check_geometry(storage: Storage, of: dtype, offset: Any, shape: tuple, strides: tuple) -> None:
    _need(type(offset) is int and offset >= 0, f"a tensor's offset is {shown(offset)}")
    _need(len(shape) == len(strides) and len(shape) <= 64, f"a tensor of shape {shape} with strides {strides}")
    _need(min(shape, default=0) >= 0 and min(strides, default=0) >= 0, f"a tensor of shape {shape} with strides {strides}")
    count, last = 1, offset
    for n, stride in zip(shape, strides):
        count, last = count * n, last + (n - 1) * stride
    room = storage.nbytes() // of.itemsize
    _need(count == 0 or last < room, f"a tensor needs element {last} of a storage of {room}")
    _need(count * of.itemsize < 1 << 62, f"a tensor of shape {shape}")


def _tensor(host: Host, storage: Any, offset: Any, size: Any, stride: Any, of: dtype, requires_grad: Any, metadata: Any) -> Any:
    _need(type(storage) is Storage, "a tensor without a storage")
    shape, strides = _ints(size, "a tensor's shape"), _ints(stride, "a tensor's strides")
    _need(type(requires_grad) is bool, "requires_grad of a tensor")
    _need(metadata is None or (type(metadata) is dict and set(metadata) <= {"conj", "neg"}), f"metadata {shown(metadata)}")
    _check_geometry(storage, of, offset, shape, strides)
    flat, token = (None, None) if storage.device.type == "meta" else (storage.array(of), storage)
    if flat is not None and metadata and any(metadata.values()):
        flat, token = _resolve_bits(flat, metadata), None  # lazy bits of PyTorch's; here values are what they are
    return tensors.build(flat, of, offset, shape, strides, requires_grad, storage.device, token)


def _resolve_bits(flat: np.ndarray, metadata: dict) -> np.ndarray:
    flat = np.conj(flat) if metadata.get("conj") else flat
    return np.negative(flat) if metadata.get("neg") else flat


def _tensor_v1(host: Host, storage: Any, offset: Any, size: Any, stride: Any) -> Any:
    return _tensor(host, storage, offset, size, stride, storage.dtype, False, None)


def _tensor_v2(
    host: Host, storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any = False, hooks: Any = None,
    metadata: Any = None,
) -> Any:
    _need(type(storage) is Storage, "a tensor without a storage")
    return _tensor(host, storage, offset, size, stride, storage.dtype, requires_grad, metadata)


def _tensor_v3(
    host: Host, storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any, of: Any, metadata: Any = None
) -> Any:
    _need(isinstance(of, dtype), "a tensor without a dtype")
    return _tensor(host, storage, offset, size, stride, of, requires_grad, metadata)


def _meta_tensor(host: Host, of: Any, size: Any, stride: Any, requires_grad: Any) -> Any:
    room = Storage(of, 0, lambda: np.empty(0, np.uint8), "meta")
    shape, strides = _ints(size, "a tensor's shape"), _ints(stride, "a tensor's strides")
    room.count = 1 + sum(max(n - 1, 0) * s for n, s in zip(shape, strides))
    return _tensor(host, room, 0, size, stride, of, requires_grad, None)


def _device_tensor(host: Host, data: Any, of: Any, where: Any, requires_grad: Any) -> Any:
    _need(isinstance(of, dtype) and type(where) is str, "a tensor of another device")
    array = data if isinstance(data, np.ndarray) else tensors.to_numpy(data)
    _need(not array.dtype.hasobject, "a tensor of objects")
    flat = np.ascontiguousarray(array.astype(of.numpy, copy=False)).reshape(-1)
    strides = tuple(s // of.itemsize for s in np.empty(array.shape, of.numpy).strides)
    return tensors.build(flat, of, 0, array.shape, strides, requires_grad, placed(host.map_location, where), None)


def _sparse_tensor(host: Host, of: Any, parts: Any) -> Any:
    _need(isinstance(of, layout) and of is not strided, "a sparse tensor without a layout")
    _need(type(parts) is tuple and len(parts) in ((3, 4) if of is sparse_coo else (4,)), "the parts of a sparse tensor")
    dense = parts[: 2 if of is sparse_coo else 3]
    _need(all(tensors.is_tensor(part) and not tensors.is_sparse(part) for part in dense), "the parts of a sparse tensor")
    size = _ints(parts[len(dense)], "a sparse tensor's shape")
    _need(all(type(flag) is bool for flag in parts[len(dense) + 1 :]), "the parts of a sparse tensor")
    try:
        return tensors.build_sparse(of, (*dense, size, *parts[len(dense) + 1 :]))
    except RuntimeError as error:
        raise FileError(f"damaged checkpoint: a sparse tensor whose parts do not fit: {error}") from None


def _parameter(host: Host, data: Any, requires_grad: Any = True, hooks: Any = None) -> Any:
    _need(tensors.is_tensor(data) and type(requires_grad) is bool, "a Parameter without a tensor")
    return tensors.make_parameter(data, requires_grad)


def _uninitialized(name: str) -> Callable:
    def make(host: Host, requires_grad: Any, where: Any = None, of: Any = None) -> Any:
        known = (where is None or isinstance(where, device)) and (of is None or isinstance(of, dtype))
        _need(type(requires_grad) is bool and known, "a parameter whose shape is not known")
        where = placed(host.map_location, "cpu" if where is None else str(where))
        return tensors.class_of(name)(requires_grad, where, of)

    return make


def _parameter_with_state(host: Host, data: Any, requires_grad: Any, hooks: Any, state: Any) -> Any:
    return _with_attributes(_parameter(host, data, requires_grad, hooks), state)


def _typed_tensor(host: Host, function: Any, cls: Any, args: Any, state: Any) -> Any:
    _need(isinstance(function, Function) and type(args) is tuple, "a tensor with attributes")
    made = function.make(host, *args)
    if isinstance(cls, type) and cls not in type(made).__mro__:
        raise RefusedError(f"a tensor of class {cls.__module__}.{cls.__qualname__}, which kuai has not")
    return _with_attributes(made, state)


def _with_attributes(made: Any, state: Any) -> Any:
    """Plain attributes only: none that the class itself defines."""
    parts = state if type(state) is tuple and len(state) == 2 else (state, None)
    for part in parts:
        _need(part is None or type(part) is dict, "the attributes of a tensor")
        for name, value in (part or {}).items():
            if name == "_is_buffer" and type(value) is bool:  # of a torch.nn.Buffer
                made._is_buffer = value
                continue
            if type(name) is not str or name.startswith("_") or hasattr(type(made), name):
                raise RefusedError(f"a tensor's attribute {shown(name)} would replace one of the class")
            setattr(made, name, value)
    return made


def _unread(name: str) -> Callable:
    def make(host: Host, *args: object) -> None:
        raise NotImplementedError(
            f"load: torch._utils.{name} (a quantized, nested or wrapped tensor) is not read; "
            "save dense tensors: tensor.dequantize(), tensor.to_padded_tensor(0)"
        )

    return make


# ---- the table -------------------------------------------------------------------------------------------------------

_MAKERS: dict[type, Callable] = {
    OrderedDict: _ordered_dict, Counter: _counter, set: _set, bytes: _bytes, bytearray: _bytearray, complex: _complex,
    device: _device,
}  # fmt: skip

_FUNCTIONS = {
    "_codecs.encode": _encode,
    "numpy.dtype": _numpy_dtype,
    "torch._utils._rebuild_tensor": _tensor_v1,
    "torch._utils._rebuild_tensor_v2": _tensor_v2,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_meta_tensor_no_storage": _meta_tensor,
    "torch._utils._rebuild_device_tensor_from_numpy": _device_tensor,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _device_tensor,
    "torch._utils._rebuild_xla_tensor": _device_tensor,
    "torch._utils._rebuild_sparse_tensor": _sparse_tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter_with_state,
    **{f"torch.nn.parameter.Uninitialized{kind}": _uninitialized(f"Uninitialized{kind}") for kind in ("Parameter", "Buffer")},
    "torch._tensor._rebuild_from_type_v2": _typed_tensor,
    "torch.serialization._get_layout": lambda host, name: tensors.layout(name),
    **{f"numpy.{core}.multiarray.scalar": _numpy_scalar for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray._reconstruct": _numpy_array for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _numpy_buffer for core in ("core", "_core")},
    **{f"torch._utils.{name}": _unread(name) for name in _UNREAD},
}


def _storage_types() -> dict[str, StorageType]:
    table = {}
    for name, of in DTYPE_OF.items():
        table[f"torch.{name}"] = table[f"torch.cuda.{name}"] = StorageType(of)
    for name in ("torch.UntypedStorage", "torch.storage.UntypedStorage", "torch.cuda.UntypedStorage"):
        table[name] = StorageType(dtypes.uint8, untyped=True)
    return table


_TABLE: dict[str, object] = {
    "collections.OrderedDict": OrderedDict,
    "collections.Counter": Counter,
    "builtins.set": set,
    "builtins.bytes": bytes,
    "builtins.bytearray": bytearray,
    "builtins.complex": complex,
    "torch.device": device,
    "numpy.ndarray": np.ndarray,
    **{f"torch.{name}": of for name, of in dtypes.ALL.items()},
    **{f"torch.{d.name}": d for d in dtypes.ALL.values()},
    **_storage_types(),
    **{name: Function(name, make) for name, make in _FUNCTIONS.items()},  # type: ignore[arg-type]
}


# PyTorch's kinds of tensors that kuai has not, and what to save instead.
_ABSENT = {
    **dict.fromkeys(("complex32", "ComplexHalfStorage"), "tensor.to(torch.complex64)"),
    **dict.fromkeys(("float8_e8m0fnu", "float4_e2m1fn_x2"), "tensor.to(torch.float32)"),
    **dict.fromkeys(("bits8", "bits16", "bits1x8", "bits2x4", "bits4x2"), "tensor.view(torch.uint8)"),
    **dict.fromkeys([f"Q{kind}Storage" for kind in ("Int8", "Int32", "UInt8", "UInt4x2", "UInt2x4")], "tensor.dequantize()"),
    **dict.fromkeys(("qint8", "qint32", "quint8", "quint4x2", "quint2x4"), "tensor.dequantize()"),
    **dict.fromkeys([f"per_{what}" for what in ("tensor_affine", "tensor_symmetric", "channel_affine", "channel_symmetric",
                                                "channel_affine_float_qparams")], "tensor.dequantize()"),
    **dict.fromkeys([f"{sign}int{bits}" for sign in ("", "u") for bits in range(1, 8)], "tensor.to(torch.int8)"),
}


def full_name(module: str, name: str) -> tuple[str, str]:
    """A global's name in Python 3: protocol 2 writes Python 2's."""
    if (module, name) in NAME_MAPPING:
        return NAME_MAPPING[(module, name)]
    return IMPORT_MAPPING.get(module, module), name


def lookup(module: str, name: str) -> object | None:
    """The table's value for a name, or None."""
    full = f"{module}.{name}"
    if full in ("torch.Size", "torch.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer"):
        return tensors.class_of(full)
    return _TABLE.get(full)


_TRUST = "if you trust it, call torch.serialization.add_safe_globals([...]) with it"

# What has a meaning of its own with ``weights_only=False``.
_WHOLE: dict[str, object] = {
    "torch.Generator": Generator,
    "torch._C.Generator": Generator,
    "builtins.getattr": Function("builtins.getattr", lambda host, holder, name: objects.member(holder, name)),
    "builtins.Ellipsis": Ellipsis,
    "builtins.NotImplemented": NotImplemented,
}


class Host(Keys):
    """Gives a checkpoint's names the meaning that kuai gives them. ``storage`` opens what a persistent id names.

    With ``whole``, objects are made of the classes that the program has, and of the standard library's values.
    """

    is_function = staticmethod(objects.is_function)

    def __init__(self, storage: Callable[[tuple], Storage], map_location: object = None, whole: bool = False):
        self.storage, self.map_location, self.whole = storage, map_location, whole
        self.factories: list[tuple[defaultdict, Any]] = []

    def check_hash(self, cls: type) -> None:
        if self.whole and not objects.is_key(cls) and not registry.is_trusted(cls):
            raise RefusedError(f"a dictionary's key is a {shown(cls, 80)}, which a package's own code hashes or compares; {_TRUST}")

    def finish(self) -> None:
        for made, factory in self.factories:
            made.default_factory = factory

    def container(self, target: object, kinds: tuple[type, ...], opcode: str) -> Any:
        if self.whole and objects.is_container(target, kinds):
            return target
        return super().container(target, kinds, opcode)

    def find_global(self, module: str, name: str) -> object:
        module, name = full_name(module, name)
        found = registry.trusted(module, name)
        if found is None:
            found = lookup(module, name)
        if found is None and self.whole:
            found = modules.find(module, name) or _WHOLE.get(f"{module}.{name}") or objects.find(module, name)
        if found is None and module == "torch" and name in _ABSENT:
            raise NotImplementedError(f"load: the file holds tensors of torch.{name}, which kuai has not; save {_ABSENT[name]}")
        if found is None:
            raise RefusedError(objects.refusal(module, name) if self.whole else refusal(f"{module}.{name}"))
        return found

    def call(self, function: object, args: tuple) -> object:
        if isinstance(function, Function):
            return function.make(self, *args)
        if registry.is_trusted(function):
            return function(*args)  # type: ignore[operator]
        if isinstance(function, type):
            if function is tensors.Size:
                return _size(self, *args)
            if function in _MAKERS:
                return _MAKERS[function](self, *args)
            if self.whole:
                return self._standard(function, args)
        raise RefusedError(f"the file calls {shown(function, 120)}, which is no function of a checkpoint")

    def _standard(self, cls: Any, args: tuple) -> object:
        """What the call of a class gives: a member of an Enum, a value of the standard library's."""
        if cls is Generator:
            return Generator(*args)
        if issubclass(cls, Enum) and len(args) == 1:
            return objects.enum_member(cls, *args)
        make = objects.maker(cls)
        if make is None:
            raise RefusedError(f"the file calls {shown(cls, 120)}, and no constructor is called because a file says so; {_TRUST}")
        return make(self, cls, *args)

    def new(self, cls: Any, args: tuple) -> object:
        if registry.is_trusted(cls):
            return cls.__new__(cls, *args)
        if self.whole and objects.is_made(cls):
            return objects.make(cls, args)
        if cls is tensors.class_of("torch.nn.parameter.Parameter"):
            return _parameter(self, *args)
        return self.call(cls, args)

    def is_class_with_source(self, pid: object) -> bool:
        """Whether an id is a module's class with its file and text, as PyTorch's old format has it. The text is not looked at."""
        return self.whole and type(pid) is tuple and len(pid) == 4 and _is_word(pid[0], "module") and isinstance(pid[1], type)

    def build(self, instance: object, state: object) -> None:
        if type(instance) is OrderedDict and type(state) is dict:
            _need(all(type(k) is str for k in state), "the attributes of a dictionary")
            instance.__dict__.update(state)
        elif type(instance) is np.ndarray:
            _build_numpy_array(instance, state)
        elif isinstance(instance, np.dtype):
            _build_numpy_dtype(instance, state)
        elif registry.is_trusted(type(instance)):
            _build_trusted(instance, state)
        elif self.whole and objects.is_made(type(instance)):
            objects.fill(instance, state)
        elif self.whole and type(instance) is Generator:
            _need(type(state) is tuple and len(state) == 3, "the state of a Generator")
            instance.__setstate__(state)  # type: ignore[arg-type]
        elif self.whole and type(instance) is partial:
            standard.fill_partial(self, instance, state)
        else:
            raise RefusedError(f"pickle opcode BUILD on {type(instance).__name__}: its state is not for a file to set; {_TRUST}")

    def persistent(self, pid: object) -> object:
        if self.is_class_with_source(pid):
            return pid[1]  # type: ignore[index]
        if type(pid) is not tuple or len(pid) < 5 or not _is_word(pid[0], "storage"):
            raise RefusedError(f"persistent id {shown(pid, 80)}: only storages are read")
        return self.storage(pid)


def _is_word(value: object, word: str) -> bool:
    """Whether a part of a persistent id is this word; Python 2 wrote bytes."""
    return type(value) in (str, bytes) and value in (word, word.encode())


def _build_trusted(instance: Any, state: Any) -> None:
    """As pickle does for a class that the user trusts."""
    if hasattr(instance, "__setstate__"):
        instance.__setstate__(state)
        return
    slots = None
    if isinstance(state, tuple) and len(state) == 2:
        state, slots = state
    if state:
        instance.__dict__.update(state)
    for name, value in (slots or {}).items():
        setattr(instance, name, value)


def refusal(full: str) -> str:
    """What is said of a name that is not in the table."""
    return (
        f"Unsupported global: the file names {full}, which is no part of a checkpoint, and nothing in a file is executed. "
        f"If you trust {full}, import it and call torch.serialization.add_safe_globals([...]) with it. "
        "If the file holds a whole model, load it with weights_only=False where its classes are imported, or save its state_dict()."
    )


def storage_type(kind: object) -> StorageType:
    if not isinstance(kind, StorageType):
        raise RefusedError(f"a storage of class {shown(kind, 80)}")
    return kind


def text(value: object, what: str) -> str:
    """A string of a persistent id; Python 2 wrote bytes."""
    if isinstance(value, bytes):
        value = value.decode("ascii")
    _need(type(value) is str, what)
    return value  # type: ignore[return-value]
