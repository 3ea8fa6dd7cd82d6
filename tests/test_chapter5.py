"""The chapter that kuai's model of programming is taken from: every block of it runs, and prints what PyTorch prints."""

import contextlib
import io
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import kuai

root = str(Path(kuai.__file__).parent.parent)

CUSTOM_BLOCK = """
class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(20, 256)
        self.out = nn.Linear(256, 10)

    def forward(self, X):
        return self.out(F.relu(self.hidden(X)))

X = torch.rand(2, 20)
net = MLP()
print(net(X))
"""

SEQUENTIAL_BLOCK = """
class MySequential(nn.Module):
    def __init__(self, *args):
        super().__init__()
        for block in args:
            self._modules[block] = block

    def forward(self, X):
        for block in self._modules.values():
            X = block(X)
        return X

X = torch.rand(2, 20)
net = MySequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 10))
print(net(X))
"""

NESTED_BLOCKS = """
class FixedHiddenMLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.rand_weight = torch.rand((20, 20), requires_grad=False)
        self.linear = nn.Linear(20, 20)

    def forward(self, X):
        X = self.linear(X)
        X = F.relu(torch.mm(X, self.rand_weight) + 1)
        X = self.linear(X)
        while X.abs().sum() > 1:
            X /= 2
        return X.sum()

X = torch.rand(2, 20)
net = FixedHiddenMLP()
print(net(X))

class NestMLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(),
                                 nn.Linear(64, 32), nn.ReLU())
        self.linear = nn.Linear(32, 16)

    def forward(self, X):
        return self.linear(self.net(X))

chimera = nn.Sequential(NestMLP(), nn.Linear(16, 20), FixedHiddenMLP())
print(chimera(X))
"""

PARAMETERS = """
net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
X = torch.rand(size=(2, 4))
print(net(X))
print(net[2].state_dict())
print(type(net[2].bias))
print(net[2].bias)
print(net[2].bias.data)
print(net[2].weight.grad)
print(*[(name, param.shape) for name, param in net[0].named_parameters()])
print(*[(name, param.shape) for name, param in net.named_parameters()])
print(net.state_dict()['2.bias'].data, net[0].state_dict()['weight'].data)
"""

NESTED_PARAMETERS = """
def block1():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(),
                         nn.Linear(8, 4), nn.ReLU())

def block2():
    net = nn.Sequential()
    for i in range(4):
        net.add_module(f'block {i}', block1())
    return net

X = torch.rand(size=(2, 4))
rgnet = nn.Sequential(block2(), nn.Linear(4, 1))
print(rgnet(X))
print(rgnet)
print(rgnet[0][1][0].bias.data)
"""

INITIALIZATION = """
net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))

def init_normal(m):
    if type(m) == nn.Linear:
        nn.init.normal_(m.weight, mean=0, std=0.01)
        nn.init.zeros_(m.bias)

net.apply(init_normal)
print(net.state_dict())

def xavier(m):
    if type(m) == nn.Linear:
        nn.init.xavier_uniform_(m.weight)

def init_42(m):
    if type(m) == nn.Linear:
        nn.init.constant_(m.weight, 42)

net[0].apply(xavier)
net[2].apply(init_42)
print(net.state_dict())

def my_init(m):
    if type(m) == nn.Linear:
        print("Init", *[(name, param.shape) for name, param in m.named_parameters()][0])
        nn.init.uniform_(m.weight, -10, 10)
        m.weight.data *= m.weight.data.abs() >= 5

net.apply(my_init)
print(net.state_dict())
"""

TYING = """
X = torch.rand(size=(2, 4))
shared = nn.Linear(8, 8)
net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(),
                    shared, nn.ReLU(),
                    shared, nn.ReLU(),
                    nn.Linear(8, 1))
print(net(X))
print(net[2].weight.data[0] == net[4].weight.data[0])
net[2].weight.data[0, 0] = 100
print(net[4].weight.data[0, 0])
net(X).sum().backward()
print(net[2].weight.grad is net[4].weight.grad, len(list(net.parameters())))
"""

CUSTOM_LAYERS = """
class CenteredLayer(nn.Module):
    def __init__(self):
        super().__init__()

    def forward(self, X):
        return X - X.mean()

layer = CenteredLayer()
print(layer(torch.FloatTensor([1, 2, 3, 4, 5])))
net = nn.Sequential(nn.Linear(8, 128), CenteredLayer())
print(abs(net(torch.rand(4, 8)).mean().item()) < 1e-6)

class MyLinear(nn.Module):
    def __init__(self, in_units, units):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(in_units, units))
        self.bias = nn.Parameter(torch.randn(units, ))

    def forward(self, X):
        linear = torch.matmul(X, self.weight.data) + self.bias.data
        return F.relu(linear)

linear = MyLinear(5, 3)
print(linear.weight)
print(linear(torch.rand(2, 5)))
"""

FILES = """
x = torch.arange(4)
torch.save(x, 'x-file')
x2 = torch.load('x-file')
print(x2)
y = torch.zeros(4)
torch.save([x, y], 'x-files')
x2, y2 = torch.load('x-files')
print(x2, y2)
mydict = {'x': x, 'y': y}
torch.save(mydict, 'mydict')
mydict2 = torch.load('mydict')
print(mydict2)

class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(20, 256)
        self.output = nn.Linear(256, 10)

    def forward(self, X):
        return self.output(F.relu(self.hidden(X)))

net = MLP()
X = torch.randn(size=(2, 20))
Y = net(X)
torch.save(net.state_dict(), 'mlp.params')
clone = MLP()
print(clone.load_state_dict(torch.load('mlp.params')))
print(clone.eval())
print(clone(X) == Y)
"""

DEVICES = """
def try_gpu(i=0):
    if torch.cuda.device_count() >= i + 1:
        return torch.device(f'cuda:{i}')
    return torch.device('cpu')

def try_all_gpus():
    devices = [torch.device(f'cuda:{i}')
              for i in range(torch.cuda.device_count())]
    return devices if devices else [torch.device('cpu')]

print((try_gpu(), try_gpu(10), try_all_gpus()))
x = torch.tensor([1, 2, 3])
print(x.device)
X = torch.ones(2, 3, device=try_gpu())
print(X)
net = nn.Sequential(nn.Linear(3, 1))
before = net[0].weight
net = net.to(device=try_gpu())
print(net(X))
print(repr(net[0].weight.data.device), net[0].weight is before)
"""

BLOCKS = {name.lower(): text for name, text in globals().items() if name.isupper() and isinstance(text, str)}


def output(source, torch, engine="auto"):
    """What a block prints, with this ``torch``."""
    names = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional, "__name__": "chapter"}
    torch.manual_seed(0)
    kuai.set_engine(engine)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(textwrap.dedent(source), names)  # noqa: S102
    finally:
        kuai.set_engine("auto")
    return printed.getvalue()


def without_numbers(text):
    """Numbers and the names of nodes are compared apart: a last bit may be printed, and one op may stand for several."""
    text = re.sub(r"grad_fn=<\w+>", "grad_fn=<>", text.replace("kuai.", "torch."))
    return re.sub(r"\s+", " ", re.sub(r"-?\d+\.\d*(e[+-]?\d+)?", "#", text)).replace("[ ", "[")


def numbers(text):
    return [float(n) for n in re.findall(r"-?\d+\.\d*(?:e[+-]?\d+)?", re.sub(r"grad_fn=<\w+>", "", text))]


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("engine", ["numpy", "auto"])
def test_a_block_prints_what_pytorch_prints(name, engine, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    ours, theirs = output(BLOCKS[name], kuai, engine), output(BLOCKS[name], torch)
    assert without_numbers(ours) == without_numbers(theirs)
    assert numbers(ours) == pytest.approx(numbers(theirs), rel=2e-4, abs=2e-4)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert output(BLOCKS[name], kuai)


def test_the_texts_own_outputs(tmp_path, monkeypatch):
    """What the chapter shows of outputs that are not drawn."""
    monkeypatch.chdir(tmp_path)
    printed = output(PARAMETERS, kuai)
    assert "OrderedDict([('weight', tensor([[" in printed
    assert ".nn.parameter.Parameter'>\nParameter containing:\ntensor([" in printed
    assert "('weight', torch.Size([8, 4])) ('bias', torch.Size([8]))\n" in printed
    assert (
        "('0.weight', torch.Size([8, 4])) ('0.bias', torch.Size([8])) ('2.weight', torch.Size([1, 8])) "
        "('2.bias', torch.Size([1]))\n" in printed
    )
    inner = "".join(
        f"    (block {i}): Sequential(\n"
        "      (0): Linear(in_features=4, out_features=8, bias=True)\n"
        "      (1): ReLU()\n"
        "      (2): Linear(in_features=8, out_features=4, bias=True)\n"
        "      (3): ReLU()\n"
        "    )\n"
        for i in range(4)
    )
    whole = f"Sequential(\n  (0): Sequential(\n{inner}  )\n  (1): Linear(in_features=4, out_features=1, bias=True)\n)\n"
    assert whole in output(NESTED_PARAMETERS, kuai)
    assert "tensor([True, True, True, True, True, True, True, True])\ntensor(100.)\n" in output(TYING, kuai)
    mlp = (
        "MLP(\n  (hidden): Linear(in_features=20, out_features=256, bias=True)\n"
        "  (output): Linear(in_features=256, out_features=10, bias=True)\n)\n"
    )
    assert f"<All keys matched successfully>\n{mlp}" in output(FILES, kuai)


def test_the_chapter_runs_unchanged_as_a_script(tmp_path):
    """With ``import torch`` at its head, by ``kuai run``."""
    script = tmp_path / "chapter.py"
    head = "import torch\nfrom torch import nn\nfrom torch.nn import functional as F\n"
    script.write_text(head + "".join(BLOCKS.values()))
    command = [sys.executable, "-m", "kuai", "run", str(script)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": root})
    assert done.returncode == 0, done.stderr
    assert "\n<class 'torch.nn.parameter.Parameter'>\nParameter containing:\ntensor([" in done.stdout


def test_own_sequential_keyed_by_its_blocks_is_a_whole_module(tmp_path):
    """PyTorch calls such a block, but cannot print it, train it or save it; here it is like nn.Sequential."""
    names = {"torch": kuai, "nn": kuai.nn, "print": lambda *a: None}
    exec(SEQUENTIAL_BLOCK, names)  # noqa: S102
    net = names["net"]
    plain = kuai.nn.Sequential(kuai.nn.Linear(20, 256), kuai.nn.ReLU(), kuai.nn.Linear(256, 10))
    assert repr(net) == repr(plain).replace("Sequential", "MySequential")
    assert [n for n, _ in net.named_parameters()] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert str(plain.load_state_dict(net.state_dict())) == "<All keys matched successfully>"
    assert net.get_submodule("2") is list(net.children())[2]
    net.double()
    assert all(p.dtype is kuai.float64 for p in net.parameters())


def test_a_failing_layer_says_where_it_is():
    names = {"torch": kuai, "nn": kuai.nn, "F": kuai.nn.functional, "print": lambda *a: None}
    exec(NESTED_BLOCKS, names)  # noqa: S102
    chimera = names["chimera"]
    chimera[0].net[2] = kuai.nn.Linear(60, 32)
    with pytest.raises(RuntimeError, match=r"in layer chimera\.0\.net\.2 \(Linear\)"):
        chimera(kuai.rand(2, 20))


@pytest.mark.parametrize("inplace", [True, 3, 1.5, "yes"])
def test_an_activation_that_works_in_place_says_so_once(inplace):
    torch = pytest.importorskip("torch")
    assert repr(kuai.nn.ReLU(inplace)) == repr(torch.nn.ReLU(inplace)) == "ReLU(inplace=True)"


@pytest.mark.parametrize("name", ["torch.DoubleTensor", "torch.sparse.IntTensor", "FloatTensor", "torch.nope.FloatTensor", "torch.Float", int])
def test_a_types_name_is_read_whole(name):
    torch = pytest.importorskip("torch")
    try:
        expected = str(torch.ones(1).type(name).dtype)
    except ValueError as error:
        with pytest.raises(ValueError, match=re.escape(str(error))):
            kuai.ones(1).type(name)
    else:
        assert str(kuai.ones(1).type(name).dtype).replace("kuai", "torch") == expected


@pytest.mark.skipif(kuai.cuda.is_available(), reason="asks for a device that is absent")
@pytest.mark.parametrize("named", ["torch.cuda.FloatTensor", kuai.cuda.FloatTensor])
def test_a_type_of_an_absent_device_is_refused(named):
    with pytest.raises(RuntimeError, match="cuda"):
        kuai.ones(1).type(named)
