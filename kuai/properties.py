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


# Those that can be set: how they are read, set and deleted.
WRITABLE: dict[str, tuple[Callable, Callable, Callable | None, str]] = {
    "requires_grad": (
        _requires_grad, protocol.set_requires_grad, None,
        "Whether backward computes a gradient for this tensor; RuntimeError if it is set of a tensor that is no leaf, or of integers",
    ),
    "grad": (
        protocol.get_grad, protocol.set_grad, lambda self: protocol.set_grad(self, None),
        "What backward has accumulated for a leaf, of its shape, dtype and device, or None; `retain_grad` asks for that of others",
    ),
    "data": (
        Tensor._alias, protocol.set_data, None,
        "The same memory outside the graph; setting it gives this tensor another one's content",
    ),
}  # fmt: skip

# What help() shows beside the meaning; `tests/test_examples.py` runs it.
EXAMPLES = {
    "is_leaf": "torch.ones(1, requires_grad=True).exp().is_leaf\nFalse",
    "grad_fn": "torch.ones(1, requires_grad=True).exp().grad_fn\n<ExpBackward0 object at 0x...>",
    "ndim": "torch.ones(2, 3).ndim\n2",
    "itemsize": "torch.ones(1, dtype=torch.float64).itemsize\n8",
    "nbytes": "torch.ones(2, 3).nbytes\n24",
    "is_meta": 'torch.empty(2, device="meta").is_meta\nTrue',
    "layout": "torch.eye(2).to_sparse().layout\ntorch.sparse_coo",
    "output_nr": "torch.ones(2, requires_grad=True).unbind()[1].output_nr\n1",
    "requires_grad": "torch.nn.Linear(1, 1).weight.requires_grad\nTrue",
    "grad": "x = torch.tensor([3.0], requires_grad=True); (x * x).backward(); x.grad\ntensor([6.])",
    "data": "x = torch.ones(2, requires_grad=True); x.data[0] = 5.0; x\ntensor([5., 1.], requires_grad=True)",
}


def install_properties() -> None:
    """Give Tensor its attributes."""
    for name, (read, meaning) in READABLE.items():
        setattr(Tensor, name, property(read, doc=_doc(name, meaning)))
    for name, (read, write, delete, meaning) in WRITABLE.items():
        setattr(Tensor, name, property(read, write, delete, doc=_doc(name, meaning)))


def _doc(name: str, meaning: str) -> str:
    example = f"\n\n>>> import kuai as torch\n>>> {EXAMPLES[name]}" if name in EXAMPLES else ""
    return f"{meaning} (``torch.Tensor.{name}``).{example}"
