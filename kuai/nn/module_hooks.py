"""Hooks on modules: how they are registered, and a call that runs them. A module without hooks never comes here."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..autograd.function import Function
from ..autograd.hooks import RemovableHandle
from ..engine.program import Aval
from ..engine.trace import current
from ..tensor import Tensor
from . import unregistered

if TYPE_CHECKING:
    from .module import Module

_NONE: dict = {}
_ON_CALL = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


TABLES: list[str] = []  # of every module, in the order in which they are declared


class Table:
    """A module's table of hooks, made when it is first asked for. From then on a call looks for hooks."""

    def __init__(self, on_call: bool = False):
        self.on_call = on_call

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        TABLES.append(name)

    def __get__(self, module: Any, owner: type) -> Any:
        if module is None:
            return self
        if self.name not in module.__dict__:
            self.__set__(module, OrderedDict())
        return module.__dict__[self.name]

    def __set__(self, module: Any, table: OrderedDict) -> None:
        module.__dict__[self.name] = table
        if self.on_call:
            module.__dict__["_hooked"] = True

    def __delete__(self, module: Any) -> None:
        module.__dict__.pop(self.name, None)


# The hooks of all modules, under the names that a module's own have.
GLOBAL: dict[str, OrderedDict] = {
    name: OrderedDict()
    for name in ("_forward_pre_hooks", "_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called",
                 "_backward_pre_hooks", "_backward_hooks", "parameter", "buffer", "module")
}  # fmt: skip
_global_is_full: bool | None = None
_global_parameter_registration_hooks = GLOBAL["parameter"]  # by which packages name them
_global_buffer_registration_hooks, _global_module_registration_hooks = GLOBAL["buffer"], GLOBAL["module"]


def add(table: OrderedDict, hook: Callable, prepend: bool = False, marks: tuple = ()) -> RemovableHandle:
    """Put a hook into a table, last or first, and its number into the tables that mark its kind."""
    handle = RemovableHandle(table, marks)
    table[handle.id] = hook
    for mark in marks:
        mark[handle.id] = True
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


class Hooked:
    """What a module has of hooks. ``_hooked`` is whether a call has to look for them."""

    _hooked = False
    _is_full_backward_hook: bool | None = None
    _forward_pre_hooks: Any = Table(on_call=True)
    _forward_pre_hooks_with_kwargs: Any = Table()
    _forward_hooks: Any = Table(on_call=True)
    _forward_hooks_with_kwargs: Any = Table()
    _forward_hooks_always_called: Any = Table()
    _backward_pre_hooks: Any = Table(on_call=True)
    _backward_hooks: Any = Table(on_call=True)

    def _look_for_hooks(self) -> None:
        """Note whether there are hooks, of tables that came from elsewhere."""
        if any(self.__dict__.get(name) for name in _ON_CALL):
            self.__dict__["_hooked"] = True

    def register_forward_pre_hook(self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False) -> RemovableHandle:
        """Call ``hook(module, args)`` before forward; what it returns replaces the arguments.

        >>> import kuai as torch
        >>> m = torch.nn.Identity()
        >>> handle = m.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
        >>> m(torch.zeros(2))
        tensor([1., 1.])
        """
        marks = (self._forward_pre_hooks_with_kwargs,) if with_kwargs else ()
        return add(self._forward_pre_hooks, hook, prepend, marks)

    def register_forward_hook(self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False,
                              always_call: bool = False) -> RemovableHandle:  # fmt: skip
        """Call ``hook(module, args, output)`` after forward; what it returns replaces the output.

        >>> import kuai as torch
        >>> m = torch.nn.Identity()
        >>> with m.register_forward_hook(lambda module, args, output: output * 2):
        ...     m(torch.ones(2))
        tensor([2., 2.])
        """
        marks = (self._forward_hooks_with_kwargs,) if with_kwargs else ()
        marks += (self._forward_hooks_always_called,) if always_call else ()
        return add(self._forward_hooks, hook, prepend, marks)

    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before the module's backward; what it returns replaces grad_output.

        >>> import kuai as torch
        >>> layer = torch.nn.Linear(1, 1)
        >>> handle = layer.register_full_backward_pre_hook(lambda m, g: print(g))
        >>> layer(torch.ones(1)).sum().backward()
        (tensor([1.]),)
        """
        return add(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` after the module's backward; what it returns replaces grad_input.

        >>> import kuai as torch
        >>> m, x = torch.nn.Identity(), torch.ones(2, requires_grad=True)
        >>> handle = m.register_full_backward_hook(lambda module, into, out: (into[0] * 10,))
        >>> m(x).sum().backward(); x.grad
        tensor([10., 10.])
        """
        self._use_backward_hooks(full=True)
        return add(self._backward_hooks, hook, prepend)

    def register_backward_hook(self, hook: Callable) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` on the node of the output (use register_full_backward_hook).

        >>> import kuai as torch
        >>> import warnings; warnings.simplefilter("ignore")
        >>> layer = torch.nn.Linear(1, 1)
        >>> handle = layer.register_backward_hook(lambda m, gin, gout: print(gout))
        >>> layer(torch.ones(1)).sum().backward()
        (tensor([1.]),)
        """
        self._use_backward_hooks(full=False)
        return add(self._backward_hooks, hook)

    def _use_backward_hooks(self, full: bool) -> None:
        if self._is_full_backward_hook is (not full):
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a single Module. Please use only one of "
                "them."
            )
        self._is_full_backward_hook = full


# ---- hooks of all modules --------------------------------------------------------------------------------------------


def _add_global(name: str, hook: Callable, marks: tuple[str, ...] = ()) -> RemovableHandle:
    Hooked._hooked = True
    return add(GLOBAL[name], hook, marks=tuple(GLOBAL[m] for m in marks))


def register_module_forward_pre_hook(hook: Callable) -> RemovableHandle:
    """Call ``hook(module, args)`` before the forward of every module.

    >>> import kuai as torch
    >>> from kuai.nn.module import register_module_forward_pre_hook
    >>> with register_module_forward_pre_hook(lambda module, args: print(args)):
    ...     y = torch.nn.ReLU()(torch.ones(1))
    (tensor([1.]),)
    """
    return _add_global("_forward_pre_hooks", hook)


def register_module_forward_hook(hook: Callable, *, with_kwargs: bool = False, always_call: bool = False) -> RemovableHandle:
    """Call ``hook(module, args, output)`` after the forward of every module.

    >>> import kuai as torch
    >>> from kuai.nn.module import register_module_forward_hook
    >>> with register_module_forward_hook(lambda module, args, output: print(type(module).__name__)):
    ...     y = torch.nn.Sequential(torch.nn.Identity())(torch.ones(1))
    Identity
    Sequential
    """
    chosen = {"_forward_hooks_with_kwargs": with_kwargs, "_forward_hooks_always_called": always_call}
    return _add_global("_forward_hooks", hook, tuple(name for name, wanted in chosen.items() if wanted))


def register_module_full_backward_pre_hook(hook: Callable) -> RemovableHandle:
    """Call ``hook(module, grad_output)`` before the backward of every module."""
    return _add_global("_backward_pre_hooks", hook)


def register_module_full_backward_hook(hook: Callable) -> RemovableHandle:
    """Call ``hook(module, grad_input, grad_output)`` after the backward of every module."""
    _use_global_backward_hooks(full=True)
    return _add_global("_backward_hooks", hook)


def register_module_backward_hook(hook: Callable) -> RemovableHandle:
    """As register_module_full_backward_hook, on the nodes of the outputs."""
    _use_global_backward_hooks(full=False)
    return _add_global("_backward_hooks", hook)


def _use_global_backward_hooks(full: bool) -> None:
    global _global_is_full
    if _global_is_full is (not full):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module hook. Please use only one of "
            "them."
        )
    _global_is_full = full


def register_module_parameter_registration_hook(hook: Callable) -> RemovableHandle:
    """Call ``hook(module, name, parameter)`` when a parameter is registered; what it returns takes its place.

    >>> import kuai as torch
    >>> from kuai.nn.module import register_module_parameter_registration_hook
    >>> with register_module_parameter_registration_hook(lambda module, name, p: print(name)):
    ...     m = torch.nn.Linear(1, 1)
    weight
    bias
    """
    return add(GLOBAL["parameter"], hook)


def register_module_buffer_registration_hook(hook: Callable) -> RemovableHandle:
    """Call ``hook(module, name, buffer)`` when a buffer is registered; what it returns takes its place."""
    return add(GLOBAL["buffer"], hook)


def register_module_module_registration_hook(hook: Callable) -> RemovableHandle:
    """Call ``hook(module, name, submodule)`` when a module is registered; what it returns takes its place.

    >>> import kuai as torch
    >>> from kuai.nn.module import register_module_module_registration_hook
    >>> with register_module_module_registration_hook(lambda module, name, child: print(name, child)):
    ...     m = torch.nn.Sequential(torch.nn.ReLU())
    0 ReLU()
    """
    return add(GLOBAL["module"], hook)


def registered(kind: str, module: Module, name: object, value: object) -> Any:
    """What the registration hooks make of a parameter, buffer or module."""
    for hook in list(GLOBAL[kind].values()):
        new = hook(module, name, value)
        value = value if new is None else new
    return value


# ---- a call with hooks -----------------------------------------------------------------------------------------------


def _hooks(module: Module, name: str) -> Sequence[tuple[int, Callable, dict]]:
    """All hooks of a kind, those of all modules first; each with its number and the tables that mark its kind."""
    own = module.__dict__
    if not own.get(name) and not GLOBAL[name]:
        return ()
    return [(number, hook, tables) for tables in (GLOBAL, own) for number, hook in tables.get(name, _NONE).items()]


def call_with_hooks(module: Module, args: tuple, kwargs: dict) -> object:
    """Call a module that has hooks or lists to look at, or while there are hooks of all modules."""
    unregistered.check(module)
    if not any(table in module.__dict__ for table in _ON_CALL):
        module.__dict__.pop("_hooked", None)  # it was set for the check alone
    if not any(GLOBAL.values()):
        Hooked._hooked = False  # the last of them is gone: calls are short again
    called: set[int] = set()
    result: object = None
    try:
        args, kwargs = _before(module, args, kwargs)
        taps = _taps(module)
        if taps is not None:
            args = taps.on_inputs(args)
        result = module.forward(*args, **kwargs)
        for number, hook, tables in _hooks(module, "_forward_hooks"):
            called.add(number)
            result = _after(module, args, kwargs, result, number, hook, tables)
        if taps is not None:
            result = taps.on_outputs(result)
    except Exception:
        _call_always(module, args, kwargs, result, called)
        raise
    _hook_node(module, result)
    return result


def _before(module: Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    for number, hook, tables in _hooks(module, "_forward_pre_hooks"):
        if number in tables.get("_forward_pre_hooks_with_kwargs", _NONE):
            new = hook(module, args, kwargs)
            if new is not None:
                if not isinstance(new, tuple) or len(new) != 2:
                    raise RuntimeError(
                        f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {new}."
                    )
                args, kwargs = new
        else:
            new = hook(module, args)
            if new is not None:
                args = new if isinstance(new, tuple) else (new,)
    return args, kwargs


def _after(module: Module, args: tuple, kwargs: dict, result: object, number: int, hook: Callable, tables: dict) -> object:
    if number in tables.get("_forward_hooks_with_kwargs", _NONE):
        new = hook(module, args, kwargs, result)
    else:
        new = hook(module, args, result)
    return result if new is None else new


def _call_always(module: Module, args: tuple, kwargs: dict, result: object, called: set[int]) -> None:
    """After an error: the hooks that are to be called all the same; their own errors only warn."""
    for number, hook, tables in _hooks(module, "_forward_hooks"):
        if number in called or number not in tables.get("_forward_hooks_always_called", _NONE):
            continue
        try:
            result = _after(module, args, kwargs, result, number, hook, tables)
        except Exception as error:  # noqa: BLE001 (the first error is the one to be seen)
            warnings.warn(
                "module forward hook with ``always_call=True`` raised an exception that was silenced as another error was "
                f"raised in forward: {error}",
                stacklevel=2,
            )


# ---- backward hooks --------------------------------------------------------------------------------------------------


def _backward_hooks(module: Module, full: bool) -> list[Callable]:
    found: list[Callable] = []
    if _global_is_full is full:
        found += GLOBAL["_backward_hooks"].values()
    if module._is_full_backward_hook is full:
        found += module._backward_hooks.values()
    return found


def _taps(module: Module) -> BackwardTaps | None:
    hooks = _backward_hooks(module, full=True)
    pre_hooks = [hook for _, hook, _ in _hooks(module, "_backward_pre_hooks")]
    return BackwardTaps(module, hooks, pre_hooks) if hooks or pre_hooks else None


def _hook_node(module: Module, result: Any) -> None:
    """Hang the old kind of backward hooks on the node of the (first) output."""
    hooks = _backward_hooks(module, full=False)
    if not hooks:
        return
    while not isinstance(result, Tensor):
        result = next(v for v in result.values() if isinstance(v, Tensor)) if isinstance(result, dict) else result[0]
    node = result.grad_fn
    for hook in hooks if node is not None else ():
        node.register_hook(lambda into, out, hook=hook: hook(module, into, out))


class Tap(Function):
    """Hands its tensors on. Its backward shows the cotangents to a function, which may give others."""

    @staticmethod
    def forward(ctx, see, *tensors):
        ctx.see = see
        return tensors

    @staticmethod
    def backward(ctx, *grads):
        return (None, *ctx.see(grads))


class BackwardTaps:
    """A module's backward hooks in one call: a tap on what goes in and one on what comes out."""

    def __init__(self, module: Module, hooks: list[Callable], pre_hooks: list[Callable]):
        self.module, self.hooks, self.pre_hooks = module, hooks, pre_hooks
        self.args: tuple = ()
        self.places: list[int] = []  # of the inputs that lead further back
        self.grad_output: tuple | None = None

    def on_inputs(self, args: tuple) -> tuple:
        """The arguments, those that have a derivative tapped."""
        self.args = tuple(a._aval if isinstance(a, Tensor) else None for a in args)
        self.places = _differentiable(args)
        return _tap(args, self.places, self._see_inputs)

    def on_outputs(self, result: object) -> object:
        """The output, those tensors in it that have a derivative tapped."""
        if not isinstance(result, (Tensor, tuple)):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but received "
                f"{type(result)}",
                stacklevel=4,
            )
            return result
        outs = result if isinstance(result, tuple) else (result,)
        places = _differentiable(outs)
        outs = _tap(outs, places, lambda grads: self._see_outputs(places, grads, len(outs)))
        return outs if isinstance(result, tuple) else outs[0]

    def _see_outputs(self, places: list[int], grads: tuple, outputs: int) -> tuple:
        grad_output = _spread(places, grads, outputs)
        for hook in self.pre_hooks:
            grad_output = _replaced(hook(self.module, grad_output), grad_output, "Backward pre hook", "grad_output")
        self.grad_output = grad_output
        if not self.places:
            self._see_nothing()
        return tuple(grad_output[i] for i in places)

    def _see_nothing(self) -> None:
        """No input has a derivative: the hooks see the output's alone, and have nothing to replace."""
        if self.hooks:
            warnings.warn(
                "Full backward hook is firing when gradients are computed with respect to module outputs since no inputs "
                "require gradients.",
                stacklevel=2,
            )
        for hook in self.hooks:
            new = hook(self.module, (None,) * len(self.args), self.grad_output)
            if new is not None and not (isinstance(new, tuple) and all(g is None for g in new)):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None or None for all "
                    "gradients."
                )

    def _see_inputs(self, grads: tuple) -> tuple:
        there = dict(zip(self.places, grads))
        grad_input = tuple(there[i] if i in there else _zeros(aval, grads[0]) for i, aval in enumerate(self.args))
        if self.grad_output is None:
            raise RuntimeError(
                "Module backward hook for grad_input is called before the grad_output one. This happens because the gradient "
                "in your nn.Module flows to the Module's input without passing through the Module's output. Make sure that "
                "the output depends on the input and that the loss is computed based on the output."
            )
        for hook in self.hooks:
            new = hook(self.module, grad_input, self.grad_output)
            grad_input = _replaced(new, grad_input, "Backward hook", "grad_input")
        self.grad_output = None
        return tuple(grad_input[i] for i in self.places)


def _differentiable(values: tuple) -> list[int]:
    """The places of the tensors that have a derivative."""
    if not current.grad:
        return []
    return [i for i, v in enumerate(values) if isinstance(v, Tensor) and v.requires_grad]


def _tap(values: tuple, places: list[int], see: Callable) -> tuple:
    if not places:
        return values
    tapped = dict(zip(places, Tap.apply(see, *[values[i] for i in places])))  # type: ignore[call-overload]
    return tuple(tapped.get(i, v) for i, v in enumerate(values))


def _zeros(aval: Aval | None, like: Any) -> Any:
    """What stands for the cotangent of an input without one: zeros for a tensor."""
    return None if aval is None else like.new_zeros(aval.shape, dtype=aval.dtype, device=aval.device)


def _spread(places: list[int], grads: tuple, n: int) -> tuple:
    """The cotangents at their places among n, the rest None."""
    there = dict(zip(places, grads))
    return tuple(there.get(i) for i in range(n))


def _replaced(new: object, old: tuple, who: str, what: str) -> tuple:
    if new is None:
        return old
    if not isinstance(new, (tuple, Tensor)):
        raise TypeError(f"{who}: needs a Tensor or a tuple of Tensors for {what}, got {type(new).__name__}")
    new = new if isinstance(new, tuple) else (new,)
    if len(new) != len(old):
        raise RuntimeError(f"{who} returned an invalid number of {what}, got {len(new)}, but expected {len(old)}")
    return new
