"""Sums and their like: what becomes of a tensor when dimensions are folded."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from math import prod as product
from operator import index as as_int

import numpy as np

from .. import dtypes
from ..dispatch import recorder
from ..dtypes import dtype
from ..engine.program import Aval, Op
from ..tensor import Tensor, from_array
from . import rules
from .along import axes, dim_of, dims_of, need_tensor, reduced, spread, wanted_dtype
from .cumulative import cumprod_reversed, shift
from .define import named_by, op, write_exact, write_out
from .norms import matrix_norm, vector_norm

# ---- sum and mean ----------------------------------------------------------------------------------------------------


def accumulated(d: dtype) -> dtype:
    """The dtype of a sum: int64 for integers and bool."""
    return d if d.category > 1 else dtypes.int64


def _sum_rule(op: Op, avals: Sequence, *, dim: object, keepdim: bool, dtype: dtype | None) -> tuple:
    x = need_tensor(op, avals[0])
    target = dtype or accumulated(x.dtype)
    return Aval(reduced(x, dim, keepdim), target, x.device), target


def _spread_sum(g: Tensor, avals: tuple, dim: object, keepdim: bool) -> Tensor:
    return spread(g, avals[0].shape, dim, keepdim)


@op(shape=_sum_rule, vjp=(_spread_sum,), name="sum", cost=0.5, grad_name=named_by("Sum", "dim"))
def _sum(xp, x, *, dim, keepdim, dtype):
    return x.sum(axis=axes(dim, x.ndim), keepdims=keepdim)


_record_sum = recorder(_sum.op)


def sum(input: Tensor, dim: object = None, keepdim: bool = False, *, dtype: object = None,
        out: Tensor | None = None) -> Tensor:  # fmt: skip
    """Sum of all elements, or over some dimensions (``torch.sum``); integers and bools are summed as int64.

    >>> import kuai as torch
    >>> x = torch.tensor([[1., 2.], [3., 4.]])
    >>> x.sum(), x.sum(dim=0), x.sum(1, keepdim=True)
    (tensor(10.), tensor([4., 6.]), tensor([[3.],
            [7.]]))
    """
    made = _record_sum((dims_of(dim, "sum"), keepdim, wanted_dtype(dtype, out)), input)
    return made if out is None else write_out(out, made)


def _count(shape: Sequence[int], dim: object) -> int:
    return product([shape[a] for a in axes(dim, len(shape))])


def _mean_rule(op: Op, avals: Sequence, *, dim: object, keepdim: bool, dtype: dtype | None) -> tuple:
    x = need_tensor(op, avals[0])
    target = dtype or x.dtype
    if target.category < 2:
        which = "Optional" if dtype else "Input"
        raise RuntimeError(
            f"{op.name}(): could not infer output dtype. {which} dtype must be either a floating point or complex dtype. "
            f"Got: {rules._cname(target)}; give dtype=torch.float32"
        )
    return Aval(reduced(x, dim, keepdim), target, x.device), target


def _spread_mean(g: Tensor, avals: tuple, dim: object, keepdim: bool) -> Tensor:
    shape = avals[0].shape
    return spread(g, shape, dim, keepdim, _count(shape, dim))


@op(shape=_mean_rule, vjp=(_spread_mean,), name="mean", cost=0.5, grad_name=named_by("Mean", "dim"))
def _mean(xp, x, *, dim, keepdim, dtype):
    return x.sum(axis=axes(dim, x.ndim), keepdims=keepdim) / _count(x.shape, dim)


_record_mean = recorder(_mean.op)


def mean(input: Tensor, dim: object = None, keepdim: bool = False, *, dtype: object = None,
         out: Tensor | None = None) -> Tensor:  # fmt: skip
    """Mean of all elements, or over some dimensions (``torch.mean``); integers need a dtype.

    >>> import kuai as torch
    >>> torch.tensor([[1., 2.], [3., 4.]]).mean(dim=1)
    tensor([1.5000, 3.5000])
    """
    made = _record_mean((dims_of(dim, "mean"), keepdim, dtype and dtypes.as_dtype(dtype)), input)
    return made if out is None else write_out(out, made)


def _sum_to_rule(op: Op, avals: Sequence, *, shape: tuple) -> tuple:
    x = need_tensor(op, avals[0])
    lead = len(x.shape) - len(shape)
    if lead < 0 or builtins.any(n not in (1, m) for n, m in zip(shape, x.shape[lead:])):
        raise RuntimeError(f"size {{{list(shape)}}} is not expandable to size {{{list(x.shape)}}}.")
    target = x.dtype if shape and shape == x.shape else accumulated(x.dtype)
    return Aval(shape, target, x.device), target


@op(shape=_sum_to_rule, vjp=(lambda g, avals: g.expand(avals[0].shape),), name="sum_to_size", cost=0.5,
    grad_name="SumBackward1")  # fmt: skip
def _sum_to(xp, x, *, shape):
    lead = x.ndim - len(shape)
    dims = tuple(i for i, n in enumerate(x.shape) if i < lead or n != shape[i - lead])
    return x.sum(axis=dims).reshape(shape) if dims else x


_record_sum_to = recorder(_sum_to.op)


def sum_to_size(self: Tensor, *size: object) -> Tensor:
    """Sum over what broadcasting from ``size`` would repeat (``torch.Tensor.sum_to_size``).

    >>> import kuai as torch
    >>> torch.ones(4, 3).sum_to_size(1, 3)
    tensor([[4., 4., 4.]])
    """
    if not size:
        raise TypeError("sum_to_size() missing 1 required positional argument: 'size'")
    shape = tuple(map(as_int, size[0] if len(size) == 1 and not isinstance(size[0], int) else size))
    return self if shape == self.shape else _record_sum_to((shape,), self)


# ---- without nan -----------------------------------------------------------------------------------------------------


def _without_nan(xp, x):
    return xp.where(x == x, x, xp.zeros((), x.dtype))  # only nan differs from itself


def _nansum_rule(op: Op, avals: Sequence, **static: object) -> tuple:
    need_tensor(op, avals[0])
    if avals[0].dtype.is_complex:
        raise RuntimeError("nansum does not support complex inputs")
    return _sum_rule(op, avals, **static)


@op(shape=_nansum_rule, vjp=(lambda g, input, dim, keepdim: spread(g, input.shape, dim, keepdim) * (input == input),),
    name="nansum")  # fmt: skip
def _nansum(xp, input, *, dim, keepdim, dtype):
    return _without_nan(xp, input).sum(axis=axes(dim, input.ndim), keepdims=keepdim)


def nansum(input: Tensor, dim: object = None, keepdim: bool = False, *, dtype: object = None,
           out: Tensor | None = None) -> Tensor:  # fmt: skip
    """Sum with nan counted as zero (``torch.nansum``).

    >>> import kuai as torch
    >>> torch.nansum(torch.tensor([1., torch.nan, 2.]))
    tensor(3.)
    """
    made = _nansum(input, dim=dims_of(dim, "nansum"), keepdim=keepdim, dtype=dtype and dtypes.as_dtype(dtype))
    return made if out is None else write_out(out, made)


def nanmean(input: Tensor, dim: object = None, keepdim: bool = False, *, dtype: object = None,
            out: Tensor | None = None) -> Tensor:  # fmt: skip
    """Mean of the elements that are not nan (``torch.nanmean``).

    >>> import kuai as torch
    >>> torch.nanmean(torch.tensor([1., torch.nan, 2.]))
    tensor(1.5000)
    """
    if input.dtype.category < 2:
        raise RuntimeError(f"nanmean(): expected input to have floating point or complex dtype but got {input.dtype}")
    made = nansum(input, dim, keepdim, dtype=dtype) / (input == input).sum(dim, keepdim)
    return made if out is None else write_out(out, made)


# ---- products --------------------------------------------------------------------------------------------------------


def others(x: Tensor, dim: int) -> Tensor:
    """The product of all other elements along ``dim``: right where there are zeros too, and to any order."""
    return shift(x.cumprod(dim), dim, 1, 1.0) * shift(cumprod_reversed(x, dim), dim, -1, 1.0)


def _prod_vjp(g: Tensor, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    x = input.conj() if input.dtype.is_complex else input
    x = x.to(g.dtype)
    rest = others(x.reshape(-1), 0).reshape(x.shape) if dim is None else others(x, dim)
    return spread(g, x.shape, dim, keepdim) * rest


@op(shape=_sum_rule, vjp=(_prod_vjp,), name="prod", cost=1.0, grad_name=named_by("Prod", "dim"))
def _prod(xp, input, *, dim, keepdim, dtype):
    return input.prod(axis=axes(dim, input.ndim), keepdims=keepdim)


def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: object = None,
         out: Tensor | None = None) -> Tensor:  # fmt: skip
    """Product of all elements, or along one dimension (``torch.prod``).

    >>> import kuai as torch
    >>> torch.tensor([[1., 2.], [3., 4.]]).prod(dim=1)
    tensor([ 2., 12.])
    """
    one = None if dim is None else dim_of(dim, "prod")
    made = _prod(input, dim=one, keepdim=keepdim, dtype=wanted_dtype(dtype, out))
    return made if out is None else write_out(out, made)


# ---- truth and counts ------------------------------------------------------------------------------------------------


def _truth_axes(dim: object, rank: int) -> tuple[int, ...]:
    return () if dim == () else axes(dim, rank)


def _truth_rule(op: Op, avals: Sequence, *, dim: object, keepdim: bool) -> tuple:
    x = need_tensor(op, avals[0])
    shape = rules.reduced_shape(x.shape, _truth_axes(dim, len(x.shape)), keepdim)
    return Aval(shape, dtypes.uint8 if x.dtype is dtypes.uint8 else dtypes.bool_, x.device), None


@op(shape=_truth_rule, vjp=None, name="any", cost=0.5)
def _any(xp, x, *, dim, keepdim):
    return (x != 0).any(axis=_truth_axes(dim, x.ndim), keepdims=keepdim)


@op(shape=_truth_rule, vjp=None, name="all", cost=0.5)
def _all(xp, x, *, dim, keepdim):
    return (x != 0).all(axis=_truth_axes(dim, x.ndim), keepdims=keepdim)


def _truth_in(out: Tensor | None, made: Tensor) -> Tensor:
    """A truth, or it in ``out=``, where bytes will do as well as bools."""
    if out is None:
        return made
    return write_out(out, made) if out.dtype is dtypes.uint8 else write_exact(out, made)


def any(input: Tensor, dim: object = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """Whether some element is not zero (``torch.any``).

    >>> import kuai as torch
    >>> torch.any(torch.tensor([[0, 0], [0, 3]]), dim=1)
    tensor([False,  True])
    """
    return _truth_in(out, _any(input, dim=dims_of(dim, "any"), keepdim=keepdim))


def all(input: Tensor, dim: object = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """Whether no element is zero (``torch.all``).

    >>> import kuai as torch
    >>> torch.all(torch.tensor([[1, 0], [2, 3]]), dim=1)
    tensor([False,  True])
    """
    return _truth_in(out, _all(input, dim=dims_of(dim, "all"), keepdim=keepdim))


def _count_rule(op: Op, avals: Sequence, *, dim: object) -> tuple:
    x = need_tensor(op, avals[0])
    return Aval(reduced(x, dim, False), dtypes.int64, x.device), None


@op(shape=_count_rule, vjp=None, name="count_nonzero", cost=0.5)
def _count_nonzero(xp, x, *, dim):
    return (x != 0).sum(axis=axes(dim, x.ndim))


def count_nonzero(input: Tensor, dim: object = None) -> Tensor:
    """How many elements are not zero (``torch.count_nonzero``).

    >>> import kuai as torch
    >>> torch.count_nonzero(torch.tensor([[0, 1], [2, 3]]), dim=0)
    tensor([1, 2])
    """
    return _count_nonzero(input, dim=dims_of(dim, "count_nonzero"))


# ---- norms and distances ---------------------------------------------------------------------------------------------


def norm(input: Tensor, p: object = "fro", dim: object = None, keepdim: bool = False, out: Tensor | None = None,
         dtype: object = None) -> Tensor:  # fmt: skip
    """The norm of vectors, or of all elements; 'fro' and 2 are the Euclidean one (``torch.norm``).

    >>> import kuai as torch
    >>> torch.norm(torch.tensor([[3., 4.], [6., 8.]]), dim=1)
    tensor([ 5., 10.])
    """
    if isinstance(p, str) and p != "fro":
        return matrix_norm(input, p, tuple(builtins.range(input.ndim)) if dim is None else dim, keepdim, dtype=dtype, out=out)
    if p == "fro" and isinstance(dim, (tuple, list)) and len(dim) > 2:
        return matrix_norm(input, p, dim, keepdim, dtype=dtype, out=out)
    return vector_norm(input, 2 if p is None or p == "fro" else p, dim, keepdim, dtype=dtype, out=out)


def norm_except_dim(v: Tensor, pow: float = 2, dim: int = 0) -> Tensor:
    """The norms over all dimensions but one, which are kept; over all of them for -1 (``torch.norm_except_dim``).

    >>> import kuai as torch
    >>> norm_except_dim(torch.tensor([[3., 4.], [6., 8.]]))
    tensor([[ 5.],
            [10.]])
    """
    if dim == -1:
        return vector_norm(v, pow)
    kept = rules.normalize_dim(dim, v.ndim)
    return vector_norm(v, pow, tuple(d for d in range(v.ndim) if d != kept), keepdim=True)


def renorm(input: Tensor, p: float, dim: int, maxnorm: float, *, out: Tensor | None = None) -> Tensor:
    """Scale down those slices along ``dim`` whose norm is greater than ``maxnorm`` (``torch.renorm``).

    >>> import kuai as torch
    >>> torch.renorm(torch.tensor([[3., 4.], [0.3, 0.4]]), 2, 0, 1.)
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    if input.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions")
    size = norm_except_dim(input, p, rules.normalize_dim(dim, input.ndim))
    made = input * (maxnorm / (size + 1e-7)).masked_fill(size <= maxnorm, 1.0)
    return made if out is None else write_exact(out, made)


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The norm of the difference (``torch.dist``).

    >>> import kuai as torch
    >>> torch.dist(torch.tensor([1., 2.]), torch.tensor([4., 6.]))
    tensor(5.)
    """
    return vector_norm(input - other, p)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The distance of the vectors in the last dimension (``torch.nn.functional.pairwise_distance``).

    >>> import kuai as torch
    >>> torch.pairwise_distance(torch.tensor([[0., 0.]]), torch.tensor([[3., 4.]]))
    tensor([5.0000])
    """
    return vector_norm(x1 - x2 + eps, p, -1, keepdim)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along ``dim`` (``torch.nn.functional.cosine_similarity``).

    >>> import kuai as torch
    >>> torch.cosine_similarity(torch.tensor([1., 0.]), torch.tensor([1., 1.]), dim=0)
    tensor(0.7071)
    """
    common = rules.result_dtype([x1._aval, x2._aval])
    if not common.is_floating_point:
        raise RuntimeError(f"expected common dtype to be floating point, yet common dtype is {rules._cname(common)}")
    shape = rules.broadcast_shapes("cosine_similarity", x1.shape, x2.shape)
    x1, x2 = (x.to(common).expand(shape) for x in (x1, x2))
    first, second = (x / vector_norm(x, 2, dim, keepdim=True).clamp(min=eps) for x in (x1, x2))
    return (first * second).sum(dim)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0,
          compute_mode: str = "use_mm_for_euclid_dist_if_necessary") -> Tensor:  # fmt: skip
    """The distances between all pairs of rows of two batches (``torch.cdist``).

    >>> import kuai as torch
    >>> torch.cdist(torch.tensor([[0., 0.]]), torch.tensor([[3., 4.], [0., 1.]]))
    tensor([[5., 1.]])
    """
    _check_rows(x1, x2, p)
    many = builtins.max(x1.shape[-2], x2.shape[-2]) > 25
    if compute_mode not in ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist"):
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    if p == 2 and (compute_mode == "use_mm_for_euclid_dist" or (many and compute_mode.endswith("if_necessary"))):
        return _euclid_by_product(x1, x2)
    return vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)


def _check_rows(x1: Tensor, x2: Tensor, p: float) -> None:
    for x, name in ((x1, "X1"), (x2, "X2")):
        if not x.dtype.is_floating_point:
            raise RuntimeError(f"cdist only supports floating-point dtypes, {name} got: {rules._cname(x.dtype)}")
        if x.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {x.ndim}D")
    if x1.dtype is not x2.dtype:
        raise RuntimeError(f"expected scalar type {rules._cname(x1.dtype)} but found {rules._cname(x2.dtype)}")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}")
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")


def _root_vjp(g: Tensor, out: Tensor) -> Tensor:
    flat = out == 0
    return g.masked_fill(flat, 0) / (out * 2).masked_fill(flat, 1)


@op(shape=rules.same, vjp=(_root_vjp,), name="euclid_root", grad_name="EuclideanDistBackward0")
def _root(xp, square):
    """The root of what rounding may have made negative; its derivative is zero where it is zero."""
    return xp.sqrt(xp.maximum(square, 0))


def _euclid_by_product(x1: Tensor, x2: Tensor) -> Tensor:
    """|x|² + |y|² - 2 x·y: a product of matrices, in place of all differences."""
    squares = (x1 * x1).sum(-1, True) + (x2 * x2).sum(-1).unsqueeze(-2)
    return _root(squares - x1.matmul(x2.transpose(-2, -1)) * 2)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The distances between all pairs of different rows (``torch.nn.functional.pdist``).

    >>> import kuai as torch
    >>> torch.pdist(torch.tensor([[0., 0.], [3., 4.], [0., 1.]]))
    tensor([5.0000, 1.0000, 4.2426])
    """
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    if not input.dtype.is_floating_point:
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    rules.need_wide("pdist", input._aval)
    first, second = (from_array(i, input.device) for i in np.triu_indices(input.shape[0], 1))
    return vector_norm(input.index_select(0, first) - input.index_select(0, second), p, -1)


# ---- hashes ----------------------------------------------------------------------------------------------------------


def _hash_rule(op: Op, avals: Sequence, *, dim: tuple[int, ...], keepdim: bool) -> tuple:
    x = avals[0]
    if x.dtype.is_complex:
        raise NotImplementedError(f'"hash_tensor" not implemented for \'{rules._cname(x.dtype)}\'')
    computed = dtypes.float64 if x.dtype.is_floating_point else dtypes.uint64
    return Aval(rules.reduced_shape(x.shape, dim, keepdim), dtypes.uint64, x.device), computed


@op(shape=_hash_rule, vjp=None, name="hash_tensor")
def _hash(xp, x, *, dim, keepdim):
    return xp.bitwise_xor.reduce(x.view(np.uint64), axis=dim, keepdims=keepdim)


def hash_tensor(input: Tensor, dim: int | Sequence[int] | None = (), *, keepdim: bool = False, mode: int = 0,
                out: Tensor | None = None) -> Tensor:  # fmt: skip
    """The exclusive or of the elements as 64 bits, those of float64 for floats; along all dimensions for () (``torch.hash_tensor``).

    >>> import kuai as torch
    >>> torch.hash_tensor(torch.tensor([1, 2, 4]))
    tensor(7, dtype=torch.uint64)
    """
    if mode != 0:
        raise RuntimeError(f"hash_tensor: Unknown hash mode {mode}; only 0, the exclusive or, is there")
    given = (dim,) if isinstance(dim, int) else tuple(dim)
    dims = tuple(rules.normalize_dim(d, input.ndim) for d in given) if input.ndim else ()
    made = _hash(input, dim=dims or tuple(range(input.ndim)), keepdim=keepdim)
    return made if out is None else write_out(out, made)


METHODS = ("sum", "mean", "sum_to_size", "nansum", "nanmean", "prod", "any", "all", "count_nonzero", "norm",
           "renorm", "dist", "hash_tensor")  # fmt: skip
INPLACE = ("renorm",)
