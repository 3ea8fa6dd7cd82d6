"""Tensor's subclasses: every public function asks their ``__torch_function__`` first.

Nothing is asked, and nothing costs, until there is someone to ask: the first subclass of Tensor, the first mode, or an import
of ``overrides`` (for classes that only look like tensors) puts the question before each public function and method.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, wraps
from types import FunctionType, ModuleType
from typing import Any

from .tensor import Tensor


class _State(threading.local):
    """Whether this thread asks, and the modes that it asks first."""

    quiet: Any = None  # None: ask; "subclasses": ask modes only; "all": ask nobody
    modes: tuple = ()


state = _State()
active: dict[Callable, Callable] = {}  # by a function, what asks before it
_methods: dict[Callable, Callable] = {}  # and by a method of Tensor
asked_methods: set[Callable] = set()  # all of those, under each name


class Quiet:
    """Within it nobody is asked: the functions are called as they are."""

    def __init__(self, what: str = "all"):
        self.what = what

    def __enter__(self) -> None:
        self.before, state.quiet = state.quiet, self.what

    def __exit__(self, *error: object) -> None:
        state.quiet = self.before


def disabled(func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict | None = None) -> object:
    """As ``__torch_function__`` of a class: it need not be asked (``torch._C._disabled_torch_function_impl``)."""
    with Quiet("subclasses"):
        return func(*args, **(kwargs or {}))


def torch_function(cls: type, func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict | None = None) -> object:
    """What a subclass does unless it says otherwise: call the function, and give its results the class."""
    if not all(issubclass(cls, t) for t in types):
        return NotImplemented
    with Quiet("subclasses"):
        found = func(*args, **(kwargs or {}))
        return found if func in _unchanged() else _converted(found, cls, args)


def _converted(found: Any, cls: type, args: tuple) -> Any:
    if isinstance(found, (tuple, list)):
        parts = [_converted(f, cls, args) for f in found]
        return type(found)._make(parts) if hasattr(found, "_make") else type(found)(parts)
    if not isinstance(found, Tensor) or isinstance(found, cls):
        return found
    if type(found) is not Tensor or any(found is a for a in args):
        return found.as_subclass(cls)  # type: ignore[attr-defined]
    found.__class__ = cls  # type: ignore[assignment]
    return found


@lru_cache(1024)
def asks(kind: Any) -> bool:
    """Whether things of a class are to be asked."""
    own = getattr(kind, "__torch_function__", None)
    return own is not None and own is not disabled and kind is not Tensor


def overloaded(args: Iterable[Any]) -> list:
    """The arguments to be asked, subclasses before their bases, one of each class."""
    found: list = []
    for arg in _flat(args):
        kind: Any = type(arg)
        if kind is Tensor or not asks(kind) or any(type(f) is kind for f in found):
            continue
        place = next((i for i, f in enumerate(found) if issubclass(kind, type(f))), len(found))
        found.insert(place, arg)
    return found


def _flat(args: Iterable[Any]) -> Iterator[Any]:
    for arg in args:
        if type(arg) in (list, tuple):
            yield from arg
        else:
            yield arg


def handle(func: Callable, found: list, args: tuple, kwargs: dict) -> Any:
    """Ask the modes, the last first, and then the arguments; the first that does not give NotImplemented answers."""
    types = tuple(type(f) for f in found)
    if state.modes:
        *rest, mode = before = state.modes
        state.modes = tuple(rest)
        try:
            result = mode.__torch_function__(func, types, args, kwargs)
        finally:
            state.modes = before
        if result is not NotImplemented:
            return result
    for arg in found:
        result = type(arg).__torch_function__(func, types, args, kwargs)
        if result is not NotImplemented:
            return result
    raise TypeError(
        f"Multiple dispatch failed for '{func.__name__}'; all __torch_function__ handlers returned NotImplemented: {list(types)}"
    )


def asking(func: Callable, says: Callable | None = None, arguments: bool = True) -> Callable:
    """The function after the question; ``says``: the name under which it is asked about; ``arguments``: not modes alone."""

    @wraps(func)
    def call(*args: Any, **kwargs: Any) -> Any:
        quiet = state.quiet
        if quiet == "all" or (quiet and not state.modes):
            return func(*args, **kwargs)
        found = [] if quiet or not arguments else overloaded((*args, *kwargs.values()))
        if not found and not state.modes:
            return func(*args, **kwargs)
        return handle(says or call, found, args, kwargs)

    return call


def plain(func: Callable) -> Callable:
    """A function without the question before it: the same one whenever it was taken from its package."""
    inner = getattr(func, "__wrapped__", None)
    return inner if inner is not None and active.get(inner) is func else func


# Functions that make tensors of anything, or are about no tensor: nobody is asked before them.
IGNORED = frozenset(
    "tensor as_tensor asarray from_numpy frombuffer from_dlpack is_tensor is_storage typename arange linspace logspace eye full "
    "ones zeros empty rand randn randint randperm range manual_seed seed initial_seed get_rng_state set_rng_state fork_rng "
    "set_printoptions set_default_dtype get_default_dtype set_default_device get_default_device set_default_tensor_type "
    "promote_types can_cast result_type is_grad_enabled set_grad_enabled is_inference_mode_enabled explain synchronize set_engine "
    "set_num_threads get_num_threads set_float32_matmul_precision get_float32_matmul_precision broadcast_shapes tril_indices "
    "triu_indices save load compile vmap empty_strided empty_permuted bartlett_window blackman_window hamming_window hann_window "
    "kaiser_window as_subclass new_tensor new_empty_strided finfo iinfo scalar_tensor cudnn_affine_grid_generator".split()
)
# Those of them that make tensors: modes are asked all the same.
CREATING = frozenset(
    "tensor as_tensor asarray from_numpy frombuffer arange linspace logspace eye full ones zeros empty rand randn randint randperm "
    "range tril_indices triu_indices empty_strided empty_permuted bartlett_window blackman_window hamming_window hann_window "
    "kaiser_window scalar_tensor".split()
)
OPERATORS = {
    "__add__": "add", "__radd__": "add", "__sub__": "sub", "__mul__": "mul", "__rmul__": "mul", "__truediv__": "div",
    "__mod__": "remainder", "__pow__": "pow", "__matmul__": "matmul", "__lt__": "lt", "__le__": "le", "__gt__": "gt",
    "__ge__": "ge", "__ne__": "ne", "__neg__": "neg", "__abs__": "abs", "__pos__": "positive", "__iadd__": "add_",
    "__isub__": "sub_", "__imul__": "mul_", "__itruediv__": "div_", "__imod__": "remainder_",
    "__ifloordiv__": "floor_divide_", "__rand__": "bitwise_and", "__ror__": "bitwise_or", "__rxor__": "bitwise_xor",
    **{f"__{n}__": f"__{n}__" for n in (
        "rsub rtruediv floordiv rfloordiv rmod rpow rmatmul and or xor lshift rlshift rshift rrshift eq invert iand "
        "ior ixor ilshift irshift ipow getitem setitem len bool int float complex index contains repr reversed").split()},
}  # fmt: skip
PROPERTIES = ("T", "mT", "H", "mH", "real", "imag", "data", "grad")
# The packages whose functions are public, and those that use them by name; ops and what is below them call each other directly.
PUBLIC = ("", ".nn.functional", ".linalg", ".fft", ".special")
USERS = ("nn", "distributions", "func", "utils", "masked", "signal")


def activate() -> None:
    """Put the question before every public function and method; once."""
    if active:
        return
    from importlib import import_module

    for name in PUBLIC:
        for function in _functions(import_module(f"kuai{name}")):
            asked = active.setdefault(function, asking(function, arguments=function.__name__ not in CREATING))
            active.setdefault(getattr(function, "__wrapped__", function), asked)  # the one that other modules have
    _watch_methods()
    for name, module in list(sys.modules.items()):
        if name == "kuai" or name.split(".")[0] == "kuai" and name.split(".")[1] in (*USERS, "linalg", "fft", "special"):
            _replace(module)
    _replace_taken()


def _functions(module: ModuleType) -> list[FunctionType]:
    return [
        f
        for name, f in vars(module).items()
        if isinstance(f, FunctionType) and name[0] != "_" and f.__module__ != "importlib" and (name not in IGNORED or name in CREATING)
    ]  # fmt: skip


def _replace(module: ModuleType) -> None:
    for name, value in list(vars(module).items()):
        if type(value) is FunctionType and value in active and not name.startswith("_"):
            setattr(module, name, active[value])


def _replace_taken() -> None:
    """The functions that programs took already, by name or into a table of a module, ask as well.

    A set or a dictionary gets them beside the plain ones: what a class is asked about is looked up there.
    """
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType) and module.__name__.split(".")[0] != "kuai":
            _replace(module)
            for value in list(vars(module).values()):
                if type(value) is set:
                    value.update([asked for f in value for asked in _asked(f)])
                elif type(value) is dict:
                    _replace_in(value)


def _replace_in(table: dict) -> None:
    for key, value in list(table.items()):
        if type(value) is FunctionType and value in active:
            value = table[key] = active[value]
        for asked in _asked(key):
            table.setdefault(asked, value)


def _asked(plain: object) -> list[Callable]:
    """What asks before a function and before the method that it may be as well."""
    return [kind[plain] for kind in (active, _methods) if plain in kind] if type(plain) is FunctionType else []


def _watch_methods() -> None:
    made: dict[str, Callable] = {}
    for name, method in list(vars(Tensor).items()):
        if isinstance(method, FunctionType) and name[0] != "_" and name not in IGNORED:
            asked = made[name] = _methods[method] = asking(method)
            asked.__name__, asked.__qualname__ = name, f"Tensor.{name}"  # the method may have another name, and serve several
            asked_methods.add(asked)
            setattr(Tensor, name, asked)
    for name, public in OPERATORS.items():
        method = vars(Tensor).get(name)
        if isinstance(method, FunctionType):
            asked = asking(method, made.get(public))
            asked.__name__, asked.__qualname__ = name, f"Tensor.{name}"
            asked_methods.add(asked)
            setattr(Tensor, name, asked)
    for name in PROPERTIES:
        setattr(Tensor, name, _watched_property(vars(Tensor)[name]))


def _watched_property(plain: property) -> property:
    def get(self: Tensor) -> Any:
        if state.quiet or (type(self) is Tensor and not state.modes):
            return getter(self)
        found = overloaded((self,))
        return handle(watched.__get__, found, (self,), {}) if found or state.modes else getter(self)

    getter = plain.fget
    assert getter is not None
    watched = property(get, plain.fset, plain.fdel, plain.__doc__)
    return watched


@lru_cache(1)
def _unchanged() -> frozenset:
    """What gives something of a tensor's that is not of its class."""
    return frozenset((vars(Tensor)["grad"].__get__,))


def watched(found: object) -> object:
    """A function that was just imported into the package, after the question if others are."""
    if active and isinstance(found, FunctionType) and (found.__name__ not in IGNORED or found.__name__ in CREATING):
        return active.setdefault(found, asking(found, arguments=found.__name__ not in CREATING))
    return found


def subclassed(cls: type, **kwargs: object) -> None:
    """A subclass of Tensor was defined."""
    super(Tensor, cls).__init_subclass__(**kwargs)
    if asks(cls):
        activate()
