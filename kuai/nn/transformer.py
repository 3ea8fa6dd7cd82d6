"""Transformers: encoder, decoder, their layers, and the two together (``torch.nn``)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from math import inf
from typing import Any

from .. import dtypes
from ..engine.trace import current
from ..ops.creation import full
from ..subclasses import plain
from ..tensor import Tensor
from . import functional as F
from . import init
from .activations import GELU, ReLU
from .containers import ModuleList
from .dropout import Dropout
from .functions.attention import added_mask
from .linear import Linear
from .module import Module
from .multihead import MultiheadAttention
from .normalization import LayerNorm

Activation = str | Callable[[Tensor], Tensor]


def _activation(given: Activation) -> Callable[[Tensor], Tensor]:
    if not isinstance(given, str):
        return given
    if given not in ("relu", "gelu"):
        raise RuntimeError(f"activation should be relu/gelu, not {given}")
    return F.relu if given == "relu" else F.gelu


def _is_causal(hint: bool | None) -> bool:
    """Without a hint the mask itself is applied: to look whether it is causal would mean to compute what was recorded."""
    return hint is True


class _Layer(Module):
    """What layers of encoders and decoders have in common: attentions and a feed-forward net, each with a norm and dropout."""

    activation: Callable[[Tensor], Tensor]

    def _add_rest(self, parts: int, d_model: int, dim_feedforward: int, dropout: float, activation: Activation,
                  layer_norm_eps: float, norm_first: bool, bias: bool, options: dict) -> None:  # fmt: skip
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **options)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **options)
        self.norm_first = norm_first
        for i in range(1, parts + 1):
            setattr(self, f"norm{i}", LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **options))
        for i in range(1, parts + 1):
            setattr(self, f"dropout{i}", Dropout(dropout))
        self.activation = _activation(activation)

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("activation", F.relu)

    def _part(self, x: Tensor, norm: Module, block: Callable[[Tensor], Tensor]) -> Tensor:
        """x and what a block makes of it, normalized before the block or after the sum."""
        return x + block(norm(x)) if self.norm_first else norm(x + block(x))

    def _attention(self, layer: MultiheadAttention, dropout: Module, x: Tensor, memory: Tensor, mask: Tensor | None,
                   padding: Tensor | None, causal: bool) -> Tensor:  # fmt: skip
        made = layer(x, memory, memory, attn_mask=mask, key_padding_mask=padding, is_causal=causal, need_weights=False)[0]
        return dropout(made)

    def _feed(self, x: Tensor, dropout: Module) -> Tensor:
        return dropout(self.linear2(self.dropout(self.activation(self.linear1(x)))))


_get_activation_fn = _activation  # PyTorch's name, which programs import


class TransformerEncoderLayer(_Layer):
    """Self-attention and a feed-forward net.

    >>> import kuai as torch
    >>> layer = torch.nn.TransformerEncoderLayer(d_model=16, nhead=4, batch_first=True)
    >>> layer(torch.rand(2, 10, 16)).shape
    torch.Size([2, 10, 16])
    """

    _attributes_there = ("activation_relu_or_gelu",)

    def __init__(self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1,
                 activation: Activation = F.relu, layer_norm_eps: float = 1e-5, batch_first: bool = False,
                 norm_first: bool = False, bias: bool = True, device: object = None, dtype: object = None):  # fmt: skip
        super().__init__()
        options: Any = {"device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout=dropout, bias=bias, batch_first=batch_first, **options)
        self._add_rest(2, d_model, dim_feedforward, dropout, activation, layer_norm_eps, norm_first, bias, options)

    @property
    def activation_relu_or_gelu(self) -> int:
        """1 for relu, 2 for gelu, 0 for another activation."""
        for number, function, kind in ((1, F.relu, ReLU), (2, F.gelu, GELU)):
            if plain(self.activation) is plain(function) or isinstance(self.activation, kind):
                return number
        return 0

    def forward(self, src: Tensor, src_mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None,
                is_causal: bool = False) -> Tensor:  # fmt: skip
        padding = added_mask(src_key_padding_mask, "src_key_padding_mask", src_mask, "src_mask", src.dtype)
        mask = added_mask(src_mask, "src_mask", None, "", src.dtype)
        x = self._part(src, self.norm1,
                       lambda x: self._attention(self.self_attn, self.dropout1, x, x, mask, padding, is_causal))  # fmt: skip
        return self._part(x, self.norm2, lambda x: self._feed(x, self.dropout2))


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to what an encoder gives (the memory), and a feed-forward net.

    >>> import kuai as torch
    >>> layer = torch.nn.TransformerDecoderLayer(d_model=16, nhead=4, batch_first=True)
    >>> layer(torch.rand(2, 7, 16), torch.rand(2, 10, 16)).shape
    torch.Size([2, 7, 16])
    """

    def __init__(self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1,
                 activation: Activation = F.relu, layer_norm_eps: float = 1e-5, batch_first: bool = False,
                 norm_first: bool = False, bias: bool = True, device: object = None, dtype: object = None):  # fmt: skip
        super().__init__()
        options: Any = {"device": device, "dtype": dtype}
        for name in ("self_attn", "multihead_attn"):
            setattr(self, name, MultiheadAttention(d_model, nhead, dropout=dropout, bias=bias, batch_first=batch_first, **options))
        self._add_rest(3, d_model, dim_feedforward, dropout, activation, layer_norm_eps, norm_first, bias, options)

    def forward(self, tgt: Tensor, memory: Tensor, tgt_mask: Tensor | None = None, memory_mask: Tensor | None = None,
                tgt_key_padding_mask: Tensor | None = None, memory_key_padding_mask: Tensor | None = None,
                tgt_is_causal: bool = False, memory_is_causal: bool = False) -> Tensor:  # fmt: skip
        x = self._part(tgt, self.norm1, lambda x: self._attention(
            self.self_attn, self.dropout1, x, x, tgt_mask, tgt_key_padding_mask, tgt_is_causal))  # fmt: skip
        x = self._part(x, self.norm2, lambda x: self._attention(
            self.multihead_attn, self.dropout2, x, memory, memory_mask, memory_key_padding_mask, memory_is_causal))  # fmt: skip
        return self._part(x, self.norm3, lambda x: self._feed(x, self.dropout3))


def _copies(layer: Module, n: int) -> ModuleList:
    return ModuleList([copy.deepcopy(layer) for _ in range(n)])


class TransformerEncoder(Module):
    """A stack of equal encoder layers, and a norm after it if one is given.

    >>> import kuai as torch
    >>> layer = torch.nn.TransformerEncoderLayer(d_model=16, nhead=4, batch_first=True)
    >>> torch.nn.TransformerEncoder(layer, num_layers=2)(torch.rand(2, 10, 16)).shape
    torch.Size([2, 10, 16])
    """

    _attributes_there = ("use_nested_tensor",)

    def __init__(self, encoder_layer: TransformerEncoderLayer, num_layers: int, norm: Module | None = None,
                 enable_nested_tensor: bool = True, mask_check: bool = True):  # fmt: skip
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check

    def forward(self, src: Tensor, mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None,
                is_causal: bool | None = None) -> Tensor:  # fmt: skip
        padding = added_mask(src_key_padding_mask, "src_key_padding_mask", mask, "mask", src.dtype)
        mask = added_mask(mask, "mask", None, "", src.dtype)
        x = src
        for layer in self.layers:
            x = layer(x, src_mask=mask, is_causal=_is_causal(is_causal), src_key_padding_mask=padding)
        if self._drops_padding(src, src_key_padding_mask):
            x = _without_padding(x, src_key_padding_mask)  # type: ignore[arg-type]
        return x if self.norm is None else self.norm(x)

    def _drops_padding(self, src: Tensor, padding: Tensor | None) -> bool:
        """Whether PyTorch would leave out the padding here, which becomes zeros then: in inference, layer by layer in a row."""
        if padding is None or padding.dtype is not dtypes.bool_ or src.ndim != 3 or not self.use_nested_tensor:
            return False
        if self.training or self.layers[0].training:
            return False
        return not (current.grad and (src.requires_grad or any(p.requires_grad for p in self.parameters())))

    @property
    def use_nested_tensor(self) -> bool:
        """Whether PyTorch would leave out padding with layers such as these."""
        first: Any = self.layers[0] if len(self.layers) else None
        if not self.enable_nested_tensor or not isinstance(first, TransformerEncoderLayer) or first.norm_first:
            return False
        attention = first.self_attn
        fits = attention.batch_first and attention._qkv_same_embed_dim and not attention.num_heads % 2
        return fits and bool(first.activation_relu_or_gelu) and attention.in_proj_bias is not None


def _without_padding(x: Tensor, padding: Tensor) -> Tensor:
    """Zeros for the padding, if in each row it is all at the end."""
    at_end = (padding[:, 1:] | ~padding[:, :-1]).all()
    return x.masked_fill((padding & at_end).unsqueeze(-1), 0)


class TransformerDecoder(Module):
    """A stack of equal decoder layers, and a norm after it if one is given.

    >>> import kuai as torch
    >>> layer = torch.nn.TransformerDecoderLayer(d_model=16, nhead=4, batch_first=True)
    >>> torch.nn.TransformerDecoder(layer, num_layers=2)(torch.rand(2, 7, 16), torch.rand(2, 10, 16)).shape
    torch.Size([2, 7, 16])
    """

    def __init__(self, decoder_layer: TransformerDecoderLayer, num_layers: int, norm: Module | None = None):
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm

    def forward(self, tgt: Tensor, memory: Tensor, tgt_mask: Tensor | None = None, memory_mask: Tensor | None = None,
                tgt_key_padding_mask: Tensor | None = None, memory_key_padding_mask: Tensor | None = None,
                tgt_is_causal: bool | None = None, memory_is_causal: bool = False) -> Tensor:  # fmt: skip
        x = tgt
        for layer in self.layers:
            x = layer(x, memory, tgt_mask=tgt_mask, memory_mask=memory_mask, tgt_key_padding_mask=tgt_key_padding_mask,
                      memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=_is_causal(tgt_is_causal),
                      memory_is_causal=memory_is_causal)  # fmt: skip
        return x if self.norm is None else self.norm(x)


class Transformer(Module):
    """An encoder and a decoder, as in "Attention is all you need".

    >>> import kuai as torch
    >>> net = torch.nn.Transformer(16, 4, num_encoder_layers=1, num_decoder_layers=1, batch_first=True)
    >>> net(torch.rand(2, 10, 16), torch.rand(2, 7, 16)).shape
    torch.Size([2, 7, 16])
    """

    def __init__(self, d_model: int = 512, nhead: int = 8, num_encoder_layers: int = 6, num_decoder_layers: int = 6,
                 dim_feedforward: int = 2048, dropout: float = 0.1, activation: Activation = F.relu,
                 custom_encoder: Module | None = None, custom_decoder: Module | None = None, layer_norm_eps: float = 1e-5,
                 batch_first: bool = False, norm_first: bool = False, bias: bool = True, device: object = None,
                 dtype: object = None):  # fmt: skip
        super().__init__()
        options: Any = {"device": device, "dtype": dtype}
        form = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)

        def norm() -> LayerNorm:
            return LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **options)

        self.encoder = custom_encoder
        if custom_encoder is None:
            self.encoder = TransformerEncoder(TransformerEncoderLayer(*form, **options), num_encoder_layers, norm())
        self.decoder = custom_decoder
        if custom_decoder is None:
            self.decoder = TransformerDecoder(TransformerDecoderLayer(*form, **options), num_decoder_layers, norm())
        self._reset_parameters()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def _reset_parameters(self) -> None:
        """Draw all matrices as Glorot and Bengio say."""
        for p in self.parameters():
            if p.ndim > 1:
                init.xavier_uniform_(p)

    def forward(self, src: Tensor, tgt: Tensor, src_mask: Tensor | None = None, tgt_mask: Tensor | None = None,
                memory_mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None,
                tgt_key_padding_mask: Tensor | None = None, memory_key_padding_mask: Tensor | None = None,
                src_is_causal: bool | None = None, tgt_is_causal: bool | None = None,
                memory_is_causal: bool = False) -> Tensor:  # fmt: skip
        axis = 0 if self.batch_first else 1
        if src.ndim == 3 and src.shape[axis] != tgt.shape[axis]:
            raise RuntimeError(f"the batch number of src and tgt must be equal, got {src.shape[axis]} and {tgt.shape[axis]}")
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError(f"the feature number of src and tgt must be equal to d_model, got {src.shape[-1]}, "
                               f"{tgt.shape[-1]} and {self.d_model}")  # fmt: skip
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask,
                            tgt_key_padding_mask=tgt_key_padding_mask, memory_key_padding_mask=memory_key_padding_mask,
                            tgt_is_causal=tgt_is_causal, memory_is_causal=memory_is_causal)  # fmt: skip

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: object = None, dtype: object = None) -> Tensor:
        """The mask that is added so that each place sees only those up to itself.

        >>> import kuai as torch
        >>> torch.nn.Transformer.generate_square_subsequent_mask(2)
        tensor([[0., -inf],
                [0., 0.]])
        """
        return full((sz, sz), -inf, device=device, dtype=dtype).triu(1)
