"""Many small values in one array.

An executable's call has its price for each array that it takes and gives, which for small ones is more than the work on
them. So small parameters go in and come out together, and so do small gradients; who asks for one of them gets a view.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np

SMALL = 8192  # bytes up to which a copy costs less than an array of its own
MANY = 16  # values from which on they go together


class Form:
    """How values lie in a bundle: one after the other, all of one dtype. They are given by their avals, or as arrays."""

    __slots__ = ("avals", "places", "size")

    def __init__(self, avals: tuple[Any, ...]):
        ends = list(accumulate(a.size for a in avals))
        self.avals, self.size = avals, ends[-1]
        self.places = [slice(end - a.size, end) for a, end in zip(avals, ends)]

    @staticmethod
    def order(shapes: Sequence[tuple]) -> list[int]:
        """The order in which values go into a bundle: those of one shape beside each other, which a loop then takes as they lie."""
        return sorted(range(len(shapes)), key=shapes.__getitem__)

    def split(self, array: Any) -> list:
        """The values in an array of this form."""
        return [array[place].reshape(a.shape) for place, a in zip(self.places, self.avals)]

    def join(self, xp: Any, arrays: Sequence) -> Any:
        """An array of this form."""
        return xp.concatenate([xp.reshape(a, -1) for a in arrays])


form = lru_cache(maxsize=1024)(Form)  # one object for each, so ``is`` compares


class Bundle:
    """An array that an executable gave, and its form: the data of each value that lies in it, together with a `Value.place`."""

    __slots__ = ("form", "array")

    def __init__(self, form: Form, array: object):
        self.form, self.array = form, array

    def view(self, place: int) -> np.ndarray:
        """One of the values, as an array that shares the bundle's memory."""
        return np.asarray(self.array)[self.form.places[place]].reshape(self.form.avals[place].shape)


def put(values: Sequence, bundle: Bundle) -> None:
    """Give values the data that lies in a bundle, in order."""
    for place, value in enumerate(values):
        value.data = bundle
        value.place = place


def whole(values: Sequence, wanted: Form) -> object | None:
    """The array in which all of these values lie, if they are a bundle of that form, in order and complete."""
    bundle = values[0].data
    if type(bundle) is not Bundle or bundle.form is not wanted:
        return None
    for place, value in enumerate(values):
        if value.data is not bundle or value.place != place:
            return None
    return bundle.array
