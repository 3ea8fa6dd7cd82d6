"""Autograd by the side of PyTorch: the same programs print the same."""

import copy
import threading

import numpy as np
import pytest

import kuai
from tests import oracle
from tests.twins import check

torch = oracle.torch

PROGRAMS = {
    "accumulation": """
        x = torch.tensor([1., 2.], requires_grad=True)
        for _ in range(3): (x * x).sum().backward()
        print(x.grad)
        x.grad = None
        (x * 3).sum().backward(); print(x.grad, x.grad_fn, x.is_leaf, (x * 2).is_leaf)
    """,
    "retain graph": """
        x = torch.ones(2, requires_grad=True)
        y = (x * x * x).sum()
        y.backward(retain_graph=True); y.backward(); print(x.grad)
        attempt(y.backward)
    """,
    "second derivatives": """
        x = torch.tensor([0.5, 1.5], requires_grad=True)
        g, = torch.autograd.grad((x ** 3).sum(), x, create_graph=True)
        print(g, torch.autograd.grad(g.sum(), x))
        h, = torch.autograd.grad(torch.exp(x).prod(), x, create_graph=True)
        (h * h).sum().backward(); print(x.grad)
    """,
    "grad of several": """
        x = torch.ones(2, requires_grad=True); y = torch.ones(2, requires_grad=True); z = torch.ones(2, requires_grad=True)
        print(torch.autograd.grad([(x * y).sum(), (x + y).sum()], [x, y]))
        attempt(torch.autograd.grad, (x * y).sum(), z)
        print(torch.autograd.grad((x * y).sum(), [x, z], allow_unused=True))
        print(torch.autograd.grad((x * y).sum(), [x, z], allow_unused=True, materialize_grads=True))
        print(torch.autograd.grad(x * y, x, grad_outputs=torch.tensor([1., 5.])))
        attempt(torch.autograd.grad, x * y, x)
        print(torch.autograd.grad(x * y * y, y, grad_outputs=torch.eye(2), is_grads_batched=True))
    """,
    "modes": """
        x = torch.ones(2, requires_grad=True)
        with torch.no_grad(): print((x * 2).requires_grad, torch.is_grad_enabled())
        with torch.no_grad():
            with torch.enable_grad(): print((x * 2).requires_grad)
        with torch.set_grad_enabled(False): print((x * 2).requires_grad)
        @torch.no_grad()
        def f(t): return t * 2
        print(f(x).requires_grad, torch.is_grad_enabled())
        with torch.inference_mode(): y = x * 2
        print(y.requires_grad, y.is_inference())
        @torch.no_grad()
        def gen():
            yield torch.is_grad_enabled()
            yield torch.is_grad_enabled()
        print([(a, torch.is_grad_enabled()) for a in gen()])
    """,
    "hooks": """
        x = torch.ones(3, requires_grad=True)
        seen = []
        handle = x.register_hook(lambda g: g * 10)
        y = x * 2
        y.register_hook(lambda g: seen.append(g.clone()))
        y.retain_grad()
        y.sum().backward(); print(x.grad, seen, y.grad)
        handle.remove(); x.grad = None
        (x * 2).sum().backward(); print(x.grad)
        x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad * 0 + 7))
        (x * 2).sum().backward(); print(seen[-1])
        attempt(torch.ones(1).register_hook, print)
    """,
    "node hooks": """
        x = torch.ones(2, requires_grad=True)
        y = (x * 3).exp()
        y.grad_fn.register_prehook(lambda gs: (gs[0] * 2,))
        y.grad_fn.register_hook(lambda gi, go: (gi[0] * 5,))
        y.sum().backward(); print(x.grad)
        print(y.grad_fn.name(), y.grad_fn.next_functions[0][0].name(), len(y.grad_fn.next_functions))
    """,
    "function": """
        class Cube(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, k):
                ctx.save_for_backward(x); ctx.k = k
                return x ** 3 * k
            @staticmethod
            def backward(ctx, g):
                x, = ctx.saved_tensors
                return g * 3 * x ** 2 * ctx.k, None
        x = torch.tensor([1., 2.], requires_grad=True)
        y = Cube.apply(x, 2.0)
        print(y, y.grad_fn.name()); y.sum().backward(); print(x.grad)
        g, = torch.autograd.grad(Cube.apply(x, 1.0).sum(), x, create_graph=True)
        print(torch.autograd.grad(g.sum(), x))
    """,
    "function with two results": """
        class Split(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.mark_non_differentiable(x > 0)
                return x * 2, x * 3
            @staticmethod
            def backward(ctx, a, b): return a * 2 + b * 3
        x = torch.ones(2, requires_grad=True)
        a, b = Split.apply(x)
        a.sum().backward(retain_graph=True); print(x.grad)
        (a + b).sum().backward(); print(x.grad)
    """,
    "function in place": """
        class Double(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.mark_dirty(x)
                return x.mul_(2)
            @staticmethod
            def backward(ctx, g): return g * 2
        x = torch.ones(2, requires_grad=True)
        y = x * 1
        z = Double.apply(y)
        z.sum().backward(); print(x.grad, y, z)
    """,
    "wrong functions": """
        class Few(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, y): return x * y
            @staticmethod
            def backward(ctx, g): return g
        x = torch.ones(2, requires_grad=True)
        attempt(Few.apply(x, x).sum().backward)
    """,
    "functions' shapes": """
        class Wide(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, y): return x * 2
            @staticmethod
            def backward(ctx, g): return g.new_ones(wide), g.new_ones(7)
        for wide in ((2,), (1,), (4, 1, 3), (4, 2)):
            x, y = torch.ones(3, requires_grad=True), torch.ones(5)
            attempt(Wide.apply(x, y).sum().backward)
            print(x.grad)
    """,
    "leaves": """
        x = torch.ones(2, requires_grad=True)
        attempt(x.add_, 1)
        attempt(lambda: x[0].zero_())
        attempt((x * 2).requires_grad_, False)
        attempt(torch.ones(2, dtype=torch.int64).requires_grad_)
        attempt(torch.ones(2).backward)
        attempt((x * 2).backward)
        with torch.no_grad(): x.add_(1)
        print(x, x.detach().requires_grad, x.data.requires_grad)
        y = x.detach(); y[0] = 5; print(x)
    """,
    "in place on the graph": """
        x = torch.ones(3, requires_grad=True)
        y = x * 2
        y[1] = 7.0
        y.mul_(3)
        v = y[:2]; v.add_(x[:2] * 10)
        y.sum().backward(); print(y, x.grad)
        z = torch.zeros(3); z[1:] = x[:2] * 4
        z.sum().backward(); print(x.grad, z.requires_grad)
    """,
    "tied parameters": """
        shared = torch.nn.Linear(3, 3)
        net = torch.nn.Sequential(shared, torch.nn.ReLU(), shared)
        net(torch.ones(1, 3)).sum().backward(); print(shared.weight.grad, len(list(net.parameters())))
    """,
    "broadcasting": """
        a = torch.ones(3, 1, requires_grad=True); b = torch.ones(4, requires_grad=True); c = torch.tensor(2., requires_grad=True)
        (a * b / c).sum().backward(); print(a.grad, b.grad, c.grad)
    """,
    "anomalies": """
        x = torch.zeros(2, requires_grad=True)
        (x.sqrt() * 0).sum().backward(); print(x.grad)
        y = torch.zeros(1, requires_grad=True); y.norm().backward(); print(y.grad)
    """,
    "names of nodes": """
        x = torch.rand(3, 4, requires_grad=True)
        i = torch.tensor([0, 2])
        for y in (x * 2, x[0], x[:, 1], x[1:], x[None], x[0, 1:], x[..., 0], x[:, None], x[i], x.sum(), x.sum(0), x.mean(), x.mean(1), x.prod(0),
                  x ** 2, x ** x, 2 ** x, x.fmod(2), x.fmod(x), x % 3, x % x, x.round(), x.round(decimals=2), x.div(x, rounding_mode='floor'),
                  x[None].squeeze(), x[None].squeeze(0), x[None].squeeze((0,)), x.masked_fill(x > 1, 0), x.log1p(), x.rad2deg(), torch.fft.rfft(x),
                  torch.special.i1(x), torch.special.xlog1py(x, x), F.max_pool2d(x[None], 2), F.avg_pool2d(x[None], 2), F.unfold(x[None, None], 2), x.T, x.max(0)[0]):
            print(type(y.grad_fn).__name__, y.grad_fn.name())
        class Twice(torch.autograd.Function):
            @staticmethod
            def forward(ctx, t): return t * 2
            @staticmethod
            def backward(ctx, g): return g * 2
        y = Twice.apply(x).exp(); print(type(y.grad_fn.next_functions[0][0]).__name__, type(y.grad_fn) is type(x.exp().grad_fn))
        y.sum().backward(); print(x.grad)
    """,
    "functional": """
        a = torch.autograd.functional
        jacobian, hessian, vjp, jvp, hvp, vhp = a.jacobian, a.hessian, a.vjp, a.jvp, a.hvp, a.vhp
        x = torch.tensor([1., 2.])
        f = lambda t: torch.stack([t[0] * t[1], t[0].sin()])
        print(jacobian(f, x), vjp(f, x, torch.tensor([1., 2.])), jvp(f, x, torch.tensor([1., 0.])))
        g = lambda t: (t ** 3).sum() * t[0]
        print(hessian(g, x), hvp(g, x, torch.ones(2)), vhp(g, x, torch.ones(2)))
        print(jacobian(lambda a, b: a * b, (x, x + 1)))
    """,
    "func": """
        a = torch.func
        grad, vmap, jacrev, jacfwd, hessian = a.grad, a.vmap, a.jacrev, a.jacfwd, a.hessian
        vjp, jvp, functional_call, grad_and_value = a.vjp, a.jvp, a.functional_call, a.grad_and_value
        x = torch.tensor([1., 2., 3.])
        f = lambda t: (t ** 2).sum()
        print(grad(f)(x), grad_and_value(f)(x), hessian(f)(x), jacrev(torch.sin)(x), jacfwd(torch.exp)(x))
        print(vmap(torch.dot)(torch.ones(2, 3), torch.arange(6.).reshape(2, 3)), vmap(lambda t: t * 2, in_dims=1)(torch.ones(2, 3)))
        print(vmap(grad(f))(torch.arange(6.).reshape(2, 3)))
        value, pull = vjp(torch.sin, x); print(pull(torch.ones(3)))
        print(jvp(torch.sin, (x,), (torch.ones(3),)), grad(lambda a, b: (a * b).sum(), argnums=(0, 1))(x, x))
        net = torch.nn.Linear(2, 1)
        print(functional_call(net, {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}, torch.ones(3, 2)))
        print(grad(lambda t: grad(lambda s: s ** 3 * t)(t))(torch.tensor(2.)))
        attempt(grad(lambda t: t * 2), x)
    """,
    "checkpoint": """
        import importlib
        module = importlib.import_module(torch.__name__ + '.utils.checkpoint')
        checkpoint, checkpoint_sequential = module.checkpoint, module.checkpoint_sequential
        net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Dropout(0.5), torch.nn.Linear(4, 1))
        x = torch.ones(5, 3, requires_grad=True)
        y = checkpoint(net, x, use_reentrant=False)
        y.sum().backward(); print(x.grad, net[0].weight.grad)
        x.grad = None
        checkpoint_sequential(net, 2, x, use_reentrant=False).sum().backward(); print(x.grad)
    """,
    "autocast": """
        x = torch.ones(2, 2, requires_grad=True); w = torch.ones(2, 2, requires_grad=True)
        with torch.autocast("cpu"):
            y = x @ w
            print(y.dtype, torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu"), (x + w).dtype)
            with torch.autocast("cpu", enabled=False): print((x @ w).dtype)
            z = torch.nn.functional.linear(x, w); print(z.dtype)
        print(torch.is_autocast_enabled("cpu"))
        y.float().sum().backward(); print(x.grad, x.grad.dtype)
        attempt(torch.autocast, "nothing")
    """,
    "grad scaler": """
        torch.manual_seed(0)
        w = torch.nn.Parameter(torch.ones(2))
        optimizer = torch.optim.SGD([w], lr=0.1)
        scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
        for factor in (1.0, 2.0, float("inf"), 3.0):
            optimizer.zero_grad()
            scaler.scale((w * factor).sum()).backward()
            scaler.step(optimizer); scaler.update()
            print(w, scaler.get_scale())
        print(scaler.state_dict())
        attempt(scaler.update)
    """,
}


@pytest.mark.parametrize("engine", ["numpy", "xla"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name, engine):
    if engine == "xla":
        pytest.importorskip("jax")
        if name not in ("second derivatives", "in place on the graph", "broadcasting", "hooks"):
            pytest.skip("compiled in other tests")
    kuai.set_engine(engine)
    try:
        check(PROGRAMS[name])
    finally:
        kuai.set_engine("auto")


def test_a_chain_of_100_000_ops():
    x = kuai.ones(1, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.backward()
    assert x.grad.item() == 1 and y.item() == 100_001


def test_a_wrong_derivative_is_caught():
    from kuai.ops.define import unary

    @unary(vjp=(lambda g, x: g * x * 2.5,), name="wrong_square")
    def wrong(xp, x):
        return x * x

    x = kuai.rand(3, dtype=kuai.float64).add(0.5).requires_grad_()
    with pytest.raises(kuai.autograd.gradcheck.__globals__["GradcheckError"]):
        kuai.autograd.gradcheck(wrong, (x,))
    assert kuai.autograd.gradcheck(lambda t: t * t, (x,))
    assert kuai.autograd.gradgradcheck(lambda t: t * t * t, (x,))


def test_threads_backpropagate_apart():
    def work(i, results):
        x = kuai.full((4,), float(i), requires_grad=True)
        for _ in range(50):
            (x * x).sum().backward()
        results[i] = x.grad.tolist()

    results = {}
    threads = [threading.Thread(target=work, args=(i, results)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == {i: [100.0 * i] * 4 for i in range(4)}


def test_checkpoint_says_when_the_second_run_differs():
    from kuai.utils.checkpoint import CheckpointError, checkpoint

    calls = []

    def fickle(t):
        calls.append(1)
        return (t * t).exp() if len(calls) == 1 else t * t

    x = kuai.ones(2, requires_grad=True)
    with pytest.raises(CheckpointError, match="part at number 1"):
        checkpoint(fickle, x, use_reentrant=False).sum().backward()


def test_training_under_autocast_follows_pytorch():
    torch = pytest.importorskip("torch")
    losses = []
    for framework in (torch, kuai):
        framework.manual_seed(0)
        net = framework.nn.Sequential(framework.nn.Linear(4, 8), framework.nn.ReLU(), framework.nn.Linear(8, 2))
        optimizer = framework.optim.SGD(net.parameters(), lr=0.1)
        x, labels = framework.randn(16, 4), framework.randint(0, 2, (16,))
        found = []
        for _ in range(10):
            optimizer.zero_grad()
            with framework.autocast("cpu"):
                loss = framework.nn.functional.cross_entropy(net(x), labels)
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        losses.append(found)
    np.testing.assert_allclose(*losses, rtol=2e-2)


def test_variable_is_a_class_of_all_tensors():
    """The idiom of older programs: tensors made of others' memory, and ``isinstance``."""
    torch = pytest.importorskip("torch")
    for library in (kuai, torch):
        variable, x = library.autograd.Variable, library.ones(2)
        v = variable(x, requires_grad=True)
        assert v.requires_grad and not x.requires_grad and type(v) is library.Tensor
        variable(x).add_(1)
        assert v.tolist() == [2, 2] and isinstance(x, variable) and isinstance(library.nn.Parameter(x), variable)
        assert not isinstance(3, variable) and not variable(library.ones(1, requires_grad=True) * 2).requires_grad
        assert variable().tolist() == [] and library.autograd.variable.Variable is variable
        with pytest.raises(TypeError):
            variable(3)


INFERENCE = """(lambda a: a.view(1, 2).is_inference())(made())
(lambda a: ((a * 2).is_inference(), a.detach().is_inference(), a[0].is_inference(), a.clone().is_inference()))(made())
copy.deepcopy(made()).is_inference()
made().add_(1)
made()[0].fill_(1)
made()._version
made().requires_grad_()
torch.nn.Parameter(made())
torch.add(x, x, out=made())
(x.copy_(made()), x.add_(1), x.is_inference())
edited(x)
edited(x.detach()[:1])
(edited(x), x.add_(1), x.requires_grad_().is_inference())
(lambda v: (v.is_inference(), v.add_(1), x))(viewed(x))
(w * made()).sum()
(w + made()).sum()
(made() * 2 + w).sum()
torch.nn.functional.linear(w, made().view(1, 2)).sum()
torch.nn.functional.linear(x, made().view(1, 2).clone().requires_grad_()).sum()
torch.nn.functional.linear(made(), w.view(1, 2)).sum()
torch.nn.functional.linear(x, inside(lambda: torch.ones(1, 2).requires_grad_())).sum()
torch.cat([w, made()]).sum()
w[inside(lambda: torch.tensor([1, 0]))].sum()
Saving.apply(w, made())
normed(x)"""


class _Saving:
    """A function that saves its second operand, in either library."""

    def __new__(cls, t):  # type: ignore[no-untyped-def]
        class Saving(t.autograd.Function):
            @staticmethod
            def forward(ctx, x, y):  # type: ignore[no-untyped-def]
                ctx.save_for_backward(y)
                return x * y

            @staticmethod
            def backward(ctx, g):  # type: ignore[no-untyped-def]
                return g * ctx.saved_tensors[0], None

        return Saving


def _inference_outcome(t, text: str) -> object:  # type: ignore[no-untyped-def]
    def inside(fn):  # type: ignore[no-untyped-def]
        with t.inference_mode():
            return fn()

    def normed(x):  # type: ignore[no-untyped-def]
        norm = t.nn.BatchNorm1d(2)
        inside(lambda: norm(x.expand(3, 2)))
        return norm(x.expand(3, 2)), norm.running_mean.is_inference(), norm.num_batches_tracked

    scope = {"torch": t, "copy": copy, "x": t.ones(2), "w": t.ones(2, requires_grad=True), "inside": inside, "normed": normed,
             "made": lambda: inside(lambda: t.ones(2) * 3), "edited": lambda x: (inside(lambda: x.add_(1)).is_inference(), x),
             "viewed": lambda x: inside(lambda: x[:1]), "Saving": _Saving(t)}  # fmt: skip
    try:
        out = eval(text, scope)
        if isinstance(out, t.Tensor) and out.grad_fn is not None:
            out.sum().backward()
        return out, scope["w"].grad
    except Exception as error:  # noqa: BLE001
        return error


@pytest.mark.parametrize("text", INFERENCE.splitlines())
def test_tensors_of_inference_mode(text: str) -> None:
    """What is one of them, what may be done to them, and where they may stand in a graph."""
    oracle.assert_same_outcome(_inference_outcome(kuai, text), _inference_outcome(torch, text), text)


VIEWS = """(v.requires_grad, v.is_leaf, v.grad_fn, v._base is x)
((v * 2).requires_grad, (v * 2).grad_fn.next_functions[0])
(v[1:].requires_grad, v.detach().requires_grad, v.clone().requires_grad)
(v * 2).sum().backward()
((v * x.view(-1)).sum().backward(), v.grad, x.grad)
(v.requires_grad_(), (v * x.view(-1)).sum().backward(), v.grad, x.grad)
v.mul_(2)
v[0].zero_()
v.__setitem__(0, 1.)
v.numpy()
unedited(v)
torch.autograd.grad((v * x.view(-1)).sum(), x)
torch.autograd.grad((v * 2).sum(), v)"""


@pytest.mark.parametrize("mode", ["no_grad", "inference_mode"])
@pytest.mark.parametrize("leaf", [True, False])
@pytest.mark.parametrize("text", VIEWS.splitlines())
def test_views_made_where_gradients_are_not_recorded(text: str, leaf: bool, mode: str) -> None:
    """They require grad as what they are views of does, and nothing arrives at them."""

    def outcome(t) -> object:  # type: ignore[no-untyped-def]
        x = t.arange(6.0).reshape(2, 3).requires_grad_()
        x = x if leaf else x * 1
        with getattr(t, mode)():
            v = x.view(-1)

        def unedited(v):  # type: ignore[no-untyped-def]
            with t.no_grad():
                return v.mul_(2), v.requires_grad, x

        try:
            return eval(text, {"torch": t, "x": x, "v": v, "unedited": unedited})
        except Exception as error:  # noqa: BLE001
            return error

    oracle.assert_same_outcome(outcome(kuai), outcome(torch), text)


SAVED = {
    "self other": "x * y | torch.maximum(x, y) | torch.atan2(x, y)",
    "self": "x.log() | x.sin() | x.abs() | x ** 2 | x.var(0) | torch.nn.functional.gelu(x) | x.prod()",
    "result": "x.exp() | x.tanh() | x.sigmoid() | x.relu() | x.softmax(1) | x.sqrt()",
    "self result": "x.std(0) | x.amax(0) | x.logsumexp(0) | x.norm(dim=0)",
    "self mat2": "x @ y | torch.mm(x, y)",
    "indices": "x.max(0)[0] | x.sort()[0] | x.topk(1)[0]",
    "condition": "torch.where(x > 1, x, y)",
    "self target": "torch.nn.functional.huber_loss(x, y.detach()) | torch.nn.functional.mse_loss(x, y.detach())",
    "input weight": "torch.nn.functional.conv1d(x[None], y[None])",
}


def _graph_of(t, text: str, names: str) -> list:  # type: ignore[no-untyped-def]
    x, y = (t.tensor(v, requires_grad=True) for v in ([[1.0, 2.0], [3.0, 4.0]], [[2.0, 2.0], [3.0, 1.0]]))
    made = eval(text, {"torch": t, "x": x, "y": y})
    node = made.grad_fn
    found: list = [str(node).split()[0], [n.name() if n else None for n, _ in node.next_functions]]
    for name in names.split():
        kept = getattr(node, f"_saved_{name}")
        found += [kept, kept.requires_grad, f"_saved_{name}" in dir(node)]
    made.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        getattr(node, f"_saved_{names.split()[0]}")
    with pytest.raises(AttributeError):
        _ = node._saved_nothing
    return found


@pytest.mark.parametrize("text, names", [(text, names) for names, line in SAVED.items() for text in line.split(" | ")])
def test_nodes_show_what_they_saved(text: str, names: str) -> None:
    oracle.assert_same(_graph_of(kuai, text, names), _graph_of(torch, text, names), text)
