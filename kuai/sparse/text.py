"""The printed form of sparse tensors, to the character what PyTorch prints."""

from __future__ import annotations

from .. import dtypes
from ..printing import append, body
from ..tensor import Tensor
from .storage import pattern_of


def sparse_str(x: Tensor) -> str:
    """A sparse tensor's printed form: its parts, and what there is to say of it."""
    indent = len("tensor(")
    parts = x._storage.parts()  # type: ignore[union-attr]
    text = f",\n{' ' * indent}".join(_part(name, part, indent) for name, part in parts.items())
    return append("tensor(" + text, _suffixes(x, pattern_of(x).count), indent, apart=x.is_sparse)


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
