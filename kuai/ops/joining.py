"""Joining tensors, and taking them apart.

What is taken apart are views, recorded as one op with many results: so their derivative is one op too, which joins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import index as as_int

from .. import dtypes
from ..dtypes import dtype
from ..engine.program import Aval, Op
from ..tensor import Step, Tensor
from . import rules, slicing
from .along import also_named
from .define import op, write_out
from .dimensions import piece_spec, reshaped, row_spec
from .geometry import overlap
from .rules import normalize_dim

# ---- cat and stack ---------------------------------------------------------------------------------------------------


def _promoted(avals: Sequence[Aval]) -> dtype:
    found = avals[0].dtype
    for a in avals[1:]:
        if a.dtype is not found:
            found = dtypes.promote_types(found, a.dtype)
    return found


def _nothing(x: object) -> bool:
    """Whether an operand is one of those empty vectors that cat takes for nothing."""
    return x.shape == (0,)


def _cat_rule(op: Op, avals: Sequence, *, dim: int) -> tuple:
    for i, a in enumerate(avals):
        if not a.shape:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    counted = [a for a in avals if not _nothing(a)] or avals[:1]
    first, rank = counted[0], len(counted[0].shape)
    at = normalize_dim(dim, rank)
    for i, a in enumerate(avals):
        if not _nothing(a):
            _check_fits(first, a, at, i)
    found = _promoted(avals)
    total = sum(a.shape[at] for a in counted)
    shape = (*first.shape[:at], total, *first.shape[at + 1 :])
    return Aval(shape, found, rules.common_device(op, avals)), (found,) * len(avals)


def _check_fits(first: Aval, a: Aval, dim: int, i: int) -> None:
    if len(a.shape) != len(first.shape):
        raise RuntimeError(f"Tensors must have same number of dimensions: got {len(first.shape)} and {len(a.shape)}")
    for d, (n, have) in enumerate(zip(first.shape, a.shape)):
        if n != have and d != dim:
            raise RuntimeError(
                f"Sizes of tensors must match except in dimension {dim}. Expected size {n} but got size {have} for tensor "
                f"number {i} in the list: shapes {list(first.shape)} and {list(a.shape)}"
            )


def _cat_vjp(g: Tensor, avals: tuple, dim: int) -> tuple:
    dim = normalize_dim(dim, len(g.shape))
    lengths = tuple([0 if _nothing(a) else a.shape[dim] for a in avals])
    return tuple([reshaped(p, a.shape) for p, a in zip(_split(g, lengths=lengths, dim=dim), avals)])


@op(shape=_cat_rule, vjp=_cat_vjp, name="cat", exact=True)
def _cat(xp, *xs, dim):
    return xp.concatenate([x for x in xs if not _nothing(x)] or xs[:1], dim)


def cat(tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Tensors one after the other along a dimension (``torch.cat``).

    >>> import kuai as torch
    >>> torch.cat([torch.tensor([1, 2]), torch.tensor([3])])
    tensor([1, 2, 3])
    """
    _check_list("cat", tensors)
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    made = _cat(*tensors, dim=as_int(dim))
    if out is None:
        return made
    _check_joined(made, out)
    for i, t in enumerate(tensors):
        if overlap(t, out):
            raise RuntimeError(
                f"unsupported operation: the input tensors cannot refer to any of the output memory locations, as input {i} does"
            )
    return write_out(out, made)


def _check_list(name: str, tensors: object) -> None:
    if not isinstance(tensors, (tuple, list)):
        kind = type(tensors).__name__
        raise TypeError(f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not {kind}")
    for i, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            raise TypeError(f"{name}(): expected Tensor as element {i} in argument 0, but got {type(t).__name__}")


def concat(tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """`cat` (``torch.concat``).

    >>> import kuai as torch
    >>> torch.concat([torch.tensor([1]), torch.tensor([2])])
    tensor([1, 2])
    """
    return cat(tensors, dim, out=out)


def concatenate(tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """`cat` under NumPy's name (``torch.concatenate``).

    >>> import kuai as torch
    >>> torch.concatenate([torch.ones(2, 1), torch.zeros(2, 1)], axis=1)
    tensor([[1., 0.],
            [1., 0.]])
    """
    return cat(tensors, dim, out=out)


def _stack_rule(op: Op, avals: Sequence, *, dim: int) -> tuple:
    given = rules.tensors(avals)
    first = given[0]
    for i, a in enumerate(given):
        if a.shape != first.shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(first.shape)} at entry 0 and {list(a.shape)} at "
                f"entry {i}"
            )
    at, found = normalize_dim(dim, len(first.shape) + 1), _promoted(given)
    shape = (*first.shape[:at], len(avals), *first.shape[at:])
    return Aval(shape, found, rules.common_device(op, avals)), (found,) * len(avals)


def _stack_vjp(g: Tensor, dim: int) -> tuple:
    return _unbind(g, dim=dim)


@op(shape=_stack_rule, vjp=_stack_vjp, name="stack", exact=True)
def _stack(xp, *xs, dim):
    return xp.stack(_with_zeros(xp, xs), dim)


def _with_zeros(xp, xs):
    """The operands, with zeros for those that are absent: cotangents of results that nobody used."""
    if all(x is not None for x in xs):
        return xs
    zeros = xp.zeros_like(next(x for x in xs if x is not None))
    return [zeros if x is None else x for x in xs]


def _check_joined(made: Tensor, out: Tensor) -> None:
    if not dtypes.can_cast(made.dtype, out.dtype):
        raise TypeError(f"torch.cat(): input types can't be cast to the desired output type {rules._cname(out.dtype)}")


def stack(tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Tensors of one shape side by side along a new dimension (``torch.stack``).

    >>> import kuai as torch
    >>> torch.stack([torch.tensor([1, 2]), torch.tensor([3, 4])], dim=1)
    tensor([[1, 3],
            [2, 4]])
    """
    _check_list("stack", tensors)
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    made = _stack(*tensors, dim=as_int(dim))
    if out is not None:
        _check_joined(made, out)
    return made if out is None else write_out(out, made)


# ---- ops of many results ---------------------------------------------------------------------------------------------


def _split_rule(op: Op, avals: Sequence, *, lengths: tuple, dim: int) -> tuple:
    x = avals[0]
    return tuple([x.with_((*x.shape[:dim], n, *x.shape[dim + 1 :])) for n in lengths]), None


def _split_vjp(g: tuple, lengths: tuple, dim: int) -> Tensor:
    return _join(*g, lengths=lengths, dim=dim)


def _bounds(lengths: Sequence[int]) -> list[tuple[int, int]]:
    starts = [0]
    for n in lengths:
        starts.append(starts[-1] + n)
    return list(zip(starts, starts[1:]))


@op(shape=_split_rule, vjp=(_split_vjp,), many=True, name="split", cost=0.0, exact=True)
def _split(xp, x, *, lengths, dim):
    before = (slice(None),) * dim
    return [x[(*before, slice(a, b))] for a, b in _bounds(lengths)]


def _join_rule(op: Op, avals: Sequence, *, lengths: tuple, dim: int) -> tuple:
    first = rules.tensors(avals)[0]
    return first.with_((*first.shape[:dim], sum(lengths), *first.shape[dim + 1 :])), (first.dtype,) * len(avals)


@op(shape=_join_rule, vjp=lambda g, lengths, dim: _split(g, lengths=lengths, dim=dim), name="join", exact=True)
def _join(xp, *xs, lengths, dim):
    """The pieces of a split put together, with zeros for those that are absent."""
    first = next(x for x in xs if x is not None)
    shapes = [(*first.shape[:dim], n, *first.shape[dim + 1 :]) for n in lengths]
    return xp.concatenate([xp.zeros(s, first.dtype) if x is None else x for x, s in zip(xs, shapes)], dim)


def _unbind_rule(op: Op, avals: Sequence, *, dim: int) -> tuple:
    x = avals[0]
    at = normalize_dim(dim, len(x.shape))
    return (x.with_((*x.shape[:at], *x.shape[at + 1 :])),) * x.shape[at], None


@op(shape=_unbind_rule, vjp=(lambda g, dim: _stack(*g, dim=dim),), many=True, name="unbind", cost=0.0, exact=True)
def _unbind(xp, x, *, dim):
    rows = xp.moveaxis(x, dim, 0)
    return [rows[i, ...] for i in range(rows.shape[0])]


# ---- taking apart ----------------------------------------------------------------------------------------------------


def _as_views(name: str, x: Tensor, pieces: Sequence[Tensor], places: Sequence[tuple]) -> tuple[Tensor, ...]:
    """Make pieces of a tensor, which an op has given, share its memory; those of a sparse one share none."""
    if x._storage is not None and x._storage.record is not None:
        return tuple(pieces)
    for made, (spec, start) in zip(pieces, places):
        made._become_view(x, Step(slicing.view.op, slicing._record_read, (spec,), (start,), name))
    return tuple(pieces)


@lru_cache(maxsize=1024)
def _split_places(shape: tuple[int, ...], lengths: tuple[int, ...], dim: int) -> list[tuple]:
    specs = [piece_spec(shape, dim, n, 1) for n in lengths]
    return [(spec, a if spec[-1][2] else None) for spec, (a, _) in zip(specs, _bounds(lengths))]


@lru_cache(maxsize=1024)
def _row_places(shape: tuple[int, ...], dim: int) -> list[tuple]:
    return [(row_spec(shape, dim), i) for i in range(shape[dim])]


def _apart(x: Tensor, lengths: tuple[int, ...], dim: int) -> tuple[Tensor, ...]:
    return _as_views("split", x, _split(x, lengths=lengths, dim=dim), _split_places(x.shape, lengths, dim))


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of all places of a dimension (``torch.unbind``).

    >>> import kuai as torch
    >>> torch.unbind(torch.tensor([[1, 2], [3, 4]]))
    (tensor([1, 2]), tensor([3, 4]))
    """
    shape = input.shape
    if not shape:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    dim = normalize_dim(dim, len(shape))
    return _as_views("unbind", input, _unbind(input, dim=dim), _row_places(shape, dim)) if shape[dim] else ()


def _dimensioned(name: str, x: Tensor, dim: int) -> int:
    if not x.shape:
        raise RuntimeError(f"{name} expects at least a 1-dimensional tensor")
    return normalize_dim(dim, len(x.shape))


@lru_cache(maxsize=1024)
def _even(n: int, size: int) -> tuple[int, ...]:
    """The lengths of pieces of one size, of which the last may be shorter."""
    if size < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={size}")
    if size == 0 and n:
        raise RuntimeError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {n}")
    return tuple([min(size, n - i) for i in range(0, n, size)]) if n else (0,)


def _lengths(name: str, x: Tensor, given: object, dim: int) -> tuple[tuple[int, ...], int]:
    """The lengths of split's pieces, and the dimension from the front."""
    dim = _dimensioned(name, x, dim)
    n = x.shape[dim]
    if not isinstance(given, (tuple, list)):
        return _even(n, as_int(given)), dim
    found = tuple(map(as_int, given))
    if any(k < 0 for k in found):
        raise RuntimeError(
            f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={list(found)}"
        )
    if sum(found) != n:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {n} (input tensor's size at dimension {dim}), but got "
            f"split_sizes={list(found)}"
        )
    return found, dim


def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of pieces of one length, or of given lengths (``torch.split``).

    >>> import kuai as torch
    >>> torch.split(torch.arange(5), 2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    return _apart(tensor, *_lengths("split", tensor, split_size_or_sections, dim))


def _split_method(self: Tensor, split_size: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of pieces of one length, or of given lengths (``torch.Tensor.split``).

    >>> import kuai as torch
    >>> torch.arange(5).split(2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    return split(self, split_size, dim)


def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """`split` into pieces of given lengths (``torch.split_with_sizes``).

    >>> import kuai as torch
    >>> torch.split_with_sizes(torch.arange(4), (1, 3))
    (tensor([0]), tensor([1, 2, 3]))
    """
    return _apart(input, *_lengths("split_with_sizes", input, tuple(split_sizes), dim))


def unsafe_split(tensor: Tensor, split_size: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`split`, the pieces in memory of their own (``torch.unsafe_split``).

    >>> import kuai as torch
    >>> torch.unsafe_split(torch.arange(3), 2)
    (tensor([0, 1]), tensor([2]))
    """
    lengths, dim = _lengths("split", tensor, split_size, dim)
    return _split(tensor, lengths=lengths, dim=dim)


def unsafe_split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """`split_with_sizes`, the pieces in memory of their own (``torch.unsafe_split_with_sizes``).

    >>> import kuai as torch
    >>> torch.unsafe_split_with_sizes(torch.arange(3), (1, 2))
    (tensor([0]), tensor([1, 2]))
    """
    return unsafe_split(input, tuple(split_sizes), dim)


def _chunk_lengths(x: Tensor, chunks: int, dim: int) -> tuple[tuple[int, ...], int]:
    dim = _dimensioned("chunk", x, dim)
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    n = x.shape[dim]
    return (_even(n, -(-n // chunks)) if n else (0,) * chunks), dim


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of at most so many pieces, all but the last equally long (``torch.chunk``).

    >>> import kuai as torch
    >>> torch.chunk(torch.arange(5), 2)
    (tensor([0, 1, 2]), tensor([3, 4]))
    """
    return _apart(input, *_chunk_lengths(input, chunks, dim))


def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`chunk`, the pieces in memory of their own (``torch.unsafe_chunk``).

    >>> import kuai as torch
    >>> torch.unsafe_chunk(torch.arange(4), 2)
    (tensor([0, 1]), tensor([2, 3]))
    """
    lengths, dim = _chunk_lengths(input, chunks, dim)
    return _split(input, lengths=lengths, dim=dim)


@also_named(indices="indices_or_sections", sections="indices_or_sections", tensor_indices_or_sections="indices_or_sections")
def tensor_split(input: Tensor, indices_or_sections: int | Sequence[int] | Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of so many pieces of nearly one length, or of those between indices (``torch.tensor_split``).

    >>> import kuai as torch
    >>> torch.tensor_split(torch.arange(5), (1, 3))
    (tensor([0]), tensor([1, 2]), tensor([3, 4]))
    """
    if not input.shape:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    given = _split_points(indices_or_sections)
    dim = normalize_dim(dim, len(input.shape))
    n = input.shape[dim]
    if isinstance(given, int):
        return _apart(input, _nearly_even(n, given), dim)
    ends = [min(max(i + n if i < 0 else i, 0), n) for i in given]
    return tuple([input.narrow(dim, a, max(b - a, 0)) for a, b in zip((0, *ends), (*ends, n))])


def _split_points(given: object) -> int | tuple[int, ...]:
    if isinstance(given, Tensor):
        if given.device.type != "cpu" or given.dtype is not dtypes.int64 or given.ndim > 1:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional int64 tensor on "
                f"the CPU, but got {given.ndim} dimensions of {given.dtype} on {given.device}"
            )
        given = given.tolist()
    return tuple(map(as_int, given)) if isinstance(given, (tuple, list)) else as_int(given)


def _nearly_even(n: int, sections: int) -> tuple[int, ...]:
    if sections <= 0:
        raise RuntimeError(f"number of sections must be larger than 0, got {sections}")
    each, more = divmod(n, sections)
    return (each + 1,) * more + (each,) * (sections - more)


def _named_split(name: str, rank: int, dim_of: Callable, example: str) -> Callable:
    @also_named(indices="indices_or_sections", sections="indices_or_sections")
    def split_along(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
        if len(input.shape) < rank:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {rank} dimension, but got a tensor with {len(input.shape)} "
                "dimensions!"
            )
        dim, given = dim_of(len(input.shape)), indices_or_sections
        if isinstance(given, int) and (given <= 0 or input.shape[dim] % given):
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension {input.shape[dim]} is "
                f"not divisible by the split_size {given}!"
            )
        return tensor_split(input, given, dim)

    split_along.__name__ = split_along.__qualname__ = name
    split_along.__doc__ = f"""`tensor_split` along the dimension that NumPy's {name} has (``torch.{name}``).

    >>> import kuai as torch
    >>> {example}
    """
    return split_along


hsplit = _named_split("hsplit", 1, lambda rank: 0 if rank == 1 else 1, "len(torch.hsplit(torch.ones(2, 6), 3))\n    3")
vsplit = _named_split("vsplit", 2, lambda rank: 0, "len(torch.vsplit(torch.ones(2, 6), 2))\n    2")
dsplit = _named_split("dsplit", 3, lambda rank: 2, "len(torch.dsplit(torch.ones(1, 2, 6), [4]))\n    2")

# ---- stacks of NumPy's kinds -----------------------------------------------------------------------------------------


def _need_some(name: str, tensors: Sequence[Tensor]) -> None:
    _check_list(name, tensors)
    if not tensors:
        raise RuntimeError(f"{name} expects a non-empty TensorList")


def _each(fn: Callable, tensors: tuple) -> Tensor | tuple[Tensor, ...]:
    """A function of one tensor, or of several, or of a list of them."""
    if len(tensors) == 1:
        if not isinstance(tensors[0], (tuple, list)):
            return fn(tensors[0])
        tensors = tuple(tensors[0])
    return tuple(map(fn, tensors))


def atleast_1d(*tensors: Tensor) -> Tensor | tuple[Tensor, ...]:
    """Views with at least 1 dimension (``torch.atleast_1d``).

    >>> import kuai as torch
    >>> torch.atleast_1d(torch.tensor(1.))
    tensor([1.])
    """
    return _each(lambda x: x if x.shape else x.reshape(1), tensors)


def atleast_2d(*tensors: Tensor) -> Tensor | tuple[Tensor, ...]:
    """Views with at least 2 dimensions, put in at the front (``torch.atleast_2d``).

    >>> import kuai as torch
    >>> torch.atleast_2d(torch.ones(2))
    tensor([[1., 1.]])
    """
    return _each(lambda x: x if x.ndim > 1 else x.unsqueeze(0) if x.ndim else x.reshape(1, 1), tensors)


def atleast_3d(*tensors: Tensor) -> Tensor | tuple[Tensor, ...]:
    """Views with at least 3 dimensions, put in as NumPy does (``torch.atleast_3d``).

    >>> import kuai as torch
    >>> torch.atleast_3d(torch.ones(2)).shape
    torch.Size([1, 2, 1])
    """
    return _each(_three, tensors)


def _three(x: Tensor) -> Tensor:
    if x.ndim > 2:
        return x
    return x.unsqueeze(-1) if x.ndim == 2 else x.unsqueeze(0).unsqueeze(-1) if x.ndim else x.reshape(1, 1, 1)


def _out(made: Tensor, out: Tensor | None) -> Tensor:
    return made if out is None else write_out(out, made)


def hstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Tensors side by side: along dimension 1, vectors along 0 (``torch.hstack``).

    >>> import kuai as torch
    >>> torch.hstack([torch.tensor([[1], [2]]), torch.tensor([[3], [4]])])
    tensor([[1, 3],
            [2, 4]])
    """
    _need_some("hstack", tensors)
    parts = _each(atleast_1d, (tensors,))
    return _out(cat(parts, 0 if parts[0].ndim == 1 else 1), out)


def vstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Tensors below each other, vectors as rows (``torch.vstack``).

    >>> import kuai as torch
    >>> torch.vstack([torch.tensor([1, 2]), torch.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    _need_some("vstack", tensors)
    return _out(cat(_each(atleast_2d, (tensors,)), 0), out)


def row_stack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """`vstack` (``torch.row_stack``).

    >>> import kuai as torch
    >>> torch.row_stack([torch.tensor([1, 2]), torch.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    return vstack(tensors, out=out)


def dstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Tensors behind each other, along dimension 2 (``torch.dstack``).

    >>> import kuai as torch
    >>> torch.dstack([torch.tensor([1, 2]), torch.tensor([3, 4])])
    tensor([[[1, 3],
             [2, 4]]])
    """
    _need_some("dstack", tensors)
    return _out(cat(_each(atleast_3d, (tensors,)), 2), out)


def column_stack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Tensors side by side, vectors as columns (``torch.column_stack``).

    >>> import kuai as torch
    >>> torch.column_stack([torch.tensor([1, 2]), torch.tensor([3, 4])])
    tensor([[1, 3],
            [2, 4]])
    """
    _need_some("column_stack", tensors)
    return _out(cat([t if t.ndim > 1 else t.reshape(-1, 1) for t in tensors], 1), out)


METHODS = ("unbind", "split_with_sizes", "chunk", "tensor_split", "hsplit", "vsplit", "dsplit", "unsafe_split", "unsafe_chunk",
           "unsafe_split_with_sizes")  # fmt: skip
INPLACE = ()
METHODS_EXTRA = {"split": _split_method}
