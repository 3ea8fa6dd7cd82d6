"""Memory shared with other libraries (``torch.utils.dlpack``).

>>> import kuai as torch
>>> from kuai.utils.dlpack import from_dlpack, to_dlpack
>>> from_dlpack(torch.ones(2))
tensor([1., 1.])
"""

from __future__ import annotations

from typing import Any

from ..ops.creation import from_dlpack as from_dlpack
from ..tensor import Tensor


def to_dlpack(tensor: Tensor) -> Any:
    """A capsule that another library's ``from_dlpack`` takes, once (``torch.utils.dlpack.to_dlpack``).

    >>> import kuai as torch
    >>> torch.from_dlpack(torch.utils.dlpack.to_dlpack(torch.ones(2)))
    tensor([1., 1.])
    """
    return tensor.__dlpack__()
