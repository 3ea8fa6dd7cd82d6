"""Within `autocast`, products run in a half type and what is delicate in float32. `ops.casting` has the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps

from .. import dtypes
from ..dtypes import dtype
from ..engine.program import Op
from ..engine.trace import current
from ..ops.conversion import to_dtype
from ..tensor import Tensor

_defaults = {"cpu": dtypes.bfloat16, "cuda": dtypes.float16}


class Casts:
    """What a thread's autocasting does now: for each type of device, the half type, if it is on."""

    def __init__(self, on: dict[str, dtype]):
        self.on = on

    def cast(self, op: Op, operands: Sequence) -> Sequence:
        """An op's operands in the dtypes that the table says."""
        found = next((x for x in operands if isinstance(x, Tensor)), None)
        kind = "cpu" if found is None else found.device.type
        low, policy = self.on.get(kind), (op.autocast or {}).get(kind)
        if found is None or low is None or policy is None:
            return operands
        if policy == "low":
            return [_to(x, low) for x in operands]
        if policy == "widest" and not any(_is(x, dtypes.float32) for x in operands):
            return operands
        return [_to(x, dtypes.float32) for x in operands]


def _is(x: object, d: dtype) -> bool:
    return isinstance(x, Tensor) and x.dtype is d


def _to(x: object, d: dtype) -> object:
    if isinstance(x, Tensor) and x.dtype.is_floating_point and x.dtype is not dtypes.float64:
        return to_dtype(x, d)
    return x


class autocast:
    """Choose precisions op by op within a block or a function (``torch.amp.autocast``).

    Matrix products and convolutions run in ``dtype`` (bfloat16 on the CPU, float16 on GPUs if nothing is said); losses,
    softmax, norms and sums in float32.

    >>> import kuai as torch
    >>> with torch.autocast("cpu"):
    ...     print((torch.ones(2, 2) @ torch.ones(2, 2)).dtype)
    torch.bfloat16
    """

    def __init__(self, device_type: str, dtype: dtype | None = None, enabled: bool = True, cache_enabled: bool | None = None):
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        if device_type not in _defaults:
            raise RuntimeError(f"User specified an unsupported autocast device_type '{device_type}'")
        self.device, self.fast_dtype = device_type, dtype or _defaults[device_type]
        self.cache_enabled = True if cache_enabled is None else cache_enabled
        self._enabled = enabled
        if enabled and self.fast_dtype not in (dtypes.bfloat16, dtypes.float16):
            import warnings

            warnings.warn(f"In {device_type} autocast, but the target dtype {dtype} is not supported. Disabling autocast.",
                          stacklevel=2)  # fmt: skip
            self._enabled = False

    def __enter__(self) -> autocast:
        self._before = current.autocast
        on = dict(current.autocast.on) if current.autocast else {}
        on.pop(self.device, None)
        if self._enabled:
            on[self.device] = self.fast_dtype
        current.autocast = Casts(on) if on else None
        return self

    def __exit__(self, *error: object) -> None:
        current.autocast = self._before

    def __call__(self, function: Callable) -> Callable:
        @wraps(function)
        def call(*args: object, **kwargs: object) -> object:
            with autocast(self.device, self.fast_dtype, self._enabled):
                return function(*args, **kwargs)

        return call


def is_autocast_available(device_type: str) -> bool:
    """Whether autocast knows a type of device (``torch.amp.is_autocast_available``).

    >>> import kuai as torch
    >>> torch.amp.is_autocast_available("cpu")
    True
    """
    return device_type in _defaults


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether autocast is on here (``torch.is_autocast_enabled``).

    >>> import kuai as torch
    >>> torch.is_autocast_enabled("cpu")
    False
    """
    return current.autocast is not None and device_type in current.autocast.on


def is_autocast_cpu_enabled() -> bool:
    """Whether autocast is on for the CPU (``torch.is_autocast_cpu_enabled``).

    >>> import kuai as torch
    >>> torch.is_autocast_cpu_enabled()
    False
    """
    return is_autocast_enabled("cpu")


def get_autocast_dtype(device_type: str) -> dtype:
    """The half type that autocast takes on a type of device (``torch.get_autocast_dtype``).

    >>> import kuai as torch
    >>> torch.get_autocast_dtype("cpu")
    torch.bfloat16
    """
    on = current.autocast.on if current.autocast else {}
    return on.get(device_type, _defaults[device_type])


def get_autocast_gpu_dtype() -> dtype:
    """The half type that autocast takes on GPUs (``torch.get_autocast_gpu_dtype``).

    >>> import kuai as torch
    >>> torch.get_autocast_gpu_dtype()
    torch.float16
    """
    return get_autocast_dtype("cuda")


def get_autocast_cpu_dtype() -> dtype:
    """The half type that autocast takes on the CPU (``torch.get_autocast_cpu_dtype``).

    >>> import kuai as torch
    >>> torch.get_autocast_cpu_dtype()
    torch.bfloat16
    """
    return get_autocast_dtype("cpu")


def set_autocast_enabled(device_type: str, enabled: bool) -> None:
    """Switch autocast for this thread (``torch.set_autocast_enabled``).

    >>> import kuai as torch
    >>> torch.set_autocast_enabled("cpu", False)
    """
    autocast(device_type, enabled=enabled).__enter__()


def set_autocast_dtype(device_type: str, dtype: dtype) -> None:
    """Choose the half type that autocast takes (``torch.set_autocast_dtype``).

    >>> import kuai as torch
    >>> torch.set_autocast_dtype("cpu", torch.bfloat16)
    """
    _defaults[device_type] = dtype
    if is_autocast_enabled(device_type):
        current.autocast = Casts(current.autocast.on | {device_type: dtype})


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """`set_autocast_enabled` for the CPU (``torch.set_autocast_cpu_enabled``)."""
    set_autocast_enabled("cpu", enabled)


def set_autocast_cpu_dtype(dtype: dtype) -> None:
    """`set_autocast_dtype` for the CPU (``torch.set_autocast_cpu_dtype``)."""
    set_autocast_dtype("cpu", dtype)


def set_autocast_gpu_dtype(dtype: dtype) -> None:
    """`set_autocast_dtype` for GPUs (``torch.set_autocast_gpu_dtype``)."""
    set_autocast_dtype("cuda", dtype)


_cache = {"enabled": True, "nesting": 0}


def is_autocast_cache_enabled() -> bool:
    """What `set_autocast_cache_enabled` said, which is True at first (``torch.is_autocast_cache_enabled``).

    >>> import kuai as torch
    >>> torch.is_autocast_cache_enabled()
    True
    """
    return bool(_cache["enabled"])


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Accepted: a conversion that is asked for twice is recorded twice (``torch.set_autocast_cache_enabled``)."""
    _cache["enabled"] = enabled


def clear_autocast_cache() -> None:
    """Nothing is kept, so nothing is to be cleared (``torch.clear_autocast_cache``)."""


def autocast_increment_nesting() -> int:
    """Count one more block of autocast (``torch.autocast_increment_nesting``)."""
    _cache["nesting"] += 1
    return _cache["nesting"]


def autocast_decrement_nesting() -> int:
    """Count one block less (``torch.autocast_decrement_nesting``)."""
    _cache["nesting"] -= 1
    return _cache["nesting"]


def custom_fwd(fwd: Callable | None = None, *, device_type: str = "cuda", cast_inputs: dtype | None = None) -> Callable:
    """For ``forward`` of an autograd.Function: with ``cast_inputs``, run outside autocast on inputs so converted.

    >>> import kuai as torch
    >>> forward = torch.amp.custom_fwd(lambda ctx, x: x, device_type="cpu")
    """
    if fwd is None:
        return lambda f: custom_fwd(f, device_type=device_type, cast_inputs=cast_inputs)

    @wraps(fwd)
    def call(ctx: object, *args: object, **kwargs: object) -> object:
        on = is_autocast_enabled(device_type)
        ctx._autocast = (on and cast_inputs is None, get_autocast_dtype(device_type))  # type: ignore[attr-defined]
        if cast_inputs is None or not on:
            return fwd(ctx, *args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(ctx, *[_to(x, cast_inputs) for x in args], **{k: _to(x, cast_inputs) for k, x in kwargs.items()})

    return call


def custom_bwd(bwd: Callable | None = None, *, device_type: str = "cuda") -> Callable:
    """For ``backward`` of an autograd.Function: run it in the autocast state of its forward.

    >>> import kuai as torch
    >>> backward = torch.amp.custom_bwd(lambda ctx, g: g, device_type="cpu")
    """
    if bwd is None:
        return lambda f: custom_bwd(f, device_type=device_type)

    @wraps(bwd)
    def call(ctx: object, *args: object) -> object:
        enabled, low = ctx._autocast  # type: ignore[attr-defined]
        with autocast(device_type, low, enabled):
            return bwd(ctx, *args)

    return call
