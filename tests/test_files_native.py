"""What programs save: modules, optimizers, schedulers. Written by kuai, read by PyTorch (weights_only=True), and used there."""

import io

import numpy as np
import pytest

import kuai
from kuai import nn

torch = pytest.importorskip("torch")


def both_read(value):
    """What PyTorch and kuai read of what kuai writes."""
    buffer = io.BytesIO()
    kuai.save(value, buffer)
    buffer.seek(0)
    theirs = torch.load(buffer, weights_only=True)
    buffer.seek(0)
    return theirs, kuai.load(buffer)


def compare(ours, theirs) -> None:
    if isinstance(theirs, torch.Tensor):
        assert tuple(ours.shape) == tuple(theirs.shape)
        assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
        flat = torch.empty(theirs.shape, dtype=theirs.dtype).copy_(theirs.detach()).reshape(-1)
        expected = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
        assert np.ascontiguousarray(ours.detach()._array()).tobytes() == expected
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key in theirs:
            compare(ours[key], theirs[key])
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            compare(mine, other)
    else:
        assert repr(ours) == repr(theirs)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(5, 4), nn.Linear(4, 5, bias=False)
        self.head.weight = self.embed.weight
        self.norm, self.memory = nn.BatchNorm1d(5), nn.LSTM(4, 4)
        self.register_buffer("steps", kuai.arange(3))

    def forward(self, x):
        return self.norm(self.head(self.memory(self.embed(x))[0].reshape(-1, 4)))


def test_modules() -> None:
    net = Net()
    theirs, ours = both_read(net.state_dict())
    compare(net.state_dict(), theirs)
    compare(ours, theirs)
    assert theirs["embed.weight"].data_ptr() == theirs["head.weight"].data_ptr()
    assert theirs._metadata[""] == {"version": 1}
    again = Net()
    assert not any(again.load_state_dict(ours))
    assert again.head.weight is again.embed.weight
    assert kuai.equal(again.head.weight, net.head.weight)


def test_a_failing_load_state_dict_leaves_the_module_as_it_was() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    _, wrong = both_read({k: v + 1 for k, v in before.items()} | {"1.weight": kuai.zeros(9, 9)})
    with pytest.raises(RuntimeError, match=r"1\.weight"):
        net.load_state_dict(wrong)
    assert all(kuai.equal(net.state_dict()[k], v) for k, v in before.items())


OPTIMIZERS = [
    name for name in dir(kuai.optim)
    if isinstance(found := getattr(kuai.optim, name), type) and issubclass(found, kuai.optim.Optimizer)
    and hasattr(torch.optim, name) and name not in ("Optimizer", "SparseAdam")
]  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name: str) -> None:
    net = Net()
    parameters = [p for p in net.parameters() if p.ndim == 2 or name != "Muon"]
    optimizer = getattr(kuai.optim, name)(parameters, lr=0.01)

    def closure():
        optimizer.zero_grad()
        loss = net(kuai.tensor([[1, 2], [3, 4]])).pow(2).sum()
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.step(closure)
    theirs, ours = both_read(optimizer.state_dict())
    compare(optimizer.state_dict(), theirs)
    compare(ours, theirs)
    optimizer.load_state_dict(ours)
    twin = getattr(torch.optim, name)([torch.nn.Parameter(torch.zeros(p.shape)) for p in parameters], lr=0.01)
    twin.load_state_dict(theirs)
    compare(optimizer.state_dict(), twin.state_dict())


SCHEDULES = {
    "LambdaLR": (lambda epoch: 0.5,), "MultiplicativeLR": (lambda epoch: 0.9,), "StepLR": (3,), "MultiStepLR": ([3, 3, 5],),
    "ConstantLR": (), "LinearLR": (), "ExponentialLR": (0.9,), "PolynomialLR": (), "CosineAnnealingLR": (10,), "CyclicLR": (0.1, 0.5),
    "OneCycleLR": (0.1, 20), "CosineAnnealingWarmRestarts": (5,), "ReduceLROnPlateau": (),
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.filterwarnings("ignore:.*lr_scheduler:UserWarning", "ignore:.*optimizer.step:UserWarning")
def test_schedules(name: str) -> None:
    made = []
    for lib in (kuai, torch):
        optimizer = lib.optim.SGD([lib.nn.Parameter(lib.ones(2))], lr=0.1, momentum=0.9)
        made.append(getattr(lib.optim.lr_scheduler, name)(optimizer, *SCHEDULES[name]))
        for _ in range(4):
            optimizer.step()
            made[-1].step(*((1.0,) if name == "ReduceLROnPlateau" else ()))
    theirs, ours = both_read(made[0].state_dict())
    compare(ours, theirs)
    for schedule, state in zip(made, (ours, theirs), strict=True):
        schedule.load_state_dict(state)
    keys = set(made[1].state_dict()) & set(theirs)
    compare({k: made[0].state_dict()[k] for k in sorted(keys)}, {k: made[1].state_dict()[k] for k in sorted(keys)})


def test_views_of_every_kind_share_their_memory() -> None:
    x = kuai.arange(24.0).reshape(2, 3, 4)
    value = {
        "whole": x, "transposed": x.transpose(0, 2), "part": x[:, 1:], "repeated": x[:1].expand(5, 3, 4), "one": x[0, 0, 0],
        "none": x[:0], "windows": x.unfold(2, 2, 1), "diagonal": x.diagonal(0, 0, 1), "parameter": nn.Parameter(x[0]),
        "computed": x + 1, "with a graph": kuai.ones(2, requires_grad=True) * 2, "part of a complex": kuai.tensor([1 + 2j]).real,
    }  # fmt: skip
    theirs, ours = both_read(value)
    compare(ours, theirs)
    compare(value, theirs)
    root = theirs["whole"].untyped_storage().data_ptr()
    for name in ("transposed", "part", "repeated", "one", "windows", "diagonal"):
        assert theirs[name].untyped_storage().data_ptr() == root
        assert theirs[name].stride() == value[name].stride() == ours[name].stride()
    ours["whole"].fill_(7)
    assert (ours["windows"] == 7).all()


@pytest.mark.filterwarnings("ignore:ComplexHalf")
@pytest.mark.parametrize(
    ("dtype", "way"),
    [("complex32", "complex64"), ("float8_e8m0fnu", "float32"), ("float4_e2m1fn_x2", "float32"), ("bits8", "uint8")],
)
def test_dtypes_that_kuai_has_not_are_named_with_the_way_out(dtype: str, way: str) -> None:
    buffer = io.BytesIO()
    torch.save(torch.empty(4, dtype=getattr(torch, dtype)), buffer)
    buffer.seek(0)
    with pytest.raises(NotImplementedError, match=rf"torch\.{dtype}.*torch\.{way}"):
        kuai.load(buffer)


def test_buffers_with_their_mark() -> None:
    buffer = io.BytesIO()
    torch.save(torch.nn.Buffer(torch.ones(2), persistent=False), buffer)
    buffer.seek(0)
    found = kuai.load(buffer)
    assert isinstance(found, nn.Buffer)
    assert found.persistent is False


def test_whole_modules_of_trusted_classes() -> None:
    buffer = io.BytesIO()
    kuai.save(Net(), buffer)
    buffer.seek(0)
    with pytest.raises(kuai.files.errors.RefusedError, match="state_dict"):
        kuai.load(buffer)
    buffer.seek(0)
    with kuai.serialization.safe_globals([Net, nn.Embedding, nn.Linear, nn.BatchNorm1d, nn.LSTM]):
        found = kuai.load(buffer)
    assert found.head.weight is found.embed.weight


def sparse_tensors(lib):
    x = lib.tensor([[0.0, 2, 0, 0], [0, 0, 3, 0], [1, 0, 0, 0], [0, 0, 0, 5]])
    loose = lib.sparse_coo_tensor([[1, 0, 1], [2, 1, 2]], [3.0, 4.0, 5.0], (2, 5))
    rows = lib.sparse_coo_tensor([[0, 2]], [[1, 2], [3, 4]], (3, 2))
    compressed = [x.to_sparse_csr(), x.to_sparse_csc(), x.to_sparse_bsr((2, 2)), x.to_sparse_bsc((2, 2))]
    return {"coo": x.to_sparse(), "loose": loose, "rows": rows, **{str(i): s for i, s in enumerate(compressed)}}


@pytest.mark.filterwarnings("ignore:Sparse")
def test_sparse_tensors(tmp_path) -> None:
    buffer = io.BytesIO()
    torch.save(sparse_tensors(torch), buffer)
    buffer.seek(0)
    found = kuai.load(buffer)
    theirs, ours = both_read(sparse_tensors(kuai))
    for name, expected in sparse_tensors(torch).items():
        for lib, other in ((kuai, found[name]), (torch, theirs[name]), (kuai, ours[name])):
            assert other.layout is getattr(lib, str(expected.layout).removeprefix("torch."))
            assert other.to_dense().tolist() == expected.to_dense().tolist()
        assert expected.layout is not torch.sparse_coo or found[name].is_coalesced() == expected.is_coalesced()
    kuai.save(sparse_tensors(kuai), tmp_path / "x.pt")
    report = kuai.files.inspect_file(tmp_path / "x.pt")
    assert report.problem is None
    assert "loose  float32    [2, 5] sparse_coo" in str(report)
    with pytest.raises(TypeError, match="sparse"):
        kuai.save(sparse_tensors(kuai), tmp_path / "x.safetensors")


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize(("old", "new"), [(b"K\x02K\x05\x86", b"K\x02K\x01\x86"), (b"sparse_coo", b"sparse_csr")])
def test_sparse_tensors_whose_parts_do_not_fit(old: bytes, new: bytes) -> None:
    import zipfile

    source, target = io.BytesIO(), io.BytesIO()
    torch.save(sparse_tensors(torch)["loose"], source)
    with zipfile.ZipFile(source) as before, zipfile.ZipFile(target, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            assert not name.endswith("data.pkl") or old in content
            after.writestr(name, content.replace(old, new))
    target.seek(0)
    with pytest.raises(kuai.files.FileError, match="damaged"):
        kuai.load(target)
