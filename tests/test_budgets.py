"""Budgets are counts, not times: programs, instructions and modules."""

import subprocess
import sys

import pytest

import kuai as torch
from kuai import nn
from kuai.engine import policy, stats
from kuai.nn import functional as F


@pytest.fixture(autouse=True)
def automatic():
    torch.synchronize()
    torch.set_engine("auto")
    yield
    torch.set_engine("auto")


def mlp(widths):
    layers = []
    for a, b in zip(widths, widths[1:]):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def training(optimizer_class, steps, widths=(20, 256, 10), **options):
    """Run some steps under a learning rate that changes at each; give what the engine counted."""
    torch.manual_seed(0)
    net = mlp(widths)
    x, labels = torch.randn(2, widths[0]), torch.randint(0, widths[-1], (2,))
    optimizer = optimizer_class(net.parameters(), **options)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.99**step)
    torch.synchronize()
    before = stats()
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(net(x), labels).backward()
        optimizer.step()
        scheduler.step()
    return {k: n - before[k] for k, n in stats().items()}


@pytest.mark.parametrize(
    "optimizer, options",
    [("SGD", {"lr": 0.1}), ("SGD", {"lr": 0.1, "momentum": 0.9}), ("Adam", {"lr": 0.01}), ("AdamW", {"lr": 0.01})],
)
def test_a_changing_learning_rate_makes_at_most_two_programs(optimizer, options):
    counted = training(getattr(torch.optim, optimizer), 12, **options)
    assert counted["programs"] <= 2
    assert counted["flushes"] == 12


def test_a_hot_loop_compiles_at_most_two_programs():
    pytest.importorskip("jax")
    counted = training(torch.optim.SGD, 70, lr=0.1)
    assert 1 <= counted["compiled"] + counted["cached"] <= 2
    assert counted["executed"] > 0


def test_shapes_that_change_at_each_step_do_not_wait_for_the_compiler():
    pytest.importorskip("jax")
    code = (
        "import kuai as torch\n"
        "w = torch.randn(16, 16)\n"
        "for _ in range(100):\n"
        "    for n in range(1, 9):\n"
        "        x = torch.ones(n, 16)\n"
        "        for _ in range(40): x = torch.tanh(x @ w) + x\n"
        "        x.sum().item()\n"
        "counted = torch.engine.stats(); print(counted['programs'], counted['compiled'] + counted['cached'])"
    )
    programs, compiled = map(int, run(code).split())
    assert programs == 8
    assert compiled == policy.EARLY


def counted(step):
    """What the engine counts in a step that has been taken before."""
    step()
    torch.synchronize()
    before = stats()
    step()
    return {k: n - before[k] for k, n in stats().items()}


def test_elements_are_read_without_programs():
    x = torch.rand(4, 5)

    def step():
        return [x[i, j].item() for i in range(4) for j in range(5)]

    assert counted(step)["flushes"] == 0


def test_an_act_flushes_for_what_it_reads():
    """The logits are looked at, the probabilities drawn by, and the logarithm read; the class needs no look."""
    net, seen = mlp((4, 8, 2)), torch.randn(4)

    def step():
        with torch.no_grad():
            chosen = torch.distributions.Categorical(logits=net(seen))
            action = chosen.sample()
            return action.item(), chosen.log_prob(action).item()

    assert counted(step)["flushes"] <= 3


def test_checks_of_known_values_record_nothing():
    """What is recorded are the parameters and their views in the common shape."""
    mean, deviation = torch.zeros(3), torch.ones(3)
    assert counted(lambda: torch.distributions.Normal(mean, deviation))["instructions"] <= 4


def test_instructions_of_a_step():
    """Two linear layers, a ReLU and a loss: 4 forward, 8 backward, the seed, the step; inputs are 6 of the rest."""
    counted = training(torch.optim.SGD, 10, lr=0.1)
    assert counted["instructions"] <= 10 * 20


def test_instructions_of_a_deep_step():
    counted = training(torch.optim.SGD, 4, widths=(32,) * 51, lr=0.1)
    assert counted["instructions"] <= 4 * 50 * 9


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_modules_imported():
    loaded = run("import sys, numpy; before = set(sys.modules); import kuai; print(*sorted(set(sys.modules) - before))").split()
    others = {m.partition(".")[0] for m in loaded} - {"kuai", "ml_dtypes"}
    heavy = {"jax", "torch", "scipy", "matplotlib", "asyncio", "concurrent", "multiprocessing", "logging", "unittest", "urllib"}
    assert not others & heavy
    assert len([m for m in loaded if m.startswith("kuai")]) <= 230
    assert len(others) <= 15, sorted(others)


def test_first_steps_need_no_compiler():
    code = (
        "import sys, kuai as torch; from kuai import nn\n"
        "net = nn.Linear(4, 2); o = torch.optim.SGD(net.parameters(), lr=0.1)\n"
        "for _ in range(32): o.zero_grad(); net(torch.ones(1, 4)).sum().backward(); o.step()\n"
        "print('jax' in sys.modules)"
    )
    assert run(code) == "False"
