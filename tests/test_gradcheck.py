"""gradcheck, gradgradcheck and forward mode beside PyTorch's: what passes, what fails, and by which error."""

import importlib
import warnings

import pytest

import kuai
from tests import oracle
from tests.both import compare

torch = oracle.torch


def function(t, forward, backward):
    """An autograd.Function of one library from two functions of tensors."""
    return type("Made", (t.autograd.Function,), {
        "forward": staticmethod(lambda ctx, *xs: (ctx.save_for_backward(*xs), forward(t, *xs))[1]),
        "backward": staticmethod(lambda ctx, *gs: backward(t, *ctx.saved_tensors, *gs)),
    }).apply  # fmt: skip


def made(t, *shape, dtype="float64", grad=True):
    """The same numbers in both libraries."""
    values = torch.linspace(0.3, 1.7, torch.Size(shape).numel(), dtype=torch.float64).reshape(shape).tolist()
    x = t.tensor(values, dtype=getattr(t, dtype))
    return (x * (1 + 0.5j) if x.is_complex() else x).requires_grad_(grad)


def verdict(check):
    """What a check says: true, false or the class of its error."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            said = check()
        except Exception as error:  # noqa: BLE001 (its class is what is compared)
            said = type(error).__name__
    return said, sorted({w.category.__name__ for w in seen if "double precision" in str(w.message)})


def wrong(t):
    return function(t, lambda t, x: x * x, lambda t, x, g: 3 * x * g)


def captured(t):
    w = made(t, 2)
    return t.autograd.gradcheck(lambda _: t.sin(w), (w,))


def random_backward(t, **options):
    return t.autograd.gradcheck(function(t, lambda t, x: x * 1, lambda t, x, g: g * (1 + 1e-4 * t.rand(1).item())), (made(t, 2),), **options)


def materialized(t, **options):
    """A derivative of one result that does not multiply by its cotangent."""
    return t.autograd.gradcheck(function(t, lambda t, x: x * 1, lambda t, x, g: g + (g == 0)), (made(t, 1),), **options)


CHECKS = {
    "exp": lambda t: t.autograd.gradcheck(t.exp, made(t, 3)),
    "list of inputs": lambda t: t.autograd.gradcheck(t.mul, [made(t, 3), made(t, 3)]),
    "wrong": lambda t: t.autograd.gradcheck(wrong(t), (made(t, 3),)),
    "wrong, no exception": lambda t: t.autograd.gradcheck(wrong(t), (made(t, 3),), raise_exception=False),
    "wrong, fast": lambda t: t.autograd.gradcheck(wrong(t), (made(t, 3),), fast_mode=True),
    "wrong, loose": lambda t: t.autograd.gradcheck(wrong(t), (made(t, 3),), atol=5.0),
    "wrong twice": lambda t: t.autograd.gradgradcheck(wrong(t), (made(t, 3),)),
    "fast": lambda t: t.autograd.gradcheck(t.sin, (made(t, 3),), fast_mode=True),
    "fast of matrices": lambda t: t.autograd.gradcheck(t.matmul, (made(t, 3, 2), made(t, 2, 2)), fast_mode=True),
    "fast of complex numbers": lambda t: t.autograd.gradcheck(lambda x, y: x * y, (made(t, 3, dtype="complex128"),) * 2, fast_mode=True),
    "complex": lambda t: t.autograd.gradcheck(t.exp, (made(t, 3, dtype="complex128"),)),
    "complex to real": lambda t: t.autograd.gradcheck(t.abs, (made(t, 3, dtype="complex128"),)),
    "real to complex": lambda t: t.autograd.gradcheck(lambda x: t.polar(x, 2 * x), (made(t, 3),)),
    "complex twice": lambda t: t.autograd.gradgradcheck(lambda x: x * x.conj(), (made(t, 2, dtype="complex128"),)),
    "two results": lambda t: t.autograd.gradcheck(lambda x: (t.sin(x), t.cos(x), x.detach()), (made(t, 3),)),
    "a result without gradient": lambda t: t.autograd.gradcheck(lambda x: t.sin(x.detach()), (made(t, 3),)),
    "a constant": lambda t: t.autograd.gradcheck(lambda x: t.ones(2, dtype=t.float64), (made(t, 3),)),
    "nothing requires grad": lambda t: t.autograd.gradcheck(t.sin, (made(t, 3, grad=False),)),
    "single precision": lambda t: t.autograd.gradcheck(lambda x: 2 * x, (made(t, 3, dtype="float32"),), atol=0.1, eps=1e-2),
    "overlapping": lambda t: t.autograd.gradcheck(t.sin, (made(t, 1).expand(3),)),
    "captured": captured,
    "random": lambda t: random_backward(t),
    "random, allowed": lambda t: random_backward(t, nondet_tol=1.0),
    "not multiplied": lambda t: materialized(t),
    "not multiplied, nor asked": lambda t: materialized(t, check_undefined_grad=False),
    "shape changes": lambda t: t.autograd.gradcheck(lambda x: x[x > 0.3], (made(t, 3),)),
    "empty": lambda t: t.autograd.gradcheck(t.sin, (t.zeros(0, dtype=t.float64, requires_grad=True),)),
    "batched": lambda t: t.autograd.gradcheck(t.sin, (made(t, 3),), check_batched_grad=True),
    "forward": lambda t: t.autograd.gradcheck(t.sin, (made(t, 3),), check_forward_ad=True, check_batched_forward_grad=True),
    "forward of complex numbers": lambda t: t.autograd.gradcheck(lambda x: x * x, (made(t, 2, dtype="complex128"),), check_forward_ad=True),
    "forward only": lambda t: t.autograd.gradcheck(t.sin, (made(t, 3),), check_forward_ad=True, check_backward_ad=False, fast_mode=True),
    "neither": lambda t: t.autograd.gradcheck(t.sin, (made(t, 3),), check_backward_ad=False),
    "batched forward without": lambda t: t.autograd.gradcheck(t.sin, (made(t, 3),), check_batched_forward_grad=True),
    "batched without backward": lambda t: t.autograd.gradcheck(
        t.sin, (made(t, 3),), check_forward_ad=True, check_backward_ad=False, check_batched_grad=True),
    "twice": lambda t: t.autograd.gradgradcheck(t.sin, (made(t, 3),)),
    "twice, fast": lambda t: t.autograd.gradgradcheck(t.matmul, (made(t, 3, 2), made(t, 2, 2)), fast_mode=True),
    "twice, cotangents": lambda t: t.autograd.gradgradcheck(t.sin, (made(t, 3),), made(t, 3)),
    "twice, fixed cotangents": lambda t: t.autograd.gradgradcheck(t.sin, (made(t, 3),), [made(t, 3, grad=False)]),
    "twice, apart": lambda t: t.autograd.gradgradcheck(t.sin, (made(t, 3),), gen_non_contig_grad_outputs=True),
    "twice, linear": lambda t: t.autograd.gradgradcheck(lambda x: 2 * x, (made(t, 3),)),
    "forward over reverse": lambda t: t.autograd.gradgradcheck(t.sin, (made(t, 3),), check_fwd_over_rev=True),
    "forward over reverse only": lambda t: t.autograd.gradgradcheck(
        t.sin, (made(t, 3),), check_fwd_over_rev=True, check_rev_over_rev=False, check_undefined_grad=False),
    "twice, neither": lambda t: t.autograd.gradgradcheck(t.sin, (made(t, 3),), check_rev_over_rev=False),
    "twice, undefined": lambda t: t.autograd.gradgradcheck(
        t.sin, (made(t, 3),), check_fwd_over_rev=True, check_rev_over_rev=False),
}  # fmt: skip


@pytest.mark.parametrize("name", CHECKS)
def test_checks_say_what_pytorchs_say(name):
    assert verdict(lambda: CHECKS[name](kuai)) == verdict(lambda: CHECKS[name](torch))


def test_inputs_are_moved_back():
    x = kuai.tensor([0.5, 2.0], dtype=kuai.float64, requires_grad=True)
    assert kuai.autograd.gradcheck(kuai.exp, x) and x.tolist() == [0.5, 2.0] and x.grad is None


def forward_ad(t):
    return importlib.import_module(f"{t.__name__}.autograd.forward_ad")


def test_forward_mode():
    def both(t, x, v, w):
        fw = forward_ad(t)
        with fw.dual_level():
            dual = fw.make_dual(x, v)
            primal, tangent = fw.unpack_dual((dual * w).sin())
            same = fw.unpack_dual(dual)
            none = fw.unpack_dual(w.sin())
            pair = fw.unpack_dual(fw.make_dual(x, v) * fw.make_dual(w, v))
        assert none.tangent is None and not same.primal.requires_grad
        after = fw.unpack_dual(primal)
        return primal, tangent, same, pair, after.primal, after.tangent is None

    compare(both, *(torch.randn(3, dtype=torch.float64) for _ in range(3)))


def test_forward_mode_can_be_differentiated():
    def both(t, x, v):
        fw = forward_ad(t)
        with fw.dual_level():
            return fw.unpack_dual(fw.make_dual(x, v).pow(3)).tangent

    compare(both, *(torch.randn(3, dtype=torch.float64).requires_grad_() for _ in range(2)), twice=True)


ERRORS = {
    "no level": lambda t, fw: fw.make_dual(t.ones(2), t.ones(2)),
    "integers": lambda t, fw: fw.dual_level()(lambda: fw.make_dual(t.ones(2).long(), t.ones(2)))(),
    "integer tangent": lambda t, fw: fw.dual_level()(lambda: fw.make_dual(t.ones(2), t.ones(2).long()))(),
    "shapes": lambda t, fw: fw.dual_level()(lambda: fw.make_dual(t.ones(2), t.ones(3)))(),
    "nested": lambda t, fw: fw.dual_level()(fw.enter_dual_level)(),
    "exit": lambda t, fw: fw.exit_dual_level(level=3),
}


@pytest.mark.parametrize("name", ERRORS)
def test_forward_mode_raises_as_pytorchs(name):
    oracle.assert_same_error(*(lambda t=t: ERRORS[name](t, forward_ad(t)) for t in (kuai, torch)))
    assert forward_ad(kuai).unpack_dual(kuai.ones(1)).tangent is None
