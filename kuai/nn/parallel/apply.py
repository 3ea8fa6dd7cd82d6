"""Copies of a module on several devices, and calling them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...tensor import Tensor
from ..module import Module
from .scattering import place


def replicate(network: Module, devices: Sequence, detach: bool = False) -> list[Module]:
    """Copies of a module, one a device, whose gradients reach the original (``torch.nn.parallel.replicate``).

    >>> import kuai as torch
    >>> layer = torch.nn.Linear(2, 1)
    >>> first, second = torch.nn.parallel.replicate(layer, ["cpu", "cpu"])
    >>> second(torch.ones(1, 2)).sum().backward()
    >>> layer.bias.grad
    tensor([1.])
    """
    return [_copy(network, place(device), detach, {}) for device in devices]


def _copy(module: Module, device: Any, detach: bool, made: dict[int, Module]) -> Module:
    if id(module) in made:
        return made[id(module)]
    copy = made[id(module)] = _shallow(module)
    for name, child in module._modules.items():
        copy._modules[name] = None if child is None else _copy(child, device, detach, made)
    for name, tensor in (*module._parameters.items(), *module._buffers.items()):
        # A plain attribute: the copy is not trained, what it is made of is.
        copy.__dict__[name] = None if tensor is None else _moved(tensor, device, detach)
    return copy


def _shallow(module: Module) -> Module:
    copy = type(module).__new__(type(module))
    own: dict[str, Any] = {"_parameters": {}, "_buffers": {}, "_modules": dict(module._modules)}
    copy.__dict__.update(module.__dict__, **own)
    return copy


def _moved(tensor: Tensor, device: Any, detach: bool) -> Tensor:
    return (tensor.detach() if detach else tensor.view_as(tensor)).to(device)


def parallel_apply(modules: Sequence, inputs: Sequence, kwargs_tup: Sequence[dict] | None = None,
                   devices: Sequence | None = None) -> list:  # fmt: skip
    """Call each module on its inputs (``torch.nn.parallel.parallel_apply``); calls only record, so devices run together.

    >>> import kuai as torch
    >>> torch.nn.parallel.parallel_apply([torch.nn.ReLU(), torch.nn.Tanh()], [torch.tensor(-1.), torch.tensor(0.)])
    [tensor(0.), tensor(0.)]
    """
    if len(modules) != len(inputs):
        raise AssertionError(f"The number of modules {len(modules)} is not equal to the number of inputs {len(inputs)}")
    named = kwargs_tup or [{}] * len(modules)
    return [
        module(*(given if isinstance(given, (list, tuple)) else (given,)), **kwargs)
        for module, given, kwargs in zip(modules, inputs, named)
    ]
