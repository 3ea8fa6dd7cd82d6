"""torch._foreach_*: one function on many tensors, beside PyTorch's."""

import pytest

import kuai
from tests import oracle

torch = oracle.torch
NAMES = sorted(n for n in dir(torch) if n.startswith("_foreach_"))
CALLS = {
    "lerp": ["xs, ys, 0.3", "xs, ys, ys", "xs, ys, [0.1, 0.2]"], "copy": ["xs, ys"], "mm": ["ms, ms"], "norm": ["xs", "xs, 1"],
    "powsum": ["xs, 3"], "addcmul": ["xs, ys, xs, value=2.0", "xs, ys, xs, [1.0, 2.0]", "xs, ys, xs, t.tensor([1.0, 2.0])"],
    "addcdiv": ["xs, ys, ys, 0.5"], "pow": ["xs, 2", "xs, [1.0, 2.0]", "xs, ys"],
}  # fmt: skip
BINARY = ["xs, 2", "xs, [1.0, 2.0]", "xs, ys"]


def run(t, name, call):
    lists = {n: [t.tensor(v) for v in vs] for n, vs in {
        "xs": ([0.2, 0.7, 0.4], [[0.9, 0.1]]), "ys": ([0.3, 0.6, 0.8], [[0.5, 0.4]]), "ms": ([[1.0, 2.0], [3.0, 4.0]],) * 2}.items()}  # fmt: skip
    out = eval(f"t.{name}({call})", {"t": t, **lists})
    if name.endswith("_"):
        assert out is None or out is lists["xs"] or all(a is b for a, b in zip(out, lists["xs"]))
        return "in place", [x.tolist() for x in lists["xs"]]
    return type(out), [x.tolist() for x in out]


@pytest.mark.parametrize("name", NAMES)
def test_foreach(name):
    kind = name.removeprefix("_foreach_").removesuffix("_")
    binary = kind in "add sub mul div maximum minimum clamp_min clamp_max".split()
    for call in CALLS.get(kind, BINARY if binary else ["xs"]):
        expected, given = run(torch, name, call), run(kuai, name, call)
        assert given[0] == expected[0]
        for a, b in zip(given[1], expected[1], strict=True):
            assert kuai.allclose(kuai.tensor(a), kuai.tensor(b), equal_nan=True), call


def test_more_operands():
    assert [x.tolist() for x in kuai._foreach_pow(2.0, [kuai.tensor([1.0, 3.0])])] == [[2.0, 8.0]]
    assert kuai._foreach_mul([kuai.ones(1)], kuai.tensor(3.0))[0].item() == 3
    assert kuai._foreach_add([kuai.ones(1)], [kuai.ones(1)], alpha=2)[0].item() == 3


@pytest.mark.parametrize("call", ["[], 1", "xs, [1.0]", "xs, [t.ones(1)]", "xs, t.ones(2)"])
def test_lists_that_do_not_fit(call):
    for t in (kuai, torch):
        with pytest.raises(RuntimeError):
            eval(f"t._foreach_add({call})", {"t": t, "xs": [t.ones(2), t.ones(3)]})


def test_lists_are_grouped_by_dtype():
    for t in (kuai, torch):
        xs, ys = [t.ones(1), t.ones(1, dtype=t.float64), t.zeros(1)], [t.ones(1), None, t.ones(1)]
        found = t.optim.Optimizer._group_tensors_by_device_and_dtype([xs, ys], with_indices=True)
        lists, places = found[xs[0].device, t.float32]
        assert list(places) == [0, 2] and lists[0][1] is xs[2] and lists[1][0] is ys[0]
        assert found[xs[0].device, t.float64][0][1] == [None]


def test_edits_refuse_other_kinds_of_numbers():
    whole = [kuai.tensor([1, 2])]
    with pytest.raises(RuntimeError, match="can't be cast"):
        kuai._foreach_add_(whole, 1.5)
    assert whole[0].tolist() == [1, 2]
    with pytest.raises(TypeError, match=r"_foreach_add\(\)"):
        kuai._foreach_add([1], 1)
