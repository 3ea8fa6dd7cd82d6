"""Parameters that are functions of others: ``weight`` is computed, from an original, whenever it is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from typing import Any

from ...autograd.modes import no_grad
from ...tensor import Tensor, wrap
from ..containers import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Parameter

_CHANGED = "Registering a parametrization may not change the {} of the tensor, unless the `unsafe` flag is enabled."


class _Cache:
    """What `cached` keeps: how many such blocks are open, and the tensors computed since the first was opened."""

    depth = 0
    tensors: dict[tuple[int, str], Tensor] = {}


@contextmanager
def cached() -> Iterator[None]:
    """Inside, each parametrized tensor is computed once (``torch.nn.utils.parametrize.cached``).

    >>> import kuai as torch
    >>> from kuai.nn.utils import parametrize
    >>> m = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 2))
    >>> with parametrize.cached():
    ...     m.weight is m.weight
    True
    """
    _Cache.depth += 1
    try:
        yield
    finally:
        _Cache.depth -= 1
        if not _Cache.depth:
            _Cache.tensors = {}


def _register(module: Module, name: str, tensor: Tensor) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _set_data(tensor: Any, new: Any) -> None:
    """Give a tensor other content; it stays the object that optimizers hold."""
    if new is not tensor:
        tensor.data = new.detach()


def _same(what: str, names: tuple[str, str], old: Any, new: Any, problem: str) -> None:
    a, b = getattr(old, what), getattr(new, what)
    if a != b:
        raise ValueError(f"{problem.format(what)}\n{names[0].format(what)}: {a}\n{names[1].format(what)}: {b}")


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, applied one after another to its original.

    >>> import kuai as torch
    >>> m = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 2))
    >>> m.parametrizations.weight
    ParametrizationList(
      (0): _WeightNorm()
    )
    """

    original: Tensor
    unsafe: bool

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        new = self._originals_of(original)
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        before = wrap(original._read())
        if self.is_tensor:
            if new.dtype is not original.dtype:
                raise ValueError(f"`right_inverse` may not change the dtype: {original.dtype} became {new.dtype}.")
            _set_data(original, new)
            _register(self, "original", original)
        else:
            for i, part in enumerate(new):
                self._register_part(i, part, original)
        if not unsafe:
            self._check(original, before)

    def _originals_of(self, value: Any) -> Any:
        """What the parametrizations give this value for, as far as they can tell."""
        with no_grad():
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    with suppress(NotImplementedError):
                        value = module.right_inverse(value)
        if not isinstance(value, (Tensor, Sequence)):
            raise ValueError(
                f"'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got {type(value).__name__}"
            )
        return value

    def _register_part(self, i: int, part: Any, original: Any) -> None:
        if not isinstance(part, Tensor):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got element "
                f"{i} of the sequence with type {type(part).__name__}."
            )
        if isinstance(original, Parameter):
            part = Parameter(part, original.requires_grad)
        _register(self, f"original{i}", part.requires_grad_(original.requires_grad))

    def _check(self, original: Any, before: Any) -> None:
        """That the form is kept; else the original is what it was, and an error says why."""
        try:
            made = self()
            if not isinstance(made, Tensor):
                raise ValueError(f"A parametrization must return a tensor. Got {type(made).__name__}.")
            for what in ("dtype", "shape"):
                _same(what, ("unparametrized {}", "parametrized {}"), before, made, _CHANGED)
        except BaseException:
            original.data = before
            raise

    def _originals(self) -> list[Any]:
        return [self.original] if self.is_tensor else [getattr(self, f"original{i}") for i in range(self.ntensors)]

    def right_inverse(self, value: Any) -> None:
        """Set the originals to what gives this value: what an assignment to the tensor does."""
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
                value = module.right_inverse(value)
            parts = [value] if self.is_tensor else value
            if self.is_tensor and not isinstance(value, Tensor):
                raise ValueError(f"`right_inverse` should return a tensor. Got {type(value).__name__}")
            if not isinstance(parts, Sequence):
                raise ValueError(f"'right_inverse' must return a sequence of tensors. Got {type(parts).__name__}.")
            if len(parts) != self.ntensors:
                raise ValueError(
                    f"'right_inverse' must return a sequence of tensors of length {self.ntensors}. Got a sequence of length "
                    f"{len(parts)}."
                )
            for i, (part, original) in enumerate(zip(parts, self._originals())):
                self._set(i, part, original)

    def _set(self, i: int, part: Any, original: Any) -> None:
        if not isinstance(part, Tensor):
            raise ValueError(
                f"`right_inverse` must return a sequence of tensors. Got element {i} of type {type(part).__name__}"
            )
        if part.dtype is not original.dtype:
            raise ValueError(
                f"Tensor {i} returned by `right_inverse` has dtype {part.dtype} while `original` has dtype {original.dtype}"
            )
        _set_data(original, part)

    def forward(self) -> Any:
        """The tensor."""
        first, *rest = self
        x = first(*self._originals())
        for module in rest:
            x = module(x)
        return x


# ---- the module's class ----------------------------------------------------------------------------------------------


def _getstate(self: Module) -> None:
    raise RuntimeError(
        "Serialization of parametrized modules is only supported through state_dict(): save that, and load it into a module "
        "that is parametrized in the same way."
    )


def _deepcopy(self: Module, memo: dict) -> Module:
    """A copy with a class of its own, so that what is done to one is not done to the other."""
    base: Any = type(self).__bases__[0]
    made = base.__new__(base)
    memo[id(self)] = made
    made.__dict__.update({name: deepcopy(value, memo) for name, value in self.__dict__.items()})
    _specialize(made)
    for name in made.parametrizations:
        _inject_property(made, name)
    return made


def _specialize(module: Module) -> None:
    """Give a module a class of its own, for properties that are its alone."""
    cls = type(module)
    fields = {"__getstate__": _getstate, "__deepcopy__": _deepcopy, "__module__": __name__}
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), fields)


def _inject_property(module: Module, name: str) -> None:
    def get(self: Any) -> Tensor:
        if not _Cache.depth:
            return self.parametrizations[name]()
        key = (id(self), name)
        if key not in _Cache.tensors:
            _Cache.tensors[key] = self.parametrizations[name]()
        return _Cache.tensors[key]

    def set_(self: Any, value: Any) -> None:
        self.parametrizations[name].right_inverse(value)

    setattr(type(module), name, property(get, set_))


# ---- functions -------------------------------------------------------------------------------------------------------


def register_parametrization(module: Any, tensor_name: str, parametrization: Module, *, unsafe: bool = False) -> Any:
    """Make a module's tensor the parametrization of what it was (``torch.nn.utils.parametrize.register_parametrization``).

    >>> import kuai as torch
    >>> from kuai.nn.utils import parametrize
    >>> class Doubled(torch.nn.Module):
    ...     def forward(self, x):
    ...         return 2 * x
    >>> m = parametrize.register_parametrization(torch.nn.Linear(1, 1), "weight", Doubled())
    >>> bool(m.weight == 2 * m.parametrizations.weight.original)
    True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        _append(module, tensor_name, parametrization, unsafe)
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        held = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _specialize(module)
            module.parametrizations = ModuleDict()
        _inject_property(module, tensor_name)
        module.parametrizations[tensor_name] = held
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name '{tensor_name}'"
        )
    return module


def _append(module: Any, name: str, parametrization: Any, unsafe: bool) -> None:
    """Put a parametrization after those that are there."""
    if not unsafe:
        old = getattr(module, name)
        new = parametrization(old)
        if not isinstance(new, Tensor):
            raise ValueError(f"A parametrization must return a tensor. Got {type(new).__name__}.")
        for what in ("dtype", "shape"):
            _same(what, (f"module.{name}.{{}}", f"parametrization(module.{name}).{{}}"), old, new, _CHANGED)
        if hasattr(parametrization, "right_inverse"):
            _check_inverse(name, old, parametrization.right_inverse(new))
    module.parametrizations[name].append(parametrization)
    module.parametrizations[name].unsafe |= unsafe


def _check_inverse(name: str, old: Any, back: Any) -> None:
    if not isinstance(back, Tensor):
        raise ValueError(f"parametrization.right_inverse must return a tensor. Got: {type(back).__name__}")
    for what in ("dtype", "shape"):
        _same(what, (f"module.{name}.{{}}", "returned {}"), old, back,
              "The tensor returned by parametrization.right_inverse must have the same {} as " + f"module.{name}, unless the "
              "`unsafe` flag is enabled.")  # fmt: skip


def is_parametrized(module: Any, tensor_name: str | None = None) -> bool:
    """Whether a module has a parametrized tensor, or one of this name.

    >>> import kuai as torch
    >>> torch.nn.utils.parametrize.is_parametrized(torch.nn.Linear(1, 1))
    False
    """
    held = getattr(module, "parametrizations", None)
    if not isinstance(held, ModuleDict):
        return False
    return len(held) > 0 if tensor_name is None else tensor_name in held


def remove_parametrizations(module: Any, tensor_name: str, leave_parametrized: bool = True) -> Any:
    """Make a parametrized tensor a plain one again: what it is now, or (``leave_parametrized=False``) its original.

    >>> import kuai as torch
    >>> m = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(1, 1))
    >>> torch.nn.utils.parametrize.remove_parametrizations(m, "weight")
    Linear(in_features=1, out_features=1, bias=True)
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    held = module.parametrizations[tensor_name]
    if not held.is_tensor and not leave_parametrized:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a sequence "
            "of tensors."
        )
    kept = _left(held, getattr(module, tensor_name) if leave_parametrized else None)
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, kept)
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    return module


def _left(held: ParametrizationList, value: Any) -> Tensor:
    """What stays when the parametrizations go: the original, with the value that it is left with."""
    if held.is_tensor:
        if value is not None:
            _set_data(held.original, value)
        return held.original
    trained = [p for p in held._originals() if isinstance(p, Parameter)]
    value = value.detach()
    return Parameter(value, any(p.requires_grad for p in trained)) if trained else value


def type_before_parametrizations(module: Any) -> type:
    """The class that a module had before it was parametrized.

    >>> import kuai as torch
    >>> m = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(1, 1))
    >>> torch.nn.utils.parametrize.type_before_parametrizations(m).__name__
    'Linear'
    """
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(from_module: Any, to_module: Any, tensor_name: str | None = None) -> Any:
    """Parametrize a module as another one is, and give it that one's originals.

    >>> import kuai as torch
    >>> from kuai.nn.utils import parametrize, parametrizations
    >>> a, b = parametrizations.weight_norm(torch.nn.Linear(2, 1)), torch.nn.Linear(2, 1)
    >>> parametrize.is_parametrized(parametrize.transfer_parametrizations_and_params(a, b))
    True
    """
    if not is_parametrized(from_module):
        return to_module
    names = list(from_module.parametrizations) if tensor_name is None else [tensor_name]
    for name in names:
        held = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            _register(to_module, name, _left(held, getattr(from_module, name)) if not held.is_tensor else held.original)
        for module in held:
            register_parametrization(to_module, name, deepcopy(module), unsafe=True)
        for original, theirs in zip(held._originals(), to_module.parametrizations[name]._originals()):
            _set_data(theirs, original)
    return to_module
