"""Distributions beside PyTorch's: densities, moments, draws from one seed, divergences."""

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
]
HOST = {"Binomial", "Poisson", "Gamma", "Chi2", "Beta", "Dirichlet"}
IDS = [case[0] for case in CASES]


def make(library, package, name, parameters):
    return getattr(package, name)(*(p if isinstance(p, int) else library.tensor(p) for p in parameters))


def both(name, parameters):
    return make(kuai, ours, name, parameters), make(torch, theirs, name, parameters)


def same(a, b):
    assert tuple(a.shape) == tuple(b.shape)
    assert a.tolist() == pytest.approx(b.tolist(), rel=1e-4, abs=1e-5, nan_ok=True) if a.ndim < 2 else True
    kuai.testing.assert_close(a, kuai.tensor(b.tolist(), dtype=a.dtype).reshape(a.shape), rtol=1e-4, atol=1e-5, equal_nan=True)


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
        if what in ("mode", "entropy") and name in ("Beta", "Dirichlet", "Binomial", "Chi2", "Gamma", "Multinomial"):
            continue
        found = getattr(a, what)
        same(found() if callable(found) else found, expected)


@pytest.mark.parametrize("name, parameters, value", CASES, ids=IDS)
def test_draws(name, parameters, value):
    a, b = both(name, parameters)
    kuai.manual_seed(3)
    torch.manual_seed(3)
    found, expected = a.sample((5,)), b.sample((5,))
    assert str(found.dtype) == str(expected.dtype)
    if name not in HOST:
        same(found, expected)
    else:
        assert tuple(found.shape) == tuple(expected.shape)
        same_mean = a.sample((4000,)).mean(0) - a.mean
        assert same_mean.abs().max() < 0.3


@pytest.mark.parametrize("name, parameters, value", CASES, ids=IDS)
def test_divergence(name, parameters, value):
    a, b = both(name, parameters)
    try:
        expected = theirs.kl_divergence(b, b)
    except NotImplementedError:
        return
    if name in ("Geometric", "Binomial", "Cauchy", "Chi2", "Multinomial", "OneHotCategorical"):
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
