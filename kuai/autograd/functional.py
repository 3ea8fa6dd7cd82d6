"""Jacobians, Hessians and products with them, of functions of tensors (``torch.autograd.functional``)."""

from __future__ import annotations

from collections.abc import Callable

from ..tensor import Tensor

Inputs = Tensor | tuple[Tensor, ...]


def _func():
    from .. import func  # stands floors above; these names are its older form

    return func


def _tuple(x: object) -> tuple:
    return x if isinstance(x, tuple) else (x,)


def _finish(result: object, create_graph: bool) -> object:
    if isinstance(result, tuple):
        return tuple(_finish(r, create_graph) for r in result)
    return result if create_graph else result.detach()  # type: ignore[attr-defined]


def _like(x: object, given: tuple) -> object:
    return given if isinstance(x, tuple) else given[0]


def jacobian(func: Callable, inputs: Inputs, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
             strategy: str = "reverse-mode") -> object:  # fmt: skip
    """The Jacobian of a function at a point (``torch.autograd.functional.jacobian``).

    >>> import kuai as torch
    >>> torch.autograd.functional.jacobian(torch.sin, torch.zeros(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    maker = _func().jacfwd if strategy == "forward-mode" else _func().jacrev
    given = _tuple(inputs)
    made = maker(func, argnums=tuple(range(len(given))))(*given)
    if isinstance(made, tuple) and made and isinstance(made[0], tuple):
        return _finish(tuple(_like(inputs, m) for m in made), create_graph)
    return _finish(_like(inputs, made), create_graph)


def hessian(func: Callable, inputs: Inputs, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
            outer_jacobian_strategy: str = "reverse-mode") -> object:  # fmt: skip
    """The matrix of second derivatives of a scalar function at a point (``torch.autograd.functional.hessian``)."""
    given = _tuple(inputs)

    def gradient(*xs: Tensor) -> object:
        return _func().grad(lambda *ys: func(*ys).reshape(()), argnums=tuple(range(len(xs))))(*xs)

    numbers = tuple(range(len(given)))
    made = _func().jacrev(gradient, argnums=numbers)(*given)
    return _finish(_like(inputs, tuple(_like(inputs, row) for row in made)), create_graph)


def vjp(func: Callable, inputs: Inputs, v: object = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """The value of a function and the product of a vector with its Jacobian (``torch.autograd.functional.vjp``)."""
    value, pull = _func().vjp(func, *_tuple(inputs))
    if v is None:
        if not isinstance(value, Tensor) or value.numel() != 1:
            raise RuntimeError("The vector v can only be None if the user-provided function returns a single element.")
        v = value.new_ones(value.shape)
    return _finish(value, create_graph), _finish(_like(inputs, pull(v)), create_graph)


def jvp(func: Callable, inputs: Inputs, v: object = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """The value of a function and the product of its Jacobian with a vector (``torch.autograd.functional.jvp``)."""
    given = _tuple(inputs)
    if v is None:
        if len(given) != 1 or given[0].numel() != 1:
            raise RuntimeError("The vector v can only be None if the input to the user-provided function is a single element.")
        v = given[0].new_ones(given[0].shape)
    value, tangent = _func().jvp(func, given, _tuple(v))
    return _finish(value, create_graph), _finish(tangent, create_graph)


def vhp(func: Callable, inputs: Inputs, v: object = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """The value of a scalar function and the product of a vector with its Hessian (``torch.autograd.functional.vhp``)."""
    given = _tuple(inputs)
    numbers = tuple(range(len(given)))
    value = func(*given)
    if v is None:
        v = tuple(x.new_ones(x.shape) for x in given)
    _, pull = _func().vjp(lambda *xs: _func().grad(func, argnums=numbers)(*xs), *given)
    return _finish(value, create_graph), _finish(_like(inputs, pull(_tuple(v))), create_graph)


def hvp(func: Callable, inputs: Inputs, v: object = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """The value of a scalar function and the product of its Hessian with a vector (``torch.autograd.functional.hvp``).

    The Hessian is symmetric, so this is `vhp`.
    """
    return vhp(func, inputs, v, create_graph, strict)
