"""Questions that programs ask PyTorch's tracer (``torch.fx.experimental``)."""

from . import proxy_tensor as proxy_tensor
from . import symbolic_shapes as symbolic_shapes
