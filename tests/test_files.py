"""Checkpoints against PyTorch, both ways: values, memory that is shared, and what surrounds the tensors."""

import collections
import io

import numpy as np
import pytest

from kuai import dtypes
from kuai.files import load, save, tensors
from kuai.files.checkpoint import Saved

torch = pytest.importorskip("torch")

NUMPY_GLOBALS = [np._core.multiarray.scalar, np._core.multiarray._reconstruct, np.dtype, np.ndarray]
NUMPY_GLOBALS += [type(np.dtype(code)) for code in ("f8", "f4", "f2", "i8", "i4", "u1", "U3", "S3", "c16", "?")]
SHARED_DTYPES = [name for name in dtypes.ALL if hasattr(torch, name)]


def compare_tensors(ours, theirs):
    assert tensors.is_tensor(ours)
    assert repr(ours.dtype) == repr(theirs.dtype)
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert ours.requires_grad == theirs.requires_grad
    assert tensors.is_parameter(ours) == isinstance(theirs, torch.nn.Parameter)
    assert ours.device.type == theirs.device.type
    if theirs.device.type != "meta":
        same = theirs.detach().resolve_conj().contiguous().reshape(-1).view(torch.uint8)
        assert np.ascontiguousarray(tensors.to_numpy(ours)).tobytes() == same.numpy().tobytes()


def compare(ours, theirs):
    if isinstance(theirs, torch.Tensor):
        compare_tensors(ours, theirs)
    elif isinstance(theirs, (torch.dtype, torch.device)):
        assert repr(ours) == repr(theirs)
    elif isinstance(theirs, dict):
        assert type(ours).__name__ == type(theirs).__name__ and list(ours) == list(theirs)
        assert getattr(ours, "__dict__", {}).keys() == getattr(theirs, "__dict__", {}).keys()
        for key in theirs:
            compare(ours[key], theirs[key])
    elif isinstance(theirs, (list, tuple)):
        assert type(ours).__name__ == type(theirs).__name__ and len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            compare(mine, other)
    elif isinstance(theirs, np.ndarray):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    else:
        assert type(ours) is type(theirs)
        assert repr(ours) == repr(theirs)


def saved_by(function, value, **options):
    buffer = io.BytesIO()
    function(value, buffer, **options)
    buffer.seek(0)
    return buffer


def there_and_back(value, new=True):
    """PyTorch writes, kuai reads; kuai writes, PyTorch and kuai read."""
    for theirs_new in (True, False):
        ours = load(saved_by(torch.save, value, _use_new_zipfile_serialization=theirs_new))
        compare(ours, value)
        with torch.serialization.safe_globals(NUMPY_GLOBALS):
            compare(ours, torch.load(saved_by(save, ours, _use_new_zipfile_serialization=new), weights_only=True))
        compare(load(saved_by(save, ours)), value)
        compare(load(saved_by(save, ours, _use_new_zipfile_serialization=False)), value)


@pytest.mark.parametrize("name", SHARED_DTYPES)
def test_every_dtype(name):
    there_and_back(torch.arange(6).reshape(2, 3).to(getattr(torch, name)))


def test_views_keep_their_memory():
    x = torch.arange(24.0).reshape(2, 3, 4)
    views = [x, x.transpose(0, 2), x[1], x[:, 1:2], x.expand(2, 3, 4), x[0, 0, :1].expand(7), x.reshape(-1)[5:9], x[0, 0, 0]]
    there_and_back(views)
    ours = load(saved_by(torch.save, views))
    assert len({id(tensors.storage_key(t)) for t in ours}) == 1
    assert [tensors.geometry_of(t) for t in ours] == [(v.storage_offset(), tuple(v.shape), v.stride()) for v in views]
    back = torch.load(saved_by(save, ours), weights_only=True)
    back[0][0, 0, 0] = 100.0
    assert back[5].tolist() == [100.0] * 7
    assert back[7].item() == 100.0


def test_shared_memory_is_written_once():
    x = torch.zeros(10_000)
    ours = load(saved_by(torch.save, [x] * 5 + [x[3:]]))
    saved = Saved()
    for tensor in ours:
        saved.storage_id(tensor)
    assert len(saved.tensors) == 1


def test_tied_parameters():
    w = torch.nn.Parameter(torch.randn(3))
    there_and_back({"a": w, "b": w, "c": [w.data]})
    ours = load(saved_by(torch.save, {"a": w, "b": w}))
    assert ours["a"] is ours["b"]


def test_module_and_optimizer_state():
    net = torch.nn.LSTM(4, 5, 2)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    schedules = [
        torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 3, 5]),
        torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer),
    ]
    net(torch.randn(3, 2, 4))[0].sum().backward()
    optimizer.step()
    there_and_back(
        {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "schedules": [s.state_dict() for s in schedules], "epoch": 3}
    )
    there_and_back(list(net.parameters()))


def test_python_values():
    there_and_back(
        {
            "none": None, "bools": [True, False], "ints": [0, 255, 256, 65535, 65536, -1, -(2**31), 2**31, 2**70, -(2**1000)],
            "floats": [0.0, -0.0, float("inf"), float("nan"), 1e-300], "text": "é\ud800 𝄞", "complex": 1 + 2j, "bytes": b"ab\xff",
            "bytearray": bytearray(b"xyz"), "empty": [bytearray(), (), [], {}, set()], "set": {1, 2, "x"}, "tuples": (1, (2, 3), (4,), (1, 2, 3, 4)),
            "size": torch.Size([1, 2]), "dtype": torch.bfloat16, "devices": [torch.device("cpu"), torch.device("cuda:1")],
            "counter": collections.Counter("aab"), "ordered": collections.OrderedDict([(1, 2), ("a", None)]),
            1: "int key", (1, "a"): "tuple key", None: 0, "meta": torch.empty(2, 3, device="meta"), "scalar": torch.tensor(3.0),
            "no elements": torch.empty(0, 3),
        }
    )  # fmt: skip


def test_empty_bytes_are_readable_by_pytorch():
    assert torch.load(saved_by(save, {"b": b""}), weights_only=True) == {"b": b""}
    assert load(saved_by(torch.save, {"b": b""})) == {"b": b""}


def test_numpy_values():
    arrays = [np.arange(6).reshape(2, 3), np.array(["abc", "d"]), np.array([b"ab"]), np.array(3.0), np.zeros((0, 3), "f4")]
    scalars = [np.float64(3), np.float32(2), np.bool_(True), np.complex128(1j), np.str_("ab")]
    there_and_back([arrays, scalars])
    there_and_back(np.asfortranarray(np.arange(6.0).reshape(2, 3)))


def test_containers_that_hold_themselves():
    inner = [1]
    outer = (inner,)
    inner += [inner, outer]
    again = load(saved_by(save, outer))
    assert again[0][1] is again[0]
    assert again[0][2] is again


def test_lazy_bits_become_values():
    z = torch.tensor([1 + 2j, 3 - 1j]).conj()
    compare(load(saved_by(torch.save, z)), z)


def test_many_items():
    there_and_back({"l": list(range(5000)), "d": {str(i): float(i) for i in range(3000)}})


def test_files_at_an_offset_and_in_succession():
    buffer = io.BytesIO()
    for i in range(3):
        save(i, buffer, _use_new_zipfile_serialization=False)
    buffer.seek(0)
    assert [load(buffer) for _ in range(3)] == [0, 1, 2]
    shifted = io.BytesIO(b"12345" + saved_by(torch.save, torch.ones(3)).getvalue())
    shifted.seek(5)
    compare(load(shifted), torch.ones(3))


@pytest.mark.parametrize("place", ["cpu", b"cpu", torch.device("cpu").type, {"cuda:0": "cpu"}, lambda s, tag: s, lambda s, tag: None])
def test_map_location(place):
    value = {"w": torch.arange(3.0)}
    compare(load(saved_by(torch.save, value), map_location=place), value)


def test_map_location_of_a_missing_device(tmp_path):
    data = saved_by(torch.save, torch.arange(3.0)).getvalue().replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:9")
    data = _fix_pickle(data)
    with pytest.raises(RuntimeError, match="map_location=torch.device"):
        load(io.BytesIO(data))
    compare(load(io.BytesIO(data), map_location="cpu"), torch.arange(3.0))
    compare(load(io.BytesIO(data), map_location={"cuda:9": "cpu"}), torch.arange(3.0))
    compare(load(io.BytesIO(data), map_location=lambda storage, tag: storage.cpu() if tag == "cuda:9" else None), torch.arange(3.0))


def _fix_pickle(data):
    """PyTorch's own records around a pickle that was edited."""
    import zipfile

    source = saved_by(torch.save, torch.arange(3.0))
    out = io.BytesIO()
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            record = old.read(name)
            if name.endswith("data.pkl"):
                record = record.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:9")
            new.writestr(name, record)
    return out.getvalue()


def test_map_location_meta():
    ours = load(saved_by(torch.save, torch.arange(6.0).reshape(2, 3)), map_location="meta")
    assert ours.device.type == "meta"
    assert tuple(ours.shape) == (2, 3)


def test_mmap(tmp_path):
    value = {"w": torch.randn(100, 10), "v": torch.arange(5)}
    torch.save(value, tmp_path / "x.pt")
    compare(load(tmp_path / "x.pt", mmap=True), value)
    with pytest.raises(ValueError, match="file path"):
        load(saved_by(torch.save, value), mmap=True)
    torch.save(value, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(RuntimeError, match="_use_new_zipfile_serialization"):
        load(tmp_path / "old.pt", mmap=True)


def test_files_without_checksums(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        buffer = saved_by(torch.save, torch.arange(5))
    finally:
        torch.serialization.set_crc32_options(True)
    compare(load(buffer), torch.arange(5))


def test_pytorch_can_map_and_defer_what_kuai_writes(tmp_path):
    value = {"w": torch.randn(100, 10), "v": torch.arange(5)}
    save(load(saved_by(torch.save, value)), tmp_path / "x.pt")
    mapped = torch.load(tmp_path / "x.pt", mmap=True, weights_only=True)
    assert torch.equal(mapped["w"], value["w"])
    from torch.utils.serialization import config

    with config.patch({"load.calculate_storage_offsets": True}):
        assert torch.equal(torch.load(tmp_path / "x.pt", mmap=True, weights_only=True)["w"], value["w"])


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_other_pickle_protocols_are_read(protocol):
    value = {"w": torch.arange(3), "s": {1, 2}, "b": b"abc", "n": 2**70, "l": list(range(300)), "t": "é"}
    compare(load(saved_by(torch.save, value, pickle_protocol=protocol)), value)


def test_arguments():
    value = saved_by(torch.save, 1)
    assert load(value, weights_only=False) == 1
    with pytest.raises(RuntimeError, match="pickle_module"):
        load(value, pickle_module=__import__("pickle"))
    with pytest.raises(NotImplementedError, match="executes nothing"):
        load(value, pickle_module=collections, weights_only=False)
    with pytest.raises(TypeError, match="unknown argument"):
        load(value, map_locatoin="cpu")
    with pytest.raises(AttributeError, match="io.BytesIO"):
        load(object())
    with pytest.raises(AttributeError, match="write"):
        save(1, object())
    with pytest.raises(ValueError, match="protocol"):
        save(1, io.BytesIO(), pickle_protocol=9)


def test_what_is_no_checkpoint_is_named_with_the_way_out(tmp_path):
    class Thing:
        pass

    with pytest.raises(TypeError, match=r"obj\['a'\]\[1\] is a .*Thing.*add_safe_globals\(\[.*Thing\]\)"):
        save({"a": [1, Thing()]}, tmp_path / "x.pt")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TypeError, match="tensors, numbers, strings, lists and dicts"):
        save((x for x in ()), tmp_path / "x.pt")
