"""Window functions (``torch.signal.windows``).

>>> import kuai as torch
>>> torch.signal.windows.hann(3)
tensor([0., 1., 0.])
"""

from __future__ import annotations

from ..arguments import check as _check
from ..ops.tapers import bartlett as bartlett
from ..ops.tapers import blackman as blackman
from ..ops.tapers import cosine as cosine
from ..ops.tapers import exponential as exponential
from ..ops.tapers import gaussian as gaussian
from ..ops.tapers import general_cosine as general_cosine
from ..ops.tapers import general_hamming as general_hamming
from ..ops.tapers import hamming as hamming
from ..ops.tapers import hann as hann
from ..ops.tapers import kaiser as kaiser
from ..ops.tapers import nuttall as nuttall
from ..wont import refusing

_check(globals())

__getattr__ = refusing(__name__)
