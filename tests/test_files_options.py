"""``torch.serialization``'s own functions, and the options of ``torch.utils.serialization.config``."""

import io
import mmap
import types
import zipfile

import pytest

import kuai
from kuai import serialization
from kuai.utils.serialization import config

torch = pytest.importorskip("torch")

LIBS = (kuai, torch)


def saved(lib, value, **options):
    buffer = io.BytesIO()
    lib.save(value, buffer, **options)
    buffer.seek(0)
    return buffer


def test_all_names_are_there():
    assert [name for name in torch.serialization.__all__ if not hasattr(serialization, name)] == []


@pytest.mark.parametrize(("writer", "reader"), [(kuai, torch), (torch, kuai), (kuai, kuai)])
@pytest.mark.parametrize("new", [True, False])
def test_skip_data(writer, reader, new):
    value = {"w": writer.arange(4.0), "n": 3}
    if new or writer is kuai:
        with writer.serialization.skip_data():
            buffer = saved(writer, value, _use_new_zipfile_serialization=new)
        found = reader.load(buffer, weights_only=True)
        assert (found["w"].tolist(), found["n"]) == ([0] * 4, 3)
    whole = saved(writer, value, _use_new_zipfile_serialization=new)
    if reader is kuai:
        with kuai.serialization.skip_data():
            assert kuai.load(whole)["w"].tolist() == [0] * 4
        whole.seek(0)
    assert reader.load(whole)["w"].tolist() == [0, 1, 2, 3]


def test_files_without_checksums():
    serialization.set_crc32_options(False)
    try:
        assert serialization.get_crc32_options() is False
        buffer = saved(kuai, kuai.arange(4.0))
    finally:
        serialization.set_crc32_options(True)
    assert not any(info.CRC for info in zipfile.ZipFile(buffer).infolist())
    for lib in LIBS:
        buffer.seek(0)
        assert lib.load(buffer).tolist() == [0, 1, 2, 3]
    assert any(info.CRC for info in zipfile.ZipFile(saved(kuai, kuai.arange(4.0))).infolist())


def test_alignment():
    with config.patch({"save.storage_alignment": 4096}):
        buffer = saved(kuai, [kuai.ones(3), kuai.ones(5)])
    for info in zipfile.ZipFile(buffer).infolist():
        if "/data/" in info.filename:
            head = buffer.getvalue()[info.header_offset + 26 :]
            assert (info.header_offset + 30 + int.from_bytes(head[:2], "little") + int.from_bytes(head[2:4], "little")) % 4096 == 0
    buffer.seek(0)
    assert [t.tolist() for t in torch.load(buffer)] == [[1] * 3, [1] * 5]
    with pytest.raises(AttributeError, match="no option"):
        config.patch("save.nothing", 1).__enter__()


def test_shared_maps_write_to_the_file(tmp_path):
    path = tmp_path / "x.pt"
    kuai.save({"w": kuai.zeros(3), "v": kuai.zeros(2)}, path)
    assert serialization.get_default_mmap_options() == mmap.MAP_PRIVATE == torch.serialization.get_default_mmap_options()
    kuai.load(path, mmap=True)["w"].fill_(5)
    with serialization.set_default_mmap_options(mmap.MAP_SHARED):
        kuai.load(path, mmap=True)["v"][1] = 7
    found = torch.load(path)
    assert (found["w"].tolist(), found["v"].tolist()) == ([0, 0, 0], [0, 7])
    with config.patch("load.mmap", True):
        assert kuai.load(path)["v"].tolist() == [0, 7]
    for lib in LIBS:
        with pytest.raises(ValueError, match="MAP_SHARED"):
            lib.serialization.set_default_mmap_options(99)


def test_order_of_bytes(tmp_path):
    source, target = zipfile.ZipFile(saved(torch, torch.arange(3, dtype=torch.int16))), io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        for name in source.namelist():
            if not name.endswith("byteorder"):
                file.writestr(name, source.read(name))
    for order, expected in ((None, [0, 1, 2]), ("LITTLE", [0, 1, 2]), ("NATIVE", [0, 1, 2]), ("BIG", [0, 256, 512])):
        for lib in LIBS:
            target.seek(0)
            kinds = lib.serialization.LoadEndianness
            lib.serialization.set_default_load_endianness(kinds[order] if order else None)
            try:
                assert lib.load(target).tolist() == expected
                assert lib.serialization.get_default_load_endianness() is (kinds[order] if order else None)
            finally:
                lib.serialization.set_default_load_endianness(None)
    for lib in LIBS:
        with pytest.raises(TypeError):
            lib.serialization.set_default_load_endianness("big")


def test_packages_of_other_devices(monkeypatch):
    for lib, package in ((kuai, "kuai.files.locations._packages"), (torch, "torch.serialization._package_registry")):
        module, _, name = package.rpartition(".")
        table = getattr(__import__(module, fromlist=["x"]), name)
        monkeypatch.setattr(__import__(module, fromlist=["x"]), name, table[:])
        lib.serialization.register_package(
            1, lambda storage: "far" if storage.device.type == "cpu" else None, lambda storage, tag: storage if tag == "far" else None
        )
        buffer = saved(lib, lib.ones(2))
        assert b"far" in buffer.getvalue()
        assert lib.load(buffer).tolist() == [1, 1]
        assert lib.serialization.location_tag(lib.ones(2).untyped_storage()) == "far"
        monkeypatch.undo()
        buffer.seek(0)
        with pytest.raises(RuntimeError):
            lib.load(buffer)


def test_small_functions():
    for lib in LIBS:
        s = lib.serialization
        x = lib.ones(2).untyped_storage()
        assert s.location_tag(x) == "cpu"
        assert s.default_restore_location(x, "cpu") is x
        assert s.normalize_storage_type(lib.FloatStorage) is lib.FloatStorage
        assert s.StorageType("HalfStorage").dtype is lib.float16
        assert issubclass(s.SourceChangeWarning, Warning)
        at_least = s.check_module_version_greater_or_equal
        assert at_least(types.SimpleNamespace(__version__="1.10.2", __name__="x"), (1, 9, 0))
        assert not at_least(types.SimpleNamespace(__version__="1.8.2", __name__="x"), (1, 9, 0))
        with pytest.raises(RuntimeError, match="malformed"):
            at_least(types.SimpleNamespace(__version__="one", __name__="x"), (1, 9, 0))
        with pytest.warns(UserWarning, match="malformed"):
            assert at_least(types.SimpleNamespace(__version__="one", __name__="x"), (1, 9, 0), error_if_malformed=False)
        for check, tag in ((s.validate_cuda_device, "cuda:99"), (s.validate_hpu_device, "hpu")):
            with pytest.raises((RuntimeError, AttributeError)):
                check(tag)


class Bar:
    """Stands for tqdm's bar: what was made, and how far it went."""

    made: list = []

    def __init__(self, total, desc, **options):
        self.total, self.what, self.done, self.open = total, desc, 0, True
        Bar.made.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.open = False

    def update(self, n):
        self.done += n


@pytest.mark.parametrize("new", [True, False])
def test_bars_of_large_files(monkeypatch, tmp_path, new):
    monkeypatch.setattr("tqdm.tqdm", Bar)
    monkeypatch.setattr("kuai.files.progress.BAR_FROM", 1000)
    monkeypatch.setattr(Bar, "made", [])
    kuai.save(kuai.ones(10), tmp_path / "small.pt", _use_new_zipfile_serialization=new)
    assert Bar.made == []
    kuai.save(kuai.ones(1000), tmp_path / "x.pt", _use_new_zipfile_serialization=new)
    kuai.load(tmp_path / "x.pt")
    assert [bar.what for bar in Bar.made] == ["save", "load"]
    assert all(4000 <= bar.done <= bar.total + 2000 and not bar.open for bar in Bar.made)
