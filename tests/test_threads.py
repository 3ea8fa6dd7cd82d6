"""Threads: modes and traces are each thread's own, tensors may be handed over, and what one thread does changes no other's numbers."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable

import pytest

import kuai as torch
from kuai import nn


def together(*calls: Callable) -> list:
    """What calls give in a thread each, begun at the same time; errors are raised here."""
    results: list = [None] * len(calls)
    start = threading.Barrier(len(calls))

    def run(i: int, call: Callable) -> None:
        start.wait()
        try:
            results[i] = call()
        except Exception as error:  # noqa: BLE001 (raised below)
            results[i] = error

    threads = [threading.Thread(target=run, args=item) for item in enumerate(calls)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for found in results:
        if isinstance(found, Exception):
            raise found
    return results


def train(width: int) -> list[float]:
    """The losses of a network's training, from weights and data of its own generator."""
    draw = torch.Generator().manual_seed(width)
    net = nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 1))
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=draw))
    optimizer, losses = torch.optim.Adam(net.parameters(), lr=0.01), []
    for step in range(60):
        x = torch.randn(8, 4, generator=draw)
        loss = (net(x) - x.sum(1, keepdim=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 7 == 0:
            losses.append(loss.item())
    return losses


@pytest.mark.parametrize("engine", ["numpy", "auto"])
def test_two_trainings_give_what_each_gives_alone(engine: str):
    torch.set_engine(engine)
    try:
        alone = [train(5), train(9)]
        assert together(lambda: train(5), lambda: train(9)) == alone
        assert together(lambda: train(5), lambda: train(5)) == [alone[0], alone[0]]
    finally:
        torch.set_engine("auto")


def test_modes_are_each_threads_own():
    entered, seen = threading.Event(), threading.Event()

    def inside() -> tuple:
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            entered.set()
            seen.wait(10)
            return torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"), (torch.ones(2, 2) @ torch.ones(2, 2)).dtype

    def outside() -> tuple:
        entered.wait(10)
        found = torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"), (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
        seen.set()
        return found

    assert together(inside, outside) == [(False, True, torch.bfloat16), (True, False, torch.float32)]


def test_a_graph_of_one_thread_is_walked_in_another():
    x = torch.arange(3.0).requires_grad_()
    loss = together(lambda: (x * x).sum())[0]
    together(loss.backward)
    assert x.grad.tolist() == [0, 2, 4]


def test_a_tensor_made_in_one_thread_is_edited_in_another():
    x = torch.zeros(4)
    view = together(lambda: x[1:])[0]
    together(lambda: view.add_(1))
    together(lambda: x.mul_(3))
    assert x.tolist() == [0, 3, 3, 3] and view.tolist() == [3, 3, 3]


def test_many_threads_read_one_pending_value():
    x = (torch.arange(1000.0) * 2).sum() + 1
    assert together(*[x.item] * 8) == [999001.0] * 8


def test_the_default_generator_is_shared():
    torch.manual_seed(3)
    expected = sorted(torch.rand(2).tolist())
    torch.manual_seed(3)
    assert sorted(together(lambda: torch.rand(1).item(), lambda: torch.rand(1).item())) == expected


def test_leaves_of_a_long_graph_are_copied_without_it():
    x = torch.ones(2, requires_grad=True)
    y = x
    for _ in range(20_000):
        y = y * 1.0
    for made in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert made.is_leaf and made.requires_grad and made.tolist() == [1, 1]
    y.sum().backward()
    assert x.grad.tolist() == [1, 1]
    assert copy.deepcopy(x).grad.tolist() == [1, 1]
