"""Questions about fake tensors (``torch._subclasses.fake_tensor``)."""

from __future__ import annotations


class FakeTensor:
    """PyTorch's class of tensors without values: no tensor here is one."""


def is_fake(x: object) -> bool:
    """False: no tensor is fake.

    >>> import kuai as torch
    >>> from kuai._subclasses.fake_tensor import is_fake
    >>> is_fake(torch.ones(2))
    False
    """
    return False
