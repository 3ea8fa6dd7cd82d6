"""What depends on the values is refused at the call, as PyTorch does on the CPU: by every engine, known or only recorded."""

from __future__ import annotations

import pytest

import kuai
from tests import oracle

torch = oracle.torch

# Calls of ``f`` = torch.nn.functional, on tensors that `later` makes pending: recorded and not yet computed.
CALLS = """
t.linalg.inv(later(t.zeros(2, 2)))
t.linalg.inv(later(t.ones(3, 2, 2)))
t.linalg.cholesky(later(t.tensor([[1., 2.], [2., 1.]])))
t.linalg.solve(later(t.zeros(2, 2)), t.ones(2))
t.linalg.tensorinv(later(t.zeros(2, 2)), ind=1)
t.linalg.tensorsolve(later(t.zeros(2, 2)), t.ones(2))
t.inverse(later(t.zeros(2, 2)))
t.cholesky(later(-t.ones(1, 1)))
t.linalg.svd(later(t.full((2, 2), float("nan"))))
t.linalg.svdvals(later(t.full((2, 2), float("inf"))))
t.linalg.eigh(later(t.full((2, 2), float("nan"))))
t.linalg.cholesky_ex(later(-t.ones(1, 1)), check_errors=True)
t.linalg.inv_ex(later(t.zeros(1, 1)), check_errors=True)
t.embedding(t.ones(3, 2), later(t.tensor([3])))
f.embedding(later(t.tensor([0, -1])), t.ones(3, 2))
f.embedding_bag(later(t.tensor([[5]])), t.ones(3, 2))
f.nll_loss(t.zeros(2, 3), later(t.tensor([0, 3])))
f.nll_loss(t.zeros(2, 3), later(t.tensor([0, -1])))
f.cross_entropy(t.zeros(2, 3), later(t.tensor([0, 3])))
f.cross_entropy(t.zeros(2, 3, 4), later(t.full((2, 4), 7)))
f.one_hot(later(t.tensor([0, 3])), 2)
f.one_hot(later(t.tensor([-1])))
f.multi_margin_loss(t.zeros(2, 3), later(t.tensor([0, 3])))
f.multilabel_margin_loss(t.zeros(2, 3), later(t.tensor([[0, 5, 1], [0, 1, 2]])))
f.binary_cross_entropy(later(t.tensor([1.5])), t.ones(1))
f.binary_cross_entropy(t.tensor([0.5]), later(t.tensor([-1.])))
t.gather(t.ones(3), 0, later(t.tensor([3])))
t.gather(t.ones(3), 0, later(t.tensor([-1])))
t.ones(3).scatter(0, later(t.tensor([3])), 1.)
t.ones(3).scatter_add(0, later(t.tensor([3])), t.ones(1))
t.ones(3).scatter_reduce(0, later(t.tensor([-2])), t.ones(1), "amax")
t.index_select(t.ones(3), 0, later(t.tensor([3])))
t.ones(3).index_add(0, later(t.tensor([3])), t.ones(1))
t.ones(3).index_copy(0, later(t.tensor([3])), t.ones(1))
t.ones(3).index_fill(0, later(t.tensor([3])), 1)
t.ones(3)[later(t.tensor([3]))]
t.ones(3)[later(t.tensor([0, -4]))]
t.ones(3, 3)[later(t.tensor([0, 1])), later(t.tensor([0, 3]))]
t.ones(3).__setitem__(later(t.tensor([3, 0])), 1.)
t.ones(3).index_put((later(t.tensor([3, 0])),), t.ones(2))
t.ones(3).index_put_((later(t.tensor([3, 0])),), t.ones(2), accumulate=True)
t.take(t.ones(3), later(t.tensor([3])))
t.ones(3).put_(later(t.tensor([3])), t.ones(1))
t.multinomial(later(t.tensor([-1., 2.])), 1)
t.multinomial(later(t.tensor([0., 0.])), 1)
t.multinomial(later(t.tensor([float("nan"), 1.])), 1)
t.multinomial(later(t.tensor([0., 1.])), 2)
t.bernoulli(later(t.tensor([1.5])))
t.poisson(later(t.tensor([-1.])))
t.normal(t.zeros(1), later(t.tensor([-1.])))
t.ones(3).masked_scatter(later(t.ones(3)) > 0, t.ones(2))
t.bincount(later(t.tensor([-1])))
t.repeat_interleave(t.ones(2), later(t.tensor([-1, 2])))
t.histc(later(t.tensor([float("nan")])), 4)
t.tensor_split(t.ones(4), later(t.tensor([[1.]])))
t.histogram(later(t.tensor([float("inf")])), 4)
t.combinations(later(t.ones(2, 2)))
t.tensor([1]) // later(t.tensor([0]))
t.tensor([1]) % later(t.tensor([0]))
t.fmod(t.tensor([1]), later(t.tensor([0])))
t.div(t.tensor([1]), later(t.tensor([0])), rounding_mode="trunc")
t.ones(3)[later(t.tensor(3))]
t.nn.utils.rnn.pack_padded_sequence(t.ones(2, 2, 1), later(t.tensor([1, 0])))
t.nn.utils.rnn.pack_padded_sequence(t.ones(2, 2, 1), later(t.tensor([1, 2])))
t.nn.CrossEntropyLoss()(t.zeros(2, 3), later(t.tensor([0, 5])))
t.nn.Embedding(3, 2)(later(t.tensor([3])))
""".strip().splitlines()


def outcome(lib, text: str, pending: bool) -> object:
    """The class of the error that a call raises, before anything is read; or that it raises none."""
    lib.manual_seed(0)
    later = (lambda x: x + x.new_zeros(x.shape)) if pending else lambda x: x
    try:
        eval(text, {"t": lib, "f": lib.nn.functional, "later": later})
    except Exception as error:  # noqa: BLE001 (whatever it is, both have to raise it)
        return error
    return "nothing"


def kind(error: object) -> type:
    """The class that is expected of kuai where PyTorch raises an error."""
    return kuai.linalg.LinAlgError if isinstance(error, torch.linalg.LinAlgError) else type(error)


@pytest.mark.parametrize("engine", ["numpy", "xla"])
@pytest.mark.parametrize("pending", [False, True], ids=["known", "pending"])
@pytest.mark.parametrize("text", CALLS)
def test_values_are_refused_at_the_call(text: str, pending: bool, engine: str):
    kuai.set_engine(engine)
    try:
        expected, given = outcome(torch, text, pending), outcome(kuai, text, pending)
        assert isinstance(given, kind(expected)), f"{given!r}, PyTorch {expected!r}"
        assert (kuai.ones(2) + 1).tolist() == [2, 2], "the failed call has left something behind"
    finally:
        kuai.set_engine("auto")


def test_a_training_step_is_recorded_whole():
    """Checks of indices cost no flush where bounds follow from the record: slices, masks, argmax, ignored targets' places."""
    data = kuai.randint(0, 50, (2, 500))
    table = kuai.nn.Embedding(50, 8)
    out = kuai.nn.Linear(8, 50)

    def step(i: int) -> None:
        window = data[:, i : i + 9]
        scores = out(table(window[:, :-1]))
        loss = kuai.nn.functional.cross_entropy(scores.flatten(0, 1), window[:, 1:].flatten())
        loss = loss + scores.gather(2, scores.argmax(2, keepdim=True)).mean() + table(kuai.cat([window, window])).mean()
        loss = loss + kuai.nn.functional.binary_cross_entropy(scores.sigmoid(), kuai.zeros_like(scores))
        (loss + out(table(scores.topk(3)[1])).sum()).backward()

    step(0)
    kuai.synchronize()
    before = kuai.engine.stats()["flushes"]
    for i in range(5):
        step(i)
    assert kuai.engine.stats()["flushes"] == before
