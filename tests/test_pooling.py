"""Pools, interpolation, grids and windows against PyTorch: values, derivatives of two orders, both engines, errors."""

from __future__ import annotations

import random
import warnings
from itertools import product

import pytest

import kuai
from kuai import nn
from tests import oracle
from tests.both import compare, compare_errors, randn

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def _quietly():  # type: ignore[no-untyped-def]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    kuai.set_engine("auto")


# ---- windows -----------------------------------------------------------------------------------------------------------------


def draw_pool(rng: random.Random, kind: str) -> tuple:
    """A pool of random form: its function's name, its input's shape and options."""
    rank = rng.choice([1, 2, 2, 3])
    kernel = [rng.randint(1, 3) for _ in range(rank)]
    options = {"kernel_size": tuple(kernel), "padding": tuple(rng.randint(0, k // 2) for k in kernel),
               "ceil_mode": rng.random() < 0.5}  # fmt: skip
    if rng.random() < 0.7:
        options["stride"] = tuple(rng.randint(1, 3) for _ in range(rank))
    if kind == "max":
        options |= {"dilation": tuple(rng.randint(1, 2) for _ in range(rank)), "return_indices": rng.random() < 0.5}
    else:
        options["count_include_pad"] = rng.random() < 0.5
        if rank > 1 and rng.random() < 0.3:
            options["divisor_override"] = rng.choice([2, 7])
    lead = rng.choice([(2, 3), (3,)])
    return f"{kind}_pool{rank}d", (*lead, *[rng.randint(3, 9) for _ in range(rank)]), options


def check(name: str, shape: tuple, options: dict) -> None:
    def call(t, x):  # type: ignore[no-untyped-def]
        return getattr(t.nn.functional, name)(x, **options)

    x = randn(*shape)
    try:
        call(torch, x)
    except RuntimeError:
        compare_errors(call, x)
    else:
        compare(call, x, twice=True)


@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize("seed", range(4))
def test_random_forms(kind: str, seed: int) -> None:
    rng = random.Random(seed)
    torch.manual_seed(seed)
    for _ in range(10):
        check(*draw_pool(rng, kind))


@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize("seed", [2, 4])
def test_random_forms_by_xla(kind: str, seed: int) -> None:
    kuai.set_engine("xla")
    check(*draw_pool(random.Random(seed), kind))


def test_ties_and_infinities_go_to_the_first_place() -> None:
    x = torch.tensor([[[1.0, 1.0, float("-inf"), float("-inf"), 2.0, 0.0]]]).requires_grad_()
    compare(lambda t, x: t.nn.functional.max_pool1d(x, 2, return_indices=True), x)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int64", "float16", "bfloat16"])
def test_dtypes_of_max_pool(dtype: str) -> None:
    x = (torch.randn(1, 2, 6, 6) * 5).to(getattr(torch, dtype))
    compare(lambda t, x: t.nn.functional.max_pool2d(x, 3, 2, 1), x)


def test_averages_of_integers_are_cut() -> None:
    x = torch.arange(-18, 18).view(1, 1, 6, 6)
    compare(lambda t, x: t.nn.functional.avg_pool2d(x, 2, padding=1), x)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_powers(rank: int) -> None:
    x = randn(2, 3, *[6] * rank).detach().abs().requires_grad_()
    compare(lambda t, x: getattr(t.nn.functional, f"lp_pool{rank}d")(x, 3.0, 2), x, twice=True)


# ---- adaptive, fractional, unpool ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["numpy", "xla"])
@pytest.mark.parametrize("size", [1, (3, 2), (None, 5), (4, 7)])
def test_adaptive(engine: str, size: object) -> None:
    kuai.set_engine(engine)
    torch.manual_seed(0)
    compare(lambda t, x: t.nn.functional.adaptive_avg_pool2d(x, size), randn(2, 3, 6, 7), twice=True)
    compare(lambda t, x: t.nn.functional.adaptive_max_pool2d(x, size, return_indices=True), randn(3, 6, 7), twice=True)


def test_fractional_draws_as_pytorch_does() -> None:
    for rank in (2, 3):
        torch.manual_seed(3), kuai.manual_seed(3)
        compare(lambda t, x, r=rank: getattr(t.nn.functional, f"fractional_max_pool{r}d")(x, 2, output_size=3),
                torch.randn(2, 3, *[8] * rank, generator=torch.Generator().manual_seed(0)).requires_grad_())  # fmt: skip


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_unpool_puts_back_what_pool_found(rank: int) -> None:
    def call(t, x):  # type: ignore[no-untyped-def]
        found, where = getattr(t.nn.functional, f"max_pool{rank}d")(x, 2, return_indices=True)
        return getattr(t.nn.functional, f"max_unpool{rank}d")(found, where, 2, output_size=x.shape)

    compare(call, randn(2, 3, *[5] * rank), twice=True)


# ---- windows as columns --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_unfold_and_fold(engine: str) -> None:
    kuai.set_engine(engine)
    options = {"kernel_size": (2, 3), "dilation": (1, 2), "padding": (1, 2), "stride": (2, 1)}
    compare(lambda t, x: t.nn.functional.unfold(x, **options), randn(2, 3, 5, 6), twice=True)
    columns = torch.nn.functional.unfold(torch.randn(2, 3, 5, 6), **options)
    compare(lambda t, x: t.nn.functional.fold(x, (5, 6), **options), columns.requires_grad_(), twice=True)


# ---- other sizes ------------------------------------------------------------------------------------------------------------------

MODES = ["nearest", "nearest-exact", "bilinear", "bicubic", "area"]


@pytest.mark.parametrize("mode", MODES)
def test_interpolate(mode: str) -> None:
    torch.manual_seed(0)
    corners = [None, True, False] if mode in ("bilinear", "bicubic") else [None]
    for options in ({"size": (9, 5)}, {"size": (3, 14)}, {"scale_factor": 1.7}, {"scale_factor": (0.5, 2)}):
        for align_corners in corners:
            x = randn(2, 3, 6, 7)
            compare(lambda t, x, o=options, a=align_corners: t.nn.functional.interpolate(x, **o, mode=mode, align_corners=a), x)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "lanczos"])
def test_interpolate_without_aliases(mode: str) -> None:
    for size in ((9, 5), (3, 14), (4, 4)):
        x = randn(2, 3, 8, 9)
        compare(lambda t, x, s=size: t.nn.functional.interpolate(x, s, mode=mode, antialias=True), x)


def test_interpolate_of_one_and_three_dimensions() -> None:
    compare(lambda t, x: t.nn.functional.interpolate(x, scale_factor=2.5, mode="linear"), randn(2, 3, 6), twice=True)
    compare(lambda t, x: t.nn.functional.interpolate(x, (3, 8, 5), mode="trilinear"), randn(1, 2, 4, 5, 6), twice=True)


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
def test_interpolate_bytes(mode: str) -> None:
    x = torch.randint(0, 256, (1, 2, 6, 6), dtype=torch.uint8)
    compare(lambda t, x: t.nn.functional.interpolate(x, (9, 12), mode=mode), x)
    compare(lambda t, x: t.nn.functional.interpolate(x, (4, 3), mode=mode), x)


def test_infinities_stay_where_they_are() -> None:
    x = torch.zeros(1, 1, 1, 6)
    x[..., 2] = float("inf")
    compare(lambda t, x: t.nn.functional.interpolate(x, (1, 9), mode="bilinear").isfinite(), x)


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("aligned", [False, True])
def test_grid_sample(mode: str, padding: str, aligned: bool) -> None:
    torch.manual_seed(0)

    def call(t, x, theta):  # type: ignore[no-untyped-def]
        grid = t.nn.functional.affine_grid(theta, (2, 3, 4, 5), align_corners=aligned)
        return t.nn.functional.grid_sample(x, grid, mode, padding, aligned)

    compare(call, randn(2, 3, 5, 6), randn(2, 2, 3), loose=100)


def test_grid_sample_of_volumes() -> None:
    compare(lambda t, x, g: t.nn.functional.grid_sample(x, g, align_corners=False), randn(1, 2, 3, 4, 5), randn(1, 2, 3, 4, 3))


# ---- errors -------------------------------------------------------------------------------------------------------------------------

ERRORS = {
    "rank": lambda t, x: t.nn.functional.max_pool2d(x[None], 2),
    "kernel": lambda t, x: t.nn.functional.max_pool2d(x, (2, 2, 2)),
    "kind of kernel": lambda t, x: t.nn.functional.max_pool2d(x, 2.5),
    "padding": lambda t, x: t.nn.functional.max_pool2d(x, 2, padding=2),
    "negative stride": lambda t, x: t.nn.functional.max_pool2d(x, 2, -1),
    "dilation": lambda t, x: t.nn.functional.max_pool2d(x, 2, dilation=0),
    "too small": lambda t, x: t.nn.functional.max_pool2d(x, 20),
    "bool": lambda t, x: t.nn.functional.max_pool2d(x.bool(), 2),
    "int average": lambda t, x: t.nn.functional.avg_pool2d(x.int(), 2),
    "divisor": lambda t, x: t.nn.functional.avg_pool2d(x, 2, divisor_override=0),
    "adaptive rank": lambda t, x: t.nn.functional.adaptive_avg_pool2d(x[0, 0], 2),
    "adaptive size": lambda t, x: t.nn.functional.adaptive_avg_pool2d(x, (2, -2)),
    "adaptive int": lambda t, x: t.nn.functional.adaptive_max_pool2d(x.int(), 2),
    "unpool index": lambda t, x: t.nn.functional.max_unpool2d(x, t.zeros(1, 2, 5, 6), 2),
    "unpool size": lambda t, x: t.nn.functional.max_unpool2d(x, t.zeros(1, 2, 5, 6, dtype=t.int64), 2, output_size=(99, 99)),
    "fractional": lambda t, x: t.nn.functional.fractional_max_pool2d(x, 2),
    "fractional size": lambda t, x: t.nn.functional.fractional_max_pool2d(x, 2, output_size=9),
    "fractional layer": lambda t, x: t.nn.FractionalMaxPool2d(2),
    "size and factor": lambda t, x: t.nn.functional.interpolate(x, 2, 2),
    "neither": lambda t, x: t.nn.functional.interpolate(x),
    "sizes": lambda t, x: t.nn.functional.interpolate(x, (2, 2, 2)),
    "mode": lambda t, x: t.nn.functional.interpolate(x, 2, mode="cubic"),
    "mode's rank": lambda t, x: t.nn.functional.interpolate(x, 2, mode="linear"),
    "corners": lambda t, x: t.nn.functional.interpolate(x, 2, align_corners=True),
    "antialias": lambda t, x: t.nn.functional.interpolate(x, 2, antialias=True),
    "recompute": lambda t, x: t.nn.functional.interpolate(x, 2, recompute_scale_factor=True),
    "empty": lambda t, x: t.nn.functional.interpolate(x, 0),
    "grid": lambda t, x: t.nn.functional.grid_sample(x, t.zeros(1, 2, 2, 3)),
    "grid's batch": lambda t, x: t.nn.functional.grid_sample(x, t.zeros(2, 2, 2, 2)),
    "grid's mode": lambda t, x: t.nn.functional.grid_sample(x, t.zeros(1, 2, 2, 2), "cubic"),
    "theta": lambda t, x: t.nn.functional.affine_grid(t.zeros(1, 3, 3), (1, 1, 2, 2)),
    "unfold": lambda t, x: t.nn.functional.unfold(x, 9),
    "fold": lambda t, x: t.nn.functional.fold(t.zeros(1, 5, 4), (3, 3), 2),
    "fold's windows": lambda t, x: t.nn.functional.fold(t.zeros(1, 4, 5), (3, 3), 2),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    compare_errors(ERRORS[name], torch.randn(1, 2, 5, 6))


LAYERS = ["MaxPool2d(2)", "AvgPool1d(2)", "LPPool2d(2, 3)", "AdaptiveMaxPool2d((2, None))", "MaxUnpool2d(2)",
          "Upsample(scale_factor=2)", "Upsample(size=(2, 3), mode='bilinear')", "UpsamplingBilinear2d(scale_factor=(2, 3))",
          "Fold((2, 3), 2)", "Unfold(2, padding=1)", "ZeroPad2d(1)", "ConstantPad1d(1, 2)", "CircularPad3d(1)"]  # fmt: skip


@pytest.mark.parametrize("text", LAYERS)
def test_layers_print_as_pytorchs(text: str) -> None:
    assert repr(eval(f"nn.{text}")) == repr(eval(f"torch.nn.{text}"))  # noqa: S307


def test_the_first_of_equal_elements_gets_the_gradient_when_compiled() -> None:
    kuai.set_engine("xla")
    x = kuai.ones(1, 1, 4, 4, requires_grad=True)
    nn.functional.max_pool2d(x, 2).sum().backward()
    expected = torch.ones(1, 1, 4, 4, requires_grad=True)
    torch.nn.functional.max_pool2d(expected, 2).sum().backward()
    oracle.assert_same(x.grad, expected.grad)


def test_grids_of_no_numbers():
    nan, inf = float("nan"), float("inf")
    points = [[[[nan, 0.0], [inf, -inf], [0.5, nan], [1e9, -1e9], [0.3, 0.4]]]]
    for mode, padding in product(("bilinear", "nearest", "bicubic"), ("zeros", "border")):
        ours, theirs = (
            t.nn.functional.grid_sample(t.arange(16.0).view(1, 1, 4, 4), t.tensor(points), mode, padding, False) for t in (kuai, torch)
        )
        oracle.assert_same(ours, theirs)
    grid = kuai.tensor(points, requires_grad=True)
    kuai.nn.functional.grid_sample(kuai.ones(1, 1, 4, 4), grid, "nearest", "zeros", False).sum().backward()
    assert grid.grad.flatten().tolist() == [0.0] * 10


def _empty(t, call, *shape):  # type: ignore[no-untyped-def]
    x = t.zeros(*shape, requires_grad=True)
    y = call(t, x)
    y.sum().backward()
    return y, x.grad


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", ["avg", "max"])
def test_adaptive_pools_of_and_into_nothing(kind: str, rank: int) -> None:
    def pool(wanted):  # type: ignore[no-untyped-def]
        return lambda t, x: getattr(t.nn.functional, f"adaptive_{kind}_pool{rank}d")(x, wanted)

    for lead, wanted in product([(2, 3), (0, 3), (2, 0), (0,), (3,)], [2, 0, (2,) * (rank - 1) + (0,), -1]):
        shape = (*lead, *[4] * rank)
        try:
            theirs = _empty(torch, pool(wanted), *shape)
        except RuntimeError:
            with pytest.raises(RuntimeError):
                _empty(kuai, pool(wanted), *shape)
        else:
            assert [tuple(a.shape) for a in _empty(kuai, pool(wanted), *shape)] == [tuple(a.shape) for a in theirs]


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_max_unpool_of_no_samples_is_on_the_graph(rank: int) -> None:
    def unpool(t, x):  # type: ignore[no-untyped-def]
        return getattr(t.nn.functional, f"max_unpool{rank}d")(x, t.zeros(*x.shape, dtype=t.int64), 2)

    shape = (0, 3, *[2] * rank)
    assert [tuple(a.shape) for a in _empty(kuai, unpool, *shape)] == [tuple(a.shape) for a in _empty(torch, unpool, *shape)]
    with pytest.raises(RuntimeError, match="non-zero size for non-batch dimensions"):
        _empty(kuai, unpool, 2, 0, *[2] * rank)
