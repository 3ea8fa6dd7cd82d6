"""Tensors that belong to a module: parameters, buffers, and those whose shape the first call of a lazy module decides."""

from __future__ import annotations

from typing import Any

from .. import subclasses
from ..arguments import NotATensor
from ..devices import device, placement
from ..dtypes import as_dtype, dtype, get_default_dtype
from ..ops.creation import empty, require_grad
from ..protocol import PRINTED
from ..tensor import Tensor


class _ParameterMeta(type(Tensor)):  # type: ignore[misc]
    """A tensor of a class of one's own stays of it as a parameter, with a mark; this makes isinstance see the mark."""

    def __instancecheck__(cls, instance: object) -> bool:
        return super().__instancecheck__(instance) or (
            cls is Parameter and isinstance(instance, Tensor) and getattr(instance, "_is_param", False)
        )


class Parameter(Tensor, metaclass=_ParameterMeta):
    """A tensor that a module trains (``torch.nn.Parameter``): set as an attribute, it is among ``parameters()``.

    A tensor of a subclass of Tensor stays of its class, and is a parameter too.

    >>> import kuai as torch
    >>> torch.nn.Parameter(torch.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    __torch_function__ = staticmethod(subclasses.disabled)  # results of parameters are plain tensors

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            data = empty(0)
        if not isinstance(data, Tensor):
            raise NotATensor(f"Parameter: got {type(data).__name__} for data, needs a Tensor; make one with torch.tensor(data)")
        if not isinstance(requires_grad, bool):
            raise TypeError(f"Parameter: argument 'requires_grad' must be bool, not {type(requires_grad).__name__}")
        if type(data) is Tensor or type(data) is Parameter or not subclasses.asks(type(data)):  # type: ignore[arg-type]
            return Tensor._make_subclass(cls, data, requires_grad)  # type: ignore[attr-defined]
        return _marked(data, requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"

    __str__ = __repr__

    def __deepcopy__(self, memo: dict) -> Parameter:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self._content(), self._node is not None)
        return memo[id(self)]


PRINTED[Parameter] = "tensor"


def _marked(data: Tensor, requires_grad: bool) -> Any:
    """A tensor of a subclass as a parameter that stays of it."""
    made: Any = data.detach().requires_grad_(requires_grad)  # type: ignore[attr-defined]
    kind, found = type(data), type(made)
    if found is not kind:
        raise RuntimeError(
            f"Creating a Parameter from an instance of type {kind.__name__} requires that detach() returns an instance of "
            f"the same type, but return type {found.__name__} was found instead"
        )
    made._is_param = True
    return made


class _BufferMeta(type(Tensor)):  # type: ignore[misc]
    """A buffer is a plain tensor with a mark; this makes isinstance see the mark."""

    def __instancecheck__(cls, instance: object) -> bool:
        if cls is Buffer:
            return isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False)
        return super().__instancecheck__(instance)


class Buffer(Tensor, metaclass=_BufferMeta):
    """A tensor of a module that is not trained (``torch.nn.Buffer``): set as an attribute, it is among ``buffers()``.

    >>> import kuai as torch
    >>> m = torch.nn.Module()
    >>> m.mean = torch.nn.Buffer(torch.zeros(2))
    >>> m.state_dict()
    OrderedDict([('mean', tensor([0., 0.]))])
    """

    __torch_function__ = staticmethod(subclasses.disabled)

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Tensor:  # type: ignore[misc]
        if data is None:
            data = empty(0)
        made: Any = require_grad(data.detach(), data.requires_grad)
        made.persistent, made._is_buffer = persistent, True
        return made


_UNSHAPED = (
    "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in `load_state_dict` when "
    "trying to load an uninitialized parameter into an initialized one. Call `forward` to initialize the parameters before "
    "accessing their attributes."
)


class UninitializedTensorMixin:
    """A tensor whose shape is not known yet; it has a dtype and a device, and no value."""

    __torch_function__ = staticmethod(subclasses.disabled)
    cls_to_become: type = Tensor
    _node: Any
    _storage: Any
    _adopt: Any
    _dtype: dtype
    _device: device

    def _prepare(self, device: object, dtype: object) -> None:
        self._node = self._storage = None
        self._dtype = get_default_dtype() if dtype is None else as_dtype(dtype)
        self._device = placement(device)

    def materialize(self, shape: tuple, device: object = None, dtype: object = None) -> None:
        """Become an initialized tensor of this shape; its content is not specified."""
        self._adopt(empty(shape, device=device or self._device, dtype=dtype or self._dtype))
        self.__class__ = self.cls_to_become
        del self._dtype, self._device

    @property
    def dtype(self) -> dtype:
        """The dtype that the tensor will have."""
        return self._dtype

    @property
    def device(self) -> device:
        """The device that the tensor will be on."""
        return self._device

    @property
    def grad_fn(self) -> None:
        """None: nothing made it."""
        return None

    @property
    def shape(self) -> tuple:
        """Not known yet: RuntimeError."""
        raise RuntimeError(_UNSHAPED)

    @property
    def data(self) -> Tensor:
        """An empty tensor of this dtype and device; what is assigned here gives its dtype and device."""
        return empty(0, dtype=self._dtype, device=self._device)

    @data.setter
    def data(self, other: Tensor) -> None:
        self._dtype, self._device = other.dtype, other.device

    def _is_inference(self) -> bool:
        return False  # it has no content yet

    def __getattr__(self, name: str) -> object:
        kind = type(self).__name__
        if name == "_value":
            raise ValueError(
                "Attempted to use an uninitialized parameter. This error happens when you are using a `LazyModule` or "
                f"explicitly manipulating `torch.nn.parameter.{kind}` objects. When using LazyModules Call `forward` with a "
                "dummy batch to initialize the parameters before calling torch functions"
            )
        raise AttributeError(f"{kind!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    __str__ = __repr__

    def __deepcopy__(self, memo: dict) -> object:
        return memo.setdefault(id(self), type(self)(*self._arguments()))

    def __reduce_ex__(self, protocol: object) -> tuple:
        return type(self), self._arguments()

    def _arguments(self) -> tuple:
        return self._node is not None, str(self._device), self._dtype


def _of_empty(name: str) -> object:
    def method(self: UninitializedTensorMixin, *args: object, **kwargs: object) -> object:
        return getattr(self.data, name)(*args, **kwargs)

    method.__name__, method.__doc__ = name, f"As ``Tensor.{name}`` of an empty tensor."
    return method


for _name in ("to", "type", "cpu", "cuda", "half", "float", "double", "bfloat16", "char", "short", "int", "long", "size",
              "get_device", "is_floating_point", "is_complex"):  # fmt: skip
    setattr(UninitializedTensorMixin, _name, _of_empty(_name))


class UninitializedParameter(UninitializedTensorMixin, Parameter):  # type: ignore[misc]
    """A parameter whose shape is not known yet (``torch.nn.parameter.UninitializedParameter``).

    >>> import kuai as torch
    >>> p = torch.nn.UninitializedParameter()
    >>> p.materialize((2, 3)); type(p).__name__, p.shape
    ('Parameter', torch.Size([2, 3]))
    """

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: object = None, dtype: object = None) -> UninitializedParameter:
        made = object.__new__(cls)
        made._prepare(device, dtype)
        require_grad(made, requires_grad)
        return made


class UninitializedBuffer(UninitializedTensorMixin, Tensor):  # type: ignore[misc]
    """A buffer whose shape is not known yet (``torch.nn.parameter.UninitializedBuffer``).

    >>> import kuai as torch
    >>> b = torch.nn.UninitializedBuffer()
    >>> b.materialize((2,)); b.shape
    torch.Size([2])
    """

    def __new__(cls, requires_grad: bool = False, device: object = None, dtype: object = None,
                persistent: bool = True) -> UninitializedBuffer:  # fmt: skip
        made: Any = object.__new__(cls)
        made._prepare(device, dtype)
        made.persistent, made._is_buffer = persistent, True
        require_grad(made, requires_grad)
        return made


def is_lazy(param: object) -> bool:
    """Whether a tensor's shape is not known yet (``torch.nn.parameter.is_lazy``).

    >>> import kuai as torch
    >>> torch.nn.parameter.is_lazy(torch.nn.LazyLinear(3).weight)
    True
    """
    return isinstance(param, UninitializedTensorMixin)
