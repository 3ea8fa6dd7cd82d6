"""Dropout: a mask drawn on the host enters the program as an input, and one op applies it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import sqrt

import numpy as np

from .. import dtypes
from .. import random as chance
from ..engine.program import Op
from ..tensor import Tensor
from . import rules
from .arithmetic import add
from .comparison import where
from .define import op
from .random import draw, laid_out

SATURATION = 1.7580993408473766  # minus what SELU comes to far to the left


def _mask_rule(op: Op, avals: Sequence) -> tuple:
    x, mask, *numbers = avals
    if x.dtype.category < 2:
        raise RuntimeError(f"{op.name}: result type Float can't be cast to the desired output type {rules._cname(x.dtype)}")
    return x, (x.dtype, dtypes.bool_, *[x.dtype] * len(numbers))


@op(shape=_mask_rule, name="dropout", grad_name="MulBackward0",
    vjp=(lambda g, mask, scale: _masked(g, mask, scale), None, None))  # fmt: skip
def _masked(xp, x, mask, scale):
    return x * (mask * scale)


@op(shape=_mask_rule, name="alpha_dropout", grad_name="AddBackward0", cost=3.0,
    vjp=(lambda g, mask, scale: _masked(g, mask, scale), None, None, None, None))  # fmt: skip
def _alpha_masked(xp, x, mask, scale, drop, shift):
    kept = mask * scale
    return x * kept + ((mask * 1.0 - 1.0) * drop + shift)


def _check_probability(p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _idle(input: Tensor, p: float, train: bool) -> bool:
    _check_probability(p)
    if not isinstance(input, Tensor):
        raise TypeError(f"dropout(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    return not train or p == 0 or input._value.aval.size == 0


@lru_cache(maxsize=256)
def _scale(keep: float, d: dtypes.dtype) -> float:
    """1 / keep, rounded as PyTorch rounds it."""
    work = np.float64 if d.name == "float64" else np.float32
    return float((work(1) / work(keep)).astype(d.numpy))


def _mask(x: Tensor, keep: float, features: bool) -> Tensor:
    """Which elements are kept, or which channels: the second dimension of each sample."""

    def made(shape: tuple, _: bool) -> Tensor:
        return draw("bernoulli", shape, dtypes.bool_, x.device, None, keep, 0.0, lambda g, n: chance.streams.bernoulli(g, n, keep))

    if not features:
        return laid_out(x, made, x._storage is None or x.is_contiguous())
    if x.ndim < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return made((*x.shape[:2], *[1] * (x.ndim - 2)), True)


def _dropped(input: Tensor, p: float, train: bool, features: bool) -> Tensor:
    if _idle(input, p, train):
        return input
    if p == 1:
        return input * 0.0
    return _masked(input, _mask(input, 1 - p, features), _scale(1 - p, input.dtype))


def _alpha_dropped(input: Tensor, p: float, train: bool, features: bool) -> Tensor:
    if _idle(input, p, train):
        return input
    if p == 1:
        return input * 0.0
    scale = 1 / sqrt((SATURATION * SATURATION * p + 1) * (1 - p))
    drop, mask = SATURATION * scale, _mask(input, 1 - p, features)
    if input.dtype.itemsize == 2:
        return _alpha_masked_in_steps(input, mask, scale, drop, drop * p)
    return _alpha_masked(input, mask, scale, drop, drop * p)


def _alpha_masked_in_steps(input: Tensor, mask: Tensor, scale: float, drop: float, shift: float) -> Tensor:
    """For halves PyTorch rounds after every step."""
    half, kept, dropped = input.dtype.numpy.type, 0.0, -1.0
    kept, dropped = (float(half(half(np.float32(v) * np.float32(drop)) + np.float32(shift))) for v in (kept, dropped))
    return add(_masked(input, mask, float(half(scale))), where(mask, kept, dropped).to(input.dtype))


def dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Zero elements with probability p and scale the others by 1 / (1 - p) (``torch.dropout``).

    >>> import kuai as torch
    >>> from kuai.ops.dropout import dropout
    >>> _ = torch.manual_seed(0); dropout(torch.ones(4), 0.5, train=True)
    tensor([0., 0., 2., 0.])
    """
    return _dropped(input, p, train, False)


def feature_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """`dropout` of whole channels, the second dimension (``torch.feature_dropout``).

    >>> import kuai as torch
    >>> torch.feature_dropout(torch.ones(1, 2), 0.5, False)
    tensor([[1., 1.]])
    """
    return _dropped(input, p, train, True)


def alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Dropout that keeps mean and variance of what SELU gives (``torch.alpha_dropout``).

    >>> import kuai as torch
    >>> torch.alpha_dropout(torch.ones(2), 0.5, False)
    tensor([1., 1.])
    """
    return _alpha_dropped(input, p, train, False)


def feature_alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """`alpha_dropout` of whole channels (``torch.feature_alpha_dropout``).

    >>> import kuai as torch
    >>> torch.feature_alpha_dropout(torch.ones(1, 2), 0.5, False)
    tensor([[1., 1.]])
    """
    return _alpha_dropped(input, p, train, True)
