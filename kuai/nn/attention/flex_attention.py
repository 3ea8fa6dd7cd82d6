"""Attention with scores and masks of one's own (``torch.nn.attention.flex_attention``).

A score function ``(score, batch, head, query, key)`` and a mask function ``(batch, head, query, key)`` are called once, with
tensors that are broadcast together; they compute element by element and may look values up, as PyTorch's may.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any, NamedTuple

import kuai

from ...tensor import Tensor

_DEFAULT_SPARSE_BLOCK_SIZE = 128


class AuxRequest(NamedTuple):
    """What is wanted besides the result (``torch.nn.attention.flex_attention.AuxRequest``).

    >>> from kuai.nn.attention.flex_attention import AuxRequest
    >>> AuxRequest(lse=True)
    AuxRequest(lse=True, max_scores=False)
    """

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """What comes besides the result (``torch.nn.attention.flex_attention.AuxOutput``).

    >>> from kuai.nn.attention.flex_attention import AuxOutput
    >>> AuxOutput()
    AuxOutput(lse=None, max_scores=None)
    """

    lse: Tensor | None = None
    max_scores: Tensor | None = None


def noop_mask(batch: Tensor, head: Tensor, token_q: Tensor, token_kv: Tensor) -> Tensor:
    """The mask function that lets everything be seen.

    >>> import kuai as torch
    >>> torch.nn.attention.flex_attention.create_mask(torch.nn.attention.flex_attention.noop_mask, 1, 1, 1, 2, device="cpu")
    tensor([[[[True, True]]]])
    """
    return batch.new_ones((), dtype=kuai.bool)


def _positions(sizes: tuple[int, ...], device: object) -> list[Tensor]:
    """The index of each dimension, broadcast along the others."""
    n = len(sizes)
    return [kuai.arange(s, device=device).reshape(*(1,) * i, -1, *(1,) * (n - 1 - i)) for i, s in enumerate(sizes)]


def create_mask(mod_fn: Callable, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int,
                device: object = None) -> Tensor:  # fmt: skip
    """The mask of a mask function as a bool tensor (``torch.nn.attention.flex_attention.create_mask``).

    >>> import kuai as torch
    >>> torch.nn.attention.flex_attention.create_mask(lambda b, h, q, k: q >= k, None, None, 2, 2, device="cpu")
    tensor([[[[ True, False],
              [ True,  True]]]])
    """
    sizes = (B or 1, H or 1, Q_LEN, KV_LEN)
    return mod_fn(*_positions(sizes, device)).expand(sizes)


def and_masks(*mask_mods: Callable) -> Callable:
    """The mask function that needs all (``torch.nn.attention.flex_attention.and_masks``).

    >>> from kuai.nn.attention.flex_attention import and_masks, create_mask
    >>> int(create_mask(and_masks(lambda b, h, q, k: q >= k, lambda b, h, q, k: q - k < 2), 1, 1, 4, 4).sum())
    7
    """
    return _joined(mask_mods, lambda a, b: a & b)


def or_masks(*mask_mods: Callable) -> Callable:
    """The mask function that needs one (``torch.nn.attention.flex_attention.or_masks``).

    >>> from kuai.nn.attention.flex_attention import or_masks, create_mask
    >>> int(create_mask(or_masks(lambda b, h, q, k: q == k, lambda b, h, q, k: k == 0), 1, 1, 3, 3).sum())
    5
    """
    return _joined(mask_mods, lambda a, b: a | b)


def _joined(mask_mods: tuple, join: Callable) -> Callable:
    if not all(map(callable, mask_mods)):
        raise RuntimeError(f"All inputs should be callable mask_mods: {mask_mods}")

    def mask(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        first, *rest = (mod(b, h, q, k) for mod in mask_mods)
        for other in rest:
            first = join(first, other)
        return first

    return mask


class BlockMask:
    """A mask function with the lengths it is for (``torch.nn.attention.flex_attention.BlockMask``), made by `create_block_mask`.

    >>> import kuai as torch
    >>> from kuai.nn.attention.flex_attention import create_block_mask
    >>> create_block_mask(lambda b, h, q, k: q >= k, 1, 1, 256, 256, device="cpu").sparsity()
    25.0
    """

    def __init__(self, mask_mod: Callable, sizes: tuple[int, int, int, int], block: tuple[int, int], device: object):
        self.mask_mod, self.shape, self.BLOCK_SIZE, self._device = mask_mod, sizes, block, device
        self.seq_lengths = sizes[2:]

    def _blocks(self) -> Tensor:
        """How many entries of each block are seen."""
        b, h, q, k = self.shape
        rows, columns = self.BLOCK_SIZE
        mask = create_mask(self.mask_mod, b, h, q, k, self._device)
        mask = kuai.nn.functional.pad(mask.long(), (0, -k % columns, 0, -q % rows))
        return mask.unflatten(-2, (-1, rows)).unflatten(-1, (-1, columns)).sum((-3, -1))

    def to_dense(self) -> Tensor:
        """Ones where a block has something to be seen."""
        return (self._blocks() > 0).to(kuai.int32)

    def sparsity(self) -> float:
        """The percentage of entries that lie in no block with something to be seen."""
        rows, columns = self.BLOCK_SIZE
        return 100.0 - 100.0 * int(self.to_dense().sum()) * rows * columns / self.numel()

    def numel(self) -> int:
        """The number of entries of the whole mask."""
        b, h, q, k = self.shape
        return b * h * q * k

    def __repr__(self) -> str:
        return f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%)"


def create_block_mask(mask_mod: Callable, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device: object = None,
                      BLOCK_SIZE: int | tuple[int, int] = _DEFAULT_SPARSE_BLOCK_SIZE, _compile: bool = False) -> BlockMask:  # fmt: skip
    """A mask function for lengths (``torch.nn.attention.flex_attention.create_block_mask``). Its blocks are looked at on request.

    >>> import kuai as torch
    >>> from kuai.nn.attention.flex_attention import create_block_mask
    >>> create_block_mask(lambda b, h, q, k: q >= k, 1, 1, 256, 256, device="cpu")
    BlockMask(shape=(1, 1, 256, 256), sparsity=25.00%)
    """
    block = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else tuple(BLOCK_SIZE)
    return BlockMask(mask_mod, (B or 1, H or 1, Q_LEN, KV_LEN), block, device)  # type: ignore[arg-type]


def flex_attention(query: Tensor, key: Tensor, value: Tensor, score_mod: Callable | None = None,
                   block_mask: BlockMask | None = None, scale: float | None = None, enable_gqa: bool = False,
                   return_lse: bool = False, kernel_options: dict | None = None, *, return_aux: Any = None) -> Any:  # fmt: skip
    """Attention whose scores a function changes, and whose mask another one gives (``torch.nn.attention.flex_attention``).

    query (B, Hq, L, E), key (B, H, S, E), value (B, H, S, Ev); Hq may be a multiple of H with ``enable_gqa``. With
    ``return_lse`` the logarithms of the sums of exponentials of the scores come too, with ``return_aux`` what it asks for.
    ``kernel_options`` are accepted.

    >>> import kuai as torch
    >>> q = torch.randn(1, 2, 3, 4)
    >>> causal = lambda score, b, h, i, j: torch.where(i >= j, score, -float("inf"))
    >>> a = torch.nn.attention.flex_attention.flex_attention(q, q, q, score_mod=causal)
    >>> torch.allclose(a, torch.nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True), atol=1e-6)
    True
    """
    _check(query, key, value, enable_gqa)
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (x.repeat_interleave(groups, 1) for x in (key, value))  # type: ignore[attr-defined]
    scores = (query @ key.transpose(-2, -1)) * (1 / sqrt(query.shape[-1]) if scale is None else scale)
    places = _positions(tuple(scores.shape), query.device)
    if score_mod is not None:
        scores = score_mod(scores, *places)
    if block_mask is not None:
        scores = kuai.where(_seen(block_mask, scores), scores, -float("inf"))
    lse = scores.logsumexp(-1)
    weights = kuai.where(kuai.isneginf(lse).unsqueeze(-1), 0.0, (scores - lse.unsqueeze(-1)).exp())  # what sees nothing gets 0
    out = weights.to(query.dtype) @ value
    if return_aux is not None:
        return out, AuxOutput(lse if return_aux.lse else None, scores.amax(-1) if return_aux.max_scores else None)
    return (out, lse) if return_lse else out


def _seen(mask: BlockMask, scores: Tensor) -> Tensor:
    q, k = scores.shape[-2:]
    if mask.shape[-2] < q or mask.shape[-1] < k:
        raise ValueError(
            f"block_mask was created for block_mask.shape={mask.shape} but got q_len={q} and kv_len={k}. As the block mask was "
            "created for a smaller length than you're using it for, you likely need to create a new block mask."
        )
    return mask.mask_mod(*_positions(tuple(scores.shape), scores.device))


def _check(query: Tensor, key: Tensor, value: Tensor, enable_gqa: bool) -> None:
    if any(x.ndim != 4 for x in (query, key, value)):  # type: ignore[attr-defined]
        raise NotImplementedError("NYI: query, key, and value must be 4D tensors")
    if not query.dtype is key.dtype is value.dtype:
        raise ValueError(
            f"Expected query, key, and value to have the same dtype, but got query.dtype: {query.dtype}, key.dtype: {key.dtype}, "
            f"and value.dtype: {value.dtype} instead."
        )
    heads, others = query.shape[1], key.shape[1]
    if heads != others and not enable_gqa:
        raise ValueError(
            f"Expect query and key/value to have the same number of heads but got Hq={heads} and Hkv={others}. "
            "Try setting enable_gqa=True for GQA."
        )
    if heads % others:
        raise ValueError(f"Expect number of query heads to be a multiple of kv heads for GQA but got Hq={heads} and Hkv={others}.")
