"""One function on many tensors (``torch._foreach_add`` and its like): what optimizers written for PyTorch update lists with.

Each applies the op of its name to one tensor after the other; recording makes one program of them anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Number

from ..autograd.modes import no_grad
from ..dtypes import can_cast
from ..tensor import Tensor
from .norms import vector_norm

_UNARY = ("abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 neg reciprocal round rsqrt "
          "sigmoid sign sin sinh sqrt tan tanh trunc").split()  # fmt: skip
_BINARY = "add sub mul div maximum minimum clamp_min clamp_max pow".split()
_BY_SCALARS = {"maximum": "clamp_min", "minimum": "clamp_max"}  # the methods that take a number


def _checked(name: str, tensors: Sequence[Tensor]) -> None:
    if not isinstance(tensors, (tuple, list)) or not all(isinstance(t, Tensor) for t in tensors):
        raise TypeError(f"{name}(): argument 'self' must be tuple of Tensors, not {type(tensors).__name__}")
    if not tensors:
        raise RuntimeError(f"{name}: Tensor list must have at least one tensor.")


def _each(name: str, operand: object, count: int) -> Sequence:
    """An operand for each tensor: from a list of them, or the same one for all."""
    if isinstance(operand, Tensor):
        if operand.ndim:
            raise RuntimeError(
                f"{name}: scalar tensor expected to be 0 dim but it has {operand.ndim} dimensions and {operand.numel()} elements."
            )
        return [operand] * count
    if not isinstance(operand, (tuple, list)):
        return [operand] * count
    if len(operand) != count:
        if any(isinstance(x, Tensor) for x in operand):
            raise RuntimeError(f"{name}: Tensor lists must have the same number of tensors, got {count} and {len(operand)}")
        raise RuntimeError(f"{name}: Tensor list must have same number of elements as scalar list.")
    return operand


def _into(tensors: Sequence[Tensor], results: Sequence[Tensor]) -> Sequence[Tensor]:
    for x, result in zip(tensors, results):
        if not can_cast(result.dtype, x.dtype):
            raise RuntimeError(f"result type {result.dtype} can't be cast to the desired output type {x.dtype}")
    with no_grad():
        for x, result in zip(tensors, results):
            x.copy_(result)
    return tensors


def _unary(op: str) -> Callable:
    def foreach(self: Sequence[Tensor]) -> tuple[Tensor, ...]:
        _checked(f"_foreach_{op}", self)
        return tuple(getattr(x, op)() for x in self)

    return foreach


def _unary_inplace(op: str) -> Callable:
    def foreach(self: Sequence[Tensor]) -> Sequence[Tensor]:
        _checked(f"_foreach_{op}_", self)
        for x in self:
            getattr(x, f"{op}_")()
        return self

    return foreach


def _combined(op: str, x: object, y: object, alpha: dict) -> Tensor:
    if isinstance(y, Number):
        return getattr(x, _BY_SCALARS.get(op, op))(y, **alpha)
    return y.__rpow__(x) if isinstance(x, Number) else getattr(x, op)(y, **alpha)  # type: ignore[attr-defined]


def _binary(op: str) -> Callable:
    def foreach(self: object, other: object, *, alpha: complex = 1) -> tuple[Tensor, ...]:
        name, scale = f"_foreach_{op}", {} if type(alpha) is int and alpha == 1 else {"alpha": alpha}
        lists = other if op == "pow" and isinstance(self, Number) else self
        _checked(name, lists)  # type: ignore[arg-type]
        pairs = zip(_each(name, self, len(lists)), _each(name, other, len(lists)))  # type: ignore[arg-type]
        return tuple(_combined(op, x, y, scale) for x, y in pairs)

    return foreach


def _inplace(plain: Callable) -> Callable:
    def foreach(self: Sequence[Tensor], *args: object, **kwargs: object) -> Sequence[Tensor]:
        return _into(self, plain(self, *args, **kwargs))

    return foreach


def _fused(op: str) -> Callable:
    """addcmul and addcdiv: their factors are a number, a list of them, or a tensor of one dimension."""

    def foreach(self: Sequence[Tensor], tensor1: Sequence[Tensor], tensor2: Sequence[Tensor], scalars: object = None, *,
                value: object = 1) -> tuple[Tensor, ...]:  # fmt: skip
        name = f"_foreach_{op}"
        _checked(name, self)
        given = value if scalars is None else scalars
        factors = _each(name, given.tolist() if isinstance(given, Tensor) else given, len(self))
        rows = zip(self, _each(name, tensor1, len(self)), _each(name, tensor2, len(self)), factors)
        return tuple(getattr(x, op)(a, b, value=f) for x, a, b, f in rows)

    return foreach


def _foreach_lerp(self: Sequence[Tensor], tensors1: Sequence[Tensor], weight: object) -> tuple[Tensor, ...]:
    """From each tensor towards another, by a weight, a list of them, or tensors of weights."""
    _checked("_foreach_lerp", self)
    ends, weights = (_each("_foreach_lerp", given, len(self)) for given in (tensors1, weight))
    return tuple(x.lerp(y, w) for x, y, w in zip(self, ends, weights))


def _foreach_norm(self: Sequence[Tensor], ord: float = 2, dtype: object = None) -> tuple[Tensor, ...]:
    """The norm of each tensor as one vector.

    >>> import kuai as torch
    >>> torch._foreach_norm([torch.tensor([3., 4.]), torch.ones(4)])
    (tensor(5.), tensor(2.))
    """
    _checked("_foreach_norm", self)
    return tuple(vector_norm(x, ord, dtype=dtype) for x in self)


def _foreach_powsum(self: Sequence[Tensor], ord: float = 2, dtype: object = None) -> tuple[Tensor, ...]:
    """The sum of each tensor's absolute values to a power."""
    _checked("_foreach_powsum", self)
    return tuple((x if dtype is None else x.to(dtype)).abs().pow(ord).sum() for x in self)


def _foreach_max(self: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The greatest element of each tensor."""
    _checked("_foreach_max", self)
    return tuple(x.max() for x in self)


def _foreach_clone(self: Sequence[Tensor], *, memory_format: object = None) -> tuple[Tensor, ...]:
    """A copy of each tensor."""
    _checked("_foreach_clone", self)
    return tuple(x.clone() for x in self)


def _foreach_mm(self: Sequence[Tensor], mat2: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Products of matrices, pair by pair."""
    _checked("_foreach_mm", self)
    return tuple(x.mm(y) for x, y in zip(self, _each("_foreach_mm", mat2, len(self))))


def _foreach_copy_(self: Sequence[Tensor], src: Sequence[Tensor], non_blocking: bool = False) -> Sequence[Tensor]:
    """Copy each of the sources into a tensor."""
    _checked("_foreach_copy_", self)
    for x, y in zip(self, _each("_foreach_copy_", src, len(self))):
        x.copy_(y)
    return self


_foreach_zero_ = _unary_inplace("zero")
_foreach_lerp_ = _inplace(_foreach_lerp)



def _define(name: str, function: Callable) -> None:
    """Give a function its public name."""
    function.__name__ = function.__qualname__ = name
    globals()[name] = function


for _op in _UNARY:
    _define(f"_foreach_{_op}", _unary(_op))
    _define(f"_foreach_{_op}_", _unary_inplace(_op))
for _op, _make in (*((op, _binary) for op in _BINARY), ("addcmul", _fused), ("addcdiv", _fused)):
    _plain = _make(_op)
    _define(f"_foreach_{_op}", _plain)
    _define(f"_foreach_{_op}_", _inplace(_plain))
