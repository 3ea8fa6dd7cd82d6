"""The quasi-Newton method of limited memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain

from ..autograd.modes import enable_grad, no_grad
from ..engine.program import Op
from ..ops.complex_numbers import view_as_complex, view_as_real
from ..ops.define import op
from ..ops.joining import cat
from ..tensor import Tensor
from .optimizer import Optimizer
from .update import number
from .wolfe import Point, search


class LBFGS(Optimizer):
    """L-BFGS, with or without a line search (``torch.optim.LBFGS``); its step needs a closure.

    >>> import kuai as torch
    >>> w = torch.tensor([3.0], requires_grad=True)
    >>> optimizer = torch.optim.LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((w - 1) ** 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure); w.round()
    tensor(4., grad_fn=<SumBackward0>)
    tensor([1.], grad_fn=<RoundBackward0>)
    """

    def __init__(self, params: Iterable, lr: float | Tensor = 1, max_iter: int = 20, max_eval: int | None = None,
                 tolerance_grad: float = 1e-7, tolerance_change: float = 1e-9, history_size: int = 100,
                 line_search_fn: str | None = None):  # fmt: skip
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not lr >= 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        defaults = {
            "lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change, "history_size": history_size,
            "line_search_fn": line_search_fn,
        }  # fmt: skip
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    @no_grad()
    def step(self, closure: Callable) -> object:
        """Go several iterations; ``closure`` computes the loss and its gradients anew and gives the loss."""
        group = self.param_groups[0]
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        closure = enable_grad()(closure)
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = closure()
        state["func_evals"] += 1
        gradient = self._gradient()
        if _largest(gradient) > group["tolerance_grad"]:
            self._iterate(closure, group, state, number(first_loss), gradient)
        return first_loss

    def _iterate(self, closure: Callable, group: dict, state: dict, loss: float, gradient: Tensor) -> None:
        evaluations, lr, tolerance = 1, number(group["lr"]), group["tolerance_change"]
        for left in range(group["max_iter"] - 1, -1, -1):
            state["n_iter"] += 1
            first = state["n_iter"] == 1
            _remember(state, gradient, group["history_size"])
            state["d"] = direction = _direction(state, gradient, group["history_size"])
            state["prev_flat_grad"], state["prev_loss"] = gradient, loss
            size = gradient.abs().sum().item() if first else 0.0
            state["t"] = (1.0 / size if size > 1 else 1.0) * lr
            slope = gradient.dot(direction).item()
            if slope > -tolerance:
                return
            start = Point(0.0, loss, gradient, slope)
            loss, gradient, used = self._move(closure, group, state, start, last=not left)
            evaluations += used
            state["func_evals"] += used
            if evaluations >= group["max_eval"] or _largest(gradient) <= group["tolerance_grad"]:
                return
            moved = _largest(direction) * abs(state["t"])
            if moved <= tolerance or abs(loss - state["prev_loss"]) < tolerance:
                return

    def _move(self, closure: Callable, group: dict, state: dict, start: Point, last: bool) -> tuple[float, Tensor, int]:
        """Go along the direction; the loss and gradient there, and how often the closure was called."""
        direction, here = state["d"], [p.clone() for p in self._params]
        if group["line_search_fn"] is None:
            self._place(here, direction, state["t"])
            if last:  # nothing would look at them
                return start.loss, start.gradient, 0
            return number(closure()), self._gradient(), 1

        def evaluate(t: float) -> Point:
            self._place(here, direction, t)
            loss, gradient = number(closure()), self._gradient()
            return Point(t, loss, gradient, gradient.dot(direction).item())

        reach = _largest(direction)
        found, used = search(evaluate, start, state["t"], reach, group["tolerance_change"])
        self._place(here, direction, found.t)
        state["t"] = found.t
        return found.loss, found.gradient, used

    def _gradient(self) -> Tensor:
        """All gradients in one vector."""
        gradients = [p.new_zeros(p.shape) if p._grad is None else p._grad for p in self._params]
        return cat([_flat(g.to_dense() if g.is_sparse else g) for g in gradients])

    def _place(self, here: list[Tensor], direction: Tensor, t: float) -> None:
        """Set the parameters to where they were plus a step."""
        offset = 0
        for p, x in zip(self._params, here):
            size = p.numel() * (2 if p.is_complex() else 1)
            step = t * direction[offset : offset + size]
            p.copy_(x + (view_as_complex(step.reshape(*p.shape, 2)) if p.is_complex() else step.reshape(p.shape)))
            offset += size


def _flat(t: Tensor) -> Tensor:
    return (view_as_real(t) if t.is_complex() else t).reshape(-1)


def _largest(t: Tensor) -> float:
    return t.abs().max().item()


def _remember(state: dict, gradient: Tensor, history: int) -> None:
    """Add the last step, and what it did to the gradient, to what stands for the curvature."""
    if state["n_iter"] == 1:
        state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
        return
    change, step = gradient - state["prev_flat_grad"], state["d"] * state["t"]
    curvature = change.dot(step)
    if curvature.item() <= 1e-10:
        return
    for name, value in (("old_dirs", change), ("old_stps", step), ("ro", 1.0 / curvature)):
        state[name] = [*state[name], value][-history:]
    state["H_diag"] = curvature / change.dot(change)


def _direction(state: dict, gradient: Tensor, history: int) -> Tensor:
    """The gradient times the inverse of the curvature that is remembered, downwards."""
    remembered = state["old_dirs"], state["old_stps"], state["ro"]
    if state["n_iter"] > 1:
        state.setdefault("al", [None] * history)  # PyTorch's scratch space, which its checkpoints have
    return _two_loops(gradient, state["H_diag"], *chain(*remembered), count=len(state["ro"]))


def _like_gradient(op: Op, avals: Sequence, *, count: int) -> tuple:
    return avals[0], avals[0].dtype


@op(shape=_like_gradient, vjp=None, name="lbfgs_direction")
def _two_loops(xp, gradient, scale, *remembered, count):
    changes, steps, ros = (remembered[i * count : (i + 1) * count] for i in range(3))
    d, weights = -gradient, []
    for change, step, ro in zip(reversed(changes), reversed(steps), reversed(ros)):
        weights.append((step @ d) * ro)
        d = d - weights[-1] * change
    d = d * scale
    for change, step, ro in zip(changes, steps, ros):
        d = d + (weights.pop() - (change @ d) * ro) * step
    return d
