"""Derivatives written by the user: `Function`, and the nodes that call back into Python."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from ..engine import trace
from ..engine.trace import current
from ..tensor import Tensor, wrap
from .graph import FREED, TWICE, AccumulateGrad, Node, OpNode, OutputNode, fit, refuse_inference
from .mapping import by_rule
from .modes import enable_grad, no_grad


class ClosureNode(Node):
    """A node whose derivative is a Python function of the cotangent."""

    __slots__ = ("label", "rule")

    def __init__(self, label: str, rule: Callable, edges: tuple):
        super().__init__(edges)
        self.label, self.rule = label, rule

    def name(self) -> str:
        return self.label

    def backward(self, g: object, create_graph: bool, keep: bool) -> Iterable:
        result = self.rule(g)
        return result if isinstance(result, tuple) else (result,)


def constant_in(result: Tensor, name: str, *inputs: object) -> Tensor:
    """Put a result on the graph that does not change with its inputs: their derivatives are zeros, not missing."""
    given = [x for x in inputs if isinstance(x, Tensor)]
    edges = tuple(x._node for x in given)
    if current.grad and any(e is not None for e in edges):
        avals = [x._value.aval for x in given]
        result._node = ClosureNode(
            name, lambda g: tuple(g.new_zeros(a.shape, dtype=a.dtype, device=a.device) for a in avals), edges
        )
    return result


class FunctionCtx:
    """What forward leaves for backward (``torch.autograd.function.FunctionCtx``)."""

    def __init__(self) -> None:
        self._saved: Any = ()
        self._dirty: tuple = ()
        self._non_differentiable: tuple = ()
        self._materialize = True
        self._for_jvp: tuple | None = None
        self._pushes = False  # whether `jvp` runs
        self.needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for backward; their content is that of now, whatever is done to them later."""
        for i, t in enumerate(tensors):
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(f"save_for_backward can only save variables, but argument {i} is of type {type(t).__name__}")
        self._saved = tuple(t if t is None else (t, t._read(), t._node) for t in tensors)

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for `jvp`."""
        self._for_jvp = tensors

    @property
    def saved_tensors(self) -> tuple:
        """The tensors given to save_for_backward; in `jvp` those given to save_for_forward, if there are some."""
        if self._pushes and self._for_jvp is not None:
            return self._for_jvp
        if self._saved is FREED:
            raise RuntimeError(TWICE)
        return tuple(s if s is None else self._unsaved(*s) if type(s) is tuple else s.recover() for s in self._saved)

    def _unsaved(self, tensor: Tensor, value: object, node: object) -> Tensor:
        if (tensor._read() is value and tensor._node is not None) or tensor.is_sparse:
            return tensor
        return wrap(value, node if node is not None else tensor._node)  # type: ignore[arg-type]

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say which inputs forward changed in place."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say which results have no derivative."""
        self._non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether a missing cotangent arrives as zeros (the default) or as None."""
        self._materialize = value


# What a FunctionNode has itself; all else that is noted on it is noted on its ctx.
_OWN = {"edges", "number", "hooks", "_function", "_ctx", "_avals", "_inputs", "__class__"}


class FunctionNode(Node):
    """The node of a `Function`; it is the ``ctx`` of backward too, by delegation."""

    __slots__ = ("_function", "_ctx", "_avals", "_inputs")

    def __init__(self, function: type, ctx: FunctionCtx, edges: tuple, inputs: tuple):
        super().__init__(edges)
        self._function, self._ctx, self._inputs = function, ctx, inputs
        self._avals: tuple = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ctx, name)

    def __setattr__(self, name: str, value: object) -> None:
        object.__setattr__(self if name in _OWN else self._ctx, name, value)

    def name(self) -> str:
        return f"{self._function.__name__}Backward"

    def outputs(self) -> int:
        return len(self._avals)

    @property
    def _forward_cls(self) -> type:
        return self._function

    def backward(self, g: object, create_graph: bool, keep: bool) -> Iterable:
        given = g if isinstance(g, tuple) else (g,)
        if self._ctx._materialize:
            given = _materialized(given, self._avals)
        if current.pulls and _overrides(self._function, "jvp"):
            return self._transposed(given)
        pulls, current.pulls = current.pulls, False
        try:
            return self._pulled(given, keep)
        finally:
            current.pulls = pulls

    def _transposed(self, given: tuple) -> Iterable:
        """Cotangents that stand on the graph for `jvp`, whose transpose they are: their derivative is it."""
        there = next(c for c in given if c is not None)
        node = _Pushed(self, tuple(None if c is None else c._node for c in given))
        for i, (edge, aval) in enumerate(zip(self.edges, self._inputs)):
            if edge is None or aval is None:
                yield None
            else:
                zeros = there.new_zeros(aval.shape, dtype=aval.dtype, device=aval.device)
                yield wrap(zeros._read(), OutputNode(node, i))

    def _pulled(self, given: tuple, keep: bool) -> Iterable:
        rule = self._function.backward if _overrides(self._function, "backward") else self._function.vjp  # type: ignore[attr-defined]
        result = rule(self._ctx, *given)
        if not keep:
            self._ctx._saved = FREED if self._ctx._saved else ()
        return self._checked(result if isinstance(result, tuple) else (result,))

    def _checked(self, result: tuple) -> tuple:
        name, n = self._function.__name__, len(self._inputs)
        if len(result) > n and any(r is not None for r in result[n:]) or len(result) < n:
            raise RuntimeError(
                f"function {name}Backward returned an incorrect number of gradients (expected {n}, got {len(result)})"
            )
        for i, (r, aval) in enumerate(zip(result, self._inputs)):
            if r is not None and not isinstance(r, Tensor):
                raise RuntimeError(f"expected Variable or None (got {type(r).__name__})")
            if r is not None and aval is None:
                raise RuntimeError(
                    f"function {name}Backward returned a gradient different than None at position {i + 1}, but the corresponding "
                    "forward input was not a Variable"
                )
        return tuple(map(self._fitted, range(n), result))

    def _fitted(self, i: int, g: Tensor | None) -> Tensor | None:
        """A cotangent as its input's edge takes it; where nothing takes it, it may have any shape."""
        aval = self._inputs[i]
        if g is None or self.edges[i] is None:
            return g
        if not _reducible(g.shape, aval.shape):
            raise RuntimeError(
                f"Function {self.name()} returned an invalid gradient at index {i} - got {list(g.shape)} but expected shape "
                f"compatible with {list(aval.shape)}"
            )
        return fit(g, aval)


def _reducible(shape: tuple, target: tuple) -> bool:
    """Whether a sum over some dimensions leads from a shape to another."""
    lead = len(shape) - len(target)
    return lead >= 0 and all(n in (1, m) for n, m in zip(target, shape[lead:]))


class _Pushed(Node):
    """Sends tangents of a function's inputs on, by its `jvp`, as those of its results."""

    __slots__ = ("source",)

    def __init__(self, source: FunctionNode, edges: tuple):
        super().__init__(edges)
        self.source = source

    def name(self) -> str:
        return f"{self.source._function.__name__}Jvp"

    def outputs(self) -> int:
        return len(self.source._inputs)

    def backward(self, g: object, create_graph: bool, keep: bool) -> Iterable:
        source, ctx = self.source, self.source._ctx
        tangents = g if isinstance(g, tuple) else (g,)
        if ctx._materialize:
            tangents = _materialized(tangents, source._inputs)
        ctx._pushes = True
        try:
            result = source._function.jvp(ctx, *tangents)  # type: ignore[attr-defined]
        finally:
            ctx._pushes = False
        made = result if isinstance(result, tuple) else (result,)
        if len(made) != len(source._avals):
            raise RuntimeError(
                f"{source._function.__name__}.jvp: expected {len(source._avals)} tangents, one for each result, got {len(made)}"
            )
        return tuple(map(fit, made, source._avals))


def _overrides(cls: type, name: str) -> bool:
    return getattr(cls, name) is not getattr(Function, name)


def _materialized(given: tuple, avals: tuple) -> tuple:
    """The cotangents, with zeros for those that are missing."""
    there = next(c for c in given if c is not None)
    return tuple(
        there.new_zeros(a.shape, dtype=a.dtype, device=a.device) if c is None and a is not None else c
        for c, a in zip(given, avals)
    )


class Function:
    """An operation with a derivative of its own (``torch.autograd.Function``): static forward and backward.

    >>> import kuai as torch
    >>> class Double(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * 2
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         return g * 2
    >>> x = torch.ones(1, requires_grad=True)
    >>> Double.apply(x).backward(); x.grad
    tensor([2.])
    """

    @staticmethod
    def forward(*args: object, **kwargs: object) -> object:
        """Compute the result; with ``ctx`` first, unless `setup_context` is defined."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple, output: object) -> None:
        """Save what backward needs, where forward does not take ``ctx``."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: FunctionCtx, *grad_outputs: object) -> object:
        """The cotangents of forward's inputs, from those of its results."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: FunctionCtx, *grad_inputs: object) -> object:
        """The tangents of forward's results, from those of its inputs. Without it they follow from backward's derivative."""
        raise NotImplementedError("You must implement the jvp function for custom autograd.Function to use it with forward mode AD.")

    generate_vmap_rule = False  # whether forward and backward serve for batches; they do here anyway, unless `vmap` is defined

    @staticmethod
    def vmap(info: object, in_dims: tuple, *args: object) -> tuple:
        """Forward for a batch: ``info`` has batch_size and randomness; gives the results and the dimensions of the batch in them."""
        raise NotImplementedError("vmap is not implemented.")

    def __init__(self, *args: object, **kwargs: object):
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you should invoke them on "
            "the class itself. Instantiating an autograd function will raise an error in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: object, **kwargs: object) -> object:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd function with "
            "static forward method."
        )

    @classmethod
    def apply(cls, *args: object, **kwargs: object) -> object:
        """Run forward and put the result on the graph; under `vmap`, by the function's own `vmap` if it has one."""
        if current.trace.borrowed is not None and _overrides(cls, "vmap") and not cls.generate_vmap_rule:
            return by_rule(cls.vmap, f"{cls.__name__}Backward", args)
        set_up = _overrides(cls, "setup_context")
        if set_up:
            args = _bound(cls.forward, args, kwargs)
        ctx = FunctionCtx()
        edges = tuple(a._node if isinstance(a, Tensor) else None for a in args)
        ctx.needs_input_grad = tuple(e is not None for e in edges)
        with no_grad():
            if set_up:
                result = cls.forward(*args)
                cls.setup_context(ctx, args, result)
            else:
                result = cls.forward(ctx, *args, **kwargs)
        if not current.grad or not any(ctx.needs_input_grad):
            return _off_graph(result, ctx, args)
        inputs = tuple(a._aval if isinstance(a, Tensor) else None for a in args)
        return _connect(FunctionNode(cls, ctx, edges, inputs), ctx, args, result)


def _bound(forward: Callable, args: tuple, kwargs: dict) -> tuple:
    """A call's arguments in the order of forward's, defaults among them: what setup_context gets, and backward answers to."""
    bound = inspect.signature(forward).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args


def _off_graph(result: object, ctx: FunctionCtx, args: tuple) -> object:
    """Results that have no derivative: a tensor of their own each, unless they are inputs that forward changed."""

    def fresh(r: object) -> object:
        given = isinstance(r, Tensor) and any(r is a for a in args) and not any(r is t for t in ctx._dirty)
        return r._alias() if given else r  # type: ignore[attr-defined]

    return tuple(map(fresh, result)) if isinstance(result, tuple) else fresh(result)


def _connect(node: FunctionNode, ctx: FunctionCtx, args: tuple, result: object) -> object:
    many = isinstance(result, tuple)
    results = result if isinstance(result, tuple) else (result,)
    node._avals = tuple(r._aval if isinstance(r, Tensor) else None for r in results)
    if any(not any(t is r for r in results) for t in ctx._dirty):
        raise RuntimeError(
            "Some elements marked as dirty during the forward method were not returned as output. The inputs that are modified "
            "inplace must all be outputs of the Function."
        )
    outs: list[Any] = [_on_graph(r, i, node, ctx, args, many) for i, r in enumerate(results)]
    for i, r in enumerate(results):  # what forward saved of its results is on the graph as well
        if isinstance(r, Tensor) and isinstance(outs[i], Tensor) and ctx._saved:
            ctx._saved = tuple((s[0], s[1], outs[i]._node) if s and s[0] is r else s for s in ctx._saved)
    if trace.marks:
        refuse_inference(t._content_now() for t, *_ in filter(None, ctx._saved))
    if ctx._saved and OpNode.saved is not _PLAIN:
        ctx._saved = _packed(ctx._saved)
    return tuple(outs) if many else outs[0]


_PLAIN = OpNode.saved  # type: ignore[misc]


def _packed(saved: tuple) -> tuple:
    """What a function saved, put away by hooks if there are some."""
    from .saving import PackedTensor, innermost

    hooks = innermost()
    return saved if hooks is None else tuple(s if s is None else PackedTensor(*hooks, *s) for s in saved)


def _on_graph(r: object, i: int, node: FunctionNode, ctx: FunctionCtx, args: tuple, many: bool) -> object:
    if not isinstance(r, Tensor) or any(r is t for t in ctx._non_differentiable) or r.dtype.category < 2:
        return r
    edge = OutputNode(node, i) if many else node
    if any(r is t for t in ctx._dirty):
        _check_dirty(r)
        return r._write(wrap(r._read(), edge), tracked=True)
    out = r._alias() if any(r is a for a in args) or r._storage is not None else wrap(r._read())
    if out._storage is not None and any(isinstance(a, Tensor) and a._storage is out._storage for a in args):
        out._maker = node.name()
    out._node = edge
    return out


def _check_dirty(r: Tensor) -> None:
    if type(r._node) is AccumulateGrad:
        raise RuntimeError("a leaf Variable that requires grad has been used in an in-place operation.")
    if r._base is not None and type(r._base._node) is AccumulateGrad:
        raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")


def once_differentiable(fn: Callable) -> Callable:
    """Say that a backward cannot be differentiated itself (``torch.autograd.function.once_differentiable``)."""

    @wraps(fn)
    def call(ctx: FunctionCtx, *grads: object) -> object:
        asked = current.grad and any(isinstance(g, Tensor) and g._node is not None for g in grads)
        with no_grad():
            result = fn(ctx, *grads)
        if not asked:
            return result
        return tuple(_refusing(r) for r in (result if isinstance(result, tuple) else (result,)))

    return call


def _refusing(r: object) -> object:
    def refuse(g: object) -> object:
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")

    if isinstance(r, Tensor):
        with enable_grad():
            r = wrap(r._read(), ClosureNode("DelayedErrorBackward", refuse, ()))
    return r
