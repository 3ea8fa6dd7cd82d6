"""Norms and their layers against PyTorch: values, derivatives of two orders, running statistics, both engines, errors."""

from __future__ import annotations

import numpy as np
import pytest

import kuai
from kuai import nn
from tests import oracle
from tests.both import compare, compare_errors, randn

torch = pytest.importorskip("torch")


@pytest.fixture(params=["numpy", "xla"], autouse=True)
def engine(request):  # type: ignore[no-untyped-def]
    kuai.set_engine(request.param)
    torch.manual_seed(0)
    yield request.param
    kuai.set_engine("auto")


CALLS = {
    "layer": (lambda t, x, w, b: t.nn.functional.layer_norm(x, (5, 6), w, b), (3, 4, 5, 6), (5, 6)),
    "layer of one dimension": (lambda t, x, w, b: t.nn.functional.layer_norm(x, (6,), w, b, 0.1), (4, 6), (6,)),
    "group": (lambda t, x, w, b: t.nn.functional.group_norm(x, 2, w, b), (3, 4, 5), (4,)),
    "group of nothing more": (lambda t, x, w, b: t.nn.functional.group_norm(x, 2, w, b), (3, 4), (4,)),
    "batch": (lambda t, x, w, b: t.nn.functional.batch_norm(x, None, None, w, b, True), (3, 4, 5, 2), (4,)),
    "batch of rows": (lambda t, x, w, b: t.nn.functional.batch_norm(x, None, None, w, b, True), (5, 4), (4,)),
    "fixed": (lambda t, x, w, b: t.nn.functional.batch_norm(x, w.detach(), b.detach().abs(), w, b), (3, 4, 5), (4,)),
    "instance": (lambda t, x, w, b: t.nn.functional.instance_norm(x, None, None, w, b), (3, 4, 5), (4,)),
}  # fmt: skip


@pytest.mark.parametrize("shape, axes", [((1, 2, 1_000_003), (1, 2)), ((1_000_003, 2), (0,)), ((2, 2, 1_000_003), (2,))])
def test_huge_groups_are_summed_with_care(shape: tuple, axes: tuple) -> None:
    x = torch.rand(shape) * 3 + 5
    calls = {(1, 2): lambda t, x: t.nn.functional.group_norm(x, 1), (0,): lambda t, x: t.nn.functional.batch_norm(x, None, None, training=True),
             (2,): lambda t, x: t.nn.functional.instance_norm(x)}  # fmt: skip
    exact = x.double() - x.double().mean(axes, keepdim=True)
    exact /= exact.square().mean(axes, keepdim=True).add(1e-5).sqrt()
    assert np.abs(calls[axes](kuai, kuai.tensor(x.numpy())).numpy() - exact.numpy()).max() < 3e-6


@pytest.mark.parametrize("name", CALLS)
def test_norms(name: str) -> None:
    call, shape, parameters = CALLS[name]
    compare(call, randn(*shape), randn(*parameters), randn(*parameters), twice=True)


@pytest.mark.parametrize("weighted", [True, False])
def test_without_bias(weighted: bool) -> None:
    w = randn(4) if weighted else None
    compare(lambda t, x, w: t.nn.functional.group_norm(x, 2, w), randn(3, 4, 5), w)
    compare(lambda t, x, w: t.nn.functional.batch_norm(x, None, None, w, None, True), randn(3, 4, 5), w)
    compare(lambda t, x, w: t.nn.functional.rms_norm(x, (4,), w), randn(3, 4), w, twice=True)


@pytest.mark.parametrize("name", ["batch_norm", "instance_norm"])
def test_running_statistics_are_updated_in_place(name: str) -> None:
    def call(t, x, w, mean, var):  # type: ignore[no-untyped-def]
        shared = mean[:]  # a view sees the update
        y = getattr(t.nn.functional, name)(x, mean, var, w, None, True, 0.3)
        return y, mean, var, shared

    compare(call, randn(3, 4, 5), randn(4), torch.zeros(4, dtype=torch.float64), torch.ones(4, dtype=torch.float64))


@pytest.mark.parametrize("size", [1, 2, 5])
def test_local_response(size: int) -> None:
    compare(lambda t, x: t.nn.functional.local_response_norm(x, size, 0.1), randn(2, 6, 3, 3), twice=True)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_types_with_float_parameters(dtype: str) -> None:
    x, w = torch.randn(4, 6).to(getattr(torch, dtype)), torch.randn(6)
    compare(lambda t, x, w: t.nn.functional.layer_norm(x, (6,), w), x, w)
    compare(lambda t, x, w: t.nn.functional.batch_norm(x, t.zeros(6), t.ones(6), w, training=True), x, w)


def test_of_single_elements() -> None:
    w = randn(1)
    compare(lambda t, x, w: t.nn.functional.rms_norm(x, (1,), w), randn(1), w)
    compare(lambda t, x, w: t.nn.functional.layer_norm(x, (1, 1), w), randn(1, 1), randn(1, 1))
    compare(lambda t, x, w: t.nn.functional.batch_norm(x, None, None, w, training=True), randn(4, 1, 2), w)


def test_empty() -> None:
    compare(lambda t, x: t.nn.functional.layer_norm(x, (4,)), torch.zeros(0, 4))
    compare(lambda t, x, m, v: (t.nn.functional.batch_norm(x, m, v, training=True), m), torch.zeros(0, 4, 2), torch.zeros(4), torch.ones(4))


# ---- layers ----------------------------------------------------------------------------------------------------------------------


def train_both(text: str, *inputs: torch.Tensor) -> None:
    """The same layer in both libraries after some steps of training, and then in evaluation."""
    theirs, ours = eval(f"torch.nn.{text}"), eval(f"nn.{text}")  # noqa: S307
    assert repr(ours) == repr(theirs)
    for x in inputs:
        oracle.assert_same(ours(oracle.to_kuai(x)), theirs(x), loose=5)
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    for key, value in ours.state_dict().items():
        oracle.assert_same(value, state[key], key, loose=5)
    oracle.assert_same(ours.eval()(oracle.to_kuai(inputs[0])), theirs.eval()(inputs[0]), loose=5)


@pytest.mark.parametrize("text", [
    "BatchNorm1d(4)", "BatchNorm1d(4, momentum=None)", "BatchNorm1d(4, affine=False)", "BatchNorm1d(4, bias=False)",
    "BatchNorm1d(4, track_running_stats=False)", "InstanceNorm1d(4, affine=True, track_running_stats=True)",
    "GroupNorm(2, 4, bias=False)", "LayerNorm((4, 3), bias=False)", "RMSNorm(3)", "LocalResponseNorm(2)",
])  # fmt: skip
def test_layers(text: str) -> None:
    train_both(text, *(torch.randn(5, 4, 3) for _ in range(3)))


def test_layers_of_images() -> None:
    train_both("CrossMapLRN2d(3)", torch.randn(2, 5, 3, 3))
    train_both("BatchNorm2d(4)", torch.randn(2, 4, 3, 3))
    train_both("InstanceNorm2d(4)", torch.randn(4, 3, 3))


def test_old_files_have_no_count_of_batches() -> None:
    layer = nn.BatchNorm1d(2)
    state = {k: v for k, v in layer.state_dict().items() if k != "num_batches_tracked"}
    assert str(layer.load_state_dict(state)) == "<All keys matched successfully>"


def test_batch_norms_of_all_processes_are_those_of_one() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.BatchNorm2d(4)))
    made = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    assert isinstance(made[1][0], nn.SyncBatchNorm) and made[1][0].weight is net[1][0].weight
    x = torch.randn(6, 4)
    theirs = torch.nn.BatchNorm1d(4)
    oracle.assert_same(nn.SyncBatchNorm(4)(oracle.to_kuai(x)), theirs(x))


def test_lazy() -> None:
    layer = nn.LazyBatchNorm2d(bias=False)
    layer(kuai.ones(2, 3, 4, 4))
    assert type(layer) is nn.BatchNorm2d and list(layer.state_dict())[:2] == ["weight", "running_mean"]
    assert layer.num_batches_tracked == 1


def test_moments() -> None:
    x = np.random.default_rng(0).normal(3, 2, (50, 8)).astype(np.float32)
    y = nn.LayerNorm(8)(kuai.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(y.mean(-1), 0, atol=1e-5)
    np.testing.assert_allclose(y.var(-1), 1, atol=1e-3)


ERRORS = {
    "shape": lambda t, x: t.nn.functional.layer_norm(x, (3,)),
    "no shape": lambda t, x: t.nn.functional.layer_norm(x, ()),
    "int shape": lambda t, x: t.nn.functional.layer_norm(x, 4),
    "weight": lambda t, x: t.nn.functional.layer_norm(x, (4,), t.ones(3)),
    "int": lambda t, x: t.nn.functional.layer_norm(x.int(), (4,)),
    "mixed": lambda t, x: t.nn.functional.layer_norm(x.double(), (4,), t.ones(4)),
    "groups": lambda t, x: t.nn.functional.group_norm(x, 3),
    "group weight": lambda t, x: t.nn.functional.group_norm(x, 2, t.ones(3)),
    "group of one": lambda t, x: t.nn.functional.group_norm(x[:1, :2], 2),
    "batch of one": lambda t, x: t.nn.functional.batch_norm(x[:1], None, None, training=True),
    "no statistics": lambda t, x: t.nn.functional.batch_norm(x, None, None),
    "half of statistics": lambda t, x: t.nn.functional.batch_norm(x, t.zeros(4), None),
    "length of statistics": lambda t, x: t.nn.functional.batch_norm(x, t.zeros(3), t.ones(3)),
    "eps": lambda t, x: t.nn.functional.batch_norm(x, None, None, training=True, eps=0.0),
    "instance of one": lambda t, x: t.nn.functional.instance_norm(x),
    "response": lambda t, x: t.nn.functional.local_response_norm(x, 2),
    "rank": lambda t, x: t.nn.BatchNorm2d(4)(x),
    "instance's rank": lambda t, x: t.nn.InstanceNorm2d(4)(x),
    "channels of groups": lambda t, x: t.nn.GroupNorm(3, 4),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    compare_errors(ERRORS[name], torch.randn(3, 4))
