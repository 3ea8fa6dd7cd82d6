"""Uniforms and normals that are asked for one at a time, by methods that do not know how many they need."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from .drawing import unit53
from .generator import Generator

_AHEAD = 4096  # uniforms made at once


class Uniforms:
    """53-bit fractions one by one; `close` gives back those that were made and not taken."""

    def __init__(self, generator: Generator):
        self.generator, self.taken = generator, 0
        self.start = generator.state_bytes()
        self.kept = generator.next_double_normal
        self.next: Callable[[], float] = self._values().__next__

    def _values(self) -> Iterator[float]:
        while True:
            for value in unit53(self.generator, _AHEAD).tolist():
                self.taken += 1
                yield value

    def normal(self) -> float:
        """A standard normal by Box and Muller; the second of a pair is kept for the next call."""
        if self.kept is not None:
            found, self.kept = self.kept, None
            return found
        u, v = self.next(), self.next()
        radius, angle = math.sqrt(-2.0 * math.log1p(-v)), 2.0 * math.pi * u
        self.kept = radius * math.sin(angle)
        return radius * math.cos(angle)

    def close(self) -> None:
        """Leave the generator where it is after what was taken."""
        self.generator.set_state_bytes(self.start)
        for first in range(0, self.taken, _AHEAD):
            self.generator.engine.words(2 * min(_AHEAD, self.taken - first))
        self.generator.next_double_normal = self.kept
