"""A module whose gradients are averaged over processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ... import distributed
from ..module import Module


class DistributedDataParallel(Module):
    """Wraps a module in a group of processes (``torch.nn.parallel.DistributedDataParallel``); the group here is one process.

    >>> import kuai as torch
    >>> torch.distributed.init_process_group("gloo")
    >>> net = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    >>> torch.distributed.destroy_process_group()
    >>> list(net.state_dict())
    ['module.weight', 'module.bias']
    """

    def __init__(self, module: Module, device_ids: list | None = None, output_device: object = None, dim: int = 0,
                 broadcast_buffers: bool = True, **options: object) -> None:  # fmt: skip
        super().__init__()
        distributed.get_world_size()  # there must be a group
        if not any(p.requires_grad for p in module.parameters()):
            raise RuntimeError(
                "DistributedDataParallel is not needed when a module doesn't have any parameter that requires a gradient."
            )
        self.module, self.device_ids, self.output_device, self.dim = module, device_ids, output_device, dim
        self.require_backward_grad_sync = True

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """The module's result."""
        return self.module(*inputs, **kwargs)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """A block whose gradients are not averaged."""
        before, self.require_backward_grad_sync = self.require_backward_grad_sync, False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before
