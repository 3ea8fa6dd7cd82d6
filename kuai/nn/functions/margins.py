"""Losses of margins: rankings, hinges, triplets (``torch.nn.functional``)."""

from __future__ import annotations

from collections.abc import Callable

from ...ops import losses, rules
from ...ops.extent import elements, within
from ...ops.losses import check_reduction
from ...ops.reduction import pairwise_distance
from ...tensor import Tensor
from .reductions import floating, named_reduction, need_constant, need_float_result, need_no_bool, reduced


def margin_ranking_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0,
                        size_average: bool | None = None, reduce: bool | None = None,
                        reduction: str = "mean") -> Tensor:  # fmt: skip
    """How far input1 is from being above input2 by the margin where the target is 1, below it where it is -1.

    >>> import kuai as torch
    >>> torch.nn.functional.margin_ranking_loss(torch.tensor([1.]), torch.tensor([3.]), torch.tensor([1.]), margin=1)
    tensor(3.)
    """
    reduction = named_reduction(size_average, reduce, reduction)
    if not len(input1.shape) == len(input2.shape) == len(target.shape):
        raise RuntimeError(
            f"margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: {input1.shape}, "
            f"input2: {input2.shape}, target: {target.shape} "
        )
    need_no_bool("margin_ranking_loss", input1, input2, target)
    if all(x.dtype.category == 1 for x in (input1, input2, target)):  # whole numbers wrap around before they meet the margin
        return reduced((-target * (input1 - input2) + float(margin)).clamp_min(0), reduction)
    return losses.margin_ranking_loss(floating(input1), input2, target, margin, reduction=reduction)


def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, size_average: bool | None = None,
                         reduce: bool | None = None, reduction: str = "mean") -> Tensor:  # fmt: skip
    """A distance where the target is 1, and what it lacks to the margin where the target is -1.

    >>> import kuai as torch
    >>> torch.nn.functional.hinge_embedding_loss(torch.tensor([0.5, 0.25]), torch.tensor([1, -1]), reduction="none")
    tensor([0.5000, 0.7500])
    """
    reduction = named_reduction(size_average, reduce, reduction)
    need_no_bool("hinge_embedding_loss", input)
    if reduction == "mean" and max(input.dtype.category, target.dtype.category) < 2:
        raise RuntimeError(f"hinge_embedding_loss: mean(): could not infer output dtype, needs floating point, got {input.dtype}")
    return losses.hinge_embedding_loss(input, target, margin, reduction=reduction)


def soft_margin_loss(input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
                     reduction: str = "mean") -> Tensor:  # fmt: skip
    """log(1 + exp(-target · input)), for targets of 1 and -1.

    >>> import kuai as torch
    >>> torch.nn.functional.soft_margin_loss(torch.tensor([0.]), torch.tensor([1.]))
    tensor(0.6931)
    """
    need_constant("soft_margin_loss", "target", target)
    need_float_result("soft_margin_loss", input, target)
    shape = rules.broadcast_shapes("soft_margin_loss", input.shape, target.shape)
    if shape != input.shape:
        raise RuntimeError(f"soft_margin_loss: output with shape {list(input.shape)} doesn't match the broadcast shape {list(shape)}")
    return losses.soft_margin_loss(input, target, reduction=named_reduction(size_average, reduce, reduction))


def cosine_embedding_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0,
                          size_average: bool | None = None, reduce: bool | None = None,
                          reduction: str = "mean") -> Tensor:  # fmt: skip
    """1 - cosine where the target is 1; by how much the cosine is above the margin where it is -1.

    >>> import kuai as torch
    >>> x, y = torch.tensor([[1., 0.]]), torch.tensor([[0., 1.]])
    >>> torch.nn.functional.cosine_embedding_loss(x, y, torch.tensor([1.]))
    tensor(1.)
    """
    reduction = named_reduction(size_average, reduce, reduction)
    _check_cosine_shapes(input1, input2, target)
    dim = target.ndim
    lengths = ((input1 * input1).sum(dim) + 1e-12) * ((input2 * input2).sum(dim) + 1e-12)
    cosine = (input1 * input2).sum(dim) / lengths.sqrt()
    apart = (cosine - margin).clamp_min(0)
    rows = (1 - cosine).where(target == 1, 0.0) + apart.where(target == -1, 0.0)
    return reduced(rows, reduction)


def _check_cosine_shapes(input1: Tensor, input2: Tensor, target: Tensor) -> None:
    rank = target.ndim
    if rank > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if input1.ndim != rank + 1 or input2.ndim != rank + 1:
        raise RuntimeError(
            f"{rank}D target tensor expects {rank + 1}D input tensors, but found inputs with sizes {list(input1.shape)} "
            f"and {list(input2.shape)}."
        )


def multilabel_soft_margin_loss(input: Tensor, target: Tensor, weight: Tensor | None = None,
                                size_average: bool | None = None, reduce: bool | None = None,
                                reduction: str = "mean") -> Tensor:  # fmt: skip
    """The binary cross-entropy of logits, averaged over the classes (the last dimension).

    >>> import kuai as torch
    >>> torch.nn.functional.multilabel_soft_margin_loss(torch.zeros(1, 3), torch.tensor([[1., 0., 1.]]))
    tensor(0.6931)
    """
    how = named_reduction(size_average, reduce, reduction)
    need_no_bool("multilabel_soft_margin_loss", target)
    rules.need_category("multilabel_soft_margin_loss", input.dtype, 2)
    if not input.ndim:
        raise IndexError("multilabel_soft_margin_loss: Dimension specified as -1 but the input has no dimensions")
    if how == "none":
        return losses.binary_cross_entropy_with_logits(input, target, weight, None, reduction="none").mean(-1)
    divisor = input.shape[-1] if how == "sum" else how
    return losses.binary_cross_entropy_with_logits(input, target, weight, None, reduction=divisor)


def _rows_of_classes(name: str, input: Tensor) -> Tensor:
    """One row of classes for each sample; a single sample is one row, a number one class."""
    if input.ndim > 2 or 0 in input.shape[-1:]:
        raise RuntimeError(f"{name}: Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
                           f"{list(input.shape)}")  # fmt: skip
    return input if input.ndim == 2 else input.reshape(1, -1)


def multi_margin_loss(input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0, weight: Tensor | None = None,
                      size_average: bool | None = None, reduce: bool | None = None,
                      reduction: str = "mean") -> Tensor:  # fmt: skip
    """By how much other classes come closer to the target's score than the margin.

    >>> import kuai as torch
    >>> torch.nn.functional.multi_margin_loss(torch.tensor([[1., 1., 0.]]), torch.tensor([0]))
    tensor(0.3333)
    """
    reduction = named_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    rules.need_category("multi_margin_loss", input.dtype, 2)
    rules.need_wide("multi_margin_loss_cpu_kernel", input._aval)
    rows = _rows_of_classes("multi_margin_loss", input)
    if target.numel() != rows.shape[0] or target.ndim > 1:
        raise RuntimeError(
            f"multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples (batch size). "
            f"Expected target size [{rows.shape[0]}], but got {list(target.shape)}. Input has shape {list(input.shape)}."
        )
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    if weight is not None and weight.shape != rows.shape[1:]:
        raise RuntimeError(f"inconsistent weight size, expected {rows.shape[1]} but got {list(weight.shape)}")
    where = _class_column(target, rows.shape[1])
    violations = (margin - rows.gather(1, where) + rows).clamp_min(0).scatter(1, where, 0.0)
    violations = violations if p == 1 else violations * violations
    if weight is not None:
        violations = violations * weight[where]
    found = violations.sum(1) / rows.shape[1]
    return reduced(found.reshape(target.shape), reduction)


def _need_long(target: Tensor) -> None:
    if target.dtype.name != "int64":
        raise RuntimeError(f"expected scalar type Long but found {rules._cname(target.dtype)}")


def _class_column(target: Tensor, classes: int) -> Tensor:
    _need_long(target)
    _check_range("multi_margin_loss", target, 0, classes)
    return target.reshape(-1, 1)


def _check_range(name: str, target: Tensor, least: int, classes: int) -> None:
    data = None if within(target, least, classes - 1) else elements(target)
    if data is not None and data.size and not (data.min() >= least and data.max() < classes):
        raise RuntimeError(f"{name}: target is out of range: needs {least} to {classes - 1}")


def multilabel_margin_loss(input: Tensor, target: Tensor, size_average: bool | None = None,
                           reduce: bool | None = None, reduction: str = "mean") -> Tensor:  # fmt: skip
    """By how much classes that are no targets come closer to each target's score than 1; a row's targets end at -1.

    >>> import kuai as torch
    >>> torch.nn.functional.multilabel_margin_loss(torch.tensor([[1., 1., 0.]]), torch.tensor([[0, -1, 0]]))
    tensor(0.3333)
    """
    reduction = named_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    rules.need_category("multilabel_margin_loss", input.dtype, 2)
    rules.need_wide("multilabel_margin_loss_forward_out_frame", input._aval)
    rows = _rows_of_classes("multilabel_margin_loss", input)
    if target.numel() != input.numel() or (input.ndim and target.shape != input.shape):
        raise RuntimeError(f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}")
    targets = target.reshape(rows.shape)
    valid = (targets < 0).cumsum(1) == 0
    _need_long(target)
    _check_range("multilabel_margin_loss", target, -1, rows.shape[1])
    where = targets * valid
    is_target = rows.new_zeros(rows.shape).scatter_add(1, where, valid.to(rows.dtype)) > 0
    gaps = 1 - rows.gather(1, where).unsqueeze(2) + rows.unsqueeze(1)
    counted = valid.unsqueeze(2) & ~is_target.unsqueeze(1)
    found = gaps.clamp_min(0).where(counted, 0.0).sum((1, 2)) / rows.shape[1]
    return reduced(found if input.ndim == 2 else found.squeeze(0), reduction)


# ---- triplets --------------------------------------------------------------------------------------------------------


def triplet_margin_loss(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2,
                        eps: float = 1e-6, swap: bool = False, size_average: bool | None = None,
                        reduce: bool | None = None, reduction: str = "mean") -> Tensor:  # fmt: skip
    """How far the anchor is from being nearer to the positive than to the negative by the margin.

    >>> import kuai as torch
    >>> a, p, n = torch.tensor([[0., 0.], [3., 0.], [0., 1.]]).unsqueeze(1)
    >>> torch.nn.functional.triplet_margin_loss(a, p, n)
    tensor(3.)
    """
    reduction = named_reduction(size_average, reduce, reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    _check_ranks("triplet_margin_loss", anchor, positive, negative)
    return _triplet(lambda x, y: pairwise_distance(x, y, p, eps), (anchor, positive, negative), margin, swap, reduction)


def triplet_margin_with_distance_loss(anchor: Tensor, positive: Tensor, negative: Tensor, *,
                                      distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
                                      margin: float = 1.0, swap: bool = False,
                                      reduction: str = "mean") -> Tensor:  # fmt: skip
    """`triplet_margin_loss` with any distance.

    >>> import kuai as torch
    >>> a, p, n = torch.tensor([[0., 0.], [3., 0.], [0., 1.]]).unsqueeze(1)
    >>> distance = lambda x, y: (x - y).abs().sum(-1)
    >>> torch.nn.functional.triplet_margin_with_distance_loss(a, p, n, distance_function=distance)
    tensor(3.)
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    _check_ranks("triplet_margin_loss", anchor, positive, negative)
    return _triplet(distance_function or pairwise_distance, (anchor, positive, negative), margin, swap, reduction)


def _check_ranks(name: str, *given: Tensor) -> None:
    if len({x.ndim for x in given}) > 1:
        ranks = " and ".join(f"{x.ndim}D" for x in given)
        raise RuntimeError(f"{name}: the anchor, positive, and negative tensors are expected to have the same number of "
                           f"dimensions, but got {ranks} inputs")  # fmt: skip


def _triplet(distance: Callable, triple: tuple, margin: float, swap: bool, reduction: str) -> Tensor:
    anchor, positive, negative = triple
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    return reduced((margin + near - far).clamp_min(0), reduction)
