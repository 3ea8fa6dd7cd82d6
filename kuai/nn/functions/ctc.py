"""The loss of sequences without alignment (``torch.nn.functional.ctc_loss``)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...dtypes import int64
from ...ops import ctc
from ...ops.losses import need_reduction
from ...tensor import Tensor, from_array
from .reductions import reduced

Lengths = Tensor | Sequence[int] | int


def ctc_loss(log_probs: Tensor, targets: Tensor, input_lengths: Lengths, target_lengths: Lengths, blank: int = 0,
             reduction: str = "mean", zero_infinity: bool = False) -> Tensor:  # fmt: skip
    """-log of the probability of labels, over all ways to spread them along log_probs (time, batch, classes).

    >>> import kuai as torch
    >>> log_probs = torch.zeros(4, 1, 3).log_softmax(2)
    >>> torch.nn.functional.ctc_loss(log_probs, torch.tensor([[1, 2]]), (4,), (2,))
    tensor(0.8432)
    """
    need_reduction(reduction)
    if not log_probs.ndim:
        raise IndexError("ctc_loss: Dimension out of range: log_probs has no dimensions")
    if log_probs.ndim not in (2, 3):
        raise RuntimeError(f"ctc_loss: Expected 3-dimensional tensor, but got {log_probs.ndim}-dimensional tensor for log_probs")
    batched = log_probs.ndim == 3
    x = log_probs if batched else log_probs.unsqueeze(1)
    time, batch, classes = x.shape
    if not 0 <= blank < classes:
        raise RuntimeError(f"blank must be in label range: {blank} is none of the {classes} classes")
    lengths = _lengths("input_lengths", input_lengths, batch, time)
    ends = _lengths("target_lengths", target_lengths, batch, None)
    labels = _labels(targets, ends, batch, batched)
    operands = (from_array(a, x.device) for a in (labels, lengths, ends))
    losses = ctc._ctc(x, *operands, blank=blank)[0]
    if zero_infinity:
        losses = losses.where(losses != float("inf"), 0.0)
    if reduction == "mean":
        losses = losses / from_array(np.maximum(ends, 1).astype(x.dtype.numpy), x.device)
    return reduced(losses if batched else losses.squeeze(0), reduction)


def _lengths(name: str, given: Lengths, batch: int, most: int | None) -> np.ndarray:
    """Lengths as an array, checked: they say which part of the data counts."""
    array = given._array() if isinstance(given, Tensor) else np.asarray(given)
    if not isinstance(given, Tensor) and array.dtype.kind not in "iu":
        raise TypeError(f"ctc_loss(): argument '{name}' must be Tensor or tuple of ints, not {given!r}")
    if array.dtype.kind not in "iu":
        raise RuntimeError(f"{name} must be integral")
    array = np.array(array, np.int64).reshape(-1)
    if array.size != batch:
        raise RuntimeError(f"{name} must be of size batch_size: got {array.size} for a batch of {batch}")
    if array.size and array.min() < 0:
        raise RuntimeError(f"Expected {name} to have value at least 0, but got value {array.min()}")
    if most is not None and array.size and array.max() > most:
        raise RuntimeError(f"Expected {name} to have value at most {most}, but got value {array.max()}")
    return array


def _labels(targets: Tensor, ends: np.ndarray, batch: int, batched: bool) -> np.ndarray:
    """One row of labels for each sample, from rows or from all of them one after the other."""
    array = targets.to(int64)._array()
    if array.ndim == 2 or not batched:
        rows = array.reshape(batch, -1) if not batched else array
        longest = int(ends.max(initial=0))
        if rows.shape[0] != batch or rows.shape[1] < longest:
            raise RuntimeError(f"Expected targets of size at least [{batch}, {longest}], but got {list(array.shape)}")
        return rows
    if array.size != ends.sum():
        raise RuntimeError(f"Expected tensor to have size {ends.sum()} at dimension 0, but got size {array.size} for "
                           "argument #2 'targets'")  # fmt: skip
    rows = np.zeros((batch, int(ends.max(initial=0))), np.int64)
    rows[np.arange(rows.shape[1]) < ends[:, None]] = array
    return rows
