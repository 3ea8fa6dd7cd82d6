"""Arithmetic as a module (``torch.ao.nn.quantized``, ``torch.nn.quantized``)."""

from __future__ import annotations

from collections.abc import Sequence

from ..ops.joining import cat
from ..ops.rectifiers import relu
from ..tensor import Tensor
from .linear import Identity
from .module import Module


class FloatFunctional(Module):
    """Additions and products as a module, so that a quantized model can watch their results; call its methods, not itself.

    >>> from kuai.nn.quantized import FloatFunctional
    >>> import kuai as torch
    >>> FloatFunctional().add_relu(torch.tensor(-2.), torch.tensor(1.))
    tensor(0.)
    """

    def __init__(self) -> None:
        super().__init__()
        self.activation_post_process = Identity()

    def forward(self, x: object) -> object:
        raise RuntimeError("FloatFunctional is not intended to use the 'forward'. Please use the underlying operation")

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        """x + y."""
        return self.activation_post_process(x + y)

    def add_scalar(self, x: Tensor, y: float) -> Tensor:
        """x + y, for a number; not watched, as its range follows from x's."""
        return x + y

    def mul(self, x: Tensor, y: Tensor) -> Tensor:
        """x · y."""
        return self.activation_post_process(x * y)

    def mul_scalar(self, x: Tensor, y: float) -> Tensor:
        """x · y, for a number; not watched, as its range follows from x's."""
        return x * y

    def cat(self, x: Sequence[Tensor], dim: int = 0) -> Tensor:
        """The tensors one after the other."""
        return self.activation_post_process(cat(x, dim=dim))

    def add_relu(self, x: Tensor, y: Tensor) -> Tensor:
        """relu(x + y)."""
        return self.activation_post_process(relu(x + y))

    def matmul(self, x: Tensor, y: Tensor) -> Tensor:
        """x @ y."""
        return self.activation_post_process(x @ y)


# Layers that PyTorch has for quantized tensors: programs ask whether a module is one.
_LAYERS = frozenset(
    "BatchNorm2d BatchNorm3d Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d DeQuantize Dropout ELU Embedding "
    "EmbeddingBag FXFloatFunctional GroupNorm Hardswish InstanceNorm1d InstanceNorm2d InstanceNorm3d LSTM LayerNorm LeakyReLU Linear "
    "MultiheadAttention PReLU QFunctional Quantize ReLU6 Sigmoid Softmax".split()
)


def __getattr__(name: str) -> object:
    """A layer for quantized tensors: a class of which no object can be made."""
    if name not in _LAYERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __init__(self: object, *args: object, **kwargs: object) -> None:  # noqa: N807
        raise NotImplementedError(f"torch.ao.nn.quantized.{name}: kuai has no quantized tensors; use torch.nn.{name} in float or bfloat16")

    made = globals()[name] = type(name, (Module,), {"__init__": __init__, "__doc__": "For quantized tensors: no object here is one."})
    return made
