"""Arithmetic that NumPy lacks and PyTorch's kernels use: fused multiply-add, and libm to the last
bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

_TIE_BITS, _TIE = np.int64(0x1FFFFFFF), np.int64(0x10000000)
_NORMAL_F4 = 2.0**-125  # below it float32 has fewer bits, and ties lie elsewhere
_SPLIT = 134217729.0  # 2**27 + 1 (Dekker)


def fma32(a: np.ndarray, b: float, c: float) -> np.ndarray:
    """a*b + c rounded once to float32; a is a float32 array, b and c float32 values.

    The product is exact in float64. The sum is rounded to float64 and then to float32, which is one
    rounding too many only where the first rounding lands on a float32 tie (or in the subnormal
    range); those few go to odd (Boldo & Melquiond 2008).
    """
    b8, c8 = np.float64(np.float32(b)), np.float64(np.float32(c))
    product = a.astype(np.float64)
    product *= b8
    total = product + c8
    doubtful = (total.view(np.int64) & _TIE_BITS) == _TIE
    if abs(c8) < 4 * _NORMAL_F4:
        doubtful |= np.abs(total) < _NORMAL_F4
    if doubtful.any():
        where = np.nonzero(doubtful)
        total[where] = _to_odd(*_two_sum(product[where], c8))
    return total.astype(np.float32)


def fma_unit(bits: np.ndarray, b: float, c: float) -> np.ndarray:
    """(bits / 2**24)*b + c rounded once to float32; bits are whole numbers below 2**24, b and c float32 values."""
    if not _is_exact(b, c):
        return fma32(bits.astype(np.float32) * np.float32(2.0**-24), b, c)
    total = bits.astype(np.float64)
    total *= b * 2.0**-24
    total += c
    return total.astype(np.float32)


def _is_exact(b: float, c: float) -> bool:
    """Whether float64 has room for every bit of the products and of c at once."""
    return c == 0.0 or -28 <= math.frexp(c)[1] - math.frexp(b)[1] <= 4


def fma64(a: np.ndarray, b: float, c: float) -> np.ndarray:
    """a*b + c rounded once to float64, for float64 arrays a (Boldo & Melquiond 2008)."""
    b, c = float(b), float(c)
    if c == 0.0:
        return a * b + c
    if b == 1.0:
        return a + c
    high, low = _two_product(a, b)
    upper, lower = _two_sum(np.full_like(low, c), low)
    top, rest = _two_sum(high, upper)
    return top + _to_odd(*_two_sum(rest, lower))


def _two_sum(a: np.ndarray, b: np.ndarray | np.float64) -> tuple[np.ndarray, np.ndarray]:
    total = a + b
    back = total - a
    return total, (a - (total - back)) + (b - back)


def _two_product(a: np.ndarray, b: float) -> tuple[np.ndarray, np.ndarray]:
    shifted = _SPLIT * a
    a_high = shifted - (shifted - a)
    a_low = a - a_high
    b_high = _SPLIT * b - (_SPLIT * b - b)
    b_low = b - b_high
    product = a * b
    return product, a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)


def _to_odd(value: np.ndarray, error: np.ndarray) -> np.ndarray:
    """The float64 next to value + error that is exact, or else has an odd last bit."""
    bits = value.view(np.int64)
    inexact = (error != 0) & ((bits & 1) == 0) & (value != 0)
    step = np.where((error > 0) == (value > 0), 1, -1)
    return (bits + np.where(inexact, step, 0)).view(np.float64)


def libm(function: Callable[[float], float], x: np.ndarray) -> np.ndarray:
    """function (of `math`) at every x. NumPy's own loops may differ from libm, and so from PyTorch,
    in the last bit.
    """
    return np.fromiter(map(function, x.tolist()), np.float64, x.size)


def settle(
    estimate: np.ndarray,
    slack: np.ndarray,
    finish: Callable[[np.ndarray], np.ndarray],
    exact: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """finish(value) where |value - estimate| <= slack is known and exact(indices) gives the value
    itself.

    finish rounds coarsely (to float32, to an integer), so that the last bits of the estimate seldom
    matter; exact is asked only for those where they do.
    """
    if estimate.size <= 8:  # NumPy takes longer to begin
        return finish(exact(np.arange(estimate.size)))
    out, other = finish(estimate - slack), finish(estimate + slack)
    doubtful = np.nonzero(~(out == other))[0]
    if doubtful.size:
        out[doubtful] = finish(exact(doubtful))
    return out
