"""Bodies for the gamma function's family. NumPy's compute in double precision, as its sums cancel near the zeros.

Formulas are those of M. Abramowitz and I. Stegun, "Handbook of Mathematical Functions" (1964), by their numbers.
"""

from __future__ import annotations

import math

import numpy as np

from .blocks import blockwise
from .series import chebyshev, polynomial

_SHIFT = 8  # the asymptotic series begin here
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798)  # B2, B4 …
_STIRLING = tuple(b / (2 * k * (2 * k - 1)) for k, b in enumerate(_BERNOULLI, 1))
_DIGAMMA = tuple(b / (2 * k) for k, b in enumerate(_BERNOULLI, 1))
# log Gamma(x) / ((x - 1) (x - 2)) in t = 2 x - 3, for 1 <= x <= 2: it keeps its digits at the zeros.
_LOG_GAMMA = (
    0.49141539302938714, -0.07611416167043585, 0.008432324965932778, -0.001079493726328608, 0.00014900748003692963,
    -2.1512399888556784e-05, 3.1979329860862186e-06, -4.851693012139927e-07, 7.47148782116316e-08,
    -1.1638296700170518e-08, 1.829400437118668e-09, -2.8969180607129607e-10, 4.61570140620909e-11,
    -7.392810230497983e-12, 1.1894280008333085e-12, -1.9212068676522805e-13, 3.113975526387164e-14,
    -5.0628432984486114e-15, 8.254150281631144e-16, -1.3490578987574844e-16, 2.209876116782623e-17,
)


def _sin_pi(x: np.ndarray) -> np.ndarray:
    """The magnitude of sin(pi x), exactly 0 at whole numbers."""
    return np.abs(np.sin(math.pi * (x - np.round(x))))


def _log_gamma_near(x: np.ndarray) -> np.ndarray:
    """For 0.5 <= x <= 3, by one step of 6.1.15 to where the series is."""
    y = np.where(x < 1, x + 1, np.where(x > 2, x - 1, x))
    found = (y - 1) * (y - 2) * chebyshev(2 * y - 3, _LOG_GAMMA)
    return found + np.where(x < 1, -np.log(x), np.where(x > 2, np.log(y), 0))


def _log_gamma_far(x: np.ndarray) -> np.ndarray:
    """6.1.41 from 8 on, and 6.1.15 to get there."""
    low = x < _SHIFT
    z = np.where(low, x + _SHIFT, x)
    steps = np.ones_like(x)
    for k in range(_SHIFT):
        steps = steps * np.where(low, x + k, 1)
    series = (z - 0.5) * np.log(z) - z + 0.5 * math.log(2 * math.pi) + polynomial(1 / (z * z), _STIRLING) / z
    return series - np.log(steps)


@blockwise
def lgamma(xp, x):
    """Left of 0.5 by reflection, 6.1.17."""
    x = x.astype(np.float64)
    left = x < 0.5
    right = np.where(left, 1 - x, x)
    found = np.where(right <= 3, _log_gamma_near(np.minimum(right, 3)), _log_gamma_far(right))
    found = np.where(left, math.log(math.pi) - np.log(_sin_pi(x)) - found, found)
    return np.where(np.isinf(x), np.inf, found)


@blockwise
def digamma(xp, x):
    """6.3.18 from 8 on, 6.3.5 to get there, and left of 0.5 by reflection, 6.3.7; -inf at 0 and nan at the other poles."""
    x = x.astype(np.float64)
    left = x < 0.5
    right = np.where(left, 1 - x, x)
    found = np.zeros_like(x)
    for k in range(_SHIFT):
        found = found - np.where(right < _SHIFT, 1 / (right + k), 0)
    z = np.where(right < _SHIFT, right + _SHIFT, right)
    square = 1 / (z * z)
    found = found + np.log(z) - 0.5 / z - square * polynomial(square, _DIGAMMA)
    found = np.where(left, found - math.pi / np.tan(math.pi * (x - np.round(x))), found)
    pole = (x <= 0) & (x == np.round(x))
    return np.where(pole, np.where(x == 0, np.copysign(np.inf, -x), np.nan), found)


def _zeta_right(xp, s, q):
    """Hurwitz's zeta function for q > 0 by Euler and Maclaurin's sum, 23.2.3: ten terms, then what the rest tends to."""
    total = q * 0
    for k in range(10):
        total = total + (q + k) ** -s
    z = q + 10
    last = z**-s
    total = total + last * z / (s - 1) + last / 2
    factor = last * s / z
    for k, b in enumerate(_BERNOULLI[:7], 1):
        total = total + factor * (b / math.factorial(2 * k))
        factor = factor * (s + 2 * k - 1) * (s + 2 * k) / (z * z)
    return total


def zeta(xp, s, q):
    """The sum of (q + k)**-s over k >= 0; terms left of 0 are added one by one."""
    s, q = xp.broadcast_arrays(s, q)
    steps = xp.maximum(xp.ceil(-q), 0)
    steps = xp.where(xp.isfinite(steps), steps, 0)

    def add(k, total):
        return total + xp.where(k < steps, xp.where(k < steps, q + k, 1) ** -s, 0)

    total = repeat(xp, steps, add, q * 0) + _zeta_right(xp, s, q + steps)
    total = xp.where(q <= 0, xp.where(q == xp.floor(q), xp.inf, xp.where(s == xp.floor(s), total, xp.nan)), total)
    return xp.where(s == 1, xp.inf, xp.where(s < 1, xp.nan, total))


def repeat(xp, times, step, start):
    """``step(k, state)`` for k below the largest of ``times``."""
    if xp is np:
        for k in range(int(np.max(times, initial=0))):
            start = step(k, start)
        return start
    most = xp.max(times, initial=0).astype("int32")
    return xp.lax.fori_loop(0, most, step, start)


@blockwise
def polygamma(xp, x, *, n):
    """The n-th derivative of digamma, n >= 1: 6.4.10, and left of 0.5 by reflection, 6.4.7."""
    left = x < 0.5
    sign = -1.0 if n % 2 == 0 else 1.0
    right = xp.where(left, 1 - x, x)
    found = sign * float(math.factorial(n)) * _zeta_right(xp, float(n + 1), right)
    if n == 1:
        found = xp.where(xp.isinf(right), 0, found)
    cotangent = 1 / xp.tan(math.pi * (x - xp.round(x)))
    mirrored = -sign * found - math.pi ** (n + 1) * polynomial(cotangent, _cotangent_derivative(n))
    pole = (x <= 0) & (x == xp.round(x))
    return xp.where(pole, sign * xp.inf, xp.where(left, mirrored, found))


def _cotangent_derivative(n: int) -> tuple[float, ...]:
    """The n-th derivative of cot as a polynomial in cot: each step takes p(c) to -(1 + c^2) p'(c)."""
    p = np.polynomial.Polynomial([0, 1])
    for _ in range(n):
        p = -np.polynomial.Polynomial([1, 0, 1]) * p.deriv()
    return tuple(float(c) for c in p.coef)


# ---- incomplete gamma functions --------------------------------------------------------------------------------------


def _power_term(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """x^a exp(-x) / Gamma(a)."""
    return np.exp(a * np.log(x) - x - lgamma(np, a))


def _lower(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """6.5.29: the power series, for x < a + 1."""
    term = 1 / a
    total, k = term.copy(), 0
    while np.any(np.abs(term) > 1e-17 * np.abs(total)) and k < 100_000:
        k += 1
        term = term * (x / (a + k))
        total += term
    return total * _power_term(a, x)


def _upper(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """6.5.31: the continued fraction, for x >= a + 1, evaluated by W. J. Lentz's method (1976)."""
    tiny = 1e-300
    b = x + 1 - a
    c, d = np.full_like(x, 1 / tiny), 1 / b
    found, k, change = d.copy(), 0, np.zeros_like(x)
    while np.any(np.abs(change - 1) > 1e-15) and k < 100_000:  # the spacing at 1 is 2e-16
        k += 1
        numerator = -k * (k - a)
        b = b + 2
        d = numerator * d + b
        c = b + numerator / c
        d = 1 / np.where(np.abs(d) < tiny, tiny, d)
        c = np.where(np.abs(c) < tiny, tiny, c)
        change = d * c
        found = found * change
    return found * _power_term(a, x)


def _incomplete(a: np.ndarray, x: np.ndarray, upper: bool) -> np.ndarray:
    a, x = np.broadcast_arrays(a.astype(np.float64), x.astype(np.float64))
    found = np.full(a.shape, np.nan)
    usual = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    low = usual & (x < a + 1)
    high = usual & ~low
    part = _lower(a[low], x[low])
    found[low] = 1 - part if upper else part
    part = _upper(a[high], x[high])
    found[high] = part if upper else 1 - part
    empty = ((a > 0) & (x == 0)) | (np.isposinf(a) & (x >= 0) & np.isfinite(x))
    full = ((a == 0) & (x > 0)) | ((a > 0) & np.isfinite(a) & np.isposinf(x))
    found[empty], found[full] = float(upper), 1 - float(upper)
    return found


def igamma(xp, a, x):
    return _incomplete(a, x, upper=False)


def igammac(xp, a, x):
    return _incomplete(a, x, upper=True)
