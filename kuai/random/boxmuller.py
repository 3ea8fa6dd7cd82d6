"""Normals as PyTorch's vectorised CPU kernel makes them: Box-Muller in blocks of 16 values.

Of 16 uniforms the first eight give the radius, the last eight the angle; the cosines go first, the
sines last. In float32 the logarithm, sine and cosine are the single-precision polynomials of cephes
(Moshier), with the fused multiply-adds that PyTorch's build has.

A fused multiply-add is done here in float64 and rounded to float32, without a look at double
rounding: radius and angle have 2**24 possible arguments each, and for every one of them the outcome
is that of exact fused multiply-adds.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from .arithmetic import fma32, fma64, libm
from .mt19937 import Engine

_PAIRS = 1 << 14  # pairs worked on at once: the buffers stay in a core's cache
_PAIRS_THREADED = 1 << 16  # longer NumPy calls, so that threads seldom queue for the interpreter
_THREADS = 2  # more of them only queue
_TASK = 1 << 18  # values handed to a thread at once


def _constants(kind: type, *values: float) -> tuple[np.ndarray, ...]:
    """Arrays without dimensions: NumPy takes them as operands twice as fast as it takes scalars."""
    return tuple(np.array(value, kind) for value in values)


def _coefficients(*values: float) -> tuple[np.ndarray, ...]:
    """Of a polynomial, from the highest power: float32 values, held as float64."""
    return _constants(np.float64, *(float(np.float32(value)) for value in values))


_LOG = _coefficients(
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip
_SIN = _coefficients(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_COS = _coefficients(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
_LOW24, _SIGN = np.array(0xFFFFFF, np.uint32), np.array(-(1 << 31), np.int32)
_SQRT_HALF_BITS, _TWO_24 = _constants(np.int32, 0x3F3504F3, 1 << 24)
_1, _2, _MINUS_2, _23, _24, _29, _30, _31 = _constants(np.int32, 1, 2, -2, 23, 24, 29, 30, 31)
_ZERO_F4, _ONE_F4, _MINUS_HALF_F4, _MINUS_TWO_F4 = _constants(np.float32, 0, 1, -0.5, -2)
_HALF = np.array(0.5)
_LN2_LOW, _LN2_HIGH = np.array(-2.12194440e-4, np.float32), np.array(0.693359375)
_QUARTER_PI = _constants(np.float32, -0.78515625, -2.4187564849853515625e-4)
_QUARTER_PI_LOW = np.array(float(np.float32(-3.77489497744594108e-8)))
_FOUR_OVER_PI = np.array(1.27323954473516, np.float32)
_TURN = np.array(np.float32(2 * math.pi) * np.float32(2.0**-24))


class _Workspace:
    """Buffers for up to `size` pairs, and the steps of the kernel on them."""

    def __init__(self, size: int) -> None:
        self.f8 = np.empty((2, size))
        self.f4 = np.empty((6, size), np.float32)
        self.i4 = np.empty((2, size), np.int32)

    @staticmethod
    def _horner(y: np.ndarray, x: np.ndarray, c: tuple[float, ...], y4: np.ndarray) -> None:
        """y4 = the polynomial c at x, every step a fused multiply-add; y is scratch."""
        np.multiply(x, c[0], out=y)
        np.add(y, c[1], out=y)
        y4[...] = y
        for value in c[2:]:
            y[...] = y4
            np.multiply(y, x, out=y)
            np.add(y, value, out=y)
            y4[...] = y

    def radius(self, words: np.ndarray) -> np.ndarray:
        """sqrt(-2 log u1) for u1 = 1 - (word mod 2**24) / 2**24."""
        n = words.size
        (x8, y8), (x, y, z, e) = self.f8[:, :n], self.f4[:4, :n]
        bits, k = self.i4[:, :n]
        np.bitwise_and(words, _LOW24, out=bits.view(np.uint32))
        np.subtract(_TWO_24, bits, out=bits)
        x[...] = bits
        # u1 * 2**24 = m * 2**k with m in [sqrt(1/2), sqrt(2))
        np.subtract(x.view(np.int32), _SQRT_HALF_BITS, out=k)
        np.right_shift(k, _23, out=k)
        np.left_shift(k, _23, out=bits)
        np.subtract(x.view(np.int32), bits, out=x.view(np.int32))
        np.subtract(x, _ONE_F4, out=x)
        np.subtract(k, _24, out=k)
        e[...] = k
        x8[...] = x
        np.multiply(x, x, out=z)
        self._horner(y8, x8, _LOG, y)
        np.multiply(y, x, out=y)
        np.multiply(e, _LN2_LOW, out=e)
        x8[...] = z
        y8[...] = y
        np.multiply(y8, x8, out=y8)
        x8[...] = e
        np.add(y8, x8, out=y8)
        y[...] = y8
        y8[...] = y
        np.multiply(z, _MINUS_HALF_F4, out=z)
        x8[...] = z
        np.add(y8, x8, out=y8)
        y[...] = y8
        np.add(x, y, out=x)
        y8[...] = x
        np.multiply(k, _LN2_HIGH, out=x8)
        np.add(y8, x8, out=y8)
        x[...] = y8
        np.multiply(x, _MINUS_TWO_F4, out=x)
        np.sqrt(x, out=x)
        return x

    def angle(self, words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """cos and sin of 2 pi u2 for u2 = (word mod 2**24) / 2**24."""
        n = words.size
        (z8, y8), (x, z, c, s, t) = self.f8[:, :n], self.f4[1:6, :n]
        j, k = self.i4[:, :n]
        np.bitwise_and(words, _LOW24, out=j.view(np.uint32))
        x[...] = j
        np.multiply(x, _TURN, out=x)
        np.multiply(x, _FOUR_OVER_PI, out=t)
        j[...] = t
        np.add(j, _1, out=j)
        np.bitwise_and(j, _MINUS_2, out=j)
        t[...] = j
        for part in _QUARTER_PI:  # these products are exact
            np.multiply(t, part, out=z)
            np.add(x, z, out=x)
        np.multiply(j, _QUARTER_PI_LOW, out=y8)
        z8[...] = x
        np.add(y8, z8, out=y8)
        x[...] = y8
        np.multiply(x, x, out=z)
        z8[...] = z
        self._horner(y8, z8, _COS, c)
        np.multiply(c, z, out=c)
        y8[...] = c
        np.subtract(y8, _HALF, out=y8)  # c*z - z/2 = (c - 1/2)*z
        np.multiply(y8, z8, out=y8)
        c[...] = y8
        np.add(c, _ONE_F4, out=c)
        self._horner(y8, z8, _SIN, s)
        np.multiply(s, z, out=s)
        y8[...] = s
        z8[...] = x
        np.multiply(y8, z8, out=y8)
        np.add(y8, z8, out=y8)
        s[...] = y8
        self._quadrant(c.view(np.int32), s.view(np.int32), j, k, t.view(np.int32))
        return c, s

    def _quadrant(self, c: np.ndarray, s: np.ndarray, j: np.ndarray, k: np.ndarray, t: np.ndarray) -> None:
        """Swap and negate, by the octant pair j: bit 1 swaps, bit 2 negates the sine."""
        np.left_shift(j, _30, out=k)
        np.right_shift(k, _31, out=k)  # all ones where bit 1 of j is set
        np.bitwise_xor(c, s, out=t)
        np.bitwise_and(t, k, out=t)
        np.bitwise_xor(c, t, out=c)
        np.bitwise_xor(s, t, out=s)
        np.left_shift(j, _29, out=k)
        np.bitwise_and(k, _SIGN, out=k)
        np.bitwise_xor(s, k, out=s)
        np.add(j, _2, out=j)  # the cosine is negative where bit 2 of j + 2 is set
        np.left_shift(j, _29, out=k)
        np.bitwise_and(k, _SIGN, out=k)
        np.bitwise_xor(c, k, out=c)

    def pairs(self, words: np.ndarray, out: np.ndarray) -> None:
        """Standard normals from words; both have the shape (blocks, 2, 8)."""
        blocks = words.shape[0]
        radius = self.radius(words[:, 0].reshape(-1))
        c, s = self.angle(words[:, 1].reshape(-1))
        np.multiply(c, radius, out=c)
        np.multiply(s, radius, out=s)
        out[:, 0] = c.reshape(blocks, 8)
        out[:, 1] = s.reshape(blocks, 8)


def _scale32(out: np.ndarray, mean: float, std: float) -> None:
    if mean == 0.0:
        if std != 1.0:
            np.multiply(out, np.float32(std), out=out)
        np.add(out, _ZERO_F4, out=out)  # -0 becomes 0, as in a fused multiply-add
    else:
        out[...] = fma32(out, std, mean)


def _fill32(words: np.ndarray, out: np.ndarray, mean: float, std: float, pairs: int = _PAIRS) -> None:
    """out = normals, from as many words; the size is a multiple of 16."""
    work = _Workspace(min(pairs, out.size // 2))
    words, blocks = words.reshape(-1, 2, 8), out.reshape(-1, 2, 8)
    step = pairs // 8
    with np.errstate(all="ignore"):
        for start in range(0, len(blocks), step):
            part = slice(start, start + step)
            work.pairs(words[part], blocks[part])
            _scale32(blocks[part], mean, std)


def _fill32_threaded(engine: Engine, out: np.ndarray, mean: float, std: float) -> None:
    """Words are drawn here, in order, while other threads work on earlier ones."""
    from concurrent.futures import ThreadPoolExecutor

    running: deque = deque()
    with ThreadPoolExecutor(_THREADS, "kuai-normal") as pool:
        for start in range(0, out.size, _TASK):
            part = out[start : start + _TASK]
            words = engine.words(part.size)
            running.append(pool.submit(_fill32, words, part, mean, std, _PAIRS_THREADED))
            if len(running) > 2 * _THREADS:
                running.popleft().result()
        for future in running:
            future.result()


def _fill64(words: np.ndarray, out: np.ndarray, mean: float, std: float) -> None:
    uniform = (words & np.uint64((1 << 53) - 1)).astype(np.float64)
    uniform *= 2.0**-53
    first, last = (
        uniform.reshape(-1, 2, 8)[:, 0].reshape(-1),
        uniform.reshape(-1, 2, 8)[:, 1].reshape(-1),
    )
    radius = np.sqrt(-2.0 * libm(math.log, 1.0 - first))
    angle = (2.0 * math.pi) * last
    blocks = out.reshape(-1, 2, 8)
    for half, function in enumerate((math.cos, math.sin)):
        blocks[:, half] = fma64(radius * libm(function, angle), std, mean).reshape(-1, 8)


def _normal32(engine: Engine, n: int, mean: float, std: float, dropped: int) -> np.ndarray:
    """n normals; for an unfilled last block, `dropped` words are passed over and 16 more fill the
    end again.
    """
    whole = n // 16 * 16
    if whole == n:
        return _whole_blocks(engine, n, mean, std)
    if n > 2 * _TASK:
        out = np.empty(n, np.float32)
        _fill32_threaded(engine, out[:whole], mean, std)
        engine.words(dropped)
        _fill32(engine.words(16), out[n - 16 :], mean, std)
        return out
    words = engine.words(whole + dropped + 16)  # in one go, as a call costs as much as some thousand values
    out = np.empty(whole + 16, np.float32)
    _fill32(np.concatenate([words[:whole], words[whole + dropped :]]), out, mean, std)
    out[n - 16 : n] = out[whole:].copy()
    return out[:n]


def _whole_blocks(engine: Engine, n: int, mean: float, std: float) -> np.ndarray:
    out = np.empty(n, np.float32)
    if n > 2 * _TASK:
        _fill32_threaded(engine, out, mean, std)
    else:
        _fill32(engine.words(n), out, mean, std)
    return out


def _normal64(engine: Engine, n: int, mean: float, std: float) -> np.ndarray:
    whole = n // 16 * 16
    out = np.empty(n, np.float64)
    for start in range(0, whole, _TASK):
        part = out[start : min(start + _TASK, whole)]
        _fill64(engine.wide(part.size), part, mean, std)
    if n > whole:
        engine.words(2 * (n - whole))
        _fill64(engine.wide(16), out[n - 16 :], mean, std)
    return out


def normal_blocks(engine: Engine, n: int, mean: float, std: float, dtype: np.dtype) -> np.ndarray:
    """n >= 16 normals. A last block that is not full is drawn again, whole.

    For float32 and float64 PyTorch draws the uniforms of that block before it draws them again; for
    halves it does not.
    """
    if dtype == np.float64:
        return _normal64(engine, n, mean, std)
    dropped = n % 16 if dtype == np.float32 else 0
    return _normal32(engine, n, mean, std, dropped).astype(dtype, copy=False)
