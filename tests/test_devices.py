"""Devices: cpu, meta, and cuda wherever a GPU is present."""

import pytest

import kuai as torch
from kuai import nn

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that JAX can use")


def test_names():
    assert str(torch.device("cuda:1")) == "cuda:1" and torch.device("cuda", 1).index == 1
    assert torch.device("cpu") == torch.device(torch.device("cpu"))
    for wrong in ("gpu", "cuda:x", "cpu:0:1", ""):
        with pytest.raises(RuntimeError):
            torch.device(wrong)


def test_meta_has_shapes_and_no_values():
    x = torch.ones(2, 3, device="meta")
    y = (x @ torch.ones(3, 4, device="meta")).relu().sum(0)
    assert y.shape == (4,) and y.device.type == "meta" and y.dtype is torch.float32
    for read in (y.tolist, y.numpy, lambda: y.sum().item()):
        with pytest.raises((RuntimeError, NotImplementedError, TypeError)):
            read()
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).to("meta")
    assert net(torch.ones(5, 3, device="meta")).shape == (5, 2)
    made = net.to_empty(device="cpu")
    assert made[0].weight.device.type == "cpu" and made is net


def test_operands_on_different_devices_are_refused_at_the_call():
    with pytest.raises(RuntimeError) as caught:
        torch.ones(2) + torch.ones(2, device="meta")
    assert "cpu" in str(caught.value) and "meta" in str(caught.value)
    with pytest.raises(RuntimeError, match="meta"):
        nn.functional.linear(torch.ones(1, 2), torch.ones(3, 2, device="meta"))


def test_a_number_on_the_cpu_joins_any_device():
    assert (torch.ones(2, device="meta") * torch.tensor(2.0)).device.type == "meta"


def test_an_absent_gpu_is_said():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert torch.cuda.device_count() == 0
    for use in (lambda: torch.ones(1, device="cuda"), lambda: torch.ones(1).cuda(), lambda: nn.Linear(1, 1).to("cuda:0")):
        with pytest.raises((RuntimeError, AssertionError)):
            use()


def test_default_device():
    torch.set_default_device("meta")
    try:
        assert torch.ones(1).device.type == "meta" and nn.Linear(1, 1).weight.device.type == "meta"
    finally:
        torch.set_default_device("cpu")
    with torch.device("meta"):
        assert torch.zeros(2).device.type == "meta"
    assert torch.zeros(2).device.type == "cpu"


@cuda
def test_tensors_go_there_and_back():
    x = torch.arange(6.0).reshape(2, 3)
    y = x.cuda()
    assert y.is_cuda and y.device == torch.device("cuda:0") and y.get_device() == 0
    assert torch.equal((y * 2 + 1).cpu(), x * 2 + 1)
    assert torch.equal(x.to("cuda:0").T.cpu(), x.T)
    z = torch.zeros(3, device="cuda")
    z[1] = 5
    assert z.tolist() == [0, 5, 0]
    with pytest.raises(RuntimeError, match="cuda"):
        x + y
    with pytest.raises(TypeError, match="cpu"):
        y.numpy()


@cuda
def test_training_there_follows_training_here():
    losses = []
    for where in ("cpu", "cuda"):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 3))
        x, labels = torch.randn(64, 10), torch.randint(0, 3, (64,))
        optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
        parameters = [id(p) for p in net.parameters()]
        net.to(where)
        assert parameters == [id(p) for p in net.parameters()], "the optimizer holds other tensors now"
        found = []
        for _ in range(80):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(x.to(where)), labels.to(where))
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        losses.append(found)
    assert max(abs(a - b) for a, b in zip(*losses)) < 1e-3


@cuda
def test_structured_layers_there():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 49, 4))
    x = torch.randn(2, 3, 16, 16)
    here = net(x)
    there = net.to("cuda")(x.cuda())
    assert torch.allclose(here, there.cpu(), atol=1e-4)
    there.sum().backward()
    assert all(p.grad.is_cuda for p in net.parameters())


@cuda
def test_files_cross_devices(tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"x": torch.ones(2, device="cuda")}, path)
    assert torch.load(path, map_location="cpu")["x"].device.type == "cpu"
    assert torch.load(path)["x"].is_cuda


@cuda
def test_draws_there_repeat():
    torch.manual_seed(3)
    first = torch.randn(5, device="cuda")
    torch.manual_seed(3)
    assert torch.equal(first, torch.randn(5, device="cuda"))
    assert torch.cuda.memory_allocated() >= 0 and isinstance(torch.cuda.get_device_name(), str)
