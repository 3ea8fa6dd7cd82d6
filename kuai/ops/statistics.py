"""Spread, correlation, order statistics and histograms."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from math import prod as product

import numpy as np

from .. import dtypes, return_types
from ..dispatch import record_many, recorder
from ..engine.program import Aval, Op
from ..errors import warn
from ..tensor import Tensor, from_array
from . import rules
from .along import axes, dims_of, need_tensor, reduced, spread, take
from .complex_numbers import complex_
from .creation import full
from .define import op, write_exact, write_out, write_outs
from .extent import elements
from .host import on_host
from .ranges import even

# ---- variance --------------------------------------------------------------------------------------------------------


def _var_rule(op: Op, avals: Sequence, *, dim: object, correction: float, keepdim: bool) -> tuple:
    x = need_tensor(op, avals[0])
    if x.dtype.category < 2:
        raise RuntimeError(f"{op.name}: std and var only support floating point and complex dtypes, not {x.dtype}")
    return Aval(reduced(x, dim, keepdim), x.dtype.to_real(), x.device), x.dtype


def _freedom(shape: Sequence[int], dim: object, correction: float) -> float:
    count = product([shape[a] for a in axes(dim, len(shape))])
    return max(count - correction, 0)


def _variance(x, over: tuple[int, ...], correction: float, keepdim: bool):
    """The variance of an array, and its mean."""
    mean = x.sum(axis=over, keepdims=True) / product([x.shape[a] for a in over])
    away = x - mean
    square = (away * away.conj()).real if away.dtype.kind == "c" else away * away
    return square.sum(axis=over, keepdims=keepdim) / _freedom(x.shape, over or None, correction), mean


def _root(xp, x, over: tuple[int, ...], correction: float, keepdim: bool):
    """The standard deviation of an array, and its mean.

    PyTorch's variance is a double, whose root may be a float where it is none itself. So it is taken of floats of another size.
    """
    if x.dtype.itemsize > 4 or xp is np:
        variance, mean = _variance(x, over, correction, keepdim)
        if x.dtype.itemsize > 4 or (np.isfinite(variance) & (variance > 1e-30)).all():
            return xp.sqrt(variance), mean
    mean = x.sum(axis=over, keepdims=True) / product([x.shape[a] for a in over])
    away = x - mean
    most = away.max(axis=over, keepdims=True, initial=0) - away.min(axis=over, keepdims=True, initial=0)
    size = xp.where(most > 2.0**60, 2.0**-70, xp.where(most < 2.0**-60, 2.0**70, 1.0)).astype(x.dtype)
    away = away * size
    root = xp.sqrt((away * away).sum(axis=over, keepdims=True) / _freedom(x.shape, over or None, correction)) / size
    return root if keepdim else root.squeeze(over), mean


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
    return _root(xp, x, axes(dim, x.ndim), correction, keepdim)[0]


def _with_mean_rule(op: Op, avals: Sequence, **static: object) -> tuple:
    made, found = _var_rule(op, avals, **static)
    return (made, made.with_(dtype=found)), found


def _with_mean_vjp(g: tuple, x: Tensor, dim: object, correction: float, keepdim: bool) -> tuple:
    count = product([x.shape[a] for a in axes(dim, len(x.shape))])
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
    over = axes(dim, x.ndim)
    root, mean = _root(xp, x, over, correction, keepdim)
    return root, mean if keepdim else mean.squeeze(over)


_record_var, _record_std = recorder(_var.op), recorder(_std.op)


def _record_var_mean(static: tuple, input: Tensor) -> tuple:
    return record_many(_var_mean.op, static, input)


def _record_std_mean(static: tuple, input: Tensor) -> tuple:
    return record_many(_std_mean.op, static, input)


def _spread_of(record: Callable, name: str, input: Tensor, dim: object, unbiased: object, keepdim: bool, correction: object):
    """var, std and those with the mean; ``unbiased`` and a bool in the place of dim say the correction the old way."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None and correction is not None:
        raise TypeError(f"{name}() takes unbiased or correction, not both")
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    made = record((dims_of(dim, name), correction, keepdim), input)
    if product([input.shape[a] for a in axes(dims_of(dim, name), input.ndim)]) <= correction:
        warn(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor (input numel "
            "divided by output numel)."
        )
    return made


def var(input: Tensor, dim: int | Sequence[int] | bool | None = None, unbiased: bool | None = None, keepdim: bool = False, *,
        correction: float | None = None, out: Tensor | None = None) -> Tensor:  # fmt: skip
    """Variance: the squared distance from the mean, summed and divided by n - correction (``torch.var``).

    >>> import kuai as torch
    >>> torch.var(torch.tensor([[1., 3.], [2., 6.]]), dim=1)
    tensor([2., 8.])
    """
    made = _spread_of(_record_var, "var", input, dim, unbiased, keepdim, correction)
    return made if out is None else write_out(out, made)


def std(input: Tensor, dim: int | Sequence[int] | bool | None = None, unbiased: bool | None = None, keepdim: bool = False, *,
        correction: float | None = None, out: Tensor | None = None) -> Tensor:  # fmt: skip
    """Standard deviation: the root of `var` (``torch.std``).

    >>> import kuai as torch
    >>> torch.std(torch.tensor([1., 3., 5.]))
    tensor(2.)
    """
    made = _spread_of(_record_std, "std", input, dim, unbiased, keepdim, correction)
    return made if out is None else write_out(out, made)


def var_mean(input: Tensor, dim: int | Sequence[int] | bool | None = None, unbiased: bool | None = None, keepdim: bool = False, *,
             correction: float | None = None, out: tuple | None = None) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Variance and mean at once (``torch.var_mean``).

    >>> import kuai as torch
    >>> torch.var_mean(torch.tensor([1., 3., 5.]))
    (tensor(4.), tensor(3.))
    """
    return write_outs(out, _spread_of(_record_var_mean, "var_mean", input, dim, unbiased, keepdim, correction))


def std_mean(input: Tensor, dim: int | Sequence[int] | bool | None = None, unbiased: bool | None = None, keepdim: bool = False, *,
             correction: float | None = None, out: tuple | None = None) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Standard deviation and mean at once (``torch.std_mean``).

    >>> import kuai as torch
    >>> torch.std_mean(torch.tensor([1., 3., 5.]))
    (tensor(2.), tensor(3.))
    """
    return write_outs(out, _spread_of(_record_std_mean, "std_mean", input, dim, unbiased, keepdim, correction))


# ---- quantiles -------------------------------------------------------------------------------------------------------

INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def quantile(input: Tensor, q: float | Tensor, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear",
             out: Tensor | None = None) -> Tensor:  # fmt: skip
    """What a share ``q`` of the elements is below, between neighbours if need be (``torch.quantile``).

    >>> import kuai as torch
    >>> torch.quantile(torch.tensor([0., 1., 2., 3.]), torch.tensor([0.25, 0.5]))
    tensor([0.7500, 1.5000])
    """
    made = _quantile("quantile", input, q, dim, keepdim, interpolation)
    return made if out is None else write_exact(out, made)


def nanquantile(input: Tensor, q: float | Tensor, dim: int | None = None, keepdim: bool = False, *,
                interpolation: str = "linear", out: Tensor | None = None) -> Tensor:  # fmt: skip
    """`quantile` of the elements that are not nan (``torch.nanquantile``).

    >>> import kuai as torch
    >>> torch.nanquantile(torch.tensor([0., torch.nan, 2.]), 0.5)
    tensor(1.)
    """
    made = _quantile("nanquantile", input, q, dim, keepdim, interpolation)
    return made if out is None else write_exact(out, made)


def _quantile(name: str, x: Tensor, q: object, dim: int | None, keepdim: bool, interpolation: str) -> Tensor:
    if not isinstance(q, Tensor):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q}")
        q = full((), q, dtype=x.dtype, device=x.device)
    _check_quantile(name, x, q, interpolation)
    rank = x.ndim
    axis = None if dim is None else rules.normalize_dim(dim, rank)
    x = x.reshape(-1) if axis is None or not rank else x.movedim(axis, -1)
    made = _between(x.sort(-1)[0], q.reshape(-1), name == "nanquantile", interpolation)
    if keepdim and rank:
        made = made.reshape(*(1,) * rank, -1) if axis is None else made.unsqueeze(axis)
    return made.movedim(-1, 0) if q.ndim else made.squeeze(-1)


def _check_quantile(name: str, x: Tensor, q: Tensor, interpolation: str) -> None:
    if not x.numel():
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if q.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    if x.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if x.dtype is not q.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    if interpolation not in INTERPOLATIONS:
        raise RuntimeError(f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, "
                           f"but got {interpolation}")  # fmt: skip
    shares = elements(q)
    if shares is not None and not ((shares >= 0) & (shares <= 1)).all():
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")


def _between(values: Tensor, q: Tensor, skip: bool, interpolation: str) -> Tensor:
    """From sorted lines (…, n) the elements at the shares q: (…, number of shares)."""
    numbers = (values == values).sum(-1, True)
    last = numbers.clamp(min=1) - 1 if skip else numbers * 0 + (values.shape[-1] - 1)
    rank = q * last
    if not skip:
        rank = rank.masked_fill(numbers < values.shape[-1], values.shape[-1] - 1)
    rounding = {"lower": "floor", "higher": "ceil", "nearest": "round"}.get(interpolation)
    if rounding:
        return take(values, getattr(rank, rounding)().long(), -1, repeats=True)
    low = rank.floor()
    below, above = (take(values, r.long(), -1, repeats=True) for r in (low, rank.ceil()))
    return below.lerp(above, rank - low if interpolation == "linear" else (low * 0 + 0.5))


# ---- covariance ------------------------------------------------------------------------------------------------------


def cov(input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None) -> Tensor:
    """Covariances of the rows, whose columns are observations (``torch.cov``).

    >>> import kuai as torch
    >>> torch.cov(torch.tensor([[0., 1., 2.], [2., 1., 0.]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    _need_matrix("cov", input)
    if input.dtype is dtypes.bool_:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = input.reshape(1, -1) if input.ndim < 2 else input
    n = x.shape[1]
    weights = _weights(n, fweights, aweights)
    if weights is None:
        away, norm = x - x.to(rules.floating(x.dtype)).mean(1, True), max(n - correction, 0)
    else:
        total = weights.sum()
        away = x - (x * weights).sum(1, True) / total
        lost = correction if aweights is None else (weights * aweights).sum() * correction / total
        norm = (total - lost).clamp(min=0)
    other = away if weights is None else away * weights
    made = away.matmul(other.to(away.dtype).conj().transpose(0, 1)) / norm
    return made.squeeze() if len(made.shape) else made


def _need_matrix(name: str, x: Tensor) -> None:
    if x.ndim > 2:
        raise RuntimeError(f"{name}(): expected input to have two or fewer dimensions but got {x.ndim} dimensions")


def _weights(n: int, fweights: Tensor | None, aweights: Tensor | None) -> Tensor | None:
    for name, w in (("fweights", fweights), ("aweights", aweights)):
        if w is None:
            continue
        wanted = 1 if name == "fweights" else 2
        if w.ndim > 1:
            raise RuntimeError(f"cov(): expected {name} to have one or fewer dimensions but got it with {w.ndim} dimensions")
        if w.dtype.category != wanted:
            kind = "integral" if wanted == 1 else "floating point"
            raise RuntimeError(f"cov(): expected {name} to have {kind} dtype but got {name} with {rules._cname(w.dtype)} dtype")
        if w.numel() != n:
            raise RuntimeError(f"cov(): expected {name} to have the same numel as there are observations in the input "
                               f"but got {w.numel()} != {n}")  # fmt: skip
        given = elements(w)
        if given is not None and (given < 0).any():
            raise RuntimeError(f"cov(): {name} cannot be negative")
    if fweights is None or aweights is None:
        return aweights if fweights is None else fweights
    return fweights * aweights


def corrcoef(input: Tensor) -> Tensor:
    """Correlations of the rows, whose columns are observations (``torch.corrcoef``).

    >>> import kuai as torch
    >>> torch.corrcoef(torch.tensor([[0., 1., 2.], [4., 2., 0.]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    _need_matrix("corrcoef", input)
    c = cov(input)
    if not c.ndim:
        return c / c
    variances = c.diagonal()
    deviations = (variances.real if c.dtype.is_complex else variances).sqrt()
    made = c / deviations.unsqueeze(1) / deviations.unsqueeze(0)
    if not c.dtype.is_complex:
        return made.clip(-1, 1)
    return complex_(made.real.clip(-1, 1), made.imag.clip(-1, 1))


# ---- histograms: their errors depend on the values, so they run at once ----------------------------------------------


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each number is there, or the sums of its weights (``torch.bincount``).

    >>> import kuai as torch
    >>> torch.bincount(torch.tensor([1, 3, 1]))
    tensor([0, 2, 0, 1])
    """
    if input.dtype.category != 1:
        raise NotImplementedError(f"\"bincount_cpu\" not implemented for '{rules._cname(input.dtype)}'")
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    numbers = input._array()
    if numbers.ndim != 1 or (numbers < 0).any():
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is None:
        return from_array(np.bincount(numbers, minlength=minlength).astype(np.int64), input.device)
    if weights.shape != input.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    sums = np.bincount(numbers, weights._array().astype(np.float64), minlength)
    return from_array(sums.astype(np.float32 if weights.dtype is dtypes.float32 else np.float64), input.device)


def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0, *, out: Tensor | None = None) -> Tensor:
    """How many elements are in each of equal intervals from min to max, the data's if they are equal (``torch.histc``).

    >>> import kuai as torch
    >>> torch.histc(torch.tensor([1., 2., 1.]), bins=4, min=0, max=3)
    tensor([0., 2., 1., 0.])
    """
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f"\"histogram_cpu\" not implemented for '{rules._cname(input.dtype)}'")
    _need_bins(bins, 0)
    (made,) = on_host(lambda x: (_counts(x.reshape(-1), bins, float(min), float(max)),), input)
    return made if out is None else write_exact(out, made)


def _counts(x: np.ndarray, bins: int, low: float, high: float) -> np.ndarray:
    """How many are in each of equal intervals."""
    if low == high:
        low, high = _bounds("torch.histc: range", x, low, high, empty=1.0)
    if not np.isfinite([low, high]).all():
        raise RuntimeError(f"torch.histc: range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError("torch.histc: max must be larger than min")
    x = x[(x >= low) & (x <= high)]
    places = np.minimum(((x - x.dtype.type(low)) * bins / x.dtype.type(high - low)).astype(np.int64), bins - 1)
    return np.bincount(places, minlength=bins).astype(x.dtype)


def _need_bins(bins: int, dim: int) -> None:
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension {dim}")


def _bounds(name: str, x: np.ndarray, low: float, high: float, empty: float) -> tuple[float, float]:
    """The data's range; where that is a point, with some room on both sides."""
    if x.size:
        low, high = float(x.min()), float(x.max())
    if not np.isfinite([low, high]).all():
        raise RuntimeError(f"{name} of [{low}, {high}] is not finite")
    return (low - empty, high + empty) if low == high else (low, high)


def histogram(input: Tensor, bins: object = 100, *, range: Sequence[float] | None = None, weight: Tensor | None = None,
              density: bool = False, out: tuple | None = None):  # fmt: skip
    """How many elements are in each interval, or their weights' sum, and the intervals' edges (``torch.histogram``).

    >>> import kuai as torch
    >>> torch.histogram(torch.tensor([1., 2., 1.]), bins=4, range=(0., 4.))
    torch.return_types.histogram(
    hist=tensor([0., 2., 1., 0.]),
    bin_edges=tensor([0., 1., 2., 3., 4.]))
    """
    if not isinstance(bins, (int, Tensor)):
        raise TypeError(f"histogram(): argument 'bins' must be int or Tensor, not {type(bins).__name__}")
    if isinstance(bins, Tensor) and bins.ndim != 1:
        raise RuntimeError(f"torch.histogram(): bins tensor should have one dimension, but got {bins.ndim} dimensions")
    flat = None if weight is None else weight.reshape(-1)
    hist, edges = _histogramdd(input.reshape(-1, 1), [bins], range, flat, density)
    return write_outs(out, return_types.histogram((hist, edges[0])))


def histogramdd(input: Tensor, bins: object, *, range: Sequence[float] | None = None, weight: Tensor | None = None,
                density: bool = False):  # fmt: skip
    """The histogram of points, the last dimension's elements being their coordinates (``torch.histogramdd``).

    >>> import kuai as torch
    >>> points = torch.tensor([[0., 0.], [1., 0.], [1., 1.]])
    >>> torch.histogramdd(points, bins=2).hist
    tensor([[1., 0.],
            [1., 1.]])
    """
    if not isinstance(bins, (int, tuple, list)) or not (isinstance(bins, int) or all(isinstance(b, (int, Tensor)) for b in bins)):
        raise TypeError(f"histogramdd(): argument 'bins' must be int, tuple of ints or tuple of Tensors, got {bins!r}")
    if not input.ndim and isinstance(bins, int):
        raise IndexError("torch.histogramdd: input has no dimensions, and its last one is needed")
    if input.ndim < 2:
        raise RuntimeError(f"torch.histogramdd: input tensor should have at least 2 dimensions, but got {input.ndim}")
    d = input.shape[-1]
    each = [bins] * d if isinstance(bins, int) else list(bins)
    if len(each) != d:
        raise RuntimeError(f"torch.histogramdd: expected {d} sequences of bin edges for a {d}-dimensional histogram but got "
                           f"{len(each)}")  # fmt: skip
    flat = None if weight is None else weight.reshape(-1)
    return return_types.histogramdd(_histogramdd(input.reshape(-1, d), each, range, flat, density))


def _histogramdd(points: Tensor, bins: list, range: Sequence[float] | None, weight: Tensor | None, density: bool) -> tuple:
    if not points.dtype.is_floating_point:
        raise NotImplementedError(f"\"histogramdd\" not implemented for '{rules._cname(points.dtype)}'")
    rules.need_wide("histogramdd", points._aval)
    if weight is not None and (weight.dtype is not points.dtype or weight.numel() != len(points)):
        raise RuntimeError("torch.histogramdd: weight must have input's dtype and a number for each point: got "
                           f"{weight.dtype} and {weight.numel()} for {points.dtype} and {len(points)}")  # fmt: skip
    if any(isinstance(b, Tensor) and b.dtype is not points.dtype for b in bins):
        raise RuntimeError("torch.histogramdd: input tensor and bins tensors should have the same dtype")
    tensors = [x for x in (*bins, weight) if isinstance(x, Tensor)]

    def made(x: np.ndarray, *arrays: np.ndarray) -> tuple:
        given = iter(arrays)
        lines = [
            next(given) if isinstance(b, Tensor) else _edges(x[:, i], b, i, None if range is None else range[2 * i : 2 * i + 2])
            for i, b in enumerate(bins)
        ]
        hist = _count_points(x, lines, next(given, None))
        return ((_as_density(hist, lines) if density else hist).astype(x.dtype), *lines)

    hist, *edges = on_host(made, points, *tensors)
    return hist, tuple(edges)


def _edges(x: np.ndarray, bins: int, dim: int, given: Sequence[float] | None) -> np.ndarray:
    """The edges of one dimension's intervals, at equal distances."""
    _need_bins(bins, dim)
    if given is None:
        low, high = _bounds(f"torch.histogramdd: dimension {dim}'s range", x, 0.0, 1.0, empty=0.5)
    else:
        low, high = given
        if low > high:
            raise RuntimeError(f"torch.histogramdd: min should not exceed max, but got min {low} max {high} for dim {dim}")
        low, high = (low - 0.5, high + 0.5) if low == high else (low, high)
    return even(low, high, bins + 1, dtypes.from_numpy(x.dtype))


def _count_points(x: np.ndarray, edges: list[np.ndarray], weight: np.ndarray | None) -> np.ndarray:
    shape = tuple(len(e) - 1 for e in edges)
    inside, places = np.ones(len(x), bool), []
    for column, line in zip(x.T, edges):
        inside &= (column >= line[0]) & (column <= line[-1])
        places.append(np.minimum(np.searchsorted(line, column, "right") - 1, len(line) - 2))
    flat = np.ravel_multi_index([p[inside] for p in places], shape)
    given = None if weight is None else weight[inside].astype(np.float64)
    return np.bincount(flat, given, product(shape)).reshape(shape)


def _as_density(hist: np.ndarray, edges: list[np.ndarray]) -> np.ndarray:
    made = hist / hist.sum()
    for i, line in enumerate(edges):
        made = made / np.diff(line).reshape([-1 if j == i else 1 for j in builtins.range(len(edges))])
    return made


METHODS = ("var", "std", "quantile", "nanquantile", "cov", "corrcoef", "histc", "histogram", "bincount")
INPLACE = ()
