"""Whether gradients are recorded: a flag of the thread, and the ways to set it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any

from ..engine import trace
from ..engine.trace import current, flush, mark_inference

GENERATOR = 0x20  # inspect.CO_GENERATOR


class Decorating:
    """A context manager that is a decorator too, of functions and of generators."""

    def clone(self) -> Any:
        """Another one of the kind, for a call of what is decorated."""
        return type(self)()

    def __call__(self, function: Callable) -> Callable:
        if isinstance(function, type):
            warnings.warn(
                "Decorating classes is deprecated and will be disabled in future versions. You should only decorate functions "
                "or methods. To preserve the current behavior of class decoration, you can directly decorate the `__init__` "
                "method and nothing else.",
                FutureWarning,
                stacklevel=2,
            )
        if getattr(function, "__code__", None) and function.__code__.co_flags & GENERATOR:
            return self._around_generator(function)

        @wraps(function)
        def call(*args: object, **kwargs: object) -> object:
            with self.clone():
                return function(*args, **kwargs)

        return call

    def _around_generator(self, function: Callable) -> Callable:
        @wraps(function)
        def generate(*args: object, **kwargs: object):
            inner = function(*args, **kwargs)
            step: Callable = inner.send  # how it goes on, and with what
            given: object = None
            while True:
                try:
                    with self.clone():
                        item = step(given)
                except StopIteration as end:
                    return end.value
                try:
                    step, given = inner.send, (yield item)
                except GeneratorExit:
                    with self.clone():
                        inner.close()
                    raise
                except BaseException as error:  # noqa: BLE001 (it is the generator's)
                    step, given = inner.throw, error

        return generate


class _Mode(Decorating):
    """A mode of recording, for a block or a function."""

    enabled: bool
    _before: Any

    def __enter__(self) -> None:
        self._before = current.grad
        current.grad = self.enabled or current.duals  # tangents are read off the graph

    def __exit__(self, *error: object) -> None:
        current.grad = self._before


class _Bare(type):
    """Lets ``@no_grad`` stand without parentheses, as PyTorch does."""

    def __call__(cls, function: Callable | None = None, **kwargs: object):
        mode = super().__call__(**kwargs)
        return mode if function is None else mode(function)


class no_grad(_Mode, metaclass=_Bare):
    """Nothing inside is recorded for gradients (``torch.no_grad``): a context manager or a decorator.

    >>> import kuai as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> with torch.no_grad():
    ...     (x * 2).requires_grad
    False
    """

    enabled = False


class enable_grad(_Mode, metaclass=_Bare):
    """Record for gradients again, inside a `no_grad` (``torch.enable_grad``).

    >>> import kuai as torch
    >>> with torch.no_grad(), torch.enable_grad(): print((torch.ones(1, requires_grad=True) * 2).requires_grad)
    True
    """

    enabled = True


class set_grad_enabled(_Mode):
    """Turn recording on or off, at once or as a context manager (``torch.set_grad_enabled``).

    >>> import kuai as torch
    >>> with torch.set_grad_enabled(False): print(torch.is_grad_enabled())
    False
    """

    def __init__(self, mode: bool):
        if not isinstance(mode, bool):
            raise TypeError(f"set_grad_enabled(): argument 'mode' (position 1) must be bool, not {type(mode).__name__}")
        self.mode = self.enabled = mode
        self._before = current.grad
        self.__enter__()

    def __enter__(self) -> None:
        current.grad = self.enabled or current.duals

    def clone(self) -> _Mode:
        return set_grad_enabled(self.enabled)

    def __call__(self, function: Callable) -> Callable:
        current.grad = self._before  # as a decorator it changes nothing by being made
        return super().__call__(function)


class inference_mode(_Mode):
    """`no_grad` whose results can never take part in a graph (``torch.inference_mode``).

    >>> import kuai as torch
    >>> with torch.inference_mode(): print(torch.ones(1).is_inference())
    True
    """

    def __new__(cls, mode: bool | Callable = True):
        made = super().__new__(cls)
        if callable(mode):
            made.__init__()  # type: ignore[misc]
            return made(mode)
        return made

    def __init__(self, mode: bool = True):
        self.mode = bool(mode)
        self.enabled = False

    def __enter__(self) -> None:
        self._before = current.grad, current.inference
        trace.marks = True
        self._become(not self.mode, self.mode)

    def __exit__(self, *error: object) -> None:
        if error[0] is not None and current.inference:
            mark_inference(current.trace)
            current.grad, current.inference = self._before
        else:
            self._become(*self._before)

    def _become(self, grad: bool, inference: bool) -> None:
        """Change the mode, with nothing pending, so that what is made in it can be told from what is not."""
        if inference is not current.inference:
            flush()
        current.grad, current.inference = grad, inference

    def clone(self) -> _Mode:
        return inference_mode(self.mode)


def is_grad_enabled() -> bool:
    """Whether gradients are recorded in this thread now (``torch.is_grad_enabled``).

    >>> import kuai as torch
    >>> torch.is_grad_enabled()
    True
    """
    return current.grad


def is_inference_mode_enabled() -> bool:
    """Whether this thread is in `inference_mode`.

    >>> import kuai as torch
    >>> torch.is_inference_mode_enabled()
    False
    """
    return current.inference


class set_multithreading_enabled(_Mode):
    """Accepted: backward runs in the thread that asks for it (``torch.autograd.set_multithreading_enabled``).

    >>> import kuai as torch
    >>> with torch.autograd.set_multithreading_enabled(False):
    ...     torch.autograd.is_multithreading_enabled()
    False
    """

    said = True

    def __init__(self, mode: bool):
        self.mode = bool(mode)
        self._before: Any = set_multithreading_enabled.said
        set_multithreading_enabled.said = self.mode

    def __enter__(self) -> None:
        """It was said when this was made."""

    def __exit__(self, *error: object) -> None:
        set_multithreading_enabled.said = self._before

    def clone(self) -> _Mode:
        return set_multithreading_enabled(self.mode)


def is_multithreading_enabled() -> bool:
    """What `set_multithreading_enabled` said, which is True at first (``torch.autograd.is_multithreading_enabled``).

    >>> import kuai as torch
    >>> torch.autograd.is_multithreading_enabled()
    True
    """
    return set_multithreading_enabled.said
