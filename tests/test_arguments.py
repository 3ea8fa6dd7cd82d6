"""What PyTorch takes in the place of an int: a tensor of one integer, and NumPy's numbers."""

import numpy as np
import pytest

import kuai
from tests import oracle

torch = oracle.torch

CALLS = {
    "narrow": lambda t, x, i: x.narrow(0, i(0), i(1)),
    "chunk": lambda t, x, i: x.chunk(i(2)),
    "split": lambda t, x, i: x.split([int(i(1)), 2]),
    "unbind": lambda t, x, i: x.unbind(i(0)),
    "movedim": lambda t, x, i: x.movedim(i(0), i(1)),
    "index_select": lambda t, x, i: x.index_select(i(0), t.tensor([0])),
    "index_fill": lambda t, x, i: x.index_fill(i(0), t.tensor([0]), i(3)),
    "index_add": lambda t, x, i: x.index_add(i(0), t.tensor([0]), x[:1]),
    "masked_fill": lambda t, x, i: x.masked_fill(x > 1, i(0)),
    "repeat_interleave": lambda t, x, i: x.repeat_interleave(i(2), i(0)),
    "fill_diagonal_": lambda t, x, i: x.clone().fill_diagonal_(i(5)),
    "quantile": lambda t, x, i: t.quantile(x, 0.5, i(0)),
    "histc": lambda t, x, i: t.histc(x, i(4)),
    "one_hot": lambda t, x, i: t.nn.functional.one_hot(t.tensor([1]), i(3)),
    "avg_pool1d": lambda t, x, i: t.nn.functional.avg_pool1d(x[None], i(2)),
    "max_pool1d": lambda t, x, i: t.nn.functional.max_pool1d(x[None], i(2), i(1)),
    "adaptive_avg_pool1d": lambda t, x, i: t.nn.functional.adaptive_avg_pool1d(x[None], i(2)),
    "conv1d": lambda t, x, i: t.nn.functional.conv1d(x[None], t.ones(1, 3, 1), stride=i(2)),
    "pixel_shuffle": lambda t, x, i: t.nn.functional.pixel_shuffle(t.arange(4.0).view(1, 4, 1, 1), i(2)),
    "sum": lambda t, x, i: x.sum(i(1)),
    "topk": lambda t, x, i: tuple(x.topk(i(2))),
    "roll": lambda t, x, i: x.roll((i(1),), (i(0),)),
}


@pytest.mark.parametrize("kind", ["tensor", "int32 tensor", "int64"])
@pytest.mark.parametrize("name", CALLS)
def test_numbers_in_the_place_of_ints(name, kind):
    numbers = {
        "tensor": lambda t: t.tensor,
        "int32 tensor": lambda t: lambda n: t.tensor(n, dtype=t.int32),
        "int64": lambda t: np.int64,
    }[kind]
    ours, theirs = (CALLS[name](t, t.arange(12.0).view(3, 4).clone(), numbers(t)) for t in (kuai, torch))
    oracle.assert_same(ours, theirs)


def test_a_tensor_that_is_no_integer_is_refused_all_the_same():
    for t in (kuai, torch):
        x = t.ones(3, 4)
        with pytest.raises(TypeError):
            x.narrow(0, 0, t.tensor(1.0))


NUMPYS = """torch.stack((a, a), axis=-1) | torch.chunk(a, 2, axis=0) | torch.unbind(a, axis=0) | torch.index_select(a, axis=0, index=i)
torch.gather(a, axis=0, index=i[:, None].expand(2, 3)) | torch.repeat_interleave(a, 2, axis=0) | torch.linalg.norm(a, axis=1, keepdims=True)
a.narrow(axis=0, start=0, length=1) | a.select(axis=0, index=0) | a.index_add(axis=0, index=i, source=a) | a.sum(axis=1, keepdims=True)
torch.tensor_split(a, 2, axis=0) | torch.split(a, 1, axis=0) | torch.stack((a, a), axis=0, out=torch.empty(2, 2, 3)) | torch.sum(x=a, axis=0)
torch.cat((a, a), axis=1) | torch.max(a, axis=0) | torch.stack((a, a), axes=0)"""


@pytest.mark.parametrize("code", oracle.cases(NUMPYS))
def test_arguments_by_numpys_names(code):
    def outcome(t):
        names = {"torch": t, "a": t.arange(6.0).reshape(2, 3), "i": t.tensor([1, 0])}
        try:
            made = eval(code, names)
        except TypeError:
            return TypeError
        return [x.tolist() for x in made] if isinstance(made, (tuple, list)) else made.tolist()

    assert outcome(kuai) == outcome(torch)
