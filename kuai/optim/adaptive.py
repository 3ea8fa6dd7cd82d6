"""Optimizers that scale each element's step by the gradients it has seen: RMSprop, Adagrad, Adadelta."""

from __future__ import annotations

from collections.abc import Iterable

from ..autograd.modes import no_grad
from ..tensor import Tensor
from .grouped import GroupedOptimizer
from .sgd import check_at_least_zero, descended
from .sparse import with_values
from .update import Update, filled, number, put, scalar, scalar_tensor, zeros


def _rmsprop(xp, p, g, state, numbers, *, centered, momentous, decays, maximize):
    lr, keep, share, eps, momentum, decay = numbers
    g = descended(p, g, decay, maximize, decays)
    square, *rest = state
    square = keep * square + share * (g * g)
    spread, after = square, [square]
    if centered:
        mean = rest[-1] + share * (g - rest[-1])
        spread = square - mean * mean
    step = g / (xp.sqrt(spread) + eps)
    if momentous:
        step = momentum * rest[0] + step
        after.append(step)
    return (p - lr * step, *after, mean) if centered else (p - lr * step, *after)


class RMSprop(GroupedOptimizer):
    """Gradients over a running root mean square of theirs (``torch.optim.RMSprop``).

    >>> import kuai as torch
    >>> w = torch.tensor([1.0], requires_grad=True); w.grad = torch.tensor([7.0])
    >>> torch.optim.RMSprop([w], lr=0.01).step(); w
    tensor([0.9000], requires_grad=True)
    """

    _update = Update(_rmsprop)

    def __init__(self, params: Iterable, lr: float | Tensor = 1e-2, alpha: float = 0.99, eps: float = 1e-8,
                 weight_decay: float = 0, momentum: float = 0, centered: bool = False, capturable: bool = False,
                 foreach: bool | None = None, maximize: bool = False, differentiable: bool = False):  # fmt: skip
        check_at_least_zero(epsilon=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        defaults = {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
            "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _begin(self, group: dict, p: Tensor) -> dict:
        return {"step": scalar_tensor(0), **{name: zeros(p) for name in self._columns(group)}}

    def _columns(self, group: dict) -> tuple[str, ...]:
        momentum = ("momentum_buffer",) if group["momentum"] > 0 else ()
        return ("square_avg", *momentum, *(("grad_avg",) if group["centered"] else ()))

    def _plan(self, group: dict, scalars: tuple[float, ...]) -> tuple[tuple, tuple, tuple]:
        keep, momentum, decay = float(group["alpha"]), float(group["momentum"]), number(group["weight_decay"])
        numbers = (number(group["lr"]), keep, 1.0 - keep, float(group["eps"]), momentum, decay)
        flags = (("centered", group["centered"]), ("momentous", momentum > 0.0), ("decays", decay != 0.0))
        return numbers, (*flags, ("maximize", group["maximize"])), (scalars[0] + 1.0,)


# ---- Adagrad ---------------------------------------------------------------------------------------------------------


def _adagrad(xp, p, g, state, numbers, *, decays, maximize):
    lr, eps, decay = numbers
    g = descended(p, g, decay, maximize, decays)
    total = state[0] + g * g
    return p - lr * (g / (xp.sqrt(total) + eps)), total


class Adagrad(GroupedOptimizer):
    """Gradients over the root of the sum of their squares (``torch.optim.Adagrad``).

    >>> import kuai as torch
    >>> w = torch.tensor([1.0], requires_grad=True); w.grad = torch.tensor([7.0])
    >>> torch.optim.Adagrad([w], lr=0.25).step(); w
    tensor([0.7500], requires_grad=True)
    """

    _update = Update(_adagrad)

    def __init__(self, params: Iterable, lr: float | Tensor = 1e-2, lr_decay: float = 0, weight_decay: float = 0,
                 initial_accumulator_value: float = 0, eps: float = 1e-10, foreach: bool | None = None, *,
                 maximize: bool = False, differentiable: bool = False, fused: bool | None = None):  # fmt: skip
        check_at_least_zero(lr_decay=lr_decay, weight_decay=weight_decay, epsilon=eps)
        check_at_least_zero(initial_accumulator_value=initial_accumulator_value)
        defaults = {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p] = self._begin(group, p)

    @no_grad()
    def _step_sparse(self, group: dict, p: Tensor, g: Tensor) -> None:
        if group["weight_decay"]:
            raise RuntimeError("weight_decay option is not compatible with sparse gradients")
        if group["fused"]:
            raise RuntimeError("`fused` does not support sparse grad or complex param")
        state = self.state.get(p) or self._new(group, p)
        step = state["step"].item() + 1.0
        put(state["step"], scalar(step))
        g = (-g if group["maximize"] else g).coalesce()
        state["sum"].add_(g * g)
        scale = state["sum"].sparse_mask(g)._values().sqrt() + float(group["eps"])
        lr = number(group["lr"]) / (1.0 + (step - 1.0) * group["lr_decay"])
        p.add_(with_values(g, g._values() / scale), alpha=-lr)

    def share_memory(self) -> None:
        """Let other processes see the sums of squares."""
        for state in self.state.values():
            state["sum"].share_memory_()

    def _begin(self, group: dict, p: Tensor) -> dict:
        start = group["initial_accumulator_value"]
        return {"step": scalar_tensor(0), "sum": filled(p, complex(start, start) if p.is_complex() else start)}

    def _columns(self, group: dict) -> tuple[str, ...]:
        return ("sum",)

    def _plan(self, group: dict, scalars: tuple[float, ...]) -> tuple[tuple, tuple, tuple]:
        lr, decay = number(group["lr"]) / (1.0 + scalars[0] * group["lr_decay"]), number(group["weight_decay"])
        flags = (("decays", decay != 0.0), ("maximize", group["maximize"]))
        return (lr, float(group["eps"]), decay), flags, (scalars[0] + 1.0,)


# ---- Adadelta --------------------------------------------------------------------------------------------------------


def _adadelta(xp, p, g, state, numbers, *, decays, maximize):
    lr, keep, share, eps, decay = numbers
    g = descended(p, g, decay, maximize, decays)
    square = keep * state[0] + share * (g * g)
    step = xp.sqrt(state[1] + eps) / xp.sqrt(square + eps) * g
    return p - lr * step, square, keep * state[1] + share * (step * step)


class Adadelta(GroupedOptimizer):
    """Gradients scaled so that steps have the parameters' unit (``torch.optim.Adadelta``).

    >>> import kuai as torch
    >>> w = torch.tensor([1.0], requires_grad=True); w.grad = torch.tensor([7.0])
    >>> torch.optim.Adadelta([w], lr=100.0).step(); w
    tensor([0.6838], requires_grad=True)
    """

    _update = Update(_adadelta)

    def __init__(self, params: Iterable, lr: float | Tensor = 1.0, rho: float = 0.9, eps: float = 1e-6,
                 weight_decay: float = 0, foreach: bool | None = None, *, capturable: bool = False,
                 maximize: bool = False, differentiable: bool = False):  # fmt: skip
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_at_least_zero(epsilon=eps, weight_decay=weight_decay)
        defaults = {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "capturable": capturable, "foreach": foreach, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _begin(self, group: dict, p: Tensor) -> dict:
        return {"step": scalar_tensor(0), "square_avg": zeros(p), "acc_delta": zeros(p)}

    def _columns(self, group: dict) -> tuple[str, ...]:
        return ("square_avg", "acc_delta")

    def _plan(self, group: dict, scalars: tuple[float, ...]) -> tuple[tuple, tuple, tuple]:
        keep, decay = float(group["rho"]), number(group["weight_decay"])
        numbers = (number(group["lr"]), keep, 1.0 - keep, float(group["eps"]), decay)
        return numbers, (("decays", decay != 0.0), ("maximize", group["maximize"])), (scalars[0] + 1.0,)
