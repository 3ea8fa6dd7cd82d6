"""Gamma, Dirichlet and binomial draws. They are made on the host, one by one, and so are their derivatives."""

from __future__ import annotations

import numpy as np

from .. import random as chance
from ..autograd.function import Function, constant_in
from ..random import Generator
from ..tensor import Tensor
from .elementwise import mul, sub
from .host import drawn, on_host
from .numerics import quantiles
from .reduction import sum as sum_of


def _need_floats(name: str, *given: Tensor) -> None:
    for x in given:
        if x.dtype.category != 2:
            raise NotImplementedError(f'"{name}" not implemented for {x.dtype}: it needs a floating-point dtype')


def _slope(function, name: str, *given: Tensor) -> Tensor:
    """A derivative that NumPy computes in float64, in the dtype of the first tensor."""
    _need_floats(name, *given)

    def found(*arrays: np.ndarray) -> tuple:
        with np.errstate(all="ignore"):
            return (np.asarray(function(*arrays)).astype(given[0].dtype.numpy),)

    return on_host(found, *given)[0]


def standard_gamma_grad(input: Tensor, output: Tensor) -> Tensor:
    """How much draws grow with their shapes (``torch._standard_gamma_grad``).

    >>> import kuai as torch
    >>> torch._standard_gamma_grad(torch.tensor(1.), torch.tensor(1.))
    tensor(1.1736)
    """
    return _slope(quantiles.gamma_slope, "_standard_gamma_grad", input, output)


def dirichlet_grad(x: Tensor, alpha: Tensor, total: Tensor) -> Tensor:
    """How much fractions grow with their concentrations (``torch._dirichlet_grad``).

    >>> import kuai as torch
    >>> torch._dirichlet_grad(torch.tensor(0.5), torch.tensor(1.), torch.tensor(2.))
    tensor(0.6931)
    """
    return _slope(quantiles.dirichlet_slope, "_dirichlet_grad", x, alpha, total)


def _draw(ctx, name: str, stream, alpha: Tensor, generator: Generator | None) -> Tensor:
    """Draws from parameters, kept with them for the derivative."""
    _need_floats(name, alpha)
    made = drawn(lambda a: stream(generator, a), alpha)
    ctx.save_for_backward(alpha, made)
    return made


class _StandardGamma(Function):
    @staticmethod
    def forward(ctx, alpha, generator):
        return _draw(ctx, "_standard_gamma", chance.streams.standard_gamma, alpha, generator)

    @staticmethod
    def backward(ctx, g):
        return mul(g, standard_gamma_grad(*ctx.saved_tensors)), None


class _Dirichlet(Function):
    @staticmethod
    def forward(ctx, alpha, generator):
        return _draw(ctx, "_sample_dirichlet", chance.streams.dirichlet, alpha, generator)

    @staticmethod
    def backward(ctx, g):
        alpha, x = ctx.saved_tensors
        slope = dirichlet_grad(x, alpha, sum_of(alpha, -1, True).expand_as(alpha))
        return mul(slope, sub(g, sum_of(mul(x, g), -1, True))), None


def standard_gamma(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Draws of the gamma distributions of the shapes, at the rate 1; they have a derivative (``torch._standard_gamma``).

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0); torch._standard_gamma(torch.tensor([2.0, 0.5]))
    tensor([4.5526, 0.0055])
    """
    return _StandardGamma.apply(input, generator)


def sample_dirichlet(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Fractions of the concentrations in the last dimension; they have a derivative (``torch._sample_dirichlet``).

    >>> import kuai as torch
    >>> torch._sample_dirichlet(torch.ones(2, 3)).sum(-1)
    tensor([1., 1.])
    """
    return _Dirichlet.apply(input, generator)


def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """Successes among numbers of trials, each of a probability (``torch.binomial``).

    Both are floating-point tensors of one dtype, and are broadcast together; the result has their dtype.

    >>> import kuai as torch
    >>> torch.binomial(torch.tensor([5., 7.]), torch.tensor([0., 1.]))
    tensor([0., 7.])
    """
    for name, x in (("count", count), ("prob", prob)):
        if x.dtype.category != 2:
            raise ValueError(f"binomial only supports floating-point dtypes for {name}, got: {x.dtype}")
    if count.dtype is not prob.dtype:
        raise RuntimeError(f"binomial: count and prob need one dtype, got {count.dtype} and {prob.dtype}")
    made = drawn(lambda n, p: chance.streams.binomial(generator, *np.broadcast_arrays(n, p)), count, prob)
    return constant_in(made, "BinomialBackward0", count, prob)
