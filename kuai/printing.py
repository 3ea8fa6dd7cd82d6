"""The printed form of tensors, to the character what PyTorch prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, isfinite
from types import SimpleNamespace

import numpy as np

from . import dtypes
from .dtypes import dtype as Dtype

DEFAULT: dict[str, float] = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80}
PROFILES: dict[str, dict[str, float]] = {
    "default": DEFAULT,
    "short": DEFAULT | {"precision": 2, "edgeitems": 2},
    "full": DEFAULT | {"threshold": inf},
}
options = SimpleNamespace(**DEFAULT, sci_mode=None)


def set_printoptions(precision: int | None = None, threshold: float | None = None, edgeitems: int | None = None,
                     linewidth: int | None = None, profile: str | None = None,
                     sci_mode: bool | None = None) -> None:  # fmt: skip
    """Set how tensors are printed (``torch.set_printoptions``); a profile is "default", "short" or "full".

    >>> import kuai as torch
    >>> torch.set_printoptions(precision=2); torch.tensor([1.2345])
    tensor([1.23])
    >>> torch.set_printoptions(profile="default")
    """
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    if profile is not None:
        vars(options).update(PROFILES.get(profile, {}))  # PyTorch passes over names it does not know
    vars(options).update({name: value for name, value in given.items() if value is not None})
    options.sci_mode = sci_mode


def tensor_str(array: np.ndarray | None, *, dtype: Dtype, shape: Sequence[int], device_str: str, requires_grad: bool,
               grad_fn_name: str | None, default_dtype: Dtype, prefix: str = "tensor(") -> str:  # fmt: skip
    """A tensor's printed form; the array is None on the meta device, where there is nothing to print."""
    usual: tuple = (default_dtype, default_dtype.to_complex(), dtypes.int64, dtypes.bool_)
    size = f"size={tuple(shape)}"
    suffixes = [] if device_str == "cpu" else [f"device='{device_str}'"]
    if array is None:
        text, usual = "...", (default_dtype,)
        suffixes.append(size)
    elif array.size == 0:
        text, usual = "[]", (default_dtype,)
        suffixes += [size] if len(shape) != 1 else []
    else:
        text = body(array, dtype, len(prefix))
        suffixes += [] if options.edgeitems else [size]
    if dtype not in usual:
        suffixes.append(f"dtype={dtype}")
    if grad_fn_name is not None:
        suffixes.append(f"grad_fn=<{grad_fn_name}>")
    elif requires_grad:
        suffixes.append("requires_grad=True")
    return append(prefix + text, suffixes, len(prefix))


def append(text: str, suffixes: Sequence[str], indent: int, apart: bool = False) -> str:
    """Put the suffixes behind the values, each on a new line if it would pass the line's width, the first if ``apart``."""
    used = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if apart or used + len(suffix) + 2 > options.linewidth:
            apart = False
            text += f",\n{' ' * indent}{suffix}"
            used = indent + len(suffix)
        else:
            text += f", {suffix}"
            used += len(suffix) + 2
    return text + ")"


# ---- values ------------------------------------------------------------------------------------------------


def body(array: np.ndarray, dtype: Dtype, indent: int) -> str:
    """The elements in brackets."""
    if dtype.is_floating_point and dtype.itemsize < 4:
        array = array.astype(np.float32)
    summarize = array.size > options.threshold
    shown = _edges(array) if summarize else array
    return _nested(array, indent, summarize, *_element_style(shown))


def _edges(array: np.ndarray) -> np.ndarray:
    """The elements that a summary shows, which alone decide how they are written."""
    n = options.edgeitems
    for axis, length in enumerate(array.shape):
        if length > 2 * n:
            array = np.take(array, [*range(n), *range(length - n, length)], axis)
    return array


def _element_style(array: np.ndarray) -> tuple[Callable, int]:
    """How to write one element, and the room that it takes."""
    if array.dtype.kind != "c":
        return _number_style(array)
    real, real_width = _number_style(array.real)
    imag, imag_width = _number_style(array.imag)

    def write(value: complex) -> str:
        part = imag(value.imag).lstrip()
        return f"{real(value.real)}{'' if part[0] in '+-' else '+'}{part}j"

    return write, real_width + imag_width + 1


def _number_style(array: np.ndarray) -> tuple[Callable, int]:
    if array.dtype.kind != "f":
        width = max((len(str(v)) for v in array.ravel().tolist()), default=1)
        return lambda value: str(value).rjust(width), width
    spec, whole, width = _float_spec(array)

    def write(value: float) -> str:
        point = "." if whole and isfinite(value) else ""
        return f"{format(value, spec)}{point}".rjust(width)

    return write, width


def _float_spec(array: np.ndarray) -> tuple[str, bool, int]:
    """The format of floats, whether it lacks a point that is to be added, and the width of the widest."""
    values = array[np.isfinite(array) & (array != 0)]
    whole = bool((values == np.ceil(values)).all())
    scientific = bool(values.size) and _scientific(np.abs(values).astype(np.float64), whole)
    point = whole and not scientific
    spec = f".{options.precision}e" if scientific else ".0f" if whole else f".{options.precision}f"
    width = max((len(format(v, spec)) + point for v in values.tolist()), default=1)
    return spec, point, width


def _scientific(sizes: np.ndarray, whole: bool) -> bool:
    if options.sci_mode is not None:
        return options.sci_mode
    low, high = sizes.min(), sizes.max()
    return bool(high / low > 1000.0 or high > 1.0e8 or (not whole and low < 1.0e-4))


# ---- brackets ----------------------------------------------------------------------------------------------


def _nested(array: np.ndarray, indent: int, summarize: bool, write: Callable, width: int) -> str:
    if array.ndim == 0:
        return write(array.item())
    if array.ndim == 1:
        return _row(array, indent, summarize, write, width)
    before, after = _parts(array, summarize)
    rows = [_nested(row, indent + 1, summarize, write, width) for row in before]
    if after is not None:
        rows += ["...", *(_nested(row, indent + 1, summarize, write, width) for row in after)]
    separator = "," + "\n" * (array.ndim - 1) + " " * (indent + 1)
    return f"[{separator.join(rows)}]"


def _row(array: np.ndarray, indent: int, summarize: bool, write: Callable, width: int) -> str:
    before, after = _parts(array, summarize)
    texts = [write(v) for v in before.tolist()]
    if after is not None:
        dots = " ..." if options.edgeitems else "..."
        texts += [dots, *(write(v) for v in after.tolist())]
    per_line = max(1, (options.linewidth - indent) // (width + 2))
    lines = [", ".join(texts[i : i + per_line]) for i in range(0, len(texts), per_line)]
    return f"[{(',' + chr(10) + ' ' * (indent + 1)).join(lines)}]"


def _parts(array: np.ndarray, summarize: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """What to print of an axis: all of it, or what stands before and after the dots."""
    n = options.edgeitems
    if not summarize or len(array) <= 2 * n:
        return array, None
    return array[:n], array[len(array) - n :]
