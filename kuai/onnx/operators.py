"""Functions that an export can follow (``torch.onnx.operators``)."""

from __future__ import annotations

from ..ops.creation import tensor
from ..ops.views import reshape
from ..tensor import Tensor


def shape_as_tensor(x: Tensor) -> Tensor:
    """The shape as a tensor (``torch.onnx.operators.shape_as_tensor``).

    >>> import kuai as torch
    >>> torch.onnx.operators.shape_as_tensor(torch.zeros(2, 3))
    tensor([2, 3])
    """
    return tensor(list(x.shape))


def reshape_from_tensor_shape(x: Tensor, shape: Tensor) -> Tensor:
    """`reshape` to a shape given as a tensor (``torch.onnx.operators.reshape_from_tensor_shape``)."""
    return reshape(x, tuple(shape.tolist()))
