"""Comparing results (``torch.testing``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from . import dtypes
from .dtypes import dtype
from .ops.creation import as_tensor
from .tensor import Tensor
from .wont import refusing

# Relative and absolute tolerances by dtype, those of PyTorch.
TOLERANCES = {
    dtypes.float16: (1e-3, 1e-5), dtypes.bfloat16: (1.6e-2, 1e-5), dtypes.float32: (1.3e-6, 1e-5),
    dtypes.float64: (1e-7, 1e-7), dtypes.complex64: (1.3e-6, 1e-5), dtypes.complex128: (1e-7, 1e-7),
}  # fmt: skip


class _Comparison:
    """The settings of one call."""

    def __init__(self, rtol: float | None, atol: float | None, equal_nan: bool, check_device: bool, check_dtype: bool):
        if (rtol is None) != (atol is None):
            raise ValueError(f"rtol and atol must both be specified or both be unspecified, but got {rtol=} and {atol=}.")
        self.rtol, self.atol, self.equal_nan = rtol, atol, equal_nan
        self.check_device, self.check_dtype = check_device, check_dtype

    def differences(self, actual: object, expected: object, where: str = "") -> str | None:
        """What differs, in words, or None."""
        if isinstance(expected, Mapping):
            return self._mappings(actual, expected, where)
        if isinstance(expected, Sequence) and not isinstance(expected, (str, bytes)):
            return self._sequences(actual, expected, where)
        if actual is None or expected is None:
            return None if actual is expected else f"{where}: {actual!r} is not {expected!r}"
        if not isinstance(actual, (Tensor, np.ndarray, int, float, complex, np.generic)):
            raise TypeError(f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}.")
        if isinstance(actual, Tensor) != isinstance(expected, Tensor):
            raise TypeError(f"Cannot compare {type(actual)} with {type(expected)}; make both tensors")
        return self._tensors(as_tensor(actual), as_tensor(expected), where, isinstance(actual, Tensor))

    def _mappings(self, actual: object, expected: Mapping, where: str) -> str | None:
        if not isinstance(actual, Mapping) or set(actual) != set(expected):
            return f"{where}: The keys of the mappings do not match"
        found = (self.differences(actual[k], expected[k], f"{where}[{k!r}]") for k in expected)
        return next((f for f in found if f), None)

    def _sequences(self, actual: object, expected: Sequence, where: str) -> str | None:
        if not isinstance(actual, Sequence) or len(actual) != len(expected):
            return f"{where}: The length of the sequences mismatch"
        found = (self.differences(a, e, f"{where}[{i}]") for i, (a, e) in enumerate(zip(actual, expected)))
        return next((f for f in found if f), None)

    def _tensors(self, actual: Tensor, expected: Tensor, where: str, are_tensors: bool) -> str | None:
        at = f"{where}: " if where else ""
        if actual.shape != expected.shape:
            return f"{at}The values for attribute 'shape' do not match: {actual.shape} != {expected.shape}."
        if self.check_device and actual.device is not expected.device:
            return f"{at}The values for attribute 'device' do not match: {actual.device} != {expected.device}."
        if are_tensors and self.check_dtype and actual.dtype is not expected.dtype:
            return f"{at}The values for attribute 'dtype' do not match: {actual.dtype} != {expected.dtype}."
        return self._values(actual, expected, at)

    def _values(self, actual: Tensor, expected: Tensor, at: str) -> str | None:
        common = dtypes.promote_types(actual.dtype, expected.dtype)
        rtol, atol = self._tolerances(actual.dtype, expected.dtype)
        wide = np.complex128 if common.is_complex else np.float64 if common.is_floating_point else np.int64
        a, e = (np.asarray(t.detach().cpu()._array()).astype(wide) for t in (actual, expected))
        close = np.isclose(a, e, rtol=rtol, atol=atol, equal_nan=self.equal_nan)
        if close.all():
            return None
        worst = np.unravel_index(np.nanargmax(np.where(close, 0, np.abs(a - e))), a.shape)
        return (
            f"{at}Tensor-likes are not close!\n\nMismatched elements: {int((~close).sum())} / {close.size} "
            f"({(~close).mean():.1%})\nGreatest absolute difference: {np.abs(a - e)[worst]} at index "
            f"{tuple(map(int, worst))} (up to {atol} allowed, rtol {rtol}): {a[worst]} and {e[worst]}"
        )

    def _tolerances(self, *given: dtype) -> tuple[float, float]:
        if self.rtol is not None and self.atol is not None:
            return self.rtol, self.atol
        pairs = [TOLERANCES.get(d, (0.0, 0.0)) for d in given]
        return max(r for r, _ in pairs), max(a for _, a in pairs)


def assert_close(actual: object, expected: object, *, allow_subclasses: bool = True, rtol: float | None = None,
                 atol: float | None = None, equal_nan: bool = False, check_device: bool = True, check_dtype: bool = True,
                 check_layout: bool = True, check_stride: bool = False, msg: str | Callable | None = None) -> None:  # fmt: skip
    """AssertionError unless |actual - expected| <= atol + rtol |expected| everywhere (``torch.testing.assert_close``).

    Tensors, arrays, numbers, and sequences and mappings of them. Tolerances not given go by the dtype.

    >>> import kuai as torch
    >>> torch.testing.assert_close(torch.tensor([1.0]), torch.tensor([1.0 + 1e-7]))
    """
    found = _Comparison(rtol, atol, equal_nan, check_device, check_dtype).differences(actual, expected)
    if found is not None:
        raise AssertionError(found if msg is None else msg(found) if callable(msg) else msg)


def assert_allclose(actual: object, expected: object, rtol: float | None = None, atol: float | None = None,
                    equal_nan: bool = True, msg: str = "") -> None:  # fmt: skip
    """The older `assert_close`: dtypes and devices may differ (``torch.testing.assert_allclose``).

    >>> import kuai as torch
    >>> import warnings; warnings.simplefilter("ignore")
    >>> torch.testing.assert_allclose(torch.ones(2), torch.ones(2))
    """
    assert_close(as_tensor(actual), as_tensor(expected), rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False,
                 check_device=False, msg=msg or None)  # fmt: skip


def make_tensor(*shape: object, dtype: dtype, device: object = "cpu", low: float | None = None, high: float | None = None,
                requires_grad: bool = False, noncontiguous: bool = False, exclude_zero: bool = False,
                memory_format: object = None) -> Tensor:  # fmt: skip
    """A tensor of uniform draws from [low, high), by default [-9, 9) or what the dtype holds (``torch.testing.make_tensor``).

    >>> import kuai as torch
    >>> torch.testing.make_tensor((2, 3), dtype=torch.float32, device="cpu").shape
    torch.Size([2, 3])
    """
    from .ops.creation import shape_of
    from .ops.random import rand, randint

    size = shape_of(shape, "make_tensor")
    if dtype is dtypes.bool_:
        return randint(0 if low is None else int(low), 2 if high is None else int(high), size).to(dtype)
    if dtype.category == 1:
        lo, hi = 0 if dtype is dtypes.uint8 else -9 if low is None else int(low), 10 if high is None else int(high)
        made = randint(lo if low is None else int(low), hi, size).to(dtype)
    else:
        lo_, hi_ = -9.0 if low is None else low, 9.0 if high is None else high
        made = (rand(size, dtype=dtypes.complex128 if dtype.is_complex else dtypes.float64) * (hi_ - lo_) + lo_).to(dtype)
    if exclude_zero:
        made = made.where(made != 0, made.new_ones(()))
    made = made.to(device)
    if noncontiguous and made.numel() > 1:
        made = made.repeat_interleave(2, dim=-1)[..., ::2]
    return made.requires_grad_() if requires_grad else made

__getattr__ = refusing(__name__)
