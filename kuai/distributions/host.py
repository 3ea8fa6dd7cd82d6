"""Draws that NumPy makes on the host: seeded by `kuai.manual_seed`, but not PyTorch's own numbers."""

from __future__ import annotations

import numpy as np

from ..random import streams


def generator() -> np.random.Generator:
    """A generator whose seed is drawn from kuai's."""
    return np.random.default_rng(int(streams.randint(None, 1, 0, 1 << 62)[0]))
