"""What dense layers compute: linear and bilinear maps of the last dimension, one op each."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..dispatch import recorder
from ..engine.program import Aval, Op, State
from ..tensor import Tensor
from . import rules
from .define import op, write_out
from .matrix import _einsum

# ---- linear: three ops, each the derivative of the others ------------------------------------------------------------


def _check_dtypes(op: Op, *avals: Aval) -> None:
    first = avals[0]
    for a in avals[1:]:
        if a is not None and a.dtype is not first.dtype:
            names = " != ".join(rules._cname(x.dtype) for x in (first, a))
            raise RuntimeError(f"{op.name}: mat1 and mat2 must have the same dtype, but got {names.replace(' !=', ' and')}")


def _check_inner(op: Op, x: Aval, w: Aval, inner: int, shown: Sequence[int]) -> None:
    if not x.shape or x.shape[-1] != inner:
        rows = prod(x.shape[:-1])
        raise RuntimeError(
            f"{op.name}: mat1 and mat2 shapes cannot be multiplied ({rows}x{x.shape[-1] if x.shape else 1} and "
            f"{shown[0]}x{shown[1]}): the last axis of input {list(x.shape)} must be {inner} long for weight {list(w.shape)}"
        )


def _linear_rule(op: Op, avals: Sequence) -> tuple:
    x, w, b = avals
    for a, name in zip(avals, ("input", "weight", "bias")):
        if isinstance(a, type) or (a is None and name != "bias"):
            raise TypeError(f"linear(): argument '{name}' must be Tensor, not {getattr(a, '__name__', 'NoneType')}")
    if len(w.shape) != 2:
        raise RuntimeError(f"linear: weight must be 2-D (out_features, in_features), got shape {list(w.shape)}")
    _check_inner(op, x, w, w.shape[1], w.shape[::-1])
    _check_dtypes(op, x, w, b)
    shape = (*x.shape[:-1], w.shape[0])
    if b is not None and rules.broadcast_shapes(op.name, shape, b.shape) != shape:
        raise RuntimeError(f"linear: bias of shape {list(b.shape)} does not broadcast to the result's {list(shape)}")
    return Aval(shape, x.dtype, rules.common_device(op, avals)), x.dtype


def _project_rule(op: Op, avals: Sequence) -> tuple:
    x, w = avals
    _check_inner(op, x, w, w.shape[0], w.shape)
    return Aval((*x.shape[:-1], w.shape[1]), x.dtype, rules.common_device(op, avals)), x.dtype


def _correlate_rule(op: Op, avals: Sequence) -> tuple:
    x, y = avals
    return Aval((x.shape[-1], y.shape[-1]), x.dtype, rules.common_device(op, avals)), x.dtype


def _cost(state: State) -> float:
    """Multiply-adds at about 20 a nanosecond."""
    x, y, out = state.avals[0], state.avals[1], state.outs[0]
    return 0.05 * (x.size * y.size * out.size) ** 0.5  # n·k, k·m and n·m elements: n·k·m products


def _conj(x: Tensor) -> Tensor:
    return x.conj() if x.dtype.is_complex else x


def _rows(x):
    """The array as a matrix: all dimensions but the last are one."""
    return x if x.ndim == 2 else x.reshape(prod(x.shape[:-1]), x.shape[-1])


def _apply_rows(x, w):
    """x @ w as one product of matrices, which a stack of small ones is not."""
    return x @ w if x.ndim < 3 else (_rows(x) @ w).reshape(*x.shape[:-1], w.shape[-1])


@op(shape=_linear_rule, name="linear", grad_name="AddmmBackward0", cost=_cost,
    vjp=(lambda g, w: _project(g, _conj(w)), lambda g, x: _correlate(g, _conj(x)), lambda g: g))  # fmt: skip
def _linear(xp, x, w, b):
    y = _apply_rows(x, w.T)
    return y if b is None else y + b


@op(shape=_project_rule, name="project", cost=_cost,
    vjp=(lambda g, w: _linear(g, _conj(w), None), lambda g, x: _correlate(_conj(x), g)))  # fmt: skip
def _project(xp, x, w):
    return _apply_rows(x, w)


@op(shape=_correlate_rule, name="correlate", cost=_cost,
    vjp=(lambda g, y: _linear(_conj(y), g, None), lambda g, x: _project(_conj(x), g)))  # fmt: skip
def _correlate(xp, x, y):
    """Sum over all rows of the outer products of x's row and y's."""
    return _rows(x).T @ _rows(y)


_record_linear = recorder(_linear.op)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None, *, out: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias`` over the last dimension, with any dimensions before it (``torch.nn.functional.linear``).

    >>> import kuai as torch
    >>> torch.nn.functional.linear(torch.ones(1, 3), torch.ones(2, 3), torch.tensor([0., 1.]))
    tensor([[3., 4.]])
    """
    try:
        rank = len(weight.shape)
    except AttributeError:
        raise TypeError(f"linear(): argument 'weight' (position 2) must be Tensor, not {type(weight).__name__}") from None
    if rank == 1:
        if bias is not None and bias.shape:
            raise RuntimeError("linear: mat2 must be a matrix where there is a bias, got 1-D tensor for the weight")
        y = input @ weight if bias is None else input @ weight + bias
    else:
        y = _record_linear(None, input, weight, bias)
    return y if out is None else write_out(out, y)


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input1 @ weight[k] @ input2 + bias[k]`` for each output k (``torch.nn.functional.bilinear``).

    >>> import kuai as torch
    >>> torch.nn.functional.bilinear(torch.ones(1, 2), torch.ones(1, 3), torch.ones(1, 2, 3))
    tensor([[6.]])
    """
    _check_bilinear(input1.shape, input2.shape, weight.shape, bias)
    if bias is not None and bias.dtype is not weight.dtype:
        raise RuntimeError(f"bilinear(): bias must have the dtype of the weight, {weight.dtype}, but got {bias.dtype}")
    rows = "".join(chr(ord("A") + i) for i in range(len(input1.shape) - 1))
    y = _einsum(input1, weight, input2, equation=f"{rows}i,oij,{rows}j->{rows}o")
    return y if bias is None else y + bias


def _check_bilinear(x: Sequence[int], y: Sequence[int], w: Sequence[int], bias: Tensor | None) -> None:
    if len(x) != len(y):
        raise RuntimeError(f"bilinear(): input dimensions do not match: got {len(x)} and {len(y)}")
    for i, (m, n) in enumerate(zip(x[:-1], y[:-1])):
        if m != n:
            raise RuntimeError(f"bilinear(): input batch dimensions do not match at dim {i}: got {m} and {n}")
    for i, shape in ((1, x), (2, y)):
        if shape[-1] != w[i]:
            raise RuntimeError(f"bilinear(): input{i} size does not match weight size: got {shape[-1]} but expected {w[i]}")
    if bias is not None and not bias.shape:
        raise IndexError("bilinear(): Dimension specified as 0 but the bias has no dimensions")
    if bias is not None and bias.shape != (w[0],):
        raise RuntimeError(f"bilinear(): bias size does not match weight size: got {list(bias.shape)} but expected {w[0]}")
