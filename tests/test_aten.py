"""torch.ops.aten and PyTorch's inner functions: names, overloads, values, gradients and errors."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import kuai
from tests import oracle

torch = oracle.torch

# x is (2, 3, 4), m (3, 4), v (5,) of float32, i (3, 4) of integers, f a float8 matrix, s and r scales of its whole and of its rows.
GIVE = """
a.add.Tensor(x, x, alpha=2) | a.add(x, 1) | a.add_.Tensor(x.clone(), x) | a.view.default(x, (6, 4)) | a.t(m) | a.sum.dim_IntList(x, [1])
a.sum.default(x) | a.mm(m, m.t()) | a.relu.default(x) | a.gelu(x) | a.slice.Tensor(x, 2, 1, 9, 2) | a.select.int(x, 0, 1)
a.transpose.int(x, 0, 1) | a.expand.default(v, (2, 5)) | a.unsqueeze(v, 0) | a.cat([m, m], 1) | a.div.Tensor_mode(x, 2.0, rounding_mode="floor")
a.embedding.default(m, i[0] % 3) | a._softmax(x, 1, False) | a._log_softmax(x, -1, False) | a._safe_softmax(x, 0, torch.float64)
a._log_softmax_backward_data(m, m.log_softmax(0), 0, torch.float32) | a.addmm(m[:, :3], m, m.t(), beta=0.5) | a.clone(x)
a.native_layer_norm(x, (4,), None, None, 1e-5)[0] | a.index.Tensor(m, [None, i[0] % 4]) | a.where.self(m > 0, m, -m) | a.detach(x)
a.neg(x) | a._upsample_bicubic2d_aa(x[None], (2, 2), False)
a.scaled_dot_product_attention(x, x, x) | a.new_zeros(x, (2,)) | a.mean.dim(x, [0, 2], True) | a.max.dim(x, 1) | a.pow.Tensor_Scalar(x, 2)
a._native_batch_norm_legit.no_stats(x, None, None, True, 0.1, 1e-5) | torch.segment_reduce(v, "mean", lengths=torch.tensor([2, 0, 3]))
torch.segment_reduce(v, "max", offsets=torch.tensor([1, 3, 3, 4])) | torch.segment_reduce(m, "min", lengths=torch.tensor([[1, 3], [2, 2], [0, 4]]), axis=1)
torch.segment_reduce(v, "min", lengths=torch.tensor([2, 3]), initial=-0.5) | torch.hash_tensor(v) | i.hash_tensor((0, 1))
torch._scaled_mm(f, f.t(), s, s) | torch._scaled_mm(f, f.t(), s, s, bias=v[:3], out_dtype=torch.float32)
torch._scaled_mm(f, f.t(), r, r.t(), out_dtype=torch.bfloat16) | a._scaled_dot_product_flash_attention_for_cpu(x[None], x[None], x[None], 0.0, True)
a._scaled_dot_product_flash_attention_for_cpu(x[None], x[None], x[None], attn_mask=m.detach()[:, :3], scale=0.3)
a.fft_rfft(v) | a.linalg_vector_norm(m) | a.special_erfcx.default(v) | a.im2col(x[None], 2, 1, 0, 1) | a.log_sigmoid(v)
"""
ERRORS = """
torch.segment_reduce(v, "sum") | torch.segment_reduce(v, "sum", lengths=torch.tensor([1, 1])) | torch.segment_reduce(v, "sum", lengths=torch.tensor([-1, 6]))
torch.segment_reduce(v, "most", lengths=torch.tensor([5])) | torch.segment_reduce(v, "sum", lengths=torch.tensor([5]), axis=1)
torch.segment_reduce(v, "sum", lengths=torch.tensor([5.0])) | torch.segment_reduce(v, "sum", indices=torch.tensor([0]))
torch._scaled_mm(m, m.t(), s, s) | torch._scaled_mm(f, f, s, s) | torch._scaled_mm(f, f.t(), s.double(), s) | torch._scaled_mm(f[0], f.t(), s, s)
torch._scaled_mm(f, f.t(), r, s) | torch._scaled_mm(f, f.t(), s, s, bias=v) | torch.hash_tensor(v, mode=1) | torch._chunk_cat([m], 2, 2)
a.add.Nonsense | a.nonsense
"""


def give(lib, code: str, leaves: list | None = None) -> object:
    generator = torch.Generator().manual_seed(0)
    floats = {n: torch.randn(shape, generator=generator) for n, shape in (("x", (2, 3, 4)), ("m", (3, 4)), ("v", (5,)))}
    plain = {"i": torch.arange(12).reshape(3, 4), "s": torch.tensor(0.5), "r": torch.tensor([[0.5], [1.0], [2.0]]),
             "f": torch.arange(48.0).reshape(3, 16).to(torch.float8_e4m3fn)}  # fmt: skip
    here = {n: (oracle.to_kuai(t) if lib is kuai else t) for n, t in (floats | plain).items()}
    if leaves is not None:
        leaves.extend(here[n].requires_grad_() for n in floats)
    return eval(code, {**here, "torch": lib, "a": lib.ops.aten})


@pytest.mark.parametrize("code", oracle.cases(GIVE))
def test_values_and_gradients(code):
    mine, their = [], []
    differentiable = not any(word in code for word in ("add_", "hash", "_scaled_mm"))
    ours, theirs = give(kuai, code, mine if differentiable else None), give(torch, code, their if differentiable else None)
    oracle.assert_same(ours, theirs)
    wanted = oracle.wants_gradient(theirs)
    for a, b in zip(oracle.gradients(kuai, ours, mine, wanted), oracle.gradients(torch, theirs, their, wanted)):
        oracle.assert_same(a, b, "gradient", loose=10.0)


@pytest.mark.parametrize("code", oracle.cases(ERRORS))
def test_errors(code):
    oracle.assert_same_error(lambda: give(kuai, code), lambda: give(torch, code))


@pytest.mark.parametrize("code", ["a.add.Tensor", "a.relu.default", "a.add", "a.mm.out"])
def test_names(code):
    ours, theirs = give(kuai, code), give(torch, code)
    assert (repr(ours), str(ours)) == (repr(theirs), str(theirs))
    if "." in str(ours)[5:]:
        assert (ours.name(), str(ours.overloadpacket)) == (theirs.name(), str(theirs.overloadpacket))


def test_fused_attention():
    q, k = kuai.randn(2, 5, 3, 4), kuai.randn(2, 7, 3, 4)
    a = kuai.ops.aten
    made, sums, *_ = a._flash_attention_forward(q, k, k, None, None, 5, 7, 0.0, True, False)
    mask = kuai.ones(5, 7).tril(2) > 0
    flat, over = q.transpose(1, 2), k.transpose(1, 2)
    expected = kuai.nn.functional.scaled_dot_product_attention(flat, over, over, mask).transpose(1, 2)
    logits = (flat @ over.mT / 2).masked_fill(~mask, -kuai.inf)
    assert kuai.allclose(made, expected, atol=1e-6)
    assert kuai.allclose(sums, logits.logsumexp(-1), atol=1e-6)
    again, padded, *_, rows, columns = a._efficient_attention_forward(q, k, k, None, None, None, 5, 7, 0.0, 2, True)
    assert kuai.allclose(again, expected, atol=1e-6) and (rows, columns) == (5, 7)
    assert kuai.allclose(padded[..., :5], sums) and padded.shape[-1] == 32 and padded[..., 5:].isinf().all()
    with pytest.raises(NotImplementedError, match="cum_seq_q"):
        a._flash_attention_forward(q, k, k, kuai.tensor([0, 5]), None, 5, 7, 0.0, False, False)


def test_scales_of_blocks_are_refused():
    f = kuai.ones(2, 32).to(kuai.float8_e4m3fn)
    one = kuai.ones(1)
    with pytest.raises(NotImplementedError, match="recipe"):
        kuai._scaled_mm_v2(f, f.t(), [one], [3], [0], [one], [3], [0])


def test_jiterator_says_what_is_missing(monkeypatch):
    from kuai.cuda import jiterator

    code = "template <typename T> T twice(T x) { return x + x; }"
    for make in (jiterator._create_jit_fn, torch.cuda.jiterator._create_jit_fn):
        with pytest.raises(Exception, match="Couldn't parse code"):
            make("T twice(T x)")
        with pytest.raises(AssertionError, match="only supported on CUDA"):
            make(code)(1)
    monkeypatch.setattr(jiterator, "is_available", lambda: True)
    with pytest.raises(NotImplementedError, match="twice"):
        jiterator._create_jit_fn(code)(kuai.ones(1))


def test_operators_are_one_object_each():
    for library in (kuai, torch):
        packet = library.ops.aten.add
        assert copy.deepcopy(packet) is packet and copy.deepcopy(packet.Tensor) is packet.Tensor is library.ops.aten.add.Tensor
        assert packet.Tensor._overloadname == "Tensor" and packet.Tensor.__qualname__ == "aten::add.Tensor"
        with pytest.raises(AttributeError):
            getattr(packet, "foo")  # noqa: B009


BACKWARD = """a.threshold_backward(g, x, 0.1); a.gelu_backward(g, x); a.gelu_backward(g, x, approximate='tanh'); a.silu_backward(g, x)
a.mish_backward(g, x); a.softplus_backward(g, x, 1, 20); a.hardswish_backward(g, x); a.hardsigmoid_backward(g, x)
a.hardtanh_backward(g, x, -1, 1); a.leaky_relu_backward(g, x, 0.1, False); a.sigmoid_backward(g, x.sigmoid())
a.tanh_backward(g, x.tanh()); a.log_sigmoid_backward(g, x, a.log_sigmoid_forward(x)[1]); a.glu_backward(g[:, :2], x, 1); a.logit_backward(g, x.sigmoid(), None)
a.mse_loss_backward(g, x, y, 0); a.mse_loss_backward(g[0, 0], x, y, 1); a.smooth_l1_loss_backward(g, x, y, 0, 0.5)
a.binary_cross_entropy_backward(g, x.sigmoid(), y.sigmoid(), None, 0); a.select_backward(g[0], [3, 4], 0, 1)
a.slice_backward(g[:, :2], [3, 4], 1, 0, 4, 2); a.embedding_dense_backward(g, torch.tensor([0, 1, 1]), 3, -1, False)
a.native_layer_norm_backward(g, x, [4], x.mean(1, True), (x.var(1, correction=0, keepdim=True) + 1e-5).rsqrt(), y[0], y[1], [True, True, True])
a.convolution_backward(g[None, None], y[None, None], x[None, None, :1, :1], [1], [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [True] * 3)
a.nll_loss_backward(g[0, 0], x, torch.tensor([0, 1, 3]), None, 1, -100, torch.tensor(3.0)); a.mse_loss(x, y, 2)
a.reflection_pad1d(x, [1, 2]); a.upsample_bilinear2d(x[None, None], [6, 8], False); a.upsample_nearest2d.vec(x[None, None], None, [2.0, 2.0])
a._to_copy(x, dtype=torch.int); a.copy(x, y[0]); a.nll_loss_forward(x, torch.tensor([0, 1, -100]), y[0], 1, -100)
a._unsafe_view(x, [4, 3]); a.silu_(x.clone()); a.cross_entropy_loss(x, torch.tensor([0, 1, 3]))"""


@pytest.mark.parametrize("call", [c.strip() for line in BACKWARD.split("\n") for c in line.split("; ")])
def test_operators_below_the_public_functions(call):
    values = np.random.default_rng(0).standard_normal((3, 3, 4)).astype("float32")
    found, expected = (eval(call, dict(zip("gxy", map(lib.tensor, values)), torch=lib, a=lib.ops.aten)) for lib in (kuai, torch))
    for mine, theirs in zip(*(r if isinstance(r, tuple) else (r,) for r in (found, expected))):
        assert mine.shape == theirs.shape and np.allclose(mine.numpy(), theirs.numpy(), atol=1e-5)


def test_operators_that_are_not_there_have_names():
    assert str(kuai.ops.aten._sparse_mm_reduce_impl.default) == str(torch.ops.aten._sparse_mm_reduce_impl.default)
    with pytest.raises(NotImplementedError, match="_sparse_csr_prod"):
        kuai.ops.aten._sparse_csr_prod(kuai.ones(1))
    assert isinstance(kuai.ops.aten.add.Tensor, kuai._ops.OpOverload)
