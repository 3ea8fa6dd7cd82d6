"""Activation functions against PyTorch: values, dtypes, arguments, in-place forms, errors, derivatives, compiled."""

import numpy as np
import pytest

import kuai
from kuai.nn import functional
from tests import oracle

torch = oracle.torch

# x: floats with all bends, n: with nan and infinities, h: halves, i: integers, b: bools, c: complex, w: one a channel
VALUES = """F.relu(x) | F.relu(n) | F.relu(h) | F.relu(i) | F.relu(b) | F.relu(c) | torch.relu(x) | x.relu()
F.relu6(x) | F.relu6(i) | F.relu6(n) | F.threshold(x, .5, 20) | F.threshold(n, .5, 20) | F.threshold(i, 1, 7)
F.threshold(b, 1, 1) | F.hardtanh(x) | F.hardtanh(n, -2., .5) | F.hardtanh(i, 0, 2) | F.hardtanh(x, 1, -1)
F.hardtanh(b) | F.leaky_relu(x) | F.leaky_relu(n, .2) | F.leaky_relu(i) | F.leaky_relu(h)
F.leaky_relu(x, negative_slope=-1.) | F.prelu(x, w) | F.prelu(x, w[:1]) | F.prelu(x, w[0]) | F.prelu(x, w[:2])
F.prelu(x[0], w) | F.prelu(x, w.double()) | F.prelu(x[0, 0], w) | F.prelu(x, w[None]) | F.prelu(n, w[:1]) | x.prelu(w)
F.rrelu(x) | F.rrelu(x, .1, .2) | F.rrelu(x, .3, .2) | F.rrelu(i) | F.elu(x) | F.elu(n, 2.) | F.elu(h) | F.elu(i)
F.selu(x) | F.selu(n) | F.celu(x) | F.celu(n, .5) | F.celu(x, alpha=0) | F.silu(x) | F.silu(n) | F.silu(c) | F.silu(h)
F.silu(i) | F.mish(x) | F.mish(n) | F.mish(x * 30) | F.gelu(x) | F.gelu(h) | F.gelu(x.bfloat16()) | F.gelu(x.double())
F.gelu(x, approximate='tanh') | F.gelu(n, approximate='tanh') | F.gelu(x, approximate='exact') | F.gelu(i)
F.gelu(x * 9) | F.gelu(x * 9, approximate='tanh') | F.glu(x) | F.glu(x, 0) | F.glu(x[0, 0]) | F.glu(i) | F.glu(w)
F.glu(x, 2) | F.softplus(x) | F.softplus(n) | F.softplus(x, 2, 1) | F.softplus(x * 50) | F.softplus(i)
F.softplus(x, beta=-1) | F.logsigmoid(x) | F.logsigmoid(n) | F.logsigmoid(x * 90) | F.logsigmoid(i) | F.softsign(x)
F.softsign(i) | F.softsign(c) | F.softsign(n) | F.tanhshrink(x) | F.tanhshrink(i) | F.tanhshrink(c) | F.hardshrink(x)
F.hardshrink(n) | F.hardshrink(i) | F.hardshrink(x, 1.5) | x.hardshrink(.1) | F.softshrink(x) | F.softshrink(n)
F.softshrink(x, 1.5) | F.softshrink(x, -1) | F.hardsigmoid(x) | F.hardsigmoid(n) | F.hardsigmoid(i) | F.hardswish(x)
F.hardswish(n) | F.hardswish(h) | F.hardswish(i) | F.sigmoid(x) | F.sigmoid(c) | F.sigmoid(i) | F.sigmoid(x * 100)
F.tanh(x) | F.tanh(c) | F.tanh(i) | torch.sigmoid(h) | torch.tanh(n) | F.relu(1.) | F.gelu('a') | F.silu(None)"""

WRITING = """F.relu(x, inplace=True) | F.relu6(x, True) | F.hardtanh(x, inplace=True) | F.threshold(x, 0., 1., True)
F.elu(x, 1., True) | F.leaky_relu(x, .1, True) | F.selu(x, True) | F.celu(x, 1., True) | F.silu(x, True)
F.mish(x, True) | F.hardsigmoid(x, True) | F.hardswish(x, True) | F.rrelu(x, inplace=True) | x.relu_() | x.sigmoid_()
x.tanh_() | i.relu_() | i.sigmoid_() | F.gelu(x, out=x) | F.softplus(x, out=x) | F.softshrink(x, out=x)
F.hardshrink(x, out=x) | F.logsigmoid(x, out=x)"""


def cases(text):
    return [s.strip() for s in text.replace("\n", " | ").split(" | ")]


def scope_of(library):
    """The names that expressions use, in one of the two libraries."""
    T, nan = library.tensor, float("nan")
    x = T([[0.5, -1.25, 2.0, -3.0], [0.0, -0.0, 3.0, 6.5], [-0.5, 1.0, -7.0, 0.25], [20.5, -20.5, 6.0, -1.0]])
    return {
        "torch": library, "F": functional if library is kuai else torch.nn.functional, "x": x,
        "n": T([nan, float("inf"), -float("inf"), 1.0]), "h": T([0.1, -0.5, 9.0]).to(library.float16),
        "i": T([[3, 0], [-1, 5]]), "b": x > 0.6, "c": T([1 + 2j, 0.5j]), "w": T([0.25, -0.5, 0.1, 1.5]),
    }  # fmt: skip


def outcome(library, code):
    """What an expression gives in a library, or its error; and x after it."""
    scope = scope_of(library)
    try:
        return eval(code, scope), scope["x"]
    except Exception as error:  # noqa: BLE001 (its class is what is compared)
        return error


def compare(code):
    oracle.assert_same_outcome(outcome(kuai, code), outcome(torch, code), code)


@pytest.mark.parametrize("code", cases(VALUES) + cases(WRITING))
def test_as_pytorch(code):
    compare(code)


DERIVATIVES = """F.relu(x) | F.relu6(x) | F.threshold(x, .5, 20) | F.hardtanh(x) | F.hardtanh(x, -2., .5)
F.leaky_relu(x, .2) | F.prelu(x, w) | F.rrelu(x) | F.elu(x) | F.elu(x, 2.) | F.selu(x) | F.celu(x, .5) | F.silu(x)
F.mish(x) | F.gelu(x) | F.gelu(x, approximate='tanh') | F.glu(x) | F.glu(x, 0) | F.softplus(x) | F.softplus(x, 2, 1)
F.logsigmoid(x) | F.softsign(x) | F.tanhshrink(x) | F.hardshrink(x) | F.softshrink(x) | F.hardsigmoid(x)
F.hardswish(x) | F.sigmoid(x) | F.tanh(x) | F.prelu(x, w[:1])"""
# PyTorch's second derivative of what has a bend where the test looks is one-sided, or there is none.
SMOOTH = [c for c in cases(DERIVATIVES) if "hardsigmoid" not in c and "hardswish" not in c]


def slopes(library, code, order):
    """First or second derivatives of an expression with respect to x and w; zero where there are none."""
    scope = scope_of(library)
    given = [scope[k].double().requires_grad_() for k in "xw"]
    scope |= dict(zip("xw", given))
    out = eval(code, scope)
    weight = library.tensor(np.linspace(-1, 2, out.numel()).reshape(tuple(out.shape)))
    found = library.autograd.grad((out * weight).sum(), given, create_graph=order > 1, allow_unused=True)
    if order > 1:
        total = sum((g**2).sum() for g in found if g is not None)
        found = library.autograd.grad(total, given, allow_unused=True) if total.requires_grad else [None, None]
    return [library.zeros_like(x) if g is None else g for g, x in zip(found, given)]


@pytest.mark.parametrize("code", cases(DERIVATIVES))
def test_derivatives(code):
    oracle.assert_same(slopes(kuai, code, 1), slopes(torch, code, 1), code)


@pytest.mark.parametrize("code", SMOOTH)
def test_second_derivatives(code):
    oracle.assert_same(slopes(kuai, code, 2), slopes(torch, code, 2), code)


def test_training_rrelu_draws_pytorchs_slopes():
    for shape in ((7,), (3, 5)):
        x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        torch.manual_seed(3)
        kuai.manual_seed(3)
        theirs = torch.nn.functional.rrelu(torch.from_numpy(x), training=True)
        oracle.assert_same(functional.rrelu(kuai.from_numpy(x), training=True), theirs)


def test_one_instruction_forward_and_one_backward():
    from kuai.engine.trace import current

    for f in (functional.relu, functional.gelu, functional.silu, functional.elu, kuai.sigmoid, functional.softplus):
        x = kuai.ones(3, requires_grad=True)
        kuai.synchronize()
        out = f(x)
        assert current.trace.state.depth == 2, f.__name__  # x's admission and the op
        out.backward(kuai.ones(3))
        assert current.trace.state.depth <= 4, f.__name__


def test_compiled(compiled):
    """One program of all of them, with their derivatives."""
    found = {code: slopes(kuai, code, 1) for code in cases(DERIVATIVES)}
    for code, ours in found.items():
        oracle.assert_same(ours, slopes(torch, code, 1), code)
