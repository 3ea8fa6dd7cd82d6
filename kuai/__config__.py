"""What computes here, in words (``torch.__config__``)."""

from __future__ import annotations

import os

import numpy as np


def show() -> str:
    """What kuai is made with: a text for people, and a few of the settings that programs look for in PyTorch's.

    >>> import kuai as torch
    >>> torch.__config__.show().splitlines()[0]
    'kuai built with:'
    """
    from . import __version__
    from .cuda import is_available

    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]  # type: ignore[index, call-overload]
    settings = f"USE_CUDA={'ON' if is_available() else '0'}, USE_MKL=OFF, USE_MKLDNN=OFF, USE_NCCL=OFF, USE_OPENMP=OFF"
    return f"kuai built with:\n  - kuai {__version__}\n  - NumPy {np.__version__}, BLAS {blas}\n  - Build settings: {settings}\n"


def parallel_info() -> str:
    """How many threads compute.

    >>> import kuai as torch
    >>> "hardware_concurrency" in torch.__config__.parallel_info()
    True
    """
    from .settings import get_num_threads

    variables = "\n".join(f"\t{name} : {os.environ.get(name, '[not set]')}" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"))
    return f"get_num_threads() : {get_num_threads()}\nhardware_concurrency() : {os.cpu_count()}\nEnvironment variables:\n{variables}\n"
