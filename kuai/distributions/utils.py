"""What distributions of others build on (``torch.distributions.utils``)."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from numbers import Number
from typing import Any

import kuai

from ..dtypes import dtype as _dtype
from ..dtypes import finfo, get_default_dtype
from ..tensor import Tensor

euler_constant = 0.57721566490153286060


def broadcast_all(*values: Tensor | Number) -> tuple[Tensor, ...]:
    """Tensors of one shape from tensors and numbers (``torch.distributions.utils.broadcast_all``).

    A number takes dtype and device of the first tensor; ValueError for what is neither.

    >>> from kuai.distributions.utils import broadcast_all
    >>> [tuple(t.shape) for t in broadcast_all(kuai.zeros(2, 1), kuai.zeros(3), 1.0)]
    [(2, 3), (2, 3), (2, 3)]
    """
    if not all(isinstance(v, Number) or kuai.is_tensor(v) or hasattr(v, "__torch_function__") for v in values):
        raise ValueError("Input arguments must all be instances of Number, torch.Tensor or objects implementing __torch_function__.")
    if all(isinstance(v, Tensor) or hasattr(v, "__torch_function__") for v in values):
        return kuai.broadcast_tensors(*values)  # type: ignore[arg-type]
    first = next((v for v in values if isinstance(v, Tensor)), None)
    options = {"dtype": get_default_dtype()} if first is None else {"dtype": first.dtype, "device": first.device}
    return kuai.broadcast_tensors(*(v if isinstance(v, Tensor) else kuai.tensor(v, **options) for v in values))


def _standard_normal(shape: tuple[int, ...], dtype: _dtype, device: object) -> Tensor:
    """Draws of mean 0 and deviation 1."""
    return kuai.empty(shape, dtype=dtype, device=device).normal_()


def _sum_rightmost(value: Tensor, dim: int) -> Tensor:
    """The sum over the last ``dim`` dimensions."""
    return value if dim == 0 else value.reshape(value.shape[:-dim] + (-1,)).sum(-1)


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Probabilities of logits: by the sigmoid, or by softmax over the last dimension.

    >>> from kuai.distributions.utils import logits_to_probs
    >>> logits_to_probs(kuai.zeros(2))
    tensor([0.5000, 0.5000])
    """
    return kuai.sigmoid(logits) if is_binary else kuai.softmax(logits, dim=-1)


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities that are neither 0 nor 1, by the least step of their dtype.

    >>> from kuai.distributions.utils import clamp_probs
    >>> clamp_probs(kuai.tensor([0.0, 0.5])) > 0
    tensor([True, True])
    """
    eps = finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """Logits of probabilities: the logarithm, or that of the odds.

    >>> from kuai.distributions.utils import probs_to_logits
    >>> probs_to_logits(kuai.tensor([0.5]), is_binary=True)
    tensor([0.])
    """
    clamped = clamp_probs(probs)
    return kuai.log(clamped) - kuai.log1p(-clamped) if is_binary else kuai.log(clamped)


class lazy_property:
    """A property that is computed once, with gradients, and then kept in its place (``torch.distributions.utils.lazy_property``).

    >>> from kuai.distributions.utils import lazy_property
    >>> class Square:
    ...     side = 3
    ...     @lazy_property
    ...     def area(self): return self.side**2
    >>> Square().area
    9
    """

    def __init__(self, wrapped: Callable):
        self.wrapped = wrapped
        update_wrapper(self, wrapped)  # type: ignore[arg-type]

    def __get__(self, instance: Any, obj_type: Any = None) -> Any:
        if instance is None:
            return _Described(self.wrapped)
        with kuai.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


class _Described(lazy_property, property):
    """What a class shows of a lazy property: a property with its docstring."""

    def __init__(self, wrapped: Callable):
        property.__init__(self, wrapped)


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """The lower triangles of matrices, row by row; ValueError for a diagonal that they do not have.

    >>> from kuai.distributions.utils import tril_matrix_to_vec
    >>> tril_matrix_to_vec(kuai.tensor([[1, 2], [3, 4]]))
    tensor([1, 3, 4])
    """
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    return mat[..., kuai.ones(n, n, dtype=kuai.bool, device=mat.device).tril(diag)]


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """Lower triangular matrices of their elements, row by row; ValueError for a number of elements that makes no triangle.

    >>> from kuai.distributions.utils import vec_to_tril_matrix
    >>> vec_to_tril_matrix(kuai.tensor([1, 3, 4]))
    tensor([[1, 0],
            [3, 4]])
    """
    count = vec.shape[-1]
    n = (-(1 + 2 * diag) + ((1 + 2 * diag) ** 2 + 8 * count + 4 * abs(diag) * (diag + 1)) ** 0.5) / 2
    if n != round(n):
        raise ValueError(f"The size of last dimension is {count} which cannot be expressed as the lower triangular part of a "
                         "square D x D matrix.")  # fmt: skip
    n = round(n)
    made = kuai.zeros(*vec.shape[:-1], n, n, dtype=vec.dtype, device=vec.device)
    made[..., kuai.ones(n, n, dtype=kuai.bool, device=vec.device).tril(diag)] = vec
    return made
