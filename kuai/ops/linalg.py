"""Linear algebra beyond factorizations and systems: determinants, norms, functions and products of matrices; and the names
that `torch` has beside `torch.linalg`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, prod

import numpy as np

from .. import return_types
from ..dtypes import bool_
from ..engine.program import Aval, Op
from ..tensor import Tensor
from . import factorizations, householder, least_squares, matrix, norms, rules, solvers, triangular
from . import lu as _lu
from .along import also_named
from .define import op, write_exact, write_outs
from .joining import cat
from .matrices import (
    adjoint,
    conj,
    conjugated,
    cubic_cost,
    identity,
    need_floating,
    need_matrices,
    need_same_dtype,
    need_square,
    raising,
    square,
    transposed,
)

# ---- determinants --------------------------------------------------------------------------------------------------


def _det_rule(op: Op, avals: Sequence) -> tuple:
    x, d = square(op, avals)
    return x.with_(x.shape[:-2]), d


def _as_matrices(x: Tensor) -> Tensor:
    return x.unsqueeze(-1).unsqueeze(-1)


@op(shape=_det_rule, vjp=(lambda g, a: _as_matrices(g) * conj(_cofactor(a)),), name="linalg.det", cost=cubic_cost(0.4))
def _det(xp, a):
    return xp.linalg.det(a)


def _cofactor_cotangent(g: Tensor, a: Tensor, out: Tensor) -> Tensor:
    """Cofactors are det(A) inv(A)^T, where there is an inverse."""
    h = adjoint(solvers.inv(a))
    share = (g * h).sum((-2, -1), keepdim=True)
    return conj(out) * share - _as_matrices(conj(_det(a))) * (h @ g.transpose(-2, -1) @ h)


@op(shape=square, vjp=(_cofactor_cotangent,), name="cofactor", cost=cubic_cost(20.0))
@raising("linalg.det: The derivative could not be computed")
def _cofactor(xp, a):
    """The derivative of the determinant, from singular values, so that singular matrices have one too."""
    u, s, vh = xp.linalg.svd(a)
    adjugate = (conjugated(xp, vh) * _products_of_others(xp, s)[..., None, :]) @ conjugated(xp, u)
    return transposed(xp, adjugate * (xp.linalg.det(u) * xp.linalg.det(vh))[..., None, None])


def _products_of_others(xp, s):
    one = xp.ones((*s.shape[:-1], 1), s.dtype)
    before = xp.cumprod(xp.concatenate([one, s[..., :-1]], -1), -1)
    after = xp.flip(xp.cumprod(xp.concatenate([one, xp.flip(s[..., 1:], -1)], -1), -1), -1)
    return before * after if s.shape[-1] else s


@also_named(input="A")
def det(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The determinant (``torch.linalg.det``).

    >>> import kuai as torch
    >>> torch.linalg.det(torch.tensor([[1., 2.], [3., 4.]]))
    tensor(-2.)
    """
    made = _det(A)
    return made if out is None else write_exact(out, made)


def _slogdet_rule(op: Op, avals: Sequence) -> tuple:
    x, d = _det_rule(op, avals)
    return (x, x.with_(dtype=d.to_real())), d


def _slogdet_vjp(g: tuple, a: Tensor, out: tuple) -> tuple:
    to_sign, to_log = g
    if a.dtype.is_complex and to_sign is not None:
        turn = (to_sign.conj() * out[0]).imag * -1j
        to_log = turn if to_log is None else to_log + turn
    if to_log is None:
        return (None,)
    return (_as_matrices(to_log) * adjoint(solvers.inv_ex(a)[0]),)


@op(shape=_slogdet_rule, vjp=_slogdet_vjp, many=True, name="linalg.slogdet", cost=cubic_cost(0.4))
def _slogdet(xp, a):
    return tuple(xp.linalg.slogdet(a))


def linalg_slogdet(A: Tensor, *, out: tuple | None = None) -> tuple[Tensor, Tensor]:
    """The determinant's sign and the logarithm of its size (``torch.linalg.slogdet``).

    >>> import kuai as torch
    >>> torch.linalg.slogdet(torch.tensor([[1., 2.], [3., 4.]])).sign
    tensor(-1.)
    """
    made = _slogdet(A)
    return return_types.linalg_slogdet(write_outs(out, made))


def slogdet(input: Tensor, *, out: tuple | None = None) -> tuple[Tensor, Tensor]:
    """The determinant's sign and the logarithm of its size (``torch.slogdet``).

    >>> import kuai as torch
    >>> torch.slogdet(torch.tensor([[1., 2.], [3., 4.]])).logabsdet
    tensor(0.6931)
    """
    return return_types.slogdet(linalg_slogdet(input, out=out))


def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant; nan where it is negative (``torch.logdet``).

    >>> import kuai as torch
    >>> torch.logdet(2 * torch.eye(2))
    tensor(1.3863)
    """
    sign, log = _slogdet(input)
    return sign.log() + log


# ---- norms and what is told by them --------------------------------------------------------------------------------


@also_named(input="A")
def norm(A: Tensor, ord: object = None, dim: object = None, keepdim: bool = False, *, out: Tensor | None = None,
         dtype: object = None) -> Tensor:  # fmt: skip
    """The norm of vectors or of matrices, by the number of dimensions (``torch.linalg.norm``).

    >>> import kuai as torch
    >>> torch.linalg.norm(torch.tensor([[3., 0.], [0., 4.]]), 2)
    tensor(4.)
    """
    single = dim is None or isinstance(dim, int) or len(dim) == 1
    if ord is not None and dim is None and A.ndim not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D.")
    if ord is None:
        return norms.vector_norm(A, 2, dim, keepdim, dtype=dtype, out=out)
    if isinstance(ord, str) or (A.ndim == 2 if dim is None else not single):
        return norms.matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype, out=out)
    return norms.vector_norm(A, ord, dim, keepdim, dtype=dtype, out=out)


@also_named(input="A")
def cond(A: Tensor, p: object = None, *, out: Tensor | None = None) -> Tensor:
    """The condition number: the norm of A times that of its inverse (``torch.linalg.cond``).

    >>> import kuai as torch
    >>> torch.linalg.cond(torch.tensor([[4., 0.], [0., 2.]]))
    tensor(2.)
    """
    need_matrices("linalg.cond", A)
    if p is None or p in (2, -2):
        values = factorizations.svdvals(A)
        made = values[..., -1] / values[..., 0] if p == -2 else values[..., 0] / values[..., -1]
    else:
        made = _cond_of_inverse(A, p)
    return made if out is None else write_exact(out, made)


def _cond_of_inverse(A: Tensor, p: object) -> Tensor:
    if p not in ("fro", "nuc", 1, -1, inf, -inf):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    need_square(f"linalg.cond(ord={p})", A)
    if not A._aval.size:
        return A.new_zeros(A.shape[:-2], dtype=A.dtype.to_real())
    inverse, info = solvers.inv_ex(A)
    product = norms.matrix_norm(A, p) * norms.matrix_norm(inverse, p)
    return product.masked_fill(info != 0, inf)


# ---- functions of matrices -----------------------------------------------------------------------------------------


@also_named(input="A")
def matrix_power(A: Tensor, n: int, *, out: Tensor | None = None) -> Tensor:
    """The n-th power of square matrices, of their inverse for a negative n (``torch.linalg.matrix_power``).

    >>> import kuai as torch
    >>> torch.linalg.matrix_power(torch.tensor([[1, 1], [0, 1]]), 3)
    tensor([[1, 3],
            [0, 1]])
    """
    need_square("linalg.matrix_power", A)
    made = _power(solvers.inv(A), -n) if n < 0 else _power(A, n)
    return made if out is None else write_exact(out, made)


def _power(A: Tensor, n: int) -> Tensor:
    if n == 0:
        return A.masked_fill(A.new_ones((), dtype=bool_), 0) + identity(A, A.shape[-1])
    made = None
    while True:
        if n & 1:
            made = A if made is None else made @ A
        n >>= 1
        if not n:
            return made.clone() if made is A else made
        A = A @ A


PADE = (64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0, 10559470521600.0,
        670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0)  # fmt: skip
PADE_REACH = 5.371920351148152  # the 1-norm up to which the quotient of degree 13 is exact to double precision


def _matrix_exp_cotangent(g: Tensor, a: Tensor) -> Tensor:
    """The exponential of ((A^H, g), (0, A^H)) has the derivative in its corner."""
    h, n = adjoint(a), a.shape[-1]
    block = cat([cat([h, g], -1), cat([h.new_zeros(h.shape), h], -1)], -2)
    return _matrix_exp(block)[..., :n, n:]


def _exp_rule(op: Op, avals: Sequence) -> tuple:
    """Half types too, unlike the factorizations."""
    need_square(op.name, avals[0])
    if avals[0].dtype.category < 2:
        need_floating(op.name, avals[0].dtype)
    return avals[0], avals[0].dtype


@op(shape=_exp_rule, vjp=(_matrix_exp_cotangent,), name="linalg.matrix_exp", cost=cubic_cost(15.0),
    xla=lambda xp, a: xp.scipy.linalg.expm(a) if a.size else a)  # fmt: skip
@raising("linalg.matrix_exp: the matrix is not finite")
def _matrix_exp(xp, a):
    """Higham's scaling and squaring: the Padé quotient of A / 2**s, squared s times."""
    if not a.size:
        return a
    size = np.abs(a).sum(-2).max(-1)
    scale = np.maximum(np.ceil(np.log2(np.maximum(size, 1e-300) / PADE_REACH)), 0)
    scale = np.where(np.isfinite(scale), scale, 0).astype(int)
    made = _pade(a * (0.5 ** scale[..., None, None]).astype(size.dtype))
    for i in range(scale.max(initial=0)):
        made = np.where((i < scale)[..., None, None], made @ made, made)
    return made


def _pade(a: np.ndarray) -> np.ndarray:
    one, b = np.eye(a.shape[-1], dtype=a.dtype), PADE
    a2 = a @ a
    a4 = a2 @ a2
    a6 = a4 @ a2
    odd = a @ (a6 @ (b[13] * a6 + b[11] * a4 + b[9] * a2) + b[7] * a6 + b[5] * a4 + b[3] * a2 + b[1] * one)
    even = a6 @ (b[12] * a6 + b[10] * a4 + b[8] * a2) + b[6] * a6 + b[4] * a4 + b[2] * a2 + b[0] * one
    return np.linalg.solve(even - odd, even + odd)


@also_named(input="A")
def matrix_exp(A: Tensor) -> Tensor:
    """The exponential of square matrices (``torch.linalg.matrix_exp``).

    >>> import kuai as torch
    >>> torch.linalg.matrix_exp(torch.tensor([[0., 1.], [0., 0.]]))
    tensor([[1., 1.],
            [0., 1.]])
    """
    return _matrix_exp(A)


# ---- products ------------------------------------------------------------------------------------------------------


def _cross_rule(op: Op, avals: Sequence, *, dim: int) -> tuple:
    x, y = avals
    need_same_dtype(op.name, x, y, ("input", "other"))
    if x.dtype.category == 0:
        raise NotImplementedError(f"\"{op.name}\" not implemented for 'Bool'")
    shape = rules.broadcast_shapes(op.name, x.shape, y.shape)
    return Aval(shape, x.dtype, rules.common_device(op, avals)), x.dtype


@op(shape=_cross_rule, name="linalg.cross", cost=6.0,
    vjp=(lambda g, y, dim: _cross(conj(y), g, dim=dim), lambda g, x, dim: _cross(g, conj(x), dim=dim)))  # fmt: skip
def _cross(xp, x, y, *, dim):
    return xp.roll(x, -1, dim) * xp.roll(y, -2, dim) - xp.roll(x, -2, dim) * xp.roll(y, -1, dim)


def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1, out: Tensor | None = None) -> Tensor:
    """The cross product of vectors of three elements (``torch.linalg.cross``).

    >>> import kuai as torch
    >>> torch.linalg.cross(torch.tensor([1., 0., 0.]), torch.tensor([0., 1., 0.]))
    tensor([0., 0., 1.])
    """
    if input.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    at = rules.normalize_dim(dim, input.ndim)
    lengths = [x.shape[at] if x.ndim else 1 for x in (input, other)]
    if lengths != [3, 3]:
        raise RuntimeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got {lengths[0]} and {lengths[1]}")
    made = _cross(input, other, dim=at)
    return made if out is None else write_exact(out, made)


def cross(input: Tensor, other: Tensor, dim: int | None = None, *, out: Tensor | None = None) -> Tensor:
    """The cross product along a dimension, the first of length 3 if none is said (``torch.cross``).

    >>> import kuai as torch
    >>> torch.cross(torch.tensor([1., 0., 0.]), torch.tensor([0., 1., 0.]), dim=0)
    tensor([0., 0., 1.])
    """
    if dim is None:
        if 3 not in input.shape:
            raise RuntimeError("no dimension of size 3 in input")
        dim = input.shape.index(3)
    return linalg_cross(input, other, dim=dim, out=out)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1, out: Tensor | None = None) -> Tensor:
    """The dot products of vectors along a dimension, the first conjugated (``torch.linalg.vecdot``).

    >>> import kuai as torch
    >>> torch.linalg.vecdot(torch.tensor([[1., 2.], [3., 4.]]), torch.ones(2))
    tensor([3., 7.])
    """
    need_same_dtype("linalg.vecdot", x, y, ("x", "y"))
    made = (conj(x) * y).sum(dim)
    made = made if made.dtype is x.dtype else made.to(x.dtype)
    return made if out is None else write_exact(out, made)


def multi_dot(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The product of several matrices in the cheapest order; the first and the last may be vectors
    (``torch.linalg.multi_dot``).

    >>> import kuai as torch
    >>> torch.linalg.multi_dot([torch.ones(2, 3), torch.ones(3, 4), torch.ones(4)])
    tensor([12., 12.])
    """
    if not isinstance(tensors, (tuple, list)):
        raise TypeError(f"linalg_multi_dot(): argument 'tensors' (position 1) must be tuple of Tensors, not {type(tensors).__name__}")
    given = list(tensors)
    if len(given) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(given)}")
    _check_chain(given)
    row, column = given[0].ndim == 1, given[-1].ndim == 1
    given[0] = given[0].unsqueeze(0) if row else given[0]
    given[-1] = given[-1].unsqueeze(-1) if column else given[-1]
    made = matrix.chain_matmul(*given)
    made = made.squeeze(-1) if column else made
    made = made.squeeze(0) if row else made
    return made if out is None else write_exact(out, made)


def _check_chain(given: list[Tensor]) -> None:
    for i, x in enumerate(given):
        which = {0: "first", len(given) - 1: "last"}.get(i)
        if which and x.ndim not in (1, 2):
            raise RuntimeError(f"multi_dot(): the {which} tensor must be 1D or 2D but got {x.ndim}D")
        if not which and x.ndim != 2:
            raise RuntimeError(f"multi_dot(): tensor {i} must be 2D but got {x.ndim}D")
        if x.dtype is not given[0].dtype:
            raise RuntimeError(f"multi_dot(): all tensors must have be the same dtype but tensor 0 is {given[0].dtype} and "
                               f"tensor {i} {x.dtype}")  # fmt: skip
    for i, (x, y) in enumerate(zip(given, given[1:])):
        if x.shape[-1] != y.shape[0]:
            raise RuntimeError(f"multi_dot(): tensors {i} and {i + 1} with shapes {list(x.shape)} and {list(y.shape)} cannot "
                               "be multiplied")  # fmt: skip


def vander(x: Tensor, N: int | None = None) -> Tensor:
    """The powers of a vector's elements, from 0 to N - 1 (``torch.linalg.vander``).

    >>> import kuai as torch
    >>> torch.linalg.vander(torch.tensor([2, 3]), N=3)
    tensor([[1, 2, 4],
            [1, 3, 9]])
    """
    if x.dtype.category == 0:
        raise RuntimeError("linalg.vander does not support bool inputs")
    if x.dtype.name in ("float16", "bfloat16"):
        raise RuntimeError(f"linalg.vander supports floating point, complex, and integer tensors, but got {rules._cname(x.dtype)}")
    x = x if x.ndim else x.unsqueeze(0)
    n = x.shape[-1] if N is None else N
    if n <= 1:
        raise RuntimeError("N must be greater than 1.")
    column = x.unsqueeze(-1)
    return cat([column.new_ones(column.shape), column.expand(*x.shape, n - 1)], -1).cumprod(-1)


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of matrices, a view (``torch.linalg.diagonal``).

    >>> import kuai as torch
    >>> torch.linalg.diagonal(torch.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    return A.diagonal(offset, dim1, dim2)


@also_named(input="A", a="A")
def tensorinv(A: Tensor, ind: int = 2, *, out: Tensor | None = None) -> Tensor:
    """The inverse for `tensordot`, of the first ``ind`` dimensions to the others (``torch.linalg.tensorinv``).

    >>> import kuai as torch
    >>> torch.linalg.tensorinv(torch.eye(6).reshape(2, 3, 6)).shape
    torch.Size([6, 2, 3])
    """
    if ind <= 0:
        raise RuntimeError("Expected a strictly positive integer for 'ind'")
    if ind > A.ndim + 1:
        raise RuntimeError(f"linalg.tensorinv: invalid slice: ind={ind} of {A.ndim} dimensions")
    rows, columns = A.shape[:ind], A.shape[ind:]
    if prod(rows) != prod(columns):
        raise RuntimeError(
            f"Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
            f"{prod(columns)} != {prod(rows)}"
        )
    made = solvers.inv(A.reshape(prod(rows), prod(columns))).reshape(*columns, *rows)
    return made if out is None else write_exact(out, made)


@also_named(input="A", other="B")
def tensorsolve(A: Tensor, B: Tensor, dims: Sequence[int] | None = None, *, out: Tensor | None = None) -> Tensor:
    """X with ``tensordot(A, X, X.ndim) == B`` (``torch.linalg.tensorsolve``).

    >>> import kuai as torch
    >>> torch.linalg.tensorsolve(torch.eye(6).reshape(2, 3, 6), torch.ones(2, 3)).shape
    torch.Size([6])
    """
    if dims is not None:
        A = A.movedim(tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))
    shape = A.shape[B.ndim :]
    n = prod(shape)
    if n * prod(A.shape[: B.ndim]) != A._aval.size or n != B._aval.size:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), but got "
            f"{n} != {prod(A.shape[: B.ndim])}"
        )
    made = solvers.solve(A.reshape(n, n), B.reshape(n)).reshape(shape)
    return made if out is None else write_exact(out, made)


def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal (``torch.trace``).

    >>> import kuai as torch
    >>> torch.trace(torch.tensor([[1., 2.], [3., 4.]]))
    tensor(5.)
    """
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    rules.need_category("trace", input.dtype, 1, 2, 3)
    return input.diagonal().sum()


# ---- the older names beside torch.linalg ---------------------------------------------------------------------------


def cholesky(input: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The Cholesky factor (``torch.cholesky``); see `torch.linalg.cholesky`.

    >>> import kuai as torch
    >>> torch.cholesky(torch.tensor([[4.]]))
    tensor([[2.]])
    """
    made = factorizations.cholesky(input)
    made = adjoint(made) if upper else made
    return made if out is None else write_exact(out, made)


def qr(input: Tensor, some: bool = True, *, out: tuple | None = None) -> tuple[Tensor, Tensor]:
    """Q and R (``torch.qr``); see `torch.linalg.qr`.

    >>> import kuai as torch
    >>> torch.qr(torch.ones(3, 2)).Q.shape
    torch.Size([3, 2])
    """
    return return_types.qr(factorizations.qr(input, "reduced" if some else "complete", out=out))


def svd(input: Tensor, some: bool = True, compute_uv: bool = True, *, out: tuple | None = None) -> tuple:
    """U, S and V with A = U diag(S) V^H (``torch.svd``); see `torch.linalg.svd`.

    >>> import kuai as torch
    >>> torch.svd(torch.ones(3, 2)).V.shape
    torch.Size([2, 2])
    """
    if compute_uv:
        U, S, Vh = factorizations.svd(input, full_matrices=not some)
        made = (U, S, adjoint(Vh))
    else:
        S, (*batch, m, n) = factorizations.svdvals(input), input.shape
        made = (input.new_zeros((*batch, m, m)), S, input.new_zeros((*batch, n, n)))
    return return_types.svd(write_outs(out, made))


@also_named(input="b")
def lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor, *, out: Tensor | None = None) -> Tensor:
    """X with A X = b, from the LU factorization of A (``torch.lu_solve``); see `torch.linalg.lu_solve`.

    >>> import kuai as torch
    >>> torch.lu_solve(torch.ones(2, 1), *torch.linalg.lu_factor(2 * torch.eye(2)))
    tensor([[0.5000],
            [0.5000]])
    """
    return _lu.lu_solve(LU_data, LU_pivots, b, out=out)


def lu(A: Tensor, pivot: bool = True, get_infos: bool = False, out: tuple | None = None) -> tuple:
    """L and U in one matrix, and pivots (``torch.lu``); see `torch.linalg.lu_factor`.

    >>> import kuai as torch
    >>> LU, pivots = torch.lu(torch.eye(2))
    >>> pivots
    tensor([1, 2], dtype=torch.int32)
    """
    made = tuple(_lu.lu_factor_ex(A, pivot=pivot, check_errors=not get_infos))
    made = made if get_infos else made[:2]
    return write_outs(out, made)


def frobenius_norm(input: Tensor, dim: object, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The Euclidean norm over some dimensions (``torch.frobenius_norm``).

    >>> import kuai as torch
    >>> torch.frobenius_norm(torch.tensor([[3., 4.]]), (0, 1))
    tensor(5.)
    """
    return norms.vector_norm(input, 2, dim, keepdim, out=out)


def nuclear_norm(input: Tensor, dim: object = (-2, -1), keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The sum of the singular values (``torch.nuclear_norm``).

    >>> import kuai as torch
    >>> torch.nuclear_norm(torch.tensor([[3., 0.], [0., 4.]]))
    tensor(7.)
    """
    return norms.matrix_norm(input, "nuc", dim, keepdim, out=out)


# Defined in the families' own files, and exported with this one's.
SHARED = {f.__name__: f for f in (
    solvers.inverse, least_squares.pinverse, triangular.triangular_solve, triangular.cholesky_solve, triangular.cholesky_inverse,
    householder.geqrf, householder.orgqr, householder.ormqr, _lu.lu_unpack,
)}  # fmt: skip
METHODS = (
    "cholesky",
    "cross",
    "det",
    "logdet",
    "slogdet",
    "lu",
    "lu_solve",
    "matrix_exp",
    "matrix_power",
    "qr",
    "svd",
    "trace",
)
INPLACE = ()
METHODS_EXTRA = {
    n: SHARED[n]
    for n in ["inverse", "pinverse", "triangular_solve", "cholesky_solve", "cholesky_inverse", "geqrf", "orgqr", "ormqr"]
}  # fmt: skip
