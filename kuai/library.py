"""Operators of one's own (``torch.library``): declared by a schema, written in Python, called as ``torch.ops.mine.scale``.

>>> import kuai as torch
>>> @torch.library.custom_op("mine::scale", mutates_args=())
... def scale(x: torch.Tensor, by: float = 2.0) -> torch.Tensor:
...     return x * by
>>> torch.ops.mine.scale(torch.ones(2), 3.0)
tensor([3., 3.])
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from .amp.autocast import Casts
from .engine.trace import current
from .inferring import infer_schema as infer_schema
from .ops import operators
from .ops.operators import Operator
from .ops.schema import Schema

__all__ = ["Library", "custom_op", "define", "fallthrough_kernel", "impl", "impl_abstract", "infer_schema", "register_autocast",
           "register_autograd", "register_fake", "register_kernel", "register_vmap", "triton_op"]  # fmt: skip

_DEVICE_KEYS = {"cpu": "CPU", "cuda": "CUDA", "meta": "Meta"}
_RESERVED = ("prim",)


def fallthrough_kernel() -> None:
    """Given to `Library.impl`: the key has no kernel of its own (``torch.library.fallthrough_kernel``)."""
    raise NotImplementedError("fallthrough_kernel() should never be called.")


class Library:
    """A namespace's operators, or fragments and kernels for them (``torch.library.Library``).

    ``kind`` is "DEF" (the namespace's first and only definition), "FRAGMENT" (more of it) or "IMPL" (kernels alone).

    >>> import kuai as torch
    >>> library = torch.library.Library("shop", "DEF")
    >>> library.define("twice(Tensor x) -> Tensor")
    'twice'
    >>> library.impl("twice", lambda x: x + x, "CompositeImplicitAutograd")
    >>> torch.ops.shop.twice(torch.ones(1))
    tensor([2.])
    """

    _defined: set[str] = set()

    def __init__(self, ns: str, kind: str, dispatch_key: str = ""):
        if kind not in ("IMPL", "DEF", "FRAGMENT"):
            raise ValueError(f"Unsupported kind: {kind}")
        if ns in _RESERVED and kind in ("DEF", "FRAGMENT"):
            raise ValueError(f"{ns} is a reserved namespace. Please try creating a library with another name.")
        if kind == "DEF":
            if ns in Library._defined:
                raise RuntimeError(f"Only a single TORCH_LIBRARY can be used to register the namespace {ns}; use 'FRAGMENT' for more.")
            Library._defined.add(ns)
        self.ns, self.kind, self.dispatch_key = ns, kind, dispatch_key
        self._made: list[Operator] = []

    def __repr__(self) -> str:
        return f"Library(kind={self.kind}, ns={self.ns}, dispatch_key={self.dispatch_key})>"

    def define(self, schema: str, alias_analysis: str = "", *, tags: object = ()) -> str:
        """Declare an operator by its schema; gives its name, with the overload if it has one."""
        if self.kind == "IMPL":
            raise RuntimeError("Library.define: this library is of the kind 'IMPL', which defines nothing; use 'DEF' or 'FRAGMENT'")
        if alias_analysis not in ("", "FROM_SCHEMA", "CONSERVATIVE"):
            raise RuntimeError(f"Invalid alias_analysis type {alias_analysis}")
        made = operators.add(Operator(Schema(schema, self.ns)))
        self._made.append(made)
        return made.name().split("::")[1]

    def impl(self, op_name: str | Operator, fn: Callable, dispatch_key: str = "", *, with_keyset: bool = False,
             allow_override: bool = False) -> None:  # fmt: skip
        """Give an operator a kernel for a dispatch key; without one, for every device and with its own derivative."""
        if not callable(fn):
            raise TypeError(f"Input function is required to be a callable but found type {type(fn)}")
        if with_keyset:
            raise NotImplementedError("Library.impl: with_keyset=True hands kernels PyTorch's set of dispatch keys, which kuai has not")
        key = dispatch_key or self.dispatch_key or "CompositeImplicitAutograd"
        operator = self._operator(op_name)
        if fn is fallthrough_kernel:
            operator.kernels.pop(key, None)
        elif key in operator.kernels and not allow_override and self.kind != "IMPL":
            raise RuntimeError(f"This is not allowed since there's already a kernel registered from python overriding "
                               f"{operator.name()}'s behavior for {key} dispatch key and {self.ns} namespace.")  # fmt: skip
        else:
            operator.kernels[key] = fn

    def _operator(self, op: str | Operator) -> Operator:
        if isinstance(op, Operator):
            return op
        return operators.find(op if "::" in op else f"{self.ns}::{op}")

    def _destroy(self) -> None:
        for made in self._made:
            operators.remove(made)
        self._made.clear()
        if self.kind == "DEF":
            Library._defined.discard(self.ns)


@contextmanager
def _scoped_library(*args: str, **kwargs: str) -> Iterator[Library]:
    library = Library(*args, **kwargs)
    try:
        yield library
    finally:
        library._destroy()


def _qualified(qualname: str) -> tuple[str, str]:
    namespace, _, name = qualname.partition("::")
    if not (namespace and name):
        raise ValueError(f"Expected qualname to be of the form 'namespace::name', but got {qualname!r}")
    return namespace, name


def _found(op: str | Operator | CustomOpDef) -> Operator:
    return op._operator if isinstance(op, CustomOpDef) else op if isinstance(op, Operator) else operators.find(op)


def define(qualname: str, schema: str, *, lib: Library | None = None, tags: object = ()) -> None:
    """Declare ``namespace::name`` by its schema, "(Tensor x) -> Tensor" (``torch.library.define``)."""
    namespace, name = _qualified(qualname)
    (lib or Library(namespace, "FRAGMENT")).define(name + schema, tags=tags)


def impl(qualname: str, types: str | Sequence[str], func: Callable | None = None, *, lib: Library | None = None) -> Callable | None:
    """Give an operator a kernel for device types, or for all with "default"; a decorator without ``func``
    (``torch.library.impl``).

    >>> import kuai as torch
    >>> torch.library.define("mine::half", "(Tensor x) -> Tensor")
    >>> @torch.library.impl("mine::half", "cpu")
    ... def half(x): return x / 2
    >>> torch.ops.mine.half(torch.ones(1))
    tensor([0.5000])
    """
    if isinstance(qualname, Library):  # impl(library, "name", "CPU") is a decorator as well
        return _kernel_decorator(qualname, str(types), func or "")  # type: ignore[arg-type]
    return _register(qualname, types, func)


def _kernel_decorator(library: Library, name: str, key: str) -> Callable:
    def give(f: Callable) -> Callable:
        library.impl(name, f, key)
        return f

    return give


def _keys(types: str | Sequence[str] | None, every: str) -> list[str]:
    """The dispatch keys of device types; keys are taken as they are."""
    if types is None or types == "default":
        return [every]
    given = (types,) if isinstance(types, str) else types
    unknown = [t for t in given if t.islower() and t not in _DEVICE_KEYS]
    if unknown:
        raise ValueError(f"device types {unknown}: kuai has kernels for {sorted(_DEVICE_KEYS)}")
    return [_DEVICE_KEYS.get(t, t) for t in given]


def _register(op: str | Operator | CustomOpDef, types: str | Sequence[str] | None, func: Callable | None) -> Callable | None:
    operator = _found(op)

    def give(f: Callable) -> Callable:
        operator.kernels.update(dict.fromkeys(_keys(types, "CompositeExplicitAutograd"), f))
        return f

    return give if func is None else give(func)


def register_kernel(op: str | Operator | CustomOpDef, device_types: str | Sequence[str] | None, func: Callable | None = None, /, *,
                    lib: Library | None = None) -> Callable | None:  # fmt: skip
    """Give an operator a kernel for device types; None for all (``torch.library.register_kernel``)."""
    return _register(op, device_types, func)


def register_fake(op: str | Operator | CustomOpDef, func: Callable | None = None, /, *, lib: Library | None = None,
                  _stacklevel: int = 1, allow_override: bool = True) -> Callable:  # fmt: skip
    """Say what an operator's results look like: what runs for tensors on "meta" (``torch.library.register_fake``)."""
    operator = _found(op)

    def give(f: Callable) -> Callable:
        operator.kernels["Meta"] = f
        return f

    return give if func is None else give(func)


impl_abstract = register_fake


def register_autograd(op: str | Operator | CustomOpDef, backward: Callable, /, *, setup_context: Callable | None = None,
                      lib: Library | None = None) -> None:  # fmt: skip
    """Give an operator its derivative (``torch.library.register_autograd``).

    ``setup_context(ctx, inputs, output)`` saves what ``backward(ctx, *grads)`` needs.

    >>> import kuai as torch
    >>> @torch.library.custom_op("mine::triple", mutates_args=())
    ... def triple(x: torch.Tensor) -> torch.Tensor: return x * 3
    >>> torch.library.register_autograd("mine::triple", lambda ctx, g: g * 3)
    >>> x = torch.ones(1, requires_grad=True)
    >>> triple(x).backward(); x.grad
    tensor([3.])
    """
    operator = _found(op)
    if any(a.mutated for a in operator._schema.arguments):
        raise RuntimeError(f"Cannot register autograd formula for non-functional operator {operator} with schema {operator._schema}. "
                           "Please create a functional operator and register an autograd formula for that.")  # fmt: skip
    operator.formula = backward, setup_context


def register_autocast(op: str | Operator | CustomOpDef, device_type: str, cast_inputs: object, /, *, lib: Library | None = None) -> None:
    """Within autocast, give an operator its floating-point tensors in a dtype (``torch.library.register_autocast``)."""
    operator = _found(op)
    if device_type not in ("cpu", "cuda"):
        raise ValueError(f"Unknown device type: {device_type}")

    def kernel(*args: object, **kwargs: object) -> object:
        before, current.autocast = current.autocast, _without(current.autocast, device_type)
        try:
            return operator(*_cast(args, cast_inputs), **_cast(kwargs, cast_inputs))
        finally:
            current.autocast = before

    operator.kernels[f"Autocast{_DEVICE_KEYS[device_type]}"] = kernel


def _without(casts: Casts | None, device_type: str) -> Casts | None:
    on = {k: d for k, d in casts.on.items() if k != device_type} if casts else {}
    return Casts(on) if on else None


def _cast(x, dtype):
    if isinstance(x, dict):
        return {k: _cast(v, dtype) for k, v in x.items()}
    if isinstance(x, (tuple, list)):
        return type(x)(_cast(v, dtype) for v in x)
    return x.to(dtype) if isinstance(x, operators.Tensor) and x.is_floating_point() and x.dtype.itemsize < 8 else x


def register_vmap(op: object, func: Callable | None = None, /, *, lib: Library | None = None) -> Callable:
    """Not there: vmap maps what operators do, op by op, and takes no rules of its own."""
    raise NotImplementedError("torch.library.register_vmap: kuai's vmap takes no rules for single operators; it maps the ops inside")


def triton_op(name: str, fn: Callable | None = None, /, *, mutates_args: str | Iterable[str], schema: str | None = None) -> object:
    """Not there: Triton's kernels take PyTorch's own tensors."""
    raise NotImplementedError("torch.library.triton_op: Triton's kernels take PyTorch's own tensors; write the operator with torch's ops")


class CustomOpDef:
    """An operator made by `custom_op`: a callable to which kernels, a fake and a derivative can be given."""

    def __init__(self, operator: Operator, fn: Callable):
        self._operator, self._init_fn = operator, fn
        self._qualname, self._opoverload = operator.name(), operator
        self.__name__, self.__doc__ = fn.__name__, fn.__doc__

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    def __call__(self, *args: object, **kwargs: object) -> object:
        return self._operator(*args, **kwargs)

    def register_kernel(self, device_types: str | Sequence[str] | None, fn: Callable | None = None, /) -> Callable | None:
        """`register_kernel` for this operator."""
        return register_kernel(self, device_types, fn)

    def register_fake(self, fn: Callable, /) -> Callable:
        """`register_fake` for this operator."""
        return register_fake(self, fn)

    def register_autograd(self, backward: Callable, /, *, setup_context: Callable | None = None) -> None:
        """`register_autograd` for this operator."""
        register_autograd(self, backward, setup_context=setup_context)

    def register_autocast(self, device_type: str, cast_inputs: object) -> None:
        """`register_autocast` for this operator."""
        register_autocast(self, device_type, cast_inputs)


def custom_op(name: str, fn: Callable | None = None, /, *, mutates_args: str | Iterable[str],
              device_types: str | Sequence[str] | None = None, schema: str | None = None, tags: object = None) -> object:  # fmt: skip
    """Make a Python function an operator; a decorator without ``fn`` (``torch.library.custom_op``).

    The schema comes from its annotations, unless it is given. Results must be new tensors, not the arguments themselves.
    """
    namespace, short = _qualified(name)

    def give(f: Callable) -> CustomOpDef:
        text = schema or infer_schema(f, mutates_args=mutates_args)
        operator = Operator(Schema(short + text, namespace), strict=True)
        known = operators._operators.get(operator._schema.qualname, {})
        if "" in known:  # defining it anew replaces it, as running a notebook's cell twice does
            operators.remove(known[""])
        operators.add(operator)
        operator.kernels.update(dict.fromkeys(_keys(device_types, "CompositeExplicitAutograd"), _unaliased(operator, f)))
        return CustomOpDef(operator, f)

    return give if fn is None else give(fn)


def _unaliased(operator: Operator, fn: Callable) -> Callable:
    def kernel(*args: object, **kwargs: object) -> object:
        given = {id(t) for t in operators.tensors((args, kwargs))}
        result = fn(*args, **kwargs)
        if any(id(t) in given for t in operators.tensors(result)):
            raise RuntimeError(
                f"{operator.name()} (with implementation in {fn.__module__}): The output of this custom operator must not also be "
                "an input to this custom operator; return a clone instead."
            )
        return result

    return kernel


def get_ctx() -> object:
    """Not there: shapes that depend on values have no symbols here (``torch.library.get_ctx``)."""
    raise NotImplementedError("torch.library.get_ctx: kuai has no symbolic sizes; an operator whose shape depends on values runs at once")
