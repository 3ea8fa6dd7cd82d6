"""Look-ups whose gradients are sparse: of rows in a table, and of elements by index."""

from __future__ import annotations

import numpy as np

from ..ops import embedding as ops
from ..ops import scatter
from ..ops.joining import stack
from ..ops.taking import take_at
from ..tensor import Tensor, from_array
from .pattern import Pattern
from .storage import build, on_graph


def rows(weight: Tensor, indices: Tensor, padding: int | None, by_frequency: bool) -> Tensor:
    """The rows of a table at indices. Its gradient has a row for each index, so that a row may be there several times; those
    at the index ``padding`` are left out.
    """

    def cotangent(g: Tensor) -> Tensor:
        if by_frequency:
            raise RuntimeError("embedding_backward: scale_grad_by_freq not supported with sparse gradients")
        return _by_row(g, indices, weight, padding)

    found = ops._embedding(weight.detach(), indices, padding=padding, by_frequency=False)
    return on_graph(found, "EmbeddingBackward0", cotangent, weight)


def _by_row(g: Tensor, indices: Tensor, weight: Tensor, padding: int | None) -> Tensor:
    flat, values = indices.reshape((-1,)).long(), g.reshape((-1, weight.shape[1]))
    if padding is not None:
        kept = from_array(np.flatnonzero(flat._array() != padding), g.device)
        flat, values = (take_at(x, kept, dim=0, count=1, wrap=False) for x in (flat, values))
    return build(Pattern(flat.unsqueeze(0), weight.shape, False), values)


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """`torch.gather`, with a gradient that has a value for each index."""

    def cotangent(g: Tensor) -> Tensor:
        where = np.indices(index.shape)
        along = [index.reshape((-1,)) if d == dim % input.ndim else from_array(w.reshape(-1), g.device) for d, w in enumerate(where)]
        return build(Pattern(stack(along), input.shape, False), g.reshape((-1,)))

    return on_graph(scatter.gather(input.detach(), dim, index), "GatherBackward0", cotangent, input)
