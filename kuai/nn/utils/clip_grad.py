"""Gradients cut to a length: one instruction for the norm of all, one for the scaling of all."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from types import GeneratorType
from typing import Any

from ... import dtypes
from ...engine.program import Aval, Op
from ...ops.creation import zeros
from ...ops.define import op
from ...ops.joining import stack
from ...ops.norms import _vector_norm, vector_norm
from ...tensor import Tensor, wrap

_norm = _vector_norm.op.body


def _total_rule(op: Op, avals: Sequence, *, ord: float) -> tuple:
    d = reduce(dtypes.promote_types, [a.dtype for a in avals]).to_real()
    return Aval((), d, avals[0].device), tuple(a.dtype for a in avals)


@op(shape=_total_rule, vjp=None, name="total_norm")
def _total_norm(xp, *tensors, ord):
    """The norm of the tensors' norms."""
    norms = [_norm(xp, t, ord=ord, dim=None, keepdim=False, dtype=None) for t in tensors]
    return _norm(xp, xp.stack(norms), ord=ord, dim=None, keepdim=False, dtype=None)


def _kept_rule(op: Op, avals: Sequence) -> tuple:
    number = dtypes.float64 if any(a.dtype.to_real() is dtypes.float64 for a in avals[2:]) else dtypes.float32
    return tuple(avals[2:]), tuple(a.dtype if type(a) is Aval else number for a in avals)


@op(shape=_kept_rule, vjp=None, name="clip_by_norm", many=True)
def _clip_by_norm(xp, *arrays):
    """The tensors, scaled so that their norm, which is given, is at most the one given after it."""
    norm, most, *tensors = arrays
    scale = xp.minimum(most / (norm + 1e-6), 1)
    return tuple(t * scale for t in tensors)


@op(shape=_kept_rule, vjp=None, name="clip_by_value", many=True)
def _clip_by_value(xp, *arrays):
    low, high, *tensors = arrays
    return tuple(xp.clip(t, low, high) for t in tensors)


# ---- functions -------------------------------------------------------------------------------------------------------


def _tensors(parameters: Any) -> list:
    if isinstance(parameters, Tensor):
        return [parameters]
    found = list(parameters)
    if isinstance(parameters, GeneratorType) and not found:
        warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=3)
    return found


def _gradients(parameters: Iterable) -> list[Any]:
    return [p.grad for p in parameters if p.grad is not None]


def _by_device(tensors: Iterable[Any]) -> dict[Any, list[Any]]:
    groups: dict = {}
    for t in tensors:
        groups.setdefault(t.device, []).append(t)
    return groups


def get_total_norm(tensors: Any, norm_type: float = 2.0, error_if_nonfinite: bool = False,
                   foreach: bool | None = None) -> Tensor:  # fmt: skip
    """The norm of all elements of all tensors together (``torch.nn.utils.get_total_norm``).

    >>> import kuai as torch
    >>> torch.nn.utils.get_total_norm([torch.tensor([3.]), torch.tensor([4.])])
    tensor(5.)
    """
    norm_type = float(norm_type)
    groups = _by_device(_tensors(tensors))
    if not groups:
        return zeros(())
    norms: list[Any] = [_total_norm(*map(_plain, group), ord=norm_type) for group in groups.values()]
    total: Any = norms[0] if len(norms) == 1 else vector_norm(stack([n.to(norms[0].device) for n in norms]), norm_type)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be clipped. To "
            "disable this error and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return total


def _plain(t: Tensor) -> Tensor:
    """The tensor outside the graph: clipping has no derivative."""
    return t if t._node is None else wrap(t._read())


def _rewrite(clip: Callable, tensors: list[Any], first: Any, second: Any) -> None:
    for device, group in _by_device(tensors).items():
        given = [x.to(device) if isinstance(x, Tensor) else x for x in (first, second)]
        for t, new in zip(group, clip(*given, *map(_plain, group))):
            t._write(new, tracked=False)


def clip_grads_with_norm_(parameters: Any, max_norm: float, total_norm: Tensor, foreach: bool | None = None) -> None:
    """Scale the gradients, whose norm together is given, so that it is at most ``max_norm``.

    >>> import kuai as torch
    >>> w = torch.nn.Parameter(torch.ones(1)); (3 * w).sum().backward()
    >>> torch.nn.utils.clip_grads_with_norm_([w], 1., torch.tensor(3.)); w.grad
    tensor([1.0000])
    """
    max_norm = max_norm if isinstance(max_norm, Tensor) else float(max_norm)
    _rewrite(_clip_by_norm, _gradients(_tensors(parameters)), _plain(total_norm), max_norm)


def clip_grad_norm_(parameters: Any, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False,
                    foreach: bool | None = None) -> Tensor:  # fmt: skip
    """Scale the gradients so that their norm together is at most ``max_norm``; gives the norm before that.

    >>> import kuai as torch
    >>> w = torch.nn.Parameter(torch.tensor([3., 4.]))
    >>> (w * w).sum().backward()
    >>> torch.nn.utils.clip_grad_norm_([w], max_norm=5.)
    tensor(10.)
    >>> w.grad
    tensor([3.0000, 4.0000])
    """
    parameters = _tensors(parameters)
    total = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parameters, max_norm, total, foreach)
    return total


def clip_grad_norm(*args: Any, **kwargs: Any) -> Tensor:
    """The old name of `clip_grad_norm_`.

    >>> import kuai as torch
    >>> import warnings; warnings.simplefilter("ignore")
    >>> w = torch.ones(2, requires_grad=True); (w * 3).sum().backward()
    >>> norm = torch.nn.utils.clip_grad_norm(w, 1.0)
    """
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of `torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(*args, **kwargs)


def clip_grad_value_(parameters: Any, clip_value: float, foreach: bool | None = None) -> None:
    """Cut each element of the gradients to [-clip_value, clip_value] (``torch.nn.utils.clip_grad_value_``).

    >>> import kuai as torch
    >>> w = torch.nn.Parameter(torch.tensor([3., 4.]))
    >>> (w * w).sum().backward()
    >>> torch.nn.utils.clip_grad_value_([w], 1.); w.grad
    tensor([1., 1.])
    """
    most = float(clip_value)
    _rewrite(_clip_by_value, _gradients(_tensors(parameters)), -most, most)
