"""Sequences of different lengths in one tensor: padded, or packed step by step. Both are one gather."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from ...devices import placement
from ...ops.creation import full
from ...ops.indexing import index_select
from ...ops.joining import cat
from ...ops.sorting import argsort
from ...tensor import Tensor, from_array
from ...wont import refusing

_UNSORTED = (
    "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass `enforce_sorted=False` to "
    "pack_padded_sequence and/or pack_sequence to sidestep this requirement if you do not need ONNX exportability."
)


class _Packed(NamedTuple):
    data: Any
    batch_sizes: Any
    sorted_indices: Any
    unsorted_indices: Any


class PackedSequence(_Packed):
    """The steps of a batch of sequences, first those of all at time 0, then those of all that last until time 1, …

    ``batch_sizes`` (on the CPU) says how many sequences there are at each time.

    >>> import kuai as torch
    >>> from kuai.nn.utils.rnn import pack_sequence
    >>> pack_sequence([torch.tensor([1, 2]), torch.tensor([3])])
    PackedSequence(data=tensor([1, 3, 2]), batch_sizes=tensor([2, 1]), sorted_indices=None, unsorted_indices=None)
    """

    __slots__ = ()

    def __new__(cls, data: Any, batch_sizes: Any = None, sorted_indices: Any = None,
                unsorted_indices: Any = None) -> PackedSequence:  # fmt: skip
        if batch_sizes is None:
            if not isinstance(data, (list, tuple)) or len(data) != 2:
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        if batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. Instances of PackedSequence should never be created manually. They "
                "should be instantiated by functions like pack_sequence and pack_padded_sequences in nn.utils.rnn."
            )
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def __repr__(self) -> str:
        return "PackedSequence(" + ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self)) + ")"

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The sequences in another dtype or on another device; itself if they are that already."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        indices = [i if i is None else i.to(data.device) for i in (self.sorted_indices, self.unsorted_indices)]
        return type(self)(data, self.batch_sizes, *indices)

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The sequences on an NVIDIA GPU."""
        return self.to(self.data.cuda(*args, **kwargs).device)

    def cpu(self) -> PackedSequence:
        """The sequences in the host's memory."""
        return self.to("cpu")

    def pin_memory(self) -> PackedSequence:
        """The sequences themselves."""
        return self

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on an NVIDIA GPU."""
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        """Whether the data is in pinned memory."""
        return self.data.is_pinned()


def _caster(name: str) -> Callable:
    def cast(self: PackedSequence) -> PackedSequence:
        return self.to(getattr(self.data[:0], name)().dtype)

    cast.__name__, cast.__doc__ = name, f"The sequences as ``Tensor.{name}`` gives them."
    return cast


for _name in ("double", "float", "half", "long", "int", "short", "char", "byte"):
    setattr(PackedSequence, _name, _caster(_name))


def invert_permutation(permutation: Any) -> Any:
    """The permutation that undoes another; None for None.

    >>> import kuai as torch
    >>> torch.nn.utils.rnn.invert_permutation(torch.tensor([2, 0, 1]))
    tensor([1, 2, 0])
    """
    return None if permutation is None else argsort(permutation)


def _host(lengths: Any) -> np.ndarray:
    if isinstance(lengths, str):
        raise TypeError("pack_padded_sequence: lengths must be a tensor or a list of ints, not str")
    array = lengths._array() if isinstance(lengths, Tensor) else np.asarray(lengths)
    return array.astype(np.int64).reshape(-1)


def _on(array: np.ndarray, device: Any) -> Any:
    return from_array(np.ascontiguousarray(array, np.int64), placement("cpu")).to(device)


def pack_padded_sequence(input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True) -> PackedSequence:
    """Pack a padded batch, so that no step of padding is computed (``torch.nn.utils.rnn.pack_padded_sequence``).

    >>> import kuai as torch
    >>> padded = torch.tensor([[1, 2], [3, 0]])
    >>> torch.nn.utils.rnn.pack_padded_sequence(padded, [2, 1], batch_first=True).data
    tensor([1, 3, 2])
    """
    sizes = _host(lengths)
    order = None if enforce_sorted else np.argsort(-sizes, kind="stable")
    steps, batch = input.shape[:2][::-1] if batch_first else input.shape[:2]
    sizes = sizes if order is None else sizes[order]
    _check_lengths(input, sizes, steps, batch)
    columns = np.arange(batch) if order is None else order
    batch_sizes = (sizes[None, :] > np.arange(sizes[0])[:, None]).sum(1)
    stride = (1, steps) if batch_first else (batch, 1)  # of a step and of a sequence, among all rows
    rows = np.concatenate([t * stride[0] + columns[:n] * stride[1] for t, n in enumerate(batch_sizes)])
    data = index_select(input.reshape(steps * batch, *input.shape[2:]), 0, _on(rows, input.device))
    return PackedSequence(data, _on(batch_sizes, "cpu"), None if order is None else _on(order, input.device))


def _check_lengths(input: Any, sizes: np.ndarray, steps: int, batch: int) -> None:
    if input.numel() == 0:
        raise RuntimeError("Cannot pack empty tensors.")
    if len(sizes) != batch:
        raise RuntimeError(f"Expected `len(lengths)` to be equal to batch_size, but got {len(sizes)} (batch_size={batch})")
    if (sizes <= 0).any():
        raise RuntimeError("Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0")
    if (np.diff(sizes) > 0).any():
        raise RuntimeError(_UNSORTED)
    if sizes[0] > steps:
        raise RuntimeError(f"pack_padded_sequence: a length of {sizes[0]} is more than the {steps} steps of the input")


def pad_packed_sequence(sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0,
                        total_length: int | None = None) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The padded batch of a packed one, and the lengths (``torch.nn.utils.rnn.pad_packed_sequence``).

    >>> import kuai as torch
    >>> from kuai.nn.utils.rnn import pack_sequence, pad_packed_sequence
    >>> pad_packed_sequence(pack_sequence([torch.tensor([1, 2]), torch.tensor([3])]), batch_first=True)
    (tensor([[1, 2],
            [3, 0]]), tensor([2, 1]))
    """
    data, sizes = sequence.data, _host(sequence.batch_sizes)
    steps, batch = len(sizes), int(sizes[0])
    if total_length is not None and total_length < steps:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, but got "
            f"total_length={total_length} and max sequence length being {steps}"
        )
    rows = np.full((total_length or steps, batch), data.shape[0])  # the row after the last one is padding
    starts = np.cumsum(sizes) - sizes
    for t, n in enumerate(sizes):
        rows[t, :n] = starts[t] + np.arange(n)
    lengths = (sizes[:, None] > np.arange(batch)).sum(0)
    if sequence.unsorted_indices is not None:
        back = _host(sequence.unsorted_indices)
        rows, lengths = rows[:, back], lengths[back]
    return _gather_padded(data, rows.T if batch_first else rows, padding_value), _on(lengths, "cpu")


def _gather_padded(data: Any, rows: np.ndarray, padding_value: float) -> Tensor:
    """The rows of data at these numbers; the number after the last one is a row of padding."""
    rest = tuple(data.shape[1:])
    if (rows == data.shape[0]).any():
        data = cat([data, full((1, *rest), padding_value, dtype=data.dtype, device=data.device)])
    return index_select(data, 0, _on(rows.reshape(-1), data.device)).reshape(*rows.shape, *rest)


def pad_sequence(sequences: Any, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right") -> Tensor:
    """Sequences of different lengths in one tensor, padded (``torch.nn.utils.rnn.pad_sequence``).

    >>> import kuai as torch
    >>> torch.nn.utils.rnn.pad_sequence([torch.tensor([1, 2]), torch.tensor([3])], batch_first=True)
    tensor([[1, 2],
            [3, 0]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}")
    held = list(sequences)
    if not held:
        raise RuntimeError("received an empty list of sequences")
    for i, s in enumerate(held):
        if not isinstance(s, Tensor):
            raise TypeError(f"pad_sequence: expected Tensor as element {i} of the sequences, but got {type(s).__name__}")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    lengths = [s.shape[0] for s in held]
    longest, total = max(lengths), sum(lengths)
    rows = np.full((len(held), longest), total)
    start = 0
    for i, n in enumerate(lengths):
        where = slice(longest - n, None) if padding_side == "left" else slice(n)
        rows[i, where] = np.arange(start, start + n)
        start += n
    data = cat([s.to(held[0].dtype) for s in held])
    return _gather_padded(data, rows if batch_first else rows.T, padding_value)


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded batch (``torch.nn.utils.rnn.unpad_sequence``).

    >>> import kuai as torch
    >>> torch.nn.utils.rnn.unpad_sequence(torch.tensor([[1, 2], [3, 0]]), torch.tensor([2, 1]), batch_first=True)
    [tensor([1, 2]), tensor([3])]
    """
    padded = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[:n] for row, n in zip(padded, _host(lengths).tolist())]


def pack_sequence(sequences: Any, enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of sequences (``torch.nn.utils.rnn.pack_sequence``).

    >>> import kuai as torch
    >>> torch.nn.utils.rnn.pack_sequence([torch.tensor([1]), torch.tensor([2, 3])], enforce_sorted=False).data
    tensor([2, 1, 3])
    """
    held = list(sequences)
    return pack_padded_sequence(pad_sequence(held), [s.shape[0] for s in held], enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The list of sequences that was packed (``torch.nn.utils.rnn.unpack_sequence``).

    >>> import kuai as torch
    >>> from kuai.nn.utils.rnn import pack_sequence, unpack_sequence
    >>> unpack_sequence(pack_sequence([torch.tensor([1, 2]), torch.tensor([3])]))
    [tensor([1, 2]), tensor([3])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)

__getattr__ = refusing(__name__)
