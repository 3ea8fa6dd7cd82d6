"""Scaling losses, so that small gradients survive in float16."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from ..tensor import Tensor


class OptState(Enum):
    """What became of an optimizer's gradients since the last update (``torch.amp.grad_scaler.OptState``)."""

    READY, UNSCALED, STEPPED = range(3)


READY, UNSCALED, STEPPED = OptState


class GradScaler:
    """Multiplies losses by a scale that halves when a gradient overflows and grows again (``torch.amp.GradScaler``).

    >>> import kuai as torch
    >>> w = torch.nn.Parameter(torch.ones(1))
    >>> optimizer, scaler = torch.optim.SGD([w], lr=0.5), torch.amp.GradScaler("cpu")
    >>> scaler.scale((w * w).sum()).backward()
    >>> scaler.step(optimizer); scaler.update(); w.item()
    0.0
    """

    def __init__(self, device: str = "cuda", init_scale: float = 2.0**16, growth_factor: float = 2.0,
                 backoff_factor: float = 0.5, growth_interval: int = 2000, enabled: bool = True):  # fmt: skip
        from .. import cuda

        self._device = device
        if enabled and device == "cuda" and not cuda.is_available():
            import warnings

            warnings.warn("torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.", stacklevel=2)
            enabled = False
        if growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._enabled = enabled
        self._scale, self._init_scale = float(init_scale), float(init_scale)
        self._growth_factor, self._backoff_factor, self._growth_interval = growth_factor, backoff_factor, growth_interval
        self._growth_tracker = 0
        self._states: dict[int, OptState] = {}
        self._overflowed: dict[int, bool] = {}

    def scale(self, outputs: Tensor | Iterable[Tensor]) -> object:
        """Losses times the scale; a tensor, or a list or tuple of them."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale
        if isinstance(outputs, (list, tuple)):
            return type(outputs)(self.scale(x) for x in outputs)
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def unscale_(self, optimizer) -> None:
        """Divide an optimizer's gradients by the scale; once a step, before they are clipped."""
        if not self._enabled:
            return
        state = self._states.get(id(optimizer), READY)
        if state == UNSCALED:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        if state == STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        self._overflowed[id(optimizer)] = _unscale(grads, 1.0 / self._scale)
        self._states[id(optimizer)] = UNSCALED

    def step(self, optimizer, *args: object, **kwargs: object) -> object:
        """``optimizer.step()``, unless a gradient is inf or nan."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        state = self._states.get(id(optimizer), READY)
        if state == STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if state == READY:
            self.unscale_(optimizer)
        self._states[id(optimizer)] = STEPPED
        return None if self._overflowed[id(optimizer)] else optimizer.step(*args, **kwargs)

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Halve the scale after an overflow, let it grow after ``growth_interval`` steps without one; or set it."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        elif not self._overflowed:
            raise AssertionError("No inf checks were recorded prior to update.")
        elif any(self._overflowed.values()):
            self._scale *= self._backoff_factor
            self._growth_tracker = 0
        else:
            self._growth_tracker += 1
            if self._growth_tracker == self._growth_interval:
                self._scale *= self._growth_factor
                self._growth_tracker = 0
        self._states.clear()
        self._overflowed.clear()

    def get_scale(self) -> float:
        """The scale now; 1.0 if disabled."""
        return self._scale if self._enabled else 1.0

    def is_enabled(self) -> bool:
        """Whether this scaler does anything."""
        return self._enabled

    def get_growth_factor(self) -> float:
        """What the scale grows by."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set what the scale grows by."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale shrinks by."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set what the scale shrinks by."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """How many steps without overflow make the scale grow."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set how many steps without overflow make the scale grow."""
        self._growth_interval = new_interval

    def state_dict(self) -> dict:
        """The scale and its settings; empty if disabled."""
        if not self._enabled:
            return {}
        return {"scale": self._scale, "growth_factor": self._growth_factor, "backoff_factor": self._backoff_factor,
                "growth_interval": self._growth_interval, "_growth_tracker": self._growth_tracker}  # fmt: skip

    def load_state_dict(self, state_dict: dict) -> None:
        """Take over what `state_dict` gave."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("The source state dict is empty, possibly because it was saved from a disabled GradScaler.")
        self._scale = float(state_dict["scale"])
        self._growth_factor, self._backoff_factor = state_dict["growth_factor"], state_dict["backoff_factor"]
        self._growth_interval, self._growth_tracker = state_dict["growth_interval"], state_dict["_growth_tracker"]


def _unscale(grads: list[Tensor], factor: float) -> bool:
    """Multiply gradients in place; whether one was inf or nan."""
    from ..autograd.modes import no_grad
    from ..ops.joining import stack

    if not grads:
        return False
    with no_grad():
        finite = stack([g.isfinite().all() for g in grads]).all()
        for g in grads:
            g.mul_(factor)
    return not bool(finite)
