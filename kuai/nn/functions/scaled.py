"""Products of float8 matrices by recipes that say what their scales are of (``torch.nn.functional.scaled_mm``)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from ... import dtypes
from ...ops.scaled import _scaled_mm_v2
from ...tensor import Tensor


class ScalingType(Enum):
    """What each scale is of (``torch.nn.functional.ScalingType``): the whole matrix, a row, or a block."""

    TensorWise, RowWise, BlockWise1x16, BlockWise1x32, BlockWise1x128, BlockWise128x128 = range(6)


class SwizzleType(Enum):
    """How scales of blocks lie in memory (``torch.nn.functional.SwizzleType``)."""

    NO_SWIZZLE, SWIZZLE_32_4_4 = range(2)


Scales = Tensor | Sequence[Tensor]
Recipes = ScalingType | Sequence[ScalingType]
Swizzles = SwizzleType | Sequence[SwizzleType] | None


def scaled_mm(mat_a: Tensor, mat_b: Tensor, scale_a: Scales, scale_recipe_a: Recipes, scale_b: Scales, scale_recipe_b: Recipes,
              swizzle_a: Swizzles = None, swizzle_b: Swizzles = None, bias: Tensor | None = None,
              output_dtype: dtypes.dtype | None = dtypes.bfloat16, contraction_dim: Sequence[int] = (),
              use_fast_accum: bool = False) -> Tensor:  # fmt: skip
    """``(mat_a * scale_a) @ (mat_b * scale_b) + bias`` of float8 matrices (``torch.nn.functional.scaled_mm``).

    The recipes TensorWise and RowWise are there, as on PyTorch's CPU; NotImplementedError for scales of blocks.

    >>> import kuai as torch
    >>> F = torch.nn.functional
    >>> x, half = torch.ones(2, 4).to(torch.float8_e4m3fn), torch.tensor(0.5)
    >>> F.scaled_mm(x, x.t(), half, F.ScalingType.TensorWise, half, F.ScalingType.TensorWise)
    tensor([[1., 1.],
            [1., 1.]], dtype=torch.bfloat16)
    """
    return _scaled_mm_v2(
        mat_a, mat_b, _listed(scale_a), _numbers(scale_recipe_a), _numbers(swizzle_a), _listed(scale_b), _numbers(scale_recipe_b),
        _numbers(swizzle_b), bias, output_dtype, contraction_dim, use_fast_accum,
    )  # fmt: skip


def _listed(given: object) -> list:
    if given is None:
        return []
    return list(given) if isinstance(given, (list, tuple)) else [given]


def _numbers(given: object) -> list[int]:
    return [kind.value for kind in _listed(given)]


def scaled_grouped_mm(mat_a: Tensor, mat_b: Tensor, scale_a: Scales, scale_recipe_a: Recipes, scale_b: Scales,
                      scale_recipe_b: Recipes, swizzle_a: Swizzles = None, swizzle_b: Swizzles = None,
                      bias: Tensor | None = None, offs: Tensor | None = None,
                      output_dtype: dtypes.dtype | None = dtypes.bfloat16, contraction_dim: Sequence[int] = (),
                      use_fast_accum: bool = False) -> Tensor:  # fmt: skip
    """NotImplementedError, as on PyTorch's CPU (``torch.nn.functional.scaled_grouped_mm``)."""
    raise NotImplementedError("scaled_grouped_mm: there is no kernel; multiply the scales in and call grouped_mm")
