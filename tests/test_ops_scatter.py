"""gather, scatter and the functions of indices and masks against PyTorch: values, dtypes, errors, gradients, both engines."""

import warnings

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings
from hypothesis import strategies as st

import kuai
from tests import oracle

CASES = """x.masked_fill(m, 1) | x.masked_fill(m, torch.tensor(1)) | x.masked_fill(m, torch.ones(3))
x.masked_fill(m, 1j) | x.long().masked_fill(m, 1.5) | x.long().masked_fill(m, torch.tensor(1.5))
x.bool().masked_fill(m, 2) | x.masked_fill(m.int(), 1) | x[0].masked_fill(torch.ones(2, 3, dtype=torch.bool), 1)
x[0].clone().masked_fill_(torch.ones(2, 3, dtype=torch.bool), 1) | x.masked_fill(torch.ones(4, dtype=torch.bool), 1)
x.masked_select(m) | x.masked_select(m.int()) | x[0].masked_select(torch.ones(2, 3, dtype=torch.bool))
x.masked_scatter(m, torch.arange(4.)) | x.masked_scatter(m, torch.arange(4))
x.masked_scatter(m.to(torch.uint8), torch.arange(4.)) | x.take(L(0, 5)) | x.take(L(-1)) | x.take(L(6)) | x.take(L(-7))
x.take(L(0.)) | x.take(L(0, 5).int()) | torch.take_along_dim(x, L(0, 1)[None], 1) | torch.take_along_dim(x, L(0, 1))
torch.take_along_dim(x, L([0, -1]), 1) | torch.take_along_dim(x, L(0, 1), 1)
torch.take_along_dim(x, L([0, 1]).int(), 1) | x.clone().put_(L(0, -1), torch.tensor([9., 8.]))
x.clone().put_(L(0, 0), torch.tensor([9., 8.]), accumulate=True) | x.put(L(0, 6), torch.tensor([9., 8.]))
x.put(L(0, 1), torch.tensor([9.])) | x.put(L(0), torch.tensor([9])) | torch.nonzero(x)
torch.nonzero(x, as_tuple=True) | torch.nonzero(torch.tensor(5)) | torch.nonzero(torch.tensor(5), as_tuple=True)
torch.nonzero(torch.tensor(0), as_tuple=True) | torch.argwhere(torch.tensor(5)) | torch.argwhere(x)
x.index_select(1, L(0, 1, 1)) | x.index_select(1, L(0, -1)) | x.index_select(1, L(0, 3))
x.index_select(1, L(0, 1).int()) | x.index_select(1, L([0, 1])) | x.index_select(1, torch.tensor(1))
x.index_select(2, L(0)) | x.index_select(1, L(0.)) | torch.tensor(5.).index_select(0, L(0))
torch.tensor(5.).index_select(0, torch.tensor(0)) | torch.tensor(5.).index_select(0, L(0, 0))
x.index_add(1, L(0, 0), torch.ones(2, 2)) | x.index_add(1, L(0, 0), torch.ones(2, 2), alpha=2)
x.index_add(1, L(0, -1), torch.ones(2, 2)) | x.index_add(1, L(0, 3), torch.ones(2, 2))
x.index_add(1, L(0, 0), torch.ones(2, 3)) | x.index_add(1, L(0, 0), torch.ones(2, 2).long())
x.long().index_add(1, L(0, 0), torch.ones(2, 2).long(), alpha=1.5) | x.index_add(1, torch.tensor(0), torch.ones(2))
x.index_add(1, torch.tensor(0), torch.ones(2, 1)) | x.index_copy(1, L(0, 1), torch.ones(2, 2))
x.index_copy(1, L(0, -1), torch.ones(2, 2)) | x.index_copy(1, L(0, 3), torch.ones(2, 2))
x.index_copy(1, L(0, 1).int(), torch.ones(2, 2)) | x.index_copy(1, L(0, 1), torch.ones(2, 3))
x.index_copy(1, torch.tensor(0), torch.ones(2)) | x.index_fill(1, L(0, 1), 5) | x.index_fill(1, L(0, -1), 5)
x.index_fill(1, L(0, 3), 5) | x.index_fill(1, L(0, 1).int(), 5) | x.index_fill(1, L(0, 1), torch.tensor(5))
x.index_fill(1, L(0, 1), torch.ones(1)) | x.long().index_fill(1, L(0, 1), 1.5) | x.index_fill(1, L(0, 1), 1j)
x.index_fill(1, torch.tensor(0), 5) | x.index_fill(1, L([0]), 5)
x.index_reduce(1, L(0, 0), torch.ones(2, 2) * 2, 'prod') | x.index_reduce(1, L(0, 0), torch.ones(2, 2) * 2, 'mean')
x.index_reduce(1, L(0, 0), torch.ones(2, 2) * 2, 'amax', include_self=False)
x.index_reduce(1, L(0, 0), torch.ones(2, 2), 'sum')
x.long().index_reduce(1, L(0, 0), torch.ones(2, 2).long() * 2, 'mean') | x.index_put((L(0, 1),), torch.tensor(7.))
x.index_put((L(0, 1),), torch.tensor(7)) | x.index_put((L(0, 1), L(0, 0)), torch.tensor([7., 8]), accumulate=True)
x.index_put((None, L(0, 1)), torch.tensor([7., 8])) | x.index_put((m[:2],), torch.tensor(7.))
x.index_put((L(0, 1)), torch.tensor(7.)) | x.index_put([L(0, 1)], torch.ones(4))
x.index_put((L(0, 0),), torch.tensor(7.), accumulate=True) | x.gather(1, L([0, 1])) | x.gather(1, L([0, -1]))
x.gather(1, L([0, 3])) | x.gather(1, L(0, 1)) | x.gather(1, L([0, 1]).int()) | x.gather(1, torch.zeros(3, 2).long())
x.gather(0, torch.zeros(3, 2).long()) | x.gather(2, torch.zeros(3, 4).long()) | torch.tensor(5.).gather(0, L(0, 0))
torch.tensor(5.).gather(0, torch.tensor(0)) | x.gather(1, torch.zeros(0).long())
x.gather(1, torch.zeros(0, 2).long()) | x.scatter(1, L([0, 1]), 7) | x.scatter(1, L([0, 1]), torch.tensor(7.))
x.scatter(1, L([0, 1]), torch.ones(2, 3)) | x.scatter(1, L([0, 1]), torch.ones(2, 3).long())
x.scatter(1, L([0, 1]), torch.ones(2, 1)) | x.scatter(1, L([0, -1]), 1) | x.scatter(1, L([0, 3]), 1)
x.scatter(1, L([0, 1]).int(), 1) | x.scatter(1, L(0, 1), 1) | x.scatter(1, L([0, 1]), 2, reduce='multiply')
x.scatter(1, L([0, 1]), 2, reduce='add') | x.scatter(1, L([0, 1]), 2, reduce='mean') | x.scatter(1, L([0, 1]), 1j)
x.scatter(1, L([0, 1]), torch.ones(2, 3), reduce='add') | x.long().scatter(1, L([0, 1]), 1.5)
x.scatter(dim=1, index=L([0, 1]), value=3) | x.scatter(dim=1, index=L([0, 1]), src=torch.ones(2, 3))
x.scatter(1, torch.zeros(0).long(), torch.ones(2, 3)) | x.scatter_add(1, L([0, 0]), torch.ones(2, 3))
x.scatter_add(1, L([0, 0]), torch.ones(2, 3).long()) | x.scatter_reduce(1, L([0, 0]), torch.ones(2, 3), 'sum')
x.scatter_reduce(1, L([0, 0]), torch.ones(2, 3), 'mean', include_self=False)
x.scatter_reduce(1, L([0, 0]), torch.ones(2, 3), 'foo')
x.long().scatter_reduce(1, L([0, 0]), torch.ones(2, 3).long() * 2, 'mean')
x.bool().scatter_reduce(1, L([0, 0]), torch.ones(2, 3).bool(), 'amax') | x.clone().scatter_(1, L([0, 1]), 7)
x.clone().index_fill_(0, L(1), 3) | x.clone().scatter_add_(0, L([0, 0, 1]), torch.ones(1, 3))
x.clone().index_add_(0, L(1, 1), torch.ones(2, 3)) | x.clone().index_copy_(0, L(1), x[:1])
torch.gather(x, 1, L([0, 1]), out=torch.empty(0)) | torch.gather(x, 1, L([0, 1]), out=torch.empty(0).double())
x.clone().scatter_reduce_(0, L([1, 1, 1]), x + 1, 'prod') | x.clone().index_reduce_(0, L(1, 1), x + 1, 'amax')
x.masked_scatter(m, torch.arange(3.)) | x.index_put((), torch.tensor(1.)) | x.index_put([], torch.ones(1), True)
x.index_put((L(0),), 1.) | torch.ops.aten.index_put(x, [None, L(0)], torch.tensor(9.)) | torch.ops.aten.index.Tensor(x, [])
torch.ops.aten.index_put_(x, [None, m], torch.tensor(9.)) | torch.unravel_index(torch.tensor(.5), (2, 2)) | torch.unravel_index(L(), 2)
torch.unravel_index(L(1), torch.tensor([1, 2])) | torch.unravel_index(L(1), (1, 2.)) | torch.unravel_index(L(5, -1), (2, 3))
x.index_reduce(0, L(0, 1), x[:, :2], 'amax') | torch.tensor(1.).index_add(0, torch.tensor(0), torch.ones(1))
x.index_add(0, L(0, 1), x, alpha=1j) | torch.index_select(x, 0, L(0), out=torch.empty(0).double())"""


def outcome(library, code):
    scope = {"torch": library, "x": library.arange(6.0).reshape(2, 3), "m": library.tensor([True, False, True])}
    scope["L"] = lambda *items: library.tensor(items)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = eval(code, scope)
            return [r.clone() for r in oracle.flatten(result)]
        except Exception as error:  # noqa: BLE001 (its class is what is compared)
            return error


def compare(code):
    ours, theirs = outcome(kuai, code), outcome(torch, code)
    if not isinstance(theirs, Exception):
        assert not isinstance(ours, Exception), f"{code}: {ours!r}"
        oracle.assert_same(ours, theirs, code)
        return
    if not isinstance(ours, Exception):
        with pytest.raises(type(theirs)):
            ours[0].tolist()
    else:
        assert isinstance(ours, type(theirs)), f"{code}: {ours!r} for {theirs!r}"


@pytest.mark.parametrize("code", oracle.cases(CASES))
def test_as_pytorch(code):
    compare(code)


def test_xla(compiled):
    for code in oracle.cases(CASES)[::2]:
        if not isinstance(outcome(torch, code), Exception):  # XLA clamps what is out of bounds and not known before
            compare(code)


# ---- gradients -----------------------------------------------------------------------------------------------------

INDEX = [[0, 1, 1], [2, 0, 0]]
REDUCTIONS = [(r, s) for r in ("sum", "prod", "mean", "amax", "amin") for s in (True, False)]
DIFFERENTIABLE = {
    "gather": lambda t, x, y, i: t.gather(x, 1, i),
    "scatter": lambda t, x, y, i: t.scatter(x, 0, i[:1] // 2, y[1:, :3]),
    "scatter_add": lambda t, x, y, i: t.scatter_add(x, 1, i, y[:, :3]) ** 2,
    "index_select": lambda t, x, y, i: t.index_select(x, 1, i[1]) ** 2,
    "index_add": lambda t, x, y, i: t.index_add(x, 1, i[1], y[:, :3], alpha=2) ** 2,
    "index_copy": lambda t, x, y, i: t.index_copy(x, 1, i[1][:2], y[:, :2]) ** 2,
    "index_put": lambda t, x, y, i: t.index_put(x, (i[1, :2] // 2, i[0, :2]), y[0, :2]) ** 2,
    "masked_select": lambda t, x, y, i: t.masked_select(x, x > 0) ** 2,
    "masked_fill": lambda t, x, y, i: t.masked_fill(x, x > 0, y[0, 0]) ** 2,
    "masked_scatter": lambda t, x, y, i: t.masked_scatter(x, x > 0, y) ** 2,
    "take": lambda t, x, y, i: t.take(x, i) ** 2,
    "put": lambda t, x, y, i: x.put(i[0], y[0, :3], accumulate=True) ** 2,
    "take_along_dim": lambda t, x, y, i: t.take_along_dim(x, i[:1], 1) ** 2,
    "index_fill": lambda t, x, y, i: t.index_fill(x, 1, i[0], y[0, 0]) ** 2,
}


def operands(double=torch.float64):
    torch.manual_seed(0)
    theirs = [torch.randn(2, 4, dtype=double, requires_grad=True) for _ in range(2)]
    return theirs, [oracle.to_kuai(t) for t in theirs]


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients(name):
    fn, (theirs, ours) = DIFFERENTIABLE[name], operands()
    made, expected = fn(kuai, *ours, kuai.tensor(INDEX)), fn(torch, *theirs, torch.tensor(INDEX))
    oracle.assert_same(made, expected)
    oracle.assert_same_gradients(made, expected, list(zip(theirs, ours)))
    assert kuai.autograd.gradgradcheck(lambda x, y: fn(kuai, x, y, kuai.tensor(INDEX)), tuple(ours))


@pytest.mark.parametrize("reduce, include_self", REDUCTIONS)
def test_gradients_of_reductions(reduce, include_self):
    theirs, ours = operands()
    if include_self or reduce == "prod":  # left out, an element that ties gets a share in PyTorch all the same
        for t, mine in zip(theirs, ours):
            t.data[0, 0] = t.data[1, 2] = mine.data[0, 0] = mine.data[1, 2] = 0  # products have a way of their own there

    def run(library, x, y):
        return library.scatter_reduce(x, 1, library.tensor(INDEX), y[:, :3], reduce, include_self=include_self)

    made, expected = run(kuai, *ours), run(torch, *theirs)
    oracle.assert_same(made, expected)
    oracle.assert_same_gradients(made, expected, list(zip(theirs, ours)))


@pytest.mark.parametrize("reduce, include_self", REDUCTIONS)
def test_second_derivatives_of_reductions(reduce, include_self):
    ours = operands()[1]
    fn = lambda x, y: kuai.scatter_reduce(x, 1, kuai.tensor(INDEX), y[:, :3], reduce, include_self=include_self)  # noqa: E731
    assert kuai.autograd.gradgradcheck(fn, tuple(ours))


# ---- sums at indices -----------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 30),
    st.integers(1, 5),
    st.integers(1, 40),
    st.sampled_from(["float32", "int32", "complex64", "bfloat16", "bool"]),
)
def test_sums_of_rows(count, rows, width, dtype):
    index = torch.randint(0, rows, (count,))
    source = torch.randint(0, 5, (count, width)).to(getattr(torch, dtype))
    theirs = torch.zeros(rows, width, dtype=source.dtype).index_add(0, index, source)
    ours = oracle.to_kuai(torch.zeros(rows, width, dtype=source.dtype)).index_add(
        0, oracle.to_kuai(index), oracle.to_kuai(source)
    )
    oracle.assert_same(ours, theirs)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "int64", "float16", "bfloat16", "float64", "complex64"])
def test_dtypes(dtype):
    theirs = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype))
    ours, places = oracle.to_kuai(theirs), [[0, 0, 1]]
    oracle.assert_same(ours.gather(1, kuai.tensor(places)), theirs.gather(1, torch.tensor(places)))
    oracle.assert_same(ours.scatter_add(1, kuai.tensor(places), ours), theirs.scatter_add(1, torch.tensor(places), theirs))
    oracle.assert_same(ours.take(kuai.tensor([1, -1])), theirs.take(torch.tensor([1, -1])))


def test_an_index_computed_later_is_checked_when_it_runs():
    later = kuai.tensor([[0]]) - 1
    with pytest.raises(RuntimeError, match="index -1 is out of bounds for dimension 1 with size 3"):
        kuai.zeros(2, 3).gather(1, later).tolist()
