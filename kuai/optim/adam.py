"""Adam and its kin: AdamW, NAdam, RAdam, Adamax."""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt

from ..tensor import Tensor
from .grouped import GroupedOptimizer
from .sgd import check_at_least_zero
from .update import Update, number, scalar_tensor, zeros


def decayed(p, g, shrink, decay, decays: bool, decoupled: bool, maximize: bool):
    """Parameter and gradient after weight decay: of the parameter itself, or added to the gradient."""
    g = -g if maximize else g
    if not decays:
        return p, g
    return (p * shrink, g) if decoupled else (p, g + decay * p)


def _moments(g, first, second, numbers):
    """Running averages of the gradient and of its square."""
    keep, share, keep_square, share_square = numbers
    return keep * first + share * g, keep_square * second + share_square * (g * g)


def _check(betas: tuple, eps: float, weight_decay: float) -> None:
    check_at_least_zero(epsilon=eps)
    for i, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
    check_at_least_zero(weight_decay=weight_decay)


class _Moments(GroupedOptimizer):
    """What the family shares: two moments, and weight decay in two ways."""

    def _begin(self, group: dict, p: Tensor) -> dict:
        return {"step": scalar_tensor(0), **{name: zeros(p) for name in self._columns(group)}}

    def _columns(self, group: dict) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def _decay(self, group: dict) -> tuple[tuple, tuple]:
        """The numbers and the flags of weight decay."""
        decay = number(group["weight_decay"])
        numbers = (1.0 - number(group["lr"]) * decay, decay)
        flags = (("decays", decay != 0.0), ("decoupled", group["decoupled_weight_decay"]), ("maximize", group["maximize"]))
        return numbers, flags


# ---- Adam ------------------------------------------------------------------------------------------------------------


def _adam(xp, p, g, state, numbers, *, amsgrad, decays, decoupled, maximize):
    size, correction, eps, *decay = numbers[:5]
    p, g = decayed(p, g, *decay, decays, decoupled, maximize)
    first, second = _moments(g, *state[:2], numbers[5:])
    if not amsgrad:
        return p - size * (first / (xp.sqrt(second) / correction + eps)), first, second
    largest = xp.maximum(state[2], second)
    return p - size * (first / (xp.sqrt(largest) / correction + eps)), first, second, largest


class Adam(_Moments):
    """Adaptive moments (``torch.optim.Adam``).

    >>> import kuai as torch
    >>> w = torch.tensor([1.0], requires_grad=True); w.grad = torch.tensor([7.0])
    >>> optimizer = torch.optim.Adam([w], lr=0.25)
    >>> optimizer.step(); w
    tensor([0.7500], requires_grad=True)
    >>> optimizer.state[w]["step"]
    tensor(1.)
    """

    _update = Update(_adam)

    _advice = ", please consider SparseAdam instead"

    def __init__(self, params: Iterable, lr: float | Tensor = 1e-3,
                 betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0,
                 amsgrad: bool = False, *, foreach: bool | None = None, maximize: bool = False, capturable: bool = False,
                 differentiable: bool = False, fused: bool | None = None, decoupled_weight_decay: bool = False):  # fmt: skip
        _check_tensors(lr, betas, foreach, capturable)
        _check(betas, eps, weight_decay)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad, "maximize": maximize,
            "foreach": foreach, "capturable": capturable, "differentiable": differentiable, "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _columns(self, group: dict) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if group["amsgrad"] else ("exp_avg", "exp_avg_sq")

    def _plan(self, group: dict, scalars: tuple[float, ...]) -> tuple[tuple, tuple, tuple]:
        step = scalars[0] + 1.0
        b1, b2 = map(number, group["betas"])
        decay, flags = self._decay(group)
        size, correction = number(group["lr"]) / (1.0 - b1**step), sqrt(1.0 - b2**step)
        numbers = (size, correction, float(group["eps"]), *decay, b1, 1.0 - b1, b2, 1.0 - b2)
        return numbers, (("amsgrad", group["amsgrad"]), *flags), (step,)


def _check_tensors(lr: object, betas: tuple, foreach: bool | None, capturable: bool) -> None:
    """Which hyperparameters may be tensors: rules of PyTorch's that come from its kernels, kept so that errors agree."""
    given = {"lr": lr, "betas[0]": betas[0], "betas[1]": betas[1]}
    tensors = {name: value for name, value in given.items() if isinstance(value, Tensor)}
    if len({"betas[0]", "betas[1]"} & set(tensors)) == 1:
        raise ValueError("betas must be either both floats or both Tensors")
    for name, value in tensors.items():
        if foreach and not capturable:
            raise ValueError(f"{name} as a Tensor is not supported for capturable=False and foreach=True")
        if value.numel() != 1:
            raise ValueError(f"Tensor {name} must be 1-element")


class AdamW(Adam):
    """Adam with decoupled weight decay (``torch.optim.AdamW``).

    >>> import kuai as torch
    >>> w = torch.tensor([1.0], requires_grad=True); w.grad = torch.tensor([7.0])
    >>> torch.optim.AdamW([w], lr=0.25, weight_decay=1.0).step(); w
    tensor([0.5000], requires_grad=True)
    """

    def __init__(self, params: Iterable, lr: float | Tensor = 1e-3,
                 betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False,
                 foreach: bool | None = None, capturable: bool = False, differentiable: bool = False,
                 fused: bool | None = None):  # fmt: skip
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize, capturable=capturable,
            differentiable=differentiable, fused=fused, decoupled_weight_decay=True,
        )  # fmt: skip

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True


# ---- NAdam -----------------------------------------------------------------------------------------------------------


def _nadam(xp, p, g, state, numbers, *, decays, decoupled, maximize):
    of_gradient, of_moment, correction, eps, *decay = numbers[:6]
    p, g = decayed(p, g, *decay, decays, decoupled, maximize)
    first, second = _moments(g, *state, numbers[6:])
    scale = xp.sqrt(second / correction) + eps
    return p - of_gradient * (g / scale) - of_moment * (first / scale), first, second


class NAdam(_Moments):
    """Adam with Nesterov momentum (``torch.optim.NAdam``).

    >>> import kuai as torch
    >>> w = torch.tensor([1.0], requires_grad=True); w.grad = torch.tensor([1.0])
    >>> torch.optim.NAdam([w], lr=0.1).step(); w
    tensor([0.8944], requires_grad=True)
    """

    _update = Update(_nadam)
    _scalars = ("step", "mu_product")

    def __init__(self, params: Iterable, lr: float | Tensor = 2e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 0, momentum_decay: float = 4e-3,
                 decoupled_weight_decay: bool = False, *, foreach: bool | None = None, maximize: bool = False,
                 capturable: bool = False, differentiable: bool = False):  # fmt: skip
        _check(betas, eps, weight_decay)
        check_at_least_zero(momentum_decay=momentum_decay)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize, "foreach": foreach,
            "capturable": capturable, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _begin(self, group: dict, p: Tensor) -> dict:
        return {"step": scalar_tensor(0), "mu_product": scalar_tensor(1), "exp_avg": zeros(p), "exp_avg_sq": zeros(p)}

    def _plan(self, group: dict, scalars: tuple[float, ...]) -> tuple[tuple, tuple, tuple]:
        step, lr = scalars[0] + 1.0, number(group["lr"])
        b1, b2 = map(number, group["betas"])
        mu, mu_next = (b1 * (1.0 - 0.5 * 0.96 ** (t * group["momentum_decay"])) for t in (step, step + 1))
        product = scalars[1] * mu
        decay, flags = self._decay(group)
        of_gradient, of_moment = lr * (1.0 - mu) / (1.0 - product), lr * mu_next / (1.0 - product * mu_next)
        numbers = (of_gradient, of_moment, 1.0 - b2**step, float(group["eps"]), *decay, b1, 1.0 - b1, b2, 1.0 - b2)
        return numbers, flags, (step, product)


# ---- RAdam -----------------------------------------------------------------------------------------------------------


def _radam(xp, p, g, state, numbers, *, rectified, decays, decoupled, maximize):
    size, correction, eps, *decay = numbers[:5]
    p, g = decayed(p, g, *decay, decays, decoupled, maximize)
    first, second = _moments(g, *state, numbers[5:])
    step = size * first
    return p - (step * (correction / (xp.sqrt(second) + eps)) if rectified else step), first, second


class RAdam(_Moments):
    """Rectified Adam (``torch.optim.RAdam``): without the second moment until its variance is known.

    >>> import kuai as torch
    >>> w = torch.tensor([1.0], requires_grad=True); w.grad = torch.tensor([2.0])
    >>> torch.optim.RAdam([w], lr=0.1).step(); w
    tensor([0.8000], requires_grad=True)
    """

    _update = Update(_radam)

    def __init__(self, params: Iterable, lr: float | Tensor = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 0, decoupled_weight_decay: bool = False, *,
                 foreach: bool | None = None, maximize: bool = False, capturable: bool = False,
                 differentiable: bool = False):  # fmt: skip
        _check(betas, eps, weight_decay)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize, "foreach": foreach,
            "capturable": capturable, "decoupled_weight_decay": decoupled_weight_decay, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _plan(self, group: dict, scalars: tuple[float, ...]) -> tuple[tuple, tuple, tuple]:
        step = scalars[0] + 1.0
        b1, b2 = map(number, group["betas"])
        known = 1.0 - b2**step
        longest = 2.0 / (1.0 - b2) - 1.0
        length = longest - 2.0 * step * b2**step / known
        decay, flags = self._decay(group)
        size = number(group["lr"]) / (1.0 - b1**step)
        correction = sqrt(known) * _rectification(length, longest) if length > 5.0 else 1.0
        numbers = (size, correction, float(group["eps"]), *decay, b1, 1.0 - b1, b2, 1.0 - b2)
        return numbers, (("rectified", length > 5.0), *flags), (step,)


def _rectification(length: float, longest: float) -> float:
    return sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))


# ---- Adamax ----------------------------------------------------------------------------------------------------------


def _adamax(xp, p, g, state, numbers, *, decays, maximize):
    size, eps, decay, keep, share, keep_norm = numbers
    p, g = decayed(p, g, 1.0, decay, decays, False, maximize)
    first = keep * state[0] + share * g
    norm = xp.maximum(keep_norm * state[1], xp.abs(g) + eps)
    return p - size * (first / norm), first, norm


class Adamax(_Moments):
    """Adam by the infinity norm (``torch.optim.Adamax``).

    >>> import kuai as torch
    >>> w = torch.tensor([1.0], requires_grad=True); w.grad = torch.tensor([7.0])
    >>> torch.optim.Adamax([w], lr=0.25).step(); w
    tensor([0.7500], requires_grad=True)
    """

    _update = Update(_adamax)

    def __init__(self, params: Iterable, lr: float | Tensor = 2e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 0, foreach: bool | None = None, *, maximize: bool = False,
                 differentiable: bool = False, capturable: bool = False):  # fmt: skip
        _check(betas, eps, weight_decay)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _columns(self, group: dict) -> tuple[str, ...]:
        return ("exp_avg", "exp_inf")

    def _plan(self, group: dict, scalars: tuple[float, ...]) -> tuple[tuple, tuple, tuple]:
        step, decay = scalars[0] + 1.0, number(group["weight_decay"])
        b1, b2 = map(number, group["betas"])
        size = number(group["lr"]) / (1.0 - b1**step)
        numbers = (size, float(group["eps"]), decay, b1, 1.0 - b1, b2)
        return numbers, (("decays", decay != 0.0), ("maximize", group["maximize"])), (step,)
