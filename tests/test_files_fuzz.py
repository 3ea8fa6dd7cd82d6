"""Damaged files end in a clear error or the right value: no hang, no crash, no import, no memory out of proportion."""

import io
import os
import sys
import tracemalloc

import numpy as np
import pytest

from kuai.files import inspect_file, load, tensors

torch = pytest.importorskip("torch")

BUDGET = int(os.environ.get("KUAI_TEST_FUZZ", "10000"))  # for each of the two formats
ALLOWED = RuntimeError  # FileError, NotImplementedError, or a device that is not here
SPLICES = (b"\x80\x02", b"R", b"b", b"c", b"(", b"t", b"u", b"Q", b"\x81", b"\x93", b"cos\nsystem\n", b"\xff\xff\xff\xff", b"\0\0\0\0", b"PK\1\2")


def seeds():
    w = torch.arange(12.0).reshape(3, 4)
    value = {"w": w, "v": w.t(), "p": torch.nn.Parameter(torch.ones(2)), "h": torch.ones(2).bfloat16(), "n": np.arange(3), "e": 3, "s": {1}, "b": b"x"}
    for new in (True, False):
        buffer = io.BytesIO()
        torch.save(value, buffer, _use_new_zipfile_serialization=new)
        yield buffer.getvalue()


def mutate(data, draw):
    data = bytearray(data)
    for _ in range(draw.integers(1, 4)):
        at = int(draw.integers(0, len(data)))
        kind = draw.integers(0, 6)
        if kind == 0:
            data[at] = draw.integers(0, 256)
        elif kind == 1:
            data[at] ^= 1 << int(draw.integers(0, 8))
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            del data[at : at + int(draw.integers(1, 16))]
        elif kind == 4:
            splice = SPLICES[draw.integers(0, len(SPLICES))]
            data[at : at + len(splice)] = splice
        else:
            other = int(draw.integers(0, len(data)))
            data[at:at] = data[other : other + int(draw.integers(1, 64))]
        if not data:
            return b""
    return bytes(data)


def read(data):
    try:
        return load(io.BytesIO(data))
    except ALLOWED as error:
        assert str(error)
        return None


@pytest.mark.parametrize("which", [0, 1], ids=["zip", "old"])
def test_mutated_files(which):
    data = list(seeds())[which]
    draw = np.random.default_rng(which)
    modules = set(sys.modules)
    expected = tensors.to_numpy(load(io.BytesIO(data))["w"])
    for _ in range(BUDGET):
        found = read(mutate(data, draw))
        if which == 0 and isinstance(found, dict) and tensors.is_tensor(found.get("w")):
            assert (tensors.to_numpy(found["w"]) == expected).all()  # its checksum was right
    assert {name for name in set(sys.modules) - modules if not name.startswith("encodings.")} == set()


def test_truncated_files():
    for data in seeds():
        for end in range(0, len(data), max(1, len(data) // 200)):
            assert read(data[:end]) is None


def test_memory_stays_in_proportion():
    draw = np.random.default_rng(5)
    buffer = io.BytesIO()
    torch.save({"w": torch.zeros(300_000)}, buffer)
    data = buffer.getvalue()
    tracemalloc.start()
    try:
        for _ in range(60):
            tracemalloc.reset_peak()
            head = mutate(data[:400], draw) + data[400:]
            before = tracemalloc.get_traced_memory()[0]
            read(head)
            assert tracemalloc.get_traced_memory()[1] - before < 4 * len(data)
    finally:
        tracemalloc.stop()


def test_inspect_of_mutated_files(tmp_path):
    path = tmp_path / "x.pt"
    draw = np.random.default_rng(7)
    for data in seeds():
        for _ in range(BUDGET // 10):
            path.write_bytes(mutate(data, draw))
            str(inspect_file(path))


def test_mutated_safetensors(tmp_path):
    library = pytest.importorskip("safetensors.torch")
    data = library.save({"w": torch.arange(12.0).reshape(3, 4), "h": torch.ones(2).bfloat16()}, {"t": "w"})
    path = tmp_path / "x.safetensors"
    draw = np.random.default_rng(9)
    for _ in range(BUDGET // 10):
        path.write_bytes(mutate(data, draw))
        try:
            load(path)
        except ALLOWED as error:
            assert str(error)
