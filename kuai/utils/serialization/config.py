"""The options of `save` and `load` (``torch.utils.serialization.config``): ``config.load.mmap``, ``config.save.compute_crc32`` …

>>> from kuai.utils.serialization import config
>>> config.load.mmap
False
"""

from __future__ import annotations

from ...files.options import config as _config

load = _config.load
save = _config.save
patch = _config.patch
