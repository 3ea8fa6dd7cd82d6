"""The typed constructors of old: ``torch.sparse.FloatTensor(indices, values, size)``."""

from __future__ import annotations

from .. import dtypes
from ..dtypes import dtype
from ..ops.rules import _cname
from ..tensor import Tensor
from .coo import sparse_coo_tensor
from .storage import is_sparse


def legacy(d: dtype, args: tuple, device: object = None) -> Tensor:
    """A sparse tensor from ``(indices, values, size=None)``, or from lengths alone."""
    if args and isinstance(args[0], Tensor):
        return sparse_coo_tensor(*args, dtype=d, device=device)
    size = args[0] if len(args) == 1 and isinstance(args[0], (tuple, list)) else args
    return sparse_coo_tensor(size or (0,), dtype=d, device=device)


class _Typed(type):
    """The class of typed constructors: calling one makes a tensor, and isinstance asks for layout and dtype."""

    dtype: dtype

    def __call__(cls, *args: object) -> Tensor:
        return legacy(cls.dtype, args)

    def __instancecheck__(cls, x: object) -> bool:
        return is_sparse(x) and x.dtype is cls.dtype  # type: ignore[attr-defined]


def make() -> dict[str, type]:
    """The typed constructors, by name."""
    found: dict[str, type] = {}
    for kind in ("float32", "float64", "float16", "bfloat16", "uint8", "int8", "int16", "int32", "int64"):
        name = f"{_cname(dtypes.ALL[kind])}Tensor"
        text = f"Makes sparse tensors of {kind}."
        found[name] = _Typed(name, (), {"dtype": dtypes.ALL[kind], "__module__": "torch.sparse", "__doc__": text})
    return found
