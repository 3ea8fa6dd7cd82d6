"""The standard library's values that a file may hold with ``weights_only=False``, each made from arguments that are checked here."""

from __future__ import annotations

import argparse
import datetime
import decimal
import fractions
import pathlib
import types
import uuid
from collections import Counter, OrderedDict, UserDict, UserList, UserString, defaultdict, deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import numpy as np

from .errors import FileError, RefusedError, shown


class Host(Protocol):
    """What the makers ask of the reader."""

    factories: list[tuple[defaultdict, Any]]

    def check_key(self, key: object) -> None: ...

    def is_function(self, value: object) -> bool: ...


PLAIN = (int, float, complex, bool, str, bytes, bytearray, list, tuple, dict, set, frozenset, object)
HOLDERS = frozenset([argparse.Namespace, UserDict, UserList, UserString, types.SimpleNamespace, uuid.UUID])
_SINGLE = (None, Ellipsis, NotImplemented)
_PATHS = (pathlib.PurePath, pathlib.Path, pathlib.PurePosixPath, pathlib.PureWindowsPath, pathlib.PosixPath, pathlib.WindowsPath)


def is_plain(cls: type) -> bool:
    """Whether a file may name a class of the standard library's or NumPy's: one that only holds values."""
    return cls in PLAIN or cls in HOLDERS or cls in MAKERS or _is_numpy(cls)


def _is_numpy(cls: type) -> bool:
    return cls.__module__ in ("numpy", "numpy.dtypes") and issubclass(cls, (np.generic, np.dtype, np.ndarray))


def _need(good: bool, what: str) -> None:
    if not good:
        raise FileError(f"damaged checkpoint: {what}")


def _of(kinds: tuple[type, ...], values: tuple, what: str) -> None:
    _need(all(type(value) in kinds for value in values), what)


# ---- values ----------------------------------------------------------------------------------------------------------


def _range(host: Host, cls: type, start: Any, stop: Any, step: Any = 1) -> range:
    _of((int,), (start, stop, step), "a range of three integers")
    return range(start, stop, step)


def _slice(host: Host, cls: type, start: Any, stop: Any, step: Any = None) -> slice:
    return slice(start, stop, step)


def _kind(host: Host, cls: type, value: Any) -> type:
    """Types that have no name of their own, such as None's."""
    _need(any(value is single for single in _SINGLE), "a type of a value that has a name")
    return type(value)


def _packed(*counts: int) -> Callable:
    """A date or time, which pickles as bytes and a time zone."""

    def make(host: Host, cls: Any, data: Any, zone: Any = None) -> Any:
        _need(type(data) is bytes and len(data) in counts, f"the bytes of a {cls.__name__}")
        _need(zone is None or type(zone) is datetime.timezone, "a time zone")
        return cls(data) if zone is None else cls(data, zone)

    return make


def _span(host: Host, cls: type, *parts: Any) -> datetime.timedelta:
    _of((int,), parts, "a timedelta of integers")
    return datetime.timedelta(*parts)


def _zone(host: Host, cls: type, offset: Any, *name: Any) -> datetime.timezone:
    _need(type(offset) is datetime.timedelta and len(name) <= 1, "a time zone")
    _of((str,), name, "a time zone")
    return datetime.timezone(offset, *name)


def _decimal(host: Host, cls: type, text: Any) -> decimal.Decimal:
    _need(type(text) is str, "a Decimal of text")
    try:
        return decimal.Decimal(text)
    except decimal.InvalidOperation:
        raise FileError(f"damaged checkpoint: {shown(text)} is no Decimal") from None


def _fraction(host: Host, cls: type, above: Any, below: Any) -> fractions.Fraction:
    _of((int,), (above, below), "a Fraction of two integers")
    _need(below != 0, "a Fraction of two integers")
    return fractions.Fraction(above, below)


def _path(host: Host, cls: Any, *parts: Any) -> pathlib.PurePath:
    _of((str,), parts, "the parts of a path")
    return cls(*parts)


def _partial(host: Host, cls: type, function: Any) -> partial:
    if not host.is_function(function):
        raise RefusedError(f"a partial of {shown(function, 80)}, which is no function that a file may name")
    return partial(function)


def fill_partial(host: Host, instance: partial, state: Any) -> None:
    """The state of a ``functools.partial``: its function, its arguments, its attributes."""
    _need(type(state) is tuple and len(state) == 4, "the state of a partial")
    function, args, keywords, attributes = state
    _need(function is instance.func, "the state of a partial")
    _need(type(args) is tuple and type(keywords) is dict and all(type(k) is str for k in keywords), "the arguments of a partial")
    _need(attributes is None or type(attributes) is dict, "the attributes of a partial")
    instance.__setstate__((function, args, keywords, attributes))  # type: ignore[attr-defined]


# ---- containers, and the program's classes that derive from them --------------------------------------------------------


def _keys(host: Host, items: Any, kinds: tuple[type, ...], what: str) -> Any:
    _need(type(items) in kinds, what)
    for item in items:
        host.check_key(item)
    return items


def _ordered_dict(host: Host, cls: Any, *args: Any) -> OrderedDict:
    if args:
        raise RefusedError(f"the file calls {shown(cls, 120)} with arguments, and no constructor is called because a file says so")
    return OrderedDict.__new__(cls)


def _counter(host: Host, cls: Any, items: Any = None) -> Counter:
    _need(items is None or type(items) is dict, "a Counter is made from a dict")
    made = dict.__new__(cls)
    dict.update(made, items or {})
    return made


def _default_dict(host: Host, cls: Any, factory: Any = None) -> defaultdict:
    """The factory is put in when all is read: until then whoever asks for a key that is not there would call it."""
    if factory is not None and not host.is_function(factory):
        raise RefusedError(f"a defaultdict of {shown(factory, 80)}, which is no function that a file may name")
    made = defaultdict.__new__(cls)
    host.factories.append((made, factory))
    return made


def _deque(host: Host, cls: Any, items: Any = (), limit: Any = None) -> deque:
    _need(type(items) in (list, tuple), "the items of a deque")
    _need(limit is None or type(limit) is int, "the length of a deque")
    made = deque.__new__(cls)
    deque.__init__(made, items, limit)
    return made


def _set(host: Host, cls: Any, items: Any = ()) -> set:
    made = set.__new__(cls)
    set.update(made, _keys(host, items, (list, tuple, set, frozenset), "the items of a set"))
    return made


def _frozen_set(host: Host, cls: Any, items: Any = ()) -> frozenset:
    return frozenset.__new__(cls, _keys(host, items, (list, tuple, set, frozenset), "the items of a set"))


def _namespace(host: Host, cls: Any) -> types.SimpleNamespace:
    return types.SimpleNamespace()


BASES: dict[type, Callable] = {
    OrderedDict: _ordered_dict, defaultdict: _default_dict, Counter: _counter, deque: _deque, set: _set, frozenset: _frozen_set,
}  # fmt: skip

MAKERS: dict[type, Callable] = {
    **BASES, range: _range, slice: _slice, type: _kind, partial: _partial, types.SimpleNamespace: _namespace,
    datetime.date: _packed(4), datetime.time: _packed(6), datetime.datetime: _packed(10),
    datetime.timedelta: _span, datetime.timezone: _zone, decimal.Decimal: _decimal, fractions.Fraction: _fraction,
    **dict.fromkeys(_PATHS, _path),
}  # fmt: skip
