"""The same elements in another dtype, on another device, or in memory of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..autograd.function import ClosureNode, constant_in
from ..autograd.graph import LEAVES, AccumulateGrad, OpNode, Untracked
from ..devices import device, placement
from ..dtypes import dtype
from ..engine import trace as engine_trace
from ..engine.program import Aval, Op
from ..engine.trace import concrete, current, materialize
from ..tensor import Tensor, wrap
from . import rules
from .creation import available, require_grad
from .define import op
from .geometry import repeats


def _dtype_rule(op: Op, avals: Sequence, *, dtype: dtype) -> tuple:
    return avals[0].with_(dtype=dtype), None


@op(shape=_dtype_rule, vjp=(lambda g: g,), name="to", grad_name="ToCopyBackward0", exact=True)
def _to_dtype(xp, x, *, dtype):
    if x.dtype.kind == "c" and dtype.category == 0:
        return x != 0
    return x.real if x.dtype.kind == "c" and not dtype.is_complex else x


@op(shape=rules.same, vjp=(lambda g: g,), name="clone", exact=True)
def _clone(xp, x):
    return x


def clone(input: Tensor, *, memory_format: object = None) -> Tensor:
    """A copy with memory of its own, on the graph (``torch.clone``).

    >>> import kuai as torch
    >>> x = torch.ones(2); y = x.clone(); y[0] = 5
    >>> x
    tensor([1., 1.])
    """
    return _clone(input) if _preserved(memory_format) else _formatted(input, memory_format)


def _preserved(memory_format: object) -> bool:
    """Whether no other memory format is asked for."""
    return memory_format is None or memory_format.name == "preserve_format"  # type: ignore[attr-defined]


def _formatted(x: Tensor, memory_format: object) -> Tensor:
    """A copy in a memory format."""
    from .views import in_format

    return in_format(x, memory_format)


def to_dtype(input: Tensor, d: dtype) -> Tensor:
    return input if input.dtype is d else _to_dtype(input, dtype=d)


def to_device(input: Tensor, where: device) -> Tensor:
    """The tensor on another device; a transfer is made at once."""
    if input.device is where:
        return input
    available(where)
    if input._storage is not None and input._storage.record is not None:
        return input._storage.moved(input, where)
    out = wrap(_transfer(input, where))
    if input._node is not None and current.grad:
        source = input.device
        out._node = ClosureNode("ToCopyBackward0", lambda g: to_device(g, source), (input._node,))
    return out


def _transfer(input: Tensor, where: device):
    aval = Aval(input.shape, input.dtype, where)
    if where.type == "meta":
        return concrete(None, aval)
    if input.device.type == "meta":
        raise NotImplementedError(
            "Cannot copy out of meta tensor; no data! Use torch.empty_like(t, device=...), or Module.to_empty(), instead"
        )
    data = materialize(input._read())
    if where.type == "cpu":
        return concrete(np.asarray(data), aval)
    from ..engine.compile import transfer

    return concrete(transfer(data, where), aval)


def to(self: Tensor, *args: object, device: object = None, dtype: object = None, non_blocking: bool = False,
       copy: bool = False, memory_format: object = None, other: Tensor | None = None) -> Tensor:  # fmt: skip
    """The tensor in a dtype and on a device; itself if it is that already (``torch.Tensor.to``).

    >>> import kuai as torch
    >>> torch.ones(2).to(torch.int64)
    tensor([1, 1])
    """
    device, dtype, copy = _target(args, device, dtype, copy, other)
    out = self
    if device is not None:
        out = to_device(out, placement(device))
    if dtype is not None:
        out = to_dtype(out, dtypes.as_dtype(dtype))
    if not _preserved(memory_format) and not out.is_contiguous(memory_format=memory_format):
        return _formatted(out, memory_format)
    return _clone(out) if copy and out is self else out


def _target(args: tuple, device_: object, dtype_: object, copy: bool, other: Tensor | None) -> tuple:
    """The device and dtype that the arguments of ``to`` ask for, and whether a copy is."""
    if any(a is None for a in args[2:]):
        raise TypeError("to(): arguments 'non_blocking' and 'copy' must be bool, not NoneType")
    for a in (*args, other):
        names_device = isinstance(a, (str, device)) or (isinstance(a, int) and not isinstance(a, bool) and a is args[0])
        names_dtype = isinstance(a, (dtypes.dtype, type))
        if (names_device and device_ is not None) or (names_dtype and dtype_ is not None):
            raise TypeError(f"to() received an invalid combination of arguments - got a second device or dtype, {a!r}")
        if isinstance(a, Tensor):
            device_, dtype_ = a.device, a.dtype
        elif names_device:
            device_ = a
        elif names_dtype:
            dtype_ = a
        elif isinstance(a, bool):
            copy = copy or (a is args[-1] and len([b for b in args if isinstance(b, bool)]) > 1)
        elif a is not None:
            raise TypeError(f"to() received an invalid combination of arguments - got {a!r}, needs a dtype, device or Tensor")
    return device_, dtype_, copy


def type_(self: Tensor, dtype: dtype | type | str | None = None, non_blocking: bool = False) -> object:
    """The tensor's type as a string, or the tensor in another dtype (``torch.Tensor.type``).

    A type's name, or a typed constructor, says the kind of device too; a dtype leaves the tensor where it is.

    >>> import kuai as torch
    >>> torch.ones(1).type(), torch.tensor([1.7]).type(torch.int64)
    ('torch.FloatTensor', tensor([1]))
    """
    if dtype is None:
        prefix = "torch." if self.device.type == "cpu" else f"torch.{self.device.type}."
        prefix += "sparse." if self._storage is not None and self._storage.record is not None else ""
        return f"{prefix}{rules._cname(self.dtype)}Tensor"
    found, where = _type_meant(dtype, self.device.type)
    moved = self if where == self.device.type else to_device(self, placement(where))
    return to_dtype(moved, found)


def _type_meant(asked: Any, here: str) -> tuple[dtype, str]:
    """The dtype and the kind of device that a dtype, a type's name or a typed constructor says."""
    if isinstance(asked, dtypes.dtype):
        return asked, here
    if isinstance(asked, str):
        return _type_named(asked)
    if asked is Tensor:
        return dtypes.get_default_dtype(), "cpu"
    if not hasattr(asked, "where"):
        raise ValueError(f"invalid type: '{asked.__qualname__}'")
    return asked.dtype, asked.where


_TYPE_NAME = re.compile(r"torch\.(?:(cuda|tpu|mps|xpu)\.)?(?:sparse\.)?(\w+)Tensor")


def _type_named(name: str) -> tuple[dtype, str]:
    """The dtype and the kind of device of a type's name."""
    parts = _TYPE_NAME.fullmatch(name)
    found = [d for d in dtypes.ALL.values() if parts and rules._cname(d) == parts[2]]
    if not parts or not found:
        raise ValueError(f"invalid type: '{name}'")
    return found[0], parts[1] or "cpu"


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """The tensor in another's dtype and on its device (``torch.Tensor.type_as``).

    >>> import kuai as torch
    >>> torch.tensor([1.5]).type_as(torch.tensor(1))
    tensor([1])
    """
    if not isinstance(other, Tensor):
        raise TypeError(f"type_as(): argument 'other' (position 1) must be Tensor, not {type(other).__name__}")
    return to(self, other)


def _caster(d: dtype, name: str) -> Callable:
    def cast(self: Tensor, memory_format: object = None) -> Tensor:
        return to(self, dtype=d, memory_format=memory_format)

    example = f">>> import kuai as torch\n    >>> torch.tensor([0, 2]).{name}().dtype\n    {d}"
    cast.__name__, cast.__doc__ = name, f"The tensor as {d} (``torch.Tensor.{name}``).\n\n    {example}"
    return cast


def cpu(self: Tensor, memory_format: object = None) -> Tensor:
    """The tensor in the host's memory (``torch.Tensor.cpu``).

    >>> import kuai as torch
    >>> torch.ones(2).cpu()
    tensor([1., 1.])
    """
    return to(self, device="cpu", memory_format=memory_format)


def cuda(self: Tensor, device: object = None, non_blocking: bool = False, memory_format: object = None) -> Tensor:
    """The tensor on an NVIDIA GPU (``torch.Tensor.cuda``)."""
    return to(self, device="cuda" if device is None else device, memory_format=memory_format)


# ---- writing in place ------------------------------------------------------------------------------------------------


# In-place forms that write elements one by one; the others refuse a tensor of which several elements are one in memory.
ONE_BY_ONE = frozenset("fill_ zero_ masked_fill_ index_fill_ index_put_ tril_ triu_ fill_diagonal_".split())


_REPEATED = (
    "{}: unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
    "Please clone() the tensor before performing the operation."
)


def assign(self: Tensor, result: Tensor, name: str = "copy_") -> Tensor:
    """Make a result the tensor's new content: every in-place form ends here."""
    if current.grad:
        _check_leaf(self)
        if (self._path or self._maker) and (self._node is not None or result._node is not None):
            _check_view(self)
    _check_mode(self, name)
    if self._path and name not in ONE_BY_ONE and repeats(self):
        raise RuntimeError(_REPEATED.format(name))
    if result.shape != self.shape:
        raise RuntimeError(
            f"{name}: output with shape {list(self.shape)} doesn't match the broadcast shape {list(result.shape)}"
        )
    if result.dtype is not self.dtype:
        if not dtypes.can_cast(result.dtype, self.dtype):
            source, target = rules._cname(result.dtype), rules._cname(self.dtype)
            raise RuntimeError(f"{name}: result type {source} can't be cast to the desired output type {target}")
        result = _to_dtype(result, dtype=self.dtype)
    if self._node is not None and result._node is None:  # overwritten with what has no gradient
        result = constant_in(result._content(), f"{name.rstrip('_').capitalize()}Backward0", self)
    return self._write(result, tracked=current.grad)


_IN_PLACE_VIEW = (
    "A result of {0} is a view and is being modified inplace. Views that a custom Function gives, or a function of several views, "
    "cannot be: the derivative of {0} is that of all its results. Clone the view first, or use an operation that is not in place."
)


_UNTRACKED_VIEW = (
    "A view was created in {0} mode and is being modified inplace with grad mode enabled. Given that this use case is ambiguous and "
    "error-prone, it is forbidden. Make the view outside of the mode, or edit it inside (and then the edit is not tracked)."
)


def _check_tracked(node: object) -> None:
    if type(node) is Untracked:
        raise RuntimeError(_UNTRACKED_VIEW.format(node.mode))


def _check_mode(self: Tensor, name: str) -> None:
    if engine_trace.marks and not current.inference and self._is_inference():
        raise RuntimeError(
            f"{name}: Inplace update to inference tensor outside InferenceMode is not allowed. You can make a clone to get a normal "
            "tensor before doing inplace update."
        )


def _check_leaf(self: Tensor) -> None:
    """Refuse to edit, on the graph, a leaf or a view of one, or a view that is none of the graph's."""
    _check_tracked(self._node)
    if type(self._node) is AccumulateGrad:
        raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
    if self._base is not None and type(self._base._node) is AccumulateGrad:
        raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")


def _check_view(self: Tensor) -> None:
    """Refuse to edit a view whose derivative is that of others too."""
    maker = self._maker or next((step.among for step in self._path if step.among), None)
    if maker is not None:
        raise RuntimeError(_IN_PLACE_VIEW.format(maker))
    node = self._node
    while type(node) is OpNode and node.state.op.scatter is not None:
        node = node.edges[0]
    _check_tracked(node)


def copy_(self: Tensor, other: object, non_blocking: bool = False) -> Tensor:
    """Copy the elements of another tensor, broadcast and converted (``torch.Tensor.copy_``).

    >>> import kuai as torch
    >>> torch.zeros(2).copy_(torch.tensor([1, 2]))
    tensor([1., 2.])
    """
    src = other
    if not isinstance(src, Tensor):
        from .creation import full

        src = full((), src)
    if src.device is not self.device:
        src = to_device(src, self.device)
    if src.dtype is not self.dtype:
        src = _to_dtype(src, dtype=self.dtype)
    if src.shape != self.shape:
        src = src.expand(self.shape)
    elif src._node is not None or engine_trace.marks:
        src = _clone(src)  # a node of its own: this tensor is not to pass for the other in the graph
    return assign(self, src)


def fill_(self: Tensor, value: object) -> Tensor:
    """Set every element to a number (``torch.Tensor.fill_``).

    >>> import kuai as torch
    >>> torch.zeros(2).fill_(3)
    tensor([3., 3.])
    """
    from .creation import full_op, needed_number

    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.")
        return copy_(self, value)
    rules.need_fit(needed_number("fill_", value), self.dtype, "fill_")
    return assign(self, full_op(value, shape=self.shape, dtype=self.dtype, device=self.device), "fill_")


def zero_(self: Tensor) -> Tensor:
    """Set every element to zero (``torch.Tensor.zero_``).

    >>> import kuai as torch
    >>> torch.ones(2).zero_()
    tensor([0., 0.])
    """
    if self._storage is not None and self._storage.record is not None:
        return assign(self, self._storage.emptied(), "zero_")
    return fill_(self, 0)


def set_out(self: Tensor, result: Tensor) -> Tensor:
    """Put a result into this tensor, given as ``out=``; a tensor of another shape is resized."""
    check_out(self, result)
    result = to_dtype(result, self.dtype)
    if result.shape == self.shape:
        return self._write(result, tracked=False)
    self._adopt(result)
    return self


def check_out(self: Tensor, result: Tensor) -> None:
    """Refuse a tensor given as ``out=`` that the result cannot be put into."""
    if current.grad and (result._node is not None or self._node is not None):
        raise RuntimeError(
            "out=... arguments don't support automatic differentiation, but one of the arguments requires grad."
        )
    if not dtypes.can_cast(result.dtype, self.dtype):
        source, target = rules._cname(result.dtype), rules._cname(self.dtype)
        raise RuntimeError(f"result type {source} can't be cast to the desired output type {target}")
    if result.device is not self.device:
        raise RuntimeError(f"Expected out tensor to be on {result.device}, but it is on {self.device}")
    if self._path and repeats(self):
        raise RuntimeError(_REPEATED.format("out="))
    _check_mode(self, "out=")


def requires_grad_(self: Tensor, requires_grad: bool = True) -> Tensor:
    """Collect gradients for this leaf, or stop to (``torch.Tensor.requires_grad_``).

    >>> import kuai as torch
    >>> torch.ones(2).requires_grad_()
    tensor([1., 1.], requires_grad=True)
    """
    if requires_grad:
        return require_grad(self)
    if self._node is not None and type(self._node) not in LEAVES:
        raise RuntimeError(
            "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a "
            "subgraph that doesn't require differentiation use var_no_grad = var.detach()."
        )
    self._node = None
    return self


def detach(self: Tensor) -> Tensor:
    """The same memory, outside the graph (``torch.Tensor.detach``).

    >>> import kuai as torch
    >>> torch.ones(2, requires_grad=True).detach().requires_grad
    False
    """
    return self._alias()


def detach_(self: Tensor) -> Tensor:
    """Take this tensor out of the graph (``torch.Tensor.detach_``).

    >>> import kuai as torch
    >>> (torch.ones(1, requires_grad=True) * 2).detach_()
    tensor([2.])
    """
    if self._base is not None:
        raise RuntimeError("Can't detach views in-place. Use detach() instead.")
    self._node = None
    return self


METHODS = ("clone", "to", "type_as", "cpu", "cuda", "copy_", "fill_", "zero_", "requires_grad_", "detach", "detach_")
INPLACE = ()
METHODS_EXTRA = {
    "type": type_,
    "_set_out": set_out,
    "_check_out": check_out,
    **{n: _caster(d, n) for n, d in dtypes.ALIASES.items()},
    "bfloat16": _caster(dtypes.bfloat16, "bfloat16"),
}
