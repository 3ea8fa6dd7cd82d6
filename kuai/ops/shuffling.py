"""Rearrangements of channels and pixels; the derivative of each is the one that undoes it."""

from __future__ import annotations

from collections.abc import Sequence

from ..engine.program import Op
from ..tensor import Tensor
from .define import op


def _need(holds: bool, message: str) -> None:
    if not holds:
        raise RuntimeError(message)


def _need_rank(op: Op, shape: Sequence[int]) -> None:
    rank = len(shape)
    _need(rank >= 3, f"{op.name} expects input to have at least 3 dimensions, but got input with {rank} dimension(s)")


def _shuffle_rule(op: Op, avals: Sequence, *, factor: int) -> tuple:
    (x,), r = avals, factor
    _need_rank(op, x.shape)
    _need(r > 0, f"{op.name} expects a positive upscale_factor, but got {r}")
    *batch, c, h, w = x.shape
    _need(c % (r * r) == 0, f"{op.name} expects its input's 'channel' dimension to be divisible by the square of "
                            f"upscale_factor, but input.size(-3)={c} is not divisible by {r * r}")  # fmt: skip
    return x.with_((*batch, c // (r * r), h * r, w * r)), None


def _unshuffle_rule(op: Op, avals: Sequence, *, factor: int) -> tuple:
    (x,), r = avals, factor
    _need_rank(op, x.shape)
    _need(r > 0, f"{op.name} expects a positive downscale_factor, but got {r}")
    *batch, c, h, w = x.shape
    for name, n, dim in (("height", h, -2), ("width", w, -1)):
        _need(n % r == 0, f"{op.name} expects {name} to be divisible by downscale_factor, but input.size({dim})={n} is "
                          f"not divisible by {r}")  # fmt: skip
    return x.with_((*batch, c * r * r, h // r, w // r)), None


@op(shape=_shuffle_rule, vjp=(lambda g, factor: _pixel_unshuffle(g, factor=factor),), name="pixel_shuffle", exact=True)
def _pixel_shuffle(xp, x, *, factor):
    *batch, c, h, w = x.shape
    r, n = factor, len(batch)
    blocks = x.reshape(*batch, c // (r * r), r, r, h, w)
    return blocks.transpose(*range(n), n, n + 3, n + 1, n + 4, n + 2).reshape(*batch, c // (r * r), h * r, w * r)


@op(shape=_unshuffle_rule, vjp=(lambda g, factor: _pixel_shuffle(g, factor=factor),), name="pixel_unshuffle", exact=True)
def _pixel_unshuffle(xp, x, *, factor):
    *batch, c, h, w = x.shape
    r, n = factor, len(batch)
    blocks = x.reshape(*batch, c, h // r, r, w // r, r)
    return blocks.transpose(*range(n), n, n + 2, n + 4, n + 1, n + 3).reshape(*batch, c * r * r, h // r, w // r)


def _channel_rule(op: Op, avals: Sequence, *, groups: int) -> tuple:
    (x,) = avals
    _need(len(x.shape) > 2, f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(x.shape)}")
    _need(groups > 0, f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    c = x.shape[1]
    _need(c % groups == 0, f"Number of channels must be divisible by groups. Got {c} channels and {groups} groups.")
    return x, None


@op(shape=_channel_rule, name="channel_shuffle", exact=True,
    vjp=(lambda g, groups: _channel_shuffle(g, groups=max(g.shape[1] // groups, 1)),))  # fmt: skip
def _channel_shuffle(xp, x, *, groups):
    n, c, *rest = x.shape
    return x.reshape(n, groups, c // groups, *rest).swapaxes(1, 2).reshape(x.shape)


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels become pixels: (N, C·r², H, W) to (N, C, H·r, W·r) (``torch.nn.functional.pixel_shuffle``).

    >>> import kuai as torch
    >>> torch.nn.functional.pixel_shuffle(torch.arange(4.).reshape(1, 4, 1, 1), 2)
    tensor([[[[0., 1.],
              [2., 3.]]]])
    """
    return _pixel_shuffle(input, factor=upscale_factor)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Pixels become channels: what undoes `pixel_shuffle` (``torch.nn.functional.pixel_unshuffle``).

    >>> import kuai as torch
    >>> torch.nn.functional.pixel_unshuffle(torch.zeros(1, 1, 4, 6), 2).shape
    torch.Size([1, 4, 2, 3])
    """
    return _pixel_unshuffle(input, factor=downscale_factor)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Take channels from each group in turn (``torch.nn.functional.channel_shuffle``).

    >>> import kuai as torch
    >>> torch.nn.functional.channel_shuffle(torch.arange(4).reshape(1, 4, 1), 2).flatten()
    tensor([0, 2, 1, 3])
    """
    return _channel_shuffle(input, groups=groups)
