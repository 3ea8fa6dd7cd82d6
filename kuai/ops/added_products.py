"""Products that are scaled and added to something: addmm and its family."""

from __future__ import annotations

from collections.abc import Callable

from .. import dtypes
from ..tensor import Tensor
from . import rules
from .define import write_exact, write_out
from .matrix import bmm, mm, mv, outer
from .older import factors_first


def _wide(*factors: Tensor) -> tuple[Tensor, ...]:
    """Factors of one half type in float32, because the add* family rounds only what it gives; others as they are."""
    kinds = {getattr(f, "dtype", None) for f in factors}
    half = len(kinds) == 1 and kinds <= {dtypes.float16, dtypes.bfloat16}
    return tuple(f.to(dtypes.float32) for f in factors) if half else factors


def _scaled(product: Tensor, alpha: object, input: Tensor, beta: object, name: str, out: Tensor | None, dtype: dtypes.dtype) -> Tensor:
    """beta * input + alpha * product in ``dtype``, as the add* family has it: a beta of zero ignores even nan."""
    if product.dtype.category == 2 and (isinstance(alpha, complex) or isinstance(beta, complex)):
        raise RuntimeError(f"{name}: value cannot be converted to type {product.dtype} without overflow: a factor is complex")
    if product.dtype.category < 2:
        alpha, beta = _whole(alpha, product.dtype, name), _whole(beta, product.dtype, name)
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    shape = rules.broadcast_shapes(name, input.shape, product.shape)
    if shape != tuple(product.shape):
        raise RuntimeError(f"{name}: input of shape {list(input.shape)} does not broadcast to {list(product.shape)}")
    if product.dtype.itemsize < dtype.itemsize:  # autocast made it in a half type, and casts the input with the factors
        input, dtype = input.to(product.dtype), product.dtype
    if input.dtype is not dtype:
        raise RuntimeError(f"{name}: self and mat2 must have the same dtype, but got {input.dtype} and {dtype}")
    input = input.to(product.dtype)
    product = product if alpha == 1 else product * alpha
    if beta == 0:
        made = product
    else:
        made = product + (input if beta == 1 else input * beta)
    made = made.to(dtype)
    return made if out is None else write_exact(out, made)


def _added(multiply: Callable, a: Tensor, b: Tensor, alpha: object, input: Tensor, beta: object, name: str, out: Tensor | None,
           out_dtype: object) -> Tensor:  # fmt: skip
    """`_scaled` of the product of two matrices, or of batches of them."""
    if out_dtype is None:
        return _scaled(multiply(*_wide(a, b)), alpha, input, beta, name, out, a.dtype)
    made = multiply(a, b, out_dtype=out_dtype)
    return _scaled(made, alpha, input.to(made.dtype), beta, name, out, made.dtype)


def _whole(factor: object, of: dtypes.dtype, name: str) -> int:
    """A factor of integers: a fraction counts as its whole part, as PyTorch has it."""
    if isinstance(factor, complex):
        raise RuntimeError(f"{name}: a complex factor cannot be converted to an integer: its tensors hold integers")
    return bool(factor) if of is dtypes.bool else int(factor)  # type: ignore[call-overload]


@factors_first("beta", "alpha")
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: complex = 1, alpha: complex = 1, out=None, out_dtype=None) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2) (``torch.addmm``).

    >>> import kuai as torch
    >>> torch.addmm(torch.ones(2), torch.eye(2), torch.eye(2))
    tensor([[2., 1.],
            [1., 2.]])
    """
    return _added(mm, mat1, mat2, alpha, input, beta, "addmm", out, out_dtype)


@factors_first("beta", "alpha")
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: complex = 1, alpha: complex = 1, out=None) -> Tensor:
    """beta * input + alpha * (mat @ vec) (``torch.addmv``).

    >>> import kuai as torch
    >>> torch.ones(2).addmv(torch.eye(2), torch.tensor([1., 2.]))
    tensor([2., 3.])
    """
    if isinstance(mat, Tensor) and not mat.shape:
        raise RuntimeError(f"addmv: vector + matrix @ vector expected, got {input.ndim}, 0, {vec.ndim} dimensions")
    return _scaled(mv(*_wide(mat, vec)), alpha, input, beta, "addmv", out, mat.dtype)


@factors_first("beta", "alpha")
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: complex = 1, alpha: complex = 1, out=None) -> Tensor:
    """beta * input + alpha * outer(vec1, vec2) (``torch.addr``).

    >>> import kuai as torch
    >>> torch.zeros(2, 2).addr(torch.tensor([1., 2.]), torch.tensor([3., 4.]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    made = outer(vec1, vec2)
    for factor, which in ((alpha, "alpha"), (beta, "beta")):
        if isinstance(factor, (float, complex)) and made.dtype.category < 2:
            raise RuntimeError(f"addr: For integral input tensors, argument {which} must not be a floating point number.")
        if isinstance(factor, bool) and made.dtype is not dtypes.bool:
            raise RuntimeError(f"addr: Boolean {which} only supported for Boolean results.")
    common = rules.result_dtype([input._aval, made._aval])
    made = _scaled(made.to(common), alpha, input.to(common), beta, "addr", None, common)
    return made if out is None else write_out(out, made)


@factors_first("beta", "alpha")
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: complex = 1, alpha: complex = 1, out=None, out_dtype=None) -> Tensor:
    """beta * input + alpha * (batch1 @ batch2), batch by batch (``torch.baddbmm``).

    >>> import kuai as torch
    >>> torch.ones(1, 1, 1).baddbmm(torch.ones(1, 1, 2), torch.ones(1, 2, 1))
    tensor([[[3.]]])
    """
    _need_batches("baddbmm", batch1, batch2)
    return _added(bmm, batch1, batch2, alpha, input, beta, "baddbmm", out, out_dtype)


@factors_first("beta", "alpha")
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: complex = 1, alpha: complex = 1, out=None) -> Tensor:
    """beta * input + alpha * the sum of batch1 @ batch2 over the batch (``torch.addbmm``).

    >>> import kuai as torch
    >>> torch.zeros(2, 2).addbmm(torch.ones(3, 2, 1), torch.ones(3, 1, 2))
    tensor([[3., 3.],
            [3., 3.]])
    """
    _need_batches("addbmm", batch1, batch2)
    products = bmm(*_wide(batch1, batch2))
    return _scaled(products.sum(0, dtype=products.dtype), alpha, input, beta, "addbmm", out, batch1.dtype)


def _need_batches(name: str, batch1: Tensor, batch2: Tensor) -> None:
    """Dimensions that are not there are an IndexError to the add* family."""
    for x, last, what in ((batch1, 0, "batch1"), (batch2, 2, "batch2")):
        if isinstance(x, Tensor) and len(x.shape) <= last:
            raise IndexError(f"{name}: {what} must be 3-D: Dimension out of range, got {len(x.shape)}-D tensor of shape {list(x.shape)}")


METHODS = INPLACE = ("addmm", "addmv", "addr", "baddbmm", "addbmm")
