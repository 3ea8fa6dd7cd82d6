"""The forms of ops for compressed sparse tensors: on their values where those keep their places, else by way of coordinates."""

from __future__ import annotations

from collections.abc import Callable

from .. import dtypes
from ..engine.program import Op
from ..layouts import sparse_csr
from ..ops.along import axes
from ..ops.conversion import to_dtype
from ..ops.reduction import accumulated
from ..tensor import Tensor
from .checks import layout_name
from .compressed import Compressed
from .compressing import from_coo, to_coo
from .forms import BY_VALUE, FORMS, unsupported
from .reductions import summed
from .storage import any_sparse, build, is_sparse, pattern_of, values_of

KEEPING = BY_VALUE | {"neg", "clone", "to"}  # ops of one operand that leave values where they are
BY_COORDINATES = frozenset("matmul linear index unbind index_take any linalg.vector_norm".split())


def is_compressed(x: object) -> bool:
    """Whether something is a tensor in one of the compressed layouts."""
    return any_sparse(x) and not is_sparse(x)


def record(op: Op, static: tuple | None, operands: tuple, named: dict) -> object:
    """Record an op that has a compressed operand."""
    if op.name in KEEPING:
        return _on_values(op, static, operands)
    own = OWN.get(op.name)
    if own is not None:
        return own(*operands, **named)
    if op.name in BY_COORDINATES:
        return _in_coordinates(op.name, operands, named)
    raise _refused(op.name, *operands)


def _refused(name: str, *operands: object) -> RuntimeError:
    return RuntimeError(*unsupported(name, *operands).args)


def _on_values(op: Op, static: tuple | None, operands: tuple) -> Tensor:
    x = operands[0]
    call, _, public = op.entry
    new = (values_of(x), *operands[1:])
    return build(pattern_of(x), call(*new) if public else call(static, *new), op.grad_name)


def _in_coordinates(name: str, operands: tuple, named: dict) -> object:
    """What the op makes of the operands in coordinates. Of two compressed matrices it is one too, by rows."""
    made = FORMS[name](*[to_coo(x) if is_compressed(x) else x for x in operands], **named)
    if name in ("matmul", "linear") and is_sparse(made):
        return from_coo(made, sparse_csr)
    return made


# ---- with another operand ----------------------------------------------------------------------------------------------


def _like(x: Tensor, made: Tensor) -> Tensor:
    p = pattern_of(x)
    return from_coo(made, x.layout, p.block)  # type: ignore[arg-type, attr-defined]


def _mul(x: object, y: object) -> Tensor:
    if not is_compressed(x):
        x, y = y, x
    assert isinstance(x, Tensor)
    p = pattern_of(x)
    if not isinstance(y, Tensor) or (not y.ndim and not any_sparse(y)):
        return build(p, values_of(x) * y, "MulBackward0")
    if not any_sparse(y):
        return build(p, values_of(x) * p.take(y.expand(x.shape)), "MulBackward0")  # type: ignore[attr-defined]
    if p.same(pattern_of(y)):
        return build(p, values_of(x) * values_of(y), "MulBackward0")
    return _like(x, FORMS["mul"](to_coo(x), to_coo(y) if is_compressed(y) else y))


def _div(x: object, y: object) -> Tensor:
    if not is_compressed(x) or (isinstance(y, Tensor) and (y.ndim or any_sparse(y))):
        raise RuntimeError("div: a sparse tensor is divided by a number or a zero-dimensional tensor alone")
    return build(pattern_of(x), values_of(x) / y, "DivBackward0")  # type: ignore[arg-type]


def _sum_with(sign: int) -> Callable:
    def add(x: object, y: object, alpha: object = 1) -> Tensor:
        if not isinstance(x, Tensor) or not isinstance(y, Tensor):
            raise RuntimeError("add: a number is not added to a sparse tensor; use to_dense()")
        return _added(x, y, sign * alpha)  # type: ignore[operator]

    return add


def _added(x: Tensor, y: Tensor, alpha: object) -> Tensor:
    """The sum; dense if one of the two is, in either order."""
    target = dtypes.promote_types(x.dtype, y.dtype)
    x, y = to_dtype(x, target), to_dtype(y, target)
    y = y if alpha == 1 else y * alpha
    if not any_sparse(x) or not any_sparse(y):
        sparse, dense = (x, y) if any_sparse(x) else (y, x)
        return FORMS["add"](dense, to_coo(sparse) if is_compressed(sparse) else sparse)
    if x.layout is not y.layout:
        raise RuntimeError(f"add: expected both operands in one layout, got {layout_name(x)} and {layout_name(y)}")
    p = pattern_of(x)
    if p.same(pattern_of(y)):
        return build(p, values_of(x) + values_of(y), "AddBackward0")
    return _like(x, FORMS["add"](to_coo(x), to_coo(y)))


# ---- of one operand ----------------------------------------------------------------------------------------------------


def _sum(x: Tensor, *, dim: object, keepdim: bool, dtype: dtypes.dtype | None) -> Tensor:
    if dim is not None and dim != ():
        if x.layout is not sparse_csr:  # type: ignore[comparison-overlap]
            raise RuntimeError(f"sum: of compressed layouts only CSR is summed over dimensions, got {layout_name(x)}")
        if not keepdim:
            raise RuntimeError("reduction operations on CSR tensors with keepdim=False is unsupported")
        made = summed(to_coo(x), axes(dim, x.ndim), True, dtype or accumulated(x.dtype), "SumBackward1")  # type: ignore[arg-type]
        return from_coo(made, sparse_csr)
    return FORMS["sum"](to_coo(x), dim=None, keepdim=keepdim, dtype=dtype)


def _turned(x: Tensor) -> Tensor:
    """The matrices transposed: by columns what was by rows, with the same parts."""
    p: Compressed = pattern_of(x)  # type: ignore[assignment]
    values, n = values_of(x), len(p.batch)
    return build(p.turned(), values.transpose(n + 1, n + 2) if p.block else values, "TransposeBackward0")


def _transpose(x: Tensor, *, dim0: int, dim1: int) -> Tensor:
    n = len(pattern_of(x).batch)  # type: ignore[attr-defined]
    dims = {dim0 % x.ndim, dim1 % x.ndim}
    if len(dims) == 1:
        return x
    if dims != {n, n + 1}:
        raise RuntimeError(f"transpose(): of a compressed tensor only dimensions {n} and {n + 1} are exchanged, got {dim0}, {dim1}")
    return _turned(x)


def _permute(x: Tensor, *, dims: tuple) -> Tensor:
    if tuple(d % x.ndim for d in dims) != (1, 0):
        raise _refused("permute", x)
    return _turned(x)


OWN: dict[str, Callable] = {
    "mul": _mul, "div": _div, "add": _sum_with(1), "add_scaled": _sum_with(1), "sub": _sum_with(-1), "sub_scaled": _sum_with(-1),
    "sum": _sum, "t": _turned, "transpose": _transpose, "permute": _permute,
}  # fmt: skip
