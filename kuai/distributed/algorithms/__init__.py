"""Algorithms over processes (``torch.distributed.algorithms``)."""

from .join import Join as Join
from .join import Joinable as Joinable
from .join import JoinHook as JoinHook
