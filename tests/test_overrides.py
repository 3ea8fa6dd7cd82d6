"""Subclasses of Tensor and ``__torch_function__`` beside PyTorch's: what is asked, in which order, and what comes back."""

import functools
import subprocess
import sys

import pytest

import kuai

torch = pytest.importorskip("torch", reason="compared with PyTorch: pip install torch==2.13.0")

CALLS = """x + 1; 1 + x; x - 1; 1 - x; x * 2; 2 / x; x / 2; x // 2; x % 2; x ** 2; 2 ** x; x @ x; x == x; x != 1; x < 1; 1 < x; -x
abs(x); torch.add(x, 1); x.add(1); x.T; x.mT; x[0]; F.relu(x); len(x); torch.cat([x, x]); torch.ones(2) @ x; x.sum(); x.tolist()
x.max(0); x.add_(1); x.data; x.clone(); torch.stack([torch.ones(2, 2), x]); x.float(); x.numpy(); torch.zeros_like(x)
x.new_zeros(2); bool(x[0, 0] > 0); torch.ones(2, 2) + x; x.__setitem__(0, 1); torch.nn.Linear(2, 2)(x); torch.where(x > 0, x, 0)
torch.linalg.inv(x); torch.fft.fft(x).real; x.grad; torch.split(x, 1); torch.ones(2, 2).add_(x); x.to(torch.float64); x.detach()
torch.tensor([1.0]); torch.is_tensor(x); x.view(-1).sort(); x.reshape(4).softmax(0)"""
CALLS = [call.strip() for line in CALLS.split("\n") for call in line.split(";")]


def subclass(library, seen):
    class Logged(library.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            seen.append((func.__name__, [t.__name__ for t in types]))
            return super().__torch_function__(func, types, args, kwargs or {})

    return Logged


def kinds(result):
    if isinstance(result, (tuple, list)):
        return [kinds(r) for r in result]
    return type(result).__name__


# Where kuai's function has another name than PyTorch's own binding.
ALIASES = {"linalg_inv": "inv", "fft_fft": "fft", "__rdiv__": "__rtruediv__"}


@pytest.mark.parametrize("call", CALLS)
def test_questions(call):
    found = []
    for library in (kuai, torch):
        seen = []
        library.manual_seed(0)
        x = library.tensor([[1.0, 2.0], [3.0, 5.0]]).as_subclass(subclass(library, seen))
        result = eval(call, {"x": x, "torch": library, "F": library.nn.functional})
        found.append(([(ALIASES.get(name, name), types) for name, types in seen], kinds(result)))
    assert found[0] == found[1]


def test_gradients_and_order():
    for library in (kuai, torch):
        seen = []
        base = subclass(library, seen)

        class Inner(base):
            pass

        x = library.ones(2, requires_grad=True)
        y = (x.as_subclass(base) * 2).sum()
        y.backward()
        assert type(y) is base and x.grad.tolist() == [2.0, 2.0]
        a, b = library.ones(2).as_subclass(base), library.ones(2).as_subclass(Inner)
        del seen[:]
        assert type(a + b) is Inner and type(b + a) is Inner
        assert seen[0] == ("add", ["Inner", "Logged"]) and seen[-1] == ("add", ["Inner", "Logged"])


def test_answers_of_other_classes():
    for library in (kuai, torch):
        handled: dict = {}

        class Diagonal:
            @classmethod
            def __torch_function__(cls, func, types, args=(), kwargs=None):
                if func not in handled or not all(issubclass(t, (library.Tensor, cls)) for t in types):
                    return NotImplemented
                return handled[func](*args, **(kwargs or {}))

        assert library.overrides.has_torch_function((Diagonal(),))  # kuai asks classes that are no tensors from here on

        @functools.partial(handled.__setitem__, library.mean)
        def mean(d):
            return "mean"

        assert library.mean(Diagonal()) == "mean"
        with pytest.raises(TypeError, match="Multiple dispatch failed"):
            library.sum(Diagonal())


def test_modes():
    for library in (kuai, torch):
        seen = []

        class Names(library.overrides.TorchFunctionMode):
            def __torch_function__(self, func, types, args=(), kwargs=None):
                seen.append(func.__name__)
                return func(*args, **(kwargs or {}))

        x = library.ones(2)
        with Names(), Names():
            library.relu(x)
        library.relu(x)
        assert seen == ["relu", "relu"]


@pytest.mark.parametrize("block", ["DisableTorchFunctionSubclass", "DisableTorchFunction"])
def test_blocks_in_which_nobody_is_asked(block):
    found = []
    for library in (kuai, torch):
        seen = []
        x = library.ones(2).as_subclass(subclass(library, seen))

        class Names(library.overrides.TorchFunctionMode):
            def __torch_function__(self, func, types, args=(), kwargs=None):
                seen.append(func.__name__)
                return func(*args, **(kwargs or {}))

        with Names(), getattr(library._C, block)():
            y = library.relu(x)
        found.append((seen, type(y).__name__))
    assert found[0] == found[1]


def test_parameters_are_not_asked():
    for library in (kuai, torch):
        p = library.nn.Parameter(library.ones(2))
        assert type(p + 1) is library.Tensor and not library.overrides.has_torch_function((p,))
        assert library.overrides.is_tensor_like(p)


def test_nobody_is_asked_until_there_is_someone():
    text = "import kuai, kuai.optim; from kuai import subclasses; kuai.nn.Linear(2, 2)(kuai.ones(2)); assert not subclasses.active"
    assert subprocess.run([sys.executable, "-c", text]).returncode == 0


TAKEN_BEFORE = """
import kuai.compat
kuai.compat.install()
import torch
from torch.nn.functional import relu
torch.cos(torch.ones(1))  # a name that the module has by now
KEEPS = {torch.Tensor.clone, torch.Tensor.to}
NAMES = {torch.mean: "mean"}
BY_NAME = {"relu": relu}

class Told(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        with torch._C.DisableTorchFunctionSubclass():
            found = func(*args, **(kwargs or {}))
        return found.as_subclass(cls) if func in KEEPS else NAMES.get(func, func.__name__)

x = torch.ones(2).as_subclass(Told)
assert [type(y) for y in (x.clone(), x.to(torch.float64))] == [Told, Told]
assert [torch.mean(x), relu(x), BY_NAME["relu"](x), torch.cos(x)] == ["mean", "relu", "relu", "cos"]
"""


def test_functions_that_were_taken_before_the_first_subclass():
    done = subprocess.run([sys.executable, "-c", TAKEN_BEFORE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


MODE_CALLS = """torch.ones(2) + 1; torch.zeros(2)[0]; torch.tensor([1]); torch.rand(2); torch.arange(3); torch.stack([torch.ones(1)])
torch.ones(1) * torch.ones(1); torch.ones(1).to(torch.int); torch.ones(1).__setitem__(0, 1); torch.full((2,), 1.0).sum()
torch.eye(2) @ torch.eye(2); torch.linspace(0, 1, 3).multiply(2); repr(torch.ones(1))"""


@pytest.mark.parametrize("call", [c.strip() for line in MODE_CALLS.split("\n") for c in line.split(";")])
def test_modes_are_told_what_makes_tensors_and_by_which_names(call):
    found = []
    for library in (kuai, torch):
        seen = []

        class Names(library.overrides.TorchFunctionMode):
            def __torch_function__(self, func, types, args=(), kwargs=None):
                seen.append(library.overrides.resolve_name(func))
                return func(*args, **(kwargs or {}))

        with Names():
            eval(call, {"torch": library})
        found.append(seen)
    assert found[0] == found[1]


def test_parameters_of_subclasses():
    for library in (kuai, torch):
        x = library.ones(2).as_subclass(subclass(library, []))
        p = library.nn.Parameter(x)
        assert type(p) is type(x) and isinstance(p, library.nn.Parameter) and p.requires_grad and p.is_leaf
        assert not isinstance(x, library.nn.Parameter) and not x.requires_grad
        assert repr(x) == "Logged([1., 1.])" and repr(p) == "Parameter(Logged([1., 1.], requires_grad=True))"
        assert not isinstance(p + 1, library.nn.Parameter) and type(p + 1) is type(x)
        m = library.nn.Module()
        m.p = p
        m.ps = library.nn.ParameterList([x.clone()])
        assert [n for n, _ in m.named_parameters()] == ["p", "ps.0"] and type(m.ps[0]) is type(x)
        library.optim.SGD(m.parameters(), lr=0.5).step(lambda: (m.p * m.ps[0]).sum().backward())
        assert m.p.tolist() == [0.5, 0.5] and isinstance(m.p, library.nn.Parameter)
        with pytest.warns(UserWarning, match="copy construct"):
            assert type(library.tensor(x)) is library.Tensor


def test_a_subclass_that_does_not_detach_to_itself_is_no_parameter():
    for library in (kuai, torch):

        class Lost(library.Tensor):
            @classmethod
            def __torch_function__(cls, func, types, args=(), kwargs=None):
                with library._C.DisableTorchFunctionSubclass():
                    found = func(*args, **(kwargs or {}))
                return found.as_subclass(library.Tensor) if isinstance(found, library.Tensor) else found

        with pytest.raises(RuntimeError, match=r"requires that detach\(\) returns an instance of the same type"):
            library.nn.Parameter(library.ones(1).as_subclass(Lost))
