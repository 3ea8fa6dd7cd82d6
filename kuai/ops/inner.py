"""Functions that PyTorch's own operators are made of: derivatives of softmax and pools, unchecked indexing, chunked joining."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import index as as_int

from .. import dtypes
from ..autograd.function import constant_in
from ..tensor import Tensor
from . import rules
from .comparison import where
from .define import write_out
from .joining import cat
from .padding import constant_pad_nd
from .resampling import resized
from .rules import normalize_dim
from .softmax import log_softmax, softmax
from .subscript import put_tensors

# ---- softmax ---------------------------------------------------------------------------------------------------------


def _half_to_float(input: Tensor, asked: bool) -> dtypes.dtype | None:
    if asked and input.dtype is not dtypes.float16:
        raise RuntimeError("softmax with half to float conversion is not supported on CPU: the input is not of float16")
    return dtypes.float32 if asked else None


def _softmax(input: Tensor, dim: int, half_to_float: bool) -> Tensor:
    """`softmax` (``torch._softmax``), of half types in float32 if asked for.

    >>> import kuai as torch
    >>> torch._softmax(torch.zeros(2), 0, False)
    tensor([0.5000, 0.5000])
    """
    return softmax(input, dim, dtype=_half_to_float(input, half_to_float))


def _log_softmax(input: Tensor, dim: int, half_to_float: bool) -> Tensor:
    """`log_softmax` (``torch._log_softmax``), of half types in float32 if asked for.

    >>> import kuai as torch
    >>> torch._log_softmax(torch.zeros(2), 0, False)
    tensor([-0.6931, -0.6931])
    """
    return log_softmax(input, dim, dtype=_half_to_float(input, half_to_float))


def _safe_softmax(input: Tensor, dim: int, dtype: object = None) -> Tensor:
    """`softmax` that gives zeros where all is -inf (``torch._safe_softmax``).

    >>> import kuai as torch
    >>> torch._safe_softmax(torch.tensor([-torch.inf, -torch.inf]), 0)
    tensor([0., 0.])
    """
    nothing = (input == -math.inf).all(dim, keepdim=True)
    return softmax(input.masked_fill(nothing, 0), dim, dtype=dtype).masked_fill(nothing, 0)


def _softmax_backward_data(grad_output: Tensor, output: Tensor, dim: int, input_dtype: object) -> Tensor:
    """What softmax gives back for its result and a cotangent (``torch._softmax_backward_data``).

    >>> import kuai as torch
    >>> torch._softmax_backward_data(torch.tensor([1., 0.]), torch.tensor([0.5, 0.5]), 0, torch.float32)
    tensor([ 0.2500, -0.2500])
    """
    _need_alike("softmax_backward_lastdim_kernel_impl", grad_output, output)
    weighted = grad_output * output
    return (weighted - output * weighted.sum(dim, True)).to(input_dtype)


def _need_alike(name: str, grad: Tensor, output: Tensor) -> None:
    """A cotangent and a result have one shape and one dtype, which is a real one."""
    if grad.shape != output.shape:
        raise RuntimeError(f"{name}: Expected 'grad' to have same size as 'output', but got {list(grad.shape)} and {list(output.shape)}")
    rules.need_category(name, grad.dtype, 2)
    if grad.dtype is not output.dtype:
        raise RuntimeError(f"{name}: expected scalar type {rules._cname(grad.dtype)} but found {rules._cname(output.dtype)}")


def _log_softmax_backward_data(grad_output: Tensor, output: Tensor, dim: int, input_dtype: object) -> Tensor:
    """What log_softmax gives back for its result and a cotangent (``torch._log_softmax_backward_data``).

    >>> import kuai as torch
    >>> torch._log_softmax_backward_data(torch.tensor([1., 0.]), torch.tensor([0.5, 0.5]).log(), 0, torch.float32)
    tensor([ 0.5000, -0.5000])
    """
    return (grad_output - output.exp() * grad_output.sum(dim, True)).to(input_dtype)


# ---- dropout and pools -----------------------------------------------------------------------------------------------


def native_dropout_backward(grad_output: Tensor, mask: Tensor, scale: float) -> Tensor:
    """What dropout gives back for a cotangent (``torch.ops.aten.native_dropout_backward``).

    >>> import kuai as torch
    >>> torch.ops.aten.native_dropout_backward(torch.ones(2), torch.tensor([True, False]), 2.0)
    tensor([2., 0.])
    """
    return grad_output * mask * scale


def max_pool2d_with_indices_backward(grad_output: Tensor, self: Tensor, kernel_size: object, stride: object, padding: object,
                                     dilation: object, ceil_mode: bool, indices: Tensor) -> Tensor:  # fmt: skip
    """What a max pool gives back for a cotangent: each goes to the place that won.

    >>> import kuai as torch
    >>> x = torch.tensor([[[1., 5.], [2., 3.]]])
    >>> where = torch.tensor([[[1]]])
    >>> torch.ops.aten.max_pool2d_with_indices_backward(torch.ones(1, 1, 1), x, 2, 2, 0, 1, False, where)
    tensor([[[0., 1.],
             [0., 0.]]])
    """
    if grad_output.shape != indices.shape:
        raise RuntimeError(
            "max_pool2d_with_indices_backward: expected a cotangent and indices of one shape, but got "
            f"{list(grad_output.shape)} and {list(indices.shape)}"
        )
    rules.need_category("max_pool2d_backward", grad_output.dtype, 2)
    flat = grad_output.new_zeros((*self.shape[:-2], self.shape[-2] * self.shape[-1]))
    made = flat.scatter_add(-1, indices.flatten(-2), grad_output.flatten(-2)).reshape(self.shape)
    return made if made.requires_grad else constant_in(made, "MaxPool2DWithIndicesBackwardBackward0", self)


# ---- indexing that nobody checks -------------------------------------------------------------------------------------


def _clamped(self: Tensor, indices: Sequence[Tensor | None]) -> tuple:
    """Indices that lie in the tensor, for those masked out that do not."""
    return tuple(None if i is None else i.clamp(-n, n - 1) for i, n in zip(indices, self.shape))


def _unsafe_masked_index(self: Tensor, mask: Tensor, indices: Sequence[Tensor | None], fill: float) -> Tensor:
    """The elements at indices, and ``fill`` where the mask is False (``torch._unsafe_masked_index``).

    >>> import kuai as torch
    >>> torch._unsafe_masked_index(torch.tensor([1., 2.]), torch.tensor([True, False]), [torch.tensor([1, 9])], 0.0)
    tensor([2., 0.])
    """
    if not self.numel():
        raise IndexError("_unsafe_masked_index: there is no element to take from a tensor that has none")
    return where(mask, index(self, _clamped(self, indices)), self.new_full((), fill))  # type: ignore[return-value]


def _unsafe_masked_index_put_accumulate(self: Tensor, mask: Tensor, indices: Sequence[Tensor | None], values: Tensor) -> Tensor:
    """The tensor with values added at indices, where the mask is True (``torch._unsafe_masked_index_put_accumulate``).

    >>> import kuai as torch
    >>> at, mask = [torch.tensor([1, 9])], torch.tensor([True, False])
    >>> torch._unsafe_masked_index_put_accumulate(torch.zeros(2), mask, at, torch.ones(2))
    tensor([0., 1.])
    """
    return index_put(self, _clamped(self, indices), values.masked_fill(~mask, 0), accumulate=True)


def index(self: Tensor, indices: Sequence[Tensor | None]) -> Tensor:
    """The elements at indices, None for a whole dimension (``torch.ops.aten.index``).

    >>> import kuai as torch
    >>> torch.ops.aten.index(torch.tensor([[1, 2], [3, 4]]), [None, torch.tensor([1])])
    tensor([[2],
            [4]])
    """
    if all(i is None for i in indices):
        raise IndexError("index(): at least one index must be provided")
    return self[tuple(slice(None) if i is None else i for i in indices)]


def index_put_(self: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False) -> Tensor:
    """Put values at indices, None for a whole dimension (``torch.ops.aten.index_put_``).

    >>> import kuai as torch
    >>> torch.ops.aten.index_put_(torch.zeros(2, 2), [None, torch.tensor([1])], torch.tensor(3.))
    tensor([[0., 3.],
            [0., 3.]])
    """
    put_tensors(self, tuple(indices), values, accumulate)
    return self


def index_put(self: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False) -> Tensor:
    """The tensor with values at indices, None for a whole dimension (``torch.ops.aten.index_put``).

    >>> import kuai as torch
    >>> torch.ops.aten.index_put(torch.zeros(2, 2), [None, torch.tensor([1])], torch.tensor(3.))
    tensor([[0., 3.],
            [0., 3.]])
    """
    return index_put_(self.clone(), indices, values, accumulate)


def alias(self: Tensor) -> Tensor:
    """A view of the whole tensor (``torch.ops.aten.alias``).

    >>> import kuai as torch
    >>> x = torch.zeros(2)
    >>> torch.ops.aten.alias(x)._base is x
    True
    """
    return self.view_as(self)  # type: ignore[attr-defined]


# ---- joining ---------------------------------------------------------------------------------------------------------


def _chunk_cat(tensors: Sequence[Tensor], dim: int, num_chunks: int, *, out: Tensor | None = None) -> Tensor:
    """Each tensor cut into chunks of a dimension, padded by zeros, flattened, and joined chunk by chunk (``torch._chunk_cat``).

    >>> import kuai as torch
    >>> torch._chunk_cat([torch.tensor([1, 2, 3]), torch.tensor([4, 5])], 0, 2)
    tensor([[1, 2, 4],
            [3, 0, 5]])
    """
    at = _check_chunk_cat(tensors, dim, num_chunks)
    made = cat([_chunked(t, at, num_chunks) for t in tensors], at + 1)
    return made if out is None else write_out(out, made)


def _chunked(t: Tensor, at: int, n: int) -> Tensor:
    more = -t.shape[at] % n
    padded = constant_pad_nd(t, (0, 0) * (t.ndim - 1 - at) + (0, more)) if more else t
    return padded.reshape(*t.shape[:at], n, -1)


def _check_chunk_cat(tensors: Sequence[Tensor], dim: int, n: int) -> int:
    if n < 1:
        raise RuntimeError(f"_chunk_cat expects positive num_chunks, got num_chunks: {n}")
    if not tensors:
        raise RuntimeError("_chunk_cat expects a non-empty input tensor list")
    first = tensors[0]
    for t in tensors:
        if t.dtype is not first.dtype or t.device is not first.device:
            raise RuntimeError(f"_chunk_cat expects all input tensors of one dtype and device, but got {first.dtype} and {t.dtype}")
        if not t.numel():
            raise RuntimeError(f"_chunk_cat expects non-empty tensor, got one of shape {list(t.shape)}")
    if dim < 0 and any(t.ndim != first.ndim for t in tensors):
        raise RuntimeError("_chunk_cat expects non-negative dim when input tensors have different ndims")
    dim = normalize_dim(dim, first.ndim)
    for t in tensors:
        if dim >= t.ndim:
            raise RuntimeError(f"_chunk_cat expects dim < ndim for all input tensors, got dim {dim} and shape {list(t.shape)}")
        if t.shape[:dim] != first.shape[:dim]:
            raise RuntimeError(
                f"_chunk_cat expects same sizes of 0,...,dim-1 dimensions for all tensors, got {list(first.shape)} and "
                f"{list(t.shape)}"
            )
    return dim


# ---- resampling ------------------------------------------------------------------------------------------------------


def _upsample_bilinear2d_aa(input: Tensor, output_size: Sequence[int] | None, align_corners: bool, scales_h: object = None,
                            scales_w: float | None = None, *, scale_factors: Sequence[float] | None = None) -> Tensor:  # fmt: skip
    """`interpolate` by triangles that are widened where the image is made smaller (``torch.ops.aten._upsample_bilinear2d_aa``).

    >>> import kuai as torch
    >>> torch.ops.aten._upsample_bilinear2d_aa(torch.arange(4.).view(1, 1, 1, 4), (1, 2), False)
    tensor([[[[0.7143, 2.2857]]]])
    """
    return _antialiased("linear", input, output_size, align_corners, scales_h, scales_w, scale_factors)


def _upsample_bicubic2d_aa(input: Tensor, output_size: Sequence[int] | None, align_corners: bool, scales_h: object = None,
                           scales_w: float | None = None, *, scale_factors: Sequence[float] | None = None) -> Tensor:  # fmt: skip
    """`interpolate` by cubics that are widened where the image is made smaller (``torch.ops.aten._upsample_bicubic2d_aa``).

    >>> import kuai as torch
    >>> torch.ops.aten._upsample_bicubic2d_aa(torch.ones(1, 1, 2, 4), (1, 2), False)
    tensor([[[[1., 1.]]]])
    """
    return _antialiased("cubic", input, output_size, align_corners, scales_h, scales_w, scale_factors)


def _antialiased(kind: str, x: Tensor, size: Sequence[int] | None, align: bool, h: object, w: float | None,
                 factors: Sequence[float] | None) -> Tensor:  # fmt: skip
    if isinstance(h, (tuple, list)):  # the overload that takes both factors as one
        h, factors = None, h
    if x.ndim != 4 or (size is None) == (factors is None):
        raise RuntimeError(
            f"antialiased {kind} resampling needs an input of 4 dimensions, and either a size or factors; got shape "
            f"{list(x.shape)}, size {size} and factors {factors}"
        )
    if size is not None and len(size) != 2:
        raise RuntimeError(f"It is expected output_size equals to 2, but got size {len(size)}")
    after = tuple(map(as_int, size)) if size is not None else tuple(int(n * f) for n, f in zip(x.shape[2:], factors or ()))
    if min(*after, *x.shape[2:]) <= 0:
        raise RuntimeError(f"Input and output sizes should be greater than 0, but got input {list(x.shape[2:])} output {after}")
    rules.need_wide("compute_index_ranges_weights", x._aval)
    scales = (h or 0.0, w or 0.0) if factors is None else tuple(factors)
    return resized(x, f"antialiased {kind}", after, scales, align)  # type: ignore[arg-type]
