"""The rows of a sparse matrix: a number for each value, or the place where each row begins."""

from __future__ import annotations

from .. import dtypes
from ..tensor import Tensor
from .define import write_exact
from .joining import stack
from .ranges import arange
from .searching import searchsorted


def begins_of_rows(input: Tensor, size: int, *, out_int32: bool = False, out: Tensor | None = None) -> Tensor:
    """Where each of ``size`` rows begins, and the last ends, from the sorted rows of values
    (``torch._convert_indices_from_coo_to_csr``).

    >>> import kuai as torch
    >>> torch._convert_indices_from_coo_to_csr(torch.tensor([0, 0, 2]), 3)
    tensor([0, 2, 2, 3])
    """
    if input.ndim > 1:
        raise RuntimeError(f"Input is supposed to be a vector, but got {input.ndim} dimensional tensor.")
    rows = arange(size + 1, dtype=input.dtype, device=input.device)
    return searchsorted(input.reshape(-1), rows, out_int32=out_int32, out=out)


def coordinates_of_rows(crow_indices: Tensor, col_indices: Tensor, *, out_int32: bool = False, transpose: bool = False,
                        out: Tensor | None = None) -> Tensor:  # fmt: skip
    """The coordinates of values, those of a batch first, from where rows begin and the columns of values; ``transpose`` gives
    columns before rows (``torch._convert_indices_from_csr_to_coo``).

    >>> import kuai as torch
    >>> torch._convert_indices_from_csr_to_coo(torch.tensor([0, 2, 3]), torch.tensor([0, 1, 1]))
    tensor([[0, 0, 1],
            [0, 1, 1]])
    """
    if crow_indices.ndim != col_indices.ndim:
        raise RuntimeError(
            f"crow_indices and col_indices are supposed to have the same dimensionality, but got {crow_indices.ndim} and "
            f"{col_indices.ndim} dimensional tensors, respectively."
        )
    shape, device = col_indices.shape, col_indices.device
    values = arange(shape[-1], dtype=crow_indices.dtype, device=device).expand(shape)
    pair = [searchsorted(crow_indices[..., 1:].contiguous(), values.contiguous(), right=True), col_indices]
    batch = [arange(n, device=device).reshape(-1, *[1] * (len(shape) - 1 - i)).expand(shape) for i, n in enumerate(shape[:-1])]
    rows = [x.reshape(-1).to(dtypes.int32 if out_int32 else dtypes.int64) for x in (*batch, *(reversed(pair) if transpose else pair))]
    made = stack(rows)
    return made if out is None else write_exact(out, made)
