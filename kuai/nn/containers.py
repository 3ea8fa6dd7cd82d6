"""Modules that hold modules or parameters: in order, by index or by name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from itertools import chain, groupby
from operator import index as as_index
from typing import Any

from ..tensor import Tensor
from .module import Module, _addindent
from .parameter import Parameter


def _place(i: Any, n: int) -> int:
    """A place among n, which may be counted from the end."""
    i = as_index(i)
    if not -n <= i < n:
        raise IndexError(f"index {i} is out of range")
    return i % n


def _pairs(name: str, entries: Any) -> Iterator[tuple[Any, Any]]:
    """The pairs of a sequence, checked."""
    for i, entry in enumerate(entries):
        if not isinstance(entry, Iterable):
            raise TypeError(f"{name} update sequence element #{i} should be Iterable; is {type(entry).__name__}")
        if len(entry) != 2:  # type: ignore[arg-type]
            raise ValueError(f"{name} update sequence element #{i} has length {len(entry)}; 2 is required")  # type: ignore[arg-type]
        yield entry  # type: ignore[misc]


def _need_iterable(name: str, values: object, what: str = "an iterable") -> None:
    if not isinstance(values, Iterable) or (isinstance(values, Module) and not hasattr(values, "__iter__")):
        raise TypeError(f"{name} should be called with {what}, but got {type(values).__name__}")


class _Ordered(Module):
    """What Sequential and ModuleList have in common: modules in order, named by their places."""

    def _key(self, i: Any) -> Any:
        return list(self._modules)[_place(i, len(self))]

    def _renumber(self, modules: Iterable[Module | None]) -> None:
        """Hold these modules, under new numbers."""
        kept = list(modules)
        self._modules.clear()
        self._modules.update((str(i), m) for i, m in enumerate(kept))

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, slice):
            return self._slice(idx)
        return self._modules[self._key(idx)]

    def _slice(self, idx: slice) -> Any:
        raise NotImplementedError

    def __setitem__(self, idx: Any, module: Module) -> None:
        setattr(self, self._key(idx), module)

    def __delitem__(self, idx: Any) -> None:
        keys = list(self._modules)
        for key in keys[idx] if isinstance(idx, slice) else [self._key(idx)]:
            del self._modules[key]
        self._renumber(self._modules.values())

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def append(self, module: Module | None) -> Any:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def pop(self, key: Any) -> Any:
        """Take out a module, or a slice of them."""
        found = self[key]
        del self[key]
        return found


class Sequential(_Ordered):
    """Modules called one after another, each with the result of the one before (``torch.nn.Sequential``).

    >>> import kuai as torch
    >>> net = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Identity())
    >>> net(torch.ones(2))
    tensor([1., 1.])
    >>> len(net), net[-1]
    (2, Identity())
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = args[0].items() if len(args) == 1 and isinstance(args[0], OrderedDict) else enumerate(args)
        for name, module in named:
            self.add_module(name if isinstance(name, str) else str(name), module)

    def forward(self, input: Any) -> Any:
        """Call the modules in their order."""
        for module in self._modules.values():
            input = module(input)  # type: ignore[misc]
        return input

    def _slice(self, idx: slice) -> Sequential:
        return type(self)(OrderedDict(list(self._modules.items())[idx]))

    def insert(self, index: int, module: Module) -> Sequential:
        """Put a module before the one at an index; those after it get new numbers.

        >>> import kuai as torch
        >>> torch.nn.Sequential(torch.nn.ReLU()).insert(0, torch.nn.Tanh())
        Sequential(
          (0): Tanh()
          (1): ReLU()
        )
        """
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        n = len(self)
        if not -n <= index <= n:
            raise IndexError(f"Index out of range: {index}")
        held = list(self._modules.values())
        held.insert(index, module)
        self._renumber(held)
        return self

    def extend(self, sequential: Iterable[Module]) -> Sequential:
        """Add modules at the end."""
        for module in list(sequential):
            self.append(module)
        return self

    def __add__(self, other: Any) -> Sequential:
        _need_sequential(other)
        return Sequential(*chain(self, other))

    def __iadd__(self, other: Any) -> Sequential:
        _need_sequential(other)
        return self.extend(other)

    def __mul__(self, other: int) -> Sequential:
        _need_factor(self, other)
        return Sequential(*(m for _ in range(other) for m in self))

    __rmul__ = __mul__

    def __imul__(self, other: int) -> Sequential:
        _need_factor(self, other)
        held = list(self)
        for _ in range(other - 1):
            self.extend(held)
        return self


def _need_sequential(other: object) -> None:
    if not isinstance(other, Sequential):
        raise ValueError(f"add operator supports only objects of Sequential class, but {type(other)} is given.")


def _need_factor(self: Sequential, other: object) -> None:
    if not isinstance(other, int):
        raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(other)}")
    if other <= 0:
        raise ValueError(f"Non-positive multiplication factor {other} for {type(self)}")


class ModuleList(_Ordered):
    """A list whose modules are registered (``torch.nn.ModuleList``).

    >>> import kuai as torch
    >>> torch.nn.ModuleList([torch.nn.Identity() for _ in range(3)])
    ModuleList(
      (0-2): 3 x Identity()
    )
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self += modules

    def _slice(self, idx: slice) -> ModuleList:
        return type(self)(list(self)[idx])

    def insert(self, index: int, module: Module) -> None:
        """Put a module before the one at an index."""
        held = list(self)
        held.insert(index, module)
        self.append(module)  # checks it
        self._renumber(held)

    def extend(self, modules: Iterable[Module]) -> ModuleList:
        """Add modules at the end."""
        _need_iterable("ModuleList.extend", modules)
        for module in list(modules):
            self.append(module)
        return self

    def __iadd__(self, modules: Iterable[Module]) -> ModuleList:
        return self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList(chain(self, other))

    def __repr__(self) -> str:
        """Equal neighbours on one line."""
        lines, start = [], 0
        for text, group in groupby(map(repr, self)):
            n = len(list(group))
            place, times = (f"{start}", "") if n == 1 else (f"{start}-{start + n - 1}", f"{n} x ")
            lines.append(f"({place}): {times}{_addindent(text, 2)}")
            start += n
        name = self._get_name()
        return f"{name}(\n  " + "\n  ".join(lines) + "\n)" if lines else f"{name}()"


class ModuleDict(Module):
    """A dictionary whose modules are registered (``torch.nn.ModuleDict``).

    >>> import kuai as torch
    >>> choices = torch.nn.ModuleDict({"same": torch.nn.Identity()})
    >>> choices["same"](torch.ones(1))
    tensor([1.])
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Remove all modules."""
        self._modules.clear()

    def pop(self, key: str) -> Any:
        """Take out a module."""
        return self._modules.pop(key)

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._modules.keys()

    def items(self) -> ItemsView[str, Any]:
        """The pairs of name and module."""
        return self._modules.items()

    def values(self) -> ValuesView[Any]:
        """The modules."""
        return self._modules.values()

    def update(self, modules: Any) -> None:
        """Add the modules of a mapping, or of pairs.

        >>> import kuai as torch
        >>> layers = torch.nn.ModuleDict(); layers.update({"a": torch.nn.ReLU()}); list(layers.items())
        [('a', ReLU())]
        """
        _need_iterable("ModuleDict.update", modules, "an iterable of key/value pairs")
        keyed = isinstance(modules, (Mapping, ModuleDict))
        for key, module in modules.items() if keyed else _pairs("ModuleDict", modules):
            self[key] = module


def _as_parameter(value: Any) -> Any:
    return Parameter(value) if isinstance(value, Tensor) and not isinstance(value, Parameter) else value


def _line(name: object, value: Any, kind: str) -> str:
    if not isinstance(value, Tensor):
        return f"  ({name}): Object of type: {type(value).__name__}"
    size = "x".join(map(str, value.shape))
    where = f" ({'GPU' if value.device.type == 'cuda' else value.device.type} {value.get_device()})"
    what = "Parameter" if isinstance(value, Parameter) else "Tensor"
    return f"  ({name}): {what} containing: [{kind} of size {size}{where if value.device.type == 'cuda' else ''}]"


class ParameterList(Module):
    """A list whose tensors are registered as parameters (``torch.nn.ParameterList``).

    >>> import kuai as torch
    >>> torch.nn.ParameterList([torch.ones(2), torch.ones(2, 3)])
    ParameterList(
        (0): Parameter containing: [torch.float32 of size 2]
        (1): Parameter containing: [torch.float32 of size 2x3]
    )
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self += values

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, slice):
            return type(self)(list(self)[idx])
        return getattr(self, str(_place(idx, len(self))))

    def __setitem__(self, idx: int, param: Any) -> None:
        setattr(self, str(_place(idx, len(self))), _as_parameter(param))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return iter([self[i] for i in range(len(self))])

    def __iadd__(self, parameters: Iterable[Any]) -> ParameterList:
        return self.extend(parameters)

    def append(self, value: Any) -> ParameterList:
        """Add a value at the end; a tensor becomes a parameter."""
        setattr(self, str(self._size), _as_parameter(value))
        self._size += 1
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Add values at the end."""
        _need_iterable("ParameterList.extend", values)
        for value in list(values):
            self.append(value)
        return self

    def extra_repr(self) -> str:
        """A line for each value."""
        return "\n".join(_line(i, v, str(getattr(v, "dtype", ""))) for i, v in enumerate(self))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("ParameterList should not be called.")


class ParameterDict(Module):
    """A dictionary whose tensors are registered as parameters (``torch.nn.ParameterDict``).

    >>> import kuai as torch
    >>> torch.nn.ParameterDict({"scale": torch.ones(2), "shift": torch.zeros(1, 2)})
    ParameterDict(
        (scale): Parameter containing: [torch.FloatTensor of size 2]
        (shift): Parameter containing: [torch.FloatTensor of size 1x2]
    )
    """

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    def _key_to_attr(self, key: Any) -> str:
        if not isinstance(key, str):
            raise TypeError(
                "Index given to ParameterDict cannot be used as a key as it is not a string (type is "
                f"'{type(key).__name__}'). Use a string."
            )
        return key

    def __getitem__(self, key: str) -> Any:
        return getattr(self, self._key_to_attr(key))

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self, self._key_to_attr(key), _as_parameter(value))
        self._keys[key] = None

    def __delitem__(self, key: str) -> None:
        del self._keys[key]
        delattr(self, self._key_to_attr(key))

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def copy(self) -> ParameterDict:
        """Another ParameterDict with the same values."""
        return ParameterDict(OrderedDict(self.items()))

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of a key, set to the default if there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def clear(self) -> None:
        """Remove all values."""
        for key in list(self._keys):
            del self[key]

    def pop(self, key: str) -> Any:
        """Take out a value."""
        found = self[key]
        del self[key]
        return found

    def popitem(self) -> tuple[str, Any]:
        """Take out the last pair."""
        key = next(reversed(self))
        return key, self.pop(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or the default."""
        return self[key] if key in self._keys else default

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """A new ParameterDict with one value under all keys."""
        return ParameterDict((k, default) for k in keys)

    def keys(self) -> KeysView[str]:
        """The keys."""
        return self._keys.keys()

    def items(self) -> Iterable[tuple[str, Any]]:
        """The pairs of key and value."""
        return ((k, self[k]) for k in self._keys)

    def values(self) -> Iterable[Any]:
        """The values."""
        return (self[k] for k in self._keys)

    def update(self, parameters: Any) -> None:
        """Add the values of a mapping, or of pairs; those of a plain dictionary in the order of their keys.

        >>> import kuai as torch
        >>> held = torch.nn.ParameterDict(); held.update({"b": torch.ones(1), "a": torch.ones(1)}); list(held)
        ['a', 'b']
        """
        _need_iterable("ParameterDict.update", parameters, "an iterable of key/value pairs")
        if isinstance(parameters, (OrderedDict, ParameterDict)):
            entries: Iterable = list(parameters.items())
        elif isinstance(parameters, Mapping):
            entries = sorted(parameters.items())
        else:
            entries = _pairs("ParameterDict", parameters)
        for key, value in entries:
            self[key] = value

    def extra_repr(self) -> str:
        """A line for each value."""
        return "\n".join(_line(k, v, v.type() if isinstance(v, Tensor) else "") for k, v in self.items())

    def __call__(self, input: Any) -> Any:
        raise RuntimeError("ParameterDict should not be called.")

    def __or__(self, other: Any) -> ParameterDict:
        made = self.copy()
        made.update(other)
        return made

    def __ror__(self, other: Any) -> ParameterDict:
        made = ParameterDict(other)
        made.update(self)
        return made

    def __ior__(self, other: Any) -> ParameterDict:
        self.update(other)
        return self
