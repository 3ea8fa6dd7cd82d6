"""Hooks on the graph, and the handle that removes one."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ..engine.trace import current
from ..tensor import Tensor


class RemovableHandle:
    """Removes a hook (``torch.utils.hooks.RemovableHandle``): by ``remove()``, or at the end of a with block."""

    next_id = 0

    def __init__(self, table: OrderedDict, extra: tuple = ()):
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        self._tables = [weakref.ref(t) for t in (table, *extra)]

    def remove(self) -> None:
        """Remove the hook; a second time is no error."""
        for reference in self._tables:
            table = reference()
            if table is not None:
                table.pop(self.id, None)

    def __getstate__(self) -> tuple:
        return self.id, [reference() for reference in self._tables]

    def __setstate__(self, state: tuple) -> None:
        self.id, tables = state
        self._tables = [weakref.ref(t) for t in tables if t is not None]
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)  # no later hook may take its number

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


class Hooks(OrderedDict):
    """Hooks by number; a class of its own, so that a handle can hold it weakly."""


class HookTable:
    """The hooks of one node."""

    __slots__ = ("pre", "tensor", "post", "accumulated", "retained", "metadata")

    def __init__(self) -> None:
        self.pre, self.tensor, self.post, self.accumulated = Hooks(), Hooks(), Hooks(), Hooks()
        self.retained: list = []
        self.metadata: dict = {}

    def add(self, kind: str, fn: Callable) -> RemovableHandle:
        table = getattr(self, kind)
        handle = RemovableHandle(table)
        table[handle.id] = fn
        return handle

    def tell(self, g: Any) -> Any:
        """What arrives for the tensor, after its hooks; kept for ``retain_grad``."""
        for hook in list(self.tensor.values()):
            new = hook(g)
            if new is not None:
                _check(hook, new, g)
                g = new
        for tensor in self._retaining():
            there = g if current.grad else g.detach()
            tensor._grad = there if tensor._grad is None else tensor._grad + there
        return g

    def _retaining(self) -> list[Tensor]:
        return [t for t in (reference() for reference in self.retained) if t is not None]

    def release(self, tensor: Tensor) -> None:
        """Keep a tensor's gradient no longer: it has another place in the graph."""
        self.retained = [weakref.ref(t) for t in self._retaining() if t is not tensor]

    def before(self, g: Any) -> Any:
        """What a node gets, after its pre-hooks."""
        for hook in list(self.pre.values()):
            given = g if isinstance(g, tuple) else (g,)
            new = hook(given)
            if new is not None:
                _check_all(hook, new, given)
                g = new if isinstance(g, tuple) else new[0]
        return g

    def after(self, cotangents: tuple, g: object) -> tuple:
        """What a node sends, after its hooks."""
        for hook in list(self.post.values()):
            new = hook(cotangents, g if isinstance(g, tuple) else (g,))
            if new is not None:
                _check_all(hook, new, cotangents)
                cotangents = new
        return cotangents

    def after_accumulate(self, tensor: object) -> None:
        for hook in list(self.accumulated.values()):
            if hook(tensor) is not None:
                raise RuntimeError("Tensor post accumulate grad hooks should return None.")


def _check_all(hook: Callable, new: Any, old: tuple) -> None:
    """Refuse what cannot stand in the place of a node's cotangents."""
    if not isinstance(new, tuple):
        raise TypeError(f"expected tuple, but hook returned '{type(new).__name__}'")
    if len(new) != len(old):
        raise RuntimeError(
            f"hook '{_name(hook)}' has returned an incorrect number of values (got {len(new)}, but expected {len(old)})"
        )
    for a, b in zip(new, old):
        if a is not None:
            _check(hook, a, b)


def _check(hook: Callable, new: Any, old: Any) -> None:
    """Refuse what cannot stand in the place of a cotangent."""
    if not isinstance(new, Tensor):
        raise TypeError(f"expected Variable, but hook returned '{type(new).__name__}'")
    if old is None:
        raise RuntimeError("can't replace a None gradient with a non-None value")
    if (new.dtype, new.device, new.layout) != (old.dtype, old.device, old.layout):
        raise RuntimeError(f"hook '{_name(hook)}' has changed the type of value (was {old.type()} got {new.type()})")
    if new.shape != old.shape:
        raise RuntimeError(f"hook '{_name(hook)}' has changed the size of value")


def _name(hook: Callable) -> str:
    return getattr(hook, "__name__", type(hook).__name__)
