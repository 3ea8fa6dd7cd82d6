"""Bessel's and Airy's functions."""

from __future__ import annotations

from ..tensor import Tensor
from .comparison import where
from .complex_numbers import sgn
from .define import unary
from .elementwise import abs, exp, mul, sub, true_divide
from .numerics import bessel
from .pointwise import no_derivative, real_float, wide_float

# ---- modified, of the first kind -------------------------------------------------------------------------------------


def _i0e_vjp(g: Tensor, x: Tensor, out: Tensor) -> Tensor:
    return mul(g, sub(i1e(x), mul(sgn(x), out)))


@unary(grad_name="SpecialI0EBackward0", shape=real_float, cost=60.0, vjp=(_i0e_vjp,))
def i0e(xp, x):
    """``exp(-abs(x)) * i0(x)`` (``torch.special.i0e``).

    >>> import kuai as torch
    >>> torch.special.i0e(torch.tensor([0., 1.]))
    tensor([1.0000, 0.4658])
    """
    return bessel.i0e(xp, x)


def _quotient(out: Tensor, x: Tensor) -> Tensor:
    """i1(x) / x, which is 1/2 at 0."""
    return where(x == 0, 0.5, true_divide(out, where(x == 0, 1, x)))


def _i1_vjp(g: Tensor, x: Tensor, out: Tensor) -> Tensor:
    return mul(g, sub(mul(i0e(x), exp(abs(x))), _quotient(out, x)))


@unary(grad_name="SpecialI1Backward0", shape=real_float, cost=60.0, vjp=(_i1_vjp,))
def i1(xp, x):
    """The modified Bessel function of the first kind, of order 1 (``torch.special.i1``).

    >>> import kuai as torch
    >>> torch.special.i1(torch.tensor([0., 1.]))
    tensor([0.0000, 0.5652])
    """
    return bessel.i1(xp, x)


def _i1e_vjp(g: Tensor, x: Tensor, out: Tensor) -> Tensor:
    return mul(g, sub(sub(i0e(x), mul(sgn(x), out)), _quotient(out, x)))


@unary(grad_name="SpecialI1EBackward0", shape=real_float, cost=60.0, vjp=(_i1e_vjp,))
def i1e(xp, x):
    """``exp(-abs(x)) * i1(x)`` (``torch.special.i1e``).

    >>> import kuai as torch
    >>> torch.special.i1e(torch.tensor([0., 1.]))
    tensor([0.0000, 0.2079])
    """
    return bessel.i1e(xp, x)


@unary(shape=wide_float, cost=60.0, vjp=(no_derivative("special_modified_bessel_i0"),))
def modified_bessel_i0(xp, x):
    """The modified Bessel function of the first kind, of order 0 (``torch.special.modified_bessel_i0``).

    >>> import kuai as torch
    >>> torch.special.modified_bessel_i0(torch.tensor([1.]))
    tensor([1.2661])
    """
    return bessel.i0(xp, x)


@unary(shape=wide_float, cost=60.0, vjp=(no_derivative("special_modified_bessel_i1"),))
def modified_bessel_i1(xp, x):
    """The modified Bessel function of the first kind, of order 1 (``torch.special.modified_bessel_i1``).

    >>> import kuai as torch
    >>> torch.special.modified_bessel_i1(torch.tensor([1.]))
    tensor([0.5652])
    """
    return bessel.i1(xp, x)


# ---- modified, of the second kind ------------------------------------------------------------------------------------


@unary(shape=wide_float, cost=100.0, vjp=(no_derivative("special_modified_bessel_k0"),))
def modified_bessel_k0(xp, x):
    """The modified Bessel function of the second kind, of order 0 (``torch.special.modified_bessel_k0``).

    >>> import kuai as torch
    >>> torch.special.modified_bessel_k0(torch.tensor([1.]))
    tensor([0.4210])
    """
    return bessel.k0(xp, x, scaled=False)


@unary(shape=wide_float, cost=100.0, vjp=(no_derivative("special_modified_bessel_k1"),))
def modified_bessel_k1(xp, x):
    """The modified Bessel function of the second kind, of order 1 (``torch.special.modified_bessel_k1``).

    >>> import kuai as torch
    >>> torch.special.modified_bessel_k1(torch.tensor([1.]))
    tensor([0.6019])
    """
    return bessel.k1(xp, x, scaled=False)


@unary(shape=wide_float, cost=100.0, vjp=(no_derivative("special_scaled_modified_bessel_k0"),))
def scaled_modified_bessel_k0(xp, x):
    """``exp(x) * modified_bessel_k0(x)`` (``torch.special.scaled_modified_bessel_k0``).

    >>> import kuai as torch
    >>> torch.special.scaled_modified_bessel_k0(torch.tensor([1.]))
    tensor([1.1445])
    """
    return bessel.k0(xp, x, scaled=True)


@unary(shape=wide_float, cost=100.0, vjp=(no_derivative("special_scaled_modified_bessel_k1"),))
def scaled_modified_bessel_k1(xp, x):
    """``exp(x) * modified_bessel_k1(x)`` (``torch.special.scaled_modified_bessel_k1``).

    >>> import kuai as torch
    >>> torch.special.scaled_modified_bessel_k1(torch.tensor([1.]))
    tensor([1.6362])
    """
    return bessel.k1(xp, x, scaled=True)


# ---- oscillating -----------------------------------------------------------------------------------------------------


@unary(shape=wide_float, cost=80.0, vjp=(no_derivative("special_bessel_j0"),))
def bessel_j0(xp, x):
    """The Bessel function of the first kind, of order 0 (``torch.special.bessel_j0``).

    >>> import kuai as torch
    >>> torch.special.bessel_j0(torch.tensor([0., 1.]))
    tensor([1.0000, 0.7652])
    """
    return bessel.j0(xp, x)


@unary(shape=wide_float, cost=80.0, vjp=(no_derivative("special_bessel_j1"),))
def bessel_j1(xp, x):
    """The Bessel function of the first kind, of order 1 (``torch.special.bessel_j1``).

    >>> import kuai as torch
    >>> torch.special.bessel_j1(torch.tensor([0., 1.]))
    tensor([0.0000, 0.4401])
    """
    return bessel.j1(xp, x)


@unary(shape=wide_float, cost=100.0, vjp=(no_derivative("special_bessel_y0"),))
def bessel_y0(xp, x):
    """The Bessel function of the second kind, of order 0 (``torch.special.bessel_y0``).

    >>> import kuai as torch
    >>> torch.special.bessel_y0(torch.tensor([1.]))
    tensor([0.0883])
    """
    return bessel.y0(xp, x)


@unary(shape=wide_float, cost=100.0, vjp=(no_derivative("special_bessel_y1"),))
def bessel_y1(xp, x):
    """The Bessel function of the second kind, of order 1 (``torch.special.bessel_y1``).

    >>> import kuai as torch
    >>> torch.special.bessel_y1(torch.tensor([1.]))
    tensor([-0.7812])
    """
    return bessel.y1(xp, x)


@unary(shape=wide_float, cost=10.0, vjp=(no_derivative("special_spherical_bessel_j0"),))
def spherical_bessel_j0(xp, x):
    """The spherical Bessel function of the first kind, of order 0: sin(x) / x (``torch.special.spherical_bessel_j0``).

    >>> import kuai as torch
    >>> torch.special.spherical_bessel_j0(torch.tensor([0., 1.]))
    tensor([1.0000, 0.8415])
    """
    return bessel.spherical_j0(xp, x)


@unary(shape=wide_float, cost=150.0, vjp=(no_derivative("special_airy_ai"),))
def airy_ai(xp, x):
    """Airy's function Ai (``torch.special.airy_ai``).

    >>> import kuai as torch
    >>> torch.special.airy_ai(torch.tensor([0., 1.]))
    tensor([0.3550, 0.1353])
    """
    return bessel.airy_ai(xp, x)
