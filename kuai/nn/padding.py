"""Layers that put a border around their input (``torch.nn``)."""

from __future__ import annotations

from collections.abc import Sequence

from ..tensor import Tensor
from . import functional as F
from .conv import repeat
from .module import Module


class _PadNd(Module):
    """A border of some kind around the last dimensions."""

    _rank: int
    _mode: str

    def __init__(self, padding: int | Sequence[int]):
        super().__init__()
        self.padding = repeat(padding, 2 * self._rank)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPadNd(_PadNd):
    _mode = "constant"

    def __init__(self, padding: int | Sequence[int], value: float):
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """A border of a number around the last dimension.

    >>> import kuai as torch
    >>> torch.nn.ConstantPad1d(1, 7.)(torch.tensor([[1., 2.]]))
    tensor([[7., 1., 2., 7.]])
    """

    _rank = 1


class ConstantPad2d(_ConstantPadNd):
    """A border of a number around the last two dimensions.

    >>> import kuai as torch
    >>> torch.nn.ConstantPad2d((1, 0, 2, 0), 7.)(torch.ones(1, 1, 1))
    tensor([[[7., 7.],
             [7., 7.],
             [7., 1.]]])
    """

    _rank = 2


class ConstantPad3d(_ConstantPadNd):
    """A border of a number around the last three dimensions.

    >>> import kuai as torch
    >>> torch.nn.ConstantPad3d(1, 7.)(torch.ones(1, 2, 2, 2)).shape
    torch.Size([1, 4, 4, 4])
    """

    _rank = 3


class _ZeroPadNd(_ConstantPadNd):
    def __init__(self, padding: int | Sequence[int]):
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPadNd):
    """A border of zeros around the last dimension.

    >>> import kuai as torch
    >>> torch.nn.ZeroPad1d(1)(torch.tensor([[1., 2.]]))
    tensor([[0., 1., 2., 0.]])
    """

    _rank = 1


class ZeroPad2d(_ZeroPadNd):
    """A border of zeros around the last two dimensions.

    >>> import kuai as torch
    >>> torch.nn.ZeroPad2d((1, 0, 1, 0))(torch.ones(1, 1, 1))
    tensor([[[0., 0.],
             [0., 1.]]])
    """

    _rank = 2


class ZeroPad3d(_ZeroPadNd):
    """A border of zeros around the last three dimensions.

    >>> import kuai as torch
    >>> torch.nn.ZeroPad3d(1)(torch.ones(1, 2, 2, 2)).shape
    torch.Size([1, 4, 4, 4])
    """

    _rank = 3


class _ReflectionPadNd(_PadNd):
    _mode = "reflect"


class ReflectionPad1d(_ReflectionPadNd):
    """A border that mirrors the last dimension at its ends.

    >>> import kuai as torch
    >>> torch.nn.ReflectionPad1d(2)(torch.tensor([[1., 2., 3.]]))
    tensor([[3., 2., 1., 2., 3., 2., 1.]])
    """

    _rank = 1


class ReflectionPad2d(_ReflectionPadNd):
    """A border that mirrors the last two dimensions at their ends.

    >>> import kuai as torch
    >>> torch.nn.ReflectionPad2d(1)(torch.ones(1, 2, 2)).shape
    torch.Size([1, 4, 4])
    """

    _rank = 2


class ReflectionPad3d(_ReflectionPadNd):
    """A border that mirrors the last three dimensions at their ends.

    >>> import kuai as torch
    >>> torch.nn.ReflectionPad3d(1)(torch.ones(1, 2, 2, 2)).shape
    torch.Size([1, 4, 4, 4])
    """

    _rank = 3


class _ReplicationPadNd(_PadNd):
    _mode = "replicate"


class ReplicationPad1d(_ReplicationPadNd):
    """A border that repeats the elements at the ends of the last dimension.

    >>> import kuai as torch
    >>> torch.nn.ReplicationPad1d(2)(torch.tensor([[1., 2.]]))
    tensor([[1., 1., 1., 2., 2., 2.]])
    """

    _rank = 1


class ReplicationPad2d(_ReplicationPadNd):
    """A border that repeats the elements at the ends of the last two dimensions.

    >>> import kuai as torch
    >>> torch.nn.ReplicationPad2d(1)(torch.ones(1, 2, 2)).shape
    torch.Size([1, 4, 4])
    """

    _rank = 2


class ReplicationPad3d(_ReplicationPadNd):
    """A border that repeats the elements at the ends of the last three dimensions.

    >>> import kuai as torch
    >>> torch.nn.ReplicationPad3d(1)(torch.ones(1, 2, 2, 2)).shape
    torch.Size([1, 4, 4, 4])
    """

    _rank = 3


class _CircularPadNd(_PadNd):
    _mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        rank = self._rank
        if input.ndim not in (rank + 1, rank + 2):
            raise ValueError(f"expected {rank + 1}D or {rank + 2}D input (got {input.ndim}D input)")
        return super().forward(input)


class CircularPad1d(_CircularPadNd):
    """A border that goes on at the other end of the last dimension.

    >>> import kuai as torch
    >>> torch.nn.CircularPad1d(1)(torch.tensor([[1., 2., 3.]]))
    tensor([[3., 1., 2., 3., 1.]])
    """

    _rank = 1


class CircularPad2d(_CircularPadNd):
    """A border that goes on at the other ends of the last two dimensions.

    >>> import kuai as torch
    >>> torch.nn.CircularPad2d(1)(torch.ones(1, 2, 2)).shape
    torch.Size([1, 4, 4])
    """

    _rank = 2


class CircularPad3d(_CircularPadNd):
    """A border that goes on at the other ends of the last three dimensions.

    >>> import kuai as torch
    >>> torch.nn.CircularPad3d(1)(torch.ones(1, 2, 2, 2)).shape
    torch.Size([1, 4, 4, 4])
    """

    _rank = 3
