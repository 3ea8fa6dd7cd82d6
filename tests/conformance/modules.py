"""PyTorch's table of modules: initial weights, results, gradients, state and errors."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")  # which PyTorch's tables import

from torch.testing._internal.common_modules import ModuleErrorEnum, module_db

import kuai
from tests import oracle
from tests.conformance.verdict import FULL, SEED, Failure, Verdict, judge

DTYPES = (torch.float32, torch.float64) if FULL else (torch.float32,)


@lru_cache(maxsize=1)
def entries() -> dict:
    """All entries by name: modules/nn.Linear …"""
    return {f"modules/{info.name}": info for info in module_db}


def run(name: str, brief: bool = False) -> Verdict:
    """Run an entry by its name; in brief, its first sample alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return judge(name, lambda: _run(entries()[name], brief))


def _run(info, brief: bool) -> int:  # type: ignore[no-untyped-def]
    ours, count = _guard("name", lambda: oracle.lookup(info.name)), 0
    modes = [(d, t) for d in DTYPES for t in (True, False)]
    for dtype, training in modes[:1] if brief else modes:
        cases = _cases(info, dtype, training)
        for i, case in enumerate(cases[:1] if brief else cases):
            place = f"{oracle.dtype_name(dtype)} {'train' if training else 'eval'} {i} {case.desc}".rstrip()
            _guard(place, lambda case=case, d=dtype, t=training: _compare(info.module_cls, ours, case, d, t))
            count += 1
    for i, case in enumerate(() if brief else _error_cases(info)):
        _guard(f"error sample {i}", lambda case=case: _error(ours, case))
        count += 1
    return count


def _guard(place: str, check: Callable) -> object:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 (whatever goes wrong is the entry's failure)
        raise Failure(place, error) from error


def _cases(info, dtype: torch.dtype, training: bool) -> list:  # type: ignore[no-untyped-def]
    torch.manual_seed(SEED)
    options = {"device": "cpu", "dtype": dtype, "requires_grad": True, "training": training}
    return [c for c in info.module_inputs_func(info, **options) if c.forward_input is not None]


def _error_cases(info) -> list:  # type: ignore[no-untyped-def]
    torch.manual_seed(SEED)
    if info.module_error_inputs_func is None:
        return []
    options = {"device": "cpu", "dtype": torch.float32, "requires_grad": True, "training": True}
    return list(info.module_error_inputs_func(info, **options))


def _compare(theirs: type, ours: Callable, case, dtype: torch.dtype, training: bool) -> None:  # type: ignore[no-untyped-def]
    """Make both from one seed, call both from one seed, and compare all there is."""
    convert = oracle.Converter()
    made = case.constructor_input
    torch.manual_seed(SEED + 1)
    their = theirs(*made.args, **made.kwargs).to(dtype).train(training)
    kuai.manual_seed(SEED + 1)
    mine = ours(*convert(made.args), **convert(made.kwargs)).to(oracle.counterpart(dtype)).train(training)
    lazy = hasattr(their, "initialize_parameters")
    if not lazy:
        _compare_state(mine, their, "initial")
    given, expected = _call(mine, their, case.forward_input, convert)
    oracle.assert_same(given, expected, "result")
    _compare_state(mine, their, "final")
    assert lazy or repr(mine) == repr(their), f"prints as {mine!r}, PyTorch's as {their!r}"
    leaves = [(t, m) for t, m in zip(their.parameters(), mine.parameters()) if t.requires_grad]
    oracle.assert_same_gradients(given, expected, convert.leaves + leaves)


def _call(mine: Callable, their: Callable, given, convert: oracle.Converter) -> tuple:  # type: ignore[no-untyped-def]
    args, kwargs = convert(given.args), convert(given.kwargs)
    torch.manual_seed(SEED + 2)
    expected = their(*given.args, **given.kwargs)
    kuai.manual_seed(SEED + 2)
    return mine(*args, **kwargs), expected


def _compare_state(mine, their, when: str) -> None:  # type: ignore[no-untyped-def]
    a, b = mine.state_dict(), their.state_dict()
    assert list(a) == list(b), f"{when} state has keys {list(a)}, PyTorch's {list(b)}"
    for key in b:
        oracle.assert_same(a[key], b[key], f"{when} {key}")


def _error(ours: Callable, case) -> None:  # type: ignore[no-untyped-def]
    made, convert = case.module_error_input, oracle.Converter()
    args, kwargs = convert(made.constructor_input.args), convert(made.constructor_input.kwargs)
    if case.error_on is ModuleErrorEnum.CONSTRUCTION_ERROR:
        oracle.assert_raises(lambda: ours(*args, **kwargs), case.error_type)
        return
    module = ours(*args, **kwargs)
    args, kwargs = convert(made.forward_input.args), convert(made.forward_input.kwargs)
    oracle.assert_raises(lambda: module(*args, **kwargs), case.error_type)
