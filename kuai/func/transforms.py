"""Derivatives of functions. A function is run on fresh inputs, and what comes out is differentiated by autograd.

Forward mode is reverse mode twice: the product J v is the derivative of uᵀJ with respect to u.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..autograd import api
from ..autograd.graph import AccumulateGrad, reachable
from ..autograd.modes import enable_grad
from ..ops.conversion import clone
from ..ops.joining import stack
from ..ops.likes import zeros_like
from ..ops.ranges import eye
from ..tensor import Tensor
from .tree import leaves, rebuild, tree_map


def _fresh(x: object) -> object:
    """A tensor to differentiate by: on the outer graph if the original is, else a new leaf."""
    if not isinstance(x, Tensor):
        return x
    if not (x.dtype.is_floating_point or x.dtype.is_complex):
        raise RuntimeError(f"func: only tensors of floating point or complex dtype can be differentiated by, got {x.dtype}")
    return clone(x) if x.requires_grad else x.detach().requires_grad_()


def close(result: object, inner: Sequence[Tensor]) -> object:
    """Results without a graph, if it leads to nothing but this transform's own leaves."""
    mine = {t._node for t in inner if type(t._node) is AccumulateGrad}

    def closed(t: object) -> object:
        if not isinstance(t, Tensor) or t._node is None:
            return t
        ends = [n for n in reachable([t._node]) if type(n) is AccumulateGrad]
        return t.detach() if all(n in mine for n in ends) else t

    return tree_map(closed, result)


def _derivatives(outputs: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Sequence | None = None) -> list[Tensor]:
    pairs = [(o, c) for o, c in zip(outputs, cotangents or [None] * len(outputs)) if o.requires_grad]
    if not pairs:
        return [zeros_like(x) for x in inputs]
    outs, given = zip(*pairs)
    found = api.grad(outs, inputs, given, create_graph=True, allow_unused=True)
    return [zeros_like(x) if g is None else g for g, x in zip(found, inputs)]


def _chosen(argnums: int | tuple[int, ...], args: tuple) -> tuple[int, ...]:
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for n in numbers:
        if not -len(args) <= n < len(args):
            raise RuntimeError(f"Got argnum={n}, but only {len(args)} positional inputs")
    return tuple(n % len(args) for n in numbers)


def _with_fresh(args: tuple, numbers: tuple[int, ...]) -> tuple[list, list[Tensor]]:
    """The arguments with fresh tensors in the chosen ones, and those tensors."""
    args_ = [tree_map(_fresh, a) if i in numbers else a for i, a in enumerate(args)]
    inner = [t for n in numbers for t in leaves(args_[n]) if isinstance(t, Tensor)]
    return args_, inner


def _as_arguments(found: Sequence[Tensor], args: list, argnums: object, numbers: tuple[int, ...]) -> object:
    given = iter(found)
    trees = tuple(rebuild(args[n], given) for n in numbers)
    return trees[0] if isinstance(argnums, int) else trees


def grad_and_value(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """A function that gives (gradient, value) of a scalar function (``torch.func.grad_and_value``).

    >>> import kuai as torch
    >>> torch.func.grad_and_value(lambda x: (x ** 2).sum())(torch.tensor([1., 2.]))
    (tensor([2., 4.]), tensor(5.))
    """

    def call(*args: object, **kwargs: object) -> tuple:
        numbers = _chosen(argnums, args)
        with enable_grad():
            given, inner = _with_fresh(args, numbers)
            out = func(*given, **kwargs)
            value, aux = out if has_aux else (out, None)
            _check_scalar(value)
            found = _derivatives([value], inner)
            result = _as_arguments(close(found, inner), given, argnums, numbers)  # type: ignore[arg-type]
        value, aux = close((value, aux), inner)  # type: ignore[misc]
        return (result, (value, aux)) if has_aux else (result, value)

    return call


def _check_scalar(value: object) -> None:
    if not isinstance(value, Tensor):
        raise RuntimeError(f"grad(f)(*args): Expected f(*args) to return a tensor, got {type(value)}")
    if value.ndim:
        raise RuntimeError(
            f"grad(f)(*args): Expected f(*args) to return a scalar tensor, got tensor with {value.ndim} dims. "
            "Maybe you wanted to use the vjp or jacrev APIs instead?"
        )


def grad(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """A function that gives the gradient of a scalar function (``torch.func.grad``).

    >>> import kuai as torch
    >>> torch.func.grad(torch.func.grad(lambda x: x ** 3))(torch.tensor(2.))
    tensor(12.)
    """

    def call(*args: object, **kwargs: object) -> object:
        found, value = grad_and_value(func, argnums, has_aux)(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return call


def vjp(func: Callable, *primals: object, has_aux: bool = False) -> tuple:
    """The value of a function and a function from cotangents to gradients (``torch.func.vjp``).

    >>> import kuai as torch
    >>> value, pull = torch.func.vjp(torch.sin, torch.tensor(0.))
    >>> pull(torch.tensor(1.))
    (tensor(1.),)
    """
    numbers = tuple(range(len(primals)))
    with enable_grad():
        given, inner = _with_fresh(primals, numbers)
        out = func(*given)
    out, aux = out if has_aux else (out, None)

    def pull(cotangents: object, *more: object) -> object:
        given_back = leaves((cotangents, *more) if more else cotangents)
        with enable_grad():
            found = _derivatives(leaves(out), inner, given_back)
        closed = iter(close(found, inner))  # type: ignore[call-overload]
        return tuple(rebuild(g, closed) for g in given)

    result = close(out, inner)
    return (result, pull, close(aux, inner)) if has_aux else (result, pull)


def jvp(func: Callable, primals: tuple, tangents: tuple, *, strict: bool = False, has_aux: bool = False) -> tuple:
    """The value of a function and its derivative along tangents (``torch.func.jvp``).

    >>> import kuai as torch
    >>> torch.func.jvp(torch.square, (torch.tensor(3.),), (torch.tensor(1.),))
    (tensor(9.), tensor(6.))
    """
    if not isinstance(primals, tuple) or not isinstance(tangents, tuple):
        raise RuntimeError("jvp(f, primals, tangents): Expected primals and tangents to be tuples")
    with enable_grad():
        given, inner = _with_fresh(primals, tuple(range(len(primals))))
        out = func(*given)
        out, aux = out if has_aux else (out, None)
        pushed = push(leaves(out), inner, leaves(tangents))
    tangent = rebuild(out, iter(close(pushed, inner)))  # type: ignore[call-overload]
    result = (close(out, inner), tangent)
    return (*result, close(aux, inner)) if has_aux else result


def push(outputs: Sequence[Tensor], inputs: Sequence[Tensor], tangents: Sequence[Tensor]) -> list[Tensor]:
    """J v for each output: uᵀJ is linear in u, and its derivative by u along v is J v."""
    dummies = [zeros_like(o).requires_grad_() for o in outputs]
    pulled = _derivatives(outputs, inputs, dummies)
    tracked = [(p, t) for p, t in zip(pulled, tangents) if p.requires_grad]
    if not tracked:
        return [zeros_like(o) for o in outputs]
    found = api.grad([p for p, _ in tracked], dummies, [t for _, t in tracked], create_graph=True, allow_unused=True)
    return [zeros_like(o) if f is None else f for f, o in zip(found, outputs)]


def linearize(func: Callable, *primals: object) -> tuple:
    """The value of a function and its linear part there (``torch.func.linearize``).

    >>> import kuai as torch
    >>> value, derivative = torch.func.linearize(torch.square, torch.tensor(3.0))
    >>> value, derivative(torch.tensor(1.0))
    (tensor(9.), tensor(6.))
    """
    return func(*primals), lambda *tangents: jvp(func, primals, tangents)[1]


def _rows(x: Tensor) -> list[Tensor]:
    """The unit tensors of a shape."""
    units = eye(x.numel(), dtype=x.dtype, device=x.device)
    return [u.reshape(x.shape) for u in units]


def jacrev(func: Callable, argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False, chunk_size: int | None = None,
           _preallocate_and_copy: bool = False) -> Callable:  # fmt: skip
    """A function that gives the Jacobian, row by row by reverse mode (``torch.func.jacrev``).

    >>> import kuai as torch
    >>> torch.func.jacrev(torch.sin)(torch.zeros(2))
    tensor([[1., 0.],
            [0., 1.]])
    """

    def call(*args: object, **kwargs: object) -> object:
        numbers = _chosen(argnums, args)
        with enable_grad():
            given, inner = _with_fresh(args, numbers)
            out = func(*given, **kwargs)
            out, aux = out if has_aux else (out, None)
            blocks = [_jacobian_rows(o, inner) for o in leaves(out)]
        found = [_as_arguments(close(b, inner), given, argnums, numbers) for b in blocks]  # type: ignore[arg-type]
        result = rebuild(out, iter(found))
        return (result, close(aux, inner)) if has_aux else result

    return call


def _jacobian_rows(out: Tensor, inner: Sequence[Tensor]) -> list[Tensor]:
    rows = [_derivatives([out], inner, [u]) for u in _rows(out)]
    return [_stacked([r[i] for r in rows], (*out.shape, *x.shape), x) for i, x in enumerate(inner)]


def _stacked(parts: list[Tensor], shape: tuple, like: Tensor) -> Tensor:
    return stack(parts).reshape(shape) if parts else like.new_zeros(shape)


def jacfwd(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False, *,
           randomness: str = "error") -> Callable:  # fmt: skip
    """A function that gives the Jacobian, column by column (``torch.func.jacfwd``).

    >>> import kuai as torch
    >>> torch.func.jacfwd(torch.exp)(torch.zeros(1))
    tensor([[1.]])
    """

    def call(*args: object, **kwargs: object) -> object:
        numbers = _chosen(argnums, args)
        with enable_grad():
            given, inner = _with_fresh(args, numbers)
            out = func(*given, **kwargs)
            out, aux = out if has_aux else (out, None)
            outs = leaves(out)
            blocks = _jacobian_columns(outs, inner)
        found = [_as_arguments(close(b, inner), given, argnums, numbers) for b in blocks]  # type: ignore[arg-type]
        result = rebuild(out, iter(found))
        return (result, close(aux, inner)) if has_aux else result

    return call


def _jacobian_columns(outs: list[Tensor], inner: Sequence[Tensor]) -> list[list[Tensor]]:
    """For each output, the Jacobian by each input."""
    found: list[list[Tensor]] = [[] for _ in outs]
    for i, x in enumerate(inner):
        columns = [
            push(outs, inner, [u if j == i else zeros_like(y) for j, y in enumerate(inner)]) for u in _rows(x)
        ]
        for k, o in enumerate(outs):
            made = _stacked([c[k].reshape(-1) for c in columns], (x.numel(), o.numel()), o)
            found[k].append(made.t().reshape((*o.shape, *x.shape)))
    return found


def hessian(func: Callable, argnums: int | tuple[int, ...] = 0) -> Callable:
    """A function that gives the matrix of second derivatives (``torch.func.hessian``).

    >>> import kuai as torch
    >>> torch.func.hessian(lambda x: (x ** 3).sum())(torch.ones(2))
    tensor([[6., 0.],
            [0., 6.]])
    """
    return jacrev(jacrev(func, argnums), argnums)


def functionalize(func: Callable, *, remove: str = "mutations") -> Callable:
    """The function itself: values never change here, in-place edits are functional already (``torch.func.functionalize``)."""
    return func

