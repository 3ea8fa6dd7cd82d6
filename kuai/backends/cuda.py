"""Products on NVIDIA GPUs (``torch.backends.cuda``).

>>> import kuai as torch
>>> torch.backends.cuda.math_sdp_enabled()
True
"""

from .. import config
from ..cuda import is_available


def is_built() -> bool:
    """Whether GPUs can be used (``torch.backends.cuda.is_built``)."""
    return is_available()


class _Matmul:
    """``matmul.allow_tf32``: whether float32 products may be computed in TF32."""

    @property
    def allow_tf32(self) -> bool:
        return config.matmul_precision != "highest"

    @allow_tf32.setter
    def allow_tf32(self, allow: bool) -> None:
        config.set_float32_matmul_precision("high" if allow else "highest")


matmul = _Matmul()


# ---- attention -------------------------------------------------------------------------------------------------------

# Which kernels PyTorch may choose from. Attention is computed in one way here, whatever is chosen.
_SDP = dict.fromkeys(("cudnn", "flash", "mem_efficient", "math", "overrideable"), True)


def flash_sdp_enabled() -> bool:
    """Whether the flash kernel may be chosen (``torch.backends.cuda.flash_sdp_enabled``)."""
    return _SDP["flash"]


def mem_efficient_sdp_enabled() -> bool:
    """Whether the memory-efficient kernel may be chosen (``torch.backends.cuda.mem_efficient_sdp_enabled``)."""
    return _SDP["mem_efficient"]


def math_sdp_enabled() -> bool:
    """Whether plain products may be chosen (``torch.backends.cuda.math_sdp_enabled``)."""
    return _SDP["math"]


def cudnn_sdp_enabled() -> bool:
    """Whether cuDNN's kernel may be chosen (``torch.backends.cuda.cudnn_sdp_enabled``)."""
    return _SDP["cudnn"]


def enable_flash_sdp(enabled: bool) -> None:
    """Let the flash kernel be chosen, or not: noted only (``torch.backends.cuda.enable_flash_sdp``)."""
    _SDP["flash"] = bool(enabled)


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Let the memory-efficient kernel be chosen, or not: noted only (``torch.backends.cuda.enable_mem_efficient_sdp``)."""
    _SDP["mem_efficient"] = bool(enabled)


def enable_math_sdp(enabled: bool) -> None:
    """Let plain products be chosen, or not: noted only (``torch.backends.cuda.enable_math_sdp``)."""
    _SDP["math"] = bool(enabled)


def enable_cudnn_sdp(enabled: bool) -> None:
    """Let cuDNN's kernel be chosen, or not: noted only (``torch.backends.cuda.enable_cudnn_sdp``)."""
    _SDP["cudnn"] = bool(enabled)


def is_flash_attention_available() -> bool:
    """False: no such kernel is used (``torch.backends.cuda.is_flash_attention_available``)."""
    return False
