"""Events for TensorBoard: the same as PyTorch writes, but for times."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import kuai
from tests import oracle

torch = oracle.torch


def test_without_the_package_the_import_fails_as_pytorchs():
    text = "import sys; sys.modules['tensorboard'] = None\nimport kuai.utils.tensorboard"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "ModuleNotFoundError" in done.stderr and "tensorboard" in done.stderr


@pytest.fixture
def writers():
    pytest.importorskip("tensorboard", reason="pip install tensorboard")
    return __import__("kuai.utils.tensorboard").utils.tensorboard, pytest.importorskip("torch.utils.tensorboard")


CALLS = """
w.add_scalar("loss", 0.5, 1) | w.add_scalar("loss", torch.tensor([0.25]), 2) | w.add_scalar("new", 1.5, 3, new_style=True)
w.add_scalar("new", 1.5, 3, new_style=True, double_precision=True) | w.add_scalars("both", {"a": 1.0, "b": torch.tensor(2.0)}, 4)
w.add_histogram("h", torch.arange(20.0) - 5, 1) | w.add_histogram("h", n.arange(7), 1, bins=5) | w.add_histogram("h", x, bins="auto", max_bins=2)
w.add_histogram_raw("r", 0.0, 2.0, 3, 3.0, 5.0, [1.0, 2.0], [1, 2]) | w.add_image("i", torch.arange(12.0).reshape(3, 2, 2) / 12)
w.add_image("i", torch.arange(4).reshape(2, 2).to(torch.uint8), dataformats="HW") | w.add_image("i", torch.ones(2, 3, 1), dataformats="HWC")
w.add_images("m", torch.arange(60.0).reshape(10, 1, 2, 3) / 60) | w.add_text("t", "*words*", 5) | w.add_audio("s", torch.tensor([0.0, 0.5, -1.0]))
w.add_pr_curve("p", torch.tensor([0, 1, 1, 0]), torch.tensor([0.1, 0.9, 0.4, 0.6]), 1) | w.add_tensor("x", x, 2) | w.add_tensor("y", x.half()) | w.add_tensor("z", x + 2j) | w.add_tensor("u", x.abs().to(torch.uint8))
w.add_pr_curve("p", n.array([0, 1]), n.array([0.1, 0.9]), num_thresholds=5, weights=n.array([1.0, 2.0]))
w.add_pr_curve_raw("q", n.ones(3), n.ones(3), n.ones(3), n.ones(3), n.ones(3), n.ones(3), num_thresholds=3)
w.add_custom_scalars({"c": {"t": ["Multiline", ["a", "b"]], "m": ["Margin", ["a", "b", "c"]]}}) | w.add_custom_scalars_multilinechart(["a"])
w.add_custom_scalars_marginchart(["a", "b", "c"]) | w.add_scalar("loss", n.float32(3), n.int64(7), walltime=9.0)
w.add_hparams({"lr": 0.1, "name": "sgd", "big": True, "t": torch.tensor([2.0]), "no": None}, {"acc": 0.5}, {"lr": [0.1, 0.2]}, run_name="run")
"""
REFUSED = """
w.add_scalar("a", torch.ones(2)) | w.add_scalar("a", [1.0]) | w.add_histogram("h", torch.ones(0)) | w.add_image("i", torch.ones(2, 2))
w.add_image("i", torch.ones(2, 2, 2), dataformats="HHW") | w.add_histogram_raw("r", 0.0, 2.0, 3, 3.0, 5.0, [1.0], [1, 2])
w.add_custom_scalars_marginchart(["a"]) | w.add_hparams([], {}) | w.add_hparams({"a": []}, {}) | w.add_audio("s", torch.ones(2, 2))
w.add_hparams({"lr": 0.1}, {}, {"lr": 3})
"""


def written(lib, board, code, folder, suffix=""):
    """All events below a folder, by the file's folder, without times."""
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event

    with board.SummaryWriter(folder, purge_step=3 if suffix else None) as writer:
        eval(code, {"w": writer, "torch": lib, "n": np, "x": lib.tensor([1.0, -2.0, 3.5])})
    found = {}
    for path in sorted(folder.rglob("events*")):
        events = [Event.FromString(raw) for raw in RawEventFileLoader(str(path)).Load()]
        for event in events:
            event.wall_time = 9.0 if event.wall_time == 9.0 else 0.0
            event.ClearField("source_metadata")
        found[str(path.parent.relative_to(folder))] = [str(event) for event in events]
    return found


@pytest.mark.parametrize("code", oracle.cases(CALLS))
def test_events(writers, tmp_path, code):
    pytest.importorskip("PIL")
    ours, theirs = (written(lib, board, code, tmp_path / lib.__name__) for lib, board in zip((kuai, torch), writers))
    assert ours == theirs and any(len(events) > 1 for events in ours.values())


def test_a_run_that_goes_on(writers, tmp_path):
    code = 'w.add_scalar("a", 1.0, 4)'
    ours, theirs = (written(lib, board, code, tmp_path / lib.__name__, "again") for lib, board in zip((kuai, torch), writers))
    assert ours == theirs and "START" in str(ours)


@pytest.mark.parametrize("code", oracle.cases(REFUSED))
def test_what_is_refused(writers, tmp_path, code):
    calls = [
        (lambda lib=lib, board=board: written(lib, board, code, tmp_path / lib.__name__)) for lib, board in zip((kuai, torch), writers)
    ]
    oracle.assert_same_error(*calls)


def test_what_is_missing_says_so(writers, tmp_path):
    with writers[0].SummaryWriter(tmp_path) as writer:
        for call in (lambda: writer.add_graph(None), lambda: writer.add_embedding(None), lambda: writer.add_video("v", None)):
            with pytest.raises(NotImplementedError, match="is missing"):
                call()
        writer.close()
        writer.add_scalar("a", 1.0)
        assert writer.get_logdir() == tmp_path
