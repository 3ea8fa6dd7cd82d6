"""Programs that repeat a block are compiled as loops, and give what they give by NumPy."""

import random
from collections.abc import Callable
from threading import Thread

import numpy as np
import pytest

import kuai as torch
from kuai.engine import loops
from kuai.engine.plan import registry
from kuai.engine.trace import current

pytest.importorskip("jax")
nn, F = torch.nn, torch.nn.functional


@pytest.fixture(autouse=True)
def engines():
    yield
    torch.set_engine("auto")


def newest() -> list:
    """The parts of the last plan: instructions and loops."""
    plans = next(reversed(registry.plans.values()))
    return loops.roll(plans[-1])


def found(parts: list) -> list[tuple[int, int]]:
    """For each loop, how often it repeats how many instructions."""
    return [(len(p.blocks), len(p.blocks[0])) for p in parts if type(p) is loops.Loop]


def on_both(program: Callable) -> None:
    """Run a program by each engine from the same seed; it gives a list of tensors."""
    results = []
    for engine in ("numpy", "xla"):
        torch.set_engine(engine)
        torch.manual_seed(0)
        results.append([t.detach().numpy().copy() for t in program()])
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=1e-5)


def trained(net: nn.Module, forward: Callable, optimizer: Callable) -> list:
    optimizer = optimizer(net.parameters())
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = forward(net)
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return [*losses, *net.parameters(), *[p.grad for p in net.parameters()]]


# ---- what is found ---------------------------------------------------------------------------------------------------


def test_layers_of_one_form_are_two_loops():
    def program():
        net = nn.Sequential(*[layer for _ in range(20) for layer in (nn.Linear(8, 8), nn.ReLU())])
        x = torch.randn(4, 8)
        return trained(net, lambda net: net(x).square().mean(), lambda p: torch.optim.SGD(p, 0.1))

    on_both(program)
    assert sorted(found(newest())) == [(19, 4), (20, 2)]
    assert len(newest()) < 20


@pytest.mark.parametrize("optimizer", [lambda p: torch.optim.Adam(p, 0.01), lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)])
def test_residual_blocks_train_as_by_numpy(optimizer):
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.up, self.down = nn.LayerNorm(6), nn.Linear(6, 12), nn.Linear(12, 6, bias=False)

        def forward(self, x):
            return x + self.down(F.gelu(self.up(self.norm(x))))

    def program():
        net = nn.Sequential(*[Block() for _ in range(10)], nn.Linear(6, 3))
        x, y = torch.randn(5, 6), torch.tensor([0, 1, 2, 0, 1])
        return trained(net, lambda net: F.cross_entropy(net(x), y), optimizer)

    on_both(program)
    assert len(found(newest())) == 2


@pytest.mark.parametrize("cell", [nn.RNNCell, nn.GRUCell, nn.LSTMCell])
def test_steps_of_a_recurrent_network_are_a_loop(cell):
    def forward(net, x):
        state, outs = None, []
        for t in range(x.shape[1]):
            state = net[0](x[:, t], state)
            outs.append(net[1](state[0] if isinstance(state, tuple) else state))
        return torch.stack(outs, 1).square().mean()

    def program():
        net, x = nn.ModuleList([cell(3, 5), nn.Linear(5, 2)]), torch.randn(4, 12, 3)
        return trained(net, lambda net: forward(net, x), lambda p: torch.optim.SGD(p, 0.5))

    on_both(program)
    assert len(found(newest())) == 2


def test_what_is_elementwise_is_left_to_be_fused():
    torch.set_engine("xla")
    x = torch.ones(8)
    for _ in range(20):
        x = torch.sin(x) * 0.5 + 1.0
    x.sum().item()
    assert found(newest()) == []


def test_other_shapes_and_weights_too_large_to_copy_are_no_loop():
    torch.set_engine("xla")
    x, large = torch.ones(2, 256), [torch.ones(256, 256) for _ in range(10)]
    for w in large:
        x = torch.tanh(x @ w)
    x.sum().item()
    assert found(newest()) == []
    x = torch.ones(2, 3)
    for n in range(3, 15):
        x = x @ torch.ones(n, n + 1)
    x.sum().item()
    assert found(newest()) == []


# ---- what is needed after a loop -------------------------------------------------------------------------------------


def test_any_value_of_a_loop_may_be_kept():
    def program():
        w, x, y = torch.randn(3, 3), torch.randn(2, 3), torch.zeros(2, 3)
        kept = []
        for i in range(12):
            x, y = torch.tanh(x @ w + y), y + x * (0.1 * i)
            if i % 5 == 1:
                kept.append(x)
        return [*kept, x, y, kept[0] + y]

    on_both(program)
    assert len(found(newest())) == 1


def test_a_loop_takes_values_of_another_in_any_order():
    def program():
        w, x = torch.randn(3, 3), torch.randn(2, 3)
        states = []
        for _ in range(10):
            x = torch.tanh(x @ w)
            states.append(x)
        forward, backward, mixed = x, x, x
        for s in states:
            forward = forward @ w + s
        for s in reversed(states):
            backward = torch.sin(backward @ w) - s
        for i in (3, 1, 4, 0, 5, 9, 2, 6, 8, 7):
            mixed = torch.cos(mixed @ w) * states[i]
        return [forward, backward, mixed]

    on_both(program)
    assert found(newest()) == [(10, 2), (10, 2), (10, 3), (10, 3)]


@pytest.mark.parametrize("some", [range(20), range(0, 20, 3), (0, 1, 5, 19)])
def test_results_of_a_loop_that_are_given_together(some):
    """One column lies regularly in the bundle that is given; the carried end of another and some of a third are in it too."""

    def program():
        w, u, v, h = torch.randn(5, 5), torch.randn(5, 4), torch.randn(5, 3), torch.randn(2, 5)
        outs, third = [], []
        for _ in range(20):
            h = torch.tanh(h @ w)
            third.append(torch.sin(h @ u))
            outs.append(h @ v)
            h = h + third[-1].mean()
        results = [*outs, h, *[third[i] for i in some], h + 1]
        outs = third = None
        torch.synchronize()
        return results

    on_both(program)
    assert len(found(newest())) == 1


def test_a_first_block_that_takes_one_value_twice():
    def program():
        w, x = torch.randn(3, 3), torch.randn(2, 3)
        a = b = x
        for _ in range(9):
            a, b = torch.tanh(a @ w), b + a
        return [a, b]

    on_both(program)


def test_a_value_from_two_blocks_ago_is_no_loop_of_single_blocks():
    def program():
        w, a, b = torch.randn(3, 3), torch.randn(2, 3), torch.randn(2, 3)
        for _ in range(20):
            a, b = b, torch.tanh(a @ w)
        return [a, b]

    on_both(program)


@pytest.mark.parametrize("seed", range(24))
def test_random_blocks(seed):
    """Blocks of random instructions with carried, stacked and shared operands, some results kept, and gradients."""

    def program():
        rng = random.Random(seed)
        times, length = rng.randrange(8, 14), rng.randrange(2, 7)
        shared = [torch.randn(4, 4, requires_grad=True) for _ in range(2)]
        own = [torch.randn(4, 4, requires_grad=True) for _ in range(times)]
        carried = first = [torch.randn(4, 4, requires_grad=True) for _ in range(rng.randrange(1, 4))]
        names = ["mm", *rng.choices(list(BLOCKS), k=length)]
        recipe = [(name, rng.random(), rng.random(), rng.random()) for name in names]
        ends, keeps = [rng.random() for _ in carried], rng.random()
        kept = []
        for t in range(times):
            pool = [*carried, *shared]
            for name, a, b, c in recipe:
                x, y = pool[int(a * len(pool))], pool[int(b * len(pool))]
                pool.append(torch.tanh(BLOCKS[name](x, y, own[t], c * t)))
            carried = [pool[-1 - int(e * len(recipe))] for e in ends]
            if rng.random() < keeps:
                kept.append(pool[-1])
        total = sum((k.mean() for k in [*kept, *carried]), torch.zeros(()))
        total.backward()
        return [*kept, *carried, *[p.grad for p in (*shared, *own, *first) if p.grad is not None]]

    on_both(program)


BLOCKS: dict[str, Callable] = {
    "mask": lambda x, y, own, n: torch.where(x > 0, x, y),
    "mul": lambda x, y, own, n: x * y,
    "add": lambda x, y, own, n: x + y,
    "sub": lambda x, y, own, n: x - 0.5 * y.sum(0),
    "mm": lambda x, y, own, n: x @ y / 4,
    "number": lambda x, y, own, n: x * n + y,
    "own": lambda x, y, own, n: x @ own / 4,
    "turn": lambda x, y, own, n: x.t(),
}


def test_a_program_with_loops_is_compiled_sooner_and_alike_in_all_threads():
    net = nn.Sequential(*[layer for _ in range(40) for layer in (nn.Linear(9, 9), nn.Tanh())])
    x = torch.randn(3, 9)

    def step() -> None:
        optimizer.zero_grad()
        net(x).sum().backward()
        optimizer.step()

    def hot_after() -> int:
        for n in range(200):
            step()
            plan = next(reversed(registry.plans.values()))[-1]
            if current.token in plan.hot:
                return n
        return -1

    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    step()  # the first one is a program of its own
    here: list = [hot_after()]
    thread = Thread(target=lambda: here.append(hot_after()))
    thread.start()
    thread.join()
    assert 40 <= here[0] == here[1] < 60
