"""The engine's invariants, I1 to I8 of docs/design.md: each test fails when its invariant is broken."""

import gc
import signal
import subprocess
import sys
import textwrap
import threading
import tracemalloc
from contextlib import suppress

import numpy as np
import pytest

import kuai as torch
from kuai import config
from kuai.engine import stats
from kuai.engine.plan import Layout, Plan, registry
from kuai.engine.trace import current, flush

has_jax = pytest.mark.skipif(
    __import__("importlib.util").util.find_spec("jax") is None, reason="needs the extra [xla]"
)


@pytest.fixture(autouse=True)
def fresh():
    torch.synchronize()
    yield
    torch.synchronize()
    torch.set_engine("auto")


def counted(fn):
    """What the engine did during a call."""
    torch.synchronize()
    before = stats()
    fn()
    return {k: n - before[k] for k, n in stats().items()}


def pending():
    return current.trace.state.depth


# ---- I1: recording never computes ------------------------------------------------------------------------------------


def test_recording_runs_nothing():
    x = torch.ones(3, 4)

    def record():
        y = (x * 2).exp().sum(0)
        assert y.shape == (4,) and y.dtype is torch.float32
        assert y._value.data is None

    assert counted(record)["flushes"] == 0
    assert pending() > 0


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda: torch.ones(2, 3) + torch.ones(4, 3), RuntimeError, "size of tensor a (2) must match"),
        (lambda: torch.ones(2, 3) @ torch.ones(4, 3), RuntimeError, "2x3 and 4x3"),
        (lambda: torch.ones(2).sum(dim=3), IndexError, "Dimension out of range"),
        (lambda: torch.ones(2) + torch.ones(2, device="meta"), RuntimeError, "cpu"),
        (lambda: torch.ones(2)[5], IndexError, "out of"),
        (lambda: torch.ones(2).reshape(3), RuntimeError, "invalid for input of size 2"),
        (lambda: torch.bitwise_not(torch.ones(2)), RuntimeError, "not implemented for 'Float'"),
    ],
)
def test_errors_come_at_the_call_and_record_nothing(call, error, text):
    torch.synchronize()
    with pytest.raises(error) as caught:
        call()
    assert text in str(caught.value)
    values = current.trace.values
    assert all(v.slot == i for i, v in enumerate(values)), "a call that failed has left the trace in disorder"
    assert (torch.ones(2) + 1).tolist() == [2, 2]


# ---- I2: numbers are inputs ------------------------------------------------------------------------------------------


def test_a_changing_number_makes_no_new_program():
    x = torch.randn(5)

    def loop():
        for i in range(20):
            y = (x * (0.1 * i) + i).clamp(-i, i)
            y[i % 5] = 0.5 * i
            y.tolist()

    assert counted(loop)["programs"] == 1


def test_a_moving_window_makes_no_new_program():
    x = torch.arange(100)
    assert counted(lambda: [(x[i : i + 10] + 1).tolist() for i in range(50)])["programs"] == 1
    assert counted(lambda: [x[i : i + 10].tolist() for i in range(50)])["programs"] == 0  # a view is read as it is
    assert x[42:52].tolist() == list(range(42, 52))


def test_numbers_of_other_kinds_make_other_programs():
    x = torch.tensor([1, 2])
    assert (x * 2).dtype is torch.int64
    assert (x * 2.0).dtype is torch.float32
    assert (x * True).dtype is torch.int64


# ---- I3: when a program runs never changes what it yields ------------------------------------------------------------

DIGEST = """
import hashlib, kuai as torch
torch.manual_seed(0)
w = torch.randn(64, 64, requires_grad=True)
x = torch.randn(256, 64)
h = hashlib.sha256()
for step in range(120):
    loss = ((x @ w).tanh() * 0.01 * step).sum()
    loss.backward()
    with torch.no_grad():
        w -= 0.01 * w.grad
    w.grad = None
    torch.synchronize()
h.update(w.detach().numpy().tobytes())
print(h.hexdigest(), torch.engine.stats()["executed"])
"""


@has_jax
def test_two_runs_give_the_same_bits(tmp_path):
    import os

    environment = os.environ | {"KUAI_CACHE": str(tmp_path)}
    runs = [
        subprocess.run([sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    first, second = (r.stdout.split() for r in runs)
    assert first == second
    assert int(first[1]) > 0, "the program never became hot, so the test shows nothing"


def test_the_policy_is_a_function_of_the_program():
    from kuai.engine.policy import threshold

    x = torch.randn(300, 300)
    for _ in range(2):
        (x @ x).sum().item()
    plans = [p for found in registry.plans.values() for p in found if isinstance(p, Plan)]  # vmap keeps its rows there too
    assert plans and all(p.threshold == threshold(p, len(p.steps)) and p.sooner == threshold(p, p.size) for p in plans)


# ---- I4: when a flush happens ----------------------------------------------------------------------------------------


def test_reads_flush():
    reads = [
        lambda y: y.sum().item(), lambda y: y.tolist(), lambda y: y.numpy(), lambda y: bool((y > 0).all()), repr, str,
        lambda y: np.asarray(y), lambda y: int(y.sum()), lambda y: f"{y.sum():.2f}", lambda y: torch.equal(y, y + 1),
    ]  # fmt: skip
    for read in reads:
        y = torch.ones(3) + 1
        assert pending()
        read(y)
        assert not pending()


def test_a_long_trace_is_run_before_it_grows_without_bound():
    x = torch.zeros(2)
    longest = 0
    for _ in range(3 * config.max_instructions):
        x = x + 1
        longest = max(longest, pending())
    assert longest <= config.max_instructions + 1
    assert x.tolist() == [3 * config.max_instructions] * 2


def test_a_large_trace_is_run_too(monkeypatch):
    monkeypatch.setattr(config, "max_bytes", 1 << 16)
    x = torch.zeros(1 << 12)
    kept = []
    for i in range(40):
        kept.append(x + i + 0.123)
        assert pending() < 20


def test_a_loop_that_never_reads_keeps_bounded_memory():
    def run(steps):
        w = torch.zeros(1000)
        for i in range(steps):
            w = w * 0.5 + i
        assert len(current.trace.values) <= 2 * config.max_instructions
        del w
        torch.synchronize()
        gc.collect()
        return len(gc.get_objects())

    run(10_000)
    assert abs(run(10_000) - run(10_000)) < 1000


# ---- I5: liveness ----------------------------------------------------------------------------------------------------


def plan_of_last_flush():
    return list(registry.plans.values())[-1][0]


def test_only_what_is_alive_is_returned():
    x = torch.randn(7, 13)
    a = x + 1
    b = a * 3
    del a
    torch.synchronize()
    plan = plan_of_last_flush()
    assert len(plan.outputs) == 1
    assert b.shape == (7, 13)


def test_dead_code_is_not_run():
    x = torch.randn(3, 17)
    y = x.exp()
    y.sin()
    del y
    z = x + 2
    torch.synchronize()
    assert [s.op.name for s in plan_of_last_flush().steps] == ["add"]
    del z


def test_pieces_are_written_in_place_once_nobody_else_holds_the_whole():
    torch.set_engine("numpy")
    whole, piece = torch.zeros(8, 512, 512), torch.ones(512, 512)
    torch.synchronize()
    tracemalloc.start()
    for i in range(8):
        whole[i] = piece * i
    whole[:, torch.tensor([0, 3])] += 1.5
    torch.synchronize()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2.5 * whole.nbytes, "each write copied the whole"
    assert whole[:, 0, 0].tolist() == [i + 1.5 for i in range(8)]


def test_a_value_that_is_still_read_is_not_written_in_place():
    torch.set_engine("numpy")
    x = torch.arange(6.0) + 0
    before = x + 0
    first, rows = before.clone(), before.view(2, 3)
    rows[0] = rows[1]
    before[1:4] = before[0:3]
    before[torch.tensor([5, 0])] = before[torch.tensor([0, 5])]
    assert first.tolist() == x.tolist() == [0, 1, 2, 3, 4, 5]
    assert before.tolist() == [5, 3, 4, 5, 4, 3]


@has_jax
def test_inputs_that_only_the_trace_holds_are_donated(tmp_path):
    torch.set_engine("xla")
    x = torch.randn(31, 31) + 0
    torch.synchronize()
    x = x * 2
    torch.synchronize()
    assert plan_of_last_flush().donated, "x's old value was held by nobody else"
    y = x * 2
    torch.synchronize()
    assert not plan_of_last_flush().donated
    assert torch.equal(y, x * 2)


@has_jax
def test_a_parameter_is_replaced_by_its_own_next_value():
    torch.set_engine("xla")
    net = torch.nn.Sequential(torch.nn.Linear(9, 9), torch.nn.Linear(9, 9))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    x = torch.randn(4, 9)
    for _ in range(3):
        optimizer.zero_grad()
        net(x).square().sum().backward()
        optimizer.step()
    plan = plan_of_last_flush()
    layout, update = Layout(plan), plan.steps[-1]
    count, columns, _ = update.static
    assert layout.donated == 3 * count  # parameters, and Adam's two averages; the new gradients take no memory of theirs
    kept = [c for c in range(columns) if c != 1]  # its arguments in columns: parameters, gradients, averages
    before = {update.args[c * count + i]: update.slot + n * count + i for n, c in enumerate(kept) for i in range(count)}
    assert dict(zip(layout.inputs, layout.outputs[: layout.donated])) == before


def trained(steps, meddle=lambda step, net: None):
    """The parameters of twelve small layers after some steps of SGD; ``meddle`` is called before each."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(*[torch.nn.Linear(5, 5) for _ in range(12)])
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    x = torch.randn(3, 5)
    for step in range(steps):
        meddle(step, net)
        optimizer.zero_grad()
        net(x).square().mean().backward()
        optimizer.step()
    return net


@has_jax
def test_small_parameters_go_in_and_out_of_a_program_together():
    torch.set_engine("xla")
    net = trained(3)
    plan = plan_of_last_flush()
    layout = Layout(plan)
    assert [len(slots) for _, slots in layout.taken] == [48]  # parameters and their momenta
    assert [len(slots) for _, slots in layout.given] == [48, 24]  # these, and the gradients
    assert layout.donated == 1 and len(layout.inputs) == 1 and not layout.outputs
    values = [p._read() for p in net.parameters()]
    assert len({id(v.data) for v in values}) == 1 and values[0].data.array is not None


@has_jax
def test_values_that_lie_together_are_read_edited_and_kept_one_by_one():
    kept = []

    def meddle(step, net):
        if step == 2:
            kept.append((net[3].weight.detach().clone(), net[3].weight.detach().numpy().copy()))
        if step == 3:
            kept.append((net[0].weight.detach(), None))
            with torch.no_grad():
                net[5].bias.mul_(2.0)
        if step == 4:
            net[7].weight.grad = None
            net[7].weight.requires_grad_(False)
            kept.append((net[1].weight.grad, net[1].weight.grad.tolist()))

    finals = []
    for engine in ("numpy", "xla"):
        torch.set_engine(engine)
        kept.clear()
        net = trained(7, meddle)
        finals.append([p.detach().numpy().copy() for p in net.parameters()])
        assert np.array_equal(kept[0][0].numpy(), kept[0][1])
        assert kept[1][0].equal(net[0].weight.detach())  # on the same memory
        assert kept[2][0].tolist() == kept[2][1]
    for a, b in zip(*finals):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@has_jax
def test_an_array_of_one_value_outlives_the_bundle_it_lay_in():
    torch.set_engine("xla")
    held = []
    net = trained(6, lambda step, net: held.append((a := net[2].weight.detach().numpy(), a.copy())) if step == 3 else None)
    view, then = held[0]
    assert np.array_equal(view, net[2].weight.detach().numpy())  # NumPy's array is the parameter's own memory, as in PyTorch
    assert not np.array_equal(view, then)


@has_jax
def test_donation_never_writes_to_memory_that_is_still_read():
    n = 1 << 16  # large enough to be lent to XLA without a copy
    for _ in range(5):
        torch.set_engine("numpy")
        x = torch.arange(n, dtype=torch.float32) + 0
        torch.synchronize()
        kept = x.reshape(256, 256)
        torch.synchronize()
        theirs = x.numpy()
        torch.set_engine("xla")
        z = x.detach().clone()
        torch.synchronize()
        z = z * 2 + 1
        torch.synchronize()
        z = z * 0
        torch.synchronize()
        assert theirs[1] == 1 and kept[0, 1].item() == 1 and x[1].item() == 1


# ---- I6: values are immutable ----------------------------------------------------------------------------------------


def test_what_backward_saved_is_not_changed_by_a_later_edit():
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    z = y * y
    with torch.no_grad():
        y.fill_(100.0)
    z.sum().backward()
    assert x.grad.tolist() == [8, 8, 8]


def test_a_numpy_array_may_be_written_to_at_once():
    for engine in ("numpy", "xla") if config.engine != "numpy" else ("numpy",):
        if engine == "xla" and not __import__("importlib.util").util.find_spec("jax"):
            continue
        torch.set_engine(engine)
        source = np.arange(1 << 16, dtype=np.float32)
        x = torch.tensor(source)
        y = x * 1
        source[:] = -1
        assert y[7].item() == 7 and x[7].item() == 7


# ---- I7: caches are bounded ------------------------------------------------------------------------------------------


def test_plans_and_states_are_bounded(monkeypatch):
    monkeypatch.setattr(config, "max_plans", 20)
    for n in range(1, 80):
        torch.ones(n).sum().item()
    assert len(registry.plans) <= 20


def test_a_program_that_keeps_changing_is_said():
    (torch.ones(11) * 2).tolist()
    (torch.ones(12) * 2).tolist()
    text = torch.explain()
    assert "float32[12]" in text or "(12" in text or "shape" in text


# ---- I8: JAX is imported late ----------------------------------------------------------------------------------------


def run(code, **environment):
    import os

    return subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=True
    ).stdout


@has_jax
def test_memory_of_large_programs_is_kept_between_their_steps():
    script = """
        import resource, kuai as torch
        torch.set_engine("xla")
        x = torch.randn(1200, 1200)
        def step():
            y = x
            for _ in range(5):
                y = (y @ x).softmax(0) + (y @ x).softmax(1)
            return y.sum().item()
        for _ in range(3):
            step()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(4):
            step()
        print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 4)
    """
    faults = int(run(textwrap.dedent(script)))
    assert faults < 2000, "the program's temporaries were asked for anew at each step"


def test_import_loads_no_jax():
    heavy = ("jax", "torch", "scipy", "matplotlib")
    out = run(f"import sys, kuai; print([m for m in {heavy} if m in sys.modules])")
    assert out.strip() == "[]"


def test_small_programs_load_no_jax():
    out = run("import sys, kuai as t\nx = t.ones(3)\nfor i in range(300): (x + i).tolist()\nprint('jax' in sys.modules)")
    assert out.strip() == "False"


def test_all_works_without_jax(tmp_path):
    (tmp_path / "jax.py").write_text("raise ImportError('no jax here')")
    code = (
        "import sys, importlib.util\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda n, *a: None if n == 'jax' else found(n, *a)\n"
        "import kuai as t\nx = t.randn(300, 300)\n"
        "for i in range(100): y = (x @ x).sum().item()\n"
        "print('jax' in sys.modules)"
    )
    assert run(code).strip() == "False"


@has_jax
def test_compiling_draws_no_random_numbers_of_the_programs_own():
    code = (
        "import sys, random, numpy as np, kuai as t\nnp.random.seed(0)\nrandom.seed(0)\nx = t.randn(100, 100)\n"
        "before = str(np.random.get_state()), random.getstate()\nt.set_engine('xla')\n(x @ x).sum().item()\n"
        "print('jax' in sys.modules, before == (str(np.random.get_state()), random.getstate()))"
    )
    assert run(code).strip() == "True True"


# ---- threads ---------------------------------------------------------------------------------------------------------


def train(seed):
    generator = torch.Generator().manual_seed(seed)
    w = torch.randn(8, 8, generator=generator).requires_grad_()
    x = torch.randn(16, 8, generator=generator)
    for _ in range(30):
        loss = ((x @ w) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
        w.grad = None
        torch.synchronize()
    return w.detach().numpy().copy()


def test_two_threads_give_what_each_gives_alone():
    alone = [train(0), train(1)]
    together = [None, None]

    def work(i):
        together[i] = train(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for a, b in zip(alone, together):
        np.testing.assert_array_equal(a, b)


def test_a_value_that_another_thread_recorded_can_be_read():
    box = []
    thread = threading.Thread(target=lambda: box.append(torch.ones(3) * 5))
    thread.start()
    thread.join()
    assert (box[0] + 1).tolist() == [6, 6, 6]


# ---- executors agree -------------------------------------------------------------------------------------------------


@has_jax
def test_the_cache_on_disk_saves_the_compilation(tmp_path):
    code = (
        "import kuai as t\nt.set_engine('xla')\nx = t.ones(33)\n(x * 2 + 1).tolist()\n"
        "s = t.engine.stats(); print(s['compiled'], s['cached'])"
    )
    assert run(code, KUAI_CACHE=str(tmp_path)).split() == ["1", "0"]
    assert run(code, KUAI_CACHE=str(tmp_path)).split() == ["0", "1"]
    for file in tmp_path.iterdir():
        file.write_bytes(b"damaged")
    assert run(code, KUAI_CACHE=str(tmp_path)).split() == ["1", "0"]


FACTOR = """
import kuai as torch
torch.set_engine("xla")
print(torch.linalg.cholesky_ex(torch.eye(3) * 4).L.diagonal().tolist(), torch.engine.stats()["cached"])
"""


@has_jax
def test_a_program_from_the_disk_finds_lapack(tmp_path):
    import os

    environment = os.environ | {"KUAI_CACHE": str(tmp_path)}
    runs = [
        subprocess.run([sys.executable, "-c", FACTOR], env=environment, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert runs[0].startswith("[2.0, 2.0, 2.0]") and runs[1].startswith("[2.0, 2.0, 2.0]") and int(runs[1].split()[-1]) > 0


@has_jax
def test_a_users_own_jax_settings_stay_as_they_are():
    torch.set_engine("xla")
    (torch.ones(3, dtype=torch.float64) * 2).tolist()
    import jax
    import jax.numpy as jnp

    assert not jax.config.jax_enable_x64
    assert jnp.ones(3).dtype == jnp.float32


def test_an_interrupted_flush_loses_nothing(monkeypatch):
    from kuai.engine import policy

    y = torch.ones(3) * 7
    real = policy.interpret.run

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(policy.interpret, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        y.tolist()
    monkeypatch.setattr(policy.interpret, "run", real)
    assert y.tolist() == [7, 7, 7]


def test_set_engine_refuses_unknown_names():
    with pytest.raises(ValueError, match="needs 'auto', 'numpy' or 'xla'"):
        torch.set_engine("gpu")


def test_synchronize_without_work():
    flush()
    torch.synchronize()


@pytest.mark.parametrize("engine", ["numpy", pytest.param("xla", marks=has_jax)])
def test_memory_that_is_not_there_is_said(engine):
    torch.set_engine(engine)
    kept = torch.ones(3) + 1
    with pytest.raises(RuntimeError, match="has not the memory for a program of .* smaller batches") as caught:
        (torch.ones(10**6, 1) + torch.ones(1, 10**8)).sum().item()
    assert isinstance(caught.value, MemoryError)
    assert kept.tolist() == [2, 2, 2]


UNFIT = [-1.5, 3.9, -300.0, 300.5, 65536.75, 2147483648.0, -2147483649.0, 5e9, 1e30, -1e30, float("inf"), float("-inf"), float("nan")]
INTEGERS = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint16, torch.uint32, torch.uint64]


@has_jax
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
@pytest.mark.parametrize("source", [torch.float32, torch.float64], ids=str)
def test_numbers_that_no_integer_holds_become_the_same_by_both(source):
    """I3: NumPy wraps what does not fit, as PyTorch does, and XLA by itself would stop at the largest."""
    # What NumPy makes of these differs from place to place in an array, as its vectors are not its last elements.
    uneven = {torch.uint32} if source is torch.float32 else {torch.uint8, torch.uint32}
    results = []
    for engine in ("numpy", "xla"):
        torch.set_engine(engine)
        x = torch.tensor(UNFIT, dtype=source) + 0
        results.append([x.to(d).tolist() for d in INTEGERS if d not in uneven])
    assert results[0] == results[1]


def test_an_interruption_leaves_the_record_whole():
    """A signal (Ctrl-C) may end any call: what is recorded after it is as if the call had not been."""
    x = torch.arange(3.0, requires_grad=True)

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for i in range(150):
            with suppress(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, 1e-4 * (1 + i % 13), 0.05)  # again, as a finalizer may swallow it
                while True:
                    total = (x * 2 + torch.ones(3)).relu().topk(2).values.sum()
                    total.backward()
                    x.grad = None
                    total.item()
            with suppress(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, 0)
            x.grad = None
            (torch.ones(3) * 2 + x).sum().backward()
            assert (torch.ones(3) * 2 + torch.arange(3)).sum().item() == 9 and x.grad.tolist() == [1, 1, 1]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
