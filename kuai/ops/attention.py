"""Scaled dot-product attention: one op, and one for its derivatives, which computes the probabilities anew from its inputs
as to keep them would take the memory of length times length.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, sqrt

from .. import dtypes
from .. import random as chance
from ..autograd.anew import widened
from ..engine.program import Aval, Op, State
from ..engine.trace import current
from ..tensor import Tensor
from . import rules
from .comparison import where
from .creation import ones
from .define import op
from .likes import zeros_like
from .random import draw

# ---- the text: what both executions compute --------------------------------------------------------------------------


def _causal(xp, rows: int, columns: int):
    return xp.arange(rows)[:, None] >= xp.arange(columns)


def _scores(xp, q, k, mask, causal: bool, scale: float):
    s = xp.matmul(q * scale, xp.swapaxes(k, -1, -2))
    if causal:
        s = xp.where(_causal(xp, *s.shape[-2:]), s, -inf)
    if mask is not None:
        s = xp.where(mask, s, -inf) if mask.dtype == bool else s + mask
    return s


def _probabilities(xp, q, k, mask, causal: bool, scale: float):
    """Softmax of the scores; zeros for rows in which everything is masked."""
    s = _scores(xp, q, k, mask, causal, scale)
    top = s.max(-1, keepdims=True, initial=-inf)
    s -= top if mask is None else xp.where(top == -inf, xp.zeros((), s.dtype), top)
    p = xp.exp(s)
    total = p.sum(-1, keepdims=True)
    return p / (total if mask is None else xp.where(total == 0, xp.ones((), s.dtype), total))


def _dropped(p, kept):
    """The probabilities without those that are dropped; ``kept`` is what the others are scaled by, 0 for those."""
    return p if kept is None else p * kept


def _scaled(keep, share):
    return None if keep is None else keep * share


def _from_probabilities(matmul, p, q, k, v, kept, g, scale: float) -> tuple:
    """What q, k, v and a mask that was added get back."""
    turned = [x.swapaxes(-1, -2) for x in (p, v)]
    gv = matmul(_dropped(p, kept).swapaxes(-1, -2), g)
    gp = _dropped(matmul(g, turned[1]), kept)
    weighted = p * gp
    gs = weighted - p * weighted.sum(axis=-1, keepdims=True)
    return matmul(gs, k) * scale, matmul(gs.swapaxes(-1, -2), q) * scale, gv, gs


# ---- rules -----------------------------------------------------------------------------------------------------------


def _check(q: Aval, k: Aval, v: Aval, mask: Aval | None) -> None:
    if min(len(a.shape) for a in (q, k, v)) < 2:
        raise RuntimeError(
            f"Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: {len(q.shape)} key.dim: "
            f"{len(k.shape)} and value.dim: {len(v.shape)} instead."
        )
    if not q.dtype is k.dtype is v.dtype:
        raise RuntimeError(
            f"Expected query, key, and value to have the same dtype, but got query.dtype: {q.dtype} key.dtype: {k.dtype} and "
            f"value.dtype: {v.dtype} instead."
        )
    if q.dtype.category != 2:
        raise RuntimeError(f"scaled_dot_product_attention: not implemented for '{rules._cname(q.dtype)}'")
    if mask is not None and mask.dtype not in (dtypes.bool_, dtypes.float32, q.dtype):
        raise RuntimeError(
            f"Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: {mask.dtype} and "
            f"query.dtype: {q.dtype} instead."
        )
    for a, b, i, what in ((q, k, -1, "last axes of query and key"), (k, v, -2, "lengths of key and value")):
        if a.shape[-1 if i == -1 else -2] != b.shape[i]:
            raise RuntimeError(
                f"scaled_dot_product_attention: mat1 and mat2 shapes cannot be multiplied: the {what} must be equal, got query "
                f"{list(q.shape)}, key {list(k.shape)}, value {list(v.shape)}"
            )


def _shapes(q: Aval, k: Aval, v: Aval) -> tuple:
    """The batch of all, and the lengths (queries, keys, features, features of values)."""
    batch = rules.broadcast_shapes("scaled_dot_product_attention", q.shape[:-2], k.shape[:-2], v.shape[:-2])
    return batch, q.shape[-2], k.shape[-2], q.shape[-1], v.shape[-1]


def _attention_rule(op: Op, avals: Sequence, *, causal: bool, scale: float) -> tuple:
    q, k, v, mask, keep, share = avals
    _check(q, k, v, mask)
    batch, length, keys, _, features = _shapes(q, k, v)
    if mask is not None:
        scores = (*batch, length, keys)
        if rules.broadcast_shapes("scaled_dot_product_attention", mask.shape, scores) != scores:
            raise RuntimeError(
                f"scaled_dot_product_attention: attn_mask of shape {list(mask.shape)} does not broadcast to {scores}"
            )
    out = Aval((*batch, length, features), q.dtype, rules.common_device(op, avals))
    return out, (q.dtype, q.dtype, q.dtype, _mask_dtype(mask, q), dtypes.bool_, q.dtype)


def _mask_dtype(mask: Aval | None, q: Aval) -> object:
    return None if mask is None else dtypes.bool_ if mask.dtype is dtypes.bool_ else q.dtype


def _backward_rule(op: Op, avals: Sequence, *, causal: bool, scale: float) -> tuple:
    g, q, k, v, mask, keep, share = avals
    batch, length, keys, inner, features = _shapes(q, k, v)
    shapes = [(*batch, length, inner), (*batch, keys, inner), (*batch, keys, features), (*batch, length, keys)]
    computed = (q.dtype, q.dtype, q.dtype, q.dtype, _mask_dtype(mask, q), dtypes.bool_, q.dtype)
    return tuple(q.with_(s) for s in (shapes if _is_added(mask) else shapes[:3])), computed


def _is_added(mask: object) -> bool:
    """Whether a mask is one that is added, and can have a derivative."""
    return mask is not None and mask.dtype is not dtypes.bool_


def _cost(state: State) -> float:
    shapes = [a.shape for a in state.avals if isinstance(a, Aval) and len(a.shape) > 1]
    scores = max(a.size for a in state.avals if isinstance(a, Aval)) * max(s[-2] for s in shapes) / shapes[0][-1]
    return scores * (8.0 + 0.2 * shapes[0][-1])


# ---- ops -------------------------------------------------------------------------------------------------------------


def _on_graph(q: Tensor, k: Tensor, mask: Tensor | None, causal: bool, scale: float) -> Tensor:
    """The probabilities as a tensor, for a derivative that is to be differentiated."""
    s = (q * scale).matmul(k.transpose(-1, -2))
    if causal:
        s = where(ones(s.shape[-2:], dtype=dtypes.bool_, device=s.device).tril(), s, -inf)
    if mask is not None:
        s = s + mask if _is_added(mask) else where(mask, s, -inf)
    dead = (s == -inf).all(-1, keepdim=True)
    return s.masked_fill(dead, 0).softmax(-1).masked_fill(dead, 0)


def _attention_vjp(g, q, k, v, mask, keep, share, causal, scale):
    if current.grad:
        g, q, k, v = widened(g, q, k, v)
        p = _on_graph(q, k, mask, causal, scale)
        kept = _scaled(None if keep is None else keep.to(q.dtype), share)
        *found, gs = _from_probabilities(Tensor.matmul, p, q, k, v, kept, g, scale)
    else:
        *found, gs = *_attention_backward(g, q, k, v, mask, keep, share, causal=causal, scale=scale), None
        if len(found) == 4:
            gs = found.pop()
    return (*found, gs if _is_added(mask) else None, None, None)


@op(shape=_backward_rule, name="scaled_dot_product_attention_backward", many=True, vjp=None, cost=_cost)
def _attention_backward(xp, g, q, k, v, mask, keep, share, *, causal, scale):
    p = _probabilities(xp, q, k, mask, causal, scale)
    found = _from_probabilities(xp.matmul, p, q, k, v, _scaled(keep, share), g, scale)
    return found if mask is not None and mask.dtype != bool else found[:3]


@op(shape=_attention_rule, name="scaled_dot_product_attention", cost=_cost, vjp=_attention_vjp,
    grad_name="ScaledDotProductAttentionBackward0")  # fmt: skip
def _attention(xp, q, k, v, mask, keep, share, *, causal, scale):
    return xp.matmul(_dropped(_probabilities(xp, q, k, mask, causal, scale), _scaled(keep, share)), v)


# ---- heads: several projections side by side, taken apart and put together ------------------------------------------


def _split_rule(op: Op, avals: Sequence, *, heads: int, parts: int) -> tuple:
    x = avals[0]
    length, batch, size = x.shape
    return (x.with_((batch, heads, length, size // (parts * heads))),) * parts, None


def _merge_rule(op: Op, avals: Sequence) -> tuple:
    batch, heads, length, size = avals[0].shape
    return avals[0].with_((length, batch, len(avals) * heads * size)), (None,) * len(avals)


def _merge_vjp(g: Tensor, parts: tuple, avals: tuple) -> tuple:
    return split_heads(g, avals[0].shape[1], len(avals))


@op(shape=_merge_rule, name="merge_heads", vjp=_merge_vjp, exact=True)
def _merge_heads(xp, *parts):
    batch, heads, length, size = parts[0].shape
    turned = [p.transpose(2, 0, 1, 3).reshape(length, batch, heads * size) for p in parts]
    return turned[0] if len(parts) == 1 else xp.concatenate(turned, -1)


def _split_vjp(g: tuple, out: tuple) -> tuple:
    return (_merge_heads(*[zeros_like(y) if c is None else c for c, y in zip(g, out)]),)


@op(shape=_split_rule, name="split_heads", vjp=_split_vjp, exact=True, many=True)
def _split_heads(xp, x, *, heads, parts):
    length, batch, size = x.shape
    return list(x.reshape(length, batch, parts, heads, size // (parts * heads)).transpose(2, 1, 3, 0, 4))


def split_heads(x: Tensor, heads: int, parts: int) -> tuple[Tensor, ...]:
    """Projections side by side (length, batch, parts · features), each as (batch, heads, length, features of a head)."""
    return _split_heads(x, heads=heads, parts=parts)


def merge_heads(x: Tensor) -> Tensor:
    """(batch, heads, length, features of a head) as (length, batch, features)."""
    return _merge_heads(x)


# ---- what is called --------------------------------------------------------------------------------------------------


def scaled_dot_product_attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None,
                                 dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None,
                                 enable_gqa: bool = False) -> Tensor:  # fmt: skip
    """``softmax(query @ key.T * scale + mask) @ value`` (``torch.nn.functional.scaled_dot_product_attention``).

    A mask is added, or if it is bool, says what is looked at. ``is_causal``: each query looks at the keys up to its place.
    ``enable_gqa``: several heads of queries share one of keys and values.

    >>> import kuai as torch
    >>> x = torch.randn(2, 8, 10, 64)
    >>> torch.nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True).shape
    torch.Size([2, 8, 10, 64])
    """
    if attn_mask is not None and not isinstance(attn_mask, Tensor):
        kind = type(attn_mask).__name__
        raise TypeError(f"scaled_dot_product_attention(): argument 'attn_mask' (position 4) must be Tensor, not {kind}")
    if attn_mask is not None and is_causal:
        raise RuntimeError("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
    if enable_gqa and query.ndim > 2:
        return _grouped(query, key, value, attn_mask, dropout_p, is_causal, scale)
    return _attend(query, key, value, attn_mask, dropout_p, is_causal, scale)


def _attend(q, k, v, mask, dropout_p, causal, scale) -> Tensor:
    if scale is None:
        scale = 1 / sqrt(q.shape[-1]) if q.ndim and q.shape[-1] else 1.0
    keep = _kept(q, k, v, dropout_p) if dropout_p else None
    share = 1.0 / (1.0 - dropout_p) if keep is not None and dropout_p < 1 else None if keep is None else 1.0
    return _attention(q, k, v, mask, keep, share, causal=bool(causal), scale=float(scale))



def _kept(q: Tensor, k: Tensor, v: Tensor, p: float) -> Tensor:
    """Which probabilities are not dropped."""
    if not 0 <= p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p}")
    batch, length, keys, *_ = _shapes(q._aval, k._aval, v._aval)
    shape = (*batch, length, keys)
    return draw("bernoulli", shape, dtypes.bool_, q.device, None, 1 - p, 0.0, lambda g, n: chance.streams.bernoulli(g, n, 1 - p))


def _grouped(q, k, v, mask, dropout_p, causal, scale) -> Tensor:
    """Attention in which neighbouring heads of queries share a head of keys and one of values."""
    heads, shared, values = q.shape[-3], k.shape[-3], v.shape[-3]
    if heads % shared or heads % values:
        raise RuntimeError(
            f"Number of heads in key and value must divide the number of heads in query, got {shared}, {values} and {heads}"
        )
    if shared != values:  # each query head gets its own
        k, v = k.repeat_interleave(heads // shared, -3), v.repeat_interleave(heads // values, -3)
        return _attend(q, k, v, mask, dropout_p, causal, scale)
    q = q.unflatten(-3, (shared, heads // shared))
    if mask is not None and mask.ndim > 2:
        mask = mask.unflatten(-3, (shared, heads // shared)) if mask.shape[-3] == heads else mask.unsqueeze(-3)
    made = _attend(q, k.unsqueeze(-3), v.unsqueeze(-3), mask, dropout_p, causal, scale)
    return made.flatten(-4, -3)


METHODS = ()
INPLACE = ()
