"""Dictionaries and references that do not keep tensors alive (``torch.utils.weak``); tensors are told apart by who they are."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from ..tensor import Tensor


class WeakIdRef(weakref.ref):
    """A reference that equals those to the same object, and no other (``torch.utils.weak.WeakIdRef``)."""

    __slots__ = ("_id",)

    def __init__(self, key: Any, callback: Any = None):
        super().__init__(key, callback)  # type: ignore[call-arg]
        self._id = id(key)

    def __hash__(self) -> int:
        return self._id

    def __eq__(self, other: object) -> bool:
        mine, theirs = self(), other() if isinstance(other, weakref.ref) else None
        return self is other if mine is None or theirs is None else mine is theirs


WeakTensorRefKey = WeakIdRef


class WeakIdKeyDictionary(MutableMapping):
    """A dictionary by who its keys are, which forgets those that nobody else has (``torch.utils.weak.WeakIdKeyDictionary``).

    >>> import kuai as torch
    >>> from kuai.utils.weak import WeakTensorKeyDictionary
    >>> x, known = torch.ones(2), WeakTensorKeyDictionary()
    >>> known[x] = "ones"; known[x], torch.ones(2) in known, len(known)
    ('ones', False, 1)
    >>> del x; len(known)
    0
    """

    def __init__(self, dict: Any = None, ref_type: Any = WeakIdRef):
        self.ref_type = ref_type
        self.data: Any = {}
        weak = weakref.ref(self)

        def forget(ref: Any) -> None:
            owner = weak()
            if owner is not None:
                owner.data.pop(ref, None)

        self._forget = forget
        self.update(dict or {})

    def __getitem__(self, key: Any) -> Any:
        return self.data[self.ref_type(key)]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.data[self.ref_type(key, self._forget)] = value

    def __delitem__(self, key: Any) -> None:
        del self.data[self.ref_type(key)]

    def __contains__(self, key: object) -> bool:
        try:
            return self.ref_type(key) in self.data
        except TypeError:  # it cannot be referred to
            return False

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator:
        return (key for ref in list(self.data) if (key := ref()) is not None)

    def keyrefs(self) -> list:
        """The references to the keys."""
        return list(self.data)

    def copy(self) -> WeakIdKeyDictionary:
        """Another dictionary of the same keys and values."""
        return WeakIdKeyDictionary(self, self.ref_type)

    __copy__ = copy

    def __or__(self, other: Any) -> Any:
        if not isinstance(other, Mapping):
            return NotImplemented
        made = self.copy()
        made.update(other)
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and {id(k): v for k, v in self.items()} == {id(k): v for k, v in other.items()}


WeakTensorKeyDictionary = WeakIdKeyDictionary


class TensorWeakRef:
    """A reference that does not keep a tensor alive (``torch.utils.weak.TensorWeakRef``); AssertionError for anything else."""

    def __init__(self, tensor: Tensor):
        if not isinstance(tensor, Tensor):
            raise AssertionError(f"expected torch.Tensor, got {type(tensor)}.")
        self.ref = weakref.ref(tensor)

    def __call__(self) -> Tensor | None:
        return self.ref()
