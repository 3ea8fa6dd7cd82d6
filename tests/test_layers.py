"""Dense layers, activations, dropout, embeddings and shapes, against PyTorch: its own samples, prints, weights and errors."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest

import kuai
from kuai import nn
from tests import oracle

torch = pytest.importorskip("torch")
from torch.testing._internal.common_modules import module_db  # noqa: E402

NAMES = """CELU ELU GELU GLU Hardshrink Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid LogSoftmax Mish PReLU RReLU
    ReLU ReLU6 SELU SiLU Sigmoid Softmax Softmax2d Softmin Softplus Softshrink Softsign Tanh Tanhshrink Threshold
    L1Loss MSELoss NLLLoss CrossEntropyLoss BCELoss BCEWithLogitsLoss KLDivLoss SmoothL1Loss HuberLoss SoftMarginLoss
    HingeEmbeddingLoss MarginRankingLoss CosineEmbeddingLoss MultiMarginLoss MultiLabelMarginLoss MultiLabelSoftMarginLoss
    TripletMarginLoss TripletMarginWithDistanceLoss PoissonNLLLoss GaussianNLLLoss CTCLoss LinearCrossEntropyLoss
    Linear Bilinear LazyLinear Embedding EmbeddingBag Dropout Dropout1d Dropout2d Dropout3d AlphaDropout
    FeatureAlphaDropout PairwiseDistance CosineSimilarity Flatten Unflatten PixelShuffle PixelUnshuffle ChannelShuffle
    Identity AdaptiveLogSoftmaxWithLoss"""
TABLE = {info.name.removeprefix("nn."): info for info in module_db}


@pytest.fixture(autouse=True)
def _quietly():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def made(name: str, *args: object, **kwargs: object) -> tuple:
    """The same layer of both libraries, made with the same seed."""
    torch.manual_seed(7)
    theirs = getattr(torch.nn, name)(*args, **kwargs)
    convert = oracle.Converter()
    kuai.manual_seed(7)
    return theirs, getattr(nn, name)(*convert(args), **convert(kwargs))


def samples(name: str) -> list:
    torch.manual_seed(0)
    info = TABLE[name]
    return list(info.module_inputs_func(info, device="cpu", dtype=torch.float32, requires_grad=True, training=True))


@pytest.mark.parametrize("name", [n for n in NAMES.split() if n in TABLE])
def test_samples_of_pytorch(name: str) -> None:
    for sample in samples(name):
        if sample.constructor_input.kwargs.get("options") is None:
            check_sample(name, sample)


def check_sample(name: str, sample) -> None:  # type: ignore[no-untyped-def]
    constructor = sample.constructor_input
    theirs, ours = made(name, *constructor.args, **constructor.kwargs)
    assert repr(ours) == repr(theirs)
    compare_states(ours, theirs)
    convert = oracle.Converter()
    args, kwargs = convert(sample.forward_input.args), convert(sample.forward_input.kwargs)
    torch.manual_seed(3)
    expected = theirs(*sample.forward_input.args, **sample.forward_input.kwargs)
    kuai.manual_seed(3)
    given = ours(*args, **kwargs)
    compare(given, expected)
    assert repr(ours) == repr(theirs)
    if isinstance(expected, torch.Tensor) and expected.requires_grad and given.dtype.is_floating_point:
        expected.sum().backward()
        given.sum().backward()
        for mine, reference in zip(ours.parameters(), theirs.parameters()):
            compare(mine.grad, reference.grad)
        for reference, mine in convert.leaves:
            compare(mine.grad, reference.grad)


def compare_states(ours: nn.Module, theirs: torch.nn.Module) -> None:
    mine, reference = ours.state_dict(), theirs.state_dict()
    assert list(mine) == list(reference)
    for key, t in reference.items():
        if not isinstance(t, torch.nn.parameter.UninitializedTensorMixin):
            np.testing.assert_array_equal(mine[key].numpy(), t.numpy(), err_msg=key)  # the same bits from the same seed


def compare(given: object, expected: object) -> None:
    if isinstance(expected, torch.Tensor):
        assert oracle.dtype_name(given.dtype) == oracle.dtype_name(expected.dtype)  # type: ignore[attr-defined]
        assert tuple(given.shape) == tuple(expected.shape)  # type: ignore[attr-defined]
        np.testing.assert_allclose(given.detach().numpy(), expected.detach().numpy(), 1e-4, 1e-5)  # type: ignore[attr-defined]
    elif isinstance(expected, tuple):
        for a, b in zip(given, expected):  # type: ignore[call-overload]
            compare(a, b)
    else:
        assert given == expected


# ---- what the table lacks --------------------------------------------------------------------------------------------


def named(*args: object, **kwargs: object) -> tuple:
    return args, kwargs


MADE = {
    "AdaptiveLogSoftmaxWithLoss": [named(16, 20, [4, 10]), named(8, 30, [4, 10, 15], head_bias=True)],
    "AlphaDropout": [named(), named(0.2, True)], "Bilinear": [named(2, 3, 4, False)], "CELU": [named(2.0, True)],
    "ChannelShuffle": [named(2)], "CosineSimilarity": [named()], "Dropout": [named(), named(0.2, True)],
    "Dropout2d": [named(0.1)], "ELU": [named(2, True)], "Embedding": [named(4, 3, -1, 1.0, 1, True, True)],
    "EmbeddingBag": [named(4, 3, 1.0, 1, True, "sum", padding_idx=1), named(4, 3, include_last_offset=True)],
    "FeatureAlphaDropout": [named(0.1, True)], "Flatten": [named(), named(0, 1)], "GELU": [named("tanh")],
    "Hardshrink": [named(1)], "Hardtanh": [named(-2, 2, True)], "Identity": [named(54, unused=3)], "LazyLinear": [named(3)],
    "LeakyReLU": [named(0.1, True)], "Linear": [named(2, 3, False), named(0, 3), named(40, 30)], "LinearCrossEntropyLoss":
    [named(4, 5, out_features=(2,), bias=True)], "Mish": [named(True)], "PReLU": [named(3, 0.1)], "PairwiseDistance":
    [named(1, 1e-3, True)], "PixelShuffle": [named(2)], "PixelUnshuffle": [named(2)], "RReLU": [named(0.1, 0.2, True)],
    "ReLU": [named(True)], "ReLU6": [named(), named(True)], "Softmax": [named(), named(-1)], "Softplus": [named(2, 10)],
    "Threshold": [named(0.1, 20), named(0.1, 20, True)], "TripletMarginWithDistanceLoss": [named()],
    "Unflatten": [named(1, (2, 3)), named(1, [2, 3]), named(1, torch.Size([2, 3]))],
}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_prints_and_weights(name: str) -> None:
    for args, kwargs in MADE[name]:
        theirs, ours = made(name, *args, **kwargs)
        assert repr(ours) == repr(theirs)
        compare_states(ours, theirs)
        plain = {k: v for k, v in vars(theirs).items() if not k.startswith("_") and isinstance(v, (int, float, str, list))}
        assert {k: getattr(ours, k) for k in plain} == plain


SHAPES = {
    "Flatten": [(named(), (2, 3, 4)), (named(0, 1), (2, 3, 4)), (named(-2), (2, 3, 4)), (named(0), ())],
    "Unflatten": [(named(1, (2, -1)), (3, 6)), (named(-1, (1, 2)), (3, 2))],
    "PixelShuffle": [(named(2), (1, 8, 3, 4)), (named(3), (9, 1, 2)), (named(1), (2, 3, 4, 5))],
    "PixelUnshuffle": [(named(2), (1, 2, 6, 4)), (named(3), (1, 3, 6))],
    "ChannelShuffle": [(named(2), (2, 6, 5)), (named(3), (1, 6, 2, 2))],
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name: str) -> None:
    for (args, kwargs), shape in SHAPES[name]:
        theirs, ours = made(name, *args, **kwargs)
        same_gradients(theirs, ours, torch.randn(shape))


def same_gradients(theirs, ours, *inputs) -> None:  # type: ignore[no-untyped-def]
    """Results, and gradients of a sum of all elements with different weights."""
    leaves = [x.clone().requires_grad_() for x in inputs]
    mine = [oracle.to_kuai(x) for x in leaves]
    expected, given = theirs(*leaves), ours(*mine)
    compare(given, expected)
    cotangent = torch.linspace(1, 2, expected.numel()).reshape(expected.shape)
    expected.backward(cotangent)
    given.backward(oracle.to_kuai(cotangent))
    for a, b in zip(mine, leaves):
        compare(a.grad, b.grad)


# ---- linear ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 5, 3), (2, 0, 3), (4, 1, 2, 3)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_linear_of_any_rank(shape: tuple, bias: bool, engine: str) -> None:
    kuai.set_engine(engine)
    try:
        theirs, ours = made("Linear", 3, 4, bias)
        same_gradients(theirs, ours, torch.randn(shape))
        for a, b in zip(ours.parameters(), theirs.parameters()):
            compare(a.grad, b.grad)
    finally:
        kuai.set_engine("auto")


def test_linear_has_second_derivatives() -> None:
    x, w, b = (kuai.randn(*s, dtype=kuai.float64, requires_grad=True) for s in ((2, 3, 4), (5, 4), (5,)))
    assert kuai.autograd.gradgradcheck(kuai.nn.functional.linear, (x, w, b))


def test_linear_costs_one_op_forward_and_three_backward() -> None:
    net, x = nn.Linear(3, 4), kuai.randn(2, 3, requires_grad=True)
    kuai.synchronize()
    trace = kuai.engine.trace.current
    before = trace.trace.state.depth
    y = net(x)
    assert ops_since(before) == ["linear"]
    y.backward(kuai.ones(2, 4))
    assert sorted(ops_since(before)[1:]) == ["correlate", "full", "project", "sum_to_size"]
    assert x.grad.shape == (2, 3)


def ops_since(depth: int) -> list[str]:
    """Names of the ops recorded since the trace had a length; admissions of inputs are none."""
    path = kuai.engine.trace.current.trace.state.path()
    return [s.op.name for s in path[depth:] if s.op is not None]


@pytest.mark.parametrize("case", [
    ((2, 3), (4, 5), None, RuntimeError), ((2, 3), (2, 4, 3), None, RuntimeError), ((), (4, 3), None, RuntimeError),
    ((2, 3), (4, 3), (3,), RuntimeError),
])  # fmt: skip
def test_linear_refuses(case: tuple) -> None:
    x, w, b, error = case
    operands = [kuai.ones(s) for s in (x, w, b) if s is not None]
    with pytest.raises(error):
        kuai.nn.functional.linear(*operands)
    with pytest.raises(RuntimeError, match="same dtype"):
        kuai.nn.functional.linear(kuai.ones(2, 3), kuai.ones(4, 3, dtype=kuai.float64))
    with pytest.raises(TypeError):
        kuai.nn.functional.linear([1.0], kuai.ones(4, 3))


def test_lazy_linear_becomes_linear() -> None:
    theirs, ours = made("LazyLinear", 3)
    x = torch.randn(2, 5)
    torch.manual_seed(1)
    expected = theirs(x)
    kuai.manual_seed(1)
    compare(ours(oracle.to_kuai(x)), expected)
    assert type(ours) is nn.Linear
    compare_states(ours, theirs)


# ---- activations in place --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ReLU", "ELU", "SiLU", "Hardswish", "ReLU6"])
def test_in_place_changes_the_input(name: str) -> None:
    x = kuai.tensor([-1.0, 0.5, 9.0])
    y = getattr(nn, name)(inplace=True)(x)
    assert y is x
    np.testing.assert_array_equal(x.numpy(), getattr(nn, name)()(kuai.tensor([-1.0, 0.5, 9.0])).numpy())


def test_softmax_without_dim_warns() -> None:
    with pytest.warns(UserWarning, match="Implicit dimension choice"):
        warnings.simplefilter("always")
        nn.Softmax()(kuai.ones(2, 2))


# ---- dropout ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name,shape", [
    ("Dropout", (5, 7)), ("Dropout", (300,)), ("Dropout1d", (4, 3)), ("Dropout1d", (2, 4, 3)), ("Dropout2d", (2, 5, 2, 2)),
    ("Dropout3d", (2, 5, 2, 2, 1)), ("Dropout3d", (5, 2, 2, 1)), ("AlphaDropout", (5, 7)), ("FeatureAlphaDropout", (3, 4, 2)),
])  # fmt: skip
@pytest.mark.parametrize("p", [0.0, 0.3, 0.5, 1.0])
def test_dropout_draws_pytorch_s_masks(name: str, shape: tuple, p: float) -> None:
    theirs, ours = made(name, p)
    x = torch.randn(shape)
    for module in (theirs, ours):
        module.train()
    mine, reference = oracle.to_kuai(x).requires_grad_(), x.clone().requires_grad_()
    torch.manual_seed(11)
    expected = theirs(reference)
    kuai.manual_seed(11)
    given = ours(mine)
    np.testing.assert_array_equal(given.detach().numpy(), expected.detach().numpy())
    assert kuai.rand(1).item() == torch.rand(1).item()  # the stream stands at the same place
    given.sum().backward()
    expected.sum().backward()
    np.testing.assert_array_equal(mine.grad.numpy(), reference.grad.numpy())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_dropout_of_other_dtypes(dtype: str) -> None:
    x = torch.randn(50, dtype=getattr(torch, dtype))
    torch.manual_seed(2)
    expected = torch.nn.functional.dropout(x, 0.3)
    kuai.manual_seed(2)
    given = kuai.nn.functional.dropout(oracle.to_kuai(x), 0.3)
    np.testing.assert_array_equal(given.float().numpy(), expected.float().numpy())


def test_dropout_of_a_permuted_tensor_draws_in_the_order_of_memory() -> None:
    x = torch.ones(2, 3, 4, 5)
    torch.manual_seed(2)
    expected = torch.nn.functional.dropout(x.permute(0, 2, 3, 1))
    kuai.manual_seed(2)
    given = kuai.nn.functional.dropout(kuai.ones(2, 3, 4, 5).permute(0, 2, 3, 1))
    np.testing.assert_array_equal(given.numpy(), expected.numpy())


def test_dropout_does_nothing_when_not_training() -> None:
    x = kuai.ones(3)
    assert nn.Dropout(0.5).eval()(x) is x
    assert nn.Dropout(0.0)(x) is x


def test_dropout_refuses_what_is_no_probability() -> None:
    for p in (-0.1, 1.5):
        with pytest.raises(ValueError, match="between 0 and 1"):
            nn.Dropout(p)
        with pytest.raises(ValueError, match="between 0 and 1"):
            kuai.nn.functional.dropout(kuai.ones(2), p)
    with pytest.raises(RuntimeError, match="can't be cast"):
        kuai.nn.functional.dropout(kuai.ones(2, dtype=kuai.int64))


# ---- embeddings ------------------------------------------------------------------------------------------------------


TABLES = [{}, {"padding_idx": 1}, {"padding_idx": -1, "scale_grad_by_freq": True}, {"scale_grad_by_freq": True},
          {"max_norm": 1.0}, {"max_norm": 0.5, "norm_type": 1.0}]  # fmt: skip


@pytest.mark.parametrize("options", TABLES)
@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_embedding(options: dict, engine: str) -> None:
    kuai.set_engine(engine)
    try:
        theirs, ours = made("Embedding", 6, 3, **options)
        indices = torch.tensor([[1, 2, 5], [1, 1, 0]])
        expected, given = theirs(indices), ours(oracle.to_kuai(indices))
        compare(given, expected)
        compare(ours.weight, theirs.weight)
        weights = torch.linspace(0, 1, 18).reshape(2, 3, 3)
        (expected * weights).sum().backward()
        (given * oracle.to_kuai(weights)).sum().backward()
        compare(ours.weight.grad, theirs.weight.grad)
    finally:
        kuai.set_engine("auto")


def test_embedding_has_second_derivatives() -> None:
    w, i = kuai.randn(4, 2, dtype=kuai.float64, requires_grad=True), kuai.tensor([1, 1, 3])
    for padding in (None, 0):
        assert kuai.autograd.gradgradcheck(lambda w: kuai.nn.functional.embedding(i, w, padding) ** 2, (w,))  # noqa: B023


def test_embedding_refuses() -> None:
    w = kuai.ones(4, 3)
    for i in ([4], [-1]):
        with pytest.raises(IndexError, match="out of range"):
            kuai.nn.functional.embedding(kuai.tensor(i), w)
    with pytest.raises(RuntimeError, match="scalar types"):
        kuai.nn.functional.embedding(kuai.tensor([1.0]), w)
    with pytest.raises(AssertionError, match="within num_embeddings"):
        nn.Embedding(4, 3, padding_idx=4)


BAGS = [([1, 2, 4, 5, 4, 3, 2, 5], [0, 4, 8]), ([1, 2, 3], [0, 2, 2, 3]), ([[1, 2], [5, 5]], None), ([1, 2, 3], [0])]


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("options", [{}, {"padding_idx": 2}, {"include_last_offset": True}])
def test_embedding_bag(mode: str, options: dict) -> None:
    for indices, offsets in BAGS:
        if options.get("include_last_offset") and (offsets is None or len(offsets) < 2):
            continue
        theirs, ours = made("EmbeddingBag", 6, 3, mode=mode, **options)
        both = [(m.tensor(indices), None if offsets is None else m.tensor(offsets)) for m in (torch, kuai)]
        expected, given = theirs(*both[0]), ours(*both[1])
        compare(given, expected)
        weights = torch.linspace(0, 1, expected.numel()).reshape(expected.shape)
        (expected * weights).sum().backward()
        (given * oracle.to_kuai(weights)).sum().backward()
        compare(ours.weight.grad, theirs.weight.grad)


def test_embedding_bag_weighs_samples() -> None:
    theirs, ours = made("EmbeddingBag", 6, 3, mode="sum")
    same_gradients(
        lambda s: theirs(torch.tensor([1, 2, 5]), torch.tensor([0, 2]), s),
        lambda s: ours(kuai.tensor([1, 2, 5]), kuai.tensor([0, 2]), s),
        torch.randn(3),
    )


def test_embedding_bag_refuses() -> None:
    w, i = kuai.ones(4, 3), kuai.tensor([1, 2, 3])
    bag = kuai.nn.functional.embedding_bag
    cases = [
        (ValueError, (i, w)), (ValueError, (i.reshape(1, 3), w, i)), (RuntimeError, (i, w, kuai.tensor([1]))),
        (RuntimeError, (i, w, kuai.tensor([0, 5]))), (RuntimeError, (kuai.tensor([7]), w, kuai.tensor([0]))),
    ]  # fmt: skip
    for error, args in cases:
        with pytest.raises(error):
            bag(*args)
    with pytest.raises(ValueError, match="mode has to be"):
        bag(i, w, kuai.tensor([0]), mode="bla")
    with pytest.raises(NotImplementedError, match="per_sample_weights"):
        bag(i, w, kuai.tensor([0]), per_sample_weights=kuai.ones(3))


def test_pretrained_tables_are_frozen() -> None:
    layer = nn.Embedding.from_pretrained(kuai.ones(2, 3))
    assert not layer.weight.requires_grad
    assert nn.Embedding.from_pretrained(kuai.ones(2, 3), freeze=False).weight.requires_grad


# ---- the adaptive softmax --------------------------------------------------------------------------------------------


def test_adaptive_softmax() -> None:
    theirs, ours = made("AdaptiveLogSoftmaxWithLoss", 16, 20, [4, 10], head_bias=True)
    x, t = torch.randn(6, 16), torch.tensor([0, 5, 19, 12, 3, 9])
    compare(tuple(ours(oracle.to_kuai(x), oracle.to_kuai(t))), tuple(theirs(x, t)))
    compare(ours.log_prob(oracle.to_kuai(x)), theirs.log_prob(x))
    compare(ours.predict(oracle.to_kuai(x)), theirs.predict(x))
    same_gradients(lambda x: theirs(x, t).loss, lambda x: ours(x, oracle.to_kuai(t)).loss, x)
    for a, b in zip(ours.parameters(), theirs.parameters()):
        compare(a.grad, b.grad)
    with pytest.raises(RuntimeError, match="Target values should be in"):
        ours(kuai.ones(1, 16), kuai.tensor([20]))
    for cutoffs in ([], [20], [0, 4], [4, 4], [5, 3], [4, 20]):
        with pytest.raises(ValueError, match="cutoffs should be"):
            nn.AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs)


def test_layers_can_be_copied() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.PReLU(), nn.Dropout(0.5), nn.Embedding(2, 3))
    twin = copy.deepcopy(net)
    assert repr(twin) == repr(net)
    assert twin[0].weight is not net[0].weight


def test_bags_without_a_row():
    for t in (kuai, torch):
        none = t.tensor([], dtype=t.int64)
        for mode in ("sum", "mean", "max"):
            bag = t.nn.EmbeddingBag(3, 2, mode=mode)
            bag(none, t.tensor([0, 0])).sum().backward()
            assert bag(none, t.tensor([0, 0])).tolist() == [[0, 0], [0, 0]] and bag.weight.grad.tolist() == [[0, 0]] * 3
        assert t.nn.EmbeddingBag(3, 2)(none, none).shape == (0, 2) == t.nn.EmbeddingBag(3, 2)(none.view(0, 2)).shape
