"""How a tensor behaves as a Python object: numbers, sequences, NumPy, printing, copying, pickling."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np

from . import dtypes
from .devices import placement
from .engine.program import Aval
from .engine.trace import concrete, current, depth, materialize, sample
from .layouts import of_sparse, strided
from .ops.creation import require_grad
from .tensor import Storage, Tensor, from_array, host_view, wrap


def item(self: Tensor) -> object:
    """The only element, as a Python number (``torch.Tensor.item``).

    >>> import kuai as torch
    >>> torch.tensor([2.5]).item()
    2.5
    """
    if self._storage is not None and self._storage.record is not None and self._aval.size == 1:
        self = self.to_dense()
    array = self._array()
    if array.size != 1:
        raise RuntimeError(f"a Tensor with {array.size} elements cannot be converted to Scalar")
    return array.item()


def tolist(self: Tensor) -> object:
    """The elements as nested lists of Python numbers (``torch.Tensor.tolist``).

    >>> import kuai as torch
    >>> torch.ones(2, 1).tolist()
    [[1.0], [1.0]]
    """
    return self._array().tolist()


def numpy(self: Tensor, *, force: bool = False) -> np.ndarray:
    """The elements as a NumPy array on the same memory (``torch.Tensor.numpy``).

    >>> import kuai as torch
    >>> x = torch.zeros(2); x.numpy()[0] = 3
    >>> x
    tensor([3., 0.])
    """
    if force:
        return self.detach().cpu()._array().copy()
    if self._node is not None and current.grad:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
    if self.device.type != "cpu":
        raise TypeError(
            f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first."
        )
    if self.layout is not strided:
        raise TypeError(f"can't convert {self.layout} layout tensor to numpy. Use Tensor.to_dense() first.")
    if self.dtype.numpy.kind == "V":
        raise TypeError(f"Got unsupported ScalarType {dtypes_name(self)}")
    return export(self)


def dtypes_name(t: Tensor) -> str:
    return {"bfloat16": "BFloat16"}.get(t.dtype.name, t.dtype.name.capitalize())


def export(self: Tensor) -> np.ndarray:
    """Lend the tensor's memory to NumPy: until the array is let go, both see what the other writes."""
    storage = self._share()
    storage.release()
    if storage.host is None:
        storage.host = np.array(materialize(storage.read(())), order="C")
    return host_view(storage.host, self._path)


def array(self: Tensor, dtype: object = None, copy: bool | None = None) -> np.ndarray:
    """What ``numpy.asarray(tensor)`` gives."""
    if dtype is None:
        return self.numpy()
    return self.numpy().astype(dtype, copy=bool(copy))


def _scalar(self: Tensor) -> object:
    if self._aval.size != 1:
        raise RuntimeError(f"a Tensor with {self._aval.size} elements cannot be converted to Scalar")
    return self.item()


def truth(self: Tensor) -> bool:
    size = self._aval.size
    if size == 0:
        raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
    if size > 1:
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
    return bool(self.item())


def as_complex(self: Tensor) -> complex:
    if self._aval.size != 1:
        raise ValueError(f"only one element tensors can be converted to Python scalars, got one of {self._aval.size} elements")
    return complex(_scalar(self))


def index(self: Tensor) -> int:
    if self.dtype.category > 1 or self._aval.size != 1:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(self.item())


def length(self: Tensor) -> int:
    if not self.shape:
        raise TypeError("len() of a 0-d tensor")
    return self.shape[0]


def iterate(self: Tensor) -> Iterator[Tensor]:
    if not self.shape:
        raise TypeError("iteration over a 0-d tensor")
    return iter(self.unbind(0))


def contains(self: Tensor, element: object) -> bool:
    if isinstance(element, (Tensor, int, float, complex)):
        return bool((self == element).any().item())
    raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}.")


def format_(self: Tensor, spec: str) -> str:
    if not self.shape and type(self) is Tensor and self.device.type != "meta":
        return format(self.item(), spec)
    return object.__format__(self, spec)


PRINTED: dict[type, str] = {Tensor: "tensor"}  # what stands before the bracket; for other subclasses, their names


def text(self: Tensor, *, tensor_contents: str | None = None) -> str:
    """PyTorch's printed form."""
    from .printing import tensor_str

    if self.layout is not strided:
        return of_sparse("text.sparse_str")(self)
    place = sample(self._read())
    if place is not None:  # all samples there are
        body = text(wrap(place.value)).replace("\n", "\n    ")
        return f"BatchedTensor(lvl={depth(place.level)}, bdim=0, value=\n    {body}\n)"
    node = self.grad_fn
    found = tensor_str(
        None if self.device.type == "meta" else self._array(),
        dtype=self.dtype,
        shape=self.shape,
        device_str=str(self.device),
        requires_grad=self._node is not None,
        grad_fn_name=None if node is None else node.name(),
        default_dtype=dtypes.get_default_dtype(),
        prefix=f"{PRINTED.get(type(self), type(self).__name__)}(",
    )
    return f"Parameter({found})" if getattr(self, "_is_param", False) else found


def reverse(self: Tensor) -> Tensor:
    return self.flip(0) if self.shape else self


def deepcopy(self: Tensor, memo: dict) -> Tensor:
    """A copy with memory of its own; what shared memory before shares it again."""
    if id(self) in memo:
        return memo[id(self)]
    if self.grad_fn is not None:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment. If "
            "you were attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, see "
            "https://github.com/pytorch/pytorch/pull/103001"
        )
    out = _copy_memory(self, memo)
    out.__class__ = type(self)
    memo[id(self)] = out
    _copy_state(self, out, memo)
    return out


def _copy_memory(self: Tensor, memo: dict) -> Tensor:
    out = wrap(self._read()) if not self._is_inference() else self.clone()
    if self._storage is not None:
        key = ("storage", id(self._storage))
        if key not in memo:
            memo[key] = self._storage.copy()
        out._storage, out._path, out._seen = memo[key], self._path, memo[key].version
        memo.setdefault(("kept", key), self._storage)
    return out


def _copy_state(self: Tensor, out: Tensor, memo: dict) -> None:
    from copy import deepcopy as copy

    if self._grad is not None:
        out._grad = deepcopy(self._grad, memo)
    for name, value in self.__dict__.items():
        out.__dict__[name] = copy(value, memo)
    if self._node is not None:
        require_grad(out)


def shallow(self: Tensor) -> Tensor:
    out = self._alias()
    out.__class__ = type(self)
    out.__dict__.update(self.__dict__)
    return require_grad(out, self.requires_grad)


def rebuild(cls: type, data: np.ndarray | tuple, dtype: dtypes.dtype, device: str, requires_grad: bool) -> Tensor:
    """A tensor from its pickled parts."""
    if device == "meta":
        out = wrap(concrete(None, Aval(data, dtype, placement("meta"))))
    else:
        out = from_array(data.view(dtype.numpy), placement("cpu")).to(device)
    out.__class__ = cls
    return require_grad(out, requires_grad)


def rebuild_sparse(cls: type, storage: Storage, requires_grad: bool) -> Tensor:
    """A sparse tensor from its pickled memory."""
    out = wrap(storage.value)  # type: ignore[arg-type]
    out._storage = storage
    out.__class__ = cls
    return require_grad(out, requires_grad)


def reduce(self: Tensor, protocol: int) -> tuple:
    if self.layout is not strided:
        return rebuild_sparse, (type(self), self._storage.copy(), self.requires_grad)  # type: ignore[union-attr]
    data = self.shape if self.device.type == "meta" else np.ascontiguousarray(self.detach()._array()).reshape(self.shape)
    if isinstance(data, np.ndarray) and data.dtype.kind == "V":
        data = data.view(f"u{data.dtype.itemsize}")
    parts = (type(self), data, self.dtype, str(self.device), self.requires_grad)
    return rebuild, parts, dict(self.__dict__) or None


def dlpack(self: Tensor, *, stream: object = None, max_version: object = None, dl_device: object = None, copy: object = None):
    """Hand the memory to another library by DLPack."""
    if self._node is not None:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    if self.layout is not strided:
        raise BufferError(f"Can't export tensors with layout {self.layout}: only torch.strided")
    if self.device.type == "meta":
        raise BufferError("Cannot pack tensors on meta: they have no elements")
    if stream is not None and type(stream) is not int:
        raise TypeError(f"__dlpack__: stream must be int or None, got {type(stream).__name__}")
    if self.device.type != "cpu":
        return materialize(self._read()).__dlpack__()
    return export(self).__dlpack__()


def dlpack_device(self: Tensor) -> tuple:
    if self.device.type == "cpu":
        return (1, 0)
    return (2, self.device.index or 0)


def set_grad(self: Tensor, g: Tensor | None) -> None:
    if g is None:
        self._grad = None
        return
    if not isinstance(g, Tensor):
        raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {type(g).__name__}")
    if g is self:
        raise RuntimeError("can't assign Variable as its own grad")
    for what in ("shape", "dtype", "device"):
        if getattr(g, what) != getattr(self, what):
            raise RuntimeError(
                f"assigned grad has data of a different {'size' if what == 'shape' else what}: "
                f"{getattr(g, what)}, the tensor has {getattr(self, what)}"
            )
    self._grad = g


def get_grad(self: Tensor) -> Tensor | None:
    if self._grad is None and self._node is not None and not self.is_leaf and not self._retains:
        warnings.warn(
            "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't be "
            "populated during autograd.backward(). If you indeed want the .grad field to be populated for a non-leaf "
            "Tensor, use .retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor by mistake, make sure "
            "you access the leaf Tensor instead.",
            stacklevel=3,
        )
    return self._grad


def set_data(self: Tensor, other: Tensor) -> None:
    if not isinstance(other, Tensor):
        raise TypeError(f"Variable data has to be a tensor, but got {type(other).__name__}")
    if self._node is not None and other.dtype.category < 2:
        raise RuntimeError("data set to a tensor that requires gradients must be floating point or complex dtype")
    self._adopt(other)


def set_requires_grad(self: Tensor, wanted: bool) -> None:
    if not isinstance(wanted, bool):
        raise RuntimeError(f"requires_grad must be a bool, got {wanted!r}")
    if not self.is_leaf:
        raise RuntimeError("you can only change requires_grad flags of leaf variables.")
    self.requires_grad_(wanted)


def _number_method(kind: type) -> Callable:
    def convert(self: Tensor) -> object:
        if self._aval.size != 1:
            raise ValueError(f"only one element tensors can be converted to Python scalars, this one has {self._aval.size}")
        return kind(_real(self.item()))

    return convert


def _real(number: object) -> object:
    """A number without its imaginary part, which has to be zero."""
    if type(number) is complex:
        if number.imag:
            raise RuntimeError("value cannot be converted to a real number without overflow: its imaginary part is not zero")
        return number.real
    return number


PROTOCOL = {
    "item": item, "tolist": tolist, "numpy": numpy, "__array__": array, "__bool__": truth, "__index__": index,
    "__int__": _number_method(int), "__float__": _number_method(float), "__complex__": as_complex,
    "__len__": length, "__iter__": iterate, "__contains__": contains, "__format__": format_, "__repr__": text,
    "__str__": text, "__reversed__": reverse, "__deepcopy__": deepcopy, "__copy__": shallow, "__reduce_ex__": reduce,
    "__dlpack__": dlpack, "__dlpack_device__": dlpack_device,
}  # fmt: skip
