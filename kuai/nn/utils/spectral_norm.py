"""A weight divided by its largest singular value, which a power iteration follows: the older form, with a hook."""

from __future__ import annotations

from typing import Any

from ...autograd.modes import no_grad
from ...ops.matrix import dot, mv
from ...ops.norms import vector_norm
from ...tensor import Tensor
from ..parameter import Parameter


def as_matrix(weight: Any, dim: int) -> Any:
    """The weight as a matrix whose rows are one of its dimensions."""
    if dim:
        weight = weight.permute(dim, *(d for d in range(weight.ndim) if d != dim))
    return weight.reshape(weight.shape[0], -1)


def unit(x: Any, eps: float) -> Any:
    """A vector's direction."""
    return x / vector_norm(x).clamp_min(eps)


def iterate(matrix: Any, u: Any, v: Any, steps: int, eps: float) -> None:
    """Bring two vectors nearer to the first singular vectors, in place: first v, then u."""
    with no_grad():
        matrix = matrix.detach()
        back = matrix.mH
        for _ in range(steps):
            v.copy_(unit(mv(back, u), eps))
            u.copy_(unit(mv(matrix, v), eps))


def largest(matrix: Any, u: Any, v: Any) -> Any:
    """The singular value that belongs to two vectors."""
    return dot(u.conj() if u.dtype.is_complex else u, mv(matrix, v))


def dim_of(module: Any, dim: int | None) -> int:
    """The dimension of a weight that counts the outputs: the second one in transposed convolutions."""
    return int(getattr(module, "transposed", False)) if dim is None else dim


def need_positive(n_power_iterations: int) -> None:
    if n_power_iterations <= 0:
        raise ValueError(f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}")


class SpectralNorm:
    """The hook that computes a weight from ``weight_orig`` before each call."""

    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float):
        need_positive(n_power_iterations)
        self.name, self.n_power_iterations, self.dim, self.eps = name, n_power_iterations, dim, eps

    def compute_weight(self, module: Any, do_power_iteration: bool) -> Tensor:
        """The weight; in training its singular vectors are followed first."""
        weight, u, v = (getattr(module, f"{self.name}_{part}") for part in ("orig", "u", "v"))
        matrix = as_matrix(weight, self.dim)
        if do_power_iteration:
            iterate(matrix, u, v, self.n_power_iterations, self.eps)
            u, v = u.clone(), v.clone()
        return weight / largest(matrix, u, v)

    def __call__(self, module: Any, inputs: object) -> None:
        setattr(module, self.name, self.compute_weight(module, module.training))


def spectral_norm(module: Any, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12,
                  dim: int | None = None) -> Any:  # fmt: skip
    """Divide a weight by its largest singular value (``torch.nn.utils.spectral_norm``; parametrizations has a newer one).

    >>> import kuai as torch
    >>> m = torch.nn.utils.spectral_norm(torch.nn.Linear(2, 3))
    >>> sorted(m.state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    if _find(module, name) is not None:
        raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    hook = SpectralNorm(name, n_power_iterations, dim_of(module, dim), eps)
    weight = module._parameters[name]
    with no_grad():
        matrix = as_matrix(weight, hook.dim)
        u, v = (unit(weight.new_empty(n).normal_(0, 1), eps) for n in matrix.shape)
    delattr(module, name)
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.data)
    module.register_buffer(f"{name}_u", u)
    module.register_buffer(f"{name}_v", v)
    module.register_forward_pre_hook(hook)
    return module


def _find(module: Any, name: str) -> int | None:
    for number, hook in module._forward_pre_hooks.items():
        if isinstance(hook, SpectralNorm) and hook.name == name:
            return number
    return None


def remove_spectral_norm(module: Any, name: str = "weight") -> Any:
    """Make the weight a plain parameter again (``torch.nn.utils.remove_spectral_norm``).

    >>> import kuai as torch
    >>> m = torch.nn.utils.spectral_norm(torch.nn.Linear(2, 3))
    >>> sorted(torch.nn.utils.remove_spectral_norm(m).state_dict())
    ['bias', 'weight']
    """
    number = _find(module, name)
    if number is None:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    with no_grad():
        weight = module._forward_pre_hooks.pop(number).compute_weight(module, False)
    for attribute in (name, f"{name}_u", f"{name}_v", f"{name}_orig"):
        delattr(module, attribute)
    module.register_parameter(name, Parameter(weight.detach()))
    return module
