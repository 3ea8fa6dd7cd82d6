"""Points that fill a cube evenly (``torch.quasirandom``): Sobol's sequence, PyTorch's to the bit."""

from __future__ import annotations

from functools import cache

import numpy as np

import kuai

from .dtypes import dtype as _dtype
from .dtypes import get_default_dtype
from .random import Generator
from .tensor import Tensor


class SobolEngine:
    """Draws points of the unit cube one after the other, scrambled or not (``torch.quasirandom.SobolEngine``).

    The numbers that say how the dimensions differ, by Joe and Kuo, are SciPy's: without SciPy there is one dimension only.
    ValueError for a dimension below 1 or above 21201.

    >>> import kuai as torch
    >>> torch.quasirandom.SobolEngine(dimension=1).draw(4)
    tensor([[0.0000],
            [0.5000],
            [0.7500],
            [0.2500]])
    """

    MAXBIT = 30
    MAXDIM = 21201

    def __init__(self, dimension: int, scramble: bool = False, seed: int | None = None):
        if not 1 <= dimension <= self.MAXDIM:
            raise ValueError(f"Supported range of dimensionality for SobolEngine is [1, {self.MAXDIM}]")
        self.seed, self.scramble, self.dimension, self.num_generated = seed, scramble, dimension, 0
        self._directions, self._shift = _directions(dimension, self.MAXBIT), np.zeros(dimension, np.int64)
        if scramble:
            self._scramble()
        self._first_point = (kuai.from_numpy(self._shift.copy()) / 2**self.MAXBIT).reshape(1, -1)

    def _scramble(self) -> None:
        """Shift all points, and mix the bits of each dimension by a triangular matrix."""
        generator = None if self.seed is None else Generator().manual_seed(self.seed)
        bits, n = self.MAXBIT, self.dimension
        shift = kuai.randint(2, (n, bits), generator=generator).numpy()
        mixing = kuai.randint(2, (n, bits, bits), generator=generator).tril().numpy() | np.eye(bits, dtype=np.int64)
        self._shift = shift @ (1 << np.arange(bits))
        places = np.arange(bits)
        digits = self._directions[:, :, None] >> places & 1
        mixed = np.einsum("dpk,djk->djp", mixing[:, :, ::-1], digits) & 1
        self._directions = (mixed << places[::-1]).sum(-1)

    def draw(self, n: int = 1, out: Tensor | None = None, dtype: _dtype | None = None) -> Tensor:
        """The next ``n`` points, of shape ``(n, dimension)``."""
        wanted = dtype or get_default_dtype()
        start, self.num_generated = self.num_generated, self.num_generated + n
        whole = kuai.from_numpy(self._points(max(start, 1), self.num_generated))
        found = whole.to(wanted) * (1.0 / 2**self.MAXBIT)
        if start == 0:
            found = kuai.cat([self._first_point.to(wanted), found])
        return found if out is None else out.resize_as_(found).copy_(found)

    def _points(self, start: int, stop: int) -> np.ndarray:
        """Points by number, as whole numbers of MAXBIT bits: a direction for each bit of the number's Gray code."""
        number = np.arange(start, stop, dtype=np.int64)[:, None]
        gray, found = number ^ number >> 1, np.broadcast_to(self._shift, (stop - start, self.dimension))
        for bit in range(int(stop - 1).bit_length()):
            found = found ^ np.where(gray >> bit & 1, self._directions[:, bit], 0)
        return np.array(found)

    def draw_base2(self, m: int, out: Tensor | None = None, dtype: _dtype | None = None) -> Tensor:
        """The next ``2**m`` points; ValueError if all that were drawn would not be a power of two."""
        total = self.num_generated + 2**m
        if total & (total - 1):
            raise ValueError("The balance properties of Sobol' points require n to be a power of 2. "
                             f"{self.num_generated} points have been previously generated, then: n={self.num_generated}+2**{m}={total}. "
                             "If you still want to do this, please use 'SobolEngine.draw()' instead.")  # fmt: skip
        return self.draw(2**m, out, dtype)

    def reset(self) -> SobolEngine:
        """Begin again."""
        self.num_generated = 0
        return self

    def fast_forward(self, n: int) -> SobolEngine:
        """Leave out ``n`` points."""
        self.num_generated += n
        return self

    def __repr__(self) -> str:
        options = (", scramble=True" if self.scramble else "") + (f", seed={self.seed}" if self.seed is not None else "")
        return f"{type(self).__name__}(dimension={self.dimension}{options})"


def _directions(dimension: int, bits: int) -> np.ndarray:
    """For each dimension and bit, the whole number of so many bits that this bit of a point's number adds."""
    found = np.ones((dimension, bits), np.int64)
    if dimension > 1:
        polynomials, begin = _table()
        for d in range(1, dimension):
            _extend(found[d], int(polynomials[d]), begin[d])
    return found << np.arange(bits)[::-1]


def _extend(row: np.ndarray, polynomial: int, begin: np.ndarray) -> None:
    """A row of directions from its first ones, by the recurrence of a primitive polynomial."""
    degree = polynomial.bit_length() - 1
    row[:degree] = begin[:degree]
    for j in range(degree, len(row)):
        value = int(row[j - degree])
        for k in range(degree):
            if polynomial >> (degree - 1 - k) & 1:
                value ^= int(row[j - k - 1]) << (k + 1)
        row[j] = value


@cache
def _table() -> tuple[np.ndarray, np.ndarray]:
    """Primitive polynomials and first directions for all dimensions; NotImplementedError without SciPy."""
    from importlib.resources import files

    try:
        with (files("scipy.stats") / "_sobol_direction_numbers.npz").open("rb") as file:
            table = np.load(file)
            return table["poly"], table["vinit"]
    except (ModuleNotFoundError, FileNotFoundError):
        raise NotImplementedError("SobolEngine: more than one dimension needs SciPy's table of directions: pip install scipy") from None
