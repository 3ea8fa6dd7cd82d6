"""Window functions: weights that fade towards both ends of a signal's piece."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import pi
from typing import Any

import numpy as np

from .. import dtypes
from ..tensor import Tensor
from .creation import tensor

# ---- the weights ---------------------------------------------------------------------------------------------------


def _cosines(k: np.ndarray, n: int, a: Sequence[float]) -> np.ndarray:
    """Sum of cosines with alternating signs, over n - 1 steps."""
    return sum((-1) ** i * w * np.cos(2 * pi * i * k / (n - 1)) for i, w in enumerate(a))


def _triangle(k: np.ndarray, n: int) -> np.ndarray:
    return 1 - np.abs(2 * k / (n - 1) - 1)


def _kaiser(k: np.ndarray, n: int, beta: float) -> np.ndarray:
    return np.i0(beta * np.sqrt(np.maximum(1 - (2 * k / (n - 1) - 1) ** 2, 0))) / np.i0(beta)


def _gaussian(k: np.ndarray, n: int, std: float) -> np.ndarray:
    return np.exp(-(((k - (n - 1) / 2) / std) ** 2) / 2)


def _exponential(k: np.ndarray, n: int, center: float | None, tau: float) -> np.ndarray:
    return np.exp(-np.abs(k - ((n - 1) / 2 if center is None else center)) / tau)


def _sine(k: np.ndarray, n: int) -> np.ndarray:
    return np.sin(pi * (k + 0.5) / n)


HANN, HAMMING, BLACKMAN = (0.5, 0.5), (0.54, 0.46), (0.42, 0.5, 0.08)
NUTTALL = (0.3635819, 0.4891775, 0.1365995, 0.0106411)


def _window(weights: Callable, length: int, symmetric: bool, dtype: object, device: object, requires_grad: bool) -> Tensor:
    """A window's tensor. One that is not symmetric is a period: the symmetric one of one more point, without its last."""
    d = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    if length <= 1:
        made = np.ones(length)
    else:
        made = weights(np.arange(length, dtype=np.float64), length if symmetric else length + 1)
    return tensor(made.astype(d.numpy), device=device, requires_grad=requires_grad)


# ---- torch.hann_window and its like --------------------------------------------------------------------------------


def _periodic(
    name: str, weights: Callable, length: int, periodic: bool, dtype: object, device: object, requires_grad: bool
) -> Tensor:
    if length < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={length}")
    if dtype is not None and dtypes.as_dtype(dtype).category < 2:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {dtype}")
    return _window(weights, length, not periodic, dtype, device, requires_grad)


def hann_window(
    window_length, periodic=True, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
) -> Tensor:
    """Hann's window, a raised cosine (``torch.hann_window``).

    >>> import kuai as torch
    >>> torch.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _periodic("hann_window", partial(_cosines, a=HANN), window_length, periodic, dtype, device, requires_grad)


def hamming_window(window_length, periodic=True, alpha=0.54, beta=0.46, *, dtype=None, layout=None, device=None,
                   pin_memory=False, requires_grad=False) -> Tensor:  # fmt: skip
    """Hamming's window, a raised cosine that does not reach zero (``torch.hamming_window``).

    >>> import kuai as torch
    >>> torch.hamming_window(4)
    tensor([0.0800, 0.5400, 1.0000, 0.5400])
    """
    weights = partial(_cosines, a=(alpha, beta))
    return _periodic("hamming_window", weights, window_length, periodic, dtype, device, requires_grad)


def blackman_window(window_length, periodic=True, *, dtype=None, layout=None, device=None, pin_memory=False,
                    requires_grad=False) -> Tensor:  # fmt: skip
    """Blackman's window, of three cosines (``torch.blackman_window``).

    >>> import kuai as torch
    >>> torch.blackman_window(5)[1:3]
    tensor([0.2008, 0.8492])
    """
    return _periodic("blackman_window", partial(_cosines, a=BLACKMAN), window_length, periodic, dtype, device, requires_grad)


def bartlett_window(window_length, periodic=True, *, dtype=None, layout=None, device=None, pin_memory=False,
                    requires_grad=False) -> Tensor:  # fmt: skip
    """Bartlett's window, a triangle (``torch.bartlett_window``).

    >>> import kuai as torch
    >>> torch.bartlett_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _periodic("bartlett_window", _triangle, window_length, periodic, dtype, device, requires_grad)


def kaiser_window(window_length, periodic=True, beta=12.0, *, dtype=None, layout=None, device=None, pin_memory=False,
                  requires_grad=False) -> Tensor:  # fmt: skip
    """Kaiser's window, of Bessel functions; beta is its shape (``torch.kaiser_window``).

    >>> import kuai as torch
    >>> torch.kaiser_window(5, periodic=False, beta=8.0)
    tensor([0.0023, 0.3690, 1.0000, 0.3690, 0.0023])
    """
    return _periodic("kaiser_window", partial(_kaiser, beta=beta), window_length, periodic, dtype, device, requires_grad)


# ---- torch.signal.windows ------------------------------------------------------------------------------------------


def _symmetric(name: str, weights: Callable, length: int, sym: bool, dtype: object, layout: object, device: object,
               requires_grad: bool) -> Tensor:  # fmt: skip
    if layout is not None and str(layout) != "torch.strided":
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    if length < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={length}")
    if dtype not in (None, dtypes.float32, dtypes.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}")
    return _window(weights, length, sym, dtype, device, requires_grad)


def general_cosine(M: int, *, a, sym=True, dtype: Any = None, layout: Any = None, device=None, requires_grad=False) -> Tensor:
    """A sum of cosines with the given weights (``torch.signal.windows.general_cosine``).

    >>> import kuai as torch
    >>> torch.signal.windows.general_cosine(5, a=[0.5, 0.5])
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    a = tuple(a)
    if not a:
        raise ValueError("Coefficients cannot be empty")
    return _symmetric("general_cosine", partial(_cosines, a=a), M, sym, dtype, layout, device, requires_grad)


def general_hamming(M: int, *, alpha=0.54, sym=True, dtype: Any = None, layout: Any = None, device=None, requires_grad=False) -> Tensor:
    """A raised cosine (``torch.signal.windows.general_hamming``).

    >>> import kuai as torch
    >>> torch.signal.windows.general_hamming(3)
    tensor([0.0800, 1.0000, 0.0800])
    """
    return general_cosine(
        M, a=(alpha, 1 - alpha), sym=sym, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad
    )


def hann(M: int, *, sym=True, dtype: Any = None, layout: Any = None, device=None, requires_grad=False) -> Tensor:
    """Hann's window (``torch.signal.windows.hann``).

    >>> import kuai as torch
    >>> torch.signal.windows.hann(3)
    tensor([0., 1., 0.])
    """
    return general_cosine(M, a=HANN, sym=sym, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad)


def hamming(M: int, *, sym=True, dtype: Any = None, layout: Any = None, device=None, requires_grad=False) -> Tensor:
    """Hamming's window (``torch.signal.windows.hamming``).

    >>> import kuai as torch
    >>> torch.signal.windows.hamming(3)
    tensor([0.0800, 1.0000, 0.0800])
    """
    return general_cosine(M, a=HAMMING, sym=sym, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad)


def blackman(M: int, *, sym=True, dtype: Any = None, layout: Any = None, device=None, requires_grad=False) -> Tensor:
    """Blackman's window (``torch.signal.windows.blackman``).

    >>> import kuai as torch
    >>> torch.signal.windows.blackman(5)[2]
    tensor(1.)
    """
    return general_cosine(M, a=BLACKMAN, sym=sym, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad)


def nuttall(M: int, *, sym=True, dtype: Any = None, layout: Any = None, device=None, requires_grad=False) -> Tensor:
    """Nuttall's window, of four cosines (``torch.signal.windows.nuttall``).

    >>> import kuai as torch
    >>> torch.signal.windows.nuttall(5)[2]
    tensor(1.)
    """
    return general_cosine(M, a=NUTTALL, sym=sym, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad)


def bartlett(M: int, *, sym=True, dtype: Any = None, layout: Any = None, device=None, requires_grad=False) -> Tensor:
    """Bartlett's window, a triangle (``torch.signal.windows.bartlett``).

    >>> import kuai as torch
    >>> torch.signal.windows.bartlett(5)
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    return _symmetric("bartlett", _triangle, M, sym, dtype, layout, device, requires_grad)


def cosine(M: int, *, sym=True, dtype: Any = None, layout: Any = None, device=None, requires_grad=False) -> Tensor:
    """Half a period of the sine (``torch.signal.windows.cosine``).

    >>> import kuai as torch
    >>> torch.signal.windows.cosine(3)
    tensor([0.5000, 1.0000, 0.5000])
    """
    return _symmetric("cosine", _sine, M, sym, dtype, layout, device, requires_grad)


def gaussian(M: int, *, std=1.0, sym=True, dtype: Any = None, layout: Any = None, device=None, requires_grad=False) -> Tensor:
    """The normal distribution's bell (``torch.signal.windows.gaussian``).

    >>> import kuai as torch
    >>> torch.signal.windows.gaussian(3)
    tensor([0.6065, 1.0000, 0.6065])
    """
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    return _symmetric("gaussian", partial(_gaussian, std=std), M, sym, dtype, layout, device, requires_grad)


def exponential(M: int, *, center=None, tau=1.0, sym=True, dtype: Any = None, layout: Any = None, device=None,
                requires_grad=False) -> Tensor:  # fmt: skip
    """Falling off exponentially from a center on both sides (``torch.signal.windows.exponential``).

    >>> import kuai as torch
    >>> torch.signal.windows.exponential(3)
    tensor([0.3679, 1.0000, 0.3679])
    """
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")
    return _symmetric(
        "exponential", partial(_exponential, center=center, tau=tau), M, sym, dtype, layout, device, requires_grad
    )


def kaiser(M: int, *, beta=12.0, sym=True, dtype: Any = None, layout: Any = None, device=None, requires_grad=False) -> Tensor:
    """Kaiser's window, of Bessel functions (``torch.signal.windows.kaiser``).

    >>> import kuai as torch
    >>> torch.signal.windows.kaiser(3, beta=8.0)
    tensor([0.0023, 1.0000, 0.0023])
    """
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    return _symmetric("kaiser", partial(_kaiser, beta=beta), M, sym, dtype, layout, device, requires_grad)
