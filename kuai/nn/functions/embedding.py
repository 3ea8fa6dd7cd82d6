"""Embeddings: look-ups in a table of rows (``torch.nn.functional``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...autograd.modes import no_grad
from ...dtypes import float64, promote_types
from ...layouts import of_sparse
from ...ops import embedding as ops
from ...ops.conversion import assign
from ...ops.extent import elements, within
from ...tensor import Tensor, from_array


def embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None,
              norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False) -> Tensor:  # fmt: skip
    """The rows of weight that input's indices name. The row padding_idx gets no gradient. With max_norm, rows that are
    longer are cut in place when they are asked for. With ``sparse=True`` the gradient of weight is a sparse tensor.

    >>> import kuai as torch
    >>> table = torch.tensor([[0., 1.], [2., 3.]])
    >>> torch.nn.functional.embedding(torch.tensor([1, 0, 1]), table)
    tensor([[2., 3.],
            [0., 1.],
            [2., 3.]])
    """
    if padding_idx is not None:
        padding_idx = _row_number(padding_idx, weight.shape[0])
    _check_rows(input, weight, IndexError)
    if max_norm is not None:
        cut_rows(weight, input, max_norm, norm_type)
    if sparse and weight.requires_grad:
        return of_sparse("lookup.rows")(weight, input, padding_idx, scale_grad_by_freq)
    return ops._embedding(weight, input, padding=padding_idx, by_frequency=scale_grad_by_freq)


def _check_rows(indices: Tensor, table: Tensor, error: type[Exception]) -> None:
    """Refuse an index that is none of the table's rows."""
    if indices.dtype.category != 1 or not table.shape or within(indices, 0, table.shape[0] - 1):
        return
    data = elements(indices)
    if data is not None:
        ops.check_indices(data, table.shape[0], error)


def _row_number(padding_idx: int, rows: int) -> int:
    """A padding index counted from the front."""
    if not -rows <= padding_idx < rows:
        raise AssertionError("Padding_idx must be within num_embeddings")
    return padding_idx % rows


def cut_rows(weight: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> None:
    """Cut the rows that are asked for to a length of max_norm, in place and outside the graph."""
    with no_grad():
        assign(weight, ops._renormed(weight, indices, float(max_norm), p=norm_type), "embedding_renorm_")


# ---- bags ------------------------------------------------------------------------------------------------------------


def embedding_bag(input: Tensor, weight: Tensor, offsets: Tensor | None = None, max_norm: float | None = None,
                  norm_type: float = 2, scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False,
                  per_sample_weights: Tensor | None = None, include_last_offset: bool = False,
                  padding_idx: int | None = None) -> Tensor:  # fmt: skip
    """The sum, mean or maximum of the rows in each bag of indices: the rows of a matrix, or parts of a vector that begin
    at the offsets. With ``sparse=True`` the gradient of weight is a sparse tensor.

    >>> import kuai as torch
    >>> table = torch.tensor([[0., 1.], [2., 3.], [4., 5.]])
    >>> torch.nn.functional.embedding_bag(torch.tensor([0, 1, 2]), table, torch.tensor([0, 2]), mode="sum")
    tensor([[2., 4.],
            [4., 5.]])
    """
    if weight.ndim != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}")
    if offsets is not None and offsets.dtype.category != 1:
        raise RuntimeError(f"embedding_bag: offsets must be of int32 or int64, got {offsets.dtype}")
    _check_bag_mode(mode, scale_grad_by_freq, sparse, per_sample_weights)
    if per_sample_weights is not None:
        per_sample_weights = _flat_weights(per_sample_weights, input, weight)
    flat, bag, bags = _bags(input, offsets, include_last_offset)
    if padding_idx is not None:
        n = weight.shape[0]
        if not -n <= padding_idx < n:
            raise RuntimeError(f"padding_idx must be within the number of embeddings, -{n} through {n - 1}, but got {padding_idx}")
        padding_idx = _row_number(padding_idx, n)
    _check_rows(flat, weight, RuntimeError)
    rows = embedding(flat, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    keep = None if padding_idx is None else flat != padding_idx
    if mode == "max":
        return _greatest(rows, bag, bags, keep)
    if keep is not None:
        rows = rows * keep.unsqueeze(1)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(1)
    total = _by_bag(rows, bag, bags)
    return total if mode == "sum" else total / _bag_counts(rows, bag, bags, keep).clamp_min(1).unsqueeze(1)


def bags_of_rows(weight: Tensor, indices: Tensor, offsets: Tensor, by_frequency: bool, mode: str, sparse: bool,
                 per_sample_weights: Tensor | None, include_last: bool,
                 padding_idx: int | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """`embedding_bag` with what it found on the way: the bag of each index, the bags' sizes, and the greatest rows."""
    made = embedding_bag(indices, weight, offsets, None, 2, by_frequency, mode, sparse, per_sample_weights, include_last, padding_idx)
    offsets = offsets.to(promote_types(indices.dtype, offsets.dtype))
    _, bag, bags = _bags(indices, offsets, include_last)
    plain = padding_idx is None
    keep: Any = None if plain else indices != _row_number(padding_idx, len(weight))  # type: ignore[arg-type]
    of_index = bag.to(offsets.dtype)
    if mode == "sum":
        known = plain and weight.dtype is not float64 and weight.stride(1) == 1  # PyTorch's sum needs no bags then
        nothing = offsets.new_zeros(bags)
        return made, of_index[:0] if known else of_index, nothing, nothing.clone()
    sizes = _bag_counts(offsets, bag, bags, keep)
    if mode == "mean":
        return made, of_index, sizes, sizes.clone()
    first = _first_greatest(weight.detach()[indices], bag, bags, keep)
    found = indices[first.clamp_max(len(indices) - 1)] if len(indices) else first
    return made, of_index, sizes, found.where(first < len(indices), 0).to(offsets.dtype)


def _check_bag_mode(mode: str, by_frequency: bool, sparse: bool, per_sample_weights: Tensor | None) -> None:
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and by_frequency:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' "
            f"(got mode='{mode}')."
        )


def _flat_weights(weights: Tensor, input: Tensor, table: Tensor) -> Tensor:
    if weights.shape != input.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({weights.shape}) is not None, then it must have the same shape as the "
            f"input ({input.shape})"
        )
    if weights.dtype is not table.dtype:
        raise RuntimeError(f"embedding_bag: expected per_sample_weights of {table.dtype}, as the table is, got {weights.dtype}")
    return weights.reshape(-1)


def _bags(input: Tensor, offsets: Tensor | None, include_last_offset: bool) -> tuple[Tensor, Tensor, int]:
    """The indices in a row, the bag of each, and how many bags there are."""
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError("if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed "
                             f"length sequences. However, found offsets of type {type(offsets)}")  # fmt: skip
        bags, length = input.shape
        return input.reshape(-1), from_array(np.repeat(np.arange(bags), length), input.device), bags
    if input.ndim != 1:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}")
    if offsets is None or offsets.ndim != 1:
        got = " but got None" if offsets is None else ""
        raise ValueError(f"offsets has to be a 1D Tensor{got}")
    _check_offsets(offsets, input.shape[0])
    bags = offsets.shape[0] - bool(include_last_offset)
    return input, ops._bag_of(offsets, count=input.shape[0]), bags


def _check_offsets(offsets: Tensor, length: int) -> None:
    data = elements(offsets)
    if data is None or not data.size:
        return
    first, last = data[..., 0].ravel(), data[..., -1].ravel()
    if first.any():
        raise RuntimeError("offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position "
                           f"0. However, got {first[first != 0][0]}")  # fmt: skip
    if (last > length).any():
        raise RuntimeError(f"offsets[-1] can not be greater than input's length {length} but got offsets[-1] of {last.max()}")
    if (data[..., 1:] < data[..., :-1]).any():
        raise RuntimeError(f"offsets must not decrease, got {data.tolist()}")


def _by_bag(rows: Tensor, bag: Tensor, bags: int) -> Tensor:
    """The rows of each bag summed. What lies behind the last offset, if that only closes the last bag, is in none."""
    return ops._sum_rows(rows, bag, rows=bags + 1, padding=None, by_frequency=False)[:bags]


def _bag_counts(like: Tensor, bag: Tensor, bags: int, keep: Tensor | None) -> Tensor:
    """How many rows each bag has, in the dtype of a tensor."""
    ones = like.new_ones(bag.shape) if keep is None else keep.to(like.dtype)
    return _by_bag(ones, bag, bags)


def _greatest(rows: Tensor, bag: Tensor, bags: int, keep: Tensor | None) -> Tensor:
    """The greatest of each bag, column by column; 0 for an empty one."""
    nowhere = rows.shape[0]
    first = _first_greatest(rows.detach(), bag, bags, keep)
    found = rows.gather(0, first.clamp_max(max(nowhere - 1, 0))) if nowhere else rows.sum(0).expand(bags, -1)
    return found.where(first < nowhere, 0.0)


def _first_greatest(rows: Tensor, bag: Tensor, bags: int, keep: Tensor | None) -> Tensor:
    """Which row is the greatest of each bag, column by column; the number of rows for an empty bag."""
    if keep is not None:
        bag = bag.where(keep, bags)
    return ops._greatest_row(rows, bag, bags=bags + 1)[:bags]
