"""A line search for the strong Wolfe conditions: enough descent, and a slope much flatter than at the start."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import NamedTuple

from ..tensor import Tensor

DESCENT, FLATNESS, TRIES = 1e-4, 0.9, 25


class Point(NamedTuple):
    """A place on the line: how far, the loss there, its gradient, and the slope along the line."""

    t: float
    loss: float
    gradient: Tensor
    slope: float


def search(evaluate: Callable[[float], Point], start: Point, t: float, reach: float, tolerance: float) -> tuple[Point, int]:
    """A point that fulfils the conditions, or the best one found, and how often the loss was evaluated.

    ``reach`` is the largest element of the direction: the search ends where it would move nothing by the tolerance.
    """
    low, high, tries = _bracket(evaluate, start, t)
    evaluations = tries + 1
    stuck = False
    if high is not None and high.loss < low.loss:
        low, high = high, low
    while high is not None and tries < TRIES and abs(high.t - low.t) * reach >= tolerance:
        t, stuck = _inside(low, high, stuck)
        new = evaluate(t)
        tries, evaluations = tries + 1, evaluations + 1
        if _too_high(new, start) or new.loss >= low.loss:
            low, high = (new, low) if new.loss < low.loss else (low, new)
        elif _flat(new, start):
            return new, evaluations
        else:
            low, high = new, low if new.slope * (high.t - low.t) >= 0 else high
    return low, evaluations


def _bracket(evaluate: Callable[[float], Point], start: Point, t: float) -> tuple[Point, Point | None, int]:
    """Two points with a good one between them; or a good one and None."""
    before, new = start, evaluate(t)
    for tries in range(TRIES):
        if _too_high(new, start) or (tries > 1 and new.loss >= before.loss):
            return before, new, tries
        if _flat(new, start):
            return new, None, tries
        if new.slope >= 0:
            return before, new, tries
        t = cubic_minimum(before, new, (new.t + 0.01 * (new.t - before.t), new.t * 10))
        before, new = new, evaluate(t)
    return start, new, TRIES


def _too_high(new: Point, start: Point) -> bool:
    return new.loss > start.loss + DESCENT * new.t * start.slope


def _flat(new: Point, start: Point) -> bool:
    return abs(new.slope) <= -FLATNESS * start.slope


def _inside(low: Point, high: Point, stuck: bool) -> tuple[float, bool]:
    """Where to try next, between two points: not twice in a row near an end."""
    left, right = sorted((low.t, high.t))
    first, second = sorted((low, high), key=lambda point: point.t)
    t = cubic_minimum(first, second, (left, right))
    margin = 0.1 * (right - left)
    if min(right - t, t - left) >= margin:
        return t, False
    if not stuck and left < t < right:
        return t, True
    return (right - margin if abs(t - right) < abs(t - left) else left + margin), False


def cubic_minimum(a: Point, b: Point, bounds: tuple[float, float]) -> float:
    """Where the cubic through two points with their slopes has its minimum, held within bounds."""
    mean = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = mean**2 - a.slope * b.slope
    if not square >= 0:
        return (bounds[0] + bounds[1]) / 2
    root = sqrt(square)
    if a.t > b.t:
        a, b = b, a
    place = b.t - (b.t - a.t) * ((b.slope + root - mean) / (b.slope - a.slope + 2 * root))
    return min(max(place, bounds[0]), bounds[1])
