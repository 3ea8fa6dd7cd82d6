"""The workloads. Each is a function of the framework (``torch`` or kuai under that name) that gives one step to repeat."""

from __future__ import annotations

WORKLOADS = {}


def workload(fn):
    WORKLOADS[fn.__name__] = fn
    return fn


def _mlp(torch, widths):
    nn = torch.nn
    layers = []
    for a, b in zip(widths, widths[1:]):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _classification(torch, net, batch, features, classes=10):
    torch.manual_seed(0)
    return net(torch), torch.randn(batch, *features), torch.randint(0, classes, (batch,))


def _training(torch, net, x, labels, optimizer):
    loss_of = torch.nn.functional.cross_entropy

    def step():
        optimizer.zero_grad()
        loss = loss_of(net(x), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


def _train_mlp(torch, widths, batch, optimizer, **options):
    net, x, labels = _classification(torch, lambda t: _mlp(t, widths), batch, (widths[0],))
    return _training(torch, net, x, labels, getattr(torch.optim, optimizer)(net.parameters(), **options))


@workload
def forward_20_256_10(torch):
    """20-256-10, batch 2, forward without gradients"""
    net, x, _ = _classification(torch, lambda t: _mlp(t, (20, 256, 10)), 2, (20,))

    def step():
        with torch.no_grad():
            return net(x)

    return step


@workload
def sgd_20_256_10(torch):
    """20-256-10, batch 2, training step with SGD"""
    return _train_mlp(torch, (20, 256, 10), 2, "SGD", lr=0.01)


@workload
def adam_20_256_10(torch):
    """20-256-10, batch 2, training step with Adam"""
    return _train_mlp(torch, (20, 256, 10), 2, "Adam", lr=0.001)


@workload
def sgd_784_256_10(torch):
    """784-256-10, batch 256, training step with SGD"""
    return _train_mlp(torch, (784, 256, 10), 256, "SGD", lr=0.01)


@workload
def adam_784_256_10(torch):
    """784-256-10, batch 256, training step with Adam"""
    return _train_mlp(torch, (784, 256, 10), 256, "Adam", lr=0.001)


@workload
def sgd_50_layers(torch):
    """50 layers of width 32, batch 32, training step with SGD"""
    return _train_mlp(torch, (32,) * 51, 32, "SGD", lr=0.01)


@workload
def chain_10m(torch):
    """elementwise chain of 8 ops on 10 M elements"""
    torch.manual_seed(0)
    x, y = torch.rand(10_000_000), torch.rand(10_000_000)

    def step():
        z = (x * 2.0 + y).tanh() * x - y.sigmoid()
        return (z * z + 1.0).sqrt()

    return step


def _product(torch, n):
    torch.manual_seed(0)
    x, y = torch.randn(n, n), torch.randn(n, n)
    return lambda: x @ y


@workload
def matmul_64(torch):
    """matmul 64"""
    return _product(torch, 64)


@workload
def matmul_512(torch):
    """matmul 512"""
    return _product(torch, 512)


@workload
def matmul_2048(torch):
    """matmul 2048"""
    return _product(torch, 2048)
