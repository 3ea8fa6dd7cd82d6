"""Pooling layers (``torch.nn``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..tensor import Tensor
from . import functional as F
from .conv import repeat
from .module import Module


def _shown(layer: Module, *names: str) -> str:
    return ", ".join(f"{n}={getattr(layer, n)}" for n in names)


class _MaxPoolNd(Module):
    """Max pool of some rank."""

    _function: Callable

    def __init__(self, kernel_size: object, stride: object = None, padding: object = 0, dilation: object = 1,
                 return_indices: bool = False, ceil_mode: bool = False):  # fmt: skip
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation, self.return_indices, self.ceil_mode = padding, dilation, return_indices, ceil_mode

    def forward(self, input: Tensor):
        return type(self)._function(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )

    def extra_repr(self) -> str:
        return _shown(self, "kernel_size", "stride", "padding", "dilation", "ceil_mode")


class MaxPool1d(_MaxPoolNd):
    """The greatest element of each window along the last dimension.

    >>> import kuai as torch
    >>> torch.nn.MaxPool1d(2)(torch.tensor([[1., 3., 2., 0.]]))
    tensor([[3., 2.]])
    """

    _function = F.max_pool1d


class MaxPool2d(_MaxPoolNd):
    """The greatest element of each window of images.

    >>> import kuai as torch
    >>> torch.nn.MaxPool2d(3, stride=2)(torch.ones(20, 16, 50, 32)).shape
    torch.Size([20, 16, 24, 15])
    """

    _function = F.max_pool2d


class MaxPool3d(_MaxPoolNd):
    """The greatest element of each window of volumes.

    >>> import kuai as torch
    >>> torch.nn.MaxPool3d(2)(torch.ones(1, 3, 4, 4, 4)).shape
    torch.Size([1, 3, 2, 2, 2])
    """

    _function = F.max_pool3d


class _MaxUnpoolNd(Module):
    """Max unpool of some rank."""

    _rank: int
    _function: Callable[..., Tensor]

    def __init__(self, kernel_size: object, stride: object = None, padding: object = 0):
        super().__init__()
        self.kernel_size, self.padding = repeat(kernel_size, self._rank), repeat(padding, self._rank)
        self.stride = self.kernel_size if stride is None else repeat(stride, self._rank)

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return type(self)._function(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        return _shown(self, "kernel_size", "stride", "padding")


class MaxUnpool1d(_MaxUnpoolNd):
    """Puts elements back where `MaxPool1d` found them, among zeros.

    >>> import kuai as torch
    >>> found, where = torch.nn.MaxPool1d(2, return_indices=True)(torch.tensor([[1., 3., 2., 0.]]))
    >>> torch.nn.MaxUnpool1d(2)(found, where)
    tensor([[0., 3., 2., 0.]])
    """

    _rank, _function = 1, F.max_unpool1d


class MaxUnpool2d(_MaxUnpoolNd):
    """Puts elements back where `MaxPool2d` found them, among zeros.

    >>> import kuai as torch
    >>> found, where = torch.nn.MaxPool2d(2, return_indices=True)(torch.arange(4.).view(1, 2, 2))
    >>> torch.nn.MaxUnpool2d(2)(found, where)
    tensor([[[0., 0.],
             [0., 3.]]])
    """

    _rank, _function = 2, F.max_unpool2d


class MaxUnpool3d(_MaxUnpoolNd):
    """Puts elements back where `MaxPool3d` found them, among zeros.

    >>> import kuai as torch
    >>> found, where = torch.nn.MaxPool3d(2, return_indices=True)(torch.arange(8.).view(1, 2, 2, 2))
    >>> torch.nn.MaxUnpool3d(2)(found, where).sum()
    tensor(7.)
    """

    _rank, _function = 3, F.max_unpool3d


class AvgPool1d(Module):
    """The average of each window along the last dimension.

    >>> import kuai as torch
    >>> torch.nn.AvgPool1d(2)(torch.tensor([[1., 3., 2., 0.]]))
    tensor([[2., 1.]])
    """

    def __init__(self, kernel_size: object, stride: object = None, padding: object = 0, ceil_mode: bool = False,
                 count_include_pad: bool = True):  # fmt: skip
        super().__init__()
        self.kernel_size, self.padding = repeat(kernel_size, 1), repeat(padding, 1)
        self.stride = self.kernel_size if stride is None else repeat(stride, 1)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)

    def extra_repr(self) -> str:
        return _shown(self, "kernel_size", "stride", "padding")


class _AvgPoolNd(Module):
    """Average pool of two or three dimensions."""

    _function: Callable[..., Tensor]

    def __init__(self, kernel_size: object, stride: object = None, padding: object = 0, ceil_mode: bool = False,
                 count_include_pad: bool = True, divisor_override: int | None = None):  # fmt: skip
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return type(self)._function(input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
                                    self.count_include_pad, self.divisor_override)  # fmt: skip

    def extra_repr(self) -> str:
        return _shown(self, "kernel_size", "stride", "padding")


class AvgPool2d(_AvgPoolNd):
    """The average of each window of images.

    >>> import kuai as torch
    >>> torch.nn.AvgPool2d(2)(torch.arange(4.).view(1, 2, 2))
    tensor([[[1.5000]]])
    """

    _function = F.avg_pool2d


class AvgPool3d(_AvgPoolNd):
    """The average of each window of volumes.

    >>> import kuai as torch
    >>> torch.nn.AvgPool3d(2)(torch.arange(8.).view(1, 2, 2, 2))
    tensor([[[[3.5000]]]])
    """

    _function = F.avg_pool3d


class _FractionalMaxPoolNd(Module):
    """Fractional max pool of some rank."""

    _rank: int
    _function: Callable

    def __init__(self, kernel_size: object, output_size: object = None, output_ratio: object = None,
                 return_indices: bool = False, _random_samples: Tensor | None = None):  # fmt: skip
        super().__init__()
        name, rank = type(self).__name__, self._rank
        if isinstance(kernel_size, (int, tuple)) and any(k <= 0 for k in repeat(kernel_size, rank)):
            raise ValueError(f"kernel_size must be greater than zero, but got {kernel_size}")
        if (output_size is None) == (output_ratio is None):
            raise ValueError(f"{name} requires specifying either an output size, or a pooling ratio, and only one of them")
        self.kernel_size, self.return_indices = repeat(kernel_size, rank), return_indices
        self.output_size = None if output_size is None else repeat(output_size, rank)
        self.output_ratio = None if output_ratio is None else repeat(output_ratio, rank)
        if self.output_ratio is not None and not all(0 < r < 1 for r in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")
        self.register_buffer("_random_samples", _random_samples)

    def forward(self, input: Tensor):
        return type(self)._function(input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices,
                                    _random_samples=self._random_samples)  # fmt: skip


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """The greatest elements of windows whose places are drawn, as many as are wanted.

    >>> import kuai as torch
    >>> torch.nn.FractionalMaxPool2d(3, output_size=(13, 12))(torch.ones(20, 16, 50, 32)).shape
    torch.Size([20, 16, 13, 12])
    """

    _rank, _function = 2, F.fractional_max_pool2d


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """The greatest elements of windows of volumes whose places are drawn, as many as are wanted.

    >>> import kuai as torch
    >>> torch.nn.FractionalMaxPool3d(2, output_ratio=0.5)(torch.ones(2, 3, 8, 8, 8)).shape
    torch.Size([2, 3, 4, 4, 4])
    """

    _rank, _function = 3, F.fractional_max_pool3d


class _LPPoolNd(Module):
    """Pool of p-norms of some rank."""

    _function: Callable[..., Tensor]

    def __init__(self, norm_type: float, kernel_size: object, stride: object = None, ceil_mode: bool = False):
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        return type(self)._function(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return _shown(self, "norm_type", "kernel_size", "stride", "ceil_mode")


class LPPool1d(_LPPoolNd):
    """The p-norm of each window along the last dimension.

    >>> import kuai as torch
    >>> torch.nn.LPPool1d(2, 2)(torch.tensor([[3., 4., 5., 12.]]))
    tensor([[ 5., 13.]])
    """

    _function = F.lp_pool1d


class LPPool2d(_LPPoolNd):
    """The p-norm of each window of images.

    >>> import kuai as torch
    >>> torch.nn.LPPool2d(2, 2)(torch.ones(1, 2, 2))
    tensor([[[2.]]])
    """

    _function = F.lp_pool2d


class LPPool3d(_LPPoolNd):
    """The p-norm of each window of volumes.

    >>> import kuai as torch
    >>> torch.nn.LPPool3d(3, 2)(torch.ones(1, 2, 2, 2))
    tensor([[[[2.]]]])
    """

    _function = F.lp_pool3d


class _AdaptivePool(Module):
    """What pools with a given number of windows have in common."""

    _function: Callable

    def __init__(self, output_size: object):
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return type(self)._function(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class _AdaptiveMaxPoolNd(_AdaptivePool):
    def __init__(self, output_size: object, return_indices: bool = False):
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Tensor):
        return type(self)._function(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """The greatest elements of as many equal windows as are wanted.

    >>> import kuai as torch
    >>> torch.nn.AdaptiveMaxPool1d(2)(torch.tensor([[1., 3., 2., 0.]]))
    tensor([[3., 2.]])
    """

    _function = F.adaptive_max_pool1d


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """The greatest elements of as many equal windows of images as are wanted.

    >>> import kuai as torch
    >>> torch.nn.AdaptiveMaxPool2d((5, None))(torch.ones(1, 64, 8, 9)).shape
    torch.Size([1, 64, 5, 9])
    """

    _function = F.adaptive_max_pool2d


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """The greatest elements of as many equal windows of volumes as are wanted.

    >>> import kuai as torch
    >>> torch.nn.AdaptiveMaxPool3d(2)(torch.ones(1, 4, 8, 9, 10)).shape
    torch.Size([1, 4, 2, 2, 2])
    """

    _function = F.adaptive_max_pool3d


class _AdaptiveAvgPoolNd(_AdaptivePool):
    """What averages as many equal windows as are wanted."""


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """The averages of as many equal windows as are wanted.

    >>> import kuai as torch
    >>> torch.nn.AdaptiveAvgPool1d(2)(torch.tensor([[1., 3., 2., 0.]]))
    tensor([[2., 1.]])
    """

    _function = F.adaptive_avg_pool1d


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """The averages of as many equal windows of images as are wanted.

    >>> import kuai as torch
    >>> torch.nn.AdaptiveAvgPool2d(1)(torch.arange(4.).view(1, 2, 2))
    tensor([[[1.5000]]])
    """

    _function = F.adaptive_avg_pool2d


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """The averages of as many equal windows of volumes as are wanted.

    >>> import kuai as torch
    >>> torch.nn.AdaptiveAvgPool3d((5, 7, 9))(torch.ones(1, 4, 8, 9, 10)).shape
    torch.Size([1, 4, 5, 7, 9])
    """

    _function = F.adaptive_avg_pool3d
