"""The printed form of sparse tensors, to the character what PyTorch prints."""

from __future__ import annotations

from .. import dtypes
from ..printing import append, body
from ..tensor import Tensor


def sparse_str(x: Tensor) -> str:
    """A sparse tensor's printed form: its parts, and what there is to say of it."""
    indent = len("tensor(")
    parts = x._storage.parts()  # type: ignore[union-attr]
    text = f",\n{' ' * indent}".join(_part(name, part, indent) for name, part in parts.items())
    return append("tensor(" + text, _suffixes(x, parts["values"].shape[-1 - dense_dims(x)]), indent, apart=True)


def dense_dims(x: Tensor) -> int:
    """How many dimensions the values have after the one that counts them."""
    return x.dense_dim() + (2 if x.layout.name in ("sparse_bsr", "sparse_bsc") else 0)


def _part(name: str, part: Tensor, indent: int) -> str:
    """A part as a tensor of its own, without its dtype; an empty one with its size."""
    opened, array = f"{name}=tensor(", part._array()
    if not array.size:
        return f"{opened}[], size={tuple(part.shape)})"
    return f"{opened}{body(array, part.dtype, indent + len(opened))})"


def _suffixes(x: Tensor, count: int) -> list[str]:
    usual = (dtypes.get_default_dtype(), dtypes.get_default_dtype().to_complex(), dtypes.int64, dtypes.bool_)
    found = [] if x.device.type == "cpu" else [f"device='{x.device}'"]
    found += [f"size={tuple(x.shape)}", f"nnz={count}"]
    found += [] if x.dtype in usual else [f"dtype={x.dtype}"]
    found.append(f"layout={x.layout}")
    if x.grad_fn is not None:
        found.append(f"grad_fn=<{x.grad_fn.name()}>")
    elif x.requires_grad:
        found.append("requires_grad=True")
    return found
