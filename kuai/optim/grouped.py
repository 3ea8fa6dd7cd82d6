"""Optimizers whose step is one instruction for each group of parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

from ..autograd.modes import set_grad_enabled
from ..engine.program import Aval
from ..engine.trace import materialize
from ..tensor import Tensor
from .optimizer import Optimizer, evaluate
from .update import Update, put, scalar, scalar_tensor

NOTHING: dict = {}  # the state of a parameter whose rule needs none


class GroupedOptimizer(Optimizer):
    """The base of optimizers that have a `Update`.

    A subclass names its rule, and its scalar states: those 0-dimensional ones, such as the count of steps, that are the
    same for all parameters that began together. It gives the states of a new parameter (`_begin`), the names of the
    states that its rule takes (`_columns`), and what a step is to be made with (`_plan`).
    """

    _update: ClassVar[Update]
    _scalars: ClassVar[tuple[str, ...]] = ("step",)
    _advice = ""

    def __init__(self, params: Iterable, defaults: dict):
        _check_modes(defaults)
        super().__init__(params, defaults)

    def _begin(self, group: dict, p: Tensor) -> dict:
        """The states of a parameter before its first step."""
        raise NotImplementedError

    def _new(self, group: dict, p: Tensor) -> dict:
        state = self._begin(group, p)
        if state:
            self.state[p] = state
        return state

    def _columns(self, group: dict) -> tuple[str, ...]:
        """The states that the rule takes and gives, by name."""
        raise NotImplementedError

    def _plan(self, group: dict, scalars: tuple[float, ...]) -> tuple[tuple, tuple, tuple]:
        """For a step from these scalar states: the rule's numbers, its flags, and the scalars after it."""
        raise NotImplementedError

    def _step_sparse(self, group: dict, p: Tensor, g: Tensor) -> None:
        """Update one parameter from a sparse gradient; RuntimeError for an optimizer that does not take those."""
        raise RuntimeError(f"{type(self).__name__} does not support sparse gradients{self._advice}")

    def step(self, closure: Callable | None = None) -> object:
        """Update the parameters once, from their gradients; ``closure`` computes the loss anew and gives it."""
        loss = evaluate(closure)
        for group in self.param_groups:
            self._step_group(group)
        return loss

    def _step_group(self, group: dict) -> None:
        columns = self._columns(group)
        for (_, _, *values), rows in self._batches(group).items():
            numbers, flags, after = self._plan(group, tuple([float(materialize(v)) for v in values]))  # type: ignore[arg-type]
            tensors = [(p, p._grad, *[state[c] for c in columns]) for p, state in rows]
            self._run(group, tensors, numbers, flags)
            for name, new in zip(self._scalars, after):
                value = scalar(new)
                for _, state in rows:
                    put(state[name], value)

    def _run(self, group: dict, tensors: list[tuple], numbers: tuple, flags: tuple) -> None:
        if not group.get("differentiable"):
            return self._update.apply(tensors, numbers, flags)
        with set_grad_enabled(True):
            return self._update.apply_on_graph(tensors, numbers, flags)

    def _batches(self, group: dict) -> dict[tuple, list[tuple]]:
        """Parameters with a gradient, by what an instruction needs to be the same: dtype, device and scalar states."""
        batches: dict[tuple, list[tuple]] = {}
        states, names = self.state, self._scalars
        stateless = not names and not self._columns(group)
        before: Aval | None = None
        for p in group["params"]:
            g = p._grad
            if g is None:
                continue
            if g._storage is not None and g._storage.record is not None:
                self._step_sparse(group, p, g)
                continue
            state = NOTHING if stateless else states.get(p) or self._new(group, p)
            aval = p._value.aval
            if names or before is None or aval.dtype is not before.dtype or aval.device is not before.device:
                key = (aval.dtype, aval.device, *[state[name]._read() for name in names])
                rows = batches.setdefault(key, [])
                before = aval
            rows.append((p, state))
        return batches if len(batches) < 2 else _merged(batches)

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        for own in self.state.values():
            for name in self._scalars:
                if name in own and not isinstance(own[name], Tensor):  # files of old have it as a number
                    own[name] = scalar_tensor(own[name])


def _merged(batches: dict[tuple, list[tuple]]) -> dict[tuple, list[tuple]]:
    """Batches whose scalar states are different values with equal numbers, as after a load, made one."""
    merged: dict[tuple, list[tuple]] = {}
    known: dict = {}
    for (dtype, device, *values), rows in batches.items():
        key = (dtype, device, *[float(materialize(v)) for v in values])  # type: ignore[arg-type]
        first = known.setdefault(key, (dtype, device, *values))
        merged.setdefault(first, []).extend(rows)
    return merged


def _check_modes(defaults: dict) -> None:
    lr = defaults["lr"]
    if isinstance(lr, Tensor):
        if lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
    elif lr < 0.0:
        raise ValueError(f"Invalid learning rate: {lr}")
    if defaults.get("fused"):
        if defaults.get("differentiable"):
            raise RuntimeError("`fused` does not support `differentiable`")
        if defaults.get("foreach"):
            raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
