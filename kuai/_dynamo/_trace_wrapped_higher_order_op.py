"""A mark for PyTorch's compiler (``torch._dynamo._trace_wrapped_higher_order_op``)."""

from __future__ import annotations


class TransformGetItemToIndex:
    """A block in which a tensor may be a subscript within vmap: here it always may, as vmap passes plain tensors."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass
