"""Weights in a memory format: here the executor lays out memory, so there is nothing to convert."""

from __future__ import annotations

from typing import Any


def convert_conv2d_weight_memory_format(module: Any, memory_format: object) -> Any:
    """The module as it is (``torch.nn.utils.convert_conv2d_weight_memory_format``).

    >>> import kuai as torch
    >>> torch.nn.utils.convert_conv2d_weight_memory_format(torch.nn.Conv2d(1, 1, 1), torch.channels_last)
    Conv2d(1, 1, kernel_size=(1, 1), stride=(1, 1))
    """
    return module


def convert_conv3d_weight_memory_format(module: Any, memory_format: object) -> Any:
    """The module as it is (``torch.nn.utils.convert_conv3d_weight_memory_format``)."""
    return module
