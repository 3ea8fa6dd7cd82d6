"""The parts of a tensor's printed form, for classes that print like tensors (``torch._tensor_str``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .printing import append, body
from .printing import options as PRINT_OPTS  # noqa: F401, N812 (PyTorch's name)
from .printing import set_printoptions as set_printoptions
from .protocol import text
from .tensor import Tensor


def _tensor_str(self: Any, indent: int) -> str:
    """The elements in brackets, as they stand behind ``indent`` characters.

    >>> import kuai as torch
    >>> from kuai._tensor_str import _add_suffixes, _tensor_str
    >>> _add_suffixes("Mine(" + _tensor_str(torch.arange(3), 5), ["size=3"], 5, False)
    'Mine([0, 1, 2], size=3)'
    """
    return body(self._array(), self.dtype, indent) if self.numel() else "[]"


def _add_suffixes(tensor_str: str, suffixes: Sequence[str], indent: int, force_newline: bool) -> str:
    """The values with what is said behind them, each on a new line if it would pass the line's width."""
    return append(tensor_str, suffixes, indent, force_newline)


def _str(self: Tensor, *, tensor_contents: str | None = None) -> str:
    """A tensor's printed form, with other text in the place of its elements if that is given."""
    return text(self, tensor_contents=tensor_contents)


_str_intern = _str
