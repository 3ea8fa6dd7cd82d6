"""Walks over symbolic graphs (``torch.fx.passes``)."""

from . import shape_prop as shape_prop
