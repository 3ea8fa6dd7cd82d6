"""Reductions of consecutive pieces of a dimension (``torch.segment_reduce``)."""

from __future__ import annotations

import math

import numpy as np

from ..tensor import Tensor
from .comparison import where
from .creation import full
from .host import on_host
from .rules import need_category, normalize_dim
from .scatter import scatter_reduce

KINDS = {"sum": "sum", "mean": "sum", "prod": "prod", "max": "amax", "min": "amin"}
EMPTY = {"sum": 0.0, "mean": 0.0, "prod": 1.0, "max": -math.inf, "min": math.inf}


def segment_reduce(data: Tensor, reduce: str, *, lengths: Tensor | None = None, indices: Tensor | None = None,
                   offsets: Tensor | None = None, axis: int = 0, unsafe: bool = False,
                   initial: float | None = None) -> Tensor:  # fmt: skip
    """The sum, mean, prod, max or min of consecutive pieces of a dimension, by their lengths or by where they begin.

    ``initial`` takes part in every piece but a mean's division. A piece of no elements gives it, or else the identity, and nan for
    a mean (``torch.segment_reduce``).

    >>> import kuai as torch
    >>> torch.segment_reduce(torch.tensor([1., 2., 3.]), "max", lengths=torch.tensor([1, 2]))
    tensor([1., 3.])
    """
    if reduce not in KINDS:
        raise RuntimeError(f"segment_reduce: unsupported reduction {reduce!r}; needs one of {list(KINDS)}")
    counts, owners = _pieces(data, lengths, indices, offsets, axis, unsafe)
    at, size, rest = counts.ndim - 1, counts.shape[-1], data.ndim - counts.ndim
    owners = owners.reshape(*owners.shape, *[1] * rest).expand(data.shape)
    start = EMPTY[reduce] if initial is None or reduce in ("max", "min") else initial
    shape = (*data.shape[:at], size + 1, *data.shape[at + 1 :])
    room = full(shape, float(start), dtype=data.dtype, device=data.device)
    found = scatter_reduce(room, at, owners, data, KINDS[reduce]).narrow(at, 0, size)
    if initial is not None and reduce in ("max", "min"):
        ahead = found < initial if reduce == "max" else found > initial
        found = found.masked_fill(ahead, float(initial))
    return _mean(found, counts, rest, initial) if reduce == "mean" else found


def _mean(total: Tensor, counts: Tensor, rest: int, initial: float | None) -> Tensor:
    n = counts.reshape(*counts.shape, *[1] * rest)
    empty = total.new_full((), math.nan if initial is None else initial)
    return where(n == 0, empty, total / n.clamp(min=1).to(total.dtype))  # type: ignore[return-value]


def _pieces(data: Tensor, lengths: Tensor | None, indices: Tensor | None, offsets: Tensor | None, axis: int,
            unsafe: bool) -> tuple[Tensor, ...]:  # fmt: skip
    """How long the pieces are, checked, and which of them each place is in."""
    given = offsets if lengths is None else lengths
    if given is not None and data.ndim < given.ndim:
        raise RuntimeError(f"segment_reduce(): expected data of as many dimensions as its pieces have, {given.ndim}, got {data.ndim}")
    at = normalize_dim(axis, data.ndim)
    if not data.numel():
        raise RuntimeError("segment_reduce: expected data that is not empty")
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet.")
    if given is None:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    which = "offsets" if lengths is None else "lengths"
    if given.dtype.name not in ("int32", "int64"):
        raise RuntimeError(f"segment_reduce(): {which} must be of int32 or int64, got {given.dtype}")
    if given.ndim - 1 != at:
        raise RuntimeError(f"segment_reduce(): expected axis to be the last dimension of {which}, {given.ndim - 1}, but got {axis}.")
    need_category("_segment_reduce_cpu", data.dtype, 2)
    n = data.shape[at]

    def made(array: np.ndarray) -> tuple:
        numbers = array.astype(np.int64)
        if lengths is None:
            counts, starts = np.diff(numbers), numbers[..., :-1]
            if not numbers.shape[-1] or (counts < 0).any():
                raise RuntimeError(f"segment_reduce(): Expected offsets that do not decrease, of one more than the pieces, got {array}")
        else:
            if not unsafe:
                _check_lengths(numbers, n)
            counts, starts = numbers, np.cumsum(numbers, -1) - numbers
        return counts, _owners(counts, starts, n)

    return on_host(made, given)


def _check_lengths(lengths: np.ndarray, n: int) -> None:
    if (lengths < 0).any():
        raise RuntimeError("lengths contains negative value!")
    if (lengths.sum(-1) != n).any():
        raise RuntimeError(f"segment_reduce(): Expected all rows of lengths along axis to sum to data.size(lengths.dim()-1): {n}.")


def _owners(counts: np.ndarray, starts: np.ndarray, n: int) -> np.ndarray:
    """The piece that each place of the dimension belongs to; one more than there are for those in none."""
    flat, begin = counts.reshape(-1, counts.shape[-1]), starts.reshape(-1, counts.shape[-1])
    owners = np.full((len(flat), n), counts.shape[-1])
    for row, lengths, firsts in zip(owners, flat, begin):
        for piece, (first, length) in enumerate(zip(firsts, lengths)):
            row[first : first + length] = piece
    return owners.reshape(*counts.shape[:-1], n)
