"""Bodies for orthogonal polynomials: their recurrences, in Abramowitz and Stegun 22.7, element by element in x and degree."""

from __future__ import annotations

from collections.abc import Callable

from .gamma import repeat


def recur(xp, x, n, first, step: Callable):
    """The polynomial of degree n at x, from those of degree 0 and 1 and ``step(k, x, p_k, p_{k-1})``; 0 below degree 0."""
    x, n = xp.broadcast_arrays(x, xp.trunc(n))
    first = x * 0 + first(x)

    def advance(k, pair):
        old, new = pair
        k = k + 1
        return xp.where(k < n, new, old), xp.where(k < n, step(k, x, new, old), new)

    _, found = repeat(xp, n - 1, advance, (xp.ones_like(x), first))
    return xp.where(n < 0, 0, xp.where(n == 0, 1, found))


def chebyshev_step(k, x, p, before):
    return 2 * x * p - before


def hermite_h_step(k, x, p, before):
    return 2 * (x * p - k * before)


def hermite_he_step(k, x, p, before):
    return x * p - k * before


def laguerre_step(k, x, p, before):
    return ((2 * k + 1 - x) * p - k * before) / (k + 1)


def legendre_step(k, x, p, before):
    return ((2 * k + 1) * x * p - k * before) / (k + 1)
