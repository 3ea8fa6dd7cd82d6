"""A group of one process (``torch.distributed``): programs that ask for their rank run as they do on one machine.

Collectives of one process give what they were given. A larger world needs communication, which is not there.

>>> import kuai as torch
>>> from kuai import distributed as dist
>>> dist.is_initialized()
False
"""

from __future__ import annotations

import os
from datetime import timedelta
from enum import Enum

from .engine import synchronize
from .tensor import Tensor

_backend: str | None = None


class ReduceOp(Enum):
    """How `all_reduce` joins what the processes hold."""

    SUM, PRODUCT, MIN, MAX, AVG, BAND, BOR, BXOR = range(8)


class ProcessGroup:
    """The group of all processes."""


class group:
    """The groups there are (``torch.distributed.group``)."""

    WORLD = ProcessGroup()


def is_available() -> bool:
    """True: there is a group of one (``torch.distributed.is_available``).

    >>> import kuai as torch
    >>> torch.distributed.is_available()
    True
    """
    return True


def is_initialized() -> bool:
    """Whether `init_process_group` was called (``torch.distributed.is_initialized``).

    >>> import kuai as torch
    >>> torch.distributed.is_initialized()
    False
    """
    return _backend is not None


def is_nccl_available() -> bool:
    """False: NVIDIA's library is not used (``torch.distributed.is_nccl_available``).

    >>> import kuai as torch
    >>> torch.distributed.is_nccl_available()
    False
    """
    return False


is_mpi_available = is_nccl_available


def is_torchelastic_launched() -> bool:
    """Whether PyTorch's launcher started this process (``torch.distributed.is_torchelastic_launched``).

    >>> import kuai as torch
    >>> torch.distributed.is_torchelastic_launched()
    False
    """
    return "TORCHELASTIC_RUN_ID" in os.environ


def get_default_backend_for_device(device: object) -> str:
    """The name of the backend that PyTorch takes for a type of device."""
    return "nccl" if str(getattr(device, "type", device)).startswith("cuda") else "gloo"


def init_process_group(backend: str | None = None, init_method: str | None = None, timeout: timedelta | None = None,
                       world_size: int = -1, rank: int = -1, store: object = None, group_name: str = "",
                       pg_options: object = None, device_id: object = None) -> None:  # fmt: skip
    """Make the group (``torch.distributed.init_process_group``); NotImplementedError for more than one process."""
    global _backend
    if _backend is not None:
        raise ValueError("trying to initialize the default process group twice!")
    size = int(os.environ.get("WORLD_SIZE", "1")) if world_size < 0 else world_size
    if size != 1:
        raise NotImplementedError(f"torch.distributed: kuai has no communication between processes, so a world of {size} "
                                  "cannot be made; use one process")  # fmt: skip
    _backend = backend or "gloo"


def destroy_process_group(group: ProcessGroup | None = None) -> None:
    """End the group (``torch.distributed.destroy_process_group``)."""
    global _backend
    _need_group()
    _backend = None


def _need_group() -> None:
    if _backend is None:
        raise ValueError("Default process group has not been initialized, please make sure to call init_process_group.")


def get_backend(group: ProcessGroup | None = None) -> str:
    """The backend that was asked for (``torch.distributed.get_backend``)."""
    _need_group()
    return str(_backend)


def get_rank(group: ProcessGroup | None = None) -> int:
    """0: the only process (``torch.distributed.get_rank``)."""
    _need_group()
    return 0


def get_world_size(group: ProcessGroup | None = None) -> int:
    """1 (``torch.distributed.get_world_size``)."""
    _need_group()
    return 1


def barrier(group: ProcessGroup | None = None, async_op: bool = False, device_ids: object = None) -> None:
    """Wait for all processes: for what this one recorded (``torch.distributed.barrier``)."""
    _need_group()
    synchronize()


def all_reduce(tensor: Tensor, op: ReduceOp = ReduceOp.SUM, group: ProcessGroup | None = None, async_op: bool = False) -> None:
    """Join a tensor of all processes: one process's is the result already (``torch.distributed.all_reduce``)."""
    _need_group()


def reduce(tensor: Tensor, dst: int = 0, op: ReduceOp = ReduceOp.SUM, group: ProcessGroup | None = None,
           async_op: bool = False) -> None:  # fmt: skip
    """`all_reduce` for one process (``torch.distributed.reduce``)."""
    _need_group()


def broadcast(tensor: Tensor, src: int = 0, group: ProcessGroup | None = None, async_op: bool = False) -> None:
    """Send a tensor to all: one process has it already (``torch.distributed.broadcast``)."""
    _need_group()


def all_gather(tensor_list: list[Tensor], tensor: Tensor, group: ProcessGroup | None = None, async_op: bool = False) -> None:
    """Collect a tensor of all processes into a list (``torch.distributed.all_gather``)."""
    _need_group()
    tensor_list[0].copy_(tensor)


def all_gather_object(object_list: list, obj: object, group: ProcessGroup | None = None) -> None:
    """Collect an object of all processes into a list (``torch.distributed.all_gather_object``)."""
    _need_group()
    object_list[0] = obj
