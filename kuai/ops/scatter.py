"""Along one dimension: gather reads at an index tensor's places, scatter writes to them, alone or reduced.

Both bodies work on flat positions: the other dimensions' coordinates are the index's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from .. import dtypes
from ..dtypes import int64
from ..engine.program import Aval, Op
from ..errors import warn
from ..layouts import of_sparse
from ..tensor import Tensor
from . import rules, taking
from .define import op, write_exact, write_out
from .extent import within
from .slicing import view, whole
from .taking import fill_where

# ---- checks --------------------------------------------------------------------------------------------------------


def _need_index(name: str, index: object) -> None:
    if not isinstance(index, Tensor):
        raise TypeError(f"{name}(): argument 'index' must be Tensor, not {type(index).__name__}")
    if index.dtype not in (dtypes.int64, dtypes.int32) and index._aval.size:
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")


def _need_rank(index: Tensor, x: Tensor, what: str) -> None:
    if what == "src" and 0 < x.ndim < index.ndim and x._aval.size:
        raise IndexError(f"Dimension out of range: src has {x.ndim} dimensions, needs as many as index, {index.ndim}")
    if max(index.ndim, 1) != max(x.ndim, 1):
        raise RuntimeError(f"Index tensor must have the same number of dimensions as {what} tensor")


def _need_room(index: Tensor, x: Tensor, dim: int | None, message: str) -> None:
    """The index is no larger than a tensor, apart from a dimension."""
    for d, (a, b) in enumerate(zip(index.shape, x.shape)):
        if d != dim and a > b:
            raise RuntimeError(message.format(d=d, index=list(index.shape), self=list(x.shape), dim=dim))


def _vector(x: Tensor) -> Tensor:
    return x if x.ndim else x.reshape(1)


# ---- flat positions ------------------------------------------------------------------------------------------------


def _flat(xp, index, shape: Sequence[int], dim: int, clip: bool):
    """For each element of an index, the position of the place it means among all elements of a tensor in order.

    NumPy checks the index. XLA clips it, or says a position behind the last, where nothing is written.
    """
    n = shape[dim]
    index = taking.checked(index, n, dim, False) if xp is np else xp.clip(index, 0, n - 1) if clip else index
    strides = [prod(shape[d + 1 :]) for d in range(len(shape))]
    flat = index * strides[dim]
    for d, length in enumerate(index.shape):
        if d != dim and length > 1:
            form = [1] * len(shape)
            form[d] = length
            flat = flat + (xp.arange(length) * strides[d]).reshape(form)
    if xp is not np and not clip:
        flat = xp.where((index >= 0) & (index < n), flat, prod(shape))
    return flat


# ---- gather --------------------------------------------------------------------------------------------------------


def _gather_rule(op: Op, avals: Sequence, *, dim: int) -> tuple:
    x, index = avals
    return Aval(index.shape, x.dtype, rules.common_device(op, avals)), (x.dtype, int64)


def _gather_xla(xp, x, index, *, dim):
    return x.reshape(-1).at[_flat(xp, index, x.shape, dim, True)].get(mode="promise_in_bounds")


@op(shape=_gather_rule, xla=_gather_xla, name="gather", exact=True,
    vjp=(lambda g, index, avals, dim: _scatter_add(None, g, index, dim=dim, shape=avals[0].shape), None))  # fmt: skip
def _gather(xp, x, index, *, dim):
    return x.reshape(-1).take(_flat(np, index, x.shape, dim, True))


def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False, out: Tensor | None = None) -> Tensor:
    """The elements at an index along a dimension, an index for each element (``torch.gather``).

    >>> import kuai as torch
    >>> torch.gather(torch.tensor([[1, 2], [3, 4]]), 1, torch.tensor([[0, 0], [1, 0]]))
    tensor([[1, 1],
            [4, 3]])
    """
    if sparse_grad and input.requires_grad and out is None:
        return of_sparse("lookup.gather")(input, dim, index)
    _need_index("gather", index)
    dim = rules.normalize_dim(dim, input.ndim)
    if index._aval.size:
        made = _gathered(input, dim, index)
    else:
        made = taking.take_at(input, index.to(int64), dim=0, count=input.ndim, wrap=True)
    return made if out is None else write_exact(out, made)


def _gathered(input: Tensor, dim: int, index: Tensor) -> Tensor:
    _need_rank(index, input, "input")
    source, places = _vector(input), _vector(index)
    _need_room(places, source, dim, "Size does not match at dimension {d} expected index {index} to be no larger than self "
               "{self} apart from dimension {dim}")  # fmt: skip
    taking.check(index, source.shape[dim], dim, wrap=False)
    made = _gather(source, places, dim=dim)
    return made if index.ndim else made.reshape(())


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None, *, out: Tensor | None = None) -> Tensor:
    """The elements at an index along a dimension, both broadcast in the others (``torch.take_along_dim``).

    >>> import kuai as torch
    >>> x = torch.tensor([[3, 1, 2]])
    >>> torch.take_along_dim(x, torch.argsort(x, 1), 1)
    tensor([[1, 2, 3]])
    """
    if indices.dtype is not int64:
        raise RuntimeError(f"torch.take_along_dim(): dtype of indices should be Long but got {rules._cname(indices.dtype)}")
    if dim is None:
        made = gather(input.reshape(-1), 0, indices.reshape(-1))
    elif input.ndim != indices.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{input.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
        )
    else:
        dim = rules.normalize_dim(dim, input.ndim)
        made = _gather_wrapped(*_broadcast_but(input, indices, dim), dim)
    return made if out is None else write_out(out, made)


def _gather_wrapped(input: Tensor, index: Tensor, dim: int) -> Tensor:
    """Places beyond the end go on from the start, as PyTorch has it along a dimension that is named."""
    n = input.shape[dim]
    return gather(input, dim, index if not n or within(index, 0, n - 1) else index.remainder(n))


def _broadcast_but(a: Tensor, b: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Two tensors broadcast against each other in all dimensions but one."""
    shapes = [[1 if d == dim else n for d, n in enumerate(x.shape)] for x in (a, b)]
    joint = rules.broadcast_shapes("take_along_dim", *shapes)
    wanted = [(*joint[:dim], x.shape[dim], *joint[dim + 1 :]) for x in (a, b)]
    a, b = (x if tuple(x.shape) == shape else x.expand(shape) for x, shape in zip((a, b), wanted))
    return a, b


# ---- scatter -------------------------------------------------------------------------------------------------------


def _scatter_rule(op: Op, avals: Sequence, *, dim: int) -> tuple:
    x = avals[0]
    rules.common_device(op, avals)
    return x, (x.dtype, x.dtype, int64)


def _scatter_xla(xp, x, src, index, *, dim):
    places = _flat(xp, index, x.shape, dim, False)
    return x.reshape(-1).at[places].set(src, mode="drop").reshape(x.shape)


@op(shape=_scatter_rule, xla=_scatter_xla, name="scatter", overwrites=True, exact=True,
    vjp=(lambda g, index, dim: _scatter(g, 0, index, dim=dim),
         lambda g, index, dim: _gather(g, index, dim=dim), None))  # fmt: skip
def _scatter(xp, x, src, index, *, dim):
    x.reshape(-1)[_flat(np, index, x.shape, dim, False)] = src
    return x


def _scatter_add_rule(op: Op, avals: Sequence, *, dim: int, shape: tuple) -> tuple:
    x, src, _ = avals
    d = src.dtype if x is None else x.dtype
    return Aval(shape, d, rules.common_device(op, avals)), (x and d, d, int64)


def _scatter_add_xla(xp, x, src, index, *, dim, shape):
    x = xp.zeros(shape, src.dtype) if x is None else x
    return taking.added(x.reshape(-1), _flat(xp, index, shape, dim, False), src).reshape(shape)


@op(shape=_scatter_add_rule, xla=_scatter_add_xla, name="scatter_add", overwrites=True, cost=4.0,
    vjp=(lambda g: g, lambda g, index, dim: _gather(g, index, dim=dim), None))  # fmt: skip
def _scatter_add(xp, x, src, index, *, dim, shape):
    """x, or zeros of a shape if it is absent, with src added at the index's places."""
    x = np.zeros(shape, src.dtype) if x is None else x
    src = np.broadcast_to(src, index.shape)
    if src.size:
        taking.add_rows(x.reshape(-1), _flat(np, index, shape, dim, False).reshape(-1), src.reshape(-1))
    return x


_MISSING = object()
_REDUCE = {"add": "sum", "multiply": "prod"}


def scatter(input: Tensor, dim: int, index: Tensor, src: object = _MISSING, *, value: object = _MISSING,
            reduce: str | None = None, out: Tensor | None = None) -> Tensor:  # fmt: skip
    """The tensor with a source's elements, or a number, at an index along a dimension (``torch.scatter``).

    >>> import kuai as torch
    >>> torch.scatter(torch.zeros(2, 3), 1, torch.tensor([[2], [0]]), 1.0)
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    src = _source(src, value)
    if reduce is not None and reduce not in _REDUCE:
        raise RuntimeError("reduce argument must be either add or multiply.")
    if reduce is not None and isinstance(src, Tensor):
        warn(
            "The reduce argument of torch.scatter with Tensor src is deprecated; use torch.scatter_reduce instead, which has "
            "more reductions."
        )
    made = _scattered("scatter", input, dim, index, src, None if reduce is None else _REDUCE[reduce])
    return made if out is None else write_out(out, made)


def _source(src: object, value: object) -> object:
    if (src is _MISSING) == (value is _MISSING):
        raise TypeError("scatter() needs either src or value")
    if value is not _MISSING and isinstance(value, Tensor) and not value.ndim:
        return value.item()
    return src if value is _MISSING else value


def _scattered(
    name: str, input: Tensor, dim: int, index: Tensor, src: object, reduce: str | None, include_self: bool = True
) -> Tensor:
    """Check what all scatters take, and record the one that is meant."""
    _need_index(name, index)
    dim = rules.normalize_dim(dim, input.ndim)
    if isinstance(src, Tensor):
        if src.dtype is not input.dtype:
            raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype")
    elif not isinstance(src, (int, float, complex, np.generic)):
        raise TypeError(f"{name}(): argument 'src' must be Tensor or Number, not {type(src).__name__}")
    else:
        rules.need_fit(src, input.dtype, name)
    if not index._aval.size and not (isinstance(src, Tensor) and src.requires_grad and index.ndim == src.ndim == input.ndim):
        return input.clone()
    source, places = _fitting(input, dim, index, src)
    made = _RECORD[reduce](_vector(input), source, places, dim, include_self)
    return made if input.ndim else made.reshape(())


def _fitting(input: Tensor, dim: int, index: Tensor, src: object) -> tuple[object, Tensor]:
    """The source, cut to the index's shape, and the index; both checked against the input."""
    _need_rank(index, input, "self")
    places, x = _vector(index), _vector(input)
    _need_room(places, x, dim, "Expected index {index} to be no larger than self {self} apart from dimension {dim}")
    taking.check(places, x.shape[dim], dim, wrap=False)
    if isinstance(src, Tensor):
        _need_rank(index, src, "src")
        src = _vector(src)
        _need_room(places, src, None, "Expected index {index} to be no larger than src {self}")
        if src.shape != places.shape:
            src = view(src, None, spec=tuple(map(whole, places.shape)))
    return src, places


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The tensor with a source's elements added at an index along a dimension (``torch.scatter_add``).

    >>> import kuai as torch
    >>> torch.scatter_add(torch.zeros(3), 0, torch.tensor([0, 0, 2]), torch.ones(3))
    tensor([2., 0., 1.])
    """
    made = _scattered("scatter_add", input, dim, index, src, "sum")
    return made if out is None else write_out(out, made)


# ---- scatter and reduce --------------------------------------------------------------------------------------------

_UFUNC = {"sum": np.add, "mean": np.add, "prod": np.multiply, "amax": np.maximum, "amin": np.minimum}
_AT = {"sum": "add", "mean": "add", "prod": "multiply", "amax": "max", "amin": "min"}


def _neutral(reduce: str, d: np.dtype) -> object:
    """What a reduction starts from where the tensor's own element does not count."""
    if reduce in ("amax", "amin"):
        lowest = reduce == "amax"
        if d.kind in "iu":
            return np.iinfo(d).min if lowest else np.iinfo(d).max
        return not lowest if d.kind == "b" else d.type(-np.inf if lowest else np.inf)
    return 1 if reduce == "prod" else 0


def _reduce_rule(op: Op, avals: Sequence, *, dim: int, reduce: str, include_self: bool) -> tuple:
    x, src, _ = avals
    if x.dtype.is_complex and reduce in ("amax", "amin"):
        raise RuntimeError(f"scatter_reduce: {reduce} is not defined for complex numbers")
    rules.common_device(op, avals)
    return x, (x.dtype, x.dtype, int64)


def _mean(xp, total, count):
    return total // count if total.dtype.kind in "iu" else total / count.astype(total.dtype)


def _reduce_xla(xp, x, src, index, *, dim, reduce, include_self):
    places, flat = _flat(xp, index, x.shape, dim, False), x.reshape(-1)
    out = flat if include_self else flat.at[places].set(_neutral(reduce, x.dtype), mode="drop")
    out = getattr(out.at[places], _AT[reduce])(src, mode="drop")
    if reduce == "mean":
        count = xp.full(flat.shape, int(include_self)).at[places].add(1, mode="drop")
        out = _mean(xp, out, xp.maximum(count, 1))
    return out.reshape(x.shape)


def _reduce_vjp(
    g: Tensor, x: Tensor, src: object, index: Tensor, out: Tensor, dim: int, reduce: str, include_self: bool
) -> tuple:
    to_x, to_src = _COTANGENTS[reduce](g, x, src, index, out, dim, include_self)
    return (to_x if include_self else _scatter(to_x, 0, index, dim=dim)), to_src, None


@op(shape=_reduce_rule, vjp=_reduce_vjp, xla=_reduce_xla, name="scatter_reduce", overwrites=True, cost=4.0)
def _scatter_reduce(xp, x, src, index, *, dim, reduce, include_self):
    places = _flat(np, index, x.shape, dim, False).reshape(-1)
    out = x.reshape(-1)
    if not include_self:
        out[places] = _neutral(reduce, x.dtype)
    _UFUNC[reduce].at(out, places, np.broadcast_to(src, index.shape).reshape(-1))
    if reduce == "mean":
        out = _mean(np, out, np.maximum(np.bincount(places, minlength=out.size) + include_self, 1))
    return out.reshape(x.shape)


def _sum_cotangents(g, x, src, index, out, dim, include_self) -> tuple:
    return g, _gather(g, index, dim=dim)


def _mean_cotangents(g, x, src, index, out, dim, include_self) -> tuple:
    count = _scatter_add(g.new_full(g.shape, float(include_self)), 1.0, index, dim=dim, shape=g.shape)
    share = g / count.clamp_min(1.0)
    return share, _gather(share, index, dim=dim)


def _extreme_cotangents(g, x, src, index, out, dim, include_self) -> tuple:
    """What is as great as the result shares the cotangent."""
    mine = (x == out).to(g.dtype)
    mine = mine if include_self else _scatter(mine, 0, index, dim=dim)
    theirs = (src == _gather(out, index, dim=dim)).to(g.dtype)
    share = g / _scatter_add(mine, theirs, index, dim=dim, shape=g.shape).clamp_min(1.0)
    kept = share * (mine if include_self else (x == out).to(g.dtype))
    return kept, theirs * _gather(share, index, dim=dim)


def _prod_cotangents(g, x, src, index, out, dim, include_self) -> tuple:
    """The product of all the others: by division, except where a factor is the only zero."""
    static = {"dim": dim, "reduce": "prod", "include_self": include_self}
    safe_x = fill_where(x, x == 0, 1)
    to_x = g * (_scatter_reduce(safe_x, src, index, **static) / safe_x).conj()
    zero = src == 0
    zeros = _scatter_add(None, zero.to(int64), index, dim=dim, shape=tuple(x.shape))
    single = zero & (_gather(zeros, index, dim=dim) == 1)
    others = _scatter_reduce(x, fill_where(src, single, 1), index, **static)
    whole_product = _gather(g * out.conj(), index, dim=dim) / fill_where(src, zero, 1).conj()
    to_src = fill_where(whole_product, single, 0) + fill_where(_gather(g * others.conj(), index, dim=dim), ~single, 0)
    return to_x, to_src


_COTANGENTS = {"sum": _sum_cotangents, "mean": _mean_cotangents, "prod": _prod_cotangents,
               "amax": _extreme_cotangents, "amin": _extreme_cotangents}  # fmt: skip


def _record_set(x: Tensor, src: object, index: Tensor, dim: int, include_self: bool) -> Tensor:
    return _scatter(x, src, index, dim=dim)


def _record_sum(x: Tensor, src: object, index: Tensor, dim: int, include_self: bool) -> Tensor:
    x = x if include_self else _scatter(x, 0, index, dim=dim)
    return _scatter_add(x, src, index, dim=dim, shape=tuple(x.shape))


def _recorder_of(reduce: str):
    return lambda x, src, index, dim, include_self: _scatter_reduce(
        x, src, index, dim=dim, reduce=reduce, include_self=include_self
    )


_RECORD = {None: _record_set, "sum": _record_sum, **{r: _recorder_of(r) for r in ("prod", "mean", "amax", "amin")}}


def scatter_reduce(input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True,
                   out: Tensor | None = None) -> Tensor:  # fmt: skip
    """The tensor with a source's elements reduced into the places of an index (``torch.scatter_reduce``).

    >>> import kuai as torch
    >>> torch.scatter_reduce(torch.ones(2), 0, torch.tensor([0, 0]), torch.tensor([3., 5.]), "amax")
    tensor([5., 1.])
    """
    if reduce not in _UFUNC:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    made = _scattered("scatter_reduce", input, dim, index, src, reduce, include_self)
    return made if out is None else write_out(out, made)


def _but(dim: int, shape: Sequence[int]) -> list[int]:
    return [n for d, n in enumerate(shape) if d != dim]


def index_reduce(input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True,
                 out: Tensor | None = None) -> Tensor:  # fmt: skip
    """The tensor with a source's slices reduced into places of a dimension (``torch.index_reduce``).

    >>> import kuai as torch
    >>> torch.index_reduce(torch.ones(2), 0, torch.tensor([0, 0]), torch.tensor([3., 5.]), "prod")
    tensor([15.,  1.])
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    dim = rules.normalize_dim(dim, input.ndim)
    if dim >= max(source.ndim, 1):
        raise RuntimeError(f"index_reduce_(): Indexing dim {dim} is out of bounds of the source tensor with dim {source.ndim}")
    if index._aval.size != (source.shape[dim] if source.ndim else 1):
        raise RuntimeError(
            f"index_reduce_(): Number of indices ({index._aval.size}) should be equal to source.size(dim): "
            f"({source.shape[dim] if source.ndim else 1}), for dim: {dim}"
        )
    if index.ndim > 1:
        raise IndexError(f"index_reduce_(): Index is supposed to be a vector, but got one of shape {list(index.shape)}")
    taking.check_slices(input, dim, source, "index_reduce_")
    if input.dtype is not source.dtype:
        raise RuntimeError("index_reduce_(): self and source must have the same scalar type")
    if _but(dim, input.shape) != _but(dim, source.shape):
        raise RuntimeError(
            "index_reduce_(): source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = "
            f"{list(input.shape)} source.shape = {list(source.shape)}"
        )
    source = _vector(source)
    form = [1] * source.ndim
    form[dim] = -1
    places = index.reshape(form).expand(source.shape)
    made = _scattered("index_reduce", _vector(input), dim, places, source, reduce, include_self)
    made = made if input.ndim else made.reshape(())
    return made if out is None else write_out(out, made)


METHODS = ("gather", "take_along_dim", "scatter", "scatter_add", "scatter_reduce", "index_reduce")
INPLACE = ("scatter", "scatter_add", "scatter_reduce", "index_reduce")
