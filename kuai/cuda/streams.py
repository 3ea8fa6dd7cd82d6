"""Streams and events (``torch.cuda.Stream``): XLA orders the work of a GPU by itself, so there is one stream for each."""

from __future__ import annotations

from time import perf_counter
from types import TracebackType

from ..devices import device as as_device
from ..engine import synchronize
from . import _index, _jax_device


class Stream:
    """The order of a GPU's work (``torch.cuda.Stream``). What needs another's result waits for it without being told."""

    def __init__(self, device: object = None, priority: int = 0):
        _jax_device(device)
        self.device, self.priority = as_device("cuda", _index(device)), priority

    def synchronize(self) -> None:
        """Run what is recorded and wait for it."""
        synchronize()

    def query(self) -> bool:
        """Whether all is done; waits until it is."""
        synchronize()
        return True

    def record_event(self, event: Event | None = None) -> Event:
        """An event after all that was asked for so far."""
        found = Event() if event is None else event
        found.record(self)
        return found

    def wait_event(self, event: Event) -> None:
        """Accepted: values are waited for where they are used."""

    def wait_stream(self, stream: Stream) -> None:
        """Accepted: values are waited for where they are used."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and other.device == self.device

    def __hash__(self) -> int:
        return hash(self.device)


class Event:
    """A mark in a GPU's work that knows when it was reached (``torch.cuda.Event``)."""

    def __init__(self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False):
        _jax_device(None)
        self._timed = enable_timing
        self._at: float | None = None

    def record(self, stream: Stream | None = None) -> None:
        """Reach the mark: run what is recorded, wait, and look at the clock."""
        synchronize()
        self._at = perf_counter()

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this mark to another."""
        if not (self._timed and end_event._timed):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if self._at is None or end_event._at is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        return (end_event._at - self._at) * 1e3

    def synchronize(self) -> None:
        """Wait for the mark: `record` did."""

    def query(self) -> bool:
        """Whether the mark is reached."""
        return True

    def wait(self, stream: Stream | None = None) -> None:
        """Accepted: values are waited for where they are used."""


def current_stream(device: object = None) -> Stream:
    """The stream in use (``torch.cuda.current_stream``).

    >>> import kuai as torch
    >>> torch.cuda.is_available() or torch.cuda.device_count() == 0
    True
    """
    return Stream(device)


default_stream = current_stream


def set_stream(stream: Stream) -> None:
    """Accepted: a GPU has one stream (``torch.cuda.set_stream``)."""


class stream:
    """A block whose work goes to a stream; None changes nothing (``torch.cuda.stream``).

    >>> import kuai as torch
    >>> with torch.cuda.stream(None): torch.ones(1)
    tensor([1.])
    """

    def __init__(self, stream: Stream | None):
        self.stream = stream

    def __enter__(self) -> None:
        """The work that follows is in the stream."""

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """And no longer."""


StreamContext = stream
