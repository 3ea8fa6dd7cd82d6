"""The ops, one file a family."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

# The families that have methods, in the order in which Tensor gets them.
FAMILIES = (
    "matrix elementwise comparison rounding complex_numbers special activation softmax reduction cumulative statistics sorting "
    "searching shape views joining indexing scatter linalg spectra random elements"
).split()  # fmt: skip


def families() -> list[ModuleType]:
    """The modules whose tables list Tensor's methods."""
    return [import_module(f"{__name__}.{name}") for name in FAMILIES]
