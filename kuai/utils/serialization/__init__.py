"""PyTorch's ``torch.utils.serialization``: the options of saving and loading."""

from __future__ import annotations

from . import config as config
