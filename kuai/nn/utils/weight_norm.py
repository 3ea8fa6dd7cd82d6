"""A weight as a length times a direction: the older form, with a hook before the call."""

from __future__ import annotations

import warnings
from typing import Any

from ...ops.norms import vector_norm
from ...tensor import Tensor
from ..parameter import Parameter


def norm_except_dim(v: Tensor, dim: int | None) -> Tensor:
    """The norms of the slices of one dimension, or (None) of the whole, in a shape that broadcasts."""
    if dim is None or dim == -1:
        return vector_norm(v)
    others = tuple(i for i in range(len(v.shape)) if i != dim % len(v.shape))
    return vector_norm(v, 2, others, True) if others else v.abs()


def scaled_direction(v: Any, g: Any, dim: int | None) -> Any:
    """The weight that has the lengths g and the direction of v."""
    return v * (g / norm_except_dim(v, dim))


class WeightNorm:
    """The hook that computes a weight from ``weight_g`` and ``weight_v`` before each call."""

    def __init__(self, name: str, dim: int | None):
        self.name, self.dim = name, dim

    def compute_weight(self, module: Any) -> Tensor:
        """The weight."""
        return scaled_direction(getattr(module, f"{self.name}_v"), getattr(module, f"{self.name}_g"), self.dim)

    def __call__(self, module: Any, inputs: object) -> None:
        setattr(module, self.name, self.compute_weight(module))


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Learn a weight as a length and a direction (``torch.nn.utils.weight_norm``; use the one in parametrizations).

    >>> import kuai as torch, warnings
    >>> with warnings.catch_warnings(action="ignore"):
    ...     m = torch.nn.utils.weight_norm(torch.nn.Linear(2, 3))
    >>> sorted(m.state_dict()), sorted(torch.nn.utils.remove_weight_norm(m).state_dict())
    (['bias', 'weight_g', 'weight_v'], ['bias', 'weight'])
    """
    warnings.warn(
        "`torch.nn.utils.weight_norm` is deprecated in favor of `torch.nn.utils.parametrizations.weight_norm`.",
        FutureWarning,
        stacklevel=2,
    )
    if _find(module, name) is not None:
        raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
    hook = WeightNorm(name, dim)
    weight = getattr(module, name)
    del module._parameters[name]
    module.register_parameter(f"{name}_g", Parameter(norm_except_dim(weight, dim).detach()))
    module.register_parameter(f"{name}_v", Parameter(weight.detach()))
    hook(module, ())
    module.register_forward_pre_hook(hook)
    return module


def _find(module: Any, name: str) -> int | None:
    for number, hook in module._forward_pre_hooks.items():
        if isinstance(hook, WeightNorm) and hook.name == name:
            return number
    return None


def remove_weight_norm(module: Any, name: str = "weight") -> Any:
    """Make the weight a plain parameter again (``torch.nn.utils.remove_weight_norm``).

    >>> import kuai as torch
    >>> import warnings; warnings.simplefilter("ignore")
    >>> layer = torch.nn.utils.remove_weight_norm(torch.nn.utils.weight_norm(torch.nn.Linear(2, 1)))
    >>> sorted(layer.state_dict())
    ['bias', 'weight']
    """
    number = _find(module, name)
    if number is None:
        raise ValueError(f"weight_norm of '{name}' not found in {module}")
    weight = module._forward_pre_hooks.pop(number).compute_weight(module)
    for attribute in (name, f"{name}_g", f"{name}_v"):
        delattr(module, attribute)
    setattr(module, name, Parameter(weight.detach()))
    return module
