"""Convolutions and their layers against PyTorch: values, derivatives of two orders, both engines, errors."""

from __future__ import annotations

import random

import numpy as np
import pytest

import kuai
from kuai import nn
from tests.both import compare, compare_errors, randn

torch = pytest.importorskip("torch")


@pytest.fixture(params=["numpy", "xla"])
def engine(request):  # type: ignore[no-untyped-def]
    kuai.set_engine(request.param)
    yield request.param
    kuai.set_engine("auto")


def draw_case(rng: random.Random) -> tuple:
    """A convolution of random form: its function's name, operands and options."""
    rank, groups = rng.choice([1, 2, 2, 3]), rng.choice([1, 1, 2, 3])
    inner, outer = groups * rng.choice([1, 1, 2]), groups * rng.choice([1, 1, 2, 3])
    kernel, stride, dilation = ([rng.randint(1, m) for _ in range(rank)] for m in (3, 3, 2))
    sizes = [max(d * (k - 1) + 1, rng.randint(1, 6) + rng.choice([0, 0, 8])) for k, d in zip(kernel, dilation)]
    options = {"stride": tuple(stride), "padding": tuple(rng.randint(0, 2) for _ in range(rank)),
               "dilation": tuple(dilation), "groups": groups}  # fmt: skip
    batch = rng.choice([1, 2, 3])
    bias = randn(outer) if rng.random() < 0.7 else None
    if rng.random() < 0.4:
        options["output_padding"] = tuple(rng.randint(0, max(s, d) - 1) for s, d in zip(stride, dilation))
        operands = randn(batch, inner, *sizes), randn(inner, outer // groups, *kernel), bias
        return f"conv_transpose{rank}d", operands, options
    if rng.random() < 0.2:
        options |= {"stride": 1, "padding": rng.choice(["same", "valid"])}
    return f"conv{rank}d", (randn(batch, inner, *sizes), randn(outer, inner // groups, *kernel), bias), options


def check(name: str, operands: tuple, options: dict) -> None:
    def call(t, *operands):  # type: ignore[no-untyped-def]
        return getattr(t.nn.functional, name)(*operands, **options)

    try:
        call(torch, *operands)
    except RuntimeError:
        compare_errors(call, *operands)
    else:
        compare(call, *operands, twice=True)


@pytest.mark.parametrize("seed", range(8))
def test_random_forms(seed: int) -> None:
    rng = random.Random(seed)
    torch.manual_seed(seed)
    for _ in range(8):
        check(*draw_case(rng))


@pytest.mark.parametrize("seed", [3, 5, 7])
def test_random_forms_by_xla(compiled, seed: int) -> None:
    torch.manual_seed(seed)
    check(*draw_case(random.Random(seed)))


# What the faster ways are taken for: a product of matrices, one channel, few channels, depthwise, groups, a small plane.
FORMS = [
    ((4, 8, 6, 6), (16, 8, 1, 1), {}),
    ((2, 1, 12, 12), (6, 1, 5, 5), {"padding": 2}),
    ((2, 3, 12, 12), (8, 3, 3, 3), {"stride": 2, "padding": 1}),
    ((2, 6, 9, 9), (6, 1, 3, 3), {"groups": 6, "padding": 1}),
    ((2, 6, 9, 9), (12, 1, 3, 3), {"groups": 6, "stride": 2}),
    ((2, 8, 9, 9), (8, 2, 3, 3), {"groups": 4, "padding": 1, "dilation": 2}),
    ((3, 4, 20, 20), (5, 4, 3, 3), {"padding": 1}),
]


@pytest.mark.parametrize("shape, kernel, options", FORMS, ids=str)
def test_forms_with_a_faster_way(engine: str, shape: tuple, kernel: tuple, options: dict) -> None:
    torch.manual_seed(0)
    check("conv2d", (randn(*shape), randn(*kernel), randn(kernel[0])), options)


def test_large_batches_are_taken_apart() -> None:
    torch.manual_seed(0)
    x, w = torch.randn(40, 16, 60, 60).requires_grad_(), torch.randn(4, 16, 3, 3).requires_grad_()
    compare(lambda t, x, w: t.nn.functional.conv2d(x, w, padding=1), x, w, loose=5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "int64", "complex64"])
def test_dtypes(dtype: str) -> None:
    torch.manual_seed(0)
    x, w = ((torch.randn(2, 3, 6, 6) * 4).to(getattr(torch, dtype)), (torch.randn(4, 3, 3, 3) * 4).to(getattr(torch, dtype)))
    compare(lambda t, x, w: t.nn.functional.conv2d(x, w), x, w)


def test_unbatched_and_empty() -> None:
    compare(lambda t, x, w: t.nn.functional.conv1d(x, w), randn(3, 8), randn(4, 3, 3), twice=True)
    compare(lambda t, x, w: t.nn.functional.conv_transpose2d(x, w), randn(3, 4, 4), randn(3, 2, 2, 2))
    compare(lambda t, x, w: t.nn.functional.conv2d(x, w), randn(0, 3, 6, 6), randn(4, 3, 3, 3))


ERRORS = {
    "rank": lambda t, x, w: t.nn.functional.conv2d(x[None], w),
    "channels": lambda t, x, w: t.nn.functional.conv2d(x[:, :3], w),
    "groups": lambda t, x, w: t.nn.functional.conv2d(x, w[:3, :2], groups=2),
    "no groups": lambda t, x, w: t.nn.functional.conv2d(x, w, groups=0),
    "kernel": lambda t, x, w: t.nn.functional.conv2d(x[..., :2], w),
    "stride": lambda t, x, w: t.nn.functional.conv2d(x, w, stride=0),
    "padding": lambda t, x, w: t.nn.functional.conv2d(x, w, padding=-1),
    "dilation": lambda t, x, w: t.nn.functional.conv2d(x, w, dilation=0),
    "name of padding": lambda t, x, w: t.nn.functional.conv2d(x, w, padding="full"),
    "same with stride": lambda t, x, w: t.nn.functional.conv2d(x, w, padding="same", stride=2),
    "length of padding": lambda t, x, w: t.nn.functional.conv2d(x, w, padding=(1, 1, 1)),
    "kind of padding": lambda t, x, w: t.nn.functional.conv2d(x, w, padding=1.5),
    "bias": lambda t, x, w: t.nn.functional.conv2d(x, w, t.ones(3)),
    "dtype": lambda t, x, w: t.nn.functional.conv2d(x, w.double()),
    "no tensor": lambda t, x, w: t.nn.functional.conv2d(x, w.tolist()),
    "bool": lambda t, x, w: t.nn.functional.conv2d(x.bool(), w.bool()),
    "output padding": lambda t, x, w: t.nn.functional.conv_transpose2d(x, w, output_padding=1),
    "transposed channels": lambda t, x, w: t.nn.functional.conv_transpose2d(x, w[:3]),
    "layer's groups": lambda t, x, w: t.nn.Conv2d(3, 4, 3, groups=2),
    "layer's padding": lambda t, x, w: t.nn.Conv2d(3, 4, 3, padding="full"),
    "layer's mode": lambda t, x, w: t.nn.Conv2d(3, 4, 3, padding_mode="mirror"),
    "transposed layer's mode": lambda t, x, w: t.nn.ConvTranspose2d(3, 4, 3, padding_mode="reflect"),
    "output size": lambda t, x, w: t.nn.ConvTranspose2d(4, 4, 3, stride=2)(x, output_size=(99, 99)),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    compare_errors(ERRORS[name], torch.randn(1, 4, 8, 8), torch.randn(4, 4, 3, 3))


def test_messages_name_shapes() -> None:
    with pytest.raises(RuntimeError, match=r"weight of size \[4, 3, 3, 3\], expected input\[1, 2, 8, 8\] to have 3 channels"):
        nn.functional.conv2d(kuai.ones(1, 2, 8, 8), kuai.ones(4, 3, 3, 3))


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", [(1, 2), "same"])
def test_padding_modes_of_layers(mode: str, padding: object) -> None:
    torch.manual_seed(1)
    theirs = torch.nn.Conv2d(2, 3, (3, 5), padding=padding, padding_mode=mode)
    kuai.manual_seed(1)
    ours = nn.Conv2d(2, 3, (3, 5), padding=padding, padding_mode=mode)
    assert repr(ours) == repr(theirs)
    x = torch.randn(2, 2, 6, 7)
    np.testing.assert_allclose(ours(kuai.from_numpy(x.numpy())).detach().numpy(), theirs(x).detach().numpy(), atol=1e-5)


def test_initial_weights_to_the_bit() -> None:
    for name, args in (("Conv1d", (4, 8, 3)), ("Conv3d", (4, 8, 2)), ("ConvTranspose2d", (4, 8, 3))):
        torch.manual_seed(5)
        theirs = getattr(torch.nn, name)(*args).state_dict()
        kuai.manual_seed(5)
        ours = getattr(nn, name)(*args).state_dict()
        for key, value in theirs.items():
            assert (ours[key].numpy() == value.numpy()).all()


def test_lazy_layers_take_their_channels_from_the_input() -> None:
    layer = nn.LazyConvTranspose2d(6, 3, groups=2, stride=2)
    assert layer(kuai.ones(1, 4, 5, 5)).shape == (1, 6, 11, 11)
    assert type(layer) is nn.ConvTranspose2d and layer.weight.shape == (4, 3, 3, 3)
    with pytest.raises(ValueError, match="divisible"):
        nn.LazyConv2d(6, 3, groups=2)(kuai.ones(1, 3, 5, 5))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_convolutions_of_no_channels_or_samples(rank: int) -> None:
    kernel, sizes = (2,) * rank, (4,) * rank

    def call(t, x, w, b):  # type: ignore[no-untyped-def]
        return getattr(t.nn.functional, f"conv{rank}d")(x, w, b, stride=2, padding=1)

    def zeros(*shape: int) -> torch.Tensor:
        return torch.zeros(*shape, requires_grad=True)

    compare(call, zeros(2, 0, *sizes), zeros(3, 0, *kernel), zeros(3))
    compare(call, zeros(0, *sizes), zeros(3, 0, *kernel), None)
    compare(call, zeros(0, 2, *sizes), zeros(3, 2, *kernel), zeros(3))
    compare_errors(call, zeros(2, 2, 0, *sizes[1:]), zeros(3, 2, *kernel), None)
    compare_errors(call, zeros(2, 2, *sizes), zeros(3, 2, 0, *kernel[1:]), None)
    compare_errors(lambda t, x, w: getattr(t.nn.functional, f"conv_transpose{rank}d")(x, w), zeros(2, 2, *sizes), zeros(2, 0, *kernel))


def test_output_size_may_have_channels_without_a_batch() -> None:
    def call(t, size, *shape):  # type: ignore[no-untyped-def]
        return tuple(t.nn.ConvTranspose2d(2, 3, 3, stride=2)(t.zeros(shape), output_size=size).shape)

    for size, shape in (((3, 9, 10), (2, 4, 4)), ((9, 10), (2, 4, 4)), ((1, 3, 9, 10), (1, 2, 4, 4))):
        assert call(kuai, size, *shape) == call(torch, size, *shape)
    for size, shape in (((1, 3, 9, 10), (2, 4, 4)), ((3, 9, 10), (1, 2, 4, 4)), ((3, 9, 29), (2, 4, 4))):
        for t in (kuai, torch):
            with pytest.raises(ValueError, match="output"):
                call(t, size, *shape)
