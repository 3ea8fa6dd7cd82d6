"""Optimizers that use that a parameter is a matrix: Adafactor and Muon."""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt

from ..dtypes import bfloat16, finfo
from ..tensor import Tensor
from .grouped import GroupedOptimizer
from .sgd import check_at_least_zero
from .update import Update, number, scalar_tensor, zeros

# ---- Adafactor -------------------------------------------------------------------------------------------------------


def _adafactor(xp, p, g, state, numbers, *, factored, maximize):
    rho, smallest_scale, shrink, share, eps, clip = numbers
    g = -g if maximize else g
    size = xp.maximum(smallest_scale, _rms(xp, p)) * rho
    p = p * shrink
    if factored:
        state = [s + share * (xp.mean(g * g, axis=a, keepdims=True) - s) for s, a in zip(state, (-1, -2))]
        variance = state[0] @ state[1] / xp.maximum(xp.mean(state[0], axis=-2, keepdims=True), eps)
    else:
        state = [state[0] + share * (g * g - state[0])]
        variance = state[0]
    step = g / xp.sqrt(xp.maximum(variance, eps * eps))
    return p - size / xp.maximum(1.0, _rms(xp, step) / clip) * step, *state


def _rms(xp, x):
    return xp.sqrt(xp.mean(x * x))


class Adafactor(GroupedOptimizer):
    """Adaptive steps whose memory is a row and a column for each matrix (``torch.optim.Adafactor``).

    >>> import kuai as torch
    >>> w = torch.ones(2, 3, requires_grad=True); w.grad = torch.ones(2, 3)
    >>> optimizer = torch.optim.Adafactor([w], lr=0.1)
    >>> optimizer.step(); optimizer.state[w]["row_var"].shape
    torch.Size([2, 1])
    """

    _update = Update(_adafactor)

    def __init__(self, params: Iterable, lr: float | Tensor = 1e-2, beta2_decay: float = -0.8,
                 eps: tuple[float | None, float] = (None, 1e-3), d: float = 1.0, weight_decay: float = 0.0, *,
                 foreach: bool | None = None, maximize: bool = False):  # fmt: skip
        _check_adafactor(beta2_decay, eps, d)
        check_at_least_zero(weight_decay=weight_decay)
        defaults = {
            "lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _begin(self, group: dict, p: Tensor) -> dict:
        if not group["factored"]:
            return {"step": scalar_tensor(0), "variance": zeros(p)}
        row, column = (*p.shape[:-1], 1), (*p.shape[:-2], 1, p.shape[-1])
        return {"step": scalar_tensor(0), "row_var": zeros(p, row), "col_var": zeros(p, column)}

    def _columns(self, group: dict) -> tuple[str, ...]:
        return ("row_var", "col_var") if group["factored"] else ("variance",)

    def _step_group(self, group: dict) -> None:
        parts: dict[tuple, list] = {}
        for p in group["params"]:
            if p.is_complex():
                raise RuntimeError("Adafactor does not support complex parameters")
            parts.setdefault((p.ndim > 1, p.dtype), []).append(p)
        for (factored, dtype), params in parts.items():
            eps = finfo(dtype).eps if group["eps"][0] is None else group["eps"][0]
            super()._step_group({**group, "params": params, "factored": factored, "eps": (eps, group["eps"][1])})

    def _plan(self, group: dict, scalars: tuple[float, ...]) -> tuple[tuple, tuple, tuple]:
        step, lr = scalars[0] + 1.0, number(group["lr"])
        shrink = 1.0 - lr * number(group["weight_decay"])
        rho, share = min(lr, 1.0 / sqrt(step)), step ** number(group["beta2_decay"])
        numbers = (rho, float(group["eps"][1]), shrink, share, float(group["eps"][0]), float(group["d"]))
        return numbers, (("factored", group["factored"]), ("maximize", group["maximize"])), (step,)


def _check_adafactor(beta2_decay: float, eps: tuple[float | None, float], d: float) -> None:
    if beta2_decay > 0:
        raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
    if eps[0] is not None and eps[0] < 0:
        raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
    if eps[1] < 0:
        raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
    if d < 1.0:
        raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")


# ---- Muon ------------------------------------------------------------------------------------------------------------


def _muon(xp, p, g, state, numbers, *, nesterov, steps, adjust):
    lr, decay, momentum, eps, *coefficients = numbers
    buffer = state[0] + (1.0 - momentum) * (g - state[0])
    direction = g + momentum * (buffer - g) if nesterov else buffer
    step = _orthogonalize(xp, direction, coefficients, steps, eps).astype(p.dtype)
    return p * (1.0 - lr * decay) - lr * _ADJUST[adjust](*p.shape) * step, buffer


def _orthogonalize(xp, x, coefficients, steps: int, eps):
    """The nearest orthogonal matrix, by Newton and Schulz's iteration; in bfloat16's precision, which is enough."""

    def coarse(y):
        return y.astype(bfloat16.numpy).astype(xp.float32)

    a, b, c = coefficients
    wide = x.shape[0] <= x.shape[1]
    x = coarse(x if wide else x.T)
    x = coarse(x / xp.maximum(coarse(xp.sqrt(xp.sum(x * x))), eps))
    for _ in range(steps):
        gram = coarse(x @ x.T)
        x = coarse(a * x + coarse(b * gram + c * (gram @ gram)) @ x)
    return x if wide else x.T


_ADJUST = {
    "original": lambda rows, columns: sqrt(max(1.0, rows / columns)),
    "match_rms_adamw": lambda rows, columns: 0.2 * sqrt(max(rows, columns)),
}


class Muon(GroupedOptimizer):
    """Momentum made orthogonal, for the matrices of hidden layers (``torch.optim.Muon``).

    >>> import kuai as torch
    >>> w = torch.eye(2).requires_grad_(); w.grad = torch.ones(2, 2)
    >>> torch.optim.Muon([w], lr=0.1).step(); w.shape
    torch.Size([2, 2])
    """

    _update = Update(_muon)
    _scalars = ()

    def __init__(self, params: Iterable, lr: float = 1e-3, weight_decay: float = 0.1, momentum: float = 0.95,
                 nesterov: bool = True, ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
                 eps: float = 1e-7, ns_steps: int = 5, adjust_lr_fn: str | None = None):  # fmt: skip
        check_at_least_zero(momentum=momentum, weight_decay=weight_decay)
        if adjust_lr_fn is not None and adjust_lr_fn not in _ADJUST:
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        defaults = {
            "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
            "ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn,
        }  # fmt: skip
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError(f"Muon only supports 2D parameters whereas we found a parameter with size: {p.size()}")

    def _begin(self, group: dict, p: Tensor) -> dict:
        if p.is_complex():
            raise RuntimeError("Muon does not support complex parameters")
        return {"momentum_buffer": zeros(p)}

    def _columns(self, group: dict) -> tuple[str, ...]:
        return ("momentum_buffer",)

    def _plan(self, group: dict, scalars: tuple[float, ...]) -> tuple[tuple, tuple, tuple]:
        if not 0 < group["ns_steps"] < 100:
            raise ValueError("Number of steps must be less than 100 for computational efficiency")
        rates = (number(group["lr"]), number(group["weight_decay"]), float(group["momentum"]), float(group["eps"]))
        adjust = group["adjust_lr_fn"] or "original"
        flags = (("nesterov", group["nesterov"]), ("steps", group["ns_steps"]), ("adjust", adjust))
        return (*rates, *map(float, group["ns_coefficients"])), flags, ()
