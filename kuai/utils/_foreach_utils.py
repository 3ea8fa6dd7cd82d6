"""What optimizers ask before they use functions of lists (``torch.utils._foreach_utils``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import kuai

Indices = list[int]
TensorListList = list[list[Any]]


def _get_foreach_kernels_supported_devices() -> list[str]:
    """The devices on which functions of lists are the fast ones.

    >>> from kuai.utils._foreach_utils import _get_foreach_kernels_supported_devices
    >>> "cuda" in _get_foreach_kernels_supported_devices()
    True
    """
    return ["cuda", "xpu", "mtia", "privateuseone"]


def _get_fused_kernels_supported_devices() -> list[str]:
    """The devices for which optimizers take ``fused=True``."""
    return ["cuda", "xpu", "cpu", "mps", "mtia"]


def _has_foreach_support(tensors: Sequence[Any], device: Any) -> bool:
    return device.type in _get_foreach_kernels_supported_devices() and all(t is None or type(t) is kuai.Tensor for t in tensors)


def _device_has_foreach_support(device: Any) -> bool:
    return device.type in (*_get_foreach_kernels_supported_devices(), "cpu")


def _group_tensors_by_device_and_dtype(tensorlistlist: list[list[Any]], with_indices: bool = False) -> dict:
    """Lists of tensors apart by the first list's devices and dtypes; with their places if asked for.

    >>> import kuai as torch
    >>> from kuai.utils._foreach_utils import _group_tensors_by_device_and_dtype
    >>> groups = _group_tensors_by_device_and_dtype([[torch.ones(1), torch.ones(1, dtype=torch.int), torch.ones(2)]], True)
    >>> [(str(dtype), places) for (device, dtype), (lists, places) in groups.items()]
    [('torch.float32', [0, 2]), ('torch.int32', [1])]
    """
    groups: dict = {}
    for i, tensor in enumerate(tensorlistlist[0]):
        lists, places = groups.setdefault((tensor.device, tensor.dtype), ([[] for _ in tensorlistlist], []))
        for into, whole in zip(lists, tensorlistlist):
            if whole:
                into.append(whole[i])
        places.append(i)
    return {key: (lists, places if with_indices else []) for key, (lists, places) in groups.items()}
