"""Memory that several processes see (``torch.Tensor.share_memory_``), and how tensors go from one process to another.

A tensor that multiprocessing sends has its memory shared first, as PyTorch does it: each process sees what the others write.
"""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing.heap import Arena
from multiprocessing.reduction import ForkingPickler

import numpy as np

from .autograd.modes import no_grad
from .devices import device
from .dtypes import dtype
from .engine.program import Aval
from .engine.trace import concrete, materialize
from .nn.parameter import Buffer, Parameter
from .tensor import Storage, Tensor, wrap


def share_memory_(self: Tensor) -> Tensor:
    """Move a tensor's memory to where other processes see it too. Tensors on it move along; arrays of NumPy stay where they are."""
    storage = self._share()
    if storage.record is not None:
        raise NotImplementedError(f"share_memory_: a tensor of layout {self.layout} has no memory of its own; share its parts")
    if self.device.type == "cpu" and storage.arena is None:
        content = np.asarray(materialize(storage.read(())))
        arena = Arena(max(content.nbytes, 1))
        _settle(storage, arena, content.shape, content.dtype)
        np.copyto(storage.host, content)
        storage.version += 1
    return self


def _settle(storage: Storage, arena: Arena, shape: Sequence[int], d: np.dtype) -> None:
    storage.arena, storage.host = arena, np.ndarray(shape, d, arena.buffer)  # type: ignore[attr-defined]
    storage.foreign, storage.anchor = True, None


def _reduce(self: Tensor) -> tuple:
    """What a process sends of a tensor: its shared memory, and how the tensor looks at it."""
    if self.requires_grad and not self.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does not support crossing "
            "process boundaries.  If you just want to transfer the data, call detach() on the tensor before serializing "
            "(e.g., putting it on the queue)."
        )
    if self.device.type != "cpu" or self._share().record is not None:
        return self.__reduce_ex__(2)  # type: ignore[return-value]
    storage = share_memory_(self)._storage
    look = (tuple(self.shape), self.stride(), self.storage_offset()) if self._path else None
    return _rebuild, (type(self), storage.arena, self.dtype, tuple(storage.host.shape), look, self.requires_grad)


def _rebuild(cls: type, arena: Arena, d: dtype, shape: tuple[int, ...], look: tuple | None, requires_grad: bool) -> Tensor:
    storage = Storage(None)
    _settle(storage, arena, shape, d.numpy)
    out = wrap(concrete(storage.host, Aval(shape, d, device("cpu"))))
    storage.value, out._storage = out._value, storage
    with no_grad():
        out = out if look is None else out.as_strided(*look).detach()
    return out.requires_grad_(requires_grad) if cls is Tensor else cls(out, requires_grad)


def register() -> None:
    """Let multiprocessing send tensors by their memory."""
    for cls in (Tensor, Parameter, Buffer):
        ForkingPickler.register(cls, _reduce)
