"""A module whose batches are split over the GPUs of one process."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from ...tensor import Tensor
from ..module import Module
from .apply import parallel_apply, replicate
from .scattering import gather, place, scatter_kwargs


def _gpus(device_ids: Sequence | None) -> list[int]:
    """The indices of the GPUs to use: all of them, unless some are named."""
    from ... import cuda

    if not cuda.is_available():
        return []
    given = range(cuda.device_count()) if device_ids is None else device_ids
    return [gpu if isinstance(gpu, int) else place(gpu).index or 0 for gpu in given]


class DataParallel(Module):
    """Splits each batch over the GPUs and joins the results; without GPUs it is the module itself (``torch.nn.DataParallel``).

    >>> import kuai as torch
    >>> net = torch.nn.DataParallel(torch.nn.Linear(2, 1))
    >>> net(torch.ones(4, 2)).shape, list(net.state_dict())
    (torch.Size([4, 1]), ['module.weight', 'module.bias'])
    """

    def __init__(self, module: Module, device_ids: Sequence | None = None, output_device: object = None, dim: int = 0) -> None:
        super().__init__()
        self.module, self.dim = module, dim
        self.device_ids = _gpus(device_ids)
        self.output_device = output_device
        if self.device_ids:
            self.output_device = self.device_ids[0] if output_device is None else output_device
            self.src_device_obj = place(self.device_ids[0])
        if len(self.device_ids) == 1:
            module.to(self.src_device_obj)

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """The module's result on the whole batch."""
        if not self.device_ids:
            return self.module(*inputs, **kwargs)
        self._check_places()
        rows, named = self.scatter(inputs, kwargs, self.device_ids)
        if not rows and not named:
            rows, named = ((),), ({},)
        if len(self.device_ids) == 1:
            return self.module(*rows[0], **named[0])
        replicas = self.replicate(self.module, self.device_ids[: len(rows)])
        return self.gather(self.parallel_apply(replicas, rows, named), self.output_device)

    def _check_places(self) -> None:
        for tensor in chain(self.module.parameters(), self.module.buffers()):
            if tensor.device != self.src_device_obj:
                raise RuntimeError(
                    f"module must have its parameters and buffers on device {self.src_device_obj} (device_ids[0]) but found "
                    f"one of them on device: {tensor.device}"
                )

    def scatter(self, inputs: tuple, kwargs: dict | None, device_ids: Sequence) -> Any:
        """The arguments of each GPU; subclasses may split otherwise."""
        return scatter_kwargs(inputs, kwargs, device_ids, dim=self.dim)

    def replicate(self, module: Module, device_ids: Sequence) -> list[Module]:
        """A copy of the module on each GPU."""
        return replicate(module, device_ids)

    def parallel_apply(self, replicas: Sequence, inputs: Sequence, kwargs: Sequence) -> list:
        """What each copy makes of its part."""
        return parallel_apply(replicas, inputs, kwargs, self.device_ids[: len(replicas)])

    def gather(self, outputs: Sequence, output_device: object) -> Any:
        """The parts joined on one GPU."""
        return gather(outputs, output_device, dim=self.dim)


def data_parallel(module: Module, inputs: Tensor | tuple, device_ids: Sequence | None = None, output_device: object = None,
                  dim: int = 0, module_kwargs: dict | None = None) -> Any:  # fmt: skip
    """One call of a module with its batch split over the GPUs (``torch.nn.parallel.data_parallel``).

    >>> import kuai as torch
    >>> torch.nn.parallel.data_parallel(torch.nn.Identity(), torch.ones(2))
    tensor([1., 1.])
    """
    given = inputs if isinstance(inputs, tuple) else (inputs,)
    return DataParallel(module, device_ids, output_device, dim)(*given, **(module_kwargs or {}))
