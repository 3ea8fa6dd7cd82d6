"""What programs need around a network: data, checkpoints of activations (``torch.utils``)."""

from ..wont import elsewhere
from . import data as data

_LATE = {
    "checkpoint": "utils.checkpoint", "_pytree": "utils._pytree", "dlpack": "utils.dlpack", "benchmark": "utils.benchmark",
    "model_zoo": "hub", "serialization": "utils.serialization", "hooks": "autograd.hooks",
    "flop_counter": "utils.flop_counter", "_python_dispatch": "utils._python_dispatch",
}  # fmt: skip


def __getattr__(name: str) -> object:
    """Modules that are imported when they are asked for."""
    from importlib import import_module

    if name == "swap_tensors":
        return import_module("kuai.utils.swap").swap_tensors
    if name in _LATE:
        return import_module(f"kuai.{_LATE[name]}")
    return elsewhere(__name__, name)
