"""The reductions of losses as numbers, and the older arguments for them (``torch.nn._reduction``)."""

from __future__ import annotations

from ..errors import warn
from .functions.reductions import older_reduction

_NUMBERS = {"none": 0, "mean": 1, "elementwise_mean": 1, "sum": 2}


def get_enum(reduction: str) -> int:
    """The number of a reduction; ValueError for what is none.

    >>> from kuai.nn import _reduction
    >>> _reduction.get_enum("sum")
    2
    """
    if reduction not in _NUMBERS:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return _NUMBERS[reduction]


def legacy_get_string(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> str:
    """The reduction that the older arguments ask for.

    >>> from kuai.nn import _reduction
    >>> _reduction.legacy_get_string(False, None, emit_warning=False)
    'sum'
    """
    found = older_reduction(size_average, reduce)
    if emit_warning:
        warn(f"size_average and reduce args will be deprecated, please use reduction='{found}' instead.")
    return found


def legacy_get_enum(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> int:
    """`legacy_get_string` as a number."""
    return get_enum(legacy_get_string(size_average, reduce, emit_warning))
