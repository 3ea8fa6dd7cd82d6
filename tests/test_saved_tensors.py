"""Hooks on what backward needs, edges of the graph, and hooks on several gradients: as PyTorch has them."""

from __future__ import annotations

import threading

import pytest

import kuai
from tests import oracle

torch = oracle.torch
BOTH = pytest.mark.parametrize("lib", [kuai, torch], ids=["kuai", "torch"])


def net(lib, w):
    """Functions that save inputs, results, several operands, and what a Function saves."""

    class Cube(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x**3
            ctx.save_for_backward(x, y)
            return y

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            assert lib.allclose(y, x**3, atol=0.1)
            return 3 * x * x * g

    h = lib.cat([w * w, w.exp(), Cube.apply(w)])
    return (h.reshape(3, 2) @ h.reshape(2, 3)).tanh().sum()


def gradient(lib, block):
    w = lib.tensor([0.5, -0.25], requires_grad=True)
    with block:
        loss = net(lib, w)
    loss.backward()
    return w.grad


def test_hooks_change_what_backward_sees():
    """What is packed as bytes and halved on the way back gives the same wrong gradients as in PyTorch."""
    found = []
    for lib in (kuai, torch):
        kept = []

        def pack(t, kept=kept):
            kept.append(t.tolist())
            return len(kept) - 1

        def unpack(number, lib=lib, kept=kept):
            return lib.tensor(kept[number])

        assert gradient(lib, lib.autograd.graph.saved_tensors_hooks(pack, unpack)).tolist() == pytest.approx(
            gradient(lib, lib.autograd.graph.save_on_cpu()).tolist()
        )
        assert len(kept) >= 6
        w = lib.ones(2, requires_grad=True)
        with lib.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t * 4):
            loss = (w * w).sum()
        loss.backward()
        found.append(w.grad.tolist())
    assert found[0] == found[1] == [8.0, 8.0]


@BOTH
def test_the_innermost_hooks_work_and_only_inside(lib):
    calls = []
    hooks = lib.autograd.graph.saved_tensors_hooks
    w = lib.ones(2, requires_grad=True)
    with hooks(lambda t: calls.append("outer") or t, lambda t: t):
        a = w * w
        with hooks(lambda t: calls.append("inner") or t, lambda t: t):
            b = w * w
    c = w * w
    (a + b + c).sum().backward()
    assert calls == ["outer", "outer", "inner", "inner"] and w.grad.tolist() == [6.0, 6.0]


@BOTH
def test_hooks_that_fail(lib):
    w = lib.ones(2, requires_grad=True)
    with lib.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: 3):
        loss = (w * w).sum()
    with pytest.raises(TypeError, match="expected to be a Tensor"):
        loss.backward()
    with lib.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        loss = (w * w).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()
    with (
        lib.autograd.graph.disable_saved_tensors_hooks("not here"),
        pytest.raises(RuntimeError, match="not here"),
        lib.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t),
    ):
        pass
    with lib.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        loss = (w * w).sum()
    loss.backward(retain_graph=True)
    loss.backward()


def test_hooks_of_one_thread_are_not_anothers():
    w, calls = kuai.ones(2, requires_grad=True), []
    inside, done = threading.Event(), threading.Event()

    def other():
        with kuai.autograd.graph.saved_tensors_hooks(lambda t: calls.append(1) or t, lambda t: t):
            inside.set()
            done.wait()

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait()
    (w * w).sum().backward()
    done.set()
    thread.join()
    assert not calls and type(vars(kuai.autograd.graph.OpNode)["saved"]).__name__ == "member_descriptor"


def test_second_derivatives_through_hooks():
    w = kuai.tensor([2.0], requires_grad=True)
    with kuai.autograd.graph.saved_tensors_hooks(lambda t: t.numpy().copy(), kuai.from_numpy):
        (g,) = kuai.autograd.grad((w**3).sum(), w, create_graph=True)
    g.backward()
    assert w.grad.tolist() == [12.0]


# ---- edges and several gradients -------------------------------------------------------------------------------------


@BOTH
def test_edges_stand_for_tensors(lib):
    edge_of = lib.autograd.graph.get_gradient_edge
    x = lib.arange(4.0).requires_grad_()
    y = x * 3
    a, b = y.split(2)
    loss = (a * b).sum()
    edges = [edge_of(t) for t in (x, y, b)]
    assert [e.output_nr for e in edges] == [0, 0, 1]
    found = lib.autograd.grad(loss, edges, retain_graph=True)
    assert [g.tolist() for g in found] == [g.tolist() for g in lib.autograd.grad(loss, (x, y, b), retain_graph=True)]
    lib.autograd.backward(edge_of(y), lib.ones(4), retain_graph=True, inputs=[edges[0]])
    assert x.grad.tolist() == [3.0] * 4
    with pytest.raises(RuntimeError, match="does not require grad"):
        edge_of(lib.ones(1))


@BOTH
def test_hooks_on_several_gradients(lib):
    register = lib.autograd.graph.register_multi_grad_hook
    x, y, z = (lib.ones(1, requires_grad=True) for _ in range(3))
    every, any_ = [], []
    one = register((x, y, z), lambda found: every.append([g if g is None else g.tolist() for g in found]))
    two = register((x, y, z), lambda g: any_.append(1), mode="any")
    (x * 2 + y * 3).backward()
    (x * 2).backward()
    assert every == [[[2.0], [3.0], None], [[2.0], None, None]] and len(any_) == 2
    one.remove()
    two.remove()
    (x * 2).backward()
    assert len(every) == len(any_) == 2
    with pytest.raises(ValueError, match="mode"):
        register((x,), print, mode="some")


@BOTH
def test_counting_changes(lib):
    x = lib.zeros(2)
    before = x._version
    lib.autograd.graph.increment_version(x)
    assert x._version == before + 1
    w = lib.ones(2, requires_grad=True)
    with lib.autograd.graph.allow_mutation_on_saved_tensors() as kept:
        y = w.clone()
        z = y.square().sum()
        y.zero_()
        z.backward()
    kept.clear()
    assert w.grad.tolist() == [2.0, 2.0]
