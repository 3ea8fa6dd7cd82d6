"""What programs name of PyTorch's C++ module (``torch._C``)."""

from __future__ import annotations

from enum import IntEnum
from importlib import import_module
from types import TracebackType

from .devices import device
from .engine.trace import current
from .ops.operators import excluded, key_name
from .subclasses import Quiet
from .subclasses import disabled as _disabled_torch_function_impl  # noqa: F401 (what programs set as their __torch_function__)
from .tensor import Tensor

_TensorMeta = type(Tensor)


class DisableTorchFunctionSubclass(Quiet):
    """A block in which subclasses' ``__torch_function__`` is not asked, but modes are.

    >>> from kuai._C import DisableTorchFunctionSubclass
    >>> with DisableTorchFunctionSubclass():
    ...     pass
    """

    def __init__(self) -> None:
        super().__init__("subclasses")


class DisableTorchFunction(Quiet):
    """A block in which neither subclasses nor modes are asked."""


DispatchKey = IntEnum(
    "DispatchKey",
    "CPU CUDA Meta CompositeExplicitAutograd CompositeImplicitAutograd Autograd AutogradCPU AutogradCUDA "
    "AutocastCPU AutocastCUDA AutocastXPU AutocastMPS",
)


class DispatchKeySet:
    """A set of dispatch keys.

    >>> from kuai._C import DispatchKey, DispatchKeySet
    >>> (DispatchKeySet(DispatchKey.CPU) | DispatchKeySet(DispatchKey.CUDA)).has(DispatchKey.CUDA)
    True
    """

    def __init__(self, key: object, *more: object):
        self.keys = frozenset(map(key_name, (key, *more)))

    def _of(self, keys: frozenset[str]) -> DispatchKeySet:
        made = object.__new__(DispatchKeySet)
        made.keys = keys
        return made

    def __or__(self, other: DispatchKeySet) -> DispatchKeySet:
        return self._of(self.keys | other.keys)

    def __and__(self, other: DispatchKeySet) -> DispatchKeySet:
        return self._of(self.keys & other.keys)

    def __sub__(self, other: DispatchKeySet) -> DispatchKeySet:
        return self._of(self.keys - other.keys)

    def has(self, key: object) -> bool:
        """Whether a key is in the set."""
        return key_name(key) in self.keys


class _ExcludeDispatchKeyGuard:
    """A block in which operators pass over their kernels for some keys."""

    def __init__(self, keys: DispatchKeySet):
        self._keys = keys.keys

    def __enter__(self) -> None:
        self._before = excluded.keys
        excluded.keys = excluded.keys | self._keys

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        excluded.keys = self._before


def _get_tracing_state() -> None:
    """None: nothing is ever traced."""


def _log_api_usage_once(name: str) -> None:
    """Accepted: nothing is logged about what programs use."""


def _get_privateuse1_backend_name() -> str:
    """The name that PyTorch keeps for devices of others."""
    return "privateuseone"


def _are_functorch_transforms_active() -> bool:
    """Whether a function is being transformed by torch.func, so that tensors' values may not be asked for."""
    return current.transforms > 0


def _get_accelerator() -> device:
    """The accelerator's device, or the CPU."""
    from .accelerator import current_accelerator

    return current_accelerator() or device("cpu")


_SHARED = frozenset(
    "AcceleratorError Generator OutOfMemoryError Size StorageBase default_generator device dtype finfo iinfo layout memory_format "
    "get_autocast_cpu_dtype get_autocast_dtype get_autocast_gpu_dtype get_default_dtype get_num_interop_threads get_num_threads "
    "is_anomaly_check_nan_enabled is_anomaly_enabled is_autocast_cpu_enabled is_autocast_enabled is_grad_enabled "
    "is_inference_mode_enabled set_anomaly_enabled set_autocast_dtype set_autocast_enabled set_flush_denormal "
    "set_num_interop_threads set_num_threads".split()
)


def __getattr__(name: str) -> object:
    """What PyTorch writes in C++ and has in ``torch`` too."""
    import kuai

    if name in _SHARED:
        return getattr(kuai, name)
    if name == "_nn":
        return import_module("kuai._nn")
    if name in ("TensorBase", "_TensorBase"):
        return kuai.Tensor
    raise AttributeError(f"torch._C has no attribute {name!r} in kuai, which has no C++: use what torch has in public")
