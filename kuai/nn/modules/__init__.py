"""PyTorch's file names (``torch.nn.modules.batchnorm``), for programs that import by them."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

from ...torch_names import module_of
from ...wont import Absent
from . import utils as utils

# PyTorch's file: the files of kuai.nn that have its names.
FILES = {
    "activation": ("activations", "attention", "linear"),
    "adaptive": ("adaptive",),
    "batchnorm": ("normalization",),
    "channelshuffle": ("shape",),
    "container": ("containers", "module"),
    "conv": ("conv", "modules.utils"),
    "distance": ("distance",),
    "dropout": ("dropout",),
    "flatten": ("shape",),
    "fold": ("shape",),
    "instancenorm": ("normalization",),
    "lazy": ("lazy",),
    "linear": ("linear",),
    "linear_cross_entropy_options": ("functions.linear_loss",),
    "loss": ("losses",),
    "module": ("module", "module_hooks"),
    "normalization": ("normalization",),
    "padding": ("padding",),
    "pixelshuffle": ("shape",),
    "pooling": ("pooling",),
    "rnn": ("rnn", "utils.rnn"),
    "sparse": ("embedding",),
    "transformer": ("transformer",),
    "upsampling": ("upsampling",),
}


class _File(ModuleType):
    """One of PyTorch's files: its names are looked up in those of kuai's that have them, then in kuai.nn."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        for place in (*(f"kuai.nn.{f}" for f in FILES[self.__name__.rpartition(".")[2]]), "kuai.nn"):
            try:
                return getattr(import_module(place), name)
            except (ModuleNotFoundError, AttributeError):
                continue
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


# The layers, for `from torch.nn.modules import *`; fill() lists them.
__all__: list[str] = []

for _name in FILES:
    sys.modules[f"{__name__}.{_name}"] = globals()[_name] = _File(f"{__name__}.{_name}")


def fill() -> None:
    """Put each layer of kuai.nn into its file, once they are there: programs look through all of ``vars(torch.nn.modules.activation)``."""
    for value in list(vars(sys.modules["kuai.nn"]).values()):
        place = (module_of(value) or "") if isinstance(value, type) else ""
        if place.startswith("torch.nn.modules.") and place.rpartition(".")[2] in FILES:
            setattr(globals()[place.rpartition(".")[2]], value.__name__, value)
            __all__.append(value.__name__)


def __getattr__(name: str) -> object:
    names = vars(sys.modules["kuai.nn"])
    if name in names:
        return names[name]
    raise Absent(__name__, name)
