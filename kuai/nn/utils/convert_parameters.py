"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...ops.joining import cat
from ...tensor import Tensor


def parameters_to_vector(parameters: Iterable[Any]) -> Tensor:
    """All parameters' elements in one vector (``torch.nn.utils.parameters_to_vector``).

    >>> import kuai as torch
    >>> torch.nn.utils.parameters_to_vector([torch.ones(2), torch.zeros(1, 1)])
    tensor([1., 1., 0.])
    """
    held = list(parameters)
    devices = {p.device for p in held}
    if len(devices) > 1:
        raise TypeError(f"parameters_to_vector: parameters on different devices: {', '.join(sorted(map(str, devices)))}")
    return cat([p.reshape(-1) for p in held])


def vector_to_parameters(vec: Any, parameters: Iterable[Any]) -> None:
    """Make consecutive parts of a vector the parameters' data (``torch.nn.utils.vector_to_parameters``).

    >>> import kuai as torch
    >>> w = torch.nn.Parameter(torch.zeros(2))
    >>> torch.nn.utils.vector_to_parameters(torch.tensor([1., 2.]), [w]); w.data
    tensor([1., 2.])
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    start = 0
    for p in parameters:
        part = vec[start : start + p.numel()]
        p.data = part.view(p.shape).data
        start += p.numel()
