"""Which transform leads from the real numbers into a constraint (``torch.distributions.constraint_registry``)."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Number
from typing import Any

from . import constraints, transforms
from .constraints import Constraint
from .transform import Transform


class ConstraintRegistry:
    """Transforms by the class of the constraint (``torch.distributions.constraint_registry.ConstraintRegistry``).

    >>> import kuai as torch
    >>> torch.distributions.transform_to(torch.distributions.constraints.positive)(torch.tensor(0.))
    tensor(1.)
    """

    def __init__(self) -> None:
        self._registry: dict[type, Callable] = {}

    def register(self, constraint: Any, factory: Callable | None = None) -> Callable:
        """Register what makes a transform of a constraint of the class, or of the class of the one given; a decorator too."""
        if factory is None:
            return lambda made: self.register(constraint, made)
        kind = type(constraint) if isinstance(constraint, Constraint) else constraint
        if not isinstance(kind, type) or not issubclass(kind, Constraint):
            raise TypeError(f"Expected constraint to be either a Constraint subclass or instance, but got {constraint}")
        self._registry[kind] = factory
        return factory

    def __call__(self, constraint: Constraint) -> Transform:
        """The transform of a constraint; NotImplementedError if there is none."""
        factory = self._registry.get(type(constraint))
        if factory is None:
            raise NotImplementedError(f"Cannot transform {type(constraint).__name__} constraints")
        return factory(constraint)


biject_to, transform_to = ConstraintRegistry(), ConstraintRegistry()


def _shifted(inner: Transform, loc: Any, scale: Any) -> Transform:
    return transforms.ComposeTransform([inner, transforms.AffineTransform(loc, scale)])


def _between(constraint: Any) -> Transform:
    low, high = constraint.lower_bound, constraint.upper_bound
    if isinstance(low, Number) and low == 0 and isinstance(high, Number) and high == 1:
        return transforms.SigmoidTransform()
    return _shifted(transforms.SigmoidTransform(), low, high - low)


def _above(constraint: Any) -> Transform:
    """From a bound on; the bound 0 of `constraints.positive` and `nonnegative` is like any other."""
    return _shifted(transforms.ExpTransform(), constraint.lower_bound, 1)


for _registry in (biject_to, transform_to):
    _registry.register(constraints.real, lambda c: transforms.identity_transform)
    _registry.register(constraints.greater_than, _above)
    _registry.register(constraints.greater_than_eq, _above)
    _registry.register(constraints.less_than, lambda c: _shifted(transforms.ExpTransform(), c.upper_bound, -1))
    _registry.register(constraints.interval, _between)
    _registry.register(constraints.half_open_interval, _between)
    _registry.register(constraints.corr_cholesky, lambda c: transforms.CorrCholeskyTransform())
    _registry.register(
        constraints.independent,
        lambda c, to=_registry: transforms.IndependentTransform(to(c.base_constraint), c.reinterpreted_batch_ndims),
    )
    _registry.register(
        constraints.cat, lambda c, to=_registry: transforms.CatTransform([to(part) for part in c.cseq], c.dim, c.lengths)
    )
    _registry.register(constraints.stack, lambda c, to=_registry: transforms.StackTransform([to(part) for part in c.cseq], c.dim))

biject_to.register(constraints.simplex, lambda c: transforms.StickBreakingTransform())
transform_to.register(constraints.simplex, lambda c: transforms.SoftmaxTransform())
transform_to.register(constraints.lower_cholesky, lambda c: transforms.LowerCholeskyTransform())
transform_to.register(constraints.positive_definite, lambda c: transforms.PositiveDefiniteTransform())
transform_to.register(constraints.positive_semidefinite, lambda c: transforms.PositiveDefiniteTransform())
