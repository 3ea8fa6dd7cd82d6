"""Initial values: PyTorch's own, to the bit, and the random stream left where PyTorch leaves it."""

import numpy as np
import pytest

import kuai
from tests import twins

torch = pytest.importorskip("torch")

SHAPES = [(3, 4), (20, 30), (64, 3, 5, 5), (2, 17)]
CASES = [
    ("uniform_", (), {}),
    ("uniform_", (-3, 5), {}),
    ("normal_", (), {}),
    ("normal_", (0, 0.01), {}),
    ("constant_", (0.3,), {}),
    ("ones_", (), {}),
    ("zeros_", (), {}),
    ("xavier_uniform_", (), {"gain": 2.0}),
    ("xavier_normal_", (), {}),
    ("kaiming_uniform_", (), {"a": 5**0.5}),
    ("kaiming_uniform_", (), {"mode": "fan_out", "nonlinearity": "relu"}),
    ("kaiming_normal_", (), {"nonlinearity": "tanh"}),
    ("trunc_normal_", (), {}),
    ("trunc_normal_", (), {"std": 0.02}),
    ("trunc_normal_", (), {"a": 2.0, "b": 3.0}),
    ("trunc_normal_", (0.3, 1.0, -0.2, 0.3), {}),
]


def both(name, shape, args=(), kwargs=None, seed=0, dtype="float32"):
    results = []
    for library in (kuai, torch):
        library.manual_seed(seed)
        tensor = library.empty(shape, dtype=getattr(library, dtype))
        made = getattr(library.nn.init, name)(tensor, *args, **(kwargs or {}))
        assert made is tensor
        results.append((made.numpy(), library.rand(4).tolist()))
    return results


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]}{c[1]}{c[2]}")
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_are_pytorchs_to_the_bit(case, shape):
    name, args, kwargs = case
    for seed in (0, 42):
        ours, theirs = both(name, shape, args, kwargs, seed)
        assert np.array_equal(ours[0], theirs[0])
        assert ours[1] == theirs[1]


@pytest.mark.parametrize("name", ["uniform_", "normal_", "trunc_normal_"])
def test_double_precision_too(name):
    ours, theirs = both(name, (5, 7), dtype="float64")
    assert np.allclose(ours[0], theirs[0], rtol=1e-15)
    assert ours[1] == theirs[1]


@pytest.mark.parametrize(
    ("name", "shape", "args"),
    [
        ("eye_", (4, 6), ()),
        ("dirac_", (6, 2, 3), ()),
        ("dirac_", (6, 2, 3, 3), (2,)),
        ("dirac_", (4, 8, 3, 3, 3), ()),
        ("sparse_", (10, 7), (0.3,)),
    ],
)
def test_matrices_that_are_mostly_zeros(name, shape, args):
    ours, theirs = both(name, shape, args)
    assert np.array_equal(ours[0], theirs[0])
    assert ours[1] == theirs[1]


@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (8, 8), (6, 3, 2, 2)])
def test_orthogonal(shape):
    ours, theirs = both("orthogonal_", shape, (2.0,))
    assert np.allclose(ours[0], theirs[0], atol=1e-6)  # LAPACK's last bits
    assert ours[1] == theirs[1]


def test_parameters_are_filled_outside_the_graph():
    weight = kuai.nn.Parameter(kuai.empty(3, 3))
    for name in ("uniform_", "ones_", "eye_", "orthogonal_", "trunc_normal_", "xavier_normal_"):
        assert getattr(kuai.nn.init, name)(weight) is weight
        assert weight.is_leaf
        assert weight.requires_grad
    kuai.nn.init.sparse_(weight, 0.5)
    assert kuai.nn.init.constant_(weight, 3).sum().item() == 27


def test_a_generator_of_ones_own():
    for name in ("uniform_", "normal_", "kaiming_uniform_", "trunc_normal_", "orthogonal_"):
        draws = [getattr(kuai.nn.init, name)(kuai.empty(4, 4), generator=kuai.Generator().manual_seed(5)) for _ in range(2)]
        assert kuai.equal(*draws)


def test_meta_tensors_are_left_alone():
    for name in ("uniform_", "zeros_", "trunc_normal_", "orthogonal_", "kaiming_normal_"):
        assert getattr(kuai.nn.init, name)(kuai.empty(3, 3, device="meta")).device.type == "meta"


def test_whole_layers_start_with_pytorchs_weights():
    makers = [
        lambda nn: nn.Linear(5, 7),
        lambda nn: nn.Embedding(5, 7),
        lambda nn: nn.Conv2d(3, 4, 3),
        lambda nn: nn.Bilinear(2, 3, 4),
        lambda nn: nn.Sequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 10)),
    ]
    for make in makers:
        torch.manual_seed(3)
        kuai.manual_seed(3)
        theirs, ours = make(torch.nn).state_dict(), make(kuai.nn).state_dict()
        assert list(ours) == list(theirs)
        assert all(np.array_equal(ours[k].numpy(), theirs[k].numpy()) for k in theirs)


ERRORS = """
    init, E = nn.init, torch.empty
    for name in ('foo', 'linear', 'relu', 'tanh', 'leaky_relu', 'selu', 'sigmoid', 'conv_transpose2d'):
        attempt(init.calculate_gain, name)
    for slope in (0.2, 2, True, 'a'):
        attempt(init.calculate_gain, 'leaky_relu', slope)
    attempt(init.eye_, E(3)); attempt(init.dirac_, E(2, 2)); attempt(init.dirac_, E(3, 2, 3), 2)
    attempt(init.xavier_uniform_, E(3)); attempt(init.xavier_uniform_, E(0, 3)); attempt(init.kaiming_uniform_, E(3))
    attempt(init.kaiming_uniform_, E(0, 3)); attempt(init.kaiming_normal_, E(0, 3))
    attempt(init.kaiming_uniform_, E(3, 3), 0, 'x'); attempt(init.kaiming_uniform_, E(3, 3), 0, 'FAN_IN')
    attempt(init.kaiming_normal_, E(2, 2), 0, 'fan_in', 'foo')
    attempt(init.orthogonal_, E(3)); attempt(init.orthogonal_, E(0, 3)); attempt(init.sparse_, E(3, 3, 3), 0.5)
    attempt(init.trunc_normal_, E(3), 10); attempt(init.trunc_normal_, E(3), 0, 1, 2, 1)
    attempt(init.trunc_normal_, E(3), 0, 0)
    attempt(init.trunc_normal_, E(3), 0, 1, 100, 101); attempt(init.trunc_normal_, E(0))
    attempt(init.normal_, E(2), 0, -1); attempt(init.uniform_, E(2), 3, 1)
    attempt(init.constant_, E(2, dtype=torch.int64), 3.5)
    print(init._calculate_fan_in_and_fan_out(E(3, 4, 5)), init._calculate_correct_fan(E(3, 4, 5), 'fan_out'))
    for name in ('uniform', 'normal', 'xavier_uniform', 'kaiming_normal', 'orthogonal', 'eye'):
        attempt(getattr(init, name), E(2, 2))
    attempt(init.constant, E(2), 4)
"""


def test_errors_and_warnings():
    twins.check(ERRORS)


@pytest.mark.parametrize("name", ["uniform_", "normal_", "zeros_", "ones_", "xavier_uniform_", "orthogonal_", "eye_"])
def test_a_parameter_without_a_shape_cannot_be_filled(name):
    """PyTorch's class where a function meets one is ValueError; where a program reads the shape, RuntimeError."""
    torch = pytest.importorskip("torch")
    for library in (kuai, torch):
        weight = library.nn.LazyLinear(3).weight
        with pytest.raises(ValueError, match="Call `forward`"):
            getattr(library.nn.init, name)(weight)
        with pytest.raises(RuntimeError, match="Call `forward`"):
            weight.shape  # noqa: B018
