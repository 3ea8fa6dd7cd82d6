"""PyTorch's older package of functions of functions (``functorch``): `kuai.func`, and modules as functions of their parameters.

>>> import kuai as torch
>>> from kuai.functorch import make_functional
>>> call, params = make_functional(torch.nn.Linear(2, 1))
>>> call(tuple(torch.ones_like(p) for p in params), torch.ones(2))
tensor([3.])
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from .func import functional_call, stack_module_state
from .func import functionalize as functionalize
from .func import grad as grad
from .func import grad_and_value as grad_and_value
from .func import hessian as hessian
from .func import jacfwd as jacfwd
from .func import jacrev as jacrev
from .func import jvp as jvp
from .func import vjp as vjp
from .func import vmap as vmap
from .nn import Module
from .tensor import Tensor
from .wont import refusing

__getattr__ = refusing(__name__)


class FunctionalModuleWithBuffers(Module):
    """A module as a function of its parameters, its buffers and its inputs."""

    def __init__(self, stateless_model: Module, param_names: tuple[str, ...], buffer_names: tuple[str, ...]):
        super().__init__()
        self.stateless_model, self.param_names, self.buffer_names = stateless_model, param_names, buffer_names

    def forward(self, params: Sequence[Tensor], buffers: Sequence[Tensor], *args: Any, **kwargs: Any) -> Any:
        given = dict(zip((*self.param_names, *self.buffer_names), (*params, *buffers)))
        return functional_call(self.stateless_model, given, args, kwargs)


class FunctionalModule(FunctionalModuleWithBuffers):
    """A module without buffers as a function of its parameters and its inputs."""

    def forward(self, params: Sequence[Tensor], *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        return super().forward(params, (), *args, **kwargs)


def _apart(model: Module, detached: bool) -> tuple[Module, dict[str, Tensor], dict[str, Tensor]]:
    """A copy without values, and the values of parameters and buffers by name."""
    params = {n: p.detach().clone().requires_grad_(p.requires_grad and not detached) for n, p in model.named_parameters()}
    buffers = {n: b.detach().clone() for n, b in model.named_buffers()}
    return copy.deepcopy(model).to("meta"), params, buffers


def make_functional(model: Module, disable_autograd_tracking: bool = False) -> tuple[FunctionalModule, tuple[Tensor, ...]]:
    """A function of a module's parameters and inputs, and its parameters (``functorch.make_functional``).

    RuntimeError for a module with buffers: `make_functional_with_buffers` takes them.
    """
    if any(True for _ in model.buffers()):
        raise RuntimeError("make_functional(model): `model` has buffers. Please use make_functional_with_buffers(model) instead.")
    bare, params, _ = _apart(model, disable_autograd_tracking)
    return FunctionalModule(bare, tuple(params), ()), tuple(params.values())


def make_functional_with_buffers(model: Module, disable_autograd_tracking: bool = False) -> tuple[Module, tuple, tuple]:
    """A function of a module's parameters, buffers and inputs, and those (``functorch.make_functional_with_buffers``).

    >>> import kuai as torch
    >>> from kuai.functorch import make_functional_with_buffers
    >>> call, params, buffers = make_functional_with_buffers(torch.nn.BatchNorm1d(2))
    >>> len(params), len(buffers)
    (2, 3)
    """
    bare, params, buffers = _apart(model, disable_autograd_tracking)
    return FunctionalModuleWithBuffers(bare, tuple(params), tuple(buffers)), tuple(params.values()), tuple(buffers.values())


def combine_state_for_ensemble(models: Sequence[Module]) -> tuple[Callable, tuple, tuple]:
    """One function for modules of one architecture, and their parameters and buffers stacked (``functorch.combine_state_for_ensemble``).

    >>> import kuai as torch
    >>> from kuai.functorch import combine_state_for_ensemble
    >>> call, params, buffers = combine_state_for_ensemble([torch.nn.Linear(2, 1) for _ in range(3)])
    >>> torch.vmap(call, (0, 0, None))(params, buffers, torch.ones(2)).shape
    torch.Size([3, 1])
    """
    if not models:
        raise RuntimeError("combine_state_for_ensemble: Expected at least one model, got 0.")
    if len({(type(m), m.training) for m in models}) > 1:
        raise RuntimeError("combine_state_for_ensemble: Expected all models to be of the same class and in one mode.")
    params, buffers = stack_module_state(list(models))
    bare = copy.deepcopy(models[0]).to("meta")
    return FunctionalModuleWithBuffers(bare, tuple(params), tuple(buffers)), tuple(params.values()), tuple(buffers.values())


def make_fx(f: Callable, **options: object) -> Callable:
    """NotImplementedError: nothing traces below the public functions; `kuai.fx.symbolic_trace` traces those."""
    raise NotImplementedError("make_fx: kuai has no graphs of PyTorch's inner operators; torch.fx.symbolic_trace gives a graph of calls")
