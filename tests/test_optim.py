"""Optimizers go PyTorch's way: parameters, state, checkpoints, hooks, errors; and a step is one instruction a group."""

import copy
import importlib
import pickle
import warnings

import numpy as np
import pytest

import kuai
from tests import oracle

torch = oracle.torch
BOTH = (kuai, torch)
SHAPES = ((3, 4), (5,), ())

CASES = {
    "SGD": ({}, {"momentum": 0.9}, {"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1},
            {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}, {"maximize": True, "weight_decay": 0.1}),
    "ASGD": ({}, {"lambd": 0.1, "t0": 5}, {"weight_decay": 0.1, "maximize": True, "alpha": 0.9}),
    "Rprop": ({}, {"etas": (0.4, 1.5), "step_sizes": (2e-3, 0.1)}, {"maximize": True}),
    "Adam": ({}, {"amsgrad": True, "weight_decay": 0.1}, {"betas": (0.8, 0.9), "eps": 1e-3, "maximize": True},
             {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    "AdamW": ({}, {"amsgrad": True, "maximize": True}),
    "NAdam": ({}, {"weight_decay": 0.1, "momentum_decay": 6e-3}, {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    "RAdam": ({}, {"weight_decay": 0.1}, {"weight_decay": 0.1, "decoupled_weight_decay": True, "betas": (0.8, 0.9)}),
    "Adamax": ({}, {"weight_decay": 0.1, "maximize": True}),
    "RMSprop": ({}, {"momentum": 0.8}, {"centered": True, "weight_decay": 0.1},
                {"centered": True, "momentum": 0.8, "maximize": True}),
    "Adagrad": ({}, {"lr_decay": 0.1, "initial_accumulator_value": 0.5}, {"weight_decay": 0.1, "maximize": True}),
    "Adadelta": ({}, {"rho": 0.8, "weight_decay": 0.1}, {"maximize": True}),
    "Adafactor": ({}, {"weight_decay": 0.1, "eps": (1e-6, 1e-2), "d": 2.0}, {"maximize": True, "beta2_decay": -0.5}),
    "Muon": ({}, {"nesterov": False, "weight_decay": 0.2}, {"adjust_lr_fn": "match_rms_adamw"}),
}  # fmt: skip
NAMES = [(name, options) for name, cases in CASES.items() for options in cases]
COMPLEX = ("SGD", "ASGD", "Rprop", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "RMSprop", "Adagrad", "Adadelta")


@pytest.fixture(autouse=True)
def numpy_engine():
    kuai.set_engine("numpy")
    yield
    kuai.set_engine("auto")


def shapes_for(name):
    return ((3, 4), (6, 2), (4, 4)) if name == "Muon" else SHAPES


def numbers(rng, shape, dtype):
    x = np.asarray(rng.standard_normal(shape))
    return (x + 1j * np.asarray(rng.standard_normal(shape)) if "complex" in dtype else x).astype(dtype)


def parameters(rng, shapes, dtype="float32"):
    arrays = [numbers(rng, s, dtype) for s in shapes]
    return [[t.tensor(a, requires_grad=True) for a in arrays] for t in BOTH]


def give_gradients(rng, ours, theirs):
    for p, q in zip(ours, theirs):
        g = numbers(rng, tuple(q.shape), str(q.dtype).removeprefix("torch."))
        p.grad, q.grad = kuai.tensor(g), torch.tensor(g)


def run(rng, ours, theirs, mine, their, steps):
    for _ in range(steps):
        give_gradients(rng, ours, theirs)
        mine.step()
        their.step()


def assert_same_state(mine, their, loose=3.0):
    a, b = mine.state_dict(), their.state_dict()
    assert list(a["state"]) == list(b["state"])
    for key in b["state"]:
        assert list(a["state"][key]) == list(b["state"][key])
        oracle.assert_same(a["state"][key], b["state"][key], f"state {key}", loose=loose)
    assert [list(g.items()) for g in a["param_groups"]] == [list(g.items()) for g in b["param_groups"]]


@pytest.mark.parametrize(("name", "options"), NAMES, ids=str)
def test_25_steps(name, options):
    rng = np.random.default_rng(3)
    ours, theirs = parameters(rng, shapes_for(name))
    mine, their = (getattr(t.optim, name)(p, **options) for t, p in zip(BOTH, (ours, theirs)))
    run(rng, ours, theirs, mine, their, 25)
    loose = 100.0 if name == "Muon" else 3.0  # which computes in bfloat16
    oracle.assert_same(ours, theirs, loose=loose)
    assert_same_state(mine, their, loose)
    assert repr(mine) == repr(their)


@pytest.mark.parametrize("name", CASES)
def test_compiled(name):
    kuai.set_engine("xla")
    rng = np.random.default_rng(4)
    options = CASES[name][-1]
    ours, theirs = parameters(rng, shapes_for(name))
    mine, their = (getattr(t.optim, name)(p, lr=0.01, **options) for t, p in zip(BOTH, (ours, theirs)))
    for step in range(20):
        for optimizer in (mine, their):
            optimizer.param_groups[0]["lr"] = 0.01 / (1 + step)
        run(rng, ours, theirs, mine, their, 1)
    oracle.assert_same(ours, theirs, loose=100.0 if name == "Muon" else 3.0)


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_parameters(name):
    rng = np.random.default_rng(5)
    for options in CASES[name]:
        ours, theirs = parameters(rng, SHAPES, "complex64")
        mine, their = (getattr(t.optim, name)(p, **options) for t, p in zip(BOTH, (ours, theirs)))
        run(rng, ours, theirs, mine, their, 5)
        oracle.assert_same(ours, theirs)
        assert_same_state(mine, their)


@pytest.mark.parametrize("name", CASES)
def test_double_precision(name):
    rng = np.random.default_rng(6)
    ours, theirs = parameters(rng, shapes_for(name), "float64")
    mine, their = (getattr(t.optim, name)(p, **CASES[name][-1]) for t, p in zip(BOTH, (ours, theirs)))
    run(rng, ours, theirs, mine, their, 10)
    oracle.assert_same(ours, theirs, loose=1e6 if name == "Muon" else 1.0)


def test_half_precision():
    rng = np.random.default_rng(7)
    ours, theirs = (
        [t.tensor(a).to(t.bfloat16).requires_grad_() for a in [np.float32([1.0, -2.0, 3.0])]] for t in BOTH
    )
    mine, their = kuai.optim.Adam(ours, lr=0.1), torch.optim.Adam(theirs, lr=0.1)
    for _ in range(4):
        g = rng.standard_normal(3).astype(np.float32)
        ours[0].grad, theirs[0].grad = kuai.tensor(g).bfloat16(), torch.tensor(g).bfloat16()
        mine.step()
        their.step()
    oracle.assert_same(ours, theirs)
    assert mine.state[ours[0]]["exp_avg"].dtype is kuai.bfloat16


# ---- checkpoints -----------------------------------------------------------------------------------------------------


def to_torch(x):
    if isinstance(x, kuai.Tensor):
        return torch.from_numpy(x.detach().numpy().copy())
    if isinstance(x, dict):
        return {k: to_torch(v) for k, v in x.items()}
    return [to_torch(v) for v in x] if isinstance(x, list) else x


@pytest.mark.parametrize(("name", "options"), NAMES, ids=str)
def test_checkpoints_cross_over(name, options):
    """PyTorch continues from our checkpoint, and we from PyTorch's."""
    rng = np.random.default_rng(8)
    ours, theirs = parameters(rng, shapes_for(name))
    mine, their = (getattr(t.optim, name)(p, **options) for t, p in zip(BOTH, (ours, theirs)))
    run(rng, ours, theirs, mine, their, 3)
    mine_2 = getattr(kuai.optim, name)(ours, lr=7.0)
    their_2 = getattr(torch.optim, name)(theirs, lr=7.0)
    mine_2.load_state_dict(oracle.Converter()(their.state_dict()))
    their_2.load_state_dict(to_torch(mine.state_dict()))
    run(rng, ours, theirs, mine_2, their_2, 8)
    loose = 100.0 if name == "Muon" else 3.0
    oracle.assert_same(ours, theirs, loose=loose)
    assert_same_state(mine_2, their_2, loose)


@pytest.mark.parametrize("through", (copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))), ids=("copy", "pickle"))
def test_copies_continue(through):
    w = kuai.tensor([1.0, 2.0], requires_grad=True)
    optimizer = kuai.optim.Adam([w], lr=0.1)
    w.grad = kuai.ones(2)
    optimizer.step()
    twin = through(optimizer)
    (v,) = twin.param_groups[0]["params"]
    v.grad = w.grad = kuai.ones(2)
    optimizer.step()
    twin.step()
    assert v is not w
    assert v.tolist() == w.tolist()
    assert twin.state[v]["step"].item() == 2


def test_old_checkpoints_have_steps_as_numbers():
    w = kuai.ones(2, requires_grad=True)
    w.grad = kuai.ones(2)
    optimizer = kuai.optim.Adam([w])
    optimizer.step()
    saved = optimizer.state_dict()
    saved["state"][0] = saved["state"][0] | {"step": 1}
    optimizer.load_state_dict(saved)
    optimizer.step()
    assert optimizer.state[w]["step"].item() == 2


def test_checkpoints_that_do_not_fit():
    for t in BOTH:
        small, large = (t.optim.SGD([t.zeros(1, requires_grad=True) for _ in range(n)], lr=0.1) for n in (1, 2))
        groups = t.optim.SGD([{"params": [t.zeros(1, requires_grad=True)]} for _ in range(2)], lr=0.1)
        with pytest.raises(ValueError, match="size of optimizer's group"):
            small.load_state_dict(large.state_dict())
        with pytest.raises(ValueError, match="different number of parameter groups"):
            small.load_state_dict(groups.state_dict())


def test_names_are_kept():
    for t in BOTH:
        w, b = t.zeros(1, requires_grad=True), t.zeros(2, requires_grad=True)
        optimizer = t.optim.SGD([("w", w), ("b", b)], lr=0.1)
        saved = optimizer.state_dict()
        assert saved["param_groups"][0]["param_names"] == ["w", "b"]
        other = t.optim.SGD([w, b], lr=0.1)
        other.load_state_dict(saved)
        assert other.param_groups[0]["param_names"] == ["w", "b"]


# ---- groups and errors -----------------------------------------------------------------------------------------------


def base(t):
    """The module of what all optimizers share, which PyTorch leaves to be imported."""
    return importlib.import_module(f"{t.__name__}.optim.optimizer")


def leaf(t):
    return t.zeros(2, requires_grad=True)


def two_groups(t, **second):
    w = leaf(t)
    optimizer = t.optim.SGD([w], lr=0.1)
    optimizer.add_param_group({"params": w, **second})


WRONG = {
    "tensor": lambda t: t.optim.SGD(leaf(t), lr=0.1),
    "empty": lambda t: t.optim.SGD([], lr=0.1),
    "number": lambda t: t.optim.SGD([3], lr=0.1),
    "set": lambda t: t.optim.SGD([{"params": {leaf(t)}}], lr=0.1),
    "no leaf": lambda t: t.optim.SGD([leaf(t) * 2], lr=0.1),
    "some names": lambda t: t.optim.SGD([("w", leaf(t)), leaf(t)], lr=0.1),
    "group": lambda t: t.optim.SGD([leaf(t)], lr=0.1).add_param_group([leaf(t)]),
    "twice": two_groups,
    "names later": lambda t: t.optim.SGD([leaf(t)], lr=0.1).add_param_group({"params": [("w", leaf(t))]}),
    "required": lambda t: t.optim.Optimizer([leaf(t)], {"lr": base(t).required}),
    "no step": lambda t: t.optim.Optimizer([leaf(t)], {}).step(),
    "lr": lambda t: t.optim.SGD([leaf(t)], lr=-1.0),
    "lr tensor": lambda t: t.optim.Adam([leaf(t)], lr=t.ones(2)),
    "nesterov": lambda t: t.optim.SGD([leaf(t)], lr=0.1, nesterov=True),
    "betas": lambda t: t.optim.Adam([leaf(t)], betas=(1.0, 0.5)),
    "fused and foreach": lambda t: t.optim.Adam([leaf(t)], fused=True, foreach=True),
    "fused and differentiable": lambda t: t.optim.Adam([leaf(t)], fused=True, differentiable=True),
    "LBFGS groups": lambda t: t.optim.LBFGS([{"params": [leaf(t)]}, {"params": [leaf(t)]}]),
    "Muon vector": lambda t: t.optim.Muon([leaf(t)]),
    "Rprop": lambda t: t.optim.Rprop([leaf(t)], etas=(1.0, 0.5)),
    "Adafactor": lambda t: t.optim.Adafactor([leaf(t)], d=0.5),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors(name):
    oracle.assert_same_error(*(lambda t=t: WRONG[name](t) for t in BOTH))


def test_duplicates_are_warned_of():
    for t in BOTH:
        w = leaf(t)
        with pytest.warns(UserWarning, match="duplicate parameters"):
            t.optim.SGD([w, w], lr=0.1)


def test_groups_have_their_own_rates():
    rng = np.random.default_rng(9)
    ours, theirs = parameters(rng, ((2,), (3,)))
    made = []
    for t, (a, b) in zip(BOTH, (ours, theirs)):
        optimizer = t.optim.Adam([{"params": a, "lr": 0.5}], lr=0.1)
        optimizer.add_param_group({"params": (p for p in [b]), "betas": (0.5, 0.6)})
        made.append(optimizer)
    run(rng, ours, theirs, *made, 5)
    oracle.assert_same(ours, theirs)
    assert repr(made[0]) == repr(made[1])


def test_parameters_that_come_later_count_their_own_steps():
    rng = np.random.default_rng(10)
    ours, theirs = parameters(rng, ((2,), (3,)))
    mine, their = kuai.optim.Adam(ours, lr=0.1), torch.optim.Adam(theirs, lr=0.1)
    for i in range(6):
        give_gradients(rng, ours, theirs)
        if i < 3:
            ours[1].grad = theirs[1].grad = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mine.step()
        their.step()
    oracle.assert_same(ours, theirs)
    assert_same_state(mine, their)


def test_zero_grad():
    for t in BOTH:
        w = leaf(t)
        optimizer = t.optim.SGD([w], lr=0.1)
        w.grad = kept = t.ones(2)
        optimizer.zero_grad(set_to_none=False)
        assert w.grad.tolist() == kept.tolist() == [0, 0]
        optimizer.zero_grad()
        assert w.grad is None


# ---- what a step is --------------------------------------------------------------------------------------------------


def test_a_step_is_one_instruction_and_never_a_new_program():
    net = [kuai.ones(4, 3, requires_grad=True), kuai.ones(4, requires_grad=True)]
    optimizer = kuai.optim.AdamW(net, lr=0.1)
    seen = []
    for i in range(6):
        optimizer.param_groups[0]["lr"] = 0.1 / (i + 1)
        optimizer.param_groups[0]["weight_decay"] = 0.01 * (i + 1)
        for p in net:
            p.grad = kuai.ones(*p.shape)
        kuai.synchronize()
        before = kuai.engine.stats()
        optimizer.step()
        after = kuai.engine.stats()
        seen.append({k: after[k] - before[k] for k in after})
    inputs = 2 * 4  # parameters, gradients and two states
    assert all(s["flushes"] == 1 and s["instructions"] == inputs + 1 for s in seen)
    assert sum(s["programs"] for s in seen) == 1


def test_those_who_share_memory_see_the_step():
    for t in BOTH:
        w = t.ones(4, requires_grad=True)
        data, view = w.data, w.detach()[:2]
        w.grad = t.ones(4)
        t.optim.SGD([w], lr=0.5).step()
        assert data.tolist() == [0.5] * 4
        assert view.tolist() == [0.5] * 2


def test_what_backward_saved_is_kept():
    w = kuai.tensor([3.0], requires_grad=True)
    y = w * w
    w.grad = kuai.ones(1)
    kuai.optim.SGD([w], lr=1.0).step()
    w.grad = None
    y.sum().backward()
    assert w.grad.item() == 6.0


def test_closure_and_hooks():
    for t in BOTH:
        told = []
        w = t.ones(1, requires_grad=True)
        optimizer = t.optim.SGD([w], lr=0.5)
        first = optimizer.register_step_pre_hook(lambda o, args, kwargs, told=told: told.append(("before", args[0] is o, len(args))))
        optimizer.register_step_post_hook(lambda o, args, kwargs, told=told: told.append(("after", args[0] is o, len(args))))

        def closure(w=w, optimizer=optimizer):
            optimizer.zero_grad()
            loss = (w * w).sum()
            loss.backward()
            return loss

        assert optimizer.step(closure).item() == 1.0
        first.remove()
        optimizer.step(closure=closure)
        assert told == [("before", True, 2), ("after", True, 2), ("after", True, 1)]
        assert w.item() == 0.0


def test_hooks_of_checkpoints():
    for t in BOTH:
        optimizer = t.optim.SGD([leaf(t)], lr=0.1)
        told = []
        optimizer.register_state_dict_pre_hook(lambda o, told=told: told.append("saving"))
        optimizer.register_state_dict_post_hook(lambda o, state: {**state, "more": 1})
        optimizer.register_load_state_dict_pre_hook(lambda o, state, told=told: told.append(state["more"]))
        optimizer.register_load_state_dict_post_hook(lambda o, told=told: told.append("loaded"))
        optimizer.load_state_dict(optimizer.state_dict())
        assert told == ["saving", 1, "loaded"]


def test_hooks_of_all_optimizers():
    for t in BOTH:
        told = []
        handle = base(t).register_optimizer_step_post_hook(lambda o, a, k, told=told: told.append(type(o).__name__))
        for kind in ("SGD", "Adam"):
            getattr(t.optim, kind)([leaf(t)], lr=0.1).step()
        handle.remove()
        t.optim.SGD([leaf(t)], lr=0.1).step()
        assert told == ["SGD", "Adam"]


@pytest.mark.parametrize("name", COMPLEX)
def test_differentiable(name):
    results = []
    for t in BOTH:
        start = t.tensor([1.0, -2.0], requires_grad=True)
        p = start.clone()
        optimizer = getattr(t.optim, name)([p], lr=0.1, differentiable=True)
        for i in range(1 if name in ("Rprop", "Adamax") else 2):  # a second step of these PyTorch can't differentiate
            p.grad = start * start * (i + 0.5)
            optimizer.step()
        (p * p).sum().backward()
        results.append(start.grad)
    oracle.assert_same(*results)


def test_rates_that_are_tensors():
    rng = np.random.default_rng(11)
    ours, theirs = parameters(rng, SHAPES)
    mine, their = (
        t.optim.Adam(p, lr=t.tensor(0.1), betas=(t.tensor(0.9), t.tensor(0.99))) for t, p in zip(BOTH, (ours, theirs))
    )
    run(rng, ours, theirs, mine, their, 5)
    oracle.assert_same(ours, theirs)


# ---- gradients that are missing --------------------------------------------------------------------------------------


def test_missing_gradients_are_said_by_name():
    class Net(kuai.nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.forgotten = kuai.nn.Linear(2, 2), kuai.nn.Linear(2, 2)

    net = Net()
    optimizer = kuai.optim.SGD(net.parameters(), lr=0.1)
    for p in net.used.parameters():
        p.grad = kuai.ones(*p.shape)
    with pytest.warns(UserWarning, match="forgotten.weight, forgotten.bias"):
        optimizer.step()
    optimizer.step()  # said once


def test_missing_gradients_have_the_names_given():
    w, b = leaf(kuai), leaf(kuai)
    optimizer = kuai.optim.SGD([("w", w), ("b", b)], lr=0.1)
    w.grad = kuai.ones(2)
    with pytest.warns(UserWarning, match="reached b, so"):
        optimizer.step()


def test_frozen_parameters_are_not_missing():
    frozen, w = kuai.zeros(2), leaf(kuai)
    w.grad = kuai.ones(2)
    kuai.optim.SGD([frozen, w], lr=0.1).step()


# ---- LBFGS and the others --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("search", (None, "strong_wolfe"))
@pytest.mark.parametrize("dtype", ("float64", "complex128"))
def test_lbfgs(search, dtype):
    runs = []
    for t in BOTH:
        x = t.tensor([-1.5, 1.2], dtype=getattr(t, dtype), requires_grad=True)
        y = t.tensor([[0.5]], dtype=getattr(t, dtype), requires_grad=True)
        lr = 1.0 if search else 1e-3
        optimizer = t.optim.LBFGS([x, y], lr=lr, max_iter=6, history_size=4, line_search_fn=search)

        def closure(t=t, x=x, y=y, optimizer=optimizer):
            optimizer.zero_grad()
            a, b = x.real if x.is_complex() else x, y.real if y.is_complex() else y
            loss = (1 - a[0]) ** 2 + 10 * (a[1] - a[0] ** 2) ** 2 + ((b - 2) ** 4).sum()
            loss.backward()
            return loss

        seen = []
        for _ in range(4):
            seen += [optimizer.step(closure), x.detach().clone(), y.detach().clone()]
        state = optimizer.state_dict()["state"][0]
        runs.append((seen, state["func_evals"], state["n_iter"], set(state)))
    oracle.assert_same(runs[0][0], runs[1][0], loose=10.0)
    assert runs[0][1:] == runs[1][1:]


def test_sparse_adam_has_no_sparse_gradients_here():
    for t in BOTH:
        w = leaf(t)
        w.grad = t.ones(2)
        with pytest.raises(RuntimeError, match="does not support dense gradients"):
            t.optim.SparseAdam([w]).step()


def test_own_optimizers_are_flushed():
    class Halve(kuai.optim.Optimizer):
        @kuai.no_grad()
        def step(self, closure=None):
            for p in self.param_groups[0]["params"]:
                p.mul_(0.5)

    w = leaf(kuai)
    before = kuai.engine.stats()["flushes"]
    Halve([w], {}).step()
    assert kuai.engine.stats()["flushes"] == before + 1


def test_averaged_model():
    runs = []
    for t in BOTH:
        model = t.nn.Linear(2, 1)
        with t.no_grad():
            model.weight.copy_(t.tensor([[1.0, 2.0]]))
            model.bias.zero_()
        mean = t.optim.swa_utils.AveragedModel(model)
        ema = t.optim.swa_utils.AveragedModel(model, multi_avg_fn=t.optim.swa_utils.get_ema_multi_avg_fn(0.5))
        for i in range(3):
            with t.no_grad():
                model.weight.add_(float(i))
            mean.update_parameters(model)
            ema.update_parameters(model)
        runs.append([mean.module.weight, ema.module.weight, mean.n_averaged, mean(t.ones(1, 2)), list(mean.state_dict())])
    oracle.assert_same(*runs)


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "Rprop", "ASGD"])
def test_parameters_that_share_memory_are_updated_in_turn(name: str) -> None:
    def train(t) -> tuple:  # type: ignore[no-untyped-def]
        memory = t.ones(4)
        p, q, r, s = (t.nn.Parameter(x) for x in (memory, memory.view(2, 2), memory[1:3], t.ones(3)))
        optimizer = getattr(t.optim, name)([p, q, r, s], lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            ((p * t.arange(4.0)).sum() + (q**2).sum() + (r**3).sum() + s.exp().sum()).backward()
            optimizer.step()
        return memory, q.detach(), r.detach(), s.detach()

    oracle.assert_same(train(kuai), train(torch))


def test_lbfgs_where_the_gradient_is_nothing():
    for t in (kuai, torch):
        x = t.zeros(2, requires_grad=True)
        optimizer = t.optim.LBFGS([x], tolerance_grad=-1.0)

        def closure(x=x):
            x.grad = None
            loss = (x * x).sum()
            loss.backward()
            return loss

        assert optimizer.step(closure).item() == 0 and x.tolist() == [0, 0]
