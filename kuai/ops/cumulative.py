"""Running sums and their like, and what is made of neighbours: differences and integrals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from .. import dtypes, return_types
from ..dispatch import recorder
from ..dtypes import dtype
from ..engine.program import Op
from ..engine.trace import current
from ..tensor import Tensor
from . import rules
from .along import along, axes, dim_of, dims_of, need_tensor, put, ranks, refuse, same_along, wanted_dtype
from .conversion import _check_leaf, assign
from .define import op, write_exact, write_out, write_outs
from .joining import cat


def _fold(xp, step: Callable, start: object, xs: tuple, dim: int, tree: Callable, reverse: bool = False):
    """Under XLA, what ``s = step(s, *x)`` gives after each element: a loop on the CPU, where it is quick; else a tree."""

    def loop(*xs):
        def advance(s, x):
            s = step(s, *x)
            return s, s

        lines = [xp.moveaxis(x, dim, 0) for x in xs]
        first = xp.full(lines[0].shape[1:], start, lines[0].dtype)
        return xp.moveaxis(xp.lax.scan(advance, first, lines, reverse=reverse)[1], 0, dim)

    return xp.lax.platform_dependent(*xs, cpu=loop, default=tree)


def _running_rule(op: Op, avals: Sequence, *, dim: int, dtype: dtype | None, reverse: bool) -> tuple:
    x = need_tensor(op, avals[0])
    rules.normalize_dim(dim, len(x.shape))
    target = dtype or (x.dtype if x.dtype.category > 1 else dtypes.int64)
    if target is dtypes.bool_:
        raise NotImplementedError(f"\"{op.name}_out_cpu\" not implemented for 'Bool'")
    return x.with_(dtype=target), target


def _accumulated(x: np.ndarray, call: Callable, dim: int, reverse: bool) -> np.ndarray:
    return np.flip(call(np.flip(x, dim), axis=dim), dim) if reverse else call(x, axis=dim)


@along
def _cumsum_xla(xp, x, *, dim, dtype, reverse):
    return _fold(xp, xp.add, 0, (x,), dim, lambda x: xp.lax.cumsum(x, axis=dim, reverse=reverse), reverse)


@op(shape=_running_rule, name="cumsum", xla=_cumsum_xla, cost=2.0,
    vjp=(lambda g, dim, reverse: _cumsum(g, dim=dim, dtype=None, reverse=not reverse),))  # fmt: skip
@along
def _cumsum(xp, x, *, dim, dtype, reverse):
    return _accumulated(x, np.cumsum, dim, reverse)


_record_cumsum = recorder(_cumsum.op)


def cumsum(input: Tensor, dim: int, *, dtype: object = None, out: Tensor | None = None) -> Tensor:
    """Sums of all elements up to each one (``torch.cumsum``).

    >>> import kuai as torch
    >>> torch.cumsum(torch.tensor([1, 2, 3]), dim=0)
    tensor([1, 3, 6])
    """
    made = _record_cumsum((dim_of(dim, "cumsum"), wanted_dtype(dtype, out), False), input)
    return made if out is None else write_out(out, made)


# ---- products: the derivative is a linear recurrence, which has no division and so no trouble with zeros -------------


def _shift_body(xp, x, *, dim, by, fill):
    """The elements moved along a dimension by one place, and a number in the place left."""
    n = x.shape[dim]
    edge = xp.full((*x.shape[:dim], min(n, 1), *x.shape[dim + 1 :]), fill, dtype=x.dtype)
    here = (slice(None),) * dim
    return xp.concatenate([edge, x[(*here, slice(0, max(n - 1, 0)))]] if by > 0 else [x[(*here, slice(1, n))], edge], axis=dim)


_shift = op(shape=same_along, vjp=(lambda g, dim, by, fill: shift(g, dim, -by, 0.0),), name="shift",
            exact=True)(along(_shift_body))  # fmt: skip


def shift(x: Tensor, dim: int, by: int, fill: float) -> Tensor:
    """``x`` moved by one place forward (1) or back (-1) along ``dim``, with ``fill`` at the free end."""
    return _shift(x, dim=dim, by=by, fill=fill)


@along
def _recur_xla(xp, a, b, *, dim, reverse):
    def then(first, second):
        return first[0] * second[0], first[1] * second[0] + second[1]

    def tree(a, b):
        return xp.lax.associative_scan(then, (a, b), reverse=reverse, axis=dim)[1]

    return _fold(xp, lambda s, a, b: a * s + b, 0, (a, b), dim, tree, reverse)


def _recur_vjp(g: Tensor, a: Tensor, out: Tensor, dim: int, reverse: bool, needs: tuple) -> tuple:
    """The cotangent runs through the same recurrence the other way."""
    toward = 1 if reverse else -1
    weights = a.conj() if a.dtype.is_complex else a
    back = _recur(shift(weights, dim, toward, 0.0), g, dim=dim, reverse=not reverse)
    before = shift(out, dim, -toward, 0.0)
    return back * (before.conj() if before.dtype.is_complex else before), back


@op(shape=same_along, vjp=_recur_vjp, xla=_recur_xla, name="recurrence", cost=10.0)
@along
def _recur(xp, a, b, *, dim, reverse):
    """s[k] = a[k] * s[k-1] + b[k] along a dimension, from zero."""
    made = np.empty(b.shape, b.dtype)
    source, a, b = np.moveaxis(made, dim, 0), np.moveaxis(a, dim, 0), np.moveaxis(b, dim, 0)
    s = np.zeros(b.shape[1:], b.dtype)
    for k in range(len(b))[:: -1 if reverse else 1]:
        source[k] = s = a[k] * s + b[k]
    return made


def _cumprod_vjp(g: Tensor, input: Tensor, out: Tensor, dim: int, reverse: bool) -> tuple:
    toward = 1 if reverse else -1
    x = input.to(g.dtype)
    x, before = (x.conj(), out.conj()) if x.dtype.is_complex else (x, out)
    back = _recur(shift(x, dim, toward, 0.0), g, dim=dim, reverse=not reverse)
    return (back * shift(before, dim, -toward, 1.0),)


@along
def _cumprod_xla(xp, input, *, dim, dtype, reverse):
    return _fold(xp, xp.multiply, 1, (input,), dim, lambda x: xp.lax.cumprod(x, axis=dim, reverse=reverse), reverse)


@op(shape=_running_rule, vjp=_cumprod_vjp, xla=_cumprod_xla, name="cumprod", cost=2.0)
@along
def _cumprod(xp, input, *, dim, dtype, reverse):
    return _accumulated(input, np.cumprod, dim, reverse)


def cumprod(input: Tensor, dim: int, *, dtype: object = None, out: Tensor | None = None) -> Tensor:
    """Products of all elements up to each one (``torch.cumprod``).

    >>> import kuai as torch
    >>> torch.cumprod(torch.tensor([1, 2, 3, 4]), dim=0)
    tensor([ 1,  2,  6, 24])
    """
    made = _cumprod(input, dim=dim_of(dim, "cumprod"), dtype=wanted_dtype(dtype, out), reverse=False)
    return made if out is None else write_out(out, made)


def cumprod_reversed(x: Tensor, dim: int) -> Tensor:
    """Products of all elements from each one on."""
    return _cumprod(x, dim=dim, dtype=None, reverse=True)


def _log_rule(op: Op, avals: Sequence, *, dim: int) -> tuple:
    refuse(op, need_tensor(op, avals[0]), 0, 1)
    return same_along(op, avals, dim=dim)


def _log_vjp(g: Tensor, x: Tensor, out: Tensor, dim: int) -> tuple:
    """sum over i >= k of g[i] * exp(x[k] - out[i]), as a recurrence of exponentials that are at most 1."""
    if x.dtype.itemsize < 4:  # a half type's logarithms are too coarse to subtract
        x = x.float()
        out = x.logcumsumexp(dim)
    nothing = out == -math.inf
    ratio = (out - shift(out, dim, -1, math.inf)).exp().masked_fill(nothing, 0)
    share = (x - out).exp().masked_fill(nothing, 0)
    if share.dtype.is_complex:
        ratio, share = ratio.conj(), share.conj()
    return (share * _recur(ratio, g, dim=dim, reverse=True),)


def _log_add(xp, a, b):
    """log(exp(a) + exp(b)) of complex numbers."""
    high, low = xp.where(a.real >= b.real, a, b), xp.where(a.real >= b.real, b, a)
    return xp.where(low.real == -xp.inf, high, high + xp.log1p(xp.exp(low - high)))


@along
def _logcumsumexp_xla(xp, x, *, dim):
    if x.dtype.kind != "c":
        return _fold(xp, xp.logaddexp, -np.inf, (x,), dim, lambda x: xp.lax.cumlogsumexp(x, axis=dim))

    def add(a, b):
        return _log_add(xp, a, b)

    return _fold(xp, add, -np.inf, (x,), dim, lambda x: xp.lax.associative_scan(add, x, axis=dim))


@op(shape=_log_rule, vjp=_log_vjp, xla=_logcumsumexp_xla, name="logcumsumexp", cost=15.0)
@along
def _logcumsumexp(xp, x, *, dim):
    if x.dtype.kind != "c":
        return np.logaddexp.accumulate(x, axis=dim)
    made = x.copy()
    lines = np.moveaxis(made, dim, 0)
    for k in range(1, len(lines)):
        lines[k] = _log_add(np, lines[k - 1], lines[k])
    return made


def logcumsumexp(input: Tensor, dim: int, *, out: Tensor | None = None) -> Tensor:
    """Logarithms of the running sums of exponentials (``torch.logcumsumexp``).

    >>> import kuai as torch
    >>> torch.logcumsumexp(torch.tensor([0., 0., 0.]), dim=0)
    tensor([0.0000, 0.6931, 1.0986])
    """
    made = _logcumsumexp(input, dim=dim_of(dim, "logcumsumexp"))
    return made if out is None else write_exact(out, made)


# ---- running extremes ------------------------------------------------------------------------------------------------


def _extreme_rule(op: Op, avals: Sequence, *, dim: int) -> tuple:
    x = need_tensor(op, avals[0])
    refuse(op, x, 3)
    rules.normalize_dim(dim, len(x.shape))
    return (x, x.with_(dtype=dtypes.int64)), x.dtype


def running(xp, x, dim: int, greatest: bool = True):
    """The greatest (or least) element up to each one."""
    if xp is np:
        return (np.maximum if greatest else np.minimum).accumulate(x, axis=dim)
    if x.dtype == bool:
        return running(xp, x.astype("uint8"), dim, greatest) != 0
    better, tree = (xp.maximum, xp.lax.cummax) if greatest else (xp.minimum, xp.lax.cummin)
    limits = (-np.inf, np.inf) if x.dtype.kind == "f" else (np.iinfo(x.dtype).min, np.iinfo(x.dtype).max)
    return _fold(xp, better, limits[0 if greatest else 1], (x,), dim, lambda x: tree(x, axis=dim))


def _running_extreme(name: str, greatest: bool) -> Callable:
    """cummax or cummin: where equal elements follow each other, the last one is said."""

    def put_back(g: tuple, out: tuple, avals: tuple, dim: int) -> tuple:
        return (put(g[0], out[1], avals[0].shape, dim, repeats=True),)

    def body(xp, x, *, dim):
        values = running(xp, x, dim, greatest)
        return values, running(xp, xp.where((x == values) | (x != x), ranks(xp, x.shape, dim), 0), dim)

    return op(shape=_extreme_rule, vjp=put_back, many=True, name=name, cost=4.0)(along(body))


_cummax, _cummin = _running_extreme("cummax", True), _running_extreme("cummin", False)


def cummax(input: Tensor, dim: int, *, out: tuple | None = None):
    """The greatest element up to each one, and where it is (``torch.cummax``).

    >>> import kuai as torch
    >>> values, indices = torch.cummax(torch.tensor([1, 3, 2, 4]), dim=0)
    >>> values, indices
    (tensor([1, 3, 3, 4]), tensor([0, 1, 1, 3]))
    """
    return write_outs(out, return_types.cummax(_cummax(input, dim=dim_of(dim, "cummax"))))


def cummin(input: Tensor, dim: int, *, out: tuple | None = None):
    """The least element up to each one, and where it is (``torch.cummin``).

    >>> import kuai as torch
    >>> torch.cummin(torch.tensor([3, 1, 2]), dim=0).values
    tensor([3, 1, 1])
    """
    return write_outs(out, return_types.cummin(_cummin(input, dim=dim_of(dim, "cummin"))))


# ---- neighbours: differences, integrals, slopes ----------------------------------------------------------------------


def _neighbours_rule(op: Op, avals: Sequence, *, dim: int) -> tuple:
    x, by = avals[0], 1 if op.name == "undiff" else -1
    return x.with_([max(n + by, 0) if i == dim else n for i, n in enumerate(x.shape)]), None


@op(shape=_neighbours_rule, vjp=(lambda g, dim: _undiff(g, dim=dim),), name="diff")
def _diff(xp, x, *, dim):
    here = (slice(None),) * dim
    after, before = x[(*here, slice(1, None))], x[(*here, slice(0, -1))]
    return after ^ before if x.dtype.kind == "b" else after - before


@op(shape=_neighbours_rule, vjp=(lambda g, dim: _diff(g, dim=dim),), name="undiff")
def _undiff(xp, g, *, dim):
    """The reverse of diff: each element is taken from one place and given to the next."""
    edge = xp.zeros((*g.shape[:dim], 1, *g.shape[dim + 1 :]), g.dtype)
    return xp.concatenate([edge, g], axis=dim) - xp.concatenate([g, edge], axis=dim)


def diff(input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None, *,
         out: Tensor | None = None) -> Tensor:  # fmt: skip
    """Each element less the one before, n times (``torch.diff``).

    >>> import kuai as torch
    >>> torch.diff(torch.tensor([1, 4, 9]))
    tensor([3, 5])
    """
    if not input.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    dim = rules.normalize_dim(dim_of(dim, "diff"), input.ndim)
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    made = _with_ends(input, dim, prepend, append) if n else input
    for _ in range(min(n, made.shape[dim])):
        made = _diff(made, dim=dim)
    made = made.clone() if made is input else made
    return made if out is None else write_out(out, made)


def _with_ends(x: Tensor, dim: int, prepend: Tensor | None, append: Tensor | None) -> Tensor:
    given = [t for t in (prepend, x, append) if t is not None]
    for t in given:
        if t.ndim != x.ndim:
            raise RuntimeError("diff expects prepend or append to be the same dimension as input")
        if any(a != b for i, (a, b) in enumerate(zip(t.shape, x.shape)) if i != dim):
            raise RuntimeError(f"diff expects the shape of tensor to prepend or append to match that of input except along the "
                               f"differencing dimension; input.size = {list(x.shape)}, got {list(t.shape)}")  # fmt: skip
    if len(given) == 1:
        return x
    common = rules.result_dtype([t._aval for t in given])
    return cat([t.to(common) for t in given], dim)


def _areas(name: str, y: Tensor, x: Tensor | None, dx: object, dim: int) -> Tensor:
    """Twice the areas of the trapezoids between neighbours."""
    for given, which in ((y, "y"), (x, "x")):
        if given is not None and given.dtype is dtypes.bool_:
            raise RuntimeError(f"{name}: received a bool input for `{which}`, but bool is not supported")
    if x is not None and dx is not None:
        raise TypeError(f"{name}() takes x or dx, not both")
    n = y.shape[dim]
    pairs = max(n - 1, 0)
    sums = y.narrow(dim, n - pairs, pairs) + y.narrow(dim, 0, pairs)
    if x is None:
        return sums * (1 if dx is None else dx)
    if x.ndim == 1:
        if x.shape[0] != n:
            raise RuntimeError(f"{name}: There must be one `x` value for each sample point")
        return sums * _diff(x, dim=0).reshape([-1 if i == dim else 1 for i in range(y.ndim)])
    x = x.reshape((1,) * (y.ndim - x.ndim) + tuple(x.shape))
    return sums * _diff(x, dim=dim)


def _integrated_dim(y: Tensor, dim: int) -> int:
    if not y.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return rules.normalize_dim(dim_of(dim, "trapezoid"), y.ndim)


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: object = None, dim: int = -1) -> Tensor:
    """The integral along ``dim`` by the trapezoidal rule (``torch.trapezoid``).

    >>> import kuai as torch
    >>> torch.trapezoid(torch.tensor([1., 2., 4.]))
    tensor(4.5000)
    """
    dim = _integrated_dim(y, dim)
    if not y.shape[dim]:
        return y.sum(dim)
    return _areas("trapezoid", y, x, dx, dim).sum(dim) / 2


def trapz(y: Tensor, x: Tensor | None = None, *, dx: object = None, dim: int = -1) -> Tensor:
    """The same as `trapezoid` (``torch.trapz``).

    >>> import kuai as torch
    >>> torch.trapz(torch.tensor([1., 2., 3.]))
    tensor(4.)
    """
    return trapezoid(y, x, dx=dx, dim=dim)


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: object = None, dim: int = -1) -> Tensor:
    """The integral up to each point by the trapezoidal rule (``torch.cumulative_trapezoid``).

    >>> import kuai as torch
    >>> torch.cumulative_trapezoid(torch.tensor([1., 2., 4.]))
    tensor([1.5000, 4.5000])
    """
    dim = _integrated_dim(y, dim)
    return _areas("cumulative_trapezoid", y, x, dx, dim).cumsum(dim) / 2


def gradient(input: Tensor, *, spacing: object = None, dim: object = None, edge_order: int = 1) -> tuple[Tensor, ...]:
    """The slope along each dimension, by differences of neighbours (``torch.gradient``).

    >>> import kuai as torch
    >>> torch.gradient(torch.tensor([1., 2., 4., 9.]))
    (tensor([1.0000, 1.5000, 3.5000, 5.0000]),)
    """
    over = tuple(range(input.ndim)) if dim is None else axes(dims_of(dim, "gradient"), input.ndim)
    steps = _steps(input, spacing, over, dim is None)
    if input.dtype is dtypes.uint8:
        raise RuntimeError("torch.gradient does not support uint8 input.")
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    if any(input.shape[d] < edge_order + 1 for d in over):
        raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")
    return tuple(_slope(input, d, step, edge_order) for d, step in zip(over, steps))


def _steps(x: Tensor, spacing: object, over: tuple, everywhere: bool) -> list:
    """For each dimension the step, or the points' coordinates."""
    if not isinstance(spacing, (tuple, list)):
        return [1 if spacing is None else spacing] * len(over)
    if len(spacing) != len(over):
        wanted = f"'self.dim() = {x.ndim}', since dim argument was not given" if everywhere else f"{len(over)}, as dim has"
        raise RuntimeError(f"torch.gradient expected spacing to be unspecified, a scalar, or a list of length equal to "
                           f"{wanted}, but got a list of length {len(spacing)}")  # fmt: skip
    return list(spacing)


def _slope(x: Tensor, dim: int, step: object, edge_order: int) -> Tensor:
    """Three neighbours give the slope at the middle one; the edges take two, or three for the second order."""
    n = x.shape[dim]
    first, middle, last = (x.narrow(dim, i, n - 2) for i in range(3))
    if isinstance(step, Tensor) and step.ndim:
        gaps = _diff(step, dim=0).reshape([-1 if i == dim else 1 for i in range(x.ndim)])
        gap = [gaps.narrow(dim, i, 1) for i in range(n - 1)]
        left, right = gaps.narrow(dim, 0, n - 2), gaps.narrow(dim, 1, n - 2)
        inner = (last * left / right - first * right / left + middle * (right / left - left / right)) / (left + right)
    else:
        gap, inner = [step] * (n - 1), (last - first) / (step * 2)
    start = _end([x.narrow(dim, i, 1) for i in range(edge_order + 1)], gap)
    end = _end([x.narrow(dim, n - 1 - i, 1) for i in range(edge_order + 1)], [-g for g in reversed(gap)])
    return cat([start, inner, end], dim)


def _end(at: list[Tensor], gap: list) -> Tensor:
    """The slope at the first of two or three points, whose distances are given."""
    near = gap[0]
    if len(at) == 2:
        return (at[1] - at[0]) / near
    far, both = gap[1], gap[0] + gap[1]
    return at[1] * (both / (near * far)) - at[0] * ((near + both) / (near * both)) - at[2] * (near / (far * both))


def _in_own_dtype(fn: Callable, name: str) -> Callable:
    """The in-place form of a function, which runs in the tensor's dtype: results of whole numbers are int64 else."""

    def method(self: Tensor, dim: int, *, dtype: object = None) -> Tensor:
        if current.grad:
            _check_leaf(self)
        if dtype not in (None, self.dtype):
            raise RuntimeError(f"{name}: Bad in-place call: input tensor dtype {self.dtype} and output tensor dtype {dtype} should match")
        return assign(self, fn(self, dim, dtype=self.dtype), name)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"In-place form of `{name[:-1]}` (``torch.Tensor.{name}``)."
    return method


METHODS = ("cumsum", "cumprod", "logcumsumexp", "cummax", "cummin", "diff")
INPLACE = ()
METHODS_EXTRA = {"cumsum_": _in_own_dtype(cumsum, "cumsum_"), "cumprod_": _in_own_dtype(cumprod, "cumprod_")}
