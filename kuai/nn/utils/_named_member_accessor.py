"""Tensors of a module by name, read and exchanged (``torch.nn.utils._named_member_accessor``)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...tensor import Tensor
from ..module import Module

_MISSING: Any = object()


def set_tensor(module: Module, name: str, tensor: Tensor) -> None:
    """Put a tensor in the place of a parameter or buffer, or make it an attribute; nothing is registered."""
    swap_tensor(module, name, tensor, allow_missing=True)


def swap_tensor(module: Module, name: str, tensor: Tensor, allow_missing: bool = False) -> Tensor:
    """Put a tensor in the place of a parameter, buffer or attribute, and give what was there.

    KeyError for a name with a dot or none; AttributeError if nothing is there, unless that is allowed.

    >>> import kuai as torch
    >>> from kuai.nn.utils._named_member_accessor import swap_tensor
    >>> layer = torch.nn.Linear(2, 1, bias=False)
    >>> before = swap_tensor(layer, "weight", torch.ones(1, 2))
    >>> layer(torch.ones(2)), isinstance(before, torch.nn.Parameter)
    (tensor([2.]), True)
    """
    if not isinstance(module, Module):
        raise TypeError(f"{module} is not an instance of torch.nn.Module")
    if not name or "." in name:
        raise KeyError(f"tensor name can't {'contain a dot' if name else 'be empty string'}, got: {name!r}")
    tables: list[Any] = [module._parameters, module._buffers]
    table = next((t for t in tables if name in t), module.__dict__)
    before: Any = table.get(name, _MISSING)
    if before is _MISSING and not allow_missing:
        raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
    if tensor is _MISSING:
        del table[name]
    else:
        table[name] = tensor
    return before


class NamedMemberAccessor:
    """The modules and tensors inside a module by their paths.

    >>> import kuai as torch
    >>> from kuai.nn.utils._named_member_accessor import NamedMemberAccessor
    >>> inside = NamedMemberAccessor(torch.nn.Sequential(torch.nn.Linear(2, 1)))
    >>> inside.get_tensor("0.weight").shape
    torch.Size([1, 2])
    """

    def __init__(self, module: Module):
        self.module = module

    def get_submodule(self, name: str) -> Module:
        """A module by its path."""
        return self.module.get_submodule(name)

    def _place(self, path: str) -> tuple[Module, str]:
        prefix, _, name = path.rpartition(".")
        return self.get_submodule(prefix), name

    def get_tensor(self, name: str) -> Any:
        """A tensor by its path."""
        module, last = self._place(name)
        return getattr(module, last)

    def set_tensor(self, name: str, value: Tensor) -> None:
        """Put a tensor at a path."""
        set_tensor(*self._place(name), value)

    def del_tensor(self, name: str) -> None:
        """Take the tensor at a path away."""
        module, last = self._place(name)
        delattr(module, last)

    def swap_tensor(self, name: str, value: Tensor, allow_missing: bool = False) -> Tensor:
        """Exchange the tensor at a path."""
        return swap_tensor(*self._place(name), value, allow_missing)

    def set_tensors_dict(self, named_tensors: dict[str, Tensor]) -> None:
        """Put tensors at their paths."""
        for name, value in named_tensors.items():
            self.set_tensor(name, value)

    def swap_tensors_dict(self, named_tensors: dict[str, Tensor], allow_missing: bool = False) -> tuple[dict, list[str]]:
        """Exchange tensors at their paths; gives what was there, and the paths where nothing was."""
        before: dict = {}
        try:
            for name, value in named_tensors.items():
                before[name] = self.swap_tensor(name, value, allow_missing)
        except Exception as error:
            for name, value in before.items():
                self.swap_tensor(name, value, allow_missing=True)
            raise RuntimeError(f"Failed to swap tensors: {error}") from error
        return before, [n for n, value in before.items() if value is _MISSING]

    def check_keys(self, keys: Iterable[str]) -> tuple[list[str], list[str]]:
        """The paths of tensors that are not among the keys, and the keys at which none is."""
        wanted, there = set(keys), {n for n, _ in self.named_tensors()}
        return sorted(there - wanted), sorted(wanted - there)

    def named_parameters(self, remove_duplicate: bool = True) -> Iterable[tuple[str, Tensor]]:
        """The parameters with their paths."""
        return self.module.named_parameters(remove_duplicate=remove_duplicate)

    def named_buffers(self, remove_duplicate: bool = True) -> Iterable[tuple[str, Tensor]]:
        """The buffers with their paths."""
        return self.module.named_buffers(remove_duplicate=remove_duplicate)

    def named_tensors(self, remove_duplicate: bool = True) -> Iterable[tuple[str, Tensor]]:
        """Parameters and buffers with their paths."""
        yield from self.named_parameters(remove_duplicate)
        yield from self.named_buffers(remove_duplicate)
