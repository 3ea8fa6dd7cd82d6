"""PyTorch's table of optimizers: some steps with every choice of arguments, and the errors."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")  # which PyTorch's tables import

from torch.testing._internal.common_optimizers import OptimizerErrorEnum, optim_db

import kuai
from tests import oracle
from tests.conformance.verdict import SEED, Failure, Verdict, judge

STEPS = 6


@lru_cache(maxsize=1)
def entries() -> dict:
    """All entries by name: optims/Adam …"""
    return {f"optims/{info.optim_cls.__name__}": info for info in optim_db}


def run(name: str, brief: bool = False) -> Verdict:
    """Run an entry by its name; in brief, its first choice of arguments alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return judge(name, lambda: _run(entries()[name], brief))


def _run(info, brief: bool) -> int:  # type: ignore[no-untyped-def]
    ours = _guard("name", lambda: oracle.lookup(f"optim.{info.optim_cls.__name__}"))
    cases = list(info.optim_inputs_func(device="cpu"))[: 1 if brief else None]
    for case in cases:
        _guard(case.desc, lambda case=case: _compare(info, ours, case.kwargs))
    errors = [] if brief else list(info.optim_error_inputs_func("cpu", torch.float32))
    for i, case in enumerate(errors):
        _guard(f"error sample {i}", lambda case=case: _error(ours, case))
    return len(cases) + len(errors)


def _guard(place: str, check: Callable) -> object:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 (whatever goes wrong is the entry's failure)
        raise Failure(place, error) from error


def _compare(info, ours: Callable, options: dict) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(SEED)
    shapes = ((3, 4), (4, 2)) if info.optim_cls.__name__ == "Muon" else ((3, 4), (5,))
    theirs = [torch.randn(s, requires_grad=True) for s in shapes]
    convert = oracle.Converter()
    mine = [convert(p) for p in theirs]
    their_optimizer = info.optim_cls(theirs, **options)
    my_optimizer = ours(mine, **convert(options))
    loss = _sparse_loss if info.only_supports_sparse_grads else _loss
    for _ in range(STEPS):
        for optimizer, t, params in ((their_optimizer, torch, theirs), (my_optimizer, kuai, mine)):
            optimizer.step(lambda t=t, params=params: loss(t, params))
    loose = 100.0 if info.optim_cls.__name__ == "Muon" else 10.0
    oracle.assert_same(mine, theirs, "parameters", loose=loose)
    a, b = my_optimizer.state_dict(), their_optimizer.state_dict()
    assert a["param_groups"] == convert(b["param_groups"]), "state_dict's groups differ"
    assert {k: set(v) for k, v in a["state"].items()} == {k: set(v) for k, v in b["state"].items()}, "states differ"


def _loss(t, params: list):  # type: ignore[no-untyped-def]
    """A loss with a minimum, and its gradients in the parameters."""
    for p in params:
        p.grad = None
    loss = sum(((p - 0.5) ** 2 + (p**4) / 8).sum() for p in params)
    loss.backward()  # type: ignore[union-attr]
    return loss


def _sparse_loss(t, params: list):  # type: ignore[no-untyped-def]
    """The same of every other row, taken with sparse gradients, some of them twice."""
    for p in params:
        p.grad = None
    rows = [t.gather(p, 0, _every_other(t, p), sparse_grad=True) for p in params]
    loss = sum(((r - 0.5) ** 2).sum() for r in rows)
    loss.backward()  # type: ignore[union-attr]
    return loss


def _every_other(t, p):  # type: ignore[no-untyped-def]
    rows = t.tensor([*range(0, p.shape[0], 2), 0])
    return rows.reshape(-1, *(1,) * (p.ndim - 1)).expand(-1, *p.shape[1:])


def _error(ours: Callable, case) -> None:  # type: ignore[no-untyped-def]
    made, convert = case.optimizer_error_input, oracle.Converter()
    params = convert(made.params if made.params is not None else [torch.nn.Parameter(torch.randn(2, 3))])

    def call() -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("error" if issubclass(case.error_type, Warning) else "ignore")
            optimizer = ours(params, **convert(made.kwargs))
            if case.error_on is OptimizerErrorEnum.CONSTRUCTION_ERROR:
                return optimizer
            for p in params:
                p.grad = p.detach().clone()
            return optimizer.step()

    oracle.assert_raises(call, case.error_type)
