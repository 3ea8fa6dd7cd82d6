"""What of ``torch.jit`` has a meaning where Python always runs: marks that change nothing, and modules that stay what they are.

>>> import kuai as torch
>>> torch.jit.is_scripting()
False
"""

from __future__ import annotations

import builtins
import warnings
from collections import namedtuple
from collections.abc import Callable
from types import TracebackType, UnionType
from typing import Any, Union, get_args, get_origin
from typing import Final as Final

from ..autograd import no_grad
from ..futures import Future as Future
from ..nn import Module
from .modules import RecursiveScriptModule as RecursiveScriptModule
from .modules import ScriptFunction as ScriptFunction
from .modules import ScriptModule as ScriptModule
from .modules import TopLevelTracedModule as TopLevelTracedModule
from .modules import load as load
from .modules import save as save
from .modules import scripted


def is_scripting() -> bool:
    """False: nothing is ever turned into a script (``torch.jit.is_scripting``)."""
    return False


def is_tracing() -> bool:
    """False: nothing is ever traced for a script (``torch.jit.is_tracing``)."""
    return False


def script(obj: Any, *args: object, **kwargs: object) -> Any:
    """A module as a `ScriptModule`, a function or class itself (``torch.jit.script``): what is hot is compiled anyway.

    >>> import kuai as torch
    >>> @torch.jit.script
    ... def double(x):
    ...     return x * 2
    >>> double(torch.tensor(3))
    tensor(6)
    >>> torch.jit.script(torch.nn.ReLU())
    RecursiveScriptModule(original_name=ReLU)
    """
    return scripted(obj, RecursiveScriptModule) if builtins.isinstance(obj, Module) else obj


Attribute = namedtuple("Attribute", ["value", "type"])


def fork(func: Callable, *args: Any, **kwargs: Any) -> Future:
    """A future of a function's result, which is there at once (``torch.jit.fork``).

    >>> import kuai as torch
    >>> torch.jit.wait(torch.jit.fork(lambda x: x + 1, 2))
    3
    """
    made: Future = Future()
    made.set_result(func(*args, **kwargs))
    return made


def wait(future: Future) -> Any:
    """What `fork`'s function gave (``torch.jit.wait``)."""
    return future.wait()


def isinstance(obj: Any, target_type: Any) -> bool:  # noqa: A001 (PyTorch's name)
    """Whether something is of a type, parts of lists, tuples and dictionaries too (``torch.jit.isinstance``).

    >>> import kuai as torch
    >>> torch.jit.isinstance([1, 2], list[int]), torch.jit.isinstance({"a": 1}, dict[str, str])
    (True, False)
    """
    if type(target_type) is tuple:
        return any(isinstance(obj, t) for t in target_type)
    origin, inner = get_origin(target_type), get_args(target_type)
    if origin in (Union, UnionType):
        return any(isinstance(obj, t) for t in inner)
    if origin is None:
        return builtins.isinstance(obj, target_type)
    if not builtins.isinstance(obj, origin):
        return False
    if origin is dict:
        return all(isinstance(k, inner[0]) and isinstance(v, inner[1]) for k, v in obj.items())
    if origin is tuple:
        return len(obj) == len(inner) and all(map(isinstance, obj, inner))
    return all(isinstance(x, inner[0]) for x in obj)


def set_fusion_strategy(strategy: object) -> None:
    """Accepted: XLA fuses by itself (``torch.jit.set_fusion_strategy``)."""


def enable_onednn_fusion(enabled: bool) -> None:
    """Accepted: XLA fuses by itself (``torch.jit.enable_onednn_fusion``)."""


def script_if_tracing(fn: Callable) -> Callable:
    """The function itself (``torch.jit.script_if_tracing``).

    >>> import kuai as torch
    >>> torch.jit.script_if_tracing(abs)(-1)
    1
    """
    return fn


_script_if_tracing = script_if_tracing


def ignore(fn: object = None, *, drop: bool = False, drop_on_export: bool = False) -> object:
    """The function itself (``torch.jit.ignore``).

    >>> import kuai as torch
    >>> torch.jit.ignore(lambda x: -x)(1)
    -1
    """
    return fn if callable(fn) else lambda f: f


def unused(fn: Callable) -> Callable:
    """The function itself (``torch.jit.unused``).

    >>> import kuai as torch
    >>> torch.jit.unused(lambda x: -x)(1)
    -1
    """
    return fn


def export(fn: Callable) -> Callable:
    """The function itself (``torch.jit.export``).

    >>> import kuai as torch
    >>> torch.jit.export(lambda x: -x)(1)
    -1
    """
    return fn


def interface(cls: type) -> type:
    """The class itself (``torch.jit.interface``)."""
    return cls


def _overload(fn: Callable) -> Callable:
    """The function itself: it says what types a script would take."""
    return fn


_overload_method = _overload


def annotate(the_type: object, value: object) -> object:
    """The value itself (``torch.jit.annotate``).

    >>> import kuai as torch
    >>> torch.jit.annotate(int, 3)
    3
    """
    return value


def script_method(fn: Callable) -> Callable:
    """The method itself (``torch.jit.script_method``)."""
    return fn


def trace(func: Any, example_inputs: Any = None, optimize: object = None, check_trace: bool = True, check_inputs: object = None,
          check_tolerance: float = 1e-5, strict: bool = True, _force_outplace: bool = False, _module_class: object = None,
          _compilation_unit: object = None, example_kwarg_inputs: dict | None = None, _store_inputs: bool = True) -> Any:  # fmt: skip
    """A module as a `ScriptModule`, a function itself, after a call with the example inputs (``torch.jit.trace``).

    PyTorch freezes the control flow that the example takes, and warns of it; here Python runs at each call.

    >>> import kuai as torch
    >>> traced = torch.jit.trace(torch.nn.ReLU(), torch.tensor([-1.]))
    >>> traced(torch.tensor([-2., 2.])), isinstance(traced, torch.jit.ScriptModule)
    (tensor([0., 2.]), True)
    """
    if (example_inputs is None) is (example_kwarg_inputs is None):
        raise RuntimeError("example_kwarg_inputs should be a dict" if example_inputs is None else "give example_inputs or "
                           "example_kwarg_inputs, not both")  # fmt: skip
    with no_grad():
        func(**example_kwarg_inputs) if example_inputs is None else func(*_arguments(example_inputs))  # type: ignore[arg-type]
    return scripted(func, TopLevelTracedModule) if builtins.isinstance(func, Module) else func


def trace_module(mod: Module, inputs: dict[str, Any], *args: object, **kwargs: object) -> Any:
    """A module as a `ScriptModule`, after a call of each method with its example inputs (``torch.jit.trace_module``)."""
    with no_grad():
        for name, example in inputs.items():
            getattr(mod, name)(*_arguments(example))
    return scripted(mod, TopLevelTracedModule)


def _arguments(example: Any) -> tuple:
    return tuple(example) if builtins.isinstance(example, (tuple, list)) else (example,)


def freeze(mod: Any, preserved_attrs: object = None, optimize_numerics: bool = True, preserve_parameters: bool = False) -> Any:
    """The module itself, which must be in evaluation mode (``torch.jit.freeze``): its parameters stay what they are.

    RuntimeError for what `script` or `trace` did not give, or a module in training mode.
    """
    if not builtins.isinstance(mod, ScriptModule):
        raise RuntimeError("Freezing expects a ScriptModule as input. Please use torch.jit.script or torch.jit.trace to script your "
                           "'nn.Module'.")  # fmt: skip
    if mod.training:
        raise RuntimeError("Freezing is currently only implemented for modules in eval mode. Please call .eval() on your module before "
                           "freezing.")  # fmt: skip
    return mod


def optimize_for_inference(mod: Any, other_methods: object = None) -> Any:
    """The module itself: what is hot is compiled anyway (``torch.jit.optimize_for_inference``)."""
    return freeze(mod.eval())


class TracerWarning(Warning):
    """PyTorch's warnings while it traces (``torch.jit.TracerWarning``): Python runs at each call, so none are given."""


class optimized_execution:
    """Accepted: there are no scripts to optimise (``torch.jit.optimized_execution``)."""

    def __init__(self, should_optimize: bool):
        self.should_optimize = should_optimize

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass
