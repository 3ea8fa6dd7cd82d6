"""The memory behind tensors as objects: bytes (``UntypedStorage``), elements (``TypedStorage``), and the old typed classes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from .. import dtypes
from ..devices import device
from ..dtypes import dtype
from ..tensor import Tensor, from_array
from .creation import from_numpy, frombuffer, tensor, zeros
from .strided_views import storage_root

Self = Any

# PyTorch's storage classes by dtype; newer dtypes have none.
CLASS_OF = {
    "float64": "DoubleStorage", "float32": "FloatStorage", "float16": "HalfStorage", "bfloat16": "BFloat16Storage",
    "int64": "LongStorage", "int32": "IntStorage", "int16": "ShortStorage", "int8": "CharStorage", "uint8": "ByteStorage",
    "bool": "BoolStorage", "complex128": "ComplexDoubleStorage", "complex64": "ComplexFloatStorage",
}  # fmt: skip
_CASTS = {
    "double": "float64", "float": "float32", "half": "float16", "bfloat16": "bfloat16", "long": "int64", "int": "int32",
    "short": "int16", "char": "int8", "byte": "uint8", "bool": "bool", "complex_double": "complex128",
    "complex_float": "complex64", "float8_e4m3fn": "float8_e4m3fn", "float8_e5m2": "float8_e5m2",
    "float8_e4m3fnuz": "float8_e4m3fnuz", "float8_e5m2fnuz": "float8_e5m2fnuz",
}  # fmt: skip


class StorageBase:
    """What storages of bytes and of elements have in common. ``tensor`` is the whole of the memory, in one dimension."""

    tensor: Tensor
    filename: str | None = None
    is_hpu = is_sparse = is_sparse_csr = False

    def __init__(self, tensor: Tensor):
        self.tensor = tensor

    @property
    def device(self) -> device:
        """The device that holds the memory."""
        return self.tensor.device

    @property
    def is_cuda(self) -> bool:
        """Whether a GPU holds the memory."""
        return self.device.type == "cuda"

    @property
    def _cdata(self) -> int:
        return id(self.tensor._share())

    def get_device(self) -> int | None:
        """The accelerator's index, None on the CPU."""
        return self.device.index

    def data_ptr(self) -> int:
        """The address of the first byte (see `Tensor.data_ptr`)."""
        return self.tensor.data_ptr()

    def element_size(self) -> int:
        """The bytes of an element."""
        return self.tensor.dtype.itemsize

    def nbytes(self) -> int:
        """The length in bytes."""
        return self.tensor._aval.nbytes

    def size(self) -> int:
        """The number of elements."""
        return self.tensor._aval.size

    def tolist(self) -> list:
        """The elements as Python numbers."""
        return self.tensor.tolist()

    def __len__(self) -> int:
        return self.size()

    def __iter__(self) -> Iterator:
        return iter(self.tolist())

    def __hash__(self) -> int:
        return id(self)

    def fill_(self, value: object) -> Self:
        """Every element becomes the value."""
        self.tensor.fill_(value)
        return self

    def _at(self, index: object) -> int:
        n = self.size()
        if not hasattr(index, "__index__"):
            raise TypeError(f"can't index a {_full_name(type(self))} with {type(index).__name__}")
        at: int = index.__index__()  # type: ignore[attr-defined]
        if not -n <= at < n:
            raise IndexError(f"index {at} out of range for storage of size {n}")
        return at % n

    def is_pinned(self, device: object = None) -> bool:
        """Whether the memory is pinned: never, as nothing here needs it."""
        return False

    def pin_memory(self, device: object = None) -> Self:
        """The storage itself: memory here is not pinned."""
        return self

    def is_shared(self) -> bool:
        """Whether other processes can see the memory: a file's, a GPU's, or what `share_memory_` has moved."""
        return self.filename is not None or self.tensor.is_shared()

    def resizable(self) -> bool:
        """Whether `resize_` can change the length: only while no tensor uses the memory."""
        return sys.getrefcount(self.tensor._storage) <= 2 or self.tensor._storage is None

    def resize_(self, size: int) -> Self:
        """Another length, in elements; RuntimeError while tensors use the memory."""
        if size == self.size():
            return self
        if not self.resizable():
            raise RuntimeError(
                "resize_: Trying to resize storage that is not resizable: tensors use this memory, and theirs keeps its "
                "length here. Use tensor.resize_() for one tensor"
            )
        self.tensor = self.tensor.clone().resize_(size)
        return self

    def __repr__(self) -> str:
        content = "..." if self.device.type == "meta" else " " + "\n ".join(map(str, self.tolist()))
        return f"{content}\n[torch.storage.{self._title()}device={self.device}) of size {self.size()}]"

    def _title(self) -> str:
        return "UntypedStorage("

    def __copy__(self) -> Self:
        return self.clone()

    def __deepcopy__(self, memo: dict) -> Self:
        """A copy; tensors that share the memory share the copy's, if they are copied with it."""
        key = ("storage object", type(self), self._cdata)
        if key not in memo:
            memo[key] = self._of(deepcopy(self.tensor, memo))
            memo["kept", key] = self
        return memo[key]

    def clone(self) -> Self:
        """A copy of the memory."""
        return self._of(self.tensor.clone())

    @classmethod
    def _of(cls, whole: Tensor) -> Self:
        """The storage of a tensor that is the whole of its memory."""
        made = cls.__new__(cls)
        made.tensor = whole.detach().reshape(-1)
        return made

    def copy_(self, source: StorageBase, non_blocking: object = None) -> Self:
        """Take over another storage's bytes; RuntimeError if it has more or less of them."""
        if not isinstance(source, StorageBase):
            raise TypeError(f"copy_: got {type(source).__name__}, needs a storage")
        if source.nbytes() != self.nbytes():
            raise RuntimeError(f"size does not match, self was {self.nbytes()} bytes but src was {source.nbytes()} bytes")
        self.tensor.copy_(source._elements(self.tensor.dtype))
        return self

    def _elements(self, d: dtype | None = None) -> Tensor:
        """The memory as a tensor of a dtype, shared; whole elements only."""
        if d is None or d is self.tensor.dtype:
            return self.tensor
        raw = self.tensor.view(dtypes.uint8)
        return raw[: raw._aval.size // d.itemsize * d.itemsize].view(d)

    def to(self, device: object = None, non_blocking: bool = False) -> Self:
        """A copy on a device, or the storage itself if it is there."""
        moved = self.tensor.to(device=device)
        return self if moved is self.tensor else self._of(moved)

    def cpu(self) -> Self:
        """A copy on the CPU, or the storage itself if it is there."""
        return self.to("cpu")

    def cuda(self, device: object = None, non_blocking: bool = False) -> Self:
        """A copy on a GPU, or the storage itself if it is there."""
        return self.to("cuda" if device is None else f"cuda:{device}" if isinstance(device, int) else device)

    def share_memory_(self) -> Self:
        """Let other processes see the memory (see `Tensor.share_memory_`)."""
        self.tensor.share_memory_()
        return self

    def __reduce__(self) -> tuple:
        return type(self)._of, (self.tensor.clone(),)


def _cast(kind: str) -> Callable:
    def method(self: StorageBase) -> TypedStorage:
        return TypedStorage._of(self.tensor.to(dtypes.ALL[kind]))

    method.__doc__ = f"The elements as {kind}."
    return method


for _name, _kind in _CASTS.items():
    setattr(StorageBase, _name, _cast(_kind))
del _name, _kind


def _full_name(cls: type) -> str:
    return f"torch.{cls.__name__}"


def _from_arguments(args: tuple, d: dtype, where: object, name: str) -> Tensor:
    """New memory, from nothing, a length or a sequence."""
    if not args:
        return zeros(0, dtype=d, device=where)
    if len(args) > 1:
        raise TypeError(f"{name}() received an invalid combination of arguments: needs nothing, a length or a sequence")
    (given,) = args
    if isinstance(given, (int, np.integer)):
        if given < 0:
            raise RuntimeError(f"{name}: got a length of {given}")
        return zeros(int(given), dtype=d, device=where)
    if not isinstance(given, Sequence) and not hasattr(given, "__array__"):
        raise TypeError(f"{name}: Expected a sequence type, but got {type(given).__name__}")
    return tensor(list(given), dtype=d, device=where)


# ---- bytes -----------------------------------------------------------------------------------------------------------


class UntypedStorage(StorageBase):
    """Bytes that tensors share (``torch.UntypedStorage``).

    Made of nothing, of a length in bytes (they are zeros), or of a sequence of ints. Slices share the memory.

    >>> import kuai as torch
    >>> x = torch.zeros(2, 3)
    >>> x.untyped_storage().nbytes()
    24
    >>> torch.UntypedStorage([1, 2, 3])[1:].tolist()
    [2, 3]
    """

    def __init__(self, *args: Any, device: object = None, allocator: object = None):
        if len(args) == 1 and isinstance(args[0], (list, tuple, str)):
            wrong = [x for x in args[0] if not isinstance(x, int)]
            if wrong:
                raise RuntimeError(
                    f"torch.UntypedStorage(): tried to construct a storage from a sequence ({type(args[0]).__name__}), but one "
                    f"of the items was of type {type(wrong[0]).__name__} instead of int"
                )
            args = ([x & 0xFF for x in args[0]],)
        super().__init__(_from_arguments(args, dtypes.uint8, device, "torch.UntypedStorage"))

    @classmethod
    def _of(cls, whole: Tensor) -> UntypedStorage:
        return super()._of(whole.detach().reshape(-1).view(dtypes.uint8))

    def untyped(self) -> UntypedStorage:
        """The storage itself."""
        return self

    def new(self) -> UntypedStorage:
        """An empty one on the same device."""
        return UntypedStorage(device=self.device)

    def type(self, dtype: object = None, non_blocking: bool = False) -> object:
        """The class's name; with a dtype, the bytes as numbers of that dtype."""
        if dtype is None:
            return "torch.storage.UntypedStorage" if self.device.type == "cpu" else f"torch.{self.device.type}.UntypedStorage"
        return TypedStorage._of(self.tensor.to(_dtype_of(dtype)))

    def byteswap(self, dtype: dtype) -> None:
        """Turn the order of each element's bytes around, in place."""
        unit = dtype.itemsize // 2 if dtype.is_complex else dtype.itemsize
        self.tensor.copy_(self.tensor.reshape(-1, unit).flip(1).reshape(-1))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            if index.step not in (None, 1):
                raise RuntimeError(f"Trying to slice with a step of {index.step}, but only a step of 1 is supported")
            return UntypedStorage._of(self.tensor[index])
        return self.tensor[self._at(index)].item()

    def __setitem__(self, index: Any, value: Any) -> None:
        self.tensor[index if isinstance(index, slice) else self._at(index)] = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, UntypedStorage):
            return NotImplemented
        return self.tensor.is_set_to(other.tensor)

    __hash__ = StorageBase.__hash__

    @classmethod
    def from_buffer(cls, buffer: Any, byte_order: str | None = None, count: int = -1, offset: int = 0, *,
                    dtype: dtype | None = None) -> UntypedStorage:  # fmt: skip
        """A copy of a buffer's bytes, put into this machine's order ("native", "little" or "big" is the buffer's)."""
        if dtype is None:
            raise RuntimeError("from_buffer: argument 'dtype' cannot be None")
        return cls._of(_copied(buffer, byte_order, count, offset, dtype))

    @classmethod
    def from_file(cls, filename: str | os.PathLike, shared: bool = False, nbytes: int = 0) -> UntypedStorage:
        """The bytes of a file, read when they are used; with ``shared``, what is written goes to the file, which may grow."""
        made = cls._of(mapped(filename, shared, nbytes))
        made.filename = os.fsdecode(filename)
        return made


def _copied(buffer: Any, byte_order: str | None, count: int, offset: int, d: dtype) -> Tensor:
    if byte_order is None and d.itemsize > 1:
        raise RuntimeError("function missing required argument 'byte_order' (pos 2)")
    if byte_order not in (None, "native", "little", "big"):
        raise ValueError(f"invalid byte_order '{byte_order}' (expected 'big', 'little', or 'native')")
    left = memoryview(buffer).nbytes - offset
    if count < 0 and left % d.itemsize:
        raise ValueError(f"buffer size ({left}) must be a multiple of element size ({d.itemsize})")
    made = UntypedStorage._of(frombuffer(buffer, dtype=d, count=count, offset=offset).clone())
    if byte_order not in (None, "native", sys.byteorder):
        made.byteswap(d)
    return made._elements(d)


def mapped(filename: str | os.PathLike, shared: bool, nbytes: int) -> Tensor:
    """A file's first bytes (all, for 0) as a tensor of bytes on the file itself."""
    size = os.path.getsize(filename) if os.path.exists(filename) else -1
    if size < 0 and not shared:
        raise RuntimeError(f"unable to open file <{os.fsdecode(filename)}> in read-only mode: No such file or directory (2)")
    if shared and size < nbytes:
        with open(filename, "ab") as file:
            file.truncate(nbytes)
        size = nbytes
    nbytes = nbytes or size
    if nbytes > size:
        raise RuntimeError(f"mmap {nbytes} bytes from file <{os.fsdecode(filename)}>: it has {size}")
    if nbytes == 0:
        return zeros(0, dtype=dtypes.uint8)
    array = np.memmap(filename, np.uint8, "r+" if shared else "c", shape=(nbytes,))
    return from_numpy(array) if shared else from_array(np.asarray(array), device("cpu"))


def from_file(filename: str | os.PathLike, shared: bool | None = None, size: int = 0, *, dtype: dtype | None = None,
              layout: object = None, device: object = None, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """A tensor of a file's first elements (``torch.from_file``).

    They are read when they are used. With ``shared``, what is written goes to the file, which is made and grows as needed.

    >>> import os, tempfile
    >>> import kuai as torch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.from_file(os.path.join(folder, 'x'), True, 3).fill_(2)
    tensor([2., 2., 2.])
    """
    if str(device or "cpu") != "cpu" or pin_memory:
        raise RuntimeError("from_file: only tensors of the CPU can be mapped to files, and not in pinned memory")
    d = dtype or dtypes.get_default_dtype()
    if size == 0:
        return zeros(0, dtype=d)
    return mapped(filename, bool(shared), size * d.itemsize).view(d)


# ---- elements --------------------------------------------------------------------------------------------------------


class TypedStorage(StorageBase):
    """The elements that tensors share, in order (``torch.TypedStorage``).

    Made of nothing, a length or a sequence, with a ``dtype`` (else the default one); or on an `UntypedStorage`
    (``wrap_storage``).

    >>> import kuai as torch
    >>> torch.ones(2, 2).storage().tolist()
    [1.0, 1.0, 1.0, 1.0]
    >>> torch.TypedStorage([1, 2], dtype=torch.int8)[1]
    2
    """

    def __init__(self, *args: Any, wrap_storage: UntypedStorage | None = None, dtype: dtype | None = None,
                 device: object = None, _internal: bool = False):  # fmt: skip
        d = dtype or dtypes.get_default_dtype()
        if wrap_storage is None:
            super().__init__(_from_arguments(args, d, device, "torch.TypedStorage"))
            return
        if args or dtype is None:
            raise RuntimeError("TypedStorage: with wrap_storage no positional argument is taken, and dtype is needed")
        if not isinstance(wrap_storage, UntypedStorage):
            raise TypeError(f"Argument 'wrap_storage' must be UntypedStorage, but got {type(wrap_storage).__name__}")
        super().__init__(wrap_storage._elements(d))

    @property
    def dtype(self) -> dtype:
        """The elements' dtype."""
        return self.tensor.dtype

    def untyped(self) -> UntypedStorage:
        """The same memory as bytes."""
        return UntypedStorage._of(self.tensor)

    _untyped_storage = property(untyped)

    def _new_wrapped_storage(self, untyped_storage: UntypedStorage) -> TypedStorage:
        return TypedStorage(wrap_storage=untyped_storage, dtype=self.dtype)

    def pickle_storage_type(self) -> str:
        """The class's name in files; KeyError for dtypes that have none."""
        if self.dtype.name not in CLASS_OF:
            raise KeyError(f"dtype {self.dtype} is not recognized")
        return CLASS_OF[self.dtype.name]

    def type(self, dtype: object = None, non_blocking: bool = False) -> object:
        """The class's name; with a dtype or such a name, the elements converted."""
        if dtype is None:
            name = CLASS_OF.get(self.dtype.name, "TypedStorage")
            return f"torch.{name}" if self.device.type == "cpu" else f"torch.{self.device.type}.{name}"
        return TypedStorage._of(self.tensor.to(_dtype_of(dtype)))

    def _title(self) -> str:
        return f"TypedStorage(dtype={self.dtype}, "

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            raise RuntimeError("slices are only supported in UntypedStorage.__getitem__")
        return self.tensor[self._at(index)].item()

    def __setitem__(self, index: Any, value: Any) -> None:
        self.tensor[index if isinstance(index, slice) else self._at(index)] = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TypedStorage):
            return NotImplemented
        return self.dtype is other.dtype and self.tensor.is_set_to(other.tensor)

    __hash__ = StorageBase.__hash__

    @classmethod
    def from_buffer(cls, buffer: Any, byte_order: str | None = None, count: int = -1, offset: int = 0, *,
                    dtype: dtype | None = None, device: object = None) -> TypedStorage:  # fmt: skip
        """A copy of a buffer's elements, put into this machine's order."""
        d = dtype or dtypes.get_default_dtype()
        return TypedStorage._of(_copied(buffer, byte_order, count, offset, d).to(device=device))

    @classmethod
    def from_file(cls, filename: str | os.PathLike, shared: bool = False, size: int = 0) -> TypedStorage:
        """Elements of a file (see `UntypedStorage.from_file`): only the classes of one dtype know how long they are."""
        raise RuntimeError("from_file can only be called on derived classes, as torch.FloatStorage")


def _dtype_of(name: object) -> dtype:
    """A dtype by itself or by its storage class's name."""
    if isinstance(name, dtype):
        return name
    short = name.rpartition(".")[2] if isinstance(name, str) else getattr(name, "__name__", "")
    for kind, cls in CLASS_OF.items():
        if short == cls:
            return dtypes.ALL[kind]
    raise TypeError(f"{name!r:.60} is no storage's type")


class _Legacy(type):
    """The class of the typed classes: isinstance asks for the dtype and the device."""

    dtype: dtype
    where: str

    def __instancecheck__(cls, x: object) -> bool:
        return isinstance(x, TypedStorage) and x.dtype is cls.dtype and x.device.type == cls.where

    def __call__(cls, *args: Any, wrap_storage: UntypedStorage | None = None) -> TypedStorage:
        if any(isinstance(a, (StorageBase, float)) for a in args):
            raise TypeError(
                f"{_full_name(cls)}.__new__ received an invalid combination of arguments. Expected one of:\n * no arguments\n"
                " * (int size)\n * (Sequence data)\n * (*, UntypedStorage wrap_storage)"
            )
        if wrap_storage is not None:
            return TypedStorage(*args, wrap_storage=wrap_storage, dtype=cls.dtype)
        return TypedStorage(*args, dtype=cls.dtype, device=cls.where)

    def from_buffer(cls, *args: Any, **kwargs: Any) -> TypedStorage:
        """A copy of a buffer's elements (buffer, byte_order, count, offset)."""
        return TypedStorage.from_buffer(*args, dtype=cls.dtype, device=cls.where, **kwargs)

    def from_file(cls, filename: str | os.PathLike, shared: bool = False, size: int = 0) -> TypedStorage:
        """The first elements of a file (see `UntypedStorage.from_file`)."""
        untyped = UntypedStorage.from_file(filename, shared, size * cls.dtype.itemsize)
        made = TypedStorage(wrap_storage=untyped, dtype=cls.dtype)
        made.filename = untyped.filename
        return made


def legacy(where: str = "cpu") -> dict[str, type]:
    """The typed classes of a kind of device, by name."""
    prefix = "torch" if where == "cpu" else f"torch.{where}"
    return {
        name: _Legacy(name, (), {"dtype": dtypes.ALL[kind], "where": where, "__module__": prefix, "__doc__": f"Makes storages of {kind}."})
        for kind, name in CLASS_OF.items()
    }


LEGACY = legacy()


# ---- what tensors say of theirs --------------------------------------------------------------------------------------


def untyped_storage(self: Tensor) -> UntypedStorage:
    """The bytes that this tensor is a view of (``torch.Tensor.untyped_storage``).

    >>> import kuai as torch
    >>> len(torch.arange(4)[1:].untyped_storage())
    32
    """
    return UntypedStorage._of(storage_root(self.detach()))


def storage(self: Tensor) -> TypedStorage:
    """The elements that this tensor is a view of (``torch.Tensor.storage``).

    >>> import kuai as torch
    >>> torch.arange(4)[1:].storage().tolist()
    [0, 1, 2, 3]
    """
    whole = storage_root(self.detach())
    return TypedStorage._of(whole if whole.dtype is self.dtype else whole.reshape(-1).view(self.dtype))


def storage_type(self: Tensor) -> type:
    """The old class of this tensor's elements (``torch.Tensor.storage_type``).

    >>> import kuai as torch
    >>> torch.ones(1).storage_type()
    <class 'torch.FloatStorage'>
    """
    return LEGACY[CLASS_OF[self.dtype.name]] if self.dtype.name in CLASS_OF else TypedStorage


OWN = {"untyped_storage": untyped_storage, "storage": storage, "storage_type": storage_type}
