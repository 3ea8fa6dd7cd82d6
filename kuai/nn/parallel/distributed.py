"""A module whose gradients are averaged over processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from ...distributed import groups
from ...distributed.algorithms.join import Joinable, JoinHook
from ..module import Module
from .scattering import gather, place, scatter_kwargs


class DistributedDataParallel(Module, Joinable):
    """Wraps a module in a group of processes (``torch.nn.parallel.DistributedDataParallel``); the group here is one process.

    Gradients of one process are the average already; options about how they are sent are accepted.

    >>> import kuai as torch
    >>> torch.distributed.init_process_group("gloo")
    >>> net = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    >>> torch.distributed.destroy_process_group()
    >>> list(net.state_dict())
    ['module.weight', 'module.bias']
    """

    def __init__(self, module: Module, device_ids: list | None = None, output_device: object = None, dim: int = 0,
                 broadcast_buffers: bool | None = None, init_sync: bool = True, process_group: groups.Group = None,
                 bucket_cap_mb: float | None = None, find_unused_parameters: bool = False, check_reduction: bool = False,
                 gradient_as_bucket_view: bool = False, static_graph: bool = False,
                 delay_all_reduce_named_params: object = None, param_to_hook_all_reduce: object = None,
                 mixed_precision: object = None, device_mesh: Any = None, skip_all_reduce_unused_params: bool = False,
                 bucket_cap_mb_list: list[int] | None = None, batched_grad_copy: bool = False,
                 forward_sync_buffers: bool | None = None) -> None:  # fmt: skip
        super().__init__()
        if device_mesh is not None and process_group is not None:
            raise RuntimeError("Cannot specify both process_group and device_mesh arguments.")
        self.process_group = groups.member(device_mesh.get_group() if device_mesh is not None else process_group)
        if mixed_precision is not None:
            raise NotImplementedError("DistributedDataParallel: mixed_precision is missing; use torch.autocast")
        trained = [p for p in module.parameters() if p.requires_grad]
        if not trained:
            raise RuntimeError(
                "DistributedDataParallel is not needed when a module doesn't have any parameter that requires a gradient."
            )
        self._place(module, device_ids, output_device)
        self.module, self.dim, self.device_mesh = module, dim, device_mesh
        self.broadcast_buffers = broadcast_buffers is not False
        self.find_unused_parameters, self.static_graph = find_unused_parameters, static_graph
        self.gradient_as_bucket_view, self.require_backward_grad_sync = gradient_as_bucket_view, True
        self.device, self.device_type = trained[0].device, trained[0].device.type

    def _place(self, module: Module, device_ids: list | None, output_device: object) -> None:
        """Check the devices that are named: none for a module on the CPU or on several, or the one that it is on."""
        devices = {p.device for p in module.parameters()}
        if device_ids is not None and len(device_ids) > 1:
            raise ValueError("device_ids can only be None or contain a single element.")
        alone = len(devices) == 1 and next(iter(devices)).type != "cpu"
        if (device_ids or output_device is not None) and not alone:
            raise ValueError(
                "DistributedDataParallel device_ids and output_device arguments only work with single-device/multiple-device GPU "
                f"modules or CPU modules, but got device_ids {device_ids}, output_device {output_device}, and module parameters "
                f"{devices}."
            )
        self.device_ids = [place(d) for d in device_ids] if device_ids else None
        self.output_device = output_device if output_device is not None or not device_ids else device_ids[0]

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """The module's result; inputs are moved to its GPU if one was named."""
        if self.device_ids:
            rows, named = self.scatter(inputs, kwargs, self.device_ids)
            inputs, kwargs = rows[0] if rows else (), named[0] if named else {}
        return self.module(*inputs, **kwargs)

    def scatter(self, inputs: tuple, kwargs: dict, device_ids: list) -> Any:
        """The arguments on the GPU."""
        return scatter_kwargs(inputs, kwargs, device_ids, dim=self.dim)

    def gather(self, outputs: list, output_device: object) -> Any:
        """Results joined on one device."""
        return gather(outputs, output_device, dim=self.dim)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """A block whose gradients are not averaged."""
        before, self.require_backward_grad_sync = self.require_backward_grad_sync, False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    def join(self, divide_by_initial_world_size: bool = True, enable: bool = True, throw_on_early_termination: bool = False) -> Any:
        """A block in which processes may have unequally much to do: one process waits for nobody."""
        return nullcontext()

    def join_hook(self, **kwargs: Any) -> JoinHook:
        """Nothing is left to do for others."""
        return JoinHook()

    @property
    def join_device(self) -> Any:
        """The device of the parameters."""
        return self.device

    @property
    def join_process_group(self) -> Any:
        """The group."""
        return self.process_group

    def register_comm_hook(self, state: object, hook: object) -> None:
        """NotImplementedError: gradients are not sent, so there is nothing for a hook to do it with."""
        raise NotImplementedError(
            "DistributedDataParallel.register_comm_hook: one process sends no gradients; use register_hook on the parameters"
        )

    def will_sync_module_buffers(self) -> bool:
        """Whether buffers would be sent before a forward pass."""
        return self.require_backward_grad_sync and self.broadcast_buffers and any(True for _ in self.module.buffers())
