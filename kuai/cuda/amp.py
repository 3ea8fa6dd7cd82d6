"""Mixed precision on GPUs under its older names (``torch.cuda.amp``).

>>> import kuai as torch
>>> with torch.cuda.amp.autocast(enabled=False): torch.ones(1) + 1
tensor([2.])
"""

from __future__ import annotations

from .. import amp, dtypes
from ..amp import custom_bwd as custom_bwd
from ..amp import custom_fwd as custom_fwd
from ..wont import refusing


class autocast(amp.autocast):
    """`kuai.amp.autocast` on GPUs (``torch.cuda.amp.autocast``)."""

    def __init__(self, enabled: bool = True, dtype: dtypes.dtype = dtypes.float16, cache_enabled: bool = True):
        super().__init__("cuda", dtype=dtype, enabled=enabled, cache_enabled=cache_enabled)


class GradScaler(amp.GradScaler):
    """`kuai.amp.GradScaler` on GPUs (``torch.cuda.amp.GradScaler``)."""

    def __init__(self, init_scale: float = 2.0**16, growth_factor: float = 2.0, backoff_factor: float = 0.5,
                 growth_interval: int = 2000, enabled: bool = True):  # fmt: skip
        super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)


__getattr__ = refusing(__name__)
