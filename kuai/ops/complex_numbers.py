"""Complex numbers: their parts, and tensors made from them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .. import dtypes
from ..engine.program import Aval, Op
from ..tensor import Tensor
from . import rules
from .comparison import where
from .conversion import copy_
from .define import op, unary, write_exact, write_out
from .geometry import Geometry, check_format, geometry, strides_of
from .numerics.parts import join
from .pointwise import conj as _conjugate
from .pointwise import need_tensor, signs, tensors_only, zero


def _complex_rule(op: Op, avals: Sequence) -> tuple:
    shape, where = rules._joint(op, avals)
    return Aval(shape, avals[0].dtype.to_complex(), where), avals[0].dtype


@op(shape=_complex_rule, vjp=(lambda g: g.real, lambda g: g.imag), name="complex")
def _complex(xp, real, imag):
    return join(xp, real, imag)


def complex_(real: Tensor, imag: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A complex tensor from its parts (``torch.complex``).

    >>> import kuai as torch
    >>> torch.complex(torch.tensor([1.]), torch.tensor([2.]))
    tensor([1.+2.j])
    """
    if real.dtype is not imag.dtype or real.dtype not in (dtypes.float32, dtypes.float64, dtypes.float16):
        raise RuntimeError(
            f"complex: expected both inputs to be Half, Float or Double and equal, got {real.dtype} and {imag.dtype}"
        )
    made = _complex(real, imag)
    if out is not None and out.dtype is not made.dtype:
        raise RuntimeError(f"complex: expected out to be of {made.dtype}, got {out.dtype}")
    return made if out is None else out._set_out(made)


@op(shape=rules.same, vjp=(lambda g: _conjugate(g),), name="conj_view", grad_name="ConjBackward0", exact=True,
    view=lambda base, new: _conjugate(new))  # fmt: skip
def _conj_view(xp, x):
    return xp.conj(x)


@strides_of(_conj_view)
def _conj_strides(at: Geometry) -> tuple:
    return at.strides, at.offset


def conj(input: Tensor) -> Tensor:
    """The complex conjugate, written through to the same memory; a real tensor is itself (``torch.conj``).

    >>> import kuai as torch
    >>> torch.conj(torch.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    return _conj_view(input) if input.dtype.is_complex else input


def conj_physical(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The complex conjugate in memory of its own; a real tensor is itself (``torch.conj_physical``).

    >>> import kuai as torch
    >>> torch.conj_physical(torch.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    made = _conjugate(input) if input.dtype.is_complex else input
    return made if out is None else write_exact(out, made)


# ---- parts -----------------------------------------------------------------------------------------------------------


def _part_rule(op: Op, avals: Sequence) -> tuple:
    a = avals[0]
    return a.with_(dtype=a.dtype.to_real()), None


@op(shape=_part_rule, vjp=(lambda g: g,), name="real", grad_name="RealBackward0", exact=True,
    view=lambda base, new: complex_(new, _imag(base)))  # fmt: skip
def _real(xp, x):
    return x.real


@op(shape=_part_rule, vjp=(lambda g: g * 1j,), name="imag", grad_name="ImagBackward0", exact=True,
    view=lambda base, new: complex_(_real(base), new))  # fmt: skip
def _imag(xp, x):
    return x.imag


def real(input: Tensor) -> Tensor:
    """The real part, in the same memory; a real tensor is itself (``torch.real``).

    >>> import kuai as torch
    >>> torch.real(torch.tensor([1 + 2j]))
    tensor([1.])
    """
    return _real(input) if input.dtype.is_complex else input


def imag(input: Tensor) -> Tensor:
    """The imaginary part, in the same memory; RuntimeError for real tensors (``torch.imag``).

    >>> import kuai as torch
    >>> torch.imag(torch.tensor([1 + 2j]))
    tensor([2.])
    """
    if not input.dtype.is_complex:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return _imag(input)


def _pairs_rule(op: Op, avals: Sequence) -> tuple:
    a = avals[0]
    if not a.dtype.is_complex:
        raise RuntimeError("view_as_real is only supported for complex tensors")
    return Aval((*a.shape, 2), a.dtype.to_real(), a.device), None


def _pairs_numpy(x: np.ndarray) -> np.ndarray:
    return x[..., None].view(x.real.dtype)


@op(shape=_pairs_rule, vjp=(lambda g: view_as_complex(g),), name="view_as_real", exact=True,
    view=lambda base, new: view_as_complex(new), xla=lambda xp, x: xp.stack([x.real, x.imag], -1))  # fmt: skip
def _view_as_real(xp, x):
    return _pairs_numpy(x)


def view_as_real(input: Tensor) -> Tensor:
    """The parts side by side in one more dimension, in the same memory (``torch.view_as_real``).

    >>> import kuai as torch
    >>> torch.view_as_real(torch.tensor([1 + 2j]))
    tensor([[1., 2.]])
    """
    return _view_as_real(input)


def _joined_rule(op: Op, avals: Sequence) -> tuple:
    a = avals[0]
    if not a.dtype.is_floating_point:
        raise RuntimeError(f"view_as_complex is only supported for half, float and double tensors, but got {a.dtype}")
    if not a.shape or a.shape[-1] != 2:
        what = f"size {a.shape[-1]}" if a.shape else "no dimension"
        raise RuntimeError(f"Tensor must have a last dimension of size 2, got {what}")
    return Aval(a.shape[:-1], a.dtype.to_complex(), a.device), None


def _joined_numpy(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float32) if x.dtype.itemsize < 4 else x
    adjacent = x if x.strides[-1] == x.itemsize else np.ascontiguousarray(x)
    return adjacent.view(np.complex64 if x.dtype == np.float32 else np.complex128)[..., 0]


def _joined_xla(xp, x):
    x = x.astype(np.float32) if x.dtype.itemsize < 4 else x
    return join(xp, x[..., 0], x[..., 1])


@op(shape=_joined_rule, vjp=(lambda g: _view_as_real(g),), name="view_as_complex", exact=True,
    view=lambda base, new: _view_as_real(new), xla=_joined_xla)  # fmt: skip
def _view_as_complex(xp, x):
    return _joined_numpy(x)


def view_as_complex(input: Tensor) -> Tensor:
    """Pairs in the last dimension as complex numbers, in the same memory (``torch.view_as_complex``).

    >>> import kuai as torch
    >>> torch.view_as_complex(torch.tensor([[1., 2.]]))
    tensor([1.+2.j])
    """
    if input.shape[-1:] == (2,):
        _check_pairs(geometry(input))
    return _view_as_complex(input)


def _check_pairs(at: Geometry) -> None:
    """Refuse what does not lie in memory as complex numbers do."""
    if at.strides[-1] != 1:
        raise RuntimeError(f"view_as_complex: Tensor must have a last dimension with stride 1, got {at.strides[-1]}")
    if any(s % 2 for s in at.strides[:-1]):
        raise RuntimeError(
            f"view_as_complex: Tensor must have a stride divisible by 2 for all but last dimension, got {list(at.strides)}"
        )
    if at.offset % 2:
        raise RuntimeError(f"view_as_complex: Tensor must have a storage_offset divisible by 2, got {at.offset}")


# ---- signs and angles ------------------------------------------------------------------------------------------------


def _sgn_vjp(g: Tensor, x: Tensor, out: Tensor) -> Tensor:
    """Only what goes across a complex number moves its sign, and the less the larger it is."""
    if not out.dtype.is_complex:
        return zero(g)
    size = x.abs()
    return where(size == 0, 0, (g - (g * _conjugate(out)).real * out) / size)


@unary(shape=tensors_only(rules.broadcast), vjp=(_sgn_vjp,))
def sgn(xp, x):
    """The sign; of a complex number, the number of magnitude 1 in its direction (``torch.sgn``).

    >>> import kuai as torch
    >>> torch.sgn(torch.tensor([3 + 4j, 0]))
    tensor([0.6000+0.8000j, 0.0000+0.0000j])
    """
    if x.dtype.kind == "b":
        return x
    if x.dtype.kind != "c":
        return signs(xp, x)
    size = xp.abs(x)
    return xp.where(size == 0, 0, x / xp.where(size == 0, 1, size))


def _angle_rule(op: Op, avals: Sequence) -> tuple:
    out, found = rules.float_broadcast(op, avals)
    return out.with_(dtype=found.to_real()), found


def _angle_vjp(g: Tensor, x: Tensor) -> Tensor:
    if not x.dtype.is_complex:
        return zero(g)
    square = (x * _conjugate(x)).real
    return where(square == 0, 0, x * g * 1j / square)


@unary(shape=tensors_only(_angle_rule), vjp=(_angle_vjp,), cost=12.0)
def angle(xp, x):
    """The angle in the complex plane: pi for negative numbers (``torch.angle``).

    >>> import kuai as torch
    >>> torch.angle(torch.tensor([1j, -1.]))
    tensor([1.5708, 3.1416])
    """
    if x.dtype.kind == "c":
        return xp.arctan2(x.imag, x.real)
    return xp.where(xp.isnan(x), x, xp.where(x < 0, math.pi, 0.0).astype(x.dtype))


def polar(abs: Tensor, angle: Tensor, *, out: Tensor | None = None) -> Tensor:  # noqa: A002 (PyTorch's names)
    """Complex numbers from magnitudes and angles (``torch.polar``).

    >>> import kuai as torch
    >>> torch.polar(torch.tensor([2.]), torch.tensor([0.]))
    tensor([2.+0.j])
    """
    if abs.dtype is not angle.dtype or not abs.dtype.is_floating_point or abs.dtype.itemsize < 4:
        raise NotImplementedError(f"polar: expected two Float or two Double tensors, got {abs.dtype} and {angle.dtype}")
    made = complex_(abs * angle.cos(), abs * angle.sin())
    return made if out is None else write_out(out, made)


def _isreal(op: Op, avals: Sequence) -> tuple:
    a = avals[0]
    return a.with_(dtype=dtypes.bool_), a.dtype


@unary(shape=tensors_only(_isreal), vjp=None)
def isreal(xp, x):
    """Where the imaginary part is zero (``torch.isreal``).

    >>> import kuai as torch
    >>> torch.isreal(torch.tensor([1 + 0j, 1j]))
    tensor([ True, False])
    """
    return xp.isreal(x)


def is_conj(input: Tensor) -> bool:
    """Whether conjugation is still to be done: never, here (``torch.is_conj``).

    >>> import kuai as torch
    >>> torch.is_conj(torch.tensor([1j]).conj())
    False
    """
    return False


def is_neg(input: Tensor) -> bool:
    """Whether negation is still to be done: never, here (``torch.is_neg``).

    >>> import kuai as torch
    >>> torch.is_neg(torch.ones(2))
    False
    """
    return False


def resolve_conj(input: Tensor) -> Tensor:
    """The tensor with conjugation done: itself (``torch.resolve_conj``).

    >>> import kuai as torch
    >>> torch.resolve_conj(torch.tensor([1j]).conj())
    tensor([0.-1.j])
    """
    need_tensor("resolve_conj", input, "input", 1)
    return input


def resolve_neg(input: Tensor) -> Tensor:
    """The tensor with negation done: itself (``torch.resolve_neg``).

    >>> import kuai as torch
    >>> torch.resolve_neg(torch.ones(2))
    tensor([1., 1.])
    """
    need_tensor("resolve_neg", input, "input", 1)
    return input


def _settable(get, name: str) -> property:
    def put(self: Tensor, value: object) -> None:
        if isinstance(value, complex):
            raise RuntimeError(f"value cannot be converted to type float without overflow: the {name} part is real, got {value}")
        copy_(get(self), value)

    return property(get, put, doc=f"The {name} part, in the same memory (``torch.Tensor.{name}``).")


def chalf(self: Tensor, memory_format: object = None) -> Tensor:
    """Complex numbers whose parts are of half precision (``torch.Tensor.chalf``): held as complex64, as no executor has complex32.

    >>> import kuai as torch
    >>> torch.tensor([0.1]).chalf()
    tensor([0.1000+0.j])
    """
    if memory_format is not None:
        check_format(self.shape, memory_format)
    return view_as_complex(view_as_real(self.cfloat()).half().float())


METHODS = ("conj", "conj_physical", "sgn", "angle", "isreal", "chalf")
INPLACE = ("conj_physical", "sgn")
METHODS_EXTRA = {"real": _settable(real, "real"), "imag": _settable(imag, "imag")}
