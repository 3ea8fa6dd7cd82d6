"""PyTorch's ``torch.serialization``: saving, loading, and what files may name."""

from __future__ import annotations

from .checkpoint import load as load
from .checkpoint import save as save
from .registry import add_safe_globals as add_safe_globals
from .registry import clear_safe_globals as clear_safe_globals
from .registry import get_safe_globals as get_safe_globals
from .registry import safe_globals as safe_globals
from .report import get_unsafe_globals_in_checkpoint as get_unsafe_globals_in_checkpoint
