"""PyTorch's operators below its public functions: copies, losses with numbered reductions, padding and resizing by kind.

`aten` finds them by name. Each is made of public functions, and differentiates as those do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import kuai
from kuai.nn import functional as F

from ..ops.inner import index
from ..sparse import functions as sparse
from ..tensor import Tensor

_REDUCTIONS = ("none", "mean", "sum")

# ---- copies ----------------------------------------------------------------------------------------------------------


def _to_copy(self: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool | None = None,
             non_blocking: bool = False, memory_format: Any = None) -> Tensor:  # fmt: skip
    """A copy of another dtype, or on another device (``torch.ops.aten._to_copy``)."""
    return self.to(device=device, dtype=dtype, copy=True)


def _pin_memory(self: Any, device: Any = None) -> Tensor:
    """`Tensor.pin_memory` (``torch.ops.aten._pin_memory``)."""
    return self.pin_memory()


def _unsafe_view(self: Any, size: Sequence[int]) -> Tensor:
    """A reshaped copy (``torch.ops.aten._unsafe_view``)."""
    return self.clone().view(size)


def _reshape_alias(self: Any, size: Sequence[int], stride: Sequence[int]) -> Tensor:
    """A view by size and stride (``torch.ops.aten._reshape_alias``)."""
    return self.as_strided(size, stride)


def lift_fresh(self: Tensor) -> Tensor:
    """The tensor itself (``torch.ops.aten.lift_fresh``)."""
    return self


lift = lift_fresh


def copy(self: Any, src: Any, non_blocking: bool = False) -> Tensor:
    """Another tensor's elements in the shape and dtype of the first (``torch.ops.aten.copy``)."""
    return src.expand(self.shape).to(device=self.device, dtype=self.dtype, copy=True)


def _local_scalar_dense(self: Any) -> Any:
    """The number that a tensor of one element is (``torch.ops.aten._local_scalar_dense``)."""
    return self.item()


def zero(self: Tensor) -> Tensor:
    """Zeros like a tensor (``torch.ops.aten.zero``)."""
    return kuai.zeros_like(self)


def _stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """`stack` (``torch.ops.aten._stack``)."""
    return kuai.stack(tensors, dim)


def _unsafe_index(self: Any, indices: Sequence[Tensor | None]) -> Tensor:
    """Indexing with tensors (``torch.ops.aten._unsafe_index``)."""
    return index(self, indices)


# ---- losses ----------------------------------------------------------------------------------------------------------


def l1_loss(self: Tensor, target: Tensor, reduction: int = 1) -> Tensor:
    """`nn.functional.l1_loss` (``torch.ops.aten.l1_loss``)."""
    return F.l1_loss(self, target, reduction=_REDUCTIONS[reduction])


def mse_loss(self: Tensor, target: Tensor, reduction: int = 1) -> Tensor:
    """`nn.functional.mse_loss` (``torch.ops.aten.mse_loss``)."""
    return F.mse_loss(self, target, reduction=_REDUCTIONS[reduction])


def smooth_l1_loss(self: Tensor, target: Tensor, reduction: int = 1, beta: float = 1.0) -> Tensor:
    """`nn.functional.smooth_l1_loss` (``torch.ops.aten.smooth_l1_loss``)."""
    return F.smooth_l1_loss(self, target, reduction=_REDUCTIONS[reduction], beta=beta)


def huber_loss(self: Tensor, target: Tensor, reduction: int = 1, delta: float = 1.0) -> Tensor:
    """`nn.functional.huber_loss` (``torch.ops.aten.huber_loss``)."""
    return F.huber_loss(self, target, _REDUCTIONS[reduction], delta)


def soft_margin_loss(self: Tensor, target: Tensor, reduction: int = 1) -> Tensor:
    """`nn.functional.soft_margin_loss` (``torch.ops.aten.soft_margin_loss``)."""
    return F.soft_margin_loss(self, target, reduction=_REDUCTIONS[reduction])


def binary_cross_entropy(self: Tensor, target: Tensor, weight: Tensor | None = None, reduction: int = 1) -> Tensor:
    """`nn.functional.binary_cross_entropy` (``torch.ops.aten.binary_cross_entropy``)."""
    return F.binary_cross_entropy(self, target, weight, reduction=_REDUCTIONS[reduction])


def nll_loss(self: Tensor, target: Tensor, weight: Tensor | None = None, reduction: int = 1, ignore_index: int = -100) -> Tensor:
    """`nn.functional.nll_loss` (``torch.ops.aten.nll_loss``)."""
    return F.nll_loss(self, target, weight, ignore_index=ignore_index, reduction=_REDUCTIONS[reduction])


nll_loss2d = nll_loss_nd = nll_loss


def nll_loss_forward(self: Any, target: Any, weight: Any, reduction: int, ignore_index: int) -> tuple[Tensor, Tensor]:
    """`nll_loss`, and the weight of all targets together (``torch.ops.aten.nll_loss_forward``)."""
    loss = nll_loss(self, target, weight, reduction, ignore_index)
    if reduction == 0:
        return loss, self.new_zeros(())
    counted = target != ignore_index
    each = self.new_ones(target.shape) if weight is None else weight[target.where(counted, 0)]
    return loss, (each * counted).sum()


nll_loss2d_forward = nll_loss_forward


def cross_entropy_loss(self: Tensor, target: Tensor, weight: Tensor | None = None, reduction: int = 1, ignore_index: int = -100,
                       label_smoothing: float = 0.0) -> Tensor:  # fmt: skip
    """`nn.functional.cross_entropy` (``torch.ops.aten.cross_entropy_loss``)."""
    how = _REDUCTIONS[reduction]
    return F.cross_entropy(self, target, weight, ignore_index=ignore_index, reduction=how, label_smoothing=label_smoothing)


# ---- activations -----------------------------------------------------------------------------------------------------


def log_sigmoid_forward(self: Any) -> tuple[Tensor, Tensor]:
    """`nn.functional.logsigmoid`, and an empty tensor for what PyTorch keeps (``torch.ops.aten.log_sigmoid_forward``)."""
    return F.logsigmoid(self), self.new_empty(0)


def _in_place(function: Callable) -> Callable:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self.copy_(function(self, *args, **kwargs))

    call.__doc__ = f"`nn.functional.{function.__name__}` into its input (``torch.ops.aten.{function.__name__}_``)."
    return call


_activations: list[Any] = [F.gelu, F.hardsigmoid, F.hardswish, F.mish, F.relu6, F.silu]
gelu_, hardsigmoid_, hardswish_, mish_, relu6_, silu_ = map(_in_place, _activations)

# ---- padding, pooling, resizing --------------------------------------------------------------------------------------


def reflection_pad1d(self: Tensor, padding: Sequence[int]) -> Tensor:
    """Padding by reflection (``torch.ops.aten.reflection_pad1d`` and its kin)."""
    return F.pad(self, list(padding), "reflect")


def replication_pad1d(self: Tensor, padding: Sequence[int]) -> Tensor:
    """Padding by the elements at the edge (``torch.ops.aten.replication_pad1d`` and its kin)."""
    return F.pad(self, list(padding), "replicate")


reflection_pad2d = reflection_pad3d = reflection_pad1d
replication_pad2d = replication_pad3d = replication_pad1d


def _adaptive_avg_pool2d(self: Tensor, output_size: Any) -> Tensor:
    """`nn.functional.adaptive_avg_pool2d` (``torch.ops.aten._adaptive_avg_pool2d``)."""
    return F.adaptive_avg_pool2d(self, output_size)


def _adaptive_avg_pool3d(self: Tensor, output_size: Any) -> Tensor:
    """`nn.functional.adaptive_avg_pool3d` (``torch.ops.aten._adaptive_avg_pool3d``)."""
    return F.adaptive_avg_pool3d(self, output_size)


def _resizing(mode: str, name: str) -> Callable:
    """The operator that resizes in one way: its sizes come first, its scales last, one for each dimension or in one list."""
    smooth = mode in ("linear", "bilinear", "bicubic", "trilinear")

    def resize(input: Any, output_size: Any, *rest: Any, **named: Any) -> Tensor:
        scales = [s for r in (*rest[smooth:], *named.values()) for s in (r if isinstance(r, (list, tuple)) else [r]) if type(s) is float]
        align = bool(named.pop("align_corners", rest[0] if rest and smooth else False)) if smooth else None
        by = {"size": list(output_size)} if output_size is not None else {"scale_factor": scales}
        return F.interpolate(input, **by, mode=mode, align_corners=align)

    resize.__name__ = resize.__qualname__ = name
    resize.__doc__ = f'`nn.functional.interpolate` with mode="{mode}" (``torch.ops.aten.{name}``).'
    return resize


upsample_nearest1d, upsample_nearest2d, upsample_nearest3d = (_resizing("nearest", f"upsample_nearest{n}d") for n in (1, 2, 3))
_upsample_nearest_exact1d, _upsample_nearest_exact2d, _upsample_nearest_exact3d = (
    _resizing("nearest-exact", f"_upsample_nearest_exact{n}d") for n in (1, 2, 3)
)
upsample_linear1d = _resizing("linear", "upsample_linear1d")
upsample_bilinear2d = _resizing("bilinear", "upsample_bilinear2d")
upsample_bicubic2d = _resizing("bicubic", "upsample_bicubic2d")
upsample_trilinear3d = _resizing("trilinear", "upsample_trilinear3d")

# ---- sparse matrices -------------------------------------------------------------------------------------------------


def _sparse_addmm(self: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """`sparse.addmm` (``torch.ops.aten._sparse_addmm``)."""
    return sparse.addmm(self, mat1, mat2, beta=beta, alpha=alpha)


def _sparse_mm(mat1: Tensor, mat2: Tensor, reduce: str = "sum") -> Tensor:
    """`sparse.mm` (``torch.ops.aten._sparse_mm``)."""
    return sparse.mm(mat1, mat2, reduce)


def _sparse_softmax(self: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """`sparse.softmax` (``torch.ops.aten._sparse_softmax``)."""
    return sparse.softmax(self, dim, dtype=dtype)


def _sparse_log_softmax(self: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """`sparse.log_softmax` (``torch.ops.aten._sparse_log_softmax``)."""
    return sparse.log_softmax(self, dim, dtype=dtype)


def _sparse_sum(self: Tensor, dim: Any = None, *, dtype: Any = None) -> Tensor:
    """`sparse.sum` (``torch.ops.aten._sparse_sum``)."""
    return sparse.sum(self, dim, dtype)
