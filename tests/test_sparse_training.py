"""Sparse gradients: embeddings that give them, optimizers that take them or refuse to."""

import pytest

import kuai
from tests import twins

HEAD = """
torch.sparse_coo_tensor([[0]], [1.0], (1,))  # PyTorch warns at the first one
W = torch.arange(12.).reshape(4, 3) / 10 + 0.1

def table(kind=nn.Embedding, **options):
    e = kind(4, 3, sparse=True, **options)
    e.weight.data = W.clone()
    return e

def one(e, *args, **options):
    e(*args, **options).pow(2).sum().backward()
    return e.weight.grad
"""


def test_embeddings():
    twins.check(HEAD + """
at = torch.tensor([[1, 3], [1, 0]])
for options in ({}, {"padding_idx": 1}, {"max_norm": 0.5}, {"scale_grad_by_freq": True}):
    attempt(lambda: one(table(**options), at))
print(one(table(), torch.zeros(0, dtype=torch.long)))
flat, starts = torch.tensor([1, 3, 1, 0]), torch.tensor([0, 1])
for mode in ("sum", "mean", "max"):
    attempt(lambda: one(table(nn.EmbeddingBag, mode=mode), flat, starts))
print(one(table(nn.EmbeddingBag, mode="sum", padding_idx=3), flat, starts))
print(one(table(nn.EmbeddingBag, mode="sum"), flat, starts, per_sample_weights=torch.tensor([1., 2., 3., 4.])))
w = torch.arange(6.).reshape(2, 3).requires_grad_()
F.embedding(torch.tensor([1, 1]), w * 2, sparse=True).sum().backward()
print(w.grad)
x = torch.arange(6.).reshape(2, 3).requires_grad_()
torch.gather(x, 1, torch.tensor([[0, 1], [2, 2]]), sparse_grad=True).pow(2).sum().backward()
print(x.grad)
""")


def test_gradients_gather():
    twins.check(HEAD + """
e = table()
e(torch.tensor([1, 3])).sum().backward(); g = e.weight.grad
e(torch.tensor([1, 2])).pow(2).sum().backward()
print(g is e.weight.grad, g.is_coalesced(), g.coalesce())
e = table()
(e(torch.tensor([1, 3])).sum() + e(torch.tensor([0, 3])).pow(2).sum()).backward(); print(e.weight.grad.coalesce())
e = table(); (e(torch.tensor([1, 3])) @ e.weight.t()).sum().backward(); print(e.weight.grad)
for order in ((True, False), (False, True)):
    e = table()
    for sparse in order:
        (e(torch.tensor([1, 3])) if sparse else e.weight).sum().backward()
    print(e.weight.grad)
print(torch.autograd.grad(table()(torch.tensor([2])).sum(), (e := table()).weight, allow_unused=True))
""")


TRAIN = HEAD + """
def train(name, dense, **options):
    e, l = table(), nn.Linear(3, 1)
    l.weight.data.fill_(0.3); l.bias.data.fill_(0.1)
    optimizer = getattr(torch.optim, name)([*e.parameters(), *(l.parameters() if dense else ())], **options)
    for i in range(4):
        optimizer.zero_grad()
        l(e(torch.tensor([i % 4, (i + 1) % 3, 1]))).pow(2).sum().backward()
        optimizer.step()
    states = optimizer.state_dict()["state"].values()
    return e.weight.data, l.weight.data, [{k: getattr(x, "is_sparse", False) and x.coalesce() or x for k, x in s.items()} for s in states]
""".replace('getattr(x, "is_sparse", False) and x.coalesce() or x', 'x.coalesce() if getattr(x, "is_sparse", False) else x')

OPTIMIZERS = {
    "SGD": ("{}", "dict(momentum=0.9)", "dict(momentum=0.9, nesterov=True)", "dict(momentum=0.9, dampening=0.1, maximize=True)",
            "dict(weight_decay=0.1)", "dict(fused=True)", "dict(foreach=True, momentum=0.9)"),
    "Adagrad": ("{}", "dict(lr_decay=0.1, initial_accumulator_value=0.1)", "dict(maximize=True)", "dict(weight_decay=0.1)",
                "dict(fused=True)"),
    "SparseAdam": ("{}", "dict(maximize=True, betas=(0.8, 0.9))", "dict(eps=0.1)"),
    **dict.fromkeys("Adam AdamW NAdam RAdam Adamax Adadelta RMSprop Rprop ASGD Adafactor Muon".split(), ("{}",)),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name):
    calls = [f"attempt(lambda: train('{name}', {dense}, lr=0.1, **{o}))" for o in OPTIMIZERS[name] for dense in (False, True)]
    twins.check(TRAIN + "\n".join(calls))


def test_other_users_of_gradients():
    twins.check(HEAD + """
def lbfgs():
    e = table()
    optimizer = torch.optim.LBFGS(e.parameters(), lr=0.1, max_iter=3)
    def closure():
        optimizer.zero_grad()
        loss = e(torch.tensor([1, 3])).pow(2).sum()
        loss.backward()
        return loss
    optimizer.step(closure)
    return e.weight.data
print(lbfgs())
for clip in (nn.utils.clip_grad_norm_, nn.utils.clip_grad_value_):
    e = table(); one(e, torch.tensor([1, 3]))
    attempt(lambda: clip(e.parameters(), 1.0))
e = table(); optimizer = torch.optim.SGD(e.parameters(), lr=0.1); one(e, torch.tensor([1, 3]))
optimizer.zero_grad(set_to_none=False); print(e.weight.grad)
attempt(lambda: torch.optim.SparseAdam([torch.zeros(3, layout=torch.sparse_coo)]))
""")


def test_words_in_context():
    """Skip-grams with negative samples: look-ups alone, and SparseAdam."""
    twins.check("""
torch.manual_seed(0)
words, contexts = nn.Embedding(20, 8, sparse=True), nn.Embedding(20, 8, sparse=True)
optimizer = torch.optim.SparseAdam([*words.parameters(), *contexts.parameters()], lr=0.05)
center, context = torch.randint(0, 20, (30,)), torch.randint(0, 20, (30,))
for step in range(8):
    negative = torch.randint(0, 20, (30, 4))
    w = words(center)
    near = F.logsigmoid((w * contexts(context)).sum(1))
    far = F.logsigmoid(-(contexts(negative) @ w.unsqueeze(2)).squeeze(2)).sum(1)
    loss = -(near + far).mean()
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    print(round(loss.item(), 4))
print(words.weight[:2])
""")


def test_a_step_writes_into_the_tables_own_memory():
    """So that it costs what the rows cost, however long the table is; and what others hold of it stays as it was."""
    torch = kuai
    torch.synchronize()
    torch.set_engine("numpy")
    table = torch.nn.Embedding(100, 4, sparse=True)
    optimizer = torch.optim.SparseAdam(table.parameters(), lr=0.1)

    def step(rows):
        optimizer.zero_grad()
        table(torch.tensor(rows)).sum().backward()
        optimizer.step()
        return [t._array() for t in (table.weight, *list(optimizer.state.values())[0].values()) if isinstance(t, torch.Tensor)]

    step([1, 2])
    before, after = [[id(a) for a in step(rows)] for rows in ([1, 2], [2, 3, 3])]
    assert before == after
    held = table.weight.detach().clone()
    kept = held.tolist()
    step([1])
    assert held.tolist() == kept != table.weight.tolist()
    torch.set_engine("auto")


def test_a_failure_after_such_a_step_loses_nothing():
    torch = kuai
    torch.synchronize()
    torch.set_engine("numpy")
    x = torch.zeros(4) + 1
    torch.synchronize()
    x.add_(torch.sparse_coo_tensor([[1]], [5.0], (4,)))
    with pytest.raises(IndexError):
        torch.ones(3)[torch.ones(1).exp().mul(7).long()].tolist()
    assert x.tolist() == [1.0, 6.0, 1.0, 1.0]
    torch.set_engine("auto")
