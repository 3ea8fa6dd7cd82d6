"""Cross-entropy of the logits that a linear layer makes, all at once or a chunk of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ... import dtypes
from ...autograd.api import grad
from ...autograd.function import Function, FunctionCtx, once_differentiable
from ...autograd.modes import enable_grad
from ...devices import device
from ...errors import warn
from ...ops.dense import linear
from ...ops.joining import cat
from ...tensor import Tensor
from .losses import cross_entropy

HALVES = (dtypes.float16, dtypes.bfloat16)
POLICIES = ("auto", "accurate", "balanced", "compact")


@dataclass(slots=True, frozen=True)
class LinearCrossEntropyOptions:
    """How `linear_cross_entropy` goes through the rows in chunks, so that the logits of all of them are never there at once.

    A chunk has ``batch_chunk_size`` rows, or as many as make its logits about as large as the input (``"aspect_ratio"``), or an
    N-th of that (``"aspect_ratio:N"``). ``acc_policy="accurate"`` computes everything in ``acc_dtype``, the others the softmax and
    what is summed over chunks. Gradients of mean and sum are computed with the loss; a second backward needs ``allow_retain_graph``.

    >>> import kuai as torch
    >>> torch.nn.LinearCrossEntropyOptions(batch_chunk_size=2).acc_policy
    'auto'
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: dtypes.dtype | None = None

    def __post_init__(self) -> None:
        size, method = self.batch_chunk_size, self.chunking_method
        if self.acc_policy not in POLICIES:
            raise ValueError(f"invalid acc_policy: {self.acc_policy!r}; needs one of {POLICIES}")
        if method not in (None, "auto") and _divisor(method) < 1:
            raise ValueError(f"invalid chunking_method: {method!r}; needs 'auto', 'aspect_ratio', 'aspect_ratio:N' or None")
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size!r}")
        if self.acc_dtype not in (None, *HALVES, dtypes.float32, dtypes.float64):
            raise ValueError(f"acc_dtype must be a floating-point dtype or None, got {self.acc_dtype!r}")

    def _settled(self, rows: int, features: int, classes: int, d: dtypes.dtype, where: device) -> LinearCrossEntropyOptions:
        """The options for one call: nothing in them is automatic any more."""
        emulated = where.type == "cpu" and d in HALVES
        policy = self.acc_policy if self.acc_policy != "auto" else "accurate" if emulated else "compact"
        method = self.chunking_method
        if method == "auto":
            method = None if self.batch_chunk_size else "aspect_ratio" if emulated else "aspect_ratio:2"
        size = _by_ratio(rows, features, classes, _divisor(method)) if method else min(self.batch_chunk_size or rows, rows)
        if method and self.batch_chunk_size not in (None, size):
            raise ValueError(
                f"batch_chunk_size (={self.batch_chunk_size}) and chunking_method ('{method}') give different chunk sizes "
                f"({self.batch_chunk_size} vs {size}); pass only one."
            )
        wide = dtypes.float32 if self.acc_policy == "auto" and d in HALVES else d
        return replace(self, acc_policy=policy, chunking_method=method, batch_chunk_size=max(1, size),
                       acc_dtype=self.acc_dtype or wide)  # fmt: skip


def _divisor(method: str | None) -> int:
    """N of "aspect_ratio:N"; 0 for what is no such method."""
    name, colon, n = str(method).partition(":")
    return 0 if name != "aspect_ratio" else (int(n) if n.isdigit() else 0) if colon else 1


def _by_ratio(rows: int, features: int, classes: int, divisor: int) -> int:
    """As many rows, a power of two of them, as have logits of about the size of the input."""
    target = -(-rows // -(-classes // features))
    return min((1 << (target - 1).bit_length()) // divisor, rows)


# ---- the loss --------------------------------------------------------------------------------------------------------


def linear_cross_entropy(input: Tensor, linear_weight: Tensor, target: Tensor, *, linear_bias: Tensor | None = None,
                         weight: Tensor | None = None, reduction: str = "mean", ignore_index: int | None = None,
                         label_smoothing: float = 0.0,
                         options: LinearCrossEntropyOptions | None = None) -> Tensor:  # fmt: skip
    """`cross_entropy` of the logits that a linear layer makes of the input; its weight is (classes, …, features).

    With ``options`` it works in chunks of rows, which takes less memory where there are many classes; that way has first
    derivatives alone.

    >>> import kuai as torch
    >>> x, w = torch.tensor([[1., 0.]]), torch.tensor([[2., 0.], [0., 0.]])
    >>> torch.nn.functional.linear_cross_entropy(x, w, torch.tensor([0]))
    tensor(0.1269)
    >>> options = torch.nn.LinearCrossEntropyOptions(batch_chunk_size=1)
    >>> torch.nn.functional.linear_cross_entropy(x, w, torch.tensor([0]), options=options)
    tensor(0.1269)
    """
    _check_linear(input.shape, linear_weight.shape, linear_bias)
    *outputs, features = linear_weight.shape
    soft = tuple(target.shape) == (*input.shape[:-1], *outputs)
    if ignore_index is not None and soft:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    ignore = -100 if ignore_index is None else ignore_index
    if options is not None:
        plain = reduction in ("mean", "sum", "none") and not label_smoothing and target.dtype is dtypes.int64
        if plain and len(outputs) == 1:
            return _chunked(input, linear_weight, target, linear_bias, weight, reduction, ignore, options)
        warn(
            "linear_cross_entropy: ``options`` ignored; chunks need reduction in {'mean','sum','none'}, label_smoothing == 0, "
            f"target.dtype == int64, out_features == (). Got {reduction=}, {label_smoothing=}, {target.dtype=}, "
            f"out_features={tuple(outputs[1:])}."
        )
    bias = linear_bias if linear_bias is None or len(outputs) == 1 else linear_bias.reshape(-1)
    logits = linear(input, linear_weight if len(outputs) == 1 else linear_weight.reshape(-1, features), bias)
    logits = logits if len(outputs) == 1 else logits.reshape(-1, *outputs)
    return cross_entropy(logits, target, weight, None, ignore, None, reduction, label_smoothing)


def _check_linear(x: Sequence[int], w: Sequence[int], bias: Tensor | None) -> None:
    """Refuse shapes that `linear_cross_entropy` has no meaning for."""
    if len(x) not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {len(x)}")
    if len(w) < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {len(w)}")
    if x[-1] != w[-1]:
        raise RuntimeError(
            f"expected equal input and linear_weight last dimensions (in_features), got {x[-1]} and {w[-1]}, respectively"
        )
    if len(w) > 2 and len(x) == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(w)} requires batched input, (N, {w[-1]}), got unbatched "
            f"input with shape {tuple(x)}"
        )
    if bias is not None and tuple(bias.shape) != tuple(w[:-1]):
        raise RuntimeError(f"expected linear_bias shape {tuple(w[:-1])}, got {tuple(bias.shape)}")


# ---- in chunks -------------------------------------------------------------------------------------------------------


def _chunked(input: Tensor, w: Tensor, target: Tensor, b: Tensor | None, classes: Tensor | None, reduction: str, ignore: int,
             options: LinearCrossEntropyOptions) -> Tensor:  # fmt: skip
    """The loss in chunks of rows, of a batch or of one row."""
    if input.ndim == 1:
        made = _chunked(input[None], w, target[None], b, classes, reduction, ignore, options)
        return made[0] if reduction == "none" else made
    rows, features = input.shape
    if target.ndim != 1 or len(target) != rows:
        raise RuntimeError(f"linear_cross_entropy: needs a target for each of the {rows} rows, got targets of shape {list(target.shape)}")
    how = options._settled(rows, features, len(w), input.dtype, input.device)
    if how.acc_dtype is not input.dtype and not (input.dtype in HALVES and how.acc_dtype is dtypes.float32):
        raise RuntimeError(
            f"linear_cross_entropy supports float32 acc_dtype with float16/bfloat16 inputs, but got {how.acc_dtype} acc_dtype and "
            f"{input.dtype} inputs."
        )
    classes = None if classes is None else classes.to(how.acc_dtype)
    if reduction == "none":
        each: Any = _Each.apply(input, w, b, target, classes, ignore, how)
        return each.to(input.dtype)
    total: Any = _Total.apply(input, w, b, target, classes, ignore, how)
    if reduction == "mean":
        counted = target != ignore
        total = total / (counted if classes is None else classes[target * counted] * counted).sum()
    return total.to(input.dtype)


class _Total(Function):
    """The sum of the rows' losses. Its gradients are computed along with it, and then only scaled."""

    @staticmethod
    def forward(ctx: FunctionCtx, x, w, b, target, classes, ignore, how):  # type: ignore[override]
        total, ctx.found = _walk((x, w, b), target, classes, ignore, how, ctx.needs_input_grad[:3])  # type: ignore[attr-defined]
        ctx.again = how.allow_retain_graph  # type: ignore[attr-defined]
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx, g):  # type: ignore[override]
        if ctx.found is None:
            raise RuntimeError(
                "linear_cross_entropy: backward was called twice; make its options with allow_retain_graph=True for that"
            )
        found = tuple(None if f is None else f * g for f in ctx.found)
        ctx.found = ctx.found if ctx.again else None
        return (*found, None, None, None, None)


class _Each(Function):
    """The rows' losses. Their gradients are computed anew from the inputs."""

    @staticmethod
    def forward(ctx: FunctionCtx, x, w, b, target, classes, ignore, how):  # type: ignore[override]
        ctx.save_for_backward(x, w, b, target, classes)
        ctx.ignore, ctx.how = ignore, how  # type: ignore[attr-defined]
        return cat([_losses(x[rows], w, b, target[rows], classes, ignore, how) for rows in _pieces(len(x), how)])

    @staticmethod
    @once_differentiable
    def backward(ctx, g):  # type: ignore[override]
        x, w, b, target, classes = ctx.saved_tensors
        found = _walk((x, w, b), target, classes, ctx.ignore, ctx.how, ctx.needs_input_grad[:3], g)[1]
        return (*found, None, None, None, None)


def _pieces(n: int, how: LinearCrossEntropyOptions) -> Iterator[slice]:
    size = how.batch_chunk_size or 1
    return (slice(start, start + size) for start in range(0, max(n, 1), size))


def _losses(x: Tensor, w: Tensor, b: Tensor | None, target: Tensor, classes: Tensor | None, ignore: int,
            how: LinearCrossEntropyOptions) -> Tensor:  # fmt: skip
    """The losses of one chunk's rows, in the dtype to accumulate in."""
    return cross_entropy(linear(x, w, b).to(how.acc_dtype), target, classes, None, ignore, None, "none")


def _walk(operands: tuple, target: Tensor, classes: Tensor | None, ignore: int, how: LinearCrossEntropyOptions,
          wanted: Sequence[bool], g: Tensor | None = None) -> tuple[Tensor, list]:  # fmt: skip
    """The sum of the losses, weighted by ``g``, and its gradients of the operands that want one: chunk after chunk."""
    given: list[Any] = [t if t is None or how.acc_policy != "accurate" else t.to(how.acc_dtype) for t in operands]
    sums: list = [None] * 3
    slopes: list = []
    total: Any = None
    for rows in _pieces(len(target), how):
        x, w, b = (_leaf(t, want) for t, want in zip((given[0][rows], *given[1:]), wanted))
        with enable_grad():
            losses = _losses(x, w, b, target[rows], classes, ignore, how)
            loss = (losses if g is None else losses * g[rows]).sum()
        leaves = [t for t, want in zip((x, w, b), wanted) if want]
        found = iter(grad(loss, leaves) if leaves else ())
        gx, *rest = (next(found) if want else None for want in wanted)
        slopes.append(gx)
        sums[1:] = (_added(s, r, how.acc_dtype) for s, r in zip(sums[1:], rest))
        total = loss.detach() if total is None else total + loss.detach()
    sums[0] = cat(slopes) if wanted[0] else None
    return total, [None if s is None else s.to(t.dtype) for s, t in zip(sums, operands)]


def _leaf(t: Tensor | None, wanted: bool) -> Any:
    return None if t is None else t.detach().requires_grad_(wanted)


def _added(total: Tensor | None, part: Tensor | None, d: object) -> Tensor | None:
    if part is None:
        return None
    return part.to(d) if total is None else total + part
