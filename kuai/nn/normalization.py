"""Normalization layers (``torch.nn``)."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

from ..ops.creation import empty, ones, tensor, zeros
from ..ops.normalization import across_channels
from ..tensor import Tensor
from . import functional as F
from . import init
from .lazy import LazyModuleMixin
from .module import Module
from .parameter import Parameter, UninitializedBuffer, UninitializedParameter


class _NormBase(Module):
    """What norms with statistics of channels have in common: parameters, and statistics that run along while training."""

    _version = 2
    _ranks: tuple[int, ...] = ()
    weight: Tensor | None
    bias: Tensor | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, device: object = None, dtype: object = None, *, bias: bool = True):  # fmt: skip
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        options: Any = {"device": device, "dtype": dtype}
        self.register_parameter("weight", Parameter(empty(num_features, **options)) if affine else None)
        self.register_parameter("bias", Parameter(empty(num_features, **options)) if affine and bias else None)
        tracked = track_running_stats
        self.register_buffer("running_mean", zeros(num_features, **options) if tracked else None)
        self.register_buffer("running_var", ones(num_features, **options) if tracked else None)
        self.register_buffer("num_batches_tracked", tensor(0, device=device) if tracked else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Set the running statistics back to mean 0 and variance 1."""
        if self.track_running_stats:
            self.running_mean.zero_()  # type: ignore[union-attr]
            self.running_var.fill_(1)  # type: ignore[union-attr]
            self.num_batches_tracked.zero_()  # type: ignore[union-attr]

    def reset_parameters(self) -> None:
        """Set weight to 1, bias to 0, and the running statistics back."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_input_dim(self, input: Tensor) -> None:
        if self._ranks and input.ndim not in self._ranks:
            wanted = " or ".join(f"{r}D" for r in self._ranks)
            raise ValueError(f"expected {wanted} input (got {input.ndim}D input)")

    def extra_repr(self) -> str:
        return (f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
                f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}")  # fmt: skip

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args):
        version = local_metadata.get("version", None)
        if (version is None or version < 2) and self.track_running_stats:  # files of then have no count of batches
            counted = self.num_batches_tracked
            state_dict.setdefault(prefix + "num_batches_tracked", tensor(0) if counted is None or counted.is_meta else counted)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


class _BatchNorm(_NormBase):
    """Batch norm of some rank."""

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:  # the mean of all batches so far
                momentum = 1.0 / self.num_batches_tracked.double()
        own = self.training or (self.running_mean is None and self.running_var is None)
        tracked = not self.training or self.track_running_stats
        return F.batch_norm(
            input, self.running_mean if tracked else None, self.running_var if tracked else None, self.weight, self.bias, own,
            momentum, self.eps,
        )  # fmt: skip


class BatchNorm1d(_BatchNorm):
    """Batch norm of (N, C) or (N, C, L): each channel with mean 0 and variance 1 over the batch.

    >>> import kuai as torch
    >>> torch.nn.BatchNorm1d(2)(torch.tensor([[1., 5.], [3., 5.]]))
    tensor([[-1.0000,  0.0000],
            [ 1.0000,  0.0000]], grad_fn=<NativeBatchNormBackward0>)
    """

    _ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch norm of images (N, C, H, W).

    >>> import kuai as torch
    >>> layer = torch.nn.BatchNorm2d(3)
    >>> _ = layer(torch.ones(4, 3, 8, 8)); layer.running_mean
    tensor([0.1000, 0.1000, 0.1000])
    """

    _ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch norm of volumes (N, C, D, H, W).

    >>> import kuai as torch
    >>> torch.nn.BatchNorm3d(3)(torch.ones(4, 3, 2, 2, 2)).shape
    torch.Size([4, 3, 2, 2, 2])
    """

    _ranks = (5,)


class SyncBatchNorm(_BatchNorm):
    """Batch norm over the batches of all processes; with one process, or while it is not training, as any other.

    >>> import kuai as torch
    >>> net = torch.nn.Sequential(torch.nn.BatchNorm2d(3))
    >>> torch.nn.SyncBatchNorm.convert_sync_batchnorm(net)
    Sequential(
      (0): SyncBatchNorm(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    )
    """

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, process_group: object = None, device: object = None,
                 dtype: object = None, *, bias: bool = True):  # fmt: skip
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"expected at least 2D input (got {input.ndim}D input)")

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: object = None) -> Module:
        """The module with all batch norms in it replaced by ones over all processes."""
        made = module
        if isinstance(module, _BatchNorm):
            made = cls(module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats,
                       process_group)  # fmt: skip
            made._parameters.update(module._parameters)
            made._buffers.update(module._buffers)
            made.training = module.training
        for name, child in module.named_children():
            made.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return made


class _InstanceNorm(_NormBase):
    """Instance norm of some rank."""

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False,
                 track_running_stats: bool = False, device: object = None, dtype: object = None, *, bias: bool = True):  # fmt: skip
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        axis = input.ndim - self._ranks[0]
        if input.shape[axis] != self.num_features and self.affine:
            raise ValueError(
                f"expected input's size at dim={axis} to match num_features ({self.num_features}), but got: {input.shape[axis]}."
            )
        if axis == 0:
            return self._normalize(input.unsqueeze(0)).squeeze(0)
        return self._normalize(input)

    def _normalize(self, input: Tensor) -> Tensor:
        momentum = 0.0 if self.momentum is None else self.momentum
        own = self.training or not self.track_running_stats
        return F.instance_norm(input, self.running_mean, self.running_var, self.weight, self.bias, own, momentum, self.eps)


class InstanceNorm1d(_InstanceNorm):
    """Each channel of each sample (N, C, L) with mean 0 and variance 1.

    >>> import kuai as torch
    >>> torch.nn.InstanceNorm1d(1)(torch.tensor([[[1., 3.]]]))
    tensor([[[-1.0000,  1.0000]]])
    """

    _ranks = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Each channel of each image (N, C, H, W) with mean 0 and variance 1.

    >>> import kuai as torch
    >>> torch.nn.InstanceNorm2d(3, affine=True)(torch.ones(4, 3, 8, 8)).shape
    torch.Size([4, 3, 8, 8])
    """

    _ranks = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Each channel of each volume (N, C, D, H, W) with mean 0 and variance 1.

    >>> import kuai as torch
    >>> torch.nn.InstanceNorm3d(3)(torch.ones(4, 3, 2, 2, 2)).shape
    torch.Size([4, 3, 2, 2, 2])
    """

    _ranks = (4, 5)


# ---- lazy ------------------------------------------------------------------------------------------------------------


class _LazyNormBase(LazyModuleMixin):
    """What norms that take num_features from their first input have in common."""

    def __init__(self, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True, track_running_stats: bool = True,
                 device: object = None, dtype: object = None, *, bias: bool = True):  # fmt: skip
        super().__init__(0, eps, momentum, False, False, device, dtype)
        self.affine, self.track_running_stats = affine, track_running_stats
        options: Any = {"device": device, "dtype": dtype}
        if affine:
            self.weight = UninitializedParameter(**options)
            self.bias = UninitializedParameter(**options) if bias else None
        if track_running_stats:
            self.running_mean, self.running_var = UninitializedBuffer(**options), UninitializedBuffer(**options)
            self.num_batches_tracked = tensor(0, device=device)

    def reset_parameters(self) -> None:
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input: Tensor) -> None:
        """Give parameters and statistics the shape that an input asks for, and their first values."""
        if not self.has_uninitialized_params():
            return
        self._check_input_dim(input)  # type: ignore[attr-defined]
        self.num_features = input.shape[1]
        for t in (self.weight, self.bias, self.running_mean, self.running_var):
            if t is not None:
                t.materialize((self.num_features,))
        self.reset_parameters()


class LazyBatchNorm1d(_LazyNormBase, BatchNorm1d):
    """A `BatchNorm1d` that takes num_features from its first input.

    >>> import kuai as torch
    >>> layer = torch.nn.LazyBatchNorm1d(); _ = layer(torch.ones(4, 3)); layer.num_features
    3
    """

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNormBase, BatchNorm2d):
    """A `BatchNorm2d` that takes num_features from its first input.

    >>> import kuai as torch
    >>> layer = torch.nn.LazyBatchNorm2d(); _ = layer(torch.ones(4, 3, 2, 2)); layer.num_features
    3
    """

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNormBase, BatchNorm3d):
    """A `BatchNorm3d` that takes num_features from its first input.

    >>> import kuai as torch
    >>> layer = torch.nn.LazyBatchNorm3d(); _ = layer(torch.ones(4, 3, 2, 2, 2)); layer.num_features
    3
    """

    cls_to_become = BatchNorm3d


class LazyInstanceNorm1d(_LazyNormBase, InstanceNorm1d):
    """An `InstanceNorm1d` that takes num_features from its first input.

    >>> import kuai as torch
    >>> layer = torch.nn.LazyInstanceNorm1d(); _ = layer(torch.ones(4, 3, 2)); layer.num_features
    3
    """

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNormBase, InstanceNorm2d):
    """An `InstanceNorm2d` that takes num_features from its first input.

    >>> import kuai as torch
    >>> layer = torch.nn.LazyInstanceNorm2d(); _ = layer(torch.ones(4, 3, 2, 2)); layer.num_features
    3
    """

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNormBase, InstanceNorm3d):
    """An `InstanceNorm3d` that takes num_features from its first input.

    >>> import kuai as torch
    >>> layer = torch.nn.LazyInstanceNorm3d(); _ = layer(torch.ones(4, 3, 2, 2, 2)); layer.num_features
    3
    """

    cls_to_become = InstanceNorm3d


# ---- without statistics of channels ----------------------------------------------------------------------------------


def _shape(given: int | Sequence[int]) -> tuple[int, ...]:
    return (int(given),) if isinstance(given, numbers.Integral) else tuple(given)  # type: ignore[arg-type]


class LayerNorm(Module):
    """Mean 0 and variance 1 over the last dimensions, whose shape is given.

    >>> import kuai as torch
    >>> torch.nn.LayerNorm(3, elementwise_affine=False)(torch.tensor([[1., 2., 3.]]))
    tensor([[-1.2247,  0.0000,  1.2247]])
    """

    def __init__(self, normalized_shape: int | Sequence[int], eps: float = 1e-5, elementwise_affine: bool = True,
                 bias: bool = True, device: object = None, dtype: object = None):  # fmt: skip
        super().__init__()
        self.normalized_shape, self.eps, self.elementwise_affine = _shape(normalized_shape), eps, elementwise_affine
        options = {"device": device, "dtype": dtype}
        shape = self.normalized_shape
        self.register_parameter("weight", Parameter(empty(shape, **options)) if elementwise_affine else None)
        self.register_parameter("bias", Parameter(empty(shape, **options)) if elementwise_affine and bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set weight to 1 and bias to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
                f"bias={self.bias is not None}")  # fmt: skip


class RMSNorm(Module):
    """The last dimensions divided by the root of their mean square.

    >>> import kuai as torch
    >>> torch.nn.RMSNorm(2, elementwise_affine=False)(torch.tensor([[1., 7.]]))
    tensor([[0.2000, 1.4000]])
    """

    def __init__(self, normalized_shape: int | Sequence[int], eps: float | None = None, elementwise_affine: bool = True,
                 device: object = None, dtype: object = None):  # fmt: skip
        super().__init__()
        self.normalized_shape, self.eps, self.elementwise_affine = _shape(normalized_shape), eps, elementwise_affine
        weight = Parameter(empty(self.normalized_shape, device=device, dtype=dtype)) if elementwise_affine else None
        self.register_parameter("weight", weight)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set weight to 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    """Mean 0 and variance 1 over groups of channels of each sample.

    >>> import kuai as torch
    >>> torch.nn.GroupNorm(2, 6)(torch.ones(4, 6, 10, 10)).shape
    torch.Size([4, 6, 10, 10])
    """

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, device: object = None,
                 dtype: object = None, *, bias: bool = True):  # fmt: skip
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        options = {"device": device, "dtype": dtype}
        self.register_parameter("weight", Parameter(empty(num_channels, **options)) if affine else None)
        self.register_parameter("bias", Parameter(empty(num_channels, **options)) if affine and bias else None)
        self.reset_parameters()

    reset_parameters = LayerNorm.reset_parameters

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, bias={self.bias is not None}"


class LocalResponseNorm(Module):
    """Each element divided by what its neighbours in other channels have.

    >>> import kuai as torch
    >>> torch.nn.LocalResponseNorm(2)(torch.ones(1, 4, 2, 2)).shape
    torch.Size([1, 4, 2, 2])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(Module):
    """As `LocalResponseNorm`, with as many neighbours on both sides.

    >>> import kuai as torch
    >>> torch.nn.CrossMapLRN2d(3)(torch.ones(1, 4, 2, 2)).shape
    torch.Size([1, 4, 2, 2])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1):
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        reach = (self.size - 1) // 2
        around = across_channels(input * input, 2 * reach + 1, reach, reach) * ((2 * reach + 1) / self.size)
        return input * (around * self.alpha + self.k).pow(-self.beta)

    extra_repr = LocalResponseNorm.extra_repr
