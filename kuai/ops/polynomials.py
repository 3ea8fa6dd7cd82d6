"""Orthogonal polynomials, of degrees given as tensors or numbers."""

from __future__ import annotations

from collections.abc import Callable

from ..tensor import Tensor
from . import rules
from .define import op, write_out
from .numerics import polynomials
from .pointwise import FLOAT, no_derivative, single_or_double, some_tensor, supports

_rule = some_tensor(single_or_double(supports(FLOAT)(rules.float_broadcast)))


def _family(name: str, about: str, first: Callable, step: Callable, example: str, shifted: bool = False) -> Callable:
    """The function of a family of polynomials; the example is what the one of degree 3 has at 0.25."""

    missing = no_derivative(f"special_{name}")

    @op(shape=_rule, cost=200.0, name=name, vjp=(missing, missing))
    def record(xp, input, n):
        return polynomials.recur(xp, 2 * input - 1 if shifted else input, n, first, step)

    def polynomial(input: Tensor | complex, n: object, *, out: Tensor | None = None) -> Tensor:
        made = record(input, n)
        return made if out is None else write_out(out, made)

    polynomial.__name__ = polynomial.__qualname__ = name
    polynomial.__doc__ = f"""{about} (``torch.special.{name}``).

    >>> import kuai as torch
    >>> torch.special.{name}(torch.tensor([0.25]), 3)
    tensor([{example}])
    """
    return polynomial


def _chebyshev(kind: str, order: str, first: Callable, plain: str, shifted: str) -> tuple[Callable, Callable]:
    step = polynomials.chebyshev_step
    about = f"Chebyshev's polynomials of the {order} kind, of degree n"
    return (
        _family(f"chebyshev_polynomial_{kind}", about, first, step, plain),
        _family(f"shifted_chebyshev_polynomial_{kind}", f"{about}, at 2 x - 1", first, step, shifted, shifted=True),
    )


chebyshev_polynomial_t, shifted_chebyshev_polynomial_t = _chebyshev("t", "first", lambda x: x, "-0.6875", "1.")
chebyshev_polynomial_u, shifted_chebyshev_polynomial_u = _chebyshev("u", "second", lambda x: 2 * x, "-0.8750", "1.")
chebyshev_polynomial_v, shifted_chebyshev_polynomial_v = _chebyshev("v", "third", lambda x: 2 * x - 1, "-0.1250", "1.")
chebyshev_polynomial_w, shifted_chebyshev_polynomial_w = _chebyshev("w", "fourth", lambda x: 2 * x + 1, "-1.6250", "1.")
hermite_polynomial_h = _family(
    "hermite_polynomial_h", "The physicists' Hermite polynomials, of degree n", lambda x: 2 * x, polynomials.hermite_h_step,
    "-2.8750")  # fmt: skip
hermite_polynomial_he = _family(
    "hermite_polynomial_he", "The probabilists' Hermite polynomials, of degree n", lambda x: x, polynomials.hermite_he_step,
    "-0.7344")  # fmt: skip
laguerre_polynomial_l = _family(
    "laguerre_polynomial_l", "Laguerre's polynomials, of degree n", lambda x: 1 - x, polynomials.laguerre_step, "0.3411")
legendre_polynomial_p = _family(
    "legendre_polynomial_p", "Legendre's polynomials, of degree n", lambda x: x, polynomials.legendre_step, "-0.3359")
