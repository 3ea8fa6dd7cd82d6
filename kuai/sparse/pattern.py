"""Where the values of a sparse tensor stand: its pattern. What has to be known of indices is computed at once, by NumPy.

A pattern is in coordinates (COO): ``indices`` has a row for each sparse dimension and a column for each value. It does not
change, so what was once found out about it is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..devices import device
from ..engine.program import Size
from ..layouts import sparse_coo
from ..ops import taking
from ..ops.conversion import to_device
from ..ops.creation import zeros
from ..tensor import Tensor, from_array, wrap


class Pattern:
    """Indices, the shape of all that they are indices into, and whether they are sorted and each there once."""

    layout = sparse_coo

    def __init__(self, indices: Tensor, shape: Sequence[int], coalesced: bool):
        self.indices = wrap(indices._read())  # not to be edited by who holds the tensor
        self.shape = Size(shape)
        self.coalesced = coalesced or indices.shape[1] < 2

    def __reduce__(self) -> tuple:
        return Pattern, (self.indices, self.shape, self.coalesced)

    @property
    def sparse_dim(self) -> int:
        """How many of the dimensions, the first ones, have indices."""
        return self.indices.shape[0]

    @property
    def count(self) -> int:
        """How many values there are."""
        return self.indices.shape[1]

    @property
    def lengths(self) -> Size:
        """The lengths of the sparse dimensions."""
        return self.shape[: self.sparse_dim]

    @property
    def rest(self) -> Size:
        """The lengths of the dense dimensions."""
        return self.shape[self.sparse_dim :]

    def parts(self) -> dict[str, Tensor]:
        """The tensors that it is made of, by name."""
        return {"indices": self.indices}

    def moved(self, where: device) -> Pattern:
        """The pattern on another device."""
        return Pattern(to_device(self.indices, where), self.shape, self.coalesced)

    def emptied(self) -> Pattern:
        """The pattern of no values in the same form."""
        return nothing(self.sparse_dim, self.shape, self.indices)

    def put(self, values: Tensor) -> Tensor:
        """The dense tensor that has these values, and zeros elsewhere."""
        return taking.add_at(None, values, self.flat, dim=0, count=self.sparse_dim, shape=self.shape)

    def take(self, x: Tensor) -> Tensor:
        """The values that a dense tensor has here."""
        return taking.take_at(x, self.flat, dim=0, count=self.sparse_dim, wrap=False)

    def same(self, other: object) -> bool:
        """Whether two patterns have their indices in common, as a tensor and what was computed from it have."""
        return type(other) is Pattern and self.indices._value is other.indices._value and self.shape == other.shape

    @cached_property
    def flat(self) -> Tensor:
        """One index for each value, into the sparse dimensions taken as one."""
        if not self.sparse_dim:
            return zeros(self.count, dtype=self.indices.dtype, device=self.indices.device)
        return taking.ravel(self.rows, self.lengths)

    @cached_property
    def keys(self) -> np.ndarray:
        """The same, for the host."""
        return self.flat._array()

    @cached_property
    def sorted(self) -> bool:
        """Whether the indices are in order and each there once, said so or not."""
        return self.coalesced or bool((np.diff(self.keys) > 0).all())

    @cached_property
    def rows(self) -> tuple[Tensor, ...]:
        """The indices into each sparse dimension."""
        return self.indices.unbind(0)

    @cached_property
    def order(self) -> Order:
        """How the values are to be coalesced."""
        keys, first, place = np.unique(self.keys, return_index=True, return_inverse=True)
        return Order(keys, first, place.reshape(-1))

    @cached_property
    def unique(self) -> Pattern:
        """The coalesced pattern."""
        if self.coalesced:
            return self
        return from_keys(self.order.keys, self.lengths, self.shape, self.indices)

    def reshaped(self, shape: Sequence[int]) -> Pattern:
        """The same indices into another shape."""
        return Pattern(self.indices, shape, self.coalesced)

    def find(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where in this coalesced pattern each key stands, and whether it is there at all."""
        if not self.count:
            return np.zeros(keys.shape, np.int64), np.zeros(keys.shape, np.bool_)
        place = np.minimum(np.searchsorted(self.keys, keys), self.count - 1)
        return place, self.keys[place] == keys


class Order(NamedTuple):
    """The distinct keys in order, where each occurs first, and which of them each value has."""

    keys: np.ndarray
    first: np.ndarray
    place: np.ndarray


def from_keys(keys: np.ndarray, lengths: Sequence[int], shape: Sequence[int], like: Tensor) -> Pattern:
    """The coalesced pattern that has sorted, distinct keys."""
    rows = np.unravel_index(keys, tuple(lengths)) if len(lengths) else ()
    indices = np.array(rows, like.dtype.numpy).reshape(len(lengths), keys.size)
    return Pattern(from_array(indices, like.device), shape, True)


def subset(pattern: Pattern, chosen: np.ndarray) -> Pattern:
    """The pattern of some of the values, by their numbers in order."""
    taken = from_array(pattern.indices._array()[:, chosen], pattern.indices.device)
    return Pattern(taken, pattern.shape, pattern.coalesced)


def nothing(sparse_dim: int, shape: Sequence[int], like: Tensor) -> Pattern:
    """The pattern of no values."""
    return Pattern(from_array(np.zeros((sparse_dim, 0), np.int64), like.device), shape, True)
