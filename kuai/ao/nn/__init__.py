"""Layers of models that can be quantized (``torch.ao.nn``)."""

from . import quantized as quantized
