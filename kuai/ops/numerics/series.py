"""Sums of polynomials at arrays."""

from __future__ import annotations

from collections.abc import Sequence


def chebyshev(x, coefficients: Sequence[float]):
    """The sum of c[k] T_k(x) by Clenshaw's recurrence, stable for x in [-1, 1]."""
    twice, a, b = x + x, 0.0, 0.0
    for c in coefficients[:0:-1]:
        a, b = twice * a - b + c, a
    return x * a - b + coefficients[0]


def polynomial(x, coefficients: Sequence[float]):
    """The sum of c[k] x**k by Horner's rule."""
    total = coefficients[-1]
    for c in coefficients[-2::-1]:
        total = total * x + c
    return total
