"""How losses are summed up, and the older arguments that say so."""

from __future__ import annotations

from ...errors import warn
from ...ops import rules
from ...ops.losses import check_reduction
from ...tensor import Tensor


def older_reduction(size_average: bool | None, reduce: bool | None) -> str:
    """The reduction that the older arguments ask for; what is not given is true."""
    return "none" if reduce is False else "mean" if size_average is None or size_average else "sum"


def named_reduction(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction that ``size_average`` and ``reduce`` ask for; what ``reduction`` says, if neither is given."""
    if size_average is None and reduce is None:
        if not isinstance(reduction, str):
            raise ValueError(f"{reduction} is not a valid value for reduction")
        return reduction
    found = older_reduction(size_average, reduce)
    warn(f"size_average and reduce args will be deprecated, please use reduction='{found}' instead.")
    return found


def reduced(values: Tensor, reduction: str) -> Tensor:
    """Losses of rows as the result."""
    check_reduction(reduction)
    return values if reduction == "none" else values.mean() if reduction == "mean" else values.sum()


def floating(x: Tensor) -> Tensor:
    """The tensor itself, or in the default dtype if it holds whole numbers."""
    return x if x.dtype.category > 1 else x.to(rules.floating(x.dtype))


def need_no_bool(name: str, *given: Tensor) -> None:
    """Refuse truth values where a difference is taken."""
    for x in given:
        if x.dtype.category == 0:
            raise RuntimeError(f"{name}: Subtraction, the `-` operator, with a bool tensor is not supported; make it numbers, x.float()")


def need_float_result(name: str, input: Tensor, target: Tensor) -> None:
    """Refuse an input of integers where PyTorch writes the losses, floats by the target, in its dtype."""
    found = rules.result_dtype([input._aval, target._aval])
    if input.dtype.category < 2 <= found.category:
        what = f"result type {rules._cname(found)} can't be cast to the desired output type {rules._cname(input.dtype)}"
        raise RuntimeError(f"{name}: {what}; make the input floating-point, input.float()")


def need_constant(function: str, argument: str, given: Tensor) -> None:
    """Refuse an argument that wants a gradient and can have none."""
    if given.requires_grad:
        raise RuntimeError(
            f"The function '{function}' is not differentiable with respect to argument '{argument}'. This input cannot have "
            "requires_grad True."
        )
