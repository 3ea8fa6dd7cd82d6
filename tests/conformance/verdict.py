"""What became of one entry of a table, and the list of known gaps."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.oracle import Unsupported

FULL = os.environ.get("KUAI_CONFORMANCE") == "full"
SEED = int(os.environ.get("KUAI_CONFORMANCE_SEED", "0"))
EVERY = os.environ.get("KUAI_CONFORMANCE_EVERY") == "1"  # go on after a failure, and tell all of them
GAPS = Path(__file__).with_name("gaps.txt")


class Verdict(NamedTuple):
    """An entry's fate: "passed", "failed" or "missing", the reason, how many samples were run, and reasons of later failures."""

    name: str
    status: str
    reason: str = ""
    samples: int = 0
    more: tuple[str, ...] = ()


class Failure(Exception):
    """A sample that failed, with where it did and why; and the later ones that failed otherwise."""

    def __init__(self, place: str, cause: BaseException):
        self.place, self.reason, self.missing = place, describe(cause), _is_missing(cause)
        self.more: tuple[str, ...] = ()
        super().__init__(f"{place}: {self.reason}")

    def followed_by(self, later: Sequence[Failure]) -> Failure:
        """This failure, with what later ones of other kinds say."""
        kinds = {f.kind: str(f) for f in reversed(later) if f.kind != self.kind}
        self.more = tuple(reversed(kinds.values()))
        return self

    @property
    def kind(self) -> str:
        """What tells failures apart: place and reason without numbers."""
        return re.sub(r"[\d.e+-]+", "#", f"{self.place.partition(' ')[0]} {self.reason}")


def judge(name: str, run: Callable[[], int]) -> Verdict:
    """Run an entry's samples, and say what became of it."""
    try:
        return Verdict(name, "passed", "", run())
    except Failure as failure:
        return Verdict(name, "missing" if failure.missing else "failed", str(failure), 0, failure.more)


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


def entry_of(name: str) -> str:
    """The entry that a gap is of, without what it is checked for: compiled, gradcheck, gradgradcheck."""
    return name.partition(" ")[0]


def read_gaps() -> dict[str, str]:
    """The known gaps: entry name and reason."""
    lines = [line for line in GAPS.read_text().splitlines() if line and not line.startswith("#")]
    return {name: reason.strip() for name, _, reason in (line.partition(": ") for line in lines)}


def write_gaps(verdicts: list[Verdict], compiled: bool) -> None:
    """Replace the gaps of one table, or those that it has under XLA alone, by what was found now.

    A reason written by hand, in parentheses, stays.
    """
    known, suffix = read_gaps(), " compiled" if compiled else ""
    table = {f"{v.name}{suffix}" for v in verdicts}
    kept = {name: reason for name, reason in known.items() if name not in table}
    for v in verdicts:
        name = v.name + suffix
        if v.status != "passed" and (name == entry_of(name) or entry_of(name) not in known):
            kept[name] = known[name] if known.get(name, "").startswith("(") else v.reason
    head = [line for line in GAPS.read_text().splitlines() if line.startswith("#")]
    lines = [f"{name}: {reason}" for name, reason in sorted(kept.items())]
    GAPS.write_text("\n".join([*head, *lines]) + "\n")
