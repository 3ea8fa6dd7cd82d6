"""The workloads. Each is a function of the framework (``torch`` or kuai under that name) that gives one step to repeat."""

from __future__ import annotations

from . import models

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


# ---- larger networks -------------------------------------------------------------------------------------------------


def _forward(torch, make, batch, features):
    torch.manual_seed(0)
    net, x = make(torch), torch.randn(batch, *features)
    net.eval()

    def step():
        with torch.no_grad():
            return net(x)

    return step


def _train_images(torch, make, batch, features):
    net, x, labels = _classification(torch, make, batch, features)
    return _training(torch, net, x, labels, torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9))


@workload
def lenet_forward(torch):
    """LeNet, batch 16, forward"""
    return _forward(torch, models.lenet, 16, (1, 28, 28))


@workload
def lenet_training(torch):
    """LeNet, batch 16, training step"""
    return _train_images(torch, models.lenet, 16, (1, 28, 28))


@workload
def resnet18_forward(torch):
    """ResNet-18 (32×32), batch 16, forward"""
    return _forward(torch, models.resnet18, 16, (3, 32, 32))


@workload
def resnet18_training(torch):
    """ResNet-18 (32×32), batch 16, training step"""
    return _train_images(torch, models.resnet18, 16, (3, 32, 32))


@workload
def gpt_training(torch):
    """4-layer GPT (width 256, 8 heads), 8 × 128 tokens, training step with AdamW"""
    torch.manual_seed(0)
    net = models.gpt(torch)
    tokens = torch.randint(0, 256, (8, 129))
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-4)
    x, labels = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()

    def step():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(x).view(-1, 256), labels.view(-1))
        loss.backward()
        optimizer.step()
        return loss

    return step


@workload
def gpt_generation(torch):
    """the same GPT, generation of 24 tokens with a growing sequence"""
    torch.manual_seed(0)
    net = models.gpt(torch)
    net.eval()

    def step():
        tokens = torch.zeros(1, 1, dtype=torch.long)
        with torch.no_grad():
            for _ in range(24):
                following = net(tokens)[:, -1].argmax(dim=-1, keepdim=True)
                tokens = torch.cat((tokens, following), dim=1)
        return tokens

    return step


def _train_recurrent(torch, kind):
    torch.manual_seed(0)
    net = getattr(torch.nn, kind)(64, 256, batch_first=True)
    x = torch.randn(32, 64, 64)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)

    def step():
        optimizer.zero_grad()
        loss = net(x)[0].square().mean()
        loss.backward()
        optimizer.step()
        return loss

    return step


@workload
def lstm_training(torch):
    """LSTM 64 → 256, 32 × 64 steps, training step"""
    return _train_recurrent(torch, "LSTM")


@workload
def gru_training(torch):
    """GRU 64 → 256, 32 × 64 steps, training step"""
    return _train_recurrent(torch, "GRU")
