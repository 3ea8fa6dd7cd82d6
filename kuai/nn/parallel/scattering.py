"""Splitting batches over devices and joining what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...devices import device as as_device
from ...ops.joining import cat, stack
from ...tensor import Tensor


def place(target: object) -> Any:
    """A device from what names it: an index means a GPU's.

    >>> place("cpu")
    device(type='cpu')
    """
    return as_device("cuda", target) if isinstance(target, int) else as_device(target)  # type: ignore[arg-type]


def scatter(inputs: Any, target_gpus: Sequence, dim: int = 0) -> Any:
    """Split every tensor into one chunk a device, and repeat what is not a tensor (``torch.nn.parallel.scatter``).

    >>> import kuai as torch
    >>> torch.nn.parallel.scatter(torch.arange(4), ["cpu", "cpu"])
    (tensor([0, 1]), tensor([2, 3]))
    """
    if isinstance(inputs, Tensor):
        return tuple(part.to(place(gpu)) for part, gpu in zip(inputs.chunk(len(target_gpus), dim), target_gpus))
    if isinstance(inputs, tuple) and hasattr(inputs, "_fields"):
        return [type(inputs)(*parts) for parts in zip(*(scatter(x, target_gpus, dim) for x in inputs))]
    if isinstance(inputs, tuple) and inputs:
        return list(zip(*(scatter(x, target_gpus, dim) for x in inputs)))
    if isinstance(inputs, list) and inputs:
        return [list(parts) for parts in zip(*(scatter(x, target_gpus, dim) for x in inputs))]
    if isinstance(inputs, dict) and inputs:
        return [type(inputs)(parts) for parts in zip(*(scatter(item, target_gpus, dim) for item in inputs.items()))]
    return [inputs for _ in target_gpus]


def scatter_kwargs(inputs: tuple, kwargs: dict | None, target_gpus: Sequence, dim: int = 0) -> tuple[tuple, tuple]:
    """`scatter` positional and named arguments; both lists are as long (``torch.nn.parallel.scatter_kwargs``)."""
    rows = list(scatter(inputs, target_gpus, dim)) if inputs else []
    named = list(scatter(kwargs, target_gpus, dim)) if kwargs else []
    rows += [()] * (len(named) - len(rows))
    named += [{}] * (len(rows) - len(named))
    return tuple(rows), tuple(named)


def gather(outputs: Sequence, target_device: object, dim: int = 0) -> Any:
    """Join what the devices gave on one of them (``torch.nn.parallel.gather``).

    >>> import kuai as torch
    >>> torch.nn.parallel.gather([torch.zeros(1), torch.ones(1)], "cpu")
    tensor([0., 1.])
    """
    first = outputs[0]
    if isinstance(first, Tensor):
        moved = [out.to(place(target_device)) for out in outputs]
        return cat(moved, dim) if first.ndim else stack(moved)
    if first is None:
        return None
    if isinstance(first, Mapping):
        if any(len(out) != len(first) for out in outputs):
            raise ValueError("All dicts must have the same number of keys")
        return type(first)((key, gather([out[key] for out in outputs], target_device, dim)) for key in first)  # type: ignore[call-arg]
    joined = [gather(parts, target_device, dim) for parts in zip(*outputs)]
    return type(first)._make(joined) if hasattr(first, "_make") else type(first)(joined)
