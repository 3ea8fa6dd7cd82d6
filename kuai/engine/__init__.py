"""The engine: programs are recorded, interpreted while they are new, and compiled once they are hot."""

from . import policy as policy  # it installs itself as what runs a trace
from .program import Aval as Aval
from .program import Op as Op
from .program import Size as Size
from .report import explain as explain
from .report import stats as _stats
from .trace import flush as flush


def stats() -> dict[str, int]:
    """Counts since the start of the process: flushes, instructions, programs, interpreted, executed, compiled, cached."""
    return dict(_stats.counts)


def synchronize() -> None:
    """Run what this thread has recorded, and wait for it.

    >>> import kuai as torch
    >>> torch.synchronize()
    """
    import sys

    flush()
    compiler = sys.modules.get(f"{__name__}.compile")
    if compiler is not None:
        compiler.wait()
