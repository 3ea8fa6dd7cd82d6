"""The same elements at other places: reversed, rolled, repeated, cut to triangles, spread over grids."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations as _combinations
from itertools import combinations_with_replacement
from math import prod
from operator import index as as_int
from typing import Any

import numpy as np

from .. import dtypes
from ..devices import placement
from ..dtypes import dtype, int64
from ..engine.program import Aval, Op, Size
from ..errors import warn
from ..tensor import Tensor, from_array
from . import copies, memory, rules, slicing
from .creation import available, zeros
from .define import op, write_exact
from .dimensions import reshaped
from .rules import normalize_dim
from .slicing import pack
from .strided import diagonal_of, diagonal_put
from .taking import take_at
from .views import sizes, spread

# ---- reversed and rolled ---------------------------------------------------------------------------------------------


def _distinct(dims: Sequence[int], rank: int) -> tuple[int, ...]:
    found = tuple([normalize_dim(d, rank) for d in dims])
    for d in found:
        if found.count(d) > 1:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
    return found


def _flip_rule(op: Op, avals: Sequence, *, dims: tuple) -> tuple:
    _distinct(dims, len(avals[0].shape))
    return avals[0], None


@op(shape=_flip_rule, vjp=(lambda g, dims: _flip(g, dims=dims),), name="flip", exact=True)
def _flip(xp, x, *, dims):
    reversed_ = {d % x.ndim for d in dims if x.ndim}
    return x[tuple([slice(None, None, -1 if d in reversed_ else 1) for d in range(x.ndim)])]


def flip(input: Tensor, dims: int | Sequence[int]) -> Tensor:
    """The elements of some dimensions in reverse (``torch.flip``).

    >>> import kuai as torch
    >>> torch.flip(torch.tensor([[1, 2], [3, 4]]), (1,))
    tensor([[2, 1],
            [4, 3]])
    """
    return _flip(input, dims=sizes((dims,)))


def fliplr(input: Tensor) -> Tensor:
    """The columns in reverse (``torch.fliplr``).

    >>> import kuai as torch
    >>> torch.fliplr(torch.tensor([[1, 2], [3, 4]]))
    tensor([[2, 1],
            [4, 3]])
    """
    if len(input.shape) < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return _flip(input, dims=(1,))


def flipud(input: Tensor) -> Tensor:
    """The rows in reverse (``torch.flipud``).

    >>> import kuai as torch
    >>> torch.flipud(torch.tensor([[1, 2], [3, 4]]))
    tensor([[3, 4],
            [1, 2]])
    """
    if not input.shape:
        raise RuntimeError("Input must be >= 1-d.")
    return _flip(input, dims=(0,))


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """A plane's elements turned by a right angle, k times (``torch.rot90``).

    >>> import kuai as torch
    >>> torch.rot90(torch.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    rank = len(input.shape)
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if rank < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {rank}")
    for d in dims:
        normalize_dim(d, rank)
    if dims[0] == dims[1] or abs(dims[0] - dims[1]) == rank:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    a, b = normalize_dim(dims[0], rank), normalize_dim(dims[1], rank)
    turns = k % 4
    if turns % 2 == 0:
        return _flip(input, dims=(a, b) if turns else ())
    return _flip(input.transpose(a, b), dims=(a,) if turns == 1 else (b,))


def _roll_rule(op: Op, avals: Sequence, *, dim: int) -> tuple:
    if not avals[0].shape:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    normalize_dim(dim, len(avals[0].shape))
    return avals[0], (avals[0].dtype, int64)


@op(shape=_roll_rule, vjp=(lambda g, shift, dim: _roll(g, -shift, dim=dim), None), name="roll", exact=True)
def _roll(xp, x, shift, *, dim):
    return xp.roll(x, shift, dim)


def roll(input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Tensor:
    """The elements moved along dimensions; those beyond the end come back at the start (``torch.roll``).

    >>> import kuai as torch
    >>> torch.roll(torch.arange(4), 1)
    tensor([3, 0, 1, 2])
    """
    by, over = sizes((shifts,)), sizes((() if dims is None else dims,))
    if not by:
        raise RuntimeError("`shifts` required")
    if not over and len(by) == 1:
        return reshaped(_roll(reshaped(input, (input._aval.size,)), by[0], dim=0), input.shape)
    if len(by) != len(over):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(by)}, dims:{len(over)}")
    for shift, dim in zip(by, over):
        input = _roll(input, shift, dim=dim)
    return input


# ---- repeated --------------------------------------------------------------------------------------------------------


def _repeat_rule(op: Op, avals: Sequence, *, repeats: tuple) -> tuple:
    x = avals[0]
    if len(repeats) < len(x.shape):
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor: "
            f"{len(repeats)} for shape {list(x.shape)}"
        )
    shape = [n * r for n, r in zip(_padded(x.shape, len(repeats)), repeats)]
    if any(r < 0 for r in repeats):
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(shape)}: {shape}")
    return x.with_(shape), None


def _padded(shape: Sequence[int], rank: int) -> tuple[int, ...]:
    return (1,) * (rank - len(shape)) + tuple(shape)


def _interleaved(repeats: Sequence[int], shape: Sequence[int]) -> tuple[int, ...]:
    return tuple([n for pair in zip(repeats, shape) for n in pair])


def _repeat_vjp(g: Tensor, avals: tuple, repeats: tuple) -> Tensor:
    shape = avals[0].shape
    parts = reshaped(g, _interleaved(repeats, _padded(shape, len(repeats))))
    return reshaped(parts.sum(tuple(range(0, 2 * len(repeats), 2))), shape) if repeats else g


@op(shape=_repeat_rule, vjp=(_repeat_vjp,), name="repeat", exact=True)
def _repeat(xp, x, *, repeats):
    shape = _padded(x.shape, len(repeats))
    wide = xp.broadcast_to(x.reshape(_interleaved((1,) * len(shape), shape)), _interleaved(repeats, shape))
    return wide.reshape([n * r for n, r in zip(shape, repeats)])


def _repeat_all(self: Tensor, repeats: object) -> Tensor:
    """Copies of the tensor side by side, so many along each dimension (``torch.Tensor.repeat``).

    >>> import kuai as torch
    >>> torch.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    return _repeat(self, repeats=sizes((repeats,)))


def tile(input: Tensor, dims: Sequence[int]) -> Tensor:
    """`Tensor.repeat`, which may name only the last dimensions (``torch.tile``).

    >>> import kuai as torch
    >>> torch.tile(torch.tensor([[1], [2]]), (2,))
    tensor([[1, 1],
            [2, 2]])
    """
    return _repeat(input, repeats=_padded(sizes((dims,)), len(input.shape)))


def repeat_interleave(input: Tensor | None = None, repeats: int | Tensor | None = None, dim: int | None = None, *,
                      output_size: int | None = None) -> Tensor:  # fmt: skip
    """Each element repeated, so often as a number or a tensor of numbers says (``torch.repeat_interleave``).

    >>> import kuai as torch
    >>> torch.repeat_interleave(torch.tensor([1, 2]), torch.tensor([1, 2]))
    tensor([1, 2, 2])
    """
    if not isinstance(input if repeats is None else repeats, (Tensor, int)) or input is repeats is None:
        raise TypeError("repeat_interleave() needs a tensor, and how often its elements are repeated: an int or a Tensor")
    if repeats is None or input is None:  # one tensor alone says how often its places are repeated
        return _repeated_places(input if repeats is None else repeats, output_size)
    if dim is None:
        input, dim = input.flatten(), 0
    dim = normalize_dim(dim, len(input.shape))
    if isinstance(repeats, Tensor) and repeats._aval.size != 1:
        _check_repeats(repeats, input, dim)
        return take_at(input, _repeated_places(repeats, output_size), dim=dim, count=1, wrap=False)
    times = as_int(repeats)
    if output_size is not None and output_size != times * input.shape[dim]:
        raise RuntimeError(f"allocated size does not match required size: output_size={output_size}, needs {times * input.shape[dim]}")
    return _each_repeated(input, times, dim)


def _check_repeats(repeats: Tensor, x: Tensor, dim: int) -> None:
    if repeats.ndim > 1:
        raise RuntimeError("repeats must be 0-dim or 1-dim tensor")
    if repeats.shape[0] != x.shape[dim]:
        raise RuntimeError(
            f"repeats must have the same size as input along dim, but got repeats.size(0) = {repeats.shape[0]} and "
            f"input.size({dim}) = {x.shape[dim]}"
        )


def _repeated_places(repeats: Tensor, output_size: int | None) -> Tensor:
    """The number of each element, as often as it is to be repeated."""
    if repeats.dtype not in (dtypes.int64, dtypes.int32):
        raise NotImplementedError(f"\"repeat_interleave_cpu\" not implemented for '{rules._cname(repeats.dtype)}'")
    if len(repeats.shape) != 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    times = repeats._array()
    if (times < 0).any():
        raise RuntimeError("repeats can not be negative")
    found = np.repeat(np.arange(len(times)), times)
    if output_size is not None and output_size != len(found):
        raise RuntimeError(f"allocated size does not match required size: output_size={output_size}, needs {len(found)}")
    return from_array(found.astype(repeats.dtype.numpy), repeats.device)


def _each_repeated(x: Tensor, times: int, dim: int) -> Tensor:
    if times < 0:
        raise RuntimeError("Repeats must be non-negative")
    shape = x.shape or (1,)
    wide = reshaped(x, (*shape[: dim + 1], 1, *shape[dim + 1 :]))
    repeated = _repeat(wide, repeats=tuple([times if d == dim + 1 else 1 for d in range(len(shape) + 1)]))
    return reshaped(repeated, (*shape[:dim], shape[dim] * times, *shape[dim + 1 :]))


# ---- triangles -------------------------------------------------------------------------------------------------------


def _triangle_rule(op: Op, avals: Sequence) -> tuple:
    x = avals[0]
    if len(x.shape) < 2:
        raise RuntimeError(f"{op.name}: input tensor must have at least 2 dimensions")
    return x, (x.dtype, int64)


def _below(xp, x, diagonal):
    """Where the column is at most the row, and the diagonal's offset."""
    rows, columns = x.shape[-2:]
    return xp.arange(columns) <= xp.arange(rows)[:, None] + diagonal


@op(shape=_triangle_rule, vjp=(lambda g, diagonal: _tril(g, diagonal), None), name="tril", exact=True)
def _tril(xp, x, diagonal):
    return xp.where(_below(xp, x, diagonal), x, xp.zeros((), x.dtype))


@op(shape=_triangle_rule, vjp=(lambda g, diagonal: _triu(g, diagonal), None), name="triu", exact=True)
def _triu(xp, x, diagonal):
    return xp.where(_below(xp, x, diagonal - 1), xp.zeros((), x.dtype), x)


def tril(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The lower triangle of matrices, zeros above it (``torch.tril``).

    >>> import kuai as torch
    >>> torch.tril(torch.ones(2, 3))
    tensor([[1., 0., 0.],
            [1., 1., 0.]])
    """
    made = _tril(input, as_int(diagonal))
    return made if out is None else write_exact(out, made)


def triu(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The upper triangle of matrices, zeros below it (``torch.triu``).

    >>> import kuai as torch
    >>> torch.triu(torch.ones(2, 3), diagonal=1)
    tensor([[0., 1., 1.],
            [0., 0., 1.]])
    """
    made = _triu(input, as_int(diagonal))
    return made if out is None else write_exact(out, made)


def _triangle_indices(name: str, found: tuple, row: int, col: int, d: dtype | None, where: object) -> Tensor:
    d = int64 if d is None else d
    if d not in (dtypes.int64, dtypes.int32):
        raise NotImplementedError(f"\"{name}\" not implemented for '{rules._cname(d)}'")
    return from_array(np.stack(found).astype(d.numpy), available(placement(where)))


def _check_grid(row: int, col: int) -> None:
    for n, what in ((row, "row"), (col, "col")):
        if n < 0:
            raise RuntimeError(f"{what} must be non-negative, got{n}")


def tril_indices(row: int, col: int, offset: int = 0, *, dtype=None, device=None, layout=None, pin_memory=False) -> Tensor:
    """Rows and columns of a lower triangle's elements (``torch.tril_indices``).

    >>> import kuai as torch
    >>> torch.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    _check_grid(row, col)
    return _triangle_indices("tril_indices", np.tril_indices(row, offset, col), row, col, dtype, device)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype=None, device=None, layout=None, pin_memory=False) -> Tensor:
    """Rows and columns of an upper triangle's elements (``torch.triu_indices``).

    >>> import kuai as torch
    >>> torch.triu_indices(2, 2)
    tensor([[0, 0, 1],
            [0, 1, 1]])
    """
    _check_grid(row, col)
    return _triangle_indices("triu_indices", np.triu_indices(row, offset, col), row, col, dtype, device)


# ---- diagonals -------------------------------------------------------------------------------------------------------


def diag(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """A matrix with a vector as its diagonal, or the diagonal of a matrix (``torch.diag``).

    >>> import kuai as torch
    >>> torch.diag(torch.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    rank = len(input.shape)
    if rank not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {rank}D")
    made = diag_embed(input, diagonal) if rank == 1 else diagonal_of(input, offset=as_int(diagonal), dim1=0, dim2=1)
    return made if out is None else write_exact(out, made)


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices whose diagonals are the rows of a tensor (``torch.diag_embed``).

    >>> import kuai as torch
    >>> torch.diag_embed(torch.tensor([[1, 2], [3, 4]])).shape
    torch.Size([2, 2, 2])
    """
    rank = len(input.shape) + 1
    a, b = normalize_dim(dim1, rank), normalize_dim(dim2, rank)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    if not input.shape:
        raise IndexError("Dimension out of range (expected to be in range of [-1, 0], but got -2)")
    shape = list(input.shape[:-1])
    for d in sorted((a, b)):
        shape.insert(d, input.shape[-1] + abs(offset))
    return diagonal_put(None, input, offset=as_int(offset), dim1=a, dim2=b, shape=tuple(shape))


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with all elements in its diagonal (``torch.diagflat``).

    >>> import kuai as torch
    >>> torch.diagflat(torch.tensor([1, 2]), 1).shape
    torch.Size([3, 3])
    """
    return diag_embed(reshaped(input, (input._aval.size,)), offset)


# ---- broadcasting ----------------------------------------------------------------------------------------------------


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Views of tensors in their common shape (``torch.broadcast_tensors``).

    >>> import kuai as torch
    >>> [t.shape for t in torch.broadcast_tensors(torch.ones(2, 1), torch.ones(3))]
    [torch.Size([2, 3]), torch.Size([2, 3])]
    """
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    shape = rules.broadcast_shapes("broadcast_tensors", *[t.shape for t in given])
    return tuple([t.expand(shape) for t in given])


def broadcast_shapes(*shapes: Any) -> Size:
    """The common shape that tensors of some shapes broadcast to (``torch.broadcast_shapes``).

    >>> import kuai as torch
    >>> torch.broadcast_shapes((2, 1), (3,))
    torch.Size([2, 3])
    """
    for s in shapes:
        if not isinstance(s, (int, tuple, list)):
            raise RuntimeError(f"broadcast_shapes: Input shapes should be of type ints, a tuple of ints, or a list of ints, got {s}")
    given = [(s,) if isinstance(s, int) else tuple(map(as_int, s)) for s in shapes]
    if any(n < 0 for s in given for n in s):
        raise ValueError("Attempting to broadcast a dimension with negative length!")
    return Size(rules.broadcast_shapes("broadcast_shapes", *given))


# ---- grids -----------------------------------------------------------------------------------------------------------


def meshgrid(*tensors: Tensor, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Views of vectors, each along a dimension of its own of a common grid (``torch.meshgrid``).

    >>> import kuai as torch
    >>> x, y = torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij")
    >>> x
    tensor([[0, 0, 0],
            [1, 1, 1]])
    """
    given = list(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else list(tensors)
    _check_mesh(given, indexing)
    swap = indexing == "xy" and len(given) > 1
    if swap:
        given[:2] = given[1::-1]
    shape = tuple([t._aval.size for t in given])
    grids = [t.view(_along(d, t._aval.size, len(given))).expand(shape) for d, t in enumerate(given)]
    if swap:
        grids[:2] = grids[1::-1]
    return tuple(grids)


def _along(d: int, n: int, rank: int) -> tuple[int, ...]:
    return tuple([n if i == d else 1 for i in range(rank)])


def _check_mesh(given: list[Tensor], indexing: str | None) -> None:
    if not given:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    for t in given:
        if len(t.shape) > 1:
            raise RuntimeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: shape {list(t.shape)}")
        if t.dtype is not given[0].dtype:
            raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype")
        if t.device is not given[0].device:
            raise RuntimeError("torch.meshgrid expects all tensors to have the same device")
    if indexing is None:
        _warn_indexing()
    elif indexing not in ("ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')


def _warn_indexing() -> None:

    message = "torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument."
    warn(message, UserWarning)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All tuples of elements of some vectors, as rows (``torch.cartesian_prod``).

    >>> import kuai as torch
    >>> torch.cartesian_prod(torch.tensor([1, 2]), torch.tensor([3, 4])).tolist()
    [[1, 3], [1, 4], [2, 3], [2, 4]]
    """
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    for t in given:
        if len(t.shape) != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(t.shape)}")
    if len(given) == 1:
        return given[0]
    from .joining import stack

    grids = meshgrid(*given, indexing="ij")
    return reshaped(stack(grids, -1), (prod(grids[0].shape), len(grids)))


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All combinations of r elements of a vector, as rows (``torch.combinations``).

    >>> import kuai as torch
    >>> torch.combinations(torch.tensor([1, 2, 3])).tolist()
    [[1, 2], [1, 3], [2, 3]]
    """
    if len(input.shape) != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return zeros(0, dtype=input.dtype, device=input.device)
    choose = combinations_with_replacement if with_replacement else _combinations
    places = np.array(list(choose(range(input.shape[0]), r)), np.int64).reshape(-1, r)
    return take_at(input, from_array(places, input.device), dim=0, count=1, wrap=False)


def _block_rule(op: Op, avals: Sequence) -> tuple:
    for i, a in enumerate(avals):
        if len(a.shape) > 2:
            raise RuntimeError(
                f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {len(a.shape)} dimensions"
            )
    shapes = [_padded(a.shape, 2) for a in avals]
    found = rules.result_dtype([a.with_((1,)) for a in avals])
    shape = (sum(s[0] for s in shapes), sum(s[1] for s in shapes))
    return Aval(shape, found, rules.common_device(op, avals)), (found,) * len(avals)


def _corners(shapes: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """The first row and column of each block."""
    found = [(0, 0)]
    for rows, columns in shapes:
        found.append((found[-1][0] + rows, found[-1][1] + columns))
    return found[:-1]


def _block_vjp(g: Tensor, avals: tuple) -> tuple:
    shapes = [_padded(a.shape, 2) for a in avals]
    blocks = []
    for a, (rows, columns), corner in zip(avals, shapes, _corners(shapes)):
        spec = ((rows, 1, bool(rows)), (columns, 1, bool(columns)))
        moving = [d for d in (0, 1) if spec[d][2]]
        place = pack([corner[d] for d in moving], [g.shape[d] for d in moving])
        blocks.append(reshaped(slicing.read(g, place, spec=spec), a.shape))
    return tuple(blocks)


@op(shape=_block_rule, vjp=_block_vjp, name="block_diag", exact=True)
def _block_diag(xp, *xs):
    blocks = [x.reshape(_padded(x.shape, 2)) for x in xs]
    width = sum(b.shape[1] for b in blocks)
    corners = _corners([b.shape for b in blocks])
    return xp.concatenate([xp.pad(b, ((0, 0), (c, width - c - b.shape[1]))) for b, (_, c) in zip(blocks, corners)])


def block_diag(*tensors: Tensor) -> Tensor:
    """A matrix with tensors as the blocks of its diagonal (``torch.block_diag``).

    >>> import kuai as torch
    >>> torch.block_diag(torch.tensor([[1, 1]]), torch.tensor(2))
    tensor([[1, 1, 0],
            [0, 0, 2]])
    """
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    return _block_diag(*given) if given else zeros(1, 0)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:  # noqa: N803 (PyTorch's name)
    """The powers of a vector's elements as columns (``torch.vander``).

    >>> import kuai as torch
    >>> torch.vander(torch.tensor([1, 2, 3]))
    tensor([[1, 1, 1],
            [4, 2, 1],
            [9, 3, 1]])
    """
    if len(x.shape) != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    columns = x.shape[0] if N is None else N
    if columns < 0:
        raise RuntimeError("N must be non-negative.")
    d = x.dtype if x.dtype.category > 1 else int64
    if not columns:
        return zeros(x.shape[0], 0, dtype=d, device=x.device)
    from .joining import cat

    column = x.to(d).unsqueeze(-1)
    ones = column.new_ones(column.shape)
    powers = cat([ones, column.expand(-1, columns - 1).cumprod(-1)], 1) if columns > 1 else ones
    return powers if increasing else _flip(powers, dims=(1,))


METHODS = (
    "fliplr", "flipud", "rot90", "roll", "repeat_interleave", "tril", "triu", "diag", "diag_embed", "diagflat",
)  # fmt: skip
INPLACE = ("tril", "triu")
METHODS_EXTRA = {
    "flip": spread(flip, "dims"), "repeat": spread(_repeat_all, "repeats"), "tile": spread(tile, "dims"),
    **copies.OWN, **memory.OWN,
}  # fmt: skip
