"""What becomes of values that backward needs: hooks that put them away and bring them back (``torch.autograd.graph``).

Nothing of this costs anything while no hooks are at work: then a node's saved values are a plain slot. The first block of hooks
puts a descriptor in the slot's place, and the last one takes it away again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ..engine.trace import Value
from ..tensor import Tensor, wrap
from .graph import OpNode
from .modes import no_grad

Hooks = tuple[Callable[[Tensor], Any], Callable[[Any], Tensor]]


class _Thread(threading.local):
    """The hooks of a thread, the innermost last, and why there may be none."""

    hooks: tuple[Hooks, ...] = ()
    refusal: str | None = None


_thread = _Thread()


class _Slot:
    """In the place of `OpNode.saved`: values that a node is given go through the hooks of its thread."""

    lock = threading.Lock()
    plain = vars(OpNode)["saved"]
    blocks = 0

    def __get__(self, node: Any, owner: type) -> Any:
        return self if node is None else _Slot.plain.__get__(node, owner)

    def __set__(self, node: OpNode, saved: Any) -> None:
        if type(saved) is tuple and saved and _thread.hooks:
            saved = Packed(saved)
        _Slot.plain.__set__(node, saved)

    @classmethod
    def count(cls, change: int) -> None:
        """One more block of hooks is at work, or one less."""
        with cls.lock:
            cls.blocks += change
            OpNode.saved = _Slot() if cls.blocks else cls.plain  # type: ignore[misc]


class Packed:
    """A node's saved values, as the hooks keep them."""

    def __init__(self, saved: tuple):
        pack, self.unpack = _thread.hooks[-1]
        with no_grad():
            self.kept = _mapped(saved, lambda value: _Kept(pack(wrap(value))))

    def recover(self) -> tuple:
        """The values, as the hooks bring them back."""
        with no_grad():
            return _mapped(self.kept, lambda kept: self._unpacked(kept.thing)._read())

    def _unpacked(self, thing: Any) -> Tensor:
        return unpacked(self.unpack, thing)


class _Kept:
    """What a hook made of a tensor: it may be anything, a tuple as well."""

    __slots__ = ("thing",)

    def __init__(self, thing: Any):
        self.thing = thing


def _mapped(saved: Any, fn: Callable) -> Any:
    if isinstance(saved, (Value, _Kept)):
        return fn(saved)
    return type(saved)(_mapped(s, fn) for s in saved) if type(saved) in (tuple, list) else saved


def unpacked(unpack: Callable, thing: Any) -> Tensor:
    """What an unpack hook gives, which must be a tensor."""
    tensor = unpack(thing)
    if not isinstance(tensor, Tensor):
        raise TypeError(f"Output of saved tensor unpack_hook expected to be a Tensor but got result of type {type(tensor).__name__}")
    return tensor


class PackedTensor:
    """A tensor that a `Function` saved, as the hooks keep it."""

    def __init__(self, pack: Callable, unpack: Callable, tensor: Tensor, value: Any, node: Any):
        self.unpack, self.node = unpack, node if node is not None else tensor._node
        with no_grad():
            self.thing = pack(wrap(value))

    def recover(self) -> Tensor:
        """The tensor, in its place in the graph."""
        with no_grad():
            found = unpacked(self.unpack, self.thing)
        return wrap(found._read(), self.node)


def innermost() -> Hooks | None:
    """The hooks that tensors go through now."""
    return _thread.hooks[-1] if _thread.hooks else None


class saved_tensors_hooks:
    """A block in which what backward needs goes through hooks (``torch.autograd.graph.saved_tensors_hooks``).

    ``pack_hook(tensor)`` gives what is kept, and ``unpack_hook`` of that the tensor again, when backward asks for it. Of nested
    blocks the innermost one works.

    >>> import kuai as torch
    >>> w = torch.full((2,), 3., requires_grad=True)
    >>> with torch.autograd.graph.saved_tensors_hooks(lambda t: t.half(), lambda kept: kept.float()):
    ...     loss = (w * w).sum()
    >>> loss.backward(); w.grad
    tensor([6., 6.])
    """

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]):
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if _thread.refusal is not None:
            raise RuntimeError(_thread.refusal)
        self._before = _thread.hooks
        _thread.hooks += ((self.pack_hook, self.unpack_hook),)
        _Slot.count(1)

    def __exit__(self, *error: object) -> None:
        _Slot.count(-1)
        _thread.hooks = self._before


class save_on_cpu(saved_tensors_hooks):
    """A block whose values for backward are kept in the CPU's memory (``torch.autograd.graph.save_on_cpu``).

    >>> import kuai as torch
    >>> w = torch.ones(2, requires_grad=True)
    >>> with torch.autograd.graph.save_on_cpu():
    ...     loss = (w * w).sum()
    >>> loss.backward(); w.grad
    tensor([2., 2.])
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda"):
        super().__init__(lambda tensor: (tensor.device, tensor.cpu()), lambda kept: kept[1].to(kept[0]))  # type: ignore[attr-defined]


class disable_saved_tensors_hooks:
    """A block in which hooks on saved tensors are refused, with a message
    (``torch.autograd.graph.disable_saved_tensors_hooks``).

    >>> import kuai as torch
    >>> with torch.autograd.graph.disable_saved_tensors_hooks("not here"):
    ...     pass
    """

    def __init__(self, error_message: str):
        self.error_message = error_message

    def __enter__(self) -> None:
        if _thread.hooks:
            raise RuntimeError(self.error_message)
        self._before, _thread.refusal = _thread.refusal, self.error_message

    def __exit__(self, *error: object) -> None:
        _thread.refusal = self._before
