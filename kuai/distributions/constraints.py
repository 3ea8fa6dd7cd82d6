"""The sets in which parameters and values must lie (``torch.distributions.constraints``).

>>> import kuai as torch
>>> from kuai.distributions import constraints
>>> constraints.positive.check(torch.tensor([1., -1.]))
tensor([ True, False])
"""

from __future__ import annotations

from collections.abc import Callable

import kuai

from .. import linalg
from ..tensor import Tensor


class Constraint:
    """A set: ``check(value)`` says of each element, or of each event of ``event_dim`` dimensions, whether it lies within."""

    def __init__(self, name: str, check: Callable[[Tensor], Tensor], is_discrete: bool = False, event_dim: int = 0):
        self.name, self.is_discrete, self.event_dim, self._check = name, is_discrete, event_dim, check

    def check(self, value: Tensor) -> Tensor:
        """Whether the values lie within."""
        return self._check(value)

    def __repr__(self) -> str:
        return self.name


def interval(lower_bound: object, upper_bound: object) -> Constraint:
    """Numbers from one bound to another."""
    name = f"Interval(lower_bound: {lower_bound}, upper_bound: {upper_bound})"
    return Constraint(name, lambda x: (lower_bound <= x) & (x <= upper_bound))


def greater_than(lower_bound: object) -> Constraint:
    """Numbers above a bound."""
    return Constraint(f"GreaterThan(lower_bound: {lower_bound})", lambda x: lower_bound < x)


def greater_than_eq(lower_bound: object) -> Constraint:
    """Numbers from a bound on."""
    return Constraint(f"GreaterThanEq(lower_bound: {lower_bound})", lambda x: lower_bound <= x)


def less_than(upper_bound: object) -> Constraint:
    """Numbers below a bound."""
    return Constraint(f"LessThan(upper_bound: {upper_bound})", lambda x: x < upper_bound)


def half_open_interval(lower_bound: object, upper_bound: object) -> Constraint:
    """Numbers from one bound to below another."""
    name = f"HalfOpenInterval(lower_bound: {lower_bound}, upper_bound: {upper_bound})"
    return Constraint(name, lambda x: (lower_bound <= x) & (x < upper_bound))


def integer_interval(lower_bound: object, upper_bound: object) -> Constraint:
    """Whole numbers from one bound to another."""
    name = f"IntegerInterval(lower_bound: {lower_bound}, upper_bound: {upper_bound})"
    return Constraint(name, lambda x: (x % 1 == 0) & (lower_bound <= x) & (x <= upper_bound), is_discrete=True)


def independent(base_constraint: Constraint, reinterpreted_batch_ndims: int) -> Constraint:
    """A constraint whose last batch dimensions belong to the event."""
    n = reinterpreted_batch_ndims
    name = f"Independent({base_constraint}, {n})"
    check = lambda x: base_constraint.check(x).flatten(-n).all(-1) if n else base_constraint.check(x)  # noqa: E731
    return Constraint(name, check, base_constraint.is_discrete, base_constraint.event_dim + n)


def multinomial(upper_bound: object) -> Constraint:
    """Whole numbers that are at least 0 and sum to at most a bound."""
    return Constraint(
        "Multinomial()", lambda x: (x >= 0).all(-1) & (x.sum(-1) <= upper_bound), is_discrete=True, event_dim=1
    )


def _is_lower_cholesky(x: Tensor) -> Tensor:
    lower = (x.tril() == x).flatten(-2).all(-1)
    return lower & (x.diagonal(dim1=-2, dim2=-1) > 0).all(-1)


def _is_positive_definite(x: Tensor) -> Tensor:
    symmetric = kuai.isclose(x, x.mT, atol=1e-6).flatten(-2).all(-1)
    return symmetric & (linalg.eigvalsh((x + x.mT) / 2) > 0).all(-1)


def _is_one_hot(x: Tensor) -> Tensor:
    return ((x == 0) | (x == 1)).all(-1) & (x.sum(-1) == 1)


real = Constraint("Real()", lambda x: x == x)
real_vector = independent(real, 1)
boolean = Constraint("Boolean()", lambda x: (x == 0) | (x == 1), is_discrete=True)
one_hot = Constraint("OneHot()", _is_one_hot, is_discrete=True, event_dim=1)
positive, nonnegative = greater_than(0.0), greater_than_eq(0.0)
unit_interval = interval(0.0, 1.0)
positive_integer = Constraint("IntegerGreaterThan(lower_bound: 1)", lambda x: (x % 1 == 0) & (x >= 1), is_discrete=True)
nonnegative_integer = Constraint("IntegerGreaterThan(lower_bound: 0)", lambda x: (x % 1 == 0) & (x >= 0), is_discrete=True)
simplex = Constraint("Simplex()", lambda x: (x >= 0).all(-1) & ((x.sum(-1) - 1).abs() < 1e-6), event_dim=1)
lower_cholesky = Constraint("LowerCholesky()", _is_lower_cholesky, event_dim=2)
positive_definite = Constraint("PositiveDefinite()", _is_positive_definite, event_dim=2)
