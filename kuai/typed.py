"""The typed constructors: ``torch.FloatTensor([1, 2])``, ``isinstance(x, torch.LongTensor)``, ``torch.cuda.FloatTensor``."""

from __future__ import annotations

from . import dtypes
from .devices import placement
from .dtypes import dtype
from .ops.creation import legacy_of
from .ops.rules import _cname
from .tensor import Tensor


class _Typed(type):
    """The class of typed constructors: calling one makes a tensor, and isinstance asks for dtype and device."""

    dtype: dtype
    where: str

    def __call__(cls, *args: object, device: object = None) -> Tensor:
        if device is not None and placement(device).type != cls.where:
            raise RuntimeError(f"legacy constructor expects device type: {cls.where} but device type: {placement(device).type} was passed")
        for x in args[:1]:
            if isinstance(x, Tensor) and x.dtype is not cls.dtype:
                raise TypeError(f"new(): expected a tensor of {cls.dtype} (got one of {x.dtype}); convert it with .to({cls.dtype})")
        return legacy_of(cls.dtype, args, device or cls.where)

    def __instancecheck__(cls, x: object) -> bool:
        return isinstance(x, Tensor) and x.dtype is cls.dtype and x.device.type == cls.where


def make(where: str = "cpu") -> dict[str, type]:
    """The typed constructors of a type of device, by name."""
    prefix = "torch" if where == "cpu" else f"torch.{where}"
    kinds = ("float32", "float64", "float16", "bfloat16", "uint8", "int8", "int16", "int32", "int64", "bool")
    found: dict[str, type] = {}
    for kind in kinds:
        d = dtypes.ALL[kind]
        name = f"{_cname(d)}Tensor"
        found[name] = _Typed(name, (), {"dtype": d, "where": where, "__module__": prefix, "__doc__": f"Makes tensors of {d}."})
    return found
