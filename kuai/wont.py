"""What PyTorch has and kuai has not, or has in another place: errors for missing names and modules say why, and the way out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from types import ModuleType

from .places import ELSEWHERE

_FLOAT = "numbers are not quantized here; use the model in float32 or bfloat16"
_PROCESS = "there is one process here; torch.distributed has its own functions for a world of one"
_INNER = "it is inside PyTorch's own compiler; hot programs are compiled here without being asked"
REASONS = {
    "quantization": _FLOAT, "nn.intrinsic": _FLOAT, "nn.qat": _FLOAT, "nn.quantizable": _FLOAT, "ao.ns": _FLOAT, "ao.pruning": _FLOAT,
    "export": "programs are not exported; save the state_dict, which PyTorch reads too",
    "package": "programs are not packed with their code; save the state_dict and import the code",
    "nested": "there are no nested tensors; pad with nn.utils.rnn.pad_sequence and give a mask",
    "monitor": "events are not collected; use torch.profiler",
    "mtia": "JAX has no such devices; use the CPU or CUDA",
    "utils.tensorboard": "it needs the package tensorboard (pip install tensorboard); tensorboardX needs no torch either",
    "utils.cpp_extension": "nothing is compiled against PyTorch's C++; write the operation in Python, or as an autograd.Function on NumPy",
    "utils.mobile_optimizer": "there is no mobile runtime; save the state_dict, which PyTorch reads too",
    "utils.bottleneck": "use torch.profiler",
    "jit.mobile": "there is no mobile runtime; save the state_dict, which PyTorch reads too",
    "sparse.semi_structured": "there are no kernels for half-sparse matrices; keep them dense",
    "testing._internal": "it is PyTorch's own test suite; torch.testing has what programs use",
    "distributed.fsdp": _PROCESS, "distributed.tensor": _PROCESS,
    "distributed.checkpoint": _PROCESS + ", and torch.save and torch.load for checkpoints",
    "distributed.elastic": _PROCESS, "distributed.pipelining": _PROCESS, "distributed.algorithms": _PROCESS,
    "distributed.launch": _PROCESS, "distributed.run": _PROCESS, "distributed.rendezvous": _PROCESS,
    "_inductor": _INNER, "_functorch": _INNER, "_prims": _INNER, "_refs": _INNER, "_subclasses": _INNER, "_export": _INNER,
    "_decomp": _INNER, "_guards": _INNER, "_logging": "say KUAI_LOG=compile to see what is compiled",
    "fx.experimental": _INNER,
    "fx.passes": "of the passes over symbolic graphs there is shape_prop; write others with torch.fx.Interpreter and Graph",
}  # fmt: skip


def reason(name: str) -> str | None:
    """Why a module of PyTorch's is not there, or one that it is in; None if nothing is known of it.

    >>> from kuai import wont
    >>> wont.reason("export.unflatten")
    'programs are not exported; save the state_dict, which PyTorch reads too'
    """
    parts = name.split(".")
    prefixes = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next((REASONS[p] for p in prefixes if p in REASONS), None)


class Absent(AttributeError):
    """A module has no such name: why, or which of its names is nearest. It is found out when the message is read.

    >>> import kuai as torch
    >>> torch.linalg.slove
    Traceback (most recent call last):
    ...
    kuai.wont.Absent: module 'kuai.linalg' has no attribute 'slove'; the nearest name that is there is 'solve'
    """

    def __init__(self, module: str, name: str, more: Iterable[str] = ()):
        super().__init__(module, name)
        self.module, self.missing, self.more = module, name, more

    def __str__(self) -> str:
        why = reason(f"{self.module}.{self.missing}".removeprefix("kuai."))
        return f"module {self.module!r} has no attribute {self.missing!r}{f': {why}' if why else self._nearest()}"

    def _nearest(self) -> str:
        from difflib import get_close_matches  # which few programs need

        names = [n for n in (*vars(sys.modules.get(self.module, sys)), *self.more) if not n.startswith("_")]
        near = get_close_matches(self.missing, names, 1)
        return f"; the nearest name that is there is {near[0]!r}" if near else ""


def elsewhere(module: str, name: str) -> ModuleType:
    """What a module gives for a name that it does not have: PyTorch's file of this name is another one here; else AttributeError.

    >>> import kuai as torch
    >>> torch.distributions.normal.Normal is torch.distributions.Normal
    True
    """
    place = ELSEWHERE.get(f"{module}.{name}".removeprefix("kuai."))
    if place is None:
        raise Absent(module, name)
    return import_module(f"kuai.{place}")


def refusing(module: str) -> Callable[[str], ModuleType]:
    """What a module does for names that it does not have: ``__getattr__ = refusing(__name__)``."""

    def __getattr__(name: str) -> ModuleType:  # noqa: N807 (so it is called in a module)
        return elsewhere(module, name)

    return __getattr__
