"""Losses of elements and of classes (``torch.nn.functional``)."""

from __future__ import annotations

from math import inf, log, pi

from ...dispatch import recorder
from ...dtypes import int64, uint8
from ...errors import warn
from ...ops import class_losses, losses, rules
from ...ops.casting import widened
from ...ops.extent import elements, within
from ...tensor import Tensor
from .reductions import floating, named_reduction, need_constant, need_float_result, need_no_bool, reduced

# ---- classes ---------------------------------------------------------------------------------------------------------

_record_cross_entropy = recorder(class_losses._cross_entropy.op)


def cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
                  ignore_index: int = -100, reduce: bool | None = None, reduction: str = "mean",
                  label_smoothing: float = 0.0) -> Tensor:  # fmt: skip
    """-log of the probability that softmax gives to the target: class indices, or probabilities of all classes.

    >>> import kuai as torch
    >>> torch.nn.functional.cross_entropy(torch.tensor([[2., 0.], [0., 1.]]), torch.tensor([0, 1]))
    tensor(0.2201)
    """
    _need_tensor("cross_entropy", target)
    reduction = named_reduction(size_average, reduce, reduction)
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    if input.shape == target.shape:
        return _soft_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)
    if not input.shape:
        raise IndexError("cross_entropy: Dimension out of range: the input has no dimensions, needs one of classes")
    target = _checked_target(input, target, weight, ignore_index)
    return _record_cross_entropy((ignore_index, reduction), input, target, weight, label_smoothing or None)


def _need_tensor(name: str, target: object) -> None:
    if not isinstance(target, Tensor):
        raise TypeError(f"{name}(): argument 'target' (position 2) must be Tensor, not {type(target).__name__}")


def _soft_cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str,
                        label_smoothing: float) -> Tensor:  # fmt: skip
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    return class_losses._soft_cross_entropy(input, target, weight, label_smoothing or None, reduction=reduction)


def _checked_target(input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int) -> Tensor:
    """Class indices in the form of the ops, checked."""
    shape = input.shape
    if not shape:
        raise ValueError("Expected 1 or more dimensions (got 0)")
    if len(shape) == 1 and target.ndim:
        if target.shape != (1,):
            raise ValueError(f"For 1D input, 1D target must have size 1, but got target size: {target.shape[0]}")
        target = target.squeeze(0)
    if target.dtype is uint8:
        target = target.to(int64)
    _check_classes(input, target, ignore_index)
    if weight is not None:
        need_constant("nll_loss_forward", "weight", weight)
    return target


def _check_classes(input: Tensor, target: Tensor, ignore_index: int) -> None:
    classes = input.shape[input.ndim > 1]
    if target.dtype.category == 1 and not within(target, 0, classes - 1):
        data = elements(target)
        if data is not None:
            class_losses.check_target_shape(input._aval, target._aval)
            class_losses.check_targets(data, classes, ignore_index)


def nll_loss(input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
             ignore_index: int = -100, reduce: bool | None = None, reduction: str = "mean") -> Tensor:  # fmt: skip
    """Minus the log-probability that the input gives to the target class.

    >>> import kuai as torch
    >>> torch.nn.functional.nll_loss(torch.tensor([[-0.5, -1.0]]), torch.tensor([1]))
    tensor(1.)
    """
    _need_tensor("nll_loss", target)
    reduction = named_reduction(size_average, reduce, reduction)
    target = _checked_target(input, target, weight, ignore_index)
    return class_losses._nll(input, target, weight, ignore=ignore_index, reduction=reduction)


# ---- distances -------------------------------------------------------------------------------------------------------


def _warn_of_broadcast(input: Tensor, target: Tensor) -> None:
    if input.shape != target.shape:
        warn(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This will likely "
            "lead to incorrect results due to broadcasting. Please ensure they have the same size."
        )


def _weighted(values: Tensor, weight: Tensor) -> Tensor:
    if values.shape != weight.shape:
        raise ValueError(f"Weights and input must have the same size, got {weight.shape} and {values.shape}")
    return values * weight


def _with_weight(values: Tensor, weight: Tensor, reduction: str) -> Tensor:
    """Elements' losses with a weight for each; the mean is that of the weights."""
    weighted = _weighted(values, weight)
    return weighted.sum() / weight.sum() if reduction == "mean" else reduced(weighted, reduction)


def mse_loss(input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
             reduction: str = "mean", weight: Tensor | None = None) -> Tensor:  # fmt: skip
    """Squared differences.

    >>> import kuai as torch
    >>> torch.nn.functional.mse_loss(torch.tensor([1., 2.]), torch.tensor([1., 4.]))
    tensor(2.)
    """
    _warn_of_broadcast(input, target)
    reduction = named_reduction(size_average, reduce, reduction)
    if weight is not None:
        return _with_weight(losses.mse_loss(input, target, reduction="none"), weight, reduction)
    return losses.mse_loss(input, target, reduction=reduction)


def l1_loss(input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
            reduction: str = "mean", weight: Tensor | None = None) -> Tensor:  # fmt: skip
    """Absolute differences.

    >>> import kuai as torch
    >>> torch.nn.functional.l1_loss(torch.tensor([1., 2.]), torch.tensor([1., 4.]))
    tensor(1.)
    """
    _warn_of_broadcast(input, target)
    reduction = named_reduction(size_average, reduce, reduction)
    need_no_bool("l1_loss", input, target)
    if weight is not None:
        return _with_weight((input - target).abs(), weight, reduction)
    if rules.result_dtype([input._aval, target._aval]).category != 2:
        return reduced((input - target).abs(), reduction)
    return losses.l1_loss(input, target, reduction=reduction)


def smooth_l1_loss(input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
                   reduction: str = "mean", beta: float = 1.0) -> Tensor:  # fmt: skip
    """Absolute differences, less half of beta; squared ones over twice beta where they are smaller than beta.

    >>> import kuai as torch
    >>> torch.nn.functional.smooth_l1_loss(torch.tensor([0.5, 3.]), torch.zeros(2), reduction="none")
    tensor([0.1250, 2.5000])
    """
    _warn_of_broadcast(input, target)
    reduction = named_reduction(size_average, reduce, reduction)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss does not support negative values for beta. (got {beta})")
    if beta == 0:
        return losses.l1_loss(input, target, reduction=reduction)
    return losses.smooth_l1_loss(input, target, beta, reduction=reduction)


def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0,
               weight: Tensor | None = None) -> Tensor:  # fmt: skip
    """Half the squared difference within delta, a line of slope delta outside.

    >>> import kuai as torch
    >>> torch.nn.functional.huber_loss(torch.tensor([0.5, 3.]), torch.zeros(2), reduction="none", delta=2.0)
    tensor([0.1250, 4.0000])
    """
    losses.need_reduction(reduction)
    _warn_of_broadcast(input, target)
    if delta <= 0:
        raise RuntimeError(f"huber_loss does not support non-positive values for delta. (got {delta})")
    need_float_result("huber_loss", input, target)
    if weight is not None:
        return reduced(_weighted(losses.huber_loss(input, target, delta, reduction="none"), weight), reduction)
    return losses.huber_loss(input, target, delta, reduction=reduction)


# ---- probabilities ---------------------------------------------------------------------------------------------------


def binary_cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
                         reduce: bool | None = None, reduction: str = "mean") -> Tensor:  # fmt: skip
    """-log of the probability that the input, in [0, 1], gives to a target of 0 or 1 (or in between).

    >>> import kuai as torch
    >>> torch.nn.functional.binary_cross_entropy(torch.tensor([0.5, 0.9]), torch.tensor([0., 1.]))
    tensor(0.3993)
    """
    reduction = named_reduction(size_average, reduce, reduction)
    if input.shape != target.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is deprecated. "
            "Please ensure they have the same size."
        )
    if input.dtype is not target.dtype and not widened(input):
        raise RuntimeError(f"binary_cross_entropy: Found dtype {target.dtype} but expected {input.dtype}")
    _check_unit_interval(input, "input")
    _check_unit_interval(target, "target")
    if weight is not None:
        need_constant("binary_cross_entropy", "weight", weight)
        weight = weight.expand(input.shape)
    return losses.binary_cross_entropy(input, target, weight, reduction=reduction)


def _check_unit_interval(x: Tensor, what: str) -> None:
    """Refuse what is no probability."""
    if within(x, 0, 1):
        return
    data = elements(x)
    if data is not None and not ((data >= 0) & (data <= 1)).all():
        raise RuntimeError(f"binary_cross_entropy: all elements of {what} should be between 0 and 1")


def binary_cross_entropy_with_logits(input: Tensor, target: Tensor, weight: Tensor | None = None,
                                     size_average: bool | None = None, reduce: bool | None = None,
                                     reduction: str = "mean", pos_weight: Tensor | None = None) -> Tensor:  # fmt: skip
    """`binary_cross_entropy` of sigmoid(input), without overflow; positives may weigh more.

    >>> import kuai as torch
    >>> torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor([0., 200.]), torch.tensor([1., 1.]))
    tensor(0.3466)
    """
    reduction = named_reduction(size_average, reduce, reduction)
    if input.shape != target.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    for name, given in (("weight", weight), ("pos_weight", pos_weight)):
        if given is not None:
            need_constant("binary_cross_entropy_with_logits", name, given)
    if target.dtype.category != 2:
        raise RuntimeError(
            f"binary_cross_entropy_with_logits: result type {rules._cname(input.dtype)} can't be cast to the desired output type "
            f"{rules._cname(target.dtype)}, the target's; make the target floating-point, target.float()"
        )
    rules.need_category("binary_cross_entropy_with_logits", input.dtype, 2)
    loss = losses.binary_cross_entropy_with_logits(input, target, weight, pos_weight, reduction=reduction)
    return loss if loss.dtype is target.dtype else loss.to(target.dtype)  # PyTorch computes it in place of 1 - target


def kl_div(input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
           reduction: str = "mean", log_target: bool = False) -> Tensor:  # fmt: skip
    """target · (log target - input): how far log-probabilities are from a distribution.

    >>> import kuai as torch
    >>> half = torch.tensor([[0.5, 0.5]])
    >>> torch.nn.functional.kl_div(half.log(), half, reduction="batchmean")
    tensor(0.)
    """
    if reduction == "mean" and size_average is None and reduce is None:
        warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size. 'batchmean' divides "
            "only by the batch size, and aligns with the KL div math definition. 'mean' will be changed to behave the "
            "same as 'batchmean' in the next major release."
        )
    return divergence(input, target, named_reduction(size_average, reduce, reduction), log_target)


def divergence(input: Tensor, target: Tensor, reduction: str, log_target: bool) -> Tensor:
    """`kl_div`, its reduction known."""
    for x in (input, target):
        if x.dtype.category != 2:
            kind = "Complex" if x.dtype.is_complex else "Integral"
            raise RuntimeError(f"kl_div: {kind} inputs not supported.")
    loss = losses.kl_div_of_logs if log_target else losses.kl_div
    rows = input.shape[0] if input.ndim else 1
    return loss(input, target, reduction=rows if reduction == "batchmean" else reduction)


def poisson_nll_loss(input: Tensor, target: Tensor, log_input: bool = True, full: bool = False,
                     size_average: bool | None = None, eps: float = 1e-8, reduce: bool | None = None,
                     reduction: str = "mean") -> Tensor:  # fmt: skip
    """-log of the probability of counts, given the logarithm of their rate.

    >>> import kuai as torch
    >>> torch.nn.functional.poisson_nll_loss(torch.tensor([0.]), torch.tensor([2.]))
    tensor(1.)
    """
    reduction = named_reduction(size_average, reduce, reduction)
    input, how = floating(input), "none" if full else reduction
    found = (losses.poisson_nll_loss(input, target, reduction=how) if log_input
             else losses.poisson_nll_loss_of_rate(input, target, eps, reduction=how))  # fmt: skip
    return reduced(found + _stirling(target), reduction) if full else found


def _stirling(y: Tensor) -> Tensor:
    """Stirling's approximation of log(y!), for y above 1."""
    return (y * y.log() - y + 0.5 * (2 * pi * y).log()).masked_fill(y <= 1, 0)


def gaussian_nll_loss(input: Tensor, target: Tensor, var: Tensor | float, full: object = False, eps: float = 1e-6,
                      reduction: str = "mean") -> Tensor:  # fmt: skip
    """-log of a normal density around the input, with a variance for each element or each row.

    >>> import kuai as torch
    >>> torch.nn.functional.gaussian_nll_loss(torch.zeros(2), torch.ones(2), torch.ones(2))
    tensor(0.5000)
    """
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    need_no_bool("gaussian_nll_loss", input, target)
    if isinstance(var, Tensor) and var.dtype.category < 2:
        raise RuntimeError(f"gaussian_nll_loss: result type Float can't be cast to the dtype of var, {var.dtype}; give var.float()")
    found = losses.gaussian_nll_loss(input, target, _variance(input, var), eps, reduction="none" if full else reduction)
    return reduced(found + 0.5 * log(2 * pi), reduction) if full else found


def _variance(input: Tensor, var: Tensor | float) -> Tensor | float:
    """The variance in a shape that broadcasts to the input's. Negative ones are refused."""
    if isinstance(var, Tensor) and var.is_complex():
        raise NotImplementedError(f"gaussian_nll_loss: \"lt_cpu\" not implemented for '{rules._cname(var.dtype)}', the dtype of var")
    if not isinstance(var, Tensor):
        var = float(var)
        negative = var < 0
    else:
        data = None if within(var, 0, inf) else elements(var)
        negative = data is not None and bool((data < 0).any())
        var = _alike(input, var)
    if negative:
        raise ValueError("var has negative entry/entries")
    return var


def _alike(input: Tensor, var: Tensor) -> Tensor:
    if len(var.shape) == len(input.shape) and all(v in (1, n) for v, n in zip(var.shape, input.shape)):
        return var
    if var.shape == input.shape[:-1]:
        return var.unsqueeze(-1)
    raise ValueError(f"var is of incorrect size: {list(var.shape)} for an input of {list(input.shape)}")
