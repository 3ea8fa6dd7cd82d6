"""kuai: reads like PyTorch, starts like NumPy, ends like XLA.

>>> import kuai as torch
>>> from kuai import nn
"""

import importlib
import importlib.util

__version__ = "0.1.0"

from . import autograd as autograd
from . import cuda as cuda
from . import methods as _methods
from . import tensor as _tensor
from .autograd import enable_grad as enable_grad
from .autograd import inference_mode as inference_mode
from .autograd import no_grad as no_grad
from .autograd import set_grad_enabled as set_grad_enabled
from .autograd.modes import is_grad_enabled as is_grad_enabled
from .autograd.modes import is_inference_mode_enabled as is_inference_mode_enabled
from .config import set_engine as set_engine
from .devices import device as device
from .devices import get_default_device as get_default_device
from .devices import set_default_device as set_default_device
from .dtypes import *  # noqa: F403 (temporary)
from .dtypes import bool_ as bool
from .engine import Size as Size
from .engine import explain as explain
from .engine import synchronize as synchronize
from .ops import creation as _creation
from .ops import matrix as _matrix
from .ops.conversion import clone as clone
from .ops.creation import *  # noqa: F403 (temporary)
from .ops.creation import complex_ as complex
from .ops.matrix import *  # noqa: F403 (temporary)
from .random import Generator as Generator
from .random import default_generator as default_generator
from .random import get_rng_state as get_rng_state
from .random import initial_seed as initial_seed
from .random import manual_seed as manual_seed
from .random import seed as seed
from .random import set_rng_state as set_rng_state
from .tensor import Tensor as Tensor

# TEMPORARY while the families are being written: whatever file is there is taken.
_families = [_matrix]
for _name in ("elementwise", "comparison", "rounding", "special", "activation", "softmax", "reduction", "cumulative", "statistics",
              "sorting", "searching", "shape", "views", "joining", "indexing", "scatter", "random"):
    if importlib.util.find_spec(f"kuai.ops.{_name}"):
        try:
            _m = importlib.import_module(f"kuai.ops.{_name}")
        except Exception as _e:
            import sys, traceback
            print(f"kuai.ops.{_name} does not import:", file=sys.stderr)
            traceback.print_exc()
            continue
        if hasattr(_m, "METHODS"):
            _families.append(_m)
        for _k in dir(_m):
            if not _k.startswith("_") and callable(getattr(_m, _k)) and getattr(getattr(_m, _k), "__module__", "") == _m.__name__:
                globals().setdefault(_k, getattr(_m, _k))


class _Lookup(dict):
    def __missing__(self, key):
        def missing(*a, **k):
            raise NotImplementedError(f"{key}: not written yet")
        return missing


_methods.install_methods(_families, _Lookup(globals()))
import pathlib as _p
_here = _p.Path(__file__).parent
if (_here / "nn" / "__init__.py").exists():
    from . import nn as nn
if (_here / "optim" / "__init__.py").exists():
    from . import optim as optim


def __getattr__(name):
    if name in ("utils", "func", "amp", "backends", "accelerator", "compiler", "jit", "hub", "version", "linalg", "fft", "special"):
        return importlib.import_module(f"kuai.{name}")
    raise AttributeError(f"module 'kuai' has no attribute {name!r}")
