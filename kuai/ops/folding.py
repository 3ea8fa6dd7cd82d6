"""Windows of images as columns (unfold), and the sum of columns back into images (fold): each the transpose of the other."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from ..engine.program import Aval, Op, State
from ..tensor import Tensor
from . import rules
from .define import op
from .pooling import Windows
from .windows import crop, frozen, offsets, pad, repeated, view, window_counts


def _unfold_xla(xp, x, *, at):
    x = xp.lax.pad(x, xp.zeros((), x.dtype), [(0, 0, 0), (0, 0, 0), *[(lo, hi, 0) for lo, hi in at.pads]])
    parts = xp.stack([x[at.key(o)] for o in offsets(at.kernel)], 2)
    return parts.reshape(x.shape[0], x.shape[1] * prod(at.kernel), prod(at.counts))


def _fold_xla(xp, columns, *, size, at):
    places = prod(at.kernel)
    parts = columns.reshape(columns.shape[0], columns.shape[1] // places, places, *at.counts)
    zero, total = xp.zeros((), columns.dtype), 0
    for i, o in enumerate(offsets(at.kernel)):
        spacing = [
            (p * d - lo, n + lo - p * d - (m - 1) * s - 1, s - 1)
            for p, d, (lo, _), n, m, s in zip(o, at.dilation, at.pads, size, at.counts, at.stride)
        ]
        total = total + xp.lax.pad(parts[:, :, i], zero, [(0, 0, 0), (0, 0, 0), *spacing])
    return total


def _unfold_rule(op: Op, avals: Sequence, *, at: Windows) -> tuple:
    x = avals[0]
    if x.dtype.category == 1:
        raise NotImplementedError(f"\"im2col\" not implemented for '{rules._cname(x.dtype)}'")
    return Aval((x.shape[0], x.shape[1] * prod(at.kernel), prod(at.counts)), x.dtype, x.device), x.dtype


def _fold_rule(op: Op, avals: Sequence, *, size: tuple, at: Windows) -> tuple:
    x = avals[0]
    if x.dtype.category == 1:
        raise NotImplementedError(f"\"col2im\" not implemented for '{rules._cname(x.dtype)}'")
    return Aval((x.shape[0], x.shape[1] // prod(at.kernel), *size), x.dtype, x.device), x.dtype


def _cost(state: State) -> float:
    return 3.0 * max(state.avals[0].size, state.outs[0].size)


@op(shape=_unfold_rule, xla=_unfold_xla, name="im2col", cost=_cost, exact=True,
    vjp=(lambda g, avals, at: _fold(g, size=avals[0].shape[2:], at=at),))  # fmt: skip
def _unfold(xp, x, *, at):
    windows = view(pad(x, at.pads), at.kernel, at.stride, at.dilation, at.counts)
    return windows.reshape(x.shape[0], x.shape[1] * prod(at.kernel), prod(at.counts))


@op(shape=_fold_rule, xla=_fold_xla, name="col2im", cost=_cost, vjp=(lambda g, at: _unfold(g, at=at),))
def _fold(xp, columns, *, size, at):
    channels = columns.shape[1] // prod(at.kernel)
    parts = columns.reshape(columns.shape[0], channels, *at.kernel, *at.counts)
    out = np.zeros((columns.shape[0], channels, *[n + lo + hi for n, (lo, hi) in zip(size, at.pads)]), columns.dtype)
    for o in offsets(at.kernel):
        out[at.key(o)] += parts[(slice(None), slice(None), *o)]
    return crop(out, at.pads)


def _windows(name: str, sizes: Sequence[int], kernel: object, dilation: object, padding: object, stride: object) -> Windows:
    names = ("kernel_size", "dilation", "padding", "stride")
    for g, what in zip((kernel, dilation, padding, stride), names):
        if isinstance(g, (tuple, list)) and len(g) != 2:
            raise RuntimeError(f"{name}: It is expected {what} equals to 2, but got size {len(g)}")
    given = [repeated(frozen(g), 2, what, name) for g, what in zip((kernel, dilation, padding, stride), names)]
    for what, numbers in zip(names, given):
        if any(n < (what == "padding") * -1 + 1 for n in numbers):
            least = "non-negative" if what == "padding" else "greater than zero"
            raise RuntimeError(f"{name}: {what.replace('_', ' ')} should be {least}, but got {numbers}")
    kernel, dilation, padding, stride = given
    pads = tuple((p, p) for p in padding)
    counts = window_counts(sizes, kernel, stride, pads, dilation)
    if any(n < 1 for n in counts):
        raise RuntimeError(
            f"{name}: Given input with spatial size {tuple(sizes)}, kernel_size={kernel}, dilation={dilation}, "
            f"padding={padding}, calculated shape of the array of sliding blocks as {counts}, but its components must be at "
            "least one."
        )
    return Windows(kernel, stride, pads, dilation, counts)


def _batched(input: Tensor, rank: int, name: str) -> bool:
    shape = input.shape
    if len(shape) not in (rank - 1, rank):
        if name == "unfold" and len(shape) < 3:
            raise IndexError(f"Dimension out of range: {name} needs a {rank - 1}D or {rank}D input, got {list(shape)}")
        raise RuntimeError(
            f"{name}: Expected {rank - 1}D or {rank}D (batch mode) tensor for input with possibly 0 batch size and non-zero "
            f"dimensions for input, but got: {list(shape)}"
        )
    if not all(shape[1 - rank :]):
        raise RuntimeError(f"{name}: Expected input with non-zero dimensions, but got: {list(shape)}")
    return len(shape) == rank


def unfold(input: Tensor, kernel_size: object, dilation: object = 1, padding: object = 0, stride: object = 1) -> Tensor:
    """The windows of images (N, C, H, W) as columns (N, C·places, windows) (``torch.nn.functional.unfold``).

    >>> import kuai as torch
    >>> torch.nn.functional.unfold(torch.arange(9.).view(1, 3, 3), 2)
    tensor([[0., 1., 3., 4.],
            [1., 2., 4., 5.],
            [3., 4., 6., 7.],
            [4., 5., 7., 8.]])
    """
    if not _batched(input, 4, "unfold"):
        return unfold(input.unsqueeze(0), kernel_size, dilation, padding, stride).squeeze(0)
    return _unfold(input, at=_windows("unfold", input.shape[2:], kernel_size, dilation, padding, stride))


def fold(input: Tensor, output_size: object, kernel_size: object, dilation: object = 1, padding: object = 0,
         stride: object = 1) -> Tensor:  # fmt: skip
    """The sum of columns (N, C·places, windows) in images of a size (``torch.nn.functional.fold``).

    >>> import kuai as torch
    >>> torch.nn.functional.fold(torch.ones(4, 4), (3, 3), 2)
    tensor([[[1., 2., 1.],
             [2., 4., 2.],
             [1., 2., 1.]]])
    """
    if not _batched(input, 3, "fold"):
        return fold(input.unsqueeze(0), output_size, kernel_size, dilation, padding, stride).squeeze(0)
    size = repeated(frozen(output_size), 2, "output_size", "fold")
    at = _windows("fold", size, kernel_size, dilation, padding, stride)
    if input.shape[1] % prod(at.kernel):
        raise RuntimeError(
            "fold: Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got "
            f"input.size(1)={input.shape[1]} and kernel_size={at.kernel}."
        )
    if input.shape[2] != prod(at.counts):
        raise RuntimeError(
            f"fold: Given output_size={size}, kernel_size={at.kernel}, dilation={at.dilation}, padding={padding}, "
            f"stride={at.stride}, expected size of input's dimension 2 to match the calculated number of sliding blocks "
            f"{' * '.join(map(str, at.counts))} = {prod(at.counts)}, but got input.size(2)={input.shape[2]}."
        )
    return _fold(input, size=size, at=at)


METHODS = ()
INPLACE = ()
