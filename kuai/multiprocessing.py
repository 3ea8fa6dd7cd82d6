"""Python's multiprocessing under PyTorch's name (``torch.multiprocessing``): tensors are sent by their memory, which is shared.

>>> import kuai as torch
>>> torch.multiprocessing.get_start_method(allow_none=True) in (None, "fork", "forkserver", "spawn")
True
"""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Callable
from multiprocessing.connection import wait
from typing import Any

from . import shared

shared.register()


def __getattr__(name: str) -> Any:
    return getattr(multiprocessing, name)


class ProcessRaisedException(Exception):
    """A process that `spawn` started ended with an error, which is the message."""

    def __init__(self, msg: str, error_index: int, error_pid: int | None):
        super().__init__(msg)
        self.error_index, self.pid, self.error_pid = error_index, error_pid, error_pid


class ProcessExitedException(Exception):
    """A process that `spawn` started ended with an exit code that is not 0."""

    def __init__(self, msg: str, error_index: int, error_pid: int | None, exit_code: int | None):
        super().__init__(msg)
        self.error_index, self.pid, self.error_pid, self.exit_code = error_index, error_pid, error_pid, exit_code


def _call(fn: Callable, i: int, args: tuple, errors: Any) -> None:
    try:
        fn(i, *args)
    except Exception:  # noqa: BLE001 (whatever it is, it is told to the parent)
        errors.put(traceback.format_exc())
        raise SystemExit(1) from None


class ProcessContext:
    """The processes that `spawn` started."""

    def __init__(self, processes: list, errors: list):
        self.processes, self._errors = processes, errors

    def pids(self) -> list[int | None]:
        """The processes' numbers."""
        return [int(p.pid) for p in self.processes]

    def join(self, timeout: float | None = None) -> bool:
        """Wait until one process ends; True once all have. The error of one ends the others and is raised here."""
        alive = {p.sentinel: p for p in self.processes if p.is_alive()}
        if alive:
            wait(list(alive), timeout)
        for i, process in enumerate(self.processes):
            if process.exitcode:
                self._fail(i)
        return all(p.exitcode == 0 for p in self.processes)

    def _fail(self, i: int) -> None:
        for process in self.processes:
            if process.is_alive():
                process.terminate()
            process.join()
        failed = self.processes[i]
        if not self._errors[i].empty():
            said = self._errors[i].get()
            raise ProcessRaisedException(f"\n\n-- Process {i} terminated with the following error:\n{said}", i, failed.pid)
        raise ProcessExitedException(f"process {i} terminated with exit code {failed.exitcode}", i, failed.pid, failed.exitcode)


def start_processes(fn: Callable, args: tuple = (), nprocs: int = 1, join: bool = True, daemon: bool = False,
                    start_method: str = "spawn") -> ProcessContext | None:  # fmt: skip
    """Start ``fn(i, *args)`` for i in ``range(nprocs)``, each in a process (``torch.multiprocessing.start_processes``)."""
    context = multiprocessing.get_context(start_method)
    errors = [context.SimpleQueue() for _ in range(nprocs)]
    processes = [
        context.Process(target=_call, args=(fn, i, args, errors[i]), daemon=daemon)  # type: ignore[attr-defined]
        for i in range(nprocs)
    ]
    for process in processes:
        process.start()
    started = ProcessContext(processes, errors)
    if not join:
        return started
    while not started.join():
        pass
    return None


def spawn(fn: Callable, args: tuple = (), nprocs: int = 1, join: bool = True, daemon: bool = False,
          start_method: str = "spawn") -> ProcessContext | None:  # fmt: skip
    """`start_processes` in fresh processes (``torch.multiprocessing.spawn``)."""
    return start_processes(fn, args, nprocs, join, daemon, start_method)


def get_all_sharing_strategies() -> set[str]:
    """How tensors reach another process: by a file descriptor of their memory.

    >>> import kuai as torch
    >>> sorted(torch.multiprocessing.get_all_sharing_strategies())
    ['file_descriptor']
    """
    return {"file_descriptor"}


def get_sharing_strategy() -> str:
    """The only one there is (``torch.multiprocessing.get_sharing_strategy``).

    >>> import kuai as torch
    >>> torch.multiprocessing.get_sharing_strategy()
    'file_descriptor'
    """
    return "file_descriptor"


def set_sharing_strategy(new_strategy: str) -> None:
    """Choose among `get_all_sharing_strategies` (``torch.multiprocessing.set_sharing_strategy``)."""
    if new_strategy not in get_all_sharing_strategies():
        raise AssertionError(f"invalid sharing strategy {new_strategy!r}: there is {get_all_sharing_strategies()}")
