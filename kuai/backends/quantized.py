"""Kernels of quantized tensors (``torch.backends.quantized``): there are none."""

engine = "none"
supported_engines = ["none"]
