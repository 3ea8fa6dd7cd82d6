"""Bodies for the normal distribution: the error function, its complement, its scaled complement and their inverses."""

from __future__ import annotations

import math

import numpy as np

from .blocks import blockwise
from .series import chebyshev, polynomial

# erf(x) / x in t = 2 x^2 - 1, for |x| < 1.
_ERF = (
    0.9754769393826541, -0.14226120510371365, 0.010035582187599796, -0.0005768764699767485, 2.741993125219606e-05,
    -1.1043175507344507e-06, 3.8488755420345036e-08, -1.1808582533875466e-09, 3.2334215826050907e-11,
    -7.991015947004549e-13, 1.7990725113961456e-14, -3.718635487818693e-16,
)

# exp(x^2) erfc(x) (1 + 2 x) in t = (x - 3.75) / (x + 3.75), for x >= 0: the map of J. L. Schonfelder, "Chebyshev expansions
# for the error and related functions", Mathematics of Computation 32 (1978).
_ERFCX = (
    1.1775789345674017, -0.004590054580646478, -0.08424913336651792, 0.05920993999819189, -0.026658668435305753,
    0.009074997670705265, -0.002413163540417608, 0.0004907758365258086, -6.916973302501207e-05, 4.13902798607301e-06,
    7.740383066198491e-07, -2.1886401049234389e-07, 1.0764999465670988e-08, 4.5219598112183495e-09,
    -7.754400208831051e-10, -6.318088340887736e-11, 2.8687950109258703e-11, 1.9455868538570094e-13,
    -9.654696749194344e-13, 3.2525481422502996e-14, 3.347811945731212e-14, -1.8645628655492522e-15,
    -1.2507950020228534e-15, 7.418242549782174e-17, 5.0681563530290436e-17,
)

# erf(x) / x in x^2, for |x| < 3.95, to 2e-8: a quotient of two polynomials with the least largest relative error.
_ERF_ABOVE = (1.12837911, 0.191549987, 0.0528754070, 0.00380814867, 0.000284687674, 2.02591355e-06)
_ERF_BELOW = (1.0, 0.503089428, 0.114559486, 0.0150550632, 0.00117072312, 3.78318546e-05)

# The inverse of erf over y in w = -log(1 - y^2), up to w = 6.25; beyond, over sqrt(w) in 1 / sqrt(w), down to 1 / 28: the
# variables of M. Giles, "Approximating the erfinv function", GPU Computing Gems (2011).
_INVERSE = (
    1.6304220989459326, 0.7315674456742257, -0.021235032142504585, -0.0065808875424494635, 0.0019488711426908524,
    -0.00014158343386374536, -4.9292864636180004e-05, 1.4752887929042498e-05, -6.111918603258194e-07,
    -5.106997335480761e-07, 1.159027723297735e-07, 1.4907998843194937e-09, -5.244776785530681e-09, 8.51790549109762e-10,
    7.917020592973908e-11, -5.0994281737154326e-11, 5.436227530231317e-12, 1.292282189751795e-12,
    -4.656064719044143e-13, 2.4256976317675218e-14, 1.6403697972051414e-14, -3.94956069090147e-15,
    -3.9036001761416307e-17, 1.83129083527959e-16, -3.03580260263594e-17,
)
_INVERSE_TAIL = (
    0.9662325841350359, -0.033409504755526745, -0.00032469126641618165, 0.001141217871875921, -0.0001851115755269901,
    2.829433483106203e-05, -8.59474200088505e-06, 2.20130936179225e-06, -8.121880040329716e-07, 3.0445694811733726e-07,
    -9.221589089672997e-08, 4.079593232898925e-08, -1.759551764526642e-08, 5.891131622745015e-09,
    -2.650537205657858e-09, 1.3230265772196239e-09, -4.929138088001421e-10, 1.9984106693902434e-10,
    -1.0936712692339186e-10, 4.92829369062033e-11, -1.829897023616771e-11, 9.052394881706296e-12,
    -5.039711361658724e-12, 2.1270809549559064e-12, -8.298494030490014e-13, 4.576675143150978e-13,
    -2.545824826992422e-13, 1.0489695854671698e-13, -4.1876315334066085e-14,
)


def _erf32(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, -3.95, 3.95)
    square = x * x
    return np.clip(x * polynomial(square, _ERF_ABOVE) / polynomial(square, _ERF_BELOW), -1, 1)


@blockwise
def erf(xp, x):
    if x.dtype.itemsize < 8:
        return _erf32(x)
    inner = x * chebyshev(2 * x * x - 1, _ERF)
    return np.where(np.abs(x) < 1, inner, np.copysign(1 - _erfc_positive(np, np.abs(x)), x))


def _erfcx_positive(xp, x):
    return chebyshev(1 - 7.5 / (x + 3.75), _ERFCX) / (1 + 2 * x)


def _erfc_positive(xp, x):
    return xp.exp(-x * x) * _erfcx_positive(xp, x)


@blockwise
def erfc(xp, x):
    tail = _erfc_positive(xp, xp.abs(x))
    return xp.where(x < 0, 2 - tail, tail)


@blockwise
def erfcx(xp, x):
    """exp(x^2) erfc(x): below 0 by reflection."""
    scaled = _erfcx_positive(xp, xp.abs(x))
    return xp.where(x < 0, 2 * xp.exp(x * x) - scaled, scaled)


def _inverse(xp, y, w):
    """The inverse of erf at y, with w = -log(1 - y^2) given as exactly as it is known."""
    root = xp.sqrt(xp.maximum(w, 6.25))
    low, high = 1 / 28, 1 / 2.5
    tail = root * chebyshev((2 / root - (low + high)) / (high - low), _INVERSE_TAIL)
    return xp.where(w < 6.25, y * chebyshev(w / 3.125 - 1, _INVERSE), xp.copysign(tail, y))


@blockwise
def erfinv(xp, y):
    """In float64 and rounded once, as PyTorch's is to half a unit in the last place: initial weights are made of it."""
    wide = y.astype(xp.float64)
    found = _inverse(xp, wide, -xp.log((1 - wide) * (1 + wide)))
    found = xp.where(xp.abs(wide) == 1, xp.copysign(xp.inf, wide), found)
    return xp.where(xp.abs(wide) > 1, xp.nan, found).astype(y.dtype)


@blockwise
def ndtri(xp, p):
    """The quantile of the normal distribution; small p keep their digits."""
    found = math.sqrt(2) * _inverse(xp, 2 * p - 1, -xp.log(4 * p * (1 - p)))
    found = xp.where(p == 0, -xp.inf, xp.where(p == 1, xp.inf, found))
    return xp.where((p < 0) | (p > 1), xp.nan, found)


def ndtr(xp, x):
    """The normal distribution's cumulative probability."""
    return erfc(xp, x * -math.sqrt(0.5)) / 2


@blockwise
def log_ndtr(xp, x):
    """Its logarithm, which far below zero has digits where the probability itself has none."""
    scaled = xp.abs(x) * math.sqrt(0.5)
    far = xp.log(_erfcx_positive(xp, scaled) / 2) - scaled * scaled
    near = xp.log1p(-erfc(xp, x * math.sqrt(0.5)) / 2)
    return xp.where(x < -1, far, near)
