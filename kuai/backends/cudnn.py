"""PyTorch's switches for cuDNN (``torch.backends.cudnn``). XLA chooses algorithms by itself: they can be set and are kept.

>>> from kuai.backends import cudnn
>>> cudnn.benchmark = True
"""

from contextlib import contextmanager

from ..cuda import is_available

enabled = True
benchmark = False
deterministic = False
allow_tf32 = True


def version() -> int | None:
    """cuDNN's version, which XLA does not tell."""
    return None


@contextmanager
def flags(enabled=False, benchmark=False, benchmark_limit=10, deterministic=False, allow_tf32=True, fp32_precision="none"):
    """The switches within a block (``torch.backends.cudnn.flags``)."""
    names = ("enabled", "benchmark", "deterministic", "allow_tf32")
    before = {n: globals()[n] for n in names}
    globals().update(enabled=enabled, benchmark=benchmark, deterministic=deterministic, allow_tf32=allow_tf32)
    try:
        yield
    finally:
        globals().update(before)


__all__ = ["allow_tf32", "benchmark", "deterministic", "enabled", "flags", "is_available", "version"]
