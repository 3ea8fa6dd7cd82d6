"""Tensors filled by a rule: numbers in even steps, and the identity matrix."""

from __future__ import annotations

import math

import numpy as np

from .. import dtypes
from ..devices import cpu, placement
from ..dtypes import dtype
from ..engine.interpret import own
from ..tensor import Tensor, from_array
from .creation import asked_dtype, available, require_grad
from .host import differs, on_host
from .rules import _cname


def _place(array: np.ndarray, d: dtype, where: object, requires_grad: bool, out: Tensor | None) -> Tensor:
    """Values known when the call is made become a constant of the tensor, not an op: they are inputs of the program."""
    made = from_array(own(array.astype(d.numpy, copy=False)), placement("cpu"))
    spot = available(placement(where))
    made = made if spot.type == "cpu" else made.to(spot)
    if out is not None:
        return out._set_out(made)
    return require_grad(made) if requires_grad else made


def _place_row(array: np.ndarray, d: dtype, where: object, requires_grad: bool, out: Tensor | None) -> Tensor:
    """`_place` for a row of values: an ``out`` of as many elements keeps its shape."""
    fits = out is not None and out._aval.size == array.size
    return _place(array.reshape(out.shape) if fits else array, d, where, requires_grad, out)  # type: ignore[union-attr]


def _number(x: object) -> object:
    return x.item() if isinstance(x, (Tensor, np.generic)) else x


def arange(start: complex | None = None, end: complex | None = None, step: complex = 1, *, out=None, dtype=None,
           layout=None, device=None, pin_memory=False, requires_grad=False) -> Tensor:  # fmt: skip
    """Numbers from start up to but not including end (``torch.arange``).

    >>> import kuai as torch
    >>> torch.arange(4), torch.arange(1, 2, 0.5)
    (tensor([0, 1, 2, 3]), tensor([1.0000, 1.5000]))
    """
    start, end, step = _number(start), _number(end), _number(step)
    if start is None and end is None:
        raise TypeError('arange() missing 1 required positional argument: "end"')
    if start is None or end is None:
        start, end = 0, start if end is None else end
    if any(isinstance(v, complex) for v in (start, end, step)):
        raise RuntimeError(f"arange: value cannot be converted to type double without overflow, got {start}, {end} and {step}")
    if any(isinstance(v, int) and not -(1 << 63) <= v < 1 << 63 for v in (start, end, step)):
        raise OverflowError(f"arange: int too big to convert, needs numbers of 64 bits, got {start}, {end} and {step}")
    if not all(math.isfinite(v) for v in (start, end, step)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    integral = all(isinstance(v, int) for v in (start, end, step))
    d = asked_dtype(dtype, out, dtypes.int64 if integral else None)
    return _place_row(_progression(start, end, step, d), d, device, requires_grad, out)


def _progression(start: float, end: float, step: float, d: dtype) -> np.ndarray:
    """arange's numbers: int64 is counted in integers to begin with; of narrower integers only the start and the step are cut."""
    if d.category in (0, 3):
        raise NotImplementedError(f"\"arange_cpu\" not implemented for '{_cname(d)}'")
    given = step
    if d is dtypes.int64:
        start, end, step = int(start), int(end), int(step)
    if step == 0:
        raise RuntimeError("step must be nonzero") if not given else ValueError(f"step must be nonzero, but {given} is 0 in {d}")
    if (end - start) * step < 0:
        raise RuntimeError(f"upper bound and lower bound inconsistent with step sign: arange({start}, {end}, {step})")
    whole = all(isinstance(v, int) for v in (start, end, step))
    n = max(0, -((start - end) // step) if whole else math.ceil((end - start) / step))
    if d.category == 1:
        start, step, whole = int(start), int(step), True
    if d.is_floating_point and not (whole and d.itemsize > 2 and abs(start) + n * abs(step) < 1 << 24):
        return _counted_on(float(start), float(step), n, d)
    base = np.arange(n, dtype=np.int64 if whole else np.float64)
    return start + base * step if (start, step) != (0, 1) else base


_LANES = {8: 4, 4: 8, 2: 16, 1: 32}  # how many elements PyTorch's kernel makes at once, by their bytes


def _counted_on(start: float, step: float, n: int, d: dtype) -> np.ndarray:
    """PyTorch's numbers to the last bit: blocks are counted on from their first number as it was rounded, as long as there are
    two more blocks to make, and each number is rounded once.
    """
    with np.errstate(over="ignore"):
        coarse = float(np.float32(step))  # times a whole number it is exact
    coarse = coarse if math.isfinite(coarse) else step
    i = np.arange(n)
    made = (start + i * coarse) + i * (step - coarse)
    lanes = _LANES[d.itemsize]
    blocks = n - n % (2 * lanes)
    first, k = made[:blocks:lanes, None].astype(d.numpy).astype(np.float64), np.arange(lanes)
    made[:blocks] = ((first + k * coarse) + k * (step - coarse)).reshape(-1)
    return made


def linspace(start: Tensor | complex, end: Tensor | complex, steps: int, *, out=None, dtype=None, layout=None, device=None,
             pin_memory=False, requires_grad=False) -> Tensor:  # fmt: skip
    """``steps`` numbers evenly from start to end, both included (``torch.linspace``).

    >>> import kuai as torch
    >>> torch.linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    if any(isinstance(x, Tensor) and differs(x) for x in (start, end)):
        return _even_samples(start, end, _steps(steps, "linspace"), asked_dtype(dtype, out))
    start, end = _bound(start, "linspace"), _bound(end, "linspace")
    d = asked_dtype(dtype, out, _default_between(start, end))
    if d is dtypes.bool_:
        raise NotImplementedError("\"linspace_cpu\" not implemented for 'Bool'")
    _need_real(start, end, d, "linspace")
    return _place_row(even(start, end, _steps(steps, "linspace"), d), d, device, requires_grad, out)


def _default_between(start: object, end: object) -> dtype:
    found = dtypes.get_default_dtype()
    return found.to_complex() if isinstance(start, complex) or isinstance(end, complex) else found


def _need_real(start: object, end: object, d: dtype, name: str) -> None:
    if not d.is_complex and (isinstance(start, complex) or isinstance(end, complex)):
        raise RuntimeError(f"torch.{name}(): inferred dtype complex can't be safely cast to passed dtype {_cname(d)}")


def _even_samples(start: object, end: object, n: int, d: dtype) -> Tensor:
    """The same where, under `vmap`, each sample has its own start or end."""
    ends = [x if isinstance(x, Tensor) else from_array(np.asarray(x), cpu) for x in (start, end)]
    return on_host(lambda low, high: (even(low.item(), high.item(), n, d),), *ends)[0]


def _bound(x: object, name: str) -> object:
    if isinstance(x, Tensor) and x.shape:
        raise RuntimeError(f"{name} only supports 0-dimensional start and end tensors, but got one with {len(x.shape)} dimension(s)")
    return _number(x)


def _steps(steps: object, name: str) -> int:
    n = _number(steps)
    if not isinstance(n, int):
        raise TypeError(f"{name}(): argument 'steps' must be int, not {type(n).__name__}")
    if n < 0:
        raise RuntimeError(f"{name}: number of steps must be non-negative, got {n}")
    return n


def even(start: object, end: object, n: int, d: dtype) -> np.ndarray:
    """PyTorch's symmetric formula, in the dtype itself: from the start in the first half, from the end in the second."""
    work = np.dtype(np.float32) if d.is_floating_point and d.itemsize < 4 else d.numpy
    if d.category == 1:
        start, end, work = int(start), int(end), np.dtype(np.float64)
    if n <= 1:
        return np.full(n, start, d.numpy)
    first, last = work.type(start), work.type(end)
    step = work.type((last - first) / work.type(n - 1))
    i = np.arange(n)
    low = first + step * i.astype(work)
    high = last - step * (n - 1 - i).astype(work)
    return np.where(i < n // 2, low, high)


def logspace(start: Tensor | complex, end: Tensor | complex, steps: int, base: float = 10.0, *, out=None,
             dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False) -> Tensor:  # fmt: skip
    """``steps`` numbers from base**start to base**end, evenly on a log scale (``torch.logspace``).

    >>> import kuai as torch
    >>> torch.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    start, end, n = _bound(start, "logspace"), _bound(end, "logspace"), _steps(steps, "logspace")
    d = asked_dtype(dtype, out, _default_between(start, end))
    _need_real(start, end, d, "logspace")
    if d.category == 1 and n > 1:
        start, end = int(start), int(end)
    work = np.complex128 if d.is_complex else np.float64
    exponents = np.linspace(start, end, n, dtype=work)
    return _place_row(np.power(work(base), exponents), d, device, requires_grad, out)


def eye(n: int, m: int | None = None, *, out=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False) -> Tensor:
    """Ones on the diagonal (``torch.eye``).

    >>> import kuai as torch
    >>> torch.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    if n < 0 or (m is not None and m < 0):
        raise RuntimeError(f"n must be greater or equal to 0, got {n if n < 0 else m}")
    d = asked_dtype(dtype, out)
    return _place(np.eye(n, m, dtype=d.numpy), d, device, requires_grad, out)
