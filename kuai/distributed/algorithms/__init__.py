"""Algorithms over processes (``torch.distributed.algorithms``)."""

from ...wont import Absent
from .join import Join as Join
from .join import Joinable as Joinable
from .join import JoinHook as JoinHook


def __getattr__(name: str) -> object:
    """What shares a model between processes, by name; AttributeError for the rest."""
    from ..absent import module

    if (found := module(f"algorithms.{name}")) is not None:
        return found
    raise Absent(__name__, name)
