"""PyTorch's own forms of norms, pools and convolutions, which take the same arguments in another order (``torch.batch_norm``)."""

from __future__ import annotations

from collections.abc import Sequence

from .. import dtypes
from ..tensor import Tensor
from . import adaptive_pooling, normalization, sampling
from . import convolution as convolutions
from .define import write_outs
from .shuffling import channel_shuffle


def batch_norm(input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None,
               running_var: Tensor | None, training: bool, momentum: float, eps: float,
               cudnn_enabled: bool = True) -> Tensor:  # fmt: skip
    """`torch.nn.functional.batch_norm`, the parameters before the statistics (``torch.batch_norm``).

    >>> import kuai as torch
    >>> torch.batch_norm(torch.tensor([[1.], [3.]]), None, None, None, None, True, 0.1, 1e-5, False)
    tensor([[-1.0000],
            [ 1.0000]])
    """
    return normalization.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None,
                  running_var: Tensor | None, use_input_stats: bool, momentum: float, eps: float,
                  cudnn_enabled: bool = True) -> Tensor:  # fmt: skip
    """`torch.nn.functional.instance_norm`, the parameters before the statistics (``torch.instance_norm``).

    >>> import kuai as torch
    >>> torch.instance_norm(torch.tensor([[[1., 3.]]]), None, None, None, None, True, 0.1, 1e-5, False)
    tensor([[[-1.0000,  1.0000]]])
    """
    return normalization.instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


def layer_norm(input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, bias: Tensor | None = None,
               eps: float = 1e-05, cudnn_enable: bool = True) -> Tensor:  # fmt: skip
    """`torch.nn.functional.layer_norm` (``torch.layer_norm``).

    >>> import kuai as torch
    >>> torch.layer_norm(torch.tensor([[1., 3.]]), (2,))
    tensor([[-1.0000,  1.0000]])
    """
    return normalization.layer_norm(input, normalized_shape, weight, bias, eps)


def group_norm(input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-05,
               cudnn_enabled: bool = True) -> Tensor:  # fmt: skip
    """`torch.nn.functional.group_norm` (``torch.group_norm``).

    >>> import kuai as torch
    >>> torch.group_norm(torch.tensor([[1., 3., 2., 8.]]), 2)
    tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """
    return normalization.group_norm(input, num_groups, weight, bias, eps)


def native_dropout(input: Tensor, p: float, train: bool | None) -> tuple[Tensor, Tensor]:
    """`dropout`, and which elements were kept (``torch.native_dropout``).

    >>> import kuai as torch
    >>> torch.native_dropout(torch.ones(2), 0.5, False)
    (tensor([1., 1.]), tensor([True, True]))
    """
    if not 0 <= p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p}")
    mask = input.detach().new_full(input.shape, True, dtype=dtypes.bool_)
    if train is False or p == 0:
        return input.clone(), mask
    mask.bernoulli_(1 - p)
    return input * mask * (0.0 if p == 1 else 1 / (1 - p)), mask


def native_channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """`channel_shuffle` (``torch.native_channel_shuffle``).

    >>> import kuai as torch
    >>> torch.native_channel_shuffle(torch.arange(4).view(1, 4, 1), 2).flatten()
    tensor([0, 2, 1, 3])
    """
    return channel_shuffle(input, groups)


def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """The norm over all dimensions but one, which is 0 or the last; over all of them for -1 (``torch.norm_except_dim``).

    >>> import kuai as torch
    >>> torch.norm_except_dim(torch.tensor([[3., 4.], [0., 2.]]))
    tensor([[5.],
            [2.]])
    """
    if dim == -1:
        return v.norm(pow)
    if dim == 0:
        return v.reshape(len(v), -1).norm(pow, 1).reshape(-1, *[1] * (v.ndim - 1))
    if dim == v.ndim - 1:
        return v.reshape(-1, v.shape[-1]).norm(pow, 0).reshape(*[1] * (v.ndim - 1), -1)
    return norm_except_dim(v.transpose(0, dim), pow, 0).transpose(0, dim)


# ---- with the statistics ---------------------------------------------------------------------------------------------


def _statistics(x: Tensor, dims: tuple[int, ...], keepdim: bool, eps: float) -> tuple[Tensor, Tensor]:
    """The mean, and one over the standard deviation."""
    return x.mean(dims, keepdim), (x.var(dims, correction=0, keepdim=keepdim) + eps).rsqrt()


def native_batch_norm(input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None,
                      running_var: Tensor | None, training: bool, momentum: float, eps: float, *,
                      out: Sequence[Tensor] | None = None) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """`batch_norm`, and the batch's mean and one over its standard deviation (``torch.native_batch_norm``).

    >>> import kuai as torch
    >>> torch.native_batch_norm(torch.tensor([[1.], [3.]]), None, None, None, None, True, 0.1, 1e-5)[1]
    tensor([2.])
    """
    if not input._aval.size:
        raise RuntimeError(f"native_batch_norm: input tensor must have at least one element, but got input_sizes = {list(input.shape)}")
    made = normalization.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    if training:
        found = (made, *_statistics(input.detach(), (0, *range(2, input.ndim)), False, eps))
    else:
        found = (made, input.new_empty(0), input.new_empty(0))
    return write_outs(out, found)


def _native_batch_norm_legit(input: Tensor, weight: Tensor | None, bias: Tensor | None, *args: object,
                             out: Sequence[Tensor] | None = None) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """`native_batch_norm`; without running statistics too, ``(input, weight, bias, training, momentum, eps)``.

    >>> import kuai as torch
    >>> torch._native_batch_norm_legit(torch.tensor([[1.], [3.]]), None, None, True, 0.1, 1e-5)[1]
    tensor([2.])
    """
    statistics = () if len(args) == 5 else (None, None)
    for name, x in zip(("running_mean", "running_var"), args if len(args) == 5 else ()):
        if not isinstance(x, Tensor):
            raise TypeError(f"_native_batch_norm_legit(): argument '{name}' must be Tensor, not {type(x).__name__}")
    if not isinstance(args[-3], bool):
        raise TypeError(f"_native_batch_norm_legit(): argument 'training' must be bool, not {type(args[-3]).__name__}")
    return native_batch_norm(input, weight, bias, *statistics, *args, out=out)  # type: ignore[arg-type]


def _batch_norm_with_update(input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor,
                            running_var: Tensor, momentum: float, eps: float, *,
                            out: Sequence[Tensor] | None = None) -> tuple[Tensor, ...]:  # fmt: skip
    """`native_batch_norm` in training, and room that only some devices use (``torch._batch_norm_with_update``).

    >>> import kuai as torch
    >>> mean = torch.zeros(1)
    >>> torch._batch_norm_with_update(torch.tensor([[1.], [3.]]), None, None, mean, torch.ones(1), 0.1, 1e-5)[1], mean
    (tensor([2.]), tensor([0.2000]))
    """
    made = native_batch_norm(input, weight, bias, running_mean, running_var, True, momentum, eps)
    found = (*made, input.detach().new_empty(0, dtype=dtypes.uint8))
    return write_outs(out, found)


def native_layer_norm(input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None,
                      eps: float) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """`layer_norm`, and each row's mean and one over its standard deviation (``torch.native_layer_norm``).

    >>> import kuai as torch
    >>> torch.native_layer_norm(torch.tensor([[1., 3.]]), (2,), None, None, 1e-5)[1]
    tensor([[2.]])
    """
    made = normalization.layer_norm(input, normalized_shape, weight, bias, eps)
    return made, *_statistics(input.detach(), tuple(range(-len(normalized_shape), 0)), True, eps)


def native_group_norm(input: Tensor, weight: Tensor | None, bias: Tensor | None, N: int, C: int, HxW: int, group: int,
                      eps: float) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """`group_norm`, and each group's mean and one over its standard deviation (``torch.native_group_norm``).

    >>> import kuai as torch
    >>> torch.native_group_norm(torch.tensor([[1., 3.]]), None, None, 1, 2, 1, 1, 1e-5)[1]
    tensor([[2.]])
    """
    made = normalization.group_norm(input, group, weight, bias, eps)
    return made, *_statistics(input.reshape(N, group, C // group * HxW), (2,), False, eps)


# ---- convolutions and pools ------------------------------------------------------------------------------------------


def convolution(input: Tensor, weight: Tensor, bias: Tensor | None, stride: Sequence[int], padding: Sequence[int],
                dilation: Sequence[int], transposed: bool, output_padding: Sequence[int], groups: int) -> Tensor:  # fmt: skip
    """A convolution or a transposed one, of as many dimensions as the weight has (``torch.convolution``).

    >>> import kuai as torch
    >>> torch.convolution(torch.arange(5.).view(1, 1, 5), torch.ones(1, 1, 3), None, [1], [0], [1], False, [0], 1)
    tensor([[[3., 6., 9.]]])
    """
    name = f"conv{'_transpose' if transposed else ''}{weight.ndim - 2}d"
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    if transposed:
        options["output_padding"] = output_padding
    return getattr(convolutions, name)(input, weight, bias, **options)


def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """A convolution over (time, batch, channels), with weights (places, in, out) (``torch.conv_tbc``).

    >>> import kuai as torch
    >>> torch.nn.functional.conv_tbc(torch.ones(5, 2, 3), torch.ones(3, 3, 4), torch.zeros(4)).shape
    torch.Size([3, 2, 4])
    """
    return convolutions.conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad).permute(2, 0, 1)


def adaptive_max_pool1d(input: Tensor, output_size: object) -> tuple[Tensor, Tensor]:
    """`torch.nn.functional.adaptive_max_pool1d` with the indices (``torch.adaptive_max_pool1d``).

    >>> import kuai as torch
    >>> torch.adaptive_max_pool1d(torch.tensor([[1., 3., 2., 0.]]), 2)
    (tensor([[3., 2.]]), tensor([[1, 2]]))
    """
    return adaptive_pooling.adaptive_max_pool1d(input, output_size, return_indices=True)


def affine_grid_generator(theta: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    """`torch.nn.functional.affine_grid` (``torch.affine_grid_generator``).

    >>> import kuai as torch
    >>> torch.affine_grid_generator(torch.eye(2, 3).unsqueeze(0), (1, 1, 1, 2), True)
    tensor([[[[-1.,  0.],
              [ 1.,  0.]]]])
    """
    return sampling.affine_grid(theta, size, align_corners)


METHODS = ()
INPLACE = ()
