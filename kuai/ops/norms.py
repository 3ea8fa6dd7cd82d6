"""The core of all norms: vector norms of any order over any dimensions, and those matrix norms that are made of them."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from .. import dtypes
from ..dispatch import recorder
from ..dtypes import dtype
from ..engine.program import Aval, Op
from ..tensor import Tensor
from . import rules
from .along import also_named, axes, dims_of, need_tensor, reduced, spread
from .define import op, write_exact, write_out
from .searching import share_ties

# ---- vector norms ----------------------------------------------------------------------------------------------------


def _norm_rule(op: Op, avals: Sequence, *, ord: float, dim: object, keepdim: bool, dtype: dtype | None) -> tuple:
    x = need_tensor(op, avals[0])
    target = _norm_dtype(op, x.dtype, dtype)
    if ord == inf or ord < 0:
        _need_identity(op, x, ord, dim)
    return Aval(reduced(x, dim, keepdim), target.to_real(), x.device), target


def _norm_dtype(op: Op, given: dtype, wanted: dtype | None) -> dtype:
    name = rules._cname
    if given.category < 2:
        raise RuntimeError(f"{op.name}: Expected a floating point or complex tensor as input. Got {name(given)}")
    if wanted is None:
        return given
    if wanted.is_complex is not given.is_complex:
        kind = "complex" if given.is_complex else "real"
        raise RuntimeError(f"{op.name}: dtype should be {kind} for {kind} inputs, but got {name(wanted)}")
    if dtypes.promote_types(given, wanted) is not wanted:
        raise RuntimeError(f"{op.name}: the dtype of the input ({name(given)}) should be convertible without narrowing to the "
                           f"specified dtype ({name(wanted)})")  # fmt: skip
    return wanted


def _need_identity(op: Op, x: Aval, ord: float, dim: object) -> None:
    """The greatest of nothing has no value, so norms that are made of it need elements."""
    missing = "the operation does not have an identity"
    if not x.size and (dim is None or dim == ()):
        raise RuntimeError(f"{op.name} cannot compute the {ord} norm on an empty tensor because {missing}")
    for a in axes(dim, len(x.shape)):
        if not x.shape[a]:
            raise RuntimeError(f"{op.name} cannot compute the {ord} norm on the dimension {a} because this dimension is "
                               f"empty and {missing}")  # fmt: skip


def _norm_vjp(g: Tensor, x: Tensor, out: Tensor, ord: float, dim: object, keepdim: bool, dtype: object) -> Tensor | None:
    if ord == 0:
        return None
    x = x.to(dtype) if dtype else x
    if abs(ord) == inf:
        return x.sgn() * share_ties(g, x.abs(), out, dim, keepdim)
    open_ = [spread(t, x.shape, dim, keepdim) for t in (g, out)]
    return _power_vjp(*open_, x, ord)


def _power_vjp(g: Tensor, norm: Tensor, x: Tensor, ord: float) -> Tensor:
    """The derivative of (sum of |x| ** ord) ** (1 / ord): |x| ** (ord - 1) in the direction of x, nothing at zero."""
    if ord == 1:
        return x.sgn() * g
    flat = norm == 0
    if ord == 2:
        return x * (g.masked_fill(flat, 0) / norm.masked_fill(flat, 1))
    power = (x.abs() / norm.masked_fill(flat, 1)).pow(ord - 1)  # of the ratio: powers of either leave half types' range
    power = power if ord > 1 else power.masked_fill(x == 0, 0)
    return x.sgn() * power * g.masked_fill(flat, 0)


def _sum_of_squares(x):
    return x.real * x.real + x.imag * x.imag if x.dtype.kind == "c" else x * x


@op(shape=_norm_rule, vjp=(_norm_vjp,), name="linalg.vector_norm", grad_name="LinalgVectorNormBackward0")
def _vector_norm(xp, x, *, ord, dim, keepdim, dtype):
    fold = {"axis": axes(dim, x.ndim), "keepdims": keepdim}
    if ord == 2:
        return xp.sqrt(_sum_of_squares(x).sum(**fold))
    if ord == 0:
        return (x != 0).sum(**fold)
    x = xp.abs(x)
    if ord == 1:
        return x.sum(**fold)
    if abs(ord) == inf:
        return x.max(**fold) if ord > 0 else x.min(**fold)
    return (x**ord).sum(**fold) ** (1 / ord)


_record_vector_norm = recorder(_vector_norm.op)


@also_named(input="x")
def vector_norm(x: Tensor, ord: object = 2, dim: object = None, keepdim: bool = False, *, dtype: object = None,
                out: Tensor | None = None) -> Tensor:  # fmt: skip
    """The norm of vectors along some dimensions, or of all elements (``torch.linalg.vector_norm``).

    >>> import kuai as torch
    >>> vector_norm(torch.tensor([3., 4.]))
    tensor(5.)
    """
    wanted = None if dtype is None else dtypes.as_dtype(dtype)
    made = _record_vector_norm((_order(ord), dims_of(dim, "linalg_vector_norm"), keepdim, wanted), x)
    return made if out is None else write_exact(out, made)


def _order(ord: object) -> float:
    if isinstance(ord, Tensor) and not ord.shape:
        ord = ord.item()
    if isinstance(ord, complex):
        raise RuntimeError("linalg.vector_norm: Expected a non-complex scalar as the order of norm.")
    if not isinstance(ord, (int, float)):
        raise TypeError(f"linalg_vector_norm(): argument 'ord' (position 2) must be Number, not {type(ord).__name__}")
    return float(ord)


# ---- matrix norms ----------------------------------------------------------------------------------------------------


@also_named(input="A")
def matrix_norm(A: Tensor, ord: object = "fro", dim: object = (-2, -1), keepdim: bool = False, *, dtype: object = None,
                out: Tensor | None = None) -> Tensor:  # fmt: skip
    """The norm of matrices (``torch.linalg.matrix_norm``): 'fro', 'nuc', 1, 2, inf and the negatives.

    >>> import kuai as torch
    >>> torch.linalg.matrix_norm(torch.tensor([[3., 0.], [0., 4.]]), "nuc")
    tensor(7.)
    """
    over = _matrix_dims(A, dim)
    if ord == "fro":
        made = vector_norm(A, 2, over, keepdim, dtype=dtype)
    elif ord in (1, -1, inf, -inf):
        made = _of_sums(A, float(ord), over, keepdim, dtype)
    elif ord in ("nuc", 2, -2):
        made = _of_singular_values(A, ord, over, keepdim, dtype)
    else:
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    return made if out is None else write_out(out, made)


def _matrix_dims(A: Tensor, dim: object) -> tuple[int, int]:
    if A.ndim < 2:
        raise RuntimeError("linalg.matrix_norm: The input tensor A must have at least 2 dimensions.")
    given = dims_of(dim, "linalg_matrix_norm")
    if not isinstance(given, tuple) or len(given) != 2:
        shown = " ".join(map(str, given)) if isinstance(given, tuple) else given
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {shown}")
    first, second = (rules.normalize_dim(d, A.ndim) for d in given)
    if first == second:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({given[0]}, {given[1]})")
    return first, second


def _of_sums(A: Tensor, ord: float, over: tuple[int, int], keepdim: bool, dtype: object) -> Tensor:
    """1 and inf: the greatest sum of a column or a row; negatives: the least."""
    summed, picked = over if abs(ord) == 1 else over[::-1]
    sums = vector_norm(A, 1, summed, keepdim=True, dtype=dtype)
    made = sums.amax(picked, keepdim=True) if ord > 0 else sums.amin(picked, keepdim=True)
    return made if keepdim else made.squeeze(over)


def _of_singular_values(A: Tensor, ord: object, over: tuple[int, int], keepdim: bool, dtype: object) -> Tensor:
    from .factorizations import svdvals

    A = A if dtype is None else A.to(dtype)
    values = svdvals(A.movedim(over, (-2, -1)))
    made = values.sum(-1) if ord == "nuc" else values.amax(-1) if ord == 2 else values.amin(-1)
    return made.unsqueeze(min(over)).unsqueeze(max(over)) if keepdim else made
