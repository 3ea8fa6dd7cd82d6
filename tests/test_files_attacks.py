"""Files built to execute something, to lie about themselves or to exhaust their reader: all are refused, by name."""

import io
import os
import pickle
import struct
import zipfile

import pytest

from kuai import dtypes, serialization
from kuai.files import FileError, RefusedError, inspect_file, load

torch = pytest.importorskip("torch")

P2 = b"\x80\x02"


def archive(data, extra=(), method=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content in (("a/data.pkl", data), ("a/version", b"3\n"), *extra):
            file.writestr(name, content)
    buffer.seek(0)
    return buffer


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


DEEP_KEY = P2 + b"})" + b"\x85" * 100_000 + b"K\x01s."
WIDE_KEY = P2 + b"})" + b"q\x00h\x00\x86" * 60 + b"K\x01s."

PICKLES = {
    "reduce": (b"cbuiltins\neval\n(" + text("1") + b"tR.", "builtins.eval"),
    "reduce, Python 2's name": (P2 + b"c__builtin__\neval\n(" + text("1") + b"tR.", "builtins.eval"),
    "global of a blocked module": (b"cos\nsystem\n(" + text("ls") + b"tR.", "os.system"),
    "global, never called": (b"csubprocess\nPopen\n.", "subprocess.Popen"),
    "posix": (b"cposix\nsystem\n(" + text("ls") + b"tR.", "posix.system"),
    "stack_global": (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02ls\x85R.", "os.system"),
    "stack_global of other things": (b"\x80\x04K\x01K\x02\x93.", "STACK_GLOBAL"),
    "dotted name": (b"\x80\x04\x8c\x05torch\x8c\x09os.system\x93.", "torch.os.system"),
    "a function of kuai": (P2 + b"ckuai\nsave\n.", "kuai.save"),
    "a function of torch": (P2 + b"ctorch\nload\n" + text("x") + b"\x85R.", "torch.load"),
    "inst": (b"(S'ls'\nios\nsystem\n.", "INST os.system"),
    "obj": (b"(" + text("ls") + text("x") + b"o.", "OBJ"),
    "newobj": (P2 + b"csubprocess\nPopen\n" + text("ls") + b"\x85\x81.", "subprocess.Popen"),
    "newobj_ex": (b"\x80\x04" + text("a") + b")}\x92.", "NEWOBJ_EX"),
    "extension registry": (b"\x82\x01.", "EXT1"),
    "text persistent id": (b"Pos\n.", "PERSID"),
    "out-of-band buffer": (b"\x80\x05\x97.", "NEXT_BUFFER"),
    "call of a string": (P2 + text("os") + b")R.", "calls"),
    "call of a value": (P2 + b"ctorch\nfloat32\n)R.", "calls"),
    "arguments that are no tuple": (P2 + b"ccollections\nOrderedDict\n]R.", "REDUCE"),
    "build on a dict": (P2 + b"}}b.", "BUILD"),
    "build on a function": (P2 + b"ctorch._utils\n_rebuild_tensor_v2\n}" + text("make") + b"K\x01sb.", "BUILD"),
    "build on a class": (P2 + b"ccollections\nOrderedDict\n}" + text("update") + b"K\x01sb.", "BUILD"),
    "setitem on a list": (P2 + b"]K\x01K\x01s.", "SETITEM"),
    "append to a global": (P2 + b"ctorch\nFloatStorage\nK\x01a.", "APPEND"),
    "nested reduce": (P2 + b"ccollections\nOrderedDict\ncbuiltins\nexec\n" + text("1") + b"\x85R\x85R.", "builtins.exec"),
    "getattr": (P2 + b"cbuiltins\ngetattr\n.", "builtins.getattr"),
    "memo before it is written": (P2 + b"h\x05.", "memo 5"),
    "memo replaced by a global": (P2 + b"ccollections\nOrderedDict\nq\x000cos\nsystem\nq\x00h\x00.", "os.system"),
    "key that is deep": (DEEP_KEY, "hash"),
    "key that is wide": (WIDE_KEY, "hash"),
    "set of a key that is wide": (P2 + b"c__builtin__\nset\n])" + b"q\x00h\x00\x86" * 60 + b"a\x85R.", "hash"),
    "keys that collide": (P2 + b"}(" + b"".join(b"\x8a\x0a" + (k * (2**61 - 1)).to_bytes(10, "little") + b"N" for k in range(2, 30_000)) + b"u.", "hash"),
    "huge bytearray": (P2 + b"c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R.", "latin1"),
    "huge string": (P2 + b"X\xff\xff\xff\x7fabc.", "claims"),
    "huge string, 8 bytes": (P2 + b"\x8d" + b"\xff" * 8 + b"abc.", "claims"),
    "negative length": (P2 + b"T\xff\xff\xff\xffabc.", "claims"),
    "stack that is empty": (P2 + b")00000.", "stack|empty"),
    "tuple from an empty stack": (P2 + b"\x87.", "stack"),
    "no end": (P2 + b"N", "end"),
    "unknown opcode": (P2 + b"\xff.", "opcode"),
    "other persistent id": (P2 + b"K\x01Q.", "persistent"),
    "persistent module": (P2 + b"(" + text("module") + b"NNNNtQ.", "persistent"),
    "NumPy objects": (P2 + b"cnumpy\ndtype\n(" + text("O8") + b"\x89\x88tR.", "O8"),
    "NumPy structures": (P2 + b"cnumpy\ndtype\n(" + text("V8") + b"\x89\x88tR.", "V8"),
    "NumPy file reader": (P2 + b"cnumpy\nload\n" + text("x") + b"\x85R.", "numpy.load"),
    "huge NumPy array": (
        P2 + b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85c_codecs\nencode\n" + text("b") + text("latin1")
        + b"\x86RtR(K\x01J\xff\xff\xff\x7f\x85cnumpy\ndtype\n" + text("f8") + b"\x89\x88\x87R\x89c_codecs\nencode\n" + text("b")
        + text("latin1") + b"\x86Rtb.", "shape and bytes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PICKLES)
def test_pickles(name):
    data, word = PICKLES[name]
    with pytest.raises(FileError, match=word):
        load(archive(data))


@pytest.mark.parametrize("name", ["reduce", "inst", "stack_global", "newobj"])
def test_pickles_in_the_old_format(name):
    header = b"".join(pickle.dumps(x, 2) for x in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
    with pytest.raises(RefusedError):
        load(io.BytesIO(header + PICKLES[name][0]))


def test_pytorchs_error_classes_catch_ours():
    for kind in (RuntimeError, pickle.UnpicklingError):
        with pytest.raises(kind):
            load(archive(PICKLES["reduce"][0]))
    with pytest.raises(EOFError):
        load(io.BytesIO(b""))


class Evil:
    def __reduce__(self):
        return os.mkdir, ("executed",)


@pytest.mark.parametrize("new", [True, False])
def test_what_would_have_been_executed_is_told(tmp_path, monkeypatch, new):
    monkeypatch.chdir(tmp_path)
    torch.save({"w": torch.ones(2), "evil": [Evil()]}, "evil.pt", _use_new_zipfile_serialization=new)
    with pytest.raises(RefusedError, match="mkdir"):
        load("evil.pt")
    report = inspect_file("evil.pt")
    assert [r.name for r in report.tensors] == ["w"]
    assert len(report.executes) == 1
    assert "mkdir('executed')" in str(report)
    assert serialization.get_unsafe_globals_in_checkpoint("evil.pt")[0].endswith(".mkdir")
    assert not os.path.exists("executed")


def test_a_whole_model_is_refused_with_the_way_out(tmp_path):
    torch.save(torch.nn.Linear(2, 3), tmp_path / "net.pt")
    with pytest.raises(RefusedError, match=r"torch\.nn\.modules\.linear\.Linear.*state_dict"):
        load(tmp_path / "net.pt")


# ---- what the user trusts --------------------------------------------------------------------------------------------


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y


def test_safe_globals():
    buffer = io.BytesIO()
    torch.save({"p": Point(1, [2])}, buffer)
    buffer.seek(0)
    with pytest.raises(RefusedError, match="Point"):
        load(buffer)
    with serialization.safe_globals([Point]):
        buffer.seek(0)
        found = load(buffer)["p"]
        assert (found.x, found.y) == (1, [2])
        again = io.BytesIO()
        serialization.save(found, again)
        again.seek(0)
        with torch.serialization.safe_globals([Point]):
            assert torch.load(again, weights_only=True).y == [2]
    assert serialization.get_safe_globals() == []


def test_safe_globals_by_name():
    serialization.add_safe_globals([(Point, "elsewhere.Point")])
    try:
        assert serialization.get_safe_globals() == [(Point, "elsewhere.Point")]
        found = load(archive(P2 + b"celsewhere\nPoint\n)\x81}" + text("x") + b"K\x05sb."))
        assert found.x == 5
    finally:
        serialization.clear_safe_globals()
    for bad, error in (((Point, "a", "b"), ValueError), ((Point, 1), TypeError)):
        with pytest.raises(error, match="Expected"):
            serialization.add_safe_globals([bad])


def test_blocked_modules_cannot_be_trusted():
    with serialization.safe_globals([(os.system, "os.system")]), pytest.raises(RefusedError, match="blocked"):
        load(archive(PICKLES["global of a blocked module"][0]))


# ---- tensors that reach outside of their storage ---------------------------------------------------------------------


def tensor_pickle(offset=0, size=(2,), stride=(1,), count=4, key="0", hooks=b"N"):
    ints = lambda values: b"(" + b"".join(b"\x8a\x08" + v.to_bytes(8, "little", signed=True) for v in values) + b"t"  # noqa: E731
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + ints((count,))[1:-1] + b"tQ"
    return P2 + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + ints((offset,))[1:-1] + ints(size) + ints(stride) + b"\x89" + hooks + b"tR."


@pytest.mark.parametrize(
    "change",
    [
        {"offset": 3}, {"offset": -1}, {"size": (5,)}, {"size": (-1,)}, {"stride": (4,)}, {"stride": (-1,)}, {"count": 5},
        {"count": 2**60}, {"count": -4}, {"key": "1"}, {"key": "../version"}, {"size": (2, 2)}, {"offset": 2**62}, {"size": (2**40, 2**40), "stride": (0, 0)},
        {"size": (1,) * 100, "stride": (1,) * 100},
    ],
)  # fmt: skip
def test_tensors_outside_of_their_storage(change):
    data = [("a/data/0", b"\0" * 16)]
    assert tuple(load(archive(tensor_pickle(), data)).shape) == (2,)
    with pytest.raises(FileError):
        load(archive(tensor_pickle(**change), data))


# ---- archives --------------------------------------------------------------------------------------------------------


def test_zip_bomb():
    bomb = archive(b"N.", [("a/data/0", b"\0" * 10**7)], zipfile.ZIP_DEFLATED)
    with pytest.raises(RefusedError, match="bomb"):
        load(bomb)


def test_small_compressed_archives_are_read():
    data = bytes(range(256)) * 4
    found = load(archive(tensor_pickle(count=256, size=(256,)), [("a/data/0", data)], zipfile.ZIP_DEFLATED))
    assert tuple(found.shape) == (256,)
    assert found.dtype is dtypes.float32


@pytest.mark.parametrize("name", ["a/../../etc/passwd", "/etc/passwd", "a/data\\0", "..", "C:/x"])
def test_path_tricks(name):
    with pytest.raises(RefusedError, match="leaves the archive"):
        load(archive(b"N.", [(name, b"x")]))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_appear_twice():
    with pytest.raises(RefusedError, match="twice"):
        load(archive(b"N.", [("a/data.pkl", b"x")]))


@pytest.fixture
def raw(tmp_path):
    torch.save(torch.arange(1000), tmp_path / "c.pt")
    return bytearray((tmp_path / "c.pt").read_bytes())


def patched(raw, name, offset, form, *values):
    """The archive with a field of an entry's central header replaced."""
    at = -1
    while (at := raw.find(b"PK\1\2", at + 1)) >= 0:
        length = struct.unpack_from("<H", raw, at + 28)[0]
        if raw[at + 46 : at + 46 + length].decode() == name:
            struct.pack_into(form, raw, at + offset, *values)
            return io.BytesIO(raw)
    raise KeyError(name)


@pytest.mark.parametrize(
    ("entry", "field", "values", "word"),
    [
        ("c/data.pkl", (20, "<II"), (900, 900), "overlap"),
        ("c/data/0", (42, "<I"), (0,), "headers differ"),
        ("c/data.pkl", (24, "<I"), (900,), "claims"),
        ("c/data.pkl", (10, "<H"), (99,), "compression method"),
        ("c/data.pkl", (8, "<H"), (0x809,), "encrypted"),
        ("c/data/0", (16, "<I"), (12345,), "wrong CRC"),
    ],
)
def test_directories_that_lie(raw, entry, field, values, word):
    with pytest.raises(FileError, match=word):
        load(patched(raw, entry, *field, *values))


def test_wrong_checksum(raw):
    raw[raw.find(struct.pack("<q", 500))] ^= 1
    with pytest.raises(FileError, match="wrong CRC"):
        load(io.BytesIO(raw))


@pytest.mark.parametrize("content", [b"hello", b"\0" * 100, b"PK\x03\x04", b"\x80", b"<html>", pickle.dumps({"a": 1}), pickle.dumps(1)])
def test_what_is_no_checkpoint(content):
    with pytest.raises(FileError):
        load(io.BytesIO(content))


def test_archives_without_a_checkpoint():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a/b.txt", "x")
    buffer.seek(0)
    with pytest.raises(FileError, match=r"data\.pkl"):
        load(buffer)
