"""Tensors without values that PyTorch's compiler traces with (``torch._subclasses``): there are none; "meta" tensors have shapes."""

from . import fake_tensor as fake_tensor
from .fake_tensor import FakeTensor as FakeTensor
