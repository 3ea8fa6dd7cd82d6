"""Shape rules by kind: from the operands' avals to the results', and the dtype to compute in.

A rule runs once for each new state of the trie and raises what PyTorch raises: shapes, dtypes, devices. It is called as
``rule(op, avals, **static)``, where a Python number stands as its type and an absent operand as None.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from .. import dtypes
from ..devices import cpu, device
from ..dtypes import dtype
from ..engine.program import Aval, Op


def tensors(avals: Sequence) -> list[Aval]:
    return [a for a in avals if type(a) is Aval]


def common_device(op: Op, avals: Sequence) -> device:
    """The device of all operands; numbers on the CPU may join any."""
    found: Aval | None = None
    for a in tensors(avals):
        if found is None or (found.device is cpu and not found.shape and a.device is not cpu):
            found = a
        elif a.device is not found.device and not (a.device is cpu and not a.shape):
            raise RuntimeError(
                f"{op.name}: Expected all tensors to be on the same device, but found at least two devices, "
                f"{found.device} ({found}) and {a.device} ({a})! Move one with .to('{a.device}')"
            )
    return found.device if found is not None else cpu


def result_dtype(avals: Sequence) -> dtype:
    """PyTorch's promotion: dimensioned tensors first, then 0-dimensional ones, then Python numbers, by category."""
    dimensioned, zero, kinds = None, None, []
    for a in avals:
        if type(a) is Aval:
            if a.shape:
                dimensioned = a.dtype if dimensioned is None else dtypes.promote_types(dimensioned, a.dtype)
            else:
                zero = a.dtype if zero is None else dtypes.promote_types(zero, a.dtype)
        elif a is not None:
            kinds.append(a)
    found = dimensioned if dimensioned is not None else zero
    if dimensioned is not None and zero is not None and zero.category > dimensioned.category:
        found = dtypes.promote_types(dimensioned, zero) if zero.category == 3 else zero
    if found is None:
        return max((dtypes.default_for(k) for k in kinds), key=lambda d: d.category)
    for kind in kinds:
        found = dtypes.promote_scalar(found, kind)
    return found


@cache
def _range(d: dtype) -> tuple[float, float]:
    """The least and the greatest number that converts to a dtype; negative ones wrap in unsigned dtypes."""
    if d.category > 1:
        greatest = dtypes.finfo(d).max
        return -greatest, greatest
    limits = np.iinfo(d.numpy)
    return min(int(limits.min), 0) if d.is_signed else -int(limits.max), int(limits.max)


def need_fit(value: object, d: dtype, name: str) -> None:
    """Refuse a number that a dtype cannot hold, which PyTorch would not put into a tensor either."""
    if d.category == 0 or type(value) is bool:
        return
    if type(value) is complex:
        if d.category == 3:
            return
        value = value.real if not value.imag else None
    low, high = _range(d)
    if type(value) is float and not d.is_signed:
        low = 0
    if value is None or not low <= value <= high and (d.category < 2 or math.isfinite(value)):
        raise RuntimeError(f"{name}: value cannot be converted to type {d} without overflow")


def broadcast_shapes(op_name: str, *shapes: Sequence[int]) -> tuple[int, ...]:
    """The common shape, or PyTorch's error with the op's name."""
    out: list[int] = []
    for shape in shapes:
        out[:0] = [1] * (len(shape) - len(out))
        for i in range(1, len(shape) + 1):
            if shape[-i] != 1:
                if out[-i] not in (1, shape[-i]):
                    raise RuntimeError(
                        f"{op_name}: The size of tensor a ({out[-i]}) must match the size of tensor b ({shape[-i]}) at "
                        f"non-singleton dimension {len(out) - i}; got shapes {', '.join(str(list(s)) for s in shapes)}"
                    )
                out[-i] = shape[-i]
    return tuple(out)


def _joint(op: Op, avals: Sequence) -> tuple[tuple[int, ...], device]:
    shapes = [a.shape for a in tensors(avals)]
    shape = shapes[0] if len(shapes) == 1 else broadcast_shapes(op.name, *shapes)
    return shape, common_device(op, avals)


def broadcast(op: Op, avals: Sequence, **static: object) -> tuple:
    """Elementwise in the promoted dtype."""
    shape, where = _joint(op, avals)
    found = result_dtype(avals)
    return Aval(shape, found, where), found


def same(op: Op, avals: Sequence, **static: object) -> tuple:
    """As the first operand; the others are converted to its dtype."""
    (first, *_), where = avals, common_device(op, avals)
    return Aval(first.shape, first.dtype, where), first.dtype


def float_broadcast(op: Op, avals: Sequence, **static: object) -> tuple:
    """Elementwise in floating point: integers become the default dtype."""
    shape, where = _joint(op, avals)
    found = floating(result_dtype(avals))
    return Aval(shape, found, where), found


def floating(d: dtype) -> dtype:
    """The dtype itself, or the default one for integers and bool."""
    return d if d.category > 1 else dtypes.get_default_dtype()


def compare(op: Op, avals: Sequence, **static: object) -> tuple:
    """Compare in the promoted dtype; the result is bool."""
    shape, where = _joint(op, avals)
    return Aval(shape, dtypes.bool_, where), result_dtype(avals)


def only(*categories: int) -> Callable:
    """Make a rule that refuses dtypes outside some categories: 0 bool, 1 integers, 2 floats, 3 complex."""

    def restrict(rule: Callable) -> Callable:
        def restricted(op: Op, avals: Sequence, **static: object) -> tuple:
            out, found = rule(op, avals, **static)
            check = found if isinstance(found, dtype) else out.dtype
            if check.category not in categories:
                raise RuntimeError(f'"{op.name}" not implemented for \'{_cname(check)}\'')
            return out, found

        return restricted

    return restrict


def need_category(name: str, d: dtype, *categories: int) -> None:
    """Refuse dtypes outside some categories, 0 bool, 1 integers, 2 floats, 3 complex, as PyTorch's kernels do."""
    if d.category not in categories:
        raise NotImplementedError(f"\"{name}\" not implemented for '{_cname(d)}'")


def need_wide(name: str, x: Aval, *lacking: str) -> None:
    """Refuse half precision on the CPU, for what PyTorch has no kernel of there."""
    if x.dtype.name in (lacking or ("float16", "bfloat16")) and x.device is cpu:
        raise NotImplementedError(f"\"{name}\" not implemented for '{_cname(x.dtype)}'")


def _cname(d: dtype) -> str:
    """PyTorch's C++ name of a dtype, as its errors have it."""
    names = {"float32": "Float", "float64": "Double", "float16": "Half", "int64": "Long", "int32": "Int", "int16": "Short",
             "int8": "Char", "uint8": "Byte", "bool": "Bool", "complex64": "ComplexFloat", "complex128": "ComplexDouble",
             "bfloat16": "BFloat16"}  # fmt: skip
    return names.get(d.name, d.name)


def normalize_dim(dim: int, rank: int, name: str = "") -> int:
    """A dimension counted from the front; IndexError as PyTorch has it."""
    bound = max(rank, 1)
    if not -bound <= dim < bound:
        prefix = f"{name}: " if name else ""
        raise IndexError(f"{prefix}Dimension out of range (expected to be in range of [{-bound}, {bound - 1}], but got {dim})")
    return dim % bound


def reduced_shape(shape: Sequence[int], dims: Sequence[int], keepdim: bool) -> tuple[int, ...]:
    """A shape without the given dimensions, or with ones in their place."""
    if not isinstance(keepdim, bool):
        raise TypeError(f"argument 'keepdim' must be bool, not {type(keepdim).__name__}")
    if keepdim:
        return tuple(1 if i in dims else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in dims)
