"""Products of float8 matrices that carry scales (``torch._scaled_mm``)."""

from __future__ import annotations

from collections.abc import Sequence

from .. import dtypes
from ..tensor import Tensor
from .define import write_out

WHOLE, ROWS = 0, 1  # of torch.nn.functional.ScalingType: one scale for the matrix, or one for each row


def _scaled_mm(self: Tensor, mat2: Tensor, scale_a: Tensor, scale_b: Tensor, bias: Tensor | None = None,
               scale_result: Tensor | None = None, out_dtype: object = None, use_fast_accum: bool = False, *,
               out: Tensor | None = None) -> Tensor:  # fmt: skip
    """``(self * scale_a) @ (mat2 * scale_b) + bias`` of float8 matrices, summed in float32, in ``out_dtype``.

    A scale is one number, or ``self`` has one for each row and ``mat2`` one for each column.

    >>> import kuai as torch
    >>> x, one = torch.ones(2, 4).to(torch.float8_e4m3fn), torch.tensor(0.5)
    >>> torch._scaled_mm(x, x.t(), one, one, out_dtype=torch.float32)
    tensor([[1., 1.],
            [1., 1.]])
    """
    _check_matrices(self, mat2, bias)
    if scale_result is not None:
        raise NotImplementedError("_scaled_mm: scale_result is missing; multiply before converting to float8")
    single = scale_a.numel() == scale_b.numel() == 1
    if not (_is_float8(self) and _is_float8(mat2) and scale_a.dtype is scale_b.dtype is dtypes.float32) or not (
        single or (tuple(scale_a.shape) == (len(self), 1) and tuple(scale_b.shape) == (1, mat2.shape[1]))
    ):
        raise ValueError(
            "Invalid scaling configuration. _scaled_mm needs float8 matrices and float32 scales: one number each, or shapes "
            f"({len(self)}, 1) and (1, {mat2.shape[1]}); got {self.dtype}, {mat2.dtype} and scales {list(scale_a.shape)}, "
            f"{list(scale_b.shape)}"
        )
    if single:
        scale_a, scale_b = scale_a.reshape(()), scale_b.reshape(())
    made = (self.float() @ mat2.float()) * scale_a * scale_b
    made = _saturated(made if bias is None else made + bias, dtypes.as_dtype(out_dtype or self.dtype))
    return made if out is None else write_out(out, made)


def _is_float8(x: Tensor) -> bool:
    return x.dtype.is_floating_point and x.dtype.itemsize == 1


def _saturated(x: Tensor, d: dtypes.dtype) -> Tensor:
    """The tensor in a dtype; what is too large for float8 becomes its largest number, not nan."""
    if d.is_floating_point and d.itemsize == 1:
        x = x.clamp(dtypes.finfo(d).min, dtypes.finfo(d).max)
    return x.to(d)


def _check_matrices(a: Tensor, b: Tensor, bias: Tensor | None) -> None:
    for x, name in ((a, "mat1"), (b, "mat2")):
        if x.ndim != 2:
            raise RuntimeError(f"{name} must be a matrix, got shape {list(x.shape)}")
    if a.shape[1] != b.shape[0]:
        raise RuntimeError(
            f"mat_a and mat_b shapes cannot be multiplied ({a.shape[0]}x{a.shape[1]} and {b.shape[0]}x{b.shape[1]})"
        )
    if bias is not None and bias.numel() != b.shape[1]:
        raise RuntimeError(f"Bias must be size {b.shape[1]} but got {bias.numel()}")


def _scaled_mm_v2(self: Tensor, mat2: Tensor, scale_a: Sequence[Tensor], recipe_a: Sequence[int], swizzle_a: Sequence[int],
                  scale_b: Sequence[Tensor], recipe_b: Sequence[int], swizzle_b: Sequence[int], bias: Tensor | None = None,
                  out_dtype: object = None, contraction_dim: Sequence[int] = (), use_fast_accum: bool = False, *,
                  out: Tensor | None = None) -> Tensor:  # fmt: skip
    """`_scaled_mm` with recipes that say what the scales are of: 0 the whole matrix, 1 each row.

    >>> import kuai as torch
    >>> x, one = torch.ones(2, 4).to(torch.float8_e4m3fn), torch.tensor(0.5)
    >>> torch._scaled_mm_v2(x, x.t(), [one], [0], [], [one], [0], [], None, torch.float32)
    tensor([[1., 1.],
            [1., 1.]])
    """
    recipes = tuple(recipe_a), tuple(recipe_b)
    if recipes not in (((WHOLE,), (WHOLE,)), ((ROWS,), (ROWS,))) or any(swizzle_a) or any(swizzle_b) or contraction_dim:
        raise NotImplementedError(
            "_scaled_mm_v2: only scales of whole matrices (recipe 0) or of rows (recipe 1) are there, neither swizzled nor in "
            f"blocks; got recipes {recipes}"
        )
    a, b = scale_a[0], scale_b[0]
    if recipes == ((ROWS,), (ROWS,)):
        a, b = a.reshape(-1, 1), b.reshape(1, -1)
    return _scaled_mm(self, mat2, a, b, bias, None, out_dtype, use_fast_accum, out=out)
