"""Names of PyTorch's Python compiler (``torch._dynamo``). Here Python always runs, so they mark nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable

from ..compiler import allow_in_graph as allow_in_graph
from ..compiler import assume_constant_result as assume_constant_result
from ..compiler import compile as _compile
from ..compiler import disable as disable
from ..compiler import is_compiling as is_compiling
from ..compiler import list_backends as list_backends
from ..compiler import reset as reset
from ..compiler import set_stance as set_stance
from ..compiler import substitute_in_graph as substitute_in_graph
from . import config as config
from . import utils as utils


def graph_break(msg: str = "") -> None:
    """Accepted: there is no graph of Python to break."""


def optimize(backend: object = "inductor", **options: object) -> Callable:
    """A decorator that is `torch.compile`."""
    return _compile


def disallow_in_graph(fn: Callable) -> Callable:
    """The function itself."""
    return fn


forbid_in_graph = disallow_in_graph


def is_dynamo_supported() -> bool:
    """True: what `torch.compile` is given runs, compiled when it is hot."""
    return True


def mark_dynamic(t: object, index: object, **options: object) -> None:
    """Accepted: each shape has its own program anyway."""


mark_static = maybe_mark_dynamic = mark_dynamic


def mark_static_address(t: object, guard: bool = True) -> None:
    """Accepted: programs take tensors by their values."""


class OptimizedModule:
    """What PyTorch wraps a compiled module in: `torch.compile` gives the module itself, so no object here is one."""


eval_frame = sys.modules[__name__]  # PyTorch has some of these there too
