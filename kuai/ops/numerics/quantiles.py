"""How the quantiles of a gamma and of a beta distribution move with its parameters: derivatives of their draws.

A draw x of a fixed chance moves by -(dF/da) / f, F being the probability of less than x and f the density. F is a power
series with positive terms (Abramowitz and Stegun 6.5.29 and 26.5.4), which is differentiated term by term.
"""

from __future__ import annotations

import numpy as np

from . import gamma

_LARGE = 1e4  # shapes from which a gamma distribution's quantiles are expanded about the normal's
_TERMS = 20_000
_PRECISE = 1e-17


def gamma_slope(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """How much a draw x of the shape a (and the rate 1) grows with a, in float64."""
    a, x = (np.array(v, np.float64) for v in np.broadcast_arrays(a, x))
    large = a > _LARGE
    found = np.empty_like(a)
    found[large] = _gamma_slope_large(a[large], x[large])
    found[~large] = _gamma_slope_series(a[~large], x[~large])
    return found


def _gamma_slope_series(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """With t_n = x**n / (a (a + 1) ... (a + n)) the probability is x f (t_0 + t_1 + ...)."""
    term, decline = 1 / a, 1 / a
    rise = np.log(x) - gamma.digamma(np, a)
    total = term * (rise - decline)
    for n in range(1, _TERMS):
        term = term * x / (a + n)
        decline = decline + 1 / (a + n)
        change = term * (rise - decline)
        total += change
        if not (np.abs(change) > _PRECISE * np.abs(total)).any() and not (x > a + n).any():
            break
    return -x * total


def _gamma_slope_large(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The Cornish-Fisher expansion x(z, a) about a normal z, differentiated at the z that belongs to x."""
    root = np.sqrt(a)
    z = (x - a) / root
    for _ in range(3):
        at = a + root * z + (z**2 - 1) / 3 + (z**3 - 7 * z) / (36 * root) - (6 * z**4 + 14 * z**2 - 32) / (1620 * a)
        z = z - (at - x) / (root + 2 * z / 3)
    return 1 + z / (2 * root) - (z**3 - 7 * z) / (72 * a * root) + (6 * z**4 + 14 * z**2 - 32) / (1620 * a * a)


def beta_slope(x: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How much a draw x of the shapes a and b grows with a, in float64: by the series for x or for 1 - x, which ends sooner."""
    x, a, b = (np.array(v, np.float64) for v in np.broadcast_arrays(x, a, b))
    low = x * (a + b) <= a
    found = np.empty_like(x)
    found[low] = -_beta_series(x[low], a[low], b[low], first=True)
    found[~low] = _beta_series(1 - x[~low], b[~low], a[~low], first=False)
    return found


def _beta_series(x: np.ndarray, a: np.ndarray, b: np.ndarray, first: bool) -> np.ndarray:
    """The derivative of the probability of less than x by a (first) or b, over the density."""
    joint = gamma.digamma(np, a + b)
    rise = np.log(x) + joint - gamma.digamma(np, a + 1) if first else np.log1p(-x) + joint - gamma.digamma(np, b)
    term, total = np.ones_like(x), rise.copy()
    for n in range(_TERMS):
        term = term * x * (a + b + n) / (a + 1 + n)
        rise = rise + 1 / (a + b + n) - (1 / (a + 1 + n) if first else 0)
        total += term * rise
        if not (term * np.abs(rise) > _PRECISE * np.abs(total)).any():
            break
    return x * (1 - x) / a * total


def dirichlet_slope(x: np.ndarray, alpha: np.ndarray, total: np.ndarray) -> np.ndarray:
    """How much a fraction x grows with its concentration, where the others keep their proportions (over 1 - x)."""
    return beta_slope(x, alpha, total - alpha) / (1 - x)


