"""Embedding layers (``torch.nn``): tables whose rows are looked up by index."""

from __future__ import annotations

from ..autograd.modes import no_grad
from ..ops.creation import empty
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter


def _padding_row(padding_idx: int | None, rows: int) -> int | None:
    """The padding row's number counted from the front."""
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise AssertionError("padding_idx must be within num_embeddings")
    return padding_idx % rows


class _Table(Module):
    """What both kinds of embedding have in common: the table, its first values, its printed arguments."""

    weight: Tensor

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None, weight: Tensor | None,
                 freeze: bool, device: object, dtype: object):  # fmt: skip
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = _padding_row(padding_idx, num_embeddings)
        if weight is None:
            made = empty(num_embeddings, embedding_dim, device=device, dtype=dtype)
            self.weight = Parameter(made, requires_grad=not freeze)
            self.reset_parameters()
        else:
            if list(weight.shape) != [num_embeddings, embedding_dim]:
                raise AssertionError("Shape of weight does not match num_embeddings and embedding_dim")
            self.weight = Parameter(weight, requires_grad=not freeze)

    def reset_parameters(self) -> None:
        """Draw standard normal rows; the padding row is zero."""
        init.normal_(self.weight)
        self._fill_padding_idx_with_zero()

    def _fill_padding_idx_with_zero(self) -> None:
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].fill_(0)

    @classmethod
    def _from_table(cls, embeddings: Tensor, freeze: bool, **arguments: object) -> _Table:
        if embeddings.ndim != 2:
            raise AssertionError("Embeddings parameter is expected to be 2-dimensional")
        rows, columns = embeddings.shape
        made = cls(rows, columns, _weight=embeddings, **arguments)  # type: ignore[call-arg, arg-type]
        made.weight.requires_grad = not freeze  # type: ignore[attr-defined]
        return made

    def _shown(self, *others: str) -> str:
        """The arguments that are not as they are by default."""
        parts = [str(self.num_embeddings), str(self.embedding_dim), *others]
        return ", ".join(p for p in parts if p)

    def _if_not(self, name: str, default: object) -> str:
        value = getattr(self, name)
        return "" if value == default else f"{name}={value}"


class Embedding(_Table):
    """A table of vectors, looked up by index.

    >>> import kuai as torch
    >>> layer = torch.nn.Embedding(10, 3, padding_idx=0)
    >>> layer(torch.tensor([[1, 2], [0, 4]])).shape
    torch.Size([2, 2, 3])
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None,
                 max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
                 sparse: bool = False, _weight: Tensor | None = None, _freeze: bool = False, device: object = None,
                 dtype: object = None):  # fmt: skip
        super().__init__(num_embeddings, embedding_dim, padding_idx, _weight, _freeze, device, dtype)
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(input, self.weight, self.padding_idx, self.max_norm, self.norm_type,
                           self.scale_grad_by_freq, self.sparse)  # fmt: skip

    def extra_repr(self) -> str:
        return self._shown(
            self._if_not("padding_idx", None), self._if_not("max_norm", None), self._if_not("norm_type", 2),
            self._if_not("scale_grad_by_freq", False), "sparse=True" if self.sparse else "",
        )  # fmt: skip

    @classmethod
    def from_pretrained(cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None,
                        max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
                        sparse: bool = False) -> Embedding:  # fmt: skip
        """An embedding with a given table, which is not trained further unless ``freeze=False``.

        >>> import kuai as torch
        >>> torch.nn.Embedding.from_pretrained(torch.tensor([[1., 2.], [3., 4.]]))(torch.tensor(1))
        tensor([3., 4.])
        """
        return cls._from_table(embeddings, freeze, padding_idx=padding_idx, max_norm=max_norm, norm_type=norm_type,
                               scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)  # type: ignore[return-value] # fmt: skip


class EmbeddingBag(_Table):
    """Sums, means or maxima of the rows of bags of indices.

    >>> import kuai as torch
    >>> layer = torch.nn.EmbeddingBag(10, 3, mode="sum")
    >>> layer(torch.tensor([1, 2, 4, 5]), torch.tensor([0, 3])).shape
    torch.Size([2, 3])
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, max_norm: float | None = None, norm_type: float = 2.0,
                 scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False,
                 _weight: Tensor | None = None, include_last_offset: bool = False, padding_idx: int | None = None,
                 device: object = None, dtype: object = None):  # fmt: skip
        super().__init__(num_embeddings, embedding_dim, padding_idx, _weight, False, device, dtype)
        self.max_norm, self.norm_type, self.scale_grad_by_freq = max_norm, norm_type, scale_grad_by_freq
        self.mode, self.sparse, self.include_last_offset = mode, sparse, include_last_offset

    def forward(self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        return F.embedding_bag(input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq,
                               self.mode, self.sparse, per_sample_weights, self.include_last_offset,
                               self.padding_idx)  # fmt: skip

    def extra_repr(self) -> str:
        return self._shown(
            self._if_not("max_norm", None), self._if_not("norm_type", 2), self._if_not("scale_grad_by_freq", False),
            f"mode={self.mode!r}", self._if_not("padding_idx", None),
        )  # fmt: skip

    @classmethod
    def from_pretrained(cls, embeddings: Tensor, freeze: bool = True, max_norm: float | None = None,
                        norm_type: float = 2.0, scale_grad_by_freq: bool = False, mode: str = "mean",
                        sparse: bool = False, include_last_offset: bool = False,
                        padding_idx: int | None = None) -> EmbeddingBag:  # fmt: skip
        """Bags of a given table, which is not trained further unless ``freeze=False``.

        >>> import kuai as torch
        >>> table = torch.tensor([[1., 2.], [3., 4.]])
        >>> torch.nn.EmbeddingBag.from_pretrained(table)(torch.tensor([[0, 1]]))
        tensor([[2., 3.]])
        """
        return cls._from_table(embeddings, freeze, max_norm=max_norm, norm_type=norm_type, mode=mode, sparse=sparse,
                               scale_grad_by_freq=scale_grad_by_freq, include_last_offset=include_last_offset,
                               padding_idx=padding_idx)  # type: ignore[return-value] # fmt: skip
