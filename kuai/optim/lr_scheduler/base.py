"""What all schedules of learning rates share."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from ...tensor import Tensor
from ..optimizer import Optimizer
from ..update import number, set_number

TOO_EARLY = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch 1.1.0 and later, you should call them in "
    "the opposite order: `optimizer.step()` before `lr_scheduler.step()`. Failure to do this will result in PyTorch "
    "skipping the first value of the learning rate schedule. See more details at "
    "https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"
)
EPOCH = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. Please use "
    "`scheduler.step()` to step the scheduler. During the deprecation, if epoch is different from None, the closed form "
    "is used instead of the new chainable form, where available."
)


class LRScheduler:
    """The base of schedules that are stepped without a metric (``torch.optim.lr_scheduler.LRScheduler``).

    A subclass gives `get_lr`, or `_next`: a group's next learning rate from its present one and its first one.

    >>> import kuai as torch
    >>> class Halving(torch.optim.lr_scheduler.LRScheduler):
    ...     def get_lr(self):
    ...         return [base / 2 ** self.last_epoch for base in self.base_lrs]
    >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    >>> schedule = Halving(optimizer)
    >>> optimizer.step(); schedule.step(); schedule.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        self.optimizer = check_optimizer(optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", _copy(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming an optimizer with "
                    f"last_epoch >= 0, got last_epoch={last_epoch}"
                )
        self.base_lrs = [_copy(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        """Set the rates of the first epoch."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    # ---- stepping ----------------------------------------------------------------------------------------------------

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch, and set the optimizer's learning rates."""
        if self._step_count == 1 and not self.optimizer._opt_called:
            warnings.warn(TOO_EARLY, UserWarning, stacklevel=2)
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        with self._stepping():
            if epoch is None:
                self.last_epoch += 1
                values = self.get_lr()
            else:
                self.last_epoch = epoch
                values = self._get_closed_form_lr() if hasattr(self, "_closed") else self.get_lr()
        self._set(values)

    def _set(self, values: list) -> None:
        for group, lr in zip(self.optimizer.param_groups, values):
            set_in_group(group, "lr", lr)
        self._last_lr = rates(self.optimizer)

    @contextmanager
    def _stepping(self) -> Iterator[None]:
        self._get_lr_called_within_step = True
        try:
            yield
        finally:
            self._get_lr_called_within_step = False

    def get_lr(self) -> list:
        """The learning rates of `last_epoch`, from those before it."""
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                UserWarning,
                stacklevel=2,
            )
        pairs = zip(self.optimizer.param_groups, self.base_lrs)
        return [self._next(number(group["lr"]), number(base)) for group, base in pairs]

    def _next(self, lr: float, base: float) -> float:
        raise NotImplementedError(f"{type(self).__name__} has no get_lr()")

    def _get_closed_form_lr(self) -> list:
        return [self._closed(number(base)) for base in self.base_lrs]  # type: ignore[attr-defined]

    def get_last_lr(self) -> list:
        """The learning rates set last, one for each group."""
        return self._last_lr

    # ---- checkpoints -------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict:
        """All that is needed to continue; the optimizer has its own."""
        return {name: value for name, value in self.__dict__.items() if name != "optimizer"}

    def load_state_dict(self, state_dict: dict) -> None:
        """Continue from a `state_dict`."""
        self.__dict__.update(state_dict)


def check_optimizer(optimizer: object) -> Optimizer:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
    return optimizer


def _copy(x: object) -> object:
    return x.detach().clone() if isinstance(x, Tensor) else x


def rates(optimizer: Optimizer) -> list:
    """The learning rates as they are."""
    return [_copy(group["lr"]) for group in optimizer.param_groups]


def set_in_group(group: dict, name: str, value: object) -> None:
    """Set a hyperparameter; one that is a tensor is written to."""
    if isinstance(group[name], Tensor):
        set_number(group[name], number(value))
    else:
        group[name] = value


def per_group(optimizer: Optimizer, name: str, value: object) -> list:
    """A value for each group, from one for all or a list."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * count
    if len(value) != count:
        raise ValueError(f"{name} must have the same length as optimizer.param_groups: expected {count}, got {len(value)}")
    return list(value)


def set_momentum(group: dict, value: float) -> None:
    if "betas" in group:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


def check_momentum(optimizer: Optimizer) -> bool:
    """Whether momentum is called betas; ValueError if there is none."""
    if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
        raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
    return "betas" in optimizer.defaults
