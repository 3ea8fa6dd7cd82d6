"""Averages of a model's weights over training (``torch.optim.swa_utils``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from math import cos, pi

from ..autograd.modes import no_grad
from ..nn import Module
from ..tensor import Tensor
from .lr_scheduler.base import LRScheduler, per_group
from .optimizer import Optimizer
from .update import number, scalar_tensor


def get_ema_avg_fn(decay: float = 0.999) -> Callable:
    """A function for `AveragedModel` that keeps an exponential moving average.

    >>> import kuai as torch
    >>> torch.optim.swa_utils.get_ema_avg_fn(0.75)(torch.tensor(4.0), torch.tensor(8.0), 1)
    tensor(5.)
    """
    _check_decay(decay)

    @no_grad()
    def average(ema_param: Tensor, current_param: Tensor, num_averaged: object) -> Tensor:
        return decay * ema_param + (1 - decay) * current_param

    return average


def get_swa_avg_fn() -> Callable:
    """A function for `AveragedModel` that keeps the mean of all that came (``torch.optim.swa_utils.get_swa_avg_fn``).

    >>> import kuai as torch
    >>> from kuai.optim.swa_utils import get_swa_avg_fn
    >>> get_swa_avg_fn()(torch.tensor(1.), torch.tensor(4.), 2)
    tensor(2.)
    """

    @no_grad()
    def average(averaged_param: Tensor, current_param: Tensor, num_averaged: object) -> Tensor:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)  # type: ignore[operator]

    return average


def _all_at_once(average: Callable) -> Callable:
    @no_grad()
    def average_all(averaged: list[Tensor], current: list[Tensor], num_averaged: object) -> None:
        for mean, new in zip(averaged, current):
            mean.copy_(average(mean, new, num_averaged))

    return average_all


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable:
    """As `get_ema_avg_fn`, in place on lists of tensors (``torch.optim.swa_utils.get_ema_multi_avg_fn``).

    >>> import kuai as torch
    >>> from kuai.optim.swa_utils import get_ema_multi_avg_fn
    >>> averages = [torch.tensor(1.)]
    >>> get_ema_multi_avg_fn(0.5)(averages, [torch.tensor(4.)], 2)
    >>> averages
    [tensor(2.5000)]
    """
    return _all_at_once(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Callable:
    """As `get_swa_avg_fn`, in place on lists of tensors (``torch.optim.swa_utils.get_swa_multi_avg_fn``).

    >>> import kuai as torch
    >>> from kuai.optim.swa_utils import get_swa_multi_avg_fn
    >>> averages = [torch.tensor(1.)]
    >>> get_swa_multi_avg_fn()(averages, [torch.tensor(4.)], 2)
    >>> averages
    [tensor(2.)]
    """
    return _all_at_once(get_swa_avg_fn())


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


class AveragedModel(Module):
    """A copy of a model whose weights are a running average of its (``torch.optim.swa_utils.AveragedModel``).

    >>> import kuai as torch
    >>> model = torch.nn.Linear(1, 1)
    >>> averaged = torch.optim.swa_utils.AveragedModel(model)
    >>> averaged.update_parameters(model)
    >>> averaged.n_averaged
    tensor(1)
    """

    def __init__(self, model: Module, device: object = None, avg_fn: Callable | None = None,
                 multi_avg_fn: Callable | None = None, use_buffers: bool = False):  # fmt: skip
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", scalar_tensor(0).long().to(device=device))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: object, **kwargs: object) -> object:
        """What the averaged model gives."""
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take a model's present weights into the average; the first ones are taken as they are."""
        averaged, current = self._averaged(self.module), [p.detach() for p in self._averaged(model)]
        if not self.n_averaged.item():
            for mean, new in zip(averaged, current):
                mean.copy_(new)
        else:
            self._average([p.detach() for p in averaged], current)
        if not self.use_buffers:
            for mean, new in zip(self.module.buffers(), model.buffers()):
                mean.detach().copy_(new.detach().to(mean.device))
        self.n_averaged.add_(1)

    def _averaged(self, module: Module) -> list[Tensor]:
        return list(chain(module.parameters(), module.buffers()) if self.use_buffers else module.parameters())

    def _average(self, averaged: list[Tensor], current: list[Tensor]) -> None:
        moved = [new.to(mean.device) for mean, new in zip(averaged, current)]
        one = self.avg_fn or get_swa_avg_fn()
        (self.multi_avg_fn or _all_at_once(one))(averaged, moved, self.n_averaged)


@no_grad()
def update_bn(loader: Iterable, model: Module, device: object = None) -> None:
    """Compute the running statistics of batch normalisation anew, in one pass over data (``…swa_utils.update_bn``).

    >>> import kuai as torch
    >>> model = torch.nn.Sequential(torch.nn.BatchNorm1d(1))
    >>> torch.optim.swa_utils.update_bn([torch.tensor([[1.0], [3.0]])], model)
    >>> model[0].running_mean
    tensor([2.])
    """
    layers = [m for m in model.modules() if hasattr(m, "running_mean") and hasattr(m, "momentum")]
    if not layers:
        return
    training, momenta = model.training, [m.momentum for m in layers]
    model.train()
    for m in layers:
        m.reset_running_stats()
        m.momentum = None
    for batch in loader:
        x = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(x if device is None else x.to(device))
    for m, momentum in zip(layers, momenta):
        m.momentum = momentum
    model.train(training)


class SWALR(LRScheduler):
    """From a group's rate to a constant one, in some epochs (``torch.optim.swa_utils.SWALR``).

    >>> import kuai as torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    >>> schedule = torch.optim.swa_utils.SWALR(optimizer, swa_lr=0.0, anneal_epochs=2)
    >>> optimizer.step(); schedule.step(); schedule.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: Optimizer, swa_lr: float | list[float], anneal_epochs: int = 10,
                 anneal_strategy: str = "cos", last_epoch: int = -1):  # fmt: skip
        for group, lr in zip(optimizer.param_groups, per_group(optimizer, "swa_lr", swa_lr)):
            group["swa_lr"] = lr
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must by one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy, self.anneal_epochs = anneal_strategy, anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """How far the rate has gone after some steps."""
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - cos(pi * t)) / 2

    def get_lr(self) -> list:
        """The rates of this epoch, from the last ones."""
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        rates = [(number(group["lr"]), number(group["swa_lr"])) for group in self.optimizer.param_groups]
        starts = [swa if before == 1 else (lr - before * swa) / (1 - before) for lr, swa in rates]
        return [swa * now + start * (1 - now) for start, (_, swa) in zip(starts, rates)]
