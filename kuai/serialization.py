"""PyTorch's ``torch.serialization``: saving, loading, and what files may name."""

from __future__ import annotations

from .files.checkpoint import load as load
from .files.checkpoint import save as save
from .files.registry import add_safe_globals as add_safe_globals
from .files.registry import clear_safe_globals as clear_safe_globals
from .files.registry import get_safe_globals as get_safe_globals
from .files.registry import safe_globals as safe_globals
from .files.report import get_unsafe_globals_in_checkpoint as get_unsafe_globals_in_checkpoint
