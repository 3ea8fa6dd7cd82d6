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
    """What quantizes has its name, and refuses."""
    from .absent import FUNCTIONS, file, named

    found = named(name) if name in FUNCTIONS else file(name) or named(name)
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}: kuai has no quantized tensors")
    return found
