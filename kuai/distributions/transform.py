"""What all transforms share, and those that are made of others."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add, mul
from typing import Any

import kuai

from ..tensor import Tensor
from . import constraints
from .constraints import Constraint
from .distribution import sum_last


class Transform:
    """A function of tensors, from its ``domain`` to its ``codomain`` (``torch.distributions.transforms.Transform``).

    A subclass gives ``_call`` and ``_inverse``, and ``log_abs_det_jacobian`` if it is ``bijective``. ``cache_size=1`` keeps the
    last value and its image, so that the inverse of a value just made is that value. ``sign`` says whether the function rises.

    >>> import kuai as torch
    >>> class Cube(torch.distributions.Transform):
    ...     domain = codomain = torch.distributions.constraints.real
    ...     bijective, sign = True, 1
    ...     def _call(self, x):
    ...         return x**3
    ...     def _inverse(self, y):
    ...         return y.sign() * y.abs() ** (1 / 3)
    >>> Cube().inv(torch.tensor(-8.))
    tensor(-2.)
    """

    bijective: Any = False
    domain: Any
    codomain: Any

    def __init__(self, cache_size: int = 0):
        if cache_size not in (0, 1):
            raise ValueError("cache_size must be 0 or 1")
        self._cache_size, self._inv = cache_size, None
        self._cached_x_y: tuple = (None, None)

    @property
    def _key(self) -> tuple | None:
        """What two equal transforms have in common; None if each is equal to itself only."""
        return None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_inv": None}

    @property
    def event_dim(self) -> int:
        """How many dimensions an event has, if that is the same before and after."""
        if self.domain.event_dim != self.codomain.event_dim:
            raise ValueError("Please use either .domain.event_dim or .codomain.event_dim")
        return self.domain.event_dim

    @property
    def inv(self) -> Transform:
        """The inverse; its own inverse is this transform."""
        if self._inv is None:
            self._inv = self._inverted()  # type: ignore[assignment]
        return self._inv  # type: ignore[return-value]

    def _inverted(self) -> Transform:
        return _InverseTransform(self)

    @property
    def sign(self) -> Any:
        """1 if the function rises, -1 if it falls."""
        raise NotImplementedError(f"{type(self).__name__} does not say whether it rises or falls (sign)")

    def with_cache(self, cache_size: int = 1) -> Transform:
        """The same transform with a cache of the size."""
        return self if self._cache_size == cache_size else self._again(cache_size)

    def _again(self, cache_size: int) -> Transform:
        if type(self).__init__ is not Transform.__init__:
            raise NotImplementedError(f"{type(self)}.with_cache is not implemented")
        return type(self)(cache_size=cache_size)

    def __eq__(self, other: object) -> bool:
        if self._key is None:
            return self is other
        return isinstance(other, type(self)) and _same(self._key, other._key)

    __hash__ = object.__hash__

    def __call__(self, x: Tensor) -> Tensor:
        known, image = self._cached_x_y
        if self._cache_size and x is known:
            return image
        y = self._call(x)
        self._remember(x, y)
        return y

    def _inv_call(self, y: Tensor) -> Tensor:
        known, image = self._cached_x_y
        if self._cache_size and y is image:
            return known
        x = self._inverse(y)
        self._remember(x, y)
        return x

    def _remember(self, x: Tensor, y: Tensor) -> None:
        if self._cache_size:
            self._cached_x_y = x, y

    def _call(self, x: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no _call")

    def _inverse(self, y: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no inverse")

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The logarithm of the derivative's size at x, whose image is y."""
        raise NotImplementedError(f"{type(self).__name__} has no log_abs_det_jacobian")

    def forward_shape(self, shape: Sequence[int]) -> Sequence[int]:
        """The shape of the image of a value of the shape."""
        return shape

    def inverse_shape(self, shape: Sequence[int]) -> Sequence[int]:
        """The shape of a value whose image has the shape."""
        return shape

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _same(a: tuple, b: tuple | None) -> bool:
    """Whether two keys hold the same, tensors included."""
    return b is not None and len(a) == len(b) and all(_equal(x, y) for x, y in zip(a, b))


def _equal(x: Any, y: Any) -> bool:
    found = x == y
    return bool(found.all()) if isinstance(found, Tensor) else bool(found)


class _InverseTransform(Transform):
    """The inverse of a transform."""

    def __init__(self, transform: Transform):
        super().__init__(transform._cache_size)
        self._inv: Any = transform

    @property
    def domain(self) -> Constraint:  # type: ignore[override]
        return self._inv.codomain

    @property
    def codomain(self) -> Constraint:  # type: ignore[override]
        return self._inv.domain

    @property
    def bijective(self) -> bool:  # type: ignore[override]
        return self._inv.bijective

    @property
    def sign(self) -> Any:
        return self._inv.sign

    @property
    def _key(self) -> tuple:
        return (self._inv,)

    def _again(self, cache_size: int) -> Transform:
        return self.inv.with_cache(cache_size).inv

    def __call__(self, x: Tensor) -> Tensor:
        return self._inv._inv_call(x)

    def _inv_call(self, y: Tensor) -> Tensor:
        return self._inv(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -self._inv.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape: Sequence[int]) -> Sequence[int]:
        return self._inv.inverse_shape(shape)

    def inverse_shape(self, shape: Sequence[int]) -> Sequence[int]:
        return self._inv.forward_shape(shape)

    def __repr__(self) -> str:
        return f"_InverseTransform({self._inv!r})"


class ComposeTransform(Transform):
    """Transforms one after the other (``torch.distributions.transforms.ComposeTransform``).

    >>> import kuai as torch
    >>> from kuai.distributions import transforms
    >>> both = transforms.ComposeTransform([transforms.ExpTransform(), transforms.AffineTransform(0., 2.)])
    >>> both(torch.tensor(0.))
    tensor(2.)
    """

    def __init__(self, parts: list[Transform], cache_size: int = 0):
        super().__init__(cache_size)
        self.parts = [part.with_cache(cache_size) for part in parts] if cache_size else parts

    @property
    def _key(self) -> tuple:
        return tuple(self.parts)

    @property
    def domain(self) -> Constraint:  # type: ignore[override]
        """What may be given; as many dimensions belong to an event as any part needs."""
        return _widened([(p.codomain, p.domain) for p in reversed(self.parts)])

    @property
    def codomain(self) -> Constraint:  # type: ignore[override]
        """What comes out."""
        return _widened([(p.domain, p.codomain) for p in self.parts])

    @property
    def bijective(self) -> bool:  # type: ignore[override]
        """Whether all parts are."""
        return all(p.bijective for p in self.parts)

    @property
    def sign(self) -> Any:
        """The product of the parts' signs."""
        return reduce(mul, (p.sign for p in self.parts), 1)

    def _inverted(self) -> Transform:
        found = ComposeTransform([p.inv for p in reversed(self.parts)])
        found._inv = self  # type: ignore[assignment]
        return found

    def _again(self, cache_size: int) -> Transform:
        return ComposeTransform(self.parts, cache_size)

    def __call__(self, x: Tensor) -> Tensor:
        return reduce(lambda value, part: part(value), self.parts, x)

    def _inv_call(self, y: Tensor) -> Tensor:
        return reduce(lambda value, part: part.inv(value), reversed(self.parts), y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The sum over the parts."""
        terms, event_dim = [], self.domain.event_dim
        for i, part in enumerate(self.parts):
            image = y if i == len(self.parts) - 1 else part(x)
            terms.append(sum_last(part.log_abs_det_jacobian(x, image), event_dim - part.domain.event_dim))
            event_dim += part.codomain.event_dim - part.domain.event_dim
            x = image
        return reduce(add, terms) if terms else kuai.zeros_like(x)

    def forward_shape(self, shape: Sequence[int]) -> Sequence[int]:
        """The shape of the image of a value of the shape."""
        return reduce(lambda s, part: part.forward_shape(s), self.parts, shape)

    def inverse_shape(self, shape: Sequence[int]) -> Sequence[int]:
        """The shape of a value whose image has the shape."""
        return reduce(lambda s, part: part.inverse_shape(s), reversed(self.parts), shape)

    def __repr__(self) -> str:
        return "ComposeTransform(\n    " + ",\n    ".join(repr(p) for p in self.parts) + "\n)"


def _widened(steps: list[tuple[Constraint, Constraint]]) -> Constraint:
    """The set that the last step leads to, with as many dimensions of an event as the steps (from, to) need."""
    if not steps:
        return constraints.real
    last, event_dim = steps[-1][1], steps[0][0].event_dim
    for start, end in steps:
        event_dim = max(event_dim + end.event_dim - start.event_dim, end.event_dim)
    more = event_dim - last.event_dim
    return constraints.independent(last, more) if more else last


identity_transform = ComposeTransform([])


class IndependentTransform(Transform):
    """A transform whose last batch dimensions belong to the event (``torch.distributions.transforms.IndependentTransform``).

    >>> import kuai as torch
    >>> from kuai.distributions import transforms
    >>> t = transforms.IndependentTransform(transforms.ExpTransform(), 1)
    >>> x = torch.ones(2, 3)
    >>> t.log_abs_det_jacobian(x, t(x))
    tensor([3., 3.])
    """

    def __init__(self, base_transform: Transform, reinterpreted_batch_ndims: int, cache_size: int = 0):
        super().__init__(cache_size)
        self.base_transform = base_transform.with_cache(cache_size)
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims

    def _again(self, cache_size: int) -> Transform:
        return IndependentTransform(self.base_transform, self.reinterpreted_batch_ndims, cache_size)

    @property
    def domain(self) -> Constraint:  # type: ignore[override]
        """As the inner one's, event by event."""
        return constraints.independent(self.base_transform.domain, self.reinterpreted_batch_ndims)

    @property
    def codomain(self) -> Constraint:  # type: ignore[override]
        """As the inner one's, event by event."""
        return constraints.independent(self.base_transform.codomain, self.reinterpreted_batch_ndims)

    @property
    def bijective(self) -> bool:  # type: ignore[override]
        """As the inner one."""
        return self.base_transform.bijective

    @property
    def sign(self) -> Any:
        """As the inner one's."""
        return self.base_transform.sign

    def _call(self, x: Tensor) -> Tensor:
        if x.dim() < self.domain.event_dim:
            raise ValueError("Too few dimensions on input")
        return self.base_transform(x)

    def _inverse(self, y: Tensor) -> Tensor:
        if y.dim() < self.codomain.event_dim:
            raise ValueError("Too few dimensions on input")
        return self.base_transform.inv(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The sum over each event."""
        return sum_last(self.base_transform.log_abs_det_jacobian(x, y), self.reinterpreted_batch_ndims)

    def forward_shape(self, shape: Sequence[int]) -> Sequence[int]:
        """The shape of the image of a value of the shape."""
        return self.base_transform.forward_shape(shape)

    def inverse_shape(self, shape: Sequence[int]) -> Sequence[int]:
        """The shape of a value whose image has the shape."""
        return self.base_transform.inverse_shape(shape)

    def __repr__(self) -> str:
        return f"IndependentTransform({self.base_transform!r}, {self.reinterpreted_batch_ndims})"


class ReshapeTransform(Transform):
    """Another shape of each event (``torch.distributions.transforms.ReshapeTransform``).

    >>> import kuai as torch
    >>> from kuai.distributions import transforms
    >>> transforms.ReshapeTransform((4,), (2, 2))(torch.ones(3, 4)).shape
    torch.Size([3, 2, 2])
    """

    bijective = True

    def __init__(self, in_shape: Sequence[int], out_shape: Sequence[int], cache_size: int = 0):
        self.in_shape, self.out_shape = kuai.Size(in_shape), kuai.Size(out_shape)
        if self.in_shape.numel() != self.out_shape.numel():
            raise ValueError("in_shape, out_shape have different numbers of elements")
        super().__init__(cache_size)

    @property
    def domain(self) -> Constraint:  # type: ignore[override]
        """Events of the first shape."""
        return constraints.independent(constraints.real, len(self.in_shape))

    @property
    def codomain(self) -> Constraint:  # type: ignore[override]
        """Events of the second shape."""
        return constraints.independent(constraints.real, len(self.out_shape))

    def _again(self, cache_size: int) -> Transform:
        return ReshapeTransform(self.in_shape, self.out_shape, cache_size)

    def _call(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[: x.dim() - len(self.in_shape)] + self.out_shape)

    def _inverse(self, y: Tensor) -> Tensor:
        return y.reshape(y.shape[: y.dim() - len(self.out_shape)] + self.in_shape)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Zero."""
        return x.new_zeros(x.shape[: x.dim() - len(self.in_shape)])

    def forward_shape(self, shape: Sequence[int]) -> Sequence[int]:
        """The shape of the image of a value of the shape."""
        return _exchanged(shape, self.in_shape, self.out_shape)

    def inverse_shape(self, shape: Sequence[int]) -> Sequence[int]:
        """The shape of a value whose image has the shape."""
        return _exchanged(shape, self.out_shape, self.in_shape)


def _exchanged(shape: Sequence[int], ending: Sequence[int], other: Sequence[int]) -> Sequence[int]:
    """A shape with another ending."""
    cut = len(shape) - len(ending)
    if cut < 0:
        raise ValueError("Too few dimensions on input")
    if tuple(shape[cut:]) != tuple(ending):
        raise ValueError(f"Shape mismatch: expected {tuple(shape[cut:])} but got {tuple(ending)}")
    return kuai.Size((*shape[:cut], *other))
