"""Linear algebra against PyTorch: values, derivatives, errors, batches, complex numbers, both engines."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import kuai
from kuai.engine import stats
from tests import oracle

DTYPES = ("float32", "float64", "complex64", "complex128")


def matrices(*shape, dtype="float64", kind="general", seed=0):
    """The same matrices for both libraries: general ones, positive-definite ones, or ones of little rank."""
    torch.manual_seed(seed)
    x = torch.randn(*shape, dtype=getattr(torch, dtype))
    if kind == "positive":
        x = x @ x.mH + shape[-1] * torch.eye(shape[-1], dtype=x.dtype)
    if kind == "hermitian":
        x = x + x.mH
    if kind == "singular":
        x[..., -1, :] = x[..., 0, :]
    return x, oracle.to_kuai(x)


def phases_apart(u, *others):
    """What does not change with the sign or phase of singular vectors and eigenvectors."""
    return tuple([abs(x) for x in (u, *others)])


ONE = {  # functions of one matrix: the kind of matrix, its shapes, and what of the result is compared
    "inv": ("general", [(3, 3), (2, 4, 4), (0, 0)], None),
    "det": ("general", [(3, 3), (2, 4, 4), (0, 0)], None),
    "slogdet": ("general", [(3, 3), (2, 4, 4)], None),
    "cholesky": ("positive", [(3, 3), (2, 4, 4)], None),
    "qr": ("general", [(4, 3), (2, 3, 3), (3, 5)], None),
    "svd": ("general", [(4, 3), (2, 3, 4)], lambda r: phases_apart(r[0][..., :3], r[1], r[2][..., :3, :])),
    "svdvals": ("general", [(4, 3), (2, 3, 4)], None),
    "eigh": ("hermitian", [(3, 3), (2, 4, 4)], lambda r: phases_apart(r[1], r[0])),
    "eigvalsh": ("hermitian", [(3, 3), (2, 4, 4)], None),
    "pinv": ("general", [(4, 3), (2, 3, 4)], None),
    "lu_factor": ("general", [(3, 3), (4, 3), (2, 3, 5), (40, 40)], None),
    "lu": ("general", [(3, 3), (4, 3), (2, 3, 5)], None),
    "matrix_exp": ("general", [(3, 3), (2, 4, 4)], None),
    "matrix_rank": ("singular", [(3, 3), (2, 4, 4)], None),
    "cond": ("general", [(3, 3), (2, 4, 4)], None),
    "diagonal": ("general", [(3, 4)], None),
    "norm": ("general", [(3, 4), (5,)], None),
    "inv_ex": ("general", [(3, 3)], None),
    "cholesky_ex": ("positive", [(3, 3)], None),
    "lu_factor_ex": ("general", [(2, 3, 3)], None),
    "multi_dot": (None, [], None),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [n for n in ONE if ONE[n][0]])
def test_functions_of_one_matrix(name, dtype):
    kind, shapes, view = ONE[name]
    for shape in shapes:
        theirs, ours = matrices(*shape, dtype=dtype, kind=kind)
        expected, made = getattr(torch.linalg, name)(theirs), getattr(kuai.linalg, name)(ours)
        if view:
            expected, made = view(expected), view(made)
        oracle.assert_same(made, expected, f"{name} of {list(shape)}", loose=10)


DIFFERENTIABLE = {
    "inv": lambda la, a: la.inv(a),
    "det": lambda la, a: la.det(a),
    "slogdet": lambda la, a: la.slogdet(a),
    "cholesky": lambda la, a: la.cholesky(a @ a.mH),
    "cholesky_upper": lambda la, a: la.cholesky_ex(a @ a.mH, upper=True)[0],
    "qr": lambda la, a: la.qr(a),
    "qr_tall": lambda la, a: la.qr(a[..., :2]),
    "qr_wide": lambda la, a: la.qr(a[..., :2, :]),
    "svd": lambda la, a: phases_apart(*la.svd(a, full_matrices=False)),
    "svd_wide": lambda la, a: phases_apart(*la.svd(a[..., :2, :], full_matrices=False)),
    "svdvals": lambda la, a: la.svdvals(a),
    "eigh": lambda la, a: phases_apart(*la.eigh(a + a.mH)),
    "eigvalsh": lambda la, a: la.eigvalsh(a + a.mH),
    "eig": lambda la, a: phases_apart(*la.eig(a)),
    "pinv": lambda la, a: la.pinv(a[..., :2]),
    "lu_factor": lambda la, a: la.lu_factor(a)[0],
    "lu_tall": lambda la, a: la.lu_factor(a[..., :2])[0],
    "lu_wide": lambda la, a: la.lu_factor(a[..., :2, :])[0],
    "lu": lambda la, a: la.lu(a)[1:],
    "matrix_exp": lambda la, a: la.matrix_exp(a),
    "matrix_power": lambda la, a: la.matrix_power(a, -3),
    "solve": lambda la, a: la.solve(a, a[..., :2] * 2),
    "solve_right": lambda la, a: la.solve(a, a[..., :2, :] * 2, left=False),
    "solve_ex": lambda la, a: la.solve_ex(a, a[..., :2] * 2)[0],
    "solve_triangular": lambda la, a: la.solve_triangular(a, a.mT * 2, upper=True),
    "solve_triangular_right": lambda la, a: la.solve_triangular(a, a.mT * 2, upper=False, left=False, unitriangular=True),
    "lstsq": lambda la, a: la.lstsq(a[..., :2], a[..., 2:])[0],
    "cross": lambda la, a: la.cross(a, a.mT * 2),
    "vecdot": lambda la, a: la.vecdot(a, a.mT * 2),
    "vander": lambda la, a: la.vander(a[0], N=4),
    "norm_nuc": lambda la, a: la.norm(a, "nuc"),
    "norm_2": lambda la, a: la.norm(a, 2),
    "tensorinv": lambda la, a: la.tensorinv(a.reshape(3, 3, 1), ind=1),
}


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients(name, dtype):
    fn = DIFFERENTIABLE[name]
    theirs, _ = matrices(3, 3, dtype=dtype)
    theirs.requires_grad_()
    ours = oracle.to_kuai(theirs)
    made, expected = fn(kuai.linalg, ours), fn(torch.linalg, theirs)
    oracle.assert_same(made, expected)
    oracle.assert_same_gradients(made, expected, [(theirs, ours)])


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_second_derivatives(name):
    ours = matrices(3, 3, dtype="complex128" if name in ("cholesky", "solve", "eigh", "slogdet", "svd") else "float64")[1]
    assert kuai.autograd.gradgradcheck(lambda a: DIFFERENTIABLE[name](kuai.linalg, a), (ours.requires_grad_(),))


def test_derivative_of_a_singular_determinant():
    ours = matrices(2, 4, 4, kind="singular")[1].requires_grad_()
    assert kuai.autograd.gradcheck(kuai.linalg.det, (ours,))


@pytest.mark.parametrize("name", ["inv", "solve", "cholesky", "qr", "svdvals", "lu_factor", "solve_triangular"])
def test_xla(compiled, name):
    theirs, _ = matrices(3, 3)
    theirs.requires_grad_()
    ours = oracle.to_kuai(theirs)
    made, expected = DIFFERENTIABLE[name](kuai.linalg, ours), DIFFERENTIABLE[name](torch.linalg, theirs)
    cotangents = [torch.ones_like(t) for t in oracle.flatten(expected)]
    g = kuai.autograd.grad(oracle.flatten(made), ours, [oracle.to_kuai(c) for c in cotangents])
    g[0].tolist()
    oracle.assert_same(made, expected)
    oracle.assert_same(g[0], torch.autograd.grad(oracle.flatten(expected), theirs, cotangents)[0], loose=10)


# ---- errors --------------------------------------------------------------------------------------------------------

ERRORS = """la.inv(R) | la.inv(I) | la.inv(A.half()) | la.inv(A[0]) | la.cholesky(R) | la.cholesky(I)
la.solve(A, R.T) | la.solve(A, A.double()) | la.solve(A, A[0], left=False) | la.det(R) | la.det(I)
la.qr(R, mode='foo') | la.qr(I) | la.svd(I) | la.svd(R, driver='gesvd') | la.svd(A[0]) | la.eigh(R)
la.eigh(A, UPLO='X') | la.eig(R) | la.matrix_power(R, 2) | la.matrix_exp(I) | la.matrix_exp(R) | la.lu(A, pivot=False)
la.lstsq(A, A, driver='foo') | la.pinv(I) | la.matrix_rank(I) | la.cond(R, 1) | la.multi_dot([A])
la.multi_dot([A, A, R[None]]) | la.vander(A[0], N=1) | la.cross(torch.ones(3), torch.ones(2, 3))
la.cross(torch.ones(2), torch.ones(2)) | torch.cross(torch.ones(2, 4), torch.ones(2, 4), dim=1)
la.vecdot(A, A.double()) | la.vecdot(A, R) | la.tensorinv(R, ind=0) | la.norm(A[0], 'nuc')
la.norm(torch.ones(2, 2, 2), 'fro') | la.norm(I) | la.solve_triangular(A, A)
la.solve_triangular(A, A[0], upper=True) | la.solve_triangular(R, A, upper=True) | la.lu_factor(Z)
la.inv_ex(Z, check_errors=True) | la.cholesky_ex(-A, check_errors=True) | torch.trace(A[0]) | la.solve(Z, A)
la.inv(Z) | la.cholesky(-A) | la.svd(N) | la.eig(N) | torch.linalg.householder_product(A, A)
torch.lu_unpack(A, A[0]) | torch.einsum('i->ii', A[0]) | torch.einsum('i->j', A[0])"""


@pytest.mark.parametrize("code", oracle.cases(ERRORS))
def test_errors(code):
    def run(library):
        scope = {"torch": library, "la": library.linalg, "A": library.tensor([[2.0, 1], [1, 3]]), "Z": library.zeros(2, 2)}
        scope |= {"R": library.ones(2, 3), "I": library.ones(2, 2, dtype=library.int64), "N": library.full((2, 2), np.nan)}
        made = eval(code, scope)
        for t in oracle.flatten(made):
            t.tolist()

    try:
        run(torch)
    except Exception as error:  # noqa: BLE001 (its class is what is compared)
        oracle.assert_raises(lambda: run(kuai), kuai.linalg.LinAlgError if "LinAlg" in type(error).__name__ else type(error))
    else:
        raise AssertionError("PyTorch raises nothing")


def test_singular_matrices_are_linalg_errors():
    assert issubclass(kuai.linalg.LinAlgError, RuntimeError)
    for fail in (lambda: kuai.linalg.inv(kuai.zeros(2, 2)), lambda: kuai.linalg.cholesky(-kuai.eye(2))):
        with pytest.raises(kuai.linalg.LinAlgError):
            fail().tolist()


def test_info_tells_what_failed():
    batch = kuai.tensor([[[1.0, 0], [0, 1]], [[1, 2], [2, 1]]])
    assert kuai.linalg.cholesky_ex(batch).info.tolist() == [0, 2]
    assert kuai.linalg.inv_ex(kuai.tensor([[[1.0, 0], [0, 1]], [[1, 2], [2, 4]]])).info.tolist() == [0, 2]
    assert kuai.linalg.lu_factor_ex(kuai.zeros(3, 3)).info.item() == 1


# ---- systems and products ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 7, 33, 80])
def test_large_triangular_systems_and_factorizations(n):
    theirs, ours = matrices(2, n, n, seed=n)
    b_theirs, b_ours = matrices(2, n, 3, seed=n + 1)
    for upper in (True, False):
        options = {"upper": upper, "unitriangular": False}
        well, mine = (x.triu() if upper else x.tril() for x in (theirs, ours))
        eye = torch.eye(n, dtype=torch.float64) * n
        well, mine = well + eye, mine + oracle.to_kuai(eye)
        expected = torch.linalg.solve_triangular(well, b_theirs, **options)
        oracle.assert_same(kuai.linalg.solve_triangular(mine, b_ours, **options), expected)
    P, L, U = kuai.linalg.lu(ours)
    oracle.assert_same(P @ L @ U, theirs)


def test_other_forms():
    (a, x), (b, y) = matrices(2, 3, 3), matrices(2, 3, 2, seed=1)
    (p, q) = matrices(2, 3, 3, kind="positive")
    oracle.assert_same(kuai.cholesky_solve(y, kuai.cholesky(q)), torch.cholesky_solve(b, torch.linalg.cholesky(p)))
    oracle.assert_same(kuai.cholesky_inverse(kuai.cholesky(q)), torch.cholesky_inverse(torch.linalg.cholesky(p)))
    oracle.assert_same(kuai.lu_solve(y, *kuai.linalg.lu_factor(x)), torch.linalg.solve(a, b))
    oracle.assert_same(kuai.lu_unpack(*kuai.linalg.lu_factor(x)), torch.lu_unpack(*torch.linalg.lu_factor(a)))
    oracle.assert_same(kuai.geqrf(y), torch.geqrf(b))
    oracle.assert_same(kuai.orgqr(*kuai.geqrf(y)), torch.orgqr(*torch.geqrf(b)))
    oracle.assert_same(kuai.ormqr(*kuai.geqrf(y), x, True, True), torch.ormqr(*torch.geqrf(b), a, True, True))
    oracle.assert_same(kuai.ormqr(*kuai.geqrf(y), x, False), torch.ormqr(*torch.geqrf(b), a, False))
    oracle.assert_same(kuai.pinverse(y), torch.pinverse(b))
    oracle.assert_same(kuai.logdet(x @ x), torch.logdet(a @ a))
    oracle.assert_same(x.inverse(), a.inverse())
    oracle.assert_same(x.det(), a.det())
    oracle.assert_same(kuai.trace(x[0]), torch.trace(a[0]))
    oracle.assert_same(kuai.linalg.multi_dot([x[0, 0], x[0], x[1]]), torch.linalg.multi_dot([a[0, 0], a[0], a[1]]))
    for driver in ("gels", "gelsy", "gelsd", "gelss"):
        oracle.assert_same(kuai.linalg.lstsq(y[0], x[0], driver=driver), torch.linalg.lstsq(b[0], a[0], driver=driver))
    eye, mine = torch.eye(6, dtype=torch.float64) + 0.1, kuai.eye(6, dtype=kuai.float64) + 0.1
    made = kuai.linalg.tensorsolve(mine.reshape(2, 3, 6), x[0, :2])
    oracle.assert_same(made, torch.linalg.tensorsolve(eye.reshape(2, 3, 6), a[0, :2]))


def test_named_results_and_out():
    a = kuai.tensor([[2.0, 1], [1, 3]])
    assert kuai.linalg.qr(a).R.shape == (2, 2) and kuai.linalg.eigh(a).eigenvalues.shape == (2,)
    out = kuai.empty(0)
    assert kuai.linalg.inv(a, out=out) is out and out.shape == (2, 2)
    assert type(kuai.slogdet(a)).__name__ == "slogdet" and type(kuai.linalg.slogdet(a)).__name__ == "linalg_slogdet"


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_matrix_exp_scales(scale, dtype):
    theirs, ours = matrices(3, 4, 4, dtype=dtype)
    oracle.assert_same(kuai.linalg.matrix_exp(ours * scale), torch.linalg.matrix_exp(theirs * scale), loose=10)


@pytest.mark.parametrize("hermitian", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_ldl(dtype, hermitian):
    x, _ = matrices(2, 7, 7, dtype=dtype)
    x = x + (x.mH if hermitian else x.mT)
    ours = oracle.to_kuai(x)
    expected, made = torch.linalg.ldl_factor(x, hermitian=hermitian), kuai.linalg.ldl_factor(ours, hermitian=hermitian)
    oracle.assert_same(made, expected, loose=10)
    b, mine = matrices(2, 7, 3, dtype=dtype, seed=1)
    solved = kuai.linalg.ldl_solve(*made, mine, hermitian=hermitian)
    oracle.assert_same(solved, torch.linalg.ldl_solve(*expected, b, hermitian=hermitian), loose=100)


def test_leading_values():
    a, ours = matrices(20, 5, seed=3)
    U, S, V = kuai.svd_lowrank(ours, q=5)
    oracle.assert_same(U @ S.diag() @ V.mT, a)
    oracle.assert_same(S, torch.linalg.svdvals(a))
    centered = a - a.mean(0)
    oracle.assert_same(kuai.pca_lowrank(ours, q=5)[1], torch.linalg.svdvals(centered))
    p, mine = matrices(12, 12, kind="positive")
    b, weight = matrices(12, 12, kind="positive", seed=2)
    for largest in (True, False):
        expected = torch.lobpcg(p, k=2, B=b, largest=largest, niter=300, tol=1e-10)
        values, vectors = kuai.lobpcg(mine, k=2, B=weight, largest=largest)
        oracle.assert_same(values, expected[0], loose=100)
        assert kuai.allclose(mine @ vectors, weight @ vectors * values)


@pytest.mark.parametrize("shape", [(6, 9), (9, 6), (2, 4, 3), (0, 3)])
def test_geqrf_compiled(compiled, shape):
    a, x = matrices(*shape, dtype="complex128")
    oracle.assert_same(kuai.geqrf(x), torch.geqrf(a))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_matrix_exp_of_half_types_is_rounded_from_float32(dtype):
    a = torch.randn(3, 3, generator=torch.Generator().manual_seed(0)).to(getattr(torch, dtype))
    given = kuai.linalg.matrix_exp(oracle.to_kuai(a))  # PyTorch accepts them too, but overflows
    oracle.assert_same(given, torch.linalg.matrix_exp(a.float()).to(a.dtype))


def reflections(m, k, dtype):
    """Vectors and factors with one factor zero, as two tensors that take gradients, and kuai's."""
    generator = torch.Generator().manual_seed(0)
    a, tau = (torch.randn(*s, dtype=getattr(torch, dtype), generator=generator) / 3 for s in ((2, m, k), (2, k)))
    tau[:, 1] = 0
    ours = [oracle.to_kuai(x).requires_grad_() for x in (a, tau)]
    return [a.requires_grad_(), tau.requires_grad_()], ours


@pytest.mark.parametrize("engine", ["numpy", "xla"])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_householder_product(engine, dtype):
    if engine == "xla":
        pytest.importorskip("jax")
    kuai.set_engine(engine)
    try:
        theirs, ours = reflections(6, 4, dtype)
        made, expected = kuai.linalg.householder_product(*ours), torch.linalg.householder_product(*theirs)
        oracle.assert_same(made, expected)
        made.abs().pow(3).sum().backward()
        expected.abs().pow(3).sum().backward()
        for x, y in zip(ours, theirs):
            oracle.assert_same(x.grad, y.grad, loose=10)
    finally:
        kuai.set_engine("auto")


def test_householder_product_is_differentiated_twice():
    _, ours = reflections(3, 2, "complex128")
    assert kuai.autograd.gradgradcheck(kuai.linalg.householder_product, ours)


@pytest.mark.parametrize("dtype", ["int64", "float16"])
def test_householder_product_refuses_as_pytorch(dtype):
    for library in (torch, kuai):
        d = getattr(library, dtype)
        with pytest.raises(NotImplementedError):
            library.linalg.householder_product(library.zeros(3, 2, dtype=d), library.zeros(2, dtype=d))


def test_householder_product_takes_as_many_steps_for_many_columns():
    counts = []
    for k in (3, 30):
        _, ours = reflections(32, k, "float64")
        kuai.synchronize()
        before = stats()["instructions"]
        kuai.linalg.householder_product(*ours).sum().backward()
        kuai.synchronize()
        counts.append(stats()["instructions"] - before)
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_sums_with_products_of_half_types_are_rounded_once(dtype):
    x, y, z = (torch.randint(-64, 64, s).to(getattr(torch, dtype)) / 16 for s in ((3, 4, 8), (3, 8, 5), (3, 4, 5)))
    for beta, alpha in ((1, 1), (-4.775, 2.0315), (1, 2.0315), (3.4445, 1), (0, 2.0315)):
        for call in (
            lambda t, x, y, z: t.addmm(z[0], x[0], y[0], beta=beta, alpha=alpha),
            lambda t, x, y, z: t.baddbmm(z, x, y, beta=beta, alpha=alpha),
            lambda t, x, y, z: t.addbmm(z[0], x[:1], y[:1], beta=beta, alpha=alpha),
            lambda t, x, y, z: t.addmv(z[0, :, 0], x[0], y[0, :, 0]),
        ):
            ours, theirs = call(kuai, *map(oracle.to_kuai, (x, y, z))), call(torch, x, y, z)
            assert oracle.dtype_name(ours.dtype) == dtype and ours.tolist() == theirs.tolist()


def test_half_types_that_differ_are_refused_in_sums_with_products():
    for t in (kuai, torch):
        x, y = t.ones(2, 2, dtype=t.bfloat16), t.ones(2, 2)
        for call in (lambda: t.addmm(x, x, y), lambda: t.addmm(y, x, x), lambda: t.addmv(x[0], x, y[0])):
            with pytest.raises(RuntimeError):
                call()


def test_sums_with_products_under_autocast():
    for t in (kuai, torch):
        x, y = t.ones(2, 2), t.ones(2, 2, dtype=t.bfloat16)
        with t.autocast("cpu", dtype=t.bfloat16):
            assert {t.addmm(z, x, x).dtype for z in (x, y)} | {t.baddbmm(x[None], x[None], x[None]).dtype} == {t.bfloat16}
