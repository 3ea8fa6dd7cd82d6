"""Whole modules in files: data and the names of classes. The classes are the program's own; a file brings none."""

import io
import subprocess
import sys
import threading
from functools import partial

import pytest

import kuai
from kuai import nn
from kuai.files.errors import RefusedError
from tests import oracle
from tests.test_files_attacks import archive

torch = oracle.torch


class Net(nn.Module):
    """A module of the program."""

    made = 0

    def __init__(self):
        super().__init__()
        Net.made += 1
        self.layer, self.size, self.activation = nn.Linear(2, 3), (2, 3), nn.functional.relu
        self.tied = self.layer
        self.register_buffer("seen", kuai.ones(1), persistent=False)

    def forward(self, x):
        return self.activation(self.layer(x)) * self.seen


def saved(save, value):
    out = io.BytesIO()
    save(value, out)
    out.seek(0)
    return out


def test_a_module_comes_back_without_its_constructor():
    net = Net()
    net.layer.weight.requires_grad_(False)
    made = Net.made
    again = kuai.load(saved(kuai.save, {"net": net, "epoch": 3}), weights_only=False)["net"]
    assert Net.made == made and type(again) is Net and again.tied is again.layer and again.size == (2, 3)
    assert repr(again) == repr(net) and again._non_persistent_buffers_set == {"seen"}
    assert not again.layer.weight.requires_grad and again.layer.bias.requires_grad
    x = kuai.ones(4, 2)
    assert kuai.equal(again(x), net(x))


def test_modules_are_data_by_default():
    file = saved(kuai.save, nn.Linear(1, 1))
    with pytest.raises(RefusedError, match=r"torch\.nn\.modules\.linear\.Linear.*weights_only=False"):
        kuai.load(file)
    file.seek(0)
    with kuai.serialization.safe_globals([nn.Linear]):
        assert isinstance(kuai.load(file), nn.Linear)


LAYERS = {
    "linear": (lambda nn: nn.Linear(3, 2), (4, 3)), "conv": (lambda nn: nn.Conv2d(2, 4, 3, padding="same", groups=2), (1, 2, 5, 5)),
    "norm": (lambda nn: nn.BatchNorm1d(3), (4, 3)), "layer norm": (lambda nn: nn.LayerNorm(3), (4, 3)),
    "transposed": (lambda nn: nn.ConvTranspose1d(2, 3, 2, stride=2), (1, 2, 4)), "pool": (lambda nn: nn.MaxPool2d(2), (1, 1, 4, 4)),
    "lstm": (lambda nn: nn.LSTM(3, 2, 2, bidirectional=True), (4, 1, 3)), "gru cell": (lambda nn: nn.GRUCell(3, 2), (4, 3)),
    "containers": (lambda nn: nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(3, 2), nn.ELU(), nn.Softmax(-1)), (4, 3)),
    "encoder": (lambda nn: nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, activation="gelu"), 1), (3, 1, 4)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize(("make", "shape"), LAYERS.values(), ids=LAYERS)
def test_pytorchs_modules_are_read(make, shape):
    theirs = make(torch.nn).eval()
    ours = kuai.load(saved(torch.save, theirs), weights_only=False)
    x = torch.randn(shape)
    expected, found = theirs(x), ours(kuai.tensor(x.tolist()))
    expected, found = (v[0] if isinstance(v, tuple) else v for v in (expected, found))
    assert torch.allclose(torch.tensor(found.tolist()), expected, atol=1e-5)
    again = kuai.load(saved(kuai.save, ours), weights_only=False)
    assert repr(again) == repr(ours) and list(again.state_dict()) == list(theirs.state_dict())


def layers():
    """Every layer of PyTorch's own table that is not lazy, with arguments and an input for it: the first sample that is called."""
    table = pytest.importorskip("torch.testing._internal.common_modules").module_db
    for info in table:
        if "Lazy" not in info.name and "Fractional" not in info.name:  # whose samples do not fit the input's dtype
            yield pytest.param(info, id=info.name)


def sample(info):
    torch.manual_seed(0)
    given = info.module_inputs_func(info, device="cpu", dtype=torch.float32, requires_grad=False, training=False)
    return next(s for s in given if s.forward_input is not None)


def called(module, lib, given):
    lib.manual_seed(0)
    convert = oracle.Converter() if lib is kuai else lambda x: x
    return module(*convert(list(given.args)), **convert(dict(given.kwargs)))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("info", layers())
def test_whole_layers_go_both_ways(info):
    """PyTorch's layer is read here and gives the same, and what is saved of it here gives the same in PyTorch."""
    given = sample(info)
    theirs = info.module_cls(*given.constructor_input.args, **given.constructor_input.kwargs).eval()
    expected = called(theirs, torch, given.forward_input)
    ours = kuai.load(saved(torch.save, theirs), weights_only=False)
    oracle.assert_same(called(ours, kuai, given.forward_input), expected)
    again = torch.load(saved(kuai.save, ours), weights_only=False)
    oracle.assert_same(oracle.Converter()(called(again, torch, given.forward_input)), expected)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("info", layers())
def test_our_layers_have_what_pytorchs_have(info):
    given, convert = sample(info), oracle.Converter()
    made = given.constructor_input
    theirs = info.module_cls(*made.args, **made.kwargs).eval()
    ours = oracle.counterpart(info.module_cls)(*convert(list(made.args)), **convert(dict(made.kwargs))).eval()
    again = torch.load(saved(kuai.save, ours), weights_only=False)
    assert set(vars(theirs)) == set(vars(again))
    oracle.assert_same(called(ours, kuai, given.forward_input), called(again, torch, given.forward_input))


READER = """
import io, sys, torch
net = torch.load(io.BytesIO(sys.stdin.buffer.read()), weights_only=False)
y, _ = net(torch.ones(4, 1, 3))
net.double()(torch.ones(4, 1, 3).double())[0].sum().backward()
assert net._flat_weights[0] is net.weight_ih_l0 and net.weight_ih_l0.grad is not None
print(y.flatten().tolist())
"""


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_a_recurrent_layer_runs_in_a_process_of_pytorchs(kind):
    net = getattr(nn, kind)(3, 2, 2, bidirectional=True)
    given = saved(kuai.save, net).getvalue()
    done = subprocess.run([sys.executable, "-c", READER], input=given, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    assert eval(done.stdout) == pytest.approx(net(kuai.ones(4, 1, 3))[0].flatten().tolist(), abs=1e-5)


def test_functions_of_layers_have_names_whoever_is_asked_before_them():
    """A layer keeps the function that it was made with; subclasses of Tensor put a question before it later."""
    text = "import io, kuai; net = kuai.nn.TransformerEncoderLayer(4, 2); import kuai.overrides; kuai.save(net, io.BytesIO())"
    assert subprocess.run([sys.executable, "-c", text], timeout=120).returncode == 0


def test_hooks_of_a_file_are_called():
    """Hooks that a file may name, as the functions of layers are, run again when the module is back."""
    net = nn.Identity()
    net._forward_hooks[1] = nn.functional.relu
    again = kuai.load(saved(kuai.save, net), weights_only=False)
    assert again._forward_hooks == net._forward_hooks
    assert again.__dict__["_hooked"] and not kuai.load(saved(kuai.save, nn.Identity()), weights_only=False).__dict__.get("_hooked")


# ---- storages by themselves ------------------------------------------------------------------------------------------

STORAGES = {
    "typed": lambda lib: lib.arange(4.0).storage(),
    "bytes": lambda lib: lib.arange(4.0).untyped_storage(),
    "half": lambda lib: lib.ones(2, dtype=lib.bfloat16).storage(),
}


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
@pytest.mark.parametrize("make", STORAGES.values(), ids=STORAGES)
@pytest.mark.parametrize("new", [True, False], ids=["zip", "old"])
@pytest.mark.parametrize(("writer", "reader"), [(kuai, kuai), (kuai, torch), (torch, kuai)])
def test_a_storage_by_itself(make, new, writer, reader):
    if reader is torch and not new and make is STORAGES["bytes"]:
        pytest.skip("PyTorch does not read bytes in its old format")
    file = saved(partial(writer.save, _use_new_zipfile_serialization=new), make(writer))
    found = reader.load(file)
    assert isinstance(found, reader.TypedStorage) and found.tolist() == make(kuai).tolist()


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_a_storage_and_the_tensors_on_it_share_again():
    x = kuai.arange(4.0)
    for reader in (kuai, torch):
        found = reader.load(saved(kuai.save, {"part": x.view(2, 2)[1], "all": x.storage()}))
        found["all"].fill_(7)
        assert found["part"].tolist() == [7.0, 7.0]


class Thing:
    """No module."""


@pytest.mark.parametrize("value", [lambda: 1, threading.Lock(), partial(lambda: 1)])
def test_a_module_may_not_hold_just_anything(value):
    net = nn.Linear(1, 1)
    net.extra = value
    with pytest.raises(TypeError, match=r"obj\['extra'\] is a "):
        kuai.save(net, io.BytesIO())


@pytest.mark.parametrize("value", [Thing(), print, partial(print, 1)])
def test_a_module_holds_what_has_a_name(value):
    """PyTorch reads all of it; here Python's own functions stay refused, for somebody might call them later."""
    net = torch.nn.Linear(1, 1)
    net.extra = value
    ours = nn.Linear(1, 1)
    ours.extra = value
    found = torch.load(saved(kuai.save, ours), weights_only=False)
    assert type(found.extra) is type(value)
    if isinstance(value, Thing):
        assert type(kuai.load(saved(torch.save, net), weights_only=False).extra) is Thing
        return
    with pytest.raises(RefusedError, match=r"builtins\.print"):
        kuai.load(saved(torch.save, net), weights_only=False)


def naming(module, name, ending=b")\x81."):
    """A checkpoint whose pickle names a class and makes an object of it."""
    return archive(f"\x80\x02c{module}\n{name}\n".encode("latin1") + ending)


@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("builtins", "eval"), ("this", "Module"), (__name__, "naming"), (__name__, "kuai.nn"),
     ("torch.nn.functional", "warnings"), ("torch.nn", "absent"), ("kuai.cli", "main")],
)  # fmt: skip
def test_what_is_no_module_is_refused_all_the_same(module, name):
    assert "this" not in sys.modules
    with pytest.raises(RefusedError):
        kuai.load(naming(module, name), weights_only=False)
    assert "this" not in sys.modules


def test_functions_are_kept_but_not_called():
    call = b"X\x01\x00\x00\x00x\x85R."
    with pytest.raises(RefusedError, match="calls"):
        kuai.load(naming("torch.nn.functional", "relu", call), weights_only=False)
    assert kuai.load(naming("torch.nn.functional", "relu", b"."), weights_only=False) is nn.functional.relu


# ---- optimizers and what else of kuai's a program saves whole ----------------------------------------------------------


def trained(lib, make):
    """A layer, an optimizer and a schedule after two steps."""
    net = lib.nn.Linear(2, 1)
    net.load_state_dict({"weight": lib.tensor([[0.5, -1.0]]), "bias": lib.tensor([0.25])})
    optimizer = make(lib.optim, net.parameters())
    schedule = lib.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    return more(lib, {"net": net, "optimizer": optimizer, "schedule": schedule})


def more(lib, run):
    for _ in range(2):
        run["optimizer"].zero_grad()
        run["net"](lib.tensor([[1.0, 2.0]])).pow(2).sum().backward()
        run["optimizer"].step()
        run["schedule"].step()
    return run


OPTIMIZERS = {
    "SGD": lambda optim, ps: optim.SGD(ps, lr=0.1, momentum=0.9), "AdamW": lambda optim, ps: optim.AdamW(ps, lr=0.1),
    "RMSprop": lambda optim, ps: optim.RMSprop(ps, lr=0.1),
}  # fmt: skip


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("new", [True, False], ids=["zip", "old"])
def test_whole_optimizers_go_on_where_they_were(make, new):
    expected = more(torch, trained(torch, make))["net"].weight
    for writer in (kuai, torch):
        for reader in (kuai, torch):
            file = saved(partial(writer.save, _use_new_zipfile_serialization=new), trained(writer, make))
            found = more(reader, reader.load(file, weights_only=False))
            assert found["schedule"].optimizer is found["optimizer"]
            assert found["net"].weight.tolist()[0] == pytest.approx(expected.tolist()[0], abs=1e-6)
            assert found["schedule"].get_last_lr() == pytest.approx([0.1 / 16])


KEPT = {
    "dataset": (lambda lib: lib.utils.data.Subset(lib.utils.data.TensorDataset(lib.arange(4.0)), [2]), lambda lib, x: x[0][0]),
    "distribution": (lambda lib: lib.distributions.Normal(lib.zeros(1), lib.ones(1) * 2), lambda lib, x: x.log_prob(lib.ones(1))),
    "results": (lambda lib: lib.arange(4.0).max(0), lambda lib, x: x.values + x.indices),
    "packed": (lambda lib: lib.nn.utils.rnn.pack_sequence([lib.ones(2, 1), lib.ones(1, 1)]),
               lambda lib, x: lib.nn.utils.rnn.pad_packed_sequence(x)[0]),
    "class": (lambda lib: lib.Tensor, lambda lib, x: lib.tensor(float(x is lib.Tensor))),
}  # fmt: skip


@pytest.mark.parametrize(("make", "use"), KEPT.values(), ids=KEPT)
def test_other_objects_of_pytorchs(make, use):
    for writer in (kuai, torch):
        for reader in (kuai, torch):
            found = reader.load(saved(writer.save, make(writer)), weights_only=False)
            assert use(reader, found).tolist() == use(torch, make(torch)).tolist()


class Own(nn.Identity):
    class Inner(nn.Identity):
        """A module inside of a class."""


def test_modules_inside_of_classes():
    assert type(kuai.load(saved(kuai.save, Own.Inner()), weights_only=False)) is Own.Inner


@pytest.mark.parametrize("zipped", [True, False])
def test_parameters_without_a_shape_are_saved_as_what_is_known_of_them(zipped):
    def made(library):
        first = library.nn.LazyLinear(4, dtype=library.float64)
        return library.nn.Sequential(first, library.nn.LazyBatchNorm1d())

    net, out = made(kuai), io.BytesIO()
    kuai.save(net.state_dict(), out, _use_new_zipfile_serialization=zipped)
    back, theirs = (load(io.BytesIO(out.getvalue()), weights_only=False) for load in (kuai.load, torch.load))
    assert str(back) == str(theirs) == str(made(torch).state_dict())
    assert type(back["1.running_mean"]) is nn.UninitializedBuffer
    for key, kept in back.items():
        assert str(kept.dtype) == str(theirs[key].data.dtype)
    fresh = made(kuai)
    assert not fresh.load_state_dict(kuai.load(io.BytesIO(out.getvalue()))).missing_keys
    assert fresh[0](kuai.ones(2, 3, dtype=kuai.float64)).shape == (2, 4)
    assert str(kuai.load(saved(torch.save, made(torch).state_dict()))) == str(theirs)


def test_a_file_may_not_fill_a_parameter_without_a_shape():
    made = b"ctorch.nn.parameter\nUninitializedParameter\n(S'x'\ntR."
    with pytest.raises(kuai.files.errors.FileError, match="whose shape is not known"):
        kuai.load(archive(b"\x80\x02" + made))
