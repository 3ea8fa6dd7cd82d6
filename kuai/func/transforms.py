"""Derivatives of functions. A function is run on fresh inputs, and what comes out is differentiated by autograd.

Forward mode is reverse mode twice: the product J v is the derivative of uᵀJ with respect to u. Jacobians are those products
for all unit vectors at once, by `vmap`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import NamedTuple

from ..autograd import api
from ..autograd.graph import AccumulateGrad, Source, reachable
from ..autograd.modes import enable_grad
from ..engine.trace import current
from ..ops.conversion import clone
from ..ops.likes import zeros_like
from ..ops.ranges import eye
from ..tensor import Tensor, wrap
from .active import transforming
from .tree import leaves, rebuild, structure, tree_map
from .vmap import vmap

ENDS = (AccumulateGrad, Source)


class Fresh(NamedTuple):
    """An input of a function that is differentiated: what the function gets, and the place of the graph it starts at."""

    given: Tensor
    start: Tensor


def fresh(x: Tensor, forward: bool = False) -> Fresh:
    """A tensor to differentiate by, on the memory of the original; on the outer graph, if that is, and else an end.

    In forward mode it may be edited in place, as PyTorch's dual tensors may.
    """
    if x.requires_grad:
        given = clone(x)
    elif forward:
        given = x.detach()
        given._node = Source()
    else:
        given = x.detach().requires_grad_()
    return Fresh(given, wrap(given._read(), given._node))


def close(result: object, inner: Sequence[Tensor]) -> object:
    """Results without a graph, if it leads to nothing but this transform's own inputs."""
    mine = {t._node for t in inner if type(t._node) in ENDS}

    def closed(t: object) -> object:
        if not isinstance(t, Tensor) or t._node is None:
            return t
        ends = [n for n in reachable([t._node]) if type(n) in ENDS]
        return t.detach() if not current.grad or all(n in mine for n in ends) else t

    return tree_map(closed, result)


def _derivatives(outputs: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Sequence | None = None) -> list[Tensor]:
    pairs = [(o, c) for o, c in zip(outputs, cotangents or [None] * len(outputs)) if o.requires_grad]
    if not pairs:
        return [zeros_like(x) for x in inputs]
    outs, given = zip(*pairs)
    found = api.grad(outs, inputs, given, create_graph=True, allow_unused=True)
    return [zeros_like(x) if g is None else g for g, x in zip(found, inputs)]


def _chosen(argnums: int | tuple[int, ...], args: tuple) -> tuple[int, ...]:
    if not isinstance(argnums, (int, tuple)):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    numbers = (argnums,) if isinstance(argnums, int) else argnums
    if not numbers:
        raise RuntimeError("argnums must be non-empty")
    for n in numbers:
        if not -len(args) <= n < len(args):
            raise RuntimeError(f"Got argnum={n}, but only {len(args)} positional inputs")
    found = tuple(n % len(args) for n in numbers)
    if len(set(found)) < len(found):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return found


def _with_fresh(args: tuple, numbers: tuple[int, ...], forward: bool = False) -> tuple[list, list[Tensor]]:
    """The arguments with fresh tensors in the chosen ones, and where the graph of those starts."""
    starts: list[Tensor] = []

    def made(x: object) -> object:
        if not isinstance(x, Tensor):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(x)}")
        if x.dtype.category < 2:
            error = ValueError if forward else RuntimeError
            raise error(f"func: only tensors of floating point or complex dtype can be differentiated by, got {x.dtype}")
        found = fresh(x, forward)
        starts.append(found.start)
        return found.given

    by_place = {n: tree_map(made, args[n]) for n in numbers}
    return [by_place.get(i, a) for i, a in enumerate(args)], starts


def _as_arguments(found: Sequence[Tensor], args: Sequence, argnums: object, numbers: tuple[int, ...]) -> object:
    given = iter(found)
    trees = tuple(rebuild(args[n], given) for n in numbers)
    return trees[0] if isinstance(argnums, int) else trees


def _split(name: str, out: object, has_aux: bool) -> tuple:
    """A function's result, and what it gave besides."""
    if not has_aux:
        return out, None
    if not isinstance(out, tuple) or len(out) != 2:
        raise RuntimeError(f"{name}: output of function f should be a tuple: (output, aux) if has_aux is True")
    for x in leaves(out[1]):
        if not isinstance(x, Tensor):
            raise RuntimeError(f"{name}: Expected tensors in aux, got unsupported type {type(x)}")
    return out


def _tensors(name: str, out: object) -> list[Tensor]:
    """The tensors of a result, which may hold nothing else."""
    found = leaves(out)
    for x in found:
        if not isinstance(x, Tensor):
            raise RuntimeError(f"{name}: expected f(*primals) to return only tensors, got unsupported type {type(x)}")
    return found


def grad_and_value(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """A function that gives (gradient, value) of a scalar function (``torch.func.grad_and_value``).

    >>> import kuai as torch
    >>> torch.func.grad_and_value(lambda x: (x ** 2).sum())(torch.tensor([1., 2.]))
    (tensor([2., 4.]), tensor(5.))
    """

    name = "grad_and_value(f)(*args)"

    @wraps(func)
    def call(*args: object, **kwargs: object) -> tuple:
        numbers = _chosen(argnums, args)
        with enable_grad(), transforming():
            given, inner = _with_fresh(args, numbers)
            value, aux = _split(name, func(*given, **kwargs), has_aux)
            _check_scalar(name, value)
            found = _derivatives([value], inner)
            result = _as_arguments(close(found, inner), args, argnums, numbers)  # type: ignore[arg-type]
        value, aux = close((value, aux), inner)  # type: ignore[misc]
        return (result, (value, aux)) if has_aux else (result, value)

    return call


def _check_scalar(name: str, value: object) -> None:
    if not isinstance(value, Tensor):
        raise RuntimeError(f"{name}: Expected f(*args) to return a Tensor, got {type(value)}")
    if value.ndim:
        raise RuntimeError(
            f"{name}: Expected f(*args) to return a scalar Tensor, got tensor with {value.ndim} dims. "
            "Maybe you wanted to use the vjp or jacrev APIs instead?"
        )
    if value.dtype.is_complex:
        raise RuntimeError(f"grad can be implicitly created only for real scalar outputs but got {value.dtype}")


def grad(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """A function that gives the gradient of a scalar function (``torch.func.grad``).

    >>> import kuai as torch
    >>> torch.func.grad(torch.func.grad(lambda x: x ** 3))(torch.tensor(2.))
    tensor(12.)
    """

    both = grad_and_value(func, argnums, has_aux)

    @wraps(func)
    def call(*args: object, **kwargs: object) -> object:
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return call


def vjp(func: Callable, *primals: object, has_aux: bool = False) -> tuple:
    """The value of a function and a function from cotangents to gradients (``torch.func.vjp``).

    >>> import kuai as torch
    >>> value, pull = torch.func.vjp(torch.sin, torch.tensor(0.))
    >>> pull(torch.tensor(1.))
    (tensor(1.),)
    """
    name = "vjp(f, *primals)"
    with enable_grad(), transforming():
        given, inner = _with_fresh(primals, tuple(range(len(primals))))
        out, aux = _split(name, func(*given), has_aux)
        outs = _tensors(name, out)

    def pull(cotangents: object, *more: object) -> object:
        wanted = (cotangents, *more) if more else cotangents
        if structure(wanted) != structure(out):
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs to the function. "
                f"cotangents: {structure(wanted)}, primal output: {structure(out)}"
            )
        with enable_grad():
            found = _derivatives(outs, inner, leaves(wanted))
        closed = iter(close(found, inner))  # type: ignore[call-overload]
        return tuple(rebuild(x, closed) for x in primals)

    result = close(out, inner)
    return (result, pull, close(aux, inner)) if has_aux else (result, pull)


# ---- forward mode ----------------------------------------------------------------------------------------------------


def jvp(func: Callable, primals: tuple, tangents: tuple, *, strict: bool = False, has_aux: bool = False) -> tuple:
    """The value of a function and its derivative along tangents (``torch.func.jvp``).

    >>> import kuai as torch
    >>> torch.func.jvp(torch.square, (torch.tensor(3.),), (torch.tensor(1.),))
    (tensor(9.), tensor(6.))
    """
    name = "jvp(f, primals, tangents)"
    if not isinstance(primals, tuple):
        raise RuntimeError(f"{name}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals).")
    _check_tangents(name, primals, tangents)
    with enable_grad(), transforming(forward=True):
        given, inner = _with_fresh(primals, tuple(range(len(primals))), forward=True)
        out, aux = _split(name, func(*given), has_aux)
        outs = _tensors(name, out)
        push = pushforward(outs, inner)
        if strict and not all(push.depends):
            raise RuntimeError(
                f"{name[:-1]}, strict=True): The output of f is independent of the inputs. This is not allowed with strict=True."
            )
        pushed = push(leaves(tangents))
    result = (close(out, inner), rebuild(out, iter(close(pushed, push.ends))))  # type: ignore[call-overload]
    return (*result, close(aux, inner)) if has_aux else result


def _check_tangents(name: str, primals: tuple, tangents: tuple) -> None:
    if structure(primals) != structure(tangents):
        raise RuntimeError(
            f"{name}: Expected primals and tangents to have the same python structure. For example, if primals is a tuple of 3 "
            f"tensors, tangents also must be. Got primals with structure {structure(primals)} and tangents with structure "
            f"{structure(tangents)}"
        )
    if not leaves(primals):
        raise RuntimeError(f"{name}: Expected primals to contain at least one Tensor.")
    for x, t in zip(leaves(primals), leaves(tangents)):
        if isinstance(x, Tensor) and isinstance(t, Tensor) and x.shape != t.shape:
            raise RuntimeError(
                "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
                f"supported. Tensor is of size {list(x.shape)} while the given forward gradient is of size {list(t.shape)}."
            )


class pushforward:
    """The linear map J from tangents of inputs to those of results: uᵀJ is linear in u, and its derivative by u along v is J v."""

    def __init__(self, outputs: Sequence[Tensor], inputs: Sequence[Tensor]):
        self.outputs = outputs
        self.dummies: list = [zeros_like(o).requires_grad_() if o.requires_grad else None for o in outputs]
        self.ends = [*inputs, *(d for d in self.dummies if d is not None)]
        live = [(o, d) for o, d in zip(outputs, self.dummies) if d is not None]
        self.pulled: Sequence = [None] * len(inputs)
        if live:
            outs, cotangents = zip(*live)
            self.pulled = _pull(outs, inputs, cotangents)
        reached = [p._node for p in self.pulled if p is not None and p._node is not None]
        nodes = set(reachable(reached))
        self.depends = [d is not None and d._node in nodes for d in self.dummies]

    def __call__(self, tangents: Sequence[Tensor]) -> list[Tensor]:
        pairs = [(p, _like(t, p)) for p, t in zip(self.pulled, tangents) if p is not None and p._node is not None]
        wanted = [d for d, depends in zip(self.dummies, self.depends) if depends]
        found: dict = {}
        if pairs and wanted:
            pulled, along = zip(*pairs)
            found = dict(zip(map(id, wanted), api.grad(pulled, wanted, along, create_graph=True, allow_unused=True)))
        made = [found.get(id(d)) for d in self.dummies]
        return [zeros_like(o) if m is None else m for m, o in zip(made, self.outputs)]


def _pull(outputs: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Sequence[Tensor]) -> Sequence:
    """Cotangents of which the graph alone matters, so that functions with a `jvp` of their own may put that there."""
    before, current.pulls = current.pulls, True
    try:
        return api.grad(outputs, inputs, cotangents, create_graph=True, allow_unused=True)
    finally:
        current.pulls = before


def _like(tangent: Tensor, x: Tensor) -> Tensor:
    return tangent if tangent.dtype is x.dtype else tangent.to(x.dtype)


def linearize(func: Callable, *primals: object) -> tuple:
    """The value of a function and its linear part there, which does not run the function again (``torch.func.linearize``).

    >>> import kuai as torch
    >>> value, derivative = torch.func.linearize(torch.square, torch.tensor(3.0))
    >>> value, derivative(torch.tensor(1.0))
    (tensor(9.), tensor(6.))
    """
    name = "linearize(f, *primals)"
    if not leaves(primals):
        raise RuntimeError(f"{name}: Expected at least one primal.")
    with enable_grad(), transforming(forward=True):
        given, inner = _with_fresh(primals, tuple(range(len(primals))), forward=True)
        out = func(*given)
        push = pushforward(_tensors(name, out), inner)

    def derivative(*tangents: object) -> object:
        _check_linear(primals, tangents)
        with enable_grad():
            pushed = push(leaves(tangents))
        return rebuild(out, iter(close(pushed, push.ends)))  # type: ignore[call-overload]

    return close(out, inner), derivative


def _check_linear(primals: tuple, tangents: tuple) -> None:
    if structure(primals) != structure(tangents):
        raise RuntimeError(
            f"Expected the tangents {structure(tangents)} to have the same argspec as the primals {structure(primals)}"
        )
    for i, (x, t) in enumerate(zip(leaves(primals), leaves(tangents))):
        for what in ("shape", "device", "dtype"):
            if getattr(x, what) != getattr(t, what):
                raise RuntimeError(
                    f"tangent:{i} with {what} {getattr(t, what)} in flattened pytree doesn't match the {what} "
                    f"{getattr(x, what)} of the corresponding primal."
                )


# ---- Jacobians -------------------------------------------------------------------------------------------------------


def _need_real(name: str, inner: Sequence[Tensor], what: str) -> None:
    for i, x in enumerate(inner):
        if x.dtype.is_complex:
            raise RuntimeError(f"{name}: Expected all {what} to be real but received complex tensor at flattened input idx: {i}")


def _units(x: Tensor) -> Tensor:
    """The unit tensors of a shape, one behind the other."""
    return eye(x.numel(), dtype=x.dtype, device=x.device).reshape(x.numel(), *x.shape)


def jacrev(func: Callable, argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False, chunk_size: int | None = None,
           _preallocate_and_copy: bool = False) -> Callable:  # fmt: skip
    """A function that gives the Jacobian, all rows at once by reverse mode (``torch.func.jacrev``).

    With ``chunk_size``, so many rows at a time.

    >>> import kuai as torch
    >>> torch.func.jacrev(torch.sin)(torch.zeros(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @wraps(func)
    def call(*args: object, **kwargs: object) -> object:
        numbers = _chosen(argnums, args)
        with enable_grad():
            with transforming():
                given, inner = _with_fresh(args, numbers)
                _need_real("jacrev", inner, "inputs")
                out, aux = _split("jacrev(f)(*args)", func(*given, **kwargs), has_aux)
            outs = _tensors("vjp(f, *primals)", out)
            _check_outputs(outs)
            blocks = [_jacobian_rows(o, inner, chunk_size) for o in outs]
        found = [_as_arguments(close(b, inner), args, argnums, numbers) for b in blocks]  # type: ignore[arg-type]
        result = rebuild(out, iter(found))
        return (result, close(aux, inner)) if has_aux else result

    return call


def _check_outputs(outs: Sequence[Tensor]) -> None:
    for o in outs:
        if o.dtype.category < 2:
            raise RuntimeError(
                f"vjp(f, ...): All outputs of f must be floating-point or complex Tensors, got Tensor with dtype {o.dtype}"
            )
    _need_real("jacrev", outs, "outputs")


def _jacobian_rows(out: Tensor, inner: Sequence[Tensor], chunk_size: int | None) -> list[Tensor]:
    rows = vmap(lambda u: _derivatives([out], inner, [u]), chunk_size=chunk_size)(_units(out))
    return [row.reshape(*out.shape, *x.shape) for row, x in zip(rows, inner)]


def jacfwd(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False, *,
           randomness: str = "error") -> Callable:  # fmt: skip
    """A function that gives the Jacobian, all columns at once by forward mode (``torch.func.jacfwd``).

    >>> import kuai as torch
    >>> torch.func.jacfwd(torch.exp)(torch.zeros(1))
    tensor([[1.]])
    """

    @wraps(func)
    def call(*args: object, **kwargs: object) -> object:
        numbers = _chosen(argnums, args)
        with enable_grad():
            with transforming(forward=True):
                given, inner = _with_fresh(args, numbers, forward=True)
                _need_real("jacfwd", inner, "inputs")
                out, aux = _split("jacfwd(f)(*args)", _drawing(lambda: func(*given, **kwargs), randomness), has_aux)
            outs = _tensors("jvp(f, primals, tangents)", out)
            _need_real("jacfwd", outs, "outputs")
            push = pushforward(outs, inner)
            blocks = jacobian_columns(push, outs, inner)
        found = [_as_arguments(close(b, push.ends), args, argnums, numbers) for b in blocks]  # type: ignore[arg-type]
        result = rebuild(out, iter(found))
        return (result, close(aux, inner)) if has_aux else result

    return call


def _drawing(function: Callable, randomness: str) -> object:
    """Run a function that PyTorch would run once for each column: its draws are refused, unless they may be shared."""
    if randomness != "error":
        return function()
    before, current.draws = current.draws, False
    try:
        return function()
    finally:
        current.draws = before


def jacobian_columns(push: pushforward, outs: Sequence[Tensor], inner: Sequence[Tensor]) -> list[list[Tensor]]:
    """For each output, the Jacobian by each input."""
    found: list[list[Tensor]] = [[] for _ in outs]
    for i, x in enumerate(inner):
        columns = vmap(lambda u, i=i: push([u if j == i else zeros_like(y) for j, y in enumerate(inner)]), out_dims=-1)(_units(x))
        for k, o in enumerate(outs):
            found[k].append(columns[k].reshape(*o.shape, *x.shape))
    return found


def hessian(func: Callable, argnums: int | tuple[int, ...] = 0) -> Callable:
    """A function that gives the matrix of second derivatives (``torch.func.hessian``).

    >>> import kuai as torch
    >>> torch.func.hessian(lambda x: (x ** 3).sum())(torch.ones(2))
    tensor([[6., 0.],
            [0., 6.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


def functionalize(func: Callable, *, remove: str = "mutations") -> Callable:
    """The function itself: values never change here, in-place edits are functional already (``torch.func.functionalize``)."""
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            f"functionalize(f, remove='mutations'): received invalid argument for remove={remove}. Valid options are: "
            "'mutations', 'mutations_and_views'."
        )
    return func
