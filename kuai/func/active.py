"""Whether a function is being transformed in this thread: what `backward` refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..engine.trace import current


@contextmanager
def transforming(forward: bool = False) -> Iterator[None]:
    """Run a function as one that is transformed; in forward mode `no_grad` keeps no tangent from it, as in PyTorch."""
    before, current.duals = current.duals, forward
    current.transforms += 1
    try:
        yield
    finally:
        current.transforms -= 1
        current.duals = before
