"""Activation functions, with the arguments they have in ``torch.nn.functional``: one op each, and one for its derivative."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature

from ..tensor import Tensor
from . import rules
from .conversion import assign
from .define import op, unary
from .elementwise import conj, mul, sub
from .pointwise import FLOAT, INTEGER, any_float, supports, tensors_only

_floats = supports(FLOAT)(rules.same)
_numbers = supports(INTEGER, FLOAT)(rules.same)


def _activation(value: Callable, slope: Callable, curvature: Callable | None = None, shape: Callable = _floats) -> Callable:
    """The op of a real function of x, from its body, the body of its slope, and the derivative of that in ops.

    All three take what ``value`` takes: x, then numbers. Without a curvature the slope is constant in pieces.
    """
    name = value.__name__.strip("_")
    xp, *inputs = signature(value).parameters.values()
    grad = Parameter("grad", Parameter.POSITIONAL_OR_KEYWORD)
    none = (None,) * (len(inputs) - 1)

    def body(xp, grad, *given):  # type: ignore[no-untyped-def]
        return grad * slope(xp, *given)

    def first(g: Tensor, *given: object) -> Tensor:
        return backward(g, *given)

    def second(g: Tensor, grad: Tensor, *given: object) -> Tensor:
        return mul(mul(g, grad), curvature(*given))  # type: ignore[misc]

    body.__signature__ = signature(body).replace(parameters=[xp, grad, *inputs])  # type: ignore[attr-defined]
    first.__signature__ = signature(first).replace(parameters=[grad.replace(name="g"), *inputs])  # type: ignore[attr-defined]
    second.__signature__ = signature(second).replace(parameters=[grad.replace(name="g"), grad, *inputs])  # type: ignore[attr-defined]
    backward = op(shape=shape, name=f"{name}_backward", vjp=(first, second if curvature else None, *none), cost=8.0)(body)
    return op(shape=shape, name=name, vjp=(first, *none), cost=8.0)(value)


def _done(made: Tensor, input: Tensor, inplace: bool, name: str) -> Tensor:
    return assign(input, made, name) if inplace else made


# ---- saturating ------------------------------------------------------------------------------------------------------


def _logistic(xp, x):
    return 1 / (1 + xp.exp(-x))


@op(shape=rules.broadcast, name="sigmoid_backward", cost=3.0, vjp=(
    lambda g, y: _sigmoid_vjp(g, conj(y)), lambda g, grad, y: mul(mul(g, conj(grad)), sub(1, mul(conj(y), 2)))))  # fmt: skip
def _sigmoid_backward(xp, grad, y):
    return grad * (y * (1 - y))


def _sigmoid_vjp(g: Tensor, out: Tensor) -> Tensor:
    return _sigmoid_backward(g, conj(out))


@unary(shape=any_float, vjp=(_sigmoid_vjp,), cost=6.0, xla=lambda xp, x: xp.nn.sigmoid(x))
def sigmoid(xp, x):
    """``1 / (1 + exp(-x))`` (``torch.sigmoid``).

    >>> import kuai as torch
    >>> torch.sigmoid(torch.tensor([0., 2.]))
    tensor([0.5000, 0.8808])
    """
    return _logistic(xp, x)


@op(shape=rules.broadcast, name="tanh_backward", cost=3.0, vjp=(
    lambda g, y: _tanh_vjp(g, conj(y)), lambda g, grad, y: mul(mul(g, conj(grad)), mul(conj(y), -2))))  # fmt: skip
def _tanh_backward(xp, grad, y):
    return grad * (1 - y * y)


def _tanh_vjp(g: Tensor, out: Tensor) -> Tensor:
    return _tanh_backward(g, conj(out))


@unary(shape=any_float, vjp=(_tanh_vjp,), cost=8.0)
def tanh(xp, x):
    """The hyperbolic tangent (``torch.tanh``).

    >>> import kuai as torch
    >>> torch.tanh(torch.tensor([0., 1.]))
    tensor([0.0000, 0.7616])
    """
    return xp.tanh(x)


# ---- rectifiers ------------------------------------------------------------------------------------------------------


@op(shape=rules.same, name="relu_backward", vjp=(lambda g, y: _relu_backward(g, y), None), grad_name="ThresholdBackwardBackward0")
def _relu_backward(xp, grad, y):
    return xp.where(y > 0, grad, 0)


@op(shape=tensors_only(_numbers), name="relu", vjp=(lambda g, out: _relu_backward(g, out),))
def _relu(xp, x):
    return xp.maximum(x, 0)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """What is positive, and 0 elsewhere (``torch.nn.functional.relu``).

    >>> import kuai as torch
    >>> torch.relu(torch.tensor([-1., 2.]))
    tensor([0., 2.])
    """
    made = _relu(input)
    return assign(input, made, "relu_") if inplace else made


METHODS = ("sigmoid", "tanh", "relu")
INPLACE = METHODS
