"""Distributions beside PyTorch's: densities, moments, draws from one seed, divergences."""

import copy
import pickle
import warnings

import pytest

import kuai
from kuai import distributions as ours

torch = pytest.importorskip("torch", reason="compared with PyTorch: pip install torch==2.13.0")
theirs = torch.distributions

MATRIX = [[2.0, 0.5], [0.5, 1.0]]
# Name, parameters, a value within the support; draws are PyTorch's own unless the name is in HOST.
CASES = [
    ("Normal", ([0.0, 1.0], [1.0, 2.0]), [0.3, -1.0]),
    ("Laplace", ([0.0, 1.0], [1.0, 2.0]), [0.3, -1.0]),
    ("Cauchy", ([0.0, 1.0], [1.0, 2.0]), [0.3, -1.0]),
    ("Uniform", ([0.0, -1.0], [1.0, 2.0]), [0.3, 1.5]),
    ("Exponential", ([0.5, 2.0],), [0.3, 1.5]),
    ("Bernoulli", ([0.2, 0.7],), [0.0, 1.0]),
    ("Geometric", ([0.2, 0.7],), [0.0, 3.0]),
    ("Categorical", ([[0.2, 0.3, 0.5], [1.0, 1.0, 2.0]],), [2, 0]),
    ("OneHotCategorical", ([0.2, 0.3, 0.5],), [0.0, 1.0, 0.0]),
    ("Multinomial", (6, [0.2, 0.3, 0.5]), [1.0, 2.0, 3.0]),
    ("Binomial", ([5.0, 7.0], [0.2, 0.7]), [0.0, 3.0]),
    ("Poisson", ([0.5, 4.0],), [0.0, 3.0]),
    ("Gamma", ([0.5, 4.0], [1.0, 2.0]), [0.3, 3.0]),
    ("Chi2", ([1.0, 4.0],), [0.3, 3.0]),
    ("Beta", ([0.5, 4.0], [1.0, 2.0]), [0.3, 0.6]),
    ("Dirichlet", ([[0.5, 4.0, 1.0]],), [[0.2, 0.3, 0.5]]),
    ("MultivariateNormal", ([0.0, 1.0], MATRIX), [0.5, 0.5]),
    ("LowRankMultivariateNormal", ([0.0, 1.0, 2.0], [[1.0], [0.5], [-1.0]], [1.0, 2.0, 0.5]), [0.5, 0.5, 1.0]),
    ("OneHotCategoricalStraightThrough", ([0.2, 0.3, 0.5],), [0.0, 1.0, 0.0]),
    ("NegativeBinomial", ([5.0, 0.5], [0.2, 0.7]), [0.0, 3.0]),
    ("LogNormal", ([0.0, 1.0], [1.0, 2.0]), [0.3, 1.0]),
    ("Gumbel", ([0.0, 1.0], [1.0, 2.0]), [0.3, -1.0]),
    ("HalfNormal", ([1.0, 2.0],), [0.3, 1.0]),
    ("HalfCauchy", ([1.0, 2.0],), [0.3, 1.0]),
    ("Pareto", ([1.0, 2.0, 0.5], [3.0, 1.5, 0.5]), [1.5, 4.0, 1.0]),
    ("Weibull", ([1.0, 2.0], [3.0, 1.5]), [1.5, 4.0]),
    ("Kumaraswamy", ([1.5, 2.0], [3.0, 0.5]), [0.3, 0.9]),
    ("InverseGamma", ([0.5, 4.0], [1.0, 2.0]), [0.3, 3.0]),
    ("LogisticNormal", ([0.0, 1.0], [1.0, 2.0]), [0.2, 0.3, 0.5]),
    ("StudentT", ([0.5, 2.0, 4.0], [0.0, 1.0, 2.0], [1.0, 2.0, 3.0]), [0.3, 3.0, -2.0]),
    ("FisherSnedecor", ([0.5, 2.0, 4.0], [1.0, 3.0, 6.0]), [0.3, 3.0, 1.0]),
    ("GeneralizedPareto", ([0.0, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 0.4, -0.5]), [0.3, 3.0, 1.0]),
    ("VonMises", ([0.0, 1.0, 1.0], [1e-6, 2.0, 30.0]), [0.3, 3.0, -2.0]),
    ("ContinuousBernoulli", ([0.2, 0.5, 0.9],), [0.3, 0.2, 0.7]),
    ("RelaxedBernoulli", (0.7, [0.2, 0.9]), [0.3, 0.6]),
    ("RelaxedOneHotCategorical", (0.7, [0.2, 0.3, 0.5]), [0.2, 0.3, 0.5]),
    ("Wishart", ([3.0, 4.5], MATRIX), MATRIX),
    ("LKJCholesky", (3, [1.0, 0.5]), [[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.6, 0.8]]),
]
IDS = [case[0] for case in CASES]
DERIVED = {"Gumbel", "Pareto", "Weibull"}  # whose class does not say that they have rsample


def make(library, package, name, parameters):
    return getattr(package, name)(*(p if isinstance(p, int) else library.tensor(p) for p in parameters))


def both(name, parameters):
    return make(kuai, ours, name, parameters), make(torch, theirs, name, parameters)


def same(a, b):
    assert tuple(a.shape) == tuple(b.shape)
    assert a.tolist() == pytest.approx(b.tolist(), rel=1e-4, abs=1e-5, nan_ok=True) if a.ndim < 2 else True
    kuai.testing.assert_close(a, kuai.tensor(b.tolist(), dtype=a.dtype).reshape(a.shape), rtol=1e-4, atol=1e-5, equal_nan=True)


@pytest.fixture(autouse=True)
def pytorch_validates(monkeypatch):
    """PyTorch's compiler, once it is imported by another test, has turned its checks of values off for the whole process."""
    monkeypatch.setattr(torch.distributions.Distribution, "_validate_args", True)


@pytest.mark.parametrize("name, parameters, value", CASES, ids=IDS)
def test_densities_and_moments(name, parameters, value):
    a, b = both(name, parameters)
    assert tuple(a.batch_shape) == tuple(b.batch_shape) and tuple(a.event_shape) == tuple(b.event_shape)
    if repr(b) != f"{name}()":  # PyTorch leaves out parameters that are kept elsewhere
        assert repr(a) == repr(b)
    same(a.log_prob(kuai.tensor(value)), b.log_prob(torch.tensor(value)))
    for what in ("mean", "variance", "mode", "entropy", "stddev"):
        try:
            expected = getattr(b, what)
            expected = expected() if callable(expected) else expected
        except NotImplementedError:
            continue
        if what == "entropy" and name == "Binomial":
            continue  # of one total only: test_entropy_of_counts
        found = getattr(a, what)
        same(found() if callable(found) else found, expected)


@pytest.mark.parametrize("name, parameters, value", CASES, ids=IDS)
def test_draws(name, parameters, value):
    a, b = both(name, parameters)
    kuai.manual_seed(3)
    torch.manual_seed(3)
    with warnings.catch_warnings(action="ignore"):  # of Wishart
        found, expected = a.sample((5,)), b.sample((5,))
    assert str(found.dtype) == str(expected.dtype)
    same(found, expected)
    assert kuai.rand(()).item() == torch.rand(()).item()  # the stream stands where PyTorch's does


@pytest.mark.parametrize("name, parameters, value", CASES, ids=IDS)
def test_gradients_of_draws(name, parameters, value):
    """PyTorch's derivatives of gamma and beta draws are approximations, to three digits."""
    if not getattr(theirs, name).has_rsample and name not in DERIVED or name == "Wishart":
        return
    found, expected = [], []
    for library, package, grads in ((kuai, ours, found), (torch, theirs, expected)):
        library.manual_seed(5)
        given = [p if isinstance(p, int) else library.tensor(p, requires_grad=True) for p in parameters]
        getattr(package, name)(*given).rsample((3,)).sin().sum().backward()
        grads += [p.grad.tolist() for p in given if not isinstance(p, int)]
    for a, b in zip(found, expected):
        kuai.testing.assert_close(kuai.tensor(a), kuai.tensor(b), rtol=5e-3, atol=1e-3)


@pytest.mark.parametrize("name, parameters, value", CASES, ids=IDS)
def test_chances_expansion_and_errors(name, parameters, value):
    a, b = both(name, parameters)
    for what, given in (("cdf", value), ("icdf", 0.3)):
        try:
            expected = getattr(b, what)(torch.tensor(given))
        except NotImplementedError:
            continue
        same(getattr(a, what)(kuai.tensor(given)), expected)
    size = (4, *a.batch_shape)
    grown, other = a.expand(size), b.expand(size)
    assert tuple(grown.batch_shape) == tuple(other.batch_shape) == size and grown.event_shape == tuple(other.event_shape)
    same(grown.log_prob(kuai.tensor(value)), other.log_prob(torch.tensor(value)))
    assert repr(a.support) == repr(b.support) or "tensor" in repr(a.support)
    for at in (-3.0, float("nan")):
        bad = kuai.full(kuai.tensor(value).shape, at)
        for d, wrong in ((a, bad), (b, torch.full(tuple(bad.shape), at))):
            try:
                d.log_prob(wrong)
                refused = False
            except ValueError:
                refused = True
            expected = refused if d is a else expected
        assert refused == expected, at


def test_entropy_of_counts():
    for name, parameters in (("Binomial", (5.0, [0.2, 0.7])), ("Multinomial", (5, [0.2, 0.8]))):
        a, b = both(name, parameters)
        same(a.entropy(), b.entropy())
    with pytest.raises(NotImplementedError, match="Inhomogeneous"):
        ours.Binomial(kuai.tensor([1.0, 2.0]), 0.5).entropy()


@pytest.mark.parametrize("name, parameters, value", CASES, ids=IDS)
def test_divergence(name, parameters, value):
    a, b = both(name, parameters)
    try:
        expected = theirs.kl_divergence(b, b)
    except NotImplementedError:
        return
    same(ours.kl_divergence(a, a), expected)


def test_divergence_of_two():
    for name, p, q in (
        ("Normal", (0.0, 1.0), (1.0, 3.0)),
        ("Gamma", (2.0, 1.0), (1.0, 3.0)),
        ("Beta", (2.0, 1.0), (1.0, 3.0)),
        ("Laplace", (0.0, 1.0), (1.0, 3.0)),
        ("Uniform", (0.0, 1.0), (-1.0, 3.0)),
        ("MultivariateNormal", ([0.0, 1.0], MATRIX), ([1.0, 1.0], [[1.0, 0.0], [0.0, 3.0]])),
        ("Categorical", ([0.2, 0.8],), ([0.5, 0.5],)),
        ("Bernoulli", (0.2,), (0.5,)),
    ):
        (a, b), (c, d) = both(name, p), both(name, q)
        same(ours.kl_divergence(a, c), theirs.kl_divergence(b, d))


def test_gradients_through_draws():
    for library, package in ((kuai, ours), (torch, theirs)):
        library.manual_seed(0)
        scale = library.tensor(2.0, requires_grad=True)
        package.Normal(library.zeros(3), scale).rsample().sum().backward()
        gradient = scale.grad.item()
        expected = gradient if library is kuai else expected  # noqa: F821 (kuai comes first)
    assert gradient == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name, parameters", [("Normal", (0.0, -1.0)), ("Bernoulli", (2.0,)), ("Poisson", (-1.0,))])
def test_bad_parameters(name, parameters):
    for library, package in ((kuai, ours), (torch, theirs)):
        with pytest.raises(ValueError, match="satisfy the constraint"):
            make(library, package, name, parameters)


def test_precision_and_independent():
    for kind in ("covariance_matrix", "precision_matrix", "scale_tril"):
        matrix = [[2.0, 0.0], [0.5, 1.0]] if kind == "scale_tril" else MATRIX
        a = ours.MultivariateNormal(kuai.zeros(2), **{kind: kuai.tensor(matrix)})
        b = theirs.MultivariateNormal(torch.zeros(2), **{kind: torch.tensor(matrix)})
        for name in ("covariance_matrix", "precision_matrix", "scale_tril"):
            same(getattr(a, name), getattr(b, name))
    a = ours.Independent(ours.Normal(kuai.zeros(2, 3), 1.0), 1)
    b = theirs.Independent(theirs.Normal(torch.zeros(2, 3), 1.0), 1)
    same(a.log_prob(kuai.ones(3)), b.log_prob(torch.ones(3)))
    assert tuple(a.expand((4, 2)).batch_shape) == (4, 2)


FAMILIES = [case for case in CASES if case[0] not in ("Chi2", "Wishart", "LKJCholesky")]


@pytest.mark.parametrize("name", sorted({p.__name__ for p, _ in theirs.kl._KL_REGISTRY} & set(IDS)))
def test_divergence_of_families(name):
    """Every pair that PyTorch knows, beside it; every pair that it does not know is refused."""
    first = next(c for c in CASES if c[0] == name)
    for other, parameters, _ in FAMILIES:
        (a, b), (c, d) = both(name, first[1]), both(other, parameters)
        try:
            expected = theirs.kl_divergence(b, d)
        except (NotImplementedError, RuntimeError, ValueError) as error:
            with pytest.raises(type(error)):
                ours.kl_divergence(a, c)
            continue
        same(ours.kl_divergence(a, c), expected)


def test_divergence_of_different_vectors():
    pairs = [("MultivariateNormal", ([0.0, 1.0], MATRIX)), ("LowRankMultivariateNormal", ([1.0, 1.0], [[1.0], [2.0]], [0.5, 1.0]))]
    for (p, first), (q, second) in ((x, y) for x in pairs for y in pairs):
        (a, b), (c, d) = both(p, first), both(q, second)
        same(ours.kl_divergence(a, c), theirs.kl_divergence(b, d))
    (a, b), (c, d) = both("Wishart", (3.0, MATRIX)), both("Wishart", (4.0, [[1.0, 0.0], [0.0, 1.0]]))
    same(ours.kl_divergence(a, c), theirs.kl_divergence(b, d))


def mixture(library, package):
    parts = package.Independent(package.Normal(library.zeros(3, 2), library.tensor([[1.0], [2.0], [3.0]])), 1)
    return package.MixtureSameFamily(package.Categorical(library.tensor([0.2, 0.3, 0.5])), parts)


def test_mixtures():
    a, b = mixture(kuai, ours), mixture(torch, theirs)
    for what in ("mean", "variance", "batch_shape", "event_shape"):
        x, y = getattr(a, what), getattr(b, what)
        same(x, y) if isinstance(y, torch.Tensor) else None
        assert tuple(x) == tuple(y) if not isinstance(y, torch.Tensor) else True
    same(a.log_prob(kuai.ones(4, 2)), b.log_prob(torch.ones(4, 2)))
    kuai.manual_seed(0)
    torch.manual_seed(0)
    same(a.sample((5,)), b.sample((5,)))
    same(a.expand((2,)).log_prob(kuai.ones(2, 2)), b.expand((2,)).log_prob(torch.ones(2, 2)))
    flat = ours.MixtureSameFamily(ours.Categorical(kuai.ones(2)), ours.Normal(kuai.tensor([0.0, 1.0]), 1.0))
    other = theirs.MixtureSameFamily(theirs.Categorical(torch.ones(2)), theirs.Normal(torch.tensor([0.0, 1.0]), 1.0))
    same(flat.cdf(kuai.tensor([0.5, 1.5])), other.cdf(torch.tensor([0.5, 1.5])))
    with pytest.raises(ValueError, match="does not equal"):
        ours.MixtureSameFamily(ours.Categorical(kuai.ones(3)), ours.Normal(kuai.zeros(2), 1.0))


def transforms(library, package):
    t = package.transforms
    return {
        "exp": (t.ExpTransform(), [0.3, -1.0]),
        "power": (t.PowerTransform(library.tensor(3.0)), [0.3, 1.5]),
        "sigmoid": (t.SigmoidTransform(), [0.3, -1.0]),
        "softplus": (t.SoftplusTransform(), [0.3, -1.0]),
        "tanh": (t.TanhTransform(), [0.3, -1.0]),
        "affine": (t.AffineTransform(1.0, -2.0), [0.3, -1.0]),
        "affine of vectors": (t.AffineTransform(library.zeros(2), library.tensor([2.0, 3.0]), event_dim=1), [[0.3, -1.0]]),
        "inverse": (t.ExpTransform().inv, [0.3, 1.0]),
        "compose": (t.ComposeTransform([t.ExpTransform(), t.AffineTransform(0.0, 2.0)]), [0.3, -1.0]),
        "compose of vectors": (t.ComposeTransform([t.ExpTransform(), t.StickBreakingTransform()]), [0.3, -1.0]),
        "independent": (t.IndependentTransform(t.ExpTransform(), 1), [[0.3, -1.0]]),
        "reshape": (t.ReshapeTransform((4,), (2, 2)), [[0.3, -1.0, 1.0, 2.0]]),
        "softmax": (t.SoftmaxTransform(), [0.3, -1.0]),
        "stick": (t.StickBreakingTransform(), [0.3, -1.0]),
        "correlation": (t.CorrCholeskyTransform(), [0.3, -1.0, 0.5]),
        "lower": (t.LowerCholeskyTransform(), [[0.3, -1.0], [0.5, 1.0]]),
        "positive definite": (t.PositiveDefiniteTransform(), [[0.3, -1.0], [0.5, 1.0]]),
        "cat": (t.CatTransform([t.ExpTransform(), t.TanhTransform()], lengths=[1, 2]), [0.3, -1.0, 0.5]),
        "stack": (t.StackTransform([t.ExpTransform(), t.TanhTransform()]), [[0.3, -1.0], [0.5, 1.0]]),
        "chance": (t.CumulativeDistributionTransform(package.Normal(0.0, 1.0)), [0.3, -1.0]),
        "abs": (t.AbsTransform(), [0.3, -1.0]),
    }


@pytest.mark.parametrize("name", transforms(torch, theirs))
def test_transforms(name):
    (a, value), (b, _) = transforms(kuai, ours)[name], transforms(torch, theirs)[name]
    x, other = kuai.tensor(value, requires_grad=True), torch.tensor(value, requires_grad=True)
    y, image = a(x), b(other)
    same(y.detach(), image.detach())
    same(a.inv(y.detach()), b.inv(image.detach()))
    for given in (y, image):
        given.sin().sum().backward()
    same(x.grad, other.grad)
    assert a.bijective == b.bijective and repr(a.domain) == repr(b.domain) and repr(a.codomain) == repr(b.codomain)
    assert tuple(a.forward_shape(x.shape)) == tuple(b.forward_shape(other.shape))
    assert tuple(a.inverse_shape(y.shape)) == tuple(b.inverse_shape(image.shape))
    try:
        expected = b.log_abs_det_jacobian(other, image)
    except NotImplementedError:
        with pytest.raises(NotImplementedError):
            a.log_abs_det_jacobian(x, y)
        return
    same(a.log_abs_det_jacobian(x, y).detach(), expected.detach())
    assert a.inv.inv is a and a == transforms(kuai, ours)[name][0] or name in ("independent", "reshape", "cat", "stack", "chance")


def test_cached_transforms():
    t = ours.ExpTransform(cache_size=1)
    x = kuai.tensor(0.3)
    y = t(x)
    assert t(x) is y and t.inv(y) is x and t.with_cache(0)(x) is not y
    with pytest.raises(ValueError, match="0 or 1"):
        ours.ExpTransform(cache_size=2)


@pytest.mark.parametrize("registry", ["biject_to", "transform_to"])
def test_registries(registry):
    kinds = "real real_vector positive nonnegative unit_interval simplex lower_cholesky corr_cholesky positive_definite".split()
    for kind in kinds:
        value = [0.3] if kind == "corr_cholesky" else [[0.3, -1.0], [0.5, 1.0]]
        try:
            expected = getattr(theirs, registry)(getattr(theirs.constraints, kind))(torch.tensor(value))
        except NotImplementedError:
            with pytest.raises(NotImplementedError, match="Cannot transform"):
                getattr(ours, registry)(getattr(ours.constraints, kind))
            continue
        made = getattr(ours, registry)(getattr(ours.constraints, kind))(kuai.tensor(value))
        same(made, expected)
        assert getattr(ours.constraints, kind).check(made).all()
    low = getattr(ours, registry)(ours.constraints.interval(-1.0, kuai.tensor(3.0)))(kuai.tensor(0.0))
    assert low.item() == pytest.approx(1.0)


def test_constraints():
    values = [[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.6], [0.0, 0.8]], [[0.6, 0.4], [0.4, 0.6]], [[-1.0, 2.0], [3.0, 2.0]]]
    for name in theirs.constraints.__all__:
        expected = getattr(theirs.constraints, name)
        if isinstance(expected, theirs.constraints.Constraint) and name != "dependent":
            for value in values:
                found = getattr(ours.constraints, name).check(kuai.tensor(value))
                assert found.tolist() == expected.check(torch.tensor(value)).tolist(), (name, value)
            assert repr(getattr(ours.constraints, name)) == repr(expected)
        assert hasattr(ours.constraints, name)


def test_slopes_of_quantiles():
    """Beside the quantiles of SciPy, moved by a little."""
    special = pytest.importorskip("scipy.special")
    import numpy as np

    from kuai.ops.numerics import quantiles

    draw = np.random.default_rng(0)
    with np.errstate(all="ignore"):
        check_slopes(np, special, quantiles, draw)


def check_slopes(np, special, quantiles, draw):
    for a in (0.1, 1.0, 10.0, 5e3, 5e4):
        x, step = draw.gamma(a, size=20), a * 1e-4
        chance = special.gammainc(a, x)
        moved = (special.gammaincinv(a + step, chance) - special.gammaincinv(a - step, chance)) / (2 * step)
        np.testing.assert_allclose(quantiles.gamma_slope(a, x), moved, rtol=1e-4)
    for a, b in ((0.5, 2.0), (3.0, 3.0), (50.0, 1.0), (1e3, 1e3)):
        x, step = draw.beta(a, b, size=20), a * 1e-4
        chance = special.betainc(a, b, x)
        moved = (special.betaincinv(a + step, b, chance) - special.betaincinv(a - step, b, chance)) / (2 * step)
        np.testing.assert_allclose(quantiles.beta_slope(x, a, b), moved, rtol=1e-4)


@pytest.mark.parametrize(("name", "parameters", "value"), CASES, ids=IDS)
def test_copies(name, parameters, value):
    """A pickled and a deep copy of a distribution give what it gives."""
    d = make(kuai, ours, name, parameters)
    for again in (pickle.loads(pickle.dumps(d)), copy.deepcopy(d)):
        same(again.log_prob(kuai.tensor(value)), d.log_prob(kuai.tensor(value)))


def test_gamma_takes_a_number_for_a_value():
    same(ours.Gamma(kuai.ones(2), 1.0).log_prob(0.5), theirs.Gamma(torch.ones(2), 1.0).log_prob(0.5))


REFUSED = {
    "a list for a parameter": lambda d, t: d.Normal([0.0], 1.0),
    "a string for a parameter": lambda d, t: d.Normal("a", 1.0),
    "a string for a value": lambda d, t: d.Gamma(1.0, 1.0).log_prob("a"),
    "a value with too few dimensions": lambda d, t: d.LKJCholesky(3, 0.7).log_prob(t.tensor(1.0)),
    "a value of another event": lambda d, t: d.MultivariateNormal(t.zeros(2), t.eye(2)).log_prob(t.zeros(3)),
    "a value that would be broadcast in its event": lambda d, t: d.Dirichlet(t.ones(3)).log_prob(t.ones(1)),
    "a divergence of no distribution": lambda d, t: d.register_kl(3, d.Normal),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=list(REFUSED))
def test_what_is_refused(call):
    with pytest.raises((ValueError, TypeError)) as error:
        call(theirs, torch)
    with pytest.raises(error.type):
        call(ours, kuai)
