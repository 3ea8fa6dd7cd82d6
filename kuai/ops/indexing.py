"""Elements by mask and by index: reading them, and putting others there."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from .. import dtypes
from ..dtypes import bool_, int64
from ..engine.program import Aval, Op
from ..tensor import Tensor, from_array
from . import rules, subscript, taking
from .creation import zeros
from .define import op, write_exact, write_out
from .extent import elements
from .host import differs, on_host
from .subscript import delitem, getitem, setitem
from .taking import add_at, fill_where, put_at, take_at

# ---- by mask -------------------------------------------------------------------------------------------------------


def _need_mask(mask: Tensor, message: str) -> None:
    if mask.dtype is not bool_:
        raise RuntimeError(f"{message}, got {mask.dtype}")


def _number_for(input: Tensor, value: object, name: str) -> object:
    """A number to fill with, or a tensor of no dimensions."""
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(
            f"{name}_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
        )
    if isinstance(value, (int, float, complex)):
        rules.need_fit(value, input.dtype, f"{name}_()")
    elif value.dtype.is_complex and not input.dtype.is_complex:
        raise RuntimeError(f"{name}_(): value cannot be converted to type {input.dtype} without overflow")
    return value


def masked_fill(input: Tensor, mask: Tensor, value: Tensor | complex) -> Tensor:
    """The tensor with one value where a mask is true (``torch.masked_fill``).

    >>> import kuai as torch
    >>> torch.masked_fill(torch.ones(3), torch.tensor([True, False, True]), 7)
    tensor([7., 1., 7.])
    """
    _need_mask(mask, "masked_fill_ only supports boolean masks")
    return fill_where(input, mask, _number_for(input, value, "masked_fill"))


def masked_select(input: Tensor, mask: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements where a mask is true, as a vector (``torch.masked_select``); runs at once.

    >>> import kuai as torch
    >>> x = torch.tensor([1., 2., 3.])
    >>> torch.masked_select(x, x > 1)
    tensor([2., 3.])
    """
    _need_mask(mask, "masked_select: expected BoolTensor for mask")
    shape = rules.broadcast_shapes("masked_select", input.shape, mask.shape)
    source = input if input.shape == shape else input.expand(shape)
    flat = np.flatnonzero(np.broadcast_to(mask._array(), shape))
    made = take_at(source, from_array(flat, input.device), dim=0, count=len(shape), wrap=True)
    return made if out is None else write_exact(out, made)


def _masked_scatter_rule(op: Op, avals: Sequence) -> tuple:
    x, mask, source = avals
    if x.dtype is not source.dtype:
        given = f"{rules._cname(x.dtype)} and {rules._cname(source.dtype)}"
        raise RuntimeError(f"masked_scatter: expected self and source to have same dtypes but got {given}")
    shape = rules.broadcast_shapes(op.name, x.shape, mask.shape)
    return Aval(shape, x.dtype, rules.common_device(op, avals)), (x.dtype, bool_, x.dtype)


def _ranks(xp, mask):
    """For each element of a mask, how many true ones stand before it or at it, less one."""
    return xp.cumsum(mask.reshape(-1), dtype=int64.numpy).reshape(mask.shape) - 1


@op(shape=_masked_scatter_rule, name="masked_scatter", exact=True,
    vjp=(lambda g, mask: fill_where(g, mask, 0), None,
         lambda g, mask, avals: _masked_gather(g, mask, shape=avals[2].shape)))  # fmt: skip
def _masked_scatter(xp, x, mask, source):
    shape = np.broadcast_shapes(x.shape, mask.shape)
    mask = xp.broadcast_to(mask, shape)
    if not source.size:
        return xp.broadcast_to(x, shape)
    return xp.where(mask, source.reshape(-1)[xp.clip(_ranks(xp, mask), 0, source.size - 1)], x)


def _masked_gather_rule(op: Op, avals: Sequence, *, shape: tuple) -> tuple:
    return avals[0].with_(shape), (avals[0].dtype, bool_)


def _masked_gather_xla(xp, g, mask, *, shape):
    flat = np.prod(shape, dtype=np.int64)
    mask = xp.broadcast_to(mask, g.shape)
    places = xp.where(mask, _ranks(xp, mask), flat).reshape(-1)
    return xp.zeros(int(flat), g.dtype).at[places].set(g.reshape(-1), mode="drop").reshape(shape)


@op(shape=_masked_gather_rule, xla=_masked_gather_xla, name="masked_gather", exact=True,
    vjp=(lambda g, mask, avals: _masked_scatter(g.new_zeros(avals[0].shape), mask, g), None))  # fmt: skip
def _masked_gather(xp, g, mask, *, shape):
    """The elements of g where the mask is true, one after the other, then zeros."""
    found = g[np.broadcast_to(mask, g.shape)]
    out = np.zeros(shape, g.dtype)
    out.reshape(-1)[: found.size] = found
    return out


def _check_supply(input: Tensor, mask: Tensor, source: Tensor) -> None:
    """Refuse a source of fewer elements than there are places for."""
    shape = rules.broadcast_shapes("masked_scatter", input.shape, mask.shape)
    if source._aval.size < prod(shape):
        places = elements(mask)
        if places is not None and np.count_nonzero(np.broadcast_to(places, shape)) > source._aval.size:
            raise RuntimeError("masked_scatter: Number of elements of source < number of ones in mask")


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """The tensor with a source's elements, in their order, where a mask is true (``torch.masked_scatter``).

    >>> import kuai as torch
    >>> torch.masked_scatter(torch.zeros(3), torch.tensor([True, False, True]), torch.tensor([1., 2.]))
    tensor([1., 0., 2.])
    """
    _need_mask(mask, "masked_scatter_ only supports boolean masks")
    _check_supply(input, mask, source)
    return _masked_scatter(input, mask, source)


def nonzero(input: Tensor, *, out: Tensor | None = None, as_tuple: bool = False) -> Tensor | tuple[Tensor, ...]:
    """The indices of the elements that are not zero, a row for each or a vector for each dimension (``torch.nonzero``).

    >>> import kuai as torch
    >>> torch.nonzero(torch.tensor([0, 5, 6]))
    tensor([[1],
            [2]])
    """
    if as_tuple and out is not None:
        raise RuntimeError("nonzero does not support the out kwarg when as_tuple is True")
    if out is not None and out.dtype is not int64:
        raise RuntimeError(f"nonzero: Expected out tensor to have scalar type Long but got scalar type {out.dtype}")
    array = input._array()
    if as_tuple:
        return tuple([from_array(np.ascontiguousarray(c), input.device) for c in np.nonzero(np.atleast_1d(array))])
    made = from_array(np.ascontiguousarray(np.argwhere(array)), input.device)
    return made if out is None else write_exact(out, made)


def argwhere(input: Tensor) -> Tensor:
    """The indices of the elements that are not zero, a row for each (``torch.argwhere``).

    >>> import kuai as torch
    >>> torch.argwhere(torch.tensor([0, 5, 6]))
    tensor([[1],
            [2]])
    """
    if differs(input):  # the samples may have as many
        return on_host(lambda array: (np.argwhere(array),), input)[0]
    return nonzero(input)


# ---- by index into all elements ------------------------------------------------------------------------------------


def _need_long(index: Tensor, name: str, error: type = RuntimeError) -> None:
    if index.dtype is not int64:
        raise error(f"{name}(): Expected a long tensor for index, but got {rules._cname(index.dtype)}")


def _need_same_dtype(input: Tensor, source: Tensor, name: str) -> None:
    if input.dtype is not source.dtype:
        raise RuntimeError(
            f"{name}(): self and source expected to have the same dtype, but got self.dtype = {rules._cname(input.dtype)} and "
            f"source.dtype = {rules._cname(source.dtype)}"
        )


def _check_flat(index: Tensor, n: int) -> None:
    try:
        taking.check(index, n, 0)
    except IndexError as e:
        raise taking.OutOfBounds(f"out of range: tried to access {e} (a tensor of {n} elements)") from None


def take(input: Tensor, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements at places of the flattened tensor (``torch.take``).

    >>> import kuai as torch
    >>> torch.take(torch.tensor([[4, 3], [2, 1]]), torch.tensor([0, -1]))
    tensor([4, 1])
    """
    _need_long(index, "take")
    _check_flat(index, input._aval.size)
    made = take_at(input, index, dim=0, count=input.ndim, wrap=True)
    return made if out is None else write_exact(out, made)


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """The tensor with a source's elements at places of its flattened form (``torch.Tensor.put``).

    >>> import kuai as torch
    >>> torch.zeros(2, 2).put(torch.tensor([0, 3]), torch.tensor([5., 6.]))
    tensor([[5., 0.],
            [0., 6.]])
    """
    _need_long(index, "put_")
    _need_same_dtype(input, source, "put_")
    if index._aval.size != source._aval.size:
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got source.numel() = "
            f"{source._aval.size}, index.numel() = {index._aval.size}"
        )
    _check_flat(index, input._aval.size)
    source = source if source.shape == index.shape else source.reshape(index.shape)
    if accumulate:
        return add_at(input, source, index, dim=0, count=input.ndim, shape=input.shape)
    return put_at(input, source, index, dim=0, count=input.ndim)


# ---- by index into one dimension -----------------------------------------------------------------------------------


def _need_one_device(name: str, *xs: Tensor) -> None:
    if len({x.device for x in xs}) > 1:
        where = ", ".join(str(x.device) for x in xs)
        raise RuntimeError(f"{name}(): self, index and source expected to be in the same device, but got {where}")


def _as_vectors(input: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """Tensors of no dimensions as vectors of one element."""
    return tuple([x if x.ndim else x.reshape(1) for x in (input, *others)])


def index_select(input: Tensor, dim: int, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The slices at the given places of a dimension (``torch.index_select``).

    >>> import kuai as torch
    >>> torch.index_select(torch.tensor([[1, 2, 3]]), 1, torch.tensor([2, 0]))
    tensor([[3, 1]])
    """
    dim = rules.normalize_dim(dim, input.ndim)
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError("index_select(): Expected dtype int32 or int64 for index")
    if index.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    if not input.ndim and index._aval.size != 1:
        raise RuntimeError(f"index_select(): Index to scalar can have only 1 value, got {index._aval.size} value(s)")
    source, places = _as_vectors(input, index)
    taking.check(places, source.shape[dim], dim, wrap=False)
    made = take_at(source, places, dim=dim, count=1, wrap=False)
    if out is not None and out.dtype is not input.dtype:
        raise RuntimeError(f"index_select(): self and result must have the same scalar type, got {input.dtype} and {out.dtype}")
    return _shaped_as(made, input, out)


def _check_source(input: Tensor, dim: int, index: Tensor, source: Tensor, name: str, error: type = IndexError) -> None:
    """The dtypes and shapes of ``f(input, dim, index, source)``: the source has a slice for each index."""
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index should have dimension 1 or 0 (got {index.ndim})")
    if source.ndim != input.ndim and (input.ndim or error is RuntimeError) and source.ndim:
        raise error(
            f"{name}(): When source and destination are not scalars, their dimensionality must match. Source dimensionality "
            f"({source.ndim}), destination dimensionality ({input.ndim})"
        )
    _need_same_dtype(input, source, name)
    if not source.ndim and index._aval.size != 1:
        raise IndexError(f"{name}(): When source is scalar, index should have one element (got {index._aval.size})")
    rest = [n for d, n in enumerate(source.shape) if d != dim]
    if rest != [n for d, n in enumerate(input.shape) if d != dim]:
        raise RuntimeError(
            f"{name}(): Source/destination tensor must have same slice shapes. Destination slice shape: {list(input.shape)} at "
            f"dimension {dim} and source slice shape: {list(source.shape)} at dimension {dim}."
        )
    size = source.shape[dim] if source.ndim else 1
    if size != index._aval.size:
        raise error(
            f"{name}(): Number of indices ({index._aval.size}) should be equal to source.size(dim): ({size}), for dim: {dim}"
        )


def _placed(input: Tensor, dim: int, index: Tensor, source: Tensor, wrap: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    _need_one_device("index_copy", input, index, source)
    x, places, source = _as_vectors(input, index, source)
    taking.check(places, x.shape[dim], dim, wrap)
    return x, places, source


def _shaped_as(made: Tensor, input: Tensor, out: Tensor | None = None) -> Tensor:
    made = made if input.ndim else made.reshape(())
    return made if out is None else write_out(out, made)


def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: object = 1, out: Tensor | None = None
) -> Tensor:
    """The tensor with a source's slices, times alpha, added at places of a dimension (``torch.index_add``).

    >>> import kuai as torch
    >>> torch.index_add(torch.zeros(3), 0, torch.tensor([0, 0, 2]), torch.ones(3))
    tensor([2., 0., 1.])
    """
    dim = rules.normalize_dim(dim, input.ndim)
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError("index_add_(): Expected dtype int32/int64 for index")
    if input.dtype is not source.dtype:
        names = f"self ({rules._cname(input.dtype)}) and source ({rules._cname(source.dtype)})"
        raise RuntimeError(f"index_add_(): {names} must have the same scalar type")
    taking.check_slices(input, dim, source, "index_add_")
    _check_source(input, dim, index, source, "index_add_", RuntimeError)
    x, places, source = _placed(input, dim, index, source)
    if alpha != 1:
        rules.need_fit(alpha, input.dtype, "index_add_()")
        source = source * (int(alpha) if input.dtype.category == 1 else alpha)
    return _shaped_as(add_at(x, source, places, dim=dim, count=1, shape=x.shape), input, out)


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The tensor with a source's slices at places of a dimension (``torch.index_copy``).

    >>> import kuai as torch
    >>> torch.index_copy(torch.zeros(3), 0, torch.tensor([2, 0]), torch.tensor([1., 5.]))
    tensor([5., 0., 1.])
    """
    dim = rules.normalize_dim(dim, input.ndim)
    _need_long(index, "index_copy_")
    _check_source(input, dim, index, source, "index_copy_")
    x, places, source = _placed(input, dim, index, source)
    return _shaped_as(put_at(x, source, places, dim=dim, count=1), input, out)


def index_fill(input: Tensor, dim: int, index: Tensor, value: Tensor | complex) -> Tensor:
    """The tensor with one value at places of a dimension (``torch.index_fill``).

    >>> import kuai as torch
    >>> torch.index_fill(torch.zeros(2, 3), 1, torch.tensor([0, 2]), 7)
    tensor([[7., 0., 7.],
            [7., 0., 7.]])
    """
    dim = rules.normalize_dim(dim, input.ndim)
    if index.dtype is not int64:
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if index.ndim > 1:
        raise RuntimeError("index_fill_(): Index has to be a vector/scalar")
    _need_one_device("index_fill", input, index)
    value = _number_for(input, value, "index_fill")
    x, places = _as_vectors(input, index)
    taking.check(places, x.shape[dim], dim)
    if isinstance(value, Tensor) and value.requires_grad:  # a place that is named twice counts once in its derivative
        mask = put_at(zeros(x.shape, dtype=bool_, device=x.device), True, places, dim=dim, count=1)
        return _shaped_as(fill_where(x, mask, value), input)
    return _shaped_as(put_at(x, value, places, dim=dim, count=1), input)


def index_put(input: Tensor, indices: Sequence[Tensor], values: Tensor, accumulate: bool = False) -> Tensor:
    """The tensor with values at index tensors, as ``x[indices] = values`` puts them (``torch.index_put``).

    >>> import kuai as torch
    >>> torch.zeros(3).index_put((torch.tensor([0, 2]),), torch.tensor([1., 2.]))
    tensor([1., 0., 2.])
    """
    return index_put_(input.clone(), indices, values, accumulate)


def index_put_(self: Tensor, indices: Sequence[Tensor], values: Tensor, accumulate: bool = False) -> Tensor:
    """Put values at index tensors (``torch.Tensor.index_put_``).

    >>> import kuai as torch
    >>> torch.zeros(3).index_put_((torch.tensor([0, 0]),), torch.tensor([1., 2.]), accumulate=True)
    tensor([3., 0., 0.])
    """
    if not isinstance(indices, (tuple, list)):
        raise TypeError(f"index_put_(): argument 'indices' must be tuple of Tensors, not {type(indices).__name__}")
    if not isinstance(values, Tensor):
        raise TypeError(f"index_put_(): argument 'values' (position 2) must be Tensor, not {type(values).__name__}")
    for i, item in enumerate(indices):
        if not isinstance(item, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(item).__name__}")
    subscript.put_tensors(self, tuple(indices), values, accumulate)
    return self


METHODS = ("masked_fill", "masked_select", "masked_scatter", "nonzero", "argwhere", "take", "put", "index_select",
           "index_add", "index_copy", "index_fill", "index_put", "index_put_")  # fmt: skip
INPLACE = ("masked_fill", "masked_scatter", "put", "index_add", "index_copy", "index_fill")
METHODS_EXTRA = {"__getitem__": getitem, "__setitem__": setitem, "__delitem__": delitem}
