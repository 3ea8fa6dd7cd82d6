"""Single elements: those on the diagonal, those a Python function gives, and where the ones that count are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from .. import dtypes
from ..layouts import of_sparse
from ..tensor import Size, Tensor
from .conversion import _caster, assign
from .creation import from_array, legacy_of
from .define import write_out
from .geometry import is_contiguous, memory_format
from .host import on_host
from .queries import empty_strided, is_nonzero, is_same_size
from .rounding import div, remainder


def fill(input: Tensor, value: object) -> Tensor:
    """A tensor of one value, in the shape of another (``torch.fill``).

    >>> import kuai as torch
    >>> torch.fill(torch.zeros(2), 3)
    tensor([3., 3.])
    """
    return input.clone().fill_(value)


def fill_diagonal_(self: Tensor, fill_value: float, wrap: bool = False) -> Tensor:
    """Write a number on the main diagonal (``torch.Tensor.fill_diagonal_``); of a tall matrix, again and again with ``wrap``.

    >>> import kuai as torch
    >>> torch.zeros(2, 2).fill_diagonal_(1)
    tensor([[1., 0.],
            [0., 1.]])
    """
    if self.ndim < 2:
        raise RuntimeError("dimensions must larger than 1")
    if self.ndim > 2 and len(set(self.shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    array = np.zeros(self.shape, bool)
    np.fill_diagonal(array, True, wrap=wrap)
    return self.masked_fill_(from_array(array, self.device), fill_value)


def apply_(self: Tensor, callable: Callable) -> Tensor:
    """Replace each element by what a Python function makes of it, one after the other (``torch.Tensor.apply_``).

    >>> import kuai as torch
    >>> torch.tensor([1., 2.]).apply_(lambda x: x * 10)
    tensor([10., 20.])
    """
    return _elementwise(self, "apply_", callable)


def map_(self: Tensor, tensor: Tensor, callable: Callable) -> Tensor:
    """Replace each element by what a Python function makes of it and of its partner (``torch.Tensor.map_``).

    >>> import kuai as torch
    >>> torch.tensor([1., 2.]).map_(torch.tensor([3., 4.]), lambda a, b: a * b)
    tensor([3., 8.])
    """
    return _elementwise(self, "map_", callable, tensor)


def map2_(self: Tensor, x: Tensor, y: Tensor, callable: Callable) -> Tensor:
    """`map_` with two partners (``torch.Tensor.map2_``).

    >>> import kuai as torch
    >>> torch.zeros(2).map2_(torch.ones(2), torch.ones(2), lambda a, b, c: a + b + c)
    tensor([2., 2.])
    """
    return _elementwise(self, "map2_", callable, x, y)


def _elementwise(self: Tensor, name: str, fn: Callable, *others: Tensor) -> Tensor:
    if self.device.type != "cpu":
        raise TypeError(f"{name} is only implemented on CPU tensors")
    if any(x.requires_grad for x in (self, *others)):
        raise RuntimeError(f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead.")
    columns = [x.expand(self.shape).reshape(-1).tolist() for x in (self, *others)]
    made = [fn(*values) for values in zip(*columns)]
    return assign(self, from_array(np.array(made, self.dtype.numpy).reshape(self.shape), self.device), name)


def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1, out: Tensor | None = None) -> Tensor:
    """`nonzero` with a fixed number of rows: cut off, or filled up (``torch.nonzero_static``).

    >>> import kuai as torch
    >>> torch.nonzero_static(torch.tensor([0, 5, 6]), size=3)
    tensor([[ 1],
            [ 2],
            [-1]])
    """
    if size < 0:
        raise RuntimeError(f"nonzero_static: 'size' must be an non-negative integer, got {size}")

    def rows(array: np.ndarray) -> tuple:
        found, made = np.argwhere(array)[:size], np.full((size, array.ndim), fill_value, np.int64)
        made[: len(found)] = found
        return (made,)

    (made,) = on_host(rows, input)
    return made if out is None else write_out(out, made)


def unravel_index(indices: Tensor, shape: int | tuple[int, ...]) -> tuple[Tensor, ...]:
    """The coordinates of positions in a flattened tensor (``torch.unravel_index``).

    >>> import kuai as torch
    >>> torch.unravel_index(torch.tensor(5), (2, 3))
    (tensor(1), tensor(2))
    """
    if not isinstance(indices, Tensor):
        raise TypeError(f"unravel_index: expected indices to be a Tensor, but got {type(indices).__name__}")
    if indices.dtype.category != 1:
        raise TypeError(f"unravel_index: expected 'indices' to be integer dtype, but got {indices.dtype}")
    if not isinstance(shape, (int, Sequence)):
        raise TypeError(f"unravel_index: expected 'shape' to be int or sequence of ints, but got {type(shape)}")
    wrong = [n for n in (() if isinstance(shape, int) else shape) if not isinstance(n, int)]
    if wrong:
        raise TypeError(f"unravel_index: expected 'shape' sequence to only contain ints, but got {type(wrong[0])}")
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if any(n < 0 for n in sizes):
        raise ValueError("'shape' cannot have negative values, but got " + str(sizes))
    steps, indices = [prod(sizes[i + 1 :]) for i in range(len(sizes))], indices.long()
    return tuple(remainder(div(indices, step, rounding_mode="floor"), n) for step, n in zip(steps, sizes))


# ---- methods that are about the tensor as an object ------------------------------------------------------------------


def as_subclass(self: Tensor, cls: type) -> Tensor:
    """The same values as a tensor of a subclass (``torch.Tensor.as_subclass``).

    >>> import kuai as torch
    >>> class Named(torch.Tensor): ...
    >>> type(torch.ones(1).as_subclass(Named)).__name__
    'Named'
    """
    if not (isinstance(cls, type) and issubclass(cls, Tensor)):
        raise RuntimeError(f"as_subclass: cls must be a subclass of Tensor, got {cls!r}")
    if self._storage is not None and self._storage.record is not None:  # not strided: there are no views
        made = self._alias()
        made._node = self._node
    else:
        made = self.view_as(self)  # type: ignore[attr-defined]
    made.__class__ = cls
    return made


def new(self: Tensor, *args: object, size: Sequence[int] | None = None, device: object = None) -> Tensor:
    """A tensor of the same dtype, from a shape or from data (``torch.Tensor.new``).

    >>> import kuai as torch
    >>> torch.ones(1, dtype=torch.int32).new([2, 3])
    tensor([2, 3], dtype=torch.int32)
    """
    where = self.device if device is None else device
    args = args if size is None else (Size(size),)
    if self._storage is not None and self._storage.record is not None:
        return of_sparse("typed.legacy")(self.dtype, args, where)
    return legacy_of(self.dtype, args, where)


def new_empty_strided(self: Tensor, size: tuple, stride: tuple, *, dtype: object = None, layout: object = None,
                      device: object = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """`empty_strided` of the same dtype and device (``torch.Tensor.new_empty_strided``).

    >>> import kuai as torch
    >>> torch.ones(1).new_empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """
    kind = {"dtype": dtype or self.dtype, "device": device or self.device, "requires_grad": requires_grad}
    return empty_strided(size, stride, **kind)


def to_dense(self: Tensor, dtype: object = None, *, masked_grad: bool = True) -> Tensor:
    """The tensor itself: all are dense here (``torch.Tensor.to_dense``)."""
    return self if dtype is None else self.to(dtype)


def record_stream(self: Tensor, stream: object) -> None:
    """Accepted: memory is given back only after its last use, in whatever stream that is (``torch.Tensor.record_stream``)."""
    if self.device.type == "cpu":
        raise NotImplementedError("Could not run 'aten::record_stream' with arguments from the 'CPU' backend.")


def dim_order(self: Tensor, *, ambiguity_check: bool | list = False) -> tuple[int, ...]:
    """The dimensions from the outermost in memory to the innermost (``torch.Tensor.dim_order``).

    With ``ambiguity_check``, a RuntimeError where lengths of 0 or 1 leave the order open; a list of memory formats says
    which are asked about, and one of them alone must fit.

    >>> import kuai as torch
    >>> torch.empty(2, 3).t().dim_order()
    (1, 0)
    """
    strides = self.stride()
    if isinstance(ambiguity_check, list):
        if not all(isinstance(f, memory_format) for f in ambiguity_check):
            raise TypeError(f"dim_order: The ambiguity_check argument must be a bool or a list of memory formats, got {ambiguity_check}")
        unique = sum(is_contiguous(self, f) for f in ambiguity_check) == 1
    else:
        unique = not ambiguity_check or (len(set(strides)) == self.ndim and all(n > 1 for n in self.shape))
    if not unique:
        raise RuntimeError("The tensor does not have unique dim order, or cannot map to exact one of the given memory formats.")
    return tuple(sorted(range(self.ndim), key=lambda i: -strides[i]))


METHODS = ("fill_diagonal_", "apply_", "map_", "map2_", "nonzero_static", "as_subclass", "to_dense", "record_stream",
           "dim_order", "new", "new_empty_strided")  # fmt: skip
INPLACE = ()
METHODS_EXTRA = {
    "byte": _caster(dtypes.uint8, "byte"),
    "char": _caster(dtypes.int8, "char"),
    "is_nonzero": is_nonzero,
    "is_same_size": is_same_size,
}
