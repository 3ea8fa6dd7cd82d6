"""Questions to PyTorch's Python compiler (``torch._dynamo.utils``)."""

from __future__ import annotations

from ..devices import device


def is_compile_supported(device_type: str | device) -> bool:
    """Whether programs on a type of device are compiled: on all but "meta", which computes nothing.

    >>> from kuai._dynamo.utils import is_compile_supported
    >>> is_compile_supported("cpu")
    True
    """
    return device(device_type).type != "meta"
