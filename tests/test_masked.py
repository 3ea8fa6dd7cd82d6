"""torch.masked: errors, masks in many dtypes, and derivatives of any order. PyTorch's tables have the rest."""

from __future__ import annotations

import pytest

import kuai
from tests import oracle

torch = oracle.torch

X = torch.tensor([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])
MASK = torch.tensor([[True, False, True], [False, False, False]])
GIVE = """
m.sum(x, mask=b[:1]) | m.sum(x.int(), (), mask=b) | m.mean(x, (0, -1), mask=b.int()) | m.amax(x.to(torch.uint8).abs(), 1, mask=b)
m.std(x, 1, False, mask=b) | m.var(x, 1, correction=2.0, mask=b) | m.var(x.int(), mask=b) | m.norm(x, -float("inf"), 1, mask=b)
m.median(x, mask=b) | m.median(x.int(), 0) | m.softmax(x, 1, mask=b) | m.normalize(x, 2.0, 1, mask=b, dtype=torch.float64)
m.logsumexp(x, 1, mask=b) | m.argmin(x, 1, mask=b) | m.prod(x, 0, keepdim=True, mask=b, dtype=torch.float64)
m.logsumexp(x + 1j, 1, mask=b) | m.is_masked_tensor(x) | m.sum(x[0, 0], mask=b[0, 0]) | m.cumsum(x.int(), -1, mask=b)
"""
ERRORS = """
m.sum(x, mask=b[None]) | m.sum(x, (0, 0)) | m.sum(x, 2) | m.amax(x + 1j, mask=b) | m.amax(x > 0, mask=b) | m.mean(x.int())
m.mean(x, dtype=torch.int64) | m.median(x.int(), 1, mask=b) | m.var(x, 0, True, correction=1) | m.sum(x, mask=b[:, :2])
"""


def give(lib, code: str) -> object:
    convert = oracle.Converter() if lib is kuai else lambda t: t
    return eval(code, {"torch": lib, "m": lib.masked, "x": convert(X), "b": convert(MASK)})


@pytest.mark.parametrize("code", oracle.cases(GIVE))
def test_values(code):
    oracle.assert_same(give(kuai, code), give(torch, code))


@pytest.mark.parametrize("code", oracle.cases(ERRORS))
def test_errors(code):
    oracle.assert_same_error(lambda: give(kuai, code), lambda: give(torch, code))


def test_second_derivatives():
    x, mask = kuai.randn(2, 3, dtype=kuai.complex128, requires_grad=True), kuai.tensor([True, False, True])
    assert kuai.autograd.gradgradcheck(lambda x: kuai.masked.logsumexp(x, 1), (x,))
    assert kuai.autograd.gradgradcheck(lambda x: kuai.masked.var(x, 1, mask=mask), (x,))


# ---- tensors with a mask of their own --------------------------------------------------------------------------------

TENSORS = """
t.exp() | torch.exp(t) | t + t | 1 + t | t * x | x * t | t / 2 | 1 / t | t ** 2 | t.neg() | -t | abs(t) | t.clamp(0, 2) | t.clamp(min=1)
t == 3 | t < 2 | t > x | torch.maximum(t, t) | t.round() | t.mul(2) | t.atan2(t) | t.fmod(2) | torch.nan_to_num(t) | t.isnan() | t.sigmoid()
t.sum() | t.sum(1) | t.sum(1, keepdim=True) | t.mean() | t.mean(0) | t.amax(1) | t.argmax() | t.argmin(1) | t.prod(1) | t.var(1) | t.std(1)
t.all() | torch.sum(t, 1) | torch.mean(t) | torch.amin(t, dim=(0, 1)) | t[0] | t[0, 1:] | t[:, 0] | t[torch.tensor([1, 0])] | t[b] | t.t()
t.reshape(3, 2) | t.view(6) | t.unsqueeze(0) | t.transpose(0, 1) | t.split(1)[1] | t.chunk(2)[0] | t.expand(2, 2, 3) | t.flatten()
torch.cat([t, t]) | torch.stack([t, t]) | t.contiguous() | t.clone() | t.detach() | t.double() | t.type(torch.float64) | t.softmax(1)
torch.ones_like(t) | torch.where(b, t, t) | torch.where(b, t, x) | torch.where(x > 0, t, m.masked_tensor(-x, ~b)) | t.unfold(1, 2, 1)
t.to_sparse() | t.to_sparse().exp() | t.to_sparse().sum() | t.to_sparse() * t.to_sparse() | t.to_sparse().to_dense()
t.to_sparse_csr() | t.to_sparse_csr().exp() | m.masked_tensor(x.int(), b).sum(1) | m.masked_tensor(x > 0, b) | t.add_(1) | t.sub_(1).exp_()
t.copy_(t + 1) | m.masked_tensor(x[0, 0], ~b[0, 0]) | m.masked_tensor(x[0].int(), b[0])
"""
PLAIN = """
t.get_data() | t.get_mask() | t.to_tensor(-1) | t[0, 0].item() | bool(t[0, 0]) | len(t) | t.shape | t.ndim | t.stride() | t.numel()
m.is_masked_tensor(t) | t.to_sparse().is_sparse, t.is_sparse, t.is_sparse_coo(), t.to_sparse_csr().is_sparse_csr() | m.sum(t) | m.softmax(t, 1)
m.sum(t, mask=b[:1]) | t.requires_grad | t.is_contiguous()
"""
REFUSED = """
2 - t | 2 ** t | torch.add(t, t, alpha=2) | m.masked_tensor(x, ~b) + t | t.max() | t.cumsum(0) | t.relu() | t.permute(1, 0) | t.squeeze()
t[0, 1].item() | torch.zeros_like(t) | t @ t.t() | torch.matmul(t, x.t()) | m.masked_tensor(x, b.int()) | m.masked_tensor(x, b[0])
m.masked_tensor(x.bfloat16(), b) | m.masked_tensor(t, b) | m.masked_tensor([1.0], b) | t.to_sparse().sum(1) | t.tolist() | t.numpy()
t.logical_not() | t.masked_fill(b, 0) | t.T | m.masked_tensor(x, b.to_sparse()) | t.item()
"""


def masked(lib, code):
    convert = oracle.Converter() if lib is kuai else lambda t: t
    x, b = convert(X), convert(MASK)
    return eval(code, {"torch": lib, "m": lib.masked, "x": x, "b": b, "t": lib.masked.masked_tensor(x, b)})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("code", oracle.cases(TENSORS))
def test_functions_of_masked_tensors(code):
    """The same elements are there, with the same values: what is shown is the same."""
    ours, theirs = masked(kuai, code), masked(torch, code)
    assert repr(ours) == repr(theirs) and type(ours).__name__ == "MaskedTensor"
    oracle.assert_same(kuai.masked.tensor.dense(ours.get_mask()), theirs.get_mask().to_dense())
    assert str(ours.dtype) == str(theirs.dtype)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("code", oracle.cases(PLAIN))
def test_what_masked_tensors_tell(code):
    oracle.assert_same(masked(kuai, code), masked(torch, code))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("code", oracle.cases(REFUSED))
def test_what_masked_tensors_refuse(code):
    oracle.assert_same_error(lambda: masked(kuai, code), lambda: masked(torch, code))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("code", ["t.sum()", "t.exp().sum()", "t.mean()", "t.sum(1).sum()", "(t * t).sum()", "t.amax()"])
def test_gradients_are_masked(code):
    found = []
    for lib in (kuai, torch):
        convert = oracle.Converter() if lib is kuai else lambda t: t
        t = lib.masked.masked_tensor(convert(X), convert(MASK), requires_grad=True)
        eval(code).backward()
        found.append(repr(t.grad))
    assert found[0] == found[1]


def test_what_is_masked_out_spoils_no_gradient():
    x = kuai.tensor([4.0, 0.0, -1.0], requires_grad=True)
    kuai.masked.as_masked_tensor(x, kuai.tensor([True, False, False])).sqrt().sum().backward()
    assert x.grad.tolist() == [0.25, 0.0, 0.0]


def test_means_of_masked_tensors_count_what_is_there():
    """PyTorch divides by the length of the row."""
    t = kuai.masked.masked_tensor(kuai.tensor([[1.0, 5.0, 3.0]]), kuai.tensor([[True, False, True]]))
    assert kuai.masked.mean(t, 1).tolist() == [2.0]
