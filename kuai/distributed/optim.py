"""Optimizers over processes (``torch.distributed.optim``): for a group of one, the optimizer itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..optim.optimizer import Optimizer
from ..wont import Absent
from .algorithms.join import Joinable, JoinHook
from .groups import Group, ProcessGroup, member


class ZeroRedundancyOptimizer(Optimizer, Joinable):
    """An optimizer whose state is shared out among the processes (``torch.distributed.optim.ZeroRedundancyOptimizer``).

    A group of one keeps all of it. As PyTorch's, `state_dict` wants `consolidate_state_dict` to be called before.

    >>> import kuai as torch
    >>> torch.distributed.init_process_group("gloo")
    >>> w = torch.nn.Parameter(torch.ones(1))
    >>> opt = torch.distributed.optim.ZeroRedundancyOptimizer([w], optimizer_class=torch.optim.SGD, lr=0.5)
    >>> w.sum().backward(); opt.step(); w
    Parameter containing:
    tensor([0.5000], requires_grad=True)
    >>> torch.distributed.destroy_process_group()
    """

    def __init__(self, params: Iterable, optimizer_class: type[Optimizer], process_group: Group = None,
                 parameters_as_bucket_view: bool = False, overlap_with_ddp: bool = False, **defaults: Any):  # fmt: skip
        if overlap_with_ddp:
            raise NotImplementedError("ZeroRedundancyOptimizer: overlap_with_ddp needs hooks on communication; leave it False")
        Joinable.__init__(self)
        self.process_group = member(process_group)
        self.optim = optimizer_class(params, **defaults)
        super().__init__(self.optim.param_groups, self.optim.defaults)
        self.param_groups, self.state = self.optim.param_groups, self.optim.state
        self._consolidated: dict | None = None

    def step(self, closure: Callable | None = None, **kwargs: Any) -> Any:
        """One step of the optimizer inside."""
        return self.optim.step(closure, **kwargs) if closure is not None else self.optim.step(**kwargs)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        self.optim.zero_grad(set_to_none)

    def add_param_group(self, param_group: dict) -> None:
        """Train more parameters."""
        if "optim" in self.__dict__ and "_consolidated" in self.__dict__:
            self.optim.add_param_group(param_group)
        else:
            super().add_param_group(param_group)

    def consolidate_state_dict(self, to: int = 0) -> None:
        """Collect the state of all processes in one, for `state_dict`."""
        self._consolidated = self.optim.state_dict()

    def state_dict(self) -> dict:
        """The state that `consolidate_state_dict` has collected; RuntimeError without it."""
        if self._consolidated is None:
            raise RuntimeError(
                "Optimizer state has not been consolidated on this rank. Please call `consolidate_state_dict(to=0)` on all ranks "
                "beforehand if you meant to save the global state."
            )
        return self._consolidated

    def load_state_dict(self, state_dict: dict) -> None:
        """Go on from a state."""
        self.optim.load_state_dict(state_dict)
        self.param_groups, self.state = self.optim.param_groups, self.optim.state

    def join_hook(self, **kwargs: Any) -> JoinHook:
        """Nothing is left to do for others."""
        return JoinHook()

    @property
    def join_device(self) -> Any:
        """The device of the parameters."""
        return self.param_groups[0]["params"][0].device

    @property
    def join_process_group(self) -> ProcessGroup | None:
        """The group."""
        return self.process_group


def __getattr__(name: str) -> object:
    """What needs other processes is not there, and says so."""
    if name in ("DistributedOptimizer", "PostLocalSGDOptimizer"):
        raise AttributeError(f"torch.distributed.optim has no {name} here: there is one process; use the optimizer itself")
    raise Absent(__name__, name)
