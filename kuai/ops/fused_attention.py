"""The forward functions of PyTorch's fused attention kernels: besides the result they give the logarithms of softmax's sums.

In kuai they are one computation with `scaled_dot_product_attention`; what is not read of their results costs nothing.
"""

from __future__ import annotations

import math

from .. import dtypes
from ..tensor import Tensor
from .attention import scaled_dot_product_attention
from .creation import full, zeros
from .padding import constant_pad_nd


def _reach(q: Tensor, k: Tensor, shift: int) -> Tensor:
    """Which keys each query looks at: those up to its own place, moved by ``shift``."""
    return full((q.shape[-2], k.shape[-2]), True, dtype=dtypes.bool_, device=q.device).tril(shift)


def _attended(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, bias: Tensor | None, dropout_p: float,
              scale: float | None) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Attention over (batch, heads, places, features), and the logarithm of each query's sum."""
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    logits = (q @ k.transpose(-2, -1)).float() * scale
    if bias is not None:
        logits = logits + bias
    if mask is not None:
        logits = logits.masked_fill(~mask, -math.inf)
        bias = full((), 0.0, dtype=q.dtype, device=q.device).expand(mask.shape) if bias is None else bias
        bias = bias.masked_fill(~mask, -math.inf)
    return scaled_dot_product_attention(q, k, v, bias, dropout_p, scale=scale), logits.logsumexp(-1)


def _scaled_dot_product_flash_attention_for_cpu(query: Tensor, key: Tensor, value: Tensor, dropout_p: float = 0.0,
                                                is_causal: bool = False, *, attn_mask: Tensor | None = None,
                                                scale: float | None = None) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Attention over (batch, heads, places, features), and the logarithms of the sums.

    >>> import kuai as torch
    >>> x = torch.ones(1, 2, 3, 4)
    >>> torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(x, x, x)[1].shape
    torch.Size([1, 2, 3])
    """
    mask = _reach(query, key, 0) if is_causal else None
    return _attended(query, key, value, mask, attn_mask, dropout_p, scale)


def _flash_attention_forward(query: Tensor, key: Tensor, value: Tensor, cum_seq_q: Tensor | None, cum_seq_k: Tensor | None,
                             max_q: int, max_k: int, dropout_p: float, is_causal: bool, return_debug_mask: bool, *,
                             scale: float | None = None, window_size_left: int | None = None,
                             window_size_right: int | None = None, seqused_k: Tensor | None = None,
                             alibi_slopes: Tensor | None = None) -> tuple[Tensor, ...]:  # fmt: skip
    """Attention over (batch, places, heads, features): the result, the logarithms of the sums, and three of the kernel's own.

    ``is_causal`` lets the last query look at the last key. Sequences of several lengths in one tensor raise NotImplementedError.

    >>> import kuai as torch
    >>> x = torch.ones(1, 3, 2, 4)
    >>> torch.ops.aten._flash_attention_forward(x, x, x, None, None, 3, 3, 0.0, True, False)[1].shape
    torch.Size([1, 2, 3])
    """
    _refuse("_flash_attention_forward", cum_seq_q=cum_seq_q, cum_seq_k=cum_seq_k, window_size_left=window_size_left,
            window_size_right=window_size_right, seqused_k=seqused_k, alibi_slopes=alibi_slopes,
            return_debug_mask=return_debug_mask or None)  # fmt: skip
    q, k, v = (t.transpose(1, 2) for t in (query, key, value))
    mask = _reach(q, k, k.shape[-2] - q.shape[-2]) if is_causal else None
    made, sums = _attended(q, k, v, mask, None, dropout_p, scale)
    where = query.device
    return (made.transpose(1, 2), sums, zeros(2, dtype=dtypes.uint64, device=where), zeros(0, dtype=dtypes.uint64, device=where),
            zeros(0, dtype=query.dtype, device=where))  # fmt: skip


def _efficient_attention_forward(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, cu_seqlens_q: Tensor | None,
                                 cu_seqlens_k: Tensor | None, max_seqlen_q: int | None, max_seqlen_k: int | None,
                                 dropout_p: float, custom_mask_type: int, compute_log_sumexp: bool = False, *,
                                 scale: float | None = None, seqlen_k: Tensor | None = None,
                                 window_size: int | None = None) -> tuple[object, ...]:  # fmt: skip
    """Attention over (batch, places, heads, features): the result, the logarithms of the sums, and four of the kernel's own.

    Mask 1 lets the first query look at the first key alone, mask 2 the last query at the last key. The sums' last dimension is
    padded to a multiple of 32 by infinities.

    >>> import kuai as torch
    >>> x = torch.ones(1, 3, 2, 4)
    >>> torch.ops.aten._efficient_attention_forward(x, x, x, None, None, None, None, None, 0.0, 1, True)[1].shape
    torch.Size([1, 2, 32])
    """
    _refuse("_efficient_attention_forward", cu_seqlens_q=cu_seqlens_q, cu_seqlens_k=cu_seqlens_k, seqlen_k=seqlen_k,
            window_size=window_size)  # fmt: skip
    q, k, v = (t.transpose(1, 2) for t in (query, key, value))
    shift = 0 if custom_mask_type == 1 else k.shape[-2] - q.shape[-2]
    made, sums = _attended(q, k, v, _reach(q, k, shift) if custom_mask_type else None, bias, dropout_p, scale)
    sums = constant_pad_nd(sums, (0, -sums.shape[-1] % 32), math.inf) if compute_log_sumexp else sums[..., :0]
    seed, offset = (zeros((), dtype=dtypes.int64, device=query.device) for _ in range(2))
    return made.transpose(1, 2), sums, seed, offset, q.shape[-2], k.shape[-2]


def _refuse(name: str, **given: object) -> None:
    """NotImplementedError for what these functions cannot do."""
    said = [k for k, v in given.items() if v is not None]
    if said:
        raise NotImplementedError(f"{name}: {', '.join(said)} is missing; pad sequences to one length and give a mask")
