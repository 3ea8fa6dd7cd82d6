"""What becomes of values that backward needs (``torch.autograd.graph.save_on_cpu``)."""

from __future__ import annotations


class save_on_cpu:
    """A block whose values for backward are kept in the CPU's memory: on a CPU they are (``torch.autograd.graph.save_on_cpu``).

    NotImplementedError where an accelerator computes: `torch.utils.checkpoint` spares its memory.

    >>> import kuai as torch
    >>> w = torch.ones(2, requires_grad=True)
    >>> with torch.autograd.graph.save_on_cpu():
    ...     loss = (w * w).sum()
    >>> loss.backward(); w.grad
    tensor([2., 2.])
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda"):
        self.pin_memory, self.device_type = pin_memory, device_type

    def __enter__(self) -> None:
        from .. import cuda

        if cuda.is_available():
            raise NotImplementedError("save_on_cpu: values are not moved between devices here; use torch.utils.checkpoint")

    def __exit__(self, *error: object) -> None:
        pass


class saved_tensors_hooks:
    """Not there: what backward needs is kept as values, not as tensors (``torch.autograd.graph.saved_tensors_hooks``)."""

    def __init__(self, pack_hook: object, unpack_hook: object):
        raise NotImplementedError("saved_tensors_hooks: backward keeps values, which hooks cannot be given; use torch.utils.checkpoint "
                                  "to keep less, or an autograd.Function to keep something else")  # fmt: skip
