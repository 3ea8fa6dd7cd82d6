"""Softmax and its logarithm, and the logarithm of a sum of exponentials: each one op, without overflow."""

from __future__ import annotations

from collections.abc import Sequence

from .. import dtypes
from ..dispatch import recorder
from ..dtypes import dtype
from ..engine.program import Aval, Op
from ..tensor import Tensor
from . import rules
from .along import along, axes, dim_of, dims_of, need_tensor, reduced, same_along, spread
from .define import op, write_exact, write_out


def _softmax_rule(op: Op, avals: Sequence, *, dim: int, dtype: dtype | None) -> tuple:
    x = need_tensor(op, avals[0])
    rules.normalize_dim(dim, len(x.shape))
    target = dtype or x.dtype
    if target.category != 2:
        raise NotImplementedError(
            f"\"{op.name}_kernel_impl\" not implemented for '{rules._cname(target)}'; give dtype=torch.float32"
        )
    return x.with_(dtype=target), target


def _shifted(xp, x, dim: int):
    """The array less its greatest element along a dimension, so that no exponential overflows."""
    return x - x.max(axis=dim, keepdims=True, initial=-xp.inf)


# The backward op of softmax is linear and symmetric in g: it is its own derivative there.
def _softmax_back_vjp(h: Tensor, g: Tensor, y: Tensor, dim: int, needs: tuple) -> tuple:
    for_g = _softmax_back(h, y, dim=dim) if needs[0] else None
    for_y = h * (g - (g * y).sum(dim, True)) - g * (h * y).sum(dim, True) if needs[1] else None
    return for_g, for_y


@op(shape=same_along, name="softmax_backward", cost=3.0,
    vjp=lambda g, cotangent, y, dim, needs: _softmax_back_vjp(g, cotangent, y, dim, needs))  # fmt: skip
@along
def _softmax_back(xp, cotangent, y, *, dim):
    made = cotangent * y
    return made - y * made.sum(axis=dim, keepdims=True)


@op(shape=_softmax_rule, vjp=(lambda g, out, dim: _softmax_back(g, out, dim=dim),), name="softmax", cost=8.0)
@along
def _softmax(xp, x, *, dim, dtype):
    made = xp.exp(_shifted(xp, x, dim))
    made /= made.sum(axis=dim, keepdims=True)
    return made


def _log_softmax_back_vjp(h: Tensor, g: Tensor, y: Tensor, dim: int, needs: tuple) -> tuple:
    p = y.exp()
    for_g = h - (h * p).sum(dim, True) if needs[0] else None
    for_y = -h * p * g.sum(dim, True) if needs[1] else None
    return for_g, for_y


@op(shape=same_along, name="log_softmax_backward", cost=8.0,
    vjp=lambda g, cotangent, y, dim, needs: _log_softmax_back_vjp(g, cotangent, y, dim, needs))  # fmt: skip
@along
def _log_softmax_back(xp, cotangent, y, *, dim):
    return cotangent - xp.exp(y) * cotangent.sum(axis=dim, keepdims=True)


@op(shape=_softmax_rule, vjp=(lambda g, out, dim: _log_softmax_back(g, out, dim=dim),), name="log_softmax", cost=8.0)
@along
def _log_softmax(xp, x, *, dim, dtype):
    made = _shifted(xp, x, dim)
    made -= xp.log(xp.exp(made).sum(axis=dim, keepdims=True))
    return made


_record_softmax, _record_log_softmax = recorder(_softmax.op), recorder(_log_softmax.op)


def softmax(input: Tensor, dim: int, dtype: object = None, *, out: Tensor | None = None) -> Tensor:
    """Exponentials, divided by their sum along ``dim`` (``torch.softmax``).

    >>> import kuai as torch
    >>> torch.softmax(torch.tensor([0., 0., 1.]), dim=0)
    tensor([0.2119, 0.2119, 0.5761])
    """
    made = _record_softmax((dim_of(dim, "softmax"), dtype and dtypes.as_dtype(dtype)), input)
    return made if out is None else write_exact(out, made)


def log_softmax(input: Tensor, dim: int, dtype: object = None, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of `softmax`, without its loss of precision (``torch.log_softmax``).

    >>> import kuai as torch
    >>> torch.log_softmax(torch.tensor([0., 1000.]), dim=0)
    tensor([-1000.,     0.])
    """
    made = _record_log_softmax((dim_of(dim, "log_softmax"), dtype and dtypes.as_dtype(dtype)), input)
    return made if out is None else write_exact(out, made)


def softmin(input: Tensor, dim: int, dtype: object = None) -> Tensor:
    """`softmax` of the negative (``torch.nn.functional.softmin``)."""
    return softmax(-input, dim, dtype)


# ---- logsumexp -------------------------------------------------------------------------------------------------------


def _logsumexp_rule(op: Op, avals: Sequence, *, dim: object, keepdim: bool) -> tuple:
    x = need_tensor(op, avals[0])
    target = rules.floating(x.dtype)
    return Aval(reduced(x, dim, keepdim), target, x.device), target


def _opened(xp, y, rank: int, dim: object, keepdim: bool):
    return y if keepdim or not rank else xp.expand_dims(y, axes(dim, rank))


def _as_input(op: Op, avals: Sequence, **static: object) -> tuple:
    return avals[1].with_(dtype=avals[0].dtype), avals[0].dtype


def _logsumexp_back_vjp(g: Tensor, cotangent: Tensor, x: Tensor, total: Tensor, dim: object, keepdim: bool) -> tuple:
    shares = (x - spread(total, x.shape, dim, keepdim)).exp()
    weighted = (g * shares).conj() * spread(cotangent, x.shape, dim, keepdim)
    return (g * shares).sum(dim, keepdim), weighted, -weighted.sum(dim, keepdim)


@op(shape=_as_input, vjp=_logsumexp_back_vjp, name="logsumexp_backward", cost=6.0)
def _logsumexp_back(xp, cotangent, x, total, *, dim, keepdim):
    cotangent, total = _opened(xp, cotangent, x.ndim, dim, keepdim), _opened(xp, total, x.ndim, dim, keepdim)
    shares = xp.exp(x - xp.where(xp.isfinite(total), total, xp.zeros((), total.dtype)))
    return cotangent * (shares.conj() if shares.dtype.kind == "c" else shares)


@op(shape=_logsumexp_rule, name="logsumexp", cost=8.0,
    vjp=(lambda g, x, out, dim, keepdim: _logsumexp_back(g, x, out, dim=dim, keepdim=keepdim),))  # fmt: skip
def _logsumexp(xp, x, *, dim, keepdim):
    over = axes(dim, x.ndim)
    top = x.real.max(axis=over, keepdims=True, initial=-xp.inf)
    top = xp.where(xp.isinf(top), xp.zeros((), top.dtype), top)
    made = xp.log(xp.exp(x - top).sum(axis=over, keepdims=True)) + top
    return made if keepdim else made.squeeze(over)


_record_logsumexp = recorder(_logsumexp.op)


def logsumexp(input: Tensor, dim: int | Sequence[int], keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of the sum of exponentials over some dimensions (``torch.logsumexp``).

    >>> import kuai as torch
    >>> torch.logsumexp(torch.tensor([100., 100.]), dim=0)
    tensor(100.6931)
    """
    made = _record_logsumexp((dims_of(dim, "logsumexp"), keepdim), input)
    return made if out is None else write_out(out, made)


METHODS = ("softmax", "log_softmax", "logsumexp")
INPLACE = ()
