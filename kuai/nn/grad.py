"""The derivatives of convolutions with respect to input and weight, as functions (``torch.nn.grad``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..autograd.api import grad
from ..ops import convolution
from ..ops.creation import zeros
from ..tensor import Tensor


def _at_zero(rank: int, of_input: bool, size: Sequence[int], given: Tensor, grad_output: Tensor, options: tuple) -> Tensor:
    """The derivative of a convolution, which is linear, at zero."""
    x = zeros(tuple(size), dtype=given.dtype, device=given.device, requires_grad=True)
    pair = (x, given) if of_input else (given, x)
    made = getattr(convolution, f"conv{rank}d")(*pair, None, *options)
    return grad(made, x, grad_output)[0]


def _derivative(rank: int, wanted: str) -> Callable[..., Tensor]:
    def input_apply(input_size: Sequence[int], weight: Tensor, grad_output: Tensor, stride: object = 1, padding: object = 0,
                    dilation: object = 1, groups: int = 1) -> Tensor:  # fmt: skip
        return _at_zero(rank, True, input_size, weight, grad_output, (stride, padding, dilation, groups))

    def weight_apply(input: Tensor, weight_size: Sequence[int], grad_output: Tensor, stride: object = 1, padding: object = 0,
                     dilation: object = 1, groups: int = 1) -> Tensor:  # fmt: skip
        return _at_zero(rank, False, weight_size, input, grad_output, (stride, padding, dilation, groups))

    apply = input_apply if wanted == "input" else weight_apply
    apply.__name__ = apply.__qualname__ = f"conv{rank}d_{wanted}"
    apply.__doc__ = f"""What the {wanted} of a convolution gets back (``torch.nn.grad.{apply.__name__}``).

    >>> import kuai as torch
    >>> x, w, g = torch.ones(1, 1, {", ".join(["4"] * rank)}), torch.ones(1, 1, {", ".join(["2"] * rank)}), \
torch.ones(1, 1, {", ".join(["3"] * rank)})
    >>> torch.nn.grad.conv{rank}d_{wanted}({"x.shape, w" if wanted == "input" else "x, w.shape"}, g).shape
    torch.Size([1, 1, {", ".join(["4" if wanted == "input" else "2"] * rank)}])
    """
    return apply


conv1d_input, conv1d_weight = _derivative(1, "input"), _derivative(1, "weight")
conv2d_input, conv2d_weight = _derivative(2, "input"), _derivative(2, "weight")
conv3d_input, conv3d_weight = _derivative(3, "input"), _derivative(3, "weight")
