"""Printed tensors are PyTorch's, to the character."""

import numpy as np
import pytest

import kuai
from kuai import printing

torch = pytest.importorskip("torch")

DTYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool", "complex64", "complex128")
SMALL = ((), (1,), (0,), (0, 3), (2, 0), (5,), (30,), (3, 4), (2, 3, 4), (1, 1, 1, 2))
SHAPES = (*SMALL, (1100,), (40, 30), (7, 3, 80), (2, 2, 300))
OPTIONS = (
    {},
    {"precision": 2},
    {"precision": 8, "linewidth": 50},
    {"threshold": 10},
    {"threshold": 5, "edgeitems": 1},
    {"threshold": 5, "edgeitems": 0},
    {"profile": "short"},
    {"sci_mode": True},
    {"sci_mode": False},
)


@pytest.fixture(autouse=True)
def default_options():
    yield
    set_both(profile="default")


def set_both(**options):
    printing.set_printoptions(**options)
    torch.set_printoptions(**options)


def numbers(rng, shape, kind):
    """Numbers of one temper: usual, whole, tiny, huge, of a wide spread, or with what is not finite."""
    x = np.asarray(rng.standard_normal(shape))
    if kind == "whole":
        return np.round(x * 50)
    if kind == "wide":
        return x * 10.0 ** rng.integers(-6, 7, shape)
    if kind == "odd":
        return np.where(rng.random(shape) < 0.3, rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0], shape), x)
    return x * {"usual": 1.0, "tiny": 1e-5, "huge": 3e7, "zero": 0.0}[kind]


def pair(array, dtype):
    """The same tensor in both: made by PyTorch, whose elements ours takes bit for bit."""
    with np.errstate(all="ignore"), torch.no_grad():
        theirs = torch.from_numpy(np.array(array)).to(getattr(torch, dtype))
    if dtype == "bfloat16":
        return kuai.from_numpy(theirs.float().numpy()).to(kuai.bfloat16), theirs
    return kuai.from_numpy(theirs.numpy().copy()), theirs


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ("usual", "whole", "wide", "odd", "tiny", "huge", "zero"))
def test_values(dtype, kind):
    rng = np.random.default_rng(7)
    if kind in ("odd", "huge", "wide") and "int" in dtype:
        kind = "whole"
    for shape in SHAPES:
        array = numbers(rng, shape, kind)
        if "complex" in dtype:
            array = np.stack([array, numbers(rng, shape, kind)], -1).view(np.complex128)[..., 0]
        ours, theirs = pair(np.abs(array) if dtype == "uint8" else array, dtype)
        assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options(options):
    set_both(**options)
    rng = np.random.default_rng(8)
    for shape in SHAPES:
        for kind in ("usual", "whole", "wide", "odd"):
            for dtype in ("float32", "int64", "complex64"):
                array = np.nan_to_num(numbers(rng, shape, kind)) if dtype == "int64" else numbers(rng, shape, kind)
                ours, theirs = pair(array, dtype)
                assert repr(ours) == repr(theirs), (shape, kind, dtype)


def test_sci_mode_is_forgotten_by_the_next_call():
    set_both(sci_mode=True)
    set_both(precision=3)
    assert repr(kuai.ones(2)) == repr(torch.ones(2)) == "tensor([1., 1.])"


@pytest.mark.parametrize("shape", ((), (3,), (0, 2), (2, 30), (9,), (11,)))
@pytest.mark.parametrize("dtype", ("float32", "float64", "float16", "complex64"))
def test_gradient_suffixes(shape, dtype):
    ours, theirs = (t.ones(shape, dtype=getattr(t, dtype), requires_grad=True) for t in (kuai, torch))
    assert repr(ours) == repr(theirs)
    assert repr(ours.clone()) == repr(theirs.clone())


@pytest.mark.parametrize("dtype", ("float32", "int64", "bool", "float64", "complex64"))
def test_meta(dtype):
    ours, theirs = (t.empty(2, 3, dtype=getattr(t, dtype), device="meta") for t in (kuai, torch))
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("default", ("float64", "float16"))
def test_default_dtype_has_no_suffix(default):
    try:
        for t in (kuai, torch):
            t.set_default_dtype(getattr(t, default))
        for dtype in ("float16", "float32", "float64", "complex64", "complex128"):
            ours, theirs = (t.ones(2, dtype=getattr(t, dtype)) for t in (kuai, torch))
            assert repr(ours) == repr(theirs)
    finally:
        for t in (kuai, torch):
            t.set_default_dtype(t.float32)


def test_other_devices_and_subclasses_are_named():
    text = printing.tensor_str(
        np.ones(2, np.float32), dtype=kuai.float32, shape=(2,), device_str="cuda:0", requires_grad=True,
        grad_fn_name=None, default_dtype=kuai.float32, prefix="Mine(",
    )  # fmt: skip
    assert text == "Mine([1., 1.], device='cuda:0', requires_grad=True)"
