"""Adam for sparse gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import sqrt

from ..autograd.modes import no_grad
from ..tensor import Tensor
from .optimizer import Optimizer, evaluate
from .update import number, zeros


class SparseAdam(Optimizer):
    """Adam for sparse gradients (``torch.optim.SparseAdam``): only what a gradient has values for is updated, the moments
    too. For dense gradients it has no step: RuntimeError.

    >>> import kuai as torch
    >>> words = torch.nn.Embedding(3, 2, sparse=True)
    >>> optimizer = torch.optim.SparseAdam(words.parameters(), lr=0.5)
    >>> before = words.weight.detach().clone()
    >>> words(torch.tensor([1])).sum().backward(); optimizer.step()
    >>> before - words.weight.detach()
    tensor([[0.0000, 0.0000],
            [0.5000, 0.5000],
            [0.0000, 0.0000]])
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
        if any(p.is_sparse for group in self.param_groups for p in group["params"]):
            raise ValueError("SparseAdam requires dense parameter tensors")
        if any(p.is_complex() for group in self.param_groups for p in group["params"]):
            raise ValueError("SparseAdam does not support complex parameters")

    @no_grad()
    def step(self, closure: Callable | None = None) -> object:
        """Update the parameters once, from their gradients; ``closure`` computes the loss anew and gives it."""
        loss = evaluate(closure)
        for group in self.param_groups:
            given = [p for p in group["params"] if p._grad is not None]
            if any(not p._grad.is_sparse for p in given):
                raise RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead")
            for p in given:
                self._step_one(group, p, p._grad)
        return loss

    def _step_one(self, group: dict, p: Tensor, g: Tensor) -> None:
        state = self.state[p]
        if not state:
            state.update(step=0, exp_avg=zeros(p), exp_avg_sq=zeros(p))
        state["step"] += 1
        g = (-g if group["maximize"] else g).coalesce()
        if not g._nnz():
            return
        b1, b2 = group["betas"]
        values = g._values()
        first = _decayed(state["exp_avg"], g, values, b1)
        second = _decayed(state["exp_avg_sq"], g, values * values, b2)
        size = number(group["lr"]) * sqrt(1.0 - b2 ** state["step"]) / (1.0 - b1 ** state["step"])
        p.add_(with_values(g, first / (second.sqrt() + group["eps"])), alpha=-size)


def with_values(g: Tensor, values: Tensor) -> Tensor:
    """A sparse tensor in the places of another one."""
    from ..sparse.coo import sparse_coo_tensor

    return sparse_coo_tensor(g._indices(), values, g.shape, is_coalesced=g.is_coalesced())


def _decayed(moment: Tensor, g: Tensor, values: Tensor, keep: float) -> Tensor:
    """Bring a moment nearer to values in the places of a gradient; what it has there then."""
    old = moment.sparse_mask(g)._values()
    change = (values - old) * (1.0 - keep)
    moment.add_(with_values(g, change))
    return change + old
