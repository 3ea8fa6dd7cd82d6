"""Training loops beyond the bare step: what is read, logged, clipped, scheduled, kept and loaded on the way."""

from __future__ import annotations

import io
from copy import deepcopy

import numpy as np

from . import loop


def net(torch, inputs=20, hidden=64, outputs=10):
    nn = torch.nn
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def data(torch, n=512, inputs=20, classes=10):
    return torch.randn(n, inputs), torch.randint(0, classes, (n,))


def batches(x, y, size=32):
    """Batches in turn, for ever; the last of a pass may be smaller."""
    while True:
        for i in range(0, len(x), size):
            yield x[i : i + size], y[i : i + size]


def _stepper(torch, model, optimizer, after=lambda loss, out, y: None, n=512):
    """A step of training on batches in turn; ``after`` sees the loss before the optimizer moves."""
    source, loss_of = batches(*data(torch, n)), torch.nn.functional.cross_entropy

    def step():
        x, y = next(source)
        optimizer.zero_grad()
        out = model(x)
        loss = loss_of(out, y)
        loss.backward()
        seen = after(loss, out, y)
        optimizer.step()
        return seen

    return step


@loop
def loss_item(torch):
    """loss.item() each step"""
    model = net(torch)
    return _stepper(torch, model, torch.optim.SGD(model.parameters(), lr=0.01), lambda loss, out, y: loss.item())


@loop
def accuracy(torch):
    """loss and accuracy read each step"""
    model = net(torch)

    def after(loss, out, y):
        return loss.item(), (out.argmax(1) == y).sum().item()

    return _stepper(torch, model, torch.optim.Adam(model.parameters()), after)


@loop
def clipping(torch):
    """clip_grad_norm_ and a schedule each step"""
    model = net(torch)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 1000)
    train = _stepper(torch, model, optimizer, lambda loss, out, y: torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0))

    def step():
        train()
        schedule.step()

    return step


@loop
def accumulation(torch):
    """gradients of four batches accumulated, last batch smaller"""
    model = net(torch)
    optimizer, source = torch.optim.AdamW(model.parameters()), batches(*data(torch, 500))

    def step():
        optimizer.zero_grad()
        total = 0.0
        for _ in range(4):
            x, y = next(source)
            loss = torch.nn.functional.cross_entropy(model(x), y) / 4
            loss.backward()
            total += loss.item()
        optimizer.step()
        return total

    return step


@loop
def epochs(torch):
    """an epoch of training and one of evaluation, accuracies counted, last batches smaller"""
    nn = torch.nn
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10))
    optimizer, loss_of = torch.optim.Adam(model.parameters()), nn.CrossEntropyLoss()
    xs, ys = data(torch, 300)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(xs, ys), batch_size=32, shuffle=True)

    def step():
        model.train()
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = loss_of(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x)
        model.eval()
        correct = 0
        with torch.no_grad():
            for x, y in loader:
                correct += (model(x).argmax(1) == y).sum().item()
        return total, correct

    return step


class _Objects:
    """A map-style dataset of Python objects, each turned into tensors when it is asked for."""

    def __init__(self, torch, n=256):
        self.torch, self.items = torch, [{"x": [0.1 * i] * 8, "name": str(i), "label": i % 4} for i in range(n)]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        item = self.items[i]
        return {"x": self.torch.tensor(item["x"]), "name": item["name"], "label": item["label"]}


def _loading(torch, workers):
    model = net(torch, inputs=8, outputs=4)
    optimizer = torch.optim.Adam(model.parameters())
    loader = torch.utils.data.DataLoader(_Objects(torch), batch_size=32, shuffle=True, num_workers=workers)

    def step():
        for batch in loader:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(batch["x"]), batch["label"])
            loss.backward()
            optimizer.step()

    return step


@loop
def objects_loaded(torch):
    """an epoch over a dataset of Python objects, no workers"""
    return _loading(torch, 0)


@loop
def objects_loaded_by_workers(torch):
    """an epoch over a dataset of Python objects, two workers"""
    return _loading(torch, 2)


@loop
def lengths(torch):
    """embedding and LSTM on sequences padded anew in each batch"""
    nn = torch.nn
    torch.manual_seed(0)
    embedding, lstm, head = nn.Embedding(100, 16), nn.LSTM(16, 32, batch_first=True), nn.Linear(32, 2)
    parameters = [*embedding.parameters(), *lstm.parameters(), *head.parameters()]
    optimizer, chance = torch.optim.Adam(parameters), np.random.default_rng(0)

    def step():
        sequences = [torch.from_numpy(chance.integers(1, 100, n)) for n in chance.integers(5, 30, 16)]
        tokens = nn.utils.rnn.pad_sequence(sequences, batch_first=True)
        y = torch.from_numpy(chance.integers(0, 2, 16))
        optimizer.zero_grad()
        _, (hidden, _) = lstm(embedding(tokens))
        loss = nn.functional.cross_entropy(head(hidden[-1]), y)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        return loss.item()

    return step


@loop
def augmented_images(torch):
    """small CNN with batch norm and dropout; flips, crops and noise drawn for each batch"""
    nn = torch.nn
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Dropout(0.1), nn.Linear(16, 10),
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    images, labels = torch.rand(64, 3, 16, 16), torch.randint(0, 10, (64,))

    def step():
        chosen = torch.randint(0, 64, (16,))
        x, y = images[chosen], labels[chosen]
        if torch.rand(1).item() < 0.5:
            x = x.flip(-1)
        i, j = torch.randint(0, 5, (2,)).tolist()
        x = nn.functional.pad(x, (2, 2, 2, 2))[:, :, i : i + 16, j : j + 16] + 0.01 * torch.randn(16, 3, 16, 16)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


@loop
def averaged(torch):
    """AdamW with two groups; an average of the weights moved each step in place"""
    model = net(torch)
    average = deepcopy(model)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}], lr=1e-3)
    train = _stepper(torch, model, optimizer, lambda loss, out, y: loss.item())

    def step():
        train()
        with torch.no_grad():
            for old, new in zip(average.parameters(), model.parameters()):
                old.mul_(0.99).add_(new, alpha=0.01)

    return step


@loop
def checkpoints(torch):
    """ten steps, then a checkpoint saved and loaded again"""
    model = net(torch)
    optimizer = torch.optim.Adam(model.parameters())
    train = _stepper(torch, model, optimizer, lambda loss, out, y: loss.item())

    def step():
        for _ in range(10):
            train()
        file = io.BytesIO()
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)
        file.seek(0)
        found = torch.load(file)
        model.load_state_dict(found["model"])
        optimizer.load_state_dict(found["optimizer"])

    return step


@loop
def logged(torch):
    """norms and histograms of all gradients logged each step"""
    model = net(torch)

    def after(loss, out, y):
        norms = {name: p.grad.norm().item() for name, p in model.named_parameters()}
        histograms = {name: torch.histc(p.grad, 16).tolist() for name, p in model.named_parameters()}
        return loss.item(), norms, histograms

    return _stepper(torch, model, torch.optim.SGD(model.parameters(), lr=0.01), after)


@loop
def half_precision(torch):
    """autocast to bfloat16 and a GradScaler"""
    model = net(torch, hidden=128)
    optimizer, scaler = torch.optim.SGD(model.parameters(), lr=0.01), torch.amp.GradScaler("cpu")
    source = batches(*data(torch))

    def step():
        x, y = next(source)
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = torch.nn.functional.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss.item()

    return step


@loop
def own_function(torch):
    """an autograd Function of one's own, and an optimizer written as a loop over p.data"""

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.clamp(min=0) ** 2

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 2 * x.clamp(min=0)

    nn = torch.nn
    torch.manual_seed(0)
    first, second = nn.Linear(20, 64), nn.Linear(64, 10)
    parameters = [*first.parameters(), *second.parameters()]
    moved = [torch.zeros_like(p) for p in parameters]
    source = batches(*data(torch))

    def step():
        x, y = next(source)
        loss = nn.functional.cross_entropy(second(Square.apply(first(x))), y)
        for p in parameters:
            p.grad = None
        loss.backward()
        for p, m in zip(parameters, moved):
            m.mul_(0.9).add_(p.grad.data)
            p.data.add_(m, alpha=-0.01)
        return loss.item()

    return step


@loop
def adversarial(torch):
    """a GAN: two networks, two optimizers, labels smoothed, both losses read"""
    maker, judge = net(torch, 8, 32, 2), net(torch, 2, 32, 1)
    first, second = torch.optim.Adam(maker.parameters(), lr=1e-3), torch.optim.Adam(judge.parameters(), lr=1e-3)
    loss_of = torch.nn.BCEWithLogitsLoss()

    def step():
        real, made = torch.randn(32, 2) * 0.5 + 1, maker(torch.randn(32, 8))
        second.zero_grad()
        judged = loss_of(judge(real), torch.full((32, 1), 0.9)) + loss_of(judge(made.detach()), torch.zeros(32, 1))
        judged.backward()
        second.step()
        first.zero_grad()
        fooled = loss_of(judge(made), torch.ones(32, 1))
        fooled.backward()
        first.step()
        return judged.item(), fooled.item()

    return step
