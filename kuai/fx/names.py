"""Names of nodes and of what they call: unique in a graph, and as a program would write them."""

from __future__ import annotations

import builtins
import inspect
import keyword
import math
import re
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..tensor import Tensor


class Builtin(NamedTuple):
    """Something that every generated function may name, and how it is imported."""

    import_str: str
    obj: object


def custom_builtins() -> dict[str, Builtin]:
    """What generated code may name without being told."""
    import kuai

    from ..utils import _pytree

    return {
        "inf": Builtin("from math import inf", math.inf),
        "nan": Builtin("from math import nan", math.nan),
        "NoneType": Builtin("NoneType = type(None)", type(None)),
        "torch": Builtin("import kuai as torch", kuai),
        "device": Builtin("from kuai import device", kuai.device),
        "pytree": Builtin("import kuai.utils._pytree as pytree", _pytree),
    }


_WORDS = frozenset(keyword.kwlist)
_NAME = re.compile(r"^([a-zA-Z_][0-9a-zA-Z_]*?)(?:_(\d+))?$")


def snake_case(name: str) -> str:
    """A name as variables are written.

    >>> snake_case("maxPool"), snake_case("ALL_CAPS")
    ('max_pool', 'all_caps')
    """
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower()


class Namespace:
    """Gives each object one name, and each name to one object; a name of Python's own only to what it means there.

    >>> names = Namespace()
    >>> names.create_name("add", None), names.create_name("add", None), names.create_name("sum", None)
    ('add', 'add_1', 'sum_1')
    """

    def __init__(self) -> None:
        self.names: dict[object, str] = {}
        self.used: set[str] = set()
        self.counts: dict[str, int] = {}
        self.taken = {**vars(builtins), **{n: b.obj for n, b in custom_builtins().items()}, **dict.fromkeys(_WORDS, Namespace)}

    def create_name(self, candidate: str, obj: Any) -> str:
        """A name for an object, as near to the candidate as can be; None for an object that is not known yet."""
        if obj is not None and obj in self.names:
            return self.names[obj]
        candidate = self._cleaned(candidate)
        base, number = _NAME.match(candidate).groups()  # type: ignore[union-attr]
        count = int(number or 0)
        if number is None or candidate in self.used:
            count = self.counts.get(base, 0)
            if self.taken.get(candidate, obj) is not obj:
                count += 1
                candidate = f"{base}_{count}"
        while candidate in self.used:
            count += 1
            candidate = f"{base}_{count}"
        self.used.add(candidate)
        self.counts[base] = count
        if obj is not None:
            self.names[obj] = candidate
        return candidate

    @staticmethod
    def _cleaned(candidate: str) -> str:
        cleaned = re.sub("[^0-9a-zA-Z_]+", "_", candidate) or "_unnamed"
        return f"_{cleaned}" if cleaned[0].isdigit() else cleaned

    def associate(self, name: str, obj: object) -> None:
        """Say what object a name that was made before is for."""
        self.names[obj] = name

    def rename(self, obj: object, name: str) -> None:
        """Give an object another name."""
        self.names[obj] = name
        self.used.add(name)


def _public_places() -> Iterator[tuple[str, Any]]:
    import kuai

    from . import patching

    yield "torch", kuai
    yield "torch.nn.functional", kuai.nn.functional
    for name in ("linalg", "fft", "special"):
        yield f"torch.{name}", getattr(kuai, name)
    yield "torch.Tensor", Tensor
    yield "torch.fx._symbolic_trace", patching


# Functions of torch.nn.functional that PyTorch has from its C++ part, and calls by that part's name.
NATIVE = {
    "logsigmoid": "log_sigmoid",
    **{n: n for n in "avg_pool2d avg_pool3d hardtanh_ elu_ leaky_relu_ gelu softplus softshrink linear one_hot "
                     "scaled_dot_product_attention".split()},
}  # fmt: skip


def public_name(func: Any) -> str | None:
    """The name by which programs call one of the package's functions, or None.

    >>> import kuai as torch
    >>> public_name(torch.nn.functional.softmax), public_name(torch.Tensor.view), public_name(len)
    ('torch.nn.functional.softmax', 'torch.Tensor.view', None)
    """
    name = getattr(func, "__name__", None)
    if not isinstance(name, str):
        return None
    for place, holder in _public_places():
        if getattr(holder, name, None) is func:
            if place == "torch.nn.functional" and name in NATIVE:
                return f"torch._C._nn.{NATIVE[name]}"
            return f"{place}.{name}"
    module = getattr(func, "__module__", None) or ""
    return f"{module}.{name}" if isinstance(func, type) and module.split(".")[0] == "torch" else _operator_name(func)


def _operator_name(func: Any) -> str | None:
    from ..aten import Overload, Packet

    if isinstance(func, (Overload, Packet)):
        return f"torch.ops.{func}"
    return None


def qualified_name(func: Callable) -> str:
    """A function's whole name: ``len``, ``torch.relu``, ``math.sqrt``."""
    name = getattr(func, "__name__", None) or type(func).__name__
    if getattr(builtins, name, None) is func:
        return name
    known = public_name(func)
    if known is not None:
        return known
    if name == "<lambda>":
        name = inspect.getsource(func).split("=")[0].strip()
    return f"{func.__module__}.{name}"


def type_repr(obj: object) -> str:
    """A type as it is written in code: without ``<class …>``."""
    if isinstance(obj, type) and not isinstance(obj, types.GenericAlias):
        if obj.__module__ == "builtins":
            return obj.__qualname__
        return f"{_posing(obj.__module__)}.{obj.__qualname__}"
    if obj is ...:
        return "..."
    return obj.__name__ if isinstance(obj, types.FunctionType) else repr(obj)


def _posing(module: str) -> str:
    """A module's name as programs write it: kuai's own under PyTorch's."""
    head, _, rest = module.partition(".")
    if head != "kuai":
        return module
    return "torch" if rest == "tensor" else f"torch.{rest}" if rest else "torch"
