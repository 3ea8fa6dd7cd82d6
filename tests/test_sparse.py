"""Sparse tensors in coordinates: made, printed, computed with and differentiated as PyTorch does."""

import copy
import io
import pickle
import warnings

import numpy as np
import pytest

import kuai
from tests import both, oracle, twins

torch = oracle.torch

HEAD = """
torch.sparse_coo_tensor([[0]], [1.0], (1,))  # PyTorch warns at the first one
T, C = torch.tensor, torch.sparse_coo_tensor
i, v = T([[1, 0, 1], [2, 2, 2]]), T([3., 4., 5.])
s, d = C(i, v, (2, 3)), torch.arange(6.).reshape(2, 3)
c = s.coalesce()
h = C(T([[0, 1]]), T([[1., 2.], [3., 4.]]), (2, 2))
s @ s.t()  # and at the first product of two
"""


def each(calls):
    """A program that tries one call after the other and prints what becomes of it."""
    return HEAD + "".join(f"attempt(lambda: ({call.strip()}))\n" for call in calls.strip().splitlines())


def refused(calls):
    """Each call raises an error of PyTorch's class."""
    scopes = []
    for t in (kuai, torch):
        scopes.append({"torch": t})
        exec(HEAD, scopes[-1])  # noqa: S102 (the test's own text)
    for call in calls.strip().splitlines():
        tries = [lambda scope=scope, call=call: eval(call.strip(), scope) for scope in scopes]  # noqa: S307
        with warnings.catch_warnings(action="ignore"):
            oracle.assert_same_error(*tries)


@pytest.fixture(params=["numpy", "xla"])
def engine(request):
    if request.param == "xla":
        pytest.importorskip("jax")
    kuai.synchronize()
    kuai.set_engine(request.param)
    yield request.param
    kuai.synchronize()
    kuai.set_engine("auto")


def test_made_and_printed():
    twins.check(each("""
        C(i, v)
        C([[0, 1], [1, 0]], [1, 2], (2, 2))
        C(T([[0., 1.], [1., 0.]]), v[:2], (2, 2))
        C(i.int(), v, (2, 3))._indices().dtype
        C((2, 3))
        C(size=(2, 3), dtype=torch.float64)
        C(i, v, (2, 3), dtype=torch.float64)
        C(i, v.double(), (2, 3), requires_grad=True)
        h
        C(i, v, (2, 3), is_coalesced=True).is_coalesced()
        C(torch.zeros(2, 0, dtype=torch.long), torch.zeros(0))
        C(torch.zeros(0, 1, dtype=torch.long), T([3.]), ())
        C(torch.zeros(0, 2, dtype=torch.long), T([3., 4.]), ()).to_dense()
        C(T([[0]]), T(3.), (2,))
        C(torch.arange(40).reshape(1, 40), torch.arange(40.), (50,))
        C(T([[0]]), T([1 + 2j]), (2,))
        C(T([[0]]), T([True]), (2,))
        d.to_sparse()
        d.to_sparse(1)
        d.to_sparse(layout=torch.sparse_coo)
        d.gt(2).to_sparse()
        T(3.).to_sparse()
        torch.zeros(2, 3, layout=torch.sparse_coo)
        torch.empty(2, 3, layout=torch.sparse_coo)
        torch.zeros_like(s)
        torch.empty_like(s)
        torch.zeros_like(s, layout=torch.strided)
        s.new_zeros(2)
    """))  # fmt: skip


def test_what_it_says_of_itself():
    twins.check(each("""
        (s.is_sparse, s.layout, s.is_sparse_csr, d.is_sparse, s.type(), s.shape, s.dtype, s.device, s.dim(), s.numel(), len(s))
        (s.sparse_dim(), s.dense_dim(), s._nnz(), s.is_coalesced(), s._dimI(), s._dimV(), d.sparse_dim(), d.dense_dim())
        (h.sparse_dim(), h.dense_dim(), h._nnz(), h.is_coalesced(), h.t)
        (c.indices(), c.values(), s._indices(), s._values())
        (s + s).is_coalesced()
        c.t().is_coalesced()
        (c is c.coalesce(), s.is_contiguous(), s.requires_grad, s.is_leaf, s.element_size())
        c.requires_grad_().values()
        s.to_dense(), d.to_dense(torch.float64), d.to_dense() is d, h.to_dense()
    """.replace(", h.t)", ")")))  # fmt: skip


def test_errors_of_making():
    refused("""
        C(T([0, 1]), v[:2])
        C(T([0, 1]), v[:2], (2,))
        C(T(0), v[:1], (2,))
        C(i, v[:2], (2, 3))
        C(i, v, (2, 3, 4))
        C(i, v, (2, 2), check_invariants=True)
        C(T([[-1]]), v[:1], (2,), check_invariants=True)
        C(T([[-1]]), v[:1])
        C(i, v, (-2, 2))
        C(T([[0, 1]]), T([[1., 2.], [3., 4.]]), (2, 3))
        C(i, v, (2, 3), is_coalesced=True, check_invariants=True)
        C(s, v)
        C(i)
        s.to_dense(torch.float64)
        d.to_sparse(3)
        d.to_sparse(0)
        d.to_sparse(1, layout=torch.sparse_coo)
        s.to_sparse(1)
        s.indices()
        s.values()
        d.indices()
        d.values()
        d._indices()
        d._nnz()
        d.coalesce()
        d.is_coalesced()
        torch.ones_like(s)
        torch.ones(2, 3, layout=torch.sparse_coo)
    """)


def test_invariants_are_checked_where_that_is_asked_for():
    twins.check(HEAD + """
check = torch.sparse.check_sparse_tensor_invariants
print(check.is_enabled())
with check():
    print(check.is_enabled())
    attempt(lambda: C(i, v, (2, 2)))
    with check(enable=False):
        attempt(lambda: C(i, v, (2, 2))._nnz())
print(check.is_enabled())
attempt(check()(lambda: C(i, v, (2, 2))))
check.enable(); print(check.is_enabled()); check.disable()
""")  # fmt: skip


def test_arithmetic():
    twins.check(each("""
        -s, +s, s * 2, s / 2, 2 * s, s * T(2.), T(2.) * s, s / T(2.), s // 2, s ** 2, s ** 0.5, s ** -1
        C(i, T([1, 2, 3]), (2, 3)) / 2, C(i, T([1, 2, 3]), (2, 3)) * 2.5
        torch.div(s, 2, rounding_mode="trunc")
        s + s, c + c, s - s
        c + C(T([[0, 1], [0, 2]]), T([7., 8.]), (2, 3))
        c.add(C(T([[0, 1], [0, 2]]), T([7., 8.]), (2, 3)), alpha=3)
        (s + C(T([[0], [0]]), T([7.]), (2, 3))).coalesce()
        d + s, d - s, torch.add(d, s, alpha=2), d.double() + s, (s.double() + c).coalesce()
        h + h, h * h, h * 3, h.to_dense() + h
        s * d, d * s, s * torch.ones(3), s * torch.ones(2, 1), h * torch.ones(2)
        s * s, c * c, c * C(T([[0, 1], [0, 2]]), T([7., 8.]), (2, 3)), s * C(T([[0], [0]]), T([7.]), (2, 3))
        [getattr(c, f)() for f in "abs asin asinh atan ceil deg2rad erf expm1 floor frac log1p neg rad2deg".split()]
        [getattr(c / 9, f)() for f in "relu round sgn sign sin sinh sqrt tan tanh trunc erfinv atanh nan_to_num".split()]
        [getattr(s, f)() for f in "isnan isinf isneginf isposinf signbit sqrt".split()]
        s.norm(), s.norm(1), torch.any(s)
    """))  # fmt: skip


def test_errors_of_arithmetic():
    refused("""
        s + d
        s + 1
        1 + s
        s - 1
        s / s
        s / d
        s ** 0
        2 ** s
        2 / s
        s % 2
        s == s
        s > 0
        s + C(T([[0], [0]]), T([1.]), (3, 3))
        s + h
        torch.ones(3) + s
        s * C(T([[2]]), T([2.]), (3,))
        s.exp()
        s.cos()
        s.mean()
        s.max()
        s.prod()
        s.sort()
        s.argmax()
        s.cumsum(0)
        s.norm(2, 0)
        bool(s)
        s.numpy()
        s.item()
        s.nbytes
        s.storage()
        torch.equal(s, s)
        torch.allclose(s, s)
    """)


def test_in_place():
    twins.check(each("""
        s.clone().add_(s), s.clone().mul_(2), s.clone().mul_(d), s.clone().div_(2), s.clone().neg_(), c.clone().sqrt_()
        d.clone().add_(s)
        s.clone().zero_()
        s.clone().copy_(C(T([[0], [0]]), T([7.]), (2, 3)))
        s.clone().sparse_resize_((3, 4), 2, 0)
        s.clone().sparse_resize_and_clear_((3, 4), 1, 1)
        s.clone().resize_as_sparse_(C((3, 4)))
    """))  # fmt: skip


def test_errors_in_place():
    refused("""
        s.clone().sparse_resize_((1, 4), 2, 0)
        s.clone().sparse_resize_((3, 4, 5), 3, 0)
        s.clone().sparse_resize_((3, 4, 5), 2, 1)
        s.clone().sparse_resize_((3, 4), 1, 0)
        d.clone().sparse_resize_((3, 4), 2, 0)
        s.clone().add_(d)
        s.clone().copy_(d)
        d.clone().copy_(s)
        s.clone().fill_(1)
    """)


def test_memory_is_shared_as_pytorchs_is():
    twins.check(HEAD + """
a = s.clone(); b = a.detach(); a.mul_(2); print(b.to_dense())
a = c.clone(); a.values().mul_(2); print(a.to_dense())
a = s.clone(); a._values().zero_(); print(a.to_dense(), a._nnz())
x = v.clone(); a = C(i, x, (2, 3)); a = a * 1; x.zero_(); print(a.to_dense())
""")  # fmt: skip


def test_dimensions():
    twins.check(each("""
        s.t(), s.transpose(0, 1), s.permute(1, 0), s.T, h.permute(0, 1), h.transpose(0, 0)
        C(T([[0, 1], [1, 0]]), torch.ones(2, 3, 4), (2, 2, 3, 4)).permute(1, 0, 3, 2)
        s.unsqueeze(0), s.unsqueeze(1), s.unsqueeze(-1), h.unsqueeze(1), h.unsqueeze(2)
        s[0], s[1], s[0, 2], s[None], s[-1, None], h[0], h[:, 1], s.select(1, 2), c.select(0, 1)
        [x for x in s], s.unbind(1)
        s.index_select(1, T([2, 0, 2])), c.index_select(0, T([1, 1])), h.index_select(1, T([1])), s.index_select(0, T([1, 0]))
        torch.cat([s, s]), torch.cat([s, s], 1), torch.cat([h, h], 1), torch.stack([s, s]), torch.hstack([s, s])
    """))  # fmt: skip


def test_errors_of_dimensions():
    refused("""
        torch.cat([s, d])
        torch.cat([s, C((2, 4))])
        torch.cat([h, C((2, 2))])
        h.permute(1, 0)
        h.t()
        s.permute(0)
        s.permute(0, 0)
        s[d > 0]
        s[T([0, 1])]
        s[2]
        s.reshape(3, 2)
        s.view(6)
        s.flatten()
        s.expand(2, 2, 3)
        s.flip(0)
        s.tril()
        s.diagonal()
        s.repeat(2, 1)
    """)


def test_sums_and_softmax():
    twins.check(each("""
        s.sum(), s.sum(0), s.sum(1), s.sum(0, keepdim=True), s.sum(-1), s.sum(dtype=torch.float64), h.sum(1), h.sum(0)
        torch.sparse.sum(s), torch.sparse.sum(s, 0), torch.sparse.sum(s, [0, 1]), torch.sparse.sum(s, dtype=torch.float64)
        torch.sparse.sum(h), torch.sparse.sum(h, 0), torch.sparse.sum(h, 1), torch.sparse.sum(h, (0, 1))
        torch.sparse.softmax(s, 1), torch.sparse.softmax(s, 0), torch.sparse.softmax(h, 1), torch.sparse.softmax(h, 0)
        torch.sparse.log_softmax(s, 1), torch.sparse.log_softmax(s, 0), torch.sparse.softmax(s, 1, dtype=torch.float64)
        torch.sparse.softmax(d, 1)
    """))  # fmt: skip


def test_products():
    twins.check(each("""
        s @ d.t(), torch.mm(s, d.t()), s.mm(d.t()), torch.sparse.mm(s, d.t()), torch.matmul(s, d.t()), d.t() @ s, s @ d[0]
        s.mv(d[0]), torch.addmm(torch.ones(2, 2), s, d.t(), beta=2, alpha=3), torch.sparse.addmm(torch.ones(2, 2), s, d.t())
        s @ s.t(), torch.sparse.mm(s, c.t()), torch.mm(c.t(), c)
        torch.smm(s, d.t()), torch.sspaddmm(C((2, 2)), s, d.t()), torch.hspmm(s, d.t())
        torch.bmm(torch.stack([s, s * 2]), torch.ones(2, 3, 2))
    """))  # fmt: skip


def test_errors_of_products():
    refused("""
        torch.sparse.mm(s, d)
        s @ d.t().double()
        s @ d
        h @ d
    """)


def test_masks():
    twins.check(each("""
        d.sparse_mask(s), s.sparse_mask(C(T([[0, 1], [0, 2]]), T([1., 1.]), (2, 3))), h.to_dense().sparse_mask(h)
        s.sparse_mask(s) is s
        d.sparse_mask(d)
        torch.ones(3, 3).sparse_mask(s)
    """))  # fmt: skip


# ---- derivatives -----------------------------------------------------------------------------------------------------

CALLS = {
    "to_dense": lambda t, x, d: x.to_dense(),
    "unmasked": lambda t, x, d: x.to_dense(masked_grad=False) * d,
    "values": lambda t, x, d: x.coalesce().values() ** 2,
    "sum": lambda t, x, d: x.sum() ** 2,
    "sparse.sum": lambda t, x, d: t.sparse.sum(x, 1).to_dense() ** 2,
    "scaled": lambda t, x, d: (-x * 3 / 2).to_dense() * d,
    "squared": lambda t, x, d: (x * x).to_dense(),
    "twice": lambda t, x, d: (x + x).to_dense() * d,
    "dense + sparse": lambda t, x, d: (d + x) ** 2,
    "dense * sparse": lambda t, x, d: (d * x).to_dense() ** 2,
    "power": lambda t, x, d: (x**3).to_dense(),
    "relu": lambda t, x, d: x.relu().to_dense() * d,
    "transposed": lambda t, x, d: x.t().to_dense() * d.t(),
    "@": lambda t, x, d: (x @ d.t()) ** 2,
    "dense @": lambda t, x, d: (d.t() @ x) ** 2,
    "sparse.mm": lambda t, x, d: t.sparse.mm(x, d.t()) ** 2,
    "addmm": lambda t, x, d: t.sparse.addmm(d @ d.t(), x, d.t(), beta=2, alpha=3),
    "mv": lambda t, x, d: x.mv(d[0]),
    "softmax": lambda t, x, d: t.sparse.softmax(x, 1).to_dense() * d,
    "log_softmax": lambda t, x, d: t.sparse.log_softmax(x, 1).to_dense() * d,
    "float32": lambda t, x, d: x.to(t.float32).to_dense() * d,
}


@pytest.mark.parametrize("coalesced", [True, False], ids=["coalesced", "uncoalesced"])
@pytest.mark.parametrize("name", CALLS)
def test_gradients(name, coalesced, engine):
    """Values, and the gradients' layouts, places and values, of the sparse and of the dense operand."""
    if name == "squared" and not coalesced:
        pytest.skip("PyTorch's gradient of an uncoalesced tensor's square is half of what it is")
    found = []
    for t in (kuai, torch):
        x = t.sparse_coo_tensor([[1, 0, 1, 0], [2, 2, 2, 0]], t.tensor([0.3, 0.4, 0.5, 0.6], dtype=t.float64), (2, 3))
        x = (x.coalesce() if coalesced else x).requires_grad_()
        d = t.arange(6, dtype=t.float64).reshape(2, 3).add(1).requires_grad_()
        y = CALLS[name](t, x, d)
        y.sum().backward()
        found.append([y, x.grad, d.grad if d.grad is None else d.grad.to_dense()])
    for ours, theirs, what in zip(*found, ("result", "gradient", "dense gradient"), strict=True):
        assert (ours is None) == (theirs is None), what
        if theirs is not None:
            oracle.assert_same(ours, theirs, what)


def test_values_through_a_sparse_tensor(engine):
    """A sparse tensor that was built from values hands them the cotangents; twice over too."""
    at = [[1, 0, 1], [2, 2, 0]]

    def call(t, v, d):
        i = t.tensor(at)
        x = t.sparse_coo_tensor(i, v, (2, 3))
        return t.sparse.mm(x, d) ** 2, t.sparse.softmax(x, 1).to_dense(), (x * x.t().t()).to_dense()

    both.compare(call, both.randn(3), both.randn(3, 4))


def test_second_derivatives():
    def call(t, v, d):
        return t.sparse.mm(t.sparse_coo_tensor(t.tensor([[0, 1], [1, 0]]), v, (2, 2)), d) ** 3

    ours = [kuai.tensor(x, dtype=kuai.float64, requires_grad=True) for x in ([1.0, 2.0], [[1.0, 2.0], [3.0, 4.0]])]
    assert kuai.autograd.gradcheck(lambda *xs: call(kuai, *xs), ours)
    assert kuai.autograd.gradgradcheck(lambda *xs: call(kuai, *xs), ours)


def test_dense_to_sparse_and_back(engine):
    both.compare(lambda t, x: (x * 2).to_sparse().to_dense() ** 2, both.randn(3, 4))
    both.compare(lambda t, x: (x**2).to_sparse(1).coalesce().values(), both.randn(3, 4))


# ---- kept and copied ---------------------------------------------------------------------------------------------------


def test_copies_and_pickles():
    x = kuai.sparse_coo_tensor([[1, 0], [2, 2]], [3.0, 4.0], (2, 3), requires_grad=True)
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x)), copy.copy(x)):
        assert y.requires_grad and y.layout is kuai.sparse_coo and repr(y) == repr(x)
    p = kuai.nn.Parameter(x.detach())
    assert type(copy.deepcopy(p)) is kuai.nn.Parameter and copy.deepcopy(p).is_sparse


def test_buffers():
    twins.check("""
m, n = nn.Module(), nn.Module()
m.register_buffer("adjacency", torch.eye(2).to_sparse())
n.register_buffer("adjacency", torch.zeros(2, 2).to_sparse())
print(n.load_state_dict(m.state_dict()), n.adjacency, m.double().adjacency)
print(nn.Parameter(torch.eye(2).to_sparse()))
""")



def test_an_op_without_a_form_names_itself():
    x = kuai.eye(2).to_sparse()
    with pytest.raises(NotImplementedError, match="cumprod.*SparseCPU.*to_dense"):
        x.cumprod(0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "complex64", "bfloat16"])
@pytest.mark.parametrize("width", [0, 1, 2, 3, 40])
def test_products_of_rows_of_all_lengths(dtype, width):
    """Rows of equal length are multiplied together; too many lengths, narrow matrices and empty rows go another way."""
    rng = np.random.default_rng(0)
    equal = rng.permutation(np.repeat(np.arange(300), 4))
    skewed = np.repeat(np.arange(60), np.arange(60))
    long = np.concatenate((np.zeros(500, int), rng.integers(0, 300, 400)))
    for rows in (equal, skewed, long, np.zeros(0, int)):
        values, y = rng.integers(-4, 4, rows.size), rng.integers(-4, 4, (50, width))
        d = getattr(kuai, dtype)
        x = kuai.sparse_coo_tensor(kuai.tensor(np.stack([rows, rng.integers(0, 50, rows.size)])), kuai.tensor(values).to(d), (300, 50))
        expected = x.to_dense().to(kuai.complex128) @ kuai.tensor(y).to(kuai.complex128)
        for made in (x @ kuai.tensor(y).to(d), x.coalesce() @ kuai.tensor(y).to(d)):
            assert made.dtype is d and kuai.equal(made.to(kuai.complex128), expected.to(d).to(kuai.complex128))


def test_a_matrix_product_is_one_instruction():
    """And four inputs: values, rows, columns and the dense matrix."""
    from kuai.engine import stats

    x, d = kuai.eye(50).to_sparse(), kuai.ones(50, 3)
    x @ d
    kuai.synchronize()
    before = stats()["instructions"]
    y = x @ d
    kuai.synchronize()
    assert stats()["instructions"] - before <= 5 and y.shape == (50, 3)


SAVED = """
d = torch.tensor([[0.0, 1, 0, 2], [3, 0, 0, 4]])
kept = {
    "coo": d.to_sparse(), "uncoalesced": torch.sparse_coo_tensor([[1, 0, 1], [2, 2, 2]], [1.0, 2.0, 3.0], (2, 3)),
    "hybrid": d.to_sparse(1), "csr": d.to_sparse_csr(), "csc": d.to_sparse_csc(), "bsr": d.to_sparse_bsr((1, 2)),
    "bsc": d.to_sparse_bsc((2, 2)), "half": d.bfloat16().to_sparse(), "none": torch.sparse_coo_tensor((2, 3)),
    "parameter": torch.nn.Parameter(d.to_sparse()),
}
"""


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_files_go_both_ways(zipped):
    for writer, reader in ((torch, kuai), (kuai, torch)):
        scope = {"torch": writer}
        exec(SAVED, scope)  # noqa: S102 (the test's own text)
        file = io.BytesIO()
        writer.save(scope["kept"], file, _use_new_zipfile_serialization=zipped)
        file.seek(0)
        with warnings.catch_warnings(action="ignore"):
            read = reader.load(file)
        assert twins.plain(repr(read)) == twins.plain(repr(scope["kept"]))


def test_a_file_whose_indices_are_out_of_bounds_is_refused():
    wrong = torch.sparse_coo_tensor([[5]], [1.0], (3,), check_invariants=False)
    file = io.BytesIO()
    torch.save(wrong, file)
    file.seek(0)
    with pytest.raises(Exception, match="damaged checkpoint: a sparse tensor"):
        kuai.load(file)
