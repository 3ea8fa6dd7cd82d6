"""Nested containers taken apart and put together, under PyTorch's names (``torch.utils._pytree``).

>>> leaves, spec = tree_flatten({"a": [1, 2], "b": 3})
>>> tree_unflatten([10 * x for x in leaves], spec)
{'a': [10, 20], 'b': 30}
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

Context = Any
PyTree = Any


class TreeSpec:
    """The form of a tree: its container, what that needs to be made again, and the forms of its entries."""

    def __init__(self, type: Any, context: Any, children_specs: list[TreeSpec]):
        self.type, self.context, self.children_specs = type, context, children_specs

    @property
    def num_leaves(self) -> int:
        """How many leaves the tree has."""
        return sum(spec.num_leaves for spec in self.children_specs)

    @property
    def num_children(self) -> int:
        """How many entries the container has."""
        return len(self.children_specs)

    def is_leaf(self) -> bool:
        """Whether there is no container."""
        return False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TreeSpec) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.type, self.num_leaves))

    def __repr__(self) -> str:
        return f"TreeSpec({self.type.__name__}, {self.context}, {self.children_specs})"


class LeafSpec(TreeSpec):
    """The form of a leaf."""

    num_leaves = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__(None, None, [])

    def is_leaf(self) -> bool:
        """Whether there is no container."""
        return True

    def __repr__(self) -> str:
        return "*"


# For each container: its entries and context, and the container again from both.
SUPPORTED_NODES: dict[type, tuple[Callable, Callable]] = {
    list: (lambda x: (list(x), None), lambda items, _: list(items)),
    tuple: (lambda x: (list(x), None), lambda items, _: tuple(items)),
    namedtuple: (lambda x: (list(x), type(x)), lambda items, cls: cls(*items)),  # type: ignore[dict-item]
    dict: (lambda x: _dict_flatten(x), lambda items, keys: _dict_unflatten(items, keys)),
    OrderedDict: (lambda x: (list(x.values()), list(x)), lambda items, keys: OrderedDict(zip(keys, items))),
    defaultdict: (
        lambda x: (list(x.values()), [x.default_factory, list(x)]),
        lambda items, how: defaultdict(how[0], zip(how[1], items)),
    ),
    deque: (lambda x: (list(x), x.maxlen), lambda items, limit: deque(items, maxlen=limit)),
}


def register_pytree_node(cls: type, flatten_fn: Callable, unflatten_fn: Callable, **more: object) -> None:
    """Make a class a container: ``flatten_fn(x) -> (entries, context)`` and ``unflatten_fn(entries, context) -> x``."""
    if cls in SUPPORTED_NODES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    SUPPORTED_NODES[cls] = (flatten_fn, unflatten_fn)


class SequenceKey(NamedTuple):
    """The place of an entry in a sequence."""

    idx: int


class MappingKey(NamedTuple):
    """The place of an entry in a mapping."""

    key: Any


def _dict_flatten(d: dict) -> tuple[list, list]:
    """A dict's values, and its keys."""
    return list(d.values()), list(d)


def _dict_flatten_with_keys(d: dict) -> tuple[list, list]:
    """A dict's values, each with its place, and its keys."""
    return [(MappingKey(k), v) for k, v in d.items()], list(d)


def _dict_unflatten(values: Iterable, context: list) -> dict:
    """A dict of its values and keys."""
    return dict(zip(context, values))


def _list_flatten(d: list) -> tuple[list, None]:
    """A list's entries."""
    return list(d), None


def _list_flatten_with_keys(d: list) -> tuple[list, None]:
    """A list's entries, each with its place."""
    return [(SequenceKey(i), v) for i, v in enumerate(d)], None


def _list_unflatten(values: Iterable, context: object) -> list:
    """A list of its entries."""
    return list(values)


def _tuple_unflatten(values: Iterable, context: object) -> tuple:
    """A tuple of its entries."""
    return tuple(values)


_tuple_flatten, _tuple_flatten_with_keys = _list_flatten, _list_flatten_with_keys


def is_namedtuple_class(cls: type) -> bool:
    """Whether a class was made by namedtuple.

    >>> is_namedtuple_class(SequenceKey), is_namedtuple_class(tuple)
    (True, False)
    """
    return isinstance(cls, type) and issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple)


def is_namedtuple_instance(obj: object) -> bool:
    """Whether something is of a class made by namedtuple."""
    return is_namedtuple_class(type(obj))


def is_structseq_class(cls: type) -> bool:
    """Whether a class is one of Python's own tuples with names, as ``time.struct_time``.

    >>> import time
    >>> is_structseq_class(time.struct_time)
    True
    """
    return isinstance(cls, type) and cls.__bases__ == (tuple,) and isinstance(getattr(cls, "n_sequence_fields", None), int)


def is_structseq_instance(obj: object) -> bool:
    """Whether something is one of Python's own tuples with names."""
    return is_structseq_class(type(obj))


def _get_node_type(tree: Any) -> Any:
    return namedtuple if isinstance(tree, tuple) and hasattr(tree, "_fields") else type(tree)


def tree_is_leaf(tree: PyTree, is_leaf: Callable | None = None) -> bool:
    """Whether something is no container."""
    return (is_leaf is not None and is_leaf(tree)) or _get_node_type(tree) not in SUPPORTED_NODES


def tree_flatten(tree: PyTree, is_leaf: Callable | None = None) -> tuple[list, TreeSpec]:
    """The leaves in order, and the form."""
    if tree_is_leaf(tree, is_leaf):
        return [tree], LeafSpec()
    kind = _get_node_type(tree)
    children, context = SUPPORTED_NODES[kind][0](tree)
    parts = [tree_flatten(child, is_leaf) for child in children]
    return [leaf for leaves, _ in parts for leaf in leaves], TreeSpec(kind, context, [spec for _, spec in parts])


def tree_unflatten(leaves: Iterable, treespec: TreeSpec) -> PyTree:
    """A tree of a form from its leaves; ValueError if their number is another."""
    given = list(leaves)
    if len(given) != treespec.num_leaves:
        raise ValueError(f"tree_unflatten(leaves, treespec): `leaves` has length {len(given)} but the spec refers to a "
                         f"pytree that holds {treespec.num_leaves} items ({treespec}).")  # fmt: skip
    return _rebuild(iter(given), treespec)


def _rebuild(leaves: Any, spec: TreeSpec) -> PyTree:
    if spec.is_leaf():
        return next(leaves)
    return SUPPORTED_NODES[spec.type][1]([_rebuild(leaves, child) for child in spec.children_specs], spec.context)


def tree_leaves(tree: PyTree, is_leaf: Callable | None = None) -> list:
    """The leaves in order."""
    return tree_flatten(tree, is_leaf)[0]


tree_iter = tree_leaves


def tree_structure(tree: PyTree, is_leaf: Callable | None = None) -> TreeSpec:
    """The form alone."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func: Callable, tree: PyTree, *rests: PyTree, is_leaf: Callable | None = None) -> PyTree:
    """A tree of what a function makes of the leaves (of several trees of one form).

    >>> tree_map(lambda a, b: a + b, (1, [2]), (10, [20]))
    (11, [22])
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    return tree_unflatten(map(func, leaves, *(tree_leaves(rest, is_leaf) for rest in rests)), spec)


def tree_map_(func: Callable, tree: PyTree, *rests: PyTree, is_leaf: Callable | None = None) -> PyTree:
    """Call a function of the leaves for its effect; gives the tree."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def tree_map_only(kind: Any, func: Callable, tree: PyTree, is_leaf: Callable | None = None) -> PyTree:
    """`tree_map` of the leaves of a type only.

    >>> tree_map_only(int, lambda x: -x, [1, "a"])
    [-1, 'a']
    """
    return tree_map(lambda x: func(x) if isinstance(x, kind) else x, tree, is_leaf=is_leaf)


def tree_map_only_(kind: Any, func: Callable, tree: PyTree, is_leaf: Callable | None = None) -> PyTree:
    """Call a function of the leaves of a type for its effect; gives the tree."""
    tree_map_only(kind, func, tree, is_leaf)
    return tree


def tree_all(pred: Callable, tree: PyTree, is_leaf: Callable | None = None) -> bool:
    """Whether something holds of all leaves."""
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred: Callable, tree: PyTree, is_leaf: Callable | None = None) -> bool:
    """Whether something holds of a leaf."""
    return any(map(pred, tree_leaves(tree, is_leaf)))
