"""Counting floating-point operations (``torch.utils.flop_counter``): what is recorded is not counted."""

from __future__ import annotations

from typing import NoReturn


class FlopCounterMode:
    """A counter that has counted nothing yet (``torch.utils.flop_counter.FlopCounterMode``).

    NotImplementedError when it is to count, in a with statement.

    >>> from kuai.utils.flop_counter import FlopCounterMode
    >>> FlopCounterMode(display=False).get_total_flops()
    0
    """

    def __init__(self, mods: object = None, depth: int = 2, display: bool = True, custom_mapping: dict | None = None):
        self.depth, self.display = depth, display

    def get_total_flops(self) -> int:
        """0: nothing was counted."""
        return 0

    def get_flop_counts(self) -> dict[str, dict]:
        """No counts for any module."""
        return {}

    def __enter__(self) -> NoReturn:
        raise NotImplementedError("FlopCounterMode: kuai does not count operations; torch.profiler tells what they take")

    def __exit__(self, *error: object) -> None:
        pass
