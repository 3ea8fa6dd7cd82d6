"""How a tensor's elements lie in memory (``torch.layout``). Sparse ones are made by `sparse`."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class layout:
    """A layout; there is one object for each.

    >>> import kuai as torch
    >>> torch.strided
    torch.strided
    """

    __slots__ = ("name",)

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return self.name


strided = layout("strided")
sparse_coo = layout("sparse_coo")
sparse_csr = layout("sparse_csr")
sparse_csc = layout("sparse_csc")
sparse_bsr = layout("sparse_bsr")
sparse_bsc = layout("sparse_bsc")


def of_sparse(place: str) -> Any:
    """Something of the package `sparse`, by its place there: imported when the first sparse tensor is met."""
    module, _, name = place.rpartition(".")
    return getattr(import_module(f"{__package__}.sparse.{module}"), name)
