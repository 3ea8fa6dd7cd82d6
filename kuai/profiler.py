"""How long instructions take (``torch.profiler``).

>>> import kuai as torch
>>> from kuai.profiler import profile, record_function
>>> with profile(record_shapes=True) as prof:
...     with record_function("forward"):
...         y = torch.ones(4, 4).relu().sum()
>>> print(prof.key_averages().table(sort_by="cpu_time_total", row_limit=3).splitlines()[1].split()[:3])
['Name', 'Self', 'CPU']
"""

from __future__ import annotations

import gzip
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from .autograd import profiler as _timing
from .autograd.profiler import record_function as record_function
from .autograd.profiler_util import EventList
from .cuda import is_available as _cuda
from .wont import refusing


class ProfilerActivity(Enum):
    """What a profiler looks at (``torch.profiler.ProfilerActivity``).

    >>> from kuai.profiler import ProfilerActivity
    >>> ProfilerActivity.CPU.name
    'CPU'
    """

    CPU = 0
    CUDA = 1
    XPU = 2
    MTIA = 3
    HPU = 4
    PrivateUse1 = 5


class ProfilerAction(Enum):
    """What a profiler does in a step (``torch.profiler.ProfilerAction``).

    >>> from kuai.profiler import ProfilerAction
    >>> ProfilerAction.RECORD.value
    2
    """

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities() -> set[ProfilerActivity]:
    """What can be looked at on this machine (``torch.profiler.supported_activities``).

    >>> import kuai as torch
    >>> torch.profiler.ProfilerActivity.CPU in torch.profiler.supported_activities()
    True
    """
    return {ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if _cuda() else [])}


def kineto_available() -> bool:
    """Whether instructions can be timed: always (``torch.profiler.kineto_available``)."""
    return True


def _default_schedule_fn(step: int) -> ProfilerAction:
    """To look on in every step."""
    return ProfilerAction.RECORD


def schedule(*, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0,
             skip_first_wait: int = 0) -> Callable[[int], ProfilerAction]:  # fmt: skip
    """What to do in each step: wait, warm up, look on, and again (``torch.profiler.schedule``).

    ``repeat=0`` goes on for ever. ``skip_first_wait`` leaves out the wait of the first round.

    >>> from kuai.profiler import schedule
    >>> [schedule(wait=1, warmup=1, active=2)(i).name for i in range(4)]
    ['NONE', 'WARMUP', 'RECORD', 'RECORD_AND_SAVE']
    """
    if min(wait, warmup, repeat, skip_first) < 0 or active <= 0:
        raise AssertionError(f"schedule: Invalid profiler schedule arguments: wait={wait}, warmup={warmup}, active={active}")

    def action(step: int) -> ProfilerAction:
        if step < 0:
            raise AssertionError(f"Step must be non-negative. Got {step}.")
        if step < skip_first:
            return ProfilerAction.NONE
        step += wait * bool(skip_first_wait) - skip_first
        rounds, place = divmod(step, wait + warmup + active)
        if repeat and rounds >= repeat or place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        last = place == wait + warmup + active - 1
        return ProfilerAction.RECORD_AND_SAVE if last else ProfilerAction.RECORD

    return action


def tensorboard_trace_handler(dir_name: str, worker_name: str | None = None, use_gzip: bool = False) -> Callable:
    """What writes each trace into a folder, for TensorBoard or Chrome (``torch.profiler.tensorboard_trace_handler``).

    >>> import kuai as torch, os, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> with torch.profiler.profile(on_trace_ready=torch.profiler.tensorboard_trace_handler(folder)):
    ...     y = torch.ones(2).exp()
    >>> len(os.listdir(folder))
    1
    """

    def handle(prof: profile) -> None:
        os.makedirs(dir_name, exist_ok=True)
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        name = f"{worker}.{time.time_ns()}.pt.trace.json" + (".gz" if use_gzip else "")
        prof.export_chrome_trace(os.path.join(dir_name, name))

    return handle


class profile:
    """Time what runs within a block, step by step if there is a schedule (``torch.profiler.profile``).

    ``on_trace_ready(prof)`` is called at the end of each round of the schedule, and at the end without one. Shapes are noted if
    ``record_shapes``; memory, stacks and flops are not, and their switches are accepted.

    >>> import kuai as torch
    >>> from kuai.profiler import profile, schedule
    >>> with profile(schedule=schedule(wait=1, warmup=0, active=2), on_trace_ready=lambda p: print(len(p.events()))) as prof:
    ...     for _ in range(3):
    ...         _ = torch.ones(2).exp().sum().item()
    ...         prof.step()
    6
    """

    def __init__(self, *, activities: Iterable[ProfilerActivity] | None = None, schedule: Callable | None = None,
                 on_trace_ready: Callable | None = None, record_shapes: bool = False, profile_memory: bool = False,
                 with_stack: bool = False, with_flops: bool = False, with_modules: bool = False, experimental_config: Any = None,
                 execution_trace_observer: Any = None, acc_events: bool = False, use_cuda: bool | None = None,
                 custom_trace_id_callback: Callable | None = None, **options: Any):  # fmt: skip
        self.activities = set(activities) if activities is not None else supported_activities()
        if not self.activities:
            raise AssertionError("No valid profiler activities found")
        self.schedule = schedule or (lambda step: ProfilerAction.RECORD)
        self.on_trace_ready, self.record_shapes = on_trace_ready, record_shapes
        self.step_num, self.current_action = 0, self.schedule(0)
        self.profiler: Any = None
        self.metadata: dict[str, str] = {}

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to look on, if the schedule says so."""
        self._turn(ProfilerAction.NONE, self.current_action)

    def stop(self) -> None:
        """Look on no longer; what was seen since the last round is given to ``on_trace_ready``."""
        if self._looking(self.current_action):
            self._end()
            self._ready()
        self.current_action = ProfilerAction.NONE

    def step(self) -> None:
        """The next step begins."""
        before, self.step_num = self.current_action, self.step_num + 1
        self.current_action = self.schedule(self.step_num)
        self._turn(before, self.current_action)

    @staticmethod
    def _looking(action: ProfilerAction) -> bool:
        return action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)

    def _turn(self, before: ProfilerAction, now: ProfilerAction) -> None:
        if before is ProfilerAction.RECORD_AND_SAVE or self._looking(before) and not self._looking(now):
            self._end()
            self._ready()
        if self._looking(now) and (before is ProfilerAction.RECORD_AND_SAVE or not self._looking(before)):
            self.profiler = _timing.profile(record_shapes=self.record_shapes)
            self.profiler.__enter__()

    def _end(self) -> None:
        self.profiler.__exit__()

    def _ready(self) -> None:
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def _seen(self) -> Any:
        if self.profiler is None:
            raise AssertionError("Profiler must be initialized before getting its events")
        return self.profiler

    def events(self) -> EventList:
        """The events, of the last round."""
        return self._seen()._events()

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0,
                     group_by_overload_name: bool = False) -> EventList:  # fmt: skip
        """The sums by name, of the last round."""
        return self.events().key_averages(group_by_input_shape, group_by_stack_n)

    def export_chrome_trace(self, path: str) -> None:
        """Write the events for ``chrome://tracing``; compressed if the name ends in ``.gz``."""
        plain = path.removesuffix(".gz")
        self.events().export_chrome_trace(plain)
        if plain != path:
            with open(plain, "rb") as source, gzip.open(path, "wb") as target:
                shutil.copyfileobj(source, target)
            os.remove(plain)

    def add_metadata(self, key: str, value: str) -> None:
        """Note something about this profile."""
        self.metadata[key] = value

    add_metadata_json = add_metadata


__getattr__ = refusing(__name__)
