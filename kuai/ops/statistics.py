"""Spread, correlation, order statistics and histograms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod as product

from ..engine.program import Aval, Op
from ..tensor import Tensor
from . import rules
from .along import axes, dims_of, need_tensor, numpy_names, reduced, spread, write_outs
from .define import op, write_out

# ---- variance --------------------------------------------------------------------------------------------------------------------


def _var_rule(op: Op, avals: Sequence, *, dim: object, correction: float, keepdim: bool) -> tuple:
    x = need_tensor(op, avals[0])
    if x.dtype.category < 2:
        raise RuntimeError(f"{op.name}: std and var only support floating point and complex dtypes, not {x.dtype}")
    return Aval(reduced(x, dim, keepdim), x.dtype.to_real(), x.device), x.dtype  # type: ignore[arg-type]


def _freedom(shape: Sequence[int], dim: object, correction: float) -> float:
    count = product([shape[a] for a in axes(dim, len(shape))])  # type: ignore[arg-type]
    return max(count - correction, 0)


def _variance(x, over: tuple[int, ...], correction: float, keepdim: bool):
    """The variance of an array, and its mean."""
    mean = x.sum(axis=over, keepdims=True) / product([x.shape[a] for a in over])
    away = x - mean
    square = (away * away.conj()).real if away.dtype.kind == "c" else away * away
    return square.sum(axis=over, keepdims=keepdim) / _freedom(x.shape, over or None, correction), mean


def _scale(shape: Sequence[int], dim: object, correction: float) -> float:
    freedom = _freedom(shape, dim, correction)
    return 2 / freedom if freedom else float("nan")


def _away_vjp(g: Tensor, cotangent: Tensor, x: Tensor, dim: object, correction: float, keepdim: bool) -> tuple:
    """Linear in both; from what goes to x its mean is taken off again."""
    away, scale = x - x.mean(dim, True), _scale(x.shape, dim, correction)
    inner = (g * away.conj()).real if away.dtype.is_complex else g * away
    weighted = g * spread(cotangent, x.shape, dim, keepdim)
    return inner.sum(dim, keepdim) * scale, (weighted - weighted.mean(dim, True)) * scale


@op(shape=lambda op, avals, **static: (avals[1], tuple(a.dtype for a in avals)), vjp=_away_vjp, name="var_backward", cost=3.0)
def _var_back(xp, cotangent, x, *, dim, correction, keepdim):
    over = axes(dim, x.ndim)
    away = x - x.sum(axis=over, keepdims=True) / product([x.shape[a] for a in over])
    if not keepdim and x.ndim:
        cotangent = xp.expand_dims(cotangent, over)
    return away * (cotangent * _scale(x.shape, dim, correction))


def _var_vjp(g: Tensor, x: Tensor, dim: object, correction: float, keepdim: bool) -> Tensor:
    return _var_back(g, x, dim=dim, correction=correction, keepdim=keepdim)


@op(shape=_var_rule, vjp=(_var_vjp,), name="var", cost=2.0)
def _var(xp, x, *, dim, correction, keepdim):
    return _variance(x, axes(dim, x.ndim), correction, keepdim)[0]


@op(shape=rules.broadcast, name="over_root", vjp=(
    lambda g, root: _over_root(g, root),
    lambda g, cotangent, root: _over_root(_over_root(cotangent, root), root) * g * -2))  # fmt: skip
def _over_root(xp, cotangent, root):
    """The cotangent of a variance from that of its root: none where the root is zero."""
    return xp.where(root == 0, xp.zeros((), cotangent.dtype), cotangent / (root * 2))


def _std_vjp(g: Tensor, x: Tensor, out: Tensor, dim: object, correction: float, keepdim: bool) -> Tensor:
    return _var_back(_over_root(g, out), x, dim=dim, correction=correction, keepdim=keepdim)


@op(shape=_var_rule, vjp=(_std_vjp,), name="std", cost=2.0)
def _std(xp, x, *, dim, correction, keepdim):
    return xp.sqrt(_variance(x, axes(dim, x.ndim), correction, keepdim)[0])


def _with_mean_rule(op: Op, avals: Sequence, **static: object) -> tuple:
    made, found = _var_rule(op, avals, **static)  # type: ignore[arg-type]
    return (made, made.with_(dtype=found)), found


def _with_mean_vjp(g: tuple, x: Tensor, dim: object, correction: float, keepdim: bool) -> tuple:
    count = product([x.shape[a] for a in axes(dim, len(x.shape))])  # type: ignore[arg-type]
    parts = [] if g[0] is None else [_var_vjp(g[0], x, dim, correction, keepdim)]
    parts += [] if g[1] is None else [spread(g[1], x.shape, dim, keepdim, count)]
    return (parts[0] if len(parts) == 1 else parts[0] + parts[1],)


def _std_mean_vjp(g: tuple, x: Tensor, out: tuple, dim: object, correction: float, keepdim: bool) -> tuple:
    first = None if g[0] is None else _over_root(g[0], out[0])
    return _with_mean_vjp((first, g[1]), x, dim, correction, keepdim)


@op(shape=_with_mean_rule, vjp=_with_mean_vjp, many=True, name="var_mean", cost=2.0)
def _var_mean(xp, x, *, dim, correction, keepdim):
    over = axes(dim, x.ndim)
    variance, mean = _variance(x, over, correction, keepdim)
    return variance, mean if keepdim else mean.squeeze(over)


@op(shape=_with_mean_rule, vjp=_std_mean_vjp, many=True, name="std_mean", cost=2.0)
def _std_mean(xp, x, *, dim, correction, keepdim):
    variance, mean = _var_mean.op.body(xp, x, dim=dim, correction=correction, keepdim=keepdim)
    return xp.sqrt(variance), mean


def _spread_of(made: Callable, name: str, input: Tensor, dim: object, unbiased: object, keepdim: bool, correction: object):
    """var, std and those with the mean; ``unbiased`` and a bool in the place of dim say the correction the old way."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None and correction is not None:
        raise TypeError(f"{name}() takes unbiased or correction, not both")
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)  # type: ignore[call-overload]
    return made(input, dim=dims_of(dim, name), correction=correction, keepdim=keepdim)


@numpy_names
def var(input: Tensor, dim: object = None, unbiased: bool | None = None, keepdim: bool = False, *,
        correction: float | None = None, out: Tensor | None = None) -> Tensor:  # fmt: skip
    """Variance: the squared distance from the mean, summed and divided by n - correction (``torch.var``).

    >>> import kuai as torch
    >>> torch.var(torch.tensor([[1., 3.], [2., 6.]]), dim=1)
    tensor([2., 8.])
    """
    made = _spread_of(_var, "var", input, dim, unbiased, keepdim, correction)
    return made if out is None else write_out(out, made)


@numpy_names
def std(input: Tensor, dim: object = None, unbiased: bool | None = None, keepdim: bool = False, *,
        correction: float | None = None, out: Tensor | None = None) -> Tensor:  # fmt: skip
    """Standard deviation: the root of `var` (``torch.std``).

    >>> import kuai as torch
    >>> torch.std(torch.tensor([1., 3., 5.]))
    tensor(2.)
    """
    made = _spread_of(_std, "std", input, dim, unbiased, keepdim, correction)
    return made if out is None else write_out(out, made)


@numpy_names
def var_mean(input: Tensor, dim: object = None, unbiased: bool | None = None, keepdim: bool = False, *,
             correction: float | None = None, out: tuple | None = None) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Variance and mean at once (``torch.var_mean``).

    >>> import kuai as torch
    >>> torch.var_mean(torch.tensor([1., 3., 5.]))
    (tensor(4.), tensor(3.))
    """
    return write_outs(out, _spread_of(_var_mean, "var_mean", input, dim, unbiased, keepdim, correction))  # type: ignore[return-value]


@numpy_names
def std_mean(input: Tensor, dim: object = None, unbiased: bool | None = None, keepdim: bool = False, *,
             correction: float | None = None, out: tuple | None = None) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Standard deviation and mean at once (``torch.std_mean``).

    >>> import kuai as torch
    >>> torch.std_mean(torch.tensor([1., 3., 5.]))
    (tensor(2.), tensor(3.))
    """
    return write_outs(out, _spread_of(_std_mean, "std_mean", input, dim, unbiased, keepdim, correction))  # type: ignore[return-value]


METHODS = ("var", "std")
INPLACE = ()
