"""Operators by name (``torch.ops``): ``torch.ops.mine.scale`` is the operator that `kuai.library` registered as ``mine::scale``.

An operator has a kernel for each dispatch key. A call takes the first that applies: autocast, the derivative, the device's own,
and those for every device.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import ModuleType

from ..autograd.function import Function
from ..autograd.modes import no_grad
from ..engine.trace import current
from ..errors import warn
from ..tensor import Tensor
from .schema import Schema

_operators: dict[str, dict[str, Operator]] = {}


class _Excluded(threading.local):
    keys: frozenset[str] = frozenset()


excluded = _Excluded()
BACKENDS = {"cpu": "CPU", "cuda": "CUDA", "meta": "Meta"}


class Operator:
    """One overload of an operator (``torch._ops.OpOverload``): a schema, and kernels by dispatch key."""

    def __init__(self, schema: Schema, strict: bool = False):
        self._schema = schema
        self.kernels: dict[str, Callable] = {}
        self.formula: tuple[Callable, Callable | None] | None = None  # backward and setup_context
        self.strict = strict  # whether backward without a formula is an error, or a warning
        self.__name__ = f"{schema.name}.{schema.overload or 'default'}"
        self.__qualname__ = self.__name__

    @property
    def namespace(self) -> str:
        """What stands before the name: ``mine``."""
        return self._schema.namespace

    def name(self) -> str:
        """The qualified name: ``mine::scale``, with the overload if it has one."""
        overload = f".{self._schema.overload}" if self._schema.overload else ""
        return self._schema.qualname + overload

    def __repr__(self) -> str:
        return f"<OpOverload(op='{self._schema.qualname.replace('::', '.')}', overload='{self._schema.overload or 'default'}')>"

    def __str__(self) -> str:
        return f"{self.namespace}.{self.__name__}"

    def has_kernel_for_dispatch_key(self, key: object) -> bool:
        """Whether a function was registered for this dispatch key itself."""
        return key_name(key) in self.kernels

    def __call__(self, *args: object, **kwargs: object) -> object:
        args, kwargs = self._schema.bind(args, kwargs)
        place = next((t.device.type for t in tensors((args, kwargs))), "cpu")
        casts = f"Autocast{BACKENDS.get(place, '')}"
        if casts in self.kernels and casts not in excluded.keys and current.autocast is not None and place in current.autocast.on:
            return self.kernels[casts](*args, **kwargs)
        return self._below_autocast(place, args, kwargs)

    def _below_autocast(self, place: str, args: tuple, kwargs: dict) -> object:
        backend = BACKENDS.get(place, place)
        if self.formula is None:
            for key in (f"Autograd{backend}", "Autograd"):
                if key in self.kernels and key not in excluded.keys:
                    return self.kernels[key](*args, **kwargs)
        for key in (backend, "CompositeExplicitAutograd"):
            if key in self.kernels:
                return self._differentiably(self.kernels[key], args, kwargs)
        composite = self.kernels.get("CompositeImplicitAutograd")
        if composite is None:
            raise NotImplementedError(
                f"Could not run '{self.name()}' with arguments from the '{backend}' backend: it has kernels for "
                f"{sorted(self.kernels) or 'none'}. Register one with torch.library.impl('{self.name()}', '{backend}')."
            )
        return composite(*args, **kwargs) if self.formula is None else self._differentiably(composite, args, kwargs)

    def _differentiably(self, kernel: Callable, args: tuple, kwargs: dict) -> object:
        """Run a kernel outside the graph and hang its result on it, with the derivative that was registered."""
        if not current.grad or not any(t._node is not None for t in tensors((args, kwargs))):
            with no_grad():
                return kernel(*args, **kwargs)
        flat: list[object] = []
        layout = _flatten((args, tuple(kwargs.values())), flat)
        return _graph(self, kernel, layout, tuple(kwargs)).apply(*flat)


def _graph(operator: Operator, kernel: Callable, layout: object, names: tuple[str, ...]) -> type[Function]:
    """The Function of one call: its inputs are the arguments' leaves, because lists of tensors have derivatives too."""
    backward, setup = operator.formula or (_no_formula(operator), None)

    class Call(Function):
        @staticmethod
        def forward(*flat: object) -> object:
            args, values = _rebuild(layout, iter(flat))
            return kernel(*args, **dict(zip(names, values)))

        @staticmethod
        def setup_context(ctx, flat, output):
            args, values = _rebuild(layout, iter(flat))
            if setup is not None:
                named = {"keyword_only_inputs": dict(zip(names, values))} if names else {}
                setup(ctx=ctx, inputs=args, output=output, **named)

        @staticmethod
        def backward(ctx, *grads):
            found = backward(ctx, *grads)
            return tuple(_leaves(found if isinstance(found, tuple) else (found,), layout[0]))

    Call.__name__ = operator._schema.name
    return Call


def _no_formula(operator: Operator) -> Callable:
    def backward(ctx: object, *grads: object) -> object:
        if operator.strict:
            raise RuntimeError(
                f"Trying to backward through {operator.name()} but no autograd formula was registered. "
                "Please use register_autograd to add one."
            )

        warn(
            f"{operator.name()}: an autograd kernel was not registered to the Autograd key(s) but we are trying to backprop "
            "through it. No gradient passes; register one with torch.library.register_autograd."
        )
        return ()

    return backward


def _flatten(x: object, into: list) -> object:
    """Put the leaves of nested tuples and lists into a list; gives the layout, in which None stands for a leaf."""
    if isinstance(x, (tuple, list)):
        return type(x)([_flatten(y, into) for y in x])
    into.append(x)
    return None


def _rebuild(layout: object, leaves: Iterator) -> object:
    if isinstance(layout, (tuple, list)):
        return type(layout)([_rebuild(y, leaves) for y in layout])
    return next(leaves)


def _leaves(grads: object, layout: object) -> Iterator:
    """The cotangents of the leaves; a None for a list stands for all in it."""
    if not isinstance(layout, (tuple, list)):
        yield grads
        return
    given = grads if isinstance(grads, (tuple, list)) else ()
    if len(given) > len(layout):
        raise RuntimeError(f"the derivative of an operator gave {len(given)} gradients for {len(layout)} inputs")
    for i, inner in enumerate(layout):
        yield from _leaves(given[i] if i < len(given) else None, inner)


def tensors(x: object) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists and dicts."""
    if isinstance(x, Tensor):
        yield x
    elif isinstance(x, (tuple, list)):
        for y in x:
            yield from tensors(y)
    elif isinstance(x, dict):
        yield from tensors(tuple(x.values()))


def key_name(key: object) -> str:
    """A dispatch key's name, from the name or the enumeration's member."""
    return key if isinstance(key, str) else key.name


class Packet:
    """The overloads of one name (``torch._ops.OpOverloadPacket``); a call takes the first whose schema fits."""

    def __init__(self, qualname: str):
        self._qualified_op_name = qualname
        self.__name__ = qualname.split("::")[1]

    def overloads(self) -> list[str]:
        """The overloads' names."""
        return [name or "default" for name in _operators[self._qualified_op_name]]

    def __getattr__(self, name: str) -> Operator:
        found = _operators.get(self._qualified_op_name, {}).get("" if name == "default" else name)
        if found is None:
            raise AttributeError(f"The underlying op of '{self}' has no overload name '{name}'")
        return found

    def __call__(self, *args: object, **kwargs: object) -> object:
        overloads = list(_operators[self._qualified_op_name].values())
        fitting = (o for o in overloads if len(overloads) == 1 or o._schema.fits(args, kwargs))
        return next(fitting, overloads[0])(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='{self}')>"

    def __str__(self) -> str:
        return self._qualified_op_name.replace("::", ".")


class Namespace(ModuleType):
    """The operators of one library: ``torch.ops.mine``."""

    def __getattr__(self, name: str) -> Packet:
        own = self.__name__.split(".")[-1]
        if f"{own}::{name}" not in _operators:
            raise AttributeError(f"'_OpNamespace' '{own}' object has no attribute '{name}'")
        packet = Packet(f"{own}::{name}")
        setattr(self, name, packet)
        return packet


_namespaces: dict[str, Namespace] = {}


def namespace(name: str) -> Namespace:
    """The namespace of a name, made when it is first asked for."""
    return _namespaces.setdefault(name, Namespace(f"torch.ops.{name}"))


def has_namespace(name: str) -> bool:
    """Whether operators are registered in a namespace."""
    return any(qualname.startswith(f"{name}::") for qualname in _operators)


def add(operator: Operator) -> Operator:
    """Register an operator; RuntimeError if there is one of that name and overload."""
    known = _operators.setdefault(operator._schema.qualname, {})
    if operator._schema.overload in known:
        raise RuntimeError(f"Tried to register an operator ({operator._schema}) with the same name and overload name multiple times.")
    known[operator._schema.overload] = operator
    return operator


def remove(operator: Operator) -> None:
    """Forget an operator."""
    qualname = operator._schema.qualname
    _operators.get(qualname, {}).pop(operator._schema.overload, None)
    if not _operators.get(qualname):
        _operators.pop(qualname, None)
        vars(namespace(operator.namespace)).pop(operator._schema.name, None)


def find(qualname: str) -> Operator:
    """The operator ``namespace::name`` or ``namespace::name.overload``; RuntimeError if there is none."""
    name, _, overload = qualname.partition(".")
    found = _operators.get(name, {}).get("" if overload == "default" else overload)
    if found is None:
        raise RuntimeError(f"operator {qualname} does not exist")
    return found
