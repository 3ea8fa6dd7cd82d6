"""The CPU's random streams against PyTorch, bit for bit, and against stored values where PyTorch is
absent.
"""

from __future__ import annotations

import math
import pickle
import threading
import zlib
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from kuai.random import boxmuller, integers, streams
from kuai.random.arithmetic import fma32, fma64
from kuai.random.generator import Generator

BF16 = np.dtype(ml_dtypes.bfloat16)
F4, F8, F2 = np.dtype("f4"), np.dtype("f8"), np.dtype("f2")
FLOATS = [F4, F8, F2, BF16]
INTS = [np.dtype(name) for name in ("i1", "u1", "i2", "i4", "i8")]
SEEDS = [0, 1, 2, 7, 42, 123, 1234, 99999, 2**31 - 1, 2**31, 2**31 + 7, 2**32 - 1, 2**32, 2**32 + 5]
SEEDS += [123456789012345, 2**63 - 1, 2**64 - 1, -1, -(2**40) - 3, -(2**63)]
SIZES = [0, 1, 2, 7, 15, 16, 17, 31, 32, 33, 100, 1000, 4101]
LARGE = 200_003


def make(seed: int) -> Generator:
    return Generator().manual_seed(seed)


def same_bits(got: np.ndarray, expected) -> None:
    import torch

    flat = expected.detach().clone(memory_format=torch.contiguous_format).reshape(-1)
    raw = flat.view(torch.uint8).numpy() if flat.numel() else np.empty(0, np.uint8)
    np.testing.assert_array_equal(np.ascontiguousarray(got).reshape(-1).view(np.uint8), raw)


def check(seed: int, sizes: list[int], theirs, ours) -> None:
    """Draws of several sizes in a row, so that each starts where the last one left the stream."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(seed)
    generator = make(seed)
    for n in sizes:
        same_bits(ours(generator, n), theirs(n))
    np.testing.assert_array_equal(generator.state_bytes(), torch.get_rng_state().numpy())


def empty(n: int, dtype: np.dtype):
    import torch

    return torch.empty(n, dtype=getattr(torch, dtype.name))


def strided(n: int, dtype: np.dtype):
    import torch

    return torch.empty(n, 2, dtype=getattr(torch, dtype.name))[:, 0]


# ---- draws of every floating-point dtype ---------------------------------------------------------

CONTINUOUS = {
    "rand": (lambda n, d: empty(n, d).uniform_(), lambda g, n, d: streams.uniform(g, n, dtype=d)),
    "uniform": (
        lambda n, d: empty(n, d).uniform_(-0.3, 0.7),
        lambda g, n, d: streams.uniform(g, n, -0.3, 0.7, d),
    ),
    "uniform rounded up to its end": (
        lambda n, d: empty(n, d).uniform_(1000, 1000.001),
        lambda g, n, d: streams.uniform(g, n, 1000, 1000.001, d),
    ),
    "randn": (lambda n, d: empty(n, d).normal_(), lambda g, n, d: streams.normal(g, n, dtype=d)),
    "normal": (
        lambda n, d: empty(n, d).normal_(0.1, 1.7),
        lambda g, n, d: streams.normal(g, n, 0.1, 1.7, d),
    ),
    "normal around zero": (
        lambda n, d: empty(n, d).normal_(0, 0.02),
        lambda g, n, d: streams.normal(g, n, 0, 0.02, d),
    ),
    "normal, not contiguous": (
        lambda n, d: strided(n, d).normal_(0.1, 1.7),
        lambda g, n, d: streams.normal(g, n, 0.1, 1.7, d, contiguous=False),
    ),
    "log_normal": (
        lambda n, d: empty(n, d).log_normal_(0.3, 1.5),
        lambda g, n, d: streams.log_normal(g, n, 0.3, 1.5, d),
    ),
    "log_normal that overflows": (
        lambda n, d: empty(n, d).log_normal_(5, 300),
        lambda g, n, d: streams.log_normal(g, n, 5, 300, d),
    ),
    "exponential": (
        lambda n, d: empty(n, d).exponential_(1.5),
        lambda g, n, d: streams.exponential(g, n, 1.5, d),
    ),
    "cauchy": (
        lambda n, d: empty(n, d).cauchy_(0.3, 1.5),
        lambda g, n, d: streams.cauchy(g, n, 0.3, 1.5, d),
    ),
    "geometric": (
        lambda n, d: empty(n, d).geometric_(0.01),
        lambda g, n, d: streams.geometric(g, n, 0.01, d),
    ),
    "bernoulli": (
        lambda n, d: empty(n, d).bernoulli_(0.3),
        lambda g, n, d: streams.bernoulli(g, n, 0.3).astype(d),
    ),
}


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", CONTINUOUS)
def test_draws_equal_pytorchs(name: str, dtype: np.dtype) -> None:
    theirs, ours = CONTINUOUS[name]
    for seed in SEEDS:
        check(seed, SIZES, lambda n: theirs(n, dtype), lambda g, n: ours(g, n, dtype))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", CONTINUOUS)
def test_large_draws_equal_pytorchs(name: str, dtype: np.dtype) -> None:
    theirs, ours = CONTINUOUS[name]
    size = LARGE if dtype == F4 or name in ("rand", "uniform") else 70_001
    check(5, [size, 3], lambda n: theirs(n, dtype), lambda g, n: ours(g, n, dtype))


def test_threaded_normals_equal_pytorchs() -> None:
    for n in (2 * boxmuller._TASK + 16, 1_000_003):
        check(
            8,
            [n],
            lambda n: empty(n, F4).normal_(0.5, 2),
            lambda g, n: streams.normal(g, n, 0.5, 2),
        )


def test_interleaved_draws_share_the_kept_normal() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    g = make(3)
    same_bits(streams.normal(g, 3), torch.randn(3))
    same_bits(streams.normal(g, 40), torch.randn(40))
    same_bits(streams.log_normal(g, 2), torch.empty(2).log_normal_())
    same_bits(streams.uniform(g, 5), torch.rand(5))
    same_bits(streams.normal(g, 1, dtype=F8), torch.randn(1, dtype=torch.float64))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_bernoulli_with_a_probability_for_each(dtype: np.dtype) -> None:
    torch = pytest.importorskip("torch")
    p = torch.linspace(0, 1, 1001, dtype=getattr(torch, dtype.name))
    mine = (p.double() if dtype == F8 else p.float()).numpy().astype(dtype)
    for seed in SEEDS:
        check(
            seed,
            [1, 17, 1001],
            lambda n: torch.bernoulli(p[:n]),
            lambda g, n: streams.bernoulli_each(g, mine[:n]).astype(dtype),
        )


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("p", [0.0, 0.1, 0.4, 1.0])
def test_dropout_noise(dtype: np.dtype, p: float) -> None:
    torch = pytest.importorskip("torch")
    ones = torch.ones(1001, dtype=getattr(torch, dtype.name))
    dropout = torch.nn.functional.dropout
    for seed in SEEDS:
        check(
            seed,
            [1, 17, 1001],
            lambda n: dropout(ones[:n], p),
            lambda g, n: streams.dropout_noise(g, n, p, dtype),
        )


# ---- integers ------------------------------------------------------------------------------------

RANGES = [
    (0, 2),
    (0, 100),
    (-5, 120),
    (0, 2**27),
    (3, 2**28),
    (-5, 2**31),
    (0, 2**40),
    (7, 2**20 | 1),
]
RANGES += [(-(2**63), 2**63 - 1), (0, 2**63 - 1), (0, 60000), (1000, 60001), (-60001, 3)]
RANGES += [
    (2**24 - 3, 2**24 + 7),
    (2**53 - 3, 2**53 + 9),
    (-(2**53) - 7, 2**53),
    (0, 70000),
    (5, None),
]


@pytest.mark.filterwarnings("ignore:.*out of bounds")
@pytest.mark.parametrize(
    "dtype",
    [*FLOATS, *INTS, np.dtype(bool), np.dtype("u2"), np.dtype("u4"), np.dtype("u8")],
    ids=str,
)
@pytest.mark.parametrize("low, high", RANGES)
def test_random_between_bounds(dtype: np.dtype, low: int, high: int | None) -> None:
    pytest.importorskip("torch")
    try:
        empty(3, dtype).random_(low, high)
    except RuntimeError:
        with pytest.raises(RuntimeError):
            streams.randint(make(0), 3, low, high, dtype)
        return
    for seed in SEEDS[::4]:
        check(
            seed,
            [0, 1, 17, 1000],
            lambda n: empty(n, dtype).random_(low, high),
            lambda g, n: streams.randint(g, n, low, high, dtype),
        )


@pytest.mark.parametrize("dtype", [*FLOATS, *INTS, np.dtype(bool)], ids=str)
def test_random_without_bounds(dtype: np.dtype) -> None:
    for seed in SEEDS:
        check(
            seed,
            [0, 1, 17, 1000],
            lambda n: empty(n, dtype).random_(),
            lambda g, n: streams.randint(g, n, dtype=dtype),
        )


@pytest.mark.parametrize("dtype", [F4, F8, BF16, np.dtype("i8")], ids=str)
def test_random_over_all_64_bits(dtype: np.dtype) -> None:
    least = -(2**63)
    for seed in SEEDS:
        check(
            seed,
            [1, 1000],
            lambda n: empty(n, dtype).random_(least, None),
            lambda g, n: streams.randint(g, n, least, None, dtype),
        )


@pytest.mark.parametrize("dtype", INTS, ids=str)
def test_geometric_of_integers(dtype: np.dtype) -> None:
    for seed in SEEDS:
        check(
            seed,
            [1, 1000],
            lambda n: empty(n, dtype).geometric_(0.001),
            lambda g, n: streams.geometric(g, n, 0.001, dtype),
        )


def test_randperm() -> None:
    torch = pytest.importorskip("torch")
    for seed in SEEDS:
        check(seed, [0, 1, 2, 10, 299, 300, 301, 5000], torch.randperm, streams.randperm)
    check(4, [LARGE], torch.randperm, streams.randperm)


@pytest.mark.parametrize("dtype", [*FLOATS, *INTS, np.dtype("u2"), np.dtype(bool)], ids=str)
@pytest.mark.parametrize("n", [5, 128, 129, 256, 257, 2049, 2050, 32768, 32769])
def test_randperm_of_every_dtype(dtype: np.dtype, n: int) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(9)
    g = make(9)
    try:
        expected = torch.randperm(n, dtype=empty(0, dtype).dtype)
    except RuntimeError as error:
        with pytest.raises((RuntimeError, NotImplementedError)):
            streams.randperm(g, n, dtype)
        assert (
            isinstance(error, NotImplementedError) == (dtype.kind == "b" or dtype == "u2")
            or n > 256
        )
    else:
        same_bits(streams.randperm(g, n, dtype), expected)


def test_randperm_inside_out_is_a_permutation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integers, "_WIDE_PERMUTATION", 1000)
    out = streams.randperm(make(0), 3000)
    assert np.array_equal(np.sort(out), np.arange(3000))


# ---- multinomial ---------------------------------------------------------------------------------


@pytest.mark.parametrize("replacement", [True, False])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("rows", [None, 4])
def test_multinomial(dtype: np.dtype, replacement: bool, rows: int | None) -> None:
    torch = pytest.importorskip("torch")
    for categories in (2, 10, 1000):
        shape = (categories,) if rows is None else (rows, categories)
        weights = (np.random.default_rng(0).random(shape) + 0.01).astype(F4).astype(dtype)
        wide = weights if dtype == F8 else weights.astype(F4)
        theirs = torch.tensor(wide).to(empty(0, dtype).dtype)
        sizes = [1, 2, categories // 2, categories]
        if not replacement and dtype != F8:  # PyTorch's order of equal quotients is its own
            sizes = [1, 2, 10] if dtype == F4 and categories >= 10 else [1]
        for seed in SEEDS[:8]:
            check(
                seed,
                sizes,
                lambda n, p=theirs: torch.multinomial(p, n, replacement),
                lambda g, n, p=weights: streams.multinomial(g, p, n, replacement),
            )


@pytest.mark.parametrize("dtype", [F2, BF16], ids=str)
def test_multinomial_of_halves_leaves_the_stream_at_the_same_place(dtype: np.dtype) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(6)
    g = make(6)
    torch.multinomial(torch.ones(100, dtype=empty(0, dtype).dtype), 50)
    picked = streams.multinomial(g, np.ones(100, dtype), 50)
    assert len(set(picked.tolist())) == 50
    np.testing.assert_array_equal(g.state_bytes(), torch.get_rng_state().numpy())


# ---- the generator -------------------------------------------------------------------------------


@pytest.mark.parametrize("drawn", [0, 1, 5, 623, 624, 625, 1000])
def test_states_are_exchanged_with_pytorch(drawn: int) -> None:
    torch = pytest.importorskip("torch")
    for seed in SEEDS:
        theirs, ours = torch.Generator().manual_seed(seed), make(seed)
        torch.rand(drawn, generator=theirs)
        streams.uniform(ours, drawn)
        torch.randn(3, generator=theirs)
        streams.normal(ours, 3)
        np.testing.assert_array_equal(ours.state_bytes(), theirs.get_state().numpy())
        back = torch.Generator()
        back.set_state(torch.from_numpy(ours.state_bytes()))
        forth = Generator()
        forth.set_state_bytes(theirs.get_state().numpy())
        same_bits(streams.normal(forth, 2), torch.randn(2, generator=back))
        assert forth.initial_seed() == back.initial_seed() == ours.initial_seed()


def test_generator_seeds() -> None:
    g = Generator()
    assert g.initial_seed() == 67280421310721
    assert g.manual_seed(-1) is g and g.initial_seed() == 2**64 - 1
    assert g.seed() == g.initial_seed()
    with pytest.raises(ValueError, match="Overflow"):
        g.manual_seed(2**64)
    for wrong in (1.5, True, "a"):
        with pytest.raises(RuntimeError, match="expected a long"):
            g.manual_seed(wrong)  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="cpu"):
        Generator("cuda")
    with pytest.raises(RuntimeError, match="offset"):
        g.get_offset()


def test_a_refused_state_changes_nothing() -> None:
    g = make(1)
    before = g.state_bytes()
    for state in (np.zeros(5056, np.uint8), np.zeros(50, np.uint8)):
        with pytest.raises(RuntimeError):
            g.set_state_bytes(state)
    with pytest.raises(TypeError):
        g.set_state_bytes(np.zeros(5056, np.float32))
    np.testing.assert_array_equal(g.state_bytes(), before)


def test_copies_continue_alike() -> None:
    g = make(1)
    streams.normal(g, 3)
    for twin in (g.clone_state(), pickle.loads(pickle.dumps(g))):
        np.testing.assert_array_equal(twin.state_bytes(), g.state_bytes())


def test_concurrent_draws_take_each_word_once() -> None:
    g, parts = make(2), []
    threads = [
        threading.Thread(target=lambda: [parts.append(streams.uniform(g, 1000)) for _ in range(20)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = streams.uniform(make(2), 80_000).reshape(80, 1000)
    assert {p.tobytes() for p in parts} == {p.tobytes() for p in expected}


# ---- errors --------------------------------------------------------------------------------------

REFUSED = [
    (RuntimeError, lambda g: streams.normal(g, 3, 0, -1)),
    (RuntimeError, lambda g: streams.uniform(g, 3, 1, 0)),
    (RuntimeError, lambda g: streams.uniform(g, 3, math.nan, 1)),
    (RuntimeError, lambda g: streams.uniform(g, 3, -65000, 65000, F2)),
    (RuntimeError, lambda g: streams.exponential(g, 3, -1)),
    (RuntimeError, lambda g: streams.geometric(g, 3, 0)),
    (RuntimeError, lambda g: streams.cauchy(g, 3, 0, -1)),
    (RuntimeError, lambda g: streams.log_normal(g, 3, 0, 0)),
    (RuntimeError, lambda g: streams.bernoulli(g, 3, 1.2)),
    (RuntimeError, lambda g: streams.bernoulli_each(g, np.array([0.5, 1.2]))),
    (RuntimeError, lambda g: streams.randint(g, 3, 3, 3)),
    (RuntimeError, lambda g: streams.randperm(g, -1)),
    (RuntimeError, lambda g: streams.multinomial(g, np.array([0.5, -0.5]), 1)),
    (RuntimeError, lambda g: streams.multinomial(g, np.array([0.0, 0.0]), 3, True)),
    (RuntimeError, lambda g: streams.multinomial(g, np.array([1.0, 1.0]), 3)),
    (RuntimeError, lambda g: streams.multinomial(g, np.array([1.0, math.inf]), 1)),
    (RuntimeError, lambda g: streams.multinomial(g, np.array([1, 2]), 1)),
    (RuntimeError, lambda g: streams.exponential(g, 3, 1.0, np.int32)),
    (NotImplementedError, lambda g: streams.uniform(g, 3, dtype=np.int32)),
    (NotImplementedError, lambda g: streams.normal(g, 3, dtype=np.int32)),
    (NotImplementedError, lambda g: streams.geometric(g, 3, 0.5, bool)),
    (NotImplementedError, lambda g: streams.randint(g, 3, dtype=np.uint16)),
    (ValueError, lambda g: streams.dropout_noise(g, 3, 1.5)),
]


@pytest.mark.parametrize("error, draw", REFUSED)
def test_refused_draws_leave_the_stream(error: type[Exception], draw) -> None:
    g = make(0)
    with pytest.raises(error):
        draw(g)
    np.testing.assert_array_equal(g.state_bytes(), make(0).state_bytes())


# ---- without PyTorch -----------------------------------------------------------------------------


def test_stored_values() -> None:
    """What PyTorch 2.13 drew from seed 1234."""
    g = make(1234)
    assert [float(v).hex() for v in streams.uniform(g, 3)] == [
        "0x1.dacbc00000000p-6",
        "0x1.9b8b4c0000000p-2",
        "0x1.0a14980000000p-2",
    ]
    assert [float(v).hex() for v in streams.normal(g, 16)[::5]] == [
        "-0x1.c36c940000000p-1",
        "-0x1.41e5980000000p-2",
        "-0x1.66e7a00000000p+0",
        "0x1.bedd440000000p+0",
    ]
    np.testing.assert_allclose(
        streams.normal(g, 3),
        [0.6292303204536438, -0.8629085421562195, 2.191540002822876],
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        streams.normal(g, 17, dtype=F8)[::8],
        [1.1963289253713214, 0.44285465373098126, 0.17545816963796732],
        rtol=1e-14,
    )
    assert streams.randint(g, 5, 0, 100).tolist() == [81, 22, 37, 82, 58]
    assert streams.randint(g, 3, -5, 2**40).tolist() == [161447422269, 163547035387, 982227603847]
    assert streams.randperm(g, 8).tolist() == [5, 1, 0, 2, 4, 3, 7, 6]
    assert streams.bernoulli(g, 6, 0.5).tolist() == [True, True, False, False, False, True]
    np.testing.assert_allclose(
        streams.exponential(g, 3),
        [1.7678987979888916, 2.020880699157715, 0.8565078973770142],
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        streams.cauchy(g, 3),
        [0.2689085900783539, -0.47984182834625244, -0.5739352107048035],
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        streams.log_normal(g, 3),
        [7.218928813934326, 0.22735092043876648, 0.14279676973819733],
        rtol=1e-6,
    )
    assert streams.geometric(g, 3, 0.1).tolist() == [27.0, 6.0, 16.0]
    assert streams.multinomial(g, np.array([1, 2, 3, 4], F4), 4).tolist() == [3, 2, 1, 0]
    assert streams.multinomial(g, np.array([1, 2, 3, 4], F4), 6, True).tolist() == [
        3,
        1,
        3,
        1,
        3,
        2,
    ]


def test_stored_checksums() -> None:
    """crc32 of PyTorch 2.13's bytes from seed 77; no function of libm is in them."""
    g = make(77)
    assert zlib.crc32(streams.uniform(g, 5000).tobytes()) == 1038854255
    assert zlib.crc32(streams.uniform(g, 5000, -0.3, 0.7).tobytes()) == 3032811902
    assert zlib.crc32(streams.uniform(g, 5000, -0.3, 0.7, F8).tobytes()) == 1688961470
    assert zlib.crc32(streams.uniform(g, 5000, dtype=BF16).tobytes()) == 152159652
    assert zlib.crc32(streams.normal(g, 5001).tobytes()) == 3501467150
    assert zlib.crc32(streams.normal(g, 5001, 0.1, 1.7, F2).tobytes()) == 770417951
    assert zlib.crc32(streams.normal(g, 600_001, 0.1, 1.7).tobytes()) == 4177508030
    assert zlib.crc32(streams.randint(g, 5000, 0, 10).tobytes()) == 2472389270
    assert zlib.crc32(streams.randperm(g, 5000).tobytes()) == 2368641974
    assert zlib.crc32(streams.bernoulli(g, 5000, 0.3).tobytes()) == 4271411336
    assert zlib.crc32(streams.dropout_noise(g, 5000, 0.4).tobytes()) == 2548674766
    assert zlib.crc32(g.state_bytes().tobytes()) == 2810987720


def test_fused_multiply_add() -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal(500)
    for b, c in ((0.3, 1e-17), (1.7, -0.4), (1e-3, 1e3), (3.0, -1e-30)):
        exact = [float(Fraction(x) * Fraction(b) + Fraction(c)) for x in a]
        np.testing.assert_array_equal(fma64(a, b, c), exact)
    # The product is 2**-24 less a hair; with c it is just below a tie, which float64 rounds onto it.
    x, b, c = F4.type(10610063 * 2.0**-35), 13264529 * 2.0**-36, 1 + 2.0**-23
    assert fma32(np.array([x]), b, c)[0] == F4.type(c) != F4.type(float(x) * b + c)


def test_kernel_without_rounding_checks_is_exact() -> None:
    """Of the 2**24 arguments of radius and angle, every 61st, against checked multiply-adds."""
    words = np.arange(0, 1 << 24, 61, dtype=np.uint32)
    work = boxmuller._Workspace(words.size)
    np.testing.assert_array_equal(work.radius(words), checked_radius(words))
    cosine, sine = work.angle(words)
    expected_cosine, expected_sine = checked_angle(words)
    np.testing.assert_array_equal(cosine, expected_cosine)
    np.testing.assert_array_equal(sine, expected_sine)


def fma(a, b, c) -> np.ndarray:
    """Exact a*b + c in float32, by rounding the float64 sum to odd."""
    product = np.multiply(a, b, dtype=F8)
    total = product + np.asarray(c, F8)
    back = total - product
    error = (product - (total - back)) + (np.asarray(c, F8) - back)
    bits = total.view(np.int64)
    odd = np.where((error != 0) & (bits & 1 == 0), np.where((error > 0) == (total > 0), 1, -1), 0)
    return (bits + odd).view(F8).astype(F4)


def checked_radius(words: np.ndarray) -> np.ndarray:
    mantissa, exponent = np.frexp(F4.type(1) - words.astype(F4) * F4.type(2.0**-24))
    small = mantissa < F4.type(math.sqrt(0.5))
    x = np.where(small, 2 * mantissa, mantissa) - F4.type(1)
    e = (exponent - small).astype(F4)
    y = np.full_like(x, boxmuller._LOG[0])
    for c in boxmuller._LOG[1:]:
        y = fma(y, x, F4.type(c))
    z = x * x
    y = fma(y * x, z, e * F4.type(boxmuller._LN2_LOW))
    y = x + fma(-z, F4.type(0.5), y)
    return np.sqrt(F4.type(-2) * fma(e, F4.type(0.693359375), y))


def checked_angle(words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x = words.astype(F4) * F4.type(2.0**-24) * F4.type(2 * math.pi)
    octant = ((x * boxmuller._FOUR_OVER_PI).astype(np.int32) + 1) & ~1
    for part in (*boxmuller._QUARTER_PI, boxmuller._QUARTER_PI_LOW):
        x = fma(octant.astype(F4), F4.type(part), x)
    z = x * x
    c, s = np.full_like(x, boxmuller._COS[0]), np.full_like(x, boxmuller._SIN[0])
    for a, b in zip(boxmuller._COS[1:], boxmuller._SIN[1:], strict=True):
        c, s = fma(c, z, F4.type(a)), fma(s, z, F4.type(b))
    c = fma(c * z, z, -(z * F4.type(0.5))) + F4.type(1)
    s = fma(s * z, x, x)
    swap = octant & 2 != 0
    cosine = np.where(swap, s, c) * np.where((octant + 2) & 4, F4.type(-1), F4.type(1))
    return cosine, np.where(swap, c, s) * np.where(octant & 4, F4.type(-1), F4.type(1))
