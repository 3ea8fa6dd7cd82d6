"""Compressed sparse tensors: CSR, CSC and those of blocks, beside PyTorch's."""

import pytest

import kuai
from tests import oracle, twins

torch = oracle.torch

HEAD = """
T = torch.tensor
d, b = T([[0., 1, 0, 2], [3, 0, 0, 4]]), torch.arange(8.).reshape(4, 2)
csr, csc, bsr, bsc = d.to_sparse_csr(), d.to_sparse_csc(), d.to_sparse_bsr((1, 2)), d.to_sparse_bsc((2, 2))
coo = d.to_sparse()
S = torch.sparse_csr_tensor
S([0, 1], [1], [2.])  # PyTorch warns at the first one
"""


def each(calls, names=("csr",)):
    lines = [f"attempt(lambda x={n}: ({call.strip()}))\n" for n in names for call in calls.strip().splitlines()]
    return HEAD + "".join(lines)


def test_made_and_printed():
    twins.check(each("""
        S(T([0, 2, 4]), T([0, 1, 0, 1]), T([1., 2., 3., 4.]))
        S([0, 1], [1], [2.], (1, 3), dtype=torch.float64)
        S(T([0, 1], dtype=torch.int32), T([1], dtype=torch.int32), T([2.]), (1, 3), requires_grad=True)
        S(crow_indices=T([0, 1]), col_indices=T([1]), values=T([2.]), size=(1, 3))
        torch.sparse_csc_tensor(T([0, 2, 4]), T([0, 1, 0, 1]), T([1., 2., 3., 4.]))
        torch.sparse_bsr_tensor(T([0, 1, 2]), T([0, 1]), torch.arange(8.).reshape(2, 2, 2))
        torch.sparse_bsc_tensor(T([0, 1, 2]), T([0, 1]), torch.arange(8.).reshape(2, 2, 2), (4, 4))
        torch.sparse_compressed_tensor(T([0, 2, 4]), T([0, 1, 0, 1]), T([1., 2., 3., 4.]), layout=torch.sparse_csr)
        S([0, 1], [3], [2.], (1, 3))._nnz()
        torch.stack([d, d]).to_sparse_csr(), torch.stack([d, d]).to_sparse_csr().to_dense()
        torch.ones(2, 2, 3).to_sparse_csr(dense_dim=1)
        torch.zeros(2, 3, layout=torch.sparse_csr)
        d.to_sparse(layout=torch.sparse_csr), d.to_sparse(layout=torch.sparse_bsc, blocksize=(1, 2))
        coo.to_sparse_csr(), coo.to_sparse_csc(), coo.to_sparse_bsr((1, 2)), coo.to_sparse_bsc((2, 1))
    """))  # fmt: skip


REFUSED = """
    S([0, 1], [3], [2.], (1, 3), check_invariants=True)
    S([0, 2], [1], [2.], (1, 3), check_invariants=True)
    S([1, 1], [1], [2.], (1, 3), check_invariants=True)
    S([0, 1], [1], [2., 3.], (1, 3), check_invariants=True)
    S([0, 1], [1], [2.], (2, 3), check_invariants=True)
    S([0, 2], [1, 1], [2., 3.], (1, 3), check_invariants=True)
    S([0, 2], [2, 1], [2., 3.], (1, 3), check_invariants=True)
    torch.sparse_compressed_tensor(T([0, 2, 4]), T([0, 1, 0, 1]), T([1., 2., 3., 4.]))
    torch.stack([d, torch.ones(2, 4)]).to_sparse_csr()
    d.to_sparse_bsr((3, 3))
    d.to_sparse(layout=torch.sparse_bsr)
    torch.zeros(2, 4, layout=torch.sparse_bsr)
    d.crow_indices()
    coo.crow_indices()
    csr.ccol_indices()
    csc.crow_indices()
    csr.indices()
    csr.coalesce()
    csr._indices()
    csr.numpy()
    csr.to_sparse(1)
    csr.to_dense(torch.float64)
    csr.sum(0)
    csc.sum(1, keepdim=True)
    csr.mean()
    csr + 1
    csr + csc
    csr.unsqueeze(0)
    torch.sparse.mm(csr, b, "foo")
    torch.sparse.mm(csr, b, "prod")
    torch.sparse.mm(coo, b, "mean")
    torch.sparse.mm(csr, b.double(), "mean")
    torch.sparse.mm(csr, b.t(), "mean")
    torch.sparse.sampled_addmm(coo, torch.ones(2, 3), torch.ones(3, 4))
    torch.sparse.sampled_addmm(csc, torch.ones(2, 3), torch.ones(3, 4))
    torch.sparse.sampled_addmm(csr, torch.ones(2, 2), torch.ones(3, 4))
    torch.sparse.sampled_addmm(csr, torch.ones(3, 2), torch.ones(2, 4))
    torch.sparse.sampled_addmm(csr, torch.ones(2, 2).double(), torch.ones(2, 4))
"""


@pytest.mark.parametrize("call", REFUSED.strip().splitlines())
def test_errors(call):
    scopes = [{"torch": kuai}, {"torch": torch}]
    for scope in scopes:
        exec(HEAD, scope)  # noqa: S102 (the test's own text)
    oracle.assert_same_error(*[lambda scope=scope: eval(call.strip(), scope) for scope in scopes])  # noqa: S307


def test_every_layout():
    """What PyTorch has of all four."""
    twins.check(each("""
        x, x.layout, x.is_sparse, x.is_sparse_csr, x._nnz(), x.sparse_dim(), x.dense_dim(), x.values(), len(x)
        x.to_dense(), x.clone(), x.detach(), x.double(), x.to(torch.int32), -x, x * 2, x.abs(), x.relu(), x.sin(), x + x
        x.t(), x.transpose(0, 1), x.sum(), x.clone().mul_(2), x.clone().copy_(x * 2), d.sparse_mask(x)
        torch.zeros_like(x), torch.zeros_like(x, layout=torch.sparse_coo)
    """, ("csr", "csc", "bsr", "bsc")))  # fmt: skip


def test_by_rows_and_by_columns():
    twins.check(each("""
        x.to_sparse(), x.to_sparse_coo(), x.to_sparse_csr(), x.to_sparse_csc(), x.to_sparse_bsr((1, 2)), x.to_sparse_bsc((1, 2))
        x @ b, torch.mm(x, b), x @ b[:, 0], torch.sparse.mm(x, b), b.t()[:, :2] @ x, torch.addmm(torch.ones(2, 2), x, b, beta=2)
        x + d, d + x, x[0], x[0, 1], x.select(1, 1), x.clone().zero_(), x.t() @ torch.ones(2, 2)
        (x @ x.to_dense().t().to_sparse(layout=x.layout)).to_dense()
    """, ("csr", "csc")))  # fmt: skip
    twins.check(each("""
        x * d, x * x, x.sum(1, keepdim=True), x.sum((0, 1), keepdim=True), x.crow_indices(), x.col_indices()
        [torch.sparse.mm(x, b, how) for how in ("sum", "mean", "amax", "amin")]
        torch.sparse.sampled_addmm(x, torch.ones(2, 3), torch.ones(3, 4), beta=2.0, alpha=0.5)
        F.linear(b.t(), x)
    """, ("csr",)))  # fmt: skip


CALLS = {
    "@": lambda t, x, w: (x @ w) ** 2,
    "sparse.mm": lambda t, x, w: t.sparse.mm(x, w) ** 2,
    "mv": lambda t, x, w: x @ w[:, 0],
    "to_dense": lambda t, x, w: x.to_dense() * w.t(),
    "values": lambda t, x, w: x.values() ** 2,
    "scaled": lambda t, x, w: (-x * 3).to_dense(),
    "sum": lambda t, x, w: x.sum(),
    "to_sparse_coo": lambda t, x, w: x.to_sparse_coo().to_dense() * w.t(),
    "addmm": lambda t, x, w: t.addmm(t.ones(2, 2, dtype=t.float64), x, w),
    "linear": lambda t, x, w: t.nn.functional.linear(w.t(), x),
    "t": lambda t, x, w: x.t().to_dense() * w,
    "mean": lambda t, x, w: t.sparse.mm(x, w, "mean") ** 2,
    "amax": lambda t, x, w: t.sparse.mm(x, w, "amax") ** 2,
    "amin": lambda t, x, w: t.sparse.mm(x, w, "amin") ** 2,
    "sampled": lambda t, x, w: t.sparse.sampled_addmm(x, w.t(), t.ones(4, 4, dtype=t.float64)).to_dense() ** 2,
}


@pytest.mark.parametrize("engine", ["numpy", "xla"])
@pytest.mark.parametrize("name", CALLS)
def test_gradients(name, engine):
    """Values, and the gradients' layouts, places and values."""
    if engine == "xla":
        pytest.importorskip("jax")
    kuai.synchronize()
    kuai.set_engine(engine)
    found = []
    for t in (kuai, torch):
        values = t.tensor([1.0, 2.0, 3.0, 4.0], dtype=t.float64)
        x = t.sparse_csr_tensor(t.tensor([0, 2, 4]), t.tensor([1, 3, 0, 3]), values, (2, 4)).requires_grad_()
        w = t.arange(8, dtype=t.float64).reshape(4, 2).sub(3).requires_grad_()
        y = CALLS[name](t, x, w)
        y.sum().backward()
        found.append([y, x.grad, w.grad])
    kuai.synchronize()
    kuai.set_engine("auto")
    for ours, theirs, what in zip(*found, ("result", "gradient", "dense gradient"), strict=True):
        assert (ours is None) == (theirs is None), what
        if theirs is not None:
            oracle.assert_same(ours, theirs, what)


INDICES = {
    "begins": lambda t: t._convert_indices_from_coo_to_csr(t.tensor([0, 0, 2, 3]), 5),
    "begins, int32": lambda t: t._convert_indices_from_coo_to_csr(t.tensor([0, 0, 2], dtype=t.int32), 3, out_int32=True),
    "begins of none": lambda t: t._convert_indices_from_coo_to_csr(t.tensor([], dtype=t.int64), 3),
    "begins, one": lambda t: t._convert_indices_from_coo_to_csr(t.tensor(1), 3, out=t.empty(4, dtype=t.int64)),
    "rows": lambda t: t._convert_indices_from_csr_to_coo(t.tensor([0, 2, 2, 3]), t.tensor([0, 1, 1])),
    "rows, int32": lambda t: t._convert_indices_from_csr_to_coo(t.tensor([0, 2, 3]), t.tensor([0, 1, 1]), out_int32=True),
    "rows of none": lambda t: t._convert_indices_from_csr_to_coo(t.tensor([0]), t.tensor([], dtype=t.int64)),
    "rows of a batch": lambda t: t._convert_indices_from_csr_to_coo(
        t.tensor([[0, 2, 3], [0, 1, 3]]), t.tensor([[0, 1, 1], [0, 0, 1]]), transpose=True),
    "rows of batches": lambda t: t._convert_indices_from_csr_to_coo(
        t.tensor([[[0, 1], [0, 1]]] * 3), t.tensor([[[1], [0]]] * 3)),
}  # fmt: skip
REFUSED = {
    "begins, matrix": lambda t: t._convert_indices_from_coo_to_csr(t.tensor([[0, 1], [1, 2]]), 3),
    "begins, out": lambda t: t._convert_indices_from_coo_to_csr(t.tensor([0, 1]), 2, out=t.empty(0, dtype=t.int32)),
    "rows, dimensions": lambda t: t._convert_indices_from_csr_to_coo(t.tensor([[0, 2, 3]] * 2), t.tensor([0, 1])),
}  # fmt: skip


@pytest.mark.parametrize("name", INDICES)
def test_indices(name):
    oracle.assert_same(INDICES[name](kuai), INDICES[name](torch), name)


@pytest.mark.parametrize("name", REFUSED)
def test_indices_that_are_refused(name):
    oracle.assert_same_error(lambda: REFUSED[name](kuai), lambda: REFUSED[name](torch))
