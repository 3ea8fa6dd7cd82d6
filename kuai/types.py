"""Names for annotations (``torch.types``).

>>> import kuai as torch
>>> isinstance(2.5, torch.types.Number)
True
"""

from __future__ import annotations

import builtins
import os
from collections.abc import Sequence
from typing import Any

from .devices import device as _device
from .dtypes import dtype as _dtype  # noqa: F401 (PyTorch has it, and programs import it)
from .engine import Size as _Size
from .tensor import Tensor as Tensor

_bool, _bytes, _complex, _float, _int, _str = bool, bytes, complex, float, int, str

Number = builtins.int | builtins.float | builtins.bool
Device = _device | str | int | None
FileLike = str | os.PathLike[str] | Any
Storage = Any
_TensorOrTensors = Tensor | Sequence[Tensor]
_size = _Size | list[int] | tuple[int, ...]

__all__ = ["Number", "Device", "FileLike", "Storage", "Tensor"]
