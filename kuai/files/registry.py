"""The classes and functions that the user trusts (``torch.serialization.add_safe_globals``)."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType

from ..torch_names import module_of
from .errors import RefusedError

_BLOCKED = ("sys", "os", "posix", "nt")
_trusted: dict[str, object] = {}
Entry = object  # a class or function, or (class or function, "module.name" as files call it)


def _named(entry: Entry) -> tuple[str, object]:
    if not isinstance(entry, tuple):
        return _default_name(entry), entry
    if len(entry) != 2:
        raise ValueError(f"Expected tuple of length 2 (global, str of callable full path), but got tuple of length: {len(entry)}")
    if type(entry[1]) is not str:
        raise TypeError(f"Expected second item in tuple to be str of callable full path, but got: {type(entry[1])}")
    return entry[1], entry[0]


def add_safe_globals(safe_globals: Iterable[Entry]) -> None:
    """Trust these classes and functions when files name them (``torch.serialization.add_safe_globals``).

    An entry may be a tuple of the object and the full name that files give it.

    >>> from kuai import serialization
    >>> from fractions import Fraction
    >>> serialization.add_safe_globals([Fraction])
    >>> serialization.get_safe_globals()
    [<class 'fractions.Fraction'>]
    >>> serialization.clear_safe_globals()
    """
    _trusted.update(_named(entry) for entry in safe_globals)


def get_safe_globals() -> list[Entry]:
    """What `add_safe_globals` was given (``torch.serialization.get_safe_globals``).

    >>> import kuai as torch
    >>> torch.serialization.get_safe_globals()
    []
    """
    return [value if _default_name(value) == name else (value, name) for name, value in _trusted.items()]


def _default_name(value: object) -> str:
    """The name that files give to an object: for kuai's classes PyTorch's."""
    place = module_of(value) if isinstance(value, type) else None
    return f"{place or getattr(value, '__module__', None)}.{getattr(value, '__qualname__', None)}"


def clear_safe_globals() -> None:
    """Trust nothing but the fixed table again (``torch.serialization.clear_safe_globals``).

    >>> import kuai as torch
    >>> torch.serialization.clear_safe_globals()
    """
    _trusted.clear()


class safe_globals:
    """Trust these classes and functions inside a ``with`` block (``torch.serialization.safe_globals``).

    >>> from kuai import serialization
    >>> from fractions import Fraction
    >>> with serialization.safe_globals([Fraction]):
    ...     serialization.get_safe_globals()
    [<class 'fractions.Fraction'>]
    """

    def __init__(self, safe_globals: Iterable[Entry]):
        self.entries = dict(_named(entry) for entry in safe_globals)

    def __enter__(self) -> None:
        self.before = dict(_trusted)
        _trusted.update(self.entries)

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for name in self.entries:
            _trusted.pop(name, None)
            if name in self.before:
                _trusted[name] = self.before[name]


def names() -> frozenset[str]:
    """The full names that the user trusts."""
    return frozenset(_trusted)


def trusted(module: str, name: str) -> object | None:
    """The user's object of this name, or None. Modules that run commands are never trusted."""
    if module.split(".")[0] in _BLOCKED:
        raise RefusedError(f"the file names {module}.{name}: module {module} is blocked, even if it was added as safe")
    return _trusted.get(f"{module}.{name}")


def is_trusted(value: object) -> bool:
    """Whether the user has added this very object."""
    return any(value is known for known in _trusted.values())


def name_of(value: object) -> tuple[str, str] | None:
    """The module and name under which files know a trusted object."""
    for full, known in _trusted.items():
        if known is value:
            module, _, name = full.rpartition(".")
            return module, name
    return None
