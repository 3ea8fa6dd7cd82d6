"""Attention and transformers against PyTorch: values, derivatives of two orders, masks, both engines, errors."""

from __future__ import annotations

import warnings

import pytest

import kuai
from kuai import nn
from tests import oracle
from tests.both import compare, compare_errors, randn

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def _quietly():  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    kuai.set_engine("auto")


def attend(*args: object, **options: object) -> None:
    twice = options.pop("twice", True)
    compare(lambda t, *args: t.nn.functional.scaled_dot_product_attention(*args, **options), *args, twice=twice)


def qkv(*batch: int) -> tuple:
    return randn(*batch, 3, 4), randn(*batch, 5, 4), randn(*batch, 5, 6)


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_scaled_dot_product(engine: str) -> None:
    kuai.set_engine(engine)
    attend(*qkv(2, 3))
    attend(*qkv(), is_causal=True)
    attend(*qkv(2), randn(3, 5), scale=0.3)
    attend(*qkv(2, 3), torch.rand(2, 1, 3, 5) > 0.3)


def test_rows_that_see_nothing_give_zeros() -> None:
    mask = torch.ones(3, 5, dtype=torch.bool)
    mask[1] = False
    attend(*qkv(2), mask, twice=False)
    attend(*qkv(2), torch.zeros(3, 5).double().masked_fill(~mask, float("-inf")), twice=False)
    attend(randn(2, 3, 4), randn(2, 0, 4), randn(2, 0, 6), twice=False)


def test_heads_that_share_keys() -> None:
    q, k, v = randn(2, 6, 3, 4), randn(2, 2, 5, 4), randn(2, 2, 5, 6)
    attend(q, k, v, enable_gqa=True)
    attend(q, k, v, randn(2, 6, 3, 5), enable_gqa=True)
    attend(q, k, v, torch.rand(2, 1, 3, 5) > 0.3, enable_gqa=True, twice=False)
    attend(q, k, randn(2, 3, 5, 6), enable_gqa=True, is_causal=True)


def test_broadcast_batches() -> None:
    attend(randn(2, 4, 3, 4), randn(2, 1, 5, 4), randn(1, 5, 6))


def test_dropout_draws_as_pytorch_does() -> None:
    def call(t, q, k, v):  # type: ignore[no-untyped-def]
        t.manual_seed(4)
        return t.nn.functional.scaled_dot_product_attention(q, k, v, dropout_p=0.4)

    compare(call, *(x.detach().float().requires_grad_() for x in qkv(2, 2)), twice=True)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_types(dtype: str) -> None:
    compare(lambda t, q, k, v: t.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True),
            *(x.detach().to(getattr(torch, dtype)) for x in qkv(2, 2)))  # fmt: skip


# ---- layers ------------------------------------------------------------------------------------------------------------------------


def pair(name: str, *args: object, **kwargs: object) -> tuple:
    """The same layer of both libraries, made with one seed."""
    torch.manual_seed(1)
    theirs = getattr(torch.nn, name)(*args, **kwargs)
    kuai.manual_seed(1)
    ours = getattr(nn, name)(*args, **kwargs)
    assert repr(ours) == repr(theirs)
    same_parameters(ours, theirs)
    return ours, theirs


def same_parameters(ours: nn.Module, theirs: torch.nn.Module) -> None:
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters()):
        assert (a.detach().numpy() == b.detach().numpy()).all(), name


def check(layers: tuple, *inputs: object, **options: object) -> None:
    ours, theirs = layers

    def call(t, inputs, options):  # type: ignore[no-untyped-def]
        t.manual_seed(3)
        return (theirs if t is torch else ours)(*inputs, **options)

    compare(call, inputs, options, loose=3)


def floats(*shape: int) -> torch.Tensor:
    return randn(*shape, dtype=torch.float32)


CAUSAL = torch.nn.Transformer.generate_square_subsequent_mask(3)
PADDING = torch.tensor([[False, False, True], [False, False, False]])


@pytest.mark.parametrize("need_weights", [True, False])
def test_multihead_attention(need_weights: bool) -> None:
    layers, x = pair("MultiheadAttention", 8, 2), floats(3, 2, 8)
    check(layers, x, x, x, need_weights=need_weights)
    check(layers, x, x, x, need_weights=need_weights, attn_mask=CAUSAL, key_padding_mask=PADDING)
    check(layers, x, x, x, need_weights=need_weights, attn_mask=CAUSAL, is_causal=True)
    check(layers, x, x, x, need_weights=need_weights, attn_mask=torch.rand(4, 3, 3) > 0.8)
    check(layers, floats(5, 2, 8), x, floats(3, 2, 8), need_weights=need_weights, average_attn_weights=False)
    check(layers, floats(3, 8), *[floats(4, 8)] * 2, need_weights=need_weights)


@pytest.mark.parametrize("options", [
    {"kdim": 3, "vdim": 5}, {"add_bias_kv": True, "add_zero_attn": True}, {"bias": False, "batch_first": True}, {"dropout": 0.5},
], ids=str)  # fmt: skip
def test_forms_of_multihead_attention(options: dict) -> None:
    layers = pair("MultiheadAttention", 8, 2, **options)
    k, v = options.get("kdim", 8), options.get("vdim", 8)
    check(layers, floats(3, 2, 8), floats(4, 2, k) if not options.get("batch_first") else floats(3, 4, k),
          floats(4, 2, v) if not options.get("batch_first") else floats(3, 4, v), need_weights=True)  # fmt: skip
    layers[0].eval(), layers[1].eval()
    x = floats(3, 2, 8)
    if k == v == 8:
        check(layers, x, x, x, need_weights=False)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_layers_of_transformers(norm_first: bool, activation: str) -> None:
    form = {"dim_feedforward": 16, "norm_first": norm_first, "activation": activation, "batch_first": True}
    encoder, decoder = pair("TransformerEncoderLayer", 8, 2, **form), pair("TransformerDecoderLayer", 8, 2, **form)
    x, memory = floats(2, 3, 8), floats(2, 4, 8)
    check(encoder, x, CAUSAL, PADDING)
    check(encoder, x, CAUSAL, is_causal=True)
    check(decoder, x, memory, CAUSAL, tgt_key_padding_mask=PADDING)
    check(decoder, x, memory, CAUSAL, torch.rand(3, 4) > 0.8, tgt_is_causal=True)


def test_transformer() -> None:
    layers = pair("Transformer", 8, 2, 2, 2, 16, batch_first=True)
    check(layers, floats(2, 3, 8), floats(2, 3, 8), tgt_mask=CAUSAL, src_key_padding_mask=PADDING)
    layers[0].eval(), layers[1].eval()
    check(layers, floats(3, 8), floats(4, 8))


def test_activation_may_be_a_function() -> None:
    theirs = torch.nn.TransformerEncoderLayer(8, 2, 16, activation=torch.nn.functional.silu).eval()
    ours = nn.TransformerEncoderLayer(8, 2, 16, activation=nn.functional.silu).eval()
    ours.load_state_dict({k: oracle.to_kuai(v) for k, v in theirs.state_dict().items()})
    check((ours, theirs), floats(3, 2, 8))


@pytest.mark.parametrize("padding", [PADDING, PADDING.flip(1)])
def test_encoder_in_inference_leaves_zeros_for_padding(padding: torch.Tensor) -> None:
    theirs = torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2).eval()
    ours = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2).eval()
    ours.load_state_dict({k: oracle.to_kuai(v) for k, v in theirs.state_dict().items()})
    x = torch.randn(2, 3, 8)
    with torch.no_grad(), kuai.no_grad():
        expected = theirs(x, src_key_padding_mask=padding)
        given = ours(oracle.to_kuai(x), src_key_padding_mask=oracle.to_kuai(padding))
    oracle.assert_same(given, expected, loose=3)
    oracle.assert_same(ours(oracle.to_kuai(x), src_key_padding_mask=oracle.to_kuai(padding)),
                       theirs(x, src_key_padding_mask=padding), loose=3)  # fmt: skip


def test_encoder_knows_its_activation_when_subclasses_are_asked() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    class Asked(kuai.Tensor):
        pass

    made = nn.TransformerEncoder(layer, 2).eval()
    with kuai.no_grad():
        given = made(kuai.ones(2, 3, 8), src_key_padding_mask=oracle.to_kuai(PADDING))
    assert given[0, 2].tolist() == [0.0] * 8


def test_training_lowers_the_loss() -> None:
    kuai.manual_seed(0)
    net = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True), 2)
    optimizer = kuai.optim.Adam(net.parameters(), 1e-2)
    x = kuai.randn(4, 6, 16)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(x), x.roll(1, 1))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


ERRORS = {
    "rank": lambda t, x: t.nn.functional.scaled_dot_product_attention(x[0, 0], x, x),
    "features": lambda t, x: t.nn.functional.scaled_dot_product_attention(x, x[..., :2], x),
    "lengths": lambda t, x: t.nn.functional.scaled_dot_product_attention(x, x, x[:, :2]),
    "dtypes": lambda t, x: t.nn.functional.scaled_dot_product_attention(x, x.double(), x),
    "int": lambda t, x: t.nn.functional.scaled_dot_product_attention(x.int(), x.int(), x.int()),
    "mask and causal": lambda t, x: t.nn.functional.scaled_dot_product_attention(x, x, x, x[..., :3], is_causal=True),
    "int mask": lambda t, x: t.nn.functional.scaled_dot_product_attention(x, x, x, t.ones(3, 3, dtype=t.int64)),
    "shape of mask": lambda t, x: t.nn.functional.scaled_dot_product_attention(x, x, x, t.ones(2, 3)),
    "number as mask": lambda t, x: t.nn.functional.scaled_dot_product_attention(x, x, x, 1),
    "dropout": lambda t, x: t.nn.functional.scaled_dot_product_attention(x, x, x, dropout_p=1.5),
    "shared heads": lambda t, x: t.nn.functional.scaled_dot_product_attention(
        t.ones(5, 3, 4), t.ones(2, 3, 4), t.ones(2, 3, 4), enable_gqa=True),
    "heads": lambda t, x: t.nn.MultiheadAttention(8, 3),
    "no features": lambda t, x: t.nn.MultiheadAttention(0, 3),
    "embedding": lambda t, x: t.nn.MultiheadAttention(8, 2)(x, x, x),
    "ranks": lambda t, x: t.nn.MultiheadAttention(4, 2)(x, x[0], x[0]),
    "attention mask": lambda t, x: t.nn.MultiheadAttention(4, 2)(x, x, x, attn_mask=t.zeros(3, 3)),
    "padding mask": lambda t, x: t.nn.MultiheadAttention(4, 2)(x, x, x, key_padding_mask=t.zeros(2, 2)),
    "causal without mask": lambda t, x: t.nn.MultiheadAttention(4, 2)(x, x, x, is_causal=True),
    "activation": lambda t, x: t.nn.TransformerEncoderLayer(8, 2, activation="tanh"),
    "batches": lambda t, x: t.nn.Transformer(4, 2, 1, 1, 8)(x, t.ones(2, 2, 4)),
    "d_model": lambda t, x: t.nn.Transformer(4, 2, 1, 1, 8)(x, t.ones(2, 3, 5)),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    compare_errors(ERRORS[name], torch.randn(2, 3, 4))
