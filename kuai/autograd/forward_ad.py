"""Forward-mode differentiation by dual tensors (``torch.autograd.forward_ad``).

A dual tensor is a new end of the graph that remembers its tangent. What is computed from it is recorded as for backward, and
`unpack_dual` reads the tangent off the graph by reverse mode twice: the product J v is the derivative of uᵀJ by u.
"""

from __future__ import annotations

from typing import NamedTuple

from ..engine.trace import current
from ..tensor import Tensor
from .graph import Node, reachable
from .modes import _Mode

_levels: list[dict[Node, tuple[Tensor, Tensor]]] = []  # of each level: the ends of the graph, their tensors and tangents

_before: list[bool] = []  # whether gradients were recorded when each level was entered


class UnpackedDualTensor(NamedTuple):
    """What `unpack_dual` gives: the value, and the tangent or None.

    >>> import kuai as torch
    >>> torch.autograd.forward_ad.unpack_dual(torch.ones(1))
    UnpackedDualTensor(primal=tensor([1.]), tangent=None)
    """

    primal: Tensor
    tangent: Tensor | None


def enter_dual_level() -> int:
    """Begin a level of dual tensors, and give its number (``torch.autograd.forward_ad.enter_dual_level``); RuntimeError within another.

    >>> from kuai.autograd import forward_ad as fw
    >>> level = fw.enter_dual_level()
    >>> level
    0
    >>> fw.exit_dual_level(level=level)
    """
    if _levels:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    _levels.append({})
    _before.append(current.grad)
    current.grad = True
    return len(_levels) - 1


def exit_dual_level(*, level: int | None = None) -> None:
    """End the level, and forget its tangents (``torch.autograd.forward_ad.exit_dual_level``).

    >>> import kuai as torch
    >>> torch.autograd.forward_ad.exit_dual_level()
    Traceback (most recent call last):
    RuntimeError: Trying to exit a forward AD level that was not the last one that was created. This is not supported.
    """
    if not _levels or level not in (None, len(_levels) - 1):
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This is not supported."
        )
    _levels.pop()
    current.grad = _before.pop()


class dual_level(_Mode):
    """A context in which dual tensors are made and unpacked (``torch.autograd.forward_ad.dual_level``).

    >>> import kuai as torch
    >>> import kuai.autograd.forward_ad as fw
    >>> with fw.dual_level():
    ...     x = fw.make_dual(torch.tensor([1., 2.]), torch.tensor([1., 0.]))
    ...     fw.unpack_dual(x * x).tangent
    tensor([2., 0.])
    """

    def __enter__(self) -> int:  # type: ignore[override]
        return enter_dual_level()

    def __exit__(self, *error: object) -> None:
        exit_dual_level()


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A tensor with the value of ``tensor`` that carries a tangent of the same shape (``torch.autograd.forward_ad.make_dual``).

    Unlike PyTorch's it requires grad inside the level, and what is computed in a `no_grad` inside the level has no tangent.

    >>> import kuai as torch
    >>> from kuai.autograd import forward_ad as fw
    >>> with fw.dual_level():
    ...     fw.unpack_dual(fw.make_dual(torch.tensor(3.), torch.tensor(1.)) ** 2).tangent
    tensor(6.)
    """
    _check_level(level)
    for name, x in (("primal", tensor), ("tangent", tangent)):
        if not (x.dtype.is_floating_point or x.dtype.is_complex):
            raise ValueError(f"Expected {name} to be floating point or complex, but got: {x.dtype}")
    if tensor.shape != tangent.shape:
        raise RuntimeError(
            f"Expected tensor and its tangent to have the same shape, but got {list(tensor.shape)} and {list(tangent.shape)}"
        )
    if not current.grad:
        raise NotImplementedError("forward mode needs the graph: leave inference_mode to make dual tensors")
    from ..func.transforms import fresh  # stands floors above; forward mode is the same there

    dual, start = fresh(tensor, forward=True)
    _levels[-1][dual._node] = start, tangent  # type: ignore[index]
    return dual


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The value of a tensor and its tangent; None if no dual tensor led to it (``torch.autograd.forward_ad.unpack_dual``).

    >>> import kuai as torch
    >>> from kuai.autograd import forward_ad as fw
    >>> with fw.dual_level():
    ...     fw.unpack_dual(fw.make_dual(torch.tensor(3.), torch.tensor(1.)).sin()).tangent
    tensor(-0.9900)
    """
    if not _levels:
        return UnpackedDualTensor(tensor, None)
    _check_level(level)
    duals = _levels[-1]
    tensor._read()
    if tensor._node in duals:
        return UnpackedDualTensor(tensor.detach(), duals[tensor._node][1])  # type: ignore[index]
    found = [duals[n] for n in reachable([tensor._node]) if n in duals] if tensor._node is not None else []
    if not found:
        return UnpackedDualTensor(tensor, None)
    from ..func.transforms import close, pushforward

    inner = [dual for dual, _ in found]
    push = pushforward([tensor], inner)
    return UnpackedDualTensor(*close((tensor, *push([tangent for _, tangent in found])), push.ends))  # type: ignore[misc]


def _check_level(level: int | None) -> None:
    if not _levels:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    if level not in (None, len(_levels) - 1):
        raise RuntimeError(f"forward AD: level {level} is not the one that is entered, {len(_levels) - 1}")
