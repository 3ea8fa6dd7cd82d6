"""What programs do with torch.jit, beside PyTorch: scripted and traced modules are modules, and share their parameters."""

import io

import pytest

import kuai

torch = pytest.importorskip("torch", reason="compared with PyTorch: pip install torch==2.13.0")
LIBRARIES = (kuai, torch)


class Block(kuai.nn.Module):
    def __init__(self):
        super().__init__()
        self.lin, self.drop = kuai.nn.Linear(3, 2), kuai.nn.Dropout(0.5)

    def forward(self, x):
        return self.drop(self.lin(x)).relu()


def build(library):
    library.manual_seed(0)
    return library.nn.Sequential(library.nn.Linear(3, 4), library.nn.Sequential(library.nn.BatchNorm1d(4), library.nn.Dropout(0.0)))


def test_scripted_and_traced_modules_are_modules():
    def said(library):
        model = build(library).eval()
        x = library.ones(2, 3)
        traced, scripted = library.jit.trace(model, x), library.jit.script(model)
        both = [(isinstance(m, library.jit.ScriptModule), list(m.state_dict()), m.training) for m in (traced, scripted)]
        same = [library.equal(m(x), model(x)) for m in (traced, scripted)]
        frozen = library.jit.freeze(scripted)
        with pytest.raises(RuntimeError, match="eval mode"):
            library.jit.freeze(library.jit.script(build(library)))
        with library.no_grad():
            model[0].weight.zero_()
        return repr(traced), repr(scripted), scripted.original_name, both, same, library.equal(frozen(x), model(x)) or "frozen"

    ours, theirs = map(said, LIBRARIES)
    assert ours[:-1] == theirs[:-1]


def test_training_a_scripted_module():
    def trained(library):
        model = library.jit.script(build(library))
        optimizer = library.optim.SGD(model.parameters(), 0.1)
        x = library.linspace(-1, 1, 12).view(4, 3)
        for _ in range(3):
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
        return model.eval()(x).flatten().tolist()

    ours, theirs = map(trained, LIBRARIES)
    assert ours == pytest.approx(theirs, abs=1e-5)


def test_saved_and_loaded(tmp_path):
    model = kuai.jit.script(Block().eval())
    x = kuai.ones(1, 3)
    for place in (tmp_path / "model.pt", io.BytesIO()):
        kuai.jit.save(model, place)
        if isinstance(place, io.BytesIO):
            place.seek(0)
        loaded = kuai.jit.load(place)
        assert isinstance(loaded, kuai.jit.ScriptModule) and not loaded.training and loaded.original_name == "Block"
        assert kuai.equal(loaded(x), model(x))
    with pytest.raises(NotImplementedError, match="code"):
        model.code  # noqa: B018
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "theirs.pt"))
    with pytest.raises(NotImplementedError, match="no code"):
        kuai.jit.load(tmp_path / "theirs.pt")


def test_script_methods():
    for library in LIBRARIES:
        assert library.jit.trace(lambda x: x * 2, library.ones(1))(library.ones(2)).tolist() == [2, 2]
