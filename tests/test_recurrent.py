"""Recurrent networks and cells against PyTorch: values, derivatives of two orders, packed sequences, both engines, errors."""

from __future__ import annotations

import warnings

import pytest

import kuai
from kuai import nn
from tests import oracle
from tests.both import compare, compare_errors, randn

torch = pytest.importorskip("torch")
KINDS = {"LSTM": 4, "GRU": 3, "RNN": 1}


@pytest.fixture(autouse=True)
def _after():  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    yield
    kuai.set_engine("auto")


def pair(name: str, *args: object, **kwargs: object) -> tuple:
    """The same layer of both libraries, in double precision."""
    torch.manual_seed(1)
    theirs = getattr(torch.nn, name)(*args, **kwargs).double()
    kuai.manual_seed(1)
    ours = getattr(nn, name)(*args, **kwargs).double()
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for a, b in zip(ours.parameters(), theirs.parameters()):
        oracle.assert_same(a.detach(), b.detach(), "initial weights")
    return ours, theirs


def check(layers: tuple, *inputs: object, twice: bool = False) -> None:
    """The results and gradients of the same layer in both libraries, those of its weights too."""
    ours, theirs = layers

    def call(t, inputs, _):  # type: ignore[no-untyped-def]
        t.manual_seed(3)
        return (theirs if t is torch else ours)(*inputs)

    compare(call, inputs, None, twice=twice)
    theirs.zero_grad(), ours.zero_grad()
    for t, layer in ((torch, theirs), (kuai, ours)):
        given = oracle.Converter()(inputs) if t is kuai else inputs
        t.manual_seed(3)
        out = oracle.flatten(layer(*given))
        sum((y * y).sum() for y in out if isinstance(y, t.Tensor) and y.requires_grad).backward()
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters()):
        oracle.assert_same(a.grad, b.grad, name, loose=10)


OPTIONS = [
    {}, {"num_layers": 2, "bidirectional": True}, {"batch_first": True, "bias": False},
    {"num_layers": 3, "dropout": 0.5, "bidirectional": True},
]  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_networks(name: str, options: dict) -> None:
    check(pair(name, 3, 5, **options), randn(4, 2, 3), twice=options == OPTIONS[1])


@pytest.mark.parametrize("name", KINDS)
def test_networks_by_xla(name: str) -> None:
    kuai.set_engine("xla")
    check(pair(name, 3, 5, bidirectional=True), randn(4, 2, 3))


@pytest.mark.parametrize("options", [{"proj_size": 2}, {"proj_size": 3, "num_layers": 2, "bidirectional": True, "bias": False}])
def test_projections(options: dict) -> None:
    layers, n = pair("LSTM", 3, 5, **options), options.get("num_layers", 1) * (1 + options.get("bidirectional", False))
    check(layers, randn(4, 2, 3), (randn(n, 2, options["proj_size"]), randn(n, 2, 5)), twice=True)


def test_first_states() -> None:
    check(pair("LSTM", 3, 5, num_layers=2), randn(4, 2, 3), (randn(2, 2, 5), randn(2, 2, 5)), twice=True)
    check(pair("GRU", 3, 5, batch_first=True), randn(2, 4, 3), randn(1, 2, 5))
    check(pair("RNN", 3, 5, nonlinearity="relu"), randn(4, 3), randn(1, 5))
    check(pair("LSTM", 3, 5), randn(4, 3), (randn(1, 5), randn(1, 5)))


@pytest.mark.parametrize("engine", ["numpy", "xla"])
@pytest.mark.parametrize("name", KINDS)
def test_packed_sequences(name: str, engine: str) -> None:
    kuai.set_engine(engine)
    ours, theirs = pair(name, 3, 4, num_layers=2, bidirectional=True)

    def call(t, x):  # type: ignore[no-untyped-def]
        rnn = t.nn.utils.rnn
        packed = rnn.pack_padded_sequence(x, [2, 5, 3], enforce_sorted=False)
        y, last = (theirs if t is torch else ours)(packed)
        return (*rnn.pad_packed_sequence(y), last)

    compare(call, randn(5, 3, 3))


def test_packed_sequences_with_dropout_and_first_states() -> None:
    ours, theirs = pair("LSTM", 3, 4, num_layers=2, dropout=0.5)

    def call(t, x, h, c):  # type: ignore[no-untyped-def]
        t.manual_seed(5)
        packed = t.nn.utils.rnn.pack_sequence([x[:4, 0], x[:2, 1]])
        y, last = (theirs if t is torch else ours)(packed, (h, c))
        return y.data, last

    compare(call, randn(4, 2, 3), randn(2, 2, 4), randn(2, 2, 4), twice=True)


@pytest.mark.parametrize("name", ["LSTMCell", "GRUCell", "RNNCell"])
def test_cells(name: str) -> None:
    layers = pair(name, 3, 4)
    state = (randn(2, 4), randn(2, 4)) if name == "LSTMCell" else randn(2, 4)
    check(layers, randn(2, 3))
    check(layers, randn(2, 3), state, twice=True)
    check(layers, randn(3))
    check(pair(name, 3, 4, bias=False), randn(2, 3))


def test_functions_of_torch() -> None:
    x, w, u, b = randn(4, 2, 3), randn(12, 3), randn(12, 4), randn(12)
    compare(lambda t, x, h, w, u, b: t.gru(x, h, [w, u, b, b], True, 1, 0.0, True, False, False), x, randn(1, 2, 4), w, u, b)
    compare(lambda t, x, h, w, u, b: t.gru_cell(x[0], h[0], w, u, b, b), x, randn(1, 2, 4), w, u, b)


def test_a_step_needs_no_more_instructions_for_a_longer_sequence() -> None:
    layer = nn.LSTM(3, 4)

    def recorded(steps: int) -> int:
        kuai.synchronize()
        before = kuai.engine.stats()["instructions"]
        layer(kuai.ones(steps, 2, 3))[0].sum().backward()
        kuai.synchronize()
        return kuai.engine.stats()["instructions"] - before

    recorded(3)
    assert recorded(3) == recorded(30)


def test_lists_of_weights() -> None:
    layer = nn.LSTM(3, 4, num_layers=2, bidirectional=True, proj_size=2)
    assert [len(w) for w in layer.all_weights] == [5] * 4
    assert layer._flat_weights_names[:5] == ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "weight_hr_l0"]
    layer.flatten_parameters()


ERRORS = {
    "input": lambda t: t.nn.LSTM(3, 4)(t.ones(5, 2, 4)),
    "rank": lambda t: t.nn.LSTM(3, 4)(t.ones(5)),
    "batch of states": lambda t: t.nn.LSTM(3, 4)(t.ones(5, 2, 3), (t.ones(1, 2, 4), t.ones(1, 3, 4))),
    "rank of states": lambda t: t.nn.LSTM(3, 4)(t.ones(5, 2, 3), (t.ones(2, 4), t.ones(2, 4))),
    "dtype": lambda t: t.nn.LSTM(3, 4)(t.ones(5, 2, 3).double()),
    "no steps": lambda t: t.nn.LSTM(3, 4)(t.ones(0, 2, 3)),
    "state of gru": lambda t: t.nn.GRU(3, 4)(t.ones(5, 2, 3), t.ones(1, 3, 4)),
    "projection of gru": lambda t: t.nn.GRU(3, 4, proj_size=2),
    "projection": lambda t: t.nn.LSTM(3, 4, proj_size=4),
    "dropout": lambda t: t.nn.LSTM(3, 4, dropout=2),
    "hidden": lambda t: t.nn.LSTM(3, 0),
    "kind of hidden": lambda t: t.nn.LSTM(3, "4"),
    "bias": lambda t: t.nn.LSTM(3, 4, bias=1),
    "nonlinearity": lambda t: t.nn.RNN(3, 4, nonlinearity="gelu"),
    "nonlinearity of cell": lambda t: t.nn.RNNCell(3, 4, nonlinearity="gelu")(t.ones(2, 3)),
    "mode": lambda t: t.nn.RNNBase("ELMAN", 3, 4),
    "rank of cell": lambda t: t.nn.LSTMCell(3, 4)(t.ones(2, 2, 3)),
    "input of cell": lambda t: t.nn.GRUCell(3, 4)(t.ones(2, 4)),
    "batch of cell": lambda t: t.nn.GRUCell(3, 4)(t.ones(2, 3), t.ones(3, 4)),
    "state of cell": lambda t: t.nn.GRUCell(3, 4)(t.ones(2, 3), t.ones(2, 5)),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    compare_errors(ERRORS[name])


def test_dropout_of_one_layer_warns() -> None:
    with pytest.warns(UserWarning, match="num_layers greater than 1"):
        nn.GRU(3, 4, dropout=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.GRU(3, 4, 2, dropout=0.5)
