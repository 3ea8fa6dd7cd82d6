"""Jacobians, Hessians and products with them, of functions of tensors (``torch.autograd.functional``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..tensor import Tensor
from . import api
from .modes import enable_grad

Inputs = Tensor | tuple[Tensor, ...]


# ---- what goes in and comes out --------------------------------------------------------------------------------------


def _tensors(x: object, what: str, name: str) -> tuple[Tensor, ...]:
    """Inputs or results as a tuple of tensors."""
    given = x if isinstance(x, tuple) else (x,)
    for i, t in enumerate(given):
        if not isinstance(t, Tensor):
            which = f"the value at index {i} of the given {what}" if isinstance(x, tuple) else f"the given {what}"
            raise TypeError(f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but {which} has type {type(t)}.")
    return given


def _entered(inputs: object, name: str, create_graph: bool) -> tuple[Tensor, ...]:
    """The inputs as tensors to differentiate by: on their graph, if the results are to be."""
    given = _tensors(inputs, "inputs", name)
    return tuple(x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_() for x in given)


def _results(func: Callable, xs: Sequence[Tensor], name: str, strict: bool) -> tuple[object, tuple[Tensor, ...]]:
    out = func(*xs)
    found = _tensors(out, "outputs of the user-provided function", name)
    for i, o in enumerate(found):
        if strict and not o.requires_grad:
            raise RuntimeError(
                f"Output {i} of the user-provided function does not require gradients. The outputs must be computed in a "
                "differentiable manner from the input when running in strict mode."
            )
    return out, found


def _single(func: Callable, xs: Sequence[Tensor], name: str, strict: bool) -> Tensor:
    """The result of a function of a single element."""
    out, found = _results(func, xs, name, strict)
    if isinstance(out, tuple):
        raise RuntimeError(f"The function given to {name} should return a single Tensor")
    if found[0].numel() != 1:
        raise RuntimeError(f"The Tensor returned by the function given to {name} should contain a single element")
    return found[0]


def _vectors(v: object, like: tuple[Tensor, ...], name: str, of: str) -> tuple[Tensor, ...]:
    """The vector of a product, of the form of the inputs or results; of ones, for a single element."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(f"The vector v can only be None if {of} a single Tensor with a single element.")
        return (like[0].new_ones(like[0].shape),)
    given = _tensors(v, "v", name)
    if len(given) != len(like):
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(given)}.")
    for i, (a, b) in enumerate(zip(given, like)):
        if a.shape != b.shape:
            prefix = f"Entry {i} in " if len(like) > 1 else ""
            raise RuntimeError(f"{prefix}v has invalid size: should be {b.shape} but got {a.shape}.")
    return given


OF_RESULTS, OF_INPUTS = "the user-provided function returns", "the input to the user-provided function is"


def _filled(found: Sequence[Tensor | None], xs: Sequence[Tensor], strict: bool, message: str) -> list[Tensor]:
    """Derivatives, zeros where there are none; in strict mode there have to be."""
    if strict and any(g is None for g in found):
        i = next(i for i, g in enumerate(found) if g is None)
        raise RuntimeError(message.format(i))
    return [x.new_zeros(x.shape) if g is None else g for g, x in zip(found, xs)]


INDEPENDENT = "The output of the user-provided function is independent of input {}. This is not allowed in strict mode."
CONSTANT = (
    "While computing the hessian, found that the jacobian of the user-provided function with respect to input {} is independent "
    "of the input. This is not allowed in strict mode."
)


def _form(found: Sequence, like: object, create_graph: bool) -> Any:
    """As the inputs or results are: one, or a tuple; off the graph unless it is wanted."""
    made = tuple(f if create_graph or not isinstance(f, Tensor) else f.detach() for f in found)
    return made if isinstance(like, tuple) else made[0]


# ---- Jacobians and Hessians ------------------------------------------------------------------------------------------


def jacobian(func: Callable, inputs: Inputs, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
             strategy: str = "reverse-mode") -> object:  # fmt: skip
    """The Jacobian of a function at a point (``torch.autograd.functional.jacobian``): all rows are found at once.

    >>> import kuai as torch
    >>> torch.autograd.functional.jacobian(torch.sin, torch.zeros(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    _check_strategy(strategy, vectorize, strict, "jacobian")
    with enable_grad():
        xs = _entered(inputs, "jacobian", create_graph)
        out, outs = _results(func, xs, "jacobian", strict)
        if strategy == "forward-mode":
            columns = _by_columns(outs, xs)
            return _form([_form(row, inputs, create_graph) for row in columns], out, create_graph)
        rows = [_by_rows(i, o, xs, create_graph, strict) for i, o in enumerate(outs)]
    return _form([_form(row, inputs, create_graph) for row in rows], out, create_graph)


def _check_strategy(strategy: str, vectorize: bool, strict: bool, name: str) -> None:
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(f'Expected strategy to be either "forward-mode" or "reverse-mode", got {strategy!r}')
    if strict and vectorize:
        raise RuntimeError(f"torch.autograd.functional.{name}: `strict=True` and `vectorized=True` are not supported together.")
    if strategy == "forward-mode" and strict:
        raise NotImplementedError(f"torch.autograd.functional.{name}: `strict=True` is not supported with forward mode.")
    if strategy == "forward-mode" and not vectorize:
        raise NotImplementedError(f"torch.autograd.functional.{name}: forward mode is only implemented for `vectorize=True`.")


def _by_rows(i: int, out: Tensor, xs: tuple[Tensor, ...], create_graph: bool, strict: bool) -> list[Tensor]:
    """The Jacobian of one result by each input."""
    from ..ops.ranges import eye  # stands floors above

    found: Sequence = [None] * len(xs)
    if out.requires_grad and out.numel():
        units = eye(out.numel(), dtype=out.dtype, device=out.device).reshape(-1, *out.shape)
        found = api.grad(out, xs, units, True, create_graph, allow_unused=True, is_grads_batched=True)
    missing = f"Output {i} of the user-provided function is independent of input {{}}. This is not allowed in strict mode."
    shaped = [None if g is None else g.reshape(*out.shape, *x.shape) for g, x in zip(found, xs)]
    if strict and create_graph and any(g is not None and not g.requires_grad for g in shaped):
        raise RuntimeError("The jacobian of the user-provided function is independent of an input. This is not allowed in strict mode.")
    return _filled(shaped, [x.new_zeros(*out.shape, *x.shape) for x in xs], strict, missing)


def _by_columns(outs: Sequence[Tensor], xs: Sequence[Tensor]) -> list[list[Tensor]]:
    from ..func.transforms import jacobian_columns, pushforward  # stands floors above

    return jacobian_columns(pushforward(outs, xs), outs, xs)


def hessian(func: Callable, inputs: Inputs, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
            outer_jacobian_strategy: str = "reverse-mode") -> object:  # fmt: skip
    """The matrix of second derivatives of a scalar function at a point (``torch.autograd.functional.hessian``).

    >>> import kuai as torch
    >>> torch.autograd.functional.hessian(lambda x: (x ** 3).sum(), torch.ones(2))
    tensor([[6., 0.],
            [0., 6.]])
    """
    _check_strategy(outer_jacobian_strategy, vectorize, strict, "hessian")
    given = _tensors(inputs, "inputs", "hessian")

    def gradient(*xs: Tensor) -> tuple[Tensor, ...]:
        return tuple(_gradient(func, xs, "hessian", strict))

    made: Any = jacobian(gradient, given, create_graph, strict, vectorize, outer_jacobian_strategy)
    return made if isinstance(inputs, tuple) else made[0][0]


def _gradient(func: Callable, xs: Sequence[Tensor], name: str, strict: bool) -> list[Tensor]:
    """The gradient of a scalar function, on the graph."""
    out = _single(func, xs, name, strict)
    found: Sequence = [None] * len(xs)
    if out.requires_grad:
        found = api.grad(out, xs, out.new_ones(out.shape), create_graph=True, allow_unused=True)
    made = _filled(found, xs, strict, INDEPENDENT)
    if strict:
        _filled([g if g.requires_grad else None for g in made], xs, True, CONSTANT)
    return made


# ---- products --------------------------------------------------------------------------------------------------------


def vjp(func: Callable, inputs: Inputs, v: object = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """The value of a function and the product of a vector with its Jacobian (``torch.autograd.functional.vjp``).

    >>> import kuai as torch
    >>> torch.autograd.functional.vjp(lambda x: x * x, torch.tensor([1., 3.]), torch.tensor([1., 10.]))
    (tensor([1., 9.]), tensor([ 2., 60.]))
    """
    with enable_grad():
        xs = _entered(inputs, "vjp", create_graph)
        out, outs = _results(func, xs, "vjp", strict)
        vs = _vectors(v, outs, "vjp", OF_RESULTS)
        found = _filled(_pulled(outs, xs, vs, create_graph), xs, strict, INDEPENDENT)
    return _form(outs, out, create_graph), _form(found, inputs, create_graph)


def _pulled(outs: Sequence[Tensor], xs: Sequence[Tensor], vs: Sequence[Tensor], create_graph: bool) -> Sequence:
    pairs = [(o, v) for o, v in zip(outs, vs) if o.requires_grad]
    if not pairs:
        return [None] * len(xs)
    live, along = zip(*pairs)
    return api.grad(live, xs, along, create_graph=create_graph, allow_unused=True)


def jvp(func: Callable, inputs: Inputs, v: object = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """The value of a function and the product of its Jacobian with a vector (``torch.autograd.functional.jvp``).

    >>> import kuai as torch
    >>> torch.autograd.functional.jvp(lambda x: x * x, torch.tensor([1., 3.]), torch.tensor([1., 0.]))
    (tensor([1., 9.]), tensor([2., 0.]))
    """
    from ..func.transforms import pushforward

    with enable_grad():
        xs = _entered(inputs, "jvp", create_graph)
        vs = _vectors(v, xs, "jvp", OF_INPUTS)
        out, outs = _results(func, xs, "jvp", strict)
        found = pushforward(outs, xs)(vs)
    return _form(outs, out, create_graph), _form(found, out, create_graph)


def vhp(func: Callable, inputs: Inputs, v: object = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """The value of a scalar function and the product of a vector with its Hessian (``torch.autograd.functional.vhp``).

    >>> import kuai as torch
    >>> torch.autograd.functional.vhp(lambda x: (x ** 3).sum(), torch.tensor([1., 2.]), torch.tensor([1., 1.]))
    (tensor(9.), tensor([ 6., 12.]))
    """
    return _hessian_product(func, inputs, v, create_graph, strict, "vhp")


def hvp(func: Callable, inputs: Inputs, v: object = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """The value of a scalar function and the product of its Hessian with a vector (``torch.autograd.functional.hvp``).

    The Hessian is symmetric, so this is `vhp`.

    >>> import kuai as torch
    >>> torch.autograd.functional.hvp(lambda x: (x ** 3).sum(), torch.tensor([1., 2.]), torch.tensor([1., 1.]))
    (tensor(9.), tensor([ 6., 12.]))
    """
    return _hessian_product(func, inputs, v, create_graph, strict, "hvp")


def _hessian_product(func: Callable, inputs: Inputs, v: object, create_graph: bool, strict: bool, name: str) -> tuple:
    with enable_grad():
        xs = _entered(inputs, name, create_graph)
        vs = _vectors(v, xs, name, OF_INPUTS)
        values: list[Tensor] = []

        def noted(*args: Tensor) -> object:
            values.append(func(*args))
            return values[-1]

        gradient = _gradient(noted, xs, name, strict)
        found = _filled(_pulled(gradient, xs, vs, create_graph), xs, strict, CONSTANT)
    return _form(values, None, create_graph), _form(found, inputs, create_graph)
