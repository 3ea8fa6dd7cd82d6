"""Attention of several heads, with the projections before and after it (``torch.nn.functional``).

Within, queries, keys and values are (batch, heads, length, features of a head).
"""

from __future__ import annotations

from math import inf, sqrt
from typing import NamedTuple

from ... import dtypes
from ...errors import warn
from ...ops.attention import merge_heads, scaled_dot_product_attention, split_heads
from ...ops.creation import zeros
from ...ops.dense import linear
from ...ops.joining import cat
from ...ops.likes import zeros_like
from ...ops.padding import pad
from ...tensor import Tensor
from .dropout import dropout


class Projections(NamedTuple):
    """The weights of the inputs' projections: one matrix for all three, or one for each, and their common bias."""

    packed: Tensor | None
    apart: tuple[Tensor | None, Tensor | None, Tensor | None]
    bias: Tensor | None


# ---- checks ----------------------------------------------------------------------------------------------------------


def _need(holds: bool, message: str) -> None:
    if not holds:
        raise AssertionError(message)


def _is_batched(query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None, mask: Tensor | None) -> bool:
    rank = query.ndim
    _need(rank in (2, 3), f"query should be unbatched 2D or batched 3D tensor but received {rank}-D query tensor")
    kind = f"For {'batched (3-D)' if rank == 3 else 'unbatched (2-D)'} `query`, expected"
    _need(key.ndim == value.ndim == rank,
          f"{kind} `key` and `value` to be {rank}-D but found {key.ndim}-D and {value.ndim}-D tensors respectively")  # fmt: skip
    _need(padding is None or padding.ndim == rank - 1,
          f"{kind} `key_padding_mask` to be `None` or {rank - 1}-D but found "
          f"{padding is not None and padding.ndim}-D tensor instead")  # fmt: skip
    _need(mask is None or mask.ndim in (2, 3),
          f"{kind} `attn_mask` to be `None`, 2-D or 3-D but found {mask is not None and mask.ndim}-D tensor instead")  # fmt: skip
    return rank == 3


def added_mask(mask: Tensor | None, name: str, other: Tensor | None, other_name: str, dtype: dtypes.dtype) -> Tensor | None:
    """A mask as numbers that are added to scores: -inf where a bool one is true."""
    if mask is None:
        return None
    floating = mask.dtype.is_floating_point
    _need(floating or mask.dtype is dtypes.bool_, f"only bool and floating types of {name} are supported")
    if floating:
        if other is not None and other.dtype is not mask.dtype:
            warn(f"Support for mismatched {name} and {other_name} is deprecated. Use same type for both instead.")  # fmt: skip
        return mask
    return zeros_like(mask, dtype=dtype).masked_fill(mask, -inf)


def _check_sizes(query: Tensor, key: Tensor, value: Tensor, wanted: int, heads: int, apart: bool) -> None:
    size = query.shape[2]
    _need(size == wanted, f"was expecting embedding dimension of {wanted}, but got {size}")
    _need(size % heads == 0, f"embed_dim {size} not divisible by num_heads {heads}")
    if apart:
        _need(key.shape[:2] == value.shape[:2],
              f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}")  # fmt: skip
    else:
        _need(key.shape == value.shape, f"key shape {key.shape} does not match value shape {value.shape}")


# ---- masks -----------------------------------------------------------------------------------------------------------


class Masks(NamedTuple):
    """What is added to scores: by (heads,) query and key, and by key alone; or just that each query looks back."""

    scores: Tensor | None
    padding: Tensor | None
    causal: bool

    def joined(self, extra: int) -> Tensor | None:
        """Both as one, with columns of zeros for keys that were added."""
        parts = [m for m in (self.scores, self.padding) if m is not None]
        if not parts:
            return None
        made = parts[0] if len(parts) == 1 else parts[0] + parts[1]
        return pad(made, (0, extra)) if extra else made


def _masks(query: Tensor, key: Tensor, heads: int, mask: Tensor | None, padding: Tensor | None, causal: bool,
           need_weights: bool) -> Masks:  # fmt: skip
    if causal and mask is None:
        raise RuntimeError("Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
                           "`generate_square_subsequent_mask` to create this mask.")  # fmt: skip
    batch, length, keys = query.shape[1], query.shape[0], key.shape[0]
    padding = _padding_mask(padding, mask, query, keys)
    if causal and padding is None and not need_weights:
        return Masks(None, None, True)  # the hint says it all
    mask = added_mask(mask, "attn_mask", None, "", query.dtype)
    if mask is None or mask.ndim == 2:
        _check_mask_shape(mask, (length, keys))
        return Masks(mask, padding, False)
    _check_mask_shape(mask, (batch * heads, length, keys))
    return Masks(mask.view(batch, heads, length, keys), padding, False)


def _padding_mask(padding: Tensor | None, mask: Tensor | None, query: Tensor, keys: int) -> Tensor | None:
    padding = added_mask(padding, "key_padding_mask", mask, "attn_mask", query.dtype)
    if padding is None:
        return None
    batch = query.shape[1]
    _need(tuple(padding.shape) == (batch, keys),
          f"expecting key_padding_mask shape of {(batch, keys)}, but got {tuple(padding.shape)}: Expected "
          f"key_padded_mask.shape[0] to be {batch}, but got {padding.shape[0]}")  # fmt: skip
    return padding.view(batch, 1, 1, keys)


def _check_mask_shape(mask: Tensor | None, wanted: tuple[int, ...]) -> None:
    if mask is not None and tuple(mask.shape) != wanted:
        raise RuntimeError(f"The shape of the {mask.ndim}D attn_mask is {mask.shape}, but should be {wanted}.")


# ---- projections -----------------------------------------------------------------------------------------------------


def _slice(x: Tensor | None, size: int, begin: int, end: int) -> Tensor | None:
    return None if x is None else x[begin * size : end * size]


def _project(q: Tensor, k: Tensor, v: Tensor, by: Projections, heads: int) -> tuple[Tensor, ...]:
    """The inputs' projections, with as few products as there are different inputs."""
    size, w, b = q.shape[-1], by.packed, by.bias
    if w is None:
        made = (linear(x, each, _slice(b, size, i, i + 1)) for i, (x, each) in enumerate(zip((q, k, v), by.apart)))  # type: ignore[arg-type]
        return tuple(split_heads(x, heads, 1)[0] for x in made)
    if q is k and k is v:
        return split_heads(linear(q, w, b), heads, 3)
    first = split_heads(linear(q, w[:size], _slice(b, size, 0, 1)), heads, 1)
    if k is v:
        return first + split_heads(linear(k, w[size:], _slice(b, size, 1, 3)), heads, 2)
    second = split_heads(linear(k, w[size : 2 * size], _slice(b, size, 1, 2)), heads, 1)
    return first + second + split_heads(linear(v, w[2 * size :], _slice(b, size, 2, 3)), heads, 1)


def _given(static: Tensor | None, x: Tensor, name: str) -> Tensor:
    """The projection, or what is given in its place as (batch · heads, length, features of a head)."""
    if static is None:
        return x
    batch, heads, _, size = x.shape
    _need(static.shape[0] == batch * heads, f"expecting {name}.size(0) of {batch * heads}, but got {static.shape[0]}")
    _need(static.shape[2] == size, f"expecting {name}.size(2) of {size}, but got {static.shape[2]}")
    return static.view(batch, heads, static.shape[1], size)


def _longer(x: Tensor, bias: Tensor | None, zero: bool) -> Tensor:
    """Keys or values with a learnt one and one of zeros after them, if they are wanted."""
    batch, heads, _, size = x.shape
    parts = [x]
    if bias is not None:
        parts.append(bias.view(1, heads, 1, size).expand(batch, -1, -1, -1))
    if zero:
        parts.append(zeros(batch, heads, 1, size, dtype=x.dtype, device=x.device))
    return x if len(parts) == 1 else cat(parts, 2)


# ---- the whole -------------------------------------------------------------------------------------------------------


def multi_head_attention_forward(
    query: Tensor, key: Tensor, value: Tensor, embed_dim_to_check: int, num_heads: int, in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None, bias_k: Tensor | None, bias_v: Tensor | None, add_zero_attn: bool, dropout_p: float,
    out_proj_weight: Tensor, out_proj_bias: Tensor | None, training: bool = True, key_padding_mask: Tensor | None = None,
    need_weights: bool = True, attn_mask: Tensor | None = None, use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None, k_proj_weight: Tensor | None = None, v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None, static_v: Tensor | None = None, average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """What `torch.nn.MultiheadAttention` computes: projections, attention of each head, and the projection of all heads' results.

    Inputs are (length, batch, features) or (length, features). Gives the result, and the heads' probabilities if wanted.

    >>> import kuai as torch
    >>> x, w = torch.ones(3, 1, 4), torch.ones(12, 4)
    >>> y, p = torch.nn.functional.multi_head_attention_forward(
    ...     x, x, x, 4, 2, w, None, None, None, False, 0.0, torch.eye(4), None)
    >>> y.shape, p[0, 0]
    (torch.Size([3, 1, 4]), tensor([0.3333, 0.3333, 0.3333]))
    """
    if not _is_batched(query, key, value, key_padding_mask, attn_mask):
        arguments = {**locals(), "key_padding_mask": None if key_padding_mask is None else key_padding_mask.unsqueeze(0)}
        made, weights = multi_head_attention_forward(**arguments | _in_a_batch(query, key, value))
        return made.squeeze(1), None if weights is None else weights.squeeze(0)
    _check_sizes(query, key, value, embed_dim_to_check, num_heads, use_separate_proj_weight)
    masks = _masks(query, key, num_heads, attn_mask, key_padding_mask, is_causal, need_weights)
    apart = (q_proj_weight, k_proj_weight, v_proj_weight)
    for name, given in zip(("q", "k", "v") if use_separate_proj_weight else (), apart):
        _need(given is not None, f"use_separate_proj_weight is True but {name}_proj_weight is None")
    _need(use_separate_proj_weight or in_proj_weight is not None, "use_separate_proj_weight is False but in_proj_weight is None")
    by = Projections(None if use_separate_proj_weight else in_proj_weight, apart, in_proj_bias)
    size = query.shape[-1]
    if in_proj_bias is not None and in_proj_bias.shape != (3 * size,):
        raise RuntimeError(f"multi_head_attention_forward: in_proj_bias must be of shape {[3 * size]}, got {list(in_proj_bias.shape)}")
    q, k, v = _project(query, key, value, by, num_heads)
    k, v = _given(static_k, k, "static_k"), _given(static_v, v, "static_v")
    biased = bias_k is not None and bias_v is not None
    _need(biased or bias_k is bias_v, f"bias_{'v' if bias_k is None else 'k'} is set but bias_{'k' if bias_k is None else 'v'} is None")
    _need(not biased or (static_k is None and static_v is None), "bias cannot be added to static key and value.")
    k, v = (_longer(x, bias if biased else None, add_zero_attn) for x, bias in ((k, bias_k), (v, bias_v)))
    mask, drop = masks.joined(biased + add_zero_attn), dropout_p if training else 0.0
    if need_weights:
        made, weights = _explicitly(q, k, v, mask, drop)
    else:
        made, weights = scaled_dot_product_attention(q, k, v, mask, drop, masks.causal), None
    made = linear(merge_heads(made), out_proj_weight, out_proj_bias)
    return made, weights.mean(1) if weights is not None and average_attn_weights else weights


def _in_a_batch(query: Tensor, key: Tensor, value: Tensor) -> dict[str, Tensor]:
    """The inputs as batches of one; what is the same tensor stays the same tensor."""
    q = query.unsqueeze(1)
    k = q if key is query else key.unsqueeze(1)
    return {"query": q, "key": k, "value": k if value is key else value.unsqueeze(1)}


def _explicitly(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, drop: float) -> tuple[Tensor, Tensor]:
    """Attention, and its probabilities."""
    scores = (q * sqrt(1.0 / q.shape[-1])).matmul(k.transpose(-2, -1))
    p = (scores if mask is None else scores + mask).softmax(-1)
    p = dropout(p, drop) if drop > 0 else p
    return p.matmul(v), p
