"""PyTorch's mark of what stays (``torch.fx._compatibility``): it changes nothing."""

from __future__ import annotations

from collections.abc import Callable


def compatibility(is_backward_compatible: bool) -> Callable:
    """A decorator that gives its function or class back.

    >>> from kuai.fx._compatibility import compatibility
    >>> compatibility(is_backward_compatible=False)(abs)(-1)
    1
    """
    return lambda marked: marked
