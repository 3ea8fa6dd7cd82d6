"""Types for annotations of scripts (``torch.jit.annotations``)."""

from __future__ import annotations

from typing import Optional as Optional

from . import Final as Final

Dict, List, Tuple = dict, list, tuple


class _Repeated:
    """A type that takes one value or a list of as many: ``BroadcastingList2[int]``."""

    def __getitem__(self, types: object) -> None:
        return None


BroadcastingList1 = BroadcastingList2 = BroadcastingList3 = _Repeated()
