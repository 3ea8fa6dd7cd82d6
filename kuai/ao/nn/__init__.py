"""Layers of models that can be quantized (``torch.ao.nn``)."""

from ...nn import quantized as quantized
