"""Random programs about modules do in kuai what they do in PyTorch: names and their order, states, printed forms, hooks, errors."""

from __future__ import annotations

import warnings
from random import Random

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import kuai
from tests import oracle, twins
from tests.random_modules import ModuleAuthor, ModuleMachine

torch = oracle.torch

# A state that does not fit is loaded in part by PyTorch, which then raises; kuai loads nothing.
IN_PART = "Error(s) in loading state_dict"


class Difference(AssertionError):
    """What a program does differently."""


def run_both(lines: list[str]) -> None:
    theirs, ours = ModuleMachine(torch), ModuleMachine(kuai)
    for i, line in enumerate(lines):
        expected, got = theirs.run(line), ours.run(line)
        if got is None and isinstance(expected, KeyError) and str(expected).strip("'").lstrip("-").isdigit():
            return  # PyTorch's lists count on names 0, 1 …, kuai's on the order
        if (got is None) != (expected is None) or not isinstance(got, type(expected)):
            raise Difference(f"line {i}: {line!r}: {got!r:.300}, PyTorch {expected!r:.300}")
        if expected is not None and IN_PART in str(expected):
            return
        for name in ("r", "keep"):
            compare(f"line {i}: {line!r}: {name}", ours.names.get(name), theirs.names.get(name))
    mine = ours.modules()
    if mine.keys() != theirs.modules().keys():
        raise Difference(f"modules {sorted(mine)}, PyTorch {sorted(theirs.modules())}")
    for name, module in theirs.modules().items():
        compare_modules(name, mine[name], module)


def compare(what: str, a: object, b: object) -> None:
    if plain(a) != plain(b):
        raise Difference(f"{what} is {plain(a)}, PyTorch {plain(b)}")


def plain(x: object) -> str:
    """A result as text, numbers rounded."""
    if isinstance(x, float):
        return f"{x:.3g}" if abs(x) > 1e-4 else "0"
    if isinstance(x, list):
        return f"[{', '.join(map(plain, x))}]"
    return twins.plain(x if isinstance(x, str) else repr(x))


def compare_modules(name: str, ours: kuai.nn.Module, theirs: torch.nn.Module) -> None:
    for what, of in FACTS.items():
        compare(f"{name}'s {what}", result(of, ours), result(of, theirs))
    state = result(lambda m: dict(m.state_dict()), theirs)
    if isinstance(state, dict):
        mine = ours.state_dict()
        for key, value in state.items():
            try:
                oracle.assert_same(mine[key], value)
            except (AssertionError, NotImplementedError) as e:
                raise Difference(f"{name}.{key}: {e}") from None


FACTS = {
    "printed form": repr,
    "state": lambda m: list(m.state_dict()),
    "parameters": lambda m: [(n, tuple(p.shape), p.requires_grad, p.grad is None) for n, p in m.named_parameters()],
    "all parameters": lambda m: [n for n, _ in m.named_parameters(remove_duplicate=False)],
    "buffers": lambda m: [n for n, _ in m.named_buffers()],
    "modules": lambda m: [(n, type(x).__name__, x.training) for n, x in m.named_modules()],
}


def result(of, module):  # type: ignore[no-untyped-def]
    """What a question gives, or the class of the error that it raises."""
    with warnings.catch_warnings(action="ignore"):
        try:
            return of(module)
        except Exception as e:  # noqa: BLE001 (broken trees break in both)
            return type(e).__name__


def shrink(lines: list[str], error: Difference) -> tuple[list[str], Difference]:
    """As few of a program's statements as still show a difference."""
    for i in reversed(range(len(lines))):
        fewer = lines[:i] + lines[i + 1 :]
        try:
            run_both(fewer)
        except Difference as e:
            lines, error = fewer, e
    return lines, error


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, phases=(Phase.generate,))
@given(st.integers(0, 2**32 - 1))
def test_programs_about_modules(seed: int) -> None:
    dice = Random(seed)
    lines = ModuleAuthor(dice).write(1 + dice.randrange(16))
    try:
        run_both(lines)
    except Difference as e:
        fewer, error = shrink(lines, e)
        raise AssertionError("\n".join([f"{error} (seed {seed})", *fewer])) from None
