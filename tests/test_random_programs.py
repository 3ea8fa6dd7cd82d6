"""Random programs do in kuai what they do in PyTorch: values, dtypes, aliasing, gradients, versions, errors."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import kuai
from kuai.engine.plan import registry
from tests import oracle
from tests.random_programs import REFUSALS, Author, Machine

torch = oracle.torch


class Difference(AssertionError):
    """What a program does differently."""


# By these PyTorch makes tensors that share memory but not its version, or counts what is no edit.
UNCOUNTED = (".data", "copy.", "set_(", "numpy()")


def run_both(lines: list[str]) -> None:
    """Run a program in both libraries, and compare what each statement raises and what all leave."""
    theirs, ours = Machine(torch), Machine(kuai)
    counted = not any(how in line for line in lines for how in UNCOUNTED)
    for i, line in enumerate(lines):
        before = theirs.versions(), ours.versions()
        expected, got = theirs.run(line), ours.run(line)
        if refused(expected):
            return
        if not same_error(got, expected):
            raise Difference(f"line {i}: {line!r}: {got!r:.300}, PyTorch {expected!r:.300}")
        if counted and edited(theirs, before[0]) != edited(ours, before[1]):
            raise Difference(f"line {i}: {line!r} edits {edited(ours, before[1])}, PyTorch {edited(theirs, before[0])}")
    with warnings.catch_warnings(action="ignore"):
        try:
            compare(ours, theirs)
        except RuntimeError as e:  # reading an attribute of PyTorch's may refuse too
            if not refused(e):
                raise


def refused(error: Exception | None) -> bool:
    """Whether PyTorch raises what kuai does not on purpose."""
    return error is not None and any(r in str(error) for r in REFUSALS)


def edited(machine: Machine, before: dict) -> set[str]:
    """The tensors that have another version than before. PyTorch counts some edits twice."""
    return {n for n, (i, v) in machine.versions().items() if n in before and before[n][0] == i and before[n][1] < v}


def same_error(got: Exception | None, expected: Exception | None) -> bool:
    if (got is None) != (expected is None):
        return False
    return got is None or isinstance(got, type(expected))


def compare(ours: Machine, theirs: Machine) -> None:
    mine, their = ours.tensors(), theirs.tensors()
    if set(mine) != set(their):
        raise Difference(f"names {set(mine) ^ set(their)}")
    for name, b in their.items():
        compare_tensors(name, mine[name], b)
    for name in ("a", "b"):
        if name in theirs.names and not np.allclose(ours.names[name], theirs.names[name], 1e-3, 1e-5, equal_nan=True):
            raise Difference(f"array {name}: {ours.names[name]}, PyTorch {theirs.names[name]}")
    for name in ("r", "hooked"):
        if not same_reading(ours.names.get(name), theirs.names.get(name)):
            raise Difference(f"{name}: {ours.names.get(name)}, PyTorch {theirs.names.get(name)}")


def same_reading(a: object, b: object) -> bool:
    if isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same_reading, a, b))
    if isinstance(b, (float, complex, np.floating)):
        return type(a) is type(b) and bool(np.isclose(a, b, 2e-2, 1e-2, equal_nan=True))
    return type(a) is type(b) and a == b


FACTS = ("requires_grad", "is_leaf", "retains_grad")


def compare_tensors(name: str, a: kuai.Tensor, b: torch.Tensor) -> None:
    try:
        oracle.assert_same(a, b)
        for fact in FACTS:
            assert getattr(a, fact) == getattr(b, fact), f"{fact} {getattr(a, fact)}, PyTorch {getattr(b, fact)}"
        if b.numel():
            assert steps(a) == steps(b), f"stride {a.stride()}, PyTorch {b.stride()}"
            assert a.storage_offset() == b.storage_offset(), f"offset {a.storage_offset()}, PyTorch {b.storage_offset()}"
        assert (a._grad is None) == (b.grad is None), f"grad {a.grad}, PyTorch {b.grad}"
        if b.grad is not None:
            oracle.assert_same(a.grad, b.grad, "grad", loose=10)
    except (AssertionError, IndexError) as e:
        raise Difference(f"{name}: {e}") from None


def steps(t: object) -> list[int]:
    """The strides that say something: those of dimensions of more than one element."""
    return [s for s, n in zip(t.stride(), t.shape) if n > 1]  # type: ignore[attr-defined]


def shrink(lines: list[str], error: Difference) -> tuple[list[str], Difference]:
    """As few of a program's statements as still show a difference."""
    i = len(lines) - 1
    while i >= 0:
        fewer = lines[:i] + lines[i + 1 :]
        try:
            run_both(fewer)
        except Difference as e:
            lines, error = fewer, e
        i -= 1
    return lines, error


# ---- tests -----------------------------------------------------------------------------------------------------------

SETTINGS = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True, "phases": (Phase.generate,)}
seeds = st.integers(0, 2**32 - 1)


def check(seed: int, length: int, times: int = 1) -> None:
    dice = Random(seed)
    lines = Author(dice).write(1 + dice.randrange(length))
    for _ in range(times):
        try:
            run_both(lines)
        except Difference as e:
            fewer, error = shrink(lines, e)
            raise AssertionError("\n".join([f"{error} (seed {seed})", *fewer])) from None


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Iterator[None]:
    kuai.set_engine(request.param)
    yield
    kuai.set_engine("auto")


@pytest.mark.parametrize("engine", ["numpy"], indirect=True)
@settings(max_examples=800, **SETTINGS)
@given(seeds)
def test_by_numpy(engine: None, seed: int) -> None:
    check(seed, 14)


@pytest.mark.parametrize("engine", ["numpy"], indirect=True)
@settings(max_examples=100, **SETTINGS)
@given(seeds)
def test_what_comes_again(engine: None, seed: int) -> None:
    """Programs whose backward passes have been there before, and are not walked again."""
    check(seed, 14, times=4)


@pytest.mark.parametrize("engine", ["xla"], indirect=True)
@settings(max_examples=15, **SETTINGS)
@given(seeds)
def test_compiled(engine: None, seed: int) -> None:
    check(seed, 10)


@pytest.mark.parametrize("engine", ["auto"], indirect=True)
@settings(max_examples=10, **SETTINGS)
@given(seeds)
def test_first_by_numpy_and_then_compiled(engine: None, seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kuai.engine.policy.threshold", lambda plan: 1)
        patch.setattr("kuai.engine.policy.EARLY", 10**9)
        check(seed, 10, times=3)
    while registry.plans:  # which keep the threshold that they were made with
        registry._forget()
