"""Initial values (``torch.nn.init``). With the same seed they are PyTorch's, to the bit."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from ..autograd.modes import no_grad
from ..devices import placement
from ..ops.comparison import where
from ..ops.random import randperm
from ..ops.ranges import eye as identity_matrix
from ..random import Generator
from ..tensor import from_array
from ..wont import refusing
from .parameter import UninitializedTensorMixin

_UNIT_GAIN = ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "sigmoid")
_GAINS = {**dict.fromkeys(_UNIT_GAIN, 1), "tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """What an initialization is multiplied by before an activation, so that the variance stays.

    >>> from kuai.nn import init
    >>> init.calculate_gain("leaky_relu", 0.2)
    1.3867504905630728
    """
    if nonlinearity in _GAINS:
        return _GAINS[nonlinearity]
    if nonlinearity != "leaky_relu":
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    slope = 0.01 if param is None else param
    if isinstance(slope, bool) or not isinstance(slope, (int, float)):
        raise ValueError(f"negative_slope {slope} not a valid number")
    return math.sqrt(2.0 / (1 + slope**2))


# ---- one distribution ------------------------------------------------------------------------------------------------


def _fills(function: Callable) -> Callable:
    """Mark a function that fills a tensor: one without a shape is refused by ValueError, though who reads a shape gets RuntimeError."""

    @wraps(function)
    def filling(tensor: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(tensor, UninitializedTensorMixin):
            tensor._value  # noqa: B018 (raises)
        return function(tensor, *args, **kwargs)

    return filling


@_fills
def uniform_(tensor: Any, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Any:
    """Uniform draws from [a, b).

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.nn.init.uniform_(torch.empty(2), -1, 1)
    tensor([-0.0075,  0.5364])
    """
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


@_fills
def normal_(tensor: Any, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Any:
    """Normal draws.

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.nn.init.normal_(torch.empty(2), std=0.01)
    tensor([ 0.0154, -0.0029])
    """
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


@_fills
def trunc_normal_(tensor: Any, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0,
                  generator: Generator | None = None) -> Any:  # fmt: skip
    """Normal draws, each drawn again until it is in [a, b].

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.nn.init.trunc_normal_(torch.empty(3), std=0.02)
    tensor([ 0.0308, -0.0059, -0.0436])
    """
    if tensor.device.type == "meta":
        return tensor
    if not a - 2 * std <= mean <= b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be incorrect.",
            stacklevel=2,
        )
    inside = _normal_cdf((b - mean) / std) - _normal_cdf((a - mean) / std)
    with no_grad():
        if inside > 0.3:
            return _redraw_normal(tensor, mean, std, a, b, generator)
        return _redraw_uniform(tensor, mean, std, a, b, generator)


def _normal_cdf(x: float) -> float:
    return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0


def _redraw_normal(tensor: Any, mean: float, std: float, a: float, b: float, generator: Generator | None) -> Any:
    """Where most draws are inside: draw all again as long as some are outside, and take what is needed."""
    low, high = (tensor.new_tensor(bound, device="cpu").item() for bound in (a, b))
    tensor.normal_(mean, std, generator=generator)
    while True:
        outside = (tensor < low) | (tensor > high)
        if not outside.any():
            return tensor
        tensor.copy_(where(outside, tensor.new_empty(tensor.shape).normal_(mean, std, generator=generator), tensor))


def _redraw_uniform(tensor: Any, mean: float, std: float, a: float, b: float, generator: Generator | None) -> Any:
    """Where few would be inside: uniform draws, accepted as often as the density is high."""
    mode = max(a, min(mean, b))
    log_peak = -0.5 * ((mode - mean) / std) ** 2
    waiting = None
    while waiting is None or waiting.any():
        drawn = tensor.new_empty(tensor.shape).uniform_(a, b, generator=generator)
        tensor.copy_(drawn if waiting is None else where(waiting, drawn, tensor))
        log_density = ((drawn - mean) / std).pow(2) * -0.5 - log_peak
        refused = tensor.new_empty(tensor.shape).uniform_(generator=generator).log() > log_density
        waiting = refused if waiting is None else waiting & refused
    return tensor


@_fills
def constant_(tensor: Any, val: float) -> Any:
    """One value everywhere.

    >>> import kuai as torch
    >>> torch.nn.init.constant_(torch.empty(2), 0.3)
    tensor([0.3000, 0.3000])
    """
    with no_grad():
        return tensor.fill_(val)


@_fills
def ones_(tensor: Any) -> Any:
    """Ones.

    >>> import kuai as torch
    >>> torch.nn.init.ones_(torch.empty(2))
    tensor([1., 1.])
    """
    return constant_(tensor, 1.0)


@_fills
def zeros_(tensor: Any) -> Any:
    """Zeros.

    >>> import kuai as torch
    >>> torch.nn.init.zeros_(torch.empty(2))
    tensor([0., 0.])
    """
    return constant_(tensor, 0.0)


# ---- matrices that keep what goes through ----------------------------------------------------------------------------


@_fills
def eye_(tensor: Any) -> Any:
    """The identity matrix.

    >>> import kuai as torch
    >>> torch.nn.init.eye_(torch.empty(2, 3))
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    _need_matrix(tensor)
    with no_grad():
        return tensor.copy_(identity_matrix(*tensor.shape, dtype=tensor.dtype, device=tensor.device))


def _need_matrix(tensor: Any) -> None:
    if tensor.ndim != 2:
        raise ValueError(f"Only tensors with 2 dimensions are supported, got shape {list(tensor.shape)}")


@_fills
def dirac_(tensor: Any, groups: int = 1) -> Any:
    """The kernel of a convolution that hands its input on, as far as there are channels.

    >>> import kuai as torch
    >>> torch.nn.init.dirac_(torch.empty(1, 1, 3))
    tensor([[[0., 1., 0.]]])
    """
    shape = tuple(tensor.shape)
    if len(shape) not in (3, 4, 5):
        raise ValueError(f"Only tensors with 3, 4, or 5 dimensions are supported, got shape {list(shape)}")
    if shape[0] % groups:
        raise ValueError(f"dim 0 must be divisible by groups, got {shape[0]} and {groups}")
    values = np.zeros(shape, np.float32)
    per_group = shape[0] // groups
    middle = tuple(n // 2 for n in shape[2:])
    for out in range(shape[0]):
        if out % per_group < shape[1]:
            values[(out, out % per_group, *middle)] = 1
    return _fill_from(tensor, values)


def _fill_from(tensor: Any, values: np.ndarray) -> Any:
    with no_grad():
        return tensor.copy_(from_array(values, placement("cpu")))


@_fills
def orthogonal_(tensor: Any, gain: float = 1, generator: Generator | None = None) -> Any:
    """A matrix with orthogonal rows or columns, whichever are fewer (Saxe et al., 2013).

    >>> import kuai as torch
    >>> w = torch.nn.init.orthogonal_(torch.empty(3, 5))
    >>> torch.allclose(w @ w.T, torch.eye(3), atol=1e-5)
    True
    """
    if tensor.ndim < 2:
        raise ValueError(f"Only tensors with 2 or more dimensions are supported, got shape {list(tensor.shape)}")
    if tensor.numel() == 0 or tensor.device.type == "meta":
        return tensor
    rows, columns = tensor.shape[0], tensor.numel() // tensor.shape[0]
    drawn = tensor.new_empty((rows, columns)).normal_(generator=generator)._array()
    q, r = np.linalg.qr(drawn.T if rows < columns else drawn)
    q = q * np.sign(np.diagonal(r))  # then the distribution is uniform among orthogonal matrices
    q = (q.T if rows < columns else q) * drawn.dtype.type(gain)
    return _fill_from(tensor, np.ascontiguousarray(q).reshape(tensor.shape))


@_fills
def sparse_(tensor: Any, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Any:
    """Normal draws, with a share of each column set to zero (Martens, 2010).

    >>> import kuai as torch
    >>> w = torch.nn.init.sparse_(torch.empty(4, 2), sparsity=0.5)
    >>> (w == 0).sum(dim=0)
    tensor([2, 2])
    """
    _need_matrix(tensor)
    rows, columns = tensor.shape
    if not isinstance(sparsity, (int, float)):
        raise TypeError(f"sparse_: sparsity must be a number from 0 to 1, not {type(sparsity).__name__}")
    zeros = math.ceil(sparsity * rows)
    normal_(tensor, 0, std, generator)
    values = tensor.detach()._array().copy()
    for column in range(columns):
        values[randperm(rows)._array()[:zeros], column] = 0
    return _fill_from(tensor, values)


# ---- by the number of inputs and outputs -----------------------------------------------------------------------------


def _calculate_fan_in_and_fan_out(tensor: Any) -> tuple[int, int]:
    """How many inputs an output of a weight has, and how many outputs an input."""
    if tensor.ndim < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    window = math.prod(tensor.shape[2:])
    return tensor.shape[1] * window, tensor.shape[0] * window


def _calculate_correct_fan(tensor: Any, mode: str) -> int:
    modes = ("fan_in", "fan_out")
    if mode.lower() not in modes:
        raise ValueError(f"Mode {mode.lower()} not supported, please use one of {list(modes)}")
    return _calculate_fan_in_and_fan_out(tensor)[modes.index(mode.lower())]


def _xavier_std(tensor: Any, gain: float) -> float:
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return gain * math.sqrt(2.0 / float(fan_in + fan_out))


@_fills
def xavier_uniform_(tensor: Any, gain: float = 1.0, generator: Generator | None = None) -> Any:
    """Uniform draws with variance 2 / (inputs + outputs), for tanh and the like (Glorot & Bengio, 2010).

    >>> import kuai as torch
    >>> w = torch.nn.init.xavier_uniform_(torch.empty(3, 5))
    >>> w.shape
    torch.Size([3, 5])
    """
    bound = math.sqrt(3.0) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


@_fills
def xavier_normal_(tensor: Any, gain: float = 1.0, generator: Generator | None = None) -> Any:
    """Normal draws with variance 2 / (inputs + outputs).

    >>> import kuai as torch
    >>> torch.nn.init.xavier_normal_(torch.empty(3, 5)).shape
    torch.Size([3, 5])
    """
    return normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)


def _kaiming_std(tensor: Any, a: float, mode: str, nonlinearity: str) -> float | None:
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return None
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


@_fills
def kaiming_uniform_(tensor: Any, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
                     generator: Generator | None = None) -> Any:  # fmt: skip
    """Uniform draws with variance gain² / inputs, for ReLU and the like (He et al., 2015).

    >>> import kuai as torch
    >>> w = torch.nn.init.kaiming_uniform_(torch.empty(3, 6), nonlinearity="relu")
    >>> bool(w.abs().max() <= 1)
    True
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    if std is None:
        return tensor
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


@_fills
def kaiming_normal_(tensor: Any, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
                    generator: Generator | None = None) -> Any:  # fmt: skip
    """Normal draws with variance gain² / inputs.

    >>> import kuai as torch
    >>> torch.nn.init.kaiming_normal_(torch.empty(3, 5), nonlinearity="relu").shape
    torch.Size([3, 5])
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    return tensor if std is None else normal_(tensor, 0, std, generator)


# ---- old names -------------------------------------------------------------------------------------------------------


def _deprecated(function: Callable) -> Callable:
    new, old = function.__name__, function.__name__[:-1]

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.", FutureWarning, stacklevel=2)
        return function(*args, **kwargs)

    call.__name__ = call.__qualname__ = old
    call.__doc__ = f"The old name of `{new}` (``torch.nn.init.{old}``), which warns: a FutureWarning."
    return call


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)

__getattr__ = refusing(__name__)
