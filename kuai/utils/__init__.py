"""What programs need around a network: data, checkpoints of activations (``torch.utils``)."""

from . import data as data


def __getattr__(name: str) -> object:
    """``torch.utils.checkpoint`` is imported when it is asked for."""
    if name == "checkpoint":
        from importlib import import_module

        return import_module("kuai.utils.checkpoint")
    raise AttributeError(f"module 'torch.utils' has no attribute {name!r}")
