"""From a list of samples to a batch of tensors."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence

import numpy as np

from ... import dtypes
from ...ops.creation import as_tensor, tensor
from ...tensor import Tensor

np_str_obj_array_pattern = re.compile(r"[SaUO]")  # NumPy's dtypes that no tensor has
UNFIT = "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"


def collate(batch: Sequence, *, collate_fn_map: dict | None = None) -> object:
    """Join samples by the functions that a map gives for their types; containers are gone into."""
    first = batch[0]
    for kind, join in (collate_fn_map or {}).items():
        if isinstance(first, kind):
            return join(batch, collate_fn_map=collate_fn_map)

    def inner(samples: Sequence) -> object:
        return collate(samples, collate_fn_map=collate_fn_map)

    if isinstance(first, Mapping):
        return _like_mapping(first, {key: inner([d[key] for d in batch]) for key in first})
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        return _like_sequence(first, [inner(column) for column in zip(*batch)])
    raise TypeError(UNFIT.format(type(first)))


def _like_mapping(example: Mapping, made: dict) -> Mapping:
    """The result as a mapping of the example's own class, where that can be made."""
    try:
        if isinstance(example, MutableMapping):
            out = copy.copy(example)
            out.update(made)
            return out
        return type(example)(made)  # type: ignore[call-arg]
    except TypeError:
        return made


def _like_sequence(example: Sequence, made: list) -> object:
    if isinstance(example, tuple):
        return type(example)(*made) if hasattr(example, "_fields") else made
    try:
        if isinstance(example, MutableSequence):
            out = copy.copy(example)
            for i, x in enumerate(made):
                out[i] = x
            return out
        return type(example)(made)  # type: ignore[call-arg]
    except TypeError:
        return made


def _tensors(batch: Sequence, *, collate_fn_map: dict | None = None) -> Tensor:
    from ...ops.joining import stack

    return stack(batch, 0)


def _arrays(batch: Sequence, *, collate_fn_map: dict | None = None) -> Tensor:
    if np_str_obj_array_pattern.search(batch[0].dtype.str):
        raise TypeError(UNFIT.format(batch[0].dtype))
    return _tensors([as_tensor(x) for x in batch])


def _floats(batch: Sequence, *, collate_fn_map: dict | None = None) -> Tensor:
    return tensor(batch, dtype=dtypes.float64)


def _numbers(batch: Sequence, *, collate_fn_map: dict | None = None) -> Tensor:
    return as_tensor(np.asarray(batch) if isinstance(batch[0], np.generic) else batch)


def _as_it_is(batch: Sequence, *, collate_fn_map: dict | None = None) -> Sequence:
    return batch


default_collate_fn_map: dict[type | tuple[type, ...], Callable] = {
    Tensor: _tensors, np.ndarray: _arrays, (np.bool_, np.number, np.object_): _numbers, float: _floats, int: _numbers,
    str: _as_it_is, bytes: _as_it_is,
}  # fmt: skip


collate_tensor_fn, collate_numpy_array_fn, collate_numpy_scalar_fn = _tensors, _arrays, _numbers
collate_float_fn, collate_int_fn, collate_str_fn = _floats, _numbers, _as_it_is


def default_collate(batch: Sequence) -> object:
    """Samples to a batch: tensors, arrays and numbers get a first dimension (``torch.utils.data.default_collate``).

    >>> from kuai.utils.data import default_collate
    >>> default_collate([(1, 2.0), (3, 4.0)])
    [tensor([1, 3]), tensor([2., 4.], dtype=torch.float64)]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def default_convert(data: object) -> object:
    """Arrays and NumPy's numbers to tensors, all else as it is (``torch.utils.data.default_convert``).

    >>> from kuai.utils.data import default_convert
    >>> default_convert([0, 1])
    [0, 1]
    """
    if isinstance(data, (np.ndarray, np.generic)):
        return data if data.dtype.kind in "SUO" else as_tensor(data)
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: default_convert(x) for key, x in data.items()})
    if isinstance(data, tuple):
        return _like_sequence(data, [default_convert(x) for x in data])
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _like_sequence(data, [default_convert(x) for x in data])
    return data
