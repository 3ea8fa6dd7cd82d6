"""The group of one process, and the groups made of it (``torch.distributed``).

>>> import kuai.distributed as dist
>>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
>>> dist.get_rank(), dist.get_world_size()
(0, 1)
>>> dist.destroy_process_group()
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from datetime import timedelta
from enum import IntEnum
from typing import Any

default_pg_timeout = timedelta(minutes=30)
KNOWN = ("undefined", "gloo", "nccl", "xccl", "ucc", "mpi", "fake")
_THERE = ("gloo", "nccl")


class Backend(str):
    """The name of a backend, in small letters (``torch.distributed.Backend``).

    >>> import kuai as torch
    >>> torch.distributed.Backend("GLOO") == torch.distributed.Backend.GLOO == "gloo"
    True
    """

    UNDEFINED, GLOO, NCCL, XCCL, UCC, MPI, FAKE = KNOWN
    backend_list = list(KNOWN)

    def __new__(cls, name: str) -> str:  # type: ignore[misc]  # a plain string, as PyTorch's
        if not isinstance(name, str):
            raise ValueError("Backend constructor parameter must be string-ish")
        return name.lower()

    @classmethod
    def register_backend(cls, name: str, func: object, extended_api: bool = False, devices: object = None) -> None:
        """NotImplementedError: a backend would communicate, and there is nobody to talk to."""
        raise NotImplementedError("Backend.register_backend: there is one process here, and no backend would have work")


class ProcessGroup:
    """A group of processes: this one alone (``torch.distributed.ProcessGroup``)."""

    def __init__(self, backend: str, name: str, description: str):
        self.backend, self.group_name, self.group_desc = backend, name, description

    def rank(self) -> int:
        """0."""
        return 0

    def size(self) -> int:
        """1."""
        return 1

    def name(self) -> str:
        """The backend's name."""
        return self.backend


class _World:
    """The groups that there are. The first is the default one."""

    groups: list[ProcessGroup] = []
    made = 0

    @classmethod
    def add(cls, backend: str, name: str, description: str) -> ProcessGroup:
        found = ProcessGroup(backend, name or str(cls.made), description)
        cls.made += 1
        cls.groups.append(found)
        return found


class _Members(type):
    @property
    def WORLD(cls) -> ProcessGroup | None:  # noqa: N802 (PyTorch's name)
        """The group of all processes, None before `init_process_group`."""
        return _World.groups[0] if _World.groups else None


class GroupMember(metaclass=_Members):
    """What stands for the group of all, and for a group that this process is not in (``torch.distributed.GroupMember``)."""

    NON_GROUP_MEMBER = -100


class group(metaclass=_Members):
    """The groups there are (``torch.distributed.group``)."""


Group = ProcessGroup | int | None


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
    return bool(_World.groups)


def is_nccl_available() -> bool:
    """False: NVIDIA's library is not used (``torch.distributed.is_nccl_available``).

    >>> import kuai as torch
    >>> torch.distributed.is_nccl_available()
    False
    """
    return False


is_mpi_available = is_ucc_available = is_xccl_available = is_nccl_available


def is_gloo_available() -> bool:
    """True: what it does for one process is there (``torch.distributed.is_gloo_available``).

    >>> import kuai as torch
    >>> torch.distributed.is_gloo_available()
    True
    """
    return True


def is_backend_available(backend: str) -> bool:
    """Whether `init_process_group` takes a backend (``torch.distributed.is_backend_available``).

    >>> import kuai as torch
    >>> torch.distributed.is_backend_available("gloo"), torch.distributed.is_backend_available("mpi")
    (True, False)
    """
    return backend.lower() == "gloo"


def is_torchelastic_launched() -> bool:
    """Whether PyTorch's launcher started this process (``torch.distributed.is_torchelastic_launched``).

    >>> import kuai as torch
    >>> torch.distributed.is_torchelastic_launched()
    False
    """
    return "TORCHELASTIC_RUN_ID" in os.environ


def get_default_backend_for_device(device: object) -> str:
    """The name of the backend that PyTorch takes for a type of device.

    >>> import kuai as torch
    >>> torch.distributed.get_default_backend_for_device("cpu")
    'gloo'
    """
    return "nccl" if str(getattr(device, "type", device)).startswith("cuda") else "gloo"


# ---- making and ending groups ----------------------------------------------------------------------------------------


def init_process_group(backend: str | None = None, init_method: str | None = None, timeout: timedelta | None = None,
                       world_size: int = -1, rank: int = -1, store: object = None, group_name: str = "",
                       pg_options: object = None, device_id: object = None, **options: object) -> None:  # fmt: skip
    """Make the group (``torch.distributed.init_process_group``); NotImplementedError for more than one process.

    What is not given is read from the environment (RANK, WORLD_SIZE); without it the world has one process.

    >>> import kuai as torch
    >>> torch.distributed.init_process_group("gloo", rank=0, world_size=1)
    >>> torch.distributed.get_rank(), torch.distributed.get_world_size()
    (0, 1)
    >>> torch.distributed.destroy_process_group()
    """
    if _World.groups:
        raise ValueError("trying to initialize the default process group twice!")
    if init_method is not None and store is not None:
        raise ValueError("Cannot specify both init_method and store.")
    name = _checked_backend(backend)
    size = int(os.environ.get("WORLD_SIZE", "1")) if world_size < 0 else world_size
    _need_one(size)
    place = int(os.environ.get("RANK", "0")) if rank < 0 else rank
    if place:
        raise ValueError(f"init_process_group: rank {place} is none of a world of {size}; its ranks begin at 0")
    _World.add(name, group_name, "default_pg")


def _need_one(size: int) -> None:
    if size != 1:
        raise NotImplementedError(
            f"torch.distributed: kuai has no communication between processes, so a world of {size} cannot be made; use one process"
        )


def _checked_backend(given: str | None) -> str:
    """A backend's name; of one for each device ("cpu:gloo,cuda:nccl") all of them."""
    names = [part.rpartition(":")[2].lower() for part in (given or "gloo").split(",")]
    for name in names:
        if name not in KNOWN:
            raise AssertionError(f"Unknown backend type {name}")
        if name not in _THERE:
            raise RuntimeError(f"Distributed package doesn't have {name.upper()} built in; use gloo")
    return names[0] if len(names) == 1 else str(given)


def destroy_process_group(group: ProcessGroup | None = None) -> None:
    """End a group; the default one, and all with it, if none is given (``torch.distributed.destroy_process_group``)."""
    if group == GroupMember.NON_GROUP_MEMBER:
        return
    if not _World.groups:
        raise AssertionError("Process group cannot be None: call init_process_group first")
    found = _World.groups[0] if group is None else member(group)
    if found is _World.groups[0]:
        _World.groups, _World.made = [], 0
    else:
        _World.groups.remove(found)  # type: ignore[arg-type]


def member(group: Group = None) -> ProcessGroup | None:
    """A group that is there, the default one for None; None if this process is not in it. ValueError before there is any."""
    if group == GroupMember.NON_GROUP_MEMBER:
        return None
    if not _World.groups:
        raise ValueError("Default process group has not been initialized, please make sure to call init_process_group.")
    if group is None:
        return _World.groups[0]
    if group not in _World.groups:
        raise ValueError(f"Invalid process group specified: {group!r} is none, or was destroyed")
    return group  # type: ignore[return-value]


def new_group(ranks: Sequence[int] | None = None, timeout: timedelta | None = None, backend: str | None = None,
              pg_options: object = None, use_local_synchronization: bool = False, group_desc: str | None = None,
              device_id: object = None, sort_ranks: bool = True) -> ProcessGroup | int:  # fmt: skip
    """A group of some of the processes (``torch.distributed.new_group``): of this one, or of none.

    >>> import kuai as torch
    >>> torch.distributed.init_process_group("gloo")
    >>> torch.distributed.get_world_size(torch.distributed.new_group([0]))
    1
    >>> torch.distributed.destroy_process_group()
    """
    whole = member()
    assert whole is not None
    for rank in ranks or ():
        if rank != 0:
            raise ValueError(f"Rank {rank} is out of range. Valid ranks are 0 to 0 (world_size=1)")
    if ranks is not None and not len(ranks):
        return GroupMember.NON_GROUP_MEMBER
    if ranks is not None and len(ranks) > 1:
        raise ValueError(f"new_group: rank 0 stands more than once in {list(ranks)}")
    return _World.add(_checked_backend(backend) if backend else whole.backend, "", group_desc or "undefined")


def new_subgroups(group_size: int | None = None, group: object = None, timeout: timedelta | None = None, backend: str | None = None,
                  pg_options: object = None, group_desc: str | None = None) -> tuple[Any, list]:  # fmt: skip
    """Groups of equal size, and the one that this process is in (``torch.distributed.new_subgroups``)."""
    member()
    if group_size is None:
        from .. import cuda

        group_size = cuda.device_count()
        if not group_size:
            raise ValueError("Default group size only takes effect when CUDA is available. Give group_size")
    if group_size <= 0:
        raise ValueError(f"The arg 'group_size' ({group_size}) must be positive")
    if group_size > 1:
        raise ValueError(f"The arg 'group_size' ({group_size}) must not exceed the world size (1)")
    return new_subgroups_by_enumeration([[0]], timeout, backend, pg_options, group_desc)


def new_subgroups_by_enumeration(ranks_per_subgroup_list: Sequence[Sequence[int]], timeout: timedelta | None = None,
                                 backend: str | None = None, pg_options: object = None,
                                 group_desc: str | None = None) -> tuple[Any, list]:  # fmt: skip
    """The groups that are listed, and the one of them that this process is in
    (``torch.distributed.new_subgroups_by_enumeration``)."""
    if not ranks_per_subgroup_list:
        raise ValueError("The arg 'ranks_per_subgroup_list' cannot be empty")
    if sum(len(ranks) for ranks in ranks_per_subgroup_list) > 1:
        raise ValueError("Rank 0 has appeared in more than one subgroup, or is not the only rank")
    groups = [new_group(ranks, timeout, backend, pg_options, group_desc=group_desc) for ranks in ranks_per_subgroup_list]
    own = next((g for g in groups if g != GroupMember.NON_GROUP_MEMBER), None)
    return own, groups


def split_group(parent_pg: Group = None, split_ranks: list | None = None, **options: object) -> ProcessGroup:
    """RuntimeError: only groups that are bound to a GPU can be split (``torch.distributed.split_group``)."""
    member(parent_pg)
    raise RuntimeError("No device associated with the default pg, not safe to split any process groups; use new_group")


def shrink_group(ranks_to_exclude: list[int], group: Group = None, **options: object) -> ProcessGroup:
    """ValueError: nobody can be left out of a group of one (``torch.distributed.shrink_group``)."""
    member(group)
    raise ValueError(f"shrink_group: cannot leave out ranks {ranks_to_exclude} of a group whose only rank is 0")


# ---- what groups are -------------------------------------------------------------------------------------------------


def get_backend(group: Group = None) -> str:
    """The backend that was asked for (``torch.distributed.get_backend``)."""
    found = member(group)
    if found is None:
        raise ValueError("Invalid process group specified")
    return Backend(found.backend.split(",")[0].rpartition(":")[2])


def get_backend_config(group: Group = None) -> str:
    """The backend for each type of device (``torch.distributed.get_backend_config``)."""
    found = member(group)
    if found is None:
        raise ValueError("Invalid process group specified")
    return found.backend if ":" in found.backend else f"cpu:{found.backend},cuda:{found.backend}"


def get_rank(group: Group = None) -> int:
    """0: the only process; -1 in a group that it is not in (``torch.distributed.get_rank``)."""
    return -1 if member(group) is None else 0


def get_world_size(group: Group = None) -> int:
    """1; -1 for a group that this process is not in (``torch.distributed.get_world_size``)."""
    return -1 if member(group) is None else 1


def get_process_group_ranks(group: Group) -> list[int]:
    """The ranks of a group's processes among all (``torch.distributed.get_process_group_ranks``)."""
    return [] if member(group) is None else [0]


def get_group_rank(group: ProcessGroup, global_rank: int) -> int:
    """A process's rank in a group (``torch.distributed.get_group_rank``)."""
    if group is not GroupMember.WORLD and member(group) is not None and global_rank:
        raise ValueError(f"Global rank {global_rank} is not part of group {group}")
    return global_rank


def get_global_rank(group: ProcessGroup, group_rank: int) -> int:
    """A process's rank among all (``torch.distributed.get_global_rank``)."""
    if group is not GroupMember.WORLD and member(group) is not None and group_rank:
        raise ValueError(f"Group rank {group_rank} is not part of group {group}")
    return group_rank


def get_node_local_rank(fallback_rank: int | None = None) -> int:
    """The process's number on its machine, which launchers put into LOCAL_RANK (``torch.distributed.get_node_local_rank``).

    >>> import kuai as torch
    >>> torch.distributed.get_node_local_rank(0)
    0
    """
    if "LOCAL_RANK" in os.environ:
        return int(os.environ["LOCAL_RANK"])
    if fallback_rank is None:
        raise RuntimeError(
            "LOCAL_RANK is not in the environment. Consider passing fallback_rank to allow `get_node_local_rank` to work, assuming "
            "you are not running in a multi-device context and want the code to run locally instead."
        )
    return int(fallback_rank)


def get_pg_count() -> int:
    """How many groups were made since the default one was (``torch.distributed.get_pg_count``)."""
    return _World.made


def outside(name: str) -> None:
    """Say that this process takes no part."""
    warnings.warn(f"Running {name} on global rank 0 which does not belong to the given group.", stacklevel=4)


# ---- how much is said ------------------------------------------------------------------------------------------------


class DebugLevel(IntEnum):
    """How much PyTorch's own communication says (``torch.distributed.DebugLevel``)."""

    OFF, INFO, DETAIL = range(3)


def get_debug_level() -> DebugLevel:
    """What `set_debug_level` or TORCH_DISTRIBUTED_DEBUG said (``torch.distributed.get_debug_level``)."""
    return _debug[0]


def set_debug_level(level: DebugLevel) -> None:
    """Accepted: one process has nothing to say (``torch.distributed.set_debug_level``)."""
    _debug[0] = DebugLevel(level)


def set_debug_level_from_env() -> None:
    """`set_debug_level` as TORCH_DISTRIBUTED_DEBUG says (``torch.distributed.set_debug_level_from_env``)."""
    name = os.environ.get("TORCH_DISTRIBUTED_DEBUG", "OFF").upper()
    if name not in DebugLevel.__members__:
        raise RuntimeError(f"TORCH_DISTRIBUTED_DEBUG must be one of {list(DebugLevel.__members__)}, got {name}")
    set_debug_level(DebugLevel[name])


_debug = [DebugLevel.OFF]
set_debug_level_from_env()
