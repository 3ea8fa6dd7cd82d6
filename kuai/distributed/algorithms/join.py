"""Processes that have unequally much to do (``torch.distributed.algorithms.join``): one process waits for nobody."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any


class JoinHook:
    """What a process does for the others once it is done itself (``torch.distributed.algorithms.JoinHook``)."""

    def main_hook(self) -> None:
        """While others work: there are none."""

    def post_hook(self, is_last_joiner: bool) -> None:
        """When all are done."""


class Joinable(ABC):
    """What takes part in a `Join` (``torch.distributed.algorithms.Joinable``)."""

    def __init__(self) -> None:
        super().__init__()

    @abstractmethod
    def join_hook(self, **kwargs: Any) -> JoinHook:
        """What to do for others."""

    @property
    @abstractmethod
    def join_device(self) -> Any:
        """The device to communicate from."""

    @property
    @abstractmethod
    def join_process_group(self) -> Any:
        """The group that communicates."""


class Join:
    """A block after which all processes are done (``torch.distributed.algorithms.Join``).

    >>> import kuai as torch
    >>> torch.distributed.init_process_group("gloo")
    >>> net = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(1, 1))
    >>> with torch.distributed.algorithms.Join([net]):
    ...     net(torch.ones(1, 1)).sum().backward()
    >>> torch.distributed.destroy_process_group()
    """

    def __init__(self, joinables: list[Joinable], enable: bool = True, throw_on_early_termination: bool = False, **kwargs: Any):
        if not joinables:
            raise ValueError("The join context manager requires at least one joinable")
        self._hooks = [joinable.join_hook(**kwargs) for joinable in joinables]
        self._enable = enable

    def __enter__(self) -> None:
        """Nothing to do before."""

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if self._enable and kind is None:
            for hook in self._hooks:
                hook.post_hook(True)

    @staticmethod
    def notify_join_context(joinable: Joinable) -> None:
        """None: nobody waits to hear that this process goes on."""
