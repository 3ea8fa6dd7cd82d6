"""Pointwise functions against PyTorch: values, dtypes, numbers, errors, in-place forms, accuracy, derivatives, compiled."""

import warnings

import numpy as np
import pytest

import kuai
from tests import oracle

torch = oracle.torch

# x, y: floats, d: doubles, h: halves, i, j: integers, u: uint8, b: bools, c: complex, z: a number, e: none, n: with nan
ARITHMETIC = """x + y | x + i | x + 1 | x + 1.5 | x + 1j | i + 1.5 | b + b | b + 1 | u + 10 | u + 300 | u - 250 | u * 2
i + z | i - 1 | x - y | b - b | b - 1 | x - True | 1 - x | 1 - b | z - i | h + 1e-4 | h * 3 | h + x | h + z | d + x
x + x[0] | x + e | x + x[:, :2] | torch.add(1, 2) | torch.add(x, y, alpha=2) | torch.add(i, i, alpha=1.5)
torch.add(b, b, alpha=True) | torch.add(b, b, alpha=2) | torch.add(x, x, alpha=True) | torch.add(x, x, alpha=1j)
torch.add(c, c, alpha=1j) | torch.sub(i, 2, alpha=3) | torch.add(x) | torch.sub(x, y, alpha=-1.5) | torch.rsub(i, 10)
torch.rsub(x, y, alpha=2) | torch.rsub(2, x) | torch.rsub(b, 1) | x * y | x * c | 2j * x | b * b | i * b
torch.mul(2, 3) | torch.multiply(i, 2.5) | torch.subtract(x, y) | x / y | i / j | i / 0 | b / 2 | 1 / x | 2 / i
torch.true_divide(1, 2) | torch.div(x, y, rounding_mode='trunc') | torch.div(x, y, rounding_mode='floor')
torch.div(i, j, rounding_mode='trunc') | torch.div(i, j, rounding_mode='floor') | torch.div(x, y, rounding_mode='x')
torch.divide(i, 2) | i // j | x // y | x // 0.3 | x // 0 | i // 0 | i % 0 | torch.fmod(i, 0) | u // 7 | -7 // j | b // 2
c // 2 | torch.floor_divide(1, 2) | i % 4 | i % -4 | x % 0.7 | x % y | x % 0 | 7 % j | torch.remainder(3, x)
torch.remainder(2, 3) | torch.fmod(x, y) | torch.fmod(i, -4) | torch.fmod(3, x) | b % 2 | c % 2
torch.addcmul(x, y, y, value=2) | torch.addcmul(i, i, j) | torch.addcmul(x, 1, y) | torch.addcmul(i, i, i, value=.5)
torch.addcmul(x, i, d) | torch.addcmul(x, y, y, value=1j) | torch.addcdiv(x, y, y + 9, value=-1)
torch.addcdiv(i, i, i) | torch.addcmul(b, b, b) | torch.lerp(x, y, .25) | torch.lerp(x, y, .75) | torch.lerp(x, y, y)
torch.lerp(x, d, .5) | torch.lerp(i, i, .5) | torch.lerp(x, y, d) | -x | -b | -u | +x | +b | abs(x) | abs(i) | abs(c)
abs(b) | torch.absolute(x) | torch.positive(i) | torch.reciprocal(i) | torch.square(b) | torch.square(x) | x.add('a')
x + 'a' | x + None | x + [1] | torch.add('a', x) | np.float32(2) * x | np.int64(2) * i"""

POWERS = """x ** 2 | x ** 3 | x ** 4 | x ** -1 | x ** -2 | x ** 0.5 | abs(x) ** -0.5 | x ** 0 | x ** 1 | x ** 5
abs(x) ** 1.7 | 2 ** x | 2 ** i.abs() | i ** 2 | i ** 3 | i ** 7 | i ** -1 | i ** -5 | i ** 0.5 | i ** j | j ** i
torch.pow(i, T([-1])) | b ** 2 | b ** b | u ** 3 | u ** u | abs(x) ** y | x ** i | x ** z | c ** 2 | c ** 0.5 | x ** 1j
0 ** j.abs() | torch.pow(2, 3) | torch.pow(True, i) | h ** 2 | h ** 0.3 | torch.float_power(i, 2)
torch.float_power(2, i) | torch.float_power(x, y.abs()) | x.clone().float_power_(2) | d.clone().float_power_(2)
torch.sqrt(i) | torch.sqrt(x) | torch.sqrt(2.0) | torch.sqrt(b) | torch.rsqrt(i.abs()) | c.sqrt() | torch.exp(i)
torch.exp2(i) | torch.exp2(c) | torch.log(i) | torch.log2(c) | torch.sin(x, y) | torch.sqrt(input=x)
torch.sqrt(x, out=i) | torch.exp(x, out=d) | torch.hypot(x, y) | torch.hypot(i, i) | torch.atan2(x, 1.)
torch.atan2(i, j) | torch.deg2rad(i) | torch.rad2deg(x) | torch.deg2rad(c) | torch.hypot(x, 2.) | torch.exp('a')"""

ROUNDING = """x.floor() | x.ceil() | x.trunc() | x.round() | T([.5, 1.5, 2.5, -.5]).round() | i.floor() | i.ceil()
b.floor() | c.floor() | c.ceil() | x.frac() | i.frac() | torch.fix(x) | torch.round(T([1.2345, -6.789]), decimals=2)
torch.round(i, decimals=1) | torch.round(T([1234.5]), decimals=-2) | h.floor() | x.sign() | b.sign() | i.sign()
c.sign() | c.sgn() | b.sgn() | n.sign() | T([-0., 0., -1.]).signbit() | i.signbit() | c.signbit() | torch.copysign(x, y)
torch.copysign(x, -1.) | torch.copysign(i, T(-0.)) | torch.copysign(1., x) | torch.heaviside(x, T(.5))
torch.heaviside(x, c) | torch.heaviside(c, x) | torch.ldexp(i, T([True])) | torch.ldexp(T([True]), T([True]))
torch.heaviside(x, i) | torch.heaviside(c, c) | torch.heaviside(i, i) | torch.gcd(i, j) | torch.lcm(i, j)
torch.gcd(i, 2) | torch.gcd(x, x) | torch.gcd(u, i) | torch.lcm(b, b) | torch.nextafter(x, y) | torch.nextafter(d, -d)
torch.nextafter(i, i) | torch.frexp(x) | torch.frexp(i) | torch.frexp(n) | torch.ldexp(x, i) | torch.ldexp(i, j)
torch.ldexp(x, 2) | torch.nan_to_num(n) | torch.nan_to_num(n, 1., 2., 3.) | torch.nan_to_num(i)
torch.nan_to_num(n.half()) | torch.nan_to_num(n.bfloat16()) | torch.nan_to_num(n * 1j)"""

COMPARISON = """x == y | x == 0.5 | h == h[0] | h == 0.1 | u == 300 | x == None | x != None | x == 'a' | x < None
c == c | c < c | x.lt(c) | b < b | i >= 2.5 | i > j | x <= y | torch.eq(1, 2) | torch.eq(1, x) | torch.ge(x, 'a')
torch.greater(x, y) | torch.not_equal(i, 3) | x.clone().eq_(0.5) | torch.isnan(n) | torch.isnan(i) | torch.isnan(1.)
torch.isinf(n) | torch.isfinite(n) | torch.isfinite(b) | torch.isposinf(n) | torch.isneginf(n) | torch.isposinf(c)
torch.isinf(n * 1j) | torch.logical_and(x, i) | torch.logical_or(c, b) | torch.logical_xor(i, u) | torch.logical_not(c)
torch.logical_and(x, 1) | i & 5 | b & b | b & 1 | x & 1 | i ^ j | b ^ True | ~i | ~b | ~u | torch.bitwise_not(x)
i << 2 | i >> 1 | u << 3 | u >> 9 | i << 64 | i << -1 | i >> 70 | j >> -1 | b << 1 | x << 1 | 1 << i
torch.bitwise_and(1, 1) | torch.bitwise_left_shift(i, j) | 6 & i | torch.where(b, x, y) | torch.where(b, x, 1)
torch.where(b, 1, i) | torch.where(b, 1., 2.) | torch.where(b, True, 2.) | torch.where(i, x, x) | torch.where(u, x, x)
torch.where(b, x) | torch.where(b, x, d[0]) | x.where(b, y) | torch.where(b, h, z) | torch.where(b)
torch.maximum(x, y) | torch.maximum(i, x) | torch.maximum(x, 1.) | torch.maximum(c, c) | torch.maximum(b, b)
torch.minimum(n, x[0, 0]) | torch.maximum(n, x[0, 0]) | torch.fmax(n, x[0, 0]) | torch.fmin(n, x[0, 0])
torch.fmax(x, 1) | torch.fmax(i, i) | x.clamp(0, 1) | x.clamp(min=0) | x.clamp(max=0.25) | x.clamp() | i.clamp(min=.5)
i.clamp(0, 2) | b.clamp(min=0) | b.clamp(max=True) | b.clamp(b, b) | x.clamp(y) | x.clamp(y, y + 1)
x.clamp(min=T([0.]), max=1) | x.clamp(T(0), T(1)) | x.clamp(2, 1) | n.clamp(0, 1) | x.clamp(nan) | i.clamp(max=T(1.5))
c.clamp(min=1) | x.clip(0, 1) | torch.clamp_min(x, 0) | x.clamp_max(y) | torch.clamp_max(2, x) | torch.clamp_max(b, b)
h.clamp(0, .5) | torch.isclose(x, x + 1e-7) | torch.isclose(x, i) | torch.isclose(i, i, rtol=.1) | torch.isclose(b, b)
torch.isclose(x, x, rtol=-1) | torch.isclose(n, n) | torch.isclose(c, c) | torch.isclose(n, n, equal_nan=True)
torch.allclose(x, x + 1e-9) | torch.allclose(n, n) | torch.equal(x, x) | torch.equal(x, x[0]) | torch.equal(x, 1)
torch.equal(n, n) | torch.isin(x, y) | torch.isin(i, T([3, 5])) | torch.isin(1, i) | torch.isin(i, 3, invert=True)
torch.isin(1, 1) | torch.isin(b, b) | torch.isin(x, d) | torch.bitwise_or(i, 5) | i.__or__(5) | torch.bitwise_or(i, 5)
i.__or__(5) | torch.bitwise_or(i, 5) | i.__or__(5)"""

COMPLEX = """c.real | c.imag | x.real | x.imag | c.conj() | x.conj() | c.angle() | x.angle() | i.angle() | n.angle()
b.angle() | h.angle() | torch.view_as_real(c) | torch.view_as_real(x) | torch.view_as_complex(x.reshape(3, 2))
torch.view_as_complex(x) | torch.view_as_complex(i) | torch.polar(x, y) | torch.polar(x, d) | torch.polar(h, h)
torch.complex(x, y) | torch.complex(x, d) | c.isreal() | i.isreal() | torch.real(c[0]) | torch.conj_physical(c)
torch.resolve_conj(c.conj()) | torch.is_conj(x) | c.sgn() | (c * 0).sgn() | c.abs() | (c * 0).angle() | c.exp()
c.log() | c.sin() | c.acos() | c.atanh() | c.sigmoid() | c.tanh() | c.reciprocal() | c.rsqrt() | torch.sinc(c)
c.square() | c.sqrt().imag | c.add(1).mul(1j).real | c.conj().imag | torch.view_as_real(c)[0]
torch.view_as_complex(torch.view_as_real(c)) | torch.view_as_real(c[0, 0])"""

SPECIAL = """torch.erf(i) | torch.erf(h) | torch.erf(c) | torch.erfinv(T([-2., -1., 0., 1., 2.])) | torch.lgamma(i)
torch.digamma(i.float()) | torch.polygamma(1, i.abs()) | torch.polygamma(0, x) | torch.polygamma(3, x)
torch.polygamma(i, 1) | torch.polygamma(-1, x) | x.polygamma(2) | torch.mvlgamma(x.abs() + 2, 3) | torch.mvlgamma(x, 0)
torch.mvlgamma(b, 1) | torch.igamma(x.abs(), y.abs()) | torch.igamma(i, i)
torch.igammac(T([0., 1., -1., inf, 2.]), T([1., 0., 1., 1., inf]))
torch.igamma(T([0., 1., -1., inf, 2.]), T([1., 0., 1., 1., inf])) | torch.i0(h) | torch.i0(x * 20) | torch.sinc(x)
torch.sinc(i) | torch.logit(x.abs() / 4) | torch.logit(x, 0.1) | torch.logit(x) | torch.logaddexp(x, y)
torch.logaddexp(T([inf, -inf, 1e4]), T([inf, -inf, 1e4])) | torch.logaddexp(i, i) | torch.logaddexp2(x, y)
torch.xlogy(x, y.abs()) | torch.xlogy(0, T([0., nan, -1.])) | torch.xlogy(x, 2.) | torch.xlogy(1., 1.)
torch.xlogy(i, j) | torch.special.xlog1py(x, y.abs()) | torch.special.xlog1py(0, T([-1., nan, -2.]))
torch.special.zeta(2, x.abs() + 1) | torch.special.zeta(T([2., 3., 1., .5, 2.]), T([-1.5, 2., 2., 2., 0.]))
torch.special.zeta(x.abs() + 2, 3) | torch.special.entr(x) | torch.special.entr(i) | torch.special.ndtr(x)
torch.special.ndtri(x / 4 + .5) | torch.special.ndtri(h) | torch.special.log_ndtr(x * 9) | torch.special.erfcx(x * 3)
torch.special.i0e(x * 20) | torch.special.i1(x) | torch.special.i1e(i) | torch.special.bessel_j0(h)
torch.special.modified_bessel_k0(T([0., -1., 1., nan])) | torch.special.airy_ai(i)
torch.special.spherical_bessel_j0(T([0., inf])) | torch.special.expit(x) | torch.special.gammaln(x)
torch.special.psi(x) | torch.special.multigammaln(x.abs() + 2, 2) | torch.special.gammainc(x.abs(), y.abs())
torch.special.round(x) | torch.special.softmax(x, 0) | torch.special.logsumexp(x, 1)
torch.special.chebyshev_polynomial_t(x / 4, i) | torch.special.chebyshev_polynomial_t(x, 2)
torch.special.laguerre_polynomial_l(2, x) | torch.special.chebyshev_polynomial_u(x / 4, n=5)
torch.special.chebyshev_polynomial_v(x / 4, 9) | torch.special.legendre_polynomial_p(x, 4)
torch.special.chebyshev_polynomial_w(x / 4, 3) | torch.special.hermite_polynomial_h(x, i)
torch.special.hermite_polynomial_he(x, 12) | torch.special.shifted_chebyshev_polynomial_t(x / 4 + .5, 7)
torch.special.hermite_polynomial_h(h, 2) | torch.special.shifted_chebyshev_polynomial_u(x / 4 + .5, 7)
torch.special.shifted_chebyshev_polynomial_v(x / 4 + .5, 3)
torch.special.shifted_chebyshev_polynomial_w(x / 4 + .5, 2) | torch.special.chebyshev_polynomial_t(i, i)"""

WRITING = """(c.real.mul_(2), c) | (c.imag[0].zero_(), c) | (setattr(c, 'imag', x), c)
(torch.view_as_real(c)[0, 0].fill_(7), c) | (setattr(c, 'real', c.imag), c) | torch.complex(x * inf, y * inf)
torch.nan_to_num(c * inf, posinf=inf) | torch.polar(x, y * inf) | (torch.view_as_complex(x.reshape(3, 2)).mul_(1j), x)
(setattr(x, 'real', y), x) | c.real.sum().item() | (c.conj().mul_(2), c) | x.sqrt_() | i.sqrt_() | i.add_(1.5)
b.add_(1) | i.div_(2) | i.floor_divide_(2) | x.mul_(2).add_(y, alpha=3) | u.add_(300) | x.clamp_(0, 1) | x.pow_(2)
x.addcmul_(y, y, value=2) | x.lerp_(y, .3) | x.exp_() | x.copysign_(y) | b.logical_not_() | i.bitwise_and_(3)
x.add_(x[:, :2]) | x[0].add_(d) | x.eq_(0.5) | x.neg_() | c.abs_() | x.abs_() | x.atan2_(y) | x.nan_to_num_()
x.erfinv_() | x.abs_().polygamma_(1) | x.logit_(.1) | torch.add(x, y, out=d) | torch.add(x, y, out=i)
torch.add(x, y, out=y[0].clone()) | x.sub_(True) | torch.clamp(x, 0, 1, out=y) | torch.frexp(x, out=(y, i.int()))
~x | ~i | torch.where(i, 1, 2) | torch.where(x, 1, 2) | torch.sqrt(x, out=5) | torch.add(x, y, out=[1]) | torch.clamp(x, T(0.), 1) | torch.clamp(i, 0, T(2)) | torch.clamp(i, T(1), 2.5) | torch.lerp(x, y, T(.25).double())
torch.promote_types('a', torch.int32) | x.rsub(1) | x.__rdiv__(2) | i.__rpow__(2.) | x.__rfloordiv__(2)"""


def cases(text):
    return [s.strip() for s in text.replace("\n", " | ").split(" | ")]


def scope_of(library):
    """The names that expressions use, in one of the two libraries."""
    T, nan = library.tensor, float("nan")
    x = T([[0.5, -1.25, 2.0], [0.75, 2.0, -3.0]])
    return {
        "torch": library, "np": np, "T": T, "nan": nan, "inf": float("inf"), "x": x,
        "y": T([[0.5, 3.5, -2.0], [-0.25, 2.0, 1.5]]), "d": T([[0.5, -1.5, 2.0], [0.1, 2.0, 7.0]]).to(library.float64),
        "h": T([0.1, -0.5, 0.75]).to(library.float16), "i": T([[3, 0, 2], [-1, 5, -8]]), "j": T([[2, -7, 3], [3, 3, 5]]),
        "u": T([[3, 0, 250], [1, 5, 128]]).to(library.uint8), "b": x > 0.6,
        "c": T([[1 + 2j, 0.5j, -1], [2 - 1j, 3, 1j]]), "z": T(3.0), "e": T([]).reshape(0, 3),
        "n": T([3.0, nan, float("inf"), nan, -float("inf"), 1.0]),
    }  # fmt: skip


def outcome(library, code):
    """What an expression gives in a library, or its error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return eval(code, scope_of(library))
        except Exception as error:  # noqa: BLE001 (its class is what is compared)
            return error


def compare(code):
    oracle.assert_same_outcome(outcome(kuai, code), outcome(torch, code), code)


ALL = "\n".join((ARITHMETIC, POWERS, ROUNDING, COMPARISON, COMPLEX, SPECIAL, WRITING))


@pytest.mark.parametrize("code", cases(ALL))
def test_as_pytorch(code):
    compare(code)


# Functions of p (positive), q (of both signs, smaller than 1), t (with ties, zeros and bounds of the others), and r (complex)
DERIVATIVES = """p + q | p - q * 2 | p * q | p / q | torch.sub(p, q, alpha=3) | torch.addcmul(p, q, p, value=2)
torch.lerp(p, q, .3) | torch.addcdiv(p, q, p, value=2) | torch.lerp(p, q, t) | q.abs() | t.abs() | -q | q ** 2 | q ** 3
q ** 7 | p ** -1 | p ** .5 | p ** 2.5 | t ** 0 | t ** 1 | t ** 2 | p ** q | 2 ** q | 0 ** t.abs() | t ** t.abs()
p.sqrt() | p.rsqrt() | p.reciprocal() | p.exp() | q.exp2() | q.expm1() | p.log() | p.log2() | p.log10() | p.log1p()
q.sin() | q.cos() | q.tan() | q.asin() | q.acos() | q.atan() | q.sinh() | q.cosh() | q.asinh() | (p + 1).acosh()
q.atanh() | torch.atan2(p, q) | torch.hypot(p, q) | torch.deg2rad(q) | torch.rad2deg(q) | p.floor() | p.round()
p.frac() | q.sign() | q.sgn() | torch.copysign(p, q) | torch.copysign(t, q) | p % q | torch.fmod(p, q)
torch.div(p, q, rounding_mode='floor') | torch.frexp(p)[0] | torch.ldexp(p, q) | torch.nan_to_num(q)
torch.nextafter(p, q) | torch.maximum(t, q.round()) | torch.minimum(p, q) | torch.maximum(t, -t) | torch.fmax(t, -t)
torch.fmin(p, q) | t.clamp(-1, 1) | t.clamp(q, p) | t.clamp(p, q) | t.clamp(min=0) | t.clamp_max(q)
torch.where(p > 1, q, p) | torch.where(p > 1, q, 2.) | q.erf() | q.erfc() | q.erfinv() | p.lgamma() | p.digamma()
p.polygamma(1) | torch.mvlgamma(p + 2, 3) | torch.igamma(p.detach(), p) | torch.igammac(p.detach(), p) | q.i0()
torch.sinc(q) | torch.sinc(t) | q.abs().logit() | q.logit(.2) | torch.logaddexp(p, q) | torch.logaddexp2(p, q)
torch.xlogy(q, p) | torch.xlogy(t, p) | torch.special.xlog1py(q, p) | torch.special.zeta(2.5, p) | torch.special.entr(p)
torch.special.ndtr(q) | torch.special.ndtri(q.abs()) | torch.special.log_ndtr(q * 4) | torch.special.erfcx(q)
torch.special.i0e(q) | torch.special.i1(q) | torch.special.i1e(q) | torch.special.i1(t) | q.sigmoid() | q.tanh()
p + q[0] | p[:, :1] * q | r * q | r / p | r.abs() | r.exp() | r.log() | r.sqrt() | r ** 2 | r ** 1.5 | q ** r | r.sin()
r.tan() | r.asin() | r.atan() | r.tanh() | r.sigmoid() | r.conj() | r.real | r.imag * 2 | r.angle() | r.sgn()
r.reciprocal() | r.rsqrt() | torch.sinc(r) | torch.lerp(r, r * 2, .3) | torch.view_as_real(r)
torch.view_as_complex(torch.view_as_real(r) * 2) | torch.polar(p, q) | torch.complex(p, q) | r.log1p() | r.acosh()
r.square() | torch.addcmul(r, r, r, value=1j) | torch.where(p > 1, r, 1.) | r.log10() | r.exp2() | r.cosh() | r.atanh()
r.expm1() | (r * 0).sgn()"""


def points(library):
    T = library.tensor
    made = {
        "p": T([[0.3, 1.7, 2.2], [0.9, 3.1, 0.05]]).double(), "q": T([[0.4, -0.9, 0.1], [-0.3, 0.75, 0.6]]).double(),
        "t": T([[0.0, 1.0, -1.0], [0.5, 2.0, -0.25]]).double(),
        "r": T([[1 + 2j, -0.5j + 0.1, 0.7], [-2 - 1j, 0.3 + 0.2j, 1 - 1j]]).to(library.complex128),
    }  # fmt: skip
    return {name: x.requires_grad_() for name, x in made.items()}


def slopes(library, code, order):
    """First and second derivatives of an expression, along fixed directions; None where there are none."""
    given = points(library)
    out = eval(code, scope_of(library) | given)
    real = (out * library.tensor(1 - 0.5j).to(out.dtype)).real if out.dtype.is_complex else out
    weight = library.tensor(np.linspace(-1, 2, max(real.numel(), 1)).reshape(tuple(real.shape)))
    found = library.autograd.grad((real * weight).sum(), list(given.values()), create_graph=order > 1, allow_unused=True)
    if order > 1:
        total = sum((g.abs() ** 2).sum() for g in found if g is not None)
        found = [None] * 4
        if total.requires_grad:
            found = library.autograd.grad(total, list(given.values()), allow_unused=True)
    return [library.zeros_like(x) if g is None else g for g, x in zip(found, given.values())]


@pytest.fixture
def interpreted():
    kuai.set_engine("numpy")
    yield
    kuai.set_engine("auto")


@pytest.mark.parametrize("code", cases(DERIVATIVES))
def test_derivatives(code, interpreted):
    for order in (1, 2):
        try:
            theirs = slopes(torch, code, order)
        except RuntimeError:
            continue  # where PyTorch has no second derivative
        oracle.assert_same(slopes(kuai, code, order), theirs, f"{code}, derivative {order}")


# Special functions with their ranges; their accuracy is what PyTorch's own tests ask for.
RANGES = {
    "erf": (-6, 6), "erfc": (-3, 6), "erfinv": (-0.9999, 0.9999), "lgamma": (-4.9, 30), "digamma": (-4.9, 30), "i0": (-20, 20),
    "special.erfcx": (-3, 50), "special.ndtr": (-6, 6), "special.ndtri": (0.001, 0.999), "special.log_ndtr": (-30, 6),
    "special.i0e": (-50, 50), "special.i1": (-20, 20), "special.i1e": (-50, 50), "special.modified_bessel_k0": (0.01, 20),
    "special.modified_bessel_k1": (0.01, 20), "special.scaled_modified_bessel_k0": (0.01, 90), "sigmoid": (-9, 9),
    "special.scaled_modified_bessel_k1": (0.01, 90), "special.modified_bessel_i0": (-20, 20), "expm1": (-5, 5), "sinc": (-5, 5),
    "special.modified_bessel_i1": (-20, 20), "log1p": (-0.99, 9), "special.spherical_bessel_j0": (-20, 20),
    "logit": (0.01, 0.99),    "special.bessel_j0": (-4, 4), "special.bessel_j1": (-4, 4), "special.bessel_y0": (0.1, 4), "special.bessel_y1": (0.1, 4),
    "special.airy_ai": (-1.5, 8), "tanh": (-9, 9), "exp2": (-9, 9), "asinh": (-9, 9), "atanh": (-0.99, 0.99), "log2": (0.1, 9),
}  # fmt: skip


def named(library, path):
    for part in path.split("."):
        library = getattr(library, part)
    return library


def check_accuracy(names, dtype):
    x = {name: np.linspace(*RANGES[name], 801).astype(dtype) for name in names}
    ours = {name: named(kuai, name)(kuai.from_numpy(x[name])) for name in names}
    rtol, atol = (1e-5, 1e-5) if dtype is np.float32 else (1e-7, 1e-7)
    for name in names:
        theirs = named(torch, name)(torch.from_numpy(x[name])).numpy()
        np.testing.assert_allclose(ours[name].numpy(), theirs, rtol, atol, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_accuracy(dtype, interpreted):
    check_accuracy(RANGES, dtype)


def test_incomplete_gamma_functions_end_when_they_have_converged(interpreted, monkeypatch):
    """Their loops look after each term whether any element still changes: a few hundred times."""
    rng, looks, any_ = np.random.default_rng(0), [], np.any
    a = np.exp(rng.uniform(-5, 9, 2000))
    x = a * np.exp(rng.normal(0, 0.6, 2000))
    monkeypatch.setattr(np, "any", lambda *args, **kwargs: looks.append(1) or any_(*args, **kwargs))
    for name in ("igamma", "igammac"):
        given = named(kuai, name)(kuai.from_numpy(a), kuai.from_numpy(x)).numpy()
        np.testing.assert_allclose(given, named(torch, name)(torch.from_numpy(a), torch.from_numpy(x)).numpy(), 1e-7, 1e-300)
    assert len(looks) < 4000


def test_erfinv_in_float32_is_rounded_once():
    """Programs make initial weights of it (truncated normals), so its last bit is seen."""
    x = np.linspace(-0.99999, 0.99999, 20001, dtype=np.float32)
    found = kuai.erfinv(kuai.from_numpy(x))
    assert (found == kuai.erfinv(kuai.from_numpy(x.astype(np.float64))).float()).all()
    expected = torch.erfinv(torch.from_numpy(x)).numpy()
    assert (found.numpy() == expected).mean() > 0.98
    assert np.abs(found.numpy() - expected).max() <= np.spacing(np.float32(4))


def test_accuracy_compiled(compiled):
    """In one program, as compiling each would take its time."""
    check_accuracy(["erf", "erfinv", "digamma", "i0", "special.bessel_j0", "special.modified_bessel_k0"], np.float32)


COMPILED = """x + y | x - 1 | x * y | x / y | i / j | torch.add(x, y, alpha=2) | torch.lerp(x, y, .75) | i // 4 | i % -4
x // y | x % y | torch.div(i, j, rounding_mode='trunc') | torch.fmod(i, -4) | u + 300 | u // 7 | x ** 2 | x ** 5
i ** 7 | abs(x) ** 1.7 | 2 ** x | 2 ** i.abs() | c ** 2 | x.floor() | x.round()
torch.round(T([1.2345, -6.789]), decimals=2) | n.sign() | c.sgn() | torch.copysign(x, y) | torch.gcd(i, j)
torch.nextafter(x, y) | torch.frexp(x) | torch.ldexp(x, i) | torch.nan_to_num(n) | torch.nan_to_num(n.bfloat16())
T([-0., 0., -1.]).signbit() | h == 0.1 | u == 300 | i > j | n.isnan() | n.isposinf() | torch.logical_xor(i, u)
torch.logical_not(c) | i & 5 | ~b | i << 64 | i >> 70 | u >> 9 | torch.where(b, x, 1) | torch.fmax(n, x[0, 0])
torch.maximum(n, n * 0) | x.clamp(0, 1) | n.clamp(0, 1) | x.clamp(y, y + 1) | torch.isclose(n, n, equal_nan=True)
torch.isin(i, j) | c.real | c.imag | c.conj() | c.angle() | x.angle() | torch.view_as_real(c)
torch.view_as_complex(torch.view_as_real(c)) | torch.complex(x, y) | c.abs() | c.exp() | c.reciprocal() | torch.sinc(x)
torch.logaddexp(T([inf, -inf, 1e4]), T([inf, -inf, 1e4])) | b * b | b + b | torch.xlogy(0, T([0., nan, -1.])) | h * 3
h + x | torch.exp2(i) | torch.special.hermite_polynomial_he(x, i) | torch.heaviside(x, T(.5)) | torch.hypot(x, y)
x.rsqrt() | x.frac() | x.trunc() | torch.special.zeta(T([2., 3., 1., .5]), T([-1.5, 2., 2., 2.]))"""


def test_compiled(compiled):
    """One program of all of them."""
    found = {code: outcome(kuai, code) for code in cases(COMPILED)}
    for code, ours in found.items():
        oracle.assert_same(ours, outcome(torch, code), code)


EDGES = "F.relu(z) | F.elu(z) | F.selu(z) | F.celu(z) | F.relu6(z) | F.hardtanh(z) | F.hardtanh(z, 0, 0) | F.leaky_relu(z)"
EDGES += " | torch.remainder(w, 2) | torch.remainder(w, -2) | torch.remainder(w, -inf) | w % -0.5"


def _signs(t) -> list:  # type: ignore[no-untyped-def]
    scope = {"torch": t, "F": t.nn.functional, "inf": float("inf"),
             "z": t.tensor([-0.0, 0.0, -1.0, 2.0] * 3), "w": t.tensor([4.0, -4.0, 0.0, -0.0, 3.0, -3.0])}  # fmt: skip
    return [t.copysign(t.ones(1), eval(call, scope)).tolist() for call in EDGES.split(" | ")]


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_signs_of_zero(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """-0. and 0. come out with PyTorch's sign."""
    monkeypatch.setattr(kuai.config, "engine", engine)
    assert _signs(kuai) == _signs(torch)


def _slopes_at_zero(t) -> tuple:  # type: ignore[no-untyped-def]
    x, y = (t.tensor(v, requires_grad=True) for v in ([0.0, 0.0, 1.0, 1e-30, -0.0], [0.0, 1.0, 0.0, 1e-30, -2.0]))
    s = t.tensor([1e-30, 1e-20, 0.0, 0.5], requires_grad=True)
    t.atan2(x, y).sum().backward()
    t.sinc(s).sum().backward()
    return x.grad, y.grad, s.grad, t.polygamma(1, t.tensor([float("inf"), 1.0]))


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_derivatives_where_squares_vanish(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No nan at the origin, nor beside it, where the square of what is not zero is."""
    monkeypatch.setattr(kuai.config, "engine", engine)
    oracle.assert_same(_slopes_at_zero(kuai), _slopes_at_zero(torch))


@pytest.mark.parametrize("engine", ["numpy", "xla"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_whole_quotients_of_half_types_are_rounded_at_each_step(dtype: str, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kuai.config, "engine", engine)
    random, odd = np.random.default_rng(0), [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -2.5]
    x = np.concatenate([random.uniform(-60000, 60000, 4000), np.repeat(odd, len(odd))]).astype(np.float32)
    y = np.concatenate([random.uniform(-5, 5, 4000), odd * len(odd)]).astype(np.float32)

    def found(module, call):
        return call(module, *(module.tensor(v).to(getattr(module, dtype)) for v in (x, y))).float().numpy()

    for call in (lambda m, a, b: m.div(a, b, rounding_mode="floor"), lambda m, a, b: m.div(a, b, rounding_mode="trunc"),
                 lambda m, a, b: a // b):  # fmt: skip
        ours, theirs = found(kuai, call), found(torch, call)
        np.testing.assert_array_equal(ours, theirs)
        kept = ~np.isnan(theirs)
        np.testing.assert_array_equal(np.signbit(ours[kept]), np.signbit(theirs[kept]))
    beside_one = [found(m, lambda m, a, b: m.div(a, b[0], rounding_mode="floor")) for m in (kuai, torch)]
    np.testing.assert_array_equal(*beside_one)
