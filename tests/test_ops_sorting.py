"""Order against PyTorch: sort, topk, medians, modes, unique, search in sorted sequences; both engines alike."""

import numpy as np
import pytest

import kuai
from tests import oracle
from tests.test_ops_reduction import compare

torch = oracle.torch

SORTS = """n.sort() | n.sort(descending=True) | n.sort(stable=True, descending=True) | torch.sort(n, 0, True)
torch.sort(n, stable=True) | torch.sort(n, dim=0, descending=False, stable=False) | n.argsort() | n.argsort(0, True)
n.argsort(stable=True) | z.sort() | z.sort(1) | c.sort() | b.sort() | e.sort(0) | e.sort(1) | n.msort() | z.msort()
x.msort() | x.sort(0) | x.sort(axis=0) | u.sort(1, True) | x.half().sort() | x.bfloat16().sort(0) | i.argsort(0)
z.argsort() | x.sort(2) | torch.sort(x).values | torch.sort(x)[1] | x.argsort(5) | n.topk(2) | n.topk(6) | n.topk(7)
n.topk(0) | z.topk(1) | z.topk(0) | z.topk(2) | x.topk(2, 0) | x.topk(-1) | c.topk(1) | b.topk(1) | n.topk(3, sorted=False)
x.topk(2) | x.topk(2, largest=False) | x.topk(1, dim=-1, largest=True, sorted=True) | x.topk(k=1, dim=5)
torch.topk(i, 3, axis=0) | e.topk(0, 0) | e.topk(2, 1) | x.half().topk(2)"""

RANKS = """n.kthvalue(1) | n.kthvalue(2) | n.kthvalue(5) | n.kthvalue(7) | n.kthvalue(0) | z.kthvalue(1) | b.kthvalue(1)
x.kthvalue(1, 0, True) | e.kthvalue(1, 0) | e.kthvalue(1, 1) | x.kthvalue(3, 1) | x.kthvalue(2, dim=5) | u.kthvalue(2, 0)
z.kthvalue(2) | n.median() | x.median() | x.median(0) | e.median() | e.median(0) | e.median(1) | z.median(0) | b.median()
c.median() | n.median(0) | n.nanmedian() | n.nanmedian(0) | (n * nan).nanmedian() | (n * nan).nanmedian(0).values
T([3, 1, 2, 2]).median() | i.median(1, True) | T([3, 1, 2, 2]).median(0) | x.median(axis=1) | x.half().median()
T([2, 2, 1, 1, 3]).mode() | z.mode() | e.mode() | e.mode(0) | T([1, 2, 2, 1, 1]).mode(0, True) | c.mode()
(n * nan)[:1].mode() | x.mode(1).values | b.mode(0).values | n.mode().values | x.mode(5)"""

UNIQUE = """T([3, 1, 3, 2]).unique() | T([3, 1, 3, 2]).unique(sorted=False) | T([3, 1, 3, 2]).unique(return_inverse=True)
T([3, 1, 3, 2]).unique(return_inverse=True, return_counts=True) | torch.unique(T([3, 1, 3, 2]), return_counts=True)
n.unique() | n.unique(return_counts=True, return_inverse=True) | z.unique() | z.unique(dim=0) | e.unique() | e.unique(dim=0)
e.unique(dim=1) | T([[1, 2], [1, 2], [0, 5]]).unique(dim=0)
T([[1, 2], [1, 2], [0, 5]]).unique(dim=0, return_inverse=True, return_counts=True)
T([[1, 2], [1, 2], [0, 5]]).unique(dim=1) | T([[1, 2], [1, 2], [0, 5]]).unique(return_inverse=True) | c.unique()
b.unique() | x.half().unique() | i.unique(True, True, True, 0) | i.unique(dim=2) | T([[nan, 1.], [nan, 1.]]).unique(dim=0)
T([1, 1, 2, 2, 1]).unique_consecutive() | T([1, 1, 2, 2, 1]).unique_consecutive(return_inverse=True, return_counts=True)
T([[1, 1], [1, 1], [2, 1]]).unique_consecutive(dim=0, return_inverse=True, return_counts=True) | n.unique_consecutive()
T([[1, 1], [1, 1], [2, 1]]).unique_consecutive(return_inverse=True) | e.unique_consecutive()
z.unique_consecutive(return_counts=True) | T([nan, nan]).unique_consecutive()"""

SEARCHES = """torch.searchsorted(s, T([3., nan, 6.])) | torch.searchsorted(s, 3) | torch.searchsorted(s, 3., right=True)
torch.searchsorted(s, x) | torch.searchsorted(x.sort(1)[0], x) | torch.searchsorted(x.sort(1)[0], x, right=True)
torch.searchsorted(x.sort(1)[0], x[:1]) | torch.searchsorted(x, 3.) | torch.searchsorted(s, i)
torch.searchsorted(s, z, side='right') | torch.searchsorted(s, z, side='left', right=True)
torch.searchsorted(s, z, side='x') | torch.searchsorted(s, z, out_int32=True)
torch.searchsorted(T([5., 1., 3.]), T([2.]), sorter=T([1, 2, 0]))
torch.searchsorted(T([5., 1., 3.]), T([2.]), sorter=T([1, 2]))
torch.searchsorted(T([5., 1., 3.]), T([2.]), sorter=T([1, 2, 5]))
torch.searchsorted(T([5., 1., 3.]), z, sorter=T([1., 2., 0.])) | torch.searchsorted(z, z)
torch.searchsorted(T([]), T([1.])) | torch.searchsorted(T([1., nan, nan]), T([1., 2., nan])) | torch.searchsorted(c, c)
torch.searchsorted(s, e) | torch.searchsorted(s, 2 * s) | torch.bucketize(T([1., 3., 6.]), s) | torch.bucketize(3, s)
torch.bucketize(x, x) | torch.bucketize(x, s, right=True, out_int32=True) | torch.bucketize(i, s)"""


@pytest.mark.parametrize("code", oracle.cases("\n".join((SORTS, RANKS, UNIQUE, SEARCHES))))
def test_as_pytorch(code):
    compare(code)


def samples():
    """Arrays with many ties, with nan and infinities, in several dtypes; also long ones."""
    rng = np.random.default_rng(0)
    ties = rng.integers(-3, 4, (3, 50))
    special = rng.choice(np.array([np.nan, -np.nan, np.inf, -np.inf, 0.0, 1.0, 2.0]), (3, 50))
    return {"ints": ties, "bytes": ties.astype(np.uint8), "special": special.astype(np.float32),
            "zeros": np.where(ties > 0, 0.0, -0.0).astype(np.float32), "long": rng.integers(0, 40, (2, 2000)).astype(float)}


CALLS = {
    "sort": lambda x: x.sort(1), "sort_down": lambda x: x.sort(1, True), "sort_0": lambda x: x.sort(0),
    "topk": lambda x: x.topk(3), "topk_least": lambda x: x.topk(3, largest=False), "topk_0": lambda x: x.topk(2, 0),
    "kthvalue": lambda x: x.kthvalue(7), "median": lambda x: x.median(1), "nanmedian": lambda x: x.nanmedian(1),
    "mode": lambda x: x.mode(1), "median_all": lambda x: x.median(), "cummax": lambda x: x.cummax(1),
    "search": lambda x: kuai.searchsorted(x.sort(1)[0], x[:, :9], right=True), "argmax": lambda x: x.argmax(1),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_engines_agree_on_ties_and_nan(call):
    pytest.importorskip("jax")
    made = []
    for engine in ("numpy", "xla"):
        kuai.set_engine(engine)
        try:
            found = oracle.flatten([CALLS[call](kuai.from_numpy(a.copy())) for a in samples().values()])
            made.append([t._array() for t in found])  # one program for all
        finally:
            kuai.set_engine("auto")
    for i, (a, b) in enumerate(zip(*made)):
        assert a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f"), i


@pytest.mark.parametrize("name", ["ints", "bytes", "special", "long"])
def test_stable_sort_is_pytorchs(name):
    array = samples()[name]
    x, t = kuai.from_numpy(array.copy()), torch.from_numpy(array)
    for dim in (0, 1):
        for descending in (False, True):
            oracle.assert_same(x.sort(dim, descending, stable=True), t.sort(stable=True, dim=dim, descending=descending))


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("name", ["ints", "bytes", "special", "long"])
def test_topk_gives_pytorchs_values_and_the_first_of_equals(name, largest):
    array = samples()[name]
    x, t = kuai.from_numpy(array.copy()), torch.from_numpy(array)
    for k in (1, 3, array.shape[1]):
        values, indices = x.topk(k, largest=largest)
        oracle.assert_same(values, t.topk(k, largest=largest).values)
        oracle.assert_same(indices, t.sort(stable=True, descending=largest).indices[:, :k])


DERIVATIVES = """x.sort(1)[0] | x.sort(0, True)[0] | x.topk(2, 1)[0] | x.topk(2, 0, largest=False)[0] | x.kthvalue(2, 1)[0]
x.median(0)[0] | x.median() | x.nanmedian() | x.mode(1)[0] | x.msort()"""


@pytest.mark.parametrize("code", oracle.cases(DERIVATIVES))
def test_derivatives(code):
    results = []
    for library in (kuai, torch):
        x = library.tensor([[0.3, -1.2, 0.8], [1.5, 0.4, -0.7]], dtype=library.float64, requires_grad=True)
        made = eval(code, {"x": x})
        (first,) = library.autograd.grad((made**3).sum(), x, create_graph=True)
        (second,) = library.autograd.grad((first * first).sum(), x)
        results.append([first.detach(), second])
    oracle.assert_same(*results)


def test_return_type():
    made = kuai.topk(kuai.tensor([1.0, 4.0, 2.0]), 1)
    assert repr(made) == "torch.return_types.topk(\nvalues=tensor([4.]),\nindices=tensor([1]))"
