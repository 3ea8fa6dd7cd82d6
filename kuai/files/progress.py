"""A bar for what takes long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

BAR_FROM = 256 << 20  # bytes

Advance = Callable[[int], object]


def unseen(n: int) -> None:
    """No bar."""


@contextmanager
def progress(what: str, total: int) -> Iterator[Advance]:
    """A function to call with the number of bytes done; it moves a bar if they are many and somebody looks (a terminal)."""
    if total < BAR_FROM:
        yield unseen
        return
    from tqdm import tqdm

    with tqdm(total=total, unit="B", unit_scale=True, desc=what, disable=None, leave=False) as bar:
        yield bar.update
