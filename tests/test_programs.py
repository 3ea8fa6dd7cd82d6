"""Programs written for PyTorch run unchanged under ``kuai run`` and print PyTorch's numbers.

Each program of tests/programs runs in two processes from the same seed, once with PyTorch and once with kuai in its place.
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROGRAMS = Path(__file__).parent / "programs"


def start(program, *arguments, kuai, engine=None):
    """The process that runs a program of the folder, with PyTorch or with kuai."""
    command = [sys.executable, *(["-m", "kuai", "run"] if kuai else []), str(PROGRAMS / program), *arguments]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    if engine:
        environment["KUAI_ENGINE"] = engine
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    """What a process reported, by name, and what else it printed."""
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    lines = out.splitlines()
    return [json.loads(line) for line in lines if line.startswith("[")], [li for li in lines if not li.startswith("[")]


def compare(program, *arguments, tolerance=1e-4, loose=None, only_kuai=()):
    """Run a program both ways, and compare all it says."""
    oracle = start(program, *arguments, kuai=False) if find_spec("torch") else None
    ours, our_text = finish(start(program, *arguments, *only_kuai, kuai=True))
    assert ours
    if oracle is None:
        pytest.skip("the program runs; its numbers are compared where PyTorch is installed: pip install torch==2.13.0")
    theirs, their_text = finish(oracle)
    assert [name for name, _ in ours] == [name for name, _ in theirs]
    assert our_text == their_text
    for (name, found), (_, expected) in zip(ours, theirs):
        allowed = (loose or {}).get(name.split()[0], tolerance)
        assert found == pytest.approx(expected, rel=allowed, abs=allowed, nan_ok=True), name


@pytest.mark.skipif(find_spec("d2l") is None, reason="needs the book's module: pip install --no-deps d2l==1.0.3")
def test_the_books_own_module():
    """d2l.torch, as published. What it imports for plots and downloads is replaced by stand-ins where it is not installed."""
    compare("d2l_tour.py")


@pytest.mark.skipif(not all(map(find_spec, ("torchvision", "timm", "PIL", "yaml"))),
                    reason="needs torchvision and timm: pip install --no-deps torchvision==0.28.0 timm==1.0.31 pillow pyyaml")
def test_models_of_torchvision_and_timm():
    compare("vision.py", tolerance=1e-4)


def test_digits(tmp_path):
    compare("mnist.py", "--save-model", str(tmp_path / "digits.pt"))


def test_gpt():
    # PyTorch runs it eagerly: its compiler would take most of the test's time.
    compare("gpt.py", loose={"half": 5e-3}, only_kuai=["--compile"])


PACKAGES = ("einops vit_pytorch torchdiffeq torch_optimizer lion_pytorch ema_pytorch pytorch_metric_learning "
            "transformers gpytorch pyro").split()


def test_packages():
    """Packages that import torch, as published, each in a small use of it."""
    there = [name for name in PACKAGES if find_spec(name)]
    if not there:
        pytest.skip("needs packages that are written for PyTorch: pip install --no-deps " + " ".join(PACKAGES).replace("_", "-"))
    compare("packages.py", *there, tolerance=1e-3)
