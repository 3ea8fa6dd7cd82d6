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


def cases(text: str) -> list[str]:
    return [s.strip() for s in text.replace("\n", "|").split("|") if s.strip()]


def give(lib, code: str) -> object:
    convert = oracle.Converter() if lib is kuai else lambda t: t
    return eval(code, {"torch": lib, "m": lib.masked, "x": convert(X), "b": convert(MASK)})


@pytest.mark.parametrize("code", cases(GIVE))
def test_values(code):
    oracle.assert_same(give(kuai, code), give(torch, code))


@pytest.mark.parametrize("code", cases(ERRORS))
def test_errors(code):
    oracle.assert_same_error(lambda: give(kuai, code), lambda: give(torch, code))


def test_second_derivatives():
    x, mask = kuai.randn(2, 3, dtype=kuai.complex128, requires_grad=True), kuai.tensor([True, False, True])
    assert kuai.autograd.gradgradcheck(lambda x: kuai.masked.logsumexp(x, 1), (x,))
    assert kuai.autograd.gradgradcheck(lambda x: kuai.masked.var(x, 1, mask=mask), (x,))


def test_masked_tensors_are_refused():
    for make in (kuai.masked.MaskedTensor, kuai.masked.masked_tensor, kuai.masked.as_masked_tensor):
        with pytest.raises(NotImplementedError, match="mask="):
            make(kuai.ones(2), kuai.ones(2) > 0)
