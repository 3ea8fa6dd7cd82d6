"""What all draws share: the lock, the blocks, uniform fractions, and casts as C++ makes them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from .generator import Generator, default_generator

bfloat16 = np.dtype(ml_dtypes.bfloat16)
F2, F4, F8 = np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)
LARGEST = {bfloat16: float.fromhex("0x1.fep127"), F2: 65504.0, F4: float(np.finfo(F4).max), F8: float(np.finfo(F8).max)}
DIGITS = {bfloat16: 8, F2: 11, F4: 24, F8: 53}  # of the significand
_LOW24 = np.array(0xFFFFFF, np.uint32)
BLOCK = 1 << 16  # numbers made at once, so that the steps stay in the cache


def draw(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Choose the generator and hold its lock for the whole draw."""

    @functools.wraps(function)
    def locked(generator: Generator | None, *args: Any, **kwargs: Any) -> np.ndarray:
        generator = default_generator if generator is None else generator
        with generator.lock, np.errstate(all="ignore"):  # what overflows becomes inf, as in PyTorch
            return function(generator, *args, **kwargs)

    return locked


def check(holds: bool, message: str, *values: object) -> None:
    """RuntimeError unless it holds; the message is put together only then."""
    if not holds:
        raise RuntimeError(message.format(*values))


def check_floating(name: str, dtype: np.dtype, n: int = 1) -> None:
    """PyTorch does not look at the dtype where nothing (n = 0) is drawn."""
    if n and dtype not in DIGITS:
        raise NotImplementedError(f"{name} is not implemented for {dtype}; it needs a floating-point dtype")


def by_blocks(n: int, dtype: np.dtype, block: Callable[[int], np.ndarray]) -> np.ndarray:
    if n <= BLOCK:
        return block(n).astype(dtype, copy=False)
    out = np.empty(n, dtype)
    for start in range(0, n, BLOCK):
        part = out[start : start + BLOCK]
        part[...] = block(part.size)
    return out


def bits24(generator: Generator, n: int) -> np.ndarray:
    """24 bits of one word, as int32."""
    words = generator.engine.words(n)
    words &= _LOW24
    return words.view(np.int32)


def unit24(generator: Generator, n: int) -> np.ndarray:
    """float32 in [0, 1): 24 bits of one word."""
    out = bits24(generator, n).astype(np.float32)
    out *= np.float32(2.0**-24)
    return out


def unit53(generator: Generator, n: int) -> np.ndarray:
    """float64 in [0, 1): 53 bits of two words."""
    wide = generator.engine.wide(n)
    wide &= np.uint64((1 << 53) - 1)
    out = wide.astype(np.float64)
    out *= 2.0**-53
    return out


def rounded(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """To the dtype as C++ casts: halves by way of float32, integers by way of int64."""
    if dtype in (F2, bfloat16):
        values = values.astype(np.float32)
    elif dtype.kind in "iu":
        values = values.astype(np.int64)
    return values.astype(dtype, copy=False)


def from_int64(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype in (F2, bfloat16):
        values = values.astype(np.float32)
    return values.astype(dtype, copy=False)
