"""What programs need around a network: data, checkpoints of activations (``torch.utils``)."""

from . import data as data

_LATE = {"checkpoint": "utils.checkpoint", "_pytree": "utils._pytree", "dlpack": "utils.dlpack", "model_zoo": "hub"}


def __getattr__(name: str) -> object:
    """Modules that are imported when they are asked for."""
    if name in _LATE:
        from importlib import import_module

        return import_module(f"kuai.{_LATE[name]}")
    raise AttributeError(f"module 'torch.utils' has no attribute {name!r}")
