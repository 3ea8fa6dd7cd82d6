"""Recurrent networks of several layers and directions, over padded batches and over packed ones; and single steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..devices import device
from ..tensor import Tensor, from_array
from .dropout import dropout
from .joining import cat, stack
from .recurrent import CELLS, layer


class Network(NamedTuple):
    """What is fixed about a recurrent network."""

    kind: str
    layers: int
    bidirectional: bool
    dropout: float  # of what goes from layer to layer; 0 if it is not training

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1


def _slots(params: Sequence[Tensor], has_biases: bool, count: int) -> list[tuple]:
    """The parameters of each layer and direction as (w_ih, w_hh, b_ih, b_hh, w_hr), None for what is absent."""
    each = len(params) // count
    found = []
    for i in range(count):
        w_ih, w_hh, *rest = params[i * each : (i + 1) * each]
        biases, rest = (rest[:2], rest[2:]) if has_biases else ((None, None), rest)
        found.append((w_ih, w_hh, *biases, rest[0] if rest else None))
    return found


def run(net: Network, x: Tensor, states: Sequence[Tensor | None], slots: list[tuple], alive: Tensor | None,
        between: Callable[[Tensor], Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:  # fmt: skip
    """All layers over (steps, batch, features); gives what goes out of the last, and the last states of all."""
    last: list[tuple] = []
    for i in range(net.layers):
        outs = []
        for d in range(net.directions):
            n = i * net.directions + d
            first = [None if s is None else s[n] for s in states] + [None] * (2 - len(states))
            y, *final = layer(x, *first, slots[n], alive, net.kind, bool(d))
            outs.append(y)
            last.append(tuple(final))
        x = outs[0] if len(outs) == 1 else cat(outs, -1)
        if net.dropout and i < net.layers - 1:
            x = between(x)
    return x, tuple(stack(parts) for parts in zip(*last))


class Packing:
    """How the rows of packed data lie in a padded batch."""

    def __init__(self, batch_sizes: Tensor, where: device):
        sizes = batch_sizes._array()
        self.steps, self.batch = len(sizes), int(sizes[0])
        alive = np.arange(self.batch) < sizes[:, None]
        rows = np.where(alive, (np.cumsum(sizes) - sizes)[:, None] + np.arange(self.batch), 0)
        self.rows, self.places, self.alive = (
            from_array(a, where) for a in (rows.ravel(), np.flatnonzero(alive), alive[..., None])
        )

    def pad(self, data: Tensor) -> Tensor:
        """Packed rows as (steps, batch, features); what is behind a sequence's end is of no meaning."""
        return data.index_select(0, self.rows).view(self.steps, self.batch, data.shape[-1])

    def pack(self, x: Tensor) -> Tensor:
        """The rows of a padded batch that are within sequences."""
        return x.reshape(self.steps * self.batch, x.shape[-1]).index_select(0, self.places)


def run_padded(net: Network, x: Tensor, states: Sequence, params: Sequence[Tensor], has_biases: bool,
               batch_first: bool) -> tuple[Tensor, tuple]:  # fmt: skip
    """A network over a batch of sequences of one length."""
    slots = _slots(params, has_biases, net.layers * net.directions)
    x = x.transpose(0, 1) if batch_first else x
    y, last = run(net, x, states, slots, None, lambda x: dropout(x, net.dropout, True))
    return (y.transpose(0, 1) if batch_first else y), last


def run_packed(net: Network, data: Tensor, batch_sizes: Tensor, states: Sequence, params: Sequence[Tensor],
               has_biases: bool) -> tuple[Tensor, tuple]:  # fmt: skip
    """A network over packed sequences."""
    slots, packing = _slots(params, has_biases, net.layers * net.directions), Packing(batch_sizes, data.device)

    def between(x: Tensor) -> Tensor:
        return packing.pad(dropout(packing.pack(x), net.dropout, True))

    y, last = run(net, packing.pad(data), states, slots, packing.alive, between)
    return packing.pack(y), last


# ---- PyTorch's functions ---------------------------------------------------------------------------------------------


def _general(kind: str, args: tuple) -> tuple[Tensor, ...]:
    """Both forms: (input, hx, params, …, batch_first) and (data, batch_sizes, hx, params, …)."""
    packed = isinstance(args[3], (list, tuple))
    x, hx, params, has_biases, layers, drop, train, bidirectional, *batch_first = (args[0], *args[2:]) if packed else args
    net = Network(kind, layers, bidirectional, drop if train else 0.0)
    states = tuple(hx) if kind == "lstm" else (hx,)
    if packed:
        y, last = run_packed(net, x, args[1], states, params, has_biases)
    else:
        y, last = run_padded(net, x, states, params, has_biases, batch_first[0])
    return (y, *last)


def lstm(*args) -> tuple[Tensor, Tensor, Tensor]:
    """An LSTM network: ``(input, (h, c), params, has_biases, num_layers, dropout, train, bidirectional, batch_first)``, or
    for packed sequences ``(data, batch_sizes, (h, c), params, …)`` (``torch.lstm``).

    >>> import kuai as torch
    >>> params = [torch.ones(8, 3), torch.ones(8, 2)]
    >>> y, h, c = torch.lstm(torch.ones(4, 1, 3), (torch.zeros(1, 1, 2),) * 2, params, False, 1, 0.0, False, False, False)
    >>> y.shape
    torch.Size([4, 1, 2])
    """
    return _general("lstm", args)


def gru(*args) -> tuple[Tensor, Tensor]:
    """A GRU network; arguments as `lstm`'s, with h for (h, c) (``torch.gru``).

    >>> import kuai as torch
    >>> params = [torch.ones(6, 3), torch.ones(6, 2)]
    >>> y, h = torch.gru(torch.ones(4, 1, 3), torch.zeros(1, 1, 2), params, False, 1, 0.0, False, False, False)
    >>> y.shape
    torch.Size([4, 1, 2])
    """
    return _general("gru", args)


def rnn_tanh(*args) -> tuple[Tensor, Tensor]:
    """Elman's network with tanh; arguments as `lstm`'s, with h for (h, c) (``torch.rnn_tanh``).

    >>> import kuai as torch
    >>> params = [torch.ones(2, 3), torch.ones(2, 2)]
    >>> y, h = torch.rnn_tanh(torch.ones(4, 1, 3), torch.zeros(1, 1, 2), params, False, 1, 0.0, False, False, False)
    >>> h
    tensor([[[0.9999, 0.9999]]])
    """
    return _general("tanh", args)


def rnn_relu(*args) -> tuple[Tensor, Tensor]:
    """Elman's network with ReLU; arguments as `lstm`'s, with h for (h, c) (``torch.rnn_relu``).

    >>> import kuai as torch
    >>> params = [torch.ones(2, 3), torch.ones(2, 2)]
    >>> y, h = torch.rnn_relu(torch.ones(2, 1, 3), torch.zeros(1, 1, 2), params, False, 1, 0.0, False, False, False)
    >>> h
    tensor([[[9., 9.]]])
    """
    return _general("relu", args)


def step(kind: str, x: Tensor, states: Sequence[Tensor | None], w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None,
         b_hh: Tensor | None) -> tuple[Tensor, ...]:  # fmt: skip
    """One step of a batch (batch, features)."""
    _check_step(x, states, w_ih, w_hh)
    first = [*states, None][:2]
    return layer(x.unsqueeze(0), *first, (w_ih, w_hh, b_ih, b_hh, None), None, kind, False)[1 : 1 + CELLS[kind].states]


def _check_step(x: Tensor, states: Sequence[Tensor | None], w_ih: Tensor, w_hh: Tensor) -> None:
    if x.shape[-1] != w_ih.shape[1]:
        raise RuntimeError(f"input has inconsistent input_size: got {x.shape[-1]} expected {w_ih.shape[1]}")
    for i, s in enumerate(states):
        if s is not None and s.shape[0] != x.shape[0]:
            raise RuntimeError(f"Input batch size {x.shape[0]} doesn't match hidden{i} batch size {s.shape[0]}")
        if s is not None and s.shape[1] != w_hh.shape[1]:
            raise RuntimeError(f"hidden{i} has inconsistent hidden_size: got {s.shape[1]}, expected {w_hh.shape[1]}")


def lstm_cell(input: Tensor, hx: Sequence[Tensor], w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
              b_hh: Tensor | None = None) -> tuple[Tensor, Tensor]:  # fmt: skip
    """One step of an LSTM: the new (h, c) (``torch.lstm_cell``).

    >>> import kuai as torch
    >>> h, c = torch.lstm_cell(torch.ones(1, 3), (torch.zeros(1, 2),) * 2, torch.ones(8, 3), torch.ones(8, 2))
    >>> c
    tensor([[0.9479, 0.9479]])
    """
    return step("lstm", input, hx, w_ih, w_hh, b_ih, b_hh)


def gru_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None) -> Tensor:
    """One step of a GRU: the new h (``torch.gru_cell``).

    >>> import kuai as torch
    >>> torch.gru_cell(torch.ones(1, 3), torch.zeros(1, 2), torch.ones(6, 3), torch.ones(6, 2))
    tensor([[0.0472, 0.0472]])
    """
    return step("gru", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


def rnn_tanh_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None) -> Tensor:
    """One step of Elman's network with tanh: the new h (``torch.rnn_tanh_cell``).

    >>> import kuai as torch
    >>> torch.rnn_tanh_cell(torch.ones(1, 3), torch.zeros(1, 2), torch.ones(2, 3), torch.ones(2, 2))
    tensor([[0.9951, 0.9951]])
    """
    return step("tanh", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


def rnn_relu_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None) -> Tensor:
    """One step of Elman's network with ReLU: the new h (``torch.rnn_relu_cell``).

    >>> import kuai as torch
    >>> torch.rnn_relu_cell(torch.ones(1, 3), torch.ones(1, 2), torch.ones(2, 3), torch.ones(2, 2))
    tensor([[5., 5.]])
    """
    return step("relu", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


METHODS = ()
INPLACE = ()
