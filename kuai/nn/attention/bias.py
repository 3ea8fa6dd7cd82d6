"""Causal masks of queries and keys of different lengths (``torch.nn.attention.bias``)."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from ...ops.creation import ones
from ...subclasses import disabled
from ...tensor import Tensor


class CausalVariant(IntEnum):
    """Which corners a causal mask's diagonal joins (``torch.nn.attention.bias.CausalVariant``).

    >>> from kuai.nn.attention.bias import CausalVariant
    >>> CausalVariant.LOWER_RIGHT.value
    2
    """

    UPPER_LEFT = 1
    LOWER_RIGHT = 2


class CausalBias(Tensor):
    """A causal mask, True where a query sees a key (``torch.nn.attention.bias.CausalBias``); made by the two functions below.

    >>> from kuai.nn.attention.bias import CausalBias, CausalVariant
    >>> CausalBias(CausalVariant.UPPER_LEFT, 2, 3)
    tensor([[ True, False, False],
            [ True,  True, False]])
    """

    __torch_function__ = staticmethod(disabled)
    variant: CausalVariant
    seq_len_q: int
    seq_len_kv: int

    def __new__(cls, variant: CausalVariant, seq_len_q: int, seq_len_kv: int) -> CausalBias:
        if not isinstance(variant, CausalVariant):
            raise AssertionError(f"variant must be a CausalVariant, got {type(variant).__name__}")
        diagonal = seq_len_kv - seq_len_q if variant is CausalVariant.LOWER_RIGHT else 0
        mask: Any = ones(seq_len_q, seq_len_kv, dtype=bool).tril(diagonal)  # type: ignore[attr-defined]
        made: Any = Tensor._make_subclass(cls, mask)  # type: ignore[attr-defined]
        made.variant, made.seq_len_q, made.seq_len_kv = variant, seq_len_q, seq_len_kv
        return made

    def __init__(self, variant: CausalVariant, seq_len_q: int, seq_len_kv: int):
        """Done by `__new__`."""

    def __repr__(self) -> str:
        return repr(self.as_subclass(Tensor))


def _lengths(size: tuple) -> tuple[int, int]:
    if len(size) != 2:
        raise AssertionError("causal bias only supports 2D tensors")
    return size


def causal_upper_left(*size: int) -> CausalBias:
    """The mask by which the first query sees the first key (``torch.nn.attention.bias.causal_upper_left``).

    >>> import kuai as torch
    >>> torch.nn.attention.bias.causal_upper_left(2, 3)
    tensor([[ True, False, False],
            [ True,  True, False]])
    """
    return CausalBias(CausalVariant.UPPER_LEFT, *_lengths(size))


def causal_lower_right(*size: int) -> CausalBias:
    """The mask by which the last query sees the last key (``torch.nn.attention.bias.causal_lower_right``).

    >>> import kuai as torch
    >>> torch.nn.attention.bias.causal_lower_right(2, 3)
    tensor([[ True,  True, False],
            [ True,  True,  True]])
    """
    return CausalBias(CausalVariant.LOWER_RIGHT, *_lengths(size))
