"""A save leaves the old file or the new one: at kill -9, on a full disk, in a read-only folder."""

import os
import signal
import stat
import subprocess
import sys
import time

import numpy as np
import pytest

from kuai.files import load, save
from kuai.files.atomic import clear_litter, replacing, write_file

KILLS = int(os.environ.get("KUAI_TEST_KILLS", "8"))  # the full count, 200, takes minutes

SAVER = """
import sys
import numpy as np
from kuai.files import save
print("ready", flush=True)
for i in range(2, 10_000):
    save({"version": i, "payload": np.full(40_000, i), "again": np.full(20_000, i)}, sys.argv[1])
"""


def check(path):
    content = load(path)
    assert (content["payload"] == content["version"]).all()
    assert (content["again"] == content["version"]).all()
    return content["version"]


def write_version(path, i):
    save({"version": i, "payload": np.full(40_000, i), "again": np.full(20_000, i)}, path)


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_kill_at_random_moments(tmp_path):
    path = tmp_path / "x.pt"
    write_version(path, 1)
    draw = np.random.default_rng(0)
    for _ in range(KILLS):
        process = subprocess.Popen([sys.executable, "-c", SAVER, str(path)], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(draw.uniform(0, 0.08))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert check(path) >= 1
    write_version(path, 1)
    assert os.listdir(tmp_path) == ["x.pt"]


def test_litter_of_the_dead_is_cleared_and_of_the_living_is_not(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    litter = tmp_path / f".x.pt.{dead.pid}-01234567.saving"
    litter.write_bytes(b"half")
    folder = tmp_path / f".x.pt.{dead.pid}-01234568.saving"
    folder.mkdir()
    (folder / "file").write_bytes(b"half")
    other = tmp_path / f".y.pt.{dead.pid}-01234567.saving"
    other.write_bytes(b"of another file")
    with replacing(tmp_path / "x.pt") as temporary:
        clear_litter(str(tmp_path / "x.pt"))
        assert os.path.exists(temporary)
        assert not litter.exists()
        assert not folder.exists()
    assert other.exists()


def test_an_error_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "x.pt"
    save(1, path)

    def fail(file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_file(path, fail)
    assert load(path) == 1
    assert os.listdir(tmp_path) == ["x.pt"]


LIMITED = """
import resource, sys
import numpy as np
from kuai.files import save
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save(np.zeros(100_000), sys.argv[1])
except OSError as error:
    print("OSError", error.errno)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs resource limits")
@pytest.mark.parametrize("name", ["x.pt", "x.safetensors"])
def test_a_file_that_cannot_grow(tmp_path, name):
    """What a full disk does: a write in the middle fails."""
    path = tmp_path / name
    path.write_bytes(b"old")
    program = LIMITED
    if name.endswith(".safetensors"):
        pytest.importorskip("safetensors")
        program = program.replace("save(np.zeros(100_000)", "from kuai.files import load\n    save({'w': load(sys.argv[2])}")
    source = tmp_path / "source.pt"
    _write_large(source)
    done = subprocess.run([sys.executable, "-c", program, path, source], capture_output=True, text=True, check=False)
    assert "OSError" in done.stdout, done.stderr
    assert path.read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == sorted([name, "source.pt"])


def _write_large(path):
    torch = pytest.importorskip("torch")
    torch.save(torch.zeros(100_000), path)


def test_full_device():
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    with pytest.raises(OSError, match="No space left"):
        save(np.zeros(100_000), "/dev/full")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user whom permissions bind")
def test_read_only_folder(tmp_path):
    save(1, tmp_path / "x.pt")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError):
            save(2, tmp_path / "x.pt")
        assert load(tmp_path / "x.pt") == 1
    finally:
        tmp_path.chmod(0o700)


def test_folder_that_gives_no_new_files(tmp_path, monkeypatch):
    """As a read-only file system answers, to root too."""
    save(1, tmp_path / "x.pt")
    real = os.open

    def refuse(path, flags, *rest, **options):
        if flags & os.O_CREAT:
            raise OSError(30, "Read-only file system", path)
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OSError, match="Read-only"):
        save(2, tmp_path / "x.pt")
    monkeypatch.undo()
    assert load(tmp_path / "x.pt") == 1


@pytest.mark.skipif(os.name == "nt", reason="needs permissions")
def test_mode_and_links_are_kept(tmp_path):
    path, link = tmp_path / "x.pt", tmp_path / "link.pt"
    save(1, path)
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    path.chmod(0o640)
    link.symlink_to(path)
    save(2, link)
    assert link.is_symlink()
    assert load(path) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_folders_that_are_missing_or_meant_by_mistake(tmp_path):
    with pytest.raises(RuntimeError, match=r"Parent directory .* does not exist"):
        save(1, tmp_path / "a" / "x.pt")
    with pytest.raises(IsADirectoryError, match="name a file"):
        save(1, tmp_path)


def test_names_that_are_long(tmp_path):
    path = tmp_path / ("x" * 250)
    save(1, path)
    assert load(path) == 1
