"""Tensors with a mask of their own: where it is False an element is not there (``torch.masked.MaskedTensor``)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

from .. import layouts
from ..ops.comparison import where
from ..sparse.compressing import sparse_compressed_tensor
from ..sparse.coo import sparse_coo_tensor
from ..subclasses import Quiet
from ..tensor import Tensor

_DTYPES = frozenset("float16 float32 float64 bool int8 int16 int32 int64".split())
_LAYOUTS = (layouts.strided, layouts.sparse_coo, layouts.sparse_csr)


class MaskedTensor(Tensor):
    """Data and a mask of the same shape (``torch.masked.MaskedTensor``). It is a leaf; `as_masked_tensor` keeps the graph.

    Elementwise functions work on the data and keep the mask, two masks must be equal; reductions leave out what is masked.
    Gradients are masked tensors too. TypeError for functions that have no meaning for masks. Data and mask may both be sparse
    (COO or CSR) with the same pattern.

    >>> import kuai as torch
    >>> x = torch.masked.MaskedTensor(torch.tensor([1., 2., 9.]), torch.tensor([True, True, False])); x * 2
    MaskedTensor(
      [  2.0000,   4.0000,       --]
    )
    >>> x.mean(), x.to_tensor(0)
    (MaskedTensor(  1.5000, True), tensor([1., 2., 0.]))
    """

    _masked_mask: Tensor

    def __new__(cls, data: Tensor, mask: Tensor, requires_grad: bool = False) -> MaskedTensor:
        for name, given in (("data", data), ("mask", mask)):
            if isinstance(given, MaskedTensor) or not isinstance(given, Tensor):
                raise TypeError(f"{name} must be a Tensor")
        if data.requires_grad:  # type: ignore[attr-defined]
            warnings.warn(
                "It is not recommended to create a MaskedTensor with a tensor that requires_grad. To avoid this, you can use "
                "data.detach().clone()",
                stacklevel=2,
            )
        data, mask = _fitting(data.detach(), mask)
        return wrapped(data.clone(), mask.clone()).requires_grad_(requires_grad)  # type: ignore[attr-defined]

    def get_data(self) -> Tensor:
        """The data, what is masked out included; gradients lead back to the masked tensor."""
        return plain(self)

    def get_mask(self) -> Tensor:
        """The mask."""
        return self._masked_mask

    def to_tensor(self, value: float) -> Tensor:
        """The data with a value where it is masked out."""
        return self.get_data().masked_fill(~self._masked_mask, value)  # type: ignore[attr-defined]

    @property
    def _masked_data(self) -> Tensor:
        return plain(self).detach()

    @property
    def grad(self) -> Any:
        """The gradient, masked as the tensor is."""
        held = self._grad
        if held is None:
            return None
        return wrapped(held if held.layout is self.layout else dense(held), self._masked_mask)

    @grad.setter
    def grad(self, value: Any) -> None:
        self._grad = plain(value) if isinstance(value, MaskedTensor) else value

    @property
    def is_sparse(self) -> bool:
        """Whether the data is sparse."""
        return self.layout is not layouts.strided

    def is_sparse_coo(self) -> bool:
        """Whether the data is sparse, in coordinates."""
        return self.layout is layouts.sparse_coo

    def is_sparse_csr(self) -> bool:  # type: ignore[override]
        """Whether the data is sparse, in compressed rows."""
        return self.layout is layouts.sparse_csr

    def __repr__(self, **options: object) -> str:  # type: ignore[override]
        data, mask = self._masked_data, self._masked_mask
        if not data.ndim:
            return f"MaskedTensor({_shown(data.item()) if mask.item() else '--'}, {mask.item()})"  # type: ignore[attr-defined]
        text = "\n".join(f"  {line}" for line in _rows(dense(data), dense(mask)).split("\n"))
        return f"MaskedTensor(\n{text}\n)"

    __str__ = __repr__

    @classmethod
    def __torch_function__(cls, func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict | None = None) -> Any:
        from .dispatch import answer

        return answer(func, args, kwargs or {})


def wrapped(data: Tensor, mask: Tensor) -> MaskedTensor:
    """Data, with its place in the graph, under a mask that fits."""
    with Quiet():
        made: Any = data.as_subclass(MaskedTensor)  # type: ignore[attr-defined]
    made._masked_mask = mask
    return made


def plain(masked: Tensor) -> Tensor:
    """The data of a masked tensor, with its place in the graph."""
    with Quiet():
        return masked.as_subclass(Tensor)  # type: ignore[attr-defined]


def dense(x: Tensor) -> Tensor:
    """A tensor that is not sparse."""
    return x if x.layout is layouts.strided else x.to_dense()  # type: ignore[attr-defined]


def masked_tensor(data: Tensor, mask: Tensor, requires_grad: bool = False) -> MaskedTensor:
    """A `MaskedTensor`, a leaf of the graph (``torch.masked.masked_tensor``).

    >>> import kuai as torch
    >>> torch.masked.masked_tensor(torch.tensor([1, 2]), torch.tensor([True, False])).sum()
    MaskedTensor(1, True)
    """
    return MaskedTensor(data, mask, requires_grad)


def as_masked_tensor(data: Tensor, mask: Tensor) -> MaskedTensor:
    """A `MaskedTensor` that gradients lead through to the data (``torch.masked.as_masked_tensor``): 0 where it is masked out.

    >>> import kuai as torch
    >>> x = torch.tensor([4., 0.], requires_grad=True)
    >>> torch.masked.as_masked_tensor(x, torch.tensor([True, False])).sqrt().sum().backward(); x.grad
    tensor([0.2500, 0.0000])
    """
    data, mask = _fitting(data, mask)
    if data.layout is layouts.strided and data.requires_grad:  # type: ignore[attr-defined]
        data = where(mask, data, data.detach())  # type: ignore[assignment]
    return wrapped(data.clone(), mask.clone())  # type: ignore[attr-defined]


def is_masked_tensor(obj: object, /) -> bool:
    """Whether something is a `MaskedTensor` (``torch.masked.is_masked_tensor``).

    >>> import kuai as torch
    >>> torch.masked.is_masked_tensor(torch.ones(1))
    False
    """
    return isinstance(obj, MaskedTensor)


# ---- data and masks that fit -----------------------------------------------------------------------------------------


def _fitting(data: Any, mask: Any) -> tuple[Any, Any]:
    """Data and mask, checked; sparse data in the mask's pattern."""
    if data.layout is not mask.layout:
        raise TypeError(f"data and mask must have the same layout, got {data.layout} and {mask.layout}.")
    if data.layout not in _LAYOUTS:
        raise TypeError(f"data layout of {data.layout} is not supported.")
    if mask.dtype.name != "bool":
        raise TypeError("mask must have dtype bool.")
    if data.dtype.name not in _DTYPES:
        raise TypeError(f"{data.dtype} is not supported in MaskedTensor.")
    if data.ndim != mask.ndim:
        raise ValueError("data.dim() must equal mask.dim()")
    if data.shape != mask.shape:
        raise ValueError("data.size() must equal mask.size()")
    if data.layout is layouts.sparse_coo:
        data, mask = data.coalesce(), mask.coalesce()
    if data.layout is not layouts.strided and not same_pattern(data, mask):
        if data._nnz() == mask._nnz():
            raise ValueError(f"data and mask are both sparse {data.layout} tensors but do not have the same indices.")
        data = data.sparse_mask(mask)
    return data, mask


def indices_of(x: Any) -> tuple[Tensor, ...]:
    """Where the elements of a sparse tensor stand."""
    return (x.indices(),) if x.layout is layouts.sparse_coo else (x.crow_indices(), x.col_indices())


def same_pattern(x: Any, y: Any) -> bool:
    """Whether the elements of two sparse tensors stand in the same places."""
    return x._nnz() == y._nnz() and all(bool((i == j).all()) for i, j in zip(indices_of(x), indices_of(y)))  # type: ignore[attr-defined]


def with_values(x: Any, values: Tensor) -> Tensor:
    """A sparse tensor of the same pattern with other values."""
    if x.layout is layouts.sparse_coo:
        return sparse_coo_tensor(x.indices(), values, x.shape, is_coalesced=True)
    return sparse_compressed_tensor(*indices_of(x), values, x.shape, layout=x.layout)


# ---- text ------------------------------------------------------------------------------------------------------------


def _shown(value: object) -> str:
    return f"{value:8.4f}" if isinstance(value, float) else str(value)


def _rows(data: Any, mask: Any) -> str:
    if data.ndim == 1:
        there = mask.tolist()
        elements = [_shown(value) for value in data.tolist()]
        width = max((len(e) if m else 8 for e, m in zip(elements, there)), default=0)
        return "[" + ", ".join(e if m else "--".rjust(width) for e, m in zip(elements, there)) + "]"
    parts = ["\n".join(f"  {line}" for line in _rows(d, m).split("\n")) for d, m in zip(data, mask)]
    return "[\n" + ",\n".join(parts) + "\n]"
