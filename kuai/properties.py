"""Tensor's attributes that are no methods."""

from __future__ import annotations

from collections.abc import Callable

from . import protocol
from .autograd import api
from .autograd.graph import LEAVES
from .layouts import sparse_coo, sparse_csr, strided
from .tensor import Tensor


def _is_leaf(self: Tensor) -> bool:
    return self._node is None or type(self._node) in LEAVES


def _requires_grad(self: Tensor) -> bool:
    if self._storage is not None:
        self._read()
    return self._node is not None


def _nbytes(self: Tensor) -> int:
    if self.layout is not strided:
        raise RuntimeError("nbytes is not defined for sparse tensors: add those of the indices and of the values")
    return self._aval.nbytes


def _version(self: Tensor) -> int:
    if self._is_inference():
        raise RuntimeError("Inference tensors do not track version counter.")
    return self._edits if self._storage is None else self._storage.version


def _never(what: str) -> tuple[Callable, str]:
    return lambda self: False, f"Whether the tensor is {what}: none is here"


READABLE: dict[str, tuple[Callable, str]] = {
    "is_leaf": (_is_leaf, "Whether backward accumulates in ``grad`` what comes to this tensor, or would if it required gradients"),
    "grad_fn": (api.grad_fn, "The node of the graph that made this tensor; None for a leaf"),
    "ndim": (lambda self: len(self._value.aval.shape), "The number of dimensions"),
    "itemsize": (lambda self: self.dtype.itemsize, "Bytes of one element"),
    "nbytes": (_nbytes, "Bytes of all elements; RuntimeError for a sparse tensor"),
    "is_cuda": (lambda self: self.device.type == "cuda", "Whether the tensor is on an NVIDIA GPU"),
    "is_cpu": (lambda self: self.device.type == "cpu", "Whether the tensor is on the CPU"),
    "is_meta": (lambda self: self.device.type == "meta", "Whether the tensor has a shape and a dtype alone"),
    "layout": (lambda self: strided if self._storage is None else self._storage.layout, "How the elements are kept: a `torch.layout`"),
    "is_sparse": (lambda self: self.layout is sparse_coo, "Whether the tensor is sparse, in coordinates"),
    "is_sparse_csr": (lambda self: self.layout is sparse_csr, "Whether the tensor is sparse, in compressed rows"),
    "is_mps": (lambda self: self.device.type == "mps", "Whether the tensor is on an Apple GPU"),
    "is_xpu": (lambda self: self.device.type == "xpu", "Whether the tensor is on an Intel GPU"),
    "is_nested": _never("nested"),
    "is_quantized": _never("quantized"),
    **{f"is_{name}": _never(f"one of {name}'s") for name in ("mkldnn", "ipu", "maia", "mtia", "vulkan", "xla")},
    "output_nr": (lambda self: getattr(self._node, "index", 0), "Which result of its node this tensor is"),
    "retains_grad": (lambda self: self._retains, "Whether `retain_grad` has asked to keep the gradient of a tensor that is no leaf"),
    "_version": (_version, "How often the memory was edited in place"),
}


def install_properties() -> None:
    """Give Tensor its attributes."""
    for name, (read, meaning) in READABLE.items():
        setattr(Tensor, name, property(read, doc=f"{meaning} (``torch.Tensor.{name}``)."))
    Tensor.requires_grad = property(
        _requires_grad, protocol.set_requires_grad,
        doc="Whether backward computes a gradient for this tensor (``torch.Tensor.requires_grad``). Leaves can be set: RuntimeError for "
        "others, and for dtypes that are neither floating point nor complex.",
    )  # fmt: skip
    Tensor.grad = property(
        protocol.get_grad, protocol.set_grad, lambda self: protocol.set_grad(self, None),
        doc="What backward has accumulated for a leaf, of its shape, dtype and device, or None (``torch.Tensor.grad``). A tensor that is "
        "no leaf has one only after `retain_grad`.",
    )  # fmt: skip
    Tensor.data = property(
        Tensor._alias, protocol.set_data,
        doc="The same memory outside the graph (``torch.Tensor.data``). Setting it gives this tensor another one's content.",
    )  # fmt: skip
