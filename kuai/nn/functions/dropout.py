"""Dropout and its relatives (``torch.nn.functional``)."""

from __future__ import annotations

from collections.abc import Callable

from ...errors import warn
from ...ops import dropout as ops
from ...ops.conversion import assign
from ...tensor import Tensor


def _apply(drop: Callable, input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    made = drop(input, p, training)
    return assign(input, made, f"{drop.__name__}_") if inplace and made is not input else made


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero elements with probability p and scale the others by 1 / (1 - p); nothing, if not training.

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0); torch.nn.functional.dropout(torch.ones(4))
    tensor([0., 0., 2., 0.])
    """
    return _apply(ops.dropout, input, p, training, inplace)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout for `selu`: what is dropped takes SELU's lowest value, and mean and variance are kept.

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0); torch.nn.functional.alpha_dropout(torch.zeros(4), training=True)
    tensor([-0.7792, -0.7792,  0.7792, -0.7792])
    """
    return _apply(ops.alpha_dropout, input, p, training, inplace)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """`alpha_dropout` of whole channels, the second dimension.

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0); torch.nn.functional.feature_alpha_dropout(torch.zeros(1, 3, 2), training=True)
    tensor([[[-0.7792, -0.7792],
             [-0.7792, -0.7792],
             [ 0.7792,  0.7792]]])
    """
    return _apply(ops.feature_alpha_dropout, input, p, training, inplace)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of (N, C, L) or (C, L) with probability p.

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0); torch.nn.functional.dropout1d(torch.ones(3, 2))
    tensor([[0., 0.],
            [0., 0.],
            [2., 2.]])
    """
    if input.ndim not in (2, 3):
        raise RuntimeError(f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input: channels are dropped "
                           "along 1 spatial dimension, with or without a batch dimension")  # fmt: skip
    return _channels(input, 3, p, training, inplace)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of (N, C, H, W) with probability p.

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0); torch.nn.functional.dropout2d(torch.ones(1, 3, 1, 2))
    tensor([[[[0., 0.]],
             [[0., 0.]],
             [[2., 2.]]]])
    """
    _warn_of_rank("dropout2d", input, (3, 4))
    if input.ndim == 3:
        warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is desired: "
            "it is read as (N, C, L). Please use dropout1d for that."
        )
    return _apply(ops.feature_dropout, input, p, training, inplace)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of (N, C, D, H, W) or (C, D, H, W) with probability p.

    >>> import kuai as torch
    >>> torch.nn.functional.dropout3d(torch.ones(1, 2, 1, 1, 1), training=False).sum()
    tensor(2.)
    """
    _warn_of_rank("dropout3d", input, (4, 5))
    return _channels(input, 5, p, training, inplace)


def _channels(input: Tensor, batched: int, p: float, training: bool, inplace: bool) -> Tensor:
    """Dropout of channels; an input without a batch is a batch of one."""
    if input.ndim == batched:
        return _apply(ops.feature_dropout, input, p, training, inplace)
    made = ops.feature_dropout(input.unsqueeze(0), p, training).squeeze(0)
    return assign(input, made, "feature_dropout_") if inplace else made


def _warn_of_rank(name: str, input: Tensor, ranks: tuple[int, int]) -> None:
    if input.ndim not in ranks:
        warn(
            f"{name}: Received a {input.ndim}-D input to {name}, which is deprecated and will result in an error in a "
            "future release. To retain the behavior and silence this warning, please use dropout instead."
        )
