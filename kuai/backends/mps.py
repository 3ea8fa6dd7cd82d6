"""Apple's GPUs (``torch.backends.mps``): not supported."""


def is_available() -> bool:
    """False: JAX's public platforms have no MPS.

    >>> from kuai.backends import mps
    >>> mps.is_available()
    False
    """
    return False


def is_built() -> bool:
    """False (``torch.backends.mps.is_built``)."""
    return False
