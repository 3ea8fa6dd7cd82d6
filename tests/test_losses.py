"""Losses against PyTorch: values, gradients, second derivatives, reductions, dtypes, errors, on both executors."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest

import kuai
from kuai.nn import functional as F
from tests import oracle

torch = pytest.importorskip("torch")
TF = torch.nn.functional


@pytest.fixture(autouse=True)
def _quietly():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(params=["numpy", "xla"])
def engine(request):  # type: ignore[no-untyped-def]
    kuai.set_engine(request.param)
    yield request.param
    kuai.set_engine("auto")


def close(given: kuai.Tensor, expected: torch.Tensor, rtol: float = 1e-4, atol: float = 1e-5) -> None:
    assert oracle.dtype_name(given.dtype) == oracle.dtype_name(expected.dtype)
    assert tuple(given.shape) == tuple(expected.shape)
    np.testing.assert_allclose(given.detach().double().numpy(), expected.detach().double().numpy(), rtol, atol)


def compare(name: str, *args: torch.Tensor, rtol: float = 1e-4, atol: float = 1e-5, **kwargs: object) -> None:
    """A function of both libraries: its value, and the gradients of those operands that want them."""
    convert = oracle.Converter()
    mine, options = convert(args), convert(kwargs)
    expected, given = getattr(TF, name)(*args, **kwargs), getattr(F, name)(*mine, **options)  # type: ignore[misc]
    close(given, expected, rtol, atol)
    if expected.requires_grad:
        cotangent = torch.linspace(1, 2, expected.numel(), dtype=expected.dtype).reshape(expected.shape)
        expected.backward(cotangent)
        given.backward(oracle.to_kuai(cotangent))
        for reference, ours in convert.leaves:
            close(ours.grad, reference.grad, rtol, atol)
            reference.grad = None


def randn(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, dtype=dtype, requires_grad=True)


def rand(*shape: int) -> torch.Tensor:
    return torch.rand(*shape).mul_(0.9).add_(0.05).requires_grad_()


def signs(*shape: int) -> torch.Tensor:
    return torch.randint(0, 2, shape).float() * 2 - 1


# ---- losses of elements ----------------------------------------------------------------------------------------------

ELEMENTS: dict[str, Callable] = {
    "mse_loss": lambda: [((randn(4, 3), randn(4, 3)), {}), ((randn(4, 3), randn(3)), {}), ((randn(0, 2), randn(0, 2)), {}),
                         ((randn(()), randn(())), {}), ((randn(4, 3), randn(4, 3)), {"weight": torch.rand(4, 3)})],
    "l1_loss": lambda: [((randn(4, 3), randn(4, 3)), {}), ((randn(4, 1), randn(1, 3)), {}),
                        ((randn(4, 3), randn(4, 3)), {"weight": torch.rand(4, 3)})],
    "smooth_l1_loss": lambda: [((randn(4, 3), randn(4, 3)), {"beta": b}) for b in (0.0, 0.3, 1.0, 2)],
    "huber_loss": lambda: [((randn(4, 3), randn(4, 3)), {"delta": d}) for d in (0.3, 1, 2.0)]
    + [((randn(4, 3), randn(4, 3)), {"weight": torch.rand(4, 3)})],
    "binary_cross_entropy": lambda: [((rand(4, 3), rand(4, 3)), {}), ((rand(4, 3), rand(4, 3)), {"weight": torch.rand(3)}),
                                     ((torch.tensor([0.0, 1.0, 1.0]), torch.tensor([1.0, 1.0, 0.0])), {})],
    "binary_cross_entropy_with_logits": lambda: [
        ((randn(4, 3), rand(4, 3)), {}), ((randn(4, 3), rand(4, 3)), {"weight": torch.rand(4, 3)}),
        ((randn(4, 3), rand(4, 3)), {"pos_weight": torch.rand(3)}),
        ((torch.tensor([-200.0, 200.0], requires_grad=True), torch.tensor([1.0, 0.0])), {"pos_weight": torch.tensor(2.0)}),
    ],
    "kl_div": lambda: [((randn(4, 3), rand(4, 3)), {}), ((randn(4, 3), randn(4, 3)), {"log_target": True}),
                       ((randn(2, 2), torch.tensor([[0.0, 1.0], [0.5, 0.5]])), {}), ((randn(4, 3), rand(3)), {})],
    "soft_margin_loss": lambda: [((randn(4, 3), signs(4, 3)), {})],
    "hinge_embedding_loss": lambda: [((randn(4, 3), signs(4, 3)), {"margin": m}) for m in (0.5, 1, 2.0)],
    "margin_ranking_loss": lambda: [((randn(9), randn(9), signs(9)), {"margin": m}) for m in (0, 0.5)],
    "poisson_nll_loss": lambda: [((rand(4, 3), torch.rand(4, 3) * 4), {"log_input": a, "full": b})
                                 for a in (True, False) for b in (True, False)],
    "gaussian_nll_loss": lambda: [((randn(4, 3), randn(4, 3), v), {"full": f})
                                  for v in (rand(4, 3), rand(4, 1), rand(4), 0.5) for f in (True, False)],
    "cosine_embedding_loss": lambda: [((randn(5, 3), randn(5, 3), signs(5)), {"margin": m}) for m in (0, 0.3)]
    + [((randn(3), randn(3), torch.tensor(1)), {})],
    "multilabel_soft_margin_loss": lambda: [((randn(4, 3), rand(4, 3)), {}), ((randn(3), rand(3)), {"weight": torch.rand(3)})],
    "multi_margin_loss": lambda: [((randn(4, 3), torch.tensor([0, 2, 1, 1])), {"p": p, "margin": 0.7}) for p in (1, 2)]
    + [((randn(4, 3), torch.tensor([0, 2, 1, 1])), {"weight": torch.rand(3)}), ((randn(3), torch.tensor(1)), {})],
    "multilabel_margin_loss": lambda: [((randn(2, 4), torch.tensor([[3, 0, -1, 1], [0, -1, -1, -1]])), {}),
                                       ((randn(4), torch.tensor([1, 2, -1, 0])), {})],
    "triplet_margin_loss": lambda: [((randn(5, 3), randn(5, 3), randn(5, 3)), o)
                                    for o in ({}, {"p": 1}, {"margin": 0.5, "swap": True})],
    "triplet_margin_with_distance_loss": lambda: [((randn(5, 3), randn(5, 3), randn(5, 3)), {"swap": True})],
}  # fmt: skip


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", ELEMENTS)
def test_losses(name: str, reduction: str) -> None:
    torch.manual_seed(0)
    for args, kwargs in ELEMENTS[name]():
        compare(name, *args, reduction=reduction, **kwargs)


COMPILED = ("mse_loss", "smooth_l1_loss", "binary_cross_entropy_with_logits", "kl_div", "hinge_embedding_loss",
            "multilabel_margin_loss", "gaussian_nll_loss")  # fmt: skip


@pytest.mark.parametrize("name", COMPILED)
def test_losses_compiled(compiled, name: str) -> None:
    torch.manual_seed(0)
    for args, kwargs in ELEMENTS[name]()[:2]:
        compare(name, *args, **kwargs)


def test_batchmean() -> None:
    compare("kl_div", randn(4, 3), rand(4, 3), reduction="batchmean")
    compare("kl_div", randn(4, 3), randn(4, 3), reduction="batchmean", log_target=True)


TWICE: dict[str, Callable] = {
    "mse_loss": lambda: [(randn, randn)], "smooth_l1_loss": lambda: [(randn, randn)], "huber_loss": lambda: [(randn, randn)],
    "binary_cross_entropy": lambda: [(rand, rand)], "binary_cross_entropy_with_logits": lambda: [(randn, rand)],
    "kl_div": lambda: [(randn, rand)], "poisson_nll_loss": lambda: [(rand, rand)],
    "gaussian_nll_loss": lambda: [(randn, randn, rand)],
    "soft_margin_loss": lambda: [(randn, lambda *s: signs(*s).double())],
}  # fmt: skip


@pytest.mark.parametrize("name", TWICE)
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_second_derivatives(name: str, reduction: str) -> None:
    torch.manual_seed(0)
    for makers in TWICE[name]():
        operands = tuple(oracle.to_kuai(make(2, 3).detach().double()) for make in makers)
        for x in operands[: 1 if name == "soft_margin_loss" else None]:
            x.requires_grad_()
        assert kuai.autograd.gradgradcheck(lambda *xs: getattr(F, name)(*xs, reduction=reduction), operands)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_losses_of_other_dtypes(dtype: str) -> None:
    torch.manual_seed(0)
    d = getattr(torch, dtype)
    tolerance = {"rtol": 2e-2, "atol": 2e-2} if dtype != "float64" else {}
    for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "soft_margin_loss", "poisson_nll_loss"):
        x, y = randn(4, 3).detach().to(d).requires_grad_(), randn(4, 3).detach().to(d)
        compare(name, x, y, **tolerance)
    compare("cross_entropy", randn(4, 3).detach().to(d).requires_grad_(), torch.tensor([0, 1, 2, 2]), **tolerance)


def test_mixed_dtypes_are_promoted() -> None:
    x, y = torch.randn(3), torch.randn(3, dtype=torch.float64)
    for name in ("mse_loss", "l1_loss", "smooth_l1_loss"):
        compare(name, x, y)
        compare(name, x, torch.tensor([1, 2, 3]))


# ---- classes ---------------------------------------------------------------------------------------------------------

CLASS_SHAPES = [((4, 3), (4,)), ((3,), ()), ((2, 3, 5), (2, 5)), ((2, 3, 2, 2), (2, 2, 2)), ((2, 3, 2, 1, 2), (2, 2, 1, 2)),
                ((0, 3), (0,))]  # fmt: skip


def class_options() -> list[dict]:
    w = torch.tensor([0.2, 1.0, 3.0])
    return [{}, {"weight": w}, {"ignore_index": 1}, {"weight": w, "ignore_index": 0}]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape,target", CLASS_SHAPES)
def test_nll_and_cross_entropy_of_indices(shape: tuple, target: tuple, reduction: str) -> None:
    torch.manual_seed(0)
    for options in class_options():
        t = torch.randint(0, 3, target)
        compare("nll_loss", randn(*shape), t, reduction=reduction, **options)
        for smoothing in (0.0, 0.2, 1.0):
            compare("cross_entropy", randn(*shape), t, reduction=reduction, label_smoothing=smoothing, **options)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(4, 3), (3,), (2, 3, 5), (2, 3, 2, 2)])
def test_cross_entropy_of_probabilities(shape: tuple, reduction: str) -> None:
    torch.manual_seed(0)
    for w in (None, torch.tensor([0.2, 1.0, 3.0], requires_grad=True)):
        for smoothing in (0.0, 0.2):
            compare("cross_entropy", randn(*shape), rand(*shape), weight=w, reduction=reduction, label_smoothing=smoothing)
    compare("cross_entropy", randn(*shape), rand(*shape).detach().double(), reduction=reduction)


def test_cross_entropy_on_both_executors(engine: str) -> None:
    torch.manual_seed(0)
    t, w = torch.tensor([0, 2, 1, 2]), torch.tensor([0.2, 1.0, 3.0])
    compare("cross_entropy", randn(4, 3), t, weight=w, ignore_index=1, label_smoothing=0.1)
    compare("cross_entropy", randn(4, 3), rand(4, 3), weight=w, label_smoothing=0.1)
    compare("nll_loss", randn(4, 3), t, weight=w, ignore_index=1)
    compare("cross_entropy", randn(4, 3), t.byte())
    compare("cross_entropy", torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True), torch.tensor([1]))


def test_all_ignored_is_nan_with_zero_gradients(engine: str) -> None:
    for name in ("nll_loss", "cross_entropy"):
        compare(name, randn(2, 3), torch.tensor([-100, -100]))
        compare(name, randn(2, 3), torch.tensor([-100, -100]), reduction="sum")


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_second_derivatives_of_cross_entropy(reduction: str) -> None:
    x = kuai.randn(3, 4, dtype=kuai.float64, requires_grad=True)
    q = kuai.rand(3, 4, dtype=kuai.float64, requires_grad=True)
    t, w = kuai.tensor([0, 3, -100]), kuai.tensor([0.5, 1.0, 2.0, 3.0], dtype=kuai.float64)
    for loss in (
        lambda x: F.cross_entropy(x, t, reduction=reduction),
        lambda x: F.cross_entropy(x, t, w, reduction=reduction, label_smoothing=0.3),
        lambda x: F.nll_loss(x**2, t, w, reduction=reduction),
    ):
        assert kuai.autograd.gradgradcheck(loss, (x,))
    assert kuai.autograd.gradgradcheck(lambda x, q: F.cross_entropy(x, q, w, reduction=reduction, label_smoothing=0.1), (x, q))


def test_cross_entropy_is_one_op_forward_and_one_backward() -> None:
    x, t = kuai.randn(4, 3, requires_grad=True), kuai.tensor([0, 1, 2, 2])
    kuai.synchronize()
    loss = F.cross_entropy(x, t)
    loss.backward()
    path = kuai.engine.trace.current.trace.state.path()
    names = [s.op.name for s in path if s.op is not None]
    assert names[0] == "cross_entropy" and names[-1] == "cross_entropy_backward" and len(names) <= 3  # one for the cotangent


def test_targets_out_of_bounds_are_said_at_the_call(engine: str) -> None:
    for name in ("nll_loss", "cross_entropy"):
        for wrong in (7, -1, 3):
            with pytest.raises(IndexError, match=f"Target {wrong} is out of bounds."):
                getattr(F, name)(kuai.randn(2, 3), kuai.tensor([0, wrong]))
    compare("cross_entropy", randn(2, 3), torch.tensor([0, 255]), ignore_index=255)


def test_computed_targets_out_of_bounds(engine: str) -> None:
    with pytest.raises(IndexError, match="out of bounds"):
        F.cross_entropy(kuai.randn(2, 3), kuai.tensor([0, 4]) + 3)


# ---- what is refused -------------------------------------------------------------------------------------------------

x23, t2 = kuai.ones(2, 3), kuai.tensor([0, 1])
REFUSED = [
    (RuntimeError, "Long or Byte", lambda: F.cross_entropy(x23, t2.int())),
    (RuntimeError, "floating point type for target", lambda: F.cross_entropy(x23, kuai.zeros(2, 3).long())),
    (ValueError, "batch_size", lambda: F.cross_entropy(x23, kuai.tensor([0]))),
    (RuntimeError, "target size", lambda: F.cross_entropy(kuai.ones(2, 3, 4), kuai.zeros(2, 5).long())),
    (RuntimeError, "weight tensor should be defined", lambda: F.cross_entropy(x23, t2, kuai.ones(4))),
    (RuntimeError, "scalar type", lambda: F.cross_entropy(x23, t2, kuai.ones(3, dtype=kuai.float64))),
    (RuntimeError, "not differentiable", lambda: F.cross_entropy(x23, t2, kuai.ones(3, requires_grad=True))),
    (RuntimeError, "ignore_index is not supported", lambda: F.cross_entropy(x23, x23, ignore_index=2)),
    (RuntimeError, "label_smoothing", lambda: F.cross_entropy(x23, t2, label_smoothing=1.5)),
    (ValueError, "not a valid value for reduction", lambda: F.cross_entropy(x23, t2, reduction="foo")),
    (ValueError, "not a valid value for reduction", lambda: F.mse_loss(x23, x23, reduction="foo")),
    (NotImplementedError, "Long", lambda: F.cross_entropy(x23.long(), t2)),
    (TypeError, "must be Tensor", lambda: F.cross_entropy(x23, [0, 1])),
    (NotImplementedError, "Long", lambda: F.mse_loss(t2, t2)),
    (RuntimeError, "must match", lambda: F.mse_loss(x23, kuai.ones(4))),
    (RuntimeError, "beta", lambda: F.smooth_l1_loss(x23, x23, beta=-1)),
    (RuntimeError, "delta", lambda: F.huber_loss(x23, x23, delta=0)),
    (ValueError, "different to the input size", lambda: F.binary_cross_entropy(x23, kuai.ones(3))),
    (RuntimeError, "between 0 and 1", lambda: F.binary_cross_entropy(kuai.tensor([1.5]), kuai.tensor([1.0]))),
    (ValueError, "must be the same as input size", lambda: F.binary_cross_entropy_with_logits(x23, kuai.ones(3))),
    (RuntimeError, "can't be cast to the desired output type Long",
     lambda: F.binary_cross_entropy_with_logits(x23, kuai.ones(2, 3, dtype=kuai.int64))),
    (RuntimeError, "Integral", lambda: F.kl_div(t2, t2)),
    (ValueError, "negative", lambda: F.gaussian_nll_loss(x23, x23, kuai.tensor([-1.0, 1.0]))),
    (ValueError, "incorrect size", lambda: F.gaussian_nll_loss(x23, x23, kuai.ones(3))),
    (ValueError, "margin must be greater", lambda: F.triplet_margin_loss(x23, x23, x23, margin=0)),
    (RuntimeError, "same number of", lambda: F.triplet_margin_loss(x23, x23, x23[0])),
    (RuntimeError, "out of range", lambda: F.multi_margin_loss(x23, kuai.tensor([0, 7]))),
    (ValueError, "p == 1", lambda: F.multi_margin_loss(x23, t2, p=3)),
    (RuntimeError, "inconsistent target size", lambda: F.multilabel_margin_loss(x23, kuai.ones(2, 2).long())),
    (RuntimeError, "multi-target", lambda: F.cosine_embedding_loss(x23, x23, kuai.ones(2, 2))),
    (RuntimeError, "blank", lambda: F.ctc_loss(kuai.ones(5, 2, 4), kuai.ones(2, 2).long(), (5, 5), (2, 2), blank=4)),
    (RuntimeError, "at most 5", lambda: F.ctc_loss(kuai.ones(5, 2, 4), kuai.ones(2, 2).long(), (6, 5), (2, 2))),
    (RuntimeError, "batch_size", lambda: F.ctc_loss(kuai.ones(5, 2, 4), kuai.ones(2, 2).long(), (5,), (2, 2))),
    (RuntimeError, "integral", lambda: F.ctc_loss(kuai.ones(5, 2, 4), kuai.ones(2, 2).long(), x23[0, :2], (2, 2))),
]  # fmt: skip


@pytest.mark.parametrize("error,words,call", REFUSED, ids=range(len(REFUSED)))
def test_refused(error: type, words: str, call: Callable) -> None:
    with pytest.raises(error, match=words):
        call()


def test_warnings() -> None:
    cases = [("different to the input size", lambda: F.mse_loss(kuai.ones(2, 1), kuai.ones(2))),
             ("will be deprecated", lambda: F.mse_loss(x23, x23, size_average=False)),
             ("batchmean", lambda: F.kl_div(x23, x23))]  # fmt: skip
    for words, call in cases:
        with pytest.warns(UserWarning, match=words):
            warnings.simplefilter("always")
            call()


def test_legacy_arguments() -> None:
    for options in ({"size_average": False}, {"reduce": False}, {"size_average": True}, {"reduce": True}):
        compare("l1_loss", randn(3), randn(3), **options)
        assert kuai.nn.MSELoss(**options).reduction == torch.nn.MSELoss(**options).reduction


# ---- sequences -------------------------------------------------------------------------------------------------------


def log_probs(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, dtype=dtype).log_softmax(-1).requires_grad_()


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_ctc(reduction: str) -> None:
    torch.manual_seed(0)
    targets = torch.tensor([[1, 2, 2, 3], [3, 1, 0, 0]])
    for options in ({}, {"blank": 4}):
        compare("ctc_loss", log_probs(9, 2, 5), targets + (not options), (9, 7), (4, 2), reduction=reduction, **options)
    compare("ctc_loss", log_probs(9, 2, 5), torch.tensor([1, 2, 2, 4]), (9, 7), (3, 1), reduction=reduction)
    compare("ctc_loss", log_probs(6, 3, dtype=torch.float32), torch.tensor([1, 2]), torch.tensor(6), torch.tensor(2),
            reduction=reduction)  # fmt: skip


def test_ctc_compiled(engine: str) -> None:
    torch.manual_seed(0)
    compare("ctc_loss", log_probs(9, 2, 5), torch.tensor([[1, 2, 2, 3], [3, 1, 0, 0]]), (9, 7), (4, 2))


def test_ctc_at_its_edges() -> None:
    torch.manual_seed(0)
    x, t = log_probs(5, 3, 4), torch.tensor([[1, 2], [1, 1], [2, 3]])
    compare("ctc_loss", x, t, (5, 5, 5), (0, 2, 1), reduction="none")  # no labels
    compare("ctc_loss", x, t, (5, 2, 1), (2, 2, 2), reduction="none", zero_infinity=True)  # too short to hold them
    compare("ctc_loss", log_probs(40, 3, 4), t, (40, 33, 12), (2, 2, 2))
    infinite = F.ctc_loss(oracle.to_kuai(x.detach()), oracle.to_kuai(t), (5, 2, 1), (2, 2, 2), reduction="none")
    assert infinite.isinf().tolist() == [False, True, True]


def test_ctc_has_no_second_derivative() -> None:
    x = kuai.randn(5, 1, 3, requires_grad=True)
    loss = F.ctc_loss(x.log_softmax(2), kuai.tensor([[1, 2]]), (5,), (2,))
    (g,) = kuai.autograd.grad(loss, x, create_graph=True)
    with pytest.raises(NotImplementedError, match="second derivative"):
        g.sum().backward()


def test_whole_and_complex_numbers() -> None:
    i = torch.tensor([3, 1, 2])
    for reduction in ("sum", "none"):
        compare("margin_ranking_loss", i, i.flip(0), torch.tensor([1, -1, 1]), reduction=reduction)
        compare("l1_loss", i, i.flip(0), reduction=reduction)
    compare("l1_loss", torch.randn(3, dtype=torch.complex64), torch.randn(3, dtype=torch.complex64))


@pytest.mark.parametrize("target", ["float16", "bfloat16", "float32", "float64"])
def test_logits_and_targets_of_different_dtypes(target):
    """The result has the target's dtype, the gradient the input's."""
    x = torch.randn(2, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    compare("binary_cross_entropy_with_logits", x, torch.ones(2, 3, dtype=getattr(torch, target)), rtol=1e-2)
