"""PyTorch's draws on the CPU, bit for bit: every function takes a Generator (None: the default one)
and returns an array.

The results are in the order in which PyTorch fills memory; a target that is not contiguous is
filled in the order of its strides. dtypes are NumPy's (with ml_dtypes.bfloat16). Arguments are
checked before anything is drawn.

What may differ from PyTorch 2.13, and why:
- `multinomial` without replacement: the order of equal quotients, which PyTorch's topk leaves open.
  They are absent in float64, rare in float32 (some pairs in a million), common in halves.
  With replacement, and for one sample, all is exact.
- `bernoulli` with one p, and dropout, where a PyTorch build draws them with MKL's own generator
  (VSL). The 2.13 wheel does not, on the Intel machine that was tested.
- `normal` in float32 where PyTorch runs other kernels (Arm, POWER, ATEN_CPU_CAPABILITY=default):
  another logarithm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from .arithmetic import fma64, fma_unit, libm, settle
from .boxmuller import normal_blocks
from .counts import binomial as binomial
from .counts import poisson as poisson
from .drawing import (
    BLOCK,
    DIGITS,
    F8,
    LARGEST,
    bits24,
    by_blocks,
    check,
    check_floating,
    draw,
    rounded,
    unit24,
    unit53,
)
from .gammas import dirichlet as dirichlet
from .gammas import standard_gamma as standard_gamma
from .generator import Generator
from .integers import randint as randint
from .integers import randperm as randperm

_NEAR = 2.0**-48  # bounds the relative error of NumPy's float64 functions, generously
_FEW = 32  # values: below it an estimate costs more than the values themselves


# ---- uniform and normal --------------------------------------------------------------------------


def _check_uniform(lo: float, hi: float, dtype: np.dtype) -> None:
    check_floating("uniform_", dtype)
    limit = LARGEST[dtype]
    check(-limit <= lo <= limit, "uniform_: from is out of bounds for {}: {}", dtype, lo)
    check(-limit <= hi <= limit, "uniform_: to is out of bounds for {}: {}", dtype, hi)
    check(lo <= hi, "uniform_ expects to return a [from, to) range, but found from={} > to={}", lo, hi)
    check(
        hi - lo <= limit,
        "uniform_ expects to-from <= {} (the largest {}), but found to={} and from={}",
        limit, dtype, hi, lo,
    )  # fmt: skip


@draw
def uniform(generator: Generator, n: int, lo: float = 0.0, hi: float = 1.0, dtype: Any = np.float32) -> np.ndarray:
    """n values in [lo, hi) (``Tensor.uniform_``; rand with the bounds left out)."""
    dtype = np.dtype(dtype)
    if dtype == F8:
        _check_uniform(lo, hi, dtype)
        return by_blocks(n, dtype, lambda m: _between(fma64(unit53(generator, m), hi - lo, lo), lo, hi))
    width, start, ends = _spread(lo, hi, dtype)

    def block(m: int) -> np.ndarray:
        values = fma_unit(bits24(generator, m), width, start).astype(dtype, copy=False)
        return _between(values, *ends) if ends else values

    return by_blocks(n, dtype, block)


@lru_cache(64)  # a network asks for few ranges, again and again
def _spread(lo: float, hi: float, dtype: np.dtype) -> tuple[float, float, tuple]:
    """The width and start of a range in float32, and its ends if rounding may bring a value up to the last."""
    _check_uniform(lo, hi, dtype)
    low, high = np.float32(lo), np.float32(hi)
    width, start, ends = float(high - low), float(low), (low.astype(dtype), high.astype(dtype))
    most = np.float32(width * (1 - 2.0**-24) + start).astype(dtype)
    return width, start, ends if most == ends[1] else ()


def _between(values: np.ndarray, lo: Any, hi: Any) -> np.ndarray:
    """A value that rounding brought up to hi becomes lo."""
    values[values == hi] = lo
    return values


@draw
def normal(
    generator: Generator,
    n: int,
    mean: float = 0.0,
    std: float = 1.0,
    dtype: Any = np.float32,
    contiguous: bool = True,
) -> np.ndarray:
    """n normals (``Tensor.normal_``, randn). PyTorch fills 16 or more contiguous values by another
    method than others.
    """
    dtype = np.dtype(dtype)
    check_floating("normal_", dtype, n)
    check(std >= 0.0, "normal expects std >= 0.0, but found std {}", std)
    if n >= 16 and contiguous:
        return normal_blocks(generator.engine, n, mean, std, dtype)
    return _serial_normals(generator, n, mean, std, dtype, log=False)


@draw
def log_normal(generator: Generator, n: int, mean: float = 1.0, std: float = 2.0, dtype: Any = np.float32) -> np.ndarray:
    """n values whose logarithm is normal (``Tensor.log_normal_``)."""
    dtype = np.dtype(dtype)
    check_floating("log_normal_", dtype, n)
    check(std > 0.0, "log_normal_ expects std > 0.0, but found std={}", std)
    return _serial_normals(generator, n, mean, std, dtype, log=True)


def _serial_normals(generator: Generator, n: int, mean: float, std: float, dtype: np.dtype, log: bool) -> np.ndarray:
    """One after the other in float64; the sine of an odd last pair is kept in the generator."""
    out = np.empty(n, dtype)
    first = 0
    if n and generator.next_double_normal is not None:
        kept = np.array([generator.next_double_normal])
        out[:1] = rounded(_scaled_exactly(kept, mean, std, log), dtype)
        generator.next_double_normal, first = None, 1
    for start in range(first, n, BLOCK):
        part = out[start : start + BLOCK]
        part[...] = _serial_block(generator, part.size, mean, std, dtype, log)
    return out


def _serial_block(generator: Generator, n: int, mean: float, std: float, dtype: np.dtype, log: bool) -> np.ndarray:
    pairs = unit53(generator, n + n % 2).reshape(-1, 2)
    angle, negative = (2.0 * math.pi) * pairs[:, 0], -pairs[:, 1]
    if n % 2:
        generator.next_double_normal = _polar(float(angle[-1]), float(negative[-1]))[1]

    def exact(index: np.ndarray) -> np.ndarray:
        pair, odd = index // 2, index % 2 == 1
        trig = np.empty(index.size)
        trig[odd], trig[~odd] = libm(math.sin, angle[pair[odd]]), libm(math.cos, angle[pair[~odd]])
        return _scaled_exactly(np.sqrt(-2.0 * libm(math.log1p, negative[pair])) * trig, mean, std, log)

    if n < _FEW:
        values = np.array([_polar(a, b) for a, b in zip(angle.tolist(), negative.tolist())]).reshape(-1)[:n]
        return rounded(_scaled_exactly(values, mean, std, log), dtype)
    if dtype == F8:
        return exact(np.arange(n))
    radius = np.sqrt(-2.0 * np.log1p(negative))
    estimate = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)[:n] * std + mean
    slack = _NEAR * (np.abs(estimate) + 2 * abs(mean))
    if log:
        estimate, slack = np.exp(estimate), np.exp(estimate) * (slack + _NEAR)
    return _settled(estimate, slack, dtype, exact)


def _polar(angle: float, negative: float) -> tuple[float, float]:
    """A pair of normals, by Box and Muller: the angle is 2 pi u1, and the radius is made from -u2."""
    radius = math.sqrt(-2.0 * math.log1p(negative))
    return radius * math.cos(angle), radius * math.sin(angle)


def _scaled_exactly(values: np.ndarray, mean: float, std: float, log: bool) -> np.ndarray:
    values = fma64(values, std, mean)
    return libm(_exp, values) if log else values


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _settled(
    estimate: np.ndarray,
    slack: np.ndarray,
    dtype: np.dtype,
    exact: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    return settle(estimate, slack, lambda values: rounded(values, dtype), exact)


# ---- yes or no -----------------------------------------------------------------------------------


@draw
def bernoulli(generator: Generator, n: int, p: float = 0.5) -> np.ndarray:
    """n truth values, true with probability p (``Tensor.bernoulli_(p)``): one 53-bit draw each."""
    check(0.0 <= p <= 1.0, "bernoulli_ expects p to be in [0, 1], but got p={}", p)
    bound = math.ceil(p * 2.0**53)
    return by_blocks(n, np.dtype(bool), lambda m: _below(generator.engine.words(2 * m), bound))


def _below(words: np.ndarray, bound: int) -> np.ndarray:
    """Whether the low 53 bits of each pair of words are less than the bound."""
    high = words[0::2] & np.uint32(0x1FFFFF)
    top = np.uint32(bound >> 32)
    out = high < top
    edge = np.nonzero(high == top)[0]
    out[edge] = words[1::2][edge] < np.uint32(bound & 0xFFFFFFFF)
    return out


@draw
def bernoulli_each(generator: Generator, p: np.ndarray) -> np.ndarray:
    """Truth values of p's shape, each with its own probability (``torch.bernoulli(p)``).

    float64 is compared with 53 bits, every other floating-point dtype with 24.
    """
    if p.dtype not in DIGITS:
        raise NotImplementedError(f"bernoulli is not implemented for probabilities of {p.dtype}")
    wide = p.dtype == F8
    p = p if wide else p.astype(np.float32, copy=False)
    check(bool(((p >= 0) & (p <= 1)).all()), "bernoulli expects every p to be in [0, 1]")
    draws = (unit53 if wide else unit24)(generator, p.size)
    return draws.reshape(p.shape) < p


def dropout_noise(generator: Generator | None, n: int, p: float, dtype: Any = np.float32) -> np.ndarray:
    """n factors of dropout: 0 with probability p, else 1/(1-p) rounded to the dtype
    (``nn.functional.dropout``).

    PyTorch draws nothing for p = 0 and p = 1, and neither does this.
    """
    dtype = np.dtype(dtype)
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if p in (0.0, 1.0):
        return np.full(n, 1.0 - p, dtype)
    one = np.float64(1) if dtype == F8 else np.float32(1)
    return bernoulli(generator, n, 1.0 - p) * (one / type(one)(1.0 - p)).astype(dtype)


# ---- by inversion --------------------------------------------------------------------------------


@draw
def exponential(generator: Generator, n: int, lambd: float = 1.0, dtype: Any = np.float32) -> np.ndarray:
    """n waiting times at the rate lambd (``Tensor.exponential_``)."""
    dtype = np.dtype(dtype)
    check(
        dtype in DIGITS or n == 0,
        "Exponential distribution is a continuous probability distribution. "
        "dtype must be a floating point but you specified {}",
        dtype,
    )
    check(lambd > 0.0, "exponential_ expects lambda > 0.0, but found lambda={}", lambd)
    factor = -1.0 / lambd

    def block(m: int) -> np.ndarray:
        x = -unit53(generator, m)
        if dtype == F8:
            return factor * libm(math.log1p, x)
        estimate = factor * np.log1p(x)
        return _settled(estimate, _NEAR * estimate, dtype, lambda i: factor * libm(math.log1p, x[i]))

    return by_blocks(n, dtype, block)


@draw
def cauchy(generator: Generator, n: int, median: float = 0.0, sigma: float = 1.0, dtype: Any = np.float32) -> np.ndarray:
    """n values of the Cauchy distribution (``Tensor.cauchy_``)."""
    dtype = np.dtype(dtype)
    check(
        dtype in DIGITS,
        "Cauchy distribution is a continuous probability distribution. dtype must be a floating point but you specified {}",
        dtype,
    )
    check(sigma > 0.0, "cauchy_ expects sigma > 0.0, but found sigma={}", sigma)

    def block(m: int) -> np.ndarray:
        angle = math.pi * (unit53(generator, m) - 0.5)
        if dtype == F8:
            return fma64(libm(math.tan, angle), sigma, median)
        scaled = np.tan(angle) * sigma
        slack = _NEAR * (np.abs(scaled) + abs(median))
        return _settled(scaled + median, slack, dtype, lambda i: fma64(libm(math.tan, angle[i]), sigma, median))

    return by_blocks(n, dtype, block)


@draw
def geometric(generator: Generator, n: int, p: float, dtype: Any = np.float32) -> np.ndarray:
    """n numbers of trials up to the first success (``Tensor.geometric_``)."""
    dtype = np.dtype(dtype)
    if n and dtype not in DIGITS and dtype.kind != "i" and dtype != np.uint8:
        raise NotImplementedError(f"geometric_ is not implemented for {dtype}")
    check(0.0 < p < 1.0, "geometric_ expects p to be in (0, 1), but got p={}", p)
    scale = math.log1p(-p)

    def block(m: int) -> np.ndarray:
        x = unit53(generator, m)
        estimate = np.log(x) / scale
        trials = settle(estimate, _NEAR * estimate, np.ceil, lambda i: libm(_log, x[i]) / scale)
        return rounded(trials, dtype)

    return by_blocks(n, dtype, block)


def _log(x: float) -> float:
    return math.log(x) if x else -math.inf


# ---- multinomial ---------------------------------------------------------------------------------


@draw
def multinomial(generator: Generator, weights: np.ndarray, num_samples: int, replacement: bool = False) -> np.ndarray:
    """Indices drawn by weight along the last axis: int64 of shape (num_samples,) or (rows,
    num_samples).
    """
    _check_multinomial(weights, num_samples, replacement)
    shape = (*weights.shape[:-1], num_samples)
    if 0 in shape:
        return np.empty(shape, np.int64)
    rows = weights.reshape(-1, weights.shape[-1])
    if replacement and num_samples > 1:
        return _with_replacement(generator, rows, num_samples).reshape(shape)
    return _without_replacement(generator, rows, num_samples).reshape(shape)


def _check_multinomial(weights: np.ndarray, num_samples: int, replacement: bool) -> None:
    check(weights.ndim in (1, 2), "multinomial: prob_dist must be 1 or 2 dim, but got {}", weights.ndim)
    check(
        weights.dtype in DIGITS,
        "multinomial only supports floating-point dtypes for input, got: {}",
        weights.dtype,
    )
    check(num_samples > 0, "multinomial: cannot sample n_sample <= 0 samples, but got {}", num_samples)
    categories = weights.shape[-1]
    check(
        replacement or num_samples <= categories,
        "multinomial: cannot sample n_sample > prob_dist.size(-1) samples without replacement ({} of {}); "
        "pass replacement=True",
        num_samples,
        categories,
    )
    check(
        categories <= 1 << 24,
        "multinomial: number of categories cannot exceed 2^24, but got {}",
        categories,
    )
    if weights.size:
        _check_weights(weights)


def _check_weights(weights: np.ndarray) -> None:
    check(
        bool((np.isfinite(weights) & (weights >= 0)).all()),
        "invalid multinomial distribution: probability tensor contains either `inf`, `nan` or element < 0",
    )
    check(
        bool((weights.astype(np.float64).sum(-1) > 0).all()),
        "invalid multinomial distribution (sum of probabilities <= 0)",
    )


def _with_replacement(generator: Generator, rows: np.ndarray, n: int) -> np.ndarray:
    """The place of a 53-bit draw among the cumulated weights, which are float32 unless the weights
    are float64.
    """
    total = np.cumsum(rows, axis=-1, dtype=np.float64 if rows.dtype == F8 else np.float32)
    total = total / total[:, -1:]
    total[:, -1] = 1
    out = np.empty((len(rows), n), np.int64)
    for i, row in enumerate(total.astype(np.float64, copy=False)):
        out[i] = np.searchsorted(row, unit53(generator, n), side="left")
    return out


def _without_replacement(generator: Generator, rows: np.ndarray, n: int) -> np.ndarray:
    """The largest quotients of weight and exponential draw."""
    waiting = exponential(generator, rows.size, 1.0, rows.dtype).reshape(rows.shape)
    quotient = rows / waiting
    if n == 1:
        return np.argmax(quotient, axis=-1, keepdims=True)
    return np.argsort(-quotient.astype(np.float64), axis=-1, kind="stable")[:, :n]
