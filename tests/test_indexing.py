"""Indexing both ways against PyTorch: every kind of index, views and copies, errors, gradients, both engines."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings
from hypothesis import strategies as st

import kuai
from tests import oracle

READS = """x[0] | x[-1] | x[1, 2] | x[0, 1:, ::2] | x[..., 1] | x[:, None, 1] | x[None, ..., None] | x[()] | x[...]
x[1:1] | x[100:] | x[2:1] | x[-1:-3:1] | x[:, 1:3:2, -2:] | x[tensor(1)] | x[tensor(1) : tensor(2)] | x[np.int64(1)]
x[np.array(1)] | x[[0, 1]] | x[[0, 1], [1, 2]] | x[[[0, 1], [1, 2]]] | x[[slice(0, 1), 0]] | x[[0, None]]
x[[tensor([0]), tensor([1])]] | x[range(2)] | x[(0, (1, 2))] | x[(0, 1), (0, 1)] | x[[]] | x[[0.5]] | x[[True, False]]
x[np.array([0, 1])] | x[0, (0, 1)] | x[True] | x[False] | x[True, 0] | x[0, True] | x[tensor(True)]
x[[0, 1], ..., True] | x[:, True, [0, 1]] | x[tensor([0, -1])] | x[:, tensor([[0, 1], [1, 2]])] | x[[0, 1], :, [0, 1]]
x[0, :, [0, 1]] | x[:, [0, 1], :, None] | x[[0, 1], None, [0, 1]] | x[:, None, [0, 1]] | x[x > 3]
x[:, tensor([True, False, True])] | x[np.array([True, False])] | x[tensor([0, 1]).int()]
x[tensor([[True, False, True], [False, False, True]])] | x[tensor([0, 1]).to(torch.uint8)]
x[tensor([True, False]), :, [1]] | x[tensor([])] | x[5] | x[-3] | x[0, 5] | x[0, 0, 0, 0] | x[::-1] | x[::0] | x[1.5]
x['a'] | x[{}] | x[1 + 0j] | x[[5]] | x[tensor([5])] | x[tensor([-3])] | x[tensor([0.5])]
x[tensor([0, 1]).to(torch.int8)] | x[tensor([True, False, True])] | x[[0, 1], [0, 1, 2]] | x[1.5:2] | x['a':]
x[0][0][0][0] | x[0][0][0][:] | x[0, 0, 0][None] | x[:, :0][[0]] | x[:0][[0]] | x[:, :0][:, [0]]
x[:, :0][tensor([5])]"""

WRITES = """y[0] = 1 | y[0] = torch.ones(4) | y[0] = torch.ones(1, 1, 3, 4) | y[0] = torch.ones(5) | y[0] = 'a'
y[0] = None | y[0] = 1j | y[:, 1:, ::2] = torch.arange(4.).reshape(2, 2, 1)[:, :, :1] | y[0, 0, 0] = torch.ones(1)
y[0, 0, 0] = torch.ones(2) | y[...] = 0 | y[()] = 0 | y[None] = 0 | y[True] = 5 | y[False] = 5 | y[:0] = torch.ones(5)
y[5] = 0 | y[:, 5] = 0 | y[0] = torch.ones(4).double() | y[[0, 1]] = torch.ones(5) | y[[0]] = torch.ones(1, 1, 1, 4)
y[[0]] = 2.5 | y[[0]] = torch.tensor(1) | y[[0]] = 1j | y[[5]] = 0 | y[y > 3] = 0 | y[y > 3] = torch.tensor(0)
y[y > 3] = torch.tensor([0.]) | y[y > 3] = torch.ones(20) | y[y > 3] = torch.ones(2)
y[torch.tensor([True, False])] = torch.ones(4) | y[torch.ones(2, 3, dtype=torch.bool)] = torch.ones(4)
y[[0, 1], :, [0, 3]] = 9 | y[0, [0, 2], 1:] = torch.ones(3) | y[[0, 0]] = torch.arange(24.).reshape(2, 3, 4)
y[0] = [1, 2, 3, 4] | y[[0]] = [1, 2, 3, 4] | y[0][1] = 7 | y[:, 0][1, ::2] = 7 | y[0, [0, 1]][0] = 7
y[0, 0, 0][False] = 5 | y[0, 0, 0][True] = 5 | del y[0] | y[..., -1] += 1 | y[[0, 1], [1, 2]] *= 2 | y[1:] = y[:1] | y[0][y[0] > 2] = -1"""


def outcome(library, run, code):
    """What a piece of code gives, or the class of its error."""
    scope = {"torch": library, "np": np, "tensor": library.tensor}
    for name in "xy":
        scope[name] = library.arange(24.0).reshape(2, 3, 4)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            result = eval(code, scope) if run is eval else (exec(code, scope), scope["y"])[1]
            return result.clone().detach(), [w.category for w in said]
        except Exception as error:  # noqa: BLE001 (its class is what is compared)
            return error, [w.category for w in said]


def compare(run, code):
    (ours, said), (theirs, expected) = outcome(kuai, run, code), outcome(torch, run, code)
    if isinstance(theirs, Exception):
        assert isinstance(ours, type(theirs)), f"{code}: {ours!r} for {theirs!r}"
    else:
        assert not isinstance(ours, Exception), f"{code}: {ours!r}"
        oracle.assert_same(ours, theirs, code)
        assert said == expected, f"{code}: warnings {said} for {expected}"


@pytest.mark.parametrize("code", oracle.cases(READS))
def test_reading(code):
    compare(eval, code)


@pytest.mark.parametrize("code", oracle.cases(WRITES))
def test_writing(code):
    compare(exec, code)


@pytest.mark.parametrize("run, codes", [(eval, oracle.cases(READS)[1::3]), (exec, oracle.cases(WRITES)[::3])])
def test_xla(compiled, run, codes):
    for code in codes:
        compare(run, code)


# ---- random indices ------------------------------------------------------------------------------------------------

SHAPE = (3, 1, 4)
INTS = st.integers(-3, 2)
SLICES = st.builds(slice, *[st.none() | st.integers(-5, 5)] * 2, st.none() | st.integers(1, 3))
TENSORS = st.lists(st.sampled_from([0, -1]), min_size=2, max_size=2)
ITEMS = st.lists(st.one_of(INTS, SLICES, TENSORS, st.none(), st.just(Ellipsis), st.booleans()), max_size=4)


def both(items):
    if sum(i is Ellipsis for i in items) > 1:
        items = [i for i in items if i is not Ellipsis]
    return tuple(items)


@settings(max_examples=150, deadline=None)
@given(ITEMS.map(both))
def test_any_index_reads_as_pytorch(index):
    theirs, ours = torch.arange(12.0).reshape(SHAPE), kuai.arange(12.0).reshape(SHAPE)
    try:
        expected = theirs[index]
    except IndexError:
        with pytest.raises(IndexError):
            ours[index]._array()
        return
    oracle.assert_same(ours[index], expected, str(index))


@settings(max_examples=150, deadline=None)
@given(ITEMS.map(both), st.booleans())
def test_any_index_writes_as_pytorch(index, number):
    theirs, ours = torch.arange(12.0).reshape(SHAPE), kuai.arange(12.0).reshape(SHAPE)
    try:
        piece = theirs[index]
    except IndexError:
        return
    theirs[index] = 5.0 if number else torch.full(piece.shape, 6.0)
    ours[index] = 5.0 if number else kuai.full(tuple(piece.shape), 6.0)
    oracle.assert_same(ours, theirs, str(index))


@settings(max_examples=60, deadline=None)
@given(ITEMS.map(both))
def test_any_index_differentiates_as_pytorch(index):
    theirs = torch.arange(12.0).reshape(SHAPE).requires_grad_()
    ours = oracle.to_kuai(theirs)
    try:
        expected = theirs[index]
    except IndexError:
        return
    oracle.assert_same_gradients(ours[index], expected, [(theirs, ours)])


# ---- meaning -------------------------------------------------------------------------------------------------------


def test_basic_indices_share_memory_and_others_do_not():
    x = kuai.zeros(3, 4)
    x[1][2:] = 5
    x[:, 0].fill_(7)
    x[[0]].fill_(9)
    assert x.tolist() == [[7, 0, 0, 0], [7, 0, 5, 5], [7, 0, 0, 0]]
    view = x[2]
    x[2, 3] = 1
    assert view.tolist() == [7, 0, 0, 1]


def test_numpy_memory_is_written_through():
    array = np.zeros((2, 3))
    shared = kuai.from_numpy(array)
    shared[1, 1:] = 4
    assert array.tolist() == [[0, 0, 0], [0, 4, 4]]
    row = shared[0]
    array[0, 0] = 9
    assert row.tolist() == [9, 0, 0]


def test_arrays_may_be_assigned():
    x = kuai.zeros(2, 2)
    x[0] = np.array([1, 2])
    x[[1]] = np.float32(3)
    assert x.tolist() == [[1, 2], [3, 3]]


def test_a_moving_index_is_one_program():
    x = kuai.arange(64.0).reshape(16, 4)
    kuai.synchronize()

    def step(i):
        y = x[i] + x[i + 1 : i + 3, 1:].sum()
        return y.tolist()

    step(0)
    before = kuai.engine.report.stats.counts["programs"]
    for i in range(1, 10):
        step(i)
    assert kuai.engine.report.stats.counts["programs"] == before


def test_a_write_is_the_only_instruction_beside_its_input():
    x = kuai.zeros(8, 8)
    kuai.synchronize()
    before = kuai.engine.report.stats.counts["instructions"]
    x[3, 2:5] = 1.0
    kuai.synchronize()
    assert kuai.engine.report.stats.counts["instructions"] == before + 2


def test_adding_to_a_piece_writes_once():
    x, y = kuai.zeros(8, 8), kuai.ones(8)
    row = x[2:]
    kuai.synchronize()
    before = kuai.engine.report.stats.counts["instructions"]
    row[1] += y
    kuai.synchronize()
    assert kuai.engine.report.stats.counts["instructions"] == before + 8  # three of them inputs; the way in and out has two steps
    x[3] += x[3]
    assert x.tolist() == [[0.0] * 8] * 3 + [[2.0] * 8] + [[0.0] * 8] * 4


def test_gradients_of_writes():
    def run(library, a, b, c):
        x = a * 2
        x[0] = b
        x[[1, 2]] = c
        x[x > 4] = 0.5
        x[:, 1] += b[:3]
        return x * x

    theirs = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in ((3, 4), (4,), (2, 4))]
    ours = [oracle.to_kuai(t) for t in theirs]
    oracle.assert_same_gradients(run(kuai, *ours), run(torch, *theirs), list(zip(theirs, ours)))


def test_second_derivatives():
    x = kuai.randn(3, 4, dtype=kuai.float64, requires_grad=True)
    v = kuai.randn(2, 4, dtype=kuai.float64, requires_grad=True)

    def read(x):
        return x[1:, ::2] ** 3, x[[0, 0, 2]] ** 2 * x[2]

    def write(x, v):
        y = x * 1
        y[[0, 2]] = v * v
        y[1, 1:3] = x[0, :2] ** 2
        return y**2

    assert kuai.autograd.gradgradcheck(read, (x,))
    assert kuai.autograd.gradgradcheck(write, (x, v))


def test_leaves_are_not_written():
    x = kuai.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        x[0] = 2
    with kuai.no_grad():
        x[0] = 2
    assert x.tolist() == [2, 1, 1]


def test_an_index_computed_later_is_checked_when_it_runs():
    x, i = kuai.zeros(3), kuai.tensor([1]) * 5
    with pytest.raises(IndexError, match="index 5 is out of bounds for dimension 0 with size 3"):
        x[i].tolist()


def test_masks_with_a_number_need_no_values():
    x = kuai.arange(6.0)
    kuai.synchronize()
    before = kuai.engine.report.stats.counts["flushes"]
    x[x > 2] = 0
    assert kuai.engine.report.stats.counts["flushes"] == before
    assert x.tolist() == [0, 1, 2, 0, 0, 0]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "int64", "float16", "bfloat16", "complex64"])
def test_dtypes(dtype):
    theirs = torch.arange(12).reshape(3, 4).to(getattr(torch, dtype))
    ours = oracle.to_kuai(theirs)
    for index in (1, (slice(None), [0, 2]), ([0, 1], [1, 1])):
        oracle.assert_same(ours[index], theirs[index])
        ours[index], theirs[index] = 1, 1
        oracle.assert_same(ours, theirs)


def test_an_index_that_is_only_recorded_is_refused_at_the_call():
    x = kuai.arange(3.0) * 2
    with pytest.raises(IndexError, match="index 5 is out of bounds"):
        x[kuai.tensor([1]) * 5]
    assert (x + 1).tolist() == [1, 3, 5]


def test_an_error_that_comes_when_it_runs_spoils_nothing_else(monkeypatch):
    def refuse(xp, x, y):
        raise RuntimeError("refused")

    monkeypatch.setattr(kuai.ops.define.REGISTRY["hypot"], "body", refuse)
    monkeypatch.setattr("kuai.engine.interpret._function_of", lambda op: None)  # it may know the body from before
    x = kuai.arange(3.0) * 2
    wrong, right = kuai.hypot(x, x.new_ones(3)), x + 1
    assert right.tolist() == [1, 3, 5]
    for _ in range(2):
        with pytest.raises(RuntimeError, match="refused"):
            wrong.tolist()
    assert (kuai.ones(2) + x[0]).tolist() == [1, 1]


def test_nonzero_looks_at_out():
    for t in (kuai, torch):
        with pytest.raises(RuntimeError, match="scalar type Long"):
            t.nonzero(t.ones(3), out=t.empty(0))
        with pytest.raises(RuntimeError, match="as_tuple"):
            t.nonzero(t.ones(3), as_tuple=True, out=t.empty(0, dtype=t.int64))
        assert t.nonzero(t.ones(2), out=t.empty(0, dtype=t.int64)).tolist() == [[0], [1]]
