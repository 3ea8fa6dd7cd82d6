"""Losses and others as ``torch`` itself has them: their reductions are numbers (0 none, 1 mean, 2 sum).

PyTorch declares the mean as the default, and its Python functions take none: so it is here.
"""

from __future__ import annotations

from ...ops import dropout as masks
from ...ops.conversion import assign
from ...tensor import Tensor
from . import ctc, losses, margins
from . import embedding as tables

_NAMES = ("none", "mean", "sum")


def binary_cross_entropy_with_logits(input: Tensor, target: Tensor, weight: Tensor | None = None,
                                     pos_weight: Tensor | None = None, reduction: int = 0) -> Tensor:  # fmt: skip
    """`kuai.nn.functional.binary_cross_entropy_with_logits` (``torch.binary_cross_entropy_with_logits``).

    >>> import kuai as torch
    >>> torch.binary_cross_entropy_with_logits(torch.zeros(2), torch.ones(2))
    tensor([0.6931, 0.6931])
    """
    how = _NAMES[reduction]
    return losses.binary_cross_entropy_with_logits(input, target, weight, reduction=how, pos_weight=pos_weight)


def cosine_embedding_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0,
                          reduction: int = 0) -> Tensor:  # fmt: skip
    """`kuai.nn.functional.cosine_embedding_loss` (``torch.cosine_embedding_loss``).

    >>> import kuai as torch
    >>> torch.cosine_embedding_loss(torch.ones(1, 2), torch.ones(1, 2), torch.ones(1))
    tensor([0.])
    """
    return margins.cosine_embedding_loss(input1, input2, target, margin, reduction=_NAMES[reduction])


def ctc_loss(log_probs: Tensor, targets: Tensor, input_lengths: ctc.Lengths, target_lengths: ctc.Lengths, blank: int = 0,
             reduction: int = 0, zero_infinity: bool = False) -> Tensor:  # fmt: skip
    """`kuai.nn.functional.ctc_loss` (``torch.ctc_loss``).

    >>> import kuai as torch
    >>> torch.ctc_loss(torch.zeros(3, 1, 2), torch.ones(1, 1, dtype=torch.long), torch.tensor([3]), torch.tensor([1]))
    tensor([-1.7918])
    """
    return ctc.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, _NAMES[reduction], zero_infinity)


def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: int = 0) -> Tensor:
    """`kuai.nn.functional.hinge_embedding_loss` (``torch.hinge_embedding_loss``).

    >>> import kuai as torch
    >>> torch.hinge_embedding_loss(torch.ones(2), torch.ones(2))
    tensor([1., 1.])
    """
    return margins.hinge_embedding_loss(input, target, margin, reduction=_NAMES[reduction])


def kl_div(input: Tensor, target: Tensor, reduction: int = 0, *, log_target: bool = False) -> Tensor:
    """`kuai.nn.functional.kl_div`, without its warning (``torch.kl_div``).

    >>> import kuai as torch
    >>> half = torch.tensor([0.5, 0.5])
    >>> torch.kl_div(half.log(), half, 2)
    tensor(0.)
    """
    return losses.divergence(input, target, _NAMES[reduction], log_target)


def margin_ranking_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 0) -> Tensor:
    """`kuai.nn.functional.margin_ranking_loss` (``torch.margin_ranking_loss``).

    >>> import kuai as torch
    >>> torch.margin_ranking_loss(torch.ones(2), torch.zeros(2), torch.ones(2))
    tensor([0., 0.])
    """
    return margins.margin_ranking_loss(input1, input2, target, margin, reduction=_NAMES[reduction])


def poisson_nll_loss(input: Tensor, target: Tensor, log_input: bool, full: bool, eps: float, reduction: int) -> Tensor:
    """`kuai.nn.functional.poisson_nll_loss` (``torch.poisson_nll_loss``).

    >>> import kuai as torch
    >>> torch.poisson_nll_loss(torch.zeros(2), torch.ones(2), True, False, 1e-8, 1)
    tensor(1.)
    """
    return losses.poisson_nll_loss(input, target, log_input, full, eps=eps, reduction=_NAMES[reduction])


def triplet_margin_loss(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2.0,
                        eps: float = 1e-6, swap: bool = False, reduction: int = 0) -> Tensor:  # fmt: skip
    """`kuai.nn.functional.triplet_margin_loss` (``torch.triplet_margin_loss``).

    >>> import kuai as torch
    >>> torch.triplet_margin_loss(torch.ones(1, 2), torch.ones(1, 2), torch.zeros(1, 2))
    tensor([0.])
    """
    return margins.triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, reduction=_NAMES[reduction])


def embedding(weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False,
              sparse: bool = False) -> Tensor:  # fmt: skip
    """`kuai.nn.functional.embedding` with the table first; -1 is no padding (``torch.embedding``).

    >>> import kuai as torch
    >>> torch.embedding(torch.eye(2), torch.tensor([1]))
    tensor([[0., 1.]])
    """
    return tables.embedding(indices, weight, padding_idx if padding_idx >= 0 else None, None, 2.0, scale_grad_by_freq, sparse)


def embedding_bag(weight: Tensor, indices: Tensor, offsets: Tensor, scale_grad_by_freq: bool = False, mode: int = 0,
                  sparse: bool = False, per_sample_weights: Tensor | None = None, include_last_offset: bool = False,
                  padding_idx: int | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """`kuai.nn.functional.embedding_bag` with the table first and a number for the mode: 0 sum, 1 mean, 2 max
    (``torch.embedding_bag``). With the result come the bag of each index, how many rows each bag has, and for max which
    row of the table each element is. As PyTorch does, a sum leaves what it does not need empty or 0.

    >>> import kuai as torch
    >>> torch.embedding_bag(torch.eye(2), torch.tensor([1, 1, 0]), torch.tensor([0, 2]), mode=1)
    (tensor([[0., 1.],
            [1., 0.]]), tensor([0, 0, 1]), tensor([2, 1]), tensor([2, 1]))
    """
    if mode not in (0, 1, 2):
        raise RuntimeError(f"embedding_bag: `mode` must be sum, mean, or max: 0, 1 or 2, got {mode}")
    if padding_idx is not None and not -len(weight) <= padding_idx < len(weight):
        raise RuntimeError(
            f"padding_idx must be within the number of embeddings, -{len(weight)} through {len(weight) - 1}, but got {padding_idx}"
        )
    if per_sample_weights is not None and mode:
        raise RuntimeError("embedding_bag: per_sample_weights only supported with mode='sum'")
    return tables.bags_of_rows(weight, indices.reshape(-1), offsets, scale_grad_by_freq and mode != 2, ("sum", "mean", "max")[mode],
                               sparse, per_sample_weights, include_last_offset, padding_idx)  # fmt: skip


def dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """In-place form of `kuai.dropout` (``torch.dropout_``).

    >>> import kuai as torch
    >>> torch.dropout_(torch.ones(2), 0.5, False)
    tensor([1., 1.])
    """
    return assign(input, masks.dropout(input, p, train), "dropout_")


def feature_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """In-place form of `kuai.feature_dropout` (``torch.feature_dropout_``).

    >>> import kuai as torch
    >>> torch.feature_dropout_(torch.ones(1, 2), 0.5, False)
    tensor([[1., 1.]])
    """
    return assign(input, masks.feature_dropout(input, p, train), "feature_dropout_")


def alpha_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """In-place form of `kuai.alpha_dropout` (``torch.alpha_dropout_``).

    >>> import kuai as torch
    >>> torch.alpha_dropout_(torch.ones(2), 0.5, False)
    tensor([1., 1.])
    """
    return assign(input, masks.alpha_dropout(input, p, train), "alpha_dropout_")


def feature_alpha_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """In-place form of `kuai.feature_alpha_dropout` (``torch.feature_alpha_dropout_``).

    >>> import kuai as torch
    >>> torch.feature_alpha_dropout_(torch.ones(1, 2), 0.5, False)
    tensor([[1., 1.]])
    """
    return assign(input, masks.feature_alpha_dropout(input, p, train), "feature_alpha_dropout_")


def embedding_renorm_(input: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> Tensor:
    """Cut those rows that are asked for and longer than a norm, in place (``torch.embedding_renorm_``).

    >>> import kuai as torch
    >>> torch.embedding_renorm_(torch.tensor([[3., 4.], [3., 4.]]), torch.tensor([1]), 1.0, 2.0)
    tensor([[3.0000, 4.0000],
            [0.6000, 0.8000]])
    """
    tables.cut_rows(input, indices, max_norm, norm_type)
    return input
