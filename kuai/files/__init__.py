"""Checkpoints in PyTorch's formats and safetensors'. Nothing in a file is ever executed."""

from __future__ import annotations

from .checkpoint import load as load
from .checkpoint import save as save
from .errors import FileError as FileError
from .errors import RefusedError as RefusedError
from .errors import TruncatedError as TruncatedError
from .report import convert as convert
from .report import inspect_file as inspect_file
