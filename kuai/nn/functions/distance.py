"""Distances and similarities of vectors (``torch.nn.functional``)."""

from __future__ import annotations

from collections.abc import Sequence

from ...ops.define import write_out
from ...ops.norms import vector_norm
from ...tensor import Tensor


def normalize(input: Tensor, p: float | None = 2.0, dim: int | Sequence[int] | None = 1, eps: float = 1e-12,
              out: Tensor | None = None) -> Tensor:  # fmt: skip
    """Vectors along a dimension, divided by their p-norms (by eps, if those are smaller).

    >>> import kuai as torch
    >>> torch.nn.functional.normalize(torch.tensor([[3., 4.]]))
    tensor([[0.6000, 0.8000]])
    """
    made = input / vector_norm(input, 2.0 if p is None else p, dim, True).clamp_min(eps)
    return made if out is None else write_out(out, made)
