"""Settings, read from the environment once and changed through functions."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

engine = os.environ.get("KUAI_ENGINE", "auto")
log = frozenset(filter(None, os.environ.get("KUAI_LOG", "").split(",")))
max_instructions = 4096  # a trace longer than this is run at once
max_bytes = 4 << 30  # … or one whose results are larger together
max_plans = 512  # programs kept, the least recently used go first
max_states = 100_000  # … and the length of all of them together (about 2 kB a state)


def cache_folder() -> Path:
    """Where compiled programs are kept between runs: KUAI_CACHE, or the user's cache folder."""
    from pathlib import Path

    given = os.environ.get("KUAI_CACHE")
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "kuai"


def set_engine(name: str) -> None:
    """Choose who computes: "auto" (NumPy while new, XLA once hot), "numpy" or "xla" (always compiled).

    >>> import kuai as torch
    >>> torch.set_engine("auto")
    """
    global engine
    if name not in ("auto", "numpy", "xla"):
        raise ValueError(f"set_engine: got {name!r}, needs 'auto', 'numpy' or 'xla'")
    engine = name


matmul_precision = "highest"  # of float32 products on accelerators


def set_float32_matmul_precision(precision: str) -> None:
    """How exact float32 products on accelerators are: "highest", "high" (TF32) or "medium" (bfloat16).

    >>> import kuai as torch
    >>> torch.set_float32_matmul_precision("highest")
    """
    global matmul_precision
    if precision not in ("highest", "high", "medium"):
        raise ValueError(f"set_float32_matmul_precision: got {precision!r}, needs 'highest', 'high' or 'medium'")
    matmul_precision = precision


def get_float32_matmul_precision() -> str:
    """How exact float32 products on accelerators are (``torch.get_float32_matmul_precision``).

    >>> import kuai as torch
    >>> torch.get_float32_matmul_precision()
    'highest'
    """
    return matmul_precision
