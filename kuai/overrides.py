"""Classes that answer for PyTorch's functions by ``__torch_function__`` (``torch.overrides``).

A class that is no subclass of Tensor but has ``__torch_function__`` is asked once this module is imported.

>>> import kuai as torch
>>> import kuai.overrides
>>> class Diagonal:
...     def __init__(self, n, value):
...         self.n, self.value = n, value
...     @classmethod
...     def __torch_function__(cls, func, types, args=(), kwargs=None):
...         if func is torch.mean:
...             return torch.tensor(args[0].value / args[0].n)
...         return NotImplemented
>>> torch.mean(Diagonal(4, 2.0))
tensor(0.5000)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from . import subclasses
from .tensor import Tensor
from .wont import refusing


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether any of the arguments is to be asked (``torch.overrides.has_torch_function``).

    >>> import kuai as torch
    >>> torch.overrides.has_torch_function((torch.ones(1), 2))
    False
    """
    quiet = subclasses.state.quiet
    return quiet != "all" and (bool(subclasses.state.modes) or not quiet and bool(subclasses.overloaded(relevant_args)))


def has_torch_function_unary(arg: object) -> bool:
    """`has_torch_function` of one argument.

    >>> import kuai as torch
    >>> torch.overrides.has_torch_function_unary(torch.ones(1))
    False
    """
    return has_torch_function((arg,))


def has_torch_function_variadic(*args: object) -> bool:
    """`has_torch_function` of the arguments as they are.

    >>> import kuai as torch
    >>> torch.overrides.has_torch_function_variadic(torch.ones(1), 2)
    False
    """
    return has_torch_function(args)


def handle_torch_function(public_api: Callable, relevant_args: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
    """Ask the arguments for a function; TypeError if none answers (``torch.overrides.handle_torch_function``).

    >>> import kuai as torch
    >>> class Answer:
    ...     @classmethod
    ...     def __torch_function__(cls, func, types, args=(), kwargs=None):
    ...         return func.__name__
    >>> torch.overrides.handle_torch_function(torch.relu, (Answer(),), Answer())
    'relu'
    """
    return subclasses.handle(public_api, subclasses.overloaded(relevant_args), args, kwargs)


def wrap_torch_function(dispatcher: Callable) -> Callable:
    """Let a function of one's own be answered for; the dispatcher gives its arguments that are asked
    (``torch.overrides.wrap_torch_function``).

    >>> import kuai as torch
    >>> @torch.overrides.wrap_torch_function(lambda x: (x,))
    ... def double(x):
    ...     return x * 2
    >>> double(3)
    6
    """

    def wrap(func: Callable) -> Callable:
        @wraps(func)
        def call(*args: Any, **kwargs: Any) -> Any:
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(call, relevant, *args, **kwargs)
            return func(*args, **kwargs)

        return call

    return wrap


def is_tensor_like(inp: object) -> bool:
    """Whether something is a tensor, or of a class that answers for functions (``torch.overrides.is_tensor_like``).

    >>> import kuai as torch
    >>> torch.overrides.is_tensor_like(torch.ones(1)), torch.overrides.is_tensor_like([1])
    (True, False)
    """
    return isinstance(inp, Tensor) or hasattr(type(inp), "__torch_function__")


def is_tensor_method_or_property(func: Callable) -> bool:
    """Whether a function is a method of Tensor, or reads a property (``torch.overrides.is_tensor_method_or_property``).

    >>> import kuai as torch
    >>> torch.overrides.is_tensor_method_or_property(torch.Tensor.relu_)
    True
    """
    return func.__name__ == "__get__" or func in _methods()


def _methods() -> set[Callable]:
    return {f for f in vars(Tensor).values() if callable(f) and isinstance(getattr(f, "__hash__", None), Callable)}  # type: ignore[arg-type]


def get_ignored_functions() -> set[Callable]:
    """The functions before which nobody is asked (``torch.overrides.get_ignored_functions``).

    >>> import kuai as torch
    >>> torch.tensor in torch.overrides.get_ignored_functions()
    True
    """
    import kuai

    return {getattr(kuai, name) for name in subclasses.IGNORED if hasattr(kuai, name)}


def get_overridable_functions() -> dict[Any, list[Callable]]:
    """The functions before which arguments are asked, by the module or class that has them
    (``torch.overrides.get_overridable_functions``).

    >>> import kuai as torch
    >>> torch.relu in torch.overrides.get_overridable_functions()[torch]
    True
    """
    return _by_place({f for f in subclasses.active.values() if f.__name__ not in subclasses.CREATING})  # type: ignore[attr-defined]


def _by_place(asked: set[Callable]) -> dict[Any, list[Callable]]:
    import kuai

    places: list = [kuai, kuai.nn.functional, kuai.linalg, kuai.fft, kuai.special]
    found = {place: [f for f in vars(place).values() if callable(f) and _hashed(f) in asked] for place in places}
    found[Tensor] = [f for f in vars(Tensor).values() if _hashed(f) in subclasses.asked_methods]
    return found


def _hashed(f: Any) -> Any:
    return f if getattr(type(f), "__hash__", None) else None


def resolve_name(f: Callable) -> str | None:
    """A function's name as programs write it, None if it is not one of ours (``torch.overrides.resolve_name``).

    >>> import kuai as torch
    >>> torch.overrides.resolve_name(torch.Tensor.add), torch.overrides.resolve_name(torch.relu)
    ('torch.Tensor.add', 'torch.relu')
    """
    for place, functions in _by_place(set(subclasses.active.values())).items():
        name = "torch.Tensor" if place is Tensor else place.__name__.replace("kuai", "torch")
        if any(f is g for g in functions):
            return f"{name}.{f.__name__}"
    return None


class TorchFunctionMode:
    """Is asked before every public function, whatever the arguments (``torch.overrides.TorchFunctionMode``).

    >>> import kuai as torch
    >>> class Names(torch.overrides.TorchFunctionMode):
    ...     def __torch_function__(self, func, types, args=(), kwargs=None):
    ...         print(func.__name__)
    ...         return func(*args, **(kwargs or {}))
    >>> x = torch.ones(2)
    >>> with Names():
    ...     y = torch.relu(x) + 1
    relu
    add
    """

    def __torch_function__(self, func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict | None = None) -> Any:
        raise NotImplementedError(f"{type(self).__name__} needs a method __torch_function__(func, types, args, kwargs)")

    def __enter__(self) -> TorchFunctionMode:
        subclasses.state.modes += (self,)
        return self

    def __exit__(self, *error: object) -> None:
        subclasses.state.modes = subclasses.state.modes[:-1]

    @classmethod
    def push(cls, *args: Any, **kwargs: Any) -> TorchFunctionMode:
        """A mode of the class, to be entered."""
        return cls(*args, **kwargs)


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that calls every function as it is (``torch.overrides.BaseTorchFunctionMode``).

    >>> import kuai as torch
    >>> with torch.overrides.BaseTorchFunctionMode():
    ...     torch.zeros(1) + 1
    tensor([1.])
    """

    def __torch_function__(self, func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict | None = None) -> Any:
        return func(*args, **(kwargs or {}))


subclasses.activate()

__getattr__ = refusing(__name__)
