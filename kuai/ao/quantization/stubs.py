"""Where a quantized model would begin and end."""

from __future__ import annotations

from ...nn import Module
from ...tensor import Tensor


class QuantStub(Module):
    """Where a model that can be quantized begins: the identity until it is (``torch.ao.quantization.QuantStub``)."""

    def __init__(self, qconfig: object = None):
        super().__init__()
        if qconfig:
            self.qconfig = qconfig

    def forward(self, x: Tensor) -> Tensor:
        return x


class DeQuantStub(QuantStub):
    """Where a model that can be quantized ends: the identity until it is (``torch.ao.quantization.DeQuantStub``)."""


class QuantWrapper(Module):
    """A module between a beginning and an end (``torch.ao.quantization.QuantWrapper``)."""

    def __init__(self, module: Module):
        super().__init__()
        qconfig = getattr(module, "qconfig", None)
        self.quant, self.dequant = QuantStub(qconfig), DeQuantStub(qconfig)
        self.module = module
        self.train(module.training)

    def forward(self, X: Tensor) -> Tensor:
        return self.dequant(self.module(self.quant(X)))
