"""What indices and values of sparse tensors have to satisfy, and whether that is checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from ..layouts import layout, strided
from ..tensor import Tensor
from .compressed import Compressed
from .pattern import Pattern


class check_sparse_tensor_invariants:  # noqa: N801 (PyTorch's name)
    """Whether sparse tensors are checked when they are made (``torch.sparse.check_sparse_tensor_invariants``): a switch, a
    context and a decorator. It is off to begin with, as a check has to look at the indices.

    >>> import kuai as torch
    >>> with torch.sparse.check_sparse_tensor_invariants():
    ...     torch.sparse_coo_tensor([[5]], [1.0], (3,))
    Traceback (most recent call last):
        ...
    RuntimeError: size is inconsistent with indices: for dim 0, size is 3 but found index 5
    """

    _enabled = False

    @staticmethod
    def is_enabled() -> bool:
        """Whether checks are on."""
        return check_sparse_tensor_invariants._enabled

    @staticmethod
    def enable() -> None:
        """Check from now on."""
        check_sparse_tensor_invariants._enabled = True

    @staticmethod
    def disable() -> None:
        """Do not check from now on."""
        check_sparse_tensor_invariants._enabled = False

    def __init__(self, enable: bool = True):
        self.state, self.saved_state = enable, None  # type: bool, bool | None

    def __enter__(self) -> None:
        if self.saved_state is not None:
            raise RuntimeError(
                "This context manager instance is already activated. Use a different context manager instance for context nesting."
            )
        self.saved_state = self.is_enabled()
        check_sparse_tensor_invariants._enabled = self.state

    def __exit__(self, *error: object) -> None:
        check_sparse_tensor_invariants._enabled = bool(self.saved_state)
        self.saved_state = None

    def __call__(self, function: Callable) -> Callable:
        @wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            with type(self)(self.state):
                return function(*args, **kwargs)

        return checked


def wanted(given: bool | None) -> bool:
    """Whether to check: as an argument says, or the switch."""
    return check_sparse_tensor_invariants.is_enabled() if given is None else given


def layout_name(x: Tensor) -> str:
    """A layout as PyTorch's messages have it."""
    if x.layout is strided:  # type: ignore[comparison-overlap]
        return "Strided"
    rest = x.layout.name.removeprefix("sparse_")
    return "Sparse" if rest == "coo" else f"Sparse{rest.capitalize()}"


def need_parts(indices: Tensor, values: Tensor) -> None:
    """RuntimeError for indices and values that do not go together."""
    for x, what in ((indices, "indices"), (values, "values")):
        if x.layout is not strided:  # type: ignore[comparison-overlap]
            raise RuntimeError(f"expected {what} to be a dense tensor, but got {what} of layout {layout_name(x)}")
    if indices.ndim == 0 or values.ndim == 0:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    if indices.ndim != 2:
        raise RuntimeError(f"indices must be sparse_dim x nnz, but got: {list(indices.shape)}")
    if indices.shape[1] != values.shape[0]:
        raise RuntimeError(
            f"indices and values must have same nnz, but got nnz from indices: {indices.shape[1]}, nnz from values: "
            f"{values.shape[0]}"
        )


def need_shape(indices: Tensor, values: Tensor, size: Sequence[int]) -> None:
    """RuntimeError for a size that is not that of the indices and values."""
    sparse_dim, dense_dim = indices.shape[0], values.ndim - 1
    if len(size) != sparse_dim + dense_dim:
        raise RuntimeError(
            f"'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = {len(size)}, sparse_dim = {sparse_dim}, "
            f"dense_dim = {dense_dim}"
        )
    if min(size, default=0) < 0:
        raise RuntimeError(f"sparse_coo_tensor: a size is not to be negative, got {list(size)}")
    expected = [values.shape[0], *size[sparse_dim:]]
    if list(values.shape) != expected:
        raise RuntimeError(f"values has incorrect size, expected {expected}, got {list(values.shape)}")


def need_compressed(begins: Tensor, others: Tensor, values: Tensor, layout: layout) -> None:
    """RuntimeError for parts of a compressed tensor whose numbers of dimensions do not go together."""
    blocks = 2 if layout.name in ("sparse_bsr", "sparse_bsc") else 0
    for x, what in ((begins, "compressed_indices"), (others, "plain_indices"), (values, "values")):
        if x.layout is not strided:  # type: ignore[comparison-overlap]
            raise RuntimeError(f"expected {what} to be a strided tensor, but got one of layout {layout_name(x)}")
        if not x.ndim:
            raise RuntimeError(f"{what} must have dimensionality > 0, but got a scalar")
    if begins.ndim != others.ndim or values.ndim < others.ndim + blocks:
        raise RuntimeError(
            f"compressed_indices, plain_indices and values of a {layout} tensor have {begins.ndim}, {others.ndim} and "
            f"{values.ndim} dimensions, which do not go together"
        )


def need_consistent(p: Compressed, values: Tensor) -> None:
    """RuntimeError for a compressed pattern that is none, or does not fit the values."""
    first, second = p.names()
    begins, others, n = p.begins._array(), p.others._array(), len(p.batch)
    length, bound = [m // b for m, b in zip(p.shape[n : n + 2], p.block or (1, 1))][:: 1 if p.by_rows else -1]
    counts = np.diff(begins, axis=-1)
    wrong = {
        f"{first}.shape[-1] == {length} + 1": begins.shape[-1] != length + 1,
        f"{second}.shape[-1] == values.shape[{n}]": values.shape[n] != p.count,
        f"{first}[..., 0] == 0": bool((begins[..., :1] != 0).any()),
        f"{first}[..., -1] == nnz": bool((begins[..., -1:] != p.count).any()),
        f"0 <= {first}[..., 1:] - {first}[..., :-1] <= {bound}": bool(((counts < 0) | (counts > bound)).any()),
        f"0 <= {second} < {bound}": bool(((others < 0) | (others >= bound)).any()),
        f"the shape {list(p.shape)} begins with the batch's": tuple(p.shape[:n]) != tuple(p.batch),
    }
    for rule, broken in wrong.items():
        if broken:
            raise RuntimeError(f"`{rule}` is not satisfied.")
    if not p.grid.sorted and p.by_rows:
        raise RuntimeError(f"`{second}` must be sorted and distinct along each row")


def need_within(pattern: Pattern) -> None:
    """RuntimeError for indices that are out of bounds, or not coalesced as they are said to be."""
    indices = pattern.indices._array()
    for dim, (row, n) in enumerate(zip(indices, pattern.lengths)):
        if row.size and row.min() < 0:
            raise RuntimeError(f"found negative index {row.min()} for dim {dim}")
        if row.size and row.max() >= n:
            raise RuntimeError(f"size is inconsistent with indices: for dim {dim}, size is {n} but found index {row.max()}")
    if pattern.coalesced and not (np.diff(pattern.keys) > 0).all():
        raise RuntimeError("cannot set is_coalesced to true if indices correspond to uncoalesced COO tensor")
