"""The sets in which parameters and values must lie (``torch.distributions.constraints``).

>>> import kuai as torch
>>> from kuai.distributions import constraints
>>> constraints.positive.check(torch.tensor([1., -1.]))
tensor([ True, False])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import kuai

from .. import linalg
from ..ops import extent
from ..tensor import Tensor

__all__ = [
    "Constraint", "MixtureSameFamilyConstraint", "boolean", "cat", "corr_cholesky", "dependent", "dependent_property",
    "greater_than", "greater_than_eq", "half_open_interval", "independent", "integer_interval", "interval", "is_dependent",
    "less_than", "lower_cholesky", "lower_triangular", "multinomial", "nonnegative", "nonnegative_integer", "one_hot", "positive",
    "positive_definite", "positive_integer", "positive_semidefinite", "real", "real_vector", "simplex", "square", "stack",
    "symmetric", "unit_interval",
]  # fmt: skip


class Constraint:
    """A set: ``check(value)`` says of each element, or of each event of ``event_dim`` dimensions, whether it lies within.

    >>> from kuai.distributions import constraints
    >>> constraints.simplex.event_dim, constraints.boolean.is_discrete
    (1, True)
    """

    is_discrete: Any = False
    event_dim: Any = 0

    def check(self, value: Tensor) -> Tensor:
        """Whether the values lie within, for each event."""
        raise NotImplementedError(f"{type(self).__name__} needs a method check(value)")

    def _spans(self, low: float, high: float, integral: bool) -> bool:
        """Whether all numbers from one to another are sure to lie within, or all whole ones."""
        return False

    def _hold(self, value: Tensor) -> bool:
        """Whether all values lie within: by their bounds, where these say it, so that nothing is recorded."""
        if type(self)._spans is not Constraint._spans:
            bounds = extent.bounds(value)
            if bounds is not None and self._spans(*bounds, value.dtype.category < 2):
                return True
        return bool(self.check(value).all())

    def __repr__(self) -> str:
        bounds = ", ".join(f"{name}={value}" for name, value in vars(self).items())
        return f"{type(self).__name__.removeprefix('_')}({bounds})"


class _Fixed(Constraint):
    """A set without parameters, of which there is one."""

    def __repr__(self) -> str:
        return f"{type(self).__name__.removeprefix('_')}()"


def _is_exact(bound: object, integral: bool) -> bool:
    """Whether a bound is the same number in every dtype that it is compared in."""
    return type(bound) is int and (integral or abs(bound) <= 256) or type(bound) is float and bound in (0.0, 1.0)


class _Above(Constraint):
    """What has a lower bound."""

    def __init__(self, lower_bound: object):
        self.lower_bound: Any = lower_bound


class _Below(Constraint):
    """What has an upper bound."""

    def __init__(self, upper_bound: object):
        self.upper_bound: Any = upper_bound


class _Between(Constraint):
    """What has two bounds."""

    def __init__(self, lower_bound: object, upper_bound: object):
        self.lower_bound: Any = lower_bound
        self.upper_bound: Any = upper_bound


class _GreaterThan(_Above):
    """Numbers above a bound."""

    def check(self, value: Tensor) -> Tensor:
        return self.lower_bound < value

    def _spans(self, low: float, high: float, integral: bool) -> bool:
        return _is_exact(self.lower_bound, integral) and self.lower_bound < low


class _GreaterThanEq(_Above):
    """Numbers from a bound on."""

    def check(self, value: Tensor) -> Tensor:
        return self.lower_bound <= value

    def _spans(self, low: float, high: float, integral: bool) -> bool:
        return _is_exact(self.lower_bound, integral) and self.lower_bound <= low


class _LessThan(_Below):
    """Numbers below a bound."""

    def check(self, value: Tensor) -> Tensor:
        return value < self.upper_bound


class _Interval(_Between):
    """Numbers from one bound to another."""

    def check(self, value: Tensor) -> Tensor:
        return (self.lower_bound <= value) & (value <= self.upper_bound)

    def _spans(self, low: float, high: float, integral: bool) -> bool:
        exact = _is_exact(self.lower_bound, integral) and _is_exact(self.upper_bound, integral)
        return exact and self.lower_bound <= low and high <= self.upper_bound


class _HalfOpenInterval(_Between):
    """Numbers from one bound to below another."""

    def check(self, value: Tensor) -> Tensor:
        return (self.lower_bound <= value) & (value < self.upper_bound)


class _IntegerInterval(_Interval):
    """Whole numbers from one bound to another."""

    is_discrete = True

    def check(self, value: Tensor) -> Tensor:
        return (value % 1 == 0) & super().check(value)

    def _spans(self, low: float, high: float, integral: bool) -> bool:
        return integral and super()._spans(low, high, integral)


class _IntegerGreaterThan(_GreaterThanEq):
    """Whole numbers from a bound on."""

    is_discrete = True

    def check(self, value: Tensor) -> Tensor:
        return (value % 1 == 0) & super().check(value)

    def _spans(self, low: float, high: float, integral: bool) -> bool:
        return integral and super()._spans(low, high, integral)


class _Multinomial(_Below):
    """Whole numbers that are at least 0 and sum to at most a bound."""

    is_discrete, event_dim = True, 1

    def check(self, value: Tensor) -> Tensor:
        return (value >= 0).all(-1) & (value.sum(-1) <= self.upper_bound)

    def __repr__(self) -> str:
        return "Multinomial()"


class _Real(_Fixed):
    """Every number but nan."""

    def check(self, value: Tensor) -> Tensor:
        return value == value

    def _spans(self, low: float, high: float, integral: bool) -> bool:
        return low == low  # not nan


class _Boolean(_Fixed):
    """Zero and one."""

    is_discrete = True

    def check(self, value: Tensor) -> Tensor:
        return (value == 0) | (value == 1)

    def _spans(self, low: float, high: float, integral: bool) -> bool:
        return integral and low >= 0 and high <= 1


class _OneHot(_Fixed):
    """Rows of zeros with a one."""

    is_discrete, event_dim = True, 1

    def check(self, value: Tensor) -> Tensor:
        return ((value == 0) | (value == 1)).all(-1) & (value.sum(-1) == 1)


class _Simplex(_Fixed):
    """Rows of numbers that are at least 0 and sum to 1."""

    event_dim = 1

    def check(self, value: Tensor) -> Tensor:
        return (value >= 0).all(-1) & ((value.sum(-1) - 1).abs() < 1e-6)


class _LowerTriangular(_Fixed):
    """Lower-triangular matrices."""

    event_dim = 2

    def check(self, value: Tensor) -> Tensor:
        return (value.tril() == value).flatten(-2).all(-1)


class _LowerCholesky(_LowerTriangular):
    """Lower-triangular matrices with a positive diagonal."""

    def check(self, value: Tensor) -> Tensor:
        return super().check(value) & (value.diagonal(dim1=-2, dim2=-1) > 0).all(-1)


class _CorrCholesky(_LowerCholesky):
    """Cholesky factors of correlation matrices: their rows have the length 1."""

    def check(self, value: Tensor) -> Tensor:
        near = kuai.finfo(value.dtype).eps * value.shape[-1] * 10
        length = linalg.norm(value.detach(), dim=-1)
        return super().check(value) & ((length - 1.0).abs() <= near).all(-1)


class _Square(_Fixed):
    """Square matrices."""

    event_dim = 2

    def check(self, value: Tensor) -> Tensor:
        square = value.shape[-2] == value.shape[-1]
        return kuai.full(value.shape[:-2], square, dtype=kuai.bool, device=value.device)


class _Symmetric(_Square):
    """Symmetric matrices."""

    def check(self, value: Tensor) -> Tensor:
        if value.shape[-2] != value.shape[-1]:
            return super().check(value)
        return kuai.isclose(value, value.mT, atol=1e-6).flatten(-2).all(-1)


class _PositiveSemidefinite(_Symmetric):
    """Symmetric matrices without a negative eigenvalue."""

    def check(self, value: Tensor) -> Tensor:
        symmetric = super().check(value)
        return (linalg.eigvalsh(value) >= 0).all(-1) if symmetric.all() else symmetric


class _PositiveDefinite(_Symmetric):
    """Symmetric matrices with positive eigenvalues."""

    def check(self, value: Tensor) -> Tensor:
        symmetric = super().check(value)
        return linalg.cholesky_ex(value)[1] == 0 if symmetric.all() else symmetric


# ---- made of others --------------------------------------------------------------------------------------------------


class _Of(Constraint):
    """A constraint that stands on another one."""

    def __init__(self, base_constraint: Constraint):
        if not isinstance(base_constraint, Constraint):
            raise AssertionError(f"base_constraint must be a Constraint, got {type(base_constraint).__name__}")
        self.base_constraint = base_constraint

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        return self.base_constraint.is_discrete

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        return self.base_constraint.event_dim

    def _all_but(self, kept: int, found: Tensor, value: Tensor) -> Tensor:
        """Whether all within the last dimensions hold."""
        if kept < 0:
            raise ValueError(f"Expected value.dim() >= {self.event_dim} but got {value.dim()}")
        return found.reshape(*found.shape[:kept], -1).all(-1)


class _IndependentConstraint(_Of):
    """A constraint whose last batch dimensions belong to the event."""

    def __init__(self, base_constraint: Constraint, reinterpreted_batch_ndims: int):
        super().__init__(base_constraint)
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        return self.base_constraint.event_dim + self.reinterpreted_batch_ndims

    def check(self, value: Tensor) -> Tensor:
        found = self.base_constraint.check(value)
        return self._all_but(found.dim() - self.reinterpreted_batch_ndims, found, value)

    def _hold(self, value: Tensor) -> bool:
        if value.dim() < self.event_dim:
            return bool(self.check(value).all())  # which refuses it
        return self.base_constraint._hold(value)

    def __repr__(self) -> str:
        return f"IndependentConstraint({self.base_constraint!r}, {self.reinterpreted_batch_ndims})"


class MixtureSameFamilyConstraint(_Of):
    """The set of a mixture's components, for values that have no dimension of components.

    >>> import kuai as torch
    >>> from kuai.distributions import constraints
    >>> constraints.MixtureSameFamilyConstraint(constraints.positive).check(torch.tensor([1., -1.]))
    tensor([ True, False])
    """

    def check(self, value: Tensor) -> Tensor:
        """Whether the values lie within, for each event."""
        found = self.base_constraint.check(value.unsqueeze(-1 - self.event_dim))
        return self._all_but(value.dim() - self.event_dim, found, value)

    def __repr__(self) -> str:
        return f"MixtureSameFamilyConstraint({self.base_constraint!r})"


class _Parts(Constraint):
    """Several constraints along a dimension."""

    def __init__(self, cseq: Sequence[Constraint], dim: int = 0):
        if not all(isinstance(c, Constraint) for c in cseq):
            raise AssertionError("All elements of cseq must be Constraint instances")
        self.cseq, self.dim = list(cseq), dim

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        return any(c.is_discrete for c in self.cseq)

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        return max(c.event_dim for c in self.cseq)

    def __repr__(self) -> str:
        return f"{type(self).__name__.removeprefix('_')}()"


class _Cat(_Parts):
    """Constraints of the pieces, of the lengths, that are concatenated along a dimension."""

    def __init__(self, cseq: Sequence[Constraint], dim: int = 0, lengths: Sequence[int] | None = None):
        super().__init__(cseq, dim)
        self.lengths = [1] * len(self.cseq) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.cseq):
            raise AssertionError(f"lengths ({len(self.lengths)}) must match cseq ({len(self.cseq)})")

    def check(self, value: Tensor) -> Tensor:
        pieces = value.split(self.lengths, self.dim)
        return kuai.cat([c.check(piece) for c, piece in zip(self.cseq, pieces)], self.dim)


class _Stack(_Parts):
    """Constraints of the pieces that are stacked along a dimension."""

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        inner = super().event_dim
        return inner + 1 if self.dim + inner < 0 else inner

    def check(self, value: Tensor) -> Tensor:
        return kuai.stack([c.check(piece) for c, piece in zip(self.cseq, value.unbind(self.dim))], self.dim)


# ---- those that depend on parameters ---------------------------------------------------------------------------------


class _Dependent(Constraint):
    """Stands for a set that depends on a distribution's parameters; what is known of it may be said."""

    def __init__(self, *, is_discrete: object = NotImplemented, event_dim: object = NotImplemented):
        self._known = {"is_discrete": is_discrete, "event_dim": event_dim}

    def _said(self, name: str) -> Any:
        if self._known[name] is NotImplemented:
            raise NotImplementedError(f".{name} cannot be determined statically")
        return self._known[name]

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        return self._said("is_discrete")

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        return self._said("event_dim")

    def __call__(self, **known: object) -> _Dependent:
        return _Dependent(**{**self._known, **known})

    def check(self, value: Tensor) -> Tensor:
        raise ValueError("Cannot determine validity of dependent constraint")

    def __repr__(self) -> str:
        return "Dependent()"


class dependent_property(property, _Dependent):
    """A property of a distribution that is a constraint; on the class it stands for one (``constraints.dependent_property``).

    >>> from kuai import distributions
    >>> from kuai.distributions import constraints
    >>> class Below(distributions.Distribution):
    ...     @constraints.dependent_property(is_discrete=False, event_dim=0)
    ...     def support(self):
    ...         return constraints.less_than(self.bound)
    >>> Below.support.event_dim
    0
    """

    def __init__(self, fn: Callable | None = None, *, is_discrete: object = NotImplemented, event_dim: object = NotImplemented):
        super().__init__(fn)
        self._known = {"is_discrete": is_discrete, "event_dim": event_dim}

    def __call__(self, fn: Callable) -> dependent_property:  # type: ignore[override]
        return dependent_property(fn, **self._known)


def is_dependent(constraint: object) -> bool:
    """Whether a constraint stands for one that depends on parameters (``constraints.is_dependent``).

    >>> from kuai.distributions import constraints
    >>> constraints.is_dependent(constraints.dependent), constraints.is_dependent(constraints.real)
    (True, False)
    """
    return isinstance(constraint, _Dependent)


dependent = _Dependent()
independent, cat, stack = _IndependentConstraint, _Cat, _Stack
interval, half_open_interval, integer_interval = _Interval, _HalfOpenInterval, _IntegerInterval
greater_than, greater_than_eq, less_than, multinomial = _GreaterThan, _GreaterThanEq, _LessThan, _Multinomial
real, boolean, one_hot, simplex = _Real(), _Boolean(), _OneHot(), _Simplex()
real_vector = independent(real, 1)
positive, nonnegative = greater_than(0.0), greater_than_eq(0.0)
unit_interval = interval(0.0, 1.0)
nonnegative_integer, positive_integer = _IntegerGreaterThan(0), _IntegerGreaterThan(1)
lower_triangular, lower_cholesky, corr_cholesky = _LowerTriangular(), _LowerCholesky(), _CorrCholesky()
square, symmetric = _Square(), _Symmetric()
positive_semidefinite, positive_definite = _PositiveSemidefinite(), _PositiveDefinite()
