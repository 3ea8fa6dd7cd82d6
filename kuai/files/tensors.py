"""The one place where files touch tensors: what a tensor's memory is, and how one is made on memory that was read."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import layouts
from ..devices import device
from ..dtypes import dtype
from ..engine.program import Aval
from ..engine.program import Size as Size
from ..engine.trace import concrete, materialize
from ..tensor import Storage, Tensor, walk_array, wrap
from .errors import shown


def is_tensor(value: object) -> bool:
    return isinstance(value, Tensor)


def is_parameter(value: object) -> bool:
    from ..nn.parameter import Parameter

    return isinstance(value, Parameter)


def is_lazy(value: object) -> bool:
    """Whether it is a parameter or a buffer whose shape is not known yet."""
    from ..nn import parameter

    return parameter.is_lazy(value)


def class_of(full_name: str) -> type:
    """kuai's class for one of PyTorch's."""
    if full_name == "torch.Size":
        return Size
    if full_name == "torch.Tensor":
        return Tensor
    from ..nn import parameter

    return getattr(parameter, full_name.rpartition(".")[2])


def make_parameter(data: Tensor, requires_grad: bool) -> Tensor:
    from ..nn.parameter import Parameter

    return Parameter(data.detach(), requires_grad)


def layout(name: object) -> layouts.layout:
    """PyTorch's layout object, by its printed name."""
    found = getattr(layouts, name.removeprefix("torch."), None) if type(name) is str else None
    if not isinstance(found, layouts.layout):
        raise NotImplementedError(f"load: layout {shown(name)}, which kuai has not; save tensor.to_dense()")
    return found


def is_sparse(value: Tensor) -> bool:
    return value.layout is not layouts.strided


def sparse_parts(value: Tensor) -> tuple:
    """What PyTorch saves of a sparse tensor, beside its layout."""
    value = value.detach()
    if value.layout is layouts.sparse_coo:
        return value._indices(), value._values(), value.shape, value.is_coalesced()
    rows = value.layout in (layouts.sparse_csr, layouts.sparse_bsr)
    names = ("crow_indices", "col_indices") if rows else ("ccol_indices", "row_indices")
    return *(getattr(value, name)() for name in names), value.values(), value.shape


def build_sparse(of: layouts.layout, parts: tuple) -> Tensor:
    """A sparse tensor of its parts, which are checked. RuntimeError or ValueError if they do not fit."""
    from ..sparse.compressing import sparse_compressed_tensor
    from ..sparse.coo import sparse_coo_tensor

    if of is layouts.sparse_coo:
        indices, values, size, *coalesced = parts
        flag = coalesced[0] if coalesced else None
        return sparse_coo_tensor(indices, values, size, is_coalesced=flag, check_invariants=True)
    compressed, plain, values, size = parts
    return sparse_compressed_tensor(compressed, plain, values, size, layout=of, check_invariants=True)


def attributes(value: Tensor) -> dict[str, Any]:
    """What the user has hung on a tensor."""
    return {k: v for k, v in vars(value).items() if not k.startswith("_") and not hasattr(type(value), k)}


def is_available(where: device) -> bool:
    """Whether this machine has the device."""
    if where.type in ("cpu", "meta"):
        return True
    import kuai

    return where.type == "cuda" and (where.index or 0) < kuai.cuda.device_count()


def to_numpy(value: Tensor) -> np.ndarray:
    return value._array()


# ---- a tensor's memory -----------------------------------------------------------------------------------------------


def _probe(value: Tensor) -> tuple[np.ndarray, np.ndarray] | None:
    """Stand-ins for the storage and for the view of it, never read: only their places count. None for unshared memory."""
    if value._storage is None or not value._path:
        return None
    aval = value._storage.value.aval  # type: ignore[union-attr]
    root = np.empty(aval.shape, aval.dtype.numpy)
    view = walk_array(root, value._path)
    inside = view.size == 0 or np.may_share_memory(view, root)
    return (root, view) if inside and view.shape == value.shape else None


def _is_whole(value: Tensor) -> bool:
    return value._storage is not None and not value._path


def storage_key(value: Tensor) -> object:
    """The object that tensors on the same memory have in common."""
    if _is_whole(value) or _probe(value) is not None:
        return value._storage
    return value


def storage_array(value: Tensor) -> np.ndarray:
    """The storage's elements as a flat array of the tensor's dtype, on the CPU; no copy where they are there."""
    if _probe(value) is None:
        array = value._array()
    else:
        array = np.asarray(materialize(value._storage.read(())))
    return np.ascontiguousarray(array).reshape(-1).view(value.dtype.numpy)


def _storage_bytes(value: Tensor) -> int:
    if _probe(value) is None:
        return value._aval.nbytes
    return value._storage.value.aval.nbytes  # type: ignore[union-attr]


def storage_size(value: Tensor) -> int:
    """How many elements of the tensor's dtype its storage has."""
    return _storage_bytes(value) // value.dtype.itemsize


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


def geometry_of(value: Tensor) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """Where in its storage a tensor lies: offset, shape and strides, in elements."""
    shape = tuple(value.shape)
    probe = _probe(value)
    if probe is None:
        return 0, shape, contiguous_strides(shape)
    root, view = probe
    if view.size == 0:
        return 0, shape, contiguous_strides(shape)
    offset = view.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    item = view.itemsize
    return offset // item, shape, tuple(s // item for s in view.strides)


# ---- a tensor on memory ----------------------------------------------------------------------------------------------


def _on(flat: np.ndarray, of: dtype, shape: tuple[int, ...], where: device) -> Tensor:
    value = concrete(flat.reshape(shape), Aval(shape, of, device("cpu")))
    made = wrap(value)
    if isinstance(flat, np.memmap):  # what is written goes to the file
        made._storage = Storage(value, flat.reshape(shape))
    return made if where.type == "cpu" else made.to(where)


def _alias(root: Tensor, of: dtype, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Tensor:
    if root.dtype is not of:
        root = root.reshape(-1).view(of)
    if (offset, shape, strides) == (0, tuple(root.shape), contiguous_strides(shape)):
        return root._alias()
    return root.reshape(-1).as_strided(shape, strides, offset)._alias()


def build(
    flat: np.ndarray | None, of: dtype, offset: int, shape: tuple, strides: tuple, requires_grad: bool, where: device, token: Any
) -> Tensor:
    """A tensor on a flat array. Those with the same token share memory; the token keeps the first of them."""
    if flat is None:
        made = wrap(concrete(None, Aval(shape, of, where)))  # type: ignore[arg-type]
    else:
        root = getattr(token, "root", None)
        whole = offset == 0 and strides == contiguous_strides(shape) and Size(shape).numel() == flat.size
        if root is None:
            root = _on(flat, of, shape if whole else (flat.size,), where)
            made = root if whole else _alias(root, of, offset, shape, strides)
        else:
            made = _alias(root, of, offset, shape, strides)
        if token is not None:
            token.root = root
    return made.requires_grad_(True) if requires_grad else made
