"""Attention of several heads, with the projections before and after it (``torch.nn.functional``)."""

from __future__ import annotations

import warnings
from math import inf, sqrt
from typing import NamedTuple

from ... import dtypes
from ...ops.attention import scaled_dot_product_attention
from ...ops.creation import zeros, zeros_like
from ...ops.dense import linear
from ...ops.joining import cat
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
            warnings.warn(f"Support for mismatched {name} and {other_name} is deprecated. Use same type for both instead.",
                          stacklevel=3)  # fmt: skip
        return mask
    return zeros_like(mask, dtype=dtype).masked_fill(mask, -inf)


def _check_mask_shape(mask: Tensor | None, heads: int, batch: int, length: int, keys: int) -> Tensor | None:
    if mask is None:
        return None
    wanted = (length, keys) if mask.ndim == 2 else (batch * heads, length, keys)
    if tuple(mask.shape) != wanted:
        raise RuntimeError(f"The shape of the {mask.ndim}D attn_mask is {mask.shape}, but should be {wanted}.")
    return mask.unsqueeze(0) if mask.ndim == 2 else mask


# ---- projections -----------------------------------------------------------------------------------------------------


def _thirds(x: Tensor | None, size: int, begin: int, end: int) -> Tensor | None:
    return None if x is None else x[begin * size : end * size]


def _project(q: Tensor, k: Tensor, v: Tensor, by: Projections) -> tuple[Tensor, Tensor, Tensor]:
    """The inputs' projections, with as few products as there are different inputs."""
    size = q.shape[-1]
    if by.packed is None:
        return tuple(  # type: ignore[return-value]
            linear(x, w, _thirds(by.bias, size, i, i + 1))  # type: ignore[arg-type]
            for i, (x, w) in enumerate(zip((q, k, v), by.apart))
        )
    if q is k and k is v:
        made = linear(q, by.packed, by.bias)
        return tuple(made[..., i * size : (i + 1) * size] for i in range(3))  # type: ignore[return-value]
    first = linear(q, by.packed[:size], _thirds(by.bias, size, 0, 1))
    if k is v:
        made = linear(k, by.packed[size:], _thirds(by.bias, size, 1, 3))
        return first, made[..., :size], made[..., size:]
    return (first, linear(k, by.packed[size : 2 * size], _thirds(by.bias, size, 1, 2)),
            linear(v, by.packed[2 * size :], _thirds(by.bias, size, 2, 3)))  # fmt: skip


def _longer(x: Tensor | None) -> Tensor | None:
    """A mask with a column of zeros more."""
    return None if x is None else pad(x, (0, 1))


def _heads(x: Tensor, batch: int, heads: int) -> Tensor:
    """(length, batch, features) as (batch · heads, length, features of a head)."""
    return x.reshape(x.shape[0], batch * heads, -1).transpose(0, 1) if x._aval.size else (
        x.reshape(x.shape[0], batch * heads, x.shape[2] // heads).transpose(0, 1))  # fmt: skip


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
    batched = _is_batched(query, key, value, key_padding_mask, attn_mask)
    if not batched:
        same = key is query, value is key
        query = query.unsqueeze(1)
        key = query if same[0] else key.unsqueeze(1)
        value = key if same[1] else value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    length, batch, size = query.shape
    _check_sizes(query, key, value, embed_dim_to_check, num_heads, use_separate_proj_weight)
    if is_causal and attn_mask is None:
        raise RuntimeError("Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
                           "`generate_square_subsequent_mask` to create this mask.")  # fmt: skip
    key_padding_mask = added_mask(key_padding_mask, "key_padding_mask", attn_mask, "attn_mask", query.dtype)
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None  # the hint says it all
    else:
        attn_mask = added_mask(attn_mask, "attn_mask", None, "", query.dtype)
        is_causal = is_causal and key_padding_mask is None and not need_weights
    mask = _check_mask_shape(attn_mask, num_heads, batch, length, key.shape[0])
    apart = (q_proj_weight, k_proj_weight, v_proj_weight)
    by = Projections(None if use_separate_proj_weight else in_proj_weight, apart, in_proj_bias)
    q, k, v = _project(query, key, value, by)
    if bias_k is not None and bias_v is not None:
        _need(static_k is None and static_v is None, "bias cannot be added to static key and value.")
        k, v = cat([k, bias_k.expand(1, batch, size)]), cat([v, bias_v.expand(1, batch, size)])
        mask, key_padding_mask = _longer(mask), _longer(key_padding_mask)
    q = _heads(q, batch, num_heads)
    k = _heads(k, batch, num_heads) if static_k is None else _checked(static_k, batch * num_heads, size // num_heads, "static_k")
    v = _heads(v, batch, num_heads) if static_v is None else _checked(static_v, batch * num_heads, size // num_heads, "static_v")
    if add_zero_attn:
        none = zeros(batch * num_heads, 1, size // num_heads, dtype=k.dtype, device=k.device)
        k, v = cat([k, none], 1), cat([v, none], 1)
        mask, key_padding_mask = _longer(mask), _longer(key_padding_mask)
    mask = _with_padding(mask, key_padding_mask, batch, num_heads, k.shape[1])
    drop = dropout_p if training else 0.0
    if need_weights:
        made, weights = _explicitly(q, k, v, mask, drop)
    else:
        made, weights = _at_once(q, k, v, mask, drop, is_causal, batch), None
    made = linear(made.transpose(0, 1).reshape(length * batch, size), out_proj_weight, out_proj_bias)
    made = made.view(length, batch, made.shape[1])
    if weights is not None:
        weights = weights.view(batch, num_heads, length, k.shape[1])
        weights = weights.mean(1) if average_attn_weights else weights
    if not batched:
        return made.squeeze(1), None if weights is None else weights.squeeze(0)
    return made, weights


def _check_sizes(query: Tensor, key: Tensor, value: Tensor, wanted: int, heads: int, apart: bool) -> None:
    size = query.shape[2]
    _need(size == wanted, f"was expecting embedding dimension of {wanted}, but got {size}")
    _need(size % heads == 0, f"embed_dim {size} not divisible by num_heads {heads}")
    if apart:
        _need(key.shape[:2] == value.shape[:2],
              f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}")  # fmt: skip
    else:
        _need(key.shape == value.shape, f"key shape {key.shape} does not match value shape {value.shape}")


def _checked(x: Tensor, heads: int, size: int, name: str) -> Tensor:
    _need(x.shape[0] == heads, f"expecting {name}.size(0) of {heads}, but got {x.shape[0]}")
    _need(x.shape[2] == size, f"expecting {name}.size(2) of {size}, but got {x.shape[2]}")
    return x


def _with_padding(mask: Tensor | None, padding: Tensor | None, batch: int, heads: int, keys: int) -> Tensor | None:
    """The two masks as one, for each head of each sample."""
    if padding is None:
        return mask
    _need(tuple(padding.shape) == (batch, keys),
          f"expecting key_padding_mask shape of {(batch, keys)}, but got {tuple(padding.shape)}: Expected "
          f"key_padded_mask.shape[0] to be {batch}, but got {padding.shape[0]}")  # fmt: skip
    padding = padding.view(batch, 1, 1, keys).expand(-1, heads, -1, -1).reshape(batch * heads, 1, keys)
    return padding if mask is None else mask + padding


def _explicitly(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, drop: float) -> tuple[Tensor, Tensor]:
    """Attention, and its probabilities."""
    scores = (q * sqrt(1.0 / q.shape[-1])).bmm(k.transpose(-2, -1))
    p = (scores if mask is None else scores + mask).softmax(-1)
    p = dropout(p, drop) if drop > 0 else p
    return p.bmm(v), p


def _at_once(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, drop: float, causal: bool, batch: int) -> Tensor:
    if mask is not None and mask.shape[0] == 1:
        mask = mask.unsqueeze(0)
    elif mask is not None:
        mask = mask.unflatten(0, (batch, mask.shape[0] // batch))
    q, k, v = (x.unflatten(0, (batch, x.shape[0] // batch)) for x in (q, k, v))
    return scaled_dot_product_attention(q, k, v, mask, drop, causal).flatten(0, 1)
