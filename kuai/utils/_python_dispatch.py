"""Questions about subclasses of Tensor that take over dispatch (``torch.utils._python_dispatch``)."""

from __future__ import annotations


def is_traceable_wrapper_subclass(t: object) -> bool:
    """Whether a tensor is made of others, and says so by ``__tensor_flatten__`` and ``__tensor_unflatten__``.

    >>> import kuai as torch
    >>> from kuai.utils._python_dispatch import is_traceable_wrapper_subclass
    >>> is_traceable_wrapper_subclass(torch.ones(2))
    False
    """
    from ..tensor import Tensor

    kind = type(t)
    return isinstance(t, Tensor) and kind is not Tensor and hasattr(kind, "__tensor_flatten__") and hasattr(kind, "__tensor_unflatten__")
