"""Tensors that processes share, and tensors on their way between processes, as PyTorch's."""

import numpy as np
import pytest

import kuai
from kuai import nn
from kuai.multiprocessing import get_context

METHODS = ["fork", "spawn"]


def edit(tensors, layer):
    """Write to everything in a child process."""
    tensors["whole"] += 1
    tensors["row"].fill_(7)
    tensors["halves"].mul_(2)
    with kuai.no_grad():
        layer.weight[0, 1] = 5
        layer.bias.copy_(kuai.tensor([8.0]))


@pytest.mark.parametrize("method", METHODS)
def test_processes_see_what_others_write(method):
    grid = kuai.zeros(3, 2).share_memory_()
    layer = nn.Linear(2, 1).share_memory()
    flat, halves = grid.view(-1), kuai.ones(2, dtype=kuai.bfloat16).share_memory_()
    tensors = {"whole": kuai.tensor(3).share_memory_(), "row": grid[1], "halves": halves}
    child = get_context(method).Process(target=edit, args=(tensors, layer))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert tensors["whole"].item() == 4 and flat.tolist() == [0, 0, 7, 7, 0, 0] and halves.tolist() == [2, 2]
    assert layer.weight[0, 1].item() == 5 and layer.bias.tolist() == [8.0]


def test_what_spawn_sends_is_shared():
    x = kuai.zeros(2)
    tensors = {"whole": x, "row": kuai.zeros(2), "halves": kuai.zeros(1)}
    child = get_context("spawn").Process(target=edit, args=(tensors, nn.Linear(2, 1)))
    child.start()
    child.join()
    assert x.tolist() == [1, 1] and x.is_shared()


def answer(questions, answers):
    for x in iter(questions.get, None):
        x.add_(1)
        answers.put((type(x).__name__, x.requires_grad, x.tolist(), x.stride()))
    answers.get()


def test_queues_send_memory():
    context = get_context("fork")
    questions, answers = context.Queue(), context.SimpleQueue()
    child = context.Process(target=answer, args=(questions, answers), daemon=True)
    child.start()
    base = kuai.arange(6.0).reshape(2, 3)
    sent = [base.t(), base[1, 1:], kuai.tensor(2), kuai.zeros(0), nn.Parameter(kuai.ones(1), requires_grad=False)]
    for x in sent:
        before = x.clone()
        questions.put(x)
        name, requires_grad, values, stride = answers.get()
        assert (name, requires_grad, stride) == (type(x).__name__, x.requires_grad, x.stride())
        assert values == x.tolist() == (before + 1).tolist()
    assert base.tolist() == [[1, 2, 3], [4, 6, 7]]
    questions.put(None)
    answers.put(None)
    child.join()


def test_what_is_in_a_graph_is_not_sent():
    x = kuai.ones(1, requires_grad=True) * 2
    with pytest.raises(RuntimeError, match="Cowardly refusing to serialize non-leaf tensor"):
        get_context("fork").SimpleQueue().put(x)


def test_shared_memory_is_memory_as_any():
    x = kuai.arange(6.0).reshape(2, 3)
    view, array = x[:, 1], x.numpy()
    assert not x.is_shared() and x.share_memory_() is x and view.is_shared() and x.untyped_storage().is_shared()
    address = x.data_ptr()
    view.zero_()
    array[0, 0] = 9  # NumPy keeps the memory that was
    assert x.tolist() == [[0, 0, 2], [3, 0, 5]] and x.data_ptr() == address
    assert not x.clone().is_shared() and not kuai.zeros(1).is_shared()
    x.requires_grad_()
    (x * x).sum().backward()
    assert x.grad.tolist() == (2 * x).tolist()
    optimizer = kuai.optim.Adam([x], lr=0.5)
    optimizer.step()
    assert view.tolist() == [0, 0] and x.is_shared() and x[0, 2].item() == pytest.approx(1.5)


def test_a_write_leaves_the_rest_of_shared_memory_alone():
    memory = np.zeros((2, 2), np.float32)
    row = kuai.from_numpy(memory)[0]
    pending = row + 1
    memory[1] = 4
    row.copy_(pending)
    assert memory.tolist() == [[1, 1], [4, 4]]


def race(sums, row):
    for _ in range(50):
        sums[row] += 1


@pytest.mark.parametrize("method", METHODS)
def test_processes_write_side_by_side(method):
    context, sums = get_context(method), kuai.zeros(2, 1000).share_memory_()
    children = [context.Process(target=race, args=(sums, row)) for row in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert (sums == 50).all()
