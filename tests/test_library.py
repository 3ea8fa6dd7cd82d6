"""torch.library: operators declared, written in Python and called by name, beside PyTorch's."""

import numpy as np
import pytest

import kuai
from kuai.ops.schema import Schema

try:
    import torch
except ImportError:
    torch = None

LIBRARIES = [pytest.param(m, id=n) for m, n in ((kuai, "kuai"), (torch, "torch")) if m is not None]
both = pytest.mark.parametrize("t", LIBRARIES)


@both
def test_library_defines_and_implements(t):
    library = t.library.Library("made", "FRAGMENT")
    assert library.define("scaled(Tensor x, float by=2.0, *, int plus=1) -> Tensor") == "scaled"
    library.impl("scaled", lambda x, by=2.0, *, plus=1: x * by + plus, "CompositeImplicitAutograd")
    f = t.ops.made.scaled
    assert f(t.ones(2)).tolist() == [3.0, 3.0]
    assert f(t.ones(2), 3.0, plus=0).tolist() == [3.0, 3.0]
    x = t.ones(2, requires_grad=True)
    f(x).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    assert f.overloads() == ["default"] and str(f.default) == "made.scaled.default"
    for wrong in ((), (t.ones(1), 1.0, 2), ("x",)):
        with pytest.raises(RuntimeError):
            f(*wrong)
    with pytest.raises(RuntimeError, match="same name and overload"):
        library.define("scaled(Tensor x) -> Tensor")
    library._destroy()


@both
def test_a_backend_without_a_kernel_is_named(t):
    library = t.library.Library("bare", "FRAGMENT")
    library.define("f(Tensor x) -> Tensor")
    with pytest.raises(NotImplementedError, match="bare::f"):
        t.ops.bare.f(t.ones(1))
    with pytest.raises(AttributeError):
        t.ops.bare.g  # noqa: B018
    library._destroy()


@both
def test_custom_op_with_its_derivative(t):
    def cube(x, factor=1.0):
        return x**3 * factor

    cube.__annotations__ = {"x": t.Tensor, "factor": float, "return": t.Tensor}
    op = t.library.custom_op("made::cube", cube, mutates_args=())
    x = t.tensor([2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="no autograd formula was registered"):
        op(x).sum().backward()

    def setup(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])
        ctx.factor = inputs[1]

    def backward(ctx, g):
        return 3 * ctx.saved_tensors[0] ** 2 * ctx.factor * g, None

    op.register_autograd(backward, setup_context=setup)
    t.ops.made.cube(x, 2.0).sum().backward()
    assert x.grad.tolist() == [24.0]
    assert op(x.detach()).requires_grad is False


@both
def test_derivatives_of_lists_of_tensors(t):
    def total(xs):
        return sum(xs[1:], xs[0] * 1)

    total.__annotations__ = {"xs": list[t.Tensor], "return": t.Tensor}
    op = t.library.custom_op("made::total", total, mutates_args=())
    op.register_autograd(lambda ctx, g: [g * (i + 1) for i in range(ctx.n)], setup_context=lambda ctx, inputs, output: setattr(ctx, "n", len(inputs[0])))  # fmt: skip
    xs = [t.ones(1, requires_grad=True) for _ in range(3)]
    op(xs).backward()
    assert [x.grad.item() for x in xs] == [1.0, 2.0, 3.0]


@both
def test_a_fake_runs_on_meta(t):
    def rows(x):
        return x[:, 0] * 1

    rows.__annotations__ = {"x": t.Tensor, "return": t.Tensor}
    op = t.library.custom_op("made::rows", rows, mutates_args=())
    op.register_fake(lambda x: x.new_empty(x.shape[0]))
    assert op(t.empty(3, 2, device="meta")).shape == (3,)


@both
def test_results_are_new_tensors(t):
    def same(x):
        return x

    same.__annotations__ = {"x": t.Tensor, "return": t.Tensor}
    op = t.library.custom_op("made::same", same, mutates_args=())
    with pytest.raises(RuntimeError, match="output of this custom operator"):
        op(t.ones(1))


@both
def test_what_is_refused(t):
    with pytest.raises(ValueError):
        t.library.Library("made", "OTHER")
    with pytest.raises(RuntimeError, match="does not exist"):
        t.library.register_fake("made::nothing", lambda x: x)
    with pytest.raises(ValueError):
        t.library.custom_op("made::untyped", lambda x: x, mutates_args=())
    with pytest.raises(OSError):
        t.ops.load_library("/nowhere/lib.so")


def test_autocast_gives_an_operator_its_dtype():
    def kind(x):
        return x * 1

    kind.__annotations__ = {"x": kuai.Tensor, "return": kuai.Tensor}
    op = kuai.library.custom_op("made::kind", kind, mutates_args=())
    op.register_autocast("cpu", kuai.bfloat16)
    assert op(kuai.ones(1)).dtype is kuai.float32
    with kuai.autocast("cpu"):
        assert op(kuai.ones(1)).dtype is kuai.bfloat16
        assert kuai.is_autocast_enabled("cpu")


@pytest.mark.parametrize("annotations", [
    {"x": "Tensor", "n": int, "return": "Tensor"},
    {"x": "Tensor", "flag": bool, "return": ("Tensor", "Tensor")},
])  # fmt: skip
def test_inferred_schemas(annotations):
    def infer(t):
        def f(): ...

        kinds = {k: t.Tensor if v == "Tensor" else tuple[t.Tensor, t.Tensor] if isinstance(v, tuple) else v for k, v in annotations.items()}
        names = [k for k in annotations if k != "return"]
        exec(f"def f({', '.join(names)}): ...", scope := {})
        scope["f"].__annotations__ = kinds
        return t.library.infer_schema(scope["f"], mutates_args=())

    assert len({infer(p.values[0]) for p in LIBRARIES}) == 1


def test_schemas_are_read_and_written():
    text = "made::f.out(Tensor(a!) self, int[2] size=[1, 2], *, str mode=\"a,b\", Tensor? mask=None) -> (Tensor, Tensor)"
    schema = Schema(text)
    assert str(schema) == text and schema.overload == "out"
    assert [a.mutated for a in schema.arguments] == [True, False, False, False]
    args, kwargs = schema.bind((kuai.ones(1),), {})
    assert args[1] == [1, 2] and kwargs == {"mode": "a,b", "mask": None}
    with pytest.raises(RuntimeError, match="expected 'name"):
        Schema("no schema")


def test_excluded_keys_are_passed_over():
    library = kuai.library.Library("keys", "FRAGMENT")
    library.define("f(Tensor x) -> Tensor")
    library.impl("f", lambda x: x + 1, "CompositeExplicitAutograd")

    def under_autocast(x):
        with kuai._C._ExcludeDispatchKeyGuard(kuai._C.DispatchKeySet(kuai._C.DispatchKey.AutocastCPU)):
            return kuai.ops.keys.f(x) * 10

    library.impl("f", under_autocast, "AutocastCPU")
    with kuai.autocast("cpu"):
        assert kuai.ops.keys.f(kuai.ones(1)).item() == 20
    assert kuai.ops.keys.f(kuai.ones(1)).item() == 2
    library._destroy()


def test_numpy_scalars_fit_numbers():
    library = kuai.library.Library("numbers", "FRAGMENT")
    library.define("f(Tensor x, float a, int n) -> Tensor")
    library.impl("f", lambda x, a, n: x * a + n, "CPU")
    assert kuai.ops.numbers.f(kuai.ones(1), np.float64(2.0), 3).item() == 5
    library._destroy()
