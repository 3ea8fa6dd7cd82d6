"""Automatic differentiation (``torch.autograd``)."""
