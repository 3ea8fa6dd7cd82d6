"""How NumPy runs the commonest ops on whole batches, for `vmap`; others it runs sample by sample, and XLA maps all by itself.

A rule makes of an op's body one of batches: ``rule(body, one_by_one, mapped)`` gives ``run(xp, *arrays, **static)``, of whose arrays
the mapped ones have the batch in front. Where a rule does not apply it runs sample by sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from ..engine import batch
from . import class_losses
from .slicing import whole

Body = Callable[..., Any]
Rule = Callable[[Body, Body, tuple[bool, ...]], Body]


def _size(arrays: Sequence, mapped: Sequence[bool]) -> int:
    return next(len(a) for a, m in zip(arrays, mapped) if m)


def _all_mapped(arrays: Sequence, mapped: Sequence[bool]) -> list:
    """Arrays that all have the batch in front; numbers, and what is absent, stay."""
    n = _size(arrays, mapped)
    shared = [isinstance(a, (np.ndarray, np.generic)) and not m for a, m in zip(arrays, mapped)]
    return [np.broadcast_to(a, (n, *np.shape(a))) if s else a for a, s in zip(arrays, shared)]


def pointwise(body: Body, one_by_one: Body, mapped: tuple[bool, ...]) -> Body:
    """Ops on elements, which broadcast."""
    return batch.broadcasting(body, (mapped,))


def trailing(body: Body, one_by_one: Body, mapped: tuple[bool, ...]) -> Body:
    """Ops on the last dimensions of their first array, with any others before them."""
    return body if mapped[0] and not any(mapped[1:]) else one_by_one


def _moved(dim: object, rank: int) -> object:
    """Dimensions of a sample as those of a batch; all of them for None."""
    if dim is None:
        return tuple(range(1, rank + 1))
    return dim % rank + 1 if isinstance(dim, int) else tuple(d % rank + 1 for d in dim)  # type: ignore[attr-defined]


def along(*names: str, extra: int = 0, odd: object = ()) -> Rule:
    """Ops along dimensions, which are in the static arguments of these names; ``extra`` dimensions are added by the op.

    For ``odd`` in the place of dimensions the op does something of its own.
    """

    def rule(body: Body, one_by_one: Body, mapped: tuple[bool, ...]) -> Body:
        @wraps(body)
        def run(xp: Any, *arrays: Any, **static: Any) -> object:
            given = _all_mapped(arrays, mapped)
            ranks = {a.ndim for a in given if getattr(a, "ndim", 0)}
            rank = max(ranks) - 1 + extra
            if not rank or any(static[n] == odd for n in names) or len(ranks) > 1 and "keepdim" not in static:
                return one_by_one(xp, *arrays, **static)
            return body(xp, *given, **{**static, **{n: _moved(static[n], rank) for n in names}})

        return run

    return rule


def shaped(body: Body, one_by_one: Body, mapped: tuple[bool, ...]) -> Body:
    """Ops that give the elements another shape."""

    @wraps(body)
    def run(xp: Any, x: Any, *, shape: tuple[int, ...], **static: Any) -> object:
        if not len(x):
            return one_by_one(xp, x, shape=shape, **static)
        return body(xp, x, shape=(len(x), *shape), **static)

    return run


def _with_front(x: Any, rank: int) -> Any:
    """A batch whose samples have dimensions of length 1 in front, up to so many."""
    return x.reshape(len(x), *[1] * (rank + 1 - x.ndim), *x.shape[1:])


def _expand(body: Body, one_by_one: Body, mapped: tuple[bool, ...]) -> Body:
    return wraps(body)(lambda xp, x, *, shape: body(xp, _with_front(x, len(shape)), shape=(len(x), *shape)))


def _spread(body: Body, one_by_one: Body, mapped: tuple[bool, ...]) -> Body:
    @wraps(body)
    def run(xp: Any, g: Any, *, shape: tuple[int, ...], dim: object, keepdim: bool, divisor: int) -> object:
        if dim is None or keepdim or not shape:
            return body(xp, _with_front(g, len(shape)), shape=(len(g), *shape), dim=None, keepdim=True, divisor=divisor)
        return body(xp, g, shape=(len(g), *shape), dim=_moved(dim, len(shape)), keepdim=False, divisor=divisor)

    return run


def _sum_to(body: Body, one_by_one: Body, mapped: tuple[bool, ...]) -> Body:
    @wraps(body)
    def run(xp: Any, x: Any, *, shape: tuple[int, ...]) -> object:
        lead = x.ndim - 1 - len(shape)
        dims = tuple(i for i, n in enumerate(x.shape) if i and (i <= lead or n != shape[i - 1 - lead]))
        return x.sum(axis=dims).reshape(len(x), *shape) if dims else x

    return run


def _permute(body: Body, one_by_one: Body, mapped: tuple[bool, ...]) -> Body:
    return wraps(body)(lambda xp, x, *, dims: body(xp, x, dims=(0, *(d % (x.ndim - 1) + 1 for d in dims))))


def _turned(body: Body, one_by_one: Body, mapped: tuple[bool, ...]) -> Body:
    return wraps(body)(lambda xp, x: x.swapaxes(1, 2) if x.ndim == 3 else x)


def _sliced(body: Body, one_by_one: Body, mapped: tuple[bool, ...]) -> Body:
    """Basic indexing at places that all samples share."""
    if mapped[-1]:
        return one_by_one

    @wraps(body)
    def run(xp: Any, *arrays: Any, spec: tuple, **static: Any) -> object:
        n = _size(arrays, mapped)
        if "shape" in static:
            static["shape"] = (n, *static["shape"])
        return body(xp, *arrays, spec=(whole(n), *spec), **static)

    return run


def _merged(count: int) -> Rule:
    """Ops that treat each element of the first dimension of their first so many arrays by itself: the batch joins that."""

    def rule(body: Body, one_by_one: Body, mapped: tuple[bool, ...]) -> Body:
        if any(mapped[count:]) or not any(mapped):
            return one_by_one

        @wraps(body)
        def run(xp: Any, *arrays: Any, **static: Any) -> object:
            n = _size(arrays, mapped)
            joined = [a.reshape(n * a.shape[1], *a.shape[2:]) for a in _all_mapped(arrays[:count], mapped)]
            made = body(xp, *joined, *arrays[count:], **static)
            parts = [m.reshape(n, len(m) // n if n else 0, *m.shape[1:]) for m in (made if isinstance(made, tuple) else (made,))]
            return tuple(parts) if isinstance(made, tuple) else parts[0]

        return run

    return rule


# ---- products --------------------------------------------------------------------------------------------------------


def _matmul(body: Body, one_by_one: Body, mapped: tuple[bool, ...]) -> Body:
    @wraps(body)
    def run(xp: Any, x: Any, y: Any, **static: Any) -> object:
        rank = max(a.ndim - m for a, m in zip((x, y), mapped))
        x, y = (_with_front(a, rank) if m else a for a, m in zip((x, y), mapped))
        return body(xp, x, y, **static)

    return run


def _rows(x: Any) -> Any:
    """A batch of matrices: all of a sample's dimensions but the last are one."""
    return x.reshape(len(x), -1 if x.size else int(np.prod(x.shape[1:-1])), x.shape[-1])


def _applied(transposed: bool) -> Rule:
    """The last dimension times a matrix."""

    def rule(body: Body, one_by_one: Body, mapped: tuple[bool, ...]) -> Body:
        if mapped[0] and not any(mapped[1:]):
            return body

        @wraps(body)
        def run(xp: Any, *arrays: Any) -> object:
            x, w, *bias = _all_mapped(arrays, mapped)
            made = np.matmul(_rows(x), w.swapaxes(1, 2) if transposed else w)
            if bias and bias[0] is not None:
                made = made + bias[0].reshape(len(made), 1, -1)
            return made.reshape(*x.shape[:-1], made.shape[-1])

        return run

    return rule


def _correlate(body: Body, one_by_one: Body, mapped: tuple[bool, ...]) -> Body:
    @wraps(body)
    def run(xp: Any, *arrays: Any) -> object:
        x, y = map(_rows, _all_mapped(arrays, mapped))
        return x.swapaxes(1, 2) * y if x.shape[1] == 1 else np.matmul(x.swapaxes(1, 2), y)

    return run


def _dot(body: Body, one_by_one: Body, mapped: tuple[bool, ...]) -> Body:
    return wraps(body)(lambda xp, x, y: np.matmul(x[..., None, :], y[..., None])[..., 0, 0])


# ---- convolutions: samples with weights of their own are groups ------------------------------------------------------


def _side_by_side(x: Any) -> Any:
    """(B, N, C, …) as (N, B·C, …)."""
    return np.moveaxis(x, 0, 1).reshape(x.shape[1], x.shape[0] * x.shape[2], *x.shape[3:])


def _apart(x: Any, n: int) -> Any:
    """(N, B·C, …) as (B, N, C, …)."""
    return np.moveaxis(x.reshape(x.shape[0], n, x.shape[1] // n, *x.shape[2:]), 1, 0)


def _convolved(body: Body, one_by_one: Body, mapped: tuple[bool, ...]) -> Body:
    if not any(mapped[1:]):
        return _merged(1)(body, one_by_one, mapped)

    @wraps(body)
    def run(xp: Any, *arrays: Any, at: Any, **static: Any) -> object:
        x, w, b = _all_mapped(arrays, mapped)
        n = len(x)
        if not x.size or not w.size:
            return one_by_one(xp, *arrays, at=at, **static)
        w = w.reshape(n * w.shape[1], *w.shape[2:])
        made = body(xp, _side_by_side(x), w, b if b is None else b.reshape(-1), at=at._replace(groups=at.groups * n), **static)
        return _apart(made, n)

    return run


def _convolution_weight(body: Body, one_by_one: Body, mapped: tuple[bool, ...]) -> Body:
    @wraps(body)
    def run(xp: Any, *arrays: Any, at: Any, **static: Any) -> object:
        x, y = _all_mapped(arrays, mapped)
        if not x.size or not y.size:
            return one_by_one(xp, *arrays, at=at, **static)
        made = body(xp, _side_by_side(x), _side_by_side(y), at=at._replace(groups=at.groups * len(x)), **static)
        return made.reshape(len(x), -1, *made.shape[1:])

    return run


# ---- normalization and losses ----------------------------------------------------------------------------------------


def _normalized(body: Body, one_by_one: Body, mapped: tuple[bool, ...]) -> Body:
    @wraps(body)
    def run(xp: Any, *arrays: Any, how: Any) -> object:
        given = _all_mapped(arrays, mapped)
        n = len(given[0])
        axes = tuple(a + 1 for a in how.axes)
        how = how._replace(view=(n, *how.view), axes=axes, affine=(n, *how.affine))
        return body(xp, *given, how=how)

    return run


def _class_rows(arrays: Sequence, mapped: Sequence[bool]) -> tuple:
    """Scores and targets of all samples as rows of one batch."""
    x, t = _all_mapped(arrays, mapped)
    return (x, t) if x.ndim == 2 else (x.reshape(-1, *x.shape[2:]), t.reshape(-1, *t.shape[2:]))


def _class_loss(body: Body, one_by_one: Body, mapped: tuple[bool, ...]) -> Body:
    """Losses of classes: of all rows at once, then reduced for each sample."""
    if any(mapped[2:]):
        return one_by_one

    @wraps(body)
    def run(xp: Any, *arrays: Any, ignore: int, reduction: str) -> object:
        n = _size(arrays, mapped)
        x, t = _class_rows(arrays[:2], mapped)
        rows = body(xp, x, t, *arrays[2:], ignore=ignore, reduction="none")
        if reduction == "none":
            return rows if rows.ndim == 1 and arrays[1].ndim == mapped[1] else rows.reshape(n, -1, *rows.shape[1:])
        total = rows.reshape(n, -1).sum(1)
        weights = class_losses.row_weights(xp, x, t, arrays[2], ignore)
        return total / weights.reshape(n, -1).sum(1) if reduction == "mean" else total

    return run


def _class_mass(body: Body, one_by_one: Body, mapped: tuple[bool, ...]) -> Body:
    if any(mapped[2:]):
        return one_by_one

    @wraps(body)
    def run(xp: Any, *arrays: Any, ignore: int, reduction: str) -> object:
        n = _size(arrays, mapped)
        x, t = _class_rows(arrays[:2], mapped)
        mass = body(xp, x, t, *arrays[2:], ignore=ignore, reduction="none")
        shape = (n, *arrays[0].shape[mapped[0] :])
        if reduction != "mean":
            return mass.reshape(shape)
        weights = class_losses.row_weights(xp, x, t, arrays[2], ignore)
        total = np.repeat(weights.reshape(n, -1).sum(1), len(t) // n if n else 0)
        share = np.where(t != ignore, 1 / total.reshape(-1, *[1] * (t.ndim - 1)), 0)
        return (mass * np.expand_dims(share, 1)).astype(x.dtype).reshape(shape)

    return run


# ---- the table -------------------------------------------------------------------------------------------------------

_POINTWISE = """conj clone to where clamp isclose inside at_low at_high take_share leave_share share add_scaled sub_scaled addcmul addcdiv
lerp pow_plain pow sigmoid_backward tanh_backward silu silu_backward mish mish_backward gelu gelu_backward gelu_tanh gelu_tanh_backward
softplus softplus_backward log_sigmoid log_sigmoid_backward softsign softsign_backward tanhshrink tanhshrink_backward dropout
alpha_dropout masked_fill relu relu_backward keep_above threshold keep_inside hardtanh leaky_relu leaky_relu_backward prelu_slope
prelu_weight elu elu_backward keep_outside hardshrink softshrink hardsigmoid hardswish hardswish_backward round heaviside nan_to_num
polygamma logit over_root euclid_root conj_view real imag""".split()
_ALONG = """amax amin sum mean nansum prod any all count_nonzero logsumexp logsumexp_backward var std var_backward var_mean std_mean
softmax softmax_backward log_softmax log_softmax_backward cumsum cumprod logcumsumexp cummax cummin diff undiff max min sort topk
share_ties gather_ties split unbind linalg.vector_norm""".split()
_TRAILING = "linalg.inv linalg.det linalg.cholesky linalg.eigvalsh linalg.eigh linalg.svdvals linalg.matrix_exp constant_pad_nd".split()

RULES: dict[str, Rule] = {
    **dict.fromkeys(_POINTWISE, pointwise), **dict.fromkeys(_ALONG, along("dim")), **dict.fromkeys(_TRAILING, trailing),
    **dict.fromkeys(("argmax", "argmin"), along("dim", odd=None)), **dict.fromkeys(("view", "reshape"), shaped),
    **dict.fromkeys(("index", "index_spread"), _sliced), "flip": along("dims"), "transpose": along("dim0", "dim1"),
    **dict.fromkeys(("gather", "take_along"), along("dim")), "unsqueeze": along("dim", extra=1), "squeeze": along("dim"),
    "cat": along("dim"), "stack": along("dim", extra=1), "permute": _permute, "t": _turned, "expand": _expand, "spread": _spread,
    "sum_to_size": _sum_to, "matmul": _matmul, "linear": _applied(True), "project": _applied(False), "correlate": _correlate,
    "dot": _dot, "convolution": _convolved, "conv_transpose": _convolved, "convolution_weight": _convolution_weight,
    **dict.fromkeys(("max_pool", "max_pool_with_indices", "avg_pool", "avg_pool_backward"), _merged(1)),
    "max_pool_backward": _merged(3), "max_pool_pick": _merged(3), "cross_entropy": _class_loss, "nll_loss": _class_loss,
    "class_mass": _class_mass,
    **dict.fromkeys("layer_norm group_norm rms_norm batch_norm instance_norm norm_backward".split(), _normalized),
}  # fmt: skip

batch.rules.update(RULES)
