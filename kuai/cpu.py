"""The CPU under the names of other devices (``torch.cpu``)."""

from __future__ import annotations

from .engine import synchronize as _synchronize


def is_available() -> bool:
    """True (``torch.cpu.is_available``).

    >>> import kuai as torch
    >>> torch.cpu.is_available()
    True
    """
    return True


is_initialized = is_available


def device_count() -> int:
    """1 (``torch.cpu.device_count``).

    >>> import kuai as torch
    >>> torch.cpu.device_count()
    1
    """
    return 1


def current_device() -> str:
    """``"cpu"`` (``torch.cpu.current_device``).

    >>> import kuai as torch
    >>> torch.cpu.current_device()
    'cpu'
    """
    return "cpu"


def set_device(device: object) -> None:
    """Accepted: there is one CPU (``torch.cpu.set_device``).

    >>> import kuai as torch
    >>> torch.cpu.set_device("cpu")
    """


def synchronize(device: object = None) -> None:
    """Run what is recorded (``torch.cpu.synchronize``).

    >>> import kuai as torch
    >>> torch.cpu.synchronize()
    """
    _synchronize()


class Stream:
    """The one order of the CPU's work (``torch.cpu.Stream``).

    >>> import kuai as torch
    >>> torch.cpu.Stream().wait_stream(torch.cpu.current_stream())
    """

    def __init__(self, priority: int = -1):
        """The priority is accepted."""

    def wait_stream(self, stream: Stream) -> None:
        """Accepted: there is one order."""

    def record_event(self) -> None:
        """Accepted: there is one order."""

    def wait_event(self, event: object) -> None:
        """Accepted: there is one order."""


class Event:
    """A mark in the CPU's work (``torch.cpu.Event``).

    >>> import kuai as torch
    >>> torch.cpu.Event().query()
    True
    """

    def query(self) -> bool:
        """True: what was asked for is done in order."""
        return True

    def record(self, stream: Stream | None = None) -> None:
        """Accepted: there is one order."""

    def synchronize(self) -> None:
        """Run what is recorded."""
        _synchronize()

    def wait(self, stream: Stream | None = None) -> None:
        """Accepted: there is one order."""


_stream = Stream()


def current_stream(device: object = None) -> Stream:
    """The stream (``torch.cpu.current_stream``).

    >>> import kuai as torch
    >>> torch.cpu.current_stream() is torch.cpu.current_stream()
    True
    """
    return _stream


class StreamContext:
    """A block whose work goes to a stream: the one there is (``torch.cpu.StreamContext``).

    >>> import kuai as torch
    >>> with torch.cpu.stream(torch.cpu.current_stream()):
    ...     torch.ones(1)
    tensor([1.])
    """

    def __init__(self, stream: Stream | None):
        self.stream = stream

    def __enter__(self) -> None:
        """The work that follows is in the stream."""

    def __exit__(self, *error: object) -> None:
        """And so is what comes after."""


def stream(stream: Stream | None) -> StreamContext:
    """A block whose work goes to a stream (``torch.cpu.stream``).

    >>> import kuai as torch
    >>> with torch.cpu.stream(None): torch.ones(1)
    tensor([1.])
    """
    return StreamContext(stream)
