"""Whole numbers and permutations, bit for bit PyTorch's on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import warn
from .drawing import BLOCK, DIGITS, F4, F8, LARGEST, bfloat16, by_blocks, check, draw, from_int64
from .generator import Generator

_I64_MIN, _I64_MAX = -(1 << 63), (1 << 63) - 1


def _int_words(generator: Generator, n: int, span: int) -> np.ndarray:
    """n integers in [0, span), as uint64; one word each for a span below 2**28, else two."""
    if span < 1 << 28:
        words = generator.engine.words(n)
        words -= words // np.uint32(span) * np.uint32(span)
        return words.astype(np.uint64)
    wide = generator.engine.wide(n)
    if span & (span - 1) == 0:
        return wide & np.uint64(span - 1)
    return wide % np.uint64(span)


def _offset(values: np.ndarray, base: int, dtype: np.dtype) -> np.ndarray:
    values += np.uint64(base % (1 << 64))
    return from_int64(values.view(np.int64), dtype)


@draw
def randint(
    generator: Generator,
    n: int,
    lo: int | None = None,
    hi: int | None = None,
    dtype: Any = np.int64,
) -> np.ndarray:
    """n whole numbers in [lo, hi) (``Tensor.random_``, randint).

    Without hi: up to the largest of the dtype (for floats 2**digits); without both: from 0.
    """
    dtype = np.dtype(dtype)
    if lo is None and hi is None:
        return _random_unbounded(generator, n, dtype)
    low = 0 if lo is None else int(lo)
    if hi is None and low == _I64_MIN:
        return _random_all_bits(generator, n, dtype)
    low, last = _int_bounds(low, hi, dtype)
    span = last - low + 1
    return by_blocks(n, dtype, lambda m: _offset(_int_words(generator, m, span), low, dtype))


def _random_unbounded(generator: Generator, n: int, dtype: np.dtype) -> np.ndarray:
    if dtype == np.bool_:
        return by_blocks(n, dtype, lambda m: generator.engine.words(m) & np.uint32(1) == 1)
    if dtype in DIGITS:
        span = (1 << DIGITS[dtype]) + 1
    elif dtype.kind == "i" or dtype == np.uint8:
        span = int(np.iinfo(dtype).max) + 1
    elif n == 0:
        return np.empty(0, dtype)
    else:
        raise NotImplementedError(f"random_ without bounds is not implemented for {dtype}; give it from and to")
    source = generator.engine.wide if dtype in (np.int64, F8) else generator.engine.words
    return by_blocks(n, dtype, lambda m: from_int64(_modulo(source(m), span), dtype))


def _modulo(words: np.ndarray, span: int) -> np.ndarray:
    return (words % words.dtype.type(span)).astype(np.int64)


def _random_all_bits(generator: Generator, n: int, dtype: np.dtype) -> np.ndarray:
    check(
        dtype in (np.int64, F8, F4, bfloat16),
        "random_ over the full 64-bit range handles only int64, float64, float32 and bfloat16, not {}",
        dtype,
    )
    return by_blocks(n, dtype, lambda m: from_int64(generator.engine.wide(m).view(np.int64), dtype))


def _int_bounds(low: int, hi: int | None, dtype: np.dtype) -> tuple[int, int]:
    """The first and last value to draw; for floats, the nearest inside that the dtype can hold."""
    if hi is not None:
        check(low < hi, "random_ expects 'from' to be less than 'to', but got from={} >= to={}", low, hi)
    check(dtype.kind != "c", "check_random_bounds handles only integral, floating-point and boolean types, not {}", dtype)
    if dtype in DIGITS:
        return _float_bounds(low, hi, dtype)
    if dtype == np.bool_:
        least, most = 0, 1
    else:
        least, most = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    last = most if hi is None else int(hi) - 1
    most = min(most, _I64_MAX)
    check(least <= low <= most, "from is out of bounds for {}: random_ got from={}", dtype, low)
    check(least <= last <= most, "to - 1 is out of bounds for {}: random_ got to={}", dtype, hi)
    return low, last


def _float_bounds(low: int, hi: int | None, dtype: np.dtype) -> tuple[int, int]:
    digits = DIGITS[dtype]
    above = _as_dtype(low + 1, dtype)
    if above < low:
        low = above + (1 << (abs(low + 1).bit_length() - digits))
    last = 1 << digits
    if hi is not None:
        below = _as_dtype(int(hi) - 1, dtype)
        last = int(hi) - 1
        if below >= hi:
            last = below - (1 << (abs(int(hi) - 1).bit_length() - digits)) - 1
    check(
        low <= last,
        "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got from={} > to={} for {}",
        low,
        last,
        dtype,
    )
    limit = int(LARGEST[dtype])
    for name, bound in (("from", low), ("to - 1", last)):
        check(-limit <= bound <= limit, "{} is out of bounds for {}: random_ got {}", name, dtype, bound)
        if abs(bound) > 1 << digits:
            warn(
                f"{name} is out of bounds [-(2^{digits}), 2^{digits}]: beyond them {dtype} can't "
                "hold every whole number, so some are never drawn"
            )
    return low, last


def _as_dtype(value: int, dtype: np.dtype) -> int:
    """The whole number that the dtype holds for the value; what int64 can't hold becomes its least
    (as x86 does).
    """
    number = float(from_int64(np.array([value], np.int64), dtype)[0])
    return int(number) if abs(number) < 2.0**63 else _I64_MIN


# ---- permutations --------------------------------------------------------------------------------

_WIDE_PERMUTATION = ((1 << 32) - 1) // 20  # from here on one word is too coarse, and PyTorch shuffles inside out
_LOOP_BELOW = 300


@draw
def randperm(generator: Generator, n: int, dtype: Any = np.int64) -> np.ndarray:
    """A permutation of 0 … n-1 (``torch.randperm``)."""
    dtype = np.dtype(dtype)
    _check_permutation(n, dtype)
    if n < 2:
        return np.arange(n).astype(dtype)
    if n >= _WIDE_PERMUTATION:
        return from_int64(_shuffled_inside_out(generator, n), dtype)
    picks = generator.engine.words(n - 1).astype(np.int64)
    picks %= np.arange(n, 1, -1)
    picks += np.arange(n - 1)
    shuffle = _swapped if n < _LOOP_BELOW else _resolved
    return from_int64(shuffle(picks, n), dtype)


def _check_permutation(n: int, dtype: np.dtype) -> None:
    check(n >= 0, "randperm: n must not be negative, but got {}", n)
    if dtype == bfloat16:
        most = _I64_MAX  # PyTorch does not check it
    elif dtype in DIGITS:
        most = (1 << DIGITS[dtype]) + 1
    elif dtype.kind == "i" or dtype == np.uint8:
        most = int(np.iinfo(dtype).max) + 1
    else:
        raise NotImplementedError(f"randperm is not implemented for {dtype}")
    check(n <= most, "randperm: n cannot be greater than {} for {}, but got {}", most, dtype, n)


def _swapped(picks: np.ndarray, n: int) -> np.ndarray:
    out = list(range(n))
    for i, k in enumerate(picks.tolist()):
        out[i], out[k] = out[k], out[i]
    return np.array(out)


def _resolved(picks: np.ndarray, n: int) -> np.ndarray:
    """Fisher-Yates from the front, without a loop over the swaps.

    Step i exchanges places i and picks[i] >= i, so what place i holds by then was put there by the
    last earlier step that picked i, which moved there what its own place held, and so on: a chain
    that is followed for all i at once, by doubling.
    """
    picks = np.append(picks, n - 1)
    steps = np.arange(n)
    held = steps.copy()
    moved = picks != steps
    held[picks[moved]] = steps[moved]  # of several, the last one stays
    while True:
        further = held[held]
        if np.array_equal(further, held):
            break
        held = further
    bits = n.bit_length()
    order = np.sort(picks << bits | steps)
    place, step = order >> bits, order & ((1 << bits) - 1)
    again = place[1:] == place[:-1]
    out = picks.copy()
    out[step[1:][again]] = held[step[:-1][again]]
    return out


def _shuffled_inside_out(generator: Generator, n: int) -> np.ndarray:
    out = np.arange(n)
    for start in range(0, n, BLOCK):
        places = np.arange(start, min(start + BLOCK, n), dtype=np.uint64)
        picks = generator.engine.wide(places.size) % (places + np.uint64(1))
        for i, k in enumerate(picks.tolist(), start):
            out[i], out[k] = out[k], i
    return out
