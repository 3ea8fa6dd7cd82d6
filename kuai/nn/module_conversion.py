"""The part of a module that changes dtypes and devices: of its parameters, their gradients and its buffers, in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .. import __future__ as future
from ..autograd.modes import no_grad
from ..dtypes import as_dtype
from ..ops.conversion import _target
from ..ops.likes import empty_like
from . import unregistered
from .parameter import Parameter, is_lazy

M = TypeVar("M", bound="Converted")


def _replace_data(tensor: Any, fn: Callable[[Any], Any]) -> None:
    new = fn(tensor)
    if new is not tensor:
        tensor.data = new


def _replacement(param: Any, fn: Callable[[Any], Any]) -> Any:
    """A new parameter in place of one that is to stay as it is."""
    new: Any = Parameter(fn(param), param.requires_grad)
    if param._grad is not None:
        new.grad = fn(param._grad).requires_grad_(param._grad.requires_grad)
    return new


class Converted:
    """What a module has of changing dtypes and devices."""

    def _apply(self: Any, fn: Callable[[Any], Any], recurse: bool = True) -> Any:
        """Replace what the parameters, their gradients and the buffers hold. The parameters stay the same objects, unless
        `torch.__future__` says otherwise.
        """
        overwrites = future.get_overwrite_module_params_on_conversion() and not future.get_swap_module_params_on_conversion()
        unregistered.check(self)
        if recurse:
            for module in self.children():
                module._apply(fn)
        with no_grad():
            for name, param in self._parameters.items():
                if param is not None and overwrites and not is_lazy(param):
                    self._parameters[name] = _replacement(param, fn)
                elif param is not None:
                    _replace_data(param, fn)
                    if param._grad is not None:
                        _replace_data(param._grad, fn)
            for name, buffer in self._buffers.items():
                if buffer is not None:
                    self._buffers[name] = fn(buffer)
        return self

    def to(self: M, *args: Any, device: object = None, dtype: object = None, non_blocking: bool = False, tensor: Any = None,
           memory_format: object = None) -> M:  # fmt: skip
        """Move to a device, or to a floating-point dtype, in place: ``to(device)``, ``to(dtype)``, ``to(tensor)``.

        >>> import kuai as torch
        >>> m = torch.nn.Module(); m.weight = torch.nn.Parameter(torch.ones(1))
        >>> m.to(torch.float64).weight.dtype
        torch.float64
        """
        device, dtype, _ = _target(args, device, dtype, False, tensor)
        wanted = None if dtype is None else as_dtype(dtype)
        if wanted is not None and wanted.category < 2:
            raise TypeError(f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={wanted}")
        return self._apply(lambda t: t.to(device=device, dtype=wanted if t.dtype.category > 1 else None))

    def to_empty(self: M, *, device: object, recurse: bool = True) -> M:
        """Move to a device without the values: their content there is not specified.

        >>> import kuai as torch
        >>> torch.nn.Linear(1, 1, device="meta").to_empty(device="cpu").weight.device
        device(type='cpu')
        """
        return self._apply(lambda t: empty_like(t, device=device), recurse=recurse)

    def cpu(self: M) -> M:
        """Move to the host's memory.

        >>> import kuai as torch
        >>> torch.nn.Linear(1, 1).cpu().weight.device
        device(type='cpu')
        """
        return self._apply(lambda t: t.cpu())

    def cuda(self: M, device: object = None) -> M:
        """Move to an NVIDIA GPU.

        >>> import kuai as torch
        >>> layer = torch.nn.Linear(1, 1)
        >>> moved = layer.cuda() if torch.cuda.is_available() else layer
        """
        return self._apply(lambda t: t.cuda(device))

    def type(self: M, dst_type: object) -> M:
        """Convert all parameters and buffers to a dtype.

        >>> import kuai as torch
        >>> torch.nn.Linear(1, 1).type(torch.float64).bias.dtype
        torch.float64
        """
        return self._apply(lambda t: t.type(dst_type))

    def float(self: M) -> M:
        """Convert what is floating-point to float32.

        >>> import kuai as torch
        >>> torch.nn.Linear(1, 1).double().float().weight.dtype
        torch.float32
        """
        return self._apply(lambda t: t.float() if t.is_floating_point() else t)

    def double(self: M) -> M:
        """Convert what is floating-point to float64.

        >>> import kuai as torch
        >>> torch.nn.Linear(1, 1).double().weight.dtype
        torch.float64
        """
        return self._apply(lambda t: t.double() if t.is_floating_point() else t)

    def half(self: M) -> M:
        """Convert what is floating-point to float16.

        >>> import kuai as torch
        >>> torch.nn.Linear(1, 1).half().weight.dtype
        torch.float16
        """
        return self._apply(lambda t: t.half() if t.is_floating_point() else t)

    def bfloat16(self: M) -> M:
        """Convert what is floating-point to bfloat16.

        >>> import kuai as torch
        >>> torch.nn.Linear(1, 1).bfloat16().weight.dtype
        torch.bfloat16
        """
        return self._apply(lambda t: t.bfloat16() if t.is_floating_point() else t)

    def share_memory(self: M) -> M:
        """Let other processes see the parameters.

        >>> import kuai as torch
        >>> layer = torch.nn.Linear(2, 1).share_memory()
        """
        return self._apply(lambda t: t.share_memory_())
