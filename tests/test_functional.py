"""nn.functional: its names and signatures, and the functions that are neither losses nor layers, against PyTorch."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest

import kuai
from kuai.nn import functional as F
from tests import oracle
from tests.test_losses import compare, rand, randn

torch = pytest.importorskip("torch")
TF = torch.nn.functional
# What is said in C, and so has no signature that Python can read.
WRITTEN_IN_C = {
    "linear": "input, weight, bias", "bilinear": "input1, input2, weight, bias", "pairwise_distance": "x1, x2, p, eps, keepdim",
    "cosine_similarity": "x1, x2, dim, eps", "pdist": "input, p", "one_hot": "tensor, num_classes",
    "pixel_shuffle": "input, upscale_factor", "pixel_unshuffle": "input, downscale_factor", "channel_shuffle": "input, groups",
    "gelu": "input, approximate", "softplus": "input, beta, threshold", "prelu": "input, weight", "logsigmoid": "input",
    "hardshrink": "input, lambd", "softshrink": "input, lambd",
}  # fmt: skip
HAVE_OUT_TOO = {"sigmoid", "tanh", "softsign", "tanhshrink"}


def parameters(fn: object) -> list[tuple]:
    return [(p.name, _ours(p.default)) for p in inspect.signature(fn).parameters.values() if p.name != "out"]  # type: ignore[arg-type]


def _ours(default: object) -> object:
    return oracle.counterpart(default) if isinstance(default, torch.dtype) else default


def readable(name: str) -> bool:
    """Whether PyTorch's function says what it takes."""
    try:
        return "args" not in dict(parameters(getattr(TF, name)))
    except ValueError:
        return False


@pytest.mark.parametrize("name", sorted(n for n in F.__all__ if not n.endswith(("_", "_with_indices"))))
def test_signatures_are_pytorch_s(name: str) -> None:
    if name in WRITTEN_IN_C:
        assert ", ".join(n for n, _ in parameters(getattr(F, name))) == WRITTEN_IN_C[name]
    elif readable(name) and name not in HAVE_OUT_TOO:
        assert parameters(getattr(F, name)) == parameters(getattr(TF, name))


@pytest.mark.parametrize("name", sorted(n for n in F.__all__ if n.endswith("_")))
def test_forms_in_place(name: str) -> None:
    x = torch.tensor([-1.5, 0.3, 7.0])
    mine, args = oracle.to_kuai(x.clone()), (0.5, 9.0) if name == "threshold_" else ()
    expected = getattr(TF, name)(x, *args)
    assert getattr(F, name)(mine, *args) is mine
    np.testing.assert_allclose(mine.numpy(), expected.numpy(), 1e-5)


# ---- distances -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.5, 1, 2.0, 3, float("inf")])
def test_distances(p: float) -> None:
    torch.manual_seed(0)
    compare("pairwise_distance", randn(4, 3), randn(4, 3), p=p)
    compare("pairwise_distance", randn(3), randn(4, 3), p=p, keepdim=True)
    compare("pdist", randn(4, 3), p=p)
    compare("normalize", randn(4, 3), p=p)
    compare("normalize", randn(2, 4, 3), p=p, dim=-1)


def test_similarity() -> None:
    torch.manual_seed(0)
    compare("cosine_similarity", randn(4, 3), randn(4, 3))
    compare("cosine_similarity", randn(4, 1, 3), randn(5, 3), dim=-1)
    compare("cosine_similarity", torch.zeros(2, 3), torch.ones(2, 3))
    compare("cosine_similarity", torch.ones(2, 3).int(), torch.ones(2, 3))
    with pytest.raises(RuntimeError, match="floating point"):
        F.cosine_similarity(kuai.ones(2, 3).int(), kuai.ones(2, 3).int())


def test_distances_of_nothing() -> None:
    compare("pdist", torch.ones(1, 2))
    compare("pdist", torch.ones(0, 2))
    compare("normalize", torch.zeros(2, 3))
    for bad in (lambda: F.pdist(kuai.ones(3)), lambda: F.pdist(kuai.ones(3, 2), -1)):
        with pytest.raises(RuntimeError, match="pdist only supports"):
            bad()


def test_normalize_into_a_tensor() -> None:
    out = kuai.empty(1, 2)
    assert F.normalize(kuai.tensor([[3.0, 4.0]]), out=out) is out
    np.testing.assert_allclose(out.numpy(), [[0.6, 0.8]], 1e-6)


# ---- one-hot ---------------------------------------------------------------------------------------------------------


def test_one_hot() -> None:
    for indices, classes in (([1, 2], -1), ([[0, 1], [2, 3]], 5), (2, 3), ([], 3)):
        compare("one_hot", torch.tensor(indices, dtype=torch.int64), num_classes=classes)
    cases = [([1, 2], 2, "smaller"), ([1, -2], -1, "non-negative"), ([], -1, "infer"), ([1, 2], 0, "smaller")]
    for indices, classes, words in cases:
        with pytest.raises(RuntimeError, match=words):
            F.one_hot(kuai.tensor(indices, dtype=kuai.int64), classes)
    with pytest.raises(RuntimeError, match="LongTensor"):
        F.one_hot(kuai.tensor([1], dtype=kuai.int32))


# ---- softmax and draws -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["softmax", "softmin", "log_softmax"])
def test_softmax(name: str) -> None:
    torch.manual_seed(0)
    for shape in ((3,), (2, 3), (2, 3, 4)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            compare(name, randn(*shape))
        assert len(caught) == 2  # theirs and ours
        compare(name, randn(*shape), dim=-1, dtype=torch.float64)


@pytest.mark.parametrize("hard", [False, True])
def test_gumbel_softmax_draws_pytorch_s_noise(hard: bool) -> None:
    x = torch.randn(20, 5)
    theirs, ours = x.clone().requires_grad_(), oracle.to_kuai(x).requires_grad_()
    torch.manual_seed(4)
    expected = TF.gumbel_softmax(theirs, 0.7, hard)
    kuai.manual_seed(4)
    given = F.gumbel_softmax(ours, 0.7, hard)
    np.testing.assert_allclose(given.detach().numpy(), expected.detach().numpy(), 1e-4, 1e-6)
    weights = torch.linspace(0, 1, 100).reshape(20, 5)
    (expected * weights).sum().backward()
    (given * oracle.to_kuai(weights)).sum().backward()
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), 1e-3, 1e-5)


# ---- products --------------------------------------------------------------------------------------------------------


def test_bilinear() -> None:
    torch.manual_seed(0)
    compare("bilinear", randn(4, 2), randn(4, 3), randn(5, 2, 3), randn(5))
    compare("bilinear", randn(2), randn(3), randn(5, 2, 3))
    compare("bilinear", randn(4, 2, 2), randn(4, 2, 3), randn(5, 2, 3))
    for shapes in (((2, 3), (3, 4), (5, 3, 4)), ((2, 3), (2, 4), (5, 4, 4)), ((2, 3), (2, 2, 4), (5, 3, 4))):
        with pytest.raises(RuntimeError, match="bilinear"):
            F.bilinear(*(kuai.ones(*s) for s in shapes))


def test_linear_of_other_forms() -> None:
    compare("linear", randn(2, 3), randn(3))
    compare("linear", randn(2, 3), randn(4, 3), randn(()))
    compare("linear", torch.ones(2, 3, dtype=torch.int64), torch.ones(4, 3, dtype=torch.int64))
    x, w = (oracle.to_kuai(randn(*s, dtype=torch.complex128)) for s in ((2, 3), (4, 3)))
    assert kuai.autograd.gradcheck(F.linear, (x, w))
    out = kuai.empty(2, 4)
    assert F.linear(kuai.ones(2, 3), kuai.ones(4, 3), out=out) is out


def test_linear_cross_entropy() -> None:
    torch.manual_seed(0)
    compare("linear_cross_entropy", randn(4, 5), randn(3, 5), torch.tensor([0, 2, 1, 1]), linear_bias=randn(3))
    compare("linear_cross_entropy", randn(4, 5), randn(3, 2, 5), torch.randint(0, 3, (4, 2)), ignore_index=1)
    compare("linear_cross_entropy", randn(4, 5), randn(3, 5), rand(4, 3), label_smoothing=0.1)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("options", [{}, {"batch_chunk_size": 3}, {"batch_chunk_size": 2, "acc_policy": "balanced"}], ids=str)
def test_linear_cross_entropy_in_chunks(reduction, dtype, options) -> None:
    torch.manual_seed(0)
    d = getattr(torch, dtype)
    operands = [torch.randn(n, 5).to(d).requires_grad_() for n in (7, 9)] + [torch.tensor([0, 8, 3, 1, 1, 5, 2])]
    more = {"linear_bias": torch.randn(9).to(d).requires_grad_(), "weight": torch.rand(9).to(d), "ignore_index": 1}
    convert = oracle.Converter()
    args, kwargs = convert(operands), convert(more)
    theirs = torch.nn.functional.linear_cross_entropy(
        *operands, **more, reduction=reduction, options=torch.nn.LinearCrossEntropyOptions(**options)
    )
    ours = F.linear_cross_entropy(*args, **kwargs, reduction=reduction, options=kuai.nn.LinearCrossEntropyOptions(**options))
    oracle.assert_same(ours, theirs)
    oracle.assert_same_gradients(ours, theirs, convert.leaves)


def test_chunks_have_first_derivatives_alone() -> None:
    x, w, target = kuai.randn(4, 2, requires_grad=True), kuai.randn(3, 2), kuai.tensor([0, 1, 2, 0])
    options = kuai.nn.LinearCrossEntropyOptions(batch_chunk_size=3)
    loss = F.linear_cross_entropy(x, w, target, options=options)
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="allow_retain_graph"):
        loss.backward()
    (slope,) = kuai.autograd.grad(F.linear_cross_entropy(x, w, target, options=options), x, create_graph=True)
    with pytest.raises(RuntimeError, match="does not require grad"):
        slope.sum().backward()
    with pytest.warns(UserWarning, match="options"):
        F.linear_cross_entropy(x, w, target, label_smoothing=0.1, options=options)


@pytest.mark.parametrize(
    "options",
    [{"acc_policy": "best"}, {"chunking_method": "aspect_ratio:0"}, {"batch_chunk_size": 0}, {"acc_dtype": "int64"}],
    ids=str,
)
def test_options_of_chunks_are_checked(options) -> None:
    def make(lib):
        given = {k: getattr(lib, v) if k == "acc_dtype" else v for k, v in options.items()}
        return lib.nn.LinearCrossEntropyOptions(**given)

    oracle.assert_same_error(lambda: make(kuai), lambda: make(torch))


def test_shuffles_have_second_derivatives() -> None:
    x = kuai.randn(1, 8, 2, 2, dtype=kuai.float64, requires_grad=True)
    for fn in (F.pixel_shuffle, F.pixel_unshuffle, F.channel_shuffle):
        assert kuai.autograd.gradgradcheck(lambda x, fn=fn: fn(x, 2) ** 2, (x,))


# ---- torch's own names -------------------------------------------------------------------------------------------

BARE = {
    "binary_cross_entropy_with_logits": lambda: (torch.randn(3), torch.rand(3), None, torch.ones(3)),
    "cosine_embedding_loss": lambda: (torch.randn(2, 3), torch.randn(2, 3), torch.ones(2), 0.2),
    "hinge_embedding_loss": lambda: (torch.randn(3), torch.ones(3), 0.5), "kl_div": lambda: (torch.randn(3), torch.rand(3)),
    "margin_ranking_loss": lambda: (torch.randn(3), torch.randn(3), torch.ones(3), 0.5),
    "poisson_nll_loss": lambda: (torch.randn(3), torch.rand(3), True, True, 1e-8),
    "triplet_margin_loss": lambda: (*torch.randn(3, 2, 4).unbind(), 1.0, 2.0, 1e-6, False),
    "ctc_loss": lambda: (torch.randn(5, 2, 3).log_softmax(2), torch.tensor([[1, 2], [2, 1]]), (5, 5), (2, 1), 0),
}  # fmt: skip


@pytest.mark.parametrize("name", BARE)
def test_losses_by_number(name: str) -> None:
    args = BARE[name]()
    for reduction in (0, 1, 2):
        expected = getattr(torch, name)(*args, reduction)
        given = getattr(kuai, name)(*oracle.Converter()(args), reduction)
        np.testing.assert_allclose(given.numpy(), expected.numpy(), 1e-4, 1e-5)


def test_embedding_with_the_table_first() -> None:
    w = kuai.randn(4, 2, requires_grad=True)
    kuai.embedding(w, kuai.tensor([1, 3]), 3).sum().backward()
    assert w.grad.tolist() == [[0, 0], [1, 1], [0, 0], [0, 0]]


@pytest.mark.parametrize("name", ["dropout_", "feature_dropout_", "alpha_dropout_", "feature_alpha_dropout_"])
def test_dropout_in_place(name: str) -> None:
    x = torch.randn(3, 4, 2)
    mine = oracle.to_kuai(x.clone())
    torch.manual_seed(1)
    getattr(torch, name)(x, 0.4, True)
    kuai.manual_seed(1)
    assert getattr(kuai, name)(mine, 0.4, True) is mine
    np.testing.assert_array_equal(mine.numpy(), x.numpy())
