"""Backward passes that come again: repeated from what the first walk recorded, and walked where anything is special."""

import threading
from collections.abc import Callable

import numpy as np
import pytest

import kuai as torch
from kuai.autograd import graph, replay
from kuai.engine.trace import ROOT

nn, F = torch.nn, torch.nn.functional


@pytest.fixture(autouse=True)
def by_numpy():
    torch.set_engine("numpy")
    yield
    torch.set_engine("auto")


@pytest.fixture
def repeats(monkeypatch):
    """A list that grows by one with each backward that is repeated and not walked."""
    states = [ROOT]
    for state in states:  # other tests may have met the same
        state.walk = None
        states += state.next.values()
    seen: list = []
    repeat = replay.Walk.repeat
    monkeypatch.setattr(replay.Walk, "repeat", lambda walk, *args: (seen.append(walk), repeat(walk, *args))[1])
    return seen


def walked(monkeypatch) -> None:
    """From here on each backward is walked."""
    monkeypatch.setattr(replay, "run", lambda tensor, g, keep: graph.run([(tensor._node, g)], keep=keep, create_graph=False))


def train(make: Callable, loss: Callable, steps: int = 6, before: Callable = lambda step, net: None, **options) -> list:
    """The losses and last parameters and gradients of a few steps of training."""
    torch.manual_seed(0)
    net = make()
    torch.synchronize()  # or the first step would be another program
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, **options)
    losses = []
    for step in range(steps):
        optimizer.zero_grad()
        before(step, net)
        made = loss(net, step)
        made.backward()
        optimizer.step()
        losses.append(made.item())
    return [losses, *[(p.detach().numpy().copy(), None if p.grad is None else p.grad.numpy().copy()) for p in net.parameters()]]


X = torch.randn(6, 8, generator=torch.Generator().manual_seed(1))
Y = torch.tensor([0, 1, 2, 3, 0, 1])


def classify(net, step):
    return F.cross_entropy(net(X), Y)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(8, 8), nn.Linear(8, 8)
        self.two.weight = self.one.weight
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x):
        a, b = self.two(F.gelu(self.norm(self.one(x)))).chunk(2, dim=1)  # one node with two results
        return a * b.sigmoid() + a


NETS = {
    "layers": lambda: nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)),
    "tied weights, several results": Tied,
    "convolutions": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 2, 4)), nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(6, 4)
    ),
    "attention": lambda: nn.Sequential(
        nn.Unflatten(1, (2, 4)), nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True), nn.Flatten(), nn.Linear(8, 4)
    ),
    "a parameter that is not used": lambda: nn.Sequential(nn.Linear(8, 4), nn.ParameterList([torch.ones(2)]))[:1],
}  # fmt: skip


def same(a: object, b: object) -> bool:
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b


@pytest.mark.parametrize("name", NETS)
def test_a_repeated_step_gives_the_bits_of_a_walked_one(name, repeats, monkeypatch):
    got = train(NETS[name], classify, momentum=0.9)
    assert len(repeats) == 4  # the first is met, the second learned from
    walked(monkeypatch)
    assert same(got, train(NETS[name], classify, momentum=0.9))


@pytest.mark.parametrize(
    "loss, count",
    [
        (lambda net, step: classify(net, step) * 0.5, 4),
        (lambda net, step: classify(net, step) * (1.0 + step), 0),  # a number that backward multiplies by, and that changes
        (lambda net, step: classify(net, step) * (0.0 if step % 2 else -0.0), 2),  # even if it changes its sign alone
        (lambda net, step: F.cross_entropy(F.dropout(net(X), 0.5), Y), 4),  # another mask each time, the same graph
    ],
)
def test_numbers_that_change_are_seen(loss, count, repeats, monkeypatch):
    got = train(NETS["layers"], loss)
    assert len(repeats) == count
    walked(monkeypatch)
    assert same(got, train(NETS["layers"], loss))


def freeze(step, net):
    net[0].weight.requires_grad_(step != 4)


def hook(step, net):
    if step == 3:
        net[2].weight.register_hook(lambda g: g * 2)


def kept(step, net):
    if step == 4:
        net[2].bias.grad = torch.ones(4)


@pytest.mark.parametrize("before, count", [(freeze, 3), (hook, 1), (kept, 3)])
def test_what_became_special_is_walked(before, count, repeats, monkeypatch):
    got = train(NETS["layers"], classify, before=before)
    assert len(repeats) == count
    walked(monkeypatch)
    assert same(got, train(NETS["layers"], classify, before=before))


def test_other_graphs_of_the_same_instructions_are_told_apart(repeats):
    w = torch.ones(3, requires_grad=True)
    for step in range(8):
        w.grad = None
        y = w * 2
        z = (y.detach() if step % 2 else y) * y  # detach() records nothing
        z.sum().backward()
        assert w.grad.tolist() == [4.0 if step % 2 else 8.0] * 3
        torch.synchronize()
    assert repeats


def test_a_root_of_an_earlier_trace_is_not_taken_for_todays(repeats):
    w = torch.tensor(3.0, requires_grad=True)
    before = None
    for step in range(8):
        w.grad = None
        x = torch.tensor(float(step))
        loss = (w * x).sum()
        chosen = loss if before is None or step < 5 else before
        chosen.backward(retain_graph=True)
        assert w.grad.item() == (step if chosen is loss else step - 1)
        before = loss
        torch.synchronize()
    assert repeats


def test_a_graph_is_used_up_by_a_repeated_backward_too(repeats):
    w = torch.ones(3, requires_grad=True)
    for _ in range(5):
        w.grad = None
        loss = (w * w).sum()
        loss.backward()
        with pytest.raises(RuntimeError, match="second time"):
            loss.backward()
        torch.synchronize()
    assert repeats


def test_threads_repeat_their_own(repeats):
    results: dict = {}

    def work(k: int) -> None:
        w = torch.full((4,), float(k), requires_grad=True)
        for _ in range(20):
            w.grad = None
            (w * w).sum().backward()
        results[k] = w.grad.tolist()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == {k: [2.0 * k] * 4 for k in range(4)}


def test_forgotten_states_take_their_walks_along(monkeypatch, repeats):
    w = torch.ones(3, requires_grad=True)

    def step():
        w.grad = None
        (w * 3).sum().backward()
        assert w.grad.tolist() == [3.0] * 3

    for _ in range(4):
        step()
        torch.synchronize()
    plans = torch.engine.plan.registry
    while plans.plans:
        plans._forget()
    count = len(repeats)
    for _ in range(4):
        step()
        torch.synchronize()
    assert len(repeats) == count + 2  # met and learned anew


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_gradients_of_a_repeated_backward_are_read_before_a_flush(engine, repeats):
    if engine == "xla":
        pytest.importorskip("jax")
    torch.set_engine(engine)
    w = torch.ones(3, requires_grad=True)
    for _ in range(4):
        w.grad = None
        (w * w * 2).sum().backward()
        assert w.grad.sum().item() == 12.0
        assert (w.grad + w.grad).tolist() == [8.0] * 3
    assert repeats
