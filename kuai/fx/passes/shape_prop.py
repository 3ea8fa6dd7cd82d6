"""What shapes the values of a graph have, for given inputs (``torch.fx.passes.shape_prop``)."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...ops.geometry import channels_last, channels_last_3d, contiguous_format
from ...tensor import Tensor
from ..interpreter import Interpreter
from ..node import Node, map_aggregate


class TensorMetadata(NamedTuple):
    """What is known of a node's tensor (``torch.fx.passes.shape_prop.TensorMetadata``)."""

    shape: Any
    dtype: Any
    requires_grad: bool
    stride: tuple[int, ...]
    memory_format: Any
    is_quantized: bool
    qparams: dict[str, Any]


def _extract_tensor_metadata(result: Any, include_contiguity: bool = True) -> TensorMetadata:
    formats = [contiguous_format] + [f for f, n in ((channels_last, 4), (channels_last_3d, 5)) if result.dim() == n]
    layout = next((f for f in formats if include_contiguity and result.is_contiguous(memory_format=f)), None)
    return TensorMetadata(result.shape, result.dtype, result.requires_grad, result.stride(), layout, False, {})


class ShapeProp(Interpreter):
    """Runs a graph, and writes what its tensors are into each node's ``meta["tensor_meta"]`` (``torch.fx.passes.shape_prop.ShapeProp``).

    >>> import kuai as torch
    >>> from kuai.fx.passes.shape_prop import ShapeProp
    >>> traced = torch.fx.symbolic_trace(torch.nn.Sequential(torch.nn.Linear(3, 2)))
    >>> _ = ShapeProp(traced).propagate(torch.ones(4, 3))
    >>> [tuple(node.meta["tensor_meta"].shape) for node in traced.graph.nodes]
    [(4, 3), (4, 2), (4, 2)]
    """

    def run_node(self, n: Node) -> Any:
        """One node's value; notes what it is."""
        result = super().run_node(n)
        meta = map_aggregate(result, lambda x: _extract_tensor_metadata(x) if isinstance(x, Tensor) else x)
        if any(isinstance(x, TensorMetadata) for x in _leaves(meta)):
            n.meta["tensor_meta"] = meta
        n.meta["type"] = type(result)
        return result

    def propagate(self, *args: Any) -> Any:
        """Run the graph with arguments; gives what it gives."""
        return super().run(*args)


def _leaves(meta: Any) -> Any:
    if isinstance(meta, (list, tuple)) and not isinstance(meta, TensorMetadata):
        for part in meta:
            yield from _leaves(part)
    elif isinstance(meta, dict):
        yield from _leaves(list(meta.values()))
    else:
        yield meta
