"""PyTorch's folder of quantization (``torch.ao``)."""

from . import nn as nn
from . import quantization as quantization
