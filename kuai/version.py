"""Versions, by PyTorch's names (``torch.version``)."""

__version__ = "2.13.0+kuai"
cuda = None  # JAX's plugin brings its own
hip = None
git_version = "unknown"
debug = False
