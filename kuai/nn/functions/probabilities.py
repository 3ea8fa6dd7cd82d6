"""Softmax with the arguments of ``torch.nn.functional``, and draws from it."""

from __future__ import annotations

import warnings

from ...ops import softmax as ops
from ...ops.likes import empty_like, zeros_like
from ...tensor import Tensor


def _dim(name: str, dim: int | None, rank: int, stacklevel: int) -> int:
    """The dimension that is meant if none is said, which is deprecated."""
    if dim is not None:
        return dim
    warnings.warn(f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an "
                  "argument.", stacklevel=stacklevel + 1)  # fmt: skip
    return 0 if rank in (0, 1, 3) else 1


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: object = None) -> Tensor:
    """Exponentials, divided by their sum along a dimension.

    >>> import kuai as torch
    >>> torch.nn.functional.softmax(torch.zeros(2), dim=0)
    tensor([0.5000, 0.5000])
    """
    return ops.softmax(input, _dim("softmax", dim, len(input.shape), _stacklevel), dtype)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: object = None) -> Tensor:
    """`softmax` of the negative.

    >>> import kuai as torch
    >>> torch.nn.functional.softmin(torch.tensor([0., 100.]), dim=0)[0]
    tensor(1.)
    """
    return ops.softmax(-input, _dim("softmin", dim, len(input.shape), _stacklevel), dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: object = None) -> Tensor:
    """The logarithm of `softmax`, without its loss of precision.

    >>> import kuai as torch
    >>> torch.nn.functional.log_softmax(torch.tensor([0., 1000.]), dim=0)
    tensor([-1000.,     0.])
    """
    return ops.log_softmax(input, _dim("log_softmax", dim, len(input.shape), _stacklevel), dtype)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """Softmax of logits plus Gumbel noise: a differentiable draw of a class. A hard one is one-hot, with the gradient of
    the soft one.

    >>> import kuai as torch
    >>> torch.nn.functional.gumbel_softmax(torch.zeros(3), hard=True).sum()
    tensor(1.)
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    noise = -empty_like(logits).exponential_().log()
    soft = ops.softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    chosen = soft.max(dim, keepdim=True)[1]
    one_hot = zeros_like(logits).scatter_(dim, chosen, 1.0)
    return one_hot - soft.detach() + soft
