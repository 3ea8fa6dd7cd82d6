"""How attention is computed (``torch.nn.attention``). It is computed in one way here, so that a choice is noted, and changes nothing.

>>> import kuai as torch
>>> from kuai.nn.attention import SDPBackend, sdpa_kernel
>>> q = torch.ones(1, 2, 3, 4)
>>> with sdpa_kernel(SDPBackend.MATH):
...     torch.nn.functional.scaled_dot_product_attention(q, q, q).shape
torch.Size([1, 2, 3, 4])
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from importlib import import_module

from ...backends.cuda import _SDP
from ...wont import Absent

WARN_FOR_UNFUSED_KERNELS = False


class SDPBackend(IntEnum):
    """The ways in which PyTorch computes attention (``torch.nn.attention.SDPBackend``).

    >>> from kuai.nn.attention import SDPBackend
    >>> SDPBackend.FLASH_ATTENTION.value
    1
    """

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


_NAMES = {
    "cudnn": SDPBackend.CUDNN_ATTENTION, "flash": SDPBackend.FLASH_ATTENTION, "mem_efficient": SDPBackend.EFFICIENT_ATTENTION,
    "math": SDPBackend.MATH, "overrideable": SDPBackend.OVERRIDEABLE,
}  # fmt: skip


@contextmanager
def sdpa_kernel(backends: list[SDPBackend] | SDPBackend, set_priority: bool = False) -> Iterator[dict]:
    """Note which ways of attention may be chosen within a block (``torch.nn.attention.sdpa_kernel``).

    >>> import kuai as torch
    >>> with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
    ...     torch.backends.cuda.math_sdp_enabled(), torch.backends.cuda.flash_sdp_enabled()
    (True, False)
    """
    if not isinstance(backends, (list, SDPBackend)):
        raise AssertionError(
            f"Backend must be an instance of SDPBackend or a list of SDPBackend instances, got {type(backends).__name__}"
        )
    chosen = [backends] if isinstance(backends, SDPBackend) else backends
    before = dict(_SDP)
    _SDP.update({name: backend in chosen for name, backend in _NAMES.items()})
    try:
        yield {}
    finally:
        _SDP.update(before)


def list_flash_attention_impls() -> list[str]:
    """None: no such kernel can be put in (``torch.nn.attention.list_flash_attention_impls``).

    >>> import kuai as torch
    >>> torch.nn.attention.list_flash_attention_impls()
    []
    """
    return []


def current_flash_attention_impl() -> str | None:
    """None: none is in use (``torch.nn.attention.current_flash_attention_impl``).

    >>> import kuai as torch
    >>> torch.nn.attention.current_flash_attention_impl()
    """
    return None


def __getattr__(name: str) -> object:
    """Masks, and attention with a score of one's own, are imported when they are asked for."""
    if name in ("bias", "flex_attention"):
        return import_module(f"{__name__}.{name}")
    raise Absent(__name__, name)
