"""Hangs ops on Tensor: methods from the families' tables, their in-place forms, operators and properties."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np

from . import examples, protocol, subclasses
from .arguments import check_methods, checked
from .autograd import api
from .autograd.hooks import RemovableHandle
from .dispatch import view_step
from .engine.trace import current
from .layouts import of_sparse, strided
from .ops import complex_numbers, conversion, creation, likes, queries
from .ops.conversion import _check_leaf, assign
from .ops.define import signature
from .properties import install_properties
from .tensor import Tensor, install


def inplace(fn: Callable, name: str) -> Callable:
    """The in-place form of a function: its result becomes the tensor's content."""

    call = checked(fn)

    def method(self: Tensor, *args: object, **kwargs: object) -> Tensor:
        if current.grad:
            _check_leaf(self)  # before all else that may be wrong
        return assign(self, call(self, *args, **kwargs), name)

    method.__name__ = method.__qualname__ = name
    if hasattr(fn, "op"):
        method.__signature__ = signature("self", *list(fn.__signature__.parameters)[1:-1], out=False)
    method.__doc__ = f"In-place form of `{name[:-1]}` (``torch.Tensor.{name}``).{examples.as_method(fn, name)}"
    return method


def collect(module: ModuleType) -> None:
    """Give Tensor the methods that a family of ops lists."""
    for name in module.METHODS:
        setattr(Tensor, name, getattr(module, name))
    for name in module.INPLACE:
        fn = getattr(module, name)
        setattr(Tensor, f"{name}_", inplace(fn, f"{name}_"))
    for name, fn in getattr(module, "METHODS_EXTRA", {}).items():
        setattr(Tensor, name, fn)
    for name, fn in getattr(module, "PROPERTIES", {}).items():
        setattr(Tensor, name, property(fn, doc=fn.__doc__))


# ---- operators -------------------------------------------------------------------------------------------------------

BINARY = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "true_divide", "floordiv": "floor_divide", "mod": "remainder",
    "pow": "pow", "matmul": "matmul", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
    "lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift",
}  # fmt: skip
COMPARE = {"eq": "eq", "ne": "ne", "lt": "lt", "le": "le", "gt": "gt", "ge": "ge"}
UNARY = {"neg": "neg", "abs": "abs", "pos": "positive"}


def _foreign(x: object) -> bool:
    """Whether an operand is none of ours, so that its own reflected method is to be asked."""
    return not isinstance(x, (Tensor, int, float, complex, np.generic))


def _operator(fn: Callable) -> Callable:
    def method(self: Tensor, other: object) -> Tensor:
        try:
            return fn(self, other)
        except TypeError:
            if _foreign(other):
                return NotImplemented
            raise

    return method


def _reflected(fn: Callable) -> Callable:
    def method(self: Tensor, other: object) -> Tensor:
        try:
            return fn(other, self)
        except TypeError:
            if _foreign(other):
                return NotImplemented
            raise

    return method


def _from_numpy(self: Tensor, array: np.ndarray, context: object = None, return_scalar: bool = False) -> Tensor:
    """What a function of NumPy's makes of a tensor, as a tensor; booleans as bytes, as PyTorch has it."""
    return creation.from_numpy(np.asarray(array, np.uint8) if array.dtype == bool else array)


def _divided_by(quotient: Callable) -> Callable:
    """``other / self``; what is no operand of ours meets the reciprocal."""

    def method(self: Tensor, other: object) -> Tensor:
        if _foreign(other):
            return self.reciprocal() * other
        return quotient(other, self)

    return method


def _equal(eq: Callable) -> Callable:
    """``self == other``, where an array of NumPy's is taken as a tensor: by this operator alone, as in PyTorch."""
    method = _operator(eq)
    return lambda self, other: method(self, creation.as_tensor(other) if isinstance(other, np.ndarray) else other)


def _inverted(bitwise_not: Callable) -> Callable:
    """``~self``, a TypeError where there are no bits."""

    def method(self: Tensor) -> Tensor:
        if self.dtype.category > 1:
            raise TypeError(f"~ (operator.invert) is only implemented on integer and Boolean-type tensors, got {self.dtype}")
        return bitwise_not(self)

    return method


def install_operators(functions: dict[str, Callable]) -> None:
    """Python's operators, from the functions of the families."""
    for symbol, name in BINARY.items():
        fn = functions[name]
        setattr(Tensor, f"__{symbol}__", _operator(fn))
        setattr(Tensor, f"__r{symbol}__", _reflected(fn))
        setattr(Tensor, f"__i{symbol}__", _operator(inplace(fn, f"{name}_")))
    for symbol, name in COMPARE.items():
        setattr(Tensor, f"__{symbol}__", _operator(functions[name]))
    Tensor.__eq__ = _equal(functions["eq"])
    Tensor.__rtruediv__ = _divided_by(functions["true_divide"])
    for symbol, name in UNARY.items():
        setattr(Tensor, f"__{symbol}__", functions[name])
    Tensor.__invert__ = _inverted(functions["bitwise_not"])
    Tensor.__hash__ = object.__hash__  # __eq__ compares elements
    Tensor.__array_priority__ = 1000  # NumPy's operators leave the work to ours
    Tensor.__array_wrap__ = _from_numpy  # and its functions give tensors


# ---- what a tensor is ---------------------------------------------------------------------------------------------------


def size(self: Tensor, dim: int | None = None) -> object:
    """The shape, or the length of one dimension (``torch.Tensor.size``).

    >>> import kuai as torch
    >>> torch.ones(2, 3).size(), torch.ones(2, 3).size(1)
    (torch.Size([2, 3]), 3)
    """
    shape = self.shape
    if dim is None:
        return shape
    if not -len(shape) <= dim < len(shape):
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-len(shape)}, {len(shape) - 1}], but got {dim})"
        )
    return shape[dim]


def dim(self: Tensor) -> int:
    """The number of dimensions (``torch.Tensor.dim``).

    >>> import kuai as torch
    >>> torch.ones(2, 3).dim()
    2
    """
    return len(self.shape)


def numel(self: Tensor) -> int:
    """The number of elements (``torch.numel``).

    >>> import kuai as torch
    >>> torch.ones(2, 3).numel()
    6
    """
    return self._value.aval.size


def element_size(self: Tensor) -> int:
    """Bytes of one element (``torch.Tensor.element_size``).

    >>> import kuai as torch
    >>> torch.ones(2).element_size()
    4
    """
    return self.dtype.itemsize


def is_floating_point(self: Tensor) -> bool:
    """Whether the dtype is a floating-point one (``torch.is_floating_point``).

    >>> import kuai as torch
    >>> torch.tensor([1]).is_floating_point()
    False
    """
    return self.dtype.is_floating_point


def is_complex(self: Tensor) -> bool:
    """Whether the dtype is complex (``torch.is_complex``).

    >>> import kuai as torch
    >>> torch.tensor([1j]).is_complex()
    True
    """
    return self.dtype.is_complex


def is_signed(self: Tensor) -> bool:
    """Whether the dtype has a sign (``torch.Tensor.is_signed``).

    >>> import kuai as torch
    >>> torch.tensor([1], dtype=torch.uint8).is_signed()
    False
    """
    return self.dtype.is_signed


def get_device(self: Tensor) -> int:
    """The accelerator's index, -1 on the CPU (``torch.Tensor.get_device``).

    >>> import kuai as torch
    >>> torch.ones(1).get_device()
    -1
    """
    return -1 if self.device.index is None else self.device.index


def data_ptr(self: Tensor) -> int:
    """The address of the first element; 0 for a tensor without memory (``torch.Tensor.data_ptr``).

    On the CPU the elements are there to be read until the tensor is written to; each call puts what the tensor holds then to
    the same place. On an accelerator it is only a number that tensors on the same memory share.

    >>> import kuai as torch
    >>> x = torch.ones(2, 2)
    >>> x.data_ptr() == x.t().data_ptr()
    True
    """
    if self.layout is not strided:
        raise RuntimeError("Cannot access data pointer of Tensor that doesn't have storage: a sparse tensor's parts have")
    if self._aval.size == 0 or self.device.type == "meta":
        return 0
    storage = self._share()
    start = storage.address() if self.device.type == "cpu" else id(storage)
    return start + self.storage_offset() * self.dtype.itemsize


def is_inference(self: Tensor) -> bool:
    """Whether the tensor was made in inference mode (``torch.Tensor.is_inference``).

    >>> import kuai as torch
    >>> torch.ones(1).is_inference()
    False
    """
    return self._is_inference()


def unchanged(self: Tensor, *args: object, **kwargs: object) -> Tensor:
    """The tensor itself: memory here is not pinned.

    >>> import kuai as torch
    >>> torch.ones(2).resolve_conj()
    tensor([1., 1.])
    """
    return self


def share_memory_(self: Tensor) -> Tensor:
    """Move the memory to where other processes see it too (``torch.Tensor.share_memory_``); a GPU's is left there.

    >>> import kuai as torch
    >>> torch.zeros(2).share_memory_().is_shared()
    True
    """
    from .multiprocessing import shared

    return shared.share_memory_(self)


def is_pinned(self: Tensor, device: object = None) -> bool:
    """Whether the memory is pinned for copies to a GPU: none is here (``torch.Tensor.is_pinned``).

    >>> import kuai as torch
    >>> torch.ones(2).is_pinned()
    False
    """
    return False


def is_shared(self: Tensor) -> bool:
    """Whether other processes can see the memory (``torch.Tensor.is_shared``).

    >>> import kuai as torch
    >>> torch.ones(2).is_shared()
    False
    """
    return self.device.type == "cuda" or (self._storage is not None and self._storage.arena is not None)


# ---- gradients -------------------------------------------------------------------------------------------------------


def backward(self: Tensor, gradient: Tensor | None = None, retain_graph: bool | None = None, create_graph: bool = False,
             inputs: object = None) -> None:  # fmt: skip
    """Add this tensor's derivatives to ``.grad`` of the leaves (``torch.Tensor.backward``).

    >>> import kuai as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> (x * x).sum().backward(); x.grad
    tensor([2., 2.])
    """
    api.backward(self, gradient, retain_graph, create_graph, inputs=inputs)


def register_hook(self: Tensor, hook: Callable) -> RemovableHandle:
    """Call ``hook(grad)`` when this tensor's gradient is known; what it returns replaces it (``Tensor.register_hook``).

    >>> import kuai as torch
    >>> x = torch.ones(1, requires_grad=True)
    >>> handle = x.register_hook(lambda g: g * 10)
    >>> (x * 2).sum().backward()
    >>> x.grad
    tensor([20.])
    """
    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    return self._node._hooks().add("tensor", hook)


def register_post_accumulate_grad_hook(self: Tensor, hook: Callable) -> RemovableHandle:
    """Call ``hook(tensor)`` after its ``.grad`` has been added to.

    >>> import kuai as torch
    >>> x = torch.ones(1, requires_grad=True)
    >>> handle = x.register_post_accumulate_grad_hook(lambda t: print(t.grad))
    >>> x.sum().backward()
    tensor([1.])
    """
    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if not self.is_leaf:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    return self._node._hooks().add("accumulated", hook)


def retain_grad(self: Tensor) -> None:
    """Keep the gradient of this tensor though it is no leaf (``torch.Tensor.retain_grad``).

    >>> import kuai as torch
    >>> x = torch.ones(1, requires_grad=True)
    >>> y = x * 2
    >>> y.retain_grad()
    >>> (y * 3).sum().backward()
    >>> y.grad
    tensor([3.])
    """
    if not self.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if not self.is_leaf and not self._retains:
        self._node.retain(self)
        self._retains = True


def make_subclass(cls: type, data: Tensor, require_grad: bool = False, **unused: object) -> Tensor:
    """A tensor of a subclass on the same memory: what Parameter is made by."""
    out = data._alias()
    out.__class__ = cls
    return creation.require_grad(out, require_grad)


OWN = {
    "size": size, "dim": dim, "ndimension": dim, "numel": numel, "nelement": numel, "element_size": element_size,
    "is_floating_point": is_floating_point, "is_complex": is_complex, "is_signed": is_signed, "get_device": get_device,
    "data_ptr": data_ptr, "pin_memory": unchanged, "share_memory_": share_memory_, "backward": backward,
    "register_hook": register_hook, "register_post_accumulate_grad_hook": register_post_accumulate_grad_hook,
    "retain_grad": retain_grad, "is_pinned": is_pinned, "is_shared": is_shared, "is_inference": is_inference,
    "resolve_conj": unchanged, "resolve_neg": unchanged, "is_conj": complex_numbers.is_conj, "is_neg": complex_numbers.is_neg,
    "is_distributed": queries.is_distributed, "is_same_size": queries.is_same_size,
}  # fmt: skip


# Methods of sparse tensors and what they give, by the module of `sparse` that has them: it is imported when one is called.
SPARSE = {
    "functions": {
        "smm": "The product of this sparse matrix and a dense one, as a sparse tensor",
        "sspaddmm": "This sparse matrix plus the product of a sparse one and a dense one",
    },
    "compressing": {
        "crow_indices": "Where each row's values begin, of the layouts CSR and BSR",
        "col_indices": "The column of each value, of the layouts CSR and BSR",
        "ccol_indices": "Where each column's values begin, of the layouts CSC and BSC",
        "row_indices": "The row of each value, of the layouts CSC and BSC",
        "to_sparse_coo": "The tensor in coordinates",
        "to_sparse_csr": "The tensor in compressed rows",
        "to_sparse_csc": "The tensor in compressed columns",
        "to_sparse_bsr": "The tensor in rows of blocks",
        "to_sparse_bsc": "The tensor in columns of blocks",
    },
    "coo": {
        "indices": "The indices of a coalesced sparse tensor, an int64 tensor of shape (sparse_dim, nnz)",
        "values": "The values of a coalesced or compressed sparse tensor",
        "_indices": "The indices of a sparse tensor, coalesced or not",
        "_values": "The values of a sparse tensor, coalesced or not, outside the graph",
        "sparse_dim": "How many dimensions have indices",
        "dense_dim": "How many dimensions the values have beside the first",
        "coalesce": "The tensor with its indices sorted and each there once",
        "is_coalesced": "Whether the indices are known to be sorted and each there once",
        "to_dense": "All the elements as a strided tensor",
        "to_sparse": "The elements that are not zero, as a sparse tensor",
        "sparse_mask": "What the tensor has at the places of a sparse tensor",
        "sparse_resize_": "Gives a sparse tensor another shape; one that has values can only grow",
        "sparse_resize_and_clear_": "Makes a sparse tensor one of no values in another shape",
        "resize_as_sparse_": "Gives a sparse tensor another one's shape",
    },
}
SPARSE_NAMES = {"_nnz": "nnz", "_dimI": "sparse_dim", "_dimV": "dense_dim", "_coalesced_": "set_coalesced"}


def _of_sparse(module: str, name: str, meaning: str) -> Callable:
    """A method that is in a module of `sparse`."""

    def method(self: Tensor, *args: object, **kwargs: object) -> object:
        return checked(of_sparse(f"{module}.{name}"), method=True)(self, *args, **kwargs)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"{meaning} (``torch.Tensor.{name}``); `kuai.sparse.{module}.{name}` has the details."
    return method


def install_sparse() -> None:
    """The methods of sparse tensors."""
    for module, names in SPARSE.items():
        for name, meaning in names.items():
            setattr(Tensor, name, _of_sparse(module, name, meaning))
    for method, name in SPARSE_NAMES.items():
        setattr(Tensor, method, _of_sparse("coo", name, "PyTorch's inner name"))


def install_methods(families: list[ModuleType], functions: dict[str, Callable]) -> None:
    """Complete the class Tensor."""
    install(view_step, creation.legacy)
    for module in (conversion, likes, *families):
        collect(module)
    for name, fn in (OWN | protocol.PROTOCOL).items():
        setattr(Tensor, name, fn)
    Tensor._make_subclass = staticmethod(make_subclass)
    Tensor.__torch_function__ = classmethod(subclasses.torch_function)
    Tensor.__init_subclass__ = classmethod(subclasses.subclassed)
    install_operators(functions)
    install_properties()
    install_sparse()
    check_methods(Tensor)
