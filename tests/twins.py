"""The same program under kuai and under PyTorch: what it prints must be equal."""

from __future__ import annotations

import contextlib
import difflib
import io
import re
import textwrap
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import kuai


class Attempt:
    """What programs print by: results, or the class of the error, and the warnings on the way."""

    def __init__(self, text: bool):
        self.text = text

    def __call__(self, call: Callable, *args: Any) -> None:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            try:
                result = call(*args)
            except Exception as error:  # noqa: BLE001 (whatever is raised is compared)
                result = f"{type(error).__name__}: {error.args[0] if self.text and error.args else ''}"
        print(result, *[w.category.__name__ for w in seen])


def run(source: str, torch: ModuleType, seed: int = 0, text: bool = False) -> str:
    """What a program prints, with this ``torch``. ``attempt(f)`` prints f's result or the class of its error."""
    names = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional, "attempt": Attempt(text), "__name__": "program"}
    torch.manual_seed(seed)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), warnings.catch_warnings(action="ignore"):
        exec(textwrap.dedent(source), names)  # noqa: S102 (the test's own text)
    return printed.getvalue()


def plain(text: str) -> str:
    """Printed text without what may differ: the name of the package and of graph nodes."""
    text = re.sub(r"\bkuai\.", "torch.", text)
    text = re.sub(r"torch\.nn\.(modules\.)?[\w.]+\.(\w+)'", r"torch.nn.\2'", text)
    return re.sub(r"grad_fn=<\w+>", "grad_fn=<>", text)


NUMBER = re.compile(r"-?\d+\.\d*(?:e[+-]?\d+)?")


def check(source: str, seed: int = 0, text: bool = False, tolerance: float = 2e-4) -> str:
    """Run a program under both, compare what they print, and give it."""
    torch = pytest.importorskip("torch")
    ours, theirs = plain(run(source, kuai, seed, text)), plain(run(source, torch, seed, text))
    same = words(ours) == words(theirs)
    if not same or numbers(ours) != pytest.approx(numbers(theirs), tolerance, tolerance):
        lines = difflib.unified_diff(theirs.splitlines(), ours.splitlines(), "PyTorch", "kuai", lineterm="")
        raise AssertionError("\n".join(["the outputs differ", *lines]))
    return ours


def words(text: str) -> str:
    return re.sub(r"\s+", " ", NUMBER.sub("#", text))


def numbers(text: str) -> list[float]:
    return [*map(float, NUMBER.findall(text))]
