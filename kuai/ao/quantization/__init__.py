"""The marks of models that can be quantized (``torch.ao.quantization``). They compute; the quantization itself is not there.

>>> import kuai as torch
>>> torch.ao.quantization.QuantStub()(torch.ones(1))
tensor([1.])
"""

from __future__ import annotations

from .stubs import DeQuantStub as DeQuantStub
from .stubs import QuantStub as QuantStub
from .stubs import QuantWrapper as QuantWrapper


def __getattr__(name: str) -> object:
    if name.startswith("__") or name not in _MISSING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def missing(*args: object, **kwargs: object) -> object:
        raise NotImplementedError(f"torch.ao.quantization.{name}: kuai has no quantized tensors; run the model in float or bfloat16")

    return missing


_MISSING = frozenset(
    "prepare prepare_qat convert quantize quantize_qat quantize_dynamic fuse_modules fuse_modules_qat get_default_qconfig "
    "get_default_qat_qconfig QConfig default_qconfig".split()
)
