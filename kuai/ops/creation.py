"""Making tensors: from data, and filled with one number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce

import numpy as np

from .. import dtypes
from ..autograd.graph import AccumulateGrad, Untracked
from ..devices import cpu, device, placement
from ..dtypes import dtype
from ..engine import trace
from ..engine.program import Aval, Op
from ..engine.trace import concrete
from ..errors import warn
from ..layouts import of_sparse, strided
from ..subclasses import Quiet
from ..tensor import Storage, Tensor, from_array, wrap
from . import rules
from .define import op
from .geometry import check_format, memory_format


def require_grad(t: Tensor, wanted: bool = True) -> Tensor:
    """Make a leaf collect gradients; RuntimeError for dtypes that have none."""
    if wanted and (t._node is None or type(t._node) is Untracked):
        if t.dtype.category < 2:
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        if trace.marks and not trace.current.inference and t._is_inference():
            raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")
        t._node = AccumulateGrad(t)
    return t


def shape_of(size: Sequence, name: str) -> tuple[int, ...]:
    """A shape from ``f(2, 3)``, ``f((2, 3))`` or ``f(torch.Size)``."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    if any(isinstance(n, Tensor) and n._aval.size != 1 for n in size):
        raise TypeError(f"{name}(): argument 'size' must be tuple of ints, not Tensor")
    try:
        shape = tuple([int(n) if not isinstance(n, (float, str)) else _bad_size(name, n) for n in size])
    except (TypeError, ValueError) as e:  # what is no number, or a tensor of several
        raise TypeError(f"{name}(): argument 'size' must be tuple of ints, got {size!r}") from e
    if any(n >= 1 << 63 for n in shape):
        raise TypeError(f"{name}(): argument 'size' must be tuple of ints of 64 bits, got {size!r}")
    if any(n < 0 for n in shape):
        raise RuntimeError(f"{name}: Trying to create tensor with negative dimension {min(shape)}: {list(shape)}")
    return shape


def listed_shape(size: object, name: str) -> tuple[int, ...]:
    """A shape that has to be a sequence, as it is not the only argument."""
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"{name}(): argument 'size' must be tuple of ints, not {type(size).__name__}")
    return shape_of((size,), name)


def _bad_size(name: str, n: object) -> int:
    raise TypeError(f"{name}(): argument 'size' must be tuple of ints, but found element of type {type(n).__name__}")


def _filled_rule(op: Op, avals: Sequence, *, shape: tuple, dtype: dtype, device: device) -> tuple:
    return Aval(shape, dtype, device), dtype


@op(shape=_filled_rule, vjp=None, name="full")
def full_op(xp, value, *, shape, dtype, device):
    return xp.full(shape, value, dtype=dtype.numpy)


def fill(shape: tuple, value: object, d: dtype, where: device, requires_grad: bool = False, out: Tensor | None = None,
          layout: object = None) -> Tensor:  # fmt: skip
    if layout is not None and layout is not strided:
        return require_grad(_sparse(shape, value, d, where, layout), requires_grad)
    made = full_op(value, shape=shape, dtype=d, device=where)
    if out is not None:
        return out._set_out(made)
    return require_grad(made) if requires_grad else made


def need_format(shape: Sequence[int], wanted: object, name: str) -> None:
    """Refuse what is no order of memory that a new tensor of this shape can have."""
    if not isinstance(wanted, memory_format):
        raise TypeError(f"{name}(): argument 'memory_format' must be torch.memory_format, not {type(wanted).__name__}")
    if wanted.name == "preserve_format":
        raise RuntimeError(f"{name}(): unsupported memory format Preserve: there is no tensor whose format could be kept")
    check_format(shape, wanted)


def layout_of(x: Tensor) -> object:
    """A tensor's layout, None if it is strided."""
    return None if x._storage is None else x._storage.layout


def _sparse(shape: tuple, value: object, d: dtype, where: device, layout: object) -> Tensor:
    """A sparse tensor of no values; RuntimeError if it is to be filled with something."""
    if value != 0:
        raise RuntimeError(f"full(...) is not implemented for sparse layout, got {layout}; use to_sparse() of a dense tensor")
    return of_sparse("coo.empty")(shape, d, where, layout=layout)


def asked_dtype(d: object, out: Tensor | None, otherwise: object = None) -> dtype:
    """The dtype asked for, by name or by ``out=``; else the one given here, or the default one."""
    if d is None:
        return out.dtype if out is not None else dtypes.as_dtype(otherwise or dtypes.get_default_dtype())
    found = dtypes.as_dtype(d)
    if out is not None and out.dtype is not found:
        raise RuntimeError(f"dtype {rules._cname(found)} does not match dtype of out parameter ({rules._cname(out.dtype)})")
    return found


def _options(d: object, where: object, out: Tensor | None) -> tuple[dtype, device]:
    return asked_dtype(d, out), available(placement(where))


def available(where: device) -> device:
    """The device itself; RuntimeError if this machine does not have it."""
    if where.type not in ("cpu", "meta"):
        try:
            from ..engine.compile import jax_device
        except ImportError as e:
            raise RuntimeError(f"device '{where}' needs JAX, which is not installed: pip install 'kuai[xla]'") from e
        jax_device(where)
    return where


def zeros(*args, size=None, out=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False,
          names=None) -> Tensor:  # fmt: skip
    """A tensor of zeros (``torch.zeros``).

    >>> import kuai as torch
    >>> torch.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    return fill(asked(args, size, "zeros"), 0, *_options(dtype, device, out), requires_grad, out, layout)


def asked(args: tuple, size: object, name: str) -> tuple[int, ...]:
    """The shape of ``f(2, 3)``, ``f((2, 3))`` or ``f(size=(2, 3))``."""
    if size is None and not args:
        raise TypeError(f"{name}() missing 1 required positional argument: 'size'")
    return shape_of(args if size is None else (size,), name)


def ones(*args, size=None, out=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False,
         names=None) -> Tensor:  # fmt: skip
    """A tensor of ones (``torch.ones``).

    >>> import kuai as torch
    >>> torch.ones(2, dtype=torch.int64)
    tensor([1, 1])
    """
    return fill(asked(args, size, "ones"), 1, *_options(dtype, device, out), requires_grad, out, layout)


def empty(*args, size=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False,
          memory_format=None, names=None) -> Tensor:  # fmt: skip
    """A tensor whose content is not specified (``torch.empty``); here it is zeros, in every run.

    >>> import kuai as torch
    >>> torch.empty(2, 3).shape
    torch.Size([2, 3])
    """
    shape = asked(args, size, "empty")
    if memory_format is not None:
        need_format(shape, memory_format, "empty")
    return fill(shape, 0, *_options(dtype, device, out), requires_grad, out, layout)


def full(size, fill_value, *, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False,
         names=None) -> Tensor:  # fmt: skip
    """A tensor filled with one number, of its dtype if none is given (``torch.full``).

    >>> import kuai as torch
    >>> torch.full((2,), 7)
    tensor([7, 7])
    """
    if isinstance(fill_value, Tensor):
        dtype = dtype or fill_value.dtype
    fill_value = needed_number("full", fill_value)
    d = asked_dtype(dtype, out, dtypes.default_for(type(fill_value)))
    rules.need_fit(fill_value, d, "full")
    where = available(placement(device))
    return fill(listed_shape(size, "full"), fill_value, d, where, requires_grad, out, layout)


def needed_number(name: str, value: object) -> object:
    """A number to fill with, also that of a tensor of no dimensions or of NumPy."""
    value = value.item() if isinstance(value, (Tensor, np.generic)) else value
    if not isinstance(value, (int, float, complex)):
        raise TypeError(f"{name}(): argument 'fill_value' (position 2) must be Number, not {type(value).__name__}")
    if type(value) is int and not -(1 << 63) <= value < 1 << 64:
        raise OverflowError(f"{name}(): {value} is too big a number, needs one of 64 bits")
    return value


# ---- from data -------------------------------------------------------------------------------------------------------


def tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False) -> Tensor:
    """A new tensor with a copy of the data: numbers, nested sequences, arrays (``torch.tensor``).

    >>> import kuai as torch
    >>> torch.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    if isinstance(data, Tensor):
        warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor)."
        )
        with Quiet():
            data = data.detach()
        made = data.to(device=placement(device) if device is not None else data.device, dtype=dtype, copy=True)
        return require_grad(made, requires_grad)
    if hasattr(data, "_elements"):  # a storage: its elements, copied
        return require_grad(data._elements().to(device=device, dtype=dtype, copy=True), requires_grad)
    array = array_of(data, None if dtype is None else dtypes.as_dtype(dtype))
    made = from_array(array.copy() if array is data or array.base is not None else array, device_of_array(device))
    return require_grad(made, True) if requires_grad else made


def device_of_array(where: object) -> device:
    return available(placement(where))


def array_of(data: object, d: dtype | None) -> np.ndarray:
    """The NumPy array that holds the data, in the dtype that PyTorch would choose."""
    if isinstance(data, (np.ndarray, np.generic)):
        array = np.asarray(data)
        array = array.astype(array.dtype.newbyteorder("=")) if not array.dtype.isnative else array
        dtypes.from_numpy(array.dtype)
    else:
        array = _array_of_python(data, d)
        if d is not None:
            _check_numbers(array, d)
    return array if d is None or array.dtype == d.numpy else _cast(array, d)


def _check_numbers(array: np.ndarray, d: dtype) -> None:
    """Refuse Python's numbers that an integer dtype cannot hold, and complex ones for other dtypes."""
    if array.dtype.kind == "c" and 0 < d.category < 3:
        raise TypeError(f"tensor(): got a complex number, needs numbers that are real for {d}")
    if d.category == 1 and array.dtype != d.numpy and array.dtype != bool and array.size:
        for value in (array.min(), array.max()):
            rules.need_fit(value.item(), d, "tensor()")


def _cast(array: np.ndarray, d: dtype) -> np.ndarray:
    if array.dtype.kind == "c" and 0 < d.category < 3:
        raise RuntimeError(f"value cannot be converted to type {d} without overflow")
    with np.errstate(all="ignore"):
        return array.astype(d.numpy)


def _array_of_python(data: object, d: dtype | None) -> np.ndarray:
    plain = _plain(data)
    try:
        array = np.array(plain)
    except (ValueError, OverflowError) as e:
        raise _ragged(plain) from e
    if array.dtype.kind == "O" and _beyond_int64(array, d):
        array = array.astype(np.float64)
    if array.dtype.kind in "OUSV":
        raise _ragged(plain)
    if array.size == 0 and array.dtype == np.float64:
        return array.astype(dtypes.get_default_dtype().numpy)
    if d is not None:
        return array
    if isinstance(_first_leaf(data), (Tensor, np.generic, np.ndarray)):
        return array.astype(_common_dtype(data).numpy, copy=False) if isinstance(data, (list, tuple)) else array
    if array.dtype.kind == "u":  # NumPy's way to hold what int64 cannot
        raise _ragged(plain)
    kind = {"b": bool, "i": int, "f": float, "c": complex}[array.dtype.kind]
    return array.astype(dtypes.default_for(kind).numpy, copy=False)


def _beyond_int64(array: np.ndarray, d: dtype | None) -> bool:
    """Whether objects are real numbers, some of them too large for int64, that a floating-point tensor is to hold."""
    kinds = {type(x) for x in array.flat}
    return kinds <= {int, float, bool} and (float in kinds if d is None else d.category > 1)


def _first_leaf(data: object) -> object:
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return data


def _plain(data: object) -> object:
    """Nested sequences with the tensors in them as arrays."""
    if isinstance(data, Tensor):
        return data.detach()._array()
    if isinstance(data, (list, tuple)):
        if all(type(x) in (int, float, bool) for x in data):
            return data
        return [_number_of(x) if isinstance(x, Tensor) else _plain(x) for x in data] if _of_numbers(data) else [_plain(x) for x in data]
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return [_plain(data[i]) for i in range(len(data))]
    if hasattr(data, "__array__"):
        return np.asarray(data)
    return data


def _common_dtype(data: Sequence) -> dtype:
    """What the dtypes of tensors, arrays and numbers in nested sequences promote to."""
    found = [_common_dtype(x) if isinstance(x, (list, tuple)) else _dtype_of(x) for x in data]
    return reduce(dtypes.promote_types, found) if found else dtypes.get_default_dtype()


def _dtype_of(x: object) -> dtype:
    if isinstance(x, Tensor):
        return x.dtype
    return dtypes.from_numpy(x.dtype) if isinstance(x, (np.ndarray, np.generic)) else dtypes.default_for(type(x))


def _of_numbers(data: Sequence) -> bool:
    """Whether a sequence is a row of numbers, as its first item says; a tensor in it counts as one."""
    return isinstance(data[0], (Tensor, int, float, complex, np.generic))


def _number_of(x: Tensor) -> np.ndarray:
    if x._aval.size != 1:
        raise ValueError("tensor(): only one element tensors can be converted to Python scalars; join others with torch.stack")
    array = x.detach()._array().reshape(())
    return array.astype(np.float32) if array.dtype.kind == "V" else array  # NumPy makes objects of a row of half types


def _ragged(data: object) -> Exception:
    """PyTorch's error for data that is no array."""
    leaf = _first_leaf(data)
    if isinstance(leaf, (str, bytes)):
        return TypeError(f"new(): invalid data type '{type(leaf).__name__}'")
    if not isinstance(leaf, (int, float, complex, np.ndarray, list, tuple)):
        return RuntimeError(f"Could not infer dtype of {type(leaf).__name__}")
    level, dim = [data], 0
    while level and all(isinstance(x, (list, tuple)) for x in level):
        lengths = [len(x) for x in level]
        if len(set(lengths)) > 1:
            other = next(n for n in lengths if n != lengths[0])
            return ValueError(f"expected sequence of length {lengths[0]} at dim {dim} (got {other})")
        level, dim = [y for x in level for y in x], dim + 1
    if any(x is None for x in level):
        return RuntimeError("Could not infer dtype of NoneType")
    odd = next((x for x in level if isinstance(x, (str, bytes)) or not np.isscalar(x)), None)
    if odd is None:
        return ValueError("tensor(): a number is too large: Overflow when unpacking long long")
    if isinstance(odd, (list, tuple)):
        return TypeError(f"must be real number, not {type(odd).__name__}")
    return TypeError(f"tensor(): got an element of type {type(odd).__name__}, needs numbers")


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor that shares an array's memory: each sees what the other writes (``torch.from_numpy``).

    >>> import kuai as torch, numpy as np
    >>> a = np.zeros(2); t = torch.from_numpy(a); a[0] = 5
    >>> t
    tensor([5., 0.], dtype=torch.float64)
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    if min(ndarray.strides, default=0) < 0:
        raise ValueError(
            "At least one of the strides is negative: tensors with negative strides are not supported. "
            "Copy the array first, with array.copy()"
        )
    d = dtypes.from_numpy(ndarray.dtype)
    if not ndarray.dtype.isnative:
        raise ValueError("given numpy array has byte order different from the native byte order; use array.byteswap()")
    if not ndarray.flags.writeable:
        return from_array(ndarray.copy(), placement("cpu"))
    out = wrap(concrete(ndarray, Aval(ndarray.shape, d, cpu)))
    out._storage = Storage(out._value, ndarray)
    return out


def as_tensor(data, dtype=None, device=None) -> Tensor:
    """A tensor of the data, sharing its memory where it can (``torch.as_tensor``).

    >>> import kuai as torch
    >>> torch.as_tensor([1, 2])
    tensor([1, 2])
    """
    if isinstance(data, Tensor):
        return data.to(device=data.device if device is None else device, dtype=dtype)
    d = None if dtype is None else dtypes.as_dtype(dtype)
    if isinstance(data, np.ndarray) and (d is None or d.numpy == data.dtype) and min(data.strides, default=0) >= 0:
        shared = from_numpy(data)
        return shared if device is None else shared.to(device)
    return tensor(data, dtype=dtype, device=device)


def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=False) -> Tensor:
    """A tensor of anything array-like, sharing memory unless ``copy`` is true (``torch.asarray``).

    >>> import kuai as torch
    >>> torch.asarray([1., 2.])
    tensor([1., 2.])
    """
    if hasattr(obj, "_elements"):  # a storage
        obj, dtype = obj._elements(dtype), None
    if isinstance(obj, (bytearray, memoryview)):
        obj = frombuffer(obj, dtype=dtype or dtypes.get_default_dtype())
    elif type(obj).__name__ == "PyCapsule":
        obj = from_dlpack(obj)
    if not (copy is None or isinstance(copy, bool)):
        raise TypeError(f"asarray(): argument 'copy' must be bool, not {type(copy).__name__}")
    if copy is False:
        _need_alias(obj, dtype)
    if copy:
        made = obj.detach().clone() if isinstance(obj, Tensor) else tensor(obj)
        made = made.to(device=device, dtype=dtype)
    elif hasattr(obj, "__dlpack__") and not isinstance(obj, (Tensor, np.ndarray)):
        made = as_tensor(from_dlpack(obj), dtype=dtype, device=device)
    else:
        made = as_tensor(obj, dtype=dtype, device=device)
    return require_grad(made.detach() if made.requires_grad and not requires_grad else made, requires_grad)


def _need_alias(obj: object, d: object) -> None:
    """Refuse what cannot become a tensor without a copy."""
    have = obj.dtype if isinstance(obj, (Tensor, np.ndarray)) else None
    if have is not None and d is not None and np.dtype(getattr(have, "numpy", have)) != dtypes.as_dtype(d).numpy:
        raise ValueError(f"asarray: can't alias a tensor or array of {have} as {d} without a copy")
    if have is None and not hasattr(obj, "__dlpack__") and not isinstance(obj, (bytes, bytearray, memoryview)):
        raise ValueError("asarray: can't alias arbitrary sequence into a tensor; leave copy=False out")


class _Capsule:
    """A capsule of the CPU's as an object that gives it, once: what NumPy asks for."""

    def __init__(self, capsule: object):
        self.capsule = capsule

    def __dlpack__(self, **options: object) -> object:
        return self.capsule

    def __dlpack_device__(self) -> tuple:
        return (1, 0)


def from_dlpack(ext_tensor, *, device=None, copy=None) -> Tensor:
    """A tensor from any object that speaks DLPack, without a copy on the CPU unless ``copy`` is true (``torch.from_dlpack``).

    >>> import kuai as torch, numpy as np
    >>> torch.from_dlpack(np.arange(3.0, dtype="float32"))
    tensor([0., 1., 2.])
    """
    if copy or device is not None:
        made = from_dlpack(ext_tensor)
        return made.to(device=device or made.device, copy=bool(copy))
    if isinstance(ext_tensor, Tensor):
        if ext_tensor.requires_grad:
            raise BufferError("from_dlpack: Can't export tensors that require gradient, use tensor.detach()")
        return ext_tensor._alias()
    if not hasattr(ext_tensor, "__dlpack__") and type(ext_tensor).__name__ != "PyCapsule":
        raise RuntimeError(f"from_dlpack received an invalid capsule: {type(ext_tensor).__name__} does not speak DLPack")
    array = np.from_dlpack(_Capsule(ext_tensor) if type(ext_tensor).__name__ == "PyCapsule" else ext_tensor)
    return from_numpy(array) if array.flags.writeable else from_array(array.copy(), placement("cpu"))


def frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False) -> Tensor:
    """A tensor on the bytes of a buffer (``torch.frombuffer``).

    >>> import kuai as torch
    >>> torch.frombuffer(bytearray(b"\\x01\\x00\\x02\\x00"), dtype=torch.int16)
    tensor([1, 2], dtype=torch.int16)
    """
    if not isinstance(buffer, (bytes, bytearray)):
        try:
            buffer = memoryview(buffer)
        except TypeError:
            raise ValueError(f"frombuffer: {type(buffer).__name__} object does not implement Python buffer protocol") from None
    size = memoryview(buffer).nbytes
    if not size or not count:
        raise ValueError(f"frombuffer: both buffer length ({size}) and count ({count}) must not be 0")
    array = np.frombuffer(buffer, dtypes.as_dtype(dtype).numpy, count, offset)
    return require_grad(from_numpy(array) if array.flags.writeable else from_array(array.copy(), placement("cpu")), requires_grad)


def scalar_tensor(s: Tensor | complex, *, dtype=None, device=None, layout=None, pin_memory=False, requires_grad=False) -> Tensor:
    """A 0-dimensional tensor of the default dtype (``torch.scalar_tensor``).

    >>> import kuai as torch
    >>> torch.scalar_tensor(2.5)
    tensor(2.5000)
    """
    if isinstance(s, Tensor) and s.shape:
        raise TypeError(f"scalar_tensor(): argument 's' (position 1) must be Number, not Tensor of shape {list(s.shape)}")
    return full((), s, dtype=dtype or dtypes.get_default_dtype(), device=device, requires_grad=requires_grad)


def legacy(cls: type, *args: object, device: object = None, **kwargs: object) -> Tensor:
    """``torch.Tensor(2, 3)`` and ``torch.Tensor([1, 2])``: the old constructor, of the default dtype."""
    if kwargs:
        raise TypeError(f"new() received an invalid combination of arguments: it takes no {', '.join(kwargs)}; use torch.tensor")
    return legacy_of(dtypes.get_default_dtype(), args, device)


def legacy_of(d: dtype, args: Iterable, where: object = None) -> Tensor:
    args = tuple(args)
    if not args:
        return fill((0,), 0, d, placement(where))
    (first, *_) = args
    if len(args) == 1 and isinstance(first, Tensor):
        return first._alias() if first.dtype is d else first.to(d)
    if len(args) == 1 and hasattr(first, "_elements"):  # a storage, shared
        return first._elements(d)._alias()
    if isinstance(first, int) or (len(args) == 1 and type(first).__name__ == "Size"):
        return fill(shape_of(args, "Tensor"), 0, d, placement(where))
    if first is None or isinstance(first, (float, complex)):
        raise TypeError(f"new(): data must be a sequence (got {type(first).__name__})")
    return tensor(first, dtype=d, device=where)
