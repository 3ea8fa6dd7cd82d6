"""How NumPy runs ops on whole batches: the same as sample by sample, and which programs need no loop over samples."""

from collections.abc import Iterator
from functools import wraps

import numpy as np
import pytest

import kuai
from kuai import nn
from kuai.engine import batch
from kuai.func import functional_call, grad, jacrev, vmap

F = nn.functional

# x: a sample (2, 4, 6) of each of three, y: (4, 6), v: (6,), s: a number, t: two classes, each mapped; w, k, b are shared.
CALLS = """F.relu(x) | F.gelu(x, approximate="tanh") | F.gelu(x) | F.softplus(x) | F.logsigmoid(x) | F.softsign(x) | F.silu(x) | F.mish(x)
F.tanhshrink(x) | F.hardshrink(x) | F.hardsigmoid(x) | F.hardswish(x) | F.prelu(x, b[:4]) | F.leaky_relu(x * 2) | F.elu(x) | x.clamp(min=s)
torch.where(x > s, x, y) | torch.addcmul(x, y, v) | torch.lerp(x, y, s) | x.masked_fill(y > 0, 2.0) | x.nan_to_num() | x ** 3 | x.abs() ** s
x.sum() | x.sum(0) | x.sum((-1, 0), keepdim=True) | x.mean(1) | y.prod(0) | x.amax(-1) | x.amin((0, 1)) | x.max(1) | y.any(1) | y.all()
x.argmax() | x.argmax(1) | x.sort(-1) | y.topk(2, 0) | v.cumsum(0) | y.cumprod(1) | v.logsumexp(0) | y.std(0) | x.var() | s.sum() | s.sum(0)
torch.softmax(x, -1) | torch.log_softmax(v, 0) | x.flip(0, 2) | x.norm(dim=1) | x.permute(2, 0, 1) | x.transpose(0, -1) | y.t() | v.t() | s + v
x.unsqueeze(-1) | x[:1].squeeze() | x[:1].squeeze(0) | x.reshape(-1) | x.view(8, 6) | v.expand(2, 4, 6) | s.expand(3) | x.sum_to_size(4, 1)
x[1] | x[..., 2:4] | x[:, None, ::2] | x.unbind(1)[2] | x.split(3, -1)[1] | torch.cat([x, y[None]]) | torch.stack([v, b], -1)
x.gather(0, y[None].long().clamp(0, 1)) | x.diff() | F.pad(x, (1, 2)) | x @ w | y @ w | v @ w | w.t() @ y.t() | x @ y.t() | y @ v | v @ v
F.linear(x, w.t(), b[:5]) | F.linear(v, y, v[:4]) | F.linear(b, y) | F.linear(x, y, y[:, 0]) | torch.linalg.inv(y[:, :4]) | torch.linalg.det(y[:, :4])
F.conv1d(x, k, b[:2]) | F.conv1d(x, y.reshape(2, 4, 3), v[:2]) | F.conv1d(x, y[:, None, :3], groups=4) | F.conv_transpose1d(x, k.transpose(0, 1))
F.conv1d(x[0], k) | F.max_pool1d(x, 2) | F.max_pool2d(x, 2) | F.max_pool2d(x[None], 2, return_indices=True)[1] | F.avg_pool2d(x, 2)
F.layer_norm(x, (6,)) | F.layer_norm(x, (4, 6), y, y) | F.layer_norm(x, (6,), b, b) | F.group_norm(x, 2) | F.rms_norm(x, (6,), v)
F.batch_norm(x, None, None, b[:4], b[:4], training=True) | F.instance_norm(x) | F.cross_entropy(v, t[0]) | F.cross_entropy(x[:, :, 0], t)
F.cross_entropy(x, t[:, None].expand(2, 6)) | F.cross_entropy(x[:, :, 0], t, b[:4].detach(), label_smoothing=0.1) | F.nll_loss(x[:, :, 0], t)
F.cross_entropy(x[:, :, 0], t, ignore_index=1) | F.cross_entropy(x[:, :, 0], t, reduction="sum") | F.cross_entropy(v, t[1], reduction="none")
F.cross_entropy(x[:, :, 0], t, reduction="none") | F.cross_entropy(y, torch.tensor([0, 2, 1, 5])) | F.cross_entropy(b, t[0])"""


def _data() -> dict:
    kuai.manual_seed(0)
    x, y, v, s = kuai.randn(3, 2, 4, 6), kuai.randn(3, 4, 6), kuai.randn(3, 6), kuai.rand(3)
    t = kuai.tensor([[0, 3], [1, 1], [2, 1]])
    shared = {"w": kuai.randn(6, 5), "k": kuai.randn(2, 4, 3), "b": kuai.rand(6)}
    return {"mapped": {"x": x, "y": y, "v": v, "s": s, "t": t}, "shared": shared}


@pytest.fixture(autouse=True)
def _by_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kuai.config, "engine", "numpy")


@pytest.fixture
def both_ways(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compare what each rule gives with what a loop over the samples gives."""
    monkeypatch.setattr(batch, "rules", {name: _compared(name, rule) for name, rule in batch.rules.items()})
    batch.mapped_op.cache_clear()
    yield
    batch.mapped_op.cache_clear()


def _compared(name: str, rule):  # type: ignore[no-untyped-def]
    def made(body, one_by_one, mapped):  # type: ignore[no-untyped-def]
        run = rule(body, one_by_one, mapped)

        @wraps(body)
        def compared(xp, *arrays, **static):  # type: ignore[no-untyped-def]
            wanted, found = one_by_one(xp, *arrays, **static), run(xp, *arrays, **static)
            for a, b in zip(*(x if isinstance(x, (tuple, list)) else (x,) for x in (found, wanted)), strict=True):
                assert a.shape == b.shape and a.dtype == b.dtype, (name, mapped, static, a.shape, b.shape)
                np.testing.assert_allclose(a, b, 1e-4, 1e-5, err_msg=f"{name} {mapped} {static}")
            return found

        return compared

    return made


@pytest.mark.parametrize("line", CALLS.splitlines())
def test_rules_give_what_samples_give(line: str, both_ways: None) -> None:
    """Values, and per-sample derivatives by what is mapped and by what is shared."""
    data = _data()
    for text in line.split(" | "):
        code = compile(text, text, "eval")

        def call(mapped: dict, shared: dict, code=code):  # type: ignore[no-untyped-def]
            out = eval(code, {"torch": kuai, "F": F, **mapped, **shared})
            return out if isinstance(out, kuai.Tensor) else out[0]

        def slope(mapped: dict, shared: dict, call=call):  # type: ignore[no-untyped-def]
            floats = {n: x for n, x in mapped.items() if n != "t"}
            return grad(lambda m, s: (call({**mapped, **m}, s) * 1.5).sum(), argnums=(0, 1))(floats, shared)

        found = vmap(call, in_dims=(0, None))(data["mapped"], data["shared"])
        assert len(found.tolist()) == 3
        if found.dtype.is_floating_point:
            made = vmap(slope, in_dims=(0, None))(data["mapped"], data["shared"])
            assert all(np.isfinite(g.numpy()).all() for part in made for g in part.values()), text


def _looped(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of ops that from now on run sample by sample."""
    names: list[str] = []
    make = batch._sample_by_sample

    def watched(op, mapped):  # type: ignore[no-untyped-def]
        body = make(op, mapped)

        @wraps(body)
        def run(*args, **static):  # type: ignore[no-untyped-def]
            names.append(op.name)
            return body(*args, **static)

        return run

    monkeypatch.setattr(batch, "_sample_by_sample", watched)
    batch.mapped_op.cache_clear()
    return names


MODELS = {
    "mlp": lambda: (nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.LayerNorm(8), nn.Linear(8, 4)), kuai.randn(5, 6)),
    "cnn": lambda: (nn.Sequential(nn.Conv2d(1, 2, 3), nn.GELU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 4)), kuai.randn(5, 1, 8, 8)),
}


@pytest.mark.parametrize("kind", MODELS)
def test_per_sample_gradients_need_no_loop(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = _looped(monkeypatch)
    kuai.manual_seed(0)
    model, x = MODELS[kind]()
    y, weights = kuai.tensor([0, 1, 2, 3, 0]), {n: p.detach() for n, p in model.named_parameters()}

    def loss(weights: dict, x, y):  # type: ignore[no-untyped-def]
        return F.cross_entropy(functional_call(model, weights, (x[None],)), y[None])

    found = vmap(grad(loss), in_dims=(None, 0, 0))(weights, x, y)
    for i in range(5):
        for name, g in grad(loss)(weights, x[i], y[i]).items():
            np.testing.assert_allclose(found[name][i].numpy(), g.numpy(), 1e-4, 1e-6, err_msg=name)
    jacrev(lambda v: kuai.softmax(v.tanh(), 0))(kuai.randn(4)).tolist()
    assert not names
