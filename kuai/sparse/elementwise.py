"""Sums, products and the like of sparse tensors, element by element."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .. import dtypes
from ..ops import arithmetic, conversion, elementwise, rounding, rules
from ..ops.conversion import to_dtype
from ..ops.joining import cat
from ..ops.taking import add_at, take_at
from ..tensor import Tensor, from_array
from . import storage
from .forms import form, unsupported
from .pattern import Pattern, subset
from .shape import expanded
from .storage import build, coalesced, is_sparse, on_graph, pattern_of, picked, values_of

# ---- one operand -----------------------------------------------------------------------------------------------------


def _each(x: Tensor, compute: Callable, name: str) -> Tensor:
    """What is computed of each value, in the same places: for functions that are linear."""
    return build(pattern_of(x), compute(values_of(x)), name)


@form("neg")
def _neg(x: Tensor) -> Tensor:
    return _each(x, arithmetic.neg, "NegBackward0")


@form("clone")
def _clone(x: Tensor) -> Tensor:
    return _each(x, conversion._clone, "CloneBackward0")


@form("to")
def _to(x: Tensor, *, dtype: dtypes.dtype) -> Tensor:
    return _each(x, lambda v: to_dtype(v, dtype), "ToCopyBackward0")


@form("pow", "pow_plain")
def _pow(x: object, n: object = None, *, kind: object = None, **plain: object) -> Tensor:
    n = plain.get("n", n)
    if isinstance(n, Tensor) or not isinstance(x, Tensor):
        raise unsupported("pow.Scalar" if not isinstance(x, Tensor) else "pow.Tensor", x, n)
    if n == 0:
        raise RuntimeError("pow: cannot raise to zeroth power on sparse tensor; it would make the result tensor dense")
    return _each(coalesced(x), lambda v: elementwise.pow(v, n), "PowBackward0")


# ---- sums ------------------------------------------------------------------------------------------------------------


@form("add")
def _add(x: object, y: object) -> Tensor:
    return _sum(x, y, 1, "add")


@form("add_scaled")
def _add_scaled(x: object, y: object, alpha: object) -> Tensor:
    return _sum(x, y, alpha, "add")


@form("sub")
def _sub(x: object, y: object) -> Tensor:
    return _sum(x, y, -1, "sub")


@form("sub_scaled")
def _sub_scaled(x: object, y: object, alpha: object) -> Tensor:
    return _sum(x, y, -alpha, "sub")  # type: ignore[operator]


def _sum(x: object, y: object, alpha: object, name: str) -> Tensor:
    if not is_sparse(y) or not isinstance(x, Tensor):
        raise RuntimeError(f"{name}(sparse, dense) is not supported. Use {name}(dense, sparse) instead.")
    assert isinstance(y, Tensor)
    target = dtypes.promote_types(x.dtype, y.dtype)
    x, y = to_dtype(x, target), to_dtype(y, target)
    if not is_sparse(x):
        return _onto_dense(x, y, alpha, name)
    if x.shape != y.shape:
        raise RuntimeError(f"add: expected sizes of 'self' and 'other' to match, but {list(x.shape)} != {list(y.shape)}")
    a, b = pattern_of(x), pattern_of(y)
    if a.sparse_dim != b.sparse_dim:
        raise RuntimeError(
            f"add: expected 'self' and 'other' to have same number of sparse dimensions, but 'self' has {a.sparse_dim} sparse "
            f"dimensions while 'other' has {b.sparse_dim} sparse dimensions"
        )
    return _merged(x, _scaled(y, alpha), f"{name.capitalize()}Backward0")


def _scaled(y: Tensor, alpha: object) -> Tensor:
    if alpha == 1:
        return y
    return _neg(y) if alpha == -1 else _mul(y, alpha)


def _merged(x: Tensor, y: Tensor, name: str) -> Tensor:
    """The sum of two sparse tensors: over both patterns if those are sorted, else one after the other."""
    a, b = pattern_of(x), pattern_of(y)
    if a.same(b) or np.array_equal(a.keys, b.keys):
        return build(a, values_of(x) + values_of(y), name)
    both = cat([values_of(x), values_of(y)])
    pattern = Pattern(cat([a.indices, b.indices], 1), a.shape, False)
    if a.sorted and b.sorted:
        union = Pattern(pattern.unique.indices, a.shape, a.coalesced and b.coalesced)
        return build(union, storage.gathered(both, pattern), name)
    return build(pattern, both, name)


def _onto_dense(x: Tensor, y: Tensor, alpha: object, name: str) -> Tensor:
    """A dense tensor and a sparse one. The cotangent is the sparse one's too, as it is."""
    if x.shape != y.shape:
        raise RuntimeError(
            f"add: expected 'self' and 'other' to have same size, but self has size {list(x.shape)} while other has size "
            f"{list(y.shape)} (FYI: dense-sparse addition does not currently support broadcasting)"
        )
    pattern, values = pattern_of(y), values_of(y.detach())
    values = values if alpha == 1 else values * alpha
    made = add_at(x.detach(), values, pattern.flat, dim=0, count=pattern.sparse_dim, shape=pattern.shape)
    return on_graph(made, f"{name.capitalize()}Backward0", lambda g: (g, g if alpha == 1 else g * alpha), x, y)


# ---- products and quotients ------------------------------------------------------------------------------------------


@form("mul")
def _mul(x: object, y: object) -> Tensor:
    if not is_sparse(x):
        x, y = y, x
    assert isinstance(x, Tensor)
    if not isinstance(y, Tensor) or (not y.ndim and not is_sparse(y)):
        return _each(x, lambda v: v * y, "MulBackward0")
    return _intersection(x, y) if is_sparse(y) else _where_sparse(x, y)


def _where_sparse(x: Tensor, y: Tensor) -> Tensor:
    """A sparse tensor times a dense one: what is elsewhere does not matter."""
    shape = rules.broadcast_shapes("mul", x.shape, y.shape)
    x = x if shape == x.shape else expanded(coalesced(x), shape)
    pattern = pattern_of(x)
    other = take_at(y.expand(shape), pattern.flat, dim=0, count=pattern.sparse_dim, wrap=False)
    return build(pattern, values_of(x) * other, "MulBackward0")


def _intersection(x: Tensor, y: Tensor) -> Tensor:
    """Two sparse tensors' product: in the pattern of one of them; of coalesced ones, where the other has values too."""
    a, b = pattern_of(x), pattern_of(y)
    if a.sparse_dim != b.sparse_dim or a.lengths != b.lengths or x.ndim != y.ndim:
        raise RuntimeError(
            "sparse_binary_op_intersection_cpu(): expects sparse inputs with equal dimensionality, number of sparse "
            "dimensions, and shape of sparse dimensions"
        )
    if a.coalesced and a.same(b):
        return build(a, values_of(x) * values_of(y), "MulBackward0")
    if (a.coalesced, a.count) < (b.coalesced, b.count):
        x, y, a, b = y, x, b, a
    place, there = a.unique.find(b.keys)
    chosen = np.flatnonzero(there) if a.coalesced and b.coalesced else np.arange(b.count)
    other = picked(values_of(coalesced(x)), place[chosen], there[chosen])
    own = take_at(values_of(y), from_array(chosen, y.device), dim=0, count=1, wrap=False)
    values = own * other
    kept = subset(b, chosen).reshaped((*b.lengths, *values.shape[1:]))
    return build(kept, values, "MulBackward0")


def _divisor(x: object, y: object) -> object:
    """The divisor, if it is one that a sparse tensor may have."""
    if not is_sparse(x):
        raise unsupported("reciprocal", y)
    if isinstance(y, Tensor) and (y.ndim or is_sparse(y)):
        raise RuntimeError(
            f"Sparse division requires a scalar or zero-dim dense tensor divisor (got shape {list(y.shape)} for divisor)"
        )
    return y


@form("div")
def _div(x: Tensor, y: object) -> Tensor:
    y = _divisor(x, y)
    return _each(x, lambda v: v / y, "DivBackward0")


def _rounded(mode: str) -> Callable:
    def divide(x: Tensor, y: object) -> Tensor:
        y = _divisor(x, y)
        return _each(coalesced(x), lambda v: rounding.div(v, y, rounding_mode=mode), "DivBackward1")

    return divide


form("div_floor", "floor_divide", "div_floor_halves", "floor_divide_halves")(_rounded("floor"))
form("div_trunc", "div_trunc_halves")(_rounded("trunc"))
