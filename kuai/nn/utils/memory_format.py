"""Weights in a memory format: here the executor lays out memory, so there is nothing to convert."""

from __future__ import annotations

from typing import Any


def convert_conv2d_weight_memory_format(module: Any, memory_format: object) -> Any:
    """The module as it is (``torch.nn.utils.convert_conv2d_weight_memory_format``)."""
    return module


def convert_conv3d_weight_memory_format(module: Any, memory_format: object) -> Any:
    """The module as it is (``torch.nn.utils.convert_conv3d_weight_memory_format``)."""
    return module
