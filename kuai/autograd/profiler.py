"""How long instructions take (``torch.autograd.profiler``): what NumPy runs one by one, and executables as wholes.

Recording an op takes no time that would be worth a line: what is timed is what runs, and it runs when a value is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from os import PathLike
from time import perf_counter_ns
from typing import Any

from ..engine import synchronize, watch
from .profiler_util import EventList, FunctionEvent, FunctionEventAvg, nested

__all__ = ["profile", "record_function", "EventList", "FunctionEvent", "FunctionEventAvg", "emit_nvtx", "emit_itt"]


class profile:
    """Time what runs within a block (``torch.autograd.profiler.profile``).

    >>> import kuai as torch
    >>> x = torch.ones(50, 50)
    >>> with torch.autograd.profiler.profile() as prof:
    ...     (x @ x).sum().item()
    125000.0
    >>> sorted(e.key for e in prof.key_averages() if e.count == 1)
    ['matmul', 'sum']
    """

    def __init__(self, enabled: bool = True, *, use_cuda: bool = False, use_device: str | None = None,
                 record_shapes: bool = False, with_flops: bool = False, profile_memory: bool = False, with_stack: bool = False,
                 with_modules: bool = False, use_kineto: bool = False, use_cpu: bool = True, **options: Any):  # fmt: skip
        self.enabled, self.record_shapes = enabled, record_shapes
        self.function_events: EventList | None = None
        self._spans: list = []
        self._entered = False

    def __enter__(self) -> profile:
        if not self.enabled:
            return self
        if self._entered:
            raise RuntimeError("Profiler context manager is not reentrant")
        self._entered = True
        synchronize()
        self._origin = perf_counter_ns()
        self._before = watch.watch(self._spans)
        return self

    def __exit__(self, *error: object) -> None:
        if not self.enabled:
            return
        synchronize()
        watch.watch(self._before)
        self.function_events = nested(self._spans, self._origin, self.record_shapes)

    def _events(self) -> EventList:
        if self.function_events is None:
            raise RuntimeError("Profiler didn't finish running")
        return self.function_events

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> EventList:
        """The sums by name."""
        return self._events().key_averages(group_by_input_shape, group_by_stack_n)

    def total_average(self) -> FunctionEventAvg:
        """The sum of all."""
        return self._events().total_average()

    @property
    def self_cpu_time_total(self) -> float:
        """The sum of the events' own times, in µs."""
        return self._events().self_cpu_time_total

    def table(self, *args: Any, **kwargs: Any) -> str:
        """The events as a table."""
        return self._events().table(*args, **kwargs)

    def export_chrome_trace(self, path: str | PathLike) -> None:
        """Write the events for ``chrome://tracing``."""
        self._events().export_chrome_trace(path)

    def __str__(self) -> str:
        return "<unfinished torch.autograd.profile>" if self.function_events is None else str(self.function_events)


class record_function:
    """Give a block, or a decorated function, a line of its own in a profile (``torch.profiler.record_function``).

    What was recorded before runs before it, and what it records runs within it, but only while a profiler looks on.

    >>> import kuai as torch
    >>> x = torch.tensor([1.0, 2.0])
    >>> with torch.profiler.profile() as prof:
    ...     with torch.profiler.record_function("mine"):
    ...         y = x.exp()
    >>> [e.key for e in prof.events()]
    ['mine', 'exp']
    """

    def __init__(self, name: str, args: str | None = None):
        self.name, self.args = name, args

    def __enter__(self) -> record_function:
        self._start = 0
        if watch.spans is not None:
            synchronize()
            self._start = perf_counter_ns()
        return self

    def __exit__(self, *error: object) -> None:
        if watch.spans is not None and self._start:
            synchronize()
            watch.spans.append(watch.Span(self.name, self._start, perf_counter_ns(), kind="range"))

    def __call__(self, function: Callable) -> Callable:
        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name):
                return function(*args, **kwargs)

        return timed


class _Elsewhere:
    """What marks ranges for another program's profiler."""

    def __init__(self, *args: object, **kwargs: object):
        raise NotImplementedError(
            f"{type(self).__name__} marks ranges for a profiler of NVIDIA's or Intel's; use torch.profiler.profile, or JAX's profiler"
        )


class emit_nvtx(_Elsewhere):
    """NotImplementedError: no NVTX ranges are made (``torch.autograd.profiler.emit_nvtx``)."""


class emit_itt(_Elsewhere):
    """NotImplementedError: no ITT ranges are made (``torch.autograd.profiler.emit_itt``)."""
