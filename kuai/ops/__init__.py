"""The ops, one file a family."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

# The families that have methods, in the order in which Tensor gets them.
FAMILIES = (
    "matrix added_products elementwise comparison rounding complex_numbers special activation rectifiers softmax reduction cumulative "
    "statistics sorting searching shape views strided_views joining indexing scatter linalg spectra random elements"
).split()  # fmt: skip


def families() -> list[ModuleType]:
    """The modules whose tables list Tensor's methods."""
    return [import_module(f"{__name__}.{name}") for name in FAMILIES]


def __getattr__(name: str) -> object:
    """The operators of a namespace: ``torch.ops.aten`` has PyTorch's, ``torch.ops.mine`` what is registered; what loads libraries."""
    if name in ("load_library", "loaded_libraries"):
        return getattr(import_module("kuai.extensions"), name)
    if name == "aten":
        return import_module("kuai.aten")
    operators = sys.modules.get(f"{__name__}.operators")
    if operators is None or not operators.has_namespace(name):
        raise AttributeError(f"torch.ops has no operators in a namespace {name!r}")
    return operators.namespace(name)
