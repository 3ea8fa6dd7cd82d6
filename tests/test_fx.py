"""Symbolic graphs beside PyTorch's: the same nodes, the same text, the same results, and the same refusals."""

import copy
import math
import operator
import pickle

import pytest

import kuai

torch = pytest.importorskip("torch", reason="compared with PyTorch: pip install torch==2.13.0")
LIBRARIES = (kuai, torch)


def model(library):
    nn, F = library.nn, library.nn.functional

    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.w, self.lin = nn.Parameter(library.ones(3)), nn.Linear(3, 3)

        def forward(self, x):
            return self.lin(x) * self.w

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.l, self.i = nn.Linear(3, 4), Inner()
            self.register_buffer("b", library.arange(3.0))

        def forward(self, x, y: int = 2, *, k=3):
            z = F.dropout(self.i(x), 0.1, self.training) + self.b * y
            z = self.i(F.leaky_relu(z, 0.1)) * math.sqrt(x.size(1))
            a, b = self.l(z).chunk(2, -1)
            c = library.cat([a, -(b**k)], dim=-1) + library.tensor([1.0])
            return {"sum": c.sum(-1), "parts": [F.normalize(a, dim=-1), (2 - b,)]}, F.mse_loss(c[:, 0], c[:, 1])

    library.manual_seed(0)
    return Outer().eval()


def same(build):
    ours, theirs = (build(library) for library in LIBRARIES)
    assert ours == theirs


def flat(result):
    sums, loss = result
    return [v for t in (sums["sum"], sums["parts"][0], *sums["parts"][1], loss) for v in t.flatten().tolist()]


def test_a_model_is_traced_as_pytorch_traces_it():
    def build(library):
        traced = library.fx.symbolic_trace(model(library))
        stacks = [list(n.meta.get("nn_module_stack", {}).items()) for n in traced.graph.nodes]
        said = [(n.op, n.name, str(n.args), str(n.kwargs), [u.name for u in n.users]) for n in traced.graph.nodes]
        return traced.code, str(traced.graph), said, [[path for path, _ in s] for s in stacks], list(traced.state_dict())

    same(build)


def test_copies_and_pickles_give_the_models_results():
    for library in LIBRARIES:
        plain = model(library)
        traced = library.fx.symbolic_trace(plain)
        x = library.randn(2, 3)
        for other in (traced, copy.deepcopy(traced), pickle.loads(pickle.dumps(traced)), library.fx.symbolic_trace(traced)):
            assert flat(other(x)) == pytest.approx(flat(plain(x)))
            assert flat(library.fx.Interpreter(other).run(x)) == pytest.approx(flat(plain(x)))
        changed, before = library.fx.Transformer(traced).transform().code, traced.code.replace(" : int", "")
        assert changed.split("def ")[1] == before.split("def ")[1]


def test_graphs_are_edited():
    def build(library):
        traced = library.fx.symbolic_trace(model(library))
        graph = traced.graph
        (old,) = graph.find_nodes(op="call_function", target=library.nn.functional.leaky_relu)
        with graph.inserting_after(old):
            new = graph.call_function(library.tanh, old.args)
        with graph.inserting_after(new):
            then = graph.call_method("abs", (new,))
        old.replace_all_uses_with(then)
        with pytest.raises(RuntimeError, match="does not belong"):
            new.args = (library.fx.Graph().placeholder("x"),)
            graph.lint()
        new.args = old.args
        graph.erase_node(old)
        unused = graph.find_nodes(op="placeholder")[0]
        with graph.inserting_after(unused):
            graph.call_function(library.neg, (unused,))
        changed = graph.eliminate_dead_code(), graph.eliminate_dead_code()
        graph.lint()
        traced.recompile()
        return changed, traced.code, sorted([then, new]) == [new, then], [n.name for n in reversed(graph.nodes)]

    same(build)


def test_a_graph_is_built_by_hand():
    def build(library):
        graph = library.fx.Graph()
        x = graph.placeholder("x", type_expr=int)
        total = graph.call_function(operator.add, (x, graph.get_attr("a.b")))
        graph.output((total, graph.call_module("m", (total,)), slice(x, None)))
        made = library.fx.GraphModule({"a.b": library.ones(2), "m": library.nn.ReLU()}, graph)
        with pytest.raises(RuntimeError, match="still had"):
            graph.erase_node(total)
        return made.code, str(graph), [t.tolist() for t in made(library.ones(2))[:2]], [n for n, _ in made.named_modules()]

    same(build)


def test_arguments_that_are_known():
    def build(library):
        place = library.fx.PH

        def chosen(x, double):
            return x * 2 if double else x + 1

        def nested(d):
            return {"out": d["a"] + d["b"][0]}

        known = library.fx.symbolic_trace(chosen, concrete_args={"double": True})
        inside = library.fx.symbolic_trace(nested, concrete_args={"d": {"a": place, "b": [place]}})
        with pytest.raises(AssertionError, match="specialized"):
            known(library.ones(1), False)
        return known.code, inside({"a": library.ones(1), "b": [library.ones(1)]})["out"].tolist()

    same(build)


@pytest.mark.parametrize("function", [
    lambda x: x if x.sum() > 0 else -x, lambda x: list(x), lambda x: len(x), lambda x: {x: 1}.items() and x.foo({x: 1}),
    lambda x: x + object(),
])  # fmt: skip
def test_what_cannot_be_traced(function):
    def build(library):
        with pytest.raises(Exception) as error:
            library.fx.symbolic_trace(function)
        return error.type.__name__, str(error.value)[:30]

    same(build)


def test_patterns_are_replaced():
    def build(library):
        def f(x, y, z):
            return (library.relu(x) + y) * (library.relu(y) + z) + library.relu(z)

        traced = library.fx.symbolic_trace(f)
        found = library.fx.replace_pattern(traced, lambda a, b: library.relu(a) + b, lambda a, b: library.tanh(b) - a)
        return traced.code, [(m.anchor.name, [n.name for n in m.nodes_map.values()]) for m in found]

    same(build)


def test_shapes_are_noted():
    def build(library):
        traced = library.fx.symbolic_trace(model(library))
        from_package = __import__(f"{library.__name__}.fx.passes.shape_prop", fromlist=["ShapeProp"])
        from_package.ShapeProp(traced).propagate(library.ones(2, 3), 2, 3)
        metas = {n.name: n.meta.get("tensor_meta") for n in traced.graph.nodes if n.op != "output"}
        return {n: (tuple(m.shape), str(m.dtype), m.stride) for n, m in metas.items() if hasattr(m, "shape")}

    same(build)


def test_own_tracers():
    def build(library):
        class Deep(library.fx.Tracer):
            def is_leaf_module(self, m, name):
                return name == "i"

        tracer = Deep()
        return str(tracer.trace(model(library)))

    same(build)
