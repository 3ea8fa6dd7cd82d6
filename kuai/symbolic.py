"""PyTorch's symbolic numbers, ``torch.SymInt`` and its kin: no number here is one, and what asks about them answers for Python's."""

from __future__ import annotations

import math
from collections.abc import Iterable


class SymInt:
    """A whole number that PyTorch's compiler keeps open (``torch.SymInt``): none is here, each shape has its own program.

    >>> import kuai as torch
    >>> isinstance(torch.ones(2).shape[0], torch.SymInt)
    False
    """


class SymFloat:
    """A number that PyTorch's compiler keeps open (``torch.SymFloat``): none is here."""


class SymBool:
    """A truth value that PyTorch's compiler keeps open (``torch.SymBool``): none is here."""


def sym_int(a: float) -> int:
    """A number as a whole one, toward zero (``torch.sym_int``).

    >>> import kuai as torch
    >>> torch.sym_int(-2.5)
    -2
    """
    return int(a)


def sym_float(a: float) -> float:
    """A number as a float (``torch.sym_float``).

    >>> import kuai as torch
    >>> torch.sym_float(2)
    2.0
    """
    return float(a)


def sym_not(a: bool) -> bool:
    """Not (``torch.sym_not``).

    >>> import kuai as torch
    >>> torch.sym_not(True)
    False
    """
    return not a


def _joined(a: float, b: float, found: float) -> float:
    """Of two numbers of which one is a float, a float."""
    return float(found) if isinstance(a, float) or isinstance(b, float) else found


def sym_max(a: float, b: float) -> float:
    """The greater of two numbers, a float if one is (``torch.sym_max``).

    >>> import kuai as torch
    >>> torch.sym_max(3, 2.0)
    3.0
    """
    return _joined(a, b, max(a, b))


def sym_min(a: float, b: float) -> float:
    """The less of two numbers, a float if one is (``torch.sym_min``).

    >>> import kuai as torch
    >>> torch.sym_min(3, 2)
    2
    """
    return _joined(a, b, min(a, b))


def sym_sum(args: Iterable[float]) -> float:
    """The sum of numbers (``torch.sym_sum``).

    >>> import kuai as torch
    >>> torch.sym_sum([1, 2])
    3
    """
    return sum(args)


def sym_ite(b: bool, t: object, f: object) -> object:
    """One of two things, by a truth value (``torch.sym_ite``); AssertionError if they are of different types.

    >>> import kuai as torch
    >>> torch.sym_ite(True, 1, 2)
    1
    """
    if type(t) is not type(f):
        raise AssertionError(f"sym_ite: needs two of one type, got {type(t).__name__} and {type(f).__name__}")
    return t if b else f


def sym_sqrt(a: float) -> float:
    """The square root (``torch.sym_sqrt``).

    >>> import kuai as torch
    >>> torch.sym_sqrt(4)
    2.0
    """
    return math.sqrt(a)


class TensorType:
    """A type of TorchScript (``torch.TensorType``), which programs use in annotations: there are no scripts here."""


class DeviceObjType:
    """TorchScript's type of devices (``torch.DeviceObjType``), for annotations as well."""

    def __init__(self) -> None:
        raise TypeError("torch.DeviceObjType: No constructor defined! A device is made by torch.device")
