"""Tensors made by a rule, in dtypes of their own or of ``out=``, against PyTorch: values, dtypes and errors."""

from __future__ import annotations

import warnings

import pytest

import kuai
from tests import oracle

torch = oracle.torch

# i, f and d are tensors of int64, float32 and float64, to be written to.
GIVE = """
torch.zeros(2, out=i) | torch.ones(3, out=d) | torch.full((2,), 1.5, out=i) | torch.empty(2, out=d) * 0 | torch.eye(2, out=i)
torch.arange(0.5, 4, out=i) | torch.arange(4, out=f) | torch.arange(-2.5, 3.7, 1.5, dtype=torch.int64)
torch.arange(0.5, 3.7, 0.5, dtype=torch.int32) | torch.arange(-0.9, 2.1, 2.0, dtype=torch.int32)
torch.arange(5, 1.5, -1.5, dtype=torch.uint8) | torch.linspace(0.5, 4, 5, out=i) | torch.linspace(0, 7, 50, dtype=torch.uint8)
torch.linspace(0, 1, torch.tensor(3)) | torch.logspace(0.5, 4, 5, out=i) | torch.logspace(1.9, 3.7, 1, dtype=torch.int64)
torch.logspace(1, 1.2, 2, dtype=torch.int32) | torch.randperm(2, out=d).sort().values | torch.randint(5, (2,), out=d).dtype
torch.rand(2, out=d).dtype | torch.addmm(i, i[:, None] + 1, i[None], beta=1.5, alpha=2.7) | torch.cat((f[:1], f[1:2]), out=f[2:])
"""
ERRORS = """
torch.ones(2, out=i, dtype=torch.float32) | torch.full((2,), 1.5, out=i, dtype=torch.float32)
torch.eye(2, out=i, dtype=torch.float32) | torch.arange(4, out=f, dtype=torch.int64) | torch.arange(0, 4, 0)
torch.arange(0, 4, 0.5, out=i) | torch.arange(0, 4, 0.5, dtype=torch.int64) | torch.arange(3, dtype=torch.bool)
torch.linspace(0, 3, 1.0) | torch.linspace(0, 3, -1) | torch.linspace(0, 3, 3, out=i, dtype=torch.float32)
torch.logspace(0, 3, 2.5) | torch.rand(2, out=i) | torch.randn(2, out=d, dtype=torch.float32)
torch.multinomial(d + 1, 2, out=f) | torch.cat((f[:2], f[2:]), out=f[1:]) | torch.addr(i[None], i[:1], i, alpha=0.5)
"""


def give(lib, code: str) -> object:
    here = {"torch": lib, "i": lib.arange(4), "f": lib.zeros(4), "d": lib.zeros(4, dtype=lib.float64)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(code, here)


@pytest.mark.parametrize("code", oracle.cases(GIVE))
def test_values(code):
    oracle.assert_same(give(kuai, code), give(torch, code))


@pytest.mark.parametrize("code", oracle.cases(ERRORS))
def test_errors(code):
    oracle.assert_same_error(lambda: give(kuai, code), lambda: give(torch, code))


# PyTorch's names of arguments, and those of its other overloads. x is (3, 4), v has 3 elements, i holds 0, 1, 2.
NAMED = """
torch.broadcast_to(v, size=(2, 3)) | torch.can_cast(from_=torch.float32, to=torch.int32) | torch.promote_types(type1=torch.half, type2=torch.int8)
torch.from_dlpack(x, device="cpu", copy=True) | torch.from_dlpack(v, device=None, copy=None) | torch.roll(v, 1, dims=None) | torch.arange(end=3)
x.hsplit(sections=2) | x.hsplit(indices=[1]) | x.tensor_split(sections=2) | x.tensor_split(indices=[1])
torch.eye(2).cholesky_solve(input2=torch.eye(2)) | torch.repeat_interleave(repeats=i) | x.clone().copy_(other=x) | v.expand(size=(2, 3))
torch.result_type(tensor=x, other=1) | torch.result_type(scalar1=1, scalar2=2.0) | torch.isin(element=1, test_elements=i) | x[:1].squeeze(axis=0)
torch.isin(elements=i, test_element=1) | torch.ormqr(x.t(), input2=v / 9, input3=torch.eye(4)) | x.unsqueeze(axis=1) | torch.is_distributed(x)
torch.linalg.matrix_norm(input=x) | torch.linalg.lstsq(input=torch.eye(3), b=x).solution | torch.linalg.vector_norm(x=v) | torch.is_vulkan_available()
torch.native_dropout(x, 0.0, True) | torch.native_dropout(x, 1.0, None) | torch.norm_except_dim(x, 2, 1) | torch.norm_except_dim(x[None], 1, 1)
torch.embedding_renorm_(x.clone(), i[1:], 2.0, 2.0)
"""


@pytest.mark.parametrize("code", oracle.cases(NAMED))
def test_names_of_arguments(code):
    def run(lib):
        return eval(code, {"torch": lib, "x": lib.arange(12.0).reshape(3, 4), "v": lib.arange(1.0, 4), "i": lib.tensor([0, 1, 2])})

    oracle.assert_same(run(kuai), run(torch))


@pytest.mark.parametrize("start, end, step", [(-8.0, 8.0, 0.1), (0, 1, 0.01), (1, 100, 0.37), (-3, 3, 0.001), (5, -5, -0.013), (0, 3000, 1)])
def test_ranges_of_floats_are_pytorchs_to_the_bit(start, end, step):
    for name in ("float32", "float64", "float16", "bfloat16"):
        ours = kuai.arange(start, end, step, dtype=getattr(kuai, name)).double()
        theirs = torch.arange(start, end, step, dtype=getattr(torch, name)).double()
        differ = (ours.numpy() != theirs.numpy()).sum()
        assert differ == 0 if name == "float32" else differ <= 3, name  # near 0 the last bit of float64 is another one


def test_half_types_in_a_list():
    for t in (kuai, torch):
        half = t.tensor(1.5, dtype=t.bfloat16)
        for made, dtype in ((t.tensor([half, half]), t.bfloat16), (t.tensor([[half], [half]], dtype=t.float16), t.float16)):
            assert made.dtype is dtype and made.flatten().tolist() == [1.5, 1.5]


OUTS = {
    "arange": lambda t, out: t.arange(0, 4, out=out),
    "linspace": lambda t, out: t.linspace(0, 3, 4, out=out),
    "logspace": lambda t, out: t.logspace(0, 3, 4, out=out),
}


@pytest.mark.parametrize("name", OUTS)
def test_rows_are_written_into_an_out_of_any_shape(name):
    wholes = []
    for t in (kuai, torch):
        wholes.append(t.zeros(2, 3))
        OUTS[name](t, wholes[-1].narrow(1, 1, 2))
    oracle.assert_same(*wholes)


MADE = {
    "complex logspace": lambda t: t.logspace(0, 1j, 3),
    "large ints": lambda t: t.tensor([1.0, 2**70]),
    "large int as a float": lambda t: t.tensor(2**64, dtype=t.float64),
    "device of a typed constructor": lambda t: t.DoubleTensor([1], device="cpu"),
    "bytes": lambda t: t.asarray(bytearray(b"\x00\x00\x80\x3f")),
    "capsule": lambda t: t.asarray(t.utils.dlpack.to_dlpack(t.ones(2))),
    "new of a size": lambda t: t.zeros(2).new(size=(3, 4)).fill_(0),
    "random_ from below 0": lambda t: t.manual_seed(0) and t.zeros(5, dtype=t.int8).random_(-5, None),
    "random_ by names": lambda t: t.manual_seed(0) and t.zeros(5).random_(2, to=9),
}


@pytest.mark.parametrize("name", MADE)
def test_odd_ways_to_make_tensors(name):
    oracle.assert_same(*(MADE[name](t) for t in (kuai, torch)))


@pytest.mark.parametrize("name", ["bfloat16", "float16", "float32", "float64", "float8_e5m2", "float8_e4m3fn", "complex64"])
def test_a_dtypes_resolution_is_a_power_of_ten(name):
    ours, theirs = kuai.finfo(getattr(kuai, name)), torch.finfo(getattr(torch, name))
    assert (ours.resolution, repr(ours)) == (theirs.resolution, repr(theirs))


def test_a_size_made_of_tensors_holds_numbers():
    for t in (kuai, torch):
        assert repr(t.Size(t.tensor([1, 2]))) == repr(t.Size([t.tensor([1]), 2])) == "torch.Size([1, 2])"
        with pytest.raises(TypeError):
            t.Size(t.tensor([1.0, 2.0]))
