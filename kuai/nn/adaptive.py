"""A softmax over many classes, in which rare ones cost little (``torch.nn.AdaptiveLogSoftmaxWithLoss``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..ops.creation import zeros
from ..ops.joining import cat
from ..tensor import Tensor, from_array
from . import functional as F
from .containers import ModuleList, Sequential
from .linear import Linear
from .module import Module


class AdaptiveOutput(NamedTuple):
    """Each target's log-probability, and minus their mean."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log-probabilities of classes that are sorted by frequency: the frequent ones are in the head, the others in
    clusters, each with a place in the head and, behind it, layers that get narrower from cluster to cluster.

    >>> import kuai as torch
    >>> layer = torch.nn.AdaptiveLogSoftmaxWithLoss(16, 20, cutoffs=[4, 10])
    >>> layer(torch.ones(3, 16), torch.tensor([0, 5, 19])).output.shape
    torch.Size([3])
    """

    def __init__(self, in_features: int, n_classes: int, cutoffs: Sequence[int], div_value: float = 4.0,
                 head_bias: bool = False, device: object = None, dtype: object = None):  # fmt: skip
        super().__init__()
        cutoffs = list(cutoffs)
        _check_cutoffs(cutoffs, n_classes)
        self.in_features, self.n_classes = in_features, n_classes
        self.cutoffs, self.div_value, self.head_bias = [*cutoffs, n_classes], div_value, head_bias
        self.shortlist_size, self.n_clusters = cutoffs[0], len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        options = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **options)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            width = int(in_features // div_value ** (i + 1))
            count = self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(Sequential(Linear(in_features, width, False, **options), Linear(width, count, False, **options)))

    def reset_parameters(self) -> None:
        """Draw the weights of all layers anew."""
        self.head.reset_parameters()
        for narrow, wide in self.tail:
            narrow.reset_parameters()
            wide.reset_parameters()

    def forward(self, input: Tensor, target: Tensor) -> AdaptiveOutput:
        if input.ndim == 1 and target.ndim == 0:
            output, loss = self(input.unsqueeze(0), target.unsqueeze(0))
            return AdaptiveOutput(output.squeeze(0), loss)
        labels = self._labels(input, target)
        places, output = labels.copy(), zeros(labels.size, dtype=input.dtype, device=input.device)
        for i, (low, high) in enumerate(zip(self.cutoffs, self.cutoffs[1:])):
            rows = np.flatnonzero((labels >= low) & (labels < high))
            if rows.size:
                places[rows] = self.shortlist_size + i
                where = from_array(rows, input.device)
                inside = F.log_softmax(self.tail[i](input.index_select(0, where)), 1)
                output = output.index_add(0, where, _at(inside, labels[rows] - low))
        output = output + _at(F.log_softmax(self.head(input), 1), places)
        return AdaptiveOutput(output, -output.mean())

    def _labels(self, input: Tensor, target: Tensor) -> np.ndarray:
        """The targets' classes, which decide what is computed."""
        if input.ndim != 2 or target.ndim != 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported: a target for each row of a "
                               f"2D input, got {list(target.shape)} and {list(input.shape)}")  # fmt: skip
        if input.shape[0] != target.shape[0]:
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        labels = target._array().astype(np.int64)
        if labels.size and (labels.min() < 0 or labels.max() >= self.n_classes):
            raise RuntimeError(f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                               f"[{labels.min()}, {labels.max()}] were found. ")  # fmt: skip
        return labels

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes, for each row."""
        head = F.log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for i, cluster in enumerate(self.tail):
            place = self.shortlist_size + i
            parts.append(F.log_softmax(cluster(input), 1) + head[:, place : place + 1])
        return cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class of each row; clusters are only looked into where the head says so."""
        found = self.head(input).argmax(1)
        rows = (found >= self.shortlist_size).nonzero().squeeze(1)
        if not rows.numel():
            return found
        return found.index_copy(0, rows, self.log_prob(input.index_select(0, rows)).argmax(1))


def _check_cutoffs(cutoffs: list, n_classes: int) -> None:
    if not cutoffs:
        raise ValueError("cutoffs should be a sequence of length larger than 0")
    rising = all(a < b for a, b in zip(cutoffs, cutoffs[1:]))
    if not rising or min(cutoffs) <= 0 or max(cutoffs) > n_classes - 1 or any(int(c) != c for c in cutoffs):
        raise ValueError("cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each "
                         f"value is between 1 and n_classes-1, got {cutoffs}")  # fmt: skip


def _at(rows: Tensor, places: np.ndarray) -> Tensor:
    """One element of each row."""
    return rows.gather(1, from_array(places[:, None], rows.device)).squeeze(1)
