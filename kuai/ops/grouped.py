"""Products of groups of rows with a matrix each, as mixtures of experts need them (``torch._grouped_mm``)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import dtypes
from ..engine.program import Aval, Op, State
from ..tensor import Tensor
from . import rules
from .define import op
from .matrix import matmul

_DTYPES = (dtypes.float32, dtypes.bfloat16, dtypes.float16)


def _rule(op: Op, avals: Sequence) -> tuple:
    a, b, offs = avals
    groups = offs.shape[0]
    if len(a.shape) == len(b.shape):
        shape: tuple[int, ...] = (groups, a.shape[0], b.shape[1])
    else:
        if (b if len(a.shape) == 2 else a).shape[0] != groups:
            raise RuntimeError("matrix batch sizes have to match")
        shape = (a.shape[-2], b.shape[-1])
    return Aval(shape, a.dtype, rules.common_device(op, avals)), (a.dtype, a.dtype, None)


def _cost(state: State) -> float:
    a, b, _ = state.avals
    return 0.05 * a.shape[-2] * a.shape[-1] * b.shape[-1]


def _vjp(g: Tensor, a: Tensor, b: Tensor, offs: Tensor, needs: tuple) -> tuple:
    """Every kind of product has another kind for its cotangents: which one, the ranks of the operands say."""
    of_a = _grouped(g, b.mT, offs) if needs[0] else None
    of_b = _grouped(a.mT, g, offs) if needs[1] else None
    return of_a, of_b, None


def _parts(xp, offs, n):
    """For each group, which of n places are its own."""
    starts = xp.concatenate([xp.zeros(1, offs.dtype), offs[:-1]])
    return (starts[:, None] <= xp.arange(n)) & (xp.arange(n) < offs[:, None])


def _xla(xp, a, b, offs):
    """Each group's product of the whole, of which its own part is kept."""
    if a.ndim == b.ndim:
        own = _parts(xp, offs, a.shape[1])
        return xp.where(own[:, None], a, 0) @ xp.where(own[..., None], b, 0)
    own = _parts(xp, offs, a.shape[0])[..., None] if a.ndim == 2 else _parts(xp, offs, b.shape[1])[:, None]
    out = xp.zeros((a.shape[-2], b.shape[-1]), a.dtype)
    for i, part in enumerate(own):
        out = xp.where(part, a @ b[i] if a.ndim == 2 else a[i] @ b, out)
    return out


@op(shape=_rule, vjp=_vjp, xla=_xla, name="grouped_mm", cost=_cost)
def _grouped(xp, a, b, offs):
    """What lies behind the last offset is in no group: zeros."""
    shape = (len(offs), a.shape[0], b.shape[1]) if a.ndim == b.ndim else (a.shape[-2], b.shape[-1])
    out, start = np.zeros(shape, a.dtype), 0
    for i, end in enumerate(offs.tolist()):
        part, start = slice(start, end), end
        if a.ndim == b.ndim:
            out[i] = a[:, part] @ b[part]
        elif a.ndim == 2:
            out[part] = a[part] @ b[i]
        else:
            out[:, part] = a[i] @ b[:, part]
    return out


def grouped_mm(mat_a: Tensor, mat_b: Tensor, *, offs: Tensor | None = None, bias: Tensor | None = None,
               out_dtype: object = None) -> Tensor:  # fmt: skip
    """Products of groups (``torch.nn.functional.grouped_mm``). ``offs`` (int32) says where each group of a matrix ends:

    - (m, k) and (g, k, n): rows of ``mat_a``, each group with its own matrix, give (m, n);
    - (g, m, k) and (k, n): columns of ``mat_b``, each group with its own matrix, give (m, n);
    - (m, k) and (k, n): the summed dimension, of which each group gives one of (g, m, n);
    - (g, m, k) and (g, k, n): all are groups, without ``offs``.

    float32, bfloat16 or float16. Rows or columns behind the last offset are zeros.

    >>> import kuai as torch
    >>> x, experts = torch.ones(3, 2), torch.stack([torch.eye(2), 2 * torch.eye(2)])
    >>> torch.nn.functional.grouped_mm(x, experts, offs=torch.tensor([1, 3], dtype=torch.int32))
    tensor([[1., 1.],
            [2., 2.],
            [2., 2.]])
    """
    _check(mat_a, mat_b, offs)
    if bias is not None:
        raise RuntimeError("grouped_mm: Bias not supported yet; add it to the result")
    if out_dtype is not None and dtypes.as_dtype(out_dtype) is not mat_a.dtype:
        raise RuntimeError(f"Grouped gemm output dtype must match `mat_a` dtype: {out_dtype} is not {mat_a.dtype}")
    return matmul(mat_a, mat_b) if offs is None else _grouped(mat_a, mat_b, offs)


def _check(a: Tensor, b: Tensor, offs: Tensor | None) -> None:
    for x, name in ((a, "mat_a"), (b, "mat_b")):
        if x.dtype not in _DTYPES:
            raise RuntimeError(f"Expected {name} to be Float32, BFloat16 or Float16 matrix, got {rules._cname(x.dtype)}")
        if x.ndim not in (2, 3):
            raise RuntimeError(f"grouped_mm: {name} has to be 2 or 3d, got shape {list(x.shape)}")
    if (a.ndim == b.ndim == 3) != (offs is None):
        raise RuntimeError("Have to provide offsets if there is a 2d matrix, or no offset if both matrices are 3d")
    if a.shape[-1] != b.shape[-2]:
        raise RuntimeError(f"grouped_mm: contraction dimension of mat_a and mat_b must match, got {list(a.shape)} and {list(b.shape)}")
    if offs is not None and (offs.ndim != 1 or offs.dtype is not dtypes.int32):
        raise RuntimeError(f"grouped_mm: Offsets have to be int32, in one dimension; got {offs.dtype} of shape {list(offs.shape)}")
