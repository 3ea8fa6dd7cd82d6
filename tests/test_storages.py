"""Storages as objects, and addresses: against PyTorch, and the safetensors library's own functions for PyTorch on top."""

import copy
import ctypes
import gc
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import kuai

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")

# Each line is Python with `t` for the library; results and errors are compared.
LINES = """
t.UntypedStorage(4).fill_(3)
t.UntypedStorage([1, 300, -1])
t.UntypedStorage([1, 2, 3])[1:]
t.UntypedStorage([1, 2, 3])[-1]
t.UntypedStorage([1, 2, 3])[5]
t.UntypedStorage([1, 2, 3])['a']
t.UntypedStorage([1, 2, 3])[::2]
t.UntypedStorage('ab')
t.UntypedStorage([1, 2.5])
t.UntypedStorage()
t.UntypedStorage([1, 2]).type()
t.UntypedStorage([1, 2]).float()
t.UntypedStorage([1, 2]).new()
t.UntypedStorage([1, 2]).element_size()
t.UntypedStorage([1, 2, 3]).copy_(t.UntypedStorage([4, 5, 6]))
t.UntypedStorage([1, 2, 3]).copy_(t.FloatStorage([1]))
t.UntypedStorage([1, 2]) == t.UntypedStorage([1, 2])
t.UntypedStorage.from_buffer(b'abcd')
t.UntypedStorage.from_buffer(b'abcd', dtype=t.uint8)
t.UntypedStorage.from_buffer(b'abcd', byte_order='big', dtype=t.int32)
t.UntypedStorage.from_buffer(b'abcd', dtype=t.int32)
t.UntypedStorage.from_buffer(b'abcd', byte_order='middle', dtype=t.int32)
t.UntypedStorage.from_buffer(b'abcde', byte_order='native', dtype=t.int32)
t.UntypedStorage.from_file('/there/is/none', False, 3)
t.UntypedStorage([1, 2]).get_device(), t.UntypedStorage(2).is_cuda, t.UntypedStorage(2).filename, t.UntypedStorage(2).resizable()
t.UntypedStorage([1, 2]).resize_(4).nbytes()
len(t.UntypedStorage(5)), t.UntypedStorage(5).device, t.UntypedStorage([1, 2]).tolist(), list(t.UntypedStorage([1, 2]))
t.FloatStorage([1, 2])
t.FloatStorage([1, 2])[1]
t.FloatStorage([1, 2])[5]
t.FloatStorage([1, 2])[0:1]
t.FloatStorage(3).size(), t.FloatStorage(3).nbytes(), t.FloatStorage().size()
t.FloatStorage(1.5)
t.FloatStorage(t.FloatStorage(2))
t.FloatStorage.dtype, t.LongStorage.dtype, t.BoolStorage([True, False]).tolist()
t.FloatStorage.from_buffer(b'abcdefgh', byte_order='big')
t.FloatStorage.from_buffer(b'abcdefgh', byte_order='native', count=1, offset=4)
t.FloatStorage([1, 2]).int()
t.FloatStorage([1, 2]).type(), t.FloatStorage([1, 2]).pickle_storage_type()
t.FloatStorage([1, 2]).untyped()
t.FloatStorage([1, 2]).copy_(t.IntStorage([3, 4]))
t.FloatStorage([1, 2]).fill_(7).tolist()
t.TypedStorage([1, 2], dtype=t.int8)
t.TypedStorage(2).dtype
t.TypedStorage(wrap_storage=t.UntypedStorage([1, 0, 0, 0]), dtype=t.int32)
t.TypedStorage(wrap_storage=t.UntypedStorage(4))
t.TypedStorage(wrap_storage=[1], dtype=t.int32)
t.ComplexFloatStorage([1 + 2j])[0]
t.BFloat16Storage([1.5]).tolist()
isinstance(t.ones(2).storage(), t.FloatStorage), isinstance(t.ones(2).storage(), t.IntStorage)
t.ones(2).storage_type().__name__, t.is_storage(t.ones(2).storage()), t.is_storage(t.ones(2).untyped_storage())
t.arange(6).reshape(2, 3)[1].storage()
t.arange(3.0).untyped_storage()
t.tensor(t.FloatStorage([1, 2])), t.FloatTensor(t.FloatStorage([1, 2]))
t.asarray(t.arange(3.0).untyped_storage(), dtype=t.float32)
t.asarray(t.arange(3.0).untyped_storage()[4:], dtype=t.uint8)
t.empty(0).set_(t.arange(6.0).untyped_storage(), 1, (2, 2), (2, 1))
t.empty(0).set_(t.arange(6.0).storage(), 1, (2, 2))
t.empty(0).set_(t.arange(6.0).storage())
t.empty(0, dtype=t.uint8).set_(t.arange(2, dtype=t.int16).untyped_storage())
t.empty(0, dtype=t.int8).set_(t.arange(3.0).storage())
t.empty(2, 4, 2 ** 29, 2 ** 29)
t.zeros(1).repeat(2 ** 40, 2 ** 30)
t.zeros(0).resize_(2 ** 61, 16)
t.zeros(1).expand(2 ** 62, 2)
t.zeros(1).expand(2 ** 40, 2 ** 20).shape
t.ones(6).as_strided((2,), (1,), -1)
t.ones(6).as_strided((-2,), (1,))
t.ones(6).as_strided((0,), (1,), 100)
t.ones(4, 6)[:, 1:3].view(t.float64)
t.ones(4, 6).as_strided((4, 2), (1, 1)).view(t.float64)
t.ones(4, 6)[:, 2:4].view(t.float64)
t.view_as_complex(t.ones(3, 2, 2).transpose(1, 2))
t.view_as_complex(t.ones(3, 3).as_strided((2, 2), (1, 1)))
t.view_as_complex(t.ones(5)[1:3])
t.view_as_complex(t.ones(3, 2, 2).transpose(0, 1)).stride()
t.empty(24).resize_((2, 3, 2, 2), memory_format=t.channels_last).stride()
t.arange(24).resize_((1, 2, 2, 2), memory_format=t.channels_last)
t.arange(24)[2:].resize_((1, 2, 2, 2), memory_format=t.channels_last)
t.empty(24).resize_((2, 3, 4), memory_format=t.channels_last)
t.empty(2).resize_(2, memory_format=t.preserve_format)
t.empty(6).resize_as_(t.empty(1, 2, 3, 1).contiguous(memory_format=t.channels_last), memory_format=t.preserve_format).stride()
t.empty(2, 3).t().resize_as_(t.empty(2, 3).t()).stride()
t.empty(2, 3).t().resize_((3, 2), memory_format=t.contiguous_format).stride()
t.ops.aten.alias(t.ones(2))._is_view()
t.broadcast_shapes(1.5)
t.tensor([t.ones(1), t.zeros(1)])
t.tensor([5, t.ones(1)]), t.tensor([t.ones(1), 5]), t.tensor([[t.ones(1)], [t.zeros(1, 1)]])
t.tensor([t.ones(2), t.ones(2)])
t.tensor([[1, 2], t.arange(2)])
t.Tensor(2.5)
t.LongTensor(2.5)
t.Tensor(dtype=t.int32)
t.asarray(t.ones(2), dtype=t.float64, copy=False)
t.asarray([1], copy=False)
t.asarray(np.ones(2), dtype=t.float32, copy=False)
t.asarray(np.ones(2), copy=False)
t.frombuffer(bytearray(b''), dtype=t.int16)
t.frombuffer(bytearray(b'ab'), dtype=t.int16, count=0)
t.frombuffer('ab', dtype=t.uint8)
t.zeros(t.tensor(2)), t.zeros(t.tensor(2), 1)
t.ones(1, 1).dim_order(ambiguity_check=True)
t.ones(2, 3).dim_order(ambiguity_check=True), t.ones(2, 3).t().dim_order(ambiguity_check=True)
t.ones(2, 3, 2, 2).to(memory_format=t.channels_last).dim_order(ambiguity_check=[t.contiguous_format, t.channels_last])
t.ones(1, 1, 1, 1).dim_order(ambiguity_check=[t.contiguous_format, t.channels_last])
t.ones(1, 1).dim_order(ambiguity_check=[1])
t.Size([1]) + [2]
(3,) + t.Size([1]), t.Size([1]) + (3,)
setattr(t.ones(1), 'requires_grad', 1)
t.utils.dlpack.from_dlpack(t.utils.dlpack.to_dlpack(t.ones(2)))
t.from_dlpack(5)
t.ones(2).to_sparse().__dlpack__()
t.ones(2, device='meta').__dlpack__()
t.ones(2).__dlpack__(stream='a')
t.ones(3).data_ptr() != 0, t.ones(5)[5:].data_ptr(), t.empty(0).data_ptr(), t.ones(3, device='meta').data_ptr()
""".strip().splitlines()


def outcome(line, lib):
    try:
        return repr(eval(line, {"t": lib, "np": np}))
    except Exception as error:  # noqa: BLE001
        return next(c for c in type(error).__mro__ if c.__module__ == "builtins")


@pytest.mark.parametrize("line", LINES)
@pytest.mark.filterwarnings("ignore:The given buffer is not writable")
def test_like_pytorch(line):
    assert outcome(line, kuai) == outcome(line, torch)


def test_what_hangs_on_a_tensor_goes_with_its_copies():
    for lib in (kuai, torch):
        x = lib.ones(2)
        x.note = [5]
        for again in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
            assert again.note == [5] and (again == x).all()
        x.grad = lib.zeros(2)
        del x.grad
        assert x.grad is None


def test_storages_share_the_memory():
    for lib in (kuai, torch):
        x = lib.arange(6.0).reshape(2, 3)
        x.untyped_storage()[4:8].fill_(0)
        x[1].storage()[5] = 9
        lib.empty(0).set_(x.untyped_storage(), 2, (1,))[0] = 7
        lib.asarray(x.storage(), dtype=lib.float32)[3] = 8
        assert x.tolist() == [[0, 0, 7], [8, 4, 9]]
        assert x.untyped_storage().data_ptr() == x[1:].untyped_storage().data_ptr() == x[1].data_ptr() - 12
        assert x.untyped_storage() == x.t().untyped_storage()
        assert x.untyped_storage() != x.clone().untyped_storage()


def test_copies_and_pickles():
    for lib in (kuai, torch):
        x = lib.FloatStorage([1, 2])
        for other in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x)), x.clone()):
            other[0] = 5
            assert (x.tolist(), other.tolist(), other.dtype) == ([1, 2], [5, 2], lib.float32)
        swapped = lib.UntypedStorage([1, 2, 3, 4])
        swapped.byteswap(lib.int16)
        assert swapped.tolist() == [2, 1, 4, 3]


def test_files(tmp_path):
    for lib in (kuai, torch):
        path = tmp_path / lib.__name__
        path.write_bytes(bytes(range(8)))
        mine = lib.UntypedStorage.from_file(str(path), False, 4)
        mine[0] = 100
        shared = lib.ShortStorage.from_file(str(path), True, 3)
        shared[2] = 7
        grown = lib.UntypedStorage.from_file(str(path) + "new", shared=True, nbytes=5)
        grown.fill_(9)
        assert (mine.tolist(), shared.tolist(), shared.is_shared(), mine.is_shared()) == ([100, 1, 2, 3], [256, 770, 7], True, True)
        assert lib.UntypedStorage.from_file(str(path), False, 0).nbytes() in (0, 8)
        del shared, grown
        gc.collect()
        assert path.read_bytes() == bytes([0, 1, 2, 3, 7, 0, 6, 7])
        assert (tmp_path / (lib.__name__ + "new")).read_bytes() == b"\t" * 5
        with pytest.raises(RuntimeError):
            lib.UntypedStorage.from_file(str(path), False, 100)


def test_tensors_of_files(tmp_path):
    for lib in (kuai, torch):
        path = str(tmp_path / lib.__name__)
        lib.from_file(path, True, 3, dtype=lib.int16).copy_(lib.tensor([1, 2, 3]))
        gc.collect()
        mine = lib.from_file(path, False, 2, dtype=lib.int16)
        mine[0] = 9
        assert (mine.tolist(), lib.from_file(path, size=3, dtype=lib.int16).tolist()) == ([9, 2], [1, 2, 3])
        with pytest.raises(RuntimeError):
            lib.from_file(path, False, 300)


def test_memory_of_tensors_is_not_resized():
    x = kuai.ones(3)
    with pytest.raises(RuntimeError, match="not resizable"):
        x.untyped_storage().resize_(0)
    assert x.tolist() == [1, 1, 1]


# ---- addresses -------------------------------------------------------------------------------------------------------


def at(address, n):
    return np.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(ctypes.c_float)), (n,)).tolist()


def test_addresses_hold_the_elements():
    x = kuai.arange(6.0).reshape(2, 3)
    start, part = x.data_ptr(), x[1, 1:]
    assert at(start, 6) == [0, 1, 2, 3, 4, 5]
    assert at(part.data_ptr(), 2) == [4, 5]
    old = x * 1
    saved = (x.requires_grad_() * x).sum()
    alias = x.detach()
    with kuai.no_grad():
        x.add_(1)
    assert x.data_ptr() == alias.data_ptr() == start  # the same place
    assert at(start, 6) == [1, 2, 3, 4, 5, 6]  # with what it holds now
    assert old.tolist() == [[0, 1, 2], [3, 4, 5]]
    saved.backward()
    assert x.grad.tolist() == [[0, 2, 4], [6, 8, 10]]  # of what was saved
    assert x.clone().data_ptr() != start


def test_addresses_of_arrays_are_theirs():
    array = np.zeros(3, np.float32)
    assert kuai.from_numpy(array).data_ptr() == array.ctypes.data
    assert kuai.from_numpy(array)[1:].data_ptr() == array.ctypes.data + 4


def test_an_array_in_use_is_not_written():
    x = kuai.ones(3)
    x.data_ptr()
    held = x._storage.value.data
    x.add_(1)
    x.data_ptr()
    assert held.tolist() == [1, 1, 1]
    assert at(x.data_ptr(), 3) == [2, 2, 2]


PROGRAM = """
import torch
from safetensors import safe_open
from safetensors.torch import load, load_file, load_model, save, save_file, save_model
content = {"a": torch.arange(6.0).reshape(2, 3), "h": torch.ones(3).bfloat16(), "s": torch.tensor(2.5), "e": torch.empty(0, 3)}
save_file(content, "x.safetensors", {"k": "v"})
for found in (load_file("x.safetensors"), load(save(content))):
    assert all(torch.equal(found[k], content[k]) for k in content)
    found["a"].add_(1)
assert torch.equal(load_file("x.safetensors")["a"], content["a"])
with safe_open("x.safetensors", "pt") as file:
    assert file.get_slice("a")[1:, :2].tolist() == [[3, 4]]
net = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
net[1].weight = net[0].weight
save_model(net, "net.safetensors")
assert load_model(net, "net.safetensors") == (set(), [])
try:
    save_file({"a": net[0].weight, "b": net[1].weight}, "y.safetensors")
except RuntimeError as error:
    print("share memory" in str(error))
"""


def test_safetensors_own_functions(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "kuai", "run", "program.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=_environment(), check=False)
    assert done.stdout.strip() == "True", done.stderr


def _environment():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return os.environ | {"PYTHONPATH": root}


@pytest.mark.parametrize("library", ["kuai", "torch"])
@pytest.mark.parametrize("kind", ["storage", "untyped_storage"])
def test_deepcopy_keeps_memory_shared_between_a_tensor_and_its_storage(library, kind):
    t = pytest.importorskip(library)
    x = t.zeros(3)
    for turn in (1, -1):
        pair = [x, getattr(x, kind)()][::turn]
        y, storage = copy.deepcopy(pair)[::turn]
        storage[3 if kind == "untyped_storage" else 0] = 64
        assert y[0].item() == (2 if kind == "untyped_storage" else 64) and x[0].item() == 0
