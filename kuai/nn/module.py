"""Module: a block of a network, which knows its parameters, its buffers and the blocks inside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from types import MappingProxyType
from typing import Any

from ..tensor import Tensor
from . import unregistered
from .module_conversion import Converted
from .module_errors import add_path, typename
from .module_hooks import Hooked, call_with_hooks, registered
from .module_hooks import register_module_backward_hook as register_module_backward_hook
from .module_hooks import register_module_buffer_registration_hook as register_module_buffer_registration_hook
from .module_hooks import register_module_forward_hook as register_module_forward_hook
from .module_hooks import register_module_forward_pre_hook as register_module_forward_pre_hook
from .module_hooks import register_module_full_backward_hook as register_module_full_backward_hook
from .module_hooks import register_module_full_backward_pre_hook as register_module_full_backward_pre_hook
from .module_hooks import register_module_module_registration_hook as register_module_module_registration_hook
from .module_hooks import register_module_parameter_registration_hook as register_module_parameter_registration_hook
from .module_state import _EXTRA_STATE_KEY_SUFFIX as _EXTRA_STATE_KEY_SUFFIX
from .module_state import Saved, named
from .module_state import _IncompatibleKeys as _IncompatibleKeys
from .parameter import Parameter

_EMPTY: Any = MappingProxyType({})
_set = object.__setattr__


def _addindent(text: str, spaces: int) -> str:
    return text.replace("\n", "\n" + " " * spaces)


class Module(Hooked, Saved, Converted):
    """A block of a network (``torch.nn.Module``): what is set as an attribute is registered, and forward is yours to write.

    >>> import kuai as torch
    >>> class Scale(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = torch.nn.Parameter(torch.tensor(2.))
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> net = Scale()
    >>> net(torch.ones(2))
    tensor([2., 2.], grad_fn=<MulBackward0>)
    >>> [name for name, p in net.named_parameters()]
    ['factor']
    """

    training: bool
    call_super_init = False
    # Before __init__ there is nothing registered, and nothing can be.
    _parameters: dict[str, Parameter | None] = _EMPTY
    _buffers: dict[str, Tensor | None] = _EMPTY
    _modules: dict[str, Module | None] = _EMPTY
    _non_persistent_buffers_set: set[str]

    def __init__(self, *args: object, **kwargs: object) -> None:
        if (args or kwargs) and not self.call_super_init:
            got = f"an unexpected keyword argument '{next(iter(kwargs))}'" if kwargs else f"{len(args)} arguments too many"
            raise TypeError(f"{type(self).__name__}.__init__() got {got}")
        _set(self, "training", True)
        _set(self, "_parameters", {})
        _set(self, "_buffers", {})
        _set(self, "_non_persistent_buffers_set", set())
        _set(self, "_modules", {})
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def forward(self, *input: Any, **kwargs: Any) -> Any:
        """What the module computes; every module defines it.

        >>> import kuai as torch
        >>> class Double(torch.nn.Module): forward = lambda self, x: x * 2
        >>> Double()(3)
        6
        """
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if self._hooked:
                return call_with_hooks(self, args, kwargs)
            if kwargs or len(args) != 1:
                return self.forward(*args, **kwargs)
            return self.forward(args[0])  # the usual call, a fifth shorter
        except Exception as error:
            add_path(error, self)
            raise

    # ---- attributes --------------------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        if name in self._parameters:
            return self._parameters[name]
        if name in self._modules:
            return self._modules[name]
        if name in self._buffers:
            return self._buffers[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'", name=name, obj=self)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self._forget(name, self._parameters)
            self.register_parameter(name, value)
        elif name in self._parameters:
            self._set_none(name, value, self._parameters, "parameter '{}' (torch.nn.Parameter or None expected)")
        elif isinstance(value, Module):
            self._forget(name, self._modules)
            self._started("module")
            self._modules[name] = registered("module", self, name, value)
        elif name in self._modules:
            self._set_none(name, value, self._modules, "child module '{}' (torch.nn.Module or None expected)")
        elif name in self._buffers or (isinstance(value, Tensor) and getattr(value, "_is_buffer", False)):
            self._set_buffer(name, value)
        else:
            if isinstance(value, (list, tuple, dict)):
                unregistered.note(self, name, value)
            _set(self, name, value)

    def _set_none(self, name: str, value: object, table: dict, what: str) -> None:
        if value is not None:
            raise TypeError(f"cannot assign '{typename(value)}' as {what.format(name)}")
        table[name] = None

    def _set_buffer(self, name: str, value: object) -> None:
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(f"cannot assign '{typename(value)}' as buffer '{name}' (torch.Tensor or None expected)")
        if getattr(value, "_is_buffer", False):
            self.register_buffer(name, value, value.persistent)  # type: ignore[union-attr]
        else:
            self._buffers[name] = registered("buffer", self, name, value)

    def _forget(self, name: str, kept: dict) -> None:
        """Take a name from wherever it is registered, except in one table."""
        for table in (self.__dict__, self._parameters, self._buffers, self._modules):
            if table is not kept and name in table:
                del table[name]
        if kept is not self._buffers and self._buffers is not _EMPTY:
            self._non_persistent_buffers_set.discard(name)

    def __delattr__(self, name: str) -> None:
        for table in (self._parameters, self._buffers, self._modules):
            if name in table:
                del table[name]
                self._non_persistent_buffers_set.discard(name)
                return
        super().__delattr__(name)

    def __dir__(self) -> list[str]:
        names = chain(dir(type(self)), self.__dict__, self._parameters, self._modules, self._buffers)
        return sorted({n for n in names if isinstance(n, str) and not n[:1].isdigit()})

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        for name in self._attributes_there:
            self.__dict__.pop(name, None)
        self._look_for_hooks()

    # ---- registration ------------------------------------------------------------------------------------------------

    def _started(self, kind: str) -> None:
        if self._modules is _EMPTY:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call")

    def _check_name(self, kind: str, name: object, table: dict) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {typename(name)}")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain "."' + (f", got: {name}" if kind == "module" else ""))
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if name not in table and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Register a parameter under a name; None holds the place of one that is not there.

        >>> import kuai as torch
        >>> m = torch.nn.Module()
        >>> m.register_parameter("bias", None); m.bias is None
        True
        """
        self._started("parameter")
        self._check_name("parameter", name, self._parameters)
        if param is None:
            self._parameters[name] = None
            return
        if not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{typename(param)}' object to parameter '{name}' (torch.nn.Parameter or None required)"
            )
        if not param.is_leaf:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created explicitly. To express "
                f"'{name}' as a function of another Tensor, compute the value in the forward() method."
            )
        self._parameters[name] = registered("parameter", self, name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Register a tensor that is not trained; ``persistent=False`` keeps it out of the state_dict.

        >>> import kuai as torch
        >>> m = torch.nn.Module()
        >>> m.register_buffer("mean", torch.zeros(2)); m.mean
        tensor([0., 0.])
        """
        self._started("buffer")
        self._check_name("buffer", name, self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"cannot assign '{typename(tensor)}' object to buffer '{name}' (torch Tensor or None required)")
        self._buffers[name] = registered("buffer", self, name, tensor)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Register a module under a name, which may be any string without a dot.

        >>> import kuai as torch
        >>> net = torch.nn.Sequential()
        >>> net.add_module("block 0", torch.nn.Identity()); net
        Sequential(
          (block 0): Identity()
        )
        """
        if not isinstance(module, Module) and module is not None:
            raise TypeError(f"{typename(module)} is not a Module subclass")
        self._started("module")
        self._check_name("module", name, self._modules)
        self._modules[name] = registered("module", self, name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """The same as add_module.

        >>> import kuai as torch
        >>> net = torch.nn.Module()
        >>> net.register_module("layer", torch.nn.ReLU())
        >>> net
        Module(
          (layer): ReLU()
        )
        """
        self.add_module(name, module)

    # ---- finding by name ---------------------------------------------------------------------------------------------

    def get_submodule(self, target: str) -> Module:
        """The module at a path such as ``"net.0"``; the module itself for ``""``.

        >>> import kuai as torch
        >>> torch.nn.Sequential(torch.nn.Identity()).get_submodule("0")
        Identity()
        """
        module: Any = self
        for name in target.split(".") if target else ():
            found = getattr(module, name, None)
            found = dict(named(module._modules)).get(name) if found is None else found
            if found is None:
                raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
            if not isinstance(found, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
            module = found
        return module

    def _get_member(self, target: str) -> tuple[Module, str, object]:
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if not hasattr(owner, name):
            raise AttributeError(f"{owner._get_name()} has no attribute `{name}`")
        return owner, name, getattr(owner, name)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path such as ``"net.0.weight"``.

        >>> import kuai as torch
        >>> torch.nn.Sequential(torch.nn.Linear(1, 2)).get_parameter("0.weight").shape
        torch.Size([2, 1])
        """
        _, name, found = self._get_member(target)
        if not isinstance(found, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a path such as ``"norm.running_mean"``.

        >>> import kuai as torch
        >>> torch.nn.BatchNorm1d(2).get_buffer("running_mean")
        tensor([0., 0.])
        """
        owner, name, found = self._get_member(target)
        if name not in owner._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return found  # type: ignore[return-value]

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module at a path; with strict there must be one already.

        >>> import kuai as torch
        >>> net = torch.nn.Sequential(torch.nn.Identity())
        >>> net.set_submodule("0", torch.nn.Sequential()); net[0]
        Sequential()
        """
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if strict and not hasattr(owner, name):
            raise AttributeError(f"{owner._get_name()} has no attribute `{name}`")
        if not isinstance(getattr(owner, name, module), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(owner, name, module)

    # ---- walking -----------------------------------------------------------------------------------------------------

    def named_modules(self, memo: set[Module] | None = None, prefix: str = "",
                      remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:  # fmt: skip
        """This module and all inside it, each with its path; one that is there twice comes once.

        >>> import kuai as torch
        >>> [name for name, m in torch.nn.Sequential(torch.nn.Identity()).named_modules()]
        ['', '0']
        """
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in named(self._modules):
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all inside it.

        >>> import kuai as torch
        >>> len(list(torch.nn.Sequential(torch.nn.ReLU()).modules()))
        2
        """
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules right inside this one, with their names.

        >>> import kuai as torch
        >>> list(torch.nn.Sequential(torch.nn.ReLU()).named_children())
        [('0', ReLU())]
        """
        seen = set()
        for name, module in named(self._modules):
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules right inside this one.

        >>> import kuai as torch
        >>> list(torch.nn.Sequential(torch.nn.ReLU()).children())
        [ReLU()]
        """
        for _, module in self.named_children():
            yield module

    def _named_members(self, get_members_fn: Callable[[Module], Iterable], prefix: str = "", recurse: bool = True,
                       remove_duplicate: bool = True) -> Iterator[tuple[str, Any]]:  # fmt: skip
        unregistered.check(self)
        seen = set()
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, member in get_members_fn(module):
                if member is None or member in seen:
                    continue
                if remove_duplicate:
                    seen.add(member)
                yield (f"{path}.{name}" if path else name), member

    def named_parameters(self, prefix: str = "", recurse: bool = True,
                         remove_duplicate: bool = True) -> Iterator[tuple[str, Any]]:  # fmt: skip
        """The parameters with their paths; a tied one comes once.

        >>> import kuai as torch
        >>> m = torch.nn.Module(); m.weight = torch.nn.Parameter(torch.ones(1))
        >>> [name for name, p in m.named_parameters(prefix="layer")]
        ['layer.weight']
        """
        return self._named_members(lambda m: m._parameters.items(), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Any]:
        """The parameters, as optimizers take them.

        >>> import kuai as torch
        >>> [p.shape for p in torch.nn.Linear(2, 1).parameters()]
        [torch.Size([1, 2]), torch.Size([1])]
        """
        for _, param in self.named_parameters(recurse=recurse):
            yield param

    def named_buffers(self, prefix: str = "", recurse: bool = True,
                      remove_duplicate: bool = True) -> Iterator[tuple[str, Any]]:  # fmt: skip
        """The buffers with their paths.

        >>> import kuai as torch
        >>> [name for name, b in torch.nn.BatchNorm1d(2).named_buffers()]
        ['running_mean', 'running_var', 'num_batches_tracked']
        """
        return self._named_members(lambda m: m._buffers.items(), prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Any]:
        """The buffers.

        >>> import kuai as torch
        >>> len(list(torch.nn.BatchNorm1d(2).buffers()))
        3
        """
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def apply(self, fn: Callable[[Module], object]) -> Module:
        """Call a function with every module inside this one, and with this one last.

        >>> import kuai as torch
        >>> net = torch.nn.Sequential(torch.nn.Identity()).apply(lambda m: print(type(m).__name__))
        Identity
        Sequential
        """
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # ---- mode --------------------------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Module:
        """Set training mode, here and in all modules inside.

        >>> import kuai as torch
        >>> torch.nn.Dropout().train(False).training
        False
        """
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Module:
        """Set evaluation mode: no dropout, the running statistics of norms.

        >>> import kuai as torch
        >>> torch.nn.Dropout().eval()(torch.ones(2))
        tensor([1., 1.])
        """
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """Whether the parameters collect gradients: ``requires_grad_(False)`` freezes them.

        >>> import kuai as torch
        >>> torch.nn.Linear(1, 1).requires_grad_(False).weight.requires_grad
        False
        """
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or set them to zero.

        >>> import kuai as torch
        >>> m = torch.nn.Linear(1, 1); m(torch.ones(1)).backward()
        >>> m.zero_grad(); m.weight.grad is None
        True
        """
        for param in self.parameters():
            if param._grad is None:
                continue
            if set_to_none:
                param._grad = None
            else:
                param._grad = param._grad.detach()
                param._grad.zero_()

    def compile(self, *args: object, **kwargs: object) -> Module:
        """The module itself: what is run often is compiled without being asked.

        >>> import kuai as torch
        >>> torch.nn.ReLU().compile()
        ReLU()
        """
        return self

    # ---- printing ----------------------------------------------------------------------------------------------------

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What the printed form says between the parentheses; for layers to define.

        >>> import kuai as torch
        >>> torch.nn.Linear(2, 1).extra_repr()
        'in_features=2, out_features=1, bias=True'
        """
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        children = [f"({name}): {_addindent(repr(m), 2)}" for name, m in named(self._modules)]
        lines = [*(extra.split("\n") if extra else ()), *children]
        if not children and len(lines) < 2:
            return f"{self._get_name()}({extra})"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"
