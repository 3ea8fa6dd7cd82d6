"""Apple's GPUs (``torch.backends.mps``): not supported."""


def is_available() -> bool:
    """False: JAX's public platforms have no MPS.

    >>> from kuai.backends import mps
    >>> mps.is_available()
    False
    """
    return False


def is_macos_or_newer(major: int, minor: int) -> bool:
    """False: there is no MPS (``torch.backends.mps.is_macos_or_newer``)."""
    return False


def is_built() -> bool:
    """False (``torch.backends.mps.is_built``)."""
    return False
