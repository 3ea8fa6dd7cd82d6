"""Adam for sparse gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..tensor import Tensor
from .optimizer import Optimizer, evaluate


class SparseAdam(Optimizer):
    """Adam for sparse gradients (``torch.optim.SparseAdam``).

    Gradients here are dense always, and for those it has no step, as in PyTorch.

    >>> import kuai as torch
    >>> w = torch.ones(2, requires_grad=True); w.grad = torch.ones(2)
    >>> torch.optim.SparseAdam([w]).step()
    Traceback (most recent call last):
        ...
    RuntimeError: SparseAdam does not support dense gradients, please consider Adam instead
    """

    def __init__(self, params: Iterable, lr: float | Tensor = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, maximize: bool = False):  # fmt: skip
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not lr > 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not eps > 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for i, beta in enumerate(betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        if any(p.is_complex() for group in self.param_groups for p in group["params"]):
            raise ValueError("SparseAdam does not support complex parameters")

    def step(self, closure: Callable | None = None) -> object:
        """Refuse dense gradients; without any there is nothing to do."""
        loss = evaluate(closure)
        if any(p._grad is not None for group in self.param_groups for p in group["params"]):
            raise RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead")
        return loss
