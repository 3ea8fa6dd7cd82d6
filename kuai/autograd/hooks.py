"""Hooks on the graph, and the handle that removes one."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any


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

    def before(self, g: Any) -> Any:
        """What a node gets, after the hooks of its tensor and its own pre-hooks; kept for ``retain_grad``."""
        for hook in list(self.tensor.values()):
            new = hook(g)
            g = g if new is None else new
        for hook in list(self.pre.values()):
            new = hook(g if isinstance(g, tuple) else (g,))
            if new is not None:
                g = new if isinstance(g, tuple) else (new[0] if isinstance(new, tuple) else new)
        for reference in self.retained:
            tensor = reference()
            if tensor is not None:
                tensor._grad = g.detach() if tensor._grad is None else tensor._grad + g.detach()
        return g

    def after(self, cotangents: tuple, g: object) -> tuple:
        """What a node sends, after its hooks."""
        for hook in list(self.post.values()):
            new = hook(cotangents, g if isinstance(g, tuple) else (g,))
            if new is not None:
                cotangents = new if isinstance(new, tuple) else (new,)
        return cotangents

    def after_accumulate(self, tensor: object) -> None:
        for hook in list(self.accumulated.values()):
            hook(tensor)
