"""``torch.nn.attention`` beside PyTorch's: choices, causal masks, and scores of one's own."""

import pytest

import kuai

torch = pytest.importorskip("torch", reason="compared with PyTorch: pip install torch==2.13.0")
pytest.importorskip("torch.nn.attention.flex_attention")
pytest.importorskip("torch.nn.attention.bias")

MODS = {
    "none": lambda t: None,
    "causal": lambda t: lambda s, b, h, q, k: t.where(q >= k, s, -float("inf")),
    "alibi": lambda t: lambda s, b, h, q, k: s + (k - q) * t.exp2(-(h + 1.0)),
    "looked up": lambda t: lambda s, b, h, q, k: s + t.arange(20.0)[q - k + 10] * 0.1,
    "capped": lambda t: lambda s, b, h, q, k: 2.0 * t.tanh(s / 2.0),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("mod", MODS)
@pytest.mark.parametrize("masked", [False, True])
def test_flex_attention(mod, masked):
    found = []
    for library in (kuai, torch):
        library.manual_seed(0)
        flex = library.nn.attention.flex_attention
        q, k, v = (library.randn(2, h, n, 16) for h, n in ((4, 5), (2, 7), (2, 7)))
        mask = flex.create_block_mask(lambda b, h, i, j: (i - j).abs() < 2, None, None, 5, 7, device="cpu") if masked else None
        out, aux = flex.flex_attention(q, k, v, MODS[mod](library), mask, enable_gqa=True, return_aux=flex.AuxRequest(lse=True))
        found.append([x.tolist() for x in (out, aux.lse)])
    for ours, theirs in zip(*found):
        kuai.testing.assert_close(kuai.tensor(ours), kuai.tensor(theirs), rtol=1e-4, atol=1e-5)


def test_gradients_of_flex_attention():
    """PyTorch has none on the CPU: those of attention as it is."""
    found = []
    for f in (
        lambda q: kuai.nn.attention.flex_attention.flex_attention(q, q, q, MODS["causal"](kuai)),
        lambda q: kuai.nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True),
    ):
        kuai.manual_seed(0)
        q = kuai.randn(1, 2, 4, 8, requires_grad=True)
        f(q).sin().sum().backward()
        found.append(q.grad)
    kuai.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_block_masks():
    for library in (kuai, torch):
        flex = library.nn.attention.flex_attention
        mask = flex.create_block_mask(lambda b, h, q, k: (q >= k) & (h < 1), 1, 2, 300, 200, device="cpu")
        assert mask.to_dense().tolist() == [[[[1, 0], [1, 1], [1, 1]], [[0, 0], [0, 0], [0, 0]]]]
        assert tuple(mask.shape) == (1, 2, 300, 200) and mask.numel() == 120000 and mask.sparsity() == pytest.approx(31.73, abs=0.01)
        with pytest.raises(NotImplementedError, match="4D"):
            flex.flex_attention(*(library.ones(2, 3),) * 3)
        with pytest.raises(ValueError, match="enable_gqa"):
            flex.flex_attention(library.ones(1, 2, 3, 16), library.ones(1, 1, 3, 16), library.ones(1, 1, 3, 16))


def test_causal_masks():
    found = []
    for library in (kuai, torch):
        bias = library.nn.attention.bias
        library.manual_seed(0)
        q, k = library.randn(1, 2, 3, 16), library.randn(1, 2, 5, 16)
        masks = bias.causal_lower_right(3, 5), bias.causal_upper_left(3, 5)
        found.append([library.nn.functional.scaled_dot_product_attention(q, k, k, attn_mask=m).tolist() for m in masks])
        assert masks[0].variant is bias.CausalVariant.LOWER_RIGHT and masks[0].seq_len_kv == 5
        with pytest.raises(AssertionError, match="2D"):
            bias.causal_upper_left(1, 2, 3)
    kuai.testing.assert_close(kuai.tensor(found[0]), kuai.tensor(found[1]), rtol=1e-4, atol=1e-5)


def test_choices():
    for library in (kuai, torch):
        attention, cuda = library.nn.attention, library.backends.cuda
        with attention.sdpa_kernel([attention.SDPBackend.FLASH_ATTENTION, attention.SDPBackend.MATH]):
            assert cuda.flash_sdp_enabled() and cuda.math_sdp_enabled() and not cuda.mem_efficient_sdp_enabled()
        assert cuda.mem_efficient_sdp_enabled()
        cuda.enable_flash_sdp(False)
        assert not cuda.flash_sdp_enabled()
        cuda.enable_flash_sdp(True)
        with pytest.raises(AssertionError, match="SDPBackend"), attention.sdpa_kernel("math"):
            pass
