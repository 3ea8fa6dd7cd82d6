"""Lists and dictionaries that refuse edits: the arguments of nodes (``torch.fx.immutable_collections``)."""

from __future__ import annotations

from typing import Any, NoReturn

from ..utils import _pytree


def _refuse(self: object, *args: object, **kwargs: object) -> NoReturn:
    """NotImplementedError: a node has to hear of its arguments."""
    raise NotImplementedError(
        f"'{type(self).__name__}' object does not support mutation. If you are attempting to modify the kwargs or args of a "
        "torch.fx.Node object, instead create a new copy of it and assign the copy to the node."
    )


class immutable_list(list):
    """A list that refuses edits.

    >>> import kuai as torch
    >>> torch.fx.immutable_collections.immutable_list([1]).append(2)
    Traceback (most recent call last):
    ...
    NotImplementedError: 'immutable_list' object does not support mutation. If you are attempting to modify ...
    """

    append = clear = extend = insert = pop = remove = reverse = sort = _refuse  # type: ignore[assignment]
    __delitem__ = __iadd__ = __imul__ = __setitem__ = _refuse  # type: ignore[assignment]

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self))

    def __reduce__(self) -> tuple:
        return type(self), (list(self),)


class immutable_dict(dict):
    """A dictionary that refuses edits."""

    clear = pop = popitem = setdefault = update = _refuse  # type: ignore[assignment]
    __delitem__ = __ior__ = __setitem__ = _refuse  # type: ignore[assignment]

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple:
        return type(self), (dict(self),)


def _as_list(values: Any, context: object) -> immutable_list:
    return immutable_list(values)


def _as_dict(values: Any, keys: Any) -> immutable_dict:
    return immutable_dict(zip(keys, values))


_pytree.register_pytree_node(immutable_list, lambda x: (list(x), None), _as_list)
_pytree.register_pytree_node(immutable_dict, lambda x: (list(x.values()), list(x)), _as_dict)
