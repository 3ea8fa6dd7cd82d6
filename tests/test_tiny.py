"""The whole library in a few seconds: a user's first hour."""

import copy
import io

import numpy as np

import kuai as torch
from kuai import nn
from kuai.nn import functional as F


def test_tensors_and_gradients():
    x = torch.arange(6.0).reshape(2, 3).requires_grad_()
    y = (x[:, 1:] * 2).sum() + x.mean()
    y.backward()
    expected = np.full((2, 3), 1 / 6)
    expected[:, 1:] += 2
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-6)
    z = torch.zeros(2, 3)
    z[0] += 1
    assert z.tolist() == [[1, 1, 1], [0, 0, 0]]
    assert repr(z) == "tensor([[1., 1., 1.],\n        [0., 0., 0.]])"


def test_a_network_learns_saves_and_loads():
    torch.manual_seed(0)
    x = torch.randn(64, 5)
    labels = (x.sum(dim=1) > 0).long()
    net = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 2))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=20)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, labels), batch_size=16, shuffle=True)
    for _ in range(30):
        for images, targets in loader:
            optimizer.zero_grad()
            F.cross_entropy(net(images), targets).backward()
            optimizer.step()
        scheduler.step()
    net.eval()
    assert (net(x).argmax(dim=1) == labels).float().mean().item() > 0.95
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    file.seek(0)
    clone = copy.deepcopy(net)
    nn.init.zeros_(clone[0].weight)
    assert str(clone.load_state_dict(torch.load(file))) == "<All keys matched successfully>"
    assert torch.equal(clone(x), net(x))


def test_structured_layers():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                        nn.LazyLinear(3))  # fmt: skip
    out = net(torch.randn(2, 1, 8, 8))
    out.square().mean().backward()
    assert out.shape == (2, 3)
    assert all(p.grad is not None for p in net.parameters())


def test_the_engines_agree():
    results = []
    for engine in ("numpy", "auto"):
        torch.set_engine(engine)
        torch.manual_seed(1)
        x = torch.randn(8, 8, requires_grad=True)
        ((x @ x).softmax(dim=-1).log().sum() / 8).backward()
        results.append(x.grad.numpy().copy())
    torch.set_engine("auto")
    np.testing.assert_allclose(*results, rtol=1e-5, atol=1e-6)


def test_errors_say_what_to_do():
    net = nn.Sequential()
    net.add_module("first", nn.Linear(3, 2))
    try:
        net(torch.ones(1, 4))
    except RuntimeError as error:
        text = str(error) + "".join(getattr(error, "__notes__", ()))
        assert "1x4" in text and "first" in text
    else:
        raise AssertionError("a wrong shape was let through")
