"""Distances and similarities of vectors (``torch.nn.functional``)."""

from __future__ import annotations

import numpy as np

from ...ops import rules
from ...ops.define import write_out
from ...ops.norms import vector_norm
from ...tensor import Tensor, from_array


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps over the last dimension.

    >>> import kuai as torch
    >>> torch.nn.functional.pairwise_distance(torch.zeros(1, 2), torch.tensor([[3., 4.]]))
    tensor([5.0000])
    """
    return vector_norm(x1 - x2 + eps, p, -1, keepdim)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors that lie along a dimension; lengths below eps count as eps.

    >>> import kuai as torch
    >>> torch.nn.functional.cosine_similarity(torch.tensor([[1., 0.]]), torch.tensor([[1., 1.]]))
    tensor([0.7071])
    """
    common = rules.result_dtype([x1._aval, x2._aval])
    if common.category < 2:
        raise RuntimeError(f"expected common dtype to be floating point, yet common dtype is {rules._cname(common)}")
    x1, x2 = x1.to(common), x2.to(common)
    shape = rules.broadcast_shapes("cosine_similarity", x1.shape, x2.shape)
    x1, x2 = x1.expand(shape), x2.expand(shape)
    first, second = (x / vector_norm(x, 2, dim, True).clamp_min(eps) for x in (x1, x2))
    return (first * second).sum(dim)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None) -> Tensor:
    """Vectors along a dimension, divided by their p-norms (by eps, if those are smaller).

    >>> import kuai as torch
    >>> torch.nn.functional.normalize(torch.tensor([[3., 4.]]))
    tensor([[0.6000, 0.8000]])
    """
    made = input / vector_norm(input, p, dim, True).clamp_min(eps)
    return made if out is None else write_out(out, made)


def pdist(input: Tensor, p: float = 2) -> Tensor:
    """The p-norm distances of all pairs of rows: row 0 to rows 1, 2 …, then row 1 to rows 2, 3 …

    >>> import kuai as torch
    >>> torch.nn.functional.pdist(torch.tensor([[0., 0.], [3., 4.], [0., 1.]]))
    tensor([5.0000, 1.0000, 4.2426])
    """
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    first, second = (from_array(i, input.device) for i in np.triu_indices(input.shape[0], 1))
    return vector_norm(input.index_select(0, first) - input.index_select(0, second), p, -1)
