"""What processes do together with any objects, for a group of one: each gets a copy (``torch.distributed``).

>>> import kuai.distributed as dist
>>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
>>> found = [None]
>>> dist.all_gather_object(found, {"a": 1})
>>> found
[{'a': 1}]
>>> dist.destroy_process_group()
"""

from __future__ import annotations

import pickle
from typing import Any

from .collectives import _alone, _listed, _need_self, root_of
from .groups import Group, member, outside


def _sent(obj: Any) -> Any:
    """What arrives of an object: a copy, by pickle as between processes."""
    return pickle.loads(pickle.dumps(obj))


def _takes_part(group: Group, function: str) -> bool:
    if member(group) is None:
        outside(function)
        return False
    return True


def all_gather_object(object_list: list, obj: Any, group: Group = None) -> None:
    """Collect an object of all processes into a list (``torch.distributed.all_gather_object``).

    >>> import kuai as torch
    >>> torch.distributed.init_process_group("gloo")
    >>> found = [None]
    >>> torch.distributed.all_gather_object(found, {"loss": 1.5}); found
    [{'loss': 1.5}]
    >>> torch.distributed.destroy_process_group()
    """
    if _takes_part(group, "all_gather_object"):
        object_list[0] = _sent(obj)


def gather_object(obj: Any, object_gather_list: list | None = None, dst: int | None = None, group: Group = None,
                  group_dst: int | None = None) -> None:  # fmt: skip
    """Collect an object of all processes in one (``torch.distributed.gather_object``)."""
    if _takes_part(group, "gather_object"):
        _need_self("gather_object", _listed("gather", object_gather_list, root_of("gather_object", dst, group_dst, 0), "destination"))
        object_gather_list[0] = _sent(obj)  # type: ignore[index]


def broadcast_object_list(object_list: list, src: int | None = None, group: Group = None, device: object = None,
                          group_src: int | None = None) -> None:  # fmt: skip
    """Send objects to all: one process has them already (``torch.distributed.broadcast_object_list``)."""
    if _takes_part(group, "broadcast_object_list"):
        _need_self("broadcast_object_list", root_of("broadcast_object_list", src, group_src))
        object_list[:] = _sent(object_list)


def scatter_object_list(scatter_object_output_list: list, scatter_object_input_list: list | None = None, src: int | None = None,
                        group: Group = None, group_src: int | None = None) -> None:  # fmt: skip
    """Give each process one of a process's objects (``torch.distributed.scatter_object_list``)."""
    if not _takes_part(group, "scatter_object_list"):
        return
    if not isinstance(scatter_object_output_list, list) or not scatter_object_output_list:
        raise ValueError("Expected argument scatter_object_output_list to be a list of size at least 1.")
    _need_self("scatter_object_list", root_of("scatter_object_list", src, group_src, 0))
    if not scatter_object_input_list or len(scatter_object_input_list) != 1:
        raise ValueError("scatter_object_list: needs one object, as there is one process")
    scatter_object_output_list[0] = _sent(scatter_object_input_list[0])


def send_object_list(object_list: list, dst: int | None = None, group: Group = None, device: object = None,
                     group_dst: int | None = None, use_batch: bool = False) -> None:  # fmt: skip
    """ValueError: there is nobody to send to (``torch.distributed.send_object_list``)."""
    _alone("send_object_list", "destination", dst, group_dst, ValueError)


def recv_object_list(object_list: list, src: int | None = None, group: Group = None, device: object = None,
                     group_src: int | None = None, use_batch: bool = False) -> int:  # fmt: skip
    """RuntimeError: there is nobody to receive from (``torch.distributed.recv_object_list``)."""
    return _alone("recv_object_list", "source", src, group_src, RuntimeError)
