"""Recurrent layers (``torch.nn``): RNN, LSTM and GRU over sequences, and the cells that take one step."""

from __future__ import annotations

import numbers
import warnings
from math import sqrt

from ..arguments import NotATensor
from ..ops import rnn
from ..ops.creation import empty
from ..tensor import Tensor
from . import init
from .module import Module
from .parameter import Parameter
from .utils.rnn import PackedSequence

MODES = {"LSTM": ("lstm", 4), "GRU": ("gru", 3), "RNN_TANH": ("tanh", 1), "RNN_RELU": ("relu", 1)}  # kind and gates


def _uniform(module: Module, hidden_size: int) -> None:
    """Draw all parameters uniformly from within 1 / sqrt(hidden_size) of zero."""
    bound = 1 / sqrt(hidden_size) if hidden_size > 0 else 0
    for p in module.parameters():
        init.uniform_(p, -bound, bound)


class RNNBase(Module):
    """What RNN, LSTM and GRU have in common (``torch.nn.RNNBase``).

    >>> import kuai as torch
    >>> torch.nn.RNNBase("GRU", 3, 4).weight_ih_l0.shape
    torch.Size([12, 3])
    """

    mode: str
    _attributes_there = ("_flat_weights_names", "_flat_weights")

    def __init__(self, mode: str, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
                 batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0,
                 device: object = None, dtype: object = None):  # fmt: skip
        super().__init__()
        self.mode, self.input_size, self.hidden_size, self.num_layers = mode, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(_checked_dropout(dropout, num_layers))
        self.bidirectional, self.proj_size = bidirectional, proj_size
        self._check_sizes()
        options = {"device": device, "dtype": dtype}
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            for suffix in ("", "_reverse")[: 1 + bool(bidirectional)]:
                self._add_layer(layer, suffix, options)
        self.reset_parameters()

    def _check_sizes(self) -> None:
        for name, kind in (("bias", bool), ("batch_first", bool), ("input_size", int), ("hidden_size", int)):
            if not isinstance(getattr(self, name), kind):
                raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(getattr(self, name)).__name__}")
        for name in ("input_size", "hidden_size", "num_layers"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be greater than zero")
        if self.proj_size < 0:
            raise ValueError("proj_size should be a positive integer or zero to disable projections")
        if self.proj_size >= self.hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        if self.mode not in MODES:
            raise ValueError(f"Unrecognized RNN mode: {self.mode}")

    def _add_layer(self, layer: int, suffix: str, options: dict) -> None:
        """The parameters of one layer in one direction."""
        gates, outgoing = MODES[self.mode][1] * self.hidden_size, self.proj_size or self.hidden_size
        incoming = self.input_size if layer == 0 else outgoing * (2 if self.bidirectional else 1)
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (gates, incoming), "weight_hh": (gates, outgoing)}
        if self.bias:
            shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        self._all_weights.append([f"{name}_l{layer}{suffix}" for name in shapes])
        for name, shape in zip(self._all_weights[-1], shapes.values()):
            self.register_parameter(name, Parameter(empty(shape, **options)))

    def reset_parameters(self) -> None:
        """Draw all parameters uniformly from within 1 / sqrt(hidden_size) of zero."""
        _uniform(self, self.hidden_size)

    def flatten_parameters(self) -> None:
        """Nothing: parameters need not lie side by side here."""

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Tensor]:
        return [getattr(self, name) for name in self._flat_weights_names]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    # ---- checks ---------------------------------------------------------------------------------------------------------------

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """RuntimeError for an input whose last dimension is not input_size."""
        d = self._flat_weights[0].dtype
        if input.dtype is not d:
            raise ValueError(f"RNN input dtype ({input.dtype}) does not match weight dtype ({d}). Convert input: input.to({d}), or "
                             f"convert model: model.to({input.dtype})")  # fmt: skip
        if self.input_size != input.shape[-1]:
            raise RuntimeError(f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.shape[-1]}")

    def get_expected_hidden_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """The shape that h has to have."""
        if batch_sizes is not None:
            batch = int(batch_sizes._array()[0])
        else:
            batch = input.shape[0] if self.batch_first else input.shape[1]
        return (self.num_layers * (2 if self.bidirectional else 1), batch, self.proj_size or self.hidden_size)

    def check_hidden_size(self, hx: Tensor, expected_hidden_size: tuple[int, int, int],
                          msg: str = "Expected hidden size {}, got {}") -> None:  # fmt: skip
        """RuntimeError for a state of another shape."""
        if tuple(hx.shape) != expected_hidden_size:
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.shape)))

    def check_forward_args(self, input: Tensor, hidden: Tensor, batch_sizes: Tensor | None) -> None:
        """RuntimeError for an input and a state that do not fit."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx: Tensor, permutation: Tensor | None) -> Tensor:
        """A state with its batch in another order."""
        return hx if permutation is None else hx.index_select(1, permutation)

    # ---- forward --------------------------------------------------------------------------------------------------------------

    def _network(self) -> rnn.Network:
        drop = self.dropout if self.training else 0.0
        return rnn.Network(MODES[self.mode][0], self.num_layers, self.bidirectional, drop)

    def _states(self, hx: Tensor | None) -> tuple[Tensor | None, ...]:
        return (hx,)

    def _hidden(self, states: tuple[Tensor, ...]):
        return states[0]

    def _check_ranks(self, input: Tensor, hx: Tensor | None) -> None:
        if hx is not None and hx.ndim != input.ndim:
            kind = "batched 3-D" if input.ndim == 3 else "unbatched 2-D"
            raise RuntimeError(f"For {kind} input, hx should also be {input.ndim}-D but got {hx.ndim}-D tensor")

    def forward(self, input, hx=None):
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        if input.ndim not in (2, 3):
            raise ValueError(f"{self._get_name()}: Expected input to be 2D or 3D, got {input.ndim}D instead")
        self._check_ranks(input, hx)
        if input.ndim == 2:
            return self._forward_unbatched(input, hx)
        if hx is not None:
            self.check_forward_args(input, hx, None)
        else:
            self.check_input(input, None)
        y, last = rnn.run_padded(self._network(), input, self._states(hx), self._flat_weights, self.bias, self.batch_first)
        return y, self._hidden(last)

    def _forward_unbatched(self, input: Tensor, hx):
        axis = 0 if self.batch_first else 1
        states = self._states(hx)
        hx = None if hx is None else self._hidden(tuple(s.unsqueeze(1) for s in states))  # type: ignore[union-attr]
        y, last = RNNBase.forward(self, input.unsqueeze(axis), hx)
        return y.squeeze(axis), self._hidden(tuple(s.squeeze(1) for s in self._states(last)))  # type: ignore[union-attr]

    def _forward_packed(self, input: PackedSequence, hx):
        data, batch_sizes, order, back = input
        if hx is not None:
            hx = self.permute_hidden(hx, order)
            self.check_forward_args(data, hx, batch_sizes)
        else:
            self.check_input(data, batch_sizes)
        y, last = rnn.run_packed(self._network(), data, batch_sizes, self._states(hx), self._flat_weights, self.bias)
        return PackedSequence(y, batch_sizes, order, back), self.permute_hidden(self._hidden(last), back)

    def extra_repr(self) -> str:
        usual = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0, "bidirectional": False}
        changed = [f"{name}={getattr(self, name)}" for name, value in usual.items() if getattr(self, name) != value]
        return ", ".join([str(self.input_size), str(self.hidden_size), *changed])


def _checked_dropout(dropout: float, num_layers: int) -> float:
    if not isinstance(dropout, numbers.Number) or not 0 <= dropout <= 1 or isinstance(dropout, bool):
        raise ValueError("dropout should be a number in range [0, 1] representing the probability of an element being zeroed")
    if dropout > 0 and num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers greater "
            f"than 1, but got dropout={dropout} and num_layers={num_layers}",
            stacklevel=4,
        )
    return dropout


class RNN(RNNBase):
    """Elman's recurrent network: ``h' = tanh(W x + U h + b)``.

    >>> import kuai as torch
    >>> layer = torch.nn.RNN(10, 20, num_layers=2)
    >>> y, h = layer(torch.randn(5, 3, 10)); y.shape, h.shape
    (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh", bias: bool = True,
                 batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, device: object = None,
                 dtype: object = None, **unsupported: object):  # fmt: skip
        _refuse_projection(unsupported)
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(f"RNN_{nonlinearity.upper()}", input_size, hidden_size, num_layers, bias, batch_first, dropout,
                         bidirectional, 0, device, dtype)  # fmt: skip
        self.nonlinearity = nonlinearity


class GRU(RNNBase):
    """A recurrent network with gates for what to forget and what to take.

    >>> import kuai as torch
    >>> layer = torch.nn.GRU(10, 20, batch_first=True, bidirectional=True)
    >>> y, h = layer(torch.randn(3, 5, 10)); y.shape, h.shape
    (torch.Size([3, 5, 40]), torch.Size([2, 3, 20]))
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
                 dropout: float = 0.0, bidirectional: bool = False, device: object = None, dtype: object = None,
                 **unsupported: object):  # fmt: skip
        _refuse_projection(unsupported)
        super().__init__("GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device,
                         dtype)  # fmt: skip


def _refuse_projection(given: dict) -> None:
    if "proj_size" in given:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
    if given:
        raise TypeError(f"got an unexpected keyword argument {next(iter(given))!r}")


class LSTM(RNNBase):
    """A recurrent network with an inner state behind gates: it keeps what is long ago.

    >>> import kuai as torch
    >>> layer = torch.nn.LSTM(10, 20, num_layers=2)
    >>> y, (h, c) = layer(torch.randn(5, 3, 10)); y.shape, c.shape
    (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
                 dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0, device: object = None,
                 dtype: object = None):  # fmt: skip
        super().__init__("LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size,
                         device, dtype)  # fmt: skip

    def _states(self, hx):
        return (None, None) if hx is None else tuple(hx)

    def _hidden(self, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(states)

    def _check_ranks(self, input: Tensor, hx) -> None:
        if hx is not None and (hx[0].ndim != input.ndim or hx[1].ndim != input.ndim):
            kind = "batched 3-D" if input.ndim == 3 else "unbatched 2-D"
            raise RuntimeError(f"For {kind} input, hx and cx should also be {input.ndim}-D but got ({hx[0].ndim}-D, "
                               f"{hx[1].ndim}-D) tensors")  # fmt: skip

    def get_expected_cell_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """The shape that c has to have."""
        layers, batch, _ = self.get_expected_hidden_size(input, batch_sizes)
        return (layers, batch, self.hidden_size)

    def check_forward_args(self, input: Tensor, hidden, batch_sizes: Tensor | None) -> None:
        """RuntimeError for an input and states that do not fit."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden[0], self.get_expected_hidden_size(input, batch_sizes),
                               "Expected hidden[0] size {}, got {}")  # fmt: skip
        self.check_hidden_size(hidden[1], self.get_expected_cell_size(input, batch_sizes), "Expected hidden[1] size {}, got {}")

    def permute_hidden(self, hx, permutation: Tensor | None):
        """Both states with their batch in another order."""
        return hx if permutation is None else tuple(h.index_select(1, permutation) for h in hx)


# ---- cells -----------------------------------------------------------------------------------------------------------


class RNNCellBase(Module):
    """What the cells have in common (``torch.nn.RNNCellBase``)."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: object = None,
                 dtype: object = None):  # fmt: skip
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        options, rows = {"device": device, "dtype": dtype}, num_chunks * hidden_size
        self.weight_ih = Parameter(empty((rows, input_size), **options))
        self.weight_hh = Parameter(empty((rows, hidden_size), **options))
        self.register_parameter("bias_ih", Parameter(empty(rows, **options)) if bias else None)
        self.register_parameter("bias_hh", Parameter(empty(rows, **options)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters uniformly from within 1 / sqrt(hidden_size) of zero."""
        _uniform(self, self.hidden_size)

    def _check_ranks(self, input: Tensor, *states: Tensor | None) -> None:
        name = self._get_name()
        if input.ndim not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.ndim}D instead")
        for i, s in enumerate(states):
            if s is not None and s.ndim not in (1, 2):
                raise ValueError(f"{name}: Expected hx[{i}] to be 1D or 2D, got {s.ndim}D instead")

    def _step(self, kind: str, input: Tensor, *states: Tensor | None) -> tuple[Tensor, ...]:
        """The new states; an input without a batch is a batch of one."""
        self._check_ranks(input, *states)
        weights = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        if input.ndim == 2:
            return rnn.step(kind, input, states, *weights)
        states = tuple(s if s is None else s.unsqueeze(0) for s in states)
        return tuple(s.squeeze(0) for s in rnn.step(kind, input.unsqueeze(0), states, *weights))

    def extra_repr(self) -> str:
        shown = f"{self.input_size}, {self.hidden_size}" + ("" if self.bias is True else f", bias={self.bias}")
        act = getattr(self, "nonlinearity", "tanh")
        return shown if act == "tanh" else f"{shown}, nonlinearity={act}"


class RNNCell(RNNCellBase):
    """One step of Elman's network.

    >>> import kuai as torch
    >>> torch.nn.RNNCell(10, 20)(torch.randn(3, 10)).shape
    torch.Size([3, 20])
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh",
                 device: object = None, dtype: object = None):  # fmt: skip
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return self._step(self.nonlinearity, input, hx)[0]


class LSTMCell(RNNCellBase):
    """One step of an LSTM.

    >>> import kuai as torch
    >>> h, c = torch.nn.LSTMCell(10, 20)(torch.randn(3, 10)); h.shape
    torch.Size([3, 20])
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: object = None, dtype: object = None):
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        h, c = (None, None) if hx is None else hx
        if (h is None) is not (c is None):
            raise NotATensor("LSTMCell: hx must be a pair of Tensors, or None; got None for one of them")
        return self._step("lstm", input, h, c)  # type: ignore[return-value]


class GRUCell(RNNCellBase):
    """One step of a GRU.

    >>> import kuai as torch
    >>> torch.nn.GRUCell(10, 20)(torch.randn(3, 10)).shape
    torch.Size([3, 20])
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: object = None, dtype: object = None):
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step("gru", input, hx)[0]
