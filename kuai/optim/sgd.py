"""Stochastic gradient descent, plain and averaged, and resilient propagation."""

from __future__ import annotations

from collections.abc import Iterable

from ..autograd.modes import no_grad
from ..tensor import Tensor
from .grouped import GroupedOptimizer
from .update import Update, filled, number, scalar, scalar_tensor, zeros

FIRST, LATER = scalar(0.0), scalar(1.0)


def descended(p, g, decay, maximize: bool, decays: bool):
    """The gradient to go down along, with L2 weight decay."""
    g = -g if maximize else g
    return g + decay * p if decays else g


def _sgd(xp, p, g, state, numbers, *, decays, nesterov, maximize):
    lr, momentum, share, decay = numbers
    g = descended(p, g, decay, maximize, decays)
    if not state:
        return (p - lr * g,)
    buffer = momentum * state[0] + share * g
    return p - lr * (g + momentum * buffer if nesterov else buffer), buffer


class SGD(GroupedOptimizer):
    """Gradient descent with momentum (``torch.optim.SGD``).

    >>> import kuai as torch
    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = torch.optim.SGD([w], lr=0.1, momentum=0.9)
    >>> (w * w).sum().backward()
    >>> optimizer.step(); w
    tensor([0.8000, 1.6000], requires_grad=True)
    """

    _update = Update(_sgd)
    _scalars = ()

    def __init__(self, params: Iterable, lr: float | Tensor = 1e-3, momentum: float = 0, dampening: float = 0,
                 weight_decay: float | Tensor = 0, nesterov: bool = False, *, maximize: bool = False,
                 foreach: bool | None = None, differentiable: bool = False, fused: bool | None = None):  # fmt: skip
        check_at_least_zero(momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov,
            "maximize": maximize, "foreach": foreach, "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        super().__init__(params, defaults)

    @no_grad()
    def _step_sparse(self, group: dict, p: Tensor, g: Tensor) -> None:
        if group["fused"]:
            raise RuntimeError("`_fused_sgd` does not support sparse gradients")
        if group["weight_decay"]:
            raise RuntimeError("SGD: weight_decay would make a sparse gradient dense; use weight_decay=0 or dense gradients")
        g, momentum = -g if group["maximize"] else g, number(group["momentum"])
        if momentum:
            g = self._gathered(self.state[p], g, momentum, group)
        p.add_(g, alpha=-number(group["lr"]))

    @staticmethod
    def _gathered(state: dict, g: Tensor, momentum: float, group: dict) -> Tensor:
        """The direction to go along, from a sparse gradient and the momentum that was gathered of such."""
        if state.get("momentum_buffer") is None:
            state["momentum_buffer"] = g.clone()
        else:
            state["momentum_buffer"].mul_(momentum).add_(g, alpha=1.0 - number(group["dampening"]))
        return g.add(state["momentum_buffer"], alpha=momentum) if group["nesterov"] else state["momentum_buffer"]

    def _begin(self, group: dict, p: Tensor) -> dict:
        return {"momentum_buffer": None} if group["momentum"] else {}

    def _columns(self, group: dict) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] else ()

    def _batches(self, group: dict) -> dict[tuple, list[tuple]]:
        """With momentum, parameters that have gathered some apart from new ones, whose first gradient is undampened."""
        batches = super()._batches(group)
        if not group["momentum"]:
            return batches
        apart: dict[tuple, list[tuple]] = {}
        for key, rows in batches.items():
            for p, state in rows:
                buffer = state.get("momentum_buffer")
                if buffer is None:
                    state["momentum_buffer"] = zeros(p)
                apart.setdefault((*key, FIRST if buffer is None else LATER), []).append((p, state))
        return apart

    def _plan(self, group: dict, scalars: tuple[float, ...]) -> tuple[tuple, tuple, tuple]:
        share = 1.0 - number(group["dampening"]) if scalars == (1.0,) else 1.0
        decay = number(group["weight_decay"])
        numbers = (number(group["lr"]), number(group["momentum"]), share, decay)
        flags = (("decays", decay != 0.0), ("nesterov", group["nesterov"]), ("maximize", group["maximize"]))
        return numbers, flags, ()


def check_at_least_zero(**given: object) -> None:
    """ValueError for the hyperparameter that is negative."""
    for name, value in given.items():
        if value < 0.0:  # type: ignore[operator]
            raise ValueError(f"Invalid {name} value: {value}")


# ---- ASGD ------------------------------------------------------------------------------------------------------------


def _asgd(xp, p, g, state, numbers, *, decays, maximize):
    shrink, eta, mu, decay = numbers
    (average,) = state
    p = p * shrink - eta * descended(p, g, decay, maximize, decays)
    return p, (1 - mu) * average + mu * p


class ASGD(GroupedOptimizer):
    """Averaged stochastic gradient descent (``torch.optim.ASGD``): the state ``ax`` is the average.

    >>> import kuai as torch
    >>> w = torch.tensor([1.0], requires_grad=True); w.grad = torch.tensor([1.0])
    >>> torch.optim.ASGD([w], lr=0.5, lambd=0.0).step(); w
    tensor([0.5000], requires_grad=True)
    """

    _update = Update(_asgd)
    _scalars = ("step", "eta", "mu")

    def __init__(self, params: Iterable, lr: float | Tensor = 1e-2, lambd: float = 1e-4, alpha: float = 0.75,
                 t0: float = 1e6, weight_decay: float = 0, foreach: bool | None = None, maximize: bool = False,
                 differentiable: bool = False, capturable: bool = False):  # fmt: skip
        check_at_least_zero(weight_decay=weight_decay)
        defaults = {
            "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _begin(self, group: dict, p: Tensor) -> dict:
        eta = scalar_tensor(number(group["lr"]))
        return {"step": scalar_tensor(0), "eta": eta, "mu": scalar_tensor(1), "ax": zeros(p)}

    def _columns(self, group: dict) -> tuple[str, ...]:
        return ("ax",)

    def _plan(self, group: dict, scalars: tuple[float, ...]) -> tuple[tuple, tuple, tuple]:
        step, eta, mu = scalars[0] + 1.0, scalars[1], scalars[2]
        lr, lambd, decay = number(group["lr"]), group["lambd"], number(group["weight_decay"])
        after = (step, lr / (1 + lambd * lr * step) ** group["alpha"], 1 / max(1, step - group["t0"]))
        flags = (("decays", decay != 0.0), ("maximize", group["maximize"]))
        return (1.0 - lambd * eta, eta, mu, decay), flags, after


# ---- Rprop -----------------------------------------------------------------------------------------------------------


def _rprop(xp, p, g, state, numbers, *, maximize):
    shrink, grow, smallest, largest = numbers
    before, size = state
    g = -g if maximize else g
    turn = xp.sign(g * before)
    size = xp.where(turn > 0, size * grow, xp.where(turn < 0, size * shrink, size))
    size = xp.clip(size, smallest, largest)
    g = xp.where(turn < 0, xp.zeros_like(g), g)
    return p - xp.sign(g) * size, g, size


class Rprop(GroupedOptimizer):
    """Resilient propagation (``torch.optim.Rprop``): only the gradient's sign counts.

    >>> import kuai as torch
    >>> w = torch.tensor([1.0], requires_grad=True); w.grad = torch.tensor([7.0])
    >>> torch.optim.Rprop([w], lr=0.25).step(); w
    tensor([0.7500], requires_grad=True)
    """

    _update = Update(_rprop)

    def __init__(self, params: Iterable, lr: float | Tensor = 1e-2, etas: tuple[float, float] = (0.5, 1.2),
                 step_sizes: tuple[float, float] = (1e-6, 50), *, capturable: bool = False,
                 foreach: bool | None = None, maximize: bool = False, differentiable: bool = False):  # fmt: skip
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _begin(self, group: dict, p: Tensor) -> dict:
        lr = number(group["lr"])
        sizes = filled(p, complex(lr, lr) if p.is_complex() else lr)
        return {"step": scalar_tensor(0), "prev": zeros(p), "step_size": sizes}

    def _columns(self, group: dict) -> tuple[str, ...]:
        return ("prev", "step_size")

    def _plan(self, group: dict, scalars: tuple[float, ...]) -> tuple[tuple, tuple, tuple]:
        numbers = tuple(map(float, (*group["etas"], *group["step_sizes"])))
        return numbers, (("maximize", group["maximize"]),), (scalars[0] + 1.0,)
