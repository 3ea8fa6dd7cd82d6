"""Results that are still to come (``torch.futures``).

>>> import kuai as torch
>>> future = torch.futures.Future()
>>> doubled = future.then(lambda f: f.value() * 2)
>>> future.set_result(3)
>>> doubled.wait()
6
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition
from typing import Any, Generic, TypeVar

from .wont import refusing

T = TypeVar("T")
_NOTHING = object()


class Future(Generic[T]):
    """A result that somebody else sets (``torch.futures.Future``); ``devices`` is accepted.

    >>> import kuai as torch
    >>> f = torch.futures.Future()
    >>> f.done()
    False
    """

    def __init__(self, *, devices: Any = None):
        self._condition = Condition()
        self._result: Any = _NOTHING
        self._error: BaseException | None = None
        self._callbacks: list[Callable] = []

    def done(self) -> bool:
        """Whether there is a result, or an error."""
        return self._result is not _NOTHING or self._error is not None

    def wait(self) -> T:
        """The result, when it is there; its error is raised."""
        with self._condition:
            self._condition.wait_for(self.done)
        return self.value()

    def value(self) -> T:
        """The result that is there; RuntimeError if there is none yet."""
        if self._error is not None:
            raise self._error
        if self._result is _NOTHING:
            raise RuntimeError("value() can only be called after wait(), or when done() is True")
        return self._result

    def set_result(self, result: T) -> None:
        """Set the result, once, and call who waits for it."""
        self._finish(result, None)

    def set_exception(self, result: BaseException) -> None:
        """Set an error instead of a result."""
        if not isinstance(result, Exception):
            raise AssertionError(f"{result} is of type {type(result)}, not an Exception.")
        self._finish(_NOTHING, result)

    def _finish(self, result: Any, error: BaseException | None) -> None:
        with self._condition:
            if self.done():
                raise RuntimeError("Future can only be marked completed once: it has a result already")
            self._result, self._error = result, error
            waiting, self._callbacks = self._callbacks, []
            self._condition.notify_all()
        for callback in waiting:
            callback(self)

    def add_done_callback(self, callback: Callable[[Future[T]], None]) -> None:
        """Call a function with this future when it is done; at once if it is."""
        with self._condition:
            if not self.done():
                self._callbacks.append(callback)
                return
        callback(self)

    def then(self, callback: Callable[[Future[T]], Any]) -> Future:
        """A future of what a function gives for this one when it is done."""
        made: Future = Future()

        def follow(done: Future) -> None:
            try:
                made.set_result(callback(done))
            except Exception as error:  # noqa: BLE001 (whatever it is, who waits gets it)
                made.set_exception(error)

        self.add_done_callback(follow)
        return made


def collect_all(futures: list[Future]) -> Future[list[Future]]:
    """A future of all, when all are done (``torch.futures.collect_all``).

    >>> import kuai as torch
    >>> a, b = torch.futures.Future(), torch.futures.Future()
    >>> both = torch.futures.collect_all([a, b])
    >>> a.set_result(1); b.set_result(2)
    >>> [f.value() for f in both.wait()]
    [1, 2]
    """
    made: Future = Future()
    left = len(futures)
    lock = Condition()

    def one(_: Future) -> None:
        nonlocal left
        with lock:
            left -= 1
            last = left == 0
        if last:
            made.set_result(list(futures))

    for future in futures:
        future.add_done_callback(one)
    if not futures:
        made.set_result([])
    return made


def wait_all(futures: list[Future]) -> list:
    """The results of all (``torch.futures.wait_all``).

    >>> import kuai as torch
    >>> f = torch.futures.Future(); f.set_result(5)
    >>> torch.futures.wait_all([f])
    [5]
    """
    return [future.wait() for future in collect_all(futures).wait()]

__getattr__ = refusing(__name__)
