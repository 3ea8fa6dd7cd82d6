"""PyTorch's old name for a tensor that takes part in autograd (``torch.autograd.variable``)."""

from __future__ import annotations

import warnings

from ..tensor import Tensor


class VariableMeta(type):
    """Lets ``isinstance(x, Variable)`` say whether something is a tensor."""

    def __instancecheck__(cls, other: object) -> bool:
        return isinstance(other, Tensor)


class Variable(metaclass=VariableMeta):
    """A tensor on another one's memory, apart from its graph (``torch.autograd.Variable``); every tensor is an instance.

    TypeError for what is no tensor.

    >>> import kuai as torch
    >>> x = torch.ones(1)
    >>> torch.autograd.Variable(x, requires_grad=True), x.requires_grad, isinstance(x, torch.autograd.Variable)
    (tensor([1.], requires_grad=True), False, True)
    """

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = False, volatile: bool = False) -> Tensor:  # type: ignore[misc]
        if volatile:
            warnings.warn("volatile was removed and now has no effect. Use `with torch.no_grad():` instead.", stacklevel=2)
        if data is None:
            return Tensor().requires_grad_(requires_grad)
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        return data.detach().requires_grad_(requires_grad)
