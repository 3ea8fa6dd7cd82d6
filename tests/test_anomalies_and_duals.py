"""Finding wrong gradients, and forward mode, beside PyTorch."""

import pytest

import kuai
from tests import oracle

torch = pytest.importorskip("torch", reason="compared with PyTorch: pip install torch==2.13.0")


def test_anomalies_name_the_line():
    for library in (kuai, torch):
        x = library.zeros(2, requires_grad=True)
        with pytest.warns(UserWarning, match="Anomaly Detection has been enabled"):
            looking = library.autograd.detect_anomaly()
        with looking:
            y = x.sqrt()  # the line
            told = pytest.warns(UserWarning, match=r"(?s)Error detected in SqrtBackward0.*# the line")
            with told, pytest.raises(RuntimeError, match="Function 'SqrtBackward0' returned nan values in its 0th output."):
                (y * 0).sum().backward()
            assert library.is_anomaly_enabled()
        (x.sqrt() * 0).sum().backward()
        assert x.grad.isnan().all() and not library.is_anomaly_enabled()
        late = (x.sqrt() * 0).sum()
        told = pytest.warns(UserWarning, match="No forward pass information")
        with library.autograd.set_detect_anomaly(True), told, pytest.raises(RuntimeError, match="nan"):
            late.backward()
        with library.autograd.set_detect_anomaly(True, check_nan=False):
            (x.sqrt() * 0).sum().backward()


def test_anomalies_change_nothing_else():
    found = []
    for looking in (False, True):
        w = kuai.arange(6.0).reshape(2, 3).requires_grad_()
        with kuai.autograd.set_detect_anomaly(looking):
            (a, b), hooked = w.sin().chunk(2), []
            b.register_hook(hooked.append)
            (kuai.stack([a, b * 2]).exp().sum() + w.max(1)[0].sum()).backward()
            found.append((w.grad.tolist(), hooked[0].tolist(), kuai.autograd.grad((w * w).sum(), w)[0].tolist()))
    assert found[0] == found[1]


@pytest.mark.parametrize("name", ["sin", "exp", "softmax", "matmul", "cumsum", "max"])
def test_dual_numbers(name):
    functions = {
        "sin": lambda x: x.sin() * x, "exp": lambda x: x.exp().sum(0), "softmax": lambda x: x.softmax(-1),
        "matmul": lambda x: x @ x.T, "cumsum": lambda x: x.cumsum(0), "max": lambda x: x.max(1)[0],
    }  # fmt: skip
    found = []
    for library in (kuai, torch):
        fw = __import__(f"{library.__name__}.autograd.forward_ad", fromlist=["x"])
        library.manual_seed(0)
        x, t = library.randn(2, 3, dtype=library.float64), library.randn(2, 3, dtype=library.float64)
        with fw.dual_level():
            y = functions[name](fw.make_dual(x, t))
            primal, tangent = fw.unpack_dual(y)
            assert not tangent.requires_grad and not primal.requires_grad
            assert fw.unpack_dual(x).tangent is None
        assert fw.unpack_dual(y).tangent is None
        found.append((primal.tolist(), tangent.tolist()))
    for ours, theirs in zip(*found):
        assert kuai.allclose(kuai.tensor(ours), kuai.tensor(theirs))


def test_dual_numbers_of_parameters_and_their_errors():
    for library in (kuai, torch):
        fw = __import__(f"{library.__name__}.autograd.forward_ad", fromlist=["x"])
        w = library.tensor(3.0, requires_grad=True)
        with fw.dual_level():
            y = fw.unpack_dual(fw.make_dual(w, library.tensor(2.0)) ** 3).tangent
            y.backward()
            with pytest.raises(RuntimeError, match="Nested forward mode"):
                fw.enter_dual_level()
            with pytest.raises(ValueError, match="Expected primal to be floating point"):
                fw.make_dual(library.tensor(1), library.tensor(1.0))
        assert y.item() == 54.0 and w.grad.item() == 36.0
        with pytest.raises(RuntimeError, match="no level exists"):
            fw.make_dual(w, w)
        with pytest.raises(RuntimeError):
            fw.exit_dual_level()


def _functions(t) -> dict:  # type: ignore[no-untyped-def]
    """Functions with a jvp that is told from what would follow from their backward."""

    class Two(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, y, k):  # type: ignore[no-untyped-def]
            ctx.save_for_forward(x, y)
            ctx.save_for_backward(x * 0, y * 0)
            ctx.k = k
            return x * y * k, x + y

        @staticmethod
        def jvp(ctx, of_x, of_y, _):  # type: ignore[no-untyped-def]
            x, y = ctx.saved_tensors
            return (of_x * y + of_y * x) * ctx.k * 10, of_x + of_y

        @staticmethod
        def backward(ctx, g, h):  # type: ignore[no-untyped-def]
            x, y = ctx.saved_tensors
            return g * y + h, g * x + h, None

    class One(t.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x):  # type: ignore[no-untyped-def]
            return x**2

        @staticmethod
        def setup_context(ctx, inputs, output):  # type: ignore[no-untyped-def]
            ctx.save_for_backward(inputs[0])
            ctx.save_for_forward(inputs[0])

        @staticmethod
        def jvp(ctx, tangent):  # type: ignore[no-untyped-def]
            return 100 * tangent * ctx.saved_tensors[0]

        @staticmethod
        def backward(ctx, g):  # type: ignore[no-untyped-def]
            return 7 * g * ctx.saved_tensors[0]

    class Wrong(One):
        @staticmethod
        def jvp(ctx, tangent):  # type: ignore[no-untyped-def]
            return tangent, tangent

    return {"Two": Two.apply, "One": One.apply, "Wrong": Wrong.apply}


PUSHED = """dual(c, c * 2, lambda x: Two(x * 2, x.exp(), 3)[0].sin())
dual(c, c * 2, lambda x: Two(x, c, 3)[0])
dual(c, c * 2, lambda x: Two(c, x, 2)[1] * One(x))
pushed(lambda x, y: One(x * y).exp())
pushed(lambda x, y: Wrong(x))
pushed(torch.no_grad()(lambda x, y: x * y))
torch.func.jacfwd(One)(c)
torch.func.jacrev(One)(c)
torch.func.hessian(lambda x: One(x).sum())(c)
torch.func.jvp(torch.func.grad(lambda x: One(x).sum()), (c,), (c,))
torch.func.jvp(torch.func.grad(torch.no_grad()(lambda x: x.sum())), (c,), (c,))
dual(c, c * 2, lambda x: Two(x, c, 1)[0])
torch.no_grad()(dual)(c, c * 2, lambda x: One(x) * w)
(torch.no_grad()(dual)(c, c, One), torch.is_grad_enabled())
torch.no_grad()(pushed)(lambda x, y: x * y * w)[0].requires_grad"""


@pytest.mark.parametrize("text", PUSHED.splitlines())
def test_forward_mode_of_functions(text: str) -> None:
    """A function's own jvp counts in forward mode, and no_grad is not for tangents."""

    def outcome(t) -> object:  # type: ignore[no-untyped-def]
        c, d = t.tensor([1.0, 2.0]), t.tensor([3.0, 0.5])

        def dual(x, tangent, fn):  # type: ignore[no-untyped-def]
            with t.autograd.forward_ad.dual_level():
                made = fn(t.autograd.forward_ad.make_dual(x, tangent))
                return tuple(part.clone() for part in t.autograd.forward_ad.unpack_dual(made))

        scope = {"torch": t, "c": c, "w": t.ones(2, requires_grad=True), "dual": dual, **_functions(t),
                 "pushed": lambda fn: t.func.jvp(fn, (c, d), (d, c))}  # fmt: skip
        try:
            return eval(text, scope)
        except Exception as error:  # noqa: BLE001
            return error

    oracle.assert_same_outcome(outcome(kuai), outcome(torch), text)
