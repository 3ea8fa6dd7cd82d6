"""Convolution layers (``torch.nn``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import prod, sqrt

from ..ops.creation import empty
from ..tensor import Tensor
from . import functional as F
from . import init
from .lazy import LazyModuleMixin
from .module import Module
from .parameter import Parameter, UninitializedParameter

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def repeat(given: object, rank: int) -> tuple:
    """A tuple with one entry for each spatial dimension."""
    return tuple(given) if isinstance(given, Iterable) else (given,) * rank


class _ConvNd(Module):
    """What convolutions and their transposes have in common."""

    _rank: int
    _function: Callable[..., Tensor]
    transposed = False
    _attributes_there = ("transposed", "_reversed_padding_repeated_twice")
    weight: Tensor
    bias: Tensor | None

    def __init__(self, in_channels: int, out_channels: int, kernel_size: object, stride: object, padding: object,
                 dilation: object, output_padding: object, groups: int, bias: bool, padding_mode: str, device: object,
                 dtype: object):  # fmt: skip
        super().__init__()
        rank = self._rank
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride, self.dilation = repeat(kernel_size, rank), repeat(stride, rank), repeat(dilation, rank)
        self.padding = padding if isinstance(padding, str) else repeat(padding, rank)
        self.output_padding, self.padding_mode = repeat(output_padding, rank), padding_mode
        self._check()
        self.weight = Parameter(empty(self._weight_shape(), device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(out_channels, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def _check(self) -> None:
        if self.groups <= 0:
            raise ValueError(f"groups must be a positive integer, got {self.groups}")
        for name in ("in_channels", "out_channels"):
            if getattr(self, name) % self.groups:
                raise ValueError(f"{name} must be divisible by groups, got {getattr(self, name)} and {self.groups}")
        if isinstance(self.padding, str):
            if self.padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string {self.padding!r}, should be one of {{'same', 'valid'}}")
            if self.padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError(f"padding='same' is not supported for strided convolutions, got stride {self.stride}")
        if self.padding_mode not in PADDING_MODES:
            raise ValueError(f"padding_mode must be one of {set(PADDING_MODES)}, but got padding_mode={self.padding_mode!r}")

    def _weight_shape(self) -> tuple[int, ...]:
        outer, inner = self.out_channels, self.in_channels
        if self.transposed:
            outer, inner = inner, outer
        return (outer, inner // self.groups, *self.kernel_size)

    def reset_parameters(self) -> None:
        """Draw weight and bias uniformly from within 1 / sqrt(elements of a filter) of zero."""
        init.kaiming_uniform_(self.weight, a=sqrt(5))
        if self.bias is not None:
            fan_in = prod(self.weight.shape[1:])
            if fan_in:
                init.uniform_(self.bias, -1 / sqrt(fan_in), 1 / sqrt(fan_in))

    @property
    def _reversed_padding_repeated_twice(self) -> list[int]:
        """The padding as `F.pad` takes it: last dimension first, before and after."""
        if not isinstance(self.padding, str):
            return [p for p in reversed(self.padding) for _ in range(2)]
        total = [d * (k - 1) if self.padding == "same" else 0 for d, k in zip(self.dilation, self.kernel_size)]
        return [p for t in reversed(total) for p in (t // 2, t - t // 2)]

    def extra_repr(self) -> str:
        shown = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        usual = {"padding": (0,) * self._rank, "dilation": (1,) * self._rank, "output_padding": (0,) * self._rank, "groups": 1}
        shown += "".join(f", {name}={getattr(self, name)}" for name, value in usual.items() if getattr(self, name) != value)
        shown += ", bias=False" if self.bias is None else ""
        return shown + (f", padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else "")


class _Conv(_ConvNd):
    """A convolution of some rank."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: object, stride: object = 1, padding: object = 0,
                 dilation: object = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros", device: object = None,
                 dtype: object = None):  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, 0, groups, bias, padding_mode,
                         device, dtype)  # fmt: skip

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        function = type(self)._function
        padding: object = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = 0
        return function(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)


class Conv1d(_Conv):
    """Filters that slide along the last dimension of (N, C, L).

    >>> import kuai as torch
    >>> torch.nn.Conv1d(16, 33, 3, stride=2)(torch.ones(20, 16, 50)).shape
    torch.Size([20, 33, 24])
    """

    _rank, _function = 1, F.conv1d


class Conv2d(_Conv):
    """Filters that slide over images (N, C, H, W).

    >>> import kuai as torch
    >>> layer = torch.nn.Conv2d(3, 8, (3, 5), padding=(1, 2)); layer
    Conv2d(3, 8, kernel_size=(3, 5), stride=(1, 1), padding=(1, 2))
    >>> layer(torch.ones(4, 3, 10, 10)).shape
    torch.Size([4, 8, 10, 10])
    """

    _rank, _function = 2, F.conv2d


class Conv3d(_Conv):
    """Filters that slide over volumes (N, C, D, H, W).

    >>> import kuai as torch
    >>> torch.nn.Conv3d(3, 8, 3)(torch.ones(1, 3, 6, 6, 6)).shape
    torch.Size([1, 8, 4, 4, 4])
    """

    _rank, _function = 3, F.conv3d


# ---- transposed ------------------------------------------------------------------------------------------------------


class _ConvTransposeNd(_ConvNd):
    """A transposed convolution of some rank."""

    transposed = True

    def __init__(self, in_channels: int, out_channels: int, kernel_size: object, stride: object = 1, padding: object = 0,
                 output_padding: object = 0, groups: int = 1, bias: bool = True, dilation: object = 1,
                 padding_mode: str = "zeros", device: object = None, dtype: object = None):  # fmt: skip
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, output_padding, groups, bias,
                         padding_mode, device, dtype)  # fmt: skip

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        extra = self.output_padding if output_size is None else self._extra(input, output_size)
        return type(self)._function(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)

    def _extra(self, input: Tensor, output_size: Sequence[int]) -> tuple[int, ...]:
        """What has to be padded after the smallest result that there can be."""
        rank, full = self._rank, input.ndim
        if len(output_size) == full:
            output_size = output_size[-rank:]
        if len(output_size) != rank:
            raise ValueError(f"ConvTranspose{rank}D: for {input.ndim}D input, output_size must have {rank} or {full} elements "
                             f"(got {len(output_size)})")  # fmt: skip
        sizes = input.shape[-rank:]
        least = [(n - 1) * s - 2 * p + d * (k - 1) + 1
                 for n, s, p, d, k in zip(sizes, self.stride, self.padding, self.dilation, self.kernel_size)]  # fmt: skip
        most = [n + s - 1 for n, s in zip(least, self.stride)]
        if not all(a <= n <= b for a, n, b in zip(least, output_size, most)):
            raise ValueError(f"requested an output size of {tuple(output_size)}, but valid sizes range from {least} to {most} "
                             f"(for an input of {sizes})")  # fmt: skip
        return tuple(n - a for n, a in zip(output_size, least))


class ConvTranspose1d(_ConvTransposeNd):
    """The transpose of `Conv1d`, which makes sequences longer.

    >>> import kuai as torch
    >>> torch.nn.ConvTranspose1d(4, 2, 2, stride=2)(torch.ones(1, 4, 8)).shape
    torch.Size([1, 2, 16])
    """

    _rank, _function = 1, F.conv_transpose1d


class ConvTranspose2d(_ConvTransposeNd):
    """The transpose of `Conv2d`, which makes images larger.

    >>> import kuai as torch
    >>> layer = torch.nn.ConvTranspose2d(4, 2, 3, stride=2)
    >>> layer(torch.ones(1, 4, 8, 8)).shape, layer(torch.ones(1, 4, 8, 8), output_size=(18, 18)).shape
    (torch.Size([1, 2, 17, 17]), torch.Size([1, 2, 18, 18]))
    """

    _rank, _function = 2, F.conv_transpose2d


class ConvTranspose3d(_ConvTransposeNd):
    """The transpose of `Conv3d`.

    >>> import kuai as torch
    >>> torch.nn.ConvTranspose3d(4, 2, 2, stride=2)(torch.ones(1, 4, 2, 2, 2)).shape
    torch.Size([1, 2, 4, 4, 4])
    """

    _rank, _function = 3, F.conv_transpose3d


# ---- lazy ------------------------------------------------------------------------------------------------------------


class _LazyConv(LazyModuleMixin):
    """What convolutions that take in_channels from their first input have in common."""

    def _make_lazy(self, out_channels: int, bias: bool, device: object, dtype: object) -> None:
        self.out_channels = out_channels
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input: Tensor, *args: object, **kwargs: object) -> None:
        """Give weight and bias the shapes that an input asks for, and their first values."""
        if not self.has_uninitialized_params():
            return
        rank = self._rank  # type: ignore[attr-defined]
        if input.ndim not in (rank + 1, rank + 2):
            raise RuntimeError(f"Expected {rank + 1}D (unbatched) or {rank + 2}D (batched) input to {type(self).__name__}, but "
                               f"got input of size: {input.shape}")  # fmt: skip
        self.in_channels = input.shape[-rank - 1]
        if self.in_channels % self.groups:  # type: ignore[attr-defined]
            raise ValueError("in_channels must be divisible by groups")
        self.weight.materialize(self._weight_shape())  # type: ignore[attr-defined]
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()


class _LazyConvNd(_LazyConv):
    def __init__(self, out_channels: int, kernel_size: object, stride: object = 1, padding: object = 0, dilation: object = 1,
                 groups: int = 1, bias: bool = True, padding_mode: str = "zeros", device: object = None,
                 dtype: object = None):  # fmt: skip
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode, device, dtype)
        self._make_lazy(out_channels, bias, device, dtype)


class _LazyConvTransposeNd(_LazyConv):
    def __init__(self, out_channels: int, kernel_size: object, stride: object = 1, padding: object = 0,
                 output_padding: object = 0, groups: int = 1, bias: bool = True, dilation: object = 1,
                 padding_mode: str = "zeros", device: object = None, dtype: object = None):  # fmt: skip
        super().__init__(0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation, padding_mode, device,
                         dtype)  # fmt: skip
        self._make_lazy(out_channels, bias, device, dtype)


class LazyConv1d(_LazyConvNd, Conv1d):
    """A `Conv1d` that takes in_channels from its first input.

    >>> import kuai as torch
    >>> layer = torch.nn.LazyConv1d(2, 3); _ = layer(torch.ones(1, 5, 8)); layer
    Conv1d(5, 2, kernel_size=(3,), stride=(1,))
    """

    cls_to_become = Conv1d


class LazyConv2d(_LazyConvNd, Conv2d):
    """A `Conv2d` that takes in_channels from its first input.

    >>> import kuai as torch
    >>> layer = torch.nn.LazyConv2d(2, 3); _ = layer(torch.ones(1, 5, 8, 8)); layer
    Conv2d(5, 2, kernel_size=(3, 3), stride=(1, 1))
    """

    cls_to_become = Conv2d


class LazyConv3d(_LazyConvNd, Conv3d):
    """A `Conv3d` that takes in_channels from its first input.

    >>> import kuai as torch
    >>> layer = torch.nn.LazyConv3d(2, 3); _ = layer(torch.ones(1, 5, 4, 4, 4)); layer
    Conv3d(5, 2, kernel_size=(3, 3, 3), stride=(1, 1, 1))
    """

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyConvTransposeNd, ConvTranspose1d):
    """A `ConvTranspose1d` that takes in_channels from its first input.

    >>> import kuai as torch
    >>> layer = torch.nn.LazyConvTranspose1d(2, 3); _ = layer(torch.ones(1, 5, 8)); layer
    ConvTranspose1d(5, 2, kernel_size=(3,), stride=(1,))
    """

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTransposeNd, ConvTranspose2d):
    """A `ConvTranspose2d` that takes in_channels from its first input.

    >>> import kuai as torch
    >>> layer = torch.nn.LazyConvTranspose2d(2, 3); _ = layer(torch.ones(1, 5, 8, 8)); layer
    ConvTranspose2d(5, 2, kernel_size=(3, 3), stride=(1, 1))
    """

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTransposeNd, ConvTranspose3d):
    """A `ConvTranspose3d` that takes in_channels from its first input.

    >>> import kuai as torch
    >>> layer = torch.nn.LazyConvTranspose3d(2, 3); _ = layer(torch.ones(1, 5, 4, 4, 4)); layer
    ConvTranspose3d(5, 2, kernel_size=(3, 3, 3), stride=(1, 1, 1))
    """

    cls_to_become = ConvTranspose3d
