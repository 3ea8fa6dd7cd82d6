"""safetensors, sharded checkpoints, TorchScript archives, inspect and convert."""

import json
import os

import numpy as np
import pytest

from kuai.cli import main
from kuai.files import FileError, RefusedError, convert, inspect_file, load, save, tensors

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")


def array(tensor):
    return np.ascontiguousarray(tensors.to_numpy(tensor))


def equal(ours, theirs):
    theirs = theirs.detach().contiguous()
    return (
        repr(ours.dtype) == repr(theirs.dtype)
        and tuple(ours.shape) == tuple(theirs.shape)
        and array(ours).tobytes() == theirs.reshape(-1).view(torch.uint8).numpy().tobytes()
    )


def same(a, b):
    """Whether two tensors are one piece of memory."""
    return tensors.storage_key(a) is tensors.storage_key(b)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ours(value):
    torch.save(value, "tmp.pt")
    found = load("tmp.pt")
    os.unlink("tmp.pt")
    return found


DTYPES = ("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "int64", "int32", "int16", "int8",
          "uint8", "uint16", "uint32", "uint64", "bool", "complex64")  # fmt: skip


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("mmap", [False, True])
def test_safetensors_dtypes(folder, name, mmap):
    value = {"b": torch.arange(6).reshape(2, 3).to(getattr(torch, name)), "a": torch.ones(()).to(getattr(torch, name))}
    safetensors.save_file(value, "theirs.safetensors")
    found = load("theirs.safetensors", mmap=mmap)
    assert all(equal(found[k], value[k]) for k in value)
    save(found, "ours.safetensors")
    back = safetensors.load_file("ours.safetensors")
    assert all(equal(found[k], back[k]) for k in value)


def test_safetensors_ties(folder):
    w = torch.randn(3, 4)
    save(ours({"head": w, "body": torch.ones(2), "embed": w, "row": w.t()}) | {}, "x.pt")
    with pytest.raises(RuntimeError, match=r"share memory without being equal.*clone"):
        save(load("x.pt"), "x.safetensors")
    assert not os.path.exists("x.safetensors")
    value = load("x.pt")
    del value["row"]
    save(value, "x.safetensors")
    assert len(safetensors.load_file("x.safetensors")) == 2
    found = load("x.safetensors")
    assert sorted(found) == ["body", "embed", "head"]
    assert same(found["head"], found["embed"])
    assert not same(found["head"], found["body"])
    assert equal(found["embed"], w)


def test_ties_of_save_model_are_restored(folder):
    net = torch.nn.ModuleDict({"a": torch.nn.Linear(3, 3), "b": torch.nn.Linear(3, 3)})
    net["b"].weight = net["a"].weight
    safetensors.save_model(net, "net.safetensors")
    found = load("net.safetensors")
    assert sorted(found) == sorted(net.state_dict())
    assert same(found["a.weight"], found["b.weight"])


def test_parts_of_one_memory_that_do_not_overlap_are_stored(folder):
    q, k = torch.arange(6.0).chunk(2)
    save(ours({"q": q, "k": k}), "x.safetensors")
    found = load("x.safetensors")
    assert equal(found["q"], q)
    assert equal(found["k"], k)


def test_safetensors_refuses_what_it_cannot_hold(folder):
    for value, word in (([1], "dict of tensors"), ({"epoch": 3}, "'epoch': int"), (ours({"c": torch.ones(2, dtype=torch.complex128)}), "complex128")):
        with pytest.raises(TypeError, match=word):
            save(value, "x.safetensors")
    assert os.listdir() == []


@pytest.mark.parametrize("content", [b"", b"\xff" * 8, b"\x10" + b"\0" * 7 + b"not json at all!", b"\x02" + b"\0" * 7 + b"{}x"])
def test_damaged_safetensors(folder, content):
    with open("x.safetensors", "wb") as file:
        file.write(content)
    with pytest.raises(FileError, match="damaged"):
        load("x.safetensors")
    assert inspect_file("x.safetensors").problem


def write_shards(suffix, write):
    parts = [{"a": torch.randn(2), "b": torch.randn(3)}, {"c": torch.randn(4)}]
    names = [f"model-{i}-of-2.{suffix}" for i in (1, 2)]
    for part, name in zip(parts, names, strict=True):
        write(part, name)
    table = {key: name for part, name in zip(parts, names, strict=True) for key in part}
    index = f"model.{suffix}.index.json"
    with open(index, "w") as file:
        json.dump({"metadata": {"total_size": 36}, "weight_map": table}, file)
    return index, {**parts[0], **parts[1]}, table


@pytest.mark.parametrize(("suffix", "write"), [("safetensors", safetensors.save_file), ("bin", torch.save)])
def test_shards(folder, suffix, write):
    index, value, table = write_shards(suffix, write)
    found = load(index)
    assert list(found) == list(value)
    assert all(equal(found[k], value[k]) for k in value)
    report = inspect_file(index)
    assert [r.name for r in report.tensors] == ["a", "b", "c"]
    assert "2 files" in str(report)
    table["d"] = table["a"]
    with open(index, "w") as file:
        json.dump({"weight_map": table}, file)
    with pytest.raises(FileError, match="'d' is not in model-1-of-2"):
        load(index)


@pytest.mark.parametrize("name", ["../x.bin", "/etc/passwd", "a/b.bin", "..", "", "x.index.json", "a\\b"])
def test_shards_with_path_tricks(folder, name):
    with open("m.bin.index.json", "w") as file:
        json.dump({"weight_map": {"w": name}}, file)
    with pytest.raises(RefusedError, match="leaves the folder"):
        load("m.bin.index.json")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"weight_map": [1]}', '{"weight_map": {"a": 1}}', "[" * 100_000])
def test_damaged_index(folder, content):
    with open("m.bin.index.json", "w") as file:
        file.write(content)
    with pytest.raises(FileError, match="no index"):
        load("m.bin.index.json")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript(folder):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
            self.scale, self.sizes, self.names = 2.0, [1, 2, 3], {"a": 1}
            self.parts = [torch.ones(2), torch.zeros(3)]

        def forward(self, x):
            return self.body(x) * self.scale

    net = torch.jit.script(Net())
    net.save("net.pt")
    with pytest.warns(UserWarning, match="TorchScript"):
        found = load("net.pt")
    expected = net.state_dict()
    assert set(expected) <= set(found)
    assert all(equal(found[k], expected[k]) for k in expected)
    assert equal(found["parts.0"], torch.ones(2))
    report = inspect_file("net.pt")
    assert report.format == "TorchScript archive"
    assert report.problem is None
    assert set(expected) <= {r.name for r in report.tensors}


@pytest.mark.parametrize("new", [True, False])
def test_inspect(folder, new):
    w = torch.nn.Parameter(torch.randn(2, 3))
    value = {"net": {"w": w, "tied": w, "row": w.data[0]}, "epoch": 3, "half": torch.ones(2).bfloat16(), "meta": torch.empty(5, device="meta")}
    torch.save(value, "x.pt", _use_new_zipfile_serialization=new)
    report = inspect_file("x.pt")
    assert [(r.name, r.shape, r.dtype) for r in report.tensors] == [
        ("net.w", (2, 3), "float32"), ("net.tied", (2, 3), "float32"), ("net.row", (3,), "float32"),
        ("half", (2,), "bfloat16"), ("meta", (5,), "float32"),
    ]  # fmt: skip
    assert report.ties() == [["net.w", "net.tied", "net.row"]]
    assert report.values == [("epoch", "3")]
    assert report.tensors[0].parameter
    assert report.problem is None
    for word in ("net.tied", "bfloat16", "shared memory: net.w, net.tied, net.row", "epoch = 3", "on meta", "48 bytes of tensors"):
        assert word in str(report)


def test_convert(folder):
    w = torch.randn(2, 3)
    torch.save({"a": w, "b": w, "c": torch.ones(2).bfloat16()}, "x.pt")
    for source, target in (("x.pt", "x.safetensors"), ("x.safetensors", "x.bin"), ("x.bin", "y.pth"), ("y.pth", "y.safetensors")):
        convert(source, target)
        found = load(target)
        assert same(found["a"], found["b"])
        assert equal(found["a"], w)
        assert equal(found["c"], torch.ones(2).bfloat16())
    with pytest.raises(ValueError, match="suffix"):
        convert("x.pt", "x.onnx")


def test_command_line(folder, capsys):
    w = torch.randn(2, 3)
    torch.save({"a": w, "b": w, "epoch": 3}, "x.pt")
    torch.save({"a": w, "b": w}, "y.pth")
    safetensors.save_file({"a": w}, "z.safetensors")
    torch.save(torch.nn.Linear(2, 3), "net.bin")
    for name, words in (
        ("x.pt", ("PyTorch's zip format", f"{os.path.getsize('x.pt'):,} bytes", "a  float32    [2, 3]", "shared memory: a, b", "epoch = 3")),
        ("z.safetensors", ("safetensors", "a  float32    [2, 3]")),
    ):
        assert main(["inspect", name]) == 0
        printed = capsys.readouterr().out
        assert all(word in printed for word in words), printed
    assert main(["inspect", "net.bin"]) == 1
    assert "would have been executed: torch.nn.modules.linear.Linear" in capsys.readouterr().out
    assert main(["convert", "y.pth", "y.safetensors"]) == 0
    assert same(*load("y.safetensors").values())
    for command, word in (
        (["inspect", "none.pt"], "No such file"),
        (["convert", "x.pt", "x.safetensors"], "'epoch': int"),
        (["convert", "net.bin", "net.safetensors"], "state_dict"),
        (["convert", "y.pth", "y.onnx"], "suffix"),
        (["convert", "none.pt", "y.pt"], "No such file"),
    ):
        assert main(command) == 1
        assert word in capsys.readouterr().err
