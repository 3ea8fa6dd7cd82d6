"""What of ``torch.onnx`` programs name without exporting. The export itself is not there, and says so.

>>> import kuai as torch
>>> torch.onnx.is_in_onnx_export()
False
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from . import operators as operators

_symbolics: dict[tuple[str, int], Callable] = {}


class TensorProtoDataType(IntEnum):
    """ONNX's numbers for dtypes (``torch.onnx.TensorProtoDataType``)."""

    UNDEFINED = 0
    FLOAT = 1
    UINT8 = 2
    INT8 = 3
    UINT16 = 4
    INT16 = 5
    INT32 = 6
    INT64 = 7
    STRING = 8
    BOOL = 9
    FLOAT16 = 10
    DOUBLE = 11
    UINT32 = 12
    UINT64 = 13
    COMPLEX64 = 14
    COMPLEX128 = 15
    BFLOAT16 = 16


def is_in_onnx_export() -> bool:
    """False: nothing is ever exported (``torch.onnx.is_in_onnx_export``)."""
    return False


def export(model: object, *args: object, **kwargs: object) -> object:
    """Not there: an export needs a symbolic graph (``torch.onnx.export``)."""
    raise NotImplementedError("torch.onnx.export: kuai has no ONNX export; save the weights with torch.save and export with PyTorch")


def register_custom_op_symbolic(symbolic_name: str, symbolic_fn: Callable, opset_version: int) -> None:
    """Keep how an operator would be exported (``torch.onnx.register_custom_op_symbolic``); nothing asks for it here."""
    _symbolics[_checked(symbolic_name), opset_version] = symbolic_fn


def unregister_custom_op_symbolic(symbolic_name: str, opset_version: int) -> None:
    """Forget what was registered (``torch.onnx.unregister_custom_op_symbolic``)."""
    _symbolics.pop((_checked(symbolic_name), opset_version), None)


def _checked(name: str) -> str:
    if name.count("::") != 1 or name.startswith("::") or name.endswith("::"):
        raise ValueError(f"Failed to register operator {name}. The symbolic name must match the format domain::name")
    return name
