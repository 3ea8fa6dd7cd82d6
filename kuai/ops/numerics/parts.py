"""Complex arrays from their parts."""

from __future__ import annotations

import numpy as np


def join(xp, real, imag):
    """real + 1j * imag, where that product would make nan of an infinity."""
    real, imag = xp.broadcast_arrays(real, imag)
    if xp is not np:
        return xp.lax.complex(real, imag)
    out = np.empty(real.shape, np.result_type(real.dtype, np.complex64))
    out.real, out.imag = real, imag
    return out
