"""Products on NVIDIA GPUs (``torch.backends.cuda``)."""

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
