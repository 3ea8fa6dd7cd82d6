"""Dropout layers (``torch.nn``): active while training, the identity after ``eval()``."""

from __future__ import annotations

from collections.abc import Callable

from ..tensor import Tensor
from . import functional as F
from .module import Module


class _DropoutNd(Module):
    """What all kinds of dropout have in common."""

    _drop: Callable[..., Tensor]

    def __init__(self, p: float = 0.5, inplace: bool = False):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        return type(self)._drop(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """Zero elements with probability p and scale the others by 1 / (1 - p).

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0); torch.nn.Dropout(0.5)(torch.ones(4))
    tensor([0., 0., 2., 0.])
    """

    _drop = F.dropout


class Dropout1d(_DropoutNd):
    """Zero whole channels of (N, C, L) or (C, L).

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0); torch.nn.Dropout1d(0.5)(torch.ones(3, 1)).flatten()
    tensor([0., 0., 2.])
    """

    _drop = F.dropout1d


class Dropout2d(_DropoutNd):
    """Zero whole channels of (N, C, H, W).

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0); torch.nn.Dropout2d(0.5)(torch.ones(1, 3, 1, 1)).flatten()
    tensor([0., 0., 2.])
    """

    _drop = F.dropout2d


class Dropout3d(_DropoutNd):
    """Zero whole channels of (N, C, D, H, W) or (C, D, H, W).

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0); torch.nn.Dropout3d(0.5)(torch.ones(1, 3, 1, 1, 1)).flatten()
    tensor([0., 0., 2.])
    """

    _drop = F.dropout3d


class AlphaDropout(_DropoutNd):
    """Dropout that keeps mean and variance of what `SELU` gives.

    >>> import kuai as torch
    >>> torch.nn.AlphaDropout(0.5).eval()(torch.ones(2))
    tensor([1., 1.])
    """

    _drop = F.alpha_dropout


class FeatureAlphaDropout(_DropoutNd):
    """`AlphaDropout` of whole channels.

    >>> import kuai as torch
    >>> torch.nn.FeatureAlphaDropout(0.5).eval()(torch.ones(1, 2))
    tensor([[1., 1.]])
    """

    _drop = F.feature_alpha_dropout
