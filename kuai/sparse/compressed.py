"""Patterns in which one dimension's indices are compressed to where each row, or column, begins: CSR, CSC, and both of blocks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import prod

import numpy as np

from ..devices import device
from ..engine.program import Size
from ..layouts import layout, sparse_bsc, sparse_bsr, sparse_csc, sparse_csr
from ..ops.conversion import to_device
from ..ops.taking import add_at, take_at
from ..tensor import Tensor, from_array, wrap
from .pattern import Pattern

BY_ROWS = (sparse_csr, sparse_bsr)
OF_BLOCKS = (sparse_bsr, sparse_bsc)
COMPRESSED = (sparse_csr, sparse_csc, sparse_bsr, sparse_bsc)
TURNED = {sparse_csr: sparse_csc, sparse_csc: sparse_csr, sparse_bsr: sparse_bsc, sparse_bsc: sparse_bsr}


class Compressed:
    """Where each row begins among the values (each column, in the layouts by columns), and the other index of each value.

    Values have the shape (…batch, count, …block, …rest); all matrices of a batch have as many.
    """

    coalesced = True

    def __init__(self, layout: layout, begins: Tensor, others: Tensor, shape: Sequence[int], block: Sequence[int] = ()):
        self.layout = layout
        self.begins, self.others = wrap(begins._read()), wrap(others._read())  # not to be edited by who holds the tensors
        self.shape, self.block = Size(shape), tuple(block)

    def __reduce__(self) -> tuple:
        return Compressed, (self.layout, self.begins, self.others, self.shape, self.block)

    @property
    def by_rows(self) -> bool:
        """Whether it is the rows that are compressed."""
        return self.layout in BY_ROWS

    @property
    def batch(self) -> Size:
        """The lengths of the dimensions before the matrix's."""
        return self.others.shape[:-1]

    @property
    def count(self) -> int:
        """How many values each matrix has."""
        return self.others.shape[-1]

    @property
    def rest(self) -> Size:
        """The lengths of the dimensions after the matrix's."""
        return self.shape[len(self.batch) + 2 :]

    @property
    def unique(self) -> Compressed:
        """Itself: places are there once."""
        return self

    def same(self, other: object) -> bool:
        """Whether two patterns have their indices in common."""
        mine = (self.layout, self.begins._value, self.others._value, self.shape)
        return type(other) is Compressed and mine == (other.layout, other.begins._value, other.others._value, other.shape)

    def names(self) -> tuple[str, str]:
        """What the two index tensors are called."""
        return ("crow_indices", "col_indices") if self.by_rows else ("ccol_indices", "row_indices")

    def parts(self) -> dict[str, Tensor]:
        """The two index tensors, by name."""
        return dict(zip(self.names(), (self.begins, self.others)))

    def moved(self, where: device) -> Compressed:
        """The pattern on another device."""
        begins, others = to_device(self.begins, where), to_device(self.others, where)
        return Compressed(self.layout, begins, others, self.shape, self.block)

    def emptied(self) -> Compressed:
        """The pattern of no values in the same form."""
        begins = self.begins.new_zeros(self.begins.shape)
        return Compressed(self.layout, begins, self.others[..., :0], self.shape, self.block)

    def turned(self) -> Compressed:
        """That of the transposed matrix, with the values in the same order; blocks are to be transposed each."""
        n = len(self.batch)
        shape = (*self.shape[:n], *self.shape[n : n + 2][::-1], *self.rest)
        return Compressed(TURNED[self.layout], self.begins, self.others, shape, self.block[::-1])

    # ---- in coordinates ------------------------------------------------------------------------------------------------

    @cached_property
    def grid(self) -> Pattern:
        """The same places in coordinates. Those of blocks are places in a grid of blocks, with the block's dimensions dense."""
        major, minor = self._majors(), self.others._array().reshape(-1)
        matrices = np.repeat(np.arange(prod(self.batch)), self.count)
        batch = np.unravel_index(matrices, tuple(self.batch)) if self.batch else ()
        rows = np.array([*batch, *((major, minor) if self.by_rows else (minor, major))], np.int64)
        n = len(self.batch)
        lengths = [m // b for m, b in zip(self.shape[n : n + 2], self.block or (1, 1))]
        made = Pattern(from_array(rows, self.others.device), (*self.batch, *lengths, *self.block, *self.rest), False)
        return Pattern(made.indices, made.shape, made.sorted)

    def _majors(self) -> np.ndarray:
        """The compressed index of each value, spelled out."""
        begins = self.begins._array()
        begins = begins.reshape(-1, begins.shape[-1])
        counts = np.diff(begins, axis=1)
        return np.repeat(np.tile(np.arange(counts.shape[1]), len(counts)), counts.reshape(-1))

    def flat(self, values: Tensor) -> Tensor:
        """Values with all matrices of a batch in one row."""
        return values.reshape((prod(self.batch) * self.count, *values.shape[len(self.batch) + 1 :]))

    def batched(self, values: Tensor) -> Tensor:
        """The reverse."""
        return values.reshape((*self.batch, self.count, *values.shape[1:]))

    def put(self, values: Tensor) -> Tensor:
        """The dense tensor that has these values, and zeros elsewhere."""
        grid, n = self.grid, len(self.batch)
        made = add_at(None, self.flat(values), grid.flat, dim=0, count=grid.sparse_dim, shape=grid.shape)
        return made.movedim(n + 2, n + 1).reshape(self.shape) if self.block else made

    def take(self, x: Tensor) -> Tensor:
        """The values that a dense tensor has here."""
        n = len(self.batch)
        if self.block:
            (rows, columns), (b, c) = self.shape[n : n + 2], self.block
            x = x.reshape((*self.batch, rows // b, b, columns // c, c, *self.rest)).movedim(n + 1, n + 2)
        return self.batched(take_at(x, self.grid.flat, dim=0, count=self.grid.sparse_dim, wrap=False))

    # ---- single elements -----------------------------------------------------------------------------------------------

    @cached_property
    def elements(self) -> tuple[Pattern, np.ndarray]:
        """All elements of all blocks as a coalesced pattern in coordinates, and the number of each among the flat values."""
        if not self.block and self.grid.coalesced:
            return self.grid, np.arange(self.grid.count)
        b, c = self.block or (1, 1)
        places, n = self.grid.indices._array(), len(self.batch)
        rows = places[n][:, None, None] * b + np.arange(b)[:, None]
        columns = places[n + 1][:, None, None] * c + np.arange(c)
        whole = (places.shape[1], b, c)
        spread = [np.broadcast_to(p[:, None, None], whole) for p in places[:n]]
        indices = np.stack([np.broadcast_to(x, whole).reshape(-1) for x in (*spread, rows, columns)])
        order = np.lexsort(indices[::-1]) if indices.size else np.zeros(0, np.int64)
        return Pattern(from_array(indices[:, order], self.others.device), self.shape, True), order


def compressed(indices: np.ndarray, shape: Sequence[int], layout: layout, block: Sequence[int], where: device) -> Compressed:
    """The pattern of a matrix, or a batch of them, from the coordinates of values (of blocks) in the layout's own order."""
    n = len(indices) - 2
    lengths = [m // b for m, b in zip(shape[n : n + 2], block or (1, 1))]
    major, minor = indices[n:] if layout in BY_ROWS else indices[n:][::-1]
    length = lengths[0] if layout in BY_ROWS else lengths[1]
    batch = tuple(shape[:n])
    which = np.ravel_multi_index(tuple(indices[:n]), batch) if n else np.zeros(indices.shape[1], np.int64)
    counts = np.zeros((prod(batch), length), np.int64)
    np.add.at(counts, (which, major), 1)
    per = counts.sum(1)
    if (per != per[:1]).any():
        raise RuntimeError("Expect the same number of specified elements per batch.")
    begins = np.concatenate([np.zeros((len(counts), 1), np.int64), np.cumsum(counts, 1)], 1).reshape(*batch, length + 1)
    others = minor.reshape(*batch, -1 if per.size else 0)
    return Compressed(layout, from_array(begins, where), from_array(np.ascontiguousarray(others), where), shape, block)


def own_order(indices: np.ndarray, layout: layout) -> np.ndarray:
    """How coordinates are to be ordered for a layout: by matrix, then by rows, or by columns."""
    keys = indices if layout in BY_ROWS else np.concatenate([indices[:-2], indices[-1:], indices[-2:-1]])
    return np.lexsort(keys[::-1]) if indices.shape[1] else np.zeros(0, np.int64)
