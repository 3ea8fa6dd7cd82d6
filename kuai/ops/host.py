"""What NumPy computes when it is called: results that no recorded op gives. Under `vmap`, for each sample."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..engine import batch
from ..engine.trace import current
from ..tensor import Tensor, wrap

IN_ERROR_MODE = (
    "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' randomness "
    "flags on vmap or perform the randomness operation out of vmap"
)


def on_host(function: Callable[..., tuple], *tensors: Tensor) -> tuple[Tensor, ...]:
    """Tensors, on the device of the first, of the arrays that a function makes of the tensors' elements."""
    return tuple(map(wrap, batch.on_host(function, *[t._read() for t in tensors])))


def drawn(function: Callable[..., np.ndarray], *tensors: Tensor) -> Tensor:
    """The same for a function that draws by the elements' values."""
    check_draws(*tensors)
    (made,) = batch.on_host(lambda *arrays: (function(*arrays),), *[t._read() for t in tensors], each=True)
    return wrap(made)


def check_draws(*tensors: Tensor) -> None:
    """Refuse to draw where `vmap` does not say how, or to draw the same by what differs from sample to sample."""
    if not current.draws:
        raise RuntimeError(IN_ERROR_MODE)
    trace = current.trace
    if not isinstance(trace, batch.BatchTrace):
        return
    if trace.level.randomness == "error":
        raise RuntimeError(IN_ERROR_MODE)
    if trace.level.randomness == "same" and any(map(differs, tensors)):
        raise RuntimeError("vmap: randomness='same' cannot draw by the values of a tensor that is mapped over; use 'different'")


def differs(x: Tensor) -> bool:
    """Whether a tensor is, under `vmap`, another one for each sample."""
    trace = current.trace
    return isinstance(trace, batch.BatchTrace) and trace.is_mapped(x._read())


def drawn_in_order(function: Callable[[], Tensor], batched: Callable[[int], Tensor]) -> Tensor | None:
    """Draws under `vmap` that hang on no tensor: one for all samples, or those of a whole batch; None outside of it."""
    check_draws()
    trace = current.trace
    if not isinstance(trace, batch.BatchTrace):
        return None
    with batch.outside(trace):
        if trace.level.randomness == "same":
            return function()
        made = batched(trace.level.size)
    return wrap(batch.lift(made._read(), trace.level))
