"""What became of one entry of a table, and the list of known gaps."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.oracle import Unsupported

FULL = os.environ.get("KUAI_CONFORMANCE") == "full"
GAPS = Path(__file__).with_name("gaps.txt")


class Verdict(NamedTuple):
    """An entry's fate: "passed", "failed" or "missing", the reason, and how many samples were run."""

    name: str
    status: str
    reason: str = ""
    samples: int = 0


class Failure(Exception):
    """A sample that failed, with where it did."""


def judge(name: str, run: Callable[[], int]) -> Verdict:
    """Run an entry's samples, and say what became of it."""
    try:
        return Verdict(name, "passed", "", run())
    except Failure as failure:
        cause = failure.__cause__
        status = "missing" if _is_missing(cause) else "failed"
        return Verdict(name, status, f"{failure}: {describe(cause)}")


def _is_missing(cause: BaseException | None) -> bool:
    absent = isinstance(cause, AttributeError) and "has no attribute" in str(cause)
    return absent or isinstance(cause, (NotImplementedError, ModuleNotFoundError, Unsupported))


def describe(error: BaseException | None) -> str:
    """An error in a line: its class, what it says, and where in kuai it was raised."""
    text = " ".join(str(error).split())[:160]
    if isinstance(error, AssertionError):
        return text
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/kuai/" in f.filename] if error else []
    place = f" ({frames[-1].filename.rpartition('/kuai/')[2]}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {text}{place}"


def read_gaps() -> dict[str, str]:
    """The known gaps: entry name and reason."""
    lines = [line for line in GAPS.read_text().splitlines() if line and not line.startswith("#")]
    return {name: reason.strip() for name, _, reason in (line.partition(": ") for line in lines)}


def write_gaps(verdicts: list[Verdict], kind: str, compiled: bool) -> None:
    """Replace the gaps of one table, or those that it has under XLA alone, by what was found now.

    A reason written by hand, in parentheses, stays.
    """
    known, suffix = read_gaps(), " compiled" if compiled else ""
    kept = {n: r for n, r in known.items() if not n.startswith(f"{kind}/") or n.endswith(" compiled") != compiled}
    for v in verdicts:
        name = v.name + suffix
        if v.status != "passed" and not (compiled and v.name in known):
            kept[name] = known[name] if known.get(name, "").startswith("(") else v.reason
    head = [line for line in GAPS.read_text().splitlines() if line.startswith("#")]
    lines = [f"{name}: {reason}" for name, reason in sorted(kept.items())]
    GAPS.write_text("\n".join([*head, *lines]) + "\n")
