"""Finding wrong gradients, and forward mode, beside PyTorch."""

import pytest

import kuai

torch = pytest.importorskip("torch", reason="compared with PyTorch: pip install torch==2.13.0")


def test_anomalies_name_the_line():
    for library in (kuai, torch):
        x = library.zeros(2, requires_grad=True)
        with pytest.warns(UserWarning, match="Anomaly Detection has been enabled"):
            looking = library.autograd.detect_anomaly()
        with looking:
            y = x.sqrt()  # the line
            told = pytest.warns(UserWarning, match=r"(?s)Error detected in SqrtBackward0.*# the line")
            with told, pytest.raises(RuntimeError, match="Function 'SqrtBackward0' returned nan values in its 0th output."):
                (y * 0).sum().backward()
            assert library.is_anomaly_enabled()
        (x.sqrt() * 0).sum().backward()
        assert x.grad.isnan().all() and not library.is_anomaly_enabled()
        late = (x.sqrt() * 0).sum()
        told = pytest.warns(UserWarning, match="No forward pass information")
        with library.autograd.set_detect_anomaly(True), told, pytest.raises(RuntimeError, match="nan"):
            late.backward()
        with library.autograd.set_detect_anomaly(True, check_nan=False):
            (x.sqrt() * 0).sum().backward()


def test_anomalies_change_nothing_else():
    found = []
    for looking in (False, True):
        w = kuai.arange(6.0).reshape(2, 3).requires_grad_()
        with kuai.autograd.set_detect_anomaly(looking):
            (a, b), hooked = w.sin().chunk(2), []
            b.register_hook(hooked.append)
            (kuai.stack([a, b * 2]).exp().sum() + w.max(1)[0].sum()).backward()
            found.append((w.grad.tolist(), hooked[0].tolist(), kuai.autograd.grad((w * w).sum(), w)[0].tolist()))
    assert found[0] == found[1]


@pytest.mark.parametrize("name", ["sin", "exp", "softmax", "matmul", "cumsum", "max"])
def test_dual_numbers(name):
    functions = {
        "sin": lambda x: x.sin() * x, "exp": lambda x: x.exp().sum(0), "softmax": lambda x: x.softmax(-1),
        "matmul": lambda x: x @ x.T, "cumsum": lambda x: x.cumsum(0), "max": lambda x: x.max(1)[0],
    }  # fmt: skip
    found = []
    for library in (kuai, torch):
        fw = __import__(f"{library.__name__}.autograd.forward_ad", fromlist=["x"])
        library.manual_seed(0)
        x, t = library.randn(2, 3, dtype=library.float64), library.randn(2, 3, dtype=library.float64)
        with fw.dual_level():
            y = functions[name](fw.make_dual(x, t))
            primal, tangent = fw.unpack_dual(y)
            assert not tangent.requires_grad and not primal.requires_grad
            assert fw.unpack_dual(x).tangent is None
        assert fw.unpack_dual(y).tangent is None
        found.append((primal.tolist(), tangent.tolist()))
    for ours, theirs in zip(*found):
        assert kuai.allclose(kuai.tensor(ours), kuai.tensor(theirs))


def test_dual_numbers_of_parameters_and_their_errors():
    for library in (kuai, torch):
        fw = __import__(f"{library.__name__}.autograd.forward_ad", fromlist=["x"])
        w = library.tensor(3.0, requires_grad=True)
        with fw.dual_level():
            y = fw.unpack_dual(fw.make_dual(w, library.tensor(2.0)) ** 3).tangent
            y.backward()
            with pytest.raises(RuntimeError, match="Nested forward mode"):
                fw.enter_dual_level()
            with pytest.raises(ValueError, match="Expected primal to be floating point"):
                fw.make_dual(library.tensor(1), library.tensor(1.0))
        assert y.item() == 54.0 and w.grad.item() == 36.0
        with pytest.raises(RuntimeError, match="no level exists"):
            fw.make_dual(w, w)
        with pytest.raises(RuntimeError):
            fw.exit_dual_level()
