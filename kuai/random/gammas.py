"""Gamma and Dirichlet draws, bit for bit PyTorch's on the CPU.

G. Marsaglia and W. W. Tsang, "A simple method for generating gamma variables" (2000). A shape below 1 is drawn as the next
higher one, and scaled by a power of a uniform.
"""

from __future__ import annotations

import math

import numpy as np

from .drawing import F8, draw, rounded
from .generator import Generator
from .one_by_one import Uniforms

_SQUEEZE = float(np.float32(0.0331))  # single precision in PyTorch
_THIRD = np.float32(1) / np.float32(3)


@draw
def standard_gamma(generator: Generator, alpha: np.ndarray) -> np.ndarray:
    """A draw for each shape, at the rate 1 (``torch._standard_gamma``), in the shapes' dtype and above 0."""
    return np.maximum(rounded(_gammas(generator, alpha), alpha.dtype), _tiny(alpha.dtype))


@draw
def dirichlet(generator: Generator, alpha: np.ndarray) -> np.ndarray:
    """Fractions along the last axis (``torch._sample_dirichlet``), in the concentrations' dtype, above 0 and below 1."""
    parts = _gammas(generator, alpha.astype(np.float64))
    found = rounded(parts / parts.sum(-1, keepdims=True), alpha.dtype)
    return np.clip(found, _tiny(alpha.dtype), np.nextafter(alpha.dtype.type(1), alpha.dtype.type(0)))


def _tiny(dtype: np.dtype) -> np.generic:
    import ml_dtypes

    return ml_dtypes.finfo(dtype).smallest_normal


def _gammas(generator: Generator, alpha: np.ndarray) -> np.ndarray:
    """In float64, but for the two steps on the shape itself, which are made in its own precision."""
    alpha = alpha if alpha.dtype == F8 else alpha.astype(np.float32)
    low = alpha < 1
    d = np.where(low, alpha + alpha.dtype.type(1), alpha) - _THIRD.astype(alpha.dtype)
    powers = np.where(low, alpha.dtype.type(1) / alpha, 0)
    source = Uniforms(generator)
    found = [_gamma(*given, source) for given in zip(d.ravel().tolist(), powers.ravel().tolist())]
    source.close()
    return np.array(found, np.float64).reshape(alpha.shape)


def _gamma(d: float, power: float, source: Uniforms) -> float:
    if power == math.inf:
        return 0.0
    scale = (1.0 - source.next()) ** power if power else 1.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = source.normal()
        y = 1.0 + c * x
        if y <= 0:
            continue
        v, u, square = y * y * y, 1.0 - source.next(), x * x
        if u < 1.0 - _SQUEEZE * square * square or math.log(u) < 0.5 * square + d * (1.0 - v + math.log(v)):
            return scale * d * v
