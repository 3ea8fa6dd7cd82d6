"""Fourier transforms, short-time transforms and window functions against PyTorch, on both engines."""

import warnings

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings
from hypothesis import strategies as st

import kuai
from tests import oracle

ONE = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
MANY = tuple(f"{n}{k}" for n in ONE for k in ("2", "n"))
OF_REALS = ("rfft", "ihfft")


def signal(name, shape, double=True):
    torch.manual_seed(0)
    is_real = name.startswith(OF_REALS)
    kinds = (torch.float64, torch.complex128) if double else (torch.float32, torch.complex64)
    return torch.randn(*shape, dtype=kinds[not is_real], requires_grad=True)


def both(name, x, *args, **options):
    ours = oracle.to_kuai(x)
    return getattr(kuai.fft, name)(ours, *args, **options), getattr(torch.fft, name)(x, *args, **options), [(x, ours)]


@pytest.mark.parametrize("name", ONE)
def test_one_dimension(name):
    for shape, n, dim in (((6,), None, -1), ((5, 4), 3, 0), ((2, 5), 8, 1), ((1, 4, 3), None, 1)):
        for norm in (None, "ortho", "forward", "backward"):
            made, expected, leaves = both(name, signal(name, shape), n, dim, norm)
            oracle.assert_same(made, expected)
            oracle.assert_same_gradients(made, expected, leaves)


@pytest.mark.parametrize("name", MANY)
def test_several_dimensions(name):
    forms = [((4, 5), {}), ((4, 5), {"s": (3, 6)}), ((3, 4, 5), {"dim": (0, 2)}), ((3, 4), {"s": (5, -1), "dim": (1, 0)})]
    for shape, options in forms:
        for norm in (None, "ortho", "forward"):
            made, expected, leaves = both(name, signal(name, shape), norm=norm, **options)
            oracle.assert_same(made, expected)
            oracle.assert_same_gradients(made, expected, leaves)


@pytest.mark.parametrize("name", ONE)
def test_second_derivatives(name):
    x = oracle.to_kuai(signal(name, (2, 4)))
    assert kuai.autograd.gradgradcheck(lambda x: getattr(kuai.fft, name)(x, 5) ** 2, (x,))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ONE), st.integers(1, 9), st.none() | st.integers(1, 12), st.sampled_from([None, "ortho", "forward"]))
def test_any_length(name, size, n, norm):
    if n is None and name in ("irfft", "hfft"):
        size += 1
    made, expected, _ = both(name, signal(name, (size,), double=False), n, -1, norm)
    oracle.assert_same(made, expected)


def test_four_dimensions_at_once_under_xla():
    x = oracle.to_kuai(signal("rfftn", (2, 3, 2, 4), double=False)).detach()
    expected = [kuai.fft.rfftn(x)._array(), kuai.fft.irfftn(kuai.fft.rfftn(x))._array()]
    kuai.set_engine("xla")
    try:
        half = kuai.fft.rfftn(x)
        made = [half, kuai.fft.irfftn(half)]
        for a, b in zip(made, expected):
            oracle.assert_close(a._array(), b, str(b.dtype))
    finally:
        kuai.set_engine("auto")


def test_dtypes():
    for d in ("int64", "bool", "float32", "complex64", "float64"):
        x = torch.ones(4).to(getattr(torch, d))
        oracle.assert_same(kuai.fft.fft(oracle.to_kuai(x)), torch.fft.fft(x))
    oracle.assert_same(kuai.fft.rfft(kuai.arange(5)), torch.fft.rfft(torch.arange(5)))


@pytest.mark.parametrize(
    "run",
    [
        lambda t: t.fft.fft(t.ones(3), n=0), lambda t: t.fft.rfft(t.ones(3, dtype=t.complex64)),
        lambda t: t.fft.fft(t.ones(3), dim=1), lambda t: t.fft.fft(t.tensor(1.0)), lambda t: t.fft.fft(t.ones(3), norm="x"),
        lambda t: t.fft.fftn(t.ones(3), dim=(0, 0)),
        lambda t: t.fft.fftn(t.ones(3), s=(2, 2)), lambda t: t.fft.fftn(t.ones(3), s=(2,), dim=(0, 0)),
        lambda t: t.fft.irfft(t.ones(1)), lambda t: t.fft.fft(t.ones(3).half()), lambda t: t.fft.rfftn(t.tensor(1.0)),
    ],
)  # fmt: skip
def test_errors(run):
    oracle.assert_same_error(lambda: run(kuai), lambda: run(torch))


def test_frequencies_and_shifts():
    for n in (1, 4, 5):
        oracle.assert_same(kuai.fft.fftfreq(n, 0.5), torch.fft.fftfreq(n, 0.5))
        oracle.assert_same(kuai.fft.rfftfreq(n, d=2.0, dtype=kuai.float64), torch.fft.rfftfreq(n, d=2.0, dtype=torch.float64))
    x = torch.arange(12).reshape(3, 4)
    for dim in (None, 0, (1,), (0, 1)):
        oracle.assert_same(kuai.fft.fftshift(oracle.to_kuai(x), dim), torch.fft.fftshift(x, dim))
        oracle.assert_same(kuai.fft.ifftshift(oracle.to_kuai(x), dim), torch.fft.ifftshift(x, dim))


# ---- the short-time transform --------------------------------------------------------------------------------------

STFT = [
    {}, {"hop_length": 3}, {"win_length": 6}, {"center": False}, {"pad_mode": "constant"}, {"normalized": True},
    {"onesided": False}, {"return_complex": False},
]  # fmt: skip


@pytest.mark.parametrize("options", STFT, ids=str)
def test_stft(options):
    x = torch.randn(2, 40, dtype=torch.float64, requires_grad=True)
    window = torch.hann_window(options.get("win_length", 8), dtype=torch.float64) + 0.1
    ours = oracle.to_kuai(x)
    options = {"return_complex": True} | options
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = torch.stft(x, 8, window=window, **options)
    made = kuai.stft(ours, 8, window=oracle.to_kuai(window), **options)
    oracle.assert_same(made, expected)
    oracle.assert_same_gradients(made, expected, [(x, ours)])


ISTFT = [{}, {"hop_length": 3}, {"win_length": 6}, {"normalized": True}, {"length": 30}, {"length": 50}]


@pytest.mark.parametrize("options", ISTFT, ids=str)
def test_istft(options):
    window = torch.hann_window(options.get("win_length", 8), dtype=torch.float64) + 0.1
    x = torch.randn(5, 11, dtype=torch.complex128, requires_grad=True)
    ours = oracle.to_kuai(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = torch.istft(x, 8, window=window, **options)
    made = kuai.istft(ours, 8, window=oracle.to_kuai(window), **options)
    oracle.assert_same(made, expected)
    oracle.assert_same_gradients(made, expected, [(x, ours)])


def test_short_time_errors():
    x, w = kuai.ones(5, 10, dtype=kuai.complex64), kuai.zeros(8)
    with pytest.raises(RuntimeError, match="overlap add"):
        kuai.istft(x, 8, window=w)
    with pytest.raises(RuntimeError, match="return_complex"):
        kuai.stft(kuai.ones(20), 8)
    for wrong in ({"hop_length": 0}, {"win_length": 9}, {"window": kuai.ones(7)}, {"n_fft": 30, "center": False}):
        with pytest.raises(RuntimeError):
            kuai.stft(kuai.ones(20), **({"n_fft": 8, "return_complex": True} | wrong))


# ---- windows -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["hann", "hamming", "blackman", "bartlett", "kaiser"])
def test_windows(name):
    for n in (0, 1, 2, 7):
        for periodic in (True, False):
            made = getattr(kuai, f"{name}_window")(n, periodic, dtype=kuai.float64)
            oracle.assert_same(made, getattr(torch, f"{name}_window")(n, periodic, dtype=torch.float64))
    oracle.assert_same_error(lambda: getattr(kuai, f"{name}_window")(-1), lambda: getattr(torch, f"{name}_window")(-1))


SIGNAL = {"general_cosine": {"a": [0.4, 0.3, 0.3]}, "general_hamming": {"alpha": 0.6}, "gaussian": {"std": 2.0},
          "exponential": {"tau": 3.0}, "kaiser": {"beta": 5.0}}  # fmt: skip


@pytest.mark.parametrize("name", torch.signal.windows.__all__)
def test_signal_windows(name):
    options = SIGNAL.get(name, {})
    ours, theirs = getattr(kuai.signal.windows, name), getattr(torch.signal.windows, name)
    for n in (0, 1, 2, 7):
        for sym in (True, False):
            oracle.assert_same(ours(n, sym=sym, **options), theirs(n, sym=sym, **options))
    oracle.assert_same_error(lambda: ours(-1, **options), lambda: theirs(-1, **options))
