"""Which of many boxes to keep."""

from __future__ import annotations

import numpy as np

from ..ops.creation import tensor
from ..tensor import Tensor


def nms(dets: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """The boxes (N, 4) that no better one overlaps by more than a threshold, the best first: indices, int64.

    How many remain depends on the values, so it runs at once.
    """
    if dets.ndim != 2:
        raise RuntimeError(f"boxes should be a 2d tensor, got {dets.ndim}D")
    if dets.shape[1] != 4:
        raise RuntimeError(f"boxes should have 4 elements in dimension 1, got {dets.shape[1]}")
    if scores.ndim != 1:
        raise RuntimeError(f"scores should be a 1d tensor, got {scores.ndim}D")
    if len(dets) != len(scores):
        raise RuntimeError("boxes and scores should have same number of elements in dimension 0, "
                           f"got {len(dets)} and {len(scores)}")  # fmt: skip
    kept = _suppressed(np.asarray(dets._array()), np.asarray(scores._array()), iou_threshold)
    return tensor(kept, dtype=None, device=dets.device)


def _suppressed(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    order = np.argsort(-scores, kind="stable")
    left, top, right, bottom = boxes[order].T
    areas = (right - left) * (bottom - top)
    alive, kept = np.ones(len(order), bool), []
    for i in range(len(order)):
        if not alive[i]:
            continue
        kept.append(order[i])
        rest = slice(i + 1, None)
        width = np.minimum(right[i], right[rest]) - np.maximum(left[i], left[rest])
        height = np.minimum(bottom[i], bottom[rest]) - np.maximum(top[i], top[rest])
        common = np.maximum(width, 0) * np.maximum(height, 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            alive[rest] &= ~(common / (areas[i] + areas[rest] - common) > threshold)
    return np.array(kept, np.int64)
