"""Draws into tensors, layers and training runs from a seed: PyTorch's, to the bit, and the stream left where PyTorch leaves it."""

import os

import numpy as np
import pytest

import kuai

torch = pytest.importorskip("torch")

SEEDS = [0, 1, 2, 7, 42, 123, 1234, 99999, 2**31 - 1, 2**31, 2**31 + 7, 2**32 - 1, 2**32, 2**32 + 5]
SEEDS += [123456789012345, 2**63 - 1, 2**64 - 1, -1, -(2**40) - 3, -(2**63)]
SEEDS = SEEDS[: int(os.environ.get("KUAI_TEST_SEEDS", "3"))]  # 20 in all
LARGE = 200_003
FLOATS = ["float16", "bfloat16", "float32", "float64"]
INTS = ["uint8", "int8", "int16", "int32", "int64", "bool"]
SHAPES = [(0,), (1,), (7,), (15,), (16,), (33,), (3, 0), (5, 3), (40, 50), (2, 3, 4, 5)]


def plain(tensor) -> np.ndarray:
    """The bytes of a tensor of either library, in the order of its elements."""
    if isinstance(tensor, torch.Tensor):
        flat = torch.empty(tensor.shape, dtype=tensor.dtype).copy_(tensor.detach()).reshape(-1)
        return flat.view(torch.uint8).numpy() if flat.numel() else np.empty(0, np.uint8)
    return np.ascontiguousarray(tensor.detach()._array()).reshape(-1).view(np.uint8)


def agree(program, seed: int = 0) -> None:
    """Run ``program(library)`` from a seed under both libraries: equal bits, dtype, shape, and state afterwards."""
    found = []
    for library in (kuai, torch):
        library.manual_seed(seed)
        made = program(library)
        made = made if isinstance(made, (list, tuple)) else [made]
        found.append([(tuple(t.shape), str(t.dtype).split(".")[1], plain(t)) for t in made])
    for (shape, dtype, bits), (their_shape, their_dtype, their_bits) in zip(*found, strict=True):
        assert (shape, dtype) == (their_shape, their_dtype)
        np.testing.assert_array_equal(bits, their_bits)
    np.testing.assert_array_equal(kuai.get_rng_state().numpy(), torch.get_rng_state().numpy())


# ---- into tensors of any layout ------------------------------------------------------------------------------------------

FILLS = {
    "uniform_": ([(), (-0.3, 0.7), (0, 1e-3)], [*FLOATS, "complex64", "complex128"]),
    "normal_": ([(), (0.1, 1.7), (0, 0.02)], [*FLOATS, "complex64", "complex128"]),
    "bernoulli_": ([(), (0.3,), (0.0,), (1.0,)], FLOATS + INTS),
    "exponential_": ([(), (1.5,)], FLOATS),
    "geometric_": ([(0.1,)], FLOATS + INTS[:-1]),
    "cauchy_": ([(), (0.3, 1.5)], FLOATS),
    "log_normal_": ([(), (0.3, 0.5)], FLOATS),
    "random_": ([(), (2,), (0, 2)], FLOATS + INTS),
}
LAYOUTS = {
    "contiguous": lambda lib, shape, dtype: lib.empty(shape, dtype=dtype),
    "transposed": lambda lib, shape, dtype: lib.empty(shape[::-1], dtype=dtype).permute(*range(len(shape))[::-1]),
    "every other": lambda lib, shape, dtype: lib.empty((*shape[:-1], 2 * shape[-1]), dtype=dtype)[..., ::2],
    "part of another": lambda lib, shape, dtype: lib.empty((shape[0] + 2, *shape[1:]), dtype=dtype)[1:-1],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", FILLS)
def test_fills(name: str, layout: str) -> None:
    arguments, dtypes = FILLS[name]
    for dtype in dtypes:
        for given in arguments:

            def program(lib, dtype=dtype, given=given):
                return [getattr(LAYOUTS[layout](lib, s, getattr(lib, dtype)), name)(*given) for s in SHAPES]

            for seed in SEEDS:
                agree(program, seed)


@pytest.mark.parametrize("name", FILLS)
def test_large_fills(name: str) -> None:
    (given, *_), dtypes = FILLS[name]
    for dtype in dtypes:
        agree(lambda lib, d=dtype: getattr(lib.empty(LARGE, dtype=getattr(lib, d)), name)(*given), 5)
        agree(lambda lib, d=dtype: getattr(lib.empty(LARGE // 400, 400, dtype=getattr(lib, d)).t(), name)(*given), 5)


def test_draws_of_no_elements_or_of_the_wrong_dtype() -> None:
    for lib in (kuai, torch):
        for name in ("normal_", "exponential_", "log_normal_", "random_"):
            assert getattr(lib.empty(0, dtype=lib.int64), name)().shape == (0,)
        with pytest.raises(NotImplementedError):
            lib.empty(2, dtype=lib.int64).normal_()
        with pytest.raises(NotImplementedError):
            lib.empty(2, dtype=lib.complex64).bernoulli_()
        with pytest.raises(RuntimeError):
            lib.empty(2, dtype=lib.complex64).random_(3)


# ---- functions -----------------------------------------------------------------------------------------------------------


def source(lib, dtype: str, layout: str, shape: tuple):
    return LAYOUTS[layout](lib, shape, getattr(lib, dtype)).normal_()


FUNCTIONS = {
    "rand_like": lambda lib, x: lib.rand_like(x),
    "randn_like": lambda lib, x: lib.randn_like(x),
    "randint_like": lambda lib, x: lib.randint_like(x, 3, 50),
    "bernoulli": lambda lib, x: lib.bernoulli(x.sigmoid()),
    "bernoulli p": lambda lib, x: lib.bernoulli(x, 0.3),
    "bernoulli_ of tensors": lambda lib, x: x.bernoulli_(x.sigmoid().double()),
    "normal of tensors": lambda lib, x: lib.normal(x, x.abs()),
    "normal of a mean": lambda lib, x: lib.normal(x, 2.0),
    "normal of deviations": lambda lib, x: lib.normal(1.0, x.abs()),
    "poisson": lambda lib, x: lib.poisson(x.abs() * 20),
    "dropout": lambda lib, x: lib.nn.functional.dropout(x, 0.4),
    "dropout of all": lambda lib, x: lib.nn.functional.dropout(x, 1.0),
    "alpha_dropout": lambda lib, x: lib.nn.functional.alpha_dropout(x, 0.4, True),
    "feature_dropout": lambda lib, x: lib.feature_dropout(x.reshape(1, -1), 0.4, True),
    "feature_alpha_dropout": lambda lib, x: lib.nn.functional.feature_alpha_dropout(x.reshape(1, -1), 0.4, True),
    "dropout1d": lambda lib, x: lib.nn.functional.dropout1d(x.reshape(1, -1), 0.4),
    "dropout2d": lambda lib, x: lib.nn.functional.dropout2d(x.reshape(1, -1, 1, 1), 0.4),
    "dropout3d": lambda lib, x: lib.nn.functional.dropout3d(x.reshape(-1, 1, 1, 1), 0.4),
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str, dtype: str) -> None:
    for layout in LAYOUTS:
        for shape in ((0,), (7,), (5, 3), (40, 50)):
            for seed in SEEDS:
                agree(lambda lib, at=(dtype, layout, shape): FUNCTIONS[name](lib, source(lib, *at)), seed)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
def test_rrelu(dtype: str) -> None:
    for layout in LAYOUTS:
        agree(lambda lib, at=layout: lib.nn.functional.rrelu(source(lib, dtype, at, (40, 50)), 0.1, 0.4, training=True))


@pytest.mark.parametrize("dtype", FLOATS + INTS)
def test_whole_numbers(dtype: str) -> None:
    top = 2 if dtype == "bool" else 100
    sizes = [0, 1, 5, 100, 1000] if dtype not in ("uint8", "int8", "bool") else [0, 1, 5, 100]
    for seed in SEEDS:
        for shape in SHAPES:
            agree(lambda lib, s=shape: lib.randint(top, s, dtype=getattr(lib, dtype)), seed)
            agree(lambda lib, s=shape: lib.randint(1, top, s, dtype=getattr(lib, dtype)), seed)
        if dtype != "bool":
            for n in sizes:
                agree(lambda lib, n=n: lib.randperm(n, dtype=getattr(lib, dtype)), seed)
    agree(lambda lib: lib.randint(top, (LARGE,), dtype=getattr(lib, dtype)))


def test_plain_draws() -> None:
    for dtype in (*FLOATS, "complex64", "complex128"):
        for seed in SEEDS:
            agree(lambda lib, d=dtype: [f(s, dtype=getattr(lib, d)) for f in (lib.rand, lib.randn) for s in ((), *SHAPES)], seed)
    agree(lambda lib: lib.randperm(LARGE))
    agree(lambda lib: lib.rand(LARGE))
    agree(lambda lib: lib.randn(LARGE, dtype=lib.float64))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("replacement", [True, False])
def test_multinomial(dtype: str, replacement: bool) -> None:
    """Without replacement, equal quotients of halves may come in another order; one sample is always PyTorch's."""
    for shape in ((2,), (10,), (1000,), (4, 10), (0, 3)):
        for n in (1, 2) if replacement or dtype in ("float32", "float64") or shape == (2,) else (1,):
            for seed in SEEDS:
                agree(lambda lib, s=shape, n=n: lib.rand(s).add(0.01).to(getattr(lib, dtype)).multinomial(n, replacement), seed)


def test_gumbel_softmax_draws_the_same_stream() -> None:
    found = []
    for lib in (kuai, torch):
        lib.manual_seed(3)
        found.append(lib.nn.functional.gumbel_softmax(lib.zeros(50, 20), tau=0.5).numpy())
    np.testing.assert_allclose(*found, rtol=1e-5)
    np.testing.assert_array_equal(kuai.get_rng_state().numpy(), torch.get_rng_state().numpy())


# ---- generators ----------------------------------------------------------------------------------------------------------


def test_generators_exchange_their_states() -> None:
    for seed in SEEDS:
        ours, theirs = kuai.Generator().manual_seed(seed), torch.Generator().manual_seed(seed)
        assert ours.initial_seed() == theirs.initial_seed()
        for n in (5, 624, 619, 40):
            a, b = kuai.randn(n, generator=ours), torch.randn(n, generator=theirs)
            np.testing.assert_array_equal(a.numpy(), b.numpy())
            np.testing.assert_array_equal(ours.get_state().numpy(), theirs.get_state().numpy())
        back, forth = torch.Generator(), kuai.Generator()
        back.set_state(torch.from_numpy(ours.get_state().numpy()))
        forth.set_state(kuai.from_numpy(theirs.get_state().numpy()))
        np.testing.assert_array_equal(kuai.rand(7, generator=forth).numpy(), torch.rand(7, generator=back).numpy())


def test_forks_leave_the_stream() -> None:
    def program(lib):
        first = lib.rand(3)
        with lib.random.fork_rng():
            inside = lib.randn(5)
            lib.manual_seed(9)
        with lib.random.fork_rng(enabled=False):
            lib.rand(1)
        return [first, inside, lib.rand(3)]

    agree(program)
    assert kuai.default_generator.initial_seed() == kuai.initial_seed() == kuai.random.initial_seed()
    assert kuai.seed() == kuai.initial_seed()


# ---- initial values ------------------------------------------------------------------------------------------------------

LAYERS = """
Linear(20, 256) | Linear(3, 4, bias=False) | Linear(3, 4, dtype=lib.float64) | Linear(30, 40, dtype=lib.bfloat16)
Linear(30, 40, dtype=lib.float16) | Bilinear(3, 4, 5) | Embedding(10, 7) | Embedding(10, 7, padding_idx=2) | EmbeddingBag(10, 7)
Conv1d(3, 8, 3) | Conv2d(3, 8, (3, 5)) | Conv2d(4, 8, 3, groups=4, bias=False) | Conv3d(2, 4, 3)
ConvTranspose1d(3, 8, 3) | ConvTranspose2d(4, 8, 3, groups=2) | ConvTranspose3d(2, 4, 3)
RNN(3, 5, 2) | RNN(3, 5, 2, nonlinearity='relu', bias=False) | LSTM(3, 5, 2, bidirectional=True) | LSTM(3, 5, proj_size=2)
GRU(3, 5, 3, bidirectional=True) | RNNCell(3, 4) | LSTMCell(3, 4) | GRUCell(3, 4, bias=False)
MultiheadAttention(16, 4) | MultiheadAttention(16, 4, bias=False) | MultiheadAttention(16, 4, kdim=6, vdim=8)
MultiheadAttention(16, 4, add_bias_kv=True) | TransformerEncoderLayer(16, 4, 32) | TransformerDecoderLayer(16, 4, 32)
Transformer(16, 4, 2, 2, 32) | BatchNorm2d(5) | InstanceNorm2d(4, affine=True, track_running_stats=True) | SyncBatchNorm(5)
LayerNorm((3, 4)) | GroupNorm(2, 6) | RMSNorm(8) | PReLU(3) | AdaptiveLogSoftmaxWithLoss(16, 30, [5, 12])
"""
LAYERS = [call.strip() for line in LAYERS.strip().splitlines() for call in line.split(" | ")]


def weights(program):
    """A program that gives what the state_dict of its module holds."""
    return lambda lib: list(program(lib).state_dict().values())


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("call", LAYERS)
def test_layers_start_with_pytorchs_weights(call: str) -> None:
    for seed in SEEDS:
        agree(weights(lambda lib: eval(f"lib.nn.{call}", {"lib": lib})), seed)


def custom(lib):
    """The chapter's networks: custom initialisation, parameters of one's own, tied layers."""
    nn = lib.nn

    def start(m):
        if type(m) is nn.Linear:
            nn.init.uniform_(m.weight, -10, 10)
            m.weight.data *= m.weight.data.abs() >= 5

    class Own(nn.Module):
        def __init__(self, units):
            super().__init__()
            self.weight = nn.Parameter(lib.randn(20, units))
            self.bias = nn.Parameter(lib.randn(units))

    shared = nn.Linear(8, 8)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), shared, nn.ReLU(), shared, nn.ReLU(), nn.Linear(8, 1))
    net.apply(start)
    net[0].apply(lambda m: nn.init.xavier_uniform_(m.weight))
    net[-1].apply(lambda m: nn.init.normal_(m.weight, mean=0, std=0.01))
    nn.init.trunc_normal_(net[2].weight, std=0.02)
    net.add_module("own", Own(8))
    assert net[2] is net[4]
    return net


def residual(lib):
    nn = lib.nn

    class Block(nn.Module):
        def __init__(self, channels, out, stride):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
            self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
            for m in self.modules():
                if isinstance(m, nn.Conv2d):
                    nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")

    return Block(16, 32, 2)


@pytest.mark.parametrize("program", [custom, residual])
def test_networks_start_with_pytorchs_weights(program) -> None:
    for seed in SEEDS:
        agree(weights(program), seed)


# ---- training ------------------------------------------------------------------------------------------------------------


def losses(lib, steps: int) -> list[float]:
    nn, found = lib.nn, []
    lib.manual_seed(11)
    net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 5))
    optimizer = lib.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    inputs, labels = lib.randn(256, 20), lib.randint(0, 5, (256,))
    for _ in range(steps):
        batch = lib.randperm(256)[:32]
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(inputs[batch]), labels[batch])
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_training_with_dropout_stays_beside_pytorch(engine: str) -> None:
    kuai.set_engine(engine)
    try:
        ours = losses(kuai, 100)
    finally:
        kuai.set_engine("auto")
    np.testing.assert_allclose(ours, losses(torch, 100), rtol=0, atol=1e-5)


def test_bernoulli_into_integers():
    made = kuai.bernoulli(kuai.tensor([0.0, 1.0]), out=kuai.ones(2, dtype=kuai.int64))
    assert made.dtype is kuai.int64 and made.tolist() == [0, 1]
