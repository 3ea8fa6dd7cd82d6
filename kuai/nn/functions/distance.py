"""Distances and similarities of vectors (``torch.nn.functional``)."""

from __future__ import annotations

import numpy as np

from ...ops.define import write_out
from ...ops.norms import vector_norm
from ...tensor import Tensor, from_array


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
