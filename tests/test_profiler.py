"""Profilers beside PyTorch's: schedules, ranges, sums and tables. No time is asserted."""

import json

import pytest

import kuai

torch = pytest.importorskip("torch", reason="compared with PyTorch: pip install torch==2.13.0")


def test_schedules():
    for given in (
        {"wait": 1, "warmup": 1, "active": 2},
        {"wait": 0, "warmup": 1, "active": 1, "repeat": 2},
        {"wait": 2, "warmup": 1, "active": 3, "repeat": 2, "skip_first": 3},
        {"wait": 2, "warmup": 1, "active": 1, "skip_first": 1, "skip_first_wait": 1},
    ):
        ours, theirs = kuai.profiler.schedule(**given), torch.profiler.schedule(**given)
        assert [ours(i).name for i in range(30)] == [theirs(i).name for i in range(30)]
    with pytest.raises(AssertionError):
        kuai.profiler.schedule(wait=1, warmup=1, active=0)


@pytest.mark.parametrize("active, steps, ends", [(2, 8, [4, 8]), (3, 5, [5]), (3, 4, [4]), (2, 2, [2])])
def test_rounds(active, steps, ends):
    rounds = []
    schedule = kuai.profiler.schedule(wait=1, warmup=1, active=active)
    with kuai.profiler.profile(schedule=schedule, on_trace_ready=lambda p: rounds.append(p.step_num)) as prof:
        for _ in range(steps):
            kuai.ones(3).exp().sum().item()
            prof.step()
    assert rounds == ends


def test_events(tmp_path):
    x = kuai.ones(20, 20)
    with kuai.profiler.profile(record_shapes=True) as prof:
        for _ in range(3):
            with kuai.profiler.record_function("step"):
                y = (x @ x).exp().sum()  # noqa: F841 (what nobody holds is not computed)
    sums = {e.key: e for e in prof.key_averages(group_by_input_shape=False)}
    assert {k: e.count for k, e in sums.items()} == {"step": 3, "matmul": 3, "exp": 3, "sum": 3}
    step = next(e for e in prof.events() if e.key == "step")
    assert [c.key for c in step.cpu_children] == ["matmul", "exp", "sum"] and step.is_user_annotation
    assert step.cpu_time_total == pytest.approx(step.self_cpu_time_total + sum(c.cpu_time_total for c in step.cpu_children))
    assert next(e for e in prof.events() if e.key == "matmul").input_shapes == [[20, 20], [20, 20]]
    table = prof.key_averages().table(sort_by="self_cpu_time_total", row_limit=2)
    assert "Self CPU time total" in table and len(table.splitlines()) == 7
    prof.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert sum(e["name"] == "exp" for e in events) == 3


def test_executables_are_one_event():
    pytest.importorskip("jax")
    x = kuai.ones(4)
    kuai.set_engine("xla")
    try:
        with kuai.autograd.profiler.profile() as prof:
            ((x + 1) * 2).exp().tolist()
    finally:
        kuai.set_engine("auto")
    assert [e.key for e in prof.function_events] == ["XLA program of 3 instructions"]


def test_nothing_is_noted_outside():
    @kuai.profiler.record_function("f")
    def f(x):
        return x.exp()

    with kuai.autograd.profiler.profile() as prof:
        pass
    f(kuai.ones(2)).tolist()
    assert prof.function_events == [] and prof.key_averages() == []
    assert kuai.autograd.profiler.profile(enabled=False).__enter__().function_events is None
    with pytest.raises(RuntimeError, match="didn't finish"):
        kuai.autograd.profiler.profile().key_averages()
