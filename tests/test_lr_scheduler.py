"""Schedules of learning rates give PyTorch's rates, state and errors."""

import math
import pickle
import warnings

import pytest

import kuai
from tests import oracle

torch = oracle.torch
BOTH = (kuai, torch)


def optimizer(t, lr=0.1, groups=1, kind="SGD", **options):
    options = {"momentum": 0.9} | options if kind == "SGD" else options
    params = [{"params": [t.zeros(1, requires_grad=True)], "lr": lr * (i + 1)} for i in range(groups)]
    return getattr(t.optim, kind)(params, **options)


def make(t, name, opt, *args, **kwargs):
    return getattr(t.optim.lr_scheduler, name)(opt, *args, **kwargs)


def sequential(t, opt):
    parts = [make(t, "LinearLR", opt, total_iters=4), make(t, "CosineAnnealingLR", opt, 6), make(t, "StepLR", opt, 3)]
    return make(t, "SequentialLR", opt, parts, milestones=[4, 11])


def chained(t, opt):
    parts = [make(t, "ConstantLR", opt, 0.5, total_iters=4), make(t, "ExponentialLR", opt, 0.9)]
    return t.optim.lr_scheduler.ChainedScheduler(parts, optimizer=opt)


def nested(t, opt):
    first = make(t, "SequentialLR", opt, [make(t, "ConstantLR", opt), make(t, "ExponentialLR", opt, 0.9)], [3])
    return make(t, "SequentialLR", opt, [first, make(t, "PolynomialLR", opt, 5)], [7])


SCHEDULES = {
    "lambda": lambda t, o: make(t, "LambdaLR", o, lambda e: 0.9**e),
    "multiplicative": lambda t, o: make(t, "MultiplicativeLR", o, lambda e: 1 / (e + 1)),
    "step": lambda t, o: make(t, "StepLR", o, 3, gamma=0.3),
    "multistep": lambda t, o: make(t, "MultiStepLR", o, [2, 5, 5, 9]),
    "constant": lambda t, o: make(t, "ConstantLR", o, 0.25, total_iters=3),
    "linear": lambda t, o: make(t, "LinearLR", o, 0.1, 0.8, total_iters=7),
    "exponential": lambda t, o: make(t, "ExponentialLR", o, 0.8),
    "polynomial": lambda t, o: make(t, "PolynomialLR", o, 8, power=2.0),
    "cosine": lambda t, o: make(t, "CosineAnnealingLR", o, 5, eta_min=0.01),
    "restarts": lambda t, o: make(t, "CosineAnnealingWarmRestarts", o, 3),
    "longer restarts": lambda t, o: make(t, "CosineAnnealingWarmRestarts", o, 2, T_mult=2, eta_min=0.02),
    "cyclic": lambda t, o: make(t, "CyclicLR", o, 0.01, 0.2, step_size_up=3),
    "cyclic triangular2": lambda t, o: make(t, "CyclicLR", o, 0.01, 0.2, 3, 5, mode="triangular2"),
    "cyclic exp_range": lambda t, o: make(t, "CyclicLR", o, 0.01, 0.2, 4, mode="exp_range", gamma=0.9),
    "cyclic own": lambda t, o: make(t, "CyclicLR", o, 0.01, 0.2, 4, scale_fn=lambda x: 1 / x, cycle_momentum=False),
    "one cycle": lambda t, o: make(t, "OneCycleLR", o, 0.4, total_steps=30),
    "one cycle linear": lambda t, o: make(t, "OneCycleLR", o, 0.4, epochs=5, steps_per_epoch=6, anneal_strategy="linear"),
    "one cycle three": lambda t, o: make(t, "OneCycleLR", o, 0.4, total_steps=26, three_phase=True, pct_start=0.4),
    "sequential": sequential,
    "chained": chained,
    "nested": nested,
    "swa": lambda t, o: t.optim.swa_utils.SWALR(o, 0.02, anneal_epochs=5),
    "swa linear": lambda t, o: t.optim.swa_utils.SWALR(o, [0.02] * len(o.param_groups), 4, anneal_strategy="linear"),
}


def plain(x):
    """A state without functions, comparable: floats rounded."""
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [plain(v) for v in x]
    return float(f"{x:.9g}") if isinstance(x, float) and math.isfinite(x) else x


@pytest.mark.filterwarnings("ignore:Detected call")  # of a sequence in a sequence PyTorch warns too, as it is made
@pytest.mark.parametrize("groups", (1, 2))
@pytest.mark.parametrize("kind", ("SGD", "Adam"))
@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_and_state(name, kind, groups):
    runs = []
    for t in BOTH:
        opt = optimizer(t, groups=groups, kind=kind)
        schedule, seen = SCHEDULES[name](t, opt), []
        for _ in range(25):
            opt.step()
            schedule.step()
            seen.append((schedule.get_last_lr(), [(g["lr"], g.get("momentum"), g.get("betas")) for g in opt.param_groups]))
        runs.append((plain(seen), plain(schedule.state_dict()), set(opt.param_groups[0])))
    assert runs[0] == runs[1]


@pytest.mark.filterwarnings("ignore:Detected call")
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_saved_schedule_continues(name):
    opt = optimizer(kuai)
    schedule, expected = SCHEDULES[name](kuai, opt), []
    for i in range(12):
        if i == 5:
            saved = pickle.dumps((opt.state_dict(), schedule.state_dict()))
        opt.step()
        schedule.step()
        expected.append(schedule.get_last_lr())
    opt = optimizer(kuai)
    schedule = SCHEDULES[name](kuai, opt)
    of_optimizer, of_schedule = pickle.loads(saved)
    opt.load_state_dict(of_optimizer)
    schedule.load_state_dict(of_schedule)
    for i in range(5, 12):
        opt.step()
        schedule.step()
        assert schedule.get_last_lr() == expected[i]


@pytest.mark.parametrize("name", ("step", "multistep", "constant", "linear", "exponential", "polynomial", "cosine"))
def test_jump_to_an_epoch(name):
    runs = []
    for t in BOTH:
        opt = optimizer(t)
        schedule = SCHEDULES[name](t, opt)
        opt.step()
        with pytest.warns(UserWarning, match="epoch parameter"):
            schedule.step(6)
        runs.append(plain(schedule.get_last_lr()))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("epochs", ((0.5, 1.5, 4.2, 9.9), (0, 3, 6, 2)))
@pytest.mark.parametrize("factor", (1, 2))
def test_restarts_at_fractions(epochs, factor):
    runs = []
    for t in BOTH:
        schedule = make(t, "CosineAnnealingWarmRestarts", optimizer(t), 2, factor)
        seen = []
        for epoch in epochs:
            schedule.step(epoch)
            seen.append(schedule.get_last_lr())
        schedule.step()
        runs.append(plain([seen, schedule.get_last_lr(), schedule.T_cur, schedule.T_i, schedule.last_epoch]))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("mode", ("min", "max"))
@pytest.mark.parametrize("threshold_mode", ("rel", "abs"))
@pytest.mark.parametrize("options", ({}, {"cooldown": 2}, {"min_lr": 0.02}, {"patience": 0, "eps": 1e-3}), ids=str)
def test_plateau(mode, threshold_mode, options):
    metrics = [3.0, 2.0, 2.0, 1.99, 1.98, 2.5, 2.5, 2.4, 1.0, 1.0, 1.0, 1.0, -1.0, -1.0, 5.0, 5.0, math.nan, 5.0, 6.0, 6.0]
    options = {"patience": 1, "factor": 0.5, "threshold": 0.05} | options
    runs = []
    for t in BOTH:
        opt = optimizer(t, groups=2)
        schedule = make(t, "ReduceLROnPlateau", opt, mode, threshold_mode=threshold_mode, **options)
        seen = []
        for m in metrics:
            schedule.step(t.tensor(m))
            seen.append((schedule.get_last_lr(), schedule.num_bad_epochs, schedule.in_cooldown))
        runs.append((plain(seen), plain(schedule.state_dict())))
    assert str(runs[0]) == str(runs[1])


def test_plateau_continues():
    first, second = (make(kuai, "ReduceLROnPlateau", optimizer(kuai), patience=1) for _ in range(2))
    for metric in (3.0, 3.0):
        first.step(metric)
    second.load_state_dict(first.state_dict())
    for metric in (3.0, 3.0):
        second.step(metric)
    assert second.get_last_lr() == [pytest.approx(0.01)]


def test_order_of_steps_is_warned_of():
    for t in BOTH:
        opt = optimizer(t)
        schedule = make(t, "StepLR", opt, 3)
        with pytest.warns(UserWarning, match="before `optimizer.step"):
            schedule.step()
        with pytest.warns(UserWarning, match="get_last_lr"):
            schedule.get_lr()


def test_rate_that_is_a_tensor():
    for t in BOTH:
        lr = t.tensor(0.5)
        opt = t.optim.SGD([t.zeros(1, requires_grad=True)], lr=lr)
        schedule = make(t, "ExponentialLR", opt, 0.5)
        opt.step()
        schedule.step()
        assert opt.param_groups[0]["lr"] is lr
        assert lr.item() == 0.25 == schedule.get_last_lr()[0].item()


def test_resume_needs_initial_rates():
    for t in BOTH:
        with pytest.raises(KeyError, match="initial_lr"):
            make(t, "StepLR", optimizer(t), 3, last_epoch=4)
        opt = optimizer(t)
        opt.param_groups[0]["initial_lr"] = 0.1
        assert make(t, "StepLR", opt, 3, last_epoch=4).last_epoch == 5 and opt.param_groups[0]["lr"] == 0.1
        make(t, "StepLR", opt, 3, last_epoch=5)
        assert opt.param_groups[0]["lr"] == pytest.approx(0.01)


WRONG = {
    "no optimizer": lambda t, o: make(t, "StepLR", [1], 3),
    "lambdas": lambda t, o: make(t, "LambdaLR", o, [lambda e: 1.0] * 3),
    "constant": lambda t, o: make(t, "ConstantLR", o, 1.5),
    "linear start": lambda t, o: make(t, "LinearLR", o, 0.0),
    "linear end": lambda t, o: make(t, "LinearLR", o, 0.5, -1.0),
    "T_0": lambda t, o: make(t, "CosineAnnealingWarmRestarts", o, 0),
    "T_mult": lambda t, o: make(t, "CosineAnnealingWarmRestarts", o, 2, 0),
    "epoch": lambda t, o: make(t, "CosineAnnealingWarmRestarts", o, 2).step(-1),
    "cyclic mode": lambda t, o: make(t, "CyclicLR", o, 0.1, 0.2, mode="no"),
    "cyclic length": lambda t, o: make(t, "CyclicLR", o, [0.1, 0.1], 0.2),
    "no momentum": lambda t, o: make(t, "CyclicLR", optimizer(t, kind="Adagrad"), 0.1, 0.2),
    "one cycle steps": lambda t, o: make(t, "OneCycleLR", o, 0.1),
    "one cycle zero": lambda t, o: make(t, "OneCycleLR", o, 0.1, total_steps=0),
    "one cycle pct": lambda t, o: make(t, "OneCycleLR", o, 0.1, total_steps=5, pct_start=2.0),
    "one cycle strategy": lambda t, o: make(t, "OneCycleLR", o, 0.1, total_steps=5, anneal_strategy="no"),
    "sequential none": lambda t, o: make(t, "SequentialLR", o, [], []),
    "sequential milestones": lambda t, o: make(t, "SequentialLR", o, [make(t, "StepLR", o, 1)], [3]),
    "sequential other": lambda t, o: make(t, "SequentialLR", o, [make(t, "StepLR", optimizer(t), 1)], []),
    "sequential plateau": lambda t, o: make(t, "SequentialLR", o, [make(t, "ReduceLROnPlateau", o)], []),
    "chained none": lambda t, o: t.optim.lr_scheduler.ChainedScheduler([]),
    "plateau factor": lambda t, o: make(t, "ReduceLROnPlateau", o, factor=1.0),
    "plateau mode": lambda t, o: make(t, "ReduceLROnPlateau", o, mode="no"),
    "plateau threshold": lambda t, o: make(t, "ReduceLROnPlateau", o, threshold_mode="no"),
    "plateau rates": lambda t, o: make(t, "ReduceLROnPlateau", o, min_lr=[0.1, 0.2, 0.3]),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors(name):
    oracle.assert_same_error(*(lambda t=t: WRONG[name](t, optimizer(t)) for t in BOTH))


def test_a_schedule_makes_no_new_program():
    kuai.set_engine("numpy")
    w = kuai.ones(3, requires_grad=True)
    opt = kuai.optim.Adam([w], lr=0.1)
    schedule = make(kuai, "CosineAnnealingLR", opt, 50)
    counts = []
    for _ in range(8):
        opt.zero_grad()
        (w * w).sum().backward()
        opt.step()
        schedule.step()
        counts.append(kuai.engine.stats()["programs"])
    kuai.set_engine("auto")
    assert counts[2] == counts[-1]


def test_no_warning_in_the_right_order():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opt = optimizer(kuai)
        schedule = make(kuai, "StepLR", opt, 3)
        opt.step()
        schedule.step()
