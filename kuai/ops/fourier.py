"""Fourier transforms: three ops (complex to complex, real to half a spectrum, half a spectrum to real) and their 18 forms."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod, sqrt
from operator import index as as_index

import numpy as np

from .. import dtypes
from ..engine.program import Aval, Op, State
from ..tensor import Tensor
from . import rules
from .casting import widened
from .define import op, write_out
from .slicing import spread, view, whole

# ---- the ops -------------------------------------------------------------------------------------------------------


def _transform_cost(state: State) -> float:
    return 5.0 * state.outs[0].size * np.log2(max(2, state.outs[0].size))


def _spectrum(op: Op, avals: Sequence, shape: Sequence[int], wanted: dtypes.dtype) -> tuple:
    x = avals[0]
    return Aval(shape, wanted, x.device), x.dtype


def _c2c_rule(op: Op, avals: Sequence, **static: object) -> tuple:
    return _spectrum(op, avals, avals[0].shape, avals[0].dtype.to_complex())


def _in_threes(dims: Sequence[int]) -> list:
    """jax.numpy transforms three dimensions at most in one call."""
    return [tuple(dims[i : i + 3]) for i in range(0, len(dims), 3)]


def _scaled(x, scale: float):
    return x if scale == 1 else x * x.real.dtype.type(scale)


def _c2c_xla(xp, x, *, dims, scale, forward):
    for some in _in_threes(dims):
        x = xp.fft.fftn(x, axes=some) if forward else xp.fft.ifftn(x, axes=some, norm="forward")
    return _scaled(x, scale)


@op(shape=_c2c_rule, xla=_c2c_xla, name="fft_c2c", cost=_transform_cost,
    vjp=(lambda g, dims, scale, forward: _c2c(g, dims=dims, scale=scale, forward=not forward),))  # fmt: skip
def _c2c(xp, x, *, dims, scale, forward):
    if not x.size:
        return x.astype(np.result_type(x.dtype, np.complex64))
    return _scaled(xp.fft.fftn(x, axes=dims) if forward else xp.fft.ifftn(x, axes=dims, norm="forward"), scale)


def _with_length(shape: Sequence[int], dim: int, n: int) -> tuple[int, ...]:
    return (*shape[:dim], n, *shape[dim + 1 :])


def _r2c_rule(op: Op, avals: Sequence, *, dims: tuple, scale: float) -> tuple:
    x, last = avals[0], dims[-1]
    return _spectrum(op, avals, _with_length(x.shape, last, x.shape[last] // 2 + 1), x.dtype.to_complex())


def _r2c_vjp(g: Tensor, avals: tuple, dims: tuple, scale: float) -> Tensor:
    return _c2c(resized(g, {dims[-1]: avals[0].shape[dims[-1]]}), dims=dims, scale=scale, forward=False).real


def _r2c_xla(xp, x, *, dims, scale):
    return _c2c_xla(xp, xp.fft.rfft(x, axis=dims[-1]), dims=dims[:-1], scale=scale, forward=True)


@op(shape=_r2c_rule, vjp=(_r2c_vjp,), xla=_r2c_xla, name="fft_r2c", cost=_transform_cost)
def _r2c(xp, x, *, dims, scale):
    if not x.size:
        shape = _with_length(x.shape, dims[-1], x.shape[dims[-1]] // 2 + 1)
        return np.zeros(shape, np.result_type(x.dtype, np.complex64))
    return _scaled(np.fft.rfftn(x, axes=dims), scale)


def _c2r_rule(op: Op, avals: Sequence, *, dims: tuple, n: int, scale: float) -> tuple:
    x = avals[0]
    return _spectrum(op, avals, _with_length(x.shape, dims[-1], n), x.dtype.to_real())


def _c2r_vjp(g: Tensor, dims: tuple, n: int, scale: float) -> Tensor:
    """All but the first place of the half spectrum, and the last if n is even, stand for two of the whole."""
    half = _r2c(g, dims=dims, scale=scale)
    weights = np.full(n // 2 + 1, 2.0, half.dtype.to_real().numpy)
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    from .creation import tensor

    column = (-1, *(1,) * (half.ndim - 1 - dims[-1]))
    return half * tensor(weights).to(half.device).reshape(column)


def _c2r_xla(xp, x, *, dims, n, scale):
    x = _c2c_xla(xp, x, dims=dims[:-1], scale=1, forward=False)
    return _scaled(xp.fft.irfft(x, n, axis=dims[-1], norm="forward"), scale)


@op(shape=_c2r_rule, vjp=(_c2r_vjp,), xla=_c2r_xla, name="fft_c2r", cost=_transform_cost)
def _c2r(xp, x, *, dims, n, scale):
    if not x.size:
        return np.zeros(_with_length(x.shape, dims[-1], n), x.real.dtype)
    x = np.fft.ifftn(x, axes=dims[:-1], norm="forward") if len(dims) > 1 else x
    return _scaled(np.fft.irfft(x, n, axis=dims[-1], norm="forward"), scale)


# ---- arguments -----------------------------------------------------------------------------------------------------


def resized(x: Tensor, lengths: dict[int, int]) -> Tensor:
    """Dimensions cut, or filled up with zeros, to the given lengths."""
    cut = [min(n, lengths.get(d, n)) for d, n in enumerate(x.shape)]
    full = [lengths.get(d, n) for d, n in enumerate(x.shape)]
    if cut != list(x.shape):
        x = view(x, None, spec=tuple(map(whole, cut)))
    return x if full == cut else spread(x, None, spec=tuple(map(whole, cut)), shape=tuple(full))


FORWARD = {None: 0.0, "backward": 0.0, "ortho": 0.5, "forward": 1.0}  # the share of 1 / n that a forward transform takes


def _scale(norm: str | None, n: int, forward: bool) -> float:
    if norm not in FORWARD:
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    share = FORWARD[norm] if forward else 1 - FORWARD[norm]
    return 1.0 if share == 0 or n == 0 else 1 / sqrt(n) if share == 0.5 else 1 / n


def _floating(input: Tensor, name: str, real: bool = False) -> Tensor:
    """The operand in a dtype that can be transformed."""
    if real and input.dtype.is_complex:
        raise RuntimeError(f"{name} expects a real input tensor, but got {rules._cname(input.dtype)}")
    if input.dtype.category < 2:
        return input.to(dtypes.get_default_dtype())
    if input.dtype.itemsize < 4 and not widened(input):
        raise RuntimeError(f"Unsupported dtype {rules._cname(input.dtype)}")
    return input


def _need_points(n: int) -> None:
    if n < 1:
        raise RuntimeError(f"Invalid number of data points ({n}) specified")


def _dims_and_lengths(
    input: Tensor, s: Sequence[int] | int | None, dim: Sequence[int] | int | None
) -> tuple[list[int], list[int]]:
    """The dimensions that a transform of several speaks of, and how long they are to be."""
    s = [s] if isinstance(s, int) else s
    dim = [dim] if isinstance(dim, int) else dim
    if dim is not None:
        dims = [rules.normalize_dim(d, input.ndim) for d in dim]
        if len(set(dims)) != len(dims):
            raise RuntimeError("FFT dims must be unique")
        if s is not None and len(s) != len(dims):
            raise RuntimeError(f"When given, dim and shape arguments must have the same length: {len(dims)} and {len(s)}")
    else:
        count = input.ndim if s is None else len(s)
        if count > input.ndim:
            raise RuntimeError(f"Got shape with {count} values but input tensor only has {input.ndim} dimensions.")
        dims = list(range(input.ndim - count, input.ndim))
    lengths = [input.shape[d] for d in dims] if s is None else [input.shape[d] if n == -1 else as_index(n) for d, n in zip(dims, s)]
    for n in lengths:
        _need_points(n)
    return dims, lengths


def _half_length(input: Tensor, s: Sequence[int] | int | None, dims: list[int], lengths: list[int]) -> int:
    """How long the last dimension becomes when half a spectrum is transformed back."""
    s = [s] if isinstance(s, int) else s
    n = lengths[-1] if s is not None and s[-1] != -1 else 2 * (input.shape[dims[-1]] - 1)
    _need_points(n)
    return n


# ---- one dimension -------------------------------------------------------------------------------------------------


def _one(input: Tensor, n: int | None, dim: int) -> tuple[list[int] | None, list[int]]:
    if not input.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    if n is not None:
        _need_points(n)
    return (None if n is None else [n]), [dim]


def fft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The discrete Fourier transform along a dimension (``torch.fft.fft``).

    >>> import kuai as torch
    >>> torch.fft.fft(torch.tensor([1., 0., 0., 0.]))
    tensor([1.+0.j, 1.+0.j, 1.+0.j, 1.+0.j])
    """
    return fftn(input, *_one(input, n, dim), norm, out=out)


def ifft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The inverse of `fft` (``torch.fft.ifft``).

    >>> import kuai as torch
    >>> torch.fft.ifft(torch.tensor([4., 0., 0., 0.]))
    tensor([1.+0.j, 1.+0.j, 1.+0.j, 1.+0.j])
    """
    return ifftn(input, *_one(input, n, dim), norm, out=out)


def rfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The Fourier transform of real values: the half that says all (``torch.fft.rfft``).

    >>> import kuai as torch
    >>> torch.fft.rfft(torch.tensor([1., 0., 0., 0.]))
    tensor([1.+0.j, 1.+0.j, 1.+0.j])
    """
    return rfftn(input, *_one(input, n, dim), norm, out=out)


def irfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The inverse of `rfft` (``torch.fft.irfft``).

    >>> import kuai as torch
    >>> torch.fft.irfft(torch.ones(3))
    tensor([1., 0., 0., 0.])
    """
    return irfftn(input, *_one(input, n, dim), norm, out=out)


def hfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The Fourier transform of a signal that is Hermitian, given by its half (``torch.fft.hfft``).

    >>> import kuai as torch
    >>> torch.fft.hfft(torch.ones(3))
    tensor([4., 0., 0., 0.])
    """
    return hfftn(input, *_one(input, n, dim), norm, out=out)


def ihfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The inverse of `hfft` (``torch.fft.ihfft``).

    >>> import kuai as torch
    >>> torch.fft.ihfft(torch.tensor([4., 0., 0., 0.]))
    tensor([1.-0.j, 1.-0.j, 1.-0.j])
    """
    return ihfftn(input, *_one(input, n, dim), norm, out=out)


# ---- several dimensions --------------------------------------------------------------------------------------------


def _done(made: Tensor, out: Tensor | None) -> Tensor:
    return made if out is None else write_out(out, made)


def _complex_transform(input: Tensor, s: object, dim: object, norm: str | None, forward: bool, name: str) -> Tensor:
    x = _floating(input, name)
    dims, lengths = _dims_and_lengths(x, s, dim)
    if not dims:
        return x if x.dtype.is_complex else x.to(x.dtype.to_complex())
    x = resized(x, dict(zip(dims, lengths)))
    return _c2c(x, dims=tuple(dims), scale=_scale(norm, prod(lengths), forward), forward=forward)


def fftn(input: Tensor, s: object = None, dim: object = None, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The Fourier transform along several dimensions (``torch.fft.fftn``).

    >>> import kuai as torch
    >>> torch.fft.fftn(torch.eye(2))
    tensor([[2.+0.j, 0.+0.j],
            [0.+0.j, 2.+0.j]])
    """
    return _done(_complex_transform(input, s, dim, norm, True, "fftn"), out)


def ifftn(input: Tensor, s: object = None, dim: object = None, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The inverse of `fftn` (``torch.fft.ifftn``).

    >>> import kuai as torch
    >>> torch.fft.ifftn(2 * torch.eye(2))
    tensor([[1.+0.j, 0.+0.j],
            [0.+0.j, 1.+0.j]])
    """
    return _done(_complex_transform(input, s, dim, norm, False, "ifftn"), out)


def _from_real(input: Tensor, s: object, dim: object, norm: str | None, forward: bool, name: str) -> Tensor:
    x = _floating(input, name, real=True)
    dims, lengths = _dims_and_lengths(x, s, dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    x = resized(x, dict(zip(dims, lengths)))
    made = _r2c(x, dims=tuple(dims), scale=_scale(norm, prod(lengths), forward))
    return made if forward else made.conj()


def _to_real(input: Tensor, s: object, dim: object, norm: str | None, forward: bool, name: str) -> Tensor:
    x = _floating(input, name)
    dims, lengths = _dims_and_lengths(x, s, dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    n = _half_length(x, s, dims, lengths)
    x = resized(x, dict(zip(dims, (*lengths[:-1], n // 2 + 1))))
    x = x if x.dtype.is_complex else x.to(x.dtype.to_complex())
    scale = _scale(norm, prod(lengths[:-1]) * n, forward)
    return _c2r(x.conj() if forward else x, dims=tuple(dims), n=n, scale=scale)


def rfftn(input: Tensor, s: object = None, dim: object = None, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The Fourier transform of real values along several dimensions, half of the last (``torch.fft.rfftn``).

    >>> import kuai as torch
    >>> torch.fft.rfftn(torch.ones(2, 2))
    tensor([[4.+0.j, 0.+0.j],
            [0.+0.j, 0.+0.j]])
    """
    return _done(_from_real(input, s, dim, norm, True, "rfftn"), out)


def irfftn(
    input: Tensor, s: object = None, dim: object = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The inverse of `rfftn` (``torch.fft.irfftn``).

    >>> import kuai as torch
    >>> torch.fft.irfftn(torch.tensor([[4., 0.], [0., 0.]]))
    tensor([[1., 1.],
            [1., 1.]])
    """
    return _done(_to_real(input, s, dim, norm, False, "irfftn"), out)


def hfftn(input: Tensor, s: object = None, dim: object = None, norm: str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The Fourier transform of a Hermitian signal along several dimensions (``torch.fft.hfftn``).

    >>> import kuai as torch
    >>> torch.fft.hfftn(torch.ones(2, 2))
    tensor([[4., 0.],
            [0., 0.]])
    """
    return _done(_to_real(input, s, dim, norm, True, "hfftn"), out)


def ihfftn(
    input: Tensor, s: object = None, dim: object = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The inverse of `hfftn` (``torch.fft.ihfftn``).

    >>> import kuai as torch
    >>> torch.fft.ihfftn(torch.ones(2, 2))
    tensor([[1.-0.j, 0.-0.j],
            [0.-0.j, 0.-0.j]])
    """
    return _done(_from_real(input, s, dim, norm, False, "ihfftn"), out)


# ---- two dimensions ------------------------------------------------------------------------------------------------


def fft2(
    input: Tensor, s: object = None, dim: int | Sequence[int] = (-2, -1), norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The Fourier transform along two dimensions (``torch.fft.fft2``).

    >>> import kuai as torch
    >>> torch.fft.fft2(torch.eye(2))
    tensor([[2.+0.j, 0.+0.j],
            [0.+0.j, 2.+0.j]])
    """
    return fftn(input, s, dim, norm, out=out)


def ifft2(
    input: Tensor, s: object = None, dim: int | Sequence[int] = (-2, -1), norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The inverse of `fft2` (``torch.fft.ifft2``).

    >>> import kuai as torch
    >>> torch.fft.ifft2(2 * torch.eye(2))
    tensor([[1.+0.j, 0.+0.j],
            [0.+0.j, 1.+0.j]])
    """
    return ifftn(input, s, dim, norm, out=out)


def rfft2(
    input: Tensor, s: object = None, dim: int | Sequence[int] = (-2, -1), norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The Fourier transform of real values along two dimensions (``torch.fft.rfft2``).

    >>> import kuai as torch
    >>> torch.fft.rfft2(torch.ones(4, 4)).shape
    torch.Size([4, 3])
    """
    return rfftn(input, s, dim, norm, out=out)


def irfft2(
    input: Tensor, s: object = None, dim: int | Sequence[int] = (-2, -1), norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The inverse of `rfft2` (``torch.fft.irfft2``).

    >>> import kuai as torch
    >>> torch.fft.irfft2(torch.ones(4, 3)).shape
    torch.Size([4, 4])
    """
    return irfftn(input, s, dim, norm, out=out)


def hfft2(
    input: Tensor, s: object = None, dim: int | Sequence[int] = (-2, -1), norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The Fourier transform of a Hermitian signal along two dimensions (``torch.fft.hfft2``).

    >>> import kuai as torch
    >>> torch.fft.hfft2(torch.ones(4, 3)).shape
    torch.Size([4, 4])
    """
    return hfftn(input, s, dim, norm, out=out)


def ihfft2(
    input: Tensor, s: object = None, dim: int | Sequence[int] = (-2, -1), norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The inverse of `hfft2` (``torch.fft.ihfft2``).

    >>> import kuai as torch
    >>> torch.fft.ihfft2(torch.ones(4, 4)).shape
    torch.Size([4, 3])
    """
    return ihfftn(input, s, dim, norm, out=out)


# ---- frequencies and their order -----------------------------------------------------------------------------------


def _frequencies(made: np.ndarray, d: float, dtype: object, device: object, requires_grad: bool, out: Tensor | None) -> Tensor:
    from .creation import tensor

    wanted = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    if not wanted.is_floating_point and not wanted.is_complex:
        raise RuntimeError(f"fftfreq requires a floating point or complex dtype, got {wanted}")
    found = tensor((made / d if d != 1 else made).astype(wanted.numpy), device=device, requires_grad=requires_grad)
    return _done(found, out)


def fftfreq(n: int, d: float = 1.0, *, out=None, dtype=None, layout=None, device=None, requires_grad=False) -> Tensor:
    """The frequencies of `fft`'s places, for samples d apart (``torch.fft.fftfreq``).

    >>> import kuai as torch
    >>> torch.fft.fftfreq(4)
    tensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    if n < 0:
        raise RuntimeError(f"fftfreq: Trying to create tensor with negative dimension {n}: [{n}]")
    return _frequencies(np.fft.fftfreq(n) if n else np.zeros(0), d, dtype, device, requires_grad, out)


def rfftfreq(n: int, d: float = 1.0, *, out=None, dtype=None, layout=None, device=None, requires_grad=False) -> Tensor:
    """The frequencies of `rfft`'s places, for samples d apart (``torch.fft.rfftfreq``).

    >>> import kuai as torch
    >>> torch.fft.rfftfreq(4)
    tensor([0.0000, 0.2500, 0.5000])
    """
    return _frequencies(np.fft.rfftfreq(n), d, dtype, device, requires_grad, out)


def _shift_dims(input: Tensor, dim: object) -> tuple[int, ...]:
    if dim is None:
        return tuple(range(input.ndim))
    return (dim,) if isinstance(dim, int) else tuple(dim)


def fftshift(input: Tensor, dim: object = None) -> Tensor:
    """Places in the order of their frequencies, zero in the middle (``torch.fft.fftshift``).

    >>> import kuai as torch
    >>> torch.fft.fftshift(torch.tensor([0, 1, -2, -1]))
    tensor([-2, -1,  0,  1])
    """
    dims = _shift_dims(input, dim)
    return input.roll([input.shape[d] // 2 for d in dims], dims)


def ifftshift(input: Tensor, dim: object = None) -> Tensor:
    """The inverse of `fftshift` (``torch.fft.ifftshift``).

    >>> import kuai as torch
    >>> torch.fft.ifftshift(torch.tensor([-2, -1, 0, 1]))
    tensor([ 0,  1, -2, -1])
    """
    dims = _shift_dims(input, dim)
    return input.roll([(input.shape[d] + 1) // 2 for d in dims], dims)
