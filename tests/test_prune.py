"""Pruning beside PyTorch's: masks, names, draws and errors."""

import pytest

import kuai

torch = pytest.importorskip("torch", reason="compared with PyTorch: pip install torch==2.13.0")
pytest.importorskip("torch.nn.utils.prune")  # PyTorch imports it when it is asked for

STEPS = {
    "l1": [("l1_unstructured", {"amount": 0.3})],
    "l1 twice": [("l1_unstructured", {"amount": 4}), ("l1_unstructured", {"amount": 0.5})],
    "random": [("random_unstructured", {"amount": 7}), ("random_unstructured", {"amount": 2})],
    "rows": [("ln_structured", {"amount": 2, "n": 2, "dim": 0})],
    "columns": [("ln_structured", {"amount": 0.5, "n": float("inf"), "dim": -1})],
    "chance": [("random_structured", {"amount": 2, "dim": 1}), ("random_structured", {"amount": 1, "dim": 0})],
    "mixed": [("l1_unstructured", {"amount": 5}), ("ln_structured", {"amount": 1, "n": 1, "dim": 0}), ("identity", {})],
    "nothing": [("random_unstructured", {"amount": 0}), ("ln_structured", {"amount": 0, "n": 1, "dim": 0})],
}


@pytest.mark.parametrize("name", STEPS)
def test_methods(name):
    found = []
    for library in (kuai, torch):
        library.manual_seed(0)
        layer = library.nn.Linear(4, 5)
        prune = library.nn.utils.prune
        for function, given in STEPS[name]:
            assert getattr(prune, function)(layer, "weight", **given) is layer
        layer(library.ones(2, 4)).sum().backward()
        state = {k: v.tolist() for k, v in layer.state_dict().items()}
        found.append((state, layer.weight.tolist(), layer.weight_orig.grad.tolist(), prune.is_pruned(layer)))
        prune.remove(layer, "weight")
        found[-1] += (sorted(layer.state_dict()), layer.weight.tolist(), prune.is_pruned(layer))
        assert isinstance(layer.weight, library.nn.Parameter)
    assert kuai.allclose(kuai.tensor(found[0][2]), kuai.tensor(found[1][2]))
    assert found[0][0] == found[1][0] and found[0][1] == found[1][1] and found[0][3:] == found[1][3:]


def test_several_at_once():
    found = []
    for library in (kuai, torch):
        library.manual_seed(0)
        net = library.nn.Sequential(library.nn.Linear(4, 5), library.nn.Linear(5, 2))
        prune = library.nn.utils.prune
        prune.l1_unstructured(net[0], "weight", amount=3)
        places = [(net[0], "weight"), (net[1], "weight")]
        prune.global_unstructured(places, pruning_method=prune.L1Unstructured, amount=0.4)
        scores = {places[1]: library.ones(2, 5)}
        prune.global_unstructured(places, prune.L1Unstructured, importance_scores=scores, amount=2)
        found.append([m.weight_mask.tolist() for m in net])
    assert found[0] == found[1]


def test_errors():
    for library in (kuai, torch):
        prune, layer = library.nn.utils.prune, library.nn.Linear(3, 2)
        for amount, error in ((-1, ValueError), (1.5, ValueError), ("a", TypeError), (100, ValueError)):
            with pytest.raises(error):
                prune.l1_unstructured(layer, "weight", amount=amount)
            assert sorted(layer.state_dict()) == ["bias", "weight"] and not prune.is_pruned(layer)
        with pytest.raises(ValueError, match="multidimensional"):
            prune.ln_structured(layer, "bias", amount=1, n=2, dim=0)
        with pytest.raises(IndexError):
            prune.ln_structured(layer, "weight", amount=1, n=2, dim=5)
        with pytest.raises(ValueError, match="has to be pruned"):
            prune.remove(layer, "weight")
        with pytest.raises(AssertionError, match="same shape"):
            prune.l1_unstructured(layer, "weight", amount=1, importance_scores=library.ones(2))
