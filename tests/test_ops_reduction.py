"""Sums, extremes, softmax, statistics and running sums against PyTorch: values, dtypes, edge cases, errors, gradients."""

import copy
import pickle
import warnings

import numpy as np
import pytest

import kuai
from tests import both, oracle

torch = oracle.torch

# x: floats, e: none of them, i: integers, b: bools, c: complex, z: a number, n: with nan, s: in order, u: uint8
SUMS = """x.sum() | x.sum(0) | x.sum(-1, True) | x.sum((0, 1)) | x.sum([1], keepdim=True) | x.sum(dim=()) | x.sum([])
x.sum(5) | x.sum((0, 0)) | x.sum((0, -2)) | x.sum(0.5) | x.sum('a') | x.sum(np.int64(1)) | z.sum(0) | z.sum(-1) | z.sum(1)
e.sum() | e.sum(0) | e.sum(1) | i.sum() | b.sum() | u.sum(0) | i.sum(dtype=torch.float16) | x.sum(dtype=torch.int32)
c.sum(1) | x.sum(dtype=torch.bool) | torch.sum(x, axis=1) | x.sum(axis=(0, 1), keepdims=True) | torch.sum(input=x, dim=0)
torch.sum(2.0) | torch.sum(x, bogus=1) | x.mean() | x.mean(1) | x.mean((0, 1), True) | i.mean() | b.mean()
i.mean(dtype=torch.float32) | x.mean(dtype=torch.int64) | e.mean() | e.mean(0) | e.mean(1) | c.mean(0) | x.half().mean()
x.bfloat16().mean(1) | x.mean(axis=0) | z.mean(0) | z.mean(1) | x.prod() | x.prod(0) | x.prod(1, True) | x.prod((0, 1))
x.prod(5) | i.prod() | b.prod() | e.prod() | e.prod(0) | z.prod(0) | x.prod(0, dtype=torch.float64) | c.prod(1)
x.half().prod(0) | i.prod(dtype=torch.int32) | x.any() | x.any(1) | x.any((0, 1)) | x.any(dim=()) | i.any(0, True) | u.any()
u.all(0) | c.any() | n.any() | e.any() | e.all() | e.all(0) | x.all(5) | x.any((0, 0)) | z.any(0) | b.all(dim=1)
x.half().all() | torch.any(b, axis=0, keepdims=True) | z.all(1) | torch.count_nonzero(i) | torch.count_nonzero(i, 0)
torch.count_nonzero(x, (0, 1)) | i.count_nonzero(dim=5) | b.count_nonzero(1) | torch.nansum(n) | n.nansum(0, keepdim=True)
i.nansum() | c.nansum() | x.nansum(1, dtype=torch.float64) | n.nanmean() | i.nanmean() | n.nanmean(0, True) | x.nanmean(1)
e.nanmean(0) | x.sum_to_size(3) | x.sum_to_size((2, 1)) | x.sum_to_size(1, 3) | x.sum_to_size(()) | x.sum_to_size(2)
x.sum_to_size(2, 2, 3) | x.sum_to_size(2, 3) | i.sum_to_size(1)"""

EXTREMES = """x.max() | x.max(0) | x.max(1, True) | x.max(dim=0, keepdim=True) | x.max(axis=1) | x.max((0, 1)) | x.max(5)
z.max(0) | z.max(1) | e.max() | e.max(0) | e.max(1) | i.min() | i.min(1) | b.max() | b.min(0) | c.max() | c.min(0) | n.max()
n.max(0) | n.min(0) | torch.max(x, x + 1) | torch.max(x, 1) | torch.max(x, 2.0) | x.max(i) | torch.min(x, other=i)
torch.max(2, x) | x.half().max(1) | u.min(0) | x.max(0).values | x.max(0).indices | x.max(0)[1] | torch.max(input=x, dim=-1)
x.amax() | x.amax(0) | x.amax((0, 1), True) | x.amax(dim=()) | x.amax((0, 0)) | x.amin(1) | e.amax() | e.amax(0) | e.amax(1)
e.amin((0, 1)) | c.amax() | b.amax(0) | n.amax() | n.amin(0) | z.amax(0) | i.amin(-1) | x.bfloat16().amin(0)
x.amax(axis=0) | x.aminmax() | x.aminmax(dim=0) | x.aminmax(dim=1, keepdim=True) | n.aminmax() | e.aminmax()
e.aminmax(dim=1) | z.aminmax(dim=0) | b.aminmax() | x.argmax() | x.argmax(0) | x.argmax(1, True) | x.argmax(keepdim=True)
x.argmax(axis=1) | n.argmax() | n.argmin() | e.argmax() | e.argmax(0) | e.argmax(1) | c.argmax() | b.argmax(0) | i.argmin(0)
i.argmax(dim=(0,)) | z.argmax() | z.argmin(-1) | z.argmax(1) | u.argmax(1) | (x * 0).argmax(1) | (x * 0).argmin()"""

SOFTMAX = """x.softmax(0) | x.softmax(-1) | x.softmax(2) | z.softmax(0) | i.softmax(0) | b.softmax(0) | c.softmax(0)
i.softmax(0, dtype=torch.float32) | x.softmax(0, torch.float64) | x.softmax(0, dtype=torch.int32) | e.softmax(0)
e.softmax(1) | x.log_softmax(1) | torch.log_softmax(x * 1e3, dim=0) | x.half().softmax(1) | x.bfloat16().log_softmax(0)
n.softmax(0) | torch.softmax(x - inf, 0) | torch.softmax(x, axis=1) | z.log_softmax(-1) | i.log_softmax(1)
torch.softmax(x) | x.logsumexp(0) | x.logsumexp((0, 1), True) | i.logsumexp(1) | b.logsumexp(0) | c.logsumexp(0)
e.logsumexp(0) | e.logsumexp(1) | x.logsumexp(2) | z.logsumexp(0) | (x - inf).logsumexp(1) | (x + inf).logsumexp(1)
n.logsumexp(0) | (x * 1e4).logsumexp(0)"""

SPREAD = """x.var() | x.var(0) | x.var(True) | x.var(False) | x.var(0, False) | x.var(0, True, True) | x.var(unbiased=False)
x.var(dim=0, correction=0) | x.var(correction=0) | x.var(dim=0, correction=0.5) | x.var(0, unbiased=False, correction=0)
i.var() | b.std() | e.var() | e.var(0) | e.std(1) | c.var() | c.std(0) | x.var((0, 0)) | x.var(dim=()) | x.var([0, 1])
x.var(2) | z.var() | z.var(0) | x.half().var() | x.bfloat16().std(0) | x.std() | x.std(1, keepdim=True)
x.std(axis=0, keepdims=True) | x.var(correction=10) | torch.var_mean(x) | torch.var_mean(x, 1, correction=0, keepdim=True)
torch.std_mean(x, 0) | torch.var_mean(c) | torch.std_mean(x, (0, 1), False) | torch.var_mean(i) | torch.cov(x)
torch.cov(x[0]) | torch.cov(z) | torch.cov(i) | torch.cov(b) | torch.cov(c) | torch.cov(x, correction=0)
torch.cov(x, fweights=T([1, 2, 1])) | torch.cov(x, aweights=T([.1, .2, .3]))
torch.cov(x, fweights=T([1, 2, 1]), aweights=T([.1, .2, .3])) | torch.cov(x, fweights=T([1., 2, 1]))
torch.cov(x, fweights=T([1, 2])) | torch.cov(x, fweights=T([1, -2, 1])) | torch.cov(x, aweights=T([1, 2, 3]))
torch.cov(x[None]) | torch.cov(x, correction=5) | torch.corrcoef(x) | torch.corrcoef(z) | torch.corrcoef(c)
torch.corrcoef(x[0]) | torch.corrcoef(x[None])"""

QUANTILES = """x.quantile(0.5) | x.quantile(T([0., .3])) | x.quantile(T([0., .3]), dim=1)
x.quantile(T([0., .3]), dim=1, keepdim=True) | x.quantile(.3, dim=1, keepdim=True) | x.quantile(.3, keepdim=True)
n.quantile(.5) | n.nanquantile(.5) | (n * nan).nanquantile(.5) | x.quantile(1.5) | x.quantile(T([1.5])) | i.quantile(.5)
x.quantile(T([.5]).double()) | x.half().quantile(.5) | e.quantile(.5) | e.quantile(.5, 1) | x.quantile(T([[.5]]))
x.quantile(.5, interpolation='abc') | z.quantile(.5) | x.quantile(.5, 5) | x.quantile(1) | x.quantile(T(.4))
x.quantile(.4, 1, interpolation='lower') | x.quantile(.4, 1, interpolation='higher') | x.quantile(.4, axis=1)
x.quantile(.4, 1, interpolation='nearest') | x.quantile(.4, 1, interpolation='midpoint') | n.nanquantile(T([.1, .9]), dim=0)
n.nanquantile(.4, interpolation='lower') | x.nanquantile(2.) | z.quantile(T([.1, .2]), 0, True)"""

NORMS = """x.norm() | i.norm() | x.norm(p=1, dim=0) | x.norm(1, (0, 1), True) | x.norm('fro', 0) | x.norm(inf)
x.norm(-inf, 1) | e.norm() | e.norm(inf) | e.norm(inf, 0) | e.norm(inf, 1) | e.norm(-1) | x.norm(0) | x.norm(0.5, 1)
z.norm() | z.norm(2, 0) | c.norm() | c.norm(1, 0) | c.norm(dtype=torch.complex128) | c.norm(dtype=torch.float32)
x.norm(dtype=torch.float64) | x.norm(dtype=torch.float16) | x.norm(None) | x.norm(p=None, dim=1) | x.norm('abc')
x.norm('nuc') | x.norm('nuc', dim=(0, 1), keepdim=True) | x.norm(2, 5) | x.half().norm() | torch.norm(x, T(2.))
x.norm(3, 1) | torch.renorm(x, 2, 0, 0.5) | torch.renorm(x, 1, 1, 1.) | torch.renorm(x, 2, 5, .5)
torch.renorm(z, 2, 0, .5) | torch.renorm(x, 0, 0, .5) | torch.renorm(x, 2, 0, -1) | torch.renorm(i, 2, 0, 1)
x.clone().renorm_(2, 0, 0.5) | torch.dist(x, x + 1) | torch.dist(x, i) | torch.dist(i, i) | torch.dist(x, x[0], 1)
torch.cdist(x, x + 1) | torch.cdist(x, x.double()) | torch.cdist(i, i) | torch.cdist(x, x[0]) | torch.cdist(x, x[:, :2])
torch.cdist(x, x, p=-1) | torch.cdist(x, x, p=inf) | torch.cdist(x, x, p=0) | torch.cdist(x, x, p=1.5)
torch.cdist(x[:0], x) | torch.cdist(x[:, :0], x[:, :0])
torch.cdist(x[None], x.expand(4, 2, 3), compute_mode='use_mm_for_euclid_dist') | torch.pdist(x) | torch.pdist(x[:1])
torch.cdist(x.expand(30, 2, 3).reshape(60, 3), x) | torch.pdist(x, -1) | torch.pdist(z) | torch.pdist(i) | torch.pdist(x, 1)
torch.cosine_similarity(x, x + 1) | torch.cosine_similarity(i, i) | torch.cosine_similarity(x, x[:1], dim=0)
torch.cosine_similarity(x, x.double()) | torch.cosine_similarity(x, x, 5) | torch.cosine_similarity(x, x * 0)
torch.pairwise_distance(x, x + 1) | torch.pairwise_distance(x, x + 1, keepdim=True) | torch.pairwise_distance(i, i, 1)"""

RUNNING = """x.cumsum(0) | x.cumsum(-1) | x.cumsum() | x.cumsum(3) | z.cumsum(0) | b.cumsum(0) | u.cumsum(1)
i.cumsum(0, dtype=torch.float32) | x.half().cumsum(0) | e.cumsum(0) | i.int().cumsum_(0) | x.clone().cumsum_(1)
torch.cumsum(x, axis=1) | c.cumsum(1) | x.cumprod(0) | b.cumprod(0) | z.cumprod(-1) | c.cumprod(0) | i.cumprod(1)
x.bfloat16().cumprod(1) | e.cumprod(1) | x.logcumsumexp(0) | i.logcumsumexp(0) | z.logcumsumexp(0) | c.logcumsumexp(0)
T([-inf, -inf, 1.]).logcumsumexp(0) | T([inf, 1.]).logcumsumexp(0) | n.logcumsumexp(0) | e.logcumsumexp(1)
(x * 1e4).logcumsumexp(1) | x.half().logcumsumexp(1) | T([1, 3, 3, 2, 3]).cummax(0) | n.cummax(0) | n.cummin(0)
T([3, 1, 1, 2, 1]).cummin(0) | z.cummax(0) | b.cummax(1) | c.cummax(0) | e.cummax(0) | e.cummin(1) | x.cummax(4)
x.half().cummax(0) | x.cummin(dim=1) | T([1, 4, 9]).diff() | T([1, 4, 9]).diff(n=2) | T([1, 4, 9]).diff(n=0)
T([1, 4, 9]).diff(n=5) | T([1, 4, 9]).diff(n=-1) | b.diff() | T([1, 4, 9]).diff(prepend=T([0]), append=T([5.])) | z.diff()
x.diff(dim=3) | x.diff(prepend=T([1.])) | x.diff(prepend=x[:, :1]) | x.diff(append=x[:1]) | torch.trapezoid(T([1., 2., 4.]))
torch.trapezoid(T([1, 2, 4])) | torch.trapezoid(x, T([0., 1., 3.])) | torch.trapezoid(x, dx=2)
torch.trapezoid(x, x, dim=0) | torch.trapezoid(z) | torch.trapezoid(T([1.])) | torch.trapezoid(b) | torch.trapz(x, dx=2.)
torch.trapezoid(x, T([0., 1.])) | torch.trapezoid(e) | torch.trapezoid(x, T([0., 1.]), dim=0) | torch.trapezoid(e, dim=0)
torch.cumulative_trapezoid(x) | torch.cumulative_trapezoid(x, T([0., 1., 3.])) | torch.cumulative_trapezoid(b)
torch.cumulative_trapezoid(T([1.])) | torch.cumulative_trapezoid(e) | torch.cumulative_trapezoid(e, dim=0) | torch.cumulative_trapezoid(T([]), T([]))
torch.cumulative_trapezoid(i, dim=0) | torch.gradient(T([1., 2., 4., 9.]))
torch.gradient(T([1, 2, 4, 9])) | torch.gradient(x) | torch.gradient(x, spacing=2.)
torch.gradient(T([1., 2., 4., 9.]), edge_order=2)
torch.gradient(T([1., 2., 4., 9.]), spacing=(T([0., 1., 3., 4.]),), edge_order=2)
torch.gradient(T([1., 2., 4., 9.]), spacing=(T([0., 1., 3., 4.]),)) | torch.gradient(x, spacing=(2., 3.))
torch.gradient(x, dim=1) | torch.gradient(x, dim=(0, 1), spacing=2.) | torch.gradient(x, edge_order=3)
torch.gradient(T([1.])) | torch.gradient(x, edge_order=2) | torch.gradient(x, spacing=(1.,)) | torch.gradient(x, dim=5)
torch.gradient(u) | torch.gradient(x, spacing=[T([0., 1.]), T([1., 2., 4.])]) | torch.gradient(b)"""

HISTOGRAMS = """torch.histc(T([1., 2., 1.]), 4, 0, 3) | torch.histc(T([1., 2., 1.]), 4) | torch.histc(T([1., 1.]), 4)
torch.histc(T([1., nan]), 4) | torch.histc(T([1., nan]), 4, 0, 3) | torch.histc(T([1, 2]), 4) | torch.histc(T([]), 4)
torch.histc(x, 0) | torch.histc(x, 4, 3, 0) | torch.histc(x, bins=3, min=0, max=inf) | torch.histc(x.half(), 3)
torch.histogram(T([1., 2., 1.]), 4) | torch.histogram(T([1., 2., 1.]), 4, range=(0., 3.))
torch.histogram(T([1., 2.]), T([0., 1.5, 2.])) | torch.histogram(T([1., 2., 1.]), 4, range=(0., 3.), weight=T([1., 2., 4.]))
torch.histogram(x, 4, density=True) | torch.histogram(i, 4) | torch.histogram(x, bins=4, range=(3., 0.))
torch.histogram(T([]), 4) | torch.histogram(T([1., nan]), 4) | torch.histogramdd(x, bins=[2, 3, 4])
torch.histogramdd(x, bins=2) | torch.histogramdd(x, bins=[2, 2, 2], density=True)
torch.histogramdd(x[:, :2], bins=(T([-1., 1.]), T([-2., 0., 3.]))) | torch.histogramdd(x, bins=[2, 3])
torch.histogramdd(z, bins=2) | torch.histogramdd(x[:, :2], bins=[2, 2], range=[0., 1., 0., 1.], weight=T([1., 2.]))
torch.bincount(T([1, 3, 1])) | torch.bincount(T([1, 3, 1]), minlength=6)
torch.bincount(T([1, 3, 1]), weights=T([.5, 1., 2.])) | torch.bincount(T([1., 2.]))
torch.bincount(T([1, 3, 1]), weights=T([5, 1, 2])) | torch.bincount(T([-1])) | torch.bincount(i)
torch.bincount(T([]).long()) | torch.bincount(T([]).long(), minlength=2) | torch.bincount(T([1]), minlength=-1)
torch.bincount(T([1, 2]), weights=T([1.]))"""

WRITING = """torch.sum(x, 0, dtype=torch.float64, out=torch.zeros(3)) | torch.cumsum(x, 0, dtype=torch.float64, out=torch.zeros(3))
torch.all(b, out=torch.zeros(()).to(torch.uint8)) | torch.any(x, 0, out=torch.zeros(3)) | torch.max(x, 0, out=torch.zeros(3))
x.cumsum_(0, dtype=torch.int32) | x.cumsum_(0, dtype=torch.float32) | x[None].norm('nuc') | x.norm('nuc')"""


def outcome(library, code):
    """What an expression gives in a library, or its error."""
    T, nan = library.tensor, float("nan")
    x = T([[0.5, -1.25, 2.0], [0.75, 2.0, -3.0]])
    scope = {
        "torch": library, "np": np, "T": T, "nan": nan, "inf": float("inf"), "x": x, "i": T([[3, 0, 2], [-1, 5, 5]]),
        "b": x > 0.6, "c": T([[1 + 2j, 0.5j, -1], [2 - 1j, 3, 1j]]), "z": T(3.0), "e": T([]).reshape(0, 3),
        "n": T([3.0, nan, 1.0, nan, 3.0, 1.0]), "s": T([1.0, 3.0, 5.0]), "u": T([[3, 0, 2], [1, 5, 5]]).to(library.uint8),
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return eval(code, scope)
        except Exception as error:  # noqa: BLE001 (its class is what is compared)
            return error


def compare(code):
    oracle.assert_same_outcome(outcome(kuai, code), outcome(torch, code), code)


ALL = "\n".join((SUMS, EXTREMES, SOFTMAX, SPREAD, QUANTILES, NORMS, RUNNING, HISTOGRAMS, WRITING))


@pytest.mark.parametrize("code", oracle.cases(ALL))
def test_as_pytorch(code):
    compare(code)


COMPILED = """x.sum(0) | n.nansum() | x.prod(1) | x.amax((0, 1)) | n.amax() | x.max(1) | n.max(0) | n.argmax() | b.any(1)
x.softmax(-1) | x.log_softmax(0) | x.logsumexp((0, 1)) | x.var(0) | x.std() | torch.var_mean(x, 1)
x.quantile(T([0., .3]), dim=1) | x.norm(3, 1) | x.cumsum(1) | x.cumprod(0) | x.logcumsumexp(1) | n.cummax(0) | n.cummin(0)
c.logcumsumexp(0) | b.cummax(1) | z.cumsum(0) | x.half().sum() | x.bfloat16().softmax(1) | u.sum(0) | x.aminmax(dim=0)
e.mean(0) | e.softmax(0) | x.mean((0, 1), True) | x.diff()"""


def test_compiled(compiled):
    """All in one program, as compiling is what takes the time."""
    made = {code: outcome(kuai, code) for code in oracle.cases(COMPILED)}
    for code, ours in made.items():
        oracle.assert_same(ours, outcome(torch, code), code)


# Differentiable functions of x (3 × 4), of which y has ties and zeros
DERIVATIVES = """x.sum(1) | x.mean((0, 1)) | x.prod() | y.prod(1) | x.amax(1) | y.amax() | y.max() | y.min(1).values
x.max(0)[0] | y.aminmax().max | x.softmax(1) | x.log_softmax(0) | x.logsumexp((0, 1)) | x.var(1) | x.std(0)
torch.var_mean(x, 1)[0] | torch.std_mean(x, (0, 1))[1] + torch.std_mean(x, 0)[0] | x.norm() | y.norm(dim=1) | y.norm(1, 0)
x.norm(3, 1) | x.norm(-1, 1) | x.norm(inf, 1) | x.norm(0.5) | y.cumsum(1) | y.cumprod(1) | x.logcumsumexp(0)
y.cummax(1).values | x.diff(n=2) | x.nansum(0) | x.nanmean(1) | x.sum_to_size(1, 4) | torch.cov(x) | torch.corrcoef(x)
x.quantile(torch.tensor([.3, .8]).double(), dim=1) | torch.trapezoid(x) | torch.cumulative_trapezoid(x, x)
torch.gradient(x)[1] | torch.renorm(x, 2, 0, 0.5) | torch.dist(x, y)
torch.cdist(x, x + 1, compute_mode='use_mm_for_euclid_dist') | torch.cosine_similarity(x, y) | torch.pairwise_distance(x, y)
x.median() | x.nanmedian(1)[0] | x.mode(1)[0] | x.kthvalue(2, 0)[0]"""


def derivatives(library, code, cotangents):
    """A function's first and second derivatives for some cotangents."""
    make = library.tensor
    x = make(POINTS, dtype=library.float64, requires_grad=True)
    y = make(TIES, dtype=library.float64, requires_grad=True)
    result = eval(code, {"torch": library, "x": x, "y": y, "inf": float("inf")})
    g = make(cotangents[: result.numel()], dtype=library.float64).reshape(result.shape).requires_grad_()
    first = library.autograd.grad(result, [x, y], g, create_graph=True, allow_unused=True)
    total = sum((f * f * 0.5 + f).sum() for f in first if f is not None)
    second = library.autograd.grad(total, [x, y, g], allow_unused=True)
    zeros = (library.zeros_like(t) for t in (x, y, x, y, g))
    return [zero if d is None else d + zero for d, zero in zip((*first, *second), zeros)]


POINTS = [[0.3, -1.2, 0.8, 2.1], [1.5, 0.4, -0.7, 0.9], [-0.2, 1.1, 0.6, -1.6]]
TIES = [[0.5, 2.0, 2.0, 1.0], [0.0, 3.0, 0.0, 3.0], [0.0, 1.0, 1.0, -1.0]]


@pytest.mark.parametrize("code", oracle.cases(DERIVATIVES))
def test_derivatives(code):
    cotangents = np.random.default_rng(0).normal(size=12).tolist()
    oracle.assert_same(derivatives(kuai, code, cotangents), derivatives(torch, code, cotangents), code)


@pytest.mark.parametrize("code", ["cdist(x, y)", "cdist(x, y, p=1)", "cdist(x, x, p=3)", "pdist(x)", "pdist(x, inf)"])
def test_first_derivatives(code):
    """What PyTorch differentiates only once."""
    results = []
    for library in (kuai, torch):
        x, y = (library.tensor(p, dtype=library.float64, requires_grad=True) for p in (POINTS, TIES))
        made = eval(f"library.{code}", {"library": library, "x": x, "y": y, "inf": float("inf")})
        (made * library.arange(made.numel()).reshape(made.shape)).sum().backward()
        results.append([x.grad, library.zeros(()) if y.grad is None else y.grad])
    oracle.assert_same(*results)


def test_second_derivatives_of_norms_of_half_precision():
    """Powers of the order are taken of the ratio of element and norm: 3 * 8 ** 5 is beyond float16."""
    found = []
    for library in (kuai, torch):
        for kind in (library.float16, library.float64):
            x = library.tensor([[-8.5, 3.6, 5.1], [-1.8, -8.1, 1.1], [0.0, 0.0, 0.0]], dtype=kind, requires_grad=True)
            (first,) = library.autograd.grad(x[:2].norm(6, 1).sum(), x, create_graph=True)
            found.append([first, *library.autograd.grad((3 * first).sum(), x)])
    ours, _, _, exact = found
    oracle.assert_same(ours, [t.half() for t in exact], loose=4)


def test_quantile_of_a_share_that_is_learnt():
    results = []
    for library in (kuai, torch):
        q = library.tensor(0.3, requires_grad=True)
        library.arange(5.0).quantile(q).backward()
        results.append(q.grad)
    oracle.assert_same(*results)


@pytest.mark.parametrize("code", ["sum(x, 0)", "mean(x, 1)", "amax(x, 1)", "softmax(x, 1)", "cumsum(x, 0)", "argmax(x, 0)",
                                  "logsumexp(x, 0)", "var(x, 0)", "any(x, 1)", "norm(x, 2, 1)", "prod(x, 0)"])  # fmt: skip
def test_out(code):
    results = []
    for library in (kuai, torch):
        x = library.tensor([[0.5, -1.25, 2.0], [0.75, 2.0, -3.0]])
        wanted = eval(f"library.{code}", {"library": library, "x": x})
        out = library.empty_like(wanted)
        same = eval(f"library.{code[:-1]}, out=out)", {"library": library, "x": x, "out": out})
        assert same is out
        results.append(out)
    oracle.assert_same(*results)


OUTS = """sum(x, 0) | mean(x, 0) | prod(x, 0) | amax(x, 0) | argmax(x, 0) | any(x, 0) | softmax(x, 0) | logsumexp(x, 0)
var(x, 0) | norm(x, 2, 0) | cumsum(x, 0) | cumprod(x, 0) | logcumsumexp(x, 0) | nansum(x, 0) | max(x) | quantile(x, .5, 0)
histc(x) | diff(x) | renorm(x, 2, 0, 1.)"""


@pytest.mark.parametrize("code", oracle.cases(OUTS))
@pytest.mark.parametrize("dtype", ["float64", "float16", "int64"])
def test_out_of_another_dtype(code, dtype):
    """Sums are computed in it, means are converted to it, and what chooses or normalizes refuses it."""
    results = []
    for library in (kuai, torch):
        x = library.tensor([[0.5, -1.25, 2.0], [0.75, 2.0, -3.0]])
        out = library.empty(0, dtype=getattr(library, dtype))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                results.append(eval(f"library.{code[:-1]}, out=out)", {"library": library, "x": x, "out": out}))
        except RuntimeError as error:
            results.append(error)
    if isinstance(results[1], Exception):
        assert isinstance(results[0], Exception), code
    else:
        oracle.assert_same(*results)


def test_spread_of_too_few_elements_warns():
    for call in (lambda x: x.std(), lambda x: x.var(0, correction=2), lambda x: kuai.var_mean(x)):
        with pytest.warns(UserWarning, match="degrees of freedom is <= 0"):
            assert kuai.isnan(kuai.stack(oracle.flatten(call(kuai.tensor([1.0])))[:1])).all()


def test_an_output_that_is_resized_warns():
    for library in (kuai, torch):
        x = library.ones(2, 3)
        for call in (lambda o: library.sum(x, 0, out=o), lambda o: library.sqrt(x, out=o), lambda o: library.mm(x, x.t(), out=o)):
            with pytest.warns(UserWarning, match="An output with one or more elements was resized"):
                call(library.ones(7))
            call(library.ones(0))
        library.zeros(3, out=library.ones(2))
        library.rand(3, out=library.ones(2))


def test_out_of_several():
    values, indices = kuai.empty(2), kuai.empty(2, dtype=kuai.int64)
    made = kuai.max(kuai.tensor([[1.0, 4.0], [3.0, 2.0]]), 1, out=(values, indices))
    assert made.values is values and values.tolist() == [4, 3] and indices.tolist() == [1, 0]


def test_return_types():
    made = kuai.tensor([3.0, 5.0]).max(0)
    assert isinstance(made, tuple) and type(made) is kuai.return_types.max
    assert repr(made) == "torch.return_types.max(\nvalues=tensor(5.),\nindices=tensor(1))"
    values, indices = made
    assert values is made.values is made[0] and indices is made[1]
    for again in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        assert type(again) is type(made) and again.values.item() == 5
    assert made.n_fields == made.n_sequence_fields == 2
    with pytest.raises(TypeError):
        kuai.return_types.max((1,))


def test_sums_of_halves_accumulate_in_float32():
    x = kuai.full((4096,), 1.0, dtype=kuai.float16)
    assert x.sum().item() == 4096 and kuai.full((1000,), 1.0, dtype=kuai.bfloat16).sum().item() == 1000


def test_one_instruction_each():
    """What is on hot paths is one op forward and one backward."""
    from kuai.engine.trace import current, flush

    def recorded(call):
        flush()
        before = current.trace.state.depth
        kept = call()
        return current.trace.state.depth - before - 1, kept  # one is the admission of x

    x = kuai.ones(3, 4)
    for call in (lambda: x.sum(1), lambda: x.mean(), lambda: x.softmax(1), lambda: x.log_softmax(0), lambda: x.var(1),
                 lambda: x.logsumexp(1), lambda: x.sum_to_size((4,)), lambda: x.norm(), lambda: x.max(1)):  # fmt: skip
        assert recorded(call)[0] == 1


@pytest.mark.parametrize("name, static", [
    ("cumsum", {"dtype": None, "reverse": True}), ("cumprod", {"dtype": None, "reverse": False}), ("logcumsumexp", {}),
    ("cummax", {}), ("cummin", {}), ("recurrence", {"reverse": True}),
])  # fmt: skip
def test_accelerators_fold_as_the_cpu_does(name, static, monkeypatch):
    """Off the CPU, running results are made by a tree of steps instead of a loop."""
    jax = pytest.importorskip("jax")
    from kuai.engine.compile import XP
    from kuai.ops.define import REGISTRY

    monkeypatch.setattr(jax.lax, "platform_dependent", lambda *xs, cpu, default: default(*xs))
    op, rng = REGISTRY[name], np.random.default_rng(0)
    for kind in (np.float32, np.complex64) if name in ("cumsum", "cumprod", "logcumsumexp") else (np.float32,):
        xs = [rng.normal(size=(3, 7)).astype(kind) for _ in op.inputs]
        ours, theirs = op.xla(XP, *map(XP.asarray, xs), dim=1, **static), op.body(np, *xs, dim=1, **static)
        for a, b in zip(oracle.flatten(ours), oracle.flatten(theirs)):
            np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_deviation_whose_square_is_no_float(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kuai.config, "engine", engine)
    x = torch.tensor([[0.0, 1e30, -1e30], [1.0, 2.0, 3.0], [1e-25, 3e-25, 0.0], [1.0, 1.0, 1.0], [0.0, float("inf"), 1.0]])
    for dtype in (torch.float32, torch.bfloat16):
        both.compare(lambda t, x: (x.std(1), t.std_mean(x[:4], 1, keepdim=True), t.std(x[:3], 0)), x.to(dtype).requires_grad_())
