"""Poisson counts, bit for bit PyTorch's on the CPU.

Below a rate of 10 uniforms are multiplied until they fall under exp(-rate); above it Hörmann's transformed rejection is
used ("The transformed rejection method for generating Poisson random variables", 1993).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from .drawing import draw, rounded, unit53
from .generator import Generator

_LARGE = 10.0
_AHEAD = 4096  # uniforms made at once


class _Uniforms:
    """53-bit fractions one by one; `close` gives back those that were made and not taken."""

    def __init__(self, generator: Generator):
        self.generator, self.taken = generator, 0
        self.start = generator.state_bytes()
        self.next: Callable[[], float] = self._values().__next__

    def _values(self) -> Iterator[float]:
        while True:
            for value in unit53(self.generator, _AHEAD).tolist():
                self.taken += 1
                yield value

    def close(self) -> None:
        self.generator.set_state_bytes(self.start)
        for first in range(0, self.taken, _AHEAD):
            self.generator.engine.words(2 * min(_AHEAD, self.taken - first))


@draw
def poisson(generator: Generator, rates: np.ndarray) -> np.ndarray:
    """A count for each rate (``torch.poisson``), in the rates' dtype."""
    uniforms = _Uniforms(generator)
    counts = [_count(rate, uniforms.next) for rate in rates.astype(np.float64).ravel().tolist()]
    uniforms.close()
    return rounded(np.array(counts, np.float64).reshape(rates.shape), rates.dtype)


def _count(rate: float, uniform: Callable[[], float]) -> int:
    if rate >= _LARGE:
        return _rejected(rate, uniform)
    return _multiplied(rate, uniform) if rate else 0


def _multiplied(rate: float, uniform: Callable[[], float]) -> int:
    bound, product, count = math.exp(-rate), uniform(), 0
    while product > bound:
        product *= uniform()
        count += 1
    return count


def _rejected(rate: float, uniform: Callable[[], float]) -> int:
    log_rate, b = math.log(rate), 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha, v_r = 1.1239 + 1.1328 / (b - 3.4), 0.9277 - 3.6224 / (b - 2)
    while True:
        u, v = uniform() - 0.5, uniform()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + rate + 0.43)
        if us >= 0.07 and v <= v_r:
            return k
        if k < 0 or (us < 0.013 and v > us):
            continue
        if math.log(v) + math.log(inverse_alpha) - math.log(a / (us * us) + b) <= -rate + k * log_rate - math.lgamma(k + 1):
            return k
