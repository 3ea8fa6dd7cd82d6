"""PyTorch's places of the loader's parts (``torch.utils.data._utils``)."""

from . import collate as collate
from . import fetch as fetch
from . import pinning as pin_memory
from . import workers as worker

__all__ = ["collate", "fetch", "pin_memory", "worker"]
