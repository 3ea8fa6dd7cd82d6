"""Automatic differentiation (``torch.autograd``)."""

from ..wont import elsewhere
from . import function as function
from . import graph as graph
from .api import backward as backward
from .api import grad as grad
from .function import Function as Function
from .gradcheck import gradcheck as gradcheck
from .gradcheck import gradgradcheck as gradgradcheck
from .modes import enable_grad as enable_grad
from .modes import inference_mode as inference_mode
from .modes import no_grad as no_grad
from .modes import set_grad_enabled as set_grad_enabled
from .variable import Variable as Variable


def __getattr__(name: str) -> object:
    """What few programs use is imported when it is asked for."""
    from importlib import import_module

    if name in ("functional", "profiler", "profiler_util", "forward_ad", "anomaly_mode"):
        return import_module(f"{__name__}.{name}")
    if name == "grad_mode":  # PyTorch's file of no_grad and its kin
        return import_module(__name__)
    if name in ("set_multithreading_enabled", "is_multithreading_enabled"):
        return getattr(import_module(f"{__name__}.modes"), name)
    if name in ("detect_anomaly", "set_detect_anomaly"):
        return getattr(import_module(f"{__name__}.anomaly_mode"), name)
    return elsewhere(__name__, name)
