"""What views give in memory of its own (``…_copy``), and what writing through them gives (``…_scatter``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..tensor import Tensor, wrap
from . import complex_numbers, conversion, joining, slicing, strided_views, views
from .along import also_named
from .define import write_out, write_outs
from .rules import normalize_dim
from .strided import diagonal_put, diagonal_shape, strided_put
from .strided_views import strided_place
from .views import piece_place, row_place, sizes

# ---- written through -------------------------------------------------------------------------------------------------


def _check_part(src: Tensor, shape: Sequence[int]) -> None:
    if tuple(src.shape) != tuple(shape):
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = {list(shape)}"
        )


def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy with a diagonal replaced (``torch.diagonal_scatter``).

    >>> import kuai as torch
    >>> torch.zeros(2, 2).diagonal_scatter(torch.ones(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    _check_part(src, diagonal_shape(input.shape, offset, dim1, dim2))
    return diagonal_put(input, src, offset=offset, dim1=dim1, dim2=dim2, shape=input.shape)


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy with one place of a dimension replaced (``torch.select_scatter``).

    >>> import kuai as torch
    >>> torch.zeros(2, 2).select_scatter(torch.ones(2), 0, 0)
    tensor([[1., 1.],
            [0., 0.]])
    """
    start, spec = row_place(input, dim, index)
    dim = normalize_dim(dim, len(input.shape))
    _check_part(src, (*input.shape[:dim], *input.shape[dim + 1 :]))
    return slicing.write(input, src, start, spec=spec)


def slice_scatter(input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None,
                  step: int = 1, *, out: Tensor | None = None) -> Tensor:  # fmt: skip
    """A copy with a slice of a dimension replaced (``torch.slice_scatter``).

    >>> import kuai as torch
    >>> torch.zeros(3).slice_scatter(torch.ones(2), start=1)
    tensor([0., 1., 1.])
    """
    at, first, length = slice_bounds(input, dim, start, end, step)
    _check_part(src, (*input.shape[:at], length, *input.shape[at + 1 :]))
    place, spec = piece_place(input, at, first, length, step)
    made = slicing.write(input, src, place, spec=spec)
    return made if out is None else write_out(out, made)


def slice_bounds(x: Tensor, dim: int, start: int | None, end: int | None, step: int) -> tuple[int, int, int]:
    """The dimension, the first place and the number of places that a slice takes."""
    if not x.shape:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    at = normalize_dim(dim, len(x.shape))
    first, last, _ = slice(start, end).indices(x.shape[at])
    return at, first, max(0, -((first - last) // step))


def as_strided_scatter(input: Tensor, src: Tensor, size: Sequence[int], stride: Sequence[int],
                       storage_offset: int | None = None) -> Tensor:  # fmt: skip
    """A copy with the elements that `as_strided` would give replaced (``torch.as_strided_scatter``).

    >>> import kuai as torch
    >>> torch.zeros(4).as_strided_scatter(torch.ones(2), (2,), (2,))
    tensor([1., 0., 1., 0.])
    """
    _check_part(src, sizes((size,)))
    base, offset, size, stride = strided_place(input.contiguous(), size, stride, storage_offset)
    return strided_put(base, src, offset, size=size, stride=stride, shape=base.shape, add=False)



# ---- read ------------------------------------------------------------------------------------------------------------


def apart(x: Tensor) -> Tensor:
    """A tensor with memory of its own, and the same place in the graph: values never change, so nothing is copied."""
    return wrap(x._read(), x._node) if x._storage is None or x._storage.record is None else x


def _named(copy: Callable, view: Callable, name: str, example: str, gives: str) -> Callable:
    copy.__name__ = copy.__qualname__ = name
    copy.__wrapped__ = view  # type: ignore[attr-defined]  # whose arguments it takes
    copy.__doc__ = f"""`{name.removesuffix("_copy")}` in memory of its own (``torch.{name}``).

    >>> import kuai as torch
    >>> x = torch.arange(4)
    >>> torch.{name}({example})
    {gives}
    """
    return copy


def _copying(view: Callable, name: str, example: str, gives: str) -> Callable:
    def copy(input: Tensor, *args: object, out: Tensor | None = None, **kwargs: object) -> Tensor:
        made = apart(view(input, *args, **kwargs))
        return made if out is None else write_out(out, made)

    return _named(also_named(**getattr(view, "also", {}))(copy), view, name, example, gives)


def _copying_all(split: Callable, name: str, example: str, gives: str) -> Callable:
    def copy(input: Tensor, *args: object, out: Sequence[Tensor] | None = None, **kwargs: object) -> tuple[Tensor, ...] | None:
        made = tuple(map(apart, split(input, *args, **kwargs)))
        if out is None:
            return made
        write_outs(out, made)
        return None

    return _named(copy, split, name, example, gives)


def slice_(input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Tensor:
    """A view of every ``step``-th place of a dimension, from start up to but not including end (``torch.ops.aten.slice``).

    >>> import kuai as torch
    >>> torch.ops.aten.slice(torch.arange(6), 0, 1, 5, 2)
    tensor([1, 3])
    """
    place, spec = piece_place(input, *slice_bounds(input, dim, start, end, step), step)
    return slicing.view(input, place, spec=spec)


def _narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    if isinstance(start, Tensor):
        raise TypeError("narrow_copy(): argument 'start' (position 3) must be int, not Tensor")
    if input.shape and dim >= len(input.shape):
        raise RuntimeError(f"narrow_copy: expected dim < {len(input.shape)} for shape {list(input.shape)}, but got {dim}")
    return views.narrow(input, dim, start, length)


def _itself(input: Tensor) -> Tensor:
    return input


as_strided_copy = _copying(strided_views.as_strided, "as_strided_copy", "x, (2,), (3,)", "tensor([0, 3])")
alias_copy = _copying(_itself, "alias_copy", "x", "tensor([0, 1, 2, 3])")
detach_copy = _copying(conversion.detach, "detach_copy", "x", "tensor([0, 1, 2, 3])")
diagonal_copy = _copying(strided_views.diagonal, "diagonal_copy", "x.view(2, 2)", "tensor([0, 3])")
expand_copy = _copying(views.expand, "expand_copy", "x[:1], (3,)", "tensor([0, 0, 0])")
narrow_copy = _copying(_narrow, "narrow_copy", "x, 0, 1, 2", "tensor([1, 2])")
permute_copy = _copying(views.permute, "permute_copy", "x, (0,)", "tensor([0, 1, 2, 3])")
select_copy = _copying(views.select, "select_copy", "x, 0, 1", "tensor(1)")
slice_copy = _copying(slice_, "slice_copy", "x, 0, 0, 4, 2", "tensor([0, 2])")
squeeze_copy = _copying(views.squeeze, "squeeze_copy", "x[:1]", "tensor(0)")
t_copy = _copying(views.t, "t_copy", "x", "tensor([0, 1, 2, 3])")
transpose_copy = _copying(views.transpose, "transpose_copy", "x[:2][None], 0, 1", "tensor([[0],\n            [1]])")
unfold_copy = _copying(strided_views.unfold, "unfold_copy", "x, 0, 3, 3", "tensor([[0, 1, 2]])")
unsqueeze_copy = _copying(views.unsqueeze, "unsqueeze_copy", "x, 0", "tensor([[0, 1, 2, 3]])")
view_copy = _copying(views.view, "view_copy", "x, (1, 4)", "tensor([[0, 1, 2, 3]])")
view_as_real_copy = _copying(complex_numbers.view_as_real, "view_as_real_copy", "x[:1] + 2j", "tensor([[0., 2.]])")
view_as_complex_copy = _copying(complex_numbers.view_as_complex, "view_as_complex_copy", "x[:2].float()", "tensor(0.+1.j)")
split_copy = _copying_all(joining.split, "split_copy", "x, 2", "(tensor([0, 1]), tensor([2, 3]))")
split_with_sizes_copy = _copying_all(
    joining.split_with_sizes, "split_with_sizes_copy", "x, (1, 3)", "(tensor([0]), tensor([1, 2, 3]))"
)
unbind_copy = _copying_all(joining.unbind, "unbind_copy", "x[:2]", "(tensor(0), tensor(1))")


def _copying_part(part: str, sparse: str, shown: str) -> Callable[..., Tensor]:
    """The function that copies one of the tensors that a sparse one is made of."""
    return _copying(lambda input: getattr(input, part)(), f"{part}_copy", sparse, shown)


indices_copy = _copying_part("indices", "x.to_sparse()", "tensor([[1, 2, 3]])")
values_copy = _copying_part("values", "x.to_sparse()", "tensor([1, 2, 3])")
crow_indices_copy = _copying_part("crow_indices", "x.view(2, 2).to_sparse_csr()", "tensor([0, 1, 3])")
col_indices_copy = _copying_part("col_indices", "x.view(2, 2).to_sparse_csr()", "tensor([1, 0, 1])")
ccol_indices_copy = _copying_part("ccol_indices", "x.view(2, 2).to_sparse_csc()", "tensor([0, 1, 3])")
row_indices_copy = _copying_part("row_indices", "x.view(2, 2).to_sparse_csc()", "tensor([1, 0, 1])")

OWN = {
    "diagonal_scatter": diagonal_scatter, "select_scatter": select_scatter, "slice_scatter": slice_scatter,
    "as_strided_scatter": as_strided_scatter, "narrow_copy": narrow_copy,
}  # fmt: skip
