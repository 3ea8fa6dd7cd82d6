"""Poisson and binomial counts, bit for bit PyTorch's on the CPU.

Where few events are expected (below 10) a simple method counts them: uniforms are multiplied until they fall under
exp(-rate), or the gaps between successes are added up. Above it Hörmann's transformed rejection is used ("The transformed
rejection method for generating Poisson random variables", 1993; "The generation of binomial random variates", 1993).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .drawing import draw, rounded
from .generator import Generator
from .one_by_one import Uniforms

_LARGE = 10.0
# log k! less Stirling's formula for it, for k from 0 on, in the digits that PyTorch has.
_TAILS = (0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509, 0.0166446911898211, 0.0138761288230707,
          0.0118967099458917, 0.0104112652619720, 0.00925546218271273, 0.00833056343336287)  # fmt: skip


@draw
def poisson(generator: Generator, rates: np.ndarray) -> np.ndarray:
    """A count for each rate (``torch.poisson``), in the rates' dtype."""
    uniforms = Uniforms(generator)
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


@draw
def binomial(generator: Generator, counts: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Successes among each count of trials (``torch.binomial``), in the counts' dtype."""
    uniforms = Uniforms(generator)
    pairs = zip(counts.astype(np.float64).ravel().tolist(), probs.astype(np.float64).ravel().tolist())
    found = [_successes(count, prob, uniforms.next) for count, prob in pairs]
    uniforms.close()
    return rounded(np.array(found, np.float64).reshape(counts.shape), counts.dtype)


def _successes(count: float, prob: float, uniform: Callable[[], float]) -> float:
    if count <= 0 or prob <= 0:
        return 0.0
    if prob >= 1:
        return count
    if math.isnan(prob):
        return math.nan
    if prob > 0.5:
        return count - _successes_below_half(count, 1.0 - prob, uniform)
    return _successes_below_half(count, prob, uniform)


def _successes_below_half(count: float, prob: float, uniform: Callable[[], float]) -> float:
    return _binomial_rejected(count, prob, uniform) if count * prob >= _LARGE else _gaps(count, prob, uniform)


def _gaps(count: float, prob: float, uniform: Callable[[], float]) -> float:
    scale, trials, found = math.log1p(-prob), 0.0, 0
    while True:
        u = uniform()
        trials += math.ceil(math.log(u) / scale) if u else math.inf
        if trials > count:
            return found
        found += 1


def _binomial_rejected(count: float, prob: float, uniform: Callable[[], float]) -> float:
    deviation = math.sqrt(count * prob * (1 - prob))
    b = 1.15 + 2.53 * deviation
    a, c, v_r = -0.0873 + 0.0248 * b + 0.01 * prob, count * prob + 0.5, 0.92 - 4.2 / b
    odds, alpha, mode = prob / (1 - prob), (2.83 + 5.1 / b) * deviation, math.floor((count + 1) * prob)
    while True:
        u, v = uniform() - 0.5, uniform()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + c) if us else -1
        if k < 0 or k > count:
            continue
        if us >= 0.07 and v <= v_r:
            return k
        height = math.log(v * alpha / (a / (us * us) + b)) if v else -math.inf
        if height <= _binomial_bound(count, k, mode, odds):
            return k


def _binomial_bound(count: float, k: float, mode: float, odds: float) -> float:
    return (
        (mode + 0.5) * math.log((mode + 1) / (odds * (count - mode + 1)))
        + (count + 1) * math.log((count - mode + 1) / (count - k + 1))
        + (k + 0.5) * math.log(odds * (count - k + 1) / (k + 1))
        + _tail(mode) + _tail(count - mode) - _tail(k) - _tail(count - k)
    )  # fmt: skip


def _tail(k: float) -> float:
    if k < len(_TAILS):
        return _TAILS[int(k)]
    square = (k + 1) * (k + 1)
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1)
